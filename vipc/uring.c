// SPDX-License-Identifier: GPL-2.0
/*
 * The operations as commands of io_uring's: submitting, finishing, completing and
 * cancelling them.
 */
#include "vipc/compat.h"
#include "vipc/uring.h"

#if VIPC_HAS_URING

#include <linux/fdtable.h>
#include <linux/hrtimer.h>
#include <linux/io_uring/cmd.h>
#include <linux/lockdep.h>
#include <linux/percpu-refcount.h>
#include <linux/sched/signal.h>
#include <linux/slab.h>
#include <linux/workqueue.h>

#include "vipc/capability.h"
#include "vipc/endpoint.h"
#include "vipc/fastpath.h"
#include "vipc/ipc.h"
#include "vipc/queue.h"
#include "vipc/stats.h"
#include "vipc/wait.h"

/**
 * struct vipc_async_key - what identifies an operation that is to be cancelled
 * @files: the table of descriptors through which it was submitted; NULL: through a
 *	file that is registered with the ring. Only to be compared
 * @ring: to which it was submitted; only to be compared
 * @msg: user address of its message
 *
 * Constant. Several operations may have the same.
 */
struct vipc_async_key {
	const void *files;
	const void *ring;
	u64 msg;
};

/**
 * struct vipc_async - a command of io_uring's in progress
 * @op: the operation
 * @cmd: the command, which has this in its pdu; constant
 * @umsg: where the message is in user memory; constant
 * @start: vipc_clock() when it began; constant
 * @flags: of the message, as they came; constant
 * @replied: of a receiver: a reply went out first; ring's lock
 * @why: how to end it as soon as it can leave, or 0; endpoint's lock
 * @key: constant
 * @node: in cap->async until it has finished; endpoint's lock
 * @timer: ends the wait at the deadline, if there is one: started by who submits,
 *	cancelled by the completion
 * @late: does what @timer may not
 *
 * The memory is charged to the memory cgroup of who submits.
 */
struct vipc_async {
	struct vipc_op op;
	struct io_uring_cmd *cmd;
	struct vipc_msg __user *umsg;
	u64 start;
	u32 flags;
	bool replied;
	int why;
	struct vipc_async_key key;
	struct rb_node node;
	struct hrtimer timer;
	struct work_struct late;
};

static struct vipc_async *vipc_async_of(struct vipc_op *op)
{
	return container_of(op, struct vipc_async, op);
}

static struct vipc_async **vipc_async_slot(struct io_uring_cmd *cmd)
{
	return io_uring_cmd_to_pdu(cmd, struct vipc_async *);
}

/* ---- cap->async ---- */

static int vipc_compare_word(u64 a, u64 b)
{
	return a < b ? -1 : a > b;
}

static int vipc_compare(const struct vipc_async_key *a,
			const struct vipc_async_key *b)
{
	return vipc_compare_word((uintptr_t)a->files, (uintptr_t)b->files) ?:
	       vipc_compare_word((uintptr_t)a->ring, (uintptr_t)b->ring) ?:
	       vipc_compare_word(a->msg, b->msg);
}

static void vipc_async_insert(struct rb_root *root, struct vipc_async *a)
{
	struct rb_node **link = &root->rb_node, *parent = NULL;

	while (*link) {
		struct vipc_async *other = rb_entry(*link, struct vipc_async,
						    node);

		parent = *link;
		link = vipc_compare(&a->key, &other->key) < 0 ?
		       &parent->rb_left : &parent->rb_right;
	}
	rb_link_node(&a->node, parent, link);
	rb_insert_color(&a->node, root);
}

/* The first that is not before @key, or NULL. */
static struct vipc_async *vipc_async_find(const struct rb_root *root,
					  const struct vipc_async_key *key)
{
	struct rb_node *node = root->rb_node;
	struct vipc_async *found = NULL;

	while (node) {
		struct vipc_async *a = rb_entry(node, struct vipc_async, node);

		if (vipc_compare(&a->key, key) < 0) {
			node = node->rb_right;
		} else {
			found = a;
			node = node->rb_left;
		}
	}
	return found;
}

/* ---- finishing ---- */

/**
 * vipc_async_finish() - publish the outcome of an asynchronous operation
 * @op: the operation, off every list
 * @outcome: 0 or a negative errno
 *
 * Context: the endpoint's lock is held, and vipc_endpoint_unlock() has to follow.
 */
