// SPDX-License-Identifier: GPL-2.0
/*
 * Messages with bytes: each arrives whole, where it is to go and nowhere else,
 * whatever its size and place.
 */
#include "vipc_payload.h"

#define MAX_LEN	VX_MIB
#define BADGE	5

static const uint32_t sizes[] = {
	0, 1, 63, 64, 4095, 4096, 4097, VX_PIN_MIN - 1, VX_PIN_MIN,
	VX_PIN_MIN + 1, 20000, 64 * VX_KIB + 77, VX_MIB,
};

/* Where in their pages the two buffers begin. */
static const struct {
	unsigned int from, to;
} places[] = { { 0, 0 }, { 1, 3 }, { 4095, 8 }, { 2000, 4090 } };

FIXTURE(payload)
{
	int fd, cap;
	long long dropped;
	struct vx_area request, reply, got, answer;
};

FIXTURE_VARIANT(payload)
{
	bool waiting;		/* the receiver is first */
	unsigned long recv;	/* RECV_X or REPLY_RECV_X */
};

FIXTURE_VARIANT_ADD(payload, recv_queued)
{
	.recv = VIPC_IOC_RECV_X,
};

FIXTURE_VARIANT_ADD(payload, recv_waiting)
{
	.waiting = true,
	.recv = VIPC_IOC_RECV_X,
};

FIXTURE_VARIANT_ADD(payload, reply_recv_queued)
{
	.recv = VIPC_IOC_REPLY_RECV_X,
};

FIXTURE_VARIANT_ADD(payload, reply_recv_waiting)
{
	.waiting = true,
	.recv = VIPC_IOC_REPLY_RECV_X,
};

FIXTURE_SETUP(payload)
{
	ASSERT_EQ(0, vx_open(&self->fd, &self->cap, BADGE, MAX_LEN));
	ASSERT_EQ(0, vx_area_make(&self->request, MAX_LEN));
	ASSERT_EQ(0, vx_area_make(&self->reply, MAX_LEN));
	ASSERT_EQ(0, vx_area_make(&self->got, MAX_LEN));
	ASSERT_EQ(0, vx_area_make(&self->answer, MAX_LEN));
	self->dropped = vt_stat_value("dropped");
}

FIXTURE_TEARDOWN(payload)
{
	EXPECT_EQ(0, vp_wait_idle(self->fd));
	EXPECT_EQ(self->dropped, vt_stat_value("dropped"));
	EXPECT_EQ(0, vx_pinned_kib());
	close(self->cap);
	close(self->fd);
}

/* Brings a request and a receiver together, in the one order or the other. */
static int meet(bool waiting, int send_fd, unsigned long send_cmd,
		struct vipc_xmsg *tx, struct vt_op *send, int recv_fd,
		unsigned long recv_cmd, struct vipc_xmsg *rx)
{
	struct vt_op recv = { 0 };
	int ret;

	if (waiting) {
		ret = vx_wait(&recv, recv_fd, recv_cmd, rx);
		if (!ret)
			ret = vx_start(send, send_fd, send_cmd, tx);
	} else {
		ret = vx_queue(send, send_fd, send_cmd, tx);
		if (!ret)
			ret = vx_start(&recv, recv_fd, recv_cmd, rx);
	}
	return ret ? ret : vx_end(&recv);
}

#define MEET(send_cmd, tx, send, rx)					\
	meet(variant->waiting, self->cap, send_cmd, tx, send, self->fd,	\
	     variant->recv, rx)

