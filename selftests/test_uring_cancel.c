// SPDX-License-Identifier: GPL-2.0
/*
 * Commands of io_uring's that nobody answers: every way in which they end, and that
 * nothing of them is left.
 */
#include "vipc_ring_fixture.h"

#define RACES	300

TEST_F(uring, by_command)
{
	for (size_t i = 0; i < ARRAY_SIZE(vt_waiting); i++) {
		int fd = vt_sends(vt_waiting[i]) ? self->client : self->server;
		struct vipc_msg m = vt_msg(i), other = { 0 };
		uint64_t tags[2];
		int res[2];

		m.flags = 0xabcd0000;
		ASSERT_EQ(0, vt_submit(&self->ring, fd, vt_waiting[i], &m, 1));
		ASSERT_EQ(0, vt_wait_queued(self->server, vt_waiting[i], 1));
		EXPECT_EQ(-ENOENT, vt_cancel(&self->ring, fd, &other));
		EXPECT_EQ(-ENOENT, vt_cancel(&self->ring, vt_sends(vt_waiting[i]) ?
					     self->server : self->client, &m));
		ASSERT_EQ(0, vt_submit(&self->ring, fd, VIPC_URING_CANCEL, &m, 2));
		for (int j = 0; j < 2; j++)
			ASSERT_EQ(0, vt_next(&self->ring, &tags[j], &res[j]));
		EXPECT_EQ(3, tags[0] + tags[1]);
		EXPECT_EQ(-ECANCELED, res[tags[1] == 1]);
		EXPECT_EQ(0, res[tags[1] == 2]);
		EXPECT_EQ(0xabcd0000, m.flags);
		EXPECT_TRUE(vt_msg_is(&m, i));
		ASSERT_EQ(0, vt_wait_queued(self->server, vt_waiting[i], 0));
		EXPECT_EQ(-ENOENT, vt_cancel(&self->ring, fd, &m));
	}
}

/* A call that was taken: it says so, and the answer is nobody's. */
TEST_F(uring, in_service)
{
	struct vipc_msg m = vt_msg(1), in;
	uint64_t tag;
	int res;

	m.flags = 0xabcd0000 | VIPC_UNINTERRUPTIBLE;
	ASSERT_EQ(0, vt_submit(&self->ring, self->client, VIPC_IOC_CALL, &m, 1));
	ASSERT_EQ(0, vt_recv_soon(self->server, &in));
	ASSERT_EQ(0, vt_submit(&self->ring, self->client, VIPC_URING_CANCEL, &m, 2));
	for (int i = 0; i < 2; i++) {
		ASSERT_EQ(0, vt_next(&self->ring, &tag, &res));
		EXPECT_EQ(tag == 1 ? -ECANCELED : 0, res);
	}
	EXPECT_EQ(0xabcd0000 | VIPC_UNINTERRUPTIBLE | VIPC_MSG_DELIVERED, m.flags);
	EXPECT_EQ(0, vt_in_service(self->server));
	EXPECT_EQ(-ESRCH, vt_reply(self->server, &in));
}

/* Another ring's operation is not found, even with the same message. */
TEST_F(uring, of_another_ring)
{
	struct io_uring other;
	struct vipc_msg m = { 0 };

	ASSERT_EQ(0, io_uring_queue_init(4, &other, 0));
	ASSERT_EQ(0, vt_submit(&self->ring, self->server, VIPC_IOC_RECV, &m, 1));
	ASSERT_EQ(0, vt_wait_receivers(self->server, 1));
	EXPECT_EQ(-ENOENT, vt_cancel(&other, self->server, &m));
	EXPECT_EQ(1, vt_receivers(self->server));
	io_uring_queue_exit(&other);
}

