// SPDX-License-Identifier: GPL-2.0
/*
 * A coverage-guided fuzzer for /dev/vipc. The monitor (here) makes programs,
 * mostly by changing those that reached something new, hands them to an
 * executor process, and watches the kernel's log, the executor's progress and
 * the oracle. Whatever is wrong ends the campaign, and the program that did it
 * is printed as a reproducer.
 *
 * usage: fuzz [--seconds S] [--seed N] [--times N] [FILE...]
 *
 * The programs in the FILEs are run first, N times each; with "--seconds 0"
 * nothing else is. On a kernel without KCOV all programs are random.
 */
#include "executor.h"

#include <getopt.h>
#include <poll.h>

#define MAX_CORPUS	4096
#define HANG_US		20000000
#define REPORT_NS	(30 * VT_NSEC)
#define RENEW		300		/* programs per executor */

static struct program corpus[MAX_CORPUS];
static int nr_corpus;
static struct program last[4];		/* what ran before the latest */
static uint64_t execs, restarts, started;
static struct vp_rng rng;
static pid_t executor;
static int kmsg = -1;

static uint32_t dice(uint32_t n)
{
	return vp_random(&rng, n);
}

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

static void check_leaks(void)
{
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
		if (p->op[i].fail & 15)
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

/* ---- new programs from old ---- */

static struct op random_op(void)
{
	/* what everything else needs comes more often */
	static const uint8_t often[] = {
		OP_OPEN, OP_DERIVE, OP_SEND, OP_SEND, OP_RECV, OP_RECV, OP_RECV,
		OP_CALL, OP_CALL, OP_REPLY, OP_REPLY_RECV, OP_REPLY_RECV, OP_CLOSE,
	};
	struct op op;

	for (size_t i = 0; i < sizeof(op); i++)
		((uint8_t *)&op)[i] = (uint8_t)dice(256);
	op.kind = dice(2) ? often[dice(sizeof(often))] : (uint8_t)dice(NR_KINDS);
	op.slot = (uint8_t)dice(dice(4) ? 3 : SLOTS);
	op.task = (uint8_t)(dice(TASKS) | (dice(5) ? 0 : 0x80));
	if (dice(3))
		op.wait &= 0x0f;
	if (dice(4))
		op.flags &= 0xcf;
	if (dice(3))
		op.flags &= 0xfe;
	op.fail = dice(10) ? 0 : (uint8_t)(1 + dice(15));
	return op;
}

static struct program random_program(void)
{
	struct program p = { .n = 2 + dice(MAX_OPS - 2) };

	for (uint32_t i = 0; i < p.n; i++)
		p.op[i] = random_op();
	p.op[0].kind = OP_OPEN;
	p.op[0].value = 0;
	p.op[0].fail = 0;
	return p;
}

static void insert_op(struct program *p, uint32_t at, struct op op)
{
	if (p->n == MAX_OPS)
		p->n--;
	if (at > p->n)
		at = p->n;
	memmove(&p->op[at + 1], &p->op[at], (p->n - at) * sizeof(op));
	p->op[at] = op;
	p->n++;
}

static void mutate(struct program *p)
{
	const struct program *q;
	uint32_t at = dice(p->n), from;

	switch (dice(8)) {
	case 0:
	case 1:
		insert_op(p, at, random_op());
		break;
	case 2:
		if (p->n > 1)
			memmove(&p->op[at], &p->op[at + 1],
				(--p->n - at) * sizeof(p->op[0]));
		break;
	case 3:
		((uint8_t *)&p->op[at])[dice(sizeof(p->op[0]))] = (uint8_t)dice(256);
		break;
	case 4:
		((uint8_t *)&p->op[at])[dice(sizeof(p->op[0]))] ^= (uint8_t)(1 << dice(8));
		break;
	case 5:
		insert_op(p, dice(p->n + 1), p->op[at]);
		break;
	case 6:
		p->op[at].fail = (uint8_t)dice(16);
		break;
	default:
		/* the end of another one */
		q = &corpus[dice((uint32_t)nr_corpus)];
		from = dice(q->n);
		for (uint32_t i = from; i < q->n; i++)
			insert_op(p, p->n, q->op[i]);
	}
}

static struct program next_program(void)
{
	struct program p;

	if (!nr_corpus || !dice(20))
		return random_program();
	/* the latest have been tried least */
	p = corpus[dice(3) ? dice((uint32_t)nr_corpus) :
		   (uint32_t)nr_corpus - 1 - dice(1 + (uint32_t)nr_corpus / 8)];
	for (uint32_t i = 1 + dice(4); i; i--)
		mutate(&p);
	return p;
}

static void keep(const struct program *p)
{
	if (nr_corpus < MAX_CORPUS)
		corpus[nr_corpus++] = *p;
	else
		corpus[dice(MAX_CORPUS)] = *p;
}

/* ---- the campaign ---- */

static void report(void)
{
	double seconds = (double)(vt_now_ns() - started) / VT_NSEC;

	printf("coverage: %.0f s, %llu programs, %.0f per second, ", seconds,
	       (unsigned long long)execs, (double)execs / seconds);
	printf("%llu operations (%llu succeeded), %u points, %u edges, %d in the corpus\n",
	       (unsigned long long)shared->ops,
	       (unsigned long long)shared->succeeded, shared->points,
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

/* The smallest part of the corpus that reaches what all of it did. */
static void distill(void)
{
	if (!shared->edges)
		return;
	memset(shared->edge, 0, sizeof(shared->edge));
	memset(shared->point, 0, sizeof(shared->point));
	shared->edges = shared->points = 0;
	/* the latest reach more, each */
	for (int i = nr_corpus - 1; i >= 0; i--)
		if (run_once(&corpus[i])) {
			printf("corpus: ");
			print_program(stdout, &corpus[i]);
		}
	printf("distilled: %u points, %u edges\n", shared->points, shared->edges);
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
		{ NULL, 0, NULL, 0 },
	};
	static const char usage[] =
		"usage: fuzz [--seconds S] [--seed N] [--times N] [FILE...]";
	uint64_t seconds = 60, seed = vt_now_ns(), end, next;
	unsigned long times = 1;
	int c;

	while ((c = getopt_long(argc, argv, "", options, NULL)) != -1) {
		if (c == 's') {
			seed = number_of("--seed", optarg);
		} else if (c == 't') {
			seconds = number_of("--seconds", optarg);
		} else if (c == 'n') {
			times = number_of("--times", optarg);
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
	shared = vp_shared(sizeof(*shared));
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