void vipc_async_finish(struct vipc_op *op, int outcome)
{
	struct vipc_async *a = vipc_async_of(op);
	struct vipc_endpoint *ep = op->cap->endpoint;

	lockdep_assert_held(&ep->lock);
	WRITE_ONCE(op->outcome, outcome);
	if (!RB_EMPTY_NODE(&a->node)) {
		rb_erase(&a->node, &op->cap->async);
		RB_CLEAR_NODE(&a->node);
	}
	op->next = ep->finished;
	ep->finished = op;
}

/* Takes an operation away from where it waits, and ends it. */
static int vipc_async_end(struct vipc_op *op, int why)
{
	struct vipc_endpoint *ep = op->cap->endpoint;

	lockdep_assert_held(&ep->lock);
	switch (op->outcome) {
	case VIPC_QUEUED:
		vipc_unqueue(ep, op);
		break;
	case VIPC_IN_SERVICE:
		vipc_leave_service(ep, op);
		break;
	case VIPC_ANSWERED:
		/* vipc_async_rouse() comes, unless it is answered. */
		vipc_async_of(op)->why = why;
		return -EALREADY;
	default:
		return -ENOENT;
	}
	vipc_async_finish(op, why);
	return 0;
}

/**
 * vipc_async_rouse() - let an asynchronous operation leave if it shall
 * @op: the operation, queued or in service
 *
 * Context: the endpoint's lock is held, and vipc_endpoint_unlock() has to follow.
 */
void vipc_async_rouse(struct vipc_op *op)
{
	int why = vipc_async_of(op)->why;

	if (why)
		vipc_async_end(op, why);
}

static void vipc_async_complete(struct io_uring_cmd *cmd,
				unsigned int issue_flags);

/**
 * vipc_async_unlock() - let go of the lock, and complete what was finished under it
 * @ep: the endpoint
 *
 * Context: the endpoint's lock is held.
 */
void vipc_async_unlock(struct vipc_endpoint *ep)
{
	struct vipc_op *op = ep->finished, *first = NULL;

	ep->finished = NULL;
	/* Only the completion touches them from now on, and it has not been sent. */
	spin_unlock(&ep->lock);

	while (op) {
		struct vipc_op *next = op->next;

		op->next = first;
		first = op;
		op = next;
	}
	while (first) {
		op = first;
		first = op->next;
		/* A task that waits for several need not be woken for each. */
		io_uring_cmd_do_in_task_lazy(vipc_async_of(op)->cmd,
					     vipc_async_complete);
	}
}

/* ---- completing ---- */

/*
 * Nobody is there any more who could be told, or whose memory could be written to: the
 * submitter has exited, and a kernel worker does this; or the ring is closed.
 */
static bool vipc_nobody_left(struct io_uring_cmd *cmd)
{
	return current->flags & (PF_KTHREAD | PF_EXITING) ||
	       percpu_ref_is_dying(&cmd_to_io_kiocb(cmd)->ctx->refs);
}

static int vipc_async_drop(struct vipc_async *a, int err)
{
	if (err)
		return err;
	switch (a->op.role) {
	case VIPC_SENDER:
		return 0;
	case VIPC_RECEIVER:
		vipc_endpoint_take_back(&a->op);
		fallthrough;
	default:
		return -ECANCELED;
	}
}

/* What a thread does after it has waited. */
static int vipc_async_result(struct vipc_async *a, int err)
{
	int ret;

	if (unlikely(vipc_nobody_left(a->cmd)))
		ret = vipc_async_drop(a, err);
	else if (a->op.role == VIPC_RECEIVER)
		ret = vipc_end_receive(&a->op, a->umsg, a->replied, err);
	else if (a->op.role == VIPC_CALLER)
		ret = vipc_end_request(&a->op, a->umsg, VIPC_CALLER, a->flags,
				       a->start, err);
	else
		ret = vipc_end_request(&a->op, a->umsg, VIPC_SENDER, a->flags,
				       a->start, err);
	if (unlikely(ret < 0))
		vipc_count_failure(ret);
	return ret;
}

/* In the context of the task that submitted it, or of who stands in for it. */
static void vipc_async_complete(struct io_uring_cmd *cmd,
				unsigned int issue_flags)
{
	struct vipc_async *a = *vipc_async_slot(cmd);
	int ret;

	if (a->op.msg.deadline_ns) {
		hrtimer_cancel(&a->timer);
		cancel_work_sync(&a->late);
	}
	ret = vipc_async_result(a, a->op.outcome);
	kfree(a);
	io_uring_cmd_done(cmd, ret, 0, issue_flags);
}

/* ---- deadlines ---- */

