/* SPDX-License-Identifier: MIT
 * A list of batches in the order of their serials, routes and ranks. What is asked of it all the time (when the first
 * of them is due, how many are suspects) it knows without a look at each: an outbox may have ten thousand. Not
 * locked: its owner's lock holds. */
#ifndef WB_BATCHES_H
#define WB_BATCHES_H

#include "rows/batch.h"

/* All zero: empty. */
typedef struct wb_batches {
    wb_batch *first, *last;
    size_t suspects;
    int64_t due_us; /* the earliest of them, where it is known */
    bool due_known;
} wb_batches;

void wb_batches_put(wb_batches *list, wb_batch *batch); /* at its place */
void wb_batches_remove(wb_batches *list, wb_batch *batch);
int64_t wb_batches_due_us(wb_batches *list); /* WB_NEVER: there are none, or none ever is */
/* Of one that is in the list, these are changed through it alone. */
void wb_batches_delay(wb_batches *list, wb_batch *batch, int64_t due_us);
void wb_batches_acquit(wb_batches *list, wb_batch *batch); /* it is no suspect any more */

#endif
