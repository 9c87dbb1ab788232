/* SPDX-License-Identifier: MIT
 * A segment of this process, mapped: rows are put into it, and marked, while others prove and sync it. See format.h. One
 * thread puts at a time, and its owner says which; each row is marked by who has it. Nothing is locked here. */
#ifndef WB_SEGMENT_H
#define WB_SEGMENT_H

#include <stdatomic.h>
#include <stdbool.h>

#include "base/err.h"
#include "spool/format.h"

typedef struct wb_spool_segment {
    char *path;
    uint64_t serial;
    uint32_t size;
    uint8_t *map;   /* NULL: not now */
    uint32_t count; /* entries, for who puts */
    uint32_t floor; /* where the bytes of the last one begin */
    struct wb_proving {
        uint32_t count, crc, floor; /* what is proven */
        uint32_t pair_floor;
        unsigned pair, side; /* where the next proof goes */
    } proving;
} wb_spool_segment;

enum { WB_SPOOL_PATH_BYTES = 600 };
/* Where the segment of that serial is in its folder. */
void wb_spool_segment_path(const char *folder, uint64_t serial, char path[WB_SPOOL_PATH_BYTES]);

/* What a new one is to be. */
typedef struct wb_spool_segment_plan {
    const char *path;
    uint64_t serial;
    size_t room; /* for entries and their bytes, at least */
    bool replaces, synced;
    const uint8_t *head; /* its first entry */
    size_t head_bytes;
} wb_spool_segment_plan;

/* A new file with its first entry in it. WB_STORE, WB_MEMORY. */
int wb_spool_segment_make(const wb_spool_segment_plan *plan, wb_spool_segment *out, wb_err *err);
void wb_spool_segment_fini(wb_spool_segment *segment); /* leaves the file */

/* Has it room for so many entries with so many bytes together? */
static inline bool wb_spool_segment_fits(const wb_spool_segment *segment, size_t entries,
                                         size_t bytes)
{
    size_t top = WB_SPOOL_ENTRIES_AT + (segment->count + entries) * sizeof(wb_spool_entry);
    return top + bytes <= segment->floor && segment->count + entries <= WB_SPOOL_MOST_ENTRIES;
}
/* Puts an entry, which fits, at the end; `begin` is set here. Nobody else sees it yet. Answers its number. */
uint32_t wb_spool_segment_put(wb_spool_segment *segment, const wb_spool_entry *entry,
                              const void *bytes, size_t count);
/* What was put is there for all. */
static inline void wb_spool_segment_publish(wb_spool_segment *segment)
{
    uint32_t *count = &((wb_spool_header *)segment->map)->count;
    __atomic_store_n(count, segment->count, __ATOMIC_RELEASE);
}
static inline uint32_t wb_spool_segment_published(const wb_spool_segment *segment)
{
    return __atomic_load_n(&((const wb_spool_header *)segment->map)->count, __ATOMIC_ACQUIRE);
}
/* Writes a proof of what is published. False: there is nothing new. One thread at a time. */
bool wb_spool_segment_prove(wb_spool_segment *segment);

/* One that another process wrote is proven anew, from its first entry on; the proof that it has stands until then. */
void wb_spool_segment_prove_anew(wb_spool_segment *segment);

static inline wb_spool_entry *wb_spool_segment_entry(const wb_spool_segment *segment,
                                                     uint32_t number)
{
    return (wb_spool_entry *)(segment->map + WB_SPOOL_ENTRIES_AT) + number;
}

/* ---- marks ---- */

/* False: it was. */
static inline bool wb_entry_settle(wb_spool_entry *entry)
{
    return __atomic_exchange_n(&entry->key_high, WB_SPOOL_SETTLED, __ATOMIC_RELAXED) !=
           WB_SPOOL_SETTLED;
}
/* A write with this key has the row. */
static inline void wb_entry_cover(wb_spool_entry *entry, const uint64_t key[2])
{
    if (entry->key_high == key[0] && entry->key_low == key[1])
        return;
    __atomic_store_n(&entry->key_low, key[1], __ATOMIC_RELAXED);
    __atomic_store_n(&entry->key_high, key[0], __ATOMIC_RELEASE);
}

/* The sum of entry `number` of a segment, behind the sum of those before it. */
uint32_t wb_spool_entry_sum(uint32_t crc, const uint8_t *segment, uint32_t number, uint32_t end);

#endif
