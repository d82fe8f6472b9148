// SPDX-License-Identifier: GPL-2.0
/*
 * vipcstat, on situations made for it: deadlocks and what only looks like one, what it
 * prints, that its JSON is JSON, and how it ends.
 */
#include <ctype.h>

#include "vipc_procs.h"
#include "vipc_rings.h"

VT_HOLD(vipcstat, VIPCSTAT);

FIXTURE(vipcstat)
{
	int program;
	char out[65536];
	pid_t pid[8];		/* of servers and clients, to be ended */
};

FIXTURE_SETUP(vipcstat)
{
	size_t size = (size_t)(vipcstat_end - vipcstat);

	memset(self->pid, 0, sizeof(self->pid));
	self->program = memfd_create("vipcstat", MFD_CLOEXEC);
	ASSERT_LE(0, self->program);
	ASSERT_EQ(size, write(self->program, vipcstat, size));
}

FIXTURE_TEARDOWN(vipcstat)
{
	for (int i = 0; i < 8; i++)
		if (self->pid[i] > 0)
			EXPECT_EQ(VP_KILLED, vp_kill(self->pid[i]));
	close(self->program);
}

/* Runs it with @args, a NULL behind them: its exit status; what it says is in @out. */
static int run(int program, char *out, size_t size, const char *const *args)
{
	const char *argv[8] = { "vipcstat" };
	size_t n = 0;
	int ends[2];
	ssize_t got;
	pid_t pid;

	for (int i = 0; args[i]; i++)
		argv[i + 1] = args[i];
	if (pipe2(ends, O_CLOEXEC))
		return -errno;
	pid = vt_fork();
	if (!pid) {
		static char *const none[] = { NULL };

		dup2(ends[1], STDOUT_FILENO);
		dup2(ends[1], STDERR_FILENO);
		fexecve(program, (char *const *)argv, none);
		_exit(127);
	}
	close(ends[1]);
	while ((got = read(ends[0], out + n, size - n - 1)) > 0)
		n += (size_t)got;
	out[n] = '\0';
	close(ends[0]);
	return vt_reap(pid);
}

#define RUN(...) run(self->program, self->out, sizeof(self->out),	\
		     (const char *const []){ __VA_ARGS__, NULL })

static unsigned int count(const char *text, const char *what)
{
	unsigned int n = 0;

	for (; (text = strstr(text, what)); text += strlen(what))
		n++;
	return n;
}

/* ---- is it JSON? ---- */

static const char *json(const char *p);

static const char *json_string(const char *p)
{
	if (!p || *p++ != '"')
		return NULL;
	for (; *p != '"'; p++) {
		if ((unsigned char)*p < ' ')
			return NULL;
		if (*p == '\\' && !strchr("\"\\/bfnrt", *++p))
			return NULL;
	}
	return p + 1;
}

static const char *json_list(const char *p, char end)
{
	if (*++p == end)
		return p + 1;
	for (;; p++) {
		if (end == '}') {
			p = json_string(p);
			if (!p || *p++ != ':')
				return NULL;
		}
		p = json(p);
		if (!p || (*p != ',' && *p != end))
			return NULL;
		if (*p == end)
			return p + 1;
	}
}

/* Where the value that begins at @p ends, or NULL: it is none. Without blanks. */
static const char *json(const char *p)
{
	static const char * const words[] = { "null", "true", "false" };
	char *end;

	if (*p == '{' || *p == '[')
		return json_list(p, *p == '{' ? '}' : ']');
	if (*p == '"')
		return json_string(p);
	for (int i = 0; i < 3; i++)
		if (!strncmp(p, words[i], strlen(words[i])))
			return p + strlen(words[i]);
	if (!isdigit((unsigned char)*p) && *p != '-')
		return NULL;
	strtod(p, &end);
	return end;
}

/* How many lines there are, each of which is an object; -1: one is not. */
static int json_lines(const char *p)
{
	int n = 0;

	for (; *p; n++, p++) {
		p = *p == '{' ? json(p) : NULL;
		if (!p || *p != '\n')
			return -1;
	}
	return n;
}

