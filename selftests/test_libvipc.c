// SPDX-License-Identifier: GPL-2.0
/*
 * libvipc: each function does what its manual says, and errno stays the
 * program's. vipc_serve() has test_libvipc_serve.c and test_libvipc_serve_end.c to itself.
 */
#include <sys/resource.h>

#include "vipc_selftest.h"
#include "vipc.h"

#define ERRNO_MARK	4711
#define MS		1000000ull

FIXTURE(lib) {
	int server;	/* every right */
	int client;	/* SEND, badge 7 */
};

FIXTURE_SETUP(lib)
{
	self->server = vipc_open(O_CLOEXEC);
	ASSERT_GE(self->server, 0);
	self->client = vipc_derive(self->server, VIPC_RIGHT_SEND, 7);
	ASSERT_GE(self->client, 0);
}

FIXTURE_TEARDOWN(lib)
{
	close(self->client);
	close(self->server);
}

/* Calls each function once on @fd; returns how many did not answer @want. */
static int everything_answers(int fd, int want)
{
	struct vipc_msg m = { .flags = VIPC_NONBLOCK };
	struct vipc_info info;
	int got[] = {
		vipc_derive(fd, 0, 0), vipc_send(fd, &m), vipc_recv(fd, &m),
		vipc_call(fd, &m), vipc_reply(fd, &m), vipc_reply_recv(fd, &m),
		vipc_revoke(fd), vipc_shutdown(fd), vipc_info(fd, &info),
		vipc_send_timeout(fd, &m, MS), vipc_recv_timeout(fd, &m, MS),
		vipc_call_timeout(fd, &m, MS),
	};
	int wrong = 0;

	for (size_t i = 0; i < sizeof(got) / sizeof(got[0]); i++)
		wrong += got[i] != want;
	return wrong;
}

TEST_F(lib, wrong_descriptor)
{
	int null = open("/dev/null", O_RDWR);
	int handler_never_called = 0;

	errno = ERRNO_MARK;
	EXPECT_EQ(0, everything_answers(-1, -EBADF));
	EXPECT_EQ(0, everything_answers(null, -ENOTTY));
	EXPECT_EQ(-EINVAL, vipc_serve(self->server, NULL, &handler_never_called, 1));
	EXPECT_EQ(ERRNO_MARK, errno);
	close(null);
}

TEST_F(lib, open_flags)
{
	int plain = vipc_open(0);

	errno = ERRNO_MARK;
	ASSERT_GE(plain, 0);
	EXPECT_EQ(0, fcntl(plain, F_GETFD));
	EXPECT_EQ(FD_CLOEXEC, fcntl(self->server, F_GETFD));
	EXPECT_EQ(FD_CLOEXEC, fcntl(self->client, F_GETFD));
	EXPECT_EQ(-EINVAL, vipc_open(O_RDWR));
	EXPECT_EQ(-EINVAL, vipc_open(O_CLOEXEC | O_NONBLOCK));
	EXPECT_EQ(ERRNO_MARK, errno);
	close(plain);
}

TEST_F(lib, open_errors)
{
	struct rlimit none = { .rlim_cur = 3, .rlim_max = 3 };

	ASSERT_EQ(0, setrlimit(RLIMIT_NOFILE, &none));
	errno = ERRNO_MARK;
	EXPECT_EQ(-EMFILE, vipc_open(0));
	EXPECT_EQ(-EMFILE, vipc_derive(self->server, VIPC_RIGHT_SEND, 1));
	EXPECT_EQ(ERRNO_MARK, errno);
}

