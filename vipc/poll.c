// SPDX-License-Identifier: GPL-2.0
/*
 * What poll, select and epoll see of an endpoint.
 */
#include <linux/lockdep.h>

#include "vipc/capability.h"
#include "vipc/endpoint.h"
#include "vipc/poll.h"
#include "vipc/queue.h"

#define VIPC_READABLE	(EPOLLIN | EPOLLRDNORM)
#define VIPC_WRITABLE	(EPOLLOUT | EPOLLWRNORM)
#define VIPC_OVER	(EPOLLHUP | EPOLLERR)

static void vipc_poll_work(struct work_struct *work)
{
	struct vipc_pollers *pollers = container_of(work, struct vipc_pollers,
						    work);

	wake_up_poll(&pollers->writers, VIPC_WRITABLE | VIPC_OVER);
}

/**
 * vipc_poll_init() - nobody polls
 * @ep: a new endpoint
 */
void vipc_poll_init(struct vipc_endpoint *ep)
{
	init_waitqueue_head(&ep->pollers.readers);
	init_waitqueue_head(&ep->pollers.writers);
	INIT_WORK(&ep->pollers.work, vipc_poll_work);
}

/**
 * vipc_poll_exit() - wait for the worker
 * @ep: an endpoint without capabilities: whoever polls holds one, so that both
 *	queues are empty
 *
 * Context: may sleep.
 */
void vipc_poll_exit(struct vipc_endpoint *ep)
{
	if (ep->extras & VIPC_IS_POLLED)
		cancel_work_sync(&ep->pollers.work);
}

/* What would not block; it may change at any moment. */
static __poll_t vipc_poll_mask(const struct vipc_cap *cap)
{
	struct vipc_endpoint *ep = cap->endpoint;
	__poll_t mask = 0;

	lockdep_assert_held(&ep->lock);
	if (ep->dead)
		mask |= EPOLLHUP;
	if (cap->revoked)
		return mask | EPOLLERR;
	if (cap->rights & VIPC_RIGHT_RECV &&
	    (ep->dead || ep->extras & VIPC_HAS_PENDING ||
	     vipc_first_sender(ep)))
		mask |= VIPC_READABLE;
	if (cap->rights & VIPC_RIGHT_SEND &&
	    (ep->dead || vipc_first_receiver(ep) ||
	     ep->pending.count < ep->pending.depth))
		mask |= VIPC_WRITABLE;
	return mask;
}

/**
 * vipc_poll_cap() - poll a capability
 * @cap: the capability
 * @file: its file
 * @wait: as in every poll operation
 *
 * Context: takes the endpoint's lock.
 * Return: a mask of EPOLL*.
 */
__poll_t vipc_poll_cap(struct vipc_cap *cap, struct file *file,
		       poll_table *wait)
{
	struct vipc_endpoint *ep = cap->endpoint;
	__poll_t mask;

	if (cap->rights & VIPC_RIGHT_RECV)
		poll_wait(file, &ep->pollers.readers, wait);
	if (cap->rights & VIPC_RIGHT_SEND || !(cap->rights & VIPC_RIGHT_RECV))
		poll_wait(file, &ep->pollers.writers, wait);

	spin_lock(&ep->lock);
	ep->extras |= VIPC_IS_POLLED;
	mask = vipc_poll_mask(cap);
	spin_unlock(&ep->lock);
	return mask;
}

/**
 * vipc_poll_wake_readers() - there is something to receive
 * @ep: the endpoint, which is polled
 *
 * Context: the endpoint's lock is held.
 */
void vipc_poll_wake_readers(struct vipc_endpoint *ep)
{
	lockdep_assert_held(&ep->lock);
	/* See poll.h for why none is missed: both sides hold the lock. */
	if (waitqueue_active(&ep->pollers.readers))
		wake_up_poll(&ep->pollers.readers, VIPC_READABLE);
}

/**
 * vipc_poll_wake_writers() - a SEND would not block now
 * @ep: the endpoint, which is polled
 *
 * Context: the endpoint's lock is held.
 */
void vipc_poll_wake_writers(struct vipc_endpoint *ep)
{
	lockdep_assert_held(&ep->lock);
	/* As for the readers. */
	if (waitqueue_active(&ep->pollers.writers))
		schedule_work(&ep->pollers.work);
}

/**
 * vipc_poll_over() - capabilities were revoked, or the endpoint is dead
 * @ep: the endpoint
 *
 * Context: the endpoint's lock is held.
 */
void vipc_poll_over(struct vipc_endpoint *ep)
{
	lockdep_assert_held(&ep->lock);
	if (!(ep->extras & VIPC_IS_POLLED))
		return;
	/* As above. */
	if (waitqueue_active(&ep->pollers.readers))
		wake_up_poll(&ep->pollers.readers, VIPC_READABLE | VIPC_OVER);
	vipc_poll_wake_writers(ep);
}
