// SPDX-License-Identifier: MIT
#include <fcntl.h>
#include <stdio.h>
#include <unistd.h>
#include <vipc.h>

static int multiply(struct vipc_msg *msg, void *arg)
{
	(void)arg;
	msg->data[0] *= msg->badge;		/* the request becomes the reply */
	return VIPC_SERVE_STOP;
}

int main(void)
{
	struct vipc_msg msg = { .data = { 6 } };
	int server = vipc_open(O_CLOEXEC);	/* an endpoint, with every right */
	int client = vipc_derive(server, VIPC_RIGHT_SEND, 7);	/* badge 7 */
	int err;

	if (fork() == 0)
		return vipc_serve(server, multiply, NULL, 1) != 0;
	close(server);				/* the child alone is the server */
	err = vipc_call(client, &msg);
	printf("6 * 7 = %llu (result %d)\n", msg.data[0], err);
	return err != 0;
}
