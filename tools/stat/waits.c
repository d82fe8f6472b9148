// SPDX-License-Identifier: GPL-2.0
/* vipcstat --waits: who waits for whom, and who for himself in the end. */
#include <stdlib.h>
#include <string.h>
#include "stat.h"

/* Is it the same thread, or command, in the same state of the same operation? */
static int compare_all_but_time(const struct wait *a, const struct wait *b)
{
	if (a->endpoint != b->endpoint)
		return a->endpoint < b->endpoint ? -1 : 1;
	if (a->pid != b->pid)
		return a->pid < b->pid ? -1 : 1;
	if (a->number != b->number)
		return a->number < b->number ? -1 : 1;
	return strcmp(a->state, b->state) ?: strcmp(a->operation, b->operation);
}

/* Of those that are the same, who waits longest comes first. */
static int compare(const void *a, const void *b)
{
	const struct wait *x = a, *y = b;

	return compare_all_but_time(x, y) ?:
	       (x->waited_ms < y->waited_ms) - (x->waited_ms > y->waited_ms);
}

/* In @waits, which are in that order, the first that is the same as @w, or NULL. */
static const struct wait *longest_like(const struct wait *w, const struct list *waits)
{
	size_t from = 0, to = waits->nr;

	while (from < to) {
		size_t half = from + (to - from) / 2;

		if (compare_all_but_time(AT(struct wait, waits, half), w) < 0)
			from = half + 1;
		else
			to = half;
	}
	if (from == waits->nr || compare_all_but_time(AT(struct wait, waits, from), w))
		return NULL;
	return AT(struct wait, waits, from);
}

/*
 * The waits of different endpoints are not read at one moment, so threads that come
 * and go could look like a circle. One that is there twice, before all others were
 * read for the second time and after they were for the first, was there in between,
 * as all those were.
 */
static void keep_lasting(struct list *waits, struct list *later)
{
	size_t i;

	if (later->nr)
		qsort(later->items, later->nr, sizeof(struct wait), compare);
	for (i = 0; i < waits->nr; i++) {
		struct wait *w = AT(struct wait, waits, i);
		const struct wait *l = longest_like(w, later);

		w->stuck = l && l->waited_ms >= w->waited_ms;
	}
}

/* The name of a thread, which /proc finds under any number. */
static const char *name_of(pid_t pid, char *buf)
{
	read_name(buf, pid, pid);
	return buf;
}

static void print_duration(unsigned long long ms)
{
	printf("%llu.%03llu s", ms / 1000, ms % 1000);
}

static void print_wait(const struct wait *w)
{
	char buf[NAME_SIZE];

	printf("  %d/%s %s, badge %lu: ", w->pid, w->name, w->operation, w->badge);
	if (strstr(w->operation, "recv"))
		printf("waits for a message, ");
	else if (strcmp(w->state, "in_service"))
		printf("not taken yet, ");
	else if (w->peer)
		printf("taken by %d/%s, ", w->peer, name_of(w->peer, buf));
	else
		printf("taken by a thread that has ended, ");
	print_duration(w->waited_ms);
	if (w->left_ms >= 0) {
		printf(", deadline in ");
		print_duration((unsigned long long)w->left_ms);
	}
	putchar('\n');
}

static void print_endpoint(const struct endpoint *ep, const struct list *holders)
{
	pid_t last = 0;
	size_t i;

	printf("endpoint %lu of %d/%s, served by", ep->id, ep->owner, ep->name);
	for (i = 0; i < holders->nr; i++) {
		const struct holder *h = AT(struct holder, holders, i);

		if (h->endpoint != ep->id || !h->can_receive || h->pid == last)
			continue;
		printf("%s %d/%s", last ? "," : "", h->pid, h->name);
		last = h->pid;
	}
	printf("%s: %u queued, %u in service, %u receivers\n", last ? "" : " nobody to be seen",
	       ep->senders, ep->in_service, ep->receivers);
}

static void print_waits(const struct list *waits, const struct list *endpoints,
			const struct list *holders)
{
	size_t i, k = 0;

	if (!waits->nr)
		puts("nobody waits");
	for (i = 0; i < endpoints->nr; i++) {
		const struct endpoint *ep = AT(struct endpoint, endpoints, i);
		bool headed = false;

		while (k < waits->nr && AT(struct wait, waits, k)->endpoint < ep->id)
			k++;
		for (; k < waits->nr && AT(struct wait, waits, k)->endpoint == ep->id; k++) {
			if (!headed)
				print_endpoint(ep, holders);
			headed = true;
			print_wait(AT(struct wait, waits, k));
		}
	}
}

