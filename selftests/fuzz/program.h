/* SPDX-License-Identifier: GPL-2.0 */
/*
 * What the fuzzer runs: a program is a sequence of operations, of eight bytes
 * each, that several tasks of one process do on one table of descriptors. Any
 * bytes are a program: what is out of range is taken modulo.
 *
 * In files, a program is a line of hexadecimal digits; "#" begins a comment.
 */
#ifndef FUZZ_PROGRAM_H
#define FUZZ_PROGRAM_H

#define VT_NO_HARNESS
#include "../vipc_procs.h"

#define MAX_OPS		24
#define TASKS		4
#define SLOTS		8
#define TOKENS		8
#define MAX_TAGS	(2 * MAX_OPS)

enum kind {
	OP_OPEN, OP_DERIVE, OP_SEND, OP_RECV, OP_CALL, OP_REPLY, OP_REPLY_RECV,
	OP_REVOKE, OP_SHUTDOWN, OP_INFO, OP_CLOSE, OP_DUP, OP_SIGNAL, OP_RAW,
	OP_LOOK, OP_PASS, OP_CHILD, OP_PROTECT, OP_PAUSE,
	NR_KINDS,
};

struct op {
	uint8_t kind;
	uint8_t task;		/* low bits: whose; 0x80: do not wait for its end */
	uint8_t slot;		/* the capability */
	uint8_t other;		/* the slot of a new one, the task of a signal */
	uint8_t flags;		/* of the message; rights of a new capability */
	uint8_t wait;		/* low nibble: the deadline; high: the address */
	uint8_t value;		/* badge, token, or what OP_RAW, OP_CHILD need */
	uint8_t fail;		/* 1 to 15: fail that allocation or user copy */
};

struct program {
	uint32_t n;
	struct op op[MAX_OPS];
};

/* The signal of coverage: one byte for each edge, hashed. */
#define MAP_SIZE	65536

/* What the monitor and the executor share. */
struct shared {
	struct program program;
	uint32_t request, answer;	/* futexes: numbers of runs */
	uint32_t fresh;			/* edges not seen before this run */
	uint32_t stuck;			/* a task had to be left behind */
	uint32_t wrong;			/* the oracle found something */
	uint32_t edges, points;
	uint32_t next_tag;		/* the oracle's notes on this run */
	uint8_t got[MAX_TAGS], failed[MAX_TAGS];
	uint64_t ops, succeeded;
	char complaint[200];
	uint8_t edge[MAP_SIZE], point[MAP_SIZE];
};

static struct shared *shared;

static inline void futex_wait(uint32_t *p, uint32_t value, unsigned int us)
{
	struct timespec ts = { us / 1000000, (long)(us % 1000000) * 1000 };

	syscall(SYS_futex, p, 0 /* FUTEX_WAIT */, value, &ts, NULL, 0);
}

static inline void futex_post(uint32_t *p, uint32_t value)
{
	vp_set(p, value);
	syscall(SYS_futex, p, 1 /* FUTEX_WAKE */, INT_MAX, NULL, NULL, 0);
}

static inline void print_program(FILE *f, const struct program *p)
{
	const uint8_t *bytes = (const uint8_t *)p->op;

	for (uint32_t i = 0; i < p->n * sizeof(struct op); i++)
		fprintf(f, "%02x", bytes[i]);
	fputc('\n', f);
}

/* The program that a line of text is; false if it is none. */
static inline bool parse_program(const char *line, struct program *p)
{
	uint8_t *bytes = (uint8_t *)p->op;
	unsigned int byte;
	size_t n = 0;

	while (n < sizeof(p->op) && sscanf(line + 2 * n, "%2x", &byte) == 1)
		bytes[n++] = (uint8_t)byte;
	p->n = (uint32_t)(n / sizeof(struct op));
	return p->n > 0;
}

#endif /* FUZZ_PROGRAM_H */
