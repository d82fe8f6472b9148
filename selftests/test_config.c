// SPDX-License-Identifier: GPL-2.0
/*
 * CONFIG: values that hold, values that are refused, and the moment up to which
 * a depth can be chosen. What fails changes nothing.
 */
#include "vipc_procs.h"

#define PAGE		4096ul
#define PARAMETERS	"/sys/module/vipc/parameters/"
#define LIMIT_MAX_LEN	(16u << 20)
#define ALL_FLAGS	(VIPC_CONFIG_MAX_LEN | VIPC_CONFIG_MAX_FDS | \
			 VIPC_CONFIG_DEPTH | VIPC_CONFIG_SPIN_NS)
#define NO_LIMIT	4294967295u

FIXTURE(config)
{
	int fd;
	struct vipc_config c;
	struct vipc_msg m;
	long was_max_len, was_spin_ns, was_wait;
};

static long parameter(const char *name)
{
	char path[128], text[32] = "";
	ssize_t n;
	int fd;

	snprintf(path, sizeof(path), PARAMETERS "%s", name);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return -errno;
	n = read(fd, text, sizeof(text) - 1);
	close(fd);
	return n > 0 ? strtol(text, NULL, 10) : -EIO;
}

static int set_parameter(const char *name, long value)
{
	char path[128], text[32];

	snprintf(path, sizeof(path), PARAMETERS "%s", name);
	snprintf(text, sizeof(text), "%ld\n", value);
	return vt_write_file(path, text);
}

FIXTURE_SETUP(config)
{
	self->was_max_len = parameter("max_len");
	self->was_spin_ns = parameter("spin_ns");
	self->was_wait = parameter("wait");
	ASSERT_LE(0, self->was_max_len);
	ASSERT_LE(0, self->was_spin_ns);
	ASSERT_LE(0, self->was_wait);
	self->fd = vt_open();
	ASSERT_LE(0, self->fd);
}

FIXTURE_TEARDOWN(config)
{
	set_parameter("max_len", self->was_max_len);
	set_parameter("spin_ns", self->was_spin_ns);
	set_parameter("wait", self->was_wait);
	close(self->fd);
}

/* What holds, or a structure that nothing equals. */
static struct vipc_config get_config(int fd)
{
	struct vipc_config c = { 0 };

	if (vt_config(fd, &c))
		memset(&c, 0xee, sizeof(c));
	return c;
}

static bool config_is(int fd, uint32_t max_len, uint32_t max_fds,
		      uint32_t depth, uint32_t spin_ns)
{
	struct vipc_config c = get_config(fd), want = {
		.max_len = max_len,
		.max_fds = max_fds,
		.depth = depth,
		.spin_ns = spin_ns,
	};
	struct vipc_info info;

	if (vt_info(fd, &info) || info.max_len != max_len ||
	    info.max_fds != max_fds || info.depth != depth)
		return false;
	return !memcmp(&c, &want, sizeof(c));
}

/* ---- values ---- */

TEST_F(config, at_first)
{
	struct vipc_config c;

	EXPECT_TRUE(config_is(self->fd, 0, 0, 0, NO_LIMIT));
	/* over rubbish, where it may be */
	memset(&c, 0xa5, sizeof(c));
	c.flags = 0;
	c.reserved32 = 0;
	c.reserved = 0;
	EXPECT_EQ(0, vt_config(self->fd, &c));
	self->c.spin_ns = NO_LIMIT;
	EXPECT_EQ(0, memcmp(&c, &self->c, sizeof(c)));
	EXPECT_EQ(1 << 20, self->was_max_len);
}

