/* SPDX-License-Identifier: MIT
 * See replay.h. Batches are made without the lock, of rows that nobody else has, and put among the sealed under it, all of a
 * segment at once. Without memory the rows stay where they are: parked ones for the next time, those of a write in doubt
 * for the next process, as half of a write must not go out alone. */
#include "engine/outbox/replay.h"

#include <string.h>

#include "base/env.h"
#include "engine/outbox/coalesce.h"
#include "engine/outbox/spooled.h"
#include "engine/outbox/spooled_pieces.h"
#include "spool/adopt.h"
#include "spool/disk.h"
#include "spool/tend.h"

/* ---- putting them among the sealed ---- */

/* Locked. False: no memory for its table's name. */
static bool give_route(wb_outbox *outbox, const wb_spooled_piece *at, int64_t now_us)
{
    uint32_t route = 0;
    if (at->table != NULL && wb_outbox_find_table(outbox, at->table, now_us, &route, NULL) != WB_OK)
        return false;
    wb_batch_goes_to(at->batch, route, wb_outbox_table_of(outbox, route));
    at->batch->routed = at->routed || outbox->script_client.policy == NULL;
    return true;
}

static void seal(wb_outbox *outbox, wb_spooled_piece *at, uint64_t serial, bool in_doubt)
{
    wb_batch *batch = at->batch;
    at->batch = NULL;
    batch->serial = serial;
    batch->reason = WB_REASON_AGE;
    batch->due_us = INT64_MIN;
    batch->in_doubt = in_doubt;
    if (at->key[0] != 0)
        memcpy(batch->id, at->key, sizeof batch->id);
    else
        wb_outbox_new_id(outbox, batch);
    batch->attempt = in_doubt || batch->schema != outbox->schema; /* it goes out alone */
    wb_batch_shrink(batch);
    wb_batch_become(batch, WB_BATCH_SEALED);
    wb_batch_list_put(&outbox->sealed, batch);
    const wb_lane *lane = wb_lane_of(&outbox->lanes, batch->route);
    if (batch->routed && lane->held_back)
        wb_batch_list_hold_back(&outbox->sealed, batch, lane->held_us);
    if (!in_doubt)
        wb_outbox_coalesce_again(outbox, batch);
}

static void tell(wb_outbox *outbox)
{
    wb_monitor_wake_by(&outbox->backlog.monitor, WB_NOW);
    wb_backlog_changed(&outbox->backlog);
}

/* ---- what was parked ---- */

bool wb_outbox_replays(const wb_outbox *outbox)
{
    if (outbox->parked_rows == 0)
        return false;
    uint64_t in_memory = outbox->backlog.metrics.pending_bytes - outbox->parked_bytes;
    return in_memory <= outbox->spool->options.memory_bytes / 2;
}

static bool is_parked(const wb_spool_reading *reading, uint32_t number, wb_spooled_row *row)
{
    return wb_spool_segment_row(reading, number, row) && !row->settled && row->key[0] == 0 &&
           wb_spool_entries(reading->bytes)[number].key_low == 1;
}

static bool gather_parked(wb_replay *replay, const wb_spool_file *file,
                          const wb_spool_reading *reading)
{
    wb_spooled_row row;
    bool done = true;
    for (uint32_t i = 0; i < reading->count && done; i++)
        if (is_parked(reading, i, &row))
            done = wb_replay_put(replay, &replay->fresh, file->slot, &row);
    return done;
}

/* They are in memory from now on. */
static void unpark(const wb_spool_file *file, const wb_spooled_piece *pieces)
{
    for (const wb_spooled_piece *at = pieces; at != NULL; at = at->next)
        for (size_t row = 0; row < at->batch->count; row++) {
            uint32_t number = wb_spool_entry_of(at->batch->rows[row].number);
            wb_spool_segment_entry(&file->segment, number)->key_low = 0;
        }
}

static bool route_all(wb_outbox *outbox, const wb_spooled_piece *pieces)
{
    int64_t now_us = wb_backlog_now_us(&outbox->backlog);
    bool done = true;
    for (const wb_spooled_piece *at = pieces; at != NULL && done; at = at->next)
        done = give_route(outbox, at, now_us);
    return done;
}

