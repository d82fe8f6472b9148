// SPDX-License-Identifier: GPL-2.0
/*
 * Bytes in memory of every kind: files, shared, copied by fork(), thrown out of the
 * page tables all the time. And what counts as pinned, for how long, and that all
 * works without the right to pin anything.
 */
#include <linux/capability.h>
#include <sys/mount.h>
#include <sys/resource.h>

#include "vipc_payload.h"

#define SMALL	3000u
#define LARGE	(VX_PIN_MIN + 5000)
#define PIN_KIB	(VX_PIN_MIN / VX_KIB)
#define LARGE_KIB ((LARGE + VX_PAGE - 1) / VX_PAGE * (VX_PAGE / VX_KIB))
#define ROOM	(64 * VX_KIB)
#define BADGE	5

FIXTURE(memory)
{
	int fd, cap;
	uint8_t *out, *in, *back, *answer;
};

FIXTURE_SETUP(memory)
{
	ASSERT_EQ(0, vx_open(&self->fd, &self->cap, BADGE, ROOM));
	ASSERT_EQ(0, vx_buffers(ROOM, &self->out, &self->in, &self->back,
				&self->answer));
}

FIXTURE_TEARDOWN(memory)
{
	EXPECT_EQ(0, vp_wait_idle(self->fd));
	EXPECT_EQ(0, vx_pinned_kib());
	close(self->cap);
	close(self->fd);
}

/* Without the right to pin more than its limit, which becomes @kib. */
static int limit_pinning(rlim_t kib)
{
	struct rlimit limit = { .rlim_cur = kib * 1024, .rlim_max = kib * 1024 };
	struct __user_cap_header_struct header = {
		.version = _LINUX_CAPABILITY_VERSION_3,
	};
	struct __user_cap_data_struct data[2];

	if (setrlimit(RLIMIT_MEMLOCK, &limit) ||
	    syscall(SYS_capget, &header, data))
		return -errno;
	data[0].effective &= ~(1u << CAP_IPC_LOCK);
	return syscall(SYS_capset, &header, data) ? -errno : 0;
}

/*
 * A call there and back, with @len bytes each way. What is pinned while it waits,
 * while it is in service and afterwards, in KiB, is written to @pinned.
 */
static int round_trip(int fd, int cap, const uint8_t *out, uint8_t *in,
		      const uint8_t *back, uint8_t *answer, uint32_t len,
		      long pinned[3])
{
	struct vipc_xmsg tx = vx_msg(1, out, len), rx = vx_room(in, len);
	struct vt_op op = { 0 };
	int ret;

	vx_set_room(&tx, answer, len);
	ret = vx_queue(&op, cap, VIPC_IOC_CALL_X, &tx);
	pinned[0] = vx_pinned_kib();
	if (!ret)
		ret = vx_recv(fd, &rx);
	pinned[1] = vx_pinned_kib();
	if (!ret && (rx.rx_len != len || !vx_is(in, len, 1)))
		ret = -EBADMSG;
	vx_set_tx(&rx, back, len);
	if (!ret)
		ret = vx_reply(fd, &rx);
	if (!ret)
		ret = vx_end(&op);
	pinned[2] = vx_pinned_kib();
	if (!ret && (tx.rx_len != len || !vx_is(answer, len, 2)))
		ret = -EPROTO;
	return ret;
}

TEST_F(memory, what_is_pinned)
{
	static const struct {
		uint32_t len;
		unsigned int at;	/* in its page */
		long kib;		/* on each side */
	} tries[] = {
		{ 0, 0, 0 }, { SMALL, 0, 0 }, { VX_PIN_MIN - 1, 0, 0 },
		{ VX_PIN_MIN, 0, PIN_KIB }, { VX_PIN_MIN, 1, PIN_KIB + 4 },
		{ VX_PIN_MIN + 1, 4095, PIN_KIB + 4 },
		{ VX_PIN_MIN + 2, 4095, PIN_KIB + 8 }, { LARGE, 0, LARGE_KIB },
	};
	long pinned[3];

	for (size_t i = 0; i < ARRAY_SIZE(tries); i++) {
		vx_fill(self->out + tries[i].at, tries[i].len, 1);
		EXPECT_EQ(0, round_trip(self->fd, self->cap,
					self->out + tries[i].at, self->in,
					self->back, self->answer + tries[i].at,
					tries[i].len, pinned));
		EXPECT_EQ(2 * tries[i].kib, pinned[0]);
		EXPECT_EQ(tries[i].kib, pinned[1]);
		EXPECT_EQ(0, pinned[2]);
	}
}

/*
 * A file system that has to write its pages back must not find them changed behind
 * its back: they are read from as they are, and written to by their owner.
 */
