// SPDX-License-Identifier: GPL-2.0
/*
 * vipcstat --waits: who cannot go on whatever anybody else does?
 *
 * A request in service waits for the thread that took it, one that is queued for any
 * thread that may take it: of each process that can receive there, those that have
 * taken requests from this endpoint that are in service now, or if it has none, all of
 * its threads. A thread that waits for nobody may do so at any moment.
 *
 * All are taken to be stuck at first. Then whoever waits for one that is not stuck
 * is let go, until nothing changes: who is left waits for others that are left, and
 * for nobody else.
 */
#include <stdlib.h>
#include <string.h>
#include "stat.h"

/* Who may take what is queued at an endpoint. */
struct place {
	uint64_t endpoint;
	bool anybody;			/* somebody who waits for nobody, or is not known */
	struct list takers;		/* of size_t: the waits of those who wait themselves */
	struct list threads;		/* of pid_t: of all who can receive there */
};

struct request {
	pid_t pid;
	size_t index;
};

static struct list places = { .size = sizeof(struct place) };
static struct list requests = { .size = sizeof(struct request) };	/* by pid */

/* A command of io_uring's keeps no thread waiting. */
static bool keeps_waiting(const struct wait *w)
{
	return !strcmp(w->operation, "call") || !strcmp(w->operation, "send");
}

static bool in_service(const struct wait *w)
{
	return !strcmp(w->state, "in_service");
}

static int by_pid(const void *a, const void *b)
{
	const struct request *x = a, *y = b;

	return (x->pid > y->pid) - (x->pid < y->pid);
}

static void index_requests(const struct list *waits)
{
	size_t i;

	clear(&requests);
	for (i = 0; i < waits->nr; i++) {
		const struct wait *w = AT(struct wait, waits, i);
		struct request r = { .pid = w->pid, .index = i };

		if (w->stuck)
			append(&requests, &r);
	}
	if (requests.nr)
		qsort(requests.items, requests.nr, requests.size, by_pid);
}

/* The request that @pid waits with, or NULL: it waits for nobody. */
static const struct request *request_of(pid_t pid)
{
	struct request key = { .pid = pid };

	if (!requests.nr)
		return NULL;
	return bsearch(&key, requests.items, requests.nr, requests.size, by_pid);
}

static bool among(const struct list *pids, pid_t pid)
{
	size_t i;

	for (i = 0; i < pids->nr; i++)
		if (*AT(pid_t, pids, i) == pid)
			return true;
	return false;
}

static void add_taker(struct place *place, pid_t pid)
{
	const struct request *r = request_of(pid);

	if (r)
		append(&place->takers, &r->index);
	else
		place->anybody = true;
}

/* The waits of an endpoint are one behind the other, from @first on. */
static void add_process(struct place *place, const struct list *waits, size_t first, pid_t process)
{
	struct list threads = LIST_OF(pid_t);
	bool known = false;
	size_t i;

	read_threads(&threads, process);
	for (i = first; i < waits->nr; i++) {
		const struct wait *w = AT(struct wait, waits, i);

		if (w->endpoint != place->endpoint)
			break;
		if (!in_service(w) || !among(&threads, w->peer))
			continue;
		add_taker(place, w->peer);
		known = true;
	}
	for (i = 0; i < threads.nr; i++) {
		append(&place->threads, AT(pid_t, &threads, i));
		if (!known)
			add_taker(place, *AT(pid_t, &threads, i));
	}
	clear(&threads);
}

static void make_place(const struct list *waits, size_t first, const struct list *holders)
{
	struct place place = {
		.endpoint = AT(struct wait, waits, first)->endpoint,
		.takers = LIST_OF(size_t),
		.threads = LIST_OF(pid_t),
	};
	pid_t last = 0;
	size_t i;

	for (i = 0; i < holders->nr; i++) {
		const struct holder *h = AT(struct holder, holders, i);

		if (h->endpoint != place.endpoint || !h->can_receive || h->pid == last)
			continue;
		last = h->pid;
		add_process(&place, waits, first, h->pid);
	}
	/* Who can receive is not to be seen, as a descriptor that is under way. */
	if (!place.threads.nr)
		place.anybody = true;
	append(&places, &place);
}

static void make_places(const struct list *waits, const struct list *holders)
{
	size_t i;

	for (i = 0; i < places.nr; i++) {
		clear(&AT(struct place, &places, i)->takers);
		clear(&AT(struct place, &places, i)->threads);
	}
	clear(&places);
	for (i = 0; i < waits->nr; i++)
		if (!i || AT(struct wait, waits, i)->endpoint !=
			  AT(struct wait, waits, i - 1)->endpoint)
			make_place(waits, i, holders);
}

/* Can somebody end this wait? If not, whom it waits for is in @w->next. */
static bool has_hope(const struct list *waits, struct wait *w, const struct place *place)
{
	size_t i;

	if (in_service(w) && among(&place->threads, w->peer)) {
		const struct request *r = request_of(w->peer);

		if (!r || !AT(struct wait, waits, r->index)->stuck)
			return true;
		w->next = r->index;
		return false;
	}
	if (place->anybody)
		return true;
	for (i = 0; i < place->takers.nr; i++)
		if (!AT(struct wait, waits, *AT(size_t, &place->takers, i))->stuck)
			return true;
	w->next = *AT(size_t, &place->takers, 0);
	return false;
}

/* On entry, @stuck of each wait tells whether it is certain that it is one. */
void find_stuck(struct list *waits, const struct list *holders)
{
	bool changed = true;
	size_t i, place;

	for (i = 0; i < waits->nr; i++) {
		struct wait *w = AT(struct wait, waits, i);

		w->stuck = w->stuck && keeps_waiting(w) && w->pid;
	}
	index_requests(waits);
	make_places(waits, holders);
	while (changed) {
		changed = false;
		for (i = 0, place = 0; i < waits->nr; i++) {
			struct wait *w = AT(struct wait, waits, i);

			place += i && w->endpoint != AT(struct wait, waits, i - 1)->endpoint;
			if (!w->stuck || !has_hope(waits, w, AT(struct place, &places, place)))
				continue;
			w->stuck = false;
			changed = true;
		}
	}
}
