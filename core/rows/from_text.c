/* SPDX-License-Identifier: MIT
 * See from_text.h. What is short is read here, digit by digit; the rest by rows/decimal.h. No state, no locks. */
#include "rows/from_text.h"

#include <math.h>

#include "base/calendar.h"
#include "base/words.h"
#include "rows/decimal.h"

enum { NUMBER_BYTES = 64, DECIMAL_BYTES = NUMBER_BYTES + WB_DECIMAL_SLACK };

/* Digits that any float of the kind keeps, and powers of ten that a double is exactly. */
enum { SHORT_INT = 18, SHORT_FLOAT = 15, SHORT_FLOAT4 = 6, SHORT_EXPONENT = 22 };

static const double powers[] = {1e0,  1e1,  1e2,  1e3,  1e4,  1e5,  1e6,  1e7,
                                1e8,  1e9,  1e10, 1e11, 1e12, 1e13, 1e14, 1e15,
                                1e16, 1e17, 1e18, 1e19, 1e20, 1e21, 1e22};

static bool read_decimal(const char *text, size_t bytes, uint8_t data[DECIMAL_BYTES])
{
    size_t written;
    return bytes <= NUMBER_BYTES && wb_decimal_read(text, bytes, data, &written) == NULL;
}

/* ---- integers ---- */

/* An optional sign and up to SHORT_INT digits, and nothing else. */
static bool read_short_int(const char *text, size_t bytes, int64_t *out)
{
    bool negative = bytes > 0 && *text == '-';
    int64_t number = 0;
    size_t at = negative;
    if (bytes - at == 0 || bytes - at > SHORT_INT)
        return false;
    for (; at < bytes; at++) {
        if (!wb_is_digit(text[at]))
            return false;
        number = number * 10 + (text[at] - '0');
    }
    *out = negative ? -number : number;
    return true;
}

bool wb_int_from_text(const char *text, size_t bytes, int64_t *out)
{
    uint8_t data[DECIMAL_BYTES];
    return read_short_int(text, bytes, out) ||
           (read_decimal(text, bytes, data) && wb_decimal_int64(data, out));
}

/* ---- floats ---- */

/* Digits with a point among them, few enough that one division of two exact doubles gives the nearest (Clinger 1990, "How
 * to read floating point numbers accurately"). Answers how many digits there are from the first that is not zero; 0: it
 * is no such text. */
static size_t read_short_float(const char *text, size_t bytes, double *out)
{
    bool negative = bytes > 0 && *text == '-', point = false;
    int64_t number = 0;
    size_t digits = 0, decimals = 0;
    for (size_t at = negative; at < bytes; at++) {
        if (text[at] == '.' && !point && at > negative && at + 1 < bytes) {
            point = true;
            continue;
        }
        if (!wb_is_digit(text[at]))
            return 0;
        number = number * 10 + (text[at] - '0');
        digits += number != 0;
        decimals += point;
        if (digits > SHORT_FLOAT || decimals > SHORT_EXPONENT)
            return 0;
    }
    if (digits == 0)
        return 0;
    double quotient = (double)number / powers[decimals];
    *out = negative ? -quotient : quotient;
    return digits;
}

/* A decimal has no -0. */
bool wb_float_from_text(const char *text, size_t bytes, double *out)
{
    uint8_t data[DECIMAL_BYTES];
    if (read_short_float(text, bytes, out) > 0)
        return true;
    if (!read_decimal(text, bytes, data) || !wb_decimal_float(data, out))
        return false;
    wb_trim(&text, &bytes);
    if (*out == 0 && *text == '-')
        *out = -*out;
    return true;
}

bool wb_seconds_from_text(const char *text, size_t bytes, double *out)
{
    uint8_t data[DECIMAL_BYTES];
    if (!read_decimal(text, bytes, data) || !wb_decimal_is_number(data))
        return false;
    *out = wb_decimal_nearest(data);
    return true;
}

/* Does a float4 keep all the digits that are written? What is beyond its range is left to the encoder. */
static bool fits_float4(const char *text, size_t bytes, double number)
{
    uint8_t data[DECIMAL_BYTES];
    float narrow = (float)number;
    double again;
    size_t digits = read_short_float(text, bytes, &again);
    if ((digits > 0 && digits <= SHORT_FLOAT4) || isinf(narrow) || isnan(narrow) || narrow == 0)
        return true;
    return read_decimal(text, bytes, data) && wb_decimal_is_float4(data, narrow);
}

/* ---- by type ---- */

static void read_float(const wb_column *column, wb_value *value)
{
    double number;
    if (!wb_float_from_text(value->text, value->bytes, &number))
        return;
    if (column->type == WB_TYPE_FLOAT4 && !fits_float4(value->text, value->bytes, number))
        return;
    *value = (wb_value){.kind = WB_FLOAT, .f = number};
}

static void read_int(wb_value *value)
{
    int64_t number;
    if (wb_int_from_text(value->text, value->bytes, &number))
        *value = (wb_value){.kind = WB_INT, .i = number};
}

static void read_bool(wb_value *value)
{
    static const char *const words[2][6] = {{"false", "f", "no", "n", "off", "0"},
                                            {"true", "t", "yes", "y", "on", "1"}};
    const char *text = value->text;
    size_t bytes = value->bytes;
    wb_trim(&text, &bytes);
    for (int truth = 0; truth < 2; truth++) {
        for (size_t i = 0; i < 6; i++) {
            if (wb_is_word(text, bytes, words[truth][i])) {
                *value = (wb_value){.kind = WB_BOOL, .i = truth};
                return;
            }
        }
    }
}

/* Seconds since 1970 with a fraction, as nginx's $msec. Digits alone may mean a date, and say nothing. */
static void read_seconds(wb_value *value)
{
    bool point = false;
    double number;
    for (size_t i = value->bytes > 0 && *value->text == '-'; i < value->bytes; i++) {
        if (value->text[i] != '.' && !wb_is_digit(value->text[i]))
            return;
        point = point || value->text[i] == '.';
    }
    if (point && wb_float_from_text(value->text, value->bytes, &number))
        *value = (wb_value){.kind = WB_FLOAT, .f = number};
}

void wb_value_from_text(const wb_column *column, wb_value *value)
{
    if (column->type == WB_TYPE_BOOL)
        read_bool(value);
    else if (column->type <= WB_TYPE_INT8)
        read_int(value);
    else if (column->type <= WB_TYPE_FLOAT8)
        read_float(column, value);
    else if (column->type == WB_TYPE_TIMESTAMPTZ || column->type == WB_TYPE_TIMESTAMP)
        read_seconds(value);
}
