// SPDX-License-Identifier: GPL-2.0
/*
 * Descriptors on their way, and what becomes of them when one side goes away, or
 * its memory does: a file is open as long as somebody has it or may get it, and no
 * longer. Capabilities among them.
 */
#include <poll.h>

#include "vipc_payload.h"

#define MAX_LEN	(64 * VX_KIB)
#define BADGE	9
#define SEND_GRANT (VIPC_RIGHT_SEND | VIPC_RIGHT_GRANT)

FIXTURE(life)
{
	int fd;		/* every right */
	int cap;	/* SEND and GRANT */
	int pipe[2];
	int count;	/* descriptors at the beginning */
	long long dropped;
	uint8_t *bytes, *room;
	int32_t got[4];
};

FIXTURE_SETUP(life)
{
	self->fd = vt_open();
	ASSERT_LE(0, self->fd);
	self->cap = vt_derive(self->fd, SEND_GRANT, BADGE);
	ASSERT_LE(0, self->cap);
	ASSERT_EQ(0, vx_limits(self->fd, MAX_LEN, 4));
	ASSERT_EQ(0, pipe2(self->pipe, O_NONBLOCK | O_CLOEXEC));
	self->bytes = vx_map(MAX_LEN);
	self->room = vx_map(MAX_LEN);
	ASSERT_NE(NULL, self->room);
	self->count = vx_count_fds();
	self->dropped = vt_stat_value("dropped");
}

/* Nobody but the test has a descriptor at the end. */
FIXTURE_TEARDOWN(life)
{
	EXPECT_EQ(0, vp_wait_idle(self->fd));
	EXPECT_EQ(self->count, vx_count_fds());
	EXPECT_EQ(self->dropped, vt_stat_value("dropped"));
	EXPECT_EQ(0, vx_pinned_kib());
	close(self->cap);
	close(self->fd);
}

static int wait_no_writer(int reader)
{
	struct pollfd p = { .fd = reader };

	return vt_wait_until(poll(&p, 1, 0) == 1 && p.revents & POLLHUP);
}

static bool has_writer(int reader)
{
	struct pollfd p = { .fd = reader };

	return poll(&p, 1, 0) == 0;
}

#define close_writer() do {						\
	close(self->pipe[1]);						\
	self->count--;							\
} while (0)

/* A new pipe, of which only the reading end is left in this process at the end. */
#define new_pipe() do {							\
	close(self->pipe[0]);						\
	ASSERT_EQ(0, pipe2(self->pipe, O_NONBLOCK | O_CLOEXEC));	\
	self->count = vx_count_fds();					\
} while (0)

/* What the receiver has been given does not depend on the sender any more. */
TEST_F(life, sender_dies_after_delivery)
{
	struct vipc_xmsg rx = vx_room(NULL, 0);
	char c = 0;
	pid_t pid;

	vx_set_fd_room(&rx, self->got, 1);
	pid = vt_fork();
	ASSERT_LE(0, pid);
	if (!pid) {
		struct vipc_xmsg tx = vx_msg(1, NULL, 0);

		vx_set_fds(&tx, &self->pipe[1], 1);
		_exit(vx_send(self->cap, &tx) ? 1 : 0);
	}
	ASSERT_EQ(0, vx_recv(self->fd, &rx));
	ASSERT_EQ(0, vt_reap(pid));
	close_writer();
	EXPECT_TRUE(has_writer(self->pipe[0]));
	EXPECT_EQ(1, write(self->got[0], "x", 1));
	EXPECT_EQ(1, read(self->pipe[0], &c, 1));
	close(self->got[0]);
	EXPECT_EQ(0, wait_no_writer(self->pipe[0]));
}

