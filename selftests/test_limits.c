// SPDX-License-Identifier: GPL-2.0
/*
 * The limits that a real deployment meets, as far as a quick test can show
 * them: descriptors and memory that run out, CPUs that go away, real-time
 * peers, a seccomp filter, 32-bit programs. heavy_limits.c has those that take
 * longer, test_stop.c the freezer and tracers.
 */
#include "vipc_group.h"
#include "vipc_procs.h"

#include <linux/filter.h>
#include <linux/seccomp.h>

FIXTURE(limits)
{
	int ep;			/* every right */
	struct vp_op *op;	/* 8 of them */
	long *out;		/* what a child has to say; shared, 16 of them */
	struct vipc_msg m;
	struct vipc_info info;
};

FIXTURE_SETUP(limits)
{
	self->ep = vt_open();
	ASSERT_LE(0, self->ep);
	self->op = vp_ops(8);
	self->out = vp_shared(16 * sizeof(*self->out));
}

FIXTURE_TEARDOWN(limits)
{
	close(self->ep);
}

/* Answers every request with the complement of its words, until the end. */
static void serve(int fd)
{
	struct vipc_msg m = { 0 };

	while (!vt_reply_recv(fd, &m)) {
		for (int i = 0; i < 4; i++)
			m.data[i] = ~m.data[i];
		m.opcode++;
	}
	_exit(0);
}

static pid_t fork_server(int fd)
{
	pid_t pid = vt_fork();

	if (pid)
		return pid;
	vp_keep_only(fd);
	serve(fd);
	_exit(1);
}

/* Calls @n times; how many were answered rightly. */
static long call_often(int fd, long n)
{
	long good = 0;

	for (long i = 0; i < n; i++) {
		struct vipc_msg m = vt_msg((uint64_t)i);

		good += !vt_call(fd, &m) && m.data[0] == ~(uint64_t)i &&
			m.opcode == (uint32_t)i + 1;
	}
	return good;
}

/* ---- RLIMIT_NOFILE ---- */

TEST_F(limits, no_descriptor_left)
{
	int last = -1, fd, n = 0, socks[2];
	pid_t pid;

	ASSERT_EQ(0, socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, socks));
	pid = fork_server(self->ep);
	ASSERT_LE(0, pid);
	ASSERT_EQ(0, vt_wait_receivers(self->ep, 1));
	ASSERT_EQ(0, vg_limit_files(64));
	while ((fd = vt_derive(self->ep, VIPC_RIGHT_SEND, 7)) >= 0) {
		last = fd;
		n++;
	}
	EXPECT_EQ(-EMFILE, fd);
	ASSERT_LT(0, n);
	/* a capability that got no descriptor is gone, and stays so */
	EXPECT_EQ(1 + n, vt_capabilities(self->ep));
	for (int i = 0; i < 100; i++) {
		EXPECT_EQ(-EMFILE, vt_derive(self->ep, VIPC_RIGHTS_ALL, 7));
		EXPECT_EQ(-EMFILE, vt_open());
	}
	EXPECT_EQ(1 + n, vt_capabilities(self->ep));
	/* what needs no descriptor goes on */
	EXPECT_EQ(10, call_often(last, 10));
	EXPECT_EQ(0, vt_revoke(self->ep));
	EXPECT_EQ(-EKEYREVOKED, vp_probe(last));

	/* one that nobody could take over is closed */
	EXPECT_EQ(0, vt_send_fd(socks[0], last));
	EXPECT_GT(0, vt_recv_fd(socks[1]));
	EXPECT_EQ(0, close(last));
	EXPECT_EQ(n, vt_capabilities(self->ep));
	EXPECT_LE(0, vt_derive(self->ep, VIPC_RIGHT_SEND, 7));
	EXPECT_EQ(0, vt_shutdown(self->ep));
	EXPECT_EQ(0, vt_reap(pid));
}

/* ---- a memory cgroup at its limit ---- */

/* Derives until there is no memory for more: how many there are then. */
static long derive_until_enomem(int ep, long *err)
{
	long n = 0;

	while ((*err = vt_derive(ep, VIPC_RIGHT_SEND, 9)) >= 0)
		n++;
	return n;
}

