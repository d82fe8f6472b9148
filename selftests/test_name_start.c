// SPDX-License-Identifier: GPL-2.0
/*
 * What programs are started with, and leave to the next start. The test is the service
 * manager: it passes on a listening socket, keeps what it is sent on NOTIFY_SOCKET, and
 * starts the example server examples/systemd/tally.c again. systemd itself is not run.
 */
#include "vipc_name_test.h"

#define NOTIFY		NT_FOLDER "/notify"
#define TALLY_PROGRAM	NT_FOLDER "/tally"
#define RUN_PROGRAM	NT_FOLDER "/vipc-run"

VT_HOLD(tally, TALLY);
VT_HOLD(vipc_run, VIPC_RUN);

static int unpack(const char *path, const char *from, const char *end)
{
	int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0755);
	ssize_t size = end - from;

	if (fd < 0 || write(fd, from, (size_t)size) != size)
		return -errno;
	return close(fd) ? -errno : 0;
}

/* ---- finding ---- */

static void clear_environment(void)
{
	unsetenv("VIPC_CAPS");
	unsetenv("LISTEN_PID");
	unsetenv("LISTEN_FDS");
	unsetenv("LISTEN_FDNAMES");
	unsetenv("NOTIFY_SOCKET");
}

static void set_number(const char *name, long value)
{
	char text[32];

	snprintf(text, sizeof(text), "%ld", value);
	setenv(name, text, 1);
}

TEST(inherited_from_vipc_run)
{
	int fd = fcntl(0, F_DUPFD, 50), other = fcntl(0, F_DUPFD, 60);

	ASSERT_EQ(50, fd);
	ASSERT_EQ(60, other);
	clear_environment();
	errno = NT_ERRNO_MARK;
	EXPECT_EQ(-ENOENT, vipc_inherited("a"));
	setenv("VIPC_CAPS", "", 1);
	EXPECT_EQ(-ENOENT, vipc_inherited("a"));
	setenv("VIPC_CAPS",
	       "ab=60 a=50 a=60  bad=x worse=12y none= minus=-1 huge=99999999999 closed=70 word b.c/d=60",
	       1);
	EXPECT_EQ(50, vipc_inherited("a"));
	EXPECT_EQ(50, vipc_inherited("a"));
	EXPECT_EQ(60, vipc_inherited("ab"));
	EXPECT_EQ(60, vipc_inherited("b.c/d"));
	EXPECT_EQ(FD_CLOEXEC, fcntl(50, F_GETFD));
	EXPECT_EQ(-ENOENT, vipc_inherited("b"));
	EXPECT_EQ(-ENOENT, vipc_inherited("abc"));
	EXPECT_EQ(-ENOENT, vipc_inherited("word"));
	EXPECT_EQ(-ENOENT, vipc_inherited(""));
	EXPECT_EQ(-EINVAL, vipc_inherited("bad"));
	EXPECT_EQ(-EINVAL, vipc_inherited("worse"));
	EXPECT_EQ(-EINVAL, vipc_inherited("none"));
	EXPECT_EQ(-EINVAL, vipc_inherited("minus"));
	EXPECT_EQ(-EINVAL, vipc_inherited("huge"));
	EXPECT_EQ(-EBADF, vipc_inherited("closed"));
	EXPECT_EQ(NT_ERRNO_MARK, errno);
}

