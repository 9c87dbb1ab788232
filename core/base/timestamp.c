/* SPDX-License-Identifier: MIT
 * Times and dates of the proleptic Gregorian calendar. No state, no memory, no locks. A function fails with false where
 * a text can't be read or a time is out of range, and leaves its output as it was. The usual forms are read here, in one
 * look at each character; iso.c has a second look at what these refuse. */
#include "base/timestamp.h"

#include <string.h>

#include "base/iso.h"

static bool parse_rfc3339(const char *text, size_t bytes, int64_t *unix_us);
static bool parse_other(const char *text, size_t bytes, bool wall, int64_t *unix_us);
static bool parse_clock(const char *text, int *seconds);
static bool parse_offset(const char *at, const char *end, int *seconds);
static char *format_date(int64_t days, char *out);
static char *format_clock(unsigned seconds, char *out);

static inline char *put_two(char *out, unsigned number)
{
    static const char pairs[] = "0001020304050607080910111213141516171819"
                                "2021222324252627282930313233343536373839"
                                "4041424344454647484950515253545556575859"
                                "6061626364656667686970717273747576777879"
                                "8081828384858687888990919293949596979899";
    memcpy(out, pairs + 2 * number, 2);
    return out + 2;
}

/* ---- reading ---- */

bool wb_timestamp_parse(const char *text, size_t bytes, int64_t *unix_us)
{
    return parse_rfc3339(text, bytes, unix_us) || parse_other(text, bytes, false, unix_us);
}

static inline bool parse_rfc3339(const char *text, size_t bytes, int64_t *unix_us)
{
    int64_t days, us = 0;
    int clock, offset;
    if (bytes < 20 || !wb_date_extended(text, &days) || !parse_clock(text + 11, &clock))
        return false;
    if (text[10] != 'T' && text[10] != 't' && text[10] != ' ')
        return false;
    const char *at = text + 19, *end = text + bytes;
    if (*at == '.' && !(at = wb_fraction(at + 1, end, &us)))
        return false;
    if (!parse_offset(at, end, &offset))
        return false;
    int64_t seconds = days * WB_DAY_SECONDS + clock - offset;
    bool leap_second = text[17] == '6';
    if (leap_second && seconds % WB_DAY_SECONDS != 0) /* only a day of UTC can end with one */
        return false;
    int64_t time_us = seconds * WB_SECOND_US + us;
    if (time_us < WB_TIME_MIN_US || time_us > WB_TIME_MAX_US)
        return false;
    *unix_us = time_us;
    return true;
}

/* The eight characters of a time of day; its second may be 60. */
static inline bool parse_clock(const char *text, int *seconds)
{
    unsigned hour = wb_two_digits(text), minute = wb_two_digits(text + 3),
             second = wb_two_digits(text + 6);
    if (hour > 23 || minute > 59 || second > 60 || text[2] != ':' || text[5] != ':')
        return false;
    *seconds = (int)((hour * 60 + minute) * 60 + second);
    return true;
}

static inline bool parse_offset(const char *at, const char *end, int *seconds)
{
    if (end - at == 1 && (*at == 'Z' || *at == 'z')) {
        *seconds = 0;
        return true;
    }
    if (end - at != 6 || (*at != '+' && *at != '-') || at[3] != ':')
        return false;
    unsigned hours = wb_two_digits(at + 1), minutes = wb_two_digits(at + 4);
    if (hours > 23 || minutes > 59)
        return false;
    int sum = (int)(hours * 60 + minutes) * 60;
    *seconds = *at == '-' ? -sum : sum;
    return true;
}

/* The whole seconds and the rest are rounded apart: their product with a million would lose bits. */
bool wb_us_of_seconds(double seconds, int64_t *us)
{
    if (!(seconds > -1e13 && seconds < 1e13)) /* beyond an int64 of µs, but within one of seconds */
        return false;
    int64_t whole = (int64_t)seconds, sum;
    double rest = (seconds - (double)whole) * 1e6;
    int64_t rest_us = (int64_t)rest;
    rest_us -= (double)rest_us > rest;
    rest_us += rest - (double)rest_us >= 0.5;
    if (__builtin_mul_overflow(whole, WB_SECOND_US, &sum) ||
        __builtin_add_overflow(sum, rest_us, &sum))
        return false;
    *us = sum;
    return true;
}

bool wb_timestamp_of_seconds(double seconds, int64_t *unix_us)
{
    int64_t us;
    if (!wb_us_of_seconds(seconds, &us) || us < WB_TIME_MIN_US || us > WB_TIME_MAX_US)
        return false;
    *unix_us = us;
    return true;
}

bool wb_date_parse(const char *text, size_t bytes, int32_t *days)
{
    int64_t sum;
    if (bytes != 10 || !wb_date_extended(text, &sum) || sum < WB_TIME_MIN_US / WB_DAY_US) {
        if (!wb_iso_date(text, bytes, &sum))
            return false;
    }
    *days = (int32_t)sum;
    return true;
}

