/* SPDX-License-Identifier: GPL-2.0 */
/**
 * DOC: poll, select, epoll
 *
 * Those who poll wait in two queues. Readers, the servers' own descriptors, are
 * told at once. Writers are told by a kernel worker: any client can poll its
 * descriptor many times over, and neither the server nor whoever holds the endpoint's
 * lock shall pay for that.
 *
 * No change is missed: who polls enters the queue, then takes the endpoint's lock
 * and looks; who changes something does so under that lock, then looks whether
 * the queue is empty.
 */
#ifndef VIPC_POLL_H
#define VIPC_POLL_H

#include <linux/poll.h>
#include <linux/wait.h>
#include <linux/workqueue.h>

struct vipc_cap;
struct vipc_endpoint;

/**
 * struct vipc_pollers - who polls an endpoint
 * @readers: through capabilities with RIGHT_RECV
 * @writers: through capabilities with RIGHT_SEND, or without either
 * @work: wakes the writers
 */
struct vipc_pollers {
	wait_queue_head_t readers;
	wait_queue_head_t writers;
	struct work_struct work;
};

void vipc_poll_init(struct vipc_endpoint *ep);
void vipc_poll_exit(struct vipc_endpoint *ep);
__poll_t vipc_poll_cap(struct vipc_cap *cap, struct file *file,
		       poll_table *wait);
void vipc_poll_wake_readers(struct vipc_endpoint *ep);
void vipc_poll_wake_writers(struct vipc_endpoint *ep);
void vipc_poll_over(struct vipc_endpoint *ep);

#endif /* VIPC_POLL_H */
