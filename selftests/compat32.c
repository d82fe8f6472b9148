// SPDX-License-Identifier: GPL-2.0
/*
 * A 32-bit program that uses every operation of vipc: test_limits carries it
 * inside and runs it on the 64-bit kernel. It has no C library, so that no
 * 32-bit one need be installed.
 *
 * Descriptor 3 is a capability with SEND for an endpoint that a 64-bit process
 * serves: it answers each request with the complement of its words. Exits with
 * 0, or with the number of the first step that went wrong.
 */
#include <linux/types.h>

#include <uapi/vipc.h>

#define SYS_EXIT	1
#define SYS_FORK	2
#define SYS_OPEN	5
#define SYS_CLOSE	6
#define SYS_IOCTL	54
#define SYS_WAIT4	114
#define O_RDWR		2
#define EAGAIN		11
#define ESRCH		3
#define ETIMEDOUT	110
#define EPIPE		32
#define EKEYREVOKED	128
#define EACCES		13
#define EINVAL		22

#define EBUSY		16
#define EFAULT		14
#define EMSGSIZE	90

#define PEER		3

/* The same numbers, hence the same layouts, as in a 64-bit program. */
_Static_assert(VIPC_IOC_CALL == 0xC040E903, "struct vipc_msg");
_Static_assert(VIPC_IOC_NOTIFY == 0xC008E906, "the bits");
_Static_assert(VIPC_IOC_SEND_X == 0xC080E901, "struct vipc_xmsg");
_Static_assert(VIPC_IOC_REPLY_RECV_X == 0xC080E905, "struct vipc_xmsg");
_Static_assert(VIPC_IOC_DERIVE == 0xC018E910, "struct vipc_derive");
_Static_assert(VIPC_IOC_INFO == 0xC070E913, "struct vipc_info");
_Static_assert(VIPC_IOC_CONFIG == 0xC020E914, "struct vipc_config");

/* The fourth argument, which only wait4() has, is 0. */
#if defined(__arm__)

static long call3(long nr, long a, long b, const void *c)
{
	register long r7 __asm__("r7") = nr;
	register long r0 __asm__("r0") = a;
	register long r1 __asm__("r1") = b;
	register const void *r2 __asm__("r2") = c;
	register long r3 __asm__("r3") = 0;

	__asm__ volatile("svc 0" : "+r"(r0)
			 : "r"(r7), "r"(r1), "r"(r2), "r"(r3) : "memory");
	return r0;
}

/* What this compiler calls even where there is no C library. */
void *memset(void *to, int byte, unsigned int len);
void *memset(void *to, int byte, unsigned int len)
{
	unsigned char *p = to;

	while (len--)
		*p++ = (unsigned char)byte;
	return to;
}

void *memcpy(void *to, const void *from, unsigned int len);
void *memcpy(void *to, const void *from, unsigned int len)
{
	unsigned char *p = to;
	const unsigned char *q = from;

	while (len--)
		*p++ = *q++;
	return to;
}

#else	/* 32-bit x86 */

static long call3(long nr, long a, long b, const void *c)
{
	long ret;

	__asm__ volatile("int $0x80" : "=a"(ret)
			 : "a"(nr), "b"(a), "c"(b), "d"(c), "S"(0) : "memory");
	return ret;
}

#endif

static long vipc(long fd, unsigned long cmd, void *arg)
{
	return call3(SYS_IOCTL, fd, (long)cmd, arg);
}

/* The upper halves of the words matter: they are what a 32-bit ABI loses. */
static void fill(struct vipc_msg *m, unsigned long long tag)
{
	*m = (struct vipc_msg){ .opcode = 0x80000001u, .flags = 0xabcd0000u };
	for (int i = 0; i < 4; i++)
		m->data[i] = tag << 32 | (0xfffffff0u + (unsigned int)i);
}

static int same(const struct vipc_msg *m, unsigned long long tag, int inverted)
{
	struct vipc_msg want;

	fill(&want, tag);
	for (int i = 0; i < 4; i++)
		if (m->data[i] != (inverted ? ~want.data[i] : want.data[i]))
			return 0;
	return (m->flags & VIPC_FLAGS_APP_MASK) == 0xabcd0000u;
}

#define STEP(n, condition) do { if (!(condition)) return n; } while (0)

