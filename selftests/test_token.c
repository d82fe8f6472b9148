// SPDX-License-Identifier: GPL-2.0
/*
 * Reply tokens: each works once, for its own call, through the capability that
 * took the call, for whoever holds that; and for nobody else, ever.
 */
#include "vipc_selftest.h"

#define OUTSTANDING	64
#define MANY		10000

FIXTURE(token)
{
	int fd, cap;
	struct vt_op call;
	struct vipc_msg m;	/* what was received: m.reply is the token */
};

/* One call has been taken and waits for its reply. */
FIXTURE_SETUP(token)
{
	self->fd = vt_open();
	ASSERT_LE(0, self->fd);
	self->cap = vt_derive(self->fd, VIPC_RIGHT_SEND, 1);
	ASSERT_LE(0, self->cap);
	self->call.msg = vt_msg(1);
	ASSERT_EQ(0, vt_op_start(&self->call, self->cap, VIPC_IOC_CALL));
	ASSERT_EQ(0, vt_recv(self->fd, &self->m));
	ASSERT_NE(0, self->m.reply);
}

FIXTURE_TEARDOWN(token)
{
	close(self->fd);
	close(self->cap);
}

/* Neither REPLY nor REPLY_RECV through @fd accepts @token, nor do anything. */
static void expect_stale(struct __test_metadata *_metadata, int fd,
			 uint64_t token)
{
	struct vipc_msg m = vt_msg(66), was;

	m.reply = token;
	m.flags = VIPC_NONBLOCK;
	was = m;
	EXPECT_EQ(-ESRCH, vt_reply(fd, &m));
	if (token)
		EXPECT_EQ(-ESRCH, vt_reply_recv(fd, &m));
	EXPECT_EQ(0, memcmp(&was, &m, sizeof(m)));
}

/* The call of the fixture waits still, and its token works. */
static void expect_answerable(struct __test_metadata *_metadata,
			      FIXTURE_DATA(token) *self)
{
	struct vipc_msg m = vt_msg(77);

	ASSERT_FALSE(vt_op_done(&self->call));
	m.reply = self->m.reply;
	ASSERT_EQ(0, vt_reply(self->fd, &m));
	ASSERT_EQ(0, vt_op_join(&self->call));
	EXPECT_EQ(0, self->call.ret);
	EXPECT_TRUE(vt_msg_is(&self->call.msg, 77));
	expect_stale(_metadata, self->fd, self->m.reply);
}

TEST_F(token, works_once)
{
	expect_answerable(_metadata, self);
	for (int i = 0; i < 100; i++)
		expect_stale(_metadata, self->fd, self->m.reply);
}

TEST_F(token, works_once_in_reply_recv)
{
	struct vt_op send = { .msg = vt_msg(2) };
	struct vipc_msg m = self->m;
	uint64_t token = m.reply;

	ASSERT_EQ(0, vt_op_start(&send, self->cap, VIPC_IOC_SEND));
	ASSERT_EQ(0, vt_wait_senders(self->fd, 1));
	ASSERT_EQ(0, vt_reply_recv(self->fd, &m));
	ASSERT_EQ(0, vt_op_join(&self->call));
	ASSERT_EQ(0, vt_op_join(&send));
	EXPECT_TRUE(vt_msg_is(&m, 2));
	expect_stale(_metadata, self->fd, token);
}

/* A stale token takes nothing out of the queue, though something is there. */
TEST_F(token, stale_receives_nothing)
{
	struct vt_op send = { .msg = vt_msg(2) };
	struct vipc_msg m = { 0 };

	expect_answerable(_metadata, self);
	ASSERT_EQ(0, vt_op_start(&send, self->cap, VIPC_IOC_SEND));
	ASSERT_EQ(0, vt_wait_senders(self->fd, 1));
	expect_stale(_metadata, self->fd, self->m.reply);
	EXPECT_EQ(1, vt_senders(self->fd));
	ASSERT_EQ(0, vt_recv(self->fd, &m));
	EXPECT_TRUE(vt_msg_is(&m, 2));
	ASSERT_EQ(0, vt_op_join(&send));
}

