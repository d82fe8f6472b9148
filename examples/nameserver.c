// SPDX-License-Identifier: MIT
/*
 * nameserver: a server that hands out capabilities by name, a service that has one
 * registered, and a client that asks for it: three processes.
 *
 * Each program is started with a capability for the name server that is watched. When
 * the last copy of that is gone, because the program has ended or was killed, the
 * name server gets a notice, and forgets the names that came through it. So nobody is
 * given a capability for a service that is no more, and no program has to sign off.
 */
#include <ctype.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>
#include <vipc.h>

#define NAME_LEN	31
#define MAX_NAMES	64
#define MAX_NAMES_EACH	8
#define PATIENCE_NS	5000000000ull

/* The request's bytes are the name. REGISTER brings the capability, LOOKUP gets it. */
enum { NAMES_REGISTER = 1, NAMES_LOOKUP };

/* Any other answer, VIPC_OPCODE_FAILED included, has an errno value in data[0]. */
enum { NAMES_OK, NAMES_NO };

/* ---- the name server ---- */

struct entry {
	char name[NAME_LEN + 1];
	__u64 owner;		/* the badge that it was registered through */
	__s32 capability;
};

static struct entry entries[MAX_NAMES];
static int count;
static int programs;		/* that have not ended */

static struct entry *find(const char *name)
{
	for (int i = 0; i < count; i++)
		if (!strcmp(entries[i].name, name))
			return &entries[i];
	return NULL;
}

static void forget(__u64 owner)
{
	int i = 0;

	while (i < count) {
		if (entries[i].owner != owner) {
			i++;
			continue;
		}
		printf("nameserver: program %llu is gone, and %s with it\n", owner,
		       entries[i].name);
		close(entries[i].capability);
		entries[i] = entries[--count];
	}
}

static int enter(struct vipc_xmsg *msg, const char *name)
{
	__s32 *received = VIPC_POINTER(msg->rx_fds);
	struct vipc_info info;
	int owned = 0;

	if (msg->rx_nfds != 1 || vipc_info(received[0], &info))
		return -EINVAL;		/* not a capability */
	if (find(name))
		return -EEXIST;
	for (int i = 0; i < count; i++)
		owned += entries[i].owner == msg->msg.badge;
	if (owned == MAX_NAMES_EACH || count == MAX_NAMES)
		return -ENOSPC;
	strcpy(entries[count].name, name);
	entries[count].owner = msg->msg.badge;
	entries[count].capability = received[0];
	received[0] = -1;		/* ours: the library shall not close it */
	count++;
	printf("nameserver: %s is program %llu's\n", name, msg->msg.badge);
	return 0;
}

static int look_up(struct vipc_xmsg *msg, const char *name)
{
	struct entry *entry = find(name);

	if (!entry)
		return -ENOENT;
	/* An array of our own: the library does not close what is in there. */
	msg->tx_fds = VIPC_ADDRESS(&entry->capability);
	msg->tx_nfds = 1;
	return 0;
}

static bool get_name(const struct vipc_xmsg *msg, char *name)
{
	const char *bytes = VIPC_POINTER(msg->rx_buf);

	for (__u32 i = 0; i < msg->rx_len; i++)
		if (!isgraph((unsigned char)bytes[i]))
			return false;
	memcpy(name, bytes, msg->rx_len);
	name[msg->rx_len] = 0;
	return msg->rx_len > 0;
}

static int handle(struct vipc_xmsg *msg, void *arg)
{
	char name[NAME_LEN + 1];
	int err = -EINVAL;

	(void)arg;
	if (msg->msg.flags & VIPC_MSG_BADGE_CLOSED) {
		/* With one thread, none of its requests is in service any more. */
		forget(msg->msg.badge);
		return --programs ? VIPC_SERVE_REPLY : VIPC_SERVE_STOP;
	}
	if (get_name(msg, name)) {
		if (msg->msg.opcode == NAMES_REGISTER)
			err = enter(msg, name);
		else if (msg->msg.opcode == NAMES_LOOKUP)
			err = look_up(msg, name);
	}
	msg->msg.opcode = err ? NAMES_NO : NAMES_OK;
	msg->msg.data[0] = (__u64)-err;
	return VIPC_SERVE_REPLY;
}

