// SPDX-License-Identifier: GPL-2.0
/*
 * Ways in which a client may try to stall, crash or confuse a server that takes
 * bytes and descriptors. Each goes on in a process of its own, again and again,
 * while another client wants nothing but its calls answered.
 */
#include <sys/epoll.h>
#include <sys/resource.h>
#include <netinet/in.h>

#include "vipc_payload.h"

#define MAX_LEN		(4 * VX_PIN_MIN)
#define MAX_FDS		2
#define LARGE		(VX_PIN_MIN + 1000)
#define HOSTILE		1	/* badges */
#define HONEST		2
#define CALLS		40

/* What a request wants, in the opcode: the tag of vt_msg(). */
enum { OP_ECHO = 1, OP_HOLD, OP_COUNT };

struct board {
	uint64_t tries;		/* of the hostile client */
	uint64_t confused;	/* what the server cannot explain */
	uint64_t hostile;	/* what it got from that client */
	int in_place;		/* what the hostile client waits for has come */
};

static struct board *board;

/* ---- the server ---- */

static void confused(const char *what, long long value)
{
	if (vp_add(&board->confused, 1) < 10)
		fprintf(stderr, "# server: %s: %lld\n", what, value);
}

static void answer(int fd, uint64_t token, uint32_t tag, const void *bytes,
		   uint32_t len)
{
	struct vipc_xmsg x = vx_msg(tag, bytes, len);
	int ret;

	x.msg.reply = token;
	ret = vx_reply(fd, &x);
	if (ret && ret != -ESRCH)
		confused("reply", ret);
}

/* Echoes what it gets; what is to be held, when the next request comes. */
static _Noreturn void serve(int fd)
{
	static uint8_t in[MAX_LEN];
	int32_t fds[MAX_FDS];
	uint64_t held = 0;
	uint32_t held_room = 0;
	struct vipc_xmsg x;
	int ret;

	for (;;) {
		x = vx_room(in, MAX_LEN);
		x.msg.deadline_ns = 0;
		vx_set_fd_room(&x, fds, MAX_FDS);
		ret = vx_recv(fd, &x);
		if (ret == -EPIPE)
			_exit(0);
		if (ret) {
			confused("receive", ret);
			continue;
		}
		for (uint32_t i = 0; i < x.rx_nfds; i++)
			close(fds[i]);
		vp_add(&board->hostile, x.msg.badge == HOSTILE);
		if (held)
			answer(fd, held, 3, in, held_room < MAX_LEN ?
			       held_room : MAX_LEN);
		held = 0;
		if (x.msg.flags & VIPC_MSG_NOTIFICATION)
			continue;
		if (x.msg.badge == HONEST && x.msg.opcode == OP_ECHO &&
		    !vx_is(in, x.rx_len, x.rx_len))
			confused("bytes", x.rx_len);
		if (x.msg.opcode == OP_HOLD) {
			held = x.msg.reply;
			held_room = x.reply_len;
		} else if (x.msg.reply) {
			answer(fd, x.msg.reply, x.msg.opcode == OP_COUNT ?
			       (uint32_t)vx_count_fds() : OP_ECHO, in,
			       x.rx_len < x.reply_len ? x.rx_len : x.reply_len);
		}
	}
}

/* ---- the ways: each runs until it is killed ---- */

static uint8_t *memory;		/* MAX_LEN bytes, of the hostile client */

static struct vipc_xmsg request(uint32_t op, uint32_t len)
{
	struct vipc_xmsg x = vx_msg(op, memory, len);

	vx_set_room(&x, memory, MAX_LEN);
	return x;
}

static void tried(void)
{
	vp_add(&board->tries, 1);
}

static void stay(void)
{
	for (;;)
		pause();
}

static void too_much(int cap)
{
	int32_t fds[VIPC_MAX_FDS];

	for (int i = 0; i < (int)VIPC_MAX_FDS; i++)
		fds[i] = cap;
	for (;; tried()) {
		struct vipc_xmsg x = request(OP_ECHO, MAX_LEN + 1);

		if (vx_call(cap, &x) != -EMSGSIZE)
			return;
		x = request(OP_ECHO, 1);
		vx_set_fds(&x, fds, VIPC_MAX_FDS);
		if (vx_call(cap, &x) != -EMSGSIZE)
			return;
		x = request(OP_ECHO, UINT32_MAX);
		x.rx_len = UINT32_MAX;
		if (vx_call(cap, &x) != -EMSGSIZE)
			return;
	}
}

