/* SPDX-License-Identifier: MIT
 * See upsert_key.h. What has one length, or begins with what tells it (inet), stands as it is. A text, which has no NUL,
 * ends with one; of bytea a zero byte is followed by a one, and two zeros are the end. No state. */
#include "rows/upsert_key.h"

#include "rows/row.h"

/* bytea's worst case, and its end. */
static size_t bound_of(size_t bytes)
{
    return 2 * bytes + 2;
}

static uint8_t *put_escaped(uint8_t *to, const uint8_t *data, size_t bytes)
{
    for (size_t i = 0; i < bytes; i++) {
        *to++ = data[i];
        if (data[i] == 0)
            *to++ = 1;
    }
    return wb_put16(to, 0);
}

static void put_field(int type, const uint8_t *field, wb_buffer *to)
{
    size_t bytes = wb_get32(field);
    const uint8_t *data = field + sizeof(uint32_t);
    if (!wb_buffer_reserve(to, bound_of(bytes)))
        return;
    uint8_t *at = (uint8_t *)to->data + to->bytes;
    if (type == WB_TYPE_BYTEA) {
        at = put_escaped(at, data, bytes);
    } else {
        memcpy(at, data, bytes);
        at += bytes;
        if (type == WB_TYPE_TEXT)
            *at++ = 0;
    }
    to->bytes = (size_t)((char *)at - to->data);
}

void wb_upsert_key_put(const wb_upsert *upsert, const wb_schema *schema, const uint8_t *tuple,
                       wb_buffer *to)
{
    const uint8_t *field = NULL;
    int32_t at = INT32_MAX;
    for (size_t i = 0; i < upsert->key_count; i++) {
        if (upsert->key[i] < at) {
            field = tuple + sizeof(uint16_t);
            at = 0;
        }
        for (; at < upsert->key[i]; at++)
            field = wb_field_end(field);
        put_field(schema->columns[at].column.type, field, to);
    }
}
