// SPDX-License-Identifier: GPL-2.0
/*
 * Signals against blocked operations. What was not delivered is restarted (or
 * reports EINTR) and leaves nothing behind; what was delivered is never sent
 * again behind the program's back.
 */
#include "vipc_procs.h"

FIXTURE(signals)
{
	int ep;			/* every right */
	struct vp_op *op;	/* 4 of them */
	struct vipc_msg m;
	struct vipc_info info;
};

FIXTURE_SETUP(signals)
{
	self->ep = vt_open();
	ASSERT_LE(0, self->ep);
	self->op = vp_ops(4);
}

FIXTURE_TEARDOWN(signals)
{
	close(self->ep);
}

/* Signals @op and waits until its handler ran once more. */
static int signal_and_wait(struct vp_op *op)
{
	int before = vp_get(&op->handled);

	if (kill(op->pid, SIGUSR1))
		return -errno;
	return vt_wait_until(vp_get(&op->handled) > before);
}

/* Whatever was interrupted, it left nothing in the endpoint. */
#define EXPECT_NOTHING_LEFT(self) do {					\
	EXPECT_EQ(0, vp_wait_idle((self)->ep));				\
	EXPECT_EQ(-EAGAIN, vp_recv_now((self)->ep, &(self)->m));	\
} while (0)

/* ---- before delivery ---- */

TEST_F(signals, queued_send_restarts)
{
	struct vp_op *op = self->op;

	op->sa_flags = SA_RESTART;
	ASSERT_EQ(0, vp_start_msg(op, self->ep, VIPC_IOC_SEND, 11));
	for (int i = 0; i < 5; i++) {
		ASSERT_EQ(0, vt_wait_senders(self->ep, 1));
		ASSERT_EQ(0, signal_and_wait(op));
	}
	ASSERT_EQ(0, vt_wait_senders(self->ep, 1));
	EXPECT_EQ(0, vp_recv_now(self->ep, &self->m));
	EXPECT_TRUE(vt_msg_is(&self->m, 11));
	EXPECT_EQ(0, self->m.reply);
	EXPECT_EQ(0, vp_end(op));
	EXPECT_NOTHING_LEFT(self);
	ASSERT_EQ(0, vt_info(self->ep, &self->info));
	EXPECT_EQ(1, self->info.sent);
	EXPECT_EQ(1, self->info.received);
}

TEST_F(signals, queued_call_restarts)
{
	struct vp_op *op = self->op;

	op->sa_flags = SA_RESTART;
	ASSERT_EQ(0, vp_start_msg(op, self->ep, VIPC_IOC_CALL, 12));
	for (int i = 0; i < 5; i++) {
		ASSERT_EQ(0, vt_wait_senders(self->ep, 1));
		ASSERT_EQ(0, signal_and_wait(op));
	}
	ASSERT_EQ(0, vt_wait_senders(self->ep, 1));
	ASSERT_EQ(0, vp_recv_now(self->ep, &self->m));
	EXPECT_TRUE(vt_msg_is(&self->m, 12));
	EXPECT_EQ(0, vp_reply_tag(self->ep, self->m.reply, 13));
	EXPECT_EQ(0, vp_end(op));
	EXPECT_TRUE(vt_msg_is(&op->msg, 13));
	EXPECT_NOTHING_LEFT(self);
	ASSERT_EQ(0, vt_info(self->ep, &self->info));
	EXPECT_EQ(1, self->info.called);
	EXPECT_EQ(1, self->info.received);
	EXPECT_EQ(1, self->info.replied);
}

TEST_F(signals, waiting_recv_restarts)
{
	struct vp_op *op = self->op;

	op->sa_flags = SA_RESTART;
	ASSERT_EQ(0, vp_start(op, self->ep, VIPC_IOC_RECV));
	for (int i = 0; i < 5; i++) {
		ASSERT_EQ(0, vt_wait_receivers(self->ep, 1));
		ASSERT_EQ(0, signal_and_wait(op));
	}
	ASSERT_EQ(0, vt_wait_receivers(self->ep, 1));
	EXPECT_EQ(0, vp_send_tag(self->ep, 14, VIPC_NONBLOCK));
	EXPECT_EQ(0, vp_end(op));
	EXPECT_TRUE(vt_msg_is(&op->msg, 14));
	EXPECT_NOTHING_LEFT(self);
}

