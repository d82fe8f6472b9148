// SPDX-License-Identifier: GPL-2.0
/*
 * libvipc: bytes and descriptors, notifications, notices and configuration. Each
 * function does what its manual says, and errno stays the program's. vipc_serve_x()
 * has test_libvipc_serve_x.c to itself.
 */
#include <sys/resource.h>

#include "vipc_selftest.h"
#include "vipc.h"

#define ERRNO_MARK	4711
#define MS		1000000ull
#define MAX_LEN		65536
#define MAX_FDS		4

static uint8_t out[MAX_LEN + 1], in[MAX_LEN + 1];

FIXTURE(x) {
	int server;	/* every right */
	int client;	/* SEND and GRANT, badge 7 */
	int pipe[2];
};

FIXTURE_SETUP(x)
{
	struct vipc_config config = {
		.flags = VIPC_CONFIG_MAX_LEN | VIPC_CONFIG_MAX_FDS,
		.max_len = MAX_LEN,
		.max_fds = MAX_FDS,
	};

	self->server = vipc_open(O_CLOEXEC);
	ASSERT_GE(self->server, 0);
	self->client = vipc_derive(self->server, VIPC_RIGHT_SEND | VIPC_RIGHT_GRANT, 7);
	ASSERT_GE(self->client, 0);
	ASSERT_EQ(0, vipc_config(self->server, &config));
	ASSERT_EQ(0, pipe(self->pipe));
	for (size_t i = 0; i < sizeof(out); i++)
		out[i] = (uint8_t)(i * 7 + i / 251);
}

FIXTURE_TEARDOWN(x)
{
	close(self->pipe[0]);
	close(self->pipe[1]);
	close(self->client);
	close(self->server);
}

/* A message with vt_msg(@tag), @len bytes of out and @nfds descriptors. */
static struct vipc_xmsg to_send(uint64_t tag, uint32_t len, int *fds, uint32_t nfds)
{
	return (struct vipc_xmsg){
		.msg = vt_msg(tag),
		.tx_buf = VIPC_ADDRESS(out),
		.tx_len = len,
		.tx_fds = VIPC_ADDRESS(fds),
		.tx_nfds = nfds,
	};
}

/* Room for all that can come. */
static void add_room(struct vipc_xmsg *x, int *fds)
{
	memset(in, 0, sizeof(in));
	x->rx_buf = VIPC_ADDRESS(in);
	x->rx_len = MAX_LEN;
	x->rx_fds = VIPC_ADDRESS(fds);
	x->rx_nfds = MAX_FDS;
}

static int start(struct vt_op *op, struct vipc_xmsg *x, int fd, unsigned long cmd)
{
	op->arg = x;
	return vt_op_start(op, fd, cmd);
}

/* Did @fd, which was received, come from the writing end of @pipe? */
static bool is_pipe(int fd, const int *pipe)
{
	char c = 0;

	return fcntl(fd, F_GETFD) == FD_CLOEXEC && write(fd, "p", 1) == 1 &&
	       read(pipe[0], &c, 1) == 1 && c == 'p';
}

/* Calls each function once on @fd; returns how many did not answer @want. */
static int everything_answers(int fd, int want)
{
	struct vipc_xmsg x = { .msg.flags = VIPC_NONBLOCK };
	struct vipc_config config = { .flags = VIPC_CONFIG_SPIN_NS };
	int got[] = {
		vipc_derive_watched(fd, 0, 3), vipc_config(fd, &config),
		vipc_notify(fd, 1), vipc_send_x(fd, &x), vipc_recv_x(fd, &x),
		vipc_call_x(fd, &x), vipc_reply_x(fd, &x), vipc_reply_recv_x(fd, &x),
		vipc_send_x_timeout(fd, &x, MS), vipc_recv_x_timeout(fd, &x, MS),
		vipc_call_x_timeout(fd, &x, MS),
	};
	int wrong = 0;

	for (size_t i = 0; i < sizeof(got) / sizeof(got[0]); i++)
		wrong += got[i] != want;
	return wrong;
}

