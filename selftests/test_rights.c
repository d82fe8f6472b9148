// SPDX-License-Identifier: GPL-2.0
/*
 * What a capability allows: every set of rights with every operation, what may
 * be derived from what, that a capability reaches its own endpoint only, and
 * the badge rules.
 */
#include <sys/eventfd.h>

#include "vipc_selftest.h"

/* The nine operations, each with the rights that it needs. */
static const struct {
	const char *name;
	unsigned long cmd;
	uint32_t needs;
} ops[] = {
	{ "SEND", VIPC_IOC_SEND, VIPC_RIGHT_SEND },
	{ "RECV", VIPC_IOC_RECV, VIPC_RIGHT_RECV },
	{ "CALL", VIPC_IOC_CALL, VIPC_RIGHT_SEND },
	{ "REPLY", VIPC_IOC_REPLY, VIPC_RIGHT_RECV },
	{ "REPLY_RECV", VIPC_IOC_REPLY_RECV, VIPC_RIGHT_RECV },
	{ "DERIVE", VIPC_IOC_DERIVE, VIPC_RIGHT_GRANT },
	{ "REVOKE", VIPC_IOC_REVOKE, VIPC_RIGHT_REVOKE },
	{ "SHUTDOWN", VIPC_IOC_SHUTDOWN, VIPC_RIGHT_RECV | VIPC_RIGHT_REVOKE },
	{ "INFO", VIPC_IOC_INFO, 0 },
};

FIXTURE(matrix)
{
	int root, cap;
};

FIXTURE_VARIANT(matrix)
{
	size_t op;
};

FIXTURE_VARIANT_ADD(matrix, send) { .op = 0 };
FIXTURE_VARIANT_ADD(matrix, recv) { .op = 1 };
FIXTURE_VARIANT_ADD(matrix, call) { .op = 2 };
FIXTURE_VARIANT_ADD(matrix, reply) { .op = 3 };
FIXTURE_VARIANT_ADD(matrix, reply_recv) { .op = 4 };
FIXTURE_VARIANT_ADD(matrix, derive) { .op = 5 };
FIXTURE_VARIANT_ADD(matrix, revoke) { .op = 6 };
FIXTURE_VARIANT_ADD(matrix, shutdown) { .op = 7 };
FIXTURE_VARIANT_ADD(matrix, info) { .op = 8 };

FIXTURE_SETUP(matrix)
{
	self->root = vt_open();
	ASSERT_LE(0, self->root);
}

FIXTURE_TEARDOWN(matrix)
{
	close(self->root);
}

/* Everything that could be refused or work is ready for it to work. */
static void refused(struct __test_metadata *_metadata, int root, int cap,
		    size_t op)
{
	struct vipc_msg m = vt_msg(1);
	struct vipc_derive d = { 0 };
	struct vipc_info before, after;
	struct vt_op receiver = { 0 }, sender = { .msg = vt_msg(2) };
	bool sends = ops[op].needs == VIPC_RIGHT_SEND;

	if (sends) {
		ASSERT_EQ(0, vt_op_start(&receiver, root, VIPC_IOC_RECV));
		ASSERT_EQ(0, vt_wait_receivers(root, 1));
	} else {
		ASSERT_EQ(0, vt_op_start(&sender, root, VIPC_IOC_SEND));
		ASSERT_EQ(0, vt_wait_senders(root, 1));
	}
	ASSERT_EQ(0, vt_info(root, &before));
	m.reply = 1;
	ASSERT_EQ(-EACCES, vt_ioctl(cap, ops[op].cmd,
				    ops[op].cmd == VIPC_IOC_DERIVE ?
				    (void *)&d : (void *)&m)) {
		TH_LOG("%s", ops[op].name);
	}
	/* Also with a deadline that has passed, and if it need not wait. */
	m.deadline_ns = 1;
	m.flags = VIPC_NONBLOCK;
	ASSERT_EQ(-EACCES, vt_ioctl(cap, ops[op].cmd,
				    ops[op].cmd == VIPC_IOC_DERIVE ?
				    (void *)&d : (void *)&m));
	ASSERT_EQ(0, vt_info(root, &after));
	ASSERT_EQ(0, memcmp(&before, &after, sizeof(after)));
	if (sends) {
		m = vt_msg(3);
		ASSERT_EQ(0, vt_send(root, &m));
		ASSERT_EQ(0, vt_op_join(&receiver));
		ASSERT_TRUE(vt_msg_is(&receiver.msg, 3));
	} else {
		ASSERT_EQ(0, vt_recv(root, &m));
		ASSERT_TRUE(vt_msg_is(&m, 2));
		ASSERT_EQ(0, vt_op_join(&sender));
	}
}

