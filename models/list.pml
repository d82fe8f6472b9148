/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Lists of threads or messages, in an array and a length; and sets, of bits. Part of
 * claim.pml and pending.pml. x is scratch.
 */

#define NONE		15
#define bit(m)		(1 << (m))
#define is(set, m)	((set >> (m)) & 1)

/* Takes who away, who must be there. */
#define remove(list, n, who) \
	x = 0; \
	do \
	:: x < n && list[x] != who -> x++ \
	:: else -> break \
	od; \
	assert(x < n); \
	do \
	:: x + 1 < n -> list[x] = list[x + 1]; x++ \
	:: else -> break \
	od; \
	n--; \
	list[n] = NONE

#define add_tail(list, n, who) \
	list[n] = who; \
	n++

#define add_head(list, n, who) \
	x = n; \
	do \
	:: x > 0 -> list[x] = list[x - 1]; x-- \
	:: else -> break \
	od; \
	list[0] = who; \
	n++
