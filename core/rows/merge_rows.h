/* SPDX-License-Identifier: MIT
 * Rows of one key become one, by what an upsert says of each column, in the order in which they came. The row so far is
 * where the fields of each column are: none is copied before the end, so that a large value costs nothing while others are
 * merged into its row. Pure, no locks: its owner calls. Only memory fails. */
#ifndef WB_MERGE_ROWS_H
#define WB_MERGE_ROWS_H

#include "base/buffer.h"
#include "rows/schema.h"
#include "rows/upsert.h"

/* It borrows all tuples from wb_merging_begin on. */
typedef struct wb_merging {
    const wb_upsert *upsert; /* a wb_upsert_copy */
    const wb_schema *schema;
    bool shapes; /* rows may leave columns to the server */
    struct wb_changing {
        size_t column;
        int word;   /* enum wb_merge */
        bool whole; /* eight bytes that are a whole number */
    } * changing; /* columns that may become another row's, or a sum; the others stay the older row's */
    size_t changing_count;
    const uint8_t **fields; /* of each column, in a tuple or in sums[side] */
    const uint8_t *
        *came; /* the same of the row that is added; once merged, what those that change become */
    wb_buffer sums[2]; /* of those columns that are summed */
    int side;
    size_t bytes;      /* of the tuple that wb_merging_put writes */
    size_t came_bytes; /* of the row that is added; once merged, what it becomes */
    size_t refused; /* the column that could not be merged, where the last merge failed for one */
    bool no_memory;
} wb_merging;

/* Needs wb_merging_fini, also where it fails: no memory. One can be used for many keys. */
bool wb_merging_init(wb_merging *merging, const wb_upsert *upsert, const wb_schema *schema);
void wb_merging_fini(wb_merging *merging);

/* The first row. No tuple awaits an id. */
void wb_merging_begin(wb_merging *merging, const uint8_t *tuple);
/* The next one, which came later. What becomes of a column:
 *   nothing      the older row stays as it is
 *   keep         the older row's value
 *   set          that of the row whose `newest` is larger, NULL being the smallest; else the newer row's
 *   first, last  the older row's, the newer row's: not NULL where one is not
 *   min, max     in PostgreSQL's order, without NULL; of equal ones the older row's
 *   sum          without NULL
 * False: they have to stay two, and nothing is changed. A sum is out of its type's range, which the server is to say, or
 * they leave different columns to the server, or the tuple would be too large, or there is no memory. */
bool wb_merging_add(wb_merging *merging, const uint8_t *tuple);
/* The same in steps. The row that comes is looked at; it may change places with the one that is there. Then they are
 * merged, which changes nothing yet, and what that makes is taken, or is written over the tuple that it began with, where
 * no field has another length: else false, and nothing is written. */
void wb_merging_look(wb_merging *merging, const uint8_t *tuple);
static inline void wb_merging_turn(wb_merging *merging)
{
    const uint8_t **fields = merging->fields;
    merging->fields = merging->came;
    merging->came = fields;
    size_t bytes = merging->bytes;
    merging->bytes = merging->came_bytes;
    merging->came_bytes = bytes;
}
bool wb_merging_merge(wb_merging *merging);
void wb_merging_take(wb_merging *merging);
bool wb_merging_write_over(const wb_merging *merging);
/* Was there no memory? */
static inline bool wb_merging_failed(const wb_merging *merging)
{
    return merging->no_memory;
}
/* Appends the tuple of all of them. */
void wb_merging_put(const wb_merging *merging, wb_buffer *to);

#endif
