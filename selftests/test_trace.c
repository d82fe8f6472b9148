// SPDX-License-Identifier: GPL-2.0
/*
 * The tracepoints: each operation is reported once, with what it did and how it
 * ended, and without what was in its message; they may be switched on and off while
 * others work; and they let the module go.
 */
#include <linux/perf_event.h>

#include "vipc_module.h"
#include "vipc_payload.h"
#include "vipc_procs.h"
#include "vipc_trace.h"

/*
 * Switching changes the code that others run, perf's events even the scheduler's. QEMU's
 * translator may keep the breakpoint that is there meanwhile for ever, if another
 * processor comes by at that moment: there, only one is left while this program runs.
 */
static void set_second_cpu(const char *online)
{
	size_t len;
	char *text = vtr_read_file("/proc/cpuinfo", &len);

	if (text && strstr(text, "QEMU TCG"))
		vt_write_file("/sys/devices/system/cpu/cpu1/online", online);
	free(text);
}

__attribute__((constructor)) static void take_second_cpu_away(void)
{
	set_second_cpu("0");
}

__attribute__((destructor)) static void give_second_cpu_back(void)
{
	/* Of perf's last event the scheduler is rid a second later. */
	sleep(2);
	set_second_cpu("1");
}

FIXTURE(trace)
{
	int ep;
	int cap;		/* SEND, GRANT; badge 7 */
	unsigned long long id;
};

FIXTURE_SETUP(trace)
{
	struct vipc_info info;

	self->ep = -1;
	self->cap = -1;
	if (!vtr_can_trace())
		SKIP(return, "there is no tracefs with instances");
	self->ep = vt_open();
	ASSERT_LE(0, self->ep);
	self->cap = vt_derive(self->ep, VIPC_RIGHT_SEND | VIPC_RIGHT_GRANT, 7);
	ASSERT_LE(0, self->cap);
	ASSERT_EQ(0, vt_info(self->ep, &info));
	self->id = info.endpoint;
	ASSERT_EQ(0, vtr_begin());
}

FIXTURE_TEARDOWN(trace)
{
	if (!vtr_can_trace())
		return;
	close(self->cap);
	close(self->ep);
	EXPECT_EQ(0, vtr_end());
}

/* @want events are like that, and no more of this name. The * is for what follows. */
#define EXPECT_EVENTS(want, name, ...) do {				\
	char pattern_[320], all_[64];					\
	char *text_ = vtr_events();					\
	int n_ = snprintf(pattern_, sizeof(pattern_),			\
			  "vipc_%s: endpoint=%llu ", name, self->id);	\
	snprintf(pattern_ + n_, sizeof(pattern_) - (size_t)n_, __VA_ARGS__); \
	snprintf(all_, sizeof(all_), "vipc_%s: *", name);		\
	EXPECT_EQ(want, vtr_count(text_, pattern_))			\
		TH_LOG("%s\namong\n%s", pattern_, text_);		\
	EXPECT_EQ(want, vtr_count(text_, all_))				\
		TH_LOG("%s\n%s", all_, text_);				\
	free(text_);							\
	EXPECT_EQ(0, vtr_clear());					\
} while (0)

#define EXPECT_EVENT(name, ...) EXPECT_EVENTS(1, name, __VA_ARGS__)

TEST_F(trace, capabilities)
{
	char pattern[128], *text;
	struct vipc_info info;
	int ep, leaf, watched;

	ep = vt_open();
	ASSERT_LE(0, ep);
	ASSERT_EQ(0, vt_info(ep, &info));
	self->id = info.endpoint;
	EXPECT_EVENT("open", "badge=0 rights=send|recv|grant|revoke ret=0");
	leaf = vt_derive(ep, VIPC_RIGHT_SEND, 99);
	ASSERT_LE(0, leaf);
	EXPECT_EVENT("derive", "badge=99 rights=send watched=no ret=%d", leaf);
	EXPECT_EQ(-EACCES, vt_derive(leaf, VIPC_RIGHT_SEND, 99));
	EXPECT_EVENT("derive", "badge=99 rights=send watched=no ret=%d", -EACCES);
	watched = vt_derive_watched(ep, VIPC_RIGHT_SEND, ~0ull);
	ASSERT_LE(0, watched);
	EXPECT_EVENT("derive", "badge=%llu rights=send watched=yes ret=%d", ~0ull, watched);
	close(watched);
	EXPECT_EVENT("close", "badge=%llu rights=send ret=0", ~0ull);
	EXPECT_EQ(-EACCES, vt_revoke(leaf));
	EXPECT_EVENT("revoke", "badge=99 rights=send ret=%d", -EACCES);
	EXPECT_EQ(0, vt_revoke(ep));
	EXPECT_EVENT("revoke", "badge=0 rights=send|recv|grant|revoke ret=0");
	EXPECT_EQ(0, vtr_clear());

	/* It dies once, whatever else ends it later. */
	EXPECT_EQ(0, vt_shutdown(ep));
	EXPECT_EVENT("death", "dropped=0");
	EXPECT_EQ(0, vt_shutdown(ep));
	EXPECT_EQ(0, vt_revoke(ep));
	close(leaf);
	close(ep);
	text = vtr_events();
	snprintf(pattern, sizeof(pattern), "vipc_death: endpoint=%llu *", self->id);
	EXPECT_EQ(0, vtr_count(text, pattern));
	EXPECT_EQ(2, vtr_count(text, "vipc_close: *"));
	free(text);
}

