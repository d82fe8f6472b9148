/* SPDX-License-Identifier: GPL-2.0 */
/*
 * What the vipc selftests share: the operations as functions over the bare
 * ioctls, returning 0 (or a descriptor) or -errno, and helpers that wait for
 * a state of the kernel instead of sleeping and hoping.
 *
 * Nothing here uses libvipc, so that a bug there cannot hide one in the
 * module. Everything begins with vt_, so that a test may use both.
 */
#ifndef VIPC_SELFTEST_H
#define VIPC_SELFTEST_H

#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/types.h>
#include <sys/uio.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include <uapi/vipc.h>

#ifndef VT_NO_HARNESS
#include "kselftest_harness.h"

/*
 * An emulated machine is 10 to 50 times slower than a real one, and the
 * harness' 30 s are meant for real ones.
 */
#undef TEST_TIMEOUT_DEFAULT
#define TEST_TIMEOUT_DEFAULT 240
#endif

/*
 * The bytes of @file, from @name to @name_end, for a machine that has no such file. The
 * names are global, as C says they are: gcc and binutils for arm64 find two local ones
 * in the same place.
 */
#define VT_HOLD(name, file)					\
	extern const char name[], name##_end[];			\
	__asm__(".pushsection .rodata\n"			\
		".globl " #name ", " #name "_end\n"		\
		#name ": .incbin \"" file "\"\n"		\
		#name "_end:\n"					\
		".popsection\n")

#define VT_DEVICE	"/dev/vipc"
#define VT_DEBUGFS	"/sys/kernel/debug/vipc/"
#define VT_NSEC		1000000000ull

/* How long a wait for a state that must come may take before it has failed. */
#define VT_LIMIT_NS	(100 * VT_NSEC)

/* ---- the operations ---- */

static inline int vt_open_flags(int flags)
{
	int fd = open(VT_DEVICE, flags | O_CLOEXEC);

	return fd < 0 ? -errno : fd;
}

/* A new endpoint; the capability has every right. */
static inline int vt_open(void)
{
	return vt_open_flags(O_RDWR);
}

static inline int vt_ioctl(int fd, unsigned long cmd, const void *arg)
{
	int ret = ioctl(fd, cmd, arg);

	return ret < 0 ? -errno : ret;
}

static inline int vt_derive(int fd, uint32_t rights, uint64_t badge)
{
	struct vipc_derive d = { .rights = rights, .badge = badge };

	return vt_ioctl(fd, VIPC_IOC_DERIVE, &d);
}

static inline int vt_send(int fd, struct vipc_msg *m)
{
	return vt_ioctl(fd, VIPC_IOC_SEND, m);
}

static inline int vt_recv(int fd, struct vipc_msg *m)
{
	return vt_ioctl(fd, VIPC_IOC_RECV, m);
}

static inline int vt_call(int fd, struct vipc_msg *m)
{
	return vt_ioctl(fd, VIPC_IOC_CALL, m);
}

static inline int vt_reply(int fd, struct vipc_msg *m)
{
	return vt_ioctl(fd, VIPC_IOC_REPLY, m);
}

static inline int vt_reply_recv(int fd, struct vipc_msg *m)
{
	return vt_ioctl(fd, VIPC_IOC_REPLY_RECV, m);
}

static inline int vt_revoke(int fd)
{
	return vt_ioctl(fd, VIPC_IOC_REVOKE, NULL);
}

static inline int vt_shutdown(int fd)
{
	return vt_ioctl(fd, VIPC_IOC_SHUTDOWN, NULL);
}

static inline int vt_info(int fd, struct vipc_info *info)
{
	memset(info, 0, sizeof(*info));
	return vt_ioctl(fd, VIPC_IOC_INFO, info);
}

static inline int vt_notify(int fd, uint64_t bits)
{
	return vt_ioctl(fd, VIPC_IOC_NOTIFY, &bits);
}

static inline int vt_derive_flags(int fd, uint32_t rights, uint64_t badge,
				  uint32_t flags)
{
	struct vipc_derive d = {
		.rights = rights,
		.flags = flags,
		.badge = badge,
	};

	return vt_ioctl(fd, VIPC_IOC_DERIVE, &d);
}

/* One whose end is told to the receivers. */
static inline int vt_derive_watched(int fd, uint32_t rights, uint64_t badge)
{
	return vt_derive_flags(fd, rights, badge, VIPC_DERIVE_NOTIFY_CLOSE);
}

