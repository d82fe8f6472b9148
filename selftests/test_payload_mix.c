// SPDX-License-Identifier: GPL-2.0
/*
 * Four processes, each of which serves an endpoint and sends to the others, for a
 * fixed number of steps: all forms of messages with random sizes, places, rooms,
 * descriptors and memory that is not there. All that arrives is compared with what
 * its sender says that it should be. In the end each message has arrived once,
 * nothing is queued, in service or pinned, and nobody has a descriptor too many.
 */
#include "vipc_payload.h"

#define PROCS	4
#define STEPS	150
#define ROOM	(96 * VX_KIB)	/* with space for odd places */
#define MAX_LEN	(64 * VX_KIB)
#define MAX_FDS	3
#define FD_BYTES 100		/* in each file that is passed */

/* What a message has to say about itself: data[0] is its tag. */
enum { LEN, REPLY_LEN, FDS };

/* What one thread has done; bytes and files are those that it got. */
struct side {
	uint64_t messages, bytes, files, faults, refused;
};

struct shared {
	struct side sent[PROCS], got[PROCS];
	int clients_done;
	int wrong;		/* how often something was */
	int first_wrong;	/* the line of the first one */
	int line[PROCS];	/* where each client is, for those who ask why it hangs */
};

static struct shared *all;
static int ends[PROCS];		/* RECV */
static int caps[PROCS];		/* SEND and GRANT */
static uint64_t seed;

static void wrong_at(int line)
{
	if (vp_add(&all->wrong, 1) == 1)
		vp_set(&all->first_wrong, line);
}

#define CHECK(cond) do {						\
	if (!(cond))							\
		wrong_at(__LINE__);					\
} while (0)

static uint32_t random_len(struct vp_rng *rng)
{
	switch (vp_random(rng, 6)) {
	case 0:
		return 0;
	case 1:
		return VX_PIN_MIN - 2 + vp_random(rng, 5);
	case 2:
		return vp_random(rng, 100);
	case 3:
		return vp_random(rng, MAX_LEN + 1);
	default:
		return vp_random(rng, 3 * VX_PAGE);
	}
}

static uint32_t random_fds(struct vp_rng *rng)
{
	return vp_random(rng, 3) ? 0 : vp_random(rng, MAX_FDS + 1);
}

static void make_files(int32_t *fds, uint32_t n, uint64_t tag)
{
	uint8_t text[FD_BYTES];

	for (uint32_t i = 0; i < n; i++) {
		vx_fill(text, FD_BYTES, tag + i);
		fds[i] = memfd_create("vipc-mix", 0);
		CHECK(fds[i] >= 0 &&
		      pwrite(fds[i], text, FD_BYTES, 0) == FD_BYTES);
	}
}

static void close_files(const int32_t *fds, uint32_t n)
{
	for (uint32_t i = 0; i < n; i++)
		CHECK(!close(fds[i]));
}

/* Are these what make_files() made? They are closed. */
static void check_files(const int32_t *fds, uint32_t n, uint64_t tag)
{
	uint8_t text[FD_BYTES];

	for (uint32_t i = 0; i < n; i++) {
		CHECK(fcntl(fds[i], F_GETFD) == FD_CLOEXEC);
		CHECK(pread(fds[i], text, FD_BYTES, 0) == FD_BYTES &&
		      vx_is(text, FD_BYTES, tag + i));
	}
	close_files(fds, n);
}

/* ---- the sender ---- */

