// SPDX-License-Identifier: GPL-2.0
/*
 * Notifications, notices of closed badges, and messages of SENDs that have
 * returned.
 */
#include <linux/lockdep.h>
#include <linux/mm.h>
#include <linux/slab.h>

#include "vipc/capability.h"
#include "vipc/endpoint.h"
#include "vipc/pending.h"
#include "vipc/poll.h"
#include "vipc/queue.h"
#include "vipc/stats.h"

/**
 * vipc_pending_init() - nothing is pending
 * @pending: of a new endpoint
 */
void vipc_pending_init(struct vipc_pending *pending)
{
	INIT_LIST_HEAD(&pending->notices);
	INIT_LIST_HEAD(&pending->blocked);
	pending->watches = RB_ROOT;
}

/**
 * vipc_pending_free() - free what nobody will receive
 * @pending: of an endpoint without capabilities, hence every watch is a notice
 *
 * Context: may sleep.
 */
void vipc_pending_free(struct vipc_pending *pending)
{
	struct vipc_watch *watch, *next;

	list_for_each_entry_safe(watch, next, &pending->notices, notice)
		kfree(watch);
	kvfree(pending->slots);
}

static void vipc_pending_changed(struct vipc_endpoint *ep)
{
	struct vipc_pending *p = &ep->pending;

	if (p->bits || p->count || !list_empty(&p->notices))
		ep->extras |= VIPC_HAS_PENDING;
	else
		ep->extras &= ~VIPC_HAS_PENDING;
}

/* A message from the kernel itself. */
static void vipc_tell(struct vipc_endpoint *ep, struct vipc_op *receiver,
		      u32 flag, u64 badge, u64 word)
{
	static const struct vipc_msg nothing;

	vipc_transfer(&receiver->msg, &nothing, badge, 0);
	receiver->msg.flags |= flag;
	receiver->msg.data[0] = word;
	ep->received++;
}

static struct vipc_slot *vipc_slot(struct vipc_pending *p, u32 i)
{
	/* Neither is more than VIPC_MAX_DEPTH. */
	return &p->slots[(p->first + i) % p->depth];
}

static void vipc_fill_slot(struct vipc_endpoint *ep, const struct vipc_op *from,
			   u64 seq)
{
	struct vipc_pending *p = &ep->pending;
	struct vipc_slot *slot = vipc_slot(p, p->count++);

	slot->seq = seq;
	slot->badge = from->msg.badge;
	slot->opcode = from->msg.opcode;
	slot->flags = from->msg.flags;
	memcpy(slot->data, from->msg.data, sizeof(slot->data));
	ep->sent++;
}

static void vipc_empty_slot(struct vipc_endpoint *ep, struct vipc_op *receiver)
{
	struct vipc_pending *p = &ep->pending;
	struct vipc_slot *slot = vipc_slot(p, 0);
	struct vipc_msg *msg = &receiver->msg;
	struct vipc_op *blocked;

	msg->badge = slot->badge;
	msg->reply = 0;
	msg->opcode = slot->opcode;
	msg->flags = (msg->flags & VIPC_FLAGS_IN_MASK) |
		     (slot->flags & VIPC_FLAGS_APP_MASK);
	memcpy(msg->data, slot->data, sizeof(msg->data));
	p->first = (p->first + 1) % p->depth;
	p->count--;
	p->heard = false;
	ep->received++;

	blocked = vipc_first_blocked(ep);
	if (!blocked) {
		vipc_poll_writable(ep);
		return;
	}
	vipc_fill_slot(ep, blocked, blocked->seq);
	vipc_dequeue_sender(ep, blocked);
	vipc_op_finish(blocked, 0);
}

/* Is it the turn of a message that is kept, not of a request that waits? */
static bool vipc_kept_is_next(struct vipc_endpoint *ep)
{
	struct vipc_op *sender = vipc_first_sender(ep);

	return ep->pending.count &&
	       (!sender || vipc_slot(&ep->pending, 0)->seq < sender->seq);
}

/**
 * vipc_pending_take() - give a receiver what is pending
 * @ep: the endpoint
 * @receiver: the receiver
 *
 * Context: the endpoint's lock is held. The first SEND that waits for a slot, if
 * there is one, was not revoked.
 * Return: false if nothing is pending, or if it is the turn of a request that
 * waits.
 */
bool vipc_pending_take(struct vipc_endpoint *ep, struct vipc_op *receiver)
{
	struct vipc_pending *p = &ep->pending;
	struct vipc_watch *watch;
	bool waits;

	lockdep_assert_held(&ep->lock);
	watch = list_first_entry_or_null(&p->notices, struct vipc_watch,
					 notice);
	waits = vipc_first_sender(ep) || p->count;
	if (p->bits && !(p->heard && waits)) {
		vipc_tell(ep, receiver, VIPC_MSG_NOTIFICATION, 0, p->bits);
		p->bits = 0;
		p->heard = true;
	} else if (watch) {
		list_del(&watch->notice);
		rb_erase(&watch->node, &p->watches);
		vipc_tell(ep, receiver, VIPC_MSG_BADGE_CLOSED, watch->badge, 0);
		receiver->carrier = watch;
	} else if (vipc_kept_is_next(ep)) {
		vipc_empty_slot(ep, receiver);
	} else {
		return false;
	}
	vipc_pending_changed(ep);
	return true;
}

