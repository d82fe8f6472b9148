// SPDX-License-Identifier: GPL-2.0
/*
 * vipc_serve() answers everybody, with one thread and with four, ends when, and
 * as, it should, and leaves nothing behind.
 */
#include <sys/resource.h>

#include "vipc_selftest.h"
#include "vipc.h"

#define ERRNO_MARK	4711
#define MS		1000000ull

enum {
	OP_ECHO,	/* data[0] + 1, opcode 100 */
	OP_STOP,	/* as ECHO, and stop */
	OP_DEFER,	/* keep the token */
	OP_DEFER_STOP,
	OP_FAIL,	/* -EPROTO */
	OP_UNKNOWN,	/* a verdict that does not exist */
	OP_SPOIL,	/* write all over the message */
	OP_SPOIL_STOP,
	OP_STEAL,	/* put the token that was kept into the message */
	OP_WAIT,	/* until released, then as ECHO */
	OP_WHO,		/* as WAIT; data[0]: thread, data[1]: are all signals blocked? */
};

struct server {
	int fd;
	unsigned int threads;
	int ret, saw_errno;
	bool ended;
	pid_t tid;
	pthread_t thread;
	/* the handler's */
	int inside, handled, released;
	uint64_t token;
	struct vipc_msg last;
};

#define load(p)		__atomic_load_n(p, __ATOMIC_ACQUIRE)
#define store(p, v)	__atomic_store_n(p, v, __ATOMIC_RELEASE)
#define add(p, n)	__atomic_add_fetch(p, n, __ATOMIC_ACQ_REL)

/*
 * Between two looks at its flag the library waits for a second, which is no
 * more than time here. The linker gives its calls to us (see the Makefile).
 */
#define HURRY	10

__u64 __real_vipc_deadline_after(__u64 timeout_ns);
__u64 __wrap_vipc_deadline_after(__u64 timeout_ns);

__u64 __wrap_vipc_deadline_after(__u64 timeout_ns)
{
	return __real_vipc_deadline_after(timeout_ns / HURRY);
}

static bool all_signals_blocked(void)
{
	sigset_t set;

	pthread_sigmask(SIG_SETMASK, NULL, &set);
	for (int sig = 1; sig < 32; sig++)
		if (sig != SIGKILL && sig != SIGSTOP && !sigismember(&set, sig))
			return false;
	return true;
}

static int handler(struct vipc_msg *m, void *arg)
{
	struct server *s = arg;
	uint32_t op = m->opcode;

	errno = 1;	/* vipc_serve() must put it back */
	add(&s->handled, 1);
	if (op == OP_DEFER || op == OP_DEFER_STOP)
		store(&s->token, m->reply);
	if (op == OP_WAIT || op == OP_WHO) {
		add(&s->inside, 1);
		if (vt_wait_until(load(&s->released)))
			return -ETIME;
	}
	if (!m->reply)
		s->last = *m;
	m->opcode = 100;
	m->data[0]++;
	switch (op) {
	case OP_STOP:
		return VIPC_SERVE_STOP;
	case OP_DEFER:
		return VIPC_SERVE_DEFER;
	case OP_DEFER_STOP:
		return VIPC_SERVE_DEFER | VIPC_SERVE_STOP;
	case OP_FAIL:
		return -EPROTO;
	case OP_UNKNOWN:
		return 4;
	case OP_SPOIL:
	case OP_SPOIL_STOP:
		m->badge = m->reply = m->deadline_ns = 1;
		m->flags = 0xabcdffff;
		return op == OP_SPOIL ? VIPC_SERVE_REPLY : VIPC_SERVE_STOP;
	case OP_STEAL:
		m->reply = load(&s->token);
		return VIPC_SERVE_REPLY;
	case OP_WHO:
		m->data[0] = (uint64_t)vt_gettid();
		m->data[1] = all_signals_blocked();
		return VIPC_SERVE_REPLY;
	default:
		return VIPC_SERVE_REPLY;
	}
}

static void *server_thread(void *arg)
{
	struct server *s = arg;

	store(&s->tid, vt_gettid());
	errno = ERRNO_MARK;
	s->ret = vipc_serve(s->fd, handler, s, s->threads);
	s->saw_errno = errno;
	store(&s->ended, true);
	return NULL;
}

