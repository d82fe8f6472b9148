// SPDX-License-Identifier: MIT
/*
 * vipc in an io_uring, on kernels that have no commands for it, too.
 *
 * There, each SQE of vipc's is turned into another one before it is submitted, and an
 * operation here, a struct op, keeps what it said. Its user_data is one that no program
 * has: no address of user memory looks like it.
 */
#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "op.h"

#define EXPORT __attribute__((visibility("default")))

/* user_data of what is ours: and the number of an op, or one of those below. */
#define OURS		0x7669706300000000ull
#define OURS_MASK	0xffffffff00000000ull
#define IGNORED		0xffffffffu	/* nobody waits for it */
#define THREADS		0xfffffffeu	/* a thread has something to say */

#define NSEC		1000000000ull

/* So long a cancellation waits for a thread, which may be new and not have run yet. */
#define CANCEL_MS	2000

static unsigned long long now_ns(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (unsigned long long)ts.tv_sec * NSEC + (unsigned long long)ts.tv_nsec;
}

/* ---- operations ---- */

static struct op *new_op(struct vipc_uring *vu)
{
	struct op *op = vu->free, **more;

	if (op) {
		vu->free = op->next;
		return op;
	}
	more = realloc(vu->ops, (vu->nr_ops + 1) * sizeof(struct op *));
	if (!more)
		return NULL;
	vu->ops = more;
	op = calloc(1, sizeof(*op));
	if (!op)
		return NULL;
	op->number = vu->nr_ops;
	op->vu = vu;
	more[vu->nr_ops++] = op;
	return op;
}

static void prep_poll(struct io_uring_sqe *sqe, int fd, unsigned int number)
{
	io_uring_prep_poll_add(sqe, fd, POLLIN);
	io_uring_sqe_set_data64(sqe, OURS | number);
}

/* Without waiting, even if the message lets it: that is done here. */
static int try_op(const struct op *op)
{
	bool waits = !(op->msg->flags & VIPC_NONBLOCK);
	int ret;

	op->msg->flags |= VIPC_NONBLOCK;
	ret = do_ioctl(op->fd, op->cmd, op->msg);
	if (waits)
		op->msg->flags &= ~VIPC_NONBLOCK;
	return ret == -EAGAIN && waits ? -EINPROGRESS : ret;
}

/* ---- from SQEs to others ---- */

/* Can this kernel do it itself? A descriptor that is none leaves that open. */
static void probe(struct vipc_uring *vu, int fd)
{
	struct io_uring_cqe *cqe;
	struct io_uring_sqe *sqe;
	struct io_uring ring;

	if (vu->kind != UNKNOWN || io_uring_queue_init(1, &ring, 0))
		return;
	sqe = io_uring_get_sqe(&ring);
	if (sqe)
		vipc_prep_cancel(sqe, fd, NULL);
	if (io_uring_submit_and_wait(&ring, 1) == 1 &&
	    !io_uring_peek_cqe(&ring, &cqe)) {
		if (cqe->res == -ENOENT)
			vu->kind = NATIVE;
		else if (cqe->res == -EOPNOTSUPP || cqe->res == -EINVAL)
			vu->kind = EMULATED;
	}
	io_uring_queue_exit(&ring);
}

static int cancel_op(struct vipc_uring *vu, int fd, const void *msg)
{
	unsigned int i;

	for (i = 0; i < vu->nr_ops; i++) {
		struct op *op = vu->ops[i];

		if (op->fd != fd || op->msg != msg)
			continue;
		if (op->state == CALLS)
			return vipc_uring_interrupt_thread(op, op->msg->flags &
				VIPC_UNINTERRUPTIBLE ? CANCEL_MS / 20 : CANCEL_MS);
		if (op->state == POLLS && !op->why) {
			op->why = -ECANCELED;
			return 0;
		}
	}
	return -ENOENT;
}

/* The answer goes out at once, and is forgotten: then it is a RECV. */
static int answer(struct op *op)
{
	bool is_x = _IOC_SIZE(op->cmd) == sizeof(struct vipc_xmsg);
	int ret = 0;

	if (op->msg->reply)
		ret = do_ioctl(op->fd, is_x ? VIPC_IOC_REPLY_X : VIPC_IOC_REPLY, op->msg);
	if (!ret)
		op->msg->reply = 0;
	op->cmd = is_x ? VIPC_IOC_RECV_X : VIPC_IOC_RECV;
	return ret;
}