/* While a message waits its files are open; when it goes away they are closed. */
TEST_F(life, sender_leaves)
{
	for (int how = 0; how < 8; how++) {
		unsigned long cmd = how % 2 ? VIPC_IOC_CALL_X : VIPC_IOC_SEND_X;
		int cap = vt_derive(self->fd, SEND_GRANT, 0);
		struct vipc_xmsg tx = vx_msg(1, self->bytes, 10);
		struct vipc_xmsg rx = vx_room(NULL, 0);
		struct vt_op op = { 0 };
		pid_t pid = 0;

		ASSERT_LE(0, cap);
		vx_set_fds(&tx, &self->pipe[1], 1);
		if (how / 2 == 0)
			tx.msg.deadline_ns = vt_in_ms(300);
		if (how / 2 == 3) {
			pid = vt_fork();
			ASSERT_LE(0, pid);
			if (!pid)
				_exit(vt_ioctl(cap, cmd, &tx) != 0);
			ASSERT_EQ(0, vt_wait_senders(self->fd, 1));
		} else {
			ASSERT_EQ(0, vx_queue(&op, cap, cmd, &tx));
		}
		close_writer();
		EXPECT_TRUE(how / 2 == 0 || has_writer(self->pipe[0]));
		switch (how / 2) {
		case 0:
			EXPECT_EQ(-ETIMEDOUT, vx_end(&op));
			break;
		case 1:
			ASSERT_EQ(0, vt_revoke(self->fd));
			EXPECT_EQ(-EKEYREVOKED, vx_end(&op));
			close(self->cap);
			self->cap = vt_derive(self->fd, SEND_GRANT, BADGE);
			ASSERT_LE(0, self->cap);
			break;
		case 2:
			ASSERT_EQ(0, vt_shutdown(self->fd));
			EXPECT_EQ(-EPIPE, vx_end(&op));
			close(self->cap);
			close(self->fd);
			self->fd = vt_open();
			ASSERT_LE(0, self->fd);
			self->cap = vt_derive(self->fd, SEND_GRANT, BADGE);
			ASSERT_LE(0, self->cap);
			ASSERT_EQ(0, vx_limits(self->fd, MAX_LEN, 4));
			break;
		case 3:
			ASSERT_EQ(VP_KILLED, vp_kill(pid));
			break;
		}
		EXPECT_EQ(0, wait_no_writer(self->pipe[0]));
		EXPECT_EQ(-EAGAIN, vx_recv_now(self->fd, &rx));
		close(cap);
		new_pipe();
	}
}

/* A reply that comes too late brings nothing, and nothing stays behind. */
TEST_F(life, caller_has_left)
{
	for (int large = 0; large < 2; large++) {
		struct vipc_xmsg tx = vx_msg(1, NULL, 0), rx = vx_room(NULL, 0);
		struct vt_op op = { 0 };

		vx_set_room(&tx, self->room, MAX_LEN);
		vx_set_fd_room(&tx, self->got, 4);
		tx.msg.deadline_ns = vt_in_ms(300);
		ASSERT_EQ(0, vx_start(&op, self->cap, VIPC_IOC_CALL_X, &tx));
		ASSERT_EQ(0, vx_recv(self->fd, &rx));
		EXPECT_EQ(4, rx.reply_nfds);
		EXPECT_EQ(-ETIMEDOUT, vx_end(&op));
		EXPECT_EQ(VIPC_MSG_DELIVERED, tx.msg.flags);
		vx_set_fds(&rx, &self->pipe[1], 1);
		vx_set_tx(&rx, self->bytes, large ? VX_PIN_MIN : 10);
		EXPECT_EQ(-ESRCH, vx_reply(self->fd, &rx));
		EXPECT_EQ(-ESRCH, vx_reply_recv(self->fd, &rx));
		EXPECT_EQ(self->count, vx_count_fds());
	}
	close_writer();
	EXPECT_EQ(0, wait_no_writer(self->pipe[0]));
}

/*
 * In a process of its own: a caller that is held in a page fault when it gets its
 * answer. Tells how far it has come in @stage.
 */
