/* SPDX-License-Identifier: MIT
 * Times and dates of the proleptic Gregorian calendar. No state, no memory, no locks. A function fails with false where
 * a text can't be read or a time is out of range, and leaves its output as it was.
 * Days are counted in years that start in March, so that the leap day is a year's last (Howard Hinnant,
 * "chrono-compatible low-level date algorithms"). */
#include "base/timestamp.h"

#include <string.h>

#define DAY_SECONDS 86400
#define SECOND_US   INT64_C(1000000)
#define DAY_US      (DAY_SECONDS * SECOND_US)

enum { ERA_YEARS = 400, ERA_DAYS = 146097, DAYS_TO_1970 = 719468 /* from 0000-03-01 */ };

static bool parse_date(const char *text, int64_t *days);
static bool parse_clock(const char *text, int *seconds);
static const char *parse_fraction(const char *at, const char *end, int64_t *us);
static bool parse_offset(const char *at, const char *end, int *seconds);
static char *format_date(int64_t days, char *out);

/* ---- digits ---- */

/* The number of two digits, or one above 99 where they are none. */
static inline unsigned two_digits(const char *at)
{
    unsigned tens = (uint8_t)at[0] - (unsigned)'0', ones = (uint8_t)at[1] - (unsigned)'0';
    return tens <= 9 && ones <= 9 ? tens * 10 + ones : 1000;
}

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
    int64_t days, us = 0;
    int clock, offset;
    if (bytes < 20 || !parse_date(text, &days) || !parse_clock(text + 11, &clock))
        return false;
    if (text[10] != 'T' && text[10] != 't' && text[10] != ' ')
        return false;
    const char *at = text + 19, *end = text + bytes;
    if (*at == '.' && !(at = parse_fraction(at + 1, end, &us)))
        return false;
    if (!parse_offset(at, end, &offset))
        return false;
    int64_t seconds = days * DAY_SECONDS + clock - offset;
    bool leap_second = text[17] == '6';
    if (leap_second && seconds % DAY_SECONDS != 0) /* only a day of UTC can end with one */
        return false;
    int64_t time_us = seconds * SECOND_US + us;
    if (time_us < WB_TIME_MIN_US || time_us > WB_TIME_MAX_US)
        return false;
    *unix_us = time_us;
    return true;
}

static inline bool is_leap(unsigned year)
{
    return year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);
}

static inline unsigned month_days(unsigned year, unsigned month)
{
    static const uint8_t days[12] = {31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31};
    return month == 2 && is_leap(year) ? 29 : days[month - 1];
}

/* Days since 1970; years 0 to 9999. */
static inline int64_t days_of(unsigned year, unsigned month, unsigned day)
{
    unsigned y = year + ERA_YEARS - (month <= 2); /* an era up, to stay above 0 */
    unsigned era = y / ERA_YEARS, of_era = y % ERA_YEARS;
    unsigned of_year = (153 * (month > 2 ? month - 3 : month + 9) + 2) / 5 + day - 1;
    unsigned days = of_era * 365 + of_era / 4 - of_era / 100 + of_year;
    return ((int64_t)era - 1) * ERA_DAYS + days - DAYS_TO_1970;
}

/* The ten characters of a date, years 0 to 9999. */
static inline bool parse_date(const char *text, int64_t *days)
{
    unsigned century = two_digits(text), rest = two_digits(text + 2);
    unsigned month = two_digits(text + 5), day = two_digits(text + 8);
    if (century > 99 || rest > 99 || text[4] != '-' || text[7] != '-')
        return false;
    unsigned year = century * 100 + rest;
    if (month - 1 > 11 || day == 0 || day > month_days(year, month))
        return false;
    *days = days_of(year, month, day);
    return true;
}

/* The eight characters of a time of day; its second may be 60. */
static inline bool parse_clock(const char *text, int *seconds)
{
    unsigned hour = two_digits(text), minute = two_digits(text + 3), second = two_digits(text + 6);
    if (hour > 23 || minute > 59 || second > 60 || text[2] != ':' || text[5] != ':')
        return false;
    *seconds = (int)((hour * 60 + minute) * 60 + second);
    return true;
}

