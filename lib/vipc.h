/* SPDX-License-Identifier: MIT */
/**
 * DOC: libvipc, calls between processes
 *
 * A server makes an endpoint with vipc_open(), derives a capability for each
 * client with vipc_derive(), and serves with vipc_serve(). A client that was
 * given such a descriptor, by fork(), by exec() or over a Unix socket, calls
 * with vipc_call(). A capability is a plain descriptor: close() drops it.
 *
 * Every function here that can fail returns a negative errno value, and leaves
 * errno as it was. A message without VIPC_NONBLOCK and with deadline_ns 0 waits
 * for ever; deadlines are absolute, on CLOCK_MONOTONIC (vipc_deadline_after()).
 *
 * Set a message's unused fields to 0 (an initialiser does): flags bits 0-7 and
 * deadline_ns mean something to the kernel, and opcode, flags bits 16-31 and
 * data travel to the other side as they are.
 *
 * All functions are thread-safe. All but vipc_serve() are async-signal-safe.
 * None but vipc_open() is a cancellation point.
 *
 * Besides those listed, every function that takes a descriptor returns
 *
 * * -%EBADF: @fd is not an open descriptor
 * * -%ENOTTY: @fd is not a vipc capability, or the loaded module is too old
 *
 * and every one that takes a structure
 *
 * * -%EFAULT: its address is not accessible memory (vipc_info() and the functions
 *   with a timeout crash then, as they write to it themselves)
 * * -%EINVAL: of a message: an unknown bit among flags bits 0-7
 */
#ifndef LIBVIPC_VIPC_H
#define LIBVIPC_VIPC_H

#include "../uapi/vipc.h"

