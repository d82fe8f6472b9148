// SPDX-License-Identifier: GPL-2.0
/*
 * Random topologies of processes, endpoints and capabilities under everything
 * that can happen to them, in rounds of a few seconds, for as long as one
 * likes. In each round processes with several threads send, call, answer late
 * or never, with bytes and descriptors or without, notify, poll, watch badges,
 * derive, pass on, revoke, close, shut down, die; meanwhile they get signals, are
 * stopped, killed and replaced. In half of the rounds all endpoints are shut down
 * at the end, which must set every thread free; in the others a signal does, and
 * then the endpoints are emptied. An oracle (stress_board.h) must find that each
 * message was received exactly once or reported as not delivered, that no
 * notification or notice was lost, and the kernel's own counts must agree. In
 * every other round nobody dies, so that nothing excuses what is missing.
 *
 * Half of the threads also have commands of io_uring's under way, where the kernel
 * can cancel those; the last case of the output says whether they took part.
 *
 * usage: stress [--seed N] [--seconds S]
 *
 * Each round prints its seed; "--seed N" begins with that one, and repeats its
 * topology and each thread's choices (how they interleave is the scheduler's).
 * VIPC_SEED and VIPC_STRESS_SECONDS (default 20) are the defaults.
 */
#include "stress_operations.h"

#include <getopt.h>

#define ROUND_NS	(4 * VT_NSEC)
#define MAX_VAULT	64

struct child {
	pid_t pid;
	uint64_t seed;
	int threads;
	bool restart, flicker;
};

struct round {
	uint64_t seed, end;
	struct vp_rng rng;
	struct post post;
	int vault[MAX_VAULT], nr_vault;
	int nr_children;
	struct child child[MAX_PROCESSES];
	struct excuses excuses;
	uint64_t spawned, killed, signals, stops;
};

/* Are there commands of io_uring's here? How many took part, in all rounds? */
static bool has_rings;
static uint64_t commands;

/* What the kernel counts, and the board can tell too. */
enum {
	SENDS, CALLS, RECEIVES, NOTIFIES, DROPPED, BYTES, FDS, NR_COUNTERS
};

static const char *const counters[] = {
	"send_count", "call_count", "receive_count", "notify_count", "dropped",
	"bytes_copied", "fds_passed",
};

static void read_counters(long long *value)
{
	for (int i = 0; i < NR_COUNTERS; i++) {
		value[i] = vt_stat_value(counters[i]);
		if (value[i] < 0) {
			fprintf(stderr, "stress: " VT_DEBUGFS "stats: %s: %s\n",
				counters[i], strerror((int)-value[i]));
			fprintf(stderr, "stress: is debugfs mounted, the module loaded?\n");
			exit(2);
		}
	}
}

/* ---- a process with its threads ---- */

static void interrupted(int sig VP_UNUSED)
{
}

static void *flicker_main(void *page)
{
	while (!vp_get(&board->stop)) {
		mprotect(page, FLICKER, PROT_NONE);
		vp_spin(700);
		mprotect(page, FLICKER, PROT_READ | PROT_WRITE);
		vp_spin(700);
	}
	return NULL;
}

static void *worker_main(void *data)
{
	struct worker *w = data;

	vp_set(&w->slot->tid, vt_gettid());
	while (!vp_get(&board->stop))
		do_anything(w);
	end_ring(w);
	return NULL;
}

