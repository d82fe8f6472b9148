// SPDX-License-Identifier: GPL-2.0
/*
 * Files that a security module does not let a process have: who sends one is
 * told, who receives gets all that comes behind it, and nobody gets anything of
 * that message. AppArmor is the security module here, and confines the receiver.
 */
#include <sys/mount.h>
#include <sys/resource.h>

#include "vipc_payload.h"

#define FILE_NAME	"/tmp/vipc-forbidden"
#define SECURITY	"/sys/kernel/security"
#define APPARMOR	SECURITY "/apparmor/"
#define BADGE		7
#define MAX_LEN		(2 * VX_PIN_MIN)

/* selftests/forbidden.apparmor, as the kernel wants it */
VT_HOLD(policy, FORBIDDEN);

/* 0, -ENOENT where there is no such security module, or another error. */
static int load_policy(void)
{
	ssize_t size = policy_end - policy, n;
	int fd;

	if (access(APPARMOR, F_OK))
		mount("securityfs", SECURITY, "securityfs", 0, NULL);
	fd = open(APPARMOR ".replace", O_WRONLY | O_CLOEXEC);
	if (fd < 0)
		return -errno;
	n = write(fd, policy, (size_t)size);
	close(fd);
	return n == size ? 0 : -EIO;
}

static void change_profile(const char *how)
{
	if (vt_write_file("/proc/self/attr/current", how))
		_exit(90);
}

/* The file, of a process that was confined when it opened it; or -errno. */
static int open_file(void)
{
	int socks[2], fd;
	pid_t pid;

	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, socks))
		return -errno;
	pid = vt_fork();
	if (!pid) {
		change_profile("changeprofile vipc_opener");
		fd = open(FILE_NAME, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
		_exit(fd < 0 || vt_send_fd(socks[0], fd));
	}
	fd = pid < 0 || vt_reap(pid) ? -ECHILD : vt_recv_fd(socks[1]);
	close(socks[0]);
	close(socks[1]);
	return fd;
}

static void confine(void)
{
	change_profile("changeprofile vipc_selftest");
	if (open(FILE_NAME, O_RDONLY | O_CLOEXEC) >= 0 || errno != EACCES)
		_exit(91);
}

FIXTURE(forbidden)
{
	int fd, cap;
	int32_t file, other;
	long long dropped;
	struct vipc_info before, after;
	uint8_t *bytes;
};

FIXTURE_VARIANT(forbidden)
{
	unsigned long send;
	uint32_t len;
};

FIXTURE_VARIANT_ADD(forbidden, send)
{
	.send = VIPC_IOC_SEND_X,
};

FIXTURE_VARIANT_ADD(forbidden, call)
{
	.send = VIPC_IOC_CALL_X,
	.len = 100,
};

FIXTURE_VARIANT_ADD(forbidden, pinned_send)
{
	.send = VIPC_IOC_SEND_X,
	.len = VX_PIN_MIN + 1,
};

FIXTURE_VARIANT_ADD(forbidden, pinned_call)
{
	.send = VIPC_IOC_CALL_X,
	.len = VX_PIN_MIN + 1,
};

FIXTURE_SETUP(forbidden)
{
	struct vipc_config c = {
		.flags = VIPC_CONFIG_MAX_LEN | VIPC_CONFIG_MAX_FDS,
		.max_len = MAX_LEN,
		.max_fds = 3,
	};
	int ret = load_policy();

	if (ret == -ENOENT)
		SKIP(return, "this kernel has no AppArmor");
	ASSERT_EQ(0, ret);
	self->fd = vt_open();
	ASSERT_LE(0, self->fd);
	ASSERT_EQ(0, vt_config(self->fd, &c));
	self->cap = vt_derive(self->fd, VIPC_RIGHT_SEND | VIPC_RIGHT_GRANT, BADGE);
	ASSERT_LE(0, self->cap);
	self->file = open_file();
	ASSERT_LE(0, self->file);
	self->other = memfd_create("allowed", MFD_CLOEXEC);
	ASSERT_LE(0, self->other);
	self->bytes = vx_map(MAX_LEN);
	ASSERT_NE(NULL, self->bytes);
	vx_fill(self->bytes, MAX_LEN, 1);
	self->dropped = vt_stat_value("dropped");
	ASSERT_EQ(0, vt_info(self->fd, &self->before));
}

FIXTURE_TEARDOWN(forbidden)
{
	EXPECT_EQ(0, vp_wait_idle(self->fd));
	EXPECT_EQ(self->dropped, vt_stat_value("dropped"));
	EXPECT_EQ(0, vx_pinned_kib());
	close(self->cap);
	close(self->fd);
	close(self->file);
	close(self->other);
	unlink(FILE_NAME);
}

/*
 * What a confined process finds that receives at @fd: with NONBLOCK first, which
 * must not see that anything was there; then the message behind it, 2, and no more
 * descriptors than it had. Exits with the number of what went wrong.
 */
