/* SPDX-License-Identifier: MIT */
/* One client's keys and values: an array in the order of the keys. */
#ifndef KV_STORE_H
#define KV_STORE_H

#include "kv.h"

/* A client's quota: nobody can eat up the server's memory. */
#define KV_MAX_ENTRIES	1024

struct kv_store {
	struct kv_entry *entries;
	size_t count, room;
};

enum kv_status kv_get(const struct kv_store *store, struct kv_entry *entry);
enum kv_status kv_put(struct kv_store *store, const struct kv_entry *entry);
enum kv_status kv_del(struct kv_store *store, const struct kv_entry *entry);
enum kv_status kv_next(const struct kv_store *store, struct kv_entry *entry);

#endif /* KV_STORE_H */
