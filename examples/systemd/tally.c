// SPDX-License-Identifier: MIT
/*
 * tally: a server that systemd starts when the first client comes, and whose clients do
 * not lose it when it crashes or is restarted. See README.md here.
 *
 *	tally			the server: as a unit, or anywhere with TALLY_SOCKET=PATH
 *	tally PATH WORD...	a client: adds numbers, one call for each, and shows the
 *				sum; the word crash makes the server crash
 *
 * What survives is the endpoint: the service manager keeps it, so that clients keep
 * their capabilities and their messages wait. The sum does not survive; a server that
 * needs that keeps it in a file, or in a memfd that it stores likewise.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <vipc.h>
#include <vipc_name.h>

#define PATIENCE_NS	10000000000ull

enum { ADD, CRASH };

static unsigned long long sum;
static int endpoint = -1;

static int handle(struct vipc_msg *msg, void *arg)
{
	(void)arg;
	if (msg->flags & VIPC_MSG_BADGE_CLOSED) {
		printf("tally: client %llu is gone\n", msg->badge);
		return VIPC_SERVE_REPLY;
	}
	if (msg->flags & VIPC_MSG_NOTIFICATION)
		return VIPC_SERVE_REPLY;
	if (msg->opcode == CRASH)
		abort();
	sum += msg->data[0];
	msg->data[0] = sum;
	msg->data[1] = (__u64)getpid();
	return VIPC_SERVE_REPLY;
}

/* Who may connect is the socket's affair (SocketMode=); this only tells. */
static int admit(const struct vipc_peer *peer, unsigned int *rights, __u64 *badge, void *arg)
{
	(void)arg;
	(void)rights;
	printf("tally: client %llu is process %d of user %u\n", *badge, peer->pid, peer->uid);
	return 0;
}

/* The endpoint of the server before this one, if there was one. */
static int find_endpoint(void)
{
	int fd = vipc_inherited("tally-endpoint");
	int err;

	if (fd >= 0) {
		printf("tally: took over\n");
		return fd;
	}
	fd = vipc_open(O_CLOEXEC);
	if (fd < 0)
		return fd;
	err = vipc_store("tally-endpoint", fd);
	if (err)
		printf("tally: nobody keeps the endpoint: %s\n", strerror(-err));
	return fd;
}

static int publish(struct vipc_publication **publication)
{
	const char *path = getenv("TALLY_SOCKET");
	int listener = vipc_inherited("tally-socket");

	if (listener >= 0)
		return vipc_publish_listener(listener, endpoint, admit, NULL, publication);
	if (path)
		return vipc_publish(path, 0666, endpoint, admit, NULL, publication);
	return listener;
}

static int serve(void)
{
	struct vipc_publication *publication;
	int work, err;

	endpoint = find_endpoint();
	if (endpoint < 0) {
		fprintf(stderr, "tally: no endpoint: %s\n", strerror(-endpoint));
		return 1;
	}
	/* Ends with this process, however that ends: callers whose request it had are told. */
	work = vipc_derive(endpoint, VIPC_RIGHT_RECV, 0);
	if (work < 0) {
		fprintf(stderr, "tally: %s\n", strerror(-work));
		return 1;
	}
	err = publish(&publication);
	if (err) {
		fprintf(stderr, "tally: no socket (tally-socket, TALLY_SOCKET): %s\n",
			strerror(-err));
		return 1;
	}
	err = vipc_serve(work, handle, NULL, 1);
	vipc_unpublish(publication);
	return err != 0;
}

/* All by one capability: what it is worth after a crash depends on who keeps the endpoint. */
static int client(const char *path, char **words)
{
	int cap = vipc_connect(path, vipc_deadline_after(PATIENCE_NS)), err = 0;

	if (cap < 0) {
		printf("client: no server at %s: %s\n", path, strerror(-cap));
		return 1;
	}
	for (; *words; words++) {
		struct vipc_msg msg = {
			.opcode = strcmp(*words, "crash") ? ADD : CRASH,
			.data[0] = strtoull(*words, NULL, 0),
		};

		err = vipc_call_timeout(cap, &msg, PATIENCE_NS);
		if (err)
			printf("client: %s\n", strerror(-err));
		else
			printf("client: the sum is %llu\n", msg.data[0]);
	}
	return err != 0;
}

int main(int argc, char **argv)
{
	setvbuf(stdout, NULL, _IOLBF, 0);
	if (argc == 1)
		return serve();
	if (argc > 2)
		return client(argv[1], argv + 2);
	fprintf(stderr, "usage: tally | tally PATH WORD...\n");
	return 2;
}