/* Without SA_RESTART: EINTR, not delivered, and out of the queue. */
static void queued_eintr(struct __test_metadata *_metadata,
			 FIXTURE_DATA(signals) *self, unsigned long cmd,
			 uint32_t flags)
{
	struct vp_op *op = self->op;

	op->msg = vt_msg(15);
	/* an old answer in the structure must not survive */
	op->msg.flags = flags | VIPC_MSG_DELIVERED;
	ASSERT_EQ(0, vp_start(op, self->ep, cmd));
	ASSERT_EQ(0, vt_wait_senders(self->ep, 1));
	ASSERT_EQ(0, kill(op->pid, SIGUSR1));
	EXPECT_EQ(-EINTR, vp_end(op));
	EXPECT_EQ(1, op->handled);
	EXPECT_EQ(flags, op->msg.flags);
	EXPECT_NOTHING_LEFT(self);
	ASSERT_EQ(0, vt_info(self->ep, &self->info));
	EXPECT_EQ(0, self->info.sent + self->info.called);
}

TEST_F(signals, queued_send_eintr)
{
	queued_eintr(_metadata, self, VIPC_IOC_SEND, 0);
}

TEST_F(signals, queued_call_eintr)
{
	queued_eintr(_metadata, self, VIPC_IOC_CALL, 0);
}

/* VIPC_UNINTERRUPTIBLE counts only once the message is delivered. */
TEST_F(signals, queued_uninterruptible_call_eintr)
{
	queued_eintr(_metadata, self, VIPC_IOC_CALL, VIPC_UNINTERRUPTIBLE);
}

TEST_F(signals, waiting_recv_eintr)
{
	struct vp_op *op = self->op;

	ASSERT_EQ(0, vp_start(op, self->ep, VIPC_IOC_RECV));
	ASSERT_EQ(0, vt_wait_receivers(self->ep, 1));
	ASSERT_EQ(0, kill(op->pid, SIGUSR1));
	EXPECT_EQ(-EINTR, vp_end(op));
	EXPECT_EQ(0, vt_receivers(self->ep));
	EXPECT_EQ(-EAGAIN, vp_send_tag(self->ep, 1, VIPC_NONBLOCK));
}

TEST_F(signals, queued_uninterruptible_call_restarts)
{
	struct vp_op *op = self->op;

	op->sa_flags = SA_RESTART;
	op->msg = vt_msg(16);
	op->msg.flags = VIPC_UNINTERRUPTIBLE;
	ASSERT_EQ(0, vp_start(op, self->ep, VIPC_IOC_CALL));
	ASSERT_EQ(0, vt_wait_senders(self->ep, 1));
	ASSERT_EQ(0, signal_and_wait(op));
	ASSERT_EQ(0, vt_wait_senders(self->ep, 1));
	ASSERT_EQ(0, vp_recv_now(self->ep, &self->m));
	EXPECT_EQ(0, vp_reply_tag(self->ep, self->m.reply, 17));
	EXPECT_EQ(0, vp_end(op));
	EXPECT_TRUE(vt_msg_is(&op->msg, 17));
}

/* ---- after delivery ---- */

static void delivered_eintr(struct __test_metadata *_metadata,
			    FIXTURE_DATA(signals) *self, int sa_flags)
{
	struct vp_op *op = self->op;

	op->sa_flags = sa_flags;
	ASSERT_EQ(0, vp_start_msg(op, self->ep, VIPC_IOC_CALL, 21));
	ASSERT_EQ(0, vt_wait_senders(self->ep, 1));
	ASSERT_EQ(0, vp_recv_now(self->ep, &self->m));
	ASSERT_EQ(0, vt_wait_in_service(self->ep, 1));
	ASSERT_EQ(0, kill(op->pid, SIGUSR1));
	EXPECT_EQ(-EINTR, vp_end(op));
	EXPECT_EQ(VIPC_MSG_DELIVERED, op->msg.flags);
	EXPECT_TRUE(vt_msg_is(&op->msg, 21));
	EXPECT_EQ(-ESRCH, vp_reply_tag(self->ep, self->m.reply, 22));
	EXPECT_NOTHING_LEFT(self);
	ASSERT_EQ(0, vt_info(self->ep, &self->info));
	EXPECT_EQ(1, self->info.called);
	EXPECT_EQ(0, self->info.replied);
}

TEST_F(signals, delivered_call_eintr)
{
	delivered_eintr(_metadata, self, 0);
}

TEST_F(signals, delivered_call_never_restarts)
{
	delivered_eintr(_metadata, self, SA_RESTART);
}