TEST_F(payload, send)
{
	for (size_t i = 0; i < ARRAY_SIZE(sizes) * ARRAY_SIZE(places); i++) {
		uint32_t len = sizes[i / ARRAY_SIZE(places)];
		unsigned int from = places[i % ARRAY_SIZE(places)].from;
		unsigned int to = places[i % ARRAY_SIZE(places)].to;
		uint8_t *out = vx_area_use(&self->request, from, len);
		struct vipc_xmsg tx = vx_msg(i, out, len), before;
		struct vipc_xmsg rx = vx_room(vx_area_use(&self->got, to,
							  len + 100), len + 100);
		struct vt_op send = { 0 };

		vx_fill(out, len, i);
		tx.msg.flags = 0xbeef0000;
		tx.rx_len = 4711;	/* none of its business */
		rx.tx_len = 4712;
		rx.reply_len = 4713;
		rx.reply_nfds = 4714;
		before = tx;
		ASSERT_EQ(0, MEET(VIPC_IOC_SEND_X, &tx, &send, &rx));
		ASSERT_EQ(0, vx_end(&send));
		EXPECT_TRUE(vt_msg_is(&rx.msg, i));
		EXPECT_EQ(BADGE, rx.msg.badge);
		EXPECT_EQ(0, rx.msg.reply);
		EXPECT_EQ(0xbeef0000, rx.msg.flags);
		EXPECT_EQ(len, rx.rx_len);
		EXPECT_EQ(0, rx.rx_nfds);
		EXPECT_EQ(0, rx.reply_len);
		EXPECT_EQ(0, rx.reply_nfds);
		EXPECT_EQ(4712, rx.tx_len);
		EXPECT_TRUE(vx_area_has(&self->got, len, i)) {
			TH_LOG("%u bytes from %u to %u", len, from, to);
		}
		EXPECT_TRUE(vx_area_has(&self->request, len, i));
		EXPECT_EQ(0, memcmp(&before, &tx, sizeof(tx)));
	}
}

TEST_F(payload, call_and_reply)
{
	for (size_t i = 0; i < ARRAY_SIZE(sizes) * ARRAY_SIZE(places); i++) {
		uint32_t len = sizes[i / ARRAY_SIZE(places)];
		unsigned int from = places[i % ARRAY_SIZE(places)].from;
		unsigned int to = places[i % ARRAY_SIZE(places)].to;
		uint8_t *out = vx_area_use(&self->request, from, len);
		uint8_t *back = vx_area_use(&self->reply, to, len);
		struct vipc_xmsg tx = vx_msg(i, out, len), rx;
		struct vt_op call = { 0 };

		vx_fill(out, len, i);
		vx_fill(back, len, ~i);
		vx_set_room(&tx, vx_area_use(&self->answer, from, len), len);
		rx = vx_room(vx_area_use(&self->got, to, len), len);
		ASSERT_EQ(0, MEET(VIPC_IOC_CALL_X, &tx, &call, &rx));
		EXPECT_TRUE(vt_msg_is(&rx.msg, i));
		ASSERT_NE(0, rx.msg.reply);
		EXPECT_EQ(len, rx.rx_len);
		EXPECT_EQ(len, rx.reply_len);
		EXPECT_EQ(0, rx.reply_nfds);
		EXPECT_TRUE(vx_area_has(&self->got, len, i));
		EXPECT_TRUE(vx_area_has(&self->answer, 0, 0));
		rx.msg.opcode++;
		vx_set_tx(&rx, back, len);
		ASSERT_EQ(0, vx_reply(self->fd, &rx));
		ASSERT_EQ(0, vx_end(&call));
		EXPECT_EQ(i + 1, tx.msg.opcode);
		EXPECT_EQ(0, tx.msg.reply);
		EXPECT_EQ(0, tx.msg.badge);
		EXPECT_EQ(len, tx.rx_len);
		EXPECT_EQ(0, tx.rx_nfds);
		EXPECT_EQ(len, tx.tx_len);
		EXPECT_TRUE(vx_area_has(&self->answer, len, ~i)) {
			TH_LOG("%u bytes from %u to %u", len, to, from);
		}
		EXPECT_TRUE(vx_area_has(&self->request, len, i));
		EXPECT_EQ(-ESRCH, vx_reply(self->fd, &rx));
	}
}

