/* SPDX-License-Identifier: MIT
 * The batcher: a pipeline whose backlog is an outbox. The outbox has the lock; nothing else changes after
 * wb_batcher_new, but what running.c does. */
#include <string.h>

#include "base/env.h"
#include "base/path.h"
#include "engine/batcher.h"
#include "engine/dead_letter.h"
#include "engine/exit.h"
#include "engine/lifecycle.h"
#include "engine/options.h"
#include "engine/outbox/read.h"
#include "engine/outbox/trial.h"

/* A write that was stopped only to go on in another thread is tried again at once, and counts as no last try. */
enum { AT_ONCE_US = 1 };

/* Between two tries to write dead rows to a file that takes none. */
enum { DEAD_AGAIN_US = 1000 * 1000 };

struct wb_batcher {
    wb_pipeline pipeline;
    wb_outbox outbox;
    char *dead_path;       /* NULL: dead rows go to no file */
    int64_t dead_again_us; /* where it can't be written: the next try; 0: it can */
};

static const wb_pipeline_class class;

/* ---- making one ---- */

static wb_pipeline_options pipeline_options(const wb_batcher_options *options)
{
    wb_pipeline_options pipeline = {
        .what = "batcher",
        .name = options->name,
        .store = options->store,
        .clock = options->clock,
        .driven = options->driven,
        .interval_us = options->interval_us,
        .close_timeout_us = options->close_timeout_us,
        .log_events = options->log_events,
        .flush_events = options->flush_events,
        .events = options->events,
        .event_ids = options->max_pending_rows,
        .target =
            {
                .table = options->table,
                .schema = options->schema,
                .dedupe = options->dedupe,
                .dedupe_column = options->dedupe_column,
                .upsert = options->upsert,
                .write_timeout_us = options->write_timeout_us,
            },
    };
    if (pipeline.target.dedupe == WB_DEDUPE_COLUMN && pipeline.target.dedupe_column < 0)
        pipeline.target.dedupe_column = wb_schema_generated(options->schema);
    bool ids = pipeline.target.dedupe_column >= 0 && options->upsert == NULL;
    if (pipeline.target.dedupe == WB_DEDUPE_COLUMN && !ids)
        pipeline.target.dedupe = WB_DEDUPE_NONE; /* an upsert is repeated */
    return pipeline;
}

static int check_policy(const wb_batcher_options *options, wb_err *err)
{
    bool threaded = options->store != NULL && options->clock == NULL && !options->driven;
    if (options->policy == NULL || threaded)
        return WB_OK;
    return wb_fail(err, WB_MISUSE,
                   "policy: a worker decides in the flusher's thread, and what is driven has none");
}

/* The names that the options have are the caller's: the batcher has its own. */
static int begin(wb_batcher *batcher, const wb_batcher_options *options, wb_err *err)
{
    wb_pipeline_options pipeline = pipeline_options(options);
    batcher->dead_path = options->dead_path != NULL ? wb_path_absolute(options->dead_path) : NULL;
    if (options->dead_path != NULL && batcher->dead_path == NULL)
        return wb_fail(err, WB_MEMORY, "batcher: out of memory");
    int code =
        wb_pipeline_init(&batcher->pipeline, &class, &batcher->outbox.backlog, &pipeline, err);
    if (code != WB_OK)
        return code;
    code = wb_outbox_init(&batcher->outbox, options, &batcher->pipeline.env,
                          &batcher->pipeline.target, batcher->pipeline.threaded, err);
    if (code != WB_OK)
        wb_pipeline_fini(&batcher->pipeline);
    batcher->outbox.options.name = batcher->pipeline.name.text;
    batcher->outbox.options.dead_path = batcher->dead_path;
    return code;
}

