// SPDX-License-Identifier: GPL-2.0
/*
 * Servers at a path: who may connect and who does not, what a connection is given,
 * and what neither side can do to the other. test_name_publish.c has the thread that
 * does it by itself.
 */
#include <sys/file.h>

#include "vipc_name_test.h"

FIXTURE(name) {
	int endpoint, listener;
};

FIXTURE_SETUP(name)
{
	ASSERT_EQ(0, nt_make_folder());
	self->endpoint = vipc_open(O_CLOEXEC);
	ASSERT_GE(self->endpoint, 0);
	self->listener = vipc_listen(NT_PATH, 0666);
	ASSERT_GE(self->listener, 0);
}

FIXTURE_TEARDOWN(name)
{
	close(self->endpoint);
	close(self->listener);
	nt_remove_folder();
}

static int mode_of(const char *path)
{
	struct stat st;

	if (lstat(path, &st))
		return -errno;
	return S_ISSOCK(st.st_mode) ? (int)(st.st_mode & 07777) : -ENOTSOCK;
}

TEST_F(name, listen)
{
	const unsigned int mode[] = { 0666, 0600, 0, 0777, 0620 };
	const mode_t mask[] = { 0, 022, 0777 };

	EXPECT_EQ(FD_CLOEXEC, fcntl(self->listener, F_GETFD));
	EXPECT_NE(0, fcntl(self->listener, F_GETFL) & O_NONBLOCK);
	errno = NT_ERRNO_MARK;
	for (int i = 0; i < 5; i++) {
		for (int j = 0; j < 3; j++) {
			mode_t saved = umask(mask[j]);
			int fd = vipc_listen(NT_FOLDER "/modes", mode[i]);

			umask(saved);
			ASSERT_GE(fd, 0);
			EXPECT_EQ((int)mode[i], mode_of(NT_FOLDER "/modes"));
			close(fd);
		}
	}
	EXPECT_EQ(NT_ERRNO_MARK, errno);
	EXPECT_EQ(-1, access(NT_FOLDER "/modes.lock", F_OK));
}

TEST_F(name, listen_fails)
{
	char longest[108], path[200];
	int before = nt_count_fds(), fd;

	memset(longest, 'x', sizeof(longest));
	memcpy(longest, NT_FOLDER "/", sizeof(NT_FOLDER));
	longest[107] = 0;
	snprintf(path, sizeof(path), "%sx", longest);
	close(creat(NT_FOLDER "/file", 0600));
	ASSERT_EQ(0, symlink("nowhere", NT_FOLDER "/link"));
	ASSERT_EQ(0, symlink(NT_PATH, NT_FOLDER "/there"));
	errno = NT_ERRNO_MARK;
	EXPECT_EQ(-EINVAL, vipc_listen("", 0600));
	EXPECT_EQ(-EINVAL, vipc_listen(NT_FOLDER "/new", 01600));
	EXPECT_EQ(-ENAMETOOLONG, vipc_listen(path, 0600));
	EXPECT_EQ(-ENOENT, vipc_listen(NT_FOLDER "/none/new", 0600));
	EXPECT_EQ(-ENOTDIR, vipc_listen(NT_FOLDER "/file/new", 0600));
	EXPECT_EQ(-EEXIST, vipc_listen(NT_FOLDER "/file", 0600));
	EXPECT_EQ(-EEXIST, vipc_listen(NT_FOLDER, 0600));
	EXPECT_EQ(-EEXIST, vipc_listen(NT_FOLDER "/link", 0600));
	EXPECT_EQ(-EEXIST, vipc_listen(NT_FOLDER "/there", 0600));
	EXPECT_EQ(-EADDRINUSE, vipc_listen(NT_PATH, 0600));
	EXPECT_EQ(NT_ERRNO_MARK, errno);
	EXPECT_EQ(0666, mode_of(NT_PATH));
	EXPECT_EQ(0, access(NT_FOLDER "/file", F_OK));
	EXPECT_EQ(before, nt_count_fds());
	fd = vipc_listen(longest, 0600);
	EXPECT_GE(fd, 0);
	EXPECT_EQ(-EADDRINUSE, vipc_listen(longest, 0600));
	close(fd);
}

