/* SPDX-License-Identifier: GPL-2.0 */
/**
 * DOC: operations, and waiting for them to finish
 *
 * A SEND, CALL or RECV in progress is one &struct vipc_op on the stack of the
 * thread that asked for it. Whoever finishes the operation writes the result
 * into it, publishes the outcome, and wakes the thread.
 *
 * Publishing is the last access to the operation: from then on its thread may
 * return, and the stack is somebody else's. That is why vipc_op_finish() reads
 * @task first. The task itself lives on: the caller holds the endpoint's
 * spinlock, which is an RCU read-side critical section (on PREEMPT_RT too),
 * and a task_struct is freed after a grace period. A thread that left by
 * itself meanwhile may get a wake-up that it does not expect, which every
 * sleep in the kernel has to bear.
 *
 * To put a thread to sleep and to wake it costs more than all the rest of a
 * call. So a thread that knows its peer stays runnable for a while, see wait.c,
 * and who finishes an operation calls the scheduler only for a thread that does
 * not. That nobody is forgotten between the two rests on one pair of barriers:
 *
 *   the thread that waits              who finishes the operation
 *     set the state to asleep            publish the outcome
 *     full barrier (A)                   full barrier (B)
 *     read the outcome:                  read the state:
 *     finished? do not sleep             asleep? wake it
 *
 * One of the two reads sees what the other side has written. No lock of
 * PREEMPT_RT, which would change the state for a while, is taken between (A)
 * and the sleep.
 *
 * A thread that gives up (signal, deadline) must take the endpoint's lock
 * before it leaves, and leaves only if no outcome was published until then.
 */
#ifndef VIPC_WAIT_H
#define VIPC_WAIT_H

#include <linux/list.h>
#include <linux/rbtree.h>
#include <linux/sched.h>
#include <linux/sched/task.h>
#include <linux/types.h>

#include "uapi/vipc.h"
#include "vipc/compat.h"

struct vipc_cap;
struct vipc_xop;

/**
 * struct vipc_rest - a way of waiting that is to be done without for some time
 * @until: in jiffies; 0: it may be used
 * @misses: how many of them outweigh the hits since
 */
struct vipc_rest {
	unsigned long until;
	u32 misses;
};

/**
 * struct vipc_patience - how threads of one role wait at an endpoint
 * @limit_ns: longest time without sleeping; endpoint's lock to write it
 * @spin: when it did not pay lately
 * @spin_budget_ns: how long to spin; 0: not known
 * @yield_misses: in a row, but for the hits since
 * @yield_skip: so many waits are to do without it
 *
 * All but @limit_ns is a guess, read and written without a lock by any thread that waits
 * at the endpoint: if one value gets lost, or does not fit the next, somebody
 * waits in the wrong way, whose length is bounded all the same.
 */
struct vipc_patience {
	u32 limit_ns;
	struct vipc_rest spin;
	u32 spin_budget_ns;
	u16 yield_misses;
	u16 yield_skip;
};

enum vipc_role {
	VIPC_RECEIVER,
	VIPC_SENDER,
	VIPC_CALLER,
	VIPC_ORPHAN,		/* a message whose sender has returned, in the queue */
};

/*
 * vipc_op.outcome while the operation is in progress. Once it has finished: 0,
 * or the error.
 */
enum {
	VIPC_QUEUED = 1,	/* waits for a receiver, or for a sender */
	VIPC_IN_SERVICE = 2,	/* a call that was taken, waits for its reply */
	VIPC_ANSWERED = 3,	/* its reply is being copied, the thread cannot leave */
};

/**
 * struct vipc_op - one operation in progress
 * @msg: a sender's request; the reply to a caller; what a receiver gets. Until
 *	the outcome is published it is written by the holder of the endpoint's
 *	lock, then it is its thread's. @msg.deadline_ns is never written
 * @outcome: see above; written under the endpoint's lock, read without
 * @role: an &enum vipc_role; constant. It is set with the three that follow by one
 *	store
 * @delivered: a receiver has the request; written under the endpoint's lock
 * @fast: the request found a receiver waiting; written by its own thread
 * @async: no thread sleeps until it has finished: see async.h; constant
 * @taken_by: of what is in service: the thread that took it, in the initial pid
 *	namespace; it may have ended since, and its number be another's; endpoint's lock
 * @since: in jiffies, when its thread went to sleep first, or, if @async, when it
 *	began; 0: not yet; written by that thread, read without a lock
 * @service_state: how a caller sleeps while in service; constant
 * @task: who waits, or who submitted it if @async; constant; NULL for an orphan
 * @cap: the capability used, which stays open while the operation runs;
 *	constant; NULL for an orphan
 * @server: of what is in service: the capability that took the call;
 *	endpoint's lock. It stays valid: closing it ends the service first
 * @carrier: of a receiver: what its message came in, now its own, to be freed
 *	with kfree(): an orphan, or a watch if it is a notice; or NULL
 * @x: bytes and descriptors, or NULL: it carries none and has no room for them;
 *	constant
 * @peer: whose work ends the wait, as far as known: a reference, or NULL; its
 *	own thread's
 * @patience: what to expect of waiting for @peer, if there is one; its own
 *	thread's
 * @queue: sender, caller, orphan while VIPC_QUEUED: in endpoint.senders, or in
 *	vipc_pending.blocked; endpoint's lock
 * @stack: receiver while VIPC_QUEUED: in endpoint.receivers; endpoint's lock
 * @service: caller while VIPC_IN_SERVICE and not server->latest: in
 *	server->in_service, by its reply token; endpoint's lock
 * @next: once it has finished, if @async: in endpoint.finished; endpoint's lock
 * @by_cap: while VIPC_QUEUED: in cap->ops; endpoint's lock
 * @token: of a caller in service: its reply token; endpoint's lock
 * @seq: sender, caller, orphan while VIPC_QUEUED: its turn, 0 for what was taken
 *	back; endpoint's lock
 */
