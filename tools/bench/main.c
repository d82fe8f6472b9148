// SPDX-License-Identifier: GPL-2.0
/* vipc-bench: what a call between processes costs, by vipc and by what else there is. */
#include <errno.h>
#include <getopt.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <unistd.h>
#include "bench.h"

const struct mechanism *const mechanisms[] = {
	&vipc_mechanism, &pipe_mechanism, &eventfd_mechanism, &futex_mechanism,
	&unix_stream_mechanism, &unix_seqpacket_mechanism, &mq_mechanism, &sysv_mechanism,
	&binder_mechanism, &tcp_mechanism, &uring_mechanism, &spin_mechanism,
	&memfd_mechanism, &protobuf_mechanism, &null_mechanism, &switch_mechanism, NULL
};

struct options opt = {
	.sizes = { 64 }, .nsizes = 1, .placement = { true }, .cpu = { -1, -1 },
	.batches = 60, .round_trips = 200, .samples = 10000, .runs = 1, .idle_calls = 100,
	.seconds = 2, .idle_seconds = 0.01,
	.clients = { 1, 2, 4, 8, 16, 32, 64 }, .nclients = 7,
	.threads = { 1, 2, 4, 8 }, .nthreads = 4,
	.format = "table", .unit = "ns",
};

static const char usage[] =
"usage: vipc-bench [OPTION]...\n"
"\n"
"What a call from one process to another costs: by vipc, and by what else the\n"
"kernel offers. Without options: round trips of 64 bytes on one CPU.\n"
"\n"
"What to measure:\n"
"  --round-trip         a request and its answer (the default)\n"
"  --idle               the first round trip after a pause\n"
"  --throughput         round trips a second of many clients\n"
"  --growth             vipc: cost and memory with many capabilities, endpoints,\n"
"                       queued senders and processes\n"
"Of what:\n"
"  --mechanism LIST     all, or names from --list, separated by commas\n"
"  --size LIST          bytes; K and M are allowed (default 64)\n"
"  --placement LIST     same, two, any: client and server on one CPU, on two, or not\n"
"                       pinned (default same)\n"
"  --cpus A[,B]         the CPUs for that (default: the first two allowed)\n"
"  --policy other|fifo  scheduling policy of client and server (default other)\n"
"  --clients LIST       for --throughput (default 1,2,4,8,16,32,64)\n"
"  --servers LIST       its server threads (default 1,2,4,8)\n"
"How long:\n"
"  --batches N          batches of round trips (default 60)\n"
"  --round-trips N      in a batch (default 200)\n"
"  --samples N          round trips timed one by one (default 10000)\n"
"  --runs N             do all that N times, with new processes (default 1)\n"
"  --seconds S          limit for one run of one mechanism (default 2)\n"
"  --idle-seconds S     the pause before each call of --idle (default 0.01)\n"
"  --idle-calls N       (default 100)\n"
"The report:\n"
"  --format table|csv|json\n"
"  --output FILE        (default: standard output)\n"
"  --distribution FILE  also write the distribution of single round trips, as CSV\n"
"  --unit NAME          what the machine's nanoseconds are (default ns)\n"
"  --list               the mechanisms\n"
"  --help, --version\n";

static _Noreturn void bad_usage(const char *option, const char *value, const char *want)
{
	fprintf(stderr, "vipc-bench: %s %s: %s (see --help)\n", option, value, want);
	exit(2);
}

static double positive(const char *option, const char *value, double most)
{
	char *end;
	double x = strtod(value, &end);

	if (end == value || *end || !(x > 0) || x > most) {
		fprintf(stderr, "vipc-bench: %s takes a number above 0, at most %.0f, not '%s'\n",
			option, most, value);
		exit(2);
	}
	return x;
}

static unsigned int count(const char *option, const char *value, double most)
{
	double x = positive(option, value, most);

	if (x != (double)(unsigned int)x)
		bad_usage(option, value, "not a whole number");
	return (unsigned int)x;
}

