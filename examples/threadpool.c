// SPDX-License-Identifier: MIT
/*
 * threadpool: one thread receives, and hands what takes long to a pool of others, which
 * answer in any order: a reply token can be kept, and used by any thread. So a long job
 * holds up nobody, there are no more threads than processors to compute with, and who
 * comes when too much is waiting is told so at once.
 *
 * The jobs: how many primes there are below a number.
 */
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>
#include <vipc.h>

#define WORKERS		2
#define MAX_QUEUE	8
#define MAX_NUMBER	10000000u

enum { DONE, BUSY, TOO_LARGE };		/* opcodes of a reply */

struct job {
	__u64 reply, below;
};

/* What is waiting for a worker: a ring. */
static struct {
	pthread_mutex_t lock;
	pthread_cond_t more;
	unsigned int first, count;
	struct job job[MAX_QUEUE];
} queue = { .lock = PTHREAD_MUTEX_INITIALIZER, .more = PTHREAD_COND_INITIALIZER };

/* ---- the server ---- */

static int put(struct job job)
{
	int full;

	pthread_mutex_lock(&queue.lock);
	full = queue.count == MAX_QUEUE;
	if (!full) {
		queue.job[(queue.first + queue.count++) % MAX_QUEUE] = job;
		pthread_cond_signal(&queue.more);
	}
	pthread_mutex_unlock(&queue.lock);
	return full;
}

static struct job take(void)
{
	struct job job;

	pthread_mutex_lock(&queue.lock);
	while (!queue.count)
		pthread_cond_wait(&queue.more, &queue.lock);
	job = queue.job[queue.first];
	queue.first = (queue.first + 1) % MAX_QUEUE;
	queue.count--;
	pthread_mutex_unlock(&queue.lock);
	return job;
}

static int is_prime(__u64 n)
{
	for (__u64 i = 2; i * i <= n; i++)
		if (n % i == 0)
			return 0;
	return n > 1;
}

static void *work(void *arg)
{
	const int *server = arg;

	for (;;) {
		struct job job = take();
		struct vipc_msg msg = { .opcode = DONE, .reply = job.reply };

		for (__u64 n = 2; n < job.below; n++)
			msg.data[0] += (__u64)is_prime(n);
		/* -ESRCH: the client has given up. That is its affair. */
		vipc_reply(*server, &msg);
	}
	return NULL;
}

/* In the thread that receives: it never waits, and never computes. */
static int receive(struct vipc_msg *msg, void *arg)
{
	(void)arg;
	if (!msg->reply)
		return VIPC_SERVE_REPLY;
	if (msg->data[0] > MAX_NUMBER) {
		msg->opcode = TOO_LARGE;
		return VIPC_SERVE_REPLY;
	}
	if (put((struct job){ msg->reply, msg->data[0] })) {
		msg->opcode = BUSY;
		return VIPC_SERVE_REPLY;
	}
	return VIPC_SERVE_DEFER;
}

static int serve(int server)
{
	pthread_t thread;

	for (int i = 0; i < WORKERS; i++)
		if (pthread_create(&thread, NULL, work, &server))
			return 1;
	/* Until the client, which has inherited the right, shuts the endpoint down. */
	return vipc_serve(server, receive, NULL, 1) != 0;
}

/* ---- the client: several threads, each with one job ---- */

static int client;
static int answered;

static void *ask(void *arg)
{
	struct vipc_msg msg = { .data = { *(const __u64 *)arg } };
	int err;

	do {
		msg.opcode = 0;
		msg.data[0] = *(const __u64 *)arg;
		err = vipc_call(client, &msg);
	} while (!err && msg.opcode == BUSY);
	if (err)
		printf("client: %s\n", strerror(-err));
	else if (msg.opcode == TOO_LARGE)
		printf("client: that is too much\n");
	else
		printf("client: %llu primes below %llu (answer %d)\n", msg.data[0],
		       *(const __u64 *)arg,
		       __atomic_add_fetch(&answered, 1, __ATOMIC_RELAXED));
	return NULL;
}

int main(void)
{
	static const __u64 numbers[] = { 200000, 10, 100, 1000, 10000, MAX_NUMBER + 1 };
	int endpoint = vipc_open(O_CLOEXEC), status;
	pthread_t thread[6];
	pid_t pid;

	setvbuf(stdout, NULL, _IOLBF, 0);
	client = vipc_derive(endpoint, VIPC_RIGHT_SEND, 1);
	if (client < 0) {
		fprintf(stderr, "threadpool: %s\n", strerror(endpoint < 0 ? -endpoint : -client));
		return 1;
	}
	pid = fork();
	if (pid < 0) {
		perror("threadpool: fork");
		return 1;
	}
	if (!pid) {
		close(client);
		return serve(endpoint);
	}
	for (int i = 0; i < 6; i++)
		if (pthread_create(&thread[i], NULL, ask, (void *)&numbers[i]))
			return 1;
	for (int i = 0; i < 6; i++)
		pthread_join(thread[i], NULL);
	vipc_shutdown(endpoint);
	waitpid(pid, &status, 0);
	return status != 0;
}
