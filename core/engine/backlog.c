/* SPDX-License-Identifier: MIT
 * The common part of outbox and markbox. Its lock is held for counters and the class's own lists, never across
 * I/O: log lines wait for wb_log_print. */
#include "engine/backlog.h"

#include <assert.h>
#include <stdio.h>
#include <string.h>

void wb_backlog_init(wb_backlog *backlog, const wb_backlog_class *class, const wb_env *env,
                     const wb_retry *retry, wb_log *log, bool threaded)
{
    backlog->class = class;
    backlog->threaded = threaded;
    wb_monitor_init(&backlog->monitor);
    wb_alarm_init(&backlog->alarm);
    backlog->env = *env;
    backlog->retry = *retry;
    backlog->log = log;
    backlog->gate_us = INT64_MIN;
}

void wb_backlog_fini(wb_backlog *backlog)
{
    wb_alarm_fini(&backlog->alarm);
    wb_monitor_fini(&backlog->monitor);
}

void wb_backlog_changed(wb_backlog *backlog)
{
    assert(wb_metrics_conserved(&backlog->metrics));
    if (backlog->alarm.fd < 0)
        return;
    bool unread = wb_log_waiting(backlog->log) ||
                  (backlog->class->unread != NULL && backlog->class->unread(backlog));
    int64_t now_us = wb_backlog_now_us(backlog);
    int64_t due_us = backlog->threaded ? WB_NEVER : backlog->class->next_due_us(backlog);
    wb_alarm_set(&backlog->alarm, unread ? now_us : due_us, now_us);
}

/* ---- sealing, closing, waiting ---- */

static uint64_t seal_locked(wb_backlog *backlog, int reason)
{
    if (reason != WB_REASON_POLICY)
        backlog->gate_us = INT64_MIN;
    uint64_t ticket = backlog->class->seal(backlog, reason);
    wb_monitor_wake_by(&backlog->monitor, backlog->class->next_due_us(backlog));
    wb_backlog_changed(backlog);
    return ticket;
}

uint64_t wb_backlog_seal(wb_backlog *backlog, int reason)
{
    wb_monitor_lock(&backlog->monitor);
    uint64_t ticket = seal_locked(backlog, reason);
    wb_monitor_unlock(&backlog->monitor);
    return ticket;
}

void wb_backlog_close(wb_backlog *backlog)
{
    wb_monitor_lock(&backlog->monitor);
    backlog->closing = true;
    seal_locked(backlog, WB_REASON_CLOSE);
    wb_monitor_wake_by(&backlog->monitor, WB_NOW); /* a thread with nothing left ends */
    wb_monitor_tell(&backlog->monitor);
    wb_monitor_unlock(&backlog->monitor);
}

bool wb_backlog_settled(wb_backlog *backlog, uint64_t ticket)
{
    wb_monitor_lock(&backlog->monitor);
    bool settled = backlog->class->settled(backlog, ticket);
    wb_monitor_unlock(&backlog->monitor);
    return settled;
}

bool wb_backlog_wait(wb_backlog *backlog, uint64_t ticket, int64_t deadline_us)
{
    wb_monitor_lock(&backlog->monitor);
    while (!backlog->class->settled(backlog, ticket) &&
           wb_monitor_wait(&backlog->monitor, deadline_us))
        continue;
    bool settled = backlog->class->settled(backlog, ticket);
    wb_monitor_unlock(&backlog->monitor);
    return settled;
}

bool wb_backlog_drained(const wb_backlog *backlog)
{
    return backlog->closing && backlog->metrics.pending == 0;
}

bool wb_backlog_rests(wb_backlog *backlog)
{
    bool active = backlog->active;
    backlog->active = false;
    return active;
}

/* ---- looking in ---- */

const char *wb_health_name(int health)
{
    static const char *const names[] = {
        [WB_HEALTH_OK] = "ok",
        [WB_HEALTH_RETRYING] = "retrying",
        [WB_HEALTH_HOLDING] = "holding",
        [WB_HEALTH_CLOSED] = "closed",
    };
    return health >= 0 && health <= WB_HEALTH_CLOSED ? names[health] : "unknown";
}

static int health(const wb_backlog *backlog)
{
    if (backlog->closing)
        return WB_HEALTH_CLOSED;
    if (backlog->holding)
        return WB_HEALTH_HOLDING;
    bool failing = backlog->troubled || backlog->metrics.consecutive_failures > 0;
    return failing ? WB_HEALTH_RETRYING : WB_HEALTH_OK;
}

void wb_backlog_stats(wb_backlog *backlog, wb_stats *out)
{
    wb_monitor_lock(&backlog->monitor);
    if (backlog->class->measure != NULL)
        backlog->class->measure(backlog);
    backlog->metrics.events_lost = wb_log_lost(backlog->log);
    wb_metrics_stats(&backlog->metrics, out);
    out->health = health(backlog);
    wb_monitor_unlock(&backlog->monitor);
}

