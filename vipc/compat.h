/* SPDX-License-Identifier: GPL-2.0 */
/**
 * DOC: what differs between kernels
 *
 * The one place that knows kernel versions and what the kernel keeps private.
 */
#ifndef VIPC_COMPAT_H
#define VIPC_COMPAT_H

#include <linux/version.h>

#if LINUX_VERSION_CODE < KERNEL_VERSION(6, 1, 0)
#error "vipc needs Linux 6.1 or later"
#endif

#ifndef CONFIG_64BIT
#error "vipc needs a 64-bit kernel (32-bit programs may use it there)"
#endif

/*
 * WF_SYNC: the waker is about to sleep. The kernel defines it in
 * kernel/sched/sched.h and gives modules only functions that pass it for
 * their own wait queues. default_wake_function() takes it from anybody, and
 * warns about a bit that it does not know.
 */
#define VIPC_WAKE_SYNC	0x10

/*
 * For a structure on the stack of which every byte that is read is written
 * first: kernels that zero the stack shall not zero it a second time, on the
 * fast path.
 */
#if __has_attribute(__uninitialized__)
#define vipc_uninitialized	__attribute__((__uninitialized__))
#else
#define vipc_uninitialized
#endif

/*
 * Commands of io_uring's, if they can be cancelled (from 6.7 on): one that waits for a
 * peer may wait for ever otherwise, and its ring with it. And if they are completed with
 * the ring's lock held (from 6.10 on), see async.h.
 */
#if defined(CONFIG_IO_URING) && LINUX_VERSION_CODE >= KERNEL_VERSION(6, 10, 0)
#define VIPC_HAS_URING	1
#else
#define VIPC_HAS_URING	0
#endif

/* receive_fd() has got another argument, for a user address, in 6.8. */
#if LINUX_VERSION_CODE < KERNEL_VERSION(6, 8, 0)
#define vipc_receive_fd(file, flags)	receive_fd(file, flags)
#else
#define vipc_receive_fd(file, flags)	receive_fd(file, NULL, flags)
#endif

#endif /* VIPC_COMPAT_H */
