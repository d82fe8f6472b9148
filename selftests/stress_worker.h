/* SPDX-License-Identifier: GPL-2.0 */
/*
 * The workers of the stress test: threads that do random operations on the
 * capabilities they have, and note on the board what came out.
 *
 * Each thread has descriptors of its own, so that no number is used again
 * behind its back. It may block for ever: the end of the round shuts down all
 * endpoints, and must set it free.
 */
#ifndef STRESS_WORKER_H
#define STRESS_WORKER_H

#include "stress_board.h"

#define MAX_CAPS	16
#define MAX_TOKENS	12
#define UNKNOWN_ROOM	UINT32_MAX
#define AREA		(12 * VX_PAGE)
#define FLICKER		(AREA + VX_PAGE)	/* the last page is for the ring's messages */

struct cap {
	int fd;
	uint32_t rights;
	uint64_t badge, endpoint;
	uint32_t serial;
	bool revoked, dead;	/* answered so once, hence for ever */
};

/* A call that was taken and not answered yet. */
struct token {
	uint64_t token, id, endpoint;
	uint32_t room, fd_room;	/* for the reply; UNKNOWN_ROOM: not told */
	int cap;
	uint32_t serial;	/* of the capability that took it */
	bool used;
};

/* Descriptors that pass between processes. */
struct post {
	int box[MAX_PROCESSES][2];	/* [0]: its owner reads */
	int vault[2];			/* every endpoint's first capability */
};

struct ring;

struct worker {
	struct slot *slot;
	const struct post *post;
	int process;
	struct vp_rng rng;
	struct cap cap[MAX_CAPS];
	int nr_caps;
	struct token token[MAX_TOKENS];
	int nr_tokens;
	uint32_t next_serial;
	uint8_t *tx, *rx;
	/* FLICKER bytes, twice; the second come and go */
	void *steady, *flicker;
	struct ring *ring;	/* stress_uring.h; NULL: none yet */
};

static uint32_t dice(struct worker *w, uint32_t n)
{
	return vp_random(&w->rng, n);
}

static bool one_of(int ret, const int *allowed)
{
	for (; *allowed; allowed++)
		if (ret == *allowed)
			return true;
	return ret == 0;
}

/* Is @ret in the contract, and consistent with what @cap answered before? */
static void judge(struct cap *cap, const char *what, int ret, bool revoked,
		  bool dead, const int *allowed)
{
	if (!one_of(ret, allowed))
		complain("%s: %s", what, strerror(-ret));
	if (revoked && ret != -EKEYREVOKED)
		complain("%s through a revoked capability: %d", what, ret);
	if (dead && ret != -EPIPE && ret != -EKEYREVOKED)
		complain("%s to a dead endpoint: %d", what, ret);
	cap->revoked |= ret == -EKEYREVOKED;
	cap->dead |= ret == -EPIPE;
}

#define JUDGE(cap, what, ret, revoked, dead, ...) \
	judge(cap, what, ret, revoked, dead, (const int[]){ __VA_ARGS__, 0 })

/* ---- the table of capabilities ---- */

static void forget_cap(struct worker *w, int i)
{
	close(w->cap[i].fd);
	w->cap[i] = w->cap[--w->nr_caps];
	for (int t = 0; t < w->nr_tokens; t++)
		if (w->token[t].cap == w->nr_caps)
			w->token[t].cap = i;
}

/* Takes over @fd, of which nothing is known yet. */
static void keep_cap(struct worker *w, int fd)
{
	struct vipc_info info;

	if (fd < 0)
		return;
	/* Revoked before it was ever used: of no use here. */
	if (vt_info(fd, &info)) {
		close(fd);
		return;
	}
	if (w->nr_caps == MAX_CAPS)
		forget_cap(w, (int)dice(w, MAX_CAPS));
	w->cap[w->nr_caps++] = (struct cap){
		.fd = fd,
		.rights = info.rights,
		.badge = info.badge,
		.endpoint = info.endpoint,
		.serial = ++w->next_serial,
	};
}

/* Any capability that has @right; NULL if eight tries find none. */
static struct cap *pick(struct worker *w, uint32_t right)
{
	for (int i = 0; i < 8 && w->nr_caps; i++) {
		struct cap *cap = &w->cap[dice(w, (uint32_t)w->nr_caps)];

		if ((cap->rights & right) == right)
			return cap;
	}
	return NULL;
}