static void *call_held(void *data)
{
	struct vipc_xmsg x = request(OP_HOLD, 10);

	tried();
	vx_call(*(int *)data, &x);
	return NULL;
}

/* Stops, in the middle of a call. */
static void stopped(int cap)
{
	pthread_t thread;

	if (pthread_create(&thread, NULL, call_held, &cap) ||
	    vt_wait_until(vp_get(&board->in_place)))
		return;
	raise(SIGSTOP);
	stay();
}

/* The room for the answer is gone, or is other memory, when that comes. */
static void room_goes(int cap)
{
	pthread_t thread;

	for (;;) {
		if (pthread_create(&thread, NULL, call_held, &cap))
			return;
		munmap(memory, MAX_LEN);
		mmap(memory, MAX_LEN / 2, PROT_READ,
		     MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0);
		pthread_join(thread, NULL);
		mmap(memory, MAX_LEN, PROT_READ | PROT_WRITE,
		     MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0);
	}
}

/* The bytes of its requests come and go, and change. */
static void *shake(void *arg)
{
	for (unsigned int i = 0;; i++) {
		memory[i % MAX_LEN]++;
		if (i & 255)
			continue;
		madvise(memory, MAX_LEN, MADV_DONTNEED);
		mprotect(memory + VX_PIN_MIN, VX_PAGE, PROT_NONE);
		vp_spin(100);
		mprotect(memory + VX_PIN_MIN, VX_PAGE, PROT_READ | PROT_WRITE);
	}
	return arg;
}

static void bytes_change(int cap)
{
	pthread_t thread;

	if (pthread_create(&thread, NULL, shake, NULL))
		return;
	for (;; tried()) {
		struct vipc_xmsg x = request(OP_ECHO, LARGE);

		vx_call(cap, &x);
		x = request(OP_ECHO, 3 * VX_PAGE);
		vx_send(cap, &x);
	}
}

/* Its own thread is held in a page fault, with half of the message copied. */
static void faults_for_ever(int cap)
{
	struct vipc_xmsg x = request(OP_ECHO, VX_PIN_MIN - 1);
	struct vx_held h;

	if (vx_hold(&h, memory + VX_PAGE, VX_PAGE))
		return;
	tried();
	vx_send(cap, &x);
}

/* The same with the room for an answer that is copied twice. */
static void takes_its_answer_never(int cap)
{
	struct vipc_xmsg x = request(OP_HOLD, 0);
	struct vx_held h;

	x.rx_len = 3000;
	memset(memory, 0, VX_PAGE);
	if (vt_fork()) {
		/* a copy of the page, which the call has looked at already */
		tried();
		vx_call(cap, &x);
		stay();
	}
	if (!vx_hold(&h, memory, VX_PAGE))
		vx_call(cap, &x);
}

/* Gives up while it is served. */
static void gives_up(int cap)
{
	for (unsigned int i = 0;; i++, tried()) {
		struct vipc_xmsg x = request(i & 1 ? OP_HOLD : OP_ECHO, LARGE);

		x.msg.deadline_ns = vt_now_ns() + i % 64 * 4000;
		if (i & 2)
			vx_call(cap, &x);
		else
			vx_send(cap, &x);
	}
}

/* Is killed while it is served. */
static void is_killed(int cap)
{
	for (unsigned int i = 0;; i++, tried()) {
		pid_t pid = vt_fork();

		if (!pid) {
			for (;;) {
				struct vipc_xmsg x = request(OP_HOLD, LARGE);

				vx_call(cap, &x);
			}
		}
		vt_pause_us(i % 32 * 30);
		if (pid > 0)
			vp_kill(pid);
	}
}

static void floods_bits(int cap)
{
	for (uint64_t i = 1;; i++, tried())
		vt_notify(cap, i);
}

static void *flood(void *data)
{
	for (;; tried()) {
		struct vipc_xmsg x = request(OP_ECHO, 100);

		vx_send(*(int *)data, &x);
	}
	return NULL;
}

static void floods_requests(int cap)
{
	pthread_t thread;

	for (int i = 0; i < 8; i++)
		pthread_create(&thread, NULL, flood, &cap);
	stay();
}