/* Each by itself, and what is not asked for stays, whatever its field says. */
TEST_F(config, one_by_one)
{
	struct vipc_config c, want = { .spin_ns = NO_LIMIT };

	for (int flag = 0; flag < 4; flag++) {
		memset(&c, 0xa5, sizeof(c));
		c.flags = 1u << flag;
		c.reserved32 = 0;
		c.reserved = 0;
		switch (c.flags) {
		case VIPC_CONFIG_MAX_LEN:
			c.max_len = want.max_len = 12345;
			break;
		case VIPC_CONFIG_MAX_FDS:
			c.max_fds = want.max_fds = 17;
			break;
		case VIPC_CONFIG_DEPTH:
			c.depth = want.depth = 9;
			break;
		case VIPC_CONFIG_SPIN_NS:
			c.spin_ns = want.spin_ns = 777;
			break;
		}
		want.flags = c.flags;
		ASSERT_EQ(0, vt_config(self->fd, &c));
		EXPECT_EQ(0, memcmp(&c, &want, sizeof(c))) {
			TH_LOG("flag %#x", want.flags);
		}
		EXPECT_TRUE(config_is(self->fd, want.max_len, want.max_fds,
				      want.depth, want.spin_ns));
	}
}

TEST_F(config, all_at_once)
{
	struct vipc_config c = {
		.flags = ALL_FLAGS,
		.max_len = 1 << 20,
		.max_fds = VIPC_MAX_FDS,
		.depth = VIPC_MAX_DEPTH,
		.spin_ns = 0,
	}, want = c;

	ASSERT_EQ(0, vt_config(self->fd, &c));
	EXPECT_EQ(0, memcmp(&c, &want, sizeof(c)));
	EXPECT_TRUE(config_is(self->fd, 1 << 20, VIPC_MAX_FDS, VIPC_MAX_DEPTH, 0));
	/* and back again, but for the depth */
	c = (struct vipc_config){
		.flags = ALL_FLAGS & ~VIPC_CONFIG_DEPTH,
		.spin_ns = NO_LIMIT,
	};
	ASSERT_EQ(0, vt_config(self->fd, &c));
	EXPECT_TRUE(config_is(self->fd, 0, 0, VIPC_MAX_DEPTH, NO_LIMIT));
}

/* It is the endpoint's: the same through every capability, and apart from others. */
TEST_F(config, belongs_to_the_endpoint)
{
	int other = vt_open();
	int recv = vt_derive(self->fd, VIPC_RIGHT_RECV, 5);
	int send = vt_derive(self->fd, VIPC_RIGHT_SEND, 6);
	struct vipc_config c = {
		.flags = VIPC_CONFIG_MAX_LEN | VIPC_CONFIG_MAX_FDS,
		.max_len = 100,
		.max_fds = 3,
	};
	struct vipc_info info;

	ASSERT_LE(0, send);
	ASSERT_EQ(0, vt_config(recv, &c));
	EXPECT_TRUE(config_is(self->fd, 100, 3, 0, NO_LIMIT));
	EXPECT_TRUE(config_is(other, 0, 0, 0, NO_LIMIT));
	/* a client may see what it can send */
	ASSERT_EQ(0, vt_info(send, &info));
	EXPECT_EQ(100, info.max_len);
	EXPECT_EQ(3, info.max_fds);
	close(recv);
	EXPECT_TRUE(config_is(self->fd, 100, 3, 0, NO_LIMIT));
	close(send);
	close(other);
}

/* ---- refused ---- */

