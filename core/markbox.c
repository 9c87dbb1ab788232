/* SPDX-License-Identifier: MIT
 * The markbox's near side: putting marks in, sealing, waiting. See markbox.h for the invariants. An id that
 * does not fit or finds no memory leaves the box as it was. */
#include "markbox.h"

#include <assert.h>
#include <string.h>

int wb_markbox_init(wb_markbox *box, const wb_tracker_options *options, const wb_env *env,
                    wb_log *log, wb_err *err)
{
    memset(box, 0, sizeof *box);
    box->set = wb_uuidset_new(env);
    if (box->set == NULL)
        return wb_fail(err, WB_MEMORY, "tracker: out of memory");
    wb_monitor_init(&box->monitor);
    wb_alarm_init(&box->alarm);
    box->env = *env;
    box->log = log;
    box->retry = options->retry;
    box->interval_us = options->interval_us;
    box->chunk = options->chunk;
    box->max_ids = options->max_pending_ids;
    box->exact = options->exact;
    box->due_us = WB_NEVER;
    box->gate_us = INT64_MIN;
    return WB_OK;
}

void wb_markbox_fini(wb_markbox *box)
{
    assert(box->round.claims == 0);
    wb_free(box->round.marks);
    wb_uuidset_free(box->set);
    wb_alarm_fini(&box->alarm);
    wb_monitor_fini(&box->monitor);
}

static int64_t now_us(const wb_markbox *box)
{
    return box->env.now_us(box->env.context);
}

void wb_markbox_changed(wb_markbox *box)
{
    assert(wb_metrics_conserved(&box->metrics));
    if (box->alarm.fd < 0)
        return;
    int64_t now = now_us(box);
    wb_alarm_set(&box->alarm, wb_log_waiting(box->log) ? now : wb_markbox_next_due_us(box), now);
}

/* ---- putting a mark in ---- */

static void accept_mark(wb_markbox *box)
{
    box->metrics.accepted++;
    box->metrics.pending++;
    if (box->due_us != WB_NEVER)
        return;
    int64_t now = now_us(box);
    box->due_us = box->interval_us >= WB_NEVER - now ? WB_NEVER - 1 : now + box->interval_us;
    box->oldest = box->seal + 1;
    box->reason = WB_REASON_AGE;
    wb_monitor_wake_by(&box->monitor, box->due_us);
    wb_markbox_changed(box);
}

static int put_locked(wb_markbox *box, const uint8_t id[16], int64_t unix_us, wb_err *err)
{
    if (box->closing)
        return wb_fail(err, WB_CLOSED, "closed: no new ids");
    if (unix_us == WB_NEVER)
        unix_us = box->env.unix_us(box->env.context);
    bool full = false;
    if (wb_uuidset_add(box->set, id, unix_us, 1, box->max_ids, &full) < 0) {
        if (!full)
            return wb_fail(err, WB_MEMORY, "out of memory for an id");
        return wb_fail(err, WB_FULL, "full: %zu ids are pending (max_pending_ids)",
                       wb_uuidset_count(box->set));
    }
    accept_mark(box);
    return WB_OK;
}

int wb_markbox_put(wb_markbox *box, const uint8_t id[16], int64_t unix_us, bool *due, wb_err *err)
{
    wb_monitor_lock(&box->monitor);
    int code = put_locked(box, id, unix_us, err);
    if (code != WB_OK)
        box->metrics.rejected++;
    if (due != NULL)
        *due = wb_markbox_next_due_us(box) <= now_us(box);
    wb_monitor_unlock(&box->monitor);
    return code;
}

/* ---- sealing, closing, waiting ---- */

static uint64_t seal_locked(wb_markbox *box, int reason)
{
    box->reason = reason;
    box->gate_us = INT64_MIN;
    if (box->due_us != WB_NEVER)
        box->due_us = INT64_MIN;
    wb_monitor_wake_by(&box->monitor, INT64_MIN + 1);
    wb_markbox_changed(box);
    return ++box->seal;
}

uint64_t wb_markbox_seal(wb_markbox *box, int reason)
{
    wb_monitor_lock(&box->monitor);
    uint64_t mark = seal_locked(box, reason);
    wb_monitor_unlock(&box->monitor);
    return mark;
}

void wb_markbox_close(wb_markbox *box)
{
    wb_monitor_lock(&box->monitor);
    box->closing = true;
    seal_locked(box, WB_REASON_CLOSE);
    wb_monitor_tell(&box->monitor);
    wb_monitor_unlock(&box->monitor);
}

static bool settled_locked(const wb_markbox *box, uint64_t mark)
{
    bool set_is = box->due_us == WB_NEVER || box->oldest > mark;
    bool round_is = box->round.marks == NULL || box->round.oldest > mark;
    return set_is && round_is;
}

bool wb_markbox_settled(wb_markbox *box, uint64_t mark)
{
    wb_monitor_lock(&box->monitor);
    bool settled = settled_locked(box, mark);
    wb_monitor_unlock(&box->monitor);
    return settled;
}

bool wb_markbox_wait(wb_markbox *box, uint64_t mark, int64_t deadline_us)
{
    wb_monitor_lock(&box->monitor);
    while (!settled_locked(box, mark) && wb_monitor_wait(&box->monitor, deadline_us))
        continue;
    bool settled = settled_locked(box, mark);
    wb_monitor_unlock(&box->monitor);
    return settled;
}

static int health(const wb_markbox *box)
{
    if (box->closing)
        return WB_HEALTH_CLOSED;
    if (box->holding)
        return WB_HEALTH_HOLDING;
    return box->metrics.consecutive_failures > 0 ? WB_HEALTH_RETRYING : WB_HEALTH_OK;
}

void wb_markbox_stats(wb_markbox *box, wb_stats *out)
{
    wb_monitor_lock(&box->monitor);
    box->metrics.events_lost = wb_log_lost(box->log);
    box->metrics.pending_bytes = (wb_uuidset_count(box->set) + box->round.count) * sizeof(wb_mark);
    wb_metrics_stats(&box->metrics, out);
    out->health = health(box);
    wb_monitor_unlock(&box->monitor);
}

int wb_markbox_fd(wb_markbox *box)
{
    wb_monitor_lock(&box->monitor);
    int fd = wb_alarm_fd(&box->alarm);
    wb_markbox_changed(box);
    wb_monitor_unlock(&box->monitor);
    return fd;
}

bool wb_markbox_event(wb_markbox *box, wb_event *out)
{
    bool found = wb_log_next(box->log, out);
    wb_monitor_lock(&box->monitor);
    wb_markbox_changed(box);
    wb_monitor_unlock(&box->monitor);
    return found;
}
