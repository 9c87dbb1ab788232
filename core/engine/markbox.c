/* SPDX-License-Identifier: MIT
 * The markbox's near side: putting marks in, sealing. See markbox.h for the invariants. An id that
 * does not fit or finds no memory leaves the box as it was. */
#include "engine/markbox.h"

#include <assert.h>
#include <string.h>

static const wb_backlog_class class;

int wb_markbox_init(wb_markbox *markbox, const wb_tracker_options *options, const wb_env *env,
                    wb_log *log, wb_err *err)
{
    memset(markbox, 0, sizeof *markbox);
    markbox->set = wb_markset_new(env);
    if (markbox->set == NULL)
        return wb_fail(err, WB_MEMORY, "tracker: out of memory");
    wb_backlog_init(&markbox->backlog, &class, env, &options->retry, log);
    markbox->interval_us = options->interval_us;
    markbox->chunk = options->chunk;
    markbox->max_ids = options->max_pending_ids;
    markbox->exact = options->exact;
    markbox->due_us = WB_NEVER;
    return WB_OK;
}

void wb_markbox_fini(wb_markbox *markbox)
{
    assert(markbox->round.claims == 0);
    wb_free(markbox->round.marks);
    wb_markset_free(markbox->set);
    wb_backlog_fini(&markbox->backlog);
}

/* ---- putting a mark in ---- */

static void accept_mark(wb_markbox *markbox)
{
    markbox->backlog.metrics.accepted++;
    markbox->backlog.metrics.pending++;
    if (markbox->due_us != WB_NEVER)
        return;
    int64_t now = wb_backlog_now_us(&markbox->backlog);
    markbox->due_us = wb_after_us(now, markbox->interval_us);
    if (markbox->due_us == WB_NEVER)
        markbox->due_us--; /* WB_NEVER says that the set is empty */
    markbox->oldest = markbox->seal + 1;
    markbox->reason = WB_REASON_AGE;
    wb_monitor_wake_by(&markbox->backlog.monitor, markbox->due_us);
    wb_backlog_changed(&markbox->backlog);
}

static int put_locked(wb_markbox *markbox, const uint8_t id[16], int64_t unix_us, wb_err *err)
{
    if (markbox->backlog.closing)
        return wb_fail(err, WB_CLOSED, "closed: no new ids");
    if (unix_us == WB_NEVER)
        unix_us = markbox->backlog.env.unix_us(markbox->backlog.env.context);
    bool full = false;
    if (wb_markset_add(markbox->set, id, unix_us, 1, markbox->max_ids, &full) < 0) {
        if (!full)
            return wb_fail(err, WB_MEMORY, "out of memory for an id");
        return wb_fail(err, WB_FULL, "full: %zu ids are pending (max_pending_ids)",
                       wb_markset_count(markbox->set));
    }
    accept_mark(markbox);
    return WB_OK;
}

int wb_markbox_put(wb_markbox *markbox, const uint8_t id[16], int64_t unix_us, bool *due,
                   wb_err *err)
{
    wb_monitor_lock(&markbox->backlog.monitor);
    int code = put_locked(markbox, id, unix_us, err);
    if (code != WB_OK)
        markbox->backlog.metrics.rejected++;
    if (due != NULL)
        *due = wb_markbox_next_due_us(&markbox->backlog) <= wb_backlog_now_us(&markbox->backlog);
    wb_monitor_unlock(&markbox->backlog.monitor);
    return code;
}

/* ---- what the box asks ---- */

static uint64_t seal(wb_backlog *backlog, int reason)
{
    wb_markbox *markbox = (wb_markbox *)backlog;
    markbox->reason = reason;
    if (markbox->due_us != WB_NEVER)
        markbox->due_us = INT64_MIN;
    return ++markbox->seal;
}

static bool settled(const wb_backlog *backlog, uint64_t mark)
{
    const wb_markbox *markbox = (const wb_markbox *)backlog;
    bool set_is = markbox->due_us == WB_NEVER || markbox->oldest > mark;
    bool round_is = markbox->round.marks == NULL || markbox->round.oldest > mark;
    return set_is && round_is;
}

static void measure(wb_backlog *backlog)
{
    const wb_markbox *markbox = (const wb_markbox *)backlog;
    size_t ids = wb_markset_count(markbox->set) + markbox->round.count;
    backlog->metrics.pending_bytes = ids * sizeof(wb_mark);
}

static const wb_backlog_class class = {
    .unit = "ids",
    .next_due_us = wb_markbox_next_due_us,
    .seal = seal,
    .settled = settled,
    .measure = measure,
};
