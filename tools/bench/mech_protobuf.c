// SPDX-License-Identifier: GPL-2.0
/* vipc with protobuf-c: words in a schema, packed and unpacked on both sides. */
#include <errno.h>
#include <stdlib.h>
#include "../../lib/protobuf/vipc_protobuf.h"
#include "bench.h"
#include "words.pb-c.h"

#define LARGEST		65536
/* What a message takes besides its words. */
#define OVERHEAD	16

struct protobuf_state {
	int server;
	int fd[MAX_CLIENTS];
	ProtobufCService *client[MAX_CLIENTS];
};

/* What a call's closure needs. */
struct waiting {
	struct run *run;
	void *buf;
};

static bool protobuf_start(struct run *run)
{
	struct protobuf_state *s;
	unsigned int i;

	if (run->size % sizeof(uint64_t))
		return missing(run, "for multiples of 8");
	s = calloc(1, sizeof(*s));
	if (!s)
		return missing(run, "out of memory");
	s->server = open_endpoint(run);
	if (s->server < 0) {
		free(s);
		return false;
	}
	run->state = s;
	for (i = 0; i < run->clients; i++) {
		int ret = vipc_derive(s->server, VIPC_RIGHT_SEND, i + 1);

		s->fd[i] = ret;
		if (ret >= 0)
			ret = vipc_protobuf_client(ret, &bench__calculator__descriptor,
						   (__u32)run->size + OVERHEAD, VIPC_FOREVER,
						   &s->client[i]);
		if (ret)
			return missing(run, "vipc_protobuf_client: %s", strerror(-ret));
	}
	return true;
}

/* The answer is made where the request is. */
static void calculator_answer(Bench__Calculator_Service *service, const Bench__Words *words,
			      Bench__Words_Closure closure, void *closure_data)
{
	(void)service;
	if (!words->n_word) {
		closure(NULL, closure_data);
		return;
	}
	make_answer(words->word, words->word, words->n_word * sizeof(*words->word));
	closure(words, closure_data);
}

static void protobuf_serve(struct run *run, unsigned int thread)
{
	const struct protobuf_state *s = run->state;
	Bench__Calculator_Service service = BENCH__CALCULATOR__INIT(calculator_);
	int ret = vipc_protobuf_serve(s->server, &service.base, (__u32)run->size + OVERHEAD, 1);

	(void)thread;
	give_up(run, "vipc_protobuf_serve: %s", strerror(-ret));
}

static void take_words(const Bench__Words *words, void *closure_data)
{
	struct waiting *waiting = closure_data;
	size_t size = waiting->run->size;

	if (!words)
		give_up(waiting->run, "the call has failed: %s", strerror(-vipc_protobuf_error()));
	if (words->n_word * sizeof(*words->word) != size)
		give_up(waiting->run, "%zu words came back", words->n_word);
	memcpy(waiting->buf, words->word, size);
}

static void *protobuf_call(struct run *run, unsigned int client, void *buf)
{
	const struct protobuf_state *s = run->state;
	struct waiting waiting = { run, buf };
	Bench__Words words = BENCH__WORDS__INIT;

	words.word = buf;
	words.n_word = run->size / sizeof(*words.word);
	bench__calculator__answer(s->client[client], &words, take_words, &waiting);
	return buf;
}

static void protobuf_stop(struct run *run)
{
	struct protobuf_state *s = run->state;
	unsigned int i;

	if (!s)
		return;
	for (i = 0; i < run->clients; i++)
		if (s->client[i])
			protobuf_c_service_destroy(s->client[i]);
	close_endpoint(run, s->server, s->fd);
	free(s);
}

const struct mechanism protobuf_mechanism = {
	.name = "vipc-protobuf", .title = "vipc, protobuf-c", .max_size = LARGEST,
	.flags = MECH_MANY,
	.open = protobuf_start, .serve = protobuf_serve, .call = protobuf_call,
	.close = protobuf_stop,
};
