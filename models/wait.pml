/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Waiting, giving up, revocation and death, in the model. Part of vipc.pml.
 */

/* ---- wait.c, and vipc_leave() of endpoint.c ---- */

/* put_task_struct(), and the wait awake ends */
inline put_peer()
{
	peer[me] = NONE;
	referenced = referenced & ~bit(me);
	looks = 0
}

/*
 * Waits awake. Starts at label awake; ends at label awaited with r, the outcome,
 * or at label park.
 */
inline vipc_wait_awake()
{
#if AWAKE == 0
	skip
#else
#if AWAKE == 4
end_awake:
#endif
	do
	:: atomic { finished(outcome[me]) ->	/* vipc_op_finished() */
		assert(is(alive, me));
		r = outcome[me];
		put_peer();
		goto awaited
	   }
	:: atomic { looks < LOOKS && !finished(outcome[me]) -> looks++ }
	:: atomic { give > 0 && sig == 0 && AWAKE != 4 ->
		give--;
		if
		:: sig = ORDINARY
		:: sig = FATAL
		fi
	   }
#if AWAKE != 4
#ifndef MUT_no_end
	:: atomic { looks == LOOKS ->
		/* vipc_runs_elsewhere(), vipc_waits_here(), vipc_yield_to() */
		assert(is(referenced, me) || task_there(peer[me]));
		put_peer();
#ifdef MUT_return_unfinished
		r = outcome[me];
		goto awaited
#else
		goto park
#endif
	   }
#endif
#endif
	od
#endif
}

#define ends(sleep)	(sig == FATAL || (sig == ORDINARY && sleep == INTERRUPTIBLE))

/*
 * vipc_op_sleep(), vipc_endpoint_abandon(). Starts at label park; ends at label
 * awaited with r: how the operation has finished, or why it was left.
 */
inline vipc_endpoint_await(unint)
{
	atomic {			/* smp_load_acquire() */
		assert(is(alive, me));
		o = outcome[me];
		if
		:: finished(o) ->
			state[me] = RUNNING;
			r = o;
			o = 0;
			goto awaited
		:: else -> r = 0
		fi;
#ifdef FINE
	}
	atomic {
#endif
#ifdef MUT_recheck_first
		skip
#else
		/* set_current_state() */
		state[me] = (o == IN_SERVICE && unint -> KILLABLE : INTERRUPTIBLE)
#endif
	}
#ifdef MUT_recheck_first
	atomic {
		if
		:: outcome[me] != o -> goto park
		:: else
		fi
	}
	state[me] = (o == IN_SERVICE && unint -> KILLABLE : INTERRUPTIBLE);
#endif

	atomic {			/* the second look; signal_pending_state() */
#ifndef MUT_recheck_first
#ifndef MUT_no_recheck
		if
		:: outcome[me] != o -> goto park
		:: else
		fi;
#endif
#endif
		if
		:: ends(state[me]) ->
			r = EINTR;
			state[me] = RUNNING;
			goto abandon
		:: else
		fi
	}
end_asleep:				/* vipc_sleep() */
	if
	:: state[me] == RUNNING -> goto park
	:: atomic { state[me] != RUNNING && spur > 0 ->
		spur--;
		state[me] = RUNNING;
		goto park
	   }
	:: atomic { state[me] != RUNNING && give > 0 ->
		give--;
		r = ETIMEDOUT;
		state[me] = RUNNING;
		goto abandon
	   }
	:: atomic { state[me] == INTERRUPTIBLE && give > 0 && sig == 0 ->
		give--;
		sig = ORDINARY;
		state[me] = RUNNING;
		goto park
	   }
	:: atomic { state[me] == KILLABLE && give > 0 && sig == 0 ->
		give--;
		sig = ORDINARY;
		goto end_asleep
	   }
	:: atomic { state[me] != RUNNING && give > 0 && sig != FATAL ->
		give--;
		sig = FATAL;
		state[me] = RUNNING;
		goto park
	   }
	fi;

abandon: atomic { !held ->		/* vipc_leave() */
		d_step {
			o = 0;
			assert(is(alive, me));
			if
			:: outcome[me] == QUEUED -> vipc_unqueue(me)
			:: outcome[me] == IN_SERVICE ->
				if
#ifndef MUT_abandon_uninterruptible
				:: unint && r == EINTR && sig == ORDINARY ->
					r = AGAIN	/* the signal does not end this wait any more */
#endif
				:: else ->
#ifdef MUT_abandon_stays_in_service
					skip
#else
					vipc_leave_service(me)
#endif
				fi
			:: else ->
#ifdef MUT_abandon_blindly
				skip
#else
				r = outcome[me]
#endif
			fi
		}
		if
		:: r == AGAIN -> goto park
		:: else -> goto awaited
		fi
	}
}

