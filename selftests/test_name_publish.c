// SPDX-License-Identifier: GPL-2.0
/*
 * vipc_publish(): many clients, hostile ones among them, and a server that has other
 * things to do.
 */
#include "vipc_name_test.h"

#define PUBLISH_USER_LIMIT	64

FIXTURE(publish) {
	int endpoint;
	struct vipc_publication *publication;
	/* decide()'s, and what the test has it do */
	struct vipc_peer peer;
	int decided, ret, released;
	unsigned int rights;
	uint64_t badge, offered;
};

static int decide(const struct vipc_peer *peer, unsigned int *rights, __u64 *badge, void *arg)
{
	FIXTURE_DATA(publish) *p = arg;

	p->peer = *peer;
	p->offered = *badge;
	if (*rights != VIPC_RIGHT_SEND)
		return -EBADMSG;
	*rights = p->rights;
	*badge = p->badge;
	__atomic_add_fetch(&p->decided, 1, __ATOMIC_ACQ_REL);
	if (vt_wait_until(__atomic_load_n(&p->released, __ATOMIC_ACQUIRE)))
		return -ETIME;
	return p->ret;
}

FIXTURE_SETUP(publish)
{
	memset(self, 0, sizeof(*self));
	self->released = 1;
	self->rights = VIPC_RIGHT_SEND;
	self->badge = 9;
	ASSERT_EQ(0, nt_make_folder());
	self->endpoint = vipc_open(O_CLOEXEC);
	ASSERT_GE(self->endpoint, 0);
}

FIXTURE_TEARDOWN(publish)
{
	vipc_unpublish(self->publication);
	close(self->endpoint);
	nt_remove_folder();
}

#define publish_as(mode, decide) \
	vipc_publish(NT_PATH, mode, self->endpoint, decide, self, &self->publication)

static uint64_t badge_of(int cap)
{
	struct vipc_info info;

	return vipc_info(cap, &info) ? 0 : info.badge;
}

static int next_notice(int endpoint, uint64_t badge)
{
	struct vipc_msg msg = { 0 };
	int ret = vipc_recv_timeout(endpoint, &msg, VT_LIMIT_NS);

	return ret ? ret : vt_is_notice(&msg, badge) ? 0 : -EBADMSG;
}

TEST_F(publish, clients_come_and_go)
{
	int before = nt_count_fds(), cap[4];
	uint64_t badge[4];
	struct vipc_msg msg = vt_msg(1);
	sigset_t pending;

	errno = NT_ERRNO_MARK;
	ASSERT_EQ(0, publish_as(0600, NULL));
	for (int i = 0; i < 4; i++) {
		cap[i] = vipc_connect(NT_PATH, vt_in_ms(100000));
		ASSERT_GE(cap[i], 0);
		badge[i] = badge_of(cap[i]);
		EXPECT_NE(0, badge[i]);
		for (int j = 0; j < i; j++)
			EXPECT_LT(badge[j], badge[i]);
	}
	for (int i = 3; i >= 0; i--) {
		close(cap[i]);
		EXPECT_EQ(0, next_notice(self->endpoint, badge[i]));
	}
	cap[0] = vipc_connect(NT_PATH, vt_in_ms(100000));
	vipc_unpublish(self->publication);
	EXPECT_EQ(-ENOENT, vipc_connect(NT_PATH, 0));
	/* What was given away stays good. */
	EXPECT_EQ(0, vipc_notify(cap[0], 4));
	EXPECT_EQ(0, vipc_recv(self->endpoint, &msg));
	EXPECT_TRUE(vt_is_notification(&msg, 4));
	close(cap[0]);
	EXPECT_EQ(NT_ERRNO_MARK, errno);
	EXPECT_EQ(before, nt_count_fds());
	EXPECT_EQ(0, sigpending(&pending));
	EXPECT_TRUE(sigisemptyset(&pending));
	/* Badges are not used again after a restart. */
	ASSERT_EQ(0, publish_as(0600, NULL));
	cap[0] = vipc_connect(NT_PATH, vt_in_ms(100000));
	EXPECT_LT(badge[3], badge_of(cap[0]));
	close(cap[0]);
}