static _Noreturn void receive_confined(int fd, uint8_t *room, bool nonblock)
{
	int32_t got[3] = { -5, -5, -5 };
	struct vipc_xmsg x, was;
	int count;

	confine();
	vp_keep_only(fd);
	count = vx_count_fds();
	x = vx_room(room, MAX_LEN);
	vx_set_fd_room(&x, got, 3);
	was = x;
	if (nonblock) {
		x.msg.flags = VIPC_NONBLOCK;
		was.msg.flags = VIPC_NONBLOCK;
		if (vx_recv(fd, &x) != -EAGAIN)
			_exit(1);
		if (memcmp(&x, &was, sizeof(x)))
			_exit(2);
		if (vx_count_fds() != count)
			_exit(3);
		x.msg.flags = 0;
	}
	if (vx_recv(fd, &x))
		_exit(4);
	if (!vt_msg_is(&x.msg, 2) || x.rx_len || x.rx_nfds || x.reply_len)
		_exit(5);
	if (vx_count_fds() != count)
		_exit(6);
	_exit(0);
}

/* Nothing but message 2 has come to the endpoint. */
#define EXPECT_ONLY_NEXT() do {					\
	ASSERT_EQ(0, vt_info(self->fd, &self->after));			\
	EXPECT_EQ(self->before.sent + 1, self->after.sent);		\
	EXPECT_EQ(self->before.called, self->after.called);		\
	EXPECT_EQ(self->before.received + 1, self->after.received);	\
	EXPECT_EQ(0, self->after.in_service);				\
} while (0)

/* The receiver waits first; another descriptor in the message does not come. */
TEST_F(forbidden, receiver_waits)
{
	int32_t fds[3] = { self->other, self->file, self->other };
	struct vipc_xmsg tx = vx_msg(1, self->bytes, variant->len);
	struct vipc_msg next = vt_msg(2);
	uint8_t *room = vx_map(MAX_LEN);
	pid_t pid = vt_fork();

	ASSERT_LE(0, pid);
	if (!pid)
		receive_confined(self->fd, room, false);
	ASSERT_EQ(0, vt_wait_receivers(self->fd, 1));
	vx_set_fds(&tx, fds, 3);
	EXPECT_EQ(-EACCES, vt_ioctl(self->cap, variant->send, &tx));
	EXPECT_EQ(0, tx.msg.flags);
	EXPECT_EQ(0, vt_send(self->cap, &next));
	EXPECT_EQ(0, vt_reap(pid));
	EXPECT_ONLY_NEXT();
	munmap(room, MAX_LEN);
}

/* The message waits first. */
TEST_F(forbidden, message_waits)
{
	struct vipc_xmsg tx = vx_msg(1, self->bytes, variant->len);
	struct vipc_msg next = vt_msg(2);
	uint8_t *room = vx_map(MAX_LEN);
	struct vt_op op = { 0 };
	pid_t pid;

	vx_set_fds(&tx, &self->file, 1);
	ASSERT_EQ(0, vx_queue(&op, self->cap, variant->send, &tx));
	pid = vt_fork();
	ASSERT_LE(0, pid);
	if (!pid)
		receive_confined(self->fd, room, true);
	EXPECT_EQ(-EACCES, vx_end(&op));
	EXPECT_EQ(0, tx.msg.flags);
	EXPECT_EQ(0, vt_send(self->cap, &next));
	EXPECT_EQ(0, vt_reap(pid));
	EXPECT_ONLY_NEXT();
	munmap(room, MAX_LEN);
}

/* Many of them in front do not keep the receiver from what is behind. */
TEST_F(forbidden, crowd_in_front)
{
	enum { CROWD = 20 };
	static struct vipc_xmsg tx[CROWD];
	static struct vt_op op[CROWD], last;
	struct vipc_msg next = vt_msg(2);
	uint8_t *room = vx_map(MAX_LEN);
	pid_t pid;

	for (int i = 0; i < CROWD; i++) {
		op[i] = (struct vt_op){ 0 };
		tx[i] = vx_msg(1, self->bytes, variant->len);
		vx_set_fds(&tx[i], &self->file, 1);
		ASSERT_EQ(0, vx_queue(&op[i], self->cap, variant->send, &tx[i]));
	}
	last = (struct vt_op){ .msg = next };
	ASSERT_EQ(0, vt_op_start(&last, self->cap, VIPC_IOC_SEND));
	ASSERT_EQ(0, vt_wait_senders(self->fd, CROWD + 1));
	pid = vt_fork();
	ASSERT_LE(0, pid);
	if (!pid)
		receive_confined(self->fd, room, false);
	for (int i = 0; i < CROWD; i++)
		EXPECT_EQ(-EACCES, vx_end(&op[i]));
	EXPECT_EQ(0, vx_end(&last));
	EXPECT_EQ(0, vt_reap(pid));
	EXPECT_ONLY_NEXT();
	munmap(room, MAX_LEN);
}

