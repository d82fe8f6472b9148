// SPDX-License-Identifier: GPL-2.0
/*
 * Clients that try to stall, confuse or crash a server. While two of them do
 * their worst, an honest client of the same endpoint makes its calls, and gets
 * the right answer to each in time. In the end the endpoint is as idle as
 * before.
 */
#include <linux/userfaultfd.h>
#include <sys/resource.h>
#include <sys/time.h>

#include "vipc_procs.h"

#define PAGE		4096ul
#define ATTACKERS	2
#define CALLS		150	/* of the honest client, during each attack */
#define ROUNDS		40	/* of an attacker, at least */
#define HONEST		1	/* the honest client's badge */
#define HOSTILE		2

FIXTURE(hostile)
{
	int fd, honest, hostile;
	pthread_t server;
	struct shared {
		bool stop;
		int rounds;	/* that all attackers together have done */
		int wrong;	/* answers that an attacker should not have got */
	} *shared;
};

static int server_result;

/* Answers everything; what others send it does not disturb it. */
static void *serve(void *data)
{
	int fd = *(int *)data, ret;
	struct vipc_msg m = { 0 };

	for (;;) {
		ret = vt_reply_recv(fd, &m);
		if (ret == -ESRCH) {
			/* The client has gone meanwhile: just go on. */
			m.reply = 0;
			continue;
		}
		if (ret)
			break;
		m.data[0]++;
		m.flags &= VIPC_FLAGS_APP_MASK;
		m.deadline_ns = 0;
	}
	server_result = ret;
	return NULL;
}

FIXTURE_SETUP(hostile)
{
	self->fd = vt_open();
	ASSERT_LE(0, self->fd);
	self->honest = vt_derive(self->fd, VIPC_RIGHT_SEND, HONEST);
	ASSERT_LE(0, self->honest);
	/* Whoever is trusted with a part must not harm the rest. */
	self->hostile = vt_derive(self->fd, VIPC_RIGHT_SEND | VIPC_RIGHT_GRANT |
				  VIPC_RIGHT_REVOKE, HOSTILE);
	ASSERT_LE(0, self->hostile);
	self->shared = vp_shared(sizeof(*self->shared));
	ASSERT_EQ(0, pthread_create(&self->server, NULL, serve, &self->fd));
	ASSERT_EQ(0, vt_wait_receivers(self->fd, 1));
}

FIXTURE_TEARDOWN(hostile)
{
	EXPECT_EQ(0, vt_wait_receivers(self->fd, 1));
	EXPECT_EQ(0, vt_wait_senders(self->fd, 0));
	EXPECT_EQ(0, vt_wait_in_service(self->fd, 0));
	EXPECT_EQ(0, vt_wait_capabilities(self->fd, 3));
	EXPECT_EQ(0, self->shared->wrong);
	EXPECT_EQ(0, vt_shutdown(self->fd));
	EXPECT_EQ(0, vt_join(self->server));
	EXPECT_EQ(-EPIPE, server_result);
	close(self->honest);
	close(self->hostile);
	close(self->fd);
}

static bool honest_call(int fd, uint64_t tag)
{
	struct vipc_msg m = vt_msg(tag), want = m;
	int ret;

	m.deadline_ns = vt_now_ns() + VT_LIMIT_NS / 2;
	want.data[0]++;
	ret = vt_call(fd, &m);
	return !ret && m.opcode == want.opcode && !m.badge && !m.reply &&
	       !m.flags && !memcmp(m.data, want.data, sizeof(m.data));
}

typedef void attack_fn(int cap, struct shared *sh, struct vp_rng *rng);

