// SPDX-License-Identifier: MIT
/*
 * The server loop, for both kinds of messages: a struct vipc_xmsg begins with a
 * struct vipc_msg, and that is all of it that vipc_serve() uses.
 *
 * Ending it is the hard part: a thread that waits in the kernel must be brought
 * back when another thread ends the loop. What the endpoint offers does not
 * fit: a message may be taken by a receiver outside this loop, shutdown kills
 * the endpoint, and revoking a private capability would break the deferred
 * replies, since a reply token works only through the capability that received
 * the call. A signal would need a disposition that belongs to the program. So
 * with several threads a wait has a deadline, and ends with a look at the flag.
 * It needs no right, and no message can be lost or go astray.
 *
 * A message that cannot be received stays first in the queue, and holds up everybody.
 * So vipc_serve_x() has room for all that the endpoint lets in, and keeps descriptors
 * aside for when the process has run out of them.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <time.h>
#include <unistd.h>

#include "vipc.h"

#define EXPORT __attribute__((visibility("default")))

/* How long a thread waits before it looks whether the loop has ended. */
#define LOOK_NS	1000000000u

/* How long it waits for memory or descriptors to become free. */
#define PAUSE_NS 10000000

/* The most that a module lets anybody send. */
#define LONGEST	(16u << 20)

/* What recover() answers besides 0 and an error. */
#define TRY_AGAIN 1

struct server {
	int fd;
	unsigned int threads;
	vipc_handler_t handler;		/* vipc_serve()'s, or */
	vipc_handler_x_t handler_x;	/* vipc_serve_x()'s; the other is NULL */
	void *arg;
	atomic_bool ended;
	int result;	/* written once, by who sets @ended; read after the joins */
	pthread_mutex_t lock;		/* for what follows */
	unsigned int max_fds, spares;
	int spare[VIPC_MAX_FDS];
};

struct room {
	void *at;
	__u32 len;
};

/* What a thread works with. What follows @deadline is for vipc_serve_x(). */
struct worker {
	struct server *server;
	struct vipc_xmsg x;
	__u64 deadline;
	struct room request, reply;
	/* How many descriptors were received, and how many the caller has room for. */
	unsigned int received, wanted;
	/* Those received, and behind them those to send; -1 where there is none. */
	__s32 fds[2 * VIPC_MAX_FDS];
};

static void end(struct server *server, int result)
{
	if (!atomic_exchange(&server->ended, true))
		server->result = result;
}

static bool make_room(struct room *room, __u32 len)
{
	void *at;

	if (len <= room->len)
		return true;
	at = malloc(len);
	if (!at)
		return false;
	free(room->at);
	room->at = at;
	room->len = len;
	return true;
}

/* The first message does not fit: the endpoint lets in more, or did when it came. */
static int make_more_room(struct worker *w)
{
	struct vipc_info info;
	int ret = vipc_info(w->server->fd, &info);
	__u32 len = w->request.len;

	if (ret)
		return ret;
	if (len >= LONGEST)
		return -EMSGSIZE;
	if (info.max_len > len)
		len = info.max_len;
	else
		len = len ? 2 * len : VIPC_SERVE_ROOM;
	if (len > LONGEST)
		len = LONGEST;
	return make_room(&w->request, len) ? TRY_AGAIN : -ENOMEM;
}

static void clear_fds(struct worker *w)
{
	memset(w->fds, 0xff, sizeof(w->fds));
}

static int prepare(struct worker *w)
{
	struct vipc_info info;
	int ret = vipc_info(w->server->fd, &info);

	if (ret)
		return ret;
	clear_fds(w);
	if (!make_room(&w->request, info.max_len) ||
	    !make_room(&w->reply, VIPC_SERVE_ROOM))
		return -ENOMEM;
	return 0;
}

