/* SPDX-License-Identifier: MIT
 * The outbox's far side: taking batches and completing them. See outbox.h for the invariants. A failed
 * batch goes back with a due time; what was stored of it is gone from it by then, so nothing is sent twice
 * that is known to be in. */
#include "outbox.h"

enum { PATIENCE = 8 };

/* ---- when, and which ---- */

static int64_t open_due_us(const wb_outbox *outbox)
{
    const wb_batch *open = outbox->open;
    if (open == NULL || wb_batch_left(open) == 0)
        return WB_NEVER;
    if (wb_policy_due(&outbox->policy, wb_batch_left(open), open->bytes, 0) != WB_REASON_NONE)
        return INT64_MIN;
    return wb_after_us(open->opened_us, outbox->policy.interval_us);
}

int64_t wb_outbox_next_due_us(const wb_box *box)
{
    const wb_outbox *outbox = (const wb_outbox *)box;
    if (outbox->box.metrics.consecutive_failures > 0 && outbox->taken_count > 0)
        return WB_NEVER; /* one at a time until one gets through */
    int64_t due_us = open_due_us(outbox);
    for (const wb_batch *batch = outbox->sealed; batch != NULL; batch = batch->next) {
        if (batch->due_us < due_us)
            due_us = batch->due_us;
    }
    return due_us > outbox->box.gate_us ? due_us : outbox->box.gate_us;
}

/* The least tried of those that are due, but after PATIENCE others the one that waits the longest for its next
 * try: where there is always a fresh batch, one that failed once would never come back. */
static wb_batch *choose(wb_outbox *outbox, int64_t now_us)
{
    wb_batch *best = NULL, *waiting = NULL;
    for (wb_batch *batch = outbox->sealed; batch != NULL; batch = batch->next) {
        if (batch->due_us > now_us)
            continue;
        if (best == NULL || batch->attempt < best->attempt)
            best = batch;
        if (batch->attempt > 0 && (waiting == NULL || batch->due_us < waiting->due_us))
            waiting = batch;
    }
    outbox->passed_over = waiting != NULL ? outbox->passed_over + 1 : 0;
    if (outbox->passed_over <= PATIENCE)
        return best;
    outbox->passed_over = 0;
    return waiting;
}

/* Younger batches that were never tried join the one that goes out, up to the limits of one write. Without
 * memory for it they go out on their own. The pieces of a rejected batch stay as they are: the bad row is
 * found only while they shrink. */
static void merge_waiting(wb_outbox *outbox, wb_batch *batch)
{
    wb_batch *more = outbox->sealed;
    while (more != NULL) {
        wb_batch *next = more->next;
        bool joins = more->attempt == 0 && !more->piece && more->serial > batch->serial;
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
    int64_t now_us = wb_box_now_us(&outbox->box);
    if (wb_outbox_next_due_us(&outbox->box) > now_us)
        return NULL;
    seal_due(outbox, now_us);
    wb_batch *batch = choose(outbox, now_us);
    if (batch == NULL)
        return NULL;
    if (batch->attempt == 0 && !batch->piece && outbox->merge_rows > 0)
        merge_waiting(outbox, batch);
    wb_outbox_delist(&outbox->sealed, batch);
    wb_batch_become(batch, WB_BATCH_TAKEN);
    wb_outbox_enlist(&outbox->taken, batch);
    outbox->taken_count++;
    batch->taken_us = now_us;
    if (batch->attempt++ == 0)
        outbox->box.metrics.batches++;
    else
        outbox->box.metrics.retries++;
    wb_box_changed(&outbox->box);
    return batch;
}

wb_batch *wb_outbox_take(wb_outbox *outbox)
{
    wb_monitor_lock(&outbox->box.monitor);
    wb_batch *batch = take_locked(outbox);
    wb_monitor_unlock(&outbox->box.monitor);
    return batch;
}

/* ---- how it ended ---- */

static void count_stored(wb_outbox *outbox, wb_batch *batch, size_t rows, int64_t now_us)
{
    wb_metrics *metrics = &outbox->box.metrics;
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
    size_t rows = wb_batch_left(batch);
    count_stored(outbox, batch, rows, now_us);
    wb_box_succeeded(&outbox->box, rows, now_us);
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

/* One draw for both delays: a lone batch waits once, not for the later of two draws. */
void wb_outbox_delay(wb_outbox *outbox, wb_batch *batch, int64_t now_us)
{
    wb_box *box = &outbox->box;
    double fraction = wb_box_fraction(box);
    batch->due_us = wb_after_us(now_us, wb_box_delay_us(box, batch->attempt, fraction));
    box->gate_us =
        wb_after_us(now_us, wb_box_delay_us(box, box->metrics.consecutive_failures, fraction));
}

void wb_outbox_put_back(wb_outbox *outbox, wb_batch *batch, int64_t now_us)
{
    wb_outbox_delay(outbox, batch, now_us);
    wb_batch_become(batch, WB_BATCH_SEALED);
    wb_outbox_enlist(&outbox->sealed, batch);
}

static void fail(wb_outbox *outbox, wb_batch *batch, const wb_err *err, uint64_t stored,
                 int64_t now_us)
{
    size_t left = wb_batch_left(batch);
    wb_box_failed(&outbox->box, err, left, stored > 0, now_us);
    count_stored(outbox, batch, stored < left ? stored : left, now_us);
    batch->in_doubt = batch->in_doubt || err->in_doubt;
    uint32_t attempts = outbox->box.retry.attempts;
    bool last = attempts > 0 && batch->attempt >= attempts;
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
    wb_outbox_check_suspects(outbox, now_us);
}

void wb_outbox_complete(wb_outbox *outbox, wb_batch *batch, const wb_err *err, uint64_t stored,
                        int64_t elapsed_us)
{
    wb_box *box = &outbox->box;
    wb_event event =
        wb_box_write_event(err, batch->reason, batch->attempt, wb_batch_left(batch), elapsed_us);
    wb_monitor_lock(&box->monitor);
    int64_t now_us = wb_box_now_us(box);
    wb_histogram_add(&box->metrics.write, elapsed_us);
    wb_outbox_delist(&outbox->taken, batch);
    outbox->taken_count--;
    if (err == NULL)
        succeed(outbox, batch, now_us);
    else
        fail(outbox, batch, err, stored, now_us);
    wb_log_flush(box->log, &event);
    wb_box_ended(box);
    wb_monitor_unlock(&box->monitor);
    wb_log_print(box->log);
}
