/* SPDX-License-Identifier: GPL-2.0 */
/*
 * The workers of the stress test with rings of io_uring's: each keeps several
 * operations under way as commands, cancels them, closes the ring under them.
 */
#ifndef STRESS_URING_H
#define STRESS_URING_H

#include "stress_ring.h"

/* ---- how commands begin ---- */

/* A worker either has rings all the time, or none. */
static bool has_ring(struct worker *w)
{
	struct ring *r = w->ring;

	return r && (r->open || ring_open(w));
}

/* Submits what was prepared; true if the kernel has it. */
static bool submit(struct ring *r)
{
	int ret = io_uring_submit(&r->uring);

	if (ret < 0) {
		complain("io_uring_submit: %s", strerror(-ret));
		return false;
	}
	/* the kernel's thread looks descriptors up: they shall be the same then */
	while (io_uring_sq_ready(&r->uring))
		sched_yield();
	return true;
}

static struct flight *new_flight(struct worker *w, uint32_t right)
{
	struct ring *r = w->ring;
	struct flight *f = r->flight;
	bool fixed = !dice(w, 8) && (r->cap.rights & right) == right;
	const struct cap *cap = fixed ? &r->cap : pick(w, right);

	while (f < r->flight + MAX_FLIGHTS && f->busy)
		f++;
	if (!cap || f == r->flight + MAX_FLIGHTS)
		return NULL;
	*f = (struct flight){
		.cap = *cap,
		.fixed = fixed,
		.own_fd = -1,
		.revoked = cap->revoked,
		.dead = cap->dead,
		.is_x = dice(w, 2),
		.worker = !dice(w, 16),
		.tx = f->tx,
		.rx = f->rx,
		.at = &f->x,
		.fd_in = -1,
		.fd_out = -1,
	};
	/* what a worker looks up later must not be somebody else's by then */
	if (f->worker && !fixed) {
		f->own_fd = fcntl(cap->fd, F_DUPFD_CLOEXEC, 3);
		if (f->own_fd < 0)
			return NULL;
	}
	return f;
}

static void launch(struct worker *w, struct flight *f)
{
	struct ring *r = w->ring;
	struct io_uring_sqe *sqe;
	int fd = f->fixed ? 1 : f->own_fd >= 0 ? f->own_fd : f->cap.fd;

	f->was = f->x;
	f->busy = true;
	r->in_flight++;
	f->tag = ++r->next_tag << TAG_BITS | (uint64_t)(f - r->flight);
	sqe = vt_prep(&r->uring, fd, f->is_x ? x_cmd(f) : small_cmd(f), f->at,
		      f->tag);
	if (!sqe) {
		complain("a ring has no room for a command");
		return;
	}
	if (f->fixed)
		sqe->flags |= IOSQE_FIXED_FILE;
	if (f->worker)
		sqe->flags |= IOSQE_ASYNC;
}

/* Bytes and descriptors for a request or a reply through @f. */
static void load(struct worker *w, struct flight *f, uint64_t tag, uint32_t len,
		 bool fds, uint64_t fd_endpoint, int fd)
{
	vx_fill(f->tx, len, tag);
	vx_set_tx(&f->x, f->tx, len);
	f->x.msg.flags = len << 16;
	if (!fds || f->worker || dice(w, 3))
		return;
	vp_set(&board->entry[f->id].fd_endpoint, fd_endpoint);
	f->fd_out = fd;
	vx_set_fds(&f->x, &f->fd_out, 1);
}

