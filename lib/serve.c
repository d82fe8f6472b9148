// SPDX-License-Identifier: MIT
/*
 * The server loop.
 *
 * Ending it is the hard part: a thread that waits in the kernel must be brought
 * back when another thread ends the loop. What the endpoint offers does not
 * fit: a message may be taken by a receiver outside this loop, shutdown kills
 * the endpoint, and revoking a private capability would break the deferred
 * replies, since a reply token works only through the capability that received
 * the call. A signal would need a disposition that belongs to the program. So
 * with several threads a wait has a deadline, and ends with a look at the flag.
 * It needs no right, and no message can be lost or go astray.
 */
#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdlib.h>

#include "vipc.h"

#define EXPORT __attribute__((visibility("default")))

/* How long a thread waits before it looks whether the loop has ended. */
#define LOOK_NS	1000000000u

struct server {
	int fd;
	unsigned int threads;
	vipc_handler_t handler;
	void *arg;
	atomic_bool ended;
	int result;	/* written once, by who sets @ended; read after the joins */
};

static void end(struct server *server, int result)
{
	if (!atomic_exchange(&server->ended, true))
		server->result = result;
}

/* Send the reply in @msg, if there is one, and take the next message. */
static int next(struct server *server, struct vipc_msg *msg, __u64 *deadline)
{
	int ret;

	for (;;) {
		msg->flags &= VIPC_FLAGS_APP_MASK;
		msg->deadline_ns = *deadline;
		ret = vipc_reply_recv(server->fd, msg);
		if (ret == -ESRCH && msg->reply) {
			/* The caller has left, or the endpoint is dead. */
			msg->reply = 0;
		} else if (ret == -ETIMEDOUT && !atomic_load(&server->ended)) {
			*deadline = vipc_deadline_after(LOOK_NS);
		} else {
			msg->deadline_ns = 0;	/* ours, not the handler's */
			return ret;
		}
	}
}

/*
 * Call the handler. Its message is a scratch copy as far as the token and the
 * kernel's fields are concerned: what it leaves there has no effect.
 */
static void handle(struct server *server, struct vipc_msg *msg)
{
	__u64 token = msg->reply;
	int verdict = server->handler(msg, server->arg);

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
}

static void serve(struct server *server)
{
	struct vipc_msg msg = { 0 };
	__u64 deadline = 0;
	int ret = 0;

	if (server->threads > 1)
		deadline = vipc_deadline_after(LOOK_NS);
	while (!atomic_load(&server->ended)) {
		ret = next(server, &msg, &deadline);
		if (ret)
			break;
		handle(server, &msg);
	}
	/* The answer to the last message, or one that an error held up. */
	if (msg.reply) {
		msg.flags &= VIPC_FLAGS_APP_MASK;
		vipc_reply(server->fd, &msg);
	}
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

EXPORT int vipc_serve(int fd, vipc_handler_t handler, void *arg,
		      unsigned int threads)
{
	struct server server = {
		.fd = fd,
		.threads = threads,
		.handler = handler,
		.arg = arg,
	};
	int saved = errno;
	int cancel, ret;

	if (!handler || !threads || threads > VIPC_SERVE_MAX_THREADS)
		return -EINVAL;
	/* The threads use this frame: it must not be unwound under them. */
	pthread_setcancelstate(PTHREAD_CANCEL_DISABLE, &cancel);
	if (threads == 1) {
		serve(&server);
		ret = server.result;
	} else {
		ret = serve_many(&server);
	}
	pthread_setcancelstate(cancel, NULL);
	errno = saved;
	return ret;
}
