// SPDX-License-Identifier: GPL-2.0
/*
 * Buffered endpoints under load: many senders and receivers at once, on both
 * CPUs, with deadlines, signals, revocations and faults. Each message whose SEND
 * has succeeded is received once, and no other.
 */
#include "vipc_procs.h"

#define PAGE		4096ul
#define SENDERS		3
#define MAX_MESSAGES	1500

/* Message @n of sender @who. */
#define TAG(who, n)	((uint64_t)(who) << 32 | (n))

/* The result of a CALL that failed after it had been delivered. */
#define DELIVERED	1
#define NOT_TRIED	INT_MIN

static struct {
	int fd;
	int cap[SENDERS];
	unsigned int messages;	/* of each sender */
	unsigned int calls;	/* every that-many-th is a CALL; 0: none */
	bool in_time;		/* with deadlines that pass now and then */
	bool may_leave;		/* callers that are in service */
	struct vipc_msg *page;	/* that flickers, if not NULL */
	bool stop;
	/* what has come of each message, by the SEND and by the receivers */
	int result[SENDERS][MAX_MESSAGES];
	unsigned char received[SENDERS][MAX_MESSAGES];
	int wrong, received_in_all;
	struct wrong {
		int ret;
		struct vipc_msg m;
	} first_wrong;
} load;

static void is_wrong(int ret, const struct vipc_msg *m)
{
	if (vp_add(&load.wrong, 1) == 1)
		load.first_wrong = (struct wrong){ .ret = ret, .m = *m };
}

struct worker {
	pthread_t thread;
	unsigned int number;
	int cpu;
	int sent;
};

static void *sender(void *data)
{
	struct worker *w = data;
	struct vp_rng rng = vp_rng_init(w->number, 1);

	vt_pin(w->cpu);
	for (unsigned int i = 0; i < load.messages; i++) {
		struct vipc_msg m = vt_msg(TAG(w->number, i));
		bool call = load.calls && i % load.calls == 0;
		int ret;

		if (load.in_time)
			m.deadline_ns = vt_now_ns() + vp_random(&rng, 60000);
		ret = vt_ioctl(load.cap[w->number], call ? VIPC_IOC_CALL :
			       VIPC_IOC_SEND, &m);
		if (call && !ret && m.data[0] != ~TAG(w->number, i))
			is_wrong(ret, &m);
		if (ret && vp_delivered(&m)) {
			if (!call)
				is_wrong(ret, &m);
			ret = DELIVERED;
		}
		vp_set(&load.result[w->number][i], ret);
		vp_add(&w->sent, 1);
		if (ret == -EKEYREVOKED || ret == -EPIPE)
			break;
	}
	return NULL;
}

/*
 * Each sender's come in their order, to each receiver: unless another one gives a
 * message back that it had taken before.
 */
static bool take(const struct vipc_msg *m, long *last)
{
	unsigned int who = (unsigned int)(m->data[0] >> 32);
	unsigned int n = (uint32_t)m->data[0];

	if (who >= SENDERS || n >= load.messages ||
	    !vt_msg_is(m, TAG(who, n)) || m->badge != who + 1 ||
	    ((long)n <= last[who] && !load.page))
		return false;
	last[who] = n;
	vp_add(&load.received_in_all, 1);
	return vp_add(&load.received[who][n], 1) == 1;
}

static void *receiver(void *data)
{
	struct worker *w = data;
	struct vipc_msg mine = { 0 }, reply;
	long last[SENDERS] = { -1, -1, -1 };

	vt_pin(w->cpu);
	for (;;) {
		struct vipc_msg *m = load.page && !w->number ? load.page : &mine;
		int ret = vt_recv(load.fd, m);

		if (ret == -EPIPE)
			return NULL;
		if (ret == -EFAULT && m == load.page)
			continue;
		if (ret || !take(m, last))
			is_wrong(ret, m);
		if (m->reply) {
			reply = *m;
			reply.data[0] = ~reply.data[0];
			ret = vt_reply(load.fd, &reply);
			/* a caller may have left, and the endpoint be dead */
			if (ret && !(ret == -ESRCH && load.may_leave))
				is_wrong(ret, &reply);
		}
	}
}

static void *flipper(void *unused)
{
	while (!vp_get(&load.stop)) {
		mprotect(load.page, PAGE, PROT_READ);
		mprotect(load.page, PAGE, PROT_READ | PROT_WRITE);
		sched_yield();
	}
	return unused;
}

FIXTURE(load)
{
	struct worker s[SENDERS], r[3];
	pthread_t flipper;
	struct vp_rng rng;
	int mid;
	long long dropped;
};

