// SPDX-License-Identifier: GPL-2.0
/*
 * Large numbers: 100,000 capabilities for one endpoint, 10,000 callers blocked
 * at once. Needs 2 GiB of memory, and minutes in an emulated machine. A tenth of
 * that on a kernel that looks for leaks or races, where each open file costs many
 * times as much, and most of it in those.
 */
#include "vipc_procs.h"

#include <sys/resource.h>
#include <sys/sysinfo.h>

#define MAX_CAPS	100000
#define MAX_CALLERS	10000
#define PROCESSES	10

#undef TEST_TIMEOUT_DEFAULT
#define TEST_TIMEOUT_DEFAULT 800

/* What became of a call. */
struct result {
	int ret;
	bool done, delivered, good;
};

FIXTURE(heavy)
{
	int ep;			/* every right */
	int caps, callers;	/* how many there are to be */
	int *fd;		/* of each capability */
	struct result *result;	/* of each caller; shared */
	uint64_t *token;	/* of the calls taken */
	uint64_t *tag;		/* which calls they are */
	pid_t pid[PROCESSES];
	struct vipc_msg m;
	struct vipc_info info;
};

static double seconds_since(uint64_t start)
{
	return (double)(vt_now_ns() - start) / VT_NSEC;
}

static bool enough_memory(void)
{
	struct sysinfo info;

	return !sysinfo(&info) &&
	       (uint64_t)info.totalram * info.mem_unit >= 1500ull << 20;
}

static bool kernel_watches_itself(void)
{
	return !access("/sys/kernel/debug/kmemleak", F_OK) ||
	       !access("/sys/kernel/debug/kcsan", F_OK);
}

FIXTURE_SETUP(heavy)
{
	int divisor = kernel_watches_itself() ? 10 : 1;
	struct rlimit limit = { MAX_CAPS + 100, MAX_CAPS + 100 };

	if (!enough_memory())
		SKIP(return, "needs 2 GiB of memory (vm/run --memory 2048)");
	ASSERT_EQ(0, setrlimit(RLIMIT_NOFILE, &limit));
	self->ep = vt_open();
	ASSERT_LE(0, self->ep);
	self->caps = MAX_CAPS / divisor;
	self->callers = MAX_CALLERS / divisor;
	self->fd = calloc(MAX_CAPS, sizeof(int));
	self->token = calloc(MAX_CALLERS, sizeof(uint64_t));
	self->tag = calloc(MAX_CALLERS, sizeof(uint64_t));
	self->result = vp_shared(MAX_CALLERS * sizeof(*self->result));
	ASSERT_TRUE(self->fd && self->token && self->tag);
}

FIXTURE_TEARDOWN(heavy)
{
	close(self->ep);
}

/* ---- 100,000 capabilities ---- */

/* All from @ep, or each from the one before. */
static int derive_all(FIXTURE_DATA(heavy) *self, bool chain)
{
	uint64_t start = vt_now_ns();
	int from = self->ep;

	for (int i = 0; i < self->caps; i++) {
		self->fd[i] = vt_derive(from, VIPC_RIGHTS_ALL, 1);
		if (self->fd[i] < 0)
			return self->fd[i];
		if (chain)
			from = self->fd[i];
	}
	printf("# %d capabilities derived in %.1f s\n", self->caps,
	       seconds_since(start));
	fflush(stdout);
	return 0;
}

/* How many of them answer INFO with @ret. */
static int count_probe(FIXTURE_DATA(heavy) *self, int ret)
{
	int n = 0;

	for (int i = 0; i < self->caps; i++)
		n += vp_probe(self->fd[i]) == ret;
	return n;
}

/* Revokes all below @ep, while somebody uses the endpoint from another CPU. */
static int revoke_all(FIXTURE_DATA(heavy) *self, struct vp_op *receiver)
{
	uint64_t start = vt_now_ns();
	int ret;

	ret = vp_start(receiver, self->fd[self->caps - 1], VIPC_IOC_RECV);
	if (!ret)
		ret = vt_wait_receivers(self->ep, 1);
	if (!ret)
		ret = vt_revoke(self->ep);
	printf("# revoked in %.2f s\n", seconds_since(start));
	fflush(stdout);
	return ret ? ret : vp_end(receiver);
}

