/* SPDX-License-Identifier: MIT
 * The column types, as types.def lists them. Invariant: the table is constant. No locks, no failure. */
#include "rows/types.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "base/show.h"
#include "base/timestamp.h"
#include "rows/interval.h"
#include "rows/network.h"

static const struct type {
    const char *name;
    uint32_t oid;
    uint32_t bytes;
    const char *sqlite;
} types[] = {
#define X(constant, name, oid, bytes, sqlite) [constant] = {name, oid, bytes, sqlite},
#include <writebehind/types.def>
#undef X
};

const char *wb_type_name(int type)
{
    return type >= 0 && type < WB_TYPES ? types[type].name : NULL;
}

int wb_type_find(const char *name, size_t bytes)
{
    for (int type = 0; type < WB_TYPES; type++)
        if (strlen(types[type].name) == bytes && memcmp(types[type].name, name, bytes) == 0)
            return type;
    return -1;
}

int wb_type_of_oid(uint32_t oid)
{
    for (int type = 0; type < WB_TYPES; type++)
        if (types[type].oid == oid)
            return type;
    return -1;
}

uint32_t wb_type_oid(int type)
{
    return types[type].oid;
}

const char *wb_column_type(const wb_column *column, char *out, size_t size)
{
    const char *name = column->cast != NULL ? column->cast : wb_type_name(column->type);
    snprintf(out, size, "%s%s", name, column->array ? "[]" : "");
    return out;
}

uint32_t wb_type_bytes(int type)
{
    return types[type].bytes;
}

const char *wb_type_sqlite(int type)
{
    return types[type].sqlite;
}

/* Of a time or a number of days; NULL: it is none. */
static const char *infinity(int64_t number)
{
    if (number == WB_TIME_INFINITY)
        return "infinity";
    return number == WB_TIME_MINUS_INFINITY ? "-infinity" : NULL;
}

static size_t time_text(int type, int64_t number, char out[WB_TYPE_TEXT_BYTES])
{
    const char *word = infinity(number);
    if (word != NULL)
        strcpy(out, word);
    else if (type == WB_TYPE_DATE)
        wb_date_format((int32_t)number, out);
    else if (type == WB_TYPE_TIMESTAMP)
        wb_wall_format(number, out);
    else
        wb_timestamp_format(number, out);
    return strlen(out);
}

size_t wb_type_text(int type, const wb_value *value, char out[WB_TYPE_TEXT_BYTES])
{
    switch (type) {
    case WB_TYPE_FLOAT4:
        return wb_number_format4((float)value->f, out);
    case WB_TYPE_FLOAT8:
        return wb_number_format(value->f, out);
    case WB_TYPE_UUID:
        wb_uuid_format((const uint8_t *)value->text, out);
        return 36;
    case WB_TYPE_TIMESTAMPTZ:
    case WB_TYPE_TIMESTAMP:
    case WB_TYPE_DATE:
        return time_text(type, value->i, out);
    case WB_TYPE_TIME:
        wb_clock_format(value->i, out);
        return strlen(out);
    case WB_TYPE_INTERVAL:
        wb_interval_format((const uint8_t *)value->text, out);
        return strlen(out);
    case WB_TYPE_INET:
    case WB_TYPE_CIDR:
        wb_inet_format((const uint8_t *)value->text, out);
        return strlen(out);
    case WB_TYPE_MACADDR:
        wb_macaddr_format((const uint8_t *)value->text, out);
        return strlen(out);
    default: /* int2, int4, int8 */
        return (size_t)snprintf(out, WB_TYPE_TEXT_BYTES, "%" PRId64, value->i);
    }
}
