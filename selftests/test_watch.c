// SPDX-License-Identifier: GPL-2.0
/*
 * VIPC_DERIVE_NOTIFY_CLOSE: a server is told, once, when the last of a client's
 * capabilities is gone, however that came about. test_watch_end.c has what
 * processes do to them.
 */
#include "vipc_group.h"
#include "vipc_held.h"
#include "vipc_procs.h"

FIXTURE(watch)
{
	int fd;
	struct vipc_msg m;
};

FIXTURE_SETUP(watch)
{
	self->fd = vt_open();
	ASSERT_LE(0, self->fd);
}

FIXTURE_TEARDOWN(watch)
{
	close(self->fd);
}

#define expect_nothing() \
	EXPECT_EQ(-EAGAIN, vp_recv_now(self->fd, &self->m))

#define expect_notice(of) do {						\
	EXPECT_EQ(0, vp_recv_now(self->fd, &self->m));			\
	EXPECT_TRUE(vt_is_notice(&self->m, of)) {			\
		TH_LOG("flags %#x, badge %#llx", self->m.flags,		\
		       (unsigned long long)self->m.badge);		\
	}								\
} while (0)

/* A watched capability, or the test fails. */
#define watched(of) ({							\
	int watched_ = vt_derive_watched(self->fd, VIPC_RIGHT_SEND, of); \
	ASSERT_LE(0, watched_);						\
	watched_; })

/* To the byte, by RECV and REPLY_RECV, before they come and while they wait. */
TEST_F(watch, contents)
{
	static const uint64_t badges[] = { 1, 0x8000000000000000, ~0ull, 0xffffffff };

	for (int i = 0; i < 16; i++) {
		bool waits = i & 1;
		unsigned long cmd = i & 2 ? VIPC_IOC_RECV : VIPC_IOC_REPLY_RECV;
		uint64_t badge = badges[i / 4];
		struct vt_op recv = { .msg = vt_msg(2) };
		struct vipc_info info;
		int cap = watched(badge);

		recv.msg.badge = 0x1111;
		recv.msg.reply = i & 2 ? 0x2222 : 0;
		recv.msg.flags = 0x5a5aff00 | VIPC_UNINTERRUPTIBLE;
		recv.msg.deadline_ns = vt_in_ms(1000000);
		self->m = (struct vipc_msg){
			.badge = badge,
			.flags = VIPC_MSG_BADGE_CLOSED | VIPC_UNINTERRUPTIBLE,
			.deadline_ns = recv.msg.deadline_ns,
		};
		if (waits) {
			ASSERT_EQ(0, vt_op_start(&recv, self->fd, cmd));
			ASSERT_EQ(0, vt_wait_receivers(self->fd, 1));
			close(cap);
		} else {
			close(cap);
			ASSERT_EQ(0, vt_info(self->fd, &info));
			EXPECT_EQ(0, info.senders | info.buffered | info.receivers);
			EXPECT_EQ(1, info.capabilities);
			ASSERT_EQ(0, vt_op_start(&recv, self->fd, cmd));
		}
		ASSERT_EQ(0, vt_op_join(&recv));
		EXPECT_EQ(0, recv.ret);
		EXPECT_EQ(0, memcmp(&self->m, &recv.msg, sizeof(self->m)));
		expect_nothing();
		ASSERT_EQ(0, vt_info(self->fd, &info));
		EXPECT_EQ(i + 1, info.received);
		EXPECT_EQ(0, info.sent | info.called | info.in_service);
	}
}

/* What is derived is a capability like any other. */
TEST_F(watch, works_as_any)
{
	struct vt_op call = { .msg = vt_msg(5) };
	int cap = vt_derive_watched(self->fd, VIPC_RIGHTS_ALL, 9), child;
	struct vipc_info info;

	ASSERT_LE(0, cap);
	ASSERT_EQ(0, vt_info(cap, &info));
	EXPECT_EQ(9, info.badge);
	EXPECT_EQ(VIPC_RIGHTS_ALL, info.rights);
	ASSERT_EQ(0, vt_op_start(&call, cap, VIPC_IOC_CALL));
	ASSERT_EQ(0, vt_recv_soon(self->fd, &self->m));
	EXPECT_EQ(9, self->m.badge);
	EXPECT_EQ(0, self->m.flags);
	EXPECT_EQ(0, vp_reply_tag(self->fd, self->m.reply, 6));
	ASSERT_EQ(0, vt_op_join(&call));
	child = vt_derive(cap, 0, 9);
	ASSERT_LE(0, child);
	ASSERT_EQ(0, vt_revoke(cap));
	expect_nothing();
	close(child);
	expect_nothing();
	close(cap);
	expect_notice(9);
	expect_nothing();
}

