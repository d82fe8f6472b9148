/* SPDX-License-Identifier: GPL-2.0 */
/**
 * DOC: the five operations
 */
#ifndef VIPC_IPC_H
#define VIPC_IPC_H

#include "uapi/vipc.h"

struct vipc_cap;

int vipc_send(struct vipc_cap *cap, struct vipc_msg __user *umsg);
int vipc_call(struct vipc_cap *cap, struct vipc_msg __user *umsg);
int vipc_recv(struct vipc_cap *cap, struct vipc_msg __user *umsg);
int vipc_reply(struct vipc_cap *cap, struct vipc_msg __user *umsg);
int vipc_reply_recv(struct vipc_cap *cap, struct vipc_msg __user *umsg);

#endif /* VIPC_IPC_H */
