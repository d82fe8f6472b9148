// SPDX-License-Identifier: GPL-2.0
/*
 * Bytes that do not fit: they are refused on the side whose fault that is, and
 * nothing is lost by it. And what an operation tells about sizes, what it looks
 * at, and in which order it finds fault.
 */
#include "vipc_payload.h"

#define MAX_LEN	VX_MIB
#define BADGE	5

FIXTURE(size)
{
	int fd, cap;
	long long dropped;
	struct vx_area request, reply, got, answer;
};

FIXTURE_SETUP(size)
{
	ASSERT_EQ(0, vx_open(&self->fd, &self->cap, BADGE, MAX_LEN));
	ASSERT_EQ(0, vx_area_make(&self->request, MAX_LEN));
	ASSERT_EQ(0, vx_area_make(&self->reply, MAX_LEN));
	ASSERT_EQ(0, vx_area_make(&self->got, MAX_LEN));
	ASSERT_EQ(0, vx_area_make(&self->answer, MAX_LEN));
	self->dropped = vt_stat_value("dropped");
}

FIXTURE_TEARDOWN(size)
{
	EXPECT_EQ(0, vp_wait_idle(self->fd));
	EXPECT_EQ(self->dropped, vt_stat_value("dropped"));
	EXPECT_EQ(0, vx_pinned_kib());
	close(self->cap);
	close(self->fd);
}

/* What an endpoint does not let in fails at its sender, and nobody else sees it. */
TEST_F(size, max_len)
{
	static const uint32_t limits[] = { 0, 1, 4096, VX_PIN_MIN, MAX_LEN };
	static const unsigned long cmds[] = { VIPC_IOC_SEND_X, VIPC_IOC_CALL_X };
	uint8_t *out = vx_area_use(&self->request, 0, MAX_LEN);
	uint8_t *in = vx_area_use(&self->got, 0, MAX_LEN);

	for (size_t i = 0; i < 2 * ARRAY_SIZE(limits); i++) {
		uint32_t limit = limits[i / 2];
		struct vipc_xmsg tx = vx_msg(1, out, limit), rx, bad;
		struct vt_op recv = { 0 }, send = { 0 };
		struct vipc_info before, after;

		ASSERT_EQ(0, vx_limits(self->fd, limit, 0));
		rx = vx_room(in, MAX_LEN);
		ASSERT_EQ(0, vx_wait(&recv, self->fd, VIPC_IOC_RECV_X, &rx));
		ASSERT_EQ(0, vt_info(self->fd, &before));
		for (int j = 0; j < 3; j++) {
			static const uint32_t over[] = { 1, 4096, ~0u };

			bad = tx;
			bad.msg.flags = 0xbeef0000 | VIPC_MSG_DELIVERED;
			bad.tx_len = over[j] == ~0u ? ~0u : limit + over[j];
			EXPECT_EQ(-EMSGSIZE, vt_ioctl(self->cap, cmds[i % 2],
						      &bad)) {
				TH_LOG("%u bytes where %u are let in",
				       bad.tx_len, limit);
			}
			EXPECT_EQ(0xbeef0000, bad.msg.flags);
		}
		ASSERT_EQ(0, vt_info(self->fd, &after));
		EXPECT_EQ(0, memcmp(&before, &after, sizeof(after)));
		EXPECT_FALSE(vt_op_done(&recv));

		vx_fill(out, limit, i);
		ASSERT_EQ(0, vx_start(&send, self->cap, cmds[i % 2], &tx));
		ASSERT_EQ(0, vx_end(&recv));
		EXPECT_TRUE(vx_is(in, limit, i));
		EXPECT_EQ(limit, rx.rx_len);
		if (rx.msg.reply) {
			rx.tx_len = 0;
			EXPECT_EQ(0, vx_reply(self->fd, &rx));
		}
		ASSERT_EQ(0, vx_end(&send));
	}
}