TEST_F(token, guesses)
{
	uint64_t token = self->m.reply, guess = 88172645463325252ull;

	expect_stale(_metadata, self->fd, 0);
	for (int bit = 0; bit < 64; bit++) {
		expect_stale(_metadata, self->fd, token ^ 1ull << bit);
		expect_stale(_metadata, self->fd, 1ull << bit);
	}
	for (int i = -200; i <= 200; i++) {
		if (i)
			expect_stale(_metadata, self->fd, token + i);
		expect_stale(_metadata, self->fd, i);
	}
	expect_stale(_metadata, self->fd, ~token);
	expect_stale(_metadata, self->fd, (uint32_t)token);
	expect_stale(_metadata, self->fd, token << 32 | token >> 32);
	for (int i = 0; i < 5000; i++) {
		guess ^= guess << 13;
		guess ^= guess >> 7;
		guess ^= guess << 17;
		expect_stale(_metadata, self->fd, guess);
	}
	expect_answerable(_metadata, self);
}

/* Another capability of the same endpoint, above, beside or below. */
TEST_F(token, other_capabilities)
{
	int below = vt_derive(self->fd, VIPC_RIGHTS_ALL, 0);
	int beside = vt_derive(self->fd, VIPC_RIGHTS_ALL, 0);
	struct vt_op call = { .msg = vt_msg(2) };
	struct vipc_msg m = { 0 };

	ASSERT_LE(0, below);
	ASSERT_LE(0, beside);
	expect_stale(_metadata, below, self->m.reply);
	ASSERT_EQ(0, vt_op_start(&call, self->cap, VIPC_IOC_CALL));
	ASSERT_EQ(0, vt_recv(below, &m));
	expect_stale(_metadata, self->fd, m.reply);
	expect_stale(_metadata, beside, m.reply);
	expect_stale(_metadata, below, self->m.reply);
	EXPECT_FALSE(vt_op_done(&call));
	ASSERT_EQ(0, vt_reply(below, &m));
	ASSERT_EQ(0, vt_op_join(&call));
	EXPECT_EQ(0, call.ret);
	expect_answerable(_metadata, self);
	/* The caller's own capability has no right to answer. */
	EXPECT_EQ(-EACCES, vt_reply(self->cap, &m));
	close(below);
	close(beside);
}

/* A copy of the descriptor is the same capability. */
TEST_F(token, same_capability_twice)
{
	int copy = dup(self->fd);
	struct vipc_msg m = vt_msg(3);

	ASSERT_LE(0, copy);
	m.reply = self->m.reply;
	ASSERT_EQ(0, vt_reply(copy, &m));
	ASSERT_EQ(0, vt_op_join(&self->call));
	EXPECT_TRUE(vt_msg_is(&self->call.msg, 3));
	expect_stale(_metadata, self->fd, m.reply);
	close(copy);
}

TEST_F(token, from_another_process)
{
	pid_t pid = vt_fork();

	ASSERT_LE(0, pid);
	if (!pid) {
		struct vipc_msg m = vt_msg(4);

		m.reply = self->m.reply;
		_exit(-vt_reply(self->fd, &m));
	}
	ASSERT_EQ(0, vt_reap(pid));
	ASSERT_EQ(0, vt_op_join(&self->call));
	EXPECT_EQ(0, self->call.ret);
	EXPECT_TRUE(vt_msg_is(&self->call.msg, 4));
	expect_stale(_metadata, self->fd, self->m.reply);
}

TEST_F(token, from_another_thread)
{
	struct vt_op reply = { .msg = vt_msg(5) };

	reply.msg.reply = self->m.reply;
	ASSERT_EQ(0, vt_op_start(&reply, self->fd, VIPC_IOC_REPLY));
	ASSERT_EQ(0, vt_op_join(&reply));
	EXPECT_EQ(0, reply.ret);
	ASSERT_EQ(0, vt_op_join(&self->call));
	EXPECT_TRUE(vt_msg_is(&self->call.msg, 5));
}

/* The thread that took a call may end: the capability is the server. */
TEST_F(token, after_the_receiving_thread_ended)
{
	struct vt_op call = { .msg = vt_msg(6) }, recv = { 0 };

	ASSERT_EQ(0, vt_op_start(&recv, self->fd, VIPC_IOC_RECV));
	ASSERT_EQ(0, vt_op_start(&call, self->cap, VIPC_IOC_CALL));
	ASSERT_EQ(0, vt_op_join(&recv));
	ASSERT_EQ(0, vt_wait_until(!vt_task_state(getpid(), recv.tid)));
	EXPECT_EQ(2, vt_in_service(self->fd));
	recv.msg.data[2] = 9;
	ASSERT_EQ(0, vt_reply(self->fd, &recv.msg));
	ASSERT_EQ(0, vt_op_join(&call));
	EXPECT_EQ(9, call.msg.data[2]);
	expect_answerable(_metadata, self);
}