TEST_F(signals, delivered_uninterruptible_call_waits)
{
	struct vp_op *op = self->op;

	op->msg = vt_msg(23);
	op->msg.flags = VIPC_UNINTERRUPTIBLE;
	ASSERT_EQ(0, vp_start(op, self->ep, VIPC_IOC_CALL));
	ASSERT_EQ(0, vt_wait_senders(self->ep, 1));
	ASSERT_EQ(0, vp_recv_now(self->ep, &self->m));
	for (int i = 0; i < 10; i++)
		ASSERT_EQ(0, kill(op->pid, SIGUSR1));
	EXPECT_EQ(1, vt_in_service(self->ep));
	EXPECT_EQ(0, vp_reply_tag(self->ep, self->m.reply, 24));
	EXPECT_EQ(0, vp_end(op));
	EXPECT_EQ(VIPC_UNINTERRUPTIBLE, op->msg.flags);
	EXPECT_TRUE(vt_msg_is(&op->msg, 24));
	EXPECT_LE(1, op->handled);
	EXPECT_NOTHING_LEFT(self);
}

TEST_F(signals, delivered_uninterruptible_call_dies)
{
	struct vp_op *op = self->op;

	op->msg = vt_msg(25);
	op->msg.flags = VIPC_UNINTERRUPTIBLE;
	ASSERT_EQ(0, vp_start(op, self->ep, VIPC_IOC_CALL));
	ASSERT_EQ(0, vt_wait_senders(self->ep, 1));
	ASSERT_EQ(0, vp_recv_now(self->ep, &self->m));
	EXPECT_EQ(VP_KILLED, vp_kill(op->pid));
	EXPECT_EQ(-ESRCH, vp_reply_tag(self->ep, self->m.reply, 26));
	EXPECT_NOTHING_LEFT(self);
}

/* ---- REPLY_RECV after its reply went out ---- */

/* A caller answered by op[1]'s REPLY_RECV, which then waits. */
static void reply_then_wait(struct __test_metadata *_metadata,
			    FIXTURE_DATA(signals) *self, int sa_flags)
{
	struct vp_op *caller = &self->op[0], *server = &self->op[1];

	ASSERT_EQ(0, vp_start_msg(caller, self->ep, VIPC_IOC_CALL, 31));
	ASSERT_EQ(0, vt_wait_senders(self->ep, 1));
	ASSERT_EQ(0, vp_recv_now(self->ep, &self->m));
	server->sa_flags = sa_flags;
	server->msg = vt_msg(32);
	server->msg.reply = self->m.reply;
	ASSERT_EQ(0, vp_start(server, self->ep, VIPC_IOC_REPLY_RECV));
	EXPECT_EQ(0, vp_end(caller));
	EXPECT_TRUE(vt_msg_is(&caller->msg, 32));
	ASSERT_EQ(0, vt_wait_receivers(self->ep, 1));
}

TEST_F(signals, reply_recv_eintr_clears_reply)
{
	struct vp_op *server = &self->op[1];

	reply_then_wait(_metadata, self, 0);
	ASSERT_EQ(0, kill(server->pid, SIGUSR1));
	EXPECT_EQ(-EINTR, vp_end(server));
	EXPECT_EQ(0, server->msg.reply);
	EXPECT_NOTHING_LEFT(self);
	ASSERT_EQ(0, vt_info(self->ep, &self->info));
	EXPECT_EQ(1, self->info.replied);
}

TEST_F(signals, reply_recv_restart_only_receives)
{
	struct vp_op *server = &self->op[1];

	reply_then_wait(_metadata, self, SA_RESTART);
	for (int i = 0; i < 5; i++) {
		ASSERT_EQ(0, signal_and_wait(server));
		EXPECT_EQ(0, vp_get(&server->msg.reply));
		ASSERT_EQ(0, vt_wait_receivers(self->ep, 1));
	}
	EXPECT_FALSE(vp_done(server));
	EXPECT_EQ(0, vp_send_tag(self->ep, 33, VIPC_NONBLOCK));
	EXPECT_EQ(0, vp_end(server));
	EXPECT_TRUE(vt_msg_is(&server->msg, 33));
	ASSERT_EQ(0, vt_info(self->ep, &self->info));
	EXPECT_EQ(1, self->info.replied);
	EXPECT_EQ(2, self->info.received);
}

/* ---- storms: every call has one outcome, and both sides agree on it ---- */

#define STORM_CALLS	2000
#define STORM_STOP	0xffffffffu

struct storm {
	struct vp_op op;	/* for the signal handler of each side */
	uint64_t answered, delivered, undelivered, wrong;
	uint64_t taken, replied, refused;
	int done;
};

