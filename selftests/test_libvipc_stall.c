// SPDX-License-Identifier: GPL-2.0
/*
 * vipc_serve_x(): nothing that a client does, and no lack of descriptors, stops it, or
 * keeps it from serving others.
 */
#include "libvipc_server.h"

/* Let this process have no number left. Returns how many descriptors it has now. */
static int fill_table(void)
{
	struct rlimit limit = { .rlim_cur = 100, .rlim_max = 1024 };

	setrlimit(RLIMIT_NOFILE, &limit);
	while (dup(0) >= 0)
		;
	return count_fds();
}

/*
 * What is done in a process with room for descriptors of its own. Returns the number
 * of the first step that did not answer as it should, or 0.
 */
static int try_full_server(int client, uint8_t *out, uint8_t *in)
{
	int mine[MAX_FDS] = { client, client, client, client }, fds[2 * MAX_FDS];
	struct vipc_xmsg x;

	for (int i = 0; i < 5; i++) {
		uint32_t n = (uint32_t)i % MAX_FDS + 1;

		x = request(OP_KEEP, 0, in, fds);
		x.tx_fds = VIPC_ADDRESS(mine);
		x.tx_nfds = n;
		if (!refused(client, x, EMFILE, 0, 0))
			return 1;
		/* One that nobody waits for is dropped. */
		x.msg = (struct vipc_msg){ .opcode = OP_KEEP };
		x.msg.deadline_ns = vt_now_ns() + VT_LIMIT_NS;
		if (vipc_send_x(client, &x))
			return 2;
		x = request(OP_ECHO, 0, in, NULL);
		x.tx_buf = VIPC_ADDRESS(out);
		x.tx_len = 5000;
		if (call(client, &x) || x.msg.opcode != 100 || x.rx_len != 5000 ||
		    !is_filled(in, 5000))
			return 3;
		if (vipc_notify(client, 1ull << i))
			return 4;
		if (!answered(client, OP_COUNT, 0))
			return 5;
	}
	return 0;
}

TEST_F(serve, full_table)
{
	struct vipc_xmsg x;
	int pid, full;

	ASSERT_EQ(0, server_start(&self->s));
	full = fill_table();
	pid = vt_fork();
	ASSERT_GE(pid, 0);
	if (!pid) {
		close_range(50, ~0u, 0);
		_exit(try_full_server(self->client, self->out, self->in));
	}
	EXPECT_EQ(0, vt_reap(pid));
	ASSERT_EQ(0, vt_wait_until(load(&self->s.bits) == 0x1f));
	EXPECT_EQ(-1, self->s.kept);
	EXPECT_EQ(10, self->s.handled);
	EXPECT_EQ(0, settled(&self->s, full));

	/* With numbers to spare all is well again. */
	close_range(90, ~0u, 0);
	x = request(OP_KEEP, 0, NULL, NULL);
	x.tx_fds = VIPC_ADDRESS(&self->client);
	x.tx_nfds = 1;
	ASSERT_EQ(0, call(self->client, &x));
	EXPECT_EQ(100, x.msg.opcode);
	EXPECT_GE(self->s.kept, 90);
	EXPECT_TRUE(answered(self->client, OP_STOP, 0));
	EXPECT_EQ(0, vt_join(self->s.thread));
	EXPECT_EQ(0, self->s.ret);
}

