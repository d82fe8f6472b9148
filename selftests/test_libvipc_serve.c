// SPDX-License-Identifier: GPL-2.0
/*
 * vipc_serve() answers everybody, with one thread and with four, and leaves nothing
 * behind. How it ends has test_libvipc_serve_end.c to itself.
 */
#include <sys/resource.h>

#include "libvipc_words_server.h"

TEST(serve_arguments)
{
	struct server s = { 0 };
	int fd = vipc_open(O_CLOEXEC);
	int null = open("/dev/null", O_RDWR), send_only;

	ASSERT_GE(fd, 0);
	send_only = vipc_derive(fd, VIPC_RIGHT_SEND, 0);
	ASSERT_GE(send_only, 0);
	errno = ERRNO_MARK;
	EXPECT_EQ(-EINVAL, vipc_serve(fd, handler, &s, 0));
	EXPECT_EQ(-EINVAL, vipc_serve(fd, handler, &s, VIPC_SERVE_MAX_THREADS + 1));
	EXPECT_EQ(-EINVAL, vipc_serve(fd, NULL, &s, 1));
	for (unsigned int threads = 1; threads <= 4; threads += 3) {
		EXPECT_EQ(-EACCES, vipc_serve(send_only, handler, &s, threads));
		EXPECT_EQ(-EBADF, vipc_serve(-1, handler, &s, threads));
		EXPECT_EQ(-ENOTTY, vipc_serve(null, handler, &s, threads));
	}
	EXPECT_EQ(0, s.handled);
	EXPECT_EQ(ERRNO_MARK, errno);
	close(null);
	close(send_only);
	close(fd);
}

TEST_F(serve, answers_and_stops)
{
	ASSERT_EQ(0, server_start(&self->s));
	for (int i = 0; i < 200; i++)
		ASSERT_TRUE(answered(self->client, OP_ECHO));
	EXPECT_TRUE(answered(self->client, OP_STOP));
	EXPECT_EQ(0, server_end(&self->s, self->tasks));
	EXPECT_EQ(201, self->s.handled);

	/* The endpoint lives on, and can be served again. */
	self->s.handled = 0;
	ASSERT_EQ(0, server_start(&self->s));
	EXPECT_TRUE(answered(self->client, OP_STOP));
	EXPECT_EQ(0, server_end(&self->s, self->tasks));
}

TEST_F(serve, many_callers)
{
	enum { CALLERS = 8, ROUNDS = 100 };
	struct vipc_info info;
	int pid[CALLERS];

	ASSERT_EQ(0, server_start(&self->s));
	for (int i = 0; i < CALLERS; i++) {
		pid[i] = vt_fork();
		ASSERT_GE(pid[i], 0);
		if (!pid[i]) {
			close(self->server);
			for (int n = 0; n < ROUNDS; n++)
				if (!answered(self->client, OP_ECHO))
					_exit(1);
			_exit(0);
		}
	}
	for (int i = 0; i < CALLERS; i++)
		EXPECT_EQ(0, vt_reap(pid[i]));
	EXPECT_TRUE(answered(self->client, OP_STOP));
	EXPECT_EQ(0, server_end(&self->s, self->tasks));
	EXPECT_EQ(CALLERS * ROUNDS + 1, self->s.handled);
	ASSERT_EQ(0, vipc_info(self->server, &info));
	EXPECT_EQ(0, info.in_service);
	EXPECT_EQ(0, info.receivers);
}

TEST_F(serve, plain_messages)
{
	struct vipc_msg m = { .opcode = OP_ECHO, .data = { 1, 2, 3, 4 } };

	ASSERT_EQ(0, server_start(&self->s));
	m.flags = 0x12340000;
	ASSERT_EQ(0, vipc_send(self->client, &m));
	ASSERT_EQ(0, vt_wait_until(load(&self->s.handled) == 1));
	ASSERT_EQ(0, vt_wait_receivers(self->server, variant->threads));
	EXPECT_EQ(7, self->s.last.badge);
	EXPECT_EQ(0, self->s.last.reply);
	EXPECT_EQ(0x12340000, self->s.last.flags);
	EXPECT_EQ(0, self->s.last.deadline_ns);
	EXPECT_EQ(4, self->s.last.data[3]);

	m.opcode = OP_STOP;
	ASSERT_EQ(0, vipc_send(self->client, &m));
	EXPECT_EQ(0, server_end(&self->s, self->tasks));
}

