// SPDX-License-Identifier: GPL-2.0
/*
 * Every allocation and every user copy in the operations with bytes and descriptors
 * is made to fail, one by one. The error is a documented one or, where there is
 * another way, there is none; and no message, no descriptor and no pinned page is
 * lost by it.
 */
#include "failnth_payload.h"

FIXTURE_VARIANT_ADD(failnth, bytes)
{
	.len = 100,
};

FIXTURE_VARIANT_ADD(failnth, descriptors)
{
	.nfds = NFDS,
};

FIXTURE_VARIANT_ADD(failnth, pinned)
{
	.len = LARGE,
};

FIXTURE_VARIANT_ADD(failnth, pinned_and_descriptors)
{
	.len = LARGE,
	.nfds = NFDS,
};

FIXTURE_VARIANT_ADD(failnth, new_bytes)
{
	.len = 100,
	.new = true,
};

FIXTURE_VARIANT_ADD(failnth, new_pinned_and_descriptors)
{
	.len = LARGE,
	.nfds = NFDS,
	.new = true,
};

#define begin() do {							\
	if (variant->new) {						\
		ASSERT_EQ(0, renew(&self->fd, &self->cap));		\
	}								\
} while (0)

#define armed(ofd, cmd, arg)						\
	vi_ioctl(self->nth, self->s.nth, &self->s.injected, ofd, cmd, arg)

/* Notes what the sweep's operation has returned, which may be one of three. */
#define note(value) do {						\
	self->s.ret = (value);						\
	ASSERT_TRUE(self->s.ret == 0 || self->s.ret == -EFAULT ||	\
		    self->s.ret == -ENOMEM) {				\
		TH_LOG("fault point %u: %d", self->s.nth, self->s.ret);	\
	}								\
	EXPECT_TRUE(self->s.injected || !self->s.ret);			\
	vi_note(&self->s);						\
} while (0)

#define expect_request(x) do {						\
	EXPECT_TRUE(vt_msg_is(&(x)->msg, self->s.nth));			\
	EXPECT_EQ(BADGE, (x)->msg.badge);				\
	EXPECT_EQ(variant->len, (x)->rx_len);				\
	EXPECT_EQ(variant->nfds, (x)->rx_nfds);				\
	EXPECT_TRUE(vx_is(self->in, variant->len, 1));			\
	for (uint32_t f_ = 0; f_ < variant->nfds; f_++)			\
		EXPECT_EQ(0, close(self->got[f_]));			\
} while (0)

#define expect_reply(x) do {						\
	EXPECT_EQ(self->s.nth + 1, (x)->msg.opcode);			\
	EXPECT_EQ(variant->len, (x)->rx_len);				\
	EXPECT_EQ(variant->nfds, (x)->rx_nfds);				\
	EXPECT_TRUE(vx_is(self->answer, variant->len, 2));		\
	for (uint32_t f_ = 0; f_ < variant->nfds; f_++)			\
		EXPECT_EQ(0, close(self->got_back[f_]));		\
	memset(self->answer, 0, variant->len);				\
} while (0)

/* The request is all there; a call is answered. */
#define serve(x) do {							\
	expect_request(x);						\
	if ((x)->msg.reply) {						\
		reply(x);						\
		EXPECT_EQ(0, vx_reply(self->fd, x));			\
	}								\
} while (0)

/* Takes the request, which must be there now, and answers a call. */
#define take() do {							\
	struct vipc_xmsg rx_;						\
	room(&rx_);							\
	ASSERT_EQ(0, vx_recv_now(self->fd, &rx_));			\
	serve(&rx_);							\
} while (0)

/* A receiver waits; a SEND that fails leaves it waiting. */
TEST_F(failnth, send_to_a_receiver)
{
	const unsigned int least = variant->len == 100 ? 2 : 1;
	struct vt_op recv;
	struct vipc_xmsg tx, rx;
	bool waiting = false;

	vi_for_each_nth_until(&self->s, least, 0) {
		if (!waiting) {
			begin();
			recv = (struct vt_op){ 0 };
			room(&rx);
			ASSERT_EQ(0, vx_wait(&recv, self->fd, VIPC_IOC_RECV_X,
					     &rx));
		}
		mark();
		request(&tx);
		note(armed(self->cap, VIPC_IOC_SEND_X, &tx));
		waiting = self->s.ret != 0;
		if (waiting) {
			expect_unchanged();
			EXPECT_EQ(0, tx.msg.flags);
			EXPECT_FALSE(vt_op_done(&recv));
			EXPECT_EQ(0, vx_pinned_kib());
			continue;
		}
		ASSERT_EQ(0, vx_end(&recv));
		expect_request(&rx);
	}
	EXPECT_LE(least, self->s.efault);
	EXPECT_FALSE(waiting);
}