TEST_F(watch, in_the_order_of_closing)
{
	static const int order[] = { 4, 0, 7, 2, 1, 6, 3, 5 };
	int cap[8];

	for (int i = 0; i < 8; i++)
		cap[i] = watched(i + 1);
	for (int i = 0; i < 8; i++)
		close(cap[order[i]]);
	for (int i = 0; i < 8; i++)
		expect_notice(order[i] + 1);
	expect_nothing();
}

/* Several with one badge: only the last one counts. */
TEST_F(watch, last_of_a_badge)
{
	int cap[5], plain[2], of_plain;

	for (int i = 0; i < 5; i++)
		cap[i] = watched(3);
	for (int i = 0; i < 2; i++) {
		plain[i] = vt_derive(self->fd, VIPC_RIGHTS_ALL, 3);
		ASSERT_LE(0, plain[i]);
	}
	of_plain = vt_derive(plain[0], VIPC_RIGHT_SEND, 3);
	ASSERT_LE(0, of_plain);
	close(plain[1]);
	for (int i = 0; i < 4; i++)
		close(cap[(i + 2) % 5]);
	expect_nothing();
	close(cap[1]);
	/* those that are not watched do not count, nor what comes of them */
	expect_notice(3);
	close(of_plain);
	close(plain[0]);
	expect_nothing();
}

/* What is derived from a watched one is watched, without asking. */
TEST_F(watch, children)
{
	int top = vt_derive_watched(self->fd, VIPC_RIGHTS_ALL, 3);
	int mid = vt_derive(top, VIPC_RIGHTS_ALL, 3);
	int leaf = vt_derive(mid, 0, 3), last;

	ASSERT_LE(0, leaf);
	close(top);
	close(mid);
	expect_nothing();
	close(leaf);
	expect_notice(3);

	top = vt_derive_watched(self->fd, VIPC_RIGHTS_ALL, 3);
	mid = vt_derive(top, VIPC_RIGHTS_ALL, 3);
	close(top);
	last = vt_derive(mid, VIPC_RIGHT_SEND, 3);
	ASSERT_LE(0, last);
	close(mid);
	expect_nothing();
	close(last);
	expect_notice(3);
	expect_nothing();
}

/* A badge means something at its own endpoint only. */
TEST_F(watch, other_endpoint)
{
	int other = vt_open(), mine = watched(3);
	int its = vt_derive_watched(other, VIPC_RIGHT_SEND, 3);

	ASSERT_LE(0, its);
	close(its);
	expect_nothing();
	ASSERT_EQ(0, vp_recv_now(other, &self->m));
	EXPECT_TRUE(vt_is_notice(&self->m, 3));
	close(mine);
	expect_notice(3);
	EXPECT_EQ(-EAGAIN, vp_recv_now(other, &self->m));
	close(other);
}

/* ---- revoked ---- */

TEST_F(watch, revoked)
{
	int mid = vt_derive(self->fd, VIPC_RIGHTS_ALL, 0), cap[12];
	int outside = watched(2);
	unsigned int seen = 0;

	for (int i = 0; i < 12; i++) {
		int from = i < 4 ? mid : cap[i - 4];

		/* each badge three times, one below the other */
		cap[i] = i < 4 ? vt_derive_watched(mid, VIPC_RIGHTS_ALL, i + 1) :
				 vt_derive(from, VIPC_RIGHTS_ALL, i % 4 + 1);
		ASSERT_LE(0, cap[i]);
	}
	ASSERT_EQ(0, vt_revoke(mid));
	/* badge 2 lives on outside */
	for (int i = 0; i < 3; i++) {
		ASSERT_EQ(0, vp_recv_now(self->fd, &self->m));
		EXPECT_TRUE(vt_is_notice(&self->m, self->m.badge));
		seen |= 1u << self->m.badge;
	}
	EXPECT_EQ(1u << 1 | 1u << 3 | 1u << 4, seen);
	expect_nothing();
	/* revoked ones are gone already */
	for (int i = 0; i < 12; i++)
		close(cap[i]);
	expect_nothing();
	close(outside);
	expect_notice(2);
	expect_nothing();
	close(mid);
}

/* Half of it closed before, half of it after. */
TEST_F(watch, revoked_and_closed)
{
	int a = watched(5), mid = vt_derive(self->fd, VIPC_RIGHTS_ALL, 0);
	int b = vt_derive_watched(mid, VIPC_RIGHT_SEND, 5);

	ASSERT_LE(0, b);
	close(a);
	expect_nothing();
	ASSERT_EQ(0, vt_revoke(mid));
	expect_notice(5);
	/* watched anew while a revoked one is still open */
	a = watched(5);
	close(b);
	expect_nothing();
	close(a);
	expect_notice(5);
	expect_nothing();
	close(mid);
}

