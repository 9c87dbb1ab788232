/* SPDX-License-Identifier: MIT
 * Intervals: texts and their parts, refusals and their reasons, limits, and what is written. What PostgreSQL says of them
 * is asked in stores/postgres/types_oracle_test.c. */
#include "support/rounds.h"
#include "support/support.h"

#include <stdlib.h>

#include "base/bigendian.h"
#include "rows/interval.h"

#define COUNT(list) (sizeof(list) / sizeof *(list))
#define US          INT64_C(1000000)
#define MINUTE      (60 * US)
#define HOUR        (60 * MINUTE)

static const char *read_text(const char *text, uint8_t to[16])
{
    size_t bytes = strlen(text);
    char *copy = malloc(bytes + !bytes); /* so that a checker of memory sees a look past the end */
    memcpy(copy, text, bytes);
    const char *why = wb_interval_read(copy, bytes, to);
    free(copy);
    return why;
}

typedef struct form {
    const char *text;
    int32_t months;
    int32_t days;
    int64_t us;
} form;

static void takes(const form *forms, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        uint8_t data[16], expected[16];
        const char *why = read_text(forms[i].text, data);
        if (why != NULL)
            fail_msg("%s: %s", forms[i].text, why);
        wb_put32(wb_put32(wb_put64(expected, (uint64_t)forms[i].us), (uint32_t)forms[i].days),
                 (uint32_t)forms[i].months);
        if (memcmp(data, expected, 16) != 0)
            fail_msg("%s: %d months, %d days, %lld us", forms[i].text, (int)wb_get32(data + 12),
                     (int)wb_get32(data + 8), (long long)wb_get64(data));
    }
}

static void test_words(void **state)
{
    (void)state;
    static const form forms[] = {
        {"1 year 2 mons 3 days 04:05:06.7", 14, 3, 4 * HOUR + 5 * MINUTE + 6700000},
        {"-1 days +02:03:00", 0, -1, 2 * HOUR + 3 * MINUTE},
        {"-1 years -2 mons +3 days -04:05:06", -14, 3, -(4 * HOUR + 5 * MINUTE + 6 * US)},
        {"@ 1 minute ago", 0, 0, -MINUTE},
        {"@ 1 day -2 hours ago", 0, -1, 2 * HOUR},
        {"1:00 ago", 0, 0, -HOUR},
        {"1.5 hours", 0, 0, 90 * MINUTE},
        {"90 minutes", 0, 0, 90 * MINUTE},
        {"1.5 days", 0, 1, 12 * HOUR},
        {"1.5 weeks", 0, 10, 12 * HOUR},
        {"1.5 months", 1, 15, 0},
        {"1.5 years", 18, 0, 0},
        {"0.25 decades", 30, 0, 0},
        {"1 millennium 1 century 1 decade", 1110 * 12, 0, 0},
        {"-1.5 days", 0, -1, -12 * HOUR},
        {"1h 30m", 0, 0, 90 * MINUTE},
        {"1h2m3s", 0, 0, HOUR + 2 * MINUTE + 3 * US},
        {"1y2mon", 14, 0, 0},
        {"1 day, 2:03:04", 0, 1, 2 * HOUR + 3 * MINUTE + 4 * US},
        {"1 DAY 2 Hours", 0, 1, 2 * HOUR},
        {"5 ms", 0, 0, 5000},
        {"1 sec 2 ms 3 us", 0, 0, US + 2003},
        {".5 sec", 0, 0, 500000},
        {" 1 day\n", 0, 1, 0},
        {"0", 0, 0, 0},
        {"90", 0, 0, 90 * US},
        {"1.5", 0, 0, 1500000},
        {"-1.5", 0, 0, -1500000},
        {"1 day 2", 0, 1, 2 * US},
    };
    takes(forms, COUNT(forms));
}

static void test_sql(void **state)
{
    (void)state;
    static const form forms[] = {
        {"1-2", 14, 0, 0},
        {"-1-2", -14, 0, 0},
        {"1-2 3 4:05:06", 14, 3, 4 * HOUR + 5 * MINUTE + 6 * US},
        {"+1-2 -3 +4:05:06.5", 14, -3, 4 * HOUR + 5 * MINUTE + 6500000},
        {"3 4:05:06", 0, 3, 4 * HOUR + 5 * MINUTE + 6 * US},
        {"4:05", 0, 0, 4 * HOUR + 5 * MINUTE},
        {"1:2:3", 0, 0, HOUR + 2 * MINUTE + 3 * US},
        {"100:00:00", 0, 0, 100 * HOUR},
        {"-4:05:06.5", 0, 0, -(4 * HOUR + 5 * MINUTE + 6500000)},
        {"12:00:60", 0, 0, 12 * HOUR + MINUTE},
    };
    takes(forms, COUNT(forms));
}