/* Attacks with processes of their own while honest calls are made. */
static void attack(struct __test_metadata *_metadata,
		   FIXTURE_DATA(hostile) * self, attack_fn *fn)
{
	pid_t pid[ATTACKERS];
	int made = 0;

	for (int i = 0; i < ATTACKERS; i++) {
		pid[i] = vt_fork();
		ASSERT_LE(0, pid[i]);
		if (pid[i] == 0) {
			struct vp_rng rng = vp_rng_init(1, (uint64_t)i);

			vp_keep_only(self->hostile);
			while (!vp_get(&self->shared->stop)) {
				fn(self->hostile, self->shared, &rng);
				vp_add(&self->shared->rounds, 1);
			}
			_exit(0);
		}
	}
	for (int i = 0; i < CALLS ||
	     vp_get(&self->shared->rounds) < ROUNDS; i++, made++) {
		ASSERT_TRUE(honest_call(self->honest, (uint64_t)i)) {
			TH_LOG("call %d failed", i);
		}
	}
	vp_set(&self->shared->stop, true);
	for (int i = 0; i < ATTACKERS; i++)
		EXPECT_EQ(0, vt_reap(pid[i]));
	TH_LOG("%d calls during %d rounds", made, self->shared->rounds);
}

/* ---- vanishing ---- */

/* Dies anywhere between the start of a call and its end. */
static void die_in_a_call(int cap, struct shared *sh VP_UNUSED,
			  struct vp_rng *rng)
{
	pid_t pid = vt_fork();

	if (pid == 0) {
		for (;;) {
			struct vipc_msg m = vt_msg(1);

			vt_call(cap, &m);
		}
	}
	vt_pause_us(vp_random(rng, 3000));
	vp_kill(pid);
}

TEST_F(hostile, dies_in_every_state)
{
	attack(_metadata, self, die_in_a_call);
}

/* Sixteen threads of one process are in a call when it is killed at once. */
static void *call_forever(void *data)
{
	for (;;) {
		struct vipc_msg m = vt_msg(2);

		if (vt_call(*(int *)data, &m))
			return NULL;
	}
}

static void start_threads(int *cap, int n)
{
	pthread_attr_t attr;
	pthread_t t;

	pthread_attr_init(&attr);
	pthread_attr_setstacksize(&attr, 65536);
	pthread_attr_setdetachstate(&attr, PTHREAD_CREATE_DETACHED);
	for (int i = 0; i < n; i++)
		if (pthread_create(&t, &attr, call_forever, cap))
			break;
	pthread_attr_destroy(&attr);
}

static void die_with_threads(int cap, struct shared *sh VP_UNUSED,
			     struct vp_rng *rng)
{
	pid_t pid = vt_fork();

	if (pid == 0) {
		start_threads(&cap, 8);
		vt_pause_us(vp_random(rng, 10000));
		kill(getpid(), SIGKILL);
	}
	vt_reap(pid);
}

TEST_F(hostile, dies_with_all_its_threads)
{
	attack(_metadata, self, die_with_threads);
}

/* exec() ends the other threads in the middle of their calls. */
static void exec_in_calls(int cap, struct shared *sh, struct vp_rng *rng)
{
	pid_t pid = vt_fork();

	if (pid == 0) {
		start_threads(&cap, 4);
		vt_pause_us(vp_random(rng, 5000));
		execl("/bin/true", "true", NULL);
		_exit(1);
	}
	if (vt_reap(pid))
		vp_add(&sh->wrong, 1);
}

TEST_F(hostile, execs_during_its_calls)
{
	attack(_metadata, self, exec_in_calls);
}

/* Closes the descriptor that another thread is calling through. */
static void close_during_call(int cap, struct shared *sh VP_UNUSED,
			      struct vp_rng *rng)
{
	struct vt_op op = { .msg = vt_msg(3) };
	int mine = vt_derive(cap, VIPC_RIGHT_SEND, HOSTILE);

	if (vt_op_start(&op, mine, VIPC_IOC_CALL))
		_exit(9);
	vp_spin(vp_random(rng, 20000));
	close(mine);
	vt_op_join(&op);
}

TEST_F(hostile, closes_during_its_calls)
{
	attack(_metadata, self, close_during_call);
}

/* ---- its own authority ---- */

static void revoke_itself(int cap, struct shared *sh, struct vp_rng *rng)
{
	struct vt_op op = { .msg = vt_msg(4) };
	int mine = vt_derive(cap, VIPC_RIGHT_SEND, HOSTILE);
	struct vipc_msg m = vt_msg(5);

	if (vt_op_start(&op, mine, VIPC_IOC_CALL))
		_exit(9);
	vp_spin(vp_random(rng, 20000));
	vt_revoke(cap);
	if (vt_op_join(&op))
		_exit(10);
	/* The other attacker may have revoked it first. */
	if ((op.ret && op.ret != -EKEYREVOKED) ||
	    vt_call(mine, &m) != -EKEYREVOKED)
		vp_add(&sh->wrong, 1);
	close(mine);
}

