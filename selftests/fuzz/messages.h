/* SPDX-License-Identifier: GPL-2.0 */
/*
 * The five operations, with words and with bytes and descriptors, and NOTIFY.
 */
#ifndef FUZZ_MESSAGES_H
#define FUZZ_MESSAGES_H

#include "memory.h"

static bool sends(unsigned long cmd)
{
	return _IOC_NR(cmd) == _IOC_NR(VIPC_IOC_SEND) ||
	       _IOC_NR(cmd) == _IOC_NR(VIPC_IOC_CALL);
}

static bool receives(unsigned long cmd)
{
	return _IOC_NR(cmd) == _IOC_NR(VIPC_IOC_RECV) ||
	       _IOC_NR(cmd) == _IOC_NR(VIPC_IOC_REPLY_RECV);
}

/* Message @tag, or a reply or a place for a message if @tag is 0. */
static struct vipc_msg words_of(const struct op *op, uint64_t tag)
{
	struct vipc_msg m = vt_msg(tag ? tag : 1);

	if (!tag)
		m.reply = op->value & 0x80 ? op->value :
			  vp_get(&run.token[op->value % TOKENS]);
	m.flags = (op->flags & VIPC_NONBLOCK) | (op->flags & 0xc0) << 10 | 0xff00;
	/* rare: a call to oneself would then need a kill to end */
	if ((op->flags & 0x0e) == 0x0e)
		m.flags |= VIPC_UNINTERRUPTIBLE;
	/* an unknown flag, but not most of the time */
	if ((op->flags & 0x31) == 0x31)
		m.flags |= 1u << (2 + op->value % 6);
	m.deadline_ns = deadline(op);
	return m;
}

/* What the outcome of @cmd must be like. Without @x there are words only. */
static void note_outcome(const struct op *op, unsigned long cmd, uint64_t tag,
			 int ret, const struct vipc_msg *m,
			 const struct vipc_xmsg *x, const struct room *room)
{
	/* the kernel has not looked at it, or cannot write to it */
	static const int before[] = { ENOTTY, EBADF, EFAULT, EINVAL };
	bool looked = true;

	for (size_t i = 0; i < sizeof(before) / sizeof(*before); i++)
		looked &= ret != -before[i];
	if (sends(cmd) && ret) {
		note_failure(m, tag, ret);
		if (cmd == VIPC_IOC_SEND && looked && !op->fail && vp_delivered(m))
			wrong("a failed SEND was delivered", tag);
	} else if (sends(cmd) && cmd != VIPC_IOC_SEND && cmd != VIPC_IOC_SEND_X) {
		note_reply(m, x, room, tag);
	} else if (!ret && receives(cmd)) {
		note_received(m, x, room);
	}
}

/* The message of @op, where the kernel is to find it. */
struct sent {
	unsigned long cmd;
	void *at;
	bool known;		/* only we and the kernel write there */
	uint64_t tag;
	struct vipc_xmsg x;	/* as it was put there */
	struct room room;
};

static bool has_bytes(unsigned long cmd)
{
	return _IOC_SIZE(cmd) == sizeof(struct vipc_xmsg);
}

/* What is no answer is as it was; after an error that is all but @msg. */
static void check_unchanged(struct vipc_xmsg was, const struct vipc_xmsg *is,
			    unsigned long cmd, int ret)
{
	size_t from = offsetof(struct vipc_xmsg, tx_buf);

	if (!ret && cmd != VIPC_IOC_SEND_X && cmd != VIPC_IOC_REPLY_X) {
		was.rx_len = is->rx_len;
		was.rx_nfds = is->rx_nfds;
	}
	if (!ret && receives(cmd)) {
		was.reply_len = is->reply_len;
		was.reply_nfds = is->reply_nfds;
	}
	if (memcmp((const char *)&was + from, (const char *)is + from,
		   sizeof(was) - from) || was.msg.deadline_ns != is->msg.deadline_ns)
		wrong("a structure has changed where it must not", _IOC_NR(cmd));
}

/*
 * What @ret must have made of it. Elsewhere nobody can see what came, so the oracle
 * says nothing.
 */