static inline int vt_config(int fd, struct vipc_config *c)
{
	return vt_ioctl(fd, VIPC_IOC_CONFIG, c);
}

static inline int vt_set_depth(int fd, uint32_t depth)
{
	struct vipc_config c = { .flags = VIPC_CONFIG_DEPTH, .depth = depth };

	return vt_config(fd, &c);
}

static inline int vt_set_spin_ns(int fd, uint32_t spin_ns)
{
	struct vipc_config c = {
		.flags = VIPC_CONFIG_SPIN_NS,
		.spin_ns = spin_ns,
	};

	return vt_config(fd, &c);
}

/* ---- messages ---- */

/* A message that can be told from any other: every word depends on @tag. */
static inline struct vipc_msg vt_msg(uint64_t tag)
{
	return (struct vipc_msg){
		.opcode = (uint32_t)tag,
		.data = { tag, ~tag, tag * 0x9e3779b97f4a7c15ull, tag ^ 0x5555 },
	};
}

/* Does @m carry what vt_msg(@tag) made? */
static inline bool vt_msg_is(const struct vipc_msg *m, uint64_t tag)
{
	struct vipc_msg want = vt_msg(tag);

	return m->opcode == want.opcode &&
	       !memcmp(m->data, want.data, sizeof(want.data));
}

/* What every message of the kernel's own is like, but for badge and data[0]. */
static inline bool vt_msg_is_kernels(const struct vipc_msg *m, uint32_t flag)
{
	return !m->reply && !m->opcode && !m->data[1] && !m->data[2] &&
	       !m->data[3] && (m->flags & ~VIPC_FLAGS_IN_MASK) == flag;
}

static inline bool vt_is_notification(const struct vipc_msg *m, uint64_t bits)
{
	return vt_msg_is_kernels(m, VIPC_MSG_NOTIFICATION) && !m->badge &&
	       m->data[0] == bits;
}

/* The notice that the last watched capability with @badge is gone. */
static inline bool vt_is_notice(const struct vipc_msg *m, uint64_t badge)
{
	return vt_msg_is_kernels(m, VIPC_MSG_BADGE_CLOSED) &&
	       m->badge == badge && !m->data[0];
}

/* ---- time ---- */

static inline uint64_t vt_now_ns(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (uint64_t)ts.tv_sec * VT_NSEC + (uint64_t)ts.tv_nsec;
}

static inline uint64_t vt_in_ms(uint64_t ms)
{
	return vt_now_ns() + ms * 1000000;
}

static inline void vt_pause_us(unsigned int us)
{
	struct timespec ts = {
		.tv_sec = us / 1000000,
		.tv_nsec = (long)(us % 1000000) * 1000,
	};

	nanosleep(&ts, NULL);
}

/* RECV of what must come: -ETIMEDOUT, instead of a test that hangs. */
static inline int vt_recv_soon(int fd, struct vipc_msg *m)
{
	*m = (struct vipc_msg){ .deadline_ns = vt_now_ns() + VT_LIMIT_NS };
	return vt_recv(fd, m);
}

/* ---- waiting for a state ---- */

/*
 * Evaluates @cond until it holds. 0, or -ETIMEDOUT once the limit has passed:
 * assert that it is 0, so that a state which never comes fails the test.
 */
#define vt_wait_until(cond) ({						\
	uint64_t vt_end_ = vt_now_ns() + VT_LIMIT_NS;			\
	int vt_ret_ = 0;						\
	while (!(cond)) {						\
		if (vt_now_ns() > vt_end_) {				\
			vt_ret_ = -ETIMEDOUT;				\
			break;						\
		}							\
		vt_pause_us(100);					\
	}								\
	vt_ret_; })

/* The field of struct vipc_info at @offset, or -errno. */
static inline long long vt_info_u32(int fd, size_t offset)
{
	struct vipc_info info;
	uint32_t value;
	int ret = vt_info(fd, &info);

	if (ret)
		return ret;
	memcpy(&value, (char *)&info + offset, sizeof(value));
	return value;
}

/* Exactly @n of them; a failing INFO fails at once. */
static inline int vt_wait_info_u32(int fd, size_t offset, uint32_t n)
{
	long long v;
	int ret = vt_wait_until((v = vt_info_u32(fd, offset)) < 0 || v == n);

	return ret ? ret : v < 0 ? (int)v : 0;
}

