/* SPDX-License-Identifier: GPL-2.0 */
/*
 * The process that runs programs: a thread for each task, with KCOV's trace of
 * its own, all merged into one map. Each operation is given to its task, which
 * has a moment to finish it; one that blocks is left behind, and the program
 * goes on with the others. At the end everything is shut down and closed.
 */
#ifndef FUZZ_EXECUTOR_H
#define FUZZ_EXECUTOR_H

#include "others.h"
#include "rings.h"

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
	bool uring = op->flags & 0x40;
	pid_t pid;
	int ret;

	flush_ring(t);
	pid = bare_fork();

	if (pid < 0)
		return pid;
	if (!pid) {
		inner.kind = op->value % OP_LOOK;
		if (uring)
			inner.kind = (uint8_t)(OP_URING_SEND + op->value %
					       (OP_RING - OP_URING_SEND));
		inner.value = op->other;
		enter_child(t, op->flags & 8 || !uring);
		do_op(t, &inner);
		_exit(0);
	}
	vt_pause_us(300);
	if (op->flags & 0x80)
		kill(pid, SIGKILL);
	else
		vt_pause_us(3000);
	kill(pid, SIGKILL);
	/* it may be at the ring until it is gone */
	do
		ret = waitpid(pid, NULL, 0) == pid ? 0 : -errno;
	while (ret == -EINTR);
	sync_ring(t);
	return ret;
}

/* Of what begins with SEND. */
static int do_message(struct task *t, const struct op *op)
{
	static const unsigned long cmds[] = {
		VIPC_IOC_SEND, VIPC_IOC_RECV, VIPC_IOC_CALL, VIPC_IOC_REPLY,
		VIPC_IOC_REPLY_RECV, VIPC_IOC_SEND_X, VIPC_IOC_RECV_X,
		VIPC_IOC_CALL_X, VIPC_IOC_REPLY_X, VIPC_IOC_REPLY_RECV_X,
	};
	int kind = op->kind % NR_KINDS;

	if (kind >= OP_URING_SEND)
		return uring_op(t, op, cmds[kind - OP_URING_SEND]);
	return message_op(&t->own, op, cmds[kind - OP_SEND]);
}

/* The second page of somebody, who may be in the kernel with it. */
static int protect_op(const struct op *op)
{
	char *area = (char *)tasks[op->other % TASKS].own.area;

	return mprotect(area + PAGE, PAGE, op->value & 1 ? PROT_READ | PROT_WRITE :
			op->value & 2 ? PROT_READ : PROT_NONE);
}

static int pass_op(const struct op *op)
{
	if (op->value & 1)
		return vt_send_fd(run.box[0], slot_fd(op->slot));
	set_slot(op->slot, vt_recv_fd(run.box[1]));
	return 0;
}

static int do_op(struct task *t, const struct op *op)
{
	static const int modes[] = { O_RDWR, O_RDWR, O_RDONLY, O_WRONLY };

	switch (op->kind % NR_KINDS) {
	case OP_OPEN:
		set_slot(op->slot, vt_open_flags(modes[op->value & 3]));
		return 0;
	case OP_SEND ... OP_REPLY_RECV_X:
	case OP_URING_SEND ... OP_URING_REPLY_RECV_X:
		return do_message(t, op);
	case OP_DERIVE:		return derive_op(&t->own, op);
	case OP_NOTIFY:		return notify_op(&t->own, op);
	case OP_CONFIG:		return config_op(&t->own, op);
	case OP_POLL:		return poll_op(op);
	case OP_EPOLL:		return epoll_op(op);
	case OP_REVOKE:		return vt_revoke(slot_fd(op->slot));
	case OP_SHUTDOWN:	return vt_shutdown(slot_fd(op->slot));
	case OP_INFO:		return info_op(&t->own, op);
	case OP_CLOSE:
		return close_slot(swap_fd(&run.slot[op->slot % SLOTS], -1));
	case OP_DUP:
		set_slot(op->other, fcntl(slot_fd(op->slot), F_DUPFD_CLOEXEC, 10));
		return 0;
	case OP_SIGNAL:
		syscall(SYS_tgkill, getpid(), tasks[op->other % TASKS].tid, SIGUSR1);
		return 0;
	case OP_RAW:		return raw_op(&t->own, op);
	case OP_LOOK:		return look_op(op);
	case OP_PASS:		return pass_op(op);
	case OP_CHILD:		return child_op(t, op);
	case OP_PROTECT:	return protect_op(op);
	case OP_REMAP:		return remap_op(op);
	case OP_URING_NOTIFY:	return uring_op(t, op, VIPC_IOC_NOTIFY);
	case OP_URING_CANCEL:	return cancel_op(t, op);
	case OP_RING:		return ring_op(t, op);
	case OP_REAP:		return reap_op(t, op);
	default:
		vt_pause_us(op->value * 4u);
		return 0;
	}
}

