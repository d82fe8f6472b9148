// SPDX-License-Identifier: GPL-2.0
/*
 * The hand-off: who delivers to whom, who waits, and who leaves.
 */
#include <linux/lockdep.h>
#include <linux/sched/signal.h>
#include <linux/slab.h>

#include "vipc/capability.h"
#include "vipc/endpoint.h"
#include "vipc/queue.h"
#include "vipc/stats.h"

/* How many receivers are looked at to find one that is awake. */
#define VIPC_LOOK_AT	8

/**
 * vipc_awake_receiver() - find a receiver to which a message costs no wake-up
 * @asleep: the first one, which sleeps
 *
 * Context: the endpoint's lock is held.
 * Return: one that is awake, if there is one among the next few, or @asleep.
 */
struct vipc_op *vipc_awake_receiver(struct vipc_op *asleep)
{
	struct vipc_op *op = asleep;
	int i;

	lockdep_assert_held(&asleep->cap->endpoint->lock);
	for (i = 1; i < VIPC_LOOK_AT; i++) {
		op = hlist_entry_safe(op->stack.next, struct vipc_op, stack);
		if (!op)
			break;
		if (!vipc_asleep(op->task))
			return op;
	}
	return asleep;
}

static int vipc_may_send(const struct vipc_cap *cap)
{
	int err = vipc_cap_check(cap, VIPC_RIGHT_SEND);

	return likely(!err) && unlikely(cap->endpoint->dead) ? -EPIPE : err;
}

/* The same, of a request with so many bytes and descriptors. */
static int vipc_may_send_cargo(const struct vipc_cap *cap, u32 len, u32 nr_fds)
{
	const struct vipc_endpoint *ep = cap->endpoint;
	int err = 0;

	if (nr_fds)
		err = vipc_cap_check(cap, VIPC_RIGHT_SEND | VIPC_RIGHT_GRANT);
	if (!err)
		err = vipc_may_send(cap);
	if (!err && (len > ep->max_len || nr_fds > ep->max_fds))
		err = -EMSGSIZE;
	return err;
}

/* The same, of a request that may carry some. */
static noinline int vipc_may_request(const struct vipc_op *op)
{
	const struct vipc_cargo *cargo = op->x->cargo;

	return vipc_may_send_cargo(op->cap, cargo ? cargo->len : 0,
				   cargo ? cargo->nr_fds : 0);
}

/**
 * vipc_endpoint_may_send() - would a request be let in?
 * @cap: the capability that it would go through
 * @len: how many bytes it would carry
 * @nr_fds: how many descriptors it would carry
 *
 * Context: takes the endpoint's lock.
 * Return: 0, -EKEYREVOKED, -EACCES, -EPIPE or -EMSGSIZE; it may change at any
 * moment.
 */
int vipc_endpoint_may_send(struct vipc_cap *cap, u32 len, u32 nr_fds)
{
	int err;

	spin_lock(&cap->endpoint->lock);
	err = vipc_may_send_cargo(cap, len, nr_fds);
	spin_unlock(&cap->endpoint->lock);
	return err;
}

static noinline void vipc_end_revoked(struct vipc_endpoint *ep,
				      struct vipc_op *op)
	__must_hold(&ep->lock)
{
	vipc_unqueue(ep, op);
	vipc_op_finish(op, -EKEYREVOKED);
	vipc_breathe(ep);
}

/*
 * Ends an operation that waits for its peer, if its capability was revoked: then
 * the lock was let go of, and everything has to be looked at again.
 *
 * A revocation sets the state first and then ends what is queued, a batch at a
 * time. Who meets such an operation in between must not deal with it, and ends
 * it in the revocation's place.
 */
static __always_inline bool vipc_evict(struct vipc_endpoint *ep,
				       struct vipc_op *op)
{
	if (likely(!vipc_op_revoked(op)))
		return false;
	vipc_end_revoked(ep, op);
	return true;
}

/* What comes first does not fit: its receiver is told, and it stays there. */
static noinline void vipc_refuse(struct vipc_endpoint *ep,
				 struct vipc_op *receiver)
	__must_hold(&ep->lock)
{
	vipc_pop_receiver(ep, receiver);
	vipc_op_finish(receiver, -EMSGSIZE);
	vipc_breathe(ep);
}

/* A SEND that is in service waits until its receiver has unpacked it. */
static bool vipc_is_taken(const struct vipc_op *op)
{
	return op->role == VIPC_SENDER && op->outcome == VIPC_IN_SERVICE;
}

