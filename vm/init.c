// SPDX-License-Identifier: GPL-2.0
/*
 * The first process of the guest: mounts what a program may expect, loads the
 * modules, runs one command, and tells the host how it ended.
 *
 * Serial lines: ttyS0 is the kernel's console (on arm64, ttyAMA0 is), ttyS1 and ttyS2
 * are the command's standard output and error, ttyS3 carries one line to the host: the
 * run's token, then "exit N" or "machine REASON". The emulator's exit status alone
 * would not do: it has seven bits, and some of its values mean other things.
 *
 * vm/run puts into /etc/vipc: token; argv and env (NUL after each word); modules
 * (a line for each: path and parameters); settle (seconds to wait first).
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <net/if.h>
#include <sched.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#if defined(__x86_64__)
#include <sys/io.h>
#endif
#include <sys/ioctl.h>
#include <sys/mount.h>
#include <sys/reboot.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <termios.h>
#include <unistd.h>

#define CONFIG_DIR	"/etc/vipc/"
#define WORK_DIR	"/work"
#define EXIT_PORT	0xf4	/* isa-debug-exit */
#define EXIT_FINISHED	42	/* QEMU exits with 2 * 42 + 1 */

static int out_fd = -1, err_fd = -1, status_fd = -1;
static char *token = "";

static void write_all(int fd, const char *p, size_t len)
{
	while (len) {
		ssize_t n = write(fd, p, len);

		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			return;
		p += n;
		len -= (size_t)n;
	}
}

/*
 * End the emulator, in a way that a reboot does not: with a status of its own where
 * there is a device for that, else by switching the machine off.
 */
static void switch_off(void)
{
#if defined(__x86_64__)
	if (!ioperm(EXIT_PORT, 1, 1))
		outb(EXIT_FINISHED, EXIT_PORT);
	reboot(RB_AUTOBOOT);
#else
	reboot(RB_POWER_OFF);
#endif
}

/* Report, wait until the host has every byte, and switch the machine off. */
static _Noreturn void finish(const char *fmt, ...)
{
	char text[512], line[600];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	snprintf(line, sizeof(line), "%s %s\n", token, text);
	write_all(status_fd, line, strlen(line));
	tcdrain(out_fd);
	tcdrain(err_fd);
	tcdrain(status_fd);
	switch_off();
	for (;;)
		pause();
}

static void make_dir(const char *path)
{
	if (mkdir(path, 0755) && errno != EEXIST)
		finish("machine mkdir %s: %s", path, strerror(errno));
}

static void mount_all(void)
{
	static const struct {
		const char *type, *dir, *data;
	} mounts[] = {
		{ "proc", "/proc", NULL },
		{ "sysfs", "/sys", NULL },
		{ "devpts", "/dev/pts", "mode=0620,ptmxmode=0666" },
		{ "tmpfs", "/dev/shm", "mode=1777" },
		{ "mqueue", "/dev/mqueue", NULL },
		{ "tmpfs", "/tmp", "mode=1777" },
		{ "tmpfs", "/run", "mode=0755" },
		{ "debugfs", "/sys/kernel/debug", NULL },
		{ "tracefs", "/sys/kernel/tracing", NULL },
		{ "cgroup2", "/sys/fs/cgroup", NULL },
	};
	size_t i;

	for (i = 0; i < sizeof(mounts) / sizeof(mounts[0]); i++) {
		/* sysfs makes its own mount points. */
		if (strncmp(mounts[i].dir, "/sys/", 5))
			make_dir(mounts[i].dir);
		if (mount(mounts[i].type, mounts[i].dir, mounts[i].type, 0, mounts[i].data))
			finish("machine mount %s: %s", mounts[i].dir, strerror(errno));
	}
}

static int open_line(const char *path)
{
	struct termios tio;
	int fd = open(path, O_RDWR | O_NOCTTY | O_CLOEXEC);

	if (fd < 0 || tcgetattr(fd, &tio))
		return -1;
	cfmakeraw(&tio);
	cfsetspeed(&tio, B115200);
	tio.c_cflag |= CLOCAL;
	if (tcsetattr(fd, TCSANOW, &tio))
		return -1;
	return fd;
}

/* A whole file with a NUL behind it, or NULL. */
static char *read_file(const char *path, size_t *len)
{
	size_t size = 0, room = 4096;
	char *data = malloc(room);
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	ssize_t n = 0;

	if (fd < 0 || !data)
		return NULL;
	while ((n = read(fd, data + size, room - size - 1)) > 0) {
		size += (size_t)n;
		if (size + 1 == room) {
			room *= 2;
			data = realloc(data, room);
			if (!data)
				return NULL;
		}
	}
	close(fd);
	if (n < 0)
		return NULL;
	data[size] = '\0';
	if (len)
		*len = size;
	return data;
}

