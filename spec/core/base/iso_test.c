/* SPDX-License-Identifier: MIT
 * The forms of times and dates besides RFC 3339's: what they mean, what is refused, and what is written. What PostgreSQL
 * says of them is asked in stores/postgres/types_oracle_test.c. */
#include "support/rounds.h"
#include "support/support.h"

#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include "base/iso.h"
#include "base/timestamp.h"

#define COUNT(list) (sizeof(list) / sizeof *(list))
#define US          INT64_C(1000000)
#define DAY         INT64_C(86400000000)
#define MAY_14      (INT64_C(1715644800) * US) /* 2024-05-14T00:00:00Z */
#define EIGHT       (8 * 3600 * US)

typedef bool parser(const char *text, size_t bytes, int64_t *us);

typedef struct form {
    const char *text;
    int64_t us;
} form;

/* In memory of just its size, so that a checker of memory sees a look past the end. */
static bool parse(parser *read, const char *text, int64_t *us)
{
    size_t bytes = strlen(text);
    char *copy = malloc(bytes + !bytes);
    memcpy(copy, text, bytes);
    bool taken = read(copy, bytes, us);
    free(copy);
    return taken;
}

static void takes(parser *read, const form *forms, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        int64_t us = 1;
        if (!parse(read, forms[i].text, &us))
            fail_msg("refused: %s", forms[i].text);
        if (us != forms[i].us)
            fail_msg("%s: %lld, expected %lld", forms[i].text, (long long)us,
                     (long long)forms[i].us);
    }
}

static void refuses(parser *read, const char *const *texts, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        int64_t us = 12345;
        if (parse(read, texts[i], &us))
            fail_msg("taken: %s", texts[i]);
        assert_int_equal(us, 12345);
    }
}

/* Both for a time with a zone and for one without. */
static const form zoned[] = {
    {"2024-05-14T08:00Z", MAY_14 + EIGHT},
    {"2024-05-14 8:00Z", MAY_14 + EIGHT},
    {"2024-05-14T08:00:00 Z", MAY_14 + EIGHT},
    {"2024-05-14T08:00:00UTC", MAY_14 + EIGHT},
    {"2024-05-14 08:00:00 UTC", MAY_14 + EIGHT},
    {"2024-05-14 08:00:00.25 gmt", MAY_14 + EIGHT + 250000},
    {"2024-05-14 10:00:00+02", MAY_14 + EIGHT},
    {"2024-05-14 10:00:00+0200", MAY_14 + EIGHT},
    {"2024-05-14 10:00:00 +02", MAY_14 + EIGHT},
    {"2024-05-14 10:00 +02:00", MAY_14 + EIGHT},
    {"2024-05-14 00:30:00-07:30", MAY_14 + EIGHT},
    {"2024-05-14 00:30:00-0730", MAY_14 + EIGHT},
    {"2024-05-14 13:30:15+05:30:15", MAY_14 + EIGHT},
    {"2024-05-14 23:59:59+15:59:59", MAY_14 + EIGHT},
    {"2024-05-13 16:00:01-15:59:59", MAY_14 + EIGHT},
    {"20240514T080000Z", MAY_14 + EIGHT},
    {"20240514t080000z", MAY_14 + EIGHT},
    {"20240514T0800Z", MAY_14 + EIGHT},
    {"20240514 080000 UTC", MAY_14 + EIGHT},
    {"20240514 100000+02", MAY_14 + EIGHT},
    {"20240514T003000.5-0730", MAY_14 + EIGHT + 500000},
    {"20240514T08:00:00Z", MAY_14 + EIGHT},
    {"2024-05-14T080000Z", MAY_14 + EIGHT},
    {"2024-05-14   08:00:00Z", MAY_14 + EIGHT},
    {" \t2024-05-14T08:00:00Z\r\n\v\f", MAY_14 + EIGHT},
    {"2024-05-14T24:00:00Z", MAY_14 + DAY},
    {"2024-05-14T24:00Z", MAY_14 + DAY},
    {"2024-05-14 240000.0 Z", MAY_14 + DAY},
    {"2024-05-14T24:00:00.0000001+02", MAY_14 + DAY - 7200 * US},
    {"2016-12-31 23:59:60 UTC", INT64_C(1483228800) * US},
    {"2017-01-01 01:59:60+02", INT64_C(1483228800) * US},
    {"0001-01-01 00:00 Z", WB_TIME_MIN_US},
    {"9999-12-31 23:59:59.999999 Z", WB_TIME_MAX_US},
    {"9999-12-31 24:00 +02", WB_TIME_MAX_US + 1 - 7200 * US},
};

