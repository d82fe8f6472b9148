/* SPDX-License-Identifier: GPL-2.0 */
/**
 * DOC: the operations
 *
 * Each exists twice: for &struct vipc_msg, which is the fast path (ipc.c), and for
 * &struct vipc_xmsg (xipc.c). Both may be mixed at will; the endpoint knows no
 * difference but what an operation carries, and has room for.
 */
#ifndef VIPC_IPC_H
#define VIPC_IPC_H

#include <linux/ktime.h>
#include <linux/uaccess.h>

#include "uapi/vipc.h"

struct vipc_cap;

/* ipc.c */
int vipc_send(struct vipc_cap *cap, struct vipc_msg __user *umsg);
int vipc_call(struct vipc_cap *cap, struct vipc_msg __user *umsg);
int vipc_recv(struct vipc_cap *cap, struct vipc_msg __user *umsg);
int vipc_reply(struct vipc_cap *cap, struct vipc_msg __user *umsg);
int vipc_reply_recv(struct vipc_cap *cap, struct vipc_msg __user *umsg);
int vipc_notify(struct vipc_cap *cap, const u64 __user *ubits);

/* xipc.c */
int vipc_send_x(struct vipc_cap *cap, struct vipc_xmsg __user *uxmsg);
int vipc_call_x(struct vipc_cap *cap, struct vipc_xmsg __user *uxmsg);
int vipc_recv_x(struct vipc_cap *cap, struct vipc_xmsg __user *uxmsg);
int vipc_reply_x(struct vipc_cap *cap, struct vipc_xmsg __user *uxmsg);
int vipc_reply_recv_x(struct vipc_cap *cap, struct vipc_xmsg __user *uxmsg);

#define VIPC_FLAGS_KNOWN	(VIPC_NONBLOCK | VIPC_UNINTERRUPTIBLE)

static inline int vipc_check_flags(const struct vipc_msg *msg)
{
	return msg->flags & VIPC_FLAGS_IN_MASK & ~VIPC_FLAGS_KNOWN ? -EINVAL : 0;
}

/* Has the deadline passed already? */
static inline bool vipc_too_late(const struct vipc_msg *msg)
{
	return msg->deadline_ns && msg->deadline_ns <= ktime_get_ns();
}

/* Tells a sender that failed whether a receiver had its request. */
static inline void vipc_put_delivered(struct vipc_msg __user *umsg,
				      u32 flags, bool delivered)
{
	flags &= ~VIPC_FLAGS_OUT_MASK;
	if (delivered)
		flags |= VIPC_MSG_DELIVERED;
	/* An error is on its way already; a fault here could not add to it. */
	put_user(flags, &umsg->flags);
}

#endif /* VIPC_IPC_H */
