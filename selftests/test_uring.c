// SPDX-License-Identifier: GPL-2.0
/*
 * The operations as commands of io_uring's: each does what its ioctl does, without a
 * thread that waits.
 */
#include "vipc_ring_fixture.h"

TEST_F(uring, send_finds_receiver)
{
	struct vipc_msg in = { 0 }, out = vt_msg(1);

	ASSERT_EQ(0, vt_submit(&self->ring, self->server, VIPC_IOC_RECV, &in, 1));
	ASSERT_EQ(0, vt_wait_receivers(self->server, 1));
	EXPECT_TRUE(vt_quiet(&self->ring));
	ASSERT_EQ(0, vt_send(self->client, &out));
	EXPECT_EQ(0, vt_result(&self->ring, 1));
	EXPECT_TRUE(vt_msg_is(&in, 1));
	EXPECT_EQ(7, in.badge);
	EXPECT_EQ(0, in.reply);
}

TEST_F(uring, send_waits)
{
	struct vipc_msg in = { 0 }, out = vt_msg(2);

	ASSERT_EQ(0, vt_submit(&self->ring, self->client, VIPC_IOC_SEND, &out, 1));
	ASSERT_EQ(0, vt_wait_senders(self->server, 1));
	EXPECT_TRUE(vt_quiet(&self->ring));
	ASSERT_EQ(0, vt_recv(self->server, &in));
	EXPECT_EQ(0, vt_result(&self->ring, 1));
	EXPECT_TRUE(vt_msg_is(&in, 2));
	EXPECT_EQ(7, in.badge);
}

TEST_F(uring, call_is_answered)
{
	struct vipc_msg in = { 0 }, call = vt_msg(3), answer = vt_msg(4);

	ASSERT_EQ(0, vt_submit(&self->ring, self->client, VIPC_IOC_CALL, &call, 1));
	ASSERT_EQ(0, vt_recv_soon(self->server, &in));
	EXPECT_TRUE(vt_msg_is(&in, 3));
	ASSERT_NE(0, in.reply);
	EXPECT_TRUE(vt_quiet(&self->ring));
	answer.reply = in.reply;
	ASSERT_EQ(0, vt_reply(self->server, &answer));
	EXPECT_EQ(0, vt_result(&self->ring, 1));
	EXPECT_TRUE(vt_msg_is(&call, 4));
	EXPECT_EQ(0, call.badge);
	EXPECT_EQ(0, call.reply);
}

TEST_F(uring, reply_recv_serves)
{
	struct vipc_msg m = { 0 };
	struct vt_op op = { 0 };
	uint64_t i;

	for (i = 0; i < 10; i++) {
		ASSERT_EQ(0, vt_submit(&self->ring, self->server,
				       VIPC_IOC_REPLY_RECV, &m, i));
		if (i) {
			ASSERT_EQ(0, vt_op_join(&op));
			ASSERT_EQ(0, op.ret);
			EXPECT_EQ(99 + i + 1000, op.msg.data[0]);
		}
		op.msg = vt_msg(100 + i);
		ASSERT_EQ(0, vt_op_start(&op, self->client, VIPC_IOC_CALL));
		ASSERT_EQ(0, vt_result(&self->ring, i));
		EXPECT_TRUE(vt_msg_is(&m, 100 + i));
		m.data[0] += 1000;
	}
	ASSERT_EQ(0, vt_uring(&self->ring, self->server, VIPC_IOC_REPLY, &m));
	ASSERT_EQ(0, vt_op_join(&op));
	EXPECT_EQ(0, op.ret);
}

TEST_F(uring, both_sides_in_one_ring)
{
	struct vipc_msg call = vt_msg(6), in = { 0 };
	uint64_t tag;
	int res, i;

	ASSERT_EQ(0, vt_submit(&self->ring, self->client, VIPC_IOC_CALL, &call, 1));
	ASSERT_EQ(0, vt_uring(&self->ring, self->server, VIPC_IOC_RECV, &in));
	in.data[0] = 66;
	ASSERT_EQ(0, vt_submit(&self->ring, self->server, VIPC_IOC_REPLY, &in, 2));
	for (i = 0; i < 2; i++) {
		ASSERT_EQ(0, vt_next(&self->ring, &tag, &res));
		EXPECT_EQ(0, res);
	}
	EXPECT_EQ(66, call.data[0]);
}

TEST_F(uring, notify)
{
	uint64_t bits = 0x30;
	struct vipc_msg in;

	ASSERT_EQ(0, vt_uring(&self->ring, self->client, VIPC_IOC_NOTIFY, &bits));
	ASSERT_EQ(0, vt_recv_soon(self->server, &in));
	EXPECT_TRUE(vt_is_notification(&in, 0x30));
}

/* One thread with a thousand calls under way. */
TEST_F(uring, thousand_calls)
{
	enum { CALLS = 1000 };
	static struct vipc_msg calls[CALLS];
	static bool seen[CALLS];
	static uint64_t tokens[CALLS];
	struct vipc_msg m;
	uint64_t tag;
	int res, i;

	for (i = 0; i < CALLS; i++) {
		calls[i] = vt_msg((uint64_t)i);
		ASSERT_EQ(0, vt_submit(&self->ring, self->client, VIPC_IOC_CALL,
				       &calls[i], (uint64_t)i));
	}
	ASSERT_EQ(0, vt_wait_senders(self->server, CALLS));
	for (i = 0; i < CALLS; i++) {
		ASSERT_EQ(0, vt_recv_soon(self->server, &m));
		ASSERT_TRUE(vt_msg_is(&m, (uint64_t)i));
		tokens[i] = m.reply;
	}
	ASSERT_EQ(CALLS, vt_in_service(self->server));
	/* In another order than they came. */
	for (i = CALLS; i--;) {
		m = vt_msg((uint64_t)i + CALLS);
		m.reply = tokens[i];
		ASSERT_EQ(0, vt_reply(self->server, &m));
	}
	for (i = 0; i < CALLS; i++) {
		ASSERT_EQ(0, vt_next(&self->ring, &tag, &res));
		ASSERT_EQ(0, res);
		ASSERT_GT(CALLS, tag);
		ASSERT_FALSE(seen[tag]);
		seen[tag] = true;
		ASSERT_TRUE(vt_msg_is(&calls[tag], tag + CALLS));
	}
}

TEST_HARNESS_MAIN
