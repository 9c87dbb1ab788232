/* SPDX-License-Identifier: MIT
 * Rows of one key become one while they wait. It knows where the row of a key is, among the batches that wait, and merges
 * rows as an upsert does (rows/merge_rows.h): an API meter's sums, an agent's newest metadata.
 *
 * It keeps an entry for each row: the hash of its key, the slot of its batch, its number there. An entry is believed only
 * where the batch is open or sealed, knows the row, and the row has that hash: so nobody has to take entries out. What is
 * taken can't be found from then on, nor what is gone, and an entry that leads nowhere is used again or sifted out.
 * Invariant: of the rows that can be found each key is one, of a table and of a shape (the columns that are left to the
 * server). A row whose key has a NULL in it, or a column that the server is to fill in, is never found.
 * No locks: its owner's. */
#ifndef WB_COALESCER_H
#define WB_COALESCER_H

#include "rows/batch.h"
#include "rows/merge_rows.h"
#include "rows/segments.h"

typedef struct wb_coalescer wb_coalescer;

typedef struct wb_row_place {
    wb_batch *batch;
    size_t row;           /* those that are gone included */
    const uint8_t *tuple; /* where it lies */
    size_t bytes;
} wb_row_place;

static inline wb_row_place wb_row_place_of(wb_batch *batch, size_t row)
{
    wb_row_place place = {.batch = batch, .row = row};
    place.tuple = wb_batch_tuple(batch, row, &place.bytes);
    return place;
}

/* Copies the option; a generated id stays that of the first row. NULL: no memory. */
wb_coalescer *wb_coalescer_new(const wb_upsert *coalesce, wb_schema *schema, const wb_env *env);
void wb_coalescer_free(wb_coalescer *coalescer);

const wb_upsert *wb_coalescer_rules(const wb_coalescer *coalescer); /* NULL of NULL */

/* The next calls are about this row, whose ids may be awaited; it is borrowed until then. Answers the hash of its key and
 * of `where`, which tells tables apart; 0: it stays as it is. */
uint32_t wb_coalescer_look(wb_coalescer *coalescer, const uint8_t *tuple, uint32_t where);
/* The row of that key which waits. False: there is none. */
bool wb_coalescer_find(wb_coalescer *coalescer, uint32_t hash, uint32_t where, wb_row_place *place);
/* What the two that were looked at and found are together, a tuple of *bytes. came_later: the one that was looked at did.
 * False: they have to stay two; *column is the one that can't be merged, a sum out of its range; SIZE_MAX: there is no
 * memory, or the tuple would be too large. */
bool wb_coalescer_merge(wb_coalescer *coalescer, bool came_later, size_t *bytes, size_t *column);
/* Writes that in the older one's place, which stands for `adds` more then. *gained: what its batch's weight did. False: no
 * memory, and nothing is changed. */
bool wb_coalescer_put(wb_coalescer *coalescer, const wb_row_place *place, uint64_t adds,
                      int64_t *gained);
/* Row `row` of a batch that waits can be found from now on, and those before it. Where there is no memory it stays as it
 * is, for good. */
void wb_coalescer_enter(wb_coalescer *coalescer, wb_batch *batch, size_t row, uint32_t hash,
                        uint32_t where);
/* Squeezes the gaps out of a batch that waits, whose rows are all entered. */
void wb_coalescer_squeeze(wb_coalescer *coalescer, wb_batch *batch);
/* The row stays as it is from now on. */
static inline void wb_coalescer_forget(const wb_row_place *place)
{
    place->batch->tallies.of[place->row].hash = 0;
}
/* The batch is somebody else's now, or free. */
void wb_coalescer_leave(wb_coalescer *coalescer, wb_batch *batch);
/* Nothing waits: where it has more memory than a few rows need, and had no use for it since it was last asked, *old takes
 * all of it, for the caller to free. */
bool wb_coalescer_rest(wb_coalescer *coalescer, bool at_once, wb_segments *old);
/* For tests: how many entries, and places of the directory, were moved so far. */
size_t wb_coalescer_work(const wb_coalescer *coalescer);

#endif
