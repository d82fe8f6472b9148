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
#include "vipc/payload.h"
#include "vipc/poll.h"
#include "vipc/wait.h"

/*
 * What a reply token is more than the one before. Odd, so that all 2^64 come
 * before the first is used again; large, so that a token mistyped, truncated
 * or off by one is nobody's.
 */
#define VIPC_TOKEN_STEP	0x9e3779b97f4a7c15ull

/*
 * Steps of a long work that are done without letting go of the lock. Most wake a
 * thread: some ten microseconds in one critical section.
 */
#define VIPC_BATCH	32

/* Messages that nobody has sent. */
#define VIPC_MSG_FROM_KERNEL	(VIPC_MSG_NOTIFICATION | VIPC_MSG_BADGE_CLOSED)

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

/* The first SEND that waits for a slot, see pending.h. */
static inline struct vipc_op *vipc_first_blocked(struct vipc_endpoint *ep)
{
	return list_first_entry_or_null(&ep->pending.blocked, struct vipc_op,
					queue);
}

void vipc_finish_queued(struct vipc_op *op, int outcome);
void vipc_match(struct vipc_endpoint *ep);

/* A revocation may need some time to reach what is queued: is it to come? */
static inline bool vipc_op_revoked(const struct vipc_op *op)
{
	return op->role != VIPC_ORPHAN && op->cap->revoked;
}

/* Tells those who poll that there is something to receive. */
static inline void vipc_poll_readable(struct vipc_endpoint *ep)
{
	if (unlikely(ep->extras & VIPC_IS_POLLED))
		vipc_poll_wake_readers(ep);
}

/* Tells those who poll that a SEND would not block now. */
static inline void vipc_poll_writable(struct vipc_endpoint *ep)
{
	if (unlikely(ep->extras & VIPC_IS_POLLED))
		vipc_poll_wake_writers(ep);
}

/* Lets others have the lock, and this CPU, in the midst of a long work. */
static inline void vipc_breathe(struct vipc_endpoint *ep)
{
	vipc_endpoint_unlock(ep);
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

/* To @queue: the endpoint's senders, or those that wait for a slot. */
static inline void vipc_queue_sender(struct vipc_endpoint *ep,
				     struct vipc_op *op,
				     struct list_head *queue)
{
	list_add_tail(&op->queue, queue);
	op->seq = ++ep->pending.last_seq;
	if (op->role != VIPC_ORPHAN)
		hlist_add_head(&op->by_cap, &op->cap->ops);
	ep->nr_senders++;
}

static inline void vipc_dequeue_sender(struct vipc_endpoint *ep,
				       struct vipc_op *op)
{
	if (unlikely(ep->bookmark == &op->queue))
		ep->bookmark = op->queue.next;
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
 * tree. So are SENDs that wait until they are unpacked.
 */

static inline struct vipc_op *vipc_caller(struct rb_node *node)
{
	return rb_entry_safe(node, struct vipc_op, service);
}

static inline struct vipc_op *vipc_first_caller(struct vipc_cap *server)
{
	return server->latest ?: vipc_caller(rb_first(&server->in_service));
}

/* service.c */
int vipc_may_answer(struct vipc_cap *server, u64 token,
		    const struct vipc_xop *x, struct vipc_op **caller);
struct vipc_op *vipc_search_caller(struct vipc_cap *server, u64 token);
struct vipc_op *vipc_find_taken(struct vipc_op *receiver);
struct vipc_op *vipc_search_service(struct vipc_cap *server, u64 token);
void vipc_index_caller(struct vipc_cap *server, struct vipc_op *caller);
bool vipc_cargo_fits(const struct vipc_cargo *cargo, const struct vipc_op *to);
void vipc_hand_over_cargo(struct vipc_endpoint *ep, struct vipc_op *from,
			  struct vipc_op *to);

static inline struct vipc_op *vipc_find_caller(struct vipc_cap *server,
					       u64 token)
{
	struct vipc_op *latest = server->latest;

	if (latest && likely(latest->token == token))
		return latest;
	return vipc_search_caller(server, token);
}

/* A new token. */
static __always_inline u64 vipc_next_token(struct vipc_endpoint *ep)
{
	u64 token = ep->next_token;

	ep->next_token += VIPC_TOKEN_STEP;
	if (unlikely(!ep->next_token))		/* 0: nobody waits */
		ep->next_token += VIPC_TOKEN_STEP;
	return token;
}

/* Before anybody can know the token; @op is in no place yet. */
static __always_inline void vipc_begin_service(struct vipc_endpoint *ep,
					       struct vipc_cap *server,
					       struct vipc_op *op)
{
	op->token = vipc_next_token(ep);
	op->server = server;
	op->delivered = true;
	ep->nr_in_service++;
	WRITE_ONCE(op->outcome, VIPC_IN_SERVICE);
}

static __always_inline void vipc_enter_service(struct vipc_endpoint *ep,
					       struct vipc_cap *server,
					       struct vipc_op *caller)
{
	vipc_begin_service(ep, server, caller);
	if (unlikely(server->latest))
		vipc_index_caller(server, server->latest);
	server->latest = caller;
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

/* Is there room for what a request carries? */
static inline bool vipc_fits(const struct vipc_op *from,
			     const struct vipc_op *to)
{
	return likely(!from->x) || vipc_cargo_fits(from->x->cargo, to);
}

/* It was not taken after all. */
static inline void vipc_uncount(struct vipc_endpoint *ep,
				const struct vipc_op *op)
{
	if (op->role == VIPC_CALLER)
		ep->called--;
	else
		ep->sent--;
}

/* Moves a request to a receiver, for which it fits; both are off their queues. */
static __always_inline void vipc_hand_over(struct vipc_endpoint *ep,
					   struct vipc_op *from,
					   struct vipc_op *to)
{
	u64 token = 0;

	if (from->role == VIPC_CALLER) {
		vipc_enter_service(ep, to->cap, from);
		from->taken_by = task_pid_nr(to->task);
		token = from->token;
		ep->called++;
	} else if (from->role == VIPC_SENDER) {
		ep->sent++;
	}
	ep->received++;
	vipc_transfer(&to->msg, &from->msg, from->msg.badge, token);
	if (unlikely(to->x))
		vipc_hand_over_cargo(ep, from, to);
}

#endif /* VIPC_QUEUE_H */
