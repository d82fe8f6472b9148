// SPDX-License-Identifier: GPL-2.0
/*
 * Messages with bytes whose memory is not there, or goes away at the worst time.
 * The error goes to the side whose memory it is, the other one does not notice,
 * and no message is lost.
 */
#include "vipc_payload.h"

#define SMALL	3000u
#define LARGE	(VX_PIN_MIN + 5000)
#define ROOM	(64 * VX_KIB)
#define BADGE	5

/* What becomes of some memory. */
enum { NO_ACCESS, READ_ONLY, HALF, HALF_READ_ONLY };

FIXTURE(fault)
{
	int fd, cap;
	long long dropped;
	uint8_t *out, *in, *back, *answer;	/* whole pages */
};

FIXTURE_VARIANT(fault)
{
	uint32_t len;
};

FIXTURE_VARIANT_ADD(fault, copied_twice)
{
	.len = SMALL,
};

FIXTURE_VARIANT_ADD(fault, pinned)
{
	.len = LARGE,
};

FIXTURE_SETUP(fault)
{
	ASSERT_EQ(0, vx_open(&self->fd, &self->cap, BADGE, ROOM));
	ASSERT_EQ(0, vx_buffers(ROOM, &self->out, &self->in, &self->back,
				&self->answer));
	self->dropped = vt_stat_value("dropped");
}

FIXTURE_TEARDOWN(fault)
{
	EXPECT_EQ(0, vp_wait_idle(self->fd));
	EXPECT_EQ(self->dropped, vt_stat_value("dropped"));
	EXPECT_EQ(0, vx_pinned_kib());
	close(self->cap);
	close(self->fd);
}

/* Of @len bytes at @p the last page, or all of them. */
static int take_away(uint8_t *p, uint32_t len, int how)
{
	uint32_t half = (len - 1) / VX_PAGE * VX_PAGE;
	int prot = how == READ_ONLY || how == HALF_READ_ONLY ? PROT_READ :
		   PROT_NONE;

	return how == HALF || how == HALF_READ_ONLY ?
	       mprotect(p + half, VX_PAGE, prot) : mprotect(p, ROOM, prot);
}

static int give_back(uint8_t *p)
{
	return mprotect(p, ROOM, PROT_READ | PROT_WRITE);
}

#define request(x) do {							\
	*(x) = vx_msg(1, self->out, variant->len);			\
	vx_set_room(x, self->answer, variant->len);			\
} while (0)

/* Takes the request, which must be there now and whole, and answers it. */
#define take_and_answer() do {						\
	struct vipc_xmsg rx_ = vx_room(self->in, ROOM);			\
	memset(self->in, 0, variant->len);				\
	ASSERT_EQ(0, vx_recv_now(self->fd, &rx_));			\
	EXPECT_TRUE(vt_msg_is(&rx_.msg, 1));				\
	EXPECT_EQ(variant->len, rx_.rx_len);				\
	EXPECT_TRUE(vx_is(self->in, variant->len, 1));			\
	if (rx_.msg.reply) {						\
		vx_set_tx(&rx_, self->back, variant->len);		\
		EXPECT_EQ(0, vx_reply(self->fd, &rx_));			\
	}								\
} while (0)

static const unsigned long requests[] = { VIPC_IOC_SEND_X, VIPC_IOC_CALL_X };