TEST_F(config, wrong_values)
{
	const struct vipc_config good = {
		.flags = ALL_FLAGS,
		.max_len = 5,
		.max_fds = 6,
		.depth = 7,
		.spin_ns = 8,
	};

	for (int bit = 0; bit < 32 + 32 + 64 + 3 * 32; bit++) {
		struct vipc_config c = good, was;
		bool wrong = true;

		if (bit < 32) {
			c.flags |= 1u << bit;
			wrong = bit >= 4;
		} else if (bit < 64) {
			c.reserved32 = 1u << (bit - 32);
		} else if (bit < 128) {
			c.reserved = 1ull << (bit - 64);
		} else if (bit < 160) {
			c.max_len = 1u << (bit - 128);
			c.max_len += !!(c.max_len == 1 << 20);
			wrong = c.max_len > 1 << 20;
		} else if (bit < 192) {
			c.max_fds = 1u << (bit - 160);
			wrong = c.max_fds > VIPC_MAX_FDS;
		} else {
			c.depth = 1u << (bit - 192);
			wrong = c.depth > VIPC_MAX_DEPTH;
		}
		if (!wrong)
			continue;
		was = c;
		ASSERT_EQ(-EINVAL, vt_config(self->fd, &c)) {
			TH_LOG("bit %d", bit);
		}
		ASSERT_EQ(0, memcmp(&c, &was, sizeof(c)));
		ASSERT_TRUE(config_is(self->fd, 0, 0, 0, NO_LIMIT));
	}
	for (int i = 0; i < 3; i++) {
		struct vipc_config c = good;

		c.max_len = i == 0 ? (1 << 20) + 1 : 5;
		c.max_fds = i == 1 ? VIPC_MAX_FDS + 1 : 6;
		c.depth = i == 2 ? VIPC_MAX_DEPTH + 1 : 7;
		ASSERT_EQ(-EINVAL, vt_config(self->fd, &c));
		ASSERT_TRUE(config_is(self->fd, 0, 0, 0, NO_LIMIT));
	}
	self->c = good;
	ASSERT_EQ(0, vt_config(self->fd, &self->c));
	EXPECT_TRUE(config_is(self->fd, 5, 6, 7, 8));
}

/* Readable, writable, sensible; not revoked, with the right, alive. */
TEST_F(config, errors_in_their_order)
{
	int mid = vt_derive(self->fd, VIPC_RIGHTS_ALL, 0);
	int gone = vt_derive(mid, VIPC_RIGHTS_ALL, 0);
	int weak = vt_derive(self->fd, VIPC_RIGHTS_ALL & ~VIPC_RIGHT_RECV, 0);
	struct vipc_config *c, bad = { .flags = 16 }, get = { 0 };
	struct vipc_config set = { .flags = VIPC_CONFIG_MAX_FDS, .max_fds = 1 };
	char *page = mmap(NULL, 2 * PAGE, PROT_READ | PROT_WRITE,
			  MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	const int fds[] = { self->fd, weak, gone };

	ASSERT_LE(0, weak);
	ASSERT_NE(MAP_FAILED, page);
	ASSERT_EQ(0, vt_revoke(mid));
	for (int i = 0; i < 3; i++) {
		/* wholly, and only its second half */
		for (size_t off = PAGE - 16; off <= PAGE; off += 16) {
			ASSERT_EQ(0, mprotect(page, 2 * PAGE,
					      PROT_READ | PROT_WRITE));
			c = (void *)(page + off);
			*c = bad;
			ASSERT_EQ(0, mprotect(page + PAGE, PAGE, PROT_READ));
			EXPECT_EQ(-EFAULT, vt_config(fds[i], c));
			ASSERT_EQ(0, mprotect(page + PAGE, PAGE, PROT_NONE));
			EXPECT_EQ(-EFAULT, vt_config(fds[i], c));
		}
		EXPECT_EQ(-EINVAL, vt_config(fds[i], &bad));
	}
	EXPECT_EQ(-EACCES, vt_config(weak, &get));
	EXPECT_EQ(-EACCES, vt_config(weak, &set));
	EXPECT_EQ(-EKEYREVOKED, vt_config(gone, &get));
	EXPECT_EQ(-EKEYREVOKED, vt_config(gone, &set));
	EXPECT_TRUE(config_is(self->fd, 0, 0, 0, NO_LIMIT));

	/* dead: it tells what held, and takes nothing */
	self->c = (struct vipc_config){
		.flags = ALL_FLAGS,
		.max_len = 1,
		.max_fds = 2,
		.depth = 3,
		.spin_ns = 4,
	};
	ASSERT_EQ(0, vt_config(self->fd, &self->c));
	ASSERT_EQ(0, vt_shutdown(self->fd));
	EXPECT_EQ(-EPIPE, vt_config(self->fd, &set));
	EXPECT_EQ(-EINVAL, vt_config(self->fd, &bad));
	for (int flag = 1; flag < 16; flag <<= 1) {
		self->c.flags = flag;
		EXPECT_EQ(-EPIPE, vt_config(self->fd, &self->c));
	}
	EXPECT_TRUE(config_is(self->fd, 1, 2, 3, 4));
	EXPECT_EQ(-EACCES, vt_config(weak, &set));
	EXPECT_EQ(-EKEYREVOKED, vt_config(gone, &set));
	munmap(page, 2 * PAGE);
	close(weak);
	close(gone);
	close(mid);
}

/* ---- up to when a depth can be set ---- */

#define expect_busy() do {						\
	struct vipc_config busy_ = {					\
		.flags = VIPC_CONFIG_DEPTH | VIPC_CONFIG_MAX_FDS,	\
		.max_fds = 44,						\
		.depth = 4,						\
	};								\
	EXPECT_EQ(-EBUSY, vt_config(self->fd, &busy_));			\
	/* the one that is not busy was not set either */		\
	EXPECT_TRUE(config_is(self->fd, 0, 0, 0, NO_LIMIT));		\
	/* the depth that it has */					\
	EXPECT_EQ(0, vt_set_depth(self->fd, 0));			\
} while (0)