/* Keeps what it can get, so that the numbers aside are what others want, too. */
TEST_F(serve, full_table_and_many_clients)
{
	enum { CLIENTS = 4, ROUNDS = 40 };
	int pid[CLIENTS], mine[MAX_FDS], fds[2 * MAX_FDS];

	ASSERT_EQ(0, server_start(&self->s));
	fill_table();
	/* A few are free: they go to whoever comes first, and are not given back. */
	close_range(97, ~0u, 0);
	for (int i = 0; i < MAX_FDS; i++)
		mine[i] = self->client;
	for (int i = 0; i < CLIENTS; i++) {
		pid[i] = vt_fork();
		ASSERT_GE(pid[i], 0);
		if (pid[i])
			continue;
		close_range(50, ~0u, 0);
		for (int n = 0; n < ROUNDS; n++) {
			struct vipc_xmsg x = request(OP_KEEP, 0, self->in, fds);

			x.tx_fds = VIPC_ADDRESS(mine);
			x.tx_nfds = 1 + (uint32_t)n % MAX_FDS;
			if (call(self->client, &x))
				_exit(1);
			if (x.msg.opcode != 100 && x.msg.data[0] != EMFILE)
				_exit(2);
			if (!answered(self->client, OP_COUNT, 0))
				_exit(3);
		}
		_exit(0);
	}
	for (int i = 0; i < CLIENTS; i++)
		EXPECT_EQ(0, vt_reap(pid[i]));
	EXPECT_TRUE(answered(self->client, OP_STOP, 0));
	EXPECT_EQ(0, vt_join(self->s.thread));
	EXPECT_EQ(0, self->s.ret);
}

/* Others have taken even what was kept aside: it goes on when they let go. */
TEST_F(serve, numbers_come_back)
{
	struct vipc_xmsg x = request(OP_COUNT, 0, NULL, NULL);
	int mine[MAX_FDS] = { 0 };
	struct vt_op op = { .arg = &x };

	ASSERT_EQ(0, set_limits(self->server, MAX_LEN, 0));
	ASSERT_EQ(0, server_start(&self->s));
	/* It has none aside for what is let in from now on. */
	ASSERT_EQ(0, set_limits(self->server, MAX_LEN, MAX_FDS));
	fill_table();
	x.tx_fds = VIPC_ADDRESS(mine);
	x.tx_nfds = MAX_FDS;
	ASSERT_EQ(0, vt_op_start(&op, self->client, VIPC_IOC_CALL_X));
	/* What goes ahead of the queue gets through even so. */
	EXPECT_EQ(0, vipc_notify(self->client, 1));
	ASSERT_EQ(0, vt_wait_until(load(&self->s.bits) == 1));
	vt_pause_us(100000);
	EXPECT_FALSE(vt_op_done(&op));
	close_range(50, ~0u, 0);
	ASSERT_EQ(0, vt_op_join(&op));
	EXPECT_EQ(0, op.ret);
	EXPECT_TRUE(x.msg.opcode == 100 || x.msg.data[0] == EMFILE);
	EXPECT_TRUE(answered(self->client, OP_STOP, 0));
	EXPECT_EQ(0, vt_join(self->s.thread));
	EXPECT_EQ(0, self->s.ret);
}

TEST_F(serve, larger_messages_let_in_meanwhile)
{
	struct vipc_xmsg x;

	ASSERT_EQ(0, server_start(&self->s));
	for (uint32_t len = MAX_LEN; len <= 1 << 20; len *= 2) {
		ASSERT_EQ(0, set_limits(self->server, len, MAX_FDS));
		x = request(OP_ECHO, 0, self->in, NULL);
		x.tx_buf = VIPC_ADDRESS(self->out);
		x.tx_len = len;
		ASSERT_EQ(0, call(self->client, &x));
		EXPECT_EQ(100, x.msg.opcode);
		EXPECT_EQ(len, x.rx_len);
		EXPECT_TRUE(is_filled(self->in, len));
	}
	EXPECT_TRUE(answered(self->client, OP_STOP, 0));
	EXPECT_EQ(0, server_end(&self->s, self->files));
}

