// SPDX-License-Identifier: GPL-2.0
/*
 * Exactly once: 32 senders, half of them processes and half threads, against 8
 * receivers, SEND and CALL mixed, first in peace and then under everything that
 * can come in between. Receivers count each message where all can see it, and
 * senders note what they were told; at the end the two must agree, message by
 * message.
 */
#include "vipc_procs.h"

#define SENDERS		32
#define RECEIVERS	8
#define MESSAGES	150

/* What a sender was told about a message. */
enum outcome {
	NOT_SENT,	/* 0: it never came to that */
	UNKNOWN,	/* under way; stays if the sender is killed */
	DONE,		/* success */
	UNDELIVERED,	/* failed, and no receiver has it */
	DELIVERED,	/* failed, but a receiver has it */
};

struct board {
	uint8_t got[SENDERS][MESSAGES];		/* how often it was received */
	uint8_t outcome[SENDERS][MESSAGES];
	uint64_t wrong;				/* anything not in the contract */
	uint64_t replied, refused;		/* REPLY: accepted, ESRCH */
	uint64_t calls_done;
	uint64_t finished;			/* senders that are through */
	int ready[SENDERS + RECEIVERS];
	int stop;
};

struct party {
	struct board *board;
	int id;			/* its row, or 0..RECEIVERS - 1 */
	int fd;
	bool rough;		/* non-blocking, deadlines, signals */
	struct vp_rng rng;
};

/* Which message it is travels in the opcode: none is like another. */
static uint64_t message_tag(int sender, int n)
{
	return (uint64_t)sender * MESSAGES + (uint64_t)n + 1;
}

static void complain(struct board *b, const char *what, int ret, uint64_t tag)
{
	vp_add(&b->wrong, 1);
	fprintf(stderr, "# %s: %d, message %llu\n", what, ret,
		(unsigned long long)tag);
}

/* Does one message; what the sender was told about it. */
static enum outcome send_one(struct party *p, int n)
{
	bool call = vp_random(&p->rng, 2);
	uint64_t tag = message_tag(p->id, n);
	struct vipc_msg m = vt_msg(tag);
	int ret;

	if (p->rough) {
		uint32_t what = vp_random(&p->rng, 8);

		if (what == 0)
			m.flags |= VIPC_NONBLOCK;
		else if (what <= 2)
			m.deadline_ns = vt_now_ns() +
					vp_random(&p->rng, 3000000);
		else if (what == 3)
			m.flags |= VIPC_UNINTERRUPTIBLE;
	}
	ret = vt_ioctl(p->fd, call ? VIPC_IOC_CALL : VIPC_IOC_SEND, &m);
	if (!ret) {
		if (!call)
			return DONE;
		if (!vt_msg_is(&m, ~tag))
			complain(p->board, "wrong reply", 0, tag);
		vp_add(&p->board->calls_done, 1);
		return DONE;
	}
	/* ECONNRESET: a receiver that had the call was killed */
	if (!p->rough || (ret != -EAGAIN && ret != -ETIMEDOUT &&
			  ret != -EINTR && ret != -ECONNRESET))
		complain(p->board, "sender failed", ret, tag);
	if (!call && vp_delivered(&m))
		complain(p->board, "failed SEND was delivered", ret, tag);
	if (ret == -ECONNRESET && !vp_delivered(&m))
		complain(p->board, "ECONNRESET, not delivered", ret, tag);
	return vp_delivered(&m) ? DELIVERED : UNDELIVERED;
}

static void *sender_main(void *data)
{
	struct party *p = data;

	vp_set(&p->board->ready[p->id], vt_gettid());
	for (int n = 0; n < MESSAGES; n++) {
		uint8_t *outcome = &p->board->outcome[p->id][n];

		vp_set(outcome, UNKNOWN);
		vp_set(outcome, send_one(p, n));
	}
	vp_add(&p->board->finished, 1);
	return NULL;
}

