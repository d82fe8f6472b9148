// SPDX-License-Identifier: GPL-2.0
/*
 * Copies that are stopped halfway, by a page that does not come: what the other
 * side may do meanwhile, and what becomes of the message when one of the two is
 * interrupted, killed, revoked, or just goes on. Nobody needs the other's memory
 * to get away.
 */
#include "vipc_payload.h"

#define SMALL	3000u
#define LARGE	(VX_PIN_MIN + 5000)
#define ROOM	(64 * VX_KIB)
#define BADGE	5

FIXTURE(held)
{
	int fd, cap;
	long long dropped;
	uint8_t *out, *in, *back, *answer;
};

FIXTURE_VARIANT(held)
{
	uint32_t len;
};

FIXTURE_VARIANT_ADD(held, copied_twice)
{
	.len = SMALL,
};

FIXTURE_VARIANT_ADD(held, pinned)
{
	.len = LARGE,
};

FIXTURE_SETUP(held)
{
	if (!vx_can_hold())
		SKIP(return, "no userfaultfd");
	ASSERT_EQ(0, vx_open(&self->fd, &self->cap, BADGE, ROOM));
	ASSERT_EQ(0, vx_buffers(ROOM, &self->out, &self->in, &self->back,
				&self->answer));
	self->dropped = vt_stat_value("dropped");
}

FIXTURE_TEARDOWN(held)
{
	EXPECT_EQ(0, vp_wait_idle(self->fd));
	EXPECT_EQ(self->dropped, vt_stat_value("dropped"));
	EXPECT_EQ(0, vx_pinned_kib());
	close(self->cap);
	close(self->fd);
}

/* The last page of @len bytes at @p holds who touches it. */
static int hold_end(struct vx_held *h, uint8_t *p, uint32_t len)
{
	return vx_hold(h, p + (len - 1) / VX_PAGE * VX_PAGE, VX_PAGE);
}

static void ignore(int sig)
{
	(void)sig;
}

/* Sends thread @tid a signal that has a handler, and no restart. */
static int interrupt(pid_t tid)
{
	struct sigaction sa = { .sa_handler = ignore };

	sigaction(SIGUSR1, &sa, NULL);
	return (int)syscall(SYS_tgkill, getpid(), tid, SIGUSR1) ? -errno : 0;
}

/* A server is held while it unpacks @tx. */
#define unpacking(op_, cmd, tx, recv_, rx, h) do {			\
	*(rx) = vx_room(self->in, ROOM);				\
	ASSERT_EQ(0, vx_wait(recv_, self->fd, VIPC_IOC_RECV_X, rx));	\
	ASSERT_EQ(0, hold_end(h, self->in, variant->len));		\
	ASSERT_EQ(0, vx_start(op_, self->cap, cmd, tx));		\
	ASSERT_EQ(0, vx_wait_held(h));					\
	EXPECT_FALSE(vt_op_done(op_));					\
	EXPECT_EQ(1, vt_in_service(self->fd));				\
	EXPECT_EQ(0, vt_senders(self->fd));				\
} while (0)

static const unsigned long requests[] = { VIPC_IOC_SEND_X, VIPC_IOC_CALL_X };

/* A SEND has been sent when all of it has arrived. */
TEST_F(held, send_returns_when_all_is_there)
{
	struct vipc_xmsg tx = vx_msg(1, self->out, variant->len), rx;
	struct vt_op op = { 0 }, recv = { 0 };
	struct vx_held h;
	uint32_t there = (variant->len - 1) / VX_PAGE * VX_PAGE;

	unpacking(&op, VIPC_IOC_SEND_X, &tx, &recv, &rx, &h);
	ASSERT_EQ(0, vx_let_go(&h, true));
	ASSERT_EQ(0, vx_end(&recv));
	ASSERT_EQ(0, vx_end(&op));
	EXPECT_TRUE(vx_is(self->in, variant->len, 1)) {
		TH_LOG("after %u bytes", there);
	}
	EXPECT_EQ(0, tx.msg.flags);
}

/*
 * Its sender may leave, and knows then that somebody has it; and may use its memory
 * again. What was copied out of that by then is in the kernel; the rest is dropped
 * with a message that would be neither the old nor the new one.
 */
