/* SPDX-License-Identifier: GPL-2.0 */
/*
 * For tests that load and unload the module. It is taken from $VIPC_KO, else from
 * /lib/modules/vipc.ko.
 */
#ifndef VIPC_MODULE_H
#define VIPC_MODULE_H

#include "vipc_selftest.h"

static inline const char *vm_path(void)
{
	const char *path = getenv("VIPC_KO");

	return path ? path : "/lib/modules/vipc.ko";
}

static inline int vm_load(void)
{
	int fd = open(vm_path(), O_RDONLY | O_CLOEXEC), ret;

	if (fd < 0)
		return -errno;
	ret = syscall(SYS_finit_module, fd, "", 0) ? -errno : 0;
	close(fd);
	return ret;
}

/* Like rmmod: does not wait for users to leave. */
static inline int vm_unload(void)
{
	return syscall(SYS_delete_module, "vipc", O_NONBLOCK) ? -errno : 0;
}

static inline bool vm_loaded(void)
{
	return !access("/sys/module/vipc", F_OK);
}

#endif /* VIPC_MODULE_H */
