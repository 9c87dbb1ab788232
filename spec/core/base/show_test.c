/* SPDX-License-Identifier: MIT
 * Numbers as text against printf and strtod. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "support/rounds.h"

#include "base/show.h"

static uint64_t random64(void)
{
    uint64_t bits = 0;
    for (int i = 0; i < 5; i++)
        bits = bits << 15 ^ (uint64_t)rand();
    return bits;
}

static void check(double number)
{
    char expected[WB_NUMBER_BYTES], text[WB_NUMBER_BYTES];
    int digits = 15;
    do
        snprintf(expected, sizeof expected, "%.*g", digits, number);
    while (strtod(expected, NULL) != number && ++digits <= 17);
    assert_int_equal(wb_number_format(number, text), strlen(expected));
    assert_string_equal(text, expected);
}

static void test_floats(void **state)
{
    (void)state;
    static const double edges[] = {0.0,    -0.0,      1e-4,   9.9999e-5, 0.1,
                                   0.3,    1e15,      1e14,   1e16,      999999999999999.9,
                                   5e-324, 1.0 / 3.0, 1e300,  1e22,      999999999999999.0,
                                   0.5,    1e-5,      1.5e15, 123.456,   0.000123456789012345};
    for (size_t i = 0; i < sizeof edges / sizeof *edges; i++) {
        check(edges[i]);
        check(-edges[i]);
        check(nextafter(edges[i], 1e308));
        check(nextafter(edges[i], -1e308));
    }
    srand(2);
    for (int i = 0; i < rounds(200000); i++) {
        uint64_t bits = random64();
        double any;
        memcpy(&any, &bits, sizeof any);
        if (isfinite(any))
            check(any);
        double decimal = (double)(random64() % 1000000000000000) / pow(10, rand() % 20);
        check(decimal);
        check(nextafter(decimal, 0));
        check((double)(rand() % 1000000) / pow(10, rand() % 7));
    }
}

static void test_integers(void **state)
{
    (void)state;
    char expected[WB_NUMBER_BYTES], text[WB_NUMBER_BYTES];
    static const int64_t edges[] = {0, 9, 10, 99, 100, -1, -9, -10, INT64_MAX, INT64_MIN};
    srand(3);
    for (size_t i = 0; i < (size_t)rounds(100000); i++) {
        int64_t number =
            i < sizeof edges / sizeof *edges ? edges[i] : (int64_t)random64() >> rand() % 64;
        size_t bytes = (size_t)snprintf(expected, sizeof expected, "%" PRId64, number);
        assert_int_equal(wb_integer_format(number, text), bytes);
        assert_string_equal(text, expected);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_floats),
        cmocka_unit_test(test_integers),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
