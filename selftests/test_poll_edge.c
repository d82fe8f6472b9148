// SPDX-License-Identifier: GPL-2.0
/*
 * Edge-triggered epoll: everything that is queued is an edge, and so is every
 * receiver that begins to wait and every place that becomes free. Programs that
 * rely on it, and look again only after an edge, never hang. A thousand
 * descriptors in one set, and descriptors that go while they are polled.
 */
#include "vipc_group.h"
#include "vipc_held.h"
#include "vipc_polls.h"

#define MANY	1000

/* ---- edges ---- */

FIXTURE(edge)
{
	int fd, r, w;
	struct vipc_msg m;
};

FIXTURE_SETUP(edge)
{
	self->fd = vt_open();
	ASSERT_LE(0, self->fd);
	self->r = vt_derive(self->fd, VIPC_RIGHT_RECV, 0);
	ASSERT_LE(0, self->r);
	self->w = vt_derive(self->fd, VIPC_RIGHT_SEND, 7);
	ASSERT_LE(0, self->w);
}

FIXTURE_TEARDOWN(edge)
{
	close(self->w);
	close(self->r);
	close(self->fd);
}

/* An edge must come; then there is none until something happens again. */
#define expect_edge(ep, events) EXPECT_EQ(events, pl_soon(ep))

/* Nobody takes anything: each one that comes is an edge nevertheless. */
TEST_F(edge, all_that_is_queued)
{
	int in = pl_epoll(self->r, PL_ALL | EPOLLET), watched[3];
	struct vt_op op[4];

	ASSERT_LE(0, in);
	EXPECT_EQ(0, pl_now(in));
	for (int i = 0; i < 4; i++) {
		op[i].arg = NULL;
		op[i].msg = vt_msg(i);
		ASSERT_EQ(0, vt_op_start(&op[i], self->w, i & 1 ?
					 VIPC_IOC_CALL : VIPC_IOC_SEND));
		expect_edge(in, PL_IN);
	}
	for (int i = 0; i < 3; i++) {
		watched[i] = vt_derive_watched(self->fd, 0, i + 1);
		ASSERT_LE(0, watched[i]);
	}
	for (int i = 0; i < 3; i++) {
		ASSERT_EQ(0, vt_notify(self->w, i + 1));
		expect_edge(in, PL_IN);
		close(watched[i]);
		expect_edge(in, PL_IN);
	}
	/* bits, three notices, four requests */
	for (int i = 0; i < 8; i++) {
		ASSERT_EQ(0, vp_recv_now(self->r, &self->m));
		if (self->m.reply) {
			ASSERT_EQ(0, vp_reply_tag(self->r, self->m.reply, 1));
		}
	}
	for (int i = 0; i < 4; i++) {
		ASSERT_EQ(0, vt_op_join(&op[i]));
	}
	EXPECT_EQ(0, pl_now(in));
	close(in);
}

TEST_F(edge, ring)
{
	int in = pl_epoll(self->r, PL_ALL | EPOLLET);
	int out = pl_epoll(self->w, PL_ALL | EPOLLET);

	ASSERT_LE(0, in);
	ASSERT_LE(0, out);
	EXPECT_EQ(0, pl_now(out));
	ASSERT_EQ(0, vt_set_depth(self->fd, 3));
	expect_edge(out, PL_OUT);
	for (int round = 0; round < 20; round++) {
		for (int i = 0; i < 3; i++) {
			ASSERT_EQ(0, vp_send_tag(self->w, i, VIPC_NONBLOCK));
			expect_edge(in, PL_IN);
		}
		EXPECT_EQ(-EAGAIN, vp_send_tag(self->w, 4, VIPC_NONBLOCK));
		EXPECT_EQ(0, pl_now(out));
		for (int i = 0; i < 3; i++) {
			ASSERT_EQ(0, vp_recv_now(self->r, &self->m));
			expect_edge(out, PL_OUT);
		}
		EXPECT_EQ(0, pl_now(in));
	}
	close(out);
	close(in);
}

