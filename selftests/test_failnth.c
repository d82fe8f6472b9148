// SPDX-License-Identifier: GPL-2.0
/*
 * Every user copy and every allocation in the operations that carry messages is
 * made to fail, one by one. The error is the documented one, and nothing is lost
 * by it: the message, the caller and the counters are where the error says.
 */
#include <sys/mman.h>

#include "vipc_inject.h"

#define PAGE	4096ul
#define BADGE	77

FIXTURE(failnth)
{
	int fd, cap, nth;
	long long dropped;
	struct vi_sweep s;
	struct vipc_info before, after;
};

FIXTURE_SETUP(failnth)
{
	const char *why = vi_setup();

	if (why)
		SKIP(return, "%s", why);
	self->nth = vi_open();
	ASSERT_LE(0, self->nth);
	self->fd = vt_open();
	ASSERT_LE(0, self->fd);
	self->cap = vt_derive(self->fd, VIPC_RIGHT_SEND, BADGE);
	ASSERT_LE(0, self->cap);
	self->dropped = vt_stat_value("dropped");
}

/* Whatever the test did, the endpoint is as idle as a new one. */
FIXTURE_TEARDOWN(failnth)
{
	struct vipc_info info;

	EXPECT_LT(self->s.nth, VI_MAX_NTH);
	EXPECT_EQ(0, vt_info(self->fd, &info));
	EXPECT_EQ(0, info.senders);
	EXPECT_EQ(0, info.receivers);
	EXPECT_EQ(0, info.in_service);
	EXPECT_EQ(2, info.capabilities);
	EXPECT_EQ(self->dropped, vt_stat_value("dropped"));
	close(self->cap);
	close(self->fd);
	close(self->nth);
}

#define mark()		ASSERT_EQ(0, vt_info(self->fd, &self->before))
#define expect_unchanged() do {						\
	ASSERT_EQ(0, vt_info(self->fd, &self->after));			\
	EXPECT_EQ(0, memcmp(&self->before, &self->after,		\
			    sizeof(self->before)));			\
} while (0)

#define armed(ofd, cmd, arg)						\
	vi_ioctl(self->nth, self->s.nth, &self->s.injected, ofd, cmd, arg)

/* Takes a message that must be @tag's, and answers a call with @tag + 1. */
#define expect_message(tag) do {					\
	struct vipc_msg got_ = { .deadline_ns = vt_in_ms(20000) };	\
	ASSERT_EQ(0, vt_recv(self->fd, &got_));				\
	EXPECT_TRUE(vt_msg_is(&got_, tag));				\
	EXPECT_EQ(BADGE, got_.badge);					\
	if (got_.reply) {						\
		EXPECT_EQ(0, vp_reply_tag(self->fd, got_.reply, (tag) + 1)); \
	}								\
} while (0)

/* A receiver waits; a SEND that fails leaves it waiting. */
TEST_F(failnth, send_to_a_receiver)
{
	struct vt_op recv = { .msg = { 0 } };
	bool waiting = false;

	vi_for_each_nth(&self->s) {
		uint64_t tag = self->s.nth;
		struct vipc_msg m = vt_msg(tag);

		if (!waiting) {
			memset(&recv, 0, sizeof(recv));
			ASSERT_EQ(0, vt_op_start(&recv, self->fd, VIPC_IOC_RECV));
			ASSERT_EQ(0, vt_wait_receivers(self->fd, 1));
		}
		mark();
		self->s.ret = armed(self->cap, VIPC_IOC_SEND, &m);
		vi_note(&self->s);
		waiting = self->s.ret != 0;
		if (waiting) {
			ASSERT_EQ(-EFAULT, self->s.ret);
			expect_unchanged();
			EXPECT_FALSE(vt_op_done(&recv));
			continue;
		}
		ASSERT_EQ(0, vt_op_join(&recv));
		EXPECT_EQ(0, recv.ret);
		EXPECT_TRUE(vt_msg_is(&recv.msg, tag));
	}
	EXPECT_EQ(1, self->s.efault);
	EXPECT_EQ(0, self->s.enomem);
	EXPECT_FALSE(waiting);
}