static int with_peer(void)
{
	struct vipc_info info = { 0 };
	struct vipc_derive derive = { .rights = VIPC_RIGHT_SEND };
	struct vipc_msg m;

	STEP(1, !vipc(PEER, VIPC_IOC_INFO, &info));
	STEP(2, info.abi == VIPC_ABI_VERSION && info.rights == VIPC_RIGHT_SEND);
	STEP(3, info.badge == 0xfedcba9876543210ull);
	fill(&m, 0x12345678);
	m.deadline_ns = 0x7fffffffffffffffull;
	STEP(4, !vipc(PEER, VIPC_IOC_CALL, &m));
	STEP(5, same(&m, 0x12345678, 1) && m.opcode == 0x80000002u);
	STEP(6, m.deadline_ns == 0x7fffffffffffffffull && !m.reply && !m.badge);
	STEP(7, vipc(PEER, VIPC_IOC_DERIVE, &derive) == -EACCES);
	STEP(8, vipc(PEER, VIPC_IOC_RECV, &m) == -EACCES);
	fill(&m, 0x9abcdef0);
	STEP(9, !vipc(PEER, VIPC_IOC_SEND, &m));
	return 0;
}

static int alone(void)
{
	struct vipc_derive derive = {
		.rights = VIPC_RIGHT_SEND,
		.badge = 0x8000000000000001ull,
	};
	struct vipc_info info = { .reserved = { 0, 1 } };
	struct vipc_msg m = { .deadline_ns = 1 };
	long ep, child;

	ep = call3(SYS_OPEN, (long)"/dev/vipc", O_RDWR, (void *)0);
	STEP(20, ep >= 0);
	STEP(21, vipc(ep, VIPC_IOC_INFO, &info) == -EINVAL);
	STEP(22, vipc(ep, VIPC_IOC_RECV, &m) == -ETIMEDOUT);
	m.flags = VIPC_NONBLOCK;
	STEP(23, vipc(ep, VIPC_IOC_RECV, &m) == -EAGAIN);
	m.flags = VIPC_NONBLOCK;
	STEP(24, vipc(ep, VIPC_IOC_CALL, &m) == -ETIMEDOUT);
	m = (struct vipc_msg){ .reply = 0xffffffff00000001ull };
	STEP(25, vipc(ep, VIPC_IOC_REPLY, &m) == -ESRCH);
	STEP(26, vipc(ep, VIPC_IOC_REPLY_RECV, &m) == -ESRCH);
	child = vipc(ep, VIPC_IOC_DERIVE, &derive);
	STEP(27, child >= 0);
	STEP(28, !vipc(ep, VIPC_IOC_REVOKE, (void *)0));
	STEP(29, vipc(child, VIPC_IOC_SEND, &m) == -EKEYREVOKED);
	STEP(30, !vipc(ep, VIPC_IOC_SHUTDOWN, (void *)0));
	STEP(31, vipc(ep, VIPC_IOC_SEND, &m) == -EPIPE);
	STEP(32, !call3(SYS_CLOSE, child, 0, (void *)0));
	STEP(33, !call3(SYS_CLOSE, ep, 0, (void *)0));
	return 0;
}