#define vt_senders(fd)	vt_info_u32(fd, offsetof(struct vipc_info, senders))
#define vt_receivers(fd) vt_info_u32(fd, offsetof(struct vipc_info, receivers))
#define vt_in_service(fd) vt_info_u32(fd, offsetof(struct vipc_info, in_service))
#define vt_capabilities(fd) \
	vt_info_u32(fd, offsetof(struct vipc_info, capabilities))
#define vt_buffered(fd)	vt_info_u32(fd, offsetof(struct vipc_info, buffered))

#define vt_wait_senders(fd, n) \
	vt_wait_info_u32(fd, offsetof(struct vipc_info, senders), n)
#define vt_wait_receivers(fd, n) \
	vt_wait_info_u32(fd, offsetof(struct vipc_info, receivers), n)
#define vt_wait_in_service(fd, n) \
	vt_wait_info_u32(fd, offsetof(struct vipc_info, in_service), n)
#define vt_wait_capabilities(fd, n) \
	vt_wait_info_u32(fd, offsetof(struct vipc_info, capabilities), n)
#define vt_wait_buffered(fd, n) \
	vt_wait_info_u32(fd, offsetof(struct vipc_info, buffered), n)
#define vt_wait_state(fd, s) \
	vt_wait_info_u32(fd, offsetof(struct vipc_info, state), s)

/*
 * The state letter in /proc/PID/task/TID/stat: 'R', 'S', 'Z', ...; 0 if there
 * is no such thread. @tid 0 takes the main thread's.
 */
static inline char vt_task_state(pid_t pid, pid_t tid)
{
	char path[64], buf[512], *p;
	ssize_t n;
	int fd;

	snprintf(path, sizeof(path), "/proc/%d/task/%d/stat", pid,
		 tid ? tid : pid);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return 0;
	n = read(fd, buf, sizeof(buf) - 1);
	close(fd);
	if (n <= 0)
		return 0;
	buf[n] = 0;
	p = strrchr(buf, ')'); /* the name may hold anything */
	return p && p[1] == ' ' ? p[2] : 0;
}

/* Waits until the thread sleeps interruptibly. */
static inline int vt_wait_blocked(pid_t pid, pid_t tid)
{
	return vt_wait_until(vt_task_state(pid, tid) == 'S');
}

/* ---- an operation in a thread of its own ---- */

struct vt_op {
	int fd;
	unsigned long cmd;
	struct vipc_msg msg;	/* what goes in, and what came out */
	void *arg;		/* instead of &msg, if not NULL */
	int ret;		/* 0 or -errno, once done */
	bool done;
	pid_t tid;
	pthread_t thread;
};

static inline pid_t vt_gettid(void)
{
	return (pid_t)syscall(SYS_gettid);
}

static inline void *vt_op_thread(void *data)
{
	struct vt_op *op = data;

	__atomic_store_n(&op->tid, vt_gettid(), __ATOMIC_RELEASE);
	op->ret = vt_ioctl(op->fd, op->cmd, op->arg ? op->arg : &op->msg);
	__atomic_store_n(&op->done, true, __ATOMIC_RELEASE);
	return NULL;
}

/*
 * Starts @cmd on @fd with op->msg (set it before). Waits only until the thread
 * exists: use vt_wait_senders() and its like to know that it is queued.
 */
static inline int vt_op_start(struct vt_op *op, int fd, unsigned long cmd)
{
	int ret;

	op->fd = fd;
	op->cmd = cmd;
	op->ret = INT_MIN;
	op->done = false;
	op->tid = 0;
	ret = pthread_create(&op->thread, NULL, vt_op_thread, op);
	if (ret)
		return -ret;
	return vt_wait_until(__atomic_load_n(&op->tid, __ATOMIC_ACQUIRE));
}

static inline bool vt_op_done(struct vt_op *op)
{
	return __atomic_load_n(&op->done, __ATOMIC_ACQUIRE);
}

static inline int vt_join(pthread_t thread)
{
	struct timespec ts;

	clock_gettime(CLOCK_REALTIME, &ts);
	ts.tv_sec += VT_LIMIT_NS / VT_NSEC;
	return -pthread_timedjoin_np(thread, NULL, &ts);
}

/*
 * Waits for the operation's end. 0 or -ETIMEDOUT; the operation's own result
 * is in op->ret.
 */
static inline int vt_op_join(struct vt_op *op)
{
	return vt_join(op->thread);
}

/* ---- processes ---- */

