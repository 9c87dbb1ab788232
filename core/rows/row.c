/* SPDX-License-Identifier: MIT
 * The row encoder: values to a COPY tuple, with every check. It is the hot path of add: a column costs one switch and
 * big-endian stores, without memory; what is rare is in rows/convert.c. Invariant: no more than wb_row_bound is
 * written. No locks: the uuid source is the caller's. Fails with WB_INVALID. */
#include "rows/row.h"

#include <math.h>
#include <string.h>

#include "base/bigendian.h"
#include "base/json.h"
#include "base/show.h"
#include "base/timestamp.h"
#include "base/utf8.h"
#include "rows/array.h"
#include "rows/convert.h"
#include "rows/parsed.h"

#define RARE(condition) __builtin_expect(!!(condition), 0)
#define INLINE          static inline __attribute__((always_inline))

enum { LENGTH = sizeof(uint32_t), NULL_LENGTH = -1 };

INLINE uint8_t *value_put(int code, const wb_column *column, const wb_value *value, uint8_t *to,
                          wb_err *err);
static WB_COLD int count_refuse(const wb_schema *schema, size_t count, wb_err *err);

static WB_COLD size_t list_bound(const wb_value *value)
{
    return value->kind == WB_LIST ? wb_array_bound(value) : 0;
}

static WB_COLD size_t lists_bound(const wb_value *values, size_t count)
{
    size_t bytes = 0;
    for (size_t i = 0; i < count; i++)
        bytes += list_bound(&values[i]);
    return bytes;
}

/* Counts every text, also one whose column needs less: a uuid of 36 characters. */
size_t wb_row_bound(const wb_schema *schema, const wb_value *values, size_t count)
{
    uint64_t bytes = schema->fixed_bytes;
    for (size_t i = 0; i < count; i++)
        bytes += values[i].kind == WB_TEXT ? values[i].bytes : 0;
    if (RARE(schema->arrays))
        bytes += lists_bound(values, count);
    return bytes < SIZE_MAX ? (size_t)bytes : SIZE_MAX;
}

int wb_row_encode(const wb_schema *schema, const wb_value *values, size_t count, uint8_t *to,
                  size_t *bytes, wb_err *err)
{
    if (RARE(count > schema->count))
        return count_refuse(schema, count, err);
    const wb_column_plan *plan = schema->columns, *end = plan + schema->count;
    uint8_t *at = wb_put16(to, schema->count);
    for (; plan < end; plan++) {
        size_t place = plan->place;
        if (place < count && values[place].kind > WB_NULL)
            at = value_put(plan->code, &plan->column, &values[place], at, err);
        else
            at = wb_missing_put(plan, place < count && values[place].kind == WB_NULL, at, err);
        if (RARE(!at))
            return WB_INVALID;
    }
    size_t written = (size_t)(at - to);
    if (RARE(written > WB_TUPLE_MAX_BYTES))
        return wb_row_refuse(schema, values, count, err);
    *bytes = written;
    return WB_OK;
}

uint8_t *wb_missing_put(const wb_column_plan *plan, bool null, uint8_t *to, wb_err *err)
{
    bool has_default = plan->default_bytes > 0;
    if (plan->column.generate != WB_GIVEN)
        return wb_put32(to, (uint32_t)WB_AWAITED_LENGTH) + 16;
    if (plan->column.server_default && !(null && plan->column.null))
        return wb_put32(to, (uint32_t)WB_LEFT_LENGTH);
    if (plan->column.null && (null || !has_default))
        return wb_put32(to, (uint32_t)NULL_LENGTH);
    if (!has_default)
        return wb_refuse_missing(&plan->column, null, err);
    memcpy(to, plan->default_field, plan->default_bytes);
    return to + plan->default_bytes;
}

static inline uint8_t *bool_put(const wb_column *column, const wb_value *value, uint8_t *to,
                                wb_err *err)
{
    if (RARE(value->kind != WB_BOOL))
        return wb_refuse(column, value, "not a bool", err);
    to = wb_put32(to, 1);
    *to = value->i != 0;
    return to + 1;
}

