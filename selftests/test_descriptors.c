// SPDX-License-Identifier: GPL-2.0
/*
 * Messages with descriptors: what arrives is what was sent, all of it or nothing,
 * and whatever goes wrong no file stays open that nobody knows of.
 */
#include <linux/kcmp.h>
#include <poll.h>
#include <sys/epoll.h>
#include <sys/resource.h>

#include "vipc_payload.h"

#define MAX_LEN	(64 * VX_KIB)
#define BADGE	9

/* How a descriptor travels. */
enum way { BY_SEND, BY_CALL, BY_REPLY, BY_REPLY_RECV };

FIXTURE(fds)
{
	int fd;		/* every right */
	int cap;	/* SEND and GRANT */
	int plain;	/* SEND */
	int pipe[2];
	int count;	/* descriptors at the beginning */
	long long dropped;
	uint8_t *bytes, *room;
	int32_t got[VIPC_MAX_FDS + 1];
};

static int limit_files(unsigned int n)
{
	struct rlimit limit = { .rlim_cur = n, .rlim_max = 4096 };

	return setrlimit(RLIMIT_NOFILE, &limit) ? -errno : 0;
}

/* So that this process can get just @n more. */
static int leave_room_for(unsigned int n)
{
	int fd = dup(0);

	if (fd < 0)
		return -errno;
	close(fd);
	/* There must be none above it, or there would be room for more. */
	return fd == vx_count_fds() ? limit_files((unsigned int)fd + n) : -EBUSY;
}

FIXTURE_SETUP(fds)
{
	ASSERT_EQ(0, limit_files(2048));
	/* The harness' own may have left gaps. */
	for (int fd = dup(0); fd < 16; fd = dup(0))
		ASSERT_LE(0, fd);
	self->fd = vt_open();
	ASSERT_LE(0, self->fd);
	self->cap = vt_derive(self->fd, VIPC_RIGHT_SEND | VIPC_RIGHT_GRANT, BADGE);
	ASSERT_LE(0, self->cap);
	self->plain = vt_derive(self->fd, VIPC_RIGHT_SEND, BADGE);
	ASSERT_LE(0, self->plain);
	ASSERT_EQ(0, vx_limits(self->fd, MAX_LEN, VIPC_MAX_FDS));
	ASSERT_EQ(0, pipe2(self->pipe, O_NONBLOCK));
	self->bytes = vx_map(MAX_LEN);
	self->room = vx_map(MAX_LEN);
	ASSERT_NE(NULL, self->room);
	self->count = vx_count_fds();
	self->dropped = vt_stat_value("dropped");
}

FIXTURE_TEARDOWN(fds)
{
	EXPECT_EQ(0, vp_wait_idle(self->fd));
	EXPECT_EQ(self->count, vx_count_fds());
	EXPECT_EQ(self->dropped, vt_stat_value("dropped"));
	EXPECT_EQ(0, vx_pinned_kib());
	close(self->cap);
	close(self->plain);
	close(self->fd);
}

static bool same_file(int a, int b)
{
	long ret = syscall(SYS_kcmp, getpid(), getpid(), KCMP_FILE, a, b);
	struct stat s, t;

	if (ret >= 0)
		return ret == 0;
	return !fstat(a, &s) && !fstat(b, &t) && s.st_dev == t.st_dev &&
	       s.st_ino == t.st_ino && fcntl(a, F_GETFL) == fcntl(b, F_GETFL);
}

/* Has nobody the pipe's writing end any more? */
static int wait_no_writer(int reader)
{
	struct pollfd p = { .fd = reader };

	return vt_wait_until(poll(&p, 1, 0) == 1 && p.revents & POLLHUP);
}

/*
 * Sends @n descriptors in one of the ways, together with @len bytes; there is
 * room for @n_room at @got. How many arrived, or an error.
 */
