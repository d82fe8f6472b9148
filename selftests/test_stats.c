// SPDX-License-Identifier: GPL-2.0
/*
 * Statistics: after a known workload each counter has moved by exactly what
 * was done, and by nothing else. Needs the machine's vipc for itself.
 */
#include "vipc_procs.h"

/* Each line of the file stats, in its order. */
struct stats {
	long long send_count, receive_count, call_count, reply_count,
		  notify_count, fast_path_count, slow_path_count,
		  fast_path_percentage, avg_latency_cycles,
		  min_latency_cycles, max_latency_cycles, p50_latency_cycles,
		  p99_latency_cycles, p999_latency_cycles, spin_hits,
		  spin_misses, spin_time_ns, yield_hits, yield_misses, sleeps,
		  bytes_copied, fds_passed, timeouts, interrupts, revoked,
		  dropped, endpoints, capabilities;
};

static const char *const stat_names[] = {
	"send_count", "receive_count", "call_count", "reply_count",
	"notify_count", "fast_path_count", "slow_path_count",
	"fast_path_percentage", "avg_latency_cycles", "min_latency_cycles",
	"max_latency_cycles", "p50_latency_cycles", "p99_latency_cycles",
	"p999_latency_cycles", "spin_hits", "spin_misses", "spin_time_ns",
	"yield_hits", "yield_misses", "sleeps", "bytes_copied", "fds_passed",
	"timeouts", "interrupts", "revoked", "dropped", "endpoints",
	"capabilities",
};

#define NR_STATS (sizeof(stat_names) / sizeof(stat_names[0]))
_Static_assert(sizeof(struct stats) == NR_STATS * sizeof(long long),
	       "a name for each member");

/* 0, or -EBADMSG if the file is not "name value" lines with these names. */
static int read_stats(struct stats *s)
{
	FILE *f = fopen(VT_DEBUGFS "stats", "re");
	char line[160], want[160];
	int ret = 0;

	if (!f)
		return -errno;
	for (unsigned int i = 0; i < NR_STATS && !ret; i++) {
		long long value = -1;

		if (!fgets(line, sizeof(line), f) ||
		    sscanf(line, "%*s %lld", &value) != 1) {
			ret = -EBADMSG;
			break;
		}
		snprintf(want, sizeof(want), "%s %lld\n", stat_names[i], value);
		if (strcmp(line, want) || value < 0)
			ret = -EBADMSG;
		memcpy((char *)s + i * sizeof(value), &value, sizeof(value));
	}
	if (!ret && fgets(line, sizeof(line), f))
		ret = -EBADMSG;
	fclose(f);
	return ret;
}

FIXTURE(stats)
{
	int ep, snd, mid, leaf;	/* mid, leaf: SEND, REVOKE, GRANT */
	struct stats before, after;
	struct vp_op *op;
	struct vipc_msg m;
};

FIXTURE_SETUP(stats)
{
	if (access(VT_DEBUGFS "stats", R_OK))
		SKIP(return, "no %sstats: is debugfs mounted?", VT_DEBUGFS);
	self->ep = vt_open();
	ASSERT_LE(0, self->ep);
	self->snd = vt_derive(self->ep, VIPC_RIGHT_SEND, 1);
	ASSERT_LE(0, self->snd);
	self->mid = vt_derive(self->ep, VIPC_RIGHTS_ALL & ~VIPC_RIGHT_RECV, 2);
	ASSERT_LE(0, self->mid);
	self->leaf = vt_derive(self->mid, VIPC_RIGHT_SEND, 2);
	ASSERT_LE(0, self->leaf);
	self->op = vp_ops(8);
	ASSERT_EQ(0, vt_stats_reset());
	ASSERT_EQ(0, read_stats(&self->before));
}

FIXTURE_TEARDOWN(stats)
{
	close(self->ep);
	close(self->snd);
	close(self->mid);
	close(self->leaf);
}

