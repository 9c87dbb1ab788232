/* SPDX-License-Identifier: MIT
 * Whether bytes from outside the process are a tuple that the reader may read. It looks at lengths alone: what a number or
 * a text says is checked by who takes it. No state, nothing fails. */
#include "rows/array.h"
#include "rows/decimal_form.h"
#include "rows/row.h"
#include "rows/types.h"

enum { INET4_BYTES = 8, INET6_BYTES = 20 };

static bool is_length_of(int type, const uint8_t *data, size_t bytes)
{
    switch (type) {
    case WB_TYPE_JSONB:
        return bytes >= 1;
    case WB_TYPE_NUMERIC:
        return bytes >= WB_DECIMAL_HEADER_BYTES &&
               bytes == WB_DECIMAL_HEADER_BYTES + 2u * wb_get16(data);
    case WB_TYPE_INET:
    case WB_TYPE_CIDR:
        return bytes == INET4_BYTES || bytes == INET6_BYTES;
    default:
        return wb_type_bytes(type) == 0 || bytes == wb_type_bytes(type);
    }
}

/* The end of a field; NULL: it is none, or goes past `end`. */
static const uint8_t *field_end(const wb_column *column, const uint8_t *field, const uint8_t *end);

static bool is_array(const wb_column *column, const uint8_t *data, const uint8_t *end)
{
    const wb_column of = wb_array_element(column);
    size_t header = 3 * sizeof(uint32_t);
    if ((size_t)(end - data) < header || wb_get32(data) > 1)
        return false;
    if (wb_get32(data) == 0)
        return data + header == end;
    if (end - data < WB_ARRAY_HEADER_BYTES)
        return false;
    const uint8_t *at = data + WB_ARRAY_HEADER_BYTES;
    for (uint32_t left = wb_get32(data + header); left > 0 && at != NULL; left--)
        at = field_end(&of, at, end);
    return at == end;
}

static const uint8_t *field_end(const wb_column *column, const uint8_t *field, const uint8_t *end)
{
    if (end - field < (ptrdiff_t)sizeof(uint32_t))
        return NULL;
    int32_t bytes = (int32_t)wb_get32(field);
    const uint8_t *data = field + sizeof(uint32_t);
    if (bytes < 0)
        return bytes == -1 || (bytes == WB_LEFT_LENGTH && column->server_default) ? data : NULL;
    if (bytes > end - data)
        return NULL;
    bool sound = column->array ? is_array(column, data, data + bytes)
                               : is_length_of(column->type, data, (size_t)bytes);
    return sound ? data + bytes : NULL;
}

bool wb_tuple_is_sound(const wb_schema *schema, const uint8_t *tuple, size_t bytes)
{
    const uint8_t *end = tuple + bytes, *at = tuple + sizeof(uint16_t);
    if (bytes < sizeof(uint16_t) || wb_get16(tuple) != schema->count)
        return false;
    for (size_t i = 0; i < schema->count && at != NULL; i++)
        at = field_end(&schema->columns[i].column, at, end);
    return at == end;
}