/* Memory of the sender that is not there when it sends: nothing has happened. */
TEST_F(fault, sender)
{
	struct vt_op recv = { 0 };
	struct vipc_xmsg rx = vx_room(self->in, ROOM), tx;
	struct vipc_info before, after;

	ASSERT_EQ(0, vx_wait(&recv, self->fd, VIPC_IOC_RECV_X, &rx));
	ASSERT_EQ(0, vt_info(self->fd, &before));
	for (int how = NO_ACCESS; how <= HALF_READ_ONLY; how++) {
		bool readable = how == READ_ONLY || how == HALF_READ_ONLY;

		ASSERT_EQ(0, take_away(self->out, variant->len, how));
		for (int i = 0; i < 2 && !readable; i++) {
			request(&tx);
			tx.msg.flags = 0xbeef0000;
			EXPECT_EQ(-EFAULT, vt_ioctl(self->cap, requests[i], &tx));
			EXPECT_EQ(0xbeef0000, tx.msg.flags);
		}
		ASSERT_EQ(0, give_back(self->out));

		/* The room for an answer, in which nothing is written yet. */
		ASSERT_EQ(0, take_away(self->answer, variant->len, how));
		request(&tx);
		EXPECT_EQ(-EFAULT, vx_call(self->cap, &tx));
		EXPECT_EQ(0, tx.msg.flags);
		ASSERT_EQ(0, give_back(self->answer));
	}
	/* Addresses that no process has. */
	for (int i = 0; i < 4; i++) {
		static const uint64_t addresses[] = {
			0, 8, 0xffff888000000000ull, ~0ull - 100,
		};

		request(&tx);
		tx.tx_buf = addresses[i];
		EXPECT_EQ(-EFAULT, vx_send(self->cap, &tx));
		EXPECT_EQ(-EFAULT, vx_call(self->cap, &tx));
		request(&tx);
		tx.rx_buf = addresses[i];
		EXPECT_EQ(-EFAULT, vx_call(self->cap, &tx));
	}
	ASSERT_EQ(0, vt_info(self->fd, &after));
	EXPECT_EQ(0, memcmp(&before, &after, sizeof(after)));
	EXPECT_FALSE(vt_op_done(&recv));
	EXPECT_EQ(0, vx_pinned_kib());
	tx = vx_msg(3, NULL, 0);
	ASSERT_EQ(0, vx_send(self->cap, &tx));
	EXPECT_EQ(0, vx_end(&recv));
	EXPECT_TRUE(vt_msg_is(&rx.msg, 3));
}

/* To send from memory that can only be read is no fault. */
TEST_F(fault, read_only_source)
{
	struct vt_op op = { 0 };
	struct vipc_xmsg tx, rx;

	ASSERT_EQ(0, mprotect(self->out, ROOM, PROT_READ));
	ASSERT_EQ(0, mprotect(self->back, ROOM, PROT_READ));
	request(&tx);
	ASSERT_EQ(0, vx_queue(&op, self->cap, VIPC_IOC_CALL_X, &tx));
	take_and_answer();
	EXPECT_EQ(0, vx_end(&op));
	EXPECT_TRUE(vx_is(self->answer, variant->len, 2));
	/* Pages that were never touched are zeros, for either side. */
	ASSERT_EQ(0, madvise(self->out, ROOM, MADV_DONTNEED));
	ASSERT_EQ(0, madvise(self->in, ROOM, MADV_DONTNEED));
	op = (struct vt_op){ 0 };
	ASSERT_EQ(0, vx_queue(&op, self->cap, VIPC_IOC_SEND_X, &tx));
	rx = vx_room(self->in, ROOM);
	ASSERT_EQ(0, vx_recv(self->fd, &rx));
	EXPECT_EQ(0, vx_end(&op));
	EXPECT_EQ(variant->len, rx.rx_len);
	EXPECT_EQ(0, memcmp(self->in, self->out, variant->len));
}

