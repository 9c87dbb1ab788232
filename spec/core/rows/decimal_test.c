/* SPDX-License-Identifier: MIT
 * Decimal numbers: their bytes, their text, their limits, and what is asked of them. What PostgreSQL says of them is asked
 * in stores/postgres/types_oracle_test.c. */
#include "support/rounds.h"
#include "support/support.h"

#include <inttypes.h>
#include <locale.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>

#include "rows/decimal.h"

#define COUNT(list) (sizeof(list) / sizeof *(list))

/* What was read, in memory of just the size that is promised; freed by the caller. NULL: why it was refused. */
static uint8_t *read_bytes(const char *text, size_t bytes, size_t *written, const char **why)
{
    char *copy = malloc(bytes + !bytes);
    uint8_t *to = malloc(bytes + WB_DECIMAL_SLACK);
    memcpy(copy, text, bytes);
    *written = 4711;
    *why = wb_decimal_read(copy, bytes, to, written);
    free(copy);
    if (*why == NULL) {
        assert_true(*written <= bytes + WB_DECIMAL_SLACK);
        return to;
    }
    assert_int_equal(*written, 4711);
    free(to);
    return NULL;
}

static uint8_t *read_text(const char *text, size_t *written)
{
    const char *why;
    uint8_t *data = read_bytes(text, strlen(text), written, &why);
    if (data == NULL)
        fail_msg("%s: %s", text, why);
    return data;
}

/* The text of what was read; freed by the caller. */
static char *written_back(const char *text)
{
    size_t bytes;
    uint8_t *data = read_text(text, &bytes);
    wb_buffer out = WB_BUFFER_EMPTY;
    wb_decimal_put(&out, data);
    free(data);
    char *back = wb_buffer_take(&out, NULL);
    assert_non_null(back);
    return back;
}

static void test_bytes(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        size_t bytes;
        const char *data;
    } cases[] = {
        {"0", 8, "\0\0\0\0\0\0\0\0"},
        {"-0.00", 8, "\0\0\0\0\0\0\0\2"},
        {"1", 10, "\0\1\0\0\0\0\0\0\0\1"},
        {"-1.50", 12, "\0\2\0\0\x40\0\0\2\0\1\x13\x88"},
        {"12345678", 12, "\0\2\0\1\0\0\0\0\x04\xd2\x16\x2e"},
        {"10000", 10, "\0\1\0\1\0\0\0\0\0\1"},
        {"0.0001", 10, "\0\1\xff\xff\0\0\0\4\0\1"},
        {"0.00001", 10, "\0\1\xff\xfe\0\0\0\5\x03\xe8"},
        {"1e8", 10, "\0\1\0\2\0\0\0\0\0\1"},
        {"NaN", 8, "\0\0\0\0\xc0\0\0\0"},
        {"Infinity", 8, "\0\0\0\0\xd0\0\0\x20"},
        {"-inf", 8, "\0\0\0\0\xf0\0\0\x20"},
    };
    for (size_t i = 0; i < COUNT(cases); i++) {
        size_t bytes;
        uint8_t *data = read_text(cases[i].text, &bytes);
        if (bytes != cases[i].bytes)
            fail_msg("%s: %zu bytes, expected %zu", cases[i].text, bytes, cases[i].bytes);
        assert_memory_equal(data, cases[i].data, bytes);
        free(data);
    }
}

