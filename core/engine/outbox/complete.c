/* SPDX-License-Identifier: MIT
 * Completing taken batches: a batch is stored, or goes back with a due time, or is divided, or is dead. What was
 * stored of a batch is gone from it before it goes back, so that nothing is sent twice that is known to be in. */
#include "engine/outbox/coalesce.h"
#include "engine/outbox/gate.h"
#include "engine/outbox/spooled.h"
#include "engine/outbox/trial.h"
#include "engine/outbox/verdict.h"
#include "spool/tend.h"

#include <string.h>

/* Unlocked: a write has thousands of rows. */
static void measure_latency(const wb_batch *batch, const wb_ending *ending, int64_t now_us,
                            wb_histogram *out)
{
    memset(out, 0, sizeof *out);
    for (size_t i = 0; i < wb_batch_left(batch); i++) {
        if (!wb_ending_stored(ending, i))
            continue;
        int64_t added_us = batch->opened_us + batch->rows[batch->first + i].age_us;
        wb_histogram_add(out, now_us - added_us);
    }
}

static void count_stored(wb_outbox *outbox, wb_batch *batch, size_t rows)
{
    outbox->backlog.metrics.stored += wb_outbox_skip(outbox, batch, rows);
}

static void succeed(wb_outbox *outbox, wb_batch *batch, const wb_ending *ending, int64_t now_us)
{
    size_t rows = wb_batch_left(batch);
    outbox->backlog.metrics.superseded += ending->superseded;
    wb_outbox_write_took(outbox, rows, ending->elapsed_us);
    count_stored(outbox, batch, rows);
    wb_backlog_succeeded(&outbox->backlog, rows, now_us);
    wb_gate_succeeded(outbox, batch->route);
    wb_trial_witness(outbox, batch, rows, now_us);
    wb_outbox_settle(outbox, batch);
}

/* A policy is not asked of a row that the store rejects. */
static bool is_decided(const wb_ending *ending)
{
    return ending->retry_us != 0 && ending->err->error_class != WB_REJECT;
}

/* Its time was up, or the store takes none of its size; and it is known that nothing of it is in. */
static bool has_to_be_smaller(wb_outbox *outbox, const wb_batch *batch, const wb_err *err)
{
    return (err->timed_out || err->too_large) && !batch->in_doubt &&
           wb_outbox_write_smaller(outbox, wb_batch_left(batch));
}

/* It goes out again in parts: this write was no attempt of theirs. */
static void put_back_untried(wb_outbox *outbox, wb_batch *batch, int64_t now_us)
{
    batch->attempt--;
    wb_outbox_put_back(outbox, batch, now_us);
}

/* A store whose leading rows are in stopped at the next one. */
static wb_err refusal_of(const wb_err *err, uint64_t stored)
{
    wb_err refusal = *err;
    if (stored > 0)
        refusal.row = err->row > stored ? err->row - (uint32_t)stored : 1;
    return refusal;
}

static void fail(wb_outbox *outbox, wb_batch *batch, const wb_ending *ending, int64_t now_us)
{
    size_t left = wb_batch_left(batch);
    uint64_t stored = ending->stored < left ? ending->stored : left;
    wb_err err = refusal_of(ending->err, stored);
    wb_backlog_failed(&outbox->backlog, &err, left, stored > 0, now_us);
    wb_gate_failed(outbox, batch->route, &err, stored > 0);
    count_stored(outbox, batch, stored);
    batch->in_doubt = (batch->in_doubt && !err.ruled_out) || err.in_doubt;
    if (err.ruled_out) /* its id is of a write that can't be in any more */
        wb_outbox_new_id(outbox, batch);
    if (stored > 0)
        wb_trial_witness(outbox, batch, stored, now_us);
    if (wb_batch_left(batch) == 0)
        wb_outbox_settle(outbox, batch);
    else if (has_to_be_smaller(outbox, batch, &err))
        put_back_untried(outbox, batch, now_us);
    else if (is_decided(ending) || !wb_trial_failed(outbox, batch, &err, now_us))
        wb_outbox_try_again(outbox, batch, ending, now_us);
}

static void end(wb_outbox *outbox, wb_batch *batch, const wb_ending *ending, int64_t now_us)
{
    wb_trial *trial = batch->trial;
    if (trial != NULL)
        trial->batches++;
    if (ending->err == NULL)
        succeed(outbox, batch, ending, now_us);
    else if (ending->verdicts != NULL)
        wb_outbox_judge(outbox, batch, ending, now_us);
    else
        fail(outbox, batch, ending, now_us);
    if (trial != NULL)
        wb_trial_go_on(outbox, trial, now_us);
}

void wb_outbox_complete(wb_outbox *outbox, wb_batch *batch, const wb_ending *ending)
{
    wb_backlog *backlog = &outbox->backlog;
    const wb_err *err = ending->err;
    int64_t elapsed_us = ending->elapsed_us;
    int64_t now_us = wb_backlog_now_us(backlog);
    size_t left = wb_batch_left(batch);
    wb_event event = wb_backlog_write_event(err, batch->reason, batch->attempt, left, elapsed_us);
    wb_outbox_report(outbox, batch, &event);
    wb_histogram latency;
    wb_outbox_spool_ended(outbox, batch, ending);
    measure_latency(batch, ending, backlog->env.tick_us(backlog->env.context), &latency);

    wb_monitor_lock(&backlog->monitor);
    wb_histogram_merge(&backlog->metrics.latency, &latency);
    wb_histogram_add(&backlog->metrics.write, elapsed_us);
    outbox->last = (wb_last){.rows = left, .elapsed_us = elapsed_us, .ok = err == NULL};
    wb_batch_list_remove(&outbox->taken, batch);
    outbox->taken_count--;
    uint32_t route = batch->route;
    end(outbox, batch, ending, now_us);
    wb_gate_returned(outbox, route);
    wb_outbox_look_for_room(outbox);
    wb_log_flush(backlog->log, &event);
    wb_backlog_ended(backlog);
    if (outbox->parked_rows > 0)
        wb_spool_wake(outbox->spool);
    wb_batch *rubbish = wb_pool_rubbish(&outbox->pool);
    wb_monitor_unlock(&backlog->monitor);
    wb_batch_free_list(rubbish);
    wb_log_print(backlog->log);
    wb_outbox_coalesce_join(outbox);
}
