/* SPDX-License-Identifier: MIT
 * PostgreSQL's numeric from text and to text. One pass over a text finds its parts, a second one writes its digits: time
 * is linear, and nothing is copied. No state, no locks; only the buffer of wb_decimal_put can fail for want of memory. */
#include "rows/decimal.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/calendar.h"
#include "base/show.h"
#include "base/words.h"
#include "rows/decimal_form.h"

enum { HEADER_BYTES = WB_DECIMAL_HEADER_BYTES, DIGIT_DECIMALS = 4, MAX_SCALE = 16383 };

/* A double is looked for where there are no more digits, and its text has this room. */
enum { FLOAT_DIGITS = 64, FLOAT_ROOM = FLOAT_DIGITS + 32 };

/* PostgreSQL refuses exponents from here on, even of zero. */
#define MAX_EXPONENT (INT32_MAX / 2)

#define NOT_DECIMAL "not a decimal number"

/* A number's text. Its digits go from the first that is not zero to the last such; `top` is the power of ten that the first
 * stands for. */
typedef struct parts {
    const char *first; /* NULL: the number is zero */
    const char *last;
    int64_t top;
    int64_t scale;
    bool negative;
} parts;

static bool read_special(const char *text, size_t bytes, uint8_t *to);
static const char *find_parts(const char *text, size_t bytes, parts *p);
static size_t write_digits(const parts *p, uint8_t *to);

/* Rounded down, for powers below zero too. */
static int64_t weight_of(int64_t power)
{
    return (power >= 0 ? power : power - (DIGIT_DECIMALS - 1)) / DIGIT_DECIMALS;
}

/* ---- reading ---- */

const char *wb_decimal_read(const char *text, size_t bytes, uint8_t *to, size_t *written)
{
    parts p = {0};
    wb_trim(&text, &bytes);
    if (read_special(text, bytes, to)) {
        *written = HEADER_BYTES;
        return NULL;
    }
    const char *why = find_parts(text, bytes, &p);
    if (why != NULL)
        return why;
    if (p.scale > MAX_SCALE)
        return "more than 16383 digits after the point";
    if (p.first == NULL) {
        wb_decimal_put_header(to, 0, 0, WB_DECIMAL_POSITIVE, p.scale);
        *written = HEADER_BYTES;
        return NULL;
    }
    int64_t weight = weight_of(p.top);
    if (weight > WB_DECIMAL_MAX_WEIGHT)
        return "more than 131072 digits before the point";
    size_t digits = write_digits(&p, to + HEADER_BYTES);
    wb_decimal_put_header(to, digits, weight,
                          p.negative ? WB_DECIMAL_NEGATIVE : WB_DECIMAL_POSITIVE, p.scale);
    *written = HEADER_BYTES + 2 * digits;
    return NULL;
}

static bool read_special(const char *text, size_t bytes, uint8_t *to)
{
    if (wb_is_word(text, bytes, "nan")) {
        wb_decimal_put_header(to, 0, 0, WB_DECIMAL_NAN, 0);
        return true;
    }
    bool negative = bytes > 0 && *text == '-';
    if (bytes > 0 && (negative || *text == '+')) {
        text++;
        bytes--;
    }
    if (!wb_is_word(text, bytes, "infinity") && !wb_is_word(text, bytes, "inf"))
        return false;
    wb_decimal_put_header(to, 0, 0, negative ? WB_DECIMAL_MINUS_INFINITY : WB_DECIMAL_PLUS_INFINITY,
                          WB_DECIMAL_INFINITY_SCALE);
    return true;
}

/* The digits after an e or E, to the text's end. */
static const char *read_exponent(const char *at, const char *end, int64_t *out)
{
    int64_t sum = 0;
    bool negative = at < end && *at == '-';
    if (at < end && (negative || *at == '+'))
        at++;
    if (at == end)
        return NOT_DECIMAL;
    for (; at < end; at++) {
        if (!wb_is_digit(*at))
            return NOT_DECIMAL;
        sum = sum * 10 + (*at - '0');
        if (sum >= MAX_EXPONENT)
            return "an exponent that is too large";
    }
    *out = negative ? -sum : sum;
    return NULL;
}