static void held_caller(int cap, uint8_t *room, int32_t *got, int *stage)
{
	struct vipc_xmsg tx = vx_msg(1, NULL, 0);
	struct vx_held held;
	struct vt_op op = { 0 };

	vx_set_room(&tx, room, 10);
	vx_set_fd_room(&tx, got, 4);
	if (vx_start(&op, cap, VIPC_IOC_CALL_X, &tx) ||
	    vt_wait_in_service(cap, 1) || vx_hold(&held, room, VX_PAGE))
		_exit(3);
	vp_set(stage, 1);
	if (vx_wait_held(&held))
		_exit(4);
	vp_set(stage, 2);
	for (;;)
		pause();
}

/* A caller that is killed with its answer in its hands takes it along. */
TEST_F(life, killed_with_an_answer)
{
	int *stage = vp_shared(sizeof(*stage));
	struct vipc_xmsg rx = vx_room(NULL, 0);
	pid_t pid;

	if (!vx_can_hold())
		SKIP(return, "no userfaultfd");
	pid = vt_fork();
	ASSERT_LE(0, pid);
	if (!pid) {
		close(self->pipe[1]);
		held_caller(self->cap, self->room, self->got, stage);
	}
	ASSERT_EQ(0, vx_recv(self->fd, &rx));
	ASSERT_EQ(0, vt_wait_until(vp_get(stage) == 1));
	vx_set_fds(&rx, &self->pipe[1], 1);
	vx_set_tx(&rx, self->bytes, 10);
	EXPECT_EQ(0, vx_reply(self->fd, &rx));
	ASSERT_EQ(0, vt_wait_until(vp_get(stage) == 2));
	close_writer();
	EXPECT_TRUE(has_writer(self->pipe[0]));
	ASSERT_EQ(VP_KILLED, vp_kill(pid));
	EXPECT_EQ(0, wait_no_writer(self->pipe[0]));
}

enum { NO_ACCESS, READ_ONLY, HALF };

static int take_away(int32_t *at, int how)
{
	char *page = (char *)at - (uintptr_t)at % VX_PAGE;

	if (how == NO_ACCESS)	/* unmapped, a new thread's stack might go there */
		return mprotect(page, 2 * VX_PAGE, PROT_NONE);
	if (how == READ_ONLY)
		return mprotect(page, 2 * VX_PAGE, PROT_READ);
	return mprotect(page + VX_PAGE, VX_PAGE, PROT_READ);
}

/* Where there is no memory for their numbers, no descriptor is left behind. */
TEST_F(life, receiver_faults)
{
	int32_t fds[] = { self->pipe[0], self->pipe[1], self->pipe[1] };

	for (int i = 0; i < 12; i++) {
		int how = i % 3;
		bool call = i / 3 % 2, waiting = i / 6;
		int32_t *at = (int32_t *)((char *)vx_map(2 * VX_PAGE) + VX_PAGE) - 1;
		struct vipc_xmsg tx = vx_msg(1, self->bytes, 10);
		struct vipc_xmsg rx = vx_room(self->room, MAX_LEN);
		unsigned long cmd = call ? VIPC_IOC_CALL_X : VIPC_IOC_SEND_X;
		struct vt_op op = { 0 }, recv = { 0 };

		vx_set_fds(&tx, fds, 3);
		vx_set_fd_room(&rx, at, 3);
		if (waiting) {
			ASSERT_EQ(0, vx_wait(&recv, self->fd, VIPC_IOC_RECV_X,
					     &rx));
			ASSERT_EQ(0, take_away(at, how));
			ASSERT_EQ(0, vx_start(&op, self->cap, cmd, &tx));
		} else {
			ASSERT_EQ(0, take_away(at, how));
			ASSERT_EQ(0, vx_queue(&op, self->cap, cmd, &tx));
			ASSERT_EQ(0, vx_start(&recv, self->fd, VIPC_IOC_RECV_X,
					      &rx));
		}
		EXPECT_EQ(-EFAULT, vx_end(&recv));
		EXPECT_EQ(self->count, vx_count_fds());
		EXPECT_FALSE(vt_op_done(&op));
		rx = vx_room(self->room, MAX_LEN);
		vx_set_fd_room(&rx, self->got, 3);
		ASSERT_EQ(0, vx_recv_now(self->fd, &rx));
		EXPECT_EQ(3, rx.rx_nfds);
		for (int f = 0; f < 3; f++)
			close(self->got[f]);
		if (call) {
			EXPECT_EQ(0, vt_reply(self->fd, &rx.msg));
		}
		EXPECT_EQ(0, vx_end(&op));
	}
}

