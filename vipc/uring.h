/* SPDX-License-Identifier: GPL-2.0 */
/**
 * DOC: the operations as commands of io_uring's
 *
 * What they are between submission and completion is in async.h.
 */
#ifndef VIPC_URING_H
#define VIPC_URING_H

#include <linux/fs.h>

#include "vipc/compat.h"

struct io_uring_cmd;

int vipc_uring_cmd(struct io_uring_cmd *cmd, unsigned int issue_flags);

/* async.c */
int vipc_async_flush(struct file *file, fl_owner_t id);

/* main.c */
int vipc_do(struct file *file, unsigned int cmd, void __user *p);

/* In the file's operations; without them io_uring says EOPNOTSUPP. */
#if VIPC_HAS_URING
#define VIPC_URING_OPERATIONS		\
	.uring_cmd = vipc_uring_cmd,	\
	.flush = vipc_async_flush,
#else
#define VIPC_URING_OPERATIONS
#endif

#endif /* VIPC_URING_H */
