/* SPDX-License-Identifier: MIT
 * A list of batches in the order of their serials, routes and ranks. It remembers the
 * earliest due time, since an outbox may have ten thousand batches. Not locked: its owner's lock holds. */
#ifndef WB_BATCH_LIST_H
#define WB_BATCH_LIST_H

#include "rows/batch.h"

/* All zero: empty. */
typedef struct wb_batch_list {
    wb_batch *first, *last;
    int64_t due_us; /* the earliest of them, where it is known */
    bool due_known;
} wb_batch_list;

void wb_batch_list_put(wb_batch_list *list, wb_batch *batch); /* at its place */
void wb_batch_list_remove(wb_batch_list *list, wb_batch *batch);
int64_t wb_batch_list_due_us(wb_batch_list *list); /* WB_NEVER: there are none, or none ever is */
/* Of a batch that is in the list: the only way to change it. */
void wb_batch_list_delay(wb_batch_list *list, wb_batch *batch, int64_t due_us);
/* Is not due before that time, whatever its own is. */
void wb_batch_list_hold_back(wb_batch_list *list, wb_batch *batch, int64_t until_us);

#endif