/* Sockets of other kinds that somebody has are left alone, too. */
TEST_F(name, listen_where_others_are)
{
	const int type[] = { SOCK_STREAM, SOCK_DGRAM };

	for (int i = 0; i < 2; i++) {
		int sock = nt_bind(NT_FOLDER "/other", type[i]);

		ASSERT_GE(sock, 0);
		EXPECT_EQ(type[i] == SOCK_STREAM ? 0 : -1, listen(sock, 1));
		EXPECT_EQ(-EADDRINUSE, vipc_listen(NT_FOLDER "/other", 0600));
		EXPECT_EQ(-EPROTOTYPE, vipc_connect(NT_FOLDER "/other", 0));
		close(sock);
		/* Now that it has gone. */
		sock = vipc_listen(NT_FOLDER "/other", 0600);
		EXPECT_GE(sock, 0);
		close(sock);
		unlink(NT_FOLDER "/other");
	}
}

TEST_F(name, listen_without_permission)
{
	int pid = vt_fork();

	ASSERT_GE(pid, 0);
	if (!pid) {
		if (nt_become(NT_USER))
			_exit(1);
		if (vipc_listen(NT_FOLDER "/new", 0600) != -EACCES)
			_exit(2);
		_exit(vipc_listen(NT_PATH, 0600) == -EACCES ? 0 : 3);
	}
	EXPECT_EQ(0, vt_reap(pid));
	EXPECT_EQ(0666, mode_of(NT_PATH));
}

TEST_F(name, listen_out_of_descriptors)
{
	struct rlimit saved;

	ASSERT_EQ(0, nt_use_up_descriptors(&saved));
	errno = NT_ERRNO_MARK;
	EXPECT_EQ(-EMFILE, vipc_listen(NT_FOLDER "/new", 0600));
	EXPECT_EQ(-EMFILE, vipc_connect(NT_PATH, 0));
	EXPECT_EQ(NT_ERRNO_MARK, errno);
	nt_free_descriptors(&saved);
	EXPECT_EQ(-1, access(NT_FOLDER "/new", F_OK));
	EXPECT_EQ(-1, access(NT_FOLDER "/new.lock", F_OK));
}

TEST_F(name, stale_socket_is_replaced)
{
	int pid = vt_fork(), fd;

	ASSERT_GE(pid, 0);
	if (!pid) {
		close(self->listener);
		if (vipc_listen(NT_FOLDER "/stale", 0600) < 0)
			_exit(1);
		kill(getpid(), SIGKILL);
	}
	EXPECT_EQ(256 + SIGKILL, vt_reap(pid));
	EXPECT_EQ(0600, mode_of(NT_FOLDER "/stale"));
	EXPECT_EQ(-ECONNREFUSED, vipc_connect(NT_FOLDER "/stale", 0));
	fd = vipc_listen(NT_FOLDER "/stale", 0640);
	EXPECT_GE(fd, 0);
	EXPECT_EQ(0640, mode_of(NT_FOLDER "/stale"));
	EXPECT_EQ(-EADDRINUSE, vipc_listen(NT_FOLDER "/stale", 0600));
	close(fd);
}

/* A server that was killed while it had the lock stops nobody. */
TEST_F(name, lock_left_behind)
{
	int lock = creat(NT_FOLDER "/new.lock", 0600), fd;

	ASSERT_GE(lock, 0);
	close(lock);
	fd = vipc_listen(NT_FOLDER "/new", 0600);
	EXPECT_GE(fd, 0);
	EXPECT_EQ(-1, access(NT_FOLDER "/new.lock", F_OK));
	close(fd);
}

