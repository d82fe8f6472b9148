// SPDX-License-Identifier: GPL-2.0
/*
 * libvipc-uring: the same program, with the kernel's commands and without them.
 */
#include <sys/socket.h>
#include <vipc_uring.h>

#include "vipc_payload.h"
#include "vipc_rings.h"

#define ENTRIES	64

FIXTURE(ring)
{
	int server;
	int client;
	struct io_uring ring;
	struct vipc_uring *vu;
};

FIXTURE_VARIANT(ring)
{
	bool emulated;
	unsigned int flags;
};

/* What the kernel can do. */
FIXTURE_VARIANT_ADD(ring, native) {};

FIXTURE_VARIANT_ADD(ring, emulated)
{
	.emulated = true,
};

FIXTURE_VARIANT_ADD(ring, emulated_deferred)
{
	.emulated = true,
	.flags = IORING_SETUP_SINGLE_ISSUER | IORING_SETUP_DEFER_TASKRUN,
};

FIXTURE_SETUP(ring)
{
	self->server = vt_open();
	ASSERT_GE(self->server, 0);
	ASSERT_EQ(0, vx_limits(self->server, VX_MIB, 8));
	self->client = vt_derive(self->server, VIPC_RIGHT_SEND | VIPC_RIGHT_GRANT, 7);
	ASSERT_GE(self->client, 0);
	ASSERT_EQ(0, io_uring_queue_init(ENTRIES, &self->ring, variant->flags));
	ASSERT_EQ(0, vipc_uring_init(&self->vu, &self->ring));
	if (variant->emulated)
		vipc_uring_emulate(self->vu);
}

FIXTURE_TEARDOWN(ring)
{
	vipc_uring_exit(self->vu);
	io_uring_queue_exit(&self->ring);
	close(self->client);
	close(self->server);
}

/* The next completion: whose, and its result. */
static int next(struct vipc_uring *vu, uint64_t *tag, int *res)
{
	struct io_uring_cqe *cqe;
	int ret = vipc_uring_wait_cqe(vu, &cqe);

	if (ret)
		return ret;
	*tag = cqe->user_data;
	*res = cqe->res;
	vipc_uring_cqe_seen(vu, cqe);
	return 0;
}

static int result(struct vipc_uring *vu, uint64_t tag)
{
	uint64_t got;
	int res, ret = next(vu, &got, &res);

	return ret ? ret : got == tag ? res : -EBADMSG;
}

#define submit(tag, what, ...) do {					\
	struct io_uring_sqe *sqe_ = io_uring_get_sqe(&self->ring);	\
	ASSERT_NE(NULL, sqe_);						\
	vipc_prep_ ## what(sqe_, __VA_ARGS__);				\
	sqe_->user_data = tag;						\
	ASSERT_LT(0, vipc_uring_submit(self->vu));			\
} while (0)

static bool quiet(struct vipc_uring *vu)
{
	struct io_uring_cqe *cqe;

	return vipc_uring_peek_cqe(vu, &cqe) == -EAGAIN;
}

TEST_F(ring, send_and_recv)
{
	struct vipc_msg out = vt_msg(1), in = { 0 };
	uint64_t tag;
	int res;

	for (int first = 0; first < 2; first++) {
		if (first)
			submit(1, recv, self->server, &in);
		else
			submit(2, send, self->client, &out);
		EXPECT_TRUE(quiet(self->vu));
		if (first)
			submit(2, send, self->client, &out);
		else
			submit(1, recv, self->server, &in);
		for (int i = 0; i < 2; i++) {
			ASSERT_EQ(0, next(self->vu, &tag, &res));
			EXPECT_EQ(0, res);
		}
		EXPECT_TRUE(vt_msg_is(&in, 1));
		EXPECT_EQ(0, in.flags);
		EXPECT_EQ(0, out.flags);
		in = (struct vipc_msg){ 0 };
	}
}

/* Client and server in one thread. */
/* What is prepared, and not submitted yet, while completions are looked for. */
TEST_F(ring, looked_for_before_it_is_submitted)
{
	struct vipc_xmsg out[2] = { { .msg = vt_msg(1) }, { .msg = vt_msg(2) } };
	struct vipc_msg in[2] = { 0 };
	struct io_uring_sqe *sqe;
	uint64_t seen = 0, tag;
	int res;

	submit(0, recv, self->server, &in[0]);
	sqe = io_uring_get_sqe(&self->ring);
	ASSERT_NE(NULL, sqe);
	vipc_prep_recv(sqe, self->server, &in[1]);
	sqe->user_data = 1;
	EXPECT_TRUE(quiet(self->vu));
	ASSERT_LE(0, vipc_uring_submit(self->vu));
	for (int i = 0; i < 2; i++) {
		struct vt_op op = { 0 };

		ASSERT_EQ(0, vx_start(&op, self->client, VIPC_IOC_SEND_X, &out[i]));
		ASSERT_EQ(0, next(self->vu, &tag, &res));
		EXPECT_EQ(0, res);
		EXPECT_EQ(0, vx_end(&op));
		seen |= 1u << tag;
	}
	EXPECT_EQ(3, seen);
}