/* The NUL-terminated words of a file, as execve() wants them. */
static char **read_words(const char *path)
{
	size_t len, n = 0, i;
	char **words, *data = read_file(path, &len), *p;

	if (!data)
		finish("machine read %s: %s", path, strerror(errno));
	for (i = 0; i < len; i++)
		n += !data[i];
	words = calloc(n + 1, sizeof(*words));
	if (!words)
		finish("machine out of memory");
	for (i = 0, p = data; i < n; i++, p += strlen(p) + 1)
		words[i] = p;
	return words;
}

static const char *module_error(int err)
{
	switch (err) {
	case ENOEXEC:
		return "built for another kernel, or no module";
	case ENOENT:
		return "missing, or it needs a symbol that the kernel does not have";
	default:
		return strerror(err);
	}
}

static void load_modules(void)
{
	char *list = read_file(CONFIG_DIR "modules", NULL), *line, *save;

	for (line = strtok_r(list, "\n", &save); line; line = strtok_r(NULL, "\n", &save)) {
		char *params = strchr(line, ' ');
		int fd;

		if (params)
			*params++ = '\0';
		fd = open(line, O_RDONLY | O_CLOEXEC);
		if (fd < 0)
			finish("machine %s: %s", line, strerror(errno));
		if (syscall(SYS_finit_module, fd, params ? params : "", 0) && errno != EEXIST)
			finish("machine cannot load %s: %s", line, module_error(errno));
		close(fd);
	}
}

/* Some programs speak TCP to themselves. */
static void loopback_up(void)
{
	struct ifreq ifr = { .ifr_name = "lo", .ifr_flags = IFF_UP | IFF_RUNNING };
	int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);

	if (fd < 0 || ioctl(fd, SIOCSIFFLAGS, &ifr))
		finish("machine cannot bring lo up: %s", strerror(errno));
	close(fd);
}

static _Noreturn void run(char **argv, char **env)
{
	int null = open("/dev/null", O_RDONLY);
	int status;

	/*
	 * Not setsid(): with a session of its own the command would be in a
	 * scheduler group of its own too (autogroup), and every switch would cost
	 * some 250 instructions more than in the group that all else is in.
	 */
	setpgid(0, 0);
	if (null < 0 || dup2(null, 0) < 0 || dup2(out_fd, 1) < 0 || dup2(err_fd, 2) < 0)
		_exit(126);
	if (null > 2)
		close(null);
	clearenv();
	setenv("PATH", WORK_DIR ":/bin:/sbin:/usr/bin:/usr/sbin", 1);
	setenv("LD_LIBRARY_PATH", WORK_DIR, 1);
	setenv("HOME", WORK_DIR, 1);
	setenv("USER", "root", 1);
	setenv("TERM", "dumb", 1);
	for (; *env; env++)
		putenv(*env);
	execvp(argv[0], argv);
	status = errno == ENOENT ? 127 : 126;
	dprintf(2, "vm/run: cannot run '%s' in the guest: %s%s\n", argv[0], strerror(errno),
		status == 127 ? " (was it given with --add? and its interpreter?)" : "");
	_exit(status);
}

int main(void)
{
	struct rlimit files = { .rlim_cur = 1024, .rlim_max = 1048576 };
	char **argv, **env, *settle;
	int status;
	pid_t child, pid;

	umask(022);
	mkdir("/dev", 0755);
	/* A kernel with CONFIG_DEVTMPFS_MOUNT has it there already. */
	mount("devtmpfs", "/dev", "devtmpfs", 0, NULL);
	status_fd = open_line("/dev/ttyS3");
	out_fd = open_line("/dev/ttyS1");
	err_fd = open_line("/dev/ttyS2");
	token = read_file(CONFIG_DIR "token", NULL);
	if (status_fd < 0 || out_fd < 0 || err_fd < 0 || !token)
		reboot(RB_AUTOBOOT);

	mount_all();
	loopback_up();
	sethostname("vipc", 4);
	/* Enough room for a program that raises its own limit. */
	setrlimit(RLIMIT_NOFILE, &files);
	argv = read_words(CONFIG_DIR "argv");
	env = read_words(CONFIG_DIR "env");
	load_modules();
	settle = read_file(CONFIG_DIR "settle", NULL);
	if (settle)
		sleep((unsigned int)atoi(settle));
	if (chdir(WORK_DIR))
		finish("machine chdir " WORK_DIR ": %s", strerror(errno));

	child = fork();
	if (child < 0)
		finish("machine fork: %s", strerror(errno));
	if (!child)
		run(argv, env);
	do {
		pid = wait(&status);
	} while (pid != child && (pid > 0 || errno == EINTR));

	/* What it left behind shall not write behind its end. */
	kill(-1, SIGKILL);
	finish("exit %d", WIFSIGNALED(status) ? 128 + WTERMSIG(status) : WEXITSTATUS(status));
}
