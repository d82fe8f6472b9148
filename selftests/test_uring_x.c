// SPDX-License-Identifier: GPL-2.0
/*
 * Messages with bytes and descriptors as commands of io_uring's: nothing of them is
 * lost, pinned or open after they have ended, however they do.
 */
#include <sys/eventfd.h>

#include "vipc_payload.h"
#include "vipc_rings.h"

#define ROOM	(256 * VX_KIB)

FIXTURE(uring_x)
{
	int server;
	int client;
	int fds;
	uint8_t *out, *in, *back, *answer;
	struct io_uring ring;
};

FIXTURE_VARIANT(uring_x)
{
	uint32_t len;
	unsigned int flags;
};

FIXTURE_VARIANT_ADD(uring_x, copied)
{
	.len = 100,
};

FIXTURE_VARIANT_ADD(uring_x, pinned)
{
	.len = 200 * VX_KIB + 7,
	.flags = IORING_SETUP_SINGLE_ISSUER | IORING_SETUP_DEFER_TASKRUN,
};

FIXTURE_VARIANT_ADD(uring_x, polled)
{
	.len = 30 * VX_KIB,
	.flags = IORING_SETUP_SQPOLL,
};

FIXTURE_SETUP(uring_x)
{
	self->ring.ring_fd = -1;
	vt_need_uring();
	self->fds = vx_count_fds();
	ASSERT_EQ(0, vt_ring_begin(&self->server, &self->client,
				   VIPC_RIGHT_SEND | VIPC_RIGHT_GRANT,
				   &self->ring, 16, variant->flags));
	ASSERT_EQ(0, vx_limits(self->server, ROOM, 8));
	ASSERT_EQ(0, vx_buffers(ROOM, &self->out, &self->in, &self->back,
				&self->answer));
}

FIXTURE_TEARDOWN(uring_x)
{
	if (self->ring.ring_fd < 0)
		return;
	vt_ring_end(self->server, self->client, &self->ring);
	EXPECT_EQ(self->fds, vx_count_fds());
	/* A closed ring ends when a worker of the kernel's has come to it. */
	EXPECT_EQ(0, vt_wait_until(vx_pinned_kib() == 0));
}

TEST_F(uring_x, send)
{
	struct vipc_xmsg tx = vx_msg(1, self->out, variant->len);
	struct vipc_xmsg rx = vx_room(self->in, ROOM);

	/* Whoever comes first. */
	for (int first = 0; first < 2; first++) {
		uint64_t tag;
		int res;

		memset(self->in, 0, ROOM);
		rx = vx_room(self->in, ROOM);
		ASSERT_EQ(0, vt_submit(&self->ring, first ? self->server : self->client,
				       first ? VIPC_IOC_RECV_X : VIPC_IOC_SEND_X,
				       first ? &rx : &tx, 1));
		ASSERT_EQ(0, first ? vt_wait_receivers(self->server, 1) :
				     vt_wait_senders(self->server, 1));
		ASSERT_EQ(0, vt_submit(&self->ring, first ? self->client : self->server,
				       first ? VIPC_IOC_SEND_X : VIPC_IOC_RECV_X,
				       first ? &tx : &rx, 2));
		for (int i = 0; i < 2; i++) {
			ASSERT_EQ(0, vt_next(&self->ring, &tag, &res));
			EXPECT_EQ(0, res);
		}
		EXPECT_TRUE(vt_msg_is(&rx.msg, 1));
		EXPECT_EQ(7, rx.msg.badge);
		EXPECT_EQ(variant->len, rx.rx_len);
		EXPECT_TRUE(vx_is(self->in, variant->len, 1));
	}
	EXPECT_EQ(0, vx_pinned_kib());
}

