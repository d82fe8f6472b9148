// SPDX-License-Identifier: GPL-2.0
/*
 * vipc-run: starts a program with the capabilities that it is to have, by name, and no
 * other descriptor but the standard three. A program that is to have no authority
 * besides needs a sandbox around it; this is the hole in that.
 */
#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <unistd.h>
#include <vipc.h>
#include <vipc_name.h>

#define MAX_CAPS	253
#define MAX_NAME	255
#define FIRST_FD	3
#define MAX_SECONDS	1000000

/* As env(1) and timeout(1) have them. */
enum { FAILED = 125, CANNOT_RUN = 126, NOT_FOUND = 127 };

struct cap {
	const char *name;
	char *path;		/* NULL: this program was started with it */
	unsigned int rights;	/* 0: whatever it has */
	int fd;
};

static struct cap caps[MAX_CAPS];
static int count;
static __u64 patience_ns = 10000000000ull;

static const char usage[] =
"usage: vipc-run [--timeout SECONDS] [--cap NAME=PATH[:RIGHTS] | --pass NAME]...\n"
"                -- COMMAND [ARGUMENT...]\n"
"\n"
"Runs COMMAND with named capabilities in its descriptor table, and no other descriptor\n"
"beyond standard input, output and error.\n"
"\n"
"  --cap NAME=PATH[:RIGHTS]  connect to the server whose socket is at PATH. RIGHTS are\n"
"                     some of send,recv,grant,revoke: no more than these are passed on\n"
"  --pass NAME        a capability that vipc-run itself was started with\n"
"  --timeout SECONDS  wait so long for a server to answer (default 10; 0: for ever)\n"
"  --help, --version\n"
"\n"
"The program finds them with vipc_inherited(\"NAME\"), or in the environment:\n"
"VIPC_CAPS=\"NAME=3 OTHER=4\".\n"
"\n"
"Exit status: 125 if vipc-run itself fails, 126 if COMMAND cannot be run, 127 if it is\n"
"not found; else COMMAND's.\n";

__attribute__((format(printf, 1, 2), noreturn))
static void die(const char *format, ...)
{
	va_list args;

	fputs("vipc-run: ", stderr);
	va_start(args, format);
	vfprintf(stderr, format, args);
	va_end(args);
	fputc('\n', stderr);
	exit(FAILED);
}

static unsigned int right_of(const char *word, size_t len)
{
	static const struct {
		const char *word;
		unsigned int right;
	} all[] = {
		{ "send", VIPC_RIGHT_SEND },
		{ "recv", VIPC_RIGHT_RECV },
		{ "grant", VIPC_RIGHT_GRANT },
		{ "revoke", VIPC_RIGHT_REVOKE },
	};

	for (size_t i = 0; i < sizeof(all) / sizeof(*all); i++)
		if (strlen(all[i].word) == len && !memcmp(all[i].word, word, len))
			return all[i].right;
	return 0;
}

/* The rights in "send,grant"; 0 if it is anything else. */
static unsigned int rights_of(const char *text)
{
	unsigned int rights = 0, right;

	for (;;) {
		size_t len = strcspn(text, ",");

		right = right_of(text, len);
		if (!right)
			return 0;
		rights |= right;
		if (!text[len])
			return rights;
		text += len + 1;
	}
}

static struct cap *add_cap(const char *name)
{
	size_t len = strlen(name);

	if (!len || len > MAX_NAME)
		die("the name of a capability has 1 to %d characters", MAX_NAME);
	for (size_t i = 0; i < len; i++)
		if (name[i] <= ' ' || name[i] > '~' || name[i] == ':' || name[i] == '=')
			die("'%s': a name is of visible ASCII characters, without ':' and '='",
			    name);
	for (int i = 0; i < count; i++)
		if (!strcmp(caps[i].name, name))
			die("there are two capabilities called '%s'", name);
	if (count == MAX_CAPS)
		die("more than %d capabilities", MAX_CAPS);
	caps[count].name = name;
	return &caps[count++];
}

static void add_server(char *arg)
{
	char *equals = strchr(arg, '='), *colon;
	struct cap *cap;

	if (!equals || !equals[1])
		die("--cap takes NAME=PATH[:RIGHTS], not '%s'", arg);
	*equals = 0;
	cap = add_cap(arg);
	cap->path = equals + 1;
	colon = strrchr(cap->path, ':');
	if (!colon)
		return;
	/* Else the colon is part of the path. */
	cap->rights = rights_of(colon + 1);
	if (cap->rights)
		*colon = 0;
}

static void set_timeout(const char *text)
{
	char *end;
	double seconds = strtod(text, &end);

	if (end == text || *end || !(seconds >= 0 && seconds <= MAX_SECONDS))
		die("--timeout takes 0 to %d seconds, not '%s'", MAX_SECONDS, text);
	patience_ns = (__u64)(seconds * 1e9);
	if (seconds > 0 && !patience_ns)
		patience_ns = 1;
}