/* No receiver waits: keeps the message, or lets its thread wait. */
static int vipc_enqueue(struct vipc_endpoint *ep, struct vipc_op *op,
			bool nonblock)
{
	struct list_head *queue = &ep->senders;
	int err = -EINPROGRESS;

	if (ep->pending.depth && op->role == VIPC_SENDER && !op->x) {
		queue = &ep->pending.blocked;
		if (vipc_keep(ep, op))
			err = 0;
	}
	if (err && nonblock)
		return -EAGAIN;
	if (err)
		vipc_queue_sender(ep, op, queue);
	vipc_poll_readable(ep);
	return err;
}

/**
 * vipc_endpoint_send() - deliver a request, or queue it
 * @op: the request, of a sender or caller, with its badge in @op->msg
 * @nonblock: do not queue
 *
 * Context: takes the endpoint's lock.
 * Return:
 * * 0			- delivered or kept: a SEND has finished; a CALL is in service
 * * -EINPROGRESS	- queued, or being unpacked: vipc_endpoint_await() tells
 * * -EKEYREVOKED, -EACCES, -EPIPE, -EMSGSIZE, -EAGAIN - refused, nothing has
 *   happened
 * * -ERESTARTSYS, or -EINTR for a command: likewise, a signal came while receivers
 *   without room were told
 */
int vipc_endpoint_send(struct vipc_op *op, bool nonblock)
{
	struct vipc_endpoint *ep = op->cap->endpoint;
	const bool plain = !op->x;
	struct vipc_op *receiver;
	int err;

	spin_lock(&ep->lock);
	for (;;) {
		err = likely(plain) ? vipc_may_send(op->cap) :
				      vipc_may_request(op);
		if (unlikely(err))
			goto out;
		receiver = vipc_warmest_receiver(ep);
		if (!receiver)
			break;
		if (unlikely(vipc_evict(ep, receiver)))
			continue;
		if (likely(plain) || vipc_fits(op, receiver))
			break;
		vipc_refuse(ep, receiver);
		/* They may come as fast as they are refused. */
		if (op->async ? fatal_signal_pending(current) :
				signal_pending(current)) {
			err = op->async ? -EINTR : -ERESTARTSYS;
			goto out;
		}
	}
	if (unlikely(!receiver)) {
		err = vipc_enqueue(ep, op, nonblock);
		goto out;
	}

	/* Point of no return: from here on nothing can fail. */
	vipc_pop_receiver(ep, receiver);
	vipc_hand_over(ep, op, receiver);
	if (op->role == VIPC_CALLER)
		vipc_op_expect(op, receiver->task, &ep->for_reply);
	else if (unlikely(vipc_is_taken(op)))
		err = -EINPROGRESS;
	vipc_op_finish(receiver, 0);
	op->fast = true;
out:
	vipc_endpoint_unlock(ep);
	return err;
}

/* Delivers a request that was queued; both are off their queues. */
static void vipc_deliver(struct vipc_endpoint *ep, struct vipc_op *sender,
			 struct vipc_op *receiver)
{
	ep->pending.heard = false;
	vipc_hand_over(ep, sender, receiver);
	if (sender->role == VIPC_SENDER && !vipc_is_taken(sender))
		vipc_op_finish(sender, 0);
	else if (sender->role == VIPC_ORPHAN)
		receiver->carrier = sender;
}

/* Ends the first SEND that waits for a slot if its capability was revoked. */
static bool vipc_evict_blocked(struct vipc_endpoint *ep)
{
	struct vipc_op *blocked = vipc_first_blocked(ep);

	return blocked && vipc_evict(ep, blocked);
}

/*
 * Gives @op what is pending or the first request, or lets it wait for one, most
 * likely from @client, which may be NULL.
 */
static int vipc_accept(struct vipc_endpoint *ep, struct vipc_op *op,
		       bool nonblock, struct task_struct *client)
{
	struct vipc_op *sender;
	u32 extras;

	for (;;) {
		int err = vipc_cap_check(op->cap, VIPC_RIGHT_RECV);

		if (unlikely(err))
			return err;
		if (unlikely(ep->dead))
			return -EPIPE;
		sender = vipc_first_sender(ep);
		extras = ep->extras;
		if (unlikely(extras & VIPC_HAS_PENDING)) {
			if (!vipc_evict_blocked(ep)) {
				if (vipc_pending_take(ep, op))
					return 0;
				if (!sender || !vipc_evict(ep, sender))
					break;
			}
		} else if (!sender || likely(!vipc_evict(ep, sender))) {
			break;
		}
		/* The lock was let go of: who was answered may have ended. */
		client = NULL;
	}
	if (!sender) {
		if (nonblock)
			return -EAGAIN;
		vipc_push_receiver(ep, op);
		if (unlikely(extras))
			vipc_poll_writable(ep);
		if (likely(client))
			vipc_op_expect(op, client, &ep->for_request);
		return -EINPROGRESS;
	}

	if (unlikely(!vipc_fits(sender, op)))
		return -EMSGSIZE;
	vipc_dequeue_sender(ep, sender);
	vipc_deliver(ep, sender, op);
	return 0;
}

