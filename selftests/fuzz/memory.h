/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Where the bytes and the descriptors of a message are. Each task has memory of
 * its own to send from and to receive into, with a page behind it that nobody may
 * touch. Whatever else there is (memory that is taken away at any time, read-only,
 * of a file) only the kernel reads and writes, so that no program dies of it.
 */
#ifndef FUZZ_MEMORY_H
#define FUZZ_MEMORY_H

#include <sys/mount.h>

#include "oracle.h"

#define ARENA		(320 * VX_KIB)
#define LOOSE		(16 * PAGE)
#define FILE_SIZE	(8 * PAGE)
#define MAX_FDS		256

static int plain_file = -1;	/* an ordinary file of FILE_SIZE */
static uint8_t *file_map, *read_only;

/* Up to more than max_len and RLIMIT_MEMLOCK let through. */
static const uint32_t sizes[16] = {
	0, 1, 7, 64, 1000, 4096, 4097, 8000, 8191, VX_PIN_MIN, VX_PIN_MIN + 1,
	12289, 20000, 65536, 300001, 3 * VX_MIB,
};

/* There from the start, so that a failure that was asked for does not hit it. */
static uint8_t *guarded(size_t size)
{
	uint8_t *p = vx_map(size + PAGE);

	if (!p || mprotect(p + size, PAGE, PROT_NONE))
		return NULL;
	memset(p, 0, size);
	return p;
}

static bool make_memory(struct memory *mem)
{
	uint8_t *area = vx_map(2 * PAGE);

	mem->area = (void *)area;
	mem->tx = guarded(ARENA);
	mem->rx = guarded(ARENA);
	mem->loose = guarded(LOOSE);
	return area && mem->tx && mem->rx && mem->loose;
}

static bool make_file(void)
{
	/* pages that may not be pinned for long, while others' may */
	mkdir("fuzz-pages", 0700);
	if (access("fuzz-pages/file", F_OK) &&
	    mount("none", "fuzz-pages", "ramfs", 0, NULL))
		return false;
	plain_file = open("fuzz-pages/file", O_RDWR | O_CREAT | O_CLOEXEC, 0600);
	if (plain_file < 0 || ftruncate(plain_file, FILE_SIZE))
		return false;
	file_map = guarded(FILE_SIZE);
	read_only = guarded(LOOSE);
	return file_map && read_only && !mprotect(read_only, LOOSE, PROT_READ) &&
	       mmap(file_map, FILE_SIZE, PROT_READ | PROT_WRITE,
		    MAP_FIXED | MAP_SHARED, plain_file, 0) != MAP_FAILED;
}

/* Bytes at @p; there are @safe that nobody but this task writes to. */
struct span {
	uint8_t *p;
	uint32_t len, safe;
};

static uint8_t *bad_address(const struct op *op)
{
	static const uint64_t bad[] = {
		0, PAGE, 0xffff800000000000ull, ~0xffull,
	};

	return (uint8_t *)(uintptr_t)bad[op->more & 3];
}

/* @how is op->tx or op->rx; @mine the arena for it, @cross that for the other. */
static struct span span_of(const struct memory *mem, const struct op *op, uint8_t how,
			   uint8_t *mine, uint8_t *cross)
{
	uint32_t len = sizes[how & 15], most = len < ARENA ? len : ARENA;
	const uint32_t from[16] = {
		[6] = 1, PAGE - 6,
		ARENA - most,		/* the next byte faults */
		ARENA - most / 2,	/* one in its middle does */
		100, 10,
	};
	uint8_t *const others[] = {
		mem->loose, tasks[op->other % TASKS].own.loose, file_map, read_only,
		bad_address(op),
	};
	uint8_t place = how >> 4;
	struct span s = { .len = len };

	if (len >= VX_PIN_MIN)
		vp_set(&shared->large, 1);
	if (place > 10) {
		s.p = others[place - 11] + from[place];
		return s;
	}
	/* with the other's arena, the two may overlap */
	s.p = (place == 10 ? cross : mine) + from[place];
	s.safe = ARENA - from[place];
	return s;
}

static bool overlap(const struct span *a, const struct span *b)
{
	return a->p < b->p + b->len && b->p < a->p + a->len;
}

/* ---- bytes ---- */

/* What @x sends, which is to be like nothing but @pattern; true if it is. */
static bool set_bytes(const struct memory *mem, const struct op *op, struct vipc_xmsg *x,
		      uint64_t pattern, struct span *tx)
{
	*tx = span_of(mem, op, op->tx, mem->tx, mem->rx);
	vx_set_tx(x, tx->p, tx->len);
	if (tx->len > tx->safe)
		return !tx->len;
	vx_fill(tx->p, tx->len, pattern);
	return true;
}