static void receive_one(struct party *p, struct vipc_msg *m)
{
	uint64_t tag = m->data[0], token = m->reply, id = tag - 1;
	int ret;

	if (!tag || id >= SENDERS * MESSAGES || !vt_msg_is(m, tag)) {
		complain(p->board, "torn message", 0, tag);
		return;
	}
	vp_add(&p->board->got[id / MESSAGES][id % MESSAGES], 1);
	if (!token)
		return;
	ret = vp_reply_tag(p->fd, token, ~tag);
	if (!ret)
		vp_add(&p->board->replied, 1);
	else if (ret == -ESRCH && p->rough)
		vp_add(&p->board->refused, 1);
	else
		complain(p->board, "reply", ret, tag);
}

/* Receives until the endpoint is shut down. */
static void *receiver_main(void *data)
{
	struct party *p = data;

	vp_set(&p->board->ready[SENDERS + p->id], vt_gettid());
	for (;;) {
		struct vipc_msg m = { 0 };
		int ret;

		if (p->rough && vp_random(&p->rng, 4) == 0)
			m.deadline_ns = vt_now_ns() +
					vp_random(&p->rng, 2000000);
		ret = vt_recv(p->fd, &m);
		if (!ret)
			receive_one(p, &m);
		else if (ret == -EPIPE)
			return NULL;
		else if (!p->rough || (ret != -EINTR && ret != -ETIMEDOUT))
			complain(p->board, "receiver failed", ret, 0);
	}
}

/* ---- the parties, as processes and as threads of one process ---- */

static struct vp_op signalled;

static pid_t fork_party(struct party *p, void *(*body)(void *data))
{
	pid_t pid = vt_fork();

	if (pid)
		return pid;
	vp_self = &signalled;
	vp_catch(SIGUSR1, p->id & 1 ? SA_RESTART : 0);
	vp_keep_only(p->fd);
	body(p);
	_exit(0);
}

/* One process with @n threads, one for each of @p. */
static pid_t fork_threads(struct party *p, int n, void *(*body)(void *data))
{
	pthread_t thread[SENDERS];
	int fds[SENDERS];
	pid_t pid = vt_fork();

	if (pid)
		return pid;
	for (int i = 0; i < n; i++)
		fds[i] = p[i].fd;
	vp_keep(fds, n);
	vp_self = &signalled;
	vp_catch(SIGUSR1, 0);
	for (int i = 0; i < n; i++)
		if (pthread_create(&thread[i], NULL, body, &p[i]))
			_exit(1);
	for (int i = 0; i < n; i++)
		pthread_join(thread[i], NULL);
	_exit(0);
}

FIXTURE(stress)
{
	int ep;			/* not for receiving: the receivers have theirs */
	struct board *board;
	struct party sender[SENDERS], receiver[RECEIVERS];
	pid_t pid[SENDERS + RECEIVERS];
	int nr_pids;
};

FIXTURE_SETUP(stress)
{
	self->ep = vt_open();
	ASSERT_LE(0, self->ep);
	self->board = vp_shared(sizeof(*self->board));
}

FIXTURE_TEARDOWN(stress)
{
	close(self->ep);
}

/*
 * Half of each kind in processes, with a capability of their own, and half in
 * threads of one process. pid[] has the receivers first.
 */
static int start_all(FIXTURE_DATA(stress) *self, uint64_t seed, bool rough)
{
	struct party *p;

	for (int i = 0; i < SENDERS + RECEIVERS; i++) {
		bool sends = i < SENDERS;

		p = sends ? &self->sender[i] : &self->receiver[i - SENDERS];
		*p = (struct party){
			.board = self->board,
			.id = sends ? i : i - SENDERS,
			.rough = rough,
			.rng = vp_rng_init(seed, (uint64_t)i),
			.fd = vt_derive(self->ep, sends ? VIPC_RIGHT_SEND :
					VIPC_RIGHT_RECV, (uint64_t)i + 1),
		};
		if (p->fd < 0)
			return p->fd;
	}
	self->nr_pids = 0;
	for (int i = 0; i < RECEIVERS / 2; i++)
		self->pid[self->nr_pids++] = fork_party(&self->receiver[i],
							receiver_main);
	p = &self->receiver[RECEIVERS / 2];
	self->pid[self->nr_pids++] = fork_threads(p, RECEIVERS / 2,
						  receiver_main);
	for (int i = 0; i < SENDERS / 2; i++)
		self->pid[self->nr_pids++] = fork_party(&self->sender[i],
							sender_main);
	p = &self->sender[SENDERS / 2];
	self->pid[self->nr_pids++] = fork_threads(p, SENDERS / 2, sender_main);
	for (int i = 0; i < self->nr_pids; i++)
		if (self->pid[i] < 0)
			return self->pid[i];
	for (int i = 0; i < SENDERS; i++)
		close(self->sender[i].fd);
	for (int i = 0; i < RECEIVERS; i++)
		close(self->receiver[i].fd);
	for (int i = 0; i < SENDERS + RECEIVERS; i++)
		if (vt_wait_until(vp_get(&self->board->ready[i])))
			return -ETIMEDOUT;
	return 0;
}

