/* SPDX-License-Identifier: GPL-2.0 */
/*
 * vipc-bench: what its files share.
 *
 * A mechanism carries a request of some bytes from a client process to a server
 * process, and an answer of as many bytes back. All that differs between
 * mechanisms is in struct mechanism; how they are run and timed is in measure.c
 * and throughput.c, the same for all.
 */
#ifndef BENCH_H
#define BENCH_H

#include <sched.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/types.h>
#include <time.h>

#define MAX_CLIENTS	64
#define MAX_THREADS	8

enum placement { SAME_CPU, TWO_CPUS, ANY_CPU, PLACEMENTS };

/* struct mechanism.flags */
#define MECH_FLOOR	0x01	/* no way to send a message: what nothing can be below */
#define MECH_ALONE	0x02	/* has no server process */
#define MECH_FIFO	0x04	/* only means something between SCHED_FIFO tasks */
#define MECH_SAME	0x08	/* ... on one CPU */
#define MECH_TWO	0x10	/* ... on two CPUs */
#define MECH_MANY	0x20	/* can have several clients and server threads */
#define MECH_SPINS	0x40	/* never sleeps: takes a whole CPU while it waits */

/*
 * One measurement: a server process with some threads, and its clients. It is
 * in memory that all these processes share.
 */
struct run {
	const struct mechanism *mechanism;
	size_t size;
	unsigned int clients, threads;
	void *state;			/* what open() made */
	pid_t server;
	atomic_bool ready;		/* the server can be called */
	atomic_bool answered;		/* it has answered correctly once */
	atomic_bool stop;
	char why[200];			/* why one of the processes gave up */
};

/*
 * open() is called before the processes are forked, and returns false with
 * run->why set if the mechanism is not there. client() and server() are called
 * in these processes, serve() in each thread of the server. call() returns where
 * the answer is: in @msg, or in the mechanism's own memory until the next call.
 * close() undoes open(). All but call() and serve() may be NULL. What cannot go
 * on calls give_up().
 */
struct mechanism {
	const char *name, *title;
	size_t max_size;
	unsigned int flags;
	bool (*open)(struct run *run);
	void (*server)(struct run *run);
	void (*serve)(struct run *run, unsigned int thread);
	void (*client)(struct run *run, unsigned int client);
	void *(*call)(struct run *run, unsigned int client, void *msg);
	void (*close)(struct run *run);
};

extern const struct mechanism vipc_mechanism, memfd_mechanism, protobuf_mechanism,
	pipe_mechanism,
	unix_stream_mechanism, unix_seqpacket_mechanism, tcp_mechanism, mq_mechanism,
	sysv_mechanism, eventfd_mechanism, futex_mechanism, spin_mechanism, binder_mechanism,
	uring_mechanism, null_mechanism, switch_mechanism;
extern const struct mechanism *const mechanisms[];

/* mech_vipc.c: an endpoint, or a negative number with run->why set. */
int open_endpoint(struct run *run);
/* Closes it, and what clients have of it: @client[] is above 0 where that was derived. */
void close_endpoint(const struct run *run, int server, const int *client);

struct options {
	const struct mechanism *chosen[32];	/* ends with NULL */
	size_t sizes[16];
	unsigned int nsizes;
	bool placement[PLACEMENTS];
	int cpu[2];
	bool fifo;
	unsigned int batches, round_trips, samples, runs, idle_calls;
	double seconds, idle_seconds;
	unsigned int clients[16], nclients, threads[8], nthreads;
	bool round_trip, throughput, idle, growth;
	const char *format, *unit, *output, *distribution;
};

extern struct options opt;

/* Why there is no figure, if there is none. */
enum outcome { MEASURED, MISSING, FAILED };

/* One line of the report. Times are nanoseconds, of which the machine says what they are. */
struct result {
	const char *section;
	const struct mechanism *mechanism;
	enum placement placement;
	bool fifo;
	size_t size;
	unsigned int clients, threads, batches, samples;
	const char *what;			/* growth, memory: of what there were ... */
	unsigned int count;			/* ... so many */
	double ratio;				/* growth: to the median of the first count */
	double min, median;			/* of a round trip, over batches */
	double p50, p90, p99, p999, max;	/* of single round trips */
	double voluntary, involuntary;		/* context switches in a round trip */
	double cpu;				/* time on any CPU in a round trip */
	double per_second;
	enum outcome outcome;
	char why[200];
};

/* run.c */
void run_prepare(struct run *run, const struct mechanism *m, size_t size,
		 unsigned int clients, unsigned int threads);
bool run_start(struct run *run, enum placement placement, bool fifo);
void run_client(struct run *run, unsigned int client, enum placement placement, bool fifo);
enum outcome run_wait(struct run *run, pid_t *clients, unsigned int n, double seconds);
void run_stop(struct run *run);
void run_explain(const struct run *run, struct result *r, enum outcome outcome);
void *shared_memory(size_t size);
const char *placement_impossible(const struct mechanism *m, enum placement placement);
bool fifo_allowed(void);
bool missing(struct run *run, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
_Noreturn void give_up(struct run *run, const char *fmt, ...)
	__attribute__((format(printf, 2, 3)));

/* measure.c, throughput.c, growth.c: false if something failed */
bool measure_round_trips(void);
bool measure_idle(void);
bool measure_throughput(void);
bool measure_growth(void);
void sort(double *v, unsigned int n);
double median_of(double *v, unsigned int n);	/* sorts */

/* report.c */
extern FILE *output;
void report_begin(const char *section);
void report(const struct result *r);
void report_end(void);
void report_distribution(const struct result *r, const double *sorted, unsigned int n);
void progress(const char *fmt, ...) __attribute__((format(printf, 1, 2)));
const char *size_name(size_t size);
extern const char *const placement_names[], *const placement_titles[];
extern bool anything_measured;

/* Streams of bytes, and packets: serve one or several clients (mech_fd.c). */
void serve_fds(struct run *run, unsigned int thread, const int *in, const int *out);
void *call_fds(struct run *run, int in, int out, void *msg);

static inline uint64_t now(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec;
}

/* Tell the processor that this is a loop that waits. */
static inline void relax(void)
{
#ifdef __SSE2__
	__builtin_ia32_pause();
#endif
}

/*
 * A message carries a counter at either end, so that an answer that is somebody
 * else's, an old one, or cut short is seen.
 */
static inline void *last_word(const void *msg, size_t size)
{
	return (char *)(uintptr_t)msg + size - sizeof(uint64_t);
}

static inline uint64_t get_word(const void *p)
{
	uint64_t word;

	memcpy(&word, p, sizeof(word));
	return word;
}

static inline void put_word(void *p, uint64_t word)
{
	memcpy(p, &word, sizeof(word));
}

static inline void make_request(void *msg, size_t size, uint64_t n)
{
	put_word(msg, n);
	put_word(last_word(msg, size), ~n);
}

static inline void make_answer(void *answer, const void *request, size_t size)
{
	put_word(answer, get_word(request) + 1);
	put_word(last_word(answer, size), get_word(last_word(request, size)) - 1);
}

static inline bool is_answer(const void *msg, size_t size, uint64_t n)
{
	return get_word(msg) == n + 1 && get_word(last_word(msg, size)) == ~n - 1;
}

void one_round_trip(struct run *run, unsigned int client, void *msg, uint64_t n);

#endif
