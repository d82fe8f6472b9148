// SPDX-License-Identifier: GPL-2.0
/* Tables for people, comma-separated values and JSON for programs; progress. */
#include <stdarg.h>
#include <stdlib.h>
#include <unistd.h>
#include "bench.h"

const char *const placement_names[] = { "same", "two", "any" };
const char *const placement_titles[] = { "same CPU", "two CPUs", "not pinned" };

FILE *output;
bool anything_measured;
static FILE *curve;
static unsigned int lines;		/* of the whole report */
static unsigned int progress_width;
static struct result last;		/* whose table is open */
static bool table_open;

const char *size_name(size_t size)
{
	static char names[4][24];
	static unsigned int next;
	char *name = names[next++ % 4];

	if (size >= 1u << 20 && !(size % (1u << 20)))
		snprintf(name, sizeof(names[0]), "%zu MiB", size >> 20);
	else if (size >= 1024 && !(size % 1024))
		snprintf(name, sizeof(names[0]), "%zu KiB", size >> 10);
	else
		snprintf(name, sizeof(names[0]), "%zu B", size);
	return name;
}

/* On a terminal that can, one line that is written over. */
void progress(const char *fmt, ...)
{
	const char *terminal = getenv("TERM");
	char text[200];
	va_list ap;
	int n;

	if (!isatty(STDERR_FILENO) || (terminal && !strcmp(terminal, "dumb")))
		return;
	va_start(ap, fmt);
	n = vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	fprintf(stderr, "\r%-*s\r%s", (int)progress_width, "", text);
	fflush(stderr);
	progress_width = n > 0 ? (unsigned int)n : 0;
}

static void clear_progress(void)
{
	if (progress_width)
		fprintf(stderr, "\r%-*s\r", (int)progress_width, "");
	progress_width = 0;
}

static bool is_format(const char *name)
{
	return !strcmp(opt.format, name);
}

/* A figure as wide as it has to be: 0.123, 12.3, 12,345. */
static const char *number(double x)
{
	static char texts[16][32];
	static unsigned int next;
	char *text = texts[next++ % 16], digits[32], *p = text;
	size_t i, n;

	if (x < 100) {
		snprintf(text, sizeof(texts[0]), "%.*f", x < 10 ? 2 : 1, x);
		return text;
	}
	snprintf(digits, sizeof(digits), "%.0f", x);
	n = strlen(digits);
	for (i = 0; i < n; i++) {
		if (i && (n - i) % 3 == 0)
			*p++ = ',';
		*p++ = digits[i];
	}
	*p = '\0';
	return text;
}

static bool same_table(const struct result *a, const struct result *b)
{
	if (!table_open || strcmp(a->section, b->section) || a->placement != b->placement)
		return false;
	return a->size == b->size && (a->fifo == b->fifo || (a->mechanism->flags & MECH_FIFO) ||
				      (b->mechanism->flags & MECH_FIFO));
}

static void title(const struct result *r)
{
	const char *what = !strcmp(r->section, "idle") ? "First round trip after a pause" :
		!strcmp(r->section, "throughput") ? "Throughput" : "Round trip";

	fprintf(output, "%s%s of %s, %s%s (%s)\n\n", lines ? "\n" : "", what, size_name(r->size),
		placement_titles[r->placement], opt.fifo ? ", SCHED_FIFO" : "",
		strcmp(r->section, "throughput") ? opt.unit : "round trips per second");
	if (!strcmp(r->section, "throughput"))
		fprintf(output, "%-18s %8s %8s %14s %14s %14s\n", "mechanism", "clients",
			"servers", "per second", "fewest", "most");
	else
		fprintf(output, "%-18s %10s %10s  %10s %10s %10s %10s %10s  %8s %10s\n",
			"mechanism", "minimum", "median", "p50", "p90", "p99", "p99.9", "max",
			"switches", "CPU");
}

