/* SPDX-License-Identifier: MIT
 * A JSON scanner that accepts what PostgreSQL's jsonb does. Pure: no memory, no recursion, no locks.
 * The invariant stands in the header. */
#include "base/json_scan.h"

#include "base/utf8.h"

#include <stdbool.h>
#include <stdint.h>
#include <string.h>

/* What PostgreSQL's numeric can hold: digits before the point (its weight is an int16 of base 10000), digits after it
 * (its scale has 14 bits), and the largest exponent that it reads. */
enum { WHOLE_DIGITS_MAX = 131072, SCALE_MAX = 16383, EXPONENT_MAX = 1073741822 };

static inline const uint8_t *scan_scalar(wb_json_scan *s, const uint8_t *at);
static const uint8_t *scan_escape(wb_json_scan *s, const uint8_t *at);
static const uint8_t *scan_unicode_escape(wb_json_scan *s, const uint8_t *at);
static const uint8_t *scan_number(wb_json_scan *s, const uint8_t *at);
static const uint8_t *scan_real(wb_json_scan *s, const uint8_t *whole, const uint8_t *at);

const uint8_t *wb_json_fail(wb_json_scan *s, const uint8_t *at, const char *wrong)
{
    s->wrong = at < s->end ? wrong : "the text ends too early";
    s->wrong_at = at;
    return NULL;
}

/* ---- structure ---- */

static inline bool in_object(const wb_json_scan *s)
{
    size_t i = s->depth - 1;
    return s->objects[i / 64] >> (i % 64) & 1;
}

/* To the next value: past its name, in an object. */
static inline const uint8_t *to_value(wb_json_scan *s, const uint8_t *at, bool object)
{
    const uint8_t *name_end;
    return object ? wb_json_scan_name(s, at, &name_end) : at;
}

/* From a bracket on: to the first value (*value is true) or past the end of an empty container. */
static inline const uint8_t *open_container(wb_json_scan *s, const uint8_t *at, bool *value)
{
    bool object = *at == '{';
    if (!wb_json_push(s, object))
        return wb_json_fail(s, at, "nested too deep");
    at = wb_json_skip_space(s, at + 1);
    *value = at == s->end || *at != (object ? '}' : ']');
    if (*value)
        return to_value(s, at, object);
    s->depth--;
    return at + 1;
}

/* From the end of a value on: to the next one (*value is true), or past the end of the container. */
static inline const uint8_t *after_value(wb_json_scan *s, const uint8_t *at, bool *value)
{
    bool object = in_object(s);
    at = wb_json_scan_next(s, at, object, value);
    if (*value)
        return to_value(s, at, object);
    s->depth--;
    return at;
}

const uint8_t *wb_json_scan_value(wb_json_scan *s, const uint8_t *at)
{
    size_t depth = s->depth;
    bool value = true; /* expected next, else what follows one */
    while (at && value) {
        at = wb_json_skip_space(s, at);
        value = false;
        bool container = at < s->end && (*at == '{' || *at == '[');
        at = container ? open_container(s, at, &value) : scan_scalar(s, at);
        while (at && !value && s->depth > depth)
            at = after_value(s, at, &value);
    }
    return at;
}

static const uint8_t *scan_word(wb_json_scan *s, const uint8_t *at, const char *word, size_t length)
{
    if ((size_t)(s->end - at) < length || memcmp(at, word, length) != 0)
        return wb_json_fail(s, at, "expected a value");
    return at + length;
}

static inline __attribute__((always_inline)) const uint8_t *scan_scalar(wb_json_scan *s,
                                                                        const uint8_t *at)
{
    if (at == s->end)
        return wb_json_fail(s, at, "expected a value");
    switch (*at) {
    case '"':
        return wb_json_scan_text(s, at + 1);
    case 't':
        return scan_word(s, at, "true", 4);
    case 'f':
        return scan_word(s, at, "false", 5);
    case 'n':
        return scan_word(s, at, "null", 4);
    default:
        return scan_number(s, at);
    }
}

const uint8_t *wb_json_scan_scalar(wb_json_scan *s, const uint8_t *at)
{
    return scan_scalar(s, at);
}

/* ---- strings ---- */

/* A run of sequences of UTF-8. */
static inline const uint8_t *skip_sequences(wb_json_scan *s, const uint8_t *at)
{
    do {
        size_t length = wb_utf8_sequence(at, (size_t)(s->end - at));
        if (length == 0)
            return wb_json_fail(s, at, "not UTF-8");
        at += length;
    } while (at < s->end && *at >= 0x80);
    return at;
}

const uint8_t *wb_json_scan_string(wb_json_scan *s, const uint8_t *at)
{
    while (at) {
        at = wb_json_skip_plain(s, at);
        if (at < s->end && *at == '"')
            return at + 1;
        if (at == s->end || *at < ' ')
            return wb_json_fail(s, at, "control character in a string");
        at = *at == '\\' ? scan_escape(s, at + 1) : skip_sequences(s, at);
    }
    return NULL;
}