/* The receiver's memory: it is told, and the next one gets the message. */
TEST_F(fault, receiver)
{
	for (int i = 0; i < 32; i++) {
		int how = i % 4;
		bool call = i & 4, waiting = i & 8, reply_recv = i & 16;
		struct vt_op op = { 0 }, recv = { 0 }, second = { .msg = vt_msg(2) };
		struct vipc_xmsg rx = vx_room(self->in, ROOM), tx, was;
		unsigned long recv_cmd = reply_recv ? VIPC_IOC_REPLY_RECV_X :
					 VIPC_IOC_RECV_X;
		struct vipc_info info;
		struct vipc_msg m = { 0 };

		request(&tx);
		was = rx;
		if (waiting) {
			ASSERT_EQ(0, vx_wait(&recv, self->fd, recv_cmd, &rx));
			ASSERT_EQ(0, take_away(self->in, variant->len, how));
			ASSERT_EQ(0, vx_start(&op, self->cap, requests[call], &tx));
		} else {
			ASSERT_EQ(0, take_away(self->in, variant->len, how));
			ASSERT_EQ(0, vx_queue(&op, self->cap, requests[call], &tx));
			ASSERT_EQ(0, vx_start(&recv, self->fd, recv_cmd, &rx));
		}
		EXPECT_EQ(-EFAULT, vx_end(&recv));
		EXPECT_EQ(0, memcmp(&was, &rx, sizeof(rx)));
		ASSERT_EQ(0, vt_op_start(&second, self->cap, VIPC_IOC_SEND));
		ASSERT_EQ(0, vt_wait_senders(self->fd, 2));
		ASSERT_EQ(0, vt_info(self->fd, &info));
		EXPECT_EQ(0, info.in_service);
		EXPECT_EQ(info.received, info.sent + info.called);
		EXPECT_FALSE(vt_op_done(&op));
		ASSERT_EQ(0, give_back(self->in));
		take_and_answer();
		EXPECT_EQ(0, vx_end(&op));
		EXPECT_EQ(0, vt_recv(self->fd, &m));
		EXPECT_TRUE(vt_msg_is(&m, 2));
		EXPECT_EQ(0, vx_end(&second));
	}
}

/* Given back, it may leave, and nobody had it then. */
TEST_F(fault, given_back_and_left)
{
	for (int call = 0; call < 2; call++) {
		struct vipc_xmsg rx = vx_room(self->in, ROOM), tx;
		struct vt_op recv = { 0 };

		ASSERT_EQ(0, vx_wait(&recv, self->fd, VIPC_IOC_RECV_X, &rx));
		ASSERT_EQ(0, take_away(self->in, variant->len, HALF));
		/* On a busy machine its time may be over before it is taken. */
		for (unsigned int ms = 700; ms < 50000 && !vt_op_done(&recv); ms *= 4) {
			struct vt_op op = { 0 };

			request(&tx);
			tx.msg.deadline_ns = vt_in_ms(ms);
			ASSERT_EQ(0, vx_start(&op, self->cap, requests[call], &tx));
			EXPECT_EQ(-ETIMEDOUT, vx_end(&op));
			EXPECT_EQ(0, tx.msg.flags);
		}
		EXPECT_EQ(-EFAULT, vx_end(&recv));
		EXPECT_EQ(0, vt_senders(self->fd));
		ASSERT_EQ(0, give_back(self->in));
	}
}

/* What must not be queued does not come to be queued in this way. */
TEST_F(fault, given_back_and_not_queued)
{
	for (int call = 0; call < 2; call++) {
		struct vt_op recv = { 0 };
		struct vipc_xmsg rx = vx_room(self->in, ROOM), tx;

		request(&tx);
		tx.msg.flags = VIPC_NONBLOCK;
		ASSERT_EQ(0, vx_wait(&recv, self->fd, VIPC_IOC_RECV_X, &rx));
		ASSERT_EQ(0, take_away(self->in, variant->len, READ_ONLY));
		EXPECT_EQ(-EAGAIN, vt_ioctl(self->cap, requests[call], &tx));
		EXPECT_EQ(VIPC_NONBLOCK, tx.msg.flags);
		EXPECT_EQ(-EFAULT, vx_end(&recv));
		ASSERT_EQ(0, give_back(self->in));
	}
}

