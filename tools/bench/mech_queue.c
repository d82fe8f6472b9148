// SPDX-License-Identifier: GPL-2.0
/*
 * Message queues, POSIX and System V: one for requests that all server threads
 * take from, and the way back for each client.
 */
#include <errno.h>
#include <mqueue.h>
#include <stdlib.h>
#include <sys/ipc.h>
#include <sys/msg.h>
#include <sys/resource.h>
#include <unistd.h>
#include "bench.h"

#define LARGEST		1048576
#define ON_QUEUE	8	/* messages; more than 10 need privileges */

struct mq_state {
	mqd_t request;
	mqd_t reply[MAX_CLIENTS];
};

/* The name is gone as soon as the queue is open: nothing is left behind. */
static mqd_t new_queue(struct run *run, const char *what, unsigned int index)
{
	struct mq_attr attr = { .mq_maxmsg = ON_QUEUE, .mq_msgsize = (long)run->size };
	char name[64];
	mqd_t queue;

	snprintf(name, sizeof(name), "/vipc-bench-%d-%s-%u", getpid(), what, index);
	queue = mq_open(name, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0600, &attr);
	if (queue != (mqd_t)-1)
		mq_unlink(name);
	return queue;
}

static void mq_stop(struct run *run)
{
	struct mq_state *s = run->state;
	unsigned int i;

	if (!s)
		return;
	for (i = 0; i < run->clients; i++)
		mq_close(s->reply[i]);
	mq_close(s->request);
	free(s);
}

static bool mq_start(struct run *run)
{
	struct rlimit limit = { RLIM_INFINITY, RLIM_INFINITY };
	struct mq_state *s = calloc(1, sizeof(*s));
	unsigned int i;

	if (!s)
		return missing(run, "out of memory");
	setrlimit(RLIMIT_MSGQUEUE, &limit);
	s->request = new_queue(run, "request", 0);
	if (s->request == (mqd_t)-1) {
		missing(run, "mq_open: %s%s", strerror(errno), errno == EINVAL ?
			" (larger than /proc/sys/fs/mqueue/msgsize_max)" : "");
		free(s);
		return false;
	}
	run->state = s;
	for (i = 0; i < run->clients; i++) {
		s->reply[i] = new_queue(run, "reply", i);
		if (s->reply[i] == (mqd_t)-1)
			return missing(run, "mq_open: %s", strerror(errno));
	}
	return true;
}

/* The client's number is in the second word of a message, behind its counter. */
static void set_client(void *msg, uint64_t client)
{
	put_word((char *)msg + sizeof(uint64_t), client);
}

static uint64_t get_client(const void *msg)
{
	return get_word((const char *)msg + sizeof(uint64_t));
}

static void *message(struct run *run, size_t extra)
{
	void *msg = calloc(1, run->size + extra);

	if (!msg)
		give_up(run, "out of memory");
	return msg;
}

static void mq_serve(struct run *run, unsigned int thread)
{
	const struct mq_state *s = run->state;
	void *msg = message(run, 0);

	(void)thread;
	for (;;) {
		if (mq_receive(s->request, msg, run->size, NULL) != (ssize_t)run->size)
			give_up(run, "mq_receive: %s", strerror(errno));
		make_answer(msg, msg, run->size);
		if (mq_send(s->reply[get_client(msg) % MAX_CLIENTS], msg, run->size, 0))
			give_up(run, "mq_send: %s", strerror(errno));
	}
}

static void *mq_call(struct run *run, unsigned int client, void *msg)
{
	const struct mq_state *s = run->state;

	set_client(msg, client);
	if (mq_send(s->request, msg, run->size, 0))
		give_up(run, "mq_send: %s", strerror(errno));
	if (mq_receive(s->reply[client], msg, run->size, NULL) != (ssize_t)run->size)
		give_up(run, "mq_receive: %s", strerror(errno));
	return msg;
}

const struct mechanism mq_mechanism = {
	.name = "mq", .title = "POSIX mq", .max_size = LARGEST, .flags = MECH_MANY,
	.open = mq_start, .serve = mq_serve, .call = mq_call, .close = mq_stop,
};

/* System V: a queue each way; the type of an answer is its client's number. */
struct sysv_state {
	int request, reply;
};

static bool sysv_open(struct run *run)
{
	struct sysv_state *s = calloc(1, sizeof(*s));

	if (!s)
		return missing(run, "out of memory");
	s->request = msgget(IPC_PRIVATE, 0600);
	s->reply = msgget(IPC_PRIVATE, 0600);
	run->state = s;
	if (s->request < 0 || s->reply < 0)
		return missing(run, "msgget: %s", strerror(errno));
	return true;
}

static void sysv_close(struct run *run)
{
	struct sysv_state *s = run->state;

	if (!s)
		return;
	msgctl(s->request, IPC_RMID, NULL);
	msgctl(s->reply, IPC_RMID, NULL);
	free(s);
}

static void sysv_send(struct run *run, int queue, const void *msg)
{
	if (msgsnd(queue, msg, run->size, 0))
		give_up(run, "msgsnd: %s%s", strerror(errno), errno == EINVAL ?
			" (larger than /proc/sys/kernel/msgmax)" : "");
}

static void sysv_receive(struct run *run, int queue, void *msg, long type)
{
	if (msgrcv(queue, msg, run->size, type, 0) != (ssize_t)run->size)
		give_up(run, "msgrcv: %s", strerror(errno));
}

static void sysv_serve(struct run *run, unsigned int thread)
{
	const struct sysv_state *s = run->state;
	long *msg = message(run, sizeof(*msg));

	(void)thread;
	for (;;) {
		sysv_receive(run, s->request, msg, 0);
		make_answer(msg + 1, msg + 1, run->size);
		sysv_send(run, s->reply, msg);
	}
}

static void *sysv_call(struct run *run, unsigned int client, void *msg)
{
	static long *typed;
	const struct sysv_state *s = run->state;

	/* The type stands in front of the message, so it has to be built there. */
	if (!typed)
		typed = message(run, sizeof(*typed));
	typed[0] = client + 1;
	memcpy(typed + 1, msg, run->size);
	sysv_send(run, s->request, typed);
	sysv_receive(run, s->reply, typed, client + 1);
	return typed + 1;
}

const struct mechanism sysv_mechanism = {
	.name = "sysv", .title = "System V msg", .max_size = LARGEST, .flags = MECH_MANY,
	.open = sysv_open, .serve = sysv_serve, .call = sysv_call, .close = sysv_close,
};
