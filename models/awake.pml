/* SPDX-License-Identifier: GPL-2.0 */
/*
 * One operation, the thread that waits for it, awake first and then asleep, and
 * who finishes it, with memory that is weaker than sequentially consistent.
 * wait.h, wait.c: vipc_op_park() and vipc_op_finish(). Everything else about
 * operations is in vipc.pml.
 *
 * Memory. What a thread writes reaches the others later: each of the variables
 * that are shared without the lock (the message, the outcome, the state of the
 * task) has a store buffer of one entry for the thread that writes it. A buffer
 * is written to memory at any moment, in any order among the variables, but not
 * later than a full barrier of its thread, or the end of its critical section;
 * and an outcome that was published with a release not before the message.
 * Threads read their own buffers. Reads are in program order: what the acquire in
 * vipc_op_finished() is for is not represented.
 *
 * Granularity. Each access to shared memory is a step of its own, and so is each
 * barrier; but try_to_wake_up() and schedule(), which have locks and barriers of
 * their own, are one step each. Comments name the C function of each step.
 *
 * What is checked:
 *  - no lost wake-up: when nothing more happens, nobody sleeps whose outcome was
 *    published, or whose wait a pending signal ends (judge);
 *  - a caller whose request was taken back, while it was awake or asleep, or that
 *    was claimed and given back, can be interrupted again (judge);
 *  - a caller that is claimed does not leave (finisher);
 *  - the message is there when the outcome is (done);
 *  - the thread returns with the outcome, or has left (done);
 *  - neither the operation nor the task is touched when it may have gone (alive,
 *    task_there);
 *  - the wait awake has an end: the search for infinite executions finds none.
 */

#ifndef AWAKE
#define AWAKE 1		/* 0 always sleep, 1 as pays, 2 always spin, 3 always yield */
#endif
#define POLLS 2		/* the budget: looks at the outcome until the thread sleeps */
#ifndef SPUR
#define SPUR 1		/* wake-ups without reason */
#endif
#ifndef BACK
#define BACK 1		/* receives whose message is taken back */
#endif
#ifndef CLAIMS
#define CLAIMS 0	/* replies that are copied into the caller's room */
#endif

/* Outcomes */
#define OK		0
#define QUEUED		1
#define IN_SERVICE	2
#define EINTR		3
#define ETIMEDOUT	4
#define ANSWERED	5
#define finished(o)	(o != QUEUED && o != IN_SERVICE && o != ANSWERED)

/* Sleep states, and what signals are pending */
#define RUNNING		0
#define INTERRUPTIBLE	1
#define KILLABLE	2
#define UNINTERRUPTIBLE	3
#define ORDINARY	1
#define FATAL		2
#define ends(sig, sleep) ((sig == FATAL && sleep != UNINTERRUPTIBLE) || \
			  (sig == ORDINARY && sleep == INTERRUPTIBLE))

#define NONE		15		/* an empty buffer */

/* Memory */
byte outcome = QUEUED;
bool msg;
byte state = RUNNING;
byte pending;
#ifdef MUT_lock_before_sleep
byte saved_state;
#endif
/* and what is on its way there: of who finishes, and of who waits */
byte buffered_outcome = NONE;
bool buffered_msg;
bool release;				/* the outcome comes after the message */
byte buffered_state = NONE;

/* The operation; "alive": it is on the stack of a thread that waits for it */
bool caller;
byte service_state = INTERRUPTIBLE;	/* constant, like caller */
bool deadline;				/* likewise */
bool alive = true;
bool left;				/* off every list; the lock's */

/* The endpoint's lock, an RCU read-side critical section; and the task */
bool held;
bool exited;
bool grace;				/* it exited while the lock was held */
#define task_there (!exited || grace)

/* Store buffers do not wait for anybody. */
active proctype memory()
{
end_memory: do
	:: atomic { buffered_msg -> msg = true; buffered_msg = false }
	:: atomic { buffered_outcome != NONE && !(release && buffered_msg) ->
		outcome = buffered_outcome;
		buffered_outcome = NONE;
		release = false
	   }
	:: atomic { buffered_state != NONE ->
		state = buffered_state;
		buffered_state = NONE
	   }
	od
}

