/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Requests and replies with bytes: the server claims a caller, copies the reply
 * into the memory that the caller has pinned for it, and answers or gives the
 * caller back; a SEND waits until its receiver has unpacked its bytes. service.c,
 * xipc.c, and what endpoint.c does for them. Who plays against whom:
 * claim-threads.pml. Everything has bytes here; what has none is in vipc.pml.
 *
 * Granularity. Each critical section is one step (vipc.pml and awake.pml take apart
 * how an outcome is published, and how a thread is woken). Where the C code lets go
 * of the lock, there are several steps; revocation and death do so after each. What
 * is done without the lock is one step for each half of a reply, and one to unpack.
 * A thread looks at its outcome and goes to sleep in one step; it is woken by what
 * changes the outcome, or by a signal, or by its deadline.
 *
 * What is checked, by assertions here or by spin:
 *  - nobody copies into memory of a caller that has left (fill);
 *  - a reply is whole: of one server, even if several answer the same call (over);
 *  - a call is answered once, and a SEND said to be sent only if its receiver has
 *    kept it (over, vipc_op_finish); what a receiver has kept is never said to be
 *    undelivered, nor the other way round (over, keep);
 *  - a claim has an end, whatever happens meanwhile: then the caller leaves as
 *    others do; who was given back is in service, and its token is valid (judge,
 *    reply_failed), but at an endpoint that is dead or through a capability that is
 *    revoked (judge);
 *  - a signal or a deadline that came while the caller could not leave ends its
 *    wait afterwards (judge); nobody sleeps for good so that nothing can end it;
 *  - a request is whole: all of it was copied before its client left, and could
 *    write to that memory again (keep);
 *  - the bytes of a request have one owner at a time, who frees them (unpack, over,
 *    judge);
 *  - a request that may not be queued is not, but while somebody is at work on that
 *    (unlocked); nor are senders queued while receivers wait;
 *  - nothing goes through a capability that is revoked, or an endpoint that is dead
 *    (vipc_hand_over); nobody is left there (judge);
 *  - progress: no execution is infinite, whatever clients do.
 *
 * What is left out: descriptors, which go the way of the bytes; replies that are
 * refused for their length, which change nothing; receivers that give up (vipc.pml).
 */

#ifndef NC
#define NC 2			/* clients with one request each, at most 3 */
#endif
#ifndef NS
#define NS 2			/* servers */
#endif
#ifndef SENDS
#define SENDS 0			/* bit c: the request of client c is a SEND, not a CALL */
#endif
#ifndef NONBLOCKS
#define NONBLOCKS 0		/* bit c: it has VIPC_NONBLOCK */
#endif
#ifndef UNINT
#define UNINT 0			/* bit c: it has VIPC_UNINTERRUPTIBLE */
#endif
#ifndef SHARED
#define SHARED 0		/* the servers are threads with one capability */
#endif
#ifndef DOUBLE
#define DOUBLE 0		/* and several of them may answer the same call */
#endif
#ifndef EXITS
#define EXITS 0			/* servers may exit between two operations */
#endif
#ifndef IGNORES
#define IGNORES 0		/* they may hang after a reply that has failed */
#endif
#ifndef GIVE
#define GIVE 0			/* deadlines and signals, of all clients */
#endif
#ifndef FAULTS
#define FAULTS 0		/* receives whose copy to user memory faults */
#endif
#ifndef PINNED
#define PINNED 0		/* bit c: its request is copied out of its own memory */
#endif
#ifndef REJECTS
#define REJECTS 0		/* receives of what the receiver may not have */
#endif
#ifndef SMALLS
#define SMALLS 0		/* receives with too little room */
#endif
#ifndef HOLES
#define HOLES 0			/* halves of replies that are not present */
#endif
#ifndef REVOKES
#define REVOKES 0		/* bit c: the owner revokes capability c */
#endif
#ifndef SHUTDOWN
#define SHUTDOWN 0		/* then it shuts the endpoint down */
#endif

#include "list.pml"

#define NT	(NC + NS)	/* threads */
#define CAP(t)	(SHARED && (t) >= NC -> NC : (t))
#define ROOT	NT		/* the owner's capability, which can receive, too */

/* Outcomes, and what a step says */
#define OK		0
#define QUEUED		1
#define IN_SERVICE	2
#define ANSWERED	3
#define EPIPE		4
#define EKEYREVOKED	5
#define ECONNRESET	6
#define ESRCH		7
#define ETIMEDOUT	8
#define EINTR		9
#define EAGAIN		10
#define EMSGSIZE	11
#define EACCES		12
#define AGAIN		13	/* the lock was let go of, or the wait goes on */
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