/* With REPLY_RECV the reply goes out, once, before any of that. */
TEST_F(forbidden, reply_recv)
{
	struct vipc_xmsg tx = vx_msg(1, self->bytes, variant->len);
	struct vipc_msg first = vt_msg(3), next = vt_msg(2);
	struct vt_op call = { .msg = first }, op = { 0 };
	uint8_t *room = vx_map(MAX_LEN);
	pid_t pid;

	ASSERT_EQ(0, vt_op_start(&call, self->cap, VIPC_IOC_CALL));
	ASSERT_EQ(0, vt_wait_senders(self->fd, 1));
	vx_set_fds(&tx, &self->file, 1);
	ASSERT_EQ(0, vx_queue(&op, self->cap, variant->send, &tx));
	pid = vt_fork();
	ASSERT_LE(0, pid);
	if (!pid) {
		struct vipc_xmsg x = vx_room(room, MAX_LEN);
		uint64_t token;
		int32_t got;

		confine();
		if (vx_recv(self->fd, &x) || !vt_msg_is(&x.msg, 3))
			_exit(1);
		token = x.msg.reply;
		x = vx_room(room, MAX_LEN);
		vx_set_fd_room(&x, &got, 1);
		x.msg = vt_msg(~3ull);
		x.msg.reply = token;
		if (vx_reply_recv(self->fd, &x) || !vt_msg_is(&x.msg, 2))
			_exit(2);
		_exit(x.rx_len || x.rx_nfds || x.msg.reply);
	}
	EXPECT_EQ(0, vx_end(&call));
	EXPECT_TRUE(vt_msg_is(&call.msg, ~3ull));
	EXPECT_EQ(-EACCES, vx_end(&op));
	EXPECT_EQ(0, vt_send(self->cap, &next));
	EXPECT_EQ(0, vt_reap(pid));
	ASSERT_EQ(0, vt_info(self->fd, &self->after));
	EXPECT_EQ(self->before.replied + 1, self->after.replied);
	EXPECT_EQ(self->before.received + 2, self->after.received);
	munmap(room, MAX_LEN);
}

/* One that the receiver has no number left for is another matter: it stays. */
TEST_F(forbidden, no_descriptor_left)
{
	struct vipc_xmsg tx = vx_msg(1, self->bytes, variant->len), rx;
	uint8_t *room = vx_map(MAX_LEN);
	struct vt_op op = { 0 };
	int32_t got;
	pid_t pid;

	vx_set_fds(&tx, &self->other, 1);
	ASSERT_EQ(0, vx_queue(&op, self->cap, variant->send, &tx));
	pid = vt_fork();
	ASSERT_LE(0, pid);
	if (!pid) {
		struct rlimit none = { 0 };

		confine();
		vp_keep_only(self->fd);
		setrlimit(RLIMIT_NOFILE, &none);
		rx = vx_room(room, MAX_LEN);
		vx_set_fd_room(&rx, &got, 1);
		_exit(vx_recv(self->fd, &rx) != -EMFILE);
	}
	EXPECT_EQ(0, vt_reap(pid));
	EXPECT_FALSE(vt_op_done(&op));
	rx = vx_room(room, MAX_LEN);
	vx_set_fd_room(&rx, &got, 1);
	ASSERT_EQ(0, vx_recv(self->fd, &rx));
	EXPECT_EQ(1, rx.rx_nfds);
	close(got);
	if (rx.msg.reply) {
		EXPECT_EQ(0, vt_reply(self->fd, &rx.msg));
	}
	EXPECT_EQ(0, vx_end(&op));
	munmap(room, MAX_LEN);
}

FIXTURE(answer)
{
	int fd, cap;
	int32_t file;
};

FIXTURE_SETUP(answer)
{
	int ret = load_policy();

	if (ret == -ENOENT)
		SKIP(return, "this kernel has no AppArmor");
	ASSERT_EQ(0, ret);
	ASSERT_EQ(0, vx_open(&self->fd, &self->cap, BADGE, 0));
	self->file = open_file();
	ASSERT_LE(0, self->file);
}

FIXTURE_TEARDOWN(answer)
{
	EXPECT_EQ(0, vp_wait_idle(self->fd));
	close(self->cap);
	close(self->fd);
	close(self->file);
	unlink(FILE_NAME);
}

/* In a reply it is the caller's affair: the server has answered. */
TEST_F(answer, forbidden_to_the_caller)
{
	struct vipc_xmsg rx = vx_room(NULL, 0);
	pid_t pid = vt_fork();

	ASSERT_LE(0, pid);
	if (!pid) {
		struct vipc_xmsg tx = vx_msg(1, NULL, 0);
		int32_t got = -5;
		int count;

		confine();
		vp_keep_only(self->cap);
		count = vx_count_fds();
		vx_set_fd_room(&tx, &got, 1);
		if (vx_call(self->cap, &tx) != -EACCES)
			_exit(1);
		if (tx.msg.flags != VIPC_MSG_DELIVERED || tx.rx_nfds != 1)
			_exit(2);
		_exit(vx_count_fds() != count);
	}
	ASSERT_EQ(0, vx_recv(self->fd, &rx));
	EXPECT_EQ(1, rx.reply_nfds);
	vx_set_fds(&rx, &self->file, 1);
	EXPECT_EQ(0, vx_reply(self->fd, &rx));
	EXPECT_EQ(0, vt_reap(pid));
}

TEST_HARNESS_MAIN