TEST(inherited_from_systemd)
{
	ASSERT_LE(0, dup2(0, 3));
	ASSERT_LE(0, dup2(0, 4));
	ASSERT_LE(0, dup2(0, 5));
	clear_environment();
	close(6);
	setenv("LISTEN_FDS", "2", 1);
	setenv("LISTEN_FDNAMES", "first:second:third", 1);
	errno = NT_ERRNO_MARK;
	EXPECT_EQ(-ENOENT, vipc_inherited("first"));
	/* For somebody else: its parent, say. */
	set_number("LISTEN_PID", getppid());
	EXPECT_EQ(-ENOENT, vipc_inherited("first"));
	set_number("LISTEN_PID", getpid());
	EXPECT_EQ(3, vipc_inherited("first"));
	EXPECT_EQ(4, vipc_inherited("second"));
	EXPECT_EQ(FD_CLOEXEC, fcntl(3, F_GETFD));
	EXPECT_EQ(0, fcntl(5, F_GETFD));
	EXPECT_EQ(-ENOENT, vipc_inherited("third"));
	EXPECT_EQ(-ENOENT, vipc_inherited("firs"));
	EXPECT_EQ(-ENOENT, vipc_inherited("first:second"));
	EXPECT_EQ(-ENOENT, vipc_inherited(""));
	setenv("LISTEN_FDS", "4", 1);
	setenv("LISTEN_FDNAMES", "first::first:closed", 1);
	EXPECT_EQ(3, vipc_inherited("first"));
	EXPECT_EQ(-EBADF, vipc_inherited("closed"));
	setenv("VIPC_CAPS", "first=5", 1);
	EXPECT_EQ(5, vipc_inherited("first"));
	unsetenv("VIPC_CAPS");
	unsetenv("LISTEN_FDNAMES");
	EXPECT_EQ(-ENOENT, vipc_inherited("first"));
	setenv("LISTEN_FDNAMES", "first", 1);
	setenv("LISTEN_FDS", "two", 1);
	EXPECT_EQ(-EINVAL, vipc_inherited("first"));
	unsetenv("LISTEN_FDS");
	EXPECT_EQ(-ENOENT, vipc_inherited("first"));
	setenv("LISTEN_PID", "me", 1);
	EXPECT_EQ(-EINVAL, vipc_inherited("first"));
	EXPECT_EQ(NT_ERRNO_MARK, errno);
}

/* ---- storing ---- */

/* What came on a NOTIFY_SOCKET: the text, and the descriptor or -1. */
static int receive_notification(int sock, char *text, size_t room)
{
	struct iovec iov = { text, room - 1 };
	union {
		struct cmsghdr header;
		char room[CMSG_SPACE(sizeof(int))];
	} control;
	struct msghdr msg = { .msg_iov = &iov, .msg_iovlen = 1, .msg_control = &control,
			      .msg_controllen = sizeof(control.room) };
	struct cmsghdr *header;
	ssize_t n;
	int fd = -1;

	if (nt_poll(sock))
		return INT_MIN;
	n = recvmsg(sock, &msg, MSG_DONTWAIT | MSG_CMSG_CLOEXEC);
	if (n < 0)
		return INT_MIN;
	text[n] = 0;
	header = CMSG_FIRSTHDR(&msg);
	if (header && header->cmsg_type == SCM_RIGHTS)
		memcpy(&fd, CMSG_DATA(header), sizeof(fd));
	return fd;
}

static uint64_t endpoint_of(int fd)
{
	struct vipc_info info;

	return vipc_info(fd, &info) ? 0 : info.endpoint;
}

TEST(store)
{
	static const char * const address[] = { NOTIFY, "@vipc-test-notify" };
	int endpoint = vipc_open(O_CLOEXEC), before;
	char text[512] = "";

	clear_environment();
	ASSERT_EQ(0, nt_make_folder());
	for (int i = 0; i < 2; i++) {
		struct sockaddr_un name = nt_address(address[i]);
		socklen_t size = (socklen_t)(offsetof(struct sockaddr_un, sun_path) +
					     strlen(address[i]));
		int manager = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0), fd;

		if (*name.sun_path == '@')
			*name.sun_path = 0;
		ASSERT_EQ(0, bind(manager, (struct sockaddr *)&name, size));
		setenv("NOTIFY_SOCKET", address[i], 1);
		before = nt_count_fds();
		errno = NT_ERRNO_MARK;
		EXPECT_EQ(0, vipc_store("my.endpoint", endpoint));
		EXPECT_EQ(NT_ERRNO_MARK, errno);
		EXPECT_EQ(before, nt_count_fds());
		fd = receive_notification(manager, text, sizeof(text));
		EXPECT_STREQ("FDSTORE=1\nFDNAME=my.endpoint\n", text);
		EXPECT_NE(0, endpoint_of(fd));
		EXPECT_EQ(endpoint_of(endpoint), endpoint_of(fd));
		EXPECT_EQ(0, vipc_unstore("my.endpoint"));
		EXPECT_EQ(-1, receive_notification(manager, text, sizeof(text)));
		EXPECT_STREQ("FDSTOREREMOVE=1\nFDNAME=my.endpoint\n", text);
		close(fd);
		close(manager);
	}
	close(endpoint);
	nt_remove_folder();
}

