/* SPDX-License-Identifier: MIT
 * The tracker: a markbox, and for a native store a flusher that empties it. The markbox has the lock; what
 * is here besides does not change after wb_tracker_new. References as a batcher's. */
#include <stddef.h>

#include "engine/lifeline.h"
#include "engine/markbox.h"
#include "engine/options.h"
#include "engine/pipeline.h"

struct wb_tracker {
    wb_owner owner;
    wb_markbox box;
};

static const wb_owner_class class;

/* ---- making one ---- */

static wb_owner_options owner_options(const wb_tracker_options *options)
{
    return (wb_owner_options){
        .what = "tracker",
        .store = options->store,
        .clock = options->clock,
        .close_timeout_us = options->close_timeout_us,
        .log_events = options->log_events,
        .flush_events = options->flush_events,
        .target =
            {
                .table = options->table,
                .key = options->key,
                .column = options->column,
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
    wb_tracker *tracker = wb_alloc(sizeof *tracker);
    if (tracker == NULL)
        return wb_fail(err, WB_MEMORY, "tracker: out of memory");
    wb_owner_options owner = owner_options(options);
    code = wb_owner_init(&tracker->owner, &class, &owner, err);
    if (code != WB_OK) {
        wb_free(tracker);
        return code;
    }
    code = wb_markbox_init(&tracker->box, options, &tracker->owner.env, tracker->owner.log, err);
    if (code != WB_OK) {
        wb_owner_fini(&tracker->owner);
        wb_free(tracker);
        return code;
    }
    wb_owner_begin(&tracker->owner, &tracker->box.box, options->interval_us,
                   options->close_timeout_us);
    *out = tracker;
    return WB_OK;
}

/* ---- the flusher's side ---- */

static int touch(wb_tracker *tracker, const wb_marks *marks, const wb_cancel *cancel,
                 wb_touched *touched, wb_err *err)
{
    wb_session *session;
    int code = wb_owner_session(&tracker->owner, &session, err);
    if (code != WB_OK)
        return code;
    wb_until until = wb_owner_until(&tracker->owner, cancel);
    return session->class->touch(session, marks, &until, touched, err);
}

static bool deliver_one(wb_owner *owner, const wb_cancel *cancel)
{
    wb_tracker *tracker = (wb_tracker *)owner;
    wb_claim *claim = wb_markbox_take(&tracker->box);
    if (claim == NULL)
        return false;
    wb_err err = {0};
    wb_touched touched = {0};
    int64_t began_us = wb_now_us();
    int code = touch(tracker, &claim->marks, cancel, &touched, &err);
    if (code == WB_OK)
        wb_lifeline_renew();
    else if (atomic_load(&cancel->resumed))
        err.class = WB_HOLD; /* it was stopped to be gone on with: nobody's last try */
    wb_markbox_complete(&tracker->box, claim, code == WB_OK ? NULL : &err, &touched,
                        wb_now_us() - began_us);
    return true;
}

static void free_all(wb_owner *owner)
{
    wb_tracker *tracker = (wb_tracker *)owner;
    wb_markbox_fini(&tracker->box);
    wb_owner_fini(&tracker->owner);
    wb_free(tracker);
}

static const wb_owner_class class = {.deliver_one = deliver_one, .free = free_all};

/* ---- the owner's side ---- */

int wb_tracker_add(wb_tracker *tracker, const uint8_t id[16], int64_t unix_us, bool *due,
                   wb_err *err)
{
    int code = wb_owner_enter(&tracker->owner, err);
    if (code == WB_OK)
        code = wb_owner_start(&tracker->owner, err);
    return code == WB_OK ? wb_markbox_put(&tracker->box, id, unix_us, due, err) : code;
}

int wb_tracker_flush(wb_tracker *tracker, int64_t deadline_us, wb_err *err)
{
    return wb_owner_flush(&tracker->owner, deadline_us, err);
}

int wb_tracker_close(wb_tracker *tracker, int64_t deadline_us, wb_err *err)
{
    return wb_owner_close(&tracker->owner, deadline_us, err);
}

void wb_tracker_detach(wb_tracker *tracker)
{
    if (tracker != NULL)
        wb_owner_detach(&tracker->owner);
}

int wb_tracker_stats(wb_tracker *tracker, wb_stats *out, wb_err *err)
{
    return wb_owner_stats(&tracker->owner, out, err);
}

bool wb_tracker_event(wb_tracker *tracker, wb_event *out)
{
    return wb_owner_event(&tracker->owner, out);
}

/* ---- driven ---- */

uint64_t wb_tracker_seal(wb_tracker *tracker, int reason)
{
    return wb_box_seal(&tracker->box.box, reason);
}

bool wb_tracker_settled(wb_tracker *tracker, uint64_t mark)
{
    return wb_box_settled(&tracker->box.box, mark);
}

/* The claim's first member is the marks. */
wb_marks *wb_tracker_take(wb_tracker *tracker)
{
    if (!wb_owner_may_take(&tracker->owner))
        return NULL;
    wb_claim *claim = wb_markbox_take(&tracker->box);
    if (claim == NULL)
        return NULL;
    wb_owner_ref(&tracker->owner); /* until it is completed */
    return &claim->marks;
}

int wb_tracker_write(wb_tracker *tracker, const wb_marks *marks, uint64_t *updated,
                     uint64_t *unmatched, wb_err *err)
{
    wb_touched touched = {0};
    int code = wb_owner_may_write(&tracker->owner, err);
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
    wb_claim *claim = (wb_claim *)marks;
    wb_touched touched = {.updated = updated, .unmatched = unmatched};
    wb_err err;
    bool failed = wb_owner_outcome(outcome, &err);
    int64_t elapsed_us = wb_owner_now_us(&tracker->owner) - claim->taken_us;
    wb_markbox_complete(&tracker->box, claim, failed ? &err : NULL, &touched, elapsed_us);
    wb_owner_unref(&tracker->owner);
}

int64_t wb_tracker_next_due_us(wb_tracker *tracker)
{
    return wb_box_next_due_us(&tracker->box.box);
}

int64_t wb_tracker_now_us(wb_tracker *tracker)
{
    return wb_owner_now_us(&tracker->owner);
}

void wb_tracker_wait_until(wb_tracker *tracker, int64_t until_us)
{
    tracker->owner.env.wait_until(tracker->owner.env.context, until_us);
}

int wb_tracker_fd(wb_tracker *tracker)
{
    return wb_owner_fd(&tracker->owner);
}
