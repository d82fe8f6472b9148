// SPDX-License-Identifier: GPL-2.0
/*
 * Waiting for an operation to finish. Nothing else in the module waits for a
 * peer.
 *
 * A thread that knows its peer (wait.h: vipc_op_expect()) first waits without
 * sleeping, in the way that fits where the peer is:
 *
 *   running on another CPU, or just about to:  spin
 *   able to run on this one, if we did not:    yield to it
 *   asleep, or unknown:                        sleep
 *
 * Either pays only if the peer comes to its work soon, which is learnt:
 *
 * - A spin burns time of this CPU. After one in vain, threads of this role do
 *   not spin at this endpoint for VIPC_SHARE times as long.
 * - A yield after which others have run, or we have at once again, delays the
 *   call. That depends on who else wants this CPU: so many waits on it do without
 *   yields then that VIPC_SHARE times as much is done in them.
 * - A yield after which the peer has run, but not done what we wait for, costs
 *   two switches of context. Then so many waits of this role at this endpoint do
 *   without it.
 *
 * The next failure costs twice that, until there have been as many hits. So not
 * more than one part in VIPC_SHARE of the time is lost, whatever the peer and
 * others do, and mostly far less.
 */
#include <linux/hrtimer.h>
#include <linux/jiffies.h>
#include <linux/ktime.h>
#include <linux/math64.h>
#include <linux/moduleparam.h>
#include <linux/percpu.h>
#include <linux/sched/clock.h>
#include <linux/sched/deadline.h>
#include <linux/sched/rt.h>
#include <linux/sched/signal.h>
#include <linux/wait.h>

#include "vipc/compat.h"
#include "vipc/stats.h"
#include "vipc/wait.h"

/* About what it costs to sleep and to be woken from another CPU. */
unsigned int vipc_spin_ns = 200 * NSEC_PER_USEC;
module_param_named(spin_ns, vipc_spin_ns, uint, 0644);
MODULE_PARM_DESC(spin_ns,
		 "Longest time in ns to wait for a peer without sleeping (0: always sleep)");

/* The longest time that a spin_ns may ask for. */
#define VIPC_MAX_SPIN_NS	(10 * NSEC_PER_MSEC)

enum vipc_manner {
	VIPC_ADAPT,
	VIPC_ALWAYS_SPIN,
	VIPC_ALWAYS_YIELD,
};

static unsigned int vipc_manner = VIPC_ADAPT;
module_param_named(wait, vipc_manner, uint, 0644);
MODULE_PARM_DESC(wait,
		 "How to wait without sleeping: 0 as pays, 1 always spin, 2 always yield (for tests)");

/* One part in so many of the time may be lost on tries. */
#define VIPC_SHARE		20
/* However much was lost: after so long it is tried again. */
#define VIPC_MAX_REST_NS	NSEC_PER_SEC
/* Each doubles what the next one costs. */
#define VIPC_MAX_MISSES		8

/* If others had the CPU for longer after a yield, they want it, too. */
#define VIPC_OTHERS_NS		(50 * NSEC_PER_USEC)
/* At most, if the scheduler prefers us to the peer nevertheless. */
#define VIPC_YIELDS		64
/* At most, if the peer runs: it may find that it has to yield itself. */
#define VIPC_TURNS		2
/* About what a yield takes that changes nothing. */
#define VIPC_YIELD_COST_NS	(NSEC_PER_USEC / 2)
/* So much may be spent on those before we do without. */
#define VIPC_CREDIT_NS		(10 * NSEC_PER_MSEC)
/* About what is done from one wait to the next at least. */
#define VIPC_WAIT_NS		(5 * NSEC_PER_USEC)
/* However much was lost: after so many it is tried again. */
#define VIPC_MAX_SKIP		30000
/* A yield ends when the scheduler says so, not at a deadline. */
#define VIPC_FAR_NS		(10 * NSEC_PER_MSEC)

/**
 * struct vipc_yields - how yields went on one CPU
 * @skip: so many waits are to do without
 * @misses: how many of them outweigh the hits since
 * @spent_ns: time that went into yields without effect
 *
 * A guess as in &struct vipc_patience; threads of this CPU write it, and now and
 * then one that has just left.
 */
struct vipc_yields {
	u32 skip;
	u32 misses;
	u32 spent_ns;
};

static DEFINE_PER_CPU(struct vipc_yields, vipc_yields);

static bool vipc_op_finished(const struct vipc_op *op)
{
	/* Pairs with the release in vipc_op_finish(). */
	return smp_load_acquire(&op->outcome) <= 0;
}

static bool vipc_rest_over(const struct vipc_rest *rest)
{
	unsigned long until = READ_ONCE(rest->until);

	return likely(!until) || time_after_eq(jiffies, until);
}

