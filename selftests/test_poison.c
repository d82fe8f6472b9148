// SPDX-License-Identifier: GPL-2.0
/*
 * What comes out of the kernel is what the contract says, to the byte: nothing
 * that happened to lie on its stack or in its heap. Before each operation both
 * are filled with a known pattern, so that a byte which was forgotten shows;
 * then every byte of the structure, and of the memory around it, is compared
 * with what it must be, after operations that fail too.
 */
#include <poll.h>
#include <sys/msg.h>

#include "vipc_procs.h"

#define PAGE	4096ul
#define STACK	0xa5		/* what the stack and the heap are filled with */
#define GUARD	0xd7		/* what lies around the structure */

/* ---- filling kernel memory ---- */

/* Objects of the sizes that the module allocates, accounted as its own are. */
static void fill_heap(void)
{
	static const size_t sizes[] = { 16, 40, 80, 140, 200, 300, 460 };
	struct { long type; char text[512]; } m = { .type = 1 };
	int queue = msgget(IPC_PRIVATE, 0600);

	memset(m.text, STACK, sizeof(m.text));
	for (size_t i = 0; i < ARRAY_SIZE(sizes); i++)
		for (int n = 0; n < 8; n++)
			msgsnd(queue, &m, sizes[i], IPC_NOWAIT);
	msgctl(queue, IPC_RMID, NULL);
}

/*
 * System calls that copy what the caller says into arrays on their stack:
 * at different depths, with errors and without.
 */
static void fill_stack(void)
{
	struct pollfd fds[30];
	struct iovec iov[8];
	fd_set set[3];
	struct timespec none = { 0 };
	struct timeval now = { 0 };

	memset(fds, STACK, sizeof(fds));	/* descriptors below 0 are skipped */
	memset(iov, STACK, sizeof(iov));
	memset(set, STACK, sizeof(set));
	poll(fds, ARRAY_SIZE(fds), 0);
	ppoll(fds, ARRAY_SIZE(fds), &none, NULL);
	readv(0, iov, ARRAY_SIZE(iov));
	process_vm_readv(getpid(), iov, ARRAY_SIZE(iov), iov, ARRAY_SIZE(iov), 0);
	select(320, &set[0], &set[1], &set[2], &now);
	syscall(SYS_sched_setattr, 0, set, 0);
	fcntl(0, F_SETLK, set);
	syscall(SYS_rt_sigqueueinfo, 0, 0, set);
}

static void fill(void)
{
	fill_heap();
	fill_stack();
}

/* ---- a structure with guards around it ---- */

struct area {
	uint8_t *base;		/* two pages and one that cannot be accessed */
	uint8_t want[2 * PAGE];
};

