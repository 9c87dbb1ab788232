/* SPDX-License-Identifier: MIT
 * Taking what is due: which batch is next, and which others go out in the same write. See outbox.h for the
 * invariants. */
#include "base/bigendian.h"
#include "engine/outbox/coalesce.h"
#include "engine/outbox/gate.h"
#include "engine/outbox/order.h"
#include "engine/outbox/spooled.h"

enum { PATIENCE = 8 };

/* What is to be written before all others, by 2 or by 1: where the store takes nothing, what was never refused; the row
 * that a trial has drawn. And after all others, by -1: what was refused row by row, since they may be its witness. */
static int precedence(wb_outbox *outbox, const wb_batch *batch)
{
    if (wb_lane_of(&outbox->lanes, batch->route)->holds > 0 && batch->attempt == 0 &&
        batch->trial == NULL)
        return 2;
    return batch->standing == WB_DRAWN ? 1 : batch->standing == WB_HELD ? -1 : 0;
}

static bool is_better(wb_outbox *outbox, const wb_batch *batch, const wb_batch *best)
{
    if (best == NULL)
        return true;
    int order = precedence(outbox, batch) - precedence(outbox, best);
    return order != 0 ? order > 0 : batch->attempt < best->attempt;
}

/* What was refused row by row has its turn when the others are done: it would hold up its table again. */
static bool may_wait(const wb_batch *batch)
{
    return batch->attempt > 0 && batch->standing != WB_HELD;
}

/* The least tried of those that are due, but after PATIENCE others the one that waits the longest for its next
 * try: where there is always a fresh batch, one that failed once would never come back. Of those that were never taken
 * the first stands for all, so that a long backlog costs no more than a short one. */
static wb_batch *choose(wb_outbox *outbox, int64_t now_us)
{
    wb_batch *best = NULL, *waiting = NULL;
    wb_order_begin(outbox);
    for (wb_batch *batch = outbox->sealed.first; batch != NULL; batch = batch->next) {
        bool due = wb_order_lets(outbox, batch) && batch->due_us <= now_us && batch->routed;
        if (due && is_better(outbox, batch, best))
            best = batch;
        if (due && may_wait(batch) && (waiting == NULL || batch->due_us < waiting->due_us))
            waiting = batch;
        if (due && batch->serial > outbox->lent_serial)
            break;
    }
    outbox->passed_over = waiting != NULL ? outbox->passed_over + 1 : 0;
    if (outbox->passed_over <= PATIENCE || precedence(outbox, best) > 0)
        return best;
    outbox->passed_over = 0;
    return waiting;
}

static void lend(wb_outbox *outbox, wb_batch *batch)
{
    wb_batch_list_remove(&outbox->sealed, batch);
    wb_batch_become(batch, WB_BATCH_TAKEN);
    wb_batch_list_put(&outbox->taken, batch);
    batch->taken_adds = outbox->backlog.metrics.accepted;
    if (batch->serial > outbox->lent_serial)
        outbox->lent_serial = batch->serial;
}

static bool may_merge(const wb_batch *batch, const wb_batch *more)
{
    bool fresh = more->attempt == 0 && more->trial == NULL && more->serial >= batch->serial;
    return fresh && more->routed == batch->routed && more->route == batch->route;
}

/* At the most: what moved has room to grow. */
static size_t bytes_of(const wb_batch *batch)
{
    return batch->bytes + batch->tallies.moved_bytes;
}

/* Younger batches of its table that were never tried go out in the same write, up to its limits. The pieces of a refused
 * batch stay as they are: the bad row is found only while they shrink. */
