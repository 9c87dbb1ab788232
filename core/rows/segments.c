/* SPDX-License-Identifier: MIT
 * See segments.h. The memory of segments is slabs, which double in size. */
#include "rows/segments.h"

#include <string.h>

#include "base/env.h"

enum {
    CACHE_LINE = 64,
    SLAB_ROOM_MOST = 32,            /* segments: of marks, 1 MiB */
    DEPTH_MOST = 32 - WB_SLOTS_BITS /* 32 bits of a hash are kept */
};

typedef struct wb_slab {
    struct wb_slab *older;
    size_t used, room;
    uint8_t *segments;
} wb_slab;

/* ---- memory ---- */

static size_t segment_bytes(const wb_segments *segments)
{
    return sizeof(wb_segment) + WB_SLOTS * segments->entry_bytes;
}

static wb_segment *segment_at(const wb_segments *segments, const wb_slab *slab, size_t index)
{
    return (wb_segment *)(void *)(slab->segments + index * segment_bytes(segments));
}

static wb_slab *add_slab(wb_segments *segments)
{
    wb_slab *newest = segments->newest;
    size_t room = newest ? newest->room * 2 : 1;
    if (room > SLAB_ROOM_MOST)
        room = SLAB_ROOM_MOST;
    wb_slab *slab = wb_alloc(sizeof *slab + CACHE_LINE + room * segment_bytes(segments));
    if (!slab)
        return NULL;
    uintptr_t end = (uintptr_t)(slab + 1) + CACHE_LINE - 1;
    *slab = (wb_slab){newest, 0, room, (uint8_t *)(end - end % CACHE_LINE)};
    return segments->newest = slab;
}

/* An empty one. NULL: no memory. */
static wb_segment *new_segment(wb_segments *segments)
{
    wb_slab *from = segments->newest;
    if (!from || from->used == from->room)
        from = add_slab(segments);
    return from ? memset(segment_at(segments, from, from->used++), 0, segment_bytes(segments))
                : NULL;
}

static void free_newest_slab(wb_segments *segments)
{
    wb_slab *newest = segments->newest;
    segments->newest = newest->older;
    wb_free(newest);
}

/* All keys are in one segment. */
static void begin(wb_segments *segments, wb_segment *first)
{
    segments->directory[0] = segments->directory[1] = first;
    segments->shift = 63;
}

bool wb_segments_init(wb_segments *segments, size_t entry_bytes)
{
    *segments = (wb_segments){.entry_bytes = entry_bytes};
    segments->directory = wb_alloc(2 * sizeof *segments->directory);
    wb_segment *first = segments->directory ? new_segment(segments) : NULL;
    if (first)
        begin(segments, first);
    return first != NULL;
}

void wb_segments_fini(wb_segments *segments)
{
    while (segments->newest)
        free_newest_slab(segments);
    wb_free(segments->directory);
}

bool wb_segments_is_small(const wb_segments *segments)
{
    return segments->newest->older == NULL && segments->newest->room == 1;
}

void wb_segments_drain(wb_segments *segments, void (*see)(void *context, const wb_segment *segment),
                       void *context)
{
    for (;;) {
        wb_slab *newest = segments->newest;
        for (size_t i = 0; i < newest->used; i++)
            see(context, segment_at(segments, newest, i));
        newest->used = 0;
        if (!newest->older)
            break;
        free_newest_slab(segments);
    }
    begin(segments, new_segment(segments));
}

/* ---- growing ---- */

static bool double_directory(wb_segments *segments)
{
    size_t count = (size_t)1 << (64 - segments->shift);
    wb_segment **entries = wb_realloc(segments->directory, 2 * count * sizeof(*entries));
    if (!entries)
        return false;
    for (size_t i = count; i-- > 0;)
        entries[2 * i] = entries[2 * i + 1] = entries[i];
    segments->directory = entries;
    segments->shift--;
    segments->work += count;
    return true;
}

/* The parts of one pass over a segment. */
struct passing {
    const wb_segments *segments;
    wb_entry_hash *hash_of;
    const void *owner;
    uint8_t zeros[64];
};

static uint8_t *slot_at(const struct passing *passing, wb_segment *segment, size_t slot)
{
    return segment->slots + slot * passing->segments->entry_bytes;
}

static bool is_free(const struct passing *passing, wb_segment *segment, size_t slot)
{
    return memcmp(slot_at(passing, segment, slot), passing->zeros,
                  passing->segments->entry_bytes) == 0;
}

static void put(const struct passing *passing, wb_segment *to, uint64_t hash, const void *entry)
{
    size_t slot = wb_first_slot(hash);
    while (!is_free(passing, to, slot))
        slot = wb_next_slot(slot);
    memcpy(slot_at(passing, to, slot), entry, passing->segments->entry_bytes);
    to->count++;
}

/* Takes each entry out of the segment, and puts it back or into the other, by the last bit of their depth. As the first
 * comes after an empty slot, none is put behind where it was. */
static void part(const struct passing *passing, wb_segment *old, wb_segment *new)
{
    uint8_t entry[sizeof passing->zeros];
    size_t start = 0;
    while (!is_free(passing, old, start))
        start++;
    old->count = 0;
    for (size_t i = wb_next_slot(start); i != start; i = wb_next_slot(i)) {
        uint64_t hash;
        if (is_free(passing, old, i))
            continue;
        memcpy(entry, slot_at(passing, old, i), passing->segments->entry_bytes);
        memset(slot_at(passing, old, i), 0, passing->segments->entry_bytes);
        if (!passing->hash_of(passing->owner, entry, &hash))
            continue;
        bool moves = new != old && (hash >> (64 - old->depth) & 1);
        put(passing, moves ? new : old, hash, entry);
    }
}

void wb_segments_sift(wb_segments *segments, uint64_t hash, wb_entry_hash *hash_of,
                      const void *owner)
{
    const struct passing passing = {segments, hash_of, owner, {0}};
    wb_segment *segment = wb_segment_of(segments, hash);
    segments->work += segment->count;
    part(&passing, segment, segment);
}

bool wb_segments_split(wb_segments *segments, uint64_t hash, wb_entry_hash *hash_of,
                       const void *owner)
{
    const struct passing passing = {segments, hash_of, owner, {0}};
    wb_segment *old = wb_segment_of(segments, hash);
    if (old->depth == DEPTH_MOST)
        return false;
    if (old->depth == 64 - segments->shift && !double_directory(segments))
        return false;
    wb_segment *new = new_segment(segments);
    if (!new)
        return false;
    new->depth = ++old->depth;
    size_t entries = (size_t)1 << (64 - segments->shift - new->depth);
    size_t first = (size_t)(hash >> segments->shift) / (2 * entries) * (2 * entries) + entries;
    for (size_t i = 0; i < entries; i++)
        segments->directory[first + i] = new;
    segments->work += old->count;
    part(&passing, old, new);
    return true;
}
