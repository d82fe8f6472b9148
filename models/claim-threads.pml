/* SPDX-License-Identifier: GPL-2.0 */
/*
 * The threads of the model of requests and replies with bytes; and the judge. Part
 * of claim.pml.
 */

/* vipc_cargo_free() */
inline vipc_cargo_free(c)
{
	cargo[c] = (cargo[c] == me -> NONE : cargo[c])
}

/* SEND, CALL: vipc_request_x() */
proctype client(byte me)
{
	byte r, o;

	atomic { may_begin(me) ->
		begun = begun | bit(me);
		cargo[me] = me;
		outcome[me] = QUEUED;
		alive = alive | bit(me);
send:		true;
		d_step { vipc_endpoint_send(); unlocked() }
		if
		:: r == AGAIN -> goto send_again
		:: r == QUEUED
		:: else -> goto over
		fi
	}

	/* vipc_op_sleep(), vipc_endpoint_abandon() */
park:	atomic {
		o = outcome[me];
		if
		:: finished(o) -> r = o; state[me] = RUNNING; goto over
		:: else -> r = 0
		fi;
		state[me] = (o == ANSWERED -> UNINTERRUPTIBLE :
			     (o == IN_SERVICE && is(UNINT, me) -> KILLABLE : INTERRUPTIBLE));
		if
		:: ends(sig[me], state[me]) -> r = EINTR; state[me] = RUNNING; goto abandon
		:: !ends(sig[me], state[me]) && is(late, me) && o != ANSWERED ->
			r = ETIMEDOUT;
			state[me] = RUNNING;
			goto abandon
		:: else
		fi
	}
end_asleep: if
	:: atomic { state[me] == RUNNING -> goto park }
	:: atomic { state[me] != RUNNING && give > 0 && !is(late, me) ->
		give--;
		late = late | bit(me);
		if
		:: state[me] == UNINTERRUPTIBLE -> goto end_asleep
		:: else -> r = ETIMEDOUT; state[me] = RUNNING; goto abandon
		fi
	   }
	:: atomic { state[me] != RUNNING && give > 0 && sig[me] != FATAL ->
		give--;
		if
		:: sig[me] == 0 -> sig[me] = ORDINARY
		:: sig[me] = FATAL
		fi;
		if
		:: ends(sig[me], state[me]) -> state[me] = RUNNING; goto park
		:: else -> goto end_asleep
		fi
	   }
	fi;

abandon: atomic {			/* vipc_leave() */
		d_step {
			o = outcome[me];
			if
			:: o == QUEUED -> vipc_unqueue(me); outcome[me] = r
			:: o == IN_SERVICE && is(UNINT, me) && r == EINTR && sig[me] == ORDINARY ->
				r = AGAIN
			:: o == IN_SERVICE && !(is(UNINT, me) && r == EINTR && sig[me] == ORDINARY) ->
				vipc_leave_service(me);
				outcome[me] = r
			:: o == ANSWERED ->
#ifndef MUT_claimed_may_leave
				r = AGAIN
#else
				skip
#endif
			:: else -> r = o
			fi;
			unlocked()
		}
		if
		:: r == AGAIN -> goto park
		:: else -> goto over
		fi
	}
send_again: atomic { true -> goto send }

over:	atomic { d_step {
		assert(finished(r));
		assert(r != OK || is(kept, me));
		assert(r != OK || !is_call(me) || answered_by[me] != NONE);
		assert(r != OK || !is(whole, me) ||
		       (half[2 * me] == answered_by[me] && half[2 * me + 1] == answered_by[me]));
		assert(is(delivered, me) || !is(kept, me));
		assert((r != EACCES && r != EAGAIN && r != EPIPE && r != EKEYREVOKED) || !is(delivered, me));
		assert(r != ECONNRESET || is(delivered, me));
		if
		:: is(delivered, me)
		:: else -> undelivered = undelivered | bit(me)
		fi;
		vipc_cargo_free(me);
		alive = alive & ~bit(me);	/* and vipc_room_free() */
		outcome[me] = OK;
		answered_by[me] = NONE;
		whole = whole & ~bit(me);
		half[2 * me] = NONE;
		half[2 * me + 1] = NONE;
		filler[me] = NONE;
		sig[me] = 0;
		late = late & ~bit(me);
		r = 0;
		o = 0
	} }
}

