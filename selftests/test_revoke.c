// SPDX-License-Identifier: GPL-2.0
/*
 * Revocation across processes: whatever the holders of the subtree do at that
 * moment, they learn it at once and in the documented way; nobody else notices.
 *
 *	root ── mid ── l1 ── deep
 *	  │      └──── l2
 *	  └──── sib
 */
#include "vipc_procs.h"

#define N_OPS 16

FIXTURE(revokes)
{
	int root, mid, l1, l2, deep, sib;
	struct vp_op *op;
	struct vipc_msg m;
};

FIXTURE_SETUP(revokes)
{
	self->root = vt_open();
	ASSERT_LE(0, self->root);
	self->mid = vt_derive(self->root, VIPC_RIGHTS_ALL, 1);
	self->l1 = vt_derive(self->mid, VIPC_RIGHTS_ALL, 1);
	self->l2 = vt_derive(self->mid, VIPC_RIGHTS_ALL, 1);
	self->deep = vt_derive(self->l1, VIPC_RIGHTS_ALL, 1);
	self->sib = vt_derive(self->root, VIPC_RIGHTS_ALL, 2);
	ASSERT_LE(0, self->mid);
	ASSERT_LE(0, self->l1);
	ASSERT_LE(0, self->l2);
	ASSERT_LE(0, self->deep);
	ASSERT_LE(0, self->sib);
	self->op = vp_ops(N_OPS);
}

FIXTURE_TEARDOWN(revokes)
{
	close(self->root);
	close(self->mid);
	close(self->l1);
	close(self->l2);
	close(self->deep);
	close(self->sib);
}

/* Nothing can be done with @fd any more; the first operation that can. */
static int all_revoked(int fd)
{
	static const unsigned long cmds[] = {
		VIPC_IOC_SEND, VIPC_IOC_RECV, VIPC_IOC_CALL, VIPC_IOC_REPLY,
		VIPC_IOC_REPLY_RECV, VIPC_IOC_REVOKE, VIPC_IOC_SHUTDOWN,
	};

	for (unsigned int i = 0; i < sizeof(cmds) / sizeof(cmds[0]); i++) {
		struct vipc_msg m = { .flags = VIPC_NONBLOCK, .reply = 1 };

		if (vt_ioctl(fd, cmds[i], &m) != -EKEYREVOKED)
			return (int)_IOC_NR(cmds[i]);
	}
	if (vt_derive(fd, 0, 1) != -EKEYREVOKED)
		return (int)_IOC_NR(VIPC_IOC_DERIVE);
	if (vp_probe(fd) != -EKEYREVOKED)
		return (int)_IOC_NR(VIPC_IOC_INFO);
	return 0;
}

TEST_F(revokes, idle_holders)
{
	ASSERT_EQ(0, vt_revoke(self->mid));
	EXPECT_EQ(0, all_revoked(self->l1));
	EXPECT_EQ(0, all_revoked(self->l2));
	EXPECT_EQ(0, all_revoked(self->deep));
	EXPECT_EQ(0, vp_probe(self->mid));
	EXPECT_EQ(0, vp_probe(self->sib));
	EXPECT_EQ(0, vp_probe(self->root));
	/* they are still open, and are counted as that */
	EXPECT_EQ(6, vt_capabilities(self->root));

	/* the revoker may begin again */
	close(self->l1);
	self->l1 = vt_derive(self->mid, VIPC_RIGHT_SEND, 1);
	ASSERT_LE(0, self->l1);
	EXPECT_EQ(-EAGAIN, vp_send_tag(self->l1, 1, VIPC_NONBLOCK));
	EXPECT_EQ(-EKEYREVOKED, vp_probe(self->l2));
	/* and so may the root */
	ASSERT_EQ(0, vt_revoke(self->root));
	EXPECT_EQ(0, all_revoked(self->mid));
	EXPECT_EQ(0, all_revoked(self->sib));
	EXPECT_EQ(0, all_revoked(self->l1));
	EXPECT_EQ(0, vp_probe(self->root));
}

TEST_F(revokes, without_descendants)
{
	int leaf = vt_derive(self->deep, VIPC_RIGHT_REVOKE, 1);
	int weak = vt_derive(self->root, VIPC_RIGHTS_ALL & ~VIPC_RIGHT_REVOKE, 0);

	ASSERT_LE(0, leaf);
	ASSERT_LE(0, weak);
	for (int i = 0; i < 3; i++)
		EXPECT_EQ(0, vt_revoke(leaf));
	EXPECT_EQ(0, vp_probe(leaf));
	EXPECT_EQ(0, vp_probe(self->deep));
	EXPECT_EQ(-EACCES, vt_revoke(weak));
	EXPECT_EQ(0, vp_probe(weak));
	close(leaf);
	close(weak);
}

