/* SPDX-License-Identifier: MIT
 * What the event of a write says of its batch. The taker calls this before it gives the batch up: so it needs no lock.
 * Without memory for the ids there are none. */
#include "engine/outbox/outbox.h"

#include <stdio.h>
#include <string.h>

#include "base/env.h"

/* The ids of the rows that are left, one after another. */
static uint8_t *ids_of(const wb_batch *batch, size_t column)
{
    size_t rows = wb_batch_left(batch), bytes;
    uint8_t *ids = wb_alloc(rows * 16);
    for (size_t i = 0; ids != NULL && i < rows; i++) {
        wb_value id = wb_row_value(batch->schema, wb_batch_row(batch, i, &bytes), column);
        memcpy(ids + i * 16, id.text, 16);
    }
    return ids;
}

void wb_outbox_report(const wb_outbox *outbox, const wb_batch *batch, wb_event *event)
{
    snprintf(event->table, sizeof event->table, "%s", wb_outbox_table_name(outbox, batch));
    event->bytes = batch->bytes - wb_batch_begin(batch);
    memcpy(event->id, batch->id, sizeof event->id);
    if (outbox->ids_column >= 0 && batch->schema == outbox->schema)
        event->ids = ids_of(batch, (size_t)outbox->ids_column);
}