/* Goes over digits and a point. Counts the digits, and those after the point. */
static const char *scan_digits(const char *at, const char *end, parts *p, int64_t *fraction)
{
    const char *start = at, *point = NULL;
    for (; at < end && (wb_is_digit(*at) || (*at == '.' && point == NULL)); at++) {
        if (*at == '.') {
            point = at;
        } else if (*at != '0') {
            p->first = p->first != NULL ? p->first : at;
            p->last = at;
        }
    }
    if (at - start == (point != NULL)) /* no digit at all */
        return NULL;
    const char *ones = point != NULL ? point : at; /* a digit before it is a power from 0 on */
    *fraction = point != NULL ? at - point - 1 : 0;
    if (p->first != NULL)
        p->top = ones - p->first - (p->first < ones);
    return at;
}

static const char *find_parts(const char *text, size_t bytes, parts *p)
{
    const char *end = text + bytes;
    int64_t fraction = 0, exponent = 0;
    p->negative = text < end && *text == '-';
    if (text < end && (p->negative || *text == '+'))
        text++;
    const char *at = scan_digits(text, end, p, &fraction);
    if (at == NULL)
        return NOT_DECIMAL;
    if (at < end) {
        if (*at != 'e' && *at != 'E')
            return NOT_DECIMAL;
        const char *why = read_exponent(at + 1, end, &exponent);
        if (why != NULL)
            return why;
    }
    p->top += exponent;
    p->scale = fraction > exponent ? fraction - exponent : 0;
    return NULL;
}

/* A base-10000 digit ends where the power of ten is a multiple of four. Answers how many were written. */
static size_t write_digits(const parts *p, uint8_t *to)
{
    const uint8_t *start = to;
    int64_t power = p->top;
    unsigned digit = 0;
    for (const char *at = p->first; at <= p->last; at++) {
        if (*at == '.')
            continue;
        digit = digit * 10 + (unsigned)(*at - '0');
        if (power-- % DIGIT_DECIMALS == 0) {
            to = wb_put16(to, (uint16_t)digit);
            digit = 0;
        }
    }
    if ((power + 1) % DIGIT_DECIMALS != 0) { /* the last one has zeros to come */
        for (; (power + 1) % DIGIT_DECIMALS != 0; power--)
            digit *= 10;
        to = wb_put16(to, (uint16_t)digit);
    }
    return (size_t)(to - start) / 2;
}

/* ---- writing ---- */

static void put_four(char out[DIGIT_DECIMALS], unsigned digit)
{
    out[0] = (char)('0' + digit / 1000);
    out[1] = (char)('0' + digit / 100 % 10);
    out[2] = (char)('0' + digit / 10 % 10);
    out[3] = (char)('0' + digit % 10);
}

/* Before the point: the first digit without its zeros in front. */
static void put_whole(wb_buffer *out, const uint8_t *data)
{
    char four[DIGIT_DECIMALS];
    int weight = wb_decimal_weight(data), zeros = 0;
    if (weight < 0 || wb_decimal_count(data) == 0) {
        wb_buffer_put_char(out, '0');
        return;
    }
    put_four(four, wb_decimal_digit(data, weight));
    while (four[zeros] == '0')
        zeros++;
    wb_buffer_put(out, four + zeros, (size_t)(DIGIT_DECIMALS - zeros));
    while (--weight >= 0) {
        put_four(four, wb_decimal_digit(data, weight));
        wb_buffer_put(out, four, sizeof four);
    }
}

static void put_fraction(wb_buffer *out, const uint8_t *data)
{
    char four[DIGIT_DECIMALS];
    int weight = -1;
    size_t left = wb_decimal_scale(data);
    if (left > 0)
        wb_buffer_put_char(out, '.');
    for (; left > 0; weight--) {
        size_t bytes = left < sizeof four ? left : sizeof four;
        put_four(four, wb_decimal_digit(data, weight));
        wb_buffer_put(out, four, bytes);
        left -= bytes;
    }
}

void wb_decimal_put(wb_buffer *out, const uint8_t *data)
{
    switch (wb_decimal_sign(data)) {
    case WB_DECIMAL_NAN:
        wb_buffer_put_text(out, "NaN");
        return;
    case WB_DECIMAL_PLUS_INFINITY:
        wb_buffer_put_text(out, "Infinity");
        return;
    case WB_DECIMAL_MINUS_INFINITY:
        wb_buffer_put_text(out, "-Infinity");
        return;
    case WB_DECIMAL_NEGATIVE:
        wb_buffer_put_char(out, '-');
        break;
    default:
        break;
    }
    put_whole(out, data);
    put_fraction(out, data);
}