/* In other processes, waiting for a receiver. */
TEST_F(revokes, queued_holders)
{
	const struct {
		int fd;
		unsigned long cmd;
		bool gone;
	} q[] = {
		{ self->l1, VIPC_IOC_SEND, true },
		{ self->sib, VIPC_IOC_CALL, false },
		{ self->l2, VIPC_IOC_CALL, true },
		{ self->mid, VIPC_IOC_SEND, false },
		{ self->deep, VIPC_IOC_CALL, true },
		{ self->root, VIPC_IOC_SEND, false },
		{ self->l1, VIPC_IOC_CALL, true },
		{ self->sib, VIPC_IOC_SEND, false },
	};
	const int n = sizeof(q) / sizeof(q[0]);

	for (int i = 0; i < n; i++) {
		ASSERT_EQ(0, vp_start_msg(&self->op[i], q[i].fd, q[i].cmd, i));
		ASSERT_EQ(0, vt_wait_senders(self->root, i + 1));
	}
	ASSERT_EQ(0, vt_revoke(self->mid));
	for (int i = 0; i < n; i++) {
		if (!q[i].gone)
			continue;
		EXPECT_EQ(-EKEYREVOKED, vp_end(&self->op[i]));
		EXPECT_FALSE(vp_delivered(&self->op[i].msg));
	}
	EXPECT_EQ(4, vt_senders(self->root));
	for (int i = 0; i < n; i++) {
		if (q[i].gone)
			continue;
		ASSERT_EQ(0, vp_recv_now(self->root, &self->m));
		EXPECT_TRUE(vt_msg_is(&self->m, i));
		if (self->m.reply)
			EXPECT_EQ(0, vp_reply_tag(self->root, self->m.reply, 1));
		EXPECT_EQ(0, vp_end(&self->op[i]));
	}
	EXPECT_EQ(-EAGAIN, vp_recv_now(self->root, &self->m));
	EXPECT_EQ(0, vp_wait_idle(self->root));
}

TEST_F(revokes, many_queued_holders)
{
	struct vp_op *op = vp_ops(128);

	for (int i = 0; i < 128; i++) {
		ASSERT_EQ(0, vp_start_msg(&op[i], i & 1 ? self->deep : self->sib,
					  i & 2 ? VIPC_IOC_CALL : VIPC_IOC_SEND,
					  i));
	}
	ASSERT_EQ(0, vt_wait_senders(self->root, 128));
	ASSERT_EQ(0, vt_revoke(self->mid));
	/* at once: a revoked sender is not waiting for a receiver any more */
	EXPECT_EQ(64, vt_senders(self->root));
	for (int i = 1; i < 128; i += 2)
		EXPECT_EQ(-EKEYREVOKED, vp_end(&op[i]));
	ASSERT_EQ(0, vt_revoke(self->root));
	EXPECT_EQ(0, vt_senders(self->root));
	for (int i = 0; i < 128; i += 2)
		EXPECT_EQ(-EKEYREVOKED, vp_end(&op[i]));
	EXPECT_EQ(-EAGAIN, vp_recv_now(self->root, &self->m));
}

TEST_F(revokes, waiting_receivers)
{
	const int fd[] = { self->l1, self->root, self->deep, self->mid,
			   self->l2, self->sib };

	for (int i = 0; i < 6; i++) {
		ASSERT_EQ(0, vp_start(&self->op[i], fd[i], i == 2 ?
				VIPC_IOC_REPLY_RECV : VIPC_IOC_RECV));
		ASSERT_EQ(0, vt_wait_receivers(self->root, i + 1));
	}
	ASSERT_EQ(0, vt_revoke(self->mid));
	EXPECT_EQ(3, vt_receivers(self->root));
	for (int i = 0; i < 6; i += 2)
		EXPECT_EQ(-EKEYREVOKED, vp_end(&self->op[i]));
	for (int i = 0; i < 3; i++)
		EXPECT_EQ(0, vp_send_tag(self->sib, i, VIPC_NONBLOCK));
	EXPECT_EQ(-EAGAIN, vp_send_tag(self->sib, 3, VIPC_NONBLOCK));
	EXPECT_EQ(0, vp_end(&self->op[1]));
	EXPECT_EQ(0, vp_end(&self->op[3]));
	EXPECT_EQ(0, vp_end(&self->op[5]));
	EXPECT_EQ(0, vp_wait_idle(self->root));
}

