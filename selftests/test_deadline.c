// SPDX-License-Identifier: GPL-2.0
/*
 * Deadlines: they bound the waiting and nothing else, are never early, and
 * lose or win against delivery, but never both.
 */
#include "vipc_selftest.h"

#define SOON_MS	150
#define RACES	200

FIXTURE(deadline)
{
	int fd;
	long long timeouts;
};

FIXTURE_SETUP(deadline)
{
	self->fd = vt_open();
	ASSERT_LE(0, self->fd);
	self->timeouts = vt_stat_value("timeouts");
	ASSERT_LE(0, self->timeouts);
}

FIXTURE_TEARDOWN(deadline)
{
	close(self->fd);
}

/* Nothing has happened to @m but, in bits 8-15, the answer @out. */
static bool only_flags(const struct vipc_msg *m, struct vipc_msg was,
		       uint32_t out)
{
	was.flags = (was.flags & ~VIPC_FLAGS_OUT_MASK) | out;
	return !memcmp(m, &was, sizeof(was));
}

static struct vipc_msg before(uint64_t deadline)
{
	struct vipc_msg m = vt_msg(1);

	m.badge = 5;
	m.flags = 0x77770000 | VIPC_UNINTERRUPTIBLE;
	m.deadline_ns = deadline;
	return m;
}

/* Nobody comes: each operation gives up, not before its deadline. */
TEST_F(deadline, nobody_comes)
{
	static const unsigned long ops[] = {
		VIPC_IOC_SEND, VIPC_IOC_CALL, VIPC_IOC_RECV, VIPC_IOC_REPLY_RECV,
	};

	for (size_t i = 0; i < ARRAY_SIZE(ops); i++) {
		struct vipc_msg m = before(vt_in_ms(SOON_MS)), was = m;

		ASSERT_EQ(-ETIMEDOUT, vt_ioctl(self->fd, ops[i], &m)) {
			TH_LOG("op %zu", i);
		}
		EXPECT_LE(m.deadline_ns, vt_now_ns());
		EXPECT_TRUE(only_flags(&m, was, 0));
		EXPECT_EQ(0, vt_senders(self->fd));
		EXPECT_EQ(0, vt_receivers(self->fd));
	}
	EXPECT_EQ(4, vt_stat_value("timeouts") - self->timeouts);
}

/* A sender clears a DELIVERED that was there from before. */
TEST_F(deadline, delivered_is_cleared)
{
	struct vipc_msg m = before(vt_in_ms(SOON_MS)), was;

	m.flags |= 0xff00;
	was = m;
	ASSERT_EQ(-ETIMEDOUT, vt_call(self->fd, &m));
	EXPECT_TRUE(only_flags(&m, was, 0));
	m = was;
	m.deadline_ns = vt_in_ms(SOON_MS);
	was = m;
	ASSERT_EQ(-ETIMEDOUT, vt_send(self->fd, &m));
	EXPECT_TRUE(only_flags(&m, was, 0));
}

/* Taken from the queue or handed over, and never answered. */
TEST_F(deadline, nobody_answers)
{
	for (int fast = 0; fast < 2; fast++) {
		struct vt_op call = { 0 }, recv = { 0 };
		struct vipc_msg was;

		if (fast) {
			ASSERT_EQ(0, vt_op_start(&recv, self->fd, VIPC_IOC_RECV));
			ASSERT_EQ(0, vt_wait_receivers(self->fd, 1));
		}
		call.msg = was = before(vt_in_ms(5 * SOON_MS));
		ASSERT_EQ(0, vt_op_start(&call, self->fd, VIPC_IOC_CALL));
		if (!fast) {
			ASSERT_EQ(0, vt_wait_senders(self->fd, 1));
			ASSERT_EQ(0, vt_op_start(&recv, self->fd, VIPC_IOC_RECV));
		}
		ASSERT_EQ(0, vt_op_join(&recv));
		ASSERT_EQ(0, recv.ret);
		ASSERT_EQ(0, vt_op_join(&call));
		EXPECT_LE(was.deadline_ns, vt_now_ns());
		EXPECT_EQ(-ETIMEDOUT, call.ret);
		EXPECT_TRUE(only_flags(&call.msg, was, VIPC_MSG_DELIVERED));
		EXPECT_EQ(0, vt_in_service(self->fd));
		EXPECT_EQ(-ESRCH, vt_reply(self->fd, &recv.msg));
	}
}

