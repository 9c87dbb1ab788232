/* SPDX-License-Identifier: MIT
 * RFC 3339 and the numbers: tables of texts, round trips, and the C library's calendar as the oracle. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include <cmocka.h>

#include "support/rounds.h"

#include "base/timestamp.h"

#define US INT64_C(1000000)

static uint64_t next(uint64_t *state)
{
    uint64_t z = *state += UINT64_C(0x9E3779B97F4A7C15);
    z = (z ^ z >> 30) * UINT64_C(0xBF58476D1CE4E5B9);
    z = (z ^ z >> 27) * UINT64_C(0x94D049BB133111EB);
    return z ^ z >> 31;
}

/* Any time of the range. */
static int64_t random_time(uint64_t *state)
{
    uint64_t span = (uint64_t)(WB_TIME_MAX_US - WB_TIME_MIN_US) + 1;
    return WB_TIME_MIN_US + (int64_t)(next(state) % span);
}

static void test_reads(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        int64_t us;
    } cases[] = {
        {"1970-01-01T00:00:00Z", 0},
        {"2024-05-14T08:00:00.115245Z", 1715673600 * US + 115245},
        {"2024-05-14t08:00:00.115245z", 1715673600 * US + 115245},
        {"2024-05-14 08:00:00.115245Z", 1715673600 * US + 115245},
        {"2024-05-14T10:00:00+02:00", 1715673600 * US},
        {"2024-05-14T03:30:00.5-04:30", 1715673600 * US + 500000},
        {"2024-05-14T08:00:00-00:00", 1715673600 * US},
        {"2024-05-15T07:59:00+23:59", 1715673600 * US},
        {"2024-05-14T08:00:00.1Z", 1715673600 * US + 100000},
        {"2024-05-14T08:00:00.12Z", 1715673600 * US + 120000},
        {"2024-05-14T08:00:00.123Z", 1715673600 * US + 123000},
        {"2024-05-14T08:00:00.1234Z", 1715673600 * US + 123400},
        {"2024-05-14T08:00:00.12345Z", 1715673600 * US + 123450},
        {"2024-05-14T08:00:00.1234564Z", 1715673600 * US + 123456},
        {"2024-05-14T08:00:00.1234565Z", 1715673600 * US + 123457},
        {"2024-05-14T08:00:00.12345649999999999999999999999Z", 1715673600 * US + 123456},
        {"2024-05-14T07:59:59.9999999Z", 1715673600 * US},
        {"2023-12-31T23:59:59.9999995Z", 1704067200 * US},
        {"1969-12-31T23:59:59.9999994Z", -1},
        {"1969-12-31T23:59:59.9999995Z", 0},
        {"2016-12-31T23:59:60Z", 1483228800 * US},
        {"2016-12-31T23:59:60.25Z", 1483228800 * US + 250000},
        {"2016-12-31T15:59:60-08:00", 1483228800 * US},
        {"2024-02-29T00:00:00Z", 1709164800 * US},
        {"2000-02-29T00:00:00Z", 951782400 * US},
        {"0001-01-01T00:00:00Z", WB_TIME_MIN_US},
        {"0000-12-31T23:00:00-01:00", WB_TIME_MIN_US},
        {"9999-12-31T23:59:59.999999Z", WB_TIME_MAX_US},
        {"2000-01-01T00:00:00Z", WB_PG_EPOCH_US},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        int64_t us = 1;
        if (!wb_timestamp_parse(cases[i].text, strlen(cases[i].text), &us))
            fail_msg("refused: %s", cases[i].text);
        assert_int_equal(us, cases[i].us);
    }
}

static void test_refuses(void **state)
{
    (void)state;
    static const char *const cases[] = {
        "",
        "2024-05-14",
        "2024-05-14T08:00:00",
        "2024-05-14T08:00:00.Z",
        "2024-05-14T08:00:00,5Z",
        "2024-05-14T08:00:00.5",
        "2024-05-14T08:00:00ZZ",
        "2024-05-14_08:00:00Z",
        "2024/05/14T08:00:00Z",
        "2024-05-14T08.00.00Z",
        "2024-05-14T08:00:00+2",
        "2024-05-14T08:00:00+02:60",
        "2024-05-14T08:00:00+24:00",
        "2024-05-14T08:00:00+02:00x",
        "2024-05-14T08:00:00 02:00",
        "2024-05-14T08:60:00Z",
        "2024-05-14T08:00:61Z",
        "2024-05-14T08:00:60Z", /* no leap second but at midnight, UTC */
        "2016-12-31T23:59:60+01:00",
        "2023-02-29T00:00:00Z",
        "1900-02-29T00:00:00Z",
        "2100-02-29T00:00:00Z",
        "2024-02-30T00:00:00Z",
        "2024-04-31T00:00:00Z",
        "2024-00-10T00:00:00Z",
        "2024-13-10T00:00:00Z",
        "2024-05-00T00:00:00Z",
        "2024-05-32T00:00:00Z",
        "+024-05-14T08:00:00Z",
        "-024-05-14T08:00:00Z",
        "2024-5-14T008:00:00Z",
        "2024-05-14T08:00:0\xC2\xB2Z",
        "0000-12-31T23:59:59Z",
        "0001-01-01T00:00:00+00:01",
        "9999-12-31T23:59:59.9999995Z",
        "9999-12-31T23:59:60Z",
        "9999-12-31T23:59:59-00:01",
        "10000-01-01T00:00:00Z",
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        int64_t us = 12345;
        if (wb_timestamp_parse(cases[i], strlen(cases[i]), &us))
            fail_msg("accepted: %s", cases[i]);
        assert_int_equal(us, 12345);
    }
}