TEST_F(ring, call)
{
	struct vipc_msg call, in = { 0 };
	uint64_t tag;
	int res;

	for (uint64_t i = 0; i < 20; i++) {
		call = vt_msg(i);
		submit(1, call, self->client, &call);
		submit(2, recv, self->server, &in);
		ASSERT_EQ(0, result(self->vu, 2));
		EXPECT_TRUE(vt_msg_is(&in, i));
		in.data[0] += 5;
		submit(3, reply, self->server, &in);
		for (int j = 0; j < 2; j++) {
			ASSERT_EQ(0, next(self->vu, &tag, &res));
			EXPECT_EQ(0, res);
		}
		EXPECT_EQ(i + 5, call.data[0]);
		in = (struct vipc_msg){ 0 };
	}
}

/* A server's loop. */
TEST_F(ring, reply_recv)
{
	struct vipc_msg m = { 0 };
	struct vt_op op;

	submit(1, reply_recv, self->server, &m);
	for (uint64_t i = 0; i < 20; i++) {
		op.msg = vt_msg(i);
		op.arg = NULL;
		ASSERT_EQ(0, vt_op_start(&op, self->client, VIPC_IOC_CALL));
		ASSERT_EQ(0, result(self->vu, 1));
		EXPECT_TRUE(vt_msg_is(&m, i));
		m.data[0] += 9;
		submit(1, reply_recv, self->server, &m);
		ASSERT_EQ(0, vt_op_join(&op));
		EXPECT_EQ(0, op.ret);
		EXPECT_EQ(i + 9, op.msg.data[0]);
	}
}

TEST_F(ring, thousand_calls)
{
	enum { CALLS = 1000 };
	static struct vipc_msg calls[CALLS];
	static uint64_t tokens[CALLS];
	struct vipc_msg m;
	uint64_t tag;
	int res, i;

	for (i = 0; i < CALLS; i++) {
		calls[i] = vt_msg((uint64_t)i);
		submit((uint64_t)i, call, self->client, &calls[i]);
	}
	ASSERT_EQ(0, vt_wait_senders(self->server, CALLS));
	for (i = 0; i < CALLS; i++) {
		ASSERT_EQ(0, vt_recv_soon(self->server, &m));
		ASSERT_TRUE(vt_msg_is(&m, m.data[0]));
		tokens[m.data[0]] = m.reply;
	}
	for (i = CALLS; i--;) {
		m = vt_msg((uint64_t)i + CALLS);
		m.reply = tokens[i];
		ASSERT_EQ(0, vt_reply(self->server, &m));
	}
	for (i = 0; i < CALLS; i++) {
		ASSERT_EQ(0, next(self->vu, &tag, &res));
		ASSERT_EQ(0, res);
		ASSERT_TRUE(vt_msg_is(&calls[tag], tag + CALLS));
	}
	EXPECT_TRUE(quiet(self->vu));
}

TEST_F(ring, cancel)
{
	struct vipc_msg m[4] = { 0 }, in;
	uint64_t tag;
	int res;

	m[1] = vt_msg(1);
	m[2] = vt_msg(2);
	submit(1, recv, self->server, &m[0]);
	submit(9, cancel, self->server, &m[0]);
	for (int i = 0; i < 2; i++) {
		ASSERT_EQ(0, next(self->vu, &tag, &res));
		EXPECT_EQ(tag == 1 ? -ECANCELED : 0, res);
	}
	submit(1, send, self->client, &m[1]);
	submit(9, cancel, self->client, &m[1]);
	for (int i = 0; i < 2; i++) {
		ASSERT_EQ(0, next(self->vu, &tag, &res));
		EXPECT_EQ(tag == 1 ? -ECANCELED : 0, res);
	}
	EXPECT_EQ(0, m[1].flags);
	/* A call that waits, and one that is in service. */
	for (int taken = 0; taken < 2; taken++) {
		submit(1, call, self->client, &m[2]);
		ASSERT_EQ(0, vt_wait_senders(self->server, 1));
		if (taken) {
			ASSERT_EQ(0, vt_recv_soon(self->server, &in));
		}
		submit(9, cancel, self->client, &m[2]);
		for (int i = 0; i < 2; i++) {
			ASSERT_EQ(0, next(self->vu, &tag, &res));
			EXPECT_EQ(tag == 1 ? -ECANCELED : 0, res);
		}
		EXPECT_EQ(taken ? VIPC_MSG_DELIVERED : 0, m[2].flags);
		m[2].flags = 0;
		EXPECT_EQ(0, vt_senders(self->server));
		EXPECT_EQ(0, vt_in_service(self->server));
	}
	submit(9, cancel, self->client, &m[2]);
	EXPECT_EQ(-ENOENT, result(self->vu, 9));
}

