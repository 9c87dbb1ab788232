/* SPDX-License-Identifier: MIT
 * What was taken becomes one write. Batches that were taken together are merged; for a store that wants rows of one shape
 * they are divided by it: one shape is written now, the others go back, due. And before anything is taken, rows of which
 * only a worker's policy says where they go are taken from what is open, to be asked about. The rows belong to the
 * taker, so that they are read without the lock. Without memory nothing is changed. */
#include <string.h>

#include "base/env.h"
#include "engine/outbox/coalesce.h"
#include "engine/outbox/gate.h"
#include "engine/outbox/pieces.h"
#include "engine/outbox/refusals.h"
#include "rows/divide.h"
#include "rows/shape.h"

/* ---- merging ---- */

static void inherit(wb_batch *whole, const wb_batch *batch)
{
    whole->serial = batch->serial;
    whole->rank = batch->rank;
    whole->reason = batch->reason;
    whole->attempt = batch->attempt;
    whole->taken_us = batch->taken_us;
    whole->taken_adds = batch->taken_adds;
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
    wb_batch_goes_to(whole, batch->route, batch->table);
    whole->routed = batch->routed;
    return whole;
}

/* It was never tried. Where its gate holds it back, that ends with the write of the batch that it came along with. */
static void unlend(wb_outbox *outbox, wb_batch *batch)
{
    wb_batch_list_remove(&outbox->taken, batch);
    wb_batch_become(batch, WB_BATCH_SEALED);
    batch->due_us = INT64_MIN;
    wb_batch_list_put(&outbox->sealed, batch);
    wb_outbox_coalesce_again(outbox, batch);
    const wb_lane *lane = wb_lane_of(&outbox->lanes, batch->route);
    if (lane->held_back)
        wb_batch_list_hold_back(&outbox->sealed, batch, lane->held_us);
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

static size_t weight_of(const wb_batch *batch)
{
    size_t weight = 0;
    for (const wb_batch *part = batch; part != NULL; part = part->merge_next)
        weight += wb_batch_weight(part);
    return weight;
}

/* Its rows as they are read. False: no memory. */
static bool tidy(wb_outbox *outbox, wb_batch *batch)
{
    if (!wb_batch_is_scattered(batch))
        return true;
    wb_batch *tidied = wb_batch_tidied(batch);
    if (tidied == NULL)
        return false;
    wb_monitor_lock(&outbox->backlog.monitor); /* others look at how many rows it has */
    outbox->backlog.metrics.pending_bytes += wb_batch_weight(tidied) - wb_batch_weight(batch);
    wb_batch_swap_rows(batch, tidied);
    wb_monitor_unlock(&outbox->backlog.monitor);
    wb_batch_free(tidied);
    return true;
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
        outbox->backlog.metrics.pending_bytes += wb_batch_weight(whole) - weight_of(batch);
        settle_all(outbox, batch);
        wb_outbox_take_new(outbox, whole);
    }
    wb_batch *rubbish = wb_pool_rubbish(&outbox->pool);
    wb_monitor_unlock(&outbox->backlog.monitor);
    wb_batch_free_list(rubbish);
    return whole != NULL ? whole : batch;
}

/* ---- one table ---- */

