// SPDX-License-Identifier: GPL-2.0
/*
 * Round trips of one client: in batches, for the cost of one; one by one, for the
 * distribution; and after a pause, for the first after idling.
 */
#include <errno.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <unistd.h>
#include "bench.h"

#define WARM_UP		200	/* round trips before any is timed */
#define LEAST_BATCHES	3	/* whatever the time limit */
#define LEAST_SAMPLES	100

static int ascending(const void *a, const void *b)
{
	double x = *(const double *)a, y = *(const double *)b;

	return (x > y) - (x < y);
}

void sort(double *v, unsigned int n)
{
	qsort(v, n, sizeof(*v), ascending);
}

double median_of(double *v, unsigned int n)
{
	sort(v, n);
	return n % 2 ? v[n / 2] : (v[n / 2 - 1] + v[n / 2]) / 2;
}

void one_round_trip(struct run *run, unsigned int client, void *msg, uint64_t n)
{
	void *answer;

	make_request(msg, run->size, n);
	answer = run->mechanism->call(run, client, msg);
	if (__builtin_expect(!is_answer(answer, run->size, n), 0))
		give_up(run, "wrong answer to request %llu: %llu", (unsigned long long)n,
			(unsigned long long)get_word(answer));
}

/* What two processes have used up so far. */
struct usage {
	double voluntary, involuntary, cpu;
};

/* The client leaves its figures here: it is in shared memory. */
struct figures {
	unsigned int batches, samples;
	struct usage used;		/* in all batches */
	double batch[];			/* then the samples */
};

/* The context switches of all threads of a process. */
static void add_switches(struct run *run, pid_t pid, struct usage *u)
{
	char path[64], line[128];
	unsigned long n;
	unsigned int i;
	FILE *f;

	/* Servers of one client have one thread, which has the process's number. */
	snprintf(path, sizeof(path), "/proc/%d/status", pid);
	f = fopen(path, "r");
	if (!f)
		give_up(run, "%s: %s", path, strerror(errno));
	for (i = 0; i < 2 && fgets(line, sizeof(line), f);) {
		if (sscanf(line, "voluntary_ctxt_switches: %lu", &n) == 1) {
			u->voluntary += (double)n;
			i++;
		} else if (sscanf(line, "nonvoluntary_ctxt_switches: %lu", &n) == 1) {
			u->involuntary += (double)n;
			i++;
		}
	}
	fclose(f);
}

static double cpu_of(clockid_t clock)
{
	struct timespec t;

	if (clock_gettime(clock, &t))
		return 0;
	return (double)t.tv_sec * 1e9 + (double)t.tv_nsec;
}

static struct usage usage(struct run *run)
{
	struct usage u = { 0 };
	struct rusage self;
	clockid_t clock;

	getrusage(RUSAGE_SELF, &self);
	u.voluntary = (double)self.ru_nvcsw;
	u.involuntary = (double)self.ru_nivcsw;
	if (run->server) {
		add_switches(run, run->server, &u);
		if (!clock_getcpuclockid(run->server, &clock))
			u.cpu = cpu_of(clock);
	}
	u.cpu += cpu_of(CLOCK_PROCESS_CPUTIME_ID);
	return u;
}

static void *new_message(struct run *run)
{
	void *msg = calloc(1, run->size);

	if (!msg)
		give_up(run, "out of memory");
	return msg;
}

static uint64_t warm_up(struct run *run, void *msg, unsigned int count)
{
	uint64_t n;

	for (n = 1; n <= count; n++) {
		one_round_trip(run, 0, msg, n);
		run->answered = true;
	}
	return n;
}

/* Take samples until there are enough, or the time is over. */
static void time_singles(struct run *run, void *msg, uint64_t n, struct figures *f,
			 uint64_t limit)
{
	double *sample = f->batch + opt.batches;
	uint64_t start, last, t;

	start = now();
	last = start;
	while (f->samples < opt.samples) {
		one_round_trip(run, 0, msg, n++);
		t = now();
		sample[f->samples++] = (double)(t - last);
		if (t - start > limit && f->samples >= LEAST_SAMPLES)
			break;
		last = t;
	}
}

