// SPDX-License-Identifier: GPL-2.0
/*
 * Loading and unloading: a hundred times with traffic in between, never while
 * anything is open, at once when nothing is. Ends with the module loaded.
 */
#include "vipc_module.h"
#include "vipc_procs.h"

#define CYCLES	100

FIXTURE(module)
{
	int ep;
	struct vp_op *op;
	struct vipc_msg m;
};

FIXTURE_SETUP(module)
{
	self->ep = -1;
	if (access(vm_path(), R_OK))
		SKIP(return, "no %s: set VIPC_KO to the module's path",
		     vm_path());
	if (!vm_loaded())
		ASSERT_EQ(0, vm_load());
	self->op = vp_ops(2);
	/* what other tests left behind would make all of these fail */
	ASSERT_EQ(0, vm_unload());
	ASSERT_EQ(0, vm_load());
	self->ep = vt_open();
	ASSERT_LE(0, self->ep);
}

FIXTURE_TEARDOWN(module)
{
	if (self->ep >= 0)
		close(self->ep);
	if (!access(vm_path(), R_OK) && !vm_loaded())
		EXPECT_EQ(0, vm_load());
}

/* Nothing is open any more: it goes at once, and comes back. */
#define EXPECT_FREE(self) do {						\
	(self)->ep = -1;						\
	EXPECT_EQ(0, vm_unload());						\
	EXPECT_FALSE(vm_loaded());						\
	EXPECT_NE(0, access(VT_DEVICE, F_OK));				\
	EXPECT_NE(0, access(VT_DEBUGFS "stats", F_OK));			\
	EXPECT_EQ(0, vm_load());						\
} while (0)

#define EXPECT_BUSY() do {						\
	EXPECT_EQ(-EWOULDBLOCK, vm_unload());				\
	EXPECT_TRUE(vm_loaded());						\
} while (0)

TEST_F(module, device_file)
{
	struct stat st;

	ASSERT_EQ(0, stat(VT_DEVICE, &st));
	EXPECT_TRUE(S_ISCHR(st.st_mode));
	EXPECT_EQ(0600, st.st_mode & 07777);
	EXPECT_EQ(0, st.st_uid);
	EXPECT_EQ(0, st.st_gid);
}

TEST_F(module, busy_while_open)
{
	int copy;

	EXPECT_BUSY();
	copy = dup(self->ep);
	close(self->ep);
	EXPECT_BUSY();
	close(copy);
	EXPECT_FREE(self);
}

/* A derived capability is no device file, but its code is the module's. */
TEST_F(module, busy_while_derived_is_open)
{
	int snd = vt_derive(self->ep, VIPC_RIGHT_SEND, 1);
	int none = vt_derive(self->ep, 0, 0);

	ASSERT_LE(0, snd);
	ASSERT_LE(0, none);
	close(self->ep);
	EXPECT_BUSY();
	EXPECT_EQ(-EPIPE, vp_send_tag(snd, 1, 0));
	close(snd);
	EXPECT_BUSY();
	EXPECT_EQ(0, vp_probe(none));
	close(none);
	EXPECT_FREE(self);
}

TEST_F(module, busy_while_revoked_is_open)
{
	int snd = vt_derive(self->ep, VIPC_RIGHT_SEND, 1);

	ASSERT_LE(0, snd);
	ASSERT_EQ(0, vt_revoke(self->ep));
	close(self->ep);
	EXPECT_BUSY();
	EXPECT_EQ(-EKEYREVOKED, vp_send_tag(snd, 1, 0));
	close(snd);
	EXPECT_FREE(self);
}

TEST_F(module, busy_while_receiving)
{
	int watch = vt_derive(self->ep, VIPC_RIGHTS_ALL, 0);

	ASSERT_LE(0, watch);
	ASSERT_EQ(0, vp_start(&self->op[0], self->ep, VIPC_IOC_RECV));
	ASSERT_EQ(0, vt_wait_receivers(watch, 1));
	close(self->ep);
	close(watch);
	EXPECT_BUSY();
	EXPECT_EQ(VP_KILLED, vp_kill(self->op[0].pid));
	EXPECT_FREE(self);
}

/* Closed by another thread, so that only the operation holds it. */
TEST_F(module, busy_while_operation_holds_closed_file)
{
	int watch = vt_derive(self->ep, VIPC_RIGHT_SEND, 0);
	struct vt_op op = { 0 };

	ASSERT_LE(0, watch);
	ASSERT_EQ(0, vt_op_start(&op, self->ep, VIPC_IOC_RECV));
	ASSERT_EQ(0, vt_wait_receivers(watch, 1));
	close(self->ep);
	EXPECT_BUSY();
	EXPECT_EQ(0, vp_send_tag(watch, 1, 0));
	ASSERT_EQ(0, vt_op_join(&op));
	EXPECT_EQ(0, op.ret);
	EXPECT_BUSY();
	close(watch);
	EXPECT_FREE(self);
}

