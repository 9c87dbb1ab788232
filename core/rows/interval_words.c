/* SPDX-License-Identifier: MIT
 * PostgreSQL's own form of intervals (DecodeInterval and ParseDateTime of src/backend/utils/adt/datetime.c, version 15),
 * read from left to right: fields, each a number with its unit, a number of days before a time, a number of seconds at
 * the end, years-months, or a time of day at the end. No unit comes twice.
 * A minus at the front stands for one field here, and for all of them where IntervalStyle is sql_standard: such a text
 * is refused, unless another field has a sign of its own. No state, no locks, no memory. */
#include "rows/interval_words.h"

#include <math.h>
#include <string.h>

#include "base/calendar.h"
#include "base/words.h"

/* The bits of units that were seen, by enum wb_interval_unit. A fraction of a second takes those below it, too. */
#define BIT(unit)   (1u << (unit))
#define SECOND_BITS (BIT(WB_UNIT_SECOND) | BIT(WB_UNIT_MILLISECOND) | BIT(WB_UNIT_MICROSECOND))
#define TIME_BITS   (BIT(WB_UNIT_HOUR) | BIT(WB_UNIT_MINUTE) | SECOND_BITS)

typedef struct scan {
    const char *at;
    const char *end;
    wb_interval_sum *sum;
    unsigned seen;
    int fields;
    bool minus_first;
    bool more_signs;
    bool unit_last; /* the last field had a unit, or is a time */
} scan;

static const char *read_field(scan *s);
static const char *read_time(scan *s, int64_t hours, bool negative);

static const struct {
    const char *word;
    wb_interval_unit unit;
} units[] = {
    {"us", WB_UNIT_MICROSECOND},
    {"usec", WB_UNIT_MICROSECOND},
    {"usecs", WB_UNIT_MICROSECOND},
    {"usecond", WB_UNIT_MICROSECOND},
    {"useconds", WB_UNIT_MICROSECOND},
    {"microsecond", WB_UNIT_MICROSECOND},
    {"microseconds", WB_UNIT_MICROSECOND},
    {"ms", WB_UNIT_MILLISECOND},
    {"msec", WB_UNIT_MILLISECOND},
    {"msecs", WB_UNIT_MILLISECOND},
    {"msecond", WB_UNIT_MILLISECOND},
    {"mseconds", WB_UNIT_MILLISECOND},
    {"millisecond", WB_UNIT_MILLISECOND},
    {"milliseconds", WB_UNIT_MILLISECOND},
    {"s", WB_UNIT_SECOND},
    {"sec", WB_UNIT_SECOND},
    {"secs", WB_UNIT_SECOND},
    {"second", WB_UNIT_SECOND},
    {"seconds", WB_UNIT_SECOND},
    {"m", WB_UNIT_MINUTE},
    {"min", WB_UNIT_MINUTE},
    {"mins", WB_UNIT_MINUTE},
    {"minute", WB_UNIT_MINUTE},
    {"minutes", WB_UNIT_MINUTE},
    {"h", WB_UNIT_HOUR},
    {"hr", WB_UNIT_HOUR},
    {"hrs", WB_UNIT_HOUR},
    {"hour", WB_UNIT_HOUR},
    {"hours", WB_UNIT_HOUR},
    {"d", WB_UNIT_DAY},
    {"day", WB_UNIT_DAY},
    {"days", WB_UNIT_DAY},
    {"w", WB_UNIT_WEEK},
    {"week", WB_UNIT_WEEK},
    {"weeks", WB_UNIT_WEEK},
    {"mon", WB_UNIT_MONTH},
    {"mons", WB_UNIT_MONTH},
    {"month", WB_UNIT_MONTH},
    {"months", WB_UNIT_MONTH},
    {"y", WB_UNIT_YEAR},
    {"yr", WB_UNIT_YEAR},
    {"yrs", WB_UNIT_YEAR},
    {"year", WB_UNIT_YEAR},
    {"years", WB_UNIT_YEAR},
    {"dec", WB_UNIT_DECADE},
    {"decs", WB_UNIT_DECADE},
    {"decade", WB_UNIT_DECADE},
    {"decades", WB_UNIT_DECADE},
    {"c", WB_UNIT_CENTURY},
    {"cent", WB_UNIT_CENTURY},
    {"century", WB_UNIT_CENTURY},
    {"centuries", WB_UNIT_CENTURY},
    {"mil", WB_UNIT_MILLENNIUM},
    {"mils", WB_UNIT_MILLENNIUM},
    {"millennium", WB_UNIT_MILLENNIUM},
    {"millennia", WB_UNIT_MILLENNIUM},
};