static int hold(const char *path)
{
	int fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);

	return fd < 0 || flock(fd, LOCK_EX) ? -errno : fd;
}

/* Who has the lock removes it, and somebody else may have made the next one. */
TEST_F(name, lock_is_waited_for)
{
	int first = hold(NT_FOLDER "/new.lock"), second = -1, pid;

	ASSERT_GE(first, 0);
	pid = vt_fork();
	ASSERT_GE(pid, 0);
	if (!pid) {
		close(first);
		_exit(vipc_listen(NT_FOLDER "/new", 0600) < 0);
	}
	for (int i = 0; i < 2; i++) {
		usleep(100000);
		ASSERT_EQ(0, vt_wait_blocked(pid, 0));
		EXPECT_EQ(-1, access(NT_FOLDER "/new", F_OK));
		EXPECT_EQ(0, unlink(NT_FOLDER "/new.lock"));
		if (!i) {
			second = hold(NT_FOLDER "/new.lock");
			ASSERT_GE(second, 0);
		}
		close(i ? second : first);
	}
	EXPECT_EQ(0, vt_reap(pid));
	EXPECT_EQ(0600, mode_of(NT_FOLDER "/new"));
	EXPECT_EQ(-1, access(NT_FOLDER "/new.lock", F_OK));
}

/* Several servers start where one was killed: one of them is the new one. */
TEST_F(name, many_start_at_once)
{
	enum { SERVERS = 6, ROUNDS = 8 };
	struct {
		int go, tried, won, refused;
	} *all = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	int pid[SERVERS];

	ASSERT_NE(MAP_FAILED, all);
	for (int round = 0; round < ROUNDS; round++) {
		memset(all, 0, sizeof(*all));
		for (int i = 0; i < SERVERS; i++) {
			pid[i] = vt_fork();
			ASSERT_GE(pid[i], 0);
			if (pid[i])
				continue;
			if (vt_wait_until(__atomic_load_n(&all->go, __ATOMIC_ACQUIRE)))
				_exit(1);
			int ret = vipc_listen(NT_FOLDER "/start", 0600);

			if (ret >= 0)
				__atomic_add_fetch(&all->won, 1, __ATOMIC_ACQ_REL);
			else if (ret == -EADDRINUSE)
				__atomic_add_fetch(&all->refused, 1, __ATOMIC_ACQ_REL);
			__atomic_add_fetch(&all->tried, 1, __ATOMIC_ACQ_REL);
			pause();
		}
		__atomic_store_n(&all->go, 1, __ATOMIC_RELEASE);
		ASSERT_EQ(0, vt_wait_until(__atomic_load_n(&all->tried, __ATOMIC_ACQUIRE) ==
					   SERVERS));
		EXPECT_EQ(1, all->won);
		EXPECT_EQ(SERVERS - 1, all->refused);
		for (int i = 0; i < SERVERS; i++) {
			kill(pid[i], SIGKILL);
			EXPECT_EQ(256 + SIGKILL, vt_reap(pid[i]));
		}
	}
	EXPECT_EQ(-1, access(NT_FOLDER "/start.lock", F_OK));
	munmap(all, 4096);
}

/* Somebody without permission tries to connect all the time, and never gets in. */
TEST_F(name, no_moment_without_permissions)
{
	int *stop = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	mode_t saved = umask(0);
	int pid = vt_fork();

	ASSERT_GE(pid, 0);
	if (!pid) {
		struct sockaddr_un address = { .sun_family = AF_UNIX };
		int denied = 0;

		strcpy(address.sun_path, NT_FOLDER "/guarded");
		if (nt_become(NT_USER))
			_exit(1);
		while (!__atomic_load_n(stop, __ATOMIC_ACQUIRE)) {
			int sock = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_NONBLOCK, 0);

			if (!connect(sock, (struct sockaddr *)&address, sizeof(address)))
				_exit(2);
			denied += errno == EACCES;
			close(sock);
		}
		_exit(denied ? 0 : 3);
	}
	for (int i = 0; i < 300; i++) {
		int fd = vipc_listen(NT_FOLDER "/guarded", 0600);

		ASSERT_GE(fd, 0);
		if (i % 3)
			unlink(NT_FOLDER "/guarded");
		close(fd);
	}
	*stop = 1;
	EXPECT_EQ(0, vt_reap(pid));
	umask(saved);
	munmap(stop, 4096);
}

