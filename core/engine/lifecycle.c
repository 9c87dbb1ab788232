/* SPDX-License-Identifier: MIT
 * A pipeline's life as its owner has it: started by its first row, flushed, closed, let go. Nothing is locked here:
 * the backlog and the flusher lock themselves. A call on what an ancestor used fails with WB_FORK. */
#include "engine/lifecycle.h"

#include <errno.h>
#include <stdio.h>

#include "base/err.h"
#include "engine/exit.h"
#include "engine/flusher.h"
#include "engine/lifeline.h"

int wb_pipeline_start_slowly(wb_pipeline *pipeline, wb_err *err)
{
    int code = wb_pipeline_enter(pipeline, err);
    if (code != WB_OK || atomic_load_explicit(&pipeline->started, memory_order_relaxed))
        return code;
    atomic_store(&pipeline->used, true); /* first: a fork from now on must not take it for unused */
    wb_pipeline_take_name(pipeline);
    wb_exit_watch();
    if (pipeline->class->begin != NULL)
        code = pipeline->class->begin(pipeline, err);
    if (code == WB_OK && pipeline->threaded)
        code = wb_flusher_start(pipeline, err);
    else if (code == WB_OK && !atomic_exchange(&pipeline->started, true))
        wb_lifeline_enter(pipeline); /* exit says what its driver left undone */
    if (code == WB_OK)
        atomic_store(&pipeline->started, true);
    return code;
}

/* ---- the public functions ---- */

static int not_settled(wb_pipeline *pipeline, wb_err *err)
{
    wb_stats stats;
    wb_backlog_stats(pipeline->backlog, &stats);
    if (stats.pending == 0)
        return wb_fail(err, WB_TIMEOUT, "all %s are settled; the store is still being closed",
                       pipeline->backlog->class->unit);
    const char *why = stats.consecutive_failures > 0 ? stats.last_error : "";
    return wb_fail(err, WB_TIMEOUT, "%llu %s are not settled yet%s%s",
                   (unsigned long long)stats.pending, pipeline->backlog->class->unit,
                   why[0] != '\0' ? ": " : "", why);
}

/* What is driven is settled by its driver: there is nothing to wait for in here. */
static bool wait_settled(wb_pipeline *pipeline, uint64_t ticket, int64_t deadline_us)
{
    return pipeline->threaded ? wb_backlog_wait(pipeline->backlog, ticket, deadline_us)
                              : wb_backlog_settled(pipeline->backlog, ticket);
}

int wb_pipeline_flush(wb_pipeline *pipeline, int64_t deadline_us, wb_err *err)
{
    int code = wb_pipeline_enter(pipeline, err);
    if (code != WB_OK)
        return code;
    uint64_t ticket = wb_backlog_seal(pipeline->backlog, WB_REASON_FLUSH);
    return wait_settled(pipeline, ticket, deadline_us) ? WB_OK : not_settled(pipeline, err);
}

int wb_pipeline_close(wb_pipeline *pipeline, int64_t deadline_us, wb_err *err)
{
    int code = wb_pipeline_enter(pipeline, err);
    if (code != WB_OK)
        return code;
    wb_backlog_close(pipeline->backlog);
    bool settled = wait_settled(pipeline, UINT64_MAX, deadline_us);
    if (!settled || !wb_flusher_join(pipeline, deadline_us))
        return not_settled(pipeline, err);
    if (!pipeline->threaded)
        wb_pipeline_end_session(pipeline);
    if (pipeline->class->halt != NULL)
        pipeline->class->halt(pipeline);
    wb_name_release(&pipeline->name);
    return WB_OK;
}

int wb_pipeline_stop(wb_pipeline *pipeline, int64_t deadline_us, wb_err *err)
{
    int code = wb_pipeline_enter(pipeline, err);
    if (code != WB_OK)
        return code;
    wb_backlog_close(pipeline->backlog);
    wb_flusher_stop(pipeline, false);
    return wb_flusher_join(pipeline, deadline_us) ? WB_OK : not_settled(pipeline, err);
}

/* One that an ancestor used is left as it is: its lock may be held, and its connection is not ours. */
void wb_pipeline_detach(wb_pipeline *pipeline)
{
    if (pipeline == NULL || wb_pipeline_enter(pipeline, NULL) != WB_OK)
        return;
    if (pipeline->threaded) {
        wb_backlog_close(pipeline->backlog);
    } else {
        wb_lifeline_leave(pipeline);
        wb_pipeline_report_lost(pipeline);
    }
    wb_flusher_detach(pipeline);
    wb_pipeline_unref(pipeline);
}

int wb_pipeline_stats(wb_pipeline *pipeline, wb_stats *out, wb_err *err)
{
    int code = wb_pipeline_enter(pipeline, err);
    if (code == WB_OK)
        wb_backlog_stats(pipeline->backlog, out);
    return code;
}

bool wb_pipeline_event(wb_pipeline *pipeline, wb_event *out)
{
    if (wb_pipeline_enter(pipeline, NULL) != WB_OK || !wb_backlog_event(pipeline->backlog, out))
        return false;
    out->name = wb_name_text(&pipeline->name);
    if (out->table[0] == '\0' && pipeline->target.table != NULL)
        snprintf(out->table, sizeof out->table, "%s", pipeline->target.table);
    return true;
}

const char *wb_pipeline_name(const wb_pipeline *pipeline)
{
    return wb_name_text(&pipeline->name);
}

int wb_pipeline_fd(wb_pipeline *pipeline)
{
    if (wb_pipeline_enter(pipeline, NULL) != WB_OK) {
        errno = ECHILD;
        return -1;
    }
    atomic_store(&pipeline->used, true);
    wb_pipeline_take_name(pipeline);
    return wb_backlog_fd(pipeline->backlog);
}

uint64_t wb_pipeline_seal(wb_pipeline *pipeline, int reason)
{
    return wb_backlog_seal(pipeline->backlog, reason);
}

bool wb_pipeline_settled(wb_pipeline *pipeline, uint64_t ticket)
{
    return wb_backlog_settled(pipeline->backlog, ticket);
}

int64_t wb_pipeline_next_due_us(wb_pipeline *pipeline)
{
    return wb_backlog_next_due_us(pipeline->backlog);
}

int64_t wb_pipeline_now_us(wb_pipeline *pipeline)
{
    return wb_backlog_now_us(pipeline->backlog);
}

void wb_pipeline_wait_until(wb_pipeline *pipeline, int64_t until_us)
{
    pipeline->env.wait_until(pipeline->env.context, until_us);
}