TEST_F(watch, many_revoked_at_once)
{
	int mid = vt_derive(self->fd, VIPC_RIGHTS_ALL, 0);
	static bool seen[501];
	static int cap[500];

	for (int i = 0; i < 500; i++) {
		cap[i] = vt_derive_watched(mid, 0, i + 1);
		ASSERT_LE(0, cap[i]);
	}
	ASSERT_EQ(0, vt_revoke(mid));
	for (int i = 0; i < 500; i++) {
		ASSERT_EQ(0, vp_recv_now(self->fd, &self->m));
		ASSERT_TRUE(vt_is_notice(&self->m, self->m.badge));
		ASSERT_GE(500, self->m.badge);
		ASSERT_FALSE(seen[self->m.badge]);
		seen[self->m.badge] = true;
	}
	for (int i = 0; i < 500; i++)
		close(cap[i]);
	expect_nothing();
	close(mid);
}

/* ---- watched anew ---- */

TEST_F(watch, withdrawn)
{
	int a = watched(1), b = watched(2), c;

	close(a);
	close(b);
	/* one that is not watched takes nothing back */
	c = vt_derive(self->fd, 0, 1);
	ASSERT_LE(0, c);
	close(c);
	a = watched(1);
	/* gone again, it is the last in the queue */
	close(a);
	expect_notice(2);
	expect_notice(1);
	expect_nothing();

	for (int i = 0; i < 20; i++) {
		a = watched(1);
		close(a);
	}
	b = watched(1);
	expect_nothing();
	close(b);
	expect_notice(1);
	expect_nothing();
}

/* Received already, there is nothing to take back, and another one will come. */
TEST_F(watch, again_and_again)
{
	for (int i = 0; i < 50; i++) {
		int cap = watched(1 + i % 3);

		expect_nothing();
		close(cap);
		expect_notice(1 + i % 3);
	}
	expect_nothing();
}

/* What could not be derived was never there. */
TEST_F(watch, derive_that_fails)
{
	int cap = watched(1);

	close(cap);
	/* no descriptor for it */
	ASSERT_EQ(0, vg_limit_files(32));
	while (dup(self->fd) >= 0)
		;
	EXPECT_EQ(EMFILE, errno);
	for (int i = 0; i < 3; i++) {
		EXPECT_EQ(-EMFILE, vt_derive_watched(self->fd, 0, 2));
		EXPECT_EQ(-EMFILE, vt_derive_watched(self->fd, 0, 1));
	}
	EXPECT_EQ(-EINVAL, vt_derive_watched(self->fd, 0, 0));
	expect_notice(1);
	expect_nothing();
	EXPECT_EQ(1, vt_capabilities(self->fd));
}

/* ---- errors ---- */

TEST_F(watch, errors_in_their_order)
{
	int badged = vt_derive(self->fd, VIPC_RIGHTS_ALL, 4);
	int weak = vt_derive(self->fd, VIPC_RIGHT_SEND | VIPC_RIGHT_GRANT, 0);
	int miser = vt_derive(self->fd, VIPC_RIGHTS_ALL & ~VIPC_RIGHT_GRANT, 0);
	int mid = vt_derive(self->fd, VIPC_RIGHTS_ALL, 0);
	int gone = vt_derive(mid, VIPC_RIGHTS_ALL, 0);
	int mine = watched(4);
	struct vipc_derive d = { .rights = VIPC_RIGHT_SEND, .badge = 5 };

	ASSERT_LE(0, gone);
	ASSERT_EQ(0, vt_revoke(mid));
	for (int bit = 1; bit < 32; bit++) {
		d.flags = 1u << bit;
		ASSERT_EQ(-EINVAL, vt_ioctl(self->fd, VIPC_IOC_DERIVE, &d));
		d.flags |= VIPC_DERIVE_NOTIFY_CLOSE;
		ASSERT_EQ(-EINVAL, vt_ioctl(self->fd, VIPC_IOC_DERIVE, &d));
		/* before anything that takes the endpoint to know */
		ASSERT_EQ(-EINVAL, vt_ioctl(gone, VIPC_IOC_DERIVE, &d));
		ASSERT_EQ(-EINVAL, vt_ioctl(miser, VIPC_IOC_DERIVE, &d));
	}
	EXPECT_EQ(-EINVAL, vt_derive_watched(self->fd, 0, 0));
	EXPECT_EQ(-EINVAL, vt_derive_watched(badged, 0, 4));
	EXPECT_EQ(-EINVAL, vt_derive_watched(badged, 0, 5));
	EXPECT_EQ(-EINVAL, vt_derive_watched(badged, 0, 0));
	EXPECT_EQ(-EACCES, vt_derive_watched(mine, 0, 4));
	/* rights before badges */
	EXPECT_EQ(-EACCES, vt_derive_watched(miser, 0, 0));
	EXPECT_EQ(-EACCES, vt_derive_watched(weak, VIPC_RIGHT_RECV, 0));
	EXPECT_EQ(-EACCES, vt_derive_watched(weak, VIPC_RIGHT_RECV, 5));
	EXPECT_EQ(-EINVAL, vt_derive_watched(weak, VIPC_RIGHT_SEND, 0));
	EXPECT_EQ(-EKEYREVOKED, vt_derive_watched(gone, 0, 0));
	EXPECT_EQ(-EKEYREVOKED, vt_derive_watched(gone, 0, 5));
	expect_nothing();
	ASSERT_EQ(0, vt_shutdown(self->fd));
	EXPECT_EQ(-EPIPE, vt_derive_watched(self->fd, 0, 5));
	EXPECT_EQ(-EINVAL, vt_derive_watched(self->fd, 0, 0));
	EXPECT_EQ(-EACCES, vt_derive_watched(miser, 0, 5));
	EXPECT_EQ(-EKEYREVOKED, vt_derive_watched(gone, 0, 5));
	close(mine);
	close(badged);
	close(weak);
	close(miser);
	close(gone);
	close(mid);
}

