/* SPDX-License-Identifier: MIT
 * The common part of batchers and trackers. No lock of its own: `used` and `process` are atomic, the session
 * belongs to the flusher's thread, the rest does not change. */
#include "engine/pipeline.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "engine/lifeline.h"

static bool copy_names(wb_target *target, const wb_target *from)
{
    target->table = wb_strdup(from->table);
    target->key = from->key == NULL ? NULL : wb_strdup(from->key);
    target->column = from->column == NULL ? NULL : wb_strdup(from->column);
    return target->table != NULL && (from->key == NULL || target->key != NULL) &&
           (from->column == NULL || target->column != NULL);
}

int wb_pipeline_init(wb_pipeline *pipeline, const wb_pipeline_class *class,
                     const wb_pipeline_options *options, wb_err *err)
{
    memset(pipeline, 0, sizeof *pipeline);
    pipeline->class = class;
    atomic_init(&pipeline->references, 1);
    atomic_init(&pipeline->used, false);
    atomic_init(&pipeline->started, false);
    atomic_init(&pipeline->process, wb_fork_generation());
    pipeline->env = options->clock != NULL ? wb_env_of_clock(options->clock) : wb_env_system;
    pipeline->clock = options->clock != NULL ? wb_clock_ref(options->clock) : NULL;
    pipeline->store = options->store != NULL ? wb_store_ref(options->store) : NULL;
    pipeline->threaded = options->store != NULL && options->clock == NULL && !options->driven;
    pipeline->target = options->target;
    if (pipeline->target.schema != NULL)
        wb_schema_ref(pipeline->target.schema);

    char name[128];
    snprintf(name, sizeof name, "%s %s", options->what, options->target.table);
    pipeline->log = wb_log_new(name, options->log_events, options->flush_events);
    pipeline->target.log = pipeline->log;
    if (!copy_names(&pipeline->target, &options->target) || pipeline->log == NULL) {
        wb_pipeline_fini(pipeline);
        return wb_fail(err, WB_MEMORY, "%s: out of memory", options->what);
    }
    return WB_OK;
}

void wb_pipeline_fini(wb_pipeline *pipeline)
{
    wb_free((void *)pipeline->target.table);
    wb_free((void *)pipeline->target.key);
    wb_free((void *)pipeline->target.column);
    wb_schema_unref(pipeline->target.schema);
    wb_log_free(pipeline->log);
    wb_store_unref(pipeline->store);
    wb_clock_unref(pipeline->clock);
}

int wb_pipeline_enter(wb_pipeline *pipeline, wb_err *err)
{
    unsigned process = wb_fork_generation_now();
    if (atomic_load_explicit(&pipeline->process, memory_order_relaxed) == process)
        return WB_OK;
    if (atomic_load(&pipeline->used))
        return wb_fail(err, WB_FORK,
                       "used before fork: its rows are the parent's; make a new one here");
    atomic_store(&pipeline->process, process);
    return WB_OK;
}

int wb_pipeline_start(wb_pipeline *pipeline, wb_err *err)
{
    if (atomic_load_explicit(&pipeline->started, memory_order_relaxed))
        return WB_OK;
    atomic_store(&pipeline->used, true); /* first: a fork from now on must not take it for unused */
    int code = WB_OK;
    if (pipeline->threaded)
        code = wb_flusher_start(&pipeline->flusher, err);
    else if (!atomic_exchange(&pipeline->started, true))
        wb_lifeline_enter(&pipeline->flusher); /* exit says what its driver left undone */
    if (code == WB_OK)
        atomic_store(&pipeline->started, true);
    return code;
}

int wb_pipeline_session(wb_pipeline *pipeline, wb_session **out, wb_err *err)
{
    if (pipeline->session == NULL)
        pipeline->session = pipeline->store->class->session(pipeline->store, &pipeline->target);
    if (pipeline->session == NULL)
        return wb_fail_store(err, WB_RETRY, "out of memory for a session");
    *out = pipeline->session;
    return WB_OK;
}

void wb_pipeline_end_session(wb_pipeline *pipeline)
{
    if (pipeline->session != NULL)
        pipeline->session->class->end(pipeline->session);
    pipeline->session = NULL;
}

int wb_pipeline_may_write(wb_pipeline *pipeline, wb_err *err)
{
    if (pipeline->store == NULL || pipeline->threaded)
        return wb_fail(err, WB_MISUSE, "write: there is no store of its own to drive");
    return wb_pipeline_enter(pipeline, err);
}

wb_deadline wb_pipeline_until(const wb_pipeline *pipeline, const wb_cancel *cancel)
{
    int64_t now_us = wb_now_us();
    int64_t timeout_us = pipeline->target.write_timeout_us;
    bool never = timeout_us >= WB_NEVER - now_us;
    return (wb_deadline){.at_us = never ? WB_NEVER : now_us + timeout_us, .cancel = cancel};
}

int64_t wb_pipeline_now_us(const wb_pipeline *pipeline)
{
    return pipeline->env.now_us(pipeline->env.context);
}

bool wb_pipeline_outcome(const wb_outcome *outcome, wb_err *err)
{
    if (outcome->code == WB_OK)
        return false;
    wb_fail_store(err, outcome->error_class, "%s",
                  outcome->text != NULL ? outcome->text : "the store failed");
    err->in_doubt = outcome->in_doubt;
    return true;
}

/* ---- the flusher's side ---- */