/* The same message twice is the caller's mistake: both can be cancelled. */
TEST_F(uring, same_message_twice)
{
	struct vipc_msg m = { 0 };
	int canceled = 0, zero = 0, res;
	uint64_t tag;

	for (int i = 0; i < 2; i++)
		ASSERT_EQ(0, vt_submit(&self->ring, self->server, VIPC_IOC_RECV,
				       &m, 1));
	ASSERT_EQ(0, vt_wait_receivers(self->server, 2));
	for (int i = 0; i < 2; i++)
		ASSERT_EQ(0, vt_submit(&self->ring, self->server,
				       VIPC_URING_CANCEL, &m, 2));
	for (int i = 0; i < 4; i++) {
		ASSERT_EQ(0, vt_next(&self->ring, &tag, &res));
		canceled += tag == 1 && res == -ECANCELED;
		zero += tag == 2 && res == 0;
	}
	EXPECT_EQ(2, canceled);
	EXPECT_EQ(2, zero);
}

/* io_uring's own way of cancelling does not reach commands: hence ours. */
TEST_F(uring, async_cancel_finds_nothing)
{
	struct io_uring_sqe *sqe;
	struct vipc_msg m = { 0 };

	ASSERT_EQ(0, vt_submit(&self->ring, self->server, VIPC_IOC_RECV, &m, 1));
	ASSERT_EQ(0, vt_wait_receivers(self->server, 1));
	sqe = io_uring_get_sqe(&self->ring);
	ASSERT_NE(NULL, sqe);
	io_uring_prep_cancel64(sqe, 1, 0);
	sqe->user_data = 2;
	ASSERT_LE(1, io_uring_submit(&self->ring));
	EXPECT_EQ(-ENOENT, vt_result(&self->ring, 2));
	EXPECT_EQ(1, vt_receivers(self->server));
}

TEST_F(uring, deadline)
{
	for (size_t i = 0; i < ARRAY_SIZE(vt_waiting); i++) {
		int fd = vt_sends(vt_waiting[i]) ? self->client : self->server;
		struct vipc_msg m = vt_msg(i);
		uint64_t deadline = vt_in_ms(150);

		m.deadline_ns = deadline;
		ASSERT_EQ(0, vt_submit(&self->ring, fd, vt_waiting[i], &m, 1));
		EXPECT_EQ(-ETIMEDOUT, vt_result(&self->ring, 1));
		EXPECT_LE(deadline, vt_now_ns());
		EXPECT_EQ(0, m.flags);
		EXPECT_EQ(deadline, m.deadline_ns);
		EXPECT_EQ(0, vt_senders(self->server));
		EXPECT_EQ(0, vt_receivers(self->server));
	}
}

/* It counts while the submitter does something else, and in service. */
TEST_F(uring, deadline_in_service)
{
	struct vipc_msg m = vt_msg(1), in;

	m.deadline_ns = vt_in_ms(300);
	ASSERT_EQ(0, vt_submit(&self->ring, self->client, VIPC_IOC_CALL, &m, 1));
	ASSERT_EQ(0, vt_recv_soon(self->server, &in));
	EXPECT_EQ(1, vt_in_service(self->server));
	ASSERT_EQ(0, vt_wait_in_service(self->server, 0));
	EXPECT_EQ(-ESRCH, vt_reply(self->server, &in));
	EXPECT_EQ(-ETIMEDOUT, vt_result(&self->ring, 1));
	EXPECT_EQ(VIPC_MSG_DELIVERED, m.flags);
}

TEST_F(uring, revoked)
{
	for (size_t i = 0; i < 2; i++) {
		int fd = vt_derive(self->server, VIPC_RIGHT_SEND | VIPC_RIGHT_RECV, 0);
		struct vipc_msg m[4] = { 0 };

		ASSERT_LE(0, fd);
		for (int j = 0; j < 4; j++)
			ASSERT_EQ(0, vt_submit(&self->ring, fd, vt_waiting[2 * i + j % 2],
					       &m[j], 1));
		ASSERT_EQ(0, vt_wait_queued(self->server, vt_waiting[2 * i], 4));
		ASSERT_EQ(0, vt_revoke(self->server));
		for (int j = 0; j < 4; j++)
			EXPECT_EQ(-EKEYREVOKED, vt_result(&self->ring, 1));
		EXPECT_EQ(-EKEYREVOKED, vt_uring(&self->ring, fd, VIPC_IOC_SEND, &m));
		EXPECT_EQ(-EKEYREVOKED, vt_uring(&self->ring, fd, VIPC_IOC_RECV, &m));
		close(fd);
	}
}