static int count_tasks(void)
{
	char line[128];
	int n = -1;
	FILE *f = fopen("/proc/self/status", "r");

	while (f && fgets(line, sizeof(line), f))
		if (sscanf(line, "Threads: %d", &n) == 1)
			break;
	if (f)
		fclose(f);
	return n;
}

FIXTURE(serve) {
	int server, client, tasks;
	struct server s;
};

FIXTURE_VARIANT(serve) {
	unsigned int threads;
};

FIXTURE_VARIANT_ADD(serve, one) { .threads = 1 };
FIXTURE_VARIANT_ADD(serve, four) { .threads = 4 };

FIXTURE_SETUP(serve)
{
	self->server = vipc_open(O_CLOEXEC);
	ASSERT_GE(self->server, 0);
	self->client = vipc_derive(self->server, VIPC_RIGHT_SEND, 7);
	ASSERT_GE(self->client, 0);
	self->tasks = count_tasks();
	self->s.fd = self->server;
	self->s.threads = variant->threads;
}

FIXTURE_TEARDOWN(serve)
{
	close(self->client);
	close(self->server);
}

/* Start, and wait until all its threads wait for work. */
static int server_start(struct server *s)
{
	s->ended = false;
	if (pthread_create(&s->thread, NULL, server_thread, s))
		return -EAGAIN;
	return vt_wait_receivers(s->fd, s->threads);
}

/* Join; what vipc_serve() returned, or 1 if something is not as it was before. */
static int server_end(struct server *s, int tasks)
{
	int ret = vt_join(s->thread);

	if (ret)
		return ret;
	if (s->saw_errno != ERRNO_MARK)
		return 1;
	/* A thread that was joined is counted for a moment longer. */
	if (vt_wait_until(count_tasks() == tasks))
		return 1;
	return s->ret;
}

static int call(int fd, uint32_t op, struct vipc_msg *m)
{
	*m = (struct vipc_msg){ .opcode = op, .data = { 41, 2, 3, 4 } };
	return vipc_call_timeout(fd, m, VT_LIMIT_NS);
}

/* A call that got the handler's answer. */
static bool answered(int fd, uint32_t op)
{
	struct vipc_msg m;

	return !call(fd, op, &m) && m.opcode == 100 && m.data[0] == 42 &&
	       m.data[3] == 4 && !m.reply && !m.badge;
}

TEST(serve_arguments)
{
	struct server s = { 0 };
	int fd = vipc_open(O_CLOEXEC);
	int null = open("/dev/null", O_RDWR), send_only;

	ASSERT_GE(fd, 0);
	send_only = vipc_derive(fd, VIPC_RIGHT_SEND, 0);
	ASSERT_GE(send_only, 0);
	errno = ERRNO_MARK;
	EXPECT_EQ(-EINVAL, vipc_serve(fd, handler, &s, 0));
	EXPECT_EQ(-EINVAL, vipc_serve(fd, handler, &s, VIPC_SERVE_MAX_THREADS + 1));
	EXPECT_EQ(-EINVAL, vipc_serve(fd, NULL, &s, 1));
	for (unsigned int threads = 1; threads <= 4; threads += 3) {
		EXPECT_EQ(-EACCES, vipc_serve(send_only, handler, &s, threads));
		EXPECT_EQ(-EBADF, vipc_serve(-1, handler, &s, threads));
		EXPECT_EQ(-ENOTTY, vipc_serve(null, handler, &s, threads));
	}
	EXPECT_EQ(0, s.handled);
	EXPECT_EQ(ERRNO_MARK, errno);
	close(null);
	close(send_only);
	close(fd);
}

TEST_F(serve, answers_and_stops)
{
	ASSERT_EQ(0, server_start(&self->s));
	for (int i = 0; i < 200; i++)
		ASSERT_TRUE(answered(self->client, OP_ECHO));
	EXPECT_TRUE(answered(self->client, OP_STOP));
	EXPECT_EQ(0, server_end(&self->s, self->tasks));
	EXPECT_EQ(201, self->s.handled);

	/* The endpoint lives on, and can be served again. */
	self->s.handled = 0;
	ASSERT_EQ(0, server_start(&self->s));
	EXPECT_TRUE(answered(self->client, OP_STOP));
	EXPECT_EQ(0, server_end(&self->s, self->tasks));
}

