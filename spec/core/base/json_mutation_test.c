/* SPDX-License-Identifier: MIT
 * The JSON scanner on mutated texts, judged by a plain recursive scanner. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/json.h"
#include "base/utf8.h"

enum { MUTATIONS = 200000, TEXT_MAX = 256 };

/* ---- the oracle: RFC 8259's grammar, word for word, plus what jsonb refuses besides ---- */

typedef struct oracle {
    const char *at, *end;
} oracle;

static int peek(const oracle *o)
{
    return o->at < o->end ? (uint8_t)*o->at : -1;
}

static bool take(oracle *o, const char *any)
{
    if (peek(o) <= 0 || !strchr(any, peek(o)))
        return false;
    o->at++;
    return true;
}

static void take_space(oracle *o)
{
    while (take(o, " \t\r\n"))
        continue;
}

static long take_hex(oracle *o)
{
    char digits[5] = "";
    for (int i = 0; i < 4; i++) {
        if (peek(o) <= 0 || !strchr("0123456789abcdefABCDEF", peek(o)))
            return -1;
        digits[i] = *o->at++;
    }
    return strtol(digits, NULL, 16);
}

static bool take_unicode(oracle *o)
{
    long unit = take_hex(o);
    if (unit <= 0 || (unit >= 0xDC00 && unit <= 0xDFFF))
        return false;
    if (unit < 0xD800 || unit > 0xDBFF)
        return true;
    if (!take(o, "\\") || !take(o, "u"))
        return false;
    unit = take_hex(o);
    return unit >= 0xDC00 && unit <= 0xDFFF;
}

static bool take_string(oracle *o)
{
    const char *start = o->at;
    if (!take(o, "\""))
        return false;
    while (!take(o, "\"")) {
        if (peek(o) < 0x20)
            return false;
        if (take(o, "\\")) {
            if (take(o, "u") ? !take_unicode(o) : !take(o, "\"\\/bfnrt"))
                return false;
        } else {
            o->at++;
        }
    }
    return wb_utf8_check(start, (size_t)(o->at - start)) == (size_t)(o->at - start);
}

static size_t take_digits(oracle *o)
{
    const char *start = o->at;
    while (take(o, "0123456789"))
        continue;
    return (size_t)(o->at - start);
}

/* Mutations reach exponents, not hundreds of thousands of digits: strtod's logarithm is too coarse, so
 * the place of the first digit that isn't 0 is counted here. */
static bool take_number(oracle *o)
{
    take(o, "-");
    const char *whole = o->at;
    size_t before = take_digits(o), after = 0, zeros = 0;
    if (before == 0 || (*whole == '0' && before > 1))
        return false;
    if (take(o, ".") && (after = take_digits(o)) == 0)
        return false;
    char spread[TEXT_MAX], *end = spread;
    for (size_t i = 0; i < before + after + (after > 0); i++)
        if (whole[i] != '.')
            *end++ = whole[i];
    while (zeros < before + after && spread[zeros] == '0')
        zeros++;
    double exponent = 0;
    if (take(o, "eE")) {
        const char *start = o->at;
        take(o, "+-");
        if (take_digits(o) == 0)
            return false;
        exponent = strtod(start, NULL);
    }
    bool zero = zeros == before + after;
    return exponent < 1073741823.0 && (double)after - exponent <= 16383.0 &&
           (zero || (double)before - (double)zeros + exponent <= 131072.0);
}

static bool take_value(oracle *o);

static bool take_members(oracle *o, bool object)
{
    take_space(o);
    if (take(o, object ? "}" : "]"))
        return true;
    do {
        take_space(o);
        if (object) {
            if (!take_string(o))
                return false;
            take_space(o);
            if (!take(o, ":"))
                return false;
        }
        if (!take_value(o))
            return false;
    } while (take(o, ","));
    return take(o, object ? "}" : "]");
}

static bool take_word(oracle *o, const char *word)
{
    for (; *word; word++)
        if (peek(o) != *word)
            return false;
        else
            o->at++;
    return true;
}

