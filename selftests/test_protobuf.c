// SPDX-License-Identifier: GPL-2.0
/*
 * libvipc-protobuf: a service in a schema, implemented here, called through vipc; and
 * what comes from clients and servers that do not keep to it.
 */
#include "vipc_selftest.h"
#include <vipc.h>
#include <vipc_protobuf.h>
#include "protobuf_test.pb-c.h"

#define MAX_REQUEST	100000
#define MAX_REPLY	65536
#define FAR		(100 * VT_NSEC)
#define MANY		200
#define ERRNO_MARK	4711

/* ---- the service ---- */

static unsigned int handled;
static pthread_t threads[MANY];
static unsigned int started;

/* The call that Keep was asked for. */
static Test__Item_Closure kept_closure;
static void *kept_data;

static void store_echo(Test__Store_Service *service, const Test__Item *item,
		       Test__Item_Closure closure, void *closure_data)
{
	(void)service;
	__atomic_add_fetch(&handled, 1, __ATOMIC_RELAXED);
	closure(item, closure_data);
}

static void store_grow(Test__Store_Service *service, const Test__Item *item,
		       Test__Item_Closure closure, void *closure_data)
{
	Test__Item result = TEST__ITEM__INIT;

	(void)service;
	result.number = item->number;
	result.has_data = 1;
	result.data.len = (size_t)item->number;
	result.data.data = calloc(1, result.data.len + 1);
	closure(&result, closure_data);
	free(result.data.data);
}

static void store_badge(Test__Store_Service *service, const Test__Item *item,
			Test__Item_Closure closure, void *closure_data)
{
	Test__Item result = TEST__ITEM__INIT;

	(void)service;
	(void)item;
	result.number = vipc_protobuf_badge(closure_data);
	closure(&result, closure_data);
}

static void store_fail(Test__Store_Service *service, const Test__Item *item,
		       Test__Item_Closure closure, void *closure_data)
{
	(void)service;
	(void)item;
	closure(NULL, closure_data);
}

static void store_incomplete(Test__Store_Service *service, const Test__Item *item,
			     Test__Item_Closure closure, void *closure_data)
{
	Test__Item result = TEST__ITEM__INIT;

	(void)service;
	(void)item;
	result.has_data = 1;
	result.data.len = 10;		/* of nothing */
	closure(&result, closure_data);
}

struct later {
	Test__Item_Closure closure;
	void *closure_data;
	__u64 number;
	bool *done;
};

static void *answer(void *arg)
{
	struct later later = *(struct later *)arg;
	Test__Item result = TEST__ITEM__INIT;

	free(arg);
	result.number = later.number;
	later.closure(later.number ? &result : NULL, later.closure_data);
	if (later.done)
		__atomic_store_n(later.done, true, __ATOMIC_RELEASE);
	return NULL;
}

static void start_answer(const Test__Item *item, Test__Item_Closure closure,
			 void *closure_data, bool *done)
{
	struct later *later = malloc(sizeof(*later));
	unsigned int slot = __atomic_fetch_add(&started, 1, __ATOMIC_RELAXED);

	*later = (struct later){ closure, closure_data, item->number, done };
	if (slot >= MANY || pthread_create(&threads[slot], NULL, answer, later))
		abort();
}

static void store_later(Test__Store_Service *service, const Test__Item *item,
			Test__Item_Closure closure, void *closure_data)
{
	(void)service;
	start_answer(item, closure, closure_data, NULL);
}

static void store_meanwhile(Test__Store_Service *service, const Test__Item *item,
			    Test__Item_Closure closure, void *closure_data)
{
	bool done = false;

	(void)service;
	start_answer(item, closure, closure_data, &done);
	while (!__atomic_load_n(&done, __ATOMIC_ACQUIRE))
		sched_yield();
}

static void store_keep(Test__Store_Service *service, const Test__Item *item,
		       Test__Item_Closure closure, void *closure_data)
{
	(void)service;
	(void)item;
	kept_closure = closure;
	__atomic_store_n(&kept_data, closure_data, __ATOMIC_RELEASE);
}

/* Answers another call from within this one, in the same thread. */
static void store_release(Test__Store_Service *service, const Test__Item *item,
			  Test__Item_Closure closure, void *closure_data)
{
	(void)service;
	kept_closure(item, kept_data);
	closure(item, closure_data);
}

static Test__Store_Service store = TEST__STORE__INIT(store_);

/* ---- a server in threads, and a client ---- */

FIXTURE(protobuf) {
	int endpoint, client_fd;
	pthread_t server;
	ProtobufCService *client;
};