/* A server that has never asked for bytes does not come to see any. */
TEST_F(size, small_server_stays_small)
{
	uint8_t *out = vx_area_use(&self->request, 0, MAX_LEN);
	struct vt_op recv = { 0 }, call = { 0 };
	struct vipc_xmsg tx;

	ASSERT_EQ(0, vx_limits(self->fd, 0, 0));
	ASSERT_EQ(0, vt_op_start(&recv, self->fd, VIPC_IOC_RECV));
	ASSERT_EQ(0, vt_wait_receivers(self->fd, 1));
	for (uint32_t len = 1; len <= MAX_LEN; len *= 2) {
		tx = vx_msg(len, out, len);
		EXPECT_EQ(-EMSGSIZE, vx_send(self->cap, &tx));
		EXPECT_EQ(-EMSGSIZE, vx_call(self->cap, &tx));
	}
	EXPECT_FALSE(vt_op_done(&recv));
	EXPECT_EQ(0, vt_senders(self->fd));
	tx = vx_msg(77, out, 0);
	vx_set_room(&tx, vx_area_use(&self->answer, 0, 64), 64);
	ASSERT_EQ(0, vx_start(&call, self->cap, VIPC_IOC_CALL_X, &tx));
	ASSERT_EQ(0, vx_end(&recv));
	EXPECT_TRUE(vt_msg_is(&recv.msg, 77));
	EXPECT_EQ(0, vt_reply(self->fd, &recv.msg));
	EXPECT_EQ(0, vx_end(&call));
	EXPECT_TRUE(vx_area_has(&self->answer, 0, 0));
}

FIXTURE(small_room)
{
	int fd, cap;
	struct vx_area request, got;
};

FIXTURE_VARIANT(small_room)
{
	unsigned long send;
	uint32_t len;
};

FIXTURE_VARIANT_ADD(small_room, send)
{
	.send = VIPC_IOC_SEND_X,
	.len = 100,
};

FIXTURE_VARIANT_ADD(small_room, call)
{
	.send = VIPC_IOC_CALL_X,
	.len = 100,
};

FIXTURE_VARIANT_ADD(small_room, pinned_send)
{
	.send = VIPC_IOC_SEND_X,
	.len = VX_PIN_MIN + 1,
};

FIXTURE_VARIANT_ADD(small_room, pinned_call)
{
	.send = VIPC_IOC_CALL_X,
	.len = VX_PIN_MIN + 1,
};

FIXTURE_SETUP(small_room)
{
	ASSERT_EQ(0, vx_open(&self->fd, &self->cap, BADGE, MAX_LEN));
	ASSERT_EQ(0, vx_area_make(&self->request, variant->len));
	ASSERT_EQ(0, vx_area_make(&self->got, variant->len));
}

FIXTURE_TEARDOWN(small_room)
{
	EXPECT_EQ(0, vp_wait_idle(self->fd));
	EXPECT_EQ(0, vx_pinned_kib());
	close(self->cap);
	close(self->fd);
}

/* Takes the message of @tag, which must be there now, and answers a call. */
#define take(tag) do {							\
	struct vipc_xmsg rx_ = vx_room(vx_area_use(&self->got, 0,	\
				       variant->len), variant->len);	\
	ASSERT_EQ(0, vx_recv_now(self->fd, &rx_));			\
	EXPECT_TRUE(vt_msg_is(&rx_.msg, tag));				\
	EXPECT_TRUE(vx_area_has(&self->got, rx_.rx_len, tag));		\
	if (rx_.msg.reply) {						\
		EXPECT_EQ(0, vt_reply(self->fd, &rx_.msg));		\
	}								\
} while (0)

/* The first message stays the first until somebody comes who has room for it. */
TEST_F(small_room, queued)
{
	uint8_t *out = vx_area_use(&self->request, 3, variant->len);
	struct vipc_xmsg tx = vx_msg(1, out, variant->len), rx, before;
	struct vt_op first = { 0 }, second = { .msg = vt_msg(2) };
	struct vipc_msg m = { .flags = VIPC_NONBLOCK };
	struct vipc_info info, after;

	vx_fill(out, variant->len, 1);
	ASSERT_EQ(0, vx_queue(&first, self->cap, variant->send, &tx));
	ASSERT_EQ(0, vt_op_start(&second, self->cap, VIPC_IOC_SEND));
	ASSERT_EQ(0, vt_wait_senders(self->fd, 2));
	ASSERT_EQ(0, vt_info(self->fd, &info));
	for (int nonblock = 0; nonblock < 2; nonblock++) {
		for (int cmd = 0; cmd < 2; cmd++) {
			rx = vx_room(vx_area_use(&self->got, 0, variant->len),
				     cmd ? 0 : variant->len - 1);
			rx.msg.flags = nonblock ? VIPC_NONBLOCK : 0;
			before = rx;
			EXPECT_EQ(-EMSGSIZE, vt_ioctl(self->fd, cmd ?
				VIPC_IOC_RECV_X : VIPC_IOC_REPLY_RECV_X, &rx));
			EXPECT_EQ(0, memcmp(&before, &rx, sizeof(rx)));
			EXPECT_TRUE(vx_area_has(&self->got, 0, 0));
		}
	}
	EXPECT_EQ(-EMSGSIZE, vt_recv(self->fd, &m));
	EXPECT_EQ(-EMSGSIZE, vt_reply_recv(self->fd, &m));
	ASSERT_EQ(0, vt_info(self->fd, &after));
	EXPECT_EQ(0, memcmp(&info, &after, sizeof(info)));
	EXPECT_FALSE(vt_op_done(&first));
	EXPECT_FALSE(vt_op_done(&second));
	take(1);
	EXPECT_EQ(0, vx_end(&first));
	m = (struct vipc_msg){ 0 };
	EXPECT_EQ(0, vt_recv(self->fd, &m));
	EXPECT_TRUE(vt_msg_is(&m, 2));
	EXPECT_EQ(0, vx_end(&second));
}