/*
 * Expects every counter to be what the named members say, and 0 otherwise. The
 * latencies are what they are; only their order is known.
 */
#define EXPECT_STATS(...) do {						\
	struct stats want_ = { __VA_ARGS__ };				\
	ASSERT_EQ(0, read_stats(&self->after));				\
	EXPECT_EQ(want_.send_count, self->after.send_count);		\
	EXPECT_EQ(want_.receive_count, self->after.receive_count);	\
	EXPECT_EQ(want_.call_count, self->after.call_count);		\
	EXPECT_EQ(want_.reply_count, self->after.reply_count);		\
	EXPECT_EQ(want_.fast_path_count, self->after.fast_path_count);	\
	EXPECT_EQ(want_.slow_path_count, self->after.slow_path_count);	\
	EXPECT_EQ(want_.timeouts, self->after.timeouts);		\
	EXPECT_EQ(want_.interrupts, self->after.interrupts);		\
	EXPECT_EQ(want_.revoked, self->after.revoked);			\
	EXPECT_EQ(0, self->after.notify_count);				\
	EXPECT_EQ(0, self->after.fds_passed);				\
	EXPECT_EQ(0, self->after.dropped);				\
	EXPECT_EQ(self->before.endpoints, self->after.endpoints);	\
	EXPECT_EQ(self->before.capabilities, self->after.capabilities);	\
	expect_consistent(_metadata, &self->after);			\
} while (0)

/* What holds whatever was done. */
static void expect_consistent(struct __test_metadata *_metadata,
			      const struct stats *s)
{
	long long all = s->send_count + s->call_count;

	EXPECT_EQ(all, s->fast_path_count + s->slow_path_count);
	EXPECT_EQ(all ? s->fast_path_count * 100 / all : 0,
		  s->fast_path_percentage);
	EXPECT_LE(s->min_latency_cycles, s->p50_latency_cycles);
	EXPECT_LE(s->p50_latency_cycles, s->p99_latency_cycles);
	EXPECT_LE(s->p99_latency_cycles, s->p999_latency_cycles);
	EXPECT_LE(s->p999_latency_cycles, s->max_latency_cycles);
	EXPECT_LE(s->min_latency_cycles, s->avg_latency_cycles);
	EXPECT_LE(s->avg_latency_cycles, s->max_latency_cycles);
	EXPECT_EQ(all > 0, s->max_latency_cycles > 0);
}

TEST_F(stats, nothing_done)
{
	EXPECT_LE(1, self->before.endpoints);
	EXPECT_LE(4, self->before.capabilities);
	EXPECT_STATS(.send_count = 0);
}

TEST_F(stats, fast_sends)
{
	for (int i = 0; i < 20; i++) {
		ASSERT_EQ(0, vp_start(self->op, self->ep, VIPC_IOC_RECV));
		ASSERT_EQ(0, vt_wait_receivers(self->ep, 1));
		ASSERT_EQ(0, vp_send_tag(self->snd, i, 0));
		ASSERT_EQ(0, vp_end(self->op));
	}
	EXPECT_STATS(.send_count = 20, .receive_count = 20,
		     .fast_path_count = 20);
	EXPECT_EQ(100, self->after.fast_path_percentage);
}

TEST_F(stats, slow_sends)
{
	for (int i = 0; i < 20; i++) {
		ASSERT_EQ(0, vp_start_msg(self->op, self->snd, VIPC_IOC_SEND, i));
		ASSERT_EQ(0, vt_wait_senders(self->ep, 1));
		ASSERT_EQ(0, vp_recv_now(self->ep, &self->m));
		ASSERT_EQ(0, vp_end(self->op));
	}
	EXPECT_STATS(.send_count = 20, .receive_count = 20,
		     .slow_path_count = 20);
	EXPECT_EQ(0, self->after.fast_path_percentage);
}