TEST_F(name, permissions)
{
	const struct {
		unsigned int mode;
		int want;
	} all[] = { { 0600, -EACCES }, { 0644, -EACCES }, { 0620, -EACCES },
		    { 0666, -ETIMEDOUT }, { 0602, -ETIMEDOUT } };

	for (int i = 0; i < 5; i++) {
		int fd = vipc_listen(NT_FOLDER "/modes", all[i].mode), pid;

		ASSERT_GE(fd, 0);
		pid = vt_fork();
		ASSERT_GE(pid, 0);
		if (!pid) {
			/* Nobody answers who gets in. */
			__u64 deadline = vt_in_ms(all[i].want == -EACCES ? 100000 : 50);

			if (nt_become(NT_USER))
				_exit(1);
			_exit(vipc_connect(NT_FOLDER "/modes", deadline) == all[i].want ? 0 : 2);
		}
		EXPECT_EQ(0, vt_reap(pid));
		close(fd);
	}
}

/* The whole exchange with another user's process; it ends as soon as it is told. */
TEST_F(name, welcome)
{
	struct vipc_msg msg = { .deadline_ns = vt_in_ms(100000) };
	struct vipc_peer peer = { 0 };
	int pid = vt_fork(), connection;

	ASSERT_GE(pid, 0);
	if (!pid) {
		struct vipc_info info;
		int cap;

		close(self->endpoint);
		errno = NT_ERRNO_MARK;
		if (nt_become(NT_USER))
			_exit(1);
		cap = vipc_connect(NT_PATH, vt_in_ms(100000));
		if (cap < 0 || fcntl(cap, F_GETFD) != FD_CLOEXEC || vipc_info(cap, &info))
			_exit(2);
		if (info.rights != VIPC_RIGHT_SEND || info.badge != 77)
			_exit(3);
		if (vipc_call(cap, &msg) || msg.data[0] != 42)
			_exit(4);
		pause();
	}
	errno = NT_ERRNO_MARK;
	ASSERT_EQ(0, nt_poll(self->listener));
	connection = vipc_accept(self->listener, &peer);
	ASSERT_GE(connection, 0);
	EXPECT_EQ(FD_CLOEXEC, fcntl(connection, F_GETFD));
	EXPECT_EQ(pid, peer.pid);
	EXPECT_EQ(NT_USER, peer.uid);
	EXPECT_EQ(NT_GROUP, peer.gid);
	errno = NT_ERRNO_MARK;
	EXPECT_EQ(0, vipc_welcome(connection, self->endpoint, VIPC_RIGHT_SEND, 77));
	EXPECT_EQ(-EAGAIN, vipc_accept(self->listener, &peer));
	EXPECT_EQ(NT_ERRNO_MARK, errno);
	close(connection);
	ASSERT_EQ(0, vipc_recv(self->endpoint, &msg));
	EXPECT_EQ(77, msg.badge);
	EXPECT_NE(0, msg.reply);
	msg.data[0] = 42;
	ASSERT_EQ(0, vipc_reply(self->endpoint, &msg));
	ASSERT_EQ(0, vt_wait_blocked(pid, 0));
	kill(pid, SIGKILL);
	EXPECT_EQ(256 + SIGKILL, vt_reap(pid));
	ASSERT_EQ(0, vipc_recv(self->endpoint, &msg));
	EXPECT_TRUE(vt_is_notice(&msg, 77));
}