static void end_parking(wb_outbox *outbox)
{
    if (outbox->parked_rows == 0)
        outbox->park_from = outbox->spool->options.memory_bytes;
}

static bool seal_parked(wb_replay *replay, wb_spool_file *file)
{
    wb_outbox *outbox = replay->outbox;
    wb_monitor_lock(&outbox->backlog.monitor);
    bool done = route_all(outbox, replay->fresh);
    if (done)
        unpark(file, replay->fresh);
    for (wb_spooled_piece *at = replay->fresh; at != NULL && done; at = at->next) {
        outbox->parked_rows -= wb_batch_left(at->batch);
        outbox->parked_bytes -= wb_batch_weight(at->batch);
        file->parked -= (uint32_t)wb_batch_left(at->batch);
        seal(outbox, at, file->ticket, file->doubtful);
    }
    end_parking(outbox);
    tell(outbox);
    wb_monitor_unlock(&outbox->backlog.monitor);
    return done;
}

/* Reads a segment of this process, or a part of it that others go on with. The caller frees *bytes. */
static int read_own(const wb_spool_file *file, uint8_t **bytes, wb_spool_reading *reading,
                    wb_err *err)
{
    size_t size;
    bool gaps;
    int code = wb_disk_read(file->segment.path, UINT32_MAX, bytes, &size, &gaps, err);
    if (code != WB_OK)
        return code;
    code = wb_spool_segment_read(*bytes, size, gaps, reading, err);
    if (code != WB_OK)
        wb_free(*bytes);
    return code;
}

static void complain(wb_outbox *outbox, const wb_err *err)
{
    wb_log_line(outbox->backlog.log, WB_TOPIC_REPLAY, WB_ERROR, wb_backlog_now_us(&outbox->backlog),
                0, "%s", err->text);
    wb_log_print(outbox->backlog.log);
}

static bool replay_file(wb_outbox *outbox, wb_spool_file *file)
{
    wb_replay replay = {.outbox = NULL};
    wb_err err = {.code = WB_OK};
    wb_spool_reading reading;
    uint8_t *bytes = NULL;
    wb_replay_begin(&replay, outbox);
    bool pinned = wb_spool_pin(outbox->spool, file, &err) == WB_OK;
    bool read = pinned && read_own(file, &bytes, &reading, &err) == WB_OK;
    bool done = read && wb_replay_schema(&replay, &reading, &err) &&
                gather_parked(&replay, file, &reading) && replay.fresh != NULL &&
                seal_parked(&replay, file);
    if (pinned)
        wb_spool_unpin(outbox->spool, file, 0);
    if (!done && err.code != WB_OK)
        complain(outbox, &err);
    wb_schema_unref(replay.schema);
    wb_replay_fini(&replay);
    if (read)
        wb_free(bytes);
    return done;
}

/* Locked. */
static void wait_for_other(wb_outbox *outbox)
{
    while (outbox->replaying)
        wb_monitor_wait(&outbox->backlog.monitor, WB_NEVER);
}

bool wb_outbox_replay(wb_outbox *outbox)
{
    wb_monitor *monitor = &outbox->backlog.monitor;
    wb_monitor_lock(monitor);
    bool other = outbox->replaying;
    wait_for_other(outbox);
    wb_spool_file *file = other ? NULL : wb_outbox_first_parked(outbox, UINT64_MAX);
    outbox->replaying = file != NULL;
    wb_monitor_unlock(monitor);
    if (file == NULL)
        return other;
    bool done = replay_file(outbox, file);
    wb_monitor_lock(monitor);
    outbox->replaying = false;
    wb_monitor_tell(monitor);
    wb_monitor_unlock(monitor);
    wb_outbox_coalesce_join(outbox);
    return done;
}

/* ---- what another process left ---- */