/* The number of an integer column, within its range; false: it was refused. */
static inline bool int_of(const wb_column *column, const wb_value *value, int64_t min, int64_t max,
                          const char *range, int64_t *out, wb_err *err)
{
    *out = value->i;
    if (RARE(value->kind != WB_INT)) {
        const char *why = wb_convert_int(value, out);
        if (why && column->lenient && value->kind == WB_TEXT)
            why = "no whole number of 64 bits";
        if (why)
            return wb_refuse(column, value, why, err);
    }
    if (RARE(*out < min || *out > max))
        return wb_refuse(column, value, range, err);
    return true;
}

static inline uint8_t *int2_put(const wb_column *column, const wb_value *value, uint8_t *to,
                                wb_err *err)
{
    int64_t number;
    if (!int_of(column, value, INT16_MIN, INT16_MAX, "not within -32768 to 32767", &number, err))
        return NULL;
    return wb_put16(wb_put32(to, sizeof(int16_t)), (uint16_t)number);
}

static inline uint8_t *int4_put(const wb_column *column, const wb_value *value, uint8_t *to,
                                wb_err *err)
{
    int64_t number;
    if (!int_of(column, value, INT32_MIN, INT32_MAX, "not within -2147483648 to 2147483647",
                &number, err))
        return NULL;
    return wb_put32(wb_put32(to, sizeof(int32_t)), (uint32_t)number);
}

static inline uint8_t *int8_put(const wb_column *column, const wb_value *value, uint8_t *to,
                                wb_err *err)
{
    int64_t number;
    if (!int_of(column, value, INT64_MIN, INT64_MAX, "", &number, err))
        return NULL;
    return wb_put64(wb_put32(to, sizeof(int64_t)), (uint64_t)number);
}

/* The number of a float column; false: it was refused. */
static inline bool float_of(const wb_column *column, const wb_value *value, double *out,
                            wb_err *err)
{
    *out = value->f;
    if (RARE(value->kind != WB_FLOAT)) {
        const char *why = wb_convert_float(value, out);
        if (why && column->lenient && value->kind == WB_TEXT)
            why = "no number, or one of more digits than the type keeps";
        if (why)
            return wb_refuse(column, value, why, err);
    }
    return true;
}

static inline uint8_t *float4_put(const wb_column *column, const wb_value *value, uint8_t *to,
                                  wb_err *err)
{
    double number;
    uint32_t word;
    if (!float_of(column, value, &number, err))
        return NULL;
    float narrow = (float)number;
    if (RARE(isinf(narrow) && isfinite(number)))
        return wb_refuse(column, value, "too large for a float4", err);
    if (RARE(narrow == 0 && number != 0))
        return wb_refuse(column, value, "too small for a float4", err);
    memcpy(&word, &narrow, sizeof word);
    return wb_put32(wb_put32(to, sizeof word), word);
}

static inline uint8_t *float8_put(const wb_column *column, const wb_value *value, uint8_t *to,
                                  wb_err *err)
{
    double number;
    uint64_t word;
    if (!float_of(column, value, &number, err))
        return NULL;
    memcpy(&word, &number, sizeof word);
    return wb_put64(wb_put32(to, sizeof word), word);
}

/* A length word for `bytes`, then the text, after `before` bytes that the caller fills. */
static inline uint8_t *blob_put(const wb_value *value, size_t before, uint8_t *to)
{
    to = wb_put32(to, value->bytes + (uint32_t)before) + before;
    if (value->bytes > 0)
        memcpy(to, value->text, value->bytes);
    return to + value->bytes;
}