/* A connection whose close() waits until all is sent that nobody reads. */
static int lingering(void)
{
	struct sockaddr_in at = { .sin_family = AF_INET };
	struct linger linger = { .l_onoff = 1, .l_linger = 1000 };
	socklen_t len = sizeof(at);
	int listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

	at.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	if (bind(listener, (void *)&at, sizeof(at)) || listen(listener, 1) ||
	    getsockname(listener, (void *)&at, &len) ||
	    connect(fd, (void *)&at, sizeof(at)))
		return -1;
	setsockopt(fd, SOL_SOCKET, SO_LINGER, &linger, sizeof(linger));
	while (send(fd, memory, MAX_LEN, MSG_DONTWAIT) > 0)
		;
	return fd;
}

/*
 * Descriptors of all kinds: a capability for where they go, a set that watches
 * itself through another, one whose last close() it keeps for itself.
 */
static void odd_descriptors(int cap)
{
	int32_t odd[] = {
		cap, epoll_create1(0), epoll_create1(0), lingering(),
		vt_open(), memfd_create("x", 0), open("/proc/self/mem", O_RDWR),
	};
	struct epoll_event event = { .events = EPOLLIN };

	epoll_ctl(odd[1], EPOLL_CTL_ADD, odd[2], &event);
	epoll_ctl(odd[1], EPOLL_CTL_ADD, cap, &event);
	for (unsigned int i = 0;; i++, tried()) {
		struct vipc_xmsg x = request(OP_ECHO, i & 1 ? LARGE : 1);
		int32_t fds[MAX_FDS];

		for (int n = 0; n < MAX_FDS; n++) {
			fds[n] = odd[(i + (unsigned int)n) % 7];
			if (fds[n] < 0)
				fds[n] = cap;
		}
		vx_set_fds(&x, fds, MAX_FDS);
		vx_call(cap, &x);
		vx_set_fds(&x, (int32_t[]){ cap, 9999 }, MAX_FDS);
		vx_call(cap, &x);
	}
}

/* A file under its bytes shrinks, and grows again. */
static void file_shrinks(int cap)
{
	int file = memfd_create("shrinks", MFD_CLOEXEC);
	pid_t pid = vt_fork();

	if (!pid) {
		for (;;) {
			ftruncate(file, MAX_LEN);
			vp_spin(300);
			ftruncate(file, 0);
		}
	}
	mmap(memory, MAX_LEN, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_FIXED,
	     file, 0);
	for (unsigned int i = 0;; i++, tried()) {
		struct vipc_xmsg x = request(OP_ECHO, i & 1 ? LARGE : 3000);

		if (i & 2)
			vx_set_tx(&x, board, 0);
		vx_call(cap, &x);
	}
}

/* Nothing of its may be pinned. */
static void pins_nothing(int cap)
{
	struct rlimit none = { 0 };

	if (setrlimit(RLIMIT_MEMLOCK, &none) || setgid(65534) || setuid(65534))
		return;
	for (;; tried()) {
		struct vipc_xmsg x = request(OP_ECHO, LARGE);

		if (vx_call(cap, &x) || x.rx_len != LARGE)
			return;
	}
}

/* Waits in all ways at once for something to change. */
static void watches(int cap)
{
	struct epoll_event event = { .events = EPOLLOUT | EPOLLET };

	for (int i = 0; i < 100; i++) {
		int set = epoll_create1(EPOLL_CLOEXEC);

		epoll_ctl(set, EPOLL_CTL_ADD, cap, &event);
		if (!vt_fork())
			for (;; tried())
				epoll_wait(set, &event, 1, -1);
	}
	stay();
}

/* Asks for what it has no right to, and answers what it was not asked. */
static void pretends(int cap)
{
	struct vipc_config c = {
		.flags = VIPC_CONFIG_MAX_LEN,
	};

	for (uint64_t i = 1;; i++, tried()) {
		struct vipc_xmsg x = request(OP_ECHO, 100);

		x.msg.reply = i << 8;
		if (vx_reply(cap, &x) != -EACCES ||
		    vx_reply_recv(cap, &x) != -EACCES ||
		    vx_recv(cap, &x) != -EACCES ||
		    vt_config(cap, &c) != -EACCES || vt_shutdown(cap) != -EACCES)
			return;
	}
}

/* ---- the test ---- */

FIXTURE(stall)
{
	int fd, hostile, honest;
	pid_t server, client;
	uint8_t *out, *in;
};

FIXTURE_VARIANT(stall)
{
	void (*way)(int cap);
	bool once;	/* it tries once, and stays there */
};

#define WAY(name, once_)						\
	FIXTURE_VARIANT_ADD(stall, name)				\
	{								\
		.way = name,						\
		.once = once_,						\
	}