/* Nobody waits; what fails is not queued. */
TEST_F(failnth, send_into_the_queue)
{
	vi_for_each_nth(&self->s) {
		struct vi_op send = { .op.msg = vt_msg(self->s.nth) };

		mark();
		ASSERT_EQ(0, vi_op_start(&send, self->s.nth, self->cap,
					 VIPC_IOC_SEND));
		ASSERT_EQ(0, vt_wait_until(vt_op_done(&send.op) ||
					   vt_senders(self->fd) == 1));
		if (vt_op_done(&send.op))
			expect_unchanged();
		else
			expect_message(self->s.nth);
		ASSERT_EQ(0, vt_op_join(&send.op));
		self->s.ret = send.op.ret;
		self->s.injected = send.injected;
		vi_note(&self->s);
	}
	EXPECT_EQ(0, self->s.ret);
	EXPECT_EQ(1, self->s.efault);
	EXPECT_EQ(0, self->s.enomem);
}

/*
 * A call fails before it is sent, or when its reply is copied out: then the
 * server has done its part, and its reply succeeded.
 */
TEST_F(failnth, call)
{
	int calls = 0;

	vi_for_each_nth(&self->s) {
		struct vi_op call = { .op.msg = vt_msg(self->s.nth) };
		bool taken = false;

		mark();
		ASSERT_EQ(0, vi_op_start(&call, self->s.nth, self->cap,
					 VIPC_IOC_CALL));
		ASSERT_EQ(0, vt_wait_until(vt_op_done(&call.op) ||
					   vt_senders(self->fd) == 1));
		if (vt_op_done(&call.op)) {
			EXPECT_EQ(-EFAULT, call.op.ret);
			expect_unchanged();
		} else {
			expect_message(self->s.nth);
			taken = true;
			calls++;
		}
		ASSERT_EQ(0, vt_op_join(&call.op));
		self->s.ret = call.op.ret;
		self->s.injected = call.injected;
		vi_note(&self->s);
		if (call.op.ret == 0) {
			EXPECT_TRUE(vt_msg_is(&call.op.msg, self->s.nth + 1));
		} else {
			EXPECT_EQ(-EFAULT, call.op.ret);
			/* Before the request was sent, or after it was answered. */
			EXPECT_EQ(taken ? VIPC_MSG_DELIVERED : 0,
				  call.op.msg.flags);
		}
	}
	EXPECT_EQ(0, self->s.ret);
	EXPECT_EQ(2, self->s.efault);
	EXPECT_EQ(0, self->s.enomem);
	ASSERT_EQ(0, vt_info(self->fd, &self->after));
	EXPECT_EQ(calls, self->after.called);
	EXPECT_EQ(calls, self->after.replied);
	EXPECT_EQ(calls, self->after.received);
}

/* A reply that fails leaves its token valid. */
TEST_F(failnth, reply)
{
	vi_for_each_nth(&self->s) {
		struct vt_op call = { .msg = vt_msg(self->s.nth) };
		struct vipc_msg m = { 0 };

		ASSERT_EQ(0, vt_op_start(&call, self->cap, VIPC_IOC_CALL));
		ASSERT_EQ(0, vt_recv(self->fd, &m));
		mark();
		m.data[0] = 5;
		self->s.ret = armed(self->fd, VIPC_IOC_REPLY, &m);
		vi_note(&self->s);
		if (self->s.ret) {
			ASSERT_EQ(-EFAULT, self->s.ret);
			expect_unchanged();
			EXPECT_FALSE(vt_op_done(&call));
			ASSERT_EQ(0, vt_reply(self->fd, &m));
		}
		ASSERT_EQ(0, vt_op_join(&call));
		EXPECT_EQ(0, call.ret);
		EXPECT_EQ(5, call.msg.data[0]);
	}
	EXPECT_EQ(1, self->s.efault);
	EXPECT_EQ(0, self->s.enomem);
}

FIXTURE(taking)
{
	int fd, cap, nth;
	long long dropped;
	struct vi_sweep s;
	struct vipc_info before, after;
};

FIXTURE_VARIANT(taking)
{
	unsigned long recv, send;
};

FIXTURE_VARIANT_ADD(taking, recv_a_send)
{
	.recv = VIPC_IOC_RECV,
	.send = VIPC_IOC_SEND,
};