TEST_F(x, wrong_descriptor)
{
	int null = open("/dev/null", O_RDWR);

	errno = ERRNO_MARK;
	EXPECT_EQ(0, everything_answers(-1, -EBADF));
	EXPECT_EQ(0, everything_answers(null, -ENOTTY));
	EXPECT_EQ(0, vipc_revoke(self->server));
	EXPECT_EQ(0, everything_answers(self->client, -EKEYREVOKED));
	EXPECT_EQ(ERRNO_MARK, errno);
	close(null);
}

TEST_F(x, wrong_address)
{
	struct vipc_xmsg x = { .reserved = 1 };

	errno = ERRNO_MARK;
	EXPECT_EQ(-EFAULT, vipc_send_x(self->client, NULL));
	EXPECT_EQ(-EFAULT, vipc_recv_x(self->server, NULL));
	EXPECT_EQ(-EFAULT, vipc_call_x(self->client, NULL));
	EXPECT_EQ(-EFAULT, vipc_reply_x(self->server, NULL));
	EXPECT_EQ(-EFAULT, vipc_reply_recv_x(self->server, NULL));
	EXPECT_EQ(-EFAULT, vipc_config(self->server, NULL));
	EXPECT_EQ(-EINVAL, vipc_send_x(self->client, &x));
	EXPECT_EQ(-EINVAL, vipc_recv_x(self->server, &x));
	x.reserved = 0;
	x.msg.flags = 0x80;
	EXPECT_EQ(-EINVAL, vipc_call_x(self->client, &x));
	EXPECT_EQ(ERRNO_MARK, errno);
}

TEST_F(x, addresses)
{
	EXPECT_EQ((uint64_t)(uintptr_t)out, VIPC_ADDRESS(out));
	EXPECT_EQ((void *)out, VIPC_POINTER(VIPC_ADDRESS(out)));
	EXPECT_EQ(0, VIPC_ADDRESS(NULL));
}

TEST_F(x, send_reaches_recv)
{
	uint32_t sizes[] = { 0, 1, 4096, MAX_LEN };

	for (int i = 0; i < 4; i++) {
		struct vipc_xmsg send = to_send(3, sizes[i], &self->pipe[1], i % 2);
		struct vipc_xmsg x = { .reply_len = 9, .reply_nfds = 9 };
		int fds[MAX_FDS];
		struct vt_op op;

		add_room(&x, fds);
		ASSERT_EQ(0, start(&op, &send, self->client, VIPC_IOC_SEND_X));
		errno = ERRNO_MARK;
		ASSERT_EQ(0, vipc_recv_x(self->server, &x));
		EXPECT_EQ(ERRNO_MARK, errno);
		ASSERT_EQ(0, vt_op_join(&op));
		EXPECT_EQ(0, op.ret);
		EXPECT_TRUE(vt_msg_is(&x.msg, 3));
		EXPECT_EQ(7, x.msg.badge);
		EXPECT_EQ(0, x.msg.reply);
		EXPECT_EQ(sizes[i], x.rx_len);
		EXPECT_EQ(0, memcmp(in, out, sizes[i]));
		EXPECT_EQ(0, in[sizes[i]]);
		ASSERT_EQ(i % 2, x.rx_nfds);
		EXPECT_EQ(0, x.reply_len);
		EXPECT_EQ(0, x.reply_nfds);
		if (i % 2) {
			EXPECT_TRUE(is_pipe(fds[0], self->pipe));
			close(fds[0]);
		}
	}
}