struct served {
	int fd, result;
	unsigned int threads;
};

static struct served served;

static void *serve(void *arg)
{
	(void)arg;
	served.result = vipc_protobuf_serve(served.fd, &store.base, MAX_REQUEST,
					    served.threads);
	return NULL;
}

static int start_server(pthread_t *thread, int endpoint, unsigned int n)
{
	struct vipc_info info = { 0 };
	int ret;

	served = (struct served){ .fd = endpoint, .threads = n };
	ret = pthread_create(thread, NULL, serve, NULL);
	while (!ret && info.max_len != MAX_REQUEST) {
		ret = vipc_info(endpoint, &info);
		sched_yield();
	}
	return ret;
}

FIXTURE_SETUP(protobuf)
{
	handled = 0;
	started = 0;
	kept_data = NULL;
	self->endpoint = vipc_open(O_CLOEXEC);
	ASSERT_GE(self->endpoint, 0);
	self->client_fd = vipc_derive(self->endpoint, VIPC_RIGHT_SEND, 7);
	ASSERT_GE(self->client_fd, 0);
	ASSERT_EQ(0, start_server(&self->server, self->endpoint, 2));
	ASSERT_EQ(0, vipc_protobuf_client(self->client_fd, &test__store__descriptor, MAX_REPLY,
					  FAR, &self->client));
}

FIXTURE_TEARDOWN(protobuf)
{
	EXPECT_EQ(0, vipc_shutdown(self->endpoint));
	EXPECT_EQ(0, pthread_join(self->server, NULL));
	EXPECT_EQ(0, served.result);
	for (unsigned int i = 0; i < started; i++)
		pthread_join(threads[i], NULL);
	protobuf_c_service_destroy(self->client);
	close(self->client_fd);
	close(self->endpoint);
}

/* What a closure saw. */
struct seen {
	bool called, failed;
	__u64 number;
	size_t len, n_item;
	bool zeros;
};

static void look(const Test__Item *item, void *closure_data)
{
	struct seen *seen = closure_data;

	seen->called = true;
	seen->failed = !item;
	if (!item)
		return;
	seen->number = item->number;
	seen->len = item->has_data ? item->data.len : 0;
	seen->n_item = item->n_item;
	seen->zeros = true;
	for (size_t i = 0; i < seen->len; i++)
		seen->zeros = seen->zeros && !item->data.data[i];
}

typedef void (*stub_t)(ProtobufCService *, const Test__Item *, Test__Item_Closure, void *);

/* The number that came back, or a negative errno value; -1000 if the two disagree. */
static long long ask(ProtobufCService *client, stub_t stub, __u64 number)
{
	Test__Item item = TEST__ITEM__INIT;
	struct seen seen = { 0 };
	int error;

	item.number = number;
	errno = ERRNO_MARK;
	stub(client, &item, look, &seen);
	if (errno != ERRNO_MARK)
		return -1000;
	error = vipc_protobuf_error();
	if (!seen.called || seen.failed != !!error)
		return -1000;
	return error ? error : (long long)seen.number;
}

TEST_F(protobuf, answers)
{
	for (__u64 n = 1; n < 100; n++)
		ASSERT_EQ((long long)n, ask(self->client, test__store__echo, n));
	EXPECT_EQ(99, handled);
	EXPECT_EQ(7, ask(self->client, test__store__badge, 1));
}

TEST_F(protobuf, whole_trees)
{
	Test__Item leaf = TEST__ITEM__INIT, root = TEST__ITEM__INIT, *leaves[300];
	struct seen seen = { 0 };
	__u8 zeros[200] = { 0 };

	leaf.number = 5;
	for (int i = 0; i < 300; i++)
		leaves[i] = &leaf;
	root.number = 6;
	root.has_data = 1;
	root.data.data = zeros;
	root.data.len = sizeof(zeros);
	root.item = leaves;
	root.n_item = 300;
	test__store__echo(self->client, &root, look, &seen);
	EXPECT_EQ(0, vipc_protobuf_error());
	EXPECT_EQ(6, seen.number);
	EXPECT_EQ(sizeof(zeros), seen.len);
	EXPECT_EQ(300, seen.n_item);
}