/* Keep aside as many descriptors as a message may have. */
static int fill_spares(struct server *server)
{
	struct vipc_info info;
	int ret = vipc_info(server->fd, &info);
	int fd;

	if (ret)
		return ret;
	server->max_fds = info.max_fds;
	while (server->spares < server->max_fds && server->spares < VIPC_MAX_FDS) {
		/* Not a dup() of the capability: a fork would keep that open unawares. */
		fd = server->spares ? fcntl(server->spare[0], F_DUPFD_CLOEXEC, 0) :
				      eventfd(0, EFD_CLOEXEC);
		if (fd < 0)
			return -errno;
		server->spare[server->spares++] = fd;
	}
	return 0;
}

static void drop_spares(struct server *server)
{
	while (server->spares)
		close(server->spare[--server->spares]);
}

/*
 * Close what the handler has left in the arrays, each one once. Those to send may be
 * more than the caller has room for, and more than the handler says in the end.
 */
static void close_left(struct worker *w)
{
	unsigned int end_of_room = w->received + w->wanted, i, j;
	__s32 *fds = w->fds;

	for (i = 0; i < w->received + VIPC_MAX_FDS; i++) {
		__s32 fd = fds[i];

		if (fd < 0 && i >= end_of_room)
			break;
		if (fd < 0)
			continue;
		close(fd);
		for (j = i; j < w->received + VIPC_MAX_FDS; j++)
			if (fds[j] == fd)
				fds[j] = -1;
	}
	w->received = w->wanted = 0;
}

/* In place of a reply that cannot be sent: nobody shall wait for ever. */
static void refuse(struct vipc_xmsg *x, int err)
{
	x->msg.opcode = VIPC_OPCODE_FAILED;
	x->msg.flags = 0;
	x->msg.data[0] = (__u64)-err;
	x->msg.data[1] = x->tx_len;
	x->msg.data[2] = x->tx_nfds;
	x->msg.data[3] = 0;
	x->tx_len = 0;
	x->tx_nfds = 0;
}

/* The reply did not go out. Returns whether there is something else to try. */
static bool settle(struct vipc_xmsg *x, int err)
{
	if (err == -ESRCH) {
		/* The caller has left, or the endpoint is dead. */
		x->msg.reply = 0;
		return true;
	}
	if (!x->tx_len && !x->tx_nfds)
		return false;
	refuse(x, err);
	return true;
}

/* Send the reply, if there is one, by itself. */
static int answer(struct worker *w)
{
	struct server *server = w->server;
	struct vipc_msg *msg = &w->x.msg;
	int ret;

	while (msg->reply) {
		msg->flags &= VIPC_FLAGS_APP_MASK;
		w->x.reserved = 0;
		ret = server->handler_x ? vipc_reply_x(server->fd, &w->x) :
					  vipc_reply(server->fd, msg);
		if (!ret)
			msg->reply = 0;
		else if (!settle(&w->x, ret))
			return ret;
	}
	return 0;
}

/* The message has descriptors for which there is no room: its caller learns why. */
static void turn_away(struct worker *w)
{
	w->received = w->x.rx_nfds;
	close_left(w);
	w->x.tx_len = 0;
	w->x.tx_nfds = 0;
	refuse(&w->x, -EMFILE);
}

static void set_room(struct worker *w)
{
	struct vipc_xmsg *x = &w->x;

	x->rx_buf = VIPC_ADDRESS(w->request.at);
	x->rx_len = w->request.len;
	x->rx_fds = VIPC_ADDRESS(w->fds);
	x->rx_nfds = VIPC_MAX_FDS;
	x->reserved = 0;
	if (!x->msg.reply) {
		x->tx_len = 0;
		x->tx_nfds = 0;
	}
}

/*
 * The process has no numbers left for the descriptors of the first message. Receive
 * it with those kept aside, and let it go.
 */
