/* SPDX-License-Identifier: MIT
 * Numbers from text: the short way against the long one, and no digit that is lost. What lenient columns take of the other
 * types: spec/lua/lenient_spec.lua. */
#include "support/rounds.h"
#include "support/values.h"

#include <math.h>
#include <stdio.h>

#include "rows/decimal.h"
#include "rows/from_text.h"

static wb_value read_as(int type, const char *text)
{
    const wb_column column = {.name = "c", .type = type};
    wb_value value = bytes_of(text, strlen(text));
    wb_value_from_text(&column, &value);
    return value;
}

static uint64_t state = 1;

static unsigned pick(unsigned below)
{
    state = state * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
    return (unsigned)(state >> 33) % below;
}

/* A number's text, or what looks like one. */
static void make_number(char text[64])
{
    static const char alphabet[] = "0123456789.-+eE 00099";
    size_t bytes = 1 + pick(pick(4) == 0 ? 30 : 9);
    for (size_t i = 0; i < bytes; i++)
        text[i] = alphabet[pick(i == 0 || pick(6) == 0 ? sizeof alphabet - 1 : 10)];
    text[bytes] = '\0';
}

static void test_the_short_way_is_the_long_way(void **unused)
{
    (void)unused;
    for (int i = 0; i < rounds(400000); i++) {
        char text[64];
        uint8_t data[128];
        size_t written;
        int64_t whole = 0, expected_whole = 0;
        double number = 0, expected = 0;
        make_number(text);
        bool is = wb_decimal_read(text, strlen(text), data, &written) == NULL;
        bool is_whole = is && wb_decimal_int64(data, &expected_whole);
        bool is_float = is && wb_decimal_float(data, &expected);
        assert_int_equal(wb_int_from_text(text, strlen(text), &whole), is_whole);
        assert_int_equal(whole, expected_whole);
        assert_int_equal(wb_float_from_text(text, strlen(text), &number), is_float);
        assert_true(number == expected);
        if (is_float)
            assert_true(number == strtod(text, NULL));
    }
}

static void test_no_digit_is_lost(void **unused)
{
    (void)unused;
    assert_true(read_as(WB_TYPE_INT8, "9007199254740993").i == 9007199254740993);
    assert_true(read_as(WB_TYPE_INT8, "9007199254740993.0").i == 9007199254740993);
    assert_true(read_as(WB_TYPE_INT8, "-9223372036854775808").i == INT64_MIN);
    assert_int_equal(read_as(WB_TYPE_INT8, "9223372036854775808").kind, WB_TEXT);
    assert_int_equal(read_as(WB_TYPE_INT8, "1.5").kind, WB_TEXT);
    assert_true(read_as(WB_TYPE_FLOAT8, "0.1").f == 0.1);
    assert_true(read_as(WB_TYPE_FLOAT8, "123456789.012345").f == 123456789.012345);
    assert_true(signbit(read_as(WB_TYPE_FLOAT8, "-0").f) &&
                signbit(read_as(WB_TYPE_FLOAT8, "-0.00").f));
    static const char *const lost[] = {"1e400",
                                       "1234567890123456.789",
                                       "0.12345678901234567890",
                                       "9007199254740993",
                                       "12x",
                                       "",
                                       "-",
                                       "."};
    for (size_t i = 0; i < sizeof lost / sizeof *lost; i++)
        assert_int_equal(read_as(WB_TYPE_FLOAT8, lost[i]).kind, WB_TEXT);
}

static void test_no_digit_of_a_float4_is_lost(void **unused)
{
    (void)unused;
    static const char *const kept[] = {"0.1",       "16777216", "3.14159", "1.17549435e-38",
                                       "0.3333333", "1e39",     "0"};
    static const char *const lost[] = {"16777217", "0.33333333", "3.14159265", "1234567.89"};
    for (size_t i = 0; i < sizeof kept / sizeof *kept; i++)
        assert_int_equal(read_as(WB_TYPE_FLOAT4, kept[i]).kind, WB_FLOAT);
    for (size_t i = 0; i < sizeof lost / sizeof *lost; i++)
        assert_int_equal(read_as(WB_TYPE_FLOAT4, lost[i]).kind, WB_TEXT);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_the_short_way_is_the_long_way),
        cmocka_unit_test(test_no_digit_is_lost),
        cmocka_unit_test(test_no_digit_of_a_float4_is_lost),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