/* ---- servers and clients ---- */

struct where {
	int ep, cap;		/* RECV, and SEND with badge */
};

static struct where make(uint64_t badge)
{
	struct where w = { .ep = vt_open() };

	w.cap = vt_derive(w.ep, VIPC_RIGHT_SEND, badge);
	return w;
}

/*
 * A process @name that takes one request from @from, or from nobody if that is
 * negative, and then calls @to, and waits for ever; with a thread that does nothing
 * if it is @lazy.
 */
static void *do_nothing(void *unused)
{
	for (;;)
		pause();
	return unused;
}

static pid_t start(const char *name, int from, int to, uint64_t deadline_ns, bool lazy)
{
	struct vipc_msg m = { .deadline_ns = deadline_ns }, request = { .opcode = 0 };
	pid_t pid = vt_fork();
	pthread_t thread;

	if (pid)
		return pid;
	prctl(PR_SET_NAME, name);
	if (lazy)
		pthread_create(&thread, NULL, do_nothing, NULL);
	if (from >= 0 && vt_recv(from, &request))
		_exit(1);
	vt_call(to, &m);
	do_nothing(NULL);	/* when another one has been ended */
	return 0;
}

/* From here on, only the processes that were started before can receive there. */
static void let_go(struct where w)
{
	close(w.ep);
}

#define EXPECT_SAYS(what) EXPECT_NE(NULL, strstr(self->out, what)) \
	TH_LOG("'%s' is not in\n%s", what, self->out)
#define EXPECT_DOES_NOT_SAY(what) EXPECT_EQ(NULL, strstr(self->out, what)) \
	TH_LOG("'%s' is in\n%s", what, self->out)

/* Server a, which has a client's call, calls b, and that one a. */
TEST_F(vipcstat, two_servers_that_call_each_other)
{
	struct where a = make(7), b = make(8);
	char want[160];

	self->pid[0] = start("server-a", a.ep, b.cap, 0, true);
	self->pid[1] = start("client", -1, a.cap, 0, false);
	ASSERT_EQ(0, vt_wait_in_service(a.cap, 1));
	ASSERT_EQ(0, vt_wait_senders(b.cap, 1));
	let_go(a);
	self->pid[2] = start("server-b", b.ep, a.cap, 0, true);
	ASSERT_EQ(0, vt_wait_senders(a.cap, 1));
	ASSERT_EQ(0, vt_wait_in_service(b.cap, 1));
	let_go(b);
	ASSERT_EQ(0, vt_wait_blocked(self->pid[0], 0));
	ASSERT_EQ(0, vt_wait_blocked(self->pid[2], 0));
	EXPECT_EQ(3, RUN("--waits"));
	EXPECT_SAYS("deadlock:");
	EXPECT_EQ(1, count(self->out, "deadlock:"));
	snprintf(want, sizeof(want), " %d/server-a -> ", self->pid[0]);
	EXPECT_SAYS(want);
	snprintf(want, sizeof(want), " %d/server-b -> ", self->pid[2]);
	EXPECT_SAYS(want);
	snprintf(want, sizeof(want), "stuck behind that: %d/client", self->pid[1]);
	EXPECT_SAYS(want);
	snprintf(want, sizeof(want), "%d/client call, badge 7: taken by %d/server-a,",
		 self->pid[1], self->pid[0]);
	EXPECT_SAYS(want);

	EXPECT_EQ(3, RUN("--waits", "--json"));
	EXPECT_EQ(1, json_lines(self->out)) TH_LOG("%s", self->out);
	snprintf(want, sizeof(want), "\"deadlocks\":[[%d,%d]]", self->pid[2], self->pid[0]);
	if (!strstr(self->out, want))
		snprintf(want, sizeof(want), "\"deadlocks\":[[%d,%d]]", self->pid[0],
			 self->pid[2]);
	EXPECT_SAYS(want);
	close(a.cap);
	close(b.cap);
}

