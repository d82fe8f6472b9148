/* SPDX-License-Identifier: GPL-2.0 */
/*
 * The process that runs programs: a thread for each task, with KCOV's trace of
 * its own, all merged into one map. Each operation is given to its task, which
 * has a moment to finish it; one that blocks is left behind, and the program
 * goes on with the others. At the end everything is shut down and closed.
 */
#ifndef FUZZ_EXECUTOR_H
#define FUZZ_EXECUTOR_H

#include "program.h"

#define KCOV_INIT_TRACE	_IOR('c', 1, unsigned long)
#define KCOV_ENABLE	_IO('c', 100)
#define KCOV_WORDS	16384

struct task {
	int number, tid;
	pthread_t thread;
	uint32_t request, answer;	/* futexes: numbers of operations */
	struct op op;
	int fail_fd;
	unsigned long *trace;		/* NULL: no KCOV */
	struct vipc_msg *area;		/* two pages: the second faults */
};

/* The state of one program. */
static struct {
	int slot[SLOTS];
	uint64_t token[TOKENS];
	uint32_t next_token;
	int box[2];
	bool wild;	/* something unknown was sent: the oracle is silent */
} run;

static struct task tasks[TASKS];

static void wrong(const char *what, uint64_t tag)
{
	if (vp_get(&run.wild))
		return;
	snprintf(shared->complaint, sizeof(shared->complaint), "%s (message %llu)",
		 what, (unsigned long long)tag);
	vp_set(&shared->wrong, 1);
}

/* ---- coverage ---- */

static unsigned long *open_trace(int *fd)
{
	unsigned long *trace;

	*fd = open("/sys/kernel/debug/kcov", O_RDWR | O_CLOEXEC);
	if (*fd < 0 || ioctl(*fd, KCOV_INIT_TRACE, KCOV_WORDS))
		return NULL;
	trace = mmap(NULL, KCOV_WORDS * sizeof(long), PROT_READ | PROT_WRITE,
		     MAP_SHARED, *fd, 0);
	return trace == MAP_FAILED ? NULL : trace;
}

static bool enable_trace(int fd, unsigned long *trace)
{
	return trace && !ioctl(fd, KCOV_ENABLE, 0);
}

static uint32_t mix(uint64_t a)
{
	a *= 0x9e3779b97f4a7c15ull;
	return (uint32_t)(a >> 48);
}

/* Merges what the kernel did for this operation, and begins anew. */
static void merge_trace(unsigned long *trace, uint8_t kind)
{
	unsigned long n, prev = kind;

	if (!trace)
		return;
	n = __atomic_load_n(&trace[0], __ATOMIC_RELAXED);
	for (unsigned long i = 1; i <= n; i++) {
		uint32_t edge = mix(prev * 31 + trace[i]), point = mix(trace[i]);

		if (!__atomic_exchange_n(&shared->edge[edge], 1, __ATOMIC_RELAXED)) {
			vp_add(&shared->edges, 1);
			vp_add(&shared->fresh, 1);
		}
		if (!__atomic_exchange_n(&shared->point[point], 1, __ATOMIC_RELAXED))
			vp_add(&shared->points, 1);
		prev = trace[i];
	}
	__atomic_store_n(&trace[0], 0, __ATOMIC_RELAXED);
}

/* ---- operations ---- */

static int slot_fd(uint8_t slot)
{
	return vp_get(&run.slot[slot % SLOTS]);
}

/* Whatever was there is closed. */
static void set_slot(uint8_t slot, int fd)
{
	int old;

	if (fd < 0)
		return;
	old = __atomic_exchange_n(&run.slot[slot % SLOTS], fd, __ATOMIC_ACQ_REL);
	if (old >= 0)
		close(old);
}

/* Where the structure is: mostly where it should be. */
static void *address(struct task *t, const struct op *op)
{
	char *area = (char *)t->area;

	switch (op->wait >> 4) {
	case 15: return NULL;
	case 14: return area + 4096;			/* may fault */
	case 13: return area + 4096 - 32;		/* half of it may */
	case 12: return (void *)0xffff800000000000ul;	/* not user memory */
	case 11: return area + 3;			/* not aligned */
	case 10: return (void *)(uintptr_t)~0xful;
	default: return area;
	}
}

static uint64_t deadline(const struct op *op)
{
	static const uint64_t after[] = {
		0, 0, 50000, 300000, 2000000, 20000000, 1, 100000,
	};
	uint8_t how = op->wait & 15;

	switch (how) {
	case 15: return ~0ull;
	case 14: return 1;
	case 13: return 1ull << 63;
	case 12: return (1ull << 63) - 1;
	}
	return after[how & 7] ? vt_now_ns() + after[how & 7] : 0;
}

