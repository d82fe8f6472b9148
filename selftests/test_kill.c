// SPDX-License-Identifier: GPL-2.0
/*
 * kill -9 at each stage: of callers, senders, receivers, servers and thread
 * groups. The others get the documented errno, the queues return to empty, and
 * no process is left that cannot be reaped.
 */
#include "vipc_procs.h"

#define N_OPS 12

FIXTURE(kills)
{
	int ep;			/* every right */
	int snd;		/* derived: SEND, badge 7 */
	int watch;		/* derived: no right; only for INFO */
	struct vp_op *op;
	struct vipc_msg m;
	struct vipc_info info;
};

FIXTURE_SETUP(kills)
{
	self->ep = vt_open();
	ASSERT_LE(0, self->ep);
	self->snd = vt_derive(self->ep, VIPC_RIGHT_SEND, 7);
	ASSERT_LE(0, self->snd);
	self->watch = vt_derive(self->ep, 0, 0);
	ASSERT_LE(0, self->watch);
	self->op = vp_ops(N_OPS);
}

FIXTURE_TEARDOWN(kills)
{
	close(self->ep);
	close(self->snd);
	close(self->watch);
}

/* ---- clients ---- */

TEST_F(kills, queued_sender_and_caller)
{
	static const unsigned long cmds[] = { VIPC_IOC_SEND, VIPC_IOC_CALL };

	for (int i = 0; i < 2; i++) {
		ASSERT_EQ(0, vp_start_msg(self->op, self->snd, cmds[i], 1));
		ASSERT_EQ(0, vt_wait_senders(self->ep, 1));
		EXPECT_EQ(VP_KILLED, vp_kill(self->op->pid));
		EXPECT_EQ(0, vt_senders(self->ep));
		EXPECT_EQ(-EAGAIN, vp_recv_now(self->ep, &self->m));
	}
	ASSERT_EQ(0, vt_info(self->ep, &self->info));
	EXPECT_EQ(0, self->info.sent + self->info.called);
}

/* The dead leave the queue, whichever place they had; the order stays. */
TEST_F(kills, queued_in_the_middle)
{
	static const int dead[] = { 0, 2, 3, 5 };
	static const int live[] = { 1, 4 };

	for (int i = 0; i < 6; i++) {
		ASSERT_EQ(0, vp_start_msg(&self->op[i], self->snd, i & 1 ?
				VIPC_IOC_SEND : VIPC_IOC_CALL, 100 + i));
		ASSERT_EQ(0, vt_wait_senders(self->ep, i + 1));
	}
	for (int i = 0; i < 4; i++) {
		EXPECT_EQ(VP_KILLED, vp_kill(self->op[dead[i]].pid));
		EXPECT_EQ(5 - i, vt_senders(self->ep));
	}
	for (int i = 0; i < 2; i++) {
		ASSERT_EQ(0, vp_recv_now(self->ep, &self->m));
		EXPECT_TRUE(vt_msg_is(&self->m, 100 + live[i]));
		if (self->m.reply)
			EXPECT_EQ(0, vp_reply_tag(self->ep, self->m.reply, 1));
		EXPECT_EQ(0, vp_end(&self->op[live[i]]));
	}
	EXPECT_EQ(-EAGAIN, vp_recv_now(self->ep, &self->m));
	EXPECT_EQ(0, vp_wait_idle(self->ep));
}

TEST_F(kills, caller_in_service)
{
	struct vipc_msg first;

	ASSERT_EQ(0, vp_start_msg(&self->op[0], self->snd, VIPC_IOC_CALL, 1));
	ASSERT_EQ(0, vt_wait_senders(self->ep, 1));
	ASSERT_EQ(0, vp_recv_now(self->ep, &first));
	ASSERT_EQ(0, vp_start_msg(&self->op[1], self->snd, VIPC_IOC_CALL, 2));
	ASSERT_EQ(0, vt_wait_senders(self->ep, 1));
	ASSERT_EQ(0, vp_recv_now(self->ep, &self->m));
	ASSERT_EQ(0, vt_wait_in_service(self->ep, 2));
	EXPECT_EQ(VP_KILLED, vp_kill(self->op[0].pid));
	EXPECT_EQ(1, vt_in_service(self->ep));
	EXPECT_EQ(-ESRCH, vp_reply_tag(self->ep, first.reply, 3));
	/* the other one gets its own answer */
	EXPECT_EQ(0, vp_reply_tag(self->ep, self->m.reply, 4));
	EXPECT_EQ(0, vp_end(&self->op[1]));
	EXPECT_TRUE(vt_msg_is(&self->op[1].msg, 4));
	EXPECT_EQ(0, vp_wait_idle(self->ep));
}