TEST_F(module, busy_while_in_flight)
{
	int sock[2];

	ASSERT_EQ(0, socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, sock));
	ASSERT_EQ(0, vt_send_fd(sock[0], self->ep));
	close(self->ep);
	EXPECT_BUSY();
	close(sock[0]);
	EXPECT_BUSY();
	close(sock[1]);
	EXPECT_FREE(self);
}

/* A call, a send, and something left in the queue by one who was killed. */
static int traffic(struct vp_op *op, int i)
{
	int ep = vt_open(), snd = vt_derive(ep, VIPC_RIGHT_SEND, 3), ret;
	struct vipc_msg m;

	if (ep < 0 || snd < 0)
		return -ENODEV;
	ret = vp_start_msg(&op[0], snd, VIPC_IOC_CALL, i);
	ret = ret ?: vt_wait_senders(ep, 1);
	ret = ret ?: vp_recv_now(ep, &m);
	ret = ret ?: vp_reply_tag(ep, m.reply, ~i);
	ret = ret ?: vp_end(&op[0]);
	ret = ret ?: !vt_msg_is(&op[0].msg, ~i);
	ret = ret ?: vp_start_msg(&op[0], snd, VIPC_IOC_SEND, i);
	ret = ret ?: vt_wait_senders(ep, 1);
	ret = ret ?: vp_kill(op[0].pid) != VP_KILLED;
	ret = ret ?: vp_start(&op[1], ep, VIPC_IOC_RECV);
	ret = ret ?: vt_wait_receivers(ep, 1);
	ret = ret ?: vp_send_tag(snd, i, VIPC_NONBLOCK);
	ret = ret ?: vp_end(&op[1]);
	ret = ret ?: vm_unload() != -EWOULDBLOCK;
	close(i & 1 ? ep : snd);
	close(i & 1 ? snd : ep);
	return ret;
}

TEST_F(module, hundred_times_with_traffic)
{
	close(self->ep);
	self->ep = -1;
	for (int i = 0; i < CYCLES; i++) {
		ASSERT_EQ(0, traffic(self->op, i));
		ASSERT_EQ(0, vm_unload());
		ASSERT_EQ(0, vm_load());
		EXPECT_EQ(0, vt_stat_value("endpoints"));
		EXPECT_EQ(0, vt_stat_value("call_count"));
	}
}

/* Opened and unloaded at the same time: one of the two loses, neither hurts. */
TEST_F(module, race_open_with_unload)
{
	int *stop = vp_shared(sizeof(*stop)), *bad = vp_shared(sizeof(*bad));
	int *opened = vp_shared(sizeof(*opened));
	const uint64_t limit = vt_now_ns() + 60 * VT_NSEC;
	int gone = 0, busy = 0;
	pid_t pid;

	close(self->ep);
	self->ep = -1;
	pid = vt_fork();
	ASSERT_LE(0, pid);
	if (!pid) {
		vt_pin(vt_cpus() - 1);
		while (!vp_get(stop)) {
			int ep = vt_open(), snd;

			if (ep < 0) {
				if (ep != -ENOENT && ep != -ENODEV &&
				    ep != -ENXIO)
					vp_set(bad, ep);
				continue;
			}
			snd = vt_derive(ep, VIPC_RIGHT_SEND, 1);
			if (snd < 0 ||
			    vp_send_tag(snd, 1, VIPC_NONBLOCK) != -EAGAIN)
				vp_set(bad, 1);
			close(ep);
			close(snd);
			vp_add(opened, 1);
			/* now the other one may win */
			vp_spin(1000);
		}
		_exit(0);
	}
	/*
	 * Both outcomes must have been met, or it was no race: however often
	 * the other one is stopped while it has the device open.
	 */
	while ((gone < 10 || busy < 10) && vt_now_ns() < limit) {
		int ret = vm_unload();

		if (ret == -EWOULDBLOCK) {
			busy++;
			continue;
		}
		ASSERT_EQ(0, ret);
		gone++;
		ASSERT_EQ(0, vm_load());
		ret = vp_get(opened);
		ASSERT_EQ(0, vt_wait_until(vp_get(opened) > ret));
	}
	vp_set(stop, 1);
	EXPECT_EQ(0, vt_reap(pid));
	EXPECT_EQ(0, *bad);
	EXPECT_LT(0, gone);
	EXPECT_LT(0, busy);
	EXPECT_EQ(0, vm_unload());
	EXPECT_EQ(0, vm_load());
}

TEST_HARNESS_MAIN
