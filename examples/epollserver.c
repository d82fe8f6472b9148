// SPDX-License-Identifier: MIT
/*
 * epollserver: one thread, one epoll loop, and clients of two kinds. Calls over vipc
 * add to a sum, packets over a socket ask for it.
 *
 * A capability is a descriptor like any other to epoll. When there is something to
 * receive, the server receives without waiting until there is no more (EAGAIN).
 */
#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>
#include <vipc.h>

static unsigned long long sum;
static unsigned int calls, packets;

/* Returns whether there will be more. */
static bool serve_calls(int endpoint)
{
	struct vipc_msg msg = { 0 };
	int err;

	for (;;) {
		/* Answers the last call, if there was one, and takes the next. */
		msg.flags = VIPC_NONBLOCK;
		err = vipc_reply_recv(endpoint, &msg);
		if (err == -ESRCH) {		/* the caller did not wait for it */
			msg.reply = 0;
			continue;
		}
		if (err == -EAGAIN)
			return true;
		if (err || msg.flags & VIPC_MSG_BADGE_CLOSED)
			return false;		/* the client is gone */
		if (msg.flags & VIPC_MSG_NOTIFICATION) {
			printf("epollserver: notified of %#llx\n", msg.data[0]);
			continue;
		}
		sum += msg.data[0];
		msg.data[0] = sum;
		calls++;
	}
}

static bool serve_socket(int sock)
{
	char question, answer[32];
	int len;

	for (;;) {
		ssize_t n = recv(sock, &question, 1, MSG_DONTWAIT);

		if (n < 0)
			return errno == EAGAIN;
		if (n == 0)
			return false;
		packets++;
		len = snprintf(answer, sizeof(answer), "%llu", sum);
		if (send(sock, answer, (size_t)len, MSG_DONTWAIT | MSG_NOSIGNAL) < 0)
			return false;
	}
}

static int serve(int endpoint, int sock)
{
	struct epoll_event call = { .events = EPOLLIN, .data.fd = endpoint };
	struct epoll_event packet = { .events = EPOLLIN, .data.fd = sock };
	int epoll = epoll_create1(EPOLL_CLOEXEC);
	struct epoll_event ready[8];
	int open_ones = 2;

	if (epoll_ctl(epoll, EPOLL_CTL_ADD, endpoint, &call) ||
	    epoll_ctl(epoll, EPOLL_CTL_ADD, sock, &packet))
		return -errno;
	while (open_ones) {
		int n = epoll_wait(epoll, ready, 8, -1);

		if (n < 0 && errno != EINTR)
			return -errno;
		for (int i = 0; i < n; i++) {
			int fd = ready[i].data.fd;

			if (fd == endpoint ? serve_calls(fd) : serve_socket(fd))
				continue;
			epoll_ctl(epoll, EPOLL_CTL_DEL, fd, NULL);
			open_ones--;
		}
	}
	close(epoll);
	return 0;
}

static int client(int server, int sock)
{
	for (unsigned int n = 10; n <= 30; n += 10) {
		struct vipc_msg msg = { .data = { n } };
		char answer[32] = "";
		int err = vipc_call(server, &msg);

		if (err) {
			printf("client: %s\n", strerror(-err));
			return 1;
		}
		if (send(sock, "?", 1, 0) < 0 ||
		    recv(sock, answer, sizeof(answer) - 1, 0) < 0)
			return 1;
		printf("client: added %u: the call says %llu, the socket %s\n", n,
		       msg.data[0], answer);
	}
	return vipc_notify(server, 0x5) != 0;
}

int main(void)
{
	int endpoint = vipc_open(O_CLOEXEC), sock[2], err, status;
	int cap = vipc_derive_watched(endpoint, VIPC_RIGHT_SEND, 1);

	if (cap < 0 || socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, sock)) {
		fprintf(stderr, "epollserver: %s\n", strerror(cap < 0 ? -cap : errno));
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
	printf("epollserver: %u calls and %u packets, in one loop\n", calls, packets);
	return err || status;
}