TEST_F(memory, no_room_in_pages_of_a_file_system)
{
	uint8_t *map;
	long pinned[3];
	int file;

	mkdir("pages", 0700);
	ASSERT_EQ(0, mount("none", "pages", "ramfs", 0, NULL));
	file = open("pages/file", O_RDWR | O_CREAT | O_CLOEXEC, 0600);
	ASSERT_LE(0, file);
	ASSERT_EQ(0, ftruncate(file, ROOM));
	map = mmap(NULL, ROOM, PROT_READ | PROT_WRITE, MAP_SHARED, file, 0);
	ASSERT_NE(MAP_FAILED, map);

	EXPECT_EQ(0, round_trip(self->fd, self->cap, self->out, self->in,
				self->back, map, LARGE, pinned));
	EXPECT_EQ(LARGE_KIB, pinned[0]);
	EXPECT_EQ(0, pinned[1]);
	EXPECT_EQ(0, pinned[2]);
	EXPECT_TRUE(vx_is(map, LARGE, 2));

	vx_fill(map, LARGE, 1);
	EXPECT_EQ(0, round_trip(self->fd, self->cap, map, self->in, self->back,
				self->answer, LARGE, pinned));
	EXPECT_EQ(2 * LARGE_KIB, pinned[0]);
	EXPECT_EQ(LARGE_KIB, pinned[1]);

	munmap(map, ROOM);
	close(file);
	EXPECT_EQ(0, umount("pages"));
	rmdir("pages");
}

/* What may not be pinned is copied twice, and that is all. */
TEST_F(memory, without_the_right_to_pin)
{
	long pinned[3];

	ASSERT_EQ(0, limit_pinning(0));
	EXPECT_EQ(0, round_trip(self->fd, self->cap, self->out, self->in,
				self->back, self->answer, LARGE, pinned));
	EXPECT_EQ(0, pinned[0]);
	EXPECT_EQ(0, pinned[1]);
	EXPECT_EQ(0, pinned[2]);
	EXPECT_EQ(0, round_trip(self->fd, self->cap, self->out, self->in,
				self->back, self->answer, ROOM, pinned));
	EXPECT_EQ(0, pinned[0]);
}

/* Up to the limit it is pinned: here the room is, and then not the request. */
TEST_F(memory, up_to_the_limit)
{
	long pinned[3];

	ASSERT_EQ(0, limit_pinning(LARGE_KIB));
	EXPECT_EQ(0, round_trip(self->fd, self->cap, self->out, self->in,
				self->back, self->answer, LARGE, pinned));
	EXPECT_EQ(LARGE_KIB, pinned[0]);
	EXPECT_EQ(LARGE_KIB, pinned[1]);
	EXPECT_EQ(0, pinned[2]);
}

/* What fails after it was pinned is let go of. */
TEST_F(memory, failed_calls)
{
	struct vipc_xmsg tx = vx_msg(1, self->out, LARGE);

	vx_set_room(&tx, self->answer, LARGE);
	tx.msg.flags = VIPC_NONBLOCK;
	EXPECT_EQ(-EAGAIN, vx_call(self->cap, &tx));
	EXPECT_EQ(0, vx_pinned_kib());
	EXPECT_EQ(-EAGAIN, vx_send(self->cap, &tx));
	EXPECT_EQ(0, vx_pinned_kib());
	tx.msg.flags = 0;
	tx.msg.deadline_ns = 1;
	EXPECT_EQ(-ETIMEDOUT, vx_call(self->cap, &tx));
	EXPECT_EQ(-ETIMEDOUT, vx_send(self->cap, &tx));
	tx.tx_buf = 8;
	tx.msg.deadline_ns = 0;
	EXPECT_EQ(-EFAULT, vx_call(self->cap, &tx));
	EXPECT_EQ(0, vx_pinned_kib());
}

/* ---- fork ---- */

enum { WROTE = 1, ANSWERED };

/*
 * fork() while a call waits, and while it is in service. What the child does to its
 * memory does not reach the message, nor the answer the child.
 */