TEST_F(x, call_and_reply)
{
	int fds[2] = { self->pipe[1], self->pipe[1] }, got[MAX_FDS], room[MAX_FDS];
	struct vipc_xmsg send = to_send(4, 1000, fds, 2);
	struct vipc_xmsg x = { 0 }, reply;
	uint8_t answer[5000];
	struct vt_op op;

	add_room(&x, got);
	send.rx_buf = VIPC_ADDRESS(answer);
	send.rx_len = sizeof(answer);
	send.rx_fds = VIPC_ADDRESS(room);
	send.rx_nfds = 3;
	ASSERT_EQ(0, start(&op, &send, self->client, VIPC_IOC_CALL_X));
	errno = ERRNO_MARK;
	ASSERT_EQ(0, vipc_recv_x(self->server, &x));
	EXPECT_EQ(1000, x.rx_len);
	EXPECT_EQ(0, memcmp(in, out, 1000));
	ASSERT_EQ(2, x.rx_nfds);
	EXPECT_TRUE(is_pipe(got[0], self->pipe));
	EXPECT_TRUE(is_pipe(got[1], self->pipe));
	EXPECT_EQ(sizeof(answer), x.reply_len);
	EXPECT_EQ(3, x.reply_nfds);

	reply = to_send(5, 5000, got, 2);
	reply.msg.reply = x.msg.reply;
	EXPECT_EQ(0, vipc_reply_x(self->server, &reply));
	EXPECT_EQ(-ESRCH, vipc_reply_x(self->server, &reply));
	EXPECT_EQ(ERRNO_MARK, errno);
	close(got[0]);
	close(got[1]);
	ASSERT_EQ(0, vt_op_join(&op));
	EXPECT_EQ(0, op.ret);
	EXPECT_TRUE(vt_msg_is(&send.msg, 5));
	EXPECT_EQ(5000, send.rx_len);
	EXPECT_EQ(0, memcmp(answer, out, 5000));
	ASSERT_EQ(2, send.rx_nfds);
	EXPECT_TRUE(is_pipe(room[0], self->pipe));
	EXPECT_TRUE(is_pipe(room[1], self->pipe));
	close(room[0]);
	close(room[1]);
}

TEST_F(x, reply_recv)
{
	struct vipc_xmsg call[2] = { to_send(10, 10, NULL, 0), to_send(11, 11, NULL, 0) };
	struct vipc_xmsg x = { 0 };
	uint8_t answer[2][16];
	struct vt_op op[2];
	int fds[MAX_FDS];

	for (int i = 0; i < 2; i++) {
		call[i].rx_buf = VIPC_ADDRESS(answer[i]);
		call[i].rx_len = sizeof(answer[i]);
		ASSERT_EQ(0, start(&op[i], &call[i], self->client, VIPC_IOC_CALL_X));
		ASSERT_EQ(0, vt_wait_senders(self->server, i + 1));
	}
	errno = ERRNO_MARK;
	for (int i = 0; i < 2; i++) {
		add_room(&x, fds);
		ASSERT_EQ(0, vipc_reply_recv_x(self->server, &x));
		EXPECT_TRUE(vt_msg_is(&x.msg, 10 + i));
		EXPECT_EQ(10 + i, x.rx_len);
		x.tx_buf = VIPC_ADDRESS(out + i);
		x.tx_len = 16;
	}
	/* Nothing more to come: the reply goes out all the same. */
	x.msg.flags = VIPC_NONBLOCK;
	EXPECT_EQ(-EAGAIN, vipc_reply_recv_x(self->server, &x));
	EXPECT_EQ(0, x.msg.reply);
	EXPECT_EQ(ERRNO_MARK, errno);
	for (int i = 0; i < 2; i++) {
		ASSERT_EQ(0, vt_op_join(&op[i]));
		EXPECT_EQ(0, op[i].ret);
		EXPECT_EQ(16, call[i].rx_len);
		EXPECT_EQ(0, memcmp(answer[i], out + i, 16));
	}
}

