// SPDX-License-Identifier: GPL-2.0
/*
 * Waiting without sleeping: where it happens, where it must not, that it ends as
 * a sleep would, and that nobody else pays for it. What the module did is read
 * from its statistics; nothing here depends on how fast it was.
 */
#include "vipc_procs.h"

#define PARAMETERS	"/sys/module/vipc/parameters/"
#define CALLS		2000

enum { AS_PAYS, ALWAYS_SPIN, ALWAYS_YIELD };

/* A server in a process of its own. */
struct server {
	pid_t pid;
	int fd;
	int policy, priority;		/* SCHED_*, of the server */
	unsigned int busy_us;		/* for each call */
	unsigned long hogged;		/* what a hog has counted */
	int sleeper_goes;		/* a sleeper's order to receive */
	int sleeper_got;		/* how many messages it has received */
};

FIXTURE(waiting)
{
	int fd, snd;
	struct server *server;
	long was_wait, was_spin_ns;
	pid_t other;
};

static long parameter(const char *name)
{
	char path[128], text[32] = "";
	int fd, ret = -1;

	snprintf(path, sizeof(path), PARAMETERS "%s", name);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return -1;
	if (read(fd, text, sizeof(text) - 1) > 0)
		ret = 0;
	close(fd);
	return ret ?: strtol(text, NULL, 10);
}

static int set_parameter(const char *name, long value)
{
	char path[128], text[32];

	snprintf(path, sizeof(path), PARAMETERS "%s", name);
	snprintf(text, sizeof(text), "%ld\n", value);
	return vt_write_file(path, text);
}

FIXTURE_SETUP(waiting)
{
	self->was_wait = parameter("wait");
	self->was_spin_ns = parameter("spin_ns");
	ASSERT_LE(0, self->was_wait);
	ASSERT_LE(0, self->was_spin_ns);
	ASSERT_EQ(0, set_parameter("wait", AS_PAYS));
	ASSERT_EQ(0, set_parameter("spin_ns", 200000));
	self->fd = vt_open();
	ASSERT_LE(0, self->fd);
	self->snd = vt_derive(self->fd, VIPC_RIGHT_SEND, 7);
	ASSERT_LE(0, self->snd);
	self->server = vp_shared(sizeof(*self->server));
	ASSERT_EQ(0, vt_stats_reset());
}

FIXTURE_TEARDOWN(waiting)
{
	if (self->other > 0)
		vp_kill(self->other);
	if (self->server->pid > 0)
		vp_kill(self->server->pid);
	set_parameter("wait", self->was_wait);
	set_parameter("spin_ns", self->was_spin_ns);
	close(self->snd);
	close(self->fd);
}

static void be_busy(unsigned int us)
{
	uint64_t end = vt_now_ns() + us * 1000ull;

	while (us && vt_now_ns() < end)
		;
}

static int set_policy(int policy, int priority)
{
	struct sched_param param = { .sched_priority = priority };

	return sched_setscheduler(0, policy, &param) ? -errno : 0;
}

/* Serves until it is killed; its answer is the request plus one. */
static int start_server(struct server *s, int fd, int cpu)
{
	struct vipc_msg m = { 0 };
	pid_t pid = vt_fork();

	if (pid < 0)
		return pid;
	if (pid) {
		s->pid = pid;	/* not by the child, which shares s with us */
		return vt_wait_receivers(fd, 1);
	}
	if (vt_pin(cpu) || (s->policy && set_policy(s->policy, s->priority)))
		_exit(1);
	while (!vt_reply_recv(fd, &m)) {
		be_busy(s->busy_us);
		m.data[0]++;
	}
	_exit(0);
}

static pid_t start_hog(struct server *s, int cpu)
{
	pid_t pid = vt_fork();

	if (pid)
		return pid;
	if (vt_pin(cpu))
		_exit(1);
	for (;;)
		vp_add(&s->hogged, 1);
}

/* @n calls; 0 if each was answered rightly. */
static int call_n(int fd, unsigned int n)
{
	for (unsigned int i = 0; i < n; i++) {
		struct vipc_msg m = { .data = { i } };
		int ret = vt_call(fd, &m);

		if (ret)
			return ret;
		if (m.data[0] != i + 1)
			return -EBADMSG;
	}
	return 0;
}

