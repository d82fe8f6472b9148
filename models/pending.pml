/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Messages that no thread waits with: bits of NOTIFY, notices of closed badges,
 * the ring of a buffered endpoint; how they are ordered with the requests that
 * wait; and poll. pending.c, poll.c, and what endpoint.c does with them. Who
 * plays against whom: pending-threads.pml. How a thread waits and is woken,
 * tokens, and replies are in vipc.pml and awake.pml.
 *
 * What is modelled
 *
 * NC clients send one message each, by SEND or CALL, number 1 and up; a CALL is
 * answered as soon as its request is kept. NS servers receive, wait in RECV or in
 * poll, fault. NOTIFIES threads send a bit each. WATCHERS threads derive watched
 * capabilities and close or revoke them. An owner revokes, then shuts down.
 *
 * Granularity. Each critical section is one step: all of this is under the
 * endpoint's lock, and a thread that has been told and one that is about to be are
 * the same. Where the C code lets go of the lock, there are several steps; a
 * revocation and a death do so after each. With -DBREATHE, vipc_match() does, too.
 * poll is one step for entering the queue and one for looking; so is the worker
 * for beginning and for waking.
 *
 * What is checked, by assertions here or by spin:
 *  - each message is kept by one receiver, or reported as not delivered, or counted
 *    as dropped; never two of these (keep, over, judge);
 *  - receivers get them in the order in which they were queued, ring and waiting
 *    requests mixed, but what was taken back first (in_turn, vipc_endpoint_send);
 *  - no SEND waits for a slot while one is free; no receiver waits while anything
 *    is queued or pending, but while somebody is at work on that (unlocked);
 *  - a notification has all bits that were sent and that nobody has (vipc_tell_bits);
 *    none is lost (judge);
 *  - while requests wait, at most one notification is received until one of them is
 *    (vipc_tell_bits);
 *  - a notice tells of a badge that nobody watches (vipc_tell_notice), once for each
 *    end (keep), in their order; the last end of each is told of (judge);
 *  - nothing comes from a revoked capability, and nothing through an endpoint that
 *    is dead (vipc_hand_over, vipc_fill_slot); nobody is left there (judge);
 *  - who sleeps in poll would block: in RECV, or in SEND (judge).
 *
 * What is left out: VIPC_NONBLOCK for requests that are taken back (claim.pml);
 * a notice that is told while its badge is being derived by somebody who has not
 * come to the lock yet, which is no order that anybody could rely on.
 */

#ifndef NC
#define NC 2			/* clients */
#endif
#ifndef NS
#define NS 2			/* servers, each with a capability */
#endif
#ifndef CALLS
#define CALLS 0			/* bit c: the request of client c is a CALL */
#endif
#ifndef DEPTH
#define DEPTH 0			/* slots */
#endif
#ifndef NOTIFIES
#define NOTIFIES 0		/* threads with a bit each */
#endif
#ifndef WATCHERS
#define WATCHERS 0		/* threads that watch a badge and close */
#endif
#ifndef BADGES
#define BADGES 1		/* theirs, in turn */
#endif
#ifndef ROUNDS
#define ROUNDS 1		/* so often */
#endif
#ifndef READERS
#define READERS 0		/* bit i: server i waits in poll, not in RECV */
#endif
#ifndef WRITERS
#define WRITERS 0		/* bit c: client c waits in poll, not in SEND */
#endif
#ifndef EDGE
#define EDGE 0			/* they wait for edges, as with EPOLLET */
#endif
#ifndef GIVE
#define GIVE 0			/* waits given up, of all clients */
#endif
#ifndef FAULTS
#define FAULTS 0		/* receives whose copy to user memory faults */
#endif
#ifndef OOMS
#define OOMS 0			/* allocations that fail */
#endif
#ifndef REVOKES
#define REVOKES 0		/* bit c: the owner revokes capability c */
#endif
#ifndef SHUTDOWN
#define SHUTDOWN 0		/* then it shuts the endpoint down */
#endif
#ifndef BREATHE
#define BREATHE 0
#endif

#include "list.pml"

#define NT	(NC + NS)	/* threads with an operation; capability t is theirs */
#define NO	(NT + FAULTS)	/* and messages whose sender has returned */

/* Outcomes, and what a step says */
#define OK		0
#define QUEUED		1
#define IN_SERVICE	2
#define EPIPE		3
#define EKEYREVOKED	4
#define EAGAIN		5
#define EINTR		6
#define ECONNRESET	7	/* or left, but delivered */
#define AGAIN		8	/* the lock was let go of */
#define finished(o)	(o != QUEUED && o != IN_SERVICE)

/* What a receiver has got: a request, from 1 on, or */
#define NOTIFICATION	14
#define NOTICE		15

#define is_call(c)	(((CALLS) >> (c)) & 1)
#define is_sender(op)	(op < NC && !is_call(op))
#define is_orphan(op)	(op >= NT)