FIXTURE_VARIANT(load)
{
	uint32_t depth;
	unsigned int messages;
	int receivers;
	unsigned int calls;
	bool one_cpu, in_time, flicker;
};

FIXTURE_VARIANT_ADD(load, depth_1)
{
	.depth = 1,
	.messages = 500,
	.receivers = 2,
};

FIXTURE_VARIANT_ADD(load, depth_3)
{
	.depth = 3,
	.messages = 400,
	.receivers = 3,
};

FIXTURE_VARIANT_ADD(load, depth_100)
{
	.depth = 100,
	.messages = 1200,
	.receivers = 2,
};

FIXTURE_VARIANT_ADD(load, one_receiver)
{
	.depth = 8,
	.messages = 500,
	.receivers = 1,
};

FIXTURE_VARIANT_ADD(load, one_cpu)
{
	.depth = 4,
	.messages = 800,
	.receivers = 2,
	.one_cpu = true,
};

FIXTURE_VARIANT_ADD(load, with_calls)
{
	.depth = 4,
	.messages = 400,
	.receivers = 2,
	.calls = 5,
};

FIXTURE_VARIANT_ADD(load, with_deadlines)
{
	.depth = 2,
	.messages = 500,
	.receivers = 1,
	.in_time = true,
};

FIXTURE_VARIANT_ADD(load, deadlines_and_calls)
{
	.depth = 2,
	.messages = 400,
	.receivers = 2,
	.calls = 4,
	.in_time = true,
};

FIXTURE_VARIANT_ADD(load, flickering)
{
	.depth = 4,
	.messages = 400,
	.receivers = 2,
	.calls = 7,
	.flicker = true,
};

FIXTURE_SETUP(load)
{
	int last_cpu = variant->one_cpu ? 0 : vt_cpus() - 1;

	memset(&load, 0, sizeof(load));
	load.messages = variant->messages;
	load.calls = variant->calls;
	load.in_time = variant->in_time;
	load.fd = vt_open();
	ASSERT_LE(0, load.fd);
	ASSERT_EQ(0, vt_set_depth(load.fd, variant->depth));
	self->mid = vt_derive(load.fd, VIPC_RIGHTS_ALL, 0);
	ASSERT_LE(0, self->mid);
	for (unsigned int i = 0; i < SENDERS; i++) {
		load.cap[i] = vt_derive(self->mid, VIPC_RIGHT_SEND, i + 1);
		ASSERT_LE(0, load.cap[i]);
		self->s[i].number = i;
		self->s[i].cpu = i & 1 ? last_cpu : 0;
		for (unsigned int n = 0; n < load.messages; n++)
			load.result[i][n] = NOT_TRIED;
	}
	for (int i = 0; i < variant->receivers; i++) {
		self->r[i].number = i;
		self->r[i].cpu = i & 1 ? 0 : last_cpu;
	}
	if (variant->flicker) {
		load.page = mmap(NULL, PAGE, PROT_READ | PROT_WRITE,
				 MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
		ASSERT_NE(MAP_FAILED, load.page);
	}
	self->rng = vp_rng_init(vp_seed(), variant->depth);
	self->dropped = vt_stat_value("dropped");
}

FIXTURE_TEARDOWN(load)
{
	EXPECT_EQ(self->dropped, vt_stat_value("dropped"));
	for (int i = 0; i < SENDERS; i++)
		close(load.cap[i]);
	close(self->mid);
	close(load.fd);
}

static int start_all(struct worker *w, int n, void *(*main)(void *))
{
	int ret = 0;

	for (int i = 0; i < n && !ret; i++)
		ret = pthread_create(&w[i].thread, NULL, main, &w[i]);
	return ret;
}

static int join_all(struct worker *w, int n)
{
	int ret = 0;

	for (int i = 0; i < n && !ret; i++)
		ret = vt_join(w[i].thread);
	return ret;
}

/*
 * Each that was delivered was received, and the others were not. With a receiver
 * that faults, a caller may leave in the moment in which nobody has its request.
 * Returns how many were sent, but not received; or -EBADMSG.
 */
static int count_missing(void)
{
	int missing = 0;

	for (int i = 0; i < SENDERS; i++)
		for (unsigned int n = 0; n < load.messages; n++) {
			int ret = load.result[i][n];
			bool received = load.received[i][n];

			if (ret != 0 && ret != DELIVERED && received)
				return -EBADMSG;
			if (load.page && ret == DELIVERED)
				continue;
			missing += (ret == 0 || ret == DELIVERED) && !received;
		}
	return missing;
}

static int count_results(int result)
{
	int n = 0;

	for (int i = 0; i < SENDERS; i++)
		for (unsigned int m = 0; m < load.messages; m++)
			n += load.result[i][m] == result;
	return n;
}

#define start_load() do {						\
	if (variant->flicker) {						\
		ASSERT_EQ(0, pthread_create(&self->flipper, NULL,	\
					    flipper, NULL));		\
	}								\
	ASSERT_EQ(0, start_all(self->r, variant->receivers, receiver));	\
	ASSERT_EQ(0, start_all(self->s, SENDERS, sender));		\
} while (0)