TEST_F(uring, shutdown)
{
	struct vipc_msg m[2] = { 0 }, in;

	/* One is taken, the other one waits. */
	for (int i = 0; i < 2; i++)
		ASSERT_EQ(0, vt_submit(&self->ring, self->client, VIPC_IOC_CALL,
				       &m[i], 10 + i));
	ASSERT_EQ(0, vt_recv_soon(self->server, &in));
	ASSERT_EQ(0, vt_ioctl(self->server, VIPC_IOC_SHUTDOWN, NULL));
	for (int i = 0; i < 2; i++) {
		uint64_t tag;
		int res;

		ASSERT_EQ(0, vt_next(&self->ring, &tag, &res));
		EXPECT_EQ(tag == 10 ? -ECONNRESET : -EPIPE, res);
	}
	EXPECT_EQ(VIPC_MSG_DELIVERED, m[0].flags);
	EXPECT_EQ(0, m[1].flags);
	EXPECT_EQ(-EPIPE, vt_uring(&self->ring, self->server, VIPC_IOC_RECV, m));
}

/* Everything that waits, at once. */
static int fill(struct io_uring *ring, int server, int client)
{
	static struct vipc_msg m[40];
	int err = 0;

	for (size_t i = 0; i < 40 && !err; i++) {
		unsigned long cmd = vt_waiting[i % 2 + (i >= 20 ? 2 : 0)];

		m[i] = (struct vipc_msg){ .deadline_ns = i & 4 ? vt_in_ms(1000000) : 0 };
		err = vt_submit(ring, vt_sends(cmd) ? client : server, cmd, &m[i], i);
		/* Receivers of what was sent, then those who wait. */
	}
	return err;
}

TEST_F(uring, ring_exit)
{
	int second = vt_open();

	ASSERT_LE(0, second);
	/* Senders here, receivers there. */
	ASSERT_EQ(0, fill(&self->ring, second, self->client));
	ASSERT_EQ(0, vt_wait_senders(self->server, 20));
	ASSERT_EQ(0, vt_wait_receivers(second, 20));
	io_uring_queue_exit(&self->ring);
	ASSERT_EQ(0, vt_wait_senders(self->server, 0));
	ASSERT_EQ(0, vt_wait_receivers(second, 0));
	close(second);
	ASSERT_EQ(0, io_uring_queue_init(URING_ENTRIES, &self->ring, 0));
}

/* What happens to the process that has submitted all this. */
enum fate { KILLED, EXITS, EXECUTES, FATES };

static void child(unsigned int flags, enum fate fate, int server, int client,
		  int go)
{
	char *const argv[] = { (char *)"sleep", (char *)"1000", NULL };
	struct io_uring mine;
	char byte;

	if (io_uring_queue_init(URING_ENTRIES, &mine, flags) ||
	    fill(&mine, server, client))
		_exit(1);
	if (read(go, &byte, 1) != 1)
		_exit(2);
	if (fate == EXITS)
		_exit(0);
	if (fate == EXECUTES)
		execvp(argv[0], argv);
	pause();
	_exit(3);
}

TEST_F(uring, process_ends)
{
	for (int fate = 0; fate < FATES; fate++) {
		int second = vt_open(), go[2];
		pid_t pid;

		ASSERT_LE(0, second);
		ASSERT_EQ(0, pipe2(go, O_CLOEXEC));
		pid = vt_fork();
		if (!pid)
			child(variant->flags, fate, second, self->client, go[0]);
		ASSERT_LT(0, pid);
		ASSERT_EQ(0, vt_wait_senders(self->server, 20));
		ASSERT_EQ(0, vt_wait_receivers(second, 20));
		if (fate == KILLED) {
			ASSERT_EQ(0, kill(pid, SIGKILL));
		} else {
			ASSERT_EQ(1, write(go[1], "g", 1));
		}
		ASSERT_EQ(0, vt_wait_senders(self->server, 0)) {
			TH_LOG("fate %d", fate);
		}
		ASSERT_EQ(0, vt_wait_receivers(second, 0));
		if (fate == EXECUTES) {
			ASSERT_EQ(0, kill(pid, SIGKILL));
		}
		EXPECT_EQ(fate == EXITS ? 0 : 256 + SIGKILL, vt_reap(pid));
		close(second);
		close(go[0]);
		close(go[1]);
	}
}