/* After a miss that took @ns. */
static void vipc_rest_begin(struct vipc_rest *rest, u64 ns)
{
	u64 length = min_t(u64, ns * VIPC_SHARE, VIPC_MAX_REST_NS);
	u32 misses = READ_ONCE(rest->misses);

	length = min_t(u64, length << misses, VIPC_MAX_REST_NS);
	/* This tick has begun already. Not 0, which has a meaning. */
	WRITE_ONCE(rest->until, (jiffies + nsecs_to_jiffies(length) + 1) ?: 1);
	if (misses < VIPC_MAX_MISSES)
		WRITE_ONCE(rest->misses, misses + 1);
}

static void vipc_rest_hit(struct vipc_rest *rest)
{
	u32 misses;

	/* A cache line that other CPUs read is not written without need. */
	if (likely(!READ_ONCE(rest->until)))
		return;
	misses = READ_ONCE(rest->misses);
	if (misses)
		WRITE_ONCE(rest->misses, misses - 1);
	else
		WRITE_ONCE(rest->until, 0);
}

static u32 vipc_spin_limit(const struct vipc_patience *patience)
{
	u32 limit = min_t(u32, READ_ONCE(vipc_spin_ns), VIPC_MAX_SPIN_NS);

	return min(limit, READ_ONCE(patience->limit_ns));
}

/* After a miss nothing is known: then as long as is allowed. */
static u32 vipc_spin_budget(const struct vipc_patience *patience)
{
	u32 budget = READ_ONCE(patience->spin_budget_ns);
	u32 limit = vipc_spin_limit(patience);

	return budget ? min(budget, limit) : limit;
}

/* After a hit: some times as long as that took. */
static void vipc_spin_hit(struct vipc_patience *patience, u64 ns)
{
	u32 budget = READ_ONCE(patience->spin_budget_ns);
	u32 wanted = min_t(u64, 4 * ns + NSEC_PER_USEC, VIPC_MAX_SPIN_NS);

	vipc_rest_hit(&patience->spin);
	/* Grow at once, shrink slowly. */
	if (wanted > budget)
		WRITE_ONCE(patience->spin_budget_ns, wanted);
	else if (wanted < budget / 2)
		WRITE_ONCE(patience->spin_budget_ns, budget - budget / 8);
}

static void vipc_spin_missed(struct vipc_patience *patience, u64 ns)
{
	vipc_rest_begin(&patience->spin, ns);
	WRITE_ONCE(patience->spin_budget_ns, 0);
}

/* It runs elsewhere, or was woken there and has not come to it yet. */
static bool vipc_runs_elsewhere(struct task_struct *task)
{
	unsigned int state = READ_ONCE(task->__state);

	if (task_cpu(task) == raw_smp_processor_id())
		return false;
	if (state == TASK_WAKING)
		return true;
	return state == TASK_RUNNING && !vcpu_is_preempted(task_cpu(task));
}

static bool vipc_too_late_to_spin(const struct vipc_op *op)
{
	return op->msg.deadline_ns && ktime_get_ns() >= op->msg.deadline_ns;
}

/* Returns true if the operation has finished. */
static noinline bool vipc_spin(struct vipc_op *op, struct task_struct *peer,
			       bool always)
{
	struct vipc_patience *patience = op->patience;
	u32 budget = always ? vipc_spin_limit(patience) :
			      vipc_spin_budget(patience);
	u64 start = local_clock(), elapsed;
	bool finished;

	do {
		cpu_relax();
		finished = vipc_op_finished(op);
		/* Negative, hence large, should another CPU's clock be behind. */
		elapsed = local_clock() - start;
	} while (!finished && elapsed < budget && !need_resched() &&
		 !signal_pending(current) && !vipc_too_late_to_spin(op) &&
		 (always || vipc_runs_elsewhere(peer)));

	elapsed = min_t(u64, elapsed, VIPC_MAX_SPIN_NS);
	vipc_count_by(VIPC_SPIN_TIME, elapsed);
	if (finished) {
		vipc_count(VIPC_SPIN_HITS);
		vipc_spin_hit(patience, elapsed);
	} else {
		vipc_count(VIPC_SPIN_MISSES);
		vipc_spin_missed(patience, elapsed);
	}
	return finished;
}

/*
 * A clock, in ns, that stands still while the current thread or @peer runs, from
 * the scheduler's accounting: it moves exec_start and sum_exec_runtime on
 * together while a thread runs. So it tells how long others had the CPU.
 */