static int pass(int fd, int cap, enum way way, const int32_t *fds, uint32_t n,
		int32_t *got, uint32_t n_room, uint32_t len)
{
	static uint8_t out[MAX_LEN], in[MAX_LEN];
	struct vipc_xmsg tx = vx_msg(3, out, len), rx = vx_room(in, MAX_LEN);
	struct vt_op op = { 0 };
	bool is_reply = way == BY_REPLY || way == BY_REPLY_RECV;
	int ret, end;

	vx_fill(out, len, n);
	memset(in, 0, len);
	vx_set_fds(is_reply ? &rx : &tx, fds, n);
	vx_set_fd_room(is_reply ? &tx : &rx, got, n_room);
	if (is_reply) {
		vx_set_room(&tx, in, MAX_LEN);
		tx.tx_len = rx.rx_len = 0;
		vx_set_tx(&rx, out, len);
	}
	ret = vx_queue(&op, cap, way == BY_SEND ? VIPC_IOC_SEND_X :
		       VIPC_IOC_CALL_X, &tx);
	if (ret)
		return ret;
	ret = vx_recv(fd, &rx);
	if (!ret && is_reply && rx.reply_nfds != n_room)
		return -EPROTO;
	if (!ret && way == BY_CALL) {
		ret = vt_reply(fd, &rx.msg);
	} else if (!ret && way == BY_REPLY) {
		ret = vx_reply(fd, &rx);
	} else if (!ret && way == BY_REPLY_RECV) {
		rx.msg.flags = VIPC_NONBLOCK;
		ret = vx_reply_recv(fd, &rx);
		ret = ret == -EAGAIN && !rx.msg.reply ? 0 : ret ? ret : -EPROTO;
	}
	if (ret)
		return ret;
	end = vx_end(&op);
	if (end)
		return end;
	if ((is_reply ? tx.rx_len : rx.rx_len) != len || !vx_is(in, len, n))
		return -EBADMSG;
	return (int)(is_reply ? tx.rx_nfds : rx.rx_nfds);
}

static void close_all(const int32_t *fds, int n)
{
	for (int i = 0; i < n; i++)
		close(fds[i]);
}

/* Files of many kinds arrive as they are, but for close-on-exec. */
TEST_F(fds, kinds)
{
	int pair[2], n = 0, kinds[9];

	ASSERT_EQ(0, socketpair(AF_UNIX, SOCK_STREAM, 0, pair));
	kinds[n++] = open("/", O_RDONLY | O_DIRECTORY);
	kinds[n++] = open("/tmp", O_PATH);
	kinds[n++] = open("/dev/null", O_RDWR);
	kinds[n++] = memfd_create("vipc", 0);
	kinds[n++] = epoll_create1(0);
	kinds[n++] = pair[1];
	kinds[n++] = self->pipe[1];
	kinds[n++] = self->pipe[0];
	kinds[n++] = self->plain;
	for (int i = 0; i < n; i++)
		ASSERT_LE(0, kinds[i]);
	for (int way = BY_SEND; way <= BY_REPLY_RECV; way++) {
		char c = 0;

		ASSERT_EQ(n, pass(self->fd, self->cap, way, kinds, (uint32_t)n,
				  self->got, (uint32_t)n, 100));
		for (int i = 0; i < n; i++) {
			EXPECT_TRUE(same_file(kinds[i], self->got[i])) {
				TH_LOG("number %d", i);
			}
			EXPECT_NE(kinds[i], self->got[i]);
			EXPECT_EQ(FD_CLOEXEC, fcntl(self->got[i], F_GETFD));
			EXPECT_EQ(fcntl(kinds[i], F_GETFL),
				  fcntl(self->got[i], F_GETFL));
		}
		EXPECT_EQ(1, write(self->got[6], "x", 1));
		EXPECT_EQ(1, read(self->got[7], &c, 1));
		EXPECT_EQ('x', c);
		EXPECT_EQ(1, write(self->got[5], "y", 1));
		EXPECT_EQ(1, read(pair[0], &c, 1));
		EXPECT_EQ('y', c);
		close_all(self->got, n);
	}
	close_all(kinds, 6);
	close(pair[0]);
}

