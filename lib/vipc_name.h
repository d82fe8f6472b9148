/* SPDX-License-Identifier: MIT */
/**
 * DOC: libvipc, names and start-up
 *
 * There is no registry. A server's name is the path of a Unix socket: who may reach
 * the path and write to it may connect, and the kernel tells the server who that is.
 * Each connection is given a capability of its own, with a badge, over the socket,
 * and that is all the socket is for. The capability is watched: the server gets a
 * notice (VIPC_MSG_BADGE_CLOSED) when it is gone, with its client or otherwise.
 *
 * The server: vipc_publish() before vipc_serve(), vipc_unpublish() after it. One with
 * an event loop of its own: vipc_listen(), and when that is ready to be read
 * vipc_accept(), vipc_welcome() or vipc_refuse(), close(). The client: vipc_connect().
 *
 * A program that is given descriptors when it is started, by vipc-run(1) or by
 * systemd, finds them by vipc_inherited(). vipc_store() puts an endpoint where it
 * survives its server.
 *
 * All functions return a negative errno value and leave errno alone; they are
 * thread-safe, but not async-signal-safe, and no cancellation points. What they open
 * is close-on-exec. No signal is sent, and no signal disposition is changed.
 */
#ifndef LIBVIPC_VIPC_NAME_H
#define LIBVIPC_VIPC_NAME_H

#include "vipc.h"