/* ---- servers ---- */

/* A dead receiver gets nothing: the message goes to one that lives. */
TEST_F(kills, waiting_receiver)
{
	int cap = vt_derive(self->ep, VIPC_RIGHT_RECV, 0);

	ASSERT_LE(0, cap);
	ASSERT_EQ(0, vp_start(&self->op[0], self->ep, VIPC_IOC_RECV));
	ASSERT_EQ(0, vt_wait_receivers(self->ep, 1));
	EXPECT_EQ(VP_KILLED, vp_kill(self->op[0].pid));
	EXPECT_EQ(0, vt_receivers(self->ep));
	EXPECT_EQ(-EAGAIN, vp_send_tag(self->snd, 1, VIPC_NONBLOCK));

	for (int i = 0; i < 3; i++) {
		ASSERT_EQ(0, vp_start(&self->op[i], i == 1 ? cap : self->ep,
				      VIPC_IOC_RECV));
		ASSERT_EQ(0, vt_wait_receivers(self->ep, i + 1));
	}
	EXPECT_EQ(VP_KILLED, vp_kill(self->op[2].pid));
	EXPECT_EQ(VP_KILLED, vp_kill(self->op[0].pid));
	EXPECT_EQ(1, vt_receivers(self->ep));
	EXPECT_EQ(0, vp_send_tag(self->snd, 2, VIPC_NONBLOCK));
	EXPECT_EQ(0, vp_end(&self->op[1]));
	EXPECT_TRUE(vt_msg_is(&self->op[1].msg, 2));
	close(cap);
}

/* A process that takes @n requests through @cap, its own, and answers none. */
static pid_t start_taker(int cap, int n)
{
	int *taken = vp_shared(sizeof(*taken));
	pid_t pid = vt_fork();

	if (pid < 0)
		return pid;
	if (pid)
		return vt_wait_until(vp_get(taken) == n) ? -ETIMEDOUT : pid;
	vp_keep_only(cap);
	for (int i = 0; i < n; i++) {
		struct vipc_msg m = { 0 };

		if (vt_recv(cap, &m))
			_exit(1);
		vp_add(taken, 1);
	}
	for (;;)
		pause();
}

/* Queues ops [@from, @to) through @snd, in this order. */
static int queue_up(FIXTURE_DATA(kills) *self, int from, int to,
		    unsigned long cmd)
{
	long long before = vt_senders(self->watch) - from;
	int ret = 0;

	for (int i = from; i < to && !ret; i++) {
		ret = vp_start_msg(&self->op[i], self->snd, cmd, 200 + i);
		if (!ret)
			ret = vt_wait_senders(self->watch, before + i + 1);
	}
	return ret;
}

TEST_F(kills, only_server)
{
	pid_t server;

	ASSERT_EQ(0, queue_up(self, 0, 4, VIPC_IOC_CALL));
	server = start_taker(self->ep, 4);
	ASSERT_LT(0, server);
	close(self->ep);	/* now the server's is the only one */
	ASSERT_EQ(0, queue_up(self, 4, 8, VIPC_IOC_CALL));
	ASSERT_EQ(0, queue_up(self, 8, 12, VIPC_IOC_SEND));
	EXPECT_EQ(4, vt_in_service(self->watch));
	EXPECT_EQ(VP_KILLED, vp_kill(server));

	for (int i = 0; i < 12; i++) {
		EXPECT_EQ(i < 4 ? -ECONNRESET : -EPIPE, vp_end(&self->op[i]));
		EXPECT_EQ(i < 4, vp_delivered(&self->op[i].msg));
		EXPECT_TRUE(vt_msg_is(&self->op[i].msg, 200 + i));
	}
	EXPECT_EQ(0, vp_wait_idle(self->watch));
	EXPECT_EQ(-EPIPE, vp_send_tag(self->snd, 1, 0));
	ASSERT_EQ(0, vt_info(self->snd, &self->info));
	EXPECT_EQ(VIPC_STATE_DEAD, self->info.state);
	EXPECT_EQ(2, self->info.capabilities);
}