static bool in_range(const struct task *t, const void *p, size_t size)
{
	return (uintptr_t)p >= (uintptr_t)t->area &&
	       (uintptr_t)p - (uintptr_t)t->area <= 4096 - size;
}

static void note_received(const struct vipc_msg *m)
{
	uint64_t tag = m->data[0];

	if (!tag || tag >= MAX_TAGS || !vt_msg_is(m, tag)) {
		wrong("a torn message was received", tag);
		return;
	}
	if (vp_add(&shared->got[tag], 1) != 1)
		wrong("received twice", tag);
	if (vp_get(&shared->failed[tag]))
		wrong("reported as undelivered, and received", tag);
	if (m->reply)
		vp_set(&run.token[vp_add(&run.next_token, 1) % TOKENS], m->reply);
}

static int message_op(struct task *t, const struct op *op, unsigned long cmd)
{
	bool sends = cmd == VIPC_IOC_SEND || cmd == VIPC_IOC_CALL;
	struct vipc_msg *at = address(t, op), m = { 0 };
	bool known = in_range(t, at, sizeof(m));
	uint64_t tag = 0;
	int ret;

	if (sends) {
		tag = vp_add(&shared->next_tag, 1);
		if (tag >= MAX_TAGS)
			return -ENOSPC;
	}
	m = vt_msg(sends ? tag : 1);
	if (!sends)
		m.reply = op->value & 0x80 ? op->value :
			  vp_get(&run.token[op->value % TOKENS]);
	m.flags = (op->flags & VIPC_NONBLOCK) | (op->flags & 0xc0) << 10 | 0xff00;
	/* rare: a call to oneself would then need a kill to end */
	if ((op->flags & 0x0e) == 0x0e)
		m.flags |= VIPC_UNINTERRUPTIBLE;
	/* an unknown flag, but not most of the time */
	if ((op->flags & 0x31) == 0x31)
		m.flags |= 1u << (2 + op->value % 6);
	m.deadline_ns = deadline(op);
	if (known)
		memcpy(at, &m, sizeof(m));
	else if (cmd != VIPC_IOC_RECV)
		vp_set(&run.wild, true);
	ret = vt_ioctl(slot_fd(op->slot), cmd, at);
	/* elsewhere nobody can see what came, so the oracle says nothing */
	if (!known)
		return ret;
	memcpy(&m, at, sizeof(m));
	if (sends && ret) {
		if (!vp_delivered(&m)) {
			vp_set(&shared->failed[tag], 1);
			if (vp_get(&shared->got[tag]))
				wrong("received, and reported as undelivered", tag);
		} else if (cmd == VIPC_IOC_SEND && !op->fail && ret != -ENOTTY &&
			   ret != -EBADF && ret != -EFAULT && ret != -EINVAL) {
			wrong("a failed SEND was delivered", tag);
		}
	} else if (cmd == VIPC_IOC_CALL && !vt_msg_is(&m, 1)) {
		wrong("a reply that nobody gave", tag);
	} else if (!ret && (cmd == VIPC_IOC_RECV || cmd == VIPC_IOC_REPLY_RECV)) {
		note_received(&m);
	}
	return ret;
}

static int derive_op(struct task *t, const struct op *op)
{
	struct vipc_derive *d = address(t, op);
	int fd;

	if (in_range(t, d, sizeof(*d)))
		*d = (struct vipc_derive){
			.rights = op->flags & 15,
			.flags = op->flags >> 4 == 15 ? 2 : 0,
			.badge = op->value & 3,
			.reserved = op->flags >> 4 == 14,
		};
	fd = vt_ioctl(slot_fd(op->slot), VIPC_IOC_DERIVE, d);
	set_slot(op->other, fd);
	return fd;
}

static int info_op(struct task *t, const struct op *op)
{
	struct vipc_info *info = address(t, op);

	if (in_range(t, info, sizeof(*info))) {
		memset(info, 0, sizeof(*info));
		info->reserved[op->value & 1] = op->flags >> 4 == 15;
		info->reserved32 = op->flags >> 4 == 14;
	}
	return vt_ioctl(slot_fd(op->slot), VIPC_IOC_INFO, info);
}

static int raw_op(struct task *t, const struct op *op)
{
	unsigned long cmd = VIPC_IOC_SEND;

	vp_set(&run.wild, true);
	if (op->flags & 1)
		cmd = _IOC(op->flags >> 6, VIPC_IOC_MAGIC, op->value & 31, op->other);
	else if (op->flags & 2)
		cmd = _IOC(3, op->value, 1 + (op->other & 7), 64);
	return vt_ioctl(slot_fd(op->slot), cmd, address(t, op));
}

