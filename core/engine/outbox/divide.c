/* SPDX-License-Identifier: MIT
 * What was taken becomes one batch, of rows of one table. Batches that were taken together are merged. Where a policy
 * routes rows, they are sorted by table: one table is written now, the others go back, due. Rows keep their order
 * within a table. The rows belong to the taker, so that they are read without the lock. Without memory nothing is
 * changed. */
#include "engine/outbox/outbox.h"

#include <string.h>

#include "base/env.h"

/* ---- merging ---- */

static void inherit(wb_batch *whole, const wb_batch *batch)
{
    whole->serial = batch->serial;
    whole->reason = batch->reason;
    whole->attempt = batch->attempt;
    whole->taken_us = batch->taken_us;
    memcpy(whole->id, batch->id, sizeof whole->id);
}

static wb_batch *merge_rows(const wb_batch *batch)
{
    wb_batch *whole = wb_batch_new(batch->schema);
    size_t bytes = 0;
    for (const wb_batch *part = batch; part != NULL; part = part->merge_next)
        bytes += part->bytes;
    bool done = whole != NULL && wb_batch_reserve(whole, bytes);
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
    wb_batch *whole = merge_rows(batch);
    wb_monitor_lock(&outbox->backlog.monitor);
    if (whole == NULL) {
        unlend_others(outbox, batch);
    } else {
        settle_all(outbox, batch);
        wb_outbox_take_new(outbox, whole);
    }
    wb_monitor_unlock(&outbox->backlog.monitor);
    return whole != NULL ? whole : batch;
}

/* ---- dividing ---- */

/* Asks the policy of a worker for each row's table. */
static void ask_routes(wb_outbox *outbox, wb_batch *batch)
{
    wb_err err = {0};
    for (size_t i = 0; i < wb_batch_left(batch); i++) {
        uint32_t route = 0;
        const char *table = wb_script_client_route(&outbox->script_client, batch, i);
        if (table != NULL && wb_outbox_route(outbox, table, &route, &err) != WB_OK)
            wb_backlog_undecided(&outbox->backlog, "route", err.text);
        batch->rows[batch->first + i].route = route;
    }
}

static uint32_t route_of(const wb_batch *batch, size_t index)
{
    return batch->rows[batch->first + index].route;
}

/* Are all rows that were taken together of one table? */
static bool is_uniform(const wb_batch *batch)
{
    uint32_t route = route_of(batch, 0);
    for (const wb_batch *part = batch; part != NULL; part = part->merge_next) {
        for (size_t i = 0; i < wb_batch_left(part); i++) {
            if (route_of(part, i) != route)
                return false;
        }
    }
    return true;
}

/* The part of that route in the list, made where there is none; NULL: no memory. */
static wb_batch *part_of(wb_batch **parts, wb_schema *schema, uint32_t route)
{
    while (*parts != NULL && (*parts)->route != route)
        parts = &(*parts)->next;
    if (*parts == NULL && (*parts = wb_batch_new(schema)) != NULL)
        (*parts)->route = route;
    return *parts;
}

static bool sort_rows(const wb_batch *batch, wb_batch **parts)
{
    wb_batch *part = NULL;
    for (const wb_batch *from = batch; from != NULL; from = from->merge_next) {
        for (size_t i = 0; i < wb_batch_left(from); i++) {
            if (part == NULL || part->route != route_of(from, i))
                part = part_of(parts, from->schema, route_of(from, i));
            if (part == NULL || !wb_batch_push_of(part, from, i))
                return false;
        }
    }
    return true;
}

static void label(const wb_outbox *outbox, wb_batch *batch, uint32_t route)
{
    batch->route = route;
    batch->table = route > 0 ? outbox->routes.names[route - 1] : NULL;
    batch->routed = true;
}

static void put_part_back(wb_outbox *outbox, wb_batch *part, const wb_batch *batch)
{
    inherit(part, batch);
    part->attempt = 0;
    part->due_us = INT64_MIN;
    wb_outbox_new_id(outbox, part);
    wb_batch_become(part, WB_BATCH_SEALED);
    wb_batch_list_put(&outbox->sealed, part);
}

/* The first part is taken in the place of all, the others wait. */
static void publish(wb_outbox *outbox, wb_batch *batch, wb_batch *parts)
{
    wb_batch *first = parts;
    parts = first->next;
    first->next = NULL;
    inherit(first, batch);
    label(outbox, first, first->route);
    for (wb_batch *next; parts != NULL; parts = next) {
        next = parts->next;
        label(outbox, parts, parts->route);
        put_part_back(outbox, parts, batch);
    }
    settle_all(outbox, batch);
    wb_outbox_take_new(outbox, first);
}

static void give_back(wb_outbox *outbox, wb_batch *batch)
{
    unlend_others(outbox, batch);
    wb_batch_list_remove(&outbox->taken, batch);
    outbox->taken_count--;
    wb_outbox_put_back(outbox, batch, wb_backlog_now_us(&outbox->backlog));
    wb_backlog_ended(&outbox->backlog);
}

/* Many tables make many small parts that wait: they keep no more memory than they need. */
static void shrink_all(wb_batch *parts)
{
    for (; parts != NULL; parts = parts->next)
        wb_batch_shrink(parts);
}

static wb_batch *keep_whole(wb_outbox *outbox, wb_batch *batch)
{
    uint32_t route = route_of(batch, 0);
    wb_batch *whole = batch->merge_next != NULL ? merge(outbox, batch) : batch;
    wb_monitor_lock(&outbox->backlog.monitor);
    label(outbox, whole, route);
    wb_monitor_unlock(&outbox->backlog.monitor);
    return whole;
}

static wb_batch *divide(wb_outbox *outbox, wb_batch *batch)
{
    wb_batch *parts = NULL;
    bool sorted = sort_rows(batch, &parts);
    wb_batch *first = sorted ? parts : NULL;
    if (sorted)
        shrink_all(parts->next);
    wb_monitor_lock(&outbox->backlog.monitor);
    if (sorted)
        publish(outbox, batch, parts);
    else
        give_back(outbox, batch);
    wb_backlog_changed(&outbox->backlog);
    wb_monitor_unlock(&outbox->backlog.monitor);
    if (!sorted)
        wb_batch_free_list(parts);
    return first;
}

/* Where nobody can be asked, rows go to the batcher's own table, and stay there: an earlier write of them may have
 * been committed without an answer. */
wb_batch *wb_outbox_to_one_table(wb_outbox *outbox, wb_batch *batch, bool routing)
{
    if (!routing || batch->routed)
        return batch->merge_next != NULL ? merge(outbox, batch) : batch;
    if (wb_script_client_routes(&outbox->script_client)) {
        for (wb_batch *part = batch; part != NULL; part = part->merge_next)
            ask_routes(outbox, part);
    }
    return is_uniform(batch) ? keep_whole(outbox, batch) : divide(outbox, batch);
}
