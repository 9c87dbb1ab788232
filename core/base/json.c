/* SPDX-License-Identifier: MIT
 * A JSON scanner that accepts what PostgreSQL's jsonb does. Pure: no memory, no recursion, no locks.
 * Invariant: `depth` containers are open, and bit d of `objects` says whether the one at depth d is an object. A
 * scanning function is given the place of its first byte and answers the place after its last; or NULL, after `fail`
 * has noted why. */
#include "base/json.h"

#include "base/json_bytes.h"
#include "base/utf8.h"

#include <stdbool.h>
#include <stdint.h>
#include <string.h>

/* What PostgreSQL's numeric can hold: digits before the point (its weight is an int16 of base 10000), digits after it
 * (its scale has 14 bits), and the largest exponent that it reads. */
enum { WHOLE_DIGITS_MAX = 131072, SCALE_MAX = 16383, EXPONENT_MAX = 1073741822 };

typedef struct scan {
    const uint8_t *end;
    const char *wrong;       /* what was wrong */
    const uint8_t *wrong_at; /* and where */
    size_t depth;
    uint64_t objects[WB_JSON_DEPTH / 64];
} scan;

static const uint8_t *scan_document(scan *s, const uint8_t *at);
static const uint8_t *scan_key(scan *s, const uint8_t *at);
static const uint8_t *scan_scalar(scan *s, const uint8_t *at);
static const uint8_t *scan_string(scan *s, const uint8_t *at);
static const uint8_t *scan_escape(scan *s, const uint8_t *at);
static const uint8_t *scan_unicode_escape(scan *s, const uint8_t *at);
static const uint8_t *scan_number(scan *s, const uint8_t *at);
static const uint8_t *scan_real(scan *s, const uint8_t *whole, const uint8_t *at);

static const uint8_t *fail(scan *s, const uint8_t *at, const char *wrong)
{
    s->wrong = at < s->end ? wrong : "the text ends too early";
    s->wrong_at = at;
    return NULL;
}

const char *wb_json_check(const char *text, size_t bytes, size_t *at)
{
    const uint8_t *start = (const uint8_t *)text;
    scan s; /* its bits are set as they come into use */
    s.end = start + bytes;
    s.wrong = NULL;
    s.wrong_at = start;
    s.depth = 0;
    if (scan_document(&s, start))
        return NULL;
    *at = (size_t)(s.wrong_at - start);
    return s.wrong;
}

/* ---- structure ---- */

static inline const uint8_t *skip_space(const scan *s, const uint8_t *at)
{
    while (at < s->end && *at <= ' ' && (*at == ' ' || *at == '\n' || *at == '\r' || *at == '\t'))
        at++;
    return at;
}

static inline bool in_object(const scan *s)
{
    size_t i = s->depth - 1;
    return s->objects[i / 64] >> (i % 64) & 1;
}

static inline bool push(scan *s, bool object)
{
    size_t i = s->depth;
    if (i == WB_JSON_DEPTH)
        return false;
    uint64_t bit = UINT64_C(1) << (i % 64);
    s->objects[i / 64] = object ? s->objects[i / 64] | bit : s->objects[i / 64] & ~bit;
    s->depth++;
    return true;
}

/* From a bracket on: to the first element (*value is true) or past the end of an empty container. */
static inline const uint8_t *open_container(scan *s, const uint8_t *at, bool *value)
{
    bool object = *at == '{';
    if (!push(s, object))
        return fail(s, at, "nested too deep");
    at = skip_space(s, at + 1);
    *value = at == s->end || *at != (object ? '}' : ']');
    if (*value)
        return object ? scan_key(s, at) : at;
    s->depth--;
    return at + 1;
}

/* From the end of a value on: past a comma and the key that follows it, to the next value (*value is
 * true), or past the end of the container. */
static inline const uint8_t *after_value(scan *s, const uint8_t *at, bool *value)
{
    bool object = in_object(s);
    at = skip_space(s, at);
    if (at < s->end && *at == ',') {
        *value = true;
        at = skip_space(s, at + 1);
        return object ? scan_key(s, at) : at;
    }
    if (at == s->end || *at != (object ? '}' : ']'))
        return fail(s, at, object ? "expected , or }" : "expected , or ]");
    s->depth--;
    return at + 1;
}

static const uint8_t *scan_document(scan *s, const uint8_t *at)
{
    bool value = true; /* expected next, else what follows one */
    while (at && (value || s->depth > 0)) {
        if (!value) {
            at = after_value(s, at, &value);
            continue;
        }
        at = skip_space(s, at);
        if (at < s->end && (*at == '{' || *at == '[')) {
            at = open_container(s, at, &value);
        } else {
            at = scan_scalar(s, at);
            value = false;
        }
    }
    if (!at)
        return NULL;
    at = skip_space(s, at);
    return at == s->end ? at : fail(s, at, "text after the value");
}

/* A key and its colon. */
static inline const uint8_t *scan_key(scan *s, const uint8_t *at)
{
    if (at == s->end || *at != '"')
        return fail(s, at, "expected a key");
    at = scan_string(s, at + 1);
    if (!at)
        return NULL;
    at = skip_space(s, at);
    if (at == s->end || *at != ':')
        return fail(s, at, "expected :");
    return at + 1;
}

static const uint8_t *scan_word(scan *s, const uint8_t *at, const char *word, size_t length)
{
    if ((size_t)(s->end - at) < length || memcmp(at, word, length) != 0)
        return fail(s, at, "expected a value");
    return at + length;
}

