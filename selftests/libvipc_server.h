/* SPDX-License-Identifier: GPL-2.0 */
/*
 * A server that runs vipc_serve_x(), with one thread and with four, and does to
 * messages what their opcode says: for the tests of vipc_serve_x(). The linker gives
 * some of the library's calls to what is here (see the Makefile).
 */
#ifndef LIBVIPC_SERVER_H
#define LIBVIPC_SERVER_H

#include <sys/eventfd.h>
#include <sys/resource.h>

#include "libvipc_hurry.h"

#define MAX_LEN		65536
#define MAX_FDS		4

enum {
	OP_ECHO,	/* the same bytes, opcode 100 */
	OP_COUNT,	/* data[0]: bytes, data[1]: descriptors, data[2], data[3]: room */
	OP_FILL,	/* data[0] bytes in the library's memory */
	OP_BAD_BUF,	/* bytes from where there are none */
	OP_BAD_FD,	/* a descriptor that is not open */
	OP_GIVE,	/* data[0] descriptors, to be closed by the library */
	OP_GIVE_TWICE,	/* the same one twice */
	OP_CHANGE_MIND,	/* put some there, and then send none */
	OP_LEND,	/* s->kept, which stays open */
	OP_PASS_ON,	/* what came */
	OP_KEEP,	/* in s->kept */
	OP_KEEP_DEFER,	/* that, and the token */
	OP_SPOIL,	/* write all over the message */
	OP_WAIT,	/* until released, then as ECHO */
	OP_WAIT_GIVE,	/* until released, then as GIVE */
	OP_STOP,	/* as ECHO, and stop */
	OP_FAIL,	/* as GIVE, and -EPROTO */
};

struct server {
	int fd;
	unsigned int threads;
	int ret, saw_errno;
	bool ended;
	pthread_t thread;
	/* the handler's */
	int handled, inside, released, notices, kept;
	uint64_t token, bits;
};

/* Closing what is not open is as bad as closing twice: both are somebody else's. */
static int closed_in_vain;

int __real_close(int fd);
int __wrap_close(int fd);

int __wrap_close(int fd)
{
	int ret = __real_close(fd);

	if (ret)
		add(&closed_in_vain, 1);
	return ret;
}

static inline uint8_t pattern(size_t i)
{
	return (uint8_t)(i * 7 + i / 251);
}

static inline void fill(void *p, size_t n)
{
	for (size_t i = 0; i < n; i++)
		((uint8_t *)p)[i] = pattern(i);
}

static inline bool is_filled(const void *p, size_t n)
{
	for (size_t i = 0; i < n; i++)
		if (((const uint8_t *)p)[i] != pattern(i))
			return false;
	return true;
}

static inline int count_fds(void)
{
	int n = 0;

	for (int fd = 0; fd < 1024; fd++)
		n += fcntl(fd, F_GETFD) >= 0;
	return n;
}

static inline void give(struct vipc_xmsg *x, uint64_t n)
{
	__s32 *fds = VIPC_POINTER(x->tx_fds);

	for (uint64_t i = 0; i < n; i++)
		fds[i] = eventfd(0, EFD_CLOEXEC);
	x->tx_nfds = (uint32_t)n;
}

static inline void keep(struct server *s, struct vipc_xmsg *x)
{
	__s32 *fds = VIPC_POINTER(x->rx_fds);

	if (x->rx_nfds) {
		store(&s->kept, fds[0]);
		fds[0] = -1;
	}
}

static inline int handler(struct vipc_xmsg *x, void *arg)
{
	struct server *s = arg;
	uint32_t op = x->msg.opcode;
	uint64_t n = x->msg.data[0];
	__s32 *fds = VIPC_POINTER(x->tx_fds);

	errno = 1;	/* vipc_serve_x() must put it back */
	if (x->msg.flags & VIPC_MSG_NOTIFICATION) {
		__atomic_or_fetch(&s->bits, x->msg.data[0], __ATOMIC_ACQ_REL);
		return VIPC_SERVE_REPLY;
	}
	if (x->msg.flags & VIPC_MSG_BADGE_CLOSED) {
		add(&s->notices, (int)x->msg.badge);
		return VIPC_SERVE_REPLY;
	}
	add(&s->handled, 1);
	x->msg.opcode = 100;
	switch (op) {
	case OP_COUNT:
		x->msg.data[0] = x->rx_len;
		x->msg.data[1] = x->rx_nfds;
		x->msg.data[2] = x->reply_len;
		x->msg.data[3] = x->reply_nfds;
		return VIPC_SERVE_REPLY;
	case OP_FILL:
		fill(VIPC_POINTER(x->tx_buf), n);
		x->tx_len = (uint32_t)n;
		return VIPC_SERVE_REPLY;
	case OP_BAD_BUF:
		x->tx_buf = 16;
		x->tx_len = 1;
		return VIPC_SERVE_REPLY;
	case OP_BAD_FD:
		fds[0] = -1;
		x->tx_nfds = 1;
		return VIPC_SERVE_REPLY;
	case OP_GIVE:
	case OP_FAIL:
		give(x, n);
		return op == OP_GIVE ? VIPC_SERVE_REPLY : -EPROTO;
	case OP_GIVE_TWICE:
		give(x, 1);
		fds[1] = fds[0];
		x->tx_nfds = 2;
		return VIPC_SERVE_REPLY;
	case OP_CHANGE_MIND:
		give(x, n);
		x->tx_nfds = 0;
		return VIPC_SERVE_REPLY;
	case OP_LEND:
		x->tx_fds = VIPC_ADDRESS(&s->kept);
		x->tx_nfds = 1;
		return VIPC_SERVE_REPLY;
	case OP_PASS_ON:
		memcpy(fds, VIPC_POINTER(x->rx_fds), x->rx_nfds * sizeof(*fds));
		x->tx_nfds = x->rx_nfds;
		return VIPC_SERVE_REPLY;
	case OP_KEEP:
		keep(s, x);
		return VIPC_SERVE_REPLY;
	case OP_KEEP_DEFER:
		keep(s, x);
		give(x, 1);	/* which is for nobody */
		store(&s->token, x->msg.reply);
		return VIPC_SERVE_DEFER;
	case OP_SPOIL:
		give(x, 1);
		memset(x, 0xff, sizeof(*x));
		x->msg.opcode = 100;
		x->tx_len = 0;
		x->tx_nfds = 0;
		return VIPC_SERVE_REPLY;
	case OP_WAIT:
	case OP_WAIT_GIVE:
		add(&s->inside, 1);
		if (vt_wait_until(load(&s->released)))
			return -ETIME;
		if (op == OP_WAIT_GIVE) {
			give(x, n);
			return VIPC_SERVE_REPLY;
		}
	}
	x->tx_buf = x->rx_buf;
	x->tx_len = x->rx_len;
	return op == OP_STOP ? VIPC_SERVE_STOP : VIPC_SERVE_REPLY;
}

