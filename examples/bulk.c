// SPDX-License-Identifier: MIT
/*
 * bulk: handing over large data without copying it. The data is in a memfd, which is
 * sealed, so that it will not change or shrink under the reader, and its descriptor
 * travels in a call. What that takes does not depend on the size.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>
#include <vipc.h>
#include <vipc_shm.h>

/* The most that the server will map for a client. */
#define LARGEST		(64u << 20)

/* The reply of both: opcode 0, and data[0]; or an errno value in data[0]. */
enum { PEEK, SUM };

/* ---- the server ---- */

static __u64 sum_of(const __u64 *words, size_t size)
{
	__u64 sum = 0;

	for (size_t i = 0; i < size / sizeof(*words); i++)
		sum += words[i];
	return sum;
}

static int handle(struct vipc_xmsg *msg, void *arg)
{
	const __s32 *received = VIPC_POINTER(msg->rx_fds);
	size_t size = LARGEST;
	int err = -EINVAL;
	void *map;

	(void)arg;
	if (msg->msg.flags & VIPC_MSG_BADGE_CLOSED)
		return VIPC_SERVE_STOP;		/* the client is gone */
	if (msg->rx_nfds == 1)
		err = vipc_shm_map(received[0], VIPC_SHM_CONST, &size, &map);
	if (err) {
		msg->msg.opcode = 1;
		msg->msg.data[0] = (__u64)-err;
		return VIPC_SERVE_REPLY;
	}
	msg->msg.data[0] = sum_of(map, msg->msg.opcode == PEEK ? sizeof(__u64) : size);
	msg->msg.opcode = 0;
	munmap(map, size);
	return VIPC_SERVE_REPLY;	/* and the library closes the descriptor */
}

/* ---- the client ---- */

static int ask(int server, __u32 what, int fd, __u64 *answer)
{
	__s32 fds[1] = { fd };
	struct vipc_xmsg msg = {
		.msg.opcode = what,
		.tx_fds = VIPC_ADDRESS(fds),
		.tx_nfds = 1,
	};
	int err = vipc_call_x(server, &msg);

	if (err)
		return err;
	*answer = msg.msg.data[0];
	return msg.msg.opcode ? -(int)msg.msg.data[0] : 0;
}

static double now_us(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (double)ts.tv_sec * 1e6 + (double)ts.tv_nsec / 1e3;
}

static void fill(__u64 *words, size_t size)
{
	for (size_t i = 0; i < size / sizeof(*words); i++)
		words[i] = i * 0x9e3779b97f4a7c15ull + size;
}

static int hand_over(int server, size_t size)
{
	double start, least = 1e12;
	__u64 want, first, got = 0;
	int fd, err;
	void *map;

	fd = vipc_shm_create("bulk", size, &map);
	if (fd < 0)
		return fd;
	fill(map, size);
	err = vipc_shm_seal(fd, map);
	first = *(__u64 *)map;		/* it can still be read */
	want = sum_of(map, size);
	for (int i = 0; !err && i < 50; i++) {
		start = now_us();
		err = ask(server, PEEK, fd, &got);
		if (now_us() - start < least)
			least = now_us() - start;
		if (!err && got != first)
			err = -EBADMSG;
	}
	if (!err)
		err = ask(server, SUM, fd, &got);
	if (!err && got != want)
		err = -EBADMSG;
	munmap(map, size);
	close(fd);
	if (!err)
		printf("client: %5zu KiB arrived whole; handed over in %.0f us at best\n",
		       size >> 10, least);
	return err;
}

/* What the server must not map: the client could change it, or cut it off. */
static int try_unsealed(int server)
{
	__u64 answer;
	void *map;
	int fd = vipc_shm_create("not sealed", 4096, &map);
	int err = fd < 0 ? fd : ask(server, PEEK, fd, &answer);

	printf("client: without the seals: %s\n", strerror(-err));
	return err == -EPERM ? 0 : -EPROTO;
}

static int client(int server)
{
	int err = 0;

	for (size_t size = 64 << 10; !err && size <= LARGEST; size *= 32)
		err = hand_over(server, size);
	if (!err)
		err = try_unsealed(server);
	if (err)
		printf("client: %s\n", strerror(-err));
	return err != 0;
}

int main(void)
{
	struct vipc_config config = { .flags = VIPC_CONFIG_MAX_FDS, .max_fds = 1 };
	int endpoint = vipc_open(O_CLOEXEC), err, status;
	int cap = vipc_derive_watched(endpoint, VIPC_RIGHT_SEND | VIPC_RIGHT_GRANT, 1);

	err = vipc_config(endpoint, &config);
	if (err || cap < 0) {
		fprintf(stderr, "bulk: no endpoint: %s\n", strerror(-(err ? err : cap)));
		return 1;
	}
	setvbuf(stdout, NULL, _IOLBF, 0);
	if (fork() == 0) {
		close(endpoint);
		return client(cap);
	}
	close(cap);
	err = vipc_serve_x(endpoint, handle, NULL, 1);
	wait(&status);
	return err || status;
}
