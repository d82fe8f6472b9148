// SPDX-License-Identifier: GPL-2.0
/* vipcstat: what vipc does on this machine, and who waits for whom. */
#include <errno.h>
#include <getopt.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include "stat.h"

/* Exit statuses, besides 0 and 1: it could not be read. */
#define BAD_USAGE	2
#define DEADLOCK	3

struct options opt;

static enum { COUNTERS, ENDPOINTS, WAITS } view;

static const char usage[] =
"usage: vipcstat [OPTION]... [INTERVAL [COUNT]]\n"
"\n"
"What vipc does on this machine. Without INTERVAL, totals, once. With it, every\n"
"INTERVAL seconds what was done per second, COUNT times or until it is ended; the\n"
"first report has totals.\n"
"\n"
"  -e, --endpoints   each endpoint, the busiest first, and which processes serve it\n"
"  -w, --waits       who waits for whom, and deadlocks\n"
"  -j, --json        for programs: an object on a line for each report\n"
"  -n, --one-header  do not repeat the heading\n"
"  -h, --help\n"
"  -V, --version\n"
"\n"
"Exit status: 0; 1, if something could not be read; 2, for wrong usage; 3, if\n"
"--waits has found a deadlock. Needs root. See vipcstat(1).\n";

static const struct option options[] = {
	{ "endpoints", no_argument, NULL, 'e' },
	{ "waits", no_argument, NULL, 'w' },
	{ "json", no_argument, NULL, 'j' },
	{ "one-header", no_argument, NULL, 'n' },
	{ "help", no_argument, NULL, 'h' },
	{ "version", no_argument, NULL, 'V' },
	{ 0 }
};

static double positive(const char *what, const char *value, double most)
{
	char *end;
	double x = strtod(value, &end);

	if (end != value && !*end && x > 0 && x <= most)
		return x;
	fprintf(stderr, "vipcstat: %s has to be a number above 0, at most %.0f, not '%s'\n",
		what, most, value);
	exit(BAD_USAGE);
}

static void choose_view(int which)
{
	if (view != COUNTERS && view != (which == 'e' ? ENDPOINTS : WAITS)) {
		fputs("vipcstat: --endpoints and --waits exclude each other\n", stderr);
		exit(BAD_USAGE);
	}
	view = which == 'e' ? ENDPOINTS : WAITS;
}

static void parse(int argc, char **argv)
{
	int c;

	while ((c = getopt_long(argc, argv, "ewjnhV", options, NULL)) != -1) {
		switch (c) {
		case 'e':
		case 'w':
			choose_view(c);
			break;
		case 'j':
			opt.json = true;
			break;
		case 'n':
			opt.one_header = true;
			break;
		case 'h':
			fputs(usage, stdout);
			exit(0);
		case 'V':
			puts("vipcstat " VERSION);
			exit(0);
		default:
			fputs("See vipcstat --help.\n", stderr);
			exit(BAD_USAGE);
		}
	}
	if (optind < argc)
		opt.interval = positive("INTERVAL", argv[optind++], 1e6);
	if (optind < argc) {
		double count = positive("COUNT", argv[optind++], 1e9);

		opt.count = (unsigned long)count;
		if (count != (double)opt.count) {
			fputs("vipcstat: COUNT has to be a whole number\n", stderr);
			exit(BAD_USAGE);
		}
	}
	if (optind < argc) {
		fprintf(stderr, "vipcstat: '%s' is one argument too many; see vipcstat --help\n",
			argv[optind]);
		exit(BAD_USAGE);
	}
	if (!opt.interval)
		opt.count = 1;
}

/* Prints one report, which is of the last @seconds; 0: of all time. */
static bool one_round(double seconds)
{
	switch (view) {
	case ENDPOINTS:
		endpoints_round(seconds);
		return false;
	case WAITS:
		return waits_round();
	default:
		counters_round(seconds);
		return false;
	}
}

static void sleep_until(double when)
{
	struct timespec ts = { .tv_sec = (time_t)when };

	ts.tv_nsec = (long)((when - (double)ts.tv_sec) * 1e9);
	while (clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &ts, NULL) == EINTR)
		;
}

int main(int argc, char **argv)
{
	double due = now(CLOCK_MONOTONIC), last = 0, at;
	bool deadlock = false;
	unsigned long n;

	parse(argc, argv);
	for (n = 0; !opt.count || n < opt.count; n++) {
		if (n)
			sleep_until(due);
		at = now(CLOCK_MONOTONIC);
		/* What was missed, as in a suspended machine, is not made up for. */
		due = due + opt.interval > at ? due + opt.interval : at + opt.interval;
		deadlock |= one_round(n ? at - last : 0);
		last = at;
		/* Whoever reads has gone, or there is no room. */
		if (fflush(stdout)) {
			fprintf(stderr, "vipcstat: cannot write: %s\n", strerror(errno));
			return 1;
		}
	}
	return deadlock ? DEADLOCK : 0;
}
