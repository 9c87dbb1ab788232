/* SPDX-License-Identifier: MIT
 * The tracker: a markbox, and for a native store a flusher that empties it. The markbox has the lock; what
 * is here besides does not change after wb_tracker_new. References as a batcher's. */
#include <stddef.h>

#include "lifeline.h"
#include "markbox.h"
#include "options.h"
#include "owner.h"

struct wb_tracker {
    wb_owner owner;
    wb_markbox box;
};

static const wb_work tracker_work;

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
    code = wb_owner_init(&tracker->owner, &owner, err);
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
    wb_flusher_init(&tracker->owner.flusher, &tracker_work, tracker, &tracker->box.monitor,
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

static bool deliver_one(wb_tracker *tracker, const wb_cancel *cancel)
{
    wb_claim *claim = wb_markbox_take(&tracker->box);
    if (claim == NULL)
        return false;
    wb_err err = {0};
    wb_touched touched = {0};
    int64_t began_us = wb_now_us();
    int code = touch(tracker, &claim->marks, cancel, &touched, &err);
    if (code == WB_OK)
        wb_lifeline_renew();
    wb_markbox_complete(&tracker->box, claim, code == WB_OK ? NULL : &err, &touched,
                        wb_now_us() - began_us);
    return true;
}

static void deliver(void *owner, const wb_cancel *cancel)
{
    while (!atomic_load(&cancel->asked) && deliver_one(owner, cancel))
        continue;
}

static int64_t next_due_us(void *owner)
{
    return wb_markbox_next_due_us(&((wb_tracker *)owner)->box);
}

static bool drained(void *owner)
{
    const wb_tracker *tracker = owner;
    return tracker->box.closing && tracker->box.metrics.pending == 0;
}

static void leave(void *owner)
{
    wb_owner_end_session(&((wb_tracker *)owner)->owner);
}

static void close_now(void *owner)
{
    wb_markbox_close(&((wb_tracker *)owner)->box);
}

static void report_lost(void *owner)
{
    wb_tracker *tracker = owner;
    wb_stats stats;
    wb_markbox_stats(&tracker->box, &stats);
    if (stats.pending == 0)
        return;
    wb_log_line(tracker->owner.log, WB_TOPIC_LOST, WB_ERROR, wb_owner_now_us(&tracker->owner),
                stats.pending, "%llu accepted marks were not stored%s%s",
                (unsigned long long)stats.pending, stats.last_error[0] != '\0' ? ": " : "",
                stats.last_error);
    wb_log_print(tracker->owner.log);
}

static void ref(void *owner)
{
    atomic_fetch_add(&((wb_tracker *)owner)->owner.references, 1);
}

static void unref(void *owner)
{
    wb_tracker *tracker = owner;
    if (atomic_fetch_sub(&tracker->owner.references, 1) > 1)
        return;
    wb_owner_end_session(&tracker->owner);
    wb_flusher_fini(&tracker->owner.flusher);
    wb_markbox_fini(&tracker->box);
    wb_owner_fini(&tracker->owner);
    wb_free(tracker);
}

static const wb_work tracker_work = {
    .deliver = deliver,
    .next_due_us = next_due_us,
    .drained = drained,
    .leave = leave,
    .close = close_now,
    .lost = report_lost,
    .ref = ref,
    .unref = unref,
};

/* ---- the owner's side ---- */

int wb_tracker_add(wb_tracker *tracker, const uint8_t id[16], int64_t unix_us, bool *due,
                   wb_err *err)
{
    int code = wb_owner_enter(&tracker->owner, err);
    if (code == WB_OK)
        code = wb_owner_start(&tracker->owner, err);
    return code == WB_OK ? wb_markbox_put(&tracker->box, id, unix_us, due, err) : code;
}

static int not_settled(wb_tracker *tracker, wb_err *err)
{
    wb_stats stats;
    wb_markbox_stats(&tracker->box, &stats);
    const char *why = stats.consecutive_failures > 0 ? stats.last_error : "";
    return wb_fail(err, WB_TIMEOUT, "%llu marks are not settled yet%s%s",
                   (unsigned long long)stats.pending, why[0] != '\0' ? ": " : "", why);
}

static bool wait_settled(wb_tracker *tracker, uint64_t mark, int64_t deadline_us)
{
    if (!tracker->owner.threaded)
        return wb_markbox_settled(&tracker->box, mark);
    return wb_markbox_wait(&tracker->box, mark, deadline_us);
}

int wb_tracker_flush(wb_tracker *tracker, int64_t deadline_us, wb_err *err)
{
    int code = wb_owner_enter(&tracker->owner, err);
    if (code != WB_OK)
        return code;
    uint64_t mark = wb_markbox_seal(&tracker->box, WB_REASON_FLUSH);
    return wait_settled(tracker, mark, deadline_us) ? WB_OK : not_settled(tracker, err);
}

int wb_tracker_close(wb_tracker *tracker, int64_t deadline_us, wb_err *err)
{
    int code = wb_owner_enter(&tracker->owner, err);
    if (code != WB_OK)
        return code;
    wb_markbox_close(&tracker->box);
    bool settled = wait_settled(tracker, UINT64_MAX, deadline_us);
    if (!settled || !wb_flusher_join(&tracker->owner.flusher, deadline_us))
        return not_settled(tracker, err);
    if (!tracker->owner.threaded)
        wb_owner_end_session(&tracker->owner);
    return WB_OK;
}

/* As wb_batcher_detach: one that an ancestor used is left as it is. */
void wb_tracker_detach(wb_tracker *tracker)
{
    if (tracker == NULL || wb_owner_enter(&tracker->owner, NULL) != WB_OK)
        return;
    if (!tracker->owner.threaded)
        report_lost(tracker);
    else
        wb_markbox_close(&tracker->box);
    wb_flusher_detach(&tracker->owner.flusher);
    unref(tracker);
}

int wb_tracker_stats(wb_tracker *tracker, wb_stats *out, wb_err *err)
{
    int code = wb_owner_enter(&tracker->owner, err);
    if (code == WB_OK)
        wb_markbox_stats(&tracker->box, out);
    return code;
}

bool wb_tracker_event(wb_tracker *tracker, wb_event *out)
{
    return wb_owner_enter(&tracker->owner, NULL) == WB_OK && wb_markbox_event(&tracker->box, out);
}

/* ---- driven ---- */

uint64_t wb_tracker_seal(wb_tracker *tracker, int reason)
{
    return wb_markbox_seal(&tracker->box, reason);
}

bool wb_tracker_settled(wb_tracker *tracker, uint64_t mark)
{
    return wb_markbox_settled(&tracker->box, mark);
}

/* The claim's first member is the marks. */
wb_marks *wb_tracker_take(wb_tracker *tracker)
{
    if (tracker->owner.threaded || wb_owner_enter(&tracker->owner, NULL) != WB_OK)
        return NULL;
    wb_claim *claim = wb_markbox_take(&tracker->box);
    if (claim == NULL)
        return NULL;
    ref(tracker); /* until it is completed */
    return &claim->marks;
}

bool wb_tracker_run(wb_tracker *tracker)
{
    bool mine = tracker->owner.store != NULL && !tracker->owner.threaded;
    return mine && wb_owner_enter(&tracker->owner, NULL) == WB_OK && deliver_one(tracker, NULL);
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
    unref(tracker);
}

int64_t wb_tracker_next_due_us(wb_tracker *tracker)
{
    wb_monitor_lock(&tracker->box.monitor);
    int64_t due_us = wb_markbox_next_due_us(&tracker->box);
    wb_monitor_unlock(&tracker->box.monitor);
    return due_us;
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
    return wb_markbox_fd(&tracker->box);
}