/* Where the capability with that number is, or -1: it was closed. */
static int index_of(const struct worker *w, uint32_t serial)
{
	for (int i = 0; i < w->nr_caps; i++)
		if (w->cap[i].serial == serial)
			return i;
	return -1;
}

/* ---- messages ---- */

/* How long it may wait: mostly a little, sometimes for ever. */
static void set_patience(struct worker *w, struct vipc_msg *m)
{
	uint32_t how = dice(w, 40);

	/* in a calm end, a signal has to end everything */
	if (how == 0 && !board->calm)
		m->flags |= VIPC_UNINTERRUPTIBLE;
	else if (how < 5)
		m->flags |= VIPC_NONBLOCK;
	else if (how > 6)
		m->deadline_ns = vt_now_ns() + dice(w, how < 12 ? 200000 : 20000000);
}

static void do_send(struct worker *w)
{
	struct cap *cap = pick(w, VIPC_RIGHT_SEND);
	bool call = dice(w, 2), revoked, dead;
	struct vipc_msg m;
	uint64_t id;
	int ret;

	if (!cap)
		return;
	revoked = cap->revoked;
	dead = cap->dead;
	id = board_new_message(w->slot, call, cap->endpoint, cap->badge);
	if (!id)
		return;
	m = vt_msg(id);
	set_patience(w, &m);
	ret = vt_ioctl(cap->fd, call ? VIPC_IOC_CALL : VIPC_IOC_SEND, &m);
	board_sent(w->slot, id, !ret ? DONE :
		   vp_delivered(&m) ? DELIVERED : UNDELIVERED);
	if (call) {
		/* what comes too late is refused before anything else is tried */
		JUDGE(cap, "CALL", ret, revoked, dead, -EPIPE, -EKEYREVOKED,
		      -EAGAIN, -ETIMEDOUT, -EINTR, -ECONNRESET);
		if (!ret && !vt_msg_is(&m, ~id))
			complain("wrong reply to %llu", (unsigned long long)id);
		if (ret == -ECONNRESET && !vp_delivered(&m))
			complain("ECONNRESET of an undelivered call");
	} else {
		JUDGE(cap, "SEND", ret, revoked, dead, -EPIPE, -EKEYREVOKED,
		      -EAGAIN, -ETIMEDOUT, -EINTR);
		if (ret && vp_delivered(&m))
			complain("failed SEND was delivered");
	}
}

/*
 * Notes what was received through @cap, and returns its number or 0; keeps the
 * token, if it has one, for later, with the room that its caller has. But not if
 * @cap is a copy, and the capability was closed meanwhile: nobody can answer then.
 */
static uint64_t take(struct worker *w, const struct cap *cap,
		     const struct vipc_msg *m, uint32_t room, uint32_t fd_room)
{
	uint64_t id = 0;
	int i;

	if (!board_told(m, cap->endpoint))
		id = board_received(m, cap->endpoint);
	vp_add(&w->slot->receiving, -1);
	i = index_of(w, cap->serial);
	if (!id || !m->reply || i < 0)
		return id;
	/* One that is forgotten is never answered. */
	if (w->nr_tokens == MAX_TOKENS)
		w->token[dice(w, MAX_TOKENS)] = w->token[--w->nr_tokens];
	w->token[w->nr_tokens++] = (struct token){
		.token = m->reply,
		.id = id,
		.endpoint = cap->endpoint,
		.room = room,
		.fd_room = fd_room,
		.cap = i,
		.serial = cap->serial,
	};
	return id;
}

static void do_receive(struct worker *w)
{
	struct cap *cap = pick(w, VIPC_RIGHT_RECV);
	bool flicker = w->flicker && !dice(w, 3), revoked, dead;
	struct vipc_msg m = { 0 };
	int ret;

	if (!cap)
		return;
	revoked = cap->revoked;
	dead = cap->dead;
	set_patience(w, &m);
	vp_add(&w->slot->receiving, 1);
	if (flicker) {
		memcpy(w->steady, &m, sizeof(m));
		ret = vt_recv(cap->fd, w->flicker);
		memcpy(&m, w->steady, sizeof(m));
	} else {
		ret = vt_recv(cap->fd, &m);
	}
	if (flicker && ret == -EFAULT) {
		vp_add(&board->faults, 1);
		vp_add(&w->slot->receiving, -1);
		return;
	}
	/* EMSGSIZE: what comes next carries more */
	JUDGE(cap, "RECV", ret, revoked, dead, -EPIPE, -EKEYREVOKED, -EAGAIN,
	      -ETIMEDOUT, -EINTR, -EMSGSIZE);
	if (ret)
		vp_add(&w->slot->receiving, -1);
	else
		take(w, cap, &m, UNKNOWN_ROOM, UNKNOWN_ROOM);
}