TEST(store_fails)
{
	int manager, before;
	char name[300], text[400];
	uint64_t start;

	clear_environment();
	ASSERT_EQ(0, nt_make_folder());
	memset(name, 'n', sizeof(name));
	name[256] = 0;
	errno = NT_ERRNO_MARK;
	EXPECT_EQ(-ENOENT, vipc_store("a", 0));
	EXPECT_EQ(-ENOENT, vipc_unstore("a"));
	setenv("NOTIFY_SOCKET", "", 1);
	EXPECT_EQ(-EINVAL, vipc_store("a", 0));
	setenv("NOTIFY_SOCKET", "relative", 1);
	EXPECT_EQ(-EINVAL, vipc_store("a", 0));
	memset(text, '/', sizeof(text));
	text[108] = 0;
	setenv("NOTIFY_SOCKET", text, 1);
	EXPECT_EQ(-EINVAL, vipc_store("a", 0));
	setenv("NOTIFY_SOCKET", NOTIFY, 1);
	EXPECT_EQ(-ENOENT, vipc_store("a", 0));
	manager = nt_bind(NOTIFY, SOCK_DGRAM);
	ASSERT_GE(manager, 0);
	before = nt_count_fds();
	EXPECT_EQ(-EINVAL, vipc_store("", 0));
	EXPECT_EQ(-EINVAL, vipc_store("a:b", 0));
	EXPECT_EQ(-EINVAL, vipc_store("a=b", 0));
	EXPECT_EQ(-EINVAL, vipc_store("a b", 0));
	EXPECT_EQ(-EINVAL, vipc_store("a\nFDSTORE=1", 0));
	EXPECT_EQ(-EINVAL, vipc_store("\xc3\xa4", 0));
	EXPECT_EQ(-EINVAL, vipc_store(name, 0));
	EXPECT_EQ(-EINVAL, vipc_unstore(name));
	EXPECT_EQ(-EBADF, vipc_store("a", -1));
	EXPECT_EQ(-EBADF, vipc_store("a", 1000));
	name[255] = 0;
	EXPECT_EQ(0, vipc_unstore(name));
	EXPECT_EQ(-1, receive_notification(manager, text, sizeof(text)));
	EXPECT_EQ(strlen("FDSTOREREMOVE=1\nFDNAME=\n") + 255, strlen(text));
	/* The manager does not read. */
	do {
		start = vt_now_ns();
		errno = NT_ERRNO_MARK;
	} while (!vipc_unstore("a"));
	EXPECT_LE(4 * VT_NSEC, vt_now_ns() - start);
	EXPECT_EQ(-ETIMEDOUT, vipc_unstore("a"));
	EXPECT_EQ(NT_ERRNO_MARK, errno);
	EXPECT_EQ(before, nt_count_fds());
	close(manager);
	errno = NT_ERRNO_MARK;
	EXPECT_EQ(-ECONNREFUSED, vipc_store("a", 0));
	EXPECT_EQ(NT_ERRNO_MARK, errno);
	nt_remove_folder();
}

/* ---- a service manager ---- */

enum { ADD, CRASH };

FIXTURE(manager) {
	int listener, notify, stored, pid;
};