/* The server's memory for the reply: the call goes on. */
TEST_F(fault, replying)
{
	for (int i = 0; i < 8; i++) {
		int how = i % 4;
		bool readable = how == READ_ONLY || how == HALF_READ_ONLY;
		unsigned long cmd = i / 4 ? VIPC_IOC_REPLY_RECV_X :
				    VIPC_IOC_REPLY_X;
		struct vipc_xmsg rx = vx_room(self->in, ROOM), tx, was;
		struct vipc_info before, after;
		struct vt_op op = { 0 };

		request(&tx);
		ASSERT_EQ(0, vx_queue(&op, self->cap, VIPC_IOC_CALL_X, &tx));
		ASSERT_EQ(0, vx_recv(self->fd, &rx));
		ASSERT_EQ(0, take_away(self->back, variant->len, how));
		vx_set_tx(&rx, self->back, variant->len);
		rx.msg.flags = VIPC_NONBLOCK;
		was = rx;
		ASSERT_EQ(0, vt_info(self->fd, &before));
		if (!readable) {
			EXPECT_EQ(-EFAULT, vt_ioctl(self->fd, cmd, &rx));
			EXPECT_EQ(0, memcmp(&was, &rx, sizeof(rx)));
		}
		rx.tx_buf = 0xffff888000000000ull;
		EXPECT_EQ(-EFAULT, vt_ioctl(self->fd, cmd, &rx));
		rx.tx_buf = was.tx_buf;
		ASSERT_EQ(0, vt_info(self->fd, &after));
		EXPECT_EQ(0, memcmp(&before, &after, sizeof(after)));
		EXPECT_FALSE(vt_op_done(&op));
		if (!readable) {
			ASSERT_EQ(0, give_back(self->back));
		}
		EXPECT_EQ(i / 4 ? -EAGAIN : 0, vt_ioctl(self->fd, cmd, &rx));
		ASSERT_EQ(0, give_back(self->back));
		ASSERT_EQ(0, vx_end(&op));
		EXPECT_EQ(variant->len, tx.rx_len);
		EXPECT_TRUE(vx_is(self->answer, variant->len, 2));
	}
}

/* A reply that faulted has not taken the call's right to leave. */
TEST_F(fault, call_may_leave_after_a_bad_reply)
{
	struct vipc_xmsg rx = vx_room(self->in, ROOM), tx;
	struct vt_op op = { 0 };

	request(&tx);
	tx.msg.deadline_ns = vt_in_ms(700);
	ASSERT_EQ(0, vx_start(&op, self->cap, VIPC_IOC_CALL_X, &tx));
	ASSERT_EQ(0, vx_recv(self->fd, &rx));
	ASSERT_EQ(0, take_away(self->back, variant->len, HALF));
	vx_set_tx(&rx, self->back, variant->len);
	EXPECT_EQ(-EFAULT, vx_reply(self->fd, &rx));
	EXPECT_EQ(-ETIMEDOUT, vx_end(&op));
	EXPECT_EQ(VIPC_MSG_DELIVERED, tx.msg.flags);
	EXPECT_EQ(-ESRCH, vx_reply(self->fd, &rx));
}

/*
 * The sender's memory after it has sent. What it was then is what arrives; and
 * what was pinned stays, whatever becomes of the mapping.
 */
TEST_F(fault, source_goes_away)
{
	for (int i = 0; i < 4; i++) {
		bool unmap = i / 2;
		struct vt_op op = { 0 };
		struct vipc_xmsg tx;

		request(&tx);
		ASSERT_EQ(0, vx_queue(&op, self->cap, requests[i % 2], &tx));
		if (unmap) {
			ASSERT_EQ(0, munmap(self->out, ROOM));
		} else {
			ASSERT_EQ(0, mprotect(self->out, ROOM, PROT_NONE));
		}
		take_and_answer();
		EXPECT_EQ(0, vx_end(&op));
		EXPECT_EQ(0, vx_pinned_kib());
		if (unmap)
			self->out = vx_map(ROOM);
		ASSERT_NE(NULL, self->out);
		ASSERT_EQ(0, give_back(self->out));
		vx_fill(self->out, ROOM, 1);
	}
}