#define is_call(c)	(!is(SENDS, c))
#define may_not_queue(op) is(NONBLOCKS, op)

/* struct vipc_endpoint, struct vipc_cap */
bool dead;
byte queue[NC + 1] = NONE;
byte nr_queue;
byte stack[NS + 1] = NONE;
byte nr_stack;
byte receiver_caps;		/* bit c */
byte revoked;			/* bit c */
byte files = NS;		/* that are open for the servers' shared capability */

/* struct vipc_op, struct vipc_xop */
byte alive;			/* bit: its memory, and its room, are still the operation's */
byte outcome[NT];
byte server_of[NC] = NONE;	/* in service: by this capability */
byte delivered;			/* bit */
byte cargo[NC] = NONE;		/* whose the bytes of this request are */
byte half[2 * NC] = NONE;	/* of a room: who has filled it */
byte filler[NC] = NONE;		/* who has filled the room last */
byte got[NT] = NONE;		/* of a receiver: the request */
byte small;			/* bit: it has no room */

/* struct task_struct */
byte state[NC];
byte sig[NC];
byte late;			/* bit: the deadline has passed */

/* Somebody has let go of the lock amid vipc_match(). */
byte at_work;

/* Disturbances that are left */
byte give = GIVE, faults = FAULTS, rejects = REJECTS, smalls = SMALLS, holes = HOLES;

/* What happened to the requests, for the properties: bit c */
byte kept;			/* a receiver has it in user memory */
byte torn;			/* it was copied when its client had left */
byte undelivered;		/* the client was told that nobody has it */
byte whole;			/* its reply fills the room */
byte answered_by[NC] = NONE;
byte ignored;			/* its server hangs */
byte known[3] = NONE;		/* through which capability its token can be used */

/* As in vipc.pml: threads that do the same begin in the order of their numbers. */
byte begun;			/* bit t */
#define same(set, t)	(is(set, t) == is(set, t - 1))
#define alike(t) (t != 0 && t != NC && (t < NC -> \
	same(SENDS, t) && same(NONBLOCKS, t) && same(UNINT, t) && same(REVOKES, t) : \
	SHARED || (same(REVOKES, t))))
#define may_begin(t)	(!alike(t) || is(begun, t - 1))

/* Scratch, no part of the state; only inside d_step, see vipc.pml. */
hidden byte x, y, op;

#define vipc_op_revoked(who)	is(revoked, CAP(who))

/* spin_unlock(): what holds whenever nobody has the lock */
inline unlocked()
{
	assert(dead || at_work || nr_stack == 0 || nr_queue == 0);
	x = 0;
	do
	:: x < nr_queue -> assert(dead || at_work || !may_not_queue(queue[x])); x++
	:: else -> break
	od
}

/* ---- wait.h ---- */

inline vipc_wake(who)
{
	if
	:: who < NC -> state[who] = RUNNING
	:: else
	fi
}

inline vipc_op_finish(who, what)
{
	assert(is(alive, who));
	assert(!finished(outcome[who]));
	outcome[who] = what;
	vipc_wake(who)
}

/* ---- queue.h ---- */

inline vipc_unqueue(who)
{
	if
	:: who >= NC -> remove(stack, nr_stack, who)
	:: else -> remove(queue, nr_queue, who)
	fi
}

inline vipc_leave_service(who)
{
	assert(is(alive, who) && server_of[who] != NONE);
	server_of[who] = NONE
}

/* With vipc_hand_over_cargo(): a CALL or a SEND, both are in service from now on. */
inline vipc_hand_over(from, to)
{
	assert(is(alive, from) && is(alive, to) && cargo[from] == from);
	assert(!dead && !vipc_op_revoked(to) && !vipc_op_revoked(from));
	server_of[from] = CAP(to);
	delivered = delivered | bit(from);
	outcome[from] = IN_SERVICE;
	cargo[from] = to;
	got[to] = from;
#ifdef MUT_send_ends_early
	if
	:: is_call(from)
	:: else ->
		vipc_leave_service(from);
		vipc_op_finish(from, OK)
	fi
#endif
}

/* ---- service.c ---- */

