// SPDX-License-Identifier: GPL-2.0
/*
 * Memory that goes away while an operation waits. A message that its receiver
 * cannot keep goes to another one or back to the head of the queue: it is
 * neither lost nor doubled, and nobody overtakes it.
 */
#include <linux/userfaultfd.h>

#include "vipc_selftest.h"

#define PAGE	4096ul
#define SERIES	1500

static struct vipc_msg *new_page(void)
{
	return mmap(NULL, PAGE, PROT_READ | PROT_WRITE,
		    MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
}

FIXTURE(fault)
{
	int fd, cap;
	struct vipc_msg *page;
	struct vt_op recv;
	long long dropped;
};

FIXTURE_VARIANT(fault)
{
	unsigned long recv;	/* RECV or REPLY_RECV */
	int prot;		/* what becomes of the page */
};

FIXTURE_VARIANT_ADD(fault, recv_read_only)
{
	.recv = VIPC_IOC_RECV,
	.prot = PROT_READ,
};

FIXTURE_VARIANT_ADD(fault, recv_no_access)
{
	.recv = VIPC_IOC_RECV,
	.prot = PROT_NONE,
};

FIXTURE_VARIANT_ADD(fault, reply_recv_read_only)
{
	.recv = VIPC_IOC_REPLY_RECV,
	.prot = PROT_READ,
};

FIXTURE_SETUP(fault)
{
	self->fd = vt_open();
	ASSERT_LE(0, self->fd);
	self->cap = vt_derive(self->fd, VIPC_RIGHT_SEND, 3);
	ASSERT_LE(0, self->cap);
	self->page = new_page();
	ASSERT_NE(MAP_FAILED, self->page);
	self->recv.arg = self->page;
	self->dropped = vt_stat_value("dropped");
}

FIXTURE_TEARDOWN(fault)
{
	EXPECT_EQ(self->dropped, vt_stat_value("dropped"));
	close(self->fd);
	close(self->cap);
}

#define wait_on_page() do {						\
	ASSERT_EQ(0, vt_op_start(&self->recv, self->fd, variant->recv));\
	ASSERT_EQ(0, vt_wait_blocked(getpid(), self->recv.tid));	\
	ASSERT_EQ(0, mprotect(self->page, PAGE, variant->prot));	\
} while (0)

#define page_faulted() do {						\
	ASSERT_EQ(0, vt_op_join(&self->recv));				\
	EXPECT_EQ(-EFAULT, self->recv.ret);				\
} while (0)

/* The SEND has returned, so the message has to live on without its sender. */
TEST_F(fault, send_is_kept)
{
	struct vipc_msg m = vt_msg(1);
	struct vipc_info info;

	m.flags = 0xbeef0000;
	wait_on_page();
	ASSERT_EQ(0, vt_send(self->cap, &m));
	page_faulted();
	ASSERT_EQ(0, vt_info(self->fd, &info));
	EXPECT_EQ(1, info.senders);
	EXPECT_EQ(1, info.sent);
	EXPECT_EQ(0, info.received);
	memset(&m, 0, sizeof(m));
	ASSERT_EQ(0, vt_recv(self->fd, &m));
	EXPECT_TRUE(vt_msg_is(&m, 1));
	EXPECT_EQ(3, m.badge);
	EXPECT_EQ(0, m.reply);
	EXPECT_EQ(0xbeef0000, m.flags);
	ASSERT_EQ(0, vt_info(self->fd, &info));
	EXPECT_EQ(0, info.senders);
	EXPECT_EQ(1, info.sent);
	EXPECT_EQ(1, info.received);
}