/* ---- what programs do with it ---- */

/* Returns 0 or -errno; LOOKUP stores a capability in *@cap, REGISTER sends it. */
static int ask(int names, __u32 what, const char *name, __s32 *cap)
{
	struct vipc_xmsg msg = {
		.msg.opcode = what,
		.tx_buf = VIPC_ADDRESS(name),
		.tx_len = (__u32)strlen(name),
	};
	int err;

	if (what == NAMES_REGISTER) {
		msg.tx_fds = VIPC_ADDRESS(cap);
		msg.tx_nfds = 1;
	} else {
		msg.rx_fds = VIPC_ADDRESS(cap);
		msg.rx_nfds = 1;
	}
	err = vipc_call_x_timeout(names, &msg, PATIENCE_NS);
	if (err)
		return err;
	return msg.msg.opcode == NAMES_OK ? 0 : -(int)msg.msg.data[0];
}

/* Looks @name up, until the answer is @want: another process has to do something. */
static int ask_until(int names, const char *name, __s32 *cap, int want)
{
	int err;

	for (int tries = 0; tries < 500; tries++) {
		err = ask(names, NAMES_LOOKUP, name, cap);
		if (err == want)
			return 0;
		if (!err)
			close(*cap);
		usleep(10000);
	}
	printf("client: %s: %s\n", name, strerror(-err));
	return -ETIMEDOUT;
}

/* ---- the service and the client ---- */

enum { ADD, CRASH };

static int add(struct vipc_msg *msg, void *arg)
{
	(void)arg;
	if (msg->opcode == CRASH)
		raise(SIGKILL);		/* no time for anything */
	msg->data[0] += msg->data[1];
	return VIPC_SERVE_REPLY;
}

static int service(int names)
{
	int endpoint = vipc_open(O_CLOEXEC);
	__s32 cap = vipc_derive(endpoint, VIPC_RIGHT_SEND, 0);
	int err = ask(names, NAMES_REGISTER, "adder", &cap);

	if (err) {
		printf("service: cannot register: %s\n", strerror(-err));
		return 1;
	}
	close(cap);
	return vipc_serve(endpoint, add, NULL, 1) != 0;
}

static int client(int names)
{
	struct vipc_msg msg = { .opcode = ADD, .data = { 20, 22 } };
	__s32 adder, other;
	int err;

	if (ask_until(names, "adder", &adder, 0))
		return 1;
	err = vipc_call_timeout(adder, &msg, PATIENCE_NS);
	printf("client: the adder says 20 + 22 = %llu (result %d)\n", msg.data[0], err);
	err = ask(names, NAMES_LOOKUP, "printer", &other);
	printf("client: printer: %s\n", strerror(-err));
	msg.opcode = CRASH;
	err = vipc_call_timeout(adder, &msg, PATIENCE_NS);
	printf("client: the adder has crashed: %s\n", strerror(-err));
	if (ask_until(names, "adder", &other, -ENOENT))
		return 1;
	printf("client: adder: no such name any more\n");
	return 0;
}

static pid_t start(int endpoint, int (*program)(int), __u64 badge)
{
	int names = vipc_derive_watched(endpoint, VIPC_RIGHT_SEND | VIPC_RIGHT_GRANT, badge);
	pid_t pid = fork();

	if (pid == 0) {
		close(endpoint);	/* only the name server has it */
		exit(program(names));
	}
	close(names);			/* only the program has it */
	programs++;
	return pid;
}

int main(void)
{
	struct vipc_config config = {
		.flags = VIPC_CONFIG_MAX_LEN | VIPC_CONFIG_MAX_FDS,
		.max_len = NAME_LEN,
		.max_fds = 1,
	};
	int endpoint = vipc_open(O_CLOEXEC);
	int err = vipc_config(endpoint, &config), status = 1;
	pid_t pid;

	if (err) {
		fprintf(stderr, "nameserver: no endpoint: %s\n", strerror(-err));
		return 1;
	}
	setvbuf(stdout, NULL, _IOLBF, 0);
	start(endpoint, service, 1);
	pid = start(endpoint, client, 2);
	err = vipc_serve_x(endpoint, handle, NULL, 1);
	waitpid(pid, &status, 0);
	printf("nameserver: all programs have ended\n");
	return err || status;
}
