// SPDX-License-Identifier: MIT
/*
 * A server at a path. Its socket hands each connection one packet, with a capability
 * or a refusal, and never reads: there is nothing to parse, and no state that a
 * client could leave it in. A new connection always has room for that packet, so it
 * need not wait either.
 */
#define _GNU_SOURCE
#include <fcntl.h>
#include <poll.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/time.h>
#include <time.h>
#include <unistd.h>

#include "name.h"

/* The packet. A capability comes with it if and only if error is 0. */
struct answer {
	__u32 magic;
	__u32 error;
};

#define MAGIC		0x31706976u	/* "vip1" */
#define MAX_ERRNO	4095

/* How long a client waits that was told to come again. */
#define PAUSE_NS	10000000

static int address_of(const char *path, struct sockaddr_un *address)
{
	size_t len = strlen(path);

	if (!len)
		return -EINVAL;
	if (len >= sizeof(address->sun_path))
		return -ENAMETOOLONG;
	memset(address, 0, sizeof(*address));
	address->sun_family = AF_UNIX;
	memcpy(address->sun_path, path, len);
	return 0;
}

static int new_socket(void)
{
	int fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);

	return fd < 0 ? -errno : fd;
}

/* ---- the server's end ---- */

/*
 * A lock beside the socket, for those who may write to it anyway. It is removed while
 * it is held, so who gets it has to see whether it is still the one that is there.
 */
static int lock(const char *name)
{
	struct stat held, there;
	int fd;

	for (;;) {
		fd = open(name, O_RDWR | O_CREAT | O_NOFOLLOW | O_CLOEXEC, 0600);
		if (fd < 0)
			return -errno;
		while (flock(fd, LOCK_EX))
			if (errno != EINTR) {
				int err = -errno;

				close(fd);
				return err;
			}
		if (!fstat(fd, &held) && !lstat(name, &there) &&
		    held.st_dev == there.st_dev && held.st_ino == there.st_ino)
			return fd;
		close(fd);
	}
}

static void unlock(const char *name, int fd)
{
	unlink(name);
	close(fd);
}

/* Remove what a server that has ended left there. */
static int remove_stale(const struct sockaddr_un *address)
{
	struct stat st;
	int probe, err;

	if (lstat(address->sun_path, &st))
		return errno == ENOENT ? 0 : -errno;
	if (!S_ISSOCK(st.st_mode))
		return -EEXIST;
	probe = new_socket();
	if (probe < 0)
		return probe;
	err = connect(probe, (const struct sockaddr *)address, sizeof(*address)) ? errno : 0;
	close(probe);
	if (err == ENOENT)
		return 0;		/* just removed by its server */
	/* Anything else means that there is somebody, or that we cannot tell. */
	if (err != ECONNREFUSED)
		return -EADDRINUSE;
	return unlink(address->sun_path) && errno != ENOENT ? -errno : 0;
}

/*
 * The umask is the whole process' and may take bits away, but nothing adds any: the
 * permissions are never wider than they shall be. Connecting is possible only after
 * listen().
 */
static int bind_and_listen(int fd, const struct sockaddr_un *address, mode_t mode)
{
	const char *path = address->sun_path;
	struct stat st;
	int err;

	if (fchmod(fd, mode))
		return -errno;
	if (bind(fd, (const struct sockaddr *)address, sizeof(*address)))
		return -errno;
	if (lstat(path, &st) ||
	    ((st.st_mode & 07777) != mode &&
	     fchmodat(AT_FDCWD, path, mode, AT_SYMLINK_NOFOLLOW)) ||
	    listen(fd, SOMAXCONN)) {
		err = -errno;
		unlink(path);
		return err;
	}
	return 0;
}

