// SPDX-License-Identifier: GPL-2.0
/*
 * VIPC_DERIVE_NOTIFY_CLOSE and whatever ends a capability: processes that close,
 * exit, are killed or execute another program, descriptors in other processes
 * and in sockets; a thousand at once, without memory, and at a dead endpoint.
 */
#include "vipc_group.h"
#include "vipc_held.h"
#include "vipc_inject.h"
#include "vipc_procs.h"

#define MANY	1000

/* What a process executes: says so, and stays until it is killed. */
#define EXECUTED	"VIPC_TEST_WATCH_FD"

static void __attribute__((constructor)) executed(void)
{
	const char *fd = getenv(EXECUTED);

	if (!fd)
		return;
	if (write(atoi(fd), "x", 1) != 1)
		_exit(1);
	for (;;)
		pause();
}

FIXTURE(ends)
{
	int fd, cap, socks[2];
	struct vp_op *op;
	struct vipc_msg m;
};

FIXTURE_SETUP(ends)
{
	self->fd = vt_open();
	ASSERT_LE(0, self->fd);
	self->cap = vt_derive_watched(self->fd, VIPC_RIGHT_SEND, 7);
	ASSERT_LE(0, self->cap);
	ASSERT_EQ(0, socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0,
				self->socks));
	self->op = vp_ops(2);
}

FIXTURE_TEARDOWN(ends)
{
	close(self->fd);
}

/* A process may end a little before its files are closed: this one waits. */
#define expect_notice(of) do {						\
	ASSERT_EQ(0, vt_recv_soon(self->fd, &self->m));			\
	EXPECT_TRUE(vt_is_notice(&self->m, of));			\
} while (0)

#define expect_nothing() \
	EXPECT_EQ(-EAGAIN, vp_recv_now(self->fd, &self->m))

/* A process that holds nothing but @fd, until it is told to end. */
static pid_t start_holder(int fd, int *go_on)
{
	pid_t pid = vt_fork();

	if (pid)
		return pid;
	vp_keep_only(fd);
	while (!vp_get(go_on))
		vt_pause_us(200);
	if (vp_get(go_on) == 2)
		close(fd);
	while (vp_get(go_on) < 3)
		vt_pause_us(200);
	_exit(0);
}

/* 1 exits with the descriptor, 2 closes it first, SIGKILL does neither. */
TEST_F(ends, close_exit_and_kill)
{
	int *go_on = vp_shared(sizeof(*go_on));

	for (int how = 0; how < 3; how++) {
		int cap = vt_derive_watched(self->fd, VIPC_RIGHT_SEND, 20 + how);
		pid_t pid;

		ASSERT_LE(0, cap);
		vp_set(go_on, 0);
		pid = start_holder(cap, go_on);
		ASSERT_LT(0, pid);
		close(cap);
		ASSERT_EQ(0, vt_wait_capabilities(self->fd, 3));
		expect_nothing();
		if (how == 0)
			vp_set(go_on, 2);
		else if (how == 1)
			vp_set(go_on, 3);
		else
			EXPECT_EQ(VP_KILLED, vp_kill(pid));
		expect_notice(20 + how);
		if (how == 0)
			EXPECT_EQ(0, kill(pid, 0));
		vp_set(go_on, 3);
		if (how != 2)
			EXPECT_EQ(0, vt_reap(pid));
		expect_nothing();
	}
}

TEST_F(ends, killed_in_a_call)
{
	struct vp_op *call = self->op, *queued = &self->op[1];
	uint64_t token;

	ASSERT_EQ(0, vp_start_msg(call, self->cap, VIPC_IOC_CALL, 1));
	ASSERT_EQ(0, vt_recv_soon(self->fd, &self->m));
	token = self->m.reply;
	ASSERT_EQ(0, vp_start_msg(queued, self->cap, VIPC_IOC_SEND, 2));
	ASSERT_EQ(0, vt_wait_senders(self->fd, 1));
	close(self->cap);
	EXPECT_EQ(VP_KILLED, vp_kill(call->pid));
	EXPECT_EQ(-ESRCH, vp_reply_tag(self->fd, token, 1));
	/* the other process has it still */
	ASSERT_EQ(0, vt_recv_soon(self->fd, &self->m));
	EXPECT_TRUE(vt_msg_is(&self->m, 2));
	EXPECT_EQ(0, vp_end(queued));
	expect_notice(7);
	expect_nothing();
}

/* An operation in progress holds its capability. */
TEST_F(ends, closed_during_an_operation)
{
	struct vt_op send = { .msg = vt_msg(3) };

	ASSERT_EQ(0, vt_op_start(&send, self->cap, VIPC_IOC_SEND));
	ASSERT_EQ(0, vt_wait_senders(self->fd, 1));
	close(self->cap);
	ASSERT_EQ(0, vp_recv_now(self->fd, &self->m));
	EXPECT_TRUE(vt_msg_is(&self->m, 3));
	ASSERT_EQ(0, vt_op_join(&send));
	EXPECT_EQ(0, send.ret);
	expect_notice(7);
	expect_nothing();
}

