// SPDX-License-Identifier: GPL-2.0
/*
 * What an endpoint, a capability and a blocked caller take of the kernel's memory.
 * A capability is an open file, and a caller a process: what these take anyway is
 * measured too, with /dev/null and pause(), and vipc's own share is the difference.
 */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>
#include "../../lib/vipc.h"
#include "bench.h"
#include "growth.h"

#define FILES		20000
#define PROCESSES	500

/* Bytes of the kernel's that depend on how much there is of something. */
static double kernel_memory(void)
{
	static const char *const lines[] = { "Slab:", "KernelStack:", "PageTables:", "Percpu:",
		"VmallocUsed:" };
	char name[64];
	double sum = 0;
	unsigned long kib;
	unsigned int i;
	FILE *f = fopen("/proc/meminfo", "r");

	if (!f)
		return 0;
	while (fscanf(f, "%63s %lu%*[^\n]", name, &kib) == 2)
		for (i = 0; i < sizeof(lines) / sizeof(lines[0]); i++)
			if (!strcmp(name, lines[i]))
				sum += (double)kib * 1024;
	fclose(f);
	return sum;
}

/* What is freed later, and what other CPUs keep, shall not be in the way. */
static void quiet_down(void)
{
	const struct timespec nap = { .tv_nsec = 300000000 };

	nanosleep(&nap, NULL);
}

struct ledger {
	struct run run;
	double bytes;		/* for each */
	int fd[FILES];
	pid_t pid[PROCESSES];
};

static int null_file(int endpoint, unsigned int i)
{
	(void)endpoint;
	(void)i;
	return open("/dev/null", O_RDWR | O_CLOEXEC);
}

static int endpoint_file(int endpoint, unsigned int i)
{
	(void)endpoint;
	(void)i;
	return vipc_open(O_CLOEXEC);
}

static int capability_file(int endpoint, unsigned int i)
{
	return vipc_derive(endpoint, VIPC_RIGHT_SEND, i + 1);
}

static void hold_files(struct ledger *l, int (*open_one)(int endpoint, unsigned int i))
{
	int endpoint = vipc_open(O_CLOEXEC), top = fcntl(0, F_DUPFD, FILES + 10);
	double before;
	unsigned int i;

	if (endpoint < 0)
		give_up(&l->run, "/dev/vipc: %s", strerror(-endpoint));
	/* The table of descriptors has its final size from here on. */
	if (top < 0)
		give_up(&l->run, "%d descriptors are needed: %s", FILES + 10, strerror(errno));
	before = kernel_memory();
	for (i = 0; i < FILES; i++) {
		l->fd[i] = open_one(endpoint, i);
		if (l->fd[i] < 0)
			give_up(&l->run, "number %u could not be opened", i);
	}
	l->bytes = (kernel_memory() - before) / FILES;
}

static void hold_null(struct ledger *l)
{
	hold_files(l, null_file);
}

static void hold_endpoints(struct ledger *l)
{
	hold_files(l, endpoint_file);
}

static void hold_capabilities(struct ledger *l)
{
	hold_files(l, capability_file);
}

static _Noreturn void blocked(bool in_call, int fd)
{
	struct vipc_msg msg = { 0 };

	prctl(PR_SET_PDEATHSIG, SIGKILL);
	if (in_call)
		vipc_call(fd, &msg);
	for (;;)
		pause();
}

/* Nobody receives: the callers stay queued. */
static void hold_processes(struct ledger *l, bool in_call)
{
	int server = vipc_open(O_CLOEXEC), client;
	struct vipc_info info = { 0 };
	double before;
	unsigned int i;
	pid_t pid;

	client = server < 0 ? server : vipc_derive(server, VIPC_RIGHT_SEND, 1);
	if (client < 0)
		give_up(&l->run, "/dev/vipc: %s", strerror(-client));
	before = kernel_memory();
	for (i = 0; i < PROCESSES; i++) {
		pid = fork();
		if (!pid)
			blocked(in_call, client);
		if (pid < 0)
			give_up(&l->run, "fork: %s", strerror(errno));
		l->pid[i] = pid;
	}
	do {
		quiet_down();
		vipc_info(server, &info);
	} while (in_call && info.senders < PROCESSES);
	l->bytes = (kernel_memory() - before) / PROCESSES;
	for (i = 0; i < PROCESSES; i++)
		kill(l->pid[i], SIGKILL);
	for (i = 0; i < PROCESSES; i++)
		waitpid(l->pid[i], NULL, 0);
}

static void hold_paused(struct ledger *l)
{
	hold_processes(l, false);
}

static void hold_callers(struct ledger *l)
{
	hold_processes(l, true);
}

static const struct thing {
	const char *what;
	void (*hold)(struct ledger *l);
	unsigned int count;
	int without;		/* which of these is what it would take without vipc */
} things[] = {
	{ "open file (/dev/null)", hold_null, FILES, -1 },
	{ "endpoint", hold_endpoints, FILES, 0 },
	{ "capability", hold_capabilities, FILES, 0 },
	{ "process in pause()", hold_paused, PROCESSES, -1 },
	{ "process in a call", hold_callers, PROCESSES, 3 },
};

#define THINGS	(sizeof(things) / sizeof(things[0]))

static enum outcome weigh(struct ledger *l, const struct thing *t)
{
	int status;
	pid_t pid = fork();

	if (!pid) {
		t->hold(l);
		_exit(0);
	}
	if (pid < 0 || waitpid(pid, &status, 0) != pid || !WIFEXITED(status) ||
	    WEXITSTATUS(status)) {
		if (!l->run.why[0])
			missing(&l->run, "the process that measures did not start, or died");
		return MISSING;
	}
	return MEASURED;
}

bool measure_memory(void)
{
	double bytes[THINGS] = { 0 };
	unsigned int i, k;

	for (i = 0; i < THINGS; i++) {
		const struct thing *t = &things[i];
		struct ledger *l = shared_memory(sizeof(*l));
		struct result r = {
			.section = "memory", .mechanism = &vipc_mechanism, .what = t->what,
			.count = t->count, .clients = 1, .threads = 1, .batches = 1,
		};
		enum outcome outcome = MEASURED;

		progress("memory: %u times %s", t->count, t->what);
		/* The first time fills caches that stay; so take the second. */
		for (k = 0; k < 2 && outcome == MEASURED; k++) {
			run_prepare(&l->run, &vipc_mechanism, 64, 1, 1);
			outcome = weigh(l, t);
			quiet_down();
		}
		run_explain(&l->run, &r, outcome);
		bytes[i] = l->bytes;
		r.median = l->bytes;
		r.min = t->without < 0 ? 0 : bytes[i] - bytes[t->without];
		report(&r);
		munmap(l, sizeof(*l));
	}
	return true;
}
