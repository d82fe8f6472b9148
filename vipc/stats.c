// SPDX-License-Identifier: GPL-2.0
/*
 * Statistics, and their files in debugfs.
 */
#include <linux/cpu.h>
#include <linux/debugfs.h>
#include <linux/math64.h>
#include <linux/seq_file.h>
#include <linux/slab.h>
#include <linux/workqueue.h>

#include "vipc/stats.h"

struct vipc_stats __percpu *vipc_stats;
atomic_long_t vipc_gauges[VIPC_NR_GAUGES];

/**
 * vipc_count_failure() - count an operation that failed
 * @err: how; only some have a counter
 */
void vipc_count_failure(int err)
{
	switch (err) {
	case -ETIMEDOUT:
		vipc_count(VIPC_TIMEOUTS);
		break;
	case -EINTR:
	case -ERESTARTSYS:
		vipc_count(VIPC_INTERRUPTS);
		break;
	case -EKEYREVOKED:
		vipc_count(VIPC_REVOKED);
		break;
	}
}

/* The smallest latency that bucket @i holds. */
static u64 vipc_bucket_floor(unsigned int i)
{
	unsigned int shift = i >> VIPC_SUB_BITS;

	if (shift < 2)
		return i;
	shift--;
	return (u64)(i - (shift << VIPC_SUB_BITS)) << shift;
}

/* Adds up what all CPUs have counted; NULL without memory. */
static struct vipc_stats *vipc_stats_sum(void)
{
	struct vipc_stats *sum = kzalloc(sizeof(*sum), GFP_KERNEL);
	unsigned int i, series;
	int cpu;

	if (!sum)
		return NULL;
	for_each_possible_cpu(cpu) {
		struct vipc_stats *one = per_cpu_ptr(vipc_stats, cpu);

		for (i = 0; i < VIPC_NR_COUNTERS; i++)
			sum->count[i] += READ_ONCE(one->count[i]);
		sum->cycles += READ_ONCE(one->cycles);
		sum->min = max(sum->min, READ_ONCE(one->min));
		sum->max = max(sum->max, READ_ONCE(one->max));
		for (series = 0; series < VIPC_NR_SERIES; series++)
			for (i = 0; i < VIPC_NR_BUCKETS; i++)
				sum->latency[series][i] +=
					READ_ONCE(one->latency[series][i]);
	}
	return sum;
}

static u64 vipc_series_count(const struct vipc_stats *sum,
			     enum vipc_series series)
{
	u64 n = 0;
	int i;

	for (i = 0; i < VIPC_NR_BUCKETS; i++)
		n += sum->latency[series][i];
	return n;
}

/* 0 if there is none yet. */
static u64 vipc_stats_min(const struct vipc_stats *sum)
{
	return sum->min ? ~sum->min : 0;
}

/*
 * The latency that @permille of all @n operations did not exceed, rounded up to
 * the end of its bucket, but not beyond the largest one seen.
 */
static u64 vipc_percentile(const struct vipc_stats *sum, u64 n,
			   unsigned int permille)
{
	u64 rank = div_u64(n * permille + 999, 1000), seen = 0;
	int i, series;

	if (!n)
		return 0;
	for (i = 0; i < VIPC_NR_BUCKETS - 1; i++) {
		for (series = 0; series < VIPC_NR_SERIES; series++)
			seen += sum->latency[series][i];
		if (seen >= rank)
			return clamp(vipc_bucket_floor(i + 1) - 1,
				     vipc_stats_min(sum),
				     max(sum->max, vipc_stats_min(sum)));
	}
	return sum->max;
}

