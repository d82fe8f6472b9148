/* SPDX-License-Identifier: GPL-2.0 */
/*
 * What must hold whatever programs do: each message is received at most once, whole,
 * by somebody with room for it, with the bytes that were sent and no others; its
 * sender is not told otherwise; descriptors come as they should, and none is left
 * behind, nor a page pinned.
 */
#ifndef FUZZ_ORACLE_H
#define FUZZ_ORACLE_H

#include <linux/capability.h>
#include <poll.h>
#include <sys/resource.h>

#include "task.h"

#define FD_LIMIT	400	/* enough for one message with all it may have */
#define PINNED_LIMIT	(480 * VX_KIB)
#define REPLY_PATTERN	1000	/* no message's tag */

/* What a task has room for: see memory.h. */
struct room {
	uint8_t *p;
	uint32_t len;
	uint32_t safe;		/* bytes that only this task and the kernel write */
	bool overlaps;		/* what it sends is in there, too */
	int32_t *fds;		/* NULL: cannot be read */
	uint32_t nfds;
	uint8_t keep;		/* a slot for the first that comes, or none */
};

static void wrong(const char *what, uint64_t tag)
{
	if (vp_get(&shared->wild))
		return;
	snprintf(shared->complaint, sizeof(shared->complaint), "%s (message %llu)",
		 what, (unsigned long long)tag);
	vp_set(&shared->wrong, 1);
}

/* A tag for a message to be sent, or 0. */
static uint64_t new_tag(void)
{
	uint64_t tag = vp_add(&shared->next_tag, 1);

	return tag < MAX_TAGS ? tag : 0;
}

/* ---- senders ---- */

/* Why @cmd with message @tag has failed; @m is what the kernel has made of it. */
static void note_failure(const struct vipc_msg *m, uint64_t tag, int ret)
{
	struct note *note = &shared->note[tag];

	if (vp_delivered(m))
		return;
	vp_set(&note->failed, 1);
	if (vp_get(&note->got))
		wrong("received, and reported as undelivered", tag);
	if (ret == -ECONNRESET)
		wrong("undelivered, and its server went away", tag);
}

/* ---- bytes and descriptors ---- */

/* Poison; before it bytes of a reply that failed, if it is room for a reply. */
static bool rest_is_right(const struct room *room, uint32_t len, bool reply)
{
	uint32_t end = room->safe, i = len;
	uint8_t want[8];

	if (end > len + PAGE)
		end = len + PAGE;
	while (reply && i < end) {
		uint64_t word = vx_word(REPLY_PATTERN, i & ~7ul);

		memcpy(want, &word, sizeof(want));
		if (room->p[i] != want[i & 7])
			break;
		i++;
	}
	return i >= end || vx_is_poison(room->p + i, end - i);
}

/* @len bytes of @pattern came for @room. */
static void check_bytes(const struct room *room, uint32_t len, uint64_t pattern)
{
	bool reply = pattern == REPLY_PATTERN;
	uint64_t tag = reply ? 0 : pattern;

	if (len > room->len) {
		wrong("more bytes than there is room for", tag);
		return;
	}
	if (len > room->safe)
		return;
	if (!vx_is(room->p, len, pattern)) {
		wrong("bytes that nobody has sent", tag);
		return;
	}
	vp_add(&shared->bytes, len);
	/* what was dropped, because its sender had left, may be there, too */
	if (!room->overlaps && !vp_get(&shared->large) && !rest_is_right(room, len, reply))
		wrong("bytes behind those received", tag);
}

/* @n have come; they are ours now. */
static void take_fds(const struct room *room, uint32_t n, uint64_t tag)
{
	if (n > room->nfds) {
		wrong("more descriptors than there is room for", tag);
		return;
	}
	for (uint32_t i = 0; room->fds && i < n; i++) {
		if (fcntl(room->fds[i], F_GETFD) != FD_CLOEXEC)
			wrong("not a descriptor, or not close-on-exec", tag);
		if (!i && room->keep < SLOTS)
			set_slot(room->keep, room->fds[i]);
		else
			close(room->fds[i]);
	}
	vp_add(&shared->fds, n);
}

/* ---- receivers ---- */

static void check_kernels(const struct vipc_msg *m)
{
	if (m->flags & VIPC_MSG_NOTIFICATION) {
		if (!vt_is_notification(m, m->data[0]) || !m->data[0] ||
		    m->data[0] & ~vp_get(&shared->bits))
			wrong("a notification that nobody gave", m->data[0]);
	} else if (!vt_is_notice(m, m->badge) || m->badge > 31 ||
		   !(vp_get(&shared->watched) >> m->badge & 1)) {
		wrong("a notice of a badge that was not watched", m->badge);
	}
}

