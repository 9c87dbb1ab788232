/* SPDX-License-Identifier: MIT
 * See coalesce.h; rows/coalescer.h knows where the row of a key is. Of two rows the one that is in the older batch stays
 * where it is, so that what a flush waits for goes out under its ticket; the other becomes a gap. Gaps are squeezed out once
 * they are more than the rows of their batch. */
#include "engine/outbox/coalesce.h"

#include "engine/outbox/spooled.h"

enum { STEP = 256, LARGEST_BATCH = 1 << 29 };

/* Rows of which only a worker's policy can say where they go are found among themselves. */
static uint32_t where_open(const wb_outbox *outbox, uint32_t route)
{
    return route == 0 && outbox->script_client.policy != NULL ? 0 : route + 1;
}

static uint32_t where_of(const wb_batch *batch)
{
    return batch->routed ? batch->route + 1 : 0;
}

static bool fits(const wb_outbox *outbox, int64_t more)
{
    return more <= 0 || outbox->backlog.metrics.pending_bytes + (uint64_t)more <= outbox->max_bytes;
}

/* ---- gaps ---- */

/* What a lane's open batch lost is no longer of the lanes'. */
static void lanes_lost(wb_outbox *outbox, wb_batch *batch, size_t rows, size_t bytes)
{
    if (batch->state != WB_BATCH_OPEN || batch == outbox->open)
        return;
    outbox->lanes.rows -= rows - wb_batch_left(batch);
    outbox->lanes.bytes -= bytes - (batch->bytes - wb_batch_begin(batch));
    wb_outbox_lane_changed(outbox, batch->route);
}

static void squeeze(wb_outbox *outbox, wb_batch *batch)
{
    size_t rows = wb_batch_left(batch), bytes = batch->bytes - wb_batch_begin(batch);
    size_t weight = wb_batch_weight(batch);
    wb_coalescer_squeeze(outbox->coalescer, batch);
    outbox->backlog.metrics.pending_bytes -= weight - wb_batch_weight(batch);
    if (batch->state == WB_BATCH_SEALED)
        wb_batch_shrink(batch);
    lanes_lost(outbox, batch, rows, bytes);
}

static void squeeze_if_worth(wb_outbox *outbox, wb_batch *batch)
{
    size_t gone = batch->first + batch->tallies.gaps;
    if (gone > outbox->few_gaps && gone > wb_batch_live(batch) && batch->known == batch->count)
        squeeze(outbox, batch);
}

/* Nothing of it is left but gaps. */
static void end_empty(wb_outbox *outbox, wb_batch *batch)
{
    size_t rows = wb_batch_left(batch), bytes = batch->bytes - wb_batch_begin(batch);
    outbox->backlog.metrics.pending_bytes -= wb_batch_skip(batch, rows);
    if (batch->state == WB_BATCH_OPEN) {
        lanes_lost(outbox, batch, rows, bytes);
        return;
    }
    wb_batch_list_remove(&outbox->sealed, batch);
    wb_outbox_settle(outbox, batch);
}

/* The row is part of another one now, which its adds went to. */
static void become_gap(wb_outbox *outbox, const wb_row_place *place)
{
    wb_metrics *metrics = &outbox->backlog.metrics;
    wb_batch *batch = place->batch;
    size_t weight = wb_batch_weight(batch);
    batch->rows[place->row].number = 0;
    wb_tallies_empty(&batch->tallies, place->row);
    metrics->pending_bytes -= weight - wb_batch_weight(batch);
    metrics->pending_rows--;
    metrics->coalesced++;
    if (wb_batch_live(batch) == 0)
        end_empty(outbox, batch);
    else
        squeeze_if_worth(outbox, batch);
}

/* ---- a row that comes ---- */

static uint32_t route_of(const wb_outbox *outbox, const wb_batch *batch, bool *routed)
{
    *routed = batch->routed || batch->route > 0 || outbox->script_client.policy == NULL;
    return batch->route;
}

/* The row as it is now stands in the spool for what it was, and for the other one. */
static void spool_anew(wb_outbox *outbox, const wb_row_place *place, uint32_t other)
{
    wb_batch *batch = place->batch;
    size_t bytes;
    bool routed;
    uint32_t route = route_of(outbox, batch, &routed);
    struct wb_batch_row *row = &batch->rows[place->row];
    wb_spool_row spooled = {
        .tuple = wb_batch_tuple(batch, place->row, &bytes),
        .route = route,
        .routed = routed,
        .unix_us = batch->opened_us + row->age_us + outbox->unix_skew,
        .adds = batch->tallies.of[place->row].adds,
        .replaces = {row->number != 0 ? row->number : other, row->number != 0 ? other : 0},
    };
    spooled.bytes = bytes;
    row->number = wb_outbox_spool_tuple(outbox, &spooled);
}

