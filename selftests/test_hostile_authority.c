// SPDX-License-Identifier: GPL-2.0
/*
 * Clients that make more of their capability than was meant: revoke it, multiply it,
 * pass it on, or use it for what they may not do.
 */
#include "hostile_client.h"

static void revoke_itself(int cap, struct shared *sh, struct vp_rng *rng)
{
	struct vt_op op = { .msg = vt_msg(4) };
	int mine = vt_derive(cap, VIPC_RIGHT_SEND, HOSTILE);
	struct vipc_msg m = vt_msg(5);

	if (vt_op_start(&op, mine, VIPC_IOC_CALL))
		_exit(9);
	vp_spin(vp_random(rng, 20000));
	vt_revoke(cap);
	if (vt_op_join(&op))
		_exit(10);
	/* The other attacker may have revoked it first. */
	if ((op.ret && op.ret != -EKEYREVOKED) ||
	    vt_call(mine, &m) != -EKEYREVOKED)
		vp_add(&sh->wrong, 1);
	close(mine);
}

TEST_F(hostile, revokes_itself)
{
	attack(_metadata, self, revoke_itself);
}

/* As many capabilities as it may have, in a bush and in a chain. */
static void derive_all_it_can(int cap, struct shared *sh VP_UNUSED,
			      struct vp_rng *rng)
{
	const uint32_t rights = VIPC_RIGHT_SEND | VIPC_RIGHT_GRANT |
				VIPC_RIGHT_REVOKE;
	int from = cap, fd;

	for (;;) {
		fd = vt_derive(from, rights, HOSTILE);
		if (fd < 0)
			break;
		if (vp_random(rng, 4))
			from = fd;
	}
	if (vp_random(rng, 2))
		vt_revoke(cap);
	vp_keep_only(cap);
}

TEST_F(hostile, derives_all_it_can)
{
	attack(_metadata, self, derive_all_it_can);
}

/* What it was not given, and what it might guess. */
static void reach_for_more(int cap, struct shared *sh, struct vp_rng *rng)
{
	const unsigned long refused[] = {
		VIPC_IOC_RECV, VIPC_IOC_REPLY, VIPC_IOC_REPLY_RECV,
		VIPC_IOC_SHUTDOWN,
	};
	int fd;

	for (size_t i = 0; i < ARRAY_SIZE(refused); i++) {
		struct vipc_msg m = vt_msg(6);

		m.reply = ((uint64_t)vp_random(rng, ~0u) << 32) |
			  vp_random(rng, ~0u);
		m.flags = VIPC_NONBLOCK;
		if (vt_ioctl(cap, refused[i], &m) != -EACCES)
			vp_add(&sh->wrong, 1);
	}
	if (vt_derive(cap, VIPC_RIGHT_RECV, HOSTILE) != -EACCES ||
	    vt_derive(cap, VIPC_RIGHT_SEND, HONEST) != -EINVAL ||
	    vt_derive(cap, VIPC_RIGHT_SEND, 0) != -EINVAL)
		vp_add(&sh->wrong, 1);
	/* It can reopen nothing through /proc: that makes another endpoint. */
	char path[32];

	snprintf(path, sizeof(path), "/proc/self/fd/%d", cap);
	fd = open(path, O_RDWR | O_CLOEXEC);
	if (fd >= 0) {
		struct vipc_msg m = { .flags = VIPC_NONBLOCK };

		if (vt_capabilities(fd) != 1 || vt_recv(fd, &m) != -EAGAIN)
			vp_add(&sh->wrong, 1);
		close(fd);
	}
}

TEST_F(hostile, reaches_for_more)
{
	attack(_metadata, self, reach_for_more);
}

/* Capabilities in flight over a socket that nobody will ever read. */
static void send_into_nowhere(int cap, struct shared *sh VP_UNUSED,
			      struct vp_rng *rng)
{
	int mine = vt_derive(cap, VIPC_RIGHT_SEND, HOSTILE), sv[2];

	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, sv))
		_exit(9);
	vt_send_fd(sv[0], mine);
	if (vp_random(rng, 2))
		vt_send_fd(sv[0], sv[1]); /* now the sockets hold themselves */
	close(mine);
	close(sv[0]);
	close(sv[1]);
}

TEST_F(hostile, sends_its_capability_into_nowhere)
{
	int other[2];

	attack(_metadata, self, send_into_nowhere);
	/* The kernel looks for sockets that nobody holds when one is closed. */
	EXPECT_EQ(0, vt_wait_until(!socketpair(AF_UNIX, SOCK_STREAM, 0, other) &&
				   !close(other[0]) && !close(other[1]) &&
				   vt_capabilities(self->fd) == 3));
}

TEST_HARNESS_MAIN
