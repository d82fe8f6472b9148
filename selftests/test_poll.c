// SPDX-License-Identifier: GPL-2.0
/*
 * poll, select and epoll: what they say in each state of an endpoint, to each
 * kind of capability, and that each operation that changes it wakes those who
 * wait. test_poll_edge.c has what an edge-triggered program relies on.
 */
#include "vipc_held.h"
#include "vipc_polls.h"

FIXTURE(poll)
{
	int fd;			/* every right */
	int r, w, none;		/* derived: RECV, SEND, no right */
	struct vipc_msg m;
};

FIXTURE_SETUP(poll)
{
	self->fd = vt_open();
	ASSERT_LE(0, self->fd);
	self->r = vt_derive(self->fd, VIPC_RIGHT_RECV, 0);
	ASSERT_LE(0, self->r);
	self->w = vt_derive(self->fd, VIPC_RIGHT_SEND, 7);
	ASSERT_LE(0, self->w);
	self->none = vt_derive(self->fd, 0, 0);
	ASSERT_LE(0, self->none);
}

FIXTURE_TEARDOWN(poll)
{
	close(self->none);
	close(self->w);
	close(self->r);
	close(self->fd);
}

/* To the capability with every right, with RECV, with SEND, without any. */
#define expect_states(all, recv, send, no) do {				\
	EXPECT_EQ(all, pl_state(self->fd));				\
	EXPECT_EQ(recv, pl_state(self->r));				\
	EXPECT_EQ(send, pl_state(self->w));				\
	EXPECT_EQ(no, pl_state(self->none));				\
} while (0)

#define send_now(tag)	vp_send_tag(self->w, tag, VIPC_NONBLOCK)
#define take()		ASSERT_EQ(0, vp_recv_now(self->r, &self->m))

/* ---- states ---- */

TEST_F(poll, idle)
{
	expect_states(0, 0, 0, 0);
}

TEST_F(poll, queued_requests)
{
	struct vt_op send = { .msg = vt_msg(1) }, call = { .msg = vt_msg(2) };

	ASSERT_EQ(0, vt_op_start(&send, self->w, VIPC_IOC_SEND));
	ASSERT_EQ(0, vt_wait_senders(self->fd, 1));
	expect_states(PL_IN, PL_IN, 0, 0);
	ASSERT_EQ(0, vt_op_start(&call, self->w, VIPC_IOC_CALL));
	ASSERT_EQ(0, vt_wait_senders(self->fd, 2));
	expect_states(PL_IN, PL_IN, 0, 0);
	take();
	expect_states(PL_IN, PL_IN, 0, 0);
	take();
	/* in service, which is nothing to receive */
	expect_states(0, 0, 0, 0);
	ASSERT_EQ(0, vp_reply_tag(self->r, self->m.reply, 3));
	ASSERT_EQ(0, vt_op_join(&send));
	ASSERT_EQ(0, vt_op_join(&call));
	EXPECT_EQ(0, send.ret | call.ret);
	expect_states(0, 0, 0, 0);
	/* one that leaves takes its state along */
	call.msg = vt_msg(4);
	call.msg.deadline_ns = vt_in_ms(500);
	ASSERT_EQ(0, vt_op_start(&call, self->w, VIPC_IOC_CALL));
	EXPECT_EQ(PL_IN, pl_events(self->r, PL_POLL, PL_LIMIT_MS));
	ASSERT_EQ(0, vt_op_join(&call));
	EXPECT_EQ(-ETIMEDOUT, call.ret);
	expect_states(0, 0, 0, 0);
}