TEST_F(uring_x, call)
{
	struct vipc_xmsg tx = vx_msg(1, self->out, variant->len), rx, next;
	int32_t passed[2], got[8], answered[8];
	uint64_t tag;
	int res;

	passed[0] = eventfd(0, EFD_CLOEXEC);
	passed[1] = dup(passed[0]);
	vx_set_fds(&tx, passed, 2);
	vx_set_room(&tx, self->answer, ROOM);
	vx_set_fd_room(&tx, answered, 8);
	rx = vx_room(self->in, ROOM);
	vx_set_fd_room(&rx, got, 8);
	ASSERT_EQ(0, vt_submit(&self->ring, self->client, VIPC_IOC_CALL_X, &tx, 1));
	ASSERT_EQ(0, vt_uring(&self->ring, self->server, VIPC_IOC_RECV_X, &rx));
	EXPECT_TRUE(vx_is(self->in, variant->len, 1));
	ASSERT_EQ(2, rx.rx_nfds);
	EXPECT_EQ(ROOM, rx.reply_len);
	EXPECT_EQ(8, rx.reply_nfds);

	/* Answers, and waits. */
	next = vx_room(self->in, ROOM);
	next.msg = vt_msg(2);
	next.msg.reply = rx.msg.reply;
	vx_set_tx(&next, self->back, variant->len);
	vx_set_fds(&next, got, 1);
	ASSERT_EQ(0, vt_submit(&self->ring, self->server, VIPC_IOC_REPLY_RECV_X, &next, 2));
	EXPECT_EQ(0, vt_result(&self->ring, 1));
	EXPECT_TRUE(vt_msg_is(&tx.msg, 2));
	EXPECT_EQ(variant->len, tx.rx_len);
	EXPECT_TRUE(vx_is(self->answer, variant->len, 2));
	ASSERT_EQ(1, tx.rx_nfds);
	ASSERT_EQ(0, vt_submit(&self->ring, self->server, VIPC_URING_CANCEL, &next, 3));
	for (int i = 0; i < 2; i++) {
		ASSERT_EQ(0, vt_next(&self->ring, &tag, &res));
		EXPECT_EQ(tag == 2 ? -ECANCELED : 0, res);
	}
	EXPECT_EQ(0, next.msg.reply);
	close(passed[0]);
	close(passed[1]);
	close(got[0]);
	close(got[1]);
	close(answered[0]);
	EXPECT_EQ(0, vx_pinned_kib());
}

/* However it ends, nothing stays. */
TEST_F(uring_x, ends)
{
	static const unsigned long cmds[] = {
		VIPC_IOC_SEND_X, VIPC_IOC_CALL_X, VIPC_IOC_RECV_X,
	};

	for (size_t i = 0; i < 3 * ARRAY_SIZE(cmds); i++) {
		unsigned long cmd = cmds[i % 3];
		bool receives = cmd == VIPC_IOC_RECV_X;
		struct vipc_xmsg x = vx_msg(1, self->out, variant->len);
		int32_t fd = self->client;
		uint64_t tag;
		int res;

		vx_set_room(&x, self->in, ROOM);
		if (!receives)
			vx_set_fds(&x, &fd, 1);
		if (i / 3 == 1)
			x.msg.deadline_ns = vt_in_ms(200);
		ASSERT_EQ(0, vt_submit(&self->ring, receives ? self->server :
				       self->client, cmd, &x, 1));
		if (i / 3 == 0) {
			ASSERT_EQ(0, receives ? vt_wait_receivers(self->server, 1) :
						vt_wait_senders(self->server, 1));
			ASSERT_EQ(0, vt_submit(&self->ring, receives ? self->server :
					       self->client, VIPC_URING_CANCEL, &x, 2));
			for (int j = 0; j < 2; j++) {
				ASSERT_EQ(0, vt_next(&self->ring, &tag, &res));
				EXPECT_EQ(tag == 1 ? -ECANCELED : 0, res);
			}
		} else if (i / 3 == 1) {
			EXPECT_EQ(-ETIMEDOUT, vt_result(&self->ring, 1));
		} else {
			ASSERT_EQ(0, receives ? vt_wait_receivers(self->server, 1) :
						vt_wait_senders(self->server, 1));
			io_uring_queue_exit(&self->ring);
			ASSERT_EQ(0, vt_wait_senders(self->server, 0));
			ASSERT_EQ(0, vt_wait_receivers(self->server, 0));
			ASSERT_EQ(0, io_uring_queue_init(16, &self->ring,
							 variant->flags));
		}
		EXPECT_EQ(0, vt_wait_until(vx_pinned_kib() == 0));
	}
}

