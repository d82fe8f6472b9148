// SPDX-License-Identifier: GPL-2.0
/*
 * The cost of one round trip of 64 bytes between two processes on one CPU, of
 * vipc and of a pipe each way, in nanoseconds: in the deterministic machine
 * (vm/run --icount) one nanosecond is one instruction of the guest's.
 */
#include <err.h>
#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>
#include "../lib/vipc.h"

#define BATCHES		60
#define ROUND_TRIPS	200

struct peer {
	int request[2];		/* vipc: server's capability, client's */
	int reply[2];
	pid_t pid;
};

static unsigned long long now(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return t.tv_sec * 1000000000ull + t.tv_nsec;
}

static int ascending(const void *a, const void *b)
{
	double x = *(const double *)a, y = *(const double *)b;

	return (x > y) - (x < y);
}

static void vipc_make(struct peer *p)
{
	p->request[0] = vipc_open(O_CLOEXEC);
	if (p->request[0] < 0)
		errx(1, "/dev/vipc: %s (is the module loaded?)", strerror(-p->request[0]));
	p->request[1] = vipc_derive(p->request[0], VIPC_RIGHT_SEND, 7);
	if (p->request[1] < 0)
		errx(1, "derive: %s", strerror(-p->request[1]));
}

static void vipc_answer(struct peer *p)
{
	struct vipc_msg msg = { 0 };

	while (!vipc_reply_recv(p->request[0], &msg))
		msg.data[0]++;
}

static void vipc_ask(struct peer *p, unsigned long n)
{
	struct vipc_msg msg = { .data = { n } };
	int ret = vipc_call(p->request[1], &msg);

	if (ret || msg.data[0] != n + 1)
		errx(1, "call: %s, answer %llu to %lu", strerror(-ret),
		     (unsigned long long)msg.data[0], n);
}

static void pipe_make(struct peer *p)
{
	if (pipe(p->request) || pipe(p->reply))
		err(1, "pipe");
}

static void pipe_answer(struct peer *p)
{
	struct vipc_msg msg;

	while (read(p->request[0], &msg, sizeof(msg)) == sizeof(msg)) {
		msg.data[0]++;
		if (write(p->reply[1], &msg, sizeof(msg)) != sizeof(msg))
			break;
	}
}

static void pipe_ask(struct peer *p, unsigned long n)
{
	struct vipc_msg msg = { .data = { n } };

	if (write(p->request[1], &msg, sizeof(msg)) != sizeof(msg) ||
	    read(p->reply[0], &msg, sizeof(msg)) != sizeof(msg) || msg.data[0] != n + 1)
		err(1, "pipe");
}

static const struct mechanism {
	const char *name;
	void (*make)(struct peer *p);
	void (*answer)(struct peer *p);
	void (*ask)(struct peer *p, unsigned long n);
} mechanisms[] = {
	{ "vipc", vipc_make, vipc_answer, vipc_ask },
	{ "pipe", pipe_make, pipe_answer, pipe_ask },
};

static void measure(const struct mechanism *m)
{
	double cost[BATCHES];
	struct peer p;
	int i, n;

	m->make(&p);
	p.pid = fork();
	if (p.pid < 0)
		err(1, "fork");
	if (!p.pid) {
		m->answer(&p);
		_exit(1);
	}
	for (n = 0; n < ROUND_TRIPS; n++)
		m->ask(&p, n);
	for (i = 0; i < BATCHES; i++) {
		unsigned long long start = now();

		for (n = 0; n < ROUND_TRIPS; n++)
			m->ask(&p, n);
		cost[i] = (double)(now() - start) / ROUND_TRIPS;
	}
	kill(p.pid, SIGKILL);
	waitpid(p.pid, NULL, 0);
	qsort(cost, BATCHES, sizeof(cost[0]), ascending);
	printf("%s minimum %.0f median %.0f maximum %.0f\n", m->name, cost[0],
	       cost[BATCHES / 2], cost[BATCHES - 1]);
}

int main(void)
{
	cpu_set_t one;
	size_t i;

	CPU_ZERO(&one);
	CPU_SET(0, &one);
	if (sched_setaffinity(0, sizeof(one), &one))
		err(1, "sched_setaffinity");
	for (i = 0; i < sizeof(mechanisms) / sizeof(mechanisms[0]); i++)
		measure(&mechanisms[i]);
	return 0;
}