/* Neither has taken anything: each is the only thread that could. */
TEST_F(vipcstat, nothing_taken)
{
	struct where a = make(1), b = make(2);
	int a_ep = a.ep, b_ep = b.ep;

	for (int i = 0; i < 2; i++) {
		self->pid[i] = vt_fork();
		ASSERT_LE(0, self->pid[i]);
		if (!self->pid[i]) {
			struct vipc_msg m = { .opcode = 0 };

			close(i ? a_ep : b_ep);
			vt_call(i ? a.cap : b.cap, &m);
			do_nothing(NULL);
		}
	}
	let_go(a);
	let_go(b);
	ASSERT_EQ(0, vt_wait_senders(a.cap, 1));
	ASSERT_EQ(0, vt_wait_senders(b.cap, 1));
	EXPECT_EQ(3, RUN("-w")) TH_LOG("%s", self->out);
	EXPECT_EQ(1, count(self->out, "deadlock:"));
	close(a.cap);
	close(b.cap);
}

/* The same with commands of io_uring's, while the threads are free to serve. */
TEST_F(vipcstat, commands_keep_nobody_waiting)
{
	struct where a = make(1), b = make(2);
	int a_ep = a.ep, b_ep = b.ep;

	if (!vt_has_uring())
		SKIP(return, "this kernel has no cancellable commands of io_uring's");
	for (int i = 0; i < 2; i++) {
		self->pid[i] = vt_fork();
		ASSERT_LE(0, self->pid[i]);
		if (!self->pid[i]) {
			static struct vipc_msg m;
			struct io_uring ring;

			close(i ? a_ep : b_ep);
			if (!io_uring_queue_init(2, &ring, 0))
				vt_submit(&ring, i ? a.cap : b.cap, VIPC_IOC_CALL, &m, 1);
			do_nothing(NULL);
		}
	}
	let_go(a);
	let_go(b);
	ASSERT_EQ(0, vt_wait_senders(a.cap, 1));
	ASSERT_EQ(0, vt_wait_senders(b.cap, 1));
	EXPECT_EQ(0, RUN("-w")) TH_LOG("%s", self->out);
	EXPECT_DOES_NOT_SAY("deadlock");
	EXPECT_EQ(2, count(self->out, " async_call, badge "));
	close(a.cap);
	close(b.cap);
}

/* A thread that calls its own server, which is itself. */
TEST_F(vipcstat, calls_itself)
{
	struct where a = make(1);
	char want[96];

	self->pid[0] = start("alone", -1, a.cap, 0, false);
	let_go(a);
	ASSERT_EQ(0, vt_wait_senders(a.cap, 1));
	ASSERT_EQ(0, vt_wait_blocked(self->pid[0], 0));
	EXPECT_EQ(3, RUN("-w")) TH_LOG("%s", self->out);
	snprintf(want, sizeof(want), "deadlock: %d/alone -> endpoint ", self->pid[0]);
	EXPECT_SAYS(want);
	close(a.cap);
}

/* The same, but another thread may receive: no deadlock. */
TEST_F(vipcstat, another_thread_may_receive)
{
	struct where a = make(1);

	self->pid[0] = start("pool", -1, a.cap, 0, true);
	let_go(a);
	ASSERT_EQ(0, vt_wait_senders(a.cap, 1));
	EXPECT_EQ(0, RUN("-w")) TH_LOG("%s", self->out);
	EXPECT_DOES_NOT_SAY("deadlock");
	EXPECT_SAYS("/pool call, badge 1: not taken yet");
	close(a.cap);
}

