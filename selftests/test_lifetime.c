// SPDX-License-Identifier: GPL-2.0
/*
 * How long endpoints and capabilities live: close, dup, fork, exec, passing
 * through sockets, SHUTDOWN, and what each party is told at the end.
 */
#include "vipc_procs.h"

#include <sys/resource.h>

#define N_OPS	128
#define NOBODY	65534

FIXTURE(lifetime)
{
	int ep;			/* every right */
	int snd;		/* derived: SEND, badge 7 */
	int watch;		/* derived: no right; only for INFO */
	struct vp_op *op;
	struct vipc_msg m;
	struct vipc_info info;
};

FIXTURE_SETUP(lifetime)
{
	self->ep = vt_open();
	ASSERT_LE(0, self->ep);
	self->snd = vt_derive(self->ep, VIPC_RIGHT_SEND, 7);
	ASSERT_LE(0, self->snd);
	self->watch = vt_derive(self->ep, 0, 0);
	ASSERT_LE(0, self->watch);
	self->op = vp_ops(N_OPS);
}

FIXTURE_TEARDOWN(lifetime)
{
	close(self->ep);
	close(self->snd);
	close(self->watch);
}

/* Queues ops [@from, @to) through @snd, in this order. */
static int queue_up(FIXTURE_DATA(lifetime) *self, int from, int to,
		    unsigned long cmd)
{
	long long before = vt_senders(self->watch) - from;
	int ret = 0;

	for (int i = from; i < to && !ret; i++) {
		ret = vp_start_msg(&self->op[i], self->snd, cmd, 200 + i);
		if (!ret)
			ret = vt_wait_senders(self->watch, before + i + 1);
	}
	return ret;
}

/* How many of ops [@from, @to) ended with @want, and DELIVERED as given. */
static int ended_with(FIXTURE_DATA(lifetime) *self, int from, int to, int want,
		      bool delivered)
{
	int n = 0;

	for (int i = from; i < to; i++)
		n += vp_end(&self->op[i]) == want &&
		     vp_delivered(&self->op[i].msg) == delivered;
	return n;
}

static bool is_dead(int fd)
{
	return vt_info_u32(fd, offsetof(struct vipc_info, state)) ==
	       VIPC_STATE_DEAD;
}

/* ---- the last RECV capability ---- */

TEST_F(lifetime, last_recv_close)
{
	int other = vt_derive(self->ep, VIPC_RIGHT_RECV, 0);

	ASSERT_LE(0, other);
	ASSERT_EQ(0, queue_up(self, 0, 10, VIPC_IOC_CALL));
	for (int i = 0; i < 6; i++)
		ASSERT_EQ(0, vp_recv_now(i < 3 ? other : self->ep, &self->m));
	ASSERT_EQ(0, queue_up(self, 10, 16, VIPC_IOC_SEND));

	close(other);
	EXPECT_EQ(3, ended_with(self, 0, 3, -ECONNRESET, true));
	EXPECT_FALSE(is_dead(self->watch));
	EXPECT_EQ(3, vt_in_service(self->watch));
	EXPECT_EQ(10, vt_senders(self->watch));

	close(self->ep);
	EXPECT_TRUE(is_dead(self->watch));
	EXPECT_EQ(3, ended_with(self, 3, 6, -ECONNRESET, true));
	EXPECT_EQ(10, ended_with(self, 6, 16, -EPIPE, false));
	EXPECT_EQ(0, vp_wait_idle(self->watch));
	EXPECT_EQ(-EPIPE, vp_send_tag(self->snd, 1, 0));
	self->m = vt_msg(1);
	EXPECT_EQ(-EPIPE, vt_call(self->snd, &self->m));
}

/* One that was revoked keeps nothing alive, open as it may be. */
TEST_F(lifetime, last_recv_was_revoked)
{
	int other = vt_derive(self->ep, VIPC_RIGHTS_ALL, 1);

	ASSERT_LE(0, other);
	close(self->snd);
	close(self->watch);
	self->snd = vt_derive(other, VIPC_RIGHT_SEND, 1);
	ASSERT_LE(0, self->snd);
	self->watch = vt_derive(other, 0, 1);
	ASSERT_EQ(0, queue_up(self, 0, 2, VIPC_IOC_CALL));
	ASSERT_EQ(0, vp_recv_now(self->ep, &self->m));
	ASSERT_EQ(0, vt_revoke(self->ep));
	EXPECT_EQ(-EKEYREVOKED, vp_end(&self->op[1]));
	EXPECT_FALSE(is_dead(self->ep));
	/* other, snd and watch are still open; only ep could receive */
	close(self->ep);
	EXPECT_EQ(-ECONNRESET, vp_end(&self->op[0]));
	EXPECT_TRUE(vp_delivered(&self->op[0].msg));
	EXPECT_EQ(-EKEYREVOKED, vp_send_tag(self->snd, 1, 0));
	close(other);
}

