/* SPDX-License-Identifier: MIT
 * The outbox as a backlog: its making and its end, and what the backlog asks of it. See outbox.h for the invariants. */
#include "engine/outbox/gate.h"
#include "engine/outbox/order.h"
#include "engine/outbox/replay.h"
#include "engine/outbox/spooled.h"

#include <assert.h>
#include <string.h>

#include "rows/upsert.h"
#include "spool/tend.h"

/* What waits goes out in writes of up to so many batches, within batch_bytes: the fewer commits, the less the server
 * waits for its disk. */
enum { MERGED_BATCHES = 16, FEW_GAPS = 64, LOOK_FOR_PARKED_US = 2000 };

static const wb_backlog_class class;

/* A script's write ends when it likes. */
static bool has_deadline(const wb_batcher_options *options)
{
    return options->store != NULL && !options->store->class->scripted;
}

static uint64_t rows_of_a_write(const wb_batcher_options *options, bool threaded)
{
    if (!threaded || options->store->class->scripted)
        return options->batch_size;
    if (options->merge_rows > 0)
        return options->merge_rows;
    return options->batch_size < UINT64_MAX / MERGED_BATCHES ? options->batch_size * MERGED_BATCHES
                                                             : UINT64_MAX;
}

/* Where the store's speed has made writes smaller, they stay so. */
static void set_write_rows(wb_outbox *outbox, const wb_batcher_options *options)
{
    bool threaded = outbox->backlog.threaded;
    bool at_most = outbox->write_rows == outbox->most_write_rows;
    outbox->most_write_rows = rows_of_a_write(options, threaded);
    outbox->merge_rows = threaded ? outbox->most_write_rows : 0;
    if (at_most || outbox->write_rows > outbox->most_write_rows)
        outbox->write_rows = outbox->most_write_rows;
}

void wb_outbox_set_options(wb_outbox *outbox, const wb_batcher_options *options)
{
    outbox->options = *options;
    outbox->backlog.retry = options->retry;
    outbox->pool.most_bytes = options->batch_bytes;
    outbox->thresholds = wb_thresholds_of(options);
    outbox->max_rows = options->max_pending_rows;
    outbox->max_bytes = options->max_pending_bytes;
    outbox->overflow = options->overflow;
    outbox->block_timeout_us = options->block_timeout_us;
    outbox->write_timeout_us = has_deadline(options) ? options->write_timeout_us : WB_NEVER;
    set_write_rows(outbox, options);
    wb_outbox_set_calm(outbox);
}

int wb_outbox_init(wb_outbox *outbox, const wb_batcher_options *options, const wb_env *env,
                   const wb_target *target, bool threaded, wb_err *err)
{
    memset(outbox, 0, sizeof *outbox);
    if (options->coalesce != NULL &&
        (outbox->coalescer = wb_coalescer_new(options->coalesce, target->schema, env)) == NULL)
        return wb_fail(err, WB_MEMORY, "batcher: out of memory");
    outbox->coalesces_in_order =
        outbox->coalescer != NULL &&
        wb_upsert_ordered(wb_coalescer_rules(outbox->coalescer), target->schema);
    outbox->few_gaps = FEW_GAPS;
    outbox->row_overhead = wb_row_overhead(outbox->coalescer != NULL);
    wb_backlog_init(&outbox->backlog, &class, env, &options->retry, target->log, threaded);
    wb_uuid_source_init(&outbox->ids, env);
    outbox->schema = target->schema;
    outbox->table = target->table;
    outbox->ask_us = WB_NEVER;
    outbox->park_from = UINT64_MAX;
    outbox->lanes.own.gate_us = INT64_MIN;
    outbox->asking = options->policy != NULL;
    outbox->ledger = target->dedupe == WB_DEDUPE_LEDGER ||
                     (options->store != NULL && options->store->class->keyed);
    outbox->ordered = target->upsert != NULL && wb_upsert_ordered(target->upsert, target->schema);
    outbox->one_shape =
        options->store != NULL && options->store->class->one_shape && target->upsert == NULL;
    wb_outbox_set_options(outbox, options);
    outbox->options.table = target->table;
    outbox->options.upsert = target->upsert;
    outbox->options.coalesce = wb_coalescer_rules(outbox->coalescer);
    wb_script_client_init(&outbox->script_client, options->policy, target, &outbox->backlog);
    outbox->ids_column =
        options->ids && options->flush_events ? wb_schema_generated(options->schema) : -1;
    outbox->keep_dead = options->dead_path != NULL || options->dead_events;
    return WB_OK;
}