/* For a replay: in the order in which they end. */
static void say(const struct task *t, int ret)
{
	const struct op *op = &t->op;

	dprintf(STDOUT_FILENO, "task %d: %s slot %d: %d (%s)\n", t->number,
		kind_names[op->kind % NR_KINDS], op->slot % SLOTS, ret,
		ret < 0 ? strerrorname_np(-ret) : "done");
}

/* ---- tasks ---- */

/* fail-nth counts down over allocations and user copies of this thread. */
static void set_fail(struct task *t, unsigned int nth)
{
	char text[16];
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
		fail = t->ending ? 0 : t->op.fail & FAIL_MASK;
		if (t->trace)
			t->trace[0] = 0;
		if (fail) {
			vp_set(&run.injected, true);
			set_fail(t, fail);
		}
		ret = t->ending ? end_ring(t, t->ending) : do_op(t, &t->op);
		if (fail)
			set_fail(t, 0);
		if (shared->verbose && !t->ending)
			say(t, ret);
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

/*
 * Waits until @t has done what it was given, or sleeps over it: on a machine with
 * much else to do, that takes longer than what would do on any other.
 */
static void wait_for(struct task *t, uint32_t answer)
{
	for (int turn = 0; turn < 50; turn++) {
		futex_wait(&t->answer, answer, 1500);
		if (vp_get(&t->answer) != answer ||
		    vt_task_state(getpid(), t->tid) != 'R')
			return;
	}
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
		if (!(op->task & 0x80))
			wait_for(t, answer);
		return;
	}
}

/* A turn of waiting for the end of what @t does; true if it has been reached. */
static bool end_task(struct task *t)
{
	if (is_idle(t))
		return true;
	syscall(SYS_tgkill, getpid(), t->tid, SIGUSR1);
	/* a socket that nobody reads yet, a page that is gone */
	mprotect((char *)t->own.area + PAGE, PAGE, PROT_READ | PROT_WRITE);
	wait_for(t, t->request - 1);
	return is_idle(t);
}

static void close_slots(unsigned long *trace)
{
	for (int i = 0; i < SLOTS; i++) {
		int fd = swap_fd(&run.slot[i], -1);

		if (fd < 0)
			continue;
		vt_shutdown(fd);
		close_slot(fd);
		merge_trace(trace, OP_CLOSE);
	}
}

/* What its task is to do with the ring that it may have; the task is idle. */
static void order_ending(struct task *t, int how)
{
	uint32_t answer = vp_get(&t->answer);

	t->ending = how;
	futex_post(&t->request, answer + 1);
	while (!is_idle(t))
		futex_wait(&t->answer, answer, 100000);
	t->ending = END_NOT;
}

static void end_rings(int how)
{
	for (int i = 0; run.rings && i < TASKS; i++)
		if (is_idle(&tasks[i]) && tasks[i].ring)
			order_ending(&tasks[i], how);
}

/* Everything comes to its end: true if no task is left in the kernel. */
static bool finish_program(unsigned long *trace)
{
	int busy = TASKS, fd;

	close_slots(trace);
	for (int turn = 0; busy && turn < 100; turn++) {
		busy = 0;
		for (int i = 0; i < TASKS; i++)
			busy += !end_task(&tasks[i]);
		if (!turn)
			end_rings(END_REAP);
	}
	/* what a task that blocked before has opened since */
	close_slots(trace);
	if (!busy)
		end_rings(END_CLOSE);
	fd = swap_fd(&run.epoll, -1);
	if (fd >= 0)
		close(fd);
	close(run.box[0]);
	close(run.box[1]);
	merge_trace(trace, OP_CLOSE);
	restore_memory();
	if (!busy)
		check_end();
	return !busy;
}

static void interrupted(int sig VP_UNUSED)
{
}

static void begin_program(void)
{
	memset(&run, 0, sizeof(run));
	memset(run.slot, 0xff, sizeof(run.slot));
	run.epoll = -1;
	for (int i = 0; i < FLIGHTS; i++)
		flights[i].ring = NULL;
	memset(shared->note, 0, sizeof(shared->note));
	shared->wild = 0;
	shared->odd_reply = 0;
	shared->large = 0;
	shared->next_tag = 0;
	shared->watched = 0;
	shared->bits = 0;
	if (socketpair(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, run.box))
		wrong("no socket pair", 0);
}

static void run_program(const struct program *p, unsigned long *trace)
{
	begin_program();
	for (uint32_t i = 0; i < p->n; i++)
		dispatch(&p->op[i]);
	if (!finish_program(trace))
		vp_set(&shared->stuck, 1);
}

static bool start_task(int i)
{
	tasks[i].number = i;
	if (!make_memory(&tasks[i].own) ||
	    pthread_create(&tasks[i].thread, NULL, task_main, &tasks[i]))
		return false;
	while (!vp_get(&tasks[i].tid))
		vt_pause_us(100);
	return true;
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
	set_limits();
	if (!make_file() || !make_flights())
		_exit(11);
	for (int i = 0; i < TASKS; i++)
		if (!start_task(i))
			_exit(10);
	look_at_fds(true);
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
