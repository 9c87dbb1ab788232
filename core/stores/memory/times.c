/* SPDX-License-Identifier: MIT
 * A table with linear probing, doubled when it is half full; nothing is taken out. Invariant: a slot is free, so that
 * every probe ends. No locks: the store's. Only memory fails; the table is then as it was. */
#include "stores/memory/times.h"

#include <string.h>

#include "base/env.h"

enum { FIRST_ROOM = 64 };

void wb_memory_times_fini(wb_memory_times *times)
{
    for (size_t i = 0; i < times->room; i++)
        if (times->slots[i].used && times->slots[i].type == WB_TYPE_TEXT)
            wb_free((void *)times->slots[i].key.text.at);
    wb_free(times->slots);
    *times = (wb_memory_times){0};
}

/* An id's bytes: two of a type are one where they are equal. */
static const void *bytes_of(int type, const wb_key *key, size_t *bytes)
{
    bool text = type == WB_TYPE_TEXT;
    *bytes = text ? key->text.bytes : sizeof key->id;
    return text ? (const void *)key->text.at : key->id;
}

static int family_of(int type)
{
    return type == WB_TYPE_INT4 ? WB_TYPE_INT8 : type;
}

static bool is_same(const wb_memory_time *row, int type, const void *id, size_t bytes)
{
    size_t own_bytes;
    const void *own = bytes_of(row->type, &row->key, &own_bytes);
    return family_of(row->type) == family_of(type) && own_bytes == bytes &&
           memcmp(own, id, bytes) == 0;
}

/* The id's own slot, or the free one where it would go. */
static wb_memory_time *slot_find(wb_memory_time *slots, size_t room, int type, const wb_key *key)
{
    size_t bytes;
    const uint8_t *id = bytes_of(type, key, &bytes);
    uint64_t hash = bytes;
    for (size_t i = 0; i < bytes; i++)
        hash = (hash ^ id[i]) * UINT64_C(0x9E3779B97F4A7C15);
    size_t at = (size_t)(hash >> 32) & (room - 1);
    while (slots[at].used && !is_same(&slots[at], type, id, bytes))
        at = (at + 1) & (room - 1);
    return &slots[at];
}

wb_memory_time *wb_memory_times_find(const wb_memory_times *times, int type, const wb_key *key)
{
    if (times->room == 0)
        return NULL;
    wb_memory_time *slot = slot_find(times->slots, times->room, type, key);
    return slot->used ? slot : NULL;
}

static bool grow(wb_memory_times *times)
{
    size_t room = times->room == 0 ? FIRST_ROOM : times->room * 2;
    wb_memory_time *slots = wb_alloc_zeroed(room * sizeof *slots);
    if (slots == NULL)
        return false;
    for (size_t i = 0; i < times->room; i++) {
        const wb_memory_time *row = &times->slots[i];
        if (row->used)
            *slot_find(slots, room, row->type, &row->key) = *row;
    }
    wb_free(times->slots);
    times->slots = slots;
    times->room = room;
    return true;
}

/* Makes the key the slot's own. */
static bool own_key(wb_memory_time *slot, int type, const wb_key *key)
{
    slot->key = *key;
    if (type != WB_TYPE_TEXT)
        return true;
    char *copy = wb_alloc(key->text.bytes + 1);
    if (copy == NULL)
        return false;
    memcpy(copy, key->text.at, key->text.bytes);
    slot->key.text.at = copy;
    return true;
}

bool wb_memory_times_put(wb_memory_times *times, int type, const wb_key *key, int64_t time_us)
{
    if (2 * (times->count + 1) > times->room && !grow(times))
        return false;
    wb_memory_time *slot = slot_find(times->slots, times->room, type, key);
    if (!slot->used && !own_key(slot, type, key))
        return false;
    times->count += slot->used ? 0 : 1;
    slot->used = true;
    slot->type = type;
    slot->time_us = time_us;
    return true;
}