/* A server that answers @calls in REPLY_RECV, then takes one SEND and ends. */
static pid_t start_server(int fd, int calls, int cpu)
{
	struct vipc_msg m = { 0 };
	pid_t pid = vt_fork();

	if (pid)
		return pid;
	vp_keep_only(fd);
	if (cpu >= 0)
		vt_pin(cpu);
	for (int i = 0; i <= calls; i++)
		if (vt_reply_recv(fd, &m))
			_exit(1);
	_exit(m.reply ? 2 : 0);
}

TEST_F(stats, fast_and_slow_calls)
{
	pid_t pid;

	/* slow: queued before it is received */
	for (int i = 0; i < 10; i++) {
		ASSERT_EQ(0, vp_start_msg(self->op, self->snd, VIPC_IOC_CALL, i));
		ASSERT_EQ(0, vt_wait_senders(self->ep, 1));
		ASSERT_EQ(0, vp_recv_now(self->ep, &self->m));
		ASSERT_EQ(0, vp_reply_tag(self->ep, self->m.reply, i));
		ASSERT_EQ(0, vp_end(self->op));
	}
	EXPECT_STATS(.call_count = 10, .receive_count = 10, .reply_count = 10,
		     .slow_path_count = 10);
	/* fast: the server waits; its last receive is of a SEND */
	pid = start_server(self->ep, 30, -1);
	ASSERT_LT(0, pid);
	for (int i = 0; i < 30; i++) {
		ASSERT_EQ(0, vt_wait_receivers(self->ep, 1));
		self->m = vt_msg(i);
		ASSERT_EQ(0, vt_call(self->snd, &self->m));
	}
	ASSERT_EQ(0, vt_wait_receivers(self->ep, 1));
	ASSERT_EQ(0, vp_send_tag(self->snd, 1, 0));
	ASSERT_EQ(0, vt_reap(pid));
	EXPECT_STATS(.call_count = 40, .send_count = 1, .receive_count = 41,
		     .reply_count = 40, .slow_path_count = 10,
		     .fast_path_count = 31);
	EXPECT_EQ(75, self->after.fast_path_percentage);
}

/* What fails is not counted as done. */
TEST_F(stats, failures)
{
	struct vipc_msg *m = &self->m;

	for (int i = 0; i < 5; i++) {
		EXPECT_EQ(-EAGAIN, vp_send_tag(self->snd, 1, VIPC_NONBLOCK));
		EXPECT_EQ(-EAGAIN, vp_recv_now(self->ep, m));
		EXPECT_EQ(-ESRCH, vp_reply_tag(self->ep, 12345, 1));
		EXPECT_EQ(-EACCES, vt_recv(self->snd, m));
		EXPECT_EQ(-EINVAL, vp_send_tag(self->snd, 1, 0x80));
		EXPECT_EQ(-EFAULT, vt_send(self->snd, NULL));
		EXPECT_EQ(-EFAULT, vt_call(self->snd, NULL));
		EXPECT_EQ(-ENOTTY, vt_ioctl(self->snd, VIPC_IOC_INFO + 1, m));
	}
	EXPECT_STATS(.send_count = 0);
}

TEST_F(stats, timeouts)
{
	struct vipc_msg *m = &self->m;

	for (int i = 0; i < 3; i++) {
		*m = vt_msg(1);
		m->deadline_ns = vt_in_ms(1);
		EXPECT_EQ(-ETIMEDOUT, vt_send(self->snd, m));
		m->deadline_ns = vt_in_ms(1);
		EXPECT_EQ(-ETIMEDOUT, vt_call(self->snd, m));
		m->deadline_ns = 1;
		EXPECT_EQ(-ETIMEDOUT, vt_call(self->snd, m));
		m->deadline_ns = vt_in_ms(1);
		EXPECT_EQ(-ETIMEDOUT, vt_recv(self->ep, m));
	}
	EXPECT_STATS(.timeouts = 12);
}

