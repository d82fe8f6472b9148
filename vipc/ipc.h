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
#include <linux/slab.h>
#include <linux/uaccess.h>

#include "uapi/vipc.h"
#include "vipc/endpoint.h"
#include "vipc/fastpath.h"
#include "vipc/stats.h"
#include "vipc/trace.h"
#include "vipc/wait.h"

struct vipc_cap;

/* ipc.c */
int vipc_send(struct vipc_cap *cap, struct vipc_msg __user *umsg);
int vipc_call(struct vipc_cap *cap, struct vipc_msg __user *umsg);
int vipc_recv(struct vipc_cap *cap, struct vipc_msg __user *umsg);
int vipc_reply(struct vipc_cap *cap, struct vipc_msg __user *umsg);
int vipc_reply_recv(struct vipc_cap *cap, struct vipc_msg __user *umsg);
int vipc_notify(struct vipc_cap *cap, const u64 __user *ubits);
int vipc_receive_traced(struct vipc_op *op, bool nonblock, bool *replied);

/* Not an error: nobody can have this message, for its sender's fault. */
#define VIPC_TAKE_NEXT	1

/* xipc.c */
int vipc_send_x(struct vipc_cap *cap, struct vipc_xmsg __user *uxmsg);
int vipc_call_x(struct vipc_cap *cap, struct vipc_xmsg __user *uxmsg);
int vipc_recv_x(struct vipc_cap *cap, struct vipc_xmsg __user *uxmsg);
int vipc_reply_x(struct vipc_cap *cap, struct vipc_xmsg __user *uxmsg);
int vipc_reply_recv_x(struct vipc_cap *cap, struct vipc_xmsg __user *uxmsg);
int vipc_get_xmsg(struct vipc_xmsg *to, struct vipc_xmsg __user *from, bool rw);
int vipc_prepare_x(struct vipc_op *op, const struct vipc_xmsg *xmsg);
int vipc_prepare_reply(struct vipc_cap *cap, const struct vipc_xmsg *xmsg,
		       struct vipc_xop *x);
int vipc_keep_x(struct vipc_op *op, struct vipc_xmsg *xmsg,
		struct vipc_xmsg __user *uxmsg);
void vipc_renew_x(struct vipc_op *op, struct vipc_cap *cap, struct vipc_xop *x,
		  const struct vipc_xmsg *xmsg);
int vipc_end_request_x(struct vipc_op *op, struct vipc_xmsg *xmsg,
		       struct vipc_xmsg __user *uxmsg, u64 start, int err);
int vipc_end_receive_x(struct vipc_op *op, struct vipc_xmsg __user *uxmsg,
		       bool replied, bool faulted, int err);
void vipc_free_x(struct vipc_op *op);

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

/* vipc_endpoint_receive(), and reports the reply: what comes may overwrite it. */
static __always_inline int vipc_receive_begin(struct vipc_op *op, bool nonblock,
					      bool *replied)
{
	if (trace_vipc_reply_enabled() && replied)
		return vipc_receive_traced(op, nonblock, replied);
	return vipc_endpoint_receive(op, nonblock, replied);
}

/**
 * vipc_end_request() - what is left to do once a request has ended
 * @op: the request
 * @umsg: where it came from, and where the reply is to go
 * @role: VIPC_SENDER or VIPC_CALLER
 * @flags: of the request, as they came
 * @opcode: of the request, as it came
 * @start: vipc_clock() when it began
 * @err: how it ended
 *
 * Context: may sleep; in the process whose request it is.
 * Return: 0, or an error of the manual.
 */
static __always_inline int vipc_end_request(struct vipc_op *op,
					    struct vipc_msg __user *umsg,
					    enum vipc_role role, u32 flags,
					    u32 opcode, u64 start, int err)
{
	if (role == VIPC_CALLER && likely(!err))
		err = vipc_put_msg(umsg, &op->msg);
	if (unlikely(err))
		vipc_put_delivered(umsg, flags, op->delivered);
	else
		vipc_count_latency((role == VIPC_CALLER ? VIPC_CALL_SLOW :
							  VIPC_SEND_SLOW) +
				   op->fast, start);
	if (role == VIPC_CALLER)
		trace_vipc_call(op, opcode, 0, 0, start, err);
	else
		trace_vipc_send(op, opcode, 0, 0, start, err);
	return err;
}

/**
 * vipc_end_receive() - what is left to do once a receive has ended
 * @op: the receive
 * @umsg: where the message is to go
 * @replied: a reply went out first
 * @err: how it ended
 *
 * Context: may sleep; in the process whose receive it is.
 * Return: 0, or an error of the manual: then the message was given back.
 */
static __always_inline int vipc_end_receive(struct vipc_op *op,
					    struct vipc_msg __user *umsg,
					    bool replied, int err)
{
	if (likely(!err)) {
		err = vipc_put_msg(umsg, &op->msg);
		if (likely(!err)) {
			kfree(op->carrier);
			vipc_count(VIPC_RECEIVES);
			trace_vipc_receive(op, 0, 0, 0);
			return 0;
		}
		vipc_endpoint_take_back(op);
	}
	/*
	 * A second try must only receive: the reply has gone out, or what a
	 * fault has left there names a call that was given back.
	 */
	if ((replied || err == -EFAULT) && put_user(0, &umsg->reply))
		err = -EFAULT;
	trace_vipc_receive(op, 0, 0, err);
	return err;
}

#endif /* VIPC_IPC_H */