/* A caller is queued again, as if nobody had taken it. */
TEST_F(fault, call_is_queued_again)
{
	struct vt_op call = { .msg = vt_msg(2) };
	struct vipc_msg m = { 0 };
	struct vipc_info info;

	wait_on_page();
	ASSERT_EQ(0, vt_op_start(&call, self->cap, VIPC_IOC_CALL));
	page_faulted();
	ASSERT_EQ(0, vt_info(self->fd, &info));
	EXPECT_EQ(1, info.senders);
	EXPECT_EQ(0, info.in_service);
	EXPECT_EQ(0, info.called);
	EXPECT_EQ(0, info.received);
	EXPECT_FALSE(vt_op_done(&call));
	ASSERT_EQ(0, vt_recv(self->fd, &m));
	EXPECT_TRUE(vt_msg_is(&m, 2));
	EXPECT_EQ(3, m.badge);
	m.data[0] = 22;
	ASSERT_EQ(0, vt_reply(self->fd, &m));
	ASSERT_EQ(0, vt_op_join(&call));
	EXPECT_EQ(0, call.ret);
	EXPECT_EQ(22, call.msg.data[0]);
}

/* Queued again, it may leave by deadline, and was then not delivered. */
TEST_F(fault, call_may_leave_again)
{
	struct vt_op call = { .msg = vt_msg(2) };

	wait_on_page();
	call.msg.deadline_ns = vt_in_ms(1500);
	ASSERT_EQ(0, vt_op_start(&call, self->cap, VIPC_IOC_CALL));
	page_faulted();
	ASSERT_EQ(0, vt_op_join(&call));
	EXPECT_EQ(-ETIMEDOUT, call.ret);
	EXPECT_EQ(0, call.msg.flags);
	EXPECT_EQ(0, vt_senders(self->fd));
}

/* The next receiver in the stack gets what the first could not keep. */
TEST_F(fault, another_receiver_takes_over)
{
	const struct {
		unsigned long cmd;
		uint32_t flags;
	} sends[] = {
		{ VIPC_IOC_SEND, 0 },
		{ VIPC_IOC_CALL, 0 },
		{ VIPC_IOC_SEND, VIPC_NONBLOCK },
		{ VIPC_IOC_CALL, VIPC_NONBLOCK },
	};

	for (size_t i = 0; i < ARRAY_SIZE(sends); i++) {
		struct vt_op other = { 0 }, send = { .msg = vt_msg(i + 5) };

		send.msg.flags = sends[i].flags;
		ASSERT_EQ(0, mprotect(self->page, PAGE, PROT_READ | PROT_WRITE));
		memset(self->page, 0, sizeof(*self->page));
		ASSERT_EQ(0, vt_op_start(&other, self->fd, variant->recv));
		ASSERT_EQ(0, vt_wait_receivers(self->fd, 1));
		wait_on_page();
		ASSERT_EQ(2, vt_receivers(self->fd));
		ASSERT_EQ(0, vt_op_start(&send, self->cap, sends[i].cmd));
		page_faulted();
		ASSERT_EQ(0, vt_op_join(&other));
		EXPECT_EQ(0, other.ret);
		EXPECT_TRUE(vt_msg_is(&other.msg, i + 5));
		if (sends[i].cmd == VIPC_IOC_CALL) {
			ASSERT_EQ(0, vt_reply(self->fd, &other.msg));
		}
		ASSERT_EQ(0, vt_op_join(&send));
		EXPECT_EQ(0, send.ret);
		EXPECT_EQ(0, vt_senders(self->fd));
	}
}