/* A reply is as long as it is, and leaves the rest of the room alone. */
TEST_F(payload, short_reply)
{
	static const struct {
		uint32_t room, len;
	} tries[] = {
		{ 10, 0 }, { 10, 1 }, { 5000, 4999 }, { VX_PIN_MIN, 0 },
		{ VX_PIN_MIN, 100 }, { VX_PIN_MIN, VX_PIN_MIN - 1 },
		{ VX_PIN_MIN + 1, VX_PIN_MIN }, { VX_MIB, 5 },
		{ VX_MIB, VX_PIN_MIN + 4093 }, { VX_MIB, VX_MIB - 1 },
	};

	for (size_t i = 0; i < ARRAY_SIZE(tries); i++) {
		uint32_t len = tries[i].len;
		uint8_t *back = vx_area_use(&self->reply, 17, len);
		struct vipc_xmsg tx = vx_msg(i, NULL, 0), rx = vx_room(NULL, 0);
		struct vt_op call = { 0 };

		vx_fill(back, len, i);
		vx_set_room(&tx, vx_area_use(&self->answer, 4000, tries[i].room),
			    tries[i].room);
		ASSERT_EQ(0, MEET(VIPC_IOC_CALL_X, &tx, &call, &rx));
		EXPECT_EQ(0, rx.rx_len);
		EXPECT_EQ(tries[i].room, rx.reply_len);
		vx_set_tx(&rx, back, len);
		ASSERT_EQ(0, vx_reply(self->fd, &rx));
		ASSERT_EQ(0, vx_end(&call));
		EXPECT_EQ(len, tx.rx_len);
		EXPECT_TRUE(vx_area_has(&self->answer, len, i)) {
			TH_LOG("%u bytes in room for %u", len, tries[i].room);
		}
	}
}

/* Requests and replies from and to the same bytes, or some of them. */
TEST_F(payload, overlapping)
{
	static const struct {
		uint32_t len;
		int by;		/* where the room begins, seen from the request */
	} tries[] = {
		{ 100, 0 }, { 100, 1 }, { 5000, -1000 }, { VX_PIN_MIN, 0 },
		{ VX_PIN_MIN, 1 }, { 100 * VX_KIB, 30000 },
		{ 100 * VX_KIB, -30000 },
	};

	for (size_t i = 0; i < ARRAY_SIZE(tries); i++) {
		uint32_t len = tries[i].len;
		uint8_t *ours = self->request.map + 40000;
		uint8_t *theirs = self->got.map + 40000;
		struct vipc_xmsg tx = vx_msg(i, ours, len);
		struct vipc_xmsg rx = vx_room(theirs, len);
		struct vt_op call = { 0 };

		vx_fill(ours, len, i);
		vx_set_room(&tx, ours + tries[i].by, len);
		ASSERT_EQ(0, MEET(VIPC_IOC_CALL_X, &tx, &call, &rx));
		EXPECT_TRUE(vx_is(theirs, len, i));
		/* Replies from memory into which the next one is received. */
		vx_fill(theirs, len, i + 100);
		vx_set_tx(&rx, theirs, len);
		vx_set_room(&rx, theirs + tries[i].by, len);
		rx.msg.flags = VIPC_NONBLOCK;
		EXPECT_EQ(-EAGAIN, vx_reply_recv(self->fd, &rx));
		EXPECT_EQ(0, rx.msg.reply);
		ASSERT_EQ(0, vx_end(&call));
		EXPECT_TRUE(vx_is(ours + tries[i].by, len, i + 100));
	}
}

