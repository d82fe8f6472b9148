/* SPDX-License-Identifier: GPL-2.0 */
/*
 * The oracle of the stress test: a board in shared memory on which senders note
 * what they were told about each message, receivers what they got, servers
 * which replies were accepted. At the end they must agree, message by message.
 *
 * A process that is killed cannot note what its last operation did. It says
 * beforehand what it is about to do, in its slot, and that excuses one message
 * for each of its threads, and each command that it had in a ring, and no more.
 */
#ifndef STRESS_BOARD_H
#define STRESS_BOARD_H

#define VT_NO_HARNESS
#include "vipc_payload.h"

#define MAX_MESSAGES	300000
#define MAX_PROCESSES	8
#define MAX_THREADS	3
#define MAX_SLOTS	(MAX_PROCESSES * MAX_THREADS)

/* What the sender of a message was told. */
enum outcome {
	NOT_SENT,	/* 0: it never came to that */
	UNKNOWN,	/* under way; stays if the sender is killed */
	DONE,		/* success */
	UNDELIVERED,	/* failed, and no receiver has it */
	DELIVERED,	/* failed, but a receiver has it */
};

struct entry {
	uint64_t endpoint;	/* where it went */
	uint16_t badge;		/* through which capability */
	uint8_t call;
	uint8_t outcome;
	uint8_t got;		/* how often it was received */
	uint8_t tried;		/* a reply to it was sent ... */
	uint8_t accepted;	/* ... and accepted, so often */
	uint8_t nr_fds;		/* what it carries, besides four words */
	uint32_t len;
	uint64_t fd_endpoint;	/* of the capability that it carries */
};

/* ---- what the kernel itself tells: notifications, notices ---- */

#define MAX_ENDPOINTS	512
#define MAX_WATCHES	5000
#define FIRST_WATCHED	60001	/* badges from here on are watched, each once */

/*
 * When each bit was sent to an endpoint last, as of before that, and when it was
 * received last, as of after that.
 */
struct bits {
	uint64_t tried, sent[64], got[64];
	bool drained;
};

struct watch {
	uint64_t endpoint;
	uint8_t made, noticed;
};

struct told {
	uint64_t clock, sent, got;
	uint64_t first_endpoint, nr_watches;
	struct bits bits[MAX_ENDPOINTS];
	struct watch watch[MAX_WATCHES];
};

/* How many things a thread is about to do, and has not noted the result of. */
struct slot {
	int tid;
	int sending, receiving;
};

struct board {
	uint64_t next;			/* the next message's number */
	uint64_t wrong;			/* anything not in the contract */
	uint64_t operations;
	uint64_t faults, derived, passed, revoked, late, died;
	uint64_t bytes, fds;	/* that came with messages and replies */
	/* of io_uring's; closed: commands whose ring was closed first */
	uint64_t rings, commands, canceled, closed;
	int stop;
	bool gentle;	/* nobody dies: there are no excuses */
	bool calm;	/* at the end all leave, and what is left is received */
	struct slot slot[MAX_SLOTS];
	struct told told;
	struct entry entry[MAX_MESSAGES];
};

static struct board *board;

__attribute__((format(printf, 1, 2)))
static void complain(const char *fmt, ...)
{
	char text[200];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	/* one that goes wrong for ever shall not fill the disk */
	if (vp_add(&board->wrong, 1) <= 20)
		fprintf(stderr, "# wrong: %s\n", text);
}

/* ---- what the parties note ---- */

/* A number for a message of this thread, or 0 if the board is full. */
static inline uint64_t board_new_message(struct slot *slot, bool call,
					 uint64_t endpoint, uint64_t badge)
{
	uint64_t id = __atomic_fetch_add(&board->next, 1, __ATOMIC_RELAXED);
	struct entry *e = &board->entry[id];

	if (id >= MAX_MESSAGES) {
		vp_set(&board->stop, 1);
		return 0;
	}
	e->endpoint = endpoint;
	e->badge = (uint16_t)badge;
	e->call = call;
	vp_add(&slot->sending, 1);
	vp_set(&e->outcome, UNKNOWN);
	return id;
}