TEST_F(publish, client_is_killed)
{
	int pid;

	ASSERT_EQ(0, publish_as(0666, decide));
	pid = vt_fork();
	ASSERT_GE(pid, 0);
	if (!pid) {
		if (nt_become(NT_USER) || vipc_connect(NT_PATH, vt_in_ms(100000)) < 0)
			_exit(1);
		kill(getpid(), SIGKILL);
	}
	EXPECT_EQ(256 + SIGKILL, vt_reap(pid));
	EXPECT_EQ(0, next_notice(self->endpoint, 9));
	EXPECT_EQ(pid, self->peer.pid);
	EXPECT_EQ(NT_USER, self->peer.uid);
	EXPECT_EQ(NT_GROUP, self->peer.gid);
	EXPECT_EQ(1, self->decided);
}

TEST_F(publish, decisions)
{
	struct vipc_info info;
	int cap;

	ASSERT_EQ(0, publish_as(0600, decide));
	self->badge = 0xfedcba9876543210ull;
	self->rights = VIPC_RIGHT_SEND | VIPC_RIGHT_GRANT;
	cap = vipc_connect(NT_PATH, vt_in_ms(100000));
	ASSERT_GE(cap, 0);
	EXPECT_EQ(0, vipc_info(cap, &info));
	EXPECT_EQ(0xfedcba9876543210ull, info.badge);
	EXPECT_EQ(VIPC_RIGHT_SEND | VIPC_RIGHT_GRANT, info.rights);
	EXPECT_NE(0, self->offered);
	close(cap);
	EXPECT_EQ(0, next_notice(self->endpoint, self->badge));

	self->ret = -EKEYREJECTED;
	EXPECT_EQ(-EKEYREJECTED, vipc_connect(NT_PATH, vt_in_ms(100000)));
	/* Not an error number; and rights and a badge that cannot be. */
	self->ret = 1;
	EXPECT_EQ(-EPERM, vipc_connect(NT_PATH, vt_in_ms(100000)));
	self->ret = -5000;
	EXPECT_EQ(-EPERM, vipc_connect(NT_PATH, vt_in_ms(100000)));
	self->ret = 0;
	self->badge = 0;
	EXPECT_EQ(-EINVAL, vipc_connect(NT_PATH, vt_in_ms(100000)));
	self->badge = 9;
	self->rights = 1u << 16;
	EXPECT_EQ(-EINVAL, vipc_connect(NT_PATH, vt_in_ms(100000)));
	self->rights = VIPC_RIGHT_RECV;
	EXPECT_EQ(-EPROTO, vipc_connect(NT_PATH, vt_in_ms(100000)));
	EXPECT_EQ(0, next_notice(self->endpoint, 9));
	self->rights = VIPC_RIGHT_SEND;
	/* Come again: until the deadline, or until it is let in. */
	self->ret = -EAGAIN;
	EXPECT_EQ(-ETIMEDOUT, vipc_connect(NT_PATH, vt_in_ms(200)));
	EXPECT_LT(2, self->decided);
	self->ret = 0;
	cap = vipc_connect(NT_PATH, vt_in_ms(100000));
	EXPECT_GE(cap, 0);
	close(cap);
	/* The endpoint dies, the publication does not. */
	EXPECT_EQ(0, vipc_shutdown(self->endpoint));
	EXPECT_EQ(-EPIPE, vipc_connect(NT_PATH, vt_in_ms(100000)));
	EXPECT_EQ(-EPIPE, vipc_connect(NT_PATH, vt_in_ms(100000)));
}

