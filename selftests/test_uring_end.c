// SPDX-License-Identifier: GPL-2.0
/*
 * Rings that are closed while somebody else than the submitter has to end their
 * commands: a worker of io_uring's that waits, or a submitter that cannot run.
 */
#include <ctype.h>
#include <dirent.h>

#include "vipc_payload.h"
#include "vipc_procs.h"
#include "vipc_rings.h"

#define ENTRIES	8

FIXTURE(ring_end)
{
	int server;
	int client;
	struct io_uring ring;
};

FIXTURE_SETUP(ring_end)
{
	self->ring.ring_fd = -1;
	vt_need_uring();
	ASSERT_EQ(0, vt_ring_begin(&self->server, &self->client, VIPC_RIGHT_SEND,
				   &self->ring, ENTRIES, 0));
}

FIXTURE_TEARDOWN(ring_end)
{
	vt_ring_end(self->server, self->client, &self->ring);
}

/* A worker of io_uring's runs the blocking operation, and that can be interrupted. */
TEST_F(ring_end, worker)
{
	struct io_uring_sqe *sqe;
	struct vipc_msg m = { 0 };
	uint64_t tag;
	int res;

	/* Not the same number twice: a worker may not have done with the last one. */
	for (size_t i = 0; i < ARRAY_SIZE(vt_waiting); i++) {
		sqe = vt_prep(&self->ring, vt_sends(vt_waiting[i]) ? self->client :
			      self->server, vt_waiting[i], &m, 10 + i);
		ASSERT_NE(NULL, sqe);
		sqe->flags |= IOSQE_ASYNC;
		ASSERT_LE(1, io_uring_submit(&self->ring));
		ASSERT_EQ(0, vt_wait_queued(self->server, vt_waiting[i], 1));
		sqe = io_uring_get_sqe(&self->ring);
		ASSERT_NE(NULL, sqe);
		io_uring_prep_cancel64(sqe, 10 + i, 0);
		sqe->user_data = 2;
		ASSERT_LE(1, io_uring_submit(&self->ring));
		for (int j = 0; j < 2; j++) {
			ASSERT_EQ(0, vt_next(&self->ring, &tag, &res));
			EXPECT_EQ(tag == 2 ? -EALREADY : -EINTR, res);
		}
		ASSERT_EQ(0, vt_wait_queued(self->server, vt_waiting[i], 0));
	}
	/* And the end of the ring does so, too. */
	sqe = vt_prep(&self->ring, self->server, VIPC_IOC_RECV, &m, 1);
	ASSERT_NE(NULL, sqe);
	sqe->flags |= IOSQE_ASYNC;
	ASSERT_LE(1, io_uring_submit(&self->ring));
	ASSERT_EQ(0, vt_wait_receivers(self->server, 1));
	io_uring_queue_exit(&self->ring);
	ASSERT_EQ(0, vt_wait_receivers(self->server, 0));
	ASSERT_EQ(0, io_uring_queue_init(ENTRIES, &self->ring, 0));
}

/* A call that a worker waits with, and that no ordinary signal shall interrupt. */
static int call_in_worker(struct io_uring *ring, int client, int server, struct vipc_msg *m)
{
	struct io_uring_sqe *sqe = vt_prep(ring, client, VIPC_IOC_CALL, m, 1);
	struct vipc_msg request;
	int ret;

	m->flags = VIPC_UNINTERRUPTIBLE;
	sqe->flags |= IOSQE_ASYNC;
	ret = io_uring_submit(ring);
	return ret < 0 ? ret : vt_recv_soon(server, &request);
}

TEST_F(ring_end, worker_that_is_not_to_be_interrupted)
{
	struct vipc_msg m = { 0 };
	struct io_uring_sqe *sqe;
	uint64_t tag;
	int res;

	ASSERT_EQ(0, call_in_worker(&self->ring, self->client, self->server, &m));
	sqe = io_uring_get_sqe(&self->ring);
	ASSERT_NE(NULL, sqe);
	io_uring_prep_cancel64(sqe, 1, 0);
	sqe->user_data = 2;
	ASSERT_LE(1, io_uring_submit(&self->ring));
	for (int i = 0; i < 2; i++) {
		ASSERT_EQ(0, vt_next(&self->ring, &tag, &res));
		EXPECT_EQ(tag == 2 ? -EALREADY : -EINTR, res);
	}
	EXPECT_EQ(VIPC_MSG_DELIVERED, m.flags & VIPC_MSG_DELIVERED);
	EXPECT_EQ(0, vt_in_service(self->server));

	ASSERT_EQ(0, call_in_worker(&self->ring, self->client, self->server, &m));
	io_uring_queue_exit(&self->ring);
	ASSERT_EQ(0, vt_wait_in_service(self->server, 0));
	ASSERT_EQ(0, io_uring_queue_init(ENTRIES, &self->ring, 0));
}

