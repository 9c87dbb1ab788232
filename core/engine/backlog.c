/* SPDX-License-Identifier: MIT
 * The common part of outbox and markbox. Its lock is held for counters and the class's own lists, never across
 * I/O: log lines wait for wb_log_print. */
#include "engine/backlog.h"

#include <assert.h>
#include <stdio.h>
#include <string.h>

void wb_box_init(wb_box *box, const wb_box_class *class, const wb_env *env, const wb_retry *retry,
                 wb_log *log)
{
    box->class = class;
    wb_monitor_init(&box->monitor);
    wb_alarm_init(&box->alarm);
    box->env = *env;
    box->retry = *retry;
    box->log = log;
    box->gate_us = INT64_MIN;
}

void wb_box_fini(wb_box *box)
{
    wb_alarm_fini(&box->alarm);
    wb_monitor_fini(&box->monitor);
}

void wb_box_changed(wb_box *box)
{
    assert(wb_metrics_conserved(&box->metrics));
    if (box->alarm.fd < 0)
        return;
    bool unread =
        wb_log_waiting(box->log) || (box->class->unread != NULL && box->class->unread(box));
    int64_t now_us = wb_box_now_us(box);
    int64_t due_us = box->threaded ? WB_NEVER : box->class->next_due_us(box);
    wb_alarm_set(&box->alarm, unread ? now_us : due_us, now_us);
}

/* ---- sealing, closing, waiting ---- */

static uint64_t seal_locked(wb_box *box, int reason)
{
    box->gate_us = INT64_MIN;
    uint64_t mark = box->class->seal(box, reason);
    wb_monitor_wake_by(&box->monitor, INT64_MIN + 1);
    wb_box_changed(box);
    return mark;
}

uint64_t wb_box_seal(wb_box *box, int reason)
{
    wb_monitor_lock(&box->monitor);
    uint64_t mark = seal_locked(box, reason);
    wb_monitor_unlock(&box->monitor);
    return mark;
}

void wb_box_close(wb_box *box)
{
    wb_monitor_lock(&box->monitor);
    box->closing = true;
    seal_locked(box, WB_REASON_CLOSE);
    wb_monitor_tell(&box->monitor);
    wb_monitor_unlock(&box->monitor);
}

bool wb_box_settled(wb_box *box, uint64_t mark)
{
    wb_monitor_lock(&box->monitor);
    bool settled = box->class->settled(box, mark);
    wb_monitor_unlock(&box->monitor);
    return settled;
}

bool wb_box_wait(wb_box *box, uint64_t mark, int64_t deadline_us)
{
    wb_monitor_lock(&box->monitor);
    while (!box->class->settled(box, mark) && wb_monitor_wait(&box->monitor, deadline_us))
        continue;
    bool settled = box->class->settled(box, mark);
    wb_monitor_unlock(&box->monitor);
    return settled;
}

bool wb_box_drained(const wb_box *box)
{
    return box->closing && box->metrics.pending == 0;
}

/* ---- looking in ---- */

static int health(const wb_box *box)
{
    if (box->closing)
        return WB_HEALTH_CLOSED;
    if (box->holding)
        return WB_HEALTH_HOLDING;
    return box->metrics.consecutive_failures > 0 ? WB_HEALTH_RETRYING : WB_HEALTH_OK;
}

void wb_box_stats(wb_box *box, wb_stats *out)
{
    wb_monitor_lock(&box->monitor);
    if (box->class->measure != NULL)
        box->class->measure(box);
    box->metrics.events_lost = wb_log_lost(box->log);
    wb_metrics_stats(&box->metrics, out);
    out->health = health(box);
    wb_monitor_unlock(&box->monitor);
}

int wb_box_fd(wb_box *box)
{
    wb_monitor_lock(&box->monitor);
    int fd = wb_alarm_fd(&box->alarm);
    wb_box_changed(box);
    wb_monitor_unlock(&box->monitor);
    return fd;
}

bool wb_box_event(wb_box *box, wb_event *out)
{
    bool found = wb_log_next(box->log, out);
    wb_monitor_lock(&box->monitor);
    wb_box_changed(box);
    wb_monitor_unlock(&box->monitor);
    return found;
}