static inline void board_sent(struct slot *slot, uint64_t id,
			      enum outcome outcome)
{
	vp_set(&board->entry[id].outcome, outcome);
	vp_add(&slot->sending, -1);
}

/* Is @m a message that can have come to this endpoint? Its number, or 0. */
static inline uint64_t board_received(const struct vipc_msg *m, uint64_t endpoint)
{
	uint64_t id = m->data[0];
	struct entry *e;

	if (!id || id >= MAX_MESSAGES || !vt_msg_is(m, id)) {
		complain("torn message, number %llu", (unsigned long long)id);
		return 0;
	}
	e = &board->entry[id];
	if (vp_add(&e->got, 1) != 1)
		complain("message %llu received twice", (unsigned long long)id);
	if (e->endpoint != endpoint)
		complain("message %llu for endpoint %llu came to %llu",
			 (unsigned long long)id, (unsigned long long)e->endpoint,
			 (unsigned long long)endpoint);
	if (e->badge != m->badge)
		complain("message %llu with badge %u came with %llu",
			 (unsigned long long)id, e->badge,
			 (unsigned long long)m->badge);
	if (e->len != m->flags >> 16)
		complain("message %llu of %u bytes said %u", (unsigned long long)id,
			 e->len, m->flags >> 16);
	if (e->call != !!m->reply)
		complain("message %llu: %s", (unsigned long long)id, e->call ?
			 "a call came without a token" : "a send with a token");
	return id;
}

static inline void board_accepted(uint64_t id)
{
	if (vp_add(&board->entry[id].accepted, 1) != 1)
		complain("call %llu answered twice", (unsigned long long)id);
}

/* Where the bits of @endpoint are noted, or NULL for one endpoint too many. */
static inline struct bits *board_bits(uint64_t endpoint)
{
	uint64_t i = endpoint - board->told.first_endpoint;

	return i < MAX_ENDPOINTS ? &board->told.bits[i] : NULL;
}

static inline void board_raise(uint64_t *to, uint64_t stamp)
{
	uint64_t old = vp_get(to);

	while (old < stamp &&
	       !__atomic_compare_exchange_n(to, &old, stamp, false,
					    __ATOMIC_RELAXED, __ATOMIC_RELAXED))
		;
}

static inline void board_got_bits(uint64_t bits, uint64_t endpoint)
{
	uint64_t now = vp_add(&board->told.clock, 1);
	struct bits *b = board_bits(endpoint);

	if (!b)
		return;
	if (bits & ~vp_get(&b->tried))
		complain("bits %#llx came, only %#llx were sent",
			 (unsigned long long)bits, (unsigned long long)b->tried);
	for (int i = 0; i < 64; i++)
		if (bits >> i & 1)
			board_raise(&b->got[i], now);
}

static inline void board_got_notice(uint64_t badge, uint64_t endpoint)
{
	uint64_t i = badge - FIRST_WATCHED;
	struct watch *w = &board->told.watch[i];

	if (i >= MAX_WATCHES || !vp_get(&w->made))
		complain("notice of badge %llu, which is not watched",
			 (unsigned long long)badge);
	else if (w->endpoint != endpoint)
		complain("notice of a badge of endpoint %llu came to %llu",
			 (unsigned long long)w->endpoint,
			 (unsigned long long)endpoint);
	else if (vp_add(&w->noticed, 1) != 1)
		complain("second notice of badge %llu", (unsigned long long)badge);
}

/* Is @m the kernel's own? Then it is noted. */
static inline bool board_told(const struct vipc_msg *m, uint64_t endpoint)
{
	if (!(m->flags & (VIPC_MSG_NOTIFICATION | VIPC_MSG_BADGE_CLOSED)))
		return false;
	vp_add(&board->told.got, 1);
	if (vt_is_notification(m, m->data[0]) && m->data[0])
		board_got_bits(m->data[0], endpoint);
	else if (vt_is_notice(m, m->badge))
		board_got_notice(m->badge, endpoint);
	else
		complain("a message of the kernel's with flags %#x", m->flags);
	return true;
}