/* What was queued when more was let in is longer than anybody would think now. */
TEST_F(serve, less_let_in_meanwhile)
{
	uint32_t lens[] = { MAX_LEN, 4096, 1 };

	for (int i = 0; i < 3; i++) {
		struct vipc_xmsg x = request(OP_ECHO, 0, self->in, NULL);
		struct vt_op op = { .arg = &x };

		ASSERT_EQ(0, set_limits(self->server, MAX_LEN, 1));
		x.tx_buf = VIPC_ADDRESS(self->out);
		x.tx_len = lens[i];
		x.tx_fds = VIPC_ADDRESS(&self->client);
		x.tx_nfds = 1;
		ASSERT_EQ(0, vt_op_start(&op, self->client, VIPC_IOC_CALL_X));
		ASSERT_EQ(0, vt_wait_senders(self->server, 1));
		ASSERT_EQ(0, set_limits(self->server, 0, 0));
		ASSERT_EQ(0, server_start(&self->s));
		ASSERT_EQ(0, vt_op_join(&op));
		EXPECT_EQ(0, op.ret);
		EXPECT_EQ(100, x.msg.opcode);
		EXPECT_EQ(lens[i], x.rx_len);
		EXPECT_TRUE(is_filled(self->in, lens[i]));
		EXPECT_TRUE(answered(self->client, OP_STOP, 0));
		EXPECT_EQ(0, server_end(&self->s, self->files));
	}
}

/* A reply with bytes, and one with descriptors, to somebody who has left. */
TEST_F(serve, callers_leave)
{
	uint32_t ops[] = { OP_WAIT, OP_WAIT_GIVE };

	ASSERT_EQ(0, server_start(&self->s));
	for (int i = 0; i < 2; i++) {
		int fds[2 * MAX_FDS];
		struct vipc_xmsg x = request(ops[i], 1, self->in, fds);

		store(&self->s.inside, 0);
		store(&self->s.released, 0);
		x.tx_buf = VIPC_ADDRESS(self->out);
		x.tx_len = 30000;
		EXPECT_EQ(-ETIMEDOUT, vipc_call_x_timeout(self->client, &x, VT_NSEC));
		EXPECT_EQ(VIPC_MSG_DELIVERED, x.msg.flags);
		ASSERT_EQ(0, vt_wait_until(load(&self->s.inside) == 1));
		store(&self->s.released, 1);
		EXPECT_TRUE(answered(self->client, OP_COUNT, 0));
		EXPECT_EQ(0, settled(&self->s, self->files + MAX_FDS));
	}
	EXPECT_TRUE(answered(self->client, OP_STOP, 0));
	EXPECT_EQ(0, server_end(&self->s, self->files));
}

static int kill_while(struct server *s, int client, uint32_t op)
{
	int pid, ret;

	store(&s->inside, 0);
	store(&s->released, 0);
	pid = vt_fork();
	if (!pid) {
		uint8_t *memory = malloc(MAX_LEN);
		struct vipc_xmsg x = request(op, 1, memory, &pid);

		x.rx_len = MAX_LEN;
		x.rx_nfds = 1;
		x.tx_buf = VIPC_ADDRESS(memory);
		x.tx_len = MAX_LEN;
		x.tx_fds = VIPC_ADDRESS(&client);
		x.tx_nfds = 1;
		call(client, &x);
		_exit(1);
	}
	ret = vt_wait_until(load(&s->inside) == 1);
	if (ret)
		return ret;
	kill(pid, SIGKILL);
	ret = vt_reap(pid);
	store(&s->released, 1);
	return ret;
}

TEST_F(serve, callers_are_killed)
{
	ASSERT_EQ(0, server_start(&self->s));
	EXPECT_EQ(256 + SIGKILL, kill_while(&self->s, self->client, OP_WAIT));
	EXPECT_TRUE(answered(self->client, OP_COUNT, 0));
	EXPECT_EQ(256 + SIGKILL, kill_while(&self->s, self->client, OP_WAIT_GIVE));
	EXPECT_TRUE(answered(self->client, OP_COUNT, 0));
	EXPECT_EQ(0, settled(&self->s, self->files + MAX_FDS));
	EXPECT_TRUE(answered(self->client, OP_STOP, 0));
	EXPECT_EQ(0, server_end(&self->s, self->files));
}

