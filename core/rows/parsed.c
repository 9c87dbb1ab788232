/* SPDX-License-Identifier: MIT
 * See parsed.h. Each function writes a field's data and answers its length, or says why the value is none of the type; no
 * state, no locks. */
#include "rows/parsed.h"

#include <string.h>

#include "base/bigendian.h"
#include "base/timestamp.h"
#include "rows/convert.h"
#include "rows/interval.h"
#include "rows/network.h"

enum { INTERVAL_BYTES = 16, MACADDR_BYTES = 6 };

static const char *wall_put(const wb_value *value, uint8_t *to, size_t *bytes)
{
    int64_t unix_us;
    const char *why = wb_convert_wall(value, &unix_us);
    if (why == NULL)
        *bytes = (size_t)(wb_put64(to, (uint64_t)wb_pg_us(unix_us)) - to);
    return why;
}

static const char *clock_put(const wb_value *value, uint8_t *to, size_t *bytes)
{
    int64_t us;
    const char *why = wb_convert_clock(value, &us);
    if (why == NULL)
        *bytes = (size_t)(wb_put64(to, (uint64_t)us) - to);
    return why;
}

static const char *interval_put(const wb_value *value, uint8_t *to, size_t *bytes)
{
    int64_t us;
    *bytes = INTERVAL_BYTES;
    if (value->kind == WB_TEXT)
        return wb_interval_read(value->text, value->bytes, to);
    const char *why = wb_convert_duration(value, &us);
    if (why == NULL)
        wb_interval_of_us(us, to);
    return why;
}

static const char *inet_put(const wb_value *value, bool cidr, uint8_t *to, size_t *bytes)
{
    if (value->kind != WB_TEXT)
        return "not text";
    return wb_inet_read(value->text, value->bytes, cidr, to, bytes);
}

static const char *macaddr_put(const wb_value *value, uint8_t *to, size_t *bytes)
{
    *bytes = MACADDR_BYTES;
    bool read = value->kind == WB_TEXT && wb_macaddr_read(value->text, value->bytes, to);
    return read ? NULL : "not a MAC address of 6 bytes";
}

static const char *data_put(int type, const wb_value *value, uint8_t *to, size_t *bytes)
{
    switch (type) {
    case WB_TYPE_TIMESTAMP:
        return wall_put(value, to, bytes);
    case WB_TYPE_TIME:
        return clock_put(value, to, bytes);
    case WB_TYPE_INTERVAL:
        return interval_put(value, to, bytes);
    case WB_TYPE_NUMERIC:
        return wb_convert_numeric(value, to, bytes);
    case WB_TYPE_INET:
        return inet_put(value, false, to, bytes);
    case WB_TYPE_CIDR:
        return inet_put(value, true, to, bytes);
    default: /* wb_schema_new lets no other in */
        return macaddr_put(value, to, bytes);
    }
}

uint8_t *wb_parsed_put(const wb_column *column, const wb_value *value, uint8_t *to, wb_err *err)
{
    size_t bytes = 0;
    const char *why = data_put(column->type, value, to + sizeof(uint32_t), &bytes);
    if (why != NULL)
        return wb_refuse(column, value, why, err);
    return wb_put32(to, (uint32_t)bytes) + bytes;
}
