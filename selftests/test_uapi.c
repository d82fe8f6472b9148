// SPDX-License-Identifier: GPL-2.0
/*
 * The contract with user space: layouts, numbers, and what wrong input gets.
 * Wrong input must change nothing, so most cases run on an endpoint that has
 * something to lose, and compare INFO before and after.
 */
#include <sys/eventfd.h>

#include "vipc_selftest.h"

#define PAGE	4096ul

static const unsigned long msg_ops[] = {
	VIPC_IOC_SEND, VIPC_IOC_RECV, VIPC_IOC_CALL, VIPC_IOC_REPLY,
	VIPC_IOC_REPLY_RECV,
};

static const unsigned long all_ops[] = {
	VIPC_IOC_SEND, VIPC_IOC_RECV, VIPC_IOC_CALL, VIPC_IOC_REPLY,
	VIPC_IOC_REPLY_RECV, VIPC_IOC_NOTIFY, VIPC_IOC_DERIVE, VIPC_IOC_REVOKE,
	VIPC_IOC_SHUTDOWN, VIPC_IOC_INFO, VIPC_IOC_CONFIG, VIPC_IOC_SEND_X,
	VIPC_IOC_RECV_X, VIPC_IOC_CALL_X, VIPC_IOC_REPLY_X,
	VIPC_IOC_REPLY_RECV_X,
};

TEST(layout)
{
#define AT(type, field, off) ASSERT_EQ(off, offsetof(struct type, field))
	ASSERT_EQ(64, sizeof(struct vipc_msg));
	AT(vipc_msg, badge, 0);
	AT(vipc_msg, reply, 8);
	AT(vipc_msg, opcode, 16);
	AT(vipc_msg, flags, 20);
	AT(vipc_msg, data, 24);
	AT(vipc_msg, deadline_ns, 56);
	ASSERT_EQ(128, sizeof(struct vipc_xmsg));
	AT(vipc_xmsg, msg, 0);
	AT(vipc_xmsg, tx_buf, 64);
	AT(vipc_xmsg, rx_buf, 72);
	AT(vipc_xmsg, tx_len, 80);
	AT(vipc_xmsg, rx_len, 84);
	AT(vipc_xmsg, tx_fds, 88);
	AT(vipc_xmsg, rx_fds, 96);
	AT(vipc_xmsg, tx_nfds, 104);
	AT(vipc_xmsg, rx_nfds, 108);
	AT(vipc_xmsg, reply_len, 112);
	AT(vipc_xmsg, reply_nfds, 116);
	AT(vipc_xmsg, reserved, 120);
	ASSERT_EQ(24, sizeof(struct vipc_derive));
	AT(vipc_derive, rights, 0);
	AT(vipc_derive, flags, 4);
	AT(vipc_derive, badge, 8);
	AT(vipc_derive, reserved, 16);
	ASSERT_EQ(112, sizeof(struct vipc_info));
	AT(vipc_info, abi, 0);
	AT(vipc_info, rights, 4);
	AT(vipc_info, badge, 8);
	AT(vipc_info, endpoint, 16);
	AT(vipc_info, state, 24);
	AT(vipc_info, capabilities, 28);
	AT(vipc_info, receivers, 32);
	AT(vipc_info, senders, 36);
	AT(vipc_info, in_service, 40);
	AT(vipc_info, reserved32, 44);
	AT(vipc_info, sent, 48);
	AT(vipc_info, called, 56);
	AT(vipc_info, received, 64);
	AT(vipc_info, replied, 72);
	AT(vipc_info, max_len, 80);
	AT(vipc_info, max_fds, 84);
	AT(vipc_info, depth, 88);
	AT(vipc_info, buffered, 92);
	AT(vipc_info, reserved, 96);
	ASSERT_EQ(32, sizeof(struct vipc_config));
	AT(vipc_config, flags, 0);
	AT(vipc_config, max_len, 4);
	AT(vipc_config, max_fds, 8);
	AT(vipc_config, depth, 12);
	AT(vipc_config, spin_ns, 16);
	AT(vipc_config, reserved32, 20);
	AT(vipc_config, reserved, 24);
#undef AT
}