/* Submits a RECV and stops. */
static void submit_and_stop(struct io_uring *ring, int server)
{
	static struct vipc_msg m;

	if (vt_submit(ring, server, VIPC_IOC_RECV, &m, 1))
		_exit(1);
	io_uring_queue_exit(ring);	/* the parent has it, too */
	raise(SIGSTOP);
	pause();
	_exit(2);
}

/* Of the kernel's worker that ends rings: 'R' while it runs; 0: there is none. */
static char state_of_closer(void)
{
	struct dirent *entry;
	DIR *dir = opendir("/proc");
	char state = 0;

	while (dir && !state && (entry = readdir(dir))) {
		char path[300], line[256];
		const char *name;
		FILE *file;

		if (!isdigit((unsigned char)*entry->d_name))
			continue;
		snprintf(path, sizeof(path), "/proc/%s/stat", entry->d_name);
		file = fopen(path, "r");
		if (!file)
			continue;
		name = fgets(line, sizeof(line), file) ? strstr(line, "+iou_exit) ") : NULL;
		if (name)
			state = name[11];
		fclose(file);
	}
	if (dir)
		closedir(dir);
	return state;
}

/*
 * A submitter that cannot look after its command does not keep the kernel busy with it:
 * that waits for the submitter to let go of the ring, asleep.
 */
TEST_F(ring_end, submitter_is_stopped)
{
	int status;
	pid_t pid;

	ASSERT_EQ(0, vt_wait_until(!state_of_closer()));
	pid = vt_fork();
	if (!pid)
		submit_and_stop(&self->ring, self->server);
	ASSERT_LT(0, pid);
	ASSERT_EQ(pid, waitpid(pid, &status, WUNTRACED));
	ASSERT_TRUE(WIFSTOPPED(status));
	EXPECT_EQ(1, vt_receivers(self->server));
	io_uring_queue_exit(&self->ring);
	ASSERT_EQ(0, vt_wait_receivers(self->server, 0));
	EXPECT_EQ(0, vt_wait_until(state_of_closer() && state_of_closer() != 'R')) {
		TH_LOG("the state is '%c'", state_of_closer());
	}
	EXPECT_EQ(VP_KILLED, vp_kill(pid));
	EXPECT_EQ(0, vt_wait_until(!state_of_closer()));
	ASSERT_EQ(0, io_uring_queue_init(ENTRIES, &self->ring, 0));
}

#define LEN	65536

/*
 * A command of a ring that nobody looks after got bytes whose sender has left. It goes
 * on to wait for the next message, unless its capability was closed meanwhile.
 */
static int pass_over(struct io_uring *ring, int server, int client, struct vipc_xmsg *x)
{
	static uint8_t out[LEN], in[LEN];
	struct vipc_xmsg m = vx_msg(1, out, LEN);
	struct vt_op op = { 0 };
	int ret = io_uring_queue_init(ENTRIES, ring, IORING_SETUP_SINGLE_ISSUER |
						IORING_SETUP_DEFER_TASKRUN);

	*x = (struct vipc_xmsg){ 0 };
	vx_set_room(x, in, LEN);
	m.msg.deadline_ns = vt_in_ms(50);
	ret = ret ?: vt_submit(ring, server, VIPC_IOC_RECV_X, x, 1);
	/* Not by this thread, which a ring interrupts that ends. */
	ret = ret ?: vx_start(&op, client, VIPC_IOC_SEND_X, &m);
	return ret ?: vx_end(&op);
}

TEST(message_passed_over)
{
	struct vipc_msg next = vt_msg(5);
	struct io_uring ring;
	int server, client;
	struct vipc_xmsg x;

	vt_need_uring();
	ASSERT_EQ(0, vx_open(&server, &client, 7, LEN));
	ASSERT_EQ(-ETIMEDOUT, pass_over(&ring, server, client, &x));
	EXPECT_EQ(0, vt_receivers(client));
	EXPECT_TRUE(vt_quiet(&ring));
	EXPECT_EQ(1, vt_receivers(client));
	EXPECT_EQ(0, vt_send(client, &next));
	EXPECT_EQ(0, vt_result(&ring, 1));
	EXPECT_TRUE(vt_msg_is(&x.msg, 5));
	io_uring_queue_exit(&ring);
}