int wb_batcher_new(const wb_batcher_options *options, wb_batcher **out, wb_err *err)
{
    int code = wb_batcher_options_check(options, err);
    if (code == WB_OK)
        code = check_policy(options, err);
    if (code != WB_OK)
        return code;
    wb_batcher *batcher = wb_alloc_zeroed(sizeof *batcher);
    if (batcher == NULL)
        return wb_fail(err, WB_MEMORY, "batcher: out of memory");
    code = begin(batcher, options, err);
    if (code != WB_OK) {
        wb_free(batcher->dead_path);
        wb_free(batcher);
        return code;
    }
    *out = batcher;
    return WB_OK;
}

/* ---- the flusher's side ---- */

static int bury(wb_batcher *batcher, const wb_batch *batch, wb_err *err)
{
    int64_t unix_us = batcher->pipeline.env.unix_us(batcher->pipeline.env.context);
    const char *table = wb_target_table(&batcher->pipeline.target, batch);
    return wb_dead_letter_append(batcher->dead_path, table, unix_us, batch, err);
}

static void log_dead(wb_batcher *batcher, int topic, int level, size_t rows, const char *what,
                     const char *why)
{
    wb_log_line(batcher->pipeline.log, topic, level, wb_backlog_now_us(&batcher->outbox.backlog),
                rows, "%zu dead rows %s%s", rows, what, why);
}

/* What can't be written is kept, said once, and tried again from time to time. */
static void keep_dead(wb_batcher *batcher, wb_batch *batch, const wb_err *err)
{
    size_t rows = wb_batch_rows(batch);
    wb_outbox_dead_again(&batcher->outbox, batch);
    if (batcher->dead_again_us == 0)
        log_dead(batcher, WB_TOPIC_KEPT, WB_ERROR, rows,
                 "can't be written, they are kept: ", err->text);
    batcher->dead_again_us =
        wb_after_us(wb_backlog_now_us(&batcher->outbox.backlog), DEAD_AGAIN_US);
}

/* Without a lock: a file may be slow. */
static void bury_dead(wb_batcher *batcher)
{
    wb_batch *batch;
    if (batcher->dead_path == NULL ||
        (batcher->dead_again_us != 0 &&
         wb_backlog_now_us(&batcher->outbox.backlog) < batcher->dead_again_us))
        return;
    while ((batch = wb_outbox_next_dead(&batcher->outbox)) != NULL) {
        wb_err err = {0};
        if (bury(batcher, batch, &err) != WB_OK) {
            keep_dead(batcher, batch, &err);
            break;
        }
        if (batcher->dead_again_us != 0)
            log_dead(batcher, WB_TOPIC_WRITTEN, WB_INFO, wb_batch_rows(batch),
                     "are written after all", "");
        batcher->dead_again_us = 0;
        wb_batch_free(batch);
    }
    wb_log_print(batcher->pipeline.log);
}

/* The last try: what can't be written now is lost. */
static void bury_all(wb_batcher *batcher)
{
    wb_err err = {0};
    size_t lost = 0;
    wb_batch *batch;
    while (batcher->dead_path != NULL && (batch = wb_outbox_next_dead(&batcher->outbox)) != NULL) {
        if (bury(batcher, batch, &err) != WB_OK)
            lost += wb_batch_rows(batch);
        wb_batch_free(batch);
    }
    if (lost > 0) {
        wb_log_orphan(batcher->pipeline.log);
        log_dead(batcher, WB_TOPIC_FREE, WB_ERROR, lost, "are lost: ", err.text);
    }
    wb_log_print(batcher->pipeline.log);
}

/* Nobody will write any more. Where there is a file, what the store refused and nobody has judged is in it, rather than
 * nowhere. */
static void give_up_refused(wb_pipeline *pipeline)
{
    wb_batcher *batcher = (wb_batcher *)pipeline;
    if (batcher->dead_path == NULL)
        return;
    wb_monitor_lock(&batcher->outbox.backlog.monitor);
    wb_trial_end_all(&batcher->outbox, wb_backlog_now_us(&batcher->outbox.backlog));
    wb_monitor_unlock(&batcher->outbox.backlog.monitor);
    bury_all(batcher);
}