TEST_F(poll, bits_and_notices)
{
	int watched = vt_derive_watched(self->fd, 0, 5);

	ASSERT_EQ(0, vt_notify(self->w, 1));
	expect_states(PL_IN, PL_IN, 0, 0);
	take();
	expect_states(0, 0, 0, 0);
	close(watched);
	expect_states(PL_IN, PL_IN, 0, 0);
	/* taken back */
	watched = vt_derive_watched(self->fd, 0, 5);
	ASSERT_LE(0, watched);
	expect_states(0, 0, 0, 0);
	close(watched);
	ASSERT_EQ(0, vt_notify(self->w, 1));
	expect_states(PL_IN, PL_IN, 0, 0);
	take();
	expect_states(PL_IN, PL_IN, 0, 0);
	take();
	expect_states(0, 0, 0, 0);
}

TEST_F(poll, waiting_receivers)
{
	struct vt_op recv[2] = { { .ret = 0 }, { .ret = 0 } };

	for (int i = 0; i < 2; i++) {
		ASSERT_EQ(0, vt_op_start(&recv[i], self->r, i ? VIPC_IOC_RECV :
					 VIPC_IOC_REPLY_RECV));
		ASSERT_EQ(0, vt_wait_receivers(self->fd, i + 1));
		expect_states(PL_OUT, 0, PL_OUT, 0);
	}
	ASSERT_EQ(0, send_now(1));
	expect_states(PL_OUT, 0, PL_OUT, 0);
	ASSERT_EQ(0, vt_notify(self->w, 1));
	expect_states(0, 0, 0, 0);
	for (int i = 0; i < 2; i++) {
		ASSERT_EQ(0, vt_op_join(&recv[i]));
		EXPECT_EQ(0, recv[i].ret);
	}
	EXPECT_EQ(-EAGAIN, send_now(1));
}

TEST_F(poll, ring)
{
	struct vt_op send = { .msg = vt_msg(2) }, call = { .msg = vt_msg(9) };

	ASSERT_EQ(0, vt_set_depth(self->fd, 2));
	expect_states(PL_OUT, 0, PL_OUT, 0);
	ASSERT_EQ(0, send_now(0));
	expect_states(PL_IN | PL_OUT, PL_IN, PL_OUT, 0);
	ASSERT_EQ(0, send_now(1));
	expect_states(PL_IN, PL_IN, 0, 0);
	EXPECT_EQ(-EAGAIN, send_now(2));
	/* the place that becomes free is for who waits */
	ASSERT_EQ(0, vt_op_start(&send, self->w, VIPC_IOC_SEND));
	ASSERT_EQ(0, vt_wait_senders(self->fd, 1));
	expect_states(PL_IN, PL_IN, 0, 0);
	take();
	expect_states(PL_IN, PL_IN, 0, 0);
	ASSERT_EQ(0, vt_op_join(&send));
	take();
	expect_states(PL_IN | PL_OUT, PL_IN, PL_OUT, 0);
	take();
	expect_states(PL_OUT, 0, PL_OUT, 0);
	/* a call takes no place */
	ASSERT_EQ(0, vt_op_start(&call, self->w, VIPC_IOC_CALL));
	ASSERT_EQ(0, vt_wait_senders(self->fd, 1));
	expect_states(PL_IN | PL_OUT, PL_IN, PL_OUT, 0);
	self->m = vt_msg(1);
	self->m.flags = VIPC_NONBLOCK;
	EXPECT_EQ(-EAGAIN, vt_call(self->w, &self->m));
	take();
	ASSERT_EQ(0, vp_reply_tag(self->r, self->m.reply, 9));
	ASSERT_EQ(0, vt_op_join(&call));
	expect_states(PL_OUT, 0, PL_OUT, 0);
}

TEST_F(poll, given_back)
{
	int watched = vt_derive_watched(self->fd, 0, 5);
	struct vh_receiver h;

	/* a message, bits, a notice */
	for (int i = 0; i < 3; i++) {
		ASSERT_EQ(0, vh_faulting(&h, self->r, VIPC_IOC_RECV));
		if (i == 0) {
			EXPECT_EQ(0, send_now(1));
		} else if (i == 1) {
			EXPECT_EQ(0, vt_notify(self->w, 2));
		} else {
			close(watched);
		}
		ASSERT_EQ(0, vt_op_join(&h.op));
		EXPECT_EQ(-EFAULT, h.op.ret);
		expect_states(PL_IN, PL_IN, 0, 0);
		take();
		expect_states(0, 0, 0, 0);
		vh_forget(&h);
	}
}