/* A place that goes to a SEND which waits is not free. */
TEST_F(edge, place_of_who_waits)
{
	int out = pl_epoll(self->w, PL_ALL | EPOLLET);
	struct vt_op send = { .msg = vt_msg(1) };

	ASSERT_EQ(0, vt_set_depth(self->fd, 1));
	expect_edge(out, PL_OUT);
	ASSERT_EQ(0, vp_send_tag(self->w, 0, VIPC_NONBLOCK));
	ASSERT_EQ(0, vt_op_start(&send, self->w, VIPC_IOC_SEND));
	ASSERT_EQ(0, vt_wait_senders(self->fd, 1));
	ASSERT_EQ(0, vp_recv_now(self->r, &self->m));
	ASSERT_EQ(0, vt_op_join(&send));
	EXPECT_EQ(0, pl_now(out));
	ASSERT_EQ(0, vp_recv_now(self->r, &self->m));
	EXPECT_TRUE(vt_msg_is(&self->m, 1));
	expect_edge(out, PL_OUT);
	close(out);
}

TEST_F(edge, receivers)
{
	int out = pl_epoll(self->w, PL_ALL | EPOLLET);
	int both = pl_epoll(self->fd, PL_ALL | EPOLLET);
	struct vt_op op[4];

	ASSERT_LE(0, both);
	for (int i = 0; i < 4; i++) {
		op[i].arg = NULL;
		op[i].msg = (struct vipc_msg){ 0 };
		ASSERT_EQ(0, vt_op_start(&op[i], self->r, i & 1 ?
					 VIPC_IOC_RECV : VIPC_IOC_REPLY_RECV));
		expect_edge(out, PL_OUT);
		expect_edge(both, PL_OUT);
		ASSERT_EQ(0, vt_wait_receivers(self->fd, i + 1));
	}
	for (int i = 0; i < 4; i++)
		EXPECT_EQ(0, vp_send_tag(self->w, i, VIPC_NONBLOCK));
	for (int i = 0; i < 4; i++) {
		ASSERT_EQ(0, vt_op_join(&op[i]));
	}
	EXPECT_EQ(-EAGAIN, vp_send_tag(self->w, 9, VIPC_NONBLOCK));
	EXPECT_EQ(0, pl_now(out));
	EXPECT_EQ(0, pl_now(both));
	close(both);
	close(out);
}

/* What was in a receiver's hand, and nobody could see, is there again. */
TEST_F(edge, given_back)
{
	int in = pl_epoll(self->r, PL_ALL | EPOLLET), ret;

	for (int what = 0; what < 3; what++) {
		int watched = vt_derive_watched(self->fd, 0, 5);
		struct vh_receiver h;

		ret = vh_held(&h, self->r, VIPC_IOC_RECV);
		if (ret == -EOPNOTSUPP)
			SKIP(return, "no userfaultfd");
		ASSERT_EQ(0, ret);
		if (what == 0)
			ret = vp_send_tag(self->w, 1, VIPC_NONBLOCK);
		else if (what == 1)
			ret = vt_notify(self->w, 1);
		else
			ret = close(watched);
		ASSERT_EQ(0, ret);
		ASSERT_EQ(0, vh_wait_held(&h));
		EXPECT_EQ(0, pl_now(in));
		ASSERT_EQ(0, vh_let_go(&h, false));
		EXPECT_EQ(-EFAULT, h.op.ret);
		expect_edge(in, PL_IN);
		ASSERT_EQ(0, vp_recv_now(self->r, &self->m));
		EXPECT_EQ(0, pl_now(in));
		vh_forget(&h);
		if (what < 2) {
			close(watched);
			expect_edge(in, PL_IN);
			ASSERT_EQ(0, vp_recv_now(self->r, &self->m));
		}
	}
	close(in);
}