static inline uint8_t *text_put(const wb_column *column, const wb_value *value, uint8_t *to,
                                wb_err *err)
{
    if (RARE(value->kind != WB_TEXT))
        return wb_refuse(column, value, "not text", err);
    if (RARE(value->bytes > WB_TUPLE_MAX_BYTES))
        return wb_refuse(column, value, "1 GiB or more", err);
    size_t good = wb_utf8_check(value->text, value->bytes);
    if (RARE(good != value->bytes))
        return wb_refuse_at(column, value, value->text[good] ? "not UTF-8" : "a NUL", good, err);
    if (RARE(column->max > 0 || column->values != NULL) && !wb_text_allowed(column, value, err))
        return NULL;
    return blob_put(value, 0, to);
}

static inline uint8_t *bytea_put(const wb_column *column, const wb_value *value, uint8_t *to,
                                 wb_err *err)
{
    if (RARE(value->kind != WB_TEXT))
        return wb_refuse(column, value, "not text", err);
    if (RARE(value->bytes > WB_TUPLE_MAX_BYTES))
        return wb_refuse(column, value, "1 GiB or more", err);
    return blob_put(value, 0, to);
}

/* An id of half the size, as text (a span's of a trace), has as many characters as a uuid has bytes. */
static inline bool is_hex(const char *text, size_t bytes)
{
    size_t i = 0;
    while (i < bytes && ((text[i] >= '0' && text[i] <= '9') ||
                         ((text[i] | 0x20) >= 'a' && (text[i] | 0x20) <= 'f')))
        i++;
    return i == bytes;
}

static inline uint8_t *uuid_put(const wb_column *column, const wb_value *value, uint8_t *to,
                                wb_err *err)
{
    uint8_t *data = wb_put32(to, 16);
    bool is_text = value->kind == WB_TEXT;
    if (is_text && value->bytes == 16 && !is_hex(value->text, 16))
        memcpy(data, value->text, 16);
    else if (RARE(!is_text || !wb_uuid_parse(value->text, value->bytes, data)))
        return wb_refuse(column, value, "not a uuid of 36 characters or 16 raw bytes", err);
    return data + 16;
}

static inline uint8_t *time_put(const wb_column *column, const wb_value *value, uint8_t *to,
                                wb_err *err)
{
    int64_t unix_us;
    const char *why = wb_convert_time(value, &unix_us);
    if (RARE(why))
        return wb_refuse(column, value, why, err);
    return wb_put64(wb_put32(to, sizeof unix_us), (uint64_t)wb_pg_us(unix_us));
}

/* PostgreSQL's infinities are the ends of the range. */
static inline uint8_t *date_put(const wb_column *column, const wb_value *value, uint8_t *to,
                                wb_err *err)
{
    int64_t days;
    const char *why = wb_convert_date(value, &days);
    if (RARE(why))
        return wb_refuse(column, value, why, err);
    int32_t word = days == WB_TIME_INFINITY         ? INT32_MAX
                   : days == WB_TIME_MINUS_INFINITY ? INT32_MIN
                                                    : (int32_t)(days - WB_PG_EPOCH_DAYS);
    return wb_put32(wb_put32(to, sizeof word), (uint32_t)word);
}

/* A bool or a number as JSON, after `version` bytes that the caller fills. */
static uint8_t *json_scalar_put(const wb_column *column, const wb_value *value, size_t version,
                                uint8_t *to, wb_err *err)
{
    size_t bytes;
    const char *why = wb_convert_json(value, (char *)to + LENGTH + version, &bytes);
    if (why)
        return wb_refuse(column, value, why, err);
    return wb_put32(to, (uint32_t)(version + bytes)) + version + bytes;
}

static inline uint8_t *json_put(const wb_column *column, const wb_value *value, size_t version,
                                uint8_t *to, wb_err *err)
{
    size_t at;
    if (RARE(value->kind != WB_TEXT))
        return json_scalar_put(column, value, version, to, err);
    if (RARE(value->bytes > WB_TUPLE_MAX_BYTES))
        return wb_refuse(column, value, "1 GiB or more", err);
    const char *why = wb_json_check(value->text, value->bytes, &at);
    if (RARE(why))
        return wb_refuse_at(column, value, why, at, err);
    return blob_put(value, version, to);
}

