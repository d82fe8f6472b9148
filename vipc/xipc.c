// SPDX-License-Identifier: GPL-2.0
/*
 * The five operations with bytes and descriptors. Whatever may fault or sleep is
 * done before a message is handed over, or after.
 */
#include <linux/pagemap.h>
#include <linux/sched/signal.h>
#include <linux/slab.h>

#include "vipc/capability.h"
#include "vipc/endpoint.h"
#include "vipc/ipc.h"
#include "vipc/payload.h"
#include "vipc/stats.h"
#include "vipc/trace.h"

/**
 * vipc_get_xmsg() - copy a message in
 * @to: where to; undefined after an error
 * @from: user address
 * @rw: refuse memory that cannot be written to, as vipc_get_msg_rw() does
 *
 * Context: may sleep.
 * Return: 0, -EFAULT, or -EINVAL: an unknown flag, or a reserved field is not 0.
 */
int vipc_get_xmsg(struct vipc_xmsg *to, struct vipc_xmsg __user *from, bool rw)
{
	if (copy_from_user(to, from, sizeof(*to)))
		return -EFAULT;
	if (rw && (put_user(to->msg.badge, &from->msg.badge) ||
		   put_user(to->reserved, &from->reserved)))
		return -EFAULT;
	return to->reserved ? -EINVAL : vipc_check_flags(&to->msg);
}

/* Tells the current process what has come, after that was unpacked. */
static int vipc_put_xmsg(struct vipc_op *op, struct vipc_xmsg *xmsg,
			 struct vipc_xmsg __user *uxmsg)
{
	struct vipc_xop *x = op->x;
	u32 nr_fds = x->cargo ? x->cargo->nr_fds : 0;

	xmsg->msg = op->msg;
	xmsg->rx_len = x->received;
	xmsg->rx_nfds = nr_fds;
	if (copy_to_user(uxmsg, xmsg, sizeof(*xmsg))) {
		vipc_cargo_recall(x->cargo);
		return -EFAULT;
	}
	vipc_count_by(VIPC_BYTES_COPIED, x->received);
	vipc_count_by(VIPC_FDS_PASSED, nr_fds);
	return 0;
}

/**
 * vipc_prepare_x() - make ready what a request carries, and the room for its reply
 * @op: the request, with an x
 * @xmsg: where its bytes and descriptors are, and where those of the reply are to go
 *
 * Context: may sleep; in the process whose request it is. vipc_free_x() has to follow.
 * Return: 0, or an error of the manual.
 */
int vipc_prepare_x(struct vipc_op *op, const struct vipc_xmsg *xmsg)
{
	int err;

	err = vipc_endpoint_may_send(op->cap, xmsg->tx_len, xmsg->tx_nfds);
	if (!err && op->role == VIPC_CALLER) {
		/* What cannot be answered in time is not asked. */
		if (vipc_too_late(&op->msg))
			return -ETIMEDOUT;
		err = vipc_room_make(&op->x->room, xmsg);
	}
	return err ?: vipc_cargo_pack(&op->x->cargo, xmsg, xmsg->tx_len, true,
				      &op->cap->endpoint->spare);
}

/**
 * vipc_free_x() - free what an operation has, and does not need any more
 * @op: the operation, which has ended or was not begun
 *
 * Context: may sleep.
 */
void vipc_free_x(struct vipc_op *op)
{
	struct vipc_spare *spare = &op->cap->endpoint->spare;

	vipc_cargo_free(op->x->cargo, spare);
	vipc_cargo_free(op->x->reply, spare);
	vipc_room_free(&op->x->room);
}

/**
 * vipc_end_request_x() - what is left to do once a request has ended
 * @op: the request; frees what it has
 * @xmsg: as it came
 * @uxmsg: where it came from, and where the reply is to go
 * @start: vipc_clock() when it began
 * @err: how it ended
 *
 * Context: may sleep; in the process whose request it is.
 * Return: 0, or an error of the manual.
 */
int vipc_end_request_x(struct vipc_op *op, struct vipc_xmsg *xmsg,
		       struct vipc_xmsg __user *uxmsg, u64 start, int err)
{
	u32 flags = xmsg->msg.flags, opcode = xmsg->msg.opcode;
	bool call = op->role == VIPC_CALLER;