TEST_F(x, small_and_large_mix)
{
	struct vt_op op = { .msg = vt_msg(20) }, op_x;
	struct vipc_xmsg x = { 0 }, call = to_send(21, 0, NULL, 0);
	struct vipc_msg m = { 0 };
	int fds[MAX_FDS];

	ASSERT_EQ(0, vt_op_start(&op, self->client, VIPC_IOC_CALL));
	add_room(&x, fds);
	ASSERT_EQ(0, vipc_recv_x(self->server, &x));
	EXPECT_TRUE(vt_msg_is(&x.msg, 20));
	EXPECT_EQ(0, x.rx_len);
	EXPECT_EQ(0, x.rx_nfds);
	EXPECT_EQ(0, x.reply_len);
	EXPECT_EQ(0, x.reply_nfds);
	EXPECT_EQ(0, vipc_reply_x(self->server, &x));
	ASSERT_EQ(0, vt_op_join(&op));
	EXPECT_EQ(0, op.ret);
	EXPECT_TRUE(vt_msg_is(&op.msg, 20));

	add_room(&call, fds);
	ASSERT_EQ(0, start(&op_x, &call, self->client, VIPC_IOC_CALL_X));
	ASSERT_EQ(0, vipc_recv(self->server, &m));
	EXPECT_TRUE(vt_msg_is(&m, 21));
	EXPECT_EQ(0, vipc_reply(self->server, &m));
	ASSERT_EQ(0, vt_op_join(&op_x));
	EXPECT_EQ(0, op_x.ret);
	EXPECT_EQ(0, call.rx_len);
	EXPECT_EQ(0, call.rx_nfds);
}

TEST_F(x, what_cannot_be_sent)
{
	int send_only = vipc_derive(self->server, VIPC_RIGHT_SEND, 8);
	int fds[MAX_FDS + 1] = { 0 }, bad = -1;
	struct {
		struct vipc_xmsg x;
		int want;
	} wrong[] = {
		{ to_send(1, MAX_LEN + 1, NULL, 0), -EMSGSIZE },
		{ to_send(1, 0, fds, MAX_FDS + 1), -EMSGSIZE },
		{ to_send(1, 0, &bad, 1), -EBADF },
		{ to_send(1, 0, NULL, 1), -EFAULT },
		{ to_send(1, 100, NULL, 0), -EFAULT },
	};
	struct vipc_xmsg x = to_send(1, 0, fds, 1);

	wrong[4].x.tx_buf = 16;
	errno = ERRNO_MARK;
	for (int i = 0; i < 5; i++) {
		EXPECT_EQ(wrong[i].want, vipc_send_x(self->client, &wrong[i].x));
		EXPECT_EQ(wrong[i].want, vipc_call_x(self->client, &wrong[i].x));
		EXPECT_EQ(0, wrong[i].x.msg.flags);
	}
	EXPECT_EQ(-EACCES, vipc_send_x(send_only, &x));
	EXPECT_EQ(-EACCES, vipc_call_x(send_only, &x));
	x.msg.flags = VIPC_NONBLOCK;
	EXPECT_EQ(-EAGAIN, vipc_send_x(self->client, &x));
	EXPECT_EQ(-EAGAIN, vipc_call_x(self->client, &x));
	EXPECT_EQ(-EAGAIN, vipc_recv_x(self->server, &x));
	EXPECT_EQ(ERRNO_MARK, errno);
	EXPECT_EQ(0, vt_senders(self->server));
	close(send_only);
}

TEST_F(x, what_does_not_fit_stays)
{
	struct vipc_xmsg send = to_send(30, 100, &self->pipe[1], 1), x = { 0 };
	struct vipc_msg m = { 0 };
	struct vt_op op;
	int fds[MAX_FDS];

	ASSERT_EQ(0, start(&op, &send, self->client, VIPC_IOC_SEND_X));
	errno = ERRNO_MARK;
	EXPECT_EQ(-EMSGSIZE, vipc_recv(self->server, &m));
	add_room(&x, fds);
	x.rx_len = 99;
	EXPECT_EQ(-EMSGSIZE, vipc_recv_x(self->server, &x));
	EXPECT_EQ(99, x.rx_len);
	x.rx_len = 100;
	x.rx_nfds = 0;
	EXPECT_EQ(-EMSGSIZE, vipc_recv_x_timeout(self->server, &x, MS));
	x.rx_nfds = 1;
	x.rx_buf = 16;
	EXPECT_EQ(-EFAULT, vipc_recv_x(self->server, &x));
	EXPECT_EQ(ERRNO_MARK, errno);
	EXPECT_FALSE(vt_op_done(&op));
	add_room(&x, fds);
	ASSERT_EQ(0, vipc_recv_x(self->server, &x));
	EXPECT_EQ(100, x.rx_len);
	EXPECT_EQ(0, memcmp(in, out, 100));
	ASSERT_EQ(1, x.rx_nfds);
	close(fds[0]);
	ASSERT_EQ(0, vt_op_join(&op));
	EXPECT_EQ(0, op.ret);
}

