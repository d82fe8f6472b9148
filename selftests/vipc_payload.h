/* SPDX-License-Identifier: GPL-2.0 */
/*
 * For tests of messages with bytes and descriptors: the operations with struct
 * vipc_xmsg, bytes that can be told from any other, memory in which a single byte
 * too many is found, and descriptors that can be counted.
 */
#ifndef VIPC_PAYLOAD_TEST_H
#define VIPC_PAYLOAD_TEST_H

#include <dirent.h>
#include <linux/userfaultfd.h>
#include <poll.h>

#include "vipc_procs.h"

#define VX_PAGE		4096u
#define VX_KIB		1024u
#define VX_MIB		(1024u * VX_KIB)

/*
 * From here on the module pins pages instead of copying twice: its VIPC_PIN_MIN,
 * which test_payload_memory finds out.
 */
#define VX_PIN_MIN	(8 * VX_KIB)

#define VX_POISON	0xa5

/* ---- the operations ---- */

static inline int vx_send(int fd, struct vipc_xmsg *x)
{
	return vt_ioctl(fd, VIPC_IOC_SEND_X, x);
}

static inline int vx_recv(int fd, struct vipc_xmsg *x)
{
	return vt_ioctl(fd, VIPC_IOC_RECV_X, x);
}

static inline int vx_call(int fd, struct vipc_xmsg *x)
{
	return vt_ioctl(fd, VIPC_IOC_CALL_X, x);
}

static inline int vx_reply(int fd, struct vipc_xmsg *x)
{
	return vt_ioctl(fd, VIPC_IOC_REPLY_X, x);
}

static inline int vx_reply_recv(int fd, struct vipc_xmsg *x)
{
	return vt_ioctl(fd, VIPC_IOC_REPLY_RECV_X, x);
}

static inline int vx_limits(int fd, uint32_t max_len, uint32_t max_fds)
{
	struct vipc_config c = {
		.flags = VIPC_CONFIG_MAX_LEN | VIPC_CONFIG_MAX_FDS,
		.max_len = max_len,
		.max_fds = max_fds,
	};

	return vt_config(fd, &c);
}

/* An endpoint that takes so much, and a capability with @badge to send through. */
static inline int vx_open(int *fd, int *cap, uint64_t badge, uint32_t max_len)
{
	*fd = vt_open();
	if (*fd < 0)
		return *fd;
	*cap = vt_derive(*fd, VIPC_RIGHT_SEND, badge);
	return *cap < 0 ? *cap : vx_limits(*fd, max_len, 0);
}

/* ---- messages ---- */

static inline uint64_t vx_addr(const void *p)
{
	return (uint64_t)(uintptr_t)p;
}

/* vt_msg(@tag) with @len bytes at @buf. */
static inline struct vipc_xmsg vx_msg(uint64_t tag, const void *buf,
				      uint32_t len)
{
	return (struct vipc_xmsg){
		.msg = vt_msg(tag),
		.tx_buf = vx_addr(buf),
		.tx_len = len,
	};
}

/* Room for @len bytes at @buf; waits no longer than a test may. */
static inline struct vipc_xmsg vx_room(const void *buf, uint32_t len)
{
	return (struct vipc_xmsg){
		.msg.deadline_ns = vt_now_ns() + VT_LIMIT_NS,
		.rx_buf = vx_addr(buf),
		.rx_len = len,
	};
}

/* The same in a message that sends something, too. */
static inline void vx_set_room(struct vipc_xmsg *x, const void *buf,
			       uint32_t len)
{
	x->rx_buf = vx_addr(buf);
	x->rx_len = len;
}

static inline void vx_set_tx(struct vipc_xmsg *x, const void *buf, uint32_t len)
{
	x->tx_buf = vx_addr(buf);
	x->tx_len = len;
}

static inline void vx_set_fds(struct vipc_xmsg *x, const int32_t *fds,
			      uint32_t n)
{
	x->tx_fds = vx_addr(fds);
	x->tx_nfds = n;
}

static inline void vx_set_fd_room(struct vipc_xmsg *x, const int32_t *fds,
				  uint32_t n)
{
	x->rx_fds = vx_addr(fds);
	x->rx_nfds = n;
}

