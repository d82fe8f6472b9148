/* SPDX-License-Identifier: GPL-2.0 */
/*
 * The threads of the model of what is pending. Part of pending.pml.
 */

/* vipc_match() in pieces: all of one critical section, until label on */
#define match_pieces(on) \
	if \
	:: r == AGAIN && !mid -> at_work++; mid = true \
	:: r == AGAIN && mid \
	:: r != AGAIN && mid -> at_work--; mid = false \
	:: r != AGAIN && !mid \
	fi; \
	unlocked(); \
	if \
	:: r == AGAIN -> goto on \
	:: else -> r = 0 \
	fi

/* SEND, CALL: vipc_request() */
proctype client(byte me)
{
	byte r;
	bool nonblock = is(WRITERS, me), in;

	got[me] = me + 1;
send:	atomic {
		d_step { vipc_endpoint_send(nonblock); unlocked() }
		if
		:: r == AGAIN -> goto send
		:: r == QUEUED -> goto asleep
		:: r == EAGAIN
		:: else -> goto over
		fi
	}
	/* poll: vipc_poll_cap(); with EDGE once, as EPOLL_CTL_ADD does */
	if
	:: EDGE && in -> goto polling
	:: else
	fi;
#ifdef MUT_look_before_queue
	atomic { is_polled = true; r = writable(me) }
	atomic { writers = writers | bit(me) }		/* poll_wait() */
	atomic {
		in = true;
		if
		:: r -> goto found
		:: else -> goto polling
		fi
	}
#else
	atomic { writers = writers | bit(me); in = true }	/* poll_wait() */
#endif
look:	atomic {
		is_polled = true;
		if
		:: writable(me) -> goto found
		:: else -> r = 0
		fi
	}
polling:
end_polling: atomic { is(told, me) -> told = told & ~bit(me); goto look }
found:	atomic {
		r = 0;
		if
		:: EDGE
		:: else -> writers = writers & ~bit(me); told = told & ~bit(me); in = false
		fi;
		goto send
	}

asleep:					/* vipc_endpoint_await() */
end_asleep: if
	:: atomic { finished(outcome[me]) -> r = outcome[me]; goto over }
	:: atomic { !finished(outcome[me]) && give > 0 ->	/* vipc_leave() */
		give--;
		d_step {
			if
			:: outcome[me] == QUEUED ->
				vipc_unqueue(me);
				r = EINTR
			:: else ->			/* delivered */
				server_of[me] = NONE;
				r = ECONNRESET
			fi;
			unlocked()
		}
		goto over
	   }
	fi;

over:	atomic {
		if
		:: r == OK -> sent = sent | bit(got[me])
		:: r == ECONNRESET			/* with VIPC_MSG_DELIVERED */
		:: else ->
			assert(!((kept | dropped) & bit(got[me])));
			undelivered = undelivered | bit(got[me])
		fi;
		writers = writers & ~bit(me);
		told = told & ~bit(me);
		outcome[me] = OK;
		in = false;
		r = 0
	}
}

/* vipc_put_msg() in vipc_receive(): the program has the message. */
inline keep()
{
	if
	:: got[me] <= NC ->
		assert(!((kept | undelivered | dropped) & bit(got[me])));
		kept = kept | bit(got[me]);
		if
		:: orphan[me] != NONE ->
			orphans = orphans & ~bit(orphan[me]);
			got[orphan[me]] = 0;
			orphan[me] = NONE
		:: else
		fi;
		op = got[me] - 1;
		if
		:: is_call(op) && server_of[op] == me ->	/* the reply */
			server_of[op] = NONE;
			vipc_op_finish(op, OK)
		:: else
		fi
	:: got[me] == NOTIFICATION -> assert((word[me] & ~given) == 0)
	:: got[me] == NOTICE ->
		assert(end_of[me] && !is(notices_kept[word[me]], end_of[me]));
		notices_kept[word[me]] = notices_kept[word[me]] | bit(end_of[me])
	fi;
	got[me] = 0;
	word[me] = 0;
	end_of[me] = 0
}

/* vipc_requeue() without the vipc_match() in it */
inline vipc_requeue(who)
{
	if
	:: who < NC && is(revoked, who) -> vipc_op_finish(who, EKEYREVOKED)
	:: !(who < NC && is(revoked, who)) && dead ->
		if
		:: is_orphan(who) ->			/* vipc_finish_queued() */
			dropped = dropped | bit(got[who]);
			orphans = orphans & ~bit(who);
			got[who] = 0
		:: else -> vipc_op_finish(who, EPIPE)
		fi
	:: else ->
		if
		:: who < NC -> outcome[who] = QUEUED
		:: else
		fi;
#ifdef MUT_turn_after_fault
		last_seq++;
		seq[who] = last_seq;
#else
		seq[who] = 0;
#endif
		add_head(queue, nr_queue, who);
		add_head(line, nr_line, got[who]);
		taken_back = taken_back | bit(got[who])
	fi
}

