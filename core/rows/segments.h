/* SPDX-License-Identifier: MIT
 * What a set of keys stands on: segments of WB_SLOTS entries of one size, and a directory that the top bits of a key's hash
 * choose the segment from (extendible hashing). The set looks for a key in its segment by linear probing; a full segment is
 * split in two by the next bit, and where the directory has no place for a second one, it is doubled first. So an add
 * moves less than one segment's entries, gets memory of one slab at most, clears one segment of it, and gives none back but a
 * smaller directory. (That has 8 bytes for some 600 entries: to double it takes microseconds up to 10 M keys, a
 * millisecond at 100 M.)
 * Invariant: a segment has free slots, so that every probe ends. An entry of zeros is none. A segment of depth d is what the
 * first d bits of the hash say, and 2^(depth - d) entries of the directory lead there, side by side.
 * No locks: its owner's. Only memory fails, and then nothing has changed. */
#ifndef WB_SEGMENTS_H
#define WB_SEGMENTS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { WB_SLOTS_BITS = 10, WB_SLOTS = 1 << WB_SLOTS_BITS, WB_SLOTS_MOST = WB_SLOTS / 4 * 3 };

typedef struct wb_segment {
    unsigned depth; /* how many bits of their hash its entries share */
    unsigned count;
    _Alignas(64) uint8_t slots[];
} wb_segment;

typedef struct wb_segments {
    wb_segment **directory; /* of 2^depth, at least two */
    unsigned shift;         /* 64 - depth */
    size_t entry_bytes;
    struct wb_slab *newest;
    size_t work; /* entries, and places of the directory, that were moved so far */
} wb_segments;

/* The hash of an entry, as far as its owner keeps it: the top 32 bits count. False: it is none, or may go. */
typedef bool wb_entry_hash(const void *owner, const void *entry, uint64_t *hash);

bool wb_segments_init(wb_segments *segments,
                      size_t entry_bytes); /* needs fini, also where it fails */
void wb_segments_fini(wb_segments *segments);
bool wb_segments_is_small(const wb_segments *segments); /* it has one slab, the smallest */
/* Splits the segment of that hash in two, or more where all its entries go to one half. False: no memory. */
bool wb_segments_split(wb_segments *segments, uint64_t hash, wb_entry_hash *hash_of,
                       const void *owner);
/* Drops what may go from the segment of that hash. */
void wb_segments_sift(wb_segments *segments, uint64_t hash, wb_entry_hash *hash_of,
                      const void *owner);
/* Shows each segment, and gives back all memory but the first slab's: there are no entries then. */
void wb_segments_drain(wb_segments *segments, void (*see)(void *context, const wb_segment *segment),
                       void *context);

/* The top bits choose the segment, the lowest ones the slot. */
static inline wb_segment *wb_segment_of(const wb_segments *segments, uint64_t hash)
{
    return segments->directory[hash >> segments->shift];
}

static inline size_t wb_first_slot(uint64_t hash)
{
    return (size_t)hash & (WB_SLOTS - 1);
}

static inline size_t wb_next_slot(size_t slot)
{
    return (slot + 1) & (WB_SLOTS - 1);
}

#endif