/* Growth and memory: how many of what. */
static void growth_line(const struct result *r)
{
	bool memory = !strcmp(r->section, "memory");

	if (!table_open || !last.what || strcmp(last.section, r->section)) {
		fprintf(output, "%s%s\n\n%-32s %10s %12s %12s%s\n", lines ? "\n" : "",
			memory ? "Memory of the kernel's (bytes for each)" :
			"vipc: one message with ... on one CPU", "",
			"count", memory ? "vipc's own" : "minimum", memory ? "all" : "median",
			memory ? "" : "   to first");
	}
	fprintf(output, "%-32s %10u", r->what, r->count);
	if (r->outcome != MEASURED)
		fprintf(output, " %12s %s%s", "-", r->outcome == FAILED ? "FAILED: " : "", r->why);
	else if (memory)
		fprintf(output, " %12.0f %12.0f", r->min, r->median);
	else
		fprintf(output, " %12s %12s %10.3f", number(r->min), number(r->median), r->ratio);
	fputc('\n', output);
	table_open = true;
	last = *r;
}

static void table_line(const struct result *r)
{
	if (r->what) {
		growth_line(r);
		return;
	}
	if (!same_table(&last, r))
		title(r);
	table_open = true;
	last = *r;
	if (!strcmp(r->section, "throughput")) {
		fprintf(output, "%-18s %8u %8u", r->mechanism->title, r->clients, r->threads);
		if (r->outcome == MEASURED)
			fprintf(output, " %14s %14s %14s\n", number(r->per_second), number(r->min),
				number(r->max));
	} else {
		fprintf(output, "%-18s", r->mechanism->title);
		if (r->outcome == MEASURED) {
			fprintf(output, " %10s %10s  %10s %10s %10s %10s %10s", number(r->min),
				number(r->median), number(r->p50), number(r->p90), number(r->p99),
				number(r->p999), number(r->max));
			if (r->batches)
				fprintf(output, "  %8.2f %10s", r->voluntary + r->involuntary,
					number(r->cpu));
			fputc('\n', output);
		}
	}
	if (r->outcome != MEASURED)
		fprintf(output, " %10s %s%s\n", "-", r->outcome == FAILED ? "FAILED: " : "",
			r->why);
}

static const char *const outcomes[] = { "measured", "missing", "failed" };

static const char *kind(const struct mechanism *m)
{
	return m->flags & MECH_FLOOR ? "floor" : m->flags & MECH_SPINS ? "spins" : "mechanism";
}

/* Figures that were not measured are empty. */
static void csv_figure(bool there, double x)
{
	if (there)
		fprintf(output, ",%.10g", x);
	else
		fputc(',', output);
}

static const char *unit(const struct result *r)
{
	return strcmp(r->section, "memory") ? opt.unit : "bytes";
}

static const char *const csv_columns[] = {
	"section", "mechanism", "title", "what", "count", "kind", "placement", "policy", "size",
	"clients", "servers", "unit", "outcome", "runs", "batches", "round_trips", "samples",
	"minimum", "median", "p50", "p90", "p99", "p999", "max", "voluntary", "involuntary",
	"cpu", "per_second", "why", NULL
};

static void csv_line(const struct result *r)
{
	bool there = r->outcome == MEASURED, batches = there && r->batches;
	bool samples = there && r->samples;
	unsigned int i;
	const char *p;

	for (i = 0; !lines && csv_columns[i]; i++)
		fprintf(output, "%s%c", csv_columns[i], csv_columns[i + 1] ? ',' : '\n');
	fprintf(output, "%s,%s,%s,%s,%u,%s,%s,%s,", r->section, r->mechanism->name,
		r->mechanism->title, r->what ? r->what : "", r->count, kind(r->mechanism),
		placement_names[r->placement], r->fifo ? "fifo" : "other");
	fprintf(output, "%zu,%u,%u,%s,%s,%u,%u,%u,%u", r->size, r->clients, r->threads, unit(r),
		outcomes[r->outcome], opt.runs, r->batches, opt.round_trips, r->samples);
	csv_figure(there, r->min);
	csv_figure(there, r->median);
	csv_figure(samples, r->p50);
	csv_figure(samples, r->p90);
	csv_figure(samples, r->p99);
	csv_figure(samples, r->p999);
	csv_figure(there, r->max);
	csv_figure(batches, r->voluntary);
	csv_figure(batches, r->involuntary);
	csv_figure(batches, r->cpu);
	csv_figure(there && r->per_second > 0, r->per_second);
	fputs(",\"", output);
	for (p = r->why; *p; p++)
		fputs(*p == '"' ? "\"\"" : (char[]){ *p, '\0' }, output);
	fputs("\"\n", output);
}

