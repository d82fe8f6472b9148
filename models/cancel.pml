/* SPDX-License-Identifier: GPL-2.0 */
/*
 * One command of io_uring's: async.c and uring.c. Who submits it, who finishes it, its
 * timer, and all who cancel it, in any order. What an endpoint does with operations is
 * in vipc.pml; here is what is different if no thread waits.
 *
 * Granularity. What is done with the endpoint's lock is one step. What comes after the
 * lock was let go of, above all sending what was finished to its task, is another; so
 * are the timer and the worker that it starts, and each lock of the ring.
 *
 * What is checked:
 *  - it is finished once, sent at most once, completed once, and has one CQE (finish,
 *    send, complete);
 *  - it is not sent with the endpoint's lock held (send);
 *  - nobody touches it after it was freed (alive);
 *  - who waits for a reply that is being copied stays (answered);
 *  - when nothing more happens: what was finished was completed; if somebody cancelled
 *    it, or its deadline passed, it has ended; and a message was kept by it, or by the
 *    endpoint, and not by both (judge).
 *
 * What receives bytes may have to pass a message over, and to wait for the next one: so
 * often as PASSES says. The next one may be there at once, or the receive fail.
 */

#ifndef CALLER
#define CALLER 1	/* 0: a receiver, 1: a caller, which may be claimed */
#endif
#ifndef PASSES
#define PASSES 0	/* messages of a receiver that nobody can have */
#endif
#ifndef CLAIMS
#define CLAIMS 2	/* replies that begin to be copied and are given up */
#endif

/* Outcomes; those above are how it has ended. */
#define NEW		0
#define QUEUED		1
#define IN_SERVICE	2
#define ANSWERED	3
#define OK		4
#define ECANCELED	5
#define ETIMEDOUT	6
#define EPIPE		7
#define finished	(outcome >= OK)

byte outcome = NEW;
byte why;			/* 0: none */
bool alive = true;
bool locked;			/* the endpoint's lock: what is not one step */
bool ring;			/* the ring's lock is held */
bool listed;			/* endpoint->finished has it */
bool indexed;			/* cap->async has it */
bool sent;
bool completed;
byte cqes;
bool armed;			/* the timer */
bool queued_work;
bool working;
bool deadline;			/* it has one; constant */
bool dying;			/* the ring is being closed */
bool cancelled;			/* somebody did, hence it ends */
bool late;			/* its deadline has passed */
bool got;			/* a receiver: it has a message */
bool taken;			/* which it may pass over */
bool queued;			/* in endpoint->receivers, or ->senders */
bool begun;
bool submitted;
bool closed;			/* since it has begun */
byte passes = PASSES;
bool given_back;
bool kept;

/* vipc_async_finish(); the lock is held */
inline finish(how)
{
	assert(alive && !finished && !listed);
	outcome = how;
	queued = false;
#ifdef MUT_taken_is_not_found
	indexed = false;
#else
	taken = how == OK && PASSES > 0;
	if
	:: !taken -> indexed = false
	:: else
	fi;
#endif
	listed = true
}

/* vipc_endpoint_unlock(): what is on the list is ours to send */
inline unlock_list(mine)
{
	mine = listed;
	listed = false
}

inline send(mine)
{
	if
	:: mine -> atomic {
		assert(alive && !locked && !sent);
		sent = true;
		mine = false
	   }
	:: else
	fi
}

/* vipc_async_end() */
inline end(how, ret)
{
	assert(alive);
	if
#ifdef MUT_end_whatever
	:: outcome >= QUEUED -> outcome = NEW; listed = false; finish(how); ret = true
#endif
#ifdef MUT_end_answered
	:: outcome == ANSWERED -> finish(how); ret = true
#endif
#ifdef MUT_end_taken
	:: outcome == QUEUED || outcome == IN_SERVICE ->
#else
	:: taken -> why = how; ret = true
	:: !taken && (outcome == QUEUED || outcome == IN_SERVICE) ->
#endif
		assert(queued || outcome == IN_SERVICE);
		finish(how);
		ret = true
	:: outcome == ANSWERED -> why = how; ret = true
	:: else -> ret = false
	fi
}

