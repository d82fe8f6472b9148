// SPDX-License-Identifier: GPL-2.0
/*
 * What fails as an ioctl fails in the same way as a command of io_uring's: the same
 * errno, and the same bytes in the message afterwards.
 */
#include "vipc_rings.h"

#define PAGE	4096ul

FIXTURE(errors)
{
	int server;
	int client;
	int nothing;		/* a capability without any right */
	struct io_uring ring;
};

FIXTURE_SETUP(errors)
{
	self->ring.ring_fd = -1;
	vt_need_uring();
	ASSERT_EQ(0, vt_ring_begin(&self->server, &self->client, VIPC_RIGHT_SEND,
				   &self->ring, 8, IORING_SETUP_SINGLE_ISSUER |
						   IORING_SETUP_DEFER_TASKRUN));
	self->nothing = vt_derive(self->server, 0, 0);
	ASSERT_GE(self->nothing, 0);
}

FIXTURE_TEARDOWN(errors)
{
	if (self->ring.ring_fd < 0)
		return;
	close(self->nothing);
	vt_ring_end(self->server, self->client, &self->ring);
}

static const unsigned long messages[] = {
	VIPC_IOC_SEND, VIPC_IOC_CALL, VIPC_IOC_RECV, VIPC_IOC_REPLY_RECV, VIPC_IOC_REPLY,
	VIPC_IOC_SEND_X, VIPC_IOC_CALL_X, VIPC_IOC_RECV_X, VIPC_IOC_REPLY_RECV_X,
	VIPC_IOC_REPLY_X,
};

/* Both, and whether they agree; the ioctl's result in *@ret. */
static bool same(struct io_uring *ring, int fd, unsigned long cmd,
		 const struct vipc_xmsg *in, int *ret)
{
	struct vipc_xmsg a = *in, b = *in;
	int other;

	*ret = vt_ioctl(fd, cmd, &a);
	other = vt_uring(ring, fd, cmd, &b);
	if (*ret == other && !memcmp(&a, &b, sizeof(a)))
		return true;
	printf("# cmd %#lx: the ioctl says %d, the command %d\n", cmd, *ret, other);
	return false;
}

TEST_F(errors, agree)
{
	struct vipc_xmsg plain = { .msg = vt_msg(1) }, x[6];
	int fds[3] = { self->server, self->client, self->nothing }, ret;

	plain.msg.flags = VIPC_NONBLOCK | 0xbeefff00;
	for (int i = 0; i < 6; i++)
		x[i] = plain;
	x[1].msg.flags |= 0x80;			/* unknown */
	x[2].reserved = 1;
	x[3].msg.reply = 12345;			/* nobody's */
	x[4].msg.deadline_ns = 1;		/* long ago */
	x[5].tx_len = 5000;			/* more than is let in, and not there */
	for (size_t i = 0; i < ARRAY_SIZE(messages) * 3 * 6; i++) {
		EXPECT_TRUE(same(&self->ring, fds[i / 6 % 3], messages[i / 18],
				 &x[i % 6], &ret)) {
			TH_LOG("descriptor %zu, message %zu", i / 6 % 3, i % 6);
		}
	}
	/* It is known that they do fail. */
	EXPECT_TRUE(same(&self->ring, self->client, VIPC_IOC_CALL, &x[4], &ret));
	EXPECT_EQ(-ETIMEDOUT, ret);
	EXPECT_TRUE(same(&self->ring, self->server, VIPC_IOC_REPLY_RECV, &x[3], &ret));
	EXPECT_EQ(-ESRCH, ret);
	EXPECT_TRUE(same(&self->ring, self->client, VIPC_IOC_SEND, &x[0], &ret));
	EXPECT_EQ(-EAGAIN, ret);
	EXPECT_TRUE(same(&self->ring, self->client, VIPC_IOC_RECV, &x[0], &ret));
	EXPECT_EQ(-EACCES, ret);

	ASSERT_EQ(0, vt_ioctl(self->server, VIPC_IOC_SHUTDOWN, NULL));
	for (size_t i = 0; i < ARRAY_SIZE(messages) * 3; i++) {
		EXPECT_TRUE(same(&self->ring, fds[i % 3], messages[i / 3], &x[0],
				 &ret));
	}
	ASSERT_EQ(0, vt_revoke(self->server));
	for (size_t c = 0; c < ARRAY_SIZE(messages); c++) {
		EXPECT_TRUE(same(&self->ring, self->client, messages[c], &x[0],
				 &ret));
	}
	EXPECT_EQ(-EKEYREVOKED, ret);
}