TEST_F(serve, many_callers)
{
	enum { CALLERS = 8, ROUNDS = 100 };
	struct vipc_info info;
	int pid[CALLERS];

	ASSERT_EQ(0, server_start(&self->s));
	for (int i = 0; i < CALLERS; i++) {
		pid[i] = vt_fork();
		ASSERT_GE(pid[i], 0);
		if (!pid[i]) {
			close(self->server);
			for (int n = 0; n < ROUNDS; n++)
				if (!answered(self->client, OP_ECHO))
					_exit(1);
			_exit(0);
		}
	}
	for (int i = 0; i < CALLERS; i++)
		EXPECT_EQ(0, vt_reap(pid[i]));
	EXPECT_TRUE(answered(self->client, OP_STOP));
	EXPECT_EQ(0, server_end(&self->s, self->tasks));
	EXPECT_EQ(CALLERS * ROUNDS + 1, self->s.handled);
	ASSERT_EQ(0, vipc_info(self->server, &info));
	EXPECT_EQ(0, info.in_service);
	EXPECT_EQ(0, info.receivers);
}

TEST_F(serve, plain_messages)
{
	struct vipc_msg m = { .opcode = OP_ECHO, .data = { 1, 2, 3, 4 } };

	ASSERT_EQ(0, server_start(&self->s));
	m.flags = 0x12340000;
	ASSERT_EQ(0, vipc_send(self->client, &m));
	ASSERT_EQ(0, vt_wait_until(load(&self->s.handled) == 1));
	ASSERT_EQ(0, vt_wait_receivers(self->server, variant->threads));
	EXPECT_EQ(7, self->s.last.badge);
	EXPECT_EQ(0, self->s.last.reply);
	EXPECT_EQ(0x12340000, self->s.last.flags);
	EXPECT_EQ(0, self->s.last.deadline_ns);
	EXPECT_EQ(4, self->s.last.data[3]);

	m.opcode = OP_STOP;
	ASSERT_EQ(0, vipc_send(self->client, &m));
	EXPECT_EQ(0, server_end(&self->s, self->tasks));
}

TEST_F(serve, deferred)
{
	struct vt_op op = { .msg = { .opcode = OP_DEFER } };
	struct vipc_msg m = { .opcode = 77 };

	ASSERT_EQ(0, server_start(&self->s));
	ASSERT_EQ(0, vt_op_start(&op, self->client, VIPC_IOC_CALL));
	ASSERT_EQ(0, vt_wait_until(load(&self->s.token)));
	/* Others are served meanwhile. */
	EXPECT_TRUE(answered(self->client, OP_ECHO));
	EXPECT_FALSE(vt_op_done(&op));
	m.reply = load(&self->s.token);
	EXPECT_EQ(0, vipc_reply(self->server, &m));
	ASSERT_EQ(0, vt_op_join(&op));
	EXPECT_EQ(0, op.ret);
	EXPECT_EQ(77, op.msg.opcode);

	/* And one that outlives the loop. */
	store(&self->s.token, 0);
	op.msg = (struct vipc_msg){ .opcode = OP_DEFER_STOP };
	ASSERT_EQ(0, vt_op_start(&op, self->client, VIPC_IOC_CALL));
	EXPECT_EQ(0, server_end(&self->s, self->tasks + 1));
	EXPECT_FALSE(vt_op_done(&op));
	m.reply = load(&self->s.token);
	EXPECT_EQ(0, vipc_reply(self->server, &m));
	ASSERT_EQ(0, vt_op_join(&op));
	EXPECT_EQ(0, op.ret);
}

TEST_F(serve, handler_fails)
{
	ASSERT_EQ(0, server_start(&self->s));
	EXPECT_TRUE(answered(self->client, OP_FAIL));
	EXPECT_EQ(-EPROTO, server_end(&self->s, self->tasks));

	ASSERT_EQ(0, server_start(&self->s));
	EXPECT_TRUE(answered(self->client, OP_UNKNOWN));
	EXPECT_EQ(-EINVAL, server_end(&self->s, self->tasks));
}

