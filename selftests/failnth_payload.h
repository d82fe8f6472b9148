/* SPDX-License-Identifier: GPL-2.0 */
/*
 * For tests in which the operations with bytes and descriptors run into faults: what
 * they send and receive, and that no message, no descriptor and no pinned page is lost.
 * Each has variants of its own.
 */
#ifndef FAILNTH_PAYLOAD_H
#define FAILNTH_PAYLOAD_H

#include "vipc_inject.h"
#include "vipc_payload.h"

#define LARGE	(VX_PIN_MIN + 5000)
#define BADGE	77
#define NFDS	2

FIXTURE(failnth)
{
	int fd, cap, nth, file, count;
	long long dropped;
	struct vi_sweep s;
	struct vipc_info before, after;
	uint8_t *out, *in, *back, *answer;
	int32_t fds[NFDS], got[NFDS], got_back[NFDS];
};

/*
 * An endpoint keeps the memory in which a message has travelled for the next one.
 * With that, all fault points in the way of a message are copies; without, there
 * are allocations before them.
 */
FIXTURE_VARIANT(failnth)
{
	uint32_t len;
	uint32_t nfds;
	bool new;		/* each time an endpoint that has had no message */
};

static inline int renew(int *fd, int *cap)
{
	if (*fd >= 0) {
		close(*cap);
		close(*fd);
	}
	*fd = vt_open();
	if (*fd < 0)
		return *fd;
	*cap = vt_derive(*fd, VIPC_RIGHT_SEND | VIPC_RIGHT_GRANT, BADGE);
	return *cap < 0 ? *cap : vx_limits(*fd, LARGE, NFDS);
}

/* One message, after which there is memory for the next one. */
static inline int warm(int fd, int cap, uint8_t *bytes)
{
	struct vipc_xmsg tx = vx_msg(1, bytes, 100), rx = vx_room(bytes, 100);
	struct vt_op op = { 0 };
	int ret = vx_queue(&op, cap, VIPC_IOC_SEND_X, &tx);

	if (!ret)
		ret = vx_recv(fd, &rx);
	return ret ? ret : vx_end(&op);
}

FIXTURE_SETUP(failnth)
{
	const char *why = vi_setup();

	if (why)
		SKIP(return, "%s", why);
	self->nth = vi_open();
	ASSERT_LE(0, self->nth);
	self->fd = -1;
	ASSERT_EQ(0, renew(&self->fd, &self->cap));
	self->file = memfd_create("vipc", 0);
	ASSERT_LE(0, self->file);
	for (int i = 0; i < NFDS; i++)
		self->fds[i] = self->file;
	self->out = vx_map(LARGE);
	self->in = vx_map(LARGE);
	self->back = vx_map(LARGE);
	self->answer = vx_map(LARGE);
	ASSERT_NE(NULL, self->answer);
	/* All of it is there, so that page faults are no fault points. */
	vx_fill(self->out, LARGE, 1);
	vx_fill(self->back, LARGE, 2);
	memset(self->in, 0, LARGE);
	memset(self->answer, 0, LARGE);
	if (!variant->new) {
		ASSERT_EQ(0, warm(self->fd, self->cap, self->in));
	}
	self->count = vx_count_fds();
	self->dropped = vt_stat_value("dropped");
}

/* Whatever the test did, all is as at the beginning. */
FIXTURE_TEARDOWN(failnth)
{
	EXPECT_LT(self->s.nth, VI_MAX_NTH);
	EXPECT_EQ(0, vp_wait_idle(self->fd));
	EXPECT_EQ(2, vt_capabilities(self->fd));
	EXPECT_EQ(self->dropped, vt_stat_value("dropped"));
	EXPECT_EQ(self->count, vx_count_fds());
	EXPECT_EQ(0, vx_pinned_kib());
	TH_LOG("%u fault points: %u EFAULT, %u ENOMEM, %u without consequence",
	       self->s.nth, self->s.efault, self->s.enomem, self->s.tolerated);
	close(self->cap);
	close(self->fd);
	close(self->nth);
	close(self->file);
}

#define mark()		ASSERT_EQ(0, vt_info(self->fd, &self->before))
#define expect_unchanged() do {						\
	ASSERT_EQ(0, vt_info(self->fd, &self->after));			\
	EXPECT_EQ(0, memcmp(&self->before, &self->after,		\
			    sizeof(self->before)));			\
} while (0)

#define request(x) do {							\
	*(x) = vx_msg(self->s.nth, self->out, variant->len);		\
	vx_set_fds(x, self->fds, variant->nfds);			\
	vx_set_room(x, self->answer, variant->len);			\
	vx_set_fd_room(x, self->got_back, variant->nfds);		\
} while (0)

#define room(x) do {							\
	*(x) = vx_room(self->in, variant->len);				\
	vx_set_fd_room(x, self->got, variant->nfds);			\
	memset(self->in, 0, variant->len);				\
} while (0)

#define reply(x) do {							\
	(x)->msg.opcode++;						\
	vx_set_tx(x, self->back, variant->len);				\
	vx_set_fds(x, self->fds, variant->nfds);			\
} while (0)

#endif /* FAILNTH_PAYLOAD_H */