static bool take_value(oracle *o)
{
    take_space(o);
    bool good = take(o, "{")     ? take_members(o, true)
                : take(o, "[")   ? take_members(o, false)
                : peek(o) == '"' ? take_string(o)
                : peek(o) == 't' ? take_word(o, "true")
                : peek(o) == 'f' ? take_word(o, "false")
                : peek(o) == 'n' ? take_word(o, "null")
                                 : take_number(o);
    take_space(o);
    return good;
}

static bool oracle_says(const char *text, size_t bytes)
{
    oracle o = {text, text + bytes};
    return take_value(&o) && o.at == o.end;
}

/* ---- mutations ---- */

static uint64_t seed;

static size_t below(size_t n)
{
    uint64_t z = seed += UINT64_C(0x9E3779B97F4A7C15);
    z = (z ^ z >> 30) * UINT64_C(0xBF58476D1CE4E5B9);
    z = (z ^ z >> 27) * UINT64_C(0x94D049BB133111EB);
    return (z ^ z >> 31) % n;
}

static const char *const originals[] = {
    "{\"ssh\":1}",
    "[[],{},[{}]]",
    "{\"a\":[1,2,{\"b\":null}],\"c\":true,\"d\":false}",
    "[\"\\u00e9\\ud83d\\ude00x\",\"\\uD83D\\uDE00\\u0041\"]",
    "[1.5e10,-0,0.001E-5,12345678901234567890]",
    " \t\r\n[ 1 , \"a\" ] ",
    "\"Zo\xC3\xAB \xF0\x9F\x98\x80 \xE2\x82\xAC \xED\x9F\xBF\"",
    "{\"\\\"\":\"\\\\\\/\\b\\f\\n\\r\\t\"}",
    "[1e131071,0.1e131072,1e-16383,0e1073741822,0.0001e131075]",
    "{\"k\":{\"k\":[[[\"a text of some length, to run the loop of words twice\"]]]}}",
};

static size_t mutate(char text[TEXT_MAX])
{
    static const char bytes[] =
        "{}[]:,\"\\ \t\r\n0123456789.eE+-truefalsnubdDcC\x01\x1F\x7F\x80\xBF"
        "\xC0\xC2\xE0\xED\xF0\xF4\xFF\x0B'";
    const char *original = originals[below(sizeof originals / sizeof *originals)];
    size_t length = strlen(original);
    memcpy(text, original, length);
    for (size_t rounds = below(4); rounds > 0 && length > 0; rounds--) {
        size_t at = below(length), kind = below(4);
        char byte = below(4) ? bytes[below(sizeof bytes - 1)] : (char)below(256);
        if (kind == 0) {
            memmove(text + at, text + at + 1, --length - at);
        } else if (kind == 1) {
            memmove(text + at + 1, text + at, length++ - at);
            text[at] = byte;
        } else {
            text[at] = byte;
        }
    }
    return length;
}

/* Each text lies in memory of exactly its size, for checkers of memory to watch. */
static void test_mutations(void **state)
{
    (void)state;
    size_t accepted = 0;
    seed = 21;
    for (int i = 0; i < MUTATIONS; i++) {
        char text[TEXT_MAX];
        size_t bytes = mutate(text);
        char *exact = malloc(bytes + !bytes);
        assert_non_null(exact);
        memcpy(exact, text, bytes);
        size_t at = 0;
        bool good = wb_json_check(exact, bytes, &at) == NULL;
        free(exact);
        assert_true(at <= bytes);
        if (good != oracle_says(text, bytes))
            fail_msg("%s: %.*s", good ? "accepted" : "refused", (int)bytes, text);
        accepted += good;
    }
    assert_true(accepted > MUTATIONS / 5 && accepted < MUTATIONS * 4 / 5);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_mutations)};
    return cmocka_run_group_tests_name("json mutations", tests, NULL, NULL);
}