TEST_F(held, sender_leaves)
{
	const bool pinned = variant->len >= VX_PIN_MIN;

	for (int i = 0; i < 4; i++) {
		struct vipc_xmsg tx = vx_msg(1, self->out, variant->len), rx;
		struct vt_op op = { 0 }, recv = { 0 };
		bool by_signal = i & 1, call = i & 2;
		struct vipc_msg next = vt_msg(3);
		struct vx_held h;

		tx.msg.flags = 0xbeef0000;
		tx.msg.deadline_ns = by_signal ? 0 : vt_in_ms(700);
		unpacking(&op, requests[call], &tx, &recv, &rx, &h);
		if (by_signal) {
			ASSERT_EQ(0, vt_wait_blocked(getpid(), op.tid));
			ASSERT_EQ(0, interrupt(op.tid));
		}
		EXPECT_EQ(by_signal ? -EINTR : -ETIMEDOUT, vx_end(&op));
		EXPECT_EQ(0xbeef0000 | VIPC_MSG_DELIVERED, tx.msg.flags);
		EXPECT_EQ(0, vt_in_service(self->fd));
		memset(self->out, 0, ROOM);
		ASSERT_EQ(0, vx_let_go(&h, true));
		if (pinned) {
			/* the receiver still waits */
			ASSERT_EQ(0, vt_wait_receivers(self->fd, 1));
			ASSERT_EQ(0, vt_send(self->cap, &next));
		}
		ASSERT_EQ(0, vx_end(&recv));
		EXPECT_TRUE(vt_msg_is(&rx.msg, pinned ? 3 : 1));
		EXPECT_EQ(pinned ? 0 : variant->len, rx.rx_len);
		EXPECT_EQ(!pinned && call, rx.msg.reply != 0);
		if (!pinned) {
			EXPECT_TRUE(vx_is(self->in, variant->len, 1));
			EXPECT_EQ(-ESRCH, vt_reply(self->fd, &rx.msg));
		}
		EXPECT_EQ(0, vx_pinned_kib());
		vx_fill(self->out, ROOM, 1);
	}
}

/* Where there is nothing else, that is what is said; and nothing is written. */
TEST_F(held, sender_leaves_and_receiver_does_not_wait)
{
	struct vipc_xmsg tx = vx_msg(1, self->out, variant->len), rx, was;
	struct vt_op op = { 0 }, recv = { 0 };
	struct vx_held h;
	bool pinned = variant->len >= VX_PIN_MIN;
	struct vipc_info before, after;

	ASSERT_EQ(0, vt_info(self->fd, &before));
	tx.msg.deadline_ns = vt_in_ms(700);
	ASSERT_EQ(0, vx_queue(&op, self->cap, VIPC_IOC_CALL_X, &tx));
	was = vx_room(self->in, ROOM);
	was.msg.flags = VIPC_NONBLOCK;
	rx = was;
	ASSERT_EQ(0, hold_end(&h, self->in, variant->len));
	ASSERT_EQ(0, vx_start(&recv, self->fd, VIPC_IOC_RECV_X, &rx));
	ASSERT_EQ(0, vx_wait_held(&h));
	EXPECT_EQ(-ETIMEDOUT, vx_end(&op));
	ASSERT_EQ(0, vx_let_go(&h, true));
	EXPECT_EQ(pinned ? -EAGAIN : 0, vx_end(&recv));
	if (pinned) {
		EXPECT_EQ(0, memcmp(&was, &rx, sizeof(rx)));
	}
	ASSERT_EQ(0, vt_info(self->fd, &after));
	EXPECT_EQ(before.received + !pinned, after.received);
	EXPECT_EQ(before.called + 1, after.called);
}

/* The receiver faults after all, and its sender has left: then there is nothing. */
TEST_F(held, sender_leaves_and_receiver_faults)
{
	for (int call = 0; call < 2; call++) {
		struct vipc_xmsg tx = vx_msg(1, self->out, variant->len), rx;
		struct vt_op op = { 0 }, recv = { 0 };
		struct vx_held h;

		tx.msg.deadline_ns = vt_in_ms(700);
		unpacking(&op, requests[call], &tx, &recv, &rx, &h);
		EXPECT_EQ(-ETIMEDOUT, vx_end(&op));
		EXPECT_EQ(VIPC_MSG_DELIVERED, tx.msg.flags);
		ASSERT_EQ(0, vx_let_go(&h, false));
		EXPECT_EQ(-EFAULT, vx_end(&recv));
		ASSERT_EQ(0, mprotect(self->in, ROOM, PROT_READ | PROT_WRITE));
		rx = vx_room(self->in, ROOM);
		EXPECT_EQ(-EAGAIN, vx_recv_now(self->fd, &rx));
	}
}

