/* SPDX-License-Identifier: MIT
 * A batch as other programs read it: a stream of PostgreSQL's binary COPY, or NDJSON. Invariant: the batch is only
 * read. No locks: its owner calls. Fails with WB_MEMORY.
 * NDJSON is one JSON object a line, with every column. A value that JSON has no form for becomes text, as PostgreSQL
 * writes it: uuids, times, \x hex, "NaN", "Infinity". A json value stays as it was given, but that line breaks between
 * its tokens become spaces, since a row is one line. */
#include <math.h>
#include <string.h>

#include "base/buffer.h"
#include "rows/batch.h"
#include "rows/types.h"

/* ---- COPY ---- */

const uint8_t wb_copy_header[WB_COPY_HEADER_BYTES] = "PGCOPY\n\377\r\n\0";
const uint8_t wb_copy_trailer[WB_COPY_TRAILER_BYTES] = {0xff, 0xff};

int wb_batch_copy_binary(const wb_batch *batch, uint8_t **out, size_t *bytes, wb_err *err)
{
    size_t tuple_bytes;
    const uint8_t *tuples = wb_batch_tuples(batch, &tuple_bytes);
    uint8_t *stream = wb_alloc(WB_COPY_HEADER_BYTES + tuple_bytes + WB_COPY_TRAILER_BYTES);
    if (!stream)
        return wb_fail(err, WB_MEMORY, "no memory for %zu rows as a COPY stream",
                       wb_batch_left(batch));
    memcpy(stream, wb_copy_header, WB_COPY_HEADER_BYTES);
    if (tuple_bytes > 0)
        memcpy(stream + WB_COPY_HEADER_BYTES, tuples, tuple_bytes);
    memcpy(stream + WB_COPY_HEADER_BYTES + tuple_bytes, wb_copy_trailer, WB_COPY_TRAILER_BYTES);
    *out = stream;
    *bytes = WB_COPY_HEADER_BYTES + tuple_bytes + WB_COPY_TRAILER_BYTES;
    return WB_OK;
}

/* ---- NDJSON ---- */

static void row_put(wb_buffer *json, const wb_schema *schema, const wb_value *values);
static void value_put(wb_buffer *json, int type, const wb_value *value);

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

static void row_put(wb_buffer *json, const wb_schema *schema, const wb_value *values)
{
    for (size_t i = 0; i < schema->count; i++) {
        const wb_column *column = &schema->columns[i].column;
        wb_buffer_put_char(json, i == 0 ? '{' : ',');
        wb_buffer_put_json_string(json, column->name, strlen(column->name));
        wb_buffer_put_char(json, ':');
        value_put(json, column->type, &values[i]);
    }
    wb_buffer_put_text(json, "}\n");
}

/* A string in which nothing needs an escape. */
static void plain_put(wb_buffer *json, const char *text, size_t bytes)
{
    wb_buffer_put_char(json, '"');
    wb_buffer_put(json, text, bytes);
    wb_buffer_put_char(json, '"');
}

static void float_put(wb_buffer *json, int type, const wb_value *value)
{
    char text[WB_TYPE_TEXT_BYTES];
    double number = value->f;
    if (isnan(number)) {
        plain_put(json, "NaN", 3);
    } else if (isinf(number)) {
        wb_buffer_put_text(json, number < 0 ? "\"-Infinity\"" : "\"Infinity\"");
    } else {
        wb_buffer_put(json, text, wb_type_text(type, value, text));
    }
}

static void bytea_put(wb_buffer *json, const wb_value *value)
{
    wb_buffer_put_text(json, "\"\\\\x");
    wb_buffer_put_hex(json, value->text, value->bytes);
    wb_buffer_put_char(json, '"');
}

static void raw_json_put(wb_buffer *json, const wb_value *value)
{
    size_t start = json->bytes;
    wb_buffer_put(json, value->text, value->bytes);
    if (json->failed)
        return;
    for (char *at = json->data + start; at < json->data + json->bytes; at++)
        if (*at == '\n' || *at == '\r')
            *at = ' ';
}

static void value_put(wb_buffer *json, int type, const wb_value *value)
{
    char text[WB_TYPE_TEXT_BYTES];
    if (value->kind == WB_NULL) {
        wb_buffer_put_text(json, "null");
        return;
    }
    switch (type) {
    case WB_TYPE_BOOL:
        wb_buffer_put_text(json, value->i ? "true" : "false");
        break;
    case WB_TYPE_INT2:
    case WB_TYPE_INT4:
    case WB_TYPE_INT8:
        wb_buffer_put(json, text, wb_type_text(type, value, text));
        break;
    case WB_TYPE_FLOAT4:
    case WB_TYPE_FLOAT8:
        float_put(json, type, value);
        break;
    case WB_TYPE_BYTEA:
        bytea_put(json, value);
        break;
    case WB_TYPE_UUID:
    case WB_TYPE_TIMESTAMPTZ:
    case WB_TYPE_DATE:
        plain_put(json, text, wb_type_text(type, value, text));
        break;
    case WB_TYPE_JSON:
    case WB_TYPE_JSONB:
        raw_json_put(json, value);
        break;
    default:
        wb_buffer_put_json_string(json, value->text, value->bytes);
        break;
    }
}