/* Takes what is there now, whatever it is; -EAGAIN if nothing is. */
static inline int vx_recv_now(int fd, struct vipc_xmsg *x)
{
	x->msg.flags = VIPC_NONBLOCK;
	return vx_recv(fd, x);
}

/* @cmd with @x in a thread of its own. */
static inline int vx_start(struct vt_op *op, int fd, unsigned long cmd,
			   struct vipc_xmsg *x)
{
	op->arg = x;
	return vt_op_start(op, fd, cmd);
}

/* The same, until the request is queued. */
static inline int vx_queue(struct vt_op *op, int fd, unsigned long cmd,
			   struct vipc_xmsg *x)
{
	long long others = vt_senders(fd);
	int ret = vx_start(op, fd, cmd, x);

	return ret ? ret : vt_wait_senders(fd, (uint32_t)others + 1);
}

/* The same, until the receiver waits. */
static inline int vx_wait(struct vt_op *op, int fd, unsigned long cmd,
			  struct vipc_xmsg *x)
{
	long long others = vt_receivers(fd);
	int ret = vx_start(op, fd, cmd, x);

	return ret ? ret : vt_wait_receivers(fd, (uint32_t)others + 1);
}

/* What the operation has returned once it has ended, or -ETIMEDOUT. */
static inline int vx_end(struct vt_op *op)
{
	int ret = vt_op_join(op);

	return ret ? ret : op->ret;
}

/* ---- bytes ---- */

/* The bytes from @i on, a multiple of 8. */
static inline uint64_t vx_word(uint64_t tag, size_t i)
{
	return (tag + 1) * 0x9e3779b97f4a7c15ull + i * 0xd6e8feb86659fd93ull;
}

static inline void vx_fill(void *p, size_t n, uint64_t tag)
{
	uint8_t *b = p;
	uint64_t word;
	size_t i;

	for (i = 0; i + 8 <= n; i += 8) {
		word = vx_word(tag, i);
		memcpy(b + i, &word, 8);
	}
	word = vx_word(tag, i);
	memcpy(b + i, &word, n - i);
}

/* Are these the first @n bytes of vx_fill(@tag)? */
static inline bool vx_is(const void *p, size_t n, uint64_t tag)
{
	const uint8_t *b = p;
	uint64_t word, got;
	size_t i;

	for (i = 0; i + 8 <= n; i += 8) {
		memcpy(&got, b + i, 8);
		if (got != vx_word(tag, i))
			return false;
	}
	word = vx_word(tag, i);
	return !memcmp(b + i, &word, n - i);
}

static inline bool vx_is_poison(const void *p, size_t n)
{
	const uint8_t *b = p;

	return !n || (b[0] == VX_POISON && !memcmp(b, b + 1, n - 1));
}

