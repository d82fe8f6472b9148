// SPDX-License-Identifier: GPL-2.0
/*
 * Waiting for an operation to finish. Nothing else in the module sleeps for a
 * peer.
 */
#include <linux/hrtimer.h>
#include <linux/ktime.h>
#include <linux/sched/signal.h>

#include "vipc/wait.h"

/* Sleeps once. Returns false when @deadline_ns has passed. */
static noinline bool vipc_sleep_until(u64 deadline_ns)
{
	ktime_t deadline = ns_to_ktime(min_t(u64, deadline_ns, KTIME_MAX));

	return schedule_hrtimeout_range(&deadline, current->timer_slack_ns,
					HRTIMER_MODE_ABS) != 0;
}

/**
 * vipc_op_park() - wait until an operation of the current thread has finished
 * @op: the operation, queued or in service
 *
 * A request that waits for a receiver is given up on any signal; whether one
 * in service is, was the caller's choice. The two states may follow each other
 * in either order while the thread sleeps, so each round looks again.
 *
 * Context: may sleep, in a state that the freezer and a fatal signal can end.
 * Return:
 * * 0		- @op->outcome was published, and @op is the thread's own again
 * * -EINTR	- a signal is pending; @op may finish at any moment
 * * -ETIMEDOUT	- the deadline has passed; @op may finish at any moment
 */
int vipc_op_park(struct vipc_op *op)
{
	int ret = 0;

	for (;;) {
		unsigned int state = TASK_INTERRUPTIBLE;
		int outcome;

		/* Pairs with the release in vipc_op_finish(). */
		outcome = smp_load_acquire(&op->outcome);
		if (outcome <= 0)
			break;
		if (outcome == VIPC_IN_SERVICE)
			state = op->service_state;
		/*
		 * The barrier in set_current_state() orders the state before
		 * the second look: either that sees the change, or whoever made
		 * the change sees a sleeper to wake.
		 */
		set_current_state(state | TASK_FREEZABLE);
		if (READ_ONCE(op->outcome) != outcome)
			continue;
		if (signal_pending_state(state, current)) {
			ret = -EINTR;
			break;
		}
		if (likely(!op->msg.deadline_ns)) {
			schedule();
		} else if (!vipc_sleep_until(op->msg.deadline_ns)) {
			ret = -ETIMEDOUT;
			break;
		}
	}
	__set_current_state(TASK_RUNNING);
	return ret;
}