/* r: OK, EKEYREVOKED or ESRCH; part: how much of the room is filled */
inline vipc_endpoint_claim()
{
	if
	:: is(revoked, CAP(me)) -> r = EKEYREVOKED	/* vipc_may_answer() */
	:: !is(revoked, CAP(me)) && server_of[c] != CAP(me) -> r = ESRCH
	:: else ->
#ifndef MUT_claim_stays_in_service
		vipc_leave_service(c);
#endif
		outcome[c] = ANSWERED;
#ifndef MUT_fill_goes_on_blindly
		part = (filler[c] == me -> part : 0);
#endif
		filler[c] = me;
		r = OK
	fi
}

inline vipc_endpoint_unclaim()
{
	if
#ifdef MUT_unclaim_forgets_revoked
	:: dead ->
#else
#ifdef MUT_unclaim_forgets_death
	:: is(revoked, CAP(me)) ->
#else
	:: is(revoked, CAP(me)) || dead ->
#endif
#endif
		vipc_op_finish(c, ECONNRESET)
	:: else ->
#ifndef MUT_claim_stays_in_service
		assert(server_of[c] == NONE);
#endif
#ifndef MUT_unclaim_leaves_no_token
		server_of[c] = CAP(me);
#endif
		outcome[c] = IN_SERVICE;
#ifndef MUT_unclaim_without_wake
		vipc_wake(c)
#endif
	fi
}

/* vipc_answer_cargo(), of a caller that is claimed: nothing can fail */
inline vipc_answer_cargo()
{
#ifdef MUT_answer_looks_again
	if
	:: is(revoked, CAP(me)) || dead -> r = EKEYREVOKED
	:: else ->
#endif
	assert(outcome[c] == ANSWERED);
	answered_by[c] = me;
	whole = whole | bit(c);
	vipc_op_finish(c, OK)
#ifdef MUT_answer_looks_again
	fi
#endif
}

/* vipc_answer(), without bytes; r: OK, EKEYREVOKED or ESRCH */
inline vipc_answer()
{
	if
	:: is(revoked, CAP(me)) -> r = EKEYREVOKED
	:: !is(revoked, CAP(me)) && server_of[c] != CAP(me) -> r = ESRCH
	:: else ->
		vipc_leave_service(c);
		answered_by[c] = me;
		vipc_op_finish(c, OK);
		r = OK
	fi
}

/* op: whose request the receiver has, or NONE: it has left, or was ended */
inline vipc_find_taken()
{
#ifdef MUT_taken_blindly
	op = got[me]
#else
	op = (server_of[got[me]] == CAP(me) -> got[me] : NONE)
#endif
}

/* r: OK, or AGAIN: its client has left, or was told that the server went away. */
inline vipc_endpoint_whole()
{
	vipc_find_taken();
#ifdef MUT_torn_is_kept
	op = got[me];
#endif
	r = (is(PINNED, got[me]) && op == NONE -> AGAIN : OK)
}

inline vipc_endpoint_taken()
{
	vipc_find_taken();
	if
	:: op != NONE -> vipc_leave_service(op); vipc_op_finish(op, OK)
	:: else
	fi
}

inline vipc_endpoint_reject()
{
	vipc_find_taken();
	if
	:: op != NONE ->
#ifndef MUT_reject_stays_delivered
		delivered = delivered & ~bit(op);
#endif
		vipc_leave_service(op);
		vipc_op_finish(op, EACCES)
	:: else
	fi
}

/* ---- endpoint.c ---- */

inline vipc_evict(who)
{
	vipc_unqueue(who);
	vipc_op_finish(who, EKEYREVOKED);
	r = AGAIN
}

#define fits(to)	(!is(small, to))

/* r: QUEUED: it waits; AGAIN, or the error */
inline vipc_endpoint_send()
{
	op = (nr_stack > 0 -> stack[nr_stack - 1] : NONE);
	if
	:: is(revoked, me) -> r = EKEYREVOKED
	:: !is(revoked, me) && dead -> r = EPIPE
	:: else ->
		if
		:: op == NONE && may_not_queue(me) -> r = EAGAIN
		:: op == NONE && !may_not_queue(me) ->
			add_tail(queue, nr_queue, me);
			r = QUEUED
		:: op != NONE && vipc_op_revoked(op) -> vipc_evict(op)
		:: op != NONE && !vipc_op_revoked(op) && !fits(op) ->	/* vipc_refuse() */
			vipc_unqueue(op);
			vipc_op_finish(op, EMSGSIZE);
			r = AGAIN
		:: else ->
			vipc_unqueue(op);
			vipc_hand_over(me, op);
			vipc_op_finish(op, OK);
			r = QUEUED
		fi
	fi
}