static void look_at_message(const struct op *op, const struct sent *s, int ret)
{
	struct vipc_xmsg is;

	if (!s->known)
		return;
	if (!has_bytes(s->cmd)) {
		memcpy(&is.msg, s->at, sizeof(is.msg));
		note_outcome(op, s->cmd, s->tag, ret, &is.msg, NULL, NULL);
		return;
	}
	memcpy(&is, s->at, sizeof(is));
	check_unchanged(s->x, &is, s->cmd, ret);
	note_outcome(op, s->cmd, s->tag, ret, &is.msg, &is, &s->room);
}

/* Bytes and descriptors: all but the words; what the kernel is not to look at is wild. */
static void fill_xmsg(const struct memory *mem, const struct op *op, unsigned long cmd,
		      struct vipc_xmsg *x, uint64_t tag, struct room *room)
{
	struct note *note = &shared->note[tag];
	struct span tx = { 0 };
	bool known;

	memset(x, op->more, sizeof(*x));
	x->reserved = (op->more & 0x1f) == 0x1f;
	if (cmd != VIPC_IOC_SEND_X && cmd != VIPC_IOC_REPLY_X) {
		set_room(mem, op, x, room);
		set_fd_room(mem, op, x, room);
	}
	if (cmd == VIPC_IOC_RECV_X)
		return;
	known = set_bytes(mem, op, x, tag ? tag : REPLY_PATTERN, &tx);
	room->overlaps = overlap(&tx, &(struct span){ .p = room->p, .len = room->len });
	set_fds(mem, op, x);
	if (!tag) {
		if (!known)
			vp_set(&shared->odd_reply, 1);
		return;
	}
	note->known = known;
	note->len = x->tx_len;
	note->nfds = x->tx_nfds;
	if (cmd != VIPC_IOC_CALL_X)
		return;
	note->room_len = x->rx_len < 16 * VX_MIB ? x->rx_len : 16 * VX_MIB;
	note->room_nfds = x->rx_nfds < VIPC_MAX_FDS ? x->rx_nfds : VIPC_MAX_FDS;
}

/* With words only, or with bytes and descriptors, as @cmd has it. */
static int put_message(const struct memory *mem, const struct op *op,
		       unsigned long cmd, struct sent *s)
{
	size_t size = has_bytes(cmd) ? sizeof(s->x) : sizeof(s->x.msg);

	s->cmd = cmd;
	s->room = (struct room){
		.keep = op->more & 0x20 ? op->other % SLOTS : SLOTS,
	};
	s->at = address(mem, op);
	s->known = in_range(mem, s->at, size);
	s->tag = sends(cmd) ? new_tag() : 0;
	if (sends(cmd) && !s->tag)
		return -ENOSPC;
	if (has_bytes(cmd))
		fill_xmsg(mem, op, cmd, &s->x, s->tag, &s->room);
	s->x.msg = words_of(op, s->tag);
	shared->note[s->tag].calls = _IOC_NR(cmd) == _IOC_NR(VIPC_IOC_CALL);
	if (s->known) {
		memcpy(s->at, &s->x, size);
		return 0;
	}
	if (has_bytes(cmd))
		vp_set(&run.strays, true);
	if (_IOC_NR(cmd) != _IOC_NR(VIPC_IOC_RECV))
		note_unknown(mem, s->at);
	return 0;
}

static int message_op(const struct memory *mem, const struct op *op,
		      unsigned long cmd)
{
	struct sent s;
	int ret = put_message(mem, op, cmd, &s);

	if (ret)
		return ret;
	ret = vt_ioctl(slot_fd(op->slot), cmd, s.at);
	look_at_message(op, &s, ret);
	return ret;
}

/* ---- notifications ---- */

static void *put_bits(const struct memory *mem, const struct op *op)
{
	uint64_t *at = address(mem, op), bits = 1ull << (op->value & 63);

	if (op->flags >> 4 == 15)
		bits = 0;
	else if (op->flags & 1)
		bits |= (uint64_t)op->more << 50 | op->other;
	if (in_range(mem, at, sizeof(*at))) {
		__atomic_or_fetch(&shared->bits, bits, __ATOMIC_ACQ_REL);
		memcpy(at, &bits, sizeof(bits));
	} else {
		note_unknown(mem, at);
	}
	return at;
}

static int notify_op(const struct memory *mem, const struct op *op)
{
	void *at = put_bits(mem, op);

	return vt_ioctl(slot_fd(op->slot), VIPC_IOC_NOTIFY, at);
}

#endif /* FUZZ_MESSAGES_H */
