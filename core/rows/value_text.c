/* SPDX-License-Identifier: MIT
 * See value_text.h. Sources: PostgreSQL manual, "Data Types", the input of each type, and
 * "Array Input and Output Syntax". No state, no locks. */
#include "rows/value_text.h"

#include <math.h>
#include <string.h>

#include "rows/array.h"
#include "rows/decimal.h"
#include "rows/types.h"

static void put_float(wb_buffer *out, int type, const wb_value *value)
{
    char text[WB_TYPE_TEXT_BYTES];
    if (isfinite(value->f))
        wb_buffer_put(out, text, wb_type_text(type, value, text));
    else
        wb_buffer_put_text(out, isnan(value->f) ? "NaN" : value->f > 0 ? "Infinity" : "-Infinity");
}

static void put_bytea(wb_buffer *out, const wb_value *value)
{
    wb_buffer_put_text(out, "\\x");
    wb_buffer_put_hex(out, value->text, value->bytes);
}

/* Every element but NULL in quotes, in which a backslash stands before a quote and a backslash. */
static void put_element(wb_buffer *out, const wb_column *column, const wb_value *value)
{
    wb_buffer text = WB_BUFFER_EMPTY;
    if (value->kind == WB_NULL) {
        wb_buffer_put_text(out, "NULL");
        return;
    }
    wb_put_value(&text, column, value);
    wb_buffer_put_char(out, '"');
    for (size_t i = 0; i < text.bytes && !text.failed; i++) {
        if (text.data[i] == '"' || text.data[i] == '\\')
            wb_buffer_put_char(out, '\\');
        wb_buffer_put_char(out, text.data[i]);
    }
    wb_buffer_put_char(out, '"');
    out->failed |= text.failed;
    wb_buffer_fini(&text);
}

static void put_array(wb_buffer *out, const wb_column *column, const wb_value *value)
{
    const wb_column of = wb_array_element(column);
    wb_value element;
    char before = '{';
    for (size_t at = 0; wb_array_next(column, value, &at, &element);) {
        wb_buffer_put_char(out, before);
        before = ',';
        put_element(out, &of, &element);
    }
    wb_buffer_put_text(out, before == '{' ? "{}" : "}");
}

void wb_put_value(wb_buffer *out, const wb_column *column, const wb_value *value)
{
    char text[WB_TYPE_TEXT_BYTES];
    if (column->array) {
        put_array(out, column, value);
        return;
    }
    switch (column->type) {
    case WB_TYPE_BOOL:
        wb_buffer_put_text(out, value->i != 0 ? "true" : "false");
        break;
    case WB_TYPE_FLOAT4:
    case WB_TYPE_FLOAT8:
        put_float(out, column->type, value);
        break;
    case WB_TYPE_BYTEA:
        put_bytea(out, value);
        break;
    case WB_TYPE_TEXT:
    case WB_TYPE_JSON:
    case WB_TYPE_JSONB:
        wb_buffer_put(out, value->text, value->bytes);
        break;
    case WB_TYPE_NUMERIC:
        wb_decimal_put(out, (const uint8_t *)value->text);
        break;
    default:
        wb_buffer_put(out, text, wb_type_text(column->type, value, text));
        break;
    }
}

size_t wb_value_text(const wb_column *column, const wb_value *value, char *out, size_t size)
{
    wb_buffer text = WB_BUFFER_EMPTY;
    wb_put_value(&text, column, value);
    size_t bytes = text.failed ? SIZE_MAX : text.bytes;
    if (!text.failed && bytes > 0)
        memcpy(out, text.data, bytes < size ? bytes : size);
    wb_buffer_fini(&text);
    return bytes;
}

/* ---- as JSON ---- */

/* On one line. */
static void put_raw_json(wb_buffer *json, const wb_value *value)
{
    size_t start = json->bytes;
    wb_buffer_put(json, value->text, value->bytes);
    if (json->failed)
        return;
    for (char *at = json->data + start; at < json->data + json->bytes; at++)
        if (*at == '\n' || *at == '\r')
            *at = ' ';
}

/* A value that JSON has a form for. */
static bool is_bare(int type, const wb_value *value)
{
    switch (type) {
    case WB_TYPE_BOOL:
    case WB_TYPE_INT2:
    case WB_TYPE_INT4:
    case WB_TYPE_INT8:
        return true;
    case WB_TYPE_FLOAT4:
    case WB_TYPE_FLOAT8:
        return isfinite(value->f);
    default:
        return false;
    }
}

/* As a string. Only text has what needs an escape, and what it takes is not copied twice. */
static void put_string(wb_buffer *json, const wb_column *column, const wb_value *value)
{
    if (column->type == WB_TYPE_TEXT) {
        wb_buffer_put_json_string(json, value->text, value->bytes);
        return;
    }
    wb_buffer_put_char(json, '"');
    if (column->type == WB_TYPE_BYTEA)
        wb_buffer_put_char(json, '\\');
    wb_put_value(json, column, value);
    wb_buffer_put_char(json, '"');
}

static void put_list(wb_buffer *json, const wb_column *column, const wb_value *value)
{
    const wb_column of = wb_array_element(column);
    wb_value element;
    char before = '[';
    for (size_t at = 0; wb_array_next(column, value, &at, &element);) {
        wb_buffer_put_char(json, before);
        before = ',';
        wb_put_json_value(json, &of, &element);
    }
    wb_buffer_put_text(json, before == '[' ? "[]" : "]");
}

void wb_put_json_value(wb_buffer *json, const wb_column *column, const wb_value *value)
{
    if (value->kind == WB_NULL)
        wb_buffer_put_text(json, "null");
    else if (column->array)
        put_list(json, column, value);
    else if (column->type == WB_TYPE_JSON || column->type == WB_TYPE_JSONB)
        put_raw_json(json, value);
    else if (is_bare(column->type, value))
        wb_put_value(json, column, value);
    else
        put_string(json, column, value);
}
