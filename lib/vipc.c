// SPDX-License-Identifier: MIT
/*
 * The operations: one system call each. errno belongs to the program, so every
 * function puts it back, and returns the error instead.
 */
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include "vipc.h"

#define EXPORT __attribute__((visibility("default")))

#if defined(__x86_64__) && defined(__LP64__)

/* The kernel's error is what these functions return: no detour by errno. */
static int vipc_ioctl(int fd, unsigned long cmd, void *arg)
{
	long ret;

	__asm__ volatile("syscall"
			 : "=a" (ret)
			 : "0" (SYS_ioctl), "D" ((long)fd), "S" (cmd), "d" (arg)
			 : "rcx", "r11", "memory");
	return ret;
}

#else

static int vipc_ioctl(int fd, unsigned long cmd, void *arg)
{
	int saved = errno;
	int ret = ioctl(fd, cmd, arg);

	if (ret < 0)
		ret = -errno;
	errno = saved;
	return ret;
}

#endif

EXPORT int vipc_open(int flags)
{
	int saved = errno;
	int fd;

	if (flags & ~O_CLOEXEC)
		return -EINVAL;
	/* Read-only or write-only would make an endpoint nobody can talk over. */
	fd = open("/dev/vipc", O_RDWR | flags);
	if (fd < 0)
		fd = -errno;
	errno = saved;
	return fd;
}

EXPORT int vipc_derive(int fd, unsigned int rights, __u64 badge)
{
	struct vipc_derive derive = { .rights = rights, .badge = badge };

	return vipc_ioctl(fd, VIPC_IOC_DERIVE, &derive);
}

EXPORT int vipc_derive_watched(int fd, unsigned int rights, __u64 badge)
{
	struct vipc_derive derive = {
		.rights = rights,
		.flags = VIPC_DERIVE_NOTIFY_CLOSE,
		.badge = badge,
	};

	return vipc_ioctl(fd, VIPC_IOC_DERIVE, &derive);
}

EXPORT int vipc_config(int fd, struct vipc_config *config)
{
	return vipc_ioctl(fd, VIPC_IOC_CONFIG, config);
}

EXPORT int vipc_notify(int fd, __u64 bits)
{
	return vipc_ioctl(fd, VIPC_IOC_NOTIFY, &bits);
}

EXPORT int vipc_send(int fd, struct vipc_msg *msg)
{
	return vipc_ioctl(fd, VIPC_IOC_SEND, msg);
}

EXPORT int vipc_recv(int fd, struct vipc_msg *msg)
{
	return vipc_ioctl(fd, VIPC_IOC_RECV, msg);
}

EXPORT int vipc_call(int fd, struct vipc_msg *msg)
{
	return vipc_ioctl(fd, VIPC_IOC_CALL, msg);
}

EXPORT int vipc_reply(int fd, struct vipc_msg *msg)
{
	return vipc_ioctl(fd, VIPC_IOC_REPLY, msg);
}

EXPORT int vipc_reply_recv(int fd, struct vipc_msg *msg)
{
	return vipc_ioctl(fd, VIPC_IOC_REPLY_RECV, msg);
}

EXPORT int vipc_send_x(int fd, struct vipc_xmsg *msg)
{
	return vipc_ioctl(fd, VIPC_IOC_SEND_X, msg);
}

EXPORT int vipc_recv_x(int fd, struct vipc_xmsg *msg)
{
	return vipc_ioctl(fd, VIPC_IOC_RECV_X, msg);
}

EXPORT int vipc_call_x(int fd, struct vipc_xmsg *msg)
{
	return vipc_ioctl(fd, VIPC_IOC_CALL_X, msg);
}

EXPORT int vipc_reply_x(int fd, struct vipc_xmsg *msg)
{
	return vipc_ioctl(fd, VIPC_IOC_REPLY_X, msg);
}

EXPORT int vipc_reply_recv_x(int fd, struct vipc_xmsg *msg)
{
	return vipc_ioctl(fd, VIPC_IOC_REPLY_RECV_X, msg);
}

EXPORT int vipc_revoke(int fd)
{
	return vipc_ioctl(fd, VIPC_IOC_REVOKE, NULL);
}

EXPORT int vipc_shutdown(int fd)
{
	return vipc_ioctl(fd, VIPC_IOC_SHUTDOWN, NULL);
}

EXPORT int vipc_info(int fd, struct vipc_info *info)
{
	/* The kernel insists on zero in the fields that it may want to read. */
	memset(info, 0, sizeof(*info));
	return vipc_ioctl(fd, VIPC_IOC_INFO, info);
}

EXPORT __u64 vipc_deadline_after(__u64 timeout_ns)
{
	struct timespec ts;
	__u64 now;

	/* Cannot fail: the clock exists and ts is ours. */
	clock_gettime(CLOCK_MONOTONIC, &ts);
	now = (__u64)ts.tv_sec * 1000000000u + (__u64)ts.tv_nsec;
	if (!now)
		now = 1;	/* 0 would wait for ever */
	/* The kernel's time is signed: beyond that it never comes. */
	if (timeout_ns > (VIPC_FOREVER >> 1) - now)
		return VIPC_FOREVER;
	return now + timeout_ns;
}

/* @msg is a message of its own, or the beginning of a struct vipc_xmsg. */
static int with_timeout(int fd, unsigned long cmd, struct vipc_msg *msg,
			__u64 timeout_ns)
{
	__u64 saved = msg->deadline_ns;
	int ret;

	msg->deadline_ns = vipc_deadline_after(timeout_ns);
	ret = vipc_ioctl(fd, cmd, msg);
	msg->deadline_ns = saved;
	return ret;
}

EXPORT int vipc_send_timeout(int fd, struct vipc_msg *msg, __u64 timeout_ns)
{
	return with_timeout(fd, VIPC_IOC_SEND, msg, timeout_ns);
}

EXPORT int vipc_recv_timeout(int fd, struct vipc_msg *msg, __u64 timeout_ns)
{
	return with_timeout(fd, VIPC_IOC_RECV, msg, timeout_ns);
}

EXPORT int vipc_call_timeout(int fd, struct vipc_msg *msg, __u64 timeout_ns)
{
	return with_timeout(fd, VIPC_IOC_CALL, msg, timeout_ns);
}

EXPORT int vipc_send_x_timeout(int fd, struct vipc_xmsg *msg, __u64 timeout_ns)
{
	return with_timeout(fd, VIPC_IOC_SEND_X, &msg->msg, timeout_ns);
}

EXPORT int vipc_recv_x_timeout(int fd, struct vipc_xmsg *msg, __u64 timeout_ns)
{
	return with_timeout(fd, VIPC_IOC_RECV_X, &msg->msg, timeout_ns);
}

EXPORT int vipc_call_x_timeout(int fd, struct vipc_xmsg *msg, __u64 timeout_ns)
{
	return with_timeout(fd, VIPC_IOC_CALL_X, &msg->msg, timeout_ns);
}