static void parse(int argc, char **argv)
{
	static const struct option options[] = {
		{ "cap", required_argument, NULL, 'c' },
		{ "pass", required_argument, NULL, 'p' },
		{ "timeout", required_argument, NULL, 't' },
		{ "help", no_argument, NULL, 'h' },
		{ "version", no_argument, NULL, 'V' },
		{ 0 },
	};
	int option;

	while ((option = getopt_long(argc, argv, "+h", options, NULL)) != -1) {
		switch (option) {
		case 'c':
			add_server(optarg);
			break;
		case 'p':
			add_cap(optarg);
			break;
		case 't':
			set_timeout(optarg);
			break;
		case 'h':
			fputs(usage, stdout);
			exit(fflush(stdout) ? FAILED : 0);
		case 'V':
			puts("vipc-run " VERSION);
			exit(fflush(stdout) ? FAILED : 0);
		default:
			fputs("Try 'vipc-run --help'.\n", stderr);
			exit(FAILED);
		}
	}
	if (optind == argc)
		die("no command given: try 'vipc-run --help'");
}

/* A capability must not get the number of a standard descriptor that is closed. */
static void fill_standard(void)
{
	int fd;

	do {
		fd = open("/dev/null", O_RDWR);
		if (fd < 0)
			die("/dev/null: %s", strerror(errno));
	} while (fd < FIRST_FD);
	close(fd);
}

/* Leave it no more than the rights asked for. */
static void restrict_rights(struct cap *cap)
{
	struct vipc_info info;
	int fd, err = vipc_info(cap->fd, &info);

	if (err)
		die("%s is no capability: %s", cap->name, strerror(-err));
	if (cap->rights & ~info.rights)
		die("%s: the server gives fewer rights than asked for", cap->name);
	if (!cap->rights || cap->rights == info.rights)
		return;
	fd = vipc_derive(cap->fd, cap->rights, info.badge);
	if (fd < 0)
		die("%s: cannot leave out rights%s: %s", cap->name,
		    fd == -EACCES ? ", as the server does not give 'grant'" : "", strerror(-fd));
	close(cap->fd);
	cap->fd = fd;
}

static void get_caps(void)
{
	for (int i = 0; i < count; i++) {
		struct cap *cap = &caps[i];

		if (cap->path) {
			cap->fd = vipc_connect(cap->path, patience_ns ?
					       vipc_deadline_after(patience_ns) : 0);
			if (cap->fd < 0)
				die("%s: no capability from %s: %s", cap->name, cap->path,
				    strerror(-cap->fd));
		} else {
			cap->fd = vipc_inherited(cap->name);
			if (cap->fd < 0)
				die("was not started with '%s': %s", cap->name,
				    strerror(-cap->fd));
		}
		restrict_rights(cap);
	}
}

static void close_from(int first)
{
	struct rlimit limit;

#ifdef SYS_close_range
	if (!syscall(SYS_close_range, (unsigned int)first, ~0u, 0))
		return;
#endif
	if (getrlimit(RLIMIT_NOFILE, &limit))
		die("RLIMIT_NOFILE: %s", strerror(errno));
	for (int fd = first; fd < (int)limit.rlim_max; fd++)
		close(fd);
}

/* Numbers 3, 4, ... in the order of the command line, and nothing behind them. */
static void arrange(void)
{
	for (int i = 0; i < count; i++) {
		/* First out of the way. */
		int fd = fcntl(caps[i].fd, F_DUPFD, FIRST_FD + count);

		if (fd < 0)
			die("%s: %s", caps[i].name, strerror(errno));
		caps[i].fd = fd;
	}
	for (int i = 0; i < count; i++)
		if (dup2(caps[i].fd, FIRST_FD + i) < 0)
			die("%s: %s", caps[i].name, strerror(errno));
	close_from(FIRST_FD + count);
}

static void set_environment(void)
{
	static char text[MAX_CAPS * (MAX_NAME + sizeof("=999 "))];
	char *at = text;

	for (int i = 0; i < count; i++)
		at += sprintf(at, "%s%s=%d", i ? " " : "", caps[i].name, FIRST_FD + i);
	/* What these speak of is closed now. */
	unsetenv("LISTEN_PID");
	unsetenv("LISTEN_FDS");
	unsetenv("LISTEN_FDNAMES");
	if (setenv("VIPC_CAPS", text, 1))
		die("%s", strerror(errno));
}

int main(int argc, char **argv)
{
	int err;

	fill_standard();
	parse(argc, argv);
	get_caps();
	arrange();
	set_environment();
	execvp(argv[optind], argv + optind);
	err = errno;
	fprintf(stderr, "vipc-run: %s: %s\n", argv[optind], strerror(err));
	return err == ENOENT ? NOT_FOUND : CANNOT_RUN;
}
