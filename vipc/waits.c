// SPDX-License-Identifier: GPL-2.0
/*
 * Who waits for whom: a line in debugfs for each operation in progress.
 *
 * An endpoint may have any number of them, so its lock is let go of after each
 * VIPC_BATCH. In between, any of them may end. What has to be known to go on:
 *
 * - of those queued, the next one: vipc_endpoint.bookmark, which is moved on when
 *   that one leaves (vipc_dequeue_sender()). There is one bookmark in each endpoint,
 *   and one walk at a time: the list of endpoints is locked meanwhile;
 * - of those in service, the token of the last one: they are in order;
 * - of capabilities, the next one, likewise (vipc_endpoint.cap_bookmark).
 *
 * Of receivers, which are a stack, the first VIPC_BATCH are shown: who waits for work
 * keeps nobody waiting.
 *
 * So what has waited in one place from the beginning of a walk to its end is shown
 * once. What came later, or was taken or given back meanwhile, is shown, or not, or
 * twice.
 */
#include <linux/jiffies.h>
#include <linux/ktime.h>
#include <linux/lockdep.h>
#include <linux/math64.h>
#include <linux/pid.h>
#include <linux/pid_namespace.h>
#include <linux/sched.h>
#include <linux/seq_file.h>

#include "vipc/capability.h"
#include "vipc/endpoint.h"
#include "vipc/queue.h"
#include "vipc/view.h"

/* One operation, as it was under the lock. */
struct vipc_waiter {
	const char *operation;
	const char *state;
	pid_t pid;
	pid_t tgid;
	pid_t peer;		/* in the initial pid namespace, or 0 */
	u64 badge;
	u64 number;		/* the token, or the turn in the queue */
	unsigned long since;
	u64 deadline_ns;
};

/**
 * struct vipc_walk - a walk through the operations of one endpoint
 * @ep: which
 * @m: where the lines go
 * @ns: the reader's pid namespace
 * @steps: done since the lock was taken
 * @nr: how many of @waiters are filled in
 * @waiters: what was seen since the lock was taken
 */
struct vipc_walk {
	struct vipc_endpoint *ep;
	struct seq_file *m;
	struct pid_namespace *ns;
	unsigned int steps;
	unsigned int nr;
	struct vipc_waiter waiters[VIPC_BATCH];
};

static const char *vipc_operation_name(const struct vipc_op *op)
{
	switch (op->role) {
	case VIPC_RECEIVER:
		return vipc_is_async(op) ? "async_recv" : "recv";
	case VIPC_CALLER:
		return vipc_is_async(op) ? "async_call" : "call";
	default:
		return vipc_is_async(op) ? "async_send" : "send";
	}
}

/*
 * The thread is there: it cannot leave while the lock is held. That of an asynchronous
 * operation is held by its request.
 */
static void vipc_walk_add(struct vipc_walk *walk, const struct vipc_op *op)
{
	struct vipc_waiter *w = &walk->waiters[walk->nr];
	bool taken = op->outcome == VIPC_IN_SERVICE;

	lockdep_assert_held(&walk->ep->lock);
	if (op->role == VIPC_ORPHAN)
		return;
	walk->nr++;
	w->operation = vipc_operation_name(op);
	w->state = taken ? "in_service" : "queued";
	w->pid = task_pid_nr_ns(op->task, walk->ns);
	w->tgid = task_tgid_nr_ns(op->task, walk->ns);
	w->peer = taken ? op->taken_by : 0;
	w->badge = op->cap->badge;
	if (op->role == VIPC_RECEIVER)
		w->number = 0;
	else
		w->number = taken ? op->token : op->seq;
	w->since = READ_ONCE(op->since);
	w->deadline_ns = op->msg.deadline_ns;
}

/* What a number of the initial pid namespace is for the reader; 0: no such thread. */
static pid_t vipc_pid_for(pid_t nr, struct pid_namespace *ns)
{
	pid_t pid;

	rcu_read_lock();
	pid = nr ? pid_nr_ns(find_pid_ns(nr, &init_pid_ns), ns) : 0;
	rcu_read_unlock();
	return pid;
}

static void vipc_walk_print(struct vipc_walk *walk)
{
	u64 now = ktime_get_ns(), id = walk->ep->id;
	unsigned int i;

	for (i = 0; i < walk->nr; i++) {
		const struct vipc_waiter *w = &walk->waiters[i];
		unsigned int waited = 0;

		if (w->since)
			waited = jiffies_to_msecs(jiffies - w->since);
		seq_printf(walk->m, "%llu %d %d %s %s %d %llu %llu %u ", id,
			   w->pid, w->tgid, w->operation, w->state,
			   vipc_pid_for(w->peer, walk->ns), w->badge,
			   w->number, waited);
		if (!w->deadline_ns || w->deadline_ns > KTIME_MAX)
			seq_puts(walk->m, "-\n");
		else
			seq_printf(walk->m, "%llu\n", w->deadline_ns > now ?
				   div_u64(w->deadline_ns - now, NSEC_PER_MSEC) : 0);
	}
	walk->nr = 0;
	walk->steps = 0;
}

