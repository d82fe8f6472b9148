/* SPDX-License-Identifier: GPL-2.0 */
/*
 * The protocol of the module: hand-off, call, reply, cancellation, take-back,
 * revocation, death. "make model" checks it with spin; models/check says which
 * configurations there are. endpoint.c: here; queue.h: queue.pml; wait.c,
 * lifetime.c: wait.pml; ipc.c, and who plays against whom: threads.pml. What
 * rests on memory barriers: awake.pml. Messages with bytes: claim.pml. Messages that
 * no thread waits with, and poll: pending.pml. These three stand alone.
 *
 * What is modelled
 *
 * NC client threads, each with a capability of its own, send or call OPS times.
 * NS server threads receive, answer, put calls off, answer again what was
 * answered, fault, exit. An owner revokes, shuts down, or closes. Inlines have
 * the name of the C function that they stand for; so does the comment at each
 * step that has no inline.
 *
 * Granularity. What happens under the endpoint's lock and is read under it only
 * is one step. Two things are read or written without the lock: an operation's
 * outcome (its thread, in vipc_op_park(), reads it) and a thread's sleep state.
 * So a critical section that finishes an operation is two steps: "lock, work,
 * publish" and "wake, unlock". Others see everything that lies between: an
 * outcome published to a thread that was not woken yet. Merging "lock, work"
 * with "publish", and "wake" with "unlock", hides nothing: whatever another
 * thread can do without the lock commutes with one of the two. vipc_op_park() is
 * one step for each access to shared memory, except that its first look and its
 * sleep state are one, because the second look notices whatever came between
 * (-DFINE takes them apart). Steps of revocation and death let
 * go of the lock after each operation: more interleavings than one batch has.
 *
 * A thread that knows its peer waits awake first (AWAKE). A look at the outcome
 * that finds nothing new changes nothing: however many of them there are, the wait
 * is one state, which ends when a look finds that the operation has finished, or
 * when the thread gives up and goes to sleep. Whether it spins or yields makes no
 * difference to others but in the number of its looks.
 *
 * A thread may give up whenever it sleeps (deadline, signal, fatal signal), up
 * to GIVE times in all, and wake up for no reason, up to SPUR times; a signal may
 * come while it waits awake, too. "calm" puts an end to all that, so that whoever
 * waits in vain then is seen: spin reports every state in which a thread is stuck
 * that does not sleep, and the process "judge" looks at those that sleep.
 *
 * What is checked, by assertions here or by spin:
 *  - no lost wake-up: nobody sleeps whose outcome was published (judge);
 *  - each message is kept by one receiver, or reported as not delivered, or
 *    counted as dropped; never two of these (keep, vipc_request, judge);
 *  - VIPC_MSG_DELIVERED says the truth (vipc_request);
 *  - a reply reaches the call that it answers (vipc_request, vipc_answer);
 *  - a call is finished once (vipc_op_finish); a token found stale belongs to no
 *    caller that still waits (reply_failed);
 *  - an operation is not touched when its thread may have left (alive[]);
 *  - never are senders queued while receivers wait (unlocked), but for the moment
 *    in which vipc_match() lets go of the lock to end what was revoked;
 *  - nothing goes to, or comes through, a capability that is revoked, nor passes
 *    through an endpoint that is dead (vipc_hand_over);
 *  - nobody waits at an endpoint that is dead or that nobody can receive from, or
 *    through a capability that is revoked; nobody is queued through one, or in
 *    service by one, when REVOKE returns (judge, vipc_endpoint_revoke);
 *  - a task is there when its state is read, or a reference to it is taken, or it
 *    is looked at as a peer (task_there); no reference is left behind (op_ends);
 *  - an UNINTERRUPTIBLE caller in service yields to a fatal signal only, and can
 *    be interrupted again when its request was taken back (vipc_request, judge);
 *  - progress: each step of a server is one that it can take alone as soon as
 *    the lock is free, and no execution is infinite (the configurations called
 *    progress search for cycles): whatever clients do, a server comes to the end
 *    of its replies, even if they never give up to wait awake (AWAKE=4);
 *  - who waits awake does not so for ever: that is no end state (but with AWAKE=4).
 *
 * What is left out: memory weaker than sequentially consistent (awake.pml has it
 * where it matters; here, to read a task's state and to wake it is one step, and
 * the mutant recheck_first is what a missing barrier amounts to); VIPC_NONBLOCK,
 * which queues nothing; what is learnt about waiting, a guess that may be wrong at
 * any time; how many receivers vipc_awake_receiver() looks at; how callers in
 * service are indexed by token; the shape of the tree of capabilities (revocation
 * here has a list of children to go through); a revocation and a shutdown at the
 * same time, by two threads.
 */

