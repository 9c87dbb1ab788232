/* SPDX-License-Identifier: MIT
 * The limits of what is pending, and what the log says of them: a line when a row comes that makes either 80 % full, and
 * one when both are half empty again.
 * Invariant: the calm limits, which each add compares with, are 80 % of the true ones; once that was said they are the
 * true ones, until there is room again. So an add in a calm costs what it would without any of this. Locked. */
#include "engine/outbox/outbox.h"

void wb_outbox_set_calm(wb_outbox *outbox)
{
    outbox->calm_rows = outbox->max_rows - (outbox->crowded ? 0 : outbox->max_rows / 5);
    outbox->calm_bytes = outbox->max_bytes - (outbox->crowded ? 0 : outbox->max_bytes / 5);
}

static void warn(wb_outbox *outbox)
{
    wb_backlog *backlog = &outbox->backlog;
    bool rows = backlog->metrics.pending_rows >= outbox->calm_rows;
    uint64_t pending = rows ? backlog->metrics.pending_rows : backlog->metrics.pending_bytes;
    wb_log_line(backlog->log, WB_TOPIC_CROWDED, WB_WARN, wb_backlog_now_us(backlog),
                backlog->metrics.pending_rows,
                "nearly full: %llu %s of at most %llu are pending (%s)",
                (unsigned long long)pending, rows ? "rows" : "bytes",
                (unsigned long long)(rows ? outbox->max_rows : outbox->max_bytes),
                rows ? "max_pending_rows" : "max_pending_bytes");
    wb_backlog_changed(backlog);
}

bool wb_outbox_fits_crowded(wb_outbox *outbox, size_t weight)
{
    const wb_metrics *metrics = &outbox->backlog.metrics;
    bool fits = metrics->pending_rows < outbox->max_rows &&
                metrics->pending_bytes + weight <= outbox->max_bytes;
    if (outbox->crowded || weight > outbox->max_bytes)
        return fits;
    if (fits) /* else the overflow has its own words */
        warn(outbox);
    outbox->crowded = true;
    wb_outbox_set_calm(outbox);
    return fits;
}

void wb_outbox_look_for_room(wb_outbox *outbox)
{
    wb_backlog *backlog = &outbox->backlog;
    uint64_t rows = backlog->metrics.pending_rows, bytes = backlog->metrics.pending_bytes;
    if (!outbox->crowded || rows > outbox->max_rows / 2 || bytes > outbox->max_bytes / 2)
        return;
    outbox->crowded = false;
    wb_outbox_set_calm(outbox);
    wb_log_line(backlog->log, WB_TOPIC_ROOM, WB_INFO, wb_backlog_now_us(backlog), rows,
                "there is room again: %llu rows of %llu bytes are pending",
                (unsigned long long)rows, (unsigned long long)bytes);
}

static uint64_t left_of(uint64_t most, uint64_t pending)
{
    if (most >= WB_NO_LIMIT)
        return UINT64_MAX;
    return most > pending ? most - pending : 0;
}

void wb_outbox_room(wb_outbox *outbox, uint64_t *rows, uint64_t *bytes)
{
    const wb_metrics *metrics = &outbox->backlog.metrics;
    wb_monitor_lock(&outbox->backlog.monitor);
    *rows = left_of(outbox->max_rows, metrics->pending_rows);
    *bytes = left_of(outbox->max_bytes, metrics->pending_bytes);
    wb_monitor_unlock(&outbox->backlog.monitor);
}