/* The numbers are written, the message is not: they are taken away again. */
TEST_F(life, message_itself_faults)
{
	struct vipc_xmsg *page = vx_map(VX_PAGE), tx, rx;
	struct vt_op op = { 0 }, recv = { 0 };

	ASSERT_NE(NULL, page);
	tx = vx_msg(1, NULL, 0);
	vx_set_fds(&tx, &self->pipe[1], 1);
	*page = vx_room(NULL, 0);
	vx_set_fd_room(page, self->got, 1);
	ASSERT_EQ(0, vx_wait(&recv, self->fd, VIPC_IOC_RECV_X, page));
	ASSERT_EQ(0, mprotect(page, VX_PAGE, PROT_READ));
	ASSERT_EQ(0, vx_start(&op, self->cap, VIPC_IOC_SEND_X, &tx));
	EXPECT_EQ(-EFAULT, vx_end(&recv));
	EXPECT_EQ(self->count, vx_count_fds());
	rx = vx_room(NULL, 0);
	vx_set_fd_room(&rx, self->got, 1);
	ASSERT_EQ(0, vx_recv_now(self->fd, &rx));
	EXPECT_EQ(0, vx_end(&op));
	close(self->got[0]);
}

/* A caller without memory for the numbers: at once, or when the answer comes. */
TEST_F(life, caller_faults)
{
	for (int how = 0; how < 6; how++) {
		int32_t *at = (int32_t *)((char *)vx_map(2 * VX_PAGE) + VX_PAGE) - 1;
		struct vipc_xmsg tx = vx_msg(1, NULL, 0), rx = vx_room(NULL, 0);
		int32_t fds[] = { 0, self->pipe[1], 0 };
		struct vt_op op = { 0 };

		vx_set_fd_room(&tx, at, 3);
		if (how < 3) {
			ASSERT_EQ(0, take_away(at, how));
			EXPECT_EQ(-EFAULT, vx_call(self->cap, &tx));
			EXPECT_EQ(0, tx.msg.flags);
			continue;
		}
		ASSERT_EQ(0, vx_queue(&op, self->cap, VIPC_IOC_CALL_X, &tx));
		ASSERT_EQ(0, vx_recv(self->fd, &rx));
		ASSERT_EQ(0, take_away(at, how - 3));
		vx_set_fds(&rx, fds, 3);
		EXPECT_EQ(0, vx_reply(self->fd, &rx));
		EXPECT_EQ(-EFAULT, vx_end(&op));
		EXPECT_EQ(VIPC_MSG_DELIVERED, tx.msg.flags);
		EXPECT_EQ(self->count, vx_count_fds());
	}
	close_writer();
	EXPECT_EQ(0, wait_no_writer(self->pipe[0]));
}