/* Whatever was there before. */
TEST_F(poll, dead)
{
	ASSERT_EQ(0, vt_set_depth(self->fd, 2));
	ASSERT_EQ(0, send_now(1));
	ASSERT_EQ(0, vt_notify(self->w, 1));
	ASSERT_EQ(0, vt_shutdown(self->fd));
	expect_states(POLLHUP | PL_IN | PL_OUT, POLLHUP | PL_IN,
		      POLLHUP | PL_OUT, POLLHUP);
	EXPECT_EQ(-EPIPE, vp_recv_now(self->r, &self->m));
	EXPECT_EQ(-EPIPE, send_now(1));
}

TEST_F(poll, revoked)
{
	struct vt_op recv = { .msg = { 0 } };

	ASSERT_EQ(0, vt_notify(self->w, 1));
	ASSERT_EQ(0, vt_revoke(self->fd));
	expect_states(PL_IN, POLLERR, POLLERR, POLLERR);
	ASSERT_EQ(0, vp_recv_now(self->fd, &self->m));
	ASSERT_EQ(0, vt_op_start(&recv, self->fd, VIPC_IOC_RECV));
	ASSERT_EQ(0, vt_wait_receivers(self->fd, 1));
	expect_states(PL_OUT, POLLERR, POLLERR, POLLERR);
	ASSERT_EQ(0, vt_shutdown(self->fd));
	expect_states(POLLHUP | PL_IN | PL_OUT, POLLERR | POLLHUP,
		      POLLERR | POLLHUP, POLLERR | POLLHUP);
	ASSERT_EQ(0, vt_op_join(&recv));
}

TEST(open_modes)
{
	int r = vt_open_flags(O_RDONLY), w = vt_open_flags(O_WRONLY);

	EXPECT_EQ(0, pl_state(r));
	/* nobody can ever receive there */
	EXPECT_EQ(POLLHUP | PL_OUT, pl_state(w));
	close(w);
	close(r);
}

/* Only what is asked for, but for HUP and ERR. */
TEST_F(poll, events_asked_for)
{
	static const int single[] = {
		POLLIN, POLLRDNORM, POLLOUT, POLLWRNORM, POLLPRI, 0,
	};

	ASSERT_EQ(0, vt_set_depth(self->fd, 2));
	ASSERT_EQ(0, send_now(0));
	for (int over = 0; over < 2; over++) {
		for (size_t i = 0; i < ARRAY_SIZE(single); i++) {
			struct pollfd p = { .fd = self->fd,
					    .events = (short)single[i] };
			int want = single[i] & (PL_IN | PL_OUT);

			if (over)
				want |= POLLHUP;
			EXPECT_EQ(want != 0, poll(&p, 1, 0));
			EXPECT_EQ(want, p.revents);
		}
		ASSERT_EQ(0, vt_shutdown(self->fd));
	}
}

/* ---- it says what the operations do ---- */

/* A random walk: POLLIN is that RECV does not block, POLLOUT that SEND does not. */
TEST_F(poll, agrees_with_the_operations)
{
	struct vp_rng rng = vp_rng_init(vp_seed(), 1);
	int watched = -1, ready = 0;

	ASSERT_EQ(0, vt_set_depth(self->fd, 3));
	for (int i = 0; i < 3000; i++) {
		int before = pl_events(self->fd, PL_POLL, 0), ret;

		ASSERT_LE(0, before);
		switch (vp_random(&rng, 6)) {
		case 0:
			ASSERT_EQ(0, vt_notify(self->w, 1));
			break;
		case 1:
			/* watched or not: it changes sides */
			if (watched < 0) {
				watched = vt_derive_watched(self->fd, 0, 9);
				ASSERT_LE(0, watched);
			} else {
				close(watched);
				watched = -1;
			}
			break;
		case 2:
		case 3:
			ret = send_now(i);
			ASSERT_TRUE(ret == 0 || ret == -EAGAIN);
			ASSERT_EQ(ret ? 0 : PL_OUT, before & PL_OUT);
			break;
		default:
			ret = vp_recv_now(self->r, &self->m);
			ASSERT_TRUE(ret == 0 || ret == -EAGAIN);
			ASSERT_EQ(ret ? 0 : PL_IN, before & PL_IN);
			ready += !ret;
		}
	}
	EXPECT_LT(100, ready);
	close(watched);
}

