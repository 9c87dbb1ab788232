/* SPDX-License-Identifier: MIT
 * The slow forms of dates and times. A scan goes over the text once; each step takes its part, or leaves the scan where
 * it was and answers false. No state, no memory, no locks. What fails leaves its output as it was. */
#include "base/iso.h"

#include "base/calendar.h"
#include "base/words.h"

typedef struct scan {
    const char *at;
    const char *end;
} scan;

static bool read_date(scan *s, int64_t *days);
static bool read_time(scan *s, wb_iso *iso, bool *colons);
static bool read_zone(scan *s, bool colons, wb_iso *iso);

static scan scan_of(const char *text, size_t bytes)
{
    wb_trim(&text, &bytes);
    return (scan){text, text + bytes};
}

static size_t left(const scan *s)
{
    return (size_t)(s->end - s->at);
}

static bool next_is(const scan *s, char c)
{
    return s->at < s->end && *s->at == c;
}

static size_t count_digits(const scan *s)
{
    size_t count = 0;
    while (count < left(s) && wb_is_digit(s->at[count]))
        count++;
    return count;
}

static bool skip_spaces(scan *s)
{
    const char *first = s->at;
    while (next_is(s, ' '))
        s->at++;
    return s->at > first;
}

static bool skip_t(scan *s)
{
    if (!next_is(s, 'T') && !next_is(s, 't'))
        return false;
    s->at++;
    return true;
}

bool wb_iso_read(const char *text, size_t bytes, wb_iso *out)
{
    scan s = scan_of(text, bytes);
    bool colons, hyphens = left(&s) > 4 && s.at[4] == '-';
    wb_iso iso = {0};
    if (!read_date(&s, &iso.days))
        return false;
    if (left(&s) > 0) {
        if ((!skip_t(&s) && !skip_spaces(&s)) || !read_time(&s, &iso, &colons))
            return false;
        skip_spaces(&s);
        if (left(&s) > 0 && !read_zone(&s, colons, &iso))
            return false;
    } else if (!hyphens) {
        return false;
    }
    *out = iso;
    return true;
}

bool wb_iso_date(const char *text, size_t bytes, int64_t *days)
{
    scan s = scan_of(text, bytes);
    int64_t sum;
    if (!read_date(&s, &sum) || left(&s) > 0)
        return false;
    *days = sum;
    return true;
}

bool wb_iso_clock(const char *text, size_t bytes, int64_t *us)
{
    scan s = scan_of(text, bytes);
    bool colons;
    wb_iso iso = {0};
    skip_t(&s);
    if (!read_time(&s, &iso, &colons) || left(&s) > 0 || iso.leap)
        return false;
    *us = iso.clock_us;
    return true;
}

/* ---- parts ---- */

static bool read_date(scan *s, int64_t *days)
{
    size_t digits = count_digits(s);
    if (digits == 4 && left(s) >= 10) {
        if (!wb_date_extended(s->at, days))
            return false;
        s->at += 10;
    } else {
        if (digits != 8 || !wb_date_digits(s->at, 4, 6, days))
            return false;
        s->at += 8;
    }
    return *days >= WB_TIME_MIN_US / WB_DAY_US;
}

/* A colon and two digits, below 100. */
static bool read_colon_pair(scan *s, unsigned *out)
{
    if (left(s) < 3 || *s->at != ':')
        return false;
    *out = wb_two_digits(s->at + 1);
    s->at += 3;
    return *out <= 99;
}

/* hh:mm or hh:mm:ss; the hour may have one digit. */
static bool read_clock_extended(scan *s, size_t digits, unsigned part[3], bool *seconds)
{
    if (digits != 1 && digits != 2)
        return false;
    part[0] = digits == 2 ? wb_two_digits(s->at) : (unsigned)(*s->at - '0');
    s->at += digits;
    if (!read_colon_pair(s, &part[1]))
        return false;
    *seconds = next_is(s, ':');
    return !*seconds || read_colon_pair(s, &part[2]);
}

/* hhmm or hhmmss */
static bool read_clock_basic(scan *s, size_t digits, unsigned part[3], bool *seconds)
{
    if (digits != 4 && digits != 6)
        return false;
    *seconds = digits == 6;
    part[0] = wb_two_digits(s->at);
    part[1] = wb_two_digits(s->at + 2);
    if (*seconds)
        part[2] = wb_two_digits(s->at + 4);
    s->at += digits;
    return true;
}

/* Only seconds have a fraction here: PostgreSQL reads 08:00.5 as minutes and seconds. A leap second has none there. */
static bool read_time(scan *s, wb_iso *iso, bool *colons)
{
    unsigned part[3] = {0};
    bool seconds = false;
    int64_t us = 0;
    size_t digits = count_digits(s);
    *colons = digits < left(s) && s->at[digits] == ':';
    if (!(*colons ? read_clock_extended : read_clock_basic)(s, digits, part, &seconds))
        return false;
    iso->leap = part[2] == 60;
    if (seconds && next_is(s, '.')) {
        if (iso->leap || !(s->at = wb_fraction(s->at + 1, s->end, &us)))
            return false;
    }
    if (part[0] > 24 || part[1] > 59 || part[2] > 60)
        return false;
    iso->clock_us = (part[0] * 3600 + part[1] * 60 + part[2]) * WB_SECOND_US + us;
    return iso->clock_us <= WB_DAY_US;
}

/* ---- zones ---- */

static bool is_utc(const char *at, size_t bytes)
{
    return wb_is_word(at, bytes, "z") || wb_is_word(at, bytes, "utc") ||
           wb_is_word(at, bytes, "gmt");
}

/* After its sign: hh, hhmm, or with colons also seconds. */
static bool read_offset(scan *s, bool colons, unsigned part[3])
{
    size_t digits = count_digits(s);
    if (digits != 2 && digits != 4)
        return false;
    part[0] = wb_two_digits(s->at);
    if (digits == 4)
        part[1] = wb_two_digits(s->at + 2);
    s->at += digits;
    if (left(s) == 0)
        return true;
    if (digits == 4 || !colons || !read_colon_pair(s, &part[1]))
        return false;
    return left(s) == 0 || (read_colon_pair(s, &part[2]) && left(s) == 0);
}

/* To the end of the text. PostgreSQL's limit is MAX_TZDISP_HOUR. */
static bool read_zone(scan *s, bool colons, wb_iso *iso)
{
    unsigned part[3] = {0};
    char sign = *s->at;
    iso->zoned = true;
    if (is_utc(s->at, left(s)))
        return true;
    if (sign != '+' && sign != '-')
        return false;
    s->at++;
    if (!read_offset(s, colons, part) || part[0] > 15 || part[1] > 59 || part[2] > 59)
        return false;
    int32_t seconds = (int32_t)(part[0] * 3600 + part[1] * 60 + part[2]);
    iso->offset_s = sign == '-' ? -seconds : seconds;
    return true;
}