static int area_map(struct area *a)
{
	a->base = mmap(NULL, 3 * PAGE, PROT_READ | PROT_WRITE,
		       MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	if (a->base == MAP_FAILED)
		return -errno;
	return mprotect(a->base + 2 * PAGE, PAGE, PROT_NONE) ? -errno : 0;
}

static void area_unmap(struct area *a)
{
	munmap(a->base, 3 * PAGE);
}

/*
 * Puts @size bytes of @s where the kernel will find it, at @offset from the
 * start, and remembers what is there.
 */
static void *area_put(struct area *a, size_t offset, const void *s, size_t size)
{
	memset(a->base, GUARD, 2 * PAGE);
	memcpy(a->base + offset, s, size);
	memcpy(a->want, a->base, 2 * PAGE);
	fill();
	return a->base + offset;
}

/* Inside a page, across two, and with nothing behind it. */
static size_t place(int i, size_t size)
{
	return i == 0 ? 512 : i == 1 ? PAGE - size / 2 : 2 * PAGE - size;
}

#define PLACES	3

/* Is all of it as it was, but for @s at @offset? */
static bool area_is(struct area *a, size_t offset, const void *s, size_t size)
{
	memcpy(a->want + offset, s, size);
	for (size_t i = 0; i < 2 * PAGE; i++)
		if (a->base[i] != a->want[i]) {
			printf("# byte %zd of the structure is %#x, not %#x\n",
			       (ssize_t)i - (ssize_t)offset, a->base[i],
			       a->want[i]);
			return false;
		}
	return true;
}

FIXTURE(poison)
{
	int fd, cap;
	struct area *a;
};

FIXTURE_SETUP(poison)
{
	self->fd = vt_open();
	ASSERT_LE(0, self->fd);
	self->cap = vt_derive(self->fd, VIPC_RIGHT_SEND | VIPC_RIGHT_GRANT, 9);
	ASSERT_LE(0, self->cap);
	self->a = malloc(sizeof(*self->a));
	ASSERT_NE(NULL, self->a);
	ASSERT_EQ(0, area_map(self->a));
}

FIXTURE_TEARDOWN(poison)
{
	area_unmap(self->a);
	free(self->a);
	close(self->cap);
	close(self->fd);
}

/* A message whose every byte is the program's own. */
static struct vipc_msg filled(uint8_t byte, uint32_t flags)
{
	struct vipc_msg m;

	memset(&m, byte, sizeof(m));
	m.flags = flags;
	m.deadline_ns = UINT64_MAX - byte;
	return m;
}

#define EXPECT_AREA(at, s)						\
	EXPECT_TRUE(area_is(self->a, at, s, sizeof(*(s))))

/* What a receiver gets of @sent, if it waited with @mine. */
static struct vipc_msg received(const struct vipc_msg *mine,
				const struct vipc_msg *sent, uint64_t badge,
				uint64_t token)
{
	struct vipc_msg m = *mine;

	m.badge = badge;
	m.reply = token;
	m.opcode = sent->opcode;
	m.flags = (mine->flags & VIPC_FLAGS_IN_MASK) |
		  (sent->flags & VIPC_FLAGS_APP_MASK);
	memcpy(m.data, sent->data, sizeof(m.data));
	return m;
}

/* A receiver that waits, and one that finds a message. */
TEST_F(poison, recv)
{
	for (int i = 0; i < 2 * PLACES; i++) {
		bool waits = i >= PLACES;
		size_t at = place(i % PLACES, sizeof(struct vipc_msg));
		struct vipc_msg mine = filled(0x11, 0xffffff00);
		struct vipc_msg sent = filled(0x22, 0x1234ff02), want;
		struct vt_op op = { 0 };

		op.arg = area_put(self->a, at, &mine, sizeof(mine));
		if (waits) {
			ASSERT_EQ(0, vt_op_start(&op, self->fd, VIPC_IOC_RECV));
			ASSERT_EQ(0, vt_wait_receivers(self->fd, 1));
			fill();
			ASSERT_EQ(0, vt_send(self->cap, &sent));
		} else {
			struct vt_op send = { .msg = sent };

			ASSERT_EQ(0, vt_op_start(&send, self->cap, VIPC_IOC_SEND));
			ASSERT_EQ(0, vt_wait_senders(self->fd, 1));
			fill();
			EXPECT_EQ(0, vt_recv(self->fd, op.arg));
			ASSERT_EQ(0, vt_op_join(&send));
			/* SEND writes nothing. */
			EXPECT_EQ(0, memcmp(&send.msg, &sent, sizeof(sent)));
		}
		if (waits) {
			ASSERT_EQ(0, vt_op_join(&op));
		}
		want = received(&mine, &sent, 9, 0);
		EXPECT_AREA(at, &want);
	}
}

/* Both sides of a call, by the fast path and through the queue. */
TEST_F(poison, call)
{
	for (int i = 0; i < 2 * PLACES; i++) {
		bool waits = i >= PLACES;
		size_t at = place(i % PLACES, sizeof(struct vipc_msg));
		struct vipc_msg request = filled(0x31, 0x4321ff02);
		struct vipc_msg reply = filled(0x32, 0x8765ff01);
		struct vipc_msg mine = filled(0x33, 0), got = mine, want;
		struct vt_op call = { 0 }, recv = { .msg = mine };

		call.arg = area_put(self->a, at, &request, sizeof(request));
		if (waits) {
			ASSERT_EQ(0, vt_op_start(&recv, self->fd, VIPC_IOC_RECV));
			ASSERT_EQ(0, vt_wait_receivers(self->fd, 1));
		}
		ASSERT_EQ(0, vt_op_start(&call, self->cap, VIPC_IOC_CALL));
		if (waits) {
			ASSERT_EQ(0, vt_op_join(&recv));
			got = recv.msg;
		} else {
			ASSERT_EQ(0, vt_recv(self->fd, &got));
		}
		want = received(&mine, &request, 9, got.reply);
		EXPECT_EQ(0, memcmp(&got, &want, sizeof(got)));
		reply.reply = got.reply;
		fill();
		want = reply;
		ASSERT_EQ(0, vt_reply(self->fd, &reply));
		/* REPLY writes nothing. */
		EXPECT_EQ(0, memcmp(&reply, &want, sizeof(reply)));
		ASSERT_EQ(0, vt_op_join(&call));
		EXPECT_EQ(0, call.ret);
		want = received(&request, &reply, 0, 0);
		EXPECT_AREA(at, &want);
	}
}

/* A message that was kept for another receiver: it lay in the heap. */
TEST_F(poison, kept_message)
{
	struct vipc_msg *page = mmap(NULL, PAGE, PROT_READ | PROT_WRITE,
				     MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	for (int i = 0; i < PLACES; i++) {
		size_t at = place(i, sizeof(struct vipc_msg));
		struct vipc_msg mine = filled(0x41, 0), want;
		struct vipc_msg sent = filled(0x42, 0x99990000);
		struct vt_op op = { .arg = page };
		void *arg;

		ASSERT_EQ(0, mprotect(page, PAGE, PROT_READ | PROT_WRITE));
		/* Not even the first receiver's own words may come out. */
		*page = filled(0x43, VIPC_UNINTERRUPTIBLE);
		ASSERT_EQ(0, vt_op_start(&op, self->fd, VIPC_IOC_RECV));
		ASSERT_EQ(0, vt_wait_receivers(self->fd, 1));
		ASSERT_EQ(0, mprotect(page, PAGE, PROT_READ));
		fill();
		ASSERT_EQ(0, vt_send(self->cap, &sent));
		ASSERT_EQ(0, vt_op_join(&op));
		EXPECT_EQ(-EFAULT, op.ret);
		want = filled(0x43, VIPC_UNINTERRUPTIBLE);
		EXPECT_EQ(0, memcmp(page, &want, sizeof(want)));
		arg = area_put(self->a, at, &mine, sizeof(mine));
		ASSERT_EQ(0, vt_recv(self->fd, arg));
		want = received(&mine, &sent, 9, 0);
		EXPECT_AREA(at, &want);
	}
	munmap(page, PAGE);
}

/* REPLY_RECV: it answers, and gets the next one. */
TEST_F(poison, reply_recv)
{
	for (int i = 0; i < PLACES; i++) {
		size_t at = place(i, sizeof(struct vipc_msg));
		struct vipc_msg mine = filled(0x51, 0xabcd0000), want;
		struct vipc_msg next = filled(0x52, 0x56780000);
		struct vt_op call = { .msg = filled(0x53, 0) };
		struct vt_op send = { .msg = next };
		struct vipc_msg got = { 0 };
		void *arg;

		ASSERT_EQ(0, vt_op_start(&call, self->cap, VIPC_IOC_CALL));
		ASSERT_EQ(0, vt_recv(self->fd, &got));
		ASSERT_EQ(0, vt_op_start(&send, self->cap, VIPC_IOC_SEND));
		ASSERT_EQ(0, vt_wait_senders(self->fd, 1));
		mine.reply = got.reply;
		arg = area_put(self->a, at, &mine, sizeof(mine));
		ASSERT_EQ(0, vt_reply_recv(self->fd, arg));
		want = received(&mine, &next, 9, 0);
		EXPECT_AREA(at, &want);
		ASSERT_EQ(0, vt_op_join(&call));
		ASSERT_EQ(0, vt_op_join(&send));
		got = filled(0x53, 0);
		want = received(&got, &mine, 0, 0);
		EXPECT_EQ(0, memcmp(&call.msg, &want, sizeof(want)));
	}
}

/* What fails writes nothing but what the contract says. */
TEST_F(poison, failures)
{
	struct {
		unsigned long cmd;
		int fd;
		uint32_t flags;
		uint64_t reply, deadline;
		int err;
		uint32_t flags_after;
	} cases[] = {
		{ VIPC_IOC_SEND, self->cap, 0xffff0001, 7, 0, -EAGAIN, 0xffff0001 },
		{ VIPC_IOC_SEND, self->cap, 0xffffff01, 7, 0, -EAGAIN, 0xffff0001 },
		{ VIPC_IOC_SEND, self->cap, 0x1ff00, 7, 1, -ETIMEDOUT, 0x10000 },
		{ VIPC_IOC_SEND, self->cap, 0xff04, 7, 1, -EINVAL, 0xff04 },
		{ VIPC_IOC_CALL, self->cap, 0xffff01, 7, 0, -EAGAIN, 0xff0001 },
		{ VIPC_IOC_CALL, self->cap, 0xff00, 7, 1, -ETIMEDOUT, 0 },
		{ VIPC_IOC_CALL, self->cap, 0xff80, 7, 1, -EINVAL, 0xff80 },
		{ VIPC_IOC_RECV, self->fd, 0xffffff01, 7, 0, -EAGAIN, 0xffffff01 },
		{ VIPC_IOC_RECV, self->fd, 0xff00, 7, 1, -ETIMEDOUT, 0xff00 },
		{ VIPC_IOC_RECV, self->fd, 0xff40, 7, 1, -EINVAL, 0xff40 },
		{ VIPC_IOC_RECV, self->cap, 0xff01, 7, 1, -EACCES, 0xff01 },
		{ VIPC_IOC_REPLY, self->fd, 0xff01, 7, 1, -ESRCH, 0xff01 },
		{ VIPC_IOC_REPLY, self->cap, 0xff01, 7, 1, -EACCES, 0xff01 },
		{ VIPC_IOC_REPLY_RECV, self->fd, 0xff01, 7, 1, -ESRCH, 0xff01 },
		{ VIPC_IOC_REPLY_RECV, self->fd, 0xff01, 0, 1, -EAGAIN, 0xff01 },
	};

	for (size_t c = 0; c < ARRAY_SIZE(cases); c++) {
		for (int i = 0; i < PLACES; i++) {
			size_t at = place(i, sizeof(struct vipc_msg));
			struct vipc_msg m = filled(0x61, cases[c].flags);
			void *arg;

			m.reply = cases[c].reply;
			m.deadline_ns = cases[c].deadline;
			arg = area_put(self->a, at, &m, sizeof(m));
			EXPECT_EQ(cases[c].err, vt_ioctl(cases[c].fd,
							 cases[c].cmd, arg)) {
				TH_LOG("case %zu", c);
			}
			m.flags = cases[c].flags_after;
			EXPECT_AREA(at, &m);
		}
	}
}

TEST_F(poison, info)
{
	for (int i = 0; i < PLACES; i++) {
		size_t at = place(i, sizeof(struct vipc_info));
		struct vipc_info want, mine;
		void *arg;

		ASSERT_EQ(0, vt_info(self->cap, &want));
		EXPECT_EQ(0, want.reserved32);
		for (size_t r = 0; r < ARRAY_SIZE(want.reserved); r++)
			EXPECT_EQ(0, want.reserved[r]);
		EXPECT_EQ(9, want.badge);
		EXPECT_EQ(0, want.sent | want.called | want.received | want.replied);
		memset(&mine, 0x71, sizeof(mine));
		mine.reserved32 = 0;
		memset(mine.reserved, 0, sizeof(mine.reserved));
		arg = area_put(self->a, at, &mine, sizeof(mine));
		EXPECT_EQ(0, vt_ioctl(self->cap, VIPC_IOC_INFO, arg));
		EXPECT_AREA(at, &want);
		/* Refused: not a byte is written. */
		mine.reserved[1] = 1;
		arg = area_put(self->a, at, &mine, sizeof(mine));
		EXPECT_EQ(-EINVAL, vt_ioctl(self->cap, VIPC_IOC_INFO, arg));
		EXPECT_AREA(at, &mine);
	}
	int revoked = vt_derive(self->fd, 0, 1);
	struct vipc_info none = { 0 };
	void *arg = area_put(self->a, 512, &none, sizeof(none));

	ASSERT_EQ(0, vt_revoke(self->fd));
	EXPECT_EQ(-EKEYREVOKED, vt_ioctl(revoked, VIPC_IOC_INFO, arg));
	EXPECT_AREA(512, &none);
	close(revoked);
}

/* DERIVE, REVOKE and SHUTDOWN write nothing, succeeding or failing. */
TEST_F(poison, management)
{
	struct vipc_derive ok = { .rights = VIPC_RIGHT_SEND, .badge = 4 };
	struct vipc_derive bad = ok, more = { .rights = VIPC_RIGHTS_ALL };
	struct { struct vipc_derive *d; int err; } cases[] = {
		{ &ok, 0 }, { &bad, -EINVAL }, { &more, -EACCES },
	};
	struct vipc_msg m = filled(0x81, 0);
	void *arg;

	bad.reserved = 0xa5;
	for (size_t c = 0; c < ARRAY_SIZE(cases); c++) {
		for (int i = 0; i < PLACES; i++) {
			size_t at = place(i, sizeof(ok));
			int fd;

			arg = area_put(self->a, at, cases[c].d, sizeof(ok));
			fd = vt_ioctl(cases[c].err == -EACCES ? self->cap :
				      self->fd, VIPC_IOC_DERIVE, arg);
			EXPECT_EQ(cases[c].err, fd < 0 ? fd : 0);
			if (fd >= 0)
				close(fd);
			EXPECT_AREA(at, cases[c].d);
		}
	}
	arg = area_put(self->a, 512, &m, sizeof(m));
	EXPECT_EQ(0, vt_ioctl(self->fd, VIPC_IOC_REVOKE, arg));
	EXPECT_EQ(0, vt_ioctl(self->fd, VIPC_IOC_SHUTDOWN, arg));
	EXPECT_AREA(512, &m);
}

/* A write that fails half-way has written nothing but parts of the message. */
TEST_F(poison, half_written)
{
	struct vipc_msg mine = filled(0x91, 0), sent = filled(0x92, 0), want;
	size_t at = PAGE - sizeof(mine) / 2;
	struct vt_op op = { .arg = area_put(self->a, at, &mine, sizeof(mine)) };

	ASSERT_EQ(0, vt_op_start(&op, self->fd, VIPC_IOC_RECV));
	ASSERT_EQ(0, vt_wait_receivers(self->fd, 1));
	ASSERT_EQ(0, mprotect(self->a->base + PAGE, PAGE, PROT_READ));
	fill();
	ASSERT_EQ(0, vt_send(self->cap, &sent));
	ASSERT_EQ(0, vt_op_join(&op));
	EXPECT_EQ(-EFAULT, op.ret);
	want = received(&mine, &sent, 9, 0);
	for (size_t i = 0; i < sizeof(want); i++) {
		uint8_t b = self->a->base[at + i];

		EXPECT_TRUE(b == ((uint8_t *)&mine)[i] ||
			    b == ((uint8_t *)&want)[i]) {
			TH_LOG("byte %zu is %#x", i, b);
		}
	}
	ASSERT_EQ(0, mprotect(self->a->base + PAGE, PAGE, PROT_READ | PROT_WRITE));
	ASSERT_EQ(0, vt_recv(self->fd, &mine));
}

/* The files show text, whatever a process is called. */
TEST_F(poison, views)
{
	static const char * const paths[] = {
		VT_DEBUGFS "stats", VT_DEBUGFS "latency", VT_DEBUGFS "endpoints",
	};
	static const char * const names[] = { "", "a b\tc\nd\\e", "\x1b[31m", "\xff\xfe\x80" };
	static char text[16384];

	for (size_t n = 0; n < ARRAY_SIZE(names); n++) {
		int fd, file;
		ssize_t len;

		ASSERT_EQ(0, prctl(PR_SET_NAME, names[n]));
		fd = vt_open();
		ASSERT_LE(0, fd);
		for (size_t i = 0; i < ARRAY_SIZE(paths); i++) {
			fill();
			file = open(paths[i], O_RDONLY | O_CLOEXEC);
			ASSERT_LE(0, file);
			len = read(file, text, sizeof(text));
			close(file);
			ASSERT_LT(0, len);
			for (ssize_t b = 0; b < len; b++) {
				EXPECT_TRUE(text[b] == '\n' ||
					    (text[b] >= ' ' && text[b] <= '~')) {
					TH_LOG("%s: byte %zd is %#x", paths[i],
					       b, (uint8_t)text[b]);
				}
			}
		}
		close(fd);
	}
}

TEST_HARNESS_MAIN
