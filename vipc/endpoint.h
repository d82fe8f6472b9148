/* SPDX-License-Identifier: GPL-2.0 */
/**
 * DOC: endpoints: the state machine of the hand-off
 *
 * Every request is in one of these places, and only the holder of the
 * endpoint's lock moves it::
 *
 *            no receiver waits            a receiver comes
 *   SEND ---------------------> senders ------------------> finished
 *   CALL         |                 ^            |
 *                | one waits       | take back  | CALL
 *                +---> finished    +--------- in service ---> finished
 *                +---> in service               (reply, server gone)
 *
 * A SEND with bytes or descriptors goes the way of a CALL: it is in service until its
 * receiver has unpacked them. A caller whose reply is being copied into its room is
 * in no place meanwhile (VIPC_ANSWERED): only who claimed it moves it on.
 *
 * From any of the places the thread itself may leave (signal, deadline), and
 * revocation or the death of the endpoint may finish it.
 *
 * Never are senders queued while receivers wait, and nothing else is pending then
 * (pending.h). Who adds to what is pending calls vipc_match().
 *
 * Lock order::
 *
 *   vipc_endpoints_lock (mutex: list of endpoints, for debugfs)
 *     endpoint->lock (spinlock: everything of one endpoint)
 *       the scheduler's locks, by waking a thread
 *
 * The lock of an io_uring may be held around all of this, see async.h.
 *
 * Two endpoints' locks are never held together. Work in one critical section
 * is bounded; what may take longer lets go of the lock in between (lifetime.c).
 */
#ifndef VIPC_ENDPOINT_H
#define VIPC_ENDPOINT_H

#include <linux/list.h>
#include <linux/sched.h>
#include <linux/spinlock.h>
#include <linux/types.h>

#include "uapi/vipc.h"
#include "vipc/payload.h"
#include "vipc/pending.h"
#include "vipc/poll.h"
#include "vipc/wait.h"

struct vipc_cap;

/* vipc_endpoint.extras: what few endpoints have, in one word for the fast path */
#define VIPC_HAS_PENDING	1	/* vipc_pending_take() may have something */
#define VIPC_IS_POLLED		2	/* somebody has polled it; for ever */

/**
 * struct vipc_endpoint - an endpoint
 * @lock: protects all that is not constant, the capabilities and the
 *	operations queued or in service; taken from process context only
 * @dead: nothing will be delivered any more; never becomes false again
 * @told: that it is dead has been reported, as vipc_death
 * @extras: VIPC_HAS_PENDING, VIPC_IS_POLLED
 * @receivers: waiting receivers, the last to come first
 * @finished: asynchronous operations that were finished since the lock was taken,
 *	the last one first
 * @senders: requests that wait for a receiver, first come first served
 * @next_token: reply token of the next call
 * @nr_receivers: length of @receivers
 * @nr_senders: length of @senders
 * @nr_in_service: callers in service, of all capabilities
 * @nr_caps: capabilities that are open; the last to be closed frees this
 * @sent: SENDs delivered
 * @called: CALLs delivered
 * @received: messages taken by receivers
 * @replied: calls answered
 * @receiver_caps: the capabilities with RIGHT_RECV; when it runs empty, the
 *	endpoint is dead
 * @revocations: REVOKEs under way
 * @bookmark: who looks at the queued requests goes on here, or NULL; see waits.c
 * @cap_bookmark: who looks at @receiver_caps goes on here, or NULL
 * @pending: messages that no thread waits with
 * @pollers: who polls
 * @spare: memory for the next cargo
 * @max_len: largest number of bytes in a request
 * @max_fds: largest number of descriptors in a request
 * @for_reply: how callers wait; no lock, see &struct vipc_patience
 * @for_request: how receivers wait; likewise
 * @id: constant
 * @owner: thread group that opened it, in the initial pid namespace; constant
 * @comm: and its name; constant
 * @node: in the list of all endpoints; vipc_endpoints_lock
 */