/*
 * The caller's room, while it is in service. The server is never told. Into pinned
 * pages the answer goes in any case; where it has to be copied once more, that
 * fails, and the caller alone is told.
 */
TEST_F(fault, room_goes_away)
{
	for (int i = 0; i < 6; i++) {
		int how = i % 3;
		bool unmap = i / 3;
		struct vipc_xmsg rx = vx_room(self->in, ROOM), tx;
		int want = variant->len < VX_PIN_MIN ? -EFAULT : 0;
		struct vt_op op = { 0 };

		request(&tx);
		ASSERT_EQ(0, vx_queue(&op, self->cap, VIPC_IOC_CALL_X, &tx));
		ASSERT_EQ(0, vx_recv(self->fd, &rx));
		if (unmap) {
			ASSERT_EQ(self->answer,
				  mmap(self->answer, ROOM, PROT_NONE,
				       MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0));
		} else {
			ASSERT_EQ(0, take_away(self->answer, variant->len, how));
		}
		vx_set_tx(&rx, self->back, variant->len);
		EXPECT_EQ(0, vx_reply(self->fd, &rx));
		EXPECT_EQ(-ESRCH, vx_reply(self->fd, &rx));
		ASSERT_EQ(want, vx_end(&op));
		ASSERT_EQ(0, give_back(self->answer));
		if (want) {
			EXPECT_EQ(VIPC_MSG_DELIVERED, tx.msg.flags);
		} else {
			EXPECT_EQ(variant->len, tx.rx_len);
			EXPECT_EQ(!unmap, vx_is(self->answer, variant->len, 2));
		}
		/* A reply that is copied into room that is pinned. */
		request(&tx);
		op = (struct vt_op){ 0 };
		ASSERT_EQ(0, vx_queue(&op, self->cap, VIPC_IOC_CALL_X, &tx));
		ASSERT_EQ(0, vx_recv(self->fd, &rx));
		ASSERT_EQ(0, take_away(self->answer, 1, how));
		vx_set_tx(&rx, self->back, 1);
		EXPECT_EQ(0, vx_reply(self->fd, &rx));
		EXPECT_EQ(-EFAULT, vx_end(&op));
		EXPECT_EQ(VIPC_MSG_DELIVERED, tx.msg.flags);
		ASSERT_EQ(0, give_back(self->answer));
	}
}

/* The structure itself, which lies in two pages, of which one goes away. */
TEST_F(fault, structure)
{
	static const unsigned int split[] = { 16, 32, 60, 64, 72, 100, 120 };
	uint8_t *pages = vx_map(2 * VX_PAGE);

	ASSERT_NE(NULL, pages);
	for (size_t i = 0; i < 4 * ARRAY_SIZE(split); i++) {
		struct vipc_xmsg *at = (void *)(pages + VX_PAGE - split[i / 4]);
		int prot = i % 4 / 2 ? PROT_NONE : PROT_READ;
		bool first = i % 2;
		struct vipc_xmsg tx, rx = vx_room(self->in, ROOM);
		struct vt_op op = { 0 }, recv = { .arg = at };

#define lose() mprotect(pages + (first ? 0 : VX_PAGE), VX_PAGE, prot)
#define restore() mprotect(pages, 2 * VX_PAGE, PROT_READ | PROT_WRITE)
		/* From the beginning: nothing has happened. */
		request(&tx);
		memcpy(at, &tx, sizeof(tx));
		ASSERT_EQ(0, lose());
		EXPECT_EQ(-EFAULT, vx_call(self->cap, at));
		EXPECT_EQ(-EFAULT, vx_recv(self->fd, at));
		EXPECT_EQ(-EFAULT, vx_reply_recv(self->fd, at));
		if (prot == PROT_NONE) {
			EXPECT_EQ(-EFAULT, vx_send(self->cap, at));
			EXPECT_EQ(-EFAULT, vx_reply(self->fd, at));
		}
		EXPECT_EQ(0, vt_senders(self->fd));

		/* The receiver's, while it waits. */
		ASSERT_EQ(0, restore());
		memcpy(at, &rx, sizeof(rx));
		ASSERT_EQ(0, vx_wait(&recv, self->fd, VIPC_IOC_RECV_X, at));
		ASSERT_EQ(0, lose());
		ASSERT_EQ(0, vx_start(&op, self->cap, VIPC_IOC_CALL_X, &tx));
		EXPECT_EQ(-EFAULT, vx_end(&recv));
		ASSERT_EQ(0, restore());
		EXPECT_TRUE(at->msg.reply == 0) {
			TH_LOG("the page ends after %u bytes", split[i / 4]);
		}
		take_and_answer();
		EXPECT_EQ(0, vx_end(&op));

		/* The caller's, while it is in service. */
		memcpy(at, &tx, sizeof(tx));
		request(at);
		op = (struct vt_op){ 0 };
		ASSERT_EQ(0, vx_queue(&op, self->cap, VIPC_IOC_CALL_X, at));
		ASSERT_EQ(0, lose());
		take_and_answer();
		EXPECT_EQ(-EFAULT, vx_end(&op));
		ASSERT_EQ(0, restore());
	}
	munmap(pages, 2 * VX_PAGE);
}

