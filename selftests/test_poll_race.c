// SPDX-License-Identifier: GPL-2.0
/*
 * Programs that do nothing but wait for an event and then go on until EAGAIN: if
 * an edge were lost, they would wait for ever. Most of what is sent here is sent
 * by someone who does not go on before it has arrived, so that no later event can
 * make good for an edge that was lost.
 */
#include "vipc_polls.h"

enum { SENDS, KEPT, BITS, NOTICES, WHEN_POSSIBLE, KINDS };

#define KIND(k)	(1u << (k))

static struct {
	int fd, w;
	unsigned int rounds;		/* of each kind */
	unsigned int arrived[KINDS];
	enum pl_method method;
	bool exclusive;			/* one set each, EPOLLEXCLUSIVE */
	bool blocking;			/* receivers do not poll at all */
	unsigned int waits, failed;
} run;

struct actor {
	pthread_t thread;
	int kind, cpu;
};

static void fail(void)
{
	vp_add(&run.failed, 1);
}

/* What a message is, by its kind; wrong ones are counted. */
static void consume(const struct vipc_msg *m)
{
	int kind;

	if (m->flags & VIPC_MSG_NOTIFICATION)
		kind = BITS;
	else if (m->flags & VIPC_MSG_BADGE_CLOSED)
		kind = NOTICES;
	else
		kind = (int)(m->data[0] >> 32);
	if (kind < 0 || kind >= KINDS) {
		fail();
		return;
	}
	if (kind == SENDS || kind == KEPT || kind == WHEN_POSSIBLE)
		if (!vt_msg_is(m, m->data[0]))
			fail();
	vp_add(&run.arrived[kind], 1);
}

/* A new set for each wait cannot miss anything: not with epoll, therefore. */
static int wait_for(int ep, int fd)
{
	vp_add(&run.waits, 1);
	if (run.method == PL_EPOLL || run.method == PL_EPOLL_ET)
		return pl_epoll_wait(ep, PL_LIMIT_MS);
	return pl_events(fd, run.method, PL_LIMIT_MS);
}

static void *consumer(void *data)
{
	struct actor *a = data;
	uint32_t events = EPOLLIN;
	int fd, ep, ret;

	vt_pin(a->cpu);
	if (run.method == PL_EPOLL_ET)
		events |= EPOLLET;
	if (run.exclusive)
		events |= EPOLLEXCLUSIVE;
	fd = vt_derive(run.fd, VIPC_RIGHT_RECV, 0);
	ep = pl_epoll(run.exclusive ? run.fd : fd, events);
	if (ep < 0)
		fail();
	for (;;) {
		struct vipc_msg m = { .flags = run.blocking ? 0 : VIPC_NONBLOCK };

		ret = vt_recv(fd, &m);
		if (!ret)
			consume(&m);
		else if (ret != -EAGAIN)
			break;
		else if (wait_for(ep, fd) <= 0)
			break;
	}
	if (ret != -EPIPE)
		fail();
	close(ep);
	close(fd);
	return NULL;
}

/* NONBLOCK until EAGAIN, and an edge of EPOLLOUT until the next one. */
static void send_when_possible(void)
{
	int ep = pl_epoll(run.w, EPOLLOUT | EPOLLET);

	for (unsigned int i = 0; i < run.rounds; i++) {
		uint64_t tag = (uint64_t)WHEN_POSSIBLE << 32 | i;
		int ret;

		while ((ret = vp_send_tag(run.w, tag, VIPC_NONBLOCK)) == -EAGAIN) {
			vp_add(&run.waits, 1);
			if (pl_epoll_wait(ep, PL_LIMIT_MS) <= 0)
				break;
		}
		if (ret) {
			fail();
			break;
		}
	}
	close(ep);
}

static int send_one(int kind, unsigned int i)
{
	uint64_t tag = (uint64_t)kind << 32 | i;
	int fd;

	switch (kind) {
	case SENDS:
		return vp_send_tag(run.w, tag, 0);
	case KEPT:
		return vp_send_tag(run.w, tag, 0);
	case BITS:
		return vt_notify(run.w, 1ull << i % 64);
	default:
		fd = vt_derive_watched(run.fd, 0, i % 3 + 1);
		close(fd);
		return fd < 0 ? fd : 0;
	}
}