static void forks(struct __test_metadata *_metadata, int fd, int cap,
		  uint32_t len, uint8_t *out, uint8_t *in, uint8_t *back,
		  uint8_t *answer, bool in_service)
{
	struct vipc_xmsg tx = vx_msg(1, out, len), rx = vx_room(in, len);
	int *stage = vp_shared(sizeof(*stage));
	struct vt_op op = { 0 };
	pid_t pid;

	memset(answer, VX_POISON, ROOM);
	vx_set_room(&tx, answer, len);
	ASSERT_EQ(0, vx_queue(&op, cap, VIPC_IOC_CALL_X, &tx));
	if (in_service) {
		ASSERT_EQ(0, vx_recv(fd, &rx));
		EXPECT_TRUE(vx_is(in, len, 1));
	}
	pid = vt_fork();
	ASSERT_LE(0, pid);
	if (!pid) {
		bool fine = vx_is(out, len, 1) && vx_is_poison(answer, len);

		memset(out, 0x77, len);
		memset(answer, 0x78, len / 2);
		vp_set(stage, WROTE);
		if (vt_wait_until(vp_get(stage) == ANSWERED))
			_exit(2);
		fine = fine && answer[0] == 0x78 &&
		       !memcmp(answer, answer + 1, len / 2 - 1) &&
		       vx_is_poison(answer + len / 2, len - len / 2);
		_exit(!fine);
	}
	/* The parent touches its own, which must not get it another copy. */
	answer[0] = answer[len - 1] = 1;
	vx_fill(out, len, 1);
	ASSERT_EQ(0, vt_wait_until(vp_get(stage) == WROTE));
	if (!in_service) {
		ASSERT_EQ(0, vx_recv(fd, &rx));
		EXPECT_TRUE(vx_is(in, len, 1));
	}
	vx_set_tx(&rx, back, len);
	ASSERT_EQ(0, vx_reply(fd, &rx));
	ASSERT_EQ(0, vx_end(&op));
	EXPECT_TRUE(vx_is(answer, len, 2));
	vp_set(stage, ANSWERED);
	EXPECT_EQ(0, vt_reap(pid));
	munmap(stage, sizeof(*stage));
}

TEST_F(memory, fork_in_between)
{
	for (int i = 0; i < 4; i++)
		forks(_metadata, self->fd, self->cap, i & 1 ? LARGE : SMALL,
		      self->out, self->in, self->back, self->answer, i & 2);
}

/* The child of a fork() calls from what it shares with its parent so far. */
TEST_F(memory, call_from_a_child)
{
	static const uint32_t lens[] = { SMALL, LARGE };

	memset(self->answer, VX_POISON, ROOM);
	for (int i = 0; i < 2; i++) {
		struct vipc_xmsg rx = vx_room(self->in, ROOM);
		uint32_t len = lens[i];
		pid_t pid = vt_fork();

		ASSERT_LE(0, pid);
		if (!pid) {
			struct vipc_xmsg tx = vx_msg(1, self->out, len);

			vx_set_room(&tx, self->answer, len);
			_exit(vx_call(self->cap, &tx) || tx.rx_len != len ||
			      !vx_is(self->answer, len, 2) ||
			      !vx_is(self->out, ROOM, 1));
		}
		ASSERT_EQ(0, vt_wait_senders(self->fd, 1));
		memset(self->out, 0x55, ROOM);
		ASSERT_EQ(0, vx_recv(self->fd, &rx));
		EXPECT_TRUE(vx_is(self->in, len, 1));
		vx_set_tx(&rx, self->back, len);
		ASSERT_EQ(0, vx_reply(self->fd, &rx));
		EXPECT_EQ(0, vt_reap(pid));
		EXPECT_TRUE(vx_is_poison(self->answer, ROOM));
		vx_fill(self->out, ROOM, 1);
	}
}

/* ---- files ---- */

FIXTURE(file)
{
	int fd, cap, file;
	uint8_t *out, *in, *back, *answer;
};

FIXTURE_VARIANT(file)
{
	bool memfd;
	int flags;		/* of mmap() */
	uint32_t len;
};

FIXTURE_VARIANT_ADD(file, memfd)
{
	.memfd = true,
	.flags = MAP_SHARED,
	.len = SMALL,
};

FIXTURE_VARIANT_ADD(file, memfd_large)
{
	.memfd = true,
	.flags = MAP_SHARED,
	.len = LARGE,
};

FIXTURE_VARIANT_ADD(file, shared)
{
	.flags = MAP_SHARED,
	.len = SMALL,
};

FIXTURE_VARIANT_ADD(file, shared_large)
{
	.flags = MAP_SHARED,
	.len = LARGE,
};

FIXTURE_VARIANT_ADD(file, private)
{
	.flags = MAP_PRIVATE,
	.len = SMALL,
};

FIXTURE_VARIANT_ADD(file, private_large)
{
	.flags = MAP_PRIVATE,
	.len = LARGE,
};

/* Four parts of one file, none of them in the page tables yet. */
FIXTURE_SETUP(file)
{
	char name[] = "vipc-XXXXXX";
	uint8_t *text = vx_map(ROOM), *map;

	ASSERT_EQ(0, vx_open(&self->fd, &self->cap, BADGE, ROOM));
	self->file = variant->memfd ? memfd_create("vipc", MFD_CLOEXEC) :
		     mkstemp(name);
	ASSERT_LE(0, self->file);
	if (!variant->memfd)
		unlink(name);
	ASSERT_EQ(0, ftruncate(self->file, 4 * ROOM));
	vx_fill(text, ROOM, 1);
	ASSERT_EQ(ROOM, pwrite(self->file, text, ROOM, 0));
	vx_fill(text, ROOM, 2);
	ASSERT_EQ(ROOM, pwrite(self->file, text, ROOM, 2 * ROOM));
	munmap(text, ROOM);
	map = mmap(NULL, 4 * ROOM, PROT_READ | PROT_WRITE, variant->flags,
		   self->file, 0);
	ASSERT_NE(MAP_FAILED, map);
	self->out = map;
	self->in = map + ROOM;
	self->back = map + 2 * ROOM;
	self->answer = map + 3 * ROOM;
}

