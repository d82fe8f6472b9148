// SPDX-License-Identifier: GPL-2.0
/*
 * Shared memory, and ways to say that something is in it: an eventfd, a futex, or
 * nothing, if the other side looks all the time. Whoever sends copies its message
 * into the memory; whoever receives uses it there.
 */
#include <errno.h>
#include <limits.h>
#include <linux/futex.h>
#include <stdlib.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>
#include "bench.h"

#define LARGEST	1048576

/* Each side's word in a cache line of its own, and then the messages. */
struct shm {
	_Atomic uint32_t request __attribute__((aligned(64)));
	_Atomic uint32_t reply __attribute__((aligned(64)));
	int request_fd __attribute__((aligned(64)));
	int reply_fd;
	/* the request; behind it the answer */
	char message[] __attribute__((aligned(64)));
};

static char *answer_of(const struct run *run)
{
	struct shm *s = run->state;

	return s->message + run->size;
}

static bool shm_open_state(struct run *run)
{
	run->state = shared_memory(sizeof(struct shm) + 2 * run->size);
	return true;
}

static void shm_close(struct run *run)
{
	if (run->state)
		munmap(run->state, sizeof(struct shm) + 2 * run->size);
}

/* What a server does with a request in shared memory: the answer is as long. */
static void answer_in_place(struct run *run, void *own)
{
	struct shm *s = run->state;

	make_answer(own, s->message, run->size);
	memcpy(answer_of(run), own, run->size);
}

static void *own_message(struct run *run)
{
	void *own = calloc(1, run->size);

	if (!own)
		give_up(run, "out of memory");
	return own;
}

static bool eventfd_open(struct run *run)
{
	struct shm *s;

	shm_open_state(run);
	s = run->state;
	s->request_fd = eventfd(0, EFD_CLOEXEC);
	s->reply_fd = eventfd(0, EFD_CLOEXEC);
	if (s->request_fd < 0 || s->reply_fd < 0)
		return missing(run, "eventfd: %s", strerror(errno));
	return true;
}

static void eventfd_close(struct run *run)
{
	struct shm *s = run->state;

	if (!s)
		return;
	close(s->request_fd);
	close(s->reply_fd);
	shm_close(run);
}

static void post_eventfd(struct run *run, int fd)
{
	uint64_t one = 1;

	if (write(fd, &one, sizeof(one)) != sizeof(one))
		give_up(run, "write to an eventfd: %s", strerror(errno));
}

static void wait_eventfd(struct run *run, int fd)
{
	uint64_t count;

	if (read(fd, &count, sizeof(count)) != sizeof(count))
		give_up(run, "read of an eventfd: %s", strerror(errno));
}

static void eventfd_serve(struct run *run, unsigned int thread)
{
	void *own = own_message(run);
	struct shm *s = run->state;

	(void)thread;
	for (;;) {
		wait_eventfd(run, s->request_fd);
		answer_in_place(run, own);
		post_eventfd(run, s->reply_fd);
	}
}

static void *eventfd_call(struct run *run, unsigned int client, void *msg)
{
	struct shm *s = run->state;

	(void)client;
	memcpy(s->message, msg, run->size);
	post_eventfd(run, s->request_fd);
	wait_eventfd(run, s->reply_fd);
	return answer_of(run);
}

const struct mechanism eventfd_mechanism = {
	.name = "eventfd", .title = "eventfd + shm", .max_size = LARGEST,
	.open = eventfd_open, .serve = eventfd_serve, .call = eventfd_call,
	.close = eventfd_close,
};

/* A word says: nothing, something, or that somebody sleeps until there is something. */
enum { EMPTY, POSTED, SLEEPING };

static void post_futex(struct run *run, _Atomic uint32_t *word)
{
	if (atomic_exchange(word, POSTED) == SLEEPING &&
	    syscall(SYS_futex, word, FUTEX_WAKE, 1, NULL, NULL, 0) < 0)
		give_up(run, "FUTEX_WAKE: %s", strerror(errno));
}

static void wait_futex(struct run *run, _Atomic uint32_t *word)
{
	uint32_t seen;

	for (;;) {
		seen = POSTED;
		if (atomic_compare_exchange_strong(word, &seen, EMPTY))
			return;
		if (seen == EMPTY && !atomic_compare_exchange_strong(word, &seen, SLEEPING))
			continue;
		if (syscall(SYS_futex, word, FUTEX_WAIT, SLEEPING, NULL, NULL, 0) < 0 &&
		    errno != EAGAIN && errno != EINTR)
			give_up(run, "FUTEX_WAIT: %s", strerror(errno));
	}
}

static void futex_serve(struct run *run, unsigned int thread)
{
	void *own = own_message(run);
	struct shm *s = run->state;

	(void)thread;
	for (;;) {
		wait_futex(run, &s->request);
		answer_in_place(run, own);
		post_futex(run, &s->reply);
	}
}

static void *futex_call(struct run *run, unsigned int client, void *msg)
{
	struct shm *s = run->state;

	(void)client;
	memcpy(s->message, msg, run->size);
	post_futex(run, &s->request);
	wait_futex(run, &s->reply);
	return answer_of(run);
}

const struct mechanism futex_mechanism = {
	.name = "futex", .title = "futex + shm", .max_size = LARGEST,
	.open = shm_open_state, .serve = futex_serve, .call = futex_call, .close = shm_close,
};

static void wait_spinning(_Atomic uint32_t *word)
{
	while (atomic_load_explicit(word, memory_order_acquire) != POSTED)
		relax();
	atomic_store_explicit(word, EMPTY, memory_order_relaxed);
}

static void spin_serve(struct run *run, unsigned int thread)
{
	void *own = own_message(run);
	struct shm *s = run->state;

	(void)thread;
	for (;;) {
		wait_spinning(&s->request);
		answer_in_place(run, own);
		atomic_store_explicit(&s->reply, POSTED, memory_order_release);
	}
}

static void *spin_call(struct run *run, unsigned int client, void *msg)
{
	struct shm *s = run->state;

	(void)client;
	memcpy(s->message, msg, run->size);
	atomic_store_explicit(&s->request, POSTED, memory_order_release);
	wait_spinning(&s->reply);
	return answer_of(run);
}

const struct mechanism spin_mechanism = {
	.name = "spin", .title = "spinning on shm", .max_size = LARGEST,
	.flags = MECH_SPINS | MECH_TWO,
	.open = shm_open_state, .serve = spin_serve, .call = spin_call, .close = shm_close,
};