TEST_F(serve, deferred)
{
	struct vt_op op = { .msg = { .opcode = OP_DEFER } };
	struct vipc_msg m = { .opcode = 77 };

	ASSERT_EQ(0, server_start(&self->s));
	ASSERT_EQ(0, vt_op_start(&op, self->client, VIPC_IOC_CALL));
	ASSERT_EQ(0, vt_wait_until(load(&self->s.token)));
	/* Others are served meanwhile. */
	EXPECT_TRUE(answered(self->client, OP_ECHO));
	EXPECT_FALSE(vt_op_done(&op));
	m.reply = load(&self->s.token);
	EXPECT_EQ(0, vipc_reply(self->server, &m));
	ASSERT_EQ(0, vt_op_join(&op));
	EXPECT_EQ(0, op.ret);
	EXPECT_EQ(77, op.msg.opcode);

	/* And one that outlives the loop. */
	store(&self->s.token, 0);
	op.msg = (struct vipc_msg){ .opcode = OP_DEFER_STOP };
	ASSERT_EQ(0, vt_op_start(&op, self->client, VIPC_IOC_CALL));
	EXPECT_EQ(0, server_end(&self->s, self->tasks + 1));
	EXPECT_FALSE(vt_op_done(&op));
	m.reply = load(&self->s.token);
	EXPECT_EQ(0, vipc_reply(self->server, &m));
	ASSERT_EQ(0, vt_op_join(&op));
	EXPECT_EQ(0, op.ret);
}

TEST_F(serve, handler_fails)
{
	ASSERT_EQ(0, server_start(&self->s));
	EXPECT_TRUE(answered(self->client, OP_FAIL));
	EXPECT_EQ(-EPROTO, server_end(&self->s, self->tasks));

	ASSERT_EQ(0, server_start(&self->s));
	EXPECT_TRUE(answered(self->client, OP_UNKNOWN));
	EXPECT_EQ(-EINVAL, server_end(&self->s, self->tasks));
}

TEST_F(serve, handler_spoils_the_message)
{
	const uint32_t ops[] = { OP_SPOIL, OP_SPOIL, OP_SPOIL_STOP };
	struct vipc_msg m;

	ASSERT_EQ(0, server_start(&self->s));
	for (int i = 0; i < 3; i++) {
		m = (struct vipc_msg){ .opcode = ops[i] };
		ASSERT_EQ(0, vipc_call_timeout(self->client, &m, 20 * VT_NSEC));
		EXPECT_EQ(100, m.opcode);
		EXPECT_EQ(0xabcd0000, m.flags);
		EXPECT_EQ(0, m.badge);
		EXPECT_EQ(0, m.reply);
	}
	EXPECT_EQ(0, server_end(&self->s, self->tasks));
}

/* Answering is for who asked, whatever token the handler leaves there. */
TEST_F(serve, handler_spoils_the_token)
{
	struct vt_op op = { .msg = { .opcode = OP_DEFER } };
	struct vipc_msg m = { .opcode = OP_STEAL };

	ASSERT_EQ(0, server_start(&self->s));
	ASSERT_EQ(0, vt_op_start(&op, self->client, VIPC_IOC_CALL));
	ASSERT_EQ(0, vt_wait_until(load(&self->s.token)));
	ASSERT_EQ(0, vt_wait_receivers(self->server, variant->threads));
	/* One that nobody waits for, and one with a token of its own. */
	ASSERT_EQ(0, vipc_send(self->client, &m));
	ASSERT_EQ(0, vt_wait_until(load(&self->s.handled) == 2));
	ASSERT_EQ(0, vt_wait_receivers(self->server, variant->threads));
	ASSERT_EQ(1, vt_in_service(self->server));
	m = (struct vipc_msg){ .opcode = OP_STEAL };
	ASSERT_EQ(0, vipc_call_timeout(self->client, &m, 20 * VT_NSEC));
	EXPECT_EQ(100, m.opcode);
	EXPECT_FALSE(vt_op_done(&op));
	m = (struct vipc_msg){ .opcode = 77, .reply = load(&self->s.token) };
	EXPECT_EQ(0, vipc_reply(self->server, &m));
	ASSERT_EQ(0, vt_op_join(&op));
	EXPECT_EQ(77, op.msg.opcode);
	EXPECT_TRUE(answered(self->client, OP_STOP));
	EXPECT_EQ(0, server_end(&self->s, self->tasks));
}

TEST_F(serve, receive_right_is_enough)
{
	self->s.fd = vipc_derive(self->server, VIPC_RIGHT_RECV, 0);
	ASSERT_GE(self->s.fd, 0);
	ASSERT_EQ(0, server_start(&self->s));
	EXPECT_TRUE(answered(self->client, OP_STOP));
	EXPECT_EQ(0, server_end(&self->s, self->tasks));
	close(self->s.fd);
}