/* Who waits with too little room is told so, and the next one gets it. */
TEST_F(small_room, waiting)
{
	for (int with_room = 0; with_room < 2; with_room++) {
		uint8_t *out = vx_area_use(&self->request, 3, variant->len);
		uint8_t *in = vx_area_use(&self->got, 7, variant->len);
		struct vipc_xmsg tx = vx_msg(1, out, variant->len);
		struct vipc_xmsg rx = vx_room(in, variant->len - 1), room;
		struct vt_op big = { 0 }, none = { 0 }, small = { 0 }, send = { 0 };

		vx_fill(out, variant->len, 1);
		room = vx_room(in, variant->len);
		if (with_room) {
			ASSERT_EQ(0, vx_wait(&big, self->fd, VIPC_IOC_RECV_X,
					     &room));
		}
		ASSERT_EQ(0, vx_wait(&none, self->fd, VIPC_IOC_RECV_X, &rx));
		ASSERT_EQ(0, vt_op_start(&small, self->fd, VIPC_IOC_RECV));
		ASSERT_EQ(0, vt_wait_receivers(self->fd, 2 + with_room));
		ASSERT_EQ(0, vx_start(&send, self->cap, variant->send, &tx));
		if (with_room) {
			/*
			 * One that is awake may be preferred to those above it
			 * in the stack.
			 */
			ASSERT_EQ(0, vx_end(&big));
			EXPECT_TRUE(vx_area_has(&self->got, variant->len, 1));
			if (room.msg.reply) {
				EXPECT_EQ(0, vt_reply(self->fd, &room.msg));
			}
			for (long long n; (n = vt_receivers(self->fd)); ) {
				struct vipc_msg m = vt_msg(9);

				ASSERT_LT(0, n);
				ASSERT_EQ(0, vt_send(self->cap, &m));
			}
			ASSERT_EQ(0, vt_op_join(&none));
			ASSERT_EQ(0, vt_op_join(&small));
			EXPECT_TRUE(none.ret == -EMSGSIZE || none.ret == 0);
			EXPECT_TRUE(small.ret == -EMSGSIZE || small.ret == 0);
		} else {
			EXPECT_EQ(-EMSGSIZE, vx_end(&none));
			EXPECT_EQ(-EMSGSIZE, vx_end(&small));
			ASSERT_EQ(0, vt_wait_senders(self->fd, 1));
			EXPECT_FALSE(vt_op_done(&send));
			EXPECT_TRUE(vx_area_has(&self->got, 0, 0));
			take(1);
		}
		EXPECT_EQ(0, vx_end(&send));
	}
}

/* It is not queued for want of a receiver with room. */
TEST_F(small_room, nonblock)
{
	uint8_t *out = vx_area_use(&self->request, 3, variant->len);
	struct vipc_xmsg tx = vx_msg(1, out, variant->len);
	struct vipc_xmsg rx = vx_room(out, variant->len - 1);
	struct vt_op recv = { 0 };

	tx.msg.flags = VIPC_NONBLOCK;
	EXPECT_EQ(-EAGAIN, vt_ioctl(self->cap, variant->send, &tx));
	ASSERT_EQ(0, vx_wait(&recv, self->fd, VIPC_IOC_RECV_X, &rx));
	EXPECT_EQ(-EAGAIN, vt_ioctl(self->cap, variant->send, &tx));
	EXPECT_EQ(VIPC_NONBLOCK, tx.msg.flags);
	EXPECT_EQ(-EMSGSIZE, vx_end(&recv));
	EXPECT_EQ(0, vt_senders(self->fd));
}

