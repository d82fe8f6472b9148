/* SPDX-License-Identifier: GPL-2.0 */
/*
 * For tests that look at tracepoints: an instance of tracefs of their own, so that
 * nothing else that traces is in their way, and the events in it as lines of text.
 */
#ifndef VIPC_TRACE_TEST_H
#define VIPC_TRACE_TEST_H

#include <fnmatch.h>

#include "vipc_selftest.h"

#define VTR_INSTANCES	"/sys/kernel/tracing/instances/"
#define VTR_DIR		VTR_INSTANCES "vipc-test/"
#define VTR_EVENTS	VTR_DIR "events/vipc/"

/* Is there something to trace with? */
static inline bool vtr_can_trace(void)
{
	return !access(VTR_INSTANCES, W_OK);
}

/* An empty instance, with all of our events switched on. */
static inline int vtr_begin(void)
{
	rmdir(VTR_DIR);		/* of a test that was killed */
	if (mkdir(VTR_DIR, 0700))
		return -errno;
	return vt_write_file(VTR_EVENTS "enable", "1");
}

static inline int vtr_end(void)
{
	return rmdir(VTR_DIR) ? -errno : 0;
}

/* All of @path, with a NUL behind it and its length in @len; to be freed. NULL: it failed */
static inline char *vtr_read_file(const char *path, size_t *len)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
	size_t room = 1 << 16, n = 0;
	char *text = malloc(room);
	ssize_t got = -1;

	if (fd >= 0 && text) {
		while ((got = read(fd, text + n, room - n - 1)) > 0) {
			n += (size_t)got;
			if (room - n < 8192)
				text = realloc(text, room *= 2);
			if (!text)
				break;
		}
	}
	if (fd >= 0)
		close(fd);
	if (!text || (got < 0 && errno != EAGAIN)) {
		free(text);
		return NULL;
	}
	text[n] = '\0';
	*len = n;
	return text;
}

/* The text of all events so far, without the ones before vtr_clear(). */
static inline char *vtr_events(void)
{
	size_t len;

	return vtr_read_file(VTR_DIR "trace", &len);
}

static inline int vtr_clear(void)
{
	int fd = open(VTR_DIR "trace", O_WRONLY | O_TRUNC | O_CLOEXEC);

	return fd < 0 ? -errno : close(fd);
}

/*
 * How many events of @text look like @pattern, as "vipc_send: endpoint=3 *ret=0"; a *
 * in it is anything.
 */
static inline unsigned int vtr_count(const char *text, const char *pattern)
{
	char copy[512];
	unsigned int n = 0;

	while (text && *text) {
		size_t len = strcspn(text, "\n");
		const char *event;

		snprintf(copy, sizeof(copy), "%.*s", (int)len, text);
		event = *copy == '#' ? NULL : strstr(copy, ": vipc_");
		if (event && !fnmatch(pattern, event + 2, 0))
			n++;
		text += len + (text[len] == '\n');
	}
	return n;
}

#endif /* VIPC_TRACE_TEST_H */
