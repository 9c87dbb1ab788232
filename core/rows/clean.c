/* SPDX-License-Identifier: MIT
 * See clean.h. Invariant: the values that were given are only read; what is made of them lies in one piece of memory, whose
 * room was counted before. No locks. */
#include "rows/clean.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/calendar.h"
#include "base/env.h"
#include "base/show.h"
#include "base/utf8.h"
#include "base/words.h"
#include "rows/decimal.h"
#include "rows/row.h"
#include "rows/types.h"

/* U+FFFD, for each byte that is no UTF-8, and for a NUL. */
static const char replacement[] = "\xef\xbf\xbd";

enum { REPLACEMENT_BYTES = sizeof replacement - 1, MOST_DIGITS = 40, NUMBER_BYTES = 64 };

/* ---- numbers ---- */

/* A number's text taken apart: its value is 0.digits times ten to the exponent. */
struct decimal {
    bool negative;
    char digits[MOST_DIGITS + 1]; /* without zeros at either end */
    int count;
    long exponent;
};

static bool add_digit(struct decimal *decimal, char digit, int *zeros)
{
    if (decimal->count == 0 && digit == '0')
        return true;
    if (digit == '0') {
        ++*zeros;
        return true;
    }
    if (decimal->count + *zeros >= MOST_DIGITS)
        return false;
    memset(decimal->digits + decimal->count, '0', (size_t)*zeros);
    decimal->count += *zeros;
    decimal->digits[decimal->count++] = digit;
    *zeros = 0;
    return true;
}

/* The digits, with a point among them; *at ends behind them. */
static bool read_digits(const char **at, const char *end, struct decimal *decimal)
{
    bool point = false, any = false;
    int zeros = 0;
    for (; *at < end; ++*at) {
        char c = **at;
        if (c == '.' && !point) {
            point = true;
            continue;
        }
        if (c < '0' || c > '9')
            break;
        any = true;
        bool leading = decimal->count == 0 && c == '0';
        decimal->exponent += point ? -leading : !leading;
        if (!add_digit(decimal, c, &zeros))
            return false;
    }
    return any;
}

static bool read_exponent(const char *at, const char *end, long *exponent)
{
    bool negative = at < end && *at == '-';
    long sum = 0;
    at += at < end && (*at == '-' || *at == '+');
    if (at == end || end - at > 6)
        return false;
    for (; at < end && *at >= '0' && *at <= '9'; at++)
        sum = sum * 10 + (*at - '0');
    *exponent += negative ? -sum : sum;
    return at == end;
}

static bool read_decimal(const char *text, size_t bytes, struct decimal *decimal)
{
    const char *at = text, *end = text + bytes;
    *decimal = (struct decimal){.negative = bytes > 0 && *text == '-'};
    at += bytes > 0 && (*at == '-' || *at == '+');
    if (!read_digits(&at, end, decimal))
        return false;
    if (at < end && (*at == 'e' || *at == 'E'))
        return read_exponent(at + 1, end, &decimal->exponent);
    return at == end;
}

/* Does the number have these digits, where it is written with as many? */
static bool has_digits(double number, const struct decimal *decimal)
{
    char text[MOST_DIGITS + 16], digits[MOST_DIGITS + 16] = {0};
    int count = 0, at = 0;
    snprintf(text, sizeof text, "%.*e", decimal->count - 1, fabs(number));
    for (; text[at] != 'e' && text[at] != '\0'; at++)
        if (text[at] >= '0' && text[at] <= '9')
            digits[count++] = text[at];
    return count == decimal->count && memcmp(digits, decimal->digits, (size_t)count) == 0 &&
           strtol(text + at + 1, NULL, 10) == decimal->exponent - 1;
}

static bool word_of_float(const char *text, size_t bytes, double *out)
{
    if (wb_is_word(text, bytes, "nan"))
        *out = NAN;
    else if (wb_is_word(text, bytes, "infinity") || wb_is_word(text, bytes, "inf"))
        *out = INFINITY;
    else if (wb_is_word(text, bytes, "-infinity") || wb_is_word(text, bytes, "-inf"))
        *out = -INFINITY;
    else
        return false;
    return true;
}

