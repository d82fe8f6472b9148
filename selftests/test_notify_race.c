// SPDX-License-Identifier: GPL-2.0
/*
 * NOTIFY at every moment: by several threads on one CPU and on two, to one
 * receiver and to many, with memory that comes and goes, and from a signal
 * handler. No bit is lost, and none arrives twice.
 */
#include "vipc_procs.h"

#define PAGE	4096ul

/*
 * Each notifier has 32 bits of its own, and gives a bit again only after it
 * has arrived: then the two counts are the same.
 */
static struct {
	int fd, snd;
	long rounds;
	unsigned int given[64], arrived[64];
	int wrong, failed;
	struct vipc_msg *page;	/* that flickers, if not NULL */
	bool stop;
} race;

struct racer {
	pthread_t thread;
	unsigned int number;
	int cpu;
};

static void *notifier(void *data)
{
	struct racer *r = data;

	vt_pin(r->cpu);
	for (long i = 0; i < race.rounds; i++) {
		unsigned int bit = r->number * 32 + (unsigned int)i % 32;

		if (vt_wait_until(vp_get(&race.arrived[bit]) ==
				  race.given[bit])) {
			vp_add(&race.failed, 1);
			break;
		}
		race.given[bit]++;
		if (vt_notify(race.snd, 1ull << bit)) {
			vp_add(&race.failed, 1);
			break;
		}
	}
	return NULL;
}

static void arrived(const struct vipc_msg *m)
{
	if (!vt_is_notification(m, m->data[0]) || !m->data[0])
		vp_add(&race.wrong, 1);
	for (int bit = 0; bit < 64; bit++) {
		unsigned int given;

		if (!(m->data[0] >> bit & 1))
			continue;
		given = race.given[bit]; /* it does not change until we count */
		if (vp_add(&race.arrived[bit], 1) != given)
			vp_add(&race.wrong, 1);
	}
}

static void *receiver(void *data)
{
	struct racer *r = data;
	struct vipc_msg m = { 0 };
	int ret;

	vt_pin(r->cpu);
	for (;;) {
		struct vipc_msg *at = race.page ?: &m;

		/* now and then without waiting, as a poller would */
		if (!race.page)
			m.flags = m.data[0] & 1 ? VIPC_NONBLOCK : 0;
		ret = vt_recv(race.fd, at);
		if (ret == -EAGAIN)
			m.data[0] = 0;
		else if (!ret)
			arrived(at);
		else if (ret == -EPIPE)
			return NULL;
		else if (ret != -EFAULT || !race.page)
			vp_add(&race.failed, 1);
	}
}

static void *flipper(void *unused)
{
	while (!vp_get(&race.stop)) {
		mprotect(race.page, PAGE, PROT_READ);
		mprotect(race.page, PAGE, PROT_READ | PROT_WRITE);
		sched_yield();
	}
	return unused;
}

FIXTURE(race)
{
	struct racer n[2], r[3];
	pthread_t flipper;
};

FIXTURE_VARIANT(race)
{
	long rounds;
	int cpus[3];		/* of the notifiers, of the receivers */
	int receivers;
	bool flicker;
};

FIXTURE_VARIANT_ADD(race, one_cpu)
{
	.rounds = 4000,
	.cpus = { 0, 0, 0 },
	.receivers = 1,
};

FIXTURE_VARIANT_ADD(race, receiver_apart)
{
	.rounds = 4000,
	.cpus = { 0, 0, 1 },
	.receivers = 1,
};

FIXTURE_VARIANT_ADD(race, notifiers_apart)
{
	.rounds = 4000,
	.cpus = { 0, 1, 1 },
	.receivers = 1,
};

FIXTURE_VARIANT_ADD(race, three_receivers)
{
	.rounds = 4000,
	.cpus = { 0, 1, 0 },
	.receivers = 3,
};

FIXTURE_VARIANT_ADD(race, flickering)
{
	.rounds = 1984,
	.cpus = { 0, 1, 1 },
	.receivers = 1,
	.flicker = true,
};