#ifndef NC
#define NC 3			/* clients */
#endif
#ifndef NS
#define NS 2			/* servers */
#endif
#ifndef OPS
#define OPS 1			/* requests of each client; NC * OPS <= 7 */
#endif
#ifndef CALLERS
#define CALLERS 255		/* bit m: request m (from 1) is a CALL */
#endif
#ifndef UNINT
#define UNINT 0			/* bit m: it is UNINTERRUPTIBLE */
#endif
#ifndef SHARED
#define SHARED 0		/* the servers are threads with one capability */
#endif
#ifndef ROOT_RECV
#define ROOT_RECV 1		/* the owner's capability can receive, too */
#endif
#ifndef DEFER
#define DEFER 0			/* servers may receive while they owe a reply */
#endif
#ifndef EXITS
#define EXITS 0			/* servers may exit between two operations */
#endif
#ifndef LINGER
#define LINGER 0		/* servers may keep a capability that is of no use */
#endif
#ifndef AWAKE
#define AWAKE 0			/* see LOOKS; 0: always asleep */
#endif
#ifndef GIVE
#define GIVE 0			/* waits given up, of all threads */
#endif
#ifndef SPUR
#define SPUR 0			/* wake-ups without reason */
#endif
#ifndef FAULTS
#define FAULTS 0		/* receives whose copy to user memory faults */
#endif
#ifndef OOMS
#define OOMS 0			/* allocations that fail */
#endif
#ifndef STALE
#define STALE 0			/* replies with a token that was used already */
#endif
#ifndef REVOKES
#define REVOKES 0		/* bit c: the owner revokes capability c */
#endif
#ifndef SHUTDOWN
#define SHUTDOWN 0		/* then it shuts the endpoint down */
#endif
#ifndef CLOSE
#define CLOSE 0			/* then it closes its capability */
#endif

#define NT	(NC + NS)	/* threads; the operation of thread t is op t */
#define ORPHANS	(FAULTS < NC * OPS -> FAULTS : NC * OPS)
#define NO	(NT + 3)	/* and those without a thread */
#define NONE	15

/* Capabilities: of client c: c; of the servers; and the owner's. */
#define CAP(t)	(t - SHARED * (t >= NC) * (t - NC))
#define ROOT	NT
#define NCAPS	(NT + 1)

#define RECEIVERS	((ROOT_RECV << ROOT) | (1 << NC) | (SHARED -> 0 : (1 << (NT - 1))))

/* Outcomes */
#define OK		0
#define QUEUED		1
#define IN_SERVICE	2
#define EPIPE		3
#define EKEYREVOKED	4
#define ECONNRESET	5
#define ESRCH		6
#define ETIMEDOUT	7
#define EINTR		8
#define AGAIN		9
#define finished(o)	(o != QUEUED && o != IN_SERVICE)

/* Sleep states, and what signals are pending */
#define RUNNING		0
#define INTERRUPTIBLE	1
#define KILLABLE	2
#define ORDINARY	1
#define FATAL		2

