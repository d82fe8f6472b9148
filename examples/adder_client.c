// SPDX-License-Identifier: MIT
#include <stdio.h>
#include <string.h>
#include <vipc.h>
#include <vipc_name.h>

int main(void)
{
	struct vipc_msg msg = { .data = { 20, 22 } };
	__u64 deadline = vipc_deadline_after(5000000000);	/* 5 s from now */
	int fd = vipc_connect("/tmp/adder", deadline);		/* a capability */
	int err;

	msg.deadline_ns = deadline;
	err = fd < 0 ? fd : vipc_call(fd, &msg);
	if (err)
		fprintf(stderr, "%s: %s\n", fd < 0 ? "/tmp/adder" : "vipc_call", strerror(-err));
	else
		printf("20 + 22 = %llu\n", msg.data[0]);
	return err != 0;
}