TEST_F(edge, revoked_then_dead)
{
	int none = vt_derive(self->fd, 0, 0);
	const int fds[] = { self->r, self->w, none };
	int all = pl_epoll(self->fd, PL_ALL | EPOLLET), ep[3];

	for (int i = 0; i < 3; i++) {
		ep[i] = pl_epoll(fds[i], PL_ALL | EPOLLET);
		ASSERT_LE(0, ep[i]);
	}
	ASSERT_EQ(0, vt_revoke(self->fd));
	for (int i = 0; i < 3; i++)
		expect_edge(ep[i], POLLERR);
	EXPECT_EQ(0, pl_now(all));
	/* what happens there is no business of theirs any more; its end is */
	ASSERT_EQ(0, vt_shutdown(self->fd));
	expect_edge(all, POLLHUP | PL_IN | PL_OUT);
	for (int i = 0; i < 3; i++) {
		EXPECT_EQ(POLLERR | POLLHUP, pl_state(fds[i]));
		close(ep[i]);
	}
	close(all);
	close(none);
}

/* Level-triggered until it is taken; once; and again when it is asked for. */
TEST_F(edge, other_ways)
{
	struct epoll_event e = { .events = EPOLLIN | EPOLLONESHOT };
	int level = pl_epoll(self->r, EPOLLIN), outer = pl_epoll(level, EPOLLIN);
	int once = pl_epoll(self->r, EPOLLIN | EPOLLONESHOT);
	int edge = pl_epoll(self->r, EPOLLIN | EPOLLET), late;

	ASSERT_EQ(0, vt_notify(self->w, 1));
	for (int i = 0; i < 3; i++) {
		EXPECT_EQ(EPOLLIN, pl_now(level));
		/* a set in a set */
		EXPECT_EQ(EPOLLIN, pl_now(outer));
	}
	EXPECT_EQ(EPOLLIN, pl_now(once));
	EXPECT_EQ(0, pl_now(once));
	ASSERT_EQ(0, vt_notify(self->w, 2));
	EXPECT_EQ(0, pl_now(once));
	ASSERT_EQ(0, epoll_ctl(once, EPOLL_CTL_MOD, self->r, &e));
	EXPECT_EQ(EPOLLIN, pl_now(once));
	expect_edge(edge, EPOLLIN);
	EXPECT_EQ(0, pl_now(edge));
	e.events = EPOLLIN | EPOLLET;
	ASSERT_EQ(0, epoll_ctl(edge, EPOLL_CTL_MOD, self->r, &e));
	EXPECT_EQ(EPOLLIN, pl_now(edge));
	/* who comes late sees what is there */
	late = pl_epoll(self->r, EPOLLIN | EPOLLET);
	EXPECT_EQ(EPOLLIN, pl_now(late));
	ASSERT_EQ(0, vp_recv_now(self->r, &self->m));
	EXPECT_EQ(0, pl_now(level));
	EXPECT_EQ(0, pl_now(outer));
	ASSERT_EQ(0, epoll_ctl(edge, EPOLL_CTL_DEL, self->r, NULL));
	ASSERT_EQ(0, vt_notify(self->w, 1));
	EXPECT_EQ(0, pl_now(edge));
	EXPECT_EQ(EPOLLIN, pl_now(outer));
	close(late);
	close(edge);
	close(once);
	close(outer);
	close(level);
}

/* A poller does not take from a receiver, and sees what that one leaves. */
TEST_F(edge, beside_a_receiver)
{
	int in = pl_epoll(self->r, PL_ALL | EPOLLET);

	for (int i = 0; i < 50; i++) {
		struct vt_op recv = { .msg = { 0 } };

		ASSERT_EQ(0, vt_op_start(&recv, self->r, VIPC_IOC_RECV));
		ASSERT_EQ(0, vt_wait_receivers(self->fd, 1));
		ASSERT_EQ(0, vp_send_tag(self->w, i, VIPC_NONBLOCK));
		EXPECT_EQ(0, pl_now(in));
		ASSERT_EQ(0, vt_notify(self->w, 1));
		expect_edge(in, PL_IN);
		ASSERT_EQ(0, vp_recv_now(self->r, &self->m));
		ASSERT_EQ(0, vt_op_join(&recv));
		EXPECT_TRUE(vt_msg_is(&recv.msg, i));
	}
	close(in);
}

