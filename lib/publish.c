// SPDX-License-Identifier: MIT
/*
 * A thread that takes the connections of a published endpoint.
 *
 * Descriptors that were sent and not received count against the sender's user, and
 * beyond RLIMIT_NOFILE the kernel lets it send none. So that no client can bring that
 * about by not reading, connections are kept until theirs was read, and there is a
 * limit to how many of these one user, and all together, can have.
 */
#define _GNU_SOURCE
#include <fcntl.h>
#include <linux/sockios.h>
#include <poll.h>
#include <signal.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

#include "name.h"

#define MAX_UNREAD	256
#define MAX_UNREAD_USER	64

/* How many connections are taken before the thread looks at anything else. */
#define BATCH		16

/* How long it waits for memory or descriptors to become free. */
#define PAUSE_MS	10

/* How long it waits before it looks again at connections that were hung up. */
#define LOOK_MS		500

/* What the thread polls: these, and the connections behind them. */
enum { WAKE, LISTENER, CONNECTIONS };

struct vipc_publication {
	int listener, endpoint, wake;
	char path[PATH_ROOM];		/* "" if the listener is the caller's */
	vipc_decide_t decide;
	void *arg;
	pthread_t thread;
	/* the thread's */
	__u64 last_badge;
	int look;			/* poll()'s timeout */
	unsigned int unread;
	__u32 user[MAX_UNREAD];
	struct pollfd polled[CONNECTIONS + MAX_UNREAD];
};

static bool was_read(int connection)
{
	int left;

	return ioctl(connection, SIOCOUTQ, &left) || !left;
}

/*
 * Close the connections that were read, as those are whose client has left. One that
 * was hung up and not read has a client that still keeps what it was sent, or just
 * about: it is not polled any more, as it would be ready all the time, but looked at
 * now and then.
 */
static void drop_read(struct vipc_publication *p)
{
	struct pollfd *connection = p->polled + CONNECTIONS;
	unsigned int i = 0;

	p->look = -1;
	while (i < p->unread) {
		int fd = connection[i].fd < 0 ? ~connection[i].fd : connection[i].fd;

		if (!was_read(fd)) {
			if (connection[i].revents)
				connection[i].fd = ~fd;
			if (connection[i].fd < 0)
				p->look = LOOK_MS;
			i++;
			continue;
		}
		close(fd);
		p->unread--;
		connection[i] = connection[p->unread];
		p->user[i] = p->user[p->unread];
	}
}

static bool has_room(const struct vipc_publication *p, __u32 user)
{
	unsigned int i, n = 0;

	for (i = 0; i < p->unread; i++)
		n += p->user[i] == user;
	return n < MAX_UNREAD_USER && p->unread < MAX_UNREAD;
}

static void keep(struct vipc_publication *p, int connection, __u32 user)
{
	p->user[p->unread] = user;
	p->polled[CONNECTIONS + p->unread] = (struct pollfd){ .fd = connection };
	p->unread++;
}

/* The time in nanoseconds: another number than those before a restart, too. */
static __u64 next_badge(struct vipc_publication *p)
{
	__u64 now = vipc_deadline_after(0);

	p->last_badge = now > p->last_badge ? now : p->last_badge + 1;
	return p->last_badge;
}

/* Wait a little; false if the thread shall end. */
static bool wait_a_little(struct vipc_publication *p)
{
	struct pollfd wake = { .fd = p->wake, .events = POLLIN };

	return poll(&wake, 1, PAUSE_MS) == 0;
}

/*
 * Who was admitted gets a capability, if only to close it: whoever decided will count
 * on its notice. That is worth waiting for.
 */
static int welcome(struct vipc_publication *p, int connection, unsigned int rights,
		   __u64 badge)
{
	int err;

	do {
		err = vipc_welcome(connection, p->endpoint, rights, badge);
	} while ((err == -EMFILE || err == -ENFILE || err == -ENOMEM) && wait_a_little(p));
	return err == -ETOOMANYREFS ? -EAGAIN : err;
}

/* Returns whether the connection is to be kept. */
static bool receive(struct vipc_publication *p, int connection,
		    const struct vipc_peer *peer)
{
	unsigned int rights = VIPC_RIGHT_SEND;
	__u64 badge = next_badge(p);
	int err = 0;

	if (!has_room(p, peer->uid))
		drop_read(p);
	if (!has_room(p, peer->uid))
		err = -EAGAIN;
	else if (p->decide)
		err = p->decide(peer, &rights, &badge, p->arg);
	if (!err)
		err = welcome(p, connection, rights, badge);
	if (!err)
		return true;
	/* A decision that is no errno value must not leave the client waiting. */
	if (vipc_refuse(connection, err) == -EINVAL)
		vipc_refuse(connection, -EPERM);
	return false;
}