/* Written without a point, whatever the locale's is. */
bool wb_float_of_text(const char *text, size_t bytes, double *out)
{
    char plain[NUMBER_BYTES];
    struct decimal decimal;
    if (!read_decimal(text, bytes, &decimal))
        return word_of_float(text, bytes, out);
    if (decimal.count == 0) {
        *out = decimal.negative ? -0.0 : 0.0;
        return true;
    }
    snprintf(plain, sizeof plain, "%s%.*se%ld", decimal.negative ? "-" : "", decimal.count,
             decimal.digits, decimal.exponent - decimal.count);
    double number = strtod(plain, NULL);
    if (!has_digits(number, &decimal))
        return false;
    *out = number;
    return true;
}

static void clean_int(wb_value *value)
{
    uint8_t data[NUMBER_BYTES + WB_DECIMAL_SLACK];
    size_t bytes;
    int64_t number;
    if (value->bytes > NUMBER_BYTES || wb_decimal_read(value->text, value->bytes, data, &bytes))
        return;
    if (wb_decimal_int64(data, (uint32_t)bytes, &number))
        *value = (wb_value){.kind = WB_INT, .i = number};
}

static void clean_float(wb_value *value)
{
    double number;
    if (wb_float_of_text(value->text, value->bytes, &number))
        *value = (wb_value){.kind = WB_FLOAT, .f = number};
}

static void clean_bool(wb_value *value)
{
    static const char *const words[2][6] = {{"false", "f", "no", "n", "off", "0"},
                                            {"true", "t", "yes", "y", "on", "1"}};
    for (int truth = 0; truth < 2; truth++)
        for (size_t i = 0; i < 6; i++)
            if (value->kind == WB_TEXT && wb_is_word(value->text, value->bytes, words[truth][i]))
                *value = (wb_value){.kind = WB_BOOL, .i = truth};
}

/* Seconds since 1970 with a fraction, as nginx's $msec. Digits alone may mean a date, and say nothing. */
static void clean_time(wb_value *value)
{
    bool point = false;
    for (size_t i = 0; i < value->bytes; i++) {
        if (value->text[i] != '.' && !wb_is_digit(value->text[i]))
            return;
        point = point || value->text[i] == '.';
    }
    if (point)
        clean_float(value);
}

/* ---- text ---- */

/* The text as it is written, in at most `max` characters (0: any number). `to` may be NULL: it is measured. Answers its
 * length. */
static size_t fit_text(const wb_value *value, uint32_t max, char *to)
{
    size_t bytes = 0, characters = 0;
    const uint8_t *at = (const uint8_t *)value->text, *end = at + value->bytes;
    while (at < end && (max == 0 || characters < max)) {
        size_t sequence = *at >= 0x80 ? wb_utf8_sequence(at, (size_t)(end - at)) : *at != '\0';
        const void *from = sequence > 0 ? (const void *)at : replacement;
        size_t length = sequence > 0 ? sequence : REPLACEMENT_BYTES;
        if (to != NULL)
            memcpy(to + bytes, from, length);
        bytes += length;
        at += sequence > 0 ? sequence : 1;
        characters++;
    }
    return bytes;
}

static bool fits(const wb_value *value, uint32_t max)
{
    if (wb_utf8_check(value->text, value->bytes) != value->bytes)
        return false;
    return max == 0 || value->bytes <= max || fit_text(value, max, NULL) == value->bytes;
}

static void take(wb_cleaned *cleaned, wb_value *value, size_t bytes)
{
    value->kind = WB_TEXT;
    value->text = cleaned->texts + cleaned->used;
    value->bytes = (uint32_t)bytes;
    cleaned->used += bytes;
}

