/* SPDX-License-Identifier: GPL-2.0 */
/*
 * What else the workers of the stress test do: notify, watch badges, poll,
 * configure; and how often they do what.
 */
#ifndef STRESS_OPERATIONS_H
#define STRESS_OPERATIONS_H

#include <poll.h>

#include "stress_uring.h"

static void do_notify(struct worker *w)
{
	struct cap *cap = pick(w, VIPC_RIGHT_SEND);
	uint32_t bit = dice(w, 64);
	struct bits *b;
	uint64_t stamp;
	int ret;

	if (!cap)
		return;
	b = board_bits(cap->endpoint);
	if (!b)
		return;
	__atomic_fetch_or(&b->tried, 1ull << bit, __ATOMIC_ACQ_REL);
	stamp = vp_add(&board->told.clock, 1);
	vp_add(&w->slot->sending, 1);
	ret = vt_notify(cap->fd, 1ull << bit);
	if (!ret) {
		board_raise(&b->sent[bit], stamp);
		vp_add(&board->told.sent, 1);
	}
	vp_add(&w->slot->sending, -1);
	JUDGE(cap, "NOTIFY", ret, cap->revoked, cap->dead, -EPIPE, -EKEYREVOKED);
}

/* A badge that nobody had, and that the endpoint is told of when it is gone. */
static void do_watch(struct worker *w)
{
	struct cap *cap = pick(w, VIPC_RIGHT_GRANT);
	struct watch *watch;
	uint64_t i;
	int fd;

	if (!cap || cap->badge)
		return;
	i = vp_add(&board->told.nr_watches, 1) - 1;
	if (i >= MAX_WATCHES)
		return;
	watch = &board->told.watch[i];
	watch->endpoint = cap->endpoint;
	vp_set(&watch->made, 1);
	vp_add(&w->slot->sending, 1);
	fd = vt_derive_watched(cap->fd, cap->rights & dice(w, 16),
			       FIRST_WATCHED + i);
	if (fd < 0)
		vp_set(&watch->made, 0);
	vp_add(&w->slot->sending, -1);
	JUDGE(cap, "DERIVE", fd < 0 ? fd : 0, cap->revoked, cap->dead, -EPIPE,
	      -EKEYREVOKED);
	vp_add(&board->derived, fd >= 0);
	keep_cap(w, fd);
}

/* Waits for something to come, perhaps for ever, and takes that. */
static void do_poll(struct worker *w)
{
	struct cap *cap = pick(w, dice(w, 3) ? VIPC_RIGHT_RECV : VIPC_RIGHT_SEND);
	struct vipc_msg m = { .flags = VIPC_NONBLOCK };
	struct pollfd p;
	int ret;

	if (!cap)
		return;
	p = (struct pollfd){
		.fd = cap->fd,
		.events = cap->rights & VIPC_RIGHT_RECV ? POLLIN : POLLOUT,
	};
	ret = poll(&p, 1, dice(w, 20) ? (int)dice(w, 4) : -1);
	if (ret < 0 && errno != EINTR)
		complain("poll: %s", strerror(errno));
	if (cap->revoked && ret == 1 && !(p.revents & POLLERR))
		complain("poll of a revoked capability: %#x", p.revents);
	if (cap->dead && ret == 1 && !(p.revents & (POLLERR | POLLHUP)))
		complain("poll at a dead endpoint: %#x", p.revents);
	if ((cap->revoked || cap->dead) && !ret)
		complain("poll sees nothing of an end");
	if (ret != 1 || !(p.revents & POLLIN))
		return;
	vp_add(&w->slot->receiving, 1);
	ret = vt_recv(cap->fd, &m);
	JUDGE(cap, "RECV", ret, cap->revoked, cap->dead, -EPIPE, -EKEYREVOKED,
	      -EAGAIN, -EMSGSIZE);
	if (ret)
		vp_add(&w->slot->receiving, -1);
	else
		take(w, cap, &m, UNKNOWN_ROOM, UNKNOWN_ROOM);
}

static void do_config(struct worker *w)
{
	static const uint32_t max_len[] = { 0, 300, VX_PIN_MIN, AREA, AREA };
	struct cap *cap = pick(w, VIPC_RIGHT_RECV);
	struct vipc_config c = {
		.flags = VIPC_CONFIG_MAX_LEN | VIPC_CONFIG_SPIN_NS,
		.max_len = max_len[dice(w, 5)],
		.spin_ns = dice(w, 2) ? UINT32_MAX : dice(w, 50000),
	};

	if (cap)
		JUDGE(cap, "CONFIG", vt_config(cap->fd, &c), cap->revoked,
		      cap->dead, -EPIPE, -EKEYREVOKED);
}

static const struct {
	void (*op)(struct worker *w);
	uint32_t weight;
} operations[] = {
	{ do_send, 220 }, { do_receive, 200 }, { do_reply, 100 },
	{ do_send_x, 150 }, { do_receive_x, 200 }, { do_reply_x, 90 },
	{ do_reply_recv_x, 50 }, { do_notify, 40 }, { do_watch, 15 },
	{ do_poll, 20 }, { do_config, 4 },
	{ do_ring_send, 60 }, { do_ring_receive, 110 },
	{ do_ring_reply_recv, 60 }, { do_ring_reap, 140 },
	{ do_ring_cancel, 90 }, { do_ring_close, 6 },
	{ do_reply_recv, 50 }, { do_wrong_reply, 10 }, { do_derive, 40 },
	{ do_close, 30 }, { do_pass, 25 }, { do_fetch, 30 }, { do_look, 10 },
	{ do_revoke, 3 }, { do_open, 2 }, { do_shutdown, 1 }, { do_nap, 10 },
};

static void do_anything(struct worker *w)
{
	uint32_t total = 0, n;

	for (size_t i = 0; i < sizeof(operations) / sizeof(operations[0]); i++)
		total += operations[i].weight;
	/* far rarer than any weight could say */
	if (!board->gentle && !dice(w, 20000))
		do_die(w);
	tidy_up(w);
	n = dice(w, total);
	for (size_t i = 0;; i++) {
		if (n < operations[i].weight) {
			operations[i].op(w);
			break;
		}
		n -= operations[i].weight;
	}
	vp_add(&board->operations, 1);
}

#endif /* STRESS_OPERATIONS_H */
