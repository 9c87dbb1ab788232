/* SPDX-License-Identifier: MIT
 * The outbox's far side: taking batches and completing them. See outbox.h for the invariants. A failed
 * batch goes back with a due time; what was stored of it is gone from it by then, so nothing is sent twice
 * that is known to be in. */
#include "outbox.h"

#include <assert.h>
#include <stdio.h>
#include <string.h>

/* ---- when, and which ---- */

static int64_t open_due_us(const wb_outbox *outbox)
{
    const wb_batch *open = outbox->open;
    if (open == NULL || wb_batch_left(open) == 0)
        return WB_NEVER;
    if (wb_policy_due(&outbox->policy, wb_batch_left(open), open->bytes, 0) != WB_REASON_NONE)
        return INT64_MIN;
    bool never = outbox->policy.interval_us >= WB_NEVER - open->opened_us;
    return never ? WB_NEVER : open->opened_us + outbox->policy.interval_us;
}

int64_t wb_outbox_next_due_us(const wb_outbox *outbox)
{
    if (outbox->metrics.consecutive_failures > 0 && outbox->taken_count > 0)
        return WB_NEVER; /* one at a time until one gets through */
    int64_t due_us = open_due_us(outbox);
    for (const wb_batch *batch = outbox->sealed; batch != NULL; batch = batch->next) {
        if (batch->due_us < due_us)
            due_us = batch->due_us;
    }
    return due_us > outbox->gate_us ? due_us : outbox->gate_us;
}

static wb_batch *least_tried(const wb_outbox *outbox, int64_t now_us)
{
    wb_batch *best = NULL;
    for (wb_batch *batch = outbox->sealed; batch != NULL; batch = batch->next) {
        if (batch->due_us <= now_us && (best == NULL || batch->attempt < best->attempt))
            best = batch;
    }
    return best;
}

/* Younger batches that were never tried join the one that goes out, up to the limits of one write. Without
 * memory for it they go out on their own. */
static void merge_waiting(wb_outbox *outbox, wb_batch *batch)
{
    wb_batch *more = outbox->sealed;
    while (more != NULL) {
        wb_batch *next = more->next;
        bool joins = more != batch && more->attempt == 0 && more->serial > batch->serial;
        if (joins) {
            if (wb_batch_left(batch) + wb_batch_left(more) > outbox->merge_rows ||
                batch->bytes + more->bytes > outbox->policy.batch_bytes ||
                !wb_batch_append(batch, more))
                return;
            wb_outbox_delist(&outbox->sealed, more);
            wb_batch_become(more, WB_BATCH_SETTLED);
            wb_outbox_release(outbox, more);
        }
        more = next;
    }
}

/* What else may be open is taken along into the same write. */
static void seal_due(wb_outbox *outbox, int64_t now_us)
{
    const wb_batch *open = outbox->open;
    if (open == NULL)
        return;
    int reason =
        wb_policy_due(&outbox->policy, wb_batch_left(open), open->bytes, now_us - open->opened_us);
    if (reason != WB_REASON_NONE)
        wb_outbox_seal_open(outbox, reason);
}

static wb_batch *take_locked(wb_outbox *outbox)
{
    int64_t now_us = outbox->env.now_us(outbox->env.context);
    if (wb_outbox_next_due_us(outbox) > now_us)
        return NULL;
    seal_due(outbox, now_us);
    wb_batch *batch = least_tried(outbox, now_us);
    if (batch == NULL)
        return NULL;
    if (batch->attempt == 0 && outbox->merge_rows > 0)
        merge_waiting(outbox, batch);
    wb_outbox_delist(&outbox->sealed, batch);
    wb_batch_become(batch, WB_BATCH_TAKEN);
    wb_outbox_enlist(&outbox->taken, batch);
    outbox->taken_count++;
    batch->taken_us = now_us;
    if (batch->attempt++ == 0)
        outbox->metrics.batches++;
    else
        outbox->metrics.retries++;
    wb_outbox_changed(outbox);
    return batch;
}

wb_batch *wb_outbox_take(wb_outbox *outbox)
{
    wb_monitor_lock(&outbox->monitor);
    wb_batch *batch = take_locked(outbox);
    wb_monitor_unlock(&outbox->monitor);
    return batch;
}

/* ---- how it ended ---- */

static void count_stored(wb_outbox *outbox, wb_batch *batch, size_t rows, int64_t now_us)
{
    wb_metrics *metrics = &outbox->metrics;
    for (size_t i = 0; i < rows; i++) {
        int64_t added_us = batch->opened_us + batch->rows[batch->first + i].age_us;
        wb_histogram_add(&metrics->latency, now_us - added_us);
    }
    metrics->stored += rows;
    metrics->pending -= rows;
    metrics->pending_bytes -= wb_batch_skip(batch, rows);
}

static void succeed(wb_outbox *outbox, wb_batch *batch, int64_t now_us)
{
    wb_metrics *metrics = &outbox->metrics;
    size_t rows = wb_batch_left(batch);
    count_stored(outbox, batch, rows, now_us);
    metrics->flushes++;
    if (metrics->consecutive_failures > 0) {
        wb_log_line(outbox->log, WB_TOPIC_RECOVERY, WB_INFO, now_us, rows,
                    "the store takes rows again after %llu failures",
                    (unsigned long long)metrics->consecutive_failures);
        wb_log_reset(outbox->log, WB_TOPIC_FAILURE);
        wb_log_reset(outbox->log, WB_TOPIC_HOLD);
    }
    metrics->consecutive_failures = 0;
    outbox->holding = false;
    outbox->gate_us = INT64_MIN;
    if (batch->piece)
        wb_outbox_narrow(outbox, batch->serial);
    wb_outbox_settle(outbox, batch);
    wb_outbox_vouch(outbox, now_us);
}

