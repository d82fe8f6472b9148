// SPDX-License-Identifier: GPL-2.0
/*
 * Messages: what travels and what does not, who gets them and in which order,
 * on the fast path (a receiver waits) and on the slow path (the sender waits).
 */
#include "vipc_selftest.h"

#define QUEUED	64
#define STACKED	8

/* RECV, REPLY_RECV without a reply, and REPLY_RECV that answers a call. */
enum receive { PLAIN, JUST_RECEIVE, REPLY_FIRST };

FIXTURE(path)
{
	int fd, cap;
	long long fast, slow;
};

FIXTURE_VARIANT(path)
{
	unsigned long send;
	enum receive receive;
	bool receiver_first;
};

#define PATH(name, s, r, first) \
	FIXTURE_VARIANT_ADD(path, name) { \
		.send = VIPC_IOC_##s, .receive = r, .receiver_first = first }

PATH(send_to_waiting_recv, SEND, PLAIN, true);
PATH(send_to_waiting_reply_recv_0, SEND, JUST_RECEIVE, true);
PATH(send_to_waiting_reply_recv, SEND, REPLY_FIRST, true);
PATH(call_to_waiting_recv, CALL, PLAIN, true);
PATH(call_to_waiting_reply_recv_0, CALL, JUST_RECEIVE, true);
PATH(call_to_waiting_reply_recv, CALL, REPLY_FIRST, true);
PATH(recv_of_queued_send, SEND, PLAIN, false);
PATH(reply_recv_0_of_queued_send, SEND, JUST_RECEIVE, false);
PATH(reply_recv_of_queued_send, SEND, REPLY_FIRST, false);
PATH(recv_of_queued_call, CALL, PLAIN, false);
PATH(reply_recv_0_of_queued_call, CALL, JUST_RECEIVE, false);
PATH(reply_recv_of_queued_call, CALL, REPLY_FIRST, false);

FIXTURE_SETUP(path)
{
	self->fd = vt_open();
	ASSERT_LE(0, self->fd);
	self->cap = vt_derive(self->fd, VIPC_RIGHT_SEND, 0xbad9e);
	ASSERT_LE(0, self->cap);
}

FIXTURE_TEARDOWN(path)
{
	close(self->fd);
	close(self->cap);
}

/* What a sender puts in: rubbish wherever the kernel does not look. */
static struct vipc_msg sent_message(uint64_t deadline)
{
	struct vipc_msg m = vt_msg(0x123456789abcdefull);

	m.badge = 0x1111;
	m.reply = 0x2222;
	m.flags = 0xa5a5ff00 | VIPC_UNINTERRUPTIBLE;
	m.deadline_ns = deadline;
	return m;
}

TEST_F(path, contents_and_counts)
{
	uint64_t far = vt_in_ms(1000000), farther = far + 1;
	struct vt_op first = { .msg = vt_msg(1) }, send, recv = { 0 };
	struct vipc_msg in, *got = &recv.msg;
	struct vipc_info info;
	bool call = variant->send == VIPC_IOC_CALL;
	unsigned long cmd = variant->receive == PLAIN ? VIPC_IOC_RECV :
							VIPC_IOC_REPLY_RECV;

	if (variant->receive == REPLY_FIRST) {
		ASSERT_EQ(0, vt_op_start(&first, self->cap, VIPC_IOC_CALL));
		ASSERT_EQ(0, vt_wait_senders(self->fd, 1));
		ASSERT_EQ(0, vt_recv(self->fd, got));
		ASSERT_NE(0, got->reply);
		*got = (struct vipc_msg){ .opcode = 99, .reply = got->reply };
	}
	self->fast = vt_stat_value("fast_path_count");
	self->slow = vt_stat_value("slow_path_count");
	ASSERT_LE(0, self->fast);
	ASSERT_LE(0, self->slow);

	got->badge = 0x3333;
	got->flags = 0x5a5aff00 | VIPC_UNINTERRUPTIBLE;
	got->deadline_ns = farther;
	send.arg = NULL;
	send.msg = in = sent_message(far);
	if (variant->receiver_first) {
		ASSERT_EQ(0, vt_op_start(&recv, self->fd, cmd));
		ASSERT_EQ(0, vt_wait_receivers(self->fd, 1));
		ASSERT_EQ(0, vt_op_start(&send, self->cap, variant->send));
	} else {
		ASSERT_EQ(0, vt_op_start(&send, self->cap, variant->send));
		ASSERT_EQ(0, vt_wait_senders(self->fd, 1));
		ASSERT_EQ(0, vt_op_start(&recv, self->fd, cmd));
	}
	ASSERT_EQ(0, vt_op_join(&recv));
	ASSERT_EQ(0, recv.ret);

	EXPECT_EQ(0xbad9e, got->badge);
	EXPECT_EQ(call, got->reply != 0);
	EXPECT_NE(0x2222, got->reply);
	EXPECT_EQ(in.opcode, got->opcode);
	EXPECT_EQ(0xa5a50000 | VIPC_UNINTERRUPTIBLE, got->flags);
	EXPECT_EQ(0, memcmp(in.data, got->data, sizeof(in.data)));
	EXPECT_EQ(farther, got->deadline_ns);

	if (variant->receive == REPLY_FIRST) {
		ASSERT_EQ(0, vt_op_join(&first));
		EXPECT_EQ(0, first.ret);
		EXPECT_EQ(99, first.msg.opcode);
	}
	if (call) {
		struct vipc_msg reply = vt_msg(2), was;

		EXPECT_FALSE(vt_op_done(&send));
		reply.badge = 0x4444;
		reply.reply = got->reply;
		reply.flags = 0xc3c3ff00 | VIPC_NONBLOCK;
		reply.deadline_ns = 1;
		was = reply;
		ASSERT_EQ(0, vt_reply(self->fd, &reply));
		EXPECT_EQ(0, memcmp(&reply, &was, sizeof(was)));
		in = vt_msg(2);
		in.flags = 0xc3c30000 | VIPC_UNINTERRUPTIBLE;
		in.deadline_ns = far;
	}
	ASSERT_EQ(0, vt_op_join(&send));
	EXPECT_EQ(0, send.ret);
	/* SEND writes nothing; CALL has badge and reply 0. */
	EXPECT_EQ(0, memcmp(&in, &send.msg, sizeof(in)));

	/* The first call had its sender waiting, hence went the slow path. */
	EXPECT_EQ(variant->receiver_first,
		  vt_stat_value("fast_path_count") - self->fast);
	EXPECT_EQ(!variant->receiver_first + (variant->receive == REPLY_FIRST),
		  vt_stat_value("slow_path_count") - self->slow);

	ASSERT_EQ(0, vt_info(self->fd, &info));
	EXPECT_EQ(!call, info.sent);
	EXPECT_EQ(call + (variant->receive == REPLY_FIRST), info.called);
	EXPECT_EQ(info.called, info.replied);
	EXPECT_EQ(info.sent + info.called, info.received);
	EXPECT_EQ(0, info.senders);
	EXPECT_EQ(0, info.receivers);
	EXPECT_EQ(0, info.in_service);
}

FIXTURE(ipc)
{
	int fd;
};

FIXTURE_SETUP(ipc)
{
	self->fd = vt_open();
	ASSERT_LE(0, self->fd);
}

FIXTURE_TEARDOWN(ipc)
{
	close(self->fd);
}

/* Every single bit of what travels, on either path. */
TEST_F(ipc, every_bit_travels)
{
	for (int bit = 0; bit < 4 * 64 + 32 + 16; bit++) {
		struct vipc_msg want = { 0 };
		struct vt_op fast = { 0 }, slow = { 0 };

		if (bit < 256)
			want.data[bit / 64] = 1ull << bit % 64;
		else if (bit < 288)
			want.opcode = 1u << (bit - 256);
		else
			want.flags = 1u << (bit - 288 + 16);
		slow.msg = want;
		ASSERT_EQ(0, vt_op_start(&fast, self->fd, VIPC_IOC_RECV));
		ASSERT_EQ(0, vt_wait_receivers(self->fd, 1));
		ASSERT_EQ(0, vt_send(self->fd, &slow.msg));
		ASSERT_EQ(0, vt_op_join(&fast));
		ASSERT_EQ(0, memcmp(&want, &fast.msg, sizeof(want)));
		ASSERT_EQ(0, vt_op_start(&slow, self->fd, VIPC_IOC_SEND));
		ASSERT_EQ(0, vt_wait_senders(self->fd, 1));
		memset(&fast.msg, 0, sizeof(fast.msg));
		ASSERT_EQ(0, vt_recv(self->fd, &fast.msg));
		ASSERT_EQ(0, vt_op_join(&slow));
		ASSERT_EQ(0, memcmp(&want, &fast.msg, sizeof(want)));
	}
}

/* Nothing before or after the 64 bytes is written. */
TEST_F(ipc, no_byte_beside_the_structure)
{
	struct {
		unsigned char before[64];
		struct vipc_msg m;
		unsigned char after[64];
	} box;
	struct vt_op op = { .msg = vt_msg(1) };

	memset(&box, 0xee, sizeof(box));
	box.m.flags = 0;
	box.m.deadline_ns = 0;
	ASSERT_EQ(0, vt_op_start(&op, self->fd, VIPC_IOC_CALL));
	ASSERT_EQ(0, vt_recv(self->fd, &box.m));
	EXPECT_TRUE(vt_msg_is(&box.m, 1));
	ASSERT_EQ(0, vt_reply(self->fd, &box.m));
	ASSERT_EQ(0, vt_op_join(&op));
	for (int i = 0; i < 64; i++) {
		EXPECT_EQ(0xee, box.before[i]);
		EXPECT_EQ(0xee, box.after[i]);
	}
}

TEST_F(ipc, nonblock_send)
{
	struct vipc_msg m = vt_msg(1), was;
	struct vt_op op = { 0 };

	m.flags = VIPC_NONBLOCK | 0x12340000;
	m.deadline_ns = vt_in_ms(1000000);
	was = m;
	EXPECT_EQ(-EAGAIN, vt_send(self->fd, &m));
	EXPECT_EQ(0, memcmp(&was, &m, sizeof(m)));
	ASSERT_EQ(0, vt_senders(self->fd));
	ASSERT_EQ(0, vt_op_start(&op, self->fd, VIPC_IOC_RECV));
	ASSERT_EQ(0, vt_wait_receivers(self->fd, 1));
	EXPECT_EQ(0, vt_send(self->fd, &m));
	EXPECT_EQ(0, memcmp(&was, &m, sizeof(m)));
	ASSERT_EQ(0, vt_op_join(&op));
	EXPECT_TRUE(vt_msg_is(&op.msg, 1));
	/* The sender's wish is its own. */
	EXPECT_EQ(0x12340000, op.msg.flags);
}

/* Only the delivery must not block: the reply is waited for. */
TEST_F(ipc, nonblock_call)
{
	struct vipc_msg m = vt_msg(1), was;
	struct vt_op op = { 0 }, call;

	m.flags = VIPC_NONBLOCK | VIPC_MSG_DELIVERED;
	was = m;
	was.flags = VIPC_NONBLOCK; /* not delivered, it says */
	EXPECT_EQ(-EAGAIN, vt_call(self->fd, &m));
	EXPECT_EQ(0, memcmp(&was, &m, sizeof(m)));
	ASSERT_EQ(0, vt_senders(self->fd));
	ASSERT_EQ(0, vt_op_start(&op, self->fd, VIPC_IOC_RECV));
	ASSERT_EQ(0, vt_wait_receivers(self->fd, 1));
	call.arg = NULL;
	call.msg = was;
	ASSERT_EQ(0, vt_op_start(&call, self->fd, VIPC_IOC_CALL));
	ASSERT_EQ(0, vt_op_join(&op));
	ASSERT_EQ(0, vt_wait_blocked(getpid(), call.tid));
	ASSERT_EQ(1, vt_in_service(self->fd));
	op.msg.data[3] = 5;
	ASSERT_EQ(0, vt_reply(self->fd, &op.msg));
	ASSERT_EQ(0, vt_op_join(&call));
	EXPECT_EQ(0, call.ret);
	EXPECT_EQ(5, call.msg.data[3]);
	EXPECT_EQ(VIPC_NONBLOCK, call.msg.flags);
}

TEST_F(ipc, nonblock_recv)
{
	struct vipc_msg m = vt_msg(1), was;
	struct vt_op op = { .msg = vt_msg(2) };

	m.flags = VIPC_NONBLOCK;
	was = m;
	EXPECT_EQ(-EAGAIN, vt_recv(self->fd, &m));
	EXPECT_EQ(-EAGAIN, vt_recv(self->fd, &m));
	EXPECT_EQ(0, memcmp(&was, &m, sizeof(m)));
	ASSERT_EQ(0, vt_receivers(self->fd));
	ASSERT_EQ(0, vt_op_start(&op, self->fd, VIPC_IOC_SEND));
	ASSERT_EQ(0, vt_wait_senders(self->fd, 1));
	EXPECT_EQ(0, vt_recv(self->fd, &m));
	EXPECT_TRUE(vt_msg_is(&m, 2));
	EXPECT_EQ(VIPC_NONBLOCK, m.flags);
	ASSERT_EQ(0, vt_op_join(&op));
	EXPECT_EQ(-EAGAIN, vt_recv(self->fd, &m));
}

/* The reply goes out; then there is a message or there is not. */
TEST_F(ipc, nonblock_reply_recv)
{
	struct vt_op call = { .msg = vt_msg(1) }, send = { .msg = vt_msg(2) };
	struct vipc_msg m = { 0 }, was;

	for (int queued = 0; queued < 2; queued++) {
		memset(&m, 0, sizeof(m));
		ASSERT_EQ(0, vt_op_start(&call, self->fd, VIPC_IOC_CALL));
		ASSERT_EQ(0, vt_recv(self->fd, &m));
		if (queued) {
			ASSERT_EQ(0, vt_op_start(&send, self->fd, VIPC_IOC_SEND));
			ASSERT_EQ(0, vt_wait_senders(self->fd, 1));
		}
		m.flags = VIPC_NONBLOCK;
		m.data[0] = 7 + queued;
		was = m;
		EXPECT_EQ(queued ? 0 : -EAGAIN, vt_reply_recv(self->fd, &m));
		ASSERT_EQ(0, vt_op_join(&call));
		EXPECT_EQ(0, call.ret);
		EXPECT_EQ(7 + queued, call.msg.data[0]);
		EXPECT_EQ(0, m.reply);
		if (queued) {
			ASSERT_EQ(0, vt_op_join(&send));
			EXPECT_TRUE(vt_msg_is(&m, 2));
		} else {
			/* Only the token is gone. */
			was.reply = 0;
			EXPECT_EQ(0, memcmp(&was, &m, sizeof(m)));
			/* So that doing it again only receives. */
			EXPECT_EQ(-EAGAIN, vt_reply_recv(self->fd, &m));
		}
	}
}

/* A server of the usual form: each call answered while taking the next. */
TEST_F(ipc, reply_recv_loop)
{
	struct vipc_msg m = { 0 };
	struct vt_op op[4];

	for (int round = 0; round < 50; round++) {
		for (int i = 0; i < 4; i++) {
			op[i].arg = NULL;
			op[i].msg = vt_msg(round * 10 + i);
			ASSERT_EQ(0, vt_op_start(&op[i], self->fd, VIPC_IOC_CALL));
		}
		for (int i = 0; i < 4; i++) {
			ASSERT_EQ(0, vt_reply_recv(self->fd, &m));
			ASSERT_NE(0, m.reply);
			m.data[0] += 1000;
		}
		m.flags = VIPC_NONBLOCK;
		ASSERT_EQ(-EAGAIN, vt_reply_recv(self->fd, &m));
		m.flags = 0;
		for (int i = 0; i < 4; i++) {
			ASSERT_EQ(0, vt_op_join(&op[i]));
			ASSERT_EQ(0, op[i].ret);
			ASSERT_EQ(round * 10 + i + 1000, op[i].msg.data[0]);
		}
	}
}

/* First come, first served: SEND and CALL, through several capabilities. */
TEST_F(ipc, senders_are_a_queue)
{
	static struct vt_op op[QUEUED];
	struct vipc_msg m;
	int caps[4];

	for (int i = 0; i < 4; i++) {
		caps[i] = vt_derive(self->fd, VIPC_RIGHT_SEND, i + 1);
		ASSERT_LE(0, caps[i]);
	}
	for (int i = 0; i < QUEUED; i++) {
		op[i].msg = vt_msg(i);
		ASSERT_EQ(0, vt_op_start(&op[i], caps[i % 4], i % 3 ?
					 VIPC_IOC_SEND : VIPC_IOC_CALL));
		ASSERT_EQ(0, vt_wait_senders(self->fd, i + 1));
	}
	for (int i = 0; i < QUEUED; i++) {
		memset(&m, 0, sizeof(m));
		ASSERT_EQ(0, vt_recv(self->fd, &m));
		ASSERT_TRUE(vt_msg_is(&m, i)) {
			TH_LOG("message %u is number %d", m.opcode, i);
		}
		ASSERT_EQ(i % 4 + 1, m.badge);
		if (i % 3 == 0) {
			ASSERT_EQ(0, vt_reply(self->fd, &m));
		}
		ASSERT_EQ(0, vt_op_join(&op[i]));
		ASSERT_EQ(0, op[i].ret);
	}
}

/* Those that leave the middle of the queue do not disturb the order. */
TEST_F(ipc, leaving_the_queue)
{
	static struct vt_op op[9];
	int parent = vt_derive(self->fd, VIPC_RIGHTS_ALL, 0);
	int leaver = vt_derive(parent, VIPC_RIGHT_SEND, 0);

	ASSERT_LE(0, leaver);
	for (int i = 0; i < 9; i++) {
		op[i].msg = vt_msg(i);
		ASSERT_EQ(0, vt_op_start(&op[i], i % 3 == 1 ? leaver : self->fd,
					 VIPC_IOC_SEND));
		ASSERT_EQ(0, vt_wait_senders(self->fd, i + 1));
	}
	ASSERT_EQ(0, vt_revoke(parent));
	ASSERT_EQ(6, vt_senders(self->fd));
	for (int i = 0; i < 9; i++) {
		struct vipc_msg m = { 0 };

		if (i % 3 != 1) {
			ASSERT_EQ(0, vt_recv(self->fd, &m));
			ASSERT_TRUE(vt_msg_is(&m, i));
		}
		ASSERT_EQ(0, vt_op_join(&op[i]));
		ASSERT_EQ(i % 3 == 1 ? -EKEYREVOKED : 0, op[i].ret);
	}
	close(parent);
	close(leaver);
}

/* The warmest thread wins. */
TEST_F(ipc, receivers_are_a_stack)
{
	static struct vt_op op[STACKED];

	for (int i = 0; i < STACKED; i++) {
		ASSERT_EQ(0, vt_op_start(&op[i], self->fd,
					 i % 2 ? VIPC_IOC_RECV :
						 VIPC_IOC_REPLY_RECV));
		ASSERT_EQ(0, vt_wait_receivers(self->fd, i + 1));
	}
	for (int i = STACKED - 1; i >= 0; i--) {
		struct vipc_msg m = vt_msg(i);

		ASSERT_EQ(0, vt_send(self->fd, &m));
		ASSERT_EQ(0, vt_op_join(&op[i]));
		ASSERT_EQ(0, op[i].ret);
		ASSERT_TRUE(vt_msg_is(&op[i].msg, i));
		ASSERT_EQ(i, vt_receivers(self->fd));
	}
}

/* Whoever comes while another waits comes after it, whatever the moment. */
TEST_F(ipc, no_sender_overtakes)
{
	struct vt_op first, second;
	struct vipc_msg m;

	for (int round = 0; round < 200; round++) {
		first.arg = second.arg = NULL;
		first.msg = vt_msg(1);
		second.msg = vt_msg(2);
		ASSERT_EQ(0, vt_op_start(&first, self->fd, VIPC_IOC_SEND));
		ASSERT_EQ(0, vt_wait_senders(self->fd, 1));
		ASSERT_EQ(0, vt_op_start(&second, self->fd, VIPC_IOC_SEND));
		memset(&m, 0, sizeof(m));
		ASSERT_EQ(0, vt_recv(self->fd, &m));
		ASSERT_TRUE(vt_msg_is(&m, 1));
		ASSERT_EQ(0, vt_recv(self->fd, &m));
		ASSERT_TRUE(vt_msg_is(&m, 2));
		ASSERT_EQ(0, vt_op_join(&first));
		ASSERT_EQ(0, vt_op_join(&second));
	}
}

/* A reply however fast is not lost: threads on one CPU, and on two. */
static void *echo(void *arg)
{
	int fd = *(int *)arg, ret;
	struct vipc_msg m = { 0 };

	do {
		ret = vt_reply_recv(fd, &m);
		m.data[1] = ~m.data[0];
	} while (!ret);
	return (void *)(intptr_t)ret;
}

TEST_F(ipc, ping_pong)
{
	for (int cpu = 0; cpu < vt_cpus() && cpu < 2; cpu++) {
		pthread_t server;
		void *end;

		ASSERT_EQ(0, vt_pin(cpu));
		ASSERT_EQ(0, pthread_create(&server, NULL, echo, &self->fd));
		ASSERT_EQ(0, vt_pin(0));
		/* Waking another CPU takes an emulated machine long. */
		for (uint64_t i = 0; i < (cpu ? 500 : 3000); i++) {
			struct vipc_msg m = { .data = { i } };

			ASSERT_EQ(0, vt_call(self->fd, &m));
			ASSERT_EQ(i, m.data[0]);
			ASSERT_EQ(~i, m.data[1]);
		}
		ASSERT_EQ(0, vt_shutdown(self->fd));
		ASSERT_EQ(0, pthread_join(server, &end));
		ASSERT_EQ(-EPIPE, (intptr_t)end);
		close(self->fd);
		self->fd = vt_open();
		ASSERT_LE(0, self->fd);
	}
}

TEST_HARNESS_MAIN
