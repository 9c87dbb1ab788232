/* SPDX-License-Identifier: MIT
 * What happens to a row that has no room: it waits, is refused, takes the place of the oldest, or is dropped itself, as the
 * option `overflow` or the policy says. Locked. */
#include "engine/outbox/replay.h"
#include "engine/outbox/spooled.h"
#include "engine/outbox/trial.h"

static bool fits(const wb_outbox *outbox, size_t weight)
{
    return outbox->backlog.metrics.pending_rows < outbox->max_rows &&
           outbox->backlog.metrics.pending_bytes + weight <= outbox->max_bytes;
}

static int full(const wb_outbox *outbox, wb_err *err)
{
    const wb_metrics *metrics = &outbox->backlog.metrics;
    if (metrics->pending_rows >= outbox->max_rows)
        return wb_fail(err, WB_FULL, "full: %llu rows are pending (max_pending_rows)%s%s",
                       (unsigned long long)metrics->pending_rows,
                       metrics->last_error[0] != '\0' ? ": " : "",
                       metrics->consecutive_failures > 0 ? metrics->last_error : "");
    return wb_fail(err, WB_FULL, "full: %llu bytes are pending (max_pending_bytes)",
                   (unsigned long long)metrics->pending_bytes);
}

static int wait_for_room(wb_outbox *outbox, int64_t *give_up_us, wb_err *err)
{
    if (!outbox->backlog.threaded) /* nobody else makes room: the driver asks again */
        return full(outbox, err);
    int64_t now_us = wb_now_us();
    if (*give_up_us == 0)
        *give_up_us = wb_after_us(now_us, outbox->block_timeout_us);
    if (now_us >= *give_up_us)
        return full(outbox, err);
    wb_monitor_wait(&outbox->backlog.monitor, *give_up_us);
    return WB_OK;
}

/* Nothing else makes room but what is open. A table that waits for its next try is no hope for the others. */
static bool is_idle(wb_outbox *outbox, int64_t now_us)
{
    if (outbox->taken.first != NULL)
        return false;
    if (outbox->routes.count == 0)
        return outbox->sealed.first == NULL;
    return outbox->backlog.gate_us <= now_us && wb_batch_list_due_us(&outbox->sealed) > now_us;
}

/* Is there room for the row once all that nobody has taken is dropped? */
static bool fits_beside_taken(const wb_outbox *outbox, size_t weight)
{
    uint64_t rows = 0, bytes = 0;
    for (const wb_batch *batch = outbox->taken.first; batch != NULL; batch = batch->next) {
        rows += wb_batch_left(batch);
        bytes += wb_batch_weight(batch);
    }
    return rows < outbox->max_rows && bytes + weight <= outbox->max_bytes;
}

/* All its rows were dropped. Its trial, if it was a part of one, may come to an end by that. */
static void settle_oldest(wb_outbox *outbox)
{
    wb_batch *oldest = outbox->sealed.first;
    wb_trial *trial = oldest->trial;
    if (trial != NULL)
        trial->batches++;
    wb_batch_list_remove(&outbox->sealed, oldest);
    wb_outbox_settle(outbox, oldest);
    if (trial != NULL)
        wb_trial_go_on(outbox, trial, wb_backlog_now_us(&outbox->backlog));
}

/* Locked, but not meanwhile. */
static bool bring_back(wb_outbox *outbox)
{
    if (outbox->parked_rows == 0)
        return false;
    wb_monitor_unlock(&outbox->backlog.monitor);
    bool back = wb_outbox_replay(outbox);
    wb_monitor_lock(&outbox->backlog.monitor);
    return back;
}

/* The oldest row that nobody has taken gives way, and then all is looked at again: it may be the one that was to grow. Where
 * all are taken, the new row is refused. */
static int drop_oldest(wb_outbox *outbox, size_t weight, wb_err *err)
{
    if (!fits_beside_taken(outbox, weight))
        return full(outbox, err);
    uint64_t dropped = 0;
    while (dropped == 0 && !fits(outbox, weight)) {
        wb_batch *oldest = outbox->sealed.first;
        if (oldest == NULL && !wb_outbox_has_open(outbox))
            return bring_back(outbox) ? WB_OK : full(outbox, err);
        if (oldest != NULL)
            wb_outbox_spool_settle(outbox, oldest, 0, 1);
        uint64_t adds =
            oldest != NULL ? wb_outbox_skip(outbox, oldest, 1) : wb_outbox_skip_oldest_open(outbox);
        outbox->backlog.metrics.dropped += adds;
        dropped += adds;
        if (oldest != NULL && wb_batch_left(oldest) == 0)
            settle_oldest(outbox);
    }
    wb_log_line(outbox->backlog.log, WB_TOPIC_DROP, WB_ERROR, wb_backlog_now_us(&outbox->backlog),
                dropped, "full: dropped the oldest rows, %llu so far",
                (unsigned long long)outbox->backlog.metrics.dropped);
    wb_monitor_tell(&outbox->backlog.monitor);
    wb_backlog_changed(&outbox->backlog);
    return WB_OK;
}

int wb_outbox_make_room(wb_outbox *outbox, size_t weight, int overflow, int64_t *give_up_us,
                        wb_err *err)
{
    if (weight > outbox->max_bytes)
        return wb_fail(err, WB_INVALID,
                       "a row of %zu bytes is larger than max_pending_bytes (%llu)", weight,
                       (unsigned long long)outbox->max_bytes);
    if (overflow == WB_OVERFLOW_ASK)
        return full(outbox, err);
    int64_t now_us = wb_backlog_now_us(&outbox->backlog);
    if (is_idle(outbox, now_us) && overflow != WB_OVERFLOW_DROP_OLDEST) {
        wb_outbox_seal_all(outbox, WB_REASON_SIZE);
        wb_monitor_wake_by(&outbox->backlog.monitor, WB_NOW);
        wb_backlog_changed(&outbox->backlog);
    }
    switch (overflow) {
    case WB_OVERFLOW_BLOCK:
        return wait_for_room(outbox, give_up_us, err);
    case WB_OVERFLOW_DROP_OLDEST:
        return drop_oldest(outbox, weight, err);
    case WB_OVERFLOW_DROP_NEWEST:
        return WB_FULL;
    default:
        wb_log_line(outbox->backlog.log, WB_TOPIC_FULL, WB_WARN, now_us,
                    outbox->backlog.metrics.pending_rows,
                    "full: new rows are refused, %llu rows of %llu bytes are pending",
                    (unsigned long long)outbox->backlog.metrics.pending_rows,
                    (unsigned long long)outbox->backlog.metrics.pending_bytes);
        wb_backlog_changed(&outbox->backlog);
        return full(outbox, err);
    }
}

int wb_outbox_drop_newest(wb_outbox *outbox)
{
    outbox->backlog.metrics.accepted++;
    outbox->backlog.metrics.dropped++;
    wb_log_line(outbox->backlog.log, WB_TOPIC_DROP, WB_ERROR, wb_backlog_now_us(&outbox->backlog),
                1, "full: dropped the newest row, %llu so far",
                (unsigned long long)outbox->backlog.metrics.dropped);
    wb_backlog_changed(&outbox->backlog);
    return WB_OK;
}
