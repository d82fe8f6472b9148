/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Receivers whose memory goes away while they wait: one that finds it cannot
 * keep its message, and one that is held in its page fault with the message in
 * its hand, until the test has done what shall happen meanwhile.
 */
#ifndef VIPC_HELD_H
#define VIPC_HELD_H

#include <linux/userfaultfd.h>
#include <poll.h>

#include "vipc_selftest.h"

#define VH_PAGE	4096ul

struct vh_receiver {
	struct vt_op op;
	struct vipc_msg *page;	/* into which it receives */
	int uffd;		/* of one that is held */
};

/* Starts one with memory, and waits until it is queued. */
static inline int vh_start(struct vh_receiver *h, int fd, unsigned long cmd)
{
	long long others = vt_receivers(fd);
	int ret;

	*h = (struct vh_receiver){ .uffd = -1 };
	h->page = mmap(NULL, VH_PAGE, PROT_READ | PROT_WRITE,
		       MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	if (h->page == MAP_FAILED)
		return -errno;
	memset(h->page, 0, sizeof(*h->page));
	h->op.arg = h->page;
	ret = vt_op_start(&h->op, fd, cmd);
	return ret ? ret : vt_wait_receivers(fd, (uint32_t)others + 1);
}

/* One that waits, and will get EFAULT. */
static inline int vh_faulting(struct vh_receiver *h, int fd, unsigned long cmd)
{
	int ret = vh_start(h, fd, cmd);

	if (!ret && mprotect(h->page, VH_PAGE, PROT_READ))
		ret = -errno;
	return ret;
}

/*
 * One that waits, and will be held: -EOPNOTSUPP if this kernel has no
 * userfaultfd.
 */
static inline int vh_held(struct vh_receiver *h, int fd, unsigned long cmd)
{
	int uffd = (int)syscall(SYS_userfaultfd, O_CLOEXEC | O_NONBLOCK);
	struct uffdio_api api = { .api = UFFD_API };
	struct uffdio_register reg = {
		.range = { .len = VH_PAGE },
		.mode = UFFDIO_REGISTER_MODE_MISSING,
	};
	int ret;

	if (uffd < 0)
		return -EOPNOTSUPP;
	ret = vh_start(h, fd, cmd);
	if (ret)
		return ret;
	h->uffd = uffd;
	reg.range.start = (unsigned long)h->page;
	if (madvise(h->page, VH_PAGE, MADV_DONTNEED) ||
	    ioctl(uffd, UFFDIO_API, &api) ||
	    ioctl(uffd, UFFDIO_REGISTER, &reg))
		return -errno;
	return 0;
}

/* Waits until it has a message in its hand. */
static inline int vh_wait_held(struct vh_receiver *h)
{
	struct pollfd p = { .fd = h->uffd, .events = POLLIN };
	struct uffd_msg event;

	if (poll(&p, 1, VT_LIMIT_NS / 1000000) != 1)
		return -ETIMEDOUT;
	return read(h->uffd, &event, sizeof(event)) == sizeof(event) &&
	       event.event == UFFD_EVENT_PAGEFAULT ? 0 : -EIO;
}

/* Lets it go on, with memory or without; its end is in op.ret. */
static inline int vh_let_go(struct vh_receiver *h, bool with_memory)
{
	struct uffdio_zeropage zero = {
		.range = { .start = (unsigned long)h->page, .len = VH_PAGE },
	};

	if (with_memory) {
		if (ioctl(h->uffd, UFFDIO_ZEROPAGE, &zero))
			return -errno;
	} else if (mprotect(h->page, VH_PAGE, PROT_READ) ||
		   ioctl(h->uffd, UFFDIO_WAKE, &zero.range)) {
		return -errno;
	}
	return vt_op_join(&h->op);
}

/* After its end. */
static inline void vh_forget(struct vh_receiver *h)
{
	if (h->uffd >= 0)
		close(h->uffd);
	munmap(h->page, VH_PAGE);
}

#endif /* VIPC_HELD_H */