/* A long way, but not round: a -> b -> c, and c does something else. */
TEST_F(vipcstat, chain)
{
	struct where a = make(1), b = make(2);
	pid_t busy;

	self->pid[0] = start("first", -1, a.cap, 0, false);
	self->pid[1] = start("second", a.ep, b.cap, vt_now_ns() + 1000 * VT_NSEC, false);
	ASSERT_EQ(0, vt_wait_in_service(a.cap, 1));
	busy = vt_fork();
	ASSERT_LE(0, busy);
	if (!busy) {
		struct vipc_msg m;

		if (vt_recv_soon(b.ep, &m))
			_exit(1);
		for (;;)
			pause();
	}
	self->pid[2] = busy;
	ASSERT_EQ(0, vt_wait_in_service(b.cap, 1));
	let_go(a);
	let_go(b);
	EXPECT_EQ(0, RUN("-w")) TH_LOG("%s", self->out);
	EXPECT_DOES_NOT_SAY("deadlock");
	EXPECT_SAYS(", deadline in ");
	close(a.cap);
	close(b.cap);
}

TEST_F(vipcstat, counters)
{
	EXPECT_EQ(0, RUN("0.05", "45"));
	EXPECT_EQ(3, count(self->out, "call  send"));	/* every 20 lines */
	EXPECT_EQ(45 + 2 * 3, count(self->out, "\n"));
	EXPECT_EQ(0, RUN("-n", "0.05", "25"));
	EXPECT_EQ(25 + 2, count(self->out, "\n"));
	EXPECT_EQ(0, RUN("--json", "0.05", "3"));
	EXPECT_EQ(3, json_lines(self->out)) TH_LOG("%s", self->out);
	EXPECT_EQ(1, count(self->out, "\"per_second\":null"));
	EXPECT_EQ(3, count(self->out, "\"total\":{\"send_count\":"));
}

/* Who serves an endpoint, and what was done there. */
TEST_F(vipcstat, endpoints)
{
	struct where a = make(9);
	struct vipc_msg m;
	char want[160];

	ASSERT_EQ(0, prctl(PR_SET_NAME, "a \"b\\ c\n"));
	ASSERT_EQ(0, vt_set_depth(a.ep, 8));
	for (int i = 0; i < 5; i++)
		ASSERT_EQ(0, vp_send_tag(a.cap, 1, 0));
	for (int i = 0; i < 2; i++)
		ASSERT_EQ(0, vt_recv_soon(a.ep, &m));
	EXPECT_EQ(0, RUN("--endpoints"));
	snprintf(want, sizeof(want), "      0      5      2      0       1  %d/a?\"b\\?c",
		 getpid());
	EXPECT_SAYS(want);
	EXPECT_EQ(0, RUN("-e", "-j", "0.05", "2"));
	EXPECT_EQ(2, json_lines(self->out)) TH_LOG("%s", self->out);
	snprintf(want, sizeof(want),
		 "{\"pid\":%d,\"name\":\"a?\\\"b\\\\?c\",\"fd\":%d,\"rights\":[\"send\"],%s",
		 getpid(), a.cap, "\"badge\":\"9\",\"state\":\"live\"}");
	EXPECT_SAYS(want);
	close(a.cap);
	close(a.ep);
}

TEST_F(vipcstat, usage)
{
	EXPECT_EQ(0, RUN("--help"));
	EXPECT_SAYS("usage: vipcstat");
	EXPECT_EQ(0, RUN("--version"));
	EXPECT_EQ(2, RUN("--nonsense"));
	EXPECT_EQ(2, RUN("0"));
	EXPECT_EQ(2, RUN("x"));
	EXPECT_EQ(2, RUN("1", "0.5"));
	EXPECT_EQ(2, RUN("1", "1", "1"));
	EXPECT_EQ(2, RUN("-e", "-w"));
}

/* Not root: it says who may. */
TEST_F(vipcstat, needs_root)
{
	int status;
	pid_t pid = vt_fork();

	ASSERT_LE(0, pid);
	if (!pid) {
		if (setresuid(65534, 65534, 65534))
			_exit(9);
		status = RUN("1", "1");
		_exit(status == 1 && strstr(self->out, "only root may") ? 0 : 8);
	}
	EXPECT_EQ(0, vt_reap(pid));
}

TEST_HARNESS_MAIN