/* Several calls at once with one buffer, which is pinned several times then. */
TEST_F(payload, one_buffer_for_all)
{
	static const uint32_t lens[] = { 3000, VX_PIN_MIN + 5 };

	for (size_t i = 0; i < ARRAY_SIZE(lens); i++) {
		uint32_t len = lens[i];
		uint8_t *out = vx_area_use(&self->request, 9, len);
		uint8_t *in = vx_area_use(&self->answer, 10, len);
		struct vt_op call[4] = { 0 };
		struct vipc_xmsg tx[4], rx[4];

		vx_fill(out, len, i);
		for (int c = 0; c < 4; c++) {
			tx[c] = vx_msg((uint64_t)c, out, len);
			vx_set_room(&tx[c], in, len);
			ASSERT_EQ(0, vx_queue(&call[c], self->cap,
					      VIPC_IOC_CALL_X, &tx[c]));
		}
		for (int c = 0; c < 4; c++) {
			rx[c] = vx_room(vx_area_use(&self->got, 1, len), len);
			ASSERT_EQ(0, vt_ioctl(self->fd, variant->recv, &rx[c]));
			EXPECT_TRUE(vt_msg_is(&rx[c].msg, (uint64_t)c));
			EXPECT_TRUE(vx_area_has(&self->got, len, i));
		}
		for (int c = 3; c >= 0; c--) {
			uint8_t *back = vx_area_use(&self->reply, 2, len);

			vx_fill(back, len, (uint64_t)c);
			vx_set_tx(&rx[c], back, len);
			ASSERT_EQ(0, vx_reply(self->fd, &rx[c]));
			ASSERT_EQ(0, vx_end(&call[c]));
			EXPECT_TRUE(vx_area_has(&self->answer, len,
						(uint64_t)c));
		}
	}
}

/* Messages of 64 bytes and of 128 meet. */
TEST_F(payload, small_and_large)
{
	unsigned long small_recv = variant->recv == VIPC_IOC_RECV_X ?
				   VIPC_IOC_RECV : VIPC_IOC_REPLY_RECV;
	uint8_t *in = vx_area_use(&self->answer, 0, 100), byte = 7;

	for (int calls = 0; calls < 2; calls++) {
		struct vt_op op = { .msg = vt_msg(1) }, recv = { 0 };
		struct vipc_xmsg rx = vx_room(vx_area_use(&self->got, 0, 100), 100);
		struct vipc_xmsg tx = vx_msg(2, NULL, 0);
		struct vipc_msg m = { 0 };

		/* A small one for somebody who has room. */
		if (variant->waiting) {
			ASSERT_EQ(0, vx_wait(&recv, self->fd, variant->recv, &rx));
		}
		ASSERT_EQ(0, vt_op_start(&op, self->cap, calls ? VIPC_IOC_CALL :
					 VIPC_IOC_SEND));
		if (!variant->waiting) {
			ASSERT_EQ(0, vt_wait_senders(self->fd, 1));
			ASSERT_EQ(0, vx_start(&recv, self->fd, variant->recv, &rx));
		}
		ASSERT_EQ(0, vx_end(&recv));
		EXPECT_TRUE(vt_msg_is(&rx.msg, 1));
		EXPECT_EQ(0, rx.rx_len);
		EXPECT_EQ(0, rx.reply_len);
		EXPECT_TRUE(vx_area_has(&self->got, 0, 0));
		EXPECT_EQ(calls, rx.msg.reply != 0);
		if (calls) {
			vx_set_tx(&rx, &byte, 1);
			EXPECT_EQ(-EMSGSIZE, vx_reply(self->fd, &rx));
			rx.tx_len = 0;
			EXPECT_EQ(0, vx_reply(self->fd, &rx));
		}
		ASSERT_EQ(0, vx_end(&op));

		/* One that carries nothing, for somebody who has none. */
		op = (struct vt_op){ 0 };
		recv = (struct vt_op){ 0 };
		vx_set_room(&tx, in, 100);
		if (variant->waiting) {
			ASSERT_EQ(0, vt_op_start(&recv, self->fd, small_recv));
			ASSERT_EQ(0, vt_wait_receivers(self->fd, 1));
		}
		ASSERT_EQ(0, vx_start(&op, self->cap, calls ? VIPC_IOC_CALL_X :
				      VIPC_IOC_SEND_X, &tx));
		if (!variant->waiting) {
			ASSERT_EQ(0, vt_wait_senders(self->fd, 1));
			ASSERT_EQ(0, vt_op_start(&recv, self->fd, small_recv));
		}
		ASSERT_EQ(0, vx_end(&recv));
		m = recv.msg;
		EXPECT_TRUE(vt_msg_is(&m, 2));
		EXPECT_EQ(calls, m.reply != 0);
		if (calls) {
			/* Its reply may be of either kind. */
			m.data[0] = 99;
			rx = (struct vipc_xmsg){ .msg = m };
			vx_set_tx(&rx, &byte, 1);
			EXPECT_EQ(0, variant->waiting ? vx_reply(self->fd, &rx) :
				     vt_reply(self->fd, &m));
		}
		ASSERT_EQ(0, vx_end(&op));
		EXPECT_EQ(calls ? 99 : 2, tx.msg.data[0]);
		if (calls) {
			EXPECT_EQ(variant->waiting, tx.rx_len);
			EXPECT_TRUE(variant->waiting ? in[0] == 7 :
				    vx_area_has(&self->answer, 0, 0));
		} else {
			EXPECT_EQ(100, tx.rx_len);
		}
	}
}

