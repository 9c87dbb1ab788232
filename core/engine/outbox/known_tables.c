/* SPDX-License-Identifier: MIT
 * The tables that the outbox knows: each gets a number and a lane when a row first goes to it. One that had no row for an
 * hour is forgotten. That takes no timer: whenever a table is new, or a batch is taken, two that are known are
 * looked at, in turn; so there are never many more than had rows within the hour. A table is not forgotten while a row or
 * a batch refers to it: a batch holds the name. */
#include <stdio.h>
#include <string.h>

#include "base/env.h"
#include "engine/outbox/gate.h"

#define UNUSED_US (INT64_C(3600) * 1000000)

enum { LOOKS = 2 };

static bool is_unused(wb_outbox *outbox, uint32_t route, int64_t now_us)
{
    const wb_shared_text *name = wb_outbox_table_of(outbox, route);
    const wb_lane *lane = wb_lane_of(&outbox->lanes, route);
    return name != NULL && now_us - lane->used_us >= UNUSED_US && lane->place == 0 &&
           wb_shared_text_is_lone(name);
}

void wb_outbox_forget_tables(wb_outbox *outbox, int64_t now_us)
{
    for (int i = 0; i < LOOKS && outbox->asking_where == 0; i++) {
        outbox->next_look = outbox->next_look % outbox->routes.count + 1;
        if (!is_unused(outbox, outbox->next_look, now_us))
            continue;
        wb_batch *open = wb_lane_of(&outbox->lanes, outbox->next_look)->open;
        if (open != NULL)
            wb_outbox_uncoalesce(outbox, open);
        wb_gate_forget(outbox, outbox->next_look);
        wb_lanes_forget(&outbox->lanes, outbox->next_look);
        wb_routes_forget(&outbox->routes, outbox->next_look - 1);
    }
}

static int look_up(wb_outbox *outbox, const char *table, int64_t now_us, wb_err *err)
{
    uint32_t number;
    size_t bytes = strlen(table);
    if (bytes == 0 || bytes > WB_TABLE_BYTES)
        return wb_fail(err, WB_INVALID, "a table's name has 1 to %d bytes, this one has %zu",
                       WB_TABLE_BYTES, bytes);
    if (strcmp(table, outbox->table) == 0) {
        outbox->last_route = 0;
        return WB_OK;
    }
    if (!wb_lanes_prepare(&outbox->lanes, outbox->routes.count + 1) ||
        !wb_routes_find(&outbox->routes, table, &number))
        return wb_fail(err, WB_MEMORY, "out of memory for the table \"%s\"", table);
    outbox->last_route = number + 1;
    wb_lane *lane = wb_lane_of(&outbox->lanes, number + 1);
    bool is_new = lane->used_us == 0;
    lane->used_us = now_us;
    if (is_new)
        wb_outbox_forget_tables(outbox, now_us);
    return WB_OK;
}

/* Mostly it is that of the row before. */
int wb_outbox_find_table(wb_outbox *outbox, const char *table, int64_t now_us, uint32_t *out,
                         wb_err *err)
{
    const wb_shared_text *last = wb_outbox_table_of(outbox, outbox->last_route);
    int code = WB_OK;
    if (last != NULL && strcmp(last->text, table) == 0)
        wb_lane_of(&outbox->lanes, outbox->last_route)->used_us = now_us;
    else
        code = look_up(outbox, table, now_us, err);
    if (code == WB_OK)
        *out = outbox->last_route;
    return code;
}

/* ---- what is known of each ---- */

static void count_pending(const wb_outbox *outbox, wb_table_stats *tables)
{
    const wb_batch *lists[] = {outbox->sealed.first, outbox->taken.first, outbox->open};
    for (size_t i = 0; i < sizeof lists / sizeof *lists; i++) {
        for (const wb_batch *batch = lists[i]; batch != NULL; batch = batch->next)
            tables[batch->route].pending += wb_batch_adds(batch);
    }
}

static void describe_table(wb_outbox *outbox, uint32_t route, wb_table_stats *out)
{
    const wb_lane *lane = wb_lane_of(&outbox->lanes, route);
    const wb_shared_text *name = wb_outbox_table_of(outbox, route);
    snprintf(out->table, sizeof out->table, "%s", name != NULL ? name->text : outbox->table);
    out->pending += lane->open != NULL ? wb_batch_adds(lane->open) : 0;
    out->consecutive_failures = lane->failures;
    if (lane->error != NULL)
        snprintf(out->last_error, sizeof out->last_error, "%s", lane->error);
}

/* Those that have rows pending, or fail, move to the front. */
static size_t tables_locked(wb_outbox *outbox, wb_table_stats *tables)
{
    size_t count = 0;
    count_pending(outbox, tables);
    for (uint32_t route = 0; route <= outbox->routes.count; route++) {
        describe_table(outbox, route, &tables[route]);
        if (tables[route].pending > 0 || tables[route].consecutive_failures > 0)
            tables[count++] = tables[route];
    }
    return count;
}

int wb_outbox_tables(wb_outbox *outbox, wb_table_stats **out, size_t *count, wb_err *err)
{
    wb_monitor_lock(&outbox->backlog.monitor);
    uint32_t routes = outbox->routes.count;
    wb_table_stats *tables =
        routes > 0 ? wb_alloc_zeroed(((size_t)routes + 1) * sizeof *tables) : NULL;
    size_t known = tables != NULL ? tables_locked(outbox, tables) : 0;
    wb_monitor_unlock(&outbox->backlog.monitor);
    if (tables == NULL && routes > 0)
        return wb_fail(err, WB_MEMORY, "out of memory for %u tables", (unsigned)routes + 1);
    *out = tables;
    *count = known;
    return WB_OK;
}
