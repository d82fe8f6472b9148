// SPDX-License-Identifier: GPL-2.0
/*
 * A coverage-guided fuzzer for /dev/vipc. The monitor (here) makes programs,
 * mostly by changing those that reached something new, hands them to an
 * executor process, and watches the kernel's log, the executor's progress and
 * the oracle. Whatever is wrong ends the campaign, and the program that did it
 * is printed as a reproducer.
 *
 * usage: fuzz [--seconds S] [--seed N] [--times N] [--verbose] [FILE...]
 *
 * The programs in the FILEs are run first, N times each; with "--seconds 0"
 * nothing else is. --verbose says how each operation ends. On a kernel without
 * KCOV all programs are random.
 */
#include "executor.h"
#include "mutate.h"

#include <getopt.h>

#define HANG_US		20000000
#define REPORT_NS	(30 * VT_NSEC)
#define RENEW		300		/* programs per executor */
#define MAP_WORDS	(MAP_SIZE / 64)

static struct program last[4];		/* what ran before the latest */
static uint64_t execs, restarts, started;
static pid_t executor;
static int kmsg = -1;

/* ---- findings ---- */

static _Noreturn void finding(const char *what)
{
	printf("finding: %s, after %llu programs\n", what,
	       (unsigned long long)execs);
	for (int i = 0; i < 3; i++)
		if (last[(execs + 1 + (uint64_t)i) % 4].n) {
			printf("before: ");
			print_program(stdout, &last[(execs + 1 + (uint64_t)i) % 4]);
		}
	printf("reproducer: ");
	print_program(stdout, &shared->program);
	fflush(stdout);
	exit(1);
}

static const char *const complaints[] = {
	"BUG", "WARNING", "Oops", "KASAN", "KCSAN", "UBSAN", "ODEBUG",
	"possible circular locking", "possible recursive locking",
	"suspicious RCU usage", "inconsistent lock state", "bad unlock balance",
	"held lock freed", "refcount_t", "list_add corruption",
	"list_del corruption", "blocked for more than", "soft lockup",
	"detected stall", "unable to handle", "general protection fault",
	"sleeping function", "scheduling while atomic", "memory leak",
};

/* Reads what the kernel said since the last look; a complaint ends it all. */
static void watch_log(void)
{
	char line[2048];
	bool bad = false;
	ssize_t n;

	while ((n = read(kmsg, line, sizeof(line) - 1)) > 0 ||
	       (n < 0 && errno == EPIPE)) {
		if (n < 0)
			continue;
		line[n] = 0;
		for (size_t i = 0; i < sizeof(complaints) / sizeof(*complaints); i++)
			bad |= !!strstr(line, complaints[i]);
		if (bad) {
			/* the rest of the report follows within a moment */
			printf("kernel: %s", line);
			vt_pause_us(20000);
		}
	}
	if (bad)
		finding("the kernel complained");
}

static void print_stacks(void)
{
	char path[64], text[2048];

	for (int tid = executor; tid < executor + 2 * TASKS; tid++) {
		ssize_t n;
		int fd;

		snprintf(path, sizeof(path), "/proc/%d/task/%d/stack", executor, tid);
		fd = open(path, O_RDONLY | O_CLOEXEC);
		if (fd < 0)
			continue;
		n = read(fd, text, sizeof(text) - 1);
		close(fd);
		text[n > 0 ? n : 0] = 0;
		printf("stack of thread %d (%c):\n%s", tid,
		       vt_task_state(executor, tid), text);
	}
}

/* ---- the executor ---- */

static void start_executor(void)
{
	executor = vt_fork();
	if (executor < 0) {
		fprintf(stderr, "fuzz: fork: %s\n", strerror(-executor));
		exit(2);
	}
	if (!executor)
		executor_main();
	restarts++;
}

/* A killed process must end, whatever its threads wait for. */
static void stop_executor(void)
{
	kill(executor, SIGKILL);
	if (vt_reap(executor) == -ETIMEDOUT) {
		print_stacks();
		finding("a killed process does not end");
	}
}

/* A line of /proc/vmstat, or -1. */
static long long vmstat(const char *name)
{
	char line[160], key[64];
	long long value, ret = -1;
	FILE *f = fopen("/proc/vmstat", "re");

	while (f && fgets(line, sizeof(line), f))
		if (sscanf(line, "%63s %lld", key, &value) == 2 && !strcmp(key, name))
			ret = value;
	if (f)
		fclose(f);
	return ret;
}

/* Each CPU counts for itself; the refresh adds all that up. */
static bool all_unpinned(void)
{
	vt_write_file("/proc/sys/vm/stat_refresh", "1");
	return vmstat("nr_foll_pin_acquired") == vmstat("nr_foll_pin_released");
}

