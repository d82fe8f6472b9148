// SPDX-License-Identifier: GPL-2.0
/*
 * Servers that try to keep, confuse or crash their clients. Whatever a server
 * does, a client gets out by its deadline, by a signal or with the server's
 * end, is told whether its request was taken, and never gets an answer that is
 * not its own.
 */
#include <linux/userfaultfd.h>
#include <sys/mman.h>

#include "vipc_inject.h"

#define PAGE	4096ul
#define LATE_NS	(5 * VT_NSEC)	/* no deadline is missed by more than this */

FIXTURE(hostile)
{
	int fd, cap;
	struct vp_op *op;
};

FIXTURE_SETUP(hostile)
{
	self->fd = vt_open();
	ASSERT_LE(0, self->fd);
	self->cap = vt_derive(self->fd, VIPC_RIGHT_SEND, 1);
	ASSERT_LE(0, self->cap);
	self->op = vp_ops(16);
}

FIXTURE_TEARDOWN(hostile)
{
	EXPECT_EQ(0, vp_wait_idle(self->fd));
	close(self->cap);
	close(self->fd);
}

/* Starts a server in a process that alone can receive. */
#define SERVER(body) ({							\
	pid_t pid_ = vt_fork();						\
	if (pid_ == 0) {						\
		vp_keep_only(self->fd);					\
		body;							\
		_exit(0);						\
	}								\
	pid_; })

static void take_forever(int fd)
{
	for (;;) {
		struct vipc_msg m = { 0 };

		vt_recv(fd, &m);
	}
}

/* ---- it does not answer ---- */

TEST_F(hostile, never_replies_deadline)
{
	pid_t server = SERVER(take_forever(self->fd));

	for (int ms = 1; ms < 200; ms *= 3) {
		struct vipc_msg m = vt_msg(1);
		uint64_t now;

		ASSERT_EQ(0, vt_wait_receivers(self->fd, 1));
		m.deadline_ns = vt_in_ms((uint64_t)ms);
		EXPECT_EQ(-ETIMEDOUT, vt_call(self->cap, &m));
		now = vt_now_ns();
		EXPECT_LE(m.deadline_ns, now);
		EXPECT_GT(m.deadline_ns + LATE_NS, now);
		EXPECT_TRUE(vt_msg_is(&m, 1));
	}
	EXPECT_EQ(VP_KILLED, vp_kill(server));
}

TEST_F(hostile, never_replies_signals)
{
	pid_t server = SERVER(take_forever(self->fd));

	ASSERT_EQ(0, vp_start_msg(&self->op[0], self->cap, VIPC_IOC_CALL, 1));
	self->op[1].msg.flags = VIPC_UNINTERRUPTIBLE;
	ASSERT_EQ(0, vp_start(&self->op[1], self->cap, VIPC_IOC_CALL));
	ASSERT_EQ(0, vt_wait_in_service(self->fd, 2));
	kill(self->op[0].pid, SIGUSR1);
	kill(self->op[1].pid, SIGUSR1);
	EXPECT_EQ(-EINTR, vp_end(&self->op[0]));
	EXPECT_TRUE(vp_delivered(&self->op[0].msg));
	/* This one has chosen so; but it can be killed. */
	EXPECT_FALSE(vp_done(&self->op[1]));
	EXPECT_EQ(VP_KILLED, vp_kill(self->op[1].pid));
	EXPECT_EQ(VP_KILLED, vp_kill(server));
}

TEST_F(hostile, is_stopped)
{
	pid_t server = SERVER(take_forever(self->fd));
	struct vipc_msg m = vt_msg(1);

	ASSERT_EQ(0, vt_wait_receivers(self->fd, 1));
	kill(server, SIGSTOP);
	m.deadline_ns = vt_in_ms(100);
	EXPECT_EQ(-ETIMEDOUT, vt_call(self->cap, &m));
	EXPECT_EQ(VP_KILLED, vp_kill(server));
}