	if (call && !err)
		err = vipc_cargo_unpack(op->x->cargo, xmsg) ?:
		      vipc_put_xmsg(op, xmsg, uxmsg);
	vipc_free_x(op);
	if (err)
		vipc_put_delivered(&uxmsg->msg, flags, op->delivered);
	else
		vipc_count_latency((call ? VIPC_CALL_SLOW : VIPC_SEND_SLOW) +
				   op->fast, start);
	if (call)
		trace_vipc_call(op, opcode, xmsg->tx_len, xmsg->tx_nfds, start,
				err);
	else
		trace_vipc_send(op, opcode, xmsg->tx_len, xmsg->tx_nfds, start,
				err);
	return err;
}

static int vipc_request_x(struct vipc_cap *cap, struct vipc_xmsg __user *uxmsg,
			  enum vipc_role role)
{
	u64 start = vipc_clock();
	struct vipc_xop x = {};
	struct vipc_xmsg xmsg;
	struct vipc_op op;
	int err;

	err = vipc_get_xmsg(&xmsg, uxmsg, role == VIPC_CALLER);
	if (err)
		return err;
	op.msg = xmsg.msg;
	op.msg.badge = cap->badge;
	vipc_op_init(&op, cap, role);
	op.x = &x;

	err = vipc_prepare_x(&op, &xmsg);
	if (!err)
		err = vipc_endpoint_send(&op, xmsg.msg.flags & VIPC_NONBLOCK);
	if (err == -EINPROGRESS || (role == VIPC_CALLER && !err))
		err = vipc_endpoint_await(&op);
	return vipc_end_request_x(&op, &xmsg, uxmsg, start, err);
}

/**
 * vipc_send_x() - SEND: deliver a message with bytes and descriptors
 * @cap: the capability to send through
 * @uxmsg: the message in user memory
 *
 * Context: may sleep.
 * Return: 0 when a receiver has all of it, or an error of the manual.
 */
int vipc_send_x(struct vipc_cap *cap, struct vipc_xmsg __user *uxmsg)
{
	return vipc_request_x(cap, uxmsg, VIPC_SENDER);
}

/**
 * vipc_call_x() - CALL: the same, and wait for the reply
 * @cap: the capability to send through
 * @uxmsg: the request, then the reply, in user memory
 *
 * Context: may sleep.
 * Return: 0 with the reply, or an error of the manual.
 */
int vipc_call_x(struct vipc_cap *cap, struct vipc_xmsg __user *uxmsg)
{
	return vipc_request_x(cap, uxmsg, VIPC_CALLER);
}

/*
 * Copies a reply into the room of its caller, if that is pinned: @x->claimed tells.
 * Where memory has to be faulted in, the caller is let go of meanwhile.
 */
static int vipc_fill_caller(struct vipc_cap *cap, const struct vipc_xmsg *xmsg,
			    struct vipc_xop *x)
{
	const char __user *from = u64_to_user_ptr(xmsg->tx_buf);
	u32 done = 0, len = xmsg->tx_len;

	if (!access_ok(from, len))
		return -EFAULT;
	for (;;) {
		int err = vipc_endpoint_claim(cap, xmsg->msg.reply, x);

		if (err || !x->claimed)
			return err;
		/* Another reply may have been there meanwhile. */
		if (!x->alone)
			done = 0;
		done = vipc_room_fill(&x->claimed->x->room, done, from, len);
		if (done == len)
			return 0;
		vipc_endpoint_unclaim(cap, x);
		if (fault_in_readable(from + done, len - done))
			return -EFAULT;
		/* Somebody takes the pages away as fast as they come. */
		if (fatal_signal_pending(current))
			return -EINTR;
	}
}

/**
 * vipc_prepare_reply() - make ready what a reply carries
 * @cap: the capability that took the call
 * @xmsg: the reply
 * @x: of the server; its cargo is to be freed, or given to the caller
 *
 * Nothing may fail between here and the answer, unless this does.
 *
 * Context: may sleep; in the process that answers.
 * Return: 0, or an error of the manual.
 */
