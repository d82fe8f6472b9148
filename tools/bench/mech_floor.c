// SPDX-License-Identifier: GPL-2.0
/*
 * What no mechanism can be below: a system call that does nothing, and two
 * switches between two tasks. They carry no message; the answer is made up here.
 */
#include <errno.h>
#include <fcntl.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/types.h>
#include <unistd.h>
#include "bench.h"

static int null_fd;

/*
 * An ioctl that vipc answers with ENOTTY before it looks at anything; where there
 * is no vipc, one on /dev/null, which the kernel answers in the same way.
 */
static bool null_open(struct run *run)
{
	null_fd = open("/dev/vipc", O_RDWR | O_CLOEXEC);
	if (null_fd < 0)
		null_fd = open("/dev/null", O_RDWR | O_CLOEXEC);
	if (null_fd < 0)
		return missing(run, "/dev/null: %s", strerror(errno));
	return true;
}

static void *null_call(struct run *run, unsigned int client, void *msg)
{
	(void)client;
	if (ioctl(null_fd, 0, 0) != -1 || errno != ENOTTY)
		give_up(run, "an ioctl that does not exist did not fail with ENOTTY");
	make_answer(msg, msg, run->size);
	return msg;
}

static void null_close(struct run *run)
{
	(void)run;
	close(null_fd);
}

static void no_serve(struct run *run, unsigned int thread)
{
	(void)thread;
	give_up(run, "there is nothing to serve");
}

const struct mechanism null_mechanism = {
	.name = "null", .title = "null ioctl", .max_size = 64, .flags = MECH_FLOOR | MECH_ALONE,
	.open = null_open, .serve = no_serve, .call = null_call, .close = null_close,
};

/* Two FIFO tasks of one priority on one CPU: each yield switches to the other. */
struct pair {
	atomic_bool client, server;	/* is it there? */
};

static bool switch_open(struct run *run)
{
	run->state = shared_memory(sizeof(struct pair));
	return true;
}

static void nap(void)
{
	const struct timespec t = { .tv_nsec = 1000000 };

	nanosleep(&t, NULL);
}

static void switch_client(struct run *run, unsigned int client)
{
	struct pair *p = run->state;

	(void)client;
	p->client = true;
	while (!p->server)
		nap();
}

/* It would keep a lower task from ever starting the client: so wait until it is there. */
static void switch_serve(struct run *run, unsigned int thread)
{
	struct pair *p = run->state;

	(void)thread;
	while (!p->client)
		nap();
	p->server = true;
	while (!run->stop)
		sched_yield();
}

static void switch_close(struct run *run)
{
	if (run->state)
		munmap(run->state, sizeof(struct pair));
}

static void *switch_call(struct run *run, unsigned int client, void *msg)
{
	(void)client;
	sched_yield();
	make_answer(msg, msg, run->size);
	return msg;
}

const struct mechanism switch_mechanism = {
	.name = "switch", .title = "2 forced switches", .max_size = 64,
	.flags = MECH_FLOOR | MECH_FIFO | MECH_SAME,
	.open = switch_open, .serve = switch_serve, .client = switch_client,
	.call = switch_call, .close = switch_close,
};