/* The server is a process with nothing but commands in its ring, and dies. */
TEST_F(uring, server_dies)
{
	struct vipc_msg m = vt_msg(1);
	struct vt_op op = { .msg = vt_msg(2) };
	int go[2];
	pid_t pid;

	ASSERT_EQ(0, pipe2(go, O_CLOEXEC));
	pid = vt_fork();
	if (!pid) {
		struct vipc_msg in = { 0 }, more[3] = { 0 };
		struct io_uring mine;
		char byte;

		close(self->client);
		if (io_uring_queue_init(8, &mine, variant->flags) ||
		    vt_uring(&mine, self->server, VIPC_IOC_RECV, &in))
			_exit(1);
		for (int i = 0; i < 3; i++)
			if (vt_submit(&mine, self->server, VIPC_IOC_REPLY_RECV,
				      &more[i], i))
				_exit(2);
		close(self->server);
		/*
		 * Now only the ring ... which has lost them by that. While the parent
		 * makes a thread, SIGCHLD would interrupt the call.
		 */
		if (read(go[0], &byte, 1) != 1)
			_exit(3);
		kill(getpid(), SIGKILL);
	}
	ASSERT_LT(0, pid);
	close(self->server);
	ASSERT_EQ(0, vt_op_start(&op, self->client, VIPC_IOC_CALL));
	ASSERT_EQ(1, write(go[1], "g", 1));
	ASSERT_EQ(0, vt_op_join(&op));
	EXPECT_EQ(-ECONNRESET, op.ret);
	EXPECT_EQ(-EPIPE, vt_uring(&self->ring, self->client, VIPC_IOC_CALL, &m));
	EXPECT_EQ(256 + SIGKILL, vt_reap(pid));
	close(go[0]);
	close(go[1]);
}

/* The last descriptor of the process is closed, its commands would pin the file. */
TEST_F(uring, closed)
{
	struct vipc_msg m[4] = { 0 }, call = vt_msg(1);
	struct vt_op op = { .msg = vt_msg(2) };
	int copy = dup(self->server);

	ASSERT_LE(0, copy);
	for (int i = 0; i < 4; i++)
		ASSERT_EQ(0, vt_submit(&self->ring, self->server, VIPC_IOC_RECV,
				       &m[i], 1));
	ASSERT_EQ(0, vt_wait_receivers(self->server, 4));
	ASSERT_EQ(0, vt_op_start(&op, self->client, VIPC_IOC_CALL));
	ASSERT_EQ(0, vt_result(&self->ring, 1));
	ASSERT_EQ(1, vt_in_service(self->server));

	/* It is still to be had under another number. */
	close(self->server);
	EXPECT_EQ(3, vt_receivers(copy));
	EXPECT_TRUE(vt_quiet(&self->ring));
	close(copy);
	for (int i = 0; i < 3; i++)
		EXPECT_EQ(-ECANCELED, vt_result(&self->ring, 1));
	ASSERT_EQ(0, vt_op_join(&op));
	EXPECT_EQ(-ECONNRESET, op.ret);
	EXPECT_EQ(-EPIPE, vt_call(self->client, &call));
	self->server = vt_open();
}

/* As soon as it is seen to wait: the thread of a polled ring has not done with it. */
TEST_F(uring, closed_at_once)
{
	struct vipc_msg m = { 0 };

	for (int i = 0; i < 500; i++) {
		uint64_t limit = vt_now_ns() + VT_LIMIT_NS;
		int info = vt_derive(self->server, 0, 0);

		ASSERT_EQ(0, vt_submit(&self->ring, self->server, VIPC_IOC_RECV, &m, 1));
		while (!vt_receivers(info))
			ASSERT_GT(limit, vt_now_ns());
		close(self->server);
		ASSERT_EQ(-ECANCELED, vt_result(&self->ring, 1)) {
			TH_LOG("in round %d", i);
		}
		close(info);
		self->server = vt_open();
	}
}