int vipc_prepare_reply(struct vipc_cap *cap, const struct vipc_xmsg *xmsg,
		       struct vipc_xop *x)
{
	struct vipc_spare *spare = &cap->endpoint->spare;
	int err;

	x->reply_len = xmsg->tx_len;
	x->reply_fds = xmsg->tx_nfds;
	if (!x->reply_len && !x->reply_fds)
		return 0;
	err = vipc_endpoint_may_answer(cap, xmsg->msg.reply, x);
	if (err)
		return err;
	if (x->reply_len >= VIPC_PIN_MIN) {
		err = vipc_cargo_pack(&x->reply, xmsg, 0, false, spare);
		if (!err)
			err = vipc_fill_caller(cap, xmsg, x);
		if (err || x->claimed)
			return err;
		vipc_cargo_free(x->reply, spare);
	}
	return vipc_cargo_pack(&x->reply, xmsg, x->reply_len, false, spare);
}

/**
 * vipc_reply_x() - REPLY: answer a call with bytes and descriptors
 * @cap: the capability that took the call
 * @uxmsg: the reply in user memory
 *
 * Context: may fault on user memory; does not wait for anybody.
 * Return: 0, or an error of the manual.
 */
int vipc_reply_x(struct vipc_cap *cap, struct vipc_xmsg __user *uxmsg)
{
	struct vipc_xop x = {};
	struct vipc_xmsg xmsg;
	int err;

	err = vipc_get_xmsg(&xmsg, uxmsg, false);
	if (err)
		return err;
	err = vipc_prepare_reply(cap, &xmsg, &x);
	if (!err)
		err = vipc_endpoint_reply(cap, &xmsg.msg, &x);
	if (!err)
		vipc_count(VIPC_REPLIES);
	vipc_cargo_free(x.reply, &cap->endpoint->spare);
	trace_vipc_reply(cap, xmsg.msg.reply, xmsg.msg.opcode, xmsg.tx_len,
			 xmsg.tx_nfds, err);
	return err;
}

/* All of a message that was received, or an error and nothing. */
static int vipc_unpack_x(struct vipc_op *op, struct vipc_xmsg *xmsg,
			 struct vipc_xmsg __user *uxmsg)
{
	struct vipc_xop *x = op->x;
	int err;

	err = vipc_cargo_unpack(x->cargo, xmsg);
	if (err)
		return err;
	/* The memory of who has left may have changed while it was copied. */
	if (x->cargo && x->cargo->pin && !vipc_endpoint_whole(op)) {
		vipc_cargo_recall(x->cargo);
		return VIPC_TAKE_NEXT;
	}
	xmsg->reply_len = x->caller_room.len;
	xmsg->reply_nfds = x->caller_room.nr_fds;
	return vipc_put_xmsg(op, xmsg, uxmsg);
}

/**
 * vipc_keep_x() - unpack a message that was received, or give it back
 * @op: a receiver that has one
 * @xmsg: where the bytes and descriptors are to go; then the message
 * @uxmsg: where that is to go
 *
 * Context: may sleep; in the process that receives.
 * Return: 0; VIPC_TAKE_NEXT: this one is gone; or an error of the manual.
 */
int vipc_keep_x(struct vipc_op *op, struct vipc_xmsg *xmsg,
		struct vipc_xmsg __user *uxmsg)
{
	struct vipc_xop *x = op->x;
	int err;

	err = vipc_unpack_x(op, xmsg, uxmsg);
	switch (err) {
	case 0:
		kfree(op->carrier);
		if (x->taken)
			vipc_endpoint_taken(op);
		vipc_count(VIPC_RECEIVES);
		return 0;
	case -EFAULT:
	case -EMFILE:
	case -ENFILE:
	case -ENOMEM:
		vipc_endpoint_take_back(op);
		return err;
	default:
		/* A file that this process may not have would block the queue. */
		vipc_endpoint_reject(op);
		fallthrough;
	case VIPC_TAKE_NEXT:
		return VIPC_TAKE_NEXT;
	}
}

/**
 * vipc_renew_x() - prepare a receiver for its first message, or another one
 * @op: the receiver, with an x that has no cargo or one that nobody could have
 * @cap: the capability to receive through
 * @x: its x
 * @xmsg: what came from user memory
 *
 * Context: may sleep.
 */