TEST_F(lifetime, survives_in_dup_fork_and_derived)
{
	int copy = dup(self->ep), derived, *leave = vp_shared(sizeof(*leave));
	int *ready = vp_shared(sizeof(*ready));
	pid_t pid;

	ASSERT_LE(0, copy);
	close(self->ep);
	EXPECT_FALSE(is_dead(self->watch));
	EXPECT_EQ(3, vt_capabilities(self->watch));

	pid = vt_fork();
	ASSERT_LE(0, pid);
	if (!pid) {
		vp_keep_only(copy);
		vp_set(ready, 1);
		_exit(vt_wait_until(vp_get(leave)) ? 1 : 0);
	}
	ASSERT_EQ(0, vt_wait_until(vp_get(ready)));
	derived = vt_derive(copy, VIPC_RIGHT_RECV, 0);
	ASSERT_LE(0, derived);
	close(copy);
	EXPECT_EQ(4, vt_capabilities(self->watch));
	vp_set(leave, 1);
	EXPECT_EQ(0, vt_reap(pid));
	EXPECT_EQ(3, vt_capabilities(self->watch));
	EXPECT_FALSE(is_dead(self->watch));
	ASSERT_EQ(0, queue_up(self, 0, 1, VIPC_IOC_CALL));
	ASSERT_EQ(0, vp_recv_now(derived, &self->m));
	EXPECT_EQ(0, vp_reply_tag(derived, self->m.reply, 9));
	EXPECT_EQ(0, vp_end(&self->op[0]));
	close(derived);
	EXPECT_TRUE(is_dead(self->watch));
	EXPECT_EQ(2, vt_capabilities(self->watch));
}

/* ---- SHUTDOWN ---- */

TEST_F(lifetime, shutdown_with_everything_in_flight)
{
	int cap[4];

	for (int i = 0; i < 4; i++) {
		cap[i] = vt_derive(self->ep, i ? VIPC_RIGHT_RECV :
				   VIPC_RIGHT_RECV | VIPC_RIGHT_REVOKE, 0);
		ASSERT_LE(0, cap[i]);
	}
	ASSERT_EQ(0, queue_up(self, 0, 64, VIPC_IOC_CALL));
	for (int i = 0; i < 64; i++)
		ASSERT_EQ(0, vp_recv_now(cap[i % 4], &self->m));
	ASSERT_EQ(0, queue_up(self, 64, 96, VIPC_IOC_SEND));
	ASSERT_EQ(0, queue_up(self, 96, 128, VIPC_IOC_CALL));
	EXPECT_EQ(64, vt_in_service(self->ep));
	EXPECT_EQ(64, vt_senders(self->ep));

	EXPECT_EQ(0, vt_shutdown(cap[0]));
	EXPECT_EQ(64, ended_with(self, 0, 64, -ECONNRESET, true));
	EXPECT_EQ(64, ended_with(self, 64, 128, -EPIPE, false));
	EXPECT_EQ(0, vp_wait_idle(self->ep));
	EXPECT_EQ(-ESRCH, vp_reply_tag(cap[3], self->m.reply, 1));
	for (int i = 0; i < 4; i++) {
		EXPECT_TRUE(is_dead(cap[i]));
		EXPECT_EQ(-EPIPE, vp_recv_now(cap[i], &self->m));
	}
	EXPECT_EQ(0, vt_shutdown(self->ep));
	EXPECT_EQ(0, vt_revoke(self->ep));
	EXPECT_EQ(-EPIPE, vt_derive(self->ep, 0, 0));
	for (int i = 0; i < 4; i++)
		close(cap[i]);
	EXPECT_EQ(3, vt_capabilities(self->ep));
}

