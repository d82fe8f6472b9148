/* SPDX-License-Identifier: MIT */
/**
 * DOC: libvipc, calls between processes
 *
 * A server makes an endpoint with vipc_open(), derives a capability for each
 * client with vipc_derive(), and serves with vipc_serve(). A client that was
 * given such a descriptor, by fork(), by exec() or over a Unix socket, calls
 * with vipc_call(). A capability is a plain descriptor: close() drops it, and
 * poll() and epoll wait for it as for any other.
 *
 * What does not fit into four words goes with the functions whose names have an _x,
 * up to what vipc_config() lets in: bytes, which are copied once or twice, and
 * descriptors. Bulk data need not be copied at all: see vipc_shm.h. Servers that are
 * found by a path, and programs that are started with capabilities: see vipc_name.h.
 *
 * Every function here that can fail returns a negative errno value, and leaves
 * errno as it was. A message without VIPC_NONBLOCK and with deadline_ns 0 waits
 * for ever; deadlines are absolute, on CLOCK_MONOTONIC (vipc_deadline_after()).
 *
 * Set a message's unused fields to 0 (an initialiser does): flags bits 0-7 and
 * deadline_ns mean something to the kernel, and opcode, flags bits 16-31 and
 * data travel to the other side as they are.
 *
 * All functions are thread-safe. All but vipc_serve() and vipc_serve_x() are
 * async-signal-safe. None but vipc_open() is a cancellation point.
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
 * * -%EINVAL: of a message: an unknown bit among flags bits 0-7, or reserved of a
 *   struct vipc_xmsg is not 0
 */
#ifndef LIBVIPC_VIPC_H
#define LIBVIPC_VIPC_H

#include <stdint.h>

#include "../uapi/vipc.h"

