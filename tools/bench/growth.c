// SPDX-License-Identifier: GPL-2.0
/*
 * vipc with more and more of everything: does a message cost the same? The figures
 * are of one CPU. Where many clients call one server, the server's clock is looked
 * at once in a batch, and what a message costs is all that happened in between,
 * the clients' part included.
 */
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>
#include "../../lib/vipc.h"
#include "bench.h"
#include "growth.h"

#define BATCHES		21
#define LEAST_BATCH	400	/* messages */
#define STACK		65536	/* of a thread */

struct growth {
	struct run run;
	double batch[BATCHES];
	int server[MAX_COUNT];		/* capabilities, by endpoint */
	int client[MAX_COUNT];
	pid_t pids[MAX_COUNT];		/* helpers, to be killed */
	unsigned int npids;
};

static int new_endpoint(struct growth *g)
{
	int fd = vipc_open(O_CLOEXEC);

	if (fd < 0)
		missing(&g->run, "/dev/vipc: %s", strerror(-fd));
	return fd;
}

static int new_client(struct growth *g, int server, unsigned int badge)
{
	int fd = vipc_derive(server, VIPC_RIGHT_SEND, badge);

	if (fd < 0)
		missing(&g->run, "vipc_derive: %s", strerror(-fd));
	return fd;
}

static _Noreturn void answer(struct growth *g, int fd)
{
	struct vipc_msg msg = { 0 };
	int ret;

	while (!(ret = vipc_reply_recv(fd, &msg)))
		msg.data[0]++;
	give_up(&g->run, "vipc_reply_recv: %s", strerror(-ret));
}

static void call(struct growth *g, int fd, uint64_t n)
{
	struct vipc_msg msg = { .data = { n } };
	int ret = vipc_call(fd, &msg);

	if (ret)
		give_up(&g->run, "vipc_call: %s", strerror(-ret));
	if (msg.data[0] != n + 1)
		give_up(&g->run, "wrong answer to request %llu", (unsigned long long)n);
}

/* Run @what in a process of its own, on the CPU that all are on. */
static pid_t start(struct growth *g, void (*what)(struct growth *g, unsigned int i),
		   unsigned int i)
{
	pid_t pid = fork();

	if (!pid) {
		run_client(&g->run, i, SAME_CPU, false);
		what(g, i);
		_exit(0);
	}
	if (pid < 0)
		missing(&g->run, "fork, with %u processes there: %s", i, strerror(errno));
	return pid;
}

static bool start_helper(struct growth *g, void (*what)(struct growth *g, unsigned int i))
{
	pid_t pid = start(g, what, g->npids);

	if (pid < 0)
		return false;
	g->pids[g->npids++] = pid;
	return true;
}

/* The endpoints 0 ... clients - 1, each with a server, called in turn. */
static void serve_endpoint(struct growth *g, unsigned int i)
{
	answer(g, g->server[i]);
}

static void call_in_turn(struct growth *g, unsigned int unused)
{
	unsigned int n = g->run.clients, trips = n < LEAST_BATCH ? LEAST_BATCH : n, b, i;
	uint64_t begin;

	(void)unused;
	/* Each endpoint learns for itself how to wait. */
	for (i = 0; i < 20 * n || i < 1000; i++)
		call(g, g->client[i % n], i);
	g->run.answered = true;
	for (b = 0; b < BATCHES; b++) {
		begin = now();
		for (i = 0; i < trips; i++)
			call(g, g->client[i % n], i);
		g->batch[b] = (double)(now() - begin) / trips;
	}
}

static bool open_endpoints(struct growth *g, unsigned int n)
{
	unsigned int i;

	for (i = 0; i < n; i++) {
		g->server[i] = new_endpoint(g);
		if (g->server[i] < 0)
			return false;
		g->client[i] = new_client(g, g->server[i], i + 1);
		if (g->client[i] < 0)
			return false;
	}
	return true;
}

static enum outcome with_endpoints(struct growth *g, unsigned int n)
{
	unsigned int i;
	pid_t pid;

	g->run.clients = n;
	if (!open_endpoints(g, n))
		return MISSING;
	for (i = 0; i < n; i++)
		if (!start_helper(g, serve_endpoint))
			return MISSING;
	pid = start(g, call_in_turn, n);
	return pid < 0 ? MISSING : run_wait(&g->run, &pid, 1, 600);
}

/* One endpoint, and the call goes through the youngest of @n capabilities. */
static enum outcome with_capabilities(struct growth *g, unsigned int n)
{
	unsigned int i;
	pid_t pid;

	g->run.clients = 1;
	g->server[0] = new_endpoint(g);
	if (g->server[0] < 0)
		return MISSING;
	/* The server's is one of them. */
	for (i = 1; i < n || i == 1; i++) {
		g->client[0] = new_client(g, g->server[0], i);
		if (g->client[0] < 0)
			return MISSING;
	}
	if (!start_helper(g, serve_endpoint))
		return MISSING;
	pid = start(g, call_in_turn, n);
	return pid < 0 ? MISSING : run_wait(&g->run, &pid, 1, 600);
}

