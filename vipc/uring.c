// SPDX-License-Identifier: GPL-2.0
/*
 * The operations as commands of io_uring's: submitting and completing them.
 */
#include "vipc/compat.h"
#include "vipc/uring.h"

#if VIPC_HAS_URING

#include <linux/lockdep.h>
#include <linux/percpu-refcount.h>
#include <linux/sched/signal.h>
#include <linux/slab.h>

#include "vipc/async.h"
#include "vipc/capability.h"
#include "vipc/endpoint.h"
#include "vipc/fastpath.h"
#include "vipc/ipc.h"
#include "vipc/payload.h"
#include "vipc/stats.h"
#include "vipc/trace.h"

/* ---- completing ---- */

/*
 * Nobody is there any more who could be told, or whose memory could be written to: the
 * submitter has exited, and a kernel worker does this; another task cancels it, whose
 * memory may be another; or the ring is closed.
 */
static bool vipc_nobody_left(const struct vipc_async *a)
{
	return current->flags & (PF_KTHREAD | PF_EXITING) ||
	       current != a->op.task ||
	       percpu_ref_is_dying(&cmd_to_io_kiocb(a->cmd)->ctx->refs);
}

static int vipc_async_drop(struct vipc_async *a, int err)
{
	struct vipc_op *op = &a->op;

	if (!err && op->role == VIPC_RECEIVER)
		vipc_endpoint_take_back(op);
	if (op->x)
		vipc_free_x(op);
	return err || op->role == VIPC_SENDER ? err : -ECANCELED;
}

static int vipc_async_receive(struct vipc_async *a, bool reply);

/* Messages that nobody can have are passed over: then it may have to wait again. */
static int vipc_async_keep_x(struct vipc_async *a, int err)
{
	struct vipc_xmsg __user *uxmsg = (void __user *)a->umsg;
	struct vipc_xmsg *xmsg = &a->more->xmsg;
	struct vipc_op *op = &a->op;
	bool faulted = false;

	while (!err) {
		err = vipc_keep_x(op, xmsg, uxmsg);
		faulted = err == -EFAULT;
		if (err != VIPC_TAKE_NEXT)
			break;
		vipc_renew_x(op, op->cap, op->x, xmsg);
		err = READ_ONCE(a->why);
		if (fatal_signal_pending(current))
			err = -ECANCELED;
		if (!err)
			err = vipc_async_receive(a, false);
	}
	if (err == -EINPROGRESS) {
		vipc_async_wait(a);
		return -EIOCBQUEUED;
	}
	return vipc_end_receive_x(op, uxmsg, a->replied, faulted, err);
}

static int vipc_async_end_receive(struct vipc_async *a, int err)
{
	if (a->op.x)
		return vipc_async_keep_x(a, err);
	return vipc_end_receive(&a->op, a->umsg, a->replied, err);
}

static int vipc_async_end_request(struct vipc_async *a, int err)
{
	struct vipc_op *op = &a->op;

	if (op->x)
		return vipc_end_request_x(op, &a->more->xmsg,
					  (void __user *)a->umsg, a->start,
					  err);
	if (op->role == VIPC_CALLER)
		return vipc_end_request(op, a->umsg, VIPC_CALLER, a->flags,
					a->opcode, a->start, err);
	return vipc_end_request(op, a->umsg, VIPC_SENDER, a->flags, a->opcode,
				a->start, err);
}

/*
 * What a thread does after it has waited: then the command is done, and @a freed.
 * Unless it has to wait again.
 */
static void vipc_async_result(struct vipc_async *a, int err,
			      unsigned int issue_flags)
{
	struct io_uring_cmd *cmd = a->cmd;
	int ret;

	if (unlikely(vipc_nobody_left(a)))
		ret = vipc_async_drop(a, err);
	else if (a->op.role == VIPC_RECEIVER)
		ret = vipc_async_end_receive(a, err);
	else
		ret = vipc_async_end_request(a, err);
	if (ret == -EIOCBQUEUED)
		return;
	if (unlikely(ret < 0))
		vipc_count_failure(ret);
	/* Nobody changes it since it was finished. */
	if (a->taken)
		vipc_async_forget(a);
	kfree(a);
	io_uring_cmd_done(cmd, ret, 0, issue_flags);
}