/* struct vipc_endpoint */
bool dead;
bool has_pending;		/* VIPC_HAS_PENDING */
bool is_polled;			/* VIPC_IS_POLLED */
byte queue[NC + FAULTS + 1] = NONE;	/* senders */
byte nr_queue;
byte stack[NS] = NONE;		/* receivers, the last to come on top */
byte nr_stack;
byte revoked;			/* bit c */

/* struct vipc_pending */
byte bits;
bool heard;
byte notices[BADGES + 1] = NONE;	/* badges */
byte nr_notices;
byte in_tree;			/* bit b: there is a watch in vipc_pending.watches */
byte caps[BADGES];		/* of that watch */
byte nth[BADGES];		/* of its notice: of which end it tells */
byte ring[DEPTH + 1];		/* messages */
byte ring_seq[DEPTH + 1];
byte count;
byte blocked[NC + 1] = NONE;
byte nr_blocked;
byte last_seq;

/* struct vipc_op; of a client, of a receiver, of an orphan */
byte outcome[NT];
byte seq[NO];
byte server_of[NC] = NONE;
byte got[NO];			/* the message */
byte word[NT];			/* and what the kernel says in it: bits, or a badge */
byte end_of[NT];		/* and of which end */
byte orphan[NT] = NONE;
byte orphans;			/* bit */

/* struct vipc_pollers: threads in the queues, told, and the work item */
byte readers;
byte writers;
byte told;
bool work;

/* Somebody has let go of the lock amid vipc_match(), or amid a revocation. */
byte at_work;

/* Disturbances that are left */
byte give = GIVE, faults = FAULTS, ooms = OOMS;

/* What happened, for the properties. Of requests, bit m: */
byte kept, sent, undelivered, dropped, taken_back;
byte line[NC + 1];		/* in the order in which they are to be received */
byte nr_line;
byte notified;			/* bits */
byte given;			/* those that a receiver has */
byte overtaken;			/* notifications while requests wait */
byte nr_ends;			/* of watched badges */
byte ends[BADGES];		/* the last of each */
byte notices_kept[BADGES];	/* bit: the end of which it tells */

/* Scratch, no part of the state; only inside d_step, see vipc.pml. */
hidden byte x, y, z, op, w;

#ifdef MUT_evict_nobody
#define vipc_op_revoked(who)	(false)
#else
#define vipc_op_revoked(who)	(who < NT && is(revoked, who))
#endif

/* spin_unlock(): what holds whenever nobody has the lock */
inline unlocked()
{
	assert(has_pending == (bits || count || nr_notices));
	assert(nr_notices == 0 || caps[notices[0]] == 0);
	assert(dead || nr_blocked == 0 || count == DEPTH);
	assert(dead || at_work || nr_stack == 0 || (nr_queue == 0 && !has_pending))
}

/* ---- poll.c ---- */

inline vipc_poll_readable()
{
	told = told | (is_polled -> readers : 0)
}

inline vipc_poll_writable()
{
	work = work || (is_polled && writers)		/* schedule_work() */
}

inline vipc_poll_over()
{
#ifndef MUT_death_without_edge
	vipc_poll_readable();
	vipc_poll_writable()
#else
	skip
#endif
}

/* vipc_poll_mask() */
#define readable(t)	(dead || is(revoked, t) || has_pending || nr_queue > 0)
#define writable(t)	(dead || is(revoked, t) || nr_stack > 0 || count < DEPTH)

/* ---- queue.h ---- */

inline vipc_op_finish(who, what)
{
	assert(!finished(outcome[who]));
	outcome[who] = what
}

#ifdef MUT_leaving_is_heard
#define NOT_HEARD heard = false;
#else
#define NOT_HEARD
#endif

#define vipc_queue_sender(who, list, n) \
	add_tail(list, n, who); \
	last_seq++; \
	seq[who] = last_seq

#define vipc_dequeue_sender(who, list, n) \
	NOT_HEARD \
	remove(list, n, who); \
	seq[who] = 0

/* Leaves without having been received. */
inline vipc_unqueue(who)
{
	if
	:: who >= NC && who < NT -> remove(stack, nr_stack, who)
	:: else ->
		remove(line, nr_line, got[who]);
		if
		:: DEPTH && is_sender(who) ->	/* never taken back: that is an orphan then */
			vipc_dequeue_sender(who, blocked, nr_blocked)
		:: else -> vipc_dequeue_sender(who, queue, nr_queue)
		fi
	fi
}

/* A request is taken from the ring or from the queue. */
inline in_turn(m)
{
	assert(line[0] == m);
	remove(line, nr_line, m);
	overtaken = 0
}

inline vipc_hand_over(from, to)
{
	assert(!dead && !is(revoked, to) && (from >= NT || !is(revoked, from)));
	got[to] = got[from];
	if
	:: from < NC && is_call(from) ->		/* vipc_enter_service() */
		server_of[from] = to;
		outcome[from] = IN_SERVICE
	:: else
	fi
}

#include "pending-take.pml"

/* ---- endpoint.c ---- */

/* vipc_evict(), of one that was revoked: r is AGAIN then. */
inline vipc_evict(who)
{
	vipc_unqueue(who);
	vipc_op_finish(who, EKEYREVOKED);
	r = AGAIN
}