TEST_F(hostile, revokes_itself)
{
	attack(_metadata, self, revoke_itself);
}

/* As many capabilities as it may have, in a bush and in a chain. */
static void derive_all_it_can(int cap, struct shared *sh VP_UNUSED,
			      struct vp_rng *rng)
{
	const uint32_t rights = VIPC_RIGHT_SEND | VIPC_RIGHT_GRANT |
				VIPC_RIGHT_REVOKE;
	int from = cap, fd;

	for (;;) {
		fd = vt_derive(from, rights, HOSTILE);
		if (fd < 0)
			break;
		if (vp_random(rng, 4))
			from = fd;
	}
	if (vp_random(rng, 2))
		vt_revoke(cap);
	vp_keep_only(cap);
}

TEST_F(hostile, derives_all_it_can)
{
	attack(_metadata, self, derive_all_it_can);
}

/* What it was not given, and what it might guess. */
static void reach_for_more(int cap, struct shared *sh, struct vp_rng *rng)
{
	const unsigned long refused[] = {
		VIPC_IOC_RECV, VIPC_IOC_REPLY, VIPC_IOC_REPLY_RECV,
		VIPC_IOC_SHUTDOWN,
	};
	int fd;

	for (size_t i = 0; i < ARRAY_SIZE(refused); i++) {
		struct vipc_msg m = vt_msg(6);

		m.reply = ((uint64_t)vp_random(rng, ~0u) << 32) |
			  vp_random(rng, ~0u);
		m.flags = VIPC_NONBLOCK;
		if (vt_ioctl(cap, refused[i], &m) != -EACCES)
			vp_add(&sh->wrong, 1);
	}
	if (vt_derive(cap, VIPC_RIGHT_RECV, HOSTILE) != -EACCES ||
	    vt_derive(cap, VIPC_RIGHT_SEND, HONEST) != -EINVAL ||
	    vt_derive(cap, VIPC_RIGHT_SEND, 0) != -EINVAL)
		vp_add(&sh->wrong, 1);
	/* It can reopen nothing through /proc: that makes another endpoint. */
	char path[32];

	snprintf(path, sizeof(path), "/proc/self/fd/%d", cap);
	fd = open(path, O_RDWR | O_CLOEXEC);
	if (fd >= 0) {
		struct vipc_msg m = { .flags = VIPC_NONBLOCK };

		if (vt_capabilities(fd) != 1 || vt_recv(fd, &m) != -EAGAIN)
			vp_add(&sh->wrong, 1);
		close(fd);
	}
}

TEST_F(hostile, reaches_for_more)
{
	attack(_metadata, self, reach_for_more);
}

/* Capabilities in flight over a socket that nobody will ever read. */
static void send_into_nowhere(int cap, struct shared *sh VP_UNUSED,
			      struct vp_rng *rng)
{
	int mine = vt_derive(cap, VIPC_RIGHT_SEND, HOSTILE), sv[2];

	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, sv))
		_exit(9);
	vt_send_fd(sv[0], mine);
	if (vp_random(rng, 2))
		vt_send_fd(sv[0], sv[1]); /* now the sockets hold themselves */
	close(mine);
	close(sv[0]);
	close(sv[1]);
}

TEST_F(hostile, sends_its_capability_into_nowhere)
{
	int other[2];

	attack(_metadata, self, send_into_nowhere);
	/* The kernel looks for sockets that nobody holds when one is closed. */
	EXPECT_EQ(0, vt_wait_until(!socketpair(AF_UNIX, SOCK_STREAM, 0, other) &&
				   !close(other[0]) && !close(other[1]) &&
				   vt_capabilities(self->fd) == 3));
}

/* ---- its messages ---- */

static void flood(int cap, struct shared *sh VP_UNUSED,
		  struct vp_rng *rng VP_UNUSED)
{
	pid_t pid = vt_fork();

	if (pid == 0) {
		start_threads(&cap, 24);
		for (;;) {
			struct vipc_msg m = vt_msg(7);

			vt_send(cap, &m);
		}
	}
	vt_pause_us(20000);
	vp_kill(pid);
}

