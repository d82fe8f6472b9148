/* SPDX-License-Identifier: GPL-2.0 */
#ifndef GROWTH_H
#define GROWTH_H

#include <stdbool.h>

#define MAX_COUNT	1000	/* endpoints, processes */

/* memory.c: what each thing takes of the kernel's memory */
bool measure_memory(void);

#endif