TEST_F(stats, interrupts)
{
	for (int i = 0; i < 3; i++) {
		/* queued; in service; receiving */
		ASSERT_EQ(0, vp_start_msg(self->op, self->snd, VIPC_IOC_SEND, i));
		ASSERT_EQ(0, vt_wait_senders(self->ep, 1));
		kill(self->op->pid, SIGUSR1);
		EXPECT_EQ(-EINTR, vp_end(self->op));
		ASSERT_EQ(0, vp_start_msg(self->op, self->snd, VIPC_IOC_CALL, i));
		ASSERT_EQ(0, vt_wait_senders(self->ep, 1));
		ASSERT_EQ(0, vp_recv_now(self->ep, &self->m));
		kill(self->op->pid, SIGUSR1);
		EXPECT_EQ(-EINTR, vp_end(self->op));
		ASSERT_EQ(0, vp_start(self->op, self->ep, VIPC_IOC_RECV));
		ASSERT_EQ(0, vt_wait_receivers(self->ep, 1));
		kill(self->op->pid, SIGUSR1);
		EXPECT_EQ(-EINTR, vp_end(self->op));
	}
	/* a restart counts too */
	self->op->sa_flags = SA_RESTART;
	ASSERT_EQ(0, vp_start_msg(self->op, self->snd, VIPC_IOC_SEND, 9));
	ASSERT_EQ(0, vt_wait_senders(self->ep, 1));
	kill(self->op->pid, SIGUSR1);
	ASSERT_EQ(0, vt_wait_until(vp_get(&self->op->handled)));
	ASSERT_EQ(0, vt_wait_senders(self->ep, 1));
	ASSERT_EQ(0, vp_recv_now(self->ep, &self->m));
	EXPECT_EQ(0, vp_end(self->op));
	EXPECT_STATS(.interrupts = 10, .receive_count = 4, .send_count = 1,
		     .slow_path_count = 1);
}

TEST_F(stats, revoked)
{
	ASSERT_EQ(0, vp_start_msg(&self->op[0], self->leaf, VIPC_IOC_SEND, 1));
	ASSERT_EQ(0, vp_start_msg(&self->op[1], self->leaf, VIPC_IOC_CALL, 2));
	ASSERT_EQ(0, vt_wait_senders(self->ep, 2));
	ASSERT_EQ(0, vt_revoke(self->mid));
	EXPECT_EQ(-EKEYREVOKED, vp_end(&self->op[0]));
	EXPECT_EQ(-EKEYREVOKED, vp_end(&self->op[1]));
	for (int i = 0; i < 5; i++)
		EXPECT_EQ(-EKEYREVOKED, vp_send_tag(self->leaf, 1, 0));
	EXPECT_STATS(.revoked = 7);
}

/* ---- both CPUs at once ---- */

#define ROUNDS 500

TEST_F(stats, nothing_lost_between_cpus)
{
	int other = vt_open(), cpus = vt_cpus() > 1 ? 2 : 1;
	pid_t server[2], client[2];
	const int ep[2] = { self->ep, other };

	ASSERT_LE(0, other);
	for (int i = 0; i < 2; i++) {
		server[i] = start_server(ep[i], ROUNDS, i % cpus);
		ASSERT_LT(0, server[i]);
	}
	for (int i = 0; i < 2; i++) {
		client[i] = vt_fork();
		ASSERT_LE(0, client[i]);
		if (client[i])
			continue;
		vt_pin((i + 1) % cpus);
		for (int j = 0; j < ROUNDS; j++) {
			struct vipc_msg m = vt_msg(j);

			if (vt_call(ep[i], &m))
				_exit(1);
		}
		_exit(vp_send_tag(ep[i], 1, 0) ? 2 : 0);
	}
	for (int i = 0; i < 2; i++) {
		EXPECT_EQ(0, vt_reap(client[i]));
		EXPECT_EQ(0, vt_reap(server[i]));
	}
	close(other);
	ASSERT_EQ(0, read_stats(&self->after));
	EXPECT_EQ(2 * ROUNDS, self->after.call_count);
	EXPECT_EQ(2 * ROUNDS, self->after.reply_count);
	EXPECT_EQ(2, self->after.send_count);
	EXPECT_EQ(2 * ROUNDS + 2, self->after.receive_count);
	expect_consistent(_metadata, &self->after);

	/* and a reset takes all of it away */
	ASSERT_EQ(0, vt_stats_reset());
	EXPECT_STATS(.send_count = 0);
}