TEST_F(hostile, floods)
{
	attack(_metadata, self, flood);
}

static void play_with_deadlines(int cap, struct shared *sh, struct vp_rng *rng)
{
	uint64_t now = vt_now_ns();
	const uint64_t deadlines[] = {
		1, now, now + 1, now + vp_random(rng, 300000),
		now + vp_random(rng, 3000000), INT64_MAX, INT64_MAX + 1ull,
		UINT64_MAX, now - 1, 1ull << 63,
	};

	for (size_t i = 0; i < ARRAY_SIZE(deadlines); i++) {
		struct vipc_msg m = vt_msg(8);
		int ret;

		m.deadline_ns = deadlines[i];
		ret = vp_random(rng, 2) ? vt_call(cap, &m) : vt_send(cap, &m);
		if ((ret && ret != -ETIMEDOUT) || m.deadline_ns != deadlines[i])
			vp_add(&sh->wrong, 1);
	}
}

TEST_F(hostile, plays_with_deadlines)
{
	attack(_metadata, self, play_with_deadlines);
}

static void ignore_signal(int sig VP_UNUSED)
{
}

/* A timer interrupts its calls all the time. */
static void interrupt_itself(int cap, struct shared *sh, struct vp_rng *rng)
{
	struct sigaction sa = { .sa_handler = ignore_signal };
	struct itimerval every = {
		.it_interval.tv_usec = 300,
		.it_value.tv_usec = 300,
	}, never = { 0 };

	sa.sa_flags = vp_random(rng, 2) ? SA_RESTART : 0;
	sigaction(SIGALRM, &sa, NULL);
	setitimer(ITIMER_REAL, &every, NULL);
	for (int i = 0; i < 20; i++) {
		struct vipc_msg m = vt_msg(9);
		int ret;

		if (vp_random(rng, 2))
			m.flags = VIPC_UNINTERRUPTIBLE;
		ret = vt_call(cap, &m);
		if (ret && ret != -EINTR)
			vp_add(&sh->wrong, 1);
	}
	setitimer(ITIMER_REAL, &never, NULL);
}

TEST_F(hostile, interrupts_itself)
{
	attack(_metadata, self, interrupt_itself);
}