static int write_batch(wb_batcher *batcher, const wb_batch *batch, const wb_cancel *cancel,
                       wb_ending *ending, wb_err *err)
{
    wb_session *session;
    int code = wb_pipeline_session(&batcher->pipeline, &session, err);
    if (code != WB_OK)
        return code;
    wb_deadline deadline = wb_pipeline_deadline(&batcher->pipeline, cancel);
    session->superseded = 0;
    code = session->class->write(session, batch, &deadline, err);
    ending->superseded = session->superseded;
    if (code != WB_OK) {
        ending->stored = session->stored;
        ending->verdicts = session->verdicts;
    }
    return code;
}

static bool deliver_one(wb_pipeline *pipeline, const wb_cancel *cancel)
{
    wb_batcher *batcher = (wb_batcher *)pipeline;
    wb_outbox_ask_flush(&batcher->outbox);
    wb_batch *batch = wb_outbox_take(&batcher->outbox);
    if (batch == NULL) {
        bury_dead(batcher); /* what a policy refused */
        return false;
    }
    wb_err err = {0};
    wb_ending ending = {0};
    int64_t began_us = wb_now_us();
    int code = write_batch(batcher, batch, cancel, &ending, &err);
    ending.elapsed_us = wb_now_us() - began_us;
    if (code == WB_OK) {
        wb_exit_watch_again();
    } else {
        ending.err = &err;
        ending.retry_us =
            atomic_load(&cancel->will_restart)
                ? AT_ONCE_US
                : wb_outbox_ask_retry_us(&batcher->outbox, batch, &err, ending.elapsed_us);
    }
    wb_outbox_complete(&batcher->outbox, batch, &ending);
    bury_dead(batcher);
    return true;
}

/* Its state is the thread's. */
static void leave(wb_pipeline *pipeline)
{
    bury_dead((wb_batcher *)pipeline);
    wb_script_client_end(&((wb_batcher *)pipeline)->outbox.script_client);
}

static void free_all(wb_pipeline *pipeline)
{
    wb_batcher *batcher = (wb_batcher *)pipeline;
    bury_all(batcher);
    wb_outbox_fini(&batcher->outbox);
    wb_pipeline_fini(&batcher->pipeline);
    wb_free(batcher->dead_path);
    wb_free(batcher);
}

static const wb_pipeline_class class = {
    .deliver_one = deliver_one,
    .leave = leave,
    .give_up_refused = give_up_refused,
    .free = free_all,
};

/* ---- the owner's side ---- */

wb_pipeline *wb_batcher_pipeline(wb_batcher *batcher)
{
    return &batcher->pipeline;
}

int wb_batcher_add_as(wb_batcher *batcher, const wb_value *values, size_t count,
                      const wb_choice *choice, bool *due, wb_err *err)
{
    int code = wb_pipeline_start(&batcher->pipeline, err);
    return code == WB_OK ? wb_outbox_put(&batcher->outbox, values, count, choice, due, err) : code;
}

int wb_batcher_add_tuple(wb_batcher *batcher, const wb_tuple *tuple, const wb_choice *choice,
                         bool *due, wb_err *err)
{
    int code = wb_pipeline_start(&batcher->pipeline, err);
    return code == WB_OK ? wb_outbox_put_tuple(&batcher->outbox, tuple, choice, due, err) : code;
}

int wb_batcher_add_tuples(wb_batcher *batcher, const wb_tuple *tuples, size_t count, size_t *added,
                          bool *due, wb_err *err)
{
    int code = wb_pipeline_start(&batcher->pipeline, err);
    return code == WB_OK ? wb_outbox_put_tuples(&batcher->outbox, tuples, count, added, due, err)
                         : code;
}

int wb_batcher_add(wb_batcher *batcher, const wb_value *values, size_t count, bool *due,
                   wb_err *err)
{
    return wb_batcher_add_as(batcher, values, count, NULL, due, err);
}