TEST(numbers)
{
	ASSERT_EQ(0xC040E901, VIPC_IOC_SEND);
	ASSERT_EQ(0xC040E902, VIPC_IOC_RECV);
	ASSERT_EQ(0xC040E903, VIPC_IOC_CALL);
	ASSERT_EQ(0xC040E904, VIPC_IOC_REPLY);
	ASSERT_EQ(0xC040E905, VIPC_IOC_REPLY_RECV);
	ASSERT_EQ(0xC008E906, VIPC_IOC_NOTIFY);
	ASSERT_EQ(0xC080E901, VIPC_IOC_SEND_X);
	ASSERT_EQ(0xC080E902, VIPC_IOC_RECV_X);
	ASSERT_EQ(0xC080E903, VIPC_IOC_CALL_X);
	ASSERT_EQ(0xC080E904, VIPC_IOC_REPLY_X);
	ASSERT_EQ(0xC080E905, VIPC_IOC_REPLY_RECV_X);
	ASSERT_EQ(0xC018E910, VIPC_IOC_DERIVE);
	ASSERT_EQ(0x0000E911, VIPC_IOC_REVOKE);
	ASSERT_EQ(0x0000E912, VIPC_IOC_SHUTDOWN);
	ASSERT_EQ(0xC070E913, VIPC_IOC_INFO);
	ASSERT_EQ(0xC020E914, VIPC_IOC_CONFIG);
	ASSERT_EQ(1, VIPC_NONBLOCK);
	ASSERT_EQ(2, VIPC_UNINTERRUPTIBLE);
	ASSERT_EQ(0x100, VIPC_MSG_DELIVERED);
	ASSERT_EQ(0x200, VIPC_MSG_NOTIFICATION);
	ASSERT_EQ(0x400, VIPC_MSG_BADGE_CLOSED);
	ASSERT_EQ(1, VIPC_RIGHT_SEND);
	ASSERT_EQ(2, VIPC_RIGHT_RECV);
	ASSERT_EQ(4, VIPC_RIGHT_GRANT);
	ASSERT_EQ(8, VIPC_RIGHT_REVOKE);
	ASSERT_EQ(1, VIPC_DERIVE_NOTIFY_CLOSE);
	ASSERT_EQ(1, VIPC_CONFIG_MAX_LEN);
	ASSERT_EQ(2, VIPC_CONFIG_MAX_FDS);
	ASSERT_EQ(4, VIPC_CONFIG_DEPTH);
	ASSERT_EQ(8, VIPC_CONFIG_SPIN_NS);
	ASSERT_EQ(253, VIPC_MAX_FDS);
	ASSERT_EQ(65536, VIPC_MAX_DEPTH);
	ASSERT_EQ(2, VIPC_ABI_VERSION);
}

/*
 * An endpoint with a caller in service, and with a sender in the queue or a
 * receiver waiting.
 */
FIXTURE(busy)
{
	int fd;
	uint64_t token;		/* of the caller in service */
	struct vt_op caller, other;
	struct vipc_info before;
	char *page;		/* three pages: writable, read-only, none */
};

FIXTURE_VARIANT(busy)
{
	bool receiver;
};

FIXTURE_VARIANT_ADD(busy, sender_queued)
{
	.receiver = false,
};

FIXTURE_VARIANT_ADD(busy, receiver_waiting)
{
	.receiver = true,
};

