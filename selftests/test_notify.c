// SPDX-License-Identifier: GPL-2.0
/*
 * NOTIFY: bits that are never lost, never wait for room, and arrive as one
 * message ahead of all others.
 */
#include "vipc_held.h"
#include "vipc_inject.h"

#define PAGE	4096ul

/* Nothing is there. */
#define expect_nothing(fd) do {						\
	struct vipc_msg nothing_;					\
	EXPECT_EQ(-EAGAIN, vp_recv_now(fd, &nothing_));			\
} while (0)

#define expect_bits(fd, bits) do {					\
	struct vipc_msg bits_ = { 0 };					\
	EXPECT_EQ(0, vp_recv_now(fd, &bits_));				\
	EXPECT_TRUE(vt_is_notification(&bits_, bits)) {			\
		TH_LOG("flags %#x, bits %#llx", bits_.flags,		\
		       (unsigned long long)bits_.data[0]);		\
	}								\
} while (0)

/* ---- the message ---- */

FIXTURE(way)
{
	int fd, snd;
};

FIXTURE_VARIANT(way)
{
	unsigned long cmd;
	bool waiting;
};

#define WAY(name, c, w) \
	FIXTURE_VARIANT_ADD(way, name) { .cmd = VIPC_IOC_##c, .waiting = w }

WAY(recv_of_pending, RECV, false);
WAY(recv_waiting, RECV, true);
WAY(reply_recv_of_pending, REPLY_RECV, false);
WAY(reply_recv_waiting, REPLY_RECV, true);

FIXTURE_SETUP(way)
{
	self->fd = vt_open();
	ASSERT_LE(0, self->fd);
	self->snd = vt_derive(self->fd, VIPC_RIGHT_SEND, 0xbad9e);
	ASSERT_LE(0, self->snd);
}

FIXTURE_TEARDOWN(way)
{
	close(self->snd);
	close(self->fd);
}

/* To the byte, over rubbish; with a call to answer first, if there is a reply. */
TEST_F(way, contents)
{
	bool reply = variant->cmd == VIPC_IOC_REPLY_RECV;
	struct vt_op call = { .msg = vt_msg(1) }, recv = { .msg = vt_msg(2) };
	struct vipc_msg want, m = { 0 };
	struct vipc_info info;

	if (reply) {
		ASSERT_EQ(0, vt_op_start(&call, self->snd, VIPC_IOC_CALL));
		ASSERT_EQ(0, vt_recv_soon(self->fd, &m));
	}
	recv.msg.badge = 0x1111;
	recv.msg.reply = reply ? m.reply : 0x2222;
	recv.msg.flags = 0x5a5aff00 | VIPC_UNINTERRUPTIBLE;
	recv.msg.deadline_ns = vt_in_ms(1000000);
	want = (struct vipc_msg){
		.flags = VIPC_MSG_NOTIFICATION | VIPC_UNINTERRUPTIBLE,
		.data = { 0xfedcba9876543210 },
		.deadline_ns = recv.msg.deadline_ns,
	};
	if (!variant->waiting) {
		ASSERT_EQ(0, vt_notify(self->snd, 0xfedcba9876543210));
		ASSERT_EQ(0, vt_info(self->fd, &info));
		EXPECT_EQ(0, info.senders | info.receivers | info.buffered);
		EXPECT_EQ(reply, info.received);
	}
	ASSERT_EQ(0, vt_op_start(&recv, self->fd, variant->cmd));
	if (variant->waiting) {
		ASSERT_EQ(0, vt_wait_receivers(self->fd, 1));
		ASSERT_EQ(0, vt_notify(self->snd, 0xfedcba9876543210));
	}
	ASSERT_EQ(0, vt_op_join(&recv));
	EXPECT_EQ(0, recv.ret);
	EXPECT_EQ(0, memcmp(&want, &recv.msg, sizeof(want)));
	if (reply) {
		ASSERT_EQ(0, vt_op_join(&call));
		EXPECT_EQ(0, call.ret);
		EXPECT_TRUE(vt_msg_is(&call.msg, 2));
	}
	expect_nothing(self->fd);
	ASSERT_EQ(0, vt_info(self->fd, &info));
	EXPECT_EQ(0, info.sent);
	EXPECT_EQ(reply, info.called);
	EXPECT_EQ(reply, info.replied);
	EXPECT_EQ(1 + reply, info.received);
	EXPECT_EQ(0, info.receivers | info.senders | info.in_service);
}

TEST_F(way, every_bit)
{
	for (int bit = 0; bit < 64; bit++) {
		struct vt_op recv = { .msg = { 0 } };

		if (variant->waiting) {
			ASSERT_EQ(0, vt_op_start(&recv, self->fd, variant->cmd));
			ASSERT_EQ(0, vt_wait_receivers(self->fd, 1));
			ASSERT_EQ(0, vt_notify(self->snd, 1ull << bit));
			ASSERT_EQ(0, vt_op_join(&recv));
		} else {
			ASSERT_EQ(0, vt_notify(self->snd, 1ull << bit));
			recv.ret = vt_ioctl(self->fd, variant->cmd, &recv.msg);
		}
		ASSERT_EQ(0, recv.ret);
		ASSERT_TRUE(vt_is_notification(&recv.msg, 1ull << bit));
	}
	expect_nothing(self->fd);
}

/* ---- a receiver that cannot keep it ---- */

FIXTURE(fault)
{
	int fd, snd;
};

FIXTURE_VARIANT(fault)
{
	unsigned long cmd;
};

FIXTURE_VARIANT_ADD(fault, recv)
{
	.cmd = VIPC_IOC_RECV,
};

FIXTURE_VARIANT_ADD(fault, reply_recv)
{
	.cmd = VIPC_IOC_REPLY_RECV,
};

FIXTURE_SETUP(fault)
{
	self->fd = vt_open();
	ASSERT_LE(0, self->fd);
	self->snd = vt_derive(self->fd, VIPC_RIGHT_SEND, 7);
	ASSERT_LE(0, self->snd);
}

FIXTURE_TEARDOWN(fault)
{
	close(self->snd);
	close(self->fd);
}

/* What cannot be kept stays, together with what has come meanwhile. */
TEST_F(fault, gives_bits_back)
{
	struct vh_receiver h;
	struct vipc_info info;

	ASSERT_EQ(0, vh_faulting(&h, self->fd, variant->cmd));
	ASSERT_EQ(0, vt_notify(self->snd, 5));
	ASSERT_EQ(0, vt_op_join(&h.op));
	EXPECT_EQ(-EFAULT, h.op.ret);
	ASSERT_EQ(0, vt_info(self->fd, &info));
	EXPECT_EQ(0, info.received | info.senders | info.receivers);
	ASSERT_EQ(0, vt_notify(self->snd, 0x12));
	expect_bits(self->fd, 0x17);
	expect_nothing(self->fd);
	vh_forget(&h);
}

TEST_F(fault, with_the_bits_in_hand)
{
	struct vh_receiver h;
	int ret;

	for (int kept = 0; kept < 2; kept++) {
		ret = vh_held(&h, self->fd, variant->cmd);
		if (ret == -EOPNOTSUPP)
			SKIP(return, "no userfaultfd");
		ASSERT_EQ(0, ret);
		ASSERT_EQ(0, vt_notify(self->snd, 5));
		ASSERT_EQ(0, vh_wait_held(&h));
		expect_nothing(self->fd);
		ASSERT_EQ(0, vt_notify(self->snd, 0x12));
		ASSERT_EQ(0, vh_let_go(&h, kept));
		EXPECT_EQ(kept ? 0 : -EFAULT, h.op.ret);
		if (kept)
			EXPECT_TRUE(vt_is_notification(h.page, 5));
		expect_bits(self->fd, kept ? 0x12 : 0x17);
		expect_nothing(self->fd);
		vh_forget(&h);
	}
}

/* The next one gets what the first could not keep, though it waits already. */
TEST_F(fault, hands_bits_to_another)
{
	struct vt_op other = { .msg = { 0 } };
	struct vh_receiver h;

	ASSERT_EQ(0, vt_op_start(&other, self->fd, variant->cmd));
	ASSERT_EQ(0, vt_wait_receivers(self->fd, 1));
	ASSERT_EQ(0, vh_faulting(&h, self->fd, variant->cmd));
	ASSERT_EQ(0, vt_notify(self->snd, 3));
	ASSERT_EQ(0, vt_op_join(&h.op));
	ASSERT_EQ(0, vt_op_join(&other));
	EXPECT_EQ(-EFAULT, h.op.ret);
	EXPECT_EQ(0, other.ret);
	EXPECT_TRUE(vt_is_notification(&other.msg, 3));
	vh_forget(&h);
}

/* It dies with the bits in somebody's hand: they are not for anybody. */
TEST_F(fault, at_a_dead_endpoint)
{
	struct vh_receiver h;
	struct vipc_msg m;
	int ret;

	ret = vh_held(&h, self->fd, variant->cmd);
	if (ret == -EOPNOTSUPP)
		SKIP(return, "no userfaultfd");
	ASSERT_EQ(0, ret);
	ASSERT_EQ(0, vt_notify(self->snd, 5));
	ASSERT_EQ(0, vh_wait_held(&h));
	ASSERT_EQ(0, vt_shutdown(self->fd));
	ASSERT_EQ(0, vh_let_go(&h, false));
	EXPECT_EQ(-EFAULT, h.op.ret);
	EXPECT_EQ(-EPIPE, vp_recv_now(self->fd, &m));
	vh_forget(&h);
}

/* ---- who gets it, and when ---- */

FIXTURE(notify)
{
	int fd, snd;
	struct vipc_msg m;
};

FIXTURE_SETUP(notify)
{
	self->fd = vt_open();
	ASSERT_LE(0, self->fd);
	self->snd = vt_derive(self->fd, VIPC_RIGHT_SEND, 7);
	ASSERT_LE(0, self->snd);
}

FIXTURE_TEARDOWN(notify)
{
	close(self->snd);
	close(self->fd);
}

TEST_F(notify, bits_are_ored)
{
	uint64_t all = 0;

	for (int i = 0; i < 200; i++) {
		uint64_t bits = 1ull << (i * 7 % 61) | 1;

		ASSERT_EQ(0, vt_notify(i & 1 ? self->snd : self->fd, bits));
		all |= bits;
	}
	expect_bits(self->fd, all);
	expect_nothing(self->fd);
	ASSERT_EQ(0, vt_notify(self->snd, ~0ull));
	ASSERT_EQ(0, vt_notify(self->snd, 1));
	expect_bits(self->fd, ~0ull);
	expect_nothing(self->fd);
}

/* Bits, then notices, then what waits: whatever came first. */
TEST_F(notify, ahead_of_all_others)
{
	int watched = vt_derive_watched(self->fd, VIPC_RIGHT_SEND, 3);
	struct vt_op send = { .msg = vt_msg(1) }, call = { .msg = vt_msg(2) };

	ASSERT_LE(0, watched);
	ASSERT_EQ(0, vt_set_depth(self->fd, 1));
	ASSERT_EQ(0, vp_send_tag(self->snd, 0, 0));
	ASSERT_EQ(0, vt_op_start(&send, self->snd, VIPC_IOC_SEND));
	ASSERT_EQ(0, vt_wait_senders(self->fd, 1));
	ASSERT_EQ(0, vt_op_start(&call, self->snd, VIPC_IOC_CALL));
	ASSERT_EQ(0, vt_wait_senders(self->fd, 2));
	close(watched);
	ASSERT_EQ(0, vt_notify(self->snd, 1));
	expect_bits(self->fd, 1);
	ASSERT_EQ(0, vp_recv_now(self->fd, &self->m));
	EXPECT_TRUE(vt_is_notice(&self->m, 3));
	for (int i = 0; i < 3; i++) {
		ASSERT_EQ(0, vp_recv_now(self->fd, &self->m));
		EXPECT_TRUE(vt_msg_is(&self->m, i));
		ASSERT_EQ(0, vt_notify(self->snd, 32));
		expect_bits(self->fd, 32);
	}
	EXPECT_EQ(0, vp_reply_tag(self->fd, self->m.reply, 9));
	ASSERT_EQ(0, vt_op_join(&call));
	ASSERT_EQ(0, vt_op_join(&send));
	EXPECT_EQ(0, call.ret | send.ret);
	expect_nothing(self->fd);
}

/*
 * Notifying costs nothing, and so does not keep others from being served: while
 * requests wait, every second message is one of them.
 */
TEST_F(notify, starves_nobody)
{
	struct vt_op op[8];
	int watched = vt_derive_watched(self->fd, 0, 3);

	ASSERT_EQ(0, vt_set_depth(self->fd, 4));
	for (int i = 0; i < 8; i++) {
		op[i].arg = NULL;
		op[i].msg = vt_msg(i);
		ASSERT_EQ(0, vt_op_start(&op[i], self->snd, VIPC_IOC_SEND));
		/* four are kept, four wait */
		ASSERT_EQ(0, vt_wait_until(vt_buffered(self->fd) +
					   vt_senders(self->fd) == i + 1));
	}
	close(watched);
	ASSERT_EQ(0, vt_notify(self->snd, 1));
	expect_bits(self->fd, 1);
	ASSERT_EQ(0, vt_notify(self->snd, 2));
	ASSERT_EQ(0, vp_recv_now(self->fd, &self->m));
	EXPECT_TRUE(vt_is_notice(&self->m, 3));
	for (int i = 0; i < 8; i++) {
		ASSERT_EQ(0, vp_recv_now(self->fd, &self->m));
		EXPECT_TRUE(vt_msg_is(&self->m, i));
		ASSERT_EQ(0, vt_notify(self->snd, 4));
		expect_bits(self->fd, i ? 4 : 6);
		ASSERT_EQ(0, vt_notify(self->snd, 4));
	}
	/* nobody waits, and there is no reason to hold it back */
	expect_bits(self->fd, 4);
	ASSERT_EQ(0, vt_notify(self->snd, 8));
	expect_bits(self->fd, 8);
	for (int i = 0; i < 8; i++) {
		ASSERT_EQ(0, vt_op_join(&op[i]));
		EXPECT_EQ(0, op[i].ret);
	}
	expect_nothing(self->fd);
}

/* Nor does it help to wait along with the others for a moment. */
TEST_F(notify, starves_nobody_with_those_that_leave)
{
	struct vt_op op = { .msg = vt_msg(7) };

	ASSERT_EQ(0, vt_op_start(&op, self->snd, VIPC_IOC_SEND));
	ASSERT_EQ(0, vt_wait_senders(self->fd, 1));
	ASSERT_EQ(0, vt_notify(self->snd, 1));
	expect_bits(self->fd, 1);
	self->m = vt_msg(8);
	self->m.deadline_ns = vt_in_ms(5);
	ASSERT_EQ(-ETIMEDOUT, vt_send(self->snd, &self->m));
	ASSERT_EQ(0, vt_notify(self->snd, 2));
	self->m = (struct vipc_msg){ 0 };
	ASSERT_EQ(0, vp_recv_now(self->fd, &self->m));
	EXPECT_TRUE(vt_msg_is(&self->m, 7));
	expect_bits(self->fd, 2);
	ASSERT_EQ(0, vt_op_join(&op));
	EXPECT_EQ(0, op.ret);
}

/* One receiver gets it, the one that came last, and the others go on waiting. */
TEST_F(notify, one_receiver_gets_it)
{
	struct vt_op op[6];

	for (int i = 0; i < 6; i++) {
		op[i].arg = NULL;
		op[i].msg = (struct vipc_msg){ 0 };
		ASSERT_EQ(0, vt_op_start(&op[i], self->fd, i & 1 ?
					 VIPC_IOC_RECV : VIPC_IOC_REPLY_RECV));
		ASSERT_EQ(0, vt_wait_receivers(self->fd, i + 1));
	}
	for (int i = 5; i >= 0; i--) {
		ASSERT_EQ(0, vt_notify(self->snd, 3ull << i));
		ASSERT_EQ(i, vt_receivers(self->fd));
		ASSERT_EQ(0, vt_op_join(&op[i]));
		EXPECT_EQ(0, op[i].ret);
		EXPECT_TRUE(vt_is_notification(&op[i].msg, 3ull << i));
		for (int j = 0; j < i; j++)
			EXPECT_FALSE(vt_op_done(&op[j]));
	}
	ASSERT_EQ(0, vt_notify(self->snd, 9));
	expect_bits(self->fd, 9);
}

/* The reply goes out, and what is received with it is no request. */
TEST_F(notify, server_loop)
{
	struct vt_op call;
	struct vipc_msg m = { 0 };

	for (uint64_t i = 1; i <= 50; i++) {
		call.arg = NULL;
		call.msg = vt_msg(i);
		ASSERT_EQ(0, vt_op_start(&call, self->snd, VIPC_IOC_CALL));
		ASSERT_EQ(0, vt_reply_recv(self->fd, &m));
		ASSERT_TRUE(vt_msg_is(&m, i));
		ASSERT_EQ(0, vt_notify(self->snd, i));
		m.data[0] = i + 1000;
		ASSERT_EQ(0, vt_reply_recv(self->fd, &m));
		ASSERT_TRUE(vt_is_notification(&m, i));
		ASSERT_EQ(0, vt_op_join(&call));
		ASSERT_EQ(0, call.ret);
		ASSERT_EQ(i + 1000, call.msg.data[0]);
	}
	m.flags = VIPC_NONBLOCK;
	EXPECT_EQ(-EAGAIN, vt_reply_recv(self->fd, &m));
}

/* It waits for nothing: a deadline in the past does not matter. */
TEST_F(notify, late_receiver)
{
	struct vipc_msg m = { .deadline_ns = 1 };

	EXPECT_EQ(-ETIMEDOUT, vt_recv(self->fd, &m));
	ASSERT_EQ(0, vt_notify(self->snd, 6));
	EXPECT_EQ(0, vt_recv(self->fd, &m));
	EXPECT_TRUE(vt_is_notification(&m, 6));
	EXPECT_EQ(-ETIMEDOUT, vt_recv(self->fd, &m));
}

/* The bits are the endpoint's: who gave them may go, and so may its right. */
TEST_F(notify, notifier_gone)
{
	int mid = vt_derive(self->fd, VIPC_RIGHTS_ALL, 1);
	int leaf = vt_derive(mid, VIPC_RIGHT_SEND, 1);
	pid_t pid = vt_fork();

	ASSERT_LE(0, pid);
	if (!pid) {
		vp_keep_only(self->snd);
		if (vt_notify(self->snd, 1))
			_exit(1);
		kill(getpid(), SIGKILL);
	}
	EXPECT_EQ(VP_KILLED, vt_reap(pid));
	ASSERT_EQ(0, vt_notify(leaf, 2));
	ASSERT_EQ(0, vt_revoke(mid));
	EXPECT_EQ(-EKEYREVOKED, vt_notify(leaf, 4));
	close(leaf);
	close(mid);
	expect_bits(self->fd, 3);
	expect_nothing(self->fd);
}

/* ---- what fails changes nothing ---- */

TEST_F(notify, errors_in_their_order)
{
	int mid = vt_derive(self->fd, VIPC_RIGHTS_ALL, 0);
	int deaf = vt_derive(self->fd, VIPC_RIGHTS_ALL & ~VIPC_RIGHT_SEND, 0);
	int gone = vt_derive(mid, 0, 0), other;
	struct vt_op recv = { .msg = { 0 } };
	const void *none = (void *)8;

	ASSERT_LE(0, gone);
	ASSERT_EQ(0, vt_revoke(mid));
	ASSERT_EQ(0, vt_op_start(&recv, self->fd, VIPC_IOC_RECV));
	ASSERT_EQ(0, vt_wait_receivers(self->fd, 1));
	EXPECT_EQ(-EINVAL, vt_notify(self->snd, 0));
	EXPECT_EQ(-EFAULT, vt_ioctl(self->snd, VIPC_IOC_NOTIFY, none));
	EXPECT_EQ(-EACCES, vt_notify(deaf, 1));
	EXPECT_EQ(-EINVAL, vt_notify(deaf, 0));
	EXPECT_EQ(-EFAULT, vt_ioctl(deaf, VIPC_IOC_NOTIFY, none));
	EXPECT_EQ(-EKEYREVOKED, vt_notify(gone, 1));
	EXPECT_EQ(-EINVAL, vt_notify(gone, 0));
	EXPECT_EQ(-EFAULT, vt_ioctl(gone, VIPC_IOC_NOTIFY, none));
	EXPECT_EQ(1, vt_receivers(self->fd));
	EXPECT_FALSE(vt_op_done(&recv));
	ASSERT_EQ(0, vt_notify(self->snd, 1));
	ASSERT_EQ(0, vt_op_join(&recv));
	EXPECT_TRUE(vt_is_notification(&recv.msg, 1));
	expect_nothing(self->fd);

	/* Dead, with bits that nobody had taken. */
	ASSERT_EQ(0, vt_notify(self->snd, 2));
	ASSERT_EQ(0, vt_shutdown(self->fd));
	EXPECT_EQ(-EPIPE, vp_recv_now(self->fd, &self->m));
	EXPECT_EQ(-EPIPE, vt_notify(self->snd, 1));
	EXPECT_EQ(-EINVAL, vt_notify(self->snd, 0));
	EXPECT_EQ(-EACCES, vt_notify(deaf, 1));
	EXPECT_EQ(-EKEYREVOKED, vt_notify(gone, 1));
	other = vt_open_flags(O_WRONLY);
	EXPECT_EQ(-EPIPE, vt_notify(other, 1));
	close(other);
	close(gone);
	close(deaf);
	close(mid);
}

/* The bits are only read, from anywhere. */
TEST_F(notify, where_the_bits_are)
{
	char *page = mmap(NULL, 2 * PAGE, PROT_READ | PROT_WRITE,
			  MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	uint64_t bits = 0x1122334455667788;

	ASSERT_NE(MAP_FAILED, page);
	for (size_t off = PAGE - 9; off <= PAGE + 1; off++) {
		memset(page, 0xee, 2 * PAGE);
		memcpy(page + off, &bits, sizeof(bits));
		ASSERT_EQ(0, mprotect(page, 2 * PAGE, PROT_READ));
		ASSERT_EQ(0, vt_ioctl(self->snd, VIPC_IOC_NOTIFY, page + off));
		expect_bits(self->fd, bits);
		ASSERT_EQ(0, mprotect(page + PAGE, PAGE, PROT_NONE));
		ASSERT_EQ(off > PAGE - 8 ? -EFAULT : 0,
			  vt_ioctl(self->snd, VIPC_IOC_NOTIFY, page + off));
		if (off <= PAGE - 8)
			expect_bits(self->fd, bits);
		expect_nothing(self->fd);
		ASSERT_EQ(0, mprotect(page, 2 * PAGE, PROT_READ | PROT_WRITE));
	}
	munmap(page, 2 * PAGE);
}

TEST_F(notify, statistics)
{
	long long notified, received, sent, paths;
	struct vt_op recv = { .msg = { 0 } };

	notified = vt_stat_value("notify_count");
	received = vt_stat_value("receive_count");
	sent = vt_stat_value("send_count");
	paths = vt_stat_value("fast_path_count") +
		vt_stat_value("slow_path_count");
	ASSERT_LE(0, notified);
	for (int i = 0; i < 5; i++)
		ASSERT_EQ(0, vt_notify(self->snd, 1));
	EXPECT_EQ(-EINVAL, vt_notify(self->snd, 0));
	EXPECT_EQ(-EFAULT, vt_ioctl(self->snd, VIPC_IOC_NOTIFY, NULL));
	expect_bits(self->fd, 1);
	ASSERT_EQ(0, vt_op_start(&recv, self->fd, VIPC_IOC_RECV));
	ASSERT_EQ(0, vt_wait_receivers(self->fd, 1));
	ASSERT_EQ(0, vt_notify(self->snd, 1));
	ASSERT_EQ(0, vt_op_join(&recv));
	EXPECT_EQ(notified + 6, vt_stat_value("notify_count"));
	EXPECT_EQ(received + 2, vt_stat_value("receive_count"));
	EXPECT_EQ(sent, vt_stat_value("send_count"));
	EXPECT_EQ(paths, vt_stat_value("fast_path_count") +
			 vt_stat_value("slow_path_count"));
}

/* It needs no memory; what fails is the reading of the bits alone. */
TEST_F(notify, allocates_nothing)
{
	const char *why = vi_setup();
	struct vi_sweep s;
	int nth;

	if (why)
		SKIP(return, "%s", why);
	nth = vi_open();
	ASSERT_LE(0, nth);
	vi_for_each_nth(&s) {
		uint64_t bits = s.nth;

		s.ret = vi_ioctl(nth, s.nth, &s.injected, self->snd,
				 VIPC_IOC_NOTIFY, &bits);
		vi_note(&s);
		if (s.ret) {
			EXPECT_EQ(-EFAULT, s.ret);
			expect_nothing(self->fd);
		} else {
			expect_bits(self->fd, bits);
		}
	}
	EXPECT_GE(1, s.efault);
	EXPECT_EQ(0, s.enomem);
	EXPECT_EQ(0, s.ret);
	close(nth);
}

TEST_HARNESS_MAIN
