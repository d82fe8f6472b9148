// SPDX-License-Identifier: GPL-2.0
/*
 * Watched capabilities that come and go at any moment, while others receive the
 * notices, derive, and revoke: each end that nobody has withdrawn is told once.
 */
#include "vipc_procs.h"

#define CLOSES	1500

FIXTURE(race)
{
	int fd;
	struct vipc_msg m;
};

FIXTURE_SETUP(race)
{
	self->fd = vt_open();
	ASSERT_LE(0, self->fd);
}

FIXTURE_TEARDOWN(race)
{
	close(self->fd);
}

struct closer {
	pthread_t thread;
	int fd, cpu;
	uint64_t badge;
	unsigned int rounds, closed, told, failed;
	bool waits;		/* for each notice, before the next */
};

static void *derive_and_close(void *data)
{
	struct closer *c = data;

	vt_pin(c->cpu);
	for (unsigned int i = 0; i < c->rounds; i++) {
		int cap = vt_derive_watched(c->fd, VIPC_RIGHT_SEND, c->badge);

		if (cap < 0) {
			vp_add(&c->failed, 1);
			break;
		}
		vp_add(&c->closed, 1);
		close(cap);
		if (c->waits && vt_wait_until(vp_get(&c->told) == i + 1)) {
			vp_add(&c->failed, 1);
			break;
		}
	}
	return NULL;
}

/*
 * Two clients come and go while a server receives. Each end that nobody has
 * withdrawn is told, once; the last one of each is told in any case.
 */
TEST_F(race, two_clients)
{
	for (int waits = 0; waits < 2; waits++) {
		unsigned int told[2] = { 0 };
		struct closer c[2];

		for (int i = 0; i < 2; i++) {
			c[i] = (struct closer){
				.fd = self->fd,
				.cpu = i ? vt_cpus() - 1 : 0,
				.badge = 40 + i,
				.rounds = CLOSES,
				.waits = waits,
			};
			ASSERT_EQ(0, pthread_create(&c[i].thread, NULL,
						    derive_and_close, &c[i]));
		}
		while (told[0] < CLOSES || told[1] < CLOSES) {
			unsigned int at;

			ASSERT_EQ(0, vt_recv_soon(self->fd, &self->m));
			ASSERT_TRUE(vt_is_notice(&self->m, self->m.badge));
			at = (unsigned int)self->m.badge - 40;
			ASSERT_GE(1, at);
			vp_add(&c[at].told, 1);
			/* not before it has ended, and not twice */
			told[at] = vp_get(&c[at].closed);
			ASSERT_LE(c[at].told, told[at]);
		}
		for (int i = 0; i < 2; i++) {
			ASSERT_EQ(0, vt_join(c[i].thread));
			EXPECT_EQ(0, c[i].failed);
		}
		/* one that came early, before the end of its closer */
		for (int i = 0; i < 2 && !waits; i++) {
			if (!vp_recv_now(self->fd, &self->m))
				EXPECT_TRUE(vt_is_notice(&self->m, self->m.badge));
		}
		EXPECT_EQ(-EAGAIN, vp_recv_now(self->fd, &self->m));
	}
}

/* ---- one badge, of which several have something ---- */

struct user {
	pthread_t thread;
	int fd, cpu;
	unsigned int failed;
};

static void *use_badge(void *data)
{
	struct user *u = data;

	vt_pin(u->cpu);
	for (int i = 0; i < 2000; i++) {
		int cap = vt_derive_watched(u->fd, 0, 9);

		if (cap < 0)
			u->failed++;
		close(cap);
	}
	return NULL;
}