static void clean_text(const wb_column *column, wb_value *value, wb_cleaned *cleaned)
{
    char *to = cleaned->texts + cleaned->used, number[WB_NUMBER_BYTES];
    const wb_column whole = {.type = WB_TYPE_INT8};
    size_t bytes = 0;
    if (value->kind == WB_TEXT) {
        if (fits(value, column->max))
            return;
        bytes = fit_text(value, column->max, to);
        cleaned->changed++;
    } else if (value->kind == WB_INT) {
        bytes = wb_type_text(whole.type, value, to);
    } else {
        bytes = wb_number_format(value->f, number);
        memcpy(to, number, bytes);
    }
    take(cleaned, value, bytes);
}

/* ---- all ---- */

static bool is_text(const wb_column *column)
{
    return column->type == WB_TYPE_TEXT && column->cast == NULL;
}

/* Of a text column: may clean_text change it? What is too long for any tuple stays, for the encoder to refuse. */
static bool becomes_text(const wb_value *value)
{
    if (value->kind == WB_TEXT)
        return value->bytes <= WB_TUPLE_MAX_BYTES;
    return value->kind == WB_INT || value->kind == WB_FLOAT;
}

/* What clean_text may need. */
static size_t room_of(const wb_column *column, const wb_value *value)
{
    if (!is_text(column) || !becomes_text(value))
        return 0;
    if (value->kind != WB_TEXT)
        return WB_TYPE_TEXT_BYTES;
    return fits(value, column->max) ? 0 : (size_t)value->bytes * REPLACEMENT_BYTES;
}

static void clean_value(const wb_column *column, wb_value *value, wb_cleaned *cleaned)
{
    if (is_text(column)) {
        if (becomes_text(value))
            clean_text(column, value, cleaned);
        return;
    }
    if (value->kind != WB_TEXT)
        return;
    if (column->type == WB_TYPE_BOOL)
        clean_bool(value);
    else if (column->type <= WB_TYPE_INT8)
        clean_int(value);
    else if (column->type <= WB_TYPE_FLOAT8)
        clean_float(value);
    else if (column->type == WB_TYPE_TIMESTAMPTZ || column->type == WB_TYPE_TIMESTAMP)
        clean_time(value);
}

static const wb_column *lenient_column(const wb_schema *schema, size_t index, size_t count)
{
    const wb_column_plan *plan = &schema->columns[index];
    bool applies = plan->column.lenient && !plan->column.array && plan->place < count;
    return applies ? &plan->column : NULL;
}

static bool make_room(const wb_schema *schema, const wb_value *values, size_t count,
                      wb_cleaned *cleaned)
{
    size_t bytes = 0;
    for (size_t i = 0; i < schema->count; i++) {
        const wb_column *column = lenient_column(schema, i, count);
        bytes += column != NULL ? room_of(column, &values[schema->columns[i].place]) : 0;
    }
    cleaned->values =
        count <= WB_CLEAN_LOCAL ? cleaned->local : wb_alloc(count * sizeof *cleaned->values);
    cleaned->texts = bytes > 0 ? wb_alloc(bytes) : NULL;
    if (cleaned->values != NULL && (bytes == 0 || cleaned->texts != NULL))
        return true;
    wb_cleaned_fini(cleaned);
    return false;
}

bool wb_clean(const wb_schema *schema, const wb_value *values, size_t count, wb_cleaned *cleaned)
{
    cleaned->changed = cleaned->used = 0;
    cleaned->values = NULL;
    cleaned->texts = NULL;
    if (!make_room(schema, values, count, cleaned))
        return false;
    if (count > 0)
        memcpy(cleaned->values, values, count * sizeof *values);
    for (size_t i = 0; i < schema->count; i++) {
        const wb_column *column = lenient_column(schema, i, count);
        if (column != NULL)
            clean_value(column, &cleaned->values[schema->columns[i].place], cleaned);
    }
    return true;
}

void wb_cleaned_fini(wb_cleaned *cleaned)
{
    if (cleaned->values != cleaned->local)
        wb_free(cleaned->values);
    wb_free(cleaned->texts);
    cleaned->values = NULL;
    cleaned->texts = NULL;
}