static unsigned int counts(const char *option, char *list, double most, unsigned int *to,
			   unsigned int room)
{
	unsigned int n = 0;
	char *word, *save;

	for (word = strtok_r(list, ",", &save); word; word = strtok_r(NULL, ",", &save)) {
		if (n == room)
			bad_usage(option, word, "too many values");
		to[n++] = count(option, word, most);
	}
	if (!n)
		bad_usage(option, "", "an empty list");
	return n;
}

static void choose_mechanisms(char *list)
{
	unsigned int n = 0, i;
	char *word, *save;

	if (!strcmp(list, "all")) {
		for (i = 0; mechanisms[i]; i++)
			opt.chosen[i] = mechanisms[i];
		return;
	}
	for (word = strtok_r(list, ",", &save); word; word = strtok_r(NULL, ",", &save)) {
		for (i = 0; mechanisms[i] && strcmp(mechanisms[i]->name, word);)
			i++;
		if (!mechanisms[i])
			bad_usage("--mechanism", word, "there is no such mechanism; see --list");
		if (n + 1 == sizeof(opt.chosen) / sizeof(opt.chosen[0]))
			bad_usage("--mechanism", word, "too many");
		opt.chosen[n++] = mechanisms[i];
	}
	if (!n)
		bad_usage("--mechanism", "", "an empty list");
	opt.chosen[n] = NULL;
}

static void choose_sizes(char *list)
{
	char *word, *save, *end;

	opt.nsizes = 0;
	for (word = strtok_r(list, ",", &save); word; word = strtok_r(NULL, ",", &save)) {
		unsigned long size = strtoul(word, &end, 10);

		if (*end == 'K' || *end == 'k')
			size <<= 10;
		else if (*end == 'M' || *end == 'm')
			size <<= 20;
		if (end == word || (*end && end[1]) || (*end && !strchr("KkMm", *end)))
			bad_usage("--size", word, "not a size such as 64, 4K or 1M");
		/* Room for the two counters, and for those who send words. */
		if (size < 16 || size > 1u << 20 || size % 8)
			bad_usage("--size", word, "a multiple of 8 from 16 to 1M");
		if (opt.nsizes == sizeof(opt.sizes) / sizeof(opt.sizes[0]))
			bad_usage("--size", word, "too many sizes");
		opt.sizes[opt.nsizes++] = size;
	}
	if (!opt.nsizes)
		bad_usage("--size", "", "an empty list");
}

static void choose_placements(char *list)
{
	char *word, *save;
	int p;

	memset(opt.placement, 0, sizeof(opt.placement));
	for (word = strtok_r(list, ",", &save); word; word = strtok_r(NULL, ",", &save)) {
		for (p = 0; p < PLACEMENTS && strcmp(word, placement_names[p]);)
			p++;
		if (p == PLACEMENTS)
			bad_usage("--placement", word, "not same, two or any");
		opt.placement[p] = true;
	}
}

static void choose_cpus(char *list)
{
	char *end, *second = strchr(list, ',');

	if (second)
		*second++ = '\0';
	opt.cpu[0] = (int)strtol(list, &end, 10);
	if (end == list || *end || opt.cpu[0] < 0 || opt.cpu[0] >= CPU_SETSIZE)
		bad_usage("--cpus", list, "not the number of a CPU");
	if (!second)
		return;
	opt.cpu[1] = (int)strtol(second, &end, 10);
	if (end == second || *end || opt.cpu[1] < 0 || opt.cpu[1] >= CPU_SETSIZE ||
	    opt.cpu[1] == opt.cpu[0])
		bad_usage("--cpus", second, "not the number of another CPU");
}

static const char *one_of(const char *option, const char *value, const char *const *words)
{
	for (; *words; words++)
		if (!strcmp(value, *words))
			return *words;
	bad_usage(option, value, "not one of those that --help names");
}