/* A signal does not end an UNINTERRUPTIBLE one that a receiver has. */
TEST_F(held, uninterruptible)
{
	for (int call = 0; call < 2; call++) {
		struct vipc_xmsg tx = vx_msg(1, self->out, variant->len), rx;
		struct vt_op op = { 0 }, recv = { 0 };
		struct vx_held h;

		tx.msg.flags = VIPC_UNINTERRUPTIBLE;
		unpacking(&op, requests[call], &tx, &recv, &rx, &h);
		ASSERT_EQ(0, vt_wait_until(vt_task_state(getpid(), op.tid) ==
					   'I'));
		ASSERT_EQ(0, interrupt(op.tid));
		vt_pause_us(20000);	/* it must not come, which takes a while */
		EXPECT_FALSE(vt_op_done(&op));
		ASSERT_EQ(0, vx_let_go(&h, true));
		ASSERT_EQ(0, vx_end(&recv));
		if (call) {
			EXPECT_EQ(0, vt_reply(self->fd, &rx.msg));
		}
		EXPECT_EQ(0, vx_end(&op));
	}
}

/*
 * The end of the endpoint ends the sender, and the receiver keeps what it has: if
 * that is all of it.
 */
TEST_F(held, server_goes_away)
{
	const bool pinned = variant->len >= VX_PIN_MIN;

	for (int i = 0; i < 4; i++) {
		struct vipc_xmsg tx = vx_msg(1, self->out, variant->len), rx;
		struct vt_op op = { 0 }, recv = { 0 };
		bool call = i & 1, by_revoke = i & 2;
		int top = vt_open(), mid = vt_derive(top, VIPC_RIGHTS_ALL, 0);
		int saved[2] = { self->fd, self->cap };
		struct vx_held h;

		ASSERT_LE(0, mid);
		self->fd = mid;
		self->cap = vt_derive(top, VIPC_RIGHT_SEND, BADGE);
		ASSERT_LE(0, self->cap);
		ASSERT_EQ(0, vx_limits(top, ROOM, 0));
		unpacking(&op, requests[call], &tx, &recv, &rx, &h);
		ASSERT_EQ(0, by_revoke ? vt_revoke(top) : vt_shutdown(top));
		EXPECT_EQ(-ECONNRESET, vx_end(&op));
		EXPECT_EQ(VIPC_MSG_DELIVERED, tx.msg.flags);
		ASSERT_EQ(0, vx_let_go(&h, true));
		if (pinned) {
			EXPECT_EQ(by_revoke ? -EKEYREVOKED : -EPIPE,
				  vx_end(&recv));
		} else {
			EXPECT_EQ(0, vx_end(&recv));
			EXPECT_TRUE(vx_is(self->in, variant->len, 1));
		}
		EXPECT_EQ(0, vt_in_service(top));
		close(self->cap);
		close(mid);
		close(top);
		self->fd = saved[0];
		self->cap = saved[1];
	}
}