/* Begins @op: -EINPROGRESS if it is to be polled for. */
static int begin(struct op *op)
{
	int ret;

	switch (_IOC_NR(op->cmd)) {
	case _IOC_NR(VIPC_URING_CANCEL):
		return cancel_op(op->vu, op->fd, op->msg);
	case _IOC_NR(VIPC_IOC_SEND):
		/* Two who poll for each other would never meet. */
		ret = try_op(op);
		return ret == -EINPROGRESS ? vipc_uring_start_thread(op) : ret;
	case _IOC_NR(VIPC_IOC_CALL):
		return vipc_uring_start_thread(op);
	case _IOC_NR(VIPC_IOC_REPLY_RECV):
		ret = answer(op);
		return ret ? ret : try_op(op);
	case _IOC_NR(VIPC_IOC_RECV):
		return try_op(op);
	default:
		return do_ioctl(op->fd, op->cmd, op->msg);
	}
}

static int turn(struct vipc_uring *vu, struct io_uring_sqe *sqe)
{
	struct op *op = new_op(vu);
	unsigned char flags = sqe->flags;
	int ret;

	if (!op)
		return -ENOMEM;
	op->cqe.user_data = sqe->user_data;
	op->cqe.flags = 0;
	op->state = FREE;
	op->fd = sqe->fd;
	op->cmd = (unsigned int)sqe->off;
	op->msg = (struct vipc_msg *)(uintptr_t)sqe->addr3;
	op->why = 0;
	op->removed = false;
	ret = flags & IOSQE_FIXED_FILE ? -EOPNOTSUPP : begin(op);
	memset(sqe, 0, sizeof(*sqe));
	if (ret == -EINPROGRESS && op->state != CALLS) {
		op->state = POLLS;
		vu->nr_polls++;
		prep_poll(sqe, op->fd, op->number);
		return 0;
	}
	if (ret != -EINPROGRESS)
		end_op(op, ret);
	io_uring_prep_nop(sqe);
	io_uring_sqe_set_data64(sqe, OURS | IGNORED);
	return 0;
}

static int turn_all(struct vipc_uring *vu)
{
	struct io_uring_sq *sq = &vu->ring->sq;
	unsigned int shift = !!(vu->ring->flags & IORING_SETUP_SQE128), i;
	int ret;

	if (vu->kind == NATIVE)
		return 0;
	for (i = sq->sqe_head; i != sq->sqe_tail; i++) {
		struct io_uring_sqe *sqe = &sq->sqes[(i & sq->ring_mask) << shift];

		if (sqe->opcode != IORING_OP_URING_CMD ||
		    _IOC_TYPE((unsigned int)sqe->off) != VIPC_IOC_MAGIC)
			continue;
		if (!(sqe->flags & IOSQE_FIXED_FILE))
			probe(vu, sqe->fd);
		if (vu->kind != EMULATED)
			continue;
		ret = turn(vu, sqe);
		if (ret)
			return ret;
	}
	return 0;
}

/* ---- from CQEs to others ---- */

/* What the program has prepared is in the same queue, and has to be turned first. */
static int submit(struct vipc_uring *vu)
{
	int ret = turn_all(vu);

	return ret ? ret : io_uring_submit(vu->ring);
}

static struct io_uring_sqe *get_sqe(struct vipc_uring *vu)
{
	struct io_uring_sqe *sqe = io_uring_get_sqe(vu->ring);

	if (!sqe && submit(vu) >= 0)
		sqe = io_uring_get_sqe(vu->ring);
	return sqe;
}

static void remove_poll(struct op *op)
{
	struct io_uring_sqe *sqe = get_sqe(op->vu);

	/* Without one, next time. */
	if (!sqe)
		return;
	op->removed = true;
	io_uring_prep_poll_remove(sqe, OURS | op->number);
	io_uring_sqe_set_data64(sqe, OURS | IGNORED);
}

/* Its poll has ended: it is tried, and else polled for again. */
static void polled(struct op *op)
{
	struct io_uring_sqe *sqe;
	int ret = op->why ? op->why : try_op(op);

	if (ret == -EINPROGRESS) {
		sqe = get_sqe(op->vu);
		if (sqe) {
			prep_poll(sqe, op->fd, op->number);
			return;
		}
		ret = -EBUSY;
	}
	end_op(op, ret);
}

/* Is @cqe ours? Then it is dealt with, and given back. */
static bool dealt_with(struct vipc_uring *vu, struct io_uring_cqe *cqe)
{
	unsigned int number = (unsigned int)cqe->user_data;

	if ((cqe->user_data & OURS_MASK) != OURS)
		return false;
	io_uring_cqe_seen(vu->ring, cqe);
	if (number == THREADS) {
		vu->armed = false;
		vipc_uring_reap_threads(vu);
	} else if (number < vu->nr_ops && vu->ops[number]->state == POLLS) {
		polled(vu->ops[number]);
	}
	return true;
}