/* Somebody else's descriptor for the same file does not keep what one has closed. */
TEST_F(uring, closed_but_for_a_fork)
{
	struct vipc_msg m = { 0 };
	pid_t pid = vt_fork();
	int info = vt_derive(self->server, 0, 0);

	ASSERT_LE(0, pid);
	if (!pid) {
		pause();
		_exit(0);
	}
	ASSERT_EQ(0, vt_submit(&self->ring, self->server, VIPC_IOC_RECV, &m, 1));
	ASSERT_EQ(0, vt_wait_receivers(info, 1));
	close(self->server);
	EXPECT_EQ(-ECANCELED, vt_result(&self->ring, 1));
	EXPECT_EQ(0, vt_receivers(info));
	EXPECT_EQ(VIPC_STATE_LIVE,
		  vt_info_u32(info, offsetof(struct vipc_info, state)));
	kill(pid, SIGKILL);
	EXPECT_EQ(256 + SIGKILL, vt_reap(pid));
	ASSERT_EQ(0, vt_wait_state(info, VIPC_STATE_DEAD));
	close(info);
	self->server = vt_open();
}

/* A child that closes what it inherited leaves the parent's commands alone. */
TEST_F(uring, closed_by_a_child)
{
	struct vipc_msg m = { 0 }, out = vt_msg(3);
	pid_t pid;

	ASSERT_EQ(0, vt_submit(&self->ring, self->server, VIPC_IOC_RECV, &m, 1));
	ASSERT_EQ(0, vt_wait_receivers(self->server, 1));
	pid = vt_fork();
	if (!pid) {
		close(self->server);
		_exit(0);
	}
	EXPECT_EQ(0, vt_reap(pid));
	EXPECT_EQ(1, vt_receivers(self->server));
	ASSERT_EQ(0, vt_send(self->client, &out));
	EXPECT_EQ(0, vt_result(&self->ring, 1));
	EXPECT_TRUE(vt_msg_is(&m, 3));
}

/* What is registered with the ring stays usable through it, and so do its commands. */
TEST_F(uring, registered)
{
	struct vipc_msg m = { 0 }, out = vt_msg(3);
	struct io_uring_sqe *sqe;

	ASSERT_EQ(0, io_uring_register_files(&self->ring, &self->server, 1));
	for (int round = 0; round < 2; round++) {
		sqe = vt_prep(&self->ring, 0, VIPC_IOC_RECV, &m, 1);
		ASSERT_NE(NULL, sqe);
		sqe->flags |= IOSQE_FIXED_FILE;
		ASSERT_LE(1, io_uring_submit(&self->ring));
		if (!round) {
			ASSERT_EQ(0, vt_wait_receivers(self->server, 1));
			close(self->server);
		}
		EXPECT_TRUE(vt_quiet(&self->ring));
		ASSERT_EQ(0, vt_send(self->client, &out));
		EXPECT_EQ(0, vt_result(&self->ring, 1));
	}
	sqe = vt_prep(&self->ring, 0, VIPC_IOC_RECV, &m, 1);
	ASSERT_NE(NULL, sqe);
	sqe->flags |= IOSQE_FIXED_FILE;
	ASSERT_LE(1, io_uring_submit(&self->ring));
	EXPECT_TRUE(vt_quiet(&self->ring));
	sqe = vt_prep(&self->ring, 0, VIPC_URING_CANCEL, &m, 2);
	ASSERT_NE(NULL, sqe);
	sqe->flags |= IOSQE_FIXED_FILE;
	ASSERT_LE(1, io_uring_submit(&self->ring));
	for (int i = 0; i < 2; i++) {
		uint64_t tag;
		int res;

		ASSERT_EQ(0, vt_next(&self->ring, &tag, &res));
		EXPECT_EQ(tag == 1 ? -ECANCELED : 0, res);
	}
	self->server = vt_open();
}