/* Killed while it unpacks, a server leaves the message to the next one. */
TEST_F(held, server_is_killed)
{
	for (int i = 0; i < 4; i++) {
		struct vipc_xmsg tx = vx_msg(1, self->out, variant->len), rx;
		bool call = i & 1, another = i & 2;
		int fd = vt_open(), cap = vt_derive(fd, VIPC_RIGHT_SEND, BADGE);
		int *stage = vp_shared(sizeof(*stage));
		struct vt_op op = { 0 };
		pid_t pid;

		ASSERT_LE(0, cap);
		ASSERT_EQ(0, vx_limits(fd, ROOM, 0));
		pid = vt_fork();
		ASSERT_LE(0, pid);
		if (!pid) {
			struct vt_op recv = { 0 };
			struct vx_held h;

			vp_keep_only(fd);
			rx = vx_room(self->in, ROOM);
			if (vx_wait(&recv, fd, VIPC_IOC_RECV_X, &rx) ||
			    hold_end(&h, self->in, variant->len))
				_exit(3);
			vp_set(stage, 1);
			if (vx_wait_held(&h))
				_exit(4);
			vp_set(stage, 2);
			for (;;)
				pause();
		}
		ASSERT_EQ(0, vt_wait_until(vp_get(stage) == 1));
		if (!another)
			close(fd);
		ASSERT_EQ(0, vx_start(&op, cap, requests[call], &tx));
		ASSERT_EQ(0, vt_wait_until(vp_get(stage) == 2));
		EXPECT_FALSE(vt_op_done(&op));
		ASSERT_EQ(VP_KILLED, vp_kill(pid));
		if (another) {
			rx = vx_room(self->in, ROOM);
			ASSERT_EQ(0, vx_recv(fd, &rx));
			EXPECT_TRUE(vt_msg_is(&rx.msg, 1));
			EXPECT_TRUE(vx_is(self->in, variant->len, 1));
			if (call) {
				EXPECT_EQ(0, vt_reply(fd, &rx.msg));
			}
			EXPECT_EQ(0, vx_end(&op));
			close(fd);
		} else {
			/* It could not keep it: so nobody has had it. */
			EXPECT_EQ(-EPIPE, vx_end(&op));
			EXPECT_EQ(0, tx.msg.flags);
		}
		close(cap);
		munmap(stage, sizeof(*stage));
	}
}

/* A server is held while it replies to a call with @variant->len bytes. */
#define replying(op_, tx, reply_, cmd, rx, h) do {			\
	vx_set_room(tx, self->answer, ROOM);				\
	ASSERT_EQ(0, vx_start(op_, self->cap, VIPC_IOC_CALL_X, tx));	\
	*(rx) = vx_room(self->in, ROOM);				\
	ASSERT_EQ(0, vx_recv(self->fd, rx));				\
	vx_set_tx(rx, self->back, variant->len);			\
	ASSERT_EQ(0, hold_end(h, self->back, variant->len));		\
	ASSERT_EQ(0, vx_start(reply_, self->fd, cmd, rx));		\
	ASSERT_EQ(0, vx_wait_held(h));					\
	EXPECT_FALSE(vt_op_done(op_));					\
} while (0)

static const unsigned long replies[] = {
	VIPC_IOC_REPLY_X, VIPC_IOC_REPLY_RECV_X,
};

/* The reply arrives when its page does. */
TEST_F(held, reply_goes_on)
{
	for (int i = 0; i < 2; i++) {
		struct vipc_xmsg tx = vx_msg(1, self->out, 10), rx;
		struct vt_op op = { 0 }, reply = { 0 };
		uint32_t there = (variant->len - 1) / VX_PAGE * VX_PAGE;
		struct vx_held h;

		replying(&op, &tx, &reply, replies[i], &rx, &h);
		EXPECT_EQ(1, vt_in_service(self->fd));
		ASSERT_EQ(0, vx_let_go(&h, true));
		ASSERT_EQ(0, vx_end(&op));
		EXPECT_EQ(variant->len, tx.rx_len);
		EXPECT_TRUE(vx_is(self->answer, there, 2));
		/* The page came with zeros. */
		EXPECT_EQ(0, memcmp(self->answer + there, self->back + there,
				    variant->len - there));
		if (i) {
			struct vipc_msg m = vt_msg(7);

			ASSERT_EQ(0, vt_send(self->cap, &m));
		}
		ASSERT_EQ(0, vx_end(&reply));
		vx_fill(self->back, ROOM, 2);
	}
}

/* A server that never gets its page cannot keep its caller from leaving. */
TEST_F(held, caller_leaves)
{
	for (int i = 0; i < 4; i++) {
		struct vipc_xmsg tx = vx_msg(1, self->out, 10), rx;
		struct vt_op op = { 0 }, reply = { 0 };
		bool by_signal = i & 1, reply_recv = i & 2;
		struct vx_held h;

		tx.msg.deadline_ns = by_signal ? 0 : vt_in_ms(700);
		replying(&op, &tx, &reply, replies[reply_recv], &rx, &h);
		if (by_signal) {
			ASSERT_EQ(0, vt_wait_blocked(getpid(), op.tid));
			ASSERT_EQ(0, interrupt(op.tid));
		}
		EXPECT_EQ(by_signal ? -EINTR : -ETIMEDOUT, vx_end(&op));
		EXPECT_EQ(VIPC_MSG_DELIVERED, tx.msg.flags);
		EXPECT_EQ(ROOM, tx.rx_len);
		EXPECT_EQ(0, vx_pinned_kib());
		memset(self->answer, VX_POISON, ROOM);
		ASSERT_EQ(0, vx_let_go(&h, true));
		EXPECT_EQ(-ESRCH, vx_end(&reply));
		/* What comes too late is not written any more. */
		EXPECT_TRUE(vx_is_poison(self->answer, ROOM));
		vx_fill(self->back, ROOM, 2);
	}
}