void wb_outbox_fini(wb_outbox *outbox)
{
    assert(outbox->taken.first == NULL);
    wb_batch_free(outbox->open);
    wb_batch_free_list(outbox->sealed.first);
    wb_pool_fini(&outbox->pool);
    wb_batch_free_list(outbox->dead);
    wb_script_client_fini(&outbox->script_client);
    while (outbox->trials != NULL) {
        wb_trial *trial = outbox->trials;
        outbox->trials = trial->next;
        wb_free(trial);
    }
    wb_coalescer_free(outbox->coalescer);
    wb_lanes_fini(&outbox->lanes);
    wb_routes_fini(&outbox->routes);
    wb_backlog_fini(&outbox->backlog);
}

/* ---- what the backlog asks ---- */

/* Who drives the outbox looks again when the keeper may have brought rows back. */
static int64_t before_parked(const wb_outbox *outbox, int64_t due_us)
{
    if (!wb_outbox_replays(outbox))
        return due_us;
    int64_t look_us = wb_backlog_now_us(&outbox->backlog) + LOOK_FOR_PARKED_US;
    return look_us < due_us ? look_us : due_us;
}

int64_t wb_outbox_next_due_us(wb_backlog *backlog)
{
    wb_outbox *outbox = (wb_outbox *)backlog;
    if (outbox->backlog.metrics.consecutive_failures > 0 && outbox->taken_count > 0 &&
        wb_gate_is_common(outbox))
        return WB_NEVER; /* one at a time until one gets through */
    int64_t due_us = wb_order_due_us(outbox);
    int64_t open_us = wb_outbox_open_due_us(outbox);
    if (open_us < due_us)
        due_us = open_us;
    if (outbox->ask_us < due_us)
        due_us = outbox->ask_us;
    if (outbox->parked_rows > 0 && !backlog->threaded)
        due_us = before_parked(outbox, due_us);
    return due_us > outbox->backlog.gate_us ? due_us : outbox->backlog.gate_us;
}

/* What was never lent waits only where a table has a gate of its own. */
static void hurry(wb_outbox *outbox)
{
    bool routed = outbox->routes.count > 0;
    wb_gate_open_all(outbox);
    for (wb_batch *batch = outbox->sealed.first;
         batch != NULL && (routed || batch->serial <= outbox->lent_serial); batch = batch->next) {
        if (!wb_trial_rests(batch))
            wb_batch_list_delay(&outbox->sealed, batch, INT64_MIN);
    }
}

static uint64_t seal(wb_backlog *backlog, int reason)
{
    wb_outbox *outbox = (wb_outbox *)backlog;
    if (reason != WB_REASON_POLICY)
        hurry(outbox);
    wb_outbox_seal_all(outbox, reason);
    return outbox->ticket = outbox->serial;
}

static bool settled(const wb_backlog *backlog, uint64_t ticket)
{
    const wb_outbox *outbox = (const wb_outbox *)backlog;
    if (outbox->sealed.first != NULL && outbox->sealed.first->serial <= ticket)
        return false;
    if (outbox->taken.first != NULL && outbox->taken.first->serial <= ticket)
        return false;
    return wb_outbox_first_parked(outbox, ticket) == NULL;
}

static bool unread(const wb_backlog *backlog)
{
    return ((const wb_outbox *)backlog)->dead != NULL;
}

static void measure(wb_backlog *backlog)
{
    wb_outbox *outbox = (wb_outbox *)backlog;
    if (outbox->spool != NULL)
        backlog->metrics.spool_bytes = wb_spool_bytes(outbox->spool);
}

static const wb_backlog_class class = {
    .unit = "rows",
    .next_due_us = wb_outbox_next_due_us,
    .seal = seal,
    .settled = settled,
    .unread = unread,
    .measure = measure,
};
