/* SPDX-License-Identifier: MIT
 * The batcher: a pipeline whose backlog is an outbox. The outbox has the lock; nothing else changes after
 * wb_batcher_new, but what running.c does. */
#include <string.h>

#include "base/env.h"
#include "base/path.h"
#include "engine/batcher.h"
#include "engine/burial.h"
#include "engine/exit.h"
#include "engine/spooling.h"
#include "engine/lifecycle.h"
#include "engine/nginx.h"
#include "engine/options.h"
#include "engine/outbox/read.h"
#include "engine/outbox/spooled.h"
#include "engine/outbox/trial.h"

/* A write that was stopped only to go on in another thread is tried again at once, and counts as no last try. */
enum { AT_ONCE_US = 1 };

struct wb_batcher {
    wb_pipeline pipeline;
    wb_outbox outbox;
    wb_burial burial;
    wb_batcher_spooling spooling;
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
    batcher->burial.path = options->dead_path != NULL ? wb_path_absolute(options->dead_path) : NULL;
    batcher->burial.pipeline = &batcher->pipeline;
    batcher->burial.outbox = &batcher->outbox;
    if (options->dead_path != NULL && batcher->burial.path == NULL)
        return wb_fail(err, WB_MEMORY, "batcher: out of memory");
    int code =
        wb_pipeline_init(&batcher->pipeline, &class, &batcher->outbox.backlog, &pipeline, err);
    if (code != WB_OK)
        return code;
    code = wb_outbox_init(&batcher->outbox, options, &batcher->pipeline.env,
                          &batcher->pipeline.target, batcher->pipeline.threaded, err);
    if (code == WB_OK) {
        code = wb_spooling_of_batcher(&batcher->spooling, &batcher->outbox, options, err);
        if (code != WB_OK)
            wb_outbox_fini(&batcher->outbox);
    }
    if (code != WB_OK)
        wb_pipeline_fini(&batcher->pipeline);
    batcher->outbox.options.name = batcher->pipeline.name.wanted;
    batcher->outbox.options.dead_path = batcher->burial.path;
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
        wb_free(batcher->burial.path);
        wb_free(batcher);
        return code;
    }
    /* what another process left goes out although nobody adds a row; a worker of nginx does that, not its master */
    if (batcher->outbox.spool != NULL && !wb_nginx_is_no_worker())
        code = wb_pipeline_start(&batcher->pipeline, err);
    if (code != WB_OK) {
        wb_pipeline_detach(&batcher->pipeline);
        return code;
    }
    *out = batcher;
    return WB_OK;
}

/* ---- the flusher's side ---- */

/* Nobody will write any more. Where there is a file, what the store refused and nobody has judged is in it, rather than
 * nowhere. */
static void give_up_refused(wb_pipeline *pipeline)
{
    wb_batcher *batcher = (wb_batcher *)pipeline;
    if (batcher->burial.path == NULL)
        return;
    wb_monitor_lock(&batcher->outbox.backlog.monitor);
    wb_trial_end_all(&batcher->outbox, wb_backlog_now_us(&batcher->outbox.backlog));
    wb_monitor_unlock(&batcher->outbox.backlog.monitor);
    wb_burial_end(&batcher->burial);
}

static int write_batch(wb_batcher *batcher, const wb_batch *batch, const wb_cancel *cancel,
                       wb_ending *ending, wb_err *err)
{
    wb_session *session;
    int code = wb_pipeline_session(&batcher->pipeline, batch->schema, &session, err);
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
        wb_burial_some(&batcher->burial); /* what a policy refused */
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
    wb_burial_some(&batcher->burial);
    return true;
}

/* Its state is the thread's. */
static void leave(wb_pipeline *pipeline)
{
    wb_burial_some(&((wb_batcher *)pipeline)->burial);
    wb_script_client_end(&((wb_batcher *)pipeline)->outbox.script_client);
}

/* ---- the spool ---- */

static int begin_use(wb_pipeline *pipeline, wb_err *err)
{
    return wb_keeper_begin(&((wb_batcher *)pipeline)->spooling.keeper, wb_pipeline_name(pipeline),
                           err);
}

static void halt(wb_pipeline *pipeline)
{
    wb_keeper_stop(&((wb_batcher *)pipeline)->spooling.keeper);
}

static const char *place(wb_pipeline *pipeline)
{
    const wb_batcher *batcher = (const wb_batcher *)pipeline;
    return batcher->outbox.spool != NULL ? wb_spool_path(batcher->outbox.spool) : NULL;
}

wb_batcher_spooling *wb_batcher_spooling_of(wb_batcher *batcher)
{
    return &batcher->spooling;
}

static void free_all(wb_pipeline *pipeline)
{
    wb_batcher *batcher = (wb_batcher *)pipeline;
    wb_burial_end(&batcher->burial);
    wb_keeper_stop(&batcher->spooling.keeper);
    wb_outbox_fini(&batcher->outbox);
    wb_spooling_fini(&batcher->spooling);
    wb_pipeline_fini(&batcher->pipeline);
    wb_free(batcher->burial.path);
    wb_free(batcher);
}

static const wb_pipeline_class class = {
    .deliver_one = deliver_one,
    .leave = leave,
    .give_up_refused = give_up_refused,
    .begin = begin_use,
    .halt = halt,
    .place = place,
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
    if (wb_pipeline_enter(&batcher->pipeline, NULL) != WB_OK)
        return;
    wb_pipeline_take_name(&batcher->pipeline);
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
    bool here =
        wb_pipeline_enter(&batcher->pipeline, NULL) == WB_OK && batcher->burial.path == NULL;
    wb_batch *dead = here ? wb_outbox_next_dead(&batcher->outbox) : NULL;
    if (dead != NULL)
        wb_outbox_spool_settle_all(&batcher->outbox, dead);
    return dead;
}

/* ---- driven ---- */

wb_batch *wb_batcher_take(wb_batcher *batcher)
{
    if (!wb_pipeline_may_take(&batcher->pipeline))
        return NULL;
    wb_keeper_stand_in(&batcher->spooling.keeper);
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
    wb_burial_some(&batcher->burial);
    wb_pipeline_unref(&batcher->pipeline);
}