static void vipc_async_late(struct work_struct *work)
{
	struct vipc_async *a = container_of(work, struct vipc_async, late);
	struct vipc_endpoint *ep = a->op.cap->endpoint;

	spin_lock(&ep->lock);
	vipc_async_end(&a->op, -ETIMEDOUT);
	vipc_endpoint_unlock(ep);
}

/* The endpoint's lock is not for interrupts. */
static enum hrtimer_restart vipc_async_timer(struct hrtimer *timer)
{
	struct vipc_async *a = container_of(timer, struct vipc_async, timer);

	queue_work(system_highpri_wq, &a->late);
	return HRTIMER_NORESTART;
}

static void vipc_async_start_timer(struct vipc_async *a)
{
	u64 deadline_ns = min_t(u64, a->op.msg.deadline_ns, KTIME_MAX);

	hrtimer_start_range_ns(&a->timer, ns_to_ktime(deadline_ns),
			       current->timer_slack_ns, HRTIMER_MODE_ABS);
}

/* ---- submitting ---- */

static const void *vipc_files_of(struct io_uring_cmd *cmd)
{
	return cmd_to_io_kiocb(cmd)->flags & REQ_F_FIXED_FILE ? NULL :
								current->files;
}

static struct vipc_async *vipc_async_new(struct vipc_cap *cap,
					 struct io_uring_cmd *cmd,
					 void __user *p)
{
	struct vipc_async *a = kmalloc(sizeof(*a), GFP_KERNEL_ACCOUNT);

	if (!a)
		return NULL;
	a->cmd = cmd;
	a->umsg = p;
	a->start = vipc_clock();
	a->replied = false;
	a->why = 0;
	a->key.files = vipc_files_of(cmd);
	a->key.ring = cmd_to_io_kiocb(cmd)->ctx;
	a->key.msg = (uintptr_t)p;
	RB_CLEAR_NODE(&a->node);
	*vipc_async_slot(cmd) = a;
	return a;
}

static int vipc_async_get_msg(struct vipc_async *a, enum vipc_role role)
{
	struct vipc_msg *msg = &a->op.msg;
	int err;

	if (role == VIPC_SENDER)
		err = vipc_get_msg(msg, a->umsg);
	else
		err = vipc_get_msg_rw(msg, a->umsg);
	if (err)
		return err;
	a->flags = msg->flags;
	return vipc_check_flags(msg);
}

/* Returns -EINPROGRESS if it waits: then it may have finished already. */
static int vipc_async_begin(struct vipc_async *a, struct vipc_cap *cap,
			    enum vipc_role role, bool reply)
{
	struct vipc_op *op = &a->op;
	bool nonblock = a->flags & VIPC_NONBLOCK;
	int err;

	vipc_op_init(op, cap, role);
	op->async = true;
	if (role == VIPC_RECEIVER) {
		reply = reply && op->msg.reply;
		err = vipc_endpoint_receive(op, nonblock,
					    reply ? &a->replied : NULL);
		if (a->replied)
			vipc_count(VIPC_REPLIES);
	} else {
		op->msg.badge = cap->badge;
		/* What cannot be answered in time is not asked. */
		if (role == VIPC_CALLER && vipc_too_late(&op->msg))
			return vipc_endpoint_may_send(cap, 0, 0) ?: -ETIMEDOUT;
		err = vipc_endpoint_send(op, nonblock);
		if (role == VIPC_CALLER && !err)
			err = -EINPROGRESS;
	}
	/* No thread is there to wait for it awake. */
	if (op->peer) {
		put_task_struct(op->peer);
		op->peer = NULL;
	}
	return err;
}

/* From here on it can be found, and its deadline counts. */
static void vipc_async_wait(struct vipc_async *a)
{
	struct vipc_cap *cap = a->op.cap;

	if (a->op.msg.deadline_ns) {
		hrtimer_init(&a->timer, CLOCK_MONOTONIC, HRTIMER_MODE_ABS);
		a->timer.function = vipc_async_timer;
		INIT_WORK(&a->late, vipc_async_late);
		vipc_async_start_timer(a);
	}
	spin_lock(&cap->endpoint->lock);
	if (a->op.outcome > 0)
		vipc_async_insert(&cap->async, a);
	spin_unlock(&cap->endpoint->lock);
}