static void client_step(unsigned int me, struct vp_rng *rng, uint64_t tag,
			uint8_t *out, uint8_t *in)
{
	unsigned int to = (me + 1 + vp_random(rng, PROCS - 1)) % PROCS;
	bool small = !vp_random(rng, 4), call = vp_random(rng, 2);
	uint32_t len = small ? 0 : random_len(rng);
	uint32_t fds_out = small ? 0 : random_fds(rng);
	uint32_t len_in = small || !call ? 0 : random_len(rng);
	uint32_t fds_in = small || !call ? 0 : random_fds(rng);
	uint8_t *from = out + vp_random(rng, VX_PAGE);
	uint8_t *room = in + vp_random(rng, VX_PAGE);
	struct side *side = &all->sent[me];
	int32_t fds[MAX_FDS], got[MAX_FDS];
	struct vipc_xmsg x = vx_msg(tag, from, len);
	int ret;

	vx_fill(from, len, tag);
	memset(room, VX_POISON, len_in + 64);
	make_files(fds, fds_out, tag);
	vx_set_fds(&x, fds, fds_out);
	vx_set_room(&x, room, len_in);
	vx_set_fd_room(&x, got, fds_in);
	x.msg.data[LEN + 1] = len;
	x.msg.data[REPLY_LEN + 1] = len_in;
	x.msg.data[FDS + 1] = (uint64_t)fds_in << 32 | fds_out;
	x.msg.deadline_ns = vt_now_ns() + VT_LIMIT_NS;

	/* First in vain, sometimes: nobody may see anything of that. */
	if (!small && len && !vp_random(rng, 4)) {
		unsigned long cmd = call ? VIPC_IOC_CALL_X : VIPC_IOC_SEND_X;
		struct vipc_xmsg bad = x;

		switch (vp_random(rng, 4)) {
		case 0:
			bad.tx_buf = vx_addr(out + ROOM - len + 1);
			CHECK(vt_ioctl(caps[to], cmd, &bad) == -EFAULT);
			break;
		case 1:
			bad.tx_len = MAX_LEN + 1;
			CHECK(vt_ioctl(caps[to], cmd, &bad) == -EMSGSIZE);
			break;
		case 2:
			bad.tx_fds = 8;
			bad.tx_nfds = 1;
			CHECK(vt_ioctl(caps[to], cmd, &bad) == -EFAULT);
			break;
		case 3:
			bad.rx_buf = 8;
			bad.rx_len = VX_PIN_MIN + len;
			CHECK(vx_call(caps[to], &bad) == -EFAULT);
			break;
		}
		CHECK(!bad.msg.flags);
		side->faults++;
	}

	ret = vt_ioctl(caps[to], small ? call ? VIPC_IOC_CALL : VIPC_IOC_SEND :
		       call ? VIPC_IOC_CALL_X : VIPC_IOC_SEND_X, &x);
	CHECK(!ret);
	side->messages++;
	CHECK(vx_is(from, len, tag));
	close_files(fds, fds_out);
	if (ret || !call)
		return;
	CHECK(x.msg.data[0] == tag + 1);
	if (small)
		return;
	CHECK(x.rx_len == len_in && x.rx_nfds == fds_in);
	CHECK(vx_is(room, len_in, ~tag));
	CHECK(vx_is_poison(room + len_in, 64));
	check_files(got, x.rx_nfds, ~tag - MAX_FDS);
	side->bytes += x.rx_len;
	side->files += x.rx_nfds;
}

/* ---- the receiver ---- */

struct server {
	unsigned int me;
	struct vp_rng rng;
	uint8_t *in, *out, *nothing;
	int32_t got[MAX_FDS], fds[MAX_FDS];
	uint32_t n_fds;		/* in @fds */
	struct vipc_xmsg x;
};

/* With too little room, or none: nothing is lost by that. */
static int receive_badly(struct server *s)
{
	int end = ends[s->me];
	struct vipc_xmsg x = s->x;
	int ret;

	x.msg.reply = 0;
	switch (vp_random(&s->rng, 4)) {
	case 0:
		x.rx_buf = vx_addr(s->nothing);
		break;
	case 1:
		x.rx_len = vp_random(&s->rng, 100);
		break;
	case 2:
		x.rx_nfds = 0;
		break;
	case 3:
		x.rx_fds = vx_addr(s->nothing);
		break;
	}
	ret = vx_recv(end, &x);
	if (ret == -EFAULT || ret == -EMSGSIZE) {
		all->got[s->me].refused++;
		return -EAGAIN;
	}
	if (!ret)
		s->x = x;
	return ret;
}