TEST_F(lifetime, shutdown_with_waiting_receivers)
{
	int other = vt_derive(self->ep, VIPC_RIGHT_RECV, 0);

	ASSERT_LE(0, other);
	for (int i = 0; i < 8; i++)
		ASSERT_EQ(0, vp_start(&self->op[i], i & 1 ? other : self->ep,
				      i & 2 ? VIPC_IOC_REPLY_RECV :
				      VIPC_IOC_RECV));
	ASSERT_EQ(0, vt_wait_receivers(self->ep, 8));
	EXPECT_EQ(0, vt_shutdown(self->ep));
	EXPECT_EQ(0, vt_receivers(self->ep));
	for (int i = 0; i < 8; i++)
		EXPECT_EQ(-EPIPE, vp_end(&self->op[i]));
	close(other);
}

/* ---- fork and exec ---- */

TEST_F(lifetime, fork_inherits)
{
	pid_t pid = vt_fork();

	ASSERT_LE(0, pid);
	if (!pid) {
		vp_keep_only(self->snd);
		self->m = vt_msg(5);
		if (vt_info(self->snd, &self->info) || self->info.badge != 7 ||
		    self->info.rights != VIPC_RIGHT_SEND)
			_exit(1);
		if (vt_call(self->snd, &self->m) || !vt_msg_is(&self->m, 6))
			_exit(2);
		_exit(0);
	}
	ASSERT_EQ(0, vt_wait_senders(self->ep, 1));
	/* one capability in two processes is still one */
	EXPECT_EQ(3, vt_capabilities(self->ep));
	ASSERT_EQ(0, vp_recv_now(self->ep, &self->m));
	EXPECT_EQ(7, self->m.badge);
	EXPECT_EQ(0, vp_reply_tag(self->ep, self->m.reply, 6));
	EXPECT_EQ(0, vt_reap(pid));
}

/*
 * "--fd N": what the exec test runs instead of the tests. 40: N is not open;
 * 41: it cannot send; 42: it has sent.
 */
static void __attribute__((constructor)) use_inherited_fd(int argc, char **argv)
{
	int fd;

	if (argc != 3 || strcmp(argv[1], "--fd"))
		return;
	fd = atoi(argv[2]);
	if (fcntl(fd, F_GETFD) < 0)
		_exit(40);
	_exit(vp_send_tag(fd, 77, 0) ? 41 : 42);
}

static pid_t exec_with(int fd, bool cloexec)
{
	pid_t pid = vt_fork();
	char number[16];

	if (pid)
		return pid;
	vp_keep_only(fd);
	if (!cloexec)
		fcntl(fd, F_SETFD, 0);
	snprintf(number, sizeof(number), "%d", fd);
	execl("/proc/self/exe", "test_lifetime", "--fd", number, NULL);
	_exit(1);
}

TEST_F(lifetime, exec_closes_what_is_derived)
{
	pid_t pid;

	EXPECT_EQ(FD_CLOEXEC, fcntl(self->snd, F_GETFD));
	pid = exec_with(self->snd, true);
	ASSERT_LT(0, pid);
	EXPECT_EQ(40, vt_reap(pid));
	pid = exec_with(self->snd, false);
	ASSERT_LT(0, pid);
	ASSERT_EQ(0, vt_wait_senders(self->ep, 1));
	EXPECT_EQ(0, vp_recv_now(self->ep, &self->m));
	EXPECT_EQ(7, self->m.badge);
	EXPECT_TRUE(vt_msg_is(&self->m, 77));
	EXPECT_EQ(42, vt_reap(pid));
}

/* ---- passing through sockets ---- */

TEST_F(lifetime, passed_to_another_process_and_user)
{
	int sock[2];
	pid_t pid;

	ASSERT_EQ(0, socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, sock));
	pid = vt_fork();
	ASSERT_LE(0, pid);
	if (!pid) {
		int fd;

		vp_keep_only(sock[1]);
		if (setresgid(NOBODY, NOBODY, NOBODY) ||
		    setresuid(NOBODY, NOBODY, NOBODY))
			_exit(1);
		/* the device is not for this user; the capability is */
		if (vt_open() != -EACCES)
			_exit(2);
		fd = vt_recv_fd(sock[1]);
		if (fd < 0)
			_exit(3);
		self->m = vt_msg(8);
		if (vt_call(fd, &self->m) || !vt_msg_is(&self->m, 9))
			_exit(4);
		_exit(vt_derive(fd, VIPC_RIGHT_SEND, 7) == -EACCES ? 0 : 5);
	}
	ASSERT_EQ(0, vt_send_fd(sock[0], self->snd));
	close(self->snd);
	ASSERT_EQ(0, vt_wait_senders(self->ep, 1));
	EXPECT_EQ(3, vt_capabilities(self->ep));
	ASSERT_EQ(0, vp_recv_now(self->ep, &self->m));
	EXPECT_EQ(7, self->m.badge);
	EXPECT_EQ(0, vp_reply_tag(self->ep, self->m.reply, 9));
	EXPECT_EQ(0, vt_reap(pid));
	EXPECT_EQ(2, vt_capabilities(self->ep));
	close(sock[0]);
	close(sock[1]);
}