void vipc_renew_x(struct vipc_op *op, struct vipc_cap *cap, struct vipc_xop *x,
		  const struct vipc_xmsg *xmsg)
{
	vipc_cargo_free(x->cargo, &cap->endpoint->spare);
	x->cargo = NULL;
	x->received = 0;
	x->taken = 0;
	x->caller_room.len = 0;
	x->caller_room.nr_fds = 0;
	op->msg = xmsg->msg;
	vipc_op_init(op, cap, VIPC_RECEIVER);
	op->x = x;
}

/**
 * vipc_end_receive_x() - what is left to do once a receive has ended
 * @op: the receive; frees what it has
 * @uxmsg: where the message is, or was to go
 * @replied: a reply went out first
 * @faulted: there was a message, which @uxmsg's memory did not take
 * @err: how it ended
 *
 * Context: may sleep; in the process whose receive it is.
 * Return: 0, or an error of the manual.
 */
int vipc_end_receive_x(struct vipc_op *op, struct vipc_xmsg __user *uxmsg,
		       bool replied, bool faulted, int err)
{
	const struct vipc_xop *x = op->x;

	/* As in vipc_end_receive(): a second try must only receive. */
	if (err && (replied || faulted) && put_user(0, &uxmsg->msg.reply))
		err = -EFAULT;
	trace_vipc_receive(op, x->received, x->cargo ? x->cargo->nr_fds : 0,
			   err);
	vipc_free_x(op);
	return err;
}

static int vipc_receive_x(struct vipc_cap *cap, struct vipc_xmsg __user *uxmsg,
			  bool reply)
{
	bool replied = false, faulted = false;
	struct vipc_xop x = {};
	struct vipc_xmsg xmsg;
	struct vipc_op op;
	int err;

	err = vipc_get_xmsg(&xmsg, uxmsg, true);
	if (err)
		return err;
	x.room.len = xmsg.rx_len;
	x.room.nr_fds = xmsg.rx_nfds;
	vipc_renew_x(&op, cap, &x, &xmsg);
	reply = reply && xmsg.msg.reply;
	if (reply)
		err = vipc_prepare_reply(cap, &xmsg, &x);
	if (err)
		trace_vipc_reply(cap, xmsg.msg.reply, xmsg.msg.opcode,
				 xmsg.tx_len, xmsg.tx_nfds, err);

	while (!err) {
		err = vipc_receive_begin(&op, op.msg.flags & VIPC_NONBLOCK,
					 reply && !replied ? &replied : NULL);
		if (err == -EINPROGRESS)
			err = vipc_endpoint_await(&op);
		if (err)
			break;
		err = vipc_keep_x(&op, &xmsg, uxmsg);
		faulted = err == -EFAULT;
		if (err != VIPC_TAKE_NEXT)
			break;
		err = signal_pending(current) ? -ERESTARTSYS : 0;
		vipc_renew_x(&op, cap, &x, &xmsg);
	}
	if (replied)
		vipc_count(VIPC_REPLIES);
	return vipc_end_receive_x(&op, uxmsg, replied, faulted, err);
}

/**
 * vipc_recv_x() - RECV: wait for a message with bytes and descriptors
 * @cap: the capability to receive through
 * @uxmsg: where to in user memory
 *
 * Context: may sleep.
 * Return: 0 with a message, or an error of the manual.
 */
int vipc_recv_x(struct vipc_cap *cap, struct vipc_xmsg __user *uxmsg)
{
	return vipc_receive_x(cap, uxmsg, false);
}

/**
 * vipc_reply_recv_x() - REPLY_RECV: answer a call and wait for the next message
 * @cap: the capability that took the call
 * @uxmsg: the reply, then the next message, in user memory
 *
 * Context: may sleep.
 * Return: 0 with a message, or an error of the manual. If the reply went out
 * before the error, @uxmsg->msg.reply is 0 now.
 */
int vipc_reply_recv_x(struct vipc_cap *cap, struct vipc_xmsg __user *uxmsg)
{
	return vipc_receive_x(cap, uxmsg, true);
}
