// SPDX-License-Identifier: MIT
#include <stdlib.h>

#include "kv_store.h"

/* The first entry whose key is not before @key; *found: it is @key itself. */
static size_t lookup(const struct kv_store *store, const char *key, int *found)
{
	size_t low = 0, high = store->count;

	*found = 0;
	while (low < high) {
		size_t middle = low + (high - low) / 2;
		int order = memcmp(store->entries[middle].key, key, KV_KEY_LEN);

		if (order == 0)
			*found = 1;
		if (order < 0)
			low = middle + 1;
		else
			high = middle;
	}
	return low;
}

enum kv_status kv_get(const struct kv_store *store, struct kv_entry *entry)
{
	int found;
	size_t at = lookup(store, entry->key, &found);

	if (!found)
		return KV_NOT_FOUND;
	*entry = store->entries[at];
	return KV_OK;
}

enum kv_status kv_put(struct kv_store *store, const struct kv_entry *entry)
{
	int found;
	size_t at = lookup(store, entry->key, &found);

	if (!found) {
		if (store->count == KV_MAX_ENTRIES)
			return KV_FULL;
		if (store->count == store->room) {
			size_t room = store->room ? 2 * store->room : 16;
			void *bigger = realloc(store->entries,
					       room * sizeof(*store->entries));

			if (!bigger)
				return KV_FULL;
			store->entries = bigger;
			store->room = room;
		}
		memmove(&store->entries[at + 1], &store->entries[at],
			(store->count - at) * sizeof(*store->entries));
		store->count++;
	}
	store->entries[at] = *entry;
	return KV_OK;
}

enum kv_status kv_del(struct kv_store *store, const struct kv_entry *entry)
{
	int found;
	size_t at = lookup(store, entry->key, &found);

	if (!found)
		return KV_NOT_FOUND;
	store->count--;
	memmove(&store->entries[at], &store->entries[at + 1],
		(store->count - at) * sizeof(*store->entries));
	return KV_OK;
}

enum kv_status kv_next(const struct kv_store *store, struct kv_entry *entry)
{
	int found;
	size_t at = lookup(store, entry->key, &found);

	at += found;
	if (at == store->count)
		return KV_NOT_FOUND;
	*entry = store->entries[at];
	return KV_OK;
}