/* Nor from being killed. */
TEST_F(held, caller_is_killed)
{
	struct vipc_xmsg rx = vx_room(self->in, ROOM);
	struct vt_op reply = { 0 };
	struct vx_held h;
	pid_t pid = vt_fork();

	ASSERT_LE(0, pid);
	if (!pid) {
		struct vipc_xmsg tx = vx_msg(1, self->out, 10);

		vx_set_room(&tx, self->answer, ROOM);
		vp_keep_only(self->cap);
		_exit(vx_call(self->cap, &tx) != 0);
	}
	ASSERT_EQ(0, vx_recv(self->fd, &rx));
	vx_set_tx(&rx, self->back, variant->len);
	ASSERT_EQ(0, hold_end(&h, self->back, variant->len));
	ASSERT_EQ(0, vx_start(&reply, self->fd, VIPC_IOC_REPLY_X, &rx));
	ASSERT_EQ(0, vx_wait_held(&h));
	EXPECT_EQ(VP_KILLED, vp_kill(pid));
	EXPECT_EQ(0, vt_in_service(self->fd));
	ASSERT_EQ(0, vx_let_go(&h, true));
	EXPECT_EQ(-ESRCH, vx_end(&reply));
}

/* Two answer one call: the one whose memory is there wins. */
TEST_F(held, two_replies)
{
	struct vipc_xmsg tx = vx_msg(1, self->out, 10), rx, other;
	struct vt_op op = { 0 }, reply = { 0 };
	uint8_t *more = vx_map(ROOM);
	struct vx_held h;

	ASSERT_NE(NULL, more);
	vx_fill(more, ROOM, 9);
	replying(&op, &tx, &reply, VIPC_IOC_REPLY_X, &rx, &h);
	other = rx;
	other.msg = vt_msg(4);
	other.msg.reply = rx.msg.reply;
	vx_set_tx(&other, more, LARGE + 1);
	EXPECT_EQ(0, vx_reply(self->fd, &other));
	ASSERT_EQ(0, vx_end(&op));
	EXPECT_TRUE(vt_msg_is(&tx.msg, 4));
	EXPECT_EQ(LARGE + 1, tx.rx_len);
	ASSERT_EQ(0, vx_let_go(&h, true));
	EXPECT_EQ(-ESRCH, vx_end(&reply));
	EXPECT_TRUE(vx_is(self->answer, LARGE + 1, 9));
}

/* Both of them are held, halfway: what arrives is all of one of them. */
TEST_F(held, two_held_replies)
{
	struct vipc_xmsg tx = vx_msg(1, self->out, 10), rx, other;
	struct vt_op op = { 0 }, reply = { 0 }, reply2 = { 0 };
	uint32_t there = (variant->len - 1) / VX_PAGE * VX_PAGE;
	uint8_t *more = vx_map(ROOM);
	struct vx_held h, h2;

	ASSERT_NE(NULL, more);
	vx_fill(more, ROOM, 9);
	replying(&op, &tx, &reply, VIPC_IOC_REPLY_X, &rx, &h);
	other = rx;
	vx_set_tx(&other, more, variant->len);
	ASSERT_EQ(0, hold_end(&h2, more, variant->len));
	ASSERT_EQ(0, vx_start(&reply2, self->fd, VIPC_IOC_REPLY_X, &other));
	ASSERT_EQ(0, vx_wait_held(&h2));
	ASSERT_EQ(0, vx_let_go(&h, true));
	EXPECT_EQ(0, vx_end(&reply));
	ASSERT_EQ(0, vx_end(&op));
	EXPECT_EQ(variant->len, tx.rx_len);
	EXPECT_TRUE(vx_is(self->answer, there, 2));
	ASSERT_EQ(0, vx_let_go(&h2, true));
	EXPECT_EQ(-ESRCH, vx_end(&reply2));
	EXPECT_TRUE(vx_is(self->answer, there, 2));
	munmap(more, ROOM);
}