static int receive_with_spares(struct worker *w)
{
	struct server *server = w->server;
	struct vipc_msg *msg = &w->x.msg;
	int ret;

	pthread_mutex_lock(&server->lock);
	drop_spares(server);
	set_room(w);
	msg->flags = VIPC_NONBLOCK;
	ret = vipc_recv_x(server->fd, &w->x);
	msg->flags &= ~VIPC_FLAGS_IN_MASK;
	if (!ret && w->x.rx_nfds) {
		turn_away(w);
		ret = TRY_AGAIN;
	}
	/* If that fails, those that are missing may be had the next time. */
	fill_spares(server);
	pthread_mutex_unlock(&server->lock);
	return ret == -EAGAIN || ret == -EMSGSIZE ? TRY_AGAIN : ret;
}

/*
 * While another thread had dropped the spare ones, this message may have got them.
 * Returns whether they are there, and the handler may keep what came.
 */
static bool may_keep(struct worker *w)
{
	struct server *server = w->server;
	bool ret = true;

	pthread_mutex_lock(&server->lock);
	if (server->spares < server->max_fds && fill_spares(server)) {
		turn_away(w);
		fill_spares(server);
		ret = false;
	}
	pthread_mutex_unlock(&server->lock);
	return ret;
}

/* What follows from an error: a message after all (0), TRY_AGAIN, or an error. */
static int recover(struct worker *w, int err)
{
	static const struct timespec pause_time = { .tv_nsec = PAUSE_NS };
	struct server *server = w->server;

	if (w->x.msg.reply)
		return settle(&w->x, err) ? TRY_AGAIN : err;
	if (err == -ETIMEDOUT && !atomic_load(&server->ended)) {
		w->deadline = vipc_deadline_after(LOOK_NS);
		return TRY_AGAIN;
	}
	if (!server->handler_x)
		return err;
	clear_fds(w);	/* a receive that fails may have written there */
	if (err == -EMSGSIZE)
		err = make_more_room(w);
	else if (err == -EMFILE)
		err = receive_with_spares(w);
	if ((err == -EMFILE || err == -ENOMEM) && !atomic_load(&server->ended)) {
		clear_fds(w);
		nanosleep(&pause_time, NULL);
		err = TRY_AGAIN;
	}
	return err;
}

/* Send the reply, if there is one, and take the next message. */
static int next(struct worker *w)
{
	struct server *server = w->server;
	struct vipc_msg *msg = &w->x.msg;
	int ret;

	do {
		msg->flags &= VIPC_FLAGS_APP_MASK;
		msg->deadline_ns = w->deadline;
		if (server->handler_x) {
			set_room(w);
			ret = vipc_reply_recv_x(server->fd, &w->x);
		} else {
			ret = vipc_reply_recv(server->fd, msg);
		}
		if (ret)
			ret = recover(w, ret);
		if (!ret && w->x.rx_nfds && !may_keep(w))
			ret = TRY_AGAIN;
	} while (ret == TRY_AGAIN);
	msg->deadline_ns = 0;	/* ours, not the handler's */
	return ret;
}

/* Show the handler of vipc_serve_x() what came, and its room for a reply. */
static void offer(struct worker *w)
{
	struct vipc_xmsg *x = &w->x;

	if (!x->msg.reply) {
		x->reply_len = 0;
		x->reply_nfds = 0;
	}
	if (!make_room(&w->reply, x->reply_len < LONGEST ? x->reply_len : LONGEST) ||
	    x->reply_len > w->reply.len)
		x->reply_len = w->reply.len;
	w->received = x->rx_nfds;
	w->wanted = x->reply_nfds < VIPC_MAX_FDS ? x->reply_nfds : VIPC_MAX_FDS;
	x->tx_buf = VIPC_ADDRESS(w->reply.at);
	x->tx_len = 0;
	x->tx_fds = VIPC_ADDRESS(w->fds + w->received);
	x->tx_nfds = 0;
}

/*
 * Call the handler. Its message is a scratch copy as far as the token and the
 * kernel's fields are concerned: what it leaves there has no effect.
 */
