/* SPDX-License-Identifier: MIT
 * The ground of a pipeline: what it is made of, and how what is due is delivered. No lock of its own: `used`,
 * `started`, `process` and the timeouts are atomic, the session and the target's timeout belong to who delivers, the
 * interval is locked by the backlog, the rest does not change. Fails with
 * WB_MEMORY, WB_FORK or WB_MISUSE. */
#include "engine/pipeline.h"

#include <stdio.h>
#include <string.h>

#include "base/err.h"
#include "engine/earlier.h"
#include "rows/upsert.h"

/* False: no memory. */
static bool copy_name(const char **to, const char *from)
{
    *to = from == NULL ? NULL : wb_strdup(from);
    return from == NULL || *to != NULL;
}

static bool copy_names(wb_target *target, const wb_target *from)
{
    bool table = copy_name(&target->table, from->table);
    bool key = copy_name(&target->key, from->key);
    bool column = copy_name(&target->column, from->column);
    target->upsert = from->upsert != NULL ? wb_upsert_copy(from->upsert, from->schema) : NULL;
    return table && key && column && (from->upsert == NULL || target->upsert != NULL);
}

static void title_of(const wb_pipeline *pipeline, char title[WB_LOG_NAME_BYTES])
{
    const char *what = pipeline->what;
    snprintf(title, WB_LOG_NAME_BYTES, "%s%s%s", what != NULL ? what : "", what != NULL ? " " : "",
             wb_name_text(&pipeline->name));
}

/* The log of a pipeline, with the name that this wants; NULL: no memory. What has neither name nor table is called by its
 * kind. */
static wb_log *open_log(wb_pipeline *pipeline, const wb_pipeline_options *options)
{
    const char *table = options->target.table;
    const char *wanted = options->name != NULL ? options->name : table;
    char title[WB_LOG_NAME_BYTES];
    if (!wb_name_init(&pipeline->name, wanted != NULL ? wanted : options->what))
        return NULL;
    pipeline->what = wanted != NULL ? options->what : NULL;
    title_of(pipeline, title);
    wb_log *log = wb_log_new(title, options->log_events, options->flush_events);
    if (log != NULL)
        wb_log_limit(log, options->events, options->event_ids);
    return log;
}

int wb_pipeline_init(wb_pipeline *pipeline, const wb_pipeline_class *class, wb_backlog *backlog,
                     const wb_pipeline_options *options, wb_err *err)
{
    memset(pipeline, 0, sizeof *pipeline);
    pipeline->class = class;
    pipeline->backlog = backlog;
    atomic_init(&pipeline->references, 1);
    atomic_init(&pipeline->used, false);
    atomic_init(&pipeline->started, false);
    atomic_init(&pipeline->process, wb_fork_generation());
    pipeline->env = options->clock != NULL ? wb_env_of_clock(options->clock) : wb_env_system;
    pipeline->clock = options->clock != NULL ? wb_clock_ref(options->clock) : NULL;
    pipeline->store = options->store != NULL ? wb_store_ref(options->store) : NULL;
    pipeline->interval_us = options->interval_us;
    atomic_init(&pipeline->close_timeout_us, options->close_timeout_us);
    atomic_init(&pipeline->write_timeout_us, options->target.write_timeout_us);
    pipeline->flusher.cancel.fd = -1;
    pipeline->threaded = options->store != NULL && options->clock == NULL && !options->driven;
    pipeline->target = options->target;
    if (pipeline->target.schema != NULL)
        wb_schema_ref(pipeline->target.schema);

    pipeline->log = open_log(pipeline, options);
    pipeline->target.log = pipeline->log;
    if (!copy_names(&pipeline->target, &options->target) || pipeline->log == NULL) {
        wb_pipeline_fini(pipeline);
        return wb_fail(err, WB_MEMORY, "%s: out of memory", options->what);
    }
    return WB_OK;
}

void wb_pipeline_fini(wb_pipeline *pipeline)
{
    wb_name_fini(&pipeline->name);
    wb_free((void *)pipeline->target.table);
    wb_free((void *)pipeline->target.key);
    wb_free((void *)pipeline->target.column);
    wb_upsert_free((wb_upsert *)pipeline->target.upsert, pipeline->target.schema);
    wb_schema_unref(pipeline->target.schema);
    wb_log_free(pipeline->log);
    wb_store_unref(pipeline->store);
    wb_clock_unref(pipeline->clock);
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
    wb_cancel_fini(&pipeline->flusher.cancel);
    pipeline->class->free(pipeline);
}

/* ---- may it be used? ---- */

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

/* Locked throughout: who comes second must not log before the log has the name. */
void wb_pipeline_take_name(wb_pipeline *pipeline)
{
    char title[WB_LOG_NAME_BYTES];
    wb_monitor_lock(&pipeline->backlog->monitor);
    if (wb_name_take(&pipeline->name)) {
        title_of(pipeline, title);
        wb_log_rename(pipeline->log, title);
    }
    wb_monitor_unlock(&pipeline->backlog->monitor);
}

bool wb_pipeline_may_take(wb_pipeline *pipeline)
{
    if (pipeline->threaded || wb_pipeline_enter(pipeline, NULL) != WB_OK)
        return false;
    wb_pipeline_rest(pipeline);
    return true;
}

