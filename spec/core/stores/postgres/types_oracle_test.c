/* SPDX-License-Identifier: MIT
 * The readers of texts against PostgreSQL's own: a text that is taken has its bytes there, one that is refused is refused
 * there, but for the differences that are listed here with their reasons. Of random changes to good texts only the first
 * half is asked: PostgreSQL takes many forms that nobody should write. Both under two sets of a session's settings, since
 * what is taken must not depend on them. */
#include "support/postgres_support.h"

#include "support/store_contract.h"

#include "base/bigendian.h"
#include "base/timestamp.h"
#include "rows/decimal.h"
#include "rows/interval.h"
#include "rows/network.h"

enum { ROOM = 4096, TEXT_ROOM = 128, CHANGES = 1500 };

/* Reads a text as PostgreSQL's binary form of one type; answers whether it was taken. */
typedef bool reader(const char *text, size_t bytes, uint8_t *to, size_t *written);

/* A text that the two judge differently, and why. */
typedef struct difference {
    const char *text;
    const char *why;
} difference;

typedef struct oracle {
    const char *type;
    reader *read;
    const char *forms;                 /* the two agree on these, which have a | between them */
    const difference *only_postgres;   /* PostgreSQL takes these, the reader refuses them */
    const difference *only_ours;       /* the other way round, or with another meaning */
    const char *letters;               /* what random changes put in; NULL: nothing is changed */
    bool (*excused)(const char *text); /* of changed texts: known to be only ours */
} oracle;

/* PostgreSQL's bytes of a text, or -1 where it refuses it. */
static int judged(fixture *f, const char *type, const char *text, uint8_t *to)
{
    char query[64];
    const char *const parameters[] = {text};
    snprintf(query, sizeof query, "SELECT $1::text::%s", type);
    PGresult *result = PQexecParams(f->admin, query, 1, NULL, parameters, NULL, NULL, 1);
    int bytes = -1;
    if (PQresultStatus(result) == PGRES_TUPLES_OK) {
        bytes = PQgetlength(result, 0, 0);
        assert_true(bytes <= ROOM);
        memcpy(to, PQgetvalue(result, 0, 0), (size_t)bytes);
    } else {
        assert_int_equal(PQstatus(f->admin), CONNECTION_OK);
    }
    PQclear(result);
    return bytes;
}

/* Reads from memory of just the text's size, so that a checker of memory sees a look past its end. */
static int read_one(const oracle *o, const char *text, uint8_t *to)
{
    size_t bytes = strlen(text), written = 0;
    char *copy = malloc(bytes + !bytes);
    memcpy(copy, text, bytes);
    bool taken = o->read(copy, bytes, to, &written);
    free(copy);
    return taken ? (int)written : -1;
}

static void print_bytes(const char *who, const uint8_t *data, int bytes)
{
    print_error("%s:", who);
    for (int i = 0; i < bytes; i++)
        print_error(" %02x", data[i]);
    print_error(bytes < 0 ? " refused\n" : "\n");
}

static bool agree(fixture *f, const oracle *o, const char *text, bool one_way)
{
    uint8_t ours[ROOM], theirs[ROOM];
    int our_bytes = read_one(o, text, ours);
    if (our_bytes < 0 && one_way)
        return true;
    int their_bytes = judged(f, o->type, text, theirs);
    if (our_bytes == their_bytes && (our_bytes < 0 || memcmp(ours, theirs, (size_t)our_bytes) == 0))
        return true;
    print_error("%s \"%s\"\n", o->type, text);
    print_bytes("  ours", ours, our_bytes);
    print_bytes("  PostgreSQL's", theirs, their_bytes);
    return false;
}

static bool differ(fixture *f, const oracle *o, const difference *d, bool only_postgres)
{
    uint8_t ours[ROOM], theirs[ROOM];
    int our_bytes = read_one(o, d->text, ours), their_bytes = judged(f, o->type, d->text, theirs);
    bool same = our_bytes == their_bytes && memcmp(ours, theirs, (size_t)their_bytes) == 0;
    if (only_postgres ? our_bytes < 0 && their_bytes >= 0 : our_bytes >= 0 && !same)
        return true;
    print_error("%s \"%s\": no longer a difference (%s)\n", o->type, d->text, d->why);
    return false;
}

/* The next of the forms, or false at their end. */
static bool next_form(const char **at, char form[TEXT_ROOM])
{
    if (*at == NULL)
        return false;
    size_t bytes = strcspn(*at, "|");
    assert_true(bytes < TEXT_ROOM);
    memcpy(form, *at, bytes);
    form[bytes] = '\0';
    *at = (*at)[bytes] == '|' ? *at + bytes + 1 : NULL;
    return true;
}

