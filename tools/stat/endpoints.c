// SPDX-License-Identifier: GPL-2.0
/* vipcstat --endpoints: each endpoint, the busiest first, and who has it. */
#include <stdlib.h>
#include <string.h>
#include "stat.h"

#define SHOW_SERVERS	3

/* An endpoint, and what it did each second. */
struct row {
	const struct endpoint *ep;
	double called, sent, received, replied;
};

static const struct endpoint *find(const struct list *endpoints, uint64_t id)
{
	size_t i;

	for (i = 0; i < endpoints->nr; i++)
		if (AT(struct endpoint, endpoints, i)->id == id)
			return AT(struct endpoint, endpoints, i);
	return NULL;
}

/* The counters of an endpoint never go back, and its number is used once. */
static struct row make_row(const struct endpoint *ep, const struct list *last, double seconds)
{
	static const struct endpoint nothing;
	const struct endpoint *old = find(last, ep->id);
	struct row row = { .ep = ep };

	if (!old)
		old = &nothing;
	if (!seconds)
		seconds = 1;		/* totals */
	row.called = (double)(ep->called - old->called) / seconds;
	row.sent = (double)(ep->sent - old->sent) / seconds;
	row.received = (double)(ep->received - old->received) / seconds;
	row.replied = (double)(ep->replied - old->replied) / seconds;
	return row;
}

static int busiest_first(const void *a, const void *b)
{
	const struct row *x = a, *y = b;
	double bx = x->called + x->sent, by = y->called + y->sent;

	if (bx != by)
		return bx < by ? 1 : -1;
	return x->ep->id < y->ep->id ? -1 : 1;
}

static void print_rights_json(const char *rights)
{
	char copy[32], *word, *save;
	bool first = true;

	strcpy(copy, rights);
	putchar('[');
	for (word = strtok_r(copy, ",", &save); word; word = strtok_r(NULL, ",", &save)) {
		if (!strcmp(word, "none"))
			continue;
		printf(first ? "" : ",");
		first = false;
		print_json(word);
	}
	putchar(']');
}

static void print_holders_json(uint64_t id, const struct list *holders)
{
	bool first = true;
	size_t i;

	for (i = 0; i < holders->nr; i++) {
		const struct holder *h = AT(struct holder, holders, i);

		if (h->endpoint != id)
			continue;
		printf("%s{\"pid\":%d,\"name\":", first ? "" : ",", h->pid);
		first = false;
		print_json(h->name);
		printf(",\"fd\":%d,\"rights\":", h->fd);
		print_rights_json(h->rights);
		printf(",\"badge\":\"%lu\",\"state\":", h->badge);
		print_json(h->state);
		putchar('}');
	}
}

static void print_row_json(const struct row *row, const struct list *holders, double seconds)
{
	const struct endpoint *ep = row->ep;

	printf("{\"id\":%lu,\"state\":", ep->id);
	print_json(ep->state);
	printf(",\"opened_by\":{\"pid\":%d,\"name\":", ep->owner);
	print_json(ep->name);
	printf("},\"capabilities\":%u,\"receivers\":%u,\"senders\":%u,\"in_service\":%u",
	       ep->capabilities, ep->receivers, ep->senders, ep->in_service);
	printf(",\"total\":{\"called\":%lu,\"sent\":%lu,\"received\":%lu,\"replied\":%lu}",
	       ep->called, ep->sent, ep->received, ep->replied);
	printf(",\"per_second\":");
	if (seconds)
		printf("{\"called\":%.3f,\"sent\":%.3f,\"received\":%.3f,\"replied\":%.3f}",
		       row->called, row->sent, row->received, row->replied);
	else
		printf("null");
	printf(",\"holders\":[");
	print_holders_json(ep->id, holders);
	printf("]}");
}

/* A process once, however many capabilities it has: the list has them together. */
static unsigned int print_processes(uint64_t id, const struct list *holders, bool servers,
				    unsigned int show)
{
	unsigned int n = 0;
	pid_t last = 0;
	size_t i;

	for (i = 0; i < holders->nr; i++) {
		const struct holder *h = AT(struct holder, holders, i);

		if (h->endpoint != id || h->can_receive != servers || h->pid == last)
			continue;
		last = h->pid;
		if (n++ < show)
			printf("%s%d/%s", n > 1 ? "," : "", h->pid, h->name);
	}
	if (show && n > show)
		printf(",+%u", n - show);
	if (show && !n)
		putchar('-');
	return n;
}

static void print_row(const struct row *row, const struct list *holders)
{
	const struct endpoint *ep = row->ep;
	char buf[4][32];

	printf("%6lu %-4s %6u %5u %6u %5u %6s %6s %6s %6s %7u  ", ep->id, ep->state,
	       ep->capabilities, ep->receivers, ep->senders, ep->in_service,
	       scaled(buf[0], sizeof(buf[0]), row->called),
	       scaled(buf[1], sizeof(buf[1]), row->sent),
	       scaled(buf[2], sizeof(buf[2]), row->received),
	       scaled(buf[3], sizeof(buf[3]), row->replied),
	       print_processes(ep->id, holders, false, 0));
	print_processes(ep->id, holders, true, SHOW_SERVERS);
	putchar('\n');
}

static void print_all(struct row *rows, size_t n, const struct list *holders, double seconds)
{
	unsigned int height;
	size_t i;

	if (opt.json) {
		printf("{\"time\":%.3f,\"seconds\":%.3f,\"endpoints\":[", now(CLOCK_REALTIME),
		       seconds);
		for (i = 0; i < n; i++) {
			printf(i ? "," : "");
			print_row_json(&rows[i], holders, seconds);
		}
		puts("]}");
		return;
	}
	/* As many as there is room for, on a screen that is renewed. */
	if (opt.interval && on_terminal(&height) && height > 3 && n > height - 2)
		n = height - 2;
	printf("%6s %-5s %5s %5s %6s %5s %6s %6s %6s %6s %7s  servers%s\n", "id", "state",
	       "caps", "recv", "queued", "serve", "call", "send", "recv", "reply", "clients",
	       seconds ? "" : "  (totals)");
	for (i = 0; i < n; i++)
		print_row(&rows[i], holders);
}

void endpoints_round(double seconds)
{
	static struct list endpoints = { .size = sizeof(struct endpoint) }, last;
	struct list holders = LIST_OF(struct holder);
	struct row *rows;
	size_t i;

	clear(&last);
	last = endpoints;
	endpoints = LIST_OF(struct endpoint);
	read_endpoints(&endpoints);
	read_holders(&holders);
	rows = calloc(endpoints.nr + 1, sizeof(*rows));
	if (!rows)
		die("out of memory");
	for (i = 0; i < endpoints.nr; i++)
		rows[i] = make_row(AT(struct endpoint, &endpoints, i), &last, seconds);
	qsort(rows, endpoints.nr, sizeof(*rows), busiest_first);
	begin_round();
	print_all(rows, endpoints.nr, &holders, seconds);
	free(rows);
	clear(&holders);
}