TEST_F(publish, publish_fails)
{
	int badged = vipc_derive(self->endpoint, VIPC_RIGHTS_ALL, 5);
	int no_grant = vipc_derive(self->endpoint, VIPC_RIGHT_RECV, 0);
	int dead = vipc_open(O_CLOEXEC), stream = nt_bind(NT_FOLDER "/stream", SOCK_STREAM);
	int deaf = nt_bind(NT_FOLDER "/deaf", SOCK_SEQPACKET), before;
	struct vipc_publication *p = NULL;
	struct rlimit saved;

	ASSERT_EQ(0, vipc_shutdown(dead));
	ASSERT_EQ(0, listen(stream, 1));
	before = nt_count_fds();
	errno = NT_ERRNO_MARK;
	EXPECT_EQ(-EINVAL, vipc_publish(NT_PATH, 0600, badged, NULL, NULL, &p));
	EXPECT_EQ(-EACCES, vipc_publish(NT_PATH, 0600, no_grant, NULL, NULL, &p));
	EXPECT_EQ(-EPIPE, vipc_publish(NT_PATH, 0600, dead, NULL, NULL, &p));
	EXPECT_EQ(-EBADF, vipc_publish(NT_PATH, 0600, -1, NULL, NULL, &p));
	EXPECT_EQ(-ENOTTY, vipc_publish(NT_PATH, 0600, stream, NULL, NULL, &p));
	EXPECT_EQ(-EINVAL, vipc_publish("", 0600, self->endpoint, NULL, NULL, &p));
	EXPECT_EQ(-EINVAL, vipc_publish_listener(stream, self->endpoint, NULL, NULL, &p));
	EXPECT_EQ(-EINVAL, vipc_publish_listener(deaf, self->endpoint, NULL, NULL, &p));
	EXPECT_EQ(-ENOTSOCK, vipc_publish_listener(dead, self->endpoint, NULL, NULL, &p));
	EXPECT_EQ(-EBADF, vipc_publish_listener(-1, self->endpoint, NULL, NULL, &p));
	EXPECT_EQ(-EPIPE, vipc_publish_listener(deaf, dead, NULL, NULL, &p));
	ASSERT_EQ(0, nt_use_up_descriptors(&saved));
	errno = NT_ERRNO_MARK;
	EXPECT_EQ(-EMFILE, vipc_publish(NT_PATH, 0600, self->endpoint, NULL, NULL, &p));
	EXPECT_EQ(NT_ERRNO_MARK, errno);
	nt_free_descriptors(&saved);
	EXPECT_EQ(NULL, p);
	EXPECT_EQ(-1, access(NT_PATH, F_OK));
	EXPECT_EQ(before, nt_count_fds());
	vipc_unpublish(NULL);
	close(badged);
	close(no_grant);
	close(dead);
	close(stream);
	close(deaf);
}

/* A descriptor short at every step: nothing is left, and the path is not either. */
TEST_F(publish, publish_with_few_descriptors)
{
	int lowest = dup(0), ret = -EMFILE, before, failed = 0;
	struct rlimit saved, limit;

	close(lowest);
	getrlimit(RLIMIT_NOFILE, &saved);
	before = nt_count_fds();
	for (int room = 0; ret; room++) {
		limit = saved;
		limit.rlim_cur = (rlim_t)(lowest + room);
		ASSERT_EQ(0, setrlimit(RLIMIT_NOFILE, &limit));
		ret = publish_as(0600, NULL);
		setrlimit(RLIMIT_NOFILE, &saved);
		if (!ret)
			break;
		ASSERT_EQ(-EMFILE, ret);
		EXPECT_EQ(-1, access(NT_PATH, F_OK));
		EXPECT_EQ(before, nt_count_fds());
		failed++;
	}
	EXPECT_LE(2, failed);
}

