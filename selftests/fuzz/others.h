/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Operations that manage capabilities and endpoints, that wait for events, and that
 * look at what the module shows of itself.
 */
#ifndef FUZZ_OTHERS_H
#define FUZZ_OTHERS_H

#include <sys/epoll.h>

#include "messages.h"

static int derive_op(const struct memory *mem, const struct op *op)
{
	struct vipc_derive *d = address(mem, op);
	uint64_t badge = op->value & 3;
	int fd;

	if (in_range(mem, d, sizeof(*d))) {
		*d = (struct vipc_derive){
			.rights = op->flags & 15,
			.flags = op->flags >> 4 == 15 ? 2 : op->value >> 4 & 1,
			.badge = badge,
			.reserved = op->flags >> 4 == 14,
		};
		if (d->flags)
			__atomic_or_fetch(&shared->watched, 1u << badge,
					  __ATOMIC_ACQ_REL);
	} else {
		note_unknown(mem, d);
	}
	fd = vt_ioctl(slot_fd(op->slot), VIPC_IOC_DERIVE, d);
	set_slot(op->other, fd);
	return fd;
}

static int info_op(const struct memory *mem, const struct op *op)
{
	struct vipc_info *info = address(mem, op);

	if (in_range(mem, info, sizeof(*info))) {
		memset(info, 0, sizeof(*info));
		info->reserved[op->value & 1] = op->flags >> 4 == 15;
		info->reserved32 = op->flags >> 4 == 14;
	}
	return vt_ioctl(slot_fd(op->slot), VIPC_IOC_INFO, info);
}

/* Mostly what lets much through. */
static int config_op(const struct memory *mem, const struct op *op)
{
	static const uint32_t lens[] = {
		400000, 0, 100, 4096, 65536, 1u << 20, (1u << 20) + 1, 20000,
	}, fds[] = {
		253, 0, 1, 4, 253, 254, UINT32_MAX, 2,
	}, depths[] = {
		1, 2, 3, 8, 0, 100, VIPC_MAX_DEPTH, VIPC_MAX_DEPTH + 1,
	}, spins[] = {
		UINT32_MAX, 0, 1000, 50000,
	};
	struct vipc_config *c = address(mem, op);
	bool known = in_range(mem, c, sizeof(*c));
	int ret;

	if (known)
		*c = (struct vipc_config){
			.flags = (op->flags & 15) | (op->flags >> 4 == 15 ? 16 : 0),
			.max_len = lens[op->tx & 7],
			.max_fds = fds[op->fds & 7],
			.depth = depths[op->rx & 7],
			.spin_ns = spins[op->more & 3],
			.reserved32 = op->flags >> 4 == 14,
			.reserved = op->flags >> 4 == 13,
		};
	ret = vt_ioctl(slot_fd(op->slot), VIPC_IOC_CONFIG, c);
	if (known && !ret && (c->max_len > 1u << 20 || c->max_fds > VIPC_MAX_FDS ||
			      c->depth > VIPC_MAX_DEPTH || c->reserved32 || c->reserved))
		wrong("limits that nobody may set", c->max_len);
	return ret;
}

static int raw_op(const struct memory *mem, const struct op *op)
{
	unsigned long cmd = VIPC_IOC_SEND;

	if (op->flags & 1)
		cmd = _IOC(op->flags >> 6, VIPC_IOC_MAGIC, op->value & 31, op->other);
	else if (op->flags & 2)
		cmd = _IOC(3, op->value, 1 + (op->other & 7), 64);
	/* it may be anything that the module knows */
	if (_IOC_TYPE(cmd) == VIPC_IOC_MAGIC && _IOC_DIR(cmd) == 3) {
		vp_set(&shared->wild, 1);
		vp_set(&run.strays, true);
	}
	return vt_ioctl(slot_fd(op->slot), cmd, address(mem, op));
}

/* ---- events ---- */

#define EVENTS	(POLLIN | POLLRDNORM | POLLOUT | POLLWRNORM | POLLPRI | POLLERR | \
		 POLLHUP | POLLRDHUP)

static uint32_t some_events(const struct op *op)
{
	uint32_t events = op->flags & 8 ? EVENTS : 0;

	if (op->flags & 2)
		events |= EPOLLIN | EPOLLRDNORM;
	if (op->flags & 4)
		events |= EPOLLOUT | EPOLLWRNORM;
	return events;
}

/* Several at once, which may be of one endpoint. */
static int poll_op(const struct op *op)
{
	static const long limits[] = { 0, 0, 50000, 2000000 };
	struct timespec limit = { .tv_nsec = limits[op->wait & 3] };
	struct pollfd p[3];
	nfds_t n = 1 + op->value % 3;
	int ret;

	for (nfds_t i = 0; i < n; i++)
		p[i] = (struct pollfd){
			.fd = slot_fd(i ? (uint8_t)(op->other + i) : op->slot),
			.events = (short)some_events(op),
		};
	ret = ppoll(p, n, &limit, NULL);
	for (nfds_t i = 0; ret > 0 && i < n; i++)
		if (p[i].revents & ~(EVENTS | POLLNVAL))
			wrong("an event that does not exist", (uint64_t)p[i].revents);
	return ret < 0 ? -errno : ret;
}

static int add_to_epoll(const struct op *op, int how)
{
	struct epoll_event e = { .events = some_events(op), .data.u32 = op->slot };

	if (op->more & 1)
		e.events |= EPOLLET;
	if (op->more & 2)
		e.events |= op->more & 4 ? EPOLLONESHOT : EPOLLEXCLUSIVE;
	return epoll_ctl(vp_get(&run.epoll), how, slot_fd(op->slot), &e) ? -errno : 0;
}

/* One set for each program. */
static int epoll_op(const struct op *op)
{
	struct epoll_event e[4];
	int n;

	switch (op->value & 7) {
	case 0:
		n = swap_fd(&run.epoll, epoll_create1(EPOLL_CLOEXEC));
		return n < 0 ? 0 : close(n);
	case 1:
	case 2:	return add_to_epoll(op, EPOLL_CTL_ADD);
	case 3:	return add_to_epoll(op, EPOLL_CTL_MOD);
	case 4:	return add_to_epoll(op, EPOLL_CTL_DEL);
	}
	n = epoll_wait(vp_get(&run.epoll), e, 1 + (op->more & 3), op->wait & 2);
	for (int i = 0; i < n; i++)
		if (e[i].events & ~(uint32_t)EVENTS || !e[i].events)
			wrong("an event that does not exist", e[i].events);
	return n < 0 ? -errno : n;
}

/* ---- what the module shows ---- */

static int look_op(const struct op *op)
{
	static const char *const files[] = { "stats", "endpoints", "latency" };
	char path[80], text[512];
	int fd, which = op->value % 5;

	if (which == 3)
		return vt_write_file(VT_DEBUGFS "reset", "1");
	if (which < 3)
		snprintf(path, sizeof(path), VT_DEBUGFS "%s", files[which]);
	else
		snprintf(path, sizeof(path), "/proc/self/fdinfo/%d",
			 slot_fd(op->slot));
	fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return -errno;
	while (read(fd, text, sizeof(text)) > 0)
		;
	close(fd);
	return 0;
}

#endif /* FUZZ_OTHERS_H */
