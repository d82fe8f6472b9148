/* SPDX-License-Identifier: GPL-2.0 */
/*
 * What the tests of vipc_name.h share: a folder of their own, other users, raw sockets
 * that do what a client or a server should not.
 */
#ifndef VIPC_NAME_TEST_H
#define VIPC_NAME_TEST_H

#include <grp.h>
#include <poll.h>
#include <sys/resource.h>
#include <sys/un.h>

#include <vipc_name.h>

#include "vipc_selftest.h"

#define NT_FOLDER	"/tmp/vipc-name"
#define NT_PATH		NT_FOLDER "/server"
#define NT_ERRNO_MARK	4711
#define NT_MAGIC	0x31706976u
#define NT_USER		4242
#define NT_GROUP	4343

static inline void nt_remove_folder(void)
{
	if (system("rm -rf " NT_FOLDER))
		abort();
}

static inline int nt_make_folder(void)
{
	nt_remove_folder();
	return mkdir(NT_FOLDER, 0755) ? -errno : 0;
}

static inline int nt_count_fds(void)
{
	int n = 0;

	for (int fd = 0; fd < 2048; fd++)
		n += fcntl(fd, F_GETFD) >= 0;
	return n;
}

/* Leave no number free, until nt_free_descriptors(). */
static inline int nt_use_up_descriptors(struct rlimit *saved)
{
	struct rlimit limit;
	int lowest = dup(0);

	if (lowest < 0 || close(lowest) || getrlimit(RLIMIT_NOFILE, saved))
		return -errno;
	limit = (struct rlimit){ .rlim_cur = (rlim_t)lowest, .rlim_max = saved->rlim_max };
	return setrlimit(RLIMIT_NOFILE, &limit) ? -errno : 0;
}

static inline void nt_free_descriptors(const struct rlimit *saved)
{
	setrlimit(RLIMIT_NOFILE, saved);
}

/* Another user from now on, and no privileges. */
static inline int nt_become(unsigned int uid)
{
	if (setgroups(0, NULL) || setresgid(NT_GROUP, NT_GROUP, NT_GROUP) ||
	    setresuid(uid, uid, uid))
		return -errno;
	/* That has cleared it. */
	return prctl(PR_SET_PDEATHSIG, SIGKILL) ? -errno : 0;
}

static inline int nt_poll(int fd)
{
	struct pollfd pfd = { .fd = fd, .events = POLLIN };
	int n = poll(&pfd, 1, (int)(VT_LIMIT_NS / 1000000));

	return n < 0 ? -errno : n ? 0 : -ETIMEDOUT;
}

static inline struct sockaddr_un nt_address(const char *path)
{
	struct sockaddr_un address = { .sun_family = AF_UNIX };

	strncpy(address.sun_path, path, sizeof(address.sun_path) - 1);
	return address;
}

static inline int nt_bind(const char *path, int type)
{
	struct sockaddr_un address = nt_address(path);
	int fd = socket(AF_UNIX, type | SOCK_CLOEXEC, 0);

	if (fd < 0 || bind(fd, (struct sockaddr *)&address, sizeof(address)))
		return -errno;
	return fd;
}

/* A connection that nobody reads from; -EAGAIN if there is no room for it. */
static inline int nt_connect(const char *path)
{
	struct sockaddr_un address = nt_address(path);
	int fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	int err;

	if (fd < 0)
		return -errno;
	if (!connect(fd, (struct sockaddr *)&address, sizeof(address)))
		return fd;
	err = -errno;
	close(fd);
	return err;
}

static inline int nt_send(int sock, const void *bytes, size_t len, const int *fds, int nfds)
{
	struct iovec iov = { (void *)bytes, len };
	union {
		struct cmsghdr header;
		char room[CMSG_SPACE(4 * sizeof(int))];
	} control = { .room = { 0 } };
	struct msghdr msg = { .msg_iov = &iov, .msg_iovlen = 1 };
	size_t size = (size_t)nfds * sizeof(int);

	if (nfds) {
		msg.msg_control = &control;
		msg.msg_controllen = CMSG_SPACE(size);
		control.header.cmsg_level = SOL_SOCKET;
		control.header.cmsg_type = SCM_RIGHTS;
		control.header.cmsg_len = CMSG_LEN(size);
		memcpy(CMSG_DATA(&control.header), fds, size);
	}
	return sendmsg(sock, &msg, MSG_NOSIGNAL) < 0 ? -errno : 0;
}

/* vipc_connect() in a thread. */
struct nt_client {
	const char *path;
	uint64_t deadline;
	pid_t tid;
	int ret;
	bool kept_errno;
	pthread_t thread;
};

static inline void *nt_client_thread(void *arg)
{
	struct nt_client *client = arg;

	__atomic_store_n(&client->tid, vt_gettid(), __ATOMIC_RELEASE);
	errno = NT_ERRNO_MARK;
	client->ret = vipc_connect(client->path, client->deadline);
	client->kept_errno = errno == NT_ERRNO_MARK;
	return NULL;
}

static inline void nt_client_start(struct nt_client *client, const char *path,
				   uint64_t deadline)
{
	client->path = path;
	client->deadline = deadline;
	client->ret = INT_MIN;
	client->tid = 0;
	if (pthread_create(&client->thread, NULL, nt_client_thread, client) ||
	    vt_wait_until(__atomic_load_n(&client->tid, __ATOMIC_ACQUIRE)))
		abort();
}

/* What it returned; INT_MIN if it has not, or has changed errno. */
static inline int nt_client_end(struct nt_client *client)
{
	if (vt_join(client->thread) || !client->kept_errno)
		return INT_MIN;
	return client->ret;
}

#endif /* VIPC_NAME_TEST_H */
