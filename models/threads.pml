/* SPDX-License-Identifier: GPL-2.0 */
/*
 * The threads of the model: clients, servers, the owner; and the judge. Part of
 * vipc.pml.
 */

/* SEND, CALL: vipc_request() */
proctype client(byte me)
{
	byte n, m, o, r, sig, looks, wk = NONE;
#ifdef MUT_wake_first
	byte later;
#endif

	do
	:: atomic { n == OPS || sig == FATAL ->
		do_exit();
		break
	   }
	:: n < OPS && sig != FATAL ->
#ifdef MUT_check_before_lock
		atomic { !held ->
			r = (is(revoked, CAP(me)) -> EKEYREVOKED : (dead -> EPIPE : OK))
		}
#endif
		atomic { !held && (n > 0 || may_begin(me)) ->
			begun = begun | bit(me);
			d_step {
				m = me * OPS + n + 1;
				vipc_op_init();
				msg[me] = m;
				delivered = delivered & ~bit(me);
#ifdef MUT_check_before_lock
				if
				:: r == OK -> vipc_endpoint_send()
				:: else
				fi
#else
				vipc_endpoint_send()
#endif
			}
send_on:		if
			:: wk == NONE && r == QUEUED -> goto park
			:: wk == NONE && r != QUEUED -> goto awaited
			:: wk != NONE
			fi
		}
#ifdef MUT_register_late
		atomic { wake_unlock(); }
		atomic { !held ->
			if
			:: is_call(m) -> vipc_enter_service(CAP(NC), me)
			:: else -> goto awaited
			fi
		}
#else
		atomic {
			wake_unlock();
			if
			:: r == OK && is_call(m) && has_peer(me) -> goto awake
			:: r == OK && is_call(m) && !has_peer(me) -> goto park
			:: r == OK && !is_call(m) -> goto awaited
			:: r == AGAIN
			fi
		}
		atomic { !held ->
			d_step { vipc_endpoint_send() }
			goto send_on
		}
#endif
awake:		vipc_wait_awake();
park:		vipc_endpoint_await(is_unint(m));

		atomic { skip;	/* a label behind it is inside */
awaited:		assert(finished(r));
			assert(r != OK || !is_call(m) || msg[me] == REPLY_TO + m);
			assert(r != OK || !is_call(m) || (kept & bit(m)));
			assert(!(is_unint(m) && r == EINTR && is(delivered, me) && sig != FATAL));
			assert(r != ECONNRESET || is(delivered, me));
			assert((r != EPIPE && r != EKEYREVOKED) || !is(delivered, me));
			if
			:: r == OK && !is_call(m) -> sent = sent | bit(m)
			:: r != OK && !is(delivered, me) ->
				assert(!(kept & bit(m)));
				undelivered = undelivered | bit(m)
			:: else
			fi;
			op_ends();
			delivered = delivered & ~bit(me);
			sig = (sig == FATAL -> FATAL : 0);
			m = 0;
			r = 0;
			n++
		}
	od
}

/* vipc_put_msg() in vipc_receive(): the program has the message. */
inline keep()
{
	assert(!(kept & bit(msg[me])));
	assert(!(undelivered & bit(msg[me])));
	assert(!(dropped & bit(msg[me])));
	kept = kept | bit(msg[me]);
	if
	:: orphan[me] != NONE ->
		alive = alive & ~bit(orphan[me]);
		msg[orphan[me]] = 0;
		outcome[orphan[me]] = OK;
		orphan[me] = NONE
	:: else
	fi;
	if
	:: token[me] && a == 0 ->
		a = token[me];
		am = msg[me];
		owed = owed | bit(am)
	:: token[me] && a != 0 ->
		b = token[me];
		bm = msg[me];
		owed = owed | bit(bm)
	:: else
	fi
}

#define elsewhere(c, me) (server_of[c] != NONE && server_of[c] != CAP(me))
#define is_served_elsewhere(me) (elsewhere(0, me) || elsewhere(1, me) || elsewhere(NC - 1, me))

/*
 * RECV, REPLY, REPLY_RECV: vipc_receive(), vipc_reply(). It owes replies to at
 * most two calls, with the tokens a and b, and their requests were am and bm.
 * It has answered one with the token old, and the caller whom just now.
 */