/* Lengths around the stack's room, pages, the loop's room and the limit. */
TEST_F(protobuf, lengths)
{
	static const __u64 sizes[] = { 0, 1, 100, 4000, 4090, 4100, 8191, 8193, 40000, 65500 };

	for (unsigned int i = 0; i < 10; i++) {
		Test__Item item = TEST__ITEM__INIT;
		struct seen seen = { 0 };

		item.number = sizes[i];
		test__store__grow(self->client, &item, look, &seen);
		ASSERT_EQ(0, vipc_protobuf_error());
		EXPECT_EQ(sizes[i], seen.len);
		EXPECT_TRUE(seen.zeros);
	}
	/* A client with little room, of which all is on the stack. */
	protobuf_c_service_destroy(self->client);
	ASSERT_EQ(0, vipc_protobuf_client(self->client_fd, &test__store__descriptor, 100, FAR,
					  &self->client));
	EXPECT_EQ(50, ask(self->client, test__store__grow, 50));
	EXPECT_EQ(-EMSGSIZE, ask(self->client, test__store__grow, 101));
	EXPECT_EQ(50, ask(self->client, test__store__grow, 50));
}

TEST_F(protobuf, too_long)
{
	Test__Item item = TEST__ITEM__INIT;
	struct seen seen = { 0 };

	EXPECT_EQ(-EMSGSIZE, ask(self->client, test__store__grow, MAX_REPLY));
	item.has_data = 1;
	item.data.len = MAX_REQUEST;
	item.data.data = calloc(1, MAX_REQUEST);
	test__store__echo(self->client, &item, look, &seen);
	EXPECT_EQ(-EMSGSIZE, vipc_protobuf_error());
	EXPECT_TRUE(seen.failed);
	EXPECT_EQ(0, handled);
	free(item.data.data);
	EXPECT_EQ(1, ask(self->client, test__store__echo, 1));
}

TEST_F(protobuf, failures)
{
	Test__Item item = TEST__ITEM__INIT;
	struct seen seen = { 0 };
	ProtobufCService *other;

	EXPECT_EQ(-EREMOTEIO, ask(self->client, test__store__fail, 1));
	EXPECT_EQ(-EREMOTEIO, ask(self->client, test__store__incomplete, 1));
	EXPECT_EQ(1, ask(self->client, test__store__echo, 1));
	/* What is required has no bytes. */
	item.has_data = 1;
	item.data.len = 10;
	test__store__echo(self->client, &item, look, &seen);
	EXPECT_EQ(-EINVAL, vipc_protobuf_error());
	EXPECT_TRUE(seen.failed);
	EXPECT_EQ(1, handled);
	/* Methods of the same name, of another service. */
	ASSERT_EQ(0, vipc_protobuf_client(self->client_fd, &test__other__descriptor, MAX_REPLY,
					  FAR, &other));
	EXPECT_EQ(-EOPNOTSUPP, ask(other, test__other__echo, 1));
	protobuf_c_service_destroy(other);
}

TEST_F(protobuf, answered_later)
{
	EXPECT_EQ(5, ask(self->client, test__store__later, 5));
	EXPECT_EQ(-EREMOTEIO, ask(self->client, test__store__later, 0));
	EXPECT_EQ(6, ask(self->client, test__store__meanwhile, 6));
	EXPECT_EQ(-EREMOTEIO, ask(self->client, test__store__meanwhile, 0));
	for (__u64 n = 1; n < 50; n++) {
		ASSERT_EQ((long long)n, ask(self->client, test__store__later, n));
		ASSERT_EQ((long long)n, ask(self->client, test__store__meanwhile, n));
	}
}

struct asker {
	ProtobufCService *client;
	stub_t stub;
	__u64 number;
	unsigned int times;
	long long result;
};

static void *ask_often(void *arg)
{
	struct asker *asker = arg;

	for (unsigned int i = 0; i < asker->times; i++) {
		asker->result = ask(asker->client, asker->stub, asker->number + i);
		if (asker->result != (long long)(asker->number + i))
			break;
	}
	return NULL;
}

TEST_F(protobuf, answered_by_another_call)
{
	struct asker asker = { self->client, test__store__keep, 3, 1, 0 };
	pthread_t thread;

	ASSERT_EQ(0, pthread_create(&thread, NULL, ask_often, &asker));
	while (!__atomic_load_n(&kept_data, __ATOMIC_ACQUIRE))
		sched_yield();
	EXPECT_EQ(9, ask(self->client, test__store__release, 9));
	ASSERT_EQ(0, pthread_join(thread, NULL));
	EXPECT_EQ(9, asker.result);
}