/* How often a thread that waits awake looks at the outcome before it may stop. */
#if AWAKE == 1			/* as pays: perhaps not at all */
#define LOOKS	0
#elif AWAKE == 3		/* always yield: so often */
#define LOOKS	2
#else				/* 2: always spin; 4: without an end */
#define LOOKS	1
#endif

#define is_call(m)	((CALLERS >> (m)) & 1)
#define is_unint(m)	((UNINT >> (m)) & 1)
#define bit(m)	(1 << (m))
#define is(set, m)	((set >> (m)) & 1)
#define REPLY_TO	16	/* the reply to request m is REPLY_TO + m */

/* struct vipc_endpoint */
bool held;			/* its lock */
bool dead;
byte queue[NC + 3] = NONE;	/* senders, first come first served */
byte nr_senders;
byte stack[NS] = NONE;		/* receivers, the last to come on top */
byte nr_receivers;
byte receiver_caps;		/* bit c */
byte next_token = 1;

/* struct vipc_cap */
byte revoked;			/* bit c */
byte closed;			/* bit c */
byte files = NS;		/* that are open for the servers' capability */

/* struct vipc_op; a caller's msg becomes the reply, a receiver's the request */
byte alive;			/* bit: its memory is still the operation's */
byte outcome[NO];
byte msg[NO];
byte token[NO];
byte orphan[NT] = NONE;
byte server_of[NT] = NONE;		/* of a caller in service */
byte delivered;			/* bit */

/* struct task_struct */
byte state[NT];
#if AWAKE
byte exited;			/* bit t */
byte grace;			/* bit t: while the lock was held, hence RCU keeps it */
byte referenced;		/* bit t: op t has a reference to its peer */
byte peer[NT] = NONE;		/* of struct vipc_op */
#define task_there(t) (!is(exited, t) || is(grace, t))
#define has_peer(t) (peer[t] != NONE)
#else
#define task_there(t) true
#define has_peer(t) false
#endif

/* Disturbances that are left */
byte give = GIVE, spur = SPUR, faults = FAULTS, ooms = OOMS, stale = STALE;

/* What happened to the requests, for the properties: bit m */
byte kept;			/* a receiver has it in user memory */
byte sent;			/* SEND said 0 */
byte undelivered;		/* SEND or CALL said that nobody has it */
byte dropped;			/* lost, and counted */
byte owed;			/* a server means to answer it */

/*
 * Threads that do the same are interchangeable: it is enough to look at
 * executions in which they begin in the order of their numbers.
 */
byte begun;			/* bit t */
#define alike(t) (t != 0 && t != NC && (t < NC -> \
	is_call(t * OPS + 1) == is_call((t - 1) * OPS + 1) && \
	is_call(t * OPS + OPS) == is_call((t - 1) * OPS + OPS) && \
	is_unint(t * OPS + 1) == is_unint((t - 1) * OPS + 1) && \
	is_unint(t * OPS + OPS) == is_unint((t - 1) * OPS + OPS) && \
	((REVOKES >> t) & 1) == ((REVOKES >> (t - 1)) & 1) : \
	SHARED || !(REVOKES || SHUTDOWN)))
#define may_begin(t) (!alike(t) || (begun & bit(t - 1)))

/*
 * Scratch, no part of the state. Only inside d_step: there spin saves the whole
 * state to go back; elsewhere it goes back through array indices, which would be
 * wrong by then.
 */
hidden byte x, y, z, op;

/* ---- wait.h ---- */

inline vipc_wake(task)
{
	assert(task_there(task));
#ifdef MUT_wake_interruptible_only
	state[task] = (state[task] == KILLABLE -> KILLABLE : RUNNING);
#else
	state[task] = RUNNING;
#endif
}

/* vipc_op_finish() up to the publication; needs "held = 1" and unlock_wake(). */
inline vipc_op_finish(who, what)
{
	assert(is(alive, who));
	assert(!finished(outcome[who]));
#ifdef MUT_wake_first
	state[who] = RUNNING;
	later = what;
#else
	outcome[who] = what;
#endif
	held = true;
}

