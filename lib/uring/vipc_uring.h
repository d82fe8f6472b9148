/* SPDX-License-Identifier: MIT */
/**
 * DOC: libvipc-uring, vipc in an io_uring
 *
 * One thread with many calls under way, or one that serves vipc and sockets, as a
 * companion of liburing (2.3 or later)::
 *
 *   struct vipc_uring *vu;
 *
 *   io_uring_queue_init(64, &ring, IORING_SETUP_SINGLE_ISSUER | IORING_SETUP_DEFER_TASKRUN);
 *   vipc_uring_init(&vu, &ring);
 *   sqe = io_uring_get_sqe(&ring);
 *   vipc_prep_call(sqe, fd, &msg);
 *   io_uring_sqe_set_data(sqe, &something);
 *   vipc_uring_submit(vu);
 *   vipc_uring_wait_cqe(vu, &cqe);
 *   ... cqe->user_data, cqe->res: 0 or a negative errno, as of vipc_call() ...
 *   vipc_uring_cqe_seen(vu, cqe);
 *
 * The SQE is prepared in liburing's manner, in the same way on every kernel. A message
 * has to stay where it is, and not be touched, until its CQE has come; and the
 * descriptor open.
 *
 * Kernels from 6.10 on do all of it natively; then vipc_uring_submit() and the others
 * are io_uring_submit() and the others. On older ones they turn the SQEs into others:
 * RECV and REPLY_RECV into a POLL_ADD and a RECV that does not wait; a CALL, and a SEND
 * that has to wait, into a thread. REPLY, NOTIFY and the reply of a REPLY_RECV go out
 * when they are submitted. What a caller sees is the same, but that there
 *
 * * the results come only out of vipc_uring_wait_cqe() and vipc_uring_peek_cqe(), and a
 *   deadline counts while one of them is called;
 * * IOSQE_FIXED_FILE gives -%EOPNOTSUPP, and IOSQE_IO_LINK no order;
 * * who sends with VIPC_NONBLOCK finds no receiver waiting, as with epoll;
 * * SIGURG is used to cancel a CALL or a SEND: a handler that the program has for it
 *   must be without SA_RESTART.
 *
 * Every function that can fail returns a negative errno value. A struct vipc_uring
 * belongs to one thread at a time, like its ring.
 */
#ifndef LIBVIPC_VIPC_URING_H
#define LIBVIPC_VIPC_URING_H

#include <liburing.h>
#include <stdint.h>

#include "../vipc.h"