static void send_works(struct __test_metadata *_metadata, int root, int cap,
		       unsigned long cmd)
{
	struct vt_op op = { .msg = vt_msg(10) };
	struct vipc_msg m = { 0 };

	ASSERT_EQ(0, vt_op_start(&op, cap, cmd));
	ASSERT_EQ(0, vt_recv(root, &m));
	ASSERT_TRUE(vt_msg_is(&m, 10));
	ASSERT_EQ(77, m.badge);
	ASSERT_EQ(cmd == VIPC_IOC_CALL, m.reply != 0);
	if (cmd == VIPC_IOC_CALL) {
		m.data[0]++;
		ASSERT_EQ(0, vt_reply(root, &m));
	}
	ASSERT_EQ(0, vt_op_join(&op));
	ASSERT_EQ(0, op.ret);
	ASSERT_EQ(cmd == VIPC_IOC_CALL ? 11 : 10, op.msg.data[0]);
}

static void recv_works(struct __test_metadata *_metadata, int root, int cap,
		       unsigned long cmd)
{
	struct vt_op call = { .msg = vt_msg(20) };
	struct vt_op send = { .msg = vt_msg(21) };
	struct vipc_msg m = { 0 };

	ASSERT_EQ(0, vt_op_start(&call, root, VIPC_IOC_CALL));
	ASSERT_EQ(0, vt_recv(cap, &m));
	ASSERT_TRUE(vt_msg_is(&m, 20));
	m.data[1] = 22;
	if (cmd == VIPC_IOC_REPLY_RECV) {
		ASSERT_EQ(0, vt_op_start(&send, root, VIPC_IOC_SEND));
		ASSERT_EQ(0, vt_reply_recv(cap, &m));
		ASSERT_TRUE(vt_msg_is(&m, 21));
		ASSERT_EQ(0, vt_op_join(&send));
	} else {
		ASSERT_EQ(0, vt_reply(cap, &m));
	}
	ASSERT_EQ(0, vt_op_join(&call));
	ASSERT_EQ(0, call.ret);
	ASSERT_EQ(22, call.msg.data[1]);
}

static void works(struct __test_metadata *_metadata, int root, int cap,
		  size_t op, uint32_t rights)
{
	struct vipc_info info;
	int fd;

	switch (ops[op].cmd) {
	case VIPC_IOC_SEND:
	case VIPC_IOC_CALL:
		send_works(_metadata, root, cap, ops[op].cmd);
		break;
	case VIPC_IOC_RECV:
	case VIPC_IOC_REPLY:
	case VIPC_IOC_REPLY_RECV:
		recv_works(_metadata, root, cap, ops[op].cmd);
		break;
	case VIPC_IOC_DERIVE:
		fd = vt_derive(cap, rights, 77);
		ASSERT_LE(0, fd);
		ASSERT_EQ(FD_CLOEXEC, fcntl(fd, F_GETFD));
		ASSERT_EQ(0, vt_info(fd, &info));
		ASSERT_EQ(rights, info.rights);
		ASSERT_EQ(77, info.badge);
		close(fd);
		break;
	case VIPC_IOC_REVOKE:
		/* With GRANT there is something to revoke. */
		fd = vt_derive(cap, 0, 77);
		ASSERT_EQ(rights & VIPC_RIGHT_GRANT ? 0 : -EACCES,
			  fd < 0 ? fd : 0);
		ASSERT_EQ(0, vt_revoke(cap));
		ASSERT_EQ(0, vt_info(cap, &info));
		if (fd >= 0) {
			ASSERT_EQ(-EKEYREVOKED, vt_info(fd, &info));
			close(fd);
		}
		break;
	case VIPC_IOC_SHUTDOWN:
		ASSERT_EQ(0, vt_shutdown(cap));
		ASSERT_EQ(0, vt_info(root, &info));
		ASSERT_EQ(VIPC_STATE_DEAD, info.state);
		break;
	case VIPC_IOC_INFO:
		ASSERT_EQ(0, vt_info(cap, &info));
		ASSERT_EQ(rights, info.rights);
		break;
	}
}

TEST_F(matrix, every_set_of_rights)
{
	uint32_t needs = ops[variant->op].needs;

	for (uint32_t rights = 0; rights <= VIPC_RIGHTS_ALL; rights++) {
		int cap = vt_derive(self->root, rights, 77);

		ASSERT_LE(0, cap);
		if ((rights & needs) == needs)
			works(_metadata, self->root, cap, variant->op, rights);
		else
			refused(_metadata, self->root, cap, variant->op);
		close(cap);
		if (ops[variant->op].cmd == VIPC_IOC_SHUTDOWN) {
			close(self->root);
			self->root = vt_open();
			ASSERT_LE(0, self->root);
		}
	}
}

