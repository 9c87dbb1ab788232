/* SPDX-License-Identifier: MIT
 * Strict order: where it matters which of two rows is written first (wb_upsert_ordered), nothing of a table is written past
 * a batch of it that waits, or is being written. So of each table only the first of the sealed batches may be taken. Rows
 * that were refused and wait (wb_trial_steps_aside) stand in nobody's way: else a bad row that comes first would wait for a
 * witness, and its table for that row. Not locked: the outbox's lock holds. */
#ifndef WB_ORDER_H
#define WB_ORDER_H

#include "engine/outbox/outbox.h"

/* Before a walk over the sealed batches, from the first on. */
void wb_order_begin(wb_outbox *outbox);
/* May the batch be taken, by the order? Once for each, in the walk. Where order does not matter, all may. */
bool wb_order_lets(wb_outbox *outbox, const wb_batch *batch);
/* The earliest due time of those; WB_NEVER: there are none. */
int64_t wb_order_due_us(wb_outbox *outbox);

#endif
