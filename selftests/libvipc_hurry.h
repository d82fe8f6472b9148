/* SPDX-License-Identifier: GPL-2.0 */
/*
 * What all tests of serving have in common: the library in a hurry. Between two looks at
 * its flag it waits for a second, which is no more than time here; the linker gives its
 * calls to us (see the Makefile).
 */
#ifndef LIBVIPC_HURRY_H
#define LIBVIPC_HURRY_H

#include <vipc.h>

#include "vipc_selftest.h"

#define ERRNO_MARK	4711
#define MS		1000000ull

#define load(p)		__atomic_load_n(p, __ATOMIC_ACQUIRE)
#define store(p, v)	__atomic_store_n(p, v, __ATOMIC_RELEASE)
#define add(p, n)	__atomic_add_fetch(p, n, __ATOMIC_ACQ_REL)

#define HURRY	10

__u64 __real_vipc_deadline_after(__u64 timeout_ns);
__u64 __wrap_vipc_deadline_after(__u64 timeout_ns);

__u64 __wrap_vipc_deadline_after(__u64 timeout_ns)
{
	return __real_vipc_deadline_after(timeout_ns / HURRY);
}

#endif /* LIBVIPC_HURRY_H */
