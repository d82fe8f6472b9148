// SPDX-License-Identifier: GPL-2.0
/* vipcstat: the counters of the whole module, a line for each interval. */
#include <stdlib.h>
#include <string.h>
#include "stat.h"

#define MAX_COUNTERS	64
#define LOGS		64	/* of the histogram: powers of two */
#define HEADER_EVERY	20	/* lines, if there is no terminal */

struct sample {
	struct {
		char name[40];
		uint64_t value;
	} counter[MAX_COUNTERS];
	unsigned int nr;
	uint64_t latency[LOGS];	/* how many took 2^n to 2^(n+1) - 1 cycles */
};

static void read_stats(struct sample *s)
{
	FILE *file = open_debugfs("stats");
	char line[160];

	while (s->nr < MAX_COUNTERS && fgets(line, sizeof(line), file))
		if (sscanf(line, "%39s %lu", s->counter[s->nr].name,
			   &s->counter[s->nr].value) == 2)
			s->nr++;
	close_debugfs(file, "stats");
}

static void read_latency(struct sample *s)
{
	FILE *file = open_debugfs("latency");
	uint64_t from, count;
	char line[160];

	while (fgets(line, sizeof(line), file))
		if (sscanf(line, "%*s %*s %lu %*u %lu", &from, &count) == 2)
			s->latency[from ? 63 - __builtin_clzl(from) : 0] += count;
	close_debugfs(file, "latency");
}

static uint64_t value_of(const struct sample *s, const char *name)
{
	unsigned int i;

	for (i = 0; i < s->nr; i++)
		if (!strcmp(s->counter[i].name, name))
			return s->counter[i].value;
	die("debugfs' stats has no %s: this module is not of this version", name);
}

/* By how much it has grown; after a reset it has begun at 0. */
static uint64_t grown(uint64_t new, uint64_t old)
{
	return new >= old ? new - old : new;
}

/* Not counters: they go up and down, or are made of others. */
static bool is_level(const char *name)
{
	return strstr(name, "_latency_cycles") || !strcmp(name, "endpoints") ||
	       !strcmp(name, "capabilities") || !strcmp(name, "fast_path_percentage");
}

static void print_sample_json(const struct sample *s, const struct sample *last, double seconds)
{
	unsigned int i;
	bool first = true;

	printf("{\"time\":%.3f,\"seconds\":%.3f,\"total\":{", now(CLOCK_REALTIME), seconds);
	for (i = 0; i < s->nr; i++) {
		printf(i ? "," : "");
		print_json(s->counter[i].name);
		printf(":%lu", s->counter[i].value);
	}
	printf("},\"per_second\":");
	if (!last) {
		puts("null}");
		return;
	}
	putchar('{');
	for (i = 0; i < s->nr; i++) {
		const char *name = s->counter[i].name;

		if (is_level(name))
			continue;
		printf(first ? "" : ",");
		first = false;
		print_json(name);
		printf(":%.3f", (double)grown(s->counter[i].value, value_of(last, name)) / seconds);
	}
	puts("}}");
}

/* The largest latency of the fastest @permille, rounded up to a power of two. */
static double percentile(const struct sample *s, const struct sample *last, unsigned int permille)
{
	uint64_t n[LOGS], all = 0, seen = 0;
	unsigned int i;

	for (i = 0; i < LOGS; i++) {
		n[i] = grown(s->latency[i], last ? last->latency[i] : 0);
		all += n[i];
	}
	for (i = 0; i < LOGS && all; i++) {
		seen += n[i];
		if (seen * 1000 >= all * permille)
			return 2 * (double)(1ul << i);
	}
	return 0;
}

/* The columns: counters, but for those without a name. */
static const struct column {
	const char *title, *counter;
	int width;
} columns[] = {
	{ "ep", "endpoints", 5 }, { "caps", "capabilities", 6 },
	{ "call", "call_count", 6 }, { "send", "send_count", 6 },
	{ "recv", "receive_count", 6 }, { "reply", "reply_count", 6 },
	{ "notif", "notify_count", 6 },
	{ "fast%", NULL, 6 }, { "p50", NULL, 6 }, { "p99", NULL, 6 },
	{ "spin", "spin_hits", 6 }, { "yield", "yield_hits", 6 }, { "sleep", "sleeps", 6 },
	{ "timeo", "timeouts", 6 }, { "intr", "interrupts", 6 }, { "revok", "revoked", 6 },
	{ "drop", "dropped", 6 },
};

#define COLUMNS	(sizeof(columns) / sizeof(columns[0]))

static void print_header(void)
{
	size_t i;

	fputs("---there--- ------------operations------------ ", stdout);
	puts("requests (cycles) ------waits------- ----------failed----------");
	for (i = 0; i < COLUMNS; i++)
		printf("%*s", columns[i].width, columns[i].title);
	putchar('\n');
}

static double without_counter(const struct sample *s, const struct sample *last, const char *title)
{
	uint64_t fast, slow;

	if (!strcmp(title, "p50"))
		return percentile(s, last, 500);
	if (!strcmp(title, "p99"))
		return percentile(s, last, 990);
	fast = grown(value_of(s, "fast_path_count"), last ? value_of(last, "fast_path_count") : 0);
	slow = grown(value_of(s, "slow_path_count"), last ? value_of(last, "slow_path_count") : 0);
	return fast + slow ? (double)(fast * 100 / (fast + slow)) : 0;
}

static void print_line(const struct sample *s, const struct sample *last, double seconds)
{
	char buf[32];
	size_t i;

	for (i = 0; i < COLUMNS; i++) {
		const char *name = columns[i].counter;
		double value;

		if (!name)
			value = without_counter(s, last, columns[i].title);
		else if (is_level(name) || !last)
			value = (double)value_of(s, name);
		else
			value = (double)grown(value_of(s, name), value_of(last, name)) / seconds;
		printf("%*s", columns[i].width, scaled(buf, sizeof(buf), value));
	}
	putchar('\n');
}

void counters_round(double seconds)
{
	static struct sample samples[2];
	static unsigned int lines;
	static bool again;
	struct sample *s = &samples[0], *last = again ? &samples[1] : NULL;
	unsigned int every = HEADER_EVERY;

	*s = (struct sample){ 0 };
	read_stats(s);
	read_latency(s);
	if (opt.json) {
		print_sample_json(s, last, seconds);
	} else {
		if (on_terminal(&every))
			every = every > 5 ? every - 3 : 2;
		if (!(lines++ % every) && (lines == 1 || !opt.one_header))
			print_header();
		print_line(s, last, seconds);
	}
	samples[1] = samples[0];
	again = true;
}