proctype server(byte me)
{
	byte a, am, b, bm, old, oldm, o, r, sig, looks, whom = NONE, wk = NONE, wk2 = NONE;
#ifdef MUT_wake_first
	byte later;
#endif

again:	if
	:: atomic { !held && (a == 0 || (DEFER && b == 0)) && may_begin(me) ->	/* RECV */
		begun = begun | bit(me);
		d_step {
			vipc_op_init();
			vipc_accept(NONE)
		}
		goto taken
	   }
	:: atomic { !held && a != 0 ->				/* REPLY */
		d_step {
			if
			:: is(revoked, CAP(me)) ->
				r = EKEYREVOKED;
				owed = owed & ~bit(am)
			:: else ->
				vipc_answer(a, am);
				reply_failed(am)
			fi;
			if
			:: stale > 0 -> old = a; oldm = am
			:: else
			fi;
			a = b; am = bm; b = 0; bm = 0
		}
		if
		:: wk != NONE -> goto replied
		:: else -> r = 0; goto again
		fi
	   }
	:: atomic { !held && a != 0 && !(DEFER && b != 0) ->	/* REPLY_RECV */
		d_step {
			vipc_op_init();
			if
			:: is(revoked, CAP(me)) -> r = EKEYREVOKED
			:: else ->
				vipc_answer(a, am);
				reply_failed(am)
			fi;
#if AWAKE
			whom = wk;
#endif
			a = 0; am = 0
		}
		if
		:: wk != NONE -> goto answered
		:: else -> goto taken
		fi
	   }
	:: atomic { a != 0 && b != 0 && a < b ->		/* the later first */
		d_step {
			o = a; a = b; b = o;
			o = am; am = bm; bm = o;
			o = 0
		}
		goto again
	   }
	:: atomic { !held && old != 0 && stale > 0 ->		/* REPLY, once more */
		d_step {
			stale--;
			if
			:: is(revoked, CAP(me)) -> r = EKEYREVOKED
			:: else -> vipc_answer(old, oldm)
			fi;
			assert(r != OK);
			old = 0;
			oldm = 0;
			r = 0
		}
		goto again
	   }
	:: atomic { !held && is_served_elsewhere(me) && stale > 0 ->	/* REPLY, not mine */
		d_step {
			stale--;
			x = 0;
			do
			:: server_of[x] == NONE || server_of[x] == CAP(me) -> x++
			:: else -> break
			od;
			z = token[x];
			if
			:: is(revoked, CAP(me)) -> r = EKEYREVOKED
			:: else -> vipc_answer(z, 0)
			fi;
			assert(r != OK);
			r = 0
		}
		goto again
	   }
	:: EXITS && (begun & bit(me)) -> goto leaving
	fi;

replied: atomic { wake_unlock(); r = 0; goto again }

answered: atomic {			/* the second half of REPLY_RECV */
		d_step {
#ifdef MUT_wake_first
			outcome[wk] = later;
#else
#ifdef MUT_touch_after_publish
			assert(is(alive, wk));
#endif
			vipc_wake(wk);
#endif
			wk = NONE;
			vipc_accept(whom);
#ifdef MUT_accept_keeps_client
			whom = (r == AGAIN -> whom : NONE)
#else
			whom = NONE	/* answered, and perhaps gone when the lock is */
#endif
		}
		if
		:: wk == NONE -> unlocked()
		:: else
		fi
	}

	atomic { skip;
taken:	if
		:: wk == NONE && r == QUEUED && has_peer(me) -> goto awake
		:: wk == NONE && r == QUEUED && !has_peer(me) -> goto park
		:: wk == NONE && r != QUEUED -> goto awaited
		:: wk != NONE
		fi
	}
	atomic {
		wake_unlock();
		if
		:: r == AGAIN
		:: else -> goto awaited
		fi
	}
	atomic { !held ->
		d_step { vipc_accept(whom); whom = (r == AGAIN -> whom : NONE) }
		goto taken
	}

awake:	vipc_wait_awake();
park:	vipc_endpoint_await(0);

	atomic { skip;
awaited:	assert(finished(r));
		if
		:: r != OK ->
			assert(orphan[me] == NONE);
			op_ends();
			if
			:: r == EPIPE || r == EKEYREVOKED || sig == FATAL -> r = 0; goto leaving
			:: else -> r = 0; sig = 0; goto again
			fi
		:: r == OK ->
			d_step { keep(); op_ends() }
			if
			:: sig == FATAL -> goto leaving
			:: else -> sig = 0; goto again
			fi
		:: r == OK && faults > 0 -> faults--	/* vipc_put_msg() fails */
		fi
	}
	atomic { !held ->
		if
		:: true
		:: ooms > 0 && orphan[me] == NONE && token[me] == 0 -> ooms--; o = 1
		fi;
		d_step {
			z = orphan[me];
			orphan[me] = NONE;
			if
			:: z == NONE && token[me] == 0 && o -> dropped = dropped | bit(msg[me])
			:: z == NONE && token[me] == 0 && !o -> vipc_new_orphan()
			:: else
			fi;
			o = 0;
			vipc_endpoint_take_back();
			op_ends()
		}
		if
		:: !held -> goto taken_back
		:: held && nr_senders > 0 && outcome[queue[0]] == QUEUED -> goto matching
		:: else
		fi
	}
	atomic { wake_unlock(); goto taken_back }

matching: atomic {
		d_step {
			if
			:: wk != NONE -> vipc_wake(wk); wk = NONE
			:: else
			fi;
#ifdef MUT_take_back_ignores_receivers
			r = OK
#else
			vipc_match()
#endif
		}
		if
		:: r == OK -> unlocked(); goto taken_back
		:: r == AGAIN
		:: r == QUEUED
		fi
	}
	atomic {
		if
		:: wk2 != NONE -> vipc_wake(wk2); wk2 = NONE
		:: else
		fi;
		if
		:: r == QUEUED -> goto matching
		:: else
		fi;
		vipc_wake(wk);
		wk = NONE;
		spin_unlock()
	}
	atomic { !held -> held = true; goto matching }

	atomic { skip;
taken_back:	if
		:: sig == FATAL -> goto leaving
		:: else -> sig = 0; r = 0; goto again
		fi
	}

leaving: atomic {				/* vipc_release(), of the last thread */
		if
		:: SHARED	/* another thread might still answer */
		:: !SHARED -> owed = owed & ~(bit(am) | bit(bm))
		fi;
		a = 0; am = 0; b = 0; bm = 0; old = 0; oldm = 0;
		if
		:: LINGER && (dead || is(revoked, CAP(me))) -> goto gone
		:: skip
		fi;
		files--;
		if
		:: SHARED && files > 0 -> goto gone
		:: else
		fi
	}
closing: atomic { !held ->
		d_step { vipc_endpoint_close(CAP(me)) }
		if
		:: wk == NONE -> goto gone
		:: else
		fi
	}
	atomic { wake_unlock(); goto closing }
gone:	atomic { r = 0; do_exit() }
}

