/* SPDX-License-Identifier: GPL-2.0 */
/**
 * DOC: what can be seen of endpoints and capabilities
 *
 * INFO, /proc/PID/fdinfo, and in debugfs the list of endpoints, and of who waits there.
 */
#ifndef VIPC_VIEW_H
#define VIPC_VIEW_H

#include "uapi/vipc.h"

struct dentry;
struct seq_file;
struct vipc_cap;
struct vipc_endpoint;

void vipc_view_add(struct vipc_endpoint *ep);
void vipc_view_remove(struct vipc_endpoint *ep);
int vipc_view_info(struct vipc_cap *cap, struct vipc_info *info);
void vipc_view_fdinfo(struct seq_file *m, struct vipc_cap *cap);
void vipc_view_debugfs(struct dentry *dir);

/* waits.c */
void vipc_waits_show(struct seq_file *m, struct vipc_endpoint *ep);

#endif /* VIPC_VIEW_H */