/* Calls until counter @name has grown by @n, which it has to some time. */
static int call_until(int fd, const char *name, long long n)
{
	long long want = vt_stat_value(name) + n;
	int ret = 0, late;

	late = vt_wait_until((ret = call_n(fd, 200)) ||
			     vt_stat_value(name) >= want);
	return ret ?: late;
}

/* On one CPU each gives way to the other, and hardly anybody sleeps. */
TEST_F(waiting, one_cpu_yields)
{
	ASSERT_EQ(0, start_server(self->server, self->fd, 0));
	ASSERT_EQ(0, vt_pin(0));
	ASSERT_EQ(0, call_until(self->snd, "yield_hits", CALLS));
	EXPECT_EQ(0, vt_stat_value("spin_hits"));
}

/*
 * On two CPUs each watches the other: a few times are enough, since an emulated
 * machine's two need not run at the same time on a host that has other work.
 */
TEST_F(waiting, two_cpus_spin)
{
	if (vt_cpus() < 2)
		SKIP(return, "needs two CPUs");
	ASSERT_EQ(0, start_server(self->server, self->fd, 1));
	ASSERT_EQ(0, vt_pin(0));
	ASSERT_EQ(0, call_until(self->snd, "spin_hits", 3));
	EXPECT_LT(0, vt_stat_value("spin_time_ns"));
}

/* spin_ns=0 is the way to have none of it. */
TEST_F(waiting, not_at_all)
{
	long long waits;

	ASSERT_EQ(0, set_parameter("spin_ns", 0));
	for (int cpu = 0; cpu < vt_cpus() && cpu < 2; cpu++) {
		ASSERT_EQ(0, start_server(self->server, self->fd, cpu));
		ASSERT_EQ(0, vt_pin(0));
		ASSERT_EQ(0, call_n(self->snd, CALLS));
		ASSERT_EQ(VP_KILLED, vp_kill(self->server->pid));
		self->server->pid = 0;
	}
	EXPECT_EQ(0, vt_stat_value("spin_hits"));
	EXPECT_EQ(0, vt_stat_value("spin_misses"));
	EXPECT_EQ(0, vt_stat_value("spin_time_ns"));
	EXPECT_EQ(0, vt_stat_value("yield_hits"));
	EXPECT_EQ(0, vt_stat_value("yield_misses"));
	waits = vt_stat_value("sleeps");
	EXPECT_LT(0, waits);
}

/* The result does not depend on how one waits for it, nor on where. */
TEST_F(waiting, every_way_on_every_cpu)
{
	static const int policies[] = { SCHED_OTHER, SCHED_BATCH, SCHED_IDLE };

	for (int way = AS_PAYS; way <= ALWAYS_YIELD; way++) {
		ASSERT_EQ(0, set_parameter("wait", way));
		for (size_t i = 0; i < ARRAY_SIZE(policies); i++) {
			self->server->policy = policies[i];
			ASSERT_EQ(0, start_server(self->server, self->fd,
						  (int)i % vt_cpus()));
			ASSERT_EQ(0, vt_pin(0));
			ASSERT_EQ(0, call_n(self->snd, CALLS / 4)) {
				TH_LOG("way %d policy %d", way, policies[i]);
			}
			ASSERT_EQ(VP_KILLED, vp_kill(self->server->pid));
			self->server->pid = 0;
		}
	}
}

/* A server whom nobody calls sleeps, however its last wait began. */
TEST_F(waiting, idle_server_sleeps)
{
	long long spun;

	if (vt_cpus() < 2)
		SKIP(return, "needs two CPUs");
	ASSERT_EQ(0, start_server(self->server, self->fd, 1));
	ASSERT_EQ(0, vt_pin(0));
	for (int i = 0; i < 20; i++) {
		ASSERT_EQ(0, call_n(self->snd, 50));
		ASSERT_EQ(0, vt_wait_blocked(self->server->pid,
					     self->server->pid));
	}
	spun = vt_stat_value("spin_time_ns");
	vt_pause_us(200000);
	EXPECT_EQ(spun, vt_stat_value("spin_time_ns"));
}