/* The lock is an RCU read-side critical section. */
inline spin_unlock()
{
	held = false
#if AWAKE
	; grace = 0
#endif
}

inline unlocked()
{
	assert(nr_senders == 0 || nr_receivers == 0 || dead);
	spin_unlock()
}

inline do_exit()
{
#if AWAKE
	exited = exited | bit(me);
#ifndef MUT_no_rcu
	grace = grace | (held -> bit(me) : 0)
#endif
#else
	skip
#endif
}

/* who: a thread; op->peer of the current one */
inline vipc_op_expect(who)
{
#if AWAKE
	assert(task_there(who));	/* get_task_struct() */
	peer[me] = who;
#ifndef MUT_no_reference
	referenced = referenced | bit(me)
#endif
#else
	skip
#endif
}

/* The rest of vipc_op_finish(), and spin_unlock(). */
inline wake_unlock()
{
#ifdef MUT_wake_first
	if
	:: wk < NONE && !finished(outcome[wk]) && later != QUEUED -> outcome[wk] = later
	:: else
	fi;
#else
#ifdef MUT_touch_after_publish
	assert(is(alive, wk));	/* op->task, read too late */
#endif
#ifndef MUT_no_wake
	vipc_wake(wk);
#endif
#endif
	wk = NONE;
	unlocked()
}

#include "queue.pml"

/* ---- endpoint.c ---- */

/* wk: whom to wake; then the lock is let go of, and all is looked at again. */
inline vipc_evict(who)
{
	wk = who;
	vipc_unqueue(wk);
	vipc_op_finish(wk, EKEYREVOKED);
	r = AGAIN
}

/* wk: the receiver that got it; r: OK, QUEUED, AGAIN, or the error */
inline vipc_endpoint_send()
{
	if
#ifndef MUT_check_before_lock
	:: is(revoked, CAP(me)) -> r = EKEYREVOKED
	:: !is(revoked, CAP(me)) && dead -> r = EPIPE
#endif
	:: else ->
		if
		:: nr_receivers == 0 ->
			vipc_queue_sender(me);
			r = QUEUED
		:: nr_receivers > 0 ->
			vipc_warmest_receiver(wk);
			if
			:: vipc_op_revoked(wk) -> vipc_evict(wk)
			:: else ->
#ifdef MUT_warmest_pops_first
				vipc_pop_receiver(stack[nr_receivers - 1]);
#else
#ifndef MUT_receiver_stays
				vipc_pop_receiver(wk);
#endif
#endif
				vipc_hand_over(me, wk);
				if
				:: is_call(msg[me]) -> vipc_op_expect(wk)
				:: else
				fi;
				vipc_op_finish(wk, OK);
				r = OK
			fi
		fi
	fi
}

/* Both are off their queues. wk: the sender that got rid of it */
inline vipc_deliver(from, to)
{
	vipc_hand_over(from, to);
	if
	:: from >= NT ->
#ifdef MUT_orphan_leaks
		skip
#else
		orphan[to] = from
#endif
	:: from < NC && !is_call(msg[from]) ->
		vipc_op_finish(from, OK);
		wk = from
	:: else
	fi
}

/*
 * From whom: a client that was just answered, or NONE. wk: the sender that got rid
 * of it; r: OK, QUEUED, AGAIN, or the error
 */
inline vipc_accept(from_whom)
{
	if
	:: is(revoked, CAP(me)) -> r = EKEYREVOKED
	:: !is(revoked, CAP(me)) && dead -> r = EPIPE
	:: !is(revoked, CAP(me)) && !dead ->
		if
		:: nr_senders == 0 ->
			vipc_push_receiver(me);
			if
			:: from_whom != NONE -> vipc_op_expect(from_whom)
			:: else
			fi;
			r = QUEUED
		:: nr_senders > 0 && vipc_op_revoked(queue[0]) ->
			vipc_evict(queue[0])
		:: else ->
			op = queue[0];
			vipc_dequeue_sender(op);
			vipc_deliver(op, me);
			outcome[me] = OK;
			r = OK
		fi
	fi
}