struct vipc_endpoint {
	spinlock_t lock;	/* see @lock above */
	bool dead;
	bool told;
	u32 extras;
	struct hlist_head receivers;
	struct vipc_op *finished;
	struct list_head senders;
	u64 next_token;
	u32 nr_receivers;
	u32 nr_senders;
	u32 nr_in_service;
	u32 nr_caps;
	u64 sent;
	u64 called;
	u64 received;
	u64 replied;
	struct vipc_patience for_reply;
	struct vipc_patience for_request;
	struct list_head receiver_caps;
	struct list_head revocations;
	struct list_head *bookmark;
	struct list_head *cap_bookmark;
	struct vipc_pending pending;
	struct vipc_pollers pollers;
	struct vipc_spare spare;
	u32 max_len;
	u32 max_fds;
	u64 id;
	pid_t owner;
	char comm[TASK_COMM_LEN];
	struct list_head node;
};

/* async.c */
void vipc_async_unlock(struct vipc_endpoint *ep) __releases(&ep->lock);

/**
 * vipc_endpoint_unlock() - let go of the lock
 * @ep: the endpoint
 *
 * Asynchronous operations that were finished under it are completed now: that takes
 * locks of io_uring's, of which ours must know nothing.
 *
 * Context: the endpoint's lock is held.
 */
static inline void vipc_endpoint_unlock(struct vipc_endpoint *ep)
	__releases(&ep->lock)
{
	if (VIPC_HAS_URING && unlikely(ep->finished))
		vipc_async_unlock(ep);
	else
		spin_unlock(&ep->lock);
}

/* endpoint.c */
int vipc_endpoint_may_send(struct vipc_cap *cap, u32 len, u32 nr_fds);
int vipc_endpoint_send(struct vipc_op *op, bool nonblock);
int vipc_endpoint_receive(struct vipc_op *op, bool nonblock, bool *replied);
int vipc_endpoint_reply(struct vipc_cap *server, const struct vipc_msg *reply,
			struct vipc_xop *x);
int vipc_endpoint_notify(struct vipc_cap *cap, u64 bits);
int vipc_endpoint_abandon(struct vipc_op *op, int why);
void vipc_endpoint_take_back(struct vipc_op *receiver);

/* service.c */
int vipc_endpoint_may_answer(struct vipc_cap *server, u64 token,
			     const struct vipc_xop *x);
int vipc_endpoint_claim(struct vipc_cap *server, u64 token, struct vipc_xop *x);
void vipc_endpoint_unclaim(struct vipc_cap *server, struct vipc_xop *x);
bool vipc_endpoint_whole(struct vipc_op *receiver);
void vipc_endpoint_taken(struct vipc_op *receiver);
void vipc_endpoint_reject(struct vipc_op *receiver);

/* lifetime.c */
struct vipc_cap *vipc_endpoint_open(u32 rights);
void vipc_endpoint_close(struct vipc_cap *cap);
int vipc_endpoint_may_derive(struct vipc_cap *cap,
			     const struct vipc_derive *wanted);
struct vipc_cap *vipc_endpoint_derive(struct vipc_cap *cap,
				      const struct vipc_derive *wanted);
int vipc_endpoint_revoke(struct vipc_cap *cap);
int vipc_endpoint_shutdown(struct vipc_cap *cap);

/* config.c */
int vipc_endpoint_config(struct vipc_cap *cap, struct vipc_config *config);

/**
 * vipc_endpoint_await() - wait for the end of an operation
 * @op: of the current thread, queued or in service
 *
 * Context: may sleep.
 * Return: 0 or the error with which it has finished; -ETIMEDOUT; -ERESTARTSYS
 * on a signal, or -EINTR if a receiver had the request. In each case @op is the
 * thread's own again.
 */
static inline int vipc_endpoint_await(struct vipc_op *op)
{
	int why = vipc_op_park(op);

	return unlikely(why) ? vipc_endpoint_abandon(op, why) : op->outcome;
}

#endif /* VIPC_ENDPOINT_H */