/* Each call takes longer than a spin may, so spinning must not go on. */
TEST_F(waiting, slow_server_costs_little)
{
	uint64_t start;
	long long spun;

	if (vt_cpus() < 2)
		SKIP(return, "needs two CPUs");
	ASSERT_EQ(0, set_parameter("spin_ns", 1000000));
	self->server->busy_us = 2000;
	ASSERT_EQ(0, start_server(self->server, self->fd, 1));
	ASSERT_EQ(0, vt_pin(0));
	start = vt_now_ns();
	ASSERT_EQ(0, call_n(self->snd, 500));
	spun = vt_stat_value("spin_time_ns");
	/* In vain each time, it would be a half of the time. */
	EXPECT_LT(spun, (long long)(vt_now_ns() - start) / 5);
	EXPECT_LT(0, vt_stat_value("spin_misses"));
}

/* A busy third thread on that CPU gets its share, and does not end the calls. */
TEST_F(waiting, hog_on_the_cpu)
{
	unsigned long before;

	ASSERT_EQ(0, start_server(self->server, self->fd, 0));
	self->other = start_hog(self->server, 0);
	ASSERT_LT(0, self->other);
	ASSERT_EQ(0, vt_wait_until(vp_get(&self->server->hogged)));
	ASSERT_EQ(0, vt_pin(0));
	for (int i = 0; i < 3; i++) {
		before = vp_get(&self->server->hogged);
		ASSERT_EQ(0, vt_wait_until(call_n(self->snd, 100) ||
					   vp_get(&self->server->hogged) != before));
		EXPECT_EQ(0, call_n(self->snd, CALLS));
	}
	/* It noticed that yields let somebody else run. */
	EXPECT_EQ(0, call_until(self->snd, "sleeps", 100));
}

/* Real-time threads: of one priority they take turns, else the lower one waits. */
TEST_F(waiting, real_time_peers)
{
	static const struct { int server, client; } priorities[] = {
		{ 10, 10 }, { 10, 20 }, { 20, 10 }, { 10, 0 },
	};

	for (size_t i = 0; i < ARRAY_SIZE(priorities); i++) {
		int client = priorities[i].client;

		ASSERT_EQ(0, set_policy(SCHED_OTHER, 0));
		self->server->policy = SCHED_FIFO;
		self->server->priority = priorities[i].server;
		ASSERT_EQ(0, start_server(self->server, self->fd, 0));
		ASSERT_EQ(0, vt_pin(0));
		ASSERT_EQ(0, set_policy(client ? SCHED_FIFO : SCHED_OTHER, client));
		ASSERT_EQ(0, call_n(self->snd, CALLS / 4)) {
			TH_LOG("server at %d, client at %d",
			       self->server->priority, client);
		}
		if (client == self->server->priority) {
			EXPECT_EQ(0, call_until(self->snd, "yield_hits", 100));
		}
		ASSERT_EQ(VP_KILLED, vp_kill(self->server->pid));
		self->server->pid = 0;
	}
	ASSERT_EQ(0, set_policy(SCHED_OTHER, 0));
}

static void by_reply(int fd, struct vp_op *call, const struct vipc_msg *request)
{
	(void)call;
	vp_reply_tag(fd, request->reply, 2);
}

static void by_signal(int fd, struct vp_op *call, const struct vipc_msg *request)
{
	(void)fd;
	(void)request;
	kill(call->pid, SIGUSR1);
}

static void by_kill(int fd, struct vp_op *call, const struct vipc_msg *request)
{
	(void)fd;
	(void)request;
	kill(call->pid, SIGKILL);
}

static void by_shutdown(int fd, struct vp_op *call, const struct vipc_msg *request)
{
	(void)call;
	(void)request;
	vt_shutdown(fd);
}

static void by_deadline(int fd, struct vp_op *call, const struct vipc_msg *request)
{
	(void)fd;
	(void)call;
	(void)request;
}

static const struct {
	const char *name;
	void (*end)(int fd, struct vp_op *call, const struct vipc_msg *request);
	int result;
} ends[] = {
	{ "reply", by_reply, 0 },
	{ "signal", by_signal, -EINTR },
	{ "kill", by_kill, VP_KILLED },
	{ "deadline", by_deadline, -ETIMEDOUT },
	{ "shutdown", by_shutdown, -ECONNRESET },
};

/*
 * A call whose receiver was there, so that the caller knows its peer. The test ends
 * it: at once, or when that peer has ended.
 */