/* In flight it lives, and ends with the socket. */
TEST_F(lifetime, in_flight_in_a_socket)
{
	int sock[2], fd;

	ASSERT_EQ(0, socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, sock));
	ASSERT_EQ(0, vt_send_fd(sock[0], self->ep));
	close(self->ep);
	EXPECT_FALSE(is_dead(self->watch));
	ASSERT_EQ(0, queue_up(self, 0, 1, VIPC_IOC_SEND));
	fd = vt_recv_fd(sock[1]);
	ASSERT_LE(0, fd);
	EXPECT_EQ(0, vp_recv_now(fd, &self->m));
	EXPECT_EQ(0, vp_end(&self->op[0]));

	ASSERT_EQ(0, vt_send_fd(sock[0], fd));
	close(fd);
	ASSERT_EQ(0, queue_up(self, 1, 2, VIPC_IOC_SEND));
	close(sock[0]);
	close(sock[1]);
	EXPECT_EQ(-EPIPE, vp_end(&self->op[1]));
	EXPECT_TRUE(is_dead(self->watch));
	EXPECT_EQ(2, vt_capabilities(self->watch));
}

/* A socket in its own queue: only the collector of such cycles frees it. */
TEST_F(lifetime, in_flight_in_a_garbage_cycle)
{
	int sock[2], other[2];

	ASSERT_EQ(0, socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, sock));
	ASSERT_EQ(0, vt_send_fd(sock[0], sock[1]));
	ASSERT_EQ(0, vt_send_fd(sock[0], self->ep));
	ASSERT_EQ(0, vt_send_fd(sock[1], sock[0]));
	close(self->ep);
	ASSERT_EQ(0, queue_up(self, 0, 1, VIPC_IOC_SEND));
	EXPECT_FALSE(is_dead(self->watch));
	close(sock[0]);
	close(sock[1]);
	/* closing any socket sets the collector going */
	EXPECT_EQ(0, vt_wait_until(!socketpair(AF_UNIX, SOCK_STREAM, 0, other) &&
				   !close(other[0]) && !close(other[1]) &&
				   is_dead(self->watch)));
	EXPECT_EQ(-EPIPE, vp_end(&self->op[0]));
	EXPECT_EQ(2, vt_capabilities(self->watch));
}

/* ---- closed under a blocked operation ---- */

TEST_F(lifetime, closed_under_a_receiver)
{
	struct vt_op op = { 0 };

	ASSERT_EQ(0, vt_op_start(&op, self->ep, VIPC_IOC_RECV));
	ASSERT_EQ(0, vt_wait_receivers(self->watch, 1));
	close(self->ep);
	/* the operation holds the capability, as read() holds a socket */
	EXPECT_FALSE(is_dead(self->watch));
	EXPECT_EQ(1, vt_receivers(self->watch));
	EXPECT_EQ(0, vp_send_tag(self->snd, 3, VIPC_NONBLOCK));
	ASSERT_EQ(0, vt_op_join(&op));
	EXPECT_EQ(0, op.ret);
	EXPECT_TRUE(vt_msg_is(&op.msg, 3));
	EXPECT_EQ(0, vt_wait_state(self->watch, VIPC_STATE_DEAD));
	EXPECT_EQ(-EPIPE, vp_send_tag(self->snd, 4, 0));
}

TEST_F(lifetime, closed_under_a_caller)
{
	struct vt_op op = { .msg = vt_msg(3) };

	ASSERT_EQ(0, vt_op_start(&op, self->snd, VIPC_IOC_CALL));
	ASSERT_EQ(0, vt_wait_senders(self->watch, 1));
	close(self->snd);
	EXPECT_EQ(1, vt_senders(self->watch));
	EXPECT_EQ(3, vt_capabilities(self->watch));
	ASSERT_EQ(0, vp_recv_now(self->ep, &self->m));
	EXPECT_EQ(7, self->m.badge);
	EXPECT_EQ(0, vp_reply_tag(self->ep, self->m.reply, 4));
	ASSERT_EQ(0, vt_op_join(&op));
	EXPECT_EQ(0, op.ret);
	EXPECT_TRUE(vt_msg_is(&op.msg, 4));
	EXPECT_EQ(0, vt_wait_capabilities(self->watch, 2));
}