/* wk: the caller that was answered; r: OK or ESRCH */
inline vipc_answer(tok, request)
{
	vipc_find_caller(CAP(me), tok, op);
	if
	:: op == NONE -> r = ESRCH
	:: else ->
		assert(msg[op] == request);
		msg[op] = REPLY_TO + request;
		vipc_leave_service(op);
		vipc_op_finish(op, OK);
		wk = op;
		r = OK
	fi;
	owed = owed & ~bit(request)
}

/* The token named nobody: so nobody may be waiting for this reply. */
inline reply_failed(request)
{
	x = (request - 1) / OPS;
	assert(r != ESRCH || !is(alive, x) || msg[x] != request ||
	       (outcome[x] == IN_SERVICE -> server_of[x] == NONE : finished(outcome[x])))
}

/* vipc_finish_queued(): off its queue. wk: whom to wake, NONE for an orphan */
inline vipc_finish_queued(who, what)
{
	if
	:: who >= NT ->
		dropped = dropped | bit(msg[who]);
		alive = alive & ~bit(who);
		msg[who] = 0;
		outcome[who] = OK
	:: else ->
		vipc_op_finish(who, what);
		wk = who
	fi
}

/* Puts a request that is in no place back to the head. wk: whom to wake */
inline vipc_requeue(who)
{
	if
	:: vipc_op_revoked(who) ->
		vipc_op_finish(who, EKEYREVOKED);
		wk = who
	:: !vipc_op_revoked(who) && dead -> vipc_finish_queued(who, EPIPE)
	:: else ->
		outcome[who] = QUEUED;
#ifdef MUT_take_back_to_tail
		vipc_queue_sender(who);
#else
		x = nr_senders;
		do
		:: x > 0 -> queue[x] = queue[x - 1]; x--
		:: else -> break
		od;
		queue[0] = who;
		nr_senders++;
#endif
		assert(queue[0] == who);
		held = true;
		if
#ifndef MUT_take_back_without_wake
		:: who < NC -> wk = who	/* signals may end its wait again */
#endif
		:: else
		fi
	fi
}

/*
 * One round of it, with the lock held. r: OK: nobody is left to be matched; AGAIN:
 * wk was ended instead; QUEUED: wk was delivered to, and wk2 got rid of it.
 */
inline vipc_match()
{
	if
	:: nr_senders == 0 || nr_receivers == 0 -> r = OK
	:: else ->
		z = queue[0];
		y = stack[nr_receivers - 1];
		if
		:: vipc_op_revoked(y) -> vipc_evict(y)
		:: !vipc_op_revoked(y) && vipc_op_revoked(z) -> vipc_evict(z)
		:: else ->
			vipc_dequeue_sender(z);
			vipc_pop_receiver(y);
			vipc_deliver(z, y);
			wk2 = wk;
			vipc_op_finish(y, OK);
			wk = y;
			r = QUEUED
		fi
	fi
}

/* z: the new orphan, or NONE */
inline vipc_new_orphan()
{
	z = NT;
	do
	:: z < NO && is(alive, z) -> z++
	:: else -> break
	od;
	assert(z < NO);
	alive = alive | bit(z);
	outcome[z] = QUEUED;
	msg[z] = msg[me]
}

/* z: the orphan to give back, or NONE */
inline vipc_endpoint_take_back()
{
	if
	:: token[me] ->
		vipc_find_caller(CAP(me), token[me], z);
		if
		:: z != NONE ->
			vipc_leave_service(z);
#ifndef MUT_take_back_stays_delivered
			delivered = delivered & ~bit(z)
#endif
		:: else
		fi
	:: else
	fi;
	if
	:: z != NONE -> vipc_requeue(z)
	:: else
	fi
}

#include "wait.pml"
#include "threads.pml"