TEST_F(config, depth_is_set_once)
{
	ASSERT_EQ(0, vt_set_depth(self->fd, 0));
	ASSERT_EQ(0, vt_set_depth(self->fd, 0));
	ASSERT_EQ(0, vt_set_depth(self->fd, 8));
	EXPECT_EQ(0, vt_set_depth(self->fd, 8));
	EXPECT_EQ(-EBUSY, vt_set_depth(self->fd, 9));
	EXPECT_EQ(-EBUSY, vt_set_depth(self->fd, 7));
	EXPECT_EQ(-EBUSY, vt_set_depth(self->fd, 0));
	EXPECT_EQ(-EINVAL, vt_set_depth(self->fd, VIPC_MAX_DEPTH + 1));
	EXPECT_TRUE(config_is(self->fd, 0, 0, 8, NO_LIMIT));
	/* in use, the same is still no change */
	ASSERT_EQ(0, vp_send_tag(self->fd, 1, 0));
	EXPECT_EQ(0, vt_set_depth(self->fd, 8));
	EXPECT_EQ(-EBUSY, vt_set_depth(self->fd, 9));
	ASSERT_EQ(0, vp_recv_now(self->fd, &self->m));
	EXPECT_TRUE(vt_msg_is(&self->m, 1));
	EXPECT_EQ(0, vt_set_depth(self->fd, 8));
	EXPECT_EQ(-EBUSY, vt_set_depth(self->fd, 0));
}

TEST_F(config, depth_while_one_receives)
{
	struct vt_op recv = { .msg = { 0 } };

	ASSERT_EQ(0, vt_op_start(&recv, self->fd, VIPC_IOC_RECV));
	ASSERT_EQ(0, vt_wait_receivers(self->fd, 1));
	expect_busy();
	ASSERT_EQ(0, vp_send_tag(self->fd, 1, 0));
	ASSERT_EQ(0, vt_op_join(&recv));
	EXPECT_TRUE(vt_msg_is(&recv.msg, 1));
	expect_busy();
}

TEST_F(config, depth_while_one_sends)
{
	struct vt_op op = { .msg = vt_msg(1) };

	for (int call = 0; call < 2; call++) {
		op.msg = vt_msg(1);
		ASSERT_EQ(0, vt_op_start(&op, self->fd, call ? VIPC_IOC_CALL :
					 VIPC_IOC_SEND));
		ASSERT_EQ(0, vt_wait_senders(self->fd, 1));
		expect_busy();
		ASSERT_EQ(0, vp_recv_now(self->fd, &self->m));
		expect_busy();
		if (call) {
			ASSERT_EQ(0, vp_reply_tag(self->fd, self->m.reply, 2));
		}
		ASSERT_EQ(0, vt_op_join(&op));
		EXPECT_EQ(0, op.ret);
		expect_busy();
		if (!call) {
			close(self->fd);
			self->fd = vt_open();
			ASSERT_LE(0, self->fd);
		}
	}
}