/* Nobody waits. */
TEST_F(failnth, send_into_the_queue)
{
	const unsigned int least = variant->len == 100 ? 2 : 1;

	vi_for_each_nth_until(&self->s, least, 0) {
		struct vi_op send = { 0 };
		struct vipc_xmsg tx;

		begin();
		mark();
		request(&tx);
		send.op.arg = &tx;
		ASSERT_EQ(0, vi_op_start(&send, self->s.nth, self->cap,
					 VIPC_IOC_SEND_X));
		ASSERT_EQ(0, vt_wait_until(vt_op_done(&send.op) ||
					   vt_senders(self->fd) == 1));
		if (vt_op_done(&send.op))
			expect_unchanged();
		else
			take();
		ASSERT_EQ(0, vt_op_join(&send.op));
		self->s.injected = send.injected;
		note(send.op.ret);
		EXPECT_EQ(0, tx.msg.flags);
		EXPECT_EQ(0, vx_pinned_kib());
	}
	EXPECT_EQ(0, self->s.ret);
	EXPECT_LE(least, self->s.efault);
}

/* A call fails before it is sent, or when it takes its answer. */
TEST_F(failnth, call)
{
	const unsigned int least = variant->len == 100 ? 4 : 2;
	int late = 0;

	vi_for_each_nth_until(&self->s, least, 0) {
		struct vi_op call = { 0 };
		struct vipc_xmsg tx;
		bool taken = false;

		begin();
		mark();
		request(&tx);
		call.op.arg = &tx;
		ASSERT_EQ(0, vi_op_start(&call, self->s.nth, self->cap,
					 VIPC_IOC_CALL_X));
		ASSERT_EQ(0, vt_wait_until(vt_op_done(&call.op) ||
					   vt_senders(self->fd) == 1));
		if (vt_op_done(&call.op)) {
			expect_unchanged();
		} else {
			take();
			taken = true;
		}
		ASSERT_EQ(0, vt_op_join(&call.op));
		self->s.injected = call.injected;
		note(call.op.ret);
		if (!self->s.ret) {
			EXPECT_TRUE(taken);
			expect_reply(&tx);
		} else {
			EXPECT_EQ(taken ? VIPC_MSG_DELIVERED : 0, tx.msg.flags);
			late += taken;
		}
		EXPECT_EQ(self->count, vx_count_fds());
		EXPECT_EQ(0, vx_pinned_kib());
	}
	EXPECT_EQ(0, self->s.ret);
	EXPECT_LE(least, self->s.efault);
	if (variant->new) {
		EXPECT_LE(1, self->s.tolerated);
	}
	EXPECT_LE(1, late);
}

/* A reply that fails leaves its token valid. */
TEST_F(failnth, reply)
{
	const unsigned int least = variant->len == 100 ? 2 : 1;

	vi_for_each_nth_until(&self->s, least, 0) {
		struct vt_op call = { 0 };
		struct vipc_xmsg tx, rx;

		begin();
		request(&tx);
		/* The memory for the reply is allocated, too, if that is new. */
		if (variant->new)
			tx.tx_len = tx.tx_nfds = 0;
		ASSERT_EQ(0, vx_start(&call, self->cap, VIPC_IOC_CALL_X, &tx));
		room(&rx);
		ASSERT_EQ(0, vx_recv(self->fd, &rx));
		if (!variant->new)
			expect_request(&rx);
		mark();
		reply(&rx);
		note(armed(self->fd, VIPC_IOC_REPLY_X, &rx));
		if (self->s.ret) {
			expect_unchanged();
			EXPECT_FALSE(vt_op_done(&call));
			ASSERT_EQ(0, vx_reply(self->fd, &rx));
		}
		ASSERT_EQ(0, vx_end(&call));
		expect_reply(&tx);
	}
	EXPECT_LE(least, self->s.efault);
}

/* What a receive that has failed leaves behind: the message, as the first. */
#define expect_given_back() do {					\
	ASSERT_EQ(0, vt_wait_senders(self->fd, 1));			\
	ASSERT_EQ(0, vt_info(self->fd, &self->after));			\
	EXPECT_EQ(0, self->after.in_service);				\
	EXPECT_EQ(self->before.received, self->after.received);		\
	EXPECT_EQ(self->before.sent, self->after.sent);			\
	EXPECT_EQ(self->before.called, self->after.called);		\
	take();								\
} while (0)

static const unsigned long requests[] = { VIPC_IOC_SEND_X, VIPC_IOC_CALL_X };
static const unsigned long receives[] = {
	VIPC_IOC_RECV_X, VIPC_IOC_REPLY_RECV_X,
};

