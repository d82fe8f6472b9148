// SPDX-License-Identifier: GPL-2.0
/*
 * Buffered endpoints that are full: who waits for a place gets it when it is
 * its turn, or leaves as any sender that waits; and those for which there is no
 * memory in the first place.
 */
#include "vipc_group.h"
#include "vipc_inject.h"
#include "vipc_procs.h"

#define DEPTH	2

/* A full ring: messages 0 to DEPTH - 1. */
FIXTURE(full)
{
	int fd, snd;
	struct vp_op *op;	/* 16 of them */
	struct vipc_msg m;
	struct vipc_info info;
};

FIXTURE_SETUP(full)
{
	self->fd = vt_open();
	ASSERT_LE(0, self->fd);
	self->snd = vt_derive(self->fd, VIPC_RIGHT_SEND, 7);
	ASSERT_LE(0, self->snd);
	ASSERT_EQ(0, vt_set_depth(self->fd, DEPTH));
	for (int i = 0; i < DEPTH; i++)
		ASSERT_EQ(0, vp_send_tag(self->snd, i, 0));
	self->op = vp_ops(16);
}

FIXTURE_TEARDOWN(full)
{
	close(self->snd);
	close(self->fd);
}

#define expect_message(tag) do {					\
	ASSERT_EQ(0, vp_recv_now(self->fd, &self->m));			\
	EXPECT_TRUE(vt_msg_is(&self->m, tag)) {				\
		TH_LOG("message %u", self->m.opcode);			\
	}								\
} while (0)

#define expect_nothing() \
	EXPECT_EQ(-EAGAIN, vp_recv_now(self->fd, &self->m))

/* SEND of message @tag by process @i, as number @n in the queue. */
#define wait_for_place(i, cap, tag, n) do {				\
	ASSERT_EQ(0, vp_start_msg(&self->op[i], cap, VIPC_IOC_SEND, tag)); \
	ASSERT_EQ(0, vt_wait_senders(self->fd, n));			\
} while (0)

/* ---- a place becomes free ---- */

TEST_F(full, first_come_first_served)
{
	for (int i = 0; i < 10; i++)
		wait_for_place(i, self->snd, DEPTH + i, i + 1);
	ASSERT_EQ(0, vt_info(self->fd, &self->info));
	EXPECT_EQ(DEPTH, self->info.buffered);
	EXPECT_EQ(DEPTH, self->info.sent);
	for (int i = 0; i < 10; i++) {
		EXPECT_FALSE(vp_done(&self->op[i]));
		/* each message that goes makes room for one */
		expect_message(i);
		EXPECT_EQ(9 - i, vt_senders(self->fd));
		EXPECT_EQ(DEPTH, vt_buffered(self->fd));
		EXPECT_EQ(0, vp_end(&self->op[i]));
		/* not before its turn: nobody overtakes */
		EXPECT_EQ(-EAGAIN, vp_send_tag(self->snd, 99, VIPC_NONBLOCK));
	}
	expect_message(10);
	expect_message(11);
	expect_nothing();
	ASSERT_EQ(0, vt_info(self->fd, &self->info));
	EXPECT_EQ(DEPTH + 10, self->info.sent);
	EXPECT_EQ(DEPTH + 10, self->info.received);
}

/* With the badge and the words that it had, whatever becomes of the sender. */
TEST_F(full, goes_after_it_got_its_place)
{
	int cap = vt_derive(self->fd, VIPC_RIGHT_SEND, 0x77);

	ASSERT_LE(0, cap);
	self->op->msg = vt_msg(2);
	self->op->msg.flags = 0xbeefff00;
	self->op->msg.deadline_ns = vt_in_ms(1000000);
	ASSERT_EQ(0, vp_start(self->op, cap, VIPC_IOC_SEND));
	ASSERT_EQ(0, vt_wait_senders(self->fd, 1));
	close(cap);
	expect_message(0);
	EXPECT_EQ(0, vp_end(self->op));
	/* SEND writes nothing */
	EXPECT_EQ(0xbeefff00, self->op->msg.flags);
	EXPECT_EQ(0, vt_wait_capabilities(self->fd, 2));
	expect_message(1);
	expect_message(2);
	EXPECT_EQ(0x77, self->m.badge);
	EXPECT_EQ(0xbeef0000, self->m.flags & VIPC_FLAGS_APP_MASK);
	EXPECT_EQ(0, self->m.deadline_ns);
	expect_nothing();
}

