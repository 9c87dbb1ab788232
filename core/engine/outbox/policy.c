/* SPDX-License-Identifier: MIT
 * What a policy asks of the outbox: what is known of a batch; and what a worker's script decides for it. See
 * script_client.h for what happens where a decision fails. */
#include "engine/outbox/outbox.h"

#include <string.h>

static int64_t age_of(const wb_batch *batch, int64_t now_us)
{
    int64_t since_us = wb_batch_since_us(batch);
    return now_us > since_us ? now_us - since_us : 0;
}

static void describe(const wb_outbox *outbox, const wb_batch *batch, int64_t now_us, wb_view *out)
{
    *out = (wb_view){.last = outbox->last};
    if (batch == NULL || wb_batch_left(batch) == 0)
        return;
    *out = (wb_view){
        .rows = wb_batch_left(batch),
        .bytes = batch->bytes - wb_batch_begin(batch),
        .age_us = age_of(batch, now_us),
        .attempt = batch->attempt,
        .table = wb_outbox_table_name(outbox, batch),
        .last = outbox->last,
    };
    if (batch->state == WB_BATCH_TAKEN)
        out->last = (wb_last){.rows = out->rows, .elapsed_us = now_us - batch->taken_us};
}

/* All that is open, of whatever table. */
static void describe_open(wb_outbox *outbox, int64_t now_us, wb_view *out)
{
    describe(outbox, outbox->open, now_us, out);
    out->table = NULL;
    if (outbox->lanes.count == 0)
        return;
    const wb_lane *lane = wb_lane_of(&outbox->lanes, outbox->lanes.heap[0]);
    int64_t age_us = age_of(lane->open, now_us);
    out->rows += outbox->lanes.rows;
    out->bytes += outbox->lanes.bytes;
    out->age_us = age_us > out->age_us ? age_us : out->age_us;
}

void wb_outbox_view(wb_outbox *outbox, const wb_batch *batch, wb_view *out)
{
    wb_monitor_lock(&outbox->backlog.monitor);
    int64_t now_us = wb_backlog_now_us(&outbox->backlog);
    if (batch != NULL)
        describe(outbox, batch, now_us, out);
    else
        describe_open(outbox, now_us, out);
    wb_monitor_unlock(&outbox->backlog.monitor);
}

/* ---- what a worker's script decides ---- */

static bool is_time_to_ask(wb_outbox *outbox, wb_view *view)
{
    wb_monitor_lock(&outbox->backlog.monitor);
    int64_t now_us = wb_backlog_now_us(&outbox->backlog);
    describe_open(outbox, now_us, view);
    bool now = outbox->ask_us <= now_us;
    if (now)
        outbox->ask_us = view->rows > 0 ? wb_after_us(now_us, WB_ASK_EVERY_US) : WB_NEVER;
    wb_monitor_unlock(&outbox->backlog.monitor);
    return now && view->rows > 0;
}

/* A script without a should_flush need not be asked again. */
static void ask_no_more(wb_outbox *outbox)
{
    wb_monitor_lock(&outbox->backlog.monitor);
    outbox->asking = false;
    outbox->ask_us = WB_NEVER;
    wb_monitor_unlock(&outbox->backlog.monitor);
}

void wb_outbox_ask_flush(wb_outbox *outbox)
{
    wb_view view;
    wb_stats stats;
    if (outbox->script_client.policy == NULL || !is_time_to_ask(outbox, &view))
        return;
    wb_backlog_stats(&outbox->backlog, &stats);
    if (wb_script_client_should_flush(&outbox->script_client, &stats, &view))
        wb_backlog_seal(&outbox->backlog, WB_REASON_POLICY);
    else if (!wb_script_client_may_flush(&outbox->script_client))
        ask_no_more(outbox);
}

/* This failure is among those that the script sees. */
int64_t wb_outbox_ask_retry_us(wb_outbox *outbox, const wb_batch *batch, const wb_err *err,
                               int64_t elapsed_us)
{
    wb_view view;
    wb_stats stats;
    if (outbox->script_client.policy == NULL || err->error_class == WB_REJECT)
        return 0;
    wb_outbox_view(outbox, batch, &view);
    view.last.elapsed_us = elapsed_us;
    wb_backlog_stats(&outbox->backlog, &stats);
    stats.failures++;
    stats.consecutive_failures++;
    memcpy(stats.last_error, err->text, sizeof stats.last_error);
    return wb_script_client_retry_us(&outbox->script_client, &stats, &view, err);
}