/* The server's capability is revoked, or the endpoint shut down, meanwhile. */
TEST_F(held, revoked_while_replying)
{
	for (int i = 0; i < 2; i++) {
		struct vipc_xmsg tx = vx_msg(1, self->out, 10), rx;
		int top = self->fd, mid = vt_derive(top, VIPC_RIGHT_RECV, 0);
		struct vt_op op = { 0 }, reply = { 0 };
		struct vx_held h;

		ASSERT_LE(0, mid);
		self->fd = mid;
		replying(&op, &tx, &reply, VIPC_IOC_REPLY_X, &rx, &h);
		self->fd = top;
		ASSERT_EQ(0, i ? vt_shutdown(top) : vt_revoke(top));
		EXPECT_EQ(-ECONNRESET, vx_end(&op));
		EXPECT_EQ(VIPC_MSG_DELIVERED, tx.msg.flags);
		ASSERT_EQ(0, vx_let_go(&h, true));
		EXPECT_EQ(i ? -ESRCH : -EKEYREVOKED, vx_end(&reply));
		close(mid);
		close(self->cap);
		self->cap = vt_derive(self->fd, VIPC_RIGHT_SEND, BADGE);
		vx_fill(self->back, ROOM, 2);
	}
}

/*
 * A server killed in its copy: the call ends with it. Where nothing else has the
 * receiving end, that is a server that went away.
 */
TEST_F(held, server_is_killed_replying)
{
	struct vipc_xmsg tx = vx_msg(1, self->out, 10), rx;
	int fd = vt_open(), cap = vt_derive(fd, VIPC_RIGHT_SEND, BADGE);
	int *stage = vp_shared(sizeof(*stage));
	struct vt_op op = { 0 };
	pid_t pid;

	ASSERT_LE(0, cap);
	ASSERT_EQ(0, vx_limits(fd, ROOM, 0));
	vx_set_room(&tx, self->answer, ROOM);
	pid = vt_fork();
	ASSERT_LE(0, pid);
	if (!pid) {
		struct vt_op reply = { 0 };
		struct vx_held h;

		vp_keep_only(fd);
		rx = vx_room(self->in, ROOM);
		if (vx_recv(fd, &rx) || hold_end(&h, self->back, variant->len))
			_exit(3);
		vx_set_tx(&rx, self->back, variant->len);
		if (vx_start(&reply, fd, VIPC_IOC_REPLY_X, &rx) ||
		    vx_wait_held(&h))
			_exit(4);
		vp_set(stage, 1);
		for (;;)
			pause();
	}
	close(fd);
	ASSERT_EQ(0, vx_start(&op, cap, VIPC_IOC_CALL_X, &tx));
	ASSERT_EQ(0, vt_wait_until(vp_get(stage) == 1));
	EXPECT_FALSE(vt_op_done(&op));
	ASSERT_EQ(VP_KILLED, vp_kill(pid));
	EXPECT_EQ(-ECONNRESET, vx_end(&op));
	EXPECT_EQ(VIPC_MSG_DELIVERED, tx.msg.flags);
	close(cap);
}

/* The caller is held when it takes its answer: the server has long gone on. */
TEST_F(held, caller_is_slow)
{
	struct vipc_xmsg tx = vx_msg(1, self->out, 10), rx;
	struct vt_op op = { 0 };
	struct vx_held h;

	vx_set_room(&tx, self->answer, SMALL);
	ASSERT_EQ(0, vx_start(&op, self->cap, VIPC_IOC_CALL_X, &tx));
	rx = vx_room(self->in, ROOM);
	ASSERT_EQ(0, vx_recv(self->fd, &rx));
	ASSERT_EQ(0, vx_hold(&h, self->answer, VX_PAGE));
	vx_set_tx(&rx, self->back, SMALL);
	ASSERT_EQ(0, vx_reply(self->fd, &rx));
	ASSERT_EQ(0, vx_wait_held(&h));
	EXPECT_EQ(0, vt_in_service(self->fd));
	EXPECT_FALSE(vt_op_done(&op));
	ASSERT_EQ(0, vx_let_go(&h, true));
	ASSERT_EQ(0, vx_end(&op));
	EXPECT_TRUE(vx_is(self->answer, SMALL, 2));
}

TEST_HARNESS_MAIN
