// SPDX-License-Identifier: GPL-2.0
/*
 * Rights, badges, and the tree of derived capabilities.
 */
#include <linux/errno.h>
#include <linux/lockdep.h>
#include <linux/slab.h>

#include "vipc/capability.h"
#include "vipc/endpoint.h"
#include "vipc/stats.h"

/**
 * vipc_cap_new() - allocate a capability
 * @endpoint: what it is for
 * @rights: VIPC_RIGHT_*
 * @badge: the badge, 0 for none
 *
 * Context: may sleep. The memory is charged to the caller's memory cgroup.
 * Return: a capability outside the tree, or NULL without memory.
 */
struct vipc_cap *vipc_cap_new(struct vipc_endpoint *endpoint, u32 rights,
			      u64 badge)
{
	struct vipc_cap *cap = kzalloc(sizeof(*cap), GFP_KERNEL_ACCOUNT);

	if (!cap)
		return NULL;
	cap->endpoint = endpoint;
	cap->badge = badge;
	cap->rights = rights;
	INIT_HLIST_HEAD(&cap->ops);
	cap->async = RB_ROOT;
	cap->in_service = RB_ROOT;
	INIT_LIST_HEAD(&cap->as_receiver);
	INIT_LIST_HEAD(&cap->children);
	INIT_LIST_HEAD(&cap->sibling);
	return cap;
}

/**
 * vipc_cap_free() - free a capability that is in no list and no tree
 * @cap: the capability, or NULL
 *
 * Context: any.
 */
void vipc_cap_free(struct vipc_cap *cap)
{
	kfree(cap);
}

/**
 * vipc_cap_may_derive() - do the rules let this one be derived?
 * @cap: the capability to derive from
 * @wanted: what the new one shall be
 *
 * Context: the endpoint's lock is held.
 * Return:
 * * 0			- they do
 * * -EKEYREVOKED	- @cap was revoked
 * * -EACCES		- @cap lacks GRANT, or one of the rights asked for
 * * -EINVAL		- @cap has a badge, and another one was asked for, or to watch
 *			  it; or there is no badge to be watched
 */
int vipc_cap_may_derive(const struct vipc_cap *cap,
			const struct vipc_derive *wanted)
{
	int err = vipc_cap_check(cap, VIPC_RIGHT_GRANT | wanted->rights);

	if (!err && cap->badge &&
	    (wanted->badge != cap->badge || wanted->flags))
		err = -EINVAL;
	if (!err && wanted->flags && !wanted->badge)
		err = -EINVAL;
	return err;
}

/**
 * vipc_cap_adopt() - make one capability the child of another
 * @parent: a node that is in the tree
 * @child: a capability with @parent's endpoint, in no tree, or the child of a
 *	node that is going away
 *
 * Context: the endpoint's lock is held.
 */
void vipc_cap_adopt(struct vipc_cap *parent, struct vipc_cap *child)
{
	lockdep_assert_held(&parent->endpoint->lock);
	child->parent = parent;
	list_move_tail(&child->sibling, &parent->children);
}

/**
 * vipc_cap_orphan() - take a capability without children out of the tree
 * @cap: the capability
 *
 * Context: the endpoint's lock is held. Frees @cap if it was a mere node.
 */
void vipc_cap_orphan(struct vipc_cap *cap)
{
	lockdep_assert_held(&cap->endpoint->lock);
	list_del_init(&cap->sibling);
	cap->parent = NULL;
	if (cap->closed)
		vipc_cap_free(cap);
}

/**
 * vipc_cap_bury() - close a capability: its parent inherits its children
 * @cap: the capability, whose file is gone; not to be touched afterwards
 *
 * Context: the endpoint's lock is held. Takes constant time: a node without a file
 * has two children or more, so at most one above is left with a single child,
 * which takes its place. One with fewer children exists only while a revocation
 * empties it, and then it is the child of that revocation's root, which is open:
 * the loop climbs two nodes at most.
 */
void vipc_cap_bury(struct vipc_cap *cap)
{
	struct vipc_cap *parent, *child;

	lockdep_assert_held(&cap->endpoint->lock);
	cap->closed = true;
	while (cap && cap->closed) {
		if (!list_empty(&cap->children) &&
		    !list_is_singular(&cap->children))
			return;
		parent = cap->parent;
		child = list_first_entry_or_null(&cap->children,
						 struct vipc_cap, sibling);
		if (child && parent) {
			vipc_cap_adopt(parent, child);
		} else if (child) {
			list_del_init(&child->sibling);
			child->parent = NULL;
		}
		vipc_cap_orphan(cap);
		/* The parent lost a child, unless it got another one for it. */
		cap = child ? NULL : parent;
	}
}
