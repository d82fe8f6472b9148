// SPDX-License-Identifier: MIT
/* echo_server CLIENT [ARG...]: run CLIENT FD ARG..., and echo its calls. */
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>
#include <vipc.h>

static int endpoint;

static void client_gone(int sig)
{
	(void)sig;
	vipc_shutdown(endpoint);	/* ends vipc_serve(), whenever it comes */
}

static int echo(struct vipc_msg *msg, void *arg)
{
	(void)arg;
	printf("echo_server: heard \"%.32s\"\n", (char *)msg->data);
	return VIPC_SERVE_REPLY;	/* unchanged: that is the echo */
}

int main(int argc, char **argv)
{
	int client, err, status;
	char fd[16];

	setvbuf(stdout, NULL, _IOLBF, 0);
	endpoint = vipc_open(O_CLOEXEC);
	client = vipc_derive(endpoint, VIPC_RIGHT_SEND, 1);
	if (argc < 2 || client < 0) {
		fprintf(stderr, "echo_server: %s\n", argc < 2 ?
			"usage: echo_server CLIENT [ARG...]" : strerror(-client));
		return 1;
	}
	signal(SIGCHLD, client_gone);
	switch (fork()) {
	case -1:
		perror("echo_server: fork");
		return 1;
	case 0:
		fcntl(client, F_SETFD, 0);	/* keep it across exec */
		snprintf(fd, sizeof(fd), "%d", client);
		argv[0] = argv[1];
		argv[1] = fd;
		execvp(argv[0], argv);
		perror(argv[0]);
		_exit(127);
	}
	close(client);
	err = vipc_serve(endpoint, echo, NULL, 1);
	wait(&status);
	printf("echo_server: the client has ended, status %d\n", status);
	return err || status;
}