/* A call that was delivered runs to its reply. */
TEST_F(revokes, callers_in_service)
{
	uint64_t token[3];
	const int fd[] = { self->l1, self->deep, self->sib };

	for (int i = 0; i < 3; i++) {
		ASSERT_EQ(0, vp_start_msg(&self->op[i], fd[i], VIPC_IOC_CALL, i));
		ASSERT_EQ(0, vt_wait_senders(self->root, 1));
		ASSERT_EQ(0, vp_recv_now(self->root, &self->m));
		token[i] = self->m.reply;
	}
	ASSERT_EQ(0, vt_revoke(self->mid));
	EXPECT_EQ(3, vt_in_service(self->root));
	for (int i = 2; i >= 0; i--) {
		EXPECT_EQ(0, vp_reply_tag(self->root, token[i], 100 + i));
		EXPECT_EQ(0, vp_end(&self->op[i]));
		EXPECT_TRUE(vt_msg_is(&self->op[i].msg, 100 + i));
	}
	EXPECT_EQ(0, all_revoked(self->l1));
	EXPECT_EQ(0, vp_wait_idle(self->root));
}

/* Servers lose their capability: nobody could answer their callers. */
TEST_F(revokes, serving_holders)
{
	const int server[] = { self->l1, self->root, self->deep, self->mid };
	uint64_t token[4];

	for (int i = 0; i < 4; i++) {
		ASSERT_EQ(0, vp_start_msg(&self->op[i], self->sib,
					  VIPC_IOC_CALL, i));
		ASSERT_EQ(0, vt_wait_senders(self->root, 1));
		ASSERT_EQ(0, vp_recv_now(server[i], &self->m));
		token[i] = self->m.reply;
	}
	ASSERT_EQ(0, vp_start_msg(&self->op[4], self->sib, VIPC_IOC_CALL, 4));
	ASSERT_EQ(0, vt_wait_senders(self->root, 1));
	ASSERT_EQ(0, vt_revoke(self->mid));
	for (int i = 0; i < 4; i += 2) {
		EXPECT_EQ(-ECONNRESET, vp_end(&self->op[i]));
		EXPECT_TRUE(vp_delivered(&self->op[i].msg));
		EXPECT_EQ(-EKEYREVOKED, vp_reply_tag(server[i], token[i], 1));
		/* nor does its token work for anybody else */
		EXPECT_EQ(-ESRCH, vp_reply_tag(self->root, token[i], 1));
	}
	EXPECT_EQ(2, vt_in_service(self->root));
	EXPECT_EQ(1, vt_senders(self->root));
	for (int i = 1; i < 4; i += 2) {
		EXPECT_EQ(0, vp_reply_tag(server[i], token[i], 100 + i));
		EXPECT_EQ(0, vp_end(&self->op[i]));
	}
	ASSERT_EQ(0, vp_recv_now(self->mid, &self->m));
	EXPECT_EQ(0, vp_reply_tag(self->mid, self->m.reply, 5));
	EXPECT_EQ(0, vp_end(&self->op[4]));
	EXPECT_EQ(0, vp_wait_idle(self->root));
}

/* REPLY_RECV whose reply went out before it was revoked while receiving. */
TEST_F(revokes, reply_recv_holder)
{
	struct vp_op *caller = &self->op[0], *server = &self->op[1];

	ASSERT_EQ(0, vp_start_msg(caller, self->sib, VIPC_IOC_CALL, 1));
	ASSERT_EQ(0, vt_wait_senders(self->root, 1));
	ASSERT_EQ(0, vp_recv_now(self->l1, &self->m));
	server->msg = vt_msg(2);
	server->msg.reply = self->m.reply;
	ASSERT_EQ(0, vp_start(server, self->l1, VIPC_IOC_REPLY_RECV));
	EXPECT_EQ(0, vp_end(caller));
	ASSERT_EQ(0, vt_wait_receivers(self->root, 1));
	ASSERT_EQ(0, vt_revoke(self->mid));
	EXPECT_EQ(-EKEYREVOKED, vp_end(server));
	EXPECT_EQ(0, server->msg.reply);
}

/* ---- races ---- */

#define ROUNDS	100
#define MANY	300

struct deriver {
	int ready, revoked, survivors, count;
	int error;
};

