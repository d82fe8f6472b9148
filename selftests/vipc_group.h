/* SPDX-License-Identifier: GPL-2.0 */
/*
 * A memory cgroup with a limit, for what happens when there is no memory left.
 */
#ifndef VIPC_GROUP_H
#define VIPC_GROUP_H

#include <sys/resource.h>

#include "vipc_selftest.h"

#define VG_ROOT	"/sys/fs/cgroup"
#define VG_NONE	"no cgroup2 with the memory controller on " VG_ROOT

/* As many descriptors as a process in a group may have. */
#define VG_FILES	20000

struct vg_group {
	char dir[64];
};

static inline int vg_limit_files(rlim_t n)
{
	struct rlimit limit = { .rlim_cur = n, .rlim_max = n };

	return setrlimit(RLIMIT_NOFILE, &limit) ? -errno : 0;
}

static inline int vg_write(const struct vg_group *g, const char *name,
			   const char *text)
{
	char path[128];

	snprintf(path, sizeof(path), "%s/%s", g->dir, name);
	return vt_write_file(path, text);
}

/* A group in which @max of memory may be used. */
static inline int vg_make(struct vg_group *g, const char *max)
{
	int ret = vt_write_file(VG_ROOT "/cgroup.subtree_control", "+memory");

	if (ret)
		return ret;
	snprintf(g->dir, sizeof(g->dir), VG_ROOT "/vipc-test-%d", getpid());
	if (mkdir(g->dir, 0755))
		return -errno;
	return vg_write(g, "memory.max", max);
}

/*
 * Puts this process there, or ends it. All memory that it will touch is there,
 * and was charged elsewhere.
 */
static inline void vg_enter(const struct vg_group *g, bool may_be_killed)
{
	char text[16];

	snprintf(text, sizeof(text), "%d", getpid());
	if (vg_limit_files(VG_FILES) || mlockall(MCL_CURRENT | MCL_FUTURE) ||
	    vt_write_file("/proc/self/oom_score_adj",
			  may_be_killed ? "1000" : "-1000") ||
	    vg_write(g, "cgroup.procs", text))
		_exit(1);
}

/* When its processes have ended. */
static inline int vg_remove(const struct vg_group *g)
{
	return vt_wait_until(!rmdir(g->dir));
}

#endif /* VIPC_GROUP_H */
