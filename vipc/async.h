/* SPDX-License-Identifier: GPL-2.0 */
/**
 * DOC: operations that no thread waits for
 *
 * A command of io_uring's is an operation like any other, but its &struct vipc_op is
 * in memory of its own instead of on a stack, and instead of waking a thread, whoever
 * finishes it sends it back to the task that submitted it, which writes the message
 * and posts the completion. So every rule of the endpoint holds for it.
 *
 * Three contexts touch an asynchronous operation:
 *
 * - who submits or completes it, and io_uring that cancels it: these hold the lock of
 *   its ring, ctx->uring_lock. Hence it is not completed, and freed, while it is being
 *   submitted. Whoever else cancels it has found it under the endpoint's lock in one of
 *   the endpoint's lists, so it has not finished, or in cap->async, which it leaves
 *   under that lock before it is freed. What a worker of io_uring's runs, without the
 *   ring's lock, is the blocking operation.
 * - who finishes it, under the endpoint's lock, which takes it out of all lists of the
 *   endpoint's: exactly one does so. He puts it on endpoint->finished, and sends it to
 *   its task once he has let go of the lock. It is there until then: nobody else can
 *   send it, and only the completion, which comes after that, frees it.
 * - its timer, and the worker that the timer starts to end it at its deadline. The
 *   completion waits for both.
 *
 * Sending takes locks of the waiting task's, and may signal an eventfd, hence wake who
 * polls that. None of it leads back to an endpoint, but with our lock held nobody
 * could say so of kernels to come; and SQPOLL may complete a request while it is
 * being sent.
 *
 * Lock order::
 *
 *   ctx->uring_lock (mutex: of io_uring's)
 *     mmap_lock, and all that allocating memory takes
 *     files->file_lock
 *     endpoint->lock
 *
 * A queued command is a reference on the file, so that ->release comes after all of
 * them. They are cancelled:
 *
 * - by io_uring, with IO_URING_F_CANCEL, when the ring's last descriptor is closed and
 *   when one of its tasks executes another program. It repeats that without a pause
 *   until the command is gone, so it is completed there and then, and not sent to its
 *   task, which may be stopped;
 * - by VIPC_URING_CANCEL, see uapi/vipc.h;
 * - when a process closes its last descriptor for the capability: nobody else could
 *   ever use it, and the endpoint of a server that was told to close, or has died
 *   while somebody else holds its ring, would seem to live on. What matters is the
 *   table of descriptors from which it was submitted, not how many references the file
 *   has: those of the commands themselves, of messages on their way and of other
 *   threads' system calls come and go. What was submitted through a file that is
 *   registered with the ring goes on: there the ring is the table.
 */
#ifndef VIPC_ASYNC_H
#define VIPC_ASYNC_H

#include <linux/fs.h>
#include <linux/hrtimer.h>
#include <linux/io_uring/cmd.h>
#include <linux/rbtree.h>
#include <linux/workqueue.h>

#include "vipc/payload.h"
#include "vipc/wait.h"

struct vipc_cap;

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
 * struct vipc_async_x - what a command with &struct vipc_xmsg has besides
 * @x: as in a thread's operation
 * @xmsg: as it came; ring's lock
 */
struct vipc_async_x {
	struct vipc_xop x;
	struct vipc_xmsg xmsg;
};

/**
 * struct vipc_async - a command of io_uring's in progress
 * @op: the operation
 * @cmd: the command, which has this in its pdu; constant
 * @umsg: where the message is in user memory; constant
 * @start: vipc_clock() when it began; constant
 * @flags: of the message, as they came; constant
 * @opcode: likewise
 * @replied: of a receiver: a reply went out first; ring's lock
 * @taken: a receiver with @op.x was given a message, which it may pass over: until it
 *	waits again, @op is the completion's alone; endpoint's lock
 * @why: how to end it as soon as it can leave, or 0; endpoint's lock to write it
 * @key: constant
 * @node: in cap->async until it has finished, or is freed if @taken; endpoint's lock
 * @timer: ends the wait at the deadline, if there is one: started by who submits,
 *	cancelled by the completion
 * @late: does what @timer may not
 * @more: if @op.x is set: one
 *
 * The memory is charged to the memory cgroup of who submits.
 */
struct vipc_async {
	struct vipc_op op;
	struct io_uring_cmd *cmd;
	struct vipc_msg __user *umsg;
	u64 start;
	u32 flags;
	u32 opcode;
	bool replied;
	bool taken;
	int why;
	struct vipc_async_key key;
	struct rb_node node;
	struct hrtimer timer;
	struct work_struct late;
	struct vipc_async_x more[];
};

static inline struct vipc_async **vipc_async_slot(struct io_uring_cmd *cmd)
{
	return io_uring_cmd_to_pdu(cmd, struct vipc_async *);
}

/* async.c */
void vipc_async_wait(struct vipc_async *a);
void vipc_async_forget(struct vipc_async *a);
void vipc_async_end_timer(struct vipc_async *a);
int vipc_async_cancel(struct vipc_cap *cap, struct io_uring_cmd *cmd, u64 msg);
void vipc_async_abort(struct io_uring_cmd *cmd, unsigned int issue_flags);

/* uring.c */
void vipc_async_complete(struct io_uring_cmd *cmd, unsigned int issue_flags);

#endif /* VIPC_ASYNC_H */