/* A call that is cancelled while its answer is being copied: it ends, once. */
TEST_F(uring_x, answered)
{
	struct vipc_xmsg tx = vx_msg(1, self->out, variant->len);
	struct vipc_xmsg rx = vx_room(self->in, ROOM), reply = { 0 };
	struct vt_op op = { 0 };
	struct vx_held h;
	uint64_t tag;
	int res;

	if (!vx_can_hold())
		SKIP(return, "no userfaultfd");
	vx_set_room(&tx, self->answer, ROOM);
	ASSERT_EQ(0, vt_submit(&self->ring, self->client, VIPC_IOC_CALL_X, &tx, 1));
	ASSERT_EQ(0, vx_recv(self->server, &rx));
	/* The server waits for its own memory, then the caller is free to go. */
	reply.msg.reply = rx.msg.reply;
	vx_set_tx(&reply, self->back, variant->len);
	ASSERT_EQ(0, vx_hold(&h, self->back, ROOM));
	ASSERT_EQ(0, vx_start(&op, self->server, VIPC_IOC_REPLY_X, &reply));
	ASSERT_EQ(0, vx_wait_held(&h));
	ASSERT_EQ(0, vt_submit(&self->ring, self->client, VIPC_URING_CANCEL, &tx, 2));
	for (int i = 0; i < 2; i++) {
		ASSERT_EQ(0, vt_next(&self->ring, &tag, &res));
		EXPECT_EQ(tag == 1 ? -ECANCELED : 0, res);
	}
	EXPECT_EQ(VIPC_MSG_DELIVERED, tx.msg.flags);
	ASSERT_EQ(0, vx_let_go(&h, true));
	EXPECT_EQ(-ESRCH, vx_end(&op));
}

/* A ring in a message of its own could never be closed, whoever has sent it. */
TEST_F(uring_x, no_ring_in_a_message)
{
	struct vipc_xmsg tx = vx_msg(1, self->out, variant->len);
	int32_t fds[2] = { self->server, self->ring.ring_fd };

	vx_set_fds(&tx, fds, 2);
	EXPECT_EQ(-EINVAL, vt_uring(&self->ring, self->client, VIPC_IOC_SEND_X, &tx));
	EXPECT_EQ(-EINVAL, vt_uring(&self->ring, self->client, VIPC_IOC_CALL_X, &tx));
	EXPECT_EQ(-EINVAL, vt_ioctl(self->client, VIPC_IOC_SEND_X, &tx));
	EXPECT_EQ(-EINVAL, vt_ioctl(self->client, VIPC_IOC_CALL_X, &tx));
	EXPECT_EQ(0, vt_senders(self->server));
}

/* The submitter has gone, its ring has not: what comes for it goes to the next one. */
TEST_F(uring_x, submitter_has_gone)
{
	struct vipc_xmsg tx = vx_msg(1, self->out, variant->len);
	struct vipc_xmsg rx = vx_room(self->in, ROOM);
	int copy = vt_derive(self->server, VIPC_RIGHT_SEND | VIPC_RIGHT_GRANT, 8);
	struct vt_op op = { 0 };
	pid_t pid;

	ASSERT_LE(0, copy);
	if (variant->flags & IORING_SETUP_SINGLE_ISSUER) {
		close(copy);
		SKIP(return, "only its maker may submit to this ring");
	}
	ASSERT_EQ(0, io_uring_register_files(&self->ring, &self->server, 1));
	/* A child submits to our ring, through the file that is registered. */
	pid = vt_fork();
	if (!pid) {
		static struct vipc_xmsg mine;
		struct io_uring_sqe *sqe;

		mine = vx_room(self->in, ROOM);
		mine.msg.deadline_ns = 0;
		sqe = vt_prep(&self->ring, 0, VIPC_IOC_RECV_X, &mine, 1);
		sqe->flags |= IOSQE_FIXED_FILE;
		_exit(io_uring_submit(&self->ring) == 1 ? 0 : 1);
	}
	ASSERT_EQ(0, vt_reap(pid));
	if (!(variant->flags & IORING_SETUP_SQPOLL)) {
		ASSERT_EQ(1, vt_receivers(self->server));
		ASSERT_EQ(0, vx_start(&op, copy, VIPC_IOC_SEND_X, &tx));
		EXPECT_EQ(-ECANCELED, vt_result(&self->ring, 1));
		ASSERT_EQ(0, vx_recv(self->server, &rx));
		EXPECT_TRUE(vx_is(self->in, variant->len, 1));
		EXPECT_EQ(8, rx.msg.badge);
		EXPECT_EQ(0, vx_end(&op));
	}
	close(copy);
}

TEST_HARNESS_MAIN