/* vipc_endpoint_take_back(), w: is there memory? */
inline vipc_endpoint_take_back()
{
	if
	:: got[me] >= NOTIFICATION -> vipc_pending_give_back(me)
	:: else ->
		op = orphan[me];
		orphan[me] = NONE;
		if
		:: is_call(got[me] - 1) ->		/* vipc_find_taken() */
			op = (server_of[got[me] - 1] == me -> got[me] - 1 : NONE);
			if
			:: op != NONE -> server_of[op] = NONE
			:: else
			fi
		:: !is_call(got[me] - 1) && op == NONE ->
			if
#ifndef MUT_fault_loses_message
			:: r -> dropped = dropped | bit(got[me])
#endif
			:: else ->			/* vipc_new_orphan() */
				op = NT;
				do
				:: is(orphans, op) -> op++
				:: else -> break
				od;
				assert(op < NO);
				orphans = orphans | bit(op);
				got[op] = got[me]
			fi
#ifdef MUT_fault_loses_message
			;
			orphans = orphans & ~bit(op);
			op = NONE
#endif
		:: else
		fi;
		if
		:: op != NONE -> vipc_requeue(op)
		:: else
		fi
	fi;
	got[me] = 0
}

/* RECV: vipc_receive(); or poll, and RECV with VIPC_NONBLOCK */
proctype server(byte me)
{
	byte r;
	bool mid, in;

receive: atomic {
		d_step { vipc_accept(is(READERS, me - NC)); unlocked() }
		if
		:: r == AGAIN -> goto receive
		:: r == OK -> goto has
		:: r == QUEUED -> goto asleep
		:: r == EAGAIN -> r = 0
		:: else -> goto gone
		fi
	}
	if					/* poll, as in client */
	:: EDGE && in -> goto polling
	:: else
	fi;
#ifdef MUT_look_before_queue
	atomic { is_polled = true; r = readable(me) }
	atomic { readers = readers | bit(me) }
	atomic {
		in = true;
		if
		:: r -> goto found
		:: else -> goto polling
		fi
	}
#else
	atomic { readers = readers | bit(me); in = true }
#endif
look:	atomic {
#ifndef MUT_never_polled
		is_polled = true;
#endif
		if
		:: readable(me) -> goto found
		:: else -> r = 0
		fi
	}
polling:
end_polling: atomic { is(told, me) -> told = told & ~bit(me); goto look }
found:	atomic {
		r = 0;
		if
		:: EDGE
		:: else -> readers = readers & ~bit(me); told = told & ~bit(me); in = false
		fi;
		goto receive
	}

asleep:					/* vipc_endpoint_await() */
end_asleep: atomic { outcome[me] != QUEUED ->
		r = outcome[me];
		outcome[me] = OK;
		if
		:: r == OK
		:: else -> goto gone
		fi
	}
has:	if
	:: d_step { keep(); r = 0 }
		goto receive
	:: atomic { faults > 0 ->		/* vipc_put_msg() fails */
		faults--;
		if
		:: true
		:: ooms > 0 && got[me] <= NC && orphan[me] == NONE -> ooms--; r = 1
		fi;
	   }
		goto give_back
	fi;
give_back: atomic {
		d_step {
			vipc_endpoint_take_back();
			vipc_match()
		}
		match_pieces(match);
		goto receive
	}
match:	atomic {
		d_step { vipc_match() }
		match_pieces(match);
		goto receive
	}
gone:	atomic {
		readers = readers & ~bit(me);
		told = told & ~bit(me);
		in = false;
		r = 0
	}
}

/* NOTIFY: vipc_endpoint_notify() */
proctype notifier(byte n)
{
	byte r;
	bool mid;

#ifdef MUT_edge_before_change
	atomic { vipc_poll_readable() }
#endif
	atomic {
		if
		:: dead -> goto gone
		:: else
		fi;
		d_step {
			vipc_pending_bits(bit(n));
#ifdef MUT_notify_without_match
			vipc_poll_readable()
#else
			vipc_match()
#endif
		}
		match_pieces(match);
		goto gone
	}
match:	atomic {
		d_step { vipc_match() }
		match_pieces(match)
	}
gone:	skip
}

/* DERIVE, close and REVOKE of a badge that is watched */
proctype watcher(byte b)
{
	byte r, n, mine;
	bool mid, child;

next:	if
	:: mine == 0 && n == ROUNDS -> goto gone
	:: atomic { mine == 0 && n < ROUNDS ->	/* vipc_endpoint_derive() */
		n++;
		if
		:: dead -> goto gone
		:: else
		fi;
		d_step { vipc_watch_begin(b); unlocked() }
		mine = 1;
		goto next
	   }
	:: atomic { mine == 1 && !child && !dead ->	/* from one that is watched */
#ifndef MUT_child_not_counted
		caps[b]++;
#endif
		child = true;
		mine = 2;
		goto next
	   }
	:: atomic { mine > 0 ->
		mine--;
		if
		:: d_step {			/* vipc_endpoint_close() */
			vipc_watch_end(b);
			vipc_match()
		   }
		:: d_step {			/* vipc_revoke_step(), and later the rest */
			vipc_watch_end(b);
			r = AGAIN
		   }
		fi;
		match_pieces(match);
		goto next
	   }
	fi;
match:	atomic {
		d_step {
#ifdef MUT_revoke_without_match
			r = OK
#else
			vipc_match()
#endif
		}
		match_pieces(match);
		goto next
	}
gone:	skip
}
