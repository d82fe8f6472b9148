// SPDX-License-Identifier: GPL-2.0
/*
 * The life of an endpoint and of its capabilities: opening, deriving, revoking,
 * closing, death.
 *
 * A revocation or a death may concern any number of capabilities, threads and
 * messages. It is done in steps of constant size, and lets go of the lock after
 * VIPC_BATCH of them. The state that makes it final is set in the first step: from
 * then on nothing new is queued, and who meets something that is still queued
 * ends it, see vipc_evict().
 */
#include <linux/lockdep.h>
#include <linux/mm.h>
#include <linux/random.h>
#include <linux/slab.h>

#include "vipc/capability.h"
#include "vipc/endpoint.h"
#include "vipc/queue.h"
#include "vipc/stats.h"
#include "vipc/trace.h"
#include "vipc/view.h"

static void vipc_unlist_receiver(struct vipc_endpoint *ep, struct vipc_cap *cap)
{
	if (ep->cap_bookmark == &cap->as_receiver)
		ep->cap_bookmark = cap->as_receiver.next;
	list_del_init(&cap->as_receiver);
}

/* Steps of bounded work; false when nothing is left to do. */

static bool vipc_drain_step(struct vipc_endpoint *ep)
{
	struct vipc_op *op;
	struct vipc_cap *cap;

	op = vipc_first_sender(ep) ?: vipc_first_blocked(ep) ?:
	     vipc_first_receiver(ep);
	if (op) {
		vipc_unqueue(ep, op);
		vipc_finish_queued(op, vipc_op_revoked(op) ? -EKEYREVOKED :
							     -EPIPE);
		return true;
	}
	cap = list_first_entry_or_null(&ep->receiver_caps, struct vipc_cap,
				       as_receiver);
	if (!cap)
		return false;
	op = vipc_first_caller(cap);
	if (op)
		vipc_end_service(ep, op, -ECONNRESET);
	else
		vipc_unlist_receiver(ep, cap);
	return true;
}

static void vipc_die(struct vipc_endpoint *ep)
{
	if (ep->dead)
		return;
	ep->dead = true;
	vipc_poll_over(ep);
}

/* The capability's rights end: it receives nothing any more. */
static void vipc_stop_receiving(struct vipc_endpoint *ep, struct vipc_cap *cap)
{
	vipc_unlist_receiver(ep, cap);
	if (list_empty(&ep->receiver_caps))
		vipc_die(ep);
}

static bool vipc_close_step(struct vipc_endpoint *ep, struct vipc_cap *cap)
{
	struct vipc_op *caller = vipc_first_caller(cap);

	if (caller)
		vipc_end_service(ep, caller, -ECONNRESET);
	return caller;
}

/*
 * Takes the first child of @root one step nearer to the end: it loses its
 * rights, then what is queued through it, then the callers that it serves,
 * then its children, which become @root's and have their turn later; then it
 * leaves the tree.
 */
static bool vipc_revoke_step(struct vipc_endpoint *ep, struct vipc_cap *root)
{
	struct vipc_cap *cap, *child;
	struct vipc_op *op;

	cap = list_first_entry_or_null(&root->children, struct vipc_cap,
				       sibling);
	if (!cap)
		return false;
	if (!cap->revoked) {
		cap->revoked = true;
		vipc_stop_receiving(ep, cap);
		vipc_watch_end(cap);
		return true;
	}
	op = vipc_first_queued(cap);
	if (op) {
		vipc_unqueue(ep, op);
		vipc_op_finish(op, -EKEYREVOKED);
		return true;
	}
	if (vipc_close_step(ep, cap))
		return true;
	child = list_first_entry_or_null(&cap->children, struct vipc_cap,
					 sibling);
	if (child)
		vipc_cap_adopt(root, child);
	else
		vipc_cap_orphan(cap);
	return true;
}

/* What there is to be reported of an endpoint once its lock is let go of. */
struct vipc_obituary {
	u64 endpoint;		/* which; 0: it lives, or that was reported */
	unsigned int dropped;
};

static void vipc_drain(struct vipc_endpoint *ep, struct vipc_obituary *obituary)
	__must_hold(&ep->lock)
{
	unsigned int steps = 0;

	lockdep_assert_held(&ep->lock);
	if (!ep->dead)
		return;
	obituary->dropped = vipc_drop_kept(ep);
	vipc_count_by(VIPC_DROPPED, obituary->dropped);
	if (!ep->told) {
		ep->told = true;
		obituary->endpoint = ep->id;
	}
	while (vipc_drain_step(ep))
		if (!(++steps % VIPC_BATCH))
			vipc_breathe(ep);
}