static bool check_words(const struct vipc_msg *m)
{
	uint64_t tag = m->data[0];
	struct note *note;

	if (!tag || tag >= MAX_TAGS || !vt_msg_is(m, tag)) {
		wrong("a torn message was received", tag);
		return false;
	}
	note = &shared->note[tag];
	if (vp_add(&note->got, 1) != 1)
		wrong("received twice", tag);
	if (vp_get(&note->failed))
		wrong("reported as undelivered, and received", tag);
	if (m->badge > 3)
		wrong("a badge that nobody has", tag);
	if (!m->reply != !note->calls)
		wrong("a reply is waited for, or none, but the other", tag);
	return true;
}

/* In both forms: @x is NULL if there was room for words only. */
static void note_received(const struct vipc_msg *m, const struct vipc_xmsg *x,
			  const struct room *room)
{
	const struct note *note;
	uint64_t tag = m->data[0];
	bool of_kernel = m->flags & VIPC_FLAGS_OUT_MASK;

	if (x)
		take_fds(room, x->rx_nfds, tag);
	if (m->reply)
		vp_set(&run.token[vp_add(&run.next_token, 1) % TOKENS], m->reply);
	if (of_kernel)
		check_kernels(m);
	else if (!check_words(m))
		return;
	note = &shared->note[of_kernel ? 0 : tag];
	if (!x) {
		if (note->len || note->nfds)
			wrong("bytes or descriptors were lost", tag);
		return;
	}
	if (x->rx_len != note->len || x->rx_nfds != note->nfds)
		wrong("more or fewer bytes or descriptors than were sent", tag);
	else if (x->reply_len != note->room_len || x->reply_nfds != note->room_nfds)
		wrong("the room for a reply is another", tag);
	else if (note->known && !of_kernel)
		check_bytes(room, x->rx_len, tag);
}

/* A call has succeeded. */
static void note_reply(const struct vipc_msg *m, const struct vipc_xmsg *x,
		       const struct room *room, uint64_t tag)
{
	if (!vt_msg_is(m, 1) || m->badge || m->reply ||
	    m->flags & VIPC_FLAGS_OUT_MASK)
		wrong("a reply that nobody gave", tag);
	if (!x)
		return;
	take_fds(room, x->rx_nfds, tag);
	if (!vp_get(&shared->odd_reply))
		check_bytes(room, x->rx_len, REPLY_PATTERN);
}

/* ---- what is left ---- */

/* Descriptors that the executor has had from the start. */
static bool had[FD_LIMIT];

/*
 * As few descriptors as a message may just need, and not more memory than may be
 * pinned but that of one.
 */
static void set_limits(void)
{
	struct __user_cap_header_struct header = { _LINUX_CAPABILITY_VERSION_3, 0 };
	struct __user_cap_data_struct data[2] = { 0 };
	struct rlimit fds = { FD_LIMIT, FD_LIMIT };
	struct rlimit pinned = { PINNED_LIMIT, PINNED_LIMIT };

	setrlimit(RLIMIT_NOFILE, &fds);
	setrlimit(RLIMIT_MEMLOCK, &pinned);
	syscall(SYS_capget, &header, data);
	data[0].effective &= ~(1u << CAP_IPC_LOCK);
	syscall(SYS_capset, &header, data);
}

static void look_at_fds(bool at_start)
{
	struct pollfd p[FD_LIMIT];

	for (int i = 0; i < FD_LIMIT; i++)
		p[i] = (struct pollfd){ .fd = i };
	if (poll(p, FD_LIMIT, 0) < 0)
		wrong("poll of all descriptors", 0);
	for (int i = 0; i < FD_LIMIT; i++) {
		bool has = !(p[i].revents & POLLNVAL);

		if (at_start)
			had[i] = has;
		if (has == had[i])
			continue;
		if (!vp_get(&run.strays))
			wrong("a descriptor was left behind, or is gone", (uint64_t)i);
		if (has)
			close(i);
	}
}

/* io_uring ends what a ring has left by and by. */
static void check_rings(void)
{
	uint64_t limit = vt_now_ns() + 8 * VT_NSEC;

	while (vt_stat_value("capabilities") > 0) {
		vt_pause_us(500);
		if (vt_now_ns() < limit)
			continue;
		if (vp_get(&run.endless))
			vp_set(&shared->stuck, 1);
		else
			wrong("capabilities are left, though all rings are closed", 0);
		return;
	}
}

/* All tasks are idle, and everything they had is closed. */
static void check_end(void)
{
	look_at_fds(false);
	if (vp_get(&run.rings))
		check_rings();
	if (vp_get(&shared->large) && vx_pinned_kib() > 0)
		wrong("memory is still pinned, KiB", (uint64_t)vx_pinned_kib());
}

#endif /* FUZZ_ORACLE_H */
