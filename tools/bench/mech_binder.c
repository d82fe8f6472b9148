// SPDX-License-Identifier: GPL-2.0
/*
 * Binder, without Android's libraries: the server is the context manager, clients
 * call its handle 0. A received buffer is freed in the same ioctl as what is sent
 * next, so that a call takes one system call on each side.
 */
#include <errno.h>
#include <fcntl.h>
#include <linux/android/binder.h>
#include <linux/android/binderfs.h>
#include <stdlib.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <unistd.h>
#include "bench.h"

#define LARGEST		1048576
#define MAP_SIZE	(4 * LARGEST)	/* the most that Binder maps */

struct binder_state {
	char folder[32];	/* where a binderfs of our own is, or empty */
	char device[64];
};

/* A command and what follows it, as Binder wants them: unpadded. */
struct free_buffer {
	uint32_t cmd;
	binder_uintptr_t buffer;
} __attribute__((packed));

struct transaction {
	uint32_t cmd;
	struct binder_transaction_data data;
} __attribute__((packed));

struct writing {
	struct free_buffer free;
	struct transaction transaction;
} __attribute__((packed));

/* One thread's side of the conversation. */
struct talk {
	int fd;
	binder_uintptr_t received;	/* to be freed with what is sent next */
	char *own;			/* where what is sent comes from */
};

static bool own_binderfs(struct binder_state *s)
{
	struct binderfs_device device = { .name = "vipc-bench" };
	char control[64];
	int fd, ret;

	strcpy(s->folder, "/tmp/vipc-bench.XXXXXX");
	if (!mkdtemp(s->folder)) {
		s->folder[0] = '\0';
		return false;
	}
	if (mount("binder", s->folder, "binder", 0, NULL)) {
		rmdir(s->folder);
		s->folder[0] = '\0';
		return false;
	}
	snprintf(control, sizeof(control), "%s/binder-control", s->folder);
	fd = open(control, O_RDONLY | O_CLOEXEC);
	ret = fd < 0 ? -1 : ioctl(fd, BINDER_CTL_ADD, &device);
	close(fd);
	snprintf(s->device, sizeof(s->device), "%s/vipc-bench", s->folder);
	return !ret;
}

static void binder_close(struct run *run)
{
	struct binder_state *s = run->state;

	if (!s)
		return;
	if (s->folder[0]) {
		umount2(s->folder, MNT_DETACH);
		rmdir(s->folder);
	}
	free(s);
}

/* A device of our own, where root may have one; or else the system's, if it is free. */
static bool binder_open(struct run *run)
{
	struct binder_state *s = calloc(1, sizeof(*s));
	int fd;

	if (!s)
		return missing(run, "out of memory");
	run->state = s;
	if (own_binderfs(s))
		return true;
	strcpy(s->device, "/dev/binder");
	fd = open(s->device, O_RDWR | O_CLOEXEC);
	if (fd < 0)
		return missing(run, "no binderfs (as root: modprobe binder_linux), /dev/binder: %s",
			       strerror(errno));
	close(fd);
	return true;
}

/* Binder wants it opened and mapped by the process that uses it. */
static int open_device(struct run *run)
{
	const struct binder_state *s = run->state;
	int fd = open(s->device, O_RDWR | O_CLOEXEC);

	if (fd < 0)
		give_up(run, "%s: %s", s->device, strerror(errno));
	if (mmap(NULL, MAP_SIZE, PROT_READ, MAP_PRIVATE | MAP_NORESERVE, fd, 0) == MAP_FAILED)
		give_up(run, "mmap of %s: %s", s->device, strerror(errno));
	return fd;
}

static char *own_message(struct run *run)
{
	char *own = calloc(1, run->size);

	if (!own)
		give_up(run, "out of memory");
	return own;
}

/* Send the @len bytes at @first, and read until a command @want has come. */
static void exchange(struct run *run, int fd, const void *first, size_t len, uint32_t want,
		     struct binder_transaction_data *got)
{
	char in[512];
	struct binder_write_read bwr = {
		.write_buffer = (binder_uintptr_t)first, .write_size = len,
		.read_buffer = (binder_uintptr_t)in, .read_size = sizeof(in),
	};
	bool found = false;
	size_t at;

	do {
		bwr.read_consumed = 0;
		if (ioctl(fd, BINDER_WRITE_READ, &bwr))
			give_up(run, "BINDER_WRITE_READ: %s", strerror(errno));
		for (at = 0; at + sizeof(uint32_t) <= bwr.read_consumed;) {
			uint32_t cmd;

			memcpy(&cmd, in + at, sizeof(cmd));
			at += sizeof(cmd);
			if (cmd == want && !found) {
				memcpy(got, in + at, sizeof(*got));
				found = true;
			} else if (cmd == BR_DEAD_REPLY || cmd == BR_FAILED_REPLY ||
				   cmd == BR_ERROR) {
				give_up(run, "Binder refused a message of %zu bytes", run->size);
			}
			at += _IOC_SIZE(cmd);
		}
		bwr.write_size = 0;
		bwr.write_consumed = 0;
	} while (!found);
}

/* Free what was received last, send our own message as @cmd, wait for @want. */
static void *talk(struct run *run, struct talk *t, uint32_t cmd, uint32_t want)
{
	struct writing w = {
		.free = { BC_FREE_BUFFER, t->received },
		.transaction = {
			.cmd = cmd,
			.data = {
				.data_size = run->size,
				.data.ptr.buffer = (binder_uintptr_t)t->own,
			},
		},
	};
	struct binder_transaction_data got;

	if (t->received)
		exchange(run, t->fd, &w, sizeof(w), want, &got);
	else
		exchange(run, t->fd, &w.transaction, sizeof(w.transaction), want, &got);
	t->received = got.data.ptr.buffer;
	if (got.data_size != run->size)
		give_up(run, "Binder brought %llu bytes, not %zu",
			(unsigned long long)got.data_size, run->size);
	return (void *)t->received;
}

static int server_fd;

static void binder_server(struct run *run)
{
	unsigned int tries = 0;

	server_fd = open_device(run);
	/* A context manager that has died is taken leave of some time later. */
	while (ioctl(server_fd, BINDER_SET_CONTEXT_MGR, 0)) {
		if (errno != EBUSY || ++tries == 100)
			give_up(run, "BINDER_SET_CONTEXT_MGR: %s", strerror(errno));
		usleep(10000);
	}
}

static void binder_serve(struct run *run, unsigned int thread)
{
	struct talk t = { .fd = server_fd, .own = own_message(run) };
	struct binder_transaction_data got;
	uint32_t enter = BC_ENTER_LOOPER;
	void *request;

	(void)thread;
	exchange(run, t.fd, &enter, sizeof(enter), BR_TRANSACTION, &got);
	t.received = got.data.ptr.buffer;
	request = (void *)t.received;
	for (;;) {
		make_answer(t.own, request, run->size);
		request = talk(run, &t, BC_REPLY, BR_TRANSACTION);
	}
}

static struct talk client_talk;

static void binder_client(struct run *run, unsigned int client)
{
	(void)client;
	client_talk.fd = open_device(run);
}

static void *binder_call(struct run *run, unsigned int client, void *msg)
{
	(void)client;
	client_talk.own = msg;
	return talk(run, &client_talk, BC_TRANSACTION, BR_REPLY);
}

const struct mechanism binder_mechanism = {
	.name = "binder", .title = "Binder", .max_size = LARGEST, .flags = MECH_MANY,
	.open = binder_open, .server = binder_server, .serve = binder_serve,
	.client = binder_client, .call = binder_call, .close = binder_close,
};