FIXTURE_SETUP(manager)
{
	clear_environment();
	ASSERT_EQ(0, nt_make_folder());
	ASSERT_EQ(0, unpack(TALLY_PROGRAM, tally, tally_end));
	self->listener = nt_bind(NT_PATH, SOCK_SEQPACKET);
	ASSERT_GE(self->listener, 0);
	ASSERT_EQ(0, listen(self->listener, 16));
	self->notify = nt_bind(NOTIFY, SOCK_DGRAM);
	ASSERT_GE(self->notify, 0);
	self->stored = -1;
}

FIXTURE_TEARDOWN(manager)
{
	if (self->pid > 0) {
		kill(self->pid, SIGKILL);
		vt_reap(self->pid);
	}
	close(self->listener);
	close(self->notify);
	if (self->stored >= 0)
		close(self->stored);
	nt_remove_folder();
}

/* With the socket as 3 and, if there is one, the stored endpoint as 4. */
static int start_service(int listener, int stored)
{
	int pid = vt_fork(), high, high_stored = -1;

	if (pid)
		return pid;
	high = fcntl(listener, F_DUPFD, 100);
	if (stored >= 0)
		high_stored = fcntl(stored, F_DUPFD, 100);
	dup2(high, 3);
	if (stored >= 0)
		dup2(high_stored, 4);
	syscall(SYS_close_range, stored >= 0 ? 5 : 4, ~0u, 0);
	set_number("LISTEN_PID", getpid());
	setenv("LISTEN_FDS", stored >= 0 ? "2" : "1", 1);
	setenv("LISTEN_FDNAMES", stored >= 0 ? "tally-socket:tally-endpoint" : "tally-socket",
	       1);
	setenv("NOTIFY_SOCKET", NOTIFY, 1);
	execl(TALLY_PROGRAM, TALLY_PROGRAM, NULL);
	_exit(124);
}

static int kill_service(int pid)
{
	kill(pid, SIGKILL);
	return vt_reap(pid);
}

static int add_to(int cap, uint64_t n, uint64_t *sum, uint64_t *pid)
{
	struct vipc_msg msg = { .opcode = ADD, .data = { n } };
	int ret = vipc_call_timeout(cap, &msg, VT_LIMIT_NS);

	*sum = msg.data[0];
	*pid = msg.data[1];
	return ret;
}

TEST_F(manager, restarted_server_keeps_its_clients)
{
	struct vipc_msg msg = { .opcode = ADD, .data = { 5 } };
	struct vipc_info old_info, new_info;
	struct vt_op waiting = { .msg = msg };
	struct nt_client client;
	uint64_t sum, who;
	char text[256];
	int cap, other;

	/* The client comes first: that is what starts the server. */
	nt_client_start(&client, NT_PATH, vt_in_ms(100000));
	ASSERT_EQ(0, nt_poll(self->listener));
	self->pid = start_service(self->listener, -1);
	ASSERT_GT(self->pid, 0);
	cap = nt_client_end(&client);
	ASSERT_GE(cap, 0);
	self->stored = receive_notification(self->notify, text, sizeof(text));
	EXPECT_STREQ("FDSTORE=1\nFDNAME=tally-endpoint\n", text);
	ASSERT_EQ(endpoint_of(cap), endpoint_of(self->stored));
	ASSERT_EQ(0, add_to(cap, 20, &sum, &who));
	ASSERT_EQ(0, add_to(cap, 22, &sum, &who));
	EXPECT_EQ(42, sum);
	EXPECT_EQ(self->pid, who);

	EXPECT_EQ(256 + SIGKILL, kill_service(self->pid));
	/* Nobody is there: the message waits. */
	ASSERT_EQ(0, vt_op_start(&waiting, cap, VIPC_IOC_CALL));
	ASSERT_EQ(0, vt_wait_senders(cap, 1));
	self->pid = start_service(self->listener, self->stored);
	ASSERT_GT(self->pid, 0);
	ASSERT_EQ(0, vt_op_join(&waiting));
	EXPECT_EQ(0, waiting.ret);
	EXPECT_EQ(5, waiting.msg.data[0]);
	EXPECT_EQ(self->pid, waiting.msg.data[1]);

	/* A new client gets a badge of its own, not one of those from before. */
	other = vipc_connect(NT_PATH, vt_in_ms(100000));
	ASSERT_GE(other, 0);
	ASSERT_EQ(0, vipc_info(cap, &old_info));
	ASSERT_EQ(0, vipc_info(other, &new_info));
	EXPECT_EQ(old_info.endpoint, new_info.endpoint);
	EXPECT_LT(old_info.badge, new_info.badge);
	ASSERT_EQ(0, add_to(other, 10, &sum, &who));
	EXPECT_EQ(15, sum);
	close(other);
	close(cap);
}

