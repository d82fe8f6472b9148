// SPDX-License-Identifier: GPL-2.0
/*
 * Callers in service, beyond the one that was taken last: finding them, and what is
 * done with them in more than one step, or undone.
 */
#include <linux/lockdep.h>
#include <linux/slab.h>

#include "vipc/capability.h"
#include "vipc/endpoint.h"
#include "vipc/payload.h"
#include "vipc/queue.h"
#include "vipc/stats.h"

/**
 * vipc_search_service() - find what is in service and not the latest caller
 * @server: the capability that took the request
 * @token: its token
 *
 * Context: the endpoint's lock is held.
 * Return: a caller, or a SEND that is being unpacked, or NULL.
 */
struct vipc_op *vipc_search_service(struct vipc_cap *server, u64 token)
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
 * vipc_search_caller() - find a caller in service that is not the latest
 * @server: the capability that took the call
 * @token: its reply token
 *
 * Context: the endpoint's lock is held.
 * Return: the caller, or NULL.
 */
struct vipc_op *vipc_search_caller(struct vipc_cap *server, u64 token)
{
	struct vipc_op *op = vipc_search_service(server, token);

	/* The token of a SEND is nobody's, even if somebody guesses it. */
	return op && op->role == VIPC_CALLER ? op : NULL;
}

/**
 * vipc_index_caller() - add to the tree of those in service
 * @server: the capability that took the request
 * @caller: a caller, or a SEND that is to be unpacked, in no tree
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

/**
 * vipc_may_answer() - may this reply be given to that call?
 * @server: the capability that took the call
 * @token: its reply token
 * @x: what the reply is
 * @caller: out: the caller
 *
 * Context: the endpoint's lock is held.
 * Return: 0, -EKEYREVOKED, -EACCES, -ESRCH or -EMSGSIZE.
 */
int vipc_may_answer(struct vipc_cap *server, u64 token,
		    const struct vipc_xop *x, struct vipc_op **caller)
{
	u32 rights = VIPC_RIGHT_RECV | (x->reply_fds ? VIPC_RIGHT_GRANT : 0);
	const struct vipc_xop *to;
	int err;

	lockdep_assert_held(&server->endpoint->lock);
	err = vipc_cap_check(server, rights);
	if (err)
		return err;
	*caller = vipc_find_caller(server, token);
	if (!*caller)
		return -ESRCH;
	to = (*caller)->x;
	if (x->reply_len > (to ? to->room.len : 0) ||
	    x->reply_fds > (to ? to->room.nr_fds : 0))
		return -EMSGSIZE;
	return 0;
}

/**
 * vipc_endpoint_may_answer() - would a reply be let through?
 * @server: the capability that took the call
 * @token: its reply token
 * @x: what the reply is
 *
 * Context: takes the endpoint's lock.
 * Return: as vipc_may_answer(); it may change at any moment.
 */
int vipc_endpoint_may_answer(struct vipc_cap *server, u64 token,
			     const struct vipc_xop *x)
{
	struct vipc_op *caller;
	int err;

	spin_lock(&server->endpoint->lock);
	err = vipc_may_answer(server, token, x, &caller);
	spin_unlock(&server->endpoint->lock);
	return err;
}

/**
 * vipc_cargo_fits() - has a receiver room for what a request carries?
 * @cargo: what it carries, or NULL
 * @to: the receiver
 *
 * Context: the endpoint's lock is held.
 * Return: whether it has.
 */
bool vipc_cargo_fits(const struct vipc_cargo *cargo, const struct vipc_op *to)
{
	return !cargo || (to->x && cargo->len <= to->x->room.len &&
			  cargo->nr_fds <= to->x->room.nr_fds);
}

/**
 * vipc_hand_over_cargo() - move to a receiver what a request carries
 * @ep: the endpoint
 * @from: the request
 * @to: the receiver, which has room for it; without any, nothing would fit
 *
 * A SEND stays in service until the receiver has unpacked it: only then it was
 * sent.
 *
 * Context: the endpoint's lock is held.
 */
void vipc_hand_over_cargo(struct vipc_endpoint *ep, struct vipc_op *from,
			  struct vipc_op *to)
{
	struct vipc_xop *sent = from->x, *got = to->x;

	lockdep_assert_held(&ep->lock);
	if (!sent)
		return;
	if (from->role == VIPC_CALLER) {
		got->caller_room.len = sent->room.len;
		got->caller_room.nr_fds = sent->room.nr_fds;
	}
	if (!sent->cargo)
		return;
	got->cargo = sent->cargo;
	got->received = sent->cargo->len;
	sent->cargo = NULL;
	if (from->role == VIPC_SENDER) {
		vipc_begin_service(ep, to->cap, from);
		from->taken_by = task_pid_nr(to->task);
		vipc_index_caller(to->cap, from);
		got->taken = from->token;
	}
}

/**
 * vipc_endpoint_claim() - begin to answer a call in the caller's room
 * @server: the capability that took the call
 * @token: its reply token
 * @x: of the server: what the reply is; @x->claimed is set if it can be copied
 *	into the room
 *
 * From here on the caller can neither leave nor be ended by anybody else, until
 * vipc_endpoint_unclaim() or the answer.
 *
 * Context: takes the endpoint's lock.
 * Return: 0, -EKEYREVOKED, -EACCES, -ESRCH, or -EMSGSIZE: there is too little room.
 */