static int check_lists(fixture *f, const oracle *o)
{
    int bad = 0;
    char form[TEXT_ROOM];
    for (const char *at = o->forms; next_form(&at, form);)
        bad += !agree(f, o, form, false);
    for (const difference *d = o->only_postgres; d->text != NULL; d++)
        bad += !differ(f, o, d, true);
    for (const difference *d = o->only_ours; d->text != NULL; d++)
        bad += !differ(f, o, d, false);
    return bad;
}

/* Replaces, inserts or takes out a letter; *bytes has room for one more. */
static void change(uint64_t *seed, const char *letters, char *text)
{
    size_t bytes = strlen(text), at = random_below(seed, bytes + 1);
    char letter = letters[random_below(seed, strlen(letters))];
    switch (random_below(seed, 3)) {
    case 0:
        if (at < bytes)
            text[at] = letter;
        break;
    case 1:
        memmove(text + at + 1, text + at, bytes - at + 1);
        text[at] = letter;
        break;
    default:
        if (at < bytes)
            memmove(text + at, text + at + 1, bytes - at);
    }
}

static int check_changes(fixture *f, const oracle *o, uint64_t seed)
{
    int bad = 0;
    char text[TEXT_ROOM + 4];
    const char *at = NULL;
    for (int i = 0; o->letters != NULL && i < CHANGES && bad < 20; i++) {
        while (!next_form(&at, text))
            at = o->forms;
        for (uint64_t n = 1 + random_below(&seed, 3); n > 0; n--)
            change(&seed, o->letters, text);
        bad += !(o->excused != NULL && o->excused(text)) && !agree(f, o, text, true);
    }
    return bad;
}

static void check(fixture *f, const oracle *o)
{
    int bad = 0;
    sql(f, "SET TimeZone = 'UTC'; SET DateStyle = 'ISO, MDY'; SET IntervalStyle = 'postgres'");
    bad += check_lists(f, o) + check_changes(f, o, 31);
    sql(f, "SET TimeZone = 'America/New_York'; SET DateStyle = 'SQL, DMY';"
           "SET IntervalStyle = 'sql_standard'");
    bad += check_lists(f, o) + check_changes(f, o, 32);
    assert_int_equal(bad, 0);
}

static const difference none[] = {{NULL, NULL}};

/* ---- times ---- */

static bool read_timestamptz(const char *text, size_t bytes, uint8_t *to, size_t *written)
{
    int64_t us;
    if (!wb_timestamp_parse(text, bytes, &us))
        return false;
    *written = (size_t)(wb_put64(to, (uint64_t)(us - WB_PG_EPOCH_US)) - to);
    return true;
}

static bool read_timestamp(const char *text, size_t bytes, uint8_t *to, size_t *written)
{
    int64_t us;
    if (!wb_wall_parse(text, bytes, &us))
        return false;
    *written = (size_t)(wb_put64(to, (uint64_t)(us - WB_PG_EPOCH_US)) - to);
    return true;
}

static bool read_date(const char *text, size_t bytes, uint8_t *to, size_t *written)
{
    int32_t days;
    if (!wb_date_parse(text, bytes, &days))
        return false;
    *written = (size_t)(wb_put32(to, (uint32_t)(days - WB_PG_EPOCH_DAYS)) - to);
    return true;
}

static bool read_time(const char *text, size_t bytes, uint8_t *to, size_t *written)
{
    int64_t us;
    if (!wb_clock_parse(text, bytes, &us))
        return false;
    *written = (size_t)(wb_put64(to, (uint64_t)us) - to);
    return true;
}

/* What the lists of differences have one of: an offset of 16 hours or more as RFC 3339 writes it, and a fraction that ends
 * with half a µs. */
static bool excused_time(const char *text)
{
    size_t bytes = strlen(text);
    const char *offset = text + bytes - 6, *point = strchr(text, '.');
    if (bytes > 6 && (*offset == '+' || *offset == '-') && atoi(offset + 1) >= 16)
        return true;
    return point != NULL && strspn(point + 1, "0123456789") > 6 && point[7] == '5';
}

/* Every date with every time and every zone of a list that ends with NULL. */
static const char *times(const char *const *zones)
{
    static const char *const dates[] = {"2024-05-14", "20240514", "2024-02-29", "0001-01-02",
                                        "99991230",   "20230229", "2024-13-01", "00000101"};
    static const char *const clocks[] = {
        "T08:00",     " 08:00:00", "T08:00:00.5",      " 8:00",     "T080000", " 0800",
        " 080000.25", " 24:00:00", "T23:59:59.999999", " 24:00:01", "T25:00",  "  08:60"};
    static char forms[1 << 15];
    size_t used = 0;
    for (size_t i = 0; i < COLUMNS(dates) * COLUMNS(clocks); i++)
        for (const char *const *zone = zones; *zone != NULL; zone++) {
            used += (size_t)snprintf(forms + used, sizeof forms - used, "%s%s%s%s", used ? "|" : "",
                                     dates[i % COLUMNS(dates)], clocks[i / COLUMNS(dates)], *zone);
            assert_true(used < sizeof forms);
        }
    return forms;
}