/* Any number up to the largest, with and without bytes, the same file often. */
TEST_F(fds, numbers)
{
	static const uint32_t numbers[] = { 1, 2, 100, VIPC_MAX_FDS };
	static const uint32_t lens[] = { 0, 1, VX_PIN_MIN + 3 };
	int32_t fds[VIPC_MAX_FDS + 1];
	long long passed = vt_stat_value("fds_passed");

	for (size_t i = 0; i < ARRAY_SIZE(fds); i++)
		fds[i] = self->pipe[1];
	for (int way = BY_SEND; way <= BY_REPLY_RECV; way++) {
		for (size_t i = 0; i < ARRAY_SIZE(numbers); i++) {
			uint32_t n = numbers[i];

			self->got[n] = 4711;
			ASSERT_EQ((int)n, pass(self->fd, self->cap, way, fds, n,
					       self->got, n,
					       lens[(i + (size_t)way) % 3]));
			EXPECT_EQ(self->count + (int)n, vx_count_fds());
			EXPECT_TRUE(same_file(fds[0], self->got[0]));
			EXPECT_TRUE(same_file(fds[0], self->got[n - 1]));
			EXPECT_EQ(4711, self->got[n]);
			close_all(self->got, (int)n);
			passed += n;
			EXPECT_EQ(passed, vt_stat_value("fds_passed"));
		}
	}
	close(self->pipe[1]);
	self->count--;
	EXPECT_EQ(0, wait_no_writer(self->pipe[0]));
}

/* More than the endpoint lets in: refused at the sender. */
TEST_F(fds, max_fds)
{
	static const uint32_t limits[] = { 0, 1, VIPC_MAX_FDS };
	int32_t fds[VIPC_MAX_FDS + 1];
	struct vipc_info before, after;

	for (size_t i = 0; i < ARRAY_SIZE(fds); i++)
		fds[i] = self->pipe[1];
	for (size_t i = 0; i < 2 * ARRAY_SIZE(limits); i++) {
		struct vipc_xmsg tx = vx_msg(1, NULL, 0);

		ASSERT_EQ(0, vx_limits(self->fd, MAX_LEN, limits[i / 2]));
		ASSERT_EQ(0, vt_info(self->fd, &before));
		vx_set_fds(&tx, fds, i % 2 ? limits[i / 2] + 1 : ~0u);
		EXPECT_EQ(-EMSGSIZE, vx_send(self->cap, &tx));
		EXPECT_EQ(-EMSGSIZE, vx_call(self->cap, &tx));
		EXPECT_EQ(0, tx.msg.flags);
		ASSERT_EQ(0, vt_info(self->fd, &after));
		EXPECT_EQ(0, memcmp(&before, &after, sizeof(after)));
		ASSERT_EQ((int)limits[i / 2],
			  pass(self->fd, self->cap, BY_CALL, fds,
			       limits[i / 2], self->got, VIPC_MAX_FDS, 0));
		close_all(self->got, (int)limits[i / 2]);
	}
}