/* From after the backslash. */
static const uint8_t *scan_escape(wb_json_scan *s, const uint8_t *at)
{
    s->escaped = true;
    switch (at < s->end ? *at : 0) {
    case 'u':
        return scan_unicode_escape(s, at + 1);
    case '"':
    case '\\':
    case '/':
    case 'b':
    case 'f':
    case 'n':
    case 'r':
    case 't':
        return at + 1;
    default:
        return wb_json_fail(s, at, "unknown escape");
    }
}

/* The code unit of four hex digits, or -1, with the failure noted. */
static int scan_unit(wb_json_scan *s, const uint8_t *at)
{
    int unit = 0;
    for (int i = 0; i < 4; i++, at++) {
        unsigned byte = at < s->end ? *at : 0;
        if ((byte - '0' > 9) & ((byte | 0x20) - 'a' > 5)) {
            wb_json_fail(s, at, "\\u needs four hex digits");
            return -1;
        }
        unit = unit * 16 + (int)((byte & 15) + 9 * (byte >> 6)); /* letters have bit 6 */
    }
    return unit;
}

/* From after \u; to the end of the second escape where it is a pair. */
static const uint8_t *scan_unicode_escape(wb_json_scan *s, const uint8_t *at)
{
    int unit = scan_unit(s, at);
    if (unit < 0)
        return NULL;
    if (unit == 0)
        return wb_json_fail(s, at, "\\u0000 is not text");
    if (unit < 0xD800 || unit > 0xDFFF)
        return at + 4;
    if (unit > 0xDBFF || s->end - at < 6 || at[4] != '\\' || at[5] != 'u')
        return wb_json_fail(s, at, "half a surrogate pair");
    int low = scan_unit(s, at + 6);
    if (low < 0)
        return NULL;
    return low >= 0xDC00 && low <= 0xDFFF ? at + 10 : wb_json_fail(s, at, "half a surrogate pair");
}

/* ---- numbers ---- */

/* The top bit of the first byte that is no digit. A carry or a borrow spoils only bytes after it. */
static inline uint64_t no_digits(uint64_t word)
{
    return ((word + WB_BYTE_ONES * (0x7F - '9')) | (word - WB_BYTE_ONES * '0')) & WB_BYTE_HIGHS;
}

static inline const uint8_t *skip_digits(const wb_json_scan *s, const uint8_t *at)
{
    for (; s->end - at >= 8; at += 8) {
        uint64_t others = no_digits(wb_json_load(at));
        if (others)
            return at + __builtin_ctzll(others) / 8;
    }
    while (at < s->end && *at - (unsigned)'0' <= 9)
        at++;
    return at;
}

static inline const uint8_t *scan_number(wb_json_scan *s, const uint8_t *at)
{
    const uint8_t *whole = at + (*at == '-');
    const uint8_t *end = skip_digits(s, whole);
    if (end == whole)
        return wb_json_fail(s, whole, whole == at ? "expected a value" : "expected a digit");
    if (*whole == '0' && end - whole > 1)
        return wb_json_fail(s, whole, "a number starts with 0");
    bool real = end < s->end && (*end == '.' || *end == 'e' || *end == 'E');
    if (!real && end - whole <= WHOLE_DIGITS_MAX)
        return end;
    return scan_real(s, whole, end);
}

/* The digits of an exponent. Past EXPONENT_MAX its value stops growing. */
static const uint8_t *scan_exponent(wb_json_scan *s, const uint8_t *at, int64_t *exponent)
{
    bool negative = at < s->end && *at == '-';
    if (at < s->end && (*at == '-' || *at == '+'))
        at++;
    const uint8_t *first = at;
    int64_t sum = 0;
    for (; at < s->end && *at - (unsigned)'0' <= 9; at++)
        sum = sum > EXPONENT_MAX ? sum : sum * 10 + (*at - '0');
    *exponent = negative ? -sum : sum;
    return at > first ? at : wb_json_fail(s, at, "expected a digit");
}

/* How many digits stand before the point once the exponent is applied; 0 or less for a number below 0.1,
 * INT64_MIN for zero. */
static int64_t whole_digits(const uint8_t *whole, const uint8_t *point, const uint8_t *end,
                            int64_t exponent)
{
    if (*whole != '0')
        return point - whole + exponent;
    for (const uint8_t *at = point + 1; at < end; at++)
        if (*at != '0')
            return point + 1 - at + exponent;
    return INT64_MIN;
}

/* From the end of a number's whole part: its fraction and exponent, and whether numeric can hold it. */
static const uint8_t *scan_real(wb_json_scan *s, const uint8_t *whole, const uint8_t *at)
{
    const uint8_t *point = at;
    int64_t exponent = 0, decimals = 0;
    if (at < s->end && *at == '.') {
        at = skip_digits(s, at + 1);
        decimals = at - point - 1;
        if (decimals == 0)
            return wb_json_fail(s, at, "expected a digit");
    }
    const uint8_t *fraction_end = at;
    if (at < s->end && (*at == 'e' || *at == 'E'))
        at = scan_exponent(s, at + 1, &exponent);
    if (!at)
        return NULL;
    if (exponent > EXPONENT_MAX || decimals - exponent > SCALE_MAX ||
        whole_digits(whole, point, fraction_end, exponent) > WHOLE_DIGITS_MAX) {
        wb_json_fail(s, whole, "a number beyond what numeric holds");
        return NULL;
    }
    return at;
}
