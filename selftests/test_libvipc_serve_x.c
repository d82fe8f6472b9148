// SPDX-License-Identifier: GPL-2.0
/*
 * vipc_serve_x(): what it receives and sends, and that no descriptor is left open or
 * closed twice. What it has in common with vipc_serve() is tested in
 * test_libvipc_serve.c; that no client can stop it, in test_libvipc_stall.c.
 */
#include "libvipc_server.h"

TEST(arguments)
{
	int fd = vipc_open(O_CLOEXEC), null = open("/dev/null", O_RDWR);
	int deaf = vipc_derive(fd, VIPC_RIGHT_SEND, 0), files = count_fds();
	struct rlimit limit = { .rlim_cur = (rlim_t)files, .rlim_max = 1024 };
	struct server s = { 0 };

	ASSERT_EQ(0, set_limits(fd, MAX_LEN, MAX_FDS));
	errno = ERRNO_MARK;
	for (unsigned int threads = 1; threads <= 4; threads += 3) {
		EXPECT_EQ(-EINVAL, vipc_serve_x(fd, NULL, &s, threads));
		EXPECT_EQ(-EACCES, vipc_serve_x(deaf, handler, &s, threads));
		EXPECT_EQ(-EBADF, vipc_serve_x(-1, handler, &s, threads));
		EXPECT_EQ(-ENOTTY, vipc_serve_x(null, handler, &s, threads));
	}
	EXPECT_EQ(-EINVAL, vipc_serve_x(fd, handler, &s, 0));
	EXPECT_EQ(-EINVAL, vipc_serve_x(fd, handler, &s, VIPC_SERVE_MAX_THREADS + 1));
	ASSERT_EQ(0, setrlimit(RLIMIT_NOFILE, &limit));
	while (dup(0) >= 0)
		;
	files = count_fds();
	errno = ERRNO_MARK;
	EXPECT_EQ(-EMFILE, vipc_serve_x(fd, handler, &s, 1));
	EXPECT_EQ(ERRNO_MARK, errno);
	EXPECT_EQ(files, count_fds());
	EXPECT_EQ(0, s.handled);
	EXPECT_EQ(0, closed_in_vain);
}

TEST_F(serve, bytes)
{
	uint32_t sizes[] = { 0, 1, 4095, 4097, MAX_LEN };

	ASSERT_EQ(0, server_start(&self->s));
	for (int i = 0; i < 5; i++) {
		struct vipc_xmsg x = request(OP_ECHO, 0, self->in, NULL);

		x.tx_buf = VIPC_ADDRESS(self->out);
		x.tx_len = sizes[i];
		memset(self->in, 0, MAX_LEN);
		ASSERT_EQ(0, call(self->client, &x));
		EXPECT_EQ(100, x.msg.opcode);
		ASSERT_EQ(sizes[i], x.rx_len);
		EXPECT_TRUE(is_filled(self->in, sizes[i]));
		x = request(OP_COUNT, 0, self->in, NULL);
		x.tx_buf = VIPC_ADDRESS(self->out);
		x.tx_len = sizes[i];
		ASSERT_EQ(0, call(self->client, &x));
		EXPECT_EQ(sizes[i], x.msg.data[0]);
		EXPECT_EQ(1 << 20, x.msg.data[2]);
		EXPECT_EQ(0, x.rx_len);
	}
	EXPECT_TRUE(answered(self->client, OP_STOP, 0));
	EXPECT_EQ(0, server_end(&self->s, self->files));
}

/* Replies may be larger than requests, and the handler has room for them. */
TEST_F(serve, large_replies)
{
	uint32_t sizes[] = { 0, VIPC_SERVE_ROOM, 100000, 1 << 20, 10 };

	ASSERT_EQ(0, server_start(&self->s));
	for (int i = 0; i < 5; i++) {
		struct vipc_xmsg x = request(OP_FILL, sizes[i], self->in, NULL);

		memset(self->in, 0, 1 << 20);
		ASSERT_EQ(0, call(self->client, &x));
		EXPECT_EQ(100, x.msg.opcode);
		ASSERT_EQ(sizes[i], x.rx_len);
		EXPECT_TRUE(is_filled(self->in, sizes[i]));
	}
	/* The handler learns how much room this caller has, not the one before. */
	for (uint32_t room = 0; room < 100; room += 33) {
		struct vipc_xmsg x = request(OP_COUNT, 0, self->in, NULL);

		x.rx_len = room;
		x.rx_nfds = 0;
		ASSERT_EQ(0, call(self->client, &x));
		EXPECT_EQ(room, x.msg.data[2]);
		EXPECT_EQ(0, x.msg.data[3]);
	}
	EXPECT_TRUE(answered(self->client, OP_STOP, 0));
	EXPECT_EQ(0, server_end(&self->s, self->files));
}