/* Its client has given up: the answer goes nowhere, and disturbs nobody. */
TEST_F(protobuf, answered_too_late)
{
	ProtobufCService *hasty;

	ASSERT_EQ(0, vipc_protobuf_client(self->client_fd, &test__store__descriptor, MAX_REPLY,
					  1000000, &hasty));
	EXPECT_EQ(-ETIMEDOUT, ask(hasty, test__store__keep, 1));
	while (!__atomic_load_n(&kept_data, __ATOMIC_ACQUIRE)) {
		/* Not delivered before the deadline. */
		EXPECT_EQ(-ETIMEDOUT, ask(hasty, test__store__keep, 1));
	}
	EXPECT_EQ(9, ask(self->client, test__store__release, 9));
	EXPECT_EQ(10, ask(self->client, test__store__echo, 10));
	protobuf_c_service_destroy(hasty);
}

TEST_F(protobuf, many_threads)
{
	static const stub_t stubs[] = { test__store__echo, test__store__grow };
	struct asker asker[8];
	pthread_t thread[8];

	for (int i = 0; i < 8; i++) {
		asker[i] = (struct asker){ self->client, stubs[i % 2], 100 * (__u64)i + 1, 100, 0 };
		ASSERT_EQ(0, pthread_create(&thread[i], NULL, ask_often, &asker[i]));
	}
	for (int i = 0; i < 8; i++) {
		ASSERT_EQ(0, pthread_join(thread[i], NULL));
		EXPECT_EQ(100 * i + 100, asker[i].result);
	}
}

/* Bytes that nobody has packed, from xorshift; the server must be there afterwards. */
TEST_F(protobuf, hostile_requests)
{
	__u8 request[64], reply[256];
	__u64 x = 88172645463325252ull;
	unsigned int refused = 0;
	__u32 opcode = 0x811c9dc5u;

	/* The opcode of Echo, as the header says: FNV-1a. */
	for (const char *at = "test.Store.Echo"; *at; at++)
		opcode = (opcode ^ (unsigned char)*at) * 0x01000193u;
	for (int i = 0; i < 2000; i++) {
		struct vipc_xmsg msg = {
			.msg.opcode = opcode,
			.tx_buf = VIPC_ADDRESS(request),
			.tx_len = (__u32)(x >> 32) % (sizeof(request) + 1),
			.rx_buf = VIPC_ADDRESS(reply),
			.rx_len = sizeof(reply),
		};

		for (unsigned int j = 0; j < sizeof(request); j++) {
			x ^= x << 13;
			x ^= x >> 7;
			x ^= x << 17;
			/* Mostly small numbers: tags and lengths. */
			request[j] = (__u8)(x % 3 ? x >> 8 & 31 : x >> 8);
		}
		ASSERT_EQ(0, vipc_call_x(self->client_fd, &msg));
		if (msg.msg.opcode == EBADMSG)
			refused++;
		else
			ASSERT_EQ(0, msg.msg.opcode);
	}
	EXPECT_GT(refused, 1000);
	EXPECT_EQ(2000 - refused, handled);
	/* Nothing to answer: passed over. */
	EXPECT_EQ(0, vipc_notify(self->client_fd, 1));
	EXPECT_EQ(0, vipc_send(self->client_fd, &(struct vipc_msg){ .opcode = opcode }));
	EXPECT_EQ(1, ask(self->client, test__store__echo, 1));
}

/* A server that answers what it likes. */
static int answer_badly(struct vipc_xmsg *msg, void *arg)
{
	__u64 what = *(__u64 *)arg;

	msg->msg.opcode = (__u32)what;
	msg->msg.data[0] = what >> 32;
	if (!what) {
		memset(VIPC_POINTER(msg->tx_buf), 0xff, 100);
		msg->tx_len = 100;
	}
	return msg->msg.reply ? VIPC_SERVE_STOP : VIPC_SERVE_REPLY;
}

struct liar {
	int fd;
	__u64 what;
};

static void *serve_badly(void *arg)
{
	struct liar *liar = arg;

	vipc_serve_x(liar->fd, answer_badly, &liar->what, 1);
	return NULL;
}