/* The call that it had taken ends, though the endpoint lives on. */
TEST_F(manager, crashed_server)
{
	struct vipc_msg msg = { .opcode = CRASH };
	uint64_t sum, who;
	char text[256];
	int cap;

	self->pid = start_service(self->listener, -1);
	cap = vipc_connect(NT_PATH, vt_in_ms(100000));
	ASSERT_GE(cap, 0);
	self->stored = receive_notification(self->notify, text, sizeof(text));
	ASSERT_GE(self->stored, 0);
	EXPECT_EQ(-ECONNRESET, vipc_call_timeout(cap, &msg, VT_LIMIT_NS));
	EXPECT_NE(0, msg.flags & VIPC_MSG_DELIVERED);
	EXPECT_EQ(256 + SIGABRT, vt_reap(self->pid));
	self->pid = start_service(self->listener, self->stored);
	ASSERT_EQ(0, add_to(cap, 1, &sum, &who));
	EXPECT_EQ(1, sum);
	EXPECT_EQ(self->pid, who);

	/* Stopped: the store is emptied, and there is no such server any more. */
	EXPECT_EQ(256 + SIGKILL, kill_service(self->pid));
	self->pid = 0;
	close(self->stored);
	self->stored = -1;
	EXPECT_EQ(-EPIPE, add_to(cap, 1, &sum, &who));
	close(cap);
}

/* By itself: no manager, a path of its own. */
TEST_F(manager, started_by_hand)
{
	uint64_t sum, who;
	int cap;

	setenv("TALLY_SOCKET", NT_FOLDER "/by-hand", 1);
	for (int i = 0; i < 2; i++) {
		self->pid = vt_fork();
		ASSERT_GE(self->pid, 0);
		if (!self->pid) {
			execl(TALLY_PROGRAM, TALLY_PROGRAM, NULL);
			_exit(124);
		}
		ASSERT_EQ(0, vt_wait_until((cap = vipc_connect(NT_FOLDER "/by-hand", 0)) >= 0));
		EXPECT_EQ(0, add_to(cap, 3, &sum, &who));
		EXPECT_EQ(3, sum);
		EXPECT_EQ(self->pid, who);
		EXPECT_EQ(256 + SIGKILL, kill_service(self->pid));
		self->pid = 0;
		EXPECT_EQ(-EPIPE, add_to(cap, 3, &sum, &who));
		close(cap);
	}
	unsetenv("TALLY_SOCKET");
}

/* ---- vipc-run ---- */

#define CHILD "VIPC_TEST_CHILD"

