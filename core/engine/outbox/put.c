/* SPDX-License-Identifier: MIT
 * Putting rows into the outbox. A row is encoded without the lock; under it, it is
 * copied into the open batch, and its ids are made. The lock is never held across I/O. A row that can't be encoded or does
 * not fit leaves the outbox as it was. */
#include <string.h>

#include "engine/outbox/coalesce.h"
#include "engine/outbox/spooled.h"
#include "engine/outbox/trial.h"
#include "rows/clean.h"

enum { LOCAL_TUPLE = 2048 };

static bool fits_calmly(const wb_outbox *outbox, size_t weight)
{
    return outbox->backlog.metrics.pending_rows < outbox->calm_rows &&
           outbox->backlog.metrics.pending_bytes + weight <= outbox->calm_bytes;
}

/* The next time to ask the policy about what is open; one that is set stays. */
static void ask_later(wb_outbox *outbox, int64_t now_us)
{
    if (outbox->ask_us != WB_NEVER)
        return;
    outbox->ask_us = wb_after_us(now_us, WB_ASK_EVERY_US);
    wb_monitor_wake_by(&outbox->backlog.monitor, outbox->ask_us);
}

static int64_t tick_us(const wb_outbox *outbox)
{
    const wb_env *env = &outbox->backlog.env;
    return env->tick_us(env->context);
}

/* Into the spool, as it is in the batch. */
static uint32_t spool_row(wb_outbox *outbox, const uint8_t *at, size_t bytes, uint32_t route,
                          int64_t now_us)
{
    wb_spool_row row = wb_outbox_new_row(outbox, at, bytes, route, now_us);
    return wb_outbox_spool_tuple(outbox, &row);
}

/* Copies the tuple into the batch, which has room for it, and so has the spool where it spools. */
static void accept_row(wb_outbox *outbox, wb_batch *batch, const wb_tuple *tuple, uint32_t route,
                       const wb_coming *coming, bool spools, int64_t now_us)
{
    wb_metrics *metrics = &outbox->backlog.metrics;
    const wb_env *env = &outbox->backlog.env;
    bool first = wb_batch_left(batch) == 0;
    if (first)
        outbox->unix_skew = env->unix_us(env->context) - wb_backlog_now_us(&outbox->backlog);
    uint8_t *at = memcpy(wb_batch_end(batch), tuple->at, tuple->bytes);
    wb_row_generate(outbox->schema, &outbox->ids, now_us + outbox->unix_skew, at);
    uint32_t number = spools ? spool_row(outbox, at, tuple->bytes, route, now_us) : 0;
    wb_batch_push(batch, tuple->bytes, now_us);
    batch->rows[batch->count - 1].number = number;
    if (outbox->coalescer != NULL) {
        batch->tallies.of[batch->count - 1].first = metrics->accepted;
        wb_outbox_coalesce_came(outbox, batch, coming);
    }
    if (outbox->asking)
        ask_later(outbox, now_us);
    metrics->accepted++;
    metrics->pending++;
    metrics->pending_rows++;
    metrics->pending_bytes += tuple->bytes + outbox->row_overhead;
    metrics->cleaned += tuple->cleaned;
    int reason = wb_thresholds_due(&outbox->thresholds, wb_batch_left(batch), batch->bytes, 0);
    if (route > 0)
        wb_outbox_lane_grew(outbox, route, tuple->bytes);
    if (reason != WB_REASON_NONE)
        wb_monitor_wake_by(&outbox->backlog.monitor, now_us);
    else if (first)
        wb_monitor_wake_by(&outbox->backlog.monitor,
                           wb_after_us(now_us, outbox->thresholds.interval_us));
    if (first || reason != WB_REASON_NONE)
        wb_backlog_changed(&outbox->backlog);
}

/* The batch for a row of that route and size; mostly the open one has room. NULL: no memory. */
static inline wb_batch *batch_for(wb_outbox *outbox, uint32_t route, size_t bytes)
{
    wb_batch *open = outbox->open;
    if (route > 0)
        return wb_outbox_open_lane(outbox, route, bytes);
    if (open == NULL || wb_batch_left(open) >= outbox->thresholds.batch_size ||
        open->bytes + bytes > outbox->thresholds.batch_bytes)
        return wb_outbox_open_batch(outbox, bytes);
    return wb_batch_reserve(open, bytes) ? open : NULL;
}

static int refuse_closed(wb_err *err)
{
    return wb_fail(err, WB_CLOSED, "closed: no new rows");
}

/* *now_us: the tick. Making room may let go of the lock: then all is looked at again. */
static inline __attribute__((always_inline)) int put_locked(wb_outbox *outbox,
                                                            const wb_tuple *tuple,
                                                            const wb_choice *choice,
                                                            int64_t *now_us, wb_err *err)
{
    int64_t give_up_us = 0;
    wb_coming coming = {.weight = tuple->bytes + outbox->row_overhead};
    for (;;) {
        if (outbox->backlog.closing)
            return refuse_closed(err);
        uint32_t route = 0;
        int code = choice->table != NULL
                       ? wb_outbox_find_table(outbox, choice->table, *now_us, &route, err)
                       : WB_OK;
        if (code == WB_OK && outbox->coalescer != NULL)
            code = wb_outbox_coalesce(outbox, tuple, route, &coming, err);
        if (code != WB_OK || coming.merged)
            return code;
        bool fits =
            fits_calmly(outbox, coming.weight) || wb_outbox_fits_crowded(outbox, coming.weight);
        if (fits && !coming.grows) {
            if (wb_outbox_parks(outbox, coming.weight))
                return wb_outbox_park(outbox, tuple, route, *now_us, err);
            wb_batch *batch = batch_for(outbox, route, tuple->bytes);
            if (batch == NULL || (outbox->coalescer != NULL && !wb_batch_tally(batch)))
                return wb_fail(err, WB_MEMORY, "out of memory for a row");
            bool spools = false;
            if (outbox->spool != NULL)
                code = wb_outbox_spool_reserve(outbox, tuple->bytes, route, &spools, err);
            if (code == WB_OK)
                accept_row(outbox, batch, tuple, route, &coming, spools, *now_us);
            return code;
        }
        code = wb_outbox_make_room(outbox, coming.weight, choice->overflow, &give_up_us, err);
        if (code == WB_FULL && choice->overflow == WB_OVERFLOW_DROP_NEWEST)
            return wb_outbox_drop_newest(outbox);
        if (code != WB_OK)
            return code;
        *now_us = tick_us(outbox);
    }
}

