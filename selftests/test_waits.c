// SPDX-License-Identifier: GPL-2.0
/*
 * The file waits in debugfs: a line for each operation in progress, each once, however
 * many there are and whatever others do meanwhile.
 */
#include "vipc_procs.h"

#define WAITS	VT_DEBUGFS "waits"

/* A line of the file. */
struct line {
	unsigned long long endpoint, badge, number;
	int pid, process, peer;
	char operation[8], state[16];
	unsigned long waited_ms;
	long long left_ms;	/* -1: no deadline */
};

struct lines {
	struct line *line;
	unsigned int nr;
	bool bad;		/* one of them could not be understood */
};

static const char heading[] =
	"endpoint pid process operation state peer badge number waited_ms left_ms\n";

static bool understand(const char *text, struct line *l)
{
	char left[24], end;

	if (sscanf(text, "%llu %d %d %7s %15s %d %llu %llu %lu %23s%c", &l->endpoint, &l->pid,
		   &l->process, l->operation, l->state, &l->peer, &l->badge, &l->number,
		   &l->waited_ms, left, &end) != 11 || end != '\n')
		return false;
	l->left_ms = strcmp(left, "-") ? atoll(left) : -1;
	return true;
}

/* Those of @endpoint. */
static struct lines read_waits(unsigned long long endpoint)
{
	FILE *f = fopen(WAITS, "re");
	struct lines all = { .bad = !f };
	char text[256];
	struct line l;

	if (!f || !fgets(text, sizeof(text), f) || strcmp(text, heading))
		all.bad = true;
	while (f && fgets(text, sizeof(text), f)) {
		if (!understand(text, &l)) {
			all.bad = true;
			continue;
		}
		if (l.endpoint != endpoint)
			continue;
		if (!(all.nr & (all.nr - 1)))
			all.line = realloc(all.line, (2 * all.nr + 1) * sizeof(l));
		all.line[all.nr++] = l;
	}
	if (f)
		fclose(f);
	return all;
}

/* The one line of thread @tid, or NULL: there is none, or there are several. */
static const struct line *line_of(const struct lines *all, int tid)
{
	const struct line *found = NULL;

	for (unsigned int i = 0; i < all->nr; i++) {
		if (all->line[i].pid != tid)
			continue;
		if (found)
			return NULL;
		found = &all->line[i];
	}
	return found;
}

FIXTURE(waits)
{
	int ep, cap;
	unsigned long long id;
};

FIXTURE_SETUP(waits)
{
	struct vipc_info info;

	self->ep = vt_open();
	ASSERT_LE(0, self->ep);
	self->cap = vt_derive(self->ep, VIPC_RIGHT_SEND, 7);
	ASSERT_LE(0, self->cap);
	ASSERT_EQ(0, vt_info(self->ep, &info));
	self->id = info.endpoint;
}

FIXTURE_TEARDOWN(waits)
{
	close(self->cap);
	close(self->ep);
}

TEST_F(waits, mode)
{
	struct lines all = read_waits(self->id);
	struct stat st;

	EXPECT_FALSE(all.bad);
	EXPECT_EQ(0, all.nr);
	ASSERT_EQ(0, stat(WAITS, &st));
	EXPECT_EQ(0400, st.st_mode & 07777);
}

TEST_F(waits, receiver)
{
	struct vt_op op = { .msg = { .opcode = 0 } };
	const struct line *l;
	struct lines all;

	ASSERT_EQ(0, vt_op_start(&op, self->ep, VIPC_IOC_RECV));
	ASSERT_EQ(0, vt_wait_receivers(self->ep, 1));
	all = read_waits(self->id);
	EXPECT_EQ(1, all.nr);
	l = line_of(&all, op.tid);
	ASSERT_NE(NULL, l);
	EXPECT_EQ(getpid(), l->process);
	EXPECT_STREQ("recv", l->operation);
	EXPECT_STREQ("queued", l->state);
	EXPECT_EQ(0, l->peer);
	EXPECT_EQ(0, l->badge);
	EXPECT_EQ(-1, l->left_ms);
	free(all.line);
	ASSERT_EQ(0, vt_shutdown(self->ep));
	ASSERT_EQ(0, vt_op_join(&op));
	all = read_waits(self->id);
	EXPECT_EQ(0, all.nr);
}