/**
 * vipc_async_complete() - an operation has finished: tell who has submitted it
 * @cmd: the command
 * @issue_flags: IO_URING_F_*
 *
 * Context: may sleep; in the task that has submitted it, or in one that stands in for
 * it. The ring's lock is held.
 */
void vipc_async_complete(struct io_uring_cmd *cmd, unsigned int issue_flags)
{
	struct vipc_async *a = *vipc_async_slot(cmd);

	lockdep_assert_held(&cmd_to_io_kiocb(cmd)->ctx->uring_lock);
	vipc_async_end_timer(a);
	vipc_async_result(a, a->op.outcome, issue_flags);
}

/* ---- submitting ---- */

static const void *vipc_files_of(struct io_uring_cmd *cmd)
{
	return cmd_to_io_kiocb(cmd)->flags & REQ_F_FIXED_FILE ? NULL :
								current->files;
}

static struct vipc_async *vipc_async_new(struct vipc_cap *cap,
					 struct io_uring_cmd *cmd,
					 void __user *p, enum vipc_role role,
					 bool has_x)
{
	struct vipc_async *a;

	a = kmalloc(struct_size(a, more, has_x), GFP_KERNEL_ACCOUNT);
	if (!a)
		return NULL;
	a->cmd = cmd;
	a->umsg = p;
	a->start = vipc_clock();
	a->replied = false;
	a->taken = false;
	a->why = 0;
	a->key.files = vipc_files_of(cmd);
	a->key.ring = cmd_to_io_kiocb(cmd)->ctx;
	a->key.msg = (uintptr_t)p;
	RB_CLEAR_NODE(&a->node);
	a->op.role = role;
	a->op.cap = cap;
	a->op.x = has_x ? &a->more->x : NULL;
	*vipc_async_slot(cmd) = a;
	return a;
}

static int vipc_async_get(struct vipc_async *a)
{
	struct vipc_msg *msg = &a->op.msg;
	bool rw = a->op.role != VIPC_SENDER;
	int err;

	if (a->op.x) {
		struct vipc_xmsg *xmsg = &a->more->xmsg;

		err = vipc_get_xmsg(xmsg, (void __user *)a->umsg, rw);
		*msg = xmsg->msg;
	} else {
		err = rw ? vipc_get_msg_rw(msg, a->umsg) :
			   vipc_get_msg(msg, a->umsg);
		err = err ?: vipc_check_flags(msg);
	}
	a->flags = msg->flags;
	a->opcode = msg->opcode;
	return err;
}

/* vipc_op_init() for what no thread waits for. */
static void vipc_async_init(struct vipc_async *a, enum vipc_role role)
{
	struct vipc_xop *x = a->op.x;

	vipc_op_init(&a->op, a->op.cap, role);
	a->op.async = true;
	a->op.x = x;
}

/* No thread is there to wait for it awake. */
static void vipc_async_forget_peer(struct vipc_op *op)
{
	if (op->peer) {
		put_task_struct(op->peer);
		op->peer = NULL;
	}
}

static int vipc_async_receive(struct vipc_async *a, bool reply)
{
	struct vipc_op *op = &a->op;
	int err;

	vipc_async_init(a, VIPC_RECEIVER);
	err = vipc_receive_begin(op, a->flags & VIPC_NONBLOCK,
				 reply ? &a->replied : NULL);
	vipc_async_forget_peer(op);
	return err;
}

static int vipc_async_begin_receive(struct vipc_async *a, bool reply)
{
	int err = 0;

	reply = reply && a->op.msg.reply;
	if (a->op.x) {
		struct vipc_xmsg *xmsg = &a->more->xmsg;
		struct vipc_xop *x = &a->more->x;

		x->room.len = xmsg->rx_len;
		x->room.nr_fds = xmsg->rx_nfds;
		if (reply)
			err = vipc_prepare_reply(a->op.cap, xmsg, x);
		if (err)
			trace_vipc_reply(a->op.cap, xmsg->msg.reply,
					 xmsg->msg.opcode, xmsg->tx_len,
					 xmsg->tx_nfds, err);
	}
	if (!err)
		err = vipc_async_receive(a, reply);
	if (a->replied)
		vipc_count(VIPC_REPLIES);
	return err;
}