/* ---- the verdict ---- */

struct excuses {
	uint64_t sending, receiving;
};

/* The threads of a dead process: what each of them may have left open. */
static inline void board_bury(struct slot *slot, struct excuses *excuses)
{
	for (int i = 0; i < MAX_THREADS; i++) {
		excuses->sending += (uint64_t)slot[i].sending;
		excuses->receiving += (uint64_t)slot[i].receiving;
		slot[i] = (struct slot){ 0 };
	}
}

struct tally {
	uint64_t messages, done, sends, undelivered, delivered, unknown, got;
	uint64_t lost, lost_calls;	/* delivered, and nobody has it */
};

static void check_entry(struct tally *t, uint64_t id)
{
	const struct entry *e = &board->entry[id];

	t->got += e->got;
	switch (e->outcome) {
	case DONE:
		t->done++;
		t->sends += !e->call;
		if (!e->call)
			t->lost += !e->got;
		else if (!e->got || !e->tried)
			complain("call %llu got a reply, and nobody %s it",
				 (unsigned long long)id,
				 e->got ? "answered" : "received");
		break;
	case DELIVERED:
		t->delivered++;
		/* who leaves while it is copied takes it along */
		t->lost_calls += !e->got && e->len < VX_PIN_MIN;
		break;
	case UNDELIVERED:
		t->undelivered++;
		if (e->got)
			complain("message %llu reported as undelivered was received",
				 (unsigned long long)id);
		break;
	case UNKNOWN:
		t->unknown++;
		break;
	}
	if (e->accepted && e->outcome != DONE && e->outcome != UNKNOWN)
		complain("reply to %llu accepted, and its caller failed",
			 (unsigned long long)id);
}

/* All that was told to endpoints that live must have been received. */
static inline void board_check_told(const struct excuses *excuses)
{
	uint64_t bits = 0, notices = 0;

	for (int i = 0; i < MAX_ENDPOINTS; i++) {
		const struct bits *b = &board->told.bits[i];

		for (int n = 0; b->drained && n < 64; n++)
			bits += b->sent[n] > b->got[n];
	}
	for (int i = 0; i < MAX_WATCHES; i++) {
		const struct watch *w = &board->told.watch[i];
		const struct bits *b = board_bits(w->endpoint);

		notices += w->made && b && b->drained && !w->noticed;
	}
	if (bits > 64 * excuses->receiving)
		complain("%llu bits were sent, and lost", (unsigned long long)bits);
	if (notices > excuses->receiving + excuses->sending)
		complain("%llu badges are gone without a notice",
			 (unsigned long long)notices);
}

/* Compares all notes; @dropped is what the kernel says that it dropped. */
static inline struct tally board_check(const struct excuses *excuses,
				       uint64_t dropped)
{
	struct tally t = { 0 };
	uint64_t end = board->next < MAX_MESSAGES ? board->next : MAX_MESSAGES;

	t.messages = end - 1;
	for (uint64_t id = 1; id < end; id++)
		check_entry(&t, id);
	board_check_told(excuses);
	/*
	 * A call that a receiver takes, and cannot keep, is with nobody for a
	 * moment. A caller that gives up just then is told DELIVERED.
	 */
	if (t.lost_calls > board->faults)
		t.lost += t.lost_calls - board->faults;
	if (t.lost > excuses->receiving + dropped)
		complain("%llu messages delivered to nobody (%llu receivers killed, %llu dropped)",
			 (unsigned long long)t.lost,
			 (unsigned long long)excuses->receiving,
			 (unsigned long long)dropped);
	if (t.unknown > excuses->sending)
		complain("%llu messages without an outcome; only %llu senders were killed",
			 (unsigned long long)t.unknown,
			 (unsigned long long)excuses->sending);
	return t;
}

#endif /* STRESS_BOARD_H */