TEST_F(serve, handler_spoils_the_message)
{
	const uint32_t ops[] = { OP_SPOIL, OP_SPOIL, OP_SPOIL_STOP };
	struct vipc_msg m;

	ASSERT_EQ(0, server_start(&self->s));
	for (int i = 0; i < 3; i++) {
		m = (struct vipc_msg){ .opcode = ops[i] };
		ASSERT_EQ(0, vipc_call_timeout(self->client, &m, 20 * VT_NSEC));
		EXPECT_EQ(100, m.opcode);
		EXPECT_EQ(0xabcd0000, m.flags);
		EXPECT_EQ(0, m.badge);
		EXPECT_EQ(0, m.reply);
	}
	EXPECT_EQ(0, server_end(&self->s, self->tasks));
}

/* Answering is for who asked, whatever token the handler leaves there. */
TEST_F(serve, handler_spoils_the_token)
{
	struct vt_op op = { .msg = { .opcode = OP_DEFER } };
	struct vipc_msg m = { .opcode = OP_STEAL };

	ASSERT_EQ(0, server_start(&self->s));
	ASSERT_EQ(0, vt_op_start(&op, self->client, VIPC_IOC_CALL));
	ASSERT_EQ(0, vt_wait_until(load(&self->s.token)));
	ASSERT_EQ(0, vt_wait_receivers(self->server, variant->threads));
	/* One that nobody waits for, and one with a token of its own. */
	ASSERT_EQ(0, vipc_send(self->client, &m));
	ASSERT_EQ(0, vt_wait_until(load(&self->s.handled) == 2));
	ASSERT_EQ(0, vt_wait_receivers(self->server, variant->threads));
	ASSERT_EQ(1, vt_in_service(self->server));
	m = (struct vipc_msg){ .opcode = OP_STEAL };
	ASSERT_EQ(0, vipc_call_timeout(self->client, &m, 20 * VT_NSEC));
	EXPECT_EQ(100, m.opcode);
	EXPECT_FALSE(vt_op_done(&op));
	m = (struct vipc_msg){ .opcode = 77, .reply = load(&self->s.token) };
	EXPECT_EQ(0, vipc_reply(self->server, &m));
	ASSERT_EQ(0, vt_op_join(&op));
	EXPECT_EQ(77, op.msg.opcode);
	EXPECT_TRUE(answered(self->client, OP_STOP));
	EXPECT_EQ(0, server_end(&self->s, self->tasks));
}

TEST_F(serve, shut_down)
{
	ASSERT_EQ(0, server_start(&self->s));
	EXPECT_TRUE(answered(self->client, OP_ECHO));
	EXPECT_EQ(0, vipc_shutdown(self->server));
	EXPECT_EQ(0, server_end(&self->s, self->tasks));
	EXPECT_EQ(0, vipc_serve(self->server, handler, &self->s, variant->threads));
}

TEST_F(serve, shut_down_in_the_handler)
{
	struct vt_op op = { .msg = { .opcode = OP_WAIT } };

	ASSERT_EQ(0, server_start(&self->s));
	ASSERT_EQ(0, vt_op_start(&op, self->client, VIPC_IOC_CALL));
	ASSERT_EQ(0, vt_wait_until(load(&self->s.inside) == 1));
	EXPECT_EQ(0, vipc_shutdown(self->server));
	ASSERT_EQ(0, vt_op_join(&op));
	EXPECT_EQ(-ECONNRESET, op.ret);
	store(&self->s.released, 1);
	EXPECT_EQ(0, server_end(&self->s, self->tasks));
}

TEST_F(serve, revoked)
{
	self->s.fd = vipc_derive(self->server, VIPC_RIGHT_RECV, 0);
	ASSERT_GE(self->s.fd, 0);
	ASSERT_EQ(0, server_start(&self->s));
	EXPECT_TRUE(answered(self->client, OP_ECHO));
	EXPECT_EQ(0, vipc_revoke(self->server));
	EXPECT_EQ(-EKEYREVOKED, server_end(&self->s, self->tasks));
	close(self->s.fd);
}

TEST_F(serve, receive_right_is_enough)
{
	self->s.fd = vipc_derive(self->server, VIPC_RIGHT_RECV, 0);
	ASSERT_GE(self->s.fd, 0);
	ASSERT_EQ(0, server_start(&self->s));
	EXPECT_TRUE(answered(self->client, OP_STOP));
	EXPECT_EQ(0, server_end(&self->s, self->tasks));
	close(self->s.fd);
}

