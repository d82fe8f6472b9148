/* SPDX-License-Identifier: GPL-2.0 */
/**
 * DOC: statistics
 *
 * Each CPU counts for itself; readers add up. Counts are of operations that
 * succeeded, failures have their own. SENDs and CALLs are counted by their
 * place in a histogram of latencies, one for each operation and path, so that
 * an operation costs one increment for the count, the path and the latency
 * together, and the figures cannot disagree.
 *
 * A latency is what the operation took for the thread that asked for it: SEND
 * until delivered, CALL until the reply. Both time stamps are its own, but it
 * may have moved to another CPU in between, whose counter may be a little
 * behind: a negative difference counts as 0. So does what is shorter than a tick:
 * on arm64 the counter behind get_cycles() is slower than the CPU, 1 GHz at most.
 */
#ifndef VIPC_STATS_H
#define VIPC_STATS_H

#include <linux/atomic.h>
#include <linux/log2.h>
#include <linux/percpu.h>
#include <linux/types.h>

#include "vipc/fastpath.h"

struct dentry;

enum vipc_counter {
	VIPC_RECEIVES,
	VIPC_REPLIES,
	VIPC_NOTIFIES,
	VIPC_SPIN_HITS,
	VIPC_SPIN_MISSES,
	VIPC_SPIN_TIME,
	VIPC_YIELD_HITS,
	VIPC_YIELD_MISSES,
	VIPC_SLEEPS,
	VIPC_BYTES_COPIED,
	VIPC_FDS_PASSED,
	VIPC_TIMEOUTS,
	VIPC_INTERRUPTS,
	VIPC_REVOKED,
	VIPC_DROPPED,
	VIPC_NR_COUNTERS,
};

enum vipc_gauge {
	VIPC_ENDPOINTS,
	VIPC_CAPABILITIES,
	VIPC_NR_GAUGES,
};

/* Histograms, by operation and path */
enum vipc_series {
	VIPC_SEND_SLOW,
	VIPC_SEND_FAST,
	VIPC_CALL_SLOW,
	VIPC_CALL_FAST,
	VIPC_NR_SERIES,
};

/*
 * Buckets have four to a power of two, and are exact below that. The last one
 * holds all from 2^VIPC_MAX_LOG cycles on: minutes.
 */
#define VIPC_SUB_BITS	2
#define VIPC_MAX_LOG	40
#define VIPC_NR_BUCKETS	(((VIPC_MAX_LOG - VIPC_SUB_BITS + 1) << VIPC_SUB_BITS) + 1)

/**
 * struct vipc_stats - what one CPU has counted
 * @count: by &enum vipc_counter
 * @cycles: sum of all latencies
 * @min: smallest latency, complemented, so that 0 means none yet
 * @max: largest latency
 * @latency: histograms
 *
 * Written by its own CPU only: single counters with this_cpu operations, @min and
 * @max with preemption disabled. Read by anybody at any time.
 */
struct vipc_stats {
	u64 count[VIPC_NR_COUNTERS];
	u64 cycles;
	u64 min;
	u64 max;
	u64 latency[VIPC_NR_SERIES][VIPC_NR_BUCKETS];
};

extern struct vipc_stats __percpu *vipc_stats;
extern atomic_long_t vipc_gauges[VIPC_NR_GAUGES];

/**
 * vipc_count() - count an event
 * @counter: which
 */
static inline void vipc_count(enum vipc_counter counter)
{
	this_cpu_inc(vipc_stats->count[counter]);
}

/**
 * vipc_count_by() - add to a counter
 * @counter: which
 * @n: how much
 */
static inline void vipc_count_by(enum vipc_counter counter, u64 n)
{
	this_cpu_add(vipc_stats->count[counter], n);
}

/**
 * vipc_gauge_add() - there are more, or fewer, of something
 * @gauge: of what
 * @n: how many
 */
static inline void vipc_gauge_add(enum vipc_gauge gauge, long n)
{
	atomic_long_add(n, &vipc_gauges[gauge]);
}

/* The bucket that @cycles belongs to; vipc_bucket_floor() is the inverse. */
static inline unsigned int vipc_bucket(u64 cycles)
{
	unsigned int shift;

	if (cycles < (1 << VIPC_SUB_BITS))
		return cycles;
	if (unlikely(cycles >> VIPC_MAX_LOG))
		return VIPC_NR_BUCKETS - 1;
	shift = __fls(cycles) - VIPC_SUB_BITS;
	return (shift << VIPC_SUB_BITS) + (cycles >> shift);
}

/**
 * vipc_count_latency() - count a SEND or CALL that succeeded
 * @series: which operation, by which path
 * @start: vipc_clock() when it began
 *
 * Context: process context.
 */
static inline void vipc_count_latency(enum vipc_series series, u64 start)
{
	struct vipc_stats *stats = get_cpu_ptr(vipc_stats);
	s64 elapsed = vipc_clock() - start;
	u64 cycles = max_t(s64, elapsed, 0);

	this_cpu_inc(vipc_stats->latency[series][vipc_bucket(cycles)]);
	this_cpu_add(vipc_stats->cycles, cycles);
	if (unlikely(~cycles > stats->min))
		WRITE_ONCE(stats->min, ~cycles);
	if (unlikely(cycles > stats->max))
		WRITE_ONCE(stats->max, cycles);
	put_cpu_ptr(vipc_stats);
}

void vipc_count_failure(int err);

int vipc_stats_init(void);
void vipc_stats_exit(void);
struct dentry *vipc_stats_debugfs(void);

#endif /* VIPC_STATS_H */