/* Who cancels it is told that it ends. So it does, and does not wait again. */
TEST(message_passed_over_and_cancelled)
{
	struct io_uring ring;
	int server, client;
	struct vipc_xmsg x;

	vt_need_uring();
	ASSERT_EQ(0, vx_open(&server, &client, 7, LEN));
	ASSERT_EQ(-ETIMEDOUT, pass_over(&ring, server, client, &x));
	ASSERT_EQ(0, vt_submit(&ring, server, VIPC_URING_CANCEL, &x, 2));
	EXPECT_EQ(-EALREADY, vt_result(&ring, 2));
	EXPECT_EQ(-ECANCELED, vt_result(&ring, 1));
	EXPECT_EQ(0, vt_receivers(client));
	EXPECT_EQ(-ENOENT, vt_cancel(&ring, server, &x));
	io_uring_queue_exit(&ring);
}

/* A ring whose thread has to ask for its completions. */
static int renew_deferred(struct io_uring *ring)
{
	io_uring_queue_exit(ring);
	return io_uring_queue_init(ENTRIES, ring, IORING_SETUP_SINGLE_ISSUER |
						  IORING_SETUP_DEFER_TASKRUN);
}

/* A message that is kept counts more than who cancels. */
TEST_F(ring_end, message_kept_and_cancelled)
{
	struct vipc_xmsg x = { 0 };
	struct vipc_msg m = vt_msg(5);

	ASSERT_EQ(0, renew_deferred(&self->ring));
	ASSERT_EQ(0, vt_submit(&self->ring, self->server, VIPC_IOC_RECV_X, &x, 1));
	ASSERT_EQ(0, vt_send(self->client, &m));
	ASSERT_EQ(0, vt_submit(&self->ring, self->server, VIPC_URING_CANCEL, &x, 2));
	EXPECT_EQ(-EALREADY, vt_result(&self->ring, 2));
	EXPECT_EQ(0, vt_result(&self->ring, 1));
	EXPECT_TRUE(vt_msg_is(&x.msg, 5));
}

/* It is in nobody's way who cancels another one that is the same. */
TEST_F(ring_end, message_kept_and_next_cancelled)
{
	const int want[][2] = { { 2, -EALREADY }, { 3, 0 }, { 1, 0 }, { 1, -ECANCELED } };
	struct vipc_xmsg x = { 0 };
	struct vipc_msg m = vt_msg(5);
	unsigned int seen = 0;
	uint64_t tag;
	int res;

	ASSERT_EQ(0, renew_deferred(&self->ring));
	ASSERT_EQ(0, vt_submit(&self->ring, self->server, VIPC_IOC_RECV_X, &x, 1));
	ASSERT_EQ(0, vt_send(self->client, &m));
	ASSERT_EQ(0, vt_submit(&self->ring, self->server, VIPC_IOC_RECV_X, &x, 1));
	ASSERT_EQ(0, vt_submit(&self->ring, self->server, VIPC_URING_CANCEL, &x, 2));
	ASSERT_EQ(0, vt_submit(&self->ring, self->server, VIPC_URING_CANCEL, &x, 3));
	for (int i = 0; i < 4; i++) {
		ASSERT_EQ(0, vt_next(&self->ring, &tag, &res));
		for (int k = 0; k < 4; k++)
			if (tag == (uint64_t)want[k][0] && res == want[k][1])
				seen |= 1u << k;
	}
	EXPECT_EQ(15, seen);
}

TEST(message_passed_over_and_closed)
{
	struct vipc_msg next = vt_msg(5);
	struct io_uring ring;
	int server, client;
	struct vipc_xmsg x;

	vt_need_uring();
	ASSERT_EQ(0, vx_open(&server, &client, 7, LEN));
	ASSERT_EQ(-ETIMEDOUT, pass_over(&ring, server, client, &x));
	close(server);
	EXPECT_EQ(-ECANCELED, vt_result(&ring, 1));
	EXPECT_EQ(0, vt_wait_until(vt_send(client, &next) == -EPIPE));
	io_uring_queue_exit(&ring);
}

TEST_HARNESS_MAIN
