/* SPDX-License-Identifier: MIT
 * The outbox's ground: moving batches, and what is open. Rows gather until they are due, each table's in a batch of its
 * own. The batcher's own table fills outbox->open, and so do the rows of which only a worker's policy will say where
 * they go; all others fill their lanes. Sealing moves a batch and copies no row. Putting, taking, completing, rejecting and
 * giving up stand on it, each in a file of its own. Locked, all of it, by the outbox's lock; only memory fails, and then
 * nothing is changed. See outbox.h for the invariants. */
#include "engine/outbox/outbox.h"

#include "spool/marks.h"

/* ---- lists and states ---- */

void wb_outbox_new_id(wb_outbox *outbox, wb_batch *batch)
{
    wb_uuid_v7(&outbox->ids, outbox->backlog.env.unix_us(outbox->backlog.env.context), batch->id);
}

void wb_outbox_take_new(wb_outbox *outbox, wb_batch *batch)
{
    wb_batch_become(batch, WB_BATCH_SEALED);
    wb_batch_become(batch, WB_BATCH_TAKEN);
    wb_batch_list_put(&outbox->taken, batch);
}

void wb_outbox_settle(wb_outbox *outbox, wb_batch *batch)
{
    wb_trial_leave(&outbox->trials, batch);
    wb_outbox_uncoalesce(outbox, batch);
    wb_batch_become(batch, WB_BATCH_SETTLED);
    wb_outbox_pool(outbox, batch);
}

/* Rows of an earlier program may be of another schema. */
void wb_outbox_pool(wb_outbox *outbox, wb_batch *settled)
{
    if (settled->schema == outbox->schema)
        wb_pool_put(&outbox->pool, settled);
    else
        wb_pool_drop(&outbox->pool, settled);
}

/* ---- counting out ---- */

uint64_t wb_outbox_count_out(wb_outbox *outbox, const wb_batch *batch)
{
    wb_metrics *metrics = &outbox->backlog.metrics;
    uint64_t adds = wb_batch_adds(batch);
    metrics->pending -= adds;
    metrics->pending_rows -= wb_batch_live(batch);
    metrics->pending_bytes -= wb_batch_weight(batch);
    return adds;
}

uint64_t wb_outbox_count_in(wb_outbox *outbox, const wb_batch *batch)
{
    wb_metrics *metrics = &outbox->backlog.metrics;
    uint64_t adds = wb_batch_adds(batch);
    metrics->pending += adds;
    metrics->pending_rows += wb_batch_live(batch);
    metrics->pending_bytes += wb_batch_weight(batch);
    return adds;
}

uint64_t wb_outbox_skip(wb_outbox *outbox, wb_batch *batch, size_t rows)
{
    wb_metrics *metrics = &outbox->backlog.metrics;
    uint64_t adds = wb_batch_adds(batch);
    size_t live = wb_batch_live(batch);
    metrics->pending_bytes -= wb_batch_skip(batch, rows);
    if (wb_batch_live(batch) == 0) /* gaps */
        metrics->pending_bytes -= wb_batch_skip(batch, wb_batch_left(batch));
    adds -= wb_batch_adds(batch);
    metrics->pending -= adds;
    metrics->pending_rows -= live - wb_batch_live(batch);
    return adds;
}

/* ---- rows that are found by their key ---- */

void wb_outbox_uncoalesce(wb_outbox *outbox, wb_batch *batch)
{
    if (outbox->coalescer == NULL)
        return;
    if (batch->joins)
        wb_outbox_stop_joining(outbox, batch);
    wb_coalescer_leave(outbox->coalescer, batch);
}

void wb_outbox_stop_joining(wb_outbox *outbox, wb_batch *batch)
{
    wb_batch **link = &outbox->joining;
    while (*link != batch)
        link = &(*link)->join_next;
    *link = batch->join_next;
    batch->joins = false;
}

/* ---- sealing ---- */

/* The batch may not take a row of so many bytes: it is sealed first, for this reason. */
static int is_full(const wb_outbox *outbox, const wb_batch *open, size_t bytes)
{
    const wb_thresholds *thresholds = &outbox->thresholds;
    if (open == NULL || wb_batch_left(open) == 0)
        return WB_REASON_NONE;
    if (wb_batch_left(open) >= thresholds->batch_size)
        return WB_REASON_SIZE;
    return open->bytes + bytes > thresholds->batch_bytes ? WB_REASON_BYTES : WB_REASON_NONE;
}

