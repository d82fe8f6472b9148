/* SPDX-License-Identifier: GPL-2.0 */
/*
 * What the workers of the stress test do with bytes and descriptors. A message
 * says in the application's flags how many bytes it has, and all of them follow
 * from its number; a descriptor is a capability for an endpoint that the board
 * knows.
 */
#ifndef STRESS_PAYLOAD_H
#define STRESS_PAYLOAD_H

#include "stress_worker.h"

/* Nothing, a little, around where pages begin to be pinned, a lot. */
static uint32_t any_length(struct worker *w)
{
	switch (dice(w, 8)) {
	case 0:
		return 0;
	case 1:
		return VX_PIN_MIN - 3 + dice(w, 6);
	case 2:
		return dice(w, AREA);
	default:
		return dice(w, 300);
	}
}

/* @len bytes that say @tag, in memory that comes and goes if *@flicker. */
static void *fill(struct worker *w, uint32_t len, uint64_t tag, bool *flicker)
{
	*flicker = len && w->flicker && !dice(w, 4);
	vx_fill(*flicker ? w->steady : w->tx, len, tag);
	return *flicker ? w->flicker : w->tx;
}

/* Takes the bytes and descriptors of @x, which say @tag; what it says they are. */
static void unpack(struct worker *w, const struct vipc_xmsg *x, const void *bytes,
		   const int32_t *fd, uint64_t tag, uint64_t fd_endpoint)
{
	struct vipc_info info;
	int ret;

	vp_add(&board->bytes, x->rx_len);
	vp_add(&board->fds, x->rx_nfds);
	if (x->rx_len != x->msg.flags >> 16 || !vx_is(bytes, x->rx_len, tag))
		complain("%u of %u bytes came, or others", x->rx_len,
			 x->msg.flags >> 16);
	if (!x->rx_nfds)
		return;
	ret = vt_info(*fd, &info);
	if (ret && ret != -EKEYREVOKED)
		complain("what came is no capability: %d", ret);
	if (!ret && info.endpoint != fd_endpoint)
		complain("a capability for endpoint %llu came as one for %llu",
			 (unsigned long long)fd_endpoint,
			 (unsigned long long)info.endpoint);
	keep_cap(w, *fd);
}

static void do_send_x(struct worker *w)
{
	struct cap *cap = pick(w, VIPC_RIGHT_SEND), *passed = NULL;
	bool call = dice(w, 2), revoked, dead, flicker;
	uint32_t len = any_length(w);
	struct vipc_xmsg x;
	struct entry *e;
	int32_t fd, got = -1;
	uint64_t id;
	int ret;

	if (!cap)
		return;
	revoked = cap->revoked;
	dead = cap->dead;
	id = board_new_message(w->slot, call, cap->endpoint, cap->badge);
	if (!id)
		return;
	e = &board->entry[id];
	x = vx_msg(id, fill(w, len, id, &flicker), len);
	x.msg.flags = len << 16;
	e->len = len;
	if (cap->rights & VIPC_RIGHT_GRANT && !dice(w, 3))
		passed = pick(w, 0);
	if (passed) {
		e->fd_endpoint = passed->endpoint;
		e->nr_fds = 1;
		fd = passed->fd;
		vx_set_fds(&x, &fd, 1);
	}
	if (call) {
		vx_set_room(&x, w->rx, any_length(w));
		vx_set_fd_room(&x, &got, dice(w, 2));
	}
	set_patience(w, &x.msg);
	ret = vt_ioctl(cap->fd, call ? VIPC_IOC_CALL_X : VIPC_IOC_SEND_X, &x);
	board_sent(w->slot, id, !ret ? DONE :
		   vp_delivered(&x.msg) ? DELIVERED : UNDELIVERED);
	if (ret == -ECONNRESET && !vp_delivered(&x.msg))
		complain("ECONNRESET of what was not delivered");
	JUDGE(cap, call ? "CALL_X" : "SEND_X", ret, revoked, dead, -EPIPE,
	      -EKEYREVOKED, -EAGAIN, -ETIMEDOUT, -EINTR, -ECONNRESET, -EMSGSIZE,
	      flicker ? -EFAULT : 0);
	if (ret || !call)
		return;
	if (!vt_msg_is(&x.msg, ~id))
		complain("wrong reply to %llu", (unsigned long long)id);
	unpack(w, &x, w->rx, &got, ~id, vp_get(&e->fd_endpoint));
}

/* Takes what was received at @rx, with or without bytes. */
static void take_x(struct worker *w, struct cap *cap, const struct vipc_xmsg *x,
		   const void *rx, const int32_t *fd)
{
	uint64_t id = take(w, cap, &x->msg, x->reply_len,
			   x->reply_nfds);
	const struct entry *e = &board->entry[id];

	if (!id) {
		if (x->rx_len || x->rx_nfds || x->reply_len || x->reply_nfds)
			complain("the kernel told %u bytes", x->rx_len);
		return;
	}
	if (x->rx_nfds != e->nr_fds)
		complain("message %llu with %u descriptors came with %u",
			 (unsigned long long)id, e->nr_fds, x->rx_nfds);
	if (!e->call && (x->reply_len || x->reply_nfds))
		complain("a send with room for a reply");
	unpack(w, x, rx, fd, id, e->fd_endpoint);
}

