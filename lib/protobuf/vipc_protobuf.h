/* SPDX-License-Identifier: MIT */
/**
 * DOC: libvipc-protobuf, services of protobuf-c over vipc
 *
 * A service in a .proto file, compiled by protoc-c, runs unchanged on both sides: what
 * implements it in the server is served by vipc_protobuf_serve(), and the client calls
 * the generated functions on what vipc_protobuf_client() has made. Every call is one
 * vipc_call_x().
 *
 * A method goes by its full name, of which the message carries a hash: methods may be
 * added and moved around in the file, and a client of another service is refused.
 *
 * The opcode of a request is the FNV-1a hash (32 bits) of PACKAGE.SERVICE.METHOD, and
 * its bytes are the packed input. The opcode of a reply is 0, and its bytes are the
 * packed output; or it is a positive errno value, or VIPC_OPCODE_FAILED with that in
 * data[0]. There is nothing else.
 *
 * Functions return a negative errno value and leave errno alone. They are thread-safe
 * and not async-signal-safe.
 */
#ifndef LIBVIPC_VIPC_PROTOBUF_H
#define LIBVIPC_VIPC_PROTOBUF_H

#include <protobuf-c/protobuf-c.h>
#include "../vipc.h"

#ifdef __cplusplus
extern "C" {
#endif

/**
 * vipc_protobuf_client() - make what the generated functions of a service are called on
 * @fd: capability with VIPC_RIGHT_SEND. It stays the caller's, and must stay open until
 *	protobuf_c_service_destroy()
 * @descriptor: the service, as it was generated
 * @max_reply: the longest reply, in bytes, at most 16 MiB: each call has that much room.
 *	Up to some 4000 bytes of request and reply together take no allocation
 * @timeout_ns: how long each call may take, in nanoseconds, or VIPC_FOREVER
 * @client: out: protobuf_c_service_destroy() frees it
 *
 * The generated functions call the closure before they return, with NULL if the call
 * failed: vipc_protobuf_error() says why. Any number of threads may call at the same
 * time.
 *
 * Return: 0, or
 *
 * * -%EINVAL: @max_reply is too large
 * * -%ENOMEM: out of memory
 * * as vipc_info(): @fd is no capability, or was revoked
 */
int vipc_protobuf_client(int fd, const ProtobufCServiceDescriptor *descriptor,
			 __u32 max_reply, __u64 timeout_ns, ProtobufCService **client);

/**
 * vipc_protobuf_error() - why this thread's last call has failed
 *
 * Return: 0 if it has not, or
 *
 * * -%EINVAL: the request lacks a required field, or has no valid value in one
 * * -%EMSGSIZE: request or reply are longer than the other side has room for. If it is
 *   the reply, the method has run
 * * -%EOPNOTSUPP: the server has no such method
 * * -%EBADMSG: the request, or the reply, could not be unpacked
 * * -%EREMOTEIO: the method gave no result (closure with NULL), or one that lacks a
 *   required field
 * * -%ENOMEM: out of memory, here or in the server
 * * as vipc_call_x()
 */
int vipc_protobuf_error(void);

/**
 * vipc_protobuf_serve() - serve a service
 * @fd: capability with VIPC_RIGHT_RECV
 * @service: implements it; its methods are called by up to @threads threads at once
 * @max_request: the longest request, in bytes: what max_len of the endpoint is set to.
 *	Unpacked, a hostile one can take some fifty times as much memory
 * @threads: as for vipc_serve_x()
 *
 * A method answers by calling the closure that it gets, once: before it returns, or
 * later, in any thread, but then its input is gone. NULL tells the client that it has
 * failed. One that never calls it leaves the client waiting.
 *
 * Messages without a reply token and notices are passed over: to see these, use
 * vipc_protobuf_handler(). vipc_shutdown() ends it.
 *
 * Return: as vipc_serve_x() and vipc_protobuf_server_new(), and
 *
 * * -%EINVAL: also: @max_request is above the module's limit
 */
int vipc_protobuf_serve(int fd, ProtobufCService *service, __u32 max_request,
			unsigned int threads);

/** struct vipc_protobuf_server - a service, prepared for vipc_protobuf_handler() */
struct vipc_protobuf_server;

/**
 * vipc_protobuf_server_new() - prepare a service for a loop of one's own
 * @fd: capability with VIPC_RIGHT_RECV, by which calls are received. It must stay open
 *	until the last closure was called
 * @service: implements it, and must stay until vipc_protobuf_server_free()
 * @server: out: what vipc_protobuf_handler() takes
 *
 * Return: 0, or
 *
 * * -%EEXIST: two methods have the same hash: rename one of them
 * * -%ENOMEM: out of memory
 */
int vipc_protobuf_server_new(int fd, ProtobufCService *service,
			     struct vipc_protobuf_server **server);

/**
 * vipc_protobuf_handler() - serve one message
 * @msg: as for vipc_handler_x_t
 * @server: vipc_protobuf_server_new()'s
 *
 * For vipc_serve_x(), or to be called by another handler there, which looks at notices
 * and notifications itself.
 *
 * Return: VIPC_SERVE_REPLY or VIPC_SERVE_DEFER.
 */
int vipc_protobuf_handler(struct vipc_xmsg *msg, void *server);

/**
 * vipc_protobuf_server_free() - free what vipc_protobuf_server_new() has made
 * @server: of which no message is being handled, or NULL. Closures that were not called
 *	yet may still be called
 */
void vipc_protobuf_server_free(struct vipc_protobuf_server *server);

/**
 * vipc_protobuf_badge() - who calls
 * @closure_data: what a method got with its closure, and has not called yet
 *
 * Return: the badge of the capability that the call came through.
 */
__u64 vipc_protobuf_badge(const void *closure_data);

#ifdef __cplusplus
}
#endif

#endif /* LIBVIPC_VIPC_PROTOBUF_H */