static void test_timestamptz(void **state)
{
    static const char *const zones[] = {"Z",   " UTC",   "gmt", "+02", "+0200",
                                        "-07", " -0730", " Z ", NULL};
    static const difference only_postgres[] = {
        {"2024-05-14", "no zone: the session's would be meant"},
        {"2024-05-14 08:00", "no zone: the session's would be meant"},
        {"20240514 080000", "no zone: the session's would be meant"},
        {"2024-05-14Z", "a date with a zone and no time"},
        {"2024-05-14 +02", "a date with a zone and no time"},
        {"now", "depends on the clock"},
        {"today", "depends on the clock"},
        {"epoch", "a word"},
        {"infinity", "not within the years 0001 to 9999"},
        {"10000-01-01 00:00Z", "not within the years 0001 to 9999"},
        {"0044-03-15 08:00Z BC", "not within the years 0001 to 9999"},
        {"May 14 2024 08:00Z", "a month's name"},
        {"Tue May 14 08:00:00 2024 UTC", "a day's and a month's name"},
        {"05/04/70 08:00Z", "DateStyle decides"},
        {"2024/05/14 08:00Z", "a date with slashes"},
        {"2024-5-4 08:00Z", "a month or a day of one digit"},
        {"2024.135 08:00Z", "a day of the year"},
        {"J2460445 08:00Z", "a Julian day"},
        {"240514 080000Z", "a year of two digits"},
        {"2024-05-14 08:00:00 America/New_York", "a zone's rules belong to the server"},
        {"2024-05-14 08:00:00 EST", "abbreviations are a setting of the server"},
        {"2024-05-14 08:00:00 zulu", "a word"},
        {"2024-05-14 08:00:00 UTC+2", "POSIX has the sign the other way round"},
        {"2024-05-14 08:00:00+2", "an hour of one digit in an offset"},
        {"2024-05-14 08:00:00+2:00", "an hour of one digit in an offset"},
        {"2024-05-14 08:00:00+ 02", "a space after the sign"},
        {"2024-05-14 08:00 AM Z", "twelve hours"},
        {"2024-05-14 08:00.5Z", "minutes and seconds to PostgreSQL"},
        {"2024-05-14T0800.5Z", "a fraction without seconds"},
        {"2024-05-14 08:00:00.Z", "a point without a fraction"},
        {"2024-05-14 08:00:5Z", "minutes or seconds of one digit"},
        {"2024-05-14 T08:00Z", "a space beside the T"},
        {"2024-05-14\t08:00Z", "other white space within"},
        {"20240514T080000+07:30", "PostgreSQL refuses it with a minus"},
        {"2024-05-14 08:00:60Z", "a leap second at no end of a day"},
        {NULL, NULL}};
    static const difference only_ours[] = {
        {"2024-05-14T08:00:00+16:00", "RFC 3339 has offsets up to 23:59"},
        {"2016-12-31T23:59:60.25Z", "a leap second with a fraction, as RFC 3339 has it"},
        {"0000-12-31T23:00:00-01:00", "the time is in year 1"},
        {NULL, NULL}};
    check(*state, &(oracle){"timestamptz", read_timestamptz, times(zones), only_postgres, only_ours,
                            "0123456789:-+. TZutcgm", excused_time});
}

static void test_offsets(void **state)
{
    static const char forms[] =
        "2024-05-14T08:00:00-07:30|2024-05-14T08:00:00+05:30:15|"
        "2024-05-14T08:00:00 +15:59:59|2024-05-14T08:00:00-15:59:59|2024-05-14T08:00-0000|"
        "2024-05-14T08:00 +16|2024-05-14T08:00 +1600|2024-05-14T08:00 +0260|"
        "2024-05-14T08:00 +02:60|2024-05-14T08:00+02:00:60|2024-05-14T08:00+020000|"
        "20240514T080000-07:30|20240514 080000.5-0730|2024-05-14 23:59:60Z|"
        "2016-12-31 23:59:60 UTC|2016-12-31 23:59:60.25 UTC| 2024-05-14 08:00Z\n|"
        "2024-05-14T08:00:00ZZ|2024-05-14T08Z|2024-05-14T08:00:00,5Z|2024-05-14T08:00:00+|";
    check(*state, &(oracle){"timestamptz", read_timestamptz, forms, none, none, "0123456789:-+. TZ",
                            excused_time});
}