static u64 vipc_others_clock(struct task_struct *peer)
{
	return READ_ONCE(current->se.exec_start) -
	       READ_ONCE(current->se.sum_exec_runtime) -
	       READ_ONCE(peer->se.sum_exec_runtime);
}

/* Lets @peer run in our place, if it can be told to. */
static bool vipc_yield_to(struct task_struct *peer)
{
	int prio = READ_ONCE(current->prio);

	if (likely(prio >= MAX_RT_PRIO))
		return yield_to(peer, false) > 0;
	/*
	 * There is no directed one for real-time threads, and none at all for
	 * one below; and a deadline thread would give up its period.
	 */
	if (prio < MAX_DL_PRIO || READ_ONCE(peer->prio) != prio)
		return false;
	yield();
	return true;
}

/* Could it run here, if we did not? */
static bool vipc_waits_here(struct task_struct *task)
{
	return !vipc_asleep(task) && task_cpu(task) == raw_smp_processor_id();
}

static bool vipc_yield_pays(struct vipc_patience *patience)
{
	struct vipc_yields *here = raw_cpu_ptr(&vipc_yields);
	u32 skip = READ_ONCE(here->skip);
	u16 skip_peer = READ_ONCE(patience->yield_skip);

	if (likely(!skip && !skip_peer))
		return true;
	if (skip)
		WRITE_ONCE(here->skip, skip - 1);
	if (skip_peer)
		WRITE_ONCE(patience->yield_skip, skip_peer - 1);
	return false;
}

static void vipc_yield_hit(struct vipc_patience *patience)
{
	struct vipc_yields *here = raw_cpu_ptr(&vipc_yields);
	u16 misses_peer = READ_ONCE(patience->yield_misses);
	u32 misses = READ_ONCE(here->misses);

	if (unlikely(misses))
		WRITE_ONCE(here->misses, misses - 1);
	if (unlikely(misses_peer))
		WRITE_ONCE(patience->yield_misses, misses_peer - 1);
}

/* Others have run for @ns. */
static void vipc_yield_lost(u64 ns)
{
	struct vipc_yields *here = raw_cpu_ptr(&vipc_yields);
	u32 misses = READ_ONCE(here->misses);
	u64 skip = min_t(u64, ns, VIPC_MAX_REST_NS) * VIPC_SHARE;

	skip = (div_u64(skip, VIPC_WAIT_NS) + 1) << misses;
	WRITE_ONCE(here->skip, min_t(u64, skip, VIPC_MAX_SKIP));
	if (misses < VIPC_MAX_MISSES)
		WRITE_ONCE(here->misses, misses + 1);
}

/* The scheduler preferred us for @ns: that may be used up, and pay later. */
static void vipc_yield_spent(u32 ns)
{
	struct vipc_yields *here = raw_cpu_ptr(&vipc_yields);
	u32 spent = READ_ONCE(here->spent_ns) + ns;

	if (spent > VIPC_CREDIT_NS) {
		vipc_yield_lost(spent);
		spent = 0;
	}
	WRITE_ONCE(here->spent_ns, spent);
}

/* The peer has run, and done something else. */
static void vipc_yield_missed(struct vipc_patience *patience)
{
	u16 misses = READ_ONCE(patience->yield_misses);

	WRITE_ONCE(patience->yield_skip, 2 << misses);
	if (misses < VIPC_MAX_MISSES)
		WRITE_ONCE(patience->yield_misses, misses + 1);
}

/*
 * After a yield that did not do. Did the peer run at all? If not, the scheduler
 * prefers us for the time being, for the sake of fairness, and to yield again is
 * to use up that preference.
 */
static noinline bool vipc_yield_again(struct vipc_op *op,
				      struct task_struct *peer, u64 mark,
				      bool always)
{
	u64 run = READ_ONCE(peer->se.sum_exec_runtime);
	bool finished = vipc_op_finished(op);
	int i, turns = 0;
	s64 others;

	for (i = 1; i < VIPC_YIELDS && turns < VIPC_TURNS && !finished; i++) {
		if (always)
			yield();
		else if (!vipc_waits_here(peer) || !vipc_yield_to(peer))
			break;
		finished = vipc_op_finished(op);
		turns += READ_ONCE(peer->se.sum_exec_runtime) != run;
	}
	vipc_count(finished ? VIPC_YIELD_HITS : VIPC_YIELD_MISSES);

	others = vipc_others_clock(peer) - mark;
	if (others > VIPC_OTHERS_NS)
		vipc_yield_lost(others);
	else if (finished)
		vipc_yield_hit(op->patience);
	else if (turns)
		vipc_yield_missed(op->patience);
	if (i > VIPC_TURNS)
		vipc_yield_spent(i * VIPC_YIELD_COST_NS);
	return finished;
}