static void time_round_trips(struct run *run, struct figures *f)
{
	uint64_t limit = (uint64_t)(opt.seconds * 1e9 / 2), begin, start, end, n;
	void *msg = new_message(run);
	struct usage before, after;
	unsigned int i;

	n = warm_up(run, msg, opt.round_trips < WARM_UP ? opt.round_trips : WARM_UP);
	before = usage(run);
	begin = now();
	do {
		start = now();
		for (i = 0; i < opt.round_trips; i++)
			one_round_trip(run, 0, msg, n++);
		end = now();
		f->batch[f->batches++] = (double)(end - start) / opt.round_trips;
	} while (f->batches < opt.batches &&
		 (end - begin < limit || f->batches < LEAST_BATCHES));
	after = usage(run);
	f->used.voluntary = after.voluntary - before.voluntary;
	f->used.involuntary = after.involuntary - before.involuntary;
	f->used.cpu = after.cpu - before.cpu;
	time_singles(run, msg, n, f, limit);
}

static void time_idle(struct run *run, struct figures *f)
{
	struct timespec nap = {
		.tv_sec = (time_t)opt.idle_seconds,
		.tv_nsec = (long)((opt.idle_seconds - (double)(time_t)opt.idle_seconds) * 1e9),
	};
	void *msg = new_message(run);
	uint64_t start, n = warm_up(run, msg, WARM_UP);
	double *sample = f->batch + opt.batches;

	while (f->samples < opt.samples && f->samples < opt.idle_calls) {
		nanosleep(&nap, NULL);
		start = now();
		one_round_trip(run, 0, msg, n++);
		sample[f->samples++] = (double)(now() - start);
	}
}

/* All that the runs of one combination have found. */
struct collected {
	struct result r;
	struct usage used;
	double *batch, *sample, *run_median;
	unsigned int batches, samples, runs;
};

static void collect(struct collected *c, const struct figures *f)
{
	if (f->batches) {
		memcpy(c->batch + c->batches, f->batch, f->batches * sizeof(double));
		c->run_median[c->runs++] = median_of(c->batch + c->batches, f->batches);
	}
	memcpy(c->sample + c->samples, f->batch + opt.batches, f->samples * sizeof(double));
	c->batches += f->batches;
	c->samples += f->samples;
	c->used.voluntary += f->used.voluntary;
	c->used.involuntary += f->used.involuntary;
	c->used.cpu += f->used.cpu;
}

static double percentile(const double *sorted, unsigned int n, double p)
{
	double rank = p * n;
	unsigned int i = (unsigned int)rank;

	if ((double)i < rank)
		i++;
	return sorted[i ? i - 1 : 0];
}

static void conclude(struct collected *c)
{
	struct result *r = &c->r;
	double trips = (double)c->batches * opt.round_trips;

	r->batches = c->batches;
	r->samples = c->samples;
	if (c->batches) {
		sort(c->batch, c->batches);
		r->min = c->batch[0];
		r->median = median_of(c->run_median, c->runs);
		r->voluntary = c->used.voluntary / trips;
		r->involuntary = c->used.involuntary / trips;
		r->cpu = c->used.cpu / trips;
	}
	if (c->samples) {
		sort(c->sample, c->samples);
		r->p50 = percentile(c->sample, c->samples, 0.5);
		r->p90 = percentile(c->sample, c->samples, 0.9);
		r->p99 = percentile(c->sample, c->samples, 0.99);
		r->p999 = percentile(c->sample, c->samples, 0.999);
		r->max = c->sample[c->samples - 1];
		if (!c->batches) {
			r->min = c->sample[0];
			r->median = r->p50;
		}
	}
}

