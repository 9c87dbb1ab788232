/* SPDX-License-Identifier: MIT
 * Finding the row that a store rejects. A rejected batch is split in two, each part is written on its own,
 * and so on down to single rows; where the earlier half is stored, the later one has the bad row and is split
 * at once. One bad row of n costs at most 2 log2(n) + 2 writes, and the others are stored.
 *
 * A lone row that is rejected is given up (it is dead) only where the store is known to take others: a store
 * that rejects all rows is broken, and its rows are not. Each write that is taken grants credit for CREDIT
 * verdicts; a batch that is rejected for the first time starts without any, unless the store has taken
 * rows since the batch's last rejection. A lone row without a verdict is a suspect and waits for the next
 * write that is taken. Once there are SUSPECTS of them, or nothing else is left of the batch, the parts are
 * put together again and held: alarm, backoff, and another try. */
#include "engine/outbox/outbox.h"

#include <assert.h>
#include <stdio.h>

enum { CREDIT = 8, SUSPECTS = 3 };

/* ---- verdicts ---- */

void wb_outbox_grant_credit(wb_outbox *outbox, int64_t now_us)
{
    outbox->credit = CREDIT;
    wb_batch *next = outbox->sealed.first;
    while (outbox->sealed.suspects > 0 && outbox->credit > 0) {
        wb_batch *batch = next;
        next = batch->next;
        if (!batch->suspect)
            continue;
        outbox->credit--;
        wb_batch_list_remove(&outbox->sealed, batch);
        wb_outbox_give_up(outbox, batch, outbox->backlog.metrics.last_error, now_us);
    }
}

/* ---- holding ---- */

static bool is_part(const wb_batch *batch)
{
    return batch->piece || batch->suspect;
}

/* A batch in doubt goes out again as it is: a store knows it by its id. */
static bool can_merge(const wb_batch *batch, const wb_batch *more)
{
    return is_part(more) && wb_outbox_same_origin(batch, more) && !batch->in_doubt &&
           !more->in_doubt;
}

/* Parts that follow each other and are of one batch become one again. Without memory they stay apart. */
static void merge_pieces(wb_outbox *outbox)
{
    for (wb_batch *batch = outbox->sealed.first; batch != NULL; batch = batch->next) {
        if (!is_part(batch))
            continue;
        wb_batch *more = batch->next;
        while (more != NULL && can_merge(batch, more) && wb_batch_merge(batch, more)) {
            wb_batch_list_remove(&outbox->sealed, more);
            wb_outbox_settle(outbox, more);
            more = batch->next;
        }
        wb_batch_list_clear_suspect(&outbox->sealed, batch);
        batch->piece = batch->awaits_first_half = false;
        batch->rejected = outbox->backlog.metrics.flushes + 1;
        batch->attempt = 1;
        if (batch->due_us == WB_NEVER)
            wb_batch_list_delay(&outbox->sealed, batch,
                                INT64_MIN); /* it was a suspect; the gate holds it */
    }
}

/* The parts of the batch that `part` is of are held; all others wait with them. */
static void hold(wb_outbox *outbox, const wb_batch *part, int64_t now_us)
{
    uint64_t serial = part->serial;
    uint32_t route = part->route;
    outbox->backlog.holding = true;
    merge_pieces(outbox); /* `part` may be gone after it */
    wb_batch *batch = outbox->sealed.first;
    while (batch->serial != serial || batch->route != route)
        batch = batch->next;
    wb_batch_list_remove(&outbox->sealed, batch);
    wb_outbox_delay(outbox, batch, now_us);
    wb_batch_list_put(&outbox->sealed, batch);
    wb_log_line(
        outbox->backlog.log, WB_TOPIC_HOLD, WB_ERROR, now_us, outbox->backlog.metrics.pending,
        "the store rejects every row it is given, holding %llu: %s",
        (unsigned long long)outbox->backlog.metrics.pending, outbox->backlog.metrics.last_error);
}