static void test_texts(void **state)
{
    (void)state;
    static const char *const cases[][2] = {
        {"0", "0"},
        {"-0", "0"},
        {"000", "0"},
        {"0.0", "0.0"},
        {"1.50", "1.50"},
        {"+1.50", "1.50"},
        {"-00012.3400", "-12.3400"},
        {".5", "0.5"},
        {"-.5", "-0.5"},
        {"5.", "5"},
        {" \t1\r\n", "1"},
        {"1e3", "1000"},
        {"1E+3", "1000"},
        {"1.5e-3", "0.0015"},
        {"1.5e3", "1500"},
        {"1.50e1", "15.0"},
        {"1.50e2", "150"},
        {"0e5", "0"},
        {"0e-5", "0.00000"},
        {"12345.678901234567890", "12345.678901234567890"},
        {"100000000", "100000000"},
        {"0.00000000000000000001", "0.00000000000000000001"},
        {"12000e-2", "120.00"},
        {"nan", "NaN"},
        {"NAN", "NaN"},
        {"inf", "Infinity"},
        {"+INFINITY", "Infinity"},
        {"-Inf", "-Infinity"},
        {"9223372036854775808", "9223372036854775808"},
        {"0000000000000000000000000000000000000000000000001e4", "10000"},
    };
    for (size_t i = 0; i < COUNT(cases); i++) {
        char *back = written_back(cases[i][0]);
        assert_string_equal(back, cases[i][1]);
        wb_free(back);
    }
}

static void test_refuses(void **state)
{
    (void)state;
    static const char *const cases[] = {
        "",      " ",     ".",    "+",    "-",        "+.",        "e5",    ".e5",       "1e",
        "1e+",   "1e-",   "1e5.", "1.2.", "1..2",     "--1",       "+-1",   "- 1",       "1 2",
        "1,5",   "1_000", "0x10", "1e 5", "1e5 5",    "nann",      "+nan",  "infinit",   "in",
        "--inf", "1f",    "1d",   "$1",   "\xD9\xA1", "1\xC2\xA0", "NaN 1", "infinityy",
    };
    const char *why;
    size_t written;
    for (size_t i = 0; i < COUNT(cases); i++) {
        assert_null(read_bytes(cases[i], strlen(cases[i]), &written, &why));
        assert_string_equal(why, "not a decimal number");
    }
    assert_null(read_bytes("1\0", 2, &written, &why));
    assert_null(read_bytes("inf\0", 4, &written, &why));
}

/* A text of so many digits on either side of the point. */
static char *long_text(size_t whole, size_t fraction)
{
    char *text = malloc(whole + fraction + 2), *at = text;
    for (size_t i = 0; i < whole; i++)
        *at++ = (char)('1' + i % 9);
    *at++ = '.';
    for (size_t i = 0; i < fraction; i++)
        *at++ = (char)('1' + i % 9);
    *at = '\0';
    return text;
}

static void refused(const char *text, const char *expected)
{
    const char *why;
    size_t written;
    assert_null(read_bytes(text, strlen(text), &written, &why));
    assert_string_equal(why, expected);
}

static void test_limits(void **state)
{
    (void)state;
    char *most = long_text(131072, 16383), *back = written_back(most);
    assert_string_equal(back, most);
    wb_free(back);
    free(most);
    char *wide = long_text(131073, 0), *fine = long_text(1, 16384);
    refused(wide, "more than 131072 digits before the point");
    refused(fine, "more than 16383 digits after the point");
    free(wide);
    free(fine);
    size_t bytes;
    free(read_text("1e131071", &bytes));
    free(read_text("1e-16383", &bytes));
    free(read_text("0e1073741822", &bytes));
    refused("1e131072", "more than 131072 digits before the point");
    refused("1e-16384", "more than 16383 digits after the point");
    refused("0e-16384", "more than 16383 digits after the point");
    refused("1e1073741822", "more than 131072 digits before the point");
    refused("0e1073741823", "an exponent that is too large");
    refused("1e-99999999999999999999999", "an exponent that is too large");
}

/* As PostgreSQL writes numbers: no zeros in front, a digit before the point. */
static void random_text(uint64_t *seed, char *out)
{
    char *at = out;
    size_t whole = random_below(seed, 30), fraction = random_below(seed, 30);
    bool zeros = random_below(seed, 3) == 0; /* many of them */
    if (random_below(seed, 2))
        *at++ = '-';
    *at++ = whole == 0 ? '0' : (char)('1' + random_below(seed, 9));
    for (; whole > 1; whole--)
        *at++ = (char)('0' + (zeros && random_below(seed, 6) ? 0 : random_below(seed, 10)));
    if (fraction > 0)
        *at++ = '.';
    for (; fraction > 0; fraction--)
        *at++ = (char)('0' + (zeros && random_below(seed, 6) ? 0 : random_below(seed, 10)));
    *at = '\0';
    if (strspn(out, "-0.") == strlen(out)) /* there is no -0 */
        memmove(out, out + (*out == '-'), strlen(out) + (*out != '-'));
}