/* Neither of the two takes these. */
static const char *const bad[] = {
    "",
    "   ",
    "now",
    "today",
    "epoch",
    "infinity",
    "T08:00:00Z",
    "2024-05-14Z",
    "2024-05-14 UTC",
    "2024-05-14 +02",
    "20240514Z",
    "20240514",
    "20240514080000",
    "1715673600",
    "2024-05-14T",
    "2024-05-14T08Z",
    "2024-05-14T08+02",
    "2024-05-14T8Z",
    "2024-05-14T08:0Z",
    "2024-05-14T08:00:0Z",
    "2024-05-14T008:00Z",
    "2024-05-14T08:00.5Z",
    "2024-05-14T0800.5Z",
    "2024-05-14T08:00:00. Z",
    "2024-05-14T08:00:00,5 Z",
    "2024-05-14 T08:00Z",
    "2024-05-14T 08:00Z",
    "2024-05-1408:00Z",
    "2024-05-14_08:00Z",
    "2024-05-14\t08:00Z",
    "2024-05-14 08:00\tZ",
    "2024-5-14 08:00Z",
    "2024/05/14 08:00Z",
    "05/14/2024 08:00Z",
    "24-05-14 08:00Z",
    "240514T080000Z",
    "2024135T080000Z",
    "2024-135T08:00Z",
    "2024-W20-2T08:00Z",
    "14 May 2024 08:00Z",
    "2024-05-14 08:00:00 Europe/Berlin",
    "2024-05-14 08:00:00 CET",
    "2024-05-14 08:00:00 EST",
    "2024-05-14 08:00:00 UTC+2",
    "2024-05-14 08:00:00Z+02",
    "2024-05-14 08:00:00 U",
    "2024-05-14 08:00:00 +02 UTC",
    "2024-05-14 08:00:00 AM Z",
    "2024-05-14 08:00:00Z BC",
    "2024-05-14 08:00:00 +",
    "2024-05-14 08:00:00 + 02",
    "2024-05-14 08:00:00 +2",
    "2024-05-14 08:00:00 +200",
    "2024-05-14 08:00:00 +2:00",
    "2024-05-14 08:00:00 +02:0",
    "2024-05-14 08:00:00 +02:00:0",
    "2024-05-14 08:00:00 +02:00:00:00",
    "2024-05-14 08:00:00 +02:00:60",
    "2024-05-14 08:00:00 +0260",
    "2024-05-14 08:00:00 +020000",
    "2024-05-14 08:00:00 +16",
    "2024-05-14 08:00:00 -1600",
    "20240514T080000-07:30",
    "20240514T080000+07:30",
    "2024-05-14T24:00:01Z",
    "2024-05-14T24:01Z",
    "2024-05-14T24:00:00.000001Z",
    "2024-05-14T25:00Z",
    "2024-05-14T08:60Z",
    "2024-05-14T086000Z",
    "2024-05-14T080061Z",
    "2024-05-14 08:00:60 UTC",
    "2016-12-31 23:59:60.5 UTC",
    "2016-12-31 23:59:60 +01",
    "20230229T080000Z",
    "20241301T080000Z",
    "20240500T080000Z",
    "0000-12-31 23:00-02",
    "00001231T230000-02",
    "0001-01-01 00:00+01",
    "9999-12-31 23:59:59.9999995 Z",
    "9999-12-31 24:00 Z",
    "10000-01-01 00:00 Z",
    "2024-05-14 08:00:00\xC2\xA0Z",
};

static void test_zoned_times(void **state)
{
    (void)state;
    static const char *const wall[] = {"2024-05-14", "2024-05-14 08:00:00", "2024-05-14T0800",
                                       "20240514 080000"};
    takes(wb_timestamp_parse, zoned, COUNT(zoned));
    refuses(wb_timestamp_parse, bad, COUNT(bad));
    refuses(wb_timestamp_parse, wall, COUNT(wall));
}