static void on_signal(int sig)
{
	(void)sig;
}

/*
 * How a caller can leave before the reply. A reply that comes afterwards gets
 * ESRCH and does not answer the next call from the same thread.
 */
enum leave { BY_DEADLINE, BY_SIGNAL, BY_KILL };

static void late_reply(struct __test_metadata *_metadata, enum leave how)
{
	struct sigaction sa = { .sa_handler = on_signal };
	struct vipc_msg m = { 0 }, next = { 0 };
	int fd = vt_open(), status[2];
	struct vipc_info info;
	pid_t pid;

	ASSERT_LE(0, fd);
	ASSERT_EQ(0, pipe(status));
	sigaction(SIGUSR1, &sa, NULL);
	pid = vt_fork();
	ASSERT_LE(0, pid);
	if (!pid) {
		struct vipc_msg c = vt_msg(1);
		int ret;

		if (how == BY_DEADLINE)
			c.deadline_ns = vt_in_ms(300);
		ret = vt_call(fd, &c);
		if (ret != (how == BY_DEADLINE ? -ETIMEDOUT : -EINTR) ||
		    c.flags != VIPC_MSG_DELIVERED)
			_exit(1);
		c = vt_msg(2);
		ret = vt_call(fd, &c);
		_exit(ret ? 2 : vt_msg_is(&c, 22) ? 0 : 3);
	}
	ASSERT_EQ(0, vt_recv(fd, &m));
	ASSERT_TRUE(vt_msg_is(&m, 1));
	if (how == BY_SIGNAL) {
		ASSERT_EQ(0, vt_wait_blocked(pid, 0));
		ASSERT_EQ(0, kill(pid, SIGUSR1));
	} else if (how == BY_KILL) {
		ASSERT_EQ(0, kill(pid, SIGKILL));
		ASSERT_EQ(256 + SIGKILL, vt_reap(pid));
		ASSERT_EQ(0, vt_in_service(fd));
		expect_stale(_metadata, fd, m.reply);
		close(fd);
		return;
	}
	ASSERT_EQ(0, vt_wait_senders(fd, 1)); /* its second call */
	ASSERT_EQ(0, vt_in_service(fd));
	expect_stale(_metadata, fd, m.reply);
	ASSERT_EQ(0, vt_recv(fd, &next));
	ASSERT_TRUE(vt_msg_is(&next, 2));
	ASSERT_NE(m.reply, next.reply);
	expect_stale(_metadata, fd, m.reply);
	ASSERT_EQ(1, vt_in_service(fd));
	m = vt_msg(22);
	m.reply = next.reply;
	ASSERT_EQ(0, vt_reply(fd, &m));
	EXPECT_EQ(0, vt_reap(pid));
	ASSERT_EQ(0, vt_info(fd, &info));
	EXPECT_EQ(2, info.called);
	EXPECT_EQ(1, info.replied);
	close(fd);
}

TEST(after_the_deadline)
{
	late_reply(_metadata, BY_DEADLINE);
}

TEST(after_a_signal)
{
	late_reply(_metadata, BY_SIGNAL);
}

TEST(after_a_kill)
{
	late_reply(_metadata, BY_KILL);
}

/* Many callers, answered in every other order than they came. */
FIXTURE(outstanding)
{
	int fd;
	struct vt_op call[OUTSTANDING];
	uint64_t token[OUTSTANDING];
};

FIXTURE_VARIANT(outstanding)
{
	int multiply, add; /* the order: odd factors reach each once */
};

FIXTURE_VARIANT_ADD(outstanding, reversed) { .multiply = -1, .add = -1 };
FIXTURE_VARIANT_ADD(outstanding, in_order) { .multiply = 1, .add = 0 };
FIXTURE_VARIANT_ADD(outstanding, scattered) { .multiply = 27, .add = 11 };
FIXTURE_VARIANT_ADD(outstanding, strided) { .multiply = 5, .add = 40 };