/* The capability that took the call, or NULL if it was closed meanwhile. */
static struct cap *server_of(struct worker *w, const struct token *t)
{
	struct cap *cap = &w->cap[t->cap];

	return t->cap < w->nr_caps && cap->serial == t->serial ? cap : NULL;
}

static struct vipc_msg reply_to(const struct token *t)
{
	struct vipc_msg m = vt_msg(~t->id);

	m.reply = t->token;
	vp_set(&board->entry[t->id].tried, 1);
	return m;
}

static void drop_token(struct worker *w, struct token *t)
{
	*t = w->token[--w->nr_tokens];
}

static void do_reply(struct worker *w)
{
	struct token *t;
	struct vipc_msg m;
	struct cap *cap;
	int ret;

	if (!w->nr_tokens)
		return;
	t = &w->token[dice(w, (uint32_t)w->nr_tokens)];
	cap = server_of(w, t);
	if (!cap) {
		drop_token(w, t);
		return;
	}
	m = reply_to(t);
	ret = vt_reply(cap->fd, &m);
	if (!ret && t->used)
		complain("token of %llu worked twice", (unsigned long long)t->id);
	if (!ret)
		board_accepted(t->id);
	else if (ret == -ESRCH)
		vp_add(&board->late, 1);
	JUDGE(cap, "REPLY", ret, cap->revoked, false, -ESRCH, -EKEYREVOKED);
	/* used ones are tried once more, now and then */
	if (t->used || dice(w, 4))
		drop_token(w, t);
	else
		t->used = true;
}

/* A token is worth nothing at another endpoint. */
static void do_wrong_reply(struct worker *w)
{
	struct cap *cap = pick(w, VIPC_RIGHT_RECV);
	struct token *t;
	struct vipc_msg m;
	int ret;

	if (!cap || !w->nr_tokens)
		return;
	t = &w->token[dice(w, (uint32_t)w->nr_tokens)];
	if (t->endpoint == cap->endpoint)
		return;
	m = vt_msg(1);
	m.reply = t->token;
	ret = vt_reply(cap->fd, &m);
	if (ret != -ESRCH && ret != -EKEYREVOKED)
		complain("reply at the wrong endpoint: %d", ret);
}

static void do_reply_recv(struct worker *w)
{
	struct token *t;
	struct vipc_msg m;
	struct cap *cap;
	uint64_t token, id;
	int ret;

	if (!w->nr_tokens)
		return;
	t = &w->token[dice(w, (uint32_t)w->nr_tokens)];
	cap = server_of(w, t);
	if (!cap || t->used) {
		drop_token(w, t);
		return;
	}
	m = reply_to(t);
	token = t->token;
	id = t->id;
	drop_token(w, t);
	set_patience(w, &m);
	vp_add(&w->slot->receiving, 1);
	ret = vt_reply_recv(cap->fd, &m);
	if (!ret || m.reply != token)
		board_accepted(id);
	else
		vp_add(&board->late, ret == -ESRCH);
	JUDGE(cap, "REPLY_RECV", ret, cap->revoked, false, -ESRCH, -EKEYREVOKED,
	      -EPIPE, -EAGAIN, -ETIMEDOUT, -EINTR, -EMSGSIZE);
	if (ret)
		vp_add(&w->slot->receiving, -1);
	else
		take(w, cap, &m, UNKNOWN_ROOM, UNKNOWN_ROOM);
}

/* ---- capabilities ---- */

