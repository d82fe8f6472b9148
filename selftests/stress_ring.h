/* SPDX-License-Identifier: GPL-2.0 */
/*
 * The rings of io_uring's that workers of the stress test have: how commands there
 * end. The board must account for each, as for the operations of threads.
 *
 * A command whose ring is closed under it reports to nobody. What it did is known
 * nevertheless once the ring is gone, from the message in memory; except of a request
 * that got no answer, which stays open in the thread's slot.
 */
#ifndef STRESS_RING_H
#define STRESS_RING_H

#include "stress_payload.h"
#include "vipc_rings.h"

#define MAX_FLIGHTS	12
#define ENTRIES		32

/* user_data of commands: their number, and which flight they are. */
#define TAG_BITS	8
#define TAG_CANCEL	((1u << TAG_BITS) - 1)

/* One command under way, or room for one. */
struct flight {
	bool busy;
	unsigned long cmd;
	bool is_x, call, receives;
	bool worker;		/* io_uring's: it blocks there */
	bool asked;		/* to cancel it */
	bool canceled;		/* ... and that was done */
	int ret;		/* once it has ended */
	uint64_t tag;
	struct cap cap;		/* a copy: it may be closed meanwhile */
	int own_fd;		/* if not -1: closed at the end, and not before */
	bool fixed;		/* through the ring's own capability */
	bool revoked, dead;	/* as known before */
	uint64_t id;		/* of a request; of a reply: what it answers */
	uint64_t token;		/* of a reply: its call's */
	struct vipc_xmsg x, was;
	struct vipc_xmsg *at;	/* &x, or where memory comes and goes */
	uint8_t *tx, *rx;
	int32_t fd_out, fd_in;
};

struct ring {
	struct io_uring uring;
	bool open;
	struct flight flight[MAX_FLIGHTS];
	int in_flight;
	uint64_t next_tag;
	uint64_t cancel_tag;	/* of the command that cancels, until it has ended */
	int cancel_ret;
	int gone;		/* end of file, once nothing is left of the ring */
	struct cap cap;		/* registered with the ring */
};

/* ---- how commands end ---- */

static unsigned long small_cmd(const struct flight *f)
{
	return f->receives ? f->id ? VIPC_IOC_REPLY_RECV : VIPC_IOC_RECV :
	       f->call ? VIPC_IOC_CALL : VIPC_IOC_SEND;
}

static unsigned long x_cmd(const struct flight *f)
{
	return f->receives ? f->id ? VIPC_IOC_REPLY_RECV_X : VIPC_IOC_RECV_X :
	       f->call ? VIPC_IOC_CALL_X : VIPC_IOC_SEND_X;
}

/* May it end with ECANCELED? Else nothing has asked for that. */
static bool may_be_canceled(struct worker *w, const struct flight *f)
{
	return f->asked || f->worker ||
	       (!f->fixed && index_of(w, f->cap.serial) < 0);
}

/* As JUDGE(), of what is common to all commands; then the capability knows it, too. */
static void judge_flight(struct worker *w, struct flight *f, const char *what,
			 int ret, int also, int or_this)
{
	/* io_uring itself may end it before it is begun */
	bool ours = !f->worker || ret != -ECANCELED;
	int canceled = may_be_canceled(w, f) ? -ECANCELED : -EPIPE;
	int i;

	JUDGE(&f->cap, what, ret, f->revoked && ours, f->dead && ours, -EPIPE,
	      -EKEYREVOKED, -EAGAIN, -ETIMEDOUT, canceled,
	      f->worker ? -EINTR : -EPIPE, f->is_x || f->receives ?
	      -EMSGSIZE : -EPIPE, also, or_this);
	if (f->canceled && ret != -ECANCELED)
		complain("%s was canceled, and ended with %d", what, ret);
	i = index_of(w, f->cap.serial);
	if (i >= 0) {
		w->cap[i].revoked |= f->cap.revoked;
		w->cap[i].dead |= f->cap.dead;
	}
	if (f->fixed) {
		w->ring->cap.revoked |= f->cap.revoked;
		w->ring->cap.dead |= f->cap.dead;
	}
}