/* `other`: the number of the row that comes to it, if it has one: then the spool must have room for what they become, or else
 * they stay two, as neither is in memory alone. WB_STORE, WB_MEMORY. */
static int put(wb_outbox *outbox, const wb_row_place *place, uint64_t adds, size_t bytes,
               uint32_t other, wb_err *err)
{
    int64_t gained;
    bool spools = false, routed;
    int code = WB_OK;
    if (outbox->spool != NULL)
        code = wb_outbox_spool_reserve(outbox, bytes, route_of(outbox, place->batch, &routed),
                                       &spools, err);
    if (code != WB_OK)
        return code;
    if (other != 0 && !spools) {
        outbox->unspooled--;
        return wb_fail(err, WB_STORE, "spool: no room for two rows that are one");
    }
    if (!wb_coalescer_put(outbox->coalescer, place, adds, &gained))
        return wb_fail(err, WB_MEMORY, "out of memory for a row");
    outbox->backlog.metrics.pending_bytes += (uint64_t)gained;
    if (spools)
        spool_anew(outbox, place, other);
    return WB_OK;
}

/* What the row's weight gains by a tuple of so many bytes. */
static int64_t growth(const wb_row_place *place, size_t bytes)
{
    if (bytes == place->bytes)
        return 0;
    const wb_tally *tally = &place->batch->tallies.of[place->row];
    size_t room = tally->tuple != NULL ? wb_moved_room(place->bytes) : 0;
    return (int64_t)wb_moved_room(bytes) - (int64_t)room;
}

/* What is taken is one run of at most 1 GiB: rows that would make a batch too large for it stay two. */
static bool is_too_large(const wb_row_place *place, int64_t more)
{
    return more > 0 && wb_batch_weight(place->batch) + (size_t)more > LARGEST_BATCH;
}

static int refuse_sum(const wb_outbox *outbox, size_t column, wb_err *err)
{
    const wb_column *of = wb_schema_column(outbox->schema, column);
    return wb_fail(err, WB_INVALID,
                   "column \"%s\": coalesce: the sum of the rows of this key would be out of the "
                   "range of %s",
                   of->name, wb_type_name(of->type));
}

static int merge_coming(wb_outbox *outbox, const wb_tuple *tuple, const wb_row_place *place,
                        wb_coming *coming, wb_err *err)
{
    size_t bytes, column;
    wb_metrics *metrics = &outbox->backlog.metrics;
    if (!wb_coalescer_merge(outbox->coalescer, true, &bytes, &column)) {
        if (column != SIZE_MAX)
            return refuse_sum(outbox, column, err);
        wb_coalescer_forget(place); /* they stay two */
        return WB_OK;
    }
    int64_t more = growth(place, bytes);
    if (is_too_large(place, more)) {
        wb_coalescer_forget(place);
        return WB_OK;
    }
    coming->grows = !fits(outbox, more);
    if (coming->grows) {
        coming->weight = (size_t)more;
        return WB_OK;
    }
    int code = put(outbox, place, 1, bytes, 0, err);
    if (code != WB_OK)
        return code;
    metrics->accepted++;
    metrics->pending++;
    metrics->coalesced++;
    metrics->cleaned += tuple->cleaned;
    coming->merged = true;
    return WB_OK;
}

int wb_outbox_coalesce(wb_outbox *outbox, const wb_tuple *tuple, uint32_t route, wb_coming *coming,
                       wb_err *err)
{
    wb_row_place place;
    coming->where = where_open(outbox, route);
    coming->hash = wb_coalescer_look(outbox->coalescer, tuple->at, coming->where);
    coming->grows = false;
    coming->weight = tuple->bytes + outbox->row_overhead;
    if (coming->hash > 0 &&
        wb_coalescer_find(outbox->coalescer, coming->hash, coming->where, &place))
        return merge_coming(outbox, tuple, &place, coming, err);
    return WB_OK;
}

void wb_outbox_coalesce_came(wb_outbox *outbox, wb_batch *open, const wb_coming *coming)
{
    wb_coalescer_enter(outbox->coalescer, open, open->count - 1, coming->hash, coming->where);
    squeeze_if_worth(outbox, open);
}