/* Bits, notices, a ring, and the large form of a message. */
static int small_features(void)
{
	struct vipc_config config = {
		.flags = VIPC_CONFIG_MAX_LEN | VIPC_CONFIG_MAX_FDS |
			 VIPC_CONFIG_DEPTH | VIPC_CONFIG_SPIN_NS,
		.max_len = 8192,
		.max_fds = 2,
		.depth = 3,
		.spin_ns = 0xfffffffeu,
	};
	struct vipc_derive derive = {
		.flags = VIPC_DERIVE_NOTIFY_CLOSE,
		.badge = 0x8000000000000002ull,
	};
	unsigned long long bits = 0x8000000100000002ull;
	struct vipc_info info = { 0 };
	struct vipc_msg m = { .flags = VIPC_NONBLOCK };
	long ep, child;

	ep = call3(SYS_OPEN, (long)"/dev/vipc", O_RDWR, (void *)0);
	STEP(40, ep >= 0);
	STEP(41, !vipc(ep, VIPC_IOC_CONFIG, &config));
	STEP(42, config.max_len == 8192 && config.max_fds == 2 &&
	     config.depth == 3 && config.spin_ns == 0xfffffffeu);
	config.depth = 4;
	STEP(43, vipc(ep, VIPC_IOC_CONFIG, &config) == -EBUSY);
	STEP(44, !vipc(ep, VIPC_IOC_INFO, &info) && info.max_len == 8192 &&
	     info.max_fds == 2 && info.depth == 3 && !info.buffered);

	STEP(45, !vipc(ep, VIPC_IOC_NOTIFY, &bits));
	STEP(46, !vipc(ep, VIPC_IOC_RECV, &m));
	STEP(47, m.data[0] == bits && !m.badge &&
	     m.flags == (VIPC_NONBLOCK | VIPC_MSG_NOTIFICATION));
	STEP(48, vipc(ep, VIPC_IOC_NOTIFY, (void *)0) == -EFAULT);
	bits = 0;
	STEP(49, vipc(ep, VIPC_IOC_NOTIFY, &bits) == -EINVAL);

	child = vipc(ep, VIPC_IOC_DERIVE, &derive);
	STEP(50, child >= 0);
	STEP(51, !call3(SYS_CLOSE, child, 0, (void *)0));
	STEP(52, !vipc(ep, VIPC_IOC_RECV, &m));
	STEP(53, m.badge == derive.badge &&
	     m.flags == (VIPC_NONBLOCK | VIPC_MSG_BADGE_CLOSED));

	fill(&m, 0x13579bdf);
	STEP(54, !vipc(ep, VIPC_IOC_SEND, &m));
	STEP(55, !vipc(ep, VIPC_IOC_INFO, &info) && info.buffered == 1);
	m = (struct vipc_msg){ 0 };
	STEP(56, !vipc(ep, VIPC_IOC_RECV, &m) && same(&m, 0x13579bdf, 0));
	STEP(57, !call3(SYS_CLOSE, ep, 0, (void *)0));
	return 0;
}

static int large_form(void)
{
	struct vipc_config config = {
		.flags = VIPC_CONFIG_MAX_LEN | VIPC_CONFIG_DEPTH,
		.max_len = 16,
		.depth = 1,
	};
	static char text[32];
	struct vipc_xmsg x = {
		.msg.flags = VIPC_NONBLOCK,
		.tx_buf = (unsigned long)text,
		.tx_len = 16,
		.rx_buf = (unsigned long)text,
		.rx_len = sizeof(text),
	};
	struct vipc_msg m;
	long ep;

	ep = call3(SYS_OPEN, (long)"/dev/vipc", O_RDWR, (void *)0);
	STEP(60, ep >= 0);
	STEP(61, !vipc(ep, VIPC_IOC_CONFIG, &config));
	STEP(62, vipc(ep, VIPC_IOC_RECV_X, &x) == -EAGAIN);
	STEP(63, x.rx_len == sizeof(text));
	/* it is never kept */
	STEP(64, vipc(ep, VIPC_IOC_SEND_X, &x) == -EAGAIN);
	STEP(65, vipc(ep, VIPC_IOC_CALL_X, &x) == -EAGAIN);
	x.tx_len = 17;
	STEP(66, vipc(ep, VIPC_IOC_SEND_X, &x) == -EMSGSIZE);
	x.msg.reply = 0xffffffff00000001ull;
	x.tx_len = 16;
	STEP(67, vipc(ep, VIPC_IOC_REPLY_X, &x) == -ESRCH);
	STEP(68, vipc(ep, VIPC_IOC_REPLY_RECV_X, &x) == -ESRCH);
	x.reserved = 1;
	STEP(69, vipc(ep, VIPC_IOC_RECV_X, &x) == -EINVAL);
	x.reserved = 0;
	fill(&m, 0x2468ace0);
	STEP(70, !vipc(ep, VIPC_IOC_SEND, &m));
	STEP(71, !vipc(ep, VIPC_IOC_RECV_X, &x) && same(&x.msg, 0x2468ace0, 0));
	STEP(72, !x.rx_len && !x.rx_nfds && !x.reply_len && !x.reply_nfds);
	STEP(73, !call3(SYS_CLOSE, ep, 0, (void *)0));
	return 0;
}

#define MAX_LEN	9000	/* so much is pinned */

