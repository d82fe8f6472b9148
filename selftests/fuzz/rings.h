/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Commands of io_uring's: at most one ring for each task, what was submitted to it and
 * has not ended, and what its completions must be like. Nobody but its task touches a
 * ring, as liburing has no locks.
 *
 * A command in flight has memory of its own. What a ring leaves behind that is closed
 * first keeps it until the end of the program: a worker of io_uring's, or its polling
 * thread, may still write there.
 */
#ifndef FUZZ_RINGS_H
#define FUZZ_RINGS_H

#include "messages.h"

#define MESSAGES	8	/* of them with memory */
#define FLIGHTS		(MESSAGES + 8)
#define ENTRIES		(2 * FLIGHTS)
#define NOT_OURS	0x8000000000000000ull	/* user_data of a child's */

/* Which of what ends a ring is to be done by its task. */
enum ending { END_NOT, END_REAP, END_CLOSE };

struct ring {
	struct io_uring uring;
	uint32_t flags;
	bool linked;		/* what comes next is in a chain */
};

struct flight {
	struct ring *ring;	/* NULL: free. Claimed by any task, then its own */
	uint32_t turn;		/* which use of this, in user_data */
	struct op op;
	struct sent s;
	struct memory mem;
	bool message;		/* s is of one */
	bool counts;		/* how many it has cancelled */
	bool must_end;		/* when its descriptor is closed */
	int expect;		/* the result, if not 0 */
	uint32_t done;		/* the latest turn that ended, with this: */
	int result;
	struct flight *target;	/* of a cancellation that must have hit, if it did */
	uint32_t target_turn;
};

static struct ring rings[TASKS];
static struct ring lost;	/* the ring of what a closed one has left */
static struct flight flights[FLIGHTS];
static bool in_child;

static bool make_flights(void)
{
	for (int i = 0; i < MESSAGES; i++)
		if (!make_memory(&flights[i].mem))
			return false;
	return true;
}

static struct flight *claim(struct ring *r, int from, int to)
{
	for (int i = from; i < to; i++) {
		struct flight *f = &flights[i];
		struct ring *none = NULL;

		if (!__atomic_compare_exchange_n(&f->ring, &none, r, false,
						 __ATOMIC_ACQ_REL, __ATOMIC_RELAXED))
			continue;
		f->turn++;
		f->message = false;
		f->counts = false;
		f->must_end = false;
		f->expect = 0;
		f->target = NULL;
		f->mem.ring_fd = &r->uring.ring_fd;
		return f;
	}
	return NULL;
}

static int in_flight(const struct ring *r, bool must_end)
{
	int n = 0;

	for (int i = 0; i < FLIGHTS; i++)
		n += vp_get(&flights[i].ring) == r && (!must_end || flights[i].must_end);
	return n;
}

/* ---- completions ---- */

static bool is_documented(int res)
{
	static const int known[] = {
		EACCES, EKEYREVOKED, EBADF, ENOTTY, EPIPE, ECONNRESET, ESRCH, EMSGSIZE,
		EAGAIN, ETIMEDOUT, EINTR, EINVAL, EFAULT, ENOMEM, EMFILE, ENFILE,
		/* of io_uring's; EOPNOTSUPP: not a capability, or no such kernel */
		ECANCELED, ENOENT, EALREADY, EOPNOTSUPP,
	};

	for (size_t i = 0; i < sizeof(known) / sizeof(*known); i++)
		if (res == -known[i])
			return true;
	return !res;
}

/* The kernel has not looked at the message, or could not say so. */
static bool is_untouched(const struct sent *s)
{
	const struct vipc_msg *m = s->at;

	return s->known && (m->flags & VIPC_FLAGS_OUT_MASK) == VIPC_FLAGS_OUT_MASK;
}

static void cancelled(struct flight *target, uint32_t turn)
{
	if (vp_get(&run.injected))
		return;
	if (target->turn == turn && target->ring)
		target->expect = -ECANCELED;
	else if (target->done == turn && target->result != -ECANCELED)
		wrong("it was cancelled, and ended otherwise", (uint64_t)-target->result);
}

