// SPDX-License-Identifier: GPL-2.0
/*
 * Blocked operations of threads that are stopped, traced or frozen. All three
 * take the thread out of the kernel's wait with no handler to run: what was
 * not delivered goes on afterwards as if nothing had happened, and a thread
 * that cannot run must not swallow a message meanwhile.
 */
#include "vipc_procs.h"

#include <sys/ptrace.h>

#define CGROUP_ROOT	"/sys/fs/cgroup"

FIXTURE(stops)
{
	int ep;			/* every right */
	struct vp_op *op;	/* 4 of them */
	struct vipc_msg m;
	struct vipc_info info;
};

FIXTURE_SETUP(stops)
{
	self->ep = vt_open();
	ASSERT_LE(0, self->ep);
	self->op = vp_ops(4);
}

FIXTURE_TEARDOWN(stops)
{
	close(self->ep);
}

/* Whatever was interrupted, it left nothing in the endpoint. */
#define EXPECT_NOTHING_LEFT(self) do {					\
	EXPECT_EQ(0, vp_wait_idle((self)->ep));				\
	EXPECT_EQ(-EAGAIN, vp_recv_now((self)->ep, &(self)->m));	\
} while (0)

/* ---- SIGSTOP and SIGCONT ---- */

TEST_F(stops, stopped_sender_and_receiver_go_on)
{
	struct vp_op *op = self->op;

	ASSERT_EQ(0, vp_start_msg(op, self->ep, VIPC_IOC_SEND, 41));
	ASSERT_EQ(0, vt_wait_senders(self->ep, 1));
	kill(op->pid, SIGSTOP);
	ASSERT_EQ(0, vt_wait_until(vt_task_state(op->pid, 0) == 'T'));
	EXPECT_EQ(0, vt_senders(self->ep));
	kill(op->pid, SIGCONT);
	ASSERT_EQ(0, vt_wait_senders(self->ep, 1));
	EXPECT_EQ(0, vp_recv_now(self->ep, &self->m));
	EXPECT_EQ(0, vp_end(op));

	op = &self->op[1];
	ASSERT_EQ(0, vp_start(op, self->ep, VIPC_IOC_RECV));
	ASSERT_EQ(0, vt_wait_receivers(self->ep, 1));
	kill(op->pid, SIGSTOP);
	ASSERT_EQ(0, vt_wait_until(vt_task_state(op->pid, 0) == 'T'));
	/* a stopped thread must not swallow a message */
	EXPECT_EQ(-EAGAIN, vp_send_tag(self->ep, 42, VIPC_NONBLOCK));
	kill(op->pid, SIGCONT);
	ASSERT_EQ(0, vt_wait_receivers(self->ep, 1));
	EXPECT_EQ(0, vp_send_tag(self->ep, 43, VIPC_NONBLOCK));
	EXPECT_EQ(0, vp_end(op));
	EXPECT_TRUE(vt_msg_is(&op->msg, 43));
	EXPECT_NOTHING_LEFT(self);
}

TEST_F(stops, stopped_delivered_call)
{
	struct vp_op *op = self->op;

	op->sa_flags = SA_RESTART;
	ASSERT_EQ(0, vp_start_msg(op, self->ep, VIPC_IOC_CALL, 44));
	ASSERT_EQ(0, vt_wait_senders(self->ep, 1));
	ASSERT_EQ(0, vp_recv_now(self->ep, &self->m));
	kill(op->pid, SIGSTOP);
	ASSERT_EQ(0, vt_wait_until(vt_task_state(op->pid, 0) == 'T'));
	EXPECT_EQ(-ESRCH, vp_reply_tag(self->ep, self->m.reply, 45));
	kill(op->pid, SIGCONT);
	EXPECT_EQ(-EINTR, vp_end(op));
	EXPECT_TRUE(vp_delivered(&op->msg));

	/* uninterruptible: answered first, stopped afterwards */
	op = &self->op[1];
	op->msg = vt_msg(46);
	op->msg.flags = VIPC_UNINTERRUPTIBLE;
	ASSERT_EQ(0, vp_start(op, self->ep, VIPC_IOC_CALL));
	ASSERT_EQ(0, vt_wait_senders(self->ep, 1));
	ASSERT_EQ(0, vp_recv_now(self->ep, &self->m));
	kill(op->pid, SIGSTOP);
	EXPECT_EQ(1, vt_in_service(self->ep));
	EXPECT_EQ(0, vp_reply_tag(self->ep, self->m.reply, 47));
	ASSERT_EQ(0, vt_wait_until(vt_task_state(op->pid, 0) == 'T'));
	kill(op->pid, SIGCONT);
	EXPECT_EQ(0, vp_end(op));
	EXPECT_TRUE(vt_msg_is(&op->msg, 47));
	EXPECT_NOTHING_LEFT(self);
}

