// SPDX-License-Identifier: GPL-2.0
/*
 * What can be seen of endpoints and capabilities from outside.
 */
#include <linux/debugfs.h>
#include <linux/mutex.h>
#include <linux/seq_file.h>
#include <linux/string_helpers.h>

#include "vipc/capability.h"
#include "vipc/endpoint.h"
#include "vipc/view.h"

static DEFINE_MUTEX(vipc_endpoints_lock);
static LIST_HEAD(vipc_endpoints);		/* vipc_endpoints_lock */
static u64 vipc_last_id;			/* vipc_endpoints_lock */

/**
 * vipc_view_add() - number a new endpoint and list it
 * @ep: the endpoint, still unknown to everybody else
 *
 * Context: may sleep.
 */
void vipc_view_add(struct vipc_endpoint *ep)
{
	mutex_lock(&vipc_endpoints_lock);
	ep->id = ++vipc_last_id;
	list_add_tail(&ep->node, &vipc_endpoints);
	mutex_unlock(&vipc_endpoints_lock);
}

/**
 * vipc_view_remove() - stop listing an endpoint
 * @ep: the endpoint, which nobody looks at any more on return
 *
 * Context: may sleep.
 */
void vipc_view_remove(struct vipc_endpoint *ep)
{
	mutex_lock(&vipc_endpoints_lock);
	list_del(&ep->node);
	mutex_unlock(&vipc_endpoints_lock);
}

static void vipc_view_snapshot(const struct vipc_endpoint *ep,
			       struct vipc_info *info)
{
	lockdep_assert_held(&ep->lock);
	info->state = ep->dead ? VIPC_STATE_DEAD : VIPC_STATE_LIVE;
	info->capabilities = ep->nr_caps;
	info->receivers = ep->nr_receivers;
	info->senders = ep->nr_senders;
	info->in_service = ep->nr_in_service;
	info->sent = ep->sent;
	info->called = ep->called;
	info->received = ep->received;
	info->replied = ep->replied;
	info->max_len = ep->max_len;
	info->max_fds = ep->max_fds;
	info->depth = ep->pending.depth;
	info->buffered = ep->pending.count;
}

/**
 * vipc_view_info() - tell what a capability is and how its endpoint does
 * @cap: the capability
 * @info: out; every byte of it is written
 *
 * Context: takes the endpoint's lock.
 * Return: 0 or -EKEYREVOKED.
 */
int vipc_view_info(struct vipc_cap *cap, struct vipc_info *info)
{
	struct vipc_endpoint *ep = cap->endpoint;
	int err;

	memset(info, 0, sizeof(*info));
	info->abi = VIPC_ABI_VERSION;
	info->rights = cap->rights;
	info->badge = cap->badge;
	info->endpoint = ep->id;

	spin_lock(&ep->lock);
	err = vipc_cap_check(cap, 0);
	vipc_view_snapshot(ep, info);
	spin_unlock(&ep->lock);
	return err;
}

/**
 * vipc_view_fdinfo() - lines for /proc/PID/fdinfo/FD
 * @m: where to
 * @cap: the capability
 *
 * Of an endpoint, a capability that is revoked tells nothing but the number.
 *
 * Context: takes the endpoint's lock.
 */