static void land(struct flight *f, int res)
{
	vp_add(&shared->commands, 1);
	vp_add(&shared->completed, !res);
	if (!is_documented(res) && !(f->counts && res > 0))
		wrong("a result that no manual tells of", (uint64_t)-res);
	if (f->expect && res != f->expect && !vp_get(&run.injected))
		wrong("it ended otherwise than it was cancelled", (uint64_t)-res);
	if (f->message && (!res || !is_untouched(&f->s)))
		look_at_message(&f->op, &f->s, res);
	if (f->target && !res)
		cancelled(f->target, f->target_turn);
	f->result = res;
	f->done = f->turn;
	vp_set(&f->ring, NULL);
}

static void look_at_cqe(struct ring *r, uint64_t data, int res)
{
	struct flight *f = &flights[data % FLIGHTS];

	if (data & NOT_OURS)
		return;
	if (vp_get(&f->ring) != r || f->turn != data / FLIGHTS)
		wrong("a command has completed twice, or was never submitted", data);
	else
		land(f, res);
}

/* Up to @most completions, for each of which it waits so long; how many there were. */
static int reap(struct ring *r, int most, long wait_ns)
{
	struct __kernel_timespec limit = { .tv_nsec = wait_ns };
	struct io_uring_cqe *cqe;
	int n = 0;

	while (n < most) {
		io_uring_get_events(&r->uring);
		if (io_uring_peek_cqe(&r->uring, &cqe) &&
		    (!wait_ns || io_uring_wait_cqe_timeout(&r->uring, &cqe, &limit)))
			break;
		look_at_cqe(r, cqe->user_data, cqe->res);
		io_uring_cqe_seen(&r->uring, cqe);
		n++;
	}
	return n;
}

/* ---- the ring ---- */

static int close_ring(struct task *t)
{
	struct ring *r = t->ring;

	if (!r)
		return -ENOENT;
	reap(r, ENTRIES, 0);
	for (int i = 0; i < FLIGHTS; i++) {
		struct flight *f = &flights[i];

		if (vp_get(&f->ring) != r)
			continue;
		/* descriptors may have come with what nobody reads any more */
		if (f->message && has_bytes(f->s.cmd) && f->s.x.rx_nfds)
			vp_set(&run.strays, true);
		vp_set(&f->ring, &lost);
	}
	t->ring = NULL;
	t->own.ring_fd = NULL;
	io_uring_queue_exit(&r->uring);
	return 0;
}

static int open_ring(struct task *t, uint8_t how)
{
	static const uint32_t modes[8] = {
		0, IORING_SETUP_SINGLE_ISSUER | IORING_SETUP_DEFER_TASKRUN,
		IORING_SETUP_COOP_TASKRUN | IORING_SETUP_TASKRUN_FLAG,
		IORING_SETUP_SQPOLL, IORING_SETUP_SINGLE_ISSUER,
		IORING_SETUP_SQE128 | IORING_SETUP_CQE32, IORING_SETUP_SUBMIT_ALL, 0,
	};
	struct io_uring_params p = { .flags = modes[how & 7], .sq_thread_idle = 10 };
	struct ring *r = &rings[t->number];
	int ret;

	close_ring(t);
	vp_set(&run.rings, true);
	memset(r, 0, sizeof(*r));
	ret = io_uring_queue_init_params(ENTRIES, &r->uring, &p);
	if (ret)
		return ret;
	r->flags = p.flags;
	t->ring = r;
	t->own.ring_fd = &r->uring.ring_fd;
	return 0;
}

static int register_slots(struct ring *r)
{
	int fds[SLOTS];

	for (uint8_t i = 0; i < SLOTS; i++)
		fds[i] = slot_fd(i);
	return io_uring_register_files(&r->uring, fds, SLOTS);
}

static int ring_op(struct task *t, const struct op *op)
{
	int fd = slot_fd(op->slot);

	if (!t->ring || (op->value & 7) < 2)
		return open_ring(t, op->more);
	switch (op->value & 7) {
	case 2:
		return close_ring(t);
	case 3:
		/* until what uses them has ended, or a signal comes */
		return io_uring_unregister_files(&t->ring->uring);
	case 4:
		return io_uring_register_files_update(&t->ring->uring,
						      op->slot % SLOTS, &fd, 1);
	default:
		return register_slots(t->ring);
	}
}

static int reap_op(struct task *t, const struct op *op)
{
	static const long limits[] = { 0, 50000, 300000, 2000000 };

	if (!t->ring)
		return -ENOENT;
	return reap(t->ring, 1 + op->value % FLIGHTS, limits[op->wait & 3]);
}

