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

/**
 * vipc_search_caller() - find a caller in service that is not the latest
 * @server: the capability that took the call
 * @token: its reply token
 *
 * Context: the endpoint's lock is held.
 * Return: the caller, or NULL.
 */
struct vipc_op *vipc_search_caller(struct vipc_cap *server, u64 token)
{
	struct rb_node *node = server->in_service.rb_node;

	lockdep_assert_held(&server->endpoint->lock);
	while (node) {
		struct vipc_op *caller = vipc_caller(node);

		if (token == caller->token)
			return caller;
		node = token < caller->token ? node->rb_left : node->rb_right;
	}
	return NULL;
}

/**
 * vipc_index_caller() - make room for another latest caller
 * @server: the capability that took the call
 * @caller: a caller in service, in no tree
 *
 * Context: the endpoint's lock is held.
 */
void vipc_index_caller(struct vipc_cap *server, struct vipc_op *caller)
{
	struct rb_node **link = &server->in_service.rb_node, *parent = NULL;

	lockdep_assert_held(&server->endpoint->lock);
	while (*link) {
		parent = *link;
		link = caller->token < vipc_caller(parent)->token ?
		       &parent->rb_left : &parent->rb_right;
	}
	rb_link_node(&caller->service, parent, link);
	rb_insert_color(&caller->service, &server->in_service);
}

static int vipc_may_send(const struct vipc_cap *cap)
{
	int err = vipc_cap_check(cap, VIPC_RIGHT_SEND);

	return likely(!err) && unlikely(cap->endpoint->dead) ? -EPIPE : err;
}

/**
 * vipc_endpoint_may_send() - would a request be let in?
 * @cap: the capability that it would go through
 *
 * Context: takes the endpoint's lock.
 * Return: 0, -EKEYREVOKED, -EACCES or -EPIPE; it may change at any moment.
 */
int vipc_endpoint_may_send(struct vipc_cap *cap)
{
	int err;

	spin_lock(&cap->endpoint->lock);
	err = vipc_may_send(cap);
	spin_unlock(&cap->endpoint->lock);
	return err;
}

static noinline void vipc_end_revoked(struct vipc_endpoint *ep,
				      struct vipc_op *op)
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

/**
 * vipc_endpoint_send() - deliver a request, or queue it
 * @op: the request, of a sender or caller, with its badge in @op->msg
 * @nonblock: do not queue
 *
 * Context: takes the endpoint's lock.
 * Return:
 * * 0			- delivered: a SEND has finished, a CALL is in service
 * * -EINPROGRESS	- queued: vipc_endpoint_await() tells
 * * -EKEYREVOKED, -EACCES, -EPIPE, -EAGAIN - refused, nothing has happened
 */
int vipc_endpoint_send(struct vipc_op *op, bool nonblock)
{
	struct vipc_endpoint *ep = op->cap->endpoint;
	struct vipc_op *receiver;
	int err;

	spin_lock(&ep->lock);
	do {
		err = vipc_may_send(op->cap);
		if (unlikely(err))
			goto out;
		receiver = vipc_warmest_receiver(ep);
	} while (receiver && unlikely(vipc_evict(ep, receiver)));
	if (unlikely(!receiver)) {
		err = -EAGAIN;
		if (!nonblock) {
			vipc_queue_sender(ep, op);
			err = -EINPROGRESS;
		}
		goto out;
	}

	/* Point of no return: from here on nothing can fail. */
	vipc_pop_receiver(ep, receiver);
	vipc_hand_over(ep, op, receiver);
	if (op->role == VIPC_CALLER)
		vipc_op_expect(op, receiver->task, &ep->for_reply);
	vipc_op_finish(receiver, 0);
	op->fast = true;
out:
	spin_unlock(&ep->lock);
	return err;
}

/* Delivers a request that was queued; both are off their queues. */
static void vipc_deliver(struct vipc_endpoint *ep, struct vipc_op *sender,
			 struct vipc_op *receiver)
{
	vipc_hand_over(ep, sender, receiver);
	if (sender->role == VIPC_SENDER)
		vipc_op_finish(sender, 0);
	else if (sender->role == VIPC_ORPHAN)
		receiver->orphan = sender;
}

/*
 * Gives @op the first request, or lets it wait for one, most likely from
 * @client, which may be NULL.
 */
static int vipc_accept(struct vipc_endpoint *ep, struct vipc_op *op,
		       bool nonblock, struct task_struct *client)
{
	struct vipc_op *sender;

	for (;;) {
		int err = vipc_cap_check(op->cap, VIPC_RIGHT_RECV);

		if (unlikely(err))
			return err;
		if (unlikely(ep->dead))
			return -EPIPE;
		sender = vipc_first_sender(ep);
		if (!sender || likely(!vipc_evict(ep, sender)))
			break;
		/* The lock was let go of: who was answered may have ended. */
		client = NULL;
	}
	if (!sender) {
		if (nonblock)
			return -EAGAIN;
		vipc_push_receiver(ep, op);
		if (client)
			vipc_op_expect(op, client, &ep->for_request);
		return -EINPROGRESS;
	}

	vipc_dequeue_sender(ep, sender);
	vipc_deliver(ep, sender, op);
	return 0;
}

/*
 * Answers the call that @reply->reply names, if @server has taken it, and tells
 * whose it was: a thread that is there until the lock is let go of.
 */