/* r: OK, QUEUED, AGAIN, or the error */
inline vipc_endpoint_send(nonblock)
{
	if
	:: is(revoked, me) -> r = EKEYREVOKED
	:: !is(revoked, me) && dead -> r = EPIPE
	:: else ->
		if
		:: nr_stack > 0 && vipc_op_revoked(stack[nr_stack - 1]) ->
			op = stack[nr_stack - 1];
			vipc_evict(op)
		:: nr_stack > 0 && !vipc_op_revoked(stack[nr_stack - 1]) ->
			op = stack[nr_stack - 1];
			/* Only what was taken back may be overtaken, see vipc_match(). */
			x = 0;
			do
			:: x < nr_line -> assert(is(taken_back, line[x])); x++
			:: else -> break
			od;
			remove(stack, nr_stack, op);
			vipc_hand_over(me, op);
			vipc_op_finish(op, OK);
			r = (is_call(me) -> QUEUED : OK)
		:: nr_stack == 0 ->			/* vipc_enqueue() */
			if
			:: DEPTH && is_sender(me) && count < DEPTH ->	/* vipc_keep() */
				last_seq++;
				vipc_fill_slot(got[me], last_seq);
				vipc_pending_changed();
				add_tail(line, nr_line, got[me]);
				r = OK
			:: !(DEPTH && is_sender(me) && count < DEPTH) && nonblock ->
				r = EAGAIN
			:: else ->
				if
				:: DEPTH && is_sender(me) ->
					vipc_queue_sender(me, blocked, nr_blocked)
				:: else -> vipc_queue_sender(me, queue, nr_queue)
				fi;
				add_tail(line, nr_line, got[me]);
				outcome[me] = QUEUED;
				r = QUEUED
			fi;
			if
#ifdef MUT_kept_without_edge
			:: r == OK
#endif
			:: r == EAGAIN
			:: else -> vipc_poll_readable()
			fi
		fi
	fi
}

/* Both are off their queues. */
inline vipc_deliver(from, to)
{
	heard = false;
	vipc_hand_over(from, to);
	if
	:: is_orphan(from) -> orphan[to] = from
	:: is_sender(from) -> vipc_op_finish(from, OK)
	:: else
	fi
}

/* op: who was ended instead; else NONE. vipc_evict_blocked() comes first. */
inline vipc_evict_first()
{
	op = NONE;
	if
#ifndef MUT_evict_without_blocked
	:: nr_blocked > 0 && vipc_op_revoked(blocked[0]) -> op = blocked[0]
#endif
	:: else ->
		if
		:: nr_queue > 0 && vipc_op_revoked(queue[0]) -> op = queue[0]
		:: else
		fi
	fi;
	if
	:: op != NONE -> vipc_evict(op)
	:: else
	fi
}

/* r: OK, QUEUED, AGAIN, or the error */
inline vipc_accept(nonblock)
{
	if
	:: is(revoked, me) -> r = EKEYREVOKED
	:: !is(revoked, me) && dead -> r = EPIPE
	:: else ->
		r = OK;
		vipc_evict_first();
		if
		:: op != NONE
		:: op == NONE ->
			vipc_pending_take(me);
			if
			:: z
			:: !z && nr_queue > 0 ->
				op = queue[0];
				in_turn(got[op]);
				vipc_dequeue_sender(op, queue, nr_queue);
				vipc_deliver(op, me)
			:: !z && nr_queue == 0 && nonblock -> r = EAGAIN
			:: else ->
				add_tail(stack, nr_stack, me);
				outcome[me] = QUEUED;
#ifndef MUT_receiver_without_edge
				vipc_poll_writable();
#endif
				r = QUEUED
			fi
		fi
	fi
}

/* vipc_serve(): the topmost receiver gets the first of what waits. */
inline vipc_serve()
{
	w = stack[nr_stack - 1];
	remove(stack, nr_stack, w);
	vipc_pending_take(w);
	if
	:: z
	:: else ->
		op = queue[0];
		in_turn(got[op]);
		vipc_dequeue_sender(op, queue, nr_queue);
		vipc_deliver(op, w)
	fi;
	vipc_op_finish(w, OK)
}

/* r: OK, or AGAIN: the lock was let go of. */
inline vipc_match()
{
	r = OK;
	do
	:: !dead && r == OK && nr_stack > 0 && (nr_queue > 0 || has_pending) ->
		if
		:: vipc_op_revoked(stack[nr_stack - 1]) ->
			op = stack[nr_stack - 1];
			vipc_evict(op)
		:: else ->
			vipc_evict_first();
			if
			:: op == NONE ->
				vipc_serve();
				r = (BREATHE -> AGAIN : OK)
			:: else
			fi
		fi
	:: else -> break
	od;
	if
#if defined(MUT_match_without_edge) || defined(MUT_edge_before_change)
	:: false
#else
	:: !dead && r == OK && (nr_queue > 0 || has_pending) -> vipc_poll_readable()
#endif
	:: else
	fi
}

#include "pending-threads.pml"
#include "pending-judge.pml"