/* Digits past the µs. Only where they are just half of one, PostgreSQL's binary fractions may go either way. */
static void test_fractions(void **state)
{
    static const char forms[] =
        "2024-05-14T08:00:00.1234564Z|2024-05-14T08:00:00.12345651Z|"
        "2024-05-14 08:00:00.12345649999999Z|2024-05-14 08:00:00.123456789012345678901234Z|"
        "2024-05-14 08:00:00.9999996 UTC";
    static const difference only_ours[] = {
        {"2024-05-14T08:00:00.1234565Z", "half a µs is rounded up"}, {NULL, NULL}};
    check(*state, &(oracle){"timestamptz", read_timestamptz, forms, none, only_ours, NULL, NULL});
}

static void test_timestamp(void **state)
{
    static const char *const zones[] = {"", "  ", NULL};
    static const difference only_postgres[] = {
        {"20240514", "digits alone could be a number"},
        {"2024-05-14 UTC", "a date with a zone and no time"},
        {"infinity", "the caller's to read"},
        {"2024-05-14 08:00:60", "a leap second at no end of a day"},
        {"2024-05-14 08:00:00.", "a point without a fraction"},
        {"01/02/2024 08:00", "DateStyle decides"},
        {"yesterday", "depends on the clock"},
        {NULL, NULL}};
    static const difference only_ours[] = {
        {"2024-05-14T10:00:00+02:00", "converted to UTC, where PostgreSQL ignores the zone"},
        {"2024-05-14 10:00 -0730", "converted to UTC, where PostgreSQL ignores the zone"},
        {NULL, NULL}};
    check(*state, &(oracle){"timestamp", read_timestamp, times(zones), only_postgres, only_ours,
                            "0123456789:. Tt", excused_time});
}

static void test_date(void **state)
{
    static const char forms[] =
        "2024-05-14|20240514|2024-02-29|2023-02-29|20230229|19000229|20000229|0001-01-01|"
        "00010101|9999-12-31|99991231|0000-01-01|00000101|2024-00-01|2024-01-00|2024-01-32|"
        "2024-13-01| 2024-05-14 ||2024|2024-05|20240514T";
    static const difference only_postgres[] = {
        {"2024-05-14 08:00", "a time, which a date can't keep"},
        {"2024-05-14Z", "a zone, which a date can't keep"},
        {"240514", "a year of two digits"},
        {"2024-5-4", "a month or a day of one digit"},
        {"2024/05/14", "slashes"},
        {"2024.05.14", "points"},
        {"2024 05 14", "spaces"},
        {"2024-May-14", "a month's name"},
        {"2024.135", "a day of the year"},
        {"J2460445", "a Julian day"},
        {"tomorrow", "depends on the clock"},
        {"infinity", "the caller's to read"},
        {"10000-01-01", "not within the years 0001 to 9999"},
        {"0044-03-15 BC", "not within the years 0001 to 9999"},
        {NULL, NULL}};
    check(*state, &(oracle){"date", read_date, forms, only_postgres, none, "0123456789- ", NULL});
}

static void test_time(void **state)
{
    static const char forms[] =
        "08:00|8:00|08:00:00|08:00:00.5|08:00:00.123456|0800|080000|080000.25|T08:00:00|"
        "t0800|T080000|00:00:00|23:59:59.999999|23:59:59.9999999|24:00:00|24:00|2400|"
        "240000|24:00:00.0000001|24:00:01|24:00:00.1|25:00|08:60|08:00:61|8|08|08000|"
        "0800000|08:00:00,5| 08:00 ||-08:00|23:59:60.5";
    static const difference only_postgres[] = {
        {"08:00Z", "a zone, which a time can't keep"},
        {"08:00:00+02", "a zone, which a time can't keep"},
        {"2024-05-14 08:00", "a date, which a time can't keep"},
        {"08:00 PM", "twelve hours"},
        {"08:00:60", "a 60th second"},
        {"23:59:60", "a 60th second"},
        {"08:00.5", "minutes and seconds to PostgreSQL"},
        {"0800.5", "a fraction without seconds"},
        {"08:00:00.", "a point without a fraction"},
        {"08:0", "minutes or seconds of one digit"},
        {"008:00", "an hour of three digits"},
        {"T 08:00", "a space beside the T"},
        {"allballs", "a word"},
        {"now", "depends on the clock"},
        {NULL, NULL}};
    check(*state,
          &(oracle){"time", read_time, forms, only_postgres, none, "0123456789:. T", excused_time});
}

