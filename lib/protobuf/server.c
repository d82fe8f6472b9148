// SPDX-License-Identifier: MIT
/*
 * A service behind a handler of vipc_serve_x(). A method may answer within it, and then
 * the reply goes out with the next receive, or at any time later.
 */
#include <errno.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdlib.h>

#include "protobuf.h"

struct method {
	__u32 hash;
	unsigned int index;
};

struct vipc_protobuf_server {
	int fd;
	ProtobufCService *service;
	struct method method[];		/* in the order of their hashes */
};

/* A call that a method is to answer. */
struct call {
	atomic_uint users;	/* the handler, and who is to call the closure */
	int fd;
	__u32 room;		/* the caller's, for a reply */
	__u64 token, badge;
	pthread_t thread;	/* the handler's */
	/* The handler's thread alone looks at these. */
	struct vipc_xmsg *x;	/* NULL once the method has returned */
	bool answered;
};

static void put(struct call *call)
{
	if (atomic_fetch_sub(&call->users, 1) == 1)
		free(call);
}

static void set_status(struct vipc_xmsg *x, int error)
{
	x->msg.opcode = (__u32)-error;
	x->msg.flags = 0;
	for (int i = 0; i < 4; i++)
		x->msg.data[i] = 0;
	x->tx_len = 0;
	x->tx_nfds = 0;
}

/* Is there an answer that fits? Its length in @len and 0, or an error. */
static int look_at(const ProtobufCMessage *output, __u32 room, size_t *len)
{
	if (!output || !protobuf_c_message_check(output))
		return -EREMOTEIO;
	*len = protobuf_c_message_get_packed_size(output);
	return *len > room ? -EMSGSIZE : 0;
}

static void answer_now(struct call *call, const ProtobufCMessage *output)
{
	struct vipc_xmsg *x = call->x;
	size_t len = 0;

	set_status(x, look_at(output, call->room, &len));
	if (!x->msg.opcode)
		x->tx_len = (__u32)protobuf_c_message_pack(output, VIPC_POINTER(x->tx_buf));
	call->answered = true;
}

static void answer_later(const struct call *call, const ProtobufCMessage *output)
{
	struct vipc_xmsg x = { .msg.reply = call->token };
	__u8 *bytes = NULL;
	size_t len = 0;
	int error = look_at(output, call->room, &len);

	if (!error) {
		bytes = malloc(len + !len);
		if (!bytes)
			error = -ENOMEM;
	}
	set_status(&x, error);
	if (!error) {
		x.tx_buf = VIPC_ADDRESS(bytes);
		x.tx_len = (__u32)protobuf_c_message_pack(output, bytes);
	}
	error = vipc_reply_x(call->fd, &x);
	/* Else its caller has left, or the kernel has no memory: nobody shall wait. */
	if (error && error != -ESRCH) {
		set_status(&x, error);
		vipc_reply_x(call->fd, &x);
	}
	free(bytes);
}

/* The closure. */
static void answer(const ProtobufCMessage *output, void *closure_data)
{
	struct call *call = closure_data;

	if (pthread_equal(call->thread, pthread_self()) && call->x)
		answer_now(call, output);
	else
		answer_later(call, output);
	put(call);
}

EXPORT __u64 vipc_protobuf_badge(const void *closure_data)
{
	return ((const struct call *)closure_data)->badge;
}

static int by_hash(const void *a, const void *b)
{
	__u32 first = ((const struct method *)a)->hash;
	__u32 second = ((const struct method *)b)->hash;

	return (first > second) - (first < second);
}

static int run(struct vipc_protobuf_server *server, unsigned int index,
	       ProtobufCMessage *input, struct vipc_xmsg *x)
{
	ProtobufCService *service = server->service;
	struct call *call = malloc(sizeof(*call));
	bool answered;

	if (!call) {
		set_status(x, -ENOMEM);
		return VIPC_SERVE_REPLY;
	}
	atomic_init(&call->users, 2);
	call->fd = server->fd;
	call->room = x->reply_len;
	call->token = x->msg.reply;
	call->badge = x->msg.badge;
	call->thread = pthread_self();
	call->x = x;
	call->answered = false;
	service->invoke(service, index, input, answer, call);
	call->x = NULL;
	answered = call->answered;
	put(call);
	return answered ? VIPC_SERVE_REPLY : VIPC_SERVE_DEFER;
}

EXPORT int vipc_protobuf_handler(struct vipc_xmsg *msg, void *server)
{
	struct vipc_protobuf_server *s = server;
	const ProtobufCServiceDescriptor *service = s->service->descriptor;
	struct method key = { .hash = msg->msg.opcode }, *method;
	ProtobufCMessage *input;
	int ret;

	if (!msg->msg.reply)
		return VIPC_SERVE_REPLY;
	method = bsearch(&key, s->method, service->n_methods, sizeof(key), by_hash);
	if (!method) {
		set_status(msg, -EOPNOTSUPP);
		return VIPC_SERVE_REPLY;
	}
	input = protobuf_c_message_unpack(service->methods[method->index].input, NULL,
					  msg->rx_len, VIPC_POINTER(msg->rx_buf));
	if (!input) {
		set_status(msg, -EBADMSG);
		return VIPC_SERVE_REPLY;
	}
	ret = run(s, method->index, input, msg);
	protobuf_c_message_free_unpacked(input, NULL);
	return ret;
}

/* Sort the methods by their hashes. False if two have the same one. */
static bool sort_methods(struct vipc_protobuf_server *s)
{
	const ProtobufCServiceDescriptor *service = s->service->descriptor;
	unsigned int i;

	for (i = 0; i < service->n_methods; i++)
		s->method[i] = (struct method){ method_hash(service, i), i };
	qsort(s->method, service->n_methods, sizeof(*s->method), by_hash);
	for (i = 1; i < service->n_methods; i++)
		if (s->method[i].hash == s->method[i - 1].hash)
			return false;
	return true;
}

EXPORT int vipc_protobuf_server_new(int fd, ProtobufCService *service,
				    struct vipc_protobuf_server **server)
{
	struct vipc_protobuf_server *s;
	int ret = 0, saved = errno;

	s = malloc(sizeof(*s) + service->descriptor->n_methods * sizeof(*s->method));
	if (s) {
		s->fd = fd;
		s->service = service;
		if (sort_methods(s)) {
			*server = s;
		} else {
			free(s);
			ret = -EEXIST;
		}
	} else {
		ret = -ENOMEM;
	}
	errno = saved;
	return ret;
}

EXPORT void vipc_protobuf_server_free(struct vipc_protobuf_server *server)
{
	free(server);
}

EXPORT int vipc_protobuf_serve(int fd, ProtobufCService *service, __u32 max_request,
			       unsigned int threads)
{
	struct vipc_config config = {
		.flags = VIPC_CONFIG_MAX_LEN,
		.max_len = max_request,
	};
	struct vipc_protobuf_server *server;
	int ret = vipc_config(fd, &config);

	if (!ret)
		ret = vipc_protobuf_server_new(fd, service, &server);
	if (ret)
		return ret;
	ret = vipc_serve_x(fd, vipc_protobuf_handler, server, threads);
	vipc_protobuf_server_free(server);
	return ret;
}