#ifdef __cplusplus
extern "C" {
/* Three functions have the name of the structure they use, as stat(2) does. */
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wshadow"
#endif

/**
 * vipc_open() - make an endpoint
 * @flags: 0 or O_CLOEXEC; O_RDWR is implied, and must not be given
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
 * vipc_derive_watched() - vipc_derive(), and a notice when its holders are gone
 * @fd: capability with VIPC_RIGHT_GRANT and without a badge
 * @rights: as for vipc_derive()
 * @badge: any but 0
 *
 * When the last watched capability with this badge has been closed, however that
 * came (close(), exit, a kill, a message that nobody received), or revoked, a
 * receiver gets a message with VIPC_MSG_BADGE_CLOSED in its flags, that badge, and
 * nothing else. What is derived from a watched capability is watched, too.
 *
 * Requests with that badge may still be in service in other threads, or deferred, and
 * what is buffered comes after the notice: do not free yet what they use.
 *
 * Return: as vipc_derive(), and
 *
 * * -%EINVAL: also: @badge is 0, or @fd has a badge
 */
int vipc_derive_watched(int fd, unsigned int rights, __u64 badge);

/**
 * vipc_config() - set and look at what an endpoint lets in, and how it waits
 * @fd: capability with VIPC_RIGHT_RECV
 * @config: in: flags: which fields to set (VIPC_CONFIG_*; 0: none), and these;
 *	out: all fields as they are now. Sizes in bytes, spin_ns in nanoseconds,
 *	the rest in pieces
 *
 * Set max_len and max_fds to 0 or to what vipc_serve_x() or another receiver has
 * room for: a message that does not fit stays first in the queue.
 *
 * Return: 0, or, and nothing was set,
 *
 * * -%EACCES: @fd lacks RECV
 * * -%EKEYREVOKED: @fd was revoked
 * * -%EPIPE: the endpoint is dead, and flags is not 0
 * * -%EINVAL: unknown flag; reserved field not 0; max_len above the module's
 *   parameter max_len, max_fds above VIPC_MAX_FDS, depth above VIPC_MAX_DEPTH
 * * -%EBUSY: depth was set before, or the endpoint has been used already
 * * -%ENOMEM: no memory for depth messages
 */
int vipc_config(int fd, struct vipc_config *config);

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
 * vipc_notify() - set bits in the endpoint's notification word; never waits
 * @fd: capability with VIPC_RIGHT_SEND
 * @bits: at least one
 *
 * One receiver gets, ahead of all other messages, one message for all the bits set
 * so far: VIPC_MSG_NOTIFICATION in flags, the bits in data[0], badge and reply 0.
 * Its sender is unknown.
 *
 * Return: 0, or
 *
 * * -%EINVAL: @bits is 0
 * * -%EACCES: @fd lacks SEND
 * * -%EKEYREVOKED: @fd was revoked
 * * -%EPIPE: the endpoint is dead
 */
int vipc_notify(int fd, __u64 bits);

/* The fields of struct vipc_xmsg that hold addresses are numbers. */
#define VIPC_ADDRESS(pointer)	((__u64)(uintptr_t)(pointer))
#define VIPC_POINTER(address)	((void *)(uintptr_t)(address))

/**
 * vipc_send_x() - vipc_send() with bytes and descriptors
 * @fd: capability with VIPC_RIGHT_SEND; with descriptors also VIPC_RIGHT_GRANT
 * @msg: msg: as for vipc_send(); tx_buf, tx_len: bytes to send; tx_fds, tx_nfds:
 *	descriptors to send, which stay open here; lengths in bytes, numbers in
 *	pieces, 0 for none. rx_* is not used
 *
 * When it returns, a receiver has the bytes in its memory, and the descriptors. It is
 * never buffered.
 *
 * Return: as vipc_send(), and
 *
 * * -%EMSGSIZE: tx_len is above the endpoint's max_len, or tx_nfds above its
 *   max_fds; nothing has happened
 * * -%EACCES: also: @fd lacks GRANT, and tx_nfds is not 0; or a security module does
 *   not let the receiver have one of the descriptors, so that it got nothing
 * * -%EBADF: also: something in tx_fds is not an open descriptor
 * * -%EFAULT: also: tx_buf or tx_fds is not accessible memory
 */
int vipc_send_x(int fd, struct vipc_xmsg *msg);

/**
 * vipc_recv_x() - vipc_recv() with bytes and descriptors
 * @fd: capability with VIPC_RIGHT_RECV
 * @msg: msg: as for vipc_recv(); rx_buf, rx_len: room for bytes; rx_fds, rx_nfds:
 *	room for descriptors; out: rx_len and rx_nfds: what came, 0 from vipc_send()
 *	and vipc_call(); reply_len, reply_nfds: what a caller has room for
 *
 * The descriptors are new ones, close-on-exec. tx_* is not used.
 *
 * Return: as vipc_recv(), and
 *
 * * -%EMSGSIZE: rx_len or rx_nfds is too small for the message that is first, which
 *   stays first. vipc_recv() answers this to every message with bytes or descriptors
 * * -%EMFILE: too many open files for its descriptors; it stays first
 * * -%EFAULT: also: rx_buf or rx_fds is not accessible memory; it stays first
 * * -%ENOMEM: out of memory
 */
int vipc_recv_x(int fd, struct vipc_xmsg *msg);

/**
 * vipc_call_x() - vipc_call() with bytes and descriptors, both ways
 * @fd: capability with VIPC_RIGHT_SEND; with descriptors also VIPC_RIGHT_GRANT
 * @msg: in: msg: as for vipc_call(), tx_*: as for vipc_send_x(); rx_*: room for the
 *	reply's; out: msg and rx_* as of the reply
 *
 * The room must stay mapped, and nothing of use in it, until the call has ended: a
 * reply that comes too late, or fails, may have written to it.
 *
 * Return: as vipc_call() and vipc_send_x(), and
 *
 * * -%EMFILE: too many open files for the reply's descriptors. The reply is lost,
 *   and VIPC_MSG_DELIVERED set; likewise -%EACCES, if a security module does not let
 *   the caller have one of them
 * * -%EFAULT: also: the room is not accessible memory
 */
int vipc_call_x(int fd, struct vipc_xmsg *msg);

/**
 * vipc_reply_x() - vipc_reply() with bytes and descriptors; never waits
 * @fd: the capability that received the call; with descriptors it needs
 *	VIPC_RIGHT_GRANT
 * @msg: msg: as for vipc_reply(); tx_*: as for vipc_send_x(). rx_* is not used
 *
 * Return: as vipc_reply(), and, the token being as good as before,
 *
 * * -%EMSGSIZE: more than the caller has room for
 * * -%EACCES: also: @fd lacks GRANT, and tx_nfds is not 0
 * * -%EBADF: also: something in tx_fds is not an open descriptor
 * * -%EFAULT: also: tx_buf or tx_fds is not accessible memory
 * * -%ENOMEM: out of memory
 */
int vipc_reply_x(int fd, struct vipc_xmsg *msg);

/**
 * vipc_reply_recv_x() - vipc_reply_x() and vipc_recv_x() in one system call
 * @fd: as for both
 * @msg: in: as for both; msg.reply 0: only receive; out: as for vipc_recv_x()
 *
 * Return: as vipc_reply_x(): nothing was received, @msg->msg.reply is unchanged; or
 * as vipc_recv_x(): it is 0 if the reply has gone out.
 */
int vipc_reply_recv_x(int fd, struct vipc_xmsg *msg);

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

/**
 * vipc_send_x_timeout() - vipc_send_x() for at most @timeout_ns
 * @fd: as for vipc_send_x()
 * @msg: as for vipc_send_x(); its deadline_ns is neither used nor changed
 * @timeout_ns: nanoseconds from now, or VIPC_FOREVER
 *
 * Return: as vipc_send_x().
 */
int vipc_send_x_timeout(int fd, struct vipc_xmsg *msg, __u64 timeout_ns);

/**
 * vipc_recv_x_timeout() - vipc_recv_x() for at most @timeout_ns
 * @fd: as for vipc_recv_x()
 * @msg: as for vipc_recv_x(); its deadline_ns is neither used nor changed
 * @timeout_ns: nanoseconds from now, or VIPC_FOREVER
 *
 * Return: as vipc_recv_x().
 */
int vipc_recv_x_timeout(int fd, struct vipc_xmsg *msg, __u64 timeout_ns);

/**
 * vipc_call_x_timeout() - vipc_call_x() for at most @timeout_ns, reply included
 * @fd: as for vipc_call_x()
 * @msg: as for vipc_call_x(); its deadline_ns is neither used nor changed
 * @timeout_ns: nanoseconds from now, or VIPC_FOREVER. With 0 it always fails
 *
 * Return: as vipc_call_x().
 */
int vipc_call_x_timeout(int fd, struct vipc_xmsg *msg, __u64 timeout_ns);

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
 * handler returns; so have notifications (VIPC_MSG_NOTIFICATION in flags; every
 * client may send these, and their badge is 0, which no client need have) and, of
 * watched capabilities, notices (VIPC_MSG_BADGE_CLOSED). The opcode of both is 0.
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
 * * -%EMSGSIZE: a message with bytes or descriptors came, and stays first in the
 *   queue: where max_len or max_fds is not 0, use vipc_serve_x()
 * * -%EINTR: see above; all replies are out, and it may be called again
 * * -%EAGAIN, -%ENOMEM: a thread could not be started. Those that had started may
 *   have served messages
 *
 * If several threads end it at once, the first to do so gives the result.
 */
int vipc_serve(int fd, vipc_handler_t handler, void *arg, unsigned int threads);

/** VIPC_SERVE_ROOM: bytes of room for a reply that a handler has at least. */
#define VIPC_SERVE_ROOM		4096u

/** VIPC_OPCODE_FAILED: the opcode of vipc_serve_x()'s own error replies. */
#define VIPC_OPCODE_FAILED	0xffffffffu

/**
 * typedef vipc_handler_x_t - serves one message with bytes and descriptors
 * @msg: in: the message as vipc_recv_x() left it, and room for a reply; out: the
 *	reply: msg as in vipc_handler_t; tx_buf, tx_len, tx_fds, tx_nfds
 * @arg: vipc_serve_x()'s
 *
 * rx_buf has the rx_len bytes of the request; the handler may write there.
 *
 * tx_buf points to memory of the library, VIPC_SERVE_ROOM or reply_len bytes,
 * whichever is more, and tx_len is 0. The handler fills in a reply there (what it
 * does not write is left from an earlier one), or points tx_buf elsewhere: to rx_buf,
 * or to memory of its own that stays as it is until the handler is called again in
 * this thread, or the loop ends.
 *
 * rx_fds has the rx_nfds descriptors of the request, and tx_fds room for
 * VIPC_MAX_FDS, with tx_nfds 0. Both arrays are the library's, and so is what the
 * handler leaves in them: it is closed, once, when the reply is out, or at once if
 * there is none. To keep a descriptor, set its entry in rx_fds to -1. To send one that
 * stays open, put it into an array of your own (as tx_buf, above), point tx_fds to
 * that, and mind that revoking is the way to take back a capability sent.
 *
 * Return: as vipc_handler_t.
 */
typedef int (*vipc_handler_x_t)(struct vipc_xmsg *msg, void *arg);

/**
 * vipc_serve_x() - vipc_serve() for messages with bytes and descriptors
 * @fd: capability with VIPC_RIGHT_RECV; to send descriptors also VIPC_RIGHT_GRANT
 * @handler: as for vipc_serve()
 * @arg: passed to @handler
 * @threads: as for vipc_serve(); each has room for a request of the endpoint's
 *	max_len, and for the longest reply so far that a caller had room for
 *
 * Everything said of vipc_serve() holds; vipc_reply_x() and vipc_reply() answer
 * deferred calls. Messages of vipc_send() and vipc_call() have rx_len and rx_nfds 0.
 *
 * A caller never waits for a reply that cannot be sent: if it has no room for it
 * (EMSGSIZE), @fd lacks GRANT (EACCES), a descriptor is not open (EBADF), or tx_buf
 * or tx_fds is wrong (EFAULT), it gets a reply with opcode VIPC_OPCODE_FAILED and, in
 * data, that number, and the bytes and descriptors that the reply would have had. The
 * handler does not learn of it.
 *
 * Nor does a message with descriptors stop the others when the process has no
 * numbers left for them: max_fds are kept aside, and used to receive and close them. A
 * caller is told as above (EMFILE, 0, 0), a message of vipc_send_x() is dropped. When
 * there is no memory, or not even that is enough, the loop tries again every 10 ms.
 *
 * Return: as vipc_serve() (not -%EMSGSIZE, unless a message is longer than 16 MiB), and
 *
 * * -%EMFILE, -%ENFILE: too many open files to keep max_fds aside
 * * -%ENOMEM: also: no memory for the threads' rooms
 */
int vipc_serve_x(int fd, vipc_handler_x_t handler, void *arg, unsigned int threads);

#ifdef __cplusplus
#pragma GCC diagnostic pop
}
#endif

#endif /* LIBVIPC_VIPC_H */