FIXTURE_TEARDOWN(file)
{
	EXPECT_EQ(0, vp_wait_idle(self->fd));
	EXPECT_EQ(0, vx_pinned_kib());
	munmap(self->out, 4 * ROOM);
	close(self->file);
	close(self->cap);
	close(self->fd);
}

/* Through the file as through memory, and what is written is in the file. */
TEST_F(file, round_trip)
{
	uint8_t *text = vx_map(ROOM);
	uint32_t len = variant->len;
	long pinned[3];

	ASSERT_NE(NULL, text);
	EXPECT_EQ(0, round_trip(self->fd, self->cap, self->out, self->in,
				self->back, self->answer, len, pinned));
	ASSERT_EQ(0, madvise(self->out, 4 * ROOM,
			     variant->flags == MAP_SHARED ? MADV_DONTNEED :
			     MADV_NORMAL));
	EXPECT_TRUE(vx_is(self->in, len, 1));
	EXPECT_TRUE(vx_is(self->answer, len, 2));
	ASSERT_EQ(ROOM, pread(self->file, text, ROOM, 3 * ROOM));
	EXPECT_EQ(variant->flags == MAP_SHARED, vx_is(text, len, 2));
	EXPECT_EQ(0, text[len]);
	munmap(text, ROOM);
}

/* A file shorter than its mapping ends like memory that is not there. */
TEST_F(file, too_short)
{
	struct vipc_xmsg tx = vx_msg(1, self->out, variant->len), rx;
	struct vt_op op = { 0 };
	uint32_t half = (variant->len - 1) / VX_PAGE * VX_PAGE;

	vx_set_room(&tx, self->answer, variant->len);
	ASSERT_EQ(0, ftruncate(self->file, 3 * ROOM + half));
	EXPECT_EQ(-EFAULT, vx_call(self->cap, &tx));
	EXPECT_EQ(0, tx.msg.flags);
	ASSERT_EQ(0, ftruncate(self->file, 4 * ROOM));
	ASSERT_EQ(0, vx_queue(&op, self->cap, VIPC_IOC_CALL_X, &tx));
	ASSERT_EQ(0, ftruncate(self->file, ROOM + half));
	rx = vx_room(self->in, variant->len);
	EXPECT_EQ(-EFAULT, vx_recv(self->fd, &rx));
	ASSERT_EQ(0, ftruncate(self->file, 4 * ROOM));
	ASSERT_EQ(0, vx_recv(self->fd, &rx));
	EXPECT_TRUE(vx_is(self->in, variant->len, 1));
	/* The reply is read from a part of the file that was lost meanwhile. */
	ASSERT_EQ(0, ftruncate(self->file, 2 * ROOM + half));
	vx_set_tx(&rx, self->back, variant->len);
	EXPECT_EQ(-EFAULT, vx_reply(self->fd, &rx));
	EXPECT_FALSE(vt_op_done(&op));
	ASSERT_EQ(0, ftruncate(self->file, 4 * ROOM));
	EXPECT_EQ(0, vx_reply(self->fd, &rx));
	ASSERT_EQ(0, vt_op_join(&op));
	EXPECT_EQ(0, op.ret);
	EXPECT_EQ(variant->len, tx.rx_len);
}

static struct {
	uint8_t *at;
	bool stop;
} thrower;

static void *throws_away(void *unused)
{
	while (!vp_get(&thrower.stop)) {
		madvise(thrower.at, ROOM, MADV_DONTNEED);
		vt_pause_us(50);
	}
	return unused;
}

/* Pages of the server are taken away as fast as they come. */
TEST_F(file, pages_come_and_go)
{
	pthread_t thread;
	long pinned[3];
	int wrong = 0;

	if (variant->flags != MAP_SHARED)
		return;		/* what is thrown away would be lost */
	thrower.at = self->back;
	thrower.stop = false;
	ASSERT_EQ(0, pthread_create(&thread, NULL, throws_away, NULL));
	for (int i = 0; i < 40; i++) {
		memset(self->answer, 0, variant->len);
		wrong += round_trip(self->fd, self->cap, self->out, self->in,
				    self->back, self->answer, variant->len,
				    pinned) != 0;
	}
	vp_set(&thrower.stop, true);
	ASSERT_EQ(0, vt_join(thread));
	EXPECT_EQ(0, wrong);
}

TEST_HARNESS_MAIN