static void check_leaks(void)
{
	if (vt_wait_until(all_unpinned()))
		finding("pages were left pinned");
	if (vt_wait_until(vt_stat_value("endpoints") == 0 &&
			  vt_stat_value("capabilities") == 0))
		finding("endpoints or capabilities were left behind");
}

static void renew_executor(void)
{
	stop_executor();
	check_leaks();
	start_executor();
}

/*
 * A failure that was asked for may hit the copy of a signal's frame, or of an
 * rseq area, and then the kernel has no other answer than SIGSEGV.
 */
static bool may_fault(const struct program *p)
{
	for (uint32_t i = 0; i < p->n; i++)
		if (p->op[i].fail & FAIL_MASK)
			return true;
	return false;
}

/* Runs @p; true if it reached something new. */
static bool run_once(const struct program *p)
{
	uint32_t before = vp_get(&shared->answer);
	uint64_t limit = vt_now_ns() + HANG_US * 1000ull;

	last[execs++ % 4] = *p;
	shared->program = *p;
	shared->fresh = 0;
	futex_post(&shared->request, before + 1);
	while (vp_get(&shared->answer) == before) {
		int status;

		futex_wait(&shared->answer, before, 100000);
		watch_log();
		if (waitpid(executor, &status, WNOHANG) == executor) {
			if (may_fault(p) && WIFSIGNALED(status) &&
			    WTERMSIG(status) == SIGSEGV) {
				vp_set(&shared->answer, before + 1);
				check_leaks();
				start_executor();
				return false;
			}
			printf("executor ended with status %#x\n", status);
			finding("the executor died");
		}
		if (vt_now_ns() > limit) {
			print_stacks();
			finding("the program does not end");
		}
	}
	watch_log();
	if (vp_get(&shared->wrong)) {
		printf("oracle: %s\n", shared->complaint);
		finding("a message went wrong");
	}
	if (vp_get(&shared->stuck)) {
		/* a call to itself that nothing but a kill ends, say */
		vp_set(&shared->stuck, 0);
		renew_executor();
	} else if (execs % RENEW == 0) {
		renew_executor();
	}
	return vp_get(&shared->fresh) > 0;
}

/* ---- the campaign ---- */

static void report(void)
{
	double seconds = (double)(vt_now_ns() - started) / VT_NSEC;

	printf("coverage: %.0f s, %llu programs, %.0f per second, ", seconds,
	       (unsigned long long)execs, (double)execs / seconds);
	printf("%llu operations (%llu succeeded), %llu KiB and %llu descriptors received, ",
	       (unsigned long long)shared->ops, (unsigned long long)shared->succeeded,
	       (unsigned long long)shared->bytes >> 10, (unsigned long long)shared->fds);
	printf("%llu commands of io_uring's ended (%llu succeeded), ",
	       (unsigned long long)shared->commands,
	       (unsigned long long)shared->completed);
	printf("%u points, %u edges, %d in the corpus\n", shared->points,
	       shared->edges, nr_corpus);
	fflush(stdout);
}

static void scan_for_leaks(void)
{
	char text[1024];
	ssize_t n;
	int fd;

	if (access("/sys/kernel/debug/kmemleak", W_OK))
		return;
	sleep(6);	/* younger objects are not reported */
	vt_write_file("/sys/kernel/debug/kmemleak", "scan");
	vt_write_file("/sys/kernel/debug/kmemleak", "scan");
	fd = open("/sys/kernel/debug/kmemleak", O_RDONLY | O_CLOEXEC);
	n = read(fd, text, sizeof(text) - 1);
	close(fd);
	if (n > 0) {
		text[n] = 0;
		printf("kernel: %s\n", text);
		finding("memory has leaked");
	}
}

/* The program that reaches most of what was not @had; -1 if none does. */
static int best_of(uint64_t (*reached)[MAP_WORDS], const uint64_t *have)
{
	int best = -1, most = 0;

	for (int i = 0; i < nr_corpus; i++) {
		int n = 0;

		for (int j = 0; j < MAP_WORDS; j++)
			n += __builtin_popcountll(reached[i][j] & ~have[j]);
		if (n > most) {
			most = n;
			best = i;
		}
	}
	return best;
}

/*
 * A small part of the corpus that reaches all points that the whole does: the other
 * ways between them are soon found again.
 */
