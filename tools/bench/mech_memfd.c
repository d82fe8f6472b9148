// SPDX-License-Identifier: GPL-2.0
/*
 * vipc with memory in a message: whoever sends makes a memfd, writes to it, seals it
 * and passes it on; whoever receives maps it and reads. What it takes to fill all of
 * that memory, and to read it, is not in the figures, as with the others, which send
 * what is there.
 */
#include <errno.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>
#include "../../lib/vipc.h"
#include "../../lib/vipc_shm.h"
#include "bench.h"

#define LARGEST	(1024 * 1024)

struct memfd_state {
	int server;
	int client[MAX_CLIENTS];
};

static bool memfd_start(struct run *run)
{
	struct vipc_config config = {
		.flags = VIPC_CONFIG_MAX_FDS,
		.max_fds = 1,
	};
	struct memfd_state *s;
	unsigned int i;
	int ret;

	if (run->size < 4096)
		return missing(run, "for a page and more");
	s = calloc(1, sizeof(*s));
	if (!s)
		return missing(run, "out of memory");
	s->server = open_endpoint(run);
	if (s->server < 0) {
		free(s);
		return false;
	}
	run->state = s;
	ret = vipc_config(s->server, &config);
	if (ret)
		return missing(run, "vipc_config: %s", strerror(-ret));
	for (i = 0; i < run->clients; i++) {
		s->client[i] = vipc_derive(s->server, VIPC_RIGHT_SEND | VIPC_RIGHT_GRANT,
					   i + 1);
		if (s->client[i] < 0)
			return missing(run, "vipc_derive: %s", strerror(-s->client[i]));
	}
	return true;
}

/* Memory with the first and the last word of a message, ready to be passed on. */
static int32_t make_sealed(struct run *run, uint64_t first, uint64_t last)
{
	void *map;
	int fd = vipc_shm_create("vipc-bench", run->size, &map);
	int ret;

	if (fd < 0)
		give_up(run, "vipc_shm_create: %s", strerror(-fd));
	put_word(map, first);
	put_word(last_word(map, run->size), last);
	ret = vipc_shm_seal(fd, map);
	if (ret)
		give_up(run, "vipc_shm_seal: %s", strerror(-ret));
	munmap(map, run->size);
	return fd;
}

/* Reads the two words out of such memory, and lets go of it. */
static void take_sealed(struct run *run, int32_t fd, uint64_t *first, uint64_t *last)
{
	size_t size = run->size;
	void *map;
	int ret = vipc_shm_map(fd, VIPC_SHM_CONST, &size, &map);

	if (ret)
		give_up(run, "vipc_shm_map: %s", strerror(-ret));
	if (size != run->size)
		give_up(run, "vipc_shm_map: %zu bytes", size);
	*first = get_word(map);
	*last = get_word(last_word(map, size));
	munmap(map, size);
	close(fd);
}

static void memfd_serve(struct run *run, unsigned int thread)
{
	const struct memfd_state *s = run->state;
	int32_t answer = -1, request = -1;
	struct vipc_xmsg msg = {
		.tx_fds = (uintptr_t)&answer,
		.rx_fds = (uintptr_t)&request,
	};
	uint64_t first, last;
	int ret;

	(void)thread;
	for (;;) {
		msg.rx_nfds = 1;
		ret = vipc_reply_recv_x(s->server, &msg);
		if (answer >= 0)
			close(answer);
		if (ret)
			break;
		take_sealed(run, request, &first, &last);
		answer = make_sealed(run, first + 1, last - 1);
		msg.tx_nfds = 1;
	}
	give_up(run, "vipc_reply_recv_x: %s", strerror(-ret));
}

static void *memfd_call(struct run *run, unsigned int client, void *buf)
{
	const struct memfd_state *s = run->state;
	char *end = last_word(buf, run->size);
	int32_t request = make_sealed(run, get_word(buf), get_word(end)), answer = -1;
	struct vipc_xmsg msg = {
		.tx_fds = (uintptr_t)&request,
		.tx_nfds = 1,
		.rx_fds = (uintptr_t)&answer,
		.rx_nfds = 1,
	};
	uint64_t first, last;
	int ret = vipc_call_x(s->client[client], &msg);

	if (ret)
		give_up(run, "vipc_call_x: %s", strerror(-ret));
	close(request);
	take_sealed(run, answer, &first, &last);
	put_word(buf, first);
	put_word(end, last);
	return buf;
}

static void memfd_stop(struct run *run)
{
	struct memfd_state *s = run->state;

	if (!s)
		return;
	close_endpoint(run, s->server, s->client);
	free(s);
}

const struct mechanism memfd_mechanism = {
	.name = "vipc-memfd", .title = "vipc, sealed memfd", .max_size = LARGEST,
	.open = memfd_start, .serve = memfd_serve, .call = memfd_call, .close = memfd_stop,
};