static void do_derive(struct worker *w)
{
	struct cap *cap = pick(w, 0);
	uint32_t rights = dice(w, 4) ? dice(w, 16) : VIPC_RIGHTS_ALL;
	uint64_t badge;
	bool allowed, revoked, dead;
	int fd;

	if (!cap)
		return;
	badge = cap->badge ? cap->badge : dice(w, 2) ? 1 + dice(w, 60000) : 0;
	allowed = cap->rights & VIPC_RIGHT_GRANT && !(rights & ~cap->rights);
	revoked = cap->revoked;
	dead = cap->dead;
	fd = vt_derive(cap->fd, rights, badge);
	if (fd >= 0 && !allowed)
		complain("DERIVE gave more rights than there were");
	if (allowed)
		JUDGE(cap, "DERIVE", fd < 0 ? fd : 0, revoked, dead, -EPIPE,
		      -EKEYREVOKED);
	else if (fd != -EACCES && fd != -EKEYREVOKED)
		complain("DERIVE without the right: %d", fd);
	vp_add(&board->derived, fd >= 0);
	keep_cap(w, fd);
}

static void do_revoke(struct worker *w)
{
	struct cap *cap = pick(w, VIPC_RIGHT_REVOKE);

	if (!cap)
		return;
	JUDGE(cap, "REVOKE", vt_revoke(cap->fd), cap->revoked, false,
	      -EKEYREVOKED);
	vp_add(&board->revoked, 1);
}

static void do_shutdown(struct worker *w)
{
	struct cap *cap = pick(w, VIPC_RIGHT_RECV | VIPC_RIGHT_REVOKE);
	int ret;

	/* at the end of a calm round something should still live */
	if (!cap || (board->calm && dice(w, 10)))
		return;
	ret = vt_shutdown(cap->fd);
	JUDGE(cap, "SHUTDOWN", ret, cap->revoked, false, -EKEYREVOKED);
	cap->dead |= !ret;
}

/* What an endpoint lets in; some keep messages. */
static int open_endpoint(struct vp_rng *rng)
{
	int fd = vt_open();

	if (fd < 0)
		return fd;
	if (vp_random(rng, 5) && vx_limits(fd, AREA, 1))
		complain("CONFIG of a new endpoint failed");
	if (!vp_random(rng, 3) && vt_set_depth(fd, 1 + vp_random(rng, 9)))
		complain("CONFIG of a new endpoint's depth failed");
	return fd;
}

/* A new endpoint: the vault gets a hand on it too, or it is given up. */
static void do_open(struct worker *w)
{
	int fd = open_endpoint(&w->rng);

	if (fd < 0)
		complain("open: %s", strerror(-fd));
	else if (vt_send_fd(w->post->vault[1], fd))
		close(fd);
	else
		keep_cap(w, fd);
}

static void do_pass(struct worker *w)
{
	struct cap *cap = pick(w, 0);
	uint32_t to = dice(w, MAX_PROCESSES);

	if (cap && !vt_send_fd(w->post->box[to][1], cap->fd))
		vp_add(&board->passed, 1);
}

static void do_fetch(struct worker *w)
{
	keep_cap(w, vt_recv_fd(w->post->box[w->process][0]));
}

static void do_close(struct worker *w)
{
	if (w->nr_caps > 2)
		forget_cap(w, (int)dice(w, (uint32_t)w->nr_caps));
}

/* What is of no more use is looked at for a while, and then closed. */
static void tidy_up(struct worker *w)
{
	for (int i = w->nr_caps - 1; i >= 0; i--)
		if ((w->cap[i].revoked || w->cap[i].dead) && !dice(w, 8))
			forget_cap(w, i);
	if (w->nr_caps < 3)
		do_fetch(w);
	if (!w->nr_caps)
		do_open(w);
}

/* Looks, as ls, lsof and ps do. */
static void do_look(struct worker *w)
{
	struct cap *cap = pick(w, 0);
	char path[40], text[400];
	struct vipc_info info;
	int fd;

	if (!cap)
		return;
	JUDGE(cap, "INFO", vt_info(cap->fd, &info), cap->revoked, false,
	      -EKEYREVOKED);
	snprintf(path, sizeof(path), "/proc/self/fdinfo/%d", cap->fd);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0 || read(fd, text, sizeof(text)) <= 0)
		complain("cannot read %s", path);
	close(fd);
}

static void do_die(struct worker *w)
{
	(void)w;
	vp_add(&board->died, 1);
	_exit(0);
}

static void do_nap(struct worker *w)
{
	vt_pause_us(dice(w, 500));
}

#endif /* STRESS_WORKER_H */