static bool skip_spaces(scan *s)
{
    const char *first = s->at;
    while (s->at < s->end && wb_is_space(*s->at))
        s->at++;
    return s->at > first;
}

static bool skip(scan *s, char c)
{
    if (s->at == s->end || *s->at != c)
        return false;
    s->at++;
    return true;
}

static size_t count_letters(const scan *s)
{
    size_t count = 0;
    while (s->at + count < s->end && wb_lower(s->at[count]) >= 'a' && wb_lower(s->at[count]) <= 'z')
        count++;
    return count;
}

const char *wb_interval_words(const char *text, size_t bytes, wb_interval_sum *sum, bool *ago)
{
    wb_trim(&text, &bytes);
    scan s = {.at = text, .end = text + bytes, .sum = sum};
    if (skip(&s, '@'))
        skip_spaces(&s);
    s.minus_first = s.at < s.end && *s.at == '-';
    *ago = false;
    while (s.at < s.end && !*ago) {
        const char *why = read_field(&s);
        if (why != NULL)
            return why;
        skip_spaces(&s);
        *ago = s.unit_last && wb_is_word(s.at, (size_t)(s.end - s.at), "ago");
    }
    if (s.fields == 0)
        return WB_INTERVAL_FORM;
    if (s.minus_first && s.fields > 1 && !s.more_signs)
        return "a minus whose reach depends on IntervalStyle";
    return NULL;
}

/* ---- fields ---- */

static const char *take(scan *s, unsigned bits)
{
    if (s->seen & bits)
        return WB_INTERVAL_FORM;
    s->seen |= bits;
    return NULL;
}

static bool find_unit(const char *word, size_t bytes, wb_interval_unit *unit)
{
    for (size_t i = 0; i < sizeof units / sizeof *units; i++)
        if (wb_is_word(word, bytes, units[i].word)) {
            *unit = units[i].unit;
            return true;
        }
    return false;
}

/* May a digit follow right after? PostgreSQL takes most words for the beginning of a zone's name then. */
static bool may_join(const char *word, size_t bytes)
{
    return bytes == 1 && strchr("dhmsy", wb_lower(*word)) != NULL;
}

/* The word is done here; a comma may follow. */
static bool ends_unit(scan *s, const char *word)
{
    if (s->at == s->end || wb_is_space(*s->at))
        return true;
    if (wb_is_digit(*s->at))
        return may_join(word, (size_t)(s->at - word));
    return skip(s, ',') && s->at < s->end && wb_is_space(*s->at);
}

static const char *add_number(scan *s, const wb_interval_number *n, wb_interval_unit unit)
{
    bool all = unit == WB_UNIT_SECOND && n->digits != 0;
    const char *why = take(s, all ? SECOND_BITS : BIT(unit));
    return why != NULL ? why : wb_interval_add(s->sum, unit, n);
}

/* Is there a time after these spaces? */
static bool time_follows(const scan *s)
{
    const char *at = s->at;
    if (at < s->end && (*at == '-' || *at == '+'))
        at++;
    const char *first = at;
    while (at < s->end && wb_is_digit(*at))
        at++;
    return at > first && at < s->end && *at == ':';
}