static void request_ended(struct worker *w, struct flight *f, int ret)
{
	bool delivered = ret && vp_delivered(&f->x.msg);

	board_sent(w->slot, f->id, !ret ? DONE :
		   delivered ? DELIVERED : UNDELIVERED);
	if (ret == -ECONNRESET && !delivered)
		complain("ECONNRESET of a command that was not delivered");
	if (delivered && !f->call && !f->is_x)
		complain("a failed SEND of a ring was delivered");
	judge_flight(w, f, f->call ? "CALL in a ring" : "SEND in a ring", ret,
		     f->call || f->is_x ? -ECONNRESET : -EPIPE, -EPIPE);
	if (ret || !f->call)
		return;
	if (!vt_msg_is(&f->x.msg, ~f->id))
		complain("wrong reply to %llu", (unsigned long long)f->id);
	if (f->is_x)
		unpack(w, &f->x, f->rx, &f->fd_in, ~f->id,
		       vp_get(&board->entry[f->id].fd_endpoint));
}

static void receive_ended(struct worker *w, struct flight *f, int ret)
{
	bool flicker = f->at != &f->x;

	/* what was a reply is a message now, or its token is 0 */
	if (f->id && (!ret || f->x.msg.reply != f->token))
		board_accepted(f->id);
	else if (f->id)
		vp_add(&board->late, ret == -ESRCH);
	if (flicker && ret == -EFAULT) {
		vp_add(&board->faults, 1);
		vp_add(&w->slot->receiving, -1);
		return;
	}
	judge_flight(w, f, f->id ? "REPLY_RECV in a ring" : "RECV in a ring", ret,
		     f->id ? -ESRCH : -EPIPE, -EPIPE);
	if (ret)
		vp_add(&w->slot->receiving, -1);
	else if (f->is_x)
		take_x(w, &f->cap, &f->x, f->rx, &f->fd_in);
	else
		take(w, &f->cap, &f->x.msg, UNKNOWN_ROOM, UNKNOWN_ROOM);
}

static void flight_ends(struct worker *w, struct flight *f)
{
	f->busy = false;
	w->ring->in_flight--;
	if (f->at != &f->x)
		memcpy(&f->x, (char *)w->steady + ((char *)f->at -
						   (char *)w->flicker),
		       sizeof(f->x.msg));
	if (f->own_fd >= 0)
		close(f->own_fd);
}

static void flight_ended(struct worker *w, struct flight *f, int ret)
{
	flight_ends(w, f);
	f->ret = ret;
	vp_add(&board->commands, 1);
	vp_add(&board->canceled, ret == -ECANCELED);
	if (f->receives)
		receive_ended(w, f, ret);
	else
		request_ended(w, f, ret);
}

static void one_completion(struct worker *w, uint64_t tag, int ret)
{
	struct ring *r = w->ring;
	uint64_t i = tag & TAG_CANCEL;

	if (tag == r->cancel_tag) {
		r->cancel_tag = 0;
		r->cancel_ret = ret;
	} else if (i >= MAX_FLIGHTS || !r->flight[i].busy ||
		   r->flight[i].tag != tag) {
		complain("completion %#llx of a command that has ended: %d",
			 (unsigned long long)tag, ret);
	} else {
		flight_ended(w, &r->flight[i], ret);
	}
}

