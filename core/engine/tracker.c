/* SPDX-License-Identifier: MIT
 * The tracker: a pipeline whose backlog is a markbox. The markbox has the lock; nothing else changes after
 * wb_tracker_new. */
#include <stddef.h>
#include <string.h>

#include "base/err.h"
#include "engine/exit.h"
#include "engine/lifecycle.h"
#include "engine/nginx.h"
#include "engine/options.h"
#include "engine/spooling.h"

struct wb_tracker {
    wb_pipeline pipeline;
    wb_markbox markbox;
    wb_keeper keeper; /* of the spool */
};

static const wb_pipeline_class class;

/* ---- making one ---- */

static wb_pipeline_options pipeline_options(const wb_tracker_options *options)
{
    return (wb_pipeline_options){
        .what = "tracker",
        .name = options->name,
        .store = options->store,
        .clock = options->clock,
        .interval_us = options->interval_us,
        .close_timeout_us = options->close_timeout_us,
        .log_events = options->log_events,
        .flush_events = options->flush_events,
        .events = options->events,
        .target =
            {
                .table = options->table,
                .key = options->key,
                .key_type = options->key_type,
                .column = options->column,
                .column_type = options->column_type,
                .unit_us = wb_unit_us(options->column_type, options->unit),
                .insert = options->insert,
                .min_advance_us = options->min_advance_us,
                .exact = options->exact,
                .write_timeout_us = options->write_timeout_us,
            },
    };
}

int wb_tracker_new(const wb_tracker_options *options, wb_tracker **out, wb_err *err)
{
    int code = wb_tracker_options_check(options, err);
    if (code != WB_OK)
        return code;
    wb_tracker *tracker = wb_alloc_zeroed(sizeof *tracker);
    if (tracker == NULL)
        return wb_fail(err, WB_MEMORY, "tracker: out of memory");
    wb_pipeline_options pipeline = pipeline_options(options);
    code = wb_pipeline_init(&tracker->pipeline, &class, &tracker->markbox.backlog, &pipeline, err);
    if (code != WB_OK) {
        wb_free(tracker);
        return code;
    }
    code = wb_markbox_init(&tracker->markbox, options, &tracker->pipeline.env,
                           tracker->pipeline.log, tracker->pipeline.threaded, err);
    if (code != WB_OK) {
        wb_pipeline_fini(&tracker->pipeline);
        wb_free(tracker);
        return code;
    }
    code = wb_spooling_of_tracker(&tracker->keeper, &tracker->markbox, options, err);
    if (code == WB_OK && tracker->keeper.spool != NULL && !wb_nginx_is_no_worker())
        code = wb_pipeline_start(&tracker->pipeline, err); /* as a batcher's */
    if (code != WB_OK) {
        wb_pipeline_detach(&tracker->pipeline);
        return code;
    }
    *out = tracker;
    return WB_OK;
}

/* ---- the flusher's side ---- */

static int touch(wb_tracker *tracker, const wb_marks *marks, const wb_cancel *cancel,
                 wb_touched *touched, wb_err *err)
{
    wb_session *session;
    int code = wb_pipeline_session(&tracker->pipeline, NULL, &session, err);
    if (code != WB_OK)
        return code;
    wb_deadline deadline = wb_pipeline_deadline(&tracker->pipeline, cancel);
    return session->class->touch(session, marks, &deadline, touched, err);
}

static bool deliver_one(wb_pipeline *pipeline, const wb_cancel *cancel)
{
    wb_tracker *tracker = (wb_tracker *)pipeline;
    wb_chunk *chunk = wb_markbox_take(&tracker->markbox);
    if (chunk == NULL)
        return false;
    wb_err err = {0};
    wb_touched touched = {0};
    int64_t began_us = wb_now_us();
    int code = touch(tracker, &chunk->marks, cancel, &touched, &err);
    if (code == WB_OK)
        wb_exit_watch_again();
    else if (atomic_load(&cancel->will_restart))
        err.error_class = WB_HOLD; /* it was stopped only to go on in a child: no last try */
    wb_markbox_complete(&tracker->markbox, chunk, code == WB_OK ? NULL : &err, &touched,
                        wb_now_us() - began_us);
    return true;
}

static int begin_use(wb_pipeline *pipeline, wb_err *err)
{
    return wb_keeper_begin(&((wb_tracker *)pipeline)->keeper, wb_pipeline_name(pipeline), err);
}

static void halt(wb_pipeline *pipeline)
{
    wb_keeper_stop(&((wb_tracker *)pipeline)->keeper);
}

