// SPDX-License-Identifier: GPL-2.0
/*
 * The five operations, from the message in user memory to the message in user
 * memory. Each keeps its state on the stack of the thread that asked for it.
 */
#include "vipc/capability.h"
#include "vipc/compat.h"
#include "vipc/endpoint.h"
#include "vipc/fastpath.h"
#include "vipc/ipc.h"
#include "vipc/stats.h"
#include "vipc/trace.h"

static __always_inline int vipc_request(struct vipc_cap *cap,
					struct vipc_msg __user *umsg,
					enum vipc_role role)
{
	u64 start = vipc_clock();
	struct vipc_op op vipc_uninitialized;
	u32 flags, opcode;
	int err;

	if (role == VIPC_CALLER)
		err = vipc_get_msg_rw(&op.msg, umsg);
	else
		err = vipc_get_msg(&op.msg, umsg);
	if (unlikely(err))
		return err;
	err = vipc_check_flags(&op.msg);
	if (unlikely(err))
		return err;
	flags = op.msg.flags;
	opcode = op.msg.opcode;
	op.msg.badge = cap->badge;
	vipc_op_init(&op, cap, role);

	/* What cannot be answered in time is not asked. */
	if (role == VIPC_CALLER && unlikely(vipc_too_late(&op.msg)))
		err = vipc_endpoint_may_send(cap, 0, 0) ?: -ETIMEDOUT;
	else
		err = vipc_endpoint_send(&op, flags & VIPC_NONBLOCK);
	if (err == -EINPROGRESS || (role == VIPC_CALLER && !err))
		err = vipc_endpoint_await(&op);
	return vipc_end_request(&op, umsg, role, flags, opcode, start, err);
}

/**
 * vipc_send() - SEND: deliver a message
 * @cap: the capability to send through
 * @umsg: the message in user memory
 *
 * Context: may sleep.
 * Return: 0 when a receiver has the message, or an error of the manual.
 */
int vipc_send(struct vipc_cap *cap, struct vipc_msg __user *umsg)
{
	return vipc_request(cap, umsg, VIPC_SENDER);
}

/**
 * vipc_call() - CALL: deliver a message and wait for the reply
 * @cap: the capability to send through
 * @umsg: the request, then the reply, in user memory
 *
 * Context: may sleep.
 * Return: 0 with the reply, or an error of the manual.
 */
int vipc_call(struct vipc_cap *cap, struct vipc_msg __user *umsg)
{
	return vipc_request(cap, umsg, VIPC_CALLER);
}

/**
 * vipc_receive_traced() - answer a call, report that, and receive
 * @op: as for vipc_endpoint_receive()
 * @nonblock: likewise
 * @replied: likewise, not NULL
 *
 * Context: takes the endpoint's lock.
 * Return: as vipc_endpoint_receive().
 */
noinline int vipc_receive_traced(struct vipc_op *op, bool nonblock,
				 bool *replied)
{
	u32 opcode = op->msg.opcode, len = 0, nr_fds = 0;
	u64 token = op->msg.reply;
	int err;

	if (op->x) {
		len = op->x->reply_len;
		nr_fds = op->x->reply_fds;
	}
	err = vipc_endpoint_receive(op, nonblock, replied);
	trace_vipc_reply(op->cap, token, opcode, len, nr_fds,
			 *replied ? 0 : err);
	return err;
}

static __always_inline int vipc_receive(struct vipc_cap *cap,
					struct vipc_msg __user *umsg,
					bool reply)
{
	bool replied = false;
	struct vipc_op op vipc_uninitialized;
	int err;

	err = vipc_get_msg_rw(&op.msg, umsg);
	if (unlikely(err))
		return err;
	err = vipc_check_flags(&op.msg);
	if (unlikely(err))
		return err;
	vipc_op_init(&op, cap, VIPC_RECEIVER);

	err = vipc_receive_begin(&op, op.msg.flags & VIPC_NONBLOCK,
				 reply && op.msg.reply ? &replied : NULL);
	if (replied)
		vipc_count(VIPC_REPLIES);
	if (err == -EINPROGRESS)
		err = vipc_endpoint_await(&op);
	return vipc_end_receive(&op, umsg, replied, err);
}

/**
 * vipc_recv() - RECV: wait for a message
 * @cap: the capability to receive through
 * @umsg: where to in user memory
 *
 * Context: may sleep.
 * Return: 0 with a message, or an error of the manual.
 */
int vipc_recv(struct vipc_cap *cap, struct vipc_msg __user *umsg)
{
	return vipc_receive(cap, umsg, false);
}

/**
 * vipc_reply_recv() - REPLY_RECV: answer a call and wait for the next message
 * @cap: the capability that took the call
 * @umsg: the reply, then the next message, in user memory
 *
 * Context: may sleep.
 * Return: 0 with a message, or an error of the manual. If the reply went out
 * before the error, @umsg->reply is 0 now.
 */
int vipc_reply_recv(struct vipc_cap *cap, struct vipc_msg __user *umsg)
{
	return vipc_receive(cap, umsg, true);
}

/**
 * vipc_reply() - REPLY: answer a call
 * @cap: the capability that took the call
 * @umsg: the reply in user memory
 *
 * Context: may fault on user memory; does not wait for anybody.
 * Return: 0, or an error of the manual.
 */
int vipc_reply(struct vipc_cap *cap, struct vipc_msg __user *umsg)
{
	struct vipc_msg msg vipc_uninitialized;
	int err;

	err = vipc_get_msg(&msg, umsg);
	if (!err)
		err = vipc_check_flags(&msg);
	if (err)
		return err;
	err = vipc_endpoint_reply(cap, &msg, NULL);
	if (!err)
		vipc_count(VIPC_REPLIES);
	trace_vipc_reply(cap, msg.reply, msg.opcode, 0, 0, err);
	return err;
}

/**
 * vipc_notify() - NOTIFY: send bits to whoever receives next
 * @cap: the capability to send through
 * @ubits: the bits in user memory
 *
 * Context: may fault on user memory; does not wait for anybody.
 * Return: 0, or an error of the manual.
 */
int vipc_notify(struct vipc_cap *cap, const u64 __user *ubits)
{
	u64 bits;
	int err;

	if (copy_from_user(&bits, ubits, sizeof(bits)))
		return -EFAULT;
	if (!bits)
		return -EINVAL;
	err = vipc_endpoint_notify(cap, bits);
	if (!err)
		vipc_count(VIPC_NOTIFIES);
	trace_vipc_notify(cap, err);
	return err;
}