WAY(too_much, false);
WAY(stopped, true);
WAY(room_goes, false);
WAY(bytes_change, false);
WAY(faults_for_ever, true);
WAY(takes_its_answer_never, true);
WAY(gives_up, false);
WAY(is_killed, false);
WAY(floods_bits, false);
WAY(floods_requests, false);
WAY(odd_descriptors, false);
WAY(file_shrinks, false);
WAY(pins_nothing, false);
WAY(watches, false);
WAY(pretends, false);

FIXTURE_SETUP(stall)
{
	struct vipc_config c = {
		.flags = VIPC_CONFIG_MAX_LEN | VIPC_CONFIG_MAX_FDS,
		.max_len = MAX_LEN,
		.max_fds = MAX_FDS,
	};

	board = vp_shared(sizeof(*board));
	self->fd = vt_open();
	ASSERT_LE(0, self->fd);
	ASSERT_EQ(0, vt_config(self->fd, &c));
	self->hostile = vt_derive(self->fd, VIPC_RIGHT_SEND | VIPC_RIGHT_GRANT,
				  HOSTILE);
	self->honest = vt_derive(self->fd, VIPC_RIGHT_SEND, HONEST);
	ASSERT_LE(0, self->hostile);
	ASSERT_LE(0, self->honest);
	self->out = vx_map(MAX_LEN);
	self->in = vx_map(MAX_LEN);
	memory = vx_map(MAX_LEN);
	ASSERT_NE(NULL, memory);
	self->server = vt_fork();
	ASSERT_LE(0, self->server);
	if (!self->server) {
		vp_keep_only(self->fd);
		serve(self->fd);
	}
}

FIXTURE_TEARDOWN(stall)
{
	EXPECT_EQ(0, vt_shutdown(self->fd));
	EXPECT_EQ(0, vt_reap(self->server));
	EXPECT_EQ(0, board->confused);
	close(self->honest);
	close(self->fd);
}

/* What the server counts of its descriptors, or a negative number. */
static int count_of_server(int cap)
{
	struct vipc_msg m = vt_msg(OP_COUNT);
	int ret;

	m.deadline_ns = vt_now_ns() + VT_LIMIT_NS;
	ret = vt_call(cap, &m);
	return ret ? ret : (int)m.opcode;
}

static int call_honestly(FIXTURE_DATA(stall) *self, uint32_t len)
{
	struct vipc_xmsg x = vx_msg(OP_ECHO, self->out, len);
	int ret;

	vx_fill(self->out, len, len);
	vx_set_room(&x, self->in, MAX_LEN);
	x.msg.deadline_ns = vt_now_ns() + VT_LIMIT_NS;
	ret = vx_call(self->honest, &x);
	if (ret)
		return ret;
	return x.rx_len == len && vx_is(self->in, len, len) ? 0 : -EBADMSG;
}

/* All of a session, as what is hostile has many processes. */
static _Noreturn void be_hostile(int cap, void (*way)(int cap))
{
	setpgid(0, 0);
	vp_keep_only(cap);
	way(cap);
	_exit(1);
}

TEST_F(stall, others_are_served)
{
	static const uint32_t len[] = { 0, 100, 5000, LARGE, MAX_LEN };
	int files = count_of_server(self->honest);
	uint64_t before;

	ASSERT_LT(0, files);
	self->client = vt_fork();
	ASSERT_LE(0, self->client);
	if (!self->client)
		be_hostile(self->hostile, variant->way);
	close(self->hostile);
	EXPECT_EQ(0, vt_wait_until(vp_get(&board->tries) > 0));
	if (variant->once) {
		/* until it is where it wants to be */
		vt_pause_us(20000);
		vp_set(&board->in_place, 1);
		vt_pause_us(20000);
	}
	before = vp_get(&board->tries);
	for (int i = 0; i < CALLS; i++)
		EXPECT_EQ(0, call_honestly(self, len[i % 5]));
	if (!variant->once) {
		EXPECT_EQ(0, vt_wait_until(vp_get(&board->tries) > before));
		EXPECT_EQ(0, waitpid(self->client, NULL, WNOHANG));
	}
	kill(-self->client, SIGKILL);
	vt_reap(self->client);
	/* all that it had is gone, and the server as it was */
	EXPECT_EQ(0, call_honestly(self, LARGE));
	EXPECT_EQ(files, count_of_server(self->honest));
	EXPECT_EQ(0, vt_wait_capabilities(self->fd, 2));
	EXPECT_EQ(0, vt_wait_in_service(self->fd, 0));
}

TEST_HARNESS_MAIN