/* Of each way to die, and of what it drops. */
TEST_F(trace, death)
{
	struct vipc_info info;
	int ep, snd, rcv;

	ASSERT_EQ(0, vt_set_depth(self->ep, 4));
	for (int i = 0; i < 3; i++)
		ASSERT_EQ(0, vp_send_tag(self->cap, 1, VIPC_NONBLOCK));
	close(self->ep);
	EXPECT_EVENT("death", "dropped=3");
	self->ep = -1;

	ep = vt_open_flags(O_WRONLY);	/* born dead */
	ASSERT_LE(0, ep);
	ASSERT_EQ(0, vt_info(ep, &info));
	self->id = info.endpoint;
	close(ep);
	EXPECT_EVENT("death", "dropped=0");

	ep = vt_open();
	ASSERT_LE(0, ep);
	snd = vt_derive(ep, VIPC_RIGHT_REVOKE | VIPC_RIGHT_GRANT | VIPC_RIGHT_RECV, 0);
	ASSERT_LE(0, snd);
	rcv = vt_derive(snd, VIPC_RIGHT_RECV, 5);
	ASSERT_LE(0, rcv);
	ASSERT_EQ(0, vt_info(ep, &info));
	self->id = info.endpoint;
	close(ep);
	close(snd);
	EXPECT_EQ(0, vtr_clear());
	close(rcv);
	EXPECT_EVENT("death", "dropped=0");
}

TEST_F(trace, send_and_receive)
{
	struct vipc_msg m;
	struct vt_op op = { .msg = { .opcode = 0 } };

	ASSERT_EQ(0, vt_op_start(&op, self->ep, VIPC_IOC_RECV));
	ASSERT_EQ(0, vt_wait_receivers(self->ep, 1));
	m = (struct vipc_msg){ .opcode = 41 };
	EXPECT_EQ(0, vt_send(self->cap, &m));
	ASSERT_EQ(0, vt_op_join(&op));
	EXPECT_EVENT("send", "badge=7 opcode=41 len=0 fds=0 token=0x0 path=fast cycles=* ret=0");

	op.msg = (struct vipc_msg){ .opcode = 42 };
	ASSERT_EQ(0, vt_op_start(&op, self->cap, VIPC_IOC_SEND));
	ASSERT_EQ(0, vt_wait_senders(self->ep, 1));
	EXPECT_EQ(0, vt_recv_soon(self->ep, &m));
	EXPECT_EVENT("receive", "kind=message badge=7 opcode=42 len=0 fds=0 token=0x0 ret=0");
	ASSERT_EQ(0, vt_op_join(&op));

	/* After the last EXPECT cleared the buffer the sender may have reported or not. */
	EXPECT_EQ(0, vtr_clear());
	EXPECT_EQ(-EAGAIN, vp_send_tag(self->cap, 43, VIPC_NONBLOCK));
	EXPECT_EVENT("send", "badge=7 opcode=43 len=0 fds=0 token=0x0 path=slow cycles=* ret=%d",
		     -EAGAIN);
	EXPECT_EQ(-EAGAIN, vp_recv_now(self->ep, &m));
	EXPECT_EVENT("receive", "kind=message badge=0 opcode=0 len=0 fds=0 token=0x0 ret=%d",
		     -EAGAIN);

	EXPECT_EQ(0, vt_notify(self->cap, 0x15));
	EXPECT_EVENT("notify", "badge=7 rights=send|grant ret=0");
	EXPECT_EQ(0, vt_recv_soon(self->ep, &m));
	EXPECT_EVENT("receive", "kind=notification badge=0 opcode=0 len=0 fds=0 token=0x0 ret=0");
}