TEST(derived_rights_are_a_subset)
{
	int root = vt_open();

	ASSERT_LE(0, root);
	for (uint32_t have = 0; have <= VIPC_RIGHTS_ALL; have++) {
		int parent = vt_derive(root, have, 0);

		ASSERT_LE(0, parent);
		for (uint32_t want = 0; want <= VIPC_RIGHTS_ALL; want++) {
			int fd = vt_derive(parent, want, 0);
			struct vipc_info info;

			if (!(have & VIPC_RIGHT_GRANT) || want & ~have) {
				ASSERT_EQ(-EACCES, fd) {
					TH_LOG("%#x from %#x", want, have);
				}
				continue;
			}
			ASSERT_LE(0, fd);
			ASSERT_EQ(0, vt_info(fd, &info));
			ASSERT_EQ(want, info.rights);
			close(fd);
		}
		close(parent);
	}
	close(root);
}

/* O_RDONLY and O_WRONLY drop rights that deriving cannot bring back. */
TEST(open_mode_bounds_what_is_derived)
{
	int fd = vt_open_flags(O_RDONLY);

	ASSERT_LE(0, fd);
	EXPECT_EQ(-EACCES, vt_derive(fd, VIPC_RIGHT_SEND, 0));
	EXPECT_EQ(-EACCES, vt_derive(fd, VIPC_RIGHTS_ALL, 0));
	close(fd);
}

TEST(badges)
{
	int root = vt_open(), badged, child;
	struct vipc_info info;

	ASSERT_LE(0, root);
	for (int bit = 0; bit < 64; bit++) {
		badged = vt_derive(root, VIPC_RIGHTS_ALL, 1ull << bit);
		ASSERT_LE(0, badged);
		ASSERT_EQ(0, vt_info(badged, &info));
		ASSERT_EQ(1ull << bit, info.badge);
		close(badged);
	}
	badged = vt_derive(root, VIPC_RIGHTS_ALL, ~0ull);
	ASSERT_LE(0, badged);
	EXPECT_EQ(-EINVAL, vt_derive(badged, VIPC_RIGHTS_ALL, 0));
	EXPECT_EQ(-EINVAL, vt_derive(badged, VIPC_RIGHTS_ALL, 1));
	EXPECT_EQ(-EINVAL, vt_derive(badged, 0, ~1ull));
	child = vt_derive(badged, VIPC_RIGHT_SEND, ~0ull);
	ASSERT_LE(0, child);
	send_works(_metadata, root, vt_derive(root, VIPC_RIGHT_SEND, 77),
		   VIPC_IOC_SEND);
	/* Without a badge, however far down, any badge is possible. */
	close(badged);
	close(child);
	badged = vt_derive(root, VIPC_RIGHTS_ALL, 0);
	child = vt_derive(badged, VIPC_RIGHTS_ALL, 0);
	close(badged);
	badged = vt_derive(child, VIPC_RIGHT_SEND, 5);
	ASSERT_LE(0, badged);
	ASSERT_EQ(0, vt_info(badged, &info));
	EXPECT_EQ(5, info.badge);
	close(root);
}

/* The right is looked at before the badge. */
TEST(order_of_errors)
{
	int root = vt_open(), badged, weak;
	struct vipc_derive d = { .rights = VIPC_RIGHTS_ALL, .badge = 2 };

	ASSERT_LE(0, root);
	badged = vt_derive(root, VIPC_RIGHT_SEND | VIPC_RIGHT_GRANT, 1);
	EXPECT_EQ(-EACCES, vt_ioctl(badged, VIPC_IOC_DERIVE, &d));
	d.rights = VIPC_RIGHT_SEND;
	EXPECT_EQ(-EINVAL, vt_ioctl(badged, VIPC_IOC_DERIVE, &d));
	weak = vt_derive(root, 0, 1);
	EXPECT_EQ(-EACCES, vt_ioctl(weak, VIPC_IOC_DERIVE, &d));
	d.rights = 0x10;
	EXPECT_EQ(-EINVAL, vt_ioctl(weak, VIPC_IOC_DERIVE, &d));
	/* ... and before the life of the endpoint, after revocation. */
	ASSERT_EQ(0, vt_shutdown(root));
	EXPECT_EQ(-EACCES, vt_derive(weak, 0, 1));
	EXPECT_EQ(-EINVAL, vt_derive(badged, 0, 2));
	EXPECT_EQ(-EPIPE, vt_derive(badged, 0, 1));
	ASSERT_EQ(0, vt_revoke(root));
	EXPECT_EQ(-EKEYREVOKED, vt_derive(weak, 0, 1));
	EXPECT_EQ(-EKEYREVOKED, vt_derive(badged, 0, 2));
	d.rights = 0x10;
	EXPECT_EQ(-EINVAL, vt_ioctl(weak, VIPC_IOC_DERIVE, &d));
	close(root);
}