/* Sends bytes that are all @n, and a descriptor; gets the bytes back. */
static bool echoed(int client, uint8_t *out, uint8_t *in, int n)
{
	struct vipc_xmsg x = request(OP_ECHO, 0, in, NULL);

	memset(out, n, MAX_LEN);
	x.tx_buf = VIPC_ADDRESS(out);
	x.tx_len = (uint32_t)(n * 1601 % MAX_LEN);
	x.tx_fds = VIPC_ADDRESS(&client);
	x.tx_nfds = 1;
	return !call(client, &x) && x.msg.opcode == 100 && x.rx_len == x.tx_len &&
	       !memcmp(in, out, x.rx_len);
}

/* Sends the same, and gets the descriptor back. */
static bool passed_on(int client, uint8_t *out)
{
	int fds[2 * MAX_FDS];
	struct vipc_xmsg x = request(OP_PASS_ON, 0, NULL, fds);

	x.tx_buf = VIPC_ADDRESS(out);
	x.tx_len = 100;
	x.tx_fds = VIPC_ADDRESS(&client);
	x.tx_nfds = 1;
	return !call(client, &x) && x.msg.opcode == 100 && x.rx_nfds == 1 &&
	       !close(fds[0]);
}

/* Each process has its own bytes, and gets back no others. */
TEST_F(serve, many_callers)
{
	enum { CALLERS = 6, ROUNDS = 40 };
	int pid[CALLERS];

	ASSERT_EQ(0, server_start(&self->s));
	for (int i = 0; i < CALLERS; i++) {
		pid[i] = vt_fork();
		ASSERT_GE(pid[i], 0);
		if (pid[i])
			continue;
		for (int n = 0; n < ROUNDS; n++)
			if (!echoed(self->client, self->out, self->in, i * ROUNDS + n) ||
			    !passed_on(self->client, self->out))
				_exit(1);
		_exit(0);
	}
	for (int i = 0; i < CALLERS; i++)
		EXPECT_EQ(0, vt_reap(pid[i]));
	EXPECT_EQ(0, settled(&self->s, self->files + MAX_FDS));
	EXPECT_TRUE(answered(self->client, OP_STOP, 0));
	EXPECT_EQ(0, server_end(&self->s, self->files));
	EXPECT_EQ(2 * CALLERS * ROUNDS + 1, self->s.handled);
}

TEST_F(serve, idle_for_a_while)
{
	struct vipc_xmsg x;

	ASSERT_EQ(0, server_start(&self->s));
	for (int i = 0; i < 2; i++) {
		vt_pause_us(1300000 / HURRY);
		x = request(OP_ECHO, 0, self->in, NULL);
		x.tx_buf = VIPC_ADDRESS(self->out);
		x.tx_len = 100;
		ASSERT_EQ(0, call(self->client, &x));
		EXPECT_EQ(100, x.rx_len);
	}
	EXPECT_EQ(0, vipc_shutdown(self->server));
	EXPECT_EQ(0, server_end(&self->s, self->files));
	EXPECT_EQ(0, vipc_serve_x(self->server, handler, &self->s, variant->threads));
}

static int small_handler(struct vipc_msg *m, void *arg)
{
	(void)m;
	(void)arg;
	return VIPC_SERVE_REPLY;
}

/* vipc_serve() cannot receive it, and says so instead of going round and round. */
TEST_F(serve, vipc_serve_is_not_for_large_messages)
{
	struct vipc_xmsg x = request(OP_ECHO, 0, NULL, NULL);
	struct vt_op op = { .arg = &x };

	x.tx_buf = VIPC_ADDRESS(self->out);
	x.tx_len = 1;
	ASSERT_EQ(0, vt_op_start(&op, self->client, VIPC_IOC_CALL_X));
	errno = ERRNO_MARK;
	EXPECT_EQ(-EMSGSIZE, vipc_serve(self->server, small_handler, NULL,
					variant->threads));
	EXPECT_EQ(ERRNO_MARK, errno);
	EXPECT_EQ(0, vipc_shutdown(self->server));
	ASSERT_EQ(0, vt_op_join(&op));
	EXPECT_EQ(-EPIPE, op.ret);
}

TEST_HARNESS_MAIN