/* Without a lock; the endpoint may be gone. */
static void vipc_report_death(const struct vipc_obituary *obituary)
{
	if (obituary->endpoint)
		trace_vipc_death(obituary->endpoint, obituary->dropped);
}

/* A REVOKE under way, on the stack of its thread; in endpoint->revocations. */
struct vipc_revocation {
	struct vipc_cap *root;
	struct list_head node;
};

/**
 * vipc_endpoint_revoke() - revoke everything derived from a capability
 * @cap: the capability, which keeps its own rights
 *
 * Context: may sleep; takes the endpoint's lock.
 * Return: 0; -EACCES; -EKEYREVOKED, also if @cap is revoked meanwhile: then part
 * of the work is done, and the other revocation does the rest.
 */
int vipc_endpoint_revoke(struct vipc_cap *cap)
{
	struct vipc_endpoint *ep = cap->endpoint;
	struct vipc_revocation self = { .root = cap };
	struct vipc_obituary obituary = {};
	unsigned int steps = 0;
	int err;

	spin_lock(&ep->lock);
	list_add_tail(&self.node, &ep->revocations);
	while (!(err = vipc_cap_check(cap, VIPC_RIGHT_REVOKE)) &&
	       vipc_revoke_step(ep, cap))
		if (!(++steps % VIPC_BATCH))
			vipc_breathe(ep);
	list_del(&self.node);
	if (steps) {
		vipc_poll_over(ep);
		vipc_match(ep);		/* notices of those that were watched */
	}
	vipc_drain(ep, &obituary);
	vipc_endpoint_unlock(ep);
	trace_vipc_revoke(cap, err);
	vipc_report_death(&obituary);
	return err;
}

/*
 * Whoever derives takes part in the revocations under way: with far more steps
 * than the new capability will add to one, so that a revocation comes to its
 * end however many threads derive from what it is about to reach, and whatever
 * their priorities are.
 */
static void vipc_help_revoke(struct vipc_endpoint *ep)
{
	struct vipc_revocation *other;
	unsigned int steps = VIPC_BATCH;

	other = list_first_entry_or_null(&ep->revocations,
					 struct vipc_revocation, node);
	if (!other)
		return;
	while (steps-- && !other->root->revoked &&
	       vipc_revoke_step(ep, other->root))
		;
	list_move_tail(&other->node, &ep->revocations);
}

static void vipc_link(struct vipc_endpoint *ep, struct vipc_cap *cap)
{
	if (cap->rights & VIPC_RIGHT_RECV)
		list_add_tail(&cap->as_receiver, &ep->receiver_caps);
	ep->nr_caps++;
	vipc_gauge_add(VIPC_CAPABILITIES, 1);
}

static int vipc_may_derive(struct vipc_cap *cap,
			   const struct vipc_derive *wanted)
{
	int err = vipc_cap_may_derive(cap, wanted);

	return !err && cap->endpoint->dead ? -EPIPE : err;
}

/**
 * vipc_endpoint_may_derive() - would a capability be let derive that?
 * @cap: the capability to derive from
 * @wanted: what the new one shall be
 *
 * Context: takes the endpoint's lock.
 * Return: 0, -EKEYREVOKED, -EACCES, -EINVAL or -EPIPE; it may change at any moment.
 */
int vipc_endpoint_may_derive(struct vipc_cap *cap,
			     const struct vipc_derive *wanted)
{
	int err;

	spin_lock(&cap->endpoint->lock);
	err = vipc_may_derive(cap, wanted);
	spin_unlock(&cap->endpoint->lock);
	return err;
}

/**
 * vipc_endpoint_derive() - make a capability from another
 * @cap: the capability to derive from
 * @wanted: what the new one shall be
 *
 * Context: may sleep; takes the endpoint's lock.
 * Return: the new capability, to be closed with vipc_endpoint_close(), or an
 * ERR_PTR: -ENOMEM, -EKEYREVOKED, -EACCES, -EINVAL, -EPIPE.
 */
