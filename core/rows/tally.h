/* SPDX-License-Identifier: MIT
 * What a batch keeps of each row where rows of one key become one: how many adds it stands for, the hash of its key, and
 * where its tuple lies once it grew. Its owner's: a batch's, whose rows have the same numbers. No locks; only memory fails. */
#ifndef WB_TALLY_H
#define WB_TALLY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

typedef struct wb_tally {
    uint64_t adds;  /* 0: a gap, the row is in another batch now */
    uint64_t first; /* of its adds: their number, among all of the outbox */
    uint8_t *tuple; /* its memory, of wb_moved_room(bytes); NULL: it lies in the batch */
    uint32_t bytes; /* of a tuple that moved */
    uint32_t hash;  /* of its key; 0: it stays as it is */
} wb_tally;

/* Of the rows of a batch that are left. All zero: there are none, and none are kept. */
typedef struct wb_tallies {
    bool on; /* each row has one */
    wb_tally *of;
    size_t room;
    uint64_t adds;
    size_t gaps;
    size_t moved, moved_bytes; /* tuples, and their memory */
} wb_tallies;

/* The memory of a moved tuple, which may have another length with each add. */
static inline size_t wb_moved_room(size_t bytes)
{
    return (bytes + 63) / 64 * 64;
}

void wb_tallies_fini(wb_tallies *tallies); /* after wb_tallies_drop of all */
bool wb_tallies_reserve(wb_tallies *tallies, size_t room);
/* The tally of a row that comes to the end, as number `row`: as that of another batch's, or an add. */
void wb_tallies_put(wb_tallies *tallies, size_t row, const wb_tally *as);
void wb_tallies_drop(wb_tallies *tallies, size_t from, size_t to); /* rows that leave the batch */
void wb_tallies_sum(wb_tallies *tallies,
                    size_t rows); /* adds anew, of the first rows: none moved */
/* Of a row that becomes a gap. */
void wb_tallies_empty(wb_tallies *tallies, size_t row);
/* Where a tuple of so many bytes of that row is to be written, once it lies elsewhere. NULL: no memory. */
uint8_t *wb_tallies_move(wb_tallies *tallies, size_t row, size_t bytes);

#endif