static int vipc_async_prepare(struct vipc_async *a)
{
	struct vipc_op *op = &a->op;

	if (op->x)
		return vipc_prepare_x(op, &a->more->xmsg);
	/* What cannot be answered in time is not asked. */
	if (op->role == VIPC_CALLER && vipc_too_late(&op->msg))
		return vipc_endpoint_may_send(op->cap, 0, 0) ?: -ETIMEDOUT;
	return 0;
}

static int vipc_async_begin_request(struct vipc_async *a, enum vipc_role role)
{
	struct vipc_op *op = &a->op;
	int err;

	vipc_async_init(a, role);
	op->msg.badge = op->cap->badge;
	err = vipc_async_prepare(a);
	if (err)
		return err;
	err = vipc_endpoint_send(op, a->flags & VIPC_NONBLOCK);
	vipc_async_forget_peer(op);
	return role == VIPC_CALLER && !err ? -EINPROGRESS : err;
}

static int vipc_async_submit(struct io_uring_cmd *cmd, void __user *p,
			     enum vipc_role role, bool reply,
			     unsigned int issue_flags)
{
	bool has_x = _IOC_SIZE(cmd->cmd_op) == sizeof(struct vipc_xmsg);
	struct vipc_async *a;
	int err;

	a = vipc_async_new(cmd->file->private_data, cmd, p, role, has_x);
	if (!a)
		return -ENOMEM;
	err = vipc_async_get(a);
	if (err) {
		kfree(a);
		return err;
	}
	if (has_x)
		memset(&a->more->x, 0, sizeof(a->more->x));
	/*
	 * Before it can finish. Nobody cancels it before we return, and it is not
	 * completed: that takes the ring's lock, which we hold.
	 */
	io_uring_cmd_mark_cancelable(cmd, issue_flags);
	err = role == VIPC_RECEIVER ? vipc_async_begin_receive(a, reply) :
				      vipc_async_begin_request(a, role);
	if (err == -EINPROGRESS)
		vipc_async_wait(a);
	else
		vipc_async_result(a, err, issue_flags);
	return -EIOCBQUEUED;
}

/**
 * vipc_uring_cmd() - a command of io_uring's
 * @cmd: the command
 * @issue_flags: IO_URING_F_*
 *
 * Context: may sleep. The ring's lock is held, unless IO_URING_F_UNLOCKED.
 * Return: what the ioctl returns; -EIOCBQUEUED: the completion has that, or will.
 */
int vipc_uring_cmd(struct io_uring_cmd *cmd, unsigned int issue_flags)
{
	struct vipc_cap *cap = cmd->file->private_data;
	const struct vipc_uring_cmd *arg;
	void __user *p;
	u64 addr;

	if (issue_flags & IO_URING_F_CANCEL) {
		vipc_async_abort(cmd, issue_flags);
		return 0;
	}
	arg = io_uring_sqe_cmd(cmd->sqe);
	addr = READ_ONCE(arg->msg);
	p = u64_to_user_ptr(addr);
	if (READ_ONCE(arg->reserved) || cmd->flags & IORING_URING_CMD_MASK)
		return -EINVAL;
	if (cmd->cmd_op == VIPC_URING_CANCEL)
		return vipc_async_cancel(cap, cmd, addr);
	/* A worker can wait as any thread does, and a signal ends that. */
	if (issue_flags & IO_URING_F_UNLOCKED)
		return vipc_do(cmd->file, cmd->cmd_op, p);

	switch (cmd->cmd_op) {
	case VIPC_IOC_SEND:
	case VIPC_IOC_SEND_X:
		return vipc_async_submit(cmd, p, VIPC_SENDER, false,
					 issue_flags);
	case VIPC_IOC_CALL:
	case VIPC_IOC_CALL_X:
		return vipc_async_submit(cmd, p, VIPC_CALLER, false,
					 issue_flags);
	case VIPC_IOC_RECV:
	case VIPC_IOC_RECV_X:
		return vipc_async_submit(cmd, p, VIPC_RECEIVER, false,
					 issue_flags);
	case VIPC_IOC_REPLY_RECV:
	case VIPC_IOC_REPLY_RECV_X:
		return vipc_async_submit(cmd, p, VIPC_RECEIVER, true,
					 issue_flags);
	default:
		return vipc_do(cmd->file, cmd->cmd_op, p);
	}
}

#endif /* VIPC_HAS_URING */