#ifdef __cplusplus
extern "C" {
/* Two functions have the name of the structure they use, as stat(2) does. */
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wshadow"
#endif

/**
 * vipc_open() - make an endpoint
 * @flags: 0 or O_CLOEXEC, as in pipe2(2)
 *
 * Return: a capability for it with every right and no badge, or
 *
 * * -%EINVAL: another flag
 * * -%ENOENT, -%ENXIO, -%ENODEV: /dev/vipc is missing: the module is not loaded
 * * -%EACCES, -%EPERM: no permission to open /dev/vipc
 * * -%EMFILE, -%ENFILE: too many open files
 * * -%ENOMEM: out of memory
 */
int vipc_open(int flags);

/**
 * vipc_derive() - make another capability for the same endpoint
 * @fd: capability with VIPC_RIGHT_GRANT
 * @rights: its rights, VIPC_RIGHT_* or 0; a subset of those of @fd
 * @badge: what receivers see in the badge field of messages sent through it.
 *	Any if @fd has no badge (badge 0), else that of @fd
 *
 * Return: a new close-on-exec descriptor, or
 *
 * * -%EACCES: @fd lacks GRANT, or one of @rights
 * * -%EINVAL: unknown bit in @rights, or @fd has another badge
 * * -%EKEYREVOKED: @fd was revoked
 * * -%EPIPE: the endpoint is dead
 * * -%EMFILE, -%ENFILE: too many open files
 * * -%ENOMEM: out of memory
 */
int vipc_derive(int fd, unsigned int rights, __u64 badge);

/**
 * vipc_send() - send a message, wait until a receiver has it
 * @fd: capability with VIPC_RIGHT_SEND
 * @msg: opcode, flags, data, deadline_ns
 *
 * Return: 0, or
 *
 * * -%EACCES: @fd lacks SEND
 * * -%EKEYREVOKED: @fd was revoked, also while waiting
 * * -%EPIPE: the endpoint is dead, or died while waiting
 * * -%EAGAIN: VIPC_NONBLOCK, and no receiver waits
 * * -%ETIMEDOUT: the deadline passed
 * * -%EINTR: a signal handler without SA_RESTART ran
 * * -%ENOMEM: out of memory
 *
 * VIPC_MSG_DELIVERED in @msg->flags tells, after an error, whether a receiver
 * had taken the message.
 */
int vipc_send(int fd, struct vipc_msg *msg);

/**
 * vipc_recv() - wait for a message
 * @fd: capability with VIPC_RIGHT_RECV
 * @msg: in: flags, deadline_ns; out: the message, the sender's badge, and in
 *	reply the token to answer it with (0 if its sender does not wait)
 *
 * Return: 0, or
 *
 * * -%EACCES: @fd lacks RECV
 * * -%EKEYREVOKED: @fd was revoked, also while waiting
 * * -%EPIPE: the endpoint is dead, or died while waiting
 * * -%EAGAIN: VIPC_NONBLOCK, and there is no message
 * * -%ETIMEDOUT: the deadline passed
 * * -%EINTR: a signal handler without SA_RESTART ran
 */
int vipc_recv(int fd, struct vipc_msg *msg);

/**
 * vipc_call() - send a request, wait for the reply
 * @fd: capability with VIPC_RIGHT_SEND
 * @msg: in: opcode, flags, data, deadline_ns; out: opcode, flags and data of
 *	the reply
 *
 * Return: 0, or
 *
 * * -%EACCES: @fd lacks SEND
 * * -%EKEYREVOKED: @fd was revoked before a receiver took the request
 * * -%EPIPE: the endpoint is dead, or died before a receiver took the request
 * * -%ECONNRESET: a receiver took it, and went away without a reply
 * * -%EAGAIN: VIPC_NONBLOCK, and no receiver waits
 * * -%ETIMEDOUT: the deadline passed
 * * -%EINTR: a signal handler ran: before delivery one without SA_RESTART, after
 *   it any, unless VIPC_UNINTERRUPTIBLE is set
 * * -%ENOMEM: out of memory
 *
 * After an error @msg is unchanged, but for VIPC_MSG_DELIVERED in its flags: if
 * it is clear, no receiver has seen the request, and it is safe to repeat.
 */
int vipc_call(int fd, struct vipc_msg *msg);

/**
 * vipc_reply() - answer a call; never waits
 * @fd: the capability that received the call (this open file description; a
 *	dup() of it will do)
 * @msg: reply: the token; opcode, flags bits 16-31, data: the answer
 *
 * Return: 0, or
 *
 * * -%EACCES: @fd lacks RECV
 * * -%EKEYREVOKED: @fd was revoked (and the caller has got -%ECONNRESET)
 * * -%ESRCH: nobody waits on this token: it was used, its caller has left, it was
 *   received through another capability, or the endpoint is dead
 */
int vipc_reply(int fd, struct vipc_msg *msg);

/**
 * vipc_reply_recv() - answer a call and wait for the next message
 * @fd: capability with VIPC_RIGHT_RECV
 * @msg: in: as for vipc_reply(), and deadline_ns; reply 0: only receive;
 *	out: as for vipc_recv()
 *
 * One system call, one hand-off to the caller.
 *
 * Return: 0, or
 *
 * * -%ESRCH: as for vipc_reply(): nothing was received, @msg->reply is unchanged
 * * as for vipc_recv(). @msg->reply is then 0 if the reply has gone out
 */
int vipc_reply_recv(int fd, struct vipc_msg *msg);

/**
 * vipc_revoke() - revoke everything derived from a capability, in every process
 * @fd: capability with VIPC_RIGHT_REVOKE; itself it stays valid
 *
 * Return: 0, or
 *
 * * -%EACCES: @fd lacks REVOKE
 * * -%EKEYREVOKED: @fd was revoked itself
 */
int vipc_revoke(int fd);

/**
 * vipc_shutdown() - kill the endpoint
 * @fd: capability with VIPC_RIGHT_RECV and VIPC_RIGHT_REVOKE
 *
 * Everybody who waits on it is woken: senders, queued callers and receivers with
 * -%EPIPE, callers in service with -%ECONNRESET.
 *
 * Return: 0, also if it was dead already, or
 *
 * * -%EACCES: @fd lacks RECV or REVOKE
 * * -%EKEYREVOKED: @fd was revoked
 */
int vipc_shutdown(int fd);

/**
 * vipc_info() - what a capability is, and how its endpoint does
 * @fd: capability, any rights
 * @info: out; need not be initialised
 *
 * Return: 0, or
 *
 * * -%EKEYREVOKED: @fd was revoked
 */
int vipc_info(int fd, struct vipc_info *info);

/** VIPC_FOREVER: a timeout that never passes. */
#define VIPC_FOREVER	(~(__u64)0)

/**
 * vipc_deadline_after() - the deadline that passes in @timeout_ns nanoseconds
 * @timeout_ns: 0 makes one that has passed already: it does not wait
 *
 * Return: the absolute time for deadline_ns; never 0. A sum that the clock will
 * not reach is VIPC_FOREVER.
 */
__u64 vipc_deadline_after(__u64 timeout_ns);

/**
 * vipc_send_timeout() - vipc_send() for at most @timeout_ns
 * @fd: as for vipc_send()
 * @msg: as for vipc_send(); its deadline_ns is neither used nor changed
 * @timeout_ns: nanoseconds from now, or VIPC_FOREVER
 *
 * Repeating this after -%EINTR starts the time anew; to bound the whole, set
 * deadline_ns once and repeat vipc_send().
 *
 * Return: as vipc_send().
 */
int vipc_send_timeout(int fd, struct vipc_msg *msg, __u64 timeout_ns);

/**
 * vipc_recv_timeout() - vipc_recv() for at most @timeout_ns
 * @fd: as for vipc_recv()
 * @msg: as for vipc_recv(); its deadline_ns is neither used nor changed
 * @timeout_ns: nanoseconds from now, or VIPC_FOREVER
 *
 * Return: as vipc_recv().
 */
int vipc_recv_timeout(int fd, struct vipc_msg *msg, __u64 timeout_ns);

/**
 * vipc_call_timeout() - vipc_call() for at most @timeout_ns, reply included
 * @fd: as for vipc_call()
 * @msg: as for vipc_call(); its deadline_ns is neither used nor changed
 * @timeout_ns: nanoseconds from now, or VIPC_FOREVER. With 0 a call always
 *	fails with -%ETIMEDOUT, undelivered
 *
 * Return: as vipc_call().
 */
int vipc_call_timeout(int fd, struct vipc_msg *msg, __u64 timeout_ns);

/* What a handler returns: 0 or a combination of these. */
#define VIPC_SERVE_REPLY	0	/* send msg as the reply, go on */
#define VIPC_SERVE_DEFER	1	/* no reply now: vipc_reply() follows later */
#define VIPC_SERVE_STOP		2	/* stop serving once the reply is out */

/** VIPC_SERVE_MAX_THREADS: the most that vipc_serve() will run. */
#define VIPC_SERVE_MAX_THREADS	1024

/**
 * typedef vipc_handler_t - serves one message
 * @msg: in: the message as vipc_recv() left it; out: the reply (opcode, flags
 *	bits 16-31, data). A field that the handler does not write is sent back
 *	as it came. What it writes to the others has no effect. The structure
 *	belongs to the loop: do not keep the pointer
 * @arg: vipc_serve()'s
 *
 * A message of vipc_send() has reply 0, and is not answered whatever the
 * handler returns.
 *
 * Return: VIPC_SERVE_REPLY, or VIPC_SERVE_DEFER, VIPC_SERVE_STOP or both; or a
 * negative value, which ends the loop with that result. The reply goes out in
 * that case too, as @msg stands: the library has no error replies of its own.
 */
typedef int (*vipc_handler_t)(struct vipc_msg *msg, void *arg);

/**
 * vipc_serve() - receive, handle, reply, until told to stop
 * @fd: capability with VIPC_RIGHT_RECV
 * @handler: called for each message, by up to @threads threads at once
 * @arg: passed to @handler
 * @threads: 1 to VIPC_SERVE_MAX_THREADS, the calling one included
 *
 * Each reply goes out together with the next receive, in one system call. A
 * caller that has left meanwhile is passed over.
 *
 * A handler that returns VIPC_SERVE_DEFER has kept @msg->reply, and any thread
 * answers later with vipc_reply() on the same @fd; so does a handler that has
 * replied itself. Deferred calls stay valid when the loop ends.
 *
 * The calling thread serves with its own signal mask, and a signal handler
 * without SA_RESTART that interrupts its wait ends the loop with -%EINTR. As a
 * signal may also come just before the wait, a signal handler that must end the
 * loop calls vipc_shutdown(). The other threads are the library's: all signals
 * are blocked in them, and they are gone when vipc_serve() returns.
 *
 * When one thread ends the loop, the others finish the message they are on,
 * send its reply, and leave. Those that wait look once a second whether they
 * should: so with several threads it may take a second to return, a message
 * that arrives meanwhile is handled and answered as any other, and the module
 * counts a timeout for each look. (What could wake them would cost others: a
 * message may be taken by a receiver elsewhere, shutdown ends the endpoint,
 * revoking breaks deferred replies.) With one thread there is no such look.
 * vipc_shutdown() ends the loop at once in all threads.
 *
 * Cancellation (pthread_cancel(3)) is disabled while it runs. A handler must
 * not leave by longjmp() or by an exception.
 *
 * Return: 0 after VIPC_SERVE_STOP, or when the endpoint is dead (vipc_shutdown());
 * the handler's negative value; or
 *
 * * -%EINVAL: @threads out of range, @handler is NULL, or it returned an unknown
 *   positive value (its reply was sent)
 * * -%EACCES: @fd lacks RECV
 * * -%EKEYREVOKED: @fd was revoked
 * * -%EINTR: see above; all replies are out, and it may be called again
 * * -%EAGAIN, -%ENOMEM: a thread could not be started. Those that had started may
 *   have served messages
 *
 * If several threads end it at once, the first to do so gives the result.
 */
int vipc_serve(int fd, vipc_handler_t handler, void *arg, unsigned int threads);

#ifdef __cplusplus
#pragma GCC diagnostic pop
}
#endif

#endif /* LIBVIPC_VIPC_H */