TEST_F(trace, notice)
{
	int watched = vt_derive_watched(self->ep, VIPC_RIGHT_SEND, 12);
	struct vipc_msg m;

	ASSERT_LE(0, watched);
	close(watched);
	EXPECT_EQ(0, vt_recv_soon(self->ep, &m));
	EXPECT_EVENT("receive", "kind=badge-closed badge=12 opcode=0 len=0 fds=0 token=0x0 ret=0");
}

/* The three sides of a call know it by the same token, and each by its own opcode. */
TEST_F(trace, call)
{
	struct vt_op op = { .msg = { .opcode = 50 } };
	unsigned long long token;
	struct vipc_msg m;

	ASSERT_EQ(0, vt_op_start(&op, self->cap, VIPC_IOC_CALL));
	ASSERT_EQ(0, vt_recv_soon(self->ep, &m));
	token = m.reply;
	EXPECT_EVENT("receive", "kind=message badge=7 opcode=50 len=0 fds=0 token=%#llx ret=0",
		     token);
	m.opcode = 51;
	EXPECT_EQ(0, vt_reply(self->ep, &m));
	ASSERT_EQ(0, vt_op_join(&op));
	EXPECT_EQ(51, op.msg.opcode);
	EXPECT_EVENT("call", "badge=7 opcode=50 len=0 fds=0 token=%#llx path=* cycles=* ret=0",
		     token);
	m.reply = token;
	EXPECT_EQ(-ESRCH, vt_reply(self->ep, &m));
	EXPECT_EVENT("reply", "opcode=51 len=0 fds=0 token=%#llx ret=%d", token, -ESRCH);

	m = (struct vipc_msg){ .opcode = 52, .deadline_ns = 1 };
	EXPECT_EQ(-ETIMEDOUT, vt_call(self->cap, &m));
	EXPECT_EVENT("call", "badge=7 opcode=52 len=0 fds=0 token=0x0 path=slow cycles=* ret=%d",
		     -ETIMEDOUT);
}

TEST_F(trace, reply_and_receive)
{
	struct vt_op op = { .msg = { .opcode = 60 } };
	struct vipc_msg m;
	unsigned long long token;
	char *text;

	ASSERT_EQ(0, vt_op_start(&op, self->cap, VIPC_IOC_CALL));
	ASSERT_EQ(0, vt_recv_soon(self->ep, &m));
	token = m.reply;
	EXPECT_EQ(0, vtr_clear());
	m.opcode = 61;
	m.flags = VIPC_NONBLOCK;
	EXPECT_EQ(-EAGAIN, vt_reply_recv(self->ep, &m));
	ASSERT_EQ(0, vt_op_join(&op));
	text = vtr_events();
	EXPECT_EQ(1, vtr_count(text, "vipc_receive: *"));
	EXPECT_EQ(1, vtr_count(text, "vipc_receive: * ret=-11"));
	free(text);
	EXPECT_EVENT("reply", "opcode=61 len=0 fds=0 token=%#llx ret=0", token);

	/* Without a reply, it only receives; with one that is nobody's, neither. */
	m = (struct vipc_msg){ .flags = VIPC_NONBLOCK };
	EXPECT_EQ(-EAGAIN, vt_reply_recv(self->ep, &m));
	EXPECT_EVENT("receive", "*ret=%d", -EAGAIN);
	m.reply = 1;
	m.opcode = 62;
	EXPECT_EQ(-ESRCH, vt_reply_recv(self->ep, &m));
	EXPECT_EVENT("reply", "opcode=62 len=0 fds=0 token=0x1 ret=%d", -ESRCH);
}