/* ---- numeric ---- */

static bool read_numeric(const char *text, size_t bytes, uint8_t *to, size_t *written)
{
    return wb_decimal_read(text, bytes, to, written) == NULL;
}

static void test_numeric(void **state)
{
    static const char forms[] =
        "0|-0|0.00|000|1|-1|+1.50|1.50|-00012.3400|.5|-.5|5.|-5.| 7 |1e3|1E+3|1.5e-3|"
        "1.50e1|12000e-2|0e5|0e-5|10000|100000000|99999999|"
        "12345678901234567890.12345678901234567890|0.0001|0.00001|0.00012345|1e131071|"
        "9e131071|1e131072|1e-16383|1e-16384|0e-16383|0e-16384|0e1073741822|0e1073741823|"
        "1e1073741822|1e-1073741823|1e99999999999999999999|9223372036854775807|"
        "-9223372036854775808|NaN|nan|Infinity|-infinity|+inf|inf|-INF|| |.|-|+|e5|.e5|1e|"
        "1e+|1e5.|1.2.3|--1|- 1|1 2|1,5|1_000|0x10|nann|+nan|-nan|infinit|1f|$1";
    static const difference only_postgres[] = {{"1e 5", "a space after the e"}, {NULL, NULL}};
    check(*state,
          &(oracle){"numeric", read_numeric, forms, only_postgres, none, "0123456789.eE+- ", NULL});
}

/* Numbers of all sizes, and their text from PostgreSQL. */
static void test_numeric_at_random(void **state)
{
    fixture *f = *state;
    const oracle o = {"numeric", read_numeric, NULL, none, none, NULL, NULL};
    uint64_t seed = 33;
    for (int i = 0; i < 3000; i++) {
        char text[256] = "-", *at = text + random_below(&seed, 2);
        size_t digits = 1 + random_below(&seed, 60);
        size_t point = random_below(&seed, 80);
        for (size_t n = 0; n < digits; n++) {
            if (n == point)
                *at++ = '.';
            *at++ = (char)('0' + (random_below(&seed, 2) ? random_below(&seed, 10) : 0));
        }
        *at = '\0';
        if (random_below(&seed, 2))
            sprintf(at, "e%d", (int)random_below(&seed, 200) - 100);
        assert_true(agree(f, &o, text, false));

        uint8_t data[ROOM];
        read_one(&o, text, data);
        wb_buffer back = WB_BUFFER_EMPTY;
        wb_decimal_put(&back, data);
        char *ours = wb_buffer_take(&back, NULL);
        assert_string_equal(ours, sql(f, "SELECT '%s'::numeric", text));
        wb_free(ours);
    }
}

/* ---- interval ---- */

static bool read_interval(const char *text, size_t bytes, uint8_t *to, size_t *written)
{
    *written = 16;
    return wb_interval_read(text, bytes, to) == NULL;
}