/* REVOKE, SHUTDOWN, and the end of the first capability. */
proctype owner()
{
	byte t, r = QUEUED, wk = NONE;
#ifdef MUT_wake_first
	byte later;
#endif

	do
	:: !REVOKES || r == OK -> r = QUEUED; break
	:: else ->
		atomic { !held ->
			d_step { vipc_endpoint_revoke() }
			if
			:: wk == NONE -> goto revoke_on
			:: else
			fi
		}
		atomic { wake_unlock(); }
revoke_on:	skip
	od;
	do
	:: !SHUTDOWN || r == OK -> r = QUEUED; break
	:: else ->
		atomic { !held ->		/* vipc_endpoint_shutdown() */
			d_step {
				dead = true;
				vipc_drain();
				r = (wk == NONE -> OK : QUEUED)
			}
			if
			:: wk == NONE -> goto shut_on
			:: else
			fi
		}
		atomic { wake_unlock(); }
shut_on:	skip
	od;
	do
	:: !CLOSE || r == OK -> break
	:: else ->
		atomic { !held ->
			d_step { vipc_endpoint_close(ROOT) }
			if
			:: wk == NONE -> goto close_on
			:: else
			fi
		}
		atomic { wake_unlock(); }
close_on:	skip
	od
}

/* From now on nobody gives up any more. */
proctype calm()
{
end_calm: atomic { give + spur > 0 ->
		give = 0;
		spur = 0
	}
}

/* When nobody can do anything any more: who sleeps, and may he? */
proctype judge()
{
	byte c;

end_judge: atomic { timeout ->
		d_step {
		assert(!held);
		assert(dead || (RECEIVERS & ~(closed | revoked)));
		c = NT;
		do
		:: c > 0 ->
			c--;
			/* No lost wake-up. */
			assert(!is(alive, c) || !finished(outcome[c]));
			/* Nobody is left behind. */
			assert(!is(alive, c) || !dead);
			assert(!is(alive, c) || outcome[c] != QUEUED || !is(revoked, CAP(c)));
			assert(!is(alive, c) || outcome[c] != IN_SERVICE ||
			       (!is(revoked, server_of[c]) && !is(closed, server_of[c]) && (owed & bit(msg[c]))));
			/* A signal can end the wait of whoever is queued. */
			assert(!is(alive, c) || outcome[c] != QUEUED || state[c] == INTERRUPTIBLE ||
			       (AWAKE == 4 && has_peer(c)))
		:: else -> break
		od;
		assert(!dead || (nr_senders == 0 && nr_receivers == 0));
		/* What was sent is with somebody, or in the queue. */
		op = kept | dropped;
		c = NT;
		do
		:: c < NO ->
			if
			:: is(alive, c) ->
				x = 0;
				do
				:: x < nr_senders && queue[x] != c -> x++
				:: else -> break
				od;
				assert(x < nr_senders);	/* else it has leaked */
				assert(!(op & bit(msg[c])));
				op = op | bit(msg[c])
			:: else
			fi;
			c++
		:: else -> break
		od;
		assert((sent & ~op) == 0);
		assert((undelivered & op) == 0);
		assert((kept & dropped) == 0)
		}
	}
}

init
{
	byte i;

	atomic {
		receiver_caps = (ROOT_RECV -> bit(ROOT) : 0);
		i = NC;
		do
		:: i < NT -> receiver_caps = receiver_caps | bit(CAP(i)); i++
		:: else -> break
		od;
		i = 0;
		do
		:: i < NC -> run client(i); i++
		:: i >= NC && i < NT -> run server(i); i++
		:: i == NT -> break
		od;
		i = 0;
		if
		:: REVOKES || SHUTDOWN || CLOSE -> run owner()
		:: else
		fi;
		if
		:: GIVE + SPUR > 0 -> run calm()
		:: else
		fi;
		run judge()
	}
}