/* ---- a thousand ---- */

FIXTURE(many)
{
	int fd, ep, fds[MANY];
	bool seen[MANY];
};

FIXTURE_SETUP(many)
{
	ASSERT_EQ(0, vg_limit_files(3 * MANY));
	self->fd = vt_open();
	self->ep = epoll_create1(EPOLL_CLOEXEC);
	ASSERT_LE(0, self->fd);
	ASSERT_LE(0, self->ep);
}

FIXTURE_TEARDOWN(many)
{
	for (int i = 0; i < MANY; i++)
		close(self->fds[i]);
	close(self->ep);
	close(self->fd);
}

static int add(int ep, int fd, uint32_t events, int number)
{
	struct epoll_event e = { .events = events, .data.u32 = (uint32_t)number };

	return epoll_ctl(ep, EPOLL_CTL_ADD, fd, &e) ? -errno : 0;
}

/* Each of them, with @events: how many have been seen; or -errno. */
static int see_all(int ep, bool *seen, uint32_t events)
{
	struct epoll_event e[64];
	int n = 0;

	memset(seen, 0, MANY * sizeof(*seen));
	while (n < MANY) {
		int got = epoll_wait(ep, e, ARRAY_SIZE(e), PL_LIMIT_MS);

		if (got <= 0)
			return got ? -errno : n;
		for (int i = 0; i < got; i++) {
			if (e[i].data.u32 >= MANY || e[i].events != events)
				return -EBADMSG;
			/* with both rights there may be one edge for each */
			n += !seen[e[i].data.u32];
			seen[e[i].data.u32] = true;
		}
	}
	return n;
}

TEST_F(many, endpoints)
{
	struct vipc_msg m;

	for (int i = 0; i < MANY; i++) {
		self->fds[i] = vt_open();
		ASSERT_LE(0, self->fds[i]);
		ASSERT_EQ(0, add(self->ep, self->fds[i], EPOLLIN | EPOLLET, i));
	}
	EXPECT_EQ(0, pl_now(self->ep));
	for (int round = 0; round < 3; round++) {
		for (int i = 0; i < MANY; i++)
			ASSERT_EQ(0, vt_notify(self->fds[i * 7 % MANY], i + 1));
		EXPECT_EQ(MANY, see_all(self->ep, self->seen, EPOLLIN));
		EXPECT_EQ(0, pl_now(self->ep));
		for (int i = 0; i < MANY; i++) {
			ASSERT_EQ(0, vp_recv_now(self->fds[i * 7 % MANY], &m));
			ASSERT_TRUE(vt_is_notification(&m, i + 1));
		}
	}
	for (int i = 0; i < MANY; i++)
		ASSERT_EQ(0, vt_shutdown(self->fds[i]));
	EXPECT_EQ(MANY, see_all(self->ep, self->seen, EPOLLIN | EPOLLHUP));
}

TEST_F(many, receivers_of_one)
{
	struct vipc_msg m;

	for (int i = 0; i < MANY; i++) {
		self->fds[i] = vt_derive(self->fd, VIPC_RIGHT_RECV, 0);
		ASSERT_LE(0, self->fds[i]);
		ASSERT_EQ(0, add(self->ep, self->fds[i], EPOLLIN | EPOLLET, i));
	}
	for (int round = 0; round < 3; round++) {
		ASSERT_EQ(0, vt_notify(self->fd, 1));
		EXPECT_EQ(MANY, see_all(self->ep, self->seen, EPOLLIN));
		ASSERT_EQ(0, vp_recv_now(self->fds[round], &m));
		EXPECT_EQ(0, pl_now(self->ep));
	}
	ASSERT_EQ(0, vt_revoke(self->fd));
	EXPECT_EQ(MANY, see_all(self->ep, self->seen, EPOLLERR));
}