/* Its memory changes under the call, and goes away. */
static void remap_during_call(int cap, struct shared *sh, struct vp_rng *rng)
{
	struct vipc_msg *page = mmap(NULL, PAGE, PROT_READ | PROT_WRITE,
				     MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	struct vt_op op = { .arg = page };

	*page = vt_msg(10);
	if (vt_op_start(&op, cap, vp_random(rng, 2) ? VIPC_IOC_CALL :
			VIPC_IOC_SEND))
		_exit(9);
	for (int i = 0; i < 20; i++) {
		switch (vp_random(rng, 5)) {
		case 0:
			mprotect(page, PAGE, PROT_NONE);
			break;
		case 1:
			madvise(page, PAGE, MADV_DONTNEED);
			break;
		case 2:
			munmap(page, PAGE);
			break;
		case 3:
			mmap(page, PAGE, PROT_READ | PROT_WRITE,
			     MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0);
			break;
		default:
			mprotect(page, PAGE, PROT_READ);
		}
		vp_spin(vp_random(rng, 2000));
	}
	vt_op_join(&op);
	/* EINVAL: it took what we were writing for its flags */
	if (op.ret && op.ret != -EFAULT && op.ret != -EINVAL)
		vp_add(&sh->wrong, 1);
	munmap(page, PAGE);
}

TEST_F(hostile, remaps_its_message)
{
	attack(_metadata, self, remap_during_call);
}

/* Lies in each field, pointers to anywhere, commands that do not exist. */
static void talk_nonsense(int cap, struct shared *sh, struct vp_rng *rng)
{
	static const unsigned long where[] = {
		0, 1, 63, PAGE, 0x7fffffffffff, 0x7fffffffefc1, 0x7fffffffffc0,
		0x800000000000, 0xffff800000000000, 0xffff888000000000,
		0xffffffff81000000, 0xffffffffffffffc0, ~0ul,
	};
	struct vipc_msg m;

	for (int i = 0; i < 60; i++) {
		unsigned long cmd = vp_random(rng, ~0u);
		void *arg = (void *)where[vp_random(rng, ARRAY_SIZE(where))];

		switch (vp_random(rng, 3)) {
		case 0:
			cmd = _IOC(vp_random(rng, 4), VIPC_IOC_MAGIC,
				   vp_random(rng, 32), vp_random(rng, 256));
			break;
		case 1:
			cmd = _IOWR(VIPC_IOC_MAGIC, 1 + vp_random(rng, 5),
				    struct vipc_msg);
		}
		/* These two need no memory, and have their own tests. */
		if (cmd == VIPC_IOC_REVOKE || cmd == VIPC_IOC_SHUTDOWN)
			continue;
		if (vt_ioctl(cap, cmd, arg) >= 0)
			vp_add(&sh->wrong, 1);
	}
	m = vt_msg(11);
	m.badge = HONEST;
	m.reply = 12345;
	m.flags = 0xffffff00;
	if (vt_call(cap, &m) || m.badge || m.reply || m.flags != 0xffff0000)
		vp_add(&sh->wrong, 1);
	m.flags = vp_random(rng, ~0u) | 0x80;
	if (vt_call(cap, &m) != -EINVAL)
		vp_add(&sh->wrong, 1);
}

TEST_F(hostile, talks_nonsense)
{
	attack(_metadata, self, talk_nonsense);
}

/* ---- not taking the answer ---- */

/* Stopped in the middle of a call, for longer than an honest call takes. */
static void stop_in_a_call(int cap, struct shared *sh VP_UNUSED,
			   struct vp_rng *rng)
{
	pid_t pid = vt_fork();

	if (pid == 0)
		call_forever(&cap);
	vt_pause_us(vp_random(rng, 2000));
	kill(pid, SIGSTOP);
	vt_pause_us(10000);
	vp_kill(pid);
}

TEST_F(hostile, stops_in_the_middle)
{
	attack(_metadata, self, stop_in_a_call);
}

/*
 * Its message lies in memory that a page fault on takes for ever: its own
 * thread is stuck with the reply, and nobody else.
 */
static void never_take_the_reply(int cap, struct shared *sh VP_UNUSED,
				 struct vp_rng *rng VP_UNUSED)
{
	pid_t pid = vt_fork();

	if (pid == 0) {
		struct vipc_msg *page = mmap(NULL, PAGE, PROT_READ | PROT_WRITE,
					     MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
		struct uffdio_register reg = {
			.range = { .start = (unsigned long)page, .len = PAGE },
			.mode = UFFDIO_REGISTER_MODE_MISSING,
		};
		struct uffdio_api api = { .api = UFFD_API };
		int uffd = (int)syscall(SYS_userfaultfd, O_CLOEXEC);
		struct vt_op op = { .arg = page };

		*page = vt_msg(12);
		if (uffd < 0 || ioctl(uffd, UFFDIO_API, &api) ||
		    ioctl(uffd, UFFDIO_REGISTER, &reg))
			_exit(77);
		if (vt_op_start(&op, cap, VIPC_IOC_CALL))
			_exit(9);
		madvise(page, PAGE, MADV_DONTNEED);
		vt_pause_us(10000);
		kill(getpid(), SIGKILL);
	}
	vt_reap(pid);
}

TEST_F(hostile, never_takes_the_reply)
{
	int uffd = (int)syscall(SYS_userfaultfd, O_CLOEXEC);

	if (uffd < 0)
		SKIP(return, "no userfaultfd: %s", strerror(errno));
	close(uffd);
	attack(_metadata, self, never_take_the_reply);
}

/* The least important client there can be is in service; nobody waits for it. */
static void be_unimportant(int cap, struct shared *sh, struct vp_rng *rng VP_UNUSED)
{
	struct sched_param param = { 0 };

	sched_setscheduler(0, SCHED_IDLE, &param);
	for (int i = 0; i < 20; i++) {
		struct vipc_msg m = vt_msg(13);

		if (vt_call(cap, &m))
			vp_add(&sh->wrong, 1);
	}
}

TEST_F(hostile, has_no_priority)
{
	attack(_metadata, self, be_unimportant);
}

TEST_HARNESS_MAIN