/* ---- the other files ---- */

/* Sum of the histogram's counts for @op on @path, or -errno. */
static long long latency_sum(const char *op, const char *path)
{
	FILE *f = fopen(VT_DEBUGFS "latency", "re");
	char line[160], o[16], p[16];
	long long sum = 0;

	if (!f)
		return -errno;
	if (!fgets(line, sizeof(line), f) ||
	    strcmp(line, "op path from_cycles to_cycles count\n"))
		sum = -EBADMSG;
	while (sum >= 0 && fgets(line, sizeof(line), f)) {
		unsigned long long from, to;
		long long count;

		if (sscanf(line, "%15s %15s %llu %llu %lld", o, p, &from, &to,
			   &count) != 5 || from > to || count < 0)
			sum = -EBADMSG;
		else if (!strcmp(o, op) && !strcmp(p, path))
			sum += count;
	}
	fclose(f);
	return sum;
}

TEST_F(stats, latency_histogram)
{
	EXPECT_EQ(0, latency_sum("send", "slow"));
	for (int i = 0; i < 7; i++) {
		ASSERT_EQ(0, vp_start_msg(&self->op[0], self->snd, i & 1 ?
					  VIPC_IOC_CALL : VIPC_IOC_SEND, i));
		ASSERT_EQ(0, vt_wait_senders(self->ep, 1));
		ASSERT_EQ(0, vp_recv_now(self->ep, &self->m));
		if (i & 1)
			ASSERT_EQ(0, vp_reply_tag(self->ep, self->m.reply, i));
		ASSERT_EQ(0, vp_end(&self->op[0]));
	}
	for (int i = 0; i < 5; i++) {
		ASSERT_EQ(0, vp_start(&self->op[0], self->ep, VIPC_IOC_RECV));
		ASSERT_EQ(0, vt_wait_receivers(self->ep, 1));
		ASSERT_EQ(0, vp_send_tag(self->snd, i, 0));
		ASSERT_EQ(0, vp_end(&self->op[0]));
	}
	EXPECT_EQ(4, latency_sum("send", "slow"));
	EXPECT_EQ(5, latency_sum("send", "fast"));
	EXPECT_EQ(3, latency_sum("call", "slow"));
	EXPECT_EQ(0, latency_sum("call", "fast"));
}

struct endpoint_line {
	char comm[64], state[16];
	unsigned int capabilities, receivers, senders, in_service;
	unsigned long long sent, called, received, replied;
	int lines;		/* in the file, without the header */
};

/* What the file endpoints says about @id. */
static int read_endpoints(uint64_t id, struct endpoint_line *e)
{
	FILE *f = fopen(VT_DEBUGFS "endpoints", "re");
	char line[256];
	int ret = -ENOENT;

	if (!f)
		return -errno;
	e->lines = 0;
	if (!fgets(line, sizeof(line), f) || strncmp(line, "id owner comm ", 14))
		ret = -EBADMSG;
	while (ret != -EBADMSG && fgets(line, sizeof(line), f)) {
		char *end;
		uint64_t number = strtoull(line, &end, 10);

		e->lines++;
		if (*end != ' ')
			ret = -EBADMSG;
		else if (number == id)
			ret = sscanf(line, "%*u %*d %63s %15s %u %u %u %u %llu %llu %llu %llu",
				     e->comm, e->state, &e->capabilities,
				     &e->receivers, &e->senders,
				     &e->in_service, &e->sent, &e->called,
				     &e->received, &e->replied) == 10 ? 0 : -EBADMSG;
	}
	fclose(f);
	return ret;
}