/* Queued, then in service, by this thread; it says how long, and until when. */
TEST_F(waits, caller)
{
	struct vt_op op = { .msg = { .deadline_ns = vt_now_ns() + 50000 * VT_NSEC } };
	unsigned long waited;
	const struct line *l;
	struct vipc_msg m;
	struct lines all;

	ASSERT_EQ(0, vt_op_start(&op, self->cap, VIPC_IOC_CALL));
	ASSERT_EQ(0, vt_wait_senders(self->ep, 1));
	ASSERT_EQ(0, vt_wait_blocked(getpid(), op.tid));
	vt_pause_us(20000);
	all = read_waits(self->id);
	l = line_of(&all, op.tid);
	ASSERT_NE(NULL, l);
	EXPECT_STREQ("call", l->operation);
	EXPECT_STREQ("queued", l->state);
	EXPECT_EQ(0, l->peer);
	EXPECT_EQ(7, l->badge);
	EXPECT_EQ(1, l->number);	/* its turn */
	EXPECT_LT(0, l->waited_ms);
	EXPECT_LT(40000 * 1000ll, l->left_ms);
	EXPECT_GE(50000 * 1000ll, l->left_ms);
	waited = l->waited_ms;
	free(all.line);

	ASSERT_EQ(0, vt_recv_soon(self->ep, &m));
	vt_pause_us(20000);
	all = read_waits(self->id);
	l = line_of(&all, op.tid);
	ASSERT_NE(NULL, l);
	EXPECT_STREQ("in_service", l->state);
	EXPECT_EQ(vt_gettid(), l->peer);
	EXPECT_EQ(m.reply, l->number);
	EXPECT_LT(waited, l->waited_ms);
	free(all.line);
	ASSERT_EQ(0, vt_reply(self->ep, &m));
	ASSERT_EQ(0, vt_op_join(&op));
}

/* A SEND that waits for a slot is in another queue. */
TEST_F(waits, sender_without_a_slot)
{
	struct vt_op op = { .msg = { .opcode = 0 } }, call = op;
	const struct line *l;
	struct vipc_msg m;
	struct lines all;

	ASSERT_EQ(0, vt_set_depth(self->ep, 1));
	ASSERT_EQ(0, vp_send_tag(self->cap, 1, 0));
	ASSERT_EQ(0, vt_op_start(&op, self->cap, VIPC_IOC_SEND));
	ASSERT_EQ(0, vt_wait_senders(self->ep, 1));
	ASSERT_EQ(0, vt_op_start(&call, self->cap, VIPC_IOC_CALL));
	ASSERT_EQ(0, vt_wait_senders(self->ep, 2));
	all = read_waits(self->id);
	EXPECT_EQ(2, all.nr);
	l = line_of(&all, op.tid);
	ASSERT_NE(NULL, l);
	EXPECT_STREQ("send", l->operation);
	EXPECT_STREQ("queued", l->state);
	EXPECT_NE(NULL, line_of(&all, call.tid));
	free(all.line);
	EXPECT_EQ(0, vt_recv_soon(self->ep, &m));
	ASSERT_EQ(0, vt_op_join(&op));
	EXPECT_EQ(0, vt_shutdown(self->ep));
	ASSERT_EQ(0, vt_op_join(&call));
}

static void *take_and_end(void *data)
{
	struct vt_op *op = data;

	op->ret = vt_recv_soon(op->fd, &op->msg);
	op->tid = vt_gettid();
	return NULL;
}

/* Who took the call has ended: nobody is named instead. */
TEST_F(waits, taken_by_a_thread_that_ended)
{
	struct vt_op op = { .msg = { .opcode = 0 } }, taker = { .fd = self->ep };
	const struct line *l;
	struct lines all;

	ASSERT_EQ(0, vt_op_start(&op, self->cap, VIPC_IOC_CALL));
	ASSERT_EQ(0, pthread_create(&taker.thread, NULL, take_and_end, &taker));
	ASSERT_EQ(0, vt_op_join(&taker));
	ASSERT_EQ(0, taker.ret);
	/* It can be joined a moment before its number is free. */
	ASSERT_EQ(0, vt_wait_until(!vt_task_state(getpid(), taker.tid)));
	all = read_waits(self->id);
	l = line_of(&all, op.tid);
	ASSERT_NE(NULL, l);
	EXPECT_STREQ("in_service", l->state);
	EXPECT_EQ(0, l->peer);
	free(all.line);
	ASSERT_EQ(0, vt_reply(self->ep, &taker.msg));
	ASSERT_EQ(0, vt_op_join(&op));
}