/* Room for anything, or, seldom, for little. */
static struct vipc_xmsg any_room(struct worker *w, void *rx, int32_t *fd)
{
	struct vipc_xmsg x = vx_room(rx, dice(w, 12) ? AREA : dice(w, 200));

	x.msg.deadline_ns = 0;
	vx_set_fd_room(&x, fd, dice(w, 12) > 0);
	return x;
}

static void do_receive_x(struct worker *w)
{
	struct cap *cap = pick(w, VIPC_RIGHT_RECV);
	bool flicker = w->flicker && !dice(w, 3), revoked, dead;
	struct vipc_xmsg x;
	int32_t fd = -1;
	int ret;

	if (!cap)
		return;
	revoked = cap->revoked;
	dead = cap->dead;
	x = any_room(w, flicker ? w->flicker : w->rx, &fd);
	set_patience(w, &x.msg);
	vp_add(&w->slot->receiving, 1);
	ret = vx_recv(cap->fd, &x);
	if (flicker && ret == -EFAULT) {
		vp_add(&board->faults, 1);
		vp_add(&w->slot->receiving, -1);
		return;
	}
	JUDGE(cap, "RECV_X", ret, revoked, dead, -EPIPE, -EKEYREVOKED, -EAGAIN,
	      -ETIMEDOUT, -EINTR, -EMSGSIZE);
	if (ret)
		vp_add(&w->slot->receiving, -1);
	else
		take_x(w, cap, &x, flicker ? w->steady : w->rx, &fd);
}

/* A reply to @t through @cap, with a descriptor if *@fd is one then. */
static struct vipc_xmsg reply_to_x(struct worker *w, const struct cap *cap,
				   const struct token *t, int32_t *fd, bool *flicker)
{
	uint32_t len = any_length(w);
	struct vipc_xmsg x;

	if (len > t->room && dice(w, 8))
		len = t->room;
	x = vx_msg(0, fill(w, len, ~t->id, flicker), len);
	x.msg = reply_to(t);
	x.msg.flags = len << 16;
	*fd = -1;
	if (cap->rights & VIPC_RIGHT_GRANT && t->fd_room == 1 && !dice(w, 3)) {
		/* its caller cannot look before it is answered */
		vp_set(&board->entry[t->id].fd_endpoint, cap->endpoint);
		*fd = cap->fd;
		vx_set_fds(&x, fd, 1);
	}
	return x;
}

static void do_reply_x(struct worker *w)
{
	struct vipc_xmsg x;
	struct token *t;
	struct cap *cap;
	bool flicker;
	int32_t fd;
	int ret;

	if (!w->nr_tokens)
		return;
	t = &w->token[dice(w, (uint32_t)w->nr_tokens)];
	cap = server_of(w, t);
	/* answered already: what goes with that shall not be noted again */
	if (!cap || t->used) {
		drop_token(w, t);
		return;
	}
	x = reply_to_x(w, cap, t, &fd, &flicker);
	ret = vx_reply(cap->fd, &x);
	JUDGE(cap, "REPLY_X", ret, cap->revoked, false, -ESRCH, -EKEYREVOKED,
	      x.tx_len > t->room || t->room == UNKNOWN_ROOM ? -EMSGSIZE : -ESRCH,
	      flicker ? -EFAULT : 0);
	if (!ret && x.tx_len > t->room)
		complain("a reply of %u bytes fitted into %u", x.tx_len, t->room);
	if (!ret)
		board_accepted(t->id);
	else if (ret == -ESRCH)
		vp_add(&board->late, 1);
	/* too large, or not readable: the call can still be answered */
	if (ret != -EMSGSIZE && ret != -EFAULT)
		drop_token(w, t);
}

static void do_reply_recv_x(struct worker *w)
{
	struct vipc_xmsg x, room;
	int32_t out, in = -1;
	struct token *t, was;
	struct cap *cap;
	bool flicker;
	int ret;

	if (!w->nr_tokens)
		return;
	t = &w->token[dice(w, (uint32_t)w->nr_tokens)];
	cap = server_of(w, t);
	was = *t;
	drop_token(w, t);
	if (!cap || was.used)
		return;
	x = reply_to_x(w, cap, &was, &out, &flicker);
	room = any_room(w, w->rx, &in);
	vx_set_room(&x, w->rx, room.rx_len);
	vx_set_fd_room(&x, &in, room.rx_nfds);
	set_patience(w, &x.msg);
	vp_add(&w->slot->receiving, 1);
	ret = vx_reply_recv(cap->fd, &x);
	if (!ret || x.msg.reply != was.token)
		board_accepted(was.id);
	else
		vp_add(&board->late, ret == -ESRCH);
	/* EMSGSIZE: of the reply, or of what came next */
	JUDGE(cap, "REPLY_RECV_X", ret, cap->revoked, false, -ESRCH,
	      -EKEYREVOKED, -EPIPE, -EAGAIN, -ETIMEDOUT, -EINTR, -EMSGSIZE,
	      flicker ? -EFAULT : 0);
	if (ret)
		vp_add(&w->slot->receiving, -1);
	else
		take_x(w, cap, &x, w->rx, &in);
}

#endif /* STRESS_PAYLOAD_H */