int wb_batcher_read(wb_batcher *batcher, wb_reader *reader, const wb_choice *choice, uint64_t most,
                    wb_reading *out, wb_err *err)
{
    wb_err own = {.code = WB_OK};
    *out = (wb_reading){.accepted = 0};
    err = err != NULL ? err : &own;
    int code = wb_pipeline_start(&batcher->pipeline, err);
    if (code != WB_OK)
        return code;
    return wb_outbox_read(&batcher->outbox, reader, choice, most, !batcher->pipeline.threaded, out,
                          err);
}

void wb_batcher_view(wb_batcher *batcher, const wb_batch *batch, wb_view *out)
{
    if (wb_pipeline_enter(&batcher->pipeline, NULL) == WB_OK)
        wb_outbox_view(&batcher->outbox, batch, out);
    else
        memset(out, 0, sizeof *out);
}

int wb_batcher_tables(wb_batcher *batcher, wb_table_stats **out, size_t *count, wb_err *err)
{
    int code = wb_pipeline_enter(&batcher->pipeline, err);
    return code == WB_OK ? wb_outbox_tables(&batcher->outbox, out, count, err) : code;
}

void wb_batcher_undecided(wb_batcher *batcher, const char *decision, const char *why)
{
    if (wb_pipeline_enter(&batcher->pipeline, NULL) == WB_OK)
        wb_backlog_undecided(&batcher->outbox.backlog, decision, why);
}

int wb_batcher_give_up(wb_batcher *batcher, const char *why, int64_t deadline_us, wb_err *err)
{
    int code = wb_pipeline_stop(&batcher->pipeline, deadline_us, err);
    if (code == WB_OK || code == WB_TIMEOUT)
        wb_outbox_give_up_all(&batcher->outbox, why);
    return code;
}

wb_batch *wb_batcher_dead(wb_batcher *batcher)
{
    bool here = wb_pipeline_enter(&batcher->pipeline, NULL) == WB_OK && batcher->dead_path == NULL;
    return here ? wb_outbox_next_dead(&batcher->outbox) : NULL;
}

/* ---- driven ---- */

wb_batch *wb_batcher_take(wb_batcher *batcher)
{
    if (!wb_pipeline_may_take(&batcher->pipeline))
        return NULL;
    wb_batch *batch = wb_outbox_take(&batcher->outbox);
    if (batch != NULL)
        wb_pipeline_ref(&batcher->pipeline); /* until it is completed */
    return batch;
}

int wb_batcher_write(wb_batcher *batcher, const wb_batch *batch, wb_outcome *out, wb_err *err)
{
    wb_ending ending = {0};
    wb_err own = {0};
    err = err != NULL ? err : &own;
    int code = wb_pipeline_may_write(&batcher->pipeline, err);
    if (code == WB_OK)
        code = write_batch(batcher, batch, NULL, &ending, err);
    *out = (wb_outcome){.code = code,
                        .stored = ending.stored,
                        .superseded = ending.superseded,
                        .verdicts = ending.verdicts};
    if (code != WB_OK) {
        out->error_class = err->error_class;
        out->in_doubt = err->in_doubt;
        out->timed_out = err->timed_out;
        out->ruled_out = err->ruled_out;
        out->text = err == &own ? NULL : err->text;
    }
    return code;
}

void wb_batcher_complete(wb_batcher *batcher, wb_batch *batch, const wb_outcome *outcome)
{
    int64_t elapsed_us = wb_backlog_now_us(&batcher->outbox.backlog) - batch->taken_us;
    wb_err err;
    bool failed = wb_pipeline_outcome(outcome, &err);
    wb_ending ending = {
        .err = failed ? &err : NULL,
        .stored = outcome->stored,
        .superseded = outcome->superseded,
        .verdicts = outcome->verdicts,
        .retry_us = outcome->retry_us,
        .elapsed_us = elapsed_us,
    };
    wb_outbox_complete(&batcher->outbox, batch, &ending);
    bury_dead(batcher);
    wb_pipeline_unref(&batcher->pipeline);
}