static void test_interval(void **state)
{
    static const char forms[] =
        "1 year 2 mons 3 days 04:05:06.7|-1 days +02:03:00|@ 1 minute ago|1.5 hours|"
        "-1 years -2 mons +3 days -04:05:06|@ 1 day -2 hours ago|1:00 ago|1-2 ago|"
        "90 minutes|1.5 days|1.5 weeks|1.5 months|1.5 years|0.25 decades|0.3 months|"
        "0.7 months|1.9 weeks|0.9 months|1.23456789 days|0.123456789 months|"
        "3.3333333 weeks|1 millennium 1 century 1 decade|-1.5 days|-1.5 months|-0.7 weeks|"
        "1h 30m|1h2m3s|1y2mon|1d2h|1 day, 2:03:04|1 day, 2 hours|1 DAY 2 Hours|5 ms|"
        "1 sec 2 ms 3 us|.5 sec| 1 day\n|0|90|1.5|-1.5|1 day 2|1-2|-1-2|1-2 3 4:05:06|"
        "+1-2 -3 +4:05:06.5|3 4:05:06|4:05|1:2:3|100:00:00|-4:05:06.5|12:00:60|1-12|1:60|"
        "1:00:61|1 year 1-2|0.0000005 s|0.0000015 s|1.0000005 s|0.1234565 s|0.1234564 s|"
        "0.1234566 s|0:00:00.0000005|0:00:00.0000015|0:00:00.1234565|0:00:00.9999999|"
        "0.5 us|1.5 us|1.6 us|1.5 ms|0.0005 ms|2147483647 days|-2147483648 days|"
        "2147483648 days|2147483647 mons|178956970 years 7 mons|178956970 years 8 mons|"
        "178956971 years|-178956970-8|-178956970-8 ago|-2147483648 days ago|"
        "9223372036854775807 us|9223372036854775808 us|2562047788:00:54.775807|"
        "2562047788:00:54.775808|-2562047788:00:54.775808|306783378 weeks|306783379 "
        "weeks|P1Y2M3DT4H5M6.7S|PT0.5S|"
        "PT-.5S|P1W|P1W1D|P-1Y-2M3DT-4H|P1.5D|P-1.5D|P0.5M|P0.7M|P0.3W|P1.9W|P0.5Y|PT36H|"
        "PT1S1H|P1D1D|PT0S|PT1234567.7S|PT123456789.123456S|PT0.0000005S|PT1.0000015S|"
        "PT-2562047788H-54.775808S|P178956970Y7M2147483647DT2562047788H54.775807S|| |ago|"
        "1 ago|1 day 1 day|1 hour 1:00|1:00 1:00|1.5 sec 1 ms|1 2|2 1 day|1 fortnight|"
        "infinity|1e3 days|-.5 days|1-2-3|2024-05-14|1day2hours|1 day-2 hours|P|P1H|PT1D|"
        "p1d| P1D|P1D |P 1D|PT+1H|-P1D";
    static const difference only_postgres[] = {
        {"-1 day 2 hours", "IntervalStyle decides how far the minus reaches"},
        {"-3 4:05:06", "IntervalStyle decides how far the minus reaches"},
        {"1.04 years", "rounded to months"},
        {"P0.3Y", "rounded to months"},
        {"0.1234567890123456 s", "more than fifteen digits in a fraction"},
        {"PT9007199254740.993S", "more digits than a double holds"},
        {"4:05.5", "minutes and seconds to PostgreSQL"},
        {"1:2:3.", "a point without a fraction"},
        {"5. sec", "a point without a fraction"},
        {"PT5.S", "a point without a fraction"},
        {":05", "a time without hours"},
        {"1:002", "a minute or a second of three digits"},
        {"- 1 day", "a space after the sign"},
        {"1h+2m", "a sign right after a unit"},
        {"1 day ago 2 hours", "an ago that is not the end"},
        {"1:00 1.5 days", "a time that is not the end: PostgreSQL forgets the fraction"},
        {"04:05:06 1 day", "a time that is not the end"},
        {"1 2 hours", "a number of days without a unit, but before a time"},
        {"4:05 hours", "a unit after a time"},
        {"1, day", "a comma that follows no unit"},
        {"1 day / 2 hours", "other punctuation"},
        {"1 @ day", "an @ that is not the beginning"},
        {"1 microsecon", "a word cut short"},
        {"PT", "nothing after the P"},
        {"P1DT", "nothing after the T"},
        {"P1DT1HT1M", "a T that comes twice"},
        {"PT1e3S", "an exponent"},
        {"P1", "ISO 8601's alternative format"},
        {"P0001-02-03T04:05:06", "ISO 8601's alternative format"},
        {"P00010203T040506", "ISO 8601's alternative format"},
        {NULL, NULL}};
    check(*state, &(oracle){"interval", read_interval, forms, only_postgres, none,
                            "0123456789.:-+ ,@PTYMDHSWadhmsyongeku", NULL});
}

static void random_interval(uint64_t *seed, char *text)
{
    static const char *const units[] = {"us",    "ms",   "s",     "minutes", "hours", "days",
                                        "weeks", "mons", "years", "decades", "c",     "mil"};
    char *at = text;
    bool iso = random_below(seed, 3) == 0;
    *at = '\0';
    at += sprintf(at, "%s", iso ? "P" : "");
    for (int i = iso ? 6 : 11; i >= 0; i--) {
        if (iso && i == 2)
            *at++ = 'T';
        if (random_below(seed, 3) != 0)
            continue;
        at += sprintf(at, "%s%llu",
                      random_below(seed, 2) ? "-"
                      : iso                 ? ""
                                            : "+",
                      (unsigned long long)(next_random(seed) >> (40 + random_below(seed, 24))));
        if (random_below(seed, 2))
            at += sprintf(at, ".%0*llu", (int)(1 + random_below(seed, 9)),
                          (unsigned long long)(next_random(seed) >> (40 + random_below(seed, 24))));
        at += iso ? sprintf(at, "%c", "SMHDWMY"[i]) : sprintf(at, " %s ", units[i]);
    }
    if (!iso && random_below(seed, 3) == 0)
        sprintf(at, "ago");
}