int64_t wb_box_next_due_us(wb_box *box)
{
    wb_monitor_lock(&box->monitor);
    int64_t due_us = box->class->next_due_us(box);
    wb_monitor_unlock(&box->monitor);
    return due_us;
}

void wb_box_undecided(wb_box *box, const char *decision, const char *why)
{
    wb_monitor_lock(&box->monitor);
    box->metrics.policy_errors++;
    wb_log_line(box->log, WB_TOPIC_POLICY, WB_ERROR, wb_box_now_us(box), 0,
                "the policy's %s failed, the built-in rule decides: %s", decision, why);
    wb_box_changed(box);
    wb_monitor_unlock(&box->monitor);
    wb_log_print(box->log);
}

/* ---- how a write ended ---- */

void wb_box_succeeded(wb_box *box, uint64_t count, int64_t now_us)
{
    wb_metrics *metrics = &box->metrics;
    metrics->flushes++;
    if (metrics->consecutive_failures > 0) {
        wb_log_line(box->log, WB_TOPIC_RECOVERY, WB_INFO, now_us, count,
                    "the store takes %s again after %llu failures", box->class->unit,
                    (unsigned long long)metrics->consecutive_failures);
        wb_log_reset(box->log, WB_TOPIC_FAILURE);
        wb_log_reset(box->log, WB_TOPIC_HOLD);
    }
    metrics->consecutive_failures = 0;
    box->holding = false;
    box->gate_us = INT64_MIN;
}

static void log_failure(wb_box *box, const wb_err *err, uint64_t count, int64_t now_us)
{
    unsigned long long failures = box->metrics.consecutive_failures;
    unsigned long long pending = box->metrics.pending;
    int level = failures > 1 ? WB_ERROR : WB_WARN;
    if (box->holding)
        wb_log_line(box->log, WB_TOPIC_HOLD, level, now_us, count,
                    "the store refuses everything, holding %llu %s: %s", pending, box->class->unit,
                    err->text);
    else
        wb_log_line(box->log, WB_TOPIC_FAILURE, level, now_us, count,
                    "a write of %llu %s failed, %llu in a row, %llu are kept: %s",
                    (unsigned long long)count, box->class->unit, failures, pending, err->text);
}

void wb_box_failed(wb_box *box, const wb_err *err, uint64_t count, bool progress, int64_t now_us)
{
    wb_metrics *metrics = &box->metrics;
    metrics->failures++;
    metrics->consecutive_failures = progress ? 1 : metrics->consecutive_failures + 1;
    snprintf(metrics->last_error, sizeof metrics->last_error, "%s", err->text);
    box->holding = err->class == WB_HOLD;
    log_failure(box, err, count, now_us);
}

double wb_box_fraction(wb_box *box)
{
    uint32_t draw;
    box->env.random(box->env.context, &draw, sizeof draw);
    return draw / 4294967296.0;
}

int64_t wb_box_bounded_us(const wb_box *box, int64_t delay_us)
{
    const int64_t closing_us = 1000000;
    return box->closing && delay_us > closing_us ? closing_us : delay_us;
}

int64_t wb_box_delay_us(const wb_box *box, uint64_t failures, double fraction)
{
    return wb_box_bounded_us(box, wb_backoff_us(&box->retry, failures, fraction));
}

void wb_box_ended(wb_box *box)
{
    box->active = true;
    wb_monitor_tell(&box->monitor);
    wb_monitor_wake_by(&box->monitor, box->class->next_due_us(box));
    wb_box_changed(box);
}

wb_event wb_box_write_event(const wb_err *err, int reason, uint32_t attempt, uint64_t count,
                            int64_t elapsed_us)
{
    wb_event event = {
        .kind = WB_EVENT_FLUSH,
        .level = err == NULL ? WB_DEBUG : WB_WARN,
        .code = err == NULL ? WB_OK : err->code,
        .class = err == NULL ? WB_RETRY : err->class,
        .reason = reason,
        .attempt = attempt,
        .rows = count,
        .elapsed_s = (double)elapsed_us / 1e6,
    };
    if (err != NULL)
        memcpy(event.text, err->text, sizeof event.text);
    return event;
}