TEST_F(ends, duplicates)
{
	int copy[10];

	for (int i = 0; i < 10; i++) {
		copy[i] = i % 2 ? dup(self->cap) :
				  fcntl(self->cap, F_DUPFD_CLOEXEC, 100);
		ASSERT_LE(0, copy[i]);
	}
	close(self->cap);
	for (int i = 0; i < 9; i++)
		close(copy[i]);
	expect_nothing();
	/* by another file in its place */
	ASSERT_EQ(copy[9], dup2(self->socks[0], copy[9]));
	expect_notice(7);
	expect_nothing();
}

TEST_F(ends, inherited)
{
	int *go_on = vp_shared(2 * sizeof(*go_on));
	pid_t pid[2];

	for (int i = 0; i < 2; i++) {
		pid[i] = start_holder(self->cap, &go_on[i]);
		ASSERT_LT(0, pid[i]);
	}
	close(self->cap);
	expect_nothing();
	vp_set(&go_on[0], 3);
	EXPECT_EQ(0, vt_reap(pid[0]));
	expect_nothing();
	vp_set(&go_on[1], 3);
	expect_notice(7);
	EXPECT_EQ(0, vt_reap(pid[1]));
	expect_nothing();
}

/* ---- in a socket ---- */

TEST_F(ends, passed_on)
{
	int got;

	ASSERT_EQ(0, vt_send_fd(self->socks[0], self->cap));
	close(self->cap);
	expect_nothing();
	got = vt_recv_fd(self->socks[1]);
	ASSERT_LE(0, got);
	expect_nothing();
	close(got);
	expect_notice(7);
	expect_nothing();
}

TEST_F(ends, dropped_in_flight)
{
	for (int twice = 0; twice < 2; twice++)
		ASSERT_EQ(0, vt_send_fd(self->socks[0], self->cap));
	close(self->cap);
	close(self->socks[0]);
	expect_nothing();
	close(self->socks[1]);
	expect_notice(7);
	expect_nothing();
}

/* The socket is in its own queue: only the kernel's collector gets it out. */
TEST_F(ends, in_a_cycle_of_sockets)
{
	int other[2];

	ASSERT_EQ(0, vt_send_fd(self->socks[0], self->cap));
	ASSERT_EQ(0, vt_send_fd(self->socks[0], self->socks[1]));
	close(self->cap);
	close(self->socks[0]);
	close(self->socks[1]);
	/* it runs when a socket is closed */
	ASSERT_EQ(0, socketpair(AF_UNIX, SOCK_STREAM, 0, other));
	close(other[0]);
	close(other[1]);
	expect_notice(7);
	expect_nothing();
}

/* ---- execution of another program ---- */

TEST_F(ends, close_on_exec)
{
	for (int kept = 0; kept < 2; kept++) {
		int cap = vt_derive_watched(self->fd, VIPC_RIGHT_SEND, 30 + kept);
		char name[] = "vipc-test", env[64], byte;
		char *const argv[] = { name, NULL }, *const envp[] = { env, NULL };
		int out[2];
		pid_t pid;

		ASSERT_LE(0, cap);
		EXPECT_EQ(FD_CLOEXEC, fcntl(cap, F_GETFD));
		ASSERT_EQ(0, pipe(out));
		snprintf(env, sizeof(env), EXECUTED "=%d", out[1]);
		pid = vt_fork();
		ASSERT_LE(0, pid);
		if (!pid) {
			const int keep[] = { cap, out[1] };

			vp_keep(keep, 2);
			if (kept)
				fcntl(cap, F_SETFD, 0);
			execve("/proc/self/exe", argv, envp);
			_exit(1);
		}
		close(cap);
		close(out[1]);
		ASSERT_EQ(1, read(out[0], &byte, 1));
		if (kept) {
			expect_nothing();
		} else {
			expect_notice(30);
		}
		/* the process lives in either case */
		EXPECT_EQ(0, kill(pid, 0));
		EXPECT_EQ(0, waitpid(pid, NULL, WNOHANG));
		EXPECT_EQ(VP_KILLED, vp_kill(pid));
		if (kept)
			expect_notice(31);
		expect_nothing();
		close(out[0]);
	}
}

/* ---- many ---- */