TEST_F(serve, caller_leaves)
{
	struct vipc_msg m = { .opcode = OP_WAIT };

	ASSERT_EQ(0, server_start(&self->s));
	EXPECT_EQ(-ETIMEDOUT, vipc_call_timeout(self->client, &m, 500 * MS));
	EXPECT_EQ(VIPC_MSG_DELIVERED, m.flags);
	ASSERT_EQ(0, vt_wait_until(load(&self->s.inside) == 1));
	store(&self->s.released, 1);
	EXPECT_TRUE(answered(self->client, OP_ECHO));
	EXPECT_TRUE(answered(self->client, OP_STOP));
	EXPECT_EQ(0, server_end(&self->s, self->tasks));
	EXPECT_EQ(3, self->s.handled);
}

TEST_F(serve, caller_is_killed)
{
	struct vipc_msg m;
	int pid;

	ASSERT_EQ(0, server_start(&self->s));
	pid = vt_fork();
	ASSERT_GE(pid, 0);
	if (!pid) {
		close(self->server);
		call(self->client, OP_WAIT, &m);
		_exit(1);
	}
	ASSERT_EQ(0, vt_wait_until(load(&self->s.inside) == 1));
	ASSERT_EQ(0, kill(pid, SIGKILL));
	EXPECT_EQ(256 + SIGKILL, vt_reap(pid));
	store(&self->s.released, 1);
	EXPECT_TRUE(answered(self->client, OP_STOP));
	EXPECT_EQ(0, server_end(&self->s, self->tasks));
}

static int signals_seen;

static void on_signal(int sig)
{
	(void)sig;
	add(&signals_seen, 1);
}

TEST_F(serve, signals)
{
	struct sigaction action = { .sa_handler = on_signal, .sa_flags = SA_RESTART };

	ASSERT_EQ(0, sigaction(SIGUSR1, &action, NULL));
	ASSERT_EQ(0, server_start(&self->s));
	ASSERT_EQ(0, vt_wait_blocked(getpid(), self->s.tid));
	for (int i = 1; i <= 20; i++) {
		ASSERT_EQ(0, pthread_kill(self->s.thread, SIGUSR1));
		ASSERT_EQ(0, vt_wait_until(load(&signals_seen) == i));
		EXPECT_TRUE(answered(self->client, OP_ECHO));
	}
	action.sa_flags = 0;
	ASSERT_EQ(0, sigaction(SIGUSR1, &action, NULL));
	ASSERT_EQ(0, vt_wait_receivers(self->server, variant->threads));
	/* Again and again: the first may come just before the wait. */
	ASSERT_EQ(0, vt_wait_until(({ pthread_kill(self->s.thread, SIGUSR1);
				      load(&self->s.ended); })));
	EXPECT_EQ(-EINTR, server_end(&self->s, self->tasks));
	ASSERT_EQ(0, server_start(&self->s));
	EXPECT_TRUE(answered(self->client, OP_STOP));
	EXPECT_EQ(0, server_end(&self->s, self->tasks));
}

static int shutdown_fd;

static void on_signal_shut_down(int sig)
{
	(void)sig;
	vipc_shutdown(shutdown_fd);
}

TEST_F(serve, shut_down_by_a_signal_handler)
{
	struct sigaction action = {
		.sa_handler = on_signal_shut_down,
		.sa_flags = SA_RESTART,
	};

	shutdown_fd = self->server;
	ASSERT_EQ(0, sigaction(SIGTERM, &action, NULL));
	ASSERT_EQ(0, server_start(&self->s));
	ASSERT_EQ(0, kill(getpid(), SIGTERM));
	EXPECT_EQ(0, server_end(&self->s, self->tasks));
}

TEST_F(serve, idle_for_a_while)
{
	ASSERT_EQ(0, server_start(&self->s));
	for (int i = 0; i < 2; i++) {
		vt_pause_us(1300000 / HURRY);
		EXPECT_TRUE(answered(self->client, OP_ECHO));
	}
	EXPECT_TRUE(answered(self->client, OP_STOP));
	EXPECT_EQ(0, server_end(&self->s, self->tasks));
}