/* Whoever need not wait may have a deadline that has passed long ago. */
TEST_F(deadline, past_but_no_need_to_wait)
{
	struct vt_op recv = { 0 }, send;
	struct vipc_msg m;

	for (int i = 0; i < 2; i++) {
		uint64_t past = i ? 1 : vt_now_ns() - 1;

		ASSERT_EQ(0, vt_op_start(&recv, self->fd, VIPC_IOC_RECV));
		ASSERT_EQ(0, vt_wait_receivers(self->fd, 1));
		m = before(past);
		EXPECT_EQ(0, vt_send(self->fd, &m));
		ASSERT_EQ(0, vt_op_join(&recv));
		EXPECT_TRUE(vt_msg_is(&recv.msg, 1));

		for (int reply_recv = 0; reply_recv < 2; reply_recv++) {
			send.arg = NULL;
			send.msg = vt_msg(2);
			ASSERT_EQ(0, vt_op_start(&send, self->fd, VIPC_IOC_SEND));
			ASSERT_EQ(0, vt_wait_senders(self->fd, 1));
			memset(&m, 0, sizeof(m));
			m.deadline_ns = past;
			EXPECT_EQ(0, vt_ioctl(self->fd, reply_recv ?
					      VIPC_IOC_REPLY_RECV :
					      VIPC_IOC_RECV, &m));
			EXPECT_TRUE(vt_msg_is(&m, 2));
			EXPECT_EQ(past, m.deadline_ns);
			ASSERT_EQ(0, vt_op_join(&send));
		}
	}
	EXPECT_EQ(self->timeouts, vt_stat_value("timeouts"));
}

TEST_F(deadline, past_and_would_wait)
{
	for (int i = 0; i < 2; i++) {
		uint64_t past = i ? 1 : vt_now_ns() - 1;
		struct vipc_msg m = before(past), was = m;

		EXPECT_EQ(-ETIMEDOUT, vt_send(self->fd, &m));
		EXPECT_EQ(-ETIMEDOUT, vt_call(self->fd, &m));
		EXPECT_EQ(-ETIMEDOUT, vt_recv(self->fd, &m));
		EXPECT_EQ(-ETIMEDOUT, vt_reply_recv(self->fd, &m));
		EXPECT_TRUE(only_flags(&m, was, 0));
		EXPECT_EQ(0, vt_senders(self->fd));
		EXPECT_EQ(0, vt_receivers(self->fd));
	}
}

/* A call that cannot be answered in time is not made. */
TEST_F(deadline, past_call)
{
	struct vipc_msg m = before(1), was = m;
	struct vt_op recv = { 0 };

	ASSERT_EQ(0, vt_op_start(&recv, self->fd, VIPC_IOC_RECV));
	ASSERT_EQ(0, vt_wait_receivers(self->fd, 1));
	EXPECT_EQ(-ETIMEDOUT, vt_call(self->fd, &m));
	EXPECT_TRUE(only_flags(&m, was, 0));
	m.flags |= VIPC_NONBLOCK;
	EXPECT_EQ(-ETIMEDOUT, vt_call(self->fd, &m));
	EXPECT_EQ(1, vt_receivers(self->fd));
	EXPECT_FALSE(vt_op_done(&recv));
	/* What would refuse it at any time refuses it now. */
	ASSERT_EQ(0, vt_shutdown(self->fd));
	EXPECT_EQ(-EPIPE, vt_call(self->fd, &m));
	ASSERT_EQ(0, vt_op_join(&recv));
	EXPECT_EQ(-EPIPE, recv.ret);
}

/* REPLY does not wait, and looks at no deadline. */
TEST_F(deadline, reply_has_none)
{
	struct vt_op call = { .msg = vt_msg(1) };
	struct vipc_msg m = { 0 };

	ASSERT_EQ(0, vt_op_start(&call, self->fd, VIPC_IOC_CALL));
	ASSERT_EQ(0, vt_recv(self->fd, &m));
	m.deadline_ns = 1;
	EXPECT_EQ(0, vt_reply(self->fd, &m));
	ASSERT_EQ(0, vt_op_join(&call));
	EXPECT_EQ(0, call.ret);
	EXPECT_EQ(0, call.msg.deadline_ns);
}