/*
 * After each step: lets others have the lock now and then. Wherever the walk is must
 * be in a bookmark, or known by its token.
 */
static void vipc_walk_breathe(struct vipc_walk *walk)
{
	if (++walk->steps < VIPC_BATCH)
		return;
	spin_unlock(&walk->ep->lock);
	vipc_walk_print(walk);
	cond_resched();
	spin_lock(&walk->ep->lock);
}

/* The file's buffer is full, and all of it will be asked for again; or nobody waits. */
static bool vipc_walk_is_in_vain(const struct vipc_walk *walk)
{
	return seq_has_overflowed(walk->m) || fatal_signal_pending(current);
}

/* Who comes while it is walked through is at its end, and left out. */
static void vipc_walk_queue(struct vipc_walk *walk, struct list_head *queue)
{
	struct vipc_endpoint *ep = walk->ep;
	u32 left = ep->nr_senders;

	ep->bookmark = queue->next;
	while (ep->bookmark != queue && left-- && !vipc_walk_is_in_vain(walk)) {
		struct vipc_op *op = list_entry(ep->bookmark, struct vipc_op,
						queue);

		ep->bookmark = op->queue.next;
		vipc_walk_add(walk, op);
		vipc_walk_breathe(walk);
	}
	ep->bookmark = NULL;
}

static void vipc_walk_receivers(struct vipc_walk *walk)
{
	unsigned int n = VIPC_BATCH;
	struct vipc_op *op;

	hlist_for_each_entry(op, &walk->ep->receivers, stack) {
		if (!n--)
			break;
		vipc_walk_add(walk, op);
	}
	walk->steps = VIPC_BATCH;
	vipc_walk_breathe(walk);
}

/* The one with the smallest token above @token. */
static struct vipc_op *vipc_next_in_service(const struct vipc_cap *server,
					    u64 token)
{
	struct rb_node *node = server->in_service.rb_node;
	struct vipc_op *next = NULL;

	while (node) {
		struct vipc_op *op = vipc_caller(node);

		if (op->token > token)
			next = op;
		node = op->token > token ? node->rb_left : node->rb_right;
	}
	return next;
}

/*
 * Those that @server has taken. That comes to an end however fast others are taken:
 * tokens are spread evenly, so about as many steps lead past the last one as callers
 * are in service at one moment. Before each step, the capability must still be the
 * one before the bookmark: else it was closed or revoked, and they have been ended.
 */
static void vipc_walk_server(struct vipc_walk *walk, struct vipc_cap *server)
{
	struct vipc_endpoint *ep = walk->ep;
	u64 first = 0, token = 0;
	struct vipc_op *op;

	if (server->latest) {
		first = server->latest->token;
		vipc_walk_add(walk, server->latest);
	}
	for (;;) {
		vipc_walk_breathe(walk);
		/* After 0, no token, come all others. */
		op = ep->cap_bookmark != &server->as_receiver ||
		     vipc_walk_is_in_vain(walk) ? NULL :
		     vipc_next_in_service(server, token);
		if (!op)
			return;
		token = op->token;
		/* Another one may be the latest by now. */
		if (token != first)
			vipc_walk_add(walk, op);
	}
}

static void vipc_walk_in_service(struct vipc_walk *walk)
{
	struct vipc_endpoint *ep = walk->ep;
	u32 left = ep->nr_caps;

	ep->cap_bookmark = ep->receiver_caps.next;
	while (ep->cap_bookmark != &ep->receiver_caps && left--) {
		struct list_head *here = ep->cap_bookmark;

		vipc_walk_server(walk, list_entry(here, struct vipc_cap,
						  as_receiver));
		/* Unless it has gone, and the bookmark was moved on already. */
		if (ep->cap_bookmark == here)
			ep->cap_bookmark = here->next;
	}
	ep->cap_bookmark = NULL;
}

/**
 * vipc_waits_show() - print a line for each operation in progress
 * @m: where to
 * @ep: the endpoint
 *
 * Context: may sleep; the list of endpoints is locked, which keeps @ep, and any
 * other walk away. Takes the endpoint's lock, for VIPC_BATCH steps at a time.
 */
void vipc_waits_show(struct seq_file *m, struct vipc_endpoint *ep)
{
	/* Too large for a stack; there is one walk at a time. */
	static struct vipc_walk walk;

	walk.ep = ep;
	walk.m = m;
	walk.ns = task_active_pid_ns(current);
	walk.steps = 0;
	walk.nr = 0;
	spin_lock(&ep->lock);
	vipc_walk_receivers(&walk);
	vipc_walk_queue(&walk, &ep->senders);
	vipc_walk_queue(&walk, &ep->pending.blocked);
	vipc_walk_in_service(&walk);
	spin_unlock(&ep->lock);
	vipc_walk_print(&walk);
}
