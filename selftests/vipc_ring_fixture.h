/* SPDX-License-Identifier: GPL-2.0 */
/*
 * For tests of io_uring that hold with every kind of ring: an endpoint, a capability to
 * send to it, and a ring of each kind in turn.
 */
#ifndef VIPC_RING_FIXTURE_H
#define VIPC_RING_FIXTURE_H

#include "vipc_rings.h"

#define URING_ENTRIES	64

FIXTURE(uring)
{
	int server;
	int client;
	struct io_uring ring;
};

FIXTURE_VARIANT(uring)
{
	unsigned int flags;
};

FIXTURE_VARIANT_ADD(uring, plain) {};

/* Completions are posted when the thread asks for them. */
FIXTURE_VARIANT_ADD(uring, deferred)
{
	.flags = IORING_SETUP_SINGLE_ISSUER | IORING_SETUP_DEFER_TASKRUN,
};

/* A thread of the kernel's submits. */
FIXTURE_VARIANT_ADD(uring, polled)
{
	.flags = IORING_SETUP_SQPOLL,
};

FIXTURE_SETUP(uring)
{
	self->ring.ring_fd = -1;
	vt_need_uring();
	ASSERT_EQ(0, vt_ring_begin(&self->server, &self->client, VIPC_RIGHT_SEND,
				   &self->ring, URING_ENTRIES, variant->flags));
}

FIXTURE_TEARDOWN(uring)
{
	vt_ring_end(self->server, self->client, &self->ring);
}

#endif /* VIPC_RING_FIXTURE_H */