static void give_back(wb_outbox *outbox, wb_batch *batch)
{
    wb_monitor_lock(&outbox->backlog.monitor);
    wb_batch_list_remove(&outbox->taken, batch);
    outbox->taken_count--;
    wb_outbox_put_back(outbox, batch, wb_backlog_now_us(&outbox->backlog));
    wb_gate_returned(outbox, batch->route);
    wb_backlog_ended(&outbox->backlog);
    wb_monitor_unlock(&outbox->backlog.monitor);
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
wb_batch *wb_outbox_to_one_write(wb_outbox *outbox, wb_batch *batch)
{
    if (batch->merge_next != NULL)
        batch = merge(outbox, batch);
    if (!tidy(outbox, batch)) {
        give_back(outbox, batch);
        return NULL;
    }
    if (outbox->one_shape && !batch->in_doubt)
        batch = first_shape(outbox, batch);
    return batch;
}

/* ---- rows that a worker's policy routes ---- */

/* Nobody can be asked: all go to the batcher's own table, and stay there, as an earlier write of them may have been
 * committed without an answer. */
static void leave_unrouted(wb_outbox *outbox)
{
    for (wb_batch *batch = outbox->sealed.first; batch != NULL; batch = batch->next)
        batch->routed = true;
}

/* The oldest batch that was not routed and is due, taken; where something else is due, that of the rows that are open:
 * so they come along with older ones. None that is younger than that serial: rows may come as fast as the policy answers.
 * NULL: there is none. */
static wb_batch *take_unrouted(wb_outbox *outbox, uint64_t last)
{
    int64_t now_us = wb_backlog_now_us(&outbox->backlog);
    if (wb_outbox_next_due_us(&outbox->backlog) > now_us)
        return NULL;
    wb_batch *batch = outbox->sealed.first;
    while (batch != NULL && (batch->routed || batch->due_us > now_us))
        batch = batch->next;
    if (batch == NULL && outbox->serial < last && outbox->open != NULL &&
        wb_batch_left(outbox->open) > 0) {
        wb_outbox_seal_open(outbox, WB_REASON_AGE);
        batch = outbox->sealed.last;
    }
    if (batch == NULL || batch->serial > last)
        return NULL;
    wb_batch_list_remove(&outbox->sealed, batch);
    wb_batch_become(batch, WB_BATCH_TAKEN);
    wb_batch_list_put(&outbox->taken, batch);
    batch->taken_adds = outbox->backlog.metrics.accepted;
    return batch;
}

static int find_table(wb_outbox *outbox, const char *table, uint32_t *out, wb_err *err)
{
    wb_monitor_lock(&outbox->backlog.monitor);
    int64_t now_us = wb_backlog_now_us(&outbox->backlog);
    int code = wb_outbox_find_table(outbox, table, now_us, out, err);
    wb_monitor_unlock(&outbox->backlog.monitor);
    return code;
}

/* Asks the policy of a worker for each row's table. */
static void ask_about(wb_outbox *outbox, wb_batch *batch, wb_refusals *refusals)
{
    wb_err err = {0};
    for (size_t i = 0; i < wb_batch_left(batch); i++) {
        uint32_t route = 0;
        const char *table = NULL;
        bool taken = wb_script_client_route(&outbox->script_client, batch, i, &table, &err);
        if (table != NULL && find_table(outbox, table, &route, &err) != WB_OK)
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
    if (!tidy(outbox, *batch))
        return false;
    ask_about(outbox, *batch, &refusals);
    bool done = wb_refusals_bury(outbox, &refusals, batch);
    wb_refusals_fini(&refusals);
    return done;
}

static void put_back_later(wb_outbox *outbox, wb_batch *batch)
{
    const wb_backlog *backlog = &outbox->backlog;
    batch->due_us = wb_after_us(wb_backlog_now_us(backlog), wb_backlog_delay_us(backlog, 1, 0.5));
    wb_batch_become(batch, WB_BATCH_SEALED);
    wb_batch_list_put(&outbox->sealed, batch);
    wb_outbox_coalesce_again(outbox, batch);
}

/* The rows of a batch, each with its route, go where they gather. Answers how many did before memory ended. */
static size_t gather(wb_outbox *outbox, const wb_batch *batch)
{
    size_t rows = wb_lanes_prepare(&outbox->lanes, outbox->routes.count) ? wb_batch_left(batch) : 0;
    for (size_t i = 0; i < rows; i++) {
        uint32_t route = batch->rows[batch->first + i].route;
        size_t bytes = wb_batch_begin_of(batch, i + 1) - wb_batch_begin_of(batch, i);
        wb_coming coming;
        if (outbox->coalescer != NULL && wb_outbox_coalesce_taken(outbox, batch, i, route, &coming))
            continue;
        wb_batch *open = wb_outbox_open_lane(outbox, route, bytes);
        if (open == NULL || !wb_batch_merge_run(open, batch, i, 1))
            return i;
        if (outbox->coalescer != NULL)
            wb_outbox_coalesce_came(outbox, open, &coming);
        wb_outbox_lane_grew(outbox, route, bytes);
    }
    return rows;
}

/* A write of it may be in, which the store knows by its id: it stays whole, and goes where its first row does. */
static void keep_whole(wb_outbox *outbox, wb_batch *batch)
{
    uint32_t route = (uint32_t)wb_class_route(batch, 0, NULL);
    wb_batch_goes_to(batch, route, wb_outbox_table_of(outbox, route));
    wb_batch_become(batch, WB_BATCH_SEALED);
    wb_batch_list_put(&outbox->sealed, batch);
    const wb_lane *lane = wb_lane_of(&outbox->lanes, route);
    if (lane->held_back)
        wb_batch_list_hold_back(&outbox->sealed, batch, lane->held_us);
}

/* What a flush waits for goes out now, under the flush's ticket; all else gathers. Without memory what is left goes back,
 * and is asked about again. */
static bool sort_out(wb_outbox *outbox, wb_batch *batch, bool asked)
{
    bool flushed = batch->serial <= outbox->ticket, done = false;
    wb_batch_list_remove(&outbox->taken, batch);
    if (asked && batch->in_doubt) {
        keep_whole(outbox, batch);
        done = flushed = true;
    } else if (asked && flushed) {
        done = wb_outbox_divide(outbox, batch, wb_class_route, NULL);
    } else if (asked) {
        wb_batch_skip(batch, gather(outbox, batch));
        done = wb_batch_left(batch) == 0;
    }
    if (!done)
        put_back_later(outbox, batch);
    else if (!flushed)
        wb_outbox_settle(outbox, batch);
    wb_backlog_changed(&outbox->backlog);
    return done;
}

void wb_outbox_ask_routes(wb_outbox *outbox)
{
    bool routes = wb_script_client_routes(&outbox->script_client);
    wb_monitor_lock(&outbox->backlog.monitor);
    uint64_t last = outbox->serial + 1; /* that of the rows that are open */
    if (!routes)
        leave_unrouted(outbox);
    for (wb_batch *batch; routes && (batch = take_unrouted(outbox, last)) != NULL;) {
        outbox->asking_where++;
        wb_monitor_unlock(&outbox->backlog.monitor);
        bool asked = route_rows(outbox, &batch);
        wb_monitor_lock(&outbox->backlog.monitor);
        routes = batch == NULL || sort_out(outbox, batch, asked);
        outbox->asking_where--;
    }
    wb_batch *rubbish = wb_pool_rubbish(&outbox->pool);
    wb_monitor_unlock(&outbox->backlog.monitor);
    wb_batch_free_list(rubbish);
}
