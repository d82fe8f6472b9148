/* SPDX-License-Identifier: MIT */
/*
 * What kv_server and kv_client say to each other.
 *
 * Over the Unix socket (SOCK_SEQPACKET), once: a struct kv_hello, answered by a
 * struct kv_welcome that carries the capability (SCM_RIGHTS). Over the
 * capability, from then on: one message per request, the badge says who asks.
 *
 *	request		opcode		data[0..1]	data[2..3]
 *	KV_GET		key		-
 *	KV_PUT		key		value
 *	KV_DEL		key		-
 *	KV_NEXT		key or zeros	-		the key after it, in order
 *
 *	reply		KV_OK, ...	key		value
 */
#ifndef KV_H
#define KV_H

#include <errno.h>
#include <string.h>
#include <vipc.h>

#define KV_KEY_LEN	16
#define KV_VALUE_LEN	16
#define KV_NAME_LEN	16

enum kv_request { KV_GET = 1, KV_PUT, KV_DEL, KV_NEXT };
enum kv_status { KV_OK, KV_NOT_FOUND, KV_FULL, KV_BAD_REQUEST };

/* An entry as it travels in vipc_msg.data; short strings are padded with 0. */
struct kv_entry {
	char key[KV_KEY_LEN];
	char value[KV_VALUE_LEN];
};

_Static_assert(sizeof(struct kv_entry) == sizeof(((struct vipc_msg *)0)->data),
	       "an entry fills a message's payload");

enum kv_wish { KV_JOIN = 1, KV_REVOKE };

struct kv_hello {
	int wish;
	char name[KV_NAME_LEN];
};

struct kv_welcome {
	int error;	/* 0 or an errno value */
};

static inline void kv_pack(struct vipc_msg *msg, const struct kv_entry *entry)
{
	memcpy(msg->data, entry, sizeof(*entry));
}

static inline void kv_unpack(struct kv_entry *entry, const struct vipc_msg *msg)
{
	memcpy(entry, msg->data, sizeof(*entry));
}

/* What an error of vipc means to a person. */
static inline const char *kv_explain(int err)
{
	switch (err) {
	case -EKEYREVOKED:
		return "EKEYREVOKED: my capability was revoked";
	case -EPIPE:
		return "EPIPE: the server is gone";
	case -ECONNRESET:
		return "ECONNRESET: the server went away while it had my request";
	case -ETIMEDOUT:
		return "ETIMEDOUT: no answer in time";
	default:
		return strerror(-err);
	}
}

#endif /* KV_H */