/* May the store still take some part of the batch? */
static bool is_going_on(const wb_outbox *outbox, const wb_batch *part)
{
    for (const wb_batch *batch = outbox->taken.first; batch != NULL; batch = batch->next) {
        if (wb_outbox_same_origin(batch, part))
            return true;
    }
    for (const wb_batch *batch = outbox->sealed.first; batch != NULL; batch = batch->next) {
        if (wb_outbox_same_origin(batch, part) && !batch->suspect)
            return true;
    }
    return false;
}

void wb_outbox_check_suspects(wb_outbox *outbox, int64_t now_us)
{
    if (outbox->sealed.suspects == 0)
        return;
    for (const wb_batch *batch = outbox->sealed.first; batch != NULL; batch = batch->next) {
        if (batch->suspect && !is_going_on(outbox, batch)) {
            hold(outbox, batch, now_us); /* leaves no suspect behind */
            return;
        }
    }
}

/* ---- a rejection ---- */

static void make_due(wb_outbox *outbox, wb_batch *batch)
{
    batch->piece = true;
    batch->attempt = 0;
    batch->due_us = INT64_MIN;
    wb_outbox_new_id(outbox, batch);
    wb_batch_list_put(&outbox->sealed, batch);
}

/* The batch is in no list. False: no memory, nothing is changed. */
static bool halve(wb_outbox *outbox, wb_batch *batch)
{
    wb_batch *rest = wb_batch_split(batch, wb_batch_left(batch) / 2);
    if (rest == NULL)
        return false;
    batch->awaits_first_half = false;
    rest->awaits_first_half = true;
    make_due(outbox, batch);
    make_due(outbox, rest);
    outbox->backlog.gate_us = INT64_MIN;
    return true;
}

/* The piece that waits until its earlier half is judged. There is at most one of each batch. */
static wb_batch *follower(const wb_outbox *outbox, const wb_batch *piece)
{
    wb_batch *batch = outbox->sealed.first;
    while (batch != NULL && !(wb_outbox_same_origin(batch, piece) && batch->awaits_first_half))
        batch = batch->next;
    return batch;
}

void wb_outbox_halve_follower(wb_outbox *outbox, const wb_batch *piece)
{
    wb_batch *rest = follower(outbox, piece);
    if (rest == NULL)
        return;
    rest->awaits_first_half = false;
    if (wb_batch_left(rest) < 2 || rest->in_doubt)
        return;
    wb_batch_list_remove(&outbox->sealed, rest);
    if (!halve(outbox, rest))
        wb_batch_list_put(&outbox->sealed, rest);
}

static void suspect(wb_outbox *outbox, wb_batch *batch, int64_t now_us)
{
    batch->suspect = true;
    batch->due_us = WB_NEVER;
    wb_batch_become(batch, WB_BATCH_SEALED);
    wb_batch_list_put(&outbox->sealed, batch);
    outbox->backlog.gate_us = INT64_MIN;
    if (outbox->sealed.suspects >= SUSPECTS || !is_going_on(outbox, batch))
        hold(outbox, batch, now_us);
}

void wb_outbox_reject(wb_outbox *outbox, wb_batch *batch, const wb_err *err, int64_t now_us)
{
    wb_batch *rest = batch->piece ? follower(outbox, batch) : NULL;
    if (rest != NULL)
        rest->awaits_first_half = false;
    if (!batch->piece)
        outbox->credit =
            batch->rejected > 0 && outbox->backlog.metrics.flushes >= batch->rejected ? CREDIT : 0;
    if (wb_batch_left(batch) > 1) {
        wb_batch_become(batch, WB_BATCH_SEALED);
        if (!halve(outbox, batch)) {
            wb_outbox_delay(outbox, batch, now_us);
            wb_batch_list_put(&outbox->sealed, batch);
        }
    } else if (outbox->credit > 0) {
        outbox->credit--;
        outbox->backlog.gate_us = INT64_MIN;
        outbox->backlog.metrics.consecutive_failures = 0; /* the row is bad, the store is well */
        wb_outbox_give_up(outbox, batch, err->text, now_us);
    } else {
        suspect(outbox, batch, now_us);
    }
}