static bool ring_request(struct worker *w)
{
	struct flight *f = new_flight(w, VIPC_RIGHT_SEND);
	const struct cap *passed;
	struct entry *e;

	if (!f)
		return false;
	f->call = dice(w, 2);
	f->id = board_new_message(w->slot, f->call, f->cap.endpoint,
				  f->cap.badge);
	if (!f->id) {
		if (f->own_fd >= 0)
			close(f->own_fd);
		return false;
	}
	e = &board->entry[f->id];
	f->x.msg = vt_msg(f->id);
	if (f->is_x) {
		e->len = any_length(w);
		passed = pick(w, 0);
		load(w, f, f->id, e->len, passed &&
		     f->cap.rights & VIPC_RIGHT_GRANT,
		     passed ? passed->endpoint : 0, passed ? passed->fd : -1);
		e->nr_fds = (uint8_t)f->x.tx_nfds;
	}
	if (f->is_x && f->call) {
		vx_set_room(&f->x, f->rx, any_length(w));
		vx_set_fd_room(&f->x, &f->fd_in, dice(w, 2));
	}
	set_patience(w, &f->x.msg);
	launch(w, f);
	return true;
}

/* Several at once. */
static void do_ring_send(struct worker *w)
{
	if (!has_ring(w))
		return;
	for (uint32_t n = 1 + dice(w, 6); n && ring_request(w); n--)
		;
	submit(w->ring);
}

static void ring_room(struct worker *w, struct flight *f)
{
	struct vipc_xmsg room = any_room(w, f->rx, &f->fd_in);

	vx_set_room(&f->x, f->rx, room.rx_len);
	vx_set_fd_room(&f->x, &f->fd_in, room.rx_nfds);
}

static void do_ring_receive(struct worker *w)
{
	struct flight *f = has_ring(w) ? new_flight(w, VIPC_RIGHT_RECV) : NULL;

	if (!f)
		return;
	f->receives = true;
	if (f->is_x)
		ring_room(w, f);
	set_patience(w, &f->x.msg);
	if (!f->is_x && w->flicker && !dice(w, 3)) {
		size_t at = AREA + sizeof(f->x) * (size_t)(f - w->ring->flight);

		f->at = (void *)((char *)w->flicker + at);
		memcpy((char *)w->steady + at, &f->x, sizeof(f->x));
	}
	vp_add(&w->slot->receiving, 1);
	launch(w, f);
	submit(w->ring);
}

static void do_ring_reply_recv(struct worker *w)
{
	struct token *t, was;
	struct flight *f;
	struct cap *cap;

	if (!w->nr_tokens || !has_ring(w))
		return;
	t = &w->token[dice(w, (uint32_t)w->nr_tokens)];
	cap = server_of(w, t);
	f = cap && !t->used ? new_flight(w, 0) : NULL;
	if (!f)
		return;
	was = *t;
	drop_token(w, t);
	/* it has to go through the capability that took the call */
	if (f->own_fd >= 0)
		close(f->own_fd);
	f->own_fd = -1;
	f->worker = false;
	f->fixed = false;
	f->cap = *cap;
	f->revoked = cap->revoked;
	/* of a reply at a dead endpoint ESRCH is said, as nobody waits there */
	f->dead = false;
	f->id = was.id;
	f->token = was.token;
	f->receives = true;
	f->x.msg = reply_to(&was);
	if (f->is_x) {
		uint32_t len = any_length(w);

		if (len > was.room && dice(w, 8))
			len = was.room;
		load(w, f, ~was.id, len, cap->rights & VIPC_RIGHT_GRANT &&
		     was.fd_room == 1, cap->endpoint, cap->fd);
		ring_room(w, f);
	}
	set_patience(w, &f->x.msg);
	vp_add(&w->slot->receiving, 1);
	launch(w, f);
	submit(w->ring);
}

/* ---- cancelling ---- */

/* Through what @f can be canceled, or -1: that is closed. */
static int fd_of(struct worker *w, const struct flight *f)
{
	int i = index_of(w, f->cap.serial);

	return f->fixed ? 1 : f->own_fd >= 0 ? f->own_fd :
	       i >= 0 ? w->cap[i].fd : -1;
}

