/* SPDX-License-Identifier: MIT */
/* What the functions of vipc_name.h have in common. Not installed. */
#ifndef LIBVIPC_NAME_H
#define LIBVIPC_NAME_H

#include <errno.h>
#include <pthread.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>

#include "vipc_name.h"

#define EXPORT __attribute__((visibility("default")))

/* What a function puts back: a thread that is cancelled would leave things open. */
struct guard {
	int error, cancel;
};

static inline struct guard guard_begin(void)
{
	struct guard guard = { .error = errno };

	pthread_setcancelstate(PTHREAD_CANCEL_DISABLE, &guard.cancel);
	return guard;
}

/* For "return guard_end(&guard, ret)". */
static inline int guard_end(const struct guard *guard, int ret)
{
	pthread_setcancelstate(guard->cancel, NULL);
	errno = guard->error;
	return ret;
}

/* Room for the longest path of a socket, and its 0. */
#define PATH_ROOM	sizeof(((struct sockaddr_un *)NULL)->sun_path)

/* Room for one descriptor beside a message. Initialise it. */
union control {
	struct cmsghdr header;
	char room[CMSG_SPACE(sizeof(int))];
};

static inline void attach(struct msghdr *msg, union control *control, int fd)
{
	msg->msg_control = control;
	msg->msg_controllen = sizeof(control->room);
	control->header.cmsg_level = SOL_SOCKET;
	control->header.cmsg_type = SCM_RIGHTS;
	control->header.cmsg_len = CMSG_LEN(sizeof(int));
	memcpy(CMSG_DATA(&control->header), &fd, sizeof(int));
}

#endif /* LIBVIPC_NAME_H */
