// SPDX-License-Identifier: MIT
/*
 * broker FOLDER NAME...: a client that can open nothing reads the files in FOLDER.
 *
 * The client runs under a seccomp filter that leaves it a few system calls; none of
 * them opens anything. It has one capability, and asks through it. The broker decides,
 * opens the file, and the reply brings the descriptor along.
 */
#include <ctype.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/audit.h>
#include <linux/filter.h>
#include <linux/openat2.h>
#include <linux/seccomp.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>
#include <vipc.h>

#define NAME_LEN	255
#define PATIENCE_NS	5000000000ull

/*
 * A request is a name; its reply has status BROKER_OK and a descriptor. Any other
 * opcode, VIPC_OPCODE_FAILED included, has the reason in data[0], an errno value.
 */
enum { BROKER_OK, BROKER_NO };

/* ---- the broker ---- */

/* Nothing outside the folder, whatever the name or a symbolic link says. */
static int open_below(int folder, const char *name)
{
	struct open_how how = {
		.flags = O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK,
		.resolve = RESOLVE_BENEATH | RESOLVE_NO_MAGICLINKS,
	};
	int fd = (int)syscall(SYS_openat2, folder, name, &how, sizeof(how));
	struct stat st;

	if (fd < 0)
		return -errno;
	if (fstat(fd, &st) || !S_ISREG(st.st_mode)) {
		close(fd);
		return -EACCES;
	}
	return fd;
}

/* The client may send anything: at most NAME_LEN bytes, that is all we know. */
static int name_of(const struct vipc_xmsg *msg, char *name)
{
	const char *bytes = VIPC_POINTER(msg->rx_buf);

	if (!msg->rx_len)
		return -EINVAL;
	for (__u32 i = 0; i < msg->rx_len; i++)
		if (!isprint((unsigned char)bytes[i]))
			return -EINVAL;
	memcpy(name, bytes, msg->rx_len);
	name[msg->rx_len] = 0;
	return 0;
}

static int handle(struct vipc_xmsg *msg, void *arg)
{
	__s32 *reply_fds = VIPC_POINTER(msg->tx_fds);
	char name[NAME_LEN + 1] = "?";
	int ret;

	if (msg->msg.flags & VIPC_MSG_BADGE_CLOSED)
		return VIPC_SERVE_STOP;		/* the client is gone */
	ret = name_of(msg, name);
	if (!ret)
		ret = open_below(*(int *)arg, name);
	printf("broker: client %llu wants %s: %s\n", msg->msg.badge, name,
	       ret < 0 ? strerror(-ret) : "here it is");
	if (ret < 0) {
		msg->msg.opcode = BROKER_NO;
		msg->msg.data[0] = (__u64)-ret;
	} else {
		msg->msg.opcode = BROKER_OK;
		reply_fds[0] = ret;	/* closed here when the reply is out */
		msg->tx_nfds = 1;
	}
	return VIPC_SERVE_REPLY;
}

/* ---- the client ---- */

#if defined(__x86_64__)
#define MY_ARCH	AUDIT_ARCH_X86_64
#elif defined(__aarch64__)
#define MY_ARCH	AUDIT_ARCH_AARCH64
#else
#error "say here what <linux/audit.h> calls this architecture"
#endif

#define ALLOW(call)							\
	BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_##call, 0, 1),		\
	BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW)

/* From here on there is no way to get at a file but to be given one. */
static int enter_sandbox(int keep)
{
	struct sock_filter filter[] = {
		BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, arch)),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, MY_ARCH, 1, 0),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_KILL_PROCESS),
		BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
		ALLOW(read), ALLOW(write), ALLOW(close), ALLOW(ioctl),
		ALLOW(clock_gettime), ALLOW(exit_group),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | EACCES),
	};
	struct sock_fprog program = {
		.len = sizeof(filter) / sizeof(filter[0]),
		.filter = filter,
	};

	if (dup2(keep, 3) < 0 || close_range(4, ~0u, 0))
		return -errno;
	if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) ||
	    prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program))
		return -errno;
	return 3;
}

/* Returns a descriptor of the file, or -errno. */
static int ask_for(int broker, const char *name)
{
	__s32 fd;
	struct vipc_xmsg msg = {
		.tx_buf = VIPC_ADDRESS(name),
		.tx_len = (__u32)strlen(name),
		.rx_fds = VIPC_ADDRESS(&fd),
		.rx_nfds = 1,
	};
	int err = vipc_call_x_timeout(broker, &msg, PATIENCE_NS);

	if (err)
		return err;
	if (msg.msg.opcode != BROKER_OK)
		return -(int)msg.msg.data[0];
	return msg.rx_nfds ? fd : -EPROTO;
}

static int client(int broker, char **names)
{
	char text[80];
	ssize_t n;

	broker = enter_sandbox(broker);
	if (broker < 0) {
		printf("client: no sandbox: %s\n", strerror(-broker));
		return 1;
	}
	if (open("/", O_RDONLY) >= 0)
		return 1;
	printf("client: I cannot open /: %s\n", strerror(errno));
	for (; *names; names++) {
		int fd = ask_for(broker, *names);

		if (fd < 0) {
			printf("client: no %s for me: %s\n", *names, strerror(-fd));
			continue;
		}
		n = read(fd, text, sizeof(text) - 1);
		text[n > 0 ? n : 0] = 0;
		text[strcspn(text, "\n")] = 0;
		printf("client: %s says \"%s\"\n", *names, text);
		close(fd);
	}
	return 0;
}

int main(int argc, char **argv)
{
	struct vipc_config config = {
		.flags = VIPC_CONFIG_MAX_LEN,	/* a name, and no descriptors */
		.max_len = NAME_LEN,
	};
	int endpoint, cap, folder, err, status;
	static char buffer[BUFSIZ];

	if (argc < 3) {
		fprintf(stderr, "usage: broker FOLDER NAME...\n");
		return 2;
	}
	/* With a buffer, so that the client's output needs none of the kernel. */
	setvbuf(stdout, buffer, _IOLBF, sizeof(buffer));
	folder = open(argv[1], O_PATH | O_DIRECTORY | O_CLOEXEC);
	if (folder < 0) {
		perror(argv[1]);
		return 1;
	}
	endpoint = vipc_open(O_CLOEXEC);
	err = vipc_config(endpoint, &config);
	cap = vipc_derive_watched(endpoint, VIPC_RIGHT_SEND, 1);
	if (err || cap < 0) {
		fprintf(stderr, "broker: no endpoint: %s\n", strerror(-(err ? err : cap)));
		return 1;
	}
	if (fork() == 0) {
		status = client(cap, argv + 2);
		fflush(stdout);
		_exit(status);
	}
	close(cap);	/* the client's alone: its end is the notice */
	err = vipc_serve_x(endpoint, handle, &folder, 1);
	wait(&status);
	return err || status;
}
