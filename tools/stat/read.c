// SPDX-License-Identifier: GPL-2.0
/* vipcstat: reading debugfs and /proc. */
#include <ctype.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include "stat.h"

#define DEBUGFS	"/sys/kernel/debug/vipc/"

void die(const char *fmt, ...)
{
	va_list ap;

	fflush(stdout);
	fputs("vipcstat: ", stderr);
	va_start(ap, fmt);
	vfprintf(stderr, fmt, ap);
	va_end(ap);
	fputc('\n', stderr);
	exit(1);
}

void append(struct list *list, const void *item)
{
	if (list->nr == list->room) {
		list->room = list->room ? 2 * list->room : 64;
		list->items = realloc(list->items, list->room * list->size);
		if (!list->items)
			die("out of memory");
	}
	memcpy((char *)list->items + list->nr++ * list->size, item, list->size);
}

void clear(struct list *list)
{
	free(list->items);
	*list = (struct list){ .size = list->size };
}

FILE *open_debugfs(const char *name)
{
	char path[128];
	FILE *file;

	snprintf(path, sizeof(path), DEBUGFS "%s", name);
	file = fopen(path, "re");
	if (!file && errno == ENOENT)
		die("there is no %s: is the module loaded (modprobe vipc), %s", path,
		    "and debugfs mounted (mount -t debugfs none /sys/kernel/debug)?");
	if (!file)
		die("cannot read %s: %s%s", path, strerror(errno),
		    errno == EACCES || errno == EPERM ? "; only root may" : "");
	return file;
}

void close_debugfs(FILE *file, const char *name)
{
	if (ferror(file))
		die("cannot read " DEBUGFS "%s: %s", name, strerror(errno));
	fclose(file);
}

/* A name as somebody's terminal may show it: any process chooses its own. */
static void tame(char *to, const char *from)
{
	size_t i;

	for (i = 0; i < NAME_SIZE - 1 && from[i] && from[i] != '\n'; i++)
		to[i] = from[i] > ' ' && from[i] <= '~' ? from[i] : '?';
	to[i] = '\0';
	if (!i)
		strcpy(to, "?");
}

static bool read_small(const char *path, char *buf, size_t size)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	ssize_t n;

	if (fd < 0)
		return false;
	n = read(fd, buf, size - 1);
	close(fd);
	if (n < 0)
		return false;
	buf[n] = '\0';
	return true;
}

/* "?" if it has ended. */
void read_name(char *name, pid_t process, pid_t thread)
{
	char path[64], buf[64] = "";

	snprintf(path, sizeof(path), "/proc/%d/task/%d/comm", process, thread);
	read_small(path, buf, sizeof(buf));
	tame(name, buf);
}

void read_endpoints(struct list *endpoints)
{
	FILE *file = open_debugfs("endpoints");
	char line[512], name[128];

	clear(endpoints);
	while (fgets(line, sizeof(line), file)) {
		struct endpoint ep = { 0 };

		if (sscanf(line, "%lu %d %127s %15s %u %u %u %u %lu %lu %lu %lu",
			   &ep.id, &ep.owner, name, ep.state, &ep.capabilities,
			   &ep.receivers, &ep.senders, &ep.in_service, &ep.sent,
			   &ep.called, &ep.received, &ep.replied) != 12)
			continue;	/* the heading */
		tame(ep.name, name);
		append(endpoints, &ep);
	}
	close_debugfs(file, "endpoints");
}

void read_waits(struct list *waits)
{
	FILE *file = open_debugfs("waits");
	char line[512], left[32];

	clear(waits);
	while (fgets(line, sizeof(line), file)) {
		struct wait w = { 0 };

		if (sscanf(line, "%lu %d %d %15s %15s %d %lu %lu %lu %31s",
			   &w.endpoint, &w.pid, &w.process, w.operation, w.state,
			   &w.peer, &w.badge, &w.number, &w.waited_ms, left) != 10)
			continue;	/* the heading */
		w.left_ms = strcmp(left, "-") ? strtoll(left, NULL, 10) : -1;
		append(waits, &w);
	}
	close_debugfs(file, "waits");
}

/* The number that the name of a folder is, or 0. */
static pid_t number(const char *name)
{
	return isdigit((unsigned char)*name) ? (pid_t)strtol(name, NULL, 10) : 0;
}

void read_threads(struct list *threads, pid_t process)
{
	struct dirent *entry;
	char path[64];
	DIR *dir;

	clear(threads);
	snprintf(path, sizeof(path), "/proc/%d/task", process);
	dir = opendir(path);
	if (!dir)
		return;
	while ((entry = readdir(dir))) {
		pid_t tid = number(entry->d_name);

		if (tid)
			append(threads, &tid);
	}
	closedir(dir);
}

/* Can it be a capability? Whatever the device is called in its name space. */
static bool may_be_vipc(int fds, const char *fd)
{
	char link[64] = "";
	struct stat st;

	if (readlinkat(fds, fd, link, sizeof(link) - 1) < 0)
		return false;
	if (!strcmp(link, "anon_inode:[vipc]"))
		return true;
	return *link == '/' && !fstatat(fds, fd, &st, 0) && S_ISCHR(st.st_mode);
}

/* The value behind "KEY:\t" in @text, up to the end of its line; "" if there is none. */
static void value_of(char *value, size_t size, const char *text, const char *key)
{
	const char *line = strstr(text, key);
	size_t len = 0;

	if (line) {
		line += strlen(key);
		line += strspn(line, ":\t ");
		len = strcspn(line, "\n");
	}
	if (len >= size)
		len = size - 1;
	memcpy(value, line ? line : "", len);
	value[len] = '\0';
}

static bool read_capability(struct holder *h, pid_t pid, const char *fd)
{
	char path[64], text[1024], value[32];

	snprintf(path, sizeof(path), "/proc/%d/fdinfo/%.10s", pid, fd);
	if (!read_small(path, text, sizeof(text)))
		return false;
	value_of(value, sizeof(value), text, "vipc-endpoint");
	if (!*value)
		return false;
	*h = (struct holder){ .pid = pid, .fd = (int)strtol(fd, NULL, 10) };
	h->endpoint = strtoull(value, NULL, 10);
	value_of(value, sizeof(value), text, "vipc-badge");
	h->badge = strtoull(value, NULL, 10);
	value_of(h->rights, sizeof(h->rights), text, "vipc-rights");
	value_of(h->state, sizeof(h->state), text, "vipc-state");
	h->can_receive = strstr(h->rights, "recv") && strcmp(h->state, "revoked");
	return true;
}

static void read_process(struct list *holders, pid_t pid)
{
	struct dirent *entry;
	struct holder h;
	char path[64];
	DIR *dir;

	snprintf(path, sizeof(path), "/proc/%d/fd", pid);
	dir = opendir(path);
	if (!dir)
		return;			/* it has ended */
	while ((entry = readdir(dir))) {
		if (!isdigit((unsigned char)*entry->d_name) ||
		    !may_be_vipc(dirfd(dir), entry->d_name) ||
		    !read_capability(&h, pid, entry->d_name))
			continue;
		read_name(h.name, pid, pid);
		append(holders, &h);
	}
	closedir(dir);
}

void read_holders(struct list *holders)
{
	DIR *proc = opendir("/proc");
	struct dirent *entry;

	if (!proc)
		die("cannot read /proc: %s", strerror(errno));
	clear(holders);
	while ((entry = readdir(proc))) {
		pid_t pid = number(entry->d_name);

		if (pid)
			read_process(holders, pid);
	}
	closedir(proc);
}