TEST_F(x, reply_that_does_not_fit)
{
	struct vipc_xmsg call = to_send(40, 0, NULL, 0), x = { 0 }, reply;
	uint8_t answer[100];
	struct vt_op op;
	int fds[MAX_FDS], bad = -1;

	call.rx_buf = VIPC_ADDRESS(answer);
	call.rx_len = sizeof(answer);
	ASSERT_EQ(0, start(&op, &call, self->client, VIPC_IOC_CALL_X));
	add_room(&x, fds);
	ASSERT_EQ(0, vipc_recv_x(self->server, &x));
	reply = to_send(41, 101, NULL, 0);
	reply.msg.reply = x.msg.reply;
	errno = ERRNO_MARK;
	EXPECT_EQ(-EMSGSIZE, vipc_reply_x(self->server, &reply));
	EXPECT_EQ(-EMSGSIZE, vipc_reply_recv_x(self->server, &reply));
	EXPECT_EQ(x.msg.reply, reply.msg.reply);
	reply.tx_len = 100;
	reply.tx_fds = VIPC_ADDRESS(&bad);
	reply.tx_nfds = 1;
	EXPECT_EQ(-EMSGSIZE, vipc_reply_x(self->server, &reply));
	reply.tx_nfds = 0;
	reply.tx_buf = 16;
	EXPECT_EQ(-EFAULT, vipc_reply_x(self->server, &reply));
	EXPECT_FALSE(vt_op_done(&op));
	reply.tx_buf = VIPC_ADDRESS(out);
	EXPECT_EQ(0, vipc_reply_x(self->server, &reply));
	EXPECT_EQ(ERRNO_MARK, errno);
	ASSERT_EQ(0, vt_op_join(&op));
	EXPECT_EQ(0, op.ret);
	EXPECT_EQ(100, call.rx_len);
	EXPECT_EQ(0, memcmp(answer, out, 100));
}

typedef int (*timed_t)(int fd, struct vipc_xmsg *msg, __u64 timeout_ns);

TEST_F(x, timeouts)
{
	timed_t timed[] = { vipc_send_x_timeout, vipc_call_x_timeout, vipc_recv_x_timeout };
	struct vipc_xmsg send = to_send(50, 10, NULL, 0), x = { 0 };
	struct vt_op op;
	int fds[MAX_FDS];

	errno = ERRNO_MARK;
	for (int i = 0; i < 3; i++) {
		struct vipc_xmsg m = to_send(51, 10, NULL, 0);
		int fd = i == 2 ? self->server : self->client;
		uint64_t begin = vt_now_ns();

		m.msg.deadline_ns = 1234;
		EXPECT_EQ(-ETIMEDOUT, timed[i](fd, &m, 20 * MS));
		EXPECT_GE(vt_now_ns(), begin + 20 * MS);
		EXPECT_EQ(-ETIMEDOUT, timed[i](fd, &m, 0));
		EXPECT_EQ(1234, m.msg.deadline_ns);
		EXPECT_EQ(0, m.msg.flags);
	}
	ASSERT_EQ(0, start(&op, &send, self->client, VIPC_IOC_SEND_X));
	add_room(&x, fds);
	x.msg.deadline_ns = 55;
	EXPECT_EQ(0, vipc_recv_x_timeout(self->server, &x, VIPC_FOREVER));
	EXPECT_EQ(55, x.msg.deadline_ns);
	EXPECT_EQ(10, x.rx_len);
	ASSERT_EQ(0, vt_op_join(&op));

	/* A call that is taken, and not answered in time. */
	add_room(&x, fds);
	x.msg.deadline_ns = 0;
	ASSERT_EQ(0, start(&op, &x, self->server, VIPC_IOC_RECV_X));
	ASSERT_EQ(0, vt_wait_receivers(self->server, 1));
	EXPECT_EQ(-ETIMEDOUT, vipc_call_x_timeout(self->client, &send, 500 * MS));
	EXPECT_EQ(VIPC_MSG_DELIVERED, send.msg.flags & VIPC_FLAGS_OUT_MASK);
	ASSERT_EQ(0, vt_op_join(&op));
	ASSERT_EQ(0, op.ret);
	EXPECT_EQ(-ESRCH, vipc_reply_x(self->server, &x));
	EXPECT_EQ(ERRNO_MARK, errno);
}

