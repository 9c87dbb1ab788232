/* SPDX-License-Identifier: MIT
 * See array.h. Invariant: what was written has as many elements as it says, so the reader (row_read.c) checks nothing.
 * No state, no locks. */
#include "rows/array.h"

#include "base/bigendian.h"
#include "rows/convert.h"
#include "rows/types.h"

enum { NULL_LENGTH = -1 };

wb_column wb_array_element(const wb_column *column)
{
    wb_column element = *column;
    element.array = false;
    element.null = true;
    element.lenient = false;
    return element;
}

size_t wb_array_bound(const wb_value *list)
{
    size_t bytes = sizeof(uint32_t) + WB_ARRAY_HEADER_BYTES;
    for (size_t i = 0; i < list->bytes; i++)
        bytes += sizeof(uint32_t) + WB_FIELD_SLACK +
                 (list->list[i].kind == WB_TEXT ? list->list[i].bytes : 0);
    return bytes;
}

static uint8_t *put_header(const wb_column *column, const wb_value *list, bool has_null,
                           uint8_t *to)
{
    to = wb_put32(to, list->bytes > 0);
    to = wb_put32(to, has_null);
    to = wb_put32(to, wb_type_oid(column->type));
    if (list->bytes == 0)
        return to;
    to = wb_put32(to, list->bytes);
    return wb_put32(to, 1);
}

static uint8_t *put_element(const wb_column *element, const wb_value *list, size_t index,
                            wb_field_writer *write, uint8_t *to, wb_err *err)
{
    const wb_value *value = &list->list[index];
    size_t bytes;
    if (value->kind <= WB_NULL)
        return wb_put32(to, (uint32_t)NULL_LENGTH);
    int code = write(element, value, to, &bytes, err);
    if (code == WB_OK)
        return to + bytes;
    wb_wrap(err, code, "element %zu", index + 1);
    return NULL;
}

uint8_t *wb_array_put(const wb_column *column, const wb_value *list, wb_field_writer *write,
                      uint8_t *to, wb_err *err)
{
    if (list->kind != WB_LIST)
        return wb_refuse(column, list, "not a list", err);
    const wb_column element = wb_array_element(column);
    bool has_null = false;
    for (size_t i = 0; i < list->bytes; i++)
        has_null = has_null || list->list[i].kind <= WB_NULL;
    uint8_t *at = put_header(column, list, has_null, to + sizeof(uint32_t));
    for (size_t i = 0; i < list->bytes && at != NULL; i++)
        at = put_element(&element, list, i, write, at, err);
    if (at != NULL)
        wb_put32(to, (uint32_t)(at - to - sizeof(uint32_t)));
    return at;
}