/* This program as the COMMAND of vipc-run: it looks around, and says what is wrong. */
__attribute__((constructor))
static void command(void)
{
	const char *role = getenv(CHILD);
	int a, b, last;
	struct vipc_info info;

	if (!role)
		return;
	last = !strcmp(role, "two") ? 4 : !strcmp(role, "one") ? 3 : 2;
	for (int fd = 0; fd < 4096; fd++)
		if (fcntl(fd, F_GETFD) < 0 ? fd <= last : fd > last)
			_exit(1);
	if (getenv("LISTEN_FDS") || getenv("LISTEN_PID") || getenv("LISTEN_FDNAMES"))
		_exit(2);
	a = vipc_inherited("a");
	if (last >= 3 && (a != 3 || vipc_info(a, &info) || info.rights != VIPC_RIGHT_SEND ||
			  vipc_notify(a, 1)))
		_exit(3);
	b = vipc_inherited("b");
	if (last == 4 && (strcmp(getenv("VIPC_CAPS"), "a=3 b=4") || b != 4 ||
			  vipc_info(b, &info) ||
			  info.rights != (VIPC_RIGHT_SEND | VIPC_RIGHT_GRANT)))
		_exit(4);
	if (last < 3 && (a != -ENOENT || strcmp(getenv("VIPC_CAPS"), "")))
		_exit(5);
	_exit(42);
}

FIXTURE(run) {
	int endpoint;
	char self_path[256];
	struct vipc_publication *publication;
};

static int with_grant(const struct vipc_peer *peer, unsigned int *rights, __u64 *badge,
		      void *arg)
{
	(void)peer;
	(void)badge;
	(void)arg;
	*rights = VIPC_RIGHT_SEND | VIPC_RIGHT_GRANT;
	return 0;
}

FIXTURE_SETUP(run)
{
	clear_environment();
	ASSERT_EQ(0, nt_make_folder());
	ASSERT_EQ(0, unpack(RUN_PROGRAM, vipc_run, vipc_run_end));
	memset(self->self_path, 0, sizeof(self->self_path));
	ASSERT_LT(0, readlink("/proc/self/exe", self->self_path, sizeof(self->self_path) - 1));
	self->endpoint = vipc_open(O_CLOEXEC);
	ASSERT_EQ(0, vipc_publish(NT_PATH, 0600, self->endpoint, with_grant, NULL,
				  &self->publication));
}

FIXTURE_TEARDOWN(run)
{
	vipc_unpublish(self->publication);
	close(self->endpoint);
	nt_remove_folder();
}

/* vipc-run with these arguments, up to NULL; how it ends. @role: see command(). */
static int run(const char *role, char *const *args)
{
	char *argv[16] = { (char *)"vipc-run" };
	int pid;

	for (int i = 0; args[i]; i++)
		argv[i + 1] = args[i];
	pid = vt_fork();
	if (pid)
		return pid < 0 ? pid : vt_reap(pid);
	if (role)
		setenv(CHILD, role, 1);
	/* Something that must not be passed on, without close-on-exec. */
	dup2(0, 7);
	dup2(0, 3);
	dup2(0, 900);
	if (role && !strcmp(role, "two"))
		close(0);
	execv(RUN_PROGRAM, argv);
	_exit(124);
}

#define RUN(role, ...) run(role, (char *const []){ __VA_ARGS__, NULL })

TEST_F(run, capabilities_and_nothing_else)
{
	struct vipc_msg msg = { .flags = VIPC_NONBLOCK };
	char *me = self->self_path;

	EXPECT_EQ(42, RUN("none", "--", me));
	EXPECT_EQ(42, RUN("one", "--cap", "a=" NT_PATH ":send", "--", me));
	EXPECT_EQ(42, RUN("two", "--cap", "a=" NT_PATH ":send", "--cap=b=" NT_PATH, me));
	EXPECT_EQ(42, RUN("two", "--cap", "a=" NT_PATH ":send",
			  "--cap", "b=" NT_PATH ":grant,send", "--timeout", "0", "--", me));
	/* Passed on from one to the other, and fewer of them. */
	EXPECT_EQ(42, RUN("one", "--cap", "b=" NT_PATH, "--cap", "a=" NT_PATH ":send", "--",
			  RUN_PROGRAM, "--pass", "a", "--", me));
	EXPECT_EQ(42, RUN("two", "--cap", "b=" NT_PATH, "--cap", "a=" NT_PATH ":send", "--",
			  RUN_PROGRAM, "--pass", "a", "--pass", "b", "--", me));
	/* Each that had one has used it. */
	EXPECT_EQ(0, vipc_recv(self->endpoint, &msg));
	EXPECT_TRUE(vt_is_notification(&msg, 1));
	EXPECT_EQ(0, vt_wait_capabilities(self->endpoint, 1));
}