/*
 * Derives from @fd and its descendants, each from a random one before it, until
 * the revocation stops it; then counts what is still alive.
 */
static void derive_until_revoked(struct deriver *d, int fd, uint64_t seed)
{
	struct vp_rng rng = vp_rng_init(seed, 3);
	static int fds[MANY + 1];
	int n = 1;

	vp_keep_only(fd);
	fds[0] = fd;
	vp_set(&d->ready, 1);
	while (n <= MANY) {
		/* the newest, often: chains are what a walk can miss */
		int from = vp_random(&rng, 2) ? n - 1 : (int)vp_random(&rng, n);
		int new = vt_derive(fds[from], VIPC_RIGHTS_ALL, 1);

		if (new < 0) {
			if (new != -EKEYREVOKED)
				d->error = new;
			break;
		}
		fds[n++] = new;
	}
	if (vt_wait_until(vp_get(&d->revoked)))
		_exit(1);
	for (int i = 0; i < n; i++)
		if (vp_probe(fds[i]) != -EKEYREVOKED)
			d->survivors++;
	d->count = n;
	_exit(0);
}

TEST_F(revokes, race_with_derive)
{
	struct deriver *d = vp_shared(2 * sizeof(*d));
	uint64_t seed = vp_seed();
	struct vp_rng rng = vp_rng_init(seed, 4);

	for (int i = 0; i < ROUNDS; i++) {
		pid_t pid[2];

		close(self->l1);
		close(self->l2);
		self->l1 = vt_derive(self->mid, VIPC_RIGHTS_ALL, 1);
		self->l2 = vt_derive(self->mid, VIPC_RIGHTS_ALL, 1);
		memset(d, 0, 2 * sizeof(*d));
		for (int j = 0; j < 2; j++) {
			pid[j] = vt_fork();
			ASSERT_LE(0, pid[j]);
			if (!pid[j])
				derive_until_revoked(&d[j], j ? self->l2 :
						     self->l1, seed + i);
			ASSERT_EQ(0, vt_wait_until(vp_get(&d[j].ready)));
		}
		vp_spin(vp_random(&rng, 30000));
		EXPECT_EQ(0, vt_revoke(self->mid));
		for (int j = 0; j < 2; j++) {
			vp_set(&d[j].revoked, 1);
			EXPECT_EQ(0, vt_reap(pid[j]));
			EXPECT_EQ(0, d[j].survivors);
			EXPECT_EQ(0, d[j].error);
			EXPECT_LE(1, d[j].count);
		}
		EXPECT_EQ(6, vt_capabilities(self->root));
		EXPECT_EQ(0, vp_probe(self->mid));
		EXPECT_EQ(0, vp_probe(self->sib));
	}
}

struct thread_arg {
	int fd;
	int ret;
	uint32_t spin;
	int *fds, n;
};

static void *revoke_main(void *data)
{
	struct thread_arg *a = data;

	vp_spin(a->spin);
	a->ret = vt_revoke(a->fd);
	return NULL;
}

static void *close_main(void *data)
{
	struct thread_arg *a = data;

	vp_spin(a->spin);
	for (int i = 0; i < a->n; i++)
		close(a->fds[i]);
	return NULL;
}

/* A random tree of @n capabilities below @fd. */
static int grow_tree(int fd, int *fds, int n, struct vp_rng *rng)
{
	for (int i = 0; i < n; i++) {
		int from = i ? (int)vp_random(rng, i + 1) - 1 : -1;

		fds[i] = vt_derive(from < 0 ? fd : fds[from],
				   VIPC_RIGHTS_ALL, 1);
		if (fds[i] < 0)
			return fds[i];
	}
	return 0;
}

static int survivors(const int *fds, int n)
{
	int alive = 0;

	for (int i = 0; i < n; i++)
		alive += vp_probe(fds[i]) != -EKEYREVOKED;
	return alive;
}