static inline uint8_t *jsonb_put(const wb_column *column, const wb_value *value, uint8_t *to,
                                 wb_err *err)
{
    uint8_t *end = json_put(column, value, 1, to, err);
    to[LENGTH] = 1; /* the format's version */
    return end;
}

/* code: the column's type, or WB_ARRAY_CODE. */
INLINE uint8_t *value_put(int code, const wb_column *column, const wb_value *value, uint8_t *to,
                          wb_err *err)
{
    switch (code) {
    case WB_ARRAY_CODE:
        return wb_array_put(column, value, wb_field_encode, to, err);
    case WB_TYPE_BOOL:
        return bool_put(column, value, to, err);
    case WB_TYPE_INT2:
        return int2_put(column, value, to, err);
    case WB_TYPE_INT4:
        return int4_put(column, value, to, err);
    case WB_TYPE_INT8:
        return int8_put(column, value, to, err);
    case WB_TYPE_FLOAT4:
        return float4_put(column, value, to, err);
    case WB_TYPE_FLOAT8:
        return float8_put(column, value, to, err);
    case WB_TYPE_TEXT:
        return text_put(column, value, to, err);
    case WB_TYPE_BYTEA:
        return bytea_put(column, value, to, err);
    case WB_TYPE_UUID:
        return uuid_put(column, value, to, err);
    case WB_TYPE_TIMESTAMPTZ:
        return time_put(column, value, to, err);
    case WB_TYPE_DATE:
        return date_put(column, value, to, err);
    case WB_TYPE_JSON:
        return json_put(column, value, 0, to, err);
    case WB_TYPE_JSONB:
        return jsonb_put(column, value, to, err);
    case WB_TYPE_TIMESTAMP:
    case WB_TYPE_TIME:
    case WB_TYPE_NUMERIC:
    case WB_TYPE_INTERVAL:
    case WB_TYPE_INET:
    case WB_TYPE_CIDR:
    case WB_TYPE_MACADDR:
        return wb_parsed_put(column, value, to, err);
    default: /* wb_schema_new lets no other in */
        __builtin_unreachable();
    }
}

int wb_field_encode(const wb_column *column, const wb_value *value, uint8_t *to, size_t *bytes,
                    wb_err *err)
{
    uint8_t *end = value->kind == WB_ABSENT || value->kind == WB_NULL
                       ? wb_refuse_missing(column, value->kind == WB_NULL, err)
                       : value_put(wb_column_code(column), column, value, to, err);
    if (!end)
        return WB_INVALID;
    *bytes = (size_t)(end - to);
    return WB_OK;
}

static int count_refuse(const wb_schema *schema, size_t count, wb_err *err)
{
    return wb_fail(err, WB_INVALID, "%zu values for %u columns", count, (unsigned)schema->count);
}

int wb_row_refuse(const wb_schema *schema, const wb_value *values, size_t count, wb_err *err)
{
    if (count > schema->count)
        return count_refuse(schema, count, err);
    const wb_column *largest = &schema->columns[0].column;
    uint64_t most = 0;
    for (size_t i = 0; i < schema->count; i++) {
        size_t place = schema->columns[i].place;
        if (place >= count || values[place].kind < WB_TEXT)
            continue;
        const wb_value *value = &values[place];
        size_t bytes = value->kind == WB_TEXT ? value->bytes : list_bound(value);
        if (bytes > most) {
            most = bytes;
            largest = &schema->columns[i].column;
        }
    }
    char name[WB_SHOWN_BYTES];
    return wb_fail(err, WB_INVALID,
                   "a row of 1 GiB or more; column %s (%s) has the most of it, %llu bytes",
                   wb_show_text(largest->name, strlen(largest->name), name),
                   wb_type_name(largest->type), (unsigned long long)most);
}