static void seal(wb_outbox *outbox, wb_batch *open, int reason)
{
    open->serial = ++outbox->serial;
    open->reason = reason;
    open->due_us = INT64_MIN;
    wb_outbox_new_id(outbox, open);
    wb_batch_become(open, WB_BATCH_SEALED);
}

/* Rows that were dropped from the open batch leave it empty: it stays open then. */
void wb_outbox_seal_open(wb_outbox *outbox, int reason)
{
    wb_batch *open = outbox->open;
    if (open == NULL || wb_batch_left(open) == 0)
        return;
    outbox->open = NULL;
    seal(outbox, open, reason);
    open->routed = outbox->script_client.policy == NULL;
    wb_pool_learn(&outbox->pool, open);
    wb_batch_list_put(&outbox->sealed, open);
    if (open->routed && outbox->lanes.own.held_back)
        wb_batch_list_hold_back(&outbox->sealed, open, outbox->lanes.own.held_us);
}

static void seal_lane(wb_outbox *outbox, uint32_t route, int reason)
{
    wb_lane *lane = wb_lane_of(&outbox->lanes, route);
    wb_batch *open = lane->open;
    wb_lanes_remove(&outbox->lanes, route);
    if (open == NULL || wb_batch_left(open) == 0)
        return;
    lane->open = NULL;
    outbox->lanes.rows -= wb_batch_left(open);
    outbox->lanes.bytes -= open->bytes - wb_batch_begin(open);
    seal(outbox, open, reason);
    wb_batch_goes_to(open, route, wb_outbox_table_of(outbox, route));
    lane->busy = reason == WB_REASON_SIZE || reason == WB_REASON_BYTES;
    if (lane->busy)
        wb_pool_learn(&outbox->pool, open);
    else
        wb_batch_shrink(open); /* there may be many */
    wb_batch_list_put(&outbox->sealed, open);
    if (lane->held_back)
        wb_batch_list_hold_back(&outbox->sealed, open, lane->held_us);
}

void wb_outbox_seal_all(wb_outbox *outbox, int reason)
{
    wb_outbox_seal_open(outbox, reason);
    while (outbox->lanes.count > 0)
        seal_lane(outbox, outbox->lanes.heap[0], reason);
}

/* ---- filling ---- */

wb_batch *wb_outbox_open_batch(wb_outbox *outbox, size_t bytes)
{
    int reason = is_full(outbox, outbox->open, bytes);
    if (reason != WB_REASON_NONE)
        wb_outbox_seal_open(outbox, reason);
    if (outbox->open == NULL)
        outbox->open = wb_pool_get(&outbox->pool, outbox->schema);
    if (outbox->open == NULL || !wb_batch_reserve(outbox->open, bytes))
        return NULL;
    return outbox->open;
}

wb_batch *wb_outbox_open_lane(wb_outbox *outbox, uint32_t route, size_t bytes)
{
    wb_lane *lane = wb_lane_of(&outbox->lanes, route);
    int reason = is_full(outbox, lane->open, bytes);
    if (reason != WB_REASON_NONE)
        seal_lane(outbox, route, reason);
    if (lane->open == NULL)
        lane->open =
            lane->busy ? wb_pool_get(&outbox->pool, outbox->schema) : wb_batch_new(outbox->schema);
    if (lane->open == NULL || !wb_batch_fit(lane->open, bytes))
        return NULL;
    lane->open->route = route;
    return lane->open;
}

/* Where its gate is shut the rows gather on: were they sealed, a table that is down would be a heap of small batches. */
void wb_outbox_lane_changed(wb_outbox *outbox, uint32_t route)
{
    wb_lane *lane = wb_lane_of(&outbox->lanes, route);
    if (lane->open == NULL || wb_batch_left(lane->open) == 0) {
        wb_lanes_remove(&outbox->lanes, route);
        return;
    }
    int64_t since_us = wb_batch_since_us(lane->open), gate_us = lane->gate_us;
    if (gate_us > since_us && gate_us - outbox->thresholds.interval_us > since_us)
        since_us = gate_us - outbox->thresholds.interval_us;
    wb_lanes_set(&outbox->lanes, route, since_us);
}