TEST_F(errors, memory)
{
	char *p = mmap(NULL, PAGE, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	void *bad[] = { NULL, (void *)8, (void *)-64l, (void *)(1ul << 63), p };

	ASSERT_NE(MAP_FAILED, p);
	for (size_t c = 0; c < ARRAY_SIZE(messages); c++) {
		for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
			int fd = c == 0 || c == 1 || c == 5 || c == 6 ?
				 self->client : self->server;

			/* What is only read may be in memory that is not written to. */
			if (bad[i] == p && (messages[c] == VIPC_IOC_SEND ||
					    messages[c] == VIPC_IOC_SEND_X ||
					    messages[c] == VIPC_IOC_REPLY ||
					    messages[c] == VIPC_IOC_REPLY_X))
				continue;
			EXPECT_EQ(-EFAULT, vt_uring(&self->ring, fd, messages[c],
						    bad[i])) {
				TH_LOG("command %zu, address %zu", c, i);
			}
		}
	}
	EXPECT_EQ(-EFAULT, vt_uring(&self->ring, self->client, VIPC_IOC_NOTIFY, NULL));
	EXPECT_EQ(0, vt_senders(self->server));
	EXPECT_EQ(0, vt_receivers(self->server));
}

/* What only manages capabilities has no command, nor what is not ours. */
TEST_F(errors, others)
{
	struct vipc_info info = { 0 };
	struct io_uring_sqe *sqe;
	struct vipc_msg m = { .flags = VIPC_NONBLOCK };

	EXPECT_EQ(-ENOTTY, vt_uring(&self->ring, self->server, VIPC_IOC_INFO, &info));
	EXPECT_EQ(-ENOTTY, vt_uring(&self->ring, self->server, VIPC_IOC_SHUTDOWN, NULL));
	EXPECT_EQ(-ENOTTY, vt_uring(&self->ring, self->server, VIPC_IOC_REVOKE, NULL));
	EXPECT_EQ(-ENOTTY, vt_uring(&self->ring, self->server, VIPC_IOC_DERIVE, &info));
	EXPECT_EQ(-ENOTTY, vt_uring(&self->ring, self->server, 0, &m));
	EXPECT_EQ(-ENOTTY, vt_ioctl(self->server, VIPC_URING_CANCEL, &m));
	EXPECT_EQ(VIPC_STATE_LIVE,
		  vt_info_u32(self->server, offsetof(struct vipc_info, state)));

	sqe = vt_prep(&self->ring, self->server, VIPC_IOC_RECV, &m, 1);
	vt_sqe_cmd(sqe)->reserved = 1;
	ASSERT_EQ(1, io_uring_submit(&self->ring));
	EXPECT_EQ(-EINVAL, vt_result(&self->ring, 1));
}