void vipc_view_fdinfo(struct seq_file *m, struct vipc_cap *cap)
{
	static const char * const rights[] = { "send", "recv", "grant", "revoke" };
	const char *state = "live", *separator = "";
	struct vipc_endpoint *ep = cap->endpoint;
	struct vipc_info info;
	bool revoked, watched;
	int i;

	spin_lock(&ep->lock);
	revoked = cap->revoked;
	watched = cap->watch;
	vipc_view_snapshot(ep, &info);
	spin_unlock(&ep->lock);
	if (revoked)
		state = "revoked";
	else if (info.state == VIPC_STATE_DEAD)
		state = "dead";

	seq_printf(m, "vipc-endpoint:\t%llu\nvipc-rights:\t", ep->id);
	for (i = 0; i < ARRAY_SIZE(rights); i++) {
		if (!(cap->rights & BIT(i)))
			continue;
		seq_printf(m, "%s%s", separator, rights[i]);
		separator = ",";
	}
	seq_printf(m, "%s\nvipc-badge:\t%llu\nvipc-watched:\t%s\nvipc-state:\t%s\n",
		   cap->rights ? "" : "none", cap->badge,
		   watched ? "yes" : "no", state);
	if (!revoked)
		seq_printf(m, "vipc-max-len:\t%u\nvipc-max-fds:\t%u\nvipc-depth:\t%u\nvipc-buffered:\t%u\n",
			   info.max_len, info.max_fds, info.depth,
			   info.buffered);
}

static void *vipc_endpoints_start(struct seq_file *m, loff_t *pos)
{
	mutex_lock(&vipc_endpoints_lock);
	return seq_list_start_head(&vipc_endpoints, *pos);
}

static void *vipc_endpoints_next(struct seq_file *m, void *v, loff_t *pos)
{
	return seq_list_next(v, &vipc_endpoints, pos);
}

static void vipc_endpoints_stop(struct seq_file *m, void *v)
{
	mutex_unlock(&vipc_endpoints_lock);
}

static int vipc_endpoints_show(struct seq_file *m, void *v)
{
	struct vipc_endpoint *ep = list_entry(v, struct vipc_endpoint, node);
	struct vipc_info info;
	const char *name;

	if (v == &vipc_endpoints) {
		seq_puts(m, "id owner comm state capabilities receivers senders in_service sent called received replied\n");
		return 0;
	}
	spin_lock(&ep->lock);
	vipc_view_snapshot(ep, &info);
	spin_unlock(&ep->lock);

	name = ep->comm[0] ? ep->comm : "-";
	seq_printf(m, "%llu %d ", ep->id, ep->owner);
	/* A process chooses its name, and somebody's terminal will show it. */
	seq_escape_mem(m, name, strlen(name),
		       ESCAPE_OCTAL | ESCAPE_NAP | ESCAPE_APPEND, " \\");
	seq_printf(m, " %s %u %u %u %u %llu %llu %llu %llu\n",
		   info.state == VIPC_STATE_DEAD ? "dead" : "live",
		   info.capabilities, info.receivers, info.senders,
		   info.in_service, info.sent, info.called, info.received,
		   info.replied);
	return 0;
}

static const struct seq_operations vipc_endpoints_sops = {
	.start	= vipc_endpoints_start,
	.next	= vipc_endpoints_next,
	.stop	= vipc_endpoints_stop,
	.show	= vipc_endpoints_show,
};
DEFINE_SEQ_ATTRIBUTE(vipc_endpoints);

static int vipc_waits_show_one(struct seq_file *m, void *v)
{
	if (v == &vipc_endpoints)
		seq_puts(m, "endpoint pid process operation state peer badge number waited_ms left_ms\n");
	else
		vipc_waits_show(m, list_entry(v, struct vipc_endpoint, node));
	return 0;
}

static const struct seq_operations vipc_waits_sops = {
	.start	= vipc_endpoints_start,
	.next	= vipc_endpoints_next,
	.stop	= vipc_endpoints_stop,
	.show	= vipc_waits_show_one,
};
DEFINE_SEQ_ATTRIBUTE(vipc_waits);

/**
 * vipc_view_debugfs() - add the files that list the endpoints, and who waits there
 * @dir: the module's directory in debugfs
 */
void vipc_view_debugfs(struct dentry *dir)
{
	debugfs_create_file("endpoints", 0444, dir, NULL, &vipc_endpoints_fops);
	/* Who does what at this moment is nobody's business but root's. */
	debugfs_create_file("waits", 0400, dir, NULL, &vipc_waits_fops);
}