/* ---- asking ---- */

bool wb_decimal_is_number(const uint8_t *data)
{
    unsigned sign = wb_decimal_sign(data);
    return sign == WB_DECIMAL_POSITIVE || sign == WB_DECIMAL_NEGATIVE;
}

bool wb_decimal_int64(const uint8_t *data, int64_t *out)
{
    unsigned sign = wb_decimal_sign(data);
    int digits = wb_decimal_count(data), weight = wb_decimal_weight(data);
    int64_t sum = 0;
    if (!wb_decimal_is_number(data) || (digits > 0 && digits > weight + 1))
        return false;
    if (weight > 4) /* 10000 ^ 5 is too large */
        return false;
    for (; digits > 0 && weight >= 0; weight--) {
        int64_t digit = wb_decimal_digit(data, weight);
        if (__builtin_mul_overflow(sum, 10000, &sum) ||
            __builtin_add_overflow(sum, sign == WB_DECIMAL_NEGATIVE ? -digit : digit, &sum))
            return false;
    }
    *out = sum;
    return true;
}

/* Do two numbers differ in the display scale alone? */
static bool is_same(const uint8_t *a, const uint8_t *b)
{
    size_t bytes = 2 * (size_t)wb_decimal_count(a);
    return memcmp(a, b, WB_DECIMAL_SCALE_OFFSET) == 0 &&
           memcmp(a + HEADER_BYTES, b + HEADER_BYTES, bytes) == 0;
}

/* Without a point: strtod would want the locale's. */
double wb_decimal_nearest(const uint8_t *data)
{
    char text[FLOAT_ROOM], *at = text;
    int digits = wb_decimal_count(data), weight = wb_decimal_weight(data);
    if (wb_decimal_sign(data) == WB_DECIMAL_NEGATIVE)
        *at++ = '-';
    for (int i = 0; i < digits; i++, at += DIGIT_DECIMALS)
        put_four(at, wb_decimal_digit(data, weight - i));
    sprintf(at, "e%d", (weight - digits + 1) * DIGIT_DECIMALS);
    return strtod(text, NULL);
}

/* Is a float, written with as many digits as the number has, the same number? */
static bool is_written_as(const uint8_t *data, double number)
{
    char text[FLOAT_ROOM];
    uint8_t back[FLOAT_ROOM + WB_DECIMAL_SLACK];
    size_t written;
    snprintf(text, sizeof text, "%.*e", wb_decimal_digits(data) - 1, number);
    return !wb_decimal_read(text, wb_number_point(text), back, &written) && is_same(data, back);
}

bool wb_decimal_float(const uint8_t *data, double *out)
{
    int count = wb_decimal_digits(data);
    double number = 0;
    if (!wb_decimal_is_number(data)) {
        unsigned sign = wb_decimal_sign(data);
        number = sign == WB_DECIMAL_NAN             ? NAN
                 : sign == WB_DECIMAL_PLUS_INFINITY ? INFINITY
                                                    : -INFINITY;
    } else if (count > FLOAT_DIGITS) {
        return false;
    } else if (count > 0) {
        number = wb_decimal_nearest(data);
        if (!is_written_as(data, number))
            return false;
    }
    *out = number;
    return true;
}

bool wb_decimal_is_float4(const uint8_t *data, float number)
{
    int count = wb_decimal_digits(data);
    return count > 0 && count <= FLOAT_DIGITS && is_written_as(data, (double)number);
}

int wb_decimal_digits(const uint8_t *data)
{
    int digits = wb_decimal_count(data);
    if (digits == 0)
        return 0;
    unsigned first = wb_get16(data + HEADER_BYTES);
    unsigned last = wb_get16(data + HEADER_BYTES + 2 * (digits - 1));
    int count = digits * DIGIT_DECIMALS;
    for (unsigned limit = 1000; first < limit; limit /= 10)
        count--;
    for (; last % 10 == 0; last /= 10)
        count--;
    return count;
}