/* ---- whoever receives ---- */

/* Bits come first, then notices, then messages. */
TEST_F(watch, among_other_messages)
{
	int a = watched(1), b = watched(2);
	struct vt_op send = { .msg = vt_msg(11) }, call = { .msg = vt_msg(12) };

	ASSERT_EQ(0, vt_op_start(&send, self->fd, VIPC_IOC_SEND));
	ASSERT_EQ(0, vt_wait_senders(self->fd, 1));
	ASSERT_EQ(0, vt_op_start(&call, self->fd, VIPC_IOC_CALL));
	ASSERT_EQ(0, vt_wait_senders(self->fd, 2));
	close(a);
	ASSERT_EQ(0, vt_notify(b, 7));
	ASSERT_EQ(0, vp_recv_now(self->fd, &self->m));
	EXPECT_TRUE(vt_is_notification(&self->m, 7));
	expect_notice(1);
	ASSERT_EQ(0, vp_recv_now(self->fd, &self->m));
	EXPECT_TRUE(vt_msg_is(&self->m, 11));
	close(b);
	expect_notice(2);
	ASSERT_EQ(0, vp_recv_now(self->fd, &self->m));
	EXPECT_TRUE(vt_msg_is(&self->m, 12));
	EXPECT_EQ(0, vp_reply_tag(self->fd, self->m.reply, 1));
	ASSERT_EQ(0, vt_op_join(&send));
	ASSERT_EQ(0, vt_op_join(&call));
	EXPECT_EQ(0, send.ret | call.ret);
}

TEST_F(watch, waiting_receivers)
{
	struct vt_op op[5];
	int cap[5];

	for (int i = 0; i < 5; i++) {
		cap[i] = watched(i + 1);
		op[i].arg = NULL;
		op[i].msg = (struct vipc_msg){ 0 };
		ASSERT_EQ(0, vt_op_start(&op[i], self->fd, i & 1 ?
					 VIPC_IOC_RECV : VIPC_IOC_REPLY_RECV));
		ASSERT_EQ(0, vt_wait_receivers(self->fd, i + 1));
	}
	for (int i = 4; i >= 0; i--) {
		close(cap[i]);
		ASSERT_EQ(i, vt_receivers(self->fd));
		ASSERT_EQ(0, vt_op_join(&op[i]));
		EXPECT_EQ(0, op[i].ret);
		EXPECT_TRUE(vt_is_notice(&op[i].msg, i + 1));
	}
	expect_nothing();
}