int vipc_endpoint_claim(struct vipc_cap *server, u64 token, struct vipc_xop *x)
{
	struct vipc_endpoint *ep = server->endpoint;
	struct vipc_op *caller;
	int err;

	spin_lock(&ep->lock);
	err = vipc_may_answer(server, token, x, &caller);
	/* That has checked that there is room, hence there is an x. */
	if (!err && caller->x->room.pin) {
		vipc_leave_service(ep, caller);
		WRITE_ONCE(caller->outcome, VIPC_ANSWERED);
		x->claimed = caller;
		x->alone = caller->x->filled_by == x;
		caller->x->filled_by = x;
	}
	vipc_endpoint_unlock(ep);
	return err;
}

/**
 * vipc_endpoint_unclaim() - the reply could not be copied: the call goes on
 * @server: the capability that took the call
 * @x: of the server, with a caller claimed
 *
 * Context: takes the endpoint's lock.
 */
void vipc_endpoint_unclaim(struct vipc_cap *server, struct vipc_xop *x)
{
	struct vipc_endpoint *ep = server->endpoint;
	struct vipc_op *caller = x->claimed;

	x->claimed = NULL;
	spin_lock(&ep->lock);
	if (server->revoked || ep->dead) {
		vipc_op_finish(caller, -ECONNRESET);
	} else {
		vipc_index_caller(server, caller);
		ep->nr_in_service++;
		WRITE_ONCE(caller->outcome, VIPC_IN_SERVICE);
		/* A signal or its deadline may end its wait again. */
		vipc_op_rouse(caller);
	}
	vipc_endpoint_unlock(ep);
}

/**
 * vipc_find_taken() - find whose request a receiver has
 * @receiver: the receiver
 *
 * Context: the endpoint's lock is held.
 * Return: a caller; or the SEND that waits until its cargo is unpacked; or NULL: it
 * does not wait, or has left.
 */
struct vipc_op *vipc_find_taken(struct vipc_op *receiver)
{
	if (receiver->msg.reply)
		return vipc_find_caller(receiver->cap, receiver->msg.reply);
	if (receiver->x && receiver->x->taken)
		return vipc_search_service(receiver->cap, receiver->x->taken);
	return NULL;
}

/**
 * vipc_endpoint_whole() - was a request there until all of it was copied?
 * @receiver: the receiver, which has copied bytes out of pinned pages
 *
 * Who gives up a request goes on, and may write to that memory.
 *
 * Context: takes the endpoint's lock.
 * Return: false if its thread has left, or was told that the server went away: then
 * nothing was received.
 */
bool vipc_endpoint_whole(struct vipc_op *receiver)
{
	struct vipc_endpoint *ep = receiver->cap->endpoint;
	bool whole;

	spin_lock(&ep->lock);
	whole = vipc_find_taken(receiver);
	if (!whole)
		ep->received--;
	vipc_endpoint_unlock(ep);
	return whole;
}

/**
 * vipc_endpoint_taken() - a receiver has unpacked the cargo of a SEND
 * @receiver: the receiver
 *
 * Context: takes the endpoint's lock.
 */
void vipc_endpoint_taken(struct vipc_op *receiver)
{
	struct vipc_endpoint *ep = receiver->cap->endpoint;
	struct vipc_op *sender;

	spin_lock(&ep->lock);
	sender = vipc_find_taken(receiver);
	if (sender)
		vipc_end_service(ep, sender, 0);
	vipc_endpoint_unlock(ep);
}

/**
 * vipc_endpoint_reject() - end a request whose descriptors may not be received
 * @receiver: the receiver, which has its cargo
 *
 * Context: takes the endpoint's lock.
 */
void vipc_endpoint_reject(struct vipc_op *receiver)
{
	struct vipc_endpoint *ep = receiver->cap->endpoint;
	struct vipc_op *sender;

	spin_lock(&ep->lock);
	sender = vipc_find_taken(receiver);
	if (sender) {
		sender->delivered = false;
		vipc_uncount(ep, sender);
		vipc_end_service(ep, sender, -EACCES);
	}
	ep->received--;
	vipc_endpoint_unlock(ep);
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

/* Puts a request that is in no place back to the head of the queue. */
static void vipc_requeue(struct vipc_endpoint *ep, struct vipc_op *op)
{
	if (vipc_op_revoked(op)) {
		vipc_op_finish(op, -EKEYREVOKED);
	} else if (ep->dead) {
		vipc_finish_queued(op, -EPIPE);
	} else {
		WRITE_ONCE(op->outcome, VIPC_QUEUED);
		vipc_queue_sender(ep, op, &ep->senders);
		list_move(&op->queue, &ep->senders);
		op->seq = 0;
		/* Signals may end its wait again. */
		if (op->role != VIPC_ORPHAN)
			vipc_op_rouse(op);
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
	bool taken = receiver->msg.reply ||
		     (receiver->x && receiver->x->taken);
	bool told = receiver->msg.flags & VIPC_MSG_FROM_KERNEL;
	struct vipc_op *op = told ? NULL : receiver->carrier;

	if (!op && !taken && !told) {
		op = vipc_new_orphan(receiver);
		if (!op)
			vipc_count(VIPC_DROPPED);
	}

	spin_lock(&ep->lock);
	if (taken) {
		op = vipc_find_taken(receiver);
		if (op) {
			vipc_leave_service(ep, op);
			op->delivered = false;
			vipc_uncount(ep, op);
			if (receiver->x && receiver->x->cargo)
				swap(op->x->cargo, receiver->x->cargo);
		}
	}
	ep->received--;
	if (told) {
		vipc_pending_give_back(ep, receiver);
		vipc_match(ep);
	}
	/* Else nothing to give back: the caller has left, or there was no memory. */
	if (op)
		vipc_requeue(ep, op);
	vipc_endpoint_unlock(ep);
}