TEST_F(trace, bytes_and_descriptors)
{
	int32_t fds[1] = { STDOUT_FILENO }, got[1];
	struct vipc_xmsg x, room;
	struct vt_op op = {};
	unsigned long long token;
	uint8_t out[300], in[300];

	vx_fill(out, sizeof(out), 3);
	ASSERT_EQ(0, vx_limits(self->ep, 4096, 4));
	x = vx_msg(70, out, sizeof(out));
	vx_set_fds(&x, fds, 1);
	ASSERT_EQ(0, vx_start(&op, self->cap, VIPC_IOC_CALL_X, &x));
	room = vx_room(in, sizeof(in));
	vx_set_fd_room(&room, got, 1);
	ASSERT_EQ(0, vx_recv(self->ep, &room));
	token = room.msg.reply;
	close(got[0]);
	EXPECT_EVENT("receive", "kind=message badge=7 opcode=70 len=300 fds=1 token=%#llx ret=0",
		     token);
	vx_set_tx(&room, out, 5);
	room.msg.opcode = 71;
	EXPECT_EQ(-EMSGSIZE, vx_reply(self->ep, &room));
	EXPECT_EVENT("reply", "opcode=71 len=5 fds=0 token=%#llx ret=%d", token, -EMSGSIZE);
	EXPECT_EQ(-EMSGSIZE, vx_reply_recv(self->ep, &room));
	EXPECT_EVENT("reply", "opcode=71 len=5 fds=0 token=%#llx ret=%d", token, -EMSGSIZE);
	vx_set_tx(&room, out, 0);
	room.msg.flags = VIPC_NONBLOCK;
	EXPECT_EQ(-EAGAIN, vx_reply_recv(self->ep, &room));
	ASSERT_EQ(0, vx_end(&op));
	EXPECT_EVENT("call", "badge=7 opcode=70 len=300 fds=1 token=%#llx path=* cycles=* ret=0",
		     token);

	x = vx_msg(72, out, sizeof(out));
	x.msg.flags = VIPC_NONBLOCK;
	ASSERT_EQ(0, vx_limits(self->ep, 299, 4));
	EXPECT_EQ(-EMSGSIZE, vx_send(self->cap, &x));
	EXPECT_EVENT("send", "badge=7 opcode=72 len=300 fds=0 token=0x0 path=slow cycles=* ret=%d",
		     -EMSGSIZE);
}

/* Words, bytes and bits are in no event, neither as text nor as recorded. */
TEST_F(trace, shows_no_content)
{
	static const uint64_t secret = 0x5ec2e75ec2e75ec1ull;
	struct vipc_msg m = { .data = { secret, secret, secret, secret } };
	char path[96], hex[32], decimal[32], *text;
	struct vipc_xmsg x, room;
	uint64_t out[4] = { secret, secret, secret, secret }, in[4];
	struct vt_op op = {};
	size_t len, all = 0;

	ASSERT_EQ(0, vx_limits(self->ep, 4096, 0));
	op.msg = m;
	ASSERT_EQ(0, vt_op_start(&op, self->cap, VIPC_IOC_CALL));
	ASSERT_EQ(0, vt_recv_soon(self->ep, &m));
	EXPECT_EQ(secret, m.data[0]);
	ASSERT_EQ(0, vt_reply(self->ep, &m));
	ASSERT_EQ(0, vt_op_join(&op));
	ASSERT_EQ(0, vt_notify(self->cap, secret));
	ASSERT_EQ(0, vt_recv_soon(self->ep, &m));
	EXPECT_EQ(secret, m.data[0]);
	x = vx_msg(1, out, sizeof(out));
	memcpy(x.msg.data, out, sizeof(out));
	ASSERT_EQ(0, vx_start(&op, self->cap, VIPC_IOC_SEND_X, &x));
	room = vx_room(in, sizeof(in));
	ASSERT_EQ(0, vx_recv(self->ep, &room));
	EXPECT_EQ(secret, in[3]);
	ASSERT_EQ(0, vx_end(&op));

	snprintf(hex, sizeof(hex), "%llx", (unsigned long long)secret);
	snprintf(decimal, sizeof(decimal), "%llu", (unsigned long long)secret);
	text = vtr_events();
	ASSERT_NE(NULL, text);
	EXPECT_EQ(3, vtr_count(text, "vipc_receive: *"));
	EXPECT_EQ(NULL, strstr(text, hex));
	EXPECT_EQ(NULL, strstr(text, decimal));
	free(text);
	for (int cpu = 0; cpu < vt_cpus(); cpu++) {
		snprintf(path, sizeof(path), VTR_DIR "per_cpu/cpu%d/trace_pipe_raw", cpu);
		text = vtr_read_file(path, &len);
		ASSERT_NE(NULL, text);
		all += len;
		EXPECT_EQ(NULL, memmem(text, len, &secret, sizeof(secret)));
		free(text);
	}
	EXPECT_LT(0, all);
}

/* A call, and its answer, over and over; until the endpoint is shut down. */
static void *call_for_ever(void *cap)
{
	struct vipc_msg m;
	uint64_t n = 0;
	int ret;

	do {
		m = vt_msg(++n);
		ret = vt_call(*(int *)cap, &m);
		if (!ret && !vt_msg_is(&m, n + 1))
			return "a wrong answer";
	} while (!ret);
	return ret == -EPIPE || ret == -ECONNRESET ? NULL : "a call failed";
}