static void test_iso(void **state)
{
    (void)state;
    static const form forms[] = {
        {"P1Y2M3DT4H5M6.7S", 14, 3, 4 * HOUR + 5 * MINUTE + 6700000},
        {"PT0.5S", 0, 0, 500000},
        {"PT-.5S", 0, 0, -500000},
        {"P1W", 0, 7, 0},
        {"P1W1D", 0, 8, 0},
        {"P-1Y-2M3DT-4H", -14, 3, -4 * HOUR},
        {"P1.5D", 0, 1, 12 * HOUR},
        {"P0.5M", 0, 15, 0},
        {"P0.5Y", 6, 0, 0},
        {"PT36H", 0, 0, 36 * HOUR},
        {"PT1S1H", 0, 0, HOUR + US},
        {"P1D1D", 0, 2, 0},
        {"PT0S", 0, 0, 0},
    };
    takes(forms, COUNT(forms));
}

static void test_rounds_seconds(void **state)
{
    (void)state;
    static const form forms[] = {
        {"0.0000004 sec", 0, 0, 0},
        {"0.0000006 sec", 0, 0, 1},
        {"0.0000005 sec", 0, 0, 0},
        {"1.9999996", 0, 0, 2 * US},
        {"-0.0000006", 0, 0, -1},
        {"0:00:00.0000016", 0, 0, 2},
        {"PT0.0000006S", 0, 0, 1},
        {"1.5 us", 0, 0, 1},
        {"0.100000000000000000 s", 0, 0, 100000},
        {"1.6 us", 0, 0, 2},
    };
    takes(forms, COUNT(forms));
}

static void test_refuses(void **state)
{
    (void)state;
    static const char *const bad[] = {
        "5. sec",
        "PT5.S",
        "",
        " ",
        "@",
        "ago",
        "1 ago",
        "1 day ago 2 hours",
        "day",
        "1 day day",
        "1 day 1 day",
        "1 hour 1:00",
        "1:00 1:00",
        "1.5 sec 1 ms",
        "1 2",
        "2 1 day",
        "1 2 hours",
        "1:00 1 day",
        "1:00 5 ms",
        "1:00 1.5 days",
        "1 fortnight",
        "1 quarter",
        "infinity",
        "now",
        "1e3 days",
        "1_000 s",
        "+ 1 day",
        "- 1 day",
        "-.5 days",
        "--1 day",
        "1--2",
        "1-2-3",
        "1-2x",
        "1-",
        "1 -",
        "1:",
        ":05",
        "1::2",
        "1:2:",
        "1:002",
        "4:05.5",
        "1:2:3.",
        "1:2:3.4.5",
        "1.2.3 s",
        "1day2hours",
        "1 day-2 hours",
        "1h+2m",
        "1 day,2 hours",
        "1,5 days",
        "1 , day",
        "1/2 day",
        "2024-05-14",
        "1 d\xC3\xA9",
        "P",
        "PT",
        "P1",
        "P1DT",
        "P1DT1HT1M",
        "P1H",
        "PT1D",
        "P1S",
        "PT1Y",
        "p1d",
        " P1D",
        "P1D ",
        "P 1D",
        "P1D2",
        "P+1D",
        "PT+1H",
        "-P1D",
        "P1D ago",
        "PT1e3S",
        "P--1D",
        "P1Y-",
        "P0001-02-03T04:05:06",
        "P00010203T040506",
        "P1,5D",
        "PT1:30",
    };
    static const char *const range[] = {
        "2147483648 days",
        "-2147483649 days",
        "178956971 years",
        "1:60",
        "1:00:61",
        "1-12",
        "9223372036854775808 us",
        "9223372036855 s",
        "99999999999999999999 us",
        "306783379 weeks",
        "2562047789:00:00",
        "-2562047788:00:54.775808",
        "-2147483648 days ago",
        "-178956970-8 ago",
        "P2147483648D",
        "P178956971Y",
    };
    static const char *const exact[] = {"1.04 years", "0.1 years", "P0.3Y", "0.001 decades"};
    static const char *const fine[] = {"0.1234567890123456 s", "PT0.1234567890123456S",
                                       "PT9007199254740.993S", "PT9007199254740993.0S"};
    static const char *const minus[] = {"-1 day 2 hours", "-3 4:05:06", "-1-2 3 4:05:06",
                                        "@ -1 day 2 hours ago", "-1 year 2 mons"};
    static const struct {
        const char *const *texts;
        size_t count;
        const char *why;
    } lists[] = {
        {bad, COUNT(bad), "not an interval"},
        {range, COUNT(range), "an interval that is out of range"},
        {exact, COUNT(exact), "a fraction of a year that is no whole months"},
        {fine, COUNT(fine), "a fraction with too many digits"},
        {minus, COUNT(minus), "a minus whose reach depends on IntervalStyle"},
    };
    for (size_t i = 0; i < COUNT(lists); i++)
        for (size_t j = 0; j < lists[i].count; j++) {
            uint8_t data[16], before[16];
            memset(before, 0xAA, 16);
            memset(data, 0xAA, 16);
            const char *why = read_text(lists[i].texts[j], data);
            if (why == NULL || strcmp(why, lists[i].why) != 0)
                fail_msg("%s: %s, expected %s", lists[i].texts[j], why ? why : "taken",
                         lists[i].why);
            assert_memory_equal(data, before, 16);
        }
}