/* The token named nobody: so nobody may be waiting for this reply. */
inline reply_failed()
{
	assert(r != ESRCH || DOUBLE || !is(alive, c) || finished(outcome[c]))
}

/* vipc_match() in pieces: all of one critical section, until label on */
#define match_pieces(on) \
	if \
	:: r == AGAIN && !mid -> at_work++; mid = true \
	:: r == AGAIN && mid \
	:: r != AGAIN && mid -> at_work--; mid = false \
	:: r != AGAIN && !mid \
	fi; \
	d_step { unlocked() } \
	if \
	:: r == AGAIN -> goto on \
	:: else -> r = 0 \
	fi

#define knows(cap)	(known[0] == cap || known[1] == cap || known[2] == cap)

#define replies_to(n)	atomic { NC > n && known[n] == CAP(me) -> \
		c = n; \
		known[n] = (DOUBLE -> known[n] : NONE); \
		part = 0; \
		goto reply \
	   }

/* RECV, REPLY with vipc_xmsg: vipc_receive_x(), vipc_reply_x() */
proctype server(byte me)
{
	byte r, c, part;
	bool mid;

again:	if
	:: atomic { !knows(CAP(me)) && may_begin(me) ->
		begun = begun | bit(me);
		if
		:: true
		:: smalls > 0 -> smalls--; small = small | bit(me)
		fi;
		alive = alive | bit(me);
		outcome[me] = QUEUED;
receive:	true;
		d_step { vipc_accept(); unlocked() }
		if
		:: r == AGAIN -> goto receive_again
		:: r == QUEUED -> goto asleep
		:: else -> goto received
		fi
	   }
	:: replies_to(0)
	:: replies_to(1)
	:: replies_to(2)
	:: EXITS && !(SHARED && knows(CAP(me))) -> goto leaving
	fi;

receive_again: atomic { true -> goto receive }
asleep:
end_asleep: atomic { finished(outcome[me]) ->
		r = outcome[me];
received:	alive = alive & ~bit(me);
		outcome[me] = OK;
		small = small & ~bit(me);
		if
		:: r == OK
		:: r == EMSGSIZE -> r = 0; goto again
		:: else -> r = 0; goto leaving
		fi
	}

	/* vipc_keep_x(): vipc_cargo_unpack(), and the structure itself */
	if
	:: atomic { is(PINNED, got[me]) && !is(alive, got[me]) -> torn = torn | bit(got[me]) }
	:: !is(PINNED, got[me]) || is(alive, got[me])
	:: atomic { faults > 0 -> faults--; goto take_back }
	:: atomic { rejects > 0 -> rejects--; goto reject }
	fi;
	atomic {
		d_step { vipc_endpoint_whole() }
		if
		:: r == OK
		:: else -> r = 0; goto free
		fi
	}
	if
	:: atomic { true ->
		d_step {
			assert(cargo[got[me]] == me);
			assert(!is(torn, got[me]));
			assert(!is(kept, got[me]) && !is(undelivered, got[me]));
			kept = kept | bit(got[me]);
			if
			:: is_call(got[me]) -> known[got[me]] = CAP(me)
			:: else
			fi
		}
		if
		:: is_call(got[me]) -> goto free
		:: else -> goto taken
		fi
	   }
	:: atomic { faults > 0 -> faults--; goto take_back }
	fi;
taken:	atomic { d_step { vipc_endpoint_taken() } goto free }
reject:	atomic { d_step { vipc_endpoint_reject() } goto free }
take_back: atomic {
		d_step { vipc_endpoint_take_back(); vipc_match() }
		match_pieces(match);
		goto free
	}
match:	atomic {
		d_step { vipc_match() }
		match_pieces(match);
free:		vipc_cargo_free(got[me]);
		torn = torn & ~bit(got[me]);
		got[me] = NONE;
		r = 0;
		goto again
	}

	/* vipc_prepare_reply() */
reply:	if
	:: goto claim			/* vipc_fill_caller() */
	:: atomic { d_step { vipc_answer() } goto replied }
	fi;
claim:	atomic {
		d_step { vipc_endpoint_claim() }
		if
		:: r == OK
		:: else -> goto replied
		fi
	}
fill:	if				/* vipc_room_fill() */
	:: atomic { part < 2 ->
		assert(is(alive, c));
		half[2 * c + part] = me;
		part++;
		goto fill
	   }
	:: atomic { part < 2 && holes > 0 -> holes-- }
	:: part == 2 -> goto answer
	fi;
	atomic { d_step { vipc_endpoint_unclaim() } }
	if
	:: goto claim			/* fault_in_readable() */
	:: part = 0; goto reply		/* EFAULT: the program tries again, */
	:: IGNORES -> ignored = ignored | bit(c); goto gone	/* or hangs */
	fi;
answer:	atomic { d_step { vipc_answer_cargo() } }
replied: atomic {
		reply_failed();
		known[c] = (known[c] == CAP(me) -> NONE : known[c]);
		c = 0;
		part = 0;
		if
		:: r == EKEYREVOKED -> r = 0
		:: else -> r = 0; goto again
		fi
	}

leaving: atomic {			/* the process ends */
		if
		:: SHARED && files > 1 -> files--; goto gone
		:: else -> files--
		fi;
		d_step { vipc_stop_receiving(CAP(me)) }
	}
close:	atomic {			/* vipc_endpoint_close() */
		d_step {
			vipc_close_step(CAP(me));
			if
			:: op == NONE -> vipc_drain_step()
			:: else
			fi;
			r = op
		}
		if
		:: r != NONE -> r = 0; goto close
		:: else -> r = 0
		fi
	}
	d_step {
		x = 0;
		do
		:: x < NC -> known[x] = (known[x] == CAP(me) -> NONE : known[x]); x++
		:: else -> break
		od
	}
gone:	skip
}

