/* SPDX-License-Identifier: GPL-2.0 */
/**
 * DOC: messages that no thread waits with
 *
 * Besides the requests of threads that wait in SEND and CALL, a receiver may get,
 * in this order:
 *
 * - the bits of all NOTIFYs since the last time, as one message, but not twice
 *   without a request in between while requests wait: NOTIFY costs its sender
 *   nothing, and shall not keep the others from being served;
 * - notices that the last watched capability with some badge is gone;
 * - on an endpoint with a depth: messages whose SENDs have returned.
 *
 * They are pending while no receiver waits. Nothing here allocates memory but when
 * a badge is watched, and when a depth is set: a notification is one bit, a notice
 * is made of what watched the badge, and a message that is kept has a slot.
 *
 * The messages kept are ordered with the requests that wait by a sequence number,
 * so that each is received in its turn. A SEND that finds all slots taken waits in
 * &vipc_pending.blocked; whoever empties a slot fills it with the first of those.
 * Hence none of them waits while there is a slot.
 */
#ifndef VIPC_PENDING_H
#define VIPC_PENDING_H

#include <linux/list.h>
#include <linux/rbtree.h>
#include <linux/types.h>

#include "uapi/vipc.h"

struct vipc_cap;
struct vipc_endpoint;
struct vipc_op;

/**
 * struct vipc_watch - a badge whose last capability is waited for
 * @badge: which; constant
 * @caps: how many watched capabilities have it; 0: a notice, or being delivered
 * @node: in vipc_pending.watches, until it is delivered
 * @notice: in vipc_pending.notices while @caps is 0 and it is not delivered
 *
 * Protected by the endpoint's lock; a receiver that was given one owns it.
 */
struct vipc_watch {
	u64 badge;
	u32 caps;
	struct rb_node node;
	struct list_head notice;
};

/**
 * struct vipc_slot - a message whose SEND has returned
 * @seq: its turn
 * @badge: of the capability that it was sent through
 * @opcode: as in &struct vipc_msg
 * @flags: likewise
 * @data: likewise
 */
struct vipc_slot {
	u64 seq;
	u64 badge;
	u32 opcode;
	u32 flags;
	u64 data[4];
};

/**
 * struct vipc_pending - the messages of an endpoint that no thread waits with
 * @bits: of NOTIFY
 * @heard: no request that waited was taken since the last notification
 * @notices: watches without capabilities, the first to be closed first
 * @watches: all watches that are not delivered, by badge
 * @slots: a ring for messages, NULL if @depth is 0
 * @depth: how many
 * @first: slot of the first message
 * @count: how many messages are kept
 * @blocked: SENDs that wait for a slot, first come first served
 * @last_seq: turn of the last message that was kept, or had to wait
 *
 * All protected by the endpoint's lock.
 */
struct vipc_pending {
	u64 bits;
	bool heard;
	struct list_head notices;
	struct rb_root watches;
	struct vipc_slot *slots;
	u32 depth;
	u32 first;
	u32 count;
	struct list_head blocked;
	u64 last_seq;
};

void vipc_pending_init(struct vipc_pending *pending);
void vipc_pending_free(struct vipc_pending *pending);

bool vipc_pending_take(struct vipc_endpoint *ep, struct vipc_op *receiver);
void vipc_pending_give_back(struct vipc_endpoint *ep, struct vipc_op *receiver);

void vipc_pending_bits(struct vipc_endpoint *ep, u64 bits);

struct vipc_watch *vipc_watch_new(u64 badge);
struct vipc_watch *vipc_watch_begin(struct vipc_endpoint *ep,
				    struct vipc_watch *spare);
void vipc_watch_end(struct vipc_cap *cap);

bool vipc_keep(struct vipc_endpoint *ep, const struct vipc_op *sender);
unsigned int vipc_drop_kept(struct vipc_endpoint *ep);

#endif /* VIPC_PENDING_H */