/* A series arrives complete and in order whatever flickers on either side. */
#define SERIES	400

static struct {
	uint8_t *a, *b;
	int fd, wrong;
	uint32_t len;
	bool call, stop;
} flicker;

static void *flickers(void *unused)
{
	while (!vp_get(&flicker.stop)) {
		mprotect(flicker.a, VX_PAGE, PROT_NONE);
		mprotect(flicker.b, VX_PAGE, PROT_READ);
		sched_yield();
		mprotect(flicker.a, VX_PAGE, PROT_READ | PROT_WRITE);
		mprotect(flicker.b, VX_PAGE, PROT_READ | PROT_WRITE);
		sched_yield();
	}
	return unused;
}

static void *sends(void *out)
{
	for (uint64_t i = 0; i < SERIES; i++) {
		struct vipc_xmsg tx = vx_msg(i, out, flicker.len);
		int ret;

		while ((ret = vt_ioctl(flicker.fd, requests[flicker.call], &tx)) ==
		       -EFAULT && !(tx.msg.flags & VIPC_MSG_DELIVERED))
			;
		flicker.wrong += ret != 0;
	}
	return NULL;
}

TEST_F(fault, flickering)
{
	for (int call = 0; call < 2; call++) {
		struct vipc_xmsg rx;
		pthread_t f, s;
		int ret;

		flicker = (typeof(flicker)){
			.a = self->out,
			.b = self->in,
			.fd = self->cap,
			.len = variant->len,
			.call = call,
		};
		ASSERT_EQ(0, pthread_create(&f, NULL, flickers, NULL));
		ASSERT_EQ(0, pthread_create(&s, NULL, sends, self->out));
		for (uint64_t i = 0; i < SERIES; i++) {
			do {
				rx = vx_room(self->in, ROOM);
				ret = vx_recv(self->fd, &rx);
			} while (ret == -EFAULT);
			ASSERT_EQ(0, ret);
			ASSERT_TRUE(vt_msg_is(&rx.msg, i));
			ASSERT_EQ(variant->len, rx.rx_len);
			EXPECT_TRUE(vx_is(self->in, variant->len, 1));
			if (call) {
				EXPECT_EQ(0, vx_reply(self->fd, &rx));
			}
		}
		ASSERT_EQ(0, vt_join(s));
		vp_set(&flicker.stop, true);
		ASSERT_EQ(0, vt_join(f));
		EXPECT_EQ(0, flicker.wrong);
		ASSERT_EQ(0, give_back(self->out));
		ASSERT_EQ(0, give_back(self->in));
	}
}

TEST_HARNESS_MAIN