/* A receiver that comes for it takes what is first, not who waits. */
TEST_F(full, receiver_comes)
{
	struct vt_op recv = { .msg = { 0 } };

	wait_for_place(0, self->snd, 2, 1);
	ASSERT_EQ(0, vt_op_start(&recv, self->fd, VIPC_IOC_REPLY_RECV));
	ASSERT_EQ(0, vt_op_join(&recv));
	EXPECT_TRUE(vt_msg_is(&recv.msg, 0));
	EXPECT_EQ(0, vp_end(&self->op[0]));
	expect_message(1);
	expect_message(2);
	ASSERT_EQ(0, vt_op_start(&recv, self->fd, VIPC_IOC_RECV));
	ASSERT_EQ(0, vt_wait_receivers(self->fd, 1));
	EXPECT_EQ(0, vp_send_tag(self->snd, 3, VIPC_NONBLOCK));
	ASSERT_EQ(0, vt_op_join(&recv));
	EXPECT_TRUE(vt_msg_is(&recv.msg, 3));
	EXPECT_EQ(0, vt_buffered(self->fd));
}

/* Bits and notices need no place. */
TEST_F(full, kernels_own)
{
	int watched = vt_derive_watched(self->fd, 0, 5);

	ASSERT_LE(0, watched);
	wait_for_place(0, self->snd, 2, 1);
	close(watched);
	ASSERT_EQ(0, vt_notify(self->snd, 3));
	ASSERT_EQ(0, vp_recv_now(self->fd, &self->m));
	EXPECT_TRUE(vt_is_notification(&self->m, 3));
	ASSERT_EQ(0, vp_recv_now(self->fd, &self->m));
	EXPECT_TRUE(vt_is_notice(&self->m, 5));
	/* they made no room */
	EXPECT_EQ(1, vt_senders(self->fd));
	EXPECT_FALSE(vp_done(self->op));
	for (int i = 0; i < 3; i++)
		expect_message(i);
	EXPECT_EQ(0, vp_end(self->op));
	expect_nothing();
}

/* ---- leaving ---- */

enum leave { BY_DEADLINE, BY_SIGNAL, BY_KILL, BY_REVOKE };

/* The one in the middle leaves; the others keep their turns. */
TEST_F(full, leaving_the_queue)
{
	static const int outcome[] = {
		[BY_DEADLINE] = -ETIMEDOUT,
		[BY_SIGNAL] = -EINTR,
		[BY_KILL] = VP_KILLED,
		[BY_REVOKE] = -EKEYREVOKED,
	};
	uint64_t first = 0;

	for (int how = BY_DEADLINE; how <= BY_REVOKE; how++) {
		for (int at = 0; at < 3; at++) {
			struct vp_op *leaver = &self->op[at];
			int mid = vt_derive(self->fd, VIPC_RIGHTS_ALL, 0);
			int leaf = vt_derive(mid, VIPC_RIGHT_SEND, 8);
			uint64_t next = first + DEPTH;

			ASSERT_LE(0, leaf);
			for (int i = 0; i < 3; i++) {
				self->op[i].msg = vt_msg(i == at ? 999 : next++);
				self->op[i].msg.flags = 0x1230ff00;
				self->op[i].msg.deadline_ns =
					how == BY_DEADLINE && i == at ?
					vt_in_ms(400) : 0;
				ASSERT_EQ(0, vp_start(&self->op[i], i == at ?
						      leaf : self->snd,
						      VIPC_IOC_SEND));
				/* a slow machine may see it leave already */
				ASSERT_EQ(0, vt_wait_until(vt_senders(self->fd) ==
							   (i >= at && vp_done(leaver) ?
							    i : i + 1)));
			}
			if (how == BY_SIGNAL)
				kill(leaver->pid, SIGUSR1);
			else if (how == BY_KILL)
				kill(leaver->pid, SIGKILL);
			else if (how == BY_REVOKE)
				ASSERT_EQ(0, vt_revoke(mid));
			EXPECT_EQ(outcome[how], vp_end(leaver)) {
				TH_LOG("by %d at %d", how, at);
			}
			if (how != BY_KILL)
				EXPECT_EQ(0x12300000, leaver->msg.flags);
			ASSERT_EQ(0, vt_wait_senders(self->fd, 2));
			EXPECT_EQ(DEPTH, vt_buffered(self->fd));
			/* both are in the ring after two have been taken */
			for (int i = 0; i < 2; i++)
				expect_message(first + i);
			for (int i = 0; i < 3; i++) {
				if (i != at)
					EXPECT_EQ(0, vp_end(&self->op[i]));
			}
			ASSERT_EQ(DEPTH, vt_buffered(self->fd));
			first += 2;
			close(leaf);
			close(mid);
		}
	}
	expect_message(first);
	expect_message(first + 1);
	expect_nothing();
}

