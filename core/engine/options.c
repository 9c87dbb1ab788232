/* SPDX-License-Identifier: MIT
 * The defaults of a batcher's and a tracker's options, and their checks; pure functions. */
#include "engine/options.h"

#include "base/err.h"
#include "rows/schema.h"

static int check_retry(const wb_retry *retry, wb_err *err)
{
    if (retry->initial_us < 0)
        return wb_fail(err, WB_MISUSE, "retry.initial: must not be below 0");
    if (retry->max_us < retry->initial_us)
        return wb_fail(err, WB_MISUSE, "retry.max: must not be below retry.initial");
    return WB_OK;
}

/* ---- batcher ---- */

void wb_batcher_options_init(wb_batcher_options *options)
{
    *options = (wb_batcher_options){
        .batch_size = 1024,
        .flush_at = 0.8,
        .batch_bytes = 4 << 20,
        .interval_us = 1000000,
        .max_pending_rows = 64 << 10,
        .max_pending_bytes = 64 << 20,
        .overflow = WB_OVERFLOW_REJECT,
        .dedupe = WB_DEDUPE_COLUMN,
        .dedupe_column = -1,
        .block_timeout_us = 1000000,
        .retry = {.initial_us = 100000, .max_us = 30000000, .attempts = 0},
        .write_timeout_us = 10000000,
        .close_timeout_us = 15000000,
    };
}

static int check_sizes(const wb_batcher_options *options, wb_err *err)
{
    const uint64_t most_bytes = UINT64_C(1) << 30;
    if (options->batch_size < 1)
        return wb_fail(err, WB_MISUSE, "batch_size: must be 1 or more");
    if (!(options->flush_at > 0 && options->flush_at <= 1))
        return wb_fail(err, WB_MISUSE, "flush_at: must be above 0 and at most 1");
    if (options->batch_bytes < 1 || options->batch_bytes > most_bytes)
        return wb_fail(err, WB_MISUSE, "batch_bytes: must be from 1 to 2^30");
    if (options->max_pending_rows < 1)
        return wb_fail(err, WB_MISUSE, "max_pending_rows: must be 1 or more");
    if (options->max_pending_bytes < 1)
        return wb_fail(err, WB_MISUSE, "max_pending_bytes: must be 1 or more");
    return WB_OK;
}

static int check_times(const wb_batcher_options *options, wb_err *err)
{
    if (options->interval_us < 0)
        return wb_fail(err, WB_MISUSE, "interval: must not be below 0");
    if (options->block_timeout_us < 0)
        return wb_fail(err, WB_MISUSE, "block_timeout: must not be below 0");
    if (options->write_timeout_us <= 0)
        return wb_fail(err, WB_MISUSE, "write_timeout: must be above 0");
    if (options->close_timeout_us < 0)
        return wb_fail(err, WB_MISUSE, "close_timeout: must not be below 0");
    return check_retry(&options->retry, err);
}

static int check_dedupe(const wb_batcher_options *options, wb_err *err)
{
    if (options->dedupe < WB_DEDUPE_NONE || options->dedupe > WB_DEDUPE_COLUMN)
        return wb_fail(err, WB_MISUSE, "dedupe: unknown");
    if (options->dedupe != WB_DEDUPE_COLUMN || options->dedupe_column < 0)
        return WB_OK;
    size_t index = (size_t)options->dedupe_column;
    if (index >= wb_schema_count(options->schema) ||
        wb_schema_column(options->schema, index)->generate == WB_GIVEN)
        return wb_fail(err, WB_MISUSE, "dedupe: must name a generated uuid column of the schema");
    return WB_OK;
}

int wb_batcher_options_check(const wb_batcher_options *options, wb_err *err)
{
    if (options->schema == NULL)
        return wb_fail(err, WB_MISUSE, "schema: is required");
    if (options->table == NULL || options->table[0] == '\0')
        return wb_fail(err, WB_MISUSE, "table: is required");
    if (options->overflow < WB_OVERFLOW_REJECT || options->overflow > WB_OVERFLOW_DROP_NEWEST)
        return wb_fail(err, WB_MISUSE, "overflow: unknown");
    int code = check_sizes(options, err);
    if (code == WB_OK)
        code = check_times(options, err);
    return code == WB_OK ? check_dedupe(options, err) : code;
}

/* ---- tracker ---- */

void wb_tracker_options_init(wb_tracker_options *options)
{
    *options = (wb_tracker_options){
        .interval_us = 60000000,
        .chunk = 5000,
        .max_pending_ids = 1 << 20,
        .retry = {.initial_us = 100000, .max_us = 30000000, .attempts = 0},
        .write_timeout_us = 10000000,
        .close_timeout_us = 15000000,
    };
}

static int check_name(const char *name, const char *what, wb_err *err)
{
    if (name == NULL || name[0] == '\0')
        return wb_fail(err, WB_MISUSE, "%s: is required", what);
    return WB_OK;
}

static int check_names(const wb_tracker_options *options, wb_err *err)
{
    int code = check_name(options->table, "table", err);
    if (code == WB_OK)
        code = check_name(options->key, "key", err);
    return code == WB_OK ? check_name(options->column, "column", err) : code;
}

int wb_tracker_options_check(const wb_tracker_options *options, wb_err *err)
{
    int code = check_names(options, err);
    if (code != WB_OK)
        return code;
    if (options->interval_us < 0)
        return wb_fail(err, WB_MISUSE, "interval: must not be below 0");
    if (options->min_advance_us < 0)
        return wb_fail(err, WB_MISUSE, "min_advance: must not be below 0");
    if (options->chunk < 1)
        return wb_fail(err, WB_MISUSE, "chunk: must be 1 or more");
    if (options->max_pending_ids < 1)
        return wb_fail(err, WB_MISUSE, "max_pending_ids: must be 1 or more");
    if (options->write_timeout_us <= 0)
        return wb_fail(err, WB_MISUSE, "write_timeout: must be above 0");
    if (options->close_timeout_us < 0)
        return wb_fail(err, WB_MISUSE, "close_timeout: must not be below 0");
    return check_retry(&options->retry, err);
}