static inline void *server_thread(void *arg)
{
	struct server *s = arg;

	errno = ERRNO_MARK;
	s->ret = vipc_serve_x(s->fd, handler, s, s->threads);
	s->saw_errno = errno;
	store(&s->ended, true);
	return NULL;
}

static inline int set_limits(int fd, uint32_t max_len, uint32_t max_fds)
{
	struct vipc_config config = {
		.flags = VIPC_CONFIG_MAX_LEN | VIPC_CONFIG_MAX_FDS,
		.max_len = max_len,
		.max_fds = max_fds,
	};

	return vipc_config(fd, &config);
}

FIXTURE(serve) {
	int server, client, files;
	struct server s;
	uint8_t *out, *in;
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
	self->client = vipc_derive(self->server, VIPC_RIGHT_SEND | VIPC_RIGHT_GRANT, 7);
	ASSERT_GE(self->client, 0);
	ASSERT_EQ(0, set_limits(self->server, MAX_LEN, MAX_FDS));
	self->out = malloc(1 << 20);
	self->in = malloc(1 << 20);
	fill(self->out, 1 << 20);
	self->files = count_fds();
	self->s.fd = self->server;
	self->s.threads = variant->threads;
	self->s.kept = -1;
}

FIXTURE_TEARDOWN(serve)
{
	EXPECT_EQ(0, closed_in_vain);
	free(self->out);
	free(self->in);
}

static inline int server_start(struct server *s)
{
	s->ended = false;
	if (pthread_create(&s->thread, NULL, server_thread, s))
		return -EAGAIN;
	return vt_wait_receivers(s->fd, s->threads);
}

/* What vipc_serve_x() returned, or 1 if something was left behind. */
static inline int server_end(struct server *s, int files)
{
	int ret = vt_join(s->thread);

	if (ret)
		return ret;
	return s->saw_errno != ERRNO_MARK || count_fds() != files ? 1 : s->ret;
}

/* A call without bytes, and with room for all. */
static inline struct vipc_xmsg request(uint32_t op, uint64_t n, uint8_t *room, int *fds)
{
	return (struct vipc_xmsg){
		.msg = { .opcode = op, .data = { n } },
		.rx_buf = VIPC_ADDRESS(room),
		.rx_len = room ? 1 << 20 : 0,
		.rx_fds = VIPC_ADDRESS(fds),
		.rx_nfds = fds ? 2 * MAX_FDS : 0,
	};
}

static inline int call(int fd, struct vipc_xmsg *x)
{
	x->msg.deadline_ns = vt_now_ns() + VT_LIMIT_NS;
	return vipc_call_x(fd, x);
}

/* A call of @op with @n that got the handler's answer. */
static inline bool answered(int fd, uint32_t op, uint64_t n)
{
	struct vipc_xmsg x = request(op, n, NULL, NULL);

	return !call(fd, &x) && x.msg.opcode == 100 && !x.rx_len && !x.rx_nfds;
}

/* One whose reply could not be sent, for the reason @err. */
static inline bool refused(int fd, struct vipc_xmsg x, int err, uint64_t bytes, uint64_t nfds)
{
	return !call(fd, &x) && x.msg.opcode == VIPC_OPCODE_FAILED && !x.msg.flags &&
	       x.msg.data[0] == (uint64_t)err && x.msg.data[1] == bytes &&
	       x.msg.data[2] == nfds && !x.msg.data[3] && !x.rx_len && !x.rx_nfds;
}

/* What the library has to close is closed before the next message is there. */
static inline int settled(struct server *s, int files)
{
	return vt_wait_until(vt_receivers(s->fd) == s->threads && count_fds() == files);
}

#endif /* LIBVIPC_SERVER_H */