/* With the last server the endpoint goes, and everybody is told. */
TEST_F(hostile, dies_with_callers_in_service)
{
	int fd = vt_open(), cap;
	pid_t server;

	ASSERT_LE(0, fd);
	cap = vt_derive(fd, VIPC_RIGHT_SEND, 1);
	ASSERT_LE(0, cap);
	server = vt_fork();
	if (server == 0) {
		vp_keep_only(fd);
		for (int i = 0; i < 8; i++) {
			struct vipc_msg m = { 0 };

			vt_recv(fd, &m);
		}
		for (;;)
			pause();
	}
	for (int i = 0; i < 12; i++)
		ASSERT_EQ(0, vp_start_msg(&self->op[i], cap, VIPC_IOC_CALL, 1));
	ASSERT_EQ(0, vt_wait_in_service(fd, 8));
	ASSERT_EQ(0, vt_wait_senders(fd, 4));
	close(fd);
	EXPECT_EQ(VP_KILLED, vp_kill(server));
	int reset = 0, pipe = 0;

	for (int i = 0; i < 12; i++) {
		int ret = vp_end(&self->op[i]);
		bool delivered = vp_delivered(&self->op[i].msg);

		reset += ret == -ECONNRESET && delivered;
		pipe += ret == -EPIPE && !delivered;
	}
	EXPECT_EQ(8, reset);
	EXPECT_EQ(4, pipe);
	close(cap);
}

/* ---- it answers wrongly ---- */

static struct {
	int fd;
	uint64_t token;
	bool stop;
	int hits;
} guess;

/* Answers tokens near a true one, old ones and random ones. */
static void *guess_tokens(void *unused)
{
	struct vp_rng rng = vp_rng_init(1, 1);

	while (!vp_get(&guess.stop)) {
		uint64_t t = vp_get(&guess.token);
		const uint64_t tokens[] = {
			t + 1, t - 1, ~t, t << 1, t >> 1, (uint32_t)t, -t,
			t ^ (1ull << vp_random(&rng, 64)), 1, UINT64_MAX,
			((uint64_t)vp_random(&rng, ~0u) << 32) |
				vp_random(&rng, ~0u),
		};

		for (size_t i = 0; i < ARRAY_SIZE(tokens); i++)
			if (vp_reply_tag(guess.fd, tokens[i], 666) != -ESRCH)
				vp_add(&guess.hits, 1);
	}
	return unused;
}

TEST_F(hostile, replies_to_guesses)
{
	struct vipc_msg m;
	pthread_t t;

	guess.fd = self->fd;
	guess.stop = false;
	guess.hits = 0;
	ASSERT_EQ(0, pthread_create(&t, NULL, guess_tokens, NULL));
	for (uint64_t i = 0; i < 100; i++) {
		struct vt_op call = { .msg = vt_msg(i) };

		ASSERT_EQ(0, vt_op_start(&call, self->cap, VIPC_IOC_CALL));
		m = (struct vipc_msg){ 0 };
		ASSERT_EQ(0, vt_recv(self->fd, &m));
		vp_set(&guess.token, m.reply);
		vt_pause_us(300);
		EXPECT_FALSE(vt_op_done(&call));
		EXPECT_EQ(0, vp_reply_tag(self->fd, m.reply, i + 1));
		EXPECT_EQ(-ESRCH, vp_reply_tag(self->fd, m.reply, 666));
		ASSERT_EQ(0, vt_op_join(&call));
		EXPECT_EQ(0, call.ret);
		EXPECT_TRUE(vt_msg_is(&call.msg, i + 1));
	}
	vp_set(&guess.stop, true);
	ASSERT_EQ(0, vt_join(t));
	EXPECT_EQ(0, guess.hits);
}

/* A true token does nothing through any other capability. */
TEST_F(hostile, replies_through_another)
{
	int other = vt_derive(self->fd, VIPC_RIGHT_RECV, 0), strange = vt_open();
	struct vt_op call = { .msg = vt_msg(1) };
	struct vipc_msg m = { 0 };

	ASSERT_LE(0, other);
	ASSERT_LE(0, strange);
	ASSERT_EQ(0, vt_op_start(&call, self->cap, VIPC_IOC_CALL));
	ASSERT_EQ(0, vt_recv(self->fd, &m));
	EXPECT_EQ(-ESRCH, vp_reply_tag(other, m.reply, 666));
	EXPECT_EQ(-ESRCH, vp_reply_tag(strange, m.reply, 666));
	EXPECT_EQ(-EACCES, vp_reply_tag(self->cap, m.reply, 666));
	EXPECT_FALSE(vt_op_done(&call));
	EXPECT_EQ(0, vp_reply_tag(self->fd, m.reply, 2));
	ASSERT_EQ(0, vt_op_join(&call));
	EXPECT_TRUE(vt_msg_is(&call.msg, 2));
	close(other);
	close(strange);
}

