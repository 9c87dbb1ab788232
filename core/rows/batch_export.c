/* SPDX-License-Identifier: MIT
 * A batch as other programs read it: a stream of PostgreSQL's binary COPY, or NDJSON. Invariant: the batch is only
 * read. No locks: its owner calls. Fails with WB_MEMORY.
 * NDJSON is one JSON object a line, with every column that is not left to the server. A json value stays as it was given,
 * but that line breaks between its tokens become spaces, since a row is one line. */
#include <string.h>

#include "base/buffer.h"
#include "rows/shape.h"
#include "rows/value_text.h"

/* ---- COPY ---- */

const uint8_t wb_copy_header[WB_COPY_HEADER_BYTES] = "PGCOPY\n\377\r\n\0";
const uint8_t wb_copy_trailer[WB_COPY_TRAILER_BYTES] = {0xff, 0xff};

static int one_shape(const wb_batch *batch, wb_err *err)
{
    wb_shapes shapes;
    if (!wb_shapes_of(batch, &shapes))
        return wb_fail(err, WB_MEMORY, "no memory for %zu rows as a COPY stream",
                       wb_batch_left(batch));
    size_t count = shapes.count;
    wb_shapes_fini(&shapes);
    if (count > 1)
        return wb_fail(
            err, WB_INVALID,
            "no COPY stream has these rows: not all leave the same columns to the server");
    return WB_OK;
}

/* Where nothing may be left out, they are a stream already. */
static uint8_t *put_tuples(const wb_batch *batch, uint8_t *to)
{
    size_t bytes;
    const uint8_t *tuples = wb_batch_tuples(batch, &bytes);
    if (batch->schema->left == 0 && bytes > 0)
        return (uint8_t *)memcpy(to, tuples, bytes) + bytes;
    for (size_t i = 0; i < wb_batch_left(batch); i++)
        to += wb_tuple_given(wb_batch_row(batch, i, &bytes), NULL, to);
    return to;
}

int wb_batch_copy_binary(const wb_batch *batch, uint8_t **out, size_t *bytes, wb_err *err)
{
    size_t tuple_bytes;
    wb_batch_tuples(batch, &tuple_bytes);
    int code = one_shape(batch, err);
    if (code != WB_OK)
        return code;
    uint8_t *stream = wb_alloc(WB_COPY_HEADER_BYTES + tuple_bytes + WB_COPY_TRAILER_BYTES);
    if (!stream)
        return wb_fail(err, WB_MEMORY, "no memory for %zu rows as a COPY stream",
                       wb_batch_left(batch));
    memcpy(stream, wb_copy_header, WB_COPY_HEADER_BYTES);
    uint8_t *end = put_tuples(batch, stream + WB_COPY_HEADER_BYTES);
    memcpy(end, wb_copy_trailer, WB_COPY_TRAILER_BYTES);
    *out = stream;
    *bytes = (size_t)(end - stream) + WB_COPY_TRAILER_BYTES;
    return WB_OK;
}

bool wb_batch_gives(const wb_batch *batch, size_t column)
{
    size_t bytes;
    return wb_batch_left(batch) == 0 ||
           wb_row_value(batch->schema, wb_batch_row(batch, 0, &bytes), column).kind != WB_ABSENT;
}

/* ---- NDJSON ---- */

static void row_put(wb_buffer *json, const wb_schema *schema, const wb_value *values);

int wb_batch_ndjson(const wb_batch *batch, char **out, size_t *bytes, wb_err *err)
{
    const wb_schema *schema = batch->schema;
    wb_buffer json = WB_BUFFER_EMPTY;
    wb_value *values = wb_alloc(schema->count * sizeof *values);
    json.failed = !values;
    for (size_t i = 0; i < wb_batch_rows(batch) && !json.failed; i++) {
        wb_batch_values(batch, i, values);
        row_put(&json, schema, values);
    }
    wb_free(values);
    char *text = wb_buffer_take(&json, bytes);
    if (!text)
        return wb_fail(err, WB_MEMORY, "no memory for %zu rows as NDJSON", wb_batch_rows(batch));
    *out = text;
    return WB_OK;
}

int wb_batch_line(const wb_batch *batch, size_t index, char **out, size_t *bytes, wb_err *err)
{
    wb_buffer json = WB_BUFFER_EMPTY;
    wb_value *values = wb_alloc(batch->schema->count * sizeof *values);
    json.failed = !values;
    if (values != NULL) {
        wb_batch_values(batch, index, values);
        row_put(&json, batch->schema, values);
    }
    wb_free(values);
    char *text = wb_buffer_take(&json, bytes);
    if (!text)
        return wb_fail(err, WB_MEMORY, "no memory for a row as JSON");
    text[--*bytes] = '\0';
    *out = text;
    return WB_OK;
}

static void row_put(wb_buffer *json, const wb_schema *schema, const wb_value *values)
{
    char before = '{';
    for (size_t i = 0; i < schema->count; i++) {
        const wb_column *column = &schema->columns[i].column;
        if (values[i].kind == WB_ABSENT)
            continue;
        wb_buffer_put_char(json, before);
        before = ',';
        wb_buffer_put_json_string(json, column->name, strlen(column->name));
        wb_buffer_put_char(json, ':');
        wb_put_json_value(json, column, &values[i]);
    }
    wb_buffer_put_text(json, before == ',' ? "}\n" : "{}\n");
}
