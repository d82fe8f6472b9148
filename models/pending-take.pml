/* SPDX-License-Identifier: GPL-2.0 */
/*
 * What is pending, in the model: pending.c. Part of pending.pml.
 */

inline vipc_pending_changed()
{
	has_pending = (bits || count || nr_notices)
}

/* vipc_tell(), of a notification */
inline vipc_tell_bits(to)
{
	assert(bits == (notified & ~given));
	given = given | bits;
	overtaken = overtaken + (nr_queue + count > 0);
	assert(overtaken <= 1);
	got[to] = NOTIFICATION;
	word[to] = bits;
#ifndef MUT_bits_stay
	bits = 0;
#endif
#ifndef MUT_never_heard
	heard = true
#endif
}

/* vipc_tell(), of a notice */
inline vipc_tell_notice(to)
{
	y = notices[0];
	assert(caps[y] == 0);
	x = 1;				/* it was closed before the others */
	do
	:: x < nr_notices -> assert(nth[notices[x]] > nth[y] || FAULTS > 1); x++
	:: else -> break
	od;
	remove(notices, nr_notices, y);
	in_tree = in_tree & ~bit(y);
	got[to] = NOTICE;
	word[to] = y;
	end_of[to] = nth[y];
	nth[y] = 0
}

inline vipc_fill_slot(m, turn)
{
	ring[count] = m;
	ring_seq[count] = turn;
	count++
}

inline vipc_empty_slot(to)
{
	in_turn(ring[0]);
	got[to] = ring[0];
	x = 0;
	do
	:: x + 1 < count -> ring[x] = ring[x + 1]; ring_seq[x] = ring_seq[x + 1]; x++
	:: else -> break
	od;
	count--;
	ring[count] = 0;
	ring_seq[count] = 0;
	heard = false;
	if
	:: nr_blocked == 0 ->
#ifndef MUT_slot_without_edge
		vipc_poll_writable()
#else
		skip
#endif
	:: else ->
#ifndef MUT_slot_stays_free
#ifdef MUT_last_gets_slot
		y = blocked[nr_blocked - 1];
#else
		y = blocked[0];
#endif
		assert(!is(revoked, y));
#ifdef MUT_new_turn
		last_seq++;
		vipc_fill_slot(got[y], last_seq);
#else
		vipc_fill_slot(got[y], seq[y]);
#endif
		vipc_dequeue_sender(y, blocked, nr_blocked);
		vipc_op_finish(y, OK)
#else
		skip
#endif
	fi
}

#ifdef MUT_ring_first
#define vipc_kept_is_next()	(count > 0)
#else
#define vipc_kept_is_next()	(count > 0 && (nr_queue == 0 || ring_seq[0] < seq[queue[0]]))
#endif

/* z: has it taken something? */
inline vipc_pending_take(to)
{
	assert(!dead && !is(revoked, to));
	z = true;
	if
	:: bits && !(heard && (nr_queue > 0 || count > 0)) -> vipc_tell_bits(to)
	:: else ->
		if
		:: nr_notices > 0 -> vipc_tell_notice(to)
		:: nr_notices == 0 && vipc_kept_is_next() -> vipc_empty_slot(to)
		:: else -> z = false
		fi
	fi;
	vipc_pending_changed()
}

/* vipc_pending_bits() */
inline vipc_pending_bits(b)
{
	bits = bits | b;
	notified = notified | b;
	vipc_pending_changed()
}

/* vipc_watch_begin(): the badge has one more */
inline vipc_watch_begin(b)
{
	if
#ifdef MUT_watch_forgets_notice
	:: false
#else
	:: is(in_tree, b) && caps[b] == 0 ->
		remove(notices, nr_notices, b);		/* withdrawn */
		nth[b] = 0;
		vipc_pending_changed()
#endif
	:: else
	fi;
	in_tree = in_tree | bit(b);
	caps[b]++
}

inline vipc_watch_end(b)
{
	assert(is(in_tree, b) && caps[b] > 0);
	caps[b]--;
	if
#ifdef MUT_notice_for_each
	:: nr_notices <= BADGES ->
#else
	:: caps[b] == 0 ->
#endif
		nr_ends++;
		ends[b] = nr_ends;
		nth[b] = nr_ends;
#ifdef MUT_notice_to_head
		add_head(notices, nr_notices, b);
#else
		add_tail(notices, nr_notices, b);
#endif
#ifndef MUT_watch_without_change
		vipc_pending_changed()
#endif
	:: else
	fi
}

/* By a receiver that faults. */
inline vipc_pending_give_back(to)
{
	if
	:: got[to] == NOTIFICATION ->
#ifndef MUT_fault_loses_bits
		bits = bits | word[to];
#endif
		given = given & ~word[to]
	:: got[to] == NOTICE ->
		y = word[to];
#ifdef MUT_fault_loses_notice
		skip
#else
		if
#ifndef MUT_give_back_blindly
		:: is(in_tree, y)	/* kfree() */
#endif
		:: else ->
			in_tree = in_tree | bit(y);
			nth[y] = end_of[to];
			add_head(notices, nr_notices, y)
		fi
#endif
	fi;
	word[to] = 0;
	end_of[to] = 0;
	vipc_pending_changed()
}

/* vipc_drop_kept() */
inline vipc_drop_kept()
{
	do
	:: count > 0 ->
		count--;
#ifndef MUT_death_forgets_ring
		dropped = dropped | bit(ring[count]);
#endif
		ring[count] = 0;
		ring_seq[count] = 0
	:: else -> break
	od;
	vipc_pending_changed()
}