/* False if the thread should wait before it takes more. */
static bool take_connections(struct vipc_publication *p)
{
	struct vipc_peer peer;
	int i, connection;

	for (i = 0; i < BATCH; i++) {
		connection = vipc_accept(p->listener, &peer);
		if (connection < 0)
			return connection == -EAGAIN;
		if (receive(p, connection, &peer))
			keep(p, connection, peer.uid);
		else
			close(connection);
	}
	return true;
}

static void *run(void *arg)
{
	struct vipc_publication *p = arg;
	int n;

	p->polled[WAKE] = (struct pollfd){ .fd = p->wake, .events = POLLIN };
	p->polled[LISTENER] = (struct pollfd){ .fd = p->listener, .events = POLLIN };
	for (;;) {
		n = poll(p->polled, CONNECTIONS + p->unread, p->look);
		if (n > 0 && p->polled[WAKE].revents)
			break;
		if (n >= 0)
			drop_read(p);
		if ((n < 0 || (p->polled[LISTENER].revents && !take_connections(p))) &&
		    !wait_a_little(p))
			break;
	}
	while (p->unread) {
		n = p->polled[CONNECTIONS + --p->unread].fd;
		close(n < 0 ? ~n : n);
	}
	return NULL;
}

/* Can capabilities be given away for this endpoint? As the first client would find. */
static int check_endpoint(int endpoint)
{
	struct vipc_info info;
	int ret = vipc_info(endpoint, &info);

	if (ret)
		return ret;
	if (info.badge)
		return -EINVAL;
	ret = vipc_derive(endpoint, 0, 0);
	if (ret < 0)
		return ret;
	close(ret);
	return 0;
}

static int start(struct vipc_publication *p)
{
	sigset_t all, saved;
	int err;

	p->wake = eventfd(0, EFD_CLOEXEC);
	if (p->wake < 0)
		return -errno;
	/* A thread starts with its creator's mask. */
	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, &saved);
	err = pthread_create(&p->thread, NULL, run, p);
	pthread_sigmask(SIG_SETMASK, &saved, NULL);
	if (err)
		close(p->wake);
	return -err;
}

static int publish(int listener, int endpoint, vipc_decide_t decide, void *arg,
		   const char *path, struct vipc_publication **publication)
{
	struct vipc_publication *p = calloc(1, sizeof(*p));
	int err;

	if (!p)
		return -ENOMEM;
	p->listener = listener;
	p->endpoint = endpoint;
	p->decide = decide;
	p->arg = arg;
	p->look = -1;
	if (path)
		memcpy(p->path, path, strlen(path) + 1);	/* vipc_listen() took it */
	err = start(p);
	if (err)
		free(p);
	else
		*publication = p;
	return err;
}

static int publish_path(const char *path, unsigned int mode, int endpoint,
			vipc_decide_t decide, void *arg,
			struct vipc_publication **publication)
{
	int listener, err = check_endpoint(endpoint);

	if (err)
		return err;
	listener = vipc_listen(path, mode);
	if (listener < 0)
		return listener;
	err = publish(listener, endpoint, decide, arg, path, publication);
	if (err) {
		unlink(path);
		close(listener);
	}
	return err;
}

EXPORT int vipc_publish(const char *path, unsigned int mode, int endpoint,
			vipc_decide_t decide, void *arg,
			struct vipc_publication **publication)
{
	struct guard guard = guard_begin();
	int ret = publish_path(path, mode, endpoint, decide, arg, publication);

	return guard_end(&guard, ret);
}

static int get_option(int fd, int option)
{
	int value;
	socklen_t len = sizeof(value);

	return getsockopt(fd, SOL_SOCKET, option, &value, &len) ? -errno : value;
}

static int check_listener(int fd)
{
	int domain = get_option(fd, SO_DOMAIN);
	int flags;

	if (domain < 0)
		return domain;
	if (domain != AF_UNIX || get_option(fd, SO_TYPE) != SOCK_SEQPACKET ||
	    get_option(fd, SO_ACCEPTCONN) != 1)
		return -EINVAL;
	flags = fcntl(fd, F_GETFL);
	return fcntl(fd, F_SETFL, flags | O_NONBLOCK) ? -errno : 0;
}

EXPORT int vipc_publish_listener(int listener, int endpoint, vipc_decide_t decide,
				 void *arg, struct vipc_publication **publication)
{
	struct guard guard = guard_begin();
	int ret = check_endpoint(endpoint);

	if (!ret)
		ret = check_listener(listener);
	if (!ret)
		ret = publish(listener, endpoint, decide, arg, NULL, publication);
	return guard_end(&guard, ret);
}

EXPORT void vipc_unpublish(struct vipc_publication *publication)
{
	struct vipc_publication *p = publication;
	struct guard guard = guard_begin();

	if (p) {
		eventfd_write(p->wake, 1);
		pthread_join(p->thread, NULL);
		if (*p->path) {
			/* In this order: see vipc_listen(). */
			unlink(p->path);
			close(p->listener);
		}
		close(p->wake);
		free(p);
	}
	guard_end(&guard, 0);
}