/* More than the receiver has room for: the message stays where it is. */
TEST_F(fds, small_room)
{
	int32_t fds[] = { 0, self->pipe[1], 0 };

	for (int calls = 0; calls < 2; calls++) {
		struct vipc_xmsg tx = vx_msg(1, NULL, 0), rx = vx_room(NULL, 0);
		struct vipc_msg m = { .flags = VIPC_NONBLOCK };
		struct vt_op op = { 0 }, recv = { 0 };

		vx_set_fds(&tx, fds, 3);
		vx_set_fd_room(&rx, self->got, 2);
		ASSERT_EQ(0, vx_wait(&recv, self->fd, VIPC_IOC_RECV_X, &rx));
		ASSERT_EQ(0, vx_start(&op, self->cap, calls ? VIPC_IOC_CALL_X :
				      VIPC_IOC_SEND_X, &tx));
		EXPECT_EQ(-EMSGSIZE, vx_end(&recv));
		ASSERT_EQ(0, vt_wait_senders(self->fd, 1));
		EXPECT_EQ(-EMSGSIZE, vx_recv(self->fd, &rx));
		EXPECT_EQ(2, rx.rx_nfds);
		EXPECT_EQ(-EMSGSIZE, vt_recv(self->fd, &m));
		EXPECT_EQ(self->count, vx_count_fds());
		EXPECT_FALSE(vt_op_done(&op));
		rx.rx_nfds = 3;
		ASSERT_EQ(0, vx_recv(self->fd, &rx));
		EXPECT_EQ(3, rx.rx_nfds);
		EXPECT_TRUE(same_file(self->got[1], self->pipe[1]));
		close_all(self->got, 3);
		if (calls) {
			EXPECT_EQ(0, rx.reply_nfds);
			vx_set_fds(&rx, fds, 1);
			EXPECT_EQ(-EMSGSIZE, vx_reply(self->fd, &rx));
			rx.tx_nfds = ~0u;
			EXPECT_EQ(-EMSGSIZE, vx_reply(self->fd, &rx));
			rx.tx_nfds = 0;
			EXPECT_EQ(0, vx_reply(self->fd, &rx));
		}
		EXPECT_EQ(0, vx_end(&op));
	}
}

/* Nobody gets more than can be sent, however much room there is. */
TEST_F(fds, large_room)
{
	int32_t room[1000];
	struct vipc_xmsg tx = vx_msg(1, NULL, 0), rx = vx_room(NULL, 0);
	struct vt_op op = { 0 };

	vx_set_fd_room(&tx, room, ARRAY_SIZE(room));
	vx_set_fd_room(&rx, room, ~0u);
	ASSERT_EQ(0, vx_queue(&op, self->cap, VIPC_IOC_CALL_X, &tx));
	ASSERT_EQ(0, vx_recv(self->fd, &rx));
	EXPECT_EQ(VIPC_MAX_FDS, rx.reply_nfds);
	EXPECT_EQ(0, rx.rx_nfds);
	EXPECT_EQ(0, vx_reply(self->fd, &rx));
	EXPECT_EQ(0, vx_end(&op));
	EXPECT_EQ(0, tx.rx_nfds);
}

/* To attach a descriptor needs GRANT, on the way there and back. */
TEST_F(fds, grant)
{
	int server = vt_derive(self->fd, VIPC_RIGHT_RECV, 0);
	struct vipc_xmsg tx = vx_msg(1, NULL, 0), rx = vx_room(NULL, 0), was;
	struct vt_op op = { 0 };

	ASSERT_LE(0, server);
	vx_set_fds(&tx, &self->pipe[1], 1);
	EXPECT_EQ(-EACCES, vx_send(self->plain, &tx));
	EXPECT_EQ(-EACCES, vx_call(self->plain, &tx));
	EXPECT_EQ(0, tx.msg.flags);
	/* Nor does one learn what would fit. */
	tx.tx_nfds = VIPC_MAX_FDS + 1;
	EXPECT_EQ(-EACCES, vx_send(self->plain, &tx));
	tx.tx_nfds = 0;
	vx_set_fd_room(&tx, self->got, 1);
	ASSERT_EQ(0, vx_queue(&op, self->plain, VIPC_IOC_CALL_X, &tx));
	ASSERT_EQ(0, vx_recv(server, &rx));
	vx_set_fds(&rx, &self->pipe[1], 1);
	was = rx;
	EXPECT_EQ(-EACCES, vx_reply(server, &rx));
	EXPECT_EQ(-EACCES, vx_reply_recv(server, &rx));
	EXPECT_EQ(0, memcmp(&was, &rx, sizeof(rx)));
	EXPECT_FALSE(vt_op_done(&op));
	rx.tx_nfds = 0;
	EXPECT_EQ(0, vx_reply(server, &rx));
	EXPECT_EQ(0, vx_end(&op));
	EXPECT_EQ(0, tx.rx_nfds);
	close(server);
}