/* Ends what is too late or cancelled; returns the next deadline, 0: none. */
static unsigned long long look_at_clock(struct vipc_uring *vu)
{
	unsigned long long next = 0, now = 0;
	unsigned int i;

	for (i = 0; vu->nr_polls && i < vu->nr_ops; i++) {
		struct op *op = vu->ops[i];
		unsigned long long deadline;

		if (op->state != POLLS)
			continue;
		deadline = op->msg->deadline_ns;
		if (!op->why && deadline) {
			now = now ? now : now_ns();
			if (deadline <= now)
				op->why = -ETIMEDOUT;
			else if (!next || deadline < next)
				next = deadline;
		}
		if (op->why && !op->removed)
			remove_poll(op);
	}
	return next;
}

static void arm(struct vipc_uring *vu)
{
	struct io_uring_sqe *sqe;

	if (vu->armed || !vu->nr_calls)
		return;
	sqe = get_sqe(vu);
	if (!sqe)
		return;
	prep_poll(sqe, vu->event, THREADS);
	vu->armed = true;
}

static int wait_until(struct vipc_uring *vu, struct io_uring_cqe **cqe,
		      unsigned long long deadline)
{
	struct __kernel_timespec ts;
	unsigned long long now;
	int ret;

	if (!deadline)
		return io_uring_wait_cqe(vu->ring, cqe);
	now = now_ns();
	deadline = deadline > now ? deadline - now : 0;
	ts.tv_sec = (long long)(deadline / NSEC);
	ts.tv_nsec = (long long)(deadline % NSEC);
	ret = io_uring_wait_cqe_timeout(vu->ring, cqe, &ts);
	return ret == -ETIME ? -EAGAIN : ret;
}

static int next_cqe(struct vipc_uring *vu, struct io_uring_cqe **cqe, bool wait)
{
	unsigned long long deadline;
	int ret;

	for (;;) {
		deadline = look_at_clock(vu);
		if (vu->ended) {
			*cqe = &vu->ended->cqe;
			return 0;
		}
		arm(vu);
		if (io_uring_sq_ready(vu->ring)) {
			ret = submit(vu);
			if (ret == -ENOMEM)
				return ret;
			if (vu->ended)
				continue;
		}
		ret = wait ? wait_until(vu, cqe, deadline) :
			     io_uring_peek_cqe(vu->ring, cqe);
		if (ret == -EAGAIN && wait)
			continue;
		if (ret || !dealt_with(vu, *cqe))
			return ret;
	}
}

/* ---- what the header declares ---- */

EXPORT int vipc_uring_init(struct vipc_uring **vu, struct io_uring *ring)
{
	struct vipc_uring *new = calloc(1, sizeof(*new));

	if (!new)
		return -ENOMEM;
	new->ring = ring;
	new->last = &new->ended;
	new->event = -1;
	*vu = new;
	return 0;
}

EXPORT void vipc_uring_exit(struct vipc_uring *vu)
{
	unsigned int i;

	if (!vu)
		return;
	for (i = 0; i < vu->nr_ops; i++) {
		struct op *op = vu->ops[i];

		if (op->state == CALLS)
			vipc_uring_stop_thread(op);
		free(op);
	}
	if (vu->event >= 0)
		close(vu->event);
	free(vu->ops);
	free(vu);
}

EXPORT void vipc_uring_emulate(struct vipc_uring *vu)
{
	vu->kind = EMULATED;
}

EXPORT int vipc_uring_submit(struct vipc_uring *vu)
{
	return submit(vu);
}

EXPORT int vipc_uring_submit_and_wait(struct vipc_uring *vu, unsigned int nr)
{
	struct io_uring_cqe *cqe;
	int ret = turn_all(vu), err;

	if (ret)
		return ret;
	if (vu->kind != EMULATED)
		return io_uring_submit_and_wait(vu->ring, nr);
	ret = io_uring_submit(vu->ring);
	err = ret < 0 || !nr ? 0 : next_cqe(vu, &cqe, true);
	return err ? err : ret;
}

EXPORT int vipc_uring_wait_cqe(struct vipc_uring *vu, struct io_uring_cqe **cqe)
{
	if (vu->kind != EMULATED)
		return io_uring_wait_cqe(vu->ring, cqe);
	return next_cqe(vu, cqe, true);
}

EXPORT int vipc_uring_peek_cqe(struct vipc_uring *vu, struct io_uring_cqe **cqe)
{
	if (vu->kind != EMULATED)
		return io_uring_peek_cqe(vu->ring, cqe);
	return next_cqe(vu, cqe, false);
}

EXPORT void vipc_uring_cqe_seen(struct vipc_uring *vu, struct io_uring_cqe *cqe)
{
	struct op *op = vu->ended;

	if (!op || cqe != &op->cqe) {
		io_uring_cqe_seen(vu->ring, cqe);
		return;
	}
	vu->ended = op->next;
	if (!vu->ended)
		vu->last = &vu->ended;
	op->state = FREE;
	op->next = vu->free;
	vu->free = op;
}