/* Leaves no number free but @n; -errno. */
static int leave_numbers(int n)
{
	int lowest = dup(0);
	struct rlimit limit = { .rlim_cur = (rlim_t)(lowest + n), .rlim_max = 4096 };

	close(lowest);
	return setrlimit(RLIMIT_NOFILE, &limit) ? -errno : 0;
}

TEST_F(x, no_numbers_left)
{
	int pair[2] = { self->pipe[1], self->pipe[1] }, fds[MAX_FDS];
	struct vipc_xmsg send = to_send(60, 0, pair, 2), call = to_send(61, 0, NULL, 0);
	struct vipc_xmsg x = { 0 };
	struct vt_op op;

	ASSERT_EQ(0, leave_numbers(1));
	ASSERT_EQ(0, start(&op, &send, self->client, VIPC_IOC_SEND_X));
	add_room(&x, fds);
	errno = ERRNO_MARK;
	EXPECT_EQ(-EMFILE, vipc_recv_x(self->server, &x));
	EXPECT_FALSE(vt_op_done(&op));
	ASSERT_EQ(0, leave_numbers(2));
	EXPECT_EQ(0, vipc_recv_x(self->server, &x));
	EXPECT_EQ(2, x.rx_nfds);
	ASSERT_EQ(0, vt_op_join(&op));
	EXPECT_EQ(0, op.ret);

	/* Now the caller has none left. */
	add_room(&call, fds);
	ASSERT_EQ(0, start(&op, &call, self->client, VIPC_IOC_CALL_X));
	ASSERT_EQ(0, vipc_recv_x(self->server, &x));
	x.tx_fds = VIPC_ADDRESS(pair);
	x.tx_nfds = 1;
	EXPECT_EQ(0, vipc_reply_x(self->server, &x));
	EXPECT_EQ(ERRNO_MARK, errno);
	ASSERT_EQ(0, vt_op_join(&op));
	EXPECT_EQ(-EMFILE, op.ret);
	EXPECT_EQ(VIPC_MSG_DELIVERED, call.msg.flags & VIPC_FLAGS_OUT_MASK);
}