/* A message waits, and a receive fails. */
static void from_the_queue(struct __test_metadata *_metadata,
			   FIXTURE_DATA(failnth) *self,
			   const FIXTURE_VARIANT(failnth) *variant,
			   unsigned long send_cmd, unsigned long recv_cmd)
{
	const unsigned int least = variant->len == 100 ? 3 : 2;

	vi_for_each_nth_until(&self->s, least, 0) {
		struct vt_op send = { 0 };
		struct vipc_xmsg tx, rx;

		begin();
		mark();
		request(&tx);
		ASSERT_EQ(0, vx_queue(&send, self->cap, send_cmd, &tx));
		room(&rx);
		note(armed(self->fd, recv_cmd, &rx));
		if (self->s.ret) {
			EXPECT_EQ(self->count, vx_count_fds());
			EXPECT_FALSE(vt_op_done(&send));
			EXPECT_EQ(0, rx.msg.reply);
			expect_given_back();
		} else {
			serve(&rx);
		}
		ASSERT_EQ(0, vx_end(&send));
		if (send_cmd == VIPC_IOC_CALL_X)
			expect_reply(&tx);
	}
	EXPECT_LE(least, self->s.efault);
}

/* A receiver waits, gets a message, and cannot keep it. */
static void while_it_waits(struct __test_metadata *_metadata,
			   FIXTURE_DATA(failnth) *self,
			   const FIXTURE_VARIANT(failnth) *variant,
			   unsigned long send_cmd, unsigned long recv_cmd)
{
	const unsigned int least = variant->len == 100 ? 3 : 2;
	int late = 0;

	vi_for_each_nth_until(&self->s, least, 0) {
		struct vi_op recv = { 0 };
		struct vt_op send = { 0 };
		struct vipc_xmsg tx, rx;
		bool at_once;

		begin();
		mark();
		room(&rx);
		recv.op.arg = &rx;
		ASSERT_EQ(0, vi_op_start(&recv, self->s.nth, self->fd, recv_cmd));
		ASSERT_EQ(0, vt_wait_until(vt_op_done(&recv.op) ||
					   vt_receivers(self->fd) == 1));
		at_once = vt_op_done(&recv.op);
		request(&tx);
		ASSERT_EQ(0, vx_start(&send, self->cap, send_cmd, &tx));
		ASSERT_EQ(0, vt_op_join(&recv.op));
		self->s.injected = recv.injected;
		note(recv.op.ret);
		if (self->s.ret) {
			late += !at_once;
			EXPECT_EQ(0, rx.msg.reply);
			expect_given_back();
		} else {
			serve(&rx);
		}
		ASSERT_EQ(0, vx_end(&send));
		if (send_cmd == VIPC_IOC_CALL_X)
			expect_reply(&tx);
		EXPECT_EQ(self->count, vx_count_fds());
		EXPECT_EQ(0, vx_pinned_kib());
	}
	EXPECT_LE(1, late);
}

TEST_F(failnth, receive_from_the_queue)
{
	for (int i = 0; i < 4; i++)
		from_the_queue(_metadata, self, variant, requests[i % 2],
			       receives[i / 2]);
}

TEST_F(failnth, receive_while_it_waits)
{
	for (int i = 0; i < 4; i++)
		while_it_waits(_metadata, self, variant, requests[i % 2],
			       receives[i / 2]);
}

/* The reply goes out once, and the server can tell whether it did. */
TEST_F(failnth, reply_recv)
{
	int before_reply = 0, after_reply = 0;

	vi_for_each_nth_until(&self->s, 3, 0) {
		struct vt_op call = { 0 }, next = { 0 };
		struct vipc_xmsg tx, rx, tx_next;
		uint64_t token;

		begin();
		request(&tx);
		ASSERT_EQ(0, vx_start(&call, self->cap, VIPC_IOC_CALL_X, &tx));
		room(&rx);
		ASSERT_EQ(0, vx_recv(self->fd, &rx));
		expect_request(&rx);
		token = rx.msg.reply;
		request(&tx_next);
		tx_next.rx_len = tx_next.rx_nfds = 0;
		ASSERT_EQ(0, vx_queue(&next, self->cap, VIPC_IOC_SEND_X,
				      &tx_next));
		mark();
		reply(&rx);
		vx_set_room(&rx, self->in, variant->len);
		vx_set_fd_room(&rx, self->got, variant->nfds);
		memset(self->in, 0, variant->len);
		note(armed(self->fd, VIPC_IOC_REPLY_RECV_X, &rx));
		if (!self->s.ret) {
			expect_request(&rx);
		} else if (rx.msg.reply) {
			EXPECT_EQ(token, rx.msg.reply);
			expect_unchanged();
			EXPECT_FALSE(vt_op_done(&call));
			ASSERT_EQ(0, vx_reply(self->fd, &rx));
			take();
			before_reply++;
		} else {
			take();
			after_reply++;
		}
		rx.msg.reply = token;
		EXPECT_EQ(-ESRCH, vt_reply(self->fd, &rx.msg));
		ASSERT_EQ(0, vx_end(&call));
		expect_reply(&tx);
		ASSERT_EQ(0, vx_end(&next));
		EXPECT_EQ(self->count, vx_count_fds());
	}
	EXPECT_LE(1, before_reply);
	EXPECT_LE(1, after_reply);
}

TEST_HARNESS_MAIN