/* REVOKE and SHUTDOWN */
proctype owner()
{
	byte t, r;

	do
	:: t < NT && is(REVOKES, t) ->
		atomic { d_step {
			revoked = revoked | bit(t);
			vipc_stop_receiving(t)
		} }
revoke:		atomic {
			d_step {
				vipc_first_queued(t);
				if
				:: op != NONE -> vipc_unqueue(op); vipc_op_finish(op, EKEYREVOKED)
				:: else -> vipc_close_step(t)
				fi;
				r = op
			}
			if
			:: r != NONE -> r = 0; goto revoke
			:: else -> r = 0
			fi;
			t++
		}
	:: t < NT && !is(REVOKES, t) -> t++
	:: t == NT -> break
	od;
	if
	:: SHUTDOWN -> dead = true	/* vipc_die() */
	:: else
	fi;
drain:	atomic {
		d_step { vipc_drain_step(); r = op }
		if
		:: r != NONE -> r = 0; goto drain
		:: else -> r = 0; t = 0
		fi
	}
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
		c = NT;
		do
		:: c > NC ->
			c--;
			assert(!is(alive, c) || (!dead && !vipc_op_revoked(c)))
		:: else -> break
		od;
		do
		:: c > 0 ->
			c--;
			/* Nobody receives any more, or answers this call, but anybody might. */
			assert(!is(alive, c) || !dead);
			assert(!is(alive, c) || outcome[c] == QUEUED || (outcome[c] == IN_SERVICE && is(ignored, c)));
			assert(!is(alive, c) || outcome[c] != QUEUED || !vipc_op_revoked(c));
			assert(!is(alive, c) || outcome[c] != QUEUED || EXITS || REVOKES || IGNORES);
			assert(!is(alive, c) || outcome[c] != IN_SERVICE || !is(revoked, server_of[c]));
			/* And a signal or its deadline ends its wait. */
			assert(!is(alive, c) || state[c] == INTERRUPTIBLE ||
			       (state[c] == KILLABLE && is(UNINT, c) && outcome[c] == IN_SERVICE));
			assert(!is(alive, c) || (!ends(sig[c], state[c]) && !is(late, c)));
			assert(cargo[c] == (is(alive, c) && outcome[c] == QUEUED -> c : NONE))
		:: else -> break
		od
		}
	}
}

init
{
	byte i;

	atomic {
		receiver_caps = bit(ROOT);
		do
		:: i < NC -> run client(i); i++
		:: i >= NC && i < NT ->
			receiver_caps = receiver_caps | bit(CAP(i));
			run server(i);
			i++
		:: i == NT -> break
		od;
		i = 0;
		if
		:: REVOKES || SHUTDOWN -> run owner()
		:: else
		fi;
		if
		:: GIVE -> run calm()
		:: else
		fi;
		run judge()
	}
}
