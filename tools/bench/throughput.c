// SPDX-License-Identifier: GPL-2.0
/* Many clients, several server threads: round trips a second of all together. */
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>
#include "bench.h"

/* A line of the cache for each client. */
struct counter {
	_Alignas(64) _Atomic uint64_t n;
};

struct crowd {
	atomic_uint there;		/* clients that have had their first answer */
	struct counter done[MAX_CLIENTS];
};

static _Noreturn void client(struct run *run, struct crowd *crowd, unsigned int index)
{
	void *msg = calloc(1, run->size);
	uint64_t n = (uint64_t)index << 48;

	if (!msg)
		give_up(run, "out of memory");
	run_client(run, index, ANY_CPU, opt.fifo);
	one_round_trip(run, index, msg, n++);
	run->answered = true;
	crowd->there++;
	while (!run->stop) {
		one_round_trip(run, index, msg, n++);
		atomic_fetch_add_explicit(&crowd->done[index].n, 1, memory_order_relaxed);
	}
	_exit(0);
}

static uint64_t total(const struct crowd *crowd, unsigned int n)
{
	uint64_t sum = 0;
	unsigned int i;

	for (i = 0; i < n; i++)
		sum += atomic_load_explicit(&crowd->done[i].n, memory_order_relaxed);
	return sum;
}

static void nap(double seconds)
{
	struct timespec t = {
		.tv_sec = (time_t)seconds,
		.tv_nsec = (long)((seconds - (double)(time_t)seconds) * 1e9),
	};

	nanosleep(&t, NULL);
}

/* Return the rate, or 0 if they did not all come to life. */
static double let_them_run(struct run *run, struct crowd *crowd)
{
	uint64_t start, end, first;
	unsigned int i;

	for (i = 0; crowd->there < run->clients; i++) {
		if (run->why[0] || i > 10000)
			return 0;
		nap(0.001);
	}
	nap(opt.seconds / 10);
	first = total(crowd, run->clients);
	start = now();
	nap(opt.seconds);
	first = total(crowd, run->clients) - first;
	end = now();
	return (double)first * 1e9 / (double)(end - start);
}

static enum outcome run_crowd(struct run *run, double *rate)
{
	struct crowd *crowd = shared_memory(sizeof(*crowd));
	pid_t pids[MAX_CLIENTS] = { 0 };
	enum outcome outcome = MISSING;
	unsigned int i, started = 0;

	if (run_start(run, ANY_CPU, opt.fifo)) {
		for (i = 0; i < run->clients; i++, started++) {
			pids[i] = fork();
			if (!pids[i])
				client(run, crowd, i);
			if (pids[i] < 0) {
				missing(run, "fork failed at client %u", i);
				break;
			}
		}
		if (started == run->clients)
			*rate = let_them_run(run, crowd);
		if (*rate == 0 && !run->why[0])
			missing(run, "the clients were not all answered within 10 seconds");
		run->stop = true;
		outcome = run_wait(run, pids, started, 20);
		if (*rate == 0 && outcome == MEASURED)
			outcome = FAILED;
	}
	run_stop(run);
	munmap(crowd, sizeof(*crowd));
	return outcome;
}

static bool measure_crowd(const struct mechanism *m, unsigned int clients, unsigned int threads)
{
	struct result r = {
		.section = "throughput", .mechanism = m, .placement = ANY_CPU, .fifo = opt.fifo,
		.size = opt.sizes[0], .clients = clients, .threads = threads,
	};
	struct run *run = shared_memory(sizeof(*run));
	double *rate = calloc(opt.runs, sizeof(*rate));
	unsigned int i;

	for (i = 0; rate && i < opt.runs && r.outcome == MEASURED; i++) {
		progress("throughput, %u clients, %u server threads, run %u of %u: %s", clients,
			 threads, i + 1, opt.runs, m->title);
		run_prepare(run, m, r.size, clients, threads);
		run_explain(run, &r, run_crowd(run, &rate[i]));
	}
	if (rate && r.outcome == MEASURED) {
		r.per_second = median_of(rate, opt.runs);
		r.median = r.per_second;
		r.min = rate[0];
		r.max = rate[opt.runs - 1];
	}
	report(&r);
	free(rate);
	munmap(run, sizeof(*run));
	return r.outcome != FAILED;
}

bool measure_throughput(void)
{
	unsigned int i, c, t;
	bool good = true;

	report_begin("throughput");
	for (i = 0; opt.chosen[i]; i++) {
		if (!(opt.chosen[i]->flags & MECH_MANY))
			continue;
		for (t = 0; t < opt.nthreads; t++)
			for (c = 0; c < opt.nclients; c++)
				good &= measure_crowd(opt.chosen[i], opt.clients[c],
						      opt.threads[t]);
	}
	return good;
}
