/* SPDX-License-Identifier: MIT
 * See spooled.h. A row is marked as settled when it is known to be, before it is counted; a mark that is made twice is one.
 * Fails where the spool does. */
#include "engine/outbox/spooled.h"

#include <string.h>

#include "spool/marks.h"
#include "spool/tend.h"

#define SYNC_US INT64_C(10000000)

/* ---- a row that comes ---- */

static const char *table_of(const wb_outbox *outbox, uint32_t route)
{
    const wb_shared_text *table = wb_outbox_table_of(outbox, route);
    return table != NULL ? table->text : NULL;
}

/* Another segment, or the name of another table. */
static __attribute__((noinline)) int reserve_slowly(wb_outbox *outbox, size_t bytes, uint32_t route,
                                                    bool *spools, wb_err *err)
{
    wb_err own = {0};
    int code = wb_spool_reserve(outbox->spool, bytes, table_of(outbox, route), route, &own);
    *spools = code == WB_OK;
    if (code == WB_OK)
        return WB_OK;
    bool rejects = outbox->spool->options.on_error == WB_SPOOL_REJECT;
    if (!rejects)
        outbox->unspooled++;
    wb_log_line(outbox->backlog.log, WB_TOPIC_SPOOL, WB_ERROR, wb_backlog_now_us(&outbox->backlog),
                1, "%s: %s", own.text,
                rejects ? "new rows are refused" : "new rows are in memory alone");
    return rejects ? wb_fail(err, code, "%s", own.text) : WB_OK;
}

int wb_outbox_spool_reserve(wb_outbox *outbox, size_t bytes, uint32_t route, bool *spools,
                            wb_err *err)
{
    *spools = route == 0 && wb_spool_is_ready(outbox->spool, bytes);
    return *spools ? WB_OK : reserve_slowly(outbox, bytes, route, spools, err);
}

uint32_t wb_outbox_spool_tuple(wb_outbox *outbox, wb_spool_row *row)
{
    uint8_t *at;
    row->table = table_of(outbox, row->route);
    uint32_t number = wb_spool_put(outbox->spool, row, &at);
    if (row->parked)
        wb_row_generate(outbox->schema, &outbox->ids, row->unix_us, at);
    wb_spool_publish(outbox->spool);
    return number;
}

/* ---- rows that are in the spool alone ---- */

/* What is open goes before what is parked. */
static void begin_parking(wb_outbox *outbox)
{
    outbox->park_from = 0;
    wb_outbox_seal_all(outbox, WB_REASON_BYTES);
    wb_monitor_wake_by(&outbox->backlog.monitor, WB_NOW);
    wb_spool_wake(outbox->spool);
}

static void count_parked(wb_outbox *outbox, const wb_tuple *tuple)
{
    wb_metrics *metrics = &outbox->backlog.metrics;
    wb_spool_file *file = outbox->spool->current;
    if (file->parked++ == 0)
        file->ticket = ++outbox->serial;
    size_t weight = tuple->bytes + outbox->row_overhead;
    outbox->parked_rows++;
    outbox->parked_bytes += weight;
    metrics->accepted++;
    metrics->pending++;
    metrics->pending_rows++;
    metrics->pending_bytes += weight;
    metrics->cleaned += tuple->cleaned;
}

int wb_outbox_park(wb_outbox *outbox, const wb_tuple *tuple, uint32_t route, int64_t now_us,
                   wb_err *err)
{
    bool spools;
    const wb_env *env = &outbox->backlog.env;
    int code = wb_outbox_spool_reserve(outbox, tuple->bytes, route, &spools, err);
    if (code == WB_OK && !spools)
        return wb_fail(
            err, WB_FULL,
            "full: the memory has its share of the pending rows, and the spool has no room");
    if (code != WB_OK)
        return code;
    if (outbox->parked_rows == 0) {
        begin_parking(outbox);
        outbox->unix_skew = env->unix_us(env->context) - wb_backlog_now_us(&outbox->backlog);
    }
    wb_spool_row row = wb_outbox_new_row(outbox, tuple->at, tuple->bytes, route, now_us);
    row.parked = true;
    wb_outbox_spool_tuple(outbox, &row);
    count_parked(outbox, tuple);
    wb_backlog_changed(&outbox->backlog);
    return WB_OK;
}

wb_spool_file *wb_outbox_first_parked(const wb_outbox *outbox, uint64_t ticket)
{
    if (outbox->parked_rows == 0)
        return NULL;
    wb_spool *spool = outbox->spool;
    wb_monitor_lock(&spool->monitor); /* the keeper frees files */
    wb_spool_file *file = spool->first;
    while (file != NULL && !(file->parked > 0 && file->ticket <= ticket))
        file = file->next;
    wb_monitor_unlock(&spool->monitor);
    return file;
}

/* ---- a batch ---- */

/* Where rows replace others, a write of those that the disk could lose would leave the others to be written again. */
static int prove_rows(wb_spool *spool, wb_err *err)
{
    bool needed = spool->replaces && wb_spool_outlives_machine(spool);
    return needed ? wb_spool_sync(spool, wb_after_us(wb_now_us(), SYNC_US), err) : WB_OK;
}

bool wb_outbox_spool_cover(wb_outbox *outbox, const wb_batch *batch, wb_err *err)
{
    wb_spool *spool = outbox->spool;
    return spool == NULL ||
           (prove_rows(spool, err) == WB_OK && wb_spool_cover(spool, batch, err) == WB_OK);
}

void wb_outbox_spool_ended(wb_outbox *outbox, const wb_batch *batch, const wb_ending *ending)
{
    if (outbox->spool == NULL)
        return;
    wb_spool_marks marks = {.spool = outbox->spool};
    for (size_t i = 0; i < wb_batch_left(batch); i++)
        if (wb_ending_stored(ending, i))
            wb_spool_settle_row(&marks, batch->rows[batch->first + i].number);
    wb_spool_marks_end(&marks);
}

void wb_outbox_spool_settle(wb_outbox *outbox, const wb_batch *batch, size_t first, size_t rows)
{
    if (outbox->spool != NULL)
        wb_spool_settle(outbox->spool, batch, first, rows);
}