FIXTURE_SETUP(busy)
{
	struct vipc_msg m = { 0 };

	self->fd = vt_open();
	ASSERT_LE(0, self->fd);
	self->caller.msg = vt_msg(1);
	ASSERT_EQ(0, vt_op_start(&self->caller, self->fd, VIPC_IOC_CALL));
	ASSERT_EQ(0, vt_recv(self->fd, &m));
	self->token = m.reply;
	self->other.msg = vt_msg(2);
	if (variant->receiver) {
		ASSERT_EQ(0, vt_op_start(&self->other, self->fd, VIPC_IOC_RECV));
		ASSERT_EQ(0, vt_wait_receivers(self->fd, 1));
	} else {
		ASSERT_EQ(0, vt_op_start(&self->other, self->fd, VIPC_IOC_SEND));
		ASSERT_EQ(0, vt_wait_senders(self->fd, 1));
	}
	ASSERT_EQ(0, vt_info(self->fd, &self->before));
	self->page = mmap(NULL, 3 * PAGE, PROT_READ | PROT_WRITE,
			  MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	ASSERT_NE(MAP_FAILED, self->page);
	ASSERT_EQ(0, mprotect(self->page + PAGE, PAGE, PROT_READ));
	ASSERT_EQ(0, mprotect(self->page + 2 * PAGE, PAGE, PROT_NONE));
}

/* Nothing has moved, and what was there still works. */
FIXTURE_TEARDOWN(busy)
{
	struct vipc_msg m = vt_msg(3);
	struct vipc_info after;

	if (_metadata->exit_code)
		return; /* what follows might wait for ever */
	EXPECT_EQ(0, vt_info(self->fd, &after));
	EXPECT_EQ(0, memcmp(&self->before, &after, sizeof(after)));
	EXPECT_FALSE(vt_op_done(&self->caller));
	EXPECT_FALSE(vt_op_done(&self->other));
	if (variant->receiver) {
		EXPECT_EQ(0, vt_send(self->fd, &m));
		EXPECT_EQ(0, vt_op_join(&self->other));
		EXPECT_TRUE(vt_msg_is(&self->other.msg, 3));
	} else {
		EXPECT_EQ(0, vt_recv(self->fd, &m));
		EXPECT_TRUE(vt_msg_is(&m, 2));
		EXPECT_EQ(0, vt_op_join(&self->other));
	}
	EXPECT_EQ(0, self->other.ret);
	m = vt_msg(4);
	m.reply = self->token;
	EXPECT_EQ(0, vt_reply(self->fd, &m));
	EXPECT_EQ(0, vt_op_join(&self->caller));
	EXPECT_EQ(0, self->caller.ret);
	EXPECT_TRUE(vt_msg_is(&self->caller.msg, 4));
	munmap(self->page, 3 * PAGE);
	close(self->fd);
}

TEST_F(busy, unknown_flags)
{
	for (size_t i = 0; i < ARRAY_SIZE(msg_ops); i++) {
		for (uint32_t flags = 0; flags < 256; flags++) {
			struct vipc_msg m = vt_msg(5), was;

			if (!(flags & ~(VIPC_NONBLOCK | VIPC_UNINTERRUPTIBLE)))
				continue;
			m.reply = self->token;
			m.flags = flags | 0xabcd0000;
			was = m;
			ASSERT_EQ(-EINVAL, vt_ioctl(self->fd, msg_ops[i], &m)) {
				TH_LOG("op %zu, flags %#x", i + 1, flags);
			}
			ASSERT_EQ(0, memcmp(&m, &was, sizeof(m)));
		}
	}
}

TEST_F(busy, derive_wrong_fields)
{
	struct vipc_derive d;

	for (int bit = 0; bit < 64; bit++) {
		d = (struct vipc_derive){ .rights = 1, .reserved = 1ull << bit };
		ASSERT_EQ(-EINVAL, vt_ioctl(self->fd, VIPC_IOC_DERIVE, &d));
		if (bit >= 32)
			continue;
		d = (struct vipc_derive){ .rights = 1, .flags = 1u << bit };
		ASSERT_EQ(-EINVAL, vt_ioctl(self->fd, VIPC_IOC_DERIVE, &d));
		if (bit < 4)
			continue;
		d = (struct vipc_derive){ .rights = 1 | 1u << bit };
		ASSERT_EQ(-EINVAL, vt_ioctl(self->fd, VIPC_IOC_DERIVE, &d));
	}
}

TEST_F(busy, info_reserved)
{
	struct vipc_info info;

	for (int bit = 0; bit < 32 + 2 * 64; bit++) {
		memset(&info, 0, sizeof(info));
		if (bit < 32)
			info.reserved32 = 1u << bit;
		else
			info.reserved[(bit - 32) / 64] = 1ull << bit % 64;
		ASSERT_EQ(-EINVAL, vt_ioctl(self->fd, VIPC_IOC_INFO, &info));
	}
}

static bool is_command(unsigned int cmd)
{
	for (size_t i = 0; i < ARRAY_SIZE(all_ops); i++)
		if (cmd == all_ops[i])
			return true;
	return false;
}

/* Every number with wrong directions and sizes. */
TEST_F(busy, unknown_commands)
{
	static const unsigned int sizes[] = {
		0, 1, 4, 8, 16, 24, 32, 40, 56, 63, 64, 65, 72, 111, 112, 113,
		120, 127, 128, 129, 256, 16383,
	};
	char *buf = self->page;

	for (unsigned int nr = 0; nr < 256; nr++) {
		for (unsigned int dir = 0; dir < 4; dir++) {
			for (size_t i = 0; i < ARRAY_SIZE(sizes); i++) {
				unsigned int cmd = _IOC(dir, VIPC_IOC_MAGIC, nr,
							sizes[i]);

				if (is_command(cmd))
					continue;
				ASSERT_EQ(-ENOTTY, vt_ioctl(self->fd, cmd, buf)) {
					TH_LOG("command %#x", cmd);
				}
			}
		}
	}
	for (size_t i = 0; i < ARRAY_SIZE(all_ops); i++) {
		ASSERT_EQ(-ENOTTY, vt_ioctl(self->fd, all_ops[i] ^ 0x100, buf));
		ASSERT_EQ(-ENOTTY, vt_ioctl(self->fd, all_ops[i] ^ 0x8000, buf));
	}
	/* An unknown command does not look at its argument. */
	ASSERT_EQ(-ENOTTY, vt_ioctl(self->fd, _IO(VIPC_IOC_MAGIC, 6), NULL));
}

TEST_F(busy, bad_pointers)
{
	const void *bad[] = {
		NULL,
		(void *)1,
		self->page + 2 * PAGE,			/* no access */
		self->page + 2 * PAGE - 4,		/* ends in it */
		self->page + 3 * PAGE - 8,
		(void *)0x00007ffffffff000ul,		/* the end of user space */
		(void *)0x00007fffffffffe0ul,
		(void *)0x0000800000000000ul,		/* not canonical */
		(void *)0xffff888000001000ul,		/* the kernel's memory */
		(void *)0xffffffff81000000ul,		/* the kernel's text */
		(void *)-64ul,
		(void *)-1ul,
	};

	for (size_t i = 0; i < ARRAY_SIZE(all_ops); i++) {
		if (all_ops[i] == VIPC_IOC_REVOKE ||
		    all_ops[i] == VIPC_IOC_SHUTDOWN)
			continue;
		for (size_t j = 0; j < ARRAY_SIZE(bad); j++) {
			ASSERT_EQ(-EFAULT, vt_ioctl(self->fd, all_ops[i], bad[j])) {
				TH_LOG("op %zu, pointer %p", i + 1, bad[j]);
			}
		}
	}
}

/* Whoever gets an answer in its structure must be able to get it. */
TEST_F(busy, read_only_structure)
{
	static const unsigned long writers[] = {
		VIPC_IOC_RECV, VIPC_IOC_CALL, VIPC_IOC_REPLY_RECV,
		VIPC_IOC_INFO, VIPC_IOC_CONFIG, VIPC_IOC_RECV_X,
		VIPC_IOC_CALL_X, VIPC_IOC_REPLY_RECV_X,
	};

	for (size_t i = 0; i < ARRAY_SIZE(writers); i++) {
		/* wholly, and at the end only */
		ASSERT_EQ(-EFAULT, vt_ioctl(self->fd, writers[i],
					    self->page + PAGE));
		ASSERT_EQ(-EFAULT, vt_ioctl(self->fd, writers[i],
					    self->page + PAGE - 8));
	}
}

/* Nothing else is looked at before that. */
TEST(info_read_only_comes_first)
{
	char *page = mmap(NULL, PAGE, PROT_READ | PROT_WRITE,
			  MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	struct vipc_info *info = (void *)page, ok = { 0 };
	int fd = vt_open(), revoked;

	ASSERT_LE(0, fd);
	ASSERT_NE(MAP_FAILED, page);
	revoked = vt_derive(fd, VIPC_RIGHTS_ALL, 1);
	ASSERT_LE(0, revoked);
	ASSERT_EQ(0, vt_revoke(fd));
	for (int bad = 0; bad < 3; bad++) {
		ASSERT_EQ(0, mprotect(page, PAGE, PROT_READ | PROT_WRITE));
		info->reserved32 = bad == 1;
		info->reserved[1] = bad == 2;
		EXPECT_EQ(bad ? -EINVAL : -EKEYREVOKED,
			  vt_ioctl(revoked, VIPC_IOC_INFO, info));
		ASSERT_EQ(0, mprotect(page, PAGE, PROT_READ));
		EXPECT_EQ(-EFAULT, vt_ioctl(fd, VIPC_IOC_INFO, info));
		EXPECT_EQ(-EFAULT, vt_ioctl(revoked, VIPC_IOC_INFO, info));
	}
	EXPECT_EQ(-EKEYREVOKED, vt_ioctl(revoked, VIPC_IOC_INFO, &ok));
	close(revoked);
	close(fd);
	munmap(page, PAGE);
}

/* The token is in a page that cannot be written: nothing may go out. */
TEST_F(busy, read_only_reply_recv)
{
	struct vipc_msg *m = (void *)(self->page + PAGE);

	ASSERT_EQ(0, mprotect(m, PAGE, PROT_READ | PROT_WRITE));
	*m = vt_msg(5);
	m->reply = self->token;
	ASSERT_EQ(0, mprotect(m, PAGE, PROT_READ));
	ASSERT_EQ(-EFAULT, vt_reply_recv(self->fd, m));
}

/* SEND, REPLY and DERIVE only read theirs. */
TEST(read_only_structure_where_it_may_be)
{
	char *page = mmap(NULL, PAGE, PROT_READ | PROT_WRITE,
			  MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	struct vipc_msg *m = (void *)page, got = { 0 };
	struct vipc_derive *d = (void *)(page + 128);
	struct vt_op op = { 0 };
	int fd = vt_open(), dfd;

	ASSERT_LE(0, fd);
	*m = vt_msg(6);
	d->rights = VIPC_RIGHT_SEND;
	ASSERT_EQ(0, mprotect(page, PAGE, PROT_READ));
	ASSERT_EQ(0, vt_op_start(&op, fd, VIPC_IOC_RECV));
	ASSERT_EQ(0, vt_wait_receivers(fd, 1));
	ASSERT_EQ(0, vt_send(fd, m));
	ASSERT_EQ(0, vt_op_join(&op));
	ASSERT_TRUE(vt_msg_is(&op.msg, 6));
	dfd = vt_ioctl(fd, VIPC_IOC_DERIVE, d);
	ASSERT_LE(0, dfd);

	ASSERT_EQ(0, vt_op_start(&op, dfd, VIPC_IOC_CALL));
	ASSERT_EQ(0, vt_recv(fd, &got));
	ASSERT_EQ(0, mprotect(page, PAGE, PROT_READ | PROT_WRITE));
	m->reply = got.reply;
	ASSERT_EQ(0, mprotect(page, PAGE, PROT_READ));
	ASSERT_EQ(0, vt_reply(fd, m));
	ASSERT_EQ(0, vt_op_join(&op));
	ASSERT_EQ(0, op.ret);
	ASSERT_TRUE(vt_msg_is(&op.msg, 6));
	close(fd);
	close(dfd);
}

/* Any address that can be read and written will do, also across pages. */
TEST(misaligned_structures)
{
	char *page = mmap(NULL, 2 * PAGE, PROT_READ | PROT_WRITE,
			  MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	struct vipc_info info = { 0 };
	struct vipc_derive d = { .rights = VIPC_RIGHT_SEND };
	int fd = vt_open();

	ASSERT_LE(0, fd);
	for (unsigned long off = PAGE - 72; off <= PAGE + 8; off++) {
		void *at = page + off;
		struct vipc_msg m = vt_msg(off), got;
		struct vt_op op = { .msg = m };
		int dfd;

		memcpy(at, &d, sizeof(d));
		dfd = vt_ioctl(fd, VIPC_IOC_DERIVE, at);
		ASSERT_LE(0, dfd);
		memset(at, 0, sizeof(info));
		ASSERT_EQ(0, vt_ioctl(dfd, VIPC_IOC_INFO, at));
		memcpy(&info, at, sizeof(info));
		ASSERT_EQ(VIPC_RIGHT_SEND, info.rights);

		ASSERT_EQ(0, vt_op_start(&op, dfd, VIPC_IOC_CALL));
		memset(at, 0, sizeof(m));
		ASSERT_EQ(0, vt_recv(fd, at));
		memcpy(&got, at, sizeof(got));
		ASSERT_TRUE(vt_msg_is(&got, off));
		ASSERT_EQ(0, vt_reply(fd, at));
		ASSERT_EQ(0, vt_op_join(&op));
		ASSERT_TRUE(vt_msg_is(&op.msg, off));
		close(dfd);
	}
	close(fd);
}

TEST(other_descriptors)
{
	int p[2], s[2], fds[12], n = 0, gone = dup(0);
	struct vipc_msg m = { 0 };
	struct vipc_info zero = { 0 };

	ASSERT_EQ(0, pipe(p));
	ASSERT_EQ(0, socketpair(AF_UNIX, SOCK_STREAM, 0, s));
	fds[n++] = p[0];
	fds[n++] = p[1];
	fds[n++] = s[0];
	fds[n++] = eventfd(0, 0);
	/* Not epoll: since 6.9 it has ioctls, and says EINVAL to any other. */
	fds[n++] = memfd_create("vipc", 0);
	fds[n++] = open("/dev/null", O_RDWR);
	fds[n++] = open("/dev/zero", O_RDWR);
	fds[n++] = open("/proc/self/stat", O_RDONLY);
	fds[n++] = open("/", O_RDONLY | O_DIRECTORY);
	for (size_t i = 0; i < ARRAY_SIZE(all_ops); i++) {
		void *arg = all_ops[i] == VIPC_IOC_INFO ? (void *)&zero :
							  (void *)&m;

		for (int j = 0; j < n; j++) {
			ASSERT_LE(0, fds[j]);
			ASSERT_EQ(-ENOTTY, vt_ioctl(fds[j], all_ops[i], arg)) {
				TH_LOG("op %zu, descriptor kind %d", i + 1, j);
			}
		}
	}
	close(gone);
	fds[0] = open(VT_DEVICE, O_PATH);
	ASSERT_LE(0, fds[0]);
	for (size_t i = 0; i < ARRAY_SIZE(all_ops); i++) {
		ASSERT_EQ(-EBADF, vt_ioctl(fds[0], all_ops[i], &m));
		ASSERT_EQ(-EBADF, vt_ioctl(gone, all_ops[i], &m));
		ASSERT_EQ(-EBADF, vt_ioctl(-1, all_ops[i], &m));
	}
}

/* What other files can do, and ours cannot. */
TEST(other_system_calls)
{
	int fd = vt_open(), derived, n;
	char byte = 0;

	ASSERT_LE(0, fd);
	derived = vt_derive(fd, VIPC_RIGHTS_ALL, 0);
	ASSERT_LE(0, derived);
	for (int whence = SEEK_SET; whence <= SEEK_HOLE; whence++) {
		errno = 0;
		EXPECT_EQ(-1, lseek(fd, 0, whence));
		EXPECT_EQ(ESPIPE, errno);
		errno = 0;
		EXPECT_EQ(-1, lseek(derived, 0, whence));
		EXPECT_EQ(ESPIPE, errno);
	}
	close(derived);
	EXPECT_EQ(-ENOTTY, vt_ioctl(fd, FIONREAD, &n));
	EXPECT_EQ(-1, read(fd, &byte, 1));
	EXPECT_EQ(-1, write(fd, &byte, 1));
	EXPECT_EQ(MAP_FAILED, mmap(NULL, PAGE, PROT_READ, MAP_SHARED, fd, 0));
	EXPECT_EQ(-1, ftruncate(fd, 0));
	close(fd);
}

TEST(open_modes)
{
	struct vipc_info info;
	struct vipc_msg m = { .flags = VIPC_NONBLOCK };
	int fd;

	fd = vt_open_flags(O_RDWR);
	ASSERT_EQ(0, vt_info(fd, &info));
	EXPECT_EQ(VIPC_RIGHTS_ALL, info.rights);
	EXPECT_EQ(VIPC_STATE_LIVE, info.state);
	close(fd);

	fd = vt_open_flags(O_RDONLY);
	ASSERT_EQ(0, vt_info(fd, &info));
	EXPECT_EQ(VIPC_RIGHTS_ALL & ~VIPC_RIGHT_SEND, info.rights);
	EXPECT_EQ(VIPC_STATE_LIVE, info.state);
	EXPECT_EQ(-EACCES, vt_send(fd, &m));
	EXPECT_EQ(-EAGAIN, vt_recv(fd, &m));
	close(fd);

	/* Nobody can ever receive: born dead. */
	fd = vt_open_flags(O_WRONLY);
	ASSERT_EQ(0, vt_info(fd, &info));
	EXPECT_EQ(VIPC_RIGHTS_ALL & ~VIPC_RIGHT_RECV, info.rights);
	EXPECT_EQ(VIPC_STATE_DEAD, info.state);
	EXPECT_EQ(-EACCES, vt_recv(fd, &m));
	EXPECT_EQ(-EPIPE, vt_send(fd, &m));
	close(fd);
}

/* INFO: every field, over a structure full of rubbish where rubbish may be. */
TEST(info_fields)
{
	struct vipc_info info, want;
	int fd = vt_open(), badged, copy;

	ASSERT_LE(0, fd);
	badged = vt_derive(fd, VIPC_RIGHT_SEND | VIPC_RIGHT_GRANT, 0xb0b);
	ASSERT_LE(0, badged);
	copy = dup(badged); /* the same capability */
	ASSERT_EQ(0, vt_info(fd, &want));
	memset(&info, 0xa5, offsetof(struct vipc_info, reserved));
	info.reserved32 = 0;
	memset(info.reserved, 0, sizeof(info.reserved));
	ASSERT_EQ(0, vt_ioctl(badged, VIPC_IOC_INFO, &info));
	want = (struct vipc_info){
		.abi = VIPC_ABI_VERSION,
		.rights = VIPC_RIGHT_SEND | VIPC_RIGHT_GRANT,
		.badge = 0xb0b,
		.endpoint = want.endpoint,
		.state = VIPC_STATE_LIVE,
		.capabilities = 2,
	};
	EXPECT_EQ(0, memcmp(&info, &want, sizeof(info)));
	EXPECT_NE(0, info.endpoint);
	close(badged);
	EXPECT_EQ(2, vt_capabilities(fd));
	close(copy);
	EXPECT_EQ(1, vt_capabilities(fd));
	close(fd);
}

TEST_HARNESS_MAIN
