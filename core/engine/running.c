/* SPDX-License-Identifier: MIT
 * What is done to a batcher while it runs: other options, dropping what waits, how much room there is. The outbox has the
 * lock, and the options as they are. A call on what an ancestor used fails with WB_FORK. */
#include "engine/spooling.h"
#include "engine/options.h"
#include "engine/outbox/outbox.h"
#include "engine/pipeline.h"

static wb_outbox *outbox_of(wb_batcher *batcher)
{
    return (wb_outbox *)wb_batcher_pipeline(batcher)->backlog;
}

/* ---- options ---- */

void wb_batcher_options_of(wb_batcher *batcher, wb_batcher_options *out)
{
    wb_outbox *outbox = outbox_of(batcher);
    wb_monitor_lock(&outbox->backlog.monitor);
    *out = outbox->options;
    wb_monitor_unlock(&outbox->backlog.monitor);
}

/* Locked. Names are the same, but the caller's. */
static void change(wb_pipeline *pipeline, wb_outbox *outbox, const wb_batcher_options *options)
{
    wb_batcher_options own = *options;
    own.table = outbox->options.table;
    own.name = outbox->options.name;
    own.dead_path = outbox->options.dead_path;
    own.spool_path = outbox->options.spool_path;
    pipeline->interval_us = own.interval_us;
    atomic_store(&pipeline->close_timeout_us, own.close_timeout_us);
    atomic_store(&pipeline->write_timeout_us, own.write_timeout_us);
    wb_log_limit(pipeline->log, own.events, own.max_pending_rows);
    wb_outbox_configure(outbox, &own);
}

int wb_batcher_configure(wb_batcher *batcher, const wb_batcher_options *options, wb_err *err)
{
    wb_pipeline *pipeline = wb_batcher_pipeline(batcher);
    wb_outbox *outbox = outbox_of(batcher);
    wb_batcher_options now;
    int code = wb_pipeline_enter(pipeline, err);
    if (code != WB_OK)
        return code;
    wb_batcher_options_of(batcher, &now);
    code = wb_batcher_options_check_change(&now, options, err);
    if (code != WB_OK)
        return code;
    wb_monitor_lock(&outbox->backlog.monitor);
    change(pipeline, outbox, options);
    wb_monitor_unlock(&outbox->backlog.monitor);
    wb_log_print(pipeline->log);
    return WB_OK;
}

/* ---- rows ---- */

int wb_batcher_purge(wb_batcher *batcher, uint64_t *rows, wb_err *err)
{
    int code = wb_pipeline_enter(wb_batcher_pipeline(batcher), err);
    uint64_t dropped = code == WB_OK ? wb_outbox_purge(outbox_of(batcher)) : 0;
    if (code == WB_OK && rows != NULL)
        *rows = dropped;
    return code;
}

int wb_batcher_room(wb_batcher *batcher, uint64_t *rows, uint64_t *bytes, wb_err *err)
{
    int code = wb_pipeline_enter(wb_batcher_pipeline(batcher), err);
    if (code == WB_OK)
        wb_outbox_room(outbox_of(batcher), rows, bytes);
    return code;
}

int wb_batcher_sync(wb_batcher *batcher, int64_t deadline_us, wb_err *err)
{
    int code = wb_pipeline_enter(wb_batcher_pipeline(batcher), err);
    return code == WB_OK ? wb_spooling_sync(wb_batcher_spooling_of(batcher), deadline_us, err)
                         : code;
}