void wb_outbox_settle(wb_outbox *outbox, wb_batch *batch)
{
    wb_batch_become(batch, WB_BATCH_SETTLED);
    wb_outbox_release(outbox, batch);
}

/* While closing, the wait is short: there may be no later. */
static int64_t ceiling_of(const wb_outbox *outbox, int64_t delay_us)
{
    const int64_t closing_us = 1000000;
    return outbox->closing && delay_us > closing_us ? closing_us : delay_us;
}

/* One draw for both delays: a lone batch waits once, not for the later of two draws. */
void wb_outbox_delay(wb_outbox *outbox, wb_batch *batch, int64_t now_us)
{
    uint32_t draw;
    outbox->env.random(outbox->env.context, &draw, sizeof draw);
    double fraction = draw / 4294967296.0;
    int64_t own_us = wb_backoff_us(&outbox->retry, batch->attempt, fraction);
    int64_t gate_us = wb_backoff_us(&outbox->retry, outbox->metrics.consecutive_failures, fraction);
    batch->due_us = now_us + ceiling_of(outbox, own_us);
    outbox->gate_us = now_us + ceiling_of(outbox, gate_us);
}

void wb_outbox_put_back(wb_outbox *outbox, wb_batch *batch, int64_t now_us)
{
    wb_outbox_delay(outbox, batch, now_us);
    wb_batch_become(batch, WB_BATCH_SEALED);
    wb_outbox_enlist(&outbox->sealed, batch);
}

static void log_failure(wb_outbox *outbox, const wb_err *err, size_t rows, int64_t now_us)
{
    unsigned long long failures = outbox->metrics.consecutive_failures;
    if (outbox->holding)
        wb_log_line(outbox->log, WB_TOPIC_HOLD, WB_ERROR, now_us, rows,
                    "the store refuses all rows, holding %llu: %s",
                    (unsigned long long)outbox->metrics.pending, err->text);
    else
        wb_log_line(outbox->log, WB_TOPIC_FAILURE, failures > 1 ? WB_ERROR : WB_WARN, now_us, rows,
                    "a write of %zu rows failed, %llu in a row, %llu rows are kept: %s", rows,
                    failures, (unsigned long long)outbox->metrics.pending, err->text);
}

static void fail(wb_outbox *outbox, wb_batch *batch, const wb_err *err, uint64_t stored,
                 int64_t now_us)
{
    wb_metrics *metrics = &outbox->metrics;
    size_t left = wb_batch_left(batch);
    metrics->failures++;
    metrics->consecutive_failures = stored > 0 ? 1 : metrics->consecutive_failures + 1;
    snprintf(metrics->last_error, sizeof metrics->last_error, "%s", err->text);
    count_stored(outbox, batch, stored < left ? stored : left, now_us);
    batch->in_doubt = batch->in_doubt || err->in_doubt;
    outbox->holding = err->class == WB_HOLD;
    log_failure(outbox, err, left, now_us);
    bool last = outbox->retry.attempts > 0 && batch->attempt >= outbox->retry.attempts;
    if (stored > 0)
        wb_outbox_vouch(outbox, now_us);
    if (wb_batch_left(batch) == 0)
        wb_outbox_settle(outbox, batch);
    else if (err->class == WB_REJECT)
        wb_outbox_reject(outbox, batch, err, now_us);
    else if (last && err->class != WB_HOLD)
        wb_outbox_give_up(outbox, batch, err->text, now_us);
    else
        wb_outbox_put_back(outbox, batch, now_us);
}

void wb_outbox_complete(wb_outbox *outbox, wb_batch *batch, const wb_err *err, uint64_t stored,
                        int64_t elapsed_us)
{
    wb_event event = {
        .kind = WB_EVENT_FLUSH,
        .level = err == NULL ? WB_DEBUG : WB_WARN,
        .code = err == NULL ? WB_OK : err->code,
        .class = err == NULL ? WB_RETRY : err->class,
        .reason = batch->reason,
        .attempt = batch->attempt,
        .rows = wb_batch_left(batch),
        .elapsed_s = (double)elapsed_us / 1e6,
    };
    if (err != NULL)
        memcpy(event.text, err->text, sizeof event.text);

    wb_monitor_lock(&outbox->monitor);
    int64_t now_us = outbox->env.now_us(outbox->env.context);
    wb_histogram_add(&outbox->metrics.write, elapsed_us);
    wb_outbox_delist(&outbox->taken, batch);
    outbox->taken_count--;
    if (err == NULL)
        succeed(outbox, batch, now_us);
    else
        fail(outbox, batch, err, stored, now_us);
    wb_log_flush(outbox->log, &event);
    wb_monitor_tell(&outbox->monitor);
    wb_monitor_wake_by(&outbox->monitor, wb_outbox_next_due_us(outbox));
    wb_outbox_changed(outbox);
    wb_monitor_unlock(&outbox->monitor);
    wb_log_print(outbox->log);
}