/* A message that cannot be written to once it has come goes back. */
TEST_F(errors, receiver_faults)
{
	static const unsigned long receives[] = {
		VIPC_IOC_RECV, VIPC_IOC_REPLY_RECV, VIPC_IOC_RECV_X,
		VIPC_IOC_REPLY_RECV_X,
	};

	for (size_t i = 0; i < ARRAY_SIZE(receives); i++) {
		char *p = mmap(NULL, PAGE, PROT_READ | PROT_WRITE,
			       MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
		struct vipc_msg out = vt_msg(i), call = vt_msg(10 + i), in;
		struct vt_op op = { .msg = call };

		ASSERT_NE(MAP_FAILED, p);
		ASSERT_EQ(0, vt_submit(&self->ring, self->server, receives[i], p, 1));
		ASSERT_EQ(0, vt_wait_receivers(self->server, 1));
		ASSERT_EQ(0, mprotect(p, PAGE, PROT_READ));
		ASSERT_EQ(0, vt_send(self->client, &out));
		ASSERT_EQ(0, vt_op_start(&op, self->client, VIPC_IOC_CALL));
		EXPECT_EQ(-EFAULT, vt_result(&self->ring, 1));
		ASSERT_EQ(0, vt_wait_senders(self->server, 2));
		ASSERT_EQ(0, vt_recv_soon(self->server, &in));
		EXPECT_TRUE(vt_msg_is(&in, i));
		ASSERT_EQ(0, vt_recv_soon(self->server, &in));
		EXPECT_TRUE(vt_msg_is(&in, 10 + i));
		ASSERT_EQ(0, vt_reply(self->server, &in));
		ASSERT_EQ(0, vt_op_join(&op));
		EXPECT_EQ(0, op.ret);
		munmap(p, PAGE);
	}
}

/* The server cannot see it: its answer went out. */
TEST_F(errors, caller_faults)
{
	char *p = mmap(NULL, PAGE, PROT_READ | PROT_WRITE,
		       MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	struct vipc_msg in;

	ASSERT_NE(MAP_FAILED, p);
	ASSERT_EQ(0, vt_submit(&self->ring, self->client, VIPC_IOC_CALL, p, 1));
	ASSERT_EQ(0, vt_recv_soon(self->server, &in));
	ASSERT_EQ(0, mprotect(p, PAGE, PROT_NONE));
	EXPECT_EQ(0, vt_reply(self->server, &in));
	EXPECT_EQ(-EFAULT, vt_result(&self->ring, 1));
}

/* The answer has gone out, then nothing came: a second try must only receive. */
TEST_F(errors, reply_is_forgotten)
{
	struct vt_op op = { .msg = vt_msg(1) };
	struct vipc_msg m;

	ASSERT_EQ(0, vt_op_start(&op, self->client, VIPC_IOC_CALL));
	ASSERT_EQ(0, vt_recv_soon(self->server, &m));
	m.flags = VIPC_NONBLOCK;
	EXPECT_EQ(-EAGAIN, vt_uring(&self->ring, self->server, VIPC_IOC_REPLY_RECV, &m));
	EXPECT_EQ(0, m.reply);
	ASSERT_EQ(0, vt_op_join(&op));
	EXPECT_EQ(0, op.ret);
}

/* A reply goes out at once, however long the next message takes. */
TEST_F(errors, reply_comes_first)
{
	struct vt_op op = { .msg = vt_msg(1) };
	struct vipc_msg m;

	ASSERT_EQ(0, vt_op_start(&op, self->client, VIPC_IOC_CALL));
	ASSERT_EQ(0, vt_recv_soon(self->server, &m));
	m.data[0] = 55;
	ASSERT_EQ(0, vt_submit(&self->ring, self->server, VIPC_IOC_REPLY_RECV, &m, 1));
	ASSERT_EQ(0, vt_op_join(&op));
	EXPECT_EQ(0, op.ret);
	EXPECT_EQ(55, op.msg.data[0]);
	ASSERT_EQ(0, vt_submit(&self->ring, self->server, VIPC_URING_CANCEL, &m, 1));
	for (int i = 0; i < 2; i++) {
		EXPECT_LE(-ECANCELED, vt_result(&self->ring, 1));
	}
	EXPECT_EQ(0, m.reply);
}

TEST_HARNESS_MAIN