/* What the two sides say about all messages, counted. */
struct tally {
	int done, undelivered, delivered, unknown, twice, contradictions, lost;
};

static struct tally compare(const struct board *b)
{
	struct tally t = { 0 };

	for (int i = 0; i < SENDERS * MESSAGES; i++) {
		int got = b->got[i / MESSAGES][i % MESSAGES];

		t.twice += got > 1;
		switch (b->outcome[i / MESSAGES][i % MESSAGES]) {
		case DONE:
			t.done++;
			t.lost += got == 0;
			break;
		case DELIVERED:
			t.delivered++;
			t.lost += got == 0;
			break;
		case UNDELIVERED:
			t.undelivered++;
			t.contradictions += got != 0;
			break;
		case UNKNOWN:
			t.unknown++;
			break;
		default:
			t.contradictions += got != 0;
		}
	}
	return t;
}

TEST_F(stress, every_message_once)
{
	struct vipc_info info;
	struct tally t;

	ASSERT_EQ(0, start_all(self, vp_seed(), false));
	for (int i = RECEIVERS / 2 + 1; i < self->nr_pids; i++)
		EXPECT_EQ(0, vt_reap(self->pid[i]));
	EXPECT_EQ(0, vt_wait_receivers(self->ep, RECEIVERS));
	ASSERT_EQ(0, vt_info(self->ep, &info));
	EXPECT_EQ(0, vt_shutdown(self->ep));
	for (int i = 0; i <= RECEIVERS / 2; i++)
		EXPECT_EQ(0, vt_reap(self->pid[i]));

	t = compare(self->board);
	EXPECT_EQ(SENDERS * MESSAGES, t.done);
	EXPECT_EQ(0, t.lost);
	EXPECT_EQ(0, t.twice);
	EXPECT_EQ(0, self->board->wrong);
	EXPECT_EQ(self->board->calls_done, self->board->replied);
	EXPECT_EQ(SENDERS * MESSAGES, info.sent + info.called);
	EXPECT_EQ(SENDERS * MESSAGES, info.received);
	EXPECT_EQ(self->board->calls_done, info.called);
	EXPECT_EQ(self->board->replied, info.replied);
	/* both kinds took part */
	EXPECT_LT(SENDERS, info.sent);
	EXPECT_LT(SENDERS, info.called);
}

/*
 * Disturbs all but pid[0], which must live to take what the others leave, and
 * kills @kills receivers and as many senders, until the senders are through.
 * How many senders it killed.
 */
static int disturb(FIXTURE_DATA(stress) *self, uint64_t seed, int kills,
		   bool *killed)
{
	struct vp_rng rng = vp_rng_init(seed, 1000);
	int senders = 0, next = 0, first = RECEIVERS / 2 + 1;
	uint64_t end = vt_now_ns() + VT_LIMIT_NS;

	while (vp_get(&self->board->finished) + senders < SENDERS &&
	       vt_now_ns() < end) {
		int i = 1 + (int)vp_random(&rng, self->nr_pids - 1);

		if (!killed[i])
			kill(self->pid[i], SIGUSR1);
		/* the threads of the receiving process, one by one */
		syscall(SYS_tgkill, self->pid[RECEIVERS / 2],
			self->board->ready[SENDERS + RECEIVERS / 2 +
					   vp_random(&rng, RECEIVERS / 2)],
			SIGUSR1);
		vt_pause_us(vp_random(&rng, 300));
		if (next >= 2 * kills || vp_random(&rng, 20))
			continue;
		i = next & 1 ? first + next / 2 : 1 + next / 2;
		next++;
		killed[i] = true;
		/* one that is through already does not count twice */
		if (waitpid(self->pid[i], NULL, WNOHANG) == 0) {
			kill(self->pid[i], SIGKILL);
			vt_reap(self->pid[i]);
			senders += i >= first;
		}
	}
	return senders;
}