static int vipc_async_submit(struct vipc_cap *cap, struct io_uring_cmd *cmd,
			     void __user *p, enum vipc_role role, bool reply,
			     unsigned int issue_flags)
{
	struct vipc_async *a = vipc_async_new(cap, cmd, p);
	int err;

	if (!a)
		return -ENOMEM;
	err = vipc_async_get_msg(a, role);
	if (err) {
		kfree(a);
		return err;
	}
	/*
	 * Before it can finish. Nobody cancels it before we return, and it is not
	 * completed: that takes the ring's lock, which we hold.
	 */
	io_uring_cmd_mark_cancelable(cmd, issue_flags);
	err = vipc_async_begin(a, cap, role, reply);
	if (err == -EINPROGRESS) {
		vipc_async_wait(a);
	} else {
		err = vipc_async_result(a, err);
		kfree(a);
		io_uring_cmd_done(cmd, err, 0, issue_flags);
	}
	return -EIOCBQUEUED;
}

/* ---- cancelling ---- */

static int vipc_async_cancel(struct vipc_cap *cap, struct io_uring_cmd *cmd,
			     u64 msg)
{
	struct vipc_async_key key = {
		.files = current->files,
		.ring = cmd_to_io_kiocb(cmd)->ctx,
		.msg = msg,
	};
	struct vipc_endpoint *ep = cap->endpoint;
	struct vipc_async *a;
	int ret = -ENOENT;

	spin_lock(&ep->lock);
	a = vipc_async_find(&cap->async, &key);
	if (!a || vipc_compare(&a->key, &key)) {
		key.files = NULL;
		a = vipc_async_find(&cap->async, &key);
	}
	if (a && !vipc_compare(&a->key, &key))
		ret = vipc_async_end(&a->op, -ECANCELED);
	vipc_endpoint_unlock(ep);
	return ret;
}

/* By io_uring, which has its lock and comes again until the command is gone. */
static void vipc_async_abort(struct io_uring_cmd *cmd)
{
	struct vipc_async *a = *vipc_async_slot(cmd);
	struct vipc_endpoint *ep = a->op.cap->endpoint;

	spin_lock(&ep->lock);
	vipc_async_end(&a->op, -ECANCELED);
	vipc_endpoint_unlock(ep);
}

static int vipc_same_file(const void *data, struct file *file, unsigned int fd)
{
	return file == data;
}

/*
 * Ends the first operation that was submitted through that table. One whose reply is
 * being copied ends by itself; each of those has a thread that copies.
 */
static bool vipc_flush_step(struct vipc_cap *cap, const void *files)
{
	const struct vipc_async_key key = { .files = files };
	struct vipc_async *a = vipc_async_find(&cap->async, &key);

	while (a && a->key.files == files) {
		if (!vipc_async_end(&a->op, -ECANCELED))
			return true;
		a = rb_entry_safe(rb_next(&a->node), struct vipc_async, node);
	}
	return false;
}

/**
 * vipc_uring_flush() - a process closes a descriptor
 * @file: of a capability
 * @id: the table in which the descriptor was, and is not any more
 *
 * If there is no other one in that table, what was submitted through it ends. A
 * thread that is submitting at the same time may be too late to be seen.
 *
 * Context: may sleep; takes the endpoint's lock, and the table's.
 * Return: 0.
 */
int vipc_uring_flush(struct file *file, fl_owner_t id)
{
	struct vipc_cap *cap = file->private_data;
	struct vipc_endpoint *ep;
	unsigned int steps = 0;

	/* Most have none: a look without the lock, as close() races with submitting. */
	if (!id || !cap || !READ_ONCE(cap->async.rb_node))
		return 0;
	if (iterate_fd(id, 0, vipc_same_file, file))
		return 0;
	ep = cap->endpoint;
	spin_lock(&ep->lock);
	while (vipc_flush_step(cap, id))
		if (!(++steps % VIPC_BATCH))
			vipc_breathe(ep);
	vipc_endpoint_unlock(ep);
	return 0;
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
		vipc_async_abort(cmd);
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
		return vipc_async_submit(cap, cmd, p, VIPC_SENDER, false,
					 issue_flags);
	case VIPC_IOC_CALL:
		return vipc_async_submit(cap, cmd, p, VIPC_CALLER, false,
					 issue_flags);
	case VIPC_IOC_RECV:
		return vipc_async_submit(cap, cmd, p, VIPC_RECEIVER, false,
					 issue_flags);
	case VIPC_IOC_REPLY_RECV:
		return vipc_async_submit(cap, cmd, p, VIPC_RECEIVER, true,
					 issue_flags);
	case VIPC_IOC_REPLY:
	case VIPC_IOC_NOTIFY:
		return vipc_do(cmd->file, cmd->cmd_op, p);
	default:
		return -ENOTTY;
	}
}

#endif /* VIPC_HAS_URING */
