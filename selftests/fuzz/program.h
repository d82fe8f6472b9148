/* SPDX-License-Identifier: GPL-2.0 */
/*
 * What the fuzzer runs: a program is a sequence of operations, of twelve bytes
 * each, that several tasks of one process do on one table of descriptors. Any
 * bytes are a program: what is out of range is taken modulo.
 *
 * In files, a program is a line of hexadecimal digits; "#" begins a comment.
 */
#ifndef FUZZ_PROGRAM_H
#define FUZZ_PROGRAM_H

#define VT_NO_HARNESS
#include "../vipc_payload.h"
#include "../vipc_rings.h"

#define MAX_OPS		24
#define TASKS		4
#define SLOTS		8
#define TOKENS		8
#define MAX_TAGS	(2 * MAX_OPS)
#define FAIL_MASK	63

enum kind {
	OP_OPEN, OP_DERIVE,
	OP_SEND, OP_RECV, OP_CALL, OP_REPLY, OP_REPLY_RECV,
	OP_SEND_X, OP_RECV_X, OP_CALL_X, OP_REPLY_X, OP_REPLY_RECV_X,
	OP_NOTIFY, OP_CONFIG, OP_POLL,
	OP_REVOKE, OP_SHUTDOWN, OP_INFO, OP_CLOSE, OP_DUP, OP_SIGNAL, OP_RAW,
	/* what a process of its own does not do */
	OP_LOOK, OP_PASS, OP_CHILD, OP_PROTECT, OP_REMAP, OP_EPOLL, OP_PAUSE,
	/* io_uring: what is submitted to the task's ring, and the ring itself */
	OP_URING_SEND, OP_URING_RECV, OP_URING_CALL, OP_URING_REPLY,
	OP_URING_REPLY_RECV,
	OP_URING_SEND_X, OP_URING_RECV_X, OP_URING_CALL_X, OP_URING_REPLY_X,
	OP_URING_REPLY_RECV_X,
	OP_URING_NOTIFY, OP_URING_CANCEL, OP_RING, OP_REAP,
	NR_KINDS,
};

static const char *const kind_names[NR_KINDS] = {
	"open", "derive", "send", "recv", "call", "reply", "reply_recv",
	"send_x", "recv_x", "call_x", "reply_x", "reply_recv_x", "notify",
	"config", "poll", "revoke", "shutdown", "info", "close", "dup", "signal",
	"raw", "look", "pass", "child", "protect", "remap", "epoll", "pause",
	"uring_send", "uring_recv", "uring_call", "uring_reply",
	"uring_reply_recv", "uring_send_x", "uring_recv_x", "uring_call_x",
	"uring_reply_x", "uring_reply_recv_x", "uring_notify", "uring_cancel",
	"ring", "reap",
};

/* In op->task. */
#define SQE_ASYNC	0x04	/* to a worker of io_uring's */
#define SQE_FIXED	0x08	/* through the file registered for the slot */
#define SQE_LINK	0x10	/* the next one waits for the end of this one */
#define SQE_LATER	0x20	/* submitted with the next one */
#define SQE_ODD		0x40	/* not what vipc expects */

struct op {
	uint8_t kind;
	uint8_t task;		/* low bits: whose; 0x80: do not wait for its end */
				/* of io_uring's: SQE_* */
	uint8_t slot;		/* the capability */
	uint8_t other;		/* the slot of a new one, the task of a signal */
	uint8_t flags;		/* of the message; rights of a new capability */
	uint8_t wait;		/* low nibble: the deadline; high: the address */
	uint8_t value;		/* badge, token, or what OP_RAW, OP_CHILD need */
	uint8_t fail;		/* 1 to 63: fail that allocation or user copy */
	uint8_t tx, rx;		/* low nibble: how many bytes; high: where */
	uint8_t fds;		/* low nibble: those to send; high: the room */
	uint8_t more;
};

struct program {
	uint32_t n;
	struct op op[MAX_OPS];
};

/* What the oracle knows of a message. */
struct note {
	uint8_t got;		/* how often it was received */
	uint8_t failed;		/* its sender was told that it was not delivered */
	uint8_t known;		/* the bytes are those of vx_fill() */
	uint8_t calls;		/* for a reply, with the room that follows */
	uint32_t len, nfds;
	uint32_t room_len, room_nfds;
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
	uint32_t verbose;		/* say how each operation ends */
	uint32_t edges, points;
	/* the oracle's notes on this run, by whatever process */
	uint32_t wild;			/* something unknown was sent: be silent */
	uint32_t odd_reply;		/* so was it as bytes of a reply */
	uint32_t large;			/* something was large enough to be pinned */
	uint32_t next_tag;
	uint32_t watched;		/* badges */
	uint64_t bits;			/* of notifications */
	struct note note[MAX_TAGS];
	uint64_t ops, succeeded;
	uint64_t bytes, fds;		/* received, and found right */
	uint64_t commands, completed;	/* of io_uring's, and with success */
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