static void merge_along(wb_outbox *outbox, wb_batch *batch)
{
    size_t rows = wb_batch_left(batch), bytes = bytes_of(batch);
    uint64_t most =
        outbox->merge_rows < outbox->write_rows ? outbox->merge_rows : outbox->write_rows;
    wb_batch **last = &batch->merge_next, *next;
    for (wb_batch *more = outbox->sealed.first; more != NULL; more = next) {
        next = more->next;
        if (!may_merge(batch, more)) {
            if (outbox->ordered && more->route == batch->route && !wb_trial_steps_aside(more))
                return;
            continue;
        }
        rows += wb_batch_left(more);
        bytes += bytes_of(more);
        if (rows > most || bytes > outbox->thresholds.batch_bytes)
            return;
        lend(outbox, more);
        *last = more;
        last = &more->merge_next;
    }
}

enum { KEY_AGE_MS = 24 * 3600 * 1000 };

/* A ledger keeps the ids of batches for some days, and tells their age by their time (RFC 9562). One that waited for long
 * gets another id, unless an earlier write of it is in doubt. */
static void renew_key(wb_outbox *outbox, wb_batch *batch)
{
    const wb_env *env = &outbox->backlog.env;
    int64_t made_ms = (int64_t)(wb_get64(batch->id) >> 16);
    if (!batch->in_doubt && env->unix_us(env->context) / 1000 - made_ms > KEY_AGE_MS)
        wb_outbox_new_id(outbox, batch);
}

static wb_batch *take_locked(wb_outbox *outbox)
{
    int64_t now_us = wb_backlog_now_us(&outbox->backlog);
    if (wb_outbox_next_due_us(&outbox->backlog) > now_us)
        return NULL;
    wb_outbox_seal_due(outbox, now_us); /* it may go out in the same write */
    wb_batch *batch = choose(outbox, now_us);
    if (batch == NULL)
        return NULL;
    lend(outbox, batch);
    if (batch->attempt == 0 && batch->trial == NULL && outbox->merge_rows > 0)
        merge_along(outbox, batch);
    wb_gate_lent(outbox, batch->route);
    if (outbox->routes.count > 0)
        wb_outbox_forget_tables(outbox, now_us);
    outbox->taken_count++;
    batch->taken_us = now_us;
    if (outbox->ledger)
        renew_key(outbox, batch);
    if (batch->attempt++ == 0)
        outbox->backlog.metrics.batches++;
    else
        outbox->backlog.metrics.retries++;
    wb_backlog_changed(&outbox->backlog);
    return batch;
}

/* Nothing is pending. True: *keys is to be freed. */
static bool rest(wb_outbox *outbox, wb_segments *keys)
{
    bool at_once = !outbox->backlog.threaded;
    wb_pool_rest(&outbox->pool, at_once);
    return outbox->coalescer != NULL && wb_coalescer_rest(outbox->coalescer, at_once, keys);
}

/* Its rows are marked with its id. Where they can't be, that is as if the store had failed for now. */
static wb_batch *cover(wb_outbox *outbox, wb_batch *batch)
{
    wb_err err, why;
    if (wb_outbox_spool_cover(outbox, batch, &why))
        return batch;
    wb_fail_store(&err, WB_RETRY, "%s", why.text);
    wb_outbox_complete(outbox, batch, &(wb_ending){.err = &err});
    return NULL;
}

wb_batch *wb_outbox_take(wb_outbox *outbox)
{
    if (outbox->script_client.policy != NULL)
        wb_outbox_ask_routes(outbox);
    wb_monitor_lock(&outbox->backlog.monitor);
    wb_batch *batch = take_locked(outbox);
    wb_segments keys;
    bool rests = batch == NULL && outbox->backlog.metrics.pending == 0 && rest(outbox, &keys);
    wb_batch *rubbish = wb_pool_rubbish(&outbox->pool);
    wb_monitor_unlock(&outbox->backlog.monitor);
    wb_batch_free_list(rubbish);
    if (rests)
        wb_segments_fini(&keys);
    if (batch != NULL)
        batch = wb_outbox_to_one_write(outbox, batch);
    if (batch != NULL)
        batch = wb_outbox_cut(outbox, batch);
    if (batch != NULL)
        batch = cover(outbox, batch);
    wb_outbox_coalesce_join(outbox);
    return batch;
}