TEST_F(kills, one_of_two_servers)
{
	int cap = vt_derive(self->ep, VIPC_RIGHT_RECV, 0);
	pid_t server;

	ASSERT_LE(0, cap);
	ASSERT_EQ(0, queue_up(self, 0, 3, VIPC_IOC_CALL));
	server = start_taker(cap, 3);
	ASSERT_LT(0, server);
	close(cap);
	ASSERT_EQ(0, queue_up(self, 3, 6, VIPC_IOC_CALL));
	/* this one is ours, and stays ours */
	ASSERT_EQ(0, vp_recv_now(self->ep, &self->m));
	EXPECT_EQ(4, vt_in_service(self->ep));
	EXPECT_EQ(VP_KILLED, vp_kill(server));
	for (int i = 0; i < 3; i++) {
		EXPECT_EQ(-ECONNRESET, vp_end(&self->op[i]));
		EXPECT_TRUE(vp_delivered(&self->op[i].msg));
	}
	EXPECT_EQ(1, vt_in_service(self->ep));
	EXPECT_EQ(2, vt_senders(self->ep));
	EXPECT_EQ(0, vp_reply_tag(self->ep, self->m.reply, 5));
	EXPECT_EQ(0, vp_end(&self->op[3]));
	for (int i = 4; i < 6; i++) {
		ASSERT_EQ(0, vp_recv_now(self->ep, &self->m));
		EXPECT_EQ(0, vp_reply_tag(self->ep, self->m.reply, 6));
		EXPECT_EQ(0, vp_end(&self->op[i]));
	}
	EXPECT_EQ(0, vp_wait_idle(self->ep));
}

/* The capability serves, not the process: a forked copy goes on. */
TEST_F(kills, one_of_two_processes_with_one_capability)
{
	int *taken = vp_shared(sizeof(*taken));
	uint64_t *token = vp_shared(sizeof(*token));
	pid_t server;

	ASSERT_EQ(0, queue_up(self, 0, 1, VIPC_IOC_CALL));
	server = vt_fork();
	ASSERT_LE(0, server);
	if (!server) {
		struct vipc_msg m = { 0 };

		vp_keep_only(self->ep);
		if (vt_recv(self->ep, &m))
			_exit(1);
		*token = m.reply;
		vp_set(taken, 1);
		for (;;)
			pause();
	}
	ASSERT_EQ(0, vt_wait_until(vp_get(taken)));
	EXPECT_EQ(VP_KILLED, vp_kill(server));
	EXPECT_EQ(1, vt_in_service(self->ep));
	EXPECT_EQ(0, vp_reply_tag(self->ep, *token, 8));
	EXPECT_EQ(0, vp_end(&self->op[0]));
	EXPECT_TRUE(vt_msg_is(&self->op[0].msg, 8));
}

/* ---- thread groups ---- */

enum group_end { BY_KILL, BY_EXIT, BY_EXEC };

struct group_thread {
	int fd;
	unsigned long cmd;
};

static void *group_main(void *data)
{
	struct group_thread *t = data;
	struct vipc_msg m = vt_msg(300);

	vt_ioctl(t->fd, t->cmd, &m);
	return NULL;
}

/*
 * A process with four threads in @cmd on @fd, which ends in the given way once
 * *@go is set. BY_EXEC leaves a process that runs "sleep".
 */