struct vipc_cap *vipc_endpoint_derive(struct vipc_cap *cap,
				      const struct vipc_derive *wanted)
{
	struct vipc_endpoint *ep = cap->endpoint;
	struct vipc_watch *spare = NULL;
	struct vipc_cap *child;
	int err;

	child = vipc_cap_new(ep, wanted->rights, wanted->badge);
	if (child && wanted->flags & VIPC_DERIVE_NOTIFY_CLOSE)
		spare = vipc_watch_new(wanted->badge);
	if (!child || (wanted->flags & VIPC_DERIVE_NOTIFY_CLOSE && !spare)) {
		vipc_cap_free(child);
		return ERR_PTR(-ENOMEM);
	}

	spin_lock(&ep->lock);
	vipc_help_revoke(ep);
	err = vipc_may_derive(cap, wanted);
	if (!err) {
		vipc_cap_adopt(cap, child);
		vipc_link(ep, child);
		child->watch = cap->watch;
		if (spare)
			child->watch = vipc_watch_begin(ep, spare);
		else if (child->watch)
			child->watch->caps++;
	}
	if (spare && child->watch == spare)
		spare = NULL;
	vipc_endpoint_unlock(ep);

	kfree(spare);
	if (err) {
		vipc_cap_free(child);
		return ERR_PTR(err);
	}
	return child;
}

/**
 * vipc_endpoint_shutdown() - kill an endpoint
 * @cap: a capability for it
 *
 * Context: may sleep; takes the endpoint's lock.
 * Return: 0, -EKEYREVOKED or -EACCES.
 */
int vipc_endpoint_shutdown(struct vipc_cap *cap)
{
	struct vipc_endpoint *ep = cap->endpoint;
	struct vipc_obituary obituary = {};
	int err;

	spin_lock(&ep->lock);
	err = vipc_cap_check(cap, VIPC_RIGHT_RECV | VIPC_RIGHT_REVOKE);
	if (!err)
		vipc_die(ep);
	vipc_drain(ep, &obituary);
	vipc_endpoint_unlock(ep);
	vipc_report_death(&obituary);
	return err;
}

/**
 * vipc_endpoint_open() - make an endpoint
 * @rights: of its first capability
 *
 * Context: may sleep.
 * Return: the capability, to be closed with vipc_endpoint_close(), or NULL
 * without memory.
 */
struct vipc_cap *vipc_endpoint_open(u32 rights)
{
	struct vipc_endpoint *ep = kzalloc(sizeof(*ep), GFP_KERNEL_ACCOUNT);
	struct vipc_cap *cap = ep ? vipc_cap_new(ep, rights, 0) : NULL;

	if (!cap) {
		kfree(ep);
		return NULL;
	}
	spin_lock_init(&ep->lock);
	INIT_HLIST_HEAD(&ep->receivers);
	INIT_LIST_HEAD(&ep->senders);
	INIT_LIST_HEAD(&ep->receiver_caps);
	INIT_LIST_HEAD(&ep->revocations);
	vipc_pending_init(&ep->pending);
	vipc_poll_init(ep);
	ep->for_reply.limit_ns = U32_MAX;
	ep->for_request.limit_ns = U32_MAX;
	ep->next_token = get_random_u64() ?: VIPC_TOKEN_STEP;
	ep->owner = current->tgid;
	get_task_comm(ep->comm, current->group_leader);
	vipc_link(ep, cap);
	ep->dead = list_empty(&ep->receiver_caps);

	vipc_view_add(ep);
	vipc_gauge_add(VIPC_ENDPOINTS, 1);
	trace_vipc_open(cap, 0);
	return cap;
}

/**
 * vipc_endpoint_close() - drop a capability
 * @cap: the capability, through which no operation is in progress; not to be
 *	touched afterwards. The last one takes its endpoint with it
 *
 * Context: may sleep; takes the endpoint's lock.
 */
void vipc_endpoint_close(struct vipc_cap *cap)
{
	struct vipc_endpoint *ep = cap->endpoint;
	struct vipc_obituary obituary = {};
	unsigned int steps = 0;
	bool last;

	trace_vipc_close(cap, 0);
	spin_lock(&ep->lock);
	vipc_stop_receiving(ep, cap);
	while (vipc_close_step(ep, cap))
		if (!(++steps % VIPC_BATCH))
			vipc_breathe(ep);
	if (cap->watch) {
		vipc_watch_end(cap);
		vipc_match(ep);
	}
	vipc_drain(ep, &obituary);
	vipc_cap_bury(cap);
	last = !--ep->nr_caps;
	vipc_endpoint_unlock(ep);
	vipc_gauge_add(VIPC_CAPABILITIES, -1);
	vipc_report_death(&obituary);

	if (!last)
		return;
	vipc_view_remove(ep);
	vipc_gauge_add(VIPC_ENDPOINTS, -1);
	vipc_poll_exit(ep);
	vipc_pending_free(&ep->pending);
	kvfree(ep->spare.cargo);
	kfree(ep);
}
