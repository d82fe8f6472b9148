/* SPDX-License-Identifier: GPL-2.0 */
/**
 * DOC: capabilities, and the tree of who derived what
 *
 * One &struct vipc_cap is what an open file of the module stands for. It is
 * reached through that file only, so it stays valid while the file is open:
 * for every operation through it, and for everything that is queued or in
 * service through it (closing takes those away first).
 *
 * The capabilities of an endpoint form the tree of their derivation, which
 * REVOKE walks downwards. Closing one hands its children to its parent. That
 * must not take time in proportion to their number, so a closed capability
 * with several children stays behind as a node without a file, and disappears
 * when it has at most one left. Hence every such node has two children or more
 * (but for one that a revocation is emptying), and there are always fewer of
 * them than open capabilities: nobody can make the kernel hold more memory than
 * their descriptors account for.
 *
 * A revoked capability leaves the tree: it can derive nothing any more.
 *
 * All of this is protected by the endpoint's lock.
 */
#ifndef VIPC_CAPABILITY_H
#define VIPC_CAPABILITY_H

#include <linux/list.h>
#include <linux/rbtree.h>
#include <linux/types.h>

#include "uapi/vipc.h"

struct vipc_endpoint;
struct vipc_op;
struct vipc_watch;

/**
 * struct vipc_cap - a capability
 * @endpoint: what it is for; constant, and kept alive by it
 * @badge: constant
 * @rights: VIPC_RIGHT_*; constant
 * @revoked: its rights are gone; endpoint's lock
 * @closed: its file is gone, it is a mere node; endpoint's lock
 * @ops: operations queued through it; endpoint's lock
 * @async: asynchronous operations through it that have not finished, or may go on
 *	nevertheless, see async.c; endpoint's lock
 * @latest: the last caller that it has taken, if still in service; endpoint's
 *	lock
 * @in_service: its other callers in service, by reply token; endpoint's lock
 * @as_receiver: in endpoint->receiver_caps, with RIGHT_RECV, until it is
 *	revoked or closed or the endpoint is dead; endpoint's lock
 * @parent: NULL for a root; endpoint's lock
 * @children: what was derived from it; endpoint's lock
 * @sibling: in parent->children; endpoint's lock
 * @watch: who is to be told when it is gone, see pending.h, or NULL; endpoint's
 *	lock
 */
struct vipc_cap {
	struct vipc_endpoint *endpoint;
	u64 badge;
	u32 rights;
	bool revoked;
	bool closed;
	struct hlist_head ops;
	struct rb_root async;
	struct vipc_op *latest;
	struct rb_root in_service;
	struct list_head as_receiver;
	struct vipc_cap *parent;
	struct list_head children;
	struct list_head sibling;
	struct vipc_watch *watch;
};

struct vipc_cap *vipc_cap_new(struct vipc_endpoint *endpoint, u32 rights,
			      u64 badge);
void vipc_cap_free(struct vipc_cap *cap);
int vipc_cap_may_derive(const struct vipc_cap *cap,
			const struct vipc_derive *wanted);
void vipc_cap_adopt(struct vipc_cap *parent, struct vipc_cap *child);
void vipc_cap_orphan(struct vipc_cap *cap);
void vipc_cap_bury(struct vipc_cap *cap);

/**
 * vipc_cap_check() - may this capability be used for that?
 * @cap: the capability
 * @rights: VIPC_RIGHT_* needed, all of them
 *
 * Context: the endpoint's lock is held, in the critical section that also does
 * what was asked for.
 * Return: 0, -EKEYREVOKED or -EACCES.
 */
static inline int vipc_cap_check(const struct vipc_cap *cap, u32 rights)
{
	if (unlikely(cap->revoked))
		return -EKEYREVOKED;
	if (unlikely((cap->rights & rights) != rights))
		return -EACCES;
	return 0;
}

#endif /* VIPC_CAPABILITY_H */