static void print_wait_json(const struct wait *w)
{
	printf("{\"endpoint\":%lu,\"pid\":%d,\"process\":%d,\"name\":", w->endpoint, w->pid,
	       w->process);
	print_json(w->name);
	printf(",\"operation\":\"%s\",\"state\":\"%s\",\"peer\":", w->operation, w->state);
	printf(w->peer ? "%d" : "null", w->peer);
	printf(",\"badge\":\"%lu\",\"token\":", w->badge);
	/* As the tracepoints have it. */
	printf(strcmp(w->state, "in_service") ? "null" : "\"%#lx\"", w->number);
	printf(",\"waited_ms\":%lu,\"left_ms\":", w->waited_ms);
	printf(w->left_ms < 0 ? "null" : "%lld", w->left_ms);
	printf(",\"stuck\":%s}", w->stuck ? "true" : "false");
}

/* From @start, a thread of a circle, round to itself. */
static void print_circle(struct list *waits, size_t start, bool first)
{
	const struct wait *begin = AT(struct wait, waits, start);
	size_t i = start;

	if (opt.json)
		printf("%s[", first ? "" : ",");
	else
		printf("deadlock:");
	do {
		struct wait *w = AT(struct wait, waits, i);

		if (opt.json)
			printf("%s%d", i == start ? "" : ",", w->pid);
		else
			printf(" %d/%s -> endpoint %lu ->", w->pid, w->name, w->endpoint);
		w->in_circle = true;
		i = w->next;
	} while (i != start);
	if (opt.json)
		putchar(']');
	else
		printf(" %d/%s\n", begin->pid, begin->name);
}

/* Whoever is stuck comes to a circle in the end. Returns how many there are. */
static unsigned int print_circles(struct list *waits)
{
	unsigned int n = 0;
	size_t i, at;

	for (i = 0; i < waits->nr; i++) {
		if (!AT(struct wait, waits, i)->stuck)
			continue;
		for (at = i; !AT(struct wait, waits, at)->walk;
		     at = AT(struct wait, waits, at)->next)
			AT(struct wait, waits, at)->walk = i + 1;
		/* Else an earlier walk has come by. */
		if (AT(struct wait, waits, at)->walk == i + 1)
			print_circle(waits, at, !n++);
	}
	return n;
}

static void print_behind(const struct list *waits)
{
	bool first = true;
	size_t i;

	for (i = 0; i < waits->nr; i++) {
		const struct wait *w = AT(struct wait, waits, i);

		if (!w->stuck || w->in_circle)
			continue;
		printf("%s %d/%s", first ? "stuck behind that:" : ",", w->pid, w->name);
		first = false;
	}
	if (!first)
		putchar('\n');
}

static unsigned int print_graph(struct list *waits, const struct list *endpoints,
				const struct list *holders)
{
	unsigned int deadlocks;
	size_t i;

	if (!opt.json) {
		print_waits(waits, endpoints, holders);
		deadlocks = print_circles(waits);
		print_behind(waits);
		return deadlocks;
	}
	printf("{\"time\":%.3f,\"waits\":[", now(CLOCK_REALTIME));
	for (i = 0; i < waits->nr; i++) {
		printf(i ? "," : "");
		print_wait_json(AT(struct wait, waits, i));
	}
	printf("],\"deadlocks\":[");
	deadlocks = print_circles(waits);
	puts("]}");
	return deadlocks;
}

bool waits_round(void)
{
	struct list waits = LIST_OF(struct wait), later = LIST_OF(struct wait);
	struct list endpoints = LIST_OF(struct endpoint), holders = LIST_OF(struct holder);
	unsigned int deadlocks;
	size_t i;

	read_waits(&waits);
	read_endpoints(&endpoints);
	read_holders(&holders);
	for (i = 0; i < waits.nr; i++) {
		struct wait *w = AT(struct wait, &waits, i);

		read_name(w->name, w->process, w->pid);
	}
	read_waits(&later);
	keep_lasting(&waits, &later);
	find_stuck(&waits, &holders);
	begin_round();
	deadlocks = print_graph(&waits, &endpoints, &holders);
	clear(&waits);
	clear(&later);
	clear(&endpoints);
	clear(&holders);
	return deadlocks;
}