/* A message that waits with its bytes is not kept past its sender. */
TEST_F(small_room, sender_leaves)
{
	uint8_t *out = vx_area_use(&self->request, 3, variant->len);
	struct vipc_xmsg tx = vx_msg(1, out, variant->len), rx;

	tx.msg.flags = 0xbeef0000;
	tx.msg.deadline_ns = vt_in_ms(20);
	EXPECT_EQ(-ETIMEDOUT, vt_ioctl(self->cap, variant->send, &tx));
	EXPECT_EQ(0xbeef0000, tx.msg.flags);
	EXPECT_EQ(0, vx_pinned_kib());
	rx = vx_room(out, variant->len);
	EXPECT_EQ(-EAGAIN, vx_recv_now(self->fd, &rx));
}

/* It is the server's fault, and the call goes on. */
TEST_F(size, reply_too_large)
{
	static const uint32_t rooms[] = {
		0, 1, 100, VX_PIN_MIN - 1, VX_PIN_MIN, VX_PIN_MIN + 1,
		MAX_LEN - 1,
	};

	for (size_t i = 0; i < 2 * ARRAY_SIZE(rooms); i++) {
		uint32_t room = rooms[i / 2];
		uint8_t *back = vx_area_use(&self->reply, 0, MAX_LEN);
		uint8_t *in = vx_area_use(&self->answer, 0, room);
		struct vipc_xmsg tx = vx_msg(1, NULL, 0), rx = vx_room(NULL, 0);
		struct vt_op call = { 0 }, next = { .msg = vt_msg(2) };
		struct vipc_info before, after;
		struct vipc_xmsg was;
		unsigned long cmd = i % 2 ? VIPC_IOC_REPLY_RECV_X :
				    VIPC_IOC_REPLY_X;

		vx_fill(back, MAX_LEN, i);
		vx_set_room(&tx, in, room);
		ASSERT_EQ(0, vx_queue(&call, self->cap, VIPC_IOC_CALL_X, &tx));
		ASSERT_EQ(0, vx_recv(self->fd, &rx));
		EXPECT_EQ(room, rx.reply_len);
		ASSERT_EQ(0, vt_op_start(&next, self->cap, VIPC_IOC_SEND));
		ASSERT_EQ(0, vt_wait_senders(self->fd, 1));
		ASSERT_EQ(0, vt_info(self->fd, &before));
		for (int j = 0; j < 3; j++) {
			vx_set_tx(&rx, back, j == 0 ? room + 1 :
				  j == 1 ? MAX_LEN : ~0u);
			was = rx;
			EXPECT_EQ(-EMSGSIZE, vt_ioctl(self->fd, cmd, &rx));
			EXPECT_EQ(0, memcmp(&was, &rx, sizeof(rx)));
		}
		ASSERT_EQ(0, vt_info(self->fd, &after));
		EXPECT_EQ(0, memcmp(&before, &after, sizeof(after)));
		EXPECT_FALSE(vt_op_done(&call));
		rx.tx_len = room;
		EXPECT_EQ(0, vt_ioctl(self->fd, cmd, &rx));
		ASSERT_EQ(0, vx_end(&call));
		EXPECT_EQ(room, tx.rx_len);
		EXPECT_TRUE(vx_area_has(&self->answer, room, i));
		if (i % 2) {
			EXPECT_TRUE(vt_msg_is(&rx.msg, 2));
		} else {
			EXPECT_EQ(0, vx_recv(self->fd, &rx));
		}
		EXPECT_EQ(0, vx_end(&next));
	}
}