TEST_F(publish, listener_of_the_callers)
{
	int listener = nt_bind(NT_PATH, SOCK_SEQPACKET), cap;

	ASSERT_EQ(0, listen(listener, 5));
	ASSERT_EQ(0, vipc_publish_listener(listener, self->endpoint, NULL, NULL,
					   &self->publication));
	EXPECT_NE(0, fcntl(listener, F_GETFL) & O_NONBLOCK);
	cap = vipc_connect(NT_PATH, vt_in_ms(100000));
	EXPECT_GE(cap, 0);
	vipc_unpublish(self->publication);
	self->publication = NULL;
	EXPECT_EQ(0, access(NT_PATH, F_OK));
	EXPECT_EQ(-ETIMEDOUT, vipc_connect(NT_PATH, vt_in_ms(50)));
	/* The connection that was given up waits for the next publication. */
	ASSERT_EQ(0, vipc_publish_listener(listener, self->endpoint, NULL, NULL,
					   &self->publication));
	close(cap);
	cap = vipc_connect(NT_PATH, vt_in_ms(100000));
	EXPECT_GE(cap, 0);
	close(cap);
	vipc_unpublish(self->publication);
	self->publication = NULL;
	close(listener);
}

/* Without clients that hold on to it, nothing is kept: neither side leaks. */
TEST_F(publish, many_clients_at_once)
{
	enum { CLIENTS = 100 };
	struct nt_client client[CLIENTS];
	int before, left;
	uint64_t badge[CLIENTS];

	ASSERT_EQ(0, publish_as(0600, NULL));
	before = nt_count_fds();
	for (int i = 0; i < CLIENTS; i++)
		nt_client_start(&client[i], NT_PATH, vt_in_ms(100000));
	for (int i = 0; i < CLIENTS; i++) {
		int cap = nt_client_end(&client[i]);

		ASSERT_GE(cap, 0);
		badge[i] = badge_of(cap);
		for (int j = 0; j < i; j++)
			ASSERT_NE(badge[j], badge[i]);
	}
	for (int i = 0; i < CLIENTS; i++)
		close(client[i].ret);
	EXPECT_EQ(0, vt_wait_until((left = nt_count_fds()) == before));
	/* The listener's sides are closed by the thread as it sees that they were read. */
	EXPECT_EQ(0, vt_wait_capabilities(self->endpoint, 1));
}

/* Connects @n times, says garbage, and hangs up one half of some. Returns the last one. */
static int connect_and_talk(int n)
{
	int fd = -1;

	for (int i = 0; i < n; i++) {
		char garbage[1000];

		fd = nt_connect(NT_PATH);
		while (fd == -EAGAIN) {
			usleep(1000);
			fd = nt_connect(NT_PATH);
		}
		if (fd < 0)
			return fd;
		memset(garbage, i, sizeof(garbage));
		while (send(fd, garbage, sizeof(garbage), MSG_DONTWAIT | MSG_NOSIGNAL) > 0)
			;
		if (i % 3 == 0 && shutdown(fd, SHUT_WR))
			return -errno;
	}
	/* All have been answered, if this one has. */
	return nt_poll(fd) ? -ETIMEDOUT : fd;
}

/* Never reads. Hangs up without closing, and comes again. */
static int hostile_client(int n)
{
	int first = connect_and_talk(1), last = connect_and_talk(n);

	if (first < 0 || last < 0)
		return -EIO;
	for (; first <= last; first += 2)
		if (shutdown(first, SHUT_RDWR) && errno != ENOTCONN)
			return -errno;
	last = connect_and_talk(n);
	return last < 0 ? last : 0;
}

static int start_hostile_client(int n, unsigned int user, int *ready)
{
	int pid = vt_fork();

	if (pid)
		return pid;
	if (nt_become(user) || hostile_client(n))
		_exit(1);
	__atomic_add_fetch(ready, 1, __ATOMIC_ACQ_REL);
	pause();
	_exit(2);
}

/* How much of the next half second this process runs, in percent. */
static int busy_percent(void)
{
	uint64_t start = vt_now_ns();
	struct timespec before, after;

	clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &before);
	usleep(500000);
	clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &after);
	return (int)(((after.tv_sec - before.tv_sec) * 1000000000ll + after.tv_nsec -
		      before.tv_nsec) * 100 / (int64_t)(vt_now_ns() - start));
}

static void let_in(struct __test_metadata *_metadata, int times)
{
	for (int i = 0; i < times; i++) {
		int cap = vipc_connect(NT_PATH, vt_in_ms(100000));

		ASSERT_GE(cap, 0);
		close(cap);
	}
}