#define MANY	150		/* several times what is done under the lock at once */

/* Queued, in service of two capabilities, and the last one of each apart. */
TEST_F(waits, many)
{
	struct vt_op *op = calloc(2 * MANY, sizeof(*op));
	int second = vt_derive(self->ep, VIPC_RIGHT_RECV, 3);
	unsigned int in_service = 0;
	struct vipc_msg m;
	struct lines all;

	ASSERT_LE(0, second);
	for (int i = 0; i < 2 * MANY; i++)
		ASSERT_EQ(0, vt_op_start(&op[i], self->cap, VIPC_IOC_CALL));
	ASSERT_EQ(0, vt_wait_senders(self->ep, 2 * MANY));
	for (int i = 0; i < MANY; i++)
		ASSERT_EQ(0, vt_recv_soon(i % 3 ? self->ep : second, &m));
	all = read_waits(self->id);
	EXPECT_FALSE(all.bad);
	EXPECT_EQ(2 * MANY, all.nr);
	for (int i = 0; i < 2 * MANY; i++) {
		const struct line *l = line_of(&all, op[i].tid);

		ASSERT_NE(NULL, l);
		in_service += !strcmp(l->state, "in_service");
	}
	EXPECT_EQ(MANY, in_service);
	free(all.line);
	ASSERT_EQ(0, vt_shutdown(self->ep));
	for (int i = 0; i < 2 * MANY; i++)
		ASSERT_EQ(0, vt_op_join(&op[i]));
	close(second);
	free(op);
}

/* Of those that wait for work, some are named and all are counted. */
TEST_F(waits, receivers_are_not_all_named)
{
	struct vt_op op[40] = {};
	struct lines all;

	for (int i = 0; i < 40; i++)
		ASSERT_EQ(0, vt_op_start(&op[i], self->ep, VIPC_IOC_RECV));
	ASSERT_EQ(0, vt_wait_receivers(self->ep, 40));
	all = read_waits(self->id);
	EXPECT_EQ(32, all.nr);
	free(all.line);
	ASSERT_EQ(0, vt_shutdown(self->ep));
	for (int i = 0; i < 40; i++)
		ASSERT_EQ(0, vt_op_join(&op[i]));
}

#define STAY	70		/* who waits all the time */
#define COME	8		/* who come and go between them */

struct crowd {
	int ep, cap;
	int stop;
	int bad;
};

/* Comes to the queue, and leaves it: by a deadline, revoked, or with its capability. */
static void *come_and_go(void *data)
{
	struct crowd *crowd = data;
	struct vp_rng rng = vp_rng_init(1, (uint64_t)vt_gettid());
	struct vipc_msg m;
	int ret;

	while (!vp_get(&crowd->stop)) {
		m = (struct vipc_msg){
			.deadline_ns = vt_now_ns() + vp_random(&rng, 2000000),
		};
		ret = vt_call(crowd->cap, &m);
		if (ret != -ETIMEDOUT)
			vp_set(&crowd->bad, ret ? ret : 1);
	}
	return NULL;
}

/* Capabilities that can receive come and go, with a caller in service, too. */
static void *serve_and_go(void *data)
{
	struct crowd *crowd = data;
	int fd, ret;

	while (!vp_get(&crowd->stop)) {
		fd = vt_derive(crowd->ep, VIPC_RIGHT_RECV, 0);
		if (fd < 0) {
			vp_set(&crowd->bad, fd);
			continue;
		}
		/* It gives back what it cannot take: nobody is taken for good. */
		ret = vt_ioctl(fd, VIPC_IOC_RECV, NULL);
		if (ret != -EFAULT)
			vp_set(&crowd->bad, ret ? ret : 1);
		close(fd);
	}
	return NULL;
}

