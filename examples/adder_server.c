// SPDX-License-Identifier: MIT
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <vipc.h>
#include <vipc_name.h>

static int add(struct vipc_msg *msg, void *arg)
{
	(void)arg;
	msg->data[0] += msg->data[1];
	return VIPC_SERVE_REPLY;
}

int main(void)
{
	struct vipc_publication *publication;
	int fd = vipc_open(O_CLOEXEC);		/* the endpoint */
	int err = fd < 0 ? fd : vipc_publish("/tmp/adder", 0600, fd, NULL, NULL, &publication);

	if (!err)
		err = vipc_serve(fd, add, NULL, 2);	/* two threads */
	fprintf(stderr, "%s: %s\n", fd < 0 ? "/dev/vipc" : "/tmp/adder", strerror(-err));
	return 1;
}