/* One bad descriptor, or an array that ends: nothing is sent, nothing kept. */
TEST_F(fds, bad_ones)
{
	static const int32_t bad[] = { -1, 2000, INT32_MAX, INT32_MIN };
	int32_t *page = vx_map(2 * VX_PAGE);
	int32_t *edge = (int32_t *)((char *)page + VX_PAGE) - 4;

	ASSERT_NE(NULL, page);
	ASSERT_EQ(0, mprotect((char *)page + VX_PAGE, VX_PAGE, PROT_NONE));
	for (size_t i = 0; i < 4 * ARRAY_SIZE(bad); i++) {
		struct vipc_xmsg tx = vx_msg(1, self->bytes, 10);
		struct vipc_xmsg rx = vx_room(NULL, 0);
		int32_t fds[4] = { 0, self->pipe[1], self->pipe[1], 0 };
		int want = i % 4 == 3 ? -EFAULT : -EBADF;
		struct vt_op op = { 0 };

		fds[i % 4] = bad[i / 4];
		vx_set_fds(&tx, fds, 4);
		if (want == -EFAULT) {
			fds[3] = 0;
			memcpy(edge, fds, sizeof(fds));
			vx_set_fds(&tx, edge, 5);
		}
		EXPECT_EQ(want, vx_send(self->cap, &tx));
		EXPECT_EQ(want, vx_call(self->cap, &tx));
		EXPECT_EQ(0, tx.msg.flags);
		EXPECT_EQ(0, vt_senders(self->fd));

		/* A reply that fails so leaves its token valid. */
		tx.tx_nfds = 0;
		tx.tx_len = 0;
		vx_set_fd_room(&tx, self->got, 5);
		vx_set_room(&tx, self->room, MAX_LEN);
		ASSERT_EQ(0, vx_queue(&op, self->cap, VIPC_IOC_CALL_X, &tx));
		ASSERT_EQ(0, vx_recv(self->fd, &rx));
		vx_set_fds(&rx, want == -EFAULT ? edge : fds,
			   want == -EFAULT ? 5 : 4);
		for (int large = 0; large < 2; large++) {
			vx_set_tx(&rx, self->bytes, large ? VX_PIN_MIN : 10);
			EXPECT_EQ(want, vx_reply(self->fd, &rx));
			EXPECT_EQ(want, vx_reply_recv(self->fd, &rx));
		}
		EXPECT_FALSE(vt_op_done(&op));
		EXPECT_EQ(1, vt_in_service(self->fd));
		rx.tx_nfds = 1;
		vx_set_fds(&rx, &self->pipe[1], 1);
		EXPECT_EQ(0, vx_reply(self->fd, &rx));
		EXPECT_EQ(0, vx_end(&op));
		EXPECT_EQ(1, tx.rx_nfds);
		close(self->got[0]);
	}
	close(self->pipe[1]);
	self->count--;
	EXPECT_EQ(0, wait_no_writer(self->pipe[0]));
}

