// SPDX-License-Identifier: GPL-2.0
/*
 * One case of each way to fail, for check-selftest, which proves that the
 * runner reports them. Not a test of vipc.
 */
#include "vipc_selftest.h"

#undef TEST_TIMEOUT_DEFAULT
#define TEST_TIMEOUT_DEFAULT 3

TEST(passes)
{
	ASSERT_EQ(4, 2 + 2);
}

TEST(expects)
{
	EXPECT_EQ(5, 2 + 2);
}

TEST(asserts)
{
	ASSERT_EQ(5, 2 + 2);
}

TEST(crashes)
{
	raise(SIGSEGV);
}

TEST(hangs)
{
	for (;;)
		pause();
}

TEST(skips)
{
	SKIP(return, "on purpose");
}

TEST_HARNESS_MAIN