static void *producer(void *data)
{
	struct actor *a = data;

	vt_pin(a->cpu);
	if (a->kind == WHEN_POSSIBLE) {
		send_when_possible();
		return NULL;
	}
	for (unsigned int i = 0; i < run.rounds; i++) {
		if (send_one(a->kind, i)) {
			fail();
			break;
		}
		if (a->kind == SENDS)
			continue;
		if (vt_wait_until(vp_get(&run.arrived[a->kind]) == i + 1)) {
			fail();
			break;
		}
	}
	return NULL;
}

FIXTURE(edges)
{
	struct actor consumer[3], producer[KINDS];
};

FIXTURE_VARIANT(edges)
{
	unsigned int kinds;	/* which producers there are */
	uint32_t depth;
	enum pl_method method;
	int consumers;
	unsigned int rounds;
	bool exclusive, blocking, one_cpu;
};

#define UNBUFFERED	(KIND(SENDS) | KIND(BITS) | KIND(NOTICES))
#define BUFFERED	(UNBUFFERED | KIND(KEPT))

FIXTURE_VARIANT_ADD(edges, of_sends)
{
	.kinds = KIND(SENDS),
	.method = PL_EPOLL_ET,
	.consumers = 1,
	.rounds = 500,
};

FIXTURE_VARIANT_ADD(edges, of_kept)
{
	.kinds = KIND(KEPT),
	.depth = 1,
	.method = PL_EPOLL_ET,
	.consumers = 1,
	.rounds = 400,
};

FIXTURE_VARIANT_ADD(edges, of_bits)
{
	.kinds = KIND(BITS),
	.method = PL_EPOLL_ET,
	.consumers = 1,
	.rounds = 400,
};

FIXTURE_VARIANT_ADD(edges, of_notices)
{
	.kinds = KIND(NOTICES),
	.method = PL_EPOLL_ET,
	.consumers = 1,
	.rounds = 400,
};

FIXTURE_VARIANT_ADD(edges, of_all)
{
	.kinds = UNBUFFERED,
	.method = PL_EPOLL_ET,
	.consumers = 1,
	.rounds = 200,
};

FIXTURE_VARIANT_ADD(edges, of_all_on_one_cpu)
{
	.kinds = UNBUFFERED,
	.method = PL_EPOLL_ET,
	.consumers = 1,
	.rounds = 200,
	.one_cpu = true,
};

FIXTURE_VARIANT_ADD(edges, of_all_and_a_ring)
{
	.kinds = BUFFERED,
	.depth = 2,
	.method = PL_EPOLL_ET,
	.consumers = 1,
	.rounds = 150,
};

FIXTURE_VARIANT_ADD(edges, level)
{
	.kinds = BUFFERED,
	.depth = 2,
	.method = PL_EPOLL,
	.consumers = 1,
	.rounds = 120,
};

FIXTURE_VARIANT_ADD(edges, of_poll)
{
	.kinds = BUFFERED,
	.depth = 2,
	.method = PL_POLL,
	.consumers = 1,
	.rounds = 120,
};

FIXTURE_VARIANT_ADD(edges, of_select)
{
	.kinds = BUFFERED,
	.depth = 2,
	.method = PL_SELECT,
	.consumers = 1,
	.rounds = 120,
};

FIXTURE_VARIANT_ADD(edges, to_three)
{
	.kinds = BUFFERED,
	.depth = 2,
	.method = PL_EPOLL_ET,
	.consumers = 3,
	.rounds = 120,
};

FIXTURE_VARIANT_ADD(edges, to_one_of_three)
{
	.kinds = BUFFERED,
	.depth = 2,
	.method = PL_EPOLL_ET,
	.consumers = 3,
	.rounds = 120,
	.exclusive = true,
};