/*
 * Who was there all the time is there once in each reading, whoever leaves the queue
 * beside him while the lock is let go of.
 */
TEST_F(waits, while_others_come_and_go)
{
	struct vt_op stay[STAY] = {};
	pthread_t come[COME + 2];
	struct crowd crowd = { .ep = self->ep, .cap = self->cap };
	unsigned int others = 0;
	struct vipc_msg m;

	for (int i = 0; i < STAY; i++) {
		ASSERT_EQ(0, vt_op_start(&stay[i], self->cap, VIPC_IOC_CALL));
		ASSERT_EQ(0, vt_wait_senders(self->ep, i < 35 ? 1 : i - 34));
		/* The first half are in service. */
		if (i < 35)
			ASSERT_EQ(0, vt_recv_soon(self->ep, &m));
	}
	for (int i = 0; i < COME + 2; i++)
		ASSERT_EQ(0, pthread_create(&come[i], NULL,
					    i < COME ? come_and_go : serve_and_go, &crowd));
	for (int n = 0; n < 60 || !others; n++) {
		struct lines all = read_waits(self->id);
		unsigned int there = 0;

		EXPECT_FALSE(all.bad);
		for (int i = 0; i < STAY; i++)
			there += !!line_of(&all, stay[i].tid);
		EXPECT_EQ(STAY, there);
		others += all.nr > STAY;
		free(all.line);
		ASSERT_GT(10000, n);
	}
	vp_set(&crowd.stop, 1);
	for (int i = 0; i < COME + 2; i++)
		ASSERT_EQ(0, vt_join(come[i]));
	EXPECT_EQ(0, crowd.bad);
	ASSERT_EQ(0, vt_shutdown(self->ep));
	for (int i = 0; i < STAY; i++)
		ASSERT_EQ(0, vt_op_join(&stay[i]));
}

/* Read while endpoints with threads in them are killed, shut down, and made. */
TEST(waits_while_endpoints_end)
{
	struct lines all;
	pid_t pid;

	for (int i = 0; i < 40; i++) {
		pid = vt_fork();
		ASSERT_LE(0, pid);
		if (!pid) {
			struct vt_op op[20] = {};
			int ep = vt_open(), cap = vt_derive(ep, VIPC_RIGHT_SEND, 1);

			for (int k = 0; k < 20; k++)
				if (vt_op_start(&op[k], cap, VIPC_IOC_CALL))
					_exit(1);
			if (i % 2)
				vt_shutdown(ep);
			_exit(0);
		}
		while (!waitpid(pid, NULL, WNOHANG)) {
			all = read_waits(0);
			EXPECT_FALSE(all.bad);
		}
	}
}

/* In a pid namespace, numbers are what they are there; who is not there has none. */
TEST_F(waits, pid_namespace)
{
	struct vt_op outside = { .msg = { .opcode = 0 } };
	int status;
	pid_t pid;

	ASSERT_EQ(0, vt_op_start(&outside, self->cap, VIPC_IOC_CALL));
	ASSERT_EQ(0, vt_wait_senders(self->ep, 1));
	pid = vt_fork();
	ASSERT_LE(0, pid);
	if (!pid) {
		if (unshare(CLONE_NEWPID))
			_exit(2);
		pid = fork();
		if (!pid) {
			struct vt_op inside = { .msg = { .opcode = 0 } };
			struct lines all;
			const struct line *l;

			/* The first process there: its threads are from 2 on. */
			if (vt_op_start(&inside, self->cap, VIPC_IOC_CALL) ||
			    vt_wait_senders(self->ep, 2))
				_exit(3);
			all = read_waits(self->id);
			l = line_of(&all, inside.tid);
			if (all.nr != 2 || !l || inside.tid > 10 || l->process != 1)
				_exit(4);
			l = line_of(&all, 0);
			_exit(l && !l->process ? 0 : 5);
		}
		_exit(waitpid(pid, &status, 0) == pid ? WEXITSTATUS(status) : 6);
	}
	EXPECT_EQ(0, vt_reap(pid));
	ASSERT_EQ(0, vt_shutdown(self->ep));
	ASSERT_EQ(0, vt_op_join(&outside));
}

TEST_HARNESS_MAIN