TEST_F(name, welcome_fails)
{
	int badged = vipc_derive(self->endpoint, VIPC_RIGHTS_ALL, 5);
	int no_grant = vipc_derive(self->endpoint, VIPC_RIGHT_SEND, 0);
	int dead = vipc_open(O_CLOEXEC), client = nt_connect(NT_PATH), connection;
	struct vipc_msg msg = { .flags = VIPC_NONBLOCK };
	struct vipc_peer peer;
	int before;

	ASSERT_GE(client, 0);
	ASSERT_EQ(0, vipc_shutdown(dead));
	connection = vipc_accept(self->listener, &peer);
	ASSERT_GE(connection, 0);
	before = nt_count_fds();
	errno = NT_ERRNO_MARK;
	EXPECT_EQ(-EINVAL, vipc_welcome(connection, self->endpoint, VIPC_RIGHT_SEND, 0));
	EXPECT_EQ(-EINVAL, vipc_welcome(connection, self->endpoint, 1u << 20, 1));
	EXPECT_EQ(-EINVAL, vipc_welcome(connection, badged, VIPC_RIGHT_SEND, 5));
	EXPECT_EQ(-EACCES, vipc_welcome(connection, no_grant, VIPC_RIGHT_SEND, 5));
	EXPECT_EQ(-EPIPE, vipc_welcome(connection, dead, VIPC_RIGHT_SEND, 5));
	EXPECT_EQ(-EBADF, vipc_welcome(connection, -1, VIPC_RIGHT_SEND, 5));
	EXPECT_EQ(-ENOTTY, vipc_welcome(connection, 0, VIPC_RIGHT_SEND, 5));
	EXPECT_EQ(-EAGAIN, vipc_recv(self->endpoint, &msg));
	/* From here on a capability was made, and there is a notice. */
	EXPECT_EQ(-EBADF, vipc_welcome(-1, self->endpoint, VIPC_RIGHT_SEND, 6));
	EXPECT_EQ(0, vipc_recv(self->endpoint, &msg));
	EXPECT_TRUE(vt_is_notice(&msg, 6));
	close(client);
	msg.flags = VIPC_NONBLOCK;
	EXPECT_EQ(-ECONNRESET, vipc_welcome(connection, self->endpoint, VIPC_RIGHT_SEND, 7));
	EXPECT_EQ(0, vipc_recv(self->endpoint, &msg));
	EXPECT_TRUE(vt_is_notice(&msg, 7));
	EXPECT_EQ(-ECONNRESET, vipc_refuse(connection, -EPERM));
	EXPECT_EQ(NT_ERRNO_MARK, errno);
	EXPECT_EQ(before - 1, nt_count_fds());
	close(connection);
	close(badged);
	close(no_grant);
	close(dead);
}

TEST_F(name, accept_fails)
{
	struct vipc_peer peer;
	int pair[2], client;
	struct rlimit saved;

	ASSERT_EQ(0, socketpair(AF_UNIX, SOCK_SEQPACKET, 0, pair));
	client = nt_connect(NT_PATH);
	ASSERT_GE(client, 0);
	errno = NT_ERRNO_MARK;
	EXPECT_EQ(-EBADF, vipc_accept(-1, &peer));
	EXPECT_EQ(-ENOTSOCK, vipc_accept(self->endpoint, &peer));
	EXPECT_EQ(-EINVAL, vipc_accept(pair[0], &peer));
	ASSERT_EQ(0, nt_use_up_descriptors(&saved));
	errno = NT_ERRNO_MARK;
	EXPECT_EQ(-EMFILE, vipc_accept(self->listener, &peer));
	EXPECT_EQ(NT_ERRNO_MARK, errno);
	nt_free_descriptors(&saved);
	/* It is still there. */
	EXPECT_GE(vipc_accept(self->listener, &peer), 0);
	EXPECT_EQ(getpid(), peer.pid);
	EXPECT_EQ(0, peer.uid);
	close(pair[0]);
	close(pair[1]);
}