TEST_F(heavy, wide_tree_of_capabilities)
{
	struct vp_op *receiver = vp_ops(1);

	ASSERT_EQ(0, derive_all(self, false));
	EXPECT_EQ(self->caps + 1, vt_capabilities(self->ep));
	EXPECT_EQ(self->caps, count_probe(self, 0));
	EXPECT_EQ(-EKEYREVOKED, revoke_all(self, receiver));
	EXPECT_EQ(self->caps, count_probe(self, -EKEYREVOKED));
	for (int i = 0; i < self->caps; i++)
		close(self->fd[i]);
	EXPECT_EQ(1, vt_capabilities(self->ep));
	EXPECT_EQ(VIPC_STATE_LIVE,
		  vt_info_u32(self->ep, offsetof(struct vipc_info, state)));
}

TEST_F(heavy, deep_tree_of_capabilities)
{
	struct vp_op *receiver = vp_ops(1);

	ASSERT_EQ(0, derive_all(self, true));
	/* every other one closes: its child goes to its parent */
	for (int i = 0; i < self->caps; i += 2) {
		close(self->fd[i]);
		self->fd[i] = -1;
	}
	EXPECT_EQ(self->caps / 2 + 1, vt_capabilities(self->ep));
	EXPECT_EQ(self->caps / 2, count_probe(self, 0));
	EXPECT_EQ(-EKEYREVOKED, revoke_all(self, receiver));
	EXPECT_EQ(self->caps / 2, count_probe(self, -EKEYREVOKED));
}

/* A process with all of them is killed: they go at once, in any order. */
TEST_F(heavy, owner_of_a_tree_is_killed)
{
	int *ready = vp_shared(sizeof(*ready));
	uint64_t start;
	pid_t pid = vt_fork();

	ASSERT_LE(0, pid);
	if (!pid) {
		vp_keep_only(self->ep);
		vp_set(ready, derive_all(self, true) ? -1 : 1);
		for (;;)
			pause();
	}
	while (!vp_get(ready))
		vt_pause_us(10000);
	EXPECT_EQ(1, *ready);
	EXPECT_EQ(self->caps + 1, vt_capabilities(self->ep));
	start = vt_now_ns();
	EXPECT_EQ(VP_KILLED, vp_kill(pid));
	EXPECT_EQ(0, vt_wait_capabilities(self->ep, 1));
	printf("# gone %.2f s after the kill\n", seconds_since(start));
	fflush(stdout);
}

/* ---- 10,000 blocked callers ---- */

struct caller {
	int fd;
	uint64_t tag;
	struct result *result;
};

static void *caller_main(void *data)
{
	struct caller *c = data;
	struct vipc_msg m = vt_msg(c->tag);

	c->result->ret = vt_call(c->fd, &m);
	c->result->good = vt_msg_is(&m, ~c->tag);
	c->result->delivered = vp_delivered(&m);
	vp_set(&c->result->done, true);
	return NULL;
}

/* @n threads that call, then the end. */
static void caller_process(int fd, int first, int n, struct result *result)
{
	struct caller *c = calloc((size_t)n, sizeof(*c));
	pthread_t *thread = calloc((size_t)n, sizeof(*thread));
	pthread_attr_t attr;

	vp_keep_only(fd);
	pthread_attr_init(&attr);
	pthread_attr_setstacksize(&attr, PTHREAD_STACK_MIN);
	for (int i = 0; i < n; i++) {
		c[i] = (struct caller){
			.fd = fd,
			.tag = (uint64_t)(first + i) + 1,
			.result = &result[first + i],
		};
		if (pthread_create(&thread[i], &attr, caller_main, &c[i]))
			_exit(1);
	}
	for (int i = 0; i < n; i++)
		pthread_join(thread[i], NULL);
	_exit(0);
}

static int wait_long_for_senders(int ep, long long n)
{
	uint64_t end = vt_now_ns() + 600 * VT_NSEC;

	while (vt_senders(ep) != n) {
		if (vt_now_ns() > end)
			return -ETIMEDOUT;
		vt_pause_us(10000);
	}
	return 0;
}

static int block_callers(FIXTURE_DATA(heavy) *self)
{
	int n = self->callers / PROCESSES, ret;
	uint64_t start = vt_now_ns();

	vt_write_file("/proc/sys/kernel/threads-max", "30000");
	for (int i = 0; i < PROCESSES; i++) {
		self->pid[i] = vt_fork();
		if (self->pid[i] < 0)
			return self->pid[i];
		if (!self->pid[i])
			caller_process(self->ep, i * n, n, self->result);
	}
	ret = wait_long_for_senders(self->ep, self->callers);
	printf("# %lld callers queued after %.1f s\n", vt_senders(self->ep),
	       seconds_since(start));
	fflush(stdout);
	return ret;
}

