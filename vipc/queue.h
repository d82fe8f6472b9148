/* SPDX-License-Identifier: GPL-2.0 */
/**
 * DOC: where the operations of an endpoint wait
 *
 * The queue of senders, the stack of receivers, the callers in service, and the
 * steps that move an operation between them. All of it needs the endpoint's
 * lock, and none of it can fail. The functions are here for endpoint.c, where
 * they are the fast path and must be inlined, and for lifetime.c, which empties
 * what they fill.
 *
 * Receivers and what is queued through a capability are hlists, and a sender
 * is told from a receiver where that is known at compile time: in a kernel with
 * CONFIG_DEBUG_LIST each call on a list_head costs as much as the rest.
 */
#ifndef VIPC_QUEUE_H
#define VIPC_QUEUE_H

#include <linux/list.h>
#include <linux/rbtree.h>

#include "vipc/capability.h"
#include "vipc/endpoint.h"
#include "vipc/wait.h"

/*
 * What a reply token is more than the one before. Odd, so that all 2^64 come
 * before the first is used again; large, so that a token mistyped, truncated
 * or off by one is nobody's.
 */
#define VIPC_TOKEN_STEP	0x9e3779b97f4a7c15ull

static inline struct vipc_op *vipc_first_receiver(struct vipc_endpoint *ep)
{
	return hlist_entry_safe(ep->receivers.first, struct vipc_op, stack);
}

struct vipc_op *vipc_awake_receiver(struct vipc_op *asleep);

/* One that is awake, if there is one near the top of the stack. */
static inline struct vipc_op *vipc_warmest_receiver(struct vipc_endpoint *ep)
{
	struct vipc_op *first = vipc_first_receiver(ep);

	if (first && first->stack.next && vipc_asleep(first->task))
		return vipc_awake_receiver(first);
	return first;
}

static inline struct vipc_op *vipc_first_sender(struct vipc_endpoint *ep)
{
	return list_first_entry_or_null(&ep->senders, struct vipc_op, queue);
}

void vipc_finish_queued(struct vipc_op *op, int outcome);

/* A revocation may need some time to reach what is queued: is it to come? */
static inline bool vipc_op_revoked(const struct vipc_op *op)
{
	return op->role != VIPC_ORPHAN && op->cap->revoked;
}

/* Lets others have the lock, and this CPU, in the midst of a long work. */
static inline void vipc_breathe(struct vipc_endpoint *ep)
{
	spin_unlock(&ep->lock);
	cond_resched();
	spin_lock(&ep->lock);
}

static inline struct vipc_op *vipc_first_queued(struct vipc_cap *cap)
{
	return hlist_entry_safe(cap->ops.first, struct vipc_op, by_cap);
}

static inline void vipc_push_receiver(struct vipc_endpoint *ep,
				      struct vipc_op *op)
{
	hlist_add_head(&op->stack, &ep->receivers);
	hlist_add_head(&op->by_cap, &op->cap->ops);
	ep->nr_receivers++;
}

static inline void vipc_pop_receiver(struct vipc_endpoint *ep,
				     struct vipc_op *op)
{
	__hlist_del(&op->stack);
	__hlist_del(&op->by_cap);
	ep->nr_receivers--;
}

static inline void vipc_queue_sender(struct vipc_endpoint *ep,
				     struct vipc_op *op)
{
	list_add_tail(&op->queue, &ep->senders);
	if (op->role != VIPC_ORPHAN)
		hlist_add_head(&op->by_cap, &op->cap->ops);
	ep->nr_senders++;
}

static inline void vipc_dequeue_sender(struct vipc_endpoint *ep,
				       struct vipc_op *op)
{
	list_del(&op->queue);
	if (op->role != VIPC_ORPHAN)
		__hlist_del(&op->by_cap);
	ep->nr_senders--;
}

/* Takes an operation away from where it waits, whatever it is. */
static inline void vipc_unqueue(struct vipc_endpoint *ep, struct vipc_op *op)
{
	if (op->role == VIPC_RECEIVER)
		vipc_pop_receiver(ep, op);
	else
		vipc_dequeue_sender(ep, op);
}

/*
 * Callers in service. Mostly there is one, or the last to be taken is the first
 * to be answered: that one is in server->latest, and only the others are in the
 * tree.
 */

static inline struct vipc_op *vipc_caller(struct rb_node *node)
{
	return rb_entry_safe(node, struct vipc_op, service);
}

static inline struct vipc_op *vipc_first_caller(struct vipc_cap *server)
{
	return server->latest ?: vipc_caller(rb_first(&server->in_service));
}

struct vipc_op *vipc_search_caller(struct vipc_cap *server, u64 token);
void vipc_index_caller(struct vipc_cap *server, struct vipc_op *caller);

static inline struct vipc_op *vipc_find_caller(struct vipc_cap *server,
					       u64 token)
{
	struct vipc_op *latest = server->latest;

	if (latest && likely(latest->token == token))
		return latest;
	return vipc_search_caller(server, token);
}

/* Before anybody can know the token. */
static __always_inline void vipc_enter_service(struct vipc_endpoint *ep,
					       struct vipc_cap *server,
					       struct vipc_op *caller)
{
	u64 token = ep->next_token;

	ep->next_token += VIPC_TOKEN_STEP;
	if (unlikely(!ep->next_token))		/* 0: nobody waits */
		ep->next_token += VIPC_TOKEN_STEP;
	if (unlikely(server->latest))
		vipc_index_caller(server, server->latest);
	server->latest = caller;
	ep->nr_in_service++;
	caller->token = token;
	caller->server = server;
	caller->delivered = true;
	WRITE_ONCE(caller->outcome, VIPC_IN_SERVICE);
}

static inline void vipc_leave_service(struct vipc_endpoint *ep,
				      struct vipc_op *caller)
{
	struct vipc_cap *server = caller->server;

	if (likely(server->latest == caller))
		server->latest = NULL;
	else
		rb_erase(&caller->service, &server->in_service);
	ep->nr_in_service--;
}

static inline void vipc_end_service(struct vipc_endpoint *ep,
				    struct vipc_op *caller, int outcome)
{
	vipc_leave_service(ep, caller);
	vipc_op_finish(caller, outcome);
}

static __always_inline void vipc_transfer(struct vipc_msg *to,
					  const struct vipc_msg *from,
					  u64 badge, u64 token)
{
	to->badge = badge;
	to->reply = token;
	to->opcode = from->opcode;
	to->flags = (to->flags & VIPC_FLAGS_IN_MASK) |
		    (from->flags & VIPC_FLAGS_APP_MASK);
	to->data[0] = from->data[0];
	to->data[1] = from->data[1];
	to->data[2] = from->data[2];
	to->data[3] = from->data[3];
}

/* Moves a request to a receiver; both are off their queues. */
static __always_inline void vipc_hand_over(struct vipc_endpoint *ep,
					   struct vipc_op *from,
					   struct vipc_op *to)
{
	u64 token = 0;

	if (from->role == VIPC_CALLER) {
		vipc_enter_service(ep, to->cap, from);
		token = from->token;
		ep->called++;
	} else if (from->role == VIPC_SENDER) {
		ep->sent++;
	}
	ep->received++;
	vipc_transfer(&to->msg, &from->msg, from->msg.badge, token);
}

#endif /* VIPC_QUEUE_H */
