// SPDX-License-Identifier: GPL-2.0
/* vipc: an endpoint, a capability for each client, one message each way. */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <unistd.h>
#include "../../lib/vipc.h"
#include "bench.h"

struct transport;

struct vipc_state {
	const struct transport *transport;
	int server;
	int client[MAX_CLIENTS];
};

/* How messages of up to some size travel. The first that is large enough is taken. */
static void serve_small(struct run *run);
static void *call_small(struct run *run, int fd, void *msg);
static void serve_payload(struct run *run);
static void *call_payload(struct run *run, int fd, void *msg);

#define LARGEST	(1024 * 1024)

static const struct transport {
	size_t max_size;
	void (*serve)(struct run *run);
	void *(*call)(struct run *run, int fd, void *msg);
} transports[] = {
	{ sizeof(struct vipc_msg), serve_small, call_small },
	{ LARGEST, serve_payload, call_payload },
};

static const struct transport *transport_for(size_t size)
{
	const struct transport *t = transports;

	/* run_start() has seen to it that one is large enough. */
	while (t->max_size < size)
		t++;
	return t;
}

int open_endpoint(struct run *run)
{
	int fd = vipc_open(O_CLOEXEC);

	if (fd < 0)
		missing(run, "/dev/vipc: %s%s", strerror(-fd),
			fd == -ENOENT ? " (is the module loaded?)" : "");
	return fd;
}

void close_endpoint(const struct run *run, int server, const int *client)
{
	unsigned int i;

	close(server);
	for (i = 0; i < run->clients; i++)
		if (client[i] > 0)
			close(client[i]);
}

static bool vipc_start(struct run *run)
{
	struct vipc_state *s = calloc(1, sizeof(*s));
	unsigned int i;

	if (!s)
		return missing(run, "out of memory");
	s->transport = transport_for(run->size);
	s->server = open_endpoint(run);
	if (s->server < 0) {
		free(s);
		return false;
	}
	run->state = s;
	if (s->transport->max_size > sizeof(struct vipc_msg)) {
		struct vipc_config config = {
			.flags = VIPC_CONFIG_MAX_LEN,
			.max_len = LARGEST,
		};
		int ret = vipc_config(s->server, &config);

		if (ret)
			return missing(run, "vipc_config: %s", strerror(-ret));
	}
	for (i = 0; i < run->clients; i++) {
		s->client[i] = vipc_derive(s->server, VIPC_RIGHT_SEND, i + 1);
		if (s->client[i] < 0)
			return missing(run, "vipc_derive: %s", strerror(-s->client[i]));
	}
	return true;
}

static void serve_small(struct run *run)
{
	const struct vipc_state *s = run->state;
	struct vipc_msg msg = { 0 };
	int ret;

	while (!(ret = vipc_reply_recv(s->server, &msg))) {
		msg.data[0]++;
		msg.data[3]--;
	}
	give_up(run, "vipc_reply_recv: %s", strerror(-ret));
}

static void *call_small(struct run *run, int fd, void *buf)
{
	struct vipc_msg msg = {
		.data = { get_word(buf), 0, 0, get_word(last_word(buf, run->size)) },
	};
	int ret = vipc_call(fd, &msg);

	if (ret)
		give_up(run, "vipc_call: %s", strerror(-ret));
	put_word(buf, msg.data[0]);
	put_word(last_word(buf, run->size), msg.data[3]);
	return buf;
}

/* The answer is made where the request is. */
static void serve_payload(struct run *run)
{
	const struct vipc_state *s = run->state;
	char *buf = calloc(1, run->size);
	struct vipc_xmsg msg = {
		.tx_buf = (uintptr_t)buf,
		.rx_buf = (uintptr_t)buf,
	};
	int ret;

	if (!buf)
		give_up(run, "out of memory");
	for (;;) {
		msg.tx_len = (uint32_t)run->size;
		msg.rx_len = (uint32_t)run->size;
		ret = vipc_reply_recv_x(s->server, &msg);
		if (ret)
			break;
		make_answer(buf, buf, run->size);
	}
	give_up(run, "vipc_reply_recv_x: %s", strerror(-ret));
}

static void *call_payload(struct run *run, int fd, void *buf)
{
	struct vipc_xmsg msg = {
		.tx_buf = (uintptr_t)buf,
		.tx_len = (uint32_t)run->size,
		.rx_buf = (uintptr_t)buf,
		.rx_len = (uint32_t)run->size,
	};
	int ret = vipc_call_x(fd, &msg);

	if (ret)
		give_up(run, "vipc_call_x: %s", strerror(-ret));
	if (msg.rx_len != run->size)
		give_up(run, "vipc_call_x: %u bytes came back", msg.rx_len);
	return buf;
}

static void vipc_answer(struct run *run, unsigned int thread)
{
	const struct vipc_state *s = run->state;

	(void)thread;
	s->transport->serve(run);
}

static void *vipc_ask(struct run *run, unsigned int client, void *msg)
{
	const struct vipc_state *s = run->state;

	return s->transport->call(run, s->client[client], msg);
}

static void vipc_stop(struct run *run)
{
	struct vipc_state *s = run->state;

	if (!s)
		return;
	close_endpoint(run, s->server, s->client);
	free(s);
}

const struct mechanism vipc_mechanism = {
	.name = "vipc", .title = "vipc", .max_size = LARGEST, .flags = MECH_MANY,
	.open = vipc_start, .serve = vipc_answer, .call = vipc_ask, .close = vipc_stop,
};
