/* SPDX-License-Identifier: GPL-2.0 */
/**
 * DOC: operations that no thread waits for: io_uring
 *
 * A command of io_uring's is an operation like any other, but its &struct vipc_op is
 * in memory of its own instead of on a stack, and instead of waking a thread, whoever
 * finishes it sends it back to the task that submitted it, which writes the message
 * and posts the completion. So every rule of the endpoint holds for it.
 *
 * Three contexts touch an asynchronous operation:
 *
 * - who submits, completes or cancels it: these hold the lock of its ring,
 *   ctx->uring_lock. Hence it is not completed, and freed, while it is being
 *   submitted or cancelled. What a worker of io_uring's runs, without that lock, is
 *   the blocking operation.
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
 *     endpoint->lock
 *
 * A queued command is a reference on the file, so that ->release comes after all of
 * them. They are cancelled:
 *
 * - by io_uring, with IO_URING_F_CANCEL, when the ring's last descriptor is closed and
 *   when one of its tasks executes another program. It repeats that until the command
 *   is gone;
 * - by VIPC_URING_CANCEL, see uapi/vipc.h;
 * - when a process closes its last descriptor for the capability: nobody else could
 *   ever use it, and the endpoint of a server that was told to close, or has died
 *   while somebody else holds its ring, would seem to live on. What matters is the
 *   table of descriptors from which it was submitted, not how many references the file
 *   has: those of the commands themselves, of messages on their way and of other
 *   threads' system calls come and go. What was submitted through a file that is
 *   registered with the ring goes on: there the ring is the table.
 */
#ifndef VIPC_URING_H
#define VIPC_URING_H

#include <linux/fs.h>

struct io_uring_cmd;

int vipc_uring_cmd(struct io_uring_cmd *cmd, unsigned int issue_flags);
int vipc_uring_flush(struct file *file, fl_owner_t id);

/* main.c */
int vipc_do(struct file *file, unsigned int cmd, void __user *p);

#endif /* VIPC_URING_H */