TEST_F(run, colon_in_a_path)
{
	struct vipc_publication *publication;
	char *me = self->self_path;

	ASSERT_EQ(0, vipc_publish(NT_FOLDER "/x:y", 0600, self->endpoint, NULL, NULL,
				  &publication));
	EXPECT_EQ(42, RUN("one", "--cap", "a=" NT_FOLDER "/x:y", "--", me));
	EXPECT_EQ(42, RUN("one", "--cap", "a=" NT_FOLDER "/x:y:send", "--", me));
	vipc_unpublish(publication);
}

TEST_F(run, exit_status)
{
	struct vipc_publication *publication;
	int full;

	EXPECT_EQ(0, RUN(NULL, "--", "/bin/true"));
	EXPECT_EQ(0, RUN(NULL, "true"));
	EXPECT_EQ(7, RUN(NULL, "--", "sh", "-c", "exit 7"));
	EXPECT_EQ(256 + SIGKILL, RUN(NULL, "--", "sh", "-c", "kill -9 $$"));
	EXPECT_EQ(126, RUN(NULL, "--", "/tmp"));
	EXPECT_EQ(127, RUN(NULL, "--", "/nonexistent"));
	EXPECT_EQ(127, RUN(NULL, "--", "no-such-command"));
	EXPECT_EQ(0, RUN(NULL, "--help"));
	EXPECT_EQ(0, RUN(NULL, "--version"));
	/* Its own failures; the command would be 0. */
	EXPECT_EQ(125, RUN(NULL, "--no-such-option", "--", "true"));
	EXPECT_EQ(125, RUN(NULL, "--cap", "a=" NT_PATH));
	EXPECT_EQ(125, RUN(NULL, "--cap", "a", "--", "true"));
	EXPECT_EQ(125, RUN(NULL, "--cap", "a=", "--", "true"));
	EXPECT_EQ(125, RUN(NULL, "--cap", "=" NT_PATH, "--", "true"));
	EXPECT_EQ(125, RUN(NULL, "--cap", "a b=" NT_PATH, "--", "true"));
	EXPECT_EQ(125, RUN(NULL, "--cap", "a=" NT_PATH, "--cap", "a=" NT_PATH, "--", "true"));
	EXPECT_EQ(125, RUN(NULL, "--cap", "a=" NT_PATH ":sent", "--", "true"));
	EXPECT_EQ(125, RUN(NULL, "--cap", "a=" NT_PATH ":send,recv", "--", "true"));
	EXPECT_EQ(125, RUN(NULL, "--cap", "a=" NT_FOLDER "/none", "--", "true"));
	EXPECT_EQ(125, RUN(NULL, "--pass", "a", "--", "true"));
	EXPECT_EQ(125, RUN(NULL, "--timeout", "-1", "--", "true"));
	EXPECT_EQ(125, RUN(NULL, "--timeout", "1s", "--", "true"));
	EXPECT_EQ(125, RUN(NULL, "--timeout", "nan", "--", "true"));
	/* A server that does not answer, and one that gives no GRANT to leave it out. */
	full = vipc_listen(NT_FOLDER "/mute", 0600);
	EXPECT_EQ(125, RUN(NULL, "--timeout", "0.2", "--cap", "a=" NT_FOLDER "/mute", "true"));
	close(full);
	ASSERT_EQ(0, vipc_publish(NT_FOLDER "/plain", 0600, self->endpoint, NULL, NULL,
				  &publication));
	EXPECT_EQ(0, RUN(NULL, "--cap", "a=" NT_FOLDER "/plain:send", "--", "true"));
	EXPECT_EQ(125, RUN(NULL, "--cap", "a=" NT_FOLDER "/plain:grant", "--", "true"));
	vipc_unpublish(publication);
}

TEST_HARNESS_MAIN