TEST_F(limits, no_memory_left)
{
	long *out = self->out;
	struct vg_group g;
	pid_t server, pid;

	if (vg_make(&g, "2M"))
		SKIP(return, VG_NONE);
	server = fork_server(self->ep);
	ASSERT_LE(0, server);
	ASSERT_EQ(0, vt_wait_receivers(self->ep, 1));
	pid = vt_fork();
	ASSERT_LE(0, pid);
	if (!pid) {
		struct vipc_info info;

		vp_keep_only(self->ep);
		vg_enter(&g, false);
		out[0] = derive_until_enomem(self->ep, &out[1]);
		out[2] = vt_info(self->ep, &info);
		out[3] = info.capabilities;
		/* nothing of this takes memory */
		out[4] = call_often(self->ep, 100);
		out[5] = vt_revoke(self->ep);
		_exit(0);
	}
	EXPECT_EQ(0, vt_reap(pid));
	printf("# %ld capabilities in 2 MiB\n", out[0]);
	fflush(stdout);
	EXPECT_EQ(-ENOMEM, out[1]);
	EXPECT_LT(100, out[0]);
	EXPECT_EQ(0, out[2]);
	EXPECT_EQ(1 + out[0], out[3]);
	EXPECT_EQ(100, out[4]);
	EXPECT_EQ(0, out[5]);
	EXPECT_EQ(0, vt_wait_capabilities(self->ep, 1));
	EXPECT_EQ(10, call_often(self->ep, 10));
	EXPECT_EQ(0, vt_shutdown(self->ep));
	EXPECT_EQ(0, vt_reap(server));
	EXPECT_EQ(0, vg_remove(&g));
}

/* The usual end: the group's process is killed, with a call in its hands. */
TEST_F(limits, killed_by_memory_cgroup)
{
	struct vp_op *caller = self->op;
	int server = vt_derive(self->ep, VIPC_RIGHT_RECV | VIPC_RIGHT_GRANT, 0);
	struct vg_group g;
	pid_t pid;

	ASSERT_LE(0, server);
	if (vg_make(&g, "2M"))
		SKIP(return, VG_NONE);
	pid = vt_fork();
	ASSERT_LE(0, pid);
	if (!pid) {
		struct vipc_msg m = { 0 };

		vp_keep_only(server);
		vg_enter(&g, true);
		if (vt_recv(server, &m))
			_exit(1);
		for (;;)
			if (vt_derive(server, VIPC_RIGHT_RECV, 3) < 0)
				_exit(2);
	}
	close(server);
	ASSERT_EQ(0, vp_start_msg(caller, self->ep, VIPC_IOC_CALL, 71));
	EXPECT_EQ(VP_KILLED, vt_reap(pid));
	EXPECT_EQ(-ECONNRESET, vp_end(caller));
	EXPECT_TRUE(vp_delivered(&caller->msg));
	EXPECT_EQ(0, vt_wait_capabilities(self->ep, 1));
	EXPECT_EQ(0, vp_wait_idle(self->ep));
	EXPECT_EQ(0, vg_remove(&g));
}

/* ---- CPUs that come and go ---- */

#define CPU1_ONLINE "/sys/devices/system/cpu/cpu1/online"

TEST_F(limits, cpu_unplugged_during_traffic)
{
	const int pairs = 3, turns = 8;
	pid_t pid[6];
	int ep[3], *stop = (int *)&self->out[8];

	if (vt_cpus() < 2 || access(CPU1_ONLINE, W_OK))
		SKIP(return, "no second CPU that can be unplugged");
	for (int i = 0; i < pairs; i++) {
		ep[i] = vt_open();
		ASSERT_LE(0, ep[i]);
		pid[i] = vt_fork();
		ASSERT_LE(0, pid[i]);
		if (!pid[i]) {
			/* one pair on the CPU that goes, one across, one free */
			if (i < 2)
				vt_pin(1);
			vp_keep_only(ep[i]);
			serve(ep[i]);
		}
		pid[pairs + i] = vt_fork();
		ASSERT_LE(0, pid[pairs + i]);
		if (pid[pairs + i])
			continue;
		vp_keep_only(ep[i]);
		while (!vp_get(stop)) {
			/* the kernel forgets it when the CPU goes */
			if (i < 2)
				vt_pin(1 - i);
			if (call_often(ep[i], 1) != 1)
				_exit(1);
			vp_add(&self->out[i], 1);
		}
		_exit(0);
	}
	for (int i = 0; i < 2 * turns; i++) {
		long before[3];

		for (int j = 0; j < pairs; j++)
			before[j] = vp_get(&self->out[j]);
		EXPECT_EQ(0, vt_write_file(CPU1_ONLINE, i & 1 ? "1" : "0"));
		/* each pair goes on */
		for (int j = 0; j < pairs; j++)
			EXPECT_EQ(0, vt_wait_until(vp_get(&self->out[j]) >
						   before[j] + 10));
	}
	vp_set(stop, 1);
	for (int i = 0; i < pairs; i++)
		EXPECT_EQ(0, vt_reap(pid[pairs + i]));
	for (int i = 0; i < pairs; i++) {
		EXPECT_EQ(0, vt_shutdown(ep[i]));
		EXPECT_EQ(0, vt_reap(pid[i]));
		ASSERT_EQ(0, vt_info(ep[i], &self->info));
		EXPECT_EQ(self->out[i], self->info.replied);
		close(ep[i]);
	}
}