/* What is taken of these has its bytes there, and is written as it is there. */
static void test_interval_at_random(void **state)
{
    fixture *f = *state;
    const oracle o = {"interval", read_interval, NULL, none, none, NULL, NULL};
    uint64_t seed = 34;
    int taken = 0;
    sql(f, "SET IntervalStyle = 'iso_8601'");
    for (int i = 0; i < 4000; i++) {
        char text[512], ours[80];
        uint8_t data[ROOM];
        random_interval(&seed, text);
        if (read_one(&o, text, data) < 0)
            continue;
        taken++;
        assert_true(agree(f, &o, text, false));
        wb_interval_format(data, ours);
        assert_string_equal(ours, sql(f, "SELECT '%s'::interval", text));
    }
    assert_true(taken > 1000);
}

/* ---- addresses ---- */

static bool read_inet(const char *text, size_t bytes, uint8_t *to, size_t *written)
{
    return wb_inet_read(text, bytes, false, to, written) == NULL;
}

static bool read_cidr(const char *text, size_t bytes, uint8_t *to, size_t *written)
{
    return wb_inet_read(text, bytes, true, to, written) == NULL;
}

static bool read_macaddr(const char *text, size_t bytes, uint8_t *to, size_t *written)
{
    *written = 6;
    return wb_macaddr_read(text, bytes, to);
}

static const char addresses[] =
    "192.168.1.5|192.168.1.5/24|192.168.1|192.168.1/24|192.168/16|192.168/24|10|10/8|"
    "10.1/8|10.1.0.0/8|10.1|10.|.1|1.2.3.|1.2.3.4.5|256.1.1.1|01.02.03.04|"
    "001.002.003.0004|1.2.3.4/33|1.2.3.4/032|1.2.3.4/|1.2.3.4/-1|1.2.3.4/+8|1.2.3.4/8x|"
    "1.2.3.4/ 8| 1.2.3.4|1.2.3.4 |224|224.0.0.1|240|128|127|192|"
    "192.168.1.0/255.255.255.0|0x|0/0|0.0.0.0/0|::|::1|::/0|fe80::1%eth0|2001:db8::/32|"
    "2001:db8::1/32|2001:DB8:0:0:0:0:0:1|1:2:3:4:5:6:7:8|1:2:3:4:5:6:7:8:9|"
    "1:2:3:4:5:6:7::|::2:3:4:5:6:7:8|1::2::3|:1|1:|1:::2|::ffff:1.2.3.4|::1.2.3.4/128|"
    "1:2:3:4:5:6:1.2.3.4|1:2:3:4:5:6:7:1.2.3.4|::1.2.3.256|::01.2.3.4|::1.2.3.4.5|"
    "::1.2.3.4:5|12345::|00001::|::g|1:2:3:4:5:6:7|::/129|::/0128|::/|::1/64|"
    "2001:db8::/16|::ffff:1.2.3.0/120|fe80::/10|1.2.3.4/0|1.2.3.4/01|0::0|::0:0|"
    "0:0:0:0:0:0:0:0|1.2.3.4::|::1.2.3.4/|10/33|10.0/7|11.0/7|4294967296.1.1.1|1..2|"
    "1.2.3.4//8|2001:db8::1/00|1.2.3.4/00|::1.2.3.04|225|224.0|| |::2:3:4:5:6:7:8:9|"
    "1:2:3:4:5:6:7:8::|:::|1:0:0:2:0:0:0:3|1.2.3.4/8/8|10/15|10/16|192.0.2.0/25|::/1|"
    "8000::/1|::1/127|::2/127";

static void test_inet(void **state)
{
    static const difference only_postgres[] = {{"1.2.3.4.", "a point at the end"},
                                               {"::1.2.3", "fewer than four octets in IPv6"},
                                               {"1:2:3:4:5:6:7:8:/64", "a colon before the mask"},
                                               {NULL, NULL}};
    check(*state,
          &(oracle){"inet", read_inet, addresses, only_postgres, none, "0123456789abcF.:/", NULL});
}

static void test_cidr(void **state)
{
    static const difference only_postgres[] = {{"0x0a", "hexadecimal digits"},
                                               {"0xc0a80105", "hexadecimal digits"},
                                               {"::1.2.3", "fewer than four octets in IPv6"},
                                               {NULL, NULL}};
    check(*state,
          &(oracle){"cidr", read_cidr, addresses, only_postgres, none, "0123456789abcF.:/", NULL});
}

