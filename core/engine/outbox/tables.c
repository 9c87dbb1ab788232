/* SPDX-License-Identifier: MIT
 * What was taken becomes one batch, of rows of one table. Batches that were taken together are merged. Where a policy
 * routes rows, they are divided by table: one table is written now, the others go back, due. So they are by shape, for
 * a store that wants rows of one. The rows belong to the taker, so that they are read without the lock. Without memory
 * nothing is changed. */
#include <string.h>

#include "base/env.h"
#include "engine/outbox/pieces.h"
#include "engine/outbox/refusals.h"
#include "rows/shape.h"

/* ---- merging ---- */

static void inherit(wb_batch *whole, const wb_batch *batch)
{
    whole->serial = batch->serial;
    whole->reason = batch->reason;
    whole->attempt = batch->attempt;
    whole->taken_us = batch->taken_us;
    memcpy(whole->id, batch->id, sizeof whole->id);
}

/* Into memory that the last one left, if it left any. */
static wb_batch *merge_rows(const wb_batch *batch, wb_batch *whole)
{
    size_t rows = 0, bytes = 0;
    for (const wb_batch *part = batch; part != NULL; part = part->merge_next) {
        rows += wb_batch_left(part);
        bytes += part->bytes;
    }
    if (whole == NULL)
        whole = wb_batch_new(batch->schema);
    bool done = whole != NULL && wb_batch_prepare(whole, rows, bytes);
    for (const wb_batch *part = batch; part != NULL && done; part = part->merge_next)
        done = wb_batch_merge(whole, part);
    if (!done) {
        wb_batch_free(whole);
        return NULL;
    }
    inherit(whole, batch);
    whole->route = batch->route;
    whole->table = batch->table;
    whole->routed = batch->routed;
    return whole;
}

static void unlend(wb_outbox *outbox, wb_batch *batch)
{
    wb_batch_list_remove(&outbox->taken, batch);
    wb_batch_become(batch, WB_BATCH_SEALED);
    wb_batch_list_put(&outbox->sealed, batch);
}

static void unlend_others(wb_outbox *outbox, wb_batch *batch)
{
    for (wb_batch *part = batch->merge_next, *next; part != NULL; part = next) {
        next = part->merge_next;
        part->merge_next = NULL;
        unlend(outbox, part);
    }
    batch->merge_next = NULL;
}

/* Their rows are in other batches by now. */
static void settle_all(wb_outbox *outbox, wb_batch *batch)
{
    for (wb_batch *part = batch, *next; part != NULL; part = next) {
        next = part->merge_next;
        part->merge_next = NULL;
        wb_batch_list_remove(&outbox->taken, part);
        wb_outbox_settle(outbox, part);
    }
}

/* The whole takes its parts' place. Without memory for it, the batch goes out alone. */
static wb_batch *merge(wb_outbox *outbox, wb_batch *batch)
{
    wb_monitor_lock(&outbox->backlog.monitor);
    wb_batch *whole = wb_pool_get_large(&outbox->pool);
    wb_monitor_unlock(&outbox->backlog.monitor);
    whole = merge_rows(batch, whole);
    wb_monitor_lock(&outbox->backlog.monitor);
    if (whole == NULL) {
        unlend_others(outbox, batch);
    } else {
        settle_all(outbox, batch);
        wb_outbox_take_new(outbox, whole);
    }
    wb_batch *rubbish = wb_pool_rubbish(&outbox->pool);
    wb_monitor_unlock(&outbox->backlog.monitor);
    wb_batch_free_list(rubbish);
    return whole != NULL ? whole : batch;
}

/* ---- one table ---- */

/* Asks the policy of a worker for each row's table. */
static void ask_routes(wb_outbox *outbox, wb_batch *batch, wb_refusals *refusals)
{
    wb_err err = {0};
    for (size_t i = 0; i < wb_batch_left(batch); i++) {
        uint32_t route = 0;
        const char *table = NULL;
        bool taken = wb_script_client_route(&outbox->script_client, batch, i, &table, &err);
        if (table != NULL && wb_outbox_route(outbox, table, &route, &err) != WB_OK)
            wb_backlog_undecided(&outbox->backlog, "route", err.text);
        batch->rows[batch->first + i].route = route;
        if (!taken)
            wb_refusals_put(refusals, batch, i, err.text);
    }
}

/* *batch: what the policy did not refuse, or NULL. False: no memory. */
static bool route_rows(wb_outbox *outbox, wb_batch **batch)
{
    wb_refusals refusals = {.any = false};
    ask_routes(outbox, *batch, &refusals);
    bool done = wb_refusals_bury(outbox, &refusals, batch);
    wb_refusals_fini(&refusals);
    return done;
}

static void give_back(wb_outbox *outbox, wb_batch *batch)
{
    wb_monitor_lock(&outbox->backlog.monitor);
    wb_batch_list_remove(&outbox->taken, batch);
    outbox->taken_count--;
    wb_outbox_put_back(outbox, batch, wb_backlog_now_us(&outbox->backlog));
    wb_backlog_ended(&outbox->backlog);
    wb_monitor_unlock(&outbox->backlog.monitor);
}

/* Where nobody can be asked, rows go to the batcher's own table, and stay there: an earlier write of them may have
 * been committed without an answer. */
static wb_batch *first_table(wb_outbox *outbox, wb_batch *batch)
{
    bool done = !wb_script_client_routes(&outbox->script_client) || route_rows(outbox, &batch);
    if (batch == NULL)
        return NULL;
    wb_batch *first = done ? wb_outbox_divide_taken(outbox, batch, wb_class_route, NULL) : NULL;
    if (first == NULL)
        give_back(outbox, batch);
    return first;
}

static wb_batch *first_shape(wb_outbox *outbox, wb_batch *batch)
{
    wb_shapes shapes;
    wb_batch *first = NULL;
    if (wb_shapes_of(batch, &shapes)) {
        bool differ = shapes.count > 1 && shapes.count <= WB_SHAPES;
        first = differ ? wb_outbox_divide_taken(outbox, batch, wb_class_shape, &shapes) : batch;
        wb_shapes_fini(&shapes);
    }
    if (first == NULL)
        give_back(outbox, batch);
    return first;
}

/* Whoever wrote a batch in doubt had it in this form. */
wb_batch *wb_outbox_to_one_table(wb_outbox *outbox, wb_batch *batch, bool routing)
{
    if (batch->merge_next != NULL)
        batch = merge(outbox, batch);
    if (routing && !batch->routed)
        batch = first_table(outbox, batch);
    if (batch != NULL && outbox->one_shape && !batch->in_doubt)
        batch = first_shape(outbox, batch);
    return batch;
}