static void *serve_for_ever(void *ep)
{
	struct vipc_msg m = { .opcode = 0 };
	int ret = vt_recv(*(int *)ep, &m);

	while (!ret) {
		uint64_t token = m.reply;

		m = vt_msg(m.data[0] + 1);
		m.reply = token;
		ret = vt_reply_recv(*(int *)ep, &m);
	}
	/* Its last caller may have been told already. */
	return ret == -EPIPE || ret == -ESRCH ? NULL : "receiving failed";
}

TEST_F(trace, on_and_off_under_traffic)
{
	pthread_t threads[4];
	struct vipc_info before, after;
	void *why;

	for (int i = 0; i < 4; i++)
		ASSERT_EQ(0, pthread_create(&threads[i], NULL,
					    i < 2 ? call_for_ever : serve_for_ever,
					    i < 2 ? &self->cap : &self->ep));
	for (int i = 0; i < 5; i++) {
		ASSERT_EQ(0, vt_write_file(VTR_EVENTS "enable", "0"));
		ASSERT_EQ(0, vt_info(self->ep, &before));
		ASSERT_EQ(0, vt_wait_until(!vt_info(self->ep, &after) &&
					   after.replied > before.replied + 20));
		ASSERT_EQ(0, vt_write_file(VTR_EVENTS "enable", "1"));
		ASSERT_EQ(0, vt_info(self->ep, &before));
		ASSERT_EQ(0, vt_wait_until(!vt_info(self->ep, &after) &&
					   after.replied > before.replied + 20));
	}
	EXPECT_EQ(0, vt_shutdown(self->ep));
	for (int i = 0; i < 4; i++) {
		ASSERT_EQ(0, pthread_join(threads[i], &why));
		EXPECT_EQ(NULL, why) TH_LOG("%s", (char *)why);
	}
}

/* perf's way to the event vipc_@name: a descriptor, or -errno. */
static int perf_open(const char *name)
{
	struct perf_event_attr attr = {
		.type = PERF_TYPE_TRACEPOINT,
		.size = sizeof(attr),
		.sample_period = 1,
	};
	char path[96], *id;
	size_t len;
	int fd;

	snprintf(path, sizeof(path), VTR_EVENTS "vipc_%s/id", name);
	id = vtr_read_file(path, &len);
	if (!id)
		return -ENOENT;
	attr.config = strtoull(id, NULL, 10);
	free(id);
	fd = (int)syscall(SYS_perf_event_open, &attr, 0, -1, -1, PERF_FLAG_FD_CLOEXEC);
	return fd < 0 ? -errno : fd;
}

TEST_F(trace, counted_by_perf)
{
	uint64_t n = 0;
	int perf = perf_open("notify");

	ASSERT_LE(0, perf);
	for (int i = 0; i < 10; i++)
		EXPECT_EQ(0, vt_notify(self->cap, 1));
	ASSERT_EQ(sizeof(n), read(perf, &n, sizeof(n)));
	EXPECT_EQ(10, n);
	close(perf);
}

/* Who has it switched on in tracefs is in nobody's way, and may look at it later. */
TEST_F(trace, module_goes)
{
	int pipe = open(VTR_DIR "trace_pipe", O_RDONLY | O_CLOEXEC | O_NONBLOCK);
	char buf[4096], *text;
	int ep, perf;

	if (access(vm_path(), R_OK))
		SKIP(return, "no %s: set VIPC_KO to the module's path", vm_path());
	EXPECT_LE(0, pipe);
	close(self->cap);
	close(self->ep);
	EXPECT_EQ(0, vm_unload());
	EXPECT_NE(0, access(VTR_EVENTS, F_OK));
	text = vtr_events();
	EXPECT_NE(NULL, text);
	free(text);
	while (read(pipe, buf, sizeof(buf)) > 0)
		;
	close(pipe);

	ASSERT_EQ(0, vm_load());
	ASSERT_EQ(0, vt_write_file(VTR_EVENTS "enable", "1"));
	ASSERT_EQ(0, vtr_clear());
	ep = vt_open();
	ASSERT_LE(0, ep);
	self->id = 1;
	EXPECT_EVENT("open", "badge=0 rights=send|recv|grant|revoke ret=0");
	close(ep);

	/* perf keeps it. */
	perf = perf_open("call");
	ASSERT_LE(0, perf);
	EXPECT_EQ(-EWOULDBLOCK, vm_unload());
	close(perf);
	EXPECT_EQ(0, vt_wait_until(!vm_unload()));
	ASSERT_EQ(0, vm_load());
	self->ep = -1;
	self->cap = -1;
}

TEST_HARNESS_MAIN
