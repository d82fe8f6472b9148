// SPDX-License-Identifier: GPL-2.0
/*
 * io_uring on a Unix stream: the sending of one message and the receiving of the next
 * are linked, and submitted and waited for in one system call on each side. (On pipes
 * it needs a worker thread for each read before 6.4, and takes twenty times as long.)
 */
#include <errno.h>
#include <liburing.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>
#include "bench.h"

#define LARGEST	1048576
#define ENTRIES	4

struct sockets {
	int pair[2];		/* the server's, the client's */
};

static struct io_uring ring;	/* of this process */

/* Completions without interrupting the task where the kernel has that (6.1). */
static int new_ring(struct io_uring *r)
{
	int ret = io_uring_queue_init(ENTRIES, r,
				      IORING_SETUP_SINGLE_ISSUER | IORING_SETUP_DEFER_TASKRUN);

	return ret == -EINVAL ? io_uring_queue_init(ENTRIES, r, 0) : ret;
}

static bool uring_open(struct run *run)
{
	struct io_uring probe;
	struct sockets *p;
	int ret = new_ring(&probe);

	if (ret)
		return missing(run, "io_uring_setup: %s", strerror(-ret));
	io_uring_queue_exit(&probe);
	p = calloc(1, sizeof(*p));
	if (!p || socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, p->pair)) {
		missing(run, "socketpair: %s", strerror(errno));
		free(p);
		return false;
	}
	run->state = p;
	return true;
}

static void uring_close(struct run *run)
{
	struct sockets *p = run->state;

	if (!p)
		return;
	close(p->pair[0]);
	close(p->pair[1]);
	free(p);
}

static void uring_start(struct run *run)
{
	int ret = new_ring(&ring);

	if (ret)
		give_up(run, "io_uring_setup: %s", strerror(-ret));
}

static size_t completed(struct run *run, const char *what)
{
	struct io_uring_cqe *cqe;
	int ret = io_uring_wait_cqe(&ring, &cqe);
	size_t done;

	if (ret)
		give_up(run, "io_uring_wait_cqe: %s", strerror(-ret));
	if (cqe->res <= 0)
		give_up(run, "io_uring, %s: %s", what, strerror(-cqe->res));
	done = (size_t)cqe->res;
	io_uring_cqe_seen(&ring, cqe);
	return done;
}

static void receive_into(int fd, char *msg, size_t len)
{
	io_uring_prep_recv(io_uring_get_sqe(&ring), fd, msg, len, MSG_WAITALL);
}

/* Whatever comes in pieces: @done bytes of the message are there. */
static void receive_rest(struct run *run, int fd, char *msg, size_t done)
{
	for (; done < run->size; done += completed(run, "receive")) {
		receive_into(fd, msg + done, run->size - done);
		io_uring_submit(&ring);
	}
}

/* Send a message whole, and receive the next one whole. */
static void send_and_receive(struct run *run, int fd, char *msg)
{
	struct io_uring_sqe *sqe = io_uring_get_sqe(&ring);
	int ret;

	io_uring_prep_send(sqe, fd, msg, run->size, MSG_WAITALL);
	sqe->flags |= IOSQE_IO_LINK;
	receive_into(fd, msg, run->size);
	ret = io_uring_submit_and_wait(&ring, 2);
	if (ret < 0)
		give_up(run, "io_uring_submit_and_wait: %s", strerror(-ret));
	if (completed(run, "send") != run->size)
		give_up(run, "io_uring sent less than %zu bytes", run->size);
	receive_rest(run, fd, msg, completed(run, "receive"));
}

static void uring_serve(struct run *run, unsigned int thread)
{
	const struct sockets *p = run->state;
	char *msg = calloc(1, run->size);

	(void)thread;
	/* A ring belongs to the thread that made it. */
	uring_start(run);
	if (!msg)
		give_up(run, "out of memory");
	receive_rest(run, p->pair[0], msg, 0);
	for (;;) {
		make_answer(msg, msg, run->size);
		send_and_receive(run, p->pair[0], msg);
	}
}

static void uring_client(struct run *run, unsigned int client)
{
	(void)client;
	uring_start(run);
}

static void *uring_call(struct run *run, unsigned int client, void *msg)
{
	const struct sockets *p = run->state;

	(void)client;
	send_and_receive(run, p->pair[1], msg);
	return msg;
}

const struct mechanism uring_mechanism = {
	.name = "io_uring", .title = "io_uring + Unix", .max_size = LARGEST,
	.open = uring_open, .serve = uring_serve, .client = uring_client, .call = uring_call,
	.close = uring_close,
};
