/* SPDX-License-Identifier: GPL-2.0 */
/*
 * The threads that do the operations of a program, what they share while it runs,
 * and KCOV's trace of each, all merged into one map.
 */
#ifndef FUZZ_TASK_H
#define FUZZ_TASK_H

#include "program.h"

#define KCOV_INIT_TRACE	_IOR('c', 1, unsigned long)
#define KCOV_ENABLE	_IO('c', 100)
#define KCOV_WORDS	16384

#define PAGE		VX_PAGE

/* What a message is in, and its bytes: one at a time uses it. */
struct memory {
	struct vipc_msg *area;		/* two pages: the second faults */
	uint8_t *tx, *rx;		/* for bytes: see memory.h */
	uint8_t *loose;			/* anybody may take it away at any time */
	const int *ring_fd;		/* of the task that uses it; NULL: no ring */
};

struct task {
	int number, tid;
	pthread_t thread;
	uint32_t request, answer;	/* futexes: numbers of operations */
	struct op op;
	int fail_fd;
	unsigned long *trace;		/* NULL: no KCOV */
	struct memory own;
	struct ring *ring;		/* NULL: none; only the task itself uses it */
	int ending;			/* instead of @op, its ring: enum ending */
};

/* The state of one program. */
static struct {
	int slot[SLOTS];
	uint64_t token[TOKENS];
	uint32_t next_token;
	int box[2];
	int epoll;
	bool strays;	/* descriptors came of which nobody knows the numbers */
	bool remapped;	/* memory is not what it was */
	bool injected;	/* failures were asked for */
	bool rings;	/* there was a ring: what was submitted may end late */
	bool endless;	/* a worker of io_uring's may wait for a kill */
	uint32_t closing, closed;	/* how many descriptors of capabilities */
} run;

static struct task tasks[TASKS];

/* ---- coverage ---- */

static unsigned long *open_trace(int *fd)
{
	unsigned long *trace;

	*fd = open("/sys/kernel/debug/kcov", O_RDWR | O_CLOEXEC);
	if (*fd < 0 || ioctl(*fd, KCOV_INIT_TRACE, KCOV_WORDS))
		return NULL;
	trace = mmap(NULL, KCOV_WORDS * sizeof(long), PROT_READ | PROT_WRITE,
		     MAP_SHARED, *fd, 0);
	return trace == MAP_FAILED ? NULL : trace;
}

static bool enable_trace(int fd, unsigned long *trace)
{
	return trace && !ioctl(fd, KCOV_ENABLE, 0);
}

static uint32_t mix(uint64_t a)
{
	a *= 0x9e3779b97f4a7c15ull;
	return (uint32_t)(a >> 48);
}

/* Merges what the kernel did for this operation, and begins anew. */
static void merge_trace(unsigned long *trace, uint8_t kind)
{
	unsigned long n, prev = kind;

	if (!trace)
		return;
	n = __atomic_load_n(&trace[0], __ATOMIC_RELAXED);
	for (unsigned long i = 1; i <= n; i++) {
		uint32_t edge = mix(prev * 31 + trace[i]), point = mix(trace[i]);

		if (!__atomic_exchange_n(&shared->edge[edge], 1, __ATOMIC_RELAXED)) {
			vp_add(&shared->edges, 1);
			vp_add(&shared->fresh, 1);
		}
		if (!__atomic_exchange_n(&shared->point[point], 1, __ATOMIC_RELAXED))
			vp_add(&shared->points, 1);
		prev = trace[i];
	}
	__atomic_store_n(&trace[0], 0, __ATOMIC_RELAXED);
}

/* ---- what operations are done on ---- */

static int slot_fd(uint8_t slot)
{
	return vp_get(&run.slot[slot % SLOTS]);
}

static int swap_fd(int *p, int fd)
{
	return __atomic_exchange_n(p, fd, __ATOMIC_ACQ_REL);
}

/* What is submitted meanwhile may or may not be seen by it. */
static int close_slot(int fd)
{
	int ret;

	vp_add(&run.closing, 1);
	ret = close(fd);
	vp_add(&run.closed, 1);
	return ret;
}

/* Whatever was there is closed. */
static void set_slot(uint8_t slot, int fd)
{
	int old;

	if (fd < 0)
		return;
	old = swap_fd(&run.slot[slot % SLOTS], fd);
	if (old >= 0)
		close_slot(old);
}

/* Where the structure is: mostly where it should be. */
static void *address(const struct memory *mem, const struct op *op)
{
	char *area = (char *)mem->area;

	switch (op->wait >> 4) {
	case 15: return NULL;
	case 14: return area + PAGE;			/* may fault */
	case 13: return area + PAGE - 32;		/* part of it may */
	case 12: return (void *)0xffff800000000000ul;	/* not user memory */
	case 11: return area + 3;			/* not aligned */
	case 10: return (void *)(uintptr_t)~0xful;
	default: return area;
	}
}

/* Is it where only this task writes, and nothing faults? */
static bool in_range(const struct memory *mem, const void *p, size_t size)
{
	return (uintptr_t)p >= (uintptr_t)mem->area &&
	       (uintptr_t)p - (uintptr_t)mem->area <= PAGE - size;
}

/* Before the kernel reads from there what this task did not write. */
static void note_unknown(const struct memory *mem, const void *p)
{
	if ((uintptr_t)p - (uintptr_t)mem->area < 2 * PAGE)
		vp_set(&shared->wild, 1);
}

static uint64_t deadline(const struct op *op)
{
	static const uint64_t after[] = {
		0, 0, 50000, 300000, 2000000, 20000000, 1, 100000,
	};
	uint8_t how = op->wait & 15;

	switch (how) {
	case 15: return ~0ull;
	case 14: return 1;
	case 13: return 1ull << 63;
	case 12: return (1ull << 63) - 1;
	}
	return after[how & 7] ? vt_now_ns() + after[how & 7] : 0;
}

#endif /* FUZZ_TASK_H */