/* ---- real-time peers ---- */

#define RT_RUNTIME "/proc/sys/kernel/sched_rt_runtime_us"

static int be_fifo(int priority)
{
	struct sched_param param = { .sched_priority = priority };

	return sched_setscheduler(0, priority ? SCHED_FIFO : SCHED_OTHER, &param) ?
	       -errno : 0;
}

/*
 * All on one CPU, and nothing takes it from a real-time thread: one that kept
 * it while its peer needs it would never get its answer.
 */
TEST_F(limits, fifo_peers)
{
	static const int priorities[][2] = {	/* client, server */
		{ 10, 0 }, { 0, 10 }, { 10, 20 }, { 20, 10 }, { 10, 10 },
	};
	const int rounds = 500;

	if (vt_write_file(RT_RUNTIME, "-1"))
		SKIP(return, "cannot switch off the throttling of real-time tasks");
	for (unsigned int i = 0; i < 5; i++) {
		int ep = vt_open();
		pid_t client, server = vt_fork();

		ASSERT_LE(0, server);
		if (!server) {
			vp_keep_only(ep);
			if (vt_pin(0) || be_fifo(priorities[i][1]))
				_exit(2);
			serve(ep);
		}
		client = vt_fork();
		ASSERT_LE(0, client);
		if (!client) {
			vp_keep_only(ep);
			if (vt_pin(0) || be_fifo(priorities[i][0]))
				_exit(2);
			_exit(call_often(ep, rounds) != rounds);
		}
		EXPECT_EQ(0, vt_reap(client));
		EXPECT_EQ(0, vt_shutdown(ep));
		EXPECT_EQ(0, vt_reap(server));
		close(ep);
	}
	EXPECT_EQ(0, vt_write_file(RT_RUNTIME, "950000"));
}

/* Who queued first is served first, whatever the priorities. */
TEST_F(limits, fifo_senders_keep_their_order)
{
	const int n = 8;

	for (int i = 0; i < n; i++) {
		struct sched_param param = { .sched_priority = 1 + i * 5 };

		ASSERT_EQ(0, vp_start_msg(&self->op[i], self->ep,
					  VIPC_IOC_SEND, 100 + (uint64_t)i));
		ASSERT_EQ(0, vt_wait_senders(self->ep, 1 + (uint32_t)i));
		ASSERT_EQ(0, sched_setscheduler(self->op[i].pid, SCHED_FIFO,
						&param));
	}
	for (int i = 0; i < n; i++) {
		ASSERT_EQ(0, vp_recv_now(self->ep, &self->m));
		EXPECT_TRUE(vt_msg_is(&self->m, 100 + (uint64_t)i));
		EXPECT_EQ(0, vp_end(&self->op[i]));
	}
}

/* ---- a seccomp filter on the numbers of the ioctls ---- */

/* Of the ioctls, only @allowed; the others are answered with @action. */
static int filter_ioctls(uint32_t allowed, uint32_t action)
{
	struct sock_filter code[] = {
		BPF_STMT(BPF_LD | BPF_W | BPF_ABS,
			 offsetof(struct seccomp_data, nr)),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_ioctl, 0, 3),
		BPF_STMT(BPF_LD | BPF_W | BPF_ABS,
			 offsetof(struct seccomp_data, args[1])),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, allowed, 1, 0),
		BPF_STMT(BPF_RET | BPF_K, action),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
	};
	struct sock_fprog program = {
		.len = sizeof(code) / sizeof(code[0]),
		.filter = code,
	};

	if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) ||
	    prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program))
		return -errno;
	return 0;
}

