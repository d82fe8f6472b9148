// SPDX-License-Identifier: MIT
/*
 * Threads for what has to wait in the kernel, on kernels that have no commands for it:
 * one for each such operation. An event tells that one has ended.
 */
#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#include <limits.h>
#include <signal.h>
#include <sys/eventfd.h>
#include <time.h>
#include <unistd.h>

#include "op.h"

static void interrupted(int sig)
{
	(void)sig;
}

static void *call_thread(void *arg)
{
	unsigned long long one = 1;
	struct op *op = arg;
	int ret = do_ioctl(op->fd, op->cmd, op->msg);

	/* A signal before the delivery may have had another cause: but here none does. */
	op->why = ret == -EINTR ? -ECANCELED : ret;
	__atomic_store_n(&op->done, true, __ATOMIC_RELEASE);
	while (write(op->vu->event, &one, sizeof(one)) < 0 && errno == EINTR)
		;
	return NULL;
}

static int start_thread(struct op *op)
{
	struct vipc_uring *vu = op->vu;
	struct sigaction old, act = { .sa_handler = interrupted };
	sigset_t all, before;
	pthread_attr_t attr;
	int ret;

	if (vu->event < 0) {
		vu->event = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
		if (vu->event < 0)
			return -errno;
		/* Without SA_RESTART: it has to end a call. */
		sigaction(SIGURG, NULL, &old);
		if (old.sa_handler == SIG_DFL || old.sa_handler == SIG_IGN)
			sigaction(SIGURG, &act, NULL);
	}
	/* The program's signals are for its own threads. */
	sigfillset(&all);
	sigdelset(&all, SIGURG);
	pthread_sigmask(SIG_SETMASK, &all, &before);
	pthread_attr_init(&attr);
	pthread_attr_setstacksize(&attr, PTHREAD_STACK_MIN + 16384);
	op->done = false;
	ret = pthread_create(&op->thread, &attr, call_thread, op);
	pthread_attr_destroy(&attr);
	pthread_sigmask(SIG_SETMASK, &before, NULL);
	if (ret)
		return -ENOMEM;
	op->state = CALLS;
	vu->nr_calls++;
	return 0;
}

int vipc_uring_start_thread(struct op *op)
{
	int ret = start_thread(op);

	return ret ? ret : -EINPROGRESS;
}

static void reap_thread(struct op *op)
{
	pthread_join(op->thread, NULL);
	op->vu->nr_calls--;
	end_op(op, op->why);
}

/* Again and again, as one may come before the thread is in the kernel. */
int vipc_uring_interrupt_thread(struct op *op, unsigned int ms)
{
	const struct timespec pause = { .tv_nsec = 1000000 };

	while (ms-- && !__atomic_load_n(&op->done, __ATOMIC_ACQUIRE)) {
		pthread_kill(op->thread, SIGURG);
		nanosleep(&pause, NULL);
	}
	return __atomic_load_n(&op->done, __ATOMIC_ACQUIRE) ? 0 : -EALREADY;
}

void vipc_uring_stop_thread(struct op *op)
{
	vipc_uring_interrupt_thread(op, UINT_MAX);
	pthread_join(op->thread, NULL);
}

void vipc_uring_reap_threads(struct vipc_uring *vu)
{
	unsigned long long n;
	unsigned int i;

	if (read(vu->event, &n, sizeof(n)) < 0)
		return;
	for (i = 0; i < vu->nr_ops; i++)
		if (vu->ops[i]->state == CALLS &&
		    __atomic_load_n(&vu->ops[i]->done, __ATOMIC_ACQUIRE))
			reap_thread(vu->ops[i]);
}