/* No room in the receiver's table: it gets none, and the message stays. */
TEST_F(fds, receiver_has_no_room)
{
	int32_t fds[] = { 0, self->pipe[1], 0 };

	for (int i = 0; i < 8; i++) {
		bool call = i & 1, waiting = i & 2, reply_recv = i & 4;
		struct vipc_xmsg tx = vx_msg(1, self->bytes, 10);
		struct vipc_xmsg rx = vx_room(self->room, MAX_LEN), was;
		struct vt_op op = { 0 }, recv = { 0 }, second = { .msg = vt_msg(2) };
		unsigned long recv_cmd = reply_recv ? VIPC_IOC_REPLY_RECV_X :
					 VIPC_IOC_RECV_X;
		unsigned long cmd = call ? VIPC_IOC_CALL_X : VIPC_IOC_SEND_X;
		struct vipc_info info;

		vx_fill(self->bytes, 10, 1);
		vx_set_fds(&tx, fds, 3);
		vx_set_fd_room(&rx, self->got, 3);
		was = rx;
		if (waiting) {
			ASSERT_EQ(0, vx_wait(&recv, self->fd, recv_cmd, &rx));
		}
		ASSERT_EQ(0, leave_room_for((unsigned int)i % 3));
		if (waiting) {
			ASSERT_EQ(0, vx_start(&op, self->cap, cmd, &tx));
		} else {
			ASSERT_EQ(0, vx_queue(&op, self->cap, cmd, &tx));
			ASSERT_EQ(0, vx_start(&recv, self->fd, recv_cmd, &rx));
		}
		EXPECT_EQ(-EMFILE, vx_end(&recv));
		ASSERT_EQ(0, limit_files(2048));
		EXPECT_EQ(0, memcmp(&was, &rx, sizeof(rx)));
		EXPECT_EQ(self->count, vx_count_fds());
		ASSERT_EQ(0, vt_op_start(&second, self->cap, VIPC_IOC_SEND));
		ASSERT_EQ(0, vt_wait_senders(self->fd, 2));
		ASSERT_EQ(0, vt_info(self->fd, &info));
		EXPECT_EQ(0, info.in_service);
		EXPECT_EQ(info.sent + info.called, info.received);
		EXPECT_FALSE(vt_op_done(&op));
		ASSERT_EQ(0, vx_recv(self->fd, &rx));
		EXPECT_TRUE(vt_msg_is(&rx.msg, 1));
		EXPECT_TRUE(vx_is(self->room, 10, 1));
		EXPECT_EQ(3, rx.rx_nfds);
		EXPECT_TRUE(same_file(self->pipe[1], self->got[1]));
		close_all(self->got, 3);
		if (call) {
			EXPECT_EQ(0, vt_reply(self->fd, &rx.msg));
		}
		EXPECT_EQ(0, vx_end(&op));
		EXPECT_EQ(0, vx_recv(self->fd, &rx));
		EXPECT_TRUE(vt_msg_is(&rx.msg, 2));
		EXPECT_EQ(0, vx_end(&second));
	}
}

/* No room in the caller's: that is the caller's loss, and it is told so. */
TEST_F(fds, caller_has_no_room)
{
	int32_t fds[] = { 0, self->pipe[1], 0 };

	for (unsigned int i = 0; i < 6; i++) {
		struct vipc_xmsg tx = vx_msg(1, NULL, 0), rx = vx_room(NULL, 0);
		struct vt_op op = { 0 };

		vx_set_room(&tx, self->room, MAX_LEN);
		vx_set_fd_room(&tx, self->got, 3);
		tx.msg.flags = 0xbeef0000;
		ASSERT_EQ(0, vx_queue(&op, self->cap, VIPC_IOC_CALL_X, &tx));
		ASSERT_EQ(0, vx_recv(self->fd, &rx));
		ASSERT_EQ(0, leave_room_for(i % 3));
		vx_set_fds(&rx, fds, 3);
		vx_set_tx(&rx, self->bytes, i < 3 ? 10 : VX_PIN_MIN);
		EXPECT_EQ(0, vx_reply(self->fd, &rx));
		EXPECT_EQ(-EMFILE, vx_end(&op));
		ASSERT_EQ(0, limit_files(2048));
		EXPECT_EQ(0xbeef0000 | VIPC_MSG_DELIVERED, tx.msg.flags);
		EXPECT_EQ(3, tx.rx_nfds);
		EXPECT_EQ(MAX_LEN, tx.rx_len);
		EXPECT_EQ(self->count, vx_count_fds());
		EXPECT_EQ(-ESRCH, vx_reply(self->fd, &rx));
	}
	close(self->pipe[1]);
	self->count--;
	EXPECT_EQ(0, wait_no_writer(self->pipe[0]));
}

TEST_HARNESS_MAIN
