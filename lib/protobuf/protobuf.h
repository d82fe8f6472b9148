/* SPDX-License-Identifier: MIT */
/* What both ends of vipc_protobuf.h have in common. Not installed. */
#ifndef LIBVIPC_PROTOBUF_H
#define LIBVIPC_PROTOBUF_H

#include "vipc_protobuf.h"

#define EXPORT __attribute__((visibility("default")))

/* The most that a module lets anybody send. */
#define LONGEST	(16u << 20)

static inline __u32 hash_of(__u32 hash, const char *text)
{
	for (; *text; text++)
		hash = (hash ^ (unsigned char)*text) * 0x01000193u;
	return hash;
}

/* What a request for this method has as its opcode. */
static inline __u32 method_hash(const ProtobufCServiceDescriptor *service,
				unsigned int method)
{
	__u32 hash = hash_of(0x811c9dc5u, service->name);

	return hash_of(hash_of(hash, "."), service->methods[method].name);
}

#endif /* LIBVIPC_PROTOBUF_H */
