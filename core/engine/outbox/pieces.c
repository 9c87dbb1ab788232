/* SPDX-License-Identifier: MIT
 * See pieces.h. */
#include "engine/outbox/pieces.h"

#include "engine/outbox/coalesce.h"

#include <assert.h>

/* ---- classes ---- */

size_t wb_class_route(const wb_batch *batch, size_t index, const void *context)
{
    (void)context;
    return batch->rows[batch->first + index].route;
}

size_t wb_class_head(const wb_batch *batch, size_t index, const void *context)
{
    (void)batch;
    return index >= *(const size_t *)context;
}

size_t wb_class_around(const wb_batch *batch, size_t index, const void *context)
{
    (void)batch;
    size_t row = *(const size_t *)context;
    return index < row ? 0 : index > row ? 2 : 1;
}

size_t wb_class_but(const wb_batch *batch, size_t index, const void *context)
{
    (void)batch;
    return index == *(const size_t *)context;
}

size_t wb_class_around_far(const wb_batch *batch, size_t index, const void *context)
{
    const wb_around *around = context;
    return index >= around->far ? 3 : wb_class_around(batch, index, &around->row);
}

/* ---- dividing ---- */

/* A part of a batch that was not routed goes where its first row does. */
static void label(const wb_outbox *outbox, wb_batch *part)
{
    if (part->routed)
        return;
    uint32_t route = (uint32_t)wb_class_route(part, 0, NULL);
    wb_batch_goes_to(part, route, wb_outbox_table_of(outbox, route));
}

/* A piece that was just made, or the rest of what was taken. */
static void seal_part(wb_outbox *outbox, wb_batch *part, uint32_t attempt)
{
    part->attempt = attempt;
    part->due_us = INT64_MIN;
    label(outbox, part);
    wb_batch_shrink(part);
    wb_outbox_new_id(outbox, part);
    wb_batch_become(part, WB_BATCH_SEALED);
    wb_batch_list_put(&outbox->sealed, part);
    wb_outbox_coalesce_again(outbox, part);
    const wb_lane *lane = wb_lane_of(&outbox->lanes, part->route);
    if (lane->held_back)
        wb_batch_list_hold_back(&outbox->sealed, part, lane->held_us);
}

static void seal_pieces(wb_outbox *outbox, wb_batch *pieces, const wb_batch *batch,
                        uint32_t attempt)
{
    for (wb_batch *next; pieces != NULL; pieces = next) {
        next = pieces->next;
        wb_trial_join(pieces, batch);
        seal_part(outbox, pieces, attempt);
    }
}

bool wb_outbox_divide(wb_outbox *outbox, wb_batch *batch, wb_row_class *class_of,
                      const void *context)
{
    wb_batch *pieces;
    batch->standing = WB_UNTRIED;
    if (!wb_batch_copy_pieces(batch, class_of, context, &pieces))
        return false;
    wb_batch_keep_rest(batch, class_of, context);
    seal_pieces(outbox, pieces, batch, 0);
    if (batch->state == WB_BATCH_SEALED)
        wb_batch_become(batch, WB_BATCH_TAKEN);
    seal_part(outbox, batch, 0);
    return true;
}

/* The first piece takes the batch's place. */
static wb_batch *take_first(wb_outbox *outbox, wb_batch *batch, wb_batch **pieces)
{
    wb_batch *first = *pieces;
    *pieces = first->next;
    first->next = NULL;
    first->attempt = batch->attempt;
    wb_trial_join(first, batch);
    label(outbox, first);
    wb_batch_list_remove(&outbox->taken, batch);
    wb_outbox_take_new(outbox, first);
    seal_part(outbox, batch, batch->attempt - 1); /* this attempt is not its own */
    return first;
}

/* The rest of the batch has the first row: it stays where it is, at its place. */
static void retake(wb_outbox *outbox, wb_batch *batch)
{
    wb_batch_list_remove(&outbox->taken, batch);
    label(outbox, batch);
    wb_batch_list_put(&outbox->taken, batch);
}

wb_batch *wb_outbox_divide_taken(wb_outbox *outbox, wb_batch *batch, wb_row_class *class_of,
                                 const void *context)
{
    uint64_t rank = batch->rank;
    wb_batch *pieces, *first = batch;
    if (!wb_batch_copy_pieces(batch, class_of, context, &pieces))
        return NULL;
    assert(pieces == NULL || !batch->in_doubt);
    wb_monitor_lock(&outbox->backlog.monitor);
    if (pieces != NULL)
        wb_batch_keep_rest(batch, class_of, context);
    if (batch->rank > rank)
        first = take_first(outbox, batch, &pieces);
    else
        retake(outbox, batch);
    if (pieces != NULL || first != batch)
        wb_outbox_new_id(outbox, first);
    seal_pieces(outbox, pieces, first, first->attempt - 1);
    wb_backlog_changed(&outbox->backlog);
    wb_monitor_unlock(&outbox->backlog.monitor);
    return first;
}