static unsigned char out[MAX_LEN], in[MAX_LEN], back[MAX_LEN], answer[MAX_LEN];

static int has(const unsigned char *p, unsigned int len, unsigned int factor)
{
	for (unsigned int i = 0; i < len; i++)
		if (p[i] != (unsigned char)(i * factor))
			return 0;
	return 1;
}

/* Takes a call of @len bytes and a descriptor, and answers with as much. */
static int serve_one(long ep, unsigned int len)
{
	struct vipc_info info = { 0 };
	int got = -1, fd = (int)ep;
	struct vipc_xmsg x = {
		.rx_buf = (unsigned long)in,
		.rx_len = MAX_LEN,
		.rx_fds = (unsigned long)&got,
		.rx_nfds = 1,
	};

	STEP(80, !vipc(ep, VIPC_IOC_RECV_X, &x));
	STEP(81, same(&x.msg, len, 0) && x.msg.reply);
	STEP(82, x.rx_len == len && x.rx_nfds == 1 && has(in, len, 7));
	STEP(83, x.reply_len == MAX_LEN && x.reply_nfds == 1);
	STEP(84, !vipc(got, VIPC_IOC_INFO, &info));
	STEP(85, info.rights == VIPC_RIGHTS_ALL);
	x.tx_buf = (unsigned long)back;
	x.tx_len = len;
	x.tx_fds = (unsigned long)&fd;
	x.tx_nfds = 1;
	STEP(86, !vipc(ep, VIPC_IOC_REPLY_X, &x));
	return 0;
}

/* Bytes and a descriptor, both ways, between two 32-bit processes. */
static int exchange(unsigned int len)
{
	struct vipc_config config = {
		.flags = VIPC_CONFIG_MAX_LEN | VIPC_CONFIG_MAX_FDS,
		.max_len = MAX_LEN,
		.max_fds = 1,
	};
	int got = -1, fd, status = -1;
	struct vipc_xmsg x = {
		.tx_buf = (unsigned long)out,
		.tx_len = len,
		.rx_buf = (unsigned long)answer,
		.rx_len = MAX_LEN,
		.tx_fds = (unsigned long)&fd,
		.rx_fds = (unsigned long)&got,
		.tx_nfds = 1,
		.rx_nfds = 1,
	};
	long ep, pid;

	for (unsigned int i = 0; i < MAX_LEN; i++) {
		out[i] = (unsigned char)(i * 7);
		back[i] = (unsigned char)(i * 13);
		answer[i] = 0;
	}
	ep = call3(SYS_OPEN, (long)"/dev/vipc", O_RDWR, (void *)0);
	STEP(90, ep >= 0);
	STEP(91, !vipc(ep, VIPC_IOC_CONFIG, &config));
	pid = call3(SYS_FORK, 0, 0, (void *)0);
	STEP(92, pid >= 0);
	if (!pid)
		call3(SYS_EXIT, serve_one(ep, len), 0, (void *)0);
	fd = (int)ep;
	fill(&x.msg, len);
	STEP(93, !vipc(ep, VIPC_IOC_CALL_X, &x));
	STEP(94, call3(SYS_WAIT4, pid, (long)&status, (void *)0) == pid);
	if (status)
		return status >> 8 & 0xff;
	STEP(95, x.rx_len == len && x.rx_nfds == 1 && has(answer, len, 13));
	STEP(96, got > 2 && got != fd);
	STEP(97, !call3(SYS_CLOSE, got, 0, (void *)0));
	STEP(98, !call3(SYS_CLOSE, ep, 0, (void *)0));
	return 0;
}

static int exchanges(void)
{
	return exchange(100) ?: exchange(MAX_LEN);
}

/* The stack is where the ABI wants it: no argument is looked at. */
#if !defined(__arm__)
__attribute__((force_align_arg_pointer))
#endif
__attribute__((used)) void _start(void);
void _start(void)
{
	static int (*const parts[])(void) = {
		with_peer, alone, small_features, large_form, exchanges,
	};
	int step = 0;

	for (unsigned int i = 0; i < sizeof(parts) / sizeof(parts[0]) && !step; i++)
		step = parts[i]();
	call3(SYS_EXIT, step, 0, (void *)0);
	__builtin_unreachable();
}