/* Digits from the first to the last that is not zero, counted by hand. */
static int count_digits(const char *text)
{
    int count = 0, significant = 0;
    for (; *text != '\0'; text++) {
        if (*text < '0' || *text > '9')
            continue;
        count += count > 0 || *text != '0';
        significant = *text != '0' ? count : significant;
    }
    return significant;
}

static void test_reads_back_what_it_writes(void **state)
{
    (void)state;
    uint64_t seed = 41;
    for (int i = 0; i < rounds(50000); i++) {
        char text[80];
        size_t bytes;
        random_text(&seed, text);
        char *back = written_back(text);
        assert_string_equal(back, text);
        wb_free(back);
        uint8_t *data = read_text(text, &bytes);
        if (wb_decimal_digits(data) != count_digits(text))
            fail_msg("%s: %d digits", text, wb_decimal_digits(data));
        free(data);
    }
}

/* A point that wanders, and an exponent that brings it back, change nothing but the scale. */
static void test_exponents(void **state)
{
    (void)state;
    uint64_t seed = 42;
    for (int i = 0; i < rounds(20000); i++) {
        char text[64], plain[64];
        int64_t number = (int64_t)(next_random(&seed) >> random_below(&seed, 63) >> 1) + 1;
        int exponent = (int)random_below(&seed, 40);
        size_t bytes, same;
        snprintf(text, sizeof text, "%" PRId64 "e-%d", number, exponent);
        uint8_t *small = read_text(text, &bytes);
        snprintf(plain, sizeof plain, "%" PRId64, number);
        size_t length = strlen(plain), at = length;
        char shifted[128] = "";
        if ((size_t)exponent >= length) {
            snprintf(shifted, sizeof shifted, "0.%0*d%s", (int)((size_t)exponent - length) + 1, 0,
                     plain);
            memmove(shifted + 2, shifted + 3,
                    strlen(shifted + 2)); /* the one zero that %0*d must write */
        } else {
            at = length - (size_t)exponent;
            snprintf(shifted, sizeof shifted, "%.*s%s%s", (int)at, plain, exponent ? "." : "",
                     plain + at);
        }
        uint8_t *expected = read_text(shifted, &same);
        assert_int_equal(bytes, same);
        assert_memory_equal(small, expected, bytes);
        free(small);
        free(expected);
    }
}

static bool whole(const char *text, int64_t *out)
{
    size_t bytes;
    uint8_t *data = read_text(text, &bytes);
    bool is = wb_decimal_int64(data, out);
    free(data);
    return is;
}

static void test_whole_numbers(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        int64_t number;
    } cases[] = {
        {"0", 0},
        {"0.000", 0},
        {"-1", -1},
        {"7.00", 7},
        {"10000", 10000},
        {"1e18", INT64_C(1000000000000000000)},
        {"9223372036854775807", INT64_MAX},
        {"-9223372036854775808", INT64_MIN},
        {"9223372036854775807.0", INT64_MAX},
    };
    static const char *const others[] = {
        "0.5",
        "-1.0001",
        "9223372036854775808",
        "-9223372036854775809",
        "1e19",
        "99999999999999999999",
        "1e20",
        "1e1000",
        "NaN",
        "inf",
        "-inf",
        "9223372036854775807.1",
    };
    int64_t number;
    for (size_t i = 0; i < COUNT(cases); i++) {
        assert_true(whole(cases[i].text, &number));
        assert_int_equal(number, cases[i].number);
    }
    number = 5;
    for (size_t i = 0; i < COUNT(others); i++)
        assert_false(whole(others[i], &number));
    assert_int_equal(number, 5);
    uint64_t seed = 43;
    for (int i = 0; i < rounds(20000); i++) {
        char text[32];
        int64_t expected = (int64_t)next_random(&seed) >> random_below(&seed, 64);
        snprintf(text, sizeof text, "%" PRId64, expected);
        assert_true(whole(text, &number));
        assert_int_equal(number, expected);
    }
}

