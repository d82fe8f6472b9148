// SPDX-License-Identifier: MIT
/* echo_client FD WORD...: call through the capability that was inherited as FD. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <vipc.h>

int main(int argc, char **argv)
{
	int i, err;

	if (argc < 3) {
		fprintf(stderr, "usage: echo_client FD WORD...\n");
		return 1;
	}
	for (i = 2; i < argc; i++) {
		struct vipc_msg msg = { .opcode = 1 };

		memcpy(msg.data, argv[i], strnlen(argv[i], sizeof(msg.data)));
		err = vipc_call_timeout(atoi(argv[1]), &msg, 1000000000);
		if (err) {
			fprintf(stderr, "echo_client: %s: %s\n", argv[i], strerror(-err));
			return 1;
		}
		printf("echo_client: got \"%.32s\" back\n", (char *)msg.data);
	}
	return 0;
}