TEST_F(stress, every_message_accounted_for)
{
	const int kills = RECEIVERS / 2 - 1;
	bool killed[SENDERS + RECEIVERS] = { false };
	uint64_t seed = vp_seed();
	struct vipc_info info;
	struct tally t;
	int senders;

	ASSERT_EQ(0, start_all(self, seed, true));
	senders = disturb(self, seed, kills, killed);
	for (int i = RECEIVERS / 2 + 1; i < self->nr_pids; i++)
		if (!killed[i])
			EXPECT_EQ(0, vt_reap(self->pid[i]));
	EXPECT_EQ(0, vt_wait_senders(self->ep, 0));
	EXPECT_EQ(0, vt_wait_in_service(self->ep, 0));
	ASSERT_EQ(0, vt_info(self->ep, &info));
	EXPECT_EQ(0, vt_shutdown(self->ep));
	for (int i = 0; i <= RECEIVERS / 2; i++)
		if (!killed[i])
			EXPECT_EQ(0, vt_reap(self->pid[i]));

	t = compare(self->board);
	printf("# %d done, %d undelivered, %d unanswered, %d unknown, %d lost by dead receivers\n",
	       t.done, t.undelivered, t.delivered, t.unknown, t.lost);
	fflush(stdout);
	EXPECT_EQ(0, self->board->wrong);
	EXPECT_EQ(0, t.twice);
	EXPECT_EQ(0, t.contradictions);
	/* a receiver can die between the kernel's delivery and its own note */
	EXPECT_LE(t.lost, kills);
	/* a sender that was killed had one message under way, at most */
	EXPECT_LE(t.unknown, senders);
	/* a caller that was killed may have been answered; no other differs */
	EXPECT_LE(self->board->calls_done, info.replied);
	EXPECT_LE(info.replied, self->board->calls_done + senders);
	/* likewise a receiver that had just replied */
	EXPECT_LE(self->board->replied, info.replied);
	EXPECT_LE(info.replied, self->board->replied + kills);
	EXPECT_LT(0, t.done);
	EXPECT_LT(0, t.undelivered);
}

/* Many endpoints at once, used from both CPUs: none sees another's messages. */
TEST_F(stress, endpoints_do_not_mix)
{
	const int pairs = 8, rounds = 300;
	pid_t pid[16];
	int ep[8];

	for (int i = 0; i < pairs; i++) {
		ep[i] = vt_open();
		ASSERT_LE(0, ep[i]);
	}
	for (int i = 0; i < 2 * pairs; i++) {
		int fd = ep[i / 2];

		pid[i] = vt_fork();
		ASSERT_LE(0, pid[i]);
		if (pid[i])
			continue;
		vp_keep_only(fd);
		for (int j = 0; j < rounds; j++) {
			uint64_t tag = (uint64_t)(i / 2) << 32 | (uint64_t)j;
			struct vipc_msg m = { 0 };
			bool good;

			if (i & 1) {
				m = vt_msg(tag);
				good = !vt_call(fd, &m) && vt_msg_is(&m, ~tag);
			} else {
				good = !vt_recv(fd, &m) && vt_msg_is(&m, tag) &&
				       !vp_reply_tag(fd, m.reply, ~tag);
			}
			if (!good)
				_exit(1);
		}
		_exit(0);
	}
	for (int i = 0; i < 2 * pairs; i++)
		EXPECT_EQ(0, vt_reap(pid[i]));
	for (int i = 0; i < pairs; i++)
		close(ep[i]);
}

TEST_HARNESS_MAIN