static void test_counts_digits(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        int digits;
    } cases[] = {{"0", 0},       {"0.00", 0},   {"NaN", 0},   {"inf", 0},      {"1", 1},
                 {"-1.50", 2},   {"0.0120", 2}, {"1e100", 1}, {"1e-100", 1},   {"10203", 5},
                 {"1230000", 3}, {"1.0001", 5}, {"9999", 4},  {"123456789", 9}};
    for (size_t i = 0; i < COUNT(cases); i++) {
        size_t bytes;
        uint8_t *data = read_text(cases[i].text, &bytes);
        assert_int_equal(wb_decimal_digits(data), cases[i].digits);
        free(data);
    }
}

static bool is_float(const char *text, double *out)
{
    size_t bytes;
    uint8_t *data = read_text(text, &bytes);
    bool is = wb_decimal_float(data, out);
    free(data);
    return is;
}

static void check_floats(void)
{
    static const char *const others[] = {"123456789012345678",
                                         "0.12345678901234567890",
                                         "9007199254740993",
                                         "1e309",
                                         "1e-324",
                                         "1.7976931348623159e308",
                                         ("0.10000000000000000555111512312578270211815834045410156"
                                          "2500000000000000000001")};
    static const char *const same[] = {"0",
                                       "0.00",
                                       "1",
                                       "-1.50",
                                       "0.1",
                                       "1e23",
                                       "0.10000000000000001",
                                       "123456.789",
                                       "1.7976931348623157e308",
                                       "5e-324",
                                       "9007199254740992",
                                       "100000000000000000000",
                                       "0.1000000000000000055511151231257827021181583404541015625"};
    double number = 5;
    for (size_t i = 0; i < COUNT(others); i++)
        if (is_float(others[i], &number))
            fail_msg("%s is %.17g", others[i], number);
    assert_true(number == 5);
    for (size_t i = 0; i < COUNT(same); i++)
        if (!is_float(same[i], &number) || number != strtod(same[i], NULL))
            fail_msg("%s is %.17g", same[i], number);
}

static void test_floats(void **state)
{
    (void)state;
    double number;
    uint64_t seed = 44;
    if (setlocale(LC_NUMERIC, "de_DE.UTF-8") || setlocale(LC_NUMERIC, "fr_FR.UTF-8"))
        assert_true(is_float("-12.75e-3", &number) &&
                    number == -12.75e-3); /* the point there is a comma */
    setlocale(LC_NUMERIC, "C");
    check_floats();
    assert_true(is_float("NaN", &number) && isnan(number));
    assert_true(is_float("inf", &number) && number == INFINITY);
    assert_true(is_float("-inf", &number) && number == -INFINITY);
    for (int i = 0; i < rounds(20000); i++) {
        char text[40];
        uint64_t word = next_random(&seed);
        double expected;
        memcpy(&expected, &word, sizeof expected);
        if (!isfinite(expected))
            continue;
        snprintf(text, sizeof text, "%.17g", expected);
        if (!is_float(text, &number) || number != expected)
            fail_msg("%s is %.17g", text, number);
        snprintf(text, sizeof text, "%.*g", (int)random_below(&seed, 15) + 1, expected);
        if (fabs(expected) > 1e-300 && fabs(expected) < 1e300 &&
            (!is_float(text, &number) || number != strtod(text, NULL)))
            fail_msg("%s is %.17g", text, number);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_bytes),
        cmocka_unit_test(test_texts),
        cmocka_unit_test(test_refuses),
        cmocka_unit_test(test_limits),
        cmocka_unit_test(test_reads_back_what_it_writes),
        cmocka_unit_test(test_exponents),
        cmocka_unit_test(test_whole_numbers),
        cmocka_unit_test(test_counts_digits),
        cmocka_unit_test(test_floats),
    };
    return cmocka_run_group_tests_name("decimal", tests, NULL, NULL);
}