/* The module stays while commands are queued, though no descriptor is left. */
TEST_F(uring, module_stays)
{
	struct vipc_msg m = { 0 };
	struct io_uring_sqe *sqe;

	ASSERT_EQ(0, io_uring_register_files(&self->ring, &self->server, 1));
	sqe = vt_prep(&self->ring, 0, VIPC_IOC_RECV, &m, 1);
	ASSERT_NE(NULL, sqe);
	sqe->flags |= IOSQE_FIXED_FILE;
	ASSERT_LE(1, io_uring_submit(&self->ring));
	ASSERT_EQ(0, vt_wait_receivers(self->server, 1));
	close(self->client);
	close(self->server);
	EXPECT_EQ(-1, syscall(SYS_delete_module, "vipc", O_NONBLOCK));
	EXPECT_EQ(EWOULDBLOCK, errno);
	self->server = vt_open();
	self->client = vt_derive(self->server, VIPC_RIGHT_SEND, 7);
}

/* A cancelling thread against one that answers: one of the two has it. */
struct racer {
	int server;
	uint64_t reply;
	int ret;
	int go;
};

static void *answer(void *data)
{
	struct racer *r = data;
	struct vipc_msg m = { 0 };

	for (;;) {
		int go = __atomic_load_n(&r->go, __ATOMIC_ACQUIRE);

		if (go < 0)
			return NULL;
		if (go != 1)
			continue;
		m.reply = r->reply;
		m.data[0] = 77;
		r->ret = vt_reply(r->server, &m);
		__atomic_store_n(&r->go, 2, __ATOMIC_RELEASE);
	}
}

TEST_F(uring, races_with_answer)
{
	struct racer r = { .server = self->server };
	int won = 0, lost = 0, delay = 0;
	pthread_t thread;

	ASSERT_EQ(0, pthread_create(&thread, NULL, answer, &r));
	for (int i = 0; i < RACES; i++) {
		struct vipc_msg m = vt_msg(i), in;
		int res[2] = { 1, 1 };

		ASSERT_EQ(0, vt_submit(&self->ring, self->client, VIPC_IOC_CALL, &m, 0));
		ASSERT_EQ(0, vt_recv_soon(self->server, &in));
		r.reply = in.reply;
		vt_prep(&self->ring, self->client, VIPC_URING_CANCEL, &m, 1);
		__atomic_store_n(&r.go, 1, __ATOMIC_RELEASE);
		/* Now and then one after the other, for sure. */
		if (i % 10 == 9) {
			ASSERT_EQ(0, vt_wait_until(__atomic_load_n(&r.go, __ATOMIC_ACQUIRE) == 2));
		}
		/* Else later if the cancelling was first, and the other way round. */
		for (volatile int j = 0; j < delay; j++)
			;
		ASSERT_LE(0, io_uring_submit(&self->ring));
		for (int j = 0; j < 2; j++) {
			uint64_t tag;
			int got;

			ASSERT_EQ(0, vt_next(&self->ring, &tag, &got));
			res[tag] = got;
		}
		ASSERT_EQ(0, vt_wait_until(__atomic_load_n(&r.go, __ATOMIC_ACQUIRE) == 2));
		if (r.ret) {
			EXPECT_EQ(-ESRCH, r.ret);
			EXPECT_EQ(0, res[1]);
			EXPECT_EQ(-ECANCELED, res[0]);
			EXPECT_EQ(VIPC_MSG_DELIVERED, m.flags);
			won++;
			delay = delay < 1000000 ? 2 * delay + 50 : delay;
		} else {
			EXPECT_EQ(-ENOENT, res[1]);
			EXPECT_EQ(0, res[0]);
			EXPECT_EQ(77, m.data[0]);
			lost++;
			delay = i % 10 == 9 ? delay : delay / 2;
		}
		EXPECT_EQ(0, vt_in_service(self->server));
	}
	__atomic_store_n(&r.go, -1, __ATOMIC_RELEASE);
	ASSERT_EQ(0, vt_join(thread));
	TH_LOG("cancelled %d, answered %d", won, lost);
	EXPECT_LE(RACES / 10, lost);
}

TEST_HARNESS_MAIN