static inline const uint8_t *scan_scalar(scan *s, const uint8_t *at)
{
    if (at == s->end)
        return fail(s, at, "expected a value");
    switch (*at) {
    case '"':
        return scan_string(s, at + 1);
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

/* ---- strings ---- */

/* A byte that does not stand for itself: one that is escaped, or part of UTF-8. */
static inline bool is_special(uint8_t byte)
{
    return byte - 0x20u >= 0x60 || byte == '"' || byte == '\\';
}

static inline const uint8_t *skip_plain(const scan *s, const uint8_t *at)
{
    while (s->end - at >= 8) {
        uint64_t word = wb_json_load(at);
        uint64_t special = (word & WB_BYTE_HIGHS) | wb_json_escaped(word);
        if (special)
            return at + __builtin_ctzll(special) / 8;
        at += 8;
    }
    while (at < s->end && !is_special(*at))
        at++;
    return at;
}

/* From after the opening quote to after the closing one. */
static const uint8_t *scan_string(scan *s, const uint8_t *at)
{
    for (;;) {
        at = skip_plain(s, at);
        if (at == s->end)
            return fail(s, at, "");
        if (*at == '"')
            return at + 1;
        if (*at == '\\') {
            at = scan_escape(s, at + 1);
            if (!at)
                return NULL;
        } else {
            size_t length = *at < 0x80 ? 0 : wb_utf8_sequence(at, (size_t)(s->end - at));
            if (length == 0)
                return fail(s, at, *at < 0x20 ? "control character in a string" : "not UTF-8");
            at += length;
        }
    }
}

/* From after the backslash. */
static const uint8_t *scan_escape(scan *s, const uint8_t *at)
{
    if (at == s->end)
        return fail(s, at, "");
    if (*at == 'u')
        return scan_unicode_escape(s, at + 1);
    if (*at == 0 || !strchr("\"\\/bfnrt", *at))
        return fail(s, at, "unknown escape");
    return at + 1;
}

/* The code unit of four hex digits, or -1, with the failure noted. */
static int scan_unit(scan *s, const uint8_t *at)
{
    int unit = 0;
    for (int i = 0; i < 4; i++, at++) {
        unsigned number = at < s->end ? *at - (unsigned)'0' : 99;
        unsigned letter = at < s->end ? (*at | 0x20) - (unsigned)'a' : 99;
        if (number > 9 && letter > 5) {
            fail(s, at, "\\u needs four hex digits");
            return -1;
        }
        unit = unit * 16 + (int)(number <= 9 ? number : letter + 10);
    }
    return unit;
}

/* From after \u; to the end of the second escape where it is a pair. */
static const uint8_t *scan_unicode_escape(scan *s, const uint8_t *at)
{
    int unit = scan_unit(s, at);
    if (unit < 0)
        return NULL;
    if (unit == 0)
        return fail(s, at, "\\u0000 is not text");
    if (unit < 0xD800 || unit > 0xDFFF)
        return at + 4;
    if (unit > 0xDBFF || s->end - at < 6 || at[4] != '\\' || at[5] != 'u')
        return fail(s, at, "half a surrogate pair");
    int low = scan_unit(s, at + 6);
    if (low < 0)
        return NULL;
    return low >= 0xDC00 && low <= 0xDFFF ? at + 10 : fail(s, at, "half a surrogate pair");
}

/* ---- numbers ---- */

static inline const uint8_t *skip_digits(const scan *s, const uint8_t *at)
{
    while (at < s->end && *at - (unsigned)'0' <= 9)
        at++;
    return at;
}

static inline const uint8_t *scan_number(scan *s, const uint8_t *at)
{
    const uint8_t *whole = at + (*at == '-');
    const uint8_t *end = skip_digits(s, whole);
    if (end == whole)
        return fail(s, whole, whole == at ? "expected a value" : "expected a digit");
    if (*whole == '0' && end - whole > 1)
        return fail(s, whole, "a number starts with 0");
    bool real = end < s->end && (*end == '.' || *end == 'e' || *end == 'E');
    if (!real && end - whole <= WHOLE_DIGITS_MAX)
        return end;
    return scan_real(s, whole, end);
}

/* The digits of an exponent. Past EXPONENT_MAX its value stops growing. */
static const uint8_t *scan_exponent(scan *s, const uint8_t *at, int64_t *exponent)
{
    bool negative = at < s->end && *at == '-';
    if (at < s->end && (*at == '-' || *at == '+'))
        at++;
    const uint8_t *first = at;
    int64_t sum = 0;
    for (; at < s->end && *at - (unsigned)'0' <= 9; at++)
        sum = sum > EXPONENT_MAX ? sum : sum * 10 + (*at - '0');
    *exponent = negative ? -sum : sum;
    return at > first ? at : fail(s, at, "expected a digit");
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
static const uint8_t *scan_real(scan *s, const uint8_t *whole, const uint8_t *at)
{
    const uint8_t *point = at;
    int64_t exponent = 0, decimals = 0;
    if (at < s->end && *at == '.') {
        at = skip_digits(s, at + 1);
        decimals = at - point - 1;
        if (decimals == 0)
            return fail(s, at, "expected a digit");
    }
    const uint8_t *fraction_end = at;
    if (at < s->end && (*at == 'e' || *at == 'E'))
        at = scan_exponent(s, at + 1, &exponent);
    if (!at)
        return NULL;
    if (exponent > EXPONENT_MAX || decimals - exponent > SCALE_MAX ||
        whole_digits(whole, point, fraction_end, exponent) > WHOLE_DIGITS_MAX) {
        fail(s, whole, "a number beyond what numeric holds");
        return NULL;
    }
    return at;
}
