/* SPDX-License-Identifier: GPL-2.0 */
/*
 * While two hostile clients do their worst, an honest client of the same endpoint makes
 * its calls, and gets the right answer to each in time. In the end the endpoint is as
 * idle as before.
 */
#ifndef HOSTILE_CLIENT_H
#define HOSTILE_CLIENT_H

#include "vipc_procs.h"

#define ATTACKERS	2
#define CALLS		150	/* of the honest client, during each attack */
#define ROUNDS		40	/* of an attacker, at least */
#define HONEST		1	/* the honest client's badge */
#define HOSTILE		2

FIXTURE(hostile)
{
	int fd, honest, hostile;
	pthread_t server;
	struct shared {
		bool stop;
		int rounds;	/* that all attackers together have done */
		int wrong;	/* answers that an attacker should not have got */
	} *shared;
};

static int server_result;

/* Answers everything; what others send it does not disturb it. */
static inline void *serve(void *data)
{
	int fd = *(int *)data, ret;
	struct vipc_msg m = { 0 };

	for (;;) {
		ret = vt_reply_recv(fd, &m);
		if (ret == -ESRCH) {
			/* The client has gone meanwhile: just go on. */
			m.reply = 0;
			continue;
		}
		if (ret)
			break;
		m.data[0]++;
		m.flags &= VIPC_FLAGS_APP_MASK;
		m.deadline_ns = 0;
	}
	server_result = ret;
	return NULL;
}

FIXTURE_SETUP(hostile)
{
	self->fd = vt_open();
	ASSERT_LE(0, self->fd);
	self->honest = vt_derive(self->fd, VIPC_RIGHT_SEND, HONEST);
	ASSERT_LE(0, self->honest);
	/* Whoever is trusted with a part must not harm the rest. */
	self->hostile = vt_derive(self->fd, VIPC_RIGHT_SEND | VIPC_RIGHT_GRANT |
				  VIPC_RIGHT_REVOKE, HOSTILE);
	ASSERT_LE(0, self->hostile);
	self->shared = vp_shared(sizeof(*self->shared));
	ASSERT_EQ(0, pthread_create(&self->server, NULL, serve, &self->fd));
	ASSERT_EQ(0, vt_wait_receivers(self->fd, 1));
}

FIXTURE_TEARDOWN(hostile)
{
	EXPECT_EQ(0, vt_wait_receivers(self->fd, 1));
	EXPECT_EQ(0, vt_wait_senders(self->fd, 0));
	EXPECT_EQ(0, vt_wait_in_service(self->fd, 0));
	EXPECT_EQ(0, vt_wait_capabilities(self->fd, 3));
	EXPECT_EQ(0, self->shared->wrong);
	EXPECT_EQ(0, vt_shutdown(self->fd));
	EXPECT_EQ(0, vt_join(self->server));
	EXPECT_EQ(-EPIPE, server_result);
	close(self->honest);
	close(self->hostile);
	close(self->fd);
}

static inline bool honest_call(int fd, uint64_t tag)
{
	struct vipc_msg m = vt_msg(tag), want = m;
	int ret;

	m.deadline_ns = vt_now_ns() + VT_LIMIT_NS / 2;
	want.data[0]++;
	ret = vt_call(fd, &m);
	return !ret && m.opcode == want.opcode && !m.badge && !m.reply &&
	       !m.flags && !memcmp(m.data, want.data, sizeof(m.data));
}

typedef void attack_fn(int cap, struct shared *sh, struct vp_rng *rng);

/* Attacks with processes of their own while honest calls are made. */
static inline void attack(struct __test_metadata *_metadata, FIXTURE_DATA(hostile) * self,
			  attack_fn *fn)
{
	pid_t pid[ATTACKERS];
	int made = 0;

	for (int i = 0; i < ATTACKERS; i++) {
		pid[i] = vt_fork();
		ASSERT_LE(0, pid[i]);
		if (pid[i] == 0) {
			struct vp_rng rng = vp_rng_init(1, (uint64_t)i);

			vp_keep_only(self->hostile);
			while (!vp_get(&self->shared->stop)) {
				fn(self->hostile, self->shared, &rng);
				vp_add(&self->shared->rounds, 1);
			}
			_exit(0);
		}
	}
	for (int i = 0; i < CALLS ||
	     vp_get(&self->shared->rounds) < ROUNDS; i++, made++) {
		ASSERT_TRUE(honest_call(self->honest, (uint64_t)i)) {
			TH_LOG("call %d failed", i);
		}
	}
	vp_set(&self->shared->stop, true);
	for (int i = 0; i < ATTACKERS; i++)
		EXPECT_EQ(0, vt_reap(pid[i]));
	TH_LOG("%d calls during %d rounds", made, self->shared->rounds);
}

#endif /* HOSTILE_CLIENT_H */