TEST_F(serve, caller_leaves)
{
	struct vipc_msg m = { .opcode = OP_WAIT };

	ASSERT_EQ(0, server_start(&self->s));
	EXPECT_EQ(-ETIMEDOUT, vipc_call_timeout(self->client, &m, 500 * MS));
	EXPECT_EQ(VIPC_MSG_DELIVERED, m.flags);
	ASSERT_EQ(0, vt_wait_until(load(&self->s.inside) == 1));
	store(&self->s.released, 1);
	EXPECT_TRUE(answered(self->client, OP_ECHO));
	EXPECT_TRUE(answered(self->client, OP_STOP));
	EXPECT_EQ(0, server_end(&self->s, self->tasks));
	EXPECT_EQ(3, self->s.handled);
}

TEST_F(serve, caller_is_killed)
{
	struct vipc_msg m;
	int pid;

	ASSERT_EQ(0, server_start(&self->s));
	pid = vt_fork();
	ASSERT_GE(pid, 0);
	if (!pid) {
		close(self->server);
		call(self->client, OP_WAIT, &m);
		_exit(1);
	}
	ASSERT_EQ(0, vt_wait_until(load(&self->s.inside) == 1));
	ASSERT_EQ(0, kill(pid, SIGKILL));
	EXPECT_EQ(256 + SIGKILL, vt_reap(pid));
	store(&self->s.released, 1);
	EXPECT_TRUE(answered(self->client, OP_STOP));
	EXPECT_EQ(0, server_end(&self->s, self->tasks));
}

TEST_F(serve, idle_for_a_while)
{
	ASSERT_EQ(0, server_start(&self->s));
	for (int i = 0; i < 2; i++) {
		vt_pause_us(1300000 / HURRY);
		EXPECT_TRUE(answered(self->client, OP_ECHO));
	}
	EXPECT_TRUE(answered(self->client, OP_STOP));
	EXPECT_EQ(0, server_end(&self->s, self->tasks));
}

TEST_F(serve, threads_work_at_once)
{
	struct vt_op op[4];

	ASSERT_EQ(0, server_start(&self->s));
	for (unsigned int i = 0; i < variant->threads; i++) {
		op[i] = (struct vt_op){ .msg = { .opcode = OP_WAIT } };
		ASSERT_EQ(0, vt_op_start(&op[i], self->client, VIPC_IOC_CALL));
	}
	ASSERT_EQ(0, vt_wait_until(load(&self->s.inside) == (int)variant->threads));
	store(&self->s.released, 1);
	for (unsigned int i = 0; i < variant->threads; i++) {
		ASSERT_EQ(0, vt_op_join(&op[i]));
		EXPECT_EQ(0, op[i].ret);
	}
	EXPECT_TRUE(answered(self->client, OP_STOP));
	EXPECT_EQ(0, server_end(&self->s, self->tasks));
}

/* Each thread answers one call: none of them is free again before all have one. */
TEST_F(serve, only_own_threads_block_signals)
{
	bool seen_caller = false;
	struct vt_op op[4];

	ASSERT_EQ(0, server_start(&self->s));
	for (unsigned int i = 0; i < variant->threads; i++) {
		op[i] = (struct vt_op){ .msg = { .opcode = OP_WHO } };
		ASSERT_EQ(0, vt_op_start(&op[i], self->client, VIPC_IOC_CALL));
	}
	ASSERT_EQ(0, vt_wait_until(load(&self->s.inside) == (int)variant->threads));
	store(&self->s.released, 1);
	for (unsigned int i = 0; i < variant->threads; i++) {
		bool is_caller;

		ASSERT_EQ(0, vt_op_join(&op[i]));
		ASSERT_EQ(0, op[i].ret);
		is_caller = (pid_t)op[i].msg.data[0] == self->s.tid;
		seen_caller |= is_caller;
		EXPECT_EQ(!is_caller, op[i].msg.data[1]);
	}
	EXPECT_TRUE(seen_caller);
	EXPECT_TRUE(answered(self->client, OP_STOP));
	EXPECT_EQ(0, server_end(&self->s, self->tasks));
}

TEST(serve_threads_that_do_not_start)
{
	struct server s = { .fd = vipc_open(O_CLOEXEC), .threads = 64 };
	int tasks = count_tasks();
	struct rlimit room;
	long pages = 0;
	FILE *f = fopen("/proc/self/statm", "r");

	/* Room for the library's table, and for a few stacks of 8 MiB. */
	ASSERT_TRUE(f && fscanf(f, "%ld", &pages) == 1);
	fclose(f);
	room.rlim_cur = room.rlim_max = (rlim_t)pages * 4096 + (20 << 20);
	ASSERT_EQ(0, setrlimit(RLIMIT_AS, &room));
	errno = ERRNO_MARK;
	EXPECT_EQ(-EAGAIN, vipc_serve(s.fd, handler, &s, s.threads));
	EXPECT_EQ(ERRNO_MARK, errno);
	EXPECT_EQ(0, s.handled);
	EXPECT_EQ(0, vt_wait_until(count_tasks() == tasks));
	close(s.fd);
}

TEST_HARNESS_MAIN