struct vipc_op {
	struct vipc_msg msg;
	int outcome;
	u8 role;
	bool delivered;
	bool fast;
	bool async;
	unsigned int service_state;
	pid_t taken_by;
	unsigned long since;
	struct task_struct *task;
	struct vipc_cap *cap;
	struct vipc_cap *server;
	void *carrier;
	struct vipc_xop *x;
	struct task_struct *peer;
	struct vipc_patience *patience;
	union {
		struct list_head queue;
		struct hlist_node stack;
		struct rb_node service;
		struct vipc_op *next;
	};
	struct hlist_node by_cap;
	union {
		u64 token;
		u64 seq;
	};
};

/**
 * vipc_op_init() - prepare an operation of the current thread
 * @op: the operation, @op->msg already filled in
 * @cap: the capability that it goes through
 * @role: what it does
 */
static inline void vipc_op_init(struct vipc_op *op, struct vipc_cap *cap,
				enum vipc_role role)
{
	op->outcome = VIPC_QUEUED;
	op->role = role;
	op->delivered = false;
	op->fast = false;
	op->async = false;
	op->since = 0;
	/* Waiting for a reply is no load, however it is done. */
	op->service_state = TASK_INTERRUPTIBLE;
	/* A worker of io_uring's is cancelled by what is no fatal signal. */
	if (unlikely(op->msg.flags & VIPC_UNINTERRUPTIBLE) &&
	    !(current->flags & PF_IO_WORKER))
		op->service_state = TASK_KILLABLE | TASK_NOLOAD;
	op->task = current;
	op->cap = cap;
	op->carrier = NULL;
	op->x = NULL;
	op->peer = NULL;
}

extern unsigned int vipc_spin_ns;

/**
 * vipc_op_expect() - tell an operation whom it waits for
 * @op: an operation of the current thread that is about to be parked
 * @peer: the thread that took the call, or that has the reply
 * @patience: of the endpoint, for operations of this role
 *
 * Context: the endpoint's lock has been held since an operation of @peer's was
 * queued or in service: hence @peer still exists.
 */
static inline void vipc_op_expect(struct vipc_op *op, struct task_struct *peer,
				  struct vipc_patience *patience)
{
	if (unlikely(!READ_ONCE(vipc_spin_ns) ||
		     !READ_ONCE(patience->limit_ns)))
		return;
	op->peer = get_task_struct(peer);
	op->patience = patience;
}

/* Would it need the scheduler to go on? See above for why it still exists. */
static inline bool vipc_asleep(struct task_struct *task)
{
	return !task_is_running(task);
}

void vipc_wake(struct task_struct *task);

/* async.c */
void vipc_async_finish(struct vipc_op *op, int outcome);
void vipc_async_rouse(struct vipc_op *op);

/* Known at compile time where there are no such operations. */
static inline bool vipc_is_async(const struct vipc_op *op)
{
	return VIPC_HAS_URING && unlikely(op->async);
}

/**
 * vipc_op_finish() - publish the outcome of an operation and wake its thread
 * @op: the operation, off every list; not to be touched afterwards
 * @outcome: 0 or a negative errno
 *
 * Nothing waits for an asynchronous operation: it is put on a list, and goes on when
 * the endpoint is unlocked.
 *
 * Context: the endpoint's lock is held, and vipc_endpoint_unlock() has to follow.
 */
static inline void vipc_op_finish(struct vipc_op *op, int outcome)
{
	struct task_struct *task = op->task;

	if (vipc_is_async(op)) {
		vipc_async_finish(op, outcome);
		return;
	}

	/* Pairs with the acquire in vipc_op_finished(): the message comes first. */
	smp_store_release(&op->outcome, outcome);
	smp_mb();	/* (B), see above; (A) is in vipc_op_sleep() */
	if (vipc_asleep(task))
		vipc_wake(task);
}

/**
 * vipc_op_rouse() - let an operation look again at whether its wait is over
 * @op: an operation that has come back to a place that it may leave by itself
 *
 * Context: the endpoint's lock is held, and vipc_endpoint_unlock() has to follow.
 */
static inline void vipc_op_rouse(struct vipc_op *op)
{
	if (vipc_is_async(op))
		vipc_async_rouse(op);
	else
		vipc_wake(op->task);
}

bool vipc_wait_awake(struct vipc_op *op);
int vipc_op_sleep(struct vipc_op *op);

/**
 * vipc_op_park() - wait until an operation of the current thread has finished
 * @op: the operation, queued or in service
 *
 * Context: may sleep, in a state that the freezer and a fatal signal can end.
 * Return:
 * * 0		- @op->outcome was published, and @op is the thread's own again
 * * -EINTR	- a signal is pending; @op may finish at any moment
 * * -ETIMEDOUT	- the deadline has passed; @op may finish at any moment
 */
static inline int vipc_op_park(struct vipc_op *op)
{
	if (op->peer && likely(vipc_wait_awake(op)))
		return 0;
	return vipc_op_sleep(op);
}

#endif /* VIPC_WAIT_H */