/* vipc_async_wait() */
inline wait(mine, ret)
{
	atomic { assert(alive); armed = deadline }
	atomic {
		assert(alive);
		if
		:: !finished ->
			taken = false;
			if
#ifndef MUT_wait_blindly
			:: why -> end(why, ret)
#endif
			:: else
			fi
		:: else
		fi;
#ifdef MUT_insert_blindly
		indexed = true;
#else
		indexed = !finished || taken;
#endif
		unlock_list(mine)
	}
	send(mine);
#ifndef MUT_closed_unseen
	atomic {				/* vipc_closed_meanwhile() */
		if
		:: closed -> end(ECANCELED, ret)
		:: else
		fi;
		unlock_list(mine)
	}
	send(mine)
#endif
}

/* vipc_async_result(), which ends it */
inline result()
{
	atomic {
		if
		:: got && dying ->		/* vipc_nobody_left() */
#ifndef MUT_drop_message
			given_back = true
#endif
		:: got && !dying ->
			if
			:: kept = true
			:: given_back = true	/* its memory faults */
			fi
		:: else
		fi;
		if
#ifndef MUT_stay_indexed
		:: taken -> indexed = false	/* vipc_async_forget() */
#endif
		:: else
		fi;
		if
		:: outcome == QUEUED -> outcome = OK	/* never queued again */
		:: else
		fi;
		alive = false;			/* kfree() */
		completed = true;
		cqes++;
		assert(cqes == 1)
	}
}

/* vipc_async_complete(), with the ring's lock */
inline complete(mine, ret)
{
	assert(alive && finished && !completed);
#ifndef MUT_leave_timer
	/* vipc_async_end_timer(): hrtimer_cancel(), cancel_work_sync() */
	atomic { armed = false }
	atomic { !working -> queued_work = false }
#endif
	do
	:: atomic { passes && got && !dying ->
		passes--;			/* vipc_async_keep_x() */
		got = false;
		sent = false;
		outcome = QUEUED		/* vipc_op_init() */
	   }
	   if
	   :: atomic { why -> outcome = why }
	      result();
	      break
	   :: !why ->
	      if				/* vipc_endpoint_receive() */
	      :: atomic { queued = true }
		 wait(mine, ret);
		 break
	      :: got = true
	      :: atomic { true -> outcome = EPIPE }
		 result();
		 break
	      fi
	   fi
	:: true ->
	   result();
	   break
	od
}

/* vipc_async_submit() */
active proctype submitter()
{
	bool mine, ret;

	atomic { !ring -> ring = true }
	atomic { if :: deadline = true :: skip fi; begun = true }
	/* vipc_endpoint_send(), vipc_endpoint_receive() */
	atomic {
		if
		:: outcome = QUEUED; queued = true
		:: CALLER -> outcome = IN_SERVICE
		fi
	}
#ifdef MUT_unlocked_submit
	ring = false;
#endif
	wait(mine, ret);
	submitted = true;
	ring = false
}

/* A peer: RECV and REPLY, or SEND */
active proctype peer()
{
	bool mine;
	byte claims = CLAIMS;

	do
	:: true -> break				/* it never comes to it */
	:: atomic { CALLER && queued -> queued = false; outcome = IN_SERVICE }
	:: atomic { !CALLER && queued ->
		got = true;
		finish(OK);
#ifdef MUT_send_locked
		locked = true;
		mine = listed;
		listed = false
	   }
	   send(mine);
	   locked = false
#else
		unlock_list(mine)
	   }
	   send(mine)