FIXTURE_VARIANT_ADD(taking, recv_a_call)
{
	.recv = VIPC_IOC_RECV,
	.send = VIPC_IOC_CALL,
};

FIXTURE_VARIANT_ADD(taking, reply_recv_a_send)
{
	.recv = VIPC_IOC_REPLY_RECV,
	.send = VIPC_IOC_SEND,
};

FIXTURE_VARIANT_ADD(taking, reply_recv_a_call)
{
	.recv = VIPC_IOC_REPLY_RECV,
	.send = VIPC_IOC_CALL,
};

FIXTURE_SETUP(taking)
{
	const char *why = vi_setup();

	if (why)
		SKIP(return, "%s", why);
	self->nth = vi_open();
	ASSERT_LE(0, self->nth);
	self->fd = vt_open();
	ASSERT_LE(0, self->fd);
	self->cap = vt_derive(self->fd, VIPC_RIGHT_SEND, BADGE);
	ASSERT_LE(0, self->cap);
	self->dropped = vt_stat_value("dropped");
}

FIXTURE_TEARDOWN(taking)
{
	EXPECT_LT(self->s.nth, VI_MAX_NTH);
	EXPECT_EQ(0, vp_wait_idle(self->fd));
	close(self->cap);
	close(self->fd);
	close(self->nth);
}

/* A message waits; a receive that fails leaves it, or puts it back. */
TEST_F(taking, from_the_queue)
{
	vi_for_each_nth(&self->s) {
		struct vt_op send = { .msg = vt_msg(self->s.nth) };
		struct vipc_msg m = { 0 };

		ASSERT_EQ(0, vt_op_start(&send, self->cap, variant->send));
		ASSERT_EQ(0, vt_wait_senders(self->fd, 1));
		mark();
		self->s.ret = armed(self->fd, variant->recv, &m);
		vi_note(&self->s);
		if (self->s.ret) {
			ASSERT_EQ(-EFAULT, self->s.ret);
			ASSERT_EQ(0, vt_info(self->fd, &self->after));
			EXPECT_EQ(1, self->after.senders);
			EXPECT_EQ(0, self->after.in_service);
			EXPECT_EQ(self->before.received, self->after.received);
			EXPECT_EQ(self->before.called, self->after.called);
			expect_message(self->s.nth);
		} else {
			EXPECT_TRUE(vt_msg_is(&m, self->s.nth));
			if (m.reply) {
				EXPECT_EQ(0, vp_reply_tag(self->fd, m.reply,
							  self->s.nth + 1));
			}
		}
		ASSERT_EQ(0, vt_op_join(&send));
		EXPECT_EQ(0, send.ret);
		if (variant->send == VIPC_IOC_CALL) {
			EXPECT_TRUE(vt_msg_is(&send.msg, self->s.nth + 1));
		}
	}
	EXPECT_EQ(2, self->s.efault);
	EXPECT_EQ(0, self->s.enomem);
	EXPECT_EQ(self->dropped, vt_stat_value("dropped"));
}

/*
 * The receiver waits, its memory goes away, and on top of that each fault point
 * fails, the allocation for a message without a sender among them. Only that
 * one loses a message, which is counted.
 */
