// SPDX-License-Identifier: GPL-2.0
/*
 * What an endpoint's server may choose about it.
 */
#include <linux/mm.h>
#include <linux/moduleparam.h>
#include <linux/sizes.h>
#include <linux/slab.h>

#include "vipc/capability.h"
#include "vipc/endpoint.h"
#include "vipc/payload.h"

static unsigned int vipc_max_len = SZ_1M;
module_param_named(max_len, vipc_max_len, uint, 0644);
MODULE_PARM_DESC(max_len,
		 "Largest max_len in bytes that a server may choose (16777216 at most)");

#define VIPC_CONFIG_ALL	(VIPC_CONFIG_MAX_LEN | VIPC_CONFIG_MAX_FDS | \
			 VIPC_CONFIG_DEPTH | VIPC_CONFIG_SPIN_NS)

static bool vipc_config_valid(const struct vipc_config *c)
{
	u32 max_len = min_t(u32, READ_ONCE(vipc_max_len), VIPC_MAX_LEN);

	if (c->flags & ~VIPC_CONFIG_ALL || c->reserved32 || c->reserved)
		return false;
	if (c->flags & VIPC_CONFIG_MAX_LEN && c->max_len > max_len)
		return false;
	if (c->flags & VIPC_CONFIG_MAX_FDS && c->max_fds > VIPC_MAX_FDS)
		return false;
	return !(c->flags & VIPC_CONFIG_DEPTH) || c->depth <= VIPC_MAX_DEPTH;
}

/* Has a message gone through it, or does somebody wait? */
static bool vipc_in_use(const struct vipc_endpoint *ep)
{
	return ep->sent || ep->called || ep->received || ep->nr_senders ||
	       ep->nr_receivers;
}

static int vipc_may_config(const struct vipc_cap *cap,
			   const struct vipc_config *config)
{
	struct vipc_endpoint *ep = cap->endpoint;
	int err = vipc_cap_check(cap, VIPC_RIGHT_RECV);

	if (err)
		return err;
	if (config->flags && ep->dead)
		return -EPIPE;
	if (config->flags & VIPC_CONFIG_DEPTH &&
	    config->depth != ep->pending.depth &&
	    (ep->pending.depth || vipc_in_use(ep)))
		return -EBUSY;
	return 0;
}

/* The values asked for, then all of them; takes *@slots if a depth is set. */
static void vipc_configure(struct vipc_endpoint *ep, struct vipc_config *c,
			   struct vipc_slot **slots)
{
	if (c->flags & VIPC_CONFIG_MAX_LEN)
		WRITE_ONCE(ep->max_len, c->max_len);
	if (c->flags & VIPC_CONFIG_MAX_FDS)
		WRITE_ONCE(ep->max_fds, c->max_fds);
	if (c->flags & VIPC_CONFIG_SPIN_NS) {
		WRITE_ONCE(ep->for_reply.limit_ns, c->spin_ns);
		WRITE_ONCE(ep->for_request.limit_ns, c->spin_ns);
	}
	if (c->flags & VIPC_CONFIG_DEPTH && !ep->pending.depth && c->depth) {
		ep->pending.depth = c->depth;
		swap(ep->pending.slots, *slots);
		/* Whoever polls for a place to send to has one now. */
		vipc_poll_over(ep);
	}
	c->max_len = ep->max_len;
	c->max_fds = ep->max_fds;
	c->depth = ep->pending.depth;
	c->spin_ns = ep->for_reply.limit_ns;
}

/**
 * vipc_endpoint_config() - set and read an endpoint's limits
 * @cap: a capability for it
 * @config: what to set; then what holds
 *
 * Context: may sleep; takes the endpoint's lock. The slots are charged to the
 * caller's memory cgroup.
 * Return: 0, or with nothing changed -EINVAL, -ENOMEM, -EKEYREVOKED, -EACCES,
 * -EPIPE: it is dead, or -EBUSY: it has a depth already, or is in use.
 */
int vipc_endpoint_config(struct vipc_cap *cap, struct vipc_config *config)
{
	struct vipc_endpoint *ep = cap->endpoint;
	struct vipc_slot *slots = NULL;
	int err;

	if (!vipc_config_valid(config))
		return -EINVAL;
	if (config->flags & VIPC_CONFIG_DEPTH && config->depth) {
		slots = kvmalloc_array(config->depth, sizeof(*slots),
				       GFP_KERNEL_ACCOUNT | __GFP_NOWARN);
		if (!slots)
			return -ENOMEM;
	}
	spin_lock(&ep->lock);
	err = vipc_may_config(cap, config);
	if (!err)
		vipc_configure(ep, config, &slots);
	spin_unlock(&ep->lock);
	kvfree(slots);
	return err;
}
