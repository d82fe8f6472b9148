// SPDX-License-Identifier: MIT
/*
 * What a program is started with, and what it leaves for the next start. systemd's
 * part of that is a few variables and one datagram, so its library is not needed.
 */
#define _GNU_SOURCE
#include <fcntl.h>
#include <limits.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <unistd.h>

#include "name.h"

#define MAX_NAME	255

/* The first descriptor that systemd passes on. */
#define FIRST_FD	3

/* How long the service manager may take to accept a datagram. */
#define PATIENCE_S	5

/* A number that takes all of @text up to @end. */
static int number_in(const char *text, const char *end)
{
	char *stop;
	long value;

	if (*text < '0' || *text > '9')
		return -EINVAL;
	value = strtol(text, &stop, 10);
	return stop == end && value <= INT_MAX ? (int)value : -EINVAL;
}

static int number_of(const char *variable)
{
	const char *text = getenv(variable);

	return text ? number_in(text, text + strlen(text)) : -ENOENT;
}

/* VIPC_CAPS="NAME=NUMBER NAME=NUMBER" */
static int find_capability(const char *name)
{
	const char *at = getenv("VIPC_CAPS");
	size_t len = strlen(name), word;

	for (; at && *at; at += word) {
		at += strspn(at, " ");
		word = strcspn(at, " ");
		if (word > len && at[len] == '=' && !memcmp(at, name, len))
			return number_in(at + len + 1, at + word);
	}
	return -ENOENT;
}

/* LISTEN_FDS=2, LISTEN_FDNAMES="NAME:NAME" */
static int find_passed_on(const char *name)
{
	const char *at = getenv("LISTEN_FDNAMES");
	size_t len = strlen(name), word;
	int count, fd, pid = number_of("LISTEN_PID");

	if (pid < 0)
		return pid;
	if (pid != getpid())
		return -ENOENT;		/* it was for another program */
	count = number_of("LISTEN_FDS");
	if (count < 0)
		return count;
	for (fd = FIRST_FD; at && fd - FIRST_FD < count; fd++) {
		word = strcspn(at, ":");
		if (word == len && !memcmp(at, name, len))
			return fd;
		at = at[word] ? at + word + 1 : NULL;
	}
	return -ENOENT;
}

static int inherited(const char *name)
{
	int fd;

	if (!*name)
		return -ENOENT;
	fd = find_capability(name);
	if (fd == -ENOENT)
		fd = find_passed_on(name);
	if (fd < 0)
		return fd;
	return fcntl(fd, F_SETFD, FD_CLOEXEC) ? -errno : fd;
}

EXPORT int vipc_inherited(const char *name)
{
	struct guard guard = guard_begin();

	return guard_end(&guard, inherited(name));
}

/* As long as its name is that of a descriptor in both variables. */
static bool is_name(const char *name)
{
	size_t i;

	for (i = 0; name[i]; i++)
		if (i == MAX_NAME || name[i] <= ' ' || name[i] > '~' || name[i] == ':' ||
		    name[i] == '=')
			return false;
	return i > 0;
}

static int manager_address(struct sockaddr_un *address, socklen_t *size)
{
	const char *path = getenv("NOTIFY_SOCKET");
	size_t len;

	if (!path)
		return -ENOENT;
	len = strlen(path);
	if ((*path != '/' && *path != '@') || len < 2 || len >= sizeof(address->sun_path))
		return -EINVAL;
	memset(address, 0, sizeof(*address));
	address->sun_family = AF_UNIX;
	memcpy(address->sun_path, path, len);
	*size = (socklen_t)(offsetof(struct sockaddr_un, sun_path) + len);
	if (*path == '@')
		address->sun_path[0] = 0;	/* an abstract name, which has no 0 at its end */
	else
		++*size;
	return 0;
}

/* Send @text, with @fd unless that is negative. */
static int tell_manager(const char *text, int fd)
{
	const struct timeval patience = { .tv_sec = PATIENCE_S };
	struct iovec iov = { (void *)text, strlen(text) };
	union control control = { .room = { 0 } };
	struct sockaddr_un address;
	struct msghdr msg = { .msg_name = &address, .msg_iov = &iov, .msg_iovlen = 1 };
	int err = manager_address(&address, &msg.msg_namelen), sock;

	if (err)
		return err;
	sock = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	if (sock < 0)
		return -errno;
	if (fd >= 0)
		attach(&msg, &control, fd);
	if (setsockopt(sock, SOL_SOCKET, SO_SNDTIMEO, &patience, sizeof(patience)) ||
	    sendmsg(sock, &msg, MSG_NOSIGNAL) < 0)
		err = errno == EAGAIN ? -ETIMEDOUT : -errno;
	close(sock);
	return err;
}

static int store(const char *what, const char *name, int fd)
{
	char text[sizeof("FDSTOREREMOVE=1\nFDNAME=\n") + MAX_NAME];

	if (!is_name(name))
		return -EINVAL;
	snprintf(text, sizeof(text), "%s=1\nFDNAME=%s\n", what, name);
	return tell_manager(text, fd);
}

EXPORT int vipc_store(const char *name, int fd)
{
	struct guard guard = guard_begin();

	return guard_end(&guard, fd < 0 ? -EBADF : store("FDSTORE", name, fd));
}

EXPORT int vipc_unstore(const char *name)
{
	struct guard guard = guard_begin();

	return guard_end(&guard, store("FDSTOREREMOVE", name, -1));
}
