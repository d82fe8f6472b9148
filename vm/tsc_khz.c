// SPDX-License-Identifier: GPL-2.0
/*
 * Prints how many thousand times a second this machine's time stamp counter
 * ticks. An emulated machine has the same counter, and calibrates it against an
 * emulated timer: on a busy host it gets that wrong by a factor, and its clock
 * with it. vm/run tells it instead.
 */
#include <stdint.h>
#include <stdio.h>
#include <time.h>
#include <x86intrin.h>

struct sample {
	uint64_t tsc;
	int64_t ns;
};

static int64_t now(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC_RAW, &ts);
	return ts.tv_sec * INT64_C(1000000000) + ts.tv_nsec;
}

/* Both clocks at once: the attempt that nothing came between. */
static struct sample sample(void)
{
	struct sample best = { 0, 0 };
	int64_t least = INT64_MAX;
	int i;

	for (i = 0; i < 50; i++) {
		int64_t before = now();
		uint64_t tsc = __rdtsc();
		int64_t after = now();

		if (after - before < least) {
			least = after - before;
			best.tsc = tsc;
			best.ns = before + least / 2;
		}
	}
	return best;
}

int main(void)
{
	struct timespec pause = { .tv_nsec = 50000000 };
	struct sample a, b;

	a = sample();
	nanosleep(&pause, NULL);
	b = sample();
	printf("%lld\n", (long long)((double)(b.tsc - a.tsc) * 1e6 / (double)(b.ns - a.ns) + 0.5));
	return 0;
}
