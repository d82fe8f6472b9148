// SPDX-License-Identifier: GPL-2.0
/*
 * Buffered endpoints: what is kept, for whom there is no room, and that all
 * messages, kept or waiting, come in the order in which they were sent.
 */
#include "vipc_held.h"
#include "vipc_procs.h"

FIXTURE(buffer)
{
	int fd, snd;
	struct vp_op *op;
	struct vipc_msg m;
};

FIXTURE_SETUP(buffer)
{
	self->fd = vt_open();
	ASSERT_LE(0, self->fd);
	self->snd = vt_derive(self->fd, VIPC_RIGHT_SEND, 7);
	ASSERT_LE(0, self->snd);
	self->op = vp_ops(16);
}

FIXTURE_TEARDOWN(buffer)
{
	close(self->snd);
	close(self->fd);
}

#define send_now(tag)	vp_send_tag(self->snd, tag, VIPC_NONBLOCK)

/* The next message is @tag's, and no call. */
#define expect_message(tag) do {					\
	ASSERT_EQ(0, vp_recv_now(self->fd, &self->m));			\
	EXPECT_TRUE(vt_msg_is(&self->m, tag)) {				\
		TH_LOG("message %u", self->m.opcode);			\
	}								\
	EXPECT_EQ(7, self->m.badge);					\
	EXPECT_EQ(0, self->m.reply);					\
} while (0)

/* The next message is @tag's call; it is answered. */
#define expect_call(tag) do {						\
	ASSERT_EQ(0, vp_recv_now(self->fd, &self->m));			\
	EXPECT_TRUE(vt_msg_is(&self->m, tag)) {				\
		TH_LOG("message %u", self->m.opcode);			\
	}								\
	EXPECT_EQ(0, vp_reply_tag(self->fd, self->m.reply, tag));	\
} while (0)

#define expect_nothing() \
	EXPECT_EQ(-EAGAIN, vp_recv_now(self->fd, &self->m))

/* ---- any depth ---- */

FIXTURE(depth)
{
	int fd, snd;
	struct vipc_msg m;
};

FIXTURE_VARIANT(depth)
{
	uint32_t depth;
	unsigned int rounds;	/* each takes the ring about once around */
};

