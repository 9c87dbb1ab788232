/* SPDX-License-Identifier: MIT
 * The outbox's far side: taking batches and completing them. See outbox.h for the invariants. A failed
 * batch goes back with a due time; what was stored of it is gone from it by then, so nothing is sent twice
 * that is known to be in. */
#include "outbox.h"

#include <string.h>

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

int64_t wb_outbox_next_due_us(wb_box *box)
{
    wb_outbox *outbox = (wb_outbox *)box;
    if (outbox->box.metrics.consecutive_failures > 0 && outbox->taken_count > 0)
        return WB_NEVER; /* one at a time until one gets through */
    int64_t due_us = wb_batches_due_us(&outbox->sealed);
    int64_t open_us = open_due_us(outbox);
    if (open_us < due_us)
        due_us = open_us;
    if (outbox->ask_us < due_us)
        due_us = outbox->ask_us;
    return due_us > outbox->box.gate_us ? due_us : outbox->box.gate_us;
}

/* The least tried of those that are due, but after PATIENCE others the one that waits the longest for its next
 * try: where there is always a fresh batch, one that failed once would never come back. */
static wb_batch *choose(wb_outbox *outbox, int64_t now_us)
{
    wb_batch *best = NULL, *waiting = NULL;
    for (wb_batch *batch = outbox->sealed.first; batch != NULL; batch = batch->next) {
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

static void lend(wb_outbox *outbox, wb_batch *batch)
{
    wb_batches_remove(&outbox->sealed, batch);
    wb_batch_become(batch, WB_BATCH_TAKEN);
    wb_batches_put(&outbox->taken, batch);
}

static bool may_join(const wb_batch *batch, const wb_batch *more)
{
    bool fresh = more->attempt == 0 && !more->piece && more->serial >= batch->serial;
    return fresh && more->divided == batch->divided && more->route == batch->route;
}

/* Younger batches of its table that were never tried go out in the same write, up to its limits. The pieces of a rejected
 * batch stay as they are: the bad row is found only while they shrink. */
static void gather(wb_outbox *outbox, wb_batch *batch)
{
    size_t rows = wb_batch_left(batch), bytes = batch->bytes;
    wb_batch **last = &batch->joins, *next;
    for (wb_batch *more = outbox->sealed.first; more != NULL; more = next) {
        next = more->next;
        if (!may_join(batch, more))
            continue;
        rows += wb_batch_left(more);
        bytes += more->bytes;
        if (rows > outbox->merge_rows || bytes > outbox->policy.batch_bytes)
            return;
        lend(outbox, more);
        *last = more;
        last = &more->joins;
    }
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
    lend(outbox, batch);
    if (batch->attempt == 0 && !batch->piece && outbox->merge_rows > 0)
        gather(outbox, batch);
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
    bool routing = outbox->routing;
    wb_monitor_unlock(&outbox->box.monitor);
    return batch != NULL ? wb_outbox_gathered(outbox, batch, routing) : NULL;
}

/* ---- how it ended ---- */

/* Unlocked: a write has thousands of rows. */
static void measure_latency(const wb_batch *batch, size_t rows, int64_t now_us, wb_histogram *out)
{
    memset(out, 0, sizeof *out);
    for (size_t i = 0; i < rows; i++) {
        int64_t added_us = batch->opened_us + batch->rows[batch->first + i].age_us;
        wb_histogram_add(out, now_us - added_us);
    }
}

static void count_stored(wb_outbox *outbox, wb_batch *batch, size_t rows)
{
    wb_metrics *metrics = &outbox->box.metrics;
    metrics->stored += rows;
    metrics->pending -= rows;
    metrics->pending_bytes -= wb_batch_skip(batch, rows);
}

static void succeed(wb_outbox *outbox, wb_batch *batch, int64_t now_us)
{
    size_t rows = wb_batch_left(batch);
    count_stored(outbox, batch, rows);
    wb_box_succeeded(&outbox->box, rows, now_us);
    if (batch->piece)
        wb_outbox_narrow(outbox, batch);
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
    wb_batches_put(&outbox->sealed, batch);
}

/* What a policy decided, or the rule where it did not. */
static void try_again(wb_outbox *outbox, wb_batch *batch, const wb_ending *ending, int64_t now_us)
{
    uint32_t attempts = outbox->box.retry.attempts;
    bool last = attempts > 0 && batch->attempt >= attempts && ending->err->class != WB_HOLD;
    if (ending->retry_us == WB_NEVER || (ending->retry_us <= 0 && last)) {
        wb_outbox_give_up(outbox, batch, ending->err->text, now_us);
        return;
    }
    wb_outbox_put_back(outbox, batch, now_us);
    if (ending->retry_us > 0) {
        int64_t due_us = wb_after_us(now_us, wb_box_bounded_us(&outbox->box, ending->retry_us));
        wb_batches_delay(&outbox->sealed, batch, due_us);
        if (due_us < outbox->box.gate_us)
            outbox->box.gate_us = due_us; /* others wait no longer than they did without it */
    }
}

static void fail(wb_outbox *outbox, wb_batch *batch, const wb_ending *ending, int64_t now_us)
{
    const wb_err *err = ending->err;
    uint64_t stored = ending->stored;
    size_t left = wb_batch_left(batch);
    wb_box_failed(&outbox->box, err, left, stored > 0, now_us);
    count_stored(outbox, batch, stored < left ? stored : left);
    batch->in_doubt = batch->in_doubt || err->in_doubt;
    if (stored > 0)
        wb_outbox_vouch(outbox, now_us);
    if (wb_batch_left(batch) == 0)
        wb_outbox_settle(outbox, batch);
    else if (err->class == WB_REJECT)
        wb_outbox_reject(outbox, batch, err, now_us);
    else
        try_again(outbox, batch, ending, now_us);
    wb_outbox_check_suspects(outbox, now_us);
}

void wb_outbox_complete(wb_outbox *outbox, wb_batch *batch, const wb_ending *ending)
{
    wb_box *box = &outbox->box;
    const wb_err *err = ending->err;
    uint64_t stored = ending->stored;
    int64_t elapsed_us = ending->elapsed_us;
    int64_t now_us = wb_box_now_us(box);
    size_t left = wb_batch_left(batch);
    wb_event event = wb_box_write_event(err, batch->reason, batch->attempt, left, elapsed_us);
    event.table = batch->table != NULL ? batch->table : outbox->table;
    wb_histogram latency;
    measure_latency(batch, err == NULL || stored > left ? left : stored,
                    box->env.tick_us(box->env.context), &latency);

    wb_monitor_lock(&box->monitor);
    wb_histogram_merge(&box->metrics.latency, &latency);
    wb_histogram_add(&box->metrics.write, elapsed_us);
    wb_batches_remove(&outbox->taken, batch);
    outbox->taken_count--;
    if (err == NULL)
        succeed(outbox, batch, now_us);
    else
        fail(outbox, batch, ending, now_us);
    wb_log_flush(box->log, &event);
    wb_box_ended(box);
    wb_monitor_unlock(&box->monitor);
    wb_log_print(box->log);
}
