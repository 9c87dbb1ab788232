/* SPDX-License-Identifier: MIT
 * What the one who delivers a batch reads of it: the rows from `first` on. Nothing is changed; no locks.
 * copy_binary fails with WB_MEMORY. The stream's format: PostgreSQL manual, "COPY", binary format. */
#include <assert.h>
#include <string.h>

#include "batch.h"

/* Signature, flags and the length of the header's extension; and the word that ends the tuples. */
static const uint8_t header[19] = "PGCOPY\n\377\r\n\0";
static const uint8_t trailer[2] = {0xff, 0xff};

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
    return batch->table;
}

int wb_batch_reason(const wb_batch *batch)
{
    return batch->reason;
}

const uint8_t *wb_batch_row(const wb_batch *batch, size_t index, size_t *bytes)
{
    assert(index < wb_batch_left(batch));
    size_t row = batch->first + index;
    size_t begin = row == 0 ? 0 : batch->rows[row - 1].end;
    *bytes = batch->rows[row].end - begin;
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

int wb_batch_copy_binary(const wb_batch *batch, uint8_t **out, size_t *bytes, wb_err *err)
{
    size_t tuple_bytes;
    const uint8_t *tuples = wb_batch_tuples(batch, &tuple_bytes);
    uint8_t *stream = wb_alloc(sizeof header + tuple_bytes + sizeof trailer);
    if (!stream)
        return wb_fail(err, WB_MEMORY, "no memory for %zu rows as a COPY stream",
                       wb_batch_left(batch));
    memcpy(stream, header, sizeof header);
    if (tuple_bytes > 0)
        memcpy(stream + sizeof header, tuples, tuple_bytes);
    memcpy(stream + sizeof header + tuple_bytes, trailer, sizeof trailer);
    *out = stream;
    *bytes = sizeof header + tuple_bytes + sizeof trailer;
    return WB_OK;
}