static pid_t start_group(int fd, unsigned long cmd, enum group_end end, int *go)
{
	static struct group_thread t[4];
	pthread_t thread;
	pid_t pid = vt_fork();

	if (pid)
		return pid;
	vp_keep_only(fd);
	for (int i = 0; i < 4; i++) {
		t[i] = (struct group_thread){ .fd = fd, .cmd = cmd };
		if (pthread_create(&thread, NULL, group_main, &t[i]))
			_exit(1);
	}
	if (vt_wait_until(vp_get(go)))
		_exit(2);
	if (end == BY_EXIT)
		_exit(0);
	if (end == BY_EXEC)
		execl("/proc/self/exe", "test_kill", "--idle", NULL);
	for (;;)
		pause();
}

static int end_group(pid_t pid, enum group_end end, int *go)
{
	vp_set(go, 1);
	switch (end) {
	case BY_EXIT:
		return vt_reap(pid);
	case BY_EXEC:
		/* exec first takes the other threads away; all was closed */
		return 0;
	default:
		return vp_kill(pid) == VP_KILLED ? 0 : -ECHILD;
	}
}

static void group_test(struct __test_metadata *_metadata,
		       FIXTURE_DATA(kills) *self, enum group_end end)
{
	int *go = vp_shared(sizeof(*go));
	uint64_t tokens[2];
	pid_t pid;

	/* four receivers */
	pid = start_group(self->ep, VIPC_IOC_RECV, end, go);
	ASSERT_LT(0, pid);
	ASSERT_EQ(0, vt_wait_receivers(self->ep, 4));
	EXPECT_EQ(0, end_group(pid, end, go));
	EXPECT_EQ(0, vp_wait_idle(self->ep));
	EXPECT_EQ(-EAGAIN, vp_send_tag(self->snd, 1, VIPC_NONBLOCK));
	if (end == BY_EXEC)
		EXPECT_EQ(VP_KILLED, vp_kill(pid));

	/* four callers, two of them in service */
	*go = 0;
	pid = start_group(self->snd, VIPC_IOC_CALL, end, go);
	ASSERT_LT(0, pid);
	ASSERT_EQ(0, vt_wait_senders(self->ep, 4));
	for (int i = 0; i < 2; i++) {
		ASSERT_EQ(0, vp_recv_now(self->ep, &self->m));
		EXPECT_EQ(7, self->m.badge);
		tokens[i] = self->m.reply;
	}
	EXPECT_EQ(0, end_group(pid, end, go));
	EXPECT_EQ(0, vp_wait_idle(self->ep));
	for (int i = 0; i < 2; i++)
		EXPECT_EQ(-ESRCH, vp_reply_tag(self->ep, tokens[i], 1));
	EXPECT_EQ(-EAGAIN, vp_recv_now(self->ep, &self->m));
	if (end == BY_EXEC)
		EXPECT_EQ(VP_KILLED, vp_kill(pid));
}

TEST_F(kills, thread_group_killed)
{
	group_test(_metadata, self, BY_KILL);
}

TEST_F(kills, thread_group_exits)
{
	group_test(_metadata, self, BY_EXIT);
}

TEST_F(kills, thread_group_execs)
{
	group_test(_metadata, self, BY_EXEC);
}

/* ---- races: the killer shifts against the rendezvous, CPU by CPU ---- */

#define RACES	100

struct race {
	uint64_t ok, reset, broken, wrong;
	int ready, go;
};

/* Calls through @fd until it fails. */
static void race_caller(struct race *race, int fd, int cpu)
{
	vt_pin(cpu);
	vp_keep_only(fd);
	vp_set(&race->ready, 1);
	for (uint64_t i = 1;; i++) {
		struct vipc_msg m = vt_msg(i);
		int ret = vt_call(fd, &m);

		if (!ret) {
			vp_add(&race->ok, 1);
			if (!vt_msg_is(&m, ~i))
				vp_add(&race->wrong, 1);
			continue;
		}
		if (ret == -ECONNRESET && vp_delivered(&m))
			vp_add(&race->reset, 1);
		else if (ret == -EPIPE && !vp_delivered(&m))
			vp_add(&race->broken, 1);
		else
			vp_add(&race->wrong, 1);
		_exit(0);
	}
}