TEST_F(publish, hostile_clients_do_not_stop_others)
{
	enum { HOSTILE = 3, CONNECTIONS = 100 };
	int *ready = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	struct vipc_msg msg = { 0 };
	struct vipc_info info;
	int pid[HOSTILE];

	ASSERT_EQ(0, publish_as(0666, NULL));
	for (int i = 0; i < HOSTILE; i++)
		pid[i] = start_hostile_client(CONNECTIONS, NT_USER + (unsigned int)i, ready);
	let_in(_metadata, 20);
	ASSERT_EQ(0, vt_wait_until(__atomic_load_n(ready, __ATOMIC_ACQUIRE) == HOSTILE));
	let_in(_metadata, 20);
	/* Each has what it may have and did not read, and not more. */
	EXPECT_EQ(0, vt_wait_capabilities(self->endpoint, 1 + HOSTILE * PUBLISH_USER_LIMIT));
	EXPECT_EQ(0, vipc_info(self->endpoint, &info));
	EXPECT_EQ(1 + HOSTILE * PUBLISH_USER_LIMIT, info.capabilities);
	/* Nor does it keep the thread busy. */
	EXPECT_GT(25, busy_percent());
	for (int i = 0; i < HOSTILE; i++) {
		kill(pid[i], SIGKILL);
		EXPECT_EQ(256 + SIGKILL, vt_reap(pid[i]));
	}
	EXPECT_EQ(0, vt_wait_capabilities(self->endpoint, 1));
	for (int i = 0; i < HOSTILE * PUBLISH_USER_LIMIT + 40; i++) {
		ASSERT_EQ(0, vipc_recv_timeout(self->endpoint, &msg, VT_LIMIT_NS));
		ASSERT_NE(0, msg.flags & VIPC_MSG_BADGE_CLOSED);
	}
	msg.flags = VIPC_NONBLOCK;
	EXPECT_EQ(-EAGAIN, vipc_recv(self->endpoint, &msg));
	munmap(ready, 4096);
}

/*
 * A server without privileges may send so many descriptors that were not read, and
 * then none: the limit is there so that it does not come to that.
 */
TEST_F(publish, hostile_client_of_a_server_without_privileges)
{
	int *ready = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	int pid, server;

	ASSERT_EQ(0, chmod(NT_FOLDER, 0777));
	server = vt_fork();
	ASSERT_GE(server, 0);
	if (!server) {
		struct rlimit limit = { 100, 100 };

		if (setrlimit(RLIMIT_NOFILE, &limit) || nt_become(NT_USER + 1) ||
		    publish_as(0666, NULL))
			_exit(1);
		__atomic_add_fetch(ready, 1, __ATOMIC_ACQ_REL);
		pause();
	}
	ASSERT_EQ(0, vt_wait_until(__atomic_load_n(ready, __ATOMIC_ACQUIRE) == 1));
	pid = start_hostile_client(150, NT_USER, ready);
	ASSERT_GE(pid, 0);
	ASSERT_EQ(0, vt_wait_until(__atomic_load_n(ready, __ATOMIC_ACQUIRE) == 2));
	let_in(_metadata, 20);
	kill(pid, SIGKILL);
	EXPECT_EQ(256 + SIGKILL, vt_reap(pid));
	let_in(_metadata, 5);
	kill(server, SIGKILL);
	EXPECT_EQ(256 + SIGKILL, vt_reap(server));
	munmap(ready, 4096);
}