/*
 * The reply goes out whatever the deadline; that `reply` is 0 afterwards tells
 * so, and lets the program simply do it again.
 */
TEST_F(deadline, reply_recv)
{
	for (int past = 0; past < 2; past++) {
		struct vt_op call = { .msg = vt_msg(1) };
		struct vipc_msg m = { 0 }, was;

		ASSERT_EQ(0, vt_op_start(&call, self->fd, VIPC_IOC_CALL));
		ASSERT_EQ(0, vt_recv(self->fd, &m));
		m.data[0] = 40 + past;
		m.deadline_ns = past ? 1 : vt_in_ms(SOON_MS);
		was = m;
		EXPECT_EQ(-ETIMEDOUT, vt_reply_recv(self->fd, &m));
		EXPECT_LE(m.deadline_ns, vt_now_ns());
		was.reply = 0;
		EXPECT_EQ(0, memcmp(&was, &m, sizeof(m)));
		ASSERT_EQ(0, vt_op_join(&call));
		EXPECT_EQ(0, call.ret);
		EXPECT_EQ(40 + past, call.msg.data[0]);
		EXPECT_EQ(-ETIMEDOUT, vt_reply_recv(self->fd, &m));
	}
}

/* A stale token is told at once, and stays where it is. */
TEST_F(deadline, reply_recv_stale)
{
	struct vipc_msg m = before(vt_in_ms(1000000)), was;

	m.reply = 12345;
	was = m;
	EXPECT_EQ(-ESRCH, vt_reply_recv(self->fd, &m));
	EXPECT_EQ(0, memcmp(&was, &m, sizeof(m)));
}

/* Far away, at the end of the signed numbers, and beyond: for ever. */
TEST_F(deadline, huge)
{
	uint64_t huge[] = {
		vt_in_ms(100ull * 365 * 86400 * 1000), INT64_MAX - 1, INT64_MAX,
		(uint64_t)INT64_MAX + 1, (uint64_t)INT64_MAX + 2,
		UINT64_MAX - 1, UINT64_MAX,
	};

	for (size_t i = 0; i < ARRAY_SIZE(huge); i++) {
		struct vt_op call = { .msg = vt_msg(i) }, recv = { 0 };
		struct vipc_msg m = vt_msg(i);

		recv.msg.deadline_ns = huge[i];
		ASSERT_EQ(0, vt_op_start(&recv, self->fd, VIPC_IOC_RECV));
		ASSERT_EQ(0, vt_wait_receivers(self->fd, 1));
		ASSERT_EQ(0, vt_wait_blocked(getpid(), recv.tid));
		m.deadline_ns = huge[i];
		ASSERT_EQ(0, vt_send(self->fd, &m));
		ASSERT_EQ(0, vt_op_join(&recv));
		ASSERT_EQ(0, recv.ret);
		ASSERT_EQ(huge[i], recv.msg.deadline_ns);

		call.msg.deadline_ns = huge[i];
		ASSERT_EQ(0, vt_op_start(&call, self->fd, VIPC_IOC_CALL));
		ASSERT_EQ(0, vt_wait_senders(self->fd, 1));
		ASSERT_EQ(0, vt_wait_blocked(getpid(), call.tid));
		ASSERT_EQ(0, vt_recv(self->fd, &m));
		ASSERT_EQ(0, vt_wait_blocked(getpid(), call.tid));
		ASSERT_FALSE(vt_op_done(&call));
		ASSERT_EQ(0, vt_reply(self->fd, &m));
		ASSERT_EQ(0, vt_op_join(&call));
		ASSERT_EQ(0, call.ret);
		ASSERT_EQ(huge[i], call.msg.deadline_ns);
	}
	EXPECT_EQ(self->timeouts, vt_stat_value("timeouts"));
}

