/* SPDX-License-Identifier: MIT
 * Reading a batch that somebody has: the rows that are left. It has no gaps, and all tuples lie in it. No state. */
#include <assert.h>

#include "rows/batch.h"

const wb_schema *wb_batch_schema(const wb_batch *batch)
{
    return batch->schema;
}

size_t wb_batch_rows(const wb_batch *batch)
{
    return wb_batch_left(batch);
}

const uint8_t *wb_batch_id(const wb_batch *batch)
{
    return batch->id;
}

uint32_t wb_batch_attempt(const wb_batch *batch)
{
    return batch->attempt;
}

const char *wb_batch_table(const wb_batch *batch)
{
    return batch->table != NULL ? batch->table->text : NULL;
}

int wb_batch_reason(const wb_batch *batch)
{
    return batch->reason;
}

const uint8_t *wb_batch_row(const wb_batch *batch, size_t index, size_t *bytes)
{
    assert(index < wb_batch_left(batch) && !wb_batch_is_scattered(batch));
    size_t begin = wb_batch_begin_of(batch, index);
    *bytes = wb_batch_begin_of(batch, index + 1) - begin;
    return batch->tuples + begin;
}

const uint8_t *wb_batch_tuples(const wb_batch *batch, size_t *bytes)
{
    size_t begin = wb_batch_begin(batch);
    *bytes = batch->bytes - begin;
    return batch->tuples + begin;
}

void wb_batch_values(const wb_batch *batch, size_t index, wb_value *values)
{
    size_t bytes;
    wb_row_values(batch->schema, wb_batch_row(batch, index, &bytes), values);
}

const char *wb_batch_error(const wb_batch *batch)
{
    return batch->error != NULL ? batch->error : "";
}

const char *wb_reason_name(int reason)
{
    static const char *const names[] = {
        [WB_REASON_NONE] = "none",   [WB_REASON_SIZE] = "size",   [WB_REASON_BYTES] = "bytes",
        [WB_REASON_AGE] = "age",     [WB_REASON_FLUSH] = "flush", [WB_REASON_POLICY] = "policy",
        [WB_REASON_CLOSE] = "close",
    };
    return reason >= 0 && reason <= WB_REASON_CLOSE ? names[reason] : "unknown";
}