static int listen_at(const char *path, unsigned int mode)
{
	struct sockaddr_un address;
	char lock_name[PATH_ROOM + sizeof(".lock")];
	int ret = address_of(path, &address), locked, fd;

	if (ret)
		return ret;
	if (mode & ~0777u)
		return -EINVAL;
	fd = new_socket();
	if (fd < 0)
		return fd;
	snprintf(lock_name, sizeof(lock_name), "%s.lock", path);
	locked = lock(lock_name);
	ret = locked;
	if (locked >= 0) {
		ret = remove_stale(&address);
		if (!ret)
			ret = bind_and_listen(fd, &address, (mode_t)mode);
		unlock(lock_name, locked);
	}
	if (ret < 0)
		close(fd);
	return ret < 0 ? ret : fd;
}

EXPORT int vipc_listen(const char *path, unsigned int mode)
{
	struct guard guard = guard_begin();

	return guard_end(&guard, listen_at(path, mode));
}

static int accept_from(int listener, struct vipc_peer *peer)
{
	struct ucred who;
	socklen_t len = sizeof(who);
	int fd, err;

	do {
		fd = accept4(listener, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);
	} while (fd < 0 && (errno == ECONNABORTED || errno == EINTR));
	if (fd < 0)
		return -errno;
	if (getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &who, &len)) {
		err = -errno;
		close(fd);
		return err;
	}
	peer->pid = who.pid;
	peer->uid = who.uid;
	peer->gid = who.gid;
	return fd;
}

EXPORT int vipc_accept(int listener, struct vipc_peer *peer)
{
	struct guard guard = guard_begin();

	return guard_end(&guard, accept_from(listener, peer));
}

/* Send the packet, with @cap unless that is negative. */
static int answer(int connection, int error, int cap)
{
	struct answer packet = { .magic = MAGIC, .error = (__u32)-error };
	struct iovec iov = { &packet, sizeof(packet) };
	union control control = { .room = { 0 } };
	struct msghdr msg = { .msg_iov = &iov, .msg_iovlen = 1 };

	if (cap >= 0)
		attach(&msg, &control, cap);
	if (sendmsg(connection, &msg, MSG_DONTWAIT | MSG_NOSIGNAL) >= 0)
		return 0;
	return errno == EPIPE ? -ECONNRESET : -errno;
}

EXPORT int vipc_welcome(int connection, int endpoint, unsigned int rights, __u64 badge)
{
	struct guard guard = guard_begin();
	int cap = vipc_derive_watched(endpoint, rights, badge);
	int ret = cap;

	if (cap >= 0) {
		ret = answer(connection, 0, cap);
		close(cap);
	}
	return guard_end(&guard, ret);
}

EXPORT int vipc_refuse(int connection, int error)
{
	struct guard guard = guard_begin();

	if (error >= 0 || error < -MAX_ERRNO)
		return guard_end(&guard, -EINVAL);
	return guard_end(&guard, answer(connection, error, -1));
}

/* ---- the client's end ---- */

/* The time left until @deadline in @left; false if it has passed. */
static bool time_left(__u64 deadline, struct timespec *left)
{
	__u64 now = vipc_deadline_after(0);

	if (deadline <= now)
		return false;
	left->tv_sec = (time_t)((deadline - now) / 1000000000u);
	left->tv_nsec = (long)((deadline - now) % 1000000000u);
	return true;
}

/* Connecting waits while the server has too many who do: for as long as sending may. */
static int reach(int fd, const struct sockaddr_un *address, __u64 deadline)
{
	struct timespec left;
	struct timeval limit;

	do {
		if (deadline) {
			if (!time_left(deadline, &left))
				return -ETIMEDOUT;
			limit.tv_sec = left.tv_sec;
			limit.tv_usec = left.tv_nsec / 1000;
			if (!limit.tv_sec && !limit.tv_usec)
				limit.tv_usec = 1;	/* 0 would be for ever */
			if (setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &limit, sizeof(limit)))
				return -errno;
		}
		if (!connect(fd, (const struct sockaddr *)address, sizeof(*address)))
			return 0;
		/* The kernel counts in ticks, of which it may wait one less. */
	} while (errno == EAGAIN);
	return -errno;
}