/* Two endpoints alike in everything but identity. */
FIXTURE(two)
{
	int a, b, to_a, to_b;
};

FIXTURE_SETUP(two)
{
	self->a = vt_open();
	self->b = vt_open();
	self->to_a = vt_derive(self->a, VIPC_RIGHT_SEND, 9);
	self->to_b = vt_derive(self->b, VIPC_RIGHT_SEND, 9);
	ASSERT_LE(0, self->to_a);
	ASSERT_LE(0, self->to_b);
}

FIXTURE_TEARDOWN(two)
{
}

/* A receiver of A never sees what was sent to B, on either path. */
TEST_F(two, messages_stay_on_their_endpoint)
{
	struct vt_op on_a = { 0 }, on_b = { .msg = vt_msg(1) };
	struct vipc_msg m = vt_msg(2);

	ASSERT_EQ(0, vt_op_start(&on_a, self->a, VIPC_IOC_RECV));
	ASSERT_EQ(0, vt_wait_receivers(self->a, 1));
	ASSERT_EQ(0, vt_op_start(&on_b, self->to_b, VIPC_IOC_SEND));
	ASSERT_EQ(0, vt_wait_senders(self->b, 1));
	m.flags = VIPC_NONBLOCK;
	EXPECT_EQ(-EAGAIN, vt_send(self->to_b, &m));
	EXPECT_EQ(-EAGAIN, vt_call(self->to_b, &m));
	EXPECT_EQ(-EAGAIN, vt_send(self->b, &m));
	EXPECT_FALSE(vt_op_done(&on_a));
	ASSERT_EQ(1, vt_receivers(self->a));
	m = vt_msg(3);
	ASSERT_EQ(0, vt_send(self->to_a, &m));
	ASSERT_EQ(0, vt_op_join(&on_a));
	EXPECT_TRUE(vt_msg_is(&on_a.msg, 3));
	EXPECT_EQ(9, on_a.msg.badge);
	ASSERT_EQ(0, vt_recv(self->b, &m));
	EXPECT_TRUE(vt_msg_is(&m, 1));
	ASSERT_EQ(0, vt_op_join(&on_b));
}

/* Calls alike in badge and number, on two endpoints: their tokens do not mix. */
TEST_F(two, tokens_stay_on_their_endpoint)
{
	struct vt_op ca = { .msg = vt_msg(1) }, cb = { .msg = vt_msg(2) };
	struct vipc_msg ma = { 0 }, mb = { 0 }, m;

	ASSERT_EQ(0, vt_op_start(&ca, self->to_a, VIPC_IOC_CALL));
	ASSERT_EQ(0, vt_op_start(&cb, self->to_b, VIPC_IOC_CALL));
	ASSERT_EQ(0, vt_recv(self->a, &ma));
	ASSERT_EQ(0, vt_recv(self->b, &mb));
	/* Tokens are unique on one endpoint only: alike, they prove nothing. */
	if (ma.reply != mb.reply) {
		m = ma;
		EXPECT_EQ(-ESRCH, vt_reply(self->b, &m));
		EXPECT_EQ(-ESRCH, vt_reply_recv(self->b, &m));
		m = mb;
		EXPECT_EQ(-ESRCH, vt_reply(self->a, &m));
		EXPECT_EQ(-ESRCH, vt_reply_recv(self->a, &m));
	}
	EXPECT_FALSE(vt_op_done(&ca));
	EXPECT_FALSE(vt_op_done(&cb));
	ma.data[0] = 100;
	ASSERT_EQ(0, vt_reply(self->a, &ma));
	ASSERT_EQ(0, vt_op_join(&ca));
	EXPECT_EQ(100, ca.msg.data[0]);
	EXPECT_FALSE(vt_op_done(&cb));
	mb.data[0] = 200;
	ASSERT_EQ(0, vt_reply(self->b, &mb));
	ASSERT_EQ(0, vt_op_join(&cb));
	EXPECT_EQ(200, cb.msg.data[0]);
}

/* Managing one endpoint leaves the other alone. */
TEST_F(two, management_stays_on_its_endpoint)
{
	struct vipc_info info;

	ASSERT_EQ(0, vt_revoke(self->b));
	EXPECT_EQ(-EKEYREVOKED, vt_info(self->to_b, &info));
	EXPECT_EQ(0, vt_info(self->to_a, &info));
	ASSERT_EQ(0, vt_shutdown(self->b));
	ASSERT_EQ(0, vt_info(self->a, &info));
	EXPECT_EQ(VIPC_STATE_LIVE, info.state);
	EXPECT_EQ(2, info.capabilities);
	send_works(_metadata, self->a, vt_derive(self->a, VIPC_RIGHT_SEND, 77),
		   VIPC_IOC_CALL);
}

TEST_HARNESS_MAIN