/* Each byte of a good text, replaced by each byte: accepted is at most a digit for a digit, a sign for a
 * sign, a letter in its other case or the space for the T, and a space before the offset. */
static void test_every_corruption(void **state)
{
    (void)state;
    const char good[] = "2011-11-11T11:11:11.111111+11:11";
    for (size_t at = 0; at < sizeof good - 1; at++)
        for (int byte = 0; byte < 256; byte++) {
            char text[sizeof good];
            int64_t us;
            memcpy(text, good, sizeof good);
            text[at] = (char)byte;
            bool may = byte == good[at];
            if (good[at] == '+')
                may = byte == '+' || byte == '-';
            else if (good[at] == 'T')
                may = byte == 'T' || byte == 't' || byte == ' ';
            else if (good[at] >= '0' && good[at] <= '9')
                may = (byte >= '0' && byte <= '9') || (byte == ' ' && good[at + 1] == '+');
            if (wb_timestamp_parse(text, sizeof good - 1, &us) && !may)
                fail_msg("accepted: %.32s", text);
            if (byte == good[at])
                assert_true(wb_timestamp_parse(text, sizeof good - 1, &us));
        }
}

/* As gmtime_r and printf would write it, and back. */
static void assert_round_trip(int64_t us)
{
    char expected[64], text[40];
    int64_t back = 0;
    time_t seconds = (time_t)((us - WB_TIME_MIN_US) / US + WB_TIME_MIN_US / US);
    struct tm tm;
    assert_non_null(gmtime_r(&seconds, &tm));
    snprintf(expected, sizeof expected, "%04d-%02d-%02dT%02d:%02d:%02d.%06dZ", tm.tm_year + 1900,
             tm.tm_mon + 1, tm.tm_mday, tm.tm_hour, tm.tm_min, tm.tm_sec,
             (int)((us - WB_TIME_MIN_US) % US));
    wb_timestamp_format(us, text);
    assert_string_equal(text, expected);
    assert_true(wb_timestamp_parse(text, strlen(text), &back));
    assert_int_equal(back, us);
}

static void test_round_trips(void **state)
{
    (void)state;
    uint64_t seed = 11;
    assert_round_trip(WB_TIME_MIN_US);
    assert_round_trip(WB_TIME_MAX_US);
    assert_round_trip(-1);
    assert_round_trip(0);
    for (int i = 0; i < rounds(100000); i++)
        assert_round_trip(random_time(&seed));
}

static void test_offsets_are_taken_off(void **state)
{
    (void)state;
    uint64_t seed = 12;
    for (int i = 0; i < rounds(20000); i++) {
        int64_t local = random_time(&seed) / 2, us = 0; /* far from the ends of the range */
        int minutes = (int)(next(&seed) % 2879) - 1439;
        char text[40];
        wb_timestamp_format(local, text);
        snprintf(text + 26, sizeof text - 26, "%c%02d:%02d", minutes < 0 ? '-' : '+',
                 (minutes < 0 ? -minutes : minutes) / 60, (minutes < 0 ? -minutes : minutes) % 60);
        assert_true(wb_timestamp_parse(text, strlen(text), &us));
        assert_int_equal(us, local - minutes * 60 * US);
    }
}

