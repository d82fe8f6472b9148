// SPDX-License-Identifier: GPL-2.0
/*
 * Clients that try to stall, confuse or crash a server, by what they send it and by how
 * they end.
 */
#include <linux/userfaultfd.h>
#include <sys/time.h>

#include "hostile_client.h"

#define PAGE	4096ul

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