static void test_walls(void **state)
{
    (void)state;
    static const form forms[] = {
        {"2024-05-14 08:00:00", MAY_14 + EIGHT},
        {"2024-05-14T08:00:00", MAY_14 + EIGHT},
        {"2024-05-14t08:00:00", MAY_14 + EIGHT},
        {"2024-05-14 08:00:00.5", MAY_14 + EIGHT + 500000},
        {"2024-05-14 08:00:00.1234565", MAY_14 + EIGHT + 123457},
        {"2024-05-14T08:00:00Z", MAY_14 + EIGHT},
        {"2024-05-14T10:00:00+02:00", MAY_14 + EIGHT},
        {"2024-05-14", MAY_14},
        {" 2024-05-14 ", MAY_14},
        {"2024-05-14 08:00", MAY_14 + EIGHT},
        {"2024-05-14 8:00", MAY_14 + EIGHT},
        {"2024-05-14 24:00", MAY_14 + DAY},
        {"20240514T080000", MAY_14 + EIGHT},
        {"20240514 0800", MAY_14 + EIGHT},
        {"2016-12-31 23:59:60", INT64_C(1483228800) * US},
        {"0001-01-01", WB_TIME_MIN_US},
        {"0001-01-01 00:00:00", WB_TIME_MIN_US},
        {"9999-12-31 23:59:59.999999", WB_TIME_MAX_US},
    };
    static const char *const more[] = {
        "2024-05-14 08:00:60",  "2016-12-31 23:59:60.5",       "2024-05-14 08:00:00.",
        "2024-05-14 08:00:00x", "2024-05-14_08:00:00",         "0000-12-31",
        "0000-12-31 23:59:59",  "9999-12-31 23:59:59.9999995", "9999-12-31 24:00:00",
    };
    takes(wb_wall_parse, forms, COUNT(forms));
    takes(wb_wall_parse, zoned, COUNT(zoned));
    refuses(wb_wall_parse, bad, COUNT(bad));
    refuses(wb_wall_parse, more, COUNT(more));
}

static bool date(const char *text, size_t bytes, int64_t *us)
{
    int32_t days;
    if (!wb_date_parse(text, bytes, &days))
        return false;
    *us = days * DAY;
    return true;
}

static void test_dates(void **state)
{
    (void)state;
    static const form forms[] = {
        {"20240514", MAY_14},
        {"2024-05-14", MAY_14},
        {" 2024-05-14\n", MAY_14},
        {"00010101", WB_TIME_MIN_US},
        {"0001-01-01", WB_TIME_MIN_US},
        {"99991231", WB_TIME_MAX_US + 1 - DAY},
        {"20000229", WB_PG_EPOCH_US + 59 * DAY},
    };
    static const char *const texts[] = {
        "",           "240514",           "2024514",     "202405140",
        "2024-0514",  "202405-14",        "20230229",    "20241301",
        "00001231",   "2024-05-14 08:00", "2024-05-14Z", "2024-05-14T",
        "2024/05/14", "2024.05.14",       "2024-5-4",    "today",
        "infinity",   "2024 05 14",
    };
    takes(date, forms, COUNT(forms));
    refuses(date, texts, COUNT(texts));
}

static void test_clocks(void **state)
{
    (void)state;
    static const form forms[] = {
        {"08:00", EIGHT},
        {"8:00", EIGHT},
        {" 08:00:00 ", EIGHT},
        {"08:00:00.5", EIGHT + 500000},
        {"08:00:00.123456", EIGHT + 123456},
        {"08:00:00.1234565", EIGHT + 123457},
        {"T08:00:00", EIGHT},
        {"t0800", EIGHT},
        {"0800", EIGHT},
        {"080000", EIGHT},
        {"080000.25", EIGHT + 250000},
        {"00:00", 0},
        {"23:59:59.999999", DAY - 1},
        {"23:59:59.9999999", DAY},
        {"24:00:00", DAY},
        {"24:00:00.0000001", DAY},
        {"2400", DAY},
    };
    static const char *const texts[] = {
        "",       "8",          "08",       "080",          "08000",     "0800000",
        "08:0",   "08:00:0",    "008:00",   "08:00:",       "08:00:00.", "08:00.5",
        "0800.5", "08:00:00,5", "24:00:01", "24:01",        "240001",    "24:00:00.000001",
        "25:00",  "08:60",      "08:00:60", "23:59:60",     "08:00:61",  "-08:00",
        "08:00Z", "08:00 UTC",  "08:00+02", "08:00:00 +02", "080000-07", "08:00 AM",
        "8 AM",   "T 08:00",    "TT08:00",  "now",          "allballs",  "2024-05-14 08:00",
    };
    takes(wb_clock_parse, forms, COUNT(forms));
    refuses(wb_clock_parse, texts, COUNT(texts));
}