void wb_outbox_lane_grew(wb_outbox *outbox, uint32_t route, size_t bytes)
{
    const wb_batch *open = wb_lane_of(&outbox->lanes, route)->open;
    outbox->lanes.rows++;
    outbox->lanes.bytes += bytes;
    if (wb_batch_left(open) == 1)
        wb_outbox_lane_changed(outbox, route);
    int reason = wb_thresholds_due(&outbox->thresholds, wb_batch_left(open), open->bytes, 0);
    if (reason != WB_REASON_NONE)
        seal_lane(outbox, route, reason);
}

void wb_outbox_lanes_configured(wb_outbox *outbox)
{
    for (uint32_t route = 0; route <= outbox->routes.count; route++) {
        const wb_lane *lane = wb_lane_of(&outbox->lanes, route);
        if (lane->place == 0)
            continue;
        int reason =
            wb_thresholds_due(&outbox->thresholds, wb_batch_left(lane->open), lane->open->bytes, 0);
        if (reason != WB_REASON_NONE)
            seal_lane(outbox, route, reason);
        else
            wb_outbox_lane_changed(outbox, route);
    }
}

/* ---- what is due, and what is the oldest ---- */

static int64_t own_due_us(const wb_outbox *outbox)
{
    const wb_batch *open = outbox->open;
    if (open == NULL || wb_batch_left(open) == 0)
        return WB_NEVER;
    bool full = wb_thresholds_due(&outbox->thresholds, wb_batch_left(open), open->bytes, 0) !=
                WB_REASON_NONE;
    int64_t due_us =
        full ? INT64_MIN : wb_after_us(open->opened_us, outbox->thresholds.interval_us);
    bool routed = outbox->script_client.policy == NULL && outbox->routes.count > 0;
    if (routed && outbox->lanes.own.gate_us > due_us) /* see gate.h */
        return outbox->lanes.own.gate_us;
    return due_us;
}

static int64_t lanes_due_us(wb_outbox *outbox)
{
    if (outbox->lanes.count == 0)
        return WB_NEVER;
    const wb_lane *lane = wb_lane_of(&outbox->lanes, outbox->lanes.heap[0]);
    return wb_after_us(lane->since_us, outbox->thresholds.interval_us);
}

int64_t wb_outbox_open_due_us(wb_outbox *outbox)
{
    int64_t own_us = own_due_us(outbox), lanes_us = lanes_due_us(outbox);
    return own_us < lanes_us ? own_us : lanes_us;
}

void wb_outbox_seal_due(wb_outbox *outbox, int64_t now_us)
{
    const wb_batch *open = outbox->open;
    if (open != NULL && own_due_us(outbox) <= now_us) {
        int reason = wb_thresholds_due(&outbox->thresholds, wb_batch_left(open), open->bytes,
                                       now_us - open->opened_us);
        if (reason != WB_REASON_NONE)
            wb_outbox_seal_open(outbox, reason);
    }
    if (outbox->lanes.count > 0 && lanes_due_us(outbox) <= now_us)
        seal_lane(outbox, outbox->lanes.heap[0], WB_REASON_AGE);
}

bool wb_outbox_has_open(const wb_outbox *outbox)
{
    return outbox->lanes.count > 0 || (outbox->open != NULL && wb_batch_left(outbox->open) > 0);
}

static void settle_first(wb_outbox *outbox, const wb_batch *open)
{
    if (outbox->spool != NULL)
        wb_spool_settle(outbox->spool, open, 0, 1);
}

uint64_t wb_outbox_skip_oldest_open(wb_outbox *outbox)
{
    wb_batch *open = outbox->open;
    uint32_t route = outbox->lanes.count > 0 ? outbox->lanes.heap[0] : 0;
    wb_lane *lane = wb_lane_of(&outbox->lanes, route);
    bool own = open != NULL && wb_batch_left(open) > 0;
    if (outbox->lanes.count == 0 || (own && wb_batch_since_us(open) <= lane->since_us)) {
        settle_first(outbox, open);
        return wb_outbox_skip(outbox, open, 1);
    }
    settle_first(outbox, lane->open);
    size_t rows = wb_batch_left(lane->open), begin = wb_batch_begin(lane->open);
    uint64_t adds = wb_outbox_skip(outbox, lane->open, 1);
    outbox->lanes.rows -= rows - wb_batch_left(lane->open);
    outbox->lanes.bytes -= wb_batch_begin(lane->open) - begin;
    wb_outbox_lane_changed(outbox, route);
    return adds;
}