static void json_string(const char *name, const char *value)
{
	fprintf(output, "\"%s\":\"", name);
	for (; *value; value++) {
		if (*value == '"' || *value == '\\')
			fputc('\\', output);
		fputc((unsigned char)*value < ' ' ? ' ' : *value, output);
	}
	fputs("\",", output);
}

static void json_figure(const char *name, bool there, double x)
{
	if (there)
		fprintf(output, ",\"%s\":%.10g", name, x);
}

static void json_line(const struct result *r)
{
	bool there = r->outcome == MEASURED, samples = there && r->samples;

	fputs(lines ? ",\n{" : "[\n{", output);
	json_string("section", r->section);
	json_string("mechanism", r->mechanism->name);
	json_string("title", r->mechanism->title);
	if (r->what) {
		json_string("what", r->what);
		fprintf(output, "\"count\":%u,", r->count);
	}
	json_string("kind", kind(r->mechanism));
	json_string("placement", placement_names[r->placement]);
	json_string("policy", r->fifo ? "fifo" : "other");
	json_string("unit", unit(r));
	json_string("outcome", outcomes[r->outcome]);
	if (!there)
		json_string("why", r->why);
	fprintf(output, "\"size\":%zu,\"clients\":%u,\"servers\":%u,\"runs\":%u", r->size,
		r->clients, r->threads, opt.runs);
	fprintf(output, ",\"batches\":%u,\"round_trips\":%u,\"samples\":%u", r->batches,
		opt.round_trips, r->samples);
	json_figure("minimum", there, r->min);
	json_figure("median", there, r->median);
	json_figure("p50", samples, r->p50);
	json_figure("p90", samples, r->p90);
	json_figure("p99", samples, r->p99);
	json_figure("p999", samples, r->p999);
	json_figure("max", there, r->max);
	json_figure("voluntary", there && r->batches, r->voluntary);
	json_figure("involuntary", there && r->batches, r->involuntary);
	json_figure("cpu", there && r->batches, r->cpu);
	json_figure("per_second", there && r->per_second > 0, r->per_second);
	fputc('}', output);
}

void report(const struct result *r)
{
	clear_progress();
	if (r->outcome == MEASURED)
		anything_measured = true;
	if (is_format("csv"))
		csv_line(r);
	else if (is_format("json"))
		json_line(r);
	else
		table_line(r);
	lines++;
	fflush(output);
}

void report_begin(const char *section)
{
	(void)section;
	table_open = false;
}

/* After the last section. */
void report_end(void)
{
	if (is_format("json"))
		fputs(lines ? "\n]\n" : "[]\n", output);
	clear_progress();
	fflush(output);
	if (curve && fclose(curve)) {
		perror("vipc-bench: the distribution");
		exit(1);
	}
	curve = NULL;
}

/*
 * The value at each of many quantiles, closer together towards the tail: what a
 * plot of the distribution needs, however many samples there are.
 */
void report_distribution(const struct result *r, const double *sorted, unsigned int n)
{
	unsigned int i, rank, before = 0;

	if (!opt.distribution || !n)
		return;
	if (!curve) {
		curve = fopen(opt.distribution, "w");
		if (!curve) {
			perror(opt.distribution);
			exit(1);
		}
		fputs("section,mechanism,title,placement,size,unit,quantile,value\n", curve);
	}
	for (i = 0; i <= 240 && before < n; i++) {
		/* 1 - quantile falls from 1 to 1e-6 in equal ratios. */
		double above = 1;
		unsigned int k;

		for (k = 0; k < i; k++)
			above *= 0.944060876;
		rank = (unsigned int)((1 - above) * n) + 1;
		if (i == 240)
			rank = n;
		if (rank <= before)
			continue;
		before = rank;
		fprintf(curve, "%s,%s,%s,%s,%zu,%s,%.7f,%.10g\n", r->section, r->mechanism->name,
			r->mechanism->title, placement_names[r->placement], r->size, opt.unit,
			(double)rank / n, sorted[rank - 1]);
	}
}