FIXTURE_VARIANT_ADD(edges, of_receivers)
{
	.kinds = KIND(WHEN_POSSIBLE),
	.consumers = 1,
	.rounds = 400,
	.blocking = true,
};

FIXTURE_VARIANT_ADD(edges, of_receivers_on_one_cpu)
{
	.kinds = KIND(WHEN_POSSIBLE),
	.consumers = 1,
	.rounds = 400,
	.blocking = true,
	.one_cpu = true,
};

FIXTURE_VARIANT_ADD(edges, of_two_receivers)
{
	.kinds = KIND(WHEN_POSSIBLE) | KIND(SENDS),
	.consumers = 2,
	.rounds = 300,
	.blocking = true,
};

FIXTURE_VARIANT_ADD(edges, of_places)
{
	.kinds = KIND(WHEN_POSSIBLE),
	.depth = 1,
	.consumers = 1,
	.rounds = 400,
	.blocking = true,
};

FIXTURE_VARIANT_ADD(edges, of_both_sides)
{
	.kinds = KIND(WHEN_POSSIBLE),
	.depth = 1,
	.method = PL_EPOLL_ET,
	.consumers = 1,
	.rounds = 400,
};

FIXTURE_VARIANT_ADD(edges, of_both_sides_with_others)
{
	.kinds = KIND(WHEN_POSSIBLE) | BUFFERED,
	.depth = 3,
	.method = PL_EPOLL_ET,
	.consumers = 2,
	.rounds = 120,
};

FIXTURE_SETUP(edges)
{
	memset(&run, 0, sizeof(run));
	run.rounds = variant->rounds;
	run.method = variant->method;
	run.exclusive = variant->exclusive;
	run.blocking = variant->blocking;
	run.fd = vt_open();
	ASSERT_LE(0, run.fd);
	run.w = vt_derive(run.fd, VIPC_RIGHT_SEND, 0);
	ASSERT_LE(0, run.w);
	if (variant->depth)
		ASSERT_EQ(0, vt_set_depth(run.fd, variant->depth));
}

FIXTURE_TEARDOWN(edges)
{
	close(run.w);
	close(run.fd);
}

TEST_F(edges, none_lost)
{
	int last = variant->one_cpu ? 0 : vt_cpus() - 1;

	for (int kind = 0; kind < KINDS; kind++) {
		struct actor *a = &self->producer[kind];

		if (!(variant->kinds & KIND(kind)))
			continue;
		a->kind = kind;
		a->cpu = kind & 1 ? last : 0;
		ASSERT_EQ(0, pthread_create(&a->thread, NULL, producer, a));
	}
	/* receivers that are always there in time would show nothing */
	if (variant->blocking) {
		ASSERT_EQ(0, vt_wait_until(vp_get(&run.waits)));
	}
	for (int i = 0; i < variant->consumers; i++) {
		self->consumer[i].cpu = i & 1 ? 0 : last;
		ASSERT_EQ(0, pthread_create(&self->consumer[i].thread, NULL,
					    consumer, &self->consumer[i]));
	}
	for (int kind = 0; kind < KINDS; kind++) {
		if (!(variant->kinds & KIND(kind)))
			continue;
		ASSERT_EQ(0, vt_join(self->producer[kind].thread));
		ASSERT_EQ(0, vt_wait_until(vp_get(&run.arrived[kind]) ==
					   variant->rounds)) {
			TH_LOG("kind %d: %u of %u", kind, run.arrived[kind],
			       variant->rounds);
		}
	}
	/* the last edge: there will be nothing more */
	ASSERT_EQ(0, vt_shutdown(run.fd));
	for (int i = 0; i < variant->consumers; i++) {
		ASSERT_EQ(0, vt_join(self->consumer[i].thread));
	}
	EXPECT_EQ(0, run.failed);
	/* somebody did wait, so there was something to lose */
	EXPECT_LT(0, run.waits);
	for (int kind = 0; kind < KINDS; kind++)
		EXPECT_EQ(variant->kinds & KIND(kind) ? variant->rounds : 0,
			  run.arrived[kind]);
}

TEST_HARNESS_MAIN