/* Reads what the module shows of itself. */
static int look_op(const struct op *op)
{
	static const char *const files[] = { "stats", "endpoints", "latency" };
	char path[80], text[512];
	int fd, which = op->value % 5;

	if (which == 3)
		return vt_write_file(VT_DEBUGFS "reset", "1");
	if (which < 3)
		snprintf(path, sizeof(path), VT_DEBUGFS "%s", files[which]);
	else
		snprintf(path, sizeof(path), "/proc/self/fdinfo/%d",
			 slot_fd(op->slot));
	fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return -errno;
	while (read(fd, text, sizeof(text)) > 0)
		;
	close(fd);
	return 0;
}

static int do_op(struct task *t, const struct op *op);

/*
 * fork() without the C library, which takes locks for it: if a failure that was
 * asked for hits one of these, it ends the program.
 */
static pid_t bare_fork(void)
{
	pid_t pid = (pid_t)syscall(SYS_clone, SIGCHLD, 0, 0, 0, 0);

	if (!pid)
		prctl(PR_SET_PDEATHSIG, SIGKILL);
	return pid < 0 ? -errno : pid;
}

/* The next operation in a process of its own, which is then killed, or ends. */
static int child_op(struct task *t, const struct op *op)
{
	struct op inner = *op;
	pid_t pid = bare_fork();

	if (pid < 0)
		return pid;
	if (!pid) {
		inner.kind = op->value % OP_LOOK;
		inner.value = op->other;
		do_op(t, &inner);
		_exit(0);
	}
	vt_pause_us(300);
	if (op->flags & 0x80)
		kill(pid, SIGKILL);
	else
		vt_pause_us(3000);
	kill(pid, SIGKILL);
	return waitpid(pid, NULL, 0) == pid ? 0 : -errno;
}

static int do_op(struct task *t, const struct op *op)
{
	static const int modes[] = { O_RDWR, O_RDWR, O_RDONLY, O_WRONLY };
	char *second = (char *)t->area + 4096;

	switch (op->kind % NR_KINDS) {
	case OP_OPEN:
		set_slot(op->slot, vt_open_flags(modes[op->value & 3]));
		return 0;
	case OP_DERIVE:		return derive_op(t, op);
	case OP_SEND:		return message_op(t, op, VIPC_IOC_SEND);
	case OP_RECV:		return message_op(t, op, VIPC_IOC_RECV);
	case OP_CALL:		return message_op(t, op, VIPC_IOC_CALL);
	case OP_REPLY:		return message_op(t, op, VIPC_IOC_REPLY);
	case OP_REPLY_RECV:	return message_op(t, op, VIPC_IOC_REPLY_RECV);
	case OP_REVOKE:		return vt_revoke(slot_fd(op->slot));
	case OP_SHUTDOWN:	return vt_shutdown(slot_fd(op->slot));
	case OP_INFO:		return info_op(t, op);
	case OP_CLOSE:
		return close(__atomic_exchange_n(&run.slot[op->slot % SLOTS], -1,
						 __ATOMIC_ACQ_REL));
	case OP_DUP:
		set_slot(op->other, fcntl(slot_fd(op->slot), F_DUPFD_CLOEXEC, 10));
		return 0;
	case OP_SIGNAL:
		syscall(SYS_tgkill, getpid(), tasks[op->other % TASKS].tid, SIGUSR1);
		return 0;
	case OP_RAW:		return raw_op(t, op);
	case OP_LOOK:		return look_op(op);
	case OP_PASS:
		if (op->value & 1)
			return vt_send_fd(run.box[0], slot_fd(op->slot));
		set_slot(op->slot, vt_recv_fd(run.box[1]));
		return 0;
	case OP_CHILD:		return child_op(t, op);
	case OP_PROTECT:
		/* somebody else's memory, while he may be in the kernel with it */
		second += (char *)tasks[op->other % TASKS].area - (char *)t->area;
		return mprotect(second, 4096, op->value & 1 ? PROT_READ | PROT_WRITE :
				op->value & 2 ? PROT_READ : PROT_NONE);
	default:
		vt_pause_us(op->value * 4u);
		return 0;
	}
}

/* ---- tasks ---- */

/* fail-nth counts down over allocations and user copies of this thread. */
static void set_fail(struct task *t, unsigned int nth)
{
	char text[8];
	int n = snprintf(text, sizeof(text), "%u", nth);

	/* what is left of the count may hit this very write */
	for (int i = 0; i < 20 && t->fail_fd >= 0; i++)
		if (pwrite(t->fail_fd, text, (size_t)n, 0) == n)
			break;
}

