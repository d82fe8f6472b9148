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

/* Not an error: nobody can have this message, for its sender's fault. */
#define VIPC_TAKE_NEXT	1

/* With @rw, memory that cannot be written to is refused, as by vipc_get_msg_rw(). */
static int vipc_get_xmsg(struct vipc_xmsg *to, struct vipc_xmsg __user *from,
			 bool rw)
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

/* Makes ready what a request carries, and the room for its reply. */
static int vipc_prepare(struct vipc_op *op, const struct vipc_xmsg *xmsg)
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

static int vipc_request_x(struct vipc_cap *cap, struct vipc_xmsg __user *uxmsg,
			  enum vipc_role role)
{
	u64 start = vipc_clock();
	struct vipc_xop x = {};
	struct vipc_xmsg xmsg;
	struct vipc_op op;
	u32 flags;
	int err;

	err = vipc_get_xmsg(&xmsg, uxmsg, role == VIPC_CALLER);
	if (err)
		return err;
	flags = xmsg.msg.flags;
	op.msg = xmsg.msg;
	op.msg.badge = cap->badge;
	vipc_op_init(&op, cap, role);
	op.x = &x;

	err = vipc_prepare(&op, &xmsg);
	if (!err)
		err = vipc_endpoint_send(&op, flags & VIPC_NONBLOCK);
	if (err == -EINPROGRESS || (role == VIPC_CALLER && !err))
		err = vipc_endpoint_await(&op);
	if (role == VIPC_CALLER && !err)
		err = vipc_cargo_unpack(x.cargo, &xmsg) ?:
		      vipc_put_xmsg(&op, &xmsg, uxmsg);
	vipc_cargo_free(x.cargo, &cap->endpoint->spare);
	vipc_room_free(&x.room);
	if (err) {
		vipc_put_delivered(&uxmsg->msg, flags, op.delivered);
		return err;
	}
	vipc_count_latency((role == VIPC_CALLER ? VIPC_CALL_SLOW :
						  VIPC_SEND_SLOW) + op.fast,
			   start);
	return 0;
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

/* Makes ready what a reply carries; nothing may fail between here and the answer. */
static int vipc_prepare_reply(struct vipc_cap *cap,
			      const struct vipc_xmsg *xmsg, struct vipc_xop *x)
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
	if (!err)
		err = vipc_prepare_reply(cap, &xmsg, &x);
	if (!err)
		err = vipc_endpoint_reply(cap, &xmsg.msg, &x);
	if (!err)
		vipc_count(VIPC_REPLIES);
	vipc_cargo_free(x.reply, &cap->endpoint->spare);
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

/* Unpacks a message that was received, or gives it back. */
static int vipc_keep_x(struct vipc_op *op, struct vipc_xmsg *xmsg,
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
		return signal_pending(current) ? -ERESTARTSYS : VIPC_TAKE_NEXT;
	}
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
	reply = reply && xmsg.msg.reply;
	if (reply)
		err = vipc_prepare_reply(cap, &xmsg, &x);
	if (err)
		goto out;

	do {
		vipc_cargo_free(x.cargo, &cap->endpoint->spare);
		x.cargo = NULL;
		x.received = 0;
		x.taken = 0;
		x.caller_room.len = 0;
		x.caller_room.nr_fds = 0;
		op.msg = xmsg.msg;
		vipc_op_init(&op, cap, VIPC_RECEIVER);
		op.x = &x;
		err = vipc_endpoint_receive(&op, op.msg.flags & VIPC_NONBLOCK,
					    reply && !replied ? &replied : NULL);
		if (err == -EINPROGRESS)
			err = vipc_endpoint_await(&op);
		if (!err) {
			err = vipc_keep_x(&op, &xmsg, uxmsg);
			faulted = err == -EFAULT;
		}
	} while (err == VIPC_TAKE_NEXT);

	if (replied)
		vipc_count(VIPC_REPLIES);
	/* As in vipc_receive(): a second try must only receive. */
	if (err && (replied || faulted) && put_user(0, &uxmsg->msg.reply))
		err = -EFAULT;
out:
	vipc_cargo_free(x.reply, &cap->endpoint->spare);
	vipc_cargo_free(x.cargo, &cap->endpoint->spare);
	return err;
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
