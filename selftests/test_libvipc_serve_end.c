// SPDX-License-Identifier: GPL-2.0
/*
 * vipc_serve() ends when, and as, it should: by shutting down, by revoking, by a signal,
 * and by a handler while others still work.
 */
#include "libvipc_words_server.h"

TEST_F(serve, shut_down)
{
	ASSERT_EQ(0, server_start(&self->s));
	EXPECT_TRUE(answered(self->client, OP_ECHO));
	EXPECT_EQ(0, vipc_shutdown(self->server));
	EXPECT_EQ(0, server_end(&self->s, self->tasks));
	EXPECT_EQ(0, vipc_serve(self->server, handler, &self->s, variant->threads));
}

TEST_F(serve, shut_down_in_the_handler)
{
	struct vt_op op = { .msg = { .opcode = OP_WAIT } };

	ASSERT_EQ(0, server_start(&self->s));
	ASSERT_EQ(0, vt_op_start(&op, self->client, VIPC_IOC_CALL));
	ASSERT_EQ(0, vt_wait_until(load(&self->s.inside) == 1));
	EXPECT_EQ(0, vipc_shutdown(self->server));
	ASSERT_EQ(0, vt_op_join(&op));
	EXPECT_EQ(-ECONNRESET, op.ret);
	store(&self->s.released, 1);
	EXPECT_EQ(0, server_end(&self->s, self->tasks));
}

TEST_F(serve, revoked)
{
	self->s.fd = vipc_derive(self->server, VIPC_RIGHT_RECV, 0);
	ASSERT_GE(self->s.fd, 0);
	ASSERT_EQ(0, server_start(&self->s));
	EXPECT_TRUE(answered(self->client, OP_ECHO));
	EXPECT_EQ(0, vipc_revoke(self->server));
	EXPECT_EQ(-EKEYREVOKED, server_end(&self->s, self->tasks));
	close(self->s.fd);
}

static int signals_seen;

static void on_signal(int sig)
{
	(void)sig;
	add(&signals_seen, 1);
}

TEST_F(serve, signals)
{
	struct sigaction action = { .sa_handler = on_signal, .sa_flags = SA_RESTART };

	ASSERT_EQ(0, sigaction(SIGUSR1, &action, NULL));
	ASSERT_EQ(0, server_start(&self->s));
	ASSERT_EQ(0, vt_wait_blocked(getpid(), self->s.tid));
	for (int i = 1; i <= 20; i++) {
		ASSERT_EQ(0, pthread_kill(self->s.thread, SIGUSR1));
		ASSERT_EQ(0, vt_wait_until(load(&signals_seen) == i));
		EXPECT_TRUE(answered(self->client, OP_ECHO));
	}
	action.sa_flags = 0;
	ASSERT_EQ(0, sigaction(SIGUSR1, &action, NULL));
	ASSERT_EQ(0, vt_wait_receivers(self->server, variant->threads));
	/* Again and again: the first may come just before the wait. */
	ASSERT_EQ(0, vt_wait_until(({ pthread_kill(self->s.thread, SIGUSR1);
				      load(&self->s.ended); })));
	EXPECT_EQ(-EINTR, server_end(&self->s, self->tasks));
	ASSERT_EQ(0, server_start(&self->s));
	EXPECT_TRUE(answered(self->client, OP_STOP));
	EXPECT_EQ(0, server_end(&self->s, self->tasks));
}

static int shutdown_fd;

static void on_signal_shut_down(int sig)
{
	(void)sig;
	vipc_shutdown(shutdown_fd);
}

TEST_F(serve, shut_down_by_a_signal_handler)
{
	struct sigaction action = {
		.sa_handler = on_signal_shut_down,
		.sa_flags = SA_RESTART,
	};

	shutdown_fd = self->server;
	ASSERT_EQ(0, sigaction(SIGTERM, &action, NULL));
	ASSERT_EQ(0, server_start(&self->s));
	ASSERT_EQ(0, kill(getpid(), SIGTERM));
	EXPECT_EQ(0, server_end(&self->s, self->tasks));
}

TEST_F(serve, cancelled)
{
	ASSERT_EQ(0, server_start(&self->s));
	ASSERT_EQ(0, pthread_cancel(self->s.thread));
	EXPECT_TRUE(answered(self->client, OP_ECHO));
	EXPECT_TRUE(answered(self->client, OP_STOP));
	EXPECT_EQ(0, server_end(&self->s, self->tasks));
}

TEST(serve_stop_lets_the_others_finish)
{
	struct server s = { .fd = vipc_open(O_CLOEXEC), .threads = 4 };
	int tasks = count_tasks();
	struct vt_op op = { .msg = { .opcode = OP_WAIT, .data = { 41, 0, 0, 4 } } };

	ASSERT_EQ(0, server_start(&s));
	ASSERT_EQ(0, vt_op_start(&op, s.fd, VIPC_IOC_CALL));
	ASSERT_EQ(0, vt_wait_until(load(&s.inside) == 1));
	EXPECT_TRUE(answered(s.fd, OP_STOP));
	vt_pause_us(1300000 / HURRY);
	EXPECT_FALSE(load(&s.ended));
	store(&s.released, 1);
	ASSERT_EQ(0, vt_op_join(&op));
	EXPECT_EQ(0, op.ret);
	EXPECT_EQ(42, op.msg.data[0]);
	EXPECT_EQ(0, server_end(&s, tasks));
	close(s.fd);
}

TEST_HARNESS_MAIN