static void *task_main(void *data)
{
	struct task *t = data;
	uint32_t done = 0;
	int fd;

	t->trace = open_trace(&fd);
	if (!enable_trace(fd, t->trace))
		t->trace = NULL;
	t->fail_fd = open("/proc/thread-self/fail-nth", O_RDWR | O_CLOEXEC);
	vp_set(&t->tid, vt_gettid());
	for (;;) {
		unsigned int fail;
		int ret;

		while (vp_get(&t->request) == done)
			futex_wait(&t->request, done, 1000000);
		done = vp_get(&t->request);
		fail = t->op.fail & 15;
		if (t->trace)
			t->trace[0] = 0;
		if (fail)
			set_fail(t, fail);
		ret = do_op(t, &t->op);
		if (fail)
			set_fail(t, 0);
		vp_add(&shared->ops, 1);
		vp_add(&shared->succeeded, ret >= 0);
		merge_trace(t->trace, t->op.kind % NR_KINDS);
		futex_post(&t->answer, done);
	}
	return NULL;
}

static bool is_idle(struct task *t)
{
	return vp_get(&t->answer) == t->request;
}

/* Gives @op to its task, or to the next that is free. */
static void dispatch(const struct op *op)
{
	for (int i = 0; i < TASKS; i++) {
		struct task *t = &tasks[(op->task + i) % TASKS];
		uint32_t answer = vp_get(&t->answer);

		if (answer != t->request)
			continue;
		t->op = *op;
		futex_post(&t->request, answer + 1);
		/* long enough for anything that does not wait for a peer */
		if (!(op->task & 0x80))
			futex_wait(&t->answer, answer, 1500);
		return;
	}
}

/* Everything comes to its end: true if no task is left in the kernel. */
static bool finish_program(unsigned long *trace)
{
	int busy = TASKS;

	for (int i = 0; i < SLOTS; i++) {
		int fd = __atomic_exchange_n(&run.slot[i], -1, __ATOMIC_ACQ_REL);

		vt_shutdown(fd);
		close(fd);
		merge_trace(trace, OP_CLOSE);
	}
	for (int turn = 0; busy && turn < 150; turn++) {
		busy = 0;
		for (int i = 0; i < TASKS; i++) {
			if (is_idle(&tasks[i]))
				continue;
			busy++;
			syscall(SYS_tgkill, getpid(), tasks[i].tid, SIGUSR1);
			/* a socket that nobody reads yet, a page that is gone */
			mprotect((char *)tasks[i].area + 4096, 4096,
				 PROT_READ | PROT_WRITE);
			futex_wait(&tasks[i].answer, tasks[i].request - 1, 1000);
		}
	}
	/* what a task that blocked before has opened since */
	for (int i = 0; i < SLOTS; i++) {
		vt_shutdown(run.slot[i]);
		close(run.slot[i]);
	}
	close(run.box[0]);
	close(run.box[1]);
	merge_trace(trace, OP_CLOSE);
	return !busy;
}

static void interrupted(int sig VP_UNUSED)
{
}

static void run_program(const struct program *p, unsigned long *trace)
{
	memset(&run, 0, sizeof(run));
	memset(run.slot, 0xff, sizeof(run.slot));
	memset(shared->got, 0, sizeof(shared->got));
	memset(shared->failed, 0, sizeof(shared->failed));
	shared->next_tag = 0;
	if (socketpair(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, run.box))
		wrong("no socket pair", 0);
	for (uint32_t i = 0; i < p->n; i++)
		dispatch(&p->op[i]);
	if (!finish_program(trace))
		vp_set(&shared->stuck, 1);
}

static _Noreturn void executor_main(void)
{
	struct sigaction sa = { .sa_handler = interrupted };
	uint32_t done = vp_get(&shared->answer);
	unsigned long *trace;
	int fd;

	sigaction(SIGUSR1, &sa, NULL);
	trace = open_trace(&fd);
	if (!enable_trace(fd, trace))
		trace = NULL;
	for (int i = 0; i < TASKS; i++) {
		tasks[i].number = i;
		tasks[i].area = mmap(NULL, 8192, PROT_READ | PROT_WRITE,
				     MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
		if (tasks[i].area == MAP_FAILED ||
		    pthread_create(&tasks[i].thread, NULL, task_main, &tasks[i]))
			_exit(10);
		while (!vp_get(&tasks[i].tid))
			vt_pause_us(100);
	}
	for (;;) {
		struct program p;

		while (vp_get(&shared->request) == done)
			futex_wait(&shared->request, done, 1000000);
		p = shared->program;
		if (trace)
			trace[0] = 0;
		run_program(&p, trace);
		done++;
		futex_post(&shared->answer, done);
	}
}

#endif /* FUZZ_EXECUTOR_H */
