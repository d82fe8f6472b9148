// SPDX-License-Identifier: GPL-2.0
/*
 * What is read and written: pipes, Unix and TCP sockets. Each client has its own.
 * A server thread that has one client blocks in read(); one that has several asks
 * epoll first, as such servers do.
 */
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>
#include "bench.h"

#define LARGEST	1048576

struct fds {
	int server_in[MAX_CLIENTS], server_out[MAX_CLIENTS];
	int client_in[MAX_CLIENTS], client_out[MAX_CLIENTS];
};

static void read_all(struct run *run, int fd, void *msg)
{
	size_t done = 0;

	do {
		ssize_t n = read(fd, (char *)msg + done, run->size - done);

		if (n <= 0)
			give_up(run, "read: %s", n ? strerror(errno) : "end of file");
		done += (size_t)n;
	} while (done < run->size);
}

static void write_all(struct run *run, int fd, const void *msg)
{
	size_t done = 0;

	do {
		ssize_t n = write(fd, (const char *)msg + done, run->size - done);

		if (n < 0)
			give_up(run, "write: %s", strerror(errno));
		done += (size_t)n;
	} while (done < run->size);
}

static void *buffer(struct run *run)
{
	void *msg = calloc(1, run->size);

	if (!msg)
		give_up(run, "out of memory");
	return msg;
}

static void serve_one(struct run *run, int in, int out, void *msg)
{
	read_all(run, in, msg);
	make_answer(msg, msg, run->size);
	write_all(run, out, msg);
}

void serve_fds(struct run *run, unsigned int thread, const int *in, const int *out)
{
	unsigned int mine = (run->clients - thread + run->threads - 1) / run->threads, i;
	struct epoll_event events[MAX_CLIENTS];
	void *msg = buffer(run);
	int n, epoll;

	if (thread >= run->clients)
		for (;;)
			pause();
	if (mine == 1)
		for (;;)
			serve_one(run, in[thread], out[thread], msg);
	epoll = epoll_create1(EPOLL_CLOEXEC);
	if (epoll < 0)
		give_up(run, "epoll_create1: %s", strerror(errno));
	for (i = thread; i < run->clients; i += run->threads) {
		struct epoll_event e = { .events = EPOLLIN, .data.u32 = i };

		if (epoll_ctl(epoll, EPOLL_CTL_ADD, in[i], &e))
			give_up(run, "epoll_ctl: %s", strerror(errno));
	}
	for (;;) {
		n = epoll_wait(epoll, events, MAX_CLIENTS, -1);
		if (n < 0)
			give_up(run, "epoll_wait: %s", strerror(errno));
		while (n--)
			serve_one(run, in[events[n].data.u32], out[events[n].data.u32], msg);
	}
}

void *call_fds(struct run *run, int in, int out, void *msg)
{
	write_all(run, out, msg);
	read_all(run, in, msg);
	return msg;
}

static void fd_serve(struct run *run, unsigned int thread)
{
	struct fds *f = run->state;

	serve_fds(run, thread, f->server_in, f->server_out);
}

static void *fd_call(struct run *run, unsigned int client, void *msg)
{
	struct fds *f = run->state;

	return call_fds(run, f->client_in[client], f->client_out[client], msg);
}

static void fd_close(struct run *run)
{
	struct fds *f = run->state;
	unsigned int i;

	if (!f)
		return;
	for (i = 0; i < run->clients; i++) {
		close(f->server_in[i]);
		close(f->client_in[i]);
		if (f->server_out[i] != f->server_in[i])
			close(f->server_out[i]);
		if (f->client_out[i] != f->client_in[i])
			close(f->client_out[i]);
	}
	free(f);
}

/* @pair makes the descriptors of one client: server's in and out, client's in and out. */
static bool fd_open(struct run *run, bool (*pair)(struct run *run, int *fd))
{
	struct fds *f = calloc(1, sizeof(*f));
	unsigned int i;
	int fd[4];

	if (!f)
		return missing(run, "out of memory");
	for (i = 0; i < run->clients; i++) {
		if (!pair(run, fd)) {
			free(f);
			return false;
		}
		f->server_in[i] = fd[0];
		f->server_out[i] = fd[1];
		f->client_in[i] = fd[2];
		f->client_out[i] = fd[3];
	}
	run->state = f;
	return true;
}

