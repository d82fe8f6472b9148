/* SPDX-License-Identifier: GPL-2.0 */
/*
 * For tests in which several processes hold capabilities of their own: one
 * operation in a process of its own whose outcome the test sees in shared
 * memory, and random numbers that can be repeated.
 *
 * A capability lives as long as any descriptor for it, in any process. Every
 * helper process therefore closes all descriptors but those it was given, and
 * has done so before vp_start() or vp_ready() lets the test go on: who holds
 * what is exactly what the test says.
 */
#ifndef VIPC_PROCS_H
#define VIPC_PROCS_H

#include "vipc_selftest.h"

#define VP_UNUSED __attribute__((unused))

/* ---- shared memory ---- */

/* Zeroed memory that this process shares with its children. */
static inline void *vp_shared(size_t size)
{
	void *p = mmap(NULL, size, PROT_READ | PROT_WRITE,
		       MAP_SHARED | MAP_ANONYMOUS, -1, 0);

	if (p == MAP_FAILED) {
		perror("mmap of shared memory");
		exit(125);
	}
	return p;
}

#define vp_get(p)	__atomic_load_n((p), __ATOMIC_ACQUIRE)
#define vp_set(p, v)	__atomic_store_n((p), (v), __ATOMIC_RELEASE)
#define vp_add(p, n)	__atomic_add_fetch((p), (n), __ATOMIC_ACQ_REL)

/* ---- one operation in a process ---- */

enum vp_stage { VP_NEW, VP_READY, VP_DONE };

struct vp_op {
	struct vipc_msg msg;	/* what goes in; the kernel answers here */
	int fd;
	unsigned long cmd;
	int sa_flags;		/* of the handler for SIGUSR1 */
	int ret;		/* 0 or -errno, once done */
	int handled;		/* how often the handler ran */
	int stage;		/* enum vp_stage */
	pid_t pid;
};

static struct vp_op *vp_self VP_UNUSED;

static inline struct vp_op *vp_ops(unsigned int n)
{
	return vp_shared(n * sizeof(struct vp_op));
}

static inline void vp_handler(int sig VP_UNUSED)
{
	vp_add(&vp_self->handled, 1);
}

/* Closes every descriptor from 3 on but the @n in @keep. */
static inline void vp_keep(const int *keep, int n)
{
	unsigned int from = 3;

	for (;;) {
		unsigned int next = ~0u;

		for (int i = 0; i < n; i++)
			if (keep[i] >= (int)from && (unsigned int)keep[i] < next)
				next = (unsigned int)keep[i];
		if (next > from)
			close_range(from, next == ~0u ? next : next - 1, 0);
		if (next == ~0u)
			return;
		from = next + 1;
	}
}

static inline void vp_keep_only(int fd)
{
	vp_keep(&fd, 1);
}

static inline void vp_catch(int sig, int sa_flags)
{
	struct sigaction sa = { .sa_handler = vp_handler, .sa_flags = sa_flags };

	sigaction(sig, &sa, NULL);
}

/*
 * Does @cmd on @fd with op->msg in a process that holds nothing but @fd.
 * Returns once that process is about to enter the kernel.
 */
static inline int vp_start(struct vp_op *op, int fd, unsigned long cmd)
{
	pid_t pid;

	op->fd = fd;
	op->cmd = cmd;
	op->ret = INT_MIN;
	op->handled = 0;
	op->stage = VP_NEW;
	pid = vt_fork();
	if (pid < 0)
		return pid;
	if (pid == 0) {
		vp_self = op;
		vp_catch(SIGUSR1, op->sa_flags);
		vp_keep_only(fd);
		vp_set(&op->stage, VP_READY);
		op->ret = vt_ioctl(fd, cmd, &op->msg);
		vp_set(&op->stage, VP_DONE);
		_exit(0);
	}
	op->pid = pid;	/* not by the child, which shares op with us */
	return vt_wait_until(vp_get(&op->stage) != VP_NEW);
}

