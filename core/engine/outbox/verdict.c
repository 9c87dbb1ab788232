/* SPDX-License-Identifier: MIT
 * See verdict.h. What the store took leaves the batch first, so that nothing is sent twice that is known to be in; what it
 * names is copied out as pieces with ids of their own. */
#include "engine/outbox/verdict.h"

#include "base/env.h"
#include "engine/outbox/gate.h"
#include "engine/outbox/trial.h"
#include "rows/divide.h"

void wb_outbox_try_again(wb_outbox *outbox, wb_batch *batch, const wb_ending *ending,
                         int64_t now_us)
{
    uint32_t attempts = outbox->backlog.retry.attempts;
    bool last = attempts > 0 && batch->attempt >= attempts && ending->err->error_class != WB_HOLD;
    if (ending->retry_us == WB_NEVER || (ending->retry_us <= 0 && last)) {
        wb_outbox_give_up(outbox, batch, ending->err->text, now_us);
        return;
    }
    wb_outbox_put_back(outbox, batch, now_us);
    if (ending->retry_us > 0) {
        int64_t due_us =
            wb_after_us(now_us, wb_backlog_bounded_us(&outbox->backlog, ending->retry_us));
        wb_batch_list_delay(&outbox->sealed, batch, due_us);
        wb_gate_open_at(outbox, batch->route,
                        due_us); /* the policy's delay is this batch's alone */
    }
}

/* ---- a row each ---- */

/* What was named: the rows that come again, in one piece, and the rejected ones, a piece each. */
struct named {
    wb_batch *retried;
    wb_batch *rejected, **last; /* by `next` */
};

static wb_batch *copy_row(wb_batch *piece, const wb_batch *batch, size_t row)
{
    if (piece == NULL)
        piece = wb_batch_piece(batch, row);
    if (piece != NULL && !wb_batch_merge_run(piece, batch, row, 1)) {
        wb_batch_free(piece);
        piece = NULL;
    }
    return piece;
}

/* False: no memory. */
static bool copy_named(const wb_batch *batch, const wb_verdict *verdicts, struct named *named)
{
    for (size_t row = 0; row < wb_batch_left(batch); row++) {
        bool done = true;
        if (verdicts[row].fate == WB_FATE_RETRY) {
            named->retried = copy_row(named->retried, batch, row);
            done = named->retried != NULL;
        } else if (verdicts[row].fate == WB_FATE_REJECT) {
            *named->last = copy_row(NULL, batch, row);
            done = *named->last != NULL;
            named->last = done ? &(*named->last)->next : named->last;
        }
        if (!done)
            return false;
    }
    return true;
}

static size_t class_named(const wb_batch *batch, size_t index, const void *context)
{
    (void)batch;
    const wb_verdict *verdicts = context;
    return verdicts[index].fate != WB_FATE_STORED;
}

/* ---- what becomes of the pieces ---- */

static void come_again(wb_outbox *outbox, wb_batch *piece, const wb_batch *batch,
                       const wb_ending *ending, int64_t now_us)
{
    wb_trial_join(piece, batch);
    piece->attempt = batch->attempt;
    wb_outbox_new_id(outbox, piece);
    wb_batch_become(piece, WB_BATCH_SEALED);
    wb_batch_become(piece, WB_BATCH_TAKEN); /* as the batch was: it waits again, or is dead */
    wb_outbox_try_again(outbox, piece, ending, now_us);
}

static const char *text_of(const wb_verdict *verdict, const wb_ending *ending)
{
    return verdict->text != NULL ? verdict->text : ending->err->text;
}

static void reject_row(wb_outbox *outbox, wb_batch *piece, const char *why, bool witnessed,
                       int64_t now_us)
{
    wb_err err;
    wb_fail_store(&err, WB_REJECT, "%s", why);
    wb_outbox_new_id(outbox, piece);
    if (witnessed) {
        wb_batch_become(piece, WB_BATCH_SEALED);
        wb_outbox_give_up(outbox, piece, err.text, now_us);
    } else {
        wb_trial_refused_alone(outbox, piece, &err, now_us);
    }
}