TEST_F(lib, derive_and_info)
{
	struct vipc_info info, garbage;
	int sub;

	memset(&garbage, 0xff, sizeof(garbage));
	info = garbage;
	errno = ERRNO_MARK;
	ASSERT_EQ(0, vipc_info(self->client, &info));
	EXPECT_EQ(VIPC_ABI_VERSION, info.abi);
	EXPECT_EQ(VIPC_RIGHT_SEND, info.rights);
	EXPECT_EQ(7, info.badge);
	EXPECT_EQ(VIPC_STATE_LIVE, info.state);
	EXPECT_EQ(2, info.capabilities);
	info = garbage;
	ASSERT_EQ(0, vipc_info(self->server, &info));
	EXPECT_EQ(VIPC_RIGHTS_ALL, info.rights);
	EXPECT_EQ(0, info.badge);

	EXPECT_EQ(-EACCES, vipc_derive(self->client, VIPC_RIGHT_SEND, 7));
	EXPECT_EQ(-EINVAL, vipc_derive(self->server, 0x10, 7));
	sub = vipc_derive(self->server, VIPC_RIGHT_SEND | VIPC_RIGHT_GRANT, 9);
	ASSERT_GE(sub, 0);
	EXPECT_EQ(-EINVAL, vipc_derive(sub, VIPC_RIGHT_SEND, 8));
	EXPECT_EQ(-EACCES, vipc_derive(sub, VIPC_RIGHT_RECV, 9));
	EXPECT_EQ(ERRNO_MARK, errno);
	close(sub);
}

TEST_F(lib, message_and_reply)
{
	struct vt_op call = { .msg = vt_msg(3) };
	struct vt_op send = { .msg = vt_msg(4) };
	struct vipc_msg m = { 0 };

	ASSERT_EQ(0, vt_op_start(&call, self->client, VIPC_IOC_CALL));
	errno = ERRNO_MARK;
	ASSERT_EQ(0, vipc_recv(self->server, &m));
	EXPECT_TRUE(vt_msg_is(&m, 3));
	EXPECT_EQ(7, m.badge);
	EXPECT_NE(0, m.reply);
	EXPECT_EQ(ERRNO_MARK, errno);

	ASSERT_EQ(0, vt_op_start(&send, self->client, VIPC_IOC_SEND));
	m.data[0] = 99;
	errno = ERRNO_MARK;
	ASSERT_EQ(0, vipc_reply_recv(self->server, &m));
	EXPECT_TRUE(vt_msg_is(&m, 4));
	EXPECT_EQ(0, m.reply);
	EXPECT_EQ(-ESRCH, vipc_reply(self->server, &m));
	EXPECT_EQ(ERRNO_MARK, errno);
	ASSERT_EQ(0, vt_op_join(&call));
	EXPECT_EQ(0, call.ret);
	EXPECT_EQ(99, call.msg.data[0]);
	ASSERT_EQ(0, vt_op_join(&send));
	EXPECT_EQ(0, send.ret);
}

TEST_F(lib, call_and_send_reach_a_receiver)
{
	struct vt_op recv = { 0 };
	struct vipc_msg m = vt_msg(5);

	ASSERT_EQ(0, vt_op_start(&recv, self->server, VIPC_IOC_RECV));
	errno = ERRNO_MARK;
	ASSERT_EQ(0, vipc_send(self->client, &m));
	ASSERT_EQ(0, vt_op_join(&recv));
	EXPECT_TRUE(vt_msg_is(&recv.msg, 5));

	m.flags |= VIPC_NONBLOCK;
	EXPECT_EQ(-EAGAIN, vipc_call(self->client, &m));
	EXPECT_EQ(-EAGAIN, vipc_send(self->client, &m));
	EXPECT_EQ(-EAGAIN, vipc_recv(self->server, &m));
	m.flags = 0x80;
	EXPECT_EQ(-EINVAL, vipc_call(self->client, &m));
	EXPECT_EQ(-EFAULT, vipc_call(self->client, NULL));
	EXPECT_EQ(ERRNO_MARK, errno);
}

TEST_F(lib, revoke_and_shutdown)
{
	struct vipc_msg m = vt_msg(6);

	errno = ERRNO_MARK;
	EXPECT_EQ(-EACCES, vipc_revoke(self->client));
	EXPECT_EQ(-EACCES, vipc_shutdown(self->client));
	EXPECT_EQ(0, vipc_revoke(self->server));
	EXPECT_EQ(0, everything_answers(self->client, -EKEYREVOKED));
	EXPECT_EQ(0, vipc_shutdown(self->server));
	EXPECT_EQ(0, vipc_shutdown(self->server));
	EXPECT_EQ(-EPIPE, vipc_call(self->server, &m));
	EXPECT_EQ(-EPIPE, vipc_recv(self->server, &m));
	EXPECT_EQ(ERRNO_MARK, errno);
}