/* vp_start() with the message vt_msg(@tag). */
static inline int vp_start_msg(struct vp_op *op, int fd, unsigned long cmd,
			       uint64_t tag)
{
	op->msg = vt_msg(tag);
	return vp_start(op, fd, cmd);
}

/*
 * Waits for the end of the process. What the operation returned (0 or
 * -errno); 256 + N if signal N killed it first.
 */
static inline int vp_end(struct vp_op *op)
{
	int status = vt_reap(op->pid);

	return status ? status : op->ret;
}

static inline bool vp_done(struct vp_op *op)
{
	return vp_get(&op->stage) == VP_DONE;
}

/* kill -9, and waits for the end: 256 + SIGKILL is the one right answer. */
static inline int vp_kill(pid_t pid)
{
	kill(pid, SIGKILL);
	return vt_reap(pid);
}

#define VP_KILLED (256 + SIGKILL)

/* Was the failed operation's message taken by a receiver? */
static inline bool vp_delivered(const struct vipc_msg *m)
{
	return m->flags & VIPC_MSG_DELIVERED;
}

/* ---- operations that the test itself does ---- */

/* With a deadline, so that a SEND which should have failed does not hang. */
static inline int vp_send_tag(int fd, uint64_t tag, uint32_t flags)
{
	struct vipc_msg m = vt_msg(tag);

	m.flags = flags;
	m.deadline_ns = vt_now_ns() + VT_LIMIT_NS;
	return vt_send(fd, &m);
}

/* Takes what is there now, or -EAGAIN. */
static inline int vp_recv_now(int fd, struct vipc_msg *m)
{
	*m = (struct vipc_msg){ .flags = VIPC_NONBLOCK };
	return vt_recv(fd, m);
}

static inline int vp_reply_tag(int fd, uint64_t token, uint64_t tag)
{
	struct vipc_msg m = vt_msg(tag);

	m.reply = token;
	return vt_reply(fd, &m);
}

/* What INFO answers: 0, -EKEYREVOKED, -EBADF, ... */
static inline int vp_probe(int fd)
{
	struct vipc_info info;

	return vt_info(fd, &info);
}

/* Nobody queued, nobody waiting, nobody in service. */
static inline int vp_wait_idle(int fd)
{
	int ret = vt_wait_senders(fd, 0);

	if (!ret)
		ret = vt_wait_receivers(fd, 0);
	return ret ? ret : vt_wait_in_service(fd, 0);
}

/* ---- random numbers that can be repeated ---- */

struct vp_rng {
	uint64_t state;
};

/* Never 0 whatever @seed is, and different for each @stream. */
static inline struct vp_rng vp_rng_init(uint64_t seed, uint64_t stream)
{
	uint64_t z = seed + (stream + 1) * 0x9e3779b97f4a7c15ull;

	z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9ull;
	z = (z ^ (z >> 27)) * 0x94d049bb133111ebull;
	return (struct vp_rng){ .state = (z ^ (z >> 31)) | 1 };
}

static inline uint32_t vp_random(struct vp_rng *rng, uint32_t below)
{
	uint64_t x = rng->state;

	x ^= x << 13;
	x ^= x >> 7;
	x ^= x << 17;
	rng->state = x;
	return (uint32_t)((x >> 32) * below >> 32);
}

/* VIPC_SEED from the environment, else one that is new; printed either way. */
static inline uint64_t vp_seed(void)
{
	const char *env = getenv("VIPC_SEED");
	uint64_t seed = env ? strtoull(env, NULL, 0) : vt_now_ns();

	printf("# seed %llu (VIPC_SEED=%llu repeats this run)\n",
	       (unsigned long long)seed, (unsigned long long)seed);
	fflush(stdout);
	return seed;
}

/* Keeps the CPU for about @n turns: shifts two parties against each other. */
static inline void vp_spin(uint32_t n)
{
	for (volatile uint32_t i = 0; i < n; i++)
		;
}

#endif /* VIPC_PROCS_H */
