// SPDX-License-Identifier: MIT
/* kv_client SOCKET NAME COMMAND [ARG...]: a client of kv_server; see usage(). */
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

#include "kv.h"

enum { EXIT_OK, EXIT_ERROR, EXIT_USAGE, EXIT_REVOKED, EXIT_NOT_FOUND };

/* A server that takes longer is as good as none. */
#define PATIENCE_NS	5000000000ull

static const char *name;
static int server;		/* the capability */
static volatile sig_atomic_t enough;

static int usage(void)
{
	fprintf(stderr,
		"usage: kv_client SOCKET NAME COMMAND\n"
		"  put KEY VALUE    get KEY    del KEY    list   (16 bytes each)\n"
		"  work             put and get until SIGTERM, check each answer\n"
		"  bench N          time N requests\n"
		"  revoke           have the server revoke what NAME was given\n"
		"exit status: 0 ok, 1 error, 2 usage, 3 revoked, 4 no such key\n");
	return EXIT_USAGE;
}

static int dial(const char *path)
{
	struct sockaddr_un address = { .sun_family = AF_UNIX };
	int fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0);

	if (fd < 0)
		return -errno;
	strncpy(address.sun_path, path, sizeof(address.sun_path) - 1);
	if (connect(fd, (struct sockaddr *)&address, sizeof(address))) {
		int err = -errno;

		close(fd);
		return err;
	}
	return fd;
}

/* Returns the capability that came along, or 0 if none was to come, or -errno. */
static int greet(const char *path, int wish)
{
	struct kv_hello hello = { .wish = wish };
	struct kv_welcome answer = { 0 };
	struct iovec iov = { &answer, sizeof(answer) };
	union {
		struct cmsghdr header;
		char room[CMSG_SPACE(sizeof(int))];
	} control = { 0 };
	struct msghdr packet = {
		.msg_iov = &iov,
		.msg_iovlen = 1,
		.msg_control = &control,
		.msg_controllen = sizeof(control),
	};
	int fd = dial(path), ret = -EPROTO;

	if (fd < 0)
		return fd;
	memcpy(hello.name, name, strnlen(name, sizeof(hello.name)));
	if (send(fd, &hello, sizeof(hello), MSG_NOSIGNAL) < 0)
		ret = -errno;
	else if (recvmsg(fd, &packet, MSG_CMSG_CLOEXEC) == sizeof(answer))
		ret = -answer.error;
	if (!ret && wish == KV_JOIN) {
		ret = -EPROTO;
		if (CMSG_FIRSTHDR(&packet) && control.header.cmsg_type == SCM_RIGHTS)
			memcpy(&ret, CMSG_DATA(&control.header), sizeof(ret));
	}
	close(fd);
	return ret;
}

/* One request. Returns its status, or -errno. */
static int request(int opcode, struct kv_entry *entry)
{
	struct vipc_msg msg = { .opcode = opcode };
	int err;

	kv_pack(&msg, entry);
	err = vipc_call_timeout(server, &msg, PATIENCE_NS);
	if (err)
		return err;
	kv_unpack(entry, &msg);
	return msg.opcode;
}

static struct kv_entry entry_of(const char *key, const char *value)
{
	struct kv_entry entry = { 0 };

	memcpy(entry.key, key, strnlen(key, KV_KEY_LEN));
	memcpy(entry.value, value, strnlen(value, KV_VALUE_LEN));
	return entry;
}

static int complain(const char *what, int ret)
{
	static const char *const words[] = {
		[KV_NOT_FOUND] = "no such key",
		[KV_FULL] = "the server has no room for more keys",
		[KV_BAD_REQUEST] = "the server does not know this request",
	};

	if (ret < 0) {
		printf("%s: %s: %s\n", name, what, kv_explain(ret));
		return ret == -EKEYREVOKED ? EXIT_REVOKED : EXIT_ERROR;
	}
	printf("%s: %s: %s\n", name, what, words[ret]);
	return ret == KV_NOT_FOUND ? EXIT_NOT_FOUND : EXIT_ERROR;
}

static int simple(int opcode, const char *key, const char *value)
{
	struct kv_entry entry = entry_of(key, value);
	int ret = request(opcode, &entry);

	if (ret)
		return complain(key, ret);
	printf("%s: %.16s %s %.16s\n", name, entry.key,
	       opcode == KV_DEL ? "deleted" : "=", opcode == KV_DEL ? "" : entry.value);
	return EXIT_OK;
}