TEST_F(serve, replies_that_cannot_be_sent)
{
	struct vipc_xmsg x = request(OP_FILL, 100, self->in, NULL);
	int fds[2 * MAX_FDS];

	ASSERT_EQ(0, server_start(&self->s));
	x.rx_len = 99;
	EXPECT_TRUE(refused(self->client, x, EMSGSIZE, 100, 0));
	/* A handler that never looks at the caller's room. */
	x = request(OP_FILL, VIPC_SERVE_ROOM, NULL, NULL);
	EXPECT_TRUE(refused(self->client, x, EMSGSIZE, VIPC_SERVE_ROOM, 0));
	x = request(OP_GIVE, 3, NULL, fds);
	x.rx_nfds = 2;
	EXPECT_TRUE(refused(self->client, x, EMSGSIZE, 0, 3));
	EXPECT_TRUE(refused(self->client, request(OP_GIVE, 1, NULL, NULL), EMSGSIZE, 0, 1));
	x = request(OP_BAD_FD, 0, NULL, fds);
	EXPECT_TRUE(refused(self->client, x, EBADF, 0, 1));
	x = request(OP_BAD_BUF, 0, self->in, NULL);
	EXPECT_TRUE(refused(self->client, x, EFAULT, 1, 0));
	EXPECT_EQ(0, settled(&self->s, self->files + MAX_FDS));
	EXPECT_TRUE(answered(self->client, OP_STOP, 0));
	EXPECT_EQ(0, server_end(&self->s, self->files));
}

TEST_F(serve, no_right_to_send_descriptors)
{
	struct vipc_xmsg x;
	int fds[2 * MAX_FDS];

	self->s.fd = vipc_derive(self->server, VIPC_RIGHT_RECV, 0);
	ASSERT_GE(self->s.fd, 0);
	ASSERT_EQ(0, server_start(&self->s));
	x = request(OP_GIVE, 1, NULL, fds);
	EXPECT_TRUE(refused(self->client, x, EACCES, 0, 1));
	EXPECT_TRUE(answered(self->client, OP_STOP, 0));
	EXPECT_EQ(0, server_end(&self->s, self->files + 1));
}

TEST_F(serve, descriptors)
{
	struct { uint32_t op; uint64_t n, want; } tries[] = {
		{ OP_COUNT, 0, 0 }, { OP_GIVE, 1, 1 }, { OP_GIVE, 8, 8 },
		{ OP_GIVE_TWICE, 0, 2 }, { OP_CHANGE_MIND, 8, 0 }, { OP_PASS_ON, 0, 3 },
		{ OP_SPOIL, 0, 0 }, { OP_ECHO, 0, 0 },
	};
	int mine[3] = { self->client, self->client, self->server }, fds[2 * MAX_FDS];
	struct vipc_info info;

	ASSERT_EQ(0, server_start(&self->s));
	for (int i = 0; i < 8 * 5; i++) {
		struct vipc_xmsg x = request(tries[i % 8].op, tries[i % 8].n, NULL, fds);

		x.tx_fds = VIPC_ADDRESS(mine);
		x.tx_nfds = 3;
		ASSERT_EQ(0, call(self->client, &x));
		EXPECT_EQ(100, x.msg.opcode);
		ASSERT_EQ(tries[i % 8].want, x.rx_nfds);
		if (x.msg.opcode == 100 && tries[i % 8].op == OP_PASS_ON) {
			ASSERT_EQ(0, vipc_info(fds[1], &info));
			EXPECT_EQ(7, info.badge);
		}
		for (uint32_t n = 0; n < x.rx_nfds; n++)
			EXPECT_EQ(0, close(fds[n]));
	}
	EXPECT_EQ(0, settled(&self->s, self->files + MAX_FDS));
	/* The same for those who cannot take any, and for those who do not wait. */
	for (int i = 0; i < 8; i++) {
		struct vipc_xmsg x = request(tries[i].op, tries[i].n, NULL, NULL);

		x.tx_fds = VIPC_ADDRESS(mine);
		x.tx_nfds = 3;
		EXPECT_EQ(0, call(self->client, &x));
		x.msg = (struct vipc_msg){ .opcode = tries[i].op, .data = { tries[i].n } };
		EXPECT_EQ(0, vipc_send_x(self->client, &x));
	}
	EXPECT_EQ(0, settled(&self->s, self->files + MAX_FDS));
	EXPECT_TRUE(answered(self->client, OP_STOP, 0));
	EXPECT_EQ(0, server_end(&self->s, self->files));
}

/* What was given away is the client's alone, also while the server has nothing to do. */
TEST_F(serve, given_descriptors_are_closed_at_once)
{
	int pipes[2], fds[2 * MAX_FDS];
	struct vipc_xmsg x;
	char c;

	ASSERT_EQ(0, server_start(&self->s));
	for (int i = 0; i < 3; i++) {
		ASSERT_EQ(0, pipe(pipes));
		x = request(OP_PASS_ON, 0, NULL, fds);
		x.tx_fds = VIPC_ADDRESS(&pipes[1]);
		x.tx_nfds = 1;
		ASSERT_EQ(0, call(self->client, &x));
		ASSERT_EQ(1, x.rx_nfds);
		close(pipes[1]);
		close(fds[0]);
		EXPECT_EQ(0, read(pipes[0], &c, 1));
		close(pipes[0]);
	}
	EXPECT_TRUE(answered(self->client, OP_STOP, 0));
	EXPECT_EQ(0, server_end(&self->s, self->files));
}

