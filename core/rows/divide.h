/* SPDX-License-Identifier: MIT
 * Dividing a batch, and putting its rows in order. A batch is divided by the class of each row, whatever the reason
 * is: the table that it goes to, its place, what a store said of it. Pure: no locks; without memory nothing is
 * changed. */
#ifndef WB_DIVIDE_H
#define WB_DIVIDE_H

#include "rows/batch.h"

/* The class of row `index` of those that are left. The same each time that it is asked, up to the division's end. */
typedef size_t wb_row_class(const wb_batch *batch, size_t index, const void *context);

/* Copies the rows of each class into a batch of its own, but those of the last row's class: so the rest of a large
 * batch is not copied. Rows keep their order. The new batches are open, without an id, in the order of their first
 * rows; they have the batch's origin (serial, route, table, reason, opening), its standing, and a `rank` by
 * their first row's place.
 * *pieces becomes NULL where all rows are of one class. The batch is only read. */
bool wb_batch_copy_pieces(const wb_batch *batch, wb_row_class *class_of, const void *context,
                          wb_batch **pieces);
/* An empty piece of the batch, whose first row is to be the one of that index; NULL: no memory. */
wb_batch *wb_batch_piece(const wb_batch *batch, size_t first_row);
/* Drops from the batch all rows but those of one class, which has some. */
void wb_batch_keep(wb_batch *batch, wb_row_class *class_of, const void *context, size_t class);
/* The same: what wb_batch_copy_pieces did not copy is kept. */
void wb_batch_keep_rest(wb_batch *batch, wb_row_class *class_of, const void *context);

/* A batch of its rows, without the gaps, all tuples in it; NULL: no memory. And the rows change places with another's. */
wb_batch *wb_batch_tidied(const wb_batch *batch);
void wb_batch_swap_rows(wb_batch *batch, wb_batch *other);
/* Sorts the rows that are left by a column's values, NULL first; equals keep their order. */
bool wb_batch_sort(wb_batch *batch, size_t column);

#endif
