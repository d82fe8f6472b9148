// SPDX-License-Identifier: GPL-2.0
/*
 * Every user copy and every allocation while a command of io_uring's is submitted, and
 * while it is completed, is made to fail, one by one: an error is told, or it waits, and
 * no message is lost by it.
 */
#include "vipc_inject.h"
#include "vipc_rings.h"

FIXTURE(failnth)
{
	int fd, cap, nth;
	struct io_uring ring;
	struct vi_sweep s;
	long long dropped;
};

FIXTURE_SETUP(failnth)
{
	const char *why = vi_setup();

	self->ring.ring_fd = -1;
	if (why)
		SKIP(return, "%s", why);
	vt_need_uring();
	self->nth = vi_open();
	ASSERT_LE(0, self->nth);
	self->dropped = vt_stat_value("dropped");
	/* What is completed is so in our system call, where it can be made to fail. */
	ASSERT_EQ(0, vt_ring_begin(&self->fd, &self->cap, VIPC_RIGHT_SEND,
				   &self->ring, 8, IORING_SETUP_SINGLE_ISSUER |
						   IORING_SETUP_DEFER_TASKRUN));
}

FIXTURE_TEARDOWN(failnth)
{
	if (self->ring.ring_fd < 0)
		return;
	EXPECT_LT(self->s.nth, VI_MAX_NTH);
	EXPECT_EQ(0, vt_senders(self->fd));
	EXPECT_EQ(0, vt_receivers(self->fd));
	EXPECT_EQ(0, vt_in_service(self->fd));
	EXPECT_EQ(self->dropped, vt_stat_value("dropped"));
	vt_ring_end(self->fd, self->cap, &self->ring);
	close(self->nth);
}

/* io_uring_enter() whose Nth fault point fails: what was prepared, and what is due. */
static int enter(struct io_uring *ring, struct vi_sweep *s, int nth_fd)
{
	unsigned int n = *ring->sq.ktail = ring->sq.sqe_tail;
	int ret;

	n -= ring->sq.sqe_head;
	ring->sq.sqe_head = ring->sq.sqe_tail;
	ret = vi_arm(nth_fd, s->nth);
	if (ret)
		return ret;
	ret = (int)syscall(__NR_io_uring_enter, ring->ring_fd, n, 0,
			   IORING_ENTER_GETEVENTS, NULL, 0);
	ret = ret < 0 ? -errno : ret;
	s->injected = vi_disarm(nth_fd);
	return ret;
}

/* A completion that is there: 1; 0: none. */
static int there(struct io_uring *ring, int *res)
{
	struct io_uring_cqe *cqe;

	if (io_uring_peek_cqe(ring, &cqe))
		return 0;
	*res = cqe->res;
	io_uring_cqe_seen(ring, cqe);
	return 1;
}

TEST_F(failnth, submit)
{
	static const unsigned long cmds[] = {
		VIPC_IOC_SEND, VIPC_IOC_CALL, VIPC_IOC_RECV, VIPC_IOC_REPLY_RECV,
		VIPC_IOC_SEND_X, VIPC_IOC_CALL_X, VIPC_IOC_RECV_X,
	};

	for (size_t i = 0; i < ARRAY_SIZE(cmds); i++) {
		bool sends = _IOC_NR(cmds[i]) == 1 || _IOC_NR(cmds[i]) == 3;

		vi_for_each_nth_until(&self->s, 1, 1) {
			struct vipc_xmsg x = { .msg = vt_msg(1) };
			int fd = sends ? self->cap : self->fd, ret;

			ASSERT_NE(NULL, vt_prep(&self->ring, fd, cmds[i], &x, 1));
			ret = enter(&self->ring, &self->s, self->nth);
			/* What io_uring could not begin with, it does now. */
			if (ret != 1)
				ret = (int)syscall(__NR_io_uring_enter, self->ring.ring_fd,
						   1, 0, 0, NULL, 0);
			ASSERT_EQ(1, ret);
			if (!there(&self->ring, &self->s.ret)) {
				self->s.ret = 0;
				EXPECT_EQ(1, sends ? vt_senders(self->fd) :
						     vt_receivers(self->fd));
				ASSERT_EQ(0, vt_submit(&self->ring, fd,
						       VIPC_URING_CANCEL, &x, 1));
				EXPECT_GE(0, vt_result(&self->ring, 1));
				EXPECT_GE(0, vt_result(&self->ring, 1));
			} else {
				EXPECT_TRUE(self->s.ret == -EFAULT ||
					    self->s.ret == -ENOMEM) {
					TH_LOG("command %zu: %d", i, self->s.ret);
				}
			}
			vi_note(&self->s);
			ASSERT_EQ(0, vt_senders(self->fd));
			ASSERT_EQ(0, vt_receivers(self->fd));
		}
		EXPECT_LE(1, self->s.efault);
		EXPECT_LE(1, self->s.enomem);
	}
}

/* A message that came and could not be written goes back to the head of the queue. */
TEST_F(failnth, complete_receive)
{
	static const unsigned long cmds[] = {
		VIPC_IOC_RECV, VIPC_IOC_REPLY_RECV, VIPC_IOC_RECV_X,
	};

	for (size_t i = 0; i < ARRAY_SIZE(cmds); i++) {
		vi_for_each_nth_until(&self->s, 1, 0) {
			struct vipc_xmsg x = { 0 };
			struct vipc_msg m = vt_msg(self->s.nth);

			ASSERT_EQ(0, vt_submit(&self->ring, self->fd, cmds[i], &x, 1));
			ASSERT_EQ(0, vt_send(self->cap, &m));
			enter(&self->ring, &self->s, self->nth);
			self->s.ret = vt_result(&self->ring, 1);
			vi_note(&self->s);
			if (!self->s.ret) {
				EXPECT_TRUE(vt_msg_is(&x.msg, self->s.nth));
				continue;
			}
			EXPECT_EQ(-EFAULT, self->s.ret);
			EXPECT_EQ(1, vt_senders(self->fd));
			ASSERT_EQ(0, vt_recv_soon(self->fd, &m));
			EXPECT_TRUE(vt_msg_is(&m, self->s.nth));
		}
		EXPECT_LE(1, self->s.efault);
	}
}

TEST_F(failnth, complete_call)
{
	vi_for_each_nth_until(&self->s, 1, 0) {
		struct vipc_msg m = vt_msg(self->s.nth), in;

		ASSERT_EQ(0, vt_submit(&self->ring, self->cap, VIPC_IOC_CALL, &m, 1));
		ASSERT_EQ(0, vt_recv_soon(self->fd, &in));
		in.data[0] = 5;
		ASSERT_EQ(0, vt_reply(self->fd, &in));
		enter(&self->ring, &self->s, self->nth);
		self->s.ret = vt_result(&self->ring, 1);
		vi_note(&self->s);
		EXPECT_TRUE(self->s.ret ? self->s.ret == -EFAULT : m.data[0] == 5);
	}
	EXPECT_LE(1, self->s.efault);
}

TEST_HARNESS_MAIN