static __always_inline int vipc_answer(struct vipc_endpoint *ep,
				       struct vipc_cap *server,
				       const struct vipc_msg *reply,
				       struct task_struct **client)
{
	struct vipc_op *caller = vipc_find_caller(server, reply->reply);

	if (unlikely(!caller))
		return -ESRCH;
	*client = caller->task;
	vipc_transfer(&caller->msg, reply, 0, 0);
	vipc_end_service(ep, caller, 0);
	ep->replied++;
	return 0;
}

/**
 * vipc_endpoint_reply() - answer a call
 * @server: the capability that took the call
 * @reply: the reply, with the call's token
 *
 * Context: takes the endpoint's lock.
 * Return: 0, or with nothing changed -EKEYREVOKED, -EACCES, or -ESRCH: nobody
 * waits on this token.
 */
int vipc_endpoint_reply(struct vipc_cap *server, const struct vipc_msg *reply)
{
	struct vipc_endpoint *ep = server->endpoint;
	struct task_struct *client;
	int err;

	spin_lock(&ep->lock);
	err = vipc_cap_check(server, VIPC_RIGHT_RECV);
	if (likely(!err))
		err = vipc_answer(ep, server, reply, &client);
	spin_unlock(&ep->lock);
	return err;
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
 * * 0			- @op->msg is a request, @op->orphan may be set
 * * -EINPROGRESS	- none yet: vipc_endpoint_await() tells
 * * -EKEYREVOKED, -EACCES, -ESRCH - nothing has happened
 * * -EPIPE, -EAGAIN	- nothing was received; see @replied
 */
int vipc_endpoint_receive(struct vipc_op *op, bool nonblock, bool *replied)
{
	struct vipc_endpoint *ep = op->cap->endpoint;
	struct task_struct *client = NULL;
	int err = 0;

	spin_lock(&ep->lock);
	if (replied) {
		err = vipc_cap_check(op->cap, VIPC_RIGHT_RECV);
		if (likely(!err))
			err = vipc_answer(ep, op->cap, &op->msg, &client);
		*replied = !err;
	}
	if (likely(!err))
		err = vipc_accept(ep, op, nonblock, client);
	spin_unlock(&ep->lock);
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
	spin_unlock(&ep->lock);
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

/* A message without a sender: what @receiver got and could not keep. */
static struct vipc_op *vipc_new_orphan(const struct vipc_op *receiver)
{
	struct vipc_op *orphan = kzalloc(sizeof(*orphan), GFP_KERNEL_ACCOUNT);

	if (orphan) {
		orphan->role = VIPC_ORPHAN;
		orphan->outcome = VIPC_QUEUED;
		orphan->msg = receiver->msg;
	}
	return orphan;
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

/*
 * Brings those together that wait for each other, which happens only after a
 * request was taken back. What may not be queued does not stay so.
 */
static void vipc_match(struct vipc_endpoint *ep)
{
	struct vipc_op *sender, *receiver;

	/* Who ends the endpoint meanwhile ends those who wait, too. */
	while (!ep->dead && (sender = vipc_first_sender(ep))) {
		receiver = vipc_first_receiver(ep);
		if (receiver) {
			if (vipc_evict(ep, receiver) || vipc_evict(ep, sender))
				continue;
			vipc_dequeue_sender(ep, sender);
			vipc_pop_receiver(ep, receiver);
			vipc_deliver(ep, sender, receiver);
			vipc_op_finish(receiver, 0);
		} else if (sender->role == VIPC_CALLER &&
			   sender->msg.flags & VIPC_NONBLOCK) {
			vipc_dequeue_sender(ep, sender);
			vipc_op_finish(sender, -EAGAIN);
		} else {
			return;
		}
	}
}

/* Puts a request that is in no place back to the head of the queue. */
static void vipc_requeue(struct vipc_endpoint *ep, struct vipc_op *op)
{
	if (vipc_op_revoked(op)) {
		vipc_op_finish(op, -EKEYREVOKED);
	} else if (ep->dead) {
		vipc_finish_queued(op, -EPIPE);
	} else {
		WRITE_ONCE(op->outcome, VIPC_QUEUED);
		vipc_queue_sender(ep, op);
		list_move(&op->queue, &ep->senders);
		/* Signals may end its wait again. */
		if (op->role == VIPC_CALLER)
			vipc_wake(op->task);
		vipc_match(ep);
	}
}

/**
 * vipc_endpoint_take_back() - undo a receive whose message could not be kept
 * @receiver: a receiver that has finished with 0
 *
 * The message goes to the next receiver, or back to the head of the queue. A
 * caller is queued again as if it had not been taken. A SEND may have returned
 * already: its message lives on as an orphan. It is lost only if there is no
 * memory for that.
 *
 * Context: may sleep; takes the endpoint's lock.
 */
void vipc_endpoint_take_back(struct vipc_op *receiver)
{
	struct vipc_endpoint *ep = receiver->cap->endpoint;
	u64 token = receiver->msg.reply;
	struct vipc_op *op = receiver->orphan;

	if (!op && !token) {
		op = vipc_new_orphan(receiver);
		if (!op)
			vipc_count(VIPC_DROPPED);
	}

	spin_lock(&ep->lock);
	if (token) {
		op = vipc_find_caller(receiver->cap, token);
		if (op) {
			vipc_leave_service(ep, op);
			op->delivered = false;
			ep->called--;
		}
	}
	ep->received--;
	/* Nothing to give back: the caller has left, or there was no memory. */
	if (op)
		vipc_requeue(ep, op);
	spin_unlock(&ep->lock);
}