/* Makes the answer to what was received, and sends it badly, sometimes. */
static void prepare_answer(struct server *s, uint64_t tag)
{
	uint32_t len = (uint32_t)s->x.msg.data[REPLY_LEN + 1];
	uint8_t *from = s->out + vp_random(&s->rng, VX_PAGE);
	struct vipc_xmsg bad;

	s->n_fds = (uint32_t)(s->x.msg.data[FDS + 1] >> 32);
	CHECK(s->x.reply_len == len && s->x.reply_nfds == s->n_fds);
	vx_fill(from, len, ~tag);
	make_files(s->fds, s->n_fds, ~tag - MAX_FDS);
	vx_set_tx(&s->x, from, len);
	vx_set_fds(&s->x, s->fds, s->n_fds);
	s->x.msg.data[0] = tag + 1;
	bad = s->x;
	switch (vp_random(&s->rng, 8)) {
	case 0:
		bad.tx_len = len + 1;
		CHECK(vx_reply(ends[s->me], &bad) == -EMSGSIZE);
		break;
	case 1:
		bad.tx_nfds++;
		CHECK(vx_reply_recv(ends[s->me], &bad) == -EMSGSIZE);
		break;
	case 2:
		bad.tx_buf = vx_addr(s->nothing);
		if (len) {
			CHECK(vx_reply_recv(ends[s->me], &bad) == -EFAULT);
		}
		break;
	}
}

static void check_request(struct server *s)
{
	const struct vipc_xmsg *x = &s->x;
	uint64_t tag = x->msg.data[0];
	struct side *side = &all->got[s->me];

	CHECK(x->rx_len == x->msg.data[LEN + 1]);
	CHECK(x->rx_nfds == (uint32_t)x->msg.data[FDS + 1]);
	CHECK(x->msg.opcode == (uint32_t)tag);
	CHECK(vx_is((void *)(uintptr_t)x->rx_buf, x->rx_len, tag));
	check_files(s->got, x->rx_nfds, tag);
	side->messages++;
	side->bytes += x->rx_len;
	side->files += x->rx_nfds;
}

/* Until the endpoint is dead. */
static void *serve(void *data)
{
	struct server *s = data;
	int ret;

	for (;;) {
		bool answer = s->x.msg.reply != 0;

		vx_set_room(&s->x, s->in + vp_random(&s->rng, VX_PAGE), MAX_LEN);
		vx_set_fd_room(&s->x, s->got, MAX_FDS);
		if (answer && vp_random(&s->rng, 2)) {
			ret = vx_reply_recv(ends[s->me], &s->x);
			close_files(s->fds, s->n_fds);
			s->n_fds = 0;
		} else {
			if (answer) {
				CHECK(!vx_reply(ends[s->me], &s->x));
				close_files(s->fds, s->n_fds);
				s->n_fds = 0;
				s->x.msg.reply = 0;
			}
			ret = vp_random(&s->rng, 4) ?
			      vx_recv(ends[s->me], &s->x) : receive_badly(s);
		}
		if (ret == -EPIPE)
			return NULL;
		if (ret == -EAGAIN)
			continue;
		CHECK(!ret);
		if (ret)
			return NULL;
		check_request(s);
		if (s->x.msg.reply)
			prepare_answer(s, s->x.msg.data[0]);
	}
}