/* A handler that ran, and it waits again: at the end of the queue. */
TEST_F(full, restarted)
{
	self->op[0].sa_flags = SA_RESTART;
	wait_for_place(0, self->snd, 5, 1);
	wait_for_place(1, self->snd, 2, 2);
	kill(self->op[0].pid, SIGUSR1);
	ASSERT_EQ(0, vt_wait_until(vp_get(&self->op[0].handled)));
	ASSERT_EQ(0, vt_wait_senders(self->fd, 2));
	ASSERT_EQ(0, vt_wait_blocked(self->op[0].pid, 0));
	for (int i = 0; i < 3; i++)
		expect_message(i);
	expect_message(5);
	EXPECT_EQ(0, vp_end(&self->op[0]));
	EXPECT_EQ(0, vp_end(&self->op[1]));
	EXPECT_EQ(1, self->op[0].handled);
	expect_nothing();
}

TEST_F(full, deadline)
{
	struct vipc_msg m = vt_msg(9);
	long long timeouts = vt_stat_value("timeouts");
	uint64_t end;

	/* in the past: there is something to wait for now */
	m.deadline_ns = 1;
	EXPECT_EQ(-ETIMEDOUT, vt_send(self->snd, &m));
	m.deadline_ns = end = vt_in_ms(20);
	EXPECT_EQ(-ETIMEDOUT, vt_send(self->snd, &m));
	EXPECT_LE(end, vt_now_ns());
	EXPECT_EQ(timeouts + 2, vt_stat_value("timeouts"));
	EXPECT_EQ(0, vt_senders(self->fd));
	expect_message(0);
	m.deadline_ns = 1;
	EXPECT_EQ(0, vt_send(self->snd, &m));
	expect_message(1);
	expect_message(9);
	expect_nothing();
}

/* Only waiting ones are told; what is kept is not the sender's any more. */
TEST_F(full, revoked)
{
	int mid = vt_derive(self->fd, VIPC_RIGHTS_ALL, 0);
	int leaf = vt_derive(mid, VIPC_RIGHT_SEND, 8);

	ASSERT_LE(0, leaf);
	expect_message(0);
	ASSERT_EQ(0, vp_send_tag(leaf, 2, 0));
	for (int i = 0; i < 8; i++)
		wait_for_place(i, i & 1 ? self->snd : leaf, 10 + i, i + 1);
	ASSERT_EQ(0, vt_revoke(mid));
	EXPECT_EQ(4, vt_senders(self->fd));
	for (int i = 0; i < 8; i += 2) {
		EXPECT_EQ(-EKEYREVOKED, vp_end(&self->op[i]));
		EXPECT_FALSE(vp_delivered(&self->op[i].msg));
	}
	expect_message(1);
	expect_message(2);
	EXPECT_EQ(8, self->m.badge);
	for (int i = 1; i < 8; i += 2) {
		expect_message(10 + i);
		EXPECT_EQ(0, vp_end(&self->op[i]));
	}
	expect_nothing();
	close(leaf);
	close(mid);
}

/* The ring is dropped and counted; those who wait know, and are not. */
TEST_F(full, death)
{
	long long dropped = vt_stat_value("dropped");

	for (int i = 0; i < 6; i++)
		wait_for_place(i, self->snd, 10 + i, i + 1);
	ASSERT_EQ(0, vp_start_msg(&self->op[6], self->snd, VIPC_IOC_CALL, 20));
	ASSERT_EQ(0, vt_wait_senders(self->fd, 7));
	ASSERT_EQ(0, vt_shutdown(self->fd));
	for (int i = 0; i < 7; i++) {
		EXPECT_EQ(-EPIPE, vp_end(&self->op[i]));
		EXPECT_FALSE(vp_delivered(&self->op[i].msg));
	}
	EXPECT_EQ(dropped + DEPTH, vt_stat_value("dropped"));
	ASSERT_EQ(0, vt_info(self->fd, &self->info));
	EXPECT_EQ(0, self->info.buffered | self->info.senders);
	EXPECT_EQ(DEPTH, self->info.depth);
	EXPECT_EQ(DEPTH, self->info.sent);
	EXPECT_EQ(0, self->info.received);
	EXPECT_EQ(-EPIPE, vp_recv_now(self->fd, &self->m));
}

/* The same when the last capability that could receive is closed. */
TEST_F(full, receiver_gone)
{
	long long dropped = vt_stat_value("dropped");

	wait_for_place(0, self->snd, 10, 1);
	close(self->fd);
	self->fd = vt_open();
	EXPECT_EQ(-EPIPE, vp_end(&self->op[0]));
	EXPECT_EQ(dropped + DEPTH, vt_stat_value("dropped"));
	EXPECT_EQ(-EPIPE, vp_send_tag(self->snd, 1, VIPC_NONBLOCK));
}