static void list_mechanisms(void)
{
	unsigned int i;

	for (i = 0; mechanisms[i]; i++)
		printf("%-16s %s%s\n", mechanisms[i]->name, mechanisms[i]->title,
		       mechanisms[i]->flags & MECH_FLOOR ? " (a floor: it carries no message)" :
		       mechanisms[i]->flags & MECH_SPINS ? " (never sleeps)" : "");
}

/* In groups: of what, how long (first those in the table of how_long()), the report. */
enum {
	MECHANISM = 256, SIZE, PLACEMENT, CPUS, POLICY, CLIENTS, SERVERS,
	BATCHES, ROUND_TRIPS, SAMPLES, RUNS, IDLE_CALLS, SECONDS, IDLE_SECONDS,
	FORMAT, OUTPUT, DISTRIBUTION, UNIT,
	ROUND_TRIP, IDLE, THROUGHPUT, GROWTH, LIST
};

static const struct option options[] = {
	{ "mechanism", required_argument, NULL, MECHANISM },
	{ "size", required_argument, NULL, SIZE },
	{ "placement", required_argument, NULL, PLACEMENT },
	{ "cpus", required_argument, NULL, CPUS },
	{ "policy", required_argument, NULL, POLICY },
	{ "clients", required_argument, NULL, CLIENTS },
	{ "servers", required_argument, NULL, SERVERS },
	{ "batches", required_argument, NULL, BATCHES },
	{ "round-trips", required_argument, NULL, ROUND_TRIPS },
	{ "samples", required_argument, NULL, SAMPLES },
	{ "runs", required_argument, NULL, RUNS },
	{ "seconds", required_argument, NULL, SECONDS },
	{ "idle-seconds", required_argument, NULL, IDLE_SECONDS },
	{ "idle-calls", required_argument, NULL, IDLE_CALLS },
	{ "round-trip", no_argument, NULL, ROUND_TRIP },
	{ "idle", no_argument, NULL, IDLE },
	{ "throughput", no_argument, NULL, THROUGHPUT },
	{ "growth", no_argument, NULL, GROWTH },
	{ "format", required_argument, NULL, FORMAT },
	{ "output", required_argument, NULL, OUTPUT },
	{ "distribution", required_argument, NULL, DISTRIBUTION },
	{ "unit", required_argument, NULL, UNIT },
	{ "list", no_argument, NULL, LIST },
	{ "help", no_argument, NULL, 'h' },
	{ "version", no_argument, NULL, 'V' },
	{ 0 }
};

static void of_what(int c, char *arg)
{
	static const char *const policies[] = { "other", "fifo", NULL };

	switch (c) {
	case MECHANISM:
		choose_mechanisms(arg);
		break;
	case SIZE:
		choose_sizes(arg);
		break;
	case PLACEMENT:
		choose_placements(arg);
		break;
	case CPUS:
		choose_cpus(arg);
		break;
	case POLICY:
		opt.fifo = one_of("--policy", arg, policies) == policies[1];
		break;
	case CLIENTS:
		opt.nclients = counts("--clients", arg, MAX_CLIENTS, opt.clients, 16);
		break;
	case SERVERS:
		opt.nthreads = counts("--servers", arg, MAX_THREADS, opt.threads, 8);
		break;
	}
}

static void how_long(int c, const char *arg)
{
	static const struct {
		const char *name;
		unsigned int *to;
		double most;
	} numbers[] = {
		{ "--batches", &opt.batches, 1e6 },
		{ "--round-trips", &opt.round_trips, 1e9 },
		{ "--samples", &opt.samples, 1e7 },
		{ "--runs", &opt.runs, 1000 },
		{ "--idle-calls", &opt.idle_calls, 1e6 },
	};

	if (c == SECONDS)
		opt.seconds = positive("--seconds", arg, 1e6);
	else if (c == IDLE_SECONDS)
		opt.idle_seconds = positive("--idle-seconds", arg, 1e4);
	else
		*numbers[c - BATCHES].to = count(numbers[c - BATCHES].name, arg,
						 numbers[c - BATCHES].most);
}