int wb_pipeline_may_write(wb_pipeline *pipeline, wb_err *err)
{
    if (pipeline->store == NULL || pipeline->threaded)
        return wb_fail(err, WB_MISUSE, "write: there is no store of its own to drive");
    return wb_pipeline_enter(pipeline, err);
}

bool wb_pipeline_outcome(const wb_outcome *outcome, wb_err *err)
{
    if (outcome->code == WB_OK)
        return false;
    wb_fail_store(err, outcome->error_class, "%s",
                  outcome->text != NULL ? outcome->text : "the store failed");
    err->in_doubt = outcome->in_doubt;
    err->timed_out = outcome->timed_out;
    err->ruled_out = outcome->ruled_out;
    return true;
}

/* ---- delivering ---- */

/* A session keeps what its target says. */
static void heed_timeout(wb_pipeline *pipeline)
{
    int64_t timeout_us = atomic_load_explicit(&pipeline->write_timeout_us, memory_order_relaxed);
    if (pipeline->target.write_timeout_us == timeout_us)
        return;
    wb_pipeline_end_session(pipeline);
    pipeline->target.write_timeout_us = timeout_us;
}

/* There are few such rows, and mostly none: one session at a time is enough. */
static int aim(wb_pipeline *pipeline, wb_schema *schema, wb_err *err)
{
    bool earlier = schema != pipeline->target.schema;
    if ((earlier ? schema : NULL) != pipeline->earlier.schema)
        wb_pipeline_end_session(pipeline);
    if (!earlier || pipeline->earlier.schema != NULL)
        return WB_OK;
    return wb_earlier_target(&pipeline->target, schema, &pipeline->earlier, err);
}

int wb_pipeline_session(wb_pipeline *pipeline, wb_schema *schema, wb_session **out, wb_err *err)
{
    heed_timeout(pipeline);
    int code = aim(pipeline, schema, err);
    if (code != WB_OK)
        return code;
    const wb_target *target =
        pipeline->earlier.schema != NULL ? &pipeline->earlier : &pipeline->target;
    if (pipeline->session == NULL)
        pipeline->session = pipeline->store->class->session(pipeline->store, target);
    if (pipeline->session == NULL)
        return wb_fail_store(err, WB_RETRY, "out of memory for a session");
    pipeline->used_us = wb_now_us();
    *out = pipeline->session;
    return WB_OK;
}

void wb_pipeline_end_session(wb_pipeline *pipeline)
{
    if (pipeline->session != NULL)
        pipeline->session->class->end(pipeline->session);
    pipeline->session = NULL;
    wb_earlier_fini(&pipeline->earlier);
}

int64_t wb_pipeline_rest_us(const wb_pipeline *pipeline)
{
    bool rests = pipeline->session != NULL && pipeline->store->idle_timeout_us > 0;
    return rests ? wb_after_us(pipeline->used_us, pipeline->store->idle_timeout_us) : WB_NEVER;
}

void wb_pipeline_rest(wb_pipeline *pipeline)
{
    if (wb_pipeline_rest_us(pipeline) <= wb_now_us())
        wb_pipeline_end_session(pipeline);
}

wb_deadline wb_pipeline_deadline(const wb_pipeline *pipeline, const wb_cancel *cancel)
{
    int64_t at_us = wb_after_us(wb_now_us(), pipeline->target.write_timeout_us);
    return (wb_deadline){.at_us = at_us, .cancel = cancel};
}

void wb_pipeline_deliver(wb_pipeline *pipeline)
{
    const wb_cancel *cancel = &pipeline->flusher.cancel;
    while (!atomic_load(&cancel->asked) && pipeline->class->deliver_one(pipeline, cancel))
        pipeline->used_us = wb_now_us();
    wb_pipeline_rest(pipeline);
}

/* After work the thread naps for an interval before it sleeps without end. What comes meanwhile is due after the nap,
 * so that add need not wake the thread. */
int64_t wb_pipeline_wake_us(wb_pipeline *pipeline)
{
    int64_t due_us = pipeline->backlog->class->next_due_us(pipeline->backlog);
    if (due_us != WB_NEVER || !wb_backlog_rests(pipeline->backlog))
        return due_us;
    return wb_after_us(wb_now_us(), pipeline->interval_us);
}

void wb_pipeline_leave(wb_pipeline *pipeline)
{
    wb_pipeline_end_session(pipeline);
    if (pipeline->class->leave != NULL)
        pipeline->class->leave(pipeline);
}

void wb_pipeline_report_lost(wb_pipeline *pipeline)
{
    if (pipeline->class->give_up_refused != NULL)
        pipeline->class->give_up_refused(pipeline);
    wb_stats stats;
    wb_backlog_stats(pipeline->backlog, &stats);
    if (stats.pending == 0)
        return;
    const char *place = pipeline->class->place != NULL ? pipeline->class->place(pipeline) : NULL;
    const char *why = stats.consecutive_failures > 0 || place == NULL ? stats.last_error : "";
    wb_log_orphan(pipeline->log);
    wb_log_line(pipeline->log, WB_TOPIC_LOST, place != NULL ? WB_WARN : WB_ERROR,
                wb_backlog_now_us(pipeline->backlog), stats.pending, "%llu accepted %s %s%s%s%s",
                (unsigned long long)stats.pending, pipeline->backlog->class->unit,
                place != NULL ? "are not stored yet, and stay in " : "were not stored",
                place != NULL ? place : "", why[0] != '\0' ? ": " : "", why);
    wb_log_print(pipeline->log);
}
