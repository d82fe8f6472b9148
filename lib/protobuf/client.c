// SPDX-License-Identifier: MIT
/* A service whose methods are somewhere else: each one packs, calls and unpacks. */
#include <errno.h>
#include <stdlib.h>

#include "protobuf.h"

/* Request and reply up to this size have room on the stack. */
#define SMALL	4096

#define MAX_ERRNO	4095

struct client {
	ProtobufCService base;	/* first: what the generated functions see */
	int fd;
	__u32 max_reply;
	__u64 timeout_ns;
	__u32 hash[];		/* one for each method */
};

static _Thread_local int last_error;

EXPORT int vipc_protobuf_error(void)
{
	return last_error;
}

/* What the reply says, with its bytes at @bytes; 0 with *@output, or an error. */
static int unpack_reply(const struct vipc_xmsg *x, const __u8 *bytes,
			const ProtobufCMessageDescriptor *type, ProtobufCMessage **output)
{
	__u64 error = x->msg.opcode;

	if (error == VIPC_OPCODE_FAILED)
		error = x->msg.data[0];
	if (error)
		return error <= MAX_ERRNO ? -(int)error : -EBADMSG;
	*output = protobuf_c_message_unpack(type, NULL, x->rx_len, bytes);
	return *output ? 0 : -EBADMSG;
}

/* @room has place for the request, which takes @len, and behind it for the reply. */
static int exchange(const struct client *client, unsigned int method,
		    const ProtobufCMessage *input, size_t len, __u8 *room,
		    ProtobufCMessage **output)
{
	struct vipc_xmsg x = {
		.msg.opcode = client->hash[method],
		.tx_buf = VIPC_ADDRESS(room),
		.tx_len = (__u32)len,
		.rx_buf = VIPC_ADDRESS(room + len),
		.rx_len = client->max_reply,
	};
	int ret;

	protobuf_c_message_pack(input, room);
	ret = vipc_call_x_timeout(client->fd, &x, client->timeout_ns);
	if (ret)
		return ret;
	return unpack_reply(&x, room + len, client->base.descriptor->methods[method].output,
			    output);
}

static int call(const struct client *client, unsigned int method,
		const ProtobufCMessage *input, ProtobufCMessage **output)
{
	__u8 small[SMALL], *room = small;
	size_t len;
	int ret;

	if (!protobuf_c_message_check(input))
		return -EINVAL;
	len = protobuf_c_message_get_packed_size(input);
	if (len > LONGEST)
		return -EMSGSIZE;
	if (len + client->max_reply > SMALL)
		room = malloc(len + client->max_reply);
	if (!room)
		return -ENOMEM;
	ret = exchange(client, method, input, len, room, output);
	if (room != small)
		free(room);
	return ret;
}

static void invoke(ProtobufCService *service, unsigned int method,
		   const ProtobufCMessage *input, ProtobufCClosure closure, void *closure_data)
{
	const struct client *client = (const struct client *)service;
	ProtobufCMessage *output = NULL;
	int saved = errno;

	last_error = call(client, method, input, &output);
	errno = saved;
	closure(output, closure_data);
	if (output)
		protobuf_c_message_free_unpacked(output, NULL);
}

static void destroy(ProtobufCService *service)
{
	free(service);
}

EXPORT int vipc_protobuf_client(int fd, const ProtobufCServiceDescriptor *descriptor,
				__u32 max_reply, __u64 timeout_ns, ProtobufCService **client)
{
	struct vipc_info info;
	int ret = vipc_info(fd, &info), saved = errno;
	struct client *c;
	unsigned int i;

	if (ret)
		return ret;
	if (max_reply > LONGEST)
		return -EINVAL;
	c = malloc(sizeof(*c) + descriptor->n_methods * sizeof(*c->hash));
	errno = saved;
	if (!c)
		return -ENOMEM;
	c->base.descriptor = descriptor;
	c->base.invoke = invoke;
	c->base.destroy = destroy;
	c->fd = fd;
	c->max_reply = max_reply;
	c->timeout_ns = timeout_ns;
	for (i = 0; i < descriptor->n_methods; i++)
		c->hash[i] = method_hash(descriptor, i);
	*client = &c->base;
	return 0;
}