/* What an answer makes of vipc_connect(): with these bytes and descriptors. */
static int answered(int listener, const void *bytes, size_t len, const int *fds, int nfds)
{
	struct nt_client client;
	struct vipc_peer peer;
	int connection, ret;

	nt_client_start(&client, NT_PATH, vt_in_ms(100000));
	ret = nt_poll(listener);
	connection = ret ? ret : vipc_accept(listener, &peer);
	if (connection < 0)
		return INT_MIN;
	if (bytes)
		ret = nt_send(connection, bytes, len, fds, nfds);
	close(connection);
	return ret ? ret : nt_client_end(&client);
}

TEST_F(name, refuse)
{
	const int error[] = { -EPERM, -1, -4095, -EKEYREVOKED, -EACCES };
	struct vipc_peer peer;

	for (int i = 0; i < 5; i++) {
		struct nt_client client;
		int connection;

		nt_client_start(&client, NT_PATH, vt_in_ms(100000));
		ASSERT_EQ(0, nt_poll(self->listener));
		connection = vipc_accept(self->listener, &peer);
		errno = NT_ERRNO_MARK;
		EXPECT_EQ(-EINVAL, vipc_refuse(connection, 0));
		EXPECT_EQ(-EINVAL, vipc_refuse(connection, 1));
		EXPECT_EQ(-EINVAL, vipc_refuse(connection, -4096));
		EXPECT_EQ(-EBADF, vipc_refuse(-1, -EPERM));
		EXPECT_EQ(0, vipc_refuse(connection, error[i]));
		EXPECT_EQ(NT_ERRNO_MARK, errno);
		close(connection);
		EXPECT_EQ(error[i], nt_client_end(&client));
	}
}

/* A server that sends something else than it should. */
TEST_F(name, client_checks_the_answer)
{
	int send_cap = vipc_derive(self->endpoint, VIPC_RIGHT_SEND, 1);
	int recv_cap = vipc_derive(self->endpoint, VIPC_RIGHT_RECV, 1);
	int two[] = { send_cap, send_cap }, pipes[2], before;
	const struct {
		__u32 magic, error;
	} good = { NT_MAGIC, 0 }, bad_magic = { NT_MAGIC + 1, 0 },
	  error = { NT_MAGIC, EPERM }, bad_error = { NT_MAGIC, 4096 };
	char longer[16] = { 0 };

	ASSERT_EQ(0, pipe(pipes));
	memcpy(longer, &good, sizeof(good));
	before = nt_count_fds();
	EXPECT_EQ(-ECONNRESET, answered(self->listener, NULL, 0, NULL, 0));
	EXPECT_EQ(-EPROTO, answered(self->listener, "?", 1, NULL, 0));
	EXPECT_EQ(-EPROTO, answered(self->listener, "?", 1, &send_cap, 1));
	EXPECT_EQ(-EPROTO, answered(self->listener, &good, sizeof(good), NULL, 0));
	EXPECT_EQ(-EPROTO, answered(self->listener, &good, sizeof(good), pipes, 1));
	EXPECT_EQ(-EPROTO, answered(self->listener, &good, sizeof(good), &recv_cap, 1));
	EXPECT_EQ(-EPROTO, answered(self->listener, &good, sizeof(good), two, 2));
	EXPECT_EQ(-EPROTO, answered(self->listener, longer, sizeof(longer), &send_cap, 1));
	EXPECT_EQ(-EPROTO, answered(self->listener, &bad_magic, sizeof(good), &send_cap, 1));
	EXPECT_EQ(-EPROTO, answered(self->listener, &error, sizeof(error), &send_cap, 1));
	EXPECT_EQ(-EPROTO, answered(self->listener, &bad_error, sizeof(error), NULL, 0));
	EXPECT_EQ(-EPERM, answered(self->listener, &error, sizeof(error), NULL, 0));
	EXPECT_EQ(before, nt_count_fds());
	/* And that it is not this test that is refused. */
	EXPECT_GE(answered(self->listener, &good, sizeof(good), &send_cap, 1), 0);
	EXPECT_EQ(before + 1, nt_count_fds());
}