/* What is written of any address is what PostgreSQL writes. */
static void test_inet_at_random(void **state)
{
    fixture *f = *state;
    uint64_t seed = 35;
    for (int i = 0; i < 3000; i++) {
        char text[128], ours[64], *at = text;
        uint8_t data[ROOM];
        bool cidr = i % 2;
        const oracle o = {
            cidr ? "cidr" : "inet", cidr ? read_cidr : read_inet, NULL, none, none, NULL, NULL};
        for (int group = 0; group < 8; group++)
            at += sprintf(at, "%s%x", group ? ":" : "",
                          random_below(&seed, 3) ? 0 : (unsigned)random_below(&seed, 65536));
        if (i % 3 == 0)
            at = text + sprintf(text, "%d.%d.%d.%d", (int)random_below(&seed, 256),
                                (int)random_below(&seed, 256), (int)random_below(&seed, 2), 0);
        if (random_below(&seed, 2))
            sprintf(at, "/%d", (int)random_below(&seed, i % 3 == 0 ? 33 : 129));
        assert_true(agree(f, &o, text, false));
        int bytes = read_one(&o, text, data);
        if (bytes < 0)
            continue;
        wb_inet_format(data, ours);
        assert_string_equal(ours, sql(f, "SELECT '%s'::%s", text, o.type));
    }
}

static void test_macaddr(void **state)
{
    static const char forms[] =
        "08:00:2b:01:02:03|08-00-2b-01-02-03|08002b:010203|08002b-010203|0800.2b01.0203|"
        "0800-2b01-0203|08002b010203|08002B010203|8:0:2b:1:2:3|8-0-2B-1-2-3|"
        " 08:00:2b:01:02:03 ||08:00:2b:01:02|08:00:2b:01:02:03:04|08:00-2b:01:02:03|"
        "0800:2b01:0203|08.00.2b.01.02.03|08002b0102034|0g:00:2b:01:02:03|"
        "100:00:2b:01:02:03|-8:00:2b:01:02:03|8:0:2b:1:2:3:|08002b010203 x";
    static const difference only_postgres[] = {
        {"008:00:2b:01:02:03", "three digits of an octet"},
        {"8002b:10203", "digits left out: PostgreSQL moves the others up"},
        {"08002b01020", "digits left out: PostgreSQL moves the others up"},
        {"0800.2b01.203", "digits left out: PostgreSQL moves the others up"},
        {"08 00 2b 01 02 03", "spaces within"},
        {"08: 00:2b:01:02:03", "spaces within"},
        {"0x8:0:2b:1:2:3", "an octet with 0x"},
        {"+8:0:2b:1:2:3", "an octet with a sign"},
        {NULL, NULL}};
    check(*state, &(oracle){"macaddr", read_macaddr, forms, only_postgres, none,
                            "0123456789abF:-. ", NULL});
}

/* ---- uuid ---- */

static bool read_uuid(const char *text, size_t bytes, uint8_t *to, size_t *written)
{
    *written = 16;
    return wb_uuid_parse(text, bytes, to);
}

static void test_uuid(void **state)
{
    static const char forms[] =
        "01234567-89ab-cdef-0123-456789abcdef|01234567-89AB-CDEF-0123-456789ABCDEF|"
        "0123456789abcdef0123456789abcdef|{01234567-89ab-cdef-0123-456789abcdef}|"
        "{0123456789abcdef0123456789abcdef}|0123-4567-89ab-cdef-0123-4567-89ab-cdef|"
        "{0123-4567-89ab-cdef-0123-4567-89ab-cdef}|01234567-89abcdef-01234567-89abcdef|"
        "0123-456789ab-cdef-0123-456789abcdef||{}|0123456789abcdef0123456789abcde|"
        "0123456789abcdef0123456789abcdef0|{0123456789abcdef0123456789abcdef|"
        "0123456789abcdef0123456789abcdef}|-0123456789abcdef0123456789abcdef|"
        "0123456789abcdef0123456789abcdef-|01-23456789abcdef0123456789abcdef|"
        "0123--456789abcdef0123456789abcdef| 0123456789abcdef0123456789abcdef|"
        "0123456789abcdef0123456789abcdef |0123456789abcdef0123456789abcdeg";
    check(*state, &(oracle){"uuid", read_uuid, forms, none, none, "0123456789abF-{}", NULL});
}

#define WITH_SERVER(test) cmocka_unit_test_setup_teardown(test, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        WITH_SERVER(test_timestamptz),    WITH_SERVER(test_offsets),
        WITH_SERVER(test_fractions),      WITH_SERVER(test_timestamp),
        WITH_SERVER(test_date),           WITH_SERVER(test_time),
        WITH_SERVER(test_numeric),        WITH_SERVER(test_numeric_at_random),
        WITH_SERVER(test_interval),       WITH_SERVER(test_interval_at_random),
        WITH_SERVER(test_inet),           WITH_SERVER(test_cidr),
        WITH_SERVER(test_inet_at_random), WITH_SERVER(test_macaddr),
        WITH_SERVER(test_uuid),
    };
    return cmocka_run_group_tests_name("types_oracle", tests, NULL, NULL);
}