static int wait_for_answer(int fd, __u64 deadline)
{
	struct pollfd pfd = { .fd = fd, .events = POLLIN };
	struct timespec left;
	int n;

	if (deadline && !time_left(deadline, &left))
		left = (struct timespec){ 0 };
	n = ppoll(&pfd, 1, deadline ? &left : NULL, NULL);
	if (n < 0)
		return -errno;
	return n ? 0 : -ETIMEDOUT;
}

/* The descriptor in @msg, of which there is at most one: there was no room for more. */
static int take_descriptor(struct msghdr *msg)
{
	struct cmsghdr *header = CMSG_FIRSTHDR(msg);
	int fd;

	if (!header || header->cmsg_level != SOL_SOCKET || header->cmsg_type != SCM_RIGHTS ||
	    header->cmsg_len != CMSG_LEN(sizeof(int)))
		return -1;
	memcpy(&fd, CMSG_DATA(header), sizeof(fd));
	return fd;
}

/* Is this answer with that descriptor (-1: none) what it should be? 0 or an error. */
static int check_answer(const struct answer *packet, ssize_t len, int flags, int fd)
{
	struct vipc_info info;

	if (!len && fd < 0)
		return -ECONNRESET;
	if (len != sizeof(*packet) || packet->magic != MAGIC || flags & MSG_TRUNC)
		return -EPROTO;
	if (packet->error)
		return packet->error <= MAX_ERRNO && fd < 0 && !(flags & MSG_CTRUNC) ?
		       -(int)packet->error : -EPROTO;
	if (fd < 0)
		return flags & MSG_CTRUNC ? -EMFILE : -EPROTO;
	if (flags & MSG_CTRUNC || vipc_info(fd, &info) || !(info.rights & VIPC_RIGHT_SEND))
		return -EPROTO;
	return 0;
}

static int receive_answer(int fd)
{
	struct answer packet = { 0 };
	struct iovec iov = { &packet, sizeof(packet) };
	union control control = { .room = { 0 } };
	struct msghdr msg = {
		.msg_iov = &iov,
		.msg_iovlen = 1,
		.msg_control = &control,
		/* Not all of the room, which is padded, and has some for two. */
		.msg_controllen = CMSG_LEN(sizeof(int)),
	};
	ssize_t n = recvmsg(fd, &msg, MSG_CMSG_CLOEXEC | MSG_DONTWAIT);
	int cap, err;

	if (n < 0)
		return -errno;
	cap = take_descriptor(&msg);
	err = check_answer(&packet, n, msg.msg_flags, cap);
	if (!err)
		return cap;
	if (cap >= 0)
		close(cap);
	return err;
}

static int try_to_connect(const struct sockaddr_un *address, __u64 deadline)
{
	/* Blocking: connect() shall wait. */
	int fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0);
	int ret;

	if (fd < 0)
		return -errno;
	ret = reach(fd, address, deadline);
	if (!ret)
		ret = wait_for_answer(fd, deadline);
	if (!ret)
		ret = receive_answer(fd);
	close(fd);
	return ret;
}

static int connect_to(const char *path, __u64 deadline)
{
	struct sockaddr_un address;
	int ret = address_of(path, &address);
	struct timespec pause_time, left;

	if (ret)
		return ret;
	for (;;) {
		ret = try_to_connect(&address, deadline);
		if (ret != -EAGAIN)
			return ret;
		pause_time = (struct timespec){ .tv_nsec = PAUSE_NS };
		if (deadline && !time_left(deadline, &left))
			return -ETIMEDOUT;
		if (deadline && !left.tv_sec && left.tv_nsec < PAUSE_NS)
			pause_time = left;
		if (ppoll(NULL, 0, &pause_time, NULL) < 0)
			return -errno;
	}
}

EXPORT int vipc_connect(const char *path, __u64 deadline_ns)
{
	struct guard guard = guard_begin();

	return guard_end(&guard, connect_to(path, deadline_ns));
}
