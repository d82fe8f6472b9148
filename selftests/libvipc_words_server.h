/* SPDX-License-Identifier: GPL-2.0 */
/*
 * A server that runs vipc_serve(), with one thread and with four, and does to messages
 * what their opcode says: for the tests of vipc_serve().
 */
#ifndef LIBVIPC_WORDS_SERVER_H
#define LIBVIPC_WORDS_SERVER_H

#include "libvipc_hurry.h"

enum {
	OP_ECHO,	/* data[0] + 1, opcode 100 */
	OP_STOP,	/* as ECHO, and stop */
	OP_DEFER,	/* keep the token */
	OP_DEFER_STOP,
	OP_FAIL,	/* -EPROTO */
	OP_UNKNOWN,	/* a verdict that does not exist */
	OP_SPOIL,	/* write all over the message */
	OP_SPOIL_STOP,
	OP_STEAL,	/* put the token that was kept into the message */
	OP_WAIT,	/* until released, then as ECHO */
	OP_WHO,		/* as WAIT; data[0]: thread, data[1]: are all signals blocked? */
};

struct server {
	int fd;
	unsigned int threads;
	int ret, saw_errno;
	bool ended;
	pid_t tid;
	pthread_t thread;
	/* the handler's */
	int inside, handled, released;
	uint64_t token;
	struct vipc_msg last;
};

static inline bool all_signals_blocked(void)
{
	sigset_t set;

	pthread_sigmask(SIG_SETMASK, NULL, &set);
	for (int sig = 1; sig < 32; sig++)
		if (sig != SIGKILL && sig != SIGSTOP && !sigismember(&set, sig))
			return false;
	return true;
}

static inline int handler(struct vipc_msg *m, void *arg)
{
	struct server *s = arg;
	uint32_t op = m->opcode;

	errno = 1;	/* vipc_serve() must put it back */
	add(&s->handled, 1);
	if (op == OP_DEFER || op == OP_DEFER_STOP)
		store(&s->token, m->reply);
	if (op == OP_WAIT || op == OP_WHO) {
		add(&s->inside, 1);
		if (vt_wait_until(load(&s->released)))
			return -ETIME;
	}
	if (!m->reply)
		s->last = *m;
	m->opcode = 100;
	m->data[0]++;
	switch (op) {
	case OP_STOP:
		return VIPC_SERVE_STOP;
	case OP_DEFER:
		return VIPC_SERVE_DEFER;
	case OP_DEFER_STOP:
		return VIPC_SERVE_DEFER | VIPC_SERVE_STOP;
	case OP_FAIL:
		return -EPROTO;
	case OP_UNKNOWN:
		return 4;
	case OP_SPOIL:
	case OP_SPOIL_STOP:
		m->badge = m->reply = m->deadline_ns = 1;
		m->flags = 0xabcdffff;
		return op == OP_SPOIL ? VIPC_SERVE_REPLY : VIPC_SERVE_STOP;
	case OP_STEAL:
		m->reply = load(&s->token);
		return VIPC_SERVE_REPLY;
	case OP_WHO:
		m->data[0] = (uint64_t)vt_gettid();
		m->data[1] = all_signals_blocked();
		return VIPC_SERVE_REPLY;
	default:
		return VIPC_SERVE_REPLY;
	}
}

static inline void *server_thread(void *arg)
{
	struct server *s = arg;

	store(&s->tid, vt_gettid());
	errno = ERRNO_MARK;
	s->ret = vipc_serve(s->fd, handler, s, s->threads);
	s->saw_errno = errno;
	store(&s->ended, true);
	return NULL;
}

static inline int count_tasks(void)
{
	char line[128];
	int n = -1;
	FILE *f = fopen("/proc/self/status", "r");

	while (f && fgets(line, sizeof(line), f))
		if (sscanf(line, "Threads: %d", &n) == 1)
			break;
	if (f)
		fclose(f);
	return n;
}

FIXTURE(serve) {
	int server, client, tasks;
	struct server s;
};

FIXTURE_VARIANT(serve) {
	unsigned int threads;
};

FIXTURE_VARIANT_ADD(serve, one) { .threads = 1 };
FIXTURE_VARIANT_ADD(serve, four) { .threads = 4 };

FIXTURE_SETUP(serve)
{
	self->server = vipc_open(O_CLOEXEC);
	ASSERT_GE(self->server, 0);
	self->client = vipc_derive(self->server, VIPC_RIGHT_SEND, 7);
	ASSERT_GE(self->client, 0);
	self->tasks = count_tasks();
	self->s.fd = self->server;
	self->s.threads = variant->threads;
}

FIXTURE_TEARDOWN(serve)
{
	close(self->client);
	close(self->server);
}

/* Start, and wait until all its threads wait for work. */
static inline int server_start(struct server *s)
{
	s->ended = false;
	if (pthread_create(&s->thread, NULL, server_thread, s))
		return -EAGAIN;
	return vt_wait_receivers(s->fd, s->threads);
}

/* Join; what vipc_serve() returned, or 1 if something is not as it was before. */
static inline int server_end(struct server *s, int tasks)
{
	int ret = vt_join(s->thread);

	if (ret)
		return ret;
	if (s->saw_errno != ERRNO_MARK)
		return 1;
	/* A thread that was joined is counted for a moment longer. */
	if (vt_wait_until(count_tasks() == tasks))
		return 1;
	return s->ret;
}

static inline int call(int fd, uint32_t op, struct vipc_msg *m)
{
	*m = (struct vipc_msg){ .opcode = op, .data = { 41, 2, 3, 4 } };
	return vipc_call_timeout(fd, m, VT_LIMIT_NS);
}

/* A call that got the handler's answer. */
static inline bool answered(int fd, uint32_t op)
{
	struct vipc_msg m;

	return !call(fd, op, &m) && m.opcode == 100 && m.data[0] == 42 &&
	       m.data[3] == 4 && !m.reply && !m.badge;
}

#endif /* LIBVIPC_WORDS_SERVER_H */
