/* SPDX-License-Identifier: MIT
 * Conversions and refusals of values, for the row encoder. Invariant: a conversion changes no value, but that a time
 * is rounded to µs and an integer may be rounded to a float. No state, no locks, no memory. A conversion that fails
 * leaves its output as it was. */
#include "rows/convert.h"

#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "base/timestamp.h"
#include "base/words.h"
#include "rows/decimal.h"

/* The least float that is too large for an int64. */
#define TWO_TO_63 9223372036854775808.0

static const char *time_of_int(int64_t seconds, int64_t *unix_us);
static void refuse(const wb_column *column, const wb_value *value, const char *why, wb_err *err);

const char *wb_convert_int(const wb_value *value, int64_t *out)
{
    if (value->kind == WB_INT) {
        *out = value->i;
        return NULL;
    }
    if (value->kind != WB_FLOAT)
        return "not a number";
    double number = value->f;
    if (isnan(number))
        return "not a whole number";
    if (!(number >= -TWO_TO_63 && number < TWO_TO_63))
        return "outside the 64-bit integers";
    if ((double)(int64_t)number != number)
        return "not a whole number";
    *out = (int64_t)number;
    return NULL;
}

const char *wb_convert_float(const wb_value *value, double *out)
{
    if (value->kind != WB_INT)
        return "not a number";
    *out = (double)value->i;
    return NULL;
}

/* A text that stands for no time. */
static bool infinity(const wb_value *value, int64_t *out)
{
    if (wb_is_word(value->text, value->bytes, "infinity"))
        *out = WB_TIME_INFINITY;
    else if (wb_is_word(value->text, value->bytes, "-infinity"))
        *out = WB_TIME_MINUS_INFINITY;
    else
        return false;
    return true;
}

/* An infinity is no number of seconds: it is what a division by 0 makes. As text it is a time. */
static const char *time_of_number(const wb_value *value, int64_t *unix_us)
{
    if (value->kind == WB_INT)
        return time_of_int(value->i, unix_us);
    if (wb_timestamp_of_seconds(value->f, unix_us))
        return NULL;
    return "not seconds since 1970 within the years 0001 to 9999";
}

const char *wb_convert_time(const wb_value *value, int64_t *unix_us)
{
    if (value->kind == WB_INT || value->kind == WB_FLOAT)
        return time_of_number(value, unix_us);
    if (value->kind != WB_TEXT)
        return "neither seconds since 1970 nor RFC 3339 text";
    if (wb_timestamp_parse(value->text, value->bytes, unix_us) || infinity(value, unix_us))
        return NULL;
    int64_t wall;
    return wb_wall_parse(value->text, value->bytes, &wall)
               ? "a time without a zone"
               : "not an RFC 3339 time within the years 0001 to 9999";
}

const char *wb_convert_wall(const wb_value *value, int64_t *unix_us)
{
    if (value->kind == WB_INT || value->kind == WB_FLOAT)
        return time_of_number(value, unix_us);
    if (value->kind != WB_TEXT)
        return "neither seconds since 1970 nor text, as YYYY-MM-DD HH:MM:SS";
    if (wb_wall_parse(value->text, value->bytes, unix_us) || infinity(value, unix_us))
        return NULL;
    return "not a time as YYYY-MM-DD HH:MM:SS within the years 0001 to 9999";
}

const char *wb_convert_clock(const wb_value *value, int64_t *us)
{
    static const char why[] = "neither seconds since midnight, 0 to 86400, nor text as HH:MM:SS";
    if (value->kind == WB_TEXT)
        return wb_clock_parse(value->text, value->bytes, us) ? NULL : why;
    double seconds = value->kind == WB_INT ? (double)value->i : value->f;
    bool number = value->kind == WB_INT || value->kind == WB_FLOAT;
    if (!number || !(seconds >= 0 && seconds <= WB_DAY_SECONDS))
        return why;
    return wb_us_of_seconds(seconds, us) ? NULL : why;
}

const char *wb_convert_duration(const wb_value *value, int64_t *us)
{
    static const char too_long[] = "seconds beyond what 64 bits of microseconds hold";
    if (value->kind == WB_INT)
        return __builtin_mul_overflow(value->i, WB_SECOND_US, us) ? too_long : NULL;
    if (value->kind != WB_FLOAT || isnan(value->f))
        return "neither seconds nor text, as '1 day 02:00:00' or P1DT2H";
    return wb_us_of_seconds(value->f, us) ? NULL : too_long;
}