/* What it may not say in a reply does not come through. */
TEST_F(hostile, lies_in_its_reply)
{
	struct vt_op call = { .msg = vt_msg(1) };
	struct vipc_msg m = { 0 };
	uint64_t deadline = vt_in_ms(60000);

	call.msg.deadline_ns = deadline;
	call.msg.flags = VIPC_UNINTERRUPTIBLE | 0xabcd0000;
	ASSERT_EQ(0, vt_op_start(&call, self->cap, VIPC_IOC_CALL));
	ASSERT_EQ(0, vt_recv(self->fd, &m));
	EXPECT_EQ(0xabcd0000, m.flags);
	m.badge = 99;
	m.deadline_ns = 1;
	m.flags = 0x1234ff00 | VIPC_NONBLOCK;
	EXPECT_EQ(0, vt_reply(self->fd, &m));
	ASSERT_EQ(0, vt_op_join(&call));
	EXPECT_EQ(0, call.ret);
	EXPECT_EQ(0, call.msg.badge);
	EXPECT_EQ(0, call.msg.reply);
	EXPECT_EQ(0x12340000 | VIPC_UNINTERRUPTIBLE, call.msg.flags);
	EXPECT_EQ(deadline, call.msg.deadline_ns);
}

/* ---- it hands back what it took ---- */

static void *flicker(void *page)
{
	for (;;) {
		mprotect(page, PAGE, PROT_READ);
		vp_spin(200);
		mprotect(page, PAGE, PROT_READ | PROT_WRITE);
		vp_spin(200);
	}
	return NULL;
}

/*
 * With fault injection, each message is handed back. Without, the page is
 * read-only half of the time, so that only some are; of the others this keeps
 * those that it was not told to answer.
 */