/* The only server of many clients, which is what looks at the clock. */
static void serve_crowd(struct growth *g, unsigned int unused)
{
	unsigned int n = g->run.clients, batch = n * 2 < LEAST_BATCH ? LEAST_BATCH : n * 2, b, i;
	struct vipc_info info;
	struct vipc_msg msg = { 0 };
	uint64_t begin;
	int ret;

	(void)unused;
	/* Until all of them are queued. */
	do {
		usleep(1000);
		ret = vipc_info(g->server[0], &info);
	} while (!ret && info.senders < n);
	/*
	 * The scheduler takes some time to settle, too: on 6.12 a server that so many
	 * queue for is preempted at every message at first, and then ever less.
	 */
	for (i = 0; !ret && (i < 4 * batch || i < 60 * n); i++) {
		ret = vipc_reply_recv(g->server[0], &msg);
		msg.data[0]++;
	}
	g->run.answered = true;
	for (b = 0; !ret && b < BATCHES; b++) {
		begin = now();
		for (i = 0; !ret && i < batch; i++) {
			ret = vipc_reply_recv(g->server[0], &msg);
			msg.data[0]++;
		}
		g->batch[b] = (double)(now() - begin) / batch;
	}
	if (ret)
		give_up(&g->run, "vipc_reply_recv: %s", strerror(-ret));
}

static void call_for_ever(struct growth *g, unsigned int i)
{
	uint64_t n = (uint64_t)i << 32;

	for (;;)
		call(g, g->client[0], n++);
}

static enum outcome serve(struct growth *g)
{
	pid_t pid = start(g, serve_crowd, g->npids);

	return pid < 0 ? MISSING : run_wait(&g->run, &pid, 1, 600);
}

static enum outcome with_processes(struct growth *g, unsigned int n)
{
	unsigned int i;

	g->run.clients = n;
	if (!open_endpoints(g, 1))
		return MISSING;
	for (i = 0; i < n; i++)
		if (!start_helper(g, call_for_ever))
			return MISSING;
	return serve(g);
}

static void *caller(void *arg)
{
	call_for_ever(arg, 0);
	return NULL;
}

/* One process whose threads call. With one it has two, so that it is no special case. */
static void call_from_threads(struct growth *g, unsigned int unused)
{
	pthread_attr_t attr;
	unsigned int i;
	pthread_t id;
	int err;

	(void)unused;
	pthread_attr_init(&attr);
	pthread_attr_setstacksize(&attr, STACK);
	for (i = 0; i < g->run.clients; i++) {
		err = pthread_create(&id, &attr, caller, g);
		if (err)
			give_up(&g->run, "cannot start thread %u: %s", i, strerror(err));
	}
	for (;;)
		pause();
}

static enum outcome with_threads(struct growth *g, unsigned int n)
{
	g->run.clients = n;
	if (!open_endpoints(g, 1) || !start_helper(g, call_from_threads))
		return MISSING;
	return serve(g);
}

static void clean_up(struct growth *g)
{
	unsigned int i;

	for (i = 0; i < g->npids; i++)
		kill(g->pids[i], SIGKILL);
	for (i = 0; i < g->npids; i++)
		waitpid(g->pids[i], NULL, 0);
}

/*
 * In a process of its own, whose end closes all descriptors; the results stay in
 * shared memory.
 */
static enum outcome isolated(struct growth *g, enum outcome (*with)(struct growth *, unsigned int),
			     unsigned int n)
{
	enum outcome outcome;
	int status;
	pid_t pid = fork();

	if (!pid) {
		outcome = with(g, n);
		clean_up(g);
		_exit((int)outcome);
	}
	if (pid < 0 || waitpid(pid, &status, 0) != pid || !WIFEXITED(status)) {
		missing(&g->run, "the process that measures did not start, or died");
		return FAILED;
	}
	return (enum outcome)WEXITSTATUS(status);
}

static const struct series {
	const char *what;
	enum outcome (*with)(struct growth *g, unsigned int n);
	unsigned int count[5];
	unsigned int files;		/* descriptors for each */
} all_series[] = {
	{ "capabilities of the endpoint", with_capabilities, { 1, 100, 10000, 100000 }, 1 },
	{ "threads that call one server", with_threads, { 1, 10, 100, 1000 }, 0 },
	{ "processes that call one server", with_processes, { 1, 10, 100, 1000 }, 0 },
	{ "endpoints called in turn", with_endpoints, { 1, 100, 1000 }, 2 },
};

static bool measure_point(const struct series *s, unsigned int n, double *first)
{
	struct growth *g = shared_memory(sizeof(*g));
	struct result r = {
		.section = "growth", .mechanism = &vipc_mechanism, .what = s->what, .count = n,
		.size = sizeof(struct vipc_msg), .clients = 1, .threads = 1,
	};
	enum outcome outcome = MISSING;
	struct rlimit files;

	progress("growth: %u %s", n, s->what);
	run_prepare(&g->run, &vipc_mechanism, sizeof(struct vipc_msg), 1, 1);
	getrlimit(RLIMIT_NOFILE, &files);
	if (files.rlim_cur < s->files * n + 100)
		missing(&g->run, "%u descriptors are needed, %lu are allowed (ulimit -n)",
			s->files * n + 100, (unsigned long)files.rlim_cur);
	else
		outcome = isolated(g, s->with, n);
	run_explain(&g->run, &r, outcome);
	if (outcome == MEASURED) {
		r.batches = BATCHES;
		r.median = median_of(g->batch, BATCHES);
		r.min = g->batch[0];
		r.max = g->batch[BATCHES - 1];
		if (*first == 0)
			*first = r.median;
		r.ratio = r.median / *first;
	}
	report(&r);
	munmap(g, sizeof(*g));
	return outcome != FAILED;
}

bool measure_growth(void)
{
	unsigned int i, k;
	bool good = true;

	report_begin("growth");
	for (i = 0; i < sizeof(all_series) / sizeof(all_series[0]); i++) {
		double first = 0;

		for (k = 0; k < 5 && all_series[i].count[k]; k++)
			good &= measure_point(&all_series[i], all_series[i].count[k], &first);
	}
	return measure_memory() && good;
}