int wb_outbox_put_tuple(wb_outbox *outbox, const wb_tuple *tuple, const wb_choice *choice,
                        bool *due, wb_err *err)
{
    wb_monitor_lock(&outbox->backlog.monitor);
    const wb_choice built_in = {.overflow = outbox->overflow};
    if (choice == NULL)
        choice = &built_in;
    int64_t now_us = tick_us(outbox);
    int code = put_locked(outbox, tuple, choice, &now_us, err);
    if (code != WB_OK && (code != WB_FULL || choice->overflow != WB_OVERFLOW_ASK))
        outbox->backlog.metrics.rejected++;
    if (due != NULL)
        *due = wb_outbox_next_due_us(&outbox->backlog) <= wb_backlog_now_us(&outbox->backlog);
    wb_batch *rubbish = wb_pool_rubbish(&outbox->pool);
    wb_monitor_unlock(&outbox->backlog.monitor);
    wb_batch_free_list(rubbish);
    wb_log_print(outbox->backlog.log);
    return code;
}

int wb_outbox_put_tuples(wb_outbox *outbox, const wb_tuple *tuples, size_t count, size_t *added,
                         bool *due, wb_err *err)
{
    int code = WB_OK;
    size_t done = 0;
    bool stop = false;
    wb_monitor_lock(&outbox->backlog.monitor);
    const wb_choice built_in = {.overflow = outbox->overflow};
    int64_t now_us = tick_us(outbox);
    while (code == WB_OK && !stop && done < count) {
        code = put_locked(outbox, &tuples[done], &built_in, &now_us, err);
        done += code == WB_OK;
        stop = due != NULL &&
               wb_outbox_next_due_us(&outbox->backlog) <= wb_backlog_now_us(&outbox->backlog);
    }
    if (code != WB_OK)
        outbox->backlog.metrics.rejected++;
    *added = done;
    if (due != NULL)
        *due = stop;
    wb_batch *rubbish = wb_pool_rubbish(&outbox->pool);
    wb_monitor_unlock(&outbox->backlog.monitor);
    wb_batch_free_list(rubbish);
    wb_log_print(outbox->backlog.log);
    return code;
}

int wb_outbox_reject(wb_outbox *outbox, int code, wb_err *err)
{
    wb_monitor_lock(&outbox->backlog.monitor);
    outbox->backlog.metrics.rejected++;
    bool closing = outbox->backlog.closing;
    wb_monitor_unlock(&outbox->backlog.monitor);
    return closing ? refuse_closed(err) : code;
}

/* Into `local` where it has room, else into *memory, which is the caller's to free. */
static int encode(const wb_schema *schema, const wb_value *values, size_t count,
                  uint8_t local[LOCAL_TUPLE], uint8_t **memory, wb_tuple *tuple, wb_err *err)
{
    size_t bound = wb_row_bound(schema, values, count);
    if (bound > WB_TUPLE_MAX_BYTES)
        return wb_row_refuse(schema, values, count, err);
    if (bound > LOCAL_TUPLE && (*memory = wb_alloc(bound)) == NULL)
        return wb_fail(err, WB_MEMORY, "out of memory for a row");
    uint8_t *to = *memory != NULL ? *memory : local;
    tuple->at = to;
    return wb_row_encode(schema, values, count, to, &tuple->bytes, err);
}

static int put_values(wb_outbox *outbox, const wb_value *values, size_t count, uint64_t cleaned,
                      const wb_choice *choice, bool *due, wb_err *err)
{
    uint8_t local[LOCAL_TUPLE], *memory = NULL;
    wb_tuple tuple = {.cleaned = cleaned};
    int code = encode(outbox->schema, values, count, local, &memory, &tuple, err);
    if (code == WB_OK)
        code = wb_outbox_put_tuple(outbox, &tuple, choice, due, err);
    else
        code = wb_outbox_reject(outbox, code, err);
    wb_free(memory);
    return code;
}

static __attribute__((noinline)) int put_cleaned(wb_outbox *outbox, const wb_value *values,
                                                 size_t count, const wb_choice *choice, bool *due,
                                                 wb_err *err)
{
    wb_cleaned cleaned;
    if (!wb_clean(outbox->schema, values, count, &cleaned))
        return wb_fail(err, WB_MEMORY, "out of memory for a row");
    int code = put_values(outbox, cleaned.values, count, cleaned.changed, choice, due, err);
    wb_cleaned_fini(&cleaned);
    return code;
}

int wb_outbox_put(wb_outbox *outbox, const wb_value *values, size_t count, const wb_choice *choice,
                  bool *due, wb_err *err)
{
    return outbox->schema->lenient ? put_cleaned(outbox, values, count, choice, due, err)
                                   : put_values(outbox, values, count, 0, choice, due, err);
}
