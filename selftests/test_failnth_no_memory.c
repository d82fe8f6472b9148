// SPDX-License-Identifier: GPL-2.0
/*
 * One allocation that fails in an operation with bytes and descriptors has a substitute.
 * If all of them fail, so does the operation, and nothing has happened.
 */
#include "failnth_payload.h"

/* Where there has been a message, there is memory already. */
FIXTURE_VARIANT_ADD(failnth, new_bytes)
{
	.len = 100,
	.new = true,
};

FIXTURE_VARIANT_ADD(failnth, new_pinned_and_descriptors)
{
	.len = LARGE,
	.nfds = NFDS,
	.new = true,
};

/* Makes it so that all allocations of a thread that asks for it fail. */
static int prepare_no_memory(void)
{
	const char * const set[][2] = {
		{ "task-filter", "Y" }, { "interval", "1" }, { "times", "-1" },
		{ "ignore-gfp-wait", "N" }, { "probability", "100" },
	};
	const char * const kinds[] = { "failslab", "fail_page_alloc" };
	char path[96];
	int ret = 0;

	for (size_t i = 0; i < 2 * ARRAY_SIZE(set) && !ret; i++) {
		snprintf(path, sizeof(path), VI_DEBUGFS "%s/%s", kinds[i % 2],
			 set[i / 2][0]);
		ret = vt_write_file(path, set[i / 2][1]);
	}
	if (!ret)	/* single pages, too */
		ret = vt_write_file(VI_DEBUGFS "fail_page_alloc/min-order", "0");
	return ret ? ret : open("/proc/thread-self/make-it-fail", O_WRONLY | O_CLOEXEC);
}

TEST_F(failnth, no_memory_at_all)
{
	struct vt_op call = { 0 };
	struct vipc_xmsg tx, rx;
	int ret[4], no_memory;

	/* Open before, as it could not be opened any more to end it. */
	no_memory = prepare_no_memory();
	ASSERT_LE(0, no_memory);
	mark();
	request(&tx);
	tx.msg.flags = VIPC_NONBLOCK;	/* EAGAIN, should there be memory */
	ASSERT_EQ(1, pwrite(no_memory, "1", 1, 0));
	ret[0] = vx_send(self->cap, &tx);
	ret[1] = vx_call(self->cap, &tx);
	ASSERT_EQ(1, pwrite(no_memory, "0", 1, 0));
	EXPECT_EQ(-ENOMEM, ret[0]);
	EXPECT_EQ(-ENOMEM, ret[1]);
	EXPECT_EQ(VIPC_NONBLOCK, tx.msg.flags);
	expect_unchanged();
	EXPECT_EQ(self->count + 1, vx_count_fds());
	EXPECT_EQ(0, vx_pinned_kib());

	tx.msg.flags = 0;
	tx.tx_len = tx.tx_nfds = 0;
	ASSERT_EQ(0, vx_start(&call, self->cap, VIPC_IOC_CALL_X, &tx));
	room(&rx);
	ASSERT_EQ(0, vx_recv(self->fd, &rx));
	mark();
	reply(&rx);
	ASSERT_EQ(1, pwrite(no_memory, "1", 1, 0));
	ret[2] = vx_reply(self->fd, &rx);
	rx.msg.flags = VIPC_NONBLOCK;
	ret[3] = vx_reply_recv(self->fd, &rx);
	ASSERT_EQ(1, pwrite(no_memory, "0", 1, 0));
	EXPECT_EQ(-ENOMEM, ret[2]);
	EXPECT_EQ(-ENOMEM, ret[3]);
	expect_unchanged();
	EXPECT_FALSE(vt_op_done(&call));
	ASSERT_EQ(0, vx_reply(self->fd, &rx));
	ASSERT_EQ(0, vx_end(&call));
	close(no_memory);
	/* As they were, for the tests that come after this one. */
	EXPECT_EQ(0, vt_write_file(VI_DEBUGFS "failslab/probability", "0"));
	EXPECT_EQ(0, vt_write_file(VI_DEBUGFS "fail_page_alloc/probability", "0"));
	EXPECT_EQ(0, vt_write_file(VI_DEBUGFS "fail_page_alloc/ignore-gfp-wait", "Y"));
	EXPECT_EQ(0, vt_write_file(VI_DEBUGFS "fail_page_alloc/min-order", "1"));
	EXPECT_EQ(self->count + (int)variant->nfds, vx_count_fds());
	for (uint32_t i = 0; i < variant->nfds; i++)
		close(self->got_back[i]);
}

TEST_HARNESS_MAIN
