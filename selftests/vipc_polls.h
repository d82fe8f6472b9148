/* SPDX-License-Identifier: GPL-2.0 */
/*
 * What poll, select and epoll say about a capability, and threads that wait in
 * them.
 */
#ifndef VIPC_POLLS_H
#define VIPC_POLLS_H

#include <poll.h>
#include <sys/epoll.h>
#include <sys/select.h>

#include "vipc_procs.h"

#define PL_IN		(POLLIN | POLLRDNORM)
#define PL_OUT		(POLLOUT | POLLWRNORM)
#define PL_ALL		(PL_IN | PL_OUT | POLLPRI | POLLRDBAND | POLLWRBAND | \
			 POLLERR | POLLHUP | POLLRDHUP)

#define PL_LIMIT_MS	((int)(VT_LIMIT_NS / 1000000))

enum pl_method { PL_POLL, PL_SELECT, PL_EPOLL, PL_EPOLL_ET, PL_METHODS };

/* What select() makes of the events of poll(), and back: as far as it can. */
static inline int pl_selected(int events)
{
	return (events & (PL_IN | POLLHUP | POLLERR) ? PL_IN : 0) |
	       (events & (PL_OUT | POLLERR) ? PL_OUT : 0);
}

static inline int pl_select(int fd, int ms)
{
	struct timeval limit = { .tv_sec = ms / 1000, .tv_usec = ms % 1000 * 1000 };
	fd_set in, out, except;

	FD_ZERO(&in);
	FD_ZERO(&out);
	FD_ZERO(&except);
	FD_SET(fd, &in);
	FD_SET(fd, &out);
	FD_SET(fd, &except);
	if (select(fd + 1, &in, &out, &except, &limit) < 0)
		return -errno;
	if (FD_ISSET(fd, &except))
		return -EBADMSG;
	return (FD_ISSET(fd, &in) ? PL_IN : 0) | (FD_ISSET(fd, &out) ? PL_OUT : 0);
}

/* An epoll set with nothing but @fd in it, or -errno. */
static inline int pl_epoll(int fd, uint32_t events)
{
	struct epoll_event e = { .events = events, .data.fd = fd };
	int ep = epoll_create1(EPOLL_CLOEXEC);

	if (ep < 0)
		return -errno;
	if (epoll_ctl(ep, EPOLL_CTL_ADD, fd, &e)) {
		close(ep);
		return -errno;
	}
	return ep;
}

/* The events of the first descriptor that has some; 0: none in time. */
static inline int pl_epoll_wait(int ep, int ms)
{
	struct epoll_event e;
	int n = epoll_wait(ep, &e, 1, ms);

	return n < 0 ? -errno : n ? (int)e.events : 0;
}

#define pl_now(ep)	pl_epoll_wait(ep, 0)
#define pl_soon(ep)	pl_epoll_wait(ep, PL_LIMIT_MS)

/* What @method says of @fd within @ms, 0 for nothing; or -errno. */
static inline int pl_events(int fd, enum pl_method method, int ms)
{
	struct pollfd p = { .fd = fd, .events = PL_ALL };
	int ep, ret;

	if (method == PL_POLL) {
		ret = poll(&p, 1, ms);
		return ret < 0 ? -errno : p.revents;
	}
	if (method == PL_SELECT)
		return pl_select(fd, ms);
	ep = pl_epoll(fd, PL_ALL | (method == PL_EPOLL_ET ? EPOLLET : 0));
	if (ep < 0)
		return ep;
	ret = pl_epoll_wait(ep, ms);
	close(ep);
	return ret;
}

/* What holds now; all methods must agree, otherwise -EBADMSG. */
static inline int pl_state(int fd)
{
	int events = pl_events(fd, PL_POLL, 0);

	if (events < 0)
		return events;
	if (pl_events(fd, PL_EPOLL, 0) != events ||
	    pl_events(fd, PL_EPOLL_ET, 0) != events ||
	    pl_events(fd, PL_SELECT, 0) != pl_selected(events))
		return -EBADMSG;
	return events;
}

/* ---- a thread that waits ---- */

struct pl_waiter {
	int fd;
	enum pl_method method;
	int events;		/* the outcome */
	pid_t tid;
	pthread_t thread;
};

static inline void *pl_waiter_thread(void *data)
{
	struct pl_waiter *w = data;

	vp_set(&w->tid, vt_gettid());
	w->events = pl_events(w->fd, w->method, PL_LIMIT_MS);
	return NULL;
}

/* Returns when it sleeps in poll, select or epoll_wait. */
static inline int pl_wait(struct pl_waiter *w, int fd, enum pl_method method)
{
	int ret;

	*w = (struct pl_waiter){ .fd = fd, .method = method };
	ret = pthread_create(&w->thread, NULL, pl_waiter_thread, w);
	if (!ret)
		ret = vt_wait_until(vp_get(&w->tid));
	return ret ? ret : vt_wait_blocked(getpid(), w->tid);
}

/* What it has seen: some events, or 0 if that took too long. */
static inline int pl_woken(struct pl_waiter *w)
{
	int ret = vt_join(w->thread);

	return ret ? ret : w->events;
}

#endif /* VIPC_POLLS_H */