TEST(deadline_after)
{
	uint64_t before = vt_now_ns(), deadline = vipc_deadline_after(5 * MS);
	uint64_t after = vt_now_ns();

	EXPECT_GE(deadline, before + 5 * MS);
	EXPECT_LE(deadline, after + 5 * MS);
	EXPECT_GE(vipc_deadline_after(0), before);
	EXPECT_LE(vipc_deadline_after(0), vt_now_ns());
	EXPECT_EQ(VIPC_FOREVER, vipc_deadline_after(VIPC_FOREVER));
	EXPECT_EQ(VIPC_FOREVER, vipc_deadline_after(INT64_MAX));
	EXPECT_LE(vipc_deadline_after(INT64_MAX - vt_now_ns() - VT_NSEC), INT64_MAX);
}

typedef int (*timed_t)(int fd, struct vipc_msg *msg, __u64 timeout_ns);

TEST_F(lib, timeouts_pass)
{
	timed_t timed[] = { vipc_send_timeout, vipc_call_timeout, vipc_recv_timeout };

	errno = ERRNO_MARK;
	for (int i = 0; i < 3; i++) {
		struct vipc_msg m = { .deadline_ns = 1234 };
		int fd = i == 2 ? self->server : self->client;
		uint64_t start = vt_now_ns();

		EXPECT_EQ(-ETIMEDOUT, timed[i](fd, &m, 20 * MS));
		EXPECT_GE(vt_now_ns(), start + 20 * MS);
		EXPECT_EQ(1234, m.deadline_ns);
		EXPECT_EQ(0, m.flags);
		EXPECT_EQ(-ETIMEDOUT, timed[i](fd, &m, 0));
		EXPECT_EQ(1234, m.deadline_ns);
	}
	EXPECT_EQ(ERRNO_MARK, errno);
}

TEST_F(lib, timeouts_in_time)
{
	struct vt_op op = { .msg = vt_msg(8) };
	struct vipc_msg m = vt_msg(9);

	m.deadline_ns = 55;
	ASSERT_EQ(0, vt_op_start(&op, self->server, VIPC_IOC_RECV));
	EXPECT_EQ(0, vipc_send_timeout(self->client, &m, 100 * VT_NSEC));
	EXPECT_EQ(55, m.deadline_ns);
	ASSERT_EQ(0, vt_op_join(&op));
	EXPECT_TRUE(vt_msg_is(&op.msg, 9));

	op.msg = vt_msg(10);
	ASSERT_EQ(0, vt_op_start(&op, self->client, VIPC_IOC_SEND));
	EXPECT_EQ(0, vipc_recv_timeout(self->server, &m, VIPC_FOREVER));
	EXPECT_EQ(55, m.deadline_ns);
	EXPECT_TRUE(vt_msg_is(&m, 10));
	ASSERT_EQ(0, vt_op_join(&op));
	EXPECT_EQ(0, op.ret);
}

TEST_F(lib, call_timeout_after_delivery)
{
	struct vt_op recv = { 0 };
	struct vipc_msg m = vt_msg(11);

	ASSERT_EQ(0, vt_op_start(&recv, self->server, VIPC_IOC_RECV));
	EXPECT_EQ(-ETIMEDOUT, vipc_call_timeout(self->client, &m, 500 * MS));
	EXPECT_EQ(VIPC_MSG_DELIVERED, m.flags & VIPC_FLAGS_OUT_MASK);
	ASSERT_EQ(0, vt_op_join(&recv));
	EXPECT_EQ(-ESRCH, vipc_reply(self->server, &recv.msg));
}

TEST_HARNESS_MAIN