/* ---- a tracer comes and goes, as strace -p does ---- */

static int trace_once(pid_t pid, bool seize)
{
	int status = 0, ret;
	pid_t got = 0;

	if (ptrace(seize ? PTRACE_SEIZE : PTRACE_ATTACH, pid, 0, 0))
		return -errno;
	if (seize && ptrace(PTRACE_INTERRUPT, pid, 0, 0))
		return -errno;
	ret = vt_wait_until((got = waitpid(pid, &status, __WALL | WNOHANG)));
	if (ret)
		return ret;
	return got == pid && WIFSTOPPED(status) ? 0 : -ECHILD;
}

TEST_F(stops, traced_while_blocked)
{
	struct vp_op *receiver = &self->op[0], *sender = &self->op[1];

	ASSERT_EQ(0, vp_start(receiver, self->ep, VIPC_IOC_RECV));
	for (int i = 0; i < 10; i++) {
		ASSERT_EQ(0, vt_wait_receivers(self->ep, 1));
		ASSERT_EQ(0, trace_once(receiver->pid, i & 1));
		EXPECT_EQ(-EAGAIN, vp_send_tag(self->ep, 51, VIPC_NONBLOCK));
		ASSERT_EQ(0, ptrace(PTRACE_DETACH, receiver->pid, 0, 0));
	}
	ASSERT_EQ(0, vt_wait_receivers(self->ep, 1));
	EXPECT_EQ(0, vp_send_tag(self->ep, 52, VIPC_NONBLOCK));
	EXPECT_EQ(0, vp_end(receiver));
	EXPECT_TRUE(vt_msg_is(&receiver->msg, 52));

	ASSERT_EQ(0, vp_start_msg(sender, self->ep, VIPC_IOC_SEND, 53));
	for (int i = 0; i < 10; i++) {
		ASSERT_EQ(0, vt_wait_senders(self->ep, 1));
		ASSERT_EQ(0, trace_once(sender->pid, i & 1));
		ASSERT_EQ(0, ptrace(PTRACE_DETACH, sender->pid, 0, 0));
	}
	ASSERT_EQ(0, vt_wait_senders(self->ep, 1));
	EXPECT_EQ(0, vp_recv_now(self->ep, &self->m));
	EXPECT_EQ(0, vp_end(sender));
	EXPECT_NOTHING_LEFT(self);
	ASSERT_EQ(0, vt_info(self->ep, &self->info));
	EXPECT_EQ(2, self->info.sent);
}

/* ---- the cgroup freezer ---- */

struct freezer {
	char dir[64];
};

static int freezer_file(const struct freezer *fz, const char *name,
			const char *text)
{
	char path[128];

	snprintf(path, sizeof(path), "%s/%s", fz->dir, name);
	return vt_write_file(path, text);
}

static int freezer_add(const struct freezer *fz, pid_t pid)
{
	char text[16];

	snprintf(text, sizeof(text), "%d", pid);
	return freezer_file(fz, "cgroup.procs", text);
}

static bool freezer_is_frozen(const struct freezer *fz)
{
	char path[128], line[64];
	int frozen = 0;
	FILE *f;

	snprintf(path, sizeof(path), "%s/cgroup.events", fz->dir);
	f = fopen(path, "re");
	if (!f)
		return false;
	while (fgets(line, sizeof(line), f))
		sscanf(line, "frozen %d", &frozen);
	fclose(f);
	return frozen == 1;
}

static int freezer_make(struct freezer *fz)
{
	char path[128];

	snprintf(fz->dir, sizeof(fz->dir), CGROUP_ROOT "/vipc-test-%d",
		 getpid());
	if (mkdir(fz->dir, 0755))
		return -errno;
	snprintf(path, sizeof(path), "%s/cgroup.freeze", fz->dir);
	if (access(path, W_OK)) {
		rmdir(fz->dir);
		return -ENOENT;
	}
	return 0;
}

