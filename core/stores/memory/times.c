/* SPDX-License-Identifier: MIT
 * A table with linear probing, doubled when it is half full; nothing is taken out. Invariant: a slot is free, so that
 * every probe ends. No locks: the store's. Only memory fails; the table is then as it was. */
#include "stores/memory/times.h"

#include <string.h>

#include "base/env.h"

enum { FIRST_ROOM = 64 };

void wb_memory_times_fini(wb_memory_times *times)
{
    wb_free(times->slots);
    *times = (wb_memory_times){0};
}

/* The id's own slot, or the free one where it would go. */
static wb_memory_time *slot_find(wb_memory_time *slots, size_t room, const uint8_t id[16])
{
    uint64_t low, high;
    memcpy(&low, id, 8);
    memcpy(&high, id + 8, 8);
    uint64_t hash = (low ^ (high << 31 | high >> 33)) * UINT64_C(0x9E3779B97F4A7C15);
    size_t at = (size_t)(hash >> 32) & (room - 1);
    while (slots[at].used && memcmp(slots[at].id, id, 16) != 0)
        at = (at + 1) & (room - 1);
    return &slots[at];
}

wb_memory_time *wb_memory_times_find(const wb_memory_times *times, const uint8_t id[16])
{
    if (times->room == 0)
        return NULL;
    wb_memory_time *slot = slot_find(times->slots, times->room, id);
    return slot->used ? slot : NULL;
}

static bool grow(wb_memory_times *times)
{
    size_t room = times->room == 0 ? FIRST_ROOM : times->room * 2;
    wb_memory_time *slots = wb_alloc_zeroed(room * sizeof *slots);
    if (slots == NULL)
        return false;
    for (size_t i = 0; i < times->room; i++) {
        if (times->slots[i].used)
            *slot_find(slots, room, times->slots[i].id) = times->slots[i];
    }
    wb_free(times->slots);
    times->slots = slots;
    times->room = room;
    return true;
}

bool wb_memory_times_put(wb_memory_times *times, const uint8_t id[16], int64_t time_us)
{
    if (2 * (times->count + 1) > times->room && !grow(times))
        return false;
    wb_memory_time *slot = slot_find(times->slots, times->room, id);
    times->count += slot->used ? 0 : 1;
    slot->used = true;
    slot->time_us = time_us;
    memcpy(slot->id, id, sizeof slot->id);
    return true;
}
