/* SPDX-License-Identifier: MIT
 * The proleptic Gregorian calendar, and the digits that its texts are made of. Days are counted from 1970-01-01, times
 * in µs. Header only: timestamp.c reads its one fast form with it, iso.c all the others. */
#ifndef WB_CALENDAR_H
#define WB_CALENDAR_H

#include <stdbool.h>
#include <stdint.h>

#define WB_SECOND_US   INT64_C(1000000)
#define WB_DAY_SECONDS 86400
#define WB_DAY_US      (WB_DAY_SECONDS * WB_SECOND_US)
#define WB_TIME_MIN_US INT64_C(-62135596800000000) /* 0001-01-01T00:00:00Z */
#define WB_TIME_MAX_US INT64_C(253402300799999999) /* 9999-12-31T23:59:59.999999Z */

enum { WB_ERA_YEARS = 400, WB_ERA_DAYS = 146097, WB_DAYS_TO_1970 = 719468 /* from 0000-03-01 */ };

static inline bool wb_is_digit(char c)
{
    return (uint8_t)c - (unsigned)'0' <= 9;
}

/* The number of two digits, or one above 99 where they are none. */
static inline unsigned wb_two_digits(const char *at)
{
    unsigned tens = (uint8_t)at[0] - (unsigned)'0', ones = (uint8_t)at[1] - (unsigned)'0';
    return tens <= 9 && ones <= 9 ? tens * 10 + ones : 1000;
}

static inline bool wb_is_leap(unsigned year)
{
    return year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);
}

static inline unsigned wb_month_days(unsigned year, unsigned month)
{
    static const uint8_t days[12] = {31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31};
    return month == 2 && wb_is_leap(year) ? 29 : days[month - 1];
}

/* Days since 1970; years 0 to 9999. Years are counted from March here, so that the leap day is a year's last (Howard
 * Hinnant, "chrono-compatible low-level date algorithms"). */
static inline int64_t wb_days_of(unsigned year, unsigned month, unsigned day)
{
    unsigned y = year + WB_ERA_YEARS - (month <= 2); /* an era up, to stay above 0 */
    unsigned era = y / WB_ERA_YEARS, of_era = y % WB_ERA_YEARS;
    unsigned of_year = (153 * (month > 2 ? month - 3 : month + 9) + 2) / 5 + day - 1;
    unsigned days = of_era * 365 + of_era / 4 - of_era / 100 + of_year;
    return ((int64_t)era - 1) * WB_ERA_DAYS + days - WB_DAYS_TO_1970;
}

/* A date whose month and day stand at these places of the text; years 0 to 9999. */
static inline bool wb_date_digits(const char *text, int month_at, int day_at, int64_t *days)
{
    unsigned century = wb_two_digits(text), rest = wb_two_digits(text + 2);
    unsigned month = wb_two_digits(text + month_at), day = wb_two_digits(text + day_at);
    if (century > 99 || rest > 99)
        return false;
    unsigned year = century * 100 + rest;
    if (month - 1 > 11 || day == 0 || day > wb_month_days(year, month))
        return false;
    *days = wb_days_of(year, month, day);
    return true;
}

/* The ten characters of YYYY-MM-DD. */
static inline bool wb_date_extended(const char *text, int64_t *days)
{
    return text[4] == '-' && text[7] == '-' && wb_date_digits(text, 5, 8, days);
}

/* The digits after a point, rounded half up to µs, which may make a whole second. NULL where there are none. */
static inline const char *wb_fraction(const char *at, const char *end, int64_t *us)
{
    static const int32_t weights[] = {1000000, 100000, 10000, 1000, 100, 10, 1};
    const char *first = at;
    int32_t sum = 0;
    for (; at < end && at - first < 6 && wb_is_digit(*at); at++)
        sum = sum * 10 + (*at - '0');
    if (at == first)
        return NULL;
    sum *= weights[at - first];
    if (at < end && at - first == 6 && wb_is_digit(*at) && *at >= '5')
        sum++;
    while (at < end && wb_is_digit(*at))
        at++;
    *us = sum;
    return at;
}

#endif