/* ---- whoever waits is woken ---- */

enum act {
	BY_SEND, BY_CALL, BY_NOTIFY, BY_NOTICE, BY_RING, BY_FAULT, BY_RECEIVER,
	BY_DEPTH, BY_PLACE, BY_SHUTDOWN, BY_CLOSE, BY_REVOKE,
};

FIXTURE(woken)
{
	int fd, mid, r, w, none, watched;
};

FIXTURE_VARIANT(woken)
{
	enum act act;
	int r, w, none;		/* what each of them sees; 0: it is not woken */
};

FIXTURE_VARIANT_ADD(woken, by_send)
{
	.act = BY_SEND,
	.r = PL_IN,
};

FIXTURE_VARIANT_ADD(woken, by_call)
{
	.act = BY_CALL,
	.r = PL_IN,
};

FIXTURE_VARIANT_ADD(woken, by_notify)
{
	.act = BY_NOTIFY,
	.r = PL_IN,
};

FIXTURE_VARIANT_ADD(woken, by_notice)
{
	.act = BY_NOTICE,
	.r = PL_IN,
};

FIXTURE_VARIANT_ADD(woken, by_ring)
{
	.act = BY_RING,
	.r = PL_IN,
};

FIXTURE_VARIANT_ADD(woken, by_fault)
{
	.act = BY_FAULT,
	.r = PL_IN,
};

FIXTURE_VARIANT_ADD(woken, by_receiver)
{
	.act = BY_RECEIVER,
	.w = PL_OUT,
};

FIXTURE_VARIANT_ADD(woken, by_depth)
{
	.act = BY_DEPTH,
	.w = PL_OUT,
};

FIXTURE_VARIANT_ADD(woken, by_place)
{
	.act = BY_PLACE,
	.w = PL_OUT,
};

FIXTURE_VARIANT_ADD(woken, by_shutdown)
{
	.act = BY_SHUTDOWN,
	.r = POLLHUP | PL_IN,
	.w = POLLHUP | PL_OUT,
	.none = POLLHUP,
};

FIXTURE_VARIANT_ADD(woken, by_close)
{
	.act = BY_CLOSE,
	.w = POLLHUP | PL_OUT,
	.none = POLLHUP,
};

FIXTURE_VARIANT_ADD(woken, by_revoke)
{
	.act = BY_REVOKE,
	.r = POLLERR,
	.w = POLLERR,
	.none = POLLERR,
};

FIXTURE_SETUP(woken)
{
	self->fd = vt_open();
	ASSERT_LE(0, self->fd);
	self->mid = vt_derive(self->fd, VIPC_RIGHT_GRANT | VIPC_RIGHT_REVOKE |
			      VIPC_RIGHT_SEND, 0);
	if (variant->act != BY_CLOSE)
		self->r = vt_derive(self->fd, VIPC_RIGHT_RECV, 0);
	self->w = vt_derive(self->mid, VIPC_RIGHT_SEND, 7);
	self->none = vt_derive(self->mid, 0, 0);
	self->watched = vt_derive_watched(self->fd, 0, 5);
	ASSERT_LE(0, self->w);
	ASSERT_LE(0, self->none);
	if (variant->act == BY_RING || variant->act == BY_PLACE)
		ASSERT_EQ(0, vt_set_depth(self->fd, 1));
	if (variant->act == BY_PLACE)
		ASSERT_EQ(0, vp_send_tag(self->w, 1, VIPC_NONBLOCK));
}

