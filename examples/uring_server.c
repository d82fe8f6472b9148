// SPDX-License-Identifier: MIT
/*
 * uring_server: one thread, one io_uring, and clients of two kinds. Calls over vipc
 * add to a sum, packets over a socket ask for it. And the client is one thread that has
 * sixteen calls under way at a time.
 *
 * The server gives the ring a message for the next call together with the answer to the
 * last one (REPLY_RECV), so that calls that come at once are served by one system call.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>
#include <vipc.h>
#include <vipc_uring.h>

#define RECEIVERS	16	/* messages for calls that come at once */
#define CALLS		16	/* of the client's, under way at a time */
#define ROUNDS		10

enum { SOCKET = RECEIVERS };	/* user_data: below, the number of a message */

static struct vipc_msg msgs[RECEIVERS];
static struct io_uring ring;
static struct vipc_uring *vu;
static unsigned long long sum;
static unsigned int calls, packets, batches;

static int start(void)
{
	int err = io_uring_queue_init(64, &ring, 0);

	return err ? err : vipc_uring_init(&vu, &ring);
}

static void expect_call(int endpoint, unsigned int i)
{
	struct io_uring_sqe *sqe = io_uring_get_sqe(&ring);

	vipc_prep_reply_recv(sqe, endpoint, &msgs[i]);
	sqe->user_data = i;
}

static void expect_packet(int sock, char *question)
{
	struct io_uring_sqe *sqe = io_uring_get_sqe(&ring);

	io_uring_prep_recv(sqe, sock, question, 1, 0);
	sqe->user_data = SOCKET;
}

/* Returns how many more receivers there will be. */
static int take_call(int endpoint, unsigned int i, int res)
{
	struct vipc_msg *msg = &msgs[i];

	if (res == -ESRCH) {			/* the caller did not wait for it */
		msg->reply = 0;
	} else if (res || msg->flags & VIPC_MSG_BADGE_CLOSED) {
		return -1;			/* the client is gone */
	} else if (msg->flags & VIPC_MSG_NOTIFICATION) {
		printf("uring_server: notified of %#llx\n",
		       (unsigned long long)msg->data[0]);
	} else {
		sum += msg->data[0];
		msg->data[0] = sum;
		calls++;
	}
	expect_call(endpoint, i);
	return 0;
}

static int take_packet(int sock, char *question, int res)
{
	char answer[32];
	int len;

	if (res <= 0)
		return -1;
	packets++;
	len = snprintf(answer, sizeof(answer), "%llu", sum);
	if (send(sock, answer, (size_t)len, MSG_DONTWAIT | MSG_NOSIGNAL) < 0)
		return -1;
	expect_packet(sock, question);
	return 0;
}

/* Until the notice that the client's capability is gone. */
static int serve(int endpoint, int sock)
{
	struct io_uring_cqe *cqe;
	char question;
	int err;

	err = start();
	if (err)
		return err;
	for (unsigned int i = 0; i < RECEIVERS; i++)
		expect_call(endpoint, i);
	expect_packet(sock, &question);
	for (;;) {
		/* Answers and receivers go out together, and the next calls come in. */
		err = vipc_uring_submit_and_wait(vu, 1);
		if (err < 0)
			return err;
		batches++;
		while (!vipc_uring_peek_cqe(vu, &cqe)) {
			unsigned long long who = cqe->user_data;
			int res = cqe->res;

			vipc_uring_cqe_seen(vu, cqe);
			if (who == SOCKET)
				take_packet(sock, &question, res);
			else if (take_call(endpoint, (unsigned int)who, res))
				return 0;
		}
	}
}

static int call_many(int server, unsigned int n)
{
	struct vipc_msg m[CALLS];
	struct io_uring_cqe *cqe;
	int err;

	for (unsigned int i = 0; i < CALLS; i++) {
		m[i] = (struct vipc_msg){ .data = { n } };
		vipc_prep_call(io_uring_get_sqe(&ring), server, &m[i]);
	}
	err = vipc_uring_submit(vu);
	for (unsigned int i = 0; i < CALLS && err >= 0; i++) {
		err = vipc_uring_wait_cqe(vu, &cqe);
		if (err)
			break;
		err = cqe->res;
		vipc_uring_cqe_seen(vu, cqe);
	}
	return err < 0 ? err : 0;
}

static int client(int server, int sock)
{
	int err = start();

	for (unsigned int n = 1; n <= ROUNDS && !err; n++)
		err = call_many(server, n);
	for (int i = 0; i < 3 && !err; i++) {
		char answer[32] = "";

		if (send(sock, "?", 1, 0) < 0 ||
		    recv(sock, answer, sizeof(answer) - 1, 0) < 0)
			err = -errno;
		printf("client: after %d calls, the socket says %s\n",
		       CALLS * ROUNDS, answer);
	}
	if (!err)
		err = vipc_notify(server, 0x5);
	if (err)
		printf("client: %s\n", strerror(-err));
	vipc_uring_exit(vu);
	io_uring_queue_exit(&ring);
	return err != 0;
}

int main(void)
{
	int endpoint = vipc_open(O_CLOEXEC), sock[2], err, status = 0;
	int cap = vipc_derive_watched(endpoint, VIPC_RIGHT_SEND, 1);

	if (cap < 0 || socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, sock)) {
		fprintf(stderr, "uring_server: %s\n", strerror(cap < 0 ? -cap : errno));
		return 1;
	}
	setvbuf(stdout, NULL, _IOLBF, 0);
	if (fork() == 0) {
		close(endpoint);
		close(sock[0]);
		return client(cap, sock[1]);
	}
	close(cap);
	close(sock[1]);
	err = serve(endpoint, sock[0]);
	wait(&status);
	if (err)
		fprintf(stderr, "uring_server: %s\n", strerror(-err));
	printf("uring_server: %u calls and %u packets, in one ring, sum %llu\n", calls,
	       packets, sum);
	/* A call and its answer take two system calls otherwise, a packet three. */
	if (batches)
		printf("uring_server: %.1f of them a system call\n",
		       (double)(calls + packets) / batches);
	return err || status;
}