/* Returns the watch of @badge, or NULL and where to insert one. */
static struct vipc_watch *vipc_find_watch(struct vipc_pending *p, u64 badge,
					  struct rb_node **parent,
					  struct rb_node ***link)
{
	*parent = NULL;
	*link = &p->watches.rb_node;
	while (**link) {
		struct vipc_watch *watch;

		*parent = **link;
		watch = rb_entry(*parent, struct vipc_watch, node);
		if (badge == watch->badge)
			return watch;
		*link = badge < watch->badge ? &(*parent)->rb_left :
					       &(*parent)->rb_right;
	}
	return NULL;
}

/* Adds a watch unless there is one with its badge: that is returned then. */
static struct vipc_watch *vipc_insert_watch(struct vipc_pending *p,
					    struct vipc_watch *watch)
{
	struct rb_node *parent, **link;
	struct vipc_watch *found;

	found = vipc_find_watch(p, watch->badge, &parent, &link);
	if (found)
		return found;
	rb_link_node(&watch->node, parent, link);
	rb_insert_color(&watch->node, &p->watches);
	return watch;
}

/**
 * vipc_pending_give_back() - a receiver could not keep what the kernel told it
 * @ep: the endpoint
 * @receiver: the receiver of a notification or of a notice
 *
 * Context: the endpoint's lock is held.
 */
void vipc_pending_give_back(struct vipc_endpoint *ep, struct vipc_op *receiver)
{
	struct vipc_pending *p = &ep->pending;
	struct vipc_watch *watch = receiver->carrier;

	lockdep_assert_held(&ep->lock);
	if (receiver->msg.flags & VIPC_MSG_NOTIFICATION)
		p->bits |= receiver->msg.data[0];
	else if (vipc_insert_watch(p, watch) == watch)
		list_add(&watch->notice, &p->notices);
	else
		kfree(watch);	/* and the badge is in use again, or told anew */
	vipc_pending_changed(ep);
}

/**
 * vipc_pending_bits() - make a notification pending
 * @ep: the endpoint
 * @bits: to be ORed
 *
 * Context: the endpoint's lock is held; vipc_match() has to follow.
 */
void vipc_pending_bits(struct vipc_endpoint *ep, u64 bits)
{
	lockdep_assert_held(&ep->lock);
	ep->pending.bits |= bits;
	vipc_pending_changed(ep);
}

/**
 * vipc_watch_new() - allocate a watch
 * @badge: for which badge
 *
 * Context: may sleep. The memory is charged to the caller's memory cgroup.
 * Return: the watch, to be freed with kfree(), or NULL without memory.
 */
struct vipc_watch *vipc_watch_new(u64 badge)
{
	struct vipc_watch *watch = kzalloc(sizeof(*watch), GFP_KERNEL_ACCOUNT);

	if (watch)
		watch->badge = badge;
	return watch;
}

/**
 * vipc_watch_begin() - one more watched capability has a badge
 * @ep: the endpoint
 * @spare: a new watch for that badge; still the caller's, if another one is
 *	returned
 *
 * Context: the endpoint's lock is held.
 * Return: the watch of that badge. A notice that was not received is withdrawn.
 */
struct vipc_watch *vipc_watch_begin(struct vipc_endpoint *ep,
				    struct vipc_watch *spare)
{
	struct vipc_watch *watch;

	lockdep_assert_held(&ep->lock);
	watch = vipc_insert_watch(&ep->pending, spare);
	if (watch != spare && !watch->caps) {
		list_del(&watch->notice);
		vipc_pending_changed(ep);
	}
	watch->caps++;
	return watch;
}

/**
 * vipc_watch_end() - a capability is closed or revoked
 * @cap: the capability, watched or not
 *
 * Context: the endpoint's lock is held; vipc_match() has to follow.
 */
void vipc_watch_end(struct vipc_cap *cap)
{
	struct vipc_endpoint *ep = cap->endpoint;
	struct vipc_watch *watch = cap->watch;

	lockdep_assert_held(&ep->lock);
	if (!watch)
		return;
	cap->watch = NULL;
	if (--watch->caps)
		return;
	list_add_tail(&watch->notice, &ep->pending.notices);
	vipc_pending_changed(ep);
}

/**
 * vipc_keep() - keep the message of a SEND that no receiver waits for
 * @ep: the endpoint
 * @sender: the SEND
 *
 * Context: the endpoint's lock is held.
 * Return: false if no slot is free.
 */
bool vipc_keep(struct vipc_endpoint *ep, const struct vipc_op *sender)
{
	struct vipc_pending *p = &ep->pending;

	lockdep_assert_held(&ep->lock);
	if (p->count == p->depth)
		return false;
	vipc_fill_slot(ep, sender, ++p->last_seq);
	vipc_pending_changed(ep);
	return true;
}

/**
 * vipc_drop_kept() - forget the messages that are kept
 * @ep: an endpoint that is dead
 *
 * Context: the endpoint's lock is held.
 * Return: how many these were.
 */
unsigned int vipc_drop_kept(struct vipc_endpoint *ep)
{
	unsigned int dropped = ep->pending.count;

	lockdep_assert_held(&ep->lock);
	ep->pending.count = 0;
	vipc_pending_changed(ep);
	return dropped;
}
