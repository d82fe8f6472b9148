/* SPDX-License-Identifier: GPL-2.0 */
/*
 * vipcstat: what its files share.
 *
 * All is read from /sys/kernel/debug/vipc and /proc, which need root: no capability
 * is opened, and nothing that is watched can tell.
 */
#ifndef STAT_H
#define STAT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <sys/types.h>
#include <time.h>

#define NAME_SIZE	64	/* of a name made fit for a terminal, with its end */

struct options {
	bool json;
	bool one_header;
	double interval;		/* seconds; 0: once */
	unsigned long count;		/* how often; 0: for ever */
};

extern struct options opt;

/* An array that grows. */
struct list {
	void *items;
	size_t nr, room, size;		/* @size: of one item */
};

#define LIST_OF(type)		((struct list){ .size = sizeof(type) })
#define AT(type, list, i)	(&((type *)(list)->items)[i])

/* A capability that a process holds. */
struct holder {
	uint64_t endpoint;
	uint64_t badge;
	pid_t pid;
	int fd;
	bool can_receive;
	char name[NAME_SIZE];
	char rights[32];		/* as fdinfo has them: "send,recv" */
	char state[16];
};

/* A line of debugfs' endpoints. */
struct endpoint {
	uint64_t id;
	int owner;
	char name[NAME_SIZE];
	char state[16];
	uint32_t capabilities, receivers, senders, in_service;
	uint64_t sent, called, received, replied;
};

/* A line of debugfs' waits. */
struct wait {
	uint64_t endpoint;
	pid_t pid, process, peer;
	char operation[16];
	char state[16];
	uint64_t badge;
	uint64_t number;
	unsigned long waited_ms;
	long long left_ms;		/* -1: no deadline */
	/* waits.c and graph.c add: */
	char name[NAME_SIZE];
	bool stuck;			/* nobody who could end it can go on */
	bool in_circle;
	size_t walk;			/* which one has come by, in the search for circles */
	size_t next;			/* if stuck: whom it waits for, an index */
};

/* read.c: all of them end the program with a message if they cannot */
void append(struct list *list, const void *item);
void clear(struct list *list);
void die(const char *fmt, ...) __attribute__((format(printf, 1, 2), noreturn));
FILE *open_debugfs(const char *name);
void close_debugfs(FILE *file, const char *name);
void read_endpoints(struct list *endpoints);
void read_waits(struct list *waits);
void read_holders(struct list *holders);
void read_name(char *name, pid_t process, pid_t thread);
void read_threads(struct list *threads, pid_t process);

/* print.c */
void print_json(const char *string);
const char *scaled(char *buf, size_t size, double value);
double now(clockid_t clock);
bool on_terminal(unsigned int *rows);
void begin_round(void);

/* one file for each of these: they print one sample, @seconds after the one before */
void counters_round(double seconds);
void endpoints_round(double seconds);
bool waits_round(void);			/* is there a deadlock? */

/* graph.c */
void find_stuck(struct list *waits, const struct list *holders);

#endif /* STAT_H */