static void run_once(struct collected *c, void (*timed)(struct run *run, struct figures *f))
{
	size_t room = sizeof(struct figures) + (opt.batches + opt.samples) * sizeof(double);
	struct figures *f = shared_memory(room);
	struct run *run = shared_memory(sizeof(*run));
	enum outcome outcome = MISSING;
	pid_t pid;

	run_prepare(run, c->r.mechanism, c->r.size, 1, 1);
	if (run_start(run, c->r.placement, c->r.fifo)) {
		pid = fork();
		if (!pid) {
			run_client(run, 0, c->r.placement, c->r.fifo);
			timed(run, f);
			run->stop = true;
			_exit(0);
		}
		if (pid < 0)
			missing(run, "fork: %s", strerror(errno));
		else
			outcome = run_wait(run, &pid, 1, opt.seconds * 10 + 20);
	}
	run_stop(run);
	run_explain(run, &c->r, outcome);
	if (outcome == MEASURED)
		collect(c, f);
	munmap(f, room);
	munmap(run, sizeof(*run));
}

static bool begin(struct collected *c, const char *section, const struct mechanism *m,
		  enum placement placement, size_t size)
{
	memset(c, 0, sizeof(*c));
	c->r = (struct result){
		.section = section, .mechanism = m, .placement = placement,
		.fifo = opt.fifo || (m->flags & MECH_FIFO), .size = size,
		.clients = 1, .threads = 1,
	};
	c->batch = calloc((size_t)opt.batches * opt.runs, sizeof(double));
	c->sample = calloc((size_t)opt.samples * opt.runs, sizeof(double));
	c->run_median = calloc(opt.runs, sizeof(double));
	return c->batch && c->sample && c->run_median;
}

/*
 * One placement and size: every mechanism in turn, and that opt.runs times, so that
 * what else happens on the machine meanwhile hits all of them.
 */
static bool measure_all(const char *section, enum placement placement, size_t size,
			void (*timed)(struct run *run, struct figures *f))
{
	struct collected all[sizeof(opt.chosen) / sizeof(opt.chosen[0])];
	unsigned int i, run, n = 0;
	bool good = true;

	for (; opt.chosen[n]; n++) {
		if (!begin(&all[n], section, opt.chosen[n], placement, size)) {
			fprintf(stderr, "vipc-bench: out of memory\n");
			exit(1);
		}
	}
	for (run = 0; run < opt.runs; run++) {
		for (i = 0; i < n; i++) {
			struct collected *c = &all[i];

			if (c->r.outcome != MEASURED)
				continue;
			progress("%s, %s, %s, run %u of %u: %s", section,
				 placement_titles[placement], size_name(size), run + 1, opt.runs,
				 c->r.mechanism->title);
			run_once(c, timed);
			if (run + 1 < opt.runs && c->r.outcome == MEASURED)
				continue;
			conclude(c);
			good &= c->r.outcome != FAILED;
		}
	}
	for (i = 0; i < n; i++) {
		report(&all[i].r);
		if (all[i].r.outcome == MEASURED)
			report_distribution(&all[i].r, all[i].sample, all[i].samples);
		free(all[i].batch);
		free(all[i].sample);
		free(all[i].run_median);
	}
	return good;
}

bool measure_round_trips(void)
{
	enum placement p;
	unsigned int i;
	bool good = true;

	report_begin("round-trip");
	for (p = SAME_CPU; p < PLACEMENTS; p++)
		for (i = 0; opt.placement[p] && i < opt.nsizes; i++)
			good &= measure_all("round-trip", p, opt.sizes[i], time_round_trips);
	return good;
}

bool measure_idle(void)
{
	enum placement p;
	bool good = true;

	report_begin("idle");
	for (p = SAME_CPU; p < PLACEMENTS; p++)
		if (opt.placement[p])
			good &= measure_all("idle", p, opt.sizes[0], time_idle);
	return good;
}