TEST_F(serve, kept_and_lent)
{
	struct vipc_xmsg x = request(OP_KEEP, 0, NULL, NULL);
	int mine[2] = { self->client, self->server }, fds[2 * MAX_FDS];
	struct vipc_info info;

	ASSERT_EQ(0, server_start(&self->s));
	x.tx_fds = VIPC_ADDRESS(mine);
	x.tx_nfds = 2;
	ASSERT_EQ(0, call(self->client, &x));
	EXPECT_EQ(0, settled(&self->s, self->files + MAX_FDS + 1));
	ASSERT_EQ(0, vipc_info(self->s.kept, &info));
	EXPECT_EQ(7, info.badge);
	for (int i = 0; i < 3; i++) {
		x = request(OP_LEND, 0, NULL, fds);
		ASSERT_EQ(0, call(self->client, &x));
		ASSERT_EQ(1, x.rx_nfds);
		EXPECT_EQ(0, vipc_info(fds[0], &info));
		EXPECT_EQ(7, info.badge);
		close(fds[0]);
	}
	EXPECT_EQ(0, settled(&self->s, self->files + MAX_FDS + 1));
	EXPECT_TRUE(answered(self->client, OP_STOP, 0));
	EXPECT_EQ(0, close(self->s.kept));
	EXPECT_EQ(0, server_end(&self->s, self->files));
}

TEST_F(serve, deferred)
{
	struct vipc_xmsg x = request(OP_KEEP_DEFER, 0, self->in, NULL), reply;
	struct vt_op op = { .arg = &x };
	int mine[2] = { self->client, self->server };

	ASSERT_EQ(0, server_start(&self->s));
	x.tx_fds = VIPC_ADDRESS(mine);
	x.tx_nfds = 2;
	ASSERT_EQ(0, vt_op_start(&op, self->client, VIPC_IOC_CALL_X));
	ASSERT_EQ(0, vt_wait_until(load(&self->s.token)));
	EXPECT_EQ(0, settled(&self->s, self->files + MAX_FDS + 1));
	EXPECT_TRUE(answered(self->client, OP_STOP, 0));
	EXPECT_EQ(0, close(self->s.kept));
	EXPECT_EQ(0, server_end(&self->s, self->files));
	EXPECT_FALSE(vt_op_done(&op));
	reply = (struct vipc_xmsg){
		.msg = { .opcode = 77, .reply = load(&self->s.token) },
		.tx_buf = VIPC_ADDRESS(self->out),
		.tx_len = 3000,
	};
	EXPECT_EQ(0, vipc_reply_x(self->server, &reply));
	ASSERT_EQ(0, vt_op_join(&op));
	EXPECT_EQ(0, op.ret);
	EXPECT_EQ(77, x.msg.opcode);
	EXPECT_EQ(3000, x.rx_len);
	EXPECT_TRUE(is_filled(self->in, 3000));
}

TEST_F(serve, handler_fails)
{
	struct vipc_xmsg x;
	int fds[2 * MAX_FDS];

	ASSERT_EQ(0, server_start(&self->s));
	x = request(OP_FAIL, 1, NULL, fds);
	ASSERT_EQ(0, call(self->client, &x));
	ASSERT_EQ(1, x.rx_nfds);
	close(fds[0]);
	EXPECT_EQ(-EPROTO, server_end(&self->s, self->files));
}

/* The bytes of a last reply go out as well. */
TEST_F(serve, stop_with_bytes)
{
	struct vipc_xmsg x = request(OP_STOP, 0, self->in, NULL);

	ASSERT_EQ(0, server_start(&self->s));
	x.tx_buf = VIPC_ADDRESS(self->out);
	x.tx_len = MAX_LEN;
	ASSERT_EQ(0, call(self->client, &x));
	EXPECT_EQ(MAX_LEN, x.rx_len);
	EXPECT_TRUE(is_filled(self->in, MAX_LEN));
	EXPECT_EQ(0, server_end(&self->s, self->files));
}

TEST_F(serve, kernels_messages)
{
	int watched = vipc_derive_watched(self->server, VIPC_RIGHT_SEND, 9);

	ASSERT_GE(watched, 0);
	ASSERT_EQ(0, server_start(&self->s));
	EXPECT_EQ(0, vipc_notify(self->client, 4));
	EXPECT_EQ(0, vipc_notify(watched, 1));
	ASSERT_EQ(0, vt_wait_until(load(&self->s.bits) == 5));
	close(watched);
	ASSERT_EQ(0, vt_wait_until(load(&self->s.notices) == 9));
	EXPECT_EQ(0, self->s.handled);
	EXPECT_TRUE(answered(self->client, OP_STOP, 0));
	EXPECT_EQ(0, server_end(&self->s, self->files));
}

TEST_HARNESS_MAIN