/* ---- submitting ---- */

/* @cmd as the next entry, through the slot of @op's. */
static struct io_uring_sqe *prepare(struct ring *r, struct flight *f, const struct op *op,
				    unsigned long cmd, const void *arg)
{
	bool fixed = op->task & SQE_FIXED;
	struct io_uring_sqe *sqe;
	uint64_t data = (uint64_t)f->turn * FLIGHTS + (uint64_t)(f - flights);

	sqe = vt_prep(&r->uring, fixed ? op->slot % SLOTS : slot_fd(op->slot), cmd, arg,
		      in_child ? data | NOT_OURS : data);
	if (!sqe)
		return NULL;
	if (fixed)
		sqe->flags |= IOSQE_FIXED_FILE;
	if (op->task & SQE_ASYNC)
		sqe->flags |= IOSQE_ASYNC;
	if (op->task & SQE_LINK)
		sqe->flags |= IOSQE_IO_LINK;
	return sqe;
}

static bool is_immediate(const struct ring *r, const struct op *op)
{
	return !(op->task & (SQE_ASYNC | SQE_LINK | SQE_LATER)) && !r->linked &&
	       !(r->flags & IORING_SETUP_SQPOLL);
}

static int submit(struct ring *r, const struct op *op)
{
	r->linked = op->task & SQE_LINK;
	return op->task & SQE_LATER ? 0 : io_uring_submit(&r->uring);
}

/* What vipc does not expect of a command. */
static void make_odd(const struct op *op, struct io_uring_sqe *sqe)
{
	static const unsigned long others[] = {
		VIPC_IOC_DERIVE, VIPC_IOC_REVOKE, VIPC_IOC_SHUTDOWN, VIPC_IOC_INFO,
		VIPC_IOC_CONFIG, _IOWR(VIPC_IOC_MAGIC, 1, uint32_t),
		_IOWR(VIPC_IOC_MAGIC, 7, struct vipc_msg), 0,
	};

	switch (op->more >> 6) {
	case 0:
		vt_sqe_cmd(sqe)->reserved = 1;
		break;
	case 1:
		sqe->rw_flags = op->value & 1 ? IORING_URING_CMD_FIXED : 0x40000000;
		break;
	case 2:
		sqe->cmd_op = (uint32_t)others[op->value & 7];
		break;
	}
}

/* A place from which it may be taken away while the command waits. */
static void put_loose(const struct op *op, struct sent *s)
{
	s->at = tasks[op->other % TASKS].own.loose + (op->value & 15) * PAGE;
	s->known = false;
	vp_set(&run.strays, true);
}

static int put(struct flight *f, const struct op *op, unsigned long cmd)
{
	int ret;

	if (cmd == VIPC_IOC_NOTIFY) {
		f->s.at = put_bits(&f->mem, op);
		return 0;
	}
	ret = put_message(&f->mem, op, cmd, &f->s);
	if (ret)
		return ret;
	f->message = true;
	if (op->task & SQE_ODD && op->more >> 6 == 3 && cmd == VIPC_IOC_RECV)
		put_loose(op, &f->s);
	/* a worker waits as a thread does, and nobody kills it */
	if (op->task & SQE_ASYNC && f->s.x.msg.flags & VIPC_UNINTERRUPTIBLE)
		vp_set(&run.endless, true);
	return 0;
}

static int uring_op(struct task *t, const struct op *op, unsigned long cmd)
{
	uint32_t closed = vp_get(&run.closed);
	bool open = vp_get(&run.closing) == closed;
	struct ring *r = t->ring;
	struct io_uring_sqe *sqe = NULL;
	struct flight *f;
	int ret = 0;

	if (!r) {
		ret = open_ring(t, op->more);
		r = t->ring;
	}
	f = ret ? NULL : claim(r, 0, MESSAGES);
	if (!f)
		return ret ? ret : -EBUSY;
	f->op = *op;
	ret = put(f, op, cmd);
	if (!ret)
		sqe = prepare(r, f, op, cmd, f->s.at);
	if (!sqe) {
		vp_set(&f->ring, NULL);
		return ret ? ret : -ENOBUFS;
	}
	if (op->task & SQE_ODD)
		make_odd(op, sqe);
	open &= is_immediate(r, op) && !(op->task & SQE_FIXED);
	ret = submit(r, op);
	/* what was submitted while its descriptor was closed may go on */
	f->must_end = open && ret > 0 && vp_get(&run.closing) == closed;
	return ret;
}