static int process(unsigned int me)
{
	struct vp_rng rng = vp_rng_init(seed, me);
	struct server s = { .me = me, .rng = vp_rng_init(seed, PROCS + me) };
	uint8_t *out = vx_map(ROOM + VX_PAGE), *in = vx_map(ROOM);
	int fds = vx_count_fds();
	pthread_t thread;

	s.in = vx_map(ROOM);
	s.out = vx_map(ROOM);
	s.nothing = mmap(NULL, ROOM, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	/* Behind the bytes to send there is nothing. */
	if (mprotect(out + ROOM, VX_PAGE, PROT_NONE) ||
	    pthread_create(&thread, NULL, serve, &s))
		return 2;
	for (uint64_t i = 0; i < STEPS; i++) {
		vp_set(&all->line[me], (int)i);
		client_step(me, &rng, (i * PROCS + me) << 8, out, in);
	}
	vp_add(&all->clients_done, 1);
	if (vt_join(thread))
		return 3;
	if (vx_count_fds() != fds)
		return 4;
	return vx_pinned_kib() ? 5 : 0;
}

TEST(four_processes)
{
	struct side sent = { 0 }, got = { 0 };
	long long dropped = vt_stat_value("dropped");
	struct vipc_info info;
	pid_t pids[PROCS];

	all = vp_shared(sizeof(*all));
	seed = vp_seed();
	for (int i = 0; i < PROCS; i++) {
		ends[i] = vt_open();
		ASSERT_LE(0, ends[i]);
		caps[i] = vt_derive(ends[i], VIPC_RIGHT_SEND | VIPC_RIGHT_GRANT,
				    (uint64_t)i + 1);
		ASSERT_LE(0, caps[i]);
		ASSERT_EQ(0, vx_limits(ends[i], MAX_LEN, MAX_FDS));
	}
	for (unsigned int i = 0; i < PROCS; i++) {
		pids[i] = vt_fork();
		ASSERT_LE(0, pids[i]);
		if (!pids[i])
			_exit(process(i));
	}
	ASSERT_EQ(0, vt_wait_until(vp_get(&all->clients_done) == PROCS)) {
		TH_LOG("%d of %d are done; steps %d %d %d %d; wrong at line %d",
		       all->clients_done, PROCS, all->line[0], all->line[1],
		       all->line[2], all->line[3], all->first_wrong);
	}
	for (int i = 0; i < PROCS; i++) {
		/* All have returned, so the servers have nothing but to wait. */
		EXPECT_EQ(0, vt_wait_receivers(ends[i], 1));
		ASSERT_EQ(0, vt_info(ends[i], &info));
		EXPECT_EQ(0, info.senders);
		EXPECT_EQ(0, info.in_service);
		EXPECT_EQ(info.received, info.sent + info.called);
		EXPECT_EQ(info.called, info.replied);
		EXPECT_EQ(info.received, all->got[i].messages);
		ASSERT_EQ(0, vt_shutdown(ends[i]));
	}
	for (int i = 0; i < PROCS; i++) {
		EXPECT_EQ(0, vt_reap(pids[i]));
		sent.messages += all->sent[i].messages;
		got.messages += all->got[i].messages;
		sent.faults += all->sent[i].faults;
		got.refused += all->got[i].refused;
		got.bytes += all->got[i].bytes + all->sent[i].bytes;
		got.files += all->got[i].files + all->sent[i].files;
		close(caps[i]);
		close(ends[i]);
	}
	EXPECT_EQ(0, all->wrong) {
		TH_LOG("the first one at line %d", all->first_wrong);
	}
	EXPECT_EQ(PROCS * STEPS, sent.messages);
	EXPECT_EQ(PROCS * STEPS, got.messages);
	EXPECT_EQ(dropped, vt_stat_value("dropped"));
	/* All of it has been done. */
	EXPECT_LT(STEPS / 10, sent.faults);
	EXPECT_LT(STEPS / 20, got.refused);
	EXPECT_LT(STEPS, got.files);
	TH_LOG("%ju bytes and %ju files arrived, %ju tries in vain, %ju refused",
	       (uintmax_t)got.bytes, (uintmax_t)got.files,
	       (uintmax_t)sent.faults, (uintmax_t)got.refused);
}

TEST_HARNESS_MAIN