/* A child that does not outlive the test, however the test ends. */
static inline pid_t vt_fork(void)
{
	pid_t parent = getpid(), pid = fork();

	if (pid)
		return pid < 0 ? -errno : pid;
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	if (getppid() != parent)
		_exit(125);
	return 0;
}

/*
 * Reaps @pid. Its exit status, 256 + N if signal N killed it, or -errno
 * (-ETIMEDOUT: it does not end).
 */
static inline int vt_reap(pid_t pid)
{
	int status = 0;
	pid_t got = 0;
	int ret = vt_wait_until((got = waitpid(pid, &status, WNOHANG)));

	if (ret)
		return ret;
	if (got < 0)
		return -errno;
	return WIFSIGNALED(status) ? 256 + WTERMSIG(status) :
				     WEXITSTATUS(status);
}

static inline int vt_pin(int cpu)
{
	cpu_set_t set;

	CPU_ZERO(&set);
	CPU_SET(cpu, &set);
	return sched_setaffinity(0, sizeof(set), &set) ? -errno : 0;
}

static inline int vt_cpus(void)
{
	return (int)sysconf(_SC_NPROCESSORS_ONLN);
}

/* ---- passing descriptors ---- */

/* Sends @fd over the Unix socket @sock. */
static inline int vt_send_fd(int sock, int fd)
{
	char byte = 'f';
	struct iovec iov = { .iov_base = &byte, .iov_len = 1 };
	union {
		struct cmsghdr align;
		char buf[CMSG_SPACE(sizeof(int))];
	} control = { .buf = { 0 } };
	struct msghdr msg = {
		.msg_iov = &iov,
		.msg_iovlen = 1,
		.msg_control = control.buf,
		.msg_controllen = sizeof(control.buf),
	};
	struct cmsghdr *cmsg = CMSG_FIRSTHDR(&msg);

	cmsg->cmsg_level = SOL_SOCKET;
	cmsg->cmsg_type = SCM_RIGHTS;
	cmsg->cmsg_len = CMSG_LEN(sizeof(int));
	memcpy(CMSG_DATA(cmsg), &fd, sizeof(fd));
	return sendmsg(sock, &msg, MSG_NOSIGNAL) == 1 ? 0 : -errno;
}

/* The descriptor received from the Unix socket @sock, or -errno. */
static inline int vt_recv_fd(int sock)
{
	char byte;
	struct iovec iov = { .iov_base = &byte, .iov_len = 1 };
	union {
		struct cmsghdr align;
		char buf[CMSG_SPACE(sizeof(int))];
	} control;
	struct msghdr msg = {
		.msg_iov = &iov,
		.msg_iovlen = 1,
		.msg_control = control.buf,
		.msg_controllen = sizeof(control.buf),
	};
	struct cmsghdr *cmsg;
	ssize_t n;
	int fd;

	n = recvmsg(sock, &msg, MSG_CMSG_CLOEXEC);
	if (n < 0)
		return -errno;
	cmsg = CMSG_FIRSTHDR(&msg);
	if (n != 1 || !cmsg || cmsg->cmsg_type != SCM_RIGHTS ||
	    cmsg->cmsg_len != CMSG_LEN(sizeof(int)))
		return -EBADMSG;
	memcpy(&fd, CMSG_DATA(cmsg), sizeof(fd));
	return fd;
}

/* ---- statistics ---- */

/*
 * The value of @name in debugfs' stats; -ENOENT if there is no such line,
 * another -errno if the file cannot be read.
 */
static inline long long vt_stat_value(const char *name)
{
	char line[160], key[64];
	long long value, ret = -ENOENT;
	FILE *f = fopen(VT_DEBUGFS "stats", "re");

	if (!f)
		return -errno;
	while (fgets(line, sizeof(line), f)) {
		if (sscanf(line, "%63s %lld", key, &value) == 2 &&
		    !strcmp(key, name)) {
			ret = value;
			break;
		}
	}
	fclose(f);
	return ret;
}

static inline int vt_write_file(const char *path, const char *text)
{
	int fd = open(path, O_WRONLY | O_CLOEXEC);
	ssize_t n;
	int ret;

	if (fd < 0)
		return -errno;
	n = write(fd, text, strlen(text));
	ret = n < 0 ? -errno : n == (ssize_t)strlen(text) ? 0 : -EIO;
	close(fd);
	return ret;
}

static inline int vt_stats_reset(void)
{
	return vt_write_file(VT_DEBUGFS "reset", "1");
}

#endif /* VIPC_SELFTEST_H */