TEST_F(stats, endpoints_file)
{
	struct endpoint_line e;
	struct vipc_info info;
	int other = vt_open();

	ASSERT_LE(0, other);
	ASSERT_EQ(0, vt_info(self->ep, &info));
	ASSERT_EQ(0, vp_start_msg(&self->op[0], self->snd, VIPC_IOC_CALL, 1));
	ASSERT_EQ(0, vt_wait_senders(self->ep, 1));
	ASSERT_EQ(0, vp_recv_now(self->ep, &self->m));
	ASSERT_EQ(0, vp_start_msg(&self->op[1], self->snd, VIPC_IOC_SEND, 1));
	ASSERT_EQ(0, vt_wait_senders(self->ep, 1));
	ASSERT_EQ(0, read_endpoints(info.endpoint, &e));
	EXPECT_STREQ("live", e.state);
	EXPECT_EQ(4, e.capabilities);
	EXPECT_EQ(0, e.receivers);
	EXPECT_EQ(1, e.senders);
	EXPECT_EQ(1, e.in_service);
	EXPECT_EQ(0, e.sent);
	EXPECT_EQ(1, e.called);
	EXPECT_EQ(1, e.received);
	EXPECT_EQ(0, e.replied);
	EXPECT_EQ(e.lines, vt_stat_value("endpoints"));
	EXPECT_EQ(0, vp_reply_tag(self->ep, self->m.reply, 2));
	EXPECT_EQ(0, vp_end(&self->op[0]));

	ASSERT_EQ(0, vt_info(other, &info));
	EXPECT_EQ(0, read_endpoints(info.endpoint, &e));
	EXPECT_EQ(1, e.capabilities);
	close(other);
	EXPECT_EQ(-ENOENT, read_endpoints(info.endpoint, &e));
	EXPECT_EQ(e.lines, vt_stat_value("endpoints"));
	EXPECT_EQ(VP_KILLED, vp_kill(self->op[1].pid));
}

/* Whatever a process is called, its line has as many columns as the others. */
TEST_F(stats, endpoints_file_of_odd_names)
{
	static const char *const names[][2] = {
		{ "", "-" },
		{ "plain", "plain" },
		{ "two words", "two\\040words" },
		{ " ", "\\040" },
		{ "tab\tnl\nback\\", "tab\\011nl\\012back\\134" },
	};
	char was[16];

	ASSERT_EQ(0, prctl(PR_GET_NAME, was));
	for (unsigned int i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
		struct endpoint_line e;
		struct vipc_info info;
		int fd;

		ASSERT_EQ(0, prctl(PR_SET_NAME, names[i][0]));
		fd = vt_open();
		prctl(PR_SET_NAME, was);
		ASSERT_LE(0, fd);
		ASSERT_EQ(0, vt_info(fd, &info));
		EXPECT_EQ(0, read_endpoints(info.endpoint, &e));
		EXPECT_STREQ(names[i][1], e.comm);
		EXPECT_STREQ("live", e.state);
		close(fd);
	}
}

/* Is @line a whole line of the fdinfo of @fd? */
static bool fdinfo_has(int fd, const char *want)
{
	char path[64], line[160];
	bool found = false;
	FILE *f;

	snprintf(path, sizeof(path), "/proc/self/fdinfo/%d", fd);
	f = fopen(path, "re");
	if (!f)
		return false;
	while (!found && fgets(line, sizeof(line), f)) {
		line[strcspn(line, "\n")] = 0;
		found = !strcmp(line, want);
	}
	fclose(f);
	return found;
}