TEST_F(name, connect_fails)
{
	char path[200];

	memset(path, 'x', sizeof(path));
	path[108] = 0;
	close(creat(NT_FOLDER "/file", 0600));
	errno = NT_ERRNO_MARK;
	EXPECT_EQ(-EINVAL, vipc_connect("", 0));
	EXPECT_EQ(-ENAMETOOLONG, vipc_connect(path, 0));
	EXPECT_EQ(-ENOENT, vipc_connect(NT_FOLDER "/none", 0));
	EXPECT_EQ(-ECONNREFUSED, vipc_connect(NT_FOLDER "/file", 0));
	EXPECT_EQ(-ENOTDIR, vipc_connect(NT_FOLDER "/file/none", 0));
	EXPECT_EQ(NT_ERRNO_MARK, errno);
}

/* The server is there, and does nothing. */
TEST_F(name, connect_deadline)
{
	uint64_t deadline = vt_in_ms(300);
	int before = nt_count_fds();

	errno = NT_ERRNO_MARK;
	EXPECT_EQ(-ETIMEDOUT, vipc_connect(NT_PATH, deadline));
	EXPECT_LE(deadline, vt_now_ns());
	EXPECT_EQ(-ETIMEDOUT, vipc_connect(NT_PATH, 1));
	EXPECT_EQ(NT_ERRNO_MARK, errno);
	EXPECT_EQ(before, nt_count_fds());
}

/* It does not even take connections, and there are as many as may wait. */
TEST_F(name, connect_deadline_when_full)
{
	int full = nt_bind(NT_FOLDER "/full", SOCK_SEQPACKET), fd, n = 0;
	uint64_t deadline;

	ASSERT_EQ(0, listen(full, 3));
	while ((fd = nt_connect(NT_FOLDER "/full")) >= 0)
		n++;
	EXPECT_EQ(-EAGAIN, fd);
	EXPECT_LT(0, n);
	deadline = vt_in_ms(300);
	EXPECT_EQ(-ETIMEDOUT, vipc_connect(NT_FOLDER "/full", deadline));
	EXPECT_LE(deadline, vt_now_ns());
	/* A live server, and not to be replaced. */
	EXPECT_EQ(-EADDRINUSE, vipc_listen(NT_FOLDER "/full", 0600));
	close(full);
}

static void do_nothing(int sig)
{
	(void)sig;
}

TEST_F(name, connect_interrupted)
{
	struct sigaction action = { .sa_handler = do_nothing, .sa_flags = SA_RESTART };
	struct nt_client client;

	sigaction(SIGUSR1, &action, NULL);
	nt_client_start(&client, NT_PATH, 0);
	ASSERT_EQ(0, nt_poll(self->listener));
	ASSERT_EQ(0, vt_wait_blocked(getpid(), client.tid));
	ASSERT_EQ(0, pthread_kill(client.thread, SIGUSR1));
	EXPECT_EQ(-EINTR, nt_client_end(&client));
}

/* A thread that is cancelled ends after it, and leaves nothing open. */
TEST_F(name, connect_is_no_cancellation_point)
{
	struct nt_client client;
	int before = nt_count_fds();

	nt_client_start(&client, NT_PATH, vt_in_ms(500));
	ASSERT_EQ(0, nt_poll(self->listener));
	ASSERT_EQ(0, pthread_cancel(client.thread));
	EXPECT_EQ(-ETIMEDOUT, nt_client_end(&client));
	EXPECT_EQ(before, nt_count_fds());
}

TEST_HARNESS_MAIN
