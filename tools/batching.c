// SPDX-License-Identifier: GPL-2.0
/*
 * What batching in an io_uring is worth: a client keeps DEPTH calls under way, a server
 * answers them, both on one CPU and with libvipc-uring, with the kernel's commands and
 * without. Prints the nanoseconds that a call takes (in the deterministic machine,
 * vm/run --icount, one is one instruction of the guest's), and how many calls there
 * were for each system call of either side.
 */
#include <err.h>
#include <fcntl.h>
#include <linux/perf_event.h>
#include <sched.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>
#include "../lib/vipc.h"
#include "../lib/uring/vipc_uring.h"

#define DEEPEST	64
#define BATCHES	11
#define CALLS	1280		/* in a batch; a multiple of each depth */

static struct io_uring ring;
static struct vipc_uring *vu;
static struct vipc_msg msgs[DEEPEST];

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

static void check(int ret, const char *what)
{
	if (ret < 0)
		errx(1, "%s: %s", what, strerror(-ret));
}

static void start(bool emulated)
{
	check(io_uring_queue_init(2 * DEEPEST, &ring,
				  IORING_SETUP_SINGLE_ISSUER | IORING_SETUP_DEFER_TASKRUN),
	      "io_uring_setup");
	check(vipc_uring_init(&vu, &ring), "vipc_uring_init");
	if (emulated)
		vipc_uring_emulate(vu);
}

/* Calls @done for each completion that is there. */
static unsigned int drain(void (*done)(unsigned int i, int fd), int fd)
{
	struct io_uring_cqe *cqe;
	unsigned int n = 0;

	while (!vipc_uring_peek_cqe(vu, &cqe)) {
		unsigned int i = (unsigned int)cqe->user_data;

		check(cqe->res, "completion");
		vipc_uring_cqe_seen(vu, cqe);
		if (done)
			done(i, fd);
		n++;
	}
	return n;
}

static void receive(unsigned int i, int fd)
{
	struct io_uring_sqe *sqe = io_uring_get_sqe(&ring);

	msgs[i].data[0]++;
	vipc_prep_reply_recv(sqe, fd, &msgs[i]);
	sqe->user_data = i;
}

static void serve(int fd, unsigned int depth, bool emulated)
{
	start(emulated);
	for (unsigned int i = 0; i < depth; i++)
		receive(i, fd);
	for (;;) {
		check(vipc_uring_submit_and_wait(vu, 1), "submit");
		drain(receive, fd);
	}
}

static void ask(int fd, unsigned int depth)
{
	for (unsigned int n = 0; n < CALLS; n += depth) {
		unsigned int i, left = depth;

		for (i = 0; i < depth; i++) {
			struct io_uring_sqe *sqe = io_uring_get_sqe(&ring);

			msgs[i] = (struct vipc_msg){ .data = { n } };
			vipc_prep_call(sqe, fd, &msgs[i]);
			sqe->user_data = i;
		}
		while (left) {
			check(vipc_uring_submit_and_wait(vu, left), "submit");
			left -= drain(NULL, fd);
		}
		for (i = 0; i < depth; i++)
			if (msgs[i].data[0] != n + 1)
				errx(1, "call %u: %llu", n, (unsigned long long)msgs[i].data[0]);
	}
}

/* A counter of the system calls of this process and of those it will have; or -1. */
static int count_calls(void)
{
	struct perf_event_attr attr = {
		.type = PERF_TYPE_TRACEPOINT, .size = sizeof(attr), .inherit = 1,
	};
	FILE *f = fopen("/sys/kernel/tracing/events/raw_syscalls/sys_enter/id", "re");
	unsigned long long id;
	int got = f ? fscanf(f, "%llu", &id) : 0;

	if (f)
		fclose(f);
	if (got != 1)
		return -1;
	attr.config = id;
	return (int)syscall(SYS_perf_event_open, &attr, 0, -1, -1, PERF_FLAG_FD_CLOEXEC);
}

static unsigned long long read_count(int fd)
{
	unsigned long long n = 0;

	if (fd >= 0 && read(fd, &n, sizeof(n)) != sizeof(n))
		err(1, "perf event");
	return n;
}

/* Of a client and a server of its own, in a process that this ends with. */
static void measure(bool emulated, unsigned int depth, bool count)
{
	int server = vipc_open(O_CLOEXEC), client, counter;
	double cost[BATCHES];
	unsigned long long begin;
	pid_t pid;

	check(server, "/dev/vipc (is the module loaded?)");
	client = vipc_derive(server, VIPC_RIGHT_SEND, 7);
	check(client, "derive");
	counter = count ? count_calls() : -1;
	pid = fork();
	if (pid < 0)
		err(1, "fork");
	if (!pid)
		serve(server, depth, emulated);
	start(emulated);
	ask(client, depth);
	begin = read_count(counter);
	for (int i = 0; i < (count ? 3 : BATCHES); i++) {
		unsigned long long from = now();

		ask(client, depth);
		cost[i] = (double)(now() - from) / CALLS;
	}
	begin = read_count(counter) - begin;
	qsort(cost, BATCHES, sizeof(cost[0]), ascending);
	if (!count)
		printf("%s depth %u: %.0f ns a call", emulated ? "emulated" : "native", depth,
		       cost[BATCHES / 2]);
	else if (counter >= 0)
		printf(", %.2f calls a system call\n", 3.0 * CALLS / begin);
	else
		printf(", no perf event to count system calls with\n");
	fflush(stdout);
	kill(pid, SIGKILL);
	waitpid(pid, NULL, 0);
}

int main(void)
{
	static const unsigned int depths[] = { 1, 8, 64 };
	cpu_set_t one;

	CPU_ZERO(&one);
	CPU_SET(0, &one);
	if (sched_setaffinity(0, sizeof(one), &one))
		err(1, "sched_setaffinity");
	for (int i = 0; i < 12; i++) {
		int status;
		pid_t pid = fork();

		if (pid < 0)
			err(1, "fork");
		if (!pid) {
			measure(i >= 6, depths[i / 2 % 3], i & 1);
			_exit(0);
		}
		if (waitpid(pid, &status, 0) < 0 || status)
			return 1;
	}
	return 0;
}
