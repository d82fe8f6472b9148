// SPDX-License-Identifier: MIT
/*
 * kv_server SOCKET: a key-value server in which each client has a namespace of
 * its own, and cannot name another's.
 *
 * A client connects to SOCKET and says its name. The server derives a capability
 * with a badge for that name, and passes it over the socket. That is the last
 * time that the name matters: the badge, which the kernel puts on every message
 * and the client cannot change, selects the namespace. SOCKET has mode 0600; a
 * server for several users would look at SO_PEERCRED before it hands anything out.
 *
 * Revoking reaches what was *derived* from a capability. So the server keeps, for
 * each client, a capability of its own (the grip), and gives away children of it:
 *
 *	endpoint ── grip (badge 1) ── alice's
 *	         └─ grip (badge 2) ── bob's, bob's second one
 */
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/time.h>
#include <sys/un.h>
#include <unistd.h>

#include "kv_store.h"

#define MAX_CLIENTS	64
#define THREADS		2

struct client {
	char name[KV_NAME_LEN + 1];
	int grip;
	bool revoked;
	unsigned long long requests;
	struct kv_store store;
};

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;	/* for all below */
static struct client clients[MAX_CLIENTS];	/* badge - 1 is the index */
static unsigned int client_count;

static int endpoint = -1;

/* Serves one request; by several threads at once. */
static int handle(struct vipc_msg *msg, void *arg)
{
	struct kv_entry entry;
	struct client *client;
	enum kv_status status;

	(void)arg;
	/* Every client may send one, and it has no badge. */
	if (msg->flags & VIPC_MSG_NOTIFICATION)
		return VIPC_SERVE_REPLY;
	kv_unpack(&entry, msg);
	pthread_mutex_lock(&lock);
	/* Only this program derives capabilities: the badge is one of ours. */
	client = &clients[msg->badge - 1];
	client->requests++;
	switch (msg->opcode) {
	case KV_GET:
		status = kv_get(&client->store, &entry);
		break;
	case KV_PUT:
		status = kv_put(&client->store, &entry);
		break;
	case KV_DEL:
		status = kv_del(&client->store, &entry);
		break;
	case KV_NEXT:
		status = kv_next(&client->store, &entry);
		break;
	default:
		status = KV_BAD_REQUEST;
	}
	pthread_mutex_unlock(&lock);
	msg->opcode = status;
	kv_pack(msg, &entry);
	return VIPC_SERVE_REPLY;
}

static struct client *find_client(const char *name)
{
	unsigned int i;

	for (i = 0; i < client_count; i++)
		if (!strncmp(clients[i].name, name, KV_NAME_LEN))
			return &clients[i];
	return NULL;
}

static int add_client(const char *name, struct client **result)
{
	struct client *client = &clients[client_count];
	int grip;

	if (client_count == MAX_CLIENTS)
		return -ENOSPC;
	grip = vipc_derive(endpoint, VIPC_RIGHT_SEND | VIPC_RIGHT_GRANT |
			   VIPC_RIGHT_REVOKE, client_count + 1);
	if (grip < 0)
		return grip;
	client->grip = grip;
	memcpy(client->name, name, KV_NAME_LEN);
	client_count++;
	printf("server: %s is new: badge %u\n", client->name, client_count);
	*result = client;
	return 0;
}

/* Returns a capability to give away, or -errno. */
static int join_client(const char *name)
{
	struct client *client = find_client(name);
	int err;

	if (!client) {
		err = add_client(name, &client);
		if (err)
			return err;
	}
	if (client->revoked)
		return -EKEYREVOKED;
	return vipc_derive(client->grip, VIPC_RIGHT_SEND,
			   (__u64)(client - clients) + 1);
}

static int revoke_client(const char *name)
{
	struct client *client = find_client(name);
	int err;

	if (!client)
		return -ENOENT;
	err = vipc_revoke(client->grip);
	if (err)
		return err;
	client->revoked = true;
	printf("server: %s is revoked after %llu requests\n", client->name,
	       client->requests);
	return 0;
}