/* A verdict of the trial stands between all of them, so that it is looked at when the last is there. */
static void reject_rows(wb_outbox *outbox, wb_batch *rejected, const wb_batch *batch,
                        const wb_ending *ending, bool witnessed, int64_t now_us)
{
    wb_trial *trial = batch->trial;
    if (trial != NULL)
        trial->batches++;
    for (wb_batch *piece = rejected, *next; piece != NULL; piece = next) {
        next = piece->next;
        piece->next = NULL;
        piece->attempt = batch->attempt;
        if (!witnessed)
            wb_trial_join(piece, batch);
        const wb_verdict *verdict = &ending->verdicts[piece->rank - batch->rank];
        reject_row(outbox, piece, text_of(verdict, ending), witnessed, now_us);
    }
    if (trial != NULL)
        wb_trial_go_on(outbox, trial, now_us);
}

/* ---- the answer ---- */

/* All of the batch is out, but what was named is in again. */
static uint64_t count_named_in(wb_outbox *outbox, const struct named *named)
{
    uint64_t adds = named->retried != NULL ? wb_outbox_count_in(outbox, named->retried) : 0;
    for (const wb_batch *piece = named->rejected; piece != NULL; piece = piece->next)
        adds += wb_outbox_count_in(outbox, piece);
    return adds;
}

/* Without memory: what is not stored comes again. */
static void keep_named(wb_outbox *outbox, wb_batch *batch, const wb_verdict *verdicts,
                       size_t stored, int64_t now_us)
{
    uint64_t adds = wb_outbox_count_out(outbox, batch);
    if (stored > 0) {
        wb_batch_keep(batch, class_named, verdicts, true);
        wb_outbox_new_id(outbox, batch);
    }
    outbox->backlog.metrics.stored += adds - wb_outbox_count_in(outbox, batch);
    wb_outbox_put_back(outbox, batch, now_us);
}

static size_t rows_of(const wb_batch *batch, const wb_verdict *verdicts, int fate)
{
    size_t rows = 0;
    for (size_t i = 0; i < wb_batch_left(batch); i++)
        rows += verdicts[i].fate == fate;
    return rows;
}

static void settle_by_row(wb_outbox *outbox, wb_batch *batch, const wb_ending *ending,
                          size_t stored, int64_t now_us)
{
    struct named named = {.last = &named.rejected};
    bool copied = copy_named(batch, ending->verdicts, &named);
    bool tried = copied && (stored > 0 || named.rejected == NULL ||
                            wb_trial_of(&outbox->trials, batch) != NULL);
    if (!tried) {
        wb_batch_free(named.retried);
        wb_batch_free_list(named.rejected);
        keep_named(outbox, batch, ending->verdicts, stored, now_us);
        return;
    }
    uint64_t adds = wb_outbox_count_out(outbox, batch);
    outbox->backlog.metrics.stored += adds - count_named_in(outbox, &named);
    if (named.retried != NULL)
        come_again(outbox, named.retried, batch, ending, now_us);
    reject_rows(outbox, named.rejected, batch, ending, stored > 0, now_us);
    wb_outbox_settle(outbox, batch);
}

void wb_outbox_judge(wb_outbox *outbox, wb_batch *batch, const wb_ending *ending, int64_t now_us)
{
    size_t left = wb_batch_left(batch);
    size_t stored = rows_of(batch, ending->verdicts, WB_FATE_STORED);
    bool rejects = rows_of(batch, ending->verdicts, WB_FATE_REJECT) > 0;
    uint32_t route = batch->route;
    wb_backlog_failed(&outbox->backlog, ending->err, left - stored, stored > 0, now_us);
    wb_gate_failed(outbox, route, ending->err, stored > 0);
    batch->in_doubt = false;
    if (stored > 0)
        wb_trial_witness(outbox, batch, stored, now_us);
    if (stored > 0 || rejects)
        settle_by_row(outbox, batch, ending, stored, now_us);
    else
        wb_outbox_try_again(outbox, batch, ending, now_us);
    if (stored > 0) { /* the store is well */
        outbox->backlog.metrics.consecutive_failures = 0;
        wb_gate_succeeded(outbox, route);
        wb_gate_open_at(outbox, route, INT64_MIN);
    }
}
