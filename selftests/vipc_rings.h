/* SPDX-License-Identifier: GPL-2.0 */
/*
 * What the tests of io_uring share: one ring, submitting vipc's commands to it, and
 * their results. Commands are told apart by user_data.
 */
#ifndef VIPC_RINGS_H
#define VIPC_RINGS_H

#include <liburing.h>

#include "vipc_selftest.h"

/* Where the command's own bytes are: after addr3's place in an SQE of 64 bytes. */
static inline struct vipc_uring_cmd *vt_sqe_cmd(struct io_uring_sqe *sqe)
{
	return (struct vipc_uring_cmd *)((char *)sqe + 48);
}

/* An SQE for @cmd with the message at @arg; NULL if the ring is full. */
static inline struct io_uring_sqe *vt_prep(struct io_uring *ring, int fd,
					   unsigned long cmd, const void *arg,
					   uint64_t tag)
{
	struct io_uring_sqe *sqe;

	/* The kernel's thread of a polled ring may be behind. */
	while (!(sqe = io_uring_get_sqe(ring)))
		if (!(ring->flags & IORING_SETUP_SQPOLL) ||
		    io_uring_sqring_wait(ring) < 0)
			return NULL;
	io_uring_prep_rw(IORING_OP_URING_CMD, sqe, fd, NULL, 0, 0);
	sqe->cmd_op = (uint32_t)cmd;
	*vt_sqe_cmd(sqe) = (struct vipc_uring_cmd){ .msg = (uintptr_t)arg };
	sqe->user_data = tag;
	return sqe;
}

/* Submits @cmd; 0 or -errno of the ring's. */
static inline int vt_submit(struct io_uring *ring, int fd, unsigned long cmd,
			    const void *arg, uint64_t tag)
{
	int ret;

	if (!vt_prep(ring, fd, cmd, arg, tag))
		return -ENOBUFS;
	ret = io_uring_submit(ring);
	/* Of a polled ring it counts what was there before. */
	return ret < 0 ? ret : ret ? 0 : -EIO;
}

/* The next completion within the limit, or -ETIMEDOUT; *@tag and *@res say of what. */
static inline int vt_next(struct io_uring *ring, uint64_t *tag, int *res)
{
	struct __kernel_timespec limit = { .tv_sec = VT_LIMIT_NS / VT_NSEC };
	struct io_uring_cqe *cqe;
	int ret;

	do
		ret = io_uring_wait_cqe_timeout(ring, &cqe, &limit);
	while (ret == -EINTR);
	if (ret)
		return ret == -ETIME ? -ETIMEDOUT : ret;
	*tag = cqe->user_data;
	*res = cqe->res;
	io_uring_cqe_seen(ring, cqe);
	return 0;
}

/* The result of the next completion, which must be @tag's: -EBADMSG if it is not. */
static inline int vt_result(struct io_uring *ring, uint64_t tag)
{
	uint64_t got;
	int res, ret = vt_next(ring, &got, &res);

	return ret ? ret : got == tag ? res : -EBADMSG;
}

/* Is there no completion, though the kernel was asked? */
static inline bool vt_quiet(struct io_uring *ring)
{
	struct io_uring_cqe *cqe;

	io_uring_get_events(ring);
	return io_uring_peek_cqe(ring, &cqe) == -EAGAIN;
}

/* Submits @cmd and waits for its result. */
static inline int vt_uring(struct io_uring *ring, int fd, unsigned long cmd,
			   const void *arg)
{
	int ret = vt_submit(ring, fd, cmd, arg, 0xabcdef);

	return ret ? ret : vt_result(ring, 0xabcdef);
}

/* Cancels the command whose message is at @arg. */
static inline int vt_cancel(struct io_uring *ring, int fd, const void *arg)
{
	int ret = vt_submit(ring, fd, VIPC_URING_CANCEL, arg, 0xcaca);

	return ret ? ret : vt_result(ring, 0xcaca);
}

/* The operations that can wait, and how they are seen to do so. */
static const unsigned long vt_waiting[] = {
	VIPC_IOC_SEND, VIPC_IOC_CALL, VIPC_IOC_RECV, VIPC_IOC_REPLY_RECV,
};

static inline bool vt_sends(unsigned long cmd)
{
	return cmd == VIPC_IOC_SEND || cmd == VIPC_IOC_CALL;
}

static inline int vt_wait_queued(int server, unsigned long cmd, uint32_t n)
{
	return vt_sends(cmd) ? vt_wait_senders(server, n) : vt_wait_receivers(server, n);
}

/*
 * What most of these tests begin with: an endpoint, a capability for it with @rights and
 * badge 7, and a ring. 0 or -errno.
 */
static inline int vt_ring_begin(int *server, int *client, uint32_t rights,
				struct io_uring *ring, unsigned int entries,
				unsigned int flags)
{
	*server = vt_open();
	if (*server < 0)
		return *server;
	*client = vt_derive(*server, rights, 7);
	if (*client < 0)
		return *client;
	return io_uring_queue_init(entries, ring, flags);
}

/* The end of these. If the ring never came about, its descriptor is -1. */
static inline void vt_ring_end(int server, int client, struct io_uring *ring)
{
	if (ring->ring_fd < 0)
		return;
	io_uring_queue_exit(ring);
	close(client);
	close(server);
}

/* Has this kernel native commands? If not, the test is to be skipped. */
static inline bool vt_has_uring(void)
{
	struct vipc_msg m = { .flags = VIPC_NONBLOCK };
	struct io_uring ring;
	int fd, ret;

	if (io_uring_queue_init(2, &ring, 0))
		return false;
	fd = vt_open();
	ret = vt_uring(&ring, fd, VIPC_IOC_SEND, &m);
	close(fd);
	io_uring_queue_exit(&ring);
	return ret == -EAGAIN;
}

#define vt_need_uring()							\
	do {								\
		if (!vt_has_uring())					\
			SKIP(return, "this kernel has no cancellable commands of io_uring's"); \
	} while (0)

#endif /* VIPC_RINGS_H */