TEST_F(taking, and_giving_back)
{
	struct vipc_msg *page = mmap(NULL, PAGE, PROT_READ | PROT_WRITE,
				     MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	int lost = 0;

	ASSERT_NE(MAP_FAILED, page);
	vi_for_each_nth(&self->s) {
		struct vi_op recv = { .op.arg = page };
		struct vt_op send = { .msg = vt_msg(self->s.nth) };
		long long dropped = vt_stat_value("dropped");

		ASSERT_EQ(0, mprotect(page, PAGE, PROT_READ | PROT_WRITE));
		memset(page, 0, sizeof(*page));
		ASSERT_EQ(0, vi_op_start(&recv, self->s.nth, self->fd,
					 variant->recv));
		ASSERT_EQ(0, vt_wait_until(vt_op_done(&recv.op) ||
					   vt_receivers(self->fd) == 1));
		ASSERT_EQ(0, mprotect(page, PAGE, PROT_READ));
		mark();
		ASSERT_EQ(0, vt_op_start(&send, self->cap, variant->send));
		ASSERT_EQ(0, vt_op_join(&recv.op));
		EXPECT_EQ(-EFAULT, recv.op.ret);
		self->s.ret = recv.op.ret;
		self->s.injected = recv.injected;
		vi_note(&self->s);

		ASSERT_EQ(0, vt_wait_until(vt_senders(self->fd) == 1 ||
					   vt_stat_value("dropped") > dropped));
		ASSERT_EQ(0, vt_info(self->fd, &self->after));
		if (vt_stat_value("dropped") > dropped) {
			lost++;
			EXPECT_EQ(0, self->after.senders);
			EXPECT_EQ(VIPC_IOC_SEND, variant->send);
		} else {
			EXPECT_EQ(1, self->after.senders);
			EXPECT_EQ(0, self->after.in_service);
			EXPECT_EQ(self->before.received, self->after.received);
			expect_message(self->s.nth);
		}
		ASSERT_EQ(0, vt_op_join(&send));
		EXPECT_EQ(0, send.ret);
	}
	EXPECT_EQ(variant->send == VIPC_IOC_SEND, lost);
	EXPECT_EQ(self->dropped + lost, vt_stat_value("dropped"));
	munmap(page, PAGE);
}

/* The reply goes out once, and the program can tell whether it did. */
TEST_F(failnth, reply_recv)
{
	vi_for_each_nth(&self->s) {
		struct vt_op call = { .msg = vt_msg(1) }, next = { .msg = vt_msg(2) };
		struct vipc_msg m = { 0 };
		uint64_t token;

		ASSERT_EQ(0, vt_op_start(&call, self->cap, VIPC_IOC_CALL));
		ASSERT_EQ(0, vt_recv(self->fd, &m));
		token = m.reply;
		ASSERT_EQ(0, vt_op_start(&next, self->cap, VIPC_IOC_CALL));
		ASSERT_EQ(0, vt_wait_senders(self->fd, 1));
		mark();
		m.data[0] = 9;
		self->s.ret = armed(self->fd, VIPC_IOC_REPLY_RECV, &m);
		vi_note(&self->s);
		if (self->s.ret == 0) {
			EXPECT_TRUE(vt_msg_is(&m, 2));
			EXPECT_EQ(0, vp_reply_tag(self->fd, m.reply, 3));
		} else {
			ASSERT_EQ(-EFAULT, self->s.ret);
			if (m.reply) {
				EXPECT_EQ(token, m.reply);
				expect_unchanged();
				ASSERT_EQ(0, vt_reply(self->fd, &m));
			}
			EXPECT_EQ(-ESRCH, vp_reply_tag(self->fd, token, 4));
			expect_message(2);
		}
		ASSERT_EQ(0, vt_op_join(&call));
		EXPECT_EQ(0, call.ret);
		EXPECT_EQ(9, call.msg.data[0]);
		ASSERT_EQ(0, vt_op_join(&next));
		EXPECT_EQ(0, next.ret);
		EXPECT_TRUE(vt_msg_is(&next.msg, 3));
	}
	EXPECT_EQ(2, self->s.efault);
	EXPECT_EQ(0, self->s.enomem);
}

/* What ends things must not need memory to do so. */
TEST_F(failnth, revoke_and_shutdown_and_close)
{
	for (int what = 0; what < 3; what++) {
		int fd = vt_open(), mid, leaf, ret;
		struct vt_op call = { .msg = vt_msg(1) }, send = { .msg = vt_msg(2) };
		struct vipc_msg m = { 0 };
		bool injected;

		ASSERT_LE(0, fd);
		mid = vt_derive(fd, VIPC_RIGHTS_ALL, 0);
		ASSERT_LE(0, mid);
		leaf = vt_derive(mid, VIPC_RIGHT_SEND, 1);
		ASSERT_LE(0, leaf);
		ASSERT_EQ(0, vt_op_start(&call, leaf, VIPC_IOC_CALL));
		ASSERT_EQ(0, vt_recv(mid, &m));
		ASSERT_EQ(0, vt_op_start(&send, leaf, VIPC_IOC_SEND));
		ASSERT_EQ(0, vt_wait_senders(fd, 1));

		ASSERT_EQ(0, vi_arm(self->nth, 1));
		if (what == 2)
			ret = close(mid);
		else
			ret = vt_ioctl(fd, what ? VIPC_IOC_SHUTDOWN :
				       VIPC_IOC_REVOKE, NULL);
		injected = vi_disarm(self->nth);
		EXPECT_EQ(0, ret);
		EXPECT_FALSE(injected);

		ASSERT_EQ(0, vt_op_join(&call));
		EXPECT_EQ(-ECONNRESET, call.ret);
		if (what == 2) {
			m = (struct vipc_msg){ 0 };
			ASSERT_EQ(0, vt_recv(fd, &m));
			EXPECT_TRUE(vt_msg_is(&m, 2));
		}
		ASSERT_EQ(0, vt_op_join(&send));
		EXPECT_EQ(what == 2 ? 0 : what ? -EPIPE : -EKEYREVOKED, send.ret);
		close(leaf);
		if (what != 2)
			close(mid);
		close(fd);
	}
}

/*
 * At random, for a while: a tenth of all user copies on both sides, a third of
 * the receiver's allocations. EFAULT says that nothing was sent, or that
 * nothing was received: trying again until it works gives each message exactly
 * once, in order, or counts it as dropped.
 */
#define SERIES	3000

static struct {
	int fd, wrong, failed;
} sender;

static void *send_series(void *unused)
{
	if (vt_write_file("/proc/thread-self/make-it-fail", "1"))
		sender.wrong++;
	for (uint64_t i = 0; i < SERIES; i++) {
		struct vipc_msg m = vt_msg(i);
		int ret;

		while ((ret = vt_send(sender.fd, &m)) == -EFAULT)
			sender.failed++;
		if (ret)
			sender.wrong++;
	}
	return unused;
}

static int at_random(const char *kind, const char *percent)
{
	const char * const set[][2] = {
		{ "task-filter", "Y" },
		{ "interval", "1" },
		{ "times", "-1" },
		{ "probability", percent },
	};
	char path[96];
	int ret = 0;

	for (size_t i = 0; i < ARRAY_SIZE(set) && !ret; i++) {
		snprintf(path, sizeof(path), VI_DEBUGFS "%s/%s", kind, set[i][0]);
		ret = vt_write_file(path, set[i][1]);
	}
	return ret;
}

TEST_F(failnth, at_random)
{
	uint64_t next = 0;
	int failed = 0, lost = 0, ret = 0;
	pthread_t thread;

	ASSERT_EQ(0, at_random("fail_usercopy", "10"));
	ASSERT_EQ(0, at_random("failslab", "33"));
	sender.fd = self->cap;
	sender.wrong = sender.failed = 0;
	ASSERT_EQ(0, pthread_create(&thread, NULL, send_series, NULL));
	ASSERT_EQ(0, vt_write_file("/proc/thread-self/make-it-fail", "1"));
	while (next < SERIES) {
		struct vipc_msg m = { .deadline_ns = vt_in_ms(5000) };

		ret = vt_recv(self->fd, &m);
		if (ret == -EFAULT) {
			failed++;
			continue;
		}
		/* The last ones may be among those dropped. */
		if (ret)
			break;
		if (m.data[0] < next || !vt_msg_is(&m, m.data[0]))
			break;
		lost += (int)(m.data[0] - next);
		next = m.data[0] + 1;
	}
	while (vt_write_file("/proc/thread-self/make-it-fail", "0"))
		;
	EXPECT_EQ(0, at_random("fail_usercopy", "0"));
	EXPECT_EQ(0, at_random("failslab", "0"));
	EXPECT_TRUE(ret == 0 || ret == -ETIMEDOUT);
	ASSERT_EQ(0, vt_join(thread));
	lost += (int)(SERIES - next);
	TH_LOG("%d sends and %d receives failed, %d messages dropped",
	       sender.failed, failed, lost);
	EXPECT_EQ(0, sender.wrong);
	EXPECT_LT(SERIES / 20, sender.failed);
	EXPECT_LT(SERIES / 20, failed);
	EXPECT_LT(0, lost);
	EXPECT_EQ(self->dropped + lost, vt_stat_value("dropped"));
	self->dropped += lost;
}

TEST_HARNESS_MAIN