TEST_F(x, config)
{
	struct vipc_config c = {
		.flags = VIPC_CONFIG_SPIN_NS | VIPC_CONFIG_MAX_FDS,
		.max_len = 1,	/* not set, as there is no flag for it */
		.max_fds = 2,
		.spin_ns = 99,
	};
	struct vipc_info info;

	errno = ERRNO_MARK;
	EXPECT_EQ(0, vipc_config(self->server, &c));
	EXPECT_EQ(MAX_LEN, c.max_len);
	EXPECT_EQ(2, c.max_fds);
	EXPECT_EQ(99, c.spin_ns);
	EXPECT_EQ(0, c.depth);
	c = (struct vipc_config){ .flags = VIPC_CONFIG_DEPTH, .depth = 3 };
	EXPECT_EQ(0, vipc_config(self->server, &c));
	c.depth = 4;
	EXPECT_EQ(-EBUSY, vipc_config(self->server, &c));
	c = (struct vipc_config){ .flags = 0x80 };
	EXPECT_EQ(-EINVAL, vipc_config(self->server, &c));
	c = (struct vipc_config){ .flags = VIPC_CONFIG_MAX_FDS, .max_fds = 254 };
	EXPECT_EQ(-EINVAL, vipc_config(self->server, &c));
	c.max_fds = 2;
	EXPECT_EQ(-EACCES, vipc_config(self->client, &c));
	EXPECT_EQ(ERRNO_MARK, errno);
	ASSERT_EQ(0, vipc_info(self->client, &info));
	EXPECT_EQ(MAX_LEN, info.max_len);
	EXPECT_EQ(2, info.max_fds);
	EXPECT_EQ(3, info.depth);
	EXPECT_EQ(0, info.buffered);
	ASSERT_EQ(0, vipc_send(self->client, &(struct vipc_msg){ .opcode = 1 }));
	ASSERT_EQ(0, vipc_info(self->client, &info));
	EXPECT_EQ(1, info.buffered);

	EXPECT_EQ(0, vipc_shutdown(self->server));
	c = (struct vipc_config){ .flags = VIPC_CONFIG_SPIN_NS };
	EXPECT_EQ(-EPIPE, vipc_config(self->server, &c));
	c.flags = 0;
	EXPECT_EQ(0, vipc_config(self->server, &c));
	EXPECT_EQ(99, c.spin_ns);
}

TEST_F(x, notify)
{
	int deaf = vipc_derive(self->server, VIPC_RIGHT_RECV, 0);
	struct vipc_xmsg x = { .msg.flags = VIPC_NONBLOCK };
	int fds[MAX_FDS];

	errno = ERRNO_MARK;
	EXPECT_EQ(-EINVAL, vipc_notify(self->client, 0));
	EXPECT_EQ(-EACCES, vipc_notify(deaf, 1));
	EXPECT_EQ(0, vipc_notify(self->client, 1));
	EXPECT_EQ(0, vipc_notify(self->client, 1ull << 63));
	add_room(&x, fds);
	ASSERT_EQ(0, vipc_recv_x(self->server, &x));
	EXPECT_TRUE(vt_is_notification(&x.msg, 1 | 1ull << 63));
	EXPECT_EQ(0, x.rx_len);
	EXPECT_EQ(0, x.rx_nfds);
	EXPECT_EQ(0, vipc_shutdown(self->server));
	EXPECT_EQ(-EPIPE, vipc_notify(self->client, 1));
	EXPECT_EQ(ERRNO_MARK, errno);
	close(deaf);
}

TEST_F(x, derive_watched)
{
	struct vipc_msg m = { .flags = VIPC_NONBLOCK };
	int watched;

	errno = ERRNO_MARK;
	EXPECT_EQ(-EINVAL, vipc_derive_watched(self->server, VIPC_RIGHT_SEND, 0));
	EXPECT_EQ(-EINVAL, vipc_derive_watched(self->client, VIPC_RIGHT_SEND, 7));
	EXPECT_EQ(-EACCES, vipc_derive_watched(self->client, VIPC_RIGHT_RECV, 7));
	watched = vipc_derive_watched(self->server, VIPC_RIGHT_SEND, 9);
	ASSERT_GE(watched, 0);
	EXPECT_EQ(FD_CLOEXEC, fcntl(watched, F_GETFD));
	EXPECT_EQ(-EAGAIN, vipc_recv(self->server, &m));
	close(watched);
	ASSERT_EQ(0, vipc_recv(self->server, &m));
	EXPECT_TRUE(vt_is_notice(&m, 9));
	m.flags = VIPC_NONBLOCK;
	EXPECT_EQ(-EAGAIN, vipc_recv(self->server, &m));
	EXPECT_EQ(ERRNO_MARK, errno);
}

TEST_HARNESS_MAIN