TEST_F(serve, threads_work_at_once)
{
	struct vt_op op[4];

	ASSERT_EQ(0, server_start(&self->s));
	for (unsigned int i = 0; i < variant->threads; i++) {
		op[i] = (struct vt_op){ .msg = { .opcode = OP_WAIT } };
		ASSERT_EQ(0, vt_op_start(&op[i], self->client, VIPC_IOC_CALL));
	}
	ASSERT_EQ(0, vt_wait_until(load(&self->s.inside) == (int)variant->threads));
	store(&self->s.released, 1);
	for (unsigned int i = 0; i < variant->threads; i++) {
		ASSERT_EQ(0, vt_op_join(&op[i]));
		EXPECT_EQ(0, op[i].ret);
	}
	EXPECT_TRUE(answered(self->client, OP_STOP));
	EXPECT_EQ(0, server_end(&self->s, self->tasks));
}

/* Each thread answers one call: none of them is free again before all have one. */
TEST_F(serve, only_own_threads_block_signals)
{
	bool seen_caller = false;
	struct vt_op op[4];

	ASSERT_EQ(0, server_start(&self->s));
	for (unsigned int i = 0; i < variant->threads; i++) {
		op[i] = (struct vt_op){ .msg = { .opcode = OP_WHO } };
		ASSERT_EQ(0, vt_op_start(&op[i], self->client, VIPC_IOC_CALL));
	}
	ASSERT_EQ(0, vt_wait_until(load(&self->s.inside) == (int)variant->threads));
	store(&self->s.released, 1);
	for (unsigned int i = 0; i < variant->threads; i++) {
		bool is_caller;

		ASSERT_EQ(0, vt_op_join(&op[i]));
		ASSERT_EQ(0, op[i].ret);
		is_caller = (pid_t)op[i].msg.data[0] == self->s.tid;
		seen_caller |= is_caller;
		EXPECT_EQ(!is_caller, op[i].msg.data[1]);
	}
	EXPECT_TRUE(seen_caller);
	EXPECT_TRUE(answered(self->client, OP_STOP));
	EXPECT_EQ(0, server_end(&self->s, self->tasks));
}

TEST_F(serve, cancelled)
{
	ASSERT_EQ(0, server_start(&self->s));
	ASSERT_EQ(0, pthread_cancel(self->s.thread));
	EXPECT_TRUE(answered(self->client, OP_ECHO));
	EXPECT_TRUE(answered(self->client, OP_STOP));
	EXPECT_EQ(0, server_end(&self->s, self->tasks));
}

TEST(serve_stop_lets_the_others_finish)
{
	struct server s = { .fd = vipc_open(O_CLOEXEC), .threads = 4 };
	int tasks = count_tasks();
	struct vt_op op = { .msg = { .opcode = OP_WAIT, .data = { 41, 0, 0, 4 } } };

	ASSERT_EQ(0, server_start(&s));
	ASSERT_EQ(0, vt_op_start(&op, s.fd, VIPC_IOC_CALL));
	ASSERT_EQ(0, vt_wait_until(load(&s.inside) == 1));
	EXPECT_TRUE(answered(s.fd, OP_STOP));
	vt_pause_us(1300000 / HURRY);
	EXPECT_FALSE(load(&s.ended));
	store(&s.released, 1);
	ASSERT_EQ(0, vt_op_join(&op));
	EXPECT_EQ(0, op.ret);
	EXPECT_EQ(42, op.msg.data[0]);
	EXPECT_EQ(0, server_end(&s, tasks));
	close(s.fd);
}

TEST(serve_threads_that_do_not_start)
{
	struct server s = { .fd = vipc_open(O_CLOEXEC), .threads = 64 };
	int tasks = count_tasks();
	struct rlimit room;
	long pages = 0;
	FILE *f = fopen("/proc/self/statm", "r");

	/* Room for the library's table, and for a few stacks of 8 MiB. */
	ASSERT_TRUE(f && fscanf(f, "%ld", &pages) == 1);
	fclose(f);
	room.rlim_cur = room.rlim_max = (rlim_t)pages * 4096 + (20 << 20);
	ASSERT_EQ(0, setrlimit(RLIMIT_AS, &room));
	errno = ERRNO_MARK;
	EXPECT_EQ(-EAGAIN, vipc_serve(s.fd, handler, &s, s.threads));
	EXPECT_EQ(ERRNO_MARK, errno);
	EXPECT_EQ(0, s.handled);
	EXPECT_EQ(0, vt_wait_until(count_tasks() == tasks));
	close(s.fd);
}

TEST_HARNESS_MAIN