/* While one that stays has it, no end of others is told; then the end is. */
TEST_F(race, shared_badge)
{
	int stays = vt_derive_watched(self->fd, 0, 9), n = 0;
	struct user u[2];

	ASSERT_LE(0, stays);
	for (int round = 0; round < 2; round++) {
		for (int i = 0; i < 2; i++) {
			u[i] = (struct user){
				.fd = self->fd,
				.cpu = i ? vt_cpus() - 1 : 0,
			};
			ASSERT_EQ(0, pthread_create(&u[i].thread, NULL,
						    use_badge, &u[i]));
		}
		/* in the second round it goes amidst of them */
		if (round)
			close(stays);
		for (int i = 0; i < 2; i++) {
			ASSERT_EQ(0, vt_join(u[i].thread));
			EXPECT_EQ(0, u[i].failed);
		}
		while (!vp_recv_now(self->fd, &self->m)) {
			ASSERT_TRUE(vt_is_notice(&self->m, 9));
			n++;
		}
		/* what was told meanwhile was withdrawn by the next */
		EXPECT_EQ(round, n);
	}
}

/* ---- revoked and closed at once ---- */

struct revoker {
	pthread_t thread;
	int fd, cpu, ret;
	int go;
};

static void *revoke_on_go(void *data)
{
	struct revoker *r = data;

	vt_pin(r->cpu);
	while (!vp_get(&r->go))
		sched_yield();
	r->ret = vt_revoke(r->fd);
	return NULL;
}

TEST_F(race, revoked_and_closed)
{
	struct vp_rng rng = vp_rng_init(vp_seed(), 1);

	for (int round = 0; round < 150; round++) {
		struct revoker r = { .cpu = round & 1 ? vt_cpus() - 1 : 0 };
		unsigned int seen = 0;
		int cap[8];

		r.fd = vt_derive(self->fd, VIPC_RIGHTS_ALL, 0);
		ASSERT_LE(0, r.fd);
		for (int i = 0; i < 8; i++) {
			/* four badges, each by two capabilities */
			cap[i] = vt_derive_watched(r.fd, VIPC_RIGHT_SEND,
						   i / 2 + 1);
			ASSERT_LE(0, cap[i]);
		}
		ASSERT_EQ(0, pthread_create(&r.thread, NULL, revoke_on_go, &r));
		vp_set(&r.go, 1);
		vp_spin(vp_random(&rng, 4000));
		for (int i = 0; i < 8; i++)
			close(cap[(i * 3 + round) % 8]);
		ASSERT_EQ(0, vt_join(r.thread));
		EXPECT_EQ(0, r.ret);
		close(r.fd);
		for (int i = 0; i < 4; i++) {
			ASSERT_EQ(0, vp_recv_now(self->fd, &self->m));
			ASSERT_TRUE(vt_is_notice(&self->m, self->m.badge));
			seen |= 1u << self->m.badge;
		}
		ASSERT_EQ(0x1e, seen);
		ASSERT_EQ(-EAGAIN, vp_recv_now(self->fd, &self->m));
	}
}

/* ---- the server ends amidst of it ---- */

TEST_F(race, server_ends)
{
	for (int round = 0; round < 60; round++) {
		struct closer c = {
			.cpu = round & 1 ? vt_cpus() - 1 : 0,
			.badge = 1,
			.rounds = 1000000,
		};
		int fd = vt_open(), ret;

		ASSERT_LE(0, fd);
		c.fd = fd;
		ASSERT_EQ(0, pthread_create(&c.thread, NULL, derive_and_close, &c));
		for (int i = 0; i < round % 8; i++) {
			ASSERT_EQ(0, vt_recv_soon(fd, &self->m));
			ASSERT_TRUE(vt_is_notice(&self->m, 1));
		}
		ASSERT_EQ(0, vt_wait_until(vp_get(&c.closed)));
		ASSERT_EQ(0, vt_shutdown(fd));
		ret = vp_recv_now(fd, &self->m);
		EXPECT_EQ(-EPIPE, ret);
		/* nor can it derive any more, which is its end */
		ASSERT_EQ(0, vt_join(c.thread));
		EXPECT_EQ(1, c.failed);
		EXPECT_EQ(1, vt_capabilities(fd));
		close(fd);
	}
}

TEST_HARNESS_MAIN