/* What w->flicker and w->steady share, and a thread that shakes it. */
static void make_flicker(struct worker *w)
{
	int fd = memfd_create("flicker", MFD_CLOEXEC);
	void *steady, *flicker;
	pthread_t thread;

	if (fd < 0 || ftruncate(fd, FLICKER))
		_exit(10);
	steady = mmap(NULL, FLICKER, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	flicker = mmap(NULL, FLICKER, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	close(fd);
	if (steady == MAP_FAILED || flicker == MAP_FAILED ||
	    pthread_create(&thread, NULL, flicker_main, flicker))
		_exit(10);
	w->steady = steady;
	w->flicker = flicker;
}

/* A thread's first capabilities: some of the vault's, some derived from them. */
static void first_caps(struct worker *w, const struct round *r)
{
	for (int i = 0; i < 6 && r->nr_vault; i++) {
		int root = r->vault[dice(w, (uint32_t)r->nr_vault)];
		uint64_t badge = dice(w, 3) ? 1 + dice(w, 60000) : 0;
		int fd;

		if (dice(w, 3))
			fd = vt_derive(root, dice(w, 2) ? VIPC_RIGHTS_ALL :
				       VIPC_RIGHT_SEND | VIPC_RIGHT_RECV, badge);
		else
			fd = fcntl(root, F_DUPFD_CLOEXEC, 3);
		keep_cap(w, fd);
	}
}

static _Noreturn void child_main(const struct round *r, int number)
{
	static struct worker worker[MAX_THREADS];
	const struct child *c = &r->child[number];
	struct sigaction sa = {
		.sa_handler = interrupted,
		.sa_flags = c->restart ? SA_RESTART : 0,
	};
	pthread_t thread[MAX_THREADS];

	sigaction(SIGUSR1, &sa, NULL);
	sa.sa_flags = 0;
	sigaction(SIGUSR2, &sa, NULL);
	for (int i = 0; i < c->threads; i++) {
		struct worker *w = &worker[i];

		w->slot = &board->slot[number * MAX_THREADS + i];
		w->post = &r->post;
		w->process = number;
		w->rng = vp_rng_init(c->seed, (uint64_t)i);
		w->tx = vx_map(AREA);
		w->rx = vx_map(AREA);
		if (has_rings && dice(w, 2))
			w->ring = new_ring();
		if (!w->tx || !w->rx)
			_exit(10);
		first_caps(w, r);
	}
	if (c->flicker)
		make_flicker(&worker[0]);
	for (int i = 0; i < r->nr_vault; i++)
		close(r->vault[i]);
	for (int i = 0; i < c->threads; i++)
		if (pthread_create(&thread[i], NULL, worker_main, &worker[i]))
			_exit(10);
	for (int i = 0; i < c->threads; i++)
		pthread_join(thread[i], NULL);
	_exit(0);
}

static void spawn(struct round *r, int number)
{
	struct child *c = &r->child[number];

	c->seed = r->seed * 1000 + r->spawned++;
	c->threads = 1 + (int)vp_random(&r->rng, MAX_THREADS);
	c->restart = vp_random(&r->rng, 2);
	c->flicker = !vp_random(&r->rng, 3);
	c->pid = vt_fork();
	if (!c->pid)
		child_main(r, number);
	if (c->pid < 0) {
		complain("fork: %s", strerror(-c->pid));
		c->pid = 0;
	}
}

/* Takes note of the child's end; false if it has not ended. */
static bool bury(struct round *r, int number, int flags)
{
	struct child *c = &r->child[number];
	int status;

	if (!c->pid || waitpid(c->pid, &status, flags) != c->pid)
		return !c->pid;
	if (WIFEXITED(status) ? WEXITSTATUS(status) : WTERMSIG(status) != SIGKILL)
		complain("process %d ended with status %#x", c->pid, status);
	board_bury(&board->slot[number * MAX_THREADS], &r->excuses);
	c->pid = 0;
	return true;
}

/* ---- the round ---- */

static void vault_add(struct round *r, int fd)
{
	if (fd < 0)
		return;
	if (r->nr_vault == MAX_VAULT) {
		/* shut down first: somebody may wait there for ever */
		vt_shutdown(r->vault[0]);
		close(r->vault[0]);
		r->vault[0] = r->vault[--r->nr_vault];
	}
	r->vault[r->nr_vault++] = fd;
}

static void drain_vault(struct round *r)
{
	int fd;

	while ((fd = vt_recv_fd(r->post.vault[0])) >= 0)
		vault_add(r, fd);
}

static int make_pair(int pair[2])
{
	return socketpair(AF_UNIX, SOCK_DGRAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0,
			  pair);
}

static uint64_t first_endpoint(const struct round *r)
{
	struct vipc_info info = { 0 };

	if (!r->nr_vault || vt_info(r->vault[0], &info))
		complain("no INFO of a new endpoint");
	return info.endpoint;
}

static void begin_round(struct round *r, uint64_t seed)
{
	int endpoints;

	memset(board, 0, sizeof(*board));
	board->next = 1;
	board->gentle = seed & 1;
	board->calm = seed >> 1 & 1;
	*r = (struct round){
		.seed = seed,
		.end = vt_now_ns() + ROUND_NS,
		.rng = vp_rng_init(seed, 100),
	};
	for (int i = 0; i < MAX_PROCESSES; i++)
		if (make_pair(r->post.box[i]))
			complain("socketpair: %s", strerror(errno));
	if (make_pair(r->post.vault))
		complain("socketpair: %s", strerror(errno));
	endpoints = 1 + (int)vp_random(&r->rng, 6);
	for (int i = 0; i < endpoints; i++)
		vault_add(r, open_endpoint(&r->rng));
	board->told.first_endpoint = first_endpoint(r);
	r->nr_children = 2 + (int)vp_random(&r->rng, MAX_PROCESSES - 1);
	for (int i = 0; i < r->nr_children; i++)
		spawn(r, i);
}

/* One thing that happens to somebody. */
static void disturb(struct round *r)
{
	int number = (int)vp_random(&r->rng, (uint32_t)r->nr_children);
	uint32_t thread = vp_random(&r->rng, MAX_THREADS);
	struct child *c = &r->child[number];
	uint32_t what = vp_random(&r->rng, 300);
	int tid = vp_get(&board->slot[number * MAX_THREADS + (int)thread].tid);

	if (bury(r, number, WNOHANG)) {
		spawn(r, number);
	} else if (what == 0 && !board->gentle) {
		kill(c->pid, SIGKILL);
		r->killed++;
		bury(r, number, 0);
	} else if (what < 10) {
		kill(c->pid, SIGSTOP);
		vt_pause_us(vp_random(&r->rng, 3000));
		kill(c->pid, SIGCONT);
		r->stops++;
	} else if (what == 10 && !board->calm) {
		/* a fresh endpoint instead of an old one */
		uint32_t i = vp_random(&r->rng, (uint32_t)r->nr_vault);

		vt_shutdown(r->vault[i]);
		close(r->vault[i]);
		r->vault[i] = open_endpoint(&r->rng);
		vt_send_fd(r->post.box[number][1], r->vault[i]);
	} else if (what == 11) {
		vt_revoke(r->vault[vp_random(&r->rng, (uint32_t)r->nr_vault)]);
	} else if (what < 40) {
		uint32_t i = vp_random(&r->rng, (uint32_t)r->nr_vault);

		/* who lost all that he had gets something to live on */
		vt_send_fd(r->post.box[number][1], r->vault[i]);
	} else if (tid) {
		syscall(SYS_tgkill, c->pid, tid, SIGUSR1);
		r->signals++;
	}
	drain_vault(r);
	vt_pause_us(vp_random(&r->rng, 2000));
}

static int bury_all(struct round *r)
{
	int left = 0;

	for (int i = 0; i < r->nr_children; i++)
		left += !bury(r, i, WNOHANG);
	return left;
}

/* A signal that every thread gets, until none is left. */
static void interrupt_all(struct round *r)
{
	uint64_t limit = vt_now_ns() + VT_LIMIT_NS;

	while (bury_all(r) && vt_now_ns() < limit) {
		for (int i = 0; i < r->nr_children * MAX_THREADS; i++) {
			pid_t pid = r->child[i / MAX_THREADS].pid;
			int tid = vp_get(&board->slot[i].tid);

			if (pid && tid)
				syscall(SYS_tgkill, pid, tid, SIGUSR2);
		}
		drain_vault(r);
		vt_pause_us(1000);
	}
}

/* Takes all that is left at an endpoint that lives, now that nobody is there. */
static void empty(int fd, void *rx)
{
	struct vipc_info info;
	struct vipc_xmsg x;
	struct bits *b;
	int32_t got;
	int ret;

	if (vt_info(fd, &info) || info.state != VIPC_STATE_LIVE)
		return;
	for (;;) {
		x = vx_room(rx, AREA);
		vx_set_fd_room(&x, &got, 1);
		ret = vx_recv_now(fd, &x);
		if (ret)
			break;
		if (!board_told(&x.msg, info.endpoint))
			board_received(&x.msg, info.endpoint);
		if (x.rx_len || x.rx_nfds || x.msg.reply)
			complain("a message of nobody's was left, with %u bytes",
				 x.rx_len);
	}
	if (ret != -EAGAIN)
		complain("what was left at an endpoint: %d", ret);
	b = board_bits(info.endpoint);
	if (b)
		b->drained = true;
}

static void empty_all(struct round *r)
{
	static uint8_t rx[AREA];
	int fd;

	/* what is under way in a socket is a capability, too */
	for (int i = 0; i < MAX_PROCESSES; i++)
		while ((fd = vt_recv_fd(r->post.box[i][0])) >= 0)
			close(fd);
	drain_vault(r);
	for (int i = 0; i < r->nr_vault; i++)
		empty(r->vault[i], rx);
}

/* All leave; and all endpoints die, and with them whatever anybody waits for. */
static void end_round(struct round *r)
{
	uint64_t limit;

	vp_set(&board->stop, 1);
	if (board->calm) {
		interrupt_all(r);
		empty_all(r);
	}
	limit = vt_now_ns() + VT_LIMIT_NS;
	do {
		drain_vault(r);
		for (int i = 0; i < r->nr_vault; i++)
			if (vt_shutdown(r->vault[i]))
				complain("SHUTDOWN through a first capability failed");
		if (!bury_all(r))
			break;
		vt_pause_us(1000);
	} while (vt_now_ns() < limit);
	for (int i = 0; i < r->nr_children; i++) {
		if (!r->child[i].pid)
			continue;
		complain("process %d (%s) still there, though all endpoints are dead",
			 r->child[i].pid,
			 vt_task_state(r->child[i].pid, 0) == 'S' ?
			 "asleep" : "not asleep");
		kill(r->child[i].pid, SIGKILL);
		bury(r, i, 0);
	}
	for (int i = 0; i < r->nr_vault; i++) {
		if (vt_senders(r->vault[i]) || vt_receivers(r->vault[i]) ||
		    vt_in_service(r->vault[i]))
			complain("a dead endpoint still has somebody waiting");
		close(r->vault[i]);
	}
	for (int i = 0; i < MAX_PROCESSES; i++) {
		close(r->post.box[i][0]);
		close(r->post.box[i][1]);
	}
	close(r->post.vault[0]);
	close(r->post.vault[1]);
	if (vt_wait_until(vt_stat_value("endpoints") == 0 &&
			  vt_stat_value("capabilities") == 0))
		complain("%lld endpoints and %lld capabilities were left behind",
			 vt_stat_value("endpoints"),
			 vt_stat_value("capabilities"));
}

/* @counted must be what the board knows of, or up to @excused more. */
static void compare(const char *what, long long counted, uint64_t known,
		    uint64_t excused)
{
	if (counted < (long long)known || counted > (long long)(known + excused))
		complain("%s: the kernel counted %lld, the processes %llu (%llu were killed)",
			 what, counted, (unsigned long long)known,
			 (unsigned long long)excused);
}

static void print_round(const struct round *r, const struct tally *t,
			long long dropped)
{
	const struct {
		const char *what;
		uint64_t n;
	} line[] = {
		{ "operations", board->operations }, { "messages", t->messages },
		{ "done", t->done }, { "not delivered", t->undelivered },
		{ "unanswered", t->delivered }, { "of the dead", t->unknown },
		{ "dropped", (uint64_t)dropped }, { "signals", r->signals },
		{ "stops", r->stops }, { "killed", r->killed },
		{ "died", board->died }, { "derived", board->derived },
		{ "passed", board->passed }, { "revocations", board->revoked },
		{ "late replies", board->late }, { "faults", board->faults },
		{ "bytes", board->bytes }, { "descriptors", board->fds },
		{ "notified", board->told.sent }, { "told", board->told.got },
		{ "watched", board->told.nr_watches },
		{ "rings", board->rings }, { "commands", board->commands },
		{ "canceled", board->canceled },
		{ "closed under way", board->closed },
	};

	printf("# %d processes", r->nr_children);
	for (size_t i = 0; i < sizeof(line) / sizeof(line[0]); i++)
		printf(", %llu %s", (unsigned long long)line[i].n, line[i].what);
	putchar('\n');
}

/* Did the round go well? */
static bool run_round(int number, uint64_t seed)
{
	static struct round r;
	long long before[NR_COUNTERS], after[NR_COUNTERS];
	struct tally t;

	read_counters(before);
	begin_round(&r, seed);
	while (vt_now_ns() < r.end && !vp_get(&board->stop))
		disturb(&r);
	end_round(&r);
	read_counters(after);
	for (int i = 0; i < NR_COUNTERS; i++)
		after[i] -= before[i];
	t = board_check(&r.excuses, (uint64_t)after[DROPPED]);
	compare("SEND", after[SENDS], t.sends, r.excuses.sending);
	compare("CALL", after[CALLS], t.done - t.sends, r.excuses.sending);
	compare("RECV", after[RECEIVES], t.got + board->told.got,
		r.excuses.receiving);
	compare("NOTIFY", after[NOTIFIES], board->told.sent, r.excuses.sending);
	compare("bytes", after[BYTES], board->bytes,
		(r.excuses.sending + r.excuses.receiving) * AREA);
	compare("descriptors", after[FDS], board->fds,
		r.excuses.sending + r.excuses.receiving);
	if (!t.done || !t.undelivered)
		complain("nothing happened");

	commands += board->commands;
	print_round(&r, &t, after[DROPPED]);
	printf("%s %d round of seed %llu\n", board->wrong ? "not ok" : "ok",
	       number, (unsigned long long)seed);
	fflush(stdout);
	return !board->wrong;
}

static unsigned long long number_of(const char *what, const char *text)
{
	char *end;
	unsigned long long n = strtoull(text, &end, 0);

	if (!*text || *end) {
		fprintf(stderr, "stress: %s takes a number, not '%s'\n", what, text);
		exit(2);
	}
	return n;
}

int main(int argc, char **argv)
{
	static const struct option options[] = {
		{ "seed", required_argument, NULL, 's' },
		{ "seconds", required_argument, NULL, 't' },
		{ NULL, 0, NULL, 0 },
	};
	const char *env = getenv("VIPC_STRESS_SECONDS");
	uint64_t seconds = env ? number_of("VIPC_STRESS_SECONDS", env) : 20;
	uint64_t seed = 0, end;
	bool seeded = false, good = true;
	int c, rounds = 0;

	while ((c = getopt_long(argc, argv, "", options, NULL)) != -1) {
		if (c == 's') {
			seed = number_of("--seed", optarg);
			seeded = true;
		} else if (c == 't') {
			seconds = number_of("--seconds", optarg);
		} else {
			fprintf(stderr, "usage: stress [--seed N] [--seconds S]\n");
			return 2;
		}
	}
	printf("TAP version 13\n");
	if (!seeded)
		seed = vp_seed();
	board = vp_shared(sizeof(*board));
	has_rings = vt_has_uring();
	end = vt_now_ns() + seconds * VT_NSEC;
	do {
		rounds++;
		good = run_round(rounds, seed + (uint64_t)rounds - 1);
	} while (good && vt_now_ns() < end);
	if (!has_rings) {
		printf("ok %d commands of io_uring's # SKIP this kernel cannot cancel them\n",
		       rounds + 1);
	} else {
		printf("%s %d commands of io_uring's\n", commands ? "ok" : "not ok",
		       rounds + 1);
		good &= commands > 0;
	}
	printf("1..%d\n", rounds + 1);
	return !good;
}