static void the_report(int c, const char *arg)
{
	static const char *const formats[] = { "table", "csv", "json", NULL };

	switch (c) {
	case FORMAT:
		opt.format = one_of("--format", arg, formats);
		break;
	case OUTPUT:
		opt.output = arg;
		break;
	case DISTRIBUTION:
		opt.distribution = arg;
		break;
	case UNIT:
		if (strpbrk(arg, ",\"\\\n"))
			bad_usage("--unit", arg, "a name without commas and quotes");
		opt.unit = arg;
		break;
	}
}

static void without_argument(int c)
{
	switch (c) {
	case ROUND_TRIP:
		opt.round_trip = true;
		break;
	case IDLE:
		opt.idle = true;
		break;
	case THROUGHPUT:
		opt.throughput = true;
		break;
	case GROWTH:
		opt.growth = true;
		break;
	case LIST:
		list_mechanisms();
		exit(0);
	case 'h':
		fputs(usage, stdout);
		exit(0);
	case 'V':
		puts("vipc-bench " VERSION);
		exit(0);
	default:
		fputs("See vipc-bench --help.\n", stderr);
		exit(2);
	}
}

static void parse(int argc, char **argv)
{
	int c;

	while ((c = getopt_long(argc, argv, "hV", options, NULL)) != -1) {
		if (c >= MECHANISM && c <= SERVERS)
			of_what(c, optarg);
		else if (c >= BATCHES && c <= IDLE_SECONDS)
			how_long(c, optarg);
		else if (c >= FORMAT && c <= UNIT)
			the_report(c, optarg);
		else
			without_argument(c);
	}
	if (optind < argc)
		bad_usage("argument", argv[optind], "there are only options");
	if (!opt.chosen[0])
		choose_mechanisms((char[]){ "all" });
	if (!opt.idle && !opt.throughput && !opt.growth)
		opt.round_trip = true;
}

/* The CPUs to pin to, if none were given: the first two that are allowed. */
static void find_cpus(void)
{
	int cpu, n = 0;
	cpu_set_t set;

	if (opt.cpu[0] >= 0)
		return;
	if (sched_getaffinity(0, sizeof(set), &set)) {
		perror("vipc-bench: sched_getaffinity");
		exit(1);
	}
	for (cpu = 0; cpu < CPU_SETSIZE && n < 2; cpu++)
		if (CPU_ISSET((size_t)cpu, &set))
			opt.cpu[n++] = cpu;
}

static void raise_limits(void)
{
	struct rlimit files;

	if (!getrlimit(RLIMIT_NOFILE, &files)) {
		files.rlim_cur = files.rlim_max;
		setrlimit(RLIMIT_NOFILE, &files);
	}
}

int main(int argc, char **argv)
{
	bool good = true;
	sigset_t set;

	parse(argc, argv);
	output = opt.output ? fopen(opt.output, "w") : stdout;
	if (!output) {
		perror(opt.output);
		return 1;
	}
	find_cpus();
	raise_limits();
	sigemptyset(&set);
	sigaddset(&set, SIGCHLD);
	sigprocmask(SIG_BLOCK, &set, NULL);
	signal(SIGPIPE, SIG_IGN);
	if (opt.round_trip)
		good &= measure_round_trips();
	if (opt.idle)
		good &= measure_idle();
	if (opt.throughput)
		good &= measure_throughput();
	if (opt.growth)
		good &= measure_growth();
	report_end();
	if (ferror(output) || fclose(output)) {
		perror("vipc-bench: the report");
		return 1;
	}
	if (!anything_measured)
		fprintf(stderr, "vipc-bench: nothing could be measured\n");
	return good && anything_measured ? 0 : 1;
}
