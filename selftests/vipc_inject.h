/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Making allocations and user copies of one thread fail: the Nth from now on
 * with /proc/thread-self/fail-nth, or some of them at random with fail_usercopy
 * and failslab.
 *
 * What counts as a fault point is up to the kernel (the sanitizers' own
 * allocations do, for instance), so a test does not know which N is which. It
 * tries N = 1, 2, ... until the operation has no Nth point any more, accepts
 * success or one of the documented errors each time, checks in either case that
 * the state is the one that belongs to that outcome, and in the end that there
 * were as many failures as the module alone must have.
 */
#ifndef VIPC_INJECT_H
#define VIPC_INJECT_H

#include "vipc_procs.h"

/* More fault points than this no operation has. */
#define VI_MAX_NTH	400

#define VI_DEBUGFS	"/sys/kernel/debug/"

/*
 * Prepares fault injection. NULL, or why this kernel has none.
 */
static inline const char *vi_setup(void)
{
	static const char * const kinds[] = {
		"failslab", "fail_page_alloc", "fail_usercopy", "fail_futex",
	};
	char path[96];

	if (access("/proc/thread-self/fail-nth", W_OK))
		return "no /proc/self/fail-nth (CONFIG_FAULT_INJECTION)";
	if (access(VI_DEBUGFS "failslab", F_OK))
		return "no failslab in debugfs (CONFIG_FAILSLAB)";
	if (access(VI_DEBUGFS "fail_usercopy", F_OK))
		return "no fail_usercopy in debugfs (CONFIG_FAULT_INJECTION_USERCOPY)";
	/* A stack trace for each fault would hide those that matter. */
	for (size_t i = 0; i < sizeof(kinds) / sizeof(kinds[0]); i++) {
		snprintf(path, sizeof(path), VI_DEBUGFS "%s/verbose", kinds[i]);
		if (!access(path, F_OK) && vt_write_file(path, "0"))
			return "fault injection in debugfs cannot be configured";
	}
	/* Allocations that may sleep are the ones the module makes. */
	if (vt_write_file(VI_DEBUGFS "failslab/ignore-gfp-wait", "N"))
		return "failslab/ignore-gfp-wait cannot be written";
	return NULL;
}

/* To be done first by a thread that will arm itself: opening has fault points. */
static inline int vi_open(void)
{
	int fd = open("/proc/thread-self/fail-nth", O_RDWR | O_CLOEXEC);

	return fd < 0 ? -errno : fd;
}

/* From now on: only the system call under test, then vi_disarm(). */
static inline int vi_arm(int fd, unsigned int nth)
{
	char text[16];
	int len = snprintf(text, sizeof(text), "%u", nth);

	return pwrite(fd, text, (size_t)len, 0) == len ? 0 : -errno;
}

/*
 * Returns whether the Nth fault point was reached. Reading and writing the
 * file have fault points as well: what they meet was not the operation's.
 */
static inline bool vi_disarm(int fd)
{
	char text[16] = "";
	bool injected;

	injected = pread(fd, text, sizeof(text) - 1, 0) > 0 && atoi(text) == 0;
	while (pwrite(fd, "0", 1, 0) != 1)
		;
	return injected;
}

/* One ioctl whose Nth fault point fails. */
static inline int vi_ioctl(int nth_fd, unsigned int nth, bool *injected, int fd,
			   unsigned long cmd, void *arg)
{
	int ret = vi_arm(nth_fd, nth);

	if (ret)
		return ret;
	ret = vt_ioctl(fd, cmd, arg);
	*injected = vi_disarm(nth_fd);
	return ret;
}

/* ---- the same in a thread of its own ---- */

struct vi_op {
	struct vt_op op;	/* .msg or .arg to be set before */
	unsigned int nth;
	bool injected;
};

static inline void *vi_op_thread(void *data)
{
	struct vi_op *v = data;
	int nth_fd = vi_open();

	vp_set(&v->op.tid, vt_gettid());
	v->op.ret = nth_fd < 0 ? nth_fd :
		vi_ioctl(nth_fd, v->nth, &v->injected, v->op.fd, v->op.cmd,
			 v->op.arg ? v->op.arg : &v->op.msg);
	if (nth_fd >= 0)
		close(nth_fd);
	vp_set(&v->op.done, true);
	return NULL;
}

static inline int vi_op_start(struct vi_op *v, unsigned int nth, int fd,
			      unsigned long cmd)
{
	v->nth = nth;
	v->injected = false;
	v->op.fd = fd;
	v->op.cmd = cmd;
	v->op.ret = INT_MIN;
	v->op.done = false;
	v->op.tid = 0;
	return -pthread_create(&v->op.thread, NULL, vi_op_thread, v);
}

/* ---- what a sweep has seen ---- */

/* How often a sweep is repeated at most. */
#define VI_PASSES	5

struct vi_sweep {
	unsigned int nth, pass;
	bool injected;
	int ret;
	unsigned int efault, enomem, tolerated;
};

/* Is there another N to try? */
static inline bool vi_goes_on(struct vi_sweep *s, unsigned int least_efault,
			      unsigned int least_enomem)
{
	if (s->injected && s->nth < VI_MAX_NTH)
		return true;
	if ((s->efault >= least_efault && s->enomem >= least_enomem) ||
	    ++s->pass == VI_PASSES)
		return false;
	*s = (struct vi_sweep){ .nth = 1, .pass = s->pass };
	return true;
}

/* For each N that the body, which sets .injected and .ret, can reach. */
#define vi_for_each_nth(s)	vi_for_each_nth_until(s, 0, 0)

/*
 * The same, for what allocates memory and so does not always have the same fault
 * points: a slab that has to grow (KASAN keeps what is freed for a while) has one
 * more, and what comes behind it is the N + 1st then, and left out. Hence all of it
 * again, if fewer failed than must.
 */
#define vi_for_each_nth_until(s, least_efault, least_enomem)		\
	for (*(s) = (struct vi_sweep){ .nth = 1, .injected = true };	\
	     vi_goes_on(s, least_efault, least_enomem); (s)->nth++)

static inline void vi_note(struct vi_sweep *s)
{
	if (!s->injected)
		return;
	if (s->ret == -EFAULT)
		s->efault++;
	else if (s->ret == -ENOMEM)
		s->enomem++;
	else
		s->tolerated++;
}

#endif /* VIPC_INJECT_H */