/* A revocation tells several receivers at once. */
TEST_F(watch, receivers_of_a_revocation)
{
	int mid = vt_derive(self->fd, VIPC_RIGHTS_ALL, 0), cap[5];
	unsigned int seen = 0;
	struct vt_op op[3];

	for (int i = 1; i < 5; i++) {
		cap[i] = vt_derive_watched(mid, 0, i);
		ASSERT_LE(0, cap[i]);
	}
	for (int i = 0; i < 3; i++) {
		op[i].arg = NULL;
		op[i].msg = (struct vipc_msg){ 0 };
		ASSERT_EQ(0, vt_op_start(&op[i], self->fd, VIPC_IOC_RECV));
		ASSERT_EQ(0, vt_wait_receivers(self->fd, i + 1));
	}
	ASSERT_EQ(0, vt_revoke(mid));
	for (int i = 0; i < 4; i++) {
		if (i < 3) {
			ASSERT_EQ(0, vt_op_join(&op[i]));
			self->m = op[i].msg;
		} else {
			ASSERT_EQ(0, vp_recv_now(self->fd, &self->m));
		}
		EXPECT_TRUE(vt_is_notice(&self->m, self->m.badge));
		seen |= 1u << self->m.badge;
	}
	EXPECT_EQ(0x1e, seen);
	expect_nothing();
	for (int i = 1; i < 5; i++)
		close(cap[i]);
	close(mid);
}

/* What a receiver could not keep is the first notice again. */
TEST_F(watch, fault_puts_it_back)
{
	int a = watched(1), b = watched(2), c = watched(3);
	struct vh_receiver h;
	struct vipc_info info;

	ASSERT_EQ(0, vh_faulting(&h, self->fd, VIPC_IOC_RECV));
	close(b);
	ASSERT_EQ(0, vt_op_join(&h.op));
	EXPECT_EQ(-EFAULT, h.op.ret);
	ASSERT_EQ(0, vt_info(self->fd, &info));
	EXPECT_EQ(0, info.received | info.senders | info.receivers);
	vh_forget(&h);
	close(a);
	close(c);
	expect_notice(2);
	expect_notice(1);
	expect_notice(3);
	expect_nothing();
}

/* Held with the notice in its hand; others come before it gives it back. */
TEST_F(watch, fault_with_the_notice_in_hand)
{
	struct vh_receiver h;
	int ret;

	for (int kept = 0; kept < 2; kept++) {
		int a = watched(1), b = watched(2);

		ret = vh_held(&h, self->fd, VIPC_IOC_RECV);
		if (ret == -EOPNOTSUPP)
			SKIP(return, "no userfaultfd");
		ASSERT_EQ(0, ret);
		close(b);
		ASSERT_EQ(0, vh_wait_held(&h));
		expect_nothing();
		close(a);
		ASSERT_EQ(0, vh_let_go(&h, kept));
		EXPECT_EQ(kept ? 0 : -EFAULT, h.op.ret);
		if (kept) {
			EXPECT_TRUE(vt_is_notice(h.page, 2));
		} else {
			expect_notice(2);
		}
		expect_notice(1);
		expect_nothing();
		vh_forget(&h);
	}
}

/* Meanwhile its badge is watched again, or even gone again. */
TEST_F(watch, watched_again_while_in_hand)
{
	struct vh_receiver h;
	int ret;

	for (int kept = 0; kept < 2; kept++) {
		for (int gone_again = 0; gone_again < 2; gone_again++) {
			int cap = watched(1);

			ret = vh_held(&h, self->fd, VIPC_IOC_RECV);
			if (ret == -EOPNOTSUPP)
				SKIP(return, "no userfaultfd");
			ASSERT_EQ(0, ret);
			close(cap);
			ASSERT_EQ(0, vh_wait_held(&h));
			cap = watched(1);
			if (gone_again)
				close(cap);
			ASSERT_EQ(0, vh_let_go(&h, kept));
			EXPECT_EQ(kept ? 0 : -EFAULT, h.op.ret);
			if (kept)
				EXPECT_TRUE(vt_is_notice(h.page, 1));
			if (!gone_again) {
				expect_nothing();
				close(cap);
			}
			/* once, whether or not the first was given back */
			expect_notice(1);
			expect_nothing();
			vh_forget(&h);
		}
	}
}

/* A receiver that waits already gets what another could not keep. */
TEST_F(watch, fault_hands_it_to_another)
{
	struct vt_op other = { .msg = { 0 } };
	struct vh_receiver h;
	int cap = watched(6);

	ASSERT_EQ(0, vt_op_start(&other, self->fd, VIPC_IOC_RECV));
	ASSERT_EQ(0, vt_wait_receivers(self->fd, 1));
	ASSERT_EQ(0, vh_faulting(&h, self->fd, VIPC_IOC_RECV));
	close(cap);
	ASSERT_EQ(0, vt_op_join(&h.op));
	ASSERT_EQ(0, vt_op_join(&other));
	EXPECT_EQ(-EFAULT, h.op.ret);
	EXPECT_TRUE(vt_is_notice(&other.msg, 6));
	expect_nothing();
	vh_forget(&h);
}

TEST_HARNESS_MAIN
