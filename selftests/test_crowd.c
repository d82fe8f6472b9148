// SPDX-License-Identifier: GPL-2.0
/*
 * A revocation takes its time to reach hundreds that are queued. It shows in
 * INFO before: from then on none of them may take part in anything.
 *
 *	root ── mid ── the crowd's
 *	  └──── sib
 */
#include "vipc_procs.h"

#define CROWD	300
#define PROBES	50

FIXTURE(crowd)
{
	int root, mid, sib;
};

FIXTURE_SETUP(crowd)
{
	self->root = vt_open();
	ASSERT_LE(0, self->root);
	self->mid = vt_derive(self->root, VIPC_RIGHTS_ALL, 1);
	ASSERT_LE(0, self->mid);
	self->sib = vt_derive(self->root, VIPC_RIGHTS_ALL, 2);
	ASSERT_LE(0, self->sib);
}

FIXTURE_TEARDOWN(crowd)
{
	close(self->root);
	close(self->mid);
	close(self->sib);
}

struct crowd_op {
	int fd, ret;
	unsigned long cmd;
	struct vipc_msg msg;
	pthread_t thread;
};

struct prober {
	int doomed, ep;
	bool receive;		/* it probes with RECV */
	bool ready;
	int taken, from_doomed, odd;
	pthread_t thread;
};

/* One operation; a receiver answers whom it got. */
static void *crowd_main(void *data)
{
	struct crowd_op *op = data;

	op->ret = vt_ioctl(op->fd, op->cmd, &op->msg);
	if (op->cmd == VIPC_IOC_RECV && !op->ret && op->msg.reply)
		vt_reply(op->fd, &op->msg);
	return NULL;
}

static int crowd_start(struct crowd_op *op, int fd, unsigned long cmd)
{
	pthread_attr_t attr;
	int ret;

	*op = (struct crowd_op){ .fd = fd, .cmd = cmd };
	pthread_attr_init(&attr);
	pthread_attr_setstacksize(&attr, 32768);
	ret = pthread_create(&op->thread, &attr, crowd_main, op);
	pthread_attr_destroy(&attr);
	return -ret;
}

static void *prober_main(void *data)
{
	struct prober *p = data;

	vt_pin(vt_cpus() - 1);
	vp_set(&p->ready, true);
	while (vp_probe(p->doomed) != -EKEYREVOKED)
		sched_yield();
	for (int i = 0; i < PROBES; i++) {
		struct vipc_msg m = { .flags = VIPC_NONBLOCK };
		unsigned long cmd = p->receive ? VIPC_IOC_RECV :
				    i & 1 ? VIPC_IOC_CALL : VIPC_IOC_SEND;
		int ret = vt_ioctl(p->ep, cmd, &m);

		if (!ret || vp_delivered(&m)) {
			p->taken++;
			p->from_doomed += m.badge == 1;
			if (p->receive && m.reply)
				vt_reply(p->ep, &m);
		} else if (ret != -EAGAIN) {
			p->odd++;
		}
	}
	return NULL;
}

/* @others: of those who wait, and whom the revocation does not concern. */
static void probe_crowd(struct __test_metadata *_metadata,
			FIXTURE_DATA(crowd) *self, bool receive, int others)
{
	static struct crowd_op op[CROWD], other;
	size_t queue = receive ? offsetof(struct vipc_info, senders) :
				 offsetof(struct vipc_info, receivers);
	int doomed = vt_derive(self->mid, VIPC_RIGHT_SEND | VIPC_RIGHT_RECV, 1);
	struct prober p = { .doomed = doomed, .ep = self->root,
			    .receive = receive };
	const struct sched_param param = { 0 };
	int spared = 0;

	ASSERT_LE(0, doomed);
	/* so many threads that come and go cost much less on one CPU */
	ASSERT_EQ(0, vt_pin(0));
	/* receivers are a stack and senders are not: the last to be found */
	if (others && !receive) {
		ASSERT_EQ(0, crowd_start(&other, self->sib, VIPC_IOC_RECV));
		ASSERT_EQ(0, vt_wait_info_u32(self->root, queue, 1));
	}
	for (int i = 0; i < CROWD; i++)
		ASSERT_EQ(0, crowd_start(&op[i], doomed, !receive ? VIPC_IOC_RECV :
					 i & 1 ? VIPC_IOC_CALL : VIPC_IOC_SEND));
	ASSERT_EQ(0, vt_wait_info_u32(self->root, queue, CROWD +
				      (receive ? 0 : others)));
	if (others && receive) {
		ASSERT_EQ(0, crowd_start(&other, self->sib, VIPC_IOC_CALL));
		ASSERT_EQ(0, vt_wait_info_u32(self->root, queue, CROWD + 1));
	}
	ASSERT_EQ(0, pthread_create(&p.thread, NULL, prober_main, &p));
	ASSERT_EQ(0, vt_wait_until(vp_get(&p.ready)));
	/* whom it wakes goes first, so that the revocation takes long */
	ASSERT_EQ(0, sched_setscheduler(0, SCHED_IDLE, &param));
	EXPECT_EQ(0, vt_revoke(self->mid));
	ASSERT_EQ(0, sched_setscheduler(0, SCHED_OTHER, &param));
	ASSERT_EQ(0, vt_join(p.thread));
	EXPECT_EQ(0, p.odd);
	EXPECT_EQ(0, p.from_doomed);
	for (int i = 0; i < CROWD; i++) {
		ASSERT_EQ(0, vt_join(op[i].thread));
		spared += op[i].ret != -EKEYREVOKED ||
			  vp_delivered(&op[i].msg);
	}
	EXPECT_EQ(0, spared);
	ASSERT_EQ(others, p.taken);
	if (others) {
		ASSERT_EQ(0, vt_join(other.thread));
		EXPECT_EQ(0, other.ret);
	}
	EXPECT_EQ(0, vp_wait_idle(self->root));
	close(doomed);
}

TEST_F(crowd, receivers)
{
	probe_crowd(_metadata, self, false, 0);
	probe_crowd(_metadata, self, false, 1);
}

TEST_F(crowd, senders)
{
	probe_crowd(_metadata, self, true, 0);
	probe_crowd(_metadata, self, true, 1);
}

TEST_HARNESS_MAIN
