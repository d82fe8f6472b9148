// SPDX-License-Identifier: GPL-2.0
/* Processes: a server with its threads, clients, where they run, how they end. */
#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdarg.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>
#include "bench.h"

void *shared_memory(size_t size)
{
	void *p = mmap(NULL, size, PROT_READ | PROT_WRITE,
		       MAP_SHARED | MAP_ANONYMOUS | MAP_POPULATE, -1, 0);

	if (p == MAP_FAILED) {
		fprintf(stderr, "vipc-bench: no memory for %zu bytes: %s\n", size,
			strerror(errno));
		exit(1);
	}
	return p;
}

bool missing(struct run *run, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(run->why, sizeof(run->why), fmt, ap);
	va_end(ap);
	return false;
}

void give_up(struct run *run, const char *fmt, ...)
{
	va_list ap;

	/* The first reason is the one that explains the others. */
	if (!run->why[0]) {
		va_start(ap, fmt);
		vsnprintf(run->why, sizeof(run->why), fmt, ap);
		va_end(ap);
	}
	_exit(1);
}

const char *placement_impossible(const struct mechanism *m, enum placement placement)
{
	if ((m->flags & (MECH_SAME | MECH_ALONE)) && placement != SAME_CPU)
		return "it means something on one CPU only";
	if (placement == TWO_CPUS && opt.cpu[1] < 0)
		return "there is only one CPU";
	if ((m->flags & MECH_TWO) && placement != TWO_CPUS)
		return "it needs two CPUs, and would spin in vain";
	return NULL;
}

bool fifo_allowed(void)
{
	struct sched_param p = { .sched_priority = 1 }, normal = { 0 };

	if (sched_setscheduler(0, SCHED_FIFO, &p))
		return false;
	sched_setscheduler(0, SCHED_OTHER, &normal);
	return true;
}

/* The processes of a measurement do not outlive this one. */
static void settle(struct run *run, enum placement placement, int cpu, bool fifo)
{
	struct sched_param p = { .sched_priority = 1 };
	cpu_set_t set;

	prctl(PR_SET_PDEATHSIG, SIGKILL);
	if (placement != ANY_CPU) {
		CPU_ZERO(&set);
		CPU_SET((size_t)cpu, &set);
		if (sched_setaffinity(0, sizeof(set), &set))
			give_up(run, "cannot run on CPU %d: %s", cpu, strerror(errno));
	}
	if (fifo && sched_setscheduler(0, SCHED_FIFO, &p))
		give_up(run, "SCHED_FIFO: %s (root, or RLIMIT_RTPRIO, may)", strerror(errno));
}

struct thread {
	struct run *run;
	unsigned int index;
};

static void *serve(void *arg)
{
	struct thread *t = arg;

	t->run->mechanism->serve(t->run, t->index);
	if (t->run->stop)
		_exit(0);
	give_up(t->run, "the server ended");
}

static _Noreturn void run_server(struct run *run)
{
	static struct thread thread[MAX_THREADS];
	unsigned int i;
	pthread_t id;
	int err;

	if (run->mechanism->server)
		run->mechanism->server(run);
	for (i = 0; i < run->threads; i++) {
		thread[i] = (struct thread){ run, i };
		if (!i)
			continue;
		err = pthread_create(&id, NULL, serve, &thread[i]);
		if (err)
			give_up(run, "cannot start a server thread: %s", strerror(err));
	}
	run->ready = true;
	serve(&thread[0]);
	_exit(1);
}

void run_prepare(struct run *run, const struct mechanism *m, size_t size,
		 unsigned int clients, unsigned int threads)
{
	memset(run, 0, sizeof(*run));
	run->mechanism = m;
	run->size = size;
	run->clients = clients;
	run->threads = threads;
}

/* Open what is needed, and start the server. False: run->why says why not. */
bool run_start(struct run *run, enum placement placement, bool fifo)
{
	const struct mechanism *m = run->mechanism;
	const char *impossible = placement_impossible(m, placement);
	const struct timespec nap = { .tv_nsec = 1000000 };
	pid_t pid;

	if (impossible)
		return missing(run, "%s", impossible);
	if (run->size > m->max_size)
		return missing(run, "its messages are at most %s", size_name(m->max_size));
	if ((fifo || (m->flags & MECH_FIFO)) && !fifo_allowed())
		return missing(run, "SCHED_FIFO is not allowed (root, or RLIMIT_RTPRIO, may)");
	if (m->open && !m->open(run))
		return false;
	if (m->flags & MECH_ALONE)
		return true;
	pid = fork();
	if (pid < 0)
		return missing(run, "fork: %s", strerror(errno));
	if (!pid) {
		settle(run, placement, opt.cpu[placement == TWO_CPUS],
		       fifo || (m->flags & MECH_FIFO));
		run_server(run);
	}
	run->server = pid;
	while (!run->ready) {
		if (waitpid(run->server, NULL, WNOHANG) == run->server) {
			run->server = 0;
			return false;
		}
		nanosleep(&nap, NULL);
	}
	return true;
}

/* Become a client. */
void run_client(struct run *run, unsigned int client, enum placement placement, bool fifo)
{
	settle(run, placement, opt.cpu[0], fifo || (run->mechanism->flags & MECH_FIFO));
	if (run->mechanism->client)
		run->mechanism->client(run, client);
}

/*
 * Wait until all clients have ended. If the server ends first, or a client gives
 * up, or it takes longer than @seconds, kill the rest. SIGCHLD is blocked
 * throughout, so that none is lost; nothing runs here meanwhile.
 */
enum outcome run_wait(struct run *run, pid_t *clients, unsigned int n, double seconds)
{
	const struct timespec limit = { .tv_sec = (time_t)seconds };
	unsigned int i, left = n;
	bool good = true;
	int status;
	pid_t pid;
	sigset_t set;

	sigemptyset(&set);
	sigaddset(&set, SIGCHLD);
	while (left && good) {
		pid = waitpid(-1, &status, WNOHANG);
		if (pid == 0) {
			if (sigtimedwait(&set, NULL, &limit) < 0 && errno == EAGAIN) {
				missing(run, "no end after %.0f seconds", seconds);
				good = false;
			}
			continue;
		}
		if (pid == run->server) {
			run->server = 0;
			if (run->stop)
				continue;
			if (!run->why[0])
				missing(run, "the server died");
			good = false;
		}
		for (i = 0; i < n; i++) {
			if (pid != clients[i])
				continue;
			clients[i] = 0;
			left--;
			if (!WIFEXITED(status) || WEXITSTATUS(status)) {
				if (!run->why[0])
					missing(run, "a client died");
				good = false;
			}
		}
	}
	for (i = 0; i < n; i++) {
		if (clients[i]) {
			kill(clients[i], SIGKILL);
			waitpid(clients[i], NULL, 0);
			clients[i] = 0;
		}
	}
	if (good)
		return MEASURED;
	return run->answered ? FAILED : MISSING;
}

void run_stop(struct run *run)
{
	if (run->server) {
		kill(run->server, SIGKILL);
		waitpid(run->server, NULL, 0);
		run->server = 0;
	}
	if (run->mechanism->close)
		run->mechanism->close(run);
	run->state = NULL;
}

void run_explain(const struct run *run, struct result *r, enum outcome outcome)
{
	r->outcome = outcome;
	snprintf(r->why, sizeof(r->why), "%s", outcome == MEASURED ? "" : run->why);
}