/* Who came in vain has left nothing behind. */
TEST_F(config, depth_after_failures)
{
	struct vipc_msg m = vt_msg(1);

	EXPECT_EQ(-EAGAIN, vp_send_tag(self->fd, 1, VIPC_NONBLOCK));
	EXPECT_EQ(-EAGAIN, vp_recv_now(self->fd, &self->m));
	m.deadline_ns = vt_in_ms(1);
	EXPECT_EQ(-ETIMEDOUT, vt_send(self->fd, &m));
	m.deadline_ns = vt_in_ms(1);
	EXPECT_EQ(-ETIMEDOUT, vt_call(self->fd, &m));
	m.deadline_ns = vt_in_ms(1);
	EXPECT_EQ(-ETIMEDOUT, vt_recv(self->fd, &m));
	EXPECT_EQ(0, vt_set_depth(self->fd, 2));
	EXPECT_EQ(0, vp_send_tag(self->fd, 1, VIPC_NONBLOCK));
}

/* A notification that was received is a message that was received. */
TEST_F(config, depth_after_a_notification)
{
	ASSERT_EQ(0, vt_notify(self->fd, 1));
	ASSERT_EQ(0, vp_recv_now(self->fd, &self->m));
	EXPECT_TRUE(vt_is_notification(&self->m, 1));
	expect_busy();
}

struct setter {
	pthread_t thread;
	int fd, ret, cpu;
	uint32_t depth;
	int *go;
};

static void *set_on_go(void *data)
{
	struct setter *s = data;

	vt_pin(s->cpu);
	while (!vp_get(s->go))
		sched_yield();
	s->ret = s->depth ? vt_set_depth(s->fd, s->depth) :
			    vp_send_tag(s->fd, 3, VIPC_NONBLOCK);
	return NULL;
}

/* Two set different depths, or one sets a depth and one sends. */
TEST_F(config, depth_at_any_moment)
{
	int other = vt_cpus() - 1;

	for (int round = 0; round < 100; round++) {
		int go = 0, fd = vt_open();
		bool sends = round & 1;
		struct setter s[2] = {
			{ .fd = fd, .depth = 3, .go = &go },
			{ .fd = fd, .depth = sends ? 0 : 5, .go = &go },
		};
		struct vipc_config c;

		ASSERT_LE(0, fd);
		for (int i = 0; i < 2; i++) {
			s[i].cpu = i ^ (round / 2 & 1) ? other : 0;
			ASSERT_EQ(0, pthread_create(&s[i].thread, NULL,
						    set_on_go, &s[i]));
		}
		vp_set(&go, 1);
		ASSERT_EQ(0, vt_join(s[0].thread));
		ASSERT_EQ(0, vt_join(s[1].thread));
		c = get_config(fd);
		if (sends) {
			/* kept if there was a ring, else there was nobody */
			ASSERT_EQ(0, s[0].ret);
			ASSERT_TRUE(s[1].ret == 0 || s[1].ret == -EAGAIN);
			ASSERT_EQ(s[1].ret ? 0 : 1, vt_buffered(fd));
			ASSERT_EQ(3, c.depth);
		} else {
			ASSERT_TRUE((s[0].ret == 0 && s[1].ret == -EBUSY) ||
				    (s[1].ret == 0 && s[0].ret == -EBUSY));
			ASSERT_EQ(s[0].ret ? 5 : 3, c.depth);
		}
		close(fd);
	}
}

/* ---- the module's parameters ---- */

