/* SPDX-License-Identifier: MIT
 * See refusals.h. A refused row has a route from REFUSED on, by the number of its reason; without memory for a reason it has
 * none but that it was refused. Rows of one reason are one batch, and die together. */
#include "engine/outbox/refusals.h"

#include <assert.h>

#include "rows/divide.h"

static const uint32_t REFUSED = UINT32_C(1) << 31; /* plus 1 and the number of the reason */

void wb_refusals_put(wb_refusals *refusals, wb_batch *batch, size_t index, const char *why)
{
    uint32_t number;
    bool kept = wb_routes_find(&refusals->reasons, why, &number);
    batch->rows[batch->first + index].route = kept ? REFUSED + 1 + number : REFUSED;
    refusals->any = true;
}

void wb_refusals_fini(wb_refusals *refusals)
{
    wb_routes_fini(&refusals->reasons);
}

/* 0: the row is not refused. */
static size_t class_refused(const wb_batch *batch, size_t index, const void *context)
{
    (void)context;
    uint32_t route = batch->rows[batch->first + index].route;
    return route >= REFUSED ? route : 0;
}

/* Of a batch whose rows are of one class: NULL where they are not refused. */
static const char *reason_of(const wb_refusals *refusals, const wb_batch *batch)
{
    uint32_t route = batch->rows[batch->first].route;
    if (route < REFUSED)
        return NULL;
    return route == REFUSED ? "the policy refused it"
                            : wb_routes_name(&refusals->reasons, route - REFUSED - 1)->text;
}

/* They go to no table. */
static void give_up(wb_outbox *outbox, wb_batch *batch, const char *why)
{
    for (size_t i = 0; i < wb_batch_left(batch); i++)
        batch->rows[batch->first + i].route = 0;
    batch->attempt = 0;
    wb_outbox_give_up(outbox, batch, why, wb_backlog_now_us(&outbox->backlog));
}

/* What is left takes the place of what was taken. */
static void take_in_place(wb_outbox *outbox, const wb_batch *batch, wb_batch *left)
{
    left->attempt = batch->attempt;
    wb_outbox_take_new(outbox, left);
    wb_outbox_new_id(outbox, left);
}

static wb_batch *bury_pieces(wb_outbox *outbox, const wb_refusals *refusals, wb_batch *batch,
                             wb_batch *pieces)
{
    const char *why = reason_of(refusals, batch);
    wb_batch *left = why == NULL ? batch : NULL;
    for (wb_batch *piece = pieces, *next; piece != NULL; piece = next) {
        const char *of_piece = reason_of(refusals, piece);
        next = piece->next;
        piece->next = NULL;
        if (of_piece == NULL) {
            take_in_place(outbox, batch, piece);
            left = piece;
        } else {
            wb_batch_become(piece, WB_BATCH_SEALED);
            give_up(outbox, piece, of_piece);
        }
    }
    if (left != batch) {
        wb_batch_list_remove(&outbox->taken, batch);
        give_up(outbox, batch, why);
    }
    return left;
}

bool wb_refusals_bury(wb_outbox *outbox, const wb_refusals *refusals, wb_batch **batch)
{
    wb_batch *pieces;
    if (!refusals->any)
        return true;
    if (!wb_batch_copy_pieces(*batch, class_refused, NULL, &pieces))
        return false;
    assert(!(*batch)->in_doubt); /* it was never written */
    wb_monitor_lock(&outbox->backlog.monitor);
    if (pieces != NULL)
        wb_batch_keep_rest(*batch, class_refused, NULL);
    *batch = bury_pieces(outbox, refusals, *batch, pieces);
    wb_backlog_ended(&outbox->backlog);
    wb_batch *rubbish = wb_pool_rubbish(&outbox->pool);
    wb_monitor_unlock(&outbox->backlog.monitor);
    wb_batch_free_list(rubbish);
    wb_log_print(outbox->backlog.log);
    return true;
}