static inline void *vx_map(size_t size)
{
	void *p = mmap(NULL, size, PROT_READ | PROT_WRITE,
		       MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	return p == MAP_FAILED ? NULL : p;
}

/* A request and a reply, which say 1 and 2, and room for both: of @size bytes. */
static inline int vx_buffers(size_t size, uint8_t **out, uint8_t **in,
			     uint8_t **back, uint8_t **answer)
{
	uint8_t **all[] = { out, in, back, answer };

	for (int i = 0; i < 4; i++) {
		*all[i] = vx_map(size);
		if (!*all[i])
			return -errno;
	}
	vx_fill(*out, size, 1);
	vx_fill(*back, size, 2);
	return 0;
}

/*
 * Memory for up to some bytes with more around it that nobody may touch. Only as
 * much of it is poisoned, and looked at, as a use needs.
 */
struct vx_area {
	uint8_t *map;
	size_t size;
	size_t at, len;		/* of the use */
};

static inline int vx_area_make(struct vx_area *a, size_t len)
{
	a->size = len + 4 * VX_PAGE;
	a->map = vx_map(a->size);
	return a->map ? 0 : -errno;
}

static inline void vx_area_free(struct vx_area *a)
{
	munmap(a->map, a->size);
}

/* Room for @len bytes, @offset bytes into a page. */
static inline uint8_t *vx_area_use(struct vx_area *a, size_t offset, size_t len)
{
	a->at = VX_PAGE + offset;
	a->len = len;
	memset(a->map + a->at - VX_PAGE, VX_POISON, len + 2 * VX_PAGE);
	return a->map + a->at;
}

/* Are there @n bytes of vx_fill(@tag), and nothing else? */
static inline bool vx_area_has(const struct vx_area *a, size_t n, uint64_t tag)
{
	const uint8_t *p = a->map + a->at;

	return vx_is_poison(p - VX_PAGE, VX_PAGE) && vx_is(p, n, tag) &&
	       vx_is_poison(p + n, a->len - n + VX_PAGE);
}

/* ---- memory in which a thread is held ---- */

/* Pages whose first use holds a thread, in the kernel or not, until the end. */
struct vx_held {
	int uffd;
	struct uffdio_range range;
};

static inline bool vx_can_hold(void)
{
	int fd = (int)syscall(SYS_userfaultfd, O_CLOEXEC);

	if (fd >= 0)
		close(fd);
	return fd >= 0;
}

/* Takes away what is in the @len bytes at @p, private pages without a file. */
static inline int vx_hold(struct vx_held *h, void *p, size_t len)
{
	struct uffdio_api api = { .api = UFFD_API };
	struct uffdio_register reg = {
		.range = { .start = (unsigned long)p, .len = len },
		.mode = UFFDIO_REGISTER_MODE_MISSING,
	};

	h->range = reg.range;
	h->uffd = (int)syscall(SYS_userfaultfd, O_CLOEXEC | O_NONBLOCK);
	if (h->uffd < 0 || madvise(p, len, MADV_DONTNEED) ||
	    ioctl(h->uffd, UFFDIO_API, &api) ||
	    ioctl(h->uffd, UFFDIO_REGISTER, &reg))
		return -errno;
	return 0;
}

/* Waits until a thread is held there. */
static inline int vx_wait_held(struct vx_held *h)
{
	struct pollfd p = { .fd = h->uffd, .events = POLLIN };
	struct uffd_msg event;

	if (poll(&p, 1, VT_LIMIT_NS / 1000000) != 1)
		return -ETIMEDOUT;
	return read(h->uffd, &event, sizeof(event)) == sizeof(event) &&
	       event.event == UFFD_EVENT_PAGEFAULT ? 0 : -EIO;
}

/* Lets whoever is held go on: with memory, or without. */
static inline int vx_let_go(struct vx_held *h, bool with_memory)
{
	struct uffdio_zeropage zero = { .range = h->range };
	int ret = 0;

	if (with_memory)
		ret = ioctl(h->uffd, UFFDIO_ZEROPAGE, &zero);
	else if (mprotect((void *)h->range.start, h->range.len, PROT_NONE))
		ret = -1;
	else
		ret = ioctl(h->uffd, UFFDIO_WAKE, &h->range);
	ret = ret ? -errno : 0;
	close(h->uffd);
	return ret;
}

/* ---- what is left ---- */

/* How many descriptors this process has. */
static inline int vx_count_fds(void)
{
	DIR *dir = opendir("/proc/self/fd");
	int n = -1;	/* the folder's own */

	if (!dir)
		return -errno;
	for (struct dirent *e; (e = readdir(dir));)
		n += e->d_name[0] != '.';
	closedir(dir);
	return n;
}

/* In KiB, a line of /proc/PID/status such as "VmPin:"; or -errno. */
static inline long vx_status_kib(pid_t pid, const char *line)
{
	char path[32], text[160];
	long value = -ENOENT;
	FILE *f;

	snprintf(path, sizeof(path), "/proc/%d/status", pid);
	f = fopen(path, "re");
	if (!f)
		return -errno;
	while (fgets(text, sizeof(text), f))
		if (!strncmp(text, line, strlen(line)))
			value = atol(text + strlen(line));
	fclose(f);
	return value;
}

static inline long vx_pinned_kib(void)
{
	return vx_status_kib(getpid(), "VmPin:");
}

#endif /* VIPC_PAYLOAD_TEST_H */