static const char *place(wb_pipeline *pipeline)
{
    const wb_spool *spool = ((const wb_tracker *)pipeline)->markbox.ids.spool;
    return spool != NULL ? wb_spool_path(spool) : NULL;
}

int wb_tracker_sync(wb_tracker *tracker, int64_t deadline_us, wb_err *err)
{
    int code = wb_pipeline_enter(&tracker->pipeline, err);
    if (code != WB_OK)
        return code;
    wb_monitor_lock(&tracker->markbox.backlog.monitor);
    bool lacks = tracker->markbox.ids.lacks && tracker->markbox.backlog.metrics.pending > 0;
    wb_monitor_unlock(&tracker->markbox.backlog.monitor);
    return wb_keeper_sync(&tracker->keeper, lacks, deadline_us, err);
}

static void free_all(wb_pipeline *pipeline)
{
    wb_tracker *tracker = (wb_tracker *)pipeline;
    wb_keeper_stop(&tracker->keeper);
    wb_markbox_fini(&tracker->markbox);
    wb_spool_free(tracker->markbox.ids.spool);
    wb_schema_unref(tracker->markbox.ids.schema);
    wb_pipeline_fini(&tracker->pipeline);
    wb_free(tracker);
}

static const wb_pipeline_class class = {
    .deliver_one = deliver_one,
    .begin = begin_use,
    .halt = halt,
    .place = place,
    .free = free_all,
};

/* ---- the owner's side ---- */

wb_pipeline *wb_tracker_pipeline(wb_tracker *tracker)
{
    return &tracker->pipeline;
}

int wb_tracker_add(wb_tracker *tracker, const wb_value *id, int64_t unix_us, bool *due, wb_err *err)
{
    wb_key key;
    const wb_target *target = &tracker->pipeline.target;
    const wb_column column = {.name = target->key, .type = target->key_type};
    int code = wb_pipeline_start(&tracker->pipeline, err);
    if (code != WB_OK)
        return code;
    code = wb_key_of(&column, id, &key, err);
    if (code == WB_OK)
        return wb_markbox_put(&tracker->markbox, &key, unix_us, due, err);
    wb_markbox_refused(&tracker->markbox);
    return code;
}

int wb_tracker_add_uuid(wb_tracker *tracker, const uint8_t id[16], int64_t unix_us, bool *due,
                        wb_err *err)
{
    wb_key key;
    if (tracker->pipeline.target.key_type != WB_TYPE_UUID)
        return wb_fail(err, WB_MISUSE, "key: the tracker's is %s, not uuid",
                       wb_type_name(tracker->pipeline.target.key_type));
    int code = wb_pipeline_start(&tracker->pipeline, err);
    if (code != WB_OK)
        return code;
    memcpy(key.id, id, sizeof key.id);
    return wb_markbox_put(&tracker->markbox, &key, unix_us, due, err);
}

/* ---- driven ---- */

/* The chunk's first member is the marks. */
wb_marks *wb_tracker_take(wb_tracker *tracker)
{
    if (!wb_pipeline_may_take(&tracker->pipeline))
        return NULL;
    wb_keeper_stand_in(&tracker->keeper);
    wb_chunk *chunk = wb_markbox_take(&tracker->markbox);
    if (chunk == NULL)
        return NULL;
    wb_pipeline_ref(&tracker->pipeline); /* until it is completed */
    return &chunk->marks;
}

int wb_tracker_write(wb_tracker *tracker, const wb_marks *marks, uint64_t *updated,
                     uint64_t *unmatched, wb_err *err)
{
    wb_touched touched = {0};
    int code = wb_pipeline_may_write(&tracker->pipeline, err);
    if (code == WB_OK)
        code = touch(tracker, marks, NULL, &touched, err);
    if (code == WB_OK) {
        *updated = touched.updated;
        *unmatched = touched.unmatched;
    }
    return code;
}

void wb_tracker_complete(wb_tracker *tracker, wb_marks *marks, const wb_outcome *outcome,
                         uint64_t updated, uint64_t unmatched)
{
    wb_chunk *chunk = (wb_chunk *)marks;
    wb_touched touched = {.updated = updated, .unmatched = unmatched};
    wb_err err;
    bool failed = wb_pipeline_outcome(outcome, &err);
    int64_t elapsed_us = wb_backlog_now_us(&tracker->markbox.backlog) - chunk->taken_us;
    wb_markbox_complete(&tracker->markbox, chunk, failed ? &err : NULL, &touched, elapsed_us);
    wb_pipeline_unref(&tracker->pipeline);
}