/* Takes all of them: how many were whole, and not seen before. */
static int take_all(FIXTURE_DATA(heavy) *self, int server)
{
	static bool seen[MAX_CALLERS];
	int good = 0;

	memset(seen, 0, sizeof(seen));
	for (int i = 0; i < self->callers; i++) {
		struct vipc_msg m;
		uint64_t id;

		if (vp_recv_now(server, &m))
			return good;
		id = m.data[0] - 1;
		if (id >= (uint64_t)self->callers || seen[id] || !vt_msg_is(&m, id + 1))
			continue;
		seen[id] = true;
		self->token[i] = m.reply;
		self->tag[i] = id + 1;
		good++;
	}
	return good;
}

static int reap_all(FIXTURE_DATA(heavy) *self, int status)
{
	int n = 0;

	for (int i = 0; i < PROCESSES; i++)
		n += vt_reap(self->pid[i]) == status;
	return n;
}

/* How many calls ended with @ret, and as DELIVERED and the reply should be. */
static int count_results(FIXTURE_DATA(heavy) *self, int ret, bool delivered)
{
	int n = 0;

	for (int i = 0; i < self->callers; i++) {
		struct result *r = &self->result[i];

		n += r->done && r->ret == ret && r->delivered == delivered &&
		     r->good == !ret;
	}
	return n;
}

TEST_F(heavy, callers_answered_in_any_order)
{
	struct vp_rng rng = vp_rng_init(vp_seed(), 0);
	uint64_t start;

	ASSERT_EQ(0, block_callers(self));
	start = vt_now_ns();
	ASSERT_EQ(self->callers, take_all(self, self->ep));
	EXPECT_EQ(self->callers, vt_in_service(self->ep));
	for (int n = self->callers; n > 0; n--) {
		uint32_t i = vp_random(&rng, (uint32_t)n);

		ASSERT_EQ(0, vp_reply_tag(self->ep, self->token[i],
					  ~self->tag[i]));
		self->token[i] = self->token[n - 1];
		self->tag[i] = self->tag[n - 1];
	}
	EXPECT_EQ(PROCESSES, reap_all(self, 0));
	printf("# taken, answered and ended in %.1f s\n", seconds_since(start));
	fflush(stdout);
	EXPECT_EQ(self->callers, count_results(self, 0, false));
	EXPECT_EQ(0, vp_wait_idle(self->ep));
}

TEST_F(heavy, queued_callers_of_a_dying_endpoint)
{
	ASSERT_EQ(0, block_callers(self));
	EXPECT_EQ(0, vt_shutdown(self->ep));
	EXPECT_EQ(PROCESSES, reap_all(self, 0));
	EXPECT_EQ(self->callers, count_results(self, -EPIPE, false));
	EXPECT_EQ(0, vp_wait_idle(self->ep));
}

TEST_F(heavy, callers_of_a_server_that_goes_away)
{
	int server;

	ASSERT_EQ(0, block_callers(self));
	server = vt_derive(self->ep, VIPC_RIGHT_RECV, 0);
	ASSERT_LE(0, server);
	ASSERT_EQ(self->callers, take_all(self, server));
	EXPECT_EQ(self->callers, vt_in_service(self->ep));
	close(server);
	EXPECT_EQ(PROCESSES, reap_all(self, 0));
	EXPECT_EQ(self->callers, count_results(self, -ECONNRESET, true));
	EXPECT_EQ(0, vp_wait_idle(self->ep));
}

TEST_F(heavy, callers_are_killed)
{
	const int taken = self->callers / 2;
	int gone = 0;

	ASSERT_EQ(0, block_callers(self));
	for (int i = 0; i < taken; i++) {
		ASSERT_EQ(0, vp_recv_now(self->ep, &self->m));
		self->token[i] = self->m.reply;
	}
	for (int i = 0; i < PROCESSES; i++)
		kill(self->pid[i], SIGKILL);
	EXPECT_EQ(PROCESSES, reap_all(self, VP_KILLED));
	EXPECT_EQ(0, vp_wait_idle(self->ep));
	for (int i = 0; i < taken; i++)
		gone += vp_reply_tag(self->ep, self->token[i], 1) == -ESRCH;
	EXPECT_EQ(taken, gone);
	EXPECT_EQ(-EAGAIN, vp_recv_now(self->ep, &self->m));
}

TEST_HARNESS_MAIN