#define DEPTH(n, r) \
	FIXTURE_VARIANT_ADD(depth, of_##n) { .depth = n, .rounds = r }

DEPTH(1, 100);
DEPTH(2, 60);
DEPTH(3, 60);
DEPTH(64, 12);
DEPTH(1000, 3);
DEPTH(65536, 1);

FIXTURE_SETUP(depth)
{
	self->fd = vt_open();
	ASSERT_LE(0, self->fd);
	self->snd = vt_derive(self->fd, VIPC_RIGHT_SEND, 7);
	ASSERT_LE(0, self->snd);
	ASSERT_EQ(0, vt_set_depth(self->fd, variant->depth));
}

FIXTURE_TEARDOWN(depth)
{
	close(self->snd);
	close(self->fd);
}

/* Filled to the last place, and emptied, again and again. */
TEST_F(depth, fill_and_empty)
{
	uint64_t in = 0, out = 0;
	struct vipc_info info;

	for (unsigned int round = 0; round < variant->rounds; round++) {
		while (in - out < variant->depth) {
			ASSERT_EQ(0, send_now(in));
			in++;
		}
		ASSERT_EQ(-EAGAIN, send_now(in));
		ASSERT_EQ(0, vt_info(self->fd, &info));
		ASSERT_EQ(variant->depth, info.buffered);
		ASSERT_EQ(variant->depth, info.depth);
		ASSERT_EQ(0, info.senders);
		ASSERT_EQ(in, info.sent);
		ASSERT_EQ(out, info.received);
		while (out < in) {
			expect_message(out);
			out++;
		}
		expect_nothing();
		ASSERT_EQ(0, vt_buffered(self->fd));
	}
}

/* Both ends of the ring move on by steps of any length. */
TEST_F(depth, wrap_around)
{
	struct vp_rng rng = vp_rng_init(vp_seed(), variant->depth);
	uint64_t in = 0, out = 0, end;

	end = variant->depth * (uint64_t)variant->rounds;
	while (out < end) {
		uint32_t n = 1 + vp_random(&rng, variant->depth);

		while (n-- && in - out < variant->depth) {
			ASSERT_EQ(0, send_now(in));
			in++;
		}
		ASSERT_EQ(in - out, vt_buffered(self->fd));
		if (in - out == variant->depth) {
			ASSERT_EQ(-EAGAIN, send_now(in));
		}
		n = 1 + vp_random(&rng, variant->depth);
		while (n-- && out < in) {
			expect_message(out);
			out++;
		}
	}
}

/* Death drops what is kept, and says how much that was. */
TEST_F(depth, dropped_by_death)
{
	long long dropped = vt_stat_value("dropped");

	ASSERT_LE(0, dropped);
	for (uint32_t i = 0; i < variant->depth; i++)
		ASSERT_EQ(0, send_now(i));
	expect_message(0);
	ASSERT_EQ(0, vt_shutdown(self->fd));
	EXPECT_EQ(dropped + variant->depth - 1, vt_stat_value("dropped"));
	EXPECT_EQ(0, vt_buffered(self->fd));
	EXPECT_EQ(-EPIPE, vp_recv_now(self->fd, &self->m));
	EXPECT_EQ(-EPIPE, send_now(1));
}

/* ---- one message ---- */

TEST_F(buffer, contents)
{
	struct vipc_msg sent = vt_msg(0x123456789abcdef), got, was;
	long long send_count = vt_stat_value("send_count");
	long long paths = vt_stat_value("fast_path_count") +
			  vt_stat_value("slow_path_count");
	struct vipc_info info;

	ASSERT_EQ(0, vt_set_depth(self->fd, 4));
	sent.badge = 0x1111;
	sent.reply = 0x2222;
	sent.flags = 0xa5a5ff00 | VIPC_UNINTERRUPTIBLE;
	sent.deadline_ns = 1;	/* long ago; but there is nothing to wait for */
	was = sent;
	ASSERT_EQ(0, vt_send(self->snd, &sent));
	EXPECT_EQ(0, memcmp(&was, &sent, sizeof(was)));
	ASSERT_EQ(0, vt_info(self->fd, &info));
	EXPECT_EQ(1, info.buffered);
	EXPECT_EQ(1, info.sent);
	EXPECT_EQ(0, info.received | info.senders);
	/* nothing that the sender does with its memory matters now */
	memset(&sent, 0xee, sizeof(sent));
	memset(&got, 0x5a, sizeof(got));
	got.flags = 0x5a5aff00 | VIPC_NONBLOCK;
	got.deadline_ns = 0x3333;
	ASSERT_EQ(0, vt_recv(self->fd, &got));
	was.badge = 7;
	was.reply = 0;
	was.flags = 0xa5a50000 | VIPC_NONBLOCK;
	was.deadline_ns = 0x3333;
	EXPECT_EQ(0, memcmp(&was, &got, sizeof(was)));
	ASSERT_EQ(0, vt_info(self->fd, &info));
	EXPECT_EQ(0, info.buffered);
	EXPECT_EQ(1, info.sent);
	EXPECT_EQ(1, info.received);
	EXPECT_EQ(send_count + 1, vt_stat_value("send_count"));
	EXPECT_EQ(paths + 1, vt_stat_value("fast_path_count") +
			     vt_stat_value("slow_path_count"));
}

/* Who waits gets it at once; the ring is for those who are not there. */
TEST_F(buffer, receiver_waits)
{
	struct vt_op recv = { .msg = { 0 } };
	struct vipc_info info;

	ASSERT_EQ(0, vt_set_depth(self->fd, 1));
	for (uint64_t i = 0; i < 10; i++) {
		ASSERT_EQ(0, vt_op_start(&recv, self->fd, i & 1 ?
					 VIPC_IOC_RECV : VIPC_IOC_REPLY_RECV));
		ASSERT_EQ(0, vt_wait_receivers(self->fd, 1));
		ASSERT_EQ(0, send_now(i));
		ASSERT_EQ(0, vt_buffered(self->fd));
		ASSERT_EQ(0, send_now(i + 100));
		ASSERT_EQ(0, vt_op_join(&recv));
		EXPECT_EQ(0, recv.ret);
		EXPECT_TRUE(vt_msg_is(&recv.msg, i));
		expect_message(i + 100);
	}
	ASSERT_EQ(0, vt_info(self->fd, &info));
	EXPECT_EQ(20, info.sent);
	EXPECT_EQ(20, info.received);
}

TEST_F(buffer, reply_recv_takes_it)
{
	struct vt_op call = { .msg = vt_msg(50) };
	struct vipc_msg m = { 0 };

	ASSERT_EQ(0, vt_set_depth(self->fd, 3));
	ASSERT_EQ(0, send_now(0));
	ASSERT_EQ(0, vt_op_start(&call, self->snd, VIPC_IOC_CALL));
	ASSERT_EQ(0, vt_wait_senders(self->fd, 1));
	ASSERT_EQ(0, send_now(1));
	ASSERT_EQ(0, vt_reply_recv(self->fd, &m));
	EXPECT_TRUE(vt_msg_is(&m, 0));
	ASSERT_EQ(0, vt_reply_recv(self->fd, &m));
	EXPECT_TRUE(vt_msg_is(&m, 50));
	m.data[0] = 51;
	ASSERT_EQ(0, vt_reply_recv(self->fd, &m));
	EXPECT_TRUE(vt_msg_is(&m, 1));
	EXPECT_EQ(0, m.reply);
	ASSERT_EQ(0, vt_op_join(&call));
	EXPECT_EQ(51, call.msg.data[0]);
	m.flags = VIPC_NONBLOCK;
	EXPECT_EQ(-EAGAIN, vt_reply_recv(self->fd, &m));
}

TEST_F(buffer, errors)
{
	int weak = vt_derive(self->fd, VIPC_RIGHT_RECV, 0);
	int mid = vt_derive(self->fd, VIPC_RIGHTS_ALL, 0);
	int gone = vt_derive(mid, VIPC_RIGHTS_ALL, 0);

	ASSERT_EQ(0, vt_set_depth(self->fd, 4));
	ASSERT_EQ(0, vt_revoke(mid));
	EXPECT_EQ(-EACCES, vp_send_tag(weak, 1, 0));
	EXPECT_EQ(-EKEYREVOKED, vp_send_tag(gone, 1, 0));
	EXPECT_EQ(-EINVAL, vp_send_tag(self->snd, 1, 4));
	EXPECT_EQ(-EFAULT, vt_send(self->snd, NULL));
	EXPECT_EQ(0, vt_buffered(self->fd));
	expect_nothing();
	/* a call is never kept */
	self->m = vt_msg(1);
	self->m.flags = VIPC_NONBLOCK;
	EXPECT_EQ(-EAGAIN, vt_call(self->snd, &self->m));
	self->m = vt_msg(1);
	self->m.deadline_ns = 1;
	EXPECT_EQ(-ETIMEDOUT, vt_call(self->snd, &self->m));
	EXPECT_EQ(0, vt_buffered(self->fd));
	close(gone);
	close(mid);
	close(weak);
}

/* ---- whoever sent it may go ---- */

TEST_F(buffer, sender_gone)
{
	int mid = vt_derive(self->fd, VIPC_RIGHTS_ALL, 0);
	int leaf = vt_derive(mid, VIPC_RIGHT_SEND, 8);
	int closed = vt_derive(self->fd, VIPC_RIGHT_SEND, 9);
	pid_t pid;

	ASSERT_EQ(0, vt_set_depth(self->fd, 8));
	ASSERT_EQ(0, vp_send_tag(leaf, 1, 0));
	ASSERT_EQ(0, vp_send_tag(closed, 2, 0));
	pid = vt_fork();
	ASSERT_LE(0, pid);
	if (!pid) {
		vp_keep_only(self->snd);
		if (send_now(3))
			_exit(1);
		raise(SIGKILL);
	}
	EXPECT_EQ(VP_KILLED, vt_reap(pid));
	ASSERT_EQ(0, vp_send_tag(leaf, 4, 0));
	ASSERT_EQ(0, vt_revoke(mid));
	EXPECT_EQ(-EKEYREVOKED, vp_send_tag(leaf, 5, 0));
	close(closed);
	close(leaf);
	close(mid);
	for (uint64_t i = 1; i <= 4; i++) {
		static const uint64_t badge[] = { 0, 8, 9, 7, 8 };

		ASSERT_EQ(0, vp_recv_now(self->fd, &self->m));
		EXPECT_TRUE(vt_msg_is(&self->m, i));
		EXPECT_EQ(badge[i], self->m.badge);
	}
	expect_nothing();
}

/* ---- order ---- */

/* Those that are kept and those that wait come as they were sent. */
TEST_F(buffer, kept_and_calls_in_order)
{
	static struct vt_op call[40];

	ASSERT_EQ(0, vt_set_depth(self->fd, 40));
	for (int turn = 0; turn < 3; turn++) {
		int calls = 0;

		for (int i = 0; i < 40; i++) {
			if ((i * (turn + 3)) % 5 > 1) {
				ASSERT_EQ(0, send_now(i));
				continue;
			}
			call[i].arg = NULL;
			call[i].msg = vt_msg(i);
			ASSERT_EQ(0, vt_op_start(&call[i], self->snd,
						 VIPC_IOC_CALL));
			ASSERT_EQ(0, vt_wait_senders(self->fd, ++calls));
		}
		ASSERT_EQ(40 - calls, vt_buffered(self->fd));
		for (int i = 0; i < 40; i++) {
			if ((i * (turn + 3)) % 5 > 1) {
				expect_message(i);
				continue;
			}
			expect_call(i);
			ASSERT_EQ(0, vt_op_join(&call[i]));
			EXPECT_EQ(0, call[i].ret);
		}
		expect_nothing();
	}
}

/* A full ring: who waits for a place keeps the turn that it had. */
TEST_F(buffer, turn_of_those_without_place)
{
	struct vt_op op[5];

	ASSERT_EQ(0, vt_set_depth(self->fd, 2));
	for (int i = 0; i < 2; i++)
		ASSERT_EQ(0, send_now(i));
	for (int i = 0; i < 5; i++) {
		op[i].arg = NULL;
		op[i].msg = vt_msg(i + 2);
		/* SEND 2, CALL 3, SEND 4, CALL 5, SEND 6 */
		ASSERT_EQ(0, vt_op_start(&op[i], self->snd, i & 1 ?
					 VIPC_IOC_CALL : VIPC_IOC_SEND));
		ASSERT_EQ(0, vt_wait_senders(self->fd, i + 1));
	}
	EXPECT_EQ(-EAGAIN, send_now(99));
	expect_message(0);
	ASSERT_EQ(0, vt_op_join(&op[0]));
	EXPECT_EQ(0, op[0].ret);
	EXPECT_EQ(4, vt_senders(self->fd));
	EXPECT_EQ(2, vt_buffered(self->fd));
	EXPECT_EQ(-EAGAIN, send_now(99));
	expect_message(1);
	ASSERT_EQ(0, vt_op_join(&op[2]));
	EXPECT_EQ(3, vt_senders(self->fd));
	EXPECT_EQ(2, vt_buffered(self->fd));
	expect_message(2);
	ASSERT_EQ(0, vt_op_join(&op[4]));
	EXPECT_EQ(2, vt_senders(self->fd));
	expect_call(3);
	ASSERT_EQ(0, vt_op_join(&op[1]));
	expect_message(4);
	/* nobody waits for a place any more, so there is one for this */
	ASSERT_EQ(0, send_now(7));
	expect_call(5);
	ASSERT_EQ(0, vt_op_join(&op[3]));
	expect_message(6);
	expect_message(7);
	expect_nothing();
	for (int i = 0; i < 5; i++)
		EXPECT_EQ(0, op[i].ret);
}

/* The caller at the head leaves; what was kept behind it is there at once. */
TEST_F(buffer, caller_leaves)
{
	struct vp_op *call = self->op;

	ASSERT_EQ(0, vt_set_depth(self->fd, 4));
	for (int how = 0; how < 3; how++) {
		call->msg = vt_msg(0);
		call->msg.deadline_ns = how == 0 ? vt_in_ms(300) : 0;
		ASSERT_EQ(0, vp_start(call, self->snd, VIPC_IOC_CALL));
		if (how) {
			ASSERT_EQ(0, vt_wait_senders(self->fd, 1));
		}
		ASSERT_EQ(0, send_now(1));
		ASSERT_EQ(0, send_now(2));
		if (how == 1)
			kill(call->pid, SIGUSR1);
		else if (how == 2)
			kill(call->pid, SIGKILL);
		EXPECT_EQ(how == 0 ? -ETIMEDOUT : how == 1 ? -EINTR : VP_KILLED,
			  vp_end(call));
		expect_message(1);
		expect_message(2);
		expect_nothing();
	}
}

/* Bits and notices first, whatever is kept. */
TEST_F(buffer, behind_the_kernels_own)
{
	int watched = vt_derive_watched(self->fd, 0, 5);

	ASSERT_LE(0, watched);
	ASSERT_EQ(0, vt_set_depth(self->fd, 3));
	for (int i = 0; i < 3; i++)
		ASSERT_EQ(0, send_now(i));
	close(watched);
	ASSERT_EQ(0, vt_notify(self->snd, 1));
	ASSERT_EQ(0, vp_recv_now(self->fd, &self->m));
	EXPECT_TRUE(vt_is_notification(&self->m, 1));
	ASSERT_EQ(0, vp_recv_now(self->fd, &self->m));
	EXPECT_TRUE(vt_is_notice(&self->m, 5));
	for (int i = 0; i < 3; i++)
		expect_message(i);
	expect_nothing();
}

/* ---- a receiver that cannot keep it ---- */

TEST_F(buffer, fault)
{
	struct vh_receiver h;
	struct vipc_info info;
	int ret;

	ASSERT_EQ(0, vt_set_depth(self->fd, 2));
	ASSERT_EQ(0, vh_faulting(&h, self->fd, VIPC_IOC_RECV));
	ASSERT_EQ(0, send_now(0));
	ASSERT_EQ(0, vt_op_join(&h.op));
	EXPECT_EQ(-EFAULT, h.op.ret);
	vh_forget(&h);
	ASSERT_EQ(0, vt_info(self->fd, &info));
	EXPECT_EQ(1, info.senders);
	EXPECT_EQ(1, info.sent);
	EXPECT_EQ(0, info.received | info.buffered);
	/* it is the first again, and takes no place in the ring */
	ASSERT_EQ(0, send_now(1));
	ASSERT_EQ(0, send_now(2));
	EXPECT_EQ(-EAGAIN, send_now(3));
	for (int i = 0; i < 3; i++)
		expect_message(i);
	expect_nothing();

	/* given back when others have come already */
	ret = vh_held(&h, self->fd, VIPC_IOC_RECV);
	if (ret == -EOPNOTSUPP)
		SKIP(return, "no userfaultfd");
	ASSERT_EQ(0, ret);
	ASSERT_EQ(0, send_now(10));
	ASSERT_EQ(0, vh_wait_held(&h));
	ASSERT_EQ(0, send_now(11));
	ASSERT_EQ(0, send_now(12));
	ASSERT_EQ(0, vh_let_go(&h, false));
	EXPECT_EQ(-EFAULT, h.op.ret);
	for (int i = 10; i < 13; i++)
		expect_message(i);
	expect_nothing();
	vh_forget(&h);
}

/* Given back, it is dropped with the others when the endpoint dies. */
TEST_F(buffer, fault_and_death)
{
	long long dropped = vt_stat_value("dropped");
	struct vh_receiver h;

	ASSERT_EQ(0, vt_set_depth(self->fd, 2));
	ASSERT_EQ(0, vh_faulting(&h, self->fd, VIPC_IOC_RECV));
	ASSERT_EQ(0, send_now(0));
	ASSERT_EQ(0, vt_op_join(&h.op));
	EXPECT_EQ(-EFAULT, h.op.ret);
	ASSERT_EQ(0, send_now(1));
	ASSERT_EQ(0, send_now(2));
	close(self->fd);
	EXPECT_EQ(dropped + 3, vt_stat_value("dropped"));
	EXPECT_EQ(-EPIPE, send_now(3));
	self->fd = self->snd;
	self->snd = -1;
	vh_forget(&h);
}

TEST_HARNESS_MAIN