/* Each side has its own: neither bounds the other. */
TEST_F(deadline, does_not_travel)
{
	struct vt_op call = { .msg = vt_msg(1) }, recv = { 0 };
	struct vipc_msg m;

	recv.msg.deadline_ns = vt_in_ms(1000000);
	ASSERT_EQ(0, vt_op_start(&recv, self->fd, VIPC_IOC_RECV));
	ASSERT_EQ(0, vt_wait_receivers(self->fd, 1));
	ASSERT_EQ(0, vt_op_start(&call, self->fd, VIPC_IOC_CALL));
	ASSERT_EQ(0, vt_op_join(&recv));
	m = recv.msg;
	m.deadline_ns = 1;
	ASSERT_EQ(0, vt_reply(self->fd, &m));
	ASSERT_EQ(0, vt_op_join(&call));
	EXPECT_EQ(0, call.ret);
	EXPECT_EQ(0, call.msg.deadline_ns);
}

/*
 * Both sides meet at their deadline, or do not: a message that one of them
 * counts as passed, so does the other.
 */
TEST_F(deadline, races_with_delivery)
{
	unsigned int ops[] = { VIPC_IOC_SEND, VIPC_IOC_CALL };
	unsigned int met = 0;
	struct vipc_info info;

	for (int i = 0; i < RACES; i++) {
		struct vt_op op = { .msg = vt_msg(i) };
		bool call = ops[i % 2] == VIPC_IOC_CALL;
		struct vipc_msg m = { 0 };
		uint64_t at = vt_now_ns() + 2000000;
		int got;

		op.msg.deadline_ns = at;
		m.deadline_ns = at + (i % 32) * 20000;
		ASSERT_EQ(0, vt_op_start(&op, self->fd, ops[i % 2]));
		/* Half of them look when it is just about to be over. */
		while (i & 2 && vt_now_ns() < at)
			sched_yield();
		got = vt_recv(self->fd, &m);
		ASSERT_TRUE(got == 0 || got == -ETIMEDOUT);
		ASSERT_EQ(0, vt_op_join(&op));
		met += !got;
		if (call) {
			ASSERT_EQ(-ETIMEDOUT, op.ret);
			ASSERT_EQ(got ? 0 : VIPC_MSG_DELIVERED, op.msg.flags);
			if (!got)
				ASSERT_EQ(-ESRCH, vt_reply(self->fd, &m));
		} else {
			ASSERT_EQ(got, op.ret);
			ASSERT_EQ(0, op.msg.flags);
		}
		if (!got)
			ASSERT_TRUE(vt_msg_is(&m, i));
	}
	ASSERT_EQ(0, vt_info(self->fd, &info));
	EXPECT_EQ(met, info.received);
	EXPECT_EQ(met, info.sent + info.called);
	EXPECT_EQ(0, info.senders + info.receivers + info.in_service);
	TH_LOG("%u of %u met", met, RACES);
}

/* The reply comes at the caller's deadline: both know who won. */
TEST_F(deadline, races_with_the_reply)
{
	unsigned int answered = 0;
	struct vipc_info info;

	for (int i = 0; i < RACES; i++) {
		struct vt_op call = { .msg = vt_msg(i) };
		struct vipc_msg m = { 0 };
		uint64_t at = vt_now_ns() + 5000000;
		uint64_t until = at - 300000 + (i % 40) * 15000;
		int ret;

		call.msg.deadline_ns = at;
		m.deadline_ns = at;
		ASSERT_EQ(0, vt_op_start(&call, self->fd, VIPC_IOC_CALL));
		ret = vt_recv(self->fd, &m);
		if (!ret) {
			m.data[0] = i + 7;
			while (vt_now_ns() < until)
				;
			ret = vt_reply(self->fd, &m);
			ASSERT_TRUE(ret == 0 || ret == -ESRCH);
		}
		ASSERT_EQ(0, vt_op_join(&call));
		ASSERT_EQ(ret ? -ETIMEDOUT : 0, call.ret);
		if (!ret) {
			ASSERT_EQ(i + 7, call.msg.data[0]);
			ASSERT_EQ(0, call.msg.flags);
			answered++;
		}
	}
	ASSERT_EQ(0, vt_info(self->fd, &info));
	EXPECT_EQ(answered, info.replied);
	EXPECT_EQ(0, info.senders + info.receivers + info.in_service);
	TH_LOG("%u of %u answered", answered, RACES);
}

TEST_HARNESS_MAIN