/* r: OK, QUEUED, AGAIN, or the error */
inline vipc_accept()
{
	op = (nr_queue > 0 -> queue[0] : NONE);
	if
	:: is(revoked, CAP(me)) -> r = EKEYREVOKED
	:: !is(revoked, CAP(me)) && dead -> r = EPIPE
	:: else ->
		if
		:: op == NONE -> add_tail(stack, nr_stack, me); r = QUEUED
		:: op != NONE && vipc_op_revoked(op) -> vipc_evict(op)
		:: op != NONE && !vipc_op_revoked(op) && !fits(me) -> r = EMSGSIZE
		:: else ->
			vipc_unqueue(op);
			vipc_hand_over(op, me);
			r = OK
		fi
	fi
}

/* vipc_match(): r: OK, or AGAIN: the lock was let go of. */
inline vipc_match()
{
	r = OK;
	do
	:: !dead && r == OK && nr_stack > 0 && nr_queue > 0 ->
		op = stack[nr_stack - 1];
		y = queue[0];
		if
		:: vipc_op_revoked(op) -> vipc_evict(op)
		:: !vipc_op_revoked(op) && vipc_op_revoked(y) -> vipc_evict(y)
		:: else ->				/* vipc_serve() */
			vipc_unqueue(op);
			if
			:: fits(op) ->
				vipc_unqueue(y);
				vipc_hand_over(y, op);
				vipc_op_finish(op, OK)
			:: else -> vipc_op_finish(op, EMSGSIZE)
			fi
		fi
	:: !dead && r == OK && nr_stack == 0 && nr_queue > 0 ->
		op = NONE;			/* one that may not be queued */
		y = nr_queue;
		do
		:: y > 0 -> y--; op = (may_not_queue(queue[y]) -> queue[y] : op)
		:: else -> break
		od;
#ifdef MUT_match_looks_at_first
		op = (may_not_queue(queue[0]) -> queue[0] : NONE);
#endif
		if
		:: op != NONE -> vipc_unqueue(op); vipc_op_finish(op, EAGAIN)
		:: else -> break
		fi
	:: else -> break
	od
}

/* Back to the head; vipc_match() has to follow. */
inline vipc_requeue(who)
{
	if
	:: vipc_op_revoked(who) -> vipc_op_finish(who, EKEYREVOKED)
	:: !vipc_op_revoked(who) && dead -> vipc_op_finish(who, EPIPE)
	:: else ->
		outcome[who] = QUEUED;
		add_head(queue, nr_queue, who);
#ifndef MUT_take_back_without_waking
		vipc_wake(who)
#endif
	fi
}

inline vipc_endpoint_take_back()
{
	vipc_find_taken();
	if
	:: op != NONE ->
		y = op;
		vipc_leave_service(y);
		delivered = delivered & ~bit(y);
#ifndef MUT_take_back_keeps_cargo
		cargo[y] = y;
#endif
		vipc_requeue(y)
	:: else
	fi
}

/* ---- lifetime.c ---- */

inline vipc_stop_receiving(cap)
{
	receiver_caps = receiver_caps & ~bit(cap);
	dead = dead || receiver_caps == 0
}

/* op: who was ended, of those that are served through cap, or NONE */
inline vipc_close_step(cap)
{
	op = NONE;
	y = NC;
	do
	:: y > 0 -> y--; op = (server_of[y] == cap -> y : op)
	:: else -> break
	od;
	if
	:: op != NONE -> vipc_leave_service(op); vipc_op_finish(op, ECONNRESET)
	:: else
	fi
}

/* op: who was ended, or NONE */
inline vipc_drain_step()
{
	op = (nr_queue > 0 -> queue[0] : (nr_stack > 0 -> stack[0] : NONE));
	if
	:: !dead -> op = NONE
	:: dead && op != NONE ->
		vipc_unqueue(op);
		y = (vipc_op_revoked(op) -> EKEYREVOKED : EPIPE);
		vipc_op_finish(op, y)
	:: else ->
		x = NT;
		do
		:: x > NC && op == NONE -> x--; vipc_close_step(x)
		:: else -> break
		od
	fi
}

/* op: what is queued through the capability, or NONE */
inline vipc_first_queued(cap)
{
	op = NONE;
	x = 0;
	do
	:: x < nr_queue -> op = (CAP(queue[x]) == cap -> queue[x] : op); x++
	:: else -> break
	od;
	x = 0;
	do
	:: x < nr_stack -> op = (CAP(stack[x]) == cap -> stack[x] : op); x++
	:: else -> break
	od
}

#include "claim-threads.pml"