/* A receiver is not told that its last sender has gone: it may derive more. */
TEST_F(lifetime, receiver_waits_without_senders)
{
	struct vt_op op = { 0 };

	ASSERT_EQ(0, vt_op_start(&op, self->ep, VIPC_IOC_RECV));
	ASSERT_EQ(0, vt_wait_receivers(self->ep, 1));
	close(self->snd);
	close(self->watch);
	EXPECT_EQ(1, vt_receivers(self->ep));
	EXPECT_EQ(0, vt_shutdown(self->ep));
	ASSERT_EQ(0, vt_op_join(&op));
	EXPECT_EQ(-EPIPE, op.ret);
}

/* ---- many, and none left ---- */

TEST(open_close_loop)
{
	long long before = vt_stat_value("endpoints");
	struct vipc_info info;
	uint64_t last = 0;
	int bad = 0;

	for (int i = 0; i < 3000; i++) {
		int fd = vt_open(), child = vt_derive(fd, VIPC_RIGHT_RECV, i);

		bad += fd < 0 || child < 0 || vt_info(child, &info);
		/* never used again, so that none can be taken for another */
		bad += info.endpoint <= last;
		last = info.endpoint;
		close(i & 1 ? fd : child);
		close(i & 1 ? child : fd);
	}
	EXPECT_EQ(0, bad);
	if (before >= 0)
		EXPECT_EQ(before, vt_stat_value("endpoints"));
}

TEST_F(lifetime, out_of_descriptors)
{
	struct rlimit old, rl;
	int fd, failed = 0;

	ASSERT_EQ(0, getrlimit(RLIMIT_NOFILE, &old));
	fd = dup(self->ep);	/* the lowest that is free */
	ASSERT_LE(0, fd);
	close(fd);
	rl = (struct rlimit){ .rlim_cur = fd, .rlim_max = old.rlim_max };
	ASSERT_EQ(0, setrlimit(RLIMIT_NOFILE, &rl));
	for (int i = 0; i < 2000; i++)
		failed += vt_derive(self->ep, VIPC_RIGHTS_ALL, 1) == -EMFILE;
	EXPECT_EQ(2000, failed);
	EXPECT_EQ(-EMFILE, vt_open());
	EXPECT_EQ(3, vt_capabilities(self->ep));
	ASSERT_EQ(0, setrlimit(RLIMIT_NOFILE, &old));
	/* revoke must not meet the remains of one */
	EXPECT_EQ(0, vt_revoke(self->ep));
	fd = vt_derive(self->ep, VIPC_RIGHTS_ALL, 1);
	EXPECT_LE(0, fd);
	EXPECT_EQ(4, vt_capabilities(self->ep));
	close(fd);
}

/* The last close against senders that are just arriving. */
TEST_F(lifetime, race_last_close_with_senders)
{
	struct vp_rng rng = vp_rng_init(vp_seed(), 0);

	for (int i = 0; i < 150; i++) {
		int ep = vt_open(), snd = vt_derive(ep, VIPC_RIGHT_SEND, 0);

		ASSERT_LE(0, ep);
		ASSERT_LE(0, snd);
		for (int j = 0; j < 2; j++)
			ASSERT_EQ(0, vp_start_msg(&self->op[j], snd, j ?
					VIPC_IOC_CALL : VIPC_IOC_SEND, j));
		vp_spin(vp_random(&rng, 3000));
		close(ep);
		for (int j = 0; j < 2; j++) {
			ASSERT_EQ(-EPIPE, vp_end(&self->op[j]));
			ASSERT_FALSE(vp_delivered(&self->op[j].msg));
		}
		ASSERT_EQ(0, vp_wait_idle(snd));
		close(snd);
	}
}

TEST(endpoint_numbers_are_not_used_again)
{
	uint64_t last = 0;
	struct vipc_info info;

	for (int i = 0; i < 200; i++) {
		int fd = vt_open();

		ASSERT_LE(0, fd);
		ASSERT_EQ(0, vt_info(fd, &info));
		ASSERT_NE(0, info.endpoint);
		/* Growing is not promised, but makes the check simple. */
		ASSERT_LT(last, info.endpoint);
		last = info.endpoint;
		close(fd);
	}
}

TEST_HARNESS_MAIN