TEST_F(stops, frozen_while_queued)
{
	struct vp_op *caller = &self->op[0], *receiver = &self->op[1];
	struct freezer fz;

	if (freezer_make(&fz))
		SKIP(return, "no cgroup2 with a freezer on " CGROUP_ROOT);
	ASSERT_EQ(0, vp_start_msg(caller, self->ep, VIPC_IOC_CALL, 61));
	ASSERT_EQ(0, vt_wait_senders(self->ep, 1));
	ASSERT_EQ(0, freezer_add(&fz, caller->pid));
	ASSERT_EQ(0, freezer_file(&fz, "cgroup.freeze", "1"));
	ASSERT_EQ(0, vt_wait_until(freezer_is_frozen(&fz)));
	ASSERT_EQ(0, freezer_file(&fz, "cgroup.freeze", "0"));
	ASSERT_EQ(0, vt_wait_senders(self->ep, 1));
	ASSERT_EQ(0, vp_recv_now(self->ep, &self->m));
	EXPECT_EQ(0, vp_reply_tag(self->ep, self->m.reply, 62));
	EXPECT_EQ(0, vp_end(caller));
	EXPECT_TRUE(vt_msg_is(&caller->msg, 62));

	ASSERT_EQ(0, vp_start(receiver, self->ep, VIPC_IOC_RECV));
	ASSERT_EQ(0, vt_wait_receivers(self->ep, 1));
	ASSERT_EQ(0, freezer_add(&fz, receiver->pid));
	ASSERT_EQ(0, freezer_file(&fz, "cgroup.freeze", "1"));
	ASSERT_EQ(0, vt_wait_until(freezer_is_frozen(&fz)));
	EXPECT_EQ(-EAGAIN, vp_send_tag(self->ep, 63, VIPC_NONBLOCK));
	ASSERT_EQ(0, freezer_file(&fz, "cgroup.freeze", "0"));
	ASSERT_EQ(0, vt_wait_receivers(self->ep, 1));
	EXPECT_EQ(0, vp_send_tag(self->ep, 64, VIPC_NONBLOCK));
	EXPECT_EQ(0, vp_end(receiver));
	EXPECT_TRUE(vt_msg_is(&receiver->msg, 64));
	EXPECT_EQ(0, vt_wait_until(!rmdir(fz.dir)));
}

/*
 * A delivered call is interrupted by the freezer as by a signal, unless it is
 * uninterruptible: then it is frozen after the reply.
 */
TEST_F(stops, frozen_in_service)
{
	struct vp_op *plain = &self->op[0], *firm = &self->op[1];
	struct freezer fz;

	if (freezer_make(&fz))
		SKIP(return, "no cgroup2 with a freezer on " CGROUP_ROOT);
	ASSERT_EQ(0, vp_start_msg(plain, self->ep, VIPC_IOC_CALL, 65));
	ASSERT_EQ(0, vt_wait_senders(self->ep, 1));
	ASSERT_EQ(0, vp_recv_now(self->ep, &self->m));
	ASSERT_EQ(0, freezer_add(&fz, plain->pid));
	ASSERT_EQ(0, freezer_file(&fz, "cgroup.freeze", "1"));
	ASSERT_EQ(0, vt_wait_until(freezer_is_frozen(&fz)));
	EXPECT_EQ(-ESRCH, vp_reply_tag(self->ep, self->m.reply, 66));
	ASSERT_EQ(0, freezer_file(&fz, "cgroup.freeze", "0"));
	EXPECT_EQ(-EINTR, vp_end(plain));
	EXPECT_TRUE(vp_delivered(&plain->msg));

	firm->msg = vt_msg(67);
	firm->msg.flags = VIPC_UNINTERRUPTIBLE;
	ASSERT_EQ(0, vp_start(firm, self->ep, VIPC_IOC_CALL));
	ASSERT_EQ(0, vt_wait_senders(self->ep, 1));
	ASSERT_EQ(0, vp_recv_now(self->ep, &self->m));
	ASSERT_EQ(0, freezer_add(&fz, firm->pid));
	ASSERT_EQ(0, freezer_file(&fz, "cgroup.freeze", "1"));
	EXPECT_EQ(1, vt_in_service(self->ep));
	EXPECT_EQ(0, vp_reply_tag(self->ep, self->m.reply, 68));
	ASSERT_EQ(0, vt_wait_until(freezer_is_frozen(&fz)));
	ASSERT_EQ(0, freezer_file(&fz, "cgroup.freeze", "0"));
	EXPECT_EQ(0, vp_end(firm));
	EXPECT_TRUE(vt_msg_is(&firm->msg, 68));
	EXPECT_EQ(0, vt_wait_until(!rmdir(fz.dir)));
}

TEST_HARNESS_MAIN