/* Answers with more than words, in the room of the caller or with a cargo. */
static noinline struct task_struct *
vipc_answer_cargo(struct vipc_endpoint *ep, struct vipc_cap *server,
		  const struct vipc_msg *reply, struct vipc_xop *x)
{
	struct vipc_op *caller = x->claimed;
	struct task_struct *client;

	if (!caller) {
		int err = vipc_may_answer(server, reply->reply, x, &caller);

		if (err)
			return ERR_PTR(err);
		vipc_leave_service(ep, caller);
	}
	caller->x->cargo = x->reply;
	caller->x->received = x->reply_len;
	x->reply = NULL;
	x->claimed = NULL;
	client = caller->task;
	vipc_transfer(&caller->msg, reply, 0, 0);
	vipc_op_finish(caller, 0);
	ep->replied++;
	return client;
}

/*
 * Answers the call that @reply->reply names, if @server has taken it, and tells
 * whose it was: a thread that is there until the lock is let go of; or an ERR_PTR.
 */
static __always_inline struct task_struct *
vipc_answer(struct vipc_endpoint *ep, struct vipc_cap *server,
	    const struct vipc_msg *reply, struct vipc_xop *x)
{
	struct task_struct *client;
	struct vipc_op *caller;
	int err;

	if (unlikely(x && (x->reply_len || x->reply_fds)))
		return vipc_answer_cargo(ep, server, reply, x);
	err = vipc_cap_check(server, VIPC_RIGHT_RECV);
	if (unlikely(err))
		return ERR_PTR(err);
	caller = vipc_find_caller(server, reply->reply);
	if (unlikely(!caller))
		return ERR_PTR(-ESRCH);
	client = caller->task;
	vipc_transfer(&caller->msg, reply, 0, 0);
	vipc_end_service(ep, caller, 0);
	ep->replied++;
	return client;
}

/**
 * vipc_endpoint_reply() - answer a call
 * @server: the capability that took the call
 * @reply: the reply, with the call's token
 * @x: its bytes and descriptors, or NULL
 *
 * Context: takes the endpoint's lock.
 * Return: 0, or with nothing changed -EKEYREVOKED, -EACCES, -ESRCH: nobody waits on
 * this token, or -EMSGSIZE.
 */
int vipc_endpoint_reply(struct vipc_cap *server, const struct vipc_msg *reply,
			struct vipc_xop *x)
{
	struct vipc_endpoint *ep = server->endpoint;
	struct task_struct *client;

	spin_lock(&ep->lock);
	client = vipc_answer(ep, server, reply, x);
	vipc_endpoint_unlock(ep);
	return PTR_ERR_OR_ZERO(client);
}

/**
 * vipc_endpoint_receive() - take the first request, or wait for one
 * @op: a receiver
 * @nonblock: do not wait
 * @replied: NULL, or answer the call that @op->msg.reply names first, and say
 *	here whether that was done
 *
 * Context: takes the endpoint's lock.
 * Return:
 * * 0			- @op->msg is a message, @op->carrier may be set
 * * -EINPROGRESS	- none yet: vipc_endpoint_await() tells
 * * -EKEYREVOKED, -EACCES, -ESRCH - nothing has happened
 * * -EPIPE, -EAGAIN, -EMSGSIZE	- nothing was received; see @replied
 */
int vipc_endpoint_receive(struct vipc_op *op, bool nonblock, bool *replied)
{
	struct vipc_endpoint *ep = op->cap->endpoint;
	struct task_struct *client = NULL;
	int err;

	spin_lock(&ep->lock);
	if (replied) {
		client = vipc_answer(ep, op->cap, &op->msg, op->x);
		if (IS_ERR(client)) {
			err = PTR_ERR(client);
			goto out;
		}
		*replied = true;
	}
	err = vipc_accept(ep, op, nonblock, client);
out:
	vipc_endpoint_unlock(ep);
	return err;
}

/*
 * Leaves an operation that did not finish in time, if that is still so: it may
 * have finished, or it may have been delivered since and be one that a signal
 * does not end then.
 */
static bool vipc_leave(struct vipc_op *op, int why)
{
	struct vipc_endpoint *ep = op->cap->endpoint;
	bool left = true;

	spin_lock(&ep->lock);
	if (op->outcome == VIPC_QUEUED)
		vipc_unqueue(ep, op);
	else if (op->outcome == VIPC_IN_SERVICE &&
		 (why != -EINTR ||
		  signal_pending_state(op->service_state, current)))
		vipc_leave_service(ep, op);
	else
		left = false;
	vipc_endpoint_unlock(ep);
	return left;
}