/* Room for bytes, and the poison in it and behind it. */
static void set_room(const struct memory *mem, const struct op *op, struct vipc_xmsg *x,
		     struct room *room)
{
	struct span s = span_of(mem, op, op->rx, mem->rx, mem->tx);

	/* only a receiver, who is given less, may ask for that much */
	if (s.len > ARENA && op->more & 4)
		s.len = UINT32_MAX;
	vx_set_room(x, s.p, s.len);
	room->p = s.p;
	room->len = s.len;
	room->safe = s.safe;
	if (s.len + 64ull < s.safe)
		room->safe = s.len + 64;
	memset(s.p, VX_POISON, room->safe);
}

/* ---- descriptors ---- */

static int32_t *fds_to_send(const struct memory *mem)
{
	return (int32_t *)mem->area + 128;
}

static int32_t *fds_received(const struct memory *mem)
{
	return (int32_t *)mem->area + 512;
}

/* A few of all kinds, and as many as there may be. */
static void set_fds(const struct memory *mem, const struct op *op, struct vipc_xmsg *x)
{
	const int32_t single[] = {
		plain_file, slot_fd(op->other), run.box[1], slot_fd(op->slot),
		op->more & 1 ? -1 : 9999,
	};
	int32_t *fds = fds_to_send(mem);
	uint8_t what = op->fds & 15;
	uint32_t n = 0;

	if (what == 15) {
		fds = op->more & 1 ? NULL : (int32_t *)mem->area + PAGE / 4 - 1;
		n = 2;
	} else if (what > 12) {
		n = VIPC_MAX_FDS + (what & 1 ? 0 : 1);
		for (uint32_t i = 0; i < n; i++)
			fds[i] = plain_file;
	} else if (what == 12) {
		n = 4;
		memcpy(fds, single, n * sizeof(*fds));
		if (vp_get(&run.epoll) >= 0)
			fds[0] = vp_get(&run.epoll);
		if (op->more & 2 && mem->ring_fd)
			fds[0] = *mem->ring_fd;
	} else if (what > 6) {
		n = 1;
		fds[0] = single[what - 7];
	}
	vx_set_fds(x, fds, n);
}

static void set_fd_room(const struct memory *mem, const struct op *op, struct vipc_xmsg *x,
			struct room *room)
{
	static const uint32_t rooms[16] = {
		[6] = 1, 1, 1, 4, 4, 4, VIPC_MAX_FDS, UINT32_MAX, 4, 4,
	};
	int32_t *fds = fds_received(mem);
	uint8_t how = op->fds >> 4;

	room->fds = fds;
	if (how == 14) {
		/* they may come, but nobody may look at them */
		fds = (int32_t *)mem->area + PAGE / 4 - 2;
		vp_set(&run.strays, true);
		room->fds = NULL;
	} else if (how == 15) {
		fds = NULL;
	}
	room->nfds = rooms[how];
	vx_set_fd_room(x, fds, rooms[how]);
}

/* ---- taking memory away, and giving it back ---- */

static int map_loose(uint8_t *p, size_t len, int prot, int fd)
{
	int flags = fd < 0 ? MAP_PRIVATE | MAP_ANONYMOUS : MAP_SHARED;

	return mmap(p, len, prot, MAP_FIXED | flags, fd, 0) == MAP_FAILED ? -errno : 0;
}

/* Memory of somebody who may be in the kernel with it. */
static int remap_op(const struct op *op)
{
	uint8_t *p = tasks[op->other % TASKS].own.loose + (op->flags & 15) * PAGE;
	uint8_t *end = tasks[op->other % TASKS].own.loose + LOOSE;
	size_t len = (1 + (op->value >> 4)) * PAGE;

	if (p + len > end)
		len = (size_t)(end - p);
	vp_set(&run.remapped, true);
	switch (op->value & 7) {
	case 0:
		return munmap(p, len);
	case 1:
		return map_loose(p, len, PROT_READ | PROT_WRITE, -1);
	case 2:
		return map_loose(p, len, PROT_READ, -1);
	case 3:
		return mprotect(p, len, PROT_NONE);
	case 4:
		return mprotect(p, len, PROT_READ | PROT_WRITE);
	case 5:
		return madvise(p, len, MADV_DONTNEED);
	case 6:
		return map_loose(p, len, PROT_READ | PROT_WRITE, plain_file);
	default:
		return ftruncate(plain_file, op->flags & 16 ? 0 : FILE_SIZE);
	}
}

/* At the end of a program. */
static void restore_memory(void)
{
	if (!run.remapped)
		return;
	for (int i = 0; i < TASKS; i++)
		map_loose(tasks[i].own.loose, LOOSE, PROT_READ | PROT_WRITE, -1);
	if (ftruncate(plain_file, FILE_SIZE))
		wrong("the file does not grow again", 0);
}

#endif /* FUZZ_MEMORY_H */