static int stats_show(struct seq_file *m, void *unused)
{
	struct vipc_stats *sum = vipc_stats_sum();
	u64 n[VIPC_NR_SERIES], fast, slow, all;
	int i;

	if (!sum)
		return -ENOMEM;
	for (i = 0; i < VIPC_NR_SERIES; i++)
		n[i] = vipc_series_count(sum, i);
	fast = n[VIPC_SEND_FAST] + n[VIPC_CALL_FAST];
	slow = n[VIPC_SEND_SLOW] + n[VIPC_CALL_SLOW];
	all = fast + slow;

#define SHOW(name, value) seq_printf(m, name " %llu\n", (u64)(value))
	SHOW("send_count", n[VIPC_SEND_FAST] + n[VIPC_SEND_SLOW]);
	SHOW("receive_count", sum->count[VIPC_RECEIVES]);
	SHOW("call_count", n[VIPC_CALL_FAST] + n[VIPC_CALL_SLOW]);
	SHOW("reply_count", sum->count[VIPC_REPLIES]);
	SHOW("notify_count", sum->count[VIPC_NOTIFIES]);
	SHOW("fast_path_count", fast);
	SHOW("slow_path_count", slow);
	SHOW("fast_path_percentage", all ? div64_u64(fast * 100, all) : 0);
	SHOW("avg_latency_cycles", all ? div64_u64(sum->cycles, all) : 0);
	SHOW("min_latency_cycles", vipc_stats_min(sum));
	SHOW("max_latency_cycles", sum->max);
	SHOW("p50_latency_cycles", vipc_percentile(sum, all, 500));
	SHOW("p99_latency_cycles", vipc_percentile(sum, all, 990));
	SHOW("p999_latency_cycles", vipc_percentile(sum, all, 999));
	SHOW("spin_hits", sum->count[VIPC_SPIN_HITS]);
	SHOW("spin_misses", sum->count[VIPC_SPIN_MISSES]);
	SHOW("spin_time_ns", sum->count[VIPC_SPIN_TIME]);
	SHOW("yield_hits", sum->count[VIPC_YIELD_HITS]);
	SHOW("yield_misses", sum->count[VIPC_YIELD_MISSES]);
	SHOW("sleeps", sum->count[VIPC_SLEEPS]);
	SHOW("bytes_copied", sum->count[VIPC_BYTES_COPIED]);
	SHOW("fds_passed", sum->count[VIPC_FDS_PASSED]);
	SHOW("timeouts", sum->count[VIPC_TIMEOUTS]);
	SHOW("interrupts", sum->count[VIPC_INTERRUPTS]);
	SHOW("revoked", sum->count[VIPC_REVOKED]);
	SHOW("dropped", sum->count[VIPC_DROPPED]);
	SHOW("endpoints", atomic_long_read(&vipc_gauges[VIPC_ENDPOINTS]));
	SHOW("capabilities", atomic_long_read(&vipc_gauges[VIPC_CAPABILITIES]));
#undef SHOW
	kfree(sum);
	return 0;
}
DEFINE_SHOW_ATTRIBUTE(stats);

static int latency_show(struct seq_file *m, void *unused)
{
	static const char * const names[VIPC_NR_SERIES] = {
		[VIPC_SEND_SLOW] = "send slow",
		[VIPC_SEND_FAST] = "send fast",
		[VIPC_CALL_SLOW] = "call slow",
		[VIPC_CALL_FAST] = "call fast",
	};
	struct vipc_stats *sum = vipc_stats_sum();
	unsigned int series, log, i = 0;

	if (!sum)
		return -ENOMEM;
	seq_puts(m, "op path from_cycles to_cycles count\n");
	for (series = 0; series < VIPC_NR_SERIES; series++) {
		for (log = 0, i = 0; log <= VIPC_MAX_LOG; log++) {
			u64 to = log < VIPC_MAX_LOG ? BIT_ULL(log + 1) - 1 : U64_MAX;
			u64 from = log ? BIT_ULL(log) : 0, n = 0;

			for (; i < VIPC_NR_BUCKETS && vipc_bucket_floor(i) <= to; i++)
				n += sum->latency[series][i];
			if (n)
				seq_printf(m, "%s %llu %llu %llu\n",
					   names[series], from, to, n);
		}
	}
	kfree(sum);
	return 0;
}
DEFINE_SHOW_ATTRIBUTE(latency);

static long vipc_stats_zero(void *stats)
{
	/* A count under way on this CPU has ended, see vipc_count_latency(). */
	preempt_disable();
	memset(stats, 0, sizeof(struct vipc_stats));
	preempt_enable();
	return 0;
}

static ssize_t reset_write(struct file *file, const char __user *buf,
			   size_t len, loff_t *pos)
{
	int cpu;

	cpus_read_lock();
	for_each_possible_cpu(cpu) {
		struct vipc_stats *stats = per_cpu_ptr(vipc_stats, cpu);

		/* Counting is exact only if each CPU zeroes its own. */
		if (cpu_online(cpu))
			work_on_cpu(cpu, vipc_stats_zero, stats);
		else
			vipc_stats_zero(stats);
	}
	cpus_read_unlock();
	return len;
}

static const struct file_operations reset_fops = {
	.owner	= THIS_MODULE,
	.open	= simple_open,
	.write	= reset_write,
	.llseek	= noop_llseek,
};

static struct dentry *vipc_debugfs;

/**
 * vipc_stats_init() - start counting
 *
 * Context: may sleep.
 * Return: 0 or -ENOMEM. A kernel without debugfs counts for nobody.
 */
int vipc_stats_init(void)
{
	vipc_stats = alloc_percpu(struct vipc_stats);
	if (!vipc_stats)
		return -ENOMEM;
	vipc_debugfs = debugfs_create_dir("vipc", NULL);
	debugfs_create_file("stats", 0444, vipc_debugfs, NULL, &stats_fops);
	debugfs_create_file("latency", 0444, vipc_debugfs, NULL, &latency_fops);
	debugfs_create_file("reset", 0200, vipc_debugfs, NULL, &reset_fops);
	return 0;
}

/**
 * vipc_stats_debugfs() - the module's directory in debugfs
 *
 * Return: a dentry or an ERR_PTR, both fit for debugfs_create_file().
 */
struct dentry *vipc_stats_debugfs(void)
{
	return vipc_debugfs;
}

/**
 * vipc_stats_exit() - stop counting
 *
 * Context: may sleep; nothing counts any more.
 */
void vipc_stats_exit(void)
{
	debugfs_remove(vipc_debugfs);
	free_percpu(vipc_stats);
}