static inline bool is_digit(char c)
{
    return (uint8_t)c - (unsigned)'0' <= 9;
}

/* The digits after a point, rounded to µs, which may make a whole second. NULL where there are none. */
static inline const char *parse_fraction(const char *at, const char *end, int64_t *us)
{
    static const int32_t weights[] = {1000000, 100000, 10000, 1000, 100, 10, 1};
    const char *first = at;
    int32_t sum = 0;
    for (; at < end && at - first < 6 && is_digit(*at); at++)
        sum = sum * 10 + (*at - '0');
    if (at == first)
        return NULL;
    sum *= weights[at - first];
    if (at < end && at - first == 6 && is_digit(*at) && *at >= '5')
        sum++;
    while (at < end && is_digit(*at))
        at++;
    *us = sum;
    return at;
}

static inline bool parse_offset(const char *at, const char *end, int *seconds)
{
    if (end - at == 1 && (*at == 'Z' || *at == 'z')) {
        *seconds = 0;
        return true;
    }
    if (end - at != 6 || (*at != '+' && *at != '-') || at[3] != ':')
        return false;
    unsigned hours = two_digits(at + 1), minutes = two_digits(at + 4);
    if (hours > 23 || minutes > 59)
        return false;
    int sum = (int)(hours * 60 + minutes) * 60;
    *seconds = *at == '-' ? -sum : sum;
    return true;
}

/* The whole seconds and the rest are rounded apart: their product with a million would lose bits. */
bool wb_timestamp_of_seconds(double seconds, int64_t *unix_us)
{
    if (!(seconds >= -62135596801.0 && seconds <= 253402300800.0))
        return false;
    int64_t whole = (int64_t)seconds;
    if ((double)whole > seconds)
        whole--;
    double rest = (seconds - (double)whole) * 1e6;
    int64_t us = (int64_t)rest;
    us += rest - (double)us >= 0.5;
    us += whole * SECOND_US;
    if (us < WB_TIME_MIN_US || us > WB_TIME_MAX_US)
        return false;
    *unix_us = us;
    return true;
}

bool wb_date_parse(const char *text, size_t bytes, int32_t *days)
{
    int64_t sum;
    if (bytes != 10 || !parse_date(text, &sum) || sum < WB_TIME_MIN_US / DAY_US)
        return false;
    *days = (int32_t)sum;
    return true;
}

/* ---- writing ---- */

void wb_timestamp_format(int64_t unix_us, char out[40])
{
    int64_t days = unix_us / DAY_US, us = unix_us % DAY_US;
    if (us < 0) {
        us += DAY_US;
        days--;
    }
    unsigned second = (unsigned)(us / SECOND_US), rest = (unsigned)(us % SECOND_US);
    char *at = format_date(days, out);
    *at++ = 'T';
    at = put_two(at, second / 3600);
    *at++ = ':';
    at = put_two(at, second / 60 % 60);
    *at++ = ':';
    at = put_two(at, second % 60);
    *at++ = '.';
    at = put_two(at, rest / 10000);
    at = put_two(at, rest / 100 % 100);
    at = put_two(at, rest % 100);
    memcpy(at, "Z", 2);
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
    int64_t shifted = days + DAYS_TO_1970;
    int64_t era = (shifted >= 0 ? shifted : shifted - ERA_DAYS + 1) / ERA_DAYS;
    unsigned of_era = (unsigned)(shifted - era * ERA_DAYS);
    unsigned year = (of_era - of_era / 1460 + of_era / 36524 - of_era / 146096) / 365;
    unsigned of_year = of_era - (365 * year + year / 4 - year / 100);
    unsigned month = (5 * of_year + 2) / 153; /* from March */
    unsigned day = of_year - (153 * month + 2) / 5 + 1;
    month = month < 10 ? month + 3 : month - 9;
    out = format_year(era * ERA_YEARS + year + (month <= 2), out);
    *out++ = '-';
    out = put_two(out, month);
    *out++ = '-';
    return put_two(out, day);
}