FIXTURE_TEARDOWN(woken)
{
	if (variant->act != BY_CLOSE) {
		close(self->fd);
		close(self->r);
	}
	close(self->mid);
	close(self->w);
	close(self->none);
	close(self->watched);
}

static void wake_by(struct __test_metadata *_metadata, enum act act, int fd,
		    int snd, int watched, struct vt_op *op,
		    struct vh_receiver *h)
{
	struct vipc_msg m;

	op->arg = NULL;
	op->msg = vt_msg(1);
	switch (act) {
	case BY_SEND:
	case BY_CALL:
		ASSERT_EQ(0, vt_op_start(op, snd, act == BY_SEND ?
					 VIPC_IOC_SEND : VIPC_IOC_CALL));
		break;
	case BY_NOTIFY:
		ASSERT_EQ(0, vt_notify(snd, 1));
		break;
	case BY_NOTICE:
		close(watched);
		break;
	case BY_RING:
		ASSERT_EQ(0, vp_send_tag(snd, 1, VIPC_NONBLOCK));
		break;
	case BY_FAULT:
		ASSERT_EQ(0, vh_faulting(h, fd, VIPC_IOC_RECV));
		ASSERT_EQ(0, vp_send_tag(snd, 1, VIPC_NONBLOCK));
		break;
	case BY_RECEIVER:
		op->msg = (struct vipc_msg){ 0 };
		ASSERT_EQ(0, vt_op_start(op, fd, VIPC_IOC_RECV));
		break;
	case BY_DEPTH:
		ASSERT_EQ(0, vt_set_depth(fd, 3));
		break;
	case BY_PLACE:
		ASSERT_EQ(0, vp_recv_now(fd, &m));
		break;
	case BY_SHUTDOWN:
		ASSERT_EQ(0, vt_shutdown(fd));
		break;
	case BY_CLOSE:
		close(fd);
		break;
	case BY_REVOKE:
		ASSERT_EQ(0, vt_revoke(fd));
		break;
	}
}

/* Each way of waiting, all at once, on each capability that is concerned. */
TEST_F(woken, all_waiters)
{
	const int fds[] = { self->r, self->w, self->none };
	const int want[] = { variant->r, variant->w, variant->none };
	struct pl_waiter waiter[3][PL_METHODS];
	struct vh_receiver h;
	struct vt_op op;

	for (int i = 0; i < 3; i++)
		for (int how = 0; want[i] && how < PL_METHODS; how++) {
			/* what select() cannot see does not wake it */
			if (how == PL_SELECT && !pl_selected(want[i]))
				continue;
			ASSERT_EQ(0, pl_wait(&waiter[i][how], fds[i], how));
		}
	wake_by(_metadata, variant->act, self->fd, self->w, self->watched, &op,
		&h);
	for (int i = 0; i < 3; i++)
		for (int how = 0; want[i] && how < PL_METHODS; how++) {
			int events = want[i];

			if (how == PL_SELECT)
				events = pl_selected(events);
			if (!events)
				continue;
			EXPECT_EQ(events, pl_woken(&waiter[i][how])) {
				TH_LOG("capability %d, method %d", i, how);
			}
		}
	/* those who came in vain are ended */
	if (variant->act == BY_SEND || variant->act == BY_CALL ||
	    variant->act == BY_RECEIVER) {
		ASSERT_EQ(0, vt_shutdown(self->fd));
		ASSERT_EQ(0, vt_op_join(&op));
		EXPECT_EQ(-EPIPE, op.ret);
	}
	if (variant->act == BY_FAULT)
		ASSERT_EQ(0, vt_op_join(&h.op));
}

TEST_HARNESS_MAIN
