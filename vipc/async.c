// SPDX-License-Identifier: GPL-2.0
/*
 * Operations that no thread waits for, between submission and completion: who finishes
 * them, at what time, and who cancels them.
 */
#include "vipc/compat.h"

#if VIPC_HAS_URING

#include <linux/fdtable.h>
#include <linux/ktime.h>
#include <linux/lockdep.h>

#include "vipc/async.h"
#include "vipc/capability.h"
#include "vipc/endpoint.h"
#include "vipc/queue.h"
#include "vipc/uring.h"

static struct vipc_async *vipc_async_of(struct vipc_op *op)
{
	return container_of(op, struct vipc_async, op);
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

static void vipc_async_unindex(struct vipc_cap *cap, struct vipc_async *a)
{
	lockdep_assert_held(&cap->endpoint->lock);
	if (RB_EMPTY_NODE(&a->node))
		return;
	rb_erase(&a->node, &cap->async);
	RB_CLEAR_NODE(&a->node);
}

/* ---- finishing ---- */

/* Has it a message that it may have to pass over, to wait for the next one? */
static bool vipc_may_go_on(const struct vipc_op *op)
{
	return !op->outcome && op->role == VIPC_RECEIVER && op->x;
}

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
	a->taken = vipc_may_go_on(op);
	if (!a->taken)
		vipc_async_unindex(op->cap, a);
	op->next = ep->finished;
	ep->finished = op;
}

/* It ends by itself. That it was cancelled counts more than its deadline. */
static int vipc_async_note(struct vipc_async *a, int why)
{
	if (a->why != -ECANCELED)
		WRITE_ONCE(a->why, why);
	return -EALREADY;
}