/* Answers through @fd until it fails. */
static void race_server(struct race *race, int fd, int cpu)
{
	struct vipc_msg m = { 0 };

	vt_pin(cpu);
	vp_keep_only(fd);
	vp_set(&race->ready, 1);
	for (;;) {
		int ret = vt_reply_recv(fd, &m);
		uint64_t token = m.reply;

		if (ret == -ESRCH) {	/* the caller is dead: go on */
			m.reply = 0;
			continue;
		}
		if (ret)
			_exit(ret == -EPIPE ? 0 : 1);
		m = vt_msg(~m.data[0]);
		m.reply = token;
	}
}

static pid_t race_start(struct race *race, int fd, int cpu,
			void (*body)(struct race *race, int fd, int cpu))
{
	pid_t pid;

	race->ready = 0;
	pid = vt_fork();
	if (pid < 0)
		return pid;
	if (pid)
		return vt_wait_until(vp_get(&race->ready)) ? -ETIMEDOUT : pid;
	body(race, fd, cpu);
	_exit(0);
}

static void race_kill_callers(struct __test_metadata *_metadata,
			      FIXTURE_DATA(kills) *self, int cpu)
{
	struct vp_rng rng = vp_rng_init(vp_seed(), 0);
	struct race *race = vp_shared(sizeof(*race));
	pid_t server = race_start(race, self->ep, 0, race_server);

	ASSERT_LT(0, server);
	for (int i = 0; i < RACES; i++) {
		pid_t pid = race_start(race, self->snd, cpu, race_caller);

		ASSERT_LT(0, pid);
		vp_spin(vp_random(&rng, 20000));
		ASSERT_EQ(VP_KILLED, vp_kill(pid));
		ASSERT_EQ(0, vt_wait_senders(self->ep, 0));
		ASSERT_EQ(0, vt_wait_in_service(self->ep, 0));
	}
	EXPECT_EQ(0, race->wrong + race->reset + race->broken);
	EXPECT_EQ(0, vt_wait_receivers(self->ep, 1));
	EXPECT_EQ(0, vt_shutdown(self->ep));
	EXPECT_EQ(0, vt_reap(server));
}

TEST_F(kills, race_caller_same_cpu)
{
	race_kill_callers(_metadata, self, 0);
}

TEST_F(kills, race_caller_other_cpu)
{
	if (vt_cpus() < 2)
		SKIP(return, "needs 2 CPUs");
	race_kill_callers(_metadata, self, 1);
}

static void race_kill_servers(struct __test_metadata *_metadata, int cpu)
{
	struct vp_rng rng = vp_rng_init(vp_seed(), 1);
	struct race *race = vp_shared(sizeof(*race));

	for (int i = 0; i < RACES; i++) {
		pid_t server, callers[2];
		int ep = vt_open(), snd;

		ASSERT_LE(0, ep);
		snd = vt_derive(ep, VIPC_RIGHT_SEND, 0);
		ASSERT_LE(0, snd);
		server = race_start(race, ep, 0, race_server);
		ASSERT_LT(0, server);
		close(ep);
		for (int j = 0; j < 2; j++) {
			callers[j] = race_start(race, snd, cpu, race_caller);
			ASSERT_LT(0, callers[j]);
		}
		vp_spin(vp_random(&rng, 20000));
		ASSERT_EQ(VP_KILLED, vp_kill(server));
		/* both must notice, and in the documented way */
		ASSERT_EQ(0, vt_reap(callers[0]));
		ASSERT_EQ(0, vt_reap(callers[1]));
		ASSERT_EQ(0, vp_wait_idle(snd));
		ASSERT_EQ(-EPIPE, vp_send_tag(snd, 1, 0));
		close(snd);
	}
	EXPECT_EQ(0, race->wrong);
}

TEST_F(kills, race_server_same_cpu)
{
	race_kill_servers(_metadata, 0);
}

TEST_F(kills, race_server_other_cpu)
{
	if (vt_cpus() < 2)
		SKIP(return, "needs 2 CPUs");
	race_kill_servers(_metadata, 1);
}

/* "--idle": what a process execs that shall only exist. */
static void __attribute__((constructor)) idle(int argc, char **argv)
{
	if (argc == 2 && !strcmp(argv[1], "--idle"))
		for (;;)
			pause();
}

TEST_HARNESS_MAIN