static int list(void)
{
	struct kv_entry entry = { 0 };
	int ret, count = 0;

	while (!(ret = request(KV_NEXT, &entry))) {
		printf("%s: has %.16s = %.16s\n", name, entry.key, entry.value);
		count++;
	}
	if (ret != KV_NOT_FOUND)
		return complain("list", ret);
	printf("%s: has %d key%s\n", name, count, count == 1 ? "" : "s");
	return EXIT_OK;
}

static void on_term(int sig)
{
	(void)sig;
	enough = 1;
}

/*
 * All clients use the same eight keys. A value that is not the one just put
 * under it would be another client's.
 */
static int work(void)
{
	struct sigaction action = { .sa_handler = on_term };
	unsigned long long round;
	int ret = 0;

	sigaction(SIGTERM, &action, NULL);
	printf("%s: at work\n", name);
	for (round = 0; !enough; round++) {
		struct kv_entry mine, got;
		char key[32], value[64];

		snprintf(key, sizeof(key), "slot-%llu", round % 8);
		snprintf(value, sizeof(value), "%.5s:%llu", name, round);
		mine = got = entry_of(key, value);
		ret = request(KV_PUT, &mine);
		if (!ret)
			ret = request(KV_GET, &got);
		if (ret == -EINTR && enough)
			break;
		if (ret) {
			printf("%s: stopped after %llu rounds\n", name, round);
			return complain("request", ret);
		}
		if (memcmp(&mine, &got, sizeof(mine))) {
			printf("%s: put %.16s, but found %.16s: a leak\n", name,
			       value, got.value);
			return EXIT_ERROR;
		}
	}
	printf("%s: %llu rounds of put and get, all answers mine\n", name, round);
	return EXIT_OK;
}

static int by_value(const void *a, const void *b)
{
	const __u64 *x = a, *y = b;

	return (*x > *y) - (*x < *y);
}

static __u64 now(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (__u64)ts.tv_sec * 1000000000u + (__u64)ts.tv_nsec;
}

static int bench(unsigned long count)
{
	struct kv_entry entry = entry_of("bench", "1");
	unsigned long i, warm = count / 10 + 1;
	__u64 *sample;
	int ret;

	if (!count || count > 10000000)
		return usage();
	sample = calloc(count, sizeof(*sample));
	if (!sample)
		return complain("bench", -ENOMEM);
	ret = request(KV_PUT, &entry);
	for (i = 0; !ret && i < warm + count; i++) {
		__u64 start = now();

		ret = request(KV_GET, &entry);
		if (i >= warm)
			sample[i - warm] = now() - start;
	}
	if (!ret) {
		qsort(sample, count, sizeof(*sample), by_value);
		printf("%s: %lu round trips: minimum %.1f, median %.1f, p99 %.1f us\n",
		       name, count, sample[0] / 1e3, sample[count / 2] / 1e3,
		       sample[count - 1 - count / 100] / 1e3);
	}
	free(sample);
	return ret ? complain("bench", ret) : EXIT_OK;
}

int main(int argc, char **argv)
{
	const char *command = argc > 3 ? argv[3] : "";
	int args = argc - 4;

	setvbuf(stdout, NULL, _IOLBF, 0);
	if (argc < 4)
		return usage();
	name = argv[2];
	server = greet(argv[1], strcmp(command, "revoke") ? KV_JOIN : KV_REVOKE);
	if (server < 0)
		return complain("the server refuses", server);
	if (!strcmp(command, "revoke"))
		return EXIT_OK;
	if (!strcmp(command, "put") && args == 2)
		return simple(KV_PUT, argv[4], argv[5]);
	if (!strcmp(command, "get") && args == 1)
		return simple(KV_GET, argv[4], "");
	if (!strcmp(command, "del") && args == 1)
		return simple(KV_DEL, argv[4], "");
	if (!strcmp(command, "list") && !args)
		return list();
	if (!strcmp(command, "work") && !args)
		return work();
	if (!strcmp(command, "bench") && args == 1)
		return bench(strtoul(argv[4], NULL, 10));
	return usage();
}