/* The usual form of a time without a zone. A 60th second is for parse_other to judge. */
static bool parse_plain(const char *text, size_t bytes, int64_t *unix_us)
{
    int64_t days, us = 0;
    int clock;
    if (bytes < 19 || !wb_date_extended(text, &days) || !parse_clock(text + 11, &clock))
        return false;
    if ((text[10] != 'T' && text[10] != ' ') || text[17] == '6')
        return false;
    const char *at = text + 19, *end = text + bytes;
    if (at < end && (*at != '.' || !(at = wb_fraction(at + 1, end, &us)) || at < end))
        return false;
    int64_t time_us = (days * WB_DAY_SECONDS + clock) * WB_SECOND_US + us;
    if (time_us < WB_TIME_MIN_US || time_us > WB_TIME_MAX_US)
        return false;
    *unix_us = time_us;
    return true;
}

bool wb_wall_parse(const char *text, size_t bytes, int64_t *unix_us)
{
    return parse_plain(text, bytes, unix_us) || parse_rfc3339(text, bytes, unix_us) ||
           parse_other(text, bytes, true, unix_us);
}

/* A wall's time may be without a zone. */
static bool parse_other(const char *text, size_t bytes, bool wall, int64_t *unix_us)
{
    wb_iso iso;
    if (!wb_iso_read(text, bytes, &iso) || (!iso.zoned && !wall))
        return false;
    int64_t time_us = iso.days * WB_DAY_US + iso.clock_us - iso.offset_s * WB_SECOND_US;
    if (iso.leap && time_us % WB_DAY_US != 0) /* only a day of UTC can end with one */
        return false;
    if (time_us < WB_TIME_MIN_US || time_us > WB_TIME_MAX_US)
        return false;
    *unix_us = time_us;
    return true;
}

bool wb_clock_parse(const char *text, size_t bytes, int64_t *us)
{
    return wb_iso_clock(text, bytes, us);
}

/* ---- writing ---- */

/* µs since 1970 as days, which it answers, and the µs of the day. */
static int64_t split_days(int64_t unix_us, int64_t *us)
{
    int64_t days = unix_us / WB_DAY_US;
    *us = unix_us % WB_DAY_US;
    if (*us < 0) {
        *us += WB_DAY_US;
        days--;
    }
    return days;
}

void wb_timestamp_format(int64_t unix_us, char out[40])
{
    int64_t us;
    char *at = format_date(split_days(unix_us, &us), out);
    unsigned rest = (unsigned)(us % WB_SECOND_US);
    *at++ = 'T';
    at = format_clock((unsigned)(us / WB_SECOND_US), at);
    *at++ = '.';
    at = put_two(at, rest / 10000);
    at = put_two(at, rest / 100 % 100);
    at = put_two(at, rest % 100);
    memcpy(at, "Z", 2);
}

void wb_wall_format(int64_t unix_us, char out[40])
{
    int64_t us;
    char *at = format_date(split_days(unix_us, &us), out);
    *at++ = ' ';
    wb_clock_format(us, at);
}

void wb_clock_format(int64_t us, char out[24])
{
    unsigned rest = (unsigned)(us % WB_SECOND_US);
    char *at = format_clock((unsigned)(us / WB_SECOND_US), out);
    if (rest != 0)
        *at++ = '.';
    for (unsigned power = 100000; rest != 0; rest %= power, power /= 10)
        *at++ = (char)('0' + rest / power);
    *at = '\0';
}

/* hh:mm:ss */
static inline char *format_clock(unsigned seconds, char *out)
{
    out = put_two(out, seconds / 3600);
    *out++ = ':';
    out = put_two(out, seconds / 60 % 60);
    *out++ = ':';
    return put_two(out, seconds % 60);
}

void wb_date_format(int32_t days, char out[16])
{
    *format_date(days, out) = '\0';
}

/* Four digits. A year that needs more, or is below 0, gets a sign, as ISO 8601 writes it. */
static char *format_year(int64_t year, char *out)
{
    if (year >= 0 && year <= 9999) {
        out = put_two(out, (unsigned)year / 100);
        return put_two(out, (unsigned)year % 100);
    }
    *out++ = year < 0 ? '-' : '+';
    unsigned rest = (unsigned)(year < 0 ? -year : year), power = 1000;
    while (rest / power >= 10)
        power *= 10;
    for (; power > 0; power /= 10)
        *out++ = (char)('0' + rest / power % 10);
    return out;
}

static char *format_date(int64_t days, char *out)
{
    int64_t shifted = days + WB_DAYS_TO_1970;
    int64_t era = (shifted >= 0 ? shifted : shifted - WB_ERA_DAYS + 1) / WB_ERA_DAYS;
    unsigned of_era = (unsigned)(shifted - era * WB_ERA_DAYS);
    unsigned year = (of_era - of_era / 1460 + of_era / 36524 - of_era / 146096) / 365;
    unsigned of_year = of_era - (365 * year + year / 4 - year / 100);
    unsigned month = (5 * of_year + 2) / 153; /* from March */
    unsigned day = of_year - (153 * month + 2) / 5 + 1;
    month = month < 10 ? month + 3 : month - 9;
    out = format_year(era * WB_ERA_YEARS + year + (month <= 2), out);
    *out++ = '-';
    out = put_two(out, month);
    *out++ = '-';
    return put_two(out, day);
}