/* Times that no RFC 3339 text has are written with a signed year, never past the buffer. */
static void test_formats_any_number(void **state)
{
    (void)state;
    static const struct {
        int64_t us;
        const char *text;
    } cases[] = {
        {INT64_MAX, "+294247-01-10T04:00:54.775807Z"},
        {INT64_MIN, "-290308-12-21T19:59:05.224192Z"},
        {WB_TIME_MAX_US + 1, "+10000-01-01T00:00:00.000000Z"},
        {WB_TIME_MIN_US - 1, "0000-12-31T23:59:59.999999Z"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        char text[40];
        wb_timestamp_format(cases[i].us, text);
        assert_string_equal(text, cases[i].text);
    }
    char date[16];
    wb_date_format(INT32_MAX, date);
    assert_string_equal(date, "+5881580-07-11");
    wb_date_format(INT32_MIN, date);
    assert_string_equal(date, "-5877641-06-23");
}

static void test_of_seconds(void **state)
{
    (void)state;
    static const struct {
        double seconds;
        int64_t us;
    } cases[] = {
        {0.0, 0},
        {-0.0, 0},
        {1.5, 1500000},
        {-1.5, -1500000},
        {1715673600.115245, INT64_C(1715673600115245)},
        {0.0000005, 1},
        {0.00000049999, 0},
        {-0.0000001, 0},
        {-0.0000009, -1},
        {1e-300, 0},
        {-62135596800.0, WB_TIME_MIN_US},
        {253402300799.0, WB_TIME_MAX_US - 999999},
    };
    static const double bad[] = {NAN,  INFINITY, -INFINITY, 253402300800.0, -62135596800.5,
                                 1e18, -1e300};
    int64_t us = 7;
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
        assert_false(wb_timestamp_of_seconds(bad[i], &us));
    assert_int_equal(us, 7);
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        assert_true(wb_timestamp_of_seconds(cases[i].seconds, &us));
        assert_int_equal(us, cases[i].us);
    }
}

/* Doubles hold the µs of these centuries: what goes out as seconds comes back whole. */
static void test_of_seconds_round_trips(void **state)
{
    (void)state;
    uint64_t seed = 13;
    for (int i = 0; i < rounds(100000); i++) {
        int64_t us =
            (int64_t)(next(&seed) % UINT64_C(8000000000000000)) - INT64_C(4000000000000000);
        int64_t back = 0;
        assert_true(wb_timestamp_of_seconds((double)us / 1e6, &back));
        assert_int_equal(back, us);
    }
}

/* All the days there are, counted by hand. */
static void test_every_date(void **state)
{
    (void)state;
    static const int lengths[] = {31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31};
    int32_t expected = (int32_t)(WB_TIME_MIN_US / US / 86400), days = 0;
    for (int year = 1; year <= 9999; year++)
        for (int month = 1; month <= 12; month++) {
            bool leap = (year % 4 == 0 && year % 100 != 0) || year % 400 == 0;
            int length = lengths[month - 1] + (month == 2 && leap);
            char text[16] = "", back[16];
            for (int day = 1; day <= length; day++, expected++) {
                if (day == 1)
                    snprintf(text, sizeof text, "%04d-%02d-01", year % 10000, month);
                text[8] = (char)('0' + day / 10);
                text[9] = (char)('0' + day % 10);
                wb_date_format(expected, back);
                if (!wb_date_parse(text, 10, &days) || days != expected || strcmp(text, back) != 0)
                    fail_msg("%s: %d, expected %d, written %s", text, days, expected, back);
            }
            text[8] = (char)('0' + (length + 1) / 10);
            text[9] = (char)('0' + (length + 1) % 10);
            assert_false(wb_date_parse(text, 10, &days));
        }
    assert_int_equal(expected, WB_TIME_MAX_US / US / 86400 + 1);
}

static void test_refuses_dates(void **state)
{
    (void)state;
    static const char *const cases[] = {"",           "2024-05-1",  "2024-05-141", "2024/05/14",
                                        "0000-01-01", "2023-02-29", "2024-5-014",  "24-05-14xx",
                                        "2024-05-1 ", "202405014",  "-024-05-14"};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        int32_t days = 5;
        assert_false(wb_date_parse(cases[i], strlen(cases[i]), &days));
        assert_int_equal(days, 5);
    }
}

static void test_constants(void **state)
{
    (void)state;
    struct tm tm = {.tm_year = 100, .tm_mday = 1};
    assert_int_equal(timegm(&tm) * US, WB_PG_EPOCH_US);
    assert_int_equal(WB_PG_EPOCH_DAYS * INT64_C(86400) * US, WB_PG_EPOCH_US);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_reads),
        cmocka_unit_test(test_refuses),
        cmocka_unit_test(test_every_corruption),
        cmocka_unit_test(test_round_trips),
        cmocka_unit_test(test_offsets_are_taken_off),
        cmocka_unit_test(test_formats_any_number),
        cmocka_unit_test(test_of_seconds),
        cmocka_unit_test(test_of_seconds_round_trips),
        cmocka_unit_test(test_every_date),
        cmocka_unit_test(test_refuses_dates),
        cmocka_unit_test(test_constants),
    };
    return cmocka_run_group_tests_name("timestamp", tests, NULL, NULL);
}