/* Takes an operation away from where it waits, and ends it. */
static int vipc_async_end(struct vipc_endpoint *ep, struct vipc_op *op, int why)
{
	struct vipc_async *a = vipc_async_of(op);

	lockdep_assert_held(&ep->lock);
	/* It ends with its message, or vipc_async_wait() comes. It is not ours. */
	if (a->taken)
		return vipc_async_note(a, why);
	switch (op->outcome) {
	case VIPC_QUEUED:
		vipc_unqueue(ep, op);
		break;
	case VIPC_IN_SERVICE:
		vipc_leave_service(ep, op);
		break;
	case VIPC_ANSWERED:
		/* vipc_async_rouse() comes, unless it is answered. */
		return vipc_async_note(a, why);
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
		vipc_async_end(op->cap->endpoint, op, why);
}

/**
 * vipc_async_unlock() - let go of the lock, and complete what was finished under it
 * @ep: the endpoint
 *
 * Context: the endpoint's lock is held.
 */
void vipc_async_unlock(struct vipc_endpoint *ep)
	__releases(&ep->lock)
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

/* ---- deadlines ---- */

static void vipc_async_late(struct work_struct *work)
{
	struct vipc_async *a = container_of(work, struct vipc_async, late);
	struct vipc_endpoint *ep = a->op.cap->endpoint;

	spin_lock(&ep->lock);
	vipc_async_end(ep, &a->op, -ETIMEDOUT);
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

/**
 * vipc_async_end_timer() - the wait is over
 * @a: an operation for which vipc_async_wait() was called
 *
 * Context: may sleep.
 */
void vipc_async_end_timer(struct vipc_async *a)
{
	if (!a->op.msg.deadline_ns)
		return;
	hrtimer_cancel(&a->timer);
	cancel_work_sync(&a->late);
}

static int vipc_same_file(const void *data, struct file *file, unsigned int fd)
{
	return file == data;
}

/*
 * Was the last descriptor closed while it was submitted? Then vipc_async_flush() may not
 * have found it. A task that has got another table since then has closed nothing in this
 * one.
 */
static bool vipc_closed_meanwhile(const struct vipc_async *a)
{
	const struct file *file = a->cmd->file, *there;

	if (a->key.files != current->files)
		return false;
	smp_mb();	/* (C): inserted before we look, see vipc_async_flush() */
	rcu_read_lock();
	/* Until it is completed, this is the descriptor's number. */
	there = files_lookup_fd_raw(current->files,
				    cmd_to_io_kiocb(a->cmd)->cqe.fd);
	rcu_read_unlock();
	return unlikely(there != file) &&
	       !iterate_fd(current->files, 0, vipc_same_file, file);
}

/**
 * vipc_async_wait() - from here on it can be found, and its deadline counts
 * @a: an operation that is queued or in service, or may have finished since
 *
 * Context: the ring's lock is held; takes the endpoint's, and the table's.
 */
void vipc_async_wait(struct vipc_async *a)
{
	struct vipc_cap *cap = a->op.cap;
	struct vipc_endpoint *ep = cap->endpoint;

	lockdep_assert_held(&cmd_to_io_kiocb(a->cmd)->ctx->uring_lock);
	WRITE_ONCE(a->op.since, jiffies ?: 1);
	if (a->op.msg.deadline_ns) {
		hrtimer_init(&a->timer, CLOCK_MONOTONIC, HRTIMER_MODE_ABS);
		a->timer.function = vipc_async_timer;
		INIT_WORK(&a->late, vipc_async_late);
		vipc_async_start_timer(a);
	}
	spin_lock(&ep->lock);
	if (a->op.outcome > 0) {
		a->taken = false;
		if (a->why)
			vipc_async_end(ep, &a->op, a->why);
	}
	if (RB_EMPTY_NODE(&a->node) && (a->op.outcome > 0 || a->taken))
		vipc_async_insert(&cap->async, a);
	vipc_endpoint_unlock(ep);

	if (unlikely(vipc_closed_meanwhile(a))) {
		spin_lock(&ep->lock);
		vipc_async_end(ep, &a->op, -ECANCELED);
		vipc_endpoint_unlock(ep);
	}
}

/**
 * vipc_async_forget() - it has its message for good: nobody is to find it any more
 * @a: an operation that was finished
 *
 * Context: the ring's lock is held; takes the endpoint's.
 */
void vipc_async_forget(struct vipc_async *a)
{
	struct vipc_cap *cap = a->op.cap;

	spin_lock(&cap->endpoint->lock);
	vipc_async_unindex(cap, a);
	spin_unlock(&cap->endpoint->lock);
}

/* ---- cancelling ---- */

/**
 * vipc_async_cancel() - VIPC_URING_CANCEL
 * @cap: through which the operation was submitted
 * @cmd: the command that asks for it
 * @msg: address of the operation's message
 *
 * Context: takes the endpoint's lock.
 * Return: 0, -ENOENT: there is none, or it has finished, or -EALREADY: its message or
 * reply is being copied.
 */
int vipc_async_cancel(struct vipc_cap *cap, struct io_uring_cmd *cmd, u64 msg)
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
	if (a && !vipc_compare(&a->key, &key)) {
		ret = vipc_async_end(ep, &a->op, -ECANCELED);
		/* The next to come is for the next that is the same. */
		if (a->taken)
			vipc_async_unindex(cap, a);
	}
	vipc_endpoint_unlock(ep);
	return ret;
}

/*
 * Only its submitter completes what is in such a ring. When it is closed, io_uring moves
 * what was sent there to a worker by itself.
 */
static bool vipc_is_for_another(const struct vipc_async *a)
{
	return cmd_to_io_kiocb(a->cmd)->ctx->flags & IORING_SETUP_DEFER_TASKRUN &&
	       current != a->op.task;
}

/**
 * vipc_async_abort() - cancel a command for io_uring
 * @cmd: the command; io_uring comes again until it is gone
 * @issue_flags: IO_URING_F_*
 *
 * Context: may sleep; the ring's lock is held; takes the endpoint's.
 */
void vipc_async_abort(struct io_uring_cmd *cmd, unsigned int issue_flags)
{
	struct vipc_async *a = *vipc_async_slot(cmd);
	struct vipc_endpoint *ep = a->op.cap->endpoint;
	bool ours;

	lockdep_assert_held(&cmd_to_io_kiocb(cmd)->ctx->uring_lock);
	spin_lock(&ep->lock);
	ours = !vipc_async_end(ep, &a->op, -ECANCELED) && !vipc_is_for_another(a);
	/* It is the one that came last. */
	if (ours)
		ep->finished = a->op.next;
	vipc_endpoint_unlock(ep);
	if (ours)
		vipc_async_complete(cmd, issue_flags);
}

/*
 * Ends the first operation that was submitted through that table. One whose message is
 * being copied ends by itself. Those that wait for their reply have each a thread that
 * copies; those that receive need not be found again.
 */
static bool vipc_flush_step(struct vipc_cap *cap, const void *files)
{
	const struct vipc_async_key key = { .files = files };
	struct vipc_async *a = vipc_async_find(&cap->async, &key);

	while (a && a->key.files == files) {
		if (!vipc_async_end(cap->endpoint, &a->op, -ECANCELED))
			return true;
		if (a->taken) {
			vipc_async_unindex(cap, a);
			return true;
		}
		a = rb_entry_safe(rb_next(&a->node), struct vipc_async, node);
	}
	return false;
}

/**
 * vipc_async_flush() - a process closes a descriptor
 * @file: of a capability
 * @id: the table in which the descriptor was, and is not any more
 *
 * If there is no other one in that table, what was submitted through it ends; what
 * is being submitted too, see vipc_async_wait(). A process that exits clears each place
 * of its table before it closes what was there.
 *
 * Context: may sleep; takes the endpoint's lock, and the table's.
 * Return: 0.
 */
int vipc_async_flush(struct file *file, fl_owner_t id)
{
	struct vipc_cap *cap = file->private_data;
	struct vipc_endpoint *ep;
	unsigned int steps = 0;

	if (!id || !cap)
		return 0;
	/* Pairs with (C): who waits from now on sees the descriptor gone, or is seen. */
	smp_mb();
	/* Most have none: a look without the lock. */
	if (!READ_ONCE(cap->async.rb_node))
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

#endif /* VIPC_HAS_URING */