static int handle(struct worker *w)
{
	struct server *server = w->server;
	struct vipc_msg *msg = &w->x.msg;
	__u64 token = msg->reply;
	int verdict, ret = 0;

	if (server->handler_x) {
		offer(w);
		verdict = server->handler_x(&w->x, server->arg);
	} else {
		verdict = server->handler(msg, server->arg);
	}
	if (verdict > (VIPC_SERVE_DEFER | VIPC_SERVE_STOP))
		verdict = -EINVAL;
	msg->reply = token;
	if (verdict < 0) {
		end(server, verdict);
	} else {
		if (verdict & VIPC_SERVE_DEFER)
			msg->reply = 0;
		if (verdict & VIPC_SERVE_STOP)
			end(server, 0);
	}
	if (server->handler_x) {
		/* Closing cannot wait until there is a next message. */
		if (w->x.tx_nfds)
			ret = answer(w);
		close_left(w);
	}
	return ret;
}

static void serve(struct server *server)
{
	struct worker w = { .server = server };
	int ret = 0;

	if (server->handler_x)
		ret = prepare(&w);
	if (server->threads > 1)
		w.deadline = vipc_deadline_after(LOOK_NS);
	while (!ret && !atomic_load(&server->ended)) {
		ret = next(&w);
		if (!ret)
			ret = handle(&w);
	}
	/* The answer to the last message, or one that an error held up. */
	answer(&w);
	free(w.request.at);
	free(w.reply.at);
	if (ret)
		end(server, ret == -EPIPE ? 0 : ret);
}

static void *serve_thread(void *arg)
{
	serve(arg);
	return NULL;
}

/* Start the other threads; returns how many there are. */
static unsigned int start(struct server *server, pthread_t *thread)
{
	sigset_t all, saved;
	unsigned int n;
	int err = 0;

	/* A thread starts with its creator's mask. */
	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, &saved);
	for (n = 0; n < server->threads - 1; n++) {
		err = pthread_create(&thread[n], NULL, serve_thread, server);
		if (err)
			break;
	}
	pthread_sigmask(SIG_SETMASK, &saved, NULL);
	if (err)
		end(server, -err);
	return n;
}

static int serve_many(struct server *server)
{
	pthread_t *thread = calloc(server->threads - 1, sizeof(*thread));
	unsigned int n;

	if (!thread)
		return -ENOMEM;
	n = start(server, thread);
	serve(server);
	while (n--)
		pthread_join(thread[n], NULL);
	free(thread);
	return server->result;
}

static int run(struct server *server)
{
	int saved = errno;
	int cancel, ret = 0;

	if (!server->threads || server->threads > VIPC_SERVE_MAX_THREADS)
		return -EINVAL;
	/* The threads use this frame: it must not be unwound under them. */
	pthread_setcancelstate(PTHREAD_CANCEL_DISABLE, &cancel);
	if (server->handler_x)
		ret = fill_spares(server);
	if (!ret && server->threads == 1) {
		serve(server);
		ret = server->result;
	} else if (!ret) {
		ret = serve_many(server);
	}
	drop_spares(server);
	pthread_setcancelstate(cancel, NULL);
	errno = saved;
	return ret;
}

EXPORT int vipc_serve(int fd, vipc_handler_t handler, void *arg,
		      unsigned int threads)
{
	struct server server = {
		.fd = fd,
		.threads = threads,
		.handler = handler,
		.arg = arg,
	};

	return handler ? run(&server) : -EINVAL;
}

EXPORT int vipc_serve_x(int fd, vipc_handler_x_t handler, void *arg,
			unsigned int threads)
{
	struct server server = {
		.fd = fd,
		.threads = threads,
		.handler_x = handler,
		.arg = arg,
		.lock = PTHREAD_MUTEX_INITIALIZER,
	};

	return handler ? run(&server) : -EINVAL;
}