TEST_F(stats, fdinfo)
{
	struct vipc_info info;
	char line[64];
	int none = vt_derive(self->ep, 0, 0);

	ASSERT_LE(0, none);
	ASSERT_EQ(0, vt_info(self->ep, &info));
	snprintf(line, sizeof(line), "vipc-endpoint:\t%llu",
		 (unsigned long long)info.endpoint);
	EXPECT_TRUE(fdinfo_has(self->ep, line));
	EXPECT_TRUE(fdinfo_has(self->leaf, line));
	EXPECT_TRUE(fdinfo_has(self->ep, "vipc-rights:\tsend,recv,grant,revoke"));
	EXPECT_TRUE(fdinfo_has(self->mid, "vipc-rights:\tsend,grant,revoke"));
	EXPECT_TRUE(fdinfo_has(self->leaf, "vipc-rights:\tsend"));
	EXPECT_TRUE(fdinfo_has(none, "vipc-rights:\tnone"));
	EXPECT_TRUE(fdinfo_has(self->ep, "vipc-badge:\t0"));
	EXPECT_TRUE(fdinfo_has(self->leaf, "vipc-badge:\t2"));
	EXPECT_TRUE(fdinfo_has(self->leaf, "vipc-state:\tlive"));
	ASSERT_EQ(0, vt_revoke(self->mid));
	EXPECT_TRUE(fdinfo_has(self->leaf, "vipc-state:\trevoked"));
	EXPECT_TRUE(fdinfo_has(self->leaf, line));
	EXPECT_TRUE(fdinfo_has(self->mid, "vipc-state:\tlive"));
	ASSERT_EQ(0, vt_shutdown(self->ep));
	EXPECT_TRUE(fdinfo_has(self->mid, "vipc-state:\tdead"));
	EXPECT_TRUE(fdinfo_has(self->leaf, "vipc-state:\trevoked"));
	close(none);
}

/* What an endpoint lets in, and keeps; and whether anybody minds a closed badge. */
TEST_F(stats, fdinfo_of_a_configured_endpoint)
{
	struct vipc_config c = {
		.flags = VIPC_CONFIG_MAX_LEN | VIPC_CONFIG_MAX_FDS |
			 VIPC_CONFIG_DEPTH,
		.max_len = 4711,
		.max_fds = 3,
		.depth = 5,
	};
	struct vipc_msg m = vt_msg(1);
	int fd = vt_open(), watched = vt_derive_watched(fd, VIPC_RIGHT_SEND, 9);

	ASSERT_LE(0, watched);
	EXPECT_TRUE(fdinfo_has(fd, "vipc-max-len:\t0"));
	EXPECT_TRUE(fdinfo_has(fd, "vipc-depth:\t0"));
	ASSERT_EQ(0, vt_config(fd, &c));
	ASSERT_EQ(0, vt_send(watched, &m));
	for (int i = 0; i < 2; i++) {
		int cap = i ? watched : fd;

		EXPECT_TRUE(fdinfo_has(cap, "vipc-max-len:\t4711"));
		EXPECT_TRUE(fdinfo_has(cap, "vipc-max-fds:\t3"));
		EXPECT_TRUE(fdinfo_has(cap, "vipc-depth:\t5"));
		EXPECT_TRUE(fdinfo_has(cap, "vipc-buffered:\t1"));
	}
	EXPECT_TRUE(fdinfo_has(fd, "vipc-watched:\tno"));
	EXPECT_TRUE(fdinfo_has(watched, "vipc-watched:\tyes"));
	/* A capability that is revoked sees no more of that. */
	ASSERT_EQ(0, vt_revoke(fd));
	EXPECT_TRUE(fdinfo_has(watched, "vipc-state:\trevoked"));
	EXPECT_TRUE(fdinfo_has(watched, "vipc-watched:\tno"));
	EXPECT_FALSE(fdinfo_has(watched, "vipc-max-len:\t4711"));
	EXPECT_FALSE(fdinfo_has(watched, "vipc-buffered:\t1"));
	close(watched);
	close(fd);
}

TEST_HARNESS_MAIN