/* Takes what is there, after having waited for so long at most; how many. */
static int reap(struct worker *w, uint64_t ns)
{
	struct __kernel_timespec limit = {
		.tv_sec = (long long)(ns / VT_NSEC),
		.tv_nsec = (long long)(ns % VT_NSEC),
	};
	struct io_uring *uring = &w->ring->uring;
	struct io_uring_cqe *cqe;
	int n = 0, ret;

	if (ns)
		ret = io_uring_wait_cqe_timeout(uring, &cqe, &limit);
	else
		ret = io_uring_get_events(uring);
	if (ret < 0 && ret != -ETIME && ret != -EINTR)
		complain("waiting for a ring: %s", strerror(-ret));
	while (!io_uring_peek_cqe(uring, &cqe)) {
		uint64_t tag = cqe->user_data;
		int res = cqe->res;

		io_uring_cqe_seen(uring, cqe);
		one_completion(w, tag, res);
		n++;
	}
	return n;
}

/* ---- the ring ---- */

static bool ring_open(struct worker *w)
{
	static const unsigned int flags[] = {
		0, IORING_SETUP_COOP_TASKRUN,
		IORING_SETUP_SINGLE_ISSUER | IORING_SETUP_DEFER_TASKRUN,
	};
	struct io_uring_params p = { .flags = flags[dice(w, 3)] };
	struct cap *cap = pick(w, 0);
	struct ring *r = w->ring;
	int ret, end[2], fds[2];

	if (!cap)
		return false;
	if (!dice(w, 10)) {
		p.flags = IORING_SETUP_SQPOLL;
		p.sq_thread_idle = 1;
	}
	ret = io_uring_queue_init_params(ENTRIES, &r->uring, &p);
	if (!ret && pipe2(end, O_CLOEXEC))
		ret = -errno;
	if (ret) {
		complain("no ring: %s", strerror(-ret));
		return false;
	}
	/* What is registered is let go of after the last command, hence tells of it. */
	fds[0] = end[1];
	fds[1] = cap->fd;
	ret = io_uring_register_files(&r->uring, fds, 2);
	if (ret)
		complain("files of a ring: %s", strerror(-ret));
	close(end[1]);
	r->gone = end[0];
	r->cap = *cap;
	r->in_flight = 0;
	r->open = true;
	vp_add(&board->rings, 1);
	return true;
}

/* What the message says of a command that was not heard of before the ring closed. */
static void settle(struct worker *w, struct flight *f)
{
	const struct vipc_msg *m = &f->x.msg, *was = &f->was.msg;
	bool changed;

	flight_ends(w, f);
	vp_add(&board->commands, 1);
	changed = memcmp(m->data, was->data, sizeof(m->data)) ||
		  m->flags & (VIPC_MSG_NOTIFICATION | VIPC_MSG_BADGE_CLOSED);
	if (f->receives && changed) {
		receive_ended(w, f, 0);
	} else if (f->receives) {
		/* what was answered at once is no error since: else it had ended */
		if (f->id && (!f->worker || m->reply != f->token))
			board_accepted(f->id);
		/* it may have had a call for a moment */
		vp_add(&board->faults, 1);
		vp_add(&w->slot->receiving, -1);
	} else if (changed) {
		request_ended(w, f, 0);
	} else if (vp_delivered(m)) {
		board_sent(w->slot, f->id, DELIVERED);
	}
}

/* Closes the ring, with all that is under way there, and waits until it is gone. */
static void ring_close(struct worker *w)
{
	struct ring *r = w->ring;
	struct pollfd p = { .fd = r->gone, .events = POLLIN };
	uint64_t limit = vt_now_ns() + VT_LIMIT_NS;
	int ret;

	reap(w, 0);
	vp_add(&board->closed, (uint64_t)r->in_flight);
	io_uring_queue_exit(&r->uring);
	r->open = false;
	do
		ret = poll(&p, 1, 1000);
	while (ret <= 0 && vt_now_ns() < limit);
	if (ret <= 0)
		complain("a ring that was closed is still there, with %d commands",
			 r->in_flight);
	close(r->gone);
	for (int i = 0; i < MAX_FLIGHTS; i++)
		if (r->flight[i].busy)
			settle(w, &r->flight[i]);
}

#endif /* STRESS_RING_H */