static void storm_client(struct storm *st, int fd)
{
	uint64_t i = 1;

	while (st->answered + st->delivered < STORM_CALLS) {
		struct vipc_msg m = vt_msg(i);
		int ret = vt_call(fd, &m);

		if (!ret) {
			st->answered++;
			if (!vt_msg_is(&m, ~i))
				st->wrong++;
		} else if (ret != -EINTR) {
			st->wrong++;
			break;
		} else if (vp_delivered(&m)) {
			st->delivered++;
		} else {
			st->undelivered++;
			continue;	/* the same request again */
		}
		i++;
	}
	/* through the storm: a SEND that was interrupted was not delivered */
	while (vp_send_tag(fd, STORM_STOP, 0) == -EINTR)
		;
	vp_set(&st->done, 1);
}

static void storm_server(struct storm *st, int fd)
{
	uint64_t token = 0;
	struct vipc_msg m = { 0 };

	for (;;) {
		int ret;

		if (token)
			m = vt_msg(~m.data[0]);
		m.reply = token;
		ret = vt_reply_recv(fd, &m);
		/* what happened to the reply shows in the field */
		if (token && ret == -ESRCH) {
			st->refused++;
			token = 0;
			continue;
		}
		if (token && (!ret || !m.reply))
			st->replied++;
		if (ret == -EINTR) {
			/* cleared: answered; else nothing has happened yet */
			if (token && m.reply)
				m.data[0] = ~m.data[0];
			else
				token = 0;
			continue;
		}
		if (ret) {
			st->wrong++;
			return;
		}
		if (m.opcode == STORM_STOP && !m.reply)
			return;
		st->taken++;
		token = m.reply;
	}
}

static pid_t storm_start(struct storm *st, int fd, int sa_flags,
			 void (*body)(struct storm *st, int fd))
{
	pid_t pid = vt_fork();

	if (pid < 0)
		return pid;
	if (pid)
		return vt_wait_until(vp_get(&st->op.stage)) ? -ETIMEDOUT : pid;
	vp_self = &st->op;
	vp_catch(SIGUSR1, sa_flags);
	vp_keep_only(fd);
	vp_set(&st->op.stage, VP_READY);
	body(st, fd);
	_exit(0);
}

static void run_storm(struct __test_metadata *_metadata,
		      FIXTURE_DATA(signals) *self, int sa_flags, bool both)
{
	struct storm *c = vp_shared(sizeof(*c)), *s = vp_shared(sizeof(*s));
	pid_t client, server;

	server = storm_start(s, self->ep, sa_flags, storm_server);
	ASSERT_LT(0, server);
	client = storm_start(c, self->ep, sa_flags, storm_client);
	ASSERT_LT(0, client);
	for (unsigned int i = 0; !vp_get(&c->done); i++) {
		kill(both && (i & 1) ? server : client, SIGUSR1);
		vt_pause_us(100);
	}
	EXPECT_EQ(0, vt_reap(client));
	EXPECT_EQ(0, vt_reap(server));
	EXPECT_EQ(0, c->wrong + s->wrong);
	EXPECT_EQ(STORM_CALLS, c->answered + c->delivered);
	EXPECT_EQ(STORM_CALLS, s->taken);
	EXPECT_EQ(c->answered, s->replied);
	EXPECT_EQ(c->delivered, s->refused);
	if (sa_flags & SA_RESTART)
		EXPECT_EQ(0, c->undelivered);
	EXPECT_LT(0, c->op.handled);
	EXPECT_EQ(0, vp_wait_idle(self->ep));
	ASSERT_EQ(0, vt_info(self->ep, &self->info));
	EXPECT_EQ(STORM_CALLS, self->info.called);
	EXPECT_EQ(c->answered, self->info.replied);
	EXPECT_EQ(STORM_CALLS + 1, self->info.received);
	EXPECT_EQ(1, self->info.sent);
}

TEST_F(signals, storm_on_caller)
{
	run_storm(_metadata, self, 0, false);
}

TEST_F(signals, storm_on_caller_restart)
{
	run_storm(_metadata, self, SA_RESTART, false);
}

TEST_F(signals, storm_on_both)
{
	run_storm(_metadata, self, 0, true);
}

TEST_F(signals, storm_on_both_restart)
{
	run_storm(_metadata, self, SA_RESTART, true);
}

/* ---- a signal in the moment of delivery ---- */

#define AIM_NS	(4 * VT_NSEC)
#define AIM_CALLS 5000

struct aim {
	struct vp_op op;	/* for the signal handler */
	uint64_t answered, undelivered, broken, odd;
	unsigned int started, ended;	/* calls */
	int stop;
};

