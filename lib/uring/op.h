/* SPDX-License-Identifier: MIT */
/*
 * An operation of libvipc-uring's on a kernel that has no commands for it, and what its
 * files share. Not installed.
 */
#ifndef LIBVIPC_URING_OP_H
#define LIBVIPC_URING_OP_H

#include <errno.h>
#include <pthread.h>
#include <stdbool.h>
#include <sys/ioctl.h>

#include "vipc_uring.h"

enum state { FREE, POLLS, CALLS, ENDED };

struct op {
	struct vipc_uring *vu;
	struct op *next;		/* of those that have ended, or are free */
	unsigned int number;
	enum state state;
	int fd;
	unsigned long cmd;
	struct vipc_msg *msg;		/* for struct vipc_xmsg, too: it comes first */
	int why;			/* to end with, whatever the poll says; or 0 */
	pthread_t thread;
	bool done;			/* CALLS: the thread has ended, see @why */
	bool removed;			/* POLLS: the poll was told to end */
	struct io_uring_cqe cqe;	/* what is told: user_data and res */
};

struct vipc_uring {
	struct io_uring *ring;
	enum { UNKNOWN, NATIVE, EMULATED } kind;
	struct op **ops;
	unsigned int nr_ops;
	unsigned int nr_polls;
	struct op *free;
	struct op *ended, **last;	/* to be told, the first to end first */
	unsigned int nr_calls;
	int event;			/* threads write to it, -1: there was none yet */
	bool armed;			/* that is polled */
};

/* It is told after those that have ended before. */
static inline void end_op(struct op *op, int res)
{
	struct vipc_uring *vu = op->vu;

	vu->nr_polls -= op->state == POLLS;
	op->state = ENDED;
	op->cqe.res = res;
	op->next = NULL;
	*vu->last = op;
	vu->last = &op->next;
}

/* As a library does: errno stays what it was. */
static inline int do_ioctl(int fd, unsigned long cmd, void *arg)
{
	int err = errno, ret = ioctl(fd, cmd, arg) ? -errno : 0;

	errno = err;
	return ret;
}

/**
 * vipc_uring_start_thread() - begin an operation that has to wait in the kernel
 * @op: the operation, in no state yet; its thread takes it from here
 *
 * Return: -%EINPROGRESS: @op is in state CALLS, and its vu's event tells when the thread
 * has ended; or -%ENOMEM, or what eventfd(2) said.
 */
int vipc_uring_start_thread(struct op *op);

/**
 * vipc_uring_interrupt_thread() - have a thread's operation end early
 * @op: the operation, in state CALLS
 * @ms: so long to try, in milliseconds; waits meanwhile
 *
 * Return: 0: it has ended, and is to be reaped; -%EALREADY: it goes on.
 */
int vipc_uring_interrupt_thread(struct op *op, unsigned int ms);

/**
 * vipc_uring_stop_thread() - end the thread of an operation that nobody waits for
 * @op: the operation, in state CALLS; waits until its thread is gone
 */
void vipc_uring_stop_thread(struct op *op);

/**
 * vipc_uring_reap_threads() - end the operations whose threads have ended
 * @vu: has an event, which is read; never waits
 */
void vipc_uring_reap_threads(struct vipc_uring *vu);

#endif /* LIBVIPC_URING_OP_H */