/**
 * vipc_endpoint_abandon() - give an operation up, or find out that it goes on
 * @op: of the current thread, queued or in service
 * @why: what vipc_op_park() said
 *
 * Context: may sleep, if there is more to wait for.
 * Return: as vipc_endpoint_await().
 */
int vipc_endpoint_abandon(struct vipc_op *op, int why)
{
	do {
		if (!vipc_leave(op, why))
			continue;
		/* What was delivered is not sent twice behind one's back. */
		return why == -EINTR && !op->delivered ? -ERESTARTSYS : why;
	} while ((why = vipc_op_park(op)));
	return op->outcome;
}

/**
 * vipc_finish_queued() - end a request that nobody will receive
 * @op: the request, off its queue
 * @outcome: a negative errno for its sender; the message of an orphan, which
 *	has none, is lost, and counted
 *
 * Context: the endpoint's lock is held.
 */
void vipc_finish_queued(struct vipc_op *op, int outcome)
{
	if (op->role != VIPC_ORPHAN) {
		vipc_op_finish(op, outcome);
		return;
	}
	vipc_count(VIPC_DROPPED);
	kfree(op);
}

/* Gives a receiver the first of what waits, for which it may have no room. */
static void vipc_serve(struct vipc_endpoint *ep, struct vipc_op *receiver)
{
	struct vipc_op *sender = vipc_first_sender(ep);
	int outcome = 0;

	vipc_pop_receiver(ep, receiver);
	if (!(ep->extras & VIPC_HAS_PENDING) ||
	    !vipc_pending_take(ep, receiver)) {
		if (vipc_fits(sender, receiver)) {
			vipc_dequeue_sender(ep, sender);
			vipc_deliver(ep, sender, receiver);
		} else {
			outcome = -EMSGSIZE;
		}
	}
	vipc_op_finish(receiver, outcome);
}

/*
 * Ends a request that may not wait, and was taken back when nobody else waits for
 * it. Those that were taken back are at the head: as many at most as threads have
 * received at once.
 */
static bool vipc_turn_away(struct vipc_endpoint *ep)
{
	struct vipc_op *op;

	list_for_each_entry(op, &ep->senders, queue) {
		if (op->seq)
			break;
		if (op->role != VIPC_ORPHAN && op->msg.flags & VIPC_NONBLOCK) {
			vipc_dequeue_sender(ep, op);
			vipc_op_finish(op, -EAGAIN);
			return true;
		}
	}
	return false;
}

/**
 * vipc_match() - bring those together that wait for each other
 * @ep: the endpoint
 *
 * That is needed after a message was taken back, and when something is pending that
 * no thread waits with. What may not be queued does not stay so.
 *
 * Context: the endpoint's lock is held, and let go of in between.
 */
void vipc_match(struct vipc_endpoint *ep)
	__must_hold(&ep->lock)
{
	struct vipc_op *sender = NULL, *receiver;
	unsigned int steps = 0;

	/* Who ends the endpoint meanwhile ends those who wait, too. */
	while (!ep->dead) {
		sender = vipc_first_sender(ep);
		receiver = vipc_first_receiver(ep);
		if (receiver && (sender || ep->extras & VIPC_HAS_PENDING)) {
			if (vipc_evict(ep, receiver) ||
			    (sender && vipc_evict(ep, sender)) ||
			    vipc_evict_blocked(ep))
				continue;
			vipc_serve(ep, receiver);
		} else if (receiver || !vipc_turn_away(ep)) {
			break;
		}
		if (!(++steps % VIPC_BATCH))
			vipc_breathe(ep);
	}
	if (!ep->dead && (sender || ep->extras & VIPC_HAS_PENDING))
		vipc_poll_readable(ep);
}

/**
 * vipc_endpoint_notify() - send bits to whoever receives next
 * @cap: the capability to send through
 * @bits: to be ORed to those that were not received yet
 *
 * Context: takes the endpoint's lock.
 * Return: 0, -EKEYREVOKED, -EACCES or -EPIPE.
 */
int vipc_endpoint_notify(struct vipc_cap *cap, u64 bits)
{
	struct vipc_endpoint *ep = cap->endpoint;
	int err;

	spin_lock(&ep->lock);
	err = vipc_may_send(cap);
	if (!err) {
		vipc_pending_bits(ep, bits);
		vipc_match(ep);
	}
	vipc_endpoint_unlock(ep);
	return err;
}