#endif
	:: atomic { queued ->			/* revoked, or the endpoint is dead */
		finish(EPIPE);
		unlock_list(mine)
	   }
	   send(mine)
	:: atomic { CALLER && outcome == IN_SERVICE ->	/* vipc_answer() */
		finish(OK);
		unlock_list(mine)
	   }
	   send(mine);
	   break
	:: atomic { CALLER && outcome == IN_SERVICE && claims > 0 ->
		claims--;
		outcome = ANSWERED		/* vipc_endpoint_claim() */
	   }
	   if
	   :: atomic { assert(alive && outcome == ANSWERED);	/* vipc_answer_cargo() */
		finish(OK);
		unlock_list(mine)
	      }
	      send(mine);
	      break
	   :: atomic { assert(alive && outcome == ANSWERED);	/* vipc_endpoint_unclaim() */
		outcome = IN_SERVICE;
#ifndef MUT_forget_why
		if				/* vipc_async_rouse() */
		:: why -> finish(why)
		:: else
		fi;
#endif
		unlock_list(mine)
	      }
	      send(mine)
	   fi
	od
}

/* vipc_async_timer(), vipc_async_late() */
active proctype timer()
{
	bool mine, ret;

end_timer:
	do
	:: atomic { armed -> armed = false; queued_work = true; late = true }
	:: atomic { queued_work -> queued_work = false; working = true }
	   atomic {
		end(ETIMEDOUT, ret);
		unlock_list(mine)
	   }
	   send(mine);
	   working = false
	od
}

/*
 * VIPC_URING_CANCEL: vipc_async_cancel(), by the task that submits, or by a worker without
 * the ring's lock. Whatever it says, it is over with the command.
 */
active proctype canceller()
{
	bool mine, ret, worker;

	if
	:: true -> goto over			/* nobody does */
	:: atomic { !ring && outcome != NEW -> ring = true }
	:: atomic { submitted -> worker = true }
	fi;
	atomic {
		if
		:: indexed -> end(ECANCELED, ret); assert(ret)
		:: else
		fi;
		cancelled = true;
		unlock_list(mine)
	}
	send(mine);
	if
	:: !worker -> ring = false
	:: worker
	fi;
over:	skip
}

/* close(): vipc_async_flush() has no lock of the ring's */
active proctype closer()
{
	bool mine, ret;

	if
	:: true
	:: atomic { begun -> closed = true }
	   atomic {
		if
		:: indexed ->
			end(ECANCELED, ret);
			indexed = indexed && !taken
		:: else
		fi;
		cancelled = true;
		unlock_list(mine)
	   }
	   send(mine)
	fi
}

/* The end of the ring: IO_URING_F_CANCEL until there is nothing left */
active proctype ender()
{
	bool mine, ret;

	if
	:: true -> goto over			/* it stays */
	:: atomic { !ring && outcome != NEW -> dying = true }
	fi;
again:	atomic { !ring -> ring = true }
	if
	:: completed -> ring = false; goto over
	:: else
	fi;
	atomic {				/* vipc_async_abort() */
		end(ECANCELED, ret);
		unlock_list(mine)
	}
	if
	:: mine ->
#ifndef MUT_abort_sends_too
		mine = false;
#endif
		complete(mine, ret)
	:: true					/* only its submitter may complete it */
	fi;
	send(mine);
	ring = false;
	goto again;
over:	skip
}

/* vipc_async_complete(): task work */
active proctype completion()
{
	bool mine, ret;

end_completion:
	do
#ifdef MUT_unlocked_complete
	:: atomic { sent && !completed -> skip }
#else
	:: atomic { sent && !completed && !ring -> ring = true }
#endif
	   complete(mine, ret);
	   ring = false
	od
}

/* When nothing more happens */
active proctype judge()
{
end_judge:
	timeout ->
	assert(!listed);
	assert(finished == completed && completed == (cqes == 1));
	assert(!cancelled || completed);
	assert(!dying || completed);
	assert(!late || completed);
	assert(!got || kept + given_back == 1);
	assert(got || !(kept || given_back));
	assert(!ring && !working)
}