/* A call that must not queue does not come to be queued in this way either. */
TEST_F(fault, nonblock_call_is_not_queued)
{
	for (int n = 1; n <= 3; n++) {
		struct vt_op call = { .msg = vt_msg(2) }, op[3];
		struct vipc_msg m = { .flags = VIPC_NONBLOCK };
		struct vipc_info info;

		ASSERT_EQ(0, mprotect(self->page, PAGE, PROT_READ | PROT_WRITE));
		memset(self->page, 0, PAGE);
		for (int i = 0; i < n; i++) {
			op[i].arg = self->page;
			ASSERT_EQ(0, vt_op_start(&op[i], self->fd, variant->recv));
			ASSERT_EQ(0, vt_wait_receivers(self->fd, i + 1));
		}
		ASSERT_EQ(0, mprotect(self->page, PAGE, variant->prot));
		call.msg.flags = VIPC_NONBLOCK | 0xbeef0000;
		call.msg.deadline_ns = vt_in_ms(20000);
		ASSERT_EQ(0, vt_op_start(&call, self->cap, VIPC_IOC_CALL));
		for (int i = 0; i < n; i++) {
			ASSERT_EQ(0, vt_op_join(&op[i]));
			EXPECT_EQ(-EFAULT, op[i].ret);
		}
		ASSERT_EQ(0, vt_senders(self->fd));
		ASSERT_EQ(0, vt_op_join(&call));
		EXPECT_EQ(-EAGAIN, call.ret);
		EXPECT_EQ(VIPC_NONBLOCK | 0xbeef0000, call.msg.flags);
		EXPECT_EQ(-EAGAIN, vt_recv(self->fd, &m));
		ASSERT_EQ(0, vt_info(self->fd, &info));
		EXPECT_EQ(0, info.in_service);
		EXPECT_EQ(0, info.called);
		EXPECT_EQ(0, info.received);
	}
}

/*
 * The fault comes after the token has been written: it names a call that was
 * given back, so it must not be found there.
 */