/* Each once, in whatever order the process lost them. */
static int take_notices(int fd, unsigned int n)
{
	static bool seen[MANY + 1];
	struct vipc_msg m;

	memset(seen, 0, sizeof(seen));
	for (unsigned int i = 0; i < n; i++) {
		int ret = vt_recv_soon(fd, &m);

		if (ret)
			return ret;
		if (!vt_is_notice(&m, m.badge) || !m.badge || m.badge > n ||
		    seen[m.badge])
			return -EBADMSG;
		seen[m.badge] = true;
	}
	return vp_recv_now(fd, &m) == -EAGAIN ? 0 : -EEXIST;
}

TEST_F(ends, thousand_at_once)
{
	int *ready = vp_shared(sizeof(*ready));
	pid_t pid;

	close(self->cap);
	expect_notice(7);
	for (int killed = 0; killed < 2; killed++) {
		vp_set(ready, 0);
		pid = vt_fork();
		ASSERT_LE(0, pid);
		if (!pid) {
			vp_keep_only(self->fd);
			if (vg_limit_files(MANY + 16))
				_exit(1);
			for (uint64_t i = 1; i <= MANY; i++)
				if (vt_derive_watched(self->fd, 0, i) < 0)
					_exit(2);
			vp_set(ready, 1);
			while (killed)
				pause();
			_exit(0);
		}
		if (killed) {
			ASSERT_EQ(0, vt_wait_until(vp_get(ready)));
			EXPECT_EQ(VP_KILLED, vp_kill(pid));
		} else {
			EXPECT_EQ(0, vt_reap(pid));
		}
		EXPECT_EQ(0, take_notices(self->fd, MANY));
		EXPECT_EQ(0, vt_wait_capabilities(self->fd, 1));
	}
}

/* Those that are withdrawn leave no gap. */
TEST_F(ends, every_second_withdrawn)
{
	static int cap[MANY];

	close(self->cap);
	expect_notice(7);
	ASSERT_EQ(0, vg_limit_files(2 * MANY));
	for (int i = 0; i < MANY; i++) {
		cap[i] = vt_derive_watched(self->fd, 0, i + 1);
		ASSERT_LE(0, cap[i]);
	}
	for (int i = 0; i < MANY; i++)
		close(cap[(i * 7) % MANY]);
	for (int i = 0; i < MANY; i++) {
		int badge = (i * 7) % MANY + 1;

		if (badge % 2)
			continue;
		cap[i] = vt_derive_watched(self->fd, 0, badge);
		ASSERT_LE(0, cap[i]);
	}
	for (int i = 0; i < MANY; i++) {
		int badge = (i * 7) % MANY + 1;

		if (badge % 2)
			expect_notice(badge);
	}
	expect_nothing();
}

/* ---- without memory ---- */

TEST_F(ends, no_memory_left)
{
	long *out = vp_shared(4 * sizeof(*out));
	struct vg_group g;
	pid_t pid;

	if (vg_make(&g, "2M"))
		SKIP(return, VG_NONE);
	close(self->cap);
	expect_notice(7);
	for (int killed = 0; killed < 2; killed++) {
		memset(out, 0, 4 * sizeof(*out));
		pid = vt_fork();
		ASSERT_LE(0, pid);
		if (!pid) {
			int cap, fd = -1;

			vp_keep_only(self->fd);
			cap = vt_derive_watched(self->fd, 0, 1);
			vg_enter(&g, killed);
			if (cap < 0)
				_exit(2);
			/* with the killer at hand, the last one does not return */
			while ((out[0] = vt_derive(self->fd, 0, 0)) >= 0) {
				fd = (int)out[0];
				out[1]++;
			}
			while ((out[2] = vt_derive_watched(self->fd, 0, 2)) >= 0)
				;
			close(cap);
			close(fd);
			vp_set(&out[3], 1);
			pause();
		}
		if (killed) {
			EXPECT_EQ(VP_KILLED, vt_reap(pid));
		} else {
			EXPECT_EQ(0, vt_wait_until(vp_get(&out[3])));
			EXPECT_EQ(-ENOMEM, out[0]);
			EXPECT_EQ(-ENOMEM, out[2]);
		}
		EXPECT_LT(100, out[1]);
		expect_notice(1);
		if (!killed)
			EXPECT_EQ(VP_KILLED, vp_kill(pid));
		EXPECT_EQ(0, vt_wait_capabilities(self->fd, 1));
		/* perhaps there was memory for a few of these */
		while (!vp_recv_now(self->fd, &self->m))
			EXPECT_TRUE(vt_is_notice(&self->m, 2));
	}
	EXPECT_EQ(0, vg_remove(&g));
}