static void prepare_async_cancel(struct io_uring_sqe *sqe, const struct op *op,
				 const struct flight *target)
{
	uint64_t tag = (uint64_t)target->turn * FLIGHTS + (uint64_t)(target - flights);
	uint64_t data = sqe->user_data;
	uint8_t flags = sqe->flags;

	switch (op->more & 3) {
	case 0:
		io_uring_prep_cancel_fd(sqe, slot_fd(op->slot), IORING_ASYNC_CANCEL_ALL);
		break;
	case 1:
		io_uring_prep_cancel64(sqe, 0, IORING_ASYNC_CANCEL_ANY);
		break;
	default:
		io_uring_prep_cancel64(sqe, tag, 0);
	}
	sqe->user_data = data;
	sqe->flags = flags & (uint8_t)~IOSQE_FIXED_FILE;
}

/* Mostly of what there is. */
static int cancel_op(struct task *t, const struct op *op)
{
	struct flight *target = &flights[op->value % MESSAGES], *f;
	struct op through = *op;
	struct io_uring_sqe *sqe;
	struct ring *r = t->ring;
	uint8_t how = op->flags & 7;
	char *at = target->s.at;
	bool sure;

	if (!r)
		return -ENOENT;
	f = claim(r, MESSAGES, FLIGHTS);
	if (!f)
		return -EBUSY;
	sure = how < 3 && is_immediate(r, op) && !io_uring_sq_ready(&r->uring) &&
	       vp_get(&target->ring) == r && target->message && target->s.known;
	if (how < 4) {
		through.slot = target->op.slot;
		through.task = (uint8_t)((op->task & ~SQE_FIXED) |
					 (target->op.task & SQE_FIXED));
	}
	if (how == 3)
		at += op->more;
	sqe = prepare(r, f, &through, VIPC_URING_CANCEL, at);
	if (!sqe) {
		vp_set(&f->ring, NULL);
		return -ENOBUFS;
	}
	f->counts = how > 5;
	if (f->counts)
		prepare_async_cancel(sqe, op, target);
	else if (op->task & SQE_ODD)
		make_odd(op, sqe);
	if (sure && !(op->task & SQE_ODD)) {
		f->target = target;
		f->target_turn = target->turn;
	}
	return submit(r, op);
}

/* ---- a ring in two processes ---- */

/* Before a fork: what is prepared would be submitted by both. */
static void flush_ring(struct task *t)
{
	if (t->ring)
		io_uring_submit(&t->ring->uring);
}

/* In the child, which has another ring, or the parent's, for commands of its own. */
static void enter_child(struct task *t, bool alone)
{
	in_child = true;
	/* what that thread does it does in the parent's memory */
	if (alone || (t->ring && t->ring->flags & IORING_SETUP_SQPOLL))
		t->ring = NULL;
}

/* The child has moved the ring's end on. */
static void sync_ring(struct task *t)
{
	struct io_uring_sq *sq = t->ring ? &t->ring->uring.sq : NULL;

	if (!sq)
		return;
	if (!(t->ring->flags & IORING_SETUP_SQPOLL))
		sq->sqe_head = sq->sqe_tail = *sq->ktail;
	/* an entry of somebody who is dead */
	if (io_uring_sq_ready(&t->ring->uring))
		close_ring(t);
}

/* ---- the end of a program ---- */

/*
 * All slots are closed: what was submitted through one ends, unless a descriptor is
 * left of which nobody knows. What is left then the kernel has to cancel.
 */
static int end_ring(struct task *t, int how)
{
	struct ring *r = t->ring;
	uint64_t limit = vt_now_ns() + (how == END_CLOSE ? 8 * VT_NSEC : 30000000);
	bool all = how == END_CLOSE && !vp_get(&run.strays);

	if (!r)
		return -ENOENT;
	io_uring_submit(&r->uring);
	while (in_flight(r, all) && vt_now_ns() < limit) {
		int n = reap(r, ENTRIES, 2000000);

		if (!n && how == END_CLOSE && !all)
			break;
	}
	if (how != END_CLOSE)
		return 0;
	if (all && in_flight(r, true))
		wrong("a command goes on though its capability is closed",
		      (uint64_t)in_flight(r, true));
	return close_ring(t);
}

#endif /* FUZZ_RINGS_H */
