/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Revocation and death of what is pending, poll's worker, and the judge. Part of
 * pending.pml.
 */

/* Ends those that are served by who. */
inline vipc_close_step(who)
{
	x = 0;
	do
	:: x < NC ->
		if
		:: server_of[x] == who ->
			server_of[x] = NONE;
			vipc_op_finish(x, ECONNRESET)
		:: else
		fi;
		x++
	:: else -> break
	od
}

/* op: who was told, or NONE */
inline vipc_drain_step()
{
	vipc_drop_kept();
	op = (nr_queue > 0 -> queue[0] : (nr_stack > 0 -> stack[0] : NONE));
#ifndef MUT_death_forgets_blocked
	op = (op == NONE && nr_blocked > 0 -> blocked[0] : op);
#endif
	if
	:: op == NONE ->
		w = NC;
		do
		:: w < NT -> vipc_close_step(w); w++
		:: else -> break
		od
	:: op != NONE && is_orphan(op) ->
		vipc_unqueue(op);
		dropped = dropped | bit(got[op]);
		orphans = orphans & ~bit(op);
		got[op] = 0
	:: else ->
		vipc_unqueue(op);
		z = (vipc_op_revoked(op) -> EKEYREVOKED : EPIPE);
		vipc_op_finish(op, z)
	fi
}

/* op: an operation that is queued through who, or NONE */
inline vipc_first_queued(who)
{
	op = NONE;
	x = 0;
	do
	:: x < nr_queue -> op = (queue[x] == who -> who : op); x++
	:: else -> break
	od;
	x = 0;
	do
	:: x < nr_blocked -> op = (blocked[x] == who -> who : op); x++
	:: else -> break
	od;
	x = 0;
	do
	:: x < nr_stack -> op = (stack[x] == who -> who : op); x++
	:: else -> break
	od
}

/* REVOKE and SHUTDOWN */
proctype owner()
{
	byte t, r;
	bool mid;

	do
	:: t < NT && is(REVOKES, t) ->
		atomic { revoked = revoked | bit(t) }
		atomic {
			d_step {
				vipc_first_queued(t);
				if
				:: op == NONE
				:: else -> vipc_unqueue(op); vipc_op_finish(op, EKEYREVOKED)
				fi;
				unlocked()
			}
		}
		atomic {
			d_step { vipc_close_step(t); unlocked() }
			t++
		}
	:: t < NT && !is(REVOKES, t) -> t++
	:: t == NT -> break
	od;
	if
	:: REVOKES ->
		atomic { d_step { vipc_poll_over(); vipc_match() } match_pieces(match) }
	:: else
	fi;
	goto shutdown;
match:	atomic { d_step { vipc_match() } match_pieces(match) }

shutdown: if
	:: SHUTDOWN ->
		atomic { d_step { dead = true; vipc_poll_over(); unlocked() } }	/* vipc_die() */
drain:		atomic {
			d_step { vipc_drain_step(); unlocked(); r = op }
			if
			:: r != NONE -> r = 0; goto drain
			:: else -> r = 0
			fi
		}
	:: else
	fi
}

/* vipc_poll_work() */
proctype worker()
{
end_worker: do
	:: atomic { work ->
#ifndef MUT_work_ends_late
		work = false
#endif
	   }
		atomic { told = told | writers }
#ifdef MUT_work_ends_late
		work = false
#endif
	od
}

/* From now on nobody gives up any more. */
proctype calm()
{
end_calm: atomic { give > 0 -> give = 0 }
}

/* When nobody can do anything any more: who sleeps, and may he? */
proctype judge()
{
	byte c;

end_judge: atomic { timeout ->
		d_step {
		assert(at_work == 0);
		z = false;			/* does anybody receive? */
		c = NT;
		do
		:: c > NC -> c--; z = z || !is(revoked, c)
		:: else -> break
		od;
		c = NT;
		do
		:: c > 0 ->
			c--;
			assert(outcome[c] != IN_SERVICE);
			assert(outcome[c] != QUEUED || (!dead && !is(revoked, c)));
			assert(outcome[c] != QUEUED || c >= NC || !z);
			assert(!is(readers, c) || !readable(c));
			assert(!is(writers, c) || !writable(c))
		:: else -> break
		od;
		assert(!dead || (nr_queue == 0 && nr_blocked == 0 && nr_stack == 0));
		assert(notified == (given | bits));
		assert(dead || !z || bits == 0);
		do
		:: c < BADGES ->
			assert(caps[c] == 0);
			assert(dead || !z || ends[c] == 0 || is(notices_kept[c], ends[c]));
			c++
		:: else -> break
		od;
		c = 0;
		op = kept | dropped;
		assert((kept & dropped) == 0);
		do
		:: c < count -> op = op | bit(ring[c]); c++
		:: else -> break
		od;
		c = NT;
		do
		:: c < NO -> op = op | (is(orphans, c) -> bit(got[c]) : 0); c++
		:: else -> break
		od;
		assert((sent & ~op) == 0);
		assert((undelivered & op) == 0)
		}
	}
}

init
{
	byte i;

	atomic {
		do
		:: i < NC -> run client(i); i++
		:: i >= NC && i < NT -> run server(i); i++
		:: i == NT -> break
		od;
		i = 0;
		do
		:: i < NOTIFIES -> run notifier(i); i++
		:: else -> break
		od;
		i = 0;
		do
		:: i < WATCHERS -> run watcher(i % BADGES); i++
		:: else -> break
		od;
		i = 0;
		if
		:: REVOKES || SHUTDOWN -> run owner()
		:: else
		fi;
		if
		:: WRITERS -> run worker()
		:: else
		fi;
		if
		:: GIVE -> run calm()
		:: else
		fi;
		run judge()
	}
}