TEST_F(revokes, race_nested)
{
	struct vp_rng rng = vp_rng_init(vp_seed(), 5);
	static int fds[MANY];

	for (int i = 0; i < ROUNDS; i++) {
		int inner = vt_derive(self->mid, VIPC_RIGHTS_ALL, 1);
		struct thread_arg a = { .fd = self->mid,
					.spin = vp_random(&rng, 5000) };
		struct thread_arg b = { .fd = inner,
					.spin = vp_random(&rng, 5000) };
		pthread_t ta, tb;

		ASSERT_LE(0, inner);
		ASSERT_EQ(0, grow_tree(inner, fds, MANY / 4, &rng));
		ASSERT_EQ(0, pthread_create(&ta, NULL, revoke_main, &a));
		ASSERT_EQ(0, pthread_create(&tb, NULL, revoke_main, &b));
		ASSERT_EQ(0, vt_join(ta));
		ASSERT_EQ(0, vt_join(tb));
		EXPECT_EQ(0, a.ret);
		EXPECT_TRUE(b.ret == 0 || b.ret == -EKEYREVOKED);
		EXPECT_EQ(-EKEYREVOKED, vp_probe(inner));
		EXPECT_EQ(0, survivors(fds, MANY / 4));
		EXPECT_EQ(0, vp_probe(self->mid));
		close(inner);
		for (int j = 0; j < MANY / 4; j++)
			close(fds[j]);
		EXPECT_EQ(6, vt_capabilities(self->root));
	}
}

TEST_F(revokes, race_with_close)
{
	struct vp_rng rng = vp_rng_init(vp_seed(), 6);
	static int fds[MANY], order[MANY];
	const int n = MANY / 4;

	for (int i = 0; i < ROUNDS; i++) {
		struct thread_arg a = { .fd = self->mid,
					.spin = vp_random(&rng, 5000) };
		struct thread_arg b = { .fds = order, .n = n / 2,
					.spin = vp_random(&rng, 5000) };
		pthread_t ta, tb;

		ASSERT_EQ(0, grow_tree(self->mid, fds, n, &rng));
		memcpy(order, fds, n * sizeof(*fds));
		for (int j = n - 1; j > 0; j--) {
			int k = (int)vp_random(&rng, j + 1), fd = order[j];

			order[j] = order[k];
			order[k] = fd;
		}
		ASSERT_EQ(0, pthread_create(&ta, NULL, revoke_main, &a));
		ASSERT_EQ(0, pthread_create(&tb, NULL, close_main, &b));
		ASSERT_EQ(0, vt_join(ta));
		ASSERT_EQ(0, vt_join(tb));
		EXPECT_EQ(0, a.ret);
		/* half of them are closed, the rest must be revoked */
		EXPECT_EQ(0, survivors(order + n / 2, n - n / 2));
		EXPECT_EQ(6 + n - n / 2, vt_capabilities(self->root));
		for (int j = n / 2; j < n; j++)
			close(order[j]);
		EXPECT_EQ(6, vt_capabilities(self->root));
		EXPECT_EQ(0, vp_probe(self->mid));
	}
}

/* Callers who are at every stage of a call when their capability goes. */
TEST_F(revokes, race_with_calls)
{
	struct vp_rng rng = vp_rng_init(vp_seed(), 7);
	uint64_t *wrong = vp_shared(sizeof(*wrong));
	pid_t server = vt_fork();

	ASSERT_LE(0, server);
	if (!server) {
		struct vipc_msg m = { 0 };
		int ret;

		vp_keep_only(self->root);
		while (!(ret = vt_reply_recv(self->root, &m)))
			m.data[0] = ~m.data[0];
		_exit(ret == -EPIPE ? 0 : 1);
	}
	for (int i = 0; i < ROUNDS; i++) {
		int cap = vt_derive(self->mid, VIPC_RIGHT_SEND, 1);
		int *calls = vp_shared(sizeof(*calls));
		pid_t pid = vt_fork();

		ASSERT_LE(0, pid);
		if (!pid) {
			vp_keep_only(cap);
			for (uint64_t j = 1;; j++) {
				struct vipc_msg m = vt_msg(j);
				int ret = vt_call(cap, &m);

				if (ret || m.data[0] != ~j) {
					if (ret != -EKEYREVOKED ||
					    vp_delivered(&m))
						vp_add(wrong, 1);
					_exit(0);
				}
				vp_add(calls, 1);
			}
		}
		ASSERT_EQ(0, vt_wait_until(vp_get(calls)));
		vp_spin(vp_random(&rng, 30000));
		EXPECT_EQ(0, vt_revoke(self->mid));
		EXPECT_EQ(0, vt_reap(pid));
		EXPECT_EQ(0, vt_in_service(self->root));
		close(cap);
		munmap(calls, sizeof(*calls));
	}
	EXPECT_EQ(0, *wrong);
	EXPECT_EQ(0, vt_shutdown(self->root));
	EXPECT_EQ(0, vt_reap(server));
}

TEST_HARNESS_MAIN