static bool pipe_pair(struct run *run, int *fd)
{
	int request[2], reply[2];

	if (pipe2(request, O_CLOEXEC) || pipe2(reply, O_CLOEXEC))
		return missing(run, "pipe: %s", strerror(errno));
	/* So that a message fits at once. Where that is not allowed it goes in pieces. */
	if (run->size > 65536) {
		fcntl(request[1], F_SETPIPE_SZ, (int)run->size);
		fcntl(reply[1], F_SETPIPE_SZ, (int)run->size);
	}
	fd[0] = request[0];
	fd[1] = reply[1];
	fd[2] = reply[0];
	fd[3] = request[1];
	return true;
}

static bool unix_pair(struct run *run, int *fd, int type)
{
	int pair[2], room = LARGEST * 2, i;

	if (socketpair(AF_UNIX, type | SOCK_CLOEXEC, 0, pair))
		return missing(run, "socketpair: %s", strerror(errno));
	/* A packet has to fit into the buffer whole; root may make it large enough. */
	for (i = 0; type == SOCK_SEQPACKET && run->size > 65536 && i < 2; i++)
		setsockopt(pair[i], SOL_SOCKET, SO_SNDBUFFORCE, &room, sizeof(room));
	fd[0] = pair[0];
	fd[1] = pair[0];
	fd[2] = pair[1];
	fd[3] = pair[1];
	return true;
}

static bool stream_pair(struct run *run, int *fd)
{
	return unix_pair(run, fd, SOCK_STREAM);
}

static bool seqpacket_pair(struct run *run, int *fd)
{
	return unix_pair(run, fd, SOCK_SEQPACKET);
}

static bool tcp_pair(struct run *run, int *fd)
{
	struct sockaddr_in addr = { .sin_family = AF_INET };
	socklen_t len = sizeof(addr);
	int listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	int there = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0), here, one = 1;

	addr.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	if (listener < 0 || there < 0 || bind(listener, (struct sockaddr *)&addr, len) ||
	    listen(listener, 1) || getsockname(listener, (struct sockaddr *)&addr, &len) ||
	    connect(there, (struct sockaddr *)&addr, len))
		return missing(run, "TCP on 127.0.0.1: %s", strerror(errno));
	here = accept4(listener, NULL, NULL, SOCK_CLOEXEC);
	if (here < 0)
		return missing(run, "accept: %s", strerror(errno));
	close(listener);
	if (setsockopt(here, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one)) ||
	    setsockopt(there, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one)))
		return missing(run, "TCP_NODELAY: %s", strerror(errno));
	fd[0] = here;
	fd[1] = here;
	fd[2] = there;
	fd[3] = there;
	return true;
}

static bool pipe_open(struct run *run)
{
	return fd_open(run, pipe_pair);
}

static bool stream_open(struct run *run)
{
	return fd_open(run, stream_pair);
}

static bool seqpacket_open(struct run *run)
{
	return fd_open(run, seqpacket_pair);
}

static bool tcp_open(struct run *run)
{
	return fd_open(run, tcp_pair);
}

const struct mechanism pipe_mechanism = {
	.name = "pipe", .title = "pipe each way", .max_size = LARGEST, .flags = MECH_MANY,
	.open = pipe_open, .serve = fd_serve, .call = fd_call, .close = fd_close,
};

const struct mechanism unix_stream_mechanism = {
	.name = "unix-stream", .title = "Unix stream", .max_size = LARGEST, .flags = MECH_MANY,
	.open = stream_open, .serve = fd_serve, .call = fd_call, .close = fd_close,
};

const struct mechanism unix_seqpacket_mechanism = {
	.name = "unix-seqpacket", .title = "Unix seqpacket", .max_size = LARGEST,
	.flags = MECH_MANY,
	.open = seqpacket_open, .serve = fd_serve, .call = fd_call, .close = fd_close,
};

const struct mechanism tcp_mechanism = {
	.name = "tcp", .title = "TCP loopback", .max_size = LARGEST, .flags = MECH_MANY,
	.open = tcp_open, .serve = fd_serve, .call = fd_call, .close = fd_close,
};