/* What was written to one variable arrives in the order in which it was written. */
inline store_outcome(value)
{
	outcome = (buffered_outcome == NONE -> outcome : buffered_outcome);
	buffered_outcome = value
}

inline store_state(value)
{
	state = (buffered_state == NONE -> state : buffered_state);
	buffered_state = value
}

/* smp_mb() of who finishes; it is a part of locks, too */
inline full_barrier()
{
	msg = msg | buffered_msg;
	buffered_msg = false;
	store_outcome(NONE);
	release = false
}

inline spin_unlock()
{
	atomic {
		full_barrier();
		held = false;
		grace = false
	}
}

/* vipc_wake(): try_to_wake_up(), which begins with a full barrier */
inline vipc_wake()
{
	atomic {
		assert(task_there);
		full_barrier();
		state = RUNNING
#ifdef MUT_lock_before_sleep
		; saved_state = RUNNING
#endif
	}
}

/* SEND, CALL, RECV: vipc_op_park() and vipc_leave() */
proctype waiter()
{
	byte o = QUEUED, s, why, polls;
#ifdef MUT_awake_keeps_outcome
	byte known = outcome;
#endif

	/* vipc_wait_awake(): vipc_spin() or vipc_yield(); the state is RUNNING */
	do
	:: AWAKE == 0 || polls == POLLS -> break	/* the budget is spent */
	:: AWAKE == 1 -> break				/* does not pay (any more) */
	:: AWAKE == 2 && polls > 0 -> break		/* need_resched(), signal_pending() */
	:: AWAKE != 0 && polls < POLLS ->
		atomic {			/* vipc_op_finished() */
			assert(alive);
			o = outcome;
#ifndef MUT_no_budget
			polls++
#endif
		}
		if
		:: finished(o) -> goto done
		:: else
		fi
	od;
#ifdef MUT_blind_return
	goto done;
#endif

	/* vipc_op_sleep() */
sleep:	atomic {				/* smp_load_acquire() */
		assert(alive);
		o = outcome;
		polls = 0
	}
#ifdef MUT_awake_keeps_outcome
	s = (known == IN_SERVICE -> service_state : INTERRUPTIBLE);
#else
	s = (o == IN_SERVICE -> service_state : (o == ANSWERED -> UNINTERRUPTIBLE : INTERRUPTIBLE));
#endif
	if
	:: finished(o) -> goto woken
	:: else
	fi;
	atomic { store_state(s) }		/* set_current_state(), with */
#ifndef MUT_no_barrier_a
	atomic { store_state(NONE) }		/* the barrier (A) in it */
#endif
#ifndef MUT_no_second_look
	atomic {
		assert(alive);
		if
#ifdef MUT_awake_keeps_outcome
		:: finished(outcome) -> goto sleep
#else
		:: outcome != o -> goto sleep
#endif
		:: else
		fi
	}
#endif
	if					/* signal_pending_state() */
	:: ends(pending, s) -> why = EINTR; goto leave
	:: else
	fi;
#ifdef MUT_lock_before_sleep
	/* A lock of PREEMPT_RT: it sets the state, and back again when it has been got. */
	atomic { store_state(NONE); saved_state = state; state = RUNNING }
	atomic { state = saved_state }
#endif
	atomic {				/* schedule() */
		store_state(NONE);
		if
		:: ends(pending, state) -> state = RUNNING; goto sleep
		:: else
		fi
	}
end_asleep:
	if
	:: state == RUNNING -> goto sleep
	:: atomic { state != RUNNING && deadline && o != ANSWERED ->	/* vipc_sleep_until() */
		state = RUNNING;
		why = ETIMEDOUT
	   }
	fi;

leave:	atomic { store_state(RUNNING) }		/* __set_current_state() */
	atomic { !held ->			/* vipc_leave() */
		assert(alive);
		if
		:: outcome == QUEUED -> left = true
		:: outcome == IN_SERVICE && (why != EINTR || ends(pending, service_state)) -> left = true
#ifdef MUT_answered_may_leave
		:: outcome == ANSWERED -> left = true
#endif
		:: else -> goto sleep
		fi
	}
	goto gone;

woken:	atomic { store_state(RUNNING) }		/* __set_current_state() */
done:	atomic {
		assert(finished(o));
		assert(msg)
	}
gone:	alive = false;				/* the function returns */
	atomic {				/* do_exit(), soon or never */
		exited = true;
#ifndef MUT_task_freed_at_once
		grace = held
#endif
	}
}