/* Answer on the socket; @capability travels with it unless it is negative. */
static void welcome(int connection, int error, int capability)
{
	struct kv_welcome answer = { .error = error };
	struct iovec iov = { &answer, sizeof(answer) };
	union {
		struct cmsghdr header;
		char room[CMSG_SPACE(sizeof(int))];
	} control = { 0 };
	struct msghdr packet = { .msg_iov = &iov, .msg_iovlen = 1 };

	if (capability >= 0) {
		packet.msg_control = &control;
		packet.msg_controllen = sizeof(control);
		control.header.cmsg_level = SOL_SOCKET;
		control.header.cmsg_type = SCM_RIGHTS;
		control.header.cmsg_len = CMSG_LEN(sizeof(int));
		memcpy(CMSG_DATA(&control.header), &capability, sizeof(int));
	}
	if (sendmsg(connection, &packet, MSG_NOSIGNAL) < 0)
		perror("server: sendmsg");
}

static void reception(int connection)
{
	struct timeval patience = { .tv_sec = 2 };
	struct kv_hello hello;
	int ret = -EINVAL;
	bool joins;

	/* Somebody who connects and says nothing does not stop the others. */
	setsockopt(connection, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof(patience));
	if (recv(connection, &hello, sizeof(hello), 0) != sizeof(hello))
		return;
	joins = hello.wish == KV_JOIN;
	pthread_mutex_lock(&lock);
	if (joins && hello.name[0])
		ret = join_client(hello.name);
	else if (hello.wish == KV_REVOKE)
		ret = revoke_client(hello.name);
	pthread_mutex_unlock(&lock);
	welcome(connection, ret < 0 ? -ret : 0, joins ? ret : -1);
	if (joins && ret >= 0)
		close(ret);	/* it is the client's now */
}

static void *reception_thread(void *arg)
{
	int listener = *(int *)arg;

	for (;;) {
		int connection = accept4(listener, NULL, NULL, SOCK_CLOEXEC);

		if (connection < 0) {
			perror("server: accept");
			sleep(1);
			continue;
		}
		reception(connection);
		close(connection);
	}
	return NULL;
}

static int listen_on(const char *path)
{
	struct sockaddr_un address = { .sun_family = AF_UNIX };
	int listener = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0);

	if (strlen(path) >= sizeof(address.sun_path)) {
		errno = ENAMETOOLONG;
		return -1;
	}
	strcpy(address.sun_path, path);
	umask(077);
	if (listener < 0 ||
	    bind(listener, (struct sockaddr *)&address, sizeof(address)) ||
	    listen(listener, 16))
		return -1;
	return listener;
}

static void on_signal(int sig)
{
	(void)sig;
	vipc_shutdown(endpoint);	/* ends vipc_serve(), whenever it comes */
}

/* Signals are for the main thread: it is the one that SIGTERM has to end. */
static int start_reception(int *listener)
{
	sigset_t all, saved;
	pthread_t thread;
	int err;

	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, &saved);
	err = pthread_create(&thread, NULL, reception_thread, listener);
	pthread_sigmask(SIG_SETMASK, &saved, NULL);
	return err;
}

int main(int argc, char **argv)
{
	struct sigaction action = { .sa_handler = on_signal, .sa_flags = SA_RESTART };
	int listener, err;

	if (argc != 2) {
		fprintf(stderr, "usage: kv_server SOCKET\n");
		return 2;
	}
	setvbuf(stdout, NULL, _IOLBF, 0);
	endpoint = vipc_open(O_CLOEXEC);
	if (endpoint < 0) {
		fprintf(stderr, "server: /dev/vipc: %s\n", strerror(-endpoint));
		return 1;
	}
	listener = listen_on(argv[1]);
	if (listener < 0) {
		fprintf(stderr, "server: %s: %s\n", argv[1], strerror(errno));
		return 1;
	}
	sigaction(SIGTERM, &action, NULL);
	sigaction(SIGINT, &action, NULL);
	err = start_reception(&listener);
	if (err) {
		fprintf(stderr, "server: cannot start a thread: %s\n", strerror(err));
		return 1;
	}
	printf("server: waiting for clients at %s\n", argv[1]);
	err = vipc_serve(endpoint, handle, NULL, THREADS);
	unlink(argv[1]);
	if (err) {
		fprintf(stderr, "server: cannot go on: %s\n", strerror(-err));
		return 1;
	}
	pthread_mutex_lock(&lock);
	for (unsigned int i = 0; i < client_count; i++)
		printf("server: %s: %llu requests, %zu keys\n", clients[i].name,
		       clients[i].requests, clients[i].store.count);
	return 0;
}