/* A number without a unit is days before a time, and seconds at the end. */
static const char *read_unit(scan *s, const wb_interval_number *n)
{
    bool spaces = skip_spaces(s);
    size_t letters = count_letters(s);
    const char *word = s->at;
    wb_interval_unit unit;
    s->unit_last = letters > 0;
    if (letters == 0) {
        if (s->at == s->end)
            return add_number(s, n, WB_UNIT_SECOND);
        return spaces && time_follows(s) ? add_number(s, n, WB_UNIT_DAY) : WB_INTERVAL_FORM;
    }
    s->at += letters;
    if (!find_unit(word, letters, &unit) || !ends_unit(s, word))
        return WB_INTERVAL_FORM;
    return add_number(s, n, unit);
}

/* After the years and their hyphen. */
static const char *read_months(scan *s, int64_t years, bool negative)
{
    int64_t months;
    if (!wb_interval_digits(&s->at, s->end, &months) || (s->at < s->end && !wb_is_space(*s->at)))
        return WB_INTERVAL_FORM;
    if (months > 11)
        return WB_INTERVAL_RANGE;
    s->unit_last = true;
    const char *why = take(s, BIT(WB_UNIT_MONTH));
    if (why != NULL)
        return why;
    bool fits = wb_interval_add_whole(s->sum, WB_MONTHS, negative ? -years : years, 12) &&
                wb_interval_add_whole(s->sum, WB_MONTHS, negative ? -months : months, 1);
    return fits ? NULL : WB_INTERVAL_RANGE;
}

static const char *read_field(scan *s)
{
    const char *first;
    int64_t whole;
    wb_interval_number number;
    bool negative = s->at < s->end && *s->at == '-', sign = negative || *s->at == '+';
    s->at += sign;
    s->more_signs |= sign && s->fields > 0;
    s->fields++;
    if (sign && (s->at == s->end || !wb_is_digit(*s->at)))
        return WB_INTERVAL_FORM;
    first = s->at;
    if (wb_interval_digits(&s->at, s->end, &whole) && s->at < s->end) {
        if (skip(s, ':'))
            return read_time(s, whole, negative);
        if (skip(s, '-'))
            return read_months(s, whole, negative);
    }
    s->at = first;
    const char *why = wb_interval_number_read(&s->at, s->end, negative, false, &number);
    return why != NULL ? why : read_unit(s, &number);
}

/* One or two digits, and no more. */
static bool read_pair(scan *s, int64_t *out)
{
    const char *first = s->at;
    return wb_interval_digits(&s->at, s->end, out) && s->at - first <= 2;
}

/* Rounded to µs, a half to the even one. */
static const char *read_second_fraction(scan *s, int64_t *us)
{
    wb_interval_number n;
    const char *why = wb_interval_number_read(&s->at, s->end, false, false, &n);
    if (why == NULL)
        *us = (int64_t)rint(n.fraction * (double)WB_SECOND_US);
    return why;
}

/* After hours and a colon. What follows is the end: PostgreSQL forgets a fraction of a day after a time. */
static const char *read_time(scan *s, int64_t hours, bool negative)
{
    int64_t minutes, seconds = 0, us = 0;
    const char *why = take(s, TIME_BITS);
    if (why != NULL || !read_pair(s, &minutes))
        return WB_INTERVAL_FORM;
    if (skip(s, ':')) {
        if (!read_pair(s, &seconds))
            return WB_INTERVAL_FORM;
        if (s->at < s->end && *s->at == '.' && (why = read_second_fraction(s, &us)) != NULL)
            return why;
    }
    if (minutes > 59 || seconds > 60)
        return WB_INTERVAL_RANGE;
    skip_spaces(s);
    s->unit_last = true;
    if (s->at < s->end && !wb_is_word(s->at, (size_t)(s->end - s->at), "ago"))
        return WB_INTERVAL_FORM;
    us += (minutes * 60 + seconds) * WB_SECOND_US;
    if (__builtin_mul_overflow(hours, 3600 * WB_SECOND_US, &hours) ||
        __builtin_add_overflow(us, hours, &us)) /* without its sign, as there */
        return WB_INTERVAL_RANGE;
    return wb_interval_add_whole(s->sum, WB_US, negative ? -us : us, 1) ? NULL : WB_INTERVAL_RANGE;
}