inline vipc_op_init()
{
	assert(!is(alive, me));
	alive = alive | bit(me);
	outcome[me] = QUEUED
}

/* The thread leaves the function: its stack is somebody else's. */
inline op_ends()
{
	assert(!has_peer(me));
	alive = alive & ~bit(me);
	outcome[me] = OK;
	msg[me] = 0
#ifndef MUT_abandon_stays_in_service
	; token[me] = 0
#endif
}

/* ---- lifetime.c ---- */

inline vipc_stop_receiving(cap)
{
	receiver_caps = receiver_caps & ~bit(cap);
#ifndef MUT_last_close_forgotten
	if
	:: receiver_caps == 0 -> dead = true
	:: else
	fi
#endif
}

/* wk: the caller that was told, or NONE */
inline vipc_close_step(cap)
{
	vipc_first_caller(cap, op);
	if
	:: op != NONE ->
		vipc_leave_service(op);
		vipc_op_finish(op, ECONNRESET);
		wk = op
	:: else
	fi
}

/* vipc_drain(): one thread is told, wk; or nothing is left to do, NONE */
inline vipc_drain()
{
	do
	:: dead && wk == NONE && nr_senders > 0 ->
#ifdef MUT_death_forgets_senders
		break
#else
		op = queue[0];
		vipc_dequeue_sender(op);
		z = (vipc_op_revoked(op) -> EKEYREVOKED : EPIPE);
		vipc_finish_queued(op, z)
#endif
	:: dead && wk == NONE && nr_senders == 0 && nr_receivers > 0 ->
		op = stack[nr_receivers - 1];
		vipc_pop_receiver(op);
		z = (vipc_op_revoked(op) -> EKEYREVOKED : EPIPE);
		vipc_finish_queued(op, z)
	:: dead && wk == NONE && nr_senders == 0 && nr_receivers == 0 && receiver_caps != 0 ->
		y = 0;
		do
		:: !(receiver_caps & bit(y)) -> y++
		:: else -> break
		od;
#ifndef MUT_death_forgets_callers
		vipc_close_step(y);
#endif
		if
		:: wk == NONE -> receiver_caps = receiver_caps & ~bit(y)
		:: else
		fi
	:: else -> break
	od
}

/* One thread is told, wk; or the capability is closed: r = OK */
inline vipc_endpoint_close(cap)
{
	r = QUEUED;
	vipc_stop_receiving(cap);
	vipc_close_step(cap);
	vipc_drain();
	if
	:: wk == NONE ->
		closed = closed | bit(cap);
		r = OK
	:: else
	fi
}

/* op: what is queued through the capability, or NONE */
inline vipc_first_queued(cap)
{
	op = NONE;
	x = 0;
	do
	:: x < nr_senders ->
		if
		:: queue[x] < NC && CAP(queue[x]) == cap -> op = queue[x]
		:: else
		fi;
		x++
	:: else -> break
	od;
	x = 0;
	do
	:: x < nr_receivers ->
		if
		:: CAP(stack[x]) == cap -> op = stack[x]
		:: else
		fi;
		x++
	:: else -> break
	od
}

/*
 * t: the child to deal with. One thread is told, wk; or one capability loses its
 * rights; or nothing is left to do: r = OK
 */
inline vipc_endpoint_revoke()
{
	r = QUEUED;
	do
	:: t < NCAPS && (!((REVOKES >> t) & 1) || is(closed, t)) -> t++
	:: t < NCAPS && !(!((REVOKES >> t) & 1) || is(closed, t)) ->
		if
		:: !is(revoked, t) ->
			revoked = revoked | bit(t);
			vipc_stop_receiving(t);
			break
		:: else
		fi;
#ifndef MUT_revoke_forgets_queued
		vipc_first_queued(t);
		if
		:: op != NONE ->
			vipc_unqueue(op);
			vipc_op_finish(op, EKEYREVOKED);
			wk = op;
			break
		:: else
		fi;
#endif
#ifndef MUT_revoke_forgets_callers
		vipc_close_step(t);
#endif
		if
		:: wk != NONE -> break
		:: else -> t++
		fi
	:: t == NCAPS ->
		vipc_drain();
		if
		:: wk == NONE ->
			r = OK;
			t = 0;		/* nothing is left behind */
			do
			:: t < NCAPS && is(REVOKES, t) ->
				vipc_first_queued(t);
				assert(op == NONE);
				vipc_first_caller(t, op);
				assert(op == NONE);
				t++
			:: t < NCAPS && !is(REVOKES, t) -> t++
			:: t == NCAPS -> break
			od
		:: else
		fi;
		break
	od
}