TEST_F(config, limit_of_max_len)
{
	struct vipc_config c = { .flags = VIPC_CONFIG_MAX_LEN };
	static const long limits[] = { 4096, 0, 1, LIMIT_MAX_LEN };

	for (size_t i = 0; i < ARRAY_SIZE(limits); i++) {
		ASSERT_EQ(0, set_parameter("max_len", limits[i]));
		EXPECT_EQ(limits[i], parameter("max_len"));
		c.max_len = (uint32_t)limits[i];
		EXPECT_EQ(0, vt_config(self->fd, &c));
		c.max_len++;
		EXPECT_EQ(-EINVAL, vt_config(self->fd, &c));
		EXPECT_TRUE(config_is(self->fd, (uint32_t)limits[i], 0, 0,
				      NO_LIMIT));
	}
	/* Whatever the parameter says, there is an end. */
	set_parameter("max_len", LIMIT_MAX_LEN + 1l);
	c.max_len = LIMIT_MAX_LEN + 1;
	EXPECT_EQ(-EINVAL, vt_config(self->fd, &c));
	set_parameter("max_len", NO_LIMIT);
	c.max_len = NO_LIMIT;
	EXPECT_EQ(-EINVAL, vt_config(self->fd, &c));
	EXPECT_NE(0, set_parameter("max_len", -1));
	EXPECT_NE(0, set_parameter("max_len", NO_LIMIT + 1l));
	EXPECT_TRUE(config_is(self->fd, LIMIT_MAX_LEN, 0, 0, NO_LIMIT));
}

/* ---- spin_ns ---- */

static pid_t start_server(int fd, int cpu)
{
	struct vipc_msg m = { 0 };
	pid_t pid = vt_fork();

	if (pid)
		return pid;
	vp_keep_only(fd);
	if (vt_pin(cpu))
		_exit(1);
	while (!vt_reply_recv(fd, &m))
		m.data[0]++;
	_exit(0);
}

/* @n calls to a server on @cpu. */
static int call_n(int fd, unsigned int n, int cpu)
{
	pid_t pid = start_server(fd, cpu);
	int ret = pid < 0 ? pid : vt_wait_receivers(fd, 1);

	for (unsigned int i = 0; i < n && !ret; i++) {
		struct vipc_msg m = { .data = { i } };

		ret = vt_call(fd, &m);
		if (!ret && m.data[0] != i + 1)
			ret = -EBADMSG;
	}
	if (pid > 0)
		vp_kill(pid);
	return ret;
}

static long long awake(void)
{
	return vt_stat_value("spin_hits") + vt_stat_value("spin_misses") +
	       vt_stat_value("yield_hits") + vt_stat_value("yield_misses");
}

/* An endpoint that wants none of it sleeps; others do not notice. */
TEST_F(config, spin_ns)
{
	int other = vt_open();
	long long n;

	ASSERT_LE(0, other);
	ASSERT_EQ(0, set_parameter("wait", 0));
	ASSERT_EQ(0, set_parameter("spin_ns", 200000));
	ASSERT_EQ(0, vt_pin(0));
	for (int cpu = 0; cpu < vt_cpus() && cpu < 2; cpu++) {
		ASSERT_EQ(0, vt_set_spin_ns(self->fd, 0));
		ASSERT_EQ(0, vt_stats_reset());
		ASSERT_EQ(0, call_n(self->fd, 200, cpu));
		EXPECT_EQ(0, awake());
		EXPECT_EQ(0, vt_stat_value("spin_time_ns"));
		EXPECT_LT(0, vt_stat_value("sleeps"));
		ASSERT_EQ(0, vt_wait_until((n = call_n(other, 200, cpu)) ||
					   awake() > 0));
		ASSERT_EQ(0, n);
		/* and so does this one, when it may again */
		ASSERT_EQ(0, vt_set_spin_ns(self->fd, NO_LIMIT));
		ASSERT_EQ(0, vt_stats_reset());
		ASSERT_EQ(0, vt_wait_until((n = call_n(self->fd, 200, cpu)) ||
					   awake() > 0));
		ASSERT_EQ(0, n);
	}
	/* the parameter is the upper limit */
	ASSERT_EQ(0, set_parameter("spin_ns", 0));
	ASSERT_EQ(0, vt_set_spin_ns(self->fd, 1000000));
	ASSERT_EQ(0, vt_stats_reset());
	ASSERT_EQ(0, call_n(self->fd, 200, vt_cpus() - 1));
	EXPECT_EQ(0, awake());
	EXPECT_TRUE(config_is(self->fd, 0, 0, 0, 1000000));
	close(other);
}

TEST_HARNESS_MAIN