/* ---- a row of a batch ---- */

/* The row of the batch and the other of its key become one, in the older batch. False: they stay two. */
static bool unite(wb_outbox *outbox, const wb_row_place *older, const wb_row_place *newer,
                  bool came_later)
{
    size_t bytes, column;
    uint64_t adds = newer->batch->tallies.of[newer->row].adds;
    uint32_t number = newer->batch->rows[newer->row].number;
    return wb_coalescer_merge(outbox->coalescer, came_later, &bytes, &column) &&
           !is_too_large(older, growth(older, bytes)) &&
           put(outbox, older, adds, bytes, number, NULL) == WB_OK;
}

bool wb_outbox_coalesce_taken(wb_outbox *outbox, const wb_batch *batch, size_t index,
                              uint32_t route, wb_coming *coming)
{
    wb_row_place place, row = wb_row_place_of((wb_batch *)batch, batch->first + index);
    *coming = (wb_coming){.where = route + 1};
    if (batch->tallies.of[row.row].hash > 0)
        coming->hash = wb_coalescer_look(outbox->coalescer, row.tuple, coming->where);
    if (coming->hash == 0 ||
        !wb_coalescer_find(outbox->coalescer, coming->hash, coming->where, &place))
        return false;
    if (!unite(outbox, &place, &row, true)) {
        wb_coalescer_forget(&place);
        return false;
    }
    outbox->backlog.metrics.pending_bytes -= row.bytes + outbox->row_overhead;
    outbox->backlog.metrics.pending_rows--;
    outbox->backlog.metrics.coalesced++;
    return true;
}

/* ---- a batch that waits again ---- */

void wb_outbox_coalesce_again(wb_outbox *outbox, wb_batch *batch)
{
    if (outbox->coalescer == NULL || batch->joins)
        return;
    batch->joins = true;
    batch->join_next = outbox->joining;
    outbox->joining = batch;
}

static bool may_join(const wb_batch *batch)
{
    return batch->state == WB_BATCH_SEALED && !batch->in_doubt && batch->trial == NULL &&
           batch->tallies.on && batch->known < batch->count;
}

/* The row stays in the batch, so what was found may not be what an older ticket waits for. Is it newer than all that the
 * batch has? Not always, where two batches of a table were under way at once: then neither row is the older one, and they
 * stay two, but where the order does not matter. */
static bool may_unite(const wb_outbox *outbox, const wb_batch *batch, const wb_row_place *found)
{
    if (found->batch->state == WB_BATCH_SEALED && found->batch->serial < batch->serial)
        return false;
    return !outbox->coalesces_in_order ||
           (found->batch != batch &&
            found->batch->tallies.of[found->row].first >= batch->taken_adds);
}

/* The next row of a batch that joins those that wait. */
static void join_row(wb_outbox *outbox, wb_batch *batch)
{
    wb_row_place found, row = wb_row_place_of(batch, batch->known);
    const wb_tally *tally = &batch->tallies.of[row.row];
    uint32_t where = where_of(batch), hash = 0;
    if (row.row >= batch->first && tally->adds > 0 && tally->hash > 0)
        hash = wb_coalescer_look(outbox->coalescer, row.tuple, where);
    if (hash > 0 && wb_coalescer_find(outbox->coalescer, hash, where, &found)) {
        if (may_unite(outbox, batch, &found) && unite(outbox, &row, &found, false))
            become_gap(outbox, &found);
        else
            hash = 0;
    }
    wb_coalescer_enter(outbox->coalescer, batch, row.row, hash, where);
}

void wb_outbox_coalesce_join(wb_outbox *outbox)
{
    if (outbox->coalescer == NULL)
        return;
    wb_monitor_lock(&outbox->backlog.monitor);
    for (wb_batch *batch; (batch = outbox->joining) != NULL;) {
        for (int i = 0; i < STEP && may_join(batch); i++)
            join_row(outbox, batch);
        if (!may_join(batch))
            wb_outbox_stop_joining(outbox, batch);
        wb_backlog_changed(&outbox->backlog);
        if (outbox->backlog.threaded)
            wb_monitor_breathe(&outbox->backlog.monitor);
    }
    wb_batch *rubbish = wb_pool_rubbish(&outbox->pool);
    wb_monitor_unlock(&outbox->backlog.monitor);
    wb_batch_free_list(rubbish);
}