/* ---- memory ---- */

TEST(sending_takes_no_memory)
{
	const char *why = vi_setup();
	struct vi_sweep s;
	struct vipc_msg m;
	int nth, fd;

	if (why)
		SKIP(return, "%s", why);
	nth = vi_open();
	ASSERT_LE(0, nth);
	fd = vt_open();
	ASSERT_EQ(0, vt_set_depth(fd, 4));
	vi_for_each_nth(&s) {
		m = vt_msg(s.nth);
		s.ret = vi_ioctl(nth, s.nth, &s.injected, fd, VIPC_IOC_SEND, &m);
		vi_note(&s);
		EXPECT_EQ(s.ret ? 0 : 1, vt_buffered(fd));
		if (s.ret) {
			EXPECT_EQ(-EFAULT, s.ret);
			EXPECT_EQ(-EAGAIN, vp_recv_now(fd, &m));
		} else {
			EXPECT_EQ(0, vp_recv_now(fd, &m));
			EXPECT_TRUE(vt_msg_is(&m, s.nth));
		}
	}
	EXPECT_EQ(1, s.efault);
	EXPECT_EQ(0, s.enomem);
	close(fd);
	close(nth);
}

/* A ring that could not be allocated is not there, and can be tried again. */
TEST(failing_allocations)
{
	static const uint32_t depths[] = { 1, 64, 4096 };
	const char *why = vi_setup();
	struct vi_sweep s;
	int nth;

	if (why)
		SKIP(return, "%s", why);
	nth = vi_open();
	ASSERT_LE(0, nth);
	for (size_t i = 0; i < ARRAY_SIZE(depths); i++) {
		/* For the large ring there is more than one way to get memory. */
		bool one_way = depths[i] <= 64;

		vi_for_each_nth_until(&s, 0, one_way) {
			struct vipc_config c = {
				.flags = VIPC_CONFIG_DEPTH | VIPC_CONFIG_MAX_FDS,
				.max_fds = 5,
				.depth = depths[i],
			};
			struct vipc_info info;
			int fd = vt_open();

			s.ret = vi_ioctl(nth, s.nth, &s.injected, fd,
					 VIPC_IOC_CONFIG, &c);
			vi_note(&s);
			ASSERT_EQ(0, vt_info(fd, &info));
			if (!s.ret || s.ret == -EFAULT) {
				/* EFAULT may come when all is done */
				EXPECT_EQ(info.depth ? 5 : 0, info.max_fds);
			} else {
				EXPECT_EQ(-ENOMEM, s.ret);
				EXPECT_EQ(0, info.depth | info.max_fds);
			}
			EXPECT_EQ(0, vt_set_depth(fd, depths[i]));
			EXPECT_EQ(0, vp_send_tag(fd, 1, VIPC_NONBLOCK));
			close(fd);
		}
		EXPECT_EQ(0, s.ret);
		EXPECT_LE(one_way, s.enomem) {
			TH_LOG("depth %u", depths[i]);
		}
	}
	close(nth);
}

/* The ring is charged to whoever asked for it. */
TEST(no_memory_left)
{
	long *out = vp_shared(8 * sizeof(*out));
	struct vg_group g;
	pid_t pid;

	if (vg_make(&g, "2M"))
		SKIP(return, VG_NONE);
	pid = vt_fork();
	ASSERT_LE(0, pid);
	if (!pid) {
		int fd;

		vg_enter(&g, false);
		fd = vt_open();
		/* more than there is: each message takes its 32 bytes at least */
		out[0] = vt_set_depth(fd, VIPC_MAX_DEPTH);
		out[1] = vt_set_depth(fd, 16);
		out[2] = vp_send_tag(fd, 1, VIPC_NONBLOCK);
		out[3] = vt_buffered(fd);
		/* and several that are small, until nothing is left */
		while ((fd = vt_open()) >= 0 && !(out[4] = vt_set_depth(fd, 4096)))
			out[5]++;
		_exit(0);
	}
	EXPECT_EQ(0, vt_reap(pid));
	EXPECT_EQ(-ENOMEM, out[0]);
	EXPECT_EQ(0, out[1]);
	EXPECT_EQ(0, out[2]);
	EXPECT_EQ(1, out[3]);
	EXPECT_EQ(-ENOMEM, out[4]);
	/* 128 KiB each */
	EXPECT_GT(16, out[5]);
	EXPECT_EQ(0, vg_remove(&g));
}

TEST_HARNESS_MAIN