TEST_F(many, senders_of_one)
{
	struct vipc_msg m;

	for (int i = 0; i < MANY; i++) {
		self->fds[i] = vt_derive(self->fd, VIPC_RIGHT_SEND, i + 1);
		ASSERT_LE(0, self->fds[i]);
		ASSERT_EQ(0, add(self->ep, self->fds[i], EPOLLOUT | EPOLLET, i));
	}
	ASSERT_EQ(0, vt_set_depth(self->fd, 1));
	EXPECT_EQ(MANY, see_all(self->ep, self->seen, EPOLLOUT));
	for (int round = 0; round < 3; round++) {
		ASSERT_EQ(0, vp_send_tag(self->fds[round], 1, VIPC_NONBLOCK));
		EXPECT_EQ(0, pl_now(self->ep));
		ASSERT_EQ(0, vp_recv_now(self->fd, &m));
		EXPECT_EQ(MANY, see_all(self->ep, self->seen, EPOLLOUT));
	}
	ASSERT_EQ(0, vt_shutdown(self->fd));
	EXPECT_EQ(MANY, see_all(self->ep, self->seen, EPOLLOUT | EPOLLHUP));
}

/* ---- gone while it is polled ---- */

/* A closed one is in no set any more; a duplicate keeps it there. */
TEST_F(edge, closed)
{
	int kept = dup(self->r), ep, gone;

	ep = pl_epoll(self->r, EPOLLIN);
	close(self->r);
	ASSERT_EQ(0, vt_notify(self->w, 1));
	EXPECT_EQ(EPOLLIN, pl_now(ep));
	close(kept);
	EXPECT_EQ(0, pl_now(ep));
	/* with something there, and nobody who would have seen it */
	gone = vt_derive(self->fd, VIPC_RIGHTS_ALL, 0);
	ASSERT_EQ(0, add(ep, gone, EPOLLIN | EPOLLET, 1));
	close(gone);
	EXPECT_EQ(0, pl_now(ep));
	ASSERT_EQ(0, vt_notify(self->w, 1));
	EXPECT_EQ(0, pl_now(ep));
	self->r = ep;
}

/* The thread that waits holds it; whoever ends the endpoint wakes that. */
TEST_F(edge, closed_under_a_waiter)
{
	static const uint32_t rights[] = { VIPC_RIGHT_RECV, VIPC_RIGHT_SEND, 0 };

	for (int i = 0; i < 12; i++) {
		int end = vt_open(), polled = vt_derive(end, rights[i % 3], 0);
		struct pl_waiter waiter;

		ASSERT_LE(0, polled);
		ASSERT_EQ(0, pl_wait(&waiter, polled, PL_POLL));
		close(polled);
		EXPECT_EQ(2, vt_capabilities(end));
		ASSERT_EQ(0, vt_shutdown(end));
		/* which looks again, at what is no descriptor any more */
		EXPECT_EQ(POLLNVAL, pl_woken(&waiter));
		EXPECT_EQ(0, vt_wait_capabilities(end, 1));
		close(end);
	}
}

/* All of an endpoint goes while a worker may still be on its way to wake. */
TEST_F(edge, endpoint_gone_with_its_pollers)
{
	for (int i = 0; i < 300; i++) {
		int end = vt_open(), snd = vt_derive(end, VIPC_RIGHT_SEND, 0);
		int ep = pl_epoll(snd, PL_ALL | EPOLLET);

		ASSERT_LE(0, ep);
		ASSERT_EQ(0, vt_set_depth(end, 2));
		if (i & 1) {
			ASSERT_EQ(0, vp_send_tag(snd, 1, VIPC_NONBLOCK));
			ASSERT_EQ(0, vp_recv_now(end, &self->m));
		}
		if (i & 2)
			close(ep);
		close(i & 4 ? end : snd);
		close(i & 4 ? snd : end);
		if (!(i & 2)) {
			EXPECT_EQ(0, pl_now(ep));
			close(ep);
		}
	}
}

TEST_HARNESS_MAIN