static void test_limits(void **state)
{
    (void)state;
    static const form forms[] = {
        {"2147483647 days", 0, INT32_MAX, 0},
        {"-2147483648 days", 0, INT32_MIN, 0},
        {"2147483647 mons", INT32_MAX, 0, 0},
        {"178956970 years 7 mons", INT32_MAX, 0, 0},
        {"-178956970-8", INT32_MIN, 0, 0},
        {"9223372036854775807 us", 0, 0, INT64_MAX},
        {"2562047788:00:54.775807", 0, 0, INT64_MAX},
        {"PT-2562047788H-54.775808S", 0, 0, INT64_MIN},
        {"2147483647 days -1 weeks", 0, INT32_MAX - 7, 0},
    };
    takes(forms, COUNT(forms));
}

static void test_writes(void **state)
{
    (void)state;
    static const form forms[] = {
        {"PT0S", 0, 0, 0},
        {"P1Y2M3DT4H5M6.7S", 14, 3, 4 * HOUR + 5 * MINUTE + 6700000},
        {"P-1Y-2M3DT-4H-5M-6.7S", -14, 3, -(4 * HOUR + 5 * MINUTE + 6700000)},
        {"P-1Y", -12, 0, 0},
        {"PT0.5S", 0, 0, 500000},
        {"PT-0.000001S", 0, 0, -1},
        {"PT1M", 0, 0, MINUTE},
        {"PT10S", 0, 0, 10 * US},
        {"P178956970Y7M2147483647DT2562047788H54.775807S", INT32_MAX, INT32_MAX, INT64_MAX},
        {"P-178956970Y-8M-2147483648DT-2562047788H-54.775808S", INT32_MIN, INT32_MIN, INT64_MIN},
    };
    takes(forms, COUNT(forms));
    for (size_t i = 0; i < COUNT(forms); i++) {
        uint8_t data[16];
        char text[80];
        assert_null(read_text(forms[i].text, data));
        wb_interval_format(data, text);
        assert_string_equal(text, forms[i].text);
    }
}

static void test_of_us(void **state)
{
    (void)state;
    static const int64_t values[] = {0, 1, -1, 90 * US, INT64_MAX, INT64_MIN};
    for (size_t i = 0; i < COUNT(values); i++) {
        uint8_t data[16];
        memset(data, 0xAA, 16);
        wb_interval_of_us(values[i], data);
        assert_int_equal((int64_t)wb_get64(data), values[i]);
        assert_int_equal(wb_get64(data + 8), 0);
    }
}

/* Any bytes, many of them small. */
static void test_reads_back_what_it_writes(void **state)
{
    (void)state;
    uint64_t seed = 51;
    for (int i = 0; i < rounds(100000); i++) {
        uint8_t data[16], back[16];
        char text[80];
        wb_put64(data, next_random(&seed) >> random_below(&seed, 64));
        wb_put64(data + 8, next_random(&seed));
        for (int at = 8; at < 16; at += 4)
            wb_put32(data + at, wb_get32(data + at) >> random_below(&seed, 32));
        if (random_below(&seed, 2))
            wb_put64(data, -wb_get64(data));
        wb_interval_format(data, text);
        const char *why = read_text(text, back);
        if (why != NULL)
            fail_msg("%s: %s", text, why);
        assert_memory_equal(back, data, 16);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_words),
        cmocka_unit_test(test_sql),
        cmocka_unit_test(test_iso),
        cmocka_unit_test(test_rounds_seconds),
        cmocka_unit_test(test_refuses),
        cmocka_unit_test(test_limits),
        cmocka_unit_test(test_writes),
        cmocka_unit_test(test_of_us),
        cmocka_unit_test(test_reads_back_what_it_writes),
    };
    return cmocka_run_group_tests_name("interval", tests, NULL, NULL);
}
