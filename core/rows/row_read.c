/* SPDX-License-Identifier: MIT
 * The row reader: a COPY tuple back to values. Invariant: wb_row_encode wrote what is read, so nothing is checked and
 * nothing fails. No state, no locks. */
#include "rows/row.h"

#include <string.h>

#include "base/bigendian.h"
#include "base/timestamp.h"
#include "rows/array.h"

static void data_value(int type, const uint8_t *data, uint32_t bytes, wb_value *value);

static inline wb_value int_value(int64_t i)
{
    return (wb_value){.kind = WB_INT, .i = i};
}

static inline wb_value float_value(double f)
{
    return (wb_value){.kind = WB_FLOAT, .f = f};
}

static inline wb_value text_value(const uint8_t *text, uint32_t bytes)
{
    return (wb_value){.kind = WB_TEXT, .bytes = bytes, .text = (const char *)text};
}

void wb_row_values(const wb_schema *schema, const uint8_t *tuple, wb_value *values)
{
    const uint8_t *at = tuple + sizeof(uint16_t);
    for (size_t i = 0; i < schema->count; i++)
        at = wb_field_value(&schema->columns[i].column, at, &values[i]);
}

wb_value wb_row_value(const wb_schema *schema, const uint8_t *tuple, size_t column)
{
    const uint8_t *at = tuple + sizeof(uint16_t);
    wb_value value = {.kind = WB_NULL};
    for (size_t i = 0; i <= column; i++)
        at = wb_field_value(&schema->columns[i].column, at, &value);
    return value;
}

const uint8_t *wb_field_value(const wb_column *column, const uint8_t *field, wb_value *value)
{
    int32_t bytes = (int32_t)wb_get32(field);
    field += sizeof(uint32_t);
    if (bytes < 0) {
        *value = (wb_value){.kind = bytes == WB_LEFT_LENGTH ? WB_ABSENT : WB_NULL};
        return field;
    }
    if (column->array)
        *value =
            (wb_value){.kind = WB_ARRAY, .bytes = (uint32_t)bytes, .text = (const char *)field};
    else
        data_value(column->type, field, (uint32_t)bytes, value);
    return field + bytes;
}

static float float_of_word(uint32_t word)
{
    float number;
    memcpy(&number, &word, sizeof number);
    return number;
}

static double double_of_word(uint64_t word)
{
    double number;
    memcpy(&number, &word, sizeof number);
    return number;
}

/* The infinities stay what they are; so does what a server may answer that would be later than they are. */
static int64_t since_1970(int64_t since_2000_us)
{
    if (since_2000_us == WB_TIME_MINUS_INFINITY || since_2000_us > INT64_MAX - WB_PG_EPOCH_US)
        return since_2000_us < 0 ? WB_TIME_MINUS_INFINITY : WB_TIME_INFINITY;
    return since_2000_us + WB_PG_EPOCH_US;
}

static int64_t days_since_1970(int32_t since_2000)
{
    if (since_2000 == INT32_MAX || since_2000 == INT32_MIN)
        return since_2000 < 0 ? WB_TIME_MINUS_INFINITY : WB_TIME_INFINITY;
    return (int64_t)since_2000 + WB_PG_EPOCH_DAYS;
}

static void data_value(int type, const uint8_t *data, uint32_t bytes, wb_value *value)
{
    switch (type) {
    case WB_TYPE_BOOL:
        *value = (wb_value){.kind = WB_BOOL, .i = data[0]};
        break;
    case WB_TYPE_INT2:
        *value = int_value((int16_t)wb_get16(data));
        break;
    case WB_TYPE_INT4:
        *value = int_value((int32_t)wb_get32(data));
        break;
    case WB_TYPE_INT8:
        *value = int_value((int64_t)wb_get64(data));
        break;
    case WB_TYPE_FLOAT4:
        *value = float_value((double)float_of_word(wb_get32(data)));
        break;
    case WB_TYPE_FLOAT8:
        *value = float_value(double_of_word(wb_get64(data)));
        break;
    case WB_TYPE_TIME:
        *value = int_value((int64_t)wb_get64(data));
        break;
    case WB_TYPE_TIMESTAMPTZ:
    case WB_TYPE_TIMESTAMP:
        *value = int_value(since_1970((int64_t)wb_get64(data)));
        break;
    case WB_TYPE_DATE:
        *value = int_value(days_since_1970((int32_t)wb_get32(data)));
        break;
    case WB_TYPE_JSONB:
        *value = text_value(data + 1, bytes - 1);
        break;
    default: /* text, bytea, uuid, json, numeric: as they are */
        *value = text_value(data, bytes);
        break;
    }
}

size_t wb_array_length(const wb_value *array)
{
    const uint8_t *data = (const uint8_t *)array->text;
    return wb_get32(data) == 0 ? 0 : wb_get32(data + 12);
}

bool wb_array_next(const wb_column *column, const wb_value *array, size_t *at, wb_value *element)
{
    const wb_column of = wb_array_element(column);
    const uint8_t *data = (const uint8_t *)array->text;
    if (*at == 0)
        *at = WB_ARRAY_HEADER_BYTES;
    if (wb_array_length(array) == 0 || *at >= array->bytes)
        return false;
    *at = (size_t)(wb_field_value(&of, data + *at, element) - data);
    return true;
}
