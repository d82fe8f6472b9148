/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Where operations wait, in the model: queue.h. Part of vipc.pml.
 */

#ifdef MUT_evict_forgotten
#define vipc_op_revoked(who)	(0)
#else
#define vipc_op_revoked(who)	(who < NT && is(revoked, CAP(who)))
#endif

inline vipc_push_receiver(who)
{
	stack[nr_receivers] = who;
	nr_receivers++
}

inline vipc_pop_receiver(who)
{
	assert(is(alive, who));
	x = 0;
	do
	:: x < nr_receivers && stack[x] != who -> x++
	:: else -> break
	od;
	assert(x < nr_receivers);
	do
	:: x + 1 < nr_receivers -> stack[x] = stack[x + 1]; x++
	:: else -> break
	od;
	nr_receivers--;
	stack[nr_receivers] = NONE
}

/* found: the topmost that is awake, or else the topmost, of one or more */
inline vipc_warmest_receiver(found)
{
	found = stack[nr_receivers - 1];
	x = nr_receivers;
	do
	:: x > 0 && state[stack[x - 1]] != RUNNING -> x--
	:: x > 0 && state[stack[x - 1]] == RUNNING ->
		found = stack[x - 1];
		break
	:: x == 0 -> break
	od
}

inline vipc_queue_sender(who)
{
	queue[nr_senders] = who;
	nr_senders++
}

inline vipc_dequeue_sender(who)
{
	assert(is(alive, who));
	x = 0;
	do
	:: x < nr_senders && queue[x] != who -> x++
	:: else -> break
	od;
	assert(x < nr_senders);
	do
	:: x + 1 < nr_senders -> queue[x] = queue[x + 1]; x++
	:: else -> break
	od;
	nr_senders--;
	queue[nr_senders] = NONE
}

inline vipc_unqueue(who)
{
	if
	:: who >= NC && who < NT -> vipc_pop_receiver(who)
	:: else -> vipc_dequeue_sender(who)
	fi
}

/* found: the caller that cap serves under this token, or NONE */
inline vipc_find_caller(cap, tok, found)
{
	found = NONE;
	x = 0;
	do
	:: x < NC ->
		if
#ifdef MUT_no_token_check
		:: server_of[x] == cap -> found = x
#else
#ifdef MUT_any_capability
		:: server_of[x] != NONE && token[x] == tok -> found = x
#else
		:: server_of[x] == cap && token[x] == tok -> found = x
#endif
#endif
		:: else
		fi;
		x++
	:: else -> break
	od;
	assert(found == NONE || is(alive, found))
}

/* found: the caller that cap has been serving longest, or NONE */
inline vipc_first_caller(cap, found)
{
	found = NONE;
	x = 0;
	do
	:: x < NC ->
		if
		:: server_of[x] == cap && (found == NONE || token[x] < token[found]) -> found = x
		:: else
		fi;
		x++
	:: else -> break
	od
}

inline vipc_enter_service(cap, who)
{
	assert(is(alive, who) && server_of[who] == NONE);
	token[who] = next_token;
#ifndef MUT_token_reused
	next_token++;
#endif
	server_of[who] = cap;
	delivered = delivered | bit(who);
	outcome[who] = IN_SERVICE
}

inline vipc_leave_service(who)
{
	assert(is(alive, who) && server_of[who] != NONE);
	server_of[who] = NONE
}

/* to: a receiver, off the stack; from: off the queue */
inline vipc_hand_over(from, to)
{
	assert(is(alive, from) && is(alive, to));
	assert(!dead && !is(revoked, CAP(to)) && (from >= NT || !is(revoked, CAP(from))));
	token[to] = 0;
	if
	:: from < NC && is_call(msg[from]) ->
#ifdef MUT_register_late
		if
		:: from != me ->
#endif
		vipc_enter_service(CAP(to), from);
#ifdef MUT_register_late
		:: else -> token[from] = next_token	/* and the rest later */
		fi;
#endif
		token[to] = token[from]
	:: else
	fi;
	msg[to] = msg[from]
}
