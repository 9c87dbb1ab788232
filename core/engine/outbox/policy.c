/* SPDX-License-Identifier: MIT
 * What a policy asks of the outbox (the numbers of routes, what is known of a batch), and what a worker's script
 * decides for it. See script_client.h for what happens where a decision fails. */
#include "engine/outbox/outbox.h"

#include <string.h>

enum { TABLE_BYTES = 255 };

int wb_outbox_route(wb_outbox *outbox, const char *table, uint32_t *out, wb_err *err)
{
    if (table[0] == '\0' || strlen(table) > TABLE_BYTES)
        return wb_fail(err, WB_INVALID, "a table's name has 1 to %d bytes, this one has %zu",
                       TABLE_BYTES, strlen(table));
    uint32_t number = 0;
    if (strcmp(table, outbox->table) != 0) {
        wb_monitor_lock(&outbox->backlog.monitor);
        bool found = wb_routes_find(&outbox->routes, table, &number);
        outbox->routing = outbox->routing || found;
        wb_monitor_unlock(&outbox->backlog.monitor);
        if (!found)
            return wb_fail(err, WB_MEMORY, "out of memory for the table \"%s\"", table);
        number++;
    }
    *out = number;
    return WB_OK;
}

static void describe(const wb_outbox *outbox, const wb_batch *batch, int64_t now_us, wb_view *out)
{
    *out = (wb_view){.last = outbox->last};
    if (batch == NULL || wb_batch_left(batch) == 0)
        return;
    int64_t oldest_us = batch->opened_us + batch->rows[batch->first].age_us;
    const char *table = batch->table != NULL ? batch->table : outbox->table;
    *out = (wb_view){
        .rows = wb_batch_left(batch),
        .bytes = batch->bytes - wb_batch_begin(batch),
        .age_us = now_us > oldest_us ? now_us - oldest_us : 0,
        .attempt = batch->attempt,
        .table = batch->state == WB_BATCH_OPEN ? NULL : table,
        .last = outbox->last,
    };
    if (batch->state == WB_BATCH_TAKEN)
        out->last = (wb_last){.rows = out->rows, .elapsed_us = now_us - batch->taken_us};
}

void wb_outbox_view(wb_outbox *outbox, const wb_batch *batch, wb_view *out)
{
    wb_monitor_lock(&outbox->backlog.monitor);
    describe(outbox, batch != NULL ? batch : outbox->open, wb_backlog_now_us(&outbox->backlog),
             out);
    wb_monitor_unlock(&outbox->backlog.monitor);
}

/* ---- what a worker's script decides ---- */

static bool is_time_to_ask(wb_outbox *outbox, wb_view *view)
{
    wb_monitor_lock(&outbox->backlog.monitor);
    int64_t now_us = wb_backlog_now_us(&outbox->backlog);
    describe(outbox, outbox->open, now_us, view);
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