/* The server has no descriptors left, and then has some again. */
TEST_F(publish, out_of_descriptors)
{
	struct rlimit saved, limit;
	int pid, lowest, *ready = mmap(NULL, 4096, PROT_READ | PROT_WRITE,
				       MAP_SHARED | MAP_ANONYMOUS, -1, 0);

	ASSERT_EQ(0, publish_as(0666, decide));
	lowest = dup(0);
	close(lowest);
	getrlimit(RLIMIT_NOFILE, &saved);
	/* Not even for the connection; for that, but not for the capability. */
	for (int room = 0; room < 2; room++) {
		limit = saved;
		limit.rlim_cur = (rlim_t)(lowest + room);
		*ready = 0;
		pid = vt_fork();
		ASSERT_GE(pid, 0);
		if (!pid) {
			while (!__atomic_load_n(ready, __ATOMIC_ACQUIRE))
				usleep(1000);
			if (vipc_connect(NT_PATH, vt_in_ms(300)) != -ETIMEDOUT)
				_exit(1);
			*ready = 2;
			_exit(vipc_connect(NT_PATH, vt_in_ms(100000)) >= 0 ? 0 : 2);
		}
		ASSERT_EQ(0, setrlimit(RLIMIT_NOFILE, &limit));
		*ready = 1;
		EXPECT_EQ(0, vt_wait_until(__atomic_load_n(ready, __ATOMIC_ACQUIRE) == 2));
		EXPECT_EQ(room + 2 * room, self->decided);
		setrlimit(RLIMIT_NOFILE, &saved);
		EXPECT_EQ(0, vt_reap(pid));
		/* The first connection was given up, and got a capability nevertheless. */
		EXPECT_EQ(2 * (room + 1), self->decided);
		EXPECT_EQ(0, vt_wait_capabilities(self->endpoint, 1));
		EXPECT_EQ(0, next_notice(self->endpoint, 9));
	}
	munmap(ready, 4096);
}

static void *unpublish_thread(void *arg)
{
	vipc_unpublish(arg);
	return NULL;
}

/* It waits for the decision under way, and its client still gets the capability. */
TEST_F(publish, unpublish_while_deciding)
{
	struct nt_client client;
	pthread_t thread;
	struct vipc_publication *p;

	ASSERT_EQ(0, publish_as(0600, decide));
	p = self->publication;
	self->publication = NULL;
	self->released = 0;
	nt_client_start(&client, NT_PATH, vt_in_ms(100000));
	ASSERT_EQ(0, vt_wait_until(__atomic_load_n(&self->decided, __ATOMIC_ACQUIRE) == 1));
	ASSERT_EQ(0, pthread_create(&thread, NULL, unpublish_thread, p));
	usleep(50000);
	EXPECT_EQ(EBUSY, pthread_tryjoin_np(thread, NULL));
	__atomic_store_n(&self->released, 1, __ATOMIC_RELEASE);
	EXPECT_EQ(0, vt_join(thread));
	EXPECT_GE(nt_client_end(&client), 0);
	EXPECT_EQ(-ENOENT, vipc_connect(NT_PATH, 0));
}

/* Over and over, with clients that try all the time: nobody hangs, nothing is left. */
TEST_F(publish, unpublish_under_load)
{
	enum { CLIENTS = 3 };
	int *stop = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	int pid[CLIENTS], before = nt_count_fds();

	for (int i = 0; i < CLIENTS; i++) {
		pid[i] = vt_fork();
		ASSERT_GE(pid[i], 0);
		if (pid[i])
			continue;
		int good = 0;

		while (!__atomic_load_n(stop, __ATOMIC_ACQUIRE)) {
			int cap = vipc_connect(NT_PATH, vt_in_ms(100000));

			good += cap >= 0;
			if (cap >= 0)
				close(cap);
			else if (cap != -ENOENT && cap != -ECONNREFUSED && cap != -ECONNRESET)
				_exit(1);
		}
		_exit(good ? 0 : 2);
	}
	for (int i = 0; i < 60; i++) {
		ASSERT_EQ(0, publish_as(0600, NULL));
		usleep(5000);
		vipc_unpublish(self->publication);
		self->publication = NULL;
	}
	*stop = 1;
	for (int i = 0; i < CLIENTS; i++)
		EXPECT_EQ(0, vt_reap(pid[i]));
	EXPECT_EQ(before, nt_count_fds());
	EXPECT_EQ(0, vt_wait_capabilities(self->endpoint, 1));
	munmap(stop, 4096);
}

TEST_HARNESS_MAIN