/* Every allocation fails in turn: deriving may, closing never does. */
TEST_F(ends, failing_allocations)
{
	struct vipc_derive d = { .flags = VIPC_DERIVE_NOTIFY_CLOSE, .badge = 5 };
	const char *why = vi_setup();
	struct vi_sweep s;
	int nth, cap;

	if (why)
		SKIP(return, "%s", why);
	nth = vi_open();
	ASSERT_LE(0, nth);
	vi_for_each_nth(&s) {
		cap = vi_ioctl(nth, s.nth, &s.injected, self->fd,
			       VIPC_IOC_DERIVE, &d);
		s.ret = cap < 0 ? cap : 0;
		vi_note(&s);
		expect_nothing();
		if (cap < 0) {
			EXPECT_TRUE(cap == -ENOMEM || cap == -EFAULT) {
				TH_LOG("nth %u: %d", s.nth, cap);
			}
			continue;
		}
		close(cap);
		expect_notice(5);
	}
	EXPECT_EQ(0, s.ret);
	EXPECT_EQ(1, s.efault);
	/* the capability, what tells of its end, its descriptor's file */
	EXPECT_LE(3, s.enomem);
	vi_for_each_nth(&s) {
		cap = vt_derive_watched(self->fd, 0, 5);
		ASSERT_LE(0, cap);
		ASSERT_EQ(0, vi_arm(nth, s.nth));
		s.ret = close(cap) ? -errno : 0;
		s.injected = vi_disarm(nth);
		EXPECT_EQ(0, s.ret);
		expect_notice(5);
		expect_nothing();
	}
	EXPECT_LT(s.nth, VI_MAX_NTH);
	/* and so it is with revoking */
	vi_for_each_nth(&s) {
		int mid = vt_derive(self->fd, VIPC_RIGHTS_ALL, 0);

		cap = vt_derive_watched(mid, 0, 5);
		ASSERT_LE(0, cap);
		s.ret = vi_ioctl(nth, s.nth, &s.injected, mid, VIPC_IOC_REVOKE,
				 NULL);
		EXPECT_EQ(0, s.ret);
		expect_notice(5);
		close(cap);
		close(mid);
		expect_nothing();
	}
	EXPECT_LT(s.nth, VI_MAX_NTH);
	close(nth);
}

/* ---- nobody is left to be told ---- */

TEST_F(ends, dead_endpoint)
{
	int a = vt_derive_watched(self->fd, 0, 1);
	int b = vt_derive_watched(self->fd, 0, 2);
	struct vh_receiver h;
	int ret;

	/* one pending, one in a hand, one to come */
	close(a);
	expect_notice(1);
	ret = vh_held(&h, self->fd, VIPC_IOC_RECV);
	if (ret == -EOPNOTSUPP)
		SKIP(return, "no userfaultfd");
	ASSERT_EQ(0, ret);
	close(b);
	ASSERT_EQ(0, vh_wait_held(&h));
	a = vt_derive_watched(self->fd, 0, 1);
	close(a);
	ASSERT_EQ(0, vt_shutdown(self->fd));
	close(self->cap);
	EXPECT_EQ(-EPIPE, vp_recv_now(self->fd, &self->m));
	ASSERT_EQ(0, vh_let_go(&h, false));
	EXPECT_EQ(-EFAULT, h.op.ret);
	EXPECT_EQ(-EPIPE, vp_recv_now(self->fd, &self->m));
	vh_forget(&h);
}

/* The last receiver goes, with notices that nobody took; then the clients. */
TEST(server_goes_first)
{
	static int cap[100];
	struct vipc_msg m;

	for (int order = 0; order < 2; order++) {
		int fd = vt_open(), watcher = vt_derive(fd, 0, 0);

		for (int i = 0; i < 100; i++) {
			cap[i] = vt_derive_watched(fd, VIPC_RIGHTS_ALL &
						   ~VIPC_RIGHT_RECV, i / 2 + 1);
			ASSERT_LE(0, cap[i]);
		}
		for (int i = 0; i < 20; i++)
			close(cap[i]);
		ASSERT_EQ(0, vp_recv_now(fd, &m));
		EXPECT_TRUE(vt_is_notice(&m, 1));
		close(fd);
		EXPECT_EQ(0, vt_wait_state(watcher, VIPC_STATE_DEAD));
		if (order)
			close(watcher);
		for (int i = 20; i < 100; i++)
			close(cap[order ? i : 119 - i]);
		if (!order)
			close(watcher);
	}
}

/* Capabilities that outlive a watched parent's children, in any order. */
TEST(endpoint_of_watched_only)
{
	int fd = vt_open(), a, b;
	struct vipc_msg m;

	a = vt_derive_watched(fd, VIPC_RIGHTS_ALL, 1);
	b = vt_derive_watched(fd, VIPC_RIGHTS_ALL, 2);
	ASSERT_LE(0, b);
	close(fd);
	/* a receives of b's end, and nobody of a's own */
	close(b);
	ASSERT_EQ(0, vp_recv_now(a, &m));
	EXPECT_TRUE(vt_is_notice(&m, 2));
	EXPECT_EQ(-EAGAIN, vp_recv_now(a, &m));
	close(a);
}

TEST_HARNESS_MAIN