TEST_F(ring, deadline)
{
	struct vipc_msg m = vt_msg(1);

	m.deadline_ns = vt_in_ms(100);
	submit(1, recv, self->server, &m);
	EXPECT_EQ(-ETIMEDOUT, result(self->vu, 1));
	EXPECT_LE(m.deadline_ns, vt_now_ns());
	m.deadline_ns = vt_in_ms(100);
	submit(1, send, self->client, &m);
	EXPECT_EQ(-ETIMEDOUT, result(self->vu, 1));
	m.deadline_ns = vt_in_ms(100);
	submit(1, call, self->client, &m);
	EXPECT_EQ(-ETIMEDOUT, result(self->vu, 1));
	EXPECT_EQ(0, m.flags);
}

TEST_F(ring, errors)
{
	struct vipc_msg m = { .flags = VIPC_NONBLOCK };
	__u64 bits = 0;

	submit(1, send, self->client, &m);
	EXPECT_EQ(-EAGAIN, result(self->vu, 1));
	submit(1, recv, self->server, &m);
	EXPECT_EQ(-EAGAIN, result(self->vu, 1));
	EXPECT_EQ(VIPC_NONBLOCK, m.flags);
	submit(1, recv, self->client, &m);
	EXPECT_EQ(-EACCES, result(self->vu, 1));
	m.flags = 0x80;
	submit(1, call, self->client, &m);
	EXPECT_EQ(-EINVAL, result(self->vu, 1));
	m = (struct vipc_msg){ .reply = 99 };
	submit(1, reply_recv, self->server, &m);
	EXPECT_EQ(-ESRCH, result(self->vu, 1));
	EXPECT_EQ(99, m.reply);
	submit(1, notify, self->client, &bits);
	EXPECT_EQ(-EINVAL, result(self->vu, 1));
	bits = 6;
	submit(1, notify, self->client, &bits);
	EXPECT_EQ(0, result(self->vu, 1));
	m = (struct vipc_msg){ 0 };
	submit(1, recv, self->server, &m);
	EXPECT_EQ(0, result(self->vu, 1));
	EXPECT_TRUE(vt_is_notification(&m, 6));
	submit(1, recv, 1000, &m);
	EXPECT_EQ(-EBADF, result(self->vu, 1));
	/* The end of the endpoint ends what waits. */
	submit(1, recv, self->server, &m);
	EXPECT_TRUE(quiet(self->vu));
	ASSERT_EQ(0, vt_ioctl(self->server, VIPC_IOC_SHUTDOWN, NULL));
	EXPECT_EQ(-EPIPE, result(self->vu, 1));
}

TEST_F(ring, bytes)
{
	uint8_t *out, *in, *back, *answer;
	struct vipc_xmsg tx, rx;
	uint64_t tag;
	int res;

	ASSERT_EQ(0, vx_buffers(VX_MIB, &out, &in, &back, &answer));
	tx = vx_msg(1, out, VX_MIB);
	vx_set_room(&tx, answer, VX_MIB);
	rx = vx_room(in, VX_MIB);
	rx.msg.deadline_ns = 0;
	submit(1, call_x, self->client, &tx);
	submit(2, recv_x, self->server, &rx);
	ASSERT_EQ(0, result(self->vu, 2));
	EXPECT_TRUE(vx_is(in, VX_MIB, 1));
	vx_set_tx(&rx, back, 5000);
	rx.rx_len = 0;
	submit(3, reply_x, self->server, &rx);
	for (int i = 0; i < 2; i++) {
		ASSERT_EQ(0, next(self->vu, &tag, &res));
		EXPECT_EQ(0, res);
	}
	EXPECT_EQ(5000, tx.rx_len);
	EXPECT_TRUE(vx_is(answer, 5000, 2));
}

/* Beside something else in the same ring, whose completions pass through. */
TEST_F(ring, with_a_socket)
{
	struct io_uring_sqe *sqe;
	struct vt_op op = { .msg = vt_msg(4) };
	struct vipc_msg in = { 0 };
	__u64 bits = 1;
	char byte = 0;
	int pair[2];

	ASSERT_EQ(0, socketpair(AF_UNIX, SOCK_STREAM, 0, pair));
	sqe = io_uring_get_sqe(&self->ring);
	io_uring_prep_recv(sqe, pair[0], &byte, 1, 0);
	sqe->user_data = 5;
	submit(1, notify, self->client, &bits);
	EXPECT_EQ(0, result(self->vu, 1));
	submit(1, recv, self->server, &in);
	EXPECT_EQ(0, result(self->vu, 1));
	submit(1, recv, self->server, &in);
	EXPECT_TRUE(quiet(self->vu));
	ASSERT_EQ(1, write(pair[1], "x", 1));
	EXPECT_EQ(1, result(self->vu, 5));
	EXPECT_EQ('x', byte);
	ASSERT_EQ(0, vt_op_start(&op, self->client, VIPC_IOC_SEND));
	EXPECT_EQ(0, result(self->vu, 1));
	EXPECT_TRUE(vt_msg_is(&in, 4));
	ASSERT_EQ(0, vt_op_join(&op));
	EXPECT_EQ(0, op.ret);
	close(pair[0]);
	close(pair[1]);
}

TEST_HARNESS_MAIN