static void test_writes(void **state)
{
    (void)state;
    static const form walls[] = {
        {"2024-05-14 08:00:00", MAY_14 + EIGHT},
        {"2024-05-14 08:00:00.5", MAY_14 + EIGHT + 500000},
        {"2024-05-14 08:00:00.00001", MAY_14 + EIGHT + 10},
        {"1969-12-31 23:59:59.999999", -1},
        {"0001-01-01 00:00:00", WB_TIME_MIN_US},
        {"+294247-01-10 04:00:54.775807", INT64_MAX},
        {"-290308-12-21 19:59:05.224192", INT64_MIN},
    };
    static const form clocks[] = {
        {"00:00:00", 0},
        {"08:00:00.5", EIGHT + 500000},
        {"23:59:59.999999", DAY - 1},
        {"00:00:00.000001", 1},
        {"24:00:00", DAY},
        {"12:34:56.7801", 45296780100},
    };
    char text[40];
    for (size_t i = 0; i < COUNT(walls); i++) {
        wb_wall_format(walls[i].us, text);
        assert_string_equal(text, walls[i].text);
    }
    for (size_t i = 0; i < COUNT(clocks); i++) {
        wb_clock_format(clocks[i].us, text);
        assert_string_equal(text, clocks[i].text);
    }
}

static void test_reads_back_what_it_writes(void **state)
{
    (void)state;
    uint64_t seed = 21;
    uint64_t span = (uint64_t)(WB_TIME_MAX_US - WB_TIME_MIN_US) + 1;
    for (int i = 0; i < rounds(50000); i++) {
        int64_t us = WB_TIME_MIN_US + (int64_t)random_below(&seed, span), back = 0;
        int64_t clock = (int64_t)random_below(&seed, (uint64_t)DAY + 1);
        if (i % 3 == 0)
            us -= us % US, clock -= clock % US;
        char text[40];
        wb_wall_format(us, text);
        assert_true(wb_wall_parse(text, strlen(text), &back));
        assert_int_equal(back, us);
        strcat(text, " UTC");
        assert_true(wb_timestamp_parse(text, strlen(text), &back));
        assert_int_equal(back, us);
        wb_clock_format(clock, text);
        assert_true(wb_clock_parse(text, strlen(text), &back));
        assert_int_equal(back, clock);
    }
}

/* The C library's calendar writes the compact forms. */
static void test_compact_forms_are_the_same_time(void **state)
{
    (void)state;
    uint64_t seed = 22;
    for (int i = 0; i < rounds(20000); i++) {
        time_t seconds = (time_t)random_below(&seed, INT64_C(253370764800));
        struct tm tm;
        char text[64];
        int64_t us = 0;
        int32_t days = 0;
        assert_non_null(gmtime_r(&seconds, &tm));
        assert_int_not_equal(strftime(text, sizeof text, "%Y%m%dT%H%M%S+0000", &tm), 0);
        assert_true(wb_timestamp_parse(text, strlen(text), &us));
        assert_int_equal(us, seconds * US);
        assert_true(wb_date_parse(text, 8, &days));
        assert_int_equal(days, seconds / 86400);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_zoned_times),
        cmocka_unit_test(test_walls),
        cmocka_unit_test(test_dates),
        cmocka_unit_test(test_clocks),
        cmocka_unit_test(test_writes),
        cmocka_unit_test(test_reads_back_what_it_writes),
        cmocka_unit_test(test_compact_forms_are_the_same_time),
    };
    return cmocka_run_group_tests_name("iso", tests, NULL, NULL);
}