FIXTURE_SETUP(outstanding)
{
	self->fd = vt_open();
	ASSERT_LE(0, self->fd);
	for (int i = 0; i < OUTSTANDING; i++) {
		struct vipc_msg m = { 0 };

		self->call[i].msg = vt_msg(i);
		ASSERT_EQ(0, vt_op_start(&self->call[i], self->fd,
					 VIPC_IOC_CALL));
		ASSERT_EQ(0, vt_recv(self->fd, &m));
		ASSERT_TRUE(vt_msg_is(&m, i));
		self->token[i] = m.reply;
	}
	ASSERT_EQ(OUTSTANDING, vt_in_service(self->fd));
}

FIXTURE_TEARDOWN(outstanding)
{
	close(self->fd);
}

TEST_F(outstanding, each_gets_its_own)
{
	for (int k = 0; k < OUTSTANDING; k++) {
		int i = (k * variant->multiply + variant->add) &
			(OUTSTANDING - 1);
		struct vipc_msg m = vt_msg(1000 + i);

		m.reply = self->token[i];
		ASSERT_FALSE(vt_op_done(&self->call[i]));
		ASSERT_EQ(0, vt_reply(self->fd, &m));
		ASSERT_EQ(0, vt_op_join(&self->call[i]));
		ASSERT_EQ(0, self->call[i].ret);
		ASSERT_TRUE(vt_msg_is(&self->call[i].msg, 1000 + i));
		ASSERT_EQ(OUTSTANDING - 1 - k, vt_in_service(self->fd));
	}
	for (int i = 0; i < OUTSTANDING; i++)
		expect_stale(_metadata, self->fd, self->token[i]);
}

static int by_value(const void *a, const void *b)
{
	uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;

	return (x > y) - (x < y);
}

static void *many_calls(void *arg)
{
	struct vipc_msg m = { 0 };

	for (int i = 0; i < MANY; i++)
		if (vt_call(*(int *)arg, &m))
			return arg;
	return NULL;
}

TEST(never_used_again)
{
	static uint64_t tokens[MANY];
	int fd = vt_open();
	struct vipc_msg m = { 0 };
	pthread_t thread;
	void *failed;

	ASSERT_LE(0, fd);
	ASSERT_EQ(0, vt_pin(0)); /* both: much the fastest in emulation */
	ASSERT_EQ(0, pthread_create(&thread, NULL, many_calls, &fd));
	for (int i = 0; i < MANY; i++) {
		ASSERT_EQ(0, vt_reply_recv(fd, &m));
		ASSERT_NE(0, m.reply);
		tokens[i] = m.reply;
	}
	ASSERT_EQ(0, vt_reply(fd, &m));
	ASSERT_EQ(0, pthread_join(thread, &failed));
	ASSERT_EQ(NULL, failed);
	qsort(tokens, MANY, sizeof(*tokens), by_value);
	for (int i = 1; i < MANY; i++) {
		/* Nor is the next one found by counting. */
		ASSERT_LT(tokens[i - 1] + 1, tokens[i]);
	}
	close(fd);
}

/* Two that hold the same token at the same moment: one of them answers. */
TEST(answered_by_one_of_two)
{
	int fd = vt_open();

	ASSERT_LE(0, fd);
	for (int round = 0; round < 150; round++) {
		struct vt_op call = { .msg = vt_msg(1) }, reply[2] = { 0 };
		struct vipc_msg m = { 0 };

		ASSERT_EQ(0, vt_op_start(&call, fd, VIPC_IOC_CALL));
		ASSERT_EQ(0, vt_recv(fd, &m));
		for (int i = 0; i < 2; i++) {
			reply[i].msg = vt_msg(50 + i);
			reply[i].msg.reply = m.reply;
			ASSERT_EQ(0, vt_op_start(&reply[i], fd,
						 VIPC_IOC_REPLY));
		}
		ASSERT_EQ(0, vt_op_join(&reply[0]));
		ASSERT_EQ(0, vt_op_join(&reply[1]));
		ASSERT_EQ(-ESRCH, reply[0].ret + reply[1].ret);
		ASSERT_EQ(0, vt_op_join(&call));
		ASSERT_EQ(0, call.ret);
		ASSERT_TRUE(vt_msg_is(&call.msg, reply[0].ret ? 51 : 50));
	}
	close(fd);
}

TEST_HARNESS_MAIN