TEST(hostile_replies)
{
	static const struct {
		__u64 what;
		int error;
	} answers[] = {
		{ 0, -EBADMSG },
		{ ENOENT, -ENOENT },
		{ 0xfffffffeu, -EBADMSG },
		{ 1u << 31, -EBADMSG },
		{ VIPC_OPCODE_FAILED | (__u64)EMFILE << 32, -EMFILE },
		{ VIPC_OPCODE_FAILED | 0xffffffffull << 32, -EBADMSG },
	};
	int endpoint = vipc_open(O_CLOEXEC);
	int fd = vipc_derive(endpoint, VIPC_RIGHT_SEND, 0);
	struct vipc_config config = { .flags = VIPC_CONFIG_MAX_LEN, .max_len = MAX_REQUEST };
	ProtobufCService *client;
	pthread_t thread;

	ASSERT_EQ(0, vipc_config(endpoint, &config));
	ASSERT_EQ(0, vipc_protobuf_client(fd, &test__store__descriptor, MAX_REPLY, FAR, &client));
	for (unsigned int i = 0; i < 6; i++) {
		struct liar liar = { endpoint, answers[i].what };

		ASSERT_EQ(0, pthread_create(&thread, NULL, serve_badly, &liar));
		EXPECT_EQ(answers[i].error, ask(client, test__store__echo, 1));
		ASSERT_EQ(0, pthread_join(thread, NULL));
	}
	/* And one that is gone. */
	ASSERT_EQ(0, vipc_shutdown(endpoint));
	EXPECT_EQ(-EPIPE, ask(client, test__store__echo, 1));
	protobuf_c_service_destroy(client);
}

TEST(arguments)
{
	ProtobufCMethodDescriptor twice[2] = { test__store__descriptor.methods[0],
					       test__store__descriptor.methods[0] };
	ProtobufCServiceDescriptor ambiguous = test__store__descriptor;
	ProtobufCService service = { .descriptor = &ambiguous };
	int endpoint = vipc_open(O_CLOEXEC), null = open("/dev/null", O_RDWR);
	int fd = vipc_derive(endpoint, VIPC_RIGHT_SEND, 0);
	struct vipc_protobuf_server *server;
	ProtobufCService *client;

	ambiguous.n_methods = 2;
	ambiguous.methods = twice;
	errno = ERRNO_MARK;
	EXPECT_EQ(-EEXIST, vipc_protobuf_server_new(endpoint, &service, &server));
	EXPECT_EQ(-EEXIST, vipc_protobuf_serve(endpoint, &service, 100, 1));
	EXPECT_EQ(-EACCES, vipc_protobuf_serve(fd, &store.base, 100, 1));
	EXPECT_EQ(-EINVAL, vipc_protobuf_serve(endpoint, &store.base, ~0u, 1));
	EXPECT_EQ(-EINVAL, vipc_protobuf_serve(endpoint, &store.base, 100, 0));
	EXPECT_EQ(-EINVAL, vipc_protobuf_client(fd, &test__store__descriptor, (16 << 20) + 1, FAR,
						&client));
	EXPECT_EQ(-EBADF, vipc_protobuf_client(-1, &test__store__descriptor, 1, FAR, &client));
	EXPECT_EQ(-ENOTTY, vipc_protobuf_client(null, &test__store__descriptor, 1, FAR, &client));
	EXPECT_EQ(ERRNO_MARK, errno);
	vipc_protobuf_server_free(NULL);
}

/* A handler of one's own in front, which sees the notices. */
static unsigned int notices;

static int see_notices(struct vipc_xmsg *msg, void *arg)
{
	if (msg->msg.flags & VIPC_MSG_BADGE_CLOSED)
		notices++;
	if (msg->msg.flags & VIPC_MSG_NOTIFICATION)
		return VIPC_SERVE_STOP;
	return vipc_protobuf_handler(msg, arg);
}

TEST(loop_of_ones_own)
{
	struct vipc_config config = { .flags = VIPC_CONFIG_MAX_LEN, .max_len = MAX_REQUEST };
	int endpoint = vipc_open(O_CLOEXEC);
	int fd = vipc_derive_watched(endpoint, VIPC_RIGHT_SEND, 3), status;
	struct vipc_protobuf_server *server;
	pid_t pid;

	ASSERT_EQ(0, vipc_config(endpoint, &config));
	ASSERT_EQ(0, vipc_protobuf_server_new(endpoint, &store.base, &server));
	pid = fork();
	ASSERT_GE(pid, 0);
	if (!pid) {
		int spare = vipc_derive(endpoint, VIPC_RIGHT_SEND, 0);
		ProtobufCService *client;

		close(endpoint);
		if (vipc_protobuf_client(fd, &test__store__descriptor, 100, FAR, &client) ||
		    ask(client, test__store__badge, 1) != 3)
			_exit(1);
		close(fd);
		_exit(vipc_notify(spare, 1) != 0);
	}
	close(fd);
	EXPECT_EQ(0, vipc_serve_x(endpoint, see_notices, server, 1));
	EXPECT_EQ(1, notices);
	ASSERT_EQ(pid, waitpid(pid, &status, 0));
	EXPECT_EQ(0, status);
	vipc_protobuf_server_free(server);
}

TEST_HARNESS_MAIN