static struct {
	int fd;
	uint64_t seed;
} loop;

#define LOOP_CLIENTS	3
#define LOOP_CALLS	60

static void *loop_client(void *number)
{
	struct vp_rng rng = vp_rng_init(loop.seed, (uintptr_t)number);
	uint8_t *buf = vx_map(256 * VX_KIB);
	long wrong = 0;

	for (uint64_t i = 0; i < LOOP_CALLS; i++) {
		uint32_t len = sizes[vp_random(&rng, ARRAY_SIZE(sizes) - 1)];
		uint64_t tag = i * LOOP_CLIENTS + (uintptr_t)number;
		struct vipc_xmsg x = vx_msg(tag, buf, len);

		vx_fill(buf, len, tag);
		vx_set_room(&x, buf + 128 * VX_KIB, len);
		memset(buf + 128 * VX_KIB, VX_POISON, len + 1);
		wrong += vx_call(loop.fd, &x) || x.rx_len != len ||
			 x.msg.data[0] != tag + 1 ||
			 !vx_is(buf + 128 * VX_KIB, len, tag + 1) ||
			 buf[128 * VX_KIB + len] != VX_POISON;
	}
	munmap(buf, 256 * VX_KIB);
	return (void *)wrong;
}

/* A server's loop with one system call per request, and several clients. */
TEST_F(payload, reply_recv_loop)
{
	pthread_t thread[LOOP_CLIENTS];
	uint8_t *buf = self->got.map;
	struct vipc_xmsg x = vx_room(buf, MAX_LEN);
	void *wrong;

	if (variant->recv == VIPC_IOC_RECV_X || variant->waiting)
		return;	/* once is enough */
	loop.fd = self->cap;
	loop.seed = vp_seed();
	for (uintptr_t c = 0; c < LOOP_CLIENTS; c++) {
		ASSERT_EQ(0, pthread_create(&thread[c], NULL, loop_client,
					    (void *)c));
	}
	for (int i = 0; i < LOOP_CLIENTS * LOOP_CALLS; i++) {
		x.rx_len = MAX_LEN;
		ASSERT_EQ(0, vx_reply_recv(self->fd, &x));
		ASSERT_TRUE(vx_is(buf, x.rx_len, x.msg.data[0]));
		ASSERT_EQ(x.rx_len, x.reply_len);
		vx_fill(buf, x.rx_len, ++x.msg.data[0]);
		vx_set_tx(&x, buf, x.rx_len);
	}
	ASSERT_EQ(0, vx_reply(self->fd, &x));
	for (int c = 0; c < LOOP_CLIENTS; c++) {
		ASSERT_EQ(0, pthread_join(thread[c], &wrong));
		EXPECT_EQ(NULL, wrong);
	}
}

TEST_HARNESS_MAIN