/* RECV, REPLY, and all others who have the lock and end what waits */
proctype finisher()
{
	byte s, back = BACK, claims = CLAIMS;

again:	atomic { !held -> held = true }		/* spin_lock() */
	if
	:: left -> goto over
	:: !left -> goto over			/* it never comes to its work */
	:: !left && outcome == IN_SERVICE && back > 0 ->	/* vipc_requeue() */
		back--;
		atomic { store_outcome(QUEUED) }
#ifdef MUT_requeue_without_barrier
		if
		:: state != RUNNING -> vipc_wake()
		:: else
		fi;
#else
#ifndef MUT_requeue_without_wake
		vipc_wake();
#endif
#endif
		spin_unlock();
		goto again
	:: !left && outcome == IN_SERVICE && claims > 0 ->	/* vipc_endpoint_claim() */
		claims--;
		atomic { store_outcome(ANSWERED) }
		spin_unlock();
		atomic { assert(alive && !left) }	/* vipc_room_fill() */
		atomic { !held -> held = true };
		if
		:: true				/* vipc_endpoint_reply() */
		:: true ->			/* vipc_endpoint_unclaim() */
			atomic { store_outcome(IN_SERVICE) }
#ifdef MUT_unclaim_without_barrier
			if
			:: state != RUNNING -> vipc_wake()
			:: else
			fi;
#else
#ifndef MUT_unclaim_without_waking
			vipc_wake();
#endif
#endif
			spin_unlock();
			goto again
		fi
	:: !left && caller && outcome == QUEUED ->	/* vipc_enter_service() */
		atomic { store_outcome(IN_SERVICE) }
		spin_unlock();
		goto again
	:: !left				/* vipc_op_finish() */
	fi;
	assert(alive);
	buffered_msg = true;			/* vipc_transfer() */
#ifdef MUT_state_before_publish
	s = state;
#endif
	atomic {				/* smp_store_release() */
		store_outcome(OK);
#ifndef MUT_plain_publish
		release = true
#endif
	}
#ifdef MUT_touch_after_return
	assert(alive);				/* op->task, read too late */
#endif
#ifndef MUT_no_barrier_b
	atomic { full_barrier() }		/* (B) */
#endif
#ifndef MUT_state_before_publish
	atomic {				/* vipc_asleep() */
		assert(task_there);
		s = state
	}
#endif
	if
	:: s != RUNNING -> vipc_wake()
	:: else
	fi;
over:	spin_unlock()
}

/* signal_wake_up(): first the flag, then the thread */
proctype signaller()
{
	if
	:: pending = ORDINARY
	:: pending = FATAL
	:: goto none
	fi;
	atomic {
		if
		:: ends(pending, state) -> state = RUNNING
		:: else
		fi
	}
none:	skip
}

/* Whoever believes that the thread waits for him. */
proctype stranger()
{
	byte n = SPUR;

	do
	:: atomic { n > 0 && state != RUNNING -> state = RUNNING; n-- }
	:: n > 0 -> n--
	:: n == 0 -> break
	od
}

/* When nobody can do anything any more: may it sleep? */
proctype judge()
{
end_judge: atomic { timeout ->
		assert(!held);
		assert(!alive || !finished(outcome));
		assert(!alive || outcome != QUEUED || state == INTERRUPTIBLE);
		assert(!alive || outcome == ANSWERED || state != UNINTERRUPTIBLE);
		assert(!alive || !ends(pending, (outcome == QUEUED -> INTERRUPTIBLE : service_state)))
	}
}

init
{
	atomic {
		if
		:: skip				/* a receiver, or a request in the queue */
		:: caller = true; outcome = IN_SERVICE
		:: caller = true; outcome = IN_SERVICE; service_state = KILLABLE
		fi;
		if
		:: skip
		:: deadline = true
		fi;
		run waiter();
		run finisher();
		run signaller();
		run stranger();
		run judge()
	}
}