static void deliver(void *pipeline, const wb_cancel *cancel)
{
    wb_pipeline *self = pipeline;
    while (!atomic_load(&cancel->asked) && self->class->deliver_one(self, cancel))
        continue;
}

/* After work the thread naps for an interval before it sleeps without end: what comes meanwhile is due later
 * than the nap is over, so it need not wake the thread. */
static int64_t next_due_us(void *pipeline)
{
    wb_pipeline *self = pipeline;
    int64_t due_us = self->backlog->class->next_due_us(self->backlog);
    if (due_us != WB_NEVER || !self->backlog->active)
        return due_us;
    self->backlog->active = false;
    return wb_after_us(wb_now_us(), self->interval_us);
}

static bool drained(void *pipeline)
{
    return wb_backlog_drained(((wb_pipeline *)pipeline)->backlog);
}

static void leave(void *pipeline)
{
    wb_pipeline *self = pipeline;
    wb_pipeline_end_session(self);
    if (self->class->leave != NULL)
        self->class->leave(self);
}

static void close_now(void *pipeline)
{
    wb_backlog_close(((wb_pipeline *)pipeline)->backlog);
}

static void report_lost(void *pipeline)
{
    wb_pipeline *self = pipeline;
    wb_stats stats;
    wb_backlog_stats(self->backlog, &stats);
    if (stats.pending == 0)
        return;
    wb_log_orphan(self->log);
    wb_log_line(self->log, WB_TOPIC_LOST, WB_ERROR, wb_pipeline_now_us(self), stats.pending,
                "%llu accepted %s were not stored%s%s", (unsigned long long)stats.pending,
                self->backlog->class->unit, stats.last_error[0] != '\0' ? ": " : "",
                stats.last_error);
    wb_log_print(self->log);
}

static void ref(void *pipeline)
{
    wb_pipeline_ref(pipeline);
}

static void unref(void *pipeline)
{
    wb_pipeline_unref(pipeline);
}

static const wb_work work = {
    .deliver = deliver,
    .next_due_us = next_due_us,
    .drained = drained,
    .leave = leave,
    .close = close_now,
    .lost = report_lost,
    .ref = ref,
    .unref = unref,
};

void wb_pipeline_begin(wb_pipeline *pipeline, wb_backlog *backlog, int64_t interval_us,
                       int64_t close_timeout_us)
{
    pipeline->backlog = backlog;
    pipeline->interval_us = interval_us;
    backlog->threaded = pipeline->threaded;
    wb_flusher_init(&pipeline->flusher, &work, pipeline, &backlog->monitor, close_timeout_us);
}

int wb_pipeline_fd(wb_pipeline *pipeline)
{
    if (wb_pipeline_enter(pipeline, NULL) != WB_OK) {
        errno = ECHILD;
        return -1;
    }
    atomic_store(&pipeline->used, true);
    return wb_backlog_fd(pipeline->backlog);
}

void wb_pipeline_ref(wb_pipeline *pipeline)
{
    atomic_fetch_add(&pipeline->references, 1);
}

void wb_pipeline_unref(wb_pipeline *pipeline)
{
    if (atomic_fetch_sub(&pipeline->references, 1) > 1)
        return;
    wb_pipeline_end_session(pipeline);
    wb_flusher_fini(&pipeline->flusher);
    pipeline->class->free(pipeline);
}

/* ---- the owner's side ---- */

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
static bool wait_settled(wb_pipeline *pipeline, uint64_t mark, int64_t deadline_us)
{
    return pipeline->threaded ? wb_backlog_wait(pipeline->backlog, mark, deadline_us)
                              : wb_backlog_settled(pipeline->backlog, mark);
}

int wb_pipeline_flush(wb_pipeline *pipeline, int64_t deadline_us, wb_err *err)
{
    int code = wb_pipeline_enter(pipeline, err);
    if (code != WB_OK)
        return code;
    uint64_t mark = wb_backlog_seal(pipeline->backlog, WB_REASON_FLUSH);
    return wait_settled(pipeline, mark, deadline_us) ? WB_OK : not_settled(pipeline, err);
}

int wb_pipeline_close(wb_pipeline *pipeline, int64_t deadline_us, wb_err *err)
{
    int code = wb_pipeline_enter(pipeline, err);
    if (code != WB_OK)
        return code;
    wb_backlog_close(pipeline->backlog);
    bool settled = wait_settled(pipeline, UINT64_MAX, deadline_us);
    if (!settled || !wb_flusher_join(&pipeline->flusher, deadline_us))
        return not_settled(pipeline, err);
    if (!pipeline->threaded)
        wb_pipeline_end_session(pipeline);
    return WB_OK;
}

/* One that an ancestor used is left as it is: its lock may be held, and its connection is not ours. */
void wb_pipeline_detach(wb_pipeline *pipeline)
{
    if (wb_pipeline_enter(pipeline, NULL) != WB_OK)
        return;
    if (pipeline->threaded) {
        wb_backlog_close(pipeline->backlog);
    } else {
        wb_lifeline_leave(&pipeline->flusher);
        report_lost(pipeline);
    }
    wb_flusher_detach(&pipeline->flusher);
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
    return wb_pipeline_enter(pipeline, NULL) == WB_OK && wb_backlog_event(pipeline->backlog, out);
}

bool wb_pipeline_may_take(wb_pipeline *pipeline)
{
    return !pipeline->threaded && wb_pipeline_enter(pipeline, NULL) == WB_OK;
}