static void distill(void)
{
	uint64_t (*reached)[MAP_WORDS], have[MAP_WORDS] = { 0 };
	int best, n = 0;

	reached = calloc((size_t)nr_corpus, sizeof(*reached));
	if (!shared->points || !reached)
		return;
	for (int i = 0; i < nr_corpus; i++) {
		memset(shared->point, 0, sizeof(shared->point));
		run_once(&corpus[i]);
		for (int j = 0; j < MAP_SIZE; j++)
			reached[i][j / 64] |= (uint64_t)shared->point[j] << j % 64;
	}
	while ((best = best_of(reached, have)) >= 0) {
		printf("corpus: ");
		print_program(stdout, &corpus[best]);
		for (int j = 0; j < MAP_WORDS; j++)
			have[j] |= reached[best][j];
		n++;
	}
	printf("distilled: %d programs\n", n);
	free(reached);
}

static void run_file(const char *name, unsigned long times)
{
	char line[1024];
	FILE *f = fopen(name, "re");
	struct program p;

	if (!f) {
		fprintf(stderr, "fuzz: %s: %s\n", name, strerror(errno));
		exit(2);
	}
	while (fgets(line, sizeof(line), f)) {
		bool fresh = false;

		if (line[0] == '#' || !parse_program(line, &p))
			continue;
		for (unsigned long i = 0; i < times; i++)
			fresh |= run_once(&p);
		if (fresh)
			keep(&p);
	}
	fclose(f);
}

/* No words in the log for a failure that was asked for. */
static void quiet_faults(void)
{
	static const char *const kinds[] = {
		"failslab", "fail_page_alloc", "fail_usercopy", "fail_futex",
	};
	char path[80];

	for (size_t i = 0; i < sizeof(kinds) / sizeof(*kinds); i++) {
		snprintf(path, sizeof(path), "/sys/kernel/debug/%s/verbose", kinds[i]);
		vt_write_file(path, "0");
		snprintf(path, sizeof(path), "/sys/kernel/debug/%s/ignore-gfp-wait", kinds[i]);
		vt_write_file(path, "N");
	}
	/* an oops shall end in a reproducer, not in the end of the machine */
	vt_write_file("/proc/sys/kernel/panic_on_oops", "0");
}

static unsigned long long number_of(const char *what, const char *text)
{
	char *end;
	unsigned long long n = strtoull(text, &end, 0);

	if (!*text || *end) {
		fprintf(stderr, "fuzz: %s takes a number, not '%s'\n", what, text);
		exit(2);
	}
	return n;
}

int main(int argc, char **argv)
{
	static const struct option options[] = {
		{ "seed", required_argument, NULL, 's' },
		{ "seconds", required_argument, NULL, 't' },
		{ "times", required_argument, NULL, 'n' },
		{ "verbose", no_argument, NULL, 'v' },
		{ NULL, 0, NULL, 0 },
	};
	static const char usage[] =
		"usage: fuzz [--seconds S] [--seed N] [--times N] [--verbose] [FILE...]";
	uint64_t seconds = 60, seed = vt_now_ns(), end, next;
	unsigned long times = 1;
	int c;

	shared = vp_shared(sizeof(*shared));
	while ((c = getopt_long(argc, argv, "", options, NULL)) != -1) {
		if (c == 's') {
			seed = number_of("--seed", optarg);
		} else if (c == 't') {
			seconds = number_of("--seconds", optarg);
		} else if (c == 'n') {
			times = number_of("--times", optarg);
		} else if (c == 'v') {
			shared->verbose = 1;
		} else {
			fprintf(stderr, "%s\n", usage);
			return 2;
		}
	}
	kmsg = open("/dev/kmsg", O_RDONLY | O_NONBLOCK | O_CLOEXEC);
	if (kmsg < 0 || lseek(kmsg, 0, SEEK_END) < 0) {
		fprintf(stderr, "fuzz: /dev/kmsg: %s\n", strerror(errno));
		return 2;
	}
	printf("seed %llu\n", (unsigned long long)seed);
	rng = vp_rng_init(seed, 0);
	quiet_faults();
	start_executor();
	started = vt_now_ns();
	for (int i = optind; i < argc; i++)
		run_file(argv[i], times);
	report();
	next = vt_now_ns() + REPORT_NS;
	end = started + seconds * VT_NSEC;
	while (vt_now_ns() < end) {
		struct program p = next_program();

		if (run_once(&p))
			keep(&p);
		if (vt_now_ns() > next) {
			report();
			next += REPORT_NS;
		}
	}
	report();
	if (seconds)
		distill();
	stop_executor();
	check_leaks();
	scan_for_leaks();
	watch_log();
	printf("clean: %llu programs, %llu executors\n", (unsigned long long)execs,
	       (unsigned long long)restarts);
	return 0;
}