int wb_backlog_fd(wb_backlog *backlog)
{
    wb_monitor_lock(&backlog->monitor);
    int fd = wb_alarm_fd(&backlog->alarm);
    wb_backlog_changed(backlog);
    wb_monitor_unlock(&backlog->monitor);
    return fd;
}

bool wb_backlog_event(wb_backlog *backlog, wb_event *out)
{
    bool found = wb_log_next(backlog->log, out);
    wb_monitor_lock(&backlog->monitor);
    wb_backlog_changed(backlog);
    wb_monitor_unlock(&backlog->monitor);
    return found;
}

int64_t wb_backlog_next_due_us(wb_backlog *backlog)
{
    wb_monitor_lock(&backlog->monitor);
    int64_t due_us = backlog->class->next_due_us(backlog);
    wb_monitor_unlock(&backlog->monitor);
    return due_us;
}

void wb_backlog_undecided(wb_backlog *backlog, const char *decision, const char *why)
{
    wb_monitor_lock(&backlog->monitor);
    backlog->metrics.policy_errors++;
    wb_log_line(backlog->log, WB_TOPIC_POLICY, WB_ERROR, wb_backlog_now_us(backlog), 0,
                "the policy's %s failed, the built-in rule decides: %s", decision, why);
    wb_backlog_changed(backlog);
    wb_monitor_unlock(&backlog->monitor);
    wb_log_print(backlog->log);
}

/* ---- how a write ended ---- */

void wb_backlog_succeeded(wb_backlog *backlog, uint64_t count, int64_t now_us)
{
    wb_metrics *metrics = &backlog->metrics;
    metrics->flushes++;
    if (metrics->consecutive_failures > 0)
        wb_log_line(backlog->log, WB_TOPIC_RECOVERY, WB_INFO, now_us, count,
                    "the store takes %s again after %llu failures", backlog->class->unit,
                    (unsigned long long)metrics->consecutive_failures);
    metrics->consecutive_failures = 0;
    backlog->holding = false;
    backlog->gate_us = INT64_MIN;
}

static void log_failure(wb_backlog *backlog, const wb_err *err, uint64_t count, int64_t now_us)
{
    unsigned long long failures = backlog->metrics.consecutive_failures;
    unsigned long long pending = backlog->metrics.pending;
    int level = failures > 1 ? WB_ERROR : WB_WARN;
    if (backlog->holding)
        wb_log_line(backlog->log, WB_TOPIC_HOLD, level, now_us, count,
                    "the store refuses everything, holding %llu %s: %s", pending,
                    backlog->class->unit, err->text);
    else
        wb_log_line(backlog->log, WB_TOPIC_FAILURE, level, now_us, count,
                    "a write of %llu %s failed, %llu in a row, %llu are kept: %s",
                    (unsigned long long)count, backlog->class->unit, failures, pending, err->text);
}

void wb_backlog_failed(wb_backlog *backlog, const wb_err *err, uint64_t count, bool progress,
                       int64_t now_us)
{
    wb_metrics *metrics = &backlog->metrics;
    metrics->failures++;
    metrics->consecutive_failures = progress ? 1 : metrics->consecutive_failures + 1;
    snprintf(metrics->last_error, sizeof metrics->last_error, "%s", err->text);
    if (err->error_class != WB_REJECT) /* some rows alone tell nothing of the others */
        backlog->holding = err->error_class == WB_HOLD;
    log_failure(backlog, err, count, now_us);
}

double wb_backlog_fraction(wb_backlog *backlog)
{
    uint32_t draw;
    backlog->env.random(backlog->env.context, &draw, sizeof draw);
    return draw / 4294967296.0;
}

int64_t wb_backlog_bounded_us(const wb_backlog *backlog, int64_t delay_us)
{
    const int64_t closing_us = 1000000;
    return backlog->closing && delay_us > closing_us ? closing_us : delay_us;
}

int64_t wb_backlog_delay_us(const wb_backlog *backlog, uint64_t failures, double fraction)
{
    return wb_backlog_bounded_us(backlog, wb_backoff_us(&backlog->retry, failures, fraction));
}

void wb_backlog_ended(wb_backlog *backlog)
{
    backlog->active = true;
    wb_monitor_tell(&backlog->monitor);
    wb_monitor_wake_by(&backlog->monitor, backlog->class->next_due_us(backlog));
    wb_backlog_changed(backlog);
}

wb_event wb_backlog_write_event(const wb_err *err, int reason, uint32_t attempt, uint64_t count,
                                int64_t elapsed_us)
{
    wb_event event = {
        .kind = WB_EVENT_FLUSH,
        .level = err == NULL ? WB_DEBUG : WB_WARN,
        .code = err == NULL ? WB_OK : err->code,
        .error_class = err == NULL ? WB_RETRY : err->error_class,
        .reason = reason,
        .attempt = attempt,
        .rows = count,
        .elapsed_s = (double)elapsed_us / 1e6,
    };
    if (err != NULL)
        memcpy(event.text, err->text, sizeof event.text);
    return event;
}
