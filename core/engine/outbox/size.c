/* SPDX-License-Identifier: MIT
 * How many rows a write has. What the outbox makes larger, by merging what waits, it also makes smaller: a store may
 * be well and slow. A write whose time was up comes back at most half as large, down to one row, and that is no
 * attempt. One that took more than half of its time makes the next half as large. Quick ones let the size grow again,
 * by a step each.
 * (Additive increase, multiplicative decrease: D. Chiu and R. Jain, "Analysis of the Increase and Decrease Algorithms
 * for Congestion Avoidance in Computer Networks", 1989.)
 * Invariant: 1 <= write_rows <= most_write_rows. A batch in doubt is never cut, nor is a piece of a rejected one. */
#include "engine/outbox/outbox.h"

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

/* The first rows, in a batch of their own; NULL: no memory. */
static wb_batch *head_of(const wb_batch *batch, size_t rows)
{
    wb_batch *head = wb_batch_new(batch->schema);
    if (head != NULL && !wb_batch_merge_run(head, batch, 0, rows)) {
        wb_batch_free(head);
        head = NULL;
    }
    return head;
}

static void become_taken(wb_outbox *outbox, wb_batch *head, const wb_batch *batch)
{
    head->serial = batch->serial;
    head->rank = batch->rank;
    head->reason = batch->reason;
    head->route = batch->route;
    head->table = batch->table;
    head->routed = batch->routed;
    head->attempt = batch->attempt;
    head->taken_us = batch->taken_us;
    head->rejected = batch->rejected;
    wb_outbox_new_id(outbox, head);
    wb_outbox_take_new(outbox, head);
}

static void put_rest_back(wb_outbox *outbox, wb_batch *batch, size_t rows)
{
    wb_batch_list_remove(&outbox->taken, batch);
    wb_batch_skip(batch, rows);
    batch->rank += rows;
    batch->attempt--; /* this one is not its own */
    batch->due_us = INT64_MIN;
    wb_outbox_new_id(outbox, batch);
    wb_batch_become(batch, WB_BATCH_SEALED);
    wb_batch_list_put(&outbox->sealed, batch);
}

wb_batch *wb_outbox_cut(wb_outbox *outbox, wb_batch *batch)
{
    wb_monitor_lock(&outbox->backlog.monitor);
    size_t rows = outbox->write_rows;
    wb_monitor_unlock(&outbox->backlog.monitor);
    if (wb_batch_left(batch) <= rows || batch->in_doubt || batch->piece)
        return batch;
    wb_batch *head = head_of(batch, rows);
    if (head == NULL)
        return batch;
    wb_monitor_lock(&outbox->backlog.monitor);
    become_taken(outbox, head, batch);
    put_rest_back(outbox, batch, rows);
    wb_backlog_changed(&outbox->backlog);
    wb_monitor_unlock(&outbox->backlog.monitor);
    return head;
}