const char *wb_convert_numeric(const wb_value *value, uint8_t *to, size_t *bytes)
{
    char text[WB_NUMBER_BYTES];
    switch (value->kind) {
    case WB_TEXT:
        return wb_decimal_read(value->text, value->bytes, to, bytes);
    case WB_INT:
        return wb_decimal_read(text, (size_t)sprintf(text, "%" PRId64, value->i), to, bytes);
    case WB_FLOAT:
        return wb_decimal_read(text, wb_number_format(value->f, text), to, bytes);
    default:
        return "neither a number nor decimal text";
    }
}

static const char *time_of_int(int64_t seconds, int64_t *unix_us)
{
    if (seconds < WB_TIME_MIN_US / WB_SECOND_US || seconds > WB_TIME_MAX_US / WB_SECOND_US)
        return "seconds since 1970 outside the years 0001 to 9999";
    *unix_us = seconds * WB_SECOND_US;
    return NULL;
}

const char *wb_convert_date(const wb_value *value, int64_t *days)
{
    int32_t parsed;
    int64_t number;
    if (value->kind == WB_TEXT && wb_date_parse(value->text, value->bytes, &parsed)) {
        *days = parsed;
        return NULL;
    }
    if (value->kind == WB_TEXT)
        return infinity(value, days) ? NULL
                                     : "not a date as YYYY-MM-DD within the years 0001 to 9999";
    if (wb_convert_int(value, &number))
        return "neither whole days since 1970 nor text as YYYY-MM-DD";
    if (number < WB_TIME_MIN_US / WB_DAY_US || number > WB_TIME_MAX_US / WB_DAY_US)
        return "days since 1970 outside the years 0001 to 9999";
    *days = number;
    return NULL;
}

const char *wb_convert_json(const wb_value *value, char out[WB_NUMBER_BYTES], size_t *bytes)
{
    switch (value->kind) {
    case WB_BOOL:
        *bytes = (size_t)sprintf(out, "%s", value->i ? "true" : "false");
        return NULL;
    case WB_INT:
        *bytes = (size_t)sprintf(out, "%" PRId64, value->i);
        return NULL;
    case WB_FLOAT:
        if (!isfinite(value->f))
            return "not a JSON number";
        *bytes = wb_number_format(value->f, out);
        return NULL;
    default:
        return "not JSON text";
    }
}

static size_t characters(const wb_value *value)
{
    size_t count = 0;
    for (size_t i = 0; i < value->bytes; i++)
        count += ((uint8_t)value->text[i] & 0xc0) != 0x80;
    return count;
}

static bool is_listed(const char *const *values, const wb_value *value)
{
    for (; *values != NULL; values++)
        if (strlen(*values) == value->bytes && memcmp(*values, value->text, value->bytes) == 0)
            return true;
    return false;
}

/* As many as a message takes. */
static void list_values(const char *const *values, char *out, size_t size)
{
    size_t used = 0;
    for (const char *before = "none of"; *values != NULL && used < size; values++, before = ",")
        used += (size_t)snprintf(out + used, size - used, "%s \"%s\"", before, *values);
}

bool wb_text_allowed(const wb_column *column, const wb_value *value, wb_err *err)
{
    char why[128];
    if (column->max > 0 && value->bytes > column->max && characters(value) > column->max)
        snprintf(why, sizeof why, "%zu characters, more than %u", characters(value),
                 (unsigned)column->max);
    else if (column->values != NULL && !is_listed(column->values, value))
        list_values(column->values, why, sizeof why);
    else
        return true;
    refuse(column, value, why, err);
    return false;
}

uint8_t *wb_refuse(const wb_column *column, const wb_value *value, const char *why, wb_err *err)
{
    refuse(column, value, why, err);
    return NULL;
}

uint8_t *wb_refuse_at(const wb_column *column, const wb_value *value, const char *why, size_t at,
                      wb_err *err)
{
    char text[128];
    snprintf(text, sizeof text, "%s at byte %zu", why, at + 1);
    refuse(column, value, text, err);
    return NULL;
}

uint8_t *wb_refuse_missing(const wb_column *column, bool null, wb_err *err)
{
    char name[WB_SHOWN_BYTES], type[WB_SHOWN_BYTES];
    wb_show_text(column->name, strlen(column->name), name);
    wb_fail(err, WB_INVALID, "column %s (%s) %s", name, wb_column_type(column, type, sizeof type),
            null ? "can't be NULL" : "is required");
    return NULL;
}

static void refuse(const wb_column *column, const wb_value *value, const char *why, wb_err *err)
{
    char name[WB_SHOWN_BYTES], shown[WB_SHOWN_BYTES], type[WB_SHOWN_BYTES];
    wb_show_text(column->name, strlen(column->name), name);
    wb_fail(err, WB_INVALID, "column %s (%s) can't hold %s: %s", name,
            wb_column_type(column, type, sizeof type), wb_show_value(value, shown), why);
}