TEST_F(fault, halfway)
{
	const unsigned int split[] = { 16, 20, 24, 32, 56 };
	char *pages = mmap(NULL, 2 * PAGE, PROT_READ | PROT_WRITE,
			   MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	ASSERT_NE(MAP_FAILED, pages);
	for (size_t i = 0; i < ARRAY_SIZE(split); i++) {
		struct vipc_msg *at = (void *)(pages + PAGE - split[i]);
		struct vt_op call = { .msg = vt_msg(i) };
		struct vipc_msg m = { 0 };

		ASSERT_EQ(0, mprotect(pages, 2 * PAGE, PROT_READ | PROT_WRITE));
		/* For RECV it is what an earlier message left there. */
		m.reply = variant->recv == VIPC_IOC_RECV ? 4711 : 0;
		memcpy(at, &m, sizeof(m));
		self->recv.arg = at;
		ASSERT_EQ(0, vt_op_start(&self->recv, self->fd, variant->recv));
		ASSERT_EQ(0, vt_wait_receivers(self->fd, 1));
		ASSERT_EQ(0, mprotect(pages + PAGE, PAGE, variant->prot));
		ASSERT_EQ(0, vt_op_start(&call, self->cap, VIPC_IOC_CALL));
		page_faulted();
		EXPECT_EQ(0, at->reply) {
			TH_LOG("the page ends after %u bytes", split[i]);
		}
		EXPECT_FALSE(vt_op_done(&call));
		memset(&m, 0, sizeof(m));
		ASSERT_EQ(0, vt_recv(self->fd, &m));
		EXPECT_TRUE(vt_msg_is(&m, i));
		ASSERT_EQ(0, vt_reply(self->fd, &m));
		ASSERT_EQ(0, vt_op_join(&call));
		EXPECT_EQ(0, call.ret);
	}
	munmap(pages, 2 * PAGE);
}

/* REPLY_RECV has answered one call when the next one faults halfway. */
TEST(halfway_after_the_reply)
{
	char *pages = mmap(NULL, 2 * PAGE, PROT_READ | PROT_WRITE,
			   MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	struct vipc_msg *at = (void *)(pages + PAGE - 32), m = { 0 };
	struct vt_op first = { .msg = vt_msg(1) }, second = { .msg = vt_msg(2) };
	struct vt_op recv = { .arg = at };
	int fd = vt_open();

	ASSERT_LE(0, fd);
	ASSERT_NE(MAP_FAILED, pages);
	ASSERT_EQ(0, vt_op_start(&first, fd, VIPC_IOC_CALL));
	ASSERT_EQ(0, vt_recv(fd, at));
	at->data[0] = 11;
	ASSERT_EQ(0, vt_op_start(&recv, fd, VIPC_IOC_REPLY_RECV));
	ASSERT_EQ(0, vt_op_join(&first));
	EXPECT_EQ(0, first.ret);
	EXPECT_EQ(11, first.msg.data[0]);
	ASSERT_EQ(0, vt_wait_receivers(fd, 1));
	ASSERT_EQ(0, mprotect(pages + PAGE, PAGE, PROT_READ));
	ASSERT_EQ(0, vt_op_start(&second, fd, VIPC_IOC_CALL));
	ASSERT_EQ(0, vt_op_join(&recv));
	EXPECT_EQ(-EFAULT, recv.ret);
	EXPECT_EQ(0, at->reply);
	ASSERT_EQ(0, vt_recv(fd, &m));
	EXPECT_TRUE(vt_msg_is(&m, 2));
	ASSERT_EQ(0, vt_reply(fd, &m));
	ASSERT_EQ(0, vt_op_join(&second));
	EXPECT_EQ(0, second.ret);
	close(fd);
	munmap(pages, 2 * PAGE);
}

/* Several receivers fault, one after the other, on one message. */
TEST_F(fault, many_receivers_fault)
{
	struct vipc_msg m = vt_msg(7);
	struct vt_op op[8];

	for (int i = 0; i < 8; i++) {
		op[i].arg = self->page;
		ASSERT_EQ(0, vt_op_start(&op[i], self->fd, variant->recv));
		ASSERT_EQ(0, vt_wait_receivers(self->fd, i + 1));
	}
	ASSERT_EQ(0, mprotect(self->page, PAGE, variant->prot));
	ASSERT_EQ(0, vt_send(self->cap, &m));
	for (int i = 0; i < 8; i++) {
		ASSERT_EQ(0, vt_op_join(&op[i]));
		EXPECT_EQ(-EFAULT, op[i].ret);
	}
	memset(&m, 0, sizeof(m));
	ASSERT_EQ(0, vt_recv(self->fd, &m));
	EXPECT_TRUE(vt_msg_is(&m, 7));
	m.flags = VIPC_NONBLOCK;
	EXPECT_EQ(-EAGAIN, vt_recv(self->fd, &m));
}

static int userfault_page(void *page)
{
	struct uffdio_api api = { .api = UFFD_API };
	struct uffdio_register reg = {
		.range = { .start = (unsigned long)page, .len = PAGE },
		.mode = UFFDIO_REGISTER_MODE_MISSING,
	};
	int fd = (int)syscall(SYS_userfaultfd, O_CLOEXEC);

	if (fd < 0)
		return -errno;
	if (ioctl(fd, UFFDIO_API, &api) || ioctl(fd, UFFDIO_REGISTER, &reg)) {
		close(fd);
		return -errno;
	}
	return fd;
}

/*
 * The receiver is held in its page fault with the first message in its hand,
 * while others queue up; when it fails, the first is the first again.
 */
TEST_F(fault, back_to_the_head)
{
	struct vt_op op[3] = { 0 };
	struct uffd_msg event;
	struct uffdio_range range = {
		.start = (unsigned long)self->page,
		.len = PAGE,
	};
	int uffd;

	/* It waits with the page present, then loses it. */
	memset(self->page, 0, PAGE);
	ASSERT_EQ(0, vt_op_start(&self->recv, self->fd, variant->recv));
	ASSERT_EQ(0, vt_wait_receivers(self->fd, 1));
	ASSERT_EQ(0, madvise(self->page, PAGE, MADV_DONTNEED));
	uffd = userfault_page(self->page);
	if (uffd < 0)
		SKIP(return, "no userfaultfd: %s", strerror(-uffd));

	op[0].msg = vt_msg(0);
	ASSERT_EQ(0, vt_op_start(&op[0], self->cap, VIPC_IOC_CALL));
	ASSERT_EQ(sizeof(event), read(uffd, &event, sizeof(event)));
	ASSERT_EQ(UFFD_EVENT_PAGEFAULT, event.event);
	/* A client whose server is stuck is in service, like any other. */
	EXPECT_EQ(1, vt_in_service(self->fd));
	for (int i = 1; i < 3; i++) {
		op[i].msg = vt_msg(i);
		ASSERT_EQ(0, vt_op_start(&op[i], self->cap, i == 1 ?
					 VIPC_IOC_SEND : VIPC_IOC_CALL));
		ASSERT_EQ(0, vt_wait_senders(self->fd, i));
	}
	ASSERT_EQ(0, mprotect(self->page, PAGE, variant->prot));
	ASSERT_EQ(0, ioctl(uffd, UFFDIO_WAKE, &range));
	page_faulted();
	ASSERT_EQ(3, vt_senders(self->fd));
	for (int i = 0; i < 3; i++) {
		struct vipc_msg m = { 0 };

		ASSERT_EQ(0, vt_recv(self->fd, &m));
		EXPECT_TRUE(vt_msg_is(&m, i));
		if (m.reply) {
			ASSERT_EQ(0, vt_reply(self->fd, &m));
		}
		ASSERT_EQ(0, vt_op_join(&op[i]));
		EXPECT_EQ(0, op[i].ret);
	}
	close(uffd);
}

/* Replying does not depend on the caller's memory; the caller gets EFAULT. */
TEST(caller_faults)
{
	int prots[] = { PROT_READ, PROT_NONE };
	struct vipc_msg *page = new_page(), m;
	int fd = vt_open();

	ASSERT_LE(0, fd);
	for (size_t i = 0; i < ARRAY_SIZE(prots); i++) {
		struct vt_op call = { .arg = page };

		ASSERT_EQ(0, mprotect(page, PAGE, PROT_READ | PROT_WRITE));
		*page = vt_msg(1);
		ASSERT_EQ(0, vt_op_start(&call, fd, VIPC_IOC_CALL));
		memset(&m, 0, sizeof(m));
		ASSERT_EQ(0, vt_recv(fd, &m));
		ASSERT_EQ(0, mprotect(page, PAGE, prots[i]));
		EXPECT_EQ(0, vt_reply(fd, &m));
		EXPECT_EQ(-ESRCH, vt_reply(fd, &m));
		ASSERT_EQ(0, vt_op_join(&call));
		EXPECT_EQ(-EFAULT, call.ret);
	}
	close(fd);
}

/*
 * The caller's memory ends in the midst of the answer, after the flags: they
 * tell that somebody had the request.
 */
TEST(caller_faults_halfway)
{
	const unsigned int split[] = { 24, 32, 40, 56 };
	int prots[] = { PROT_READ, PROT_NONE };
	char *pages = mmap(NULL, 2 * PAGE, PROT_READ | PROT_WRITE,
			   MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	int fd = vt_open();

	ASSERT_LE(0, fd);
	ASSERT_NE(MAP_FAILED, pages);
	for (size_t i = 0; i < 2 * ARRAY_SIZE(split); i++) {
		struct vipc_msg *at = (void *)(pages + PAGE - split[i / 2]);
		struct vipc_msg m = vt_msg(1);
		struct vt_op call = { .arg = at };

		ASSERT_EQ(0, mprotect(pages, 2 * PAGE, PROT_READ | PROT_WRITE));
		m.flags = VIPC_UNINTERRUPTIBLE | 0xbeef0000;
		memcpy(at, &m, sizeof(m));
		ASSERT_EQ(0, vt_op_start(&call, fd, VIPC_IOC_CALL));
		memset(&m, 0, sizeof(m));
		ASSERT_EQ(0, vt_recv(fd, &m));
		ASSERT_EQ(0, mprotect(pages + PAGE, PAGE, prots[i % 2]));
		m.flags = 0x12340000;
		EXPECT_EQ(0, vt_reply(fd, &m));
		ASSERT_EQ(0, vt_op_join(&call));
		EXPECT_EQ(-EFAULT, call.ret);
		EXPECT_EQ(VIPC_UNINTERRUPTIBLE | VIPC_MSG_DELIVERED | 0xbeef0000,
			  at->flags) {
			TH_LOG("the page ends after %u bytes", split[i / 2]);
		}
	}
	close(fd);
	munmap(pages, 2 * PAGE);
}

/* What nobody has taken when the endpoint dies is counted, and not leaked. */
TEST(kept_message_of_a_dead_endpoint)
{
	long long dropped = vt_stat_value("dropped");

	for (int by_close = 0; by_close < 2; by_close++) {
		struct vipc_msg *page = new_page(), m = vt_msg(1);
		struct vt_op recv = { .arg = page };
		int fd = vt_open();

		ASSERT_LE(0, fd);
		ASSERT_EQ(0, vt_op_start(&recv, fd, VIPC_IOC_RECV));
		ASSERT_EQ(0, vt_wait_blocked(getpid(), recv.tid));
		ASSERT_EQ(0, mprotect(page, PAGE, PROT_READ));
		ASSERT_EQ(0, vt_send(fd, &m));
		ASSERT_EQ(0, vt_op_join(&recv));
		EXPECT_EQ(-EFAULT, recv.ret);
		ASSERT_EQ(1, vt_senders(fd));
		if (!by_close) {
			ASSERT_EQ(0, vt_shutdown(fd));
			EXPECT_EQ(0, vt_senders(fd));
			EXPECT_EQ(-EPIPE, vt_recv(fd, &m));
		}
		close(fd);
		EXPECT_EQ(++dropped, vt_stat_value("dropped"));
	}
}

static struct {
	struct vipc_msg *page;
	bool stop;
} flip;

static void *flipper(void *unused)
{
	while (!__atomic_load_n(&flip.stop, __ATOMIC_RELAXED)) {
		mprotect(flip.page, PAGE, PROT_READ);
		mprotect(flip.page, PAGE, PROT_READ | PROT_WRITE);
		sched_yield();
	}
	return unused;
}

static struct {
	int fd;
	unsigned long cmd;
	int failed;
} series;

static void *send_series(void *unused)
{
	for (uint64_t i = 0; i < SERIES; i++) {
		struct vipc_msg m = vt_msg(i);
		int ret = vt_ioctl(series.fd, series.cmd, &m);

		if (ret || (series.cmd == VIPC_IOC_CALL && m.data[0] != i + 1))
			series.failed++;
	}
	return unused;
}

/* A receiver whose page flickers gets a series complete and in order. */
static void flickering(struct __test_metadata *_metadata, unsigned long cmd)
{
	long long dropped = vt_stat_value("dropped");
	struct vipc_msg reply;
	pthread_t f, s;
	int ret;

	flip.page = new_page();
	flip.stop = false;
	series.fd = vt_open();
	series.cmd = cmd;
	series.failed = 0;
	ASSERT_LE(0, series.fd);
	ASSERT_EQ(0, pthread_create(&f, NULL, flipper, NULL));
	ASSERT_EQ(0, pthread_create(&s, NULL, send_series, NULL));
	for (uint64_t i = 0; i < SERIES; i++) {
		while ((ret = vt_recv(series.fd, flip.page)) == -EFAULT)
			;
		ASSERT_EQ(0, ret);
		ASSERT_TRUE(vt_msg_is(flip.page, i)) {
			TH_LOG("message %u is number %ju", flip.page->opcode,
			       (uintmax_t)i);
		}
		reply = *flip.page;
		reply.data[0]++;
		ASSERT_EQ(cmd == VIPC_IOC_CALL ? 0 : -ESRCH,
			  vt_reply(series.fd, &reply));
	}
	ASSERT_EQ(0, vt_join(s));
	__atomic_store_n(&flip.stop, true, __ATOMIC_RELAXED);
	ASSERT_EQ(0, vt_join(f));
	EXPECT_EQ(0, series.failed);
	EXPECT_EQ(0, vt_senders(series.fd));
	EXPECT_EQ(dropped, vt_stat_value("dropped"));
	close(series.fd);
}

TEST(flickering_page_send)
{
	flickering(_metadata, VIPC_IOC_SEND);
}

TEST(flickering_page_call)
{
	flickering(_metadata, VIPC_IOC_CALL);
}

TEST_HARNESS_MAIN