/* More room than any message may fill is no mistake. */
TEST_F(size, more_room_than_needed)
{
	const uint32_t most = 16 * VX_MIB;
	uint8_t *in = vx_map(most + VX_PAGE);
	struct vipc_xmsg tx, rx;
	struct vt_op op = { 0 };

	ASSERT_NE(NULL, in);
	vx_fill(self->request.map, 100, 1);
	tx = vx_msg(1, self->request.map, 100);
	ASSERT_EQ(0, vx_queue(&op, self->cap, VIPC_IOC_SEND_X, &tx));
	rx = vx_room(in, ~0u);	/* nearly all of which is not there */
	ASSERT_EQ(0, vx_recv(self->fd, &rx));
	EXPECT_EQ(100, rx.rx_len);
	EXPECT_TRUE(vx_is(in, 100, 1));
	EXPECT_EQ(0, vx_end(&op));

	/* Of a caller's, as much is looked at as can be filled. */
	op = (struct vt_op){ 0 };
	vx_set_room(&tx, in, most + VX_PAGE);
	ASSERT_EQ(0, vx_queue(&op, self->cap, VIPC_IOC_CALL_X, &tx));
	ASSERT_EQ(0, vx_recv(self->fd, &rx));
	EXPECT_EQ(most, rx.reply_len);
	EXPECT_LE(most / 1024, vx_pinned_kib());
	vx_fill(self->reply.map, MAX_LEN, 2);
	vx_set_tx(&rx, self->reply.map, MAX_LEN);
	ASSERT_EQ(0, vx_reply(self->fd, &rx));
	EXPECT_EQ(0, vx_end(&op));
	EXPECT_EQ(MAX_LEN, tx.rx_len);
	EXPECT_TRUE(vx_is(in, MAX_LEN, 2));
	EXPECT_EQ(0, in[MAX_LEN]);
	/* A reply may be larger than a request may be. */
	op = (struct vt_op){ 0 };
	vx_set_room(&tx, in, most);
	ASSERT_EQ(0, vx_queue(&op, self->cap, VIPC_IOC_CALL_X, &tx));
	ASSERT_EQ(0, vx_recv(self->fd, &rx));
	munmap(self->reply.map, self->reply.size);
	self->reply.map = vx_map(most);
	ASSERT_NE(NULL, self->reply.map);
	vx_fill(self->reply.map, most, 3);
	vx_set_tx(&rx, self->reply.map, most);
	ASSERT_EQ(0, vx_reply(self->fd, &rx));
	EXPECT_EQ(0, vx_end(&op));
	EXPECT_EQ(most, tx.rx_len);
	EXPECT_TRUE(vx_is(in, most, 3));
}

TEST_F(size, statistics)
{
	struct vipc_xmsg tx = vx_msg(1, self->request.map, 1000), rx;
	long long copied, fds = vt_stat_value("fds_passed");
	struct vt_op op = { 0 };

	copied = vt_stat_value("bytes_copied");
	ASSERT_LE(0, copied);
	ASSERT_EQ(0, vx_queue(&op, self->cap, VIPC_IOC_SEND_X, &tx));
	rx = vx_room(self->got.map, 999);
	EXPECT_EQ(-EMSGSIZE, vx_recv(self->fd, &rx));
	EXPECT_EQ(copied, vt_stat_value("bytes_copied"));
	rx.rx_len++;
	EXPECT_EQ(0, vx_recv(self->fd, &rx));
	EXPECT_EQ(0, vx_end(&op));
	EXPECT_EQ(copied += 1000, vt_stat_value("bytes_copied"));

	op = (struct vt_op){ 0 };
	tx.tx_len = 100000;
	vx_set_room(&tx, self->answer.map, 200000);
	ASSERT_EQ(0, vx_queue(&op, self->cap, VIPC_IOC_CALL_X, &tx));
	vx_set_room(&rx, self->got.map, 100000);
	EXPECT_EQ(0, vx_recv(self->fd, &rx));
	EXPECT_EQ(copied += 100000, vt_stat_value("bytes_copied"));
	vx_set_tx(&rx, self->got.map, 30000);
	EXPECT_EQ(0, vx_reply(self->fd, &rx));
	EXPECT_EQ(0, vx_end(&op));
	EXPECT_EQ(copied += 30000, vt_stat_value("bytes_copied"));
	EXPECT_EQ(fds, vt_stat_value("fds_passed"));
}

static const unsigned long x_commands[] = {
	VIPC_IOC_SEND_X, VIPC_IOC_RECV_X, VIPC_IOC_CALL_X, VIPC_IOC_REPLY_X,
	VIPC_IOC_REPLY_RECV_X,
};

/* What must be 0 is looked at before anything else. */
TEST_F(size, reserved_and_flags)
{
	for (size_t i = 0; i < ARRAY_SIZE(x_commands); i++) {
		struct vipc_xmsg x, was;

		for (int bit = 0; bit < 64 + 8; bit++) {
			uint32_t flag = bit < 64 ? 0 : 1u << (bit - 64);

			if (flag & (VIPC_NONBLOCK | VIPC_UNINTERRUPTIBLE))
				continue;
			x = (struct vipc_xmsg){
				.msg.flags = flag | VIPC_NONBLOCK,
				.tx_len = MAX_LEN + 1,
				.tx_nfds = 99,
				.reserved = bit < 64 ? 1ull << bit : 0,
			};
			was = x;
			EXPECT_EQ(-EINVAL, vt_ioctl(self->fd, x_commands[i], &x));
			EXPECT_EQ(0, memcmp(&was, &x, sizeof(x)));
		}
	}
}