static void end_a_wait(struct __test_metadata *_metadata, int way, size_t i,
		       bool at_once)
{
	struct vp_op *ops = vp_ops(2), *call = &ops[0], *recv = &ops[1];
	int fd = vt_open(), snd = vt_derive(fd, VIPC_RIGHT_SEND, 1);

	ASSERT_LE(0, snd);
	ASSERT_EQ(0, vp_start(recv, fd, VIPC_IOC_RECV));
	ASSERT_EQ(0, vt_wait_receivers(fd, 1));
	call->msg = vt_msg(1);
	/* Far enough to be delivered first. */
	if (ends[i].end == by_deadline)
		call->msg.deadline_ns = vt_in_ms(3000);
	ASSERT_EQ(0, vp_start(call, snd, VIPC_IOC_CALL));
	if (at_once) {
		ASSERT_EQ(0, vt_wait_until(vp_done(recv)));
	} else {
		ASSERT_EQ(0, vp_end(recv));
	}
	ends[i].end(fd, call, &recv->msg);
	EXPECT_EQ(ends[i].result, vp_end(call)) {
		TH_LOG("way %d, ended by %s", way, ends[i].name);
	}
	if (at_once) {
		EXPECT_EQ(0, vp_end(recv));
	}
	if (!ends[i].result) {
		EXPECT_TRUE(vt_msg_is(&call->msg, 2));
	} else if (ends[i].result != VP_KILLED) {
		EXPECT_TRUE(vp_delivered(&call->msg));
	}
	if (call->msg.deadline_ns) {
		EXPECT_LE(call->msg.deadline_ns, vt_now_ns());
	}
	close(snd);
	close(fd);
	munmap(ops, 2 * sizeof(*ops));
}

/* Whatever ends a sleep ends these waits too, and with the same result. */
TEST_F(waiting, ends_as_a_sleep_does)
{
	ASSERT_EQ(0, set_parameter("spin_ns", 10000000));
	for (int way = AS_PAYS; way <= ALWAYS_YIELD; way++) {
		ASSERT_EQ(0, set_parameter("wait", way));
		for (size_t i = 0; i < ARRAY_SIZE(ends); i++)
			for (int n = ends[i].end == by_deadline ? 1 : 8; n; n--)
				end_a_wait(_metadata, way, i, n % 2);
	}
	EXPECT_LT(0, vt_stat_value("spin_misses"));
	EXPECT_LT(0, vt_stat_value("yield_misses"));
}

/* A process that receives one message whenever it is told to. */
static pid_t start_sleeper(struct server *s, int fd, int cpu)
{
	struct vipc_msg m = { 0 };
	pid_t pid = vt_fork();

	if (pid)
		return pid;
	if (vt_pin(cpu))
		_exit(1);
	for (;;) {
		while (!vp_get(&s->sleeper_goes))
			vt_pause_us(50);
		vp_set(&s->sleeper_goes, 0);
		if (vt_recv(fd, &m))
			_exit(1);
		vp_add(&s->sleeper_got, 1);
	}
}

/*
 * One SEND to two receivers: the server, and above it one that sleeps. 1 if the
 * server got it, 0 if the other did.
 */
static int who_receives(struct server *s, int fd, int snd)
{
	int got = vp_get(&s->sleeper_got), ret;

	ret = call_n(snd, 1);	/* now the server waits awake for some time */
	vp_set(&s->sleeper_goes, 1);
	if (!ret)
		ret = vt_wait_receivers(fd, 2);
	if (!ret)
		ret = vp_send_tag(snd, 1, 0);
	if (!ret)
		ret = vt_wait_until(vp_get(&s->sleeper_got) != got ||
				    vt_receivers(fd) == 2);
	return ret ? ret : vp_get(&s->sleeper_got) == got;
}

/* A receiver that is awake is preferred to one that came later and sleeps. */
TEST_F(waiting, awake_receiver_first)
{
	int ret = 0;

	if (vt_cpus() < 2)
		SKIP(return, "needs two CPUs");
	ASSERT_EQ(0, set_parameter("wait", ALWAYS_SPIN));
	ASSERT_EQ(0, set_parameter("spin_ns", 10000000));
	ASSERT_EQ(0, vt_pin(1));
	ASSERT_EQ(0, start_server(self->server, self->fd, 0));
	self->other = start_sleeper(self->server, self->fd, 1);
	ASSERT_LT(0, self->other);
	/* Soon the server is still awake when the message comes. */
	ASSERT_EQ(0, vt_wait_until((ret = who_receives(self->server, self->fd,
						       self->snd))));
	EXPECT_EQ(1, ret);
}

TEST_HARNESS_MAIN