FIXTURE_SETUP(race)
{
	memset(&race, 0, sizeof(race));
	race.rounds = variant->rounds;
	race.fd = vt_open();
	ASSERT_LE(0, race.fd);
	race.snd = vt_derive(race.fd, VIPC_RIGHT_SEND, 7);
	ASSERT_LE(0, race.snd);
	if (variant->flicker) {
		race.page = mmap(NULL, PAGE, PROT_READ | PROT_WRITE,
				 MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
		ASSERT_NE(MAP_FAILED, race.page);
	}
}

FIXTURE_TEARDOWN(race)
{
	close(race.snd);
	close(race.fd);
}

TEST_F(race, no_bit_lost)
{
	int last = vt_cpus() - 1;

	if (variant->flicker) {
		ASSERT_EQ(0, pthread_create(&self->flipper, NULL, flipper, NULL));
	}
	for (int i = 0; i < variant->receivers; i++) {
		/* several of them on all CPUs */
		self->r[i].cpu = (variant->cpus[2] + i) & 1 ? last : 0;
		ASSERT_EQ(0, pthread_create(&self->r[i].thread, NULL, receiver,
					    &self->r[i]));
	}
	for (unsigned int i = 0; i < 2; i++) {
		self->n[i].number = i;
		self->n[i].cpu = variant->cpus[i] ? last : 0;
		ASSERT_EQ(0, pthread_create(&self->n[i].thread, NULL, notifier,
					    &self->n[i]));
	}
	for (int i = 0; i < 2; i++) {
		ASSERT_EQ(0, vt_join(self->n[i].thread));
	}
	for (int bit = 0; bit < 64; bit++) {
		ASSERT_EQ(0, vt_wait_until(vp_get(&race.arrived[bit]) ==
					   race.given[bit])) {
			TH_LOG("bit %d arrived %u times of %u", bit,
			       race.arrived[bit], race.given[bit]);
		}
	}
	ASSERT_EQ(0, vt_shutdown(race.fd));
	for (int i = 0; i < variant->receivers; i++) {
		ASSERT_EQ(0, vt_join(self->r[i].thread));
	}
	vp_set(&race.stop, true);
	if (variant->flicker) {
		ASSERT_EQ(0, vt_join(self->flipper));
	}
	EXPECT_EQ(0, race.failed);
	EXPECT_EQ(0, race.wrong);
	for (int bit = 0; bit < 64; bit++)
		EXPECT_EQ(race.given[bit], race.arrived[bit]);
	EXPECT_EQ(variant->rounds, race.given[0] * 32);
}

/* ---- together with messages ---- */

static void *sender(void *data)
{
	struct racer *r = data;

	vt_pin(r->cpu);
	for (long i = 0; i < race.rounds; i++) {
		struct vipc_msg m = vt_msg((uint64_t)i);
		int ret = i % 3 ? vt_send(race.snd, &m) : vt_call(race.snd, &m);

		if (ret || (i % 3 == 0 && m.data[0] != (uint64_t)i + 1))
			vp_add(&race.failed, 1);
	}
	return NULL;
}

/* The series of a sender is whole and in order, and so are the bits. */
TEST(beside_messages)
{
	struct racer s = { .cpu = 0 }, n = { .cpu = vt_cpus() - 1 };
	struct vipc_msg m = { 0 };
	uint64_t next = 0;
	int bits = 0, ret;

	memset(&race, 0, sizeof(race));
	race.rounds = 2000;
	race.fd = vt_open();
	ASSERT_LE(0, race.fd);
	race.snd = vt_derive(race.fd, VIPC_RIGHT_SEND, 7);
	ASSERT_LE(0, race.snd);
	ASSERT_EQ(0, pthread_create(&s.thread, NULL, sender, &s));
	ASSERT_EQ(0, pthread_create(&n.thread, NULL, notifier, &n));
	while (next < (uint64_t)race.rounds || bits < race.rounds) {
		m.deadline_ns = vt_now_ns() + VT_LIMIT_NS;
		ret = vt_reply_recv(race.fd, &m);
		ASSERT_EQ(0, ret);
		if (m.flags & VIPC_MSG_NOTIFICATION) {
			arrived(&m);
			bits += __builtin_popcountll(m.data[0]);
			continue;
		}
		ASSERT_TRUE(vt_msg_is(&m, next));
		ASSERT_EQ(next % 3 == 0, m.reply != 0);
		m.data[0] = ++next;
		m.opcode = 0;
	}
	if (m.reply) {
		ASSERT_EQ(0, vt_reply(race.fd, &m));
	}
	ASSERT_EQ(0, vt_join(s.thread));
	ASSERT_EQ(0, vt_join(n.thread));
	EXPECT_EQ(race.rounds, bits);
	EXPECT_EQ(0, race.failed);
	EXPECT_EQ(0, race.wrong);
	close(race.snd);
	close(race.fd);
}

/* ---- from a signal handler ---- */

static struct {
	int fd;
	unsigned int ran;
	int ret;
} handler;

/* A bit for each run, one after the other. */
static void notify_in_handler(int sig VP_UNUSED)
{
	int was = errno;
	unsigned int n = vp_get(&handler.ran);

	handler.ret |= vt_notify(handler.fd, 1ull << (n % 64));
	vp_set(&handler.ran, n + 1);
	errno = was;
}

FIXTURE(handler)
{
	int fd, snd;
};

FIXTURE_SETUP(handler)
{
	self->fd = vt_open();
	ASSERT_LE(0, self->fd);
	self->snd = vt_derive(self->fd, VIPC_RIGHT_SEND, 7);
	ASSERT_LE(0, self->snd);
	memset(&handler, 0, sizeof(handler));
	handler.fd = self->snd;
}

FIXTURE_TEARDOWN(handler)
{
	close(self->snd);
	close(self->fd);
}

static void catch_signal(int flags)
{
	struct sigaction sa = {
		.sa_handler = notify_in_handler,
		.sa_flags = flags,
	};

	sigaction(SIGUSR1, &sa, NULL);
}

/* The handler wakes the thread that it runs in: RECV goes on, and gets it. */
TEST_F(handler, of_the_receiver)
{
	for (int again = 0; again < 2; again++) {
		struct vt_op recv = { .msg = { 0 } };
		struct vipc_msg m;

		catch_signal(again ? SA_RESTART : 0);
		handler.ran = 3;
		ASSERT_EQ(0, vt_op_start(&recv, self->fd, VIPC_IOC_RECV));
		ASSERT_EQ(0, vt_wait_receivers(self->fd, 1));
		ASSERT_EQ(0, pthread_kill(recv.thread, SIGUSR1));
		ASSERT_EQ(0, vt_op_join(&recv));
		EXPECT_EQ(4, handler.ran);
		EXPECT_EQ(0, handler.ret);
		EXPECT_EQ(again ? 0 : -EINTR, recv.ret);
		if (!again) {
			ASSERT_EQ(0, vp_recv_now(self->fd, &m));
			recv.msg = m;
		}
		EXPECT_TRUE(vt_is_notification(&recv.msg, 8));
		EXPECT_EQ(-EAGAIN, vp_recv_now(self->fd, &m));
	}
}

/* It tells the server, while the thread's own call goes on or ends. */
TEST_F(handler, of_a_caller)
{
	struct vt_op call = { .msg = vt_msg(1) };
	struct vipc_msg request, m;

	/* queued: the bits overtake the call, which is still to come */
	catch_signal(SA_RESTART);
	ASSERT_EQ(0, vt_op_start(&call, self->snd, VIPC_IOC_CALL));
	ASSERT_EQ(0, vt_wait_senders(self->fd, 1));
	ASSERT_EQ(0, pthread_kill(call.thread, SIGUSR1));
	ASSERT_EQ(0, vt_wait_until(vp_get(&handler.ran) == 1));
	ASSERT_EQ(0, vt_recv_soon(self->fd, &m));
	EXPECT_TRUE(vt_is_notification(&m, 1));
	ASSERT_EQ(0, vt_recv_soon(self->fd, &request));
	EXPECT_TRUE(vt_msg_is(&request, 1));

	/* in service: it ends */
	ASSERT_EQ(0, pthread_kill(call.thread, SIGUSR1));
	ASSERT_EQ(0, vt_recv_soon(self->fd, &m));
	EXPECT_TRUE(vt_is_notification(&m, 2));
	ASSERT_EQ(0, vt_op_join(&call));
	EXPECT_EQ(-EINTR, call.ret);
	EXPECT_TRUE(call.msg.flags & VIPC_MSG_DELIVERED);
	EXPECT_EQ(-ESRCH, vp_reply_tag(self->fd, request.reply, 2));
	EXPECT_EQ(0, handler.ret);
}

struct storm {
	int fd;
	pid_t tid;
	uint64_t messages;
	unsigned int bits, failed;
};

static void *storm_receiver(void *data)
{
	struct storm *s = data;
	struct vipc_msg m = { 0 };
	int ret;

	vp_set(&s->tid, vt_gettid());
	while ((ret = vt_recv(s->fd, &m)) != -EPIPE) {
		if (ret == -EINTR)
			continue;
		if (!ret && m.flags & VIPC_MSG_NOTIFICATION)
			vp_add(&s->bits, __builtin_popcountll(m.data[0]));
		else if (!ret && vt_msg_is(&m, s->messages))
			vp_add(&s->messages, 1);
		else
			s->failed++;
	}
	return NULL;
}

/* Signals at any moment of a loop that receives; messages between them. */
TEST_F(handler, at_any_moment)
{
	struct vp_rng rng = vp_rng_init(vp_seed(), 1);
	struct storm s = { .fd = self->fd };
	pthread_t thread;

	catch_signal(0);
	ASSERT_EQ(0, pthread_create(&thread, NULL, storm_receiver, &s));
	ASSERT_EQ(0, vt_wait_until(vp_get(&s.tid)));
	for (unsigned int i = 0; i < 1000; i++) {
		ASSERT_EQ(0, pthread_kill(thread, SIGUSR1));
		ASSERT_EQ(0, vp_send_tag(self->snd, i, 0));
		vp_spin(vp_random(&rng, 3000));
		/* pending twice, it would be handled once */
		ASSERT_EQ(0, vt_wait_until(vp_get(&handler.ran) == i + 1));
		/* before any bit comes for the second time */
		if (i % 64 == 63) {
			ASSERT_EQ(0, vt_wait_until(vp_get(&s.bits) == i + 1));
		}
	}
	ASSERT_EQ(0, vt_wait_until(vp_get(&s.bits) == 1000));
	ASSERT_EQ(0, vt_wait_until(vp_get(&s.messages) == 1000));
	EXPECT_EQ(0, handler.ret);
	EXPECT_EQ(0, s.failed);
	ASSERT_EQ(0, vt_shutdown(self->fd));
	ASSERT_EQ(0, vt_join(thread));
}

TEST_HARNESS_MAIN