/* A capability that was passed on is the same capability, and can be used. */
TEST_F(life, capabilities)
{
	struct vipc_xmsg tx = vx_msg(1, NULL, 0), rx = vx_room(NULL, 0);
	int other = vt_open(), cap;
	struct vipc_info info, was;
	struct vipc_msg m = { 0 };
	struct vt_op op = { 0 }, call = { .msg = vt_msg(4) };
	int32_t fds[2];

	ASSERT_LE(0, other);
	cap = vt_derive(other, VIPC_RIGHT_SEND, 33);
	ASSERT_LE(0, cap);
	fds[0] = cap;
	fds[1] = self->cap;	/* through its own endpoint */
	ASSERT_EQ(0, vt_info(cap, &was));
	vx_set_fds(&tx, fds, 2);
	vx_set_fd_room(&rx, self->got, 2);
	ASSERT_EQ(0, vx_queue(&op, self->cap, VIPC_IOC_SEND_X, &tx));
	ASSERT_EQ(0, vx_recv(self->fd, &rx));
	ASSERT_EQ(0, vx_end(&op));
	ASSERT_EQ(0, vt_info(self->got[0], &info));
	EXPECT_EQ(0, memcmp(&was, &info, sizeof(info)));
	close(cap);
	EXPECT_EQ(2, vt_capabilities(other));
	ASSERT_EQ(0, vt_op_start(&call, self->got[0], VIPC_IOC_CALL));
	ASSERT_EQ(0, vt_recv(other, &m));
	EXPECT_EQ(33, m.badge);
	EXPECT_EQ(0, vt_reply(other, &m));
	EXPECT_EQ(0, vx_end(&call));
	close(self->got[0]);
	EXPECT_EQ(0, vt_wait_capabilities(other, 1));
	call = (struct vt_op){ .msg = vt_msg(5) };
	ASSERT_EQ(0, vt_op_start(&call, self->got[1], VIPC_IOC_CALL));
	m = (struct vipc_msg){ 0 };
	ASSERT_EQ(0, vt_recv(self->fd, &m));
	EXPECT_EQ(BADGE, m.badge);
	EXPECT_EQ(0, vt_reply(self->fd, &m));
	EXPECT_EQ(0, vx_end(&call));
	close(self->got[1]);
	close(other);
}

/*
 * The only one who could receive is in the message that it should receive. With
 * its sender it goes away, and then the endpoint is dead.
 */
TEST_F(life, receiver_in_its_own_queue)
{
	for (int how = 0; how < 2; how++) {
		int other = vt_open(), cap = vt_derive(other, SEND_GRANT, 0);
		struct vipc_xmsg tx = vx_msg(1, NULL, 0);
		struct vipc_msg m = vt_msg(1);
		pid_t pid;

		ASSERT_LE(0, other);
		ASSERT_LE(0, cap);
		ASSERT_EQ(0, vx_limits(other, 0, 1));
		pid = vt_fork();
		ASSERT_LE(0, pid);
		if (!pid) {
			vx_set_fds(&tx, &other, 1);
			if (how)
				tx.msg.deadline_ns = vt_in_ms(300);
			_exit(vt_ioctl(cap, how ? VIPC_IOC_SEND_X :
				       VIPC_IOC_CALL_X, &tx) != -ETIMEDOUT);
		}
		EXPECT_TRUE(how || !vt_wait_senders(other, 1));
		close(other);
		if (!how) {
			/* The child has both descriptors as well. */
			EXPECT_EQ(VIPC_STATE_LIVE,
				  vt_info_u32(cap, offsetof(struct vipc_info, state)));
			ASSERT_EQ(VP_KILLED, vp_kill(pid));
		} else {
			ASSERT_EQ(0, vt_reap(pid));
		}
		EXPECT_EQ(0, vt_wait_state(cap, VIPC_STATE_DEAD));
		EXPECT_EQ(-EPIPE, vt_send(cap, &m));
		close(cap);
	}
}

/* The same, when the file in the message is the last reference to it. */
TEST_F(life, receiver_only_in_its_own_queue)
{
	int other = vt_open(), cap = vt_derive(other, SEND_GRANT, 0);
	struct vipc_xmsg tx = vx_msg(1, NULL, 0);
	struct vt_op op = { 0 };

	ASSERT_LE(0, other);
	ASSERT_LE(0, cap);
	ASSERT_EQ(0, vx_limits(other, 0, 1));
	vx_set_fds(&tx, &other, 1);
	tx.msg.deadline_ns = vt_in_ms(500);
	ASSERT_EQ(0, vx_queue(&op, cap, VIPC_IOC_CALL_X, &tx));
	close(other);
	EXPECT_EQ(2, vt_capabilities(cap));
	EXPECT_EQ(-ETIMEDOUT, vx_end(&op));
	EXPECT_EQ(0, tx.msg.flags);
	EXPECT_EQ(0, vt_wait_state(cap, VIPC_STATE_DEAD));
	EXPECT_EQ(1, vt_capabilities(cap));
	close(cap);
}

TEST_HARNESS_MAIN