TEST_F(limits, seccomp_allows_one_operation)
{
	long *out = self->out;
	pid_t server, pid;

	server = fork_server(self->ep);
	ASSERT_LE(0, server);
	ASSERT_EQ(0, vt_wait_receivers(self->ep, 1));
	pid = vt_fork();
	ASSERT_LE(0, pid);
	if (!pid) {
		struct vipc_msg m = vt_msg(5);

		vp_keep_only(self->ep);
		if (filter_ioctls(VIPC_IOC_CALL, SECCOMP_RET_ERRNO | EDOM))
			_exit(4);
		out[0] = vt_send(self->ep, &m);
		out[1] = vt_derive(self->ep, VIPC_RIGHT_SEND, 0);
		out[2] = vt_shutdown(self->ep);
		out[3] = vt_recv(self->ep, &m);
		out[4] = call_often(self->ep, 20);
		_exit(0);
	}
	EXPECT_EQ(0, vt_reap(pid));
	for (int i = 0; i < 4; i++)
		EXPECT_EQ(-EDOM, out[i]);
	EXPECT_EQ(20, out[4]);
	ASSERT_EQ(0, vt_info(self->ep, &self->info));
	EXPECT_EQ(0, self->info.sent);
	EXPECT_EQ(20, self->info.replied);
	EXPECT_EQ(0, vt_shutdown(self->ep));
	EXPECT_EQ(0, vt_reap(server));
}

static void *call_once(void *data)
{
	struct vipc_msg m = vt_msg(6);

	vt_call(*(int *)data, &m);
	return NULL;
}

/* A filter that kills, while another thread of the process is in a call. */
TEST_F(limits, seccomp_kills_a_process_in_a_call)
{
	pid_t pid = vt_fork();

	ASSERT_LE(0, pid);
	if (!pid) {
		struct vipc_msg m = vt_msg(5);
		pthread_t thread;

		vp_keep_only(self->ep);
		/* a core dump would take longer than all the rest */
		prctl(PR_SET_DUMPABLE, 0);
		if (filter_ioctls(VIPC_IOC_CALL, SECCOMP_RET_KILL_PROCESS) ||
		    pthread_create(&thread, NULL, call_once, &self->ep))
			_exit(4);
		vt_pause_us(100000);
		m.flags = VIPC_NONBLOCK;
		vt_send(self->ep, &m);
		_exit(0);
	}
	self->m = (struct vipc_msg){ 0 };
	ASSERT_EQ(0, vt_recv(self->ep, &self->m));
	EXPECT_EQ(256 + SIGSYS, vt_reap(pid));
	EXPECT_EQ(-ESRCH, vp_reply_tag(self->ep, self->m.reply, 6));
	EXPECT_EQ(0, vp_wait_idle(self->ep));
	ASSERT_EQ(0, vt_info(self->ep, &self->info));
	EXPECT_EQ(0, self->info.sent);
}

/* ---- 32-bit programs ---- */

VT_HOLD(compat32, COMPAT32);

TEST_F(limits, program_of_32_bits)
{
	int cap = vt_derive(self->ep, VIPC_RIGHT_SEND, 0xfedcba9876543210ull);
	size_t size = (size_t)(compat32_end - compat32);
	int file = memfd_create("compat32", MFD_CLOEXEC), status;
	pid_t server, pid;

	ASSERT_LE(0, cap);
	ASSERT_LE(0, file);
	ASSERT_EQ((ssize_t)size, write(file, compat32, size));
	server = fork_server(self->ep);
	ASSERT_LE(0, server);
	pid = vt_fork();
	ASSERT_LE(0, pid);
	if (!pid) {
		char name[] = "compat32", *argv[] = { name, NULL };
		char *const env[] = { NULL };

		if (file == 3)
			file = fcntl(file, F_DUPFD_CLOEXEC, 10);
		if (cap == 3)
			fcntl(cap, F_SETFD, 0);
		else
			dup2(cap, 3);
		fexecve(file, argv, env);
		_exit(errno == ENOEXEC ? 200 : 201);
	}
	close(cap);
	status = vt_reap(pid);
	EXPECT_EQ(0, vt_wait_receivers(self->ep, 1));
	ASSERT_EQ(0, vt_info(self->ep, &self->info));
	EXPECT_EQ(0, vt_shutdown(self->ep));
	EXPECT_EQ(0, vt_reap(server));
	if (status == 200)
		SKIP(return, "this kernel runs no 32-bit programs");
	EXPECT_EQ(0, status);
	EXPECT_EQ(1, self->info.called);
	EXPECT_EQ(1, self->info.sent);
	EXPECT_EQ(1, self->info.capabilities);
}

TEST_HARNESS_MAIN