/* Waits without sleeping: a sleep may take longer than all the rest. */
#define aim_wait(cond) ({						\
	uint64_t limit_ = vt_now_ns() + VT_LIMIT_NS;			\
	while (!(cond) && vt_now_ns() < limit_)				\
		sched_yield();						\
	(cond) ? 0 : -ETIMEDOUT; })

/* The caller that is signalled: one call for each that may start. */
static void aim_caller(struct aim *a, int fd)
{
	vt_pin(0);
	for (unsigned int i = 1; !aim_wait(vp_get(&a->started) >= i ||
					   vp_get(&a->stop)); i++) {
		struct vipc_msg m = vt_msg(1);
		int ret;

		if (vp_get(&a->stop))
			return;
		m.flags = VIPC_UNINTERRUPTIBLE;
		ret = vt_call(fd, &m);
		if (!ret)
			a->answered++;
		else if (ret == -EINTR && !vp_delivered(&m))
			a->undelivered++;
		else if (ret == -EINTR)
			a->broken++;
		else
			a->odd++;
		vp_set(&a->ended, i);
	}
}

/* The other caller, whom the receiver answers before it takes the first. */
static void aim_other(struct aim *a, int fd)
{
	struct vipc_msg m = { 0 };

	vt_pin(1);
	while (!vt_call(fd, &m))
		;
	vp_set(&a->stop, 1);
}

static pid_t aim_start(struct aim *a, int fd, void (*body)(struct aim *a, int fd))
{
	pid_t pid = vt_fork();

	if (pid)
		return pid;
	vp_self = &a->op;
	vp_catch(SIGUSR1, 0);
	vp_keep_only(fd);
	body(a, fd);
	_exit(0);
}

/*
 * The caller is woken by a signal while its request is queued, and the request
 * is taken before it has left the queue: it must then wait for its reply. The
 * receiver looks for that moment: a little later, if the caller was still
 * there, and earlier, if it was not. The reply that it has to give first makes
 * the moment longer, since both happen under one hold of the endpoint's lock.
 */
TEST_F(signals, uninterruptible_call_in_the_moment_of_delivery)
{
	struct aim *a = vp_shared(sizeof(*a));
	struct vp_rng rng = vp_rng_init(vp_seed(), 8);
	uint64_t end = vt_now_ns() + AIM_NS;
	int delay = 0, step = 512;
	bool before = true;
	pid_t caller, other;
	unsigned int round;

	if (vt_cpus() < 2)
		SKIP(return, "needs two CPUs");
	ASSERT_EQ(0, vt_pin(1));
	other = aim_start(a, self->ep, aim_other);
	caller = aim_start(a, self->ep, aim_caller);
	ASSERT_LT(0, other);
	ASSERT_LT(0, caller);
	for (round = 1; !a->broken; round++) {
		bool taken;

		memset(&self->m, 0, sizeof(self->m));
		ASSERT_EQ(0, vt_recv(self->ep, &self->m));
		ASSERT_FALSE(vt_msg_is(&self->m, 1));
		vp_set(&a->started, round);
		ASSERT_EQ(0, aim_wait(vt_senders(self->ep) == 1));
		vp_spin(500);	/* until it sleeps */
		ASSERT_EQ(0, kill(caller, SIGUSR1));
		vp_spin(delay + vp_random(&rng, step));
		self->m.flags = VIPC_NONBLOCK;
		taken = !vt_reply_recv(self->ep, &self->m);
		ASSERT_TRUE(taken || !self->m.reply);
		if (taken)
			vt_reply(self->ep, &self->m);
		/* far off at first, then closer and closer, and after it */
		if (taken == before)
			step = step < 8192 ? step * 2 : step;
		else
			step = step > 16 ? step / 2 : step;
		before = taken;
		delay += taken ? step : delay > step ? -step : -delay;
		ASSERT_EQ(0, aim_wait(vp_get(&a->ended) == round));
		/* not before both sides of the moment have been met */
		if ((vt_now_ns() > end || round > AIM_CALLS) &&
		    a->answered && a->undelivered)
			break;
	}
	EXPECT_EQ(0, a->broken);
	EXPECT_EQ(0, a->odd);
	TH_LOG("%u calls: %ju answered, %ju not delivered, delay %d", round,
	       (uintmax_t)a->answered, (uintmax_t)a->undelivered, delay);
	vp_set(&a->stop, 1);
	ASSERT_EQ(0, vt_shutdown(self->ep));
	EXPECT_EQ(0, vt_reap(caller));
	EXPECT_EQ(0, vt_reap(other));
}

TEST_HARNESS_MAIN