/* Cancels by vipc's command, or by io_uring's, which finds what a worker does. */
static void cancel(struct worker *w, struct flight *f, bool by_tag)
{
	uint64_t tag = f->tag, limit = vt_now_ns() + VT_LIMIT_NS;
	struct ring *r = w->ring;
	struct io_uring_sqe *sqe;
	int fd = fd_of(w, f);

	if (fd < 0 && !by_tag)
		return;
	r->cancel_tag = ++r->next_tag << TAG_BITS | TAG_CANCEL;
	sqe = vt_prep(&r->uring, fd, VIPC_URING_CANCEL, f->at, r->cancel_tag);
	if (!sqe) {
		complain("a ring has no room to cancel");
		return;
	}
	if (by_tag) {
		io_uring_prep_cancel64(sqe, tag, 0);
		sqe->user_data = r->cancel_tag;
	} else if (f->fixed) {
		sqe->flags |= IOSQE_FIXED_FILE;
	}
	f->asked |= !by_tag;
	if (!submit(r))
		return;
	while (r->cancel_tag && vt_now_ns() < limit)
		reap(w, VT_NSEC / 10);
	if (r->cancel_tag)
		complain("a command that cancels has not ended");
	else if (r->cancel_ret && r->cancel_ret != -ENOENT &&
		 (r->cancel_ret != -EALREADY || (by_tag && !f->worker)))
		complain("cancelling: %s", strerror(-r->cancel_ret));
	if (r->cancel_tag || r->cancel_ret)
		return;
	if (by_tag && !f->worker)
		complain("io_uring has canceled what it does not know");
	/* Nothing was begun since: the flight is still that one. */
	f->canceled = !by_tag;
	if (!f->busy && f->ret != -ECANCELED)
		complain("what was canceled ended with %d", f->ret);
}

static void do_ring_cancel(struct worker *w)
{
	uint32_t first = dice(w, MAX_FLIGHTS), most = 1 + dice(w, 3);
	struct ring *r = w->ring;

	if (!r || !r->open)
		return;
	for (uint32_t i = 0; i < MAX_FLIGHTS && most; i++) {
		struct flight *f = &r->flight[(first + i) % MAX_FLIGHTS];

		if (f->busy) {
			cancel(w, f, f->worker ? dice(w, 4) : !dice(w, 4));
			most--;
		}
	}
}

static void do_ring_reap(struct worker *w)
{
	if (w->ring && w->ring->open && w->ring->in_flight)
		reap(w, dice(w, 3) ? dice(w, 3000000) : 0);
}

static void do_ring_close(struct worker *w)
{
	if (w->ring && w->ring->open)
		ring_close(w);
}

/* ---- the beginning and the end ---- */

/* NULL if there is no memory. */
static struct ring *new_ring(void)
{
	struct ring *r = vx_map(sizeof(*r));
	uint8_t *areas = vx_map(2 * AREA * MAX_FLIGHTS);

	if (!r || !areas)
		return NULL;
	for (int i = 0; i < MAX_FLIGHTS; i++) {
		r->flight[i].tx = areas + (size_t)(2 * i) * AREA;
		r->flight[i].rx = areas + (size_t)(2 * i + 1) * AREA;
	}
	return r;
}

/* Ends what can be reached; how many commands are left of that. */
static int cancel_all(struct worker *w)
{
	int left = 0;

	for (int i = 0; i < MAX_FLIGHTS; i++) {
		struct flight *f = &w->ring->flight[i];

		if (f->busy && fd_of(w, f) >= 0) {
			cancel(w, f, f->worker);
			left += f->busy;
		}
	}
	return left;
}

/*
 * At the end of a calm round it cancels what is under way. Else all endpoints are
 * dead, or will be, and that ends everything.
 */
static void end_ring(struct worker *w)
{
	uint64_t limit = vt_now_ns() + VT_LIMIT_NS / 2;
	struct ring *r = w->ring;

	if (!r || !r->open)
		return;
	while ((board->calm ? cancel_all(w) : r->in_flight) &&
	       vt_now_ns() < limit)
		reap(w, VT_NSEC / 100);
	if (vt_now_ns() >= limit)
		complain("%d commands do not end", r->in_flight);
	ring_close(w);
}

#endif /* STRESS_URING_H */