/* Some time in the first quarter. */
#define wait_for_some() do {						\
	int some_ = (int)vp_random(&self->rng, load.messages / 4);	\
	ASSERT_EQ(0, vt_wait_until(vp_get(&self->s[1].sent) > some_));	\
	vp_spin(vp_random(&self->rng, 20000));				\
} while (0)

#define join_load() do {						\
	ASSERT_EQ(0, join_all(self->r, variant->receivers));		\
	vp_set(&load.stop, true);					\
	if (variant->flicker) {						\
		ASSERT_EQ(0, vt_join(self->flipper));			\
	}								\
	EXPECT_EQ(0, load.wrong) {					\
		TH_LOG("%d: badge %llu, data %#llx, flags %#x",		\
		       load.first_wrong.ret,				\
		       (unsigned long long)load.first_wrong.m.badge,	\
		       (unsigned long long)load.first_wrong.m.data[0],	\
		       load.first_wrong.m.flags);			\
	}								\
} while (0)

/* When the senders have ended: what they have left behind is received. */
#define finish_load() do {						\
	struct vipc_info end_;						\
	ASSERT_EQ(0, vt_wait_buffered(load.fd, 0));			\
	ASSERT_EQ(0, vt_wait_senders(load.fd, 0));			\
	ASSERT_EQ(0, vt_wait_receivers(load.fd, variant->receivers));	\
	ASSERT_EQ(0, vt_info(load.fd, &end_));				\
	ASSERT_EQ(0, vt_shutdown(load.fd));				\
	join_load();							\
	EXPECT_EQ(0, count_missing());					\
	EXPECT_EQ(load.received_in_all, end_.received);			\
	if (!variant->flicker) {					\
		EXPECT_EQ(load.received_in_all, end_.sent + end_.called); \
	}								\
} while (0)

TEST_F(load, each_once)
{
	int done;

	load.may_leave = load.in_time;
	start_load();
	ASSERT_EQ(0, join_all(self->s, SENDERS));
	finish_load();
	done = count_results(0);
	EXPECT_LT(0, done);
	EXPECT_EQ(SENDERS * load.messages, done + (variant->in_time ?
		  count_results(-ETIMEDOUT) + count_results(DELIVERED) : 0));
}

/* The senders' capabilities go: what is kept stays, what waits does not. */
TEST_F(load, revoked)
{
	load.may_leave = load.in_time;
	start_load();
	wait_for_some();
	ASSERT_EQ(0, vt_revoke(self->mid));
	ASSERT_EQ(0, join_all(self->s, SENDERS));
	finish_load();
	EXPECT_GE(SENDERS, count_results(-EKEYREVOKED));
}

/* ---- signals ---- */

static void do_nothing(int sig VP_UNUSED)
{
}

/* A signal ends a SEND or it does not: never both, never neither. */
TEST_F(load, interrupted)
{
	struct sigaction sa = { .sa_handler = do_nothing };

	load.may_leave = true;
	sigaction(SIGUSR1, &sa, NULL);
	start_load();
	for (int i = 0; i < 400; i++) {
		int to = (int)vp_random(&self->rng, SENDERS);

		/* it is not joined before, so it is there to be signalled */
		ASSERT_EQ(0, pthread_kill(self->s[to].thread, SIGUSR1));
		vp_spin(vp_random(&self->rng, 3000));
	}
	ASSERT_EQ(0, join_all(self->s, SENDERS));
	finish_load();
	EXPECT_EQ(SENDERS * load.messages,
		  count_results(0) + count_results(DELIVERED) +
		  count_results(-EINTR) + count_results(-ETIMEDOUT));
}

/* ---- the end ---- */

/* What was sent was either received or is counted as dropped. */
TEST_F(load, death)
{
	long long dropped;

	load.may_leave = true;
	start_load();
	wait_for_some();
	ASSERT_EQ(0, vt_shutdown(load.fd));
	ASSERT_EQ(0, join_all(self->s, SENDERS));
	join_load();
	dropped = vt_stat_value("dropped") - self->dropped;
	if (!variant->flicker) {
		EXPECT_EQ(dropped, count_missing());
		EXPECT_GE(variant->depth, dropped);
	}
	self->dropped += dropped;	/* for the end of the fixture */
}

TEST_HARNESS_MAIN
