/* SPDX-License-Identifier: MIT
 * How many rows a write has. What the outbox makes larger, by merging what waits, it also makes smaller: a store may
 * be well and slow. A write whose time was up comes back at most half as large, down to one row, and that is no
 * attempt. One that took more than half of its time makes the next half as large. Quick ones let the size grow again,
 * by a step each.
 * (Additive increase, multiplicative decrease: D. Chiu and R. Jain, "Analysis of the Increase and Decrease Algorithms
 * for Congestion Avoidance in Computer Networks", 1989.)
 * Rows that grew after they were sealed, as others became part of them, may make a batch larger than batch_bytes: it is cut
 * there, too.
 * Invariant: 1 <= write_rows <= most_write_rows. A batch in doubt is never cut; a part of a trial is, as
 * any other. */
#include "engine/outbox/pieces.h"

enum { STEPS = 4 }; /* from no rows to batch_size */

static uint64_t half_of(uint64_t rows)
{
    return rows > 1 ? rows / 2 : 1;
}

void wb_outbox_write_took(wb_outbox *outbox, size_t rows, int64_t elapsed_us)
{
    int64_t timeout_us = outbox->write_timeout_us;
    uint64_t step = outbox->thresholds.batch_size / STEPS + 1;
    if (elapsed_us > timeout_us / 2) {
        uint64_t half = half_of(rows);
        outbox->write_rows = half < outbox->write_rows ? half : outbox->write_rows;
    } else if (elapsed_us < timeout_us / 4 &&
               rows + outbox->thresholds.batch_size >
                   outbox->write_rows) { /* what is merged is whole batches */
        uint64_t room = outbox->most_write_rows - outbox->write_rows;
        outbox->write_rows += step < room ? step : room;
    }
}

bool wb_outbox_write_smaller(wb_outbox *outbox, size_t rows)
{
    if (rows < 2)
        return false;
    uint64_t half = half_of(rows);
    outbox->write_rows = half < outbox->write_rows ? half : outbox->write_rows;
    return true;
}

/* ---- cutting ---- */

/* So many of the batch's rows have that size together; at least one. */
static size_t rows_within(const wb_batch *batch, size_t bytes)
{
    size_t left = wb_batch_left(batch), begin = wb_batch_begin(batch), rows = 1;
    if (batch->bytes - begin <= bytes)
        return left;
    while (rows < left && wb_batch_begin_of(batch, rows + 1) - begin <= bytes)
        rows++;
    return rows;
}

wb_batch *wb_outbox_cut(wb_outbox *outbox, wb_batch *batch)
{
    wb_monitor_lock(&outbox->backlog.monitor);
    size_t rows = outbox->write_rows, bytes = outbox->thresholds.batch_bytes;
    wb_monitor_unlock(&outbox->backlog.monitor);
    size_t within = rows_within(batch, bytes);
    rows = within < rows ? within : rows;
    if (wb_batch_left(batch) <= rows || batch->in_doubt)
        return batch;
    wb_batch *head = wb_outbox_divide_taken(outbox, batch, wb_class_head, &rows);
    return head != NULL ? head : batch;
}