static void fault_forever(int fd, int *faults, bool answer)
{
	struct vipc_msg *page = mmap(NULL, PAGE, PROT_READ | PROT_WRITE,
				     MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	int nth = vi_setup() ? -1 : vi_open();
	bool injected;
	pthread_t t;

	while (nth >= 0) {
		/* Its second user copy is the one that hands the message out. */
		if (vi_ioctl(nth, 2, &injected, fd, VIPC_IOC_RECV, page) != -EFAULT)
			_exit(10);
		vp_add(faults, 1);
		vt_pause_us(100);
	}
	if (pthread_create(&t, NULL, flicker, page))
		_exit(9);
	for (;;) {
		struct vipc_msg m;

		if (vt_recv(fd, page)) {
			vp_add(faults, 1);
			continue;
		}
		m = *page;
		if (answer)
			vp_reply_tag(fd, m.reply, m.data[0] + 1);
	}
}

static void answer_forever(int fd)
{
	for (;;) {
		struct vipc_msg m = { 0 };

		if (!vt_recv(fd, &m))
			vp_reply_tag(fd, m.reply, m.data[0] + 1);
	}
}

FIXTURE(bouncing)
{
	int fd, cap;
	pid_t server[2];
	struct vp_op *op;
	int *faults;	/* of both servers; some of them with a message in hand */
	long long dropped;
};

FIXTURE_VARIANT(bouncing)
{
	bool answer;
};

FIXTURE_VARIANT_ADD(bouncing, keeps)
{
	.answer = false,
};

FIXTURE_VARIANT_ADD(bouncing, answers)
{
	.answer = true,
};

FIXTURE_SETUP(bouncing)
{
	self->fd = vt_open();
	ASSERT_LE(0, self->fd);
	self->cap = vt_derive(self->fd, VIPC_RIGHT_SEND, 1);
	ASSERT_LE(0, self->cap);
	self->dropped = vt_stat_value("dropped");
	self->op = vp_ops(4);
	self->faults = vp_shared(sizeof(*self->faults));
	for (int i = 0; i < 2; i++)
		self->server[i] = SERVER(fault_forever(self->fd, self->faults,
						       variant->answer));
}

FIXTURE_TEARDOWN(bouncing)
{
	for (int i = 0; i < 2; i++)
		EXPECT_EQ(VP_KILLED, vp_kill(self->server[i]));
	EXPECT_EQ(0, vp_wait_idle(self->fd));
	EXPECT_EQ(self->dropped, vt_stat_value("dropped"));
	close(self->cap);
	close(self->fd);
}

/* The call goes to and fro; its deadline holds all the same. */
TEST_F(bouncing, deadline)
{
	int taken = 0, queued = 0, answered = 0;

	for (int i = 0; i < 40; i++) {
		struct vipc_msg m = vt_msg(1);
		int ret;

		m.deadline_ns = vt_in_ms(20);
		ret = vt_call(self->cap, &m);
		if (ret == 0) {
			EXPECT_TRUE(variant->answer);
			EXPECT_TRUE(vt_msg_is(&m, 2));
			answered++;
			continue;
		}
		EXPECT_GT(m.deadline_ns + LATE_NS, vt_now_ns());
		ASSERT_EQ(-ETIMEDOUT, ret);
		if (m.flags & VIPC_MSG_DELIVERED)
			taken++;
		else
			queued++;
	}
	TH_LOG("%d answered, %d in service, %d queued; %d faults", answered,
	       taken, queued, *self->faults);
}

/* Signals end it, and SIGKILL ends one that ignores signals while in service. */
TEST_F(bouncing, signals)
{
	for (int i = 0; i < 10; i++) {
		struct vp_op *op = &self->op[i & 1];
		int ret;

		op->msg = vt_msg(1);
		op->msg.flags = i & 1 ? VIPC_UNINTERRUPTIBLE : 0;
		ASSERT_EQ(0, vp_start(op, self->cap, VIPC_IOC_CALL));
		vt_pause_us(3000);
		/* One that comes before it has called would end nothing. */
		EXPECT_EQ(0, vt_wait_until(kill(op->pid, i & 1 ? SIGKILL : SIGUSR1) ||
					   (i & 1) || vp_get(&op->stage) == VP_DONE));
		ret = vp_end(op);
		/* It may have been answered before. */
		EXPECT_TRUE(ret == (i & 1 ? VP_KILLED : -EINTR) ||
			    (variant->answer && ret == 0)) {
			TH_LOG("ended with %d", ret);
		}
	}
}

/* What was handed back gets to an honest server, unless another keeps it. */
TEST_F(bouncing, every_call_gets_its_answer)
{
	pid_t honest = SERVER(answer_forever(self->fd));
	int kept = 0;

	for (uint64_t i = 0; i < 200 || !vp_get(self->faults); i++) {
		struct vipc_msg m = vt_msg(i);
		int ret;

		m.deadline_ns = vt_in_ms(variant->answer ? 30000 : 100);
		ret = vt_call(self->cap, &m);
		if (!variant->answer && ret == -ETIMEDOUT &&
		    m.flags & VIPC_MSG_DELIVERED) {
			kept++;
			continue;
		}
		ASSERT_EQ(0, ret);
		EXPECT_TRUE(vt_msg_is(&m, i + 1));
	}
	TH_LOG("%d kept, %d faults", kept, *self->faults);
	EXPECT_EQ(VP_KILLED, vp_kill(honest));
}

/* A server stuck in a page fault with the request in its hand, then killed. */
TEST_F(hostile, is_stuck_with_the_request)
{
	struct vipc_msg m = { 0 };
	int uffd = (int)syscall(SYS_userfaultfd, O_CLOEXEC);
	pid_t server;

	if (uffd < 0)
		SKIP(return, "no userfaultfd: %s", strerror(errno));
	close(uffd);
	server = vt_fork();
	if (server == 0) {
		struct vipc_msg *page = mmap(NULL, PAGE, PROT_READ | PROT_WRITE,
					     MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
		struct uffdio_register reg = {
			.range = { .start = (unsigned long)page, .len = PAGE },
			.mode = UFFDIO_REGISTER_MODE_MISSING,
		};
		struct uffdio_api api = { .api = UFFD_API };
		struct vt_op op = { .arg = page };

		vp_keep_only(self->fd);
		memset(page, 0, PAGE);
		uffd = (int)syscall(SYS_userfaultfd, O_CLOEXEC);
		if (ioctl(uffd, UFFDIO_API, &api) ||
		    vt_op_start(&op, self->fd, VIPC_IOC_RECV) ||
		    vt_wait_blocked(getpid(), op.tid) ||
		    madvise(page, PAGE, MADV_DONTNEED) ||
		    ioctl(uffd, UFFDIO_REGISTER, &reg) ||
		    prctl(PR_SET_NAME, "stuck"))
			_exit(9);
		for (;;)
			pause();
	}
	ASSERT_EQ(0, vt_wait_receivers(self->fd, 1));
	/* Until its page is gone: it sleeps in pause(), as does its thread. */
	ASSERT_EQ(0, vt_wait_blocked(server, 0));
	vt_pause_us(200000);

	ASSERT_EQ(0, vp_start_msg(&self->op[0], self->cap, VIPC_IOC_CALL, 1));
	ASSERT_EQ(0, vt_wait_in_service(self->fd, 1));
	self->op[1].msg = vt_msg(2);
	self->op[1].msg.deadline_ns = vt_in_ms(50);
	ASSERT_EQ(0, vp_start(&self->op[1], self->cap, VIPC_IOC_CALL));
	EXPECT_EQ(-ETIMEDOUT, vp_end(&self->op[1]));
	EXPECT_FALSE(vp_delivered(&self->op[1].msg));
	EXPECT_EQ(VP_KILLED, vp_kill(server));

	ASSERT_EQ(0, vt_recv(self->fd, &m));
	EXPECT_TRUE(vt_msg_is(&m, 1));
	EXPECT_EQ(0, vp_reply_tag(self->fd, m.reply, 3));
	EXPECT_EQ(0, vp_end(&self->op[0]));
	EXPECT_TRUE(vt_msg_is(&self->op[0].msg, 3));
}

/* ---- it ends things at the worst moment ---- */

/* A call has one end, whatever the server does with its capability meanwhile. */
static void end_while_replying(struct __test_metadata *_metadata, int how)
{
	int answered = 0, reset = 0;

	for (int i = 0; i < 150; i++) {
		int root = vt_open(), fd = vt_derive(root, VIPC_RIGHTS_ALL, 0);
		struct vt_op call = { .msg = vt_msg(1) }, reply = { .msg = vt_msg(2) };
		struct vipc_msg m = { 0 };

		ASSERT_LE(0, fd);
		ASSERT_EQ(0, vt_op_start(&call, root, VIPC_IOC_CALL));
		ASSERT_EQ(0, vt_recv(fd, &m));
		reply.msg.reply = m.reply;
		ASSERT_EQ(0, vt_op_start(&reply, fd, VIPC_IOC_REPLY));
		vp_spin((uint32_t)i * 40);
		if (how == 2) {
			close(fd);
		} else {
			EXPECT_EQ(0, how ? vt_shutdown(root) : vt_revoke(root));
		}
		ASSERT_EQ(0, vt_op_join(&reply));
		ASSERT_EQ(0, vt_op_join(&call));
		if (call.ret == 0) {
			answered++;
			EXPECT_EQ(0, reply.ret);
			EXPECT_TRUE(vt_msg_is(&call.msg, 2));
		} else {
			reset++;
			EXPECT_EQ(-ECONNRESET, call.ret);
			EXPECT_TRUE(vp_delivered(&call.msg));
			EXPECT_NE(0, reply.ret);
		}
		if (how != 2)
			close(fd);
		close(root);
	}
	TH_LOG("%d answered, %d reset", answered, reset);
}

TEST(revokes_while_replying)
{
	end_while_replying(_metadata, 0);
}

TEST(shuts_down_while_replying)
{
	end_while_replying(_metadata, 1);
}

TEST(closes_while_replying)
{
	end_while_replying(_metadata, 2);
}

TEST_HARNESS_MAIN