#ifdef __cplusplus
extern "C" {
#endif

/**
 * struct vipc_peer - who connects, as the kernel saw it at that moment
 * @pid: its process, which may have ended since, and its number be another's; 0 if
 *	this process cannot see it
 * @uid: its effective user
 * @gid: its effective group
 */
struct vipc_peer {
	__s32 pid;
	__u32 uid;
	__u32 gid;
};

/**
 * vipc_listen() - make a socket at which clients can connect
 * @path: where, in the file system; at most 107 bytes. Others must not be able to
 *	rename or remove what is in that folder. There is no abstract name: that
 *	would have no permissions
 * @mode: permissions, as in chmod(2), whatever the umask: who may write to it may
 *	connect
 *
 * Nobody can connect before the permissions are set. What a server that has ended
 * left there is replaced, anything else is not. Two that try at the same time are
 * kept apart by @path.lock, which is gone afterwards.
 *
 * To end: unlink(@path), and only then close() it. As long as it is open, nobody
 * replaces it, so that what is removed is one's own. A forked process that has it,
 * too, keeps it alive: close() it there.
 *
 * Return: a non-blocking descriptor to poll for reading, or
 *
 * * -%EADDRINUSE: somebody listens there
 * * -%EEXIST: there is something else than a socket
 * * -%EINVAL: @path is empty, or @mode has unknown bits
 * * -%ENAMETOOLONG: @path is too long
 * * -%EACCES, -%EPERM: no permission to make it, or to replace what is there
 * * -%EOPNOTSUPP: the umask forbids @mode, and there is no /proc to help that
 * * others of open(2) and bind(2): -%ENOENT, -%ENOTDIR, -%EROFS, -%ENOSPC, ...
 * * -%EMFILE, -%ENFILE, -%ENOMEM: out of these
 */
int vipc_listen(const char *path, unsigned int mode);

/**
 * vipc_accept() - take the next connection
 * @listener: vipc_listen()'s, or another listening Unix socket of type
 *	SOCK_SEQPACKET; it should be non-blocking
 * @peer: out: who it is
 *
 * A connection waits for one packet, of vipc_welcome() or vipc_refuse(), and nothing
 * is ever read from it. close() it then.
 *
 * Return: its descriptor, or
 *
 * * -%EAGAIN: there is none
 * * -%EMFILE, -%ENFILE, -%ENOMEM, -%ENOBUFS: out of these; it stays first. As
 *   @listener stays ready, too, wait a little
 * * -%EINVAL, -%ENOTSOCK, -%EOPNOTSUPP: @listener is no such socket
 */
int vipc_accept(int listener, struct vipc_peer *peer);

/**
 * vipc_welcome() - give a connection its capability; never waits
 * @connection: vipc_accept()'s; it stays open
 * @endpoint: capability with VIPC_RIGHT_GRANT and without a badge
 * @rights: the rights it shall have; vipc_connect() insists on VIPC_RIGHT_SEND
 * @badge: any but 0. Of capabilities with the same one, the last that goes gives the
 *	notice
 *
 * A client that does not read what it is sent keeps the capability alive, and counts
 * against the RLIMIT_NOFILE of this process' user, until it closes its end. A server
 * that does not trust its clients limits how many each user has that have not been
 * given back by a notice; or it keeps @connection open, and looks with SIOCOUTQ
 * whether it was read, as vipc_publish() does.
 *
 * Return: 0, or, and nobody was given anything,
 *
 * * -%ECONNRESET: the client has left. There will be a notice nevertheless
 * * -%ETOOMANYREFS: too many descriptors were sent that nobody has received. There
 *   will be a notice, and the connection can be refused
 * * as vipc_derive_watched(); there will be no notice
 */
int vipc_welcome(int connection, int endpoint, unsigned int rights, __u64 badge);

/**
 * vipc_refuse() - tell a connection that it gets none; never waits
 * @connection: vipc_accept()'s; it stays open
 * @error: what vipc_connect() shall return: a negative errno value. -%EAGAIN makes it
 *	try again, until its deadline
 *
 * Return: 0, or
 *
 * * -%EINVAL: @error is no negative errno value
 * * -%ECONNRESET: the client has left
 */
int vipc_refuse(int connection, int error);

/**
 * vipc_connect() - get a capability from the server at a path
 * @path: of its socket
 * @deadline_ns: when waiting ends, on CLOCK_MONOTONIC (vipc_deadline_after()); 0
 *	waits for ever
 *
 * It waits for the server's answer, not for a server to come.
 *
 * Who can make something at @path can be the server. So it, and the folders above,
 * should be writable only to whom the client trusts that much.
 *
 * Return: a capability with VIPC_RIGHT_SEND, or
 *
 * * -%ENOENT: there is nothing at @path
 * * -%ECONNREFUSED: nobody listens there
 * * -%EACCES: no permission to connect
 * * -%ETIMEDOUT: the deadline passed before the server answered, or had passed already
 * * -%EINTR: a signal handler ran
 * * -%ECONNRESET: the server closed the connection without an answer
 * * -%EPROTO: it did not answer with a capability with SEND, and nothing else
 * * -%EPROTOTYPE: there is a socket of another type
 * * -%EINVAL, -%ENAMETOOLONG: @path is empty, or longer than 107 bytes
 * * -%EMFILE: too many open files; or a security module does not let the process
 *   have the capability
 * * what the server says (vipc_refuse(); a decision of vipc_publish())
 */
int vipc_connect(const char *path, __u64 deadline_ns);

/** struct vipc_publication - an endpoint that can be connected to */
struct vipc_publication;

/**
 * typedef vipc_decide_t - decides about one connection
 * @peer: who it is
 * @rights: in: VIPC_RIGHT_SEND; out: the rights it shall have
 * @badge: in: a number that no publication on this machine has chosen before; out:
 *	the badge, any but 0
 * @arg: vipc_publish()'s
 *
 * It runs in the publication's thread, one call at a time, and while it runs no other
 * connection is taken. For each that it admits there is one capability with that
 * badge, hence a notice when that is gone, even if the client has left meanwhile.
 *
 * Return: 0 to admit, or the negative errno value that vipc_connect() shall return.
 */
typedef int (*vipc_decide_t)(const struct vipc_peer *peer, unsigned int *rights,
			     __u64 *badge, void *arg);

/**
 * vipc_publish() - let clients connect to an endpoint, from a thread of its own
 * @path: as for vipc_listen(); if relative, do not change the working directory
 * @mode: as for vipc_listen()
 * @endpoint: capability with VIPC_RIGHT_GRANT and without a badge. It stays the
 *	caller's, and must stay open until vipc_unpublish()
 * @decide: called for each connection; NULL admits everybody
 * @arg: passed to @decide
 * @publication: out: what vipc_unpublish() takes
 *
 * Of a user 64 clients, and 256 in all, can have a capability that they have not
 * read; beyond that they are refused with -%EAGAIN. When there are no descriptors or no
 * memory left, the thread tries again every 10 ms. All signals are blocked in it.
 *
 * Return: 0, or
 *
 * * as vipc_listen()
 * * -%EACCES, -%EINVAL: also: @endpoint lacks GRANT, or has a badge
 * * -%EKEYREVOKED, -%EPIPE: it was revoked, or is dead
 * * -%EAGAIN: the thread could not be started
 */
int vipc_publish(const char *path, unsigned int mode, int endpoint,
		 vipc_decide_t decide, void *arg,
		 struct vipc_publication **publication);

/**
 * vipc_publish_listener() - vipc_publish() on a socket that is there already
 * @listener: listening Unix socket of type SOCK_SEQPACKET, as systemd passes it on. It
 *	is made non-blocking. It stays the caller's, and must stay open until
 *	vipc_unpublish(), which leaves its path alone
 * @endpoint: as for vipc_publish()
 * @decide: as for vipc_publish()
 * @arg: as for vipc_publish()
 * @publication: as for vipc_publish()
 *
 * Return: as vipc_publish(), and
 *
 * * -%EINVAL, -%ENOTSOCK: also: @listener is no such socket
 */
int vipc_publish_listener(int listener, int endpoint, vipc_decide_t decide, void *arg,
			  struct vipc_publication **publication);

/**
 * vipc_unpublish() - let no more clients connect
 * @publication: vipc_publish()'s, or NULL. It is freed
 *
 * Removes the path, waits for a decision that is under way, and for the thread's end.
 * Capabilities that were given away stay valid. Not to be called from a decision.
 */
void vipc_unpublish(struct vipc_publication *publication);

/**
 * vipc_inherited() - find a descriptor that this program was started with
 * @name: its name
 *
 * It looks into VIPC_CAPS (vipc-run(1)), then, if LISTEN_PID is this process, into
 * LISTEN_FDS and LISTEN_FDNAMES, where systemd passes on sockets that it listens on
 * (FileDescriptorName=) and what was stored by vipc_store(). The first of that name
 * counts. From then on the descriptor is close-on-exec. The environment is not
 * changed; no other thread may change it meanwhile.
 *
 * What it is, is for the caller to check: vipc_info(), vipc_publish_listener().
 *
 * Return: its number, which is the same each time, or
 *
 * * -%ENOENT: there is none of that name
 * * -%EBADF: there is, but it is not open
 * * -%EINVAL: the variable says something that is no number
 */
int vipc_inherited(const char *name);

/**
 * vipc_store() - have the service manager keep a descriptor for the next start
 * @name: what vipc_inherited() shall find it by: 1 to 255 letters, digits and other
 *	visible ASCII characters, but no ':' and no '='
 * @fd: a capability, or anything else. It stays open, and is duplicated
 *
 * systemd needs FileDescriptorStoreMax= in the service's unit. It closes what it keeps
 * when the service is stopped, or the endpoint is dead or revoked. What has the same
 * name is not replaced: vipc_unstore() it first.
 *
 * An endpoint that is kept outlives its server: its clients keep their capabilities,
 * and their messages wait for the next one. But as long as it is open, nobody is told
 * that the server has gone, and a call that it had taken would wait for ever. So
 * store the endpoint, and serve with another capability, which ends with the process:
 * vipc_derive(endpoint, VIPC_RIGHT_RECV, 0). Then those calls get -%ECONNRESET.
 *
 * Return: 0: it was told to, which does not mean that it agrees; or
 *
 * * -%ENOENT: nobody is there to keep it (NOTIFY_SOCKET is not set)
 * * -%EINVAL: @name is no such name, or NOTIFY_SOCKET no such address
 * * -%EBADF: @fd is not open
 * * -%ETIMEDOUT: the manager did not take it for 5 s
 * * others of connect(2) and sendmsg(2)
 */
int vipc_store(const char *name, int fd);

/**
 * vipc_unstore() - have the service manager close what it keeps by a name
 * @name: vipc_store()'s
 *
 * Return: as vipc_store().
 */
int vipc_unstore(const char *name);

#ifdef __cplusplus
}
#endif

#endif /* LIBVIPC_VIPC_NAME_H */