/* Returns true if the operation has finished. */
static __always_inline bool vipc_yield(struct vipc_op *op,
				       struct task_struct *peer)
{
	u64 mark = vipc_others_clock(peer);

	if (unlikely(!vipc_yield_to(peer)))
		return false;
	if (unlikely(!vipc_op_finished(op) ||
		     (s64)(vipc_others_clock(peer) - mark) > VIPC_OTHERS_NS))
		return vipc_yield_again(op, peer, mark, false);
	vipc_count(VIPC_YIELD_HITS);
	vipc_yield_hit(op->patience);
	return true;
}

/* Is there time enough for a wait that no timer ends? */
static bool vipc_may_yield(const struct vipc_op *op)
{
	return likely(!op->msg.deadline_ns) ||
	       ktime_get_ns() + VIPC_FAR_NS < op->msg.deadline_ns;
}

/**
 * vipc_wait_awake() - wait for an operation to finish as long as that can pay
 * @op: an operation of the current thread, with a peer, which it loses
 *
 * Context: may schedule, but always runnable.
 * Return: has it finished?
 */
bool vipc_wait_awake(struct vipc_op *op)
{
	struct vipc_patience *patience = op->patience;
	unsigned int manner = READ_ONCE(vipc_manner);
	struct task_struct *peer = op->peer;
	bool finished = false;

	if (unlikely(manner == VIPC_ALWAYS_SPIN))
		finished = vipc_spin(op, peer, true);
	else if (unlikely(manner == VIPC_ALWAYS_YIELD))
		finished = vipc_yield_again(op, peer, vipc_others_clock(peer),
					    true);
	else if (vipc_waits_here(peer) && vipc_may_yield(op) &&
		 vipc_yield_pays(patience))
		finished = vipc_yield(op, peer);

	/* It may have moved meanwhile. */
	if (unlikely(!finished) && manner == VIPC_ADAPT &&
	    vipc_runs_elsewhere(peer) && vipc_rest_over(&patience->spin))
		finished = vipc_spin(op, peer, false);

	op->peer = NULL;
	put_task_struct(peer);
	return finished;
}

/* Sleeps once. Returns false when @deadline_ns has passed. */
static noinline bool vipc_sleep_until(u64 deadline_ns)
{
	ktime_t deadline = ns_to_ktime(min_t(u64, deadline_ns, KTIME_MAX));

	return schedule_hrtimeout_range(&deadline, current->timer_slack_ns,
					HRTIMER_MODE_ABS) != 0;
}

/**
 * vipc_op_sleep() - sleep until an operation has finished
 * @op: an operation of the current thread, queued or in service
 *
 * A request that waits for a receiver is given up on any signal; whether one
 * in service is, was the caller's choice. The two states may follow each other
 * in either order while the thread sleeps, so each round looks again. While the
 * reply is being copied nothing ends the wait: that takes no page faults.
 *
 * Context: may sleep.
 * Return: as vipc_op_park().
 */
int vipc_op_sleep(struct vipc_op *op)
{
	bool slept = false;
	int ret = 0;

	if (!op->since)
		WRITE_ONCE(op->since, jiffies ?: 1);
	for (;;) {
		unsigned int state = TASK_INTERRUPTIBLE;
		int outcome;

		/* Pairs with the release in vipc_op_finish(). */
		outcome = smp_load_acquire(&op->outcome);
		if (outcome <= 0)
			break;
		if (outcome == VIPC_IN_SERVICE)
			state = op->service_state;
		else if (outcome == VIPC_ANSWERED)
			state = TASK_UNINTERRUPTIBLE;
		/* The barrier in here is (A), see wait.h. */
		set_current_state(state | TASK_FREEZABLE);
		if (READ_ONCE(op->outcome) != outcome)
			continue;
		if (signal_pending_state(state, current)) {
			ret = -EINTR;
			break;
		}
		slept = true;
		if (likely(!op->msg.deadline_ns || outcome == VIPC_ANSWERED)) {
			schedule();
		} else if (!vipc_sleep_until(op->msg.deadline_ns)) {
			ret = -ETIMEDOUT;
			break;
		}
	}
	__set_current_state(TASK_RUNNING);
	if (slept)
		vipc_count(VIPC_SLEEPS);
	return ret;
}

/**
 * vipc_wake() - wake a thread
 * @task: the thread; see wait.h for why it still exists
 *
 * Context: the endpoint's lock is held.
 */
void vipc_wake(struct task_struct *task)
{
	struct wait_queue_entry entry vipc_uninitialized;

	/* All that default_wake_function() reads of it. */
	entry.private = task;
	default_wake_function(&entry, TASK_NORMAL, VIPC_WAKE_SYNC, NULL);
}
