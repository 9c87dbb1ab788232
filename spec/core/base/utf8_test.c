/* SPDX-License-Identifier: MIT
 * The check of UTF-8 against a decoder that follows RFC 3629 by arithmetic. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/utf8.h"

/* The length of the sequence at the start, or 0: decoded first, then judged by its code point. */
static size_t decode(const uint8_t *at, size_t left)
{
    static const uint32_t least[] = {0, 1, 0x80, 0x800, 0x10000};
    size_t length = at[0] < 0x80             ? 1
                    : (at[0] & 0xE0) == 0xC0 ? 2
                    : (at[0] & 0xF0) == 0xE0 ? 3
                    : (at[0] & 0xF8) == 0xF0 ? 4
                                             : 0;
    if (length == 0 || length > left)
        return 0;
    uint32_t point = length == 1 ? at[0] : at[0] & (0x7Fu >> length);
    for (size_t i = 1; i < length; i++) {
        if ((at[i] & 0xC0) != 0x80)
            return 0;
        point = point << 6 | (at[i] & 0x3F);
    }
    bool good = point >= least[length] && point <= 0x10FFFF && (point < 0xD800 || point > 0xDFFF);
    return good ? length : 0;
}

static size_t check_slowly(const uint8_t *text, size_t bytes)
{
    size_t at = 0, length;
    while (at < bytes && (length = decode(text + at, bytes - at)) > 0)
        at += length;
    return at;
}

static void assert_same(const uint8_t *text, size_t bytes)
{
    size_t expected = check_slowly(text, bytes);
    size_t found = wb_utf8_check((const char *)text, bytes);
    if (found != expected)
        fail_msg("%02x %02x %02x %02x: %zu, expected %zu", text[0], text[1], text[2], text[3],
                 found, expected);
}

static void test_table(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        size_t bytes, at;
    } cases[] = {
        {"", 0, 0},
        {"plain", 5, 5},
        {"Zo\xC3\xAB \xE2\x82\xAC \xF0\x9F\x98\x80", 13, 13},
        {"nul\0here", 8, 3},
        {"0123456789abcdef0123456789\0", 27, 26},
        {"\x7F", 1, 1},
        {"a\x80", 2, 1},
        {"\xC0\x80", 2, 0},         /* overlong NUL */
        {"\xC1\xBF", 2, 0},         /* overlong */
        {"\xE0\x9F\xBF", 3, 0},     /* overlong */
        {"\xF0\x8F\xBF\xBF", 4, 0}, /* overlong */
        {"\xED\xA0\x80", 3, 0},     /* a surrogate */
        {"\xED\x9F\xBF", 3, 3},
        {"\xEE\x80\x80", 3, 3},
        {"\xF4\x8F\xBF\xBF", 4, 4},
        {"\xF4\x90\x80\x80", 4, 0}, /* past U+10FFFF */
        {"\xF5\x80\x80\x80", 4, 0},
        {"\xE2\x82", 2, 0}, /* cut short */
        {"ab\xF0\x9F\x98", 5, 2},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
        assert_int_equal(wb_utf8_check(cases[i].text, cases[i].bytes), cases[i].at);
}

static void test_all_short_sequences(void **state)
{
    (void)state;
    static const uint8_t tails[] = {0x00, 0x41, 0x7F, 0x80, 0x8F, 0x90,
                                    0x9F, 0xA0, 0xBF, 0xC0, 0xFF};
    enum { TAILS = sizeof tails };
    for (unsigned first = 0; first < 256; first++)
        for (unsigned second = 0; second < 256; second++)
            for (size_t i = 0; i < TAILS * TAILS; i++) {
                uint8_t text[4] = {(uint8_t)first, (uint8_t)second, tails[i / TAILS],
                                   tails[i % TAILS]};
                assert_same(text, i % 4 + 1);
                assert_same(text, 4);
            }
}

/* Every byte value at every place of texts around the strides of the fast path. */
static void test_every_place(void **state)
{
    (void)state;
    for (size_t bytes = 1; bytes <= 40; bytes++) {
        uint8_t *text = malloc(bytes + 4); /* the failure's message may read on */
        assert_non_null(text);
        memset(text, 'x', bytes + 4);
        for (size_t at = 0; at < bytes; at++)
            for (unsigned byte = 0; byte < 256; byte++) {
                text[at] = (uint8_t)byte;
                assert_same(text, bytes);
                text[at] = 'x';
            }
        free(text);
    }
}

static void test_every_code_point(void **state)
{
    (void)state;
    for (uint32_t point = 0x80; point <= 0x10FFFF; point++) {
        uint8_t text[4];
        size_t bytes = point < 0x800 ? 2 : point < 0x10000 ? 3 : 4;
        for (size_t i = 0; i < bytes; i++)
            text[i] = (uint8_t)(0x80 | (point >> (6 * (bytes - 1 - i)) & 0x3F));
        text[0] = (uint8_t)((0xF00 >> bytes) | (text[0] & 0x3F));
        bool surrogate = point >= 0xD800 && point <= 0xDFFF;
        if (wb_utf8_check((char *)text, bytes) != (surrogate ? 0 : bytes))
            fail_msg("U+%04X", (unsigned)point);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_table),
        cmocka_unit_test(test_all_short_sequences),
        cmocka_unit_test(test_every_place),
        cmocka_unit_test(test_every_code_point),
    };
    return cmocka_run_group_tests_name("utf8", tests, NULL, NULL);
}