#ifdef __cplusplus
extern "C" {
#endif

struct vipc_uring;

/* An SQE for the command that has an ioctl's number. */
static inline void vipc_prep_cmd(struct io_uring_sqe *sqe, int fd,
				 unsigned long cmd, const void *arg)
{
	io_uring_prep_rw(IORING_OP_URING_CMD, sqe, fd, NULL, 0, 0);
	sqe->off = (__u32)cmd;			/* cmd_op, and 0 behind it */
	sqe->addr3 = (uintptr_t)arg;		/* struct vipc_uring_cmd: msg */
	sqe->__pad2[0] = 0;			/* reserved */
}

/* As the functions of libvipc without prep_ in their names. */

static inline void vipc_prep_send(struct io_uring_sqe *sqe, int fd,
				  struct vipc_msg *msg)
{
	vipc_prep_cmd(sqe, fd, VIPC_IOC_SEND, msg);
}

static inline void vipc_prep_call(struct io_uring_sqe *sqe, int fd,
				  struct vipc_msg *msg)
{
	vipc_prep_cmd(sqe, fd, VIPC_IOC_CALL, msg);
}

static inline void vipc_prep_recv(struct io_uring_sqe *sqe, int fd,
				  struct vipc_msg *msg)
{
	vipc_prep_cmd(sqe, fd, VIPC_IOC_RECV, msg);
}

static inline void vipc_prep_reply(struct io_uring_sqe *sqe, int fd,
				   struct vipc_msg *msg)
{
	vipc_prep_cmd(sqe, fd, VIPC_IOC_REPLY, msg);
}

static inline void vipc_prep_reply_recv(struct io_uring_sqe *sqe, int fd,
					struct vipc_msg *msg)
{
	vipc_prep_cmd(sqe, fd, VIPC_IOC_REPLY_RECV, msg);
}

static inline void vipc_prep_send_x(struct io_uring_sqe *sqe, int fd,
				    struct vipc_xmsg *xmsg)
{
	vipc_prep_cmd(sqe, fd, VIPC_IOC_SEND_X, xmsg);
}

static inline void vipc_prep_call_x(struct io_uring_sqe *sqe, int fd,
				    struct vipc_xmsg *xmsg)
{
	vipc_prep_cmd(sqe, fd, VIPC_IOC_CALL_X, xmsg);
}

static inline void vipc_prep_recv_x(struct io_uring_sqe *sqe, int fd,
				    struct vipc_xmsg *xmsg)
{
	vipc_prep_cmd(sqe, fd, VIPC_IOC_RECV_X, xmsg);
}

static inline void vipc_prep_reply_x(struct io_uring_sqe *sqe, int fd,
				     struct vipc_xmsg *xmsg)
{
	vipc_prep_cmd(sqe, fd, VIPC_IOC_REPLY_X, xmsg);
}

static inline void vipc_prep_reply_recv_x(struct io_uring_sqe *sqe, int fd,
					  struct vipc_xmsg *xmsg)
{
	vipc_prep_cmd(sqe, fd, VIPC_IOC_REPLY_RECV_X, xmsg);
}

/* The bits, too, have to stay where they are. */
static inline void vipc_prep_notify(struct io_uring_sqe *sqe, int fd,
				    const __u64 *bits)
{
	vipc_prep_cmd(sqe, fd, VIPC_IOC_NOTIFY, bits);
}

/*
 * Ends the operation of this ring with that message: its CQE says -ECANCELED. This
 * one's says 0, or -ENOENT: there is none, or it has ended; or -EALREADY: it
 * ends by itself.
 */
static inline void vipc_prep_cancel(struct io_uring_sqe *sqe, int fd,
				    const void *msg)
{
	vipc_prep_cmd(sqe, fd, VIPC_URING_CANCEL, msg);
}

/**
 * vipc_uring_init() - use a ring for vipc
 * @vu: out: to be freed with vipc_uring_exit()
 * @ring: a ring, of which vipc_uring_submit(), vipc_uring_wait_cqe() and
 *	vipc_uring_peek_cqe() take the place of io_uring's own
 *
 * Return: 0 or -%ENOMEM.
 */
int vipc_uring_init(struct vipc_uring **vu, struct io_uring *ring);

/**
 * vipc_uring_exit() - end that use
 * @vu: from vipc_uring_init(), or NULL; before io_uring_queue_exit()
 *
 * On an older kernel every CALL under way is cancelled first.
 */
void vipc_uring_exit(struct vipc_uring *vu);

/**
 * vipc_uring_emulate() - do as on an older kernel, whatever this one can do
 * @vu: before its first vipc_uring_submit()
 */
void vipc_uring_emulate(struct vipc_uring *vu);

/**
 * vipc_uring_submit() - submit what was prepared, vipc's and others'
 * @vu: the ring
 *
 * Return: what io_uring_submit() returns, or -%ENOMEM: what comes before the SQE that
 * needed memory has been submitted.
 */
int vipc_uring_submit(struct vipc_uring *vu);

/**
 * vipc_uring_submit_and_wait() - the same, then wait for completions
 * @vu: the ring
 * @nr: so many, on an older kernel one at least; they are to be fetched then
 *
 * Return: as vipc_uring_submit().
 */
int vipc_uring_submit_and_wait(struct vipc_uring *vu, unsigned int nr);

/**
 * vipc_uring_wait_cqe() - wait for a completion, vipc's or another
 * @vu: the ring
 * @cqe: out: to be given back with vipc_uring_cqe_seen()
 *
 * Return: 0, or what io_uring_wait_cqe() returns.
 */
int vipc_uring_wait_cqe(struct vipc_uring *vu, struct io_uring_cqe **cqe);

/**
 * vipc_uring_peek_cqe() - the same, without waiting
 * @vu: the ring
 * @cqe: out: as above
 *
 * Return: 0, -%EAGAIN: there is none, or what io_uring_peek_cqe() returns.
 */
int vipc_uring_peek_cqe(struct vipc_uring *vu, struct io_uring_cqe **cqe);

/**
 * vipc_uring_cqe_seen() - done with a completion
 * @vu: the ring
 * @cqe: of vipc_uring_wait_cqe() or vipc_uring_peek_cqe(); not to be touched afterwards
 */
void vipc_uring_cqe_seen(struct vipc_uring *vu, struct io_uring_cqe *cqe);

#ifdef __cplusplus
}
#endif

#endif /* LIBVIPC_VIPC_URING_H */
