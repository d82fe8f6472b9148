/* SPDX-License-Identifier: GPL-2.0 */
/**
 * DOC: the user copies of the fast path
 *
 * A round trip copies a message of 64 bytes four times between user and kernel
 * space. On x86-64 that is straight-line assembly, elsewhere (and with
 * FASTPATH=generic) the kernel's general functions; both do the same.
 */
#ifndef VIPC_FASTPATH_H
#define VIPC_FASTPATH_H

#include <linux/fault-inject-usercopy.h>
#include <linux/instrumented.h>
#include <linux/timex.h>
#include <linux/uaccess.h>

#include "uapi/vipc.h"

/**
 * vipc_clock() - time stamp for latencies
 *
 * Return: what get_cycles() counts on this architecture.
 */
static inline u64 vipc_clock(void)
{
	return get_cycles();
}

#if defined(CONFIG_X86_64) && !defined(VIPC_FASTPATH_GENERIC)

/* fastpath_x86.S: any user address is good enough; 0 or -EFAULT */
int vipc_x86_get_msg(struct vipc_msg *to, const struct vipc_msg __user *from);
int vipc_x86_get_msg_rw(struct vipc_msg *to, struct vipc_msg __user *from);
int vipc_x86_put_msg(struct vipc_msg __user *to, const struct vipc_msg *from);

static inline bool vipc_copy_may_start(void)
{
	might_fault();
	return !should_fail_usercopy();
}

static inline int vipc_arch_get_msg(struct vipc_msg *to,
				    const struct vipc_msg __user *from)
{
	int err;

	if (unlikely(!vipc_copy_may_start()))
		return -EFAULT;
	instrument_copy_from_user_before(to, from, sizeof(*to));
	err = vipc_x86_get_msg(to, from);
	instrument_copy_from_user_after(to, from, sizeof(*to), 0);
	return err;
}

static inline int vipc_arch_get_msg_rw(struct vipc_msg *to,
				       struct vipc_msg __user *from)
{
	int err;

	if (unlikely(!vipc_copy_may_start()))
		return -EFAULT;
	instrument_copy_from_user_before(to, from, sizeof(*to));
	err = vipc_x86_get_msg_rw(to, from);
	instrument_copy_from_user_after(to, from, sizeof(*to), 0);
	return err;
}

static inline int vipc_arch_put_msg(struct vipc_msg __user *to,
				    const struct vipc_msg *from)
{
	if (unlikely(!vipc_copy_may_start()))
		return -EFAULT;
	instrument_copy_to_user(to, from, sizeof(*to));
	return vipc_x86_put_msg(to, from);
}

#else

static inline int vipc_arch_get_msg(struct vipc_msg *to,
				    const struct vipc_msg __user *from)
{
	return copy_from_user(to, from, sizeof(*to)) ? -EFAULT : 0;
}

static inline int vipc_arch_get_msg_rw(struct vipc_msg *to,
				       struct vipc_msg __user *from)
{
	if (copy_from_user(to, from, sizeof(*to)))
		return -EFAULT;
	if (put_user(to->badge, &from->badge) ||
	    put_user(to->deadline_ns, &from->deadline_ns))
		return -EFAULT;
	return 0;
}

static inline int vipc_arch_put_msg(struct vipc_msg __user *to,
				    const struct vipc_msg *from)
{
	return copy_to_user(to, from, sizeof(*to)) ? -EFAULT : 0;
}

#endif

/**
 * vipc_get_msg() - copy a message in
 * @to: where to; undefined after an error
 * @from: user address
 *
 * Context: may sleep.
 * Return: 0 or -EFAULT.
 */
static inline int vipc_get_msg(struct vipc_msg *to,
			       const struct vipc_msg __user *from)
{
	return vipc_arch_get_msg(to, from);
}

/**
 * vipc_get_msg_rw() - copy a message in that will be written to later
 * @to: where to; undefined after an error
 * @from: user address
 *
 * Writes the first and the last word back as they were, so that a message in
 * memory that cannot be written to is refused before anything has been sent or
 * taken.
 *
 * Context: may sleep.
 * Return: 0 or -EFAULT.
 */
static inline int vipc_get_msg_rw(struct vipc_msg *to,
				  struct vipc_msg __user *from)
{
	return vipc_arch_get_msg_rw(to, from);
}

/**
 * vipc_put_msg() - copy a message out
 * @to: user address
 * @from: the message, every byte of it initialised
 *
 * Context: may sleep.
 * Return: 0 or -EFAULT, with part of the message written.
 */
static inline int vipc_put_msg(struct vipc_msg __user *to,
			       const struct vipc_msg *from)
{
	return vipc_arch_put_msg(to, from);
}

#endif /* VIPC_FASTPATH_H */