static void count_adopted(wb_outbox *outbox, const wb_spooled_row *row)
{
    wb_metrics *metrics = &outbox->backlog.metrics;
    metrics->accepted += row->adds;
    metrics->adopted += row->adds;
    metrics->pending += row->adds;
    metrics->pending_rows++;
    metrics->pending_bytes += row->bytes + outbox->row_overhead;
}

/* Rows without a key are parked; the others go into their batches. */
static void take_rows(wb_replay *replay, wb_spool_file *file, const wb_spool_reading *reading)
{
    wb_outbox *outbox = replay->outbox;
    wb_spooled_row row;
    for (uint32_t i = 0; i < reading->count; i++) {
        if (!wb_spool_segment_row(reading, i, &row) || row.settled)
            continue;
        if (row.key[0] != 0) {
            replay->no_memory =
                replay->no_memory || !wb_replay_put(replay, &replay->keyed, file->slot, &row);
            continue;
        }
        wb_spool_segment_entry(&file->segment, i)->key_low = 1;
        wb_monitor_lock(&outbox->backlog.monitor);
        count_adopted(outbox, &row);
        file->parked++;
        outbox->parked_rows++;
        outbox->parked_bytes += row.bytes + outbox->row_overhead;
        outbox->park_from = 0;
        wb_monitor_unlock(&outbox->backlog.monitor);
    }
}

static void adopt_segment(void *context, wb_spool_file *file, const wb_spool_reading *reading)
{
    wb_replay *replay = context;
    wb_err err;
    if (!wb_replay_schema(replay, reading, &err)) {
        replay->no_memory = replay->no_memory || err.code == WB_MEMORY;
        complain(replay->outbox, &err);
        return;
    }
    wb_monitor_lock(&replay->outbox->backlog.monitor);
    file->ticket = replay->ticket = ++replay->outbox->serial;
    wb_monitor_unlock(&replay->outbox->backlog.monitor);
    take_rows(replay, file, reading);
    wb_schema_unref(replay->schema);
    replay->schema = NULL;
}

static void count_batch(wb_outbox *outbox, const wb_batch *batch)
{
    uint64_t adds = wb_outbox_count_in(outbox, batch);
    outbox->backlog.metrics.accepted += adds;
    outbox->backlog.metrics.adopted += adds;
}

static void adopt_writes(void *context)
{
    wb_replay *replay = context;
    wb_outbox *outbox = replay->outbox;
    wb_monitor_lock(&outbox->backlog.monitor);
    bool done = !replay->no_memory && route_all(outbox, replay->keyed);
    for (wb_spooled_piece *at = replay->keyed; at != NULL && done; at = at->next) {
        count_batch(outbox, at->batch);
        seal(outbox, at, at->ticket, true); /* before what came after it */
    }
    tell(outbox);
    wb_monitor_unlock(&outbox->backlog.monitor);
    if (!done)
        complain(outbox,
                 &(wb_err){.text = "spool: out of memory for the writes that another process "
                                   "left: they stay for the next one"});
    wb_replay_free_pieces(&replay->keyed);
    replay->no_memory = false;
}

static void say(void *context, int level, const char *text)
{
    wb_replay *replay = context;
    wb_outbox *outbox = replay->outbox;
    wb_log_line(outbox->backlog.log, WB_TOPIC_FREE, level, wb_backlog_now_us(&outbox->backlog), 0,
                "%s", text);
}

void wb_outbox_adopt(wb_outbox *outbox, wb_replay *replay)
{
    wb_replay_begin(replay, outbox);
    uint64_t before = outbox->backlog.metrics.adopted;
    wb_spool_adopt(outbox->spool, &(wb_adopter){
                                      .context = replay,
                                      .segment = adopt_segment,
                                      .whole = adopt_writes,
                                      .say = say,
                                  });
    uint64_t adopted = outbox->backlog.metrics.adopted - before;
    if (adopted > 0)
        wb_log_line(outbox->backlog.log, WB_TOPIC_FREE, WB_WARN,
                    wb_backlog_now_us(&outbox->backlog), adopted,
                    "spool: took over %llu rows that another process had left",
                    (unsigned long long)adopted);
    wb_log_print(outbox->backlog.log);
}