/* Who may not, or cannot any more, is told that whatever the message is like. */
TEST_F(size, first_things_first)
{
	int none = vt_derive(self->fd, VIPC_RIGHT_GRANT, 0);
	int mid = vt_derive(self->fd, VIPC_RIGHTS_ALL, 0);
	int revoked = vt_derive(mid, VIPC_RIGHTS_ALL, 0);

	ASSERT_LE(0, none);
	ASSERT_LE(0, revoked);
	ASSERT_EQ(0, vt_revoke(mid));
	for (int large = 0; large < 2; large++) {
		for (size_t i = 0; i < ARRAY_SIZE(x_commands); i++) {
			struct vipc_xmsg x = {
				.msg.reply = 4711,
				.msg.flags = VIPC_NONBLOCK,
				.tx_buf = 8,
				.rx_buf = 8,
				.rx_fds = 8,
				.tx_len = large ? MAX_LEN + 1 : 8,
				.rx_len = large ? VX_PIN_MIN : 8,
				.rx_nfds = 1,
			};

			EXPECT_EQ(-EKEYREVOKED, vt_ioctl(revoked, x_commands[i],
							 &x));
			EXPECT_EQ(-EACCES, vt_ioctl(none, x_commands[i], &x));
		}
	}
	ASSERT_EQ(0, vt_shutdown(mid));
	for (size_t i = 0; i < ARRAY_SIZE(x_commands); i++) {
		struct vipc_xmsg x = { .tx_len = MAX_LEN + 1, .tx_buf = 8 };

		EXPECT_EQ(x_commands[i] == VIPC_IOC_REPLY_X ? -ESRCH : -EPIPE,
			  vt_ioctl(self->fd, x_commands[i], &x));
	}
	close(none);
	close(mid);
	close(revoked);
	close(self->fd);
	close(self->cap);
	self->fd = vt_open();	/* for the end, another one */
	ASSERT_LE(0, self->fd);
	self->cap = vt_derive(self->fd, VIPC_RIGHT_SEND, 0);
}

/* What carries bytes does not go into a buffer, and keeps its turn. */
TEST_F(size, buffered_endpoint)
{
	struct vt_op op[2] = { 0 };
	struct vipc_xmsg tx[2], rx;
	struct vipc_msg m;

	close(self->cap);
	close(self->fd);
	ASSERT_EQ(0, vx_open(&self->fd, &self->cap, BADGE, MAX_LEN));
	ASSERT_EQ(0, vt_set_depth(self->fd, 8));
	for (int i = 0; i < 3; i++) {
		m = vt_msg((uint64_t)i * 2);
		ASSERT_EQ(0, vt_send(self->cap, &m));
		if (i == 2)
			break;
		tx[i] = vx_msg((uint64_t)i * 2 + 1, self->request.map, i * 10);
		ASSERT_EQ(0, vx_queue(&op[i], self->cap, VIPC_IOC_SEND_X, &tx[i]));
	}
	ASSERT_EQ(3, vt_buffered(self->fd));
	for (uint64_t i = 0; i < 5; i++) {
		rx = vx_room(self->got.map, 3);
		if (i == 3) {
			EXPECT_EQ(-EMSGSIZE, vx_recv(self->fd, &rx));
			rx.rx_len = 10;
		}
		ASSERT_EQ(0, vx_recv(self->fd, &rx));
		EXPECT_TRUE(vt_msg_is(&rx.msg, i));
		EXPECT_EQ(i == 3 ? 10 : 0, rx.rx_len);
	}
	EXPECT_EQ(0, vx_end(&op[0]));
	EXPECT_EQ(0, vx_end(&op[1]));
	/* Notifications and notices carry nothing, and need no room. */
	rx = vx_room(self->got.map, 3);
	rx.reply_len = 9;
	ASSERT_EQ(0, vt_notify(self->cap, 6));
	ASSERT_EQ(0, vx_recv(self->fd, &rx));
	EXPECT_TRUE(vt_is_notification(&rx.msg, 6));
	EXPECT_EQ(0, rx.rx_len);
	EXPECT_EQ(0, rx.reply_len);
}

TEST_HARNESS_MAIN
