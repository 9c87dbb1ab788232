/* SPDX-License-Identifier: MIT
 * Numbers of intervals and their sums. A double is made of integers below 2 ^ 53 by one division, which rounds as strtod
 * would, without a locale. No state, no locks, no memory. */
#include "rows/interval_sum.h"

#include <math.h>

#include "base/bigendian.h"
#include "base/calendar.h"

enum { MONTH_DAYS = 30, WEEK_DAYS = 7, YEAR_MONTHS = 12, FRACTION_DIGITS = 15 };

#define EXACT_LIMIT (UINT64_C(1) << 53)

bool wb_interval_digits(const char **at, const char *end, int64_t *out)
{
    int64_t sum = 0;
    const char *first = *at;
    for (; *at < end && wb_is_digit(**at); (*at)++)
        if (__builtin_mul_overflow(sum, 10, &sum) || __builtin_add_overflow(sum, **at - '0', &sum))
            return false;
    *out = sum;
    return *at > first;
}

/* The digits after the point, without the zeros at their end. */
static const char *read_fraction(const char **at, const char *end, wb_interval_number *out)
{
    const char *first = *at, *last = first;
    for (; *at < end && wb_is_digit(**at); (*at)++)
        if (**at != '0')
            last = *at + 1;
    if (last - first > FRACTION_DIGITS)
        return WB_INTERVAL_FINE;
    for (; first < last; first++) {
        out->digits = out->digits * 10 + (uint64_t)(*first - '0');
        out->power *= 10;
    }
    return NULL;
}

/* The fraction that is left of the number's double. */
static const char *join(wb_interval_number *n)
{
    uint64_t all;
    if (__builtin_mul_overflow((uint64_t)n->whole, n->power, &all) ||
        __builtin_add_overflow(all, n->digits, &all) || all > EXACT_LIMIT)
        return WB_INTERVAL_FINE;
    n->fraction = (double)all / (double)n->power - (double)n->whole;
    return NULL;
}

const char *wb_interval_number_read(const char **at, const char *end, bool negative, bool joined,
                                    wb_interval_number *out)
{
    const char *why = NULL;
    wb_interval_number n = {.power = 1};
    bool bare = *at < end && **at == '.'; /* no digit before the point */
    if (!bare && (*at == end || !wb_is_digit(**at)))
        return WB_INTERVAL_FORM;
    if (!bare && !wb_interval_digits(at, end, &n.whole))
        return WB_INTERVAL_RANGE;
    if (*at < end && **at == '.') {
        (*at)++;
        if (*at == end || !wb_is_digit(**at))
            return WB_INTERVAL_FORM;
        why = read_fraction(at, end, &n);
    }
    n.fraction = (double)n.digits / (double)n.power;
    if (why == NULL && joined)
        why = join(&n);
    if (why != NULL)
        return why;
    if (negative) {
        n.whole = -n.whole;
        n.fraction = -n.fraction;
    }
    *out = n;
    return NULL;
}

/* ---- sums ---- */

bool wb_interval_add_whole(wb_interval_sum *sum, int field, int64_t value, int64_t scale)
{
    int64_t product;
    int64_t *to = value > 0 ? &sum->up[field] : &sum->down[field];
    return !__builtin_mul_overflow(value, scale, &product) &&
           !__builtin_add_overflow(*to, product, to);
}

/* To the nearest µs, a half towards zero. */
static bool add_fraction_us(wb_interval_sum *sum, double fraction, int64_t scale)
{
    fraction *= (double)scale;
    int64_t us = (int64_t)fraction;
    fraction -= (double)us;
    if (fraction > 0.5)
        us++;
    else if (fraction < -0.5)
        us--;
    return wb_interval_add_whole(sum, WB_US, us, 1);
}

static bool add_time(wb_interval_sum *sum, const wb_interval_number *n, int64_t unit_us)
{
    return wb_interval_add_whole(sum, WB_US, n->whole, unit_us) &&
           add_fraction_us(sum, n->fraction, unit_us);
}

/* Whole days of the fraction are days, the rest is time. */
static bool add_days(wb_interval_sum *sum, double fraction, int scale)
{
    fraction *= scale;
    int days = (int)fraction;
    return wb_interval_add_whole(sum, WB_DAYS, days, 1) &&
           add_fraction_us(sum, fraction - days, WB_DAY_US);
}

/* PostgreSQL would round to a month; here a fraction has to be whole months. */
static const char *add_years(wb_interval_sum *sum, const wb_interval_number *n, int64_t years)
{
    int64_t unit = years * YEAR_MONTHS;
    if (n->digits * (uint64_t)unit % n->power != 0)
        return WB_INTERVAL_EXACT;
    int64_t months = (int64_t)rint(n->fraction * (double)unit);
    bool fits = wb_interval_add_whole(sum, WB_MONTHS, n->whole, unit) &&
                wb_interval_add_whole(sum, WB_MONTHS, months, 1);
    return fits ? NULL : WB_INTERVAL_RANGE;
}

const char *wb_interval_add(wb_interval_sum *sum, wb_interval_unit unit,
                            const wb_interval_number *number)
{
    static const int64_t unit_us[] = {1, 1000, WB_SECOND_US, 60 * WB_SECOND_US,
                                      3600 * WB_SECOND_US};
    static const int64_t unit_years[] = {1, 10, 100, 1000};
    bool fits;
    if (unit >= WB_UNIT_YEAR)
        return add_years(sum, number, unit_years[unit - WB_UNIT_YEAR]);
    switch (unit) {
    case WB_UNIT_MONTH:
        fits = wb_interval_add_whole(sum, WB_MONTHS, number->whole, 1) &&
               add_days(sum, number->fraction, MONTH_DAYS);
        break;
    case WB_UNIT_WEEK:
        fits = wb_interval_add_whole(sum, WB_DAYS, number->whole, WEEK_DAYS) &&
               add_days(sum, number->fraction, WEEK_DAYS);
        break;
    case WB_UNIT_DAY:
        fits = wb_interval_add_whole(sum, WB_DAYS, number->whole, 1) &&
               add_fraction_us(sum, number->fraction, WB_DAY_US);
        break;
    default:
        fits = add_time(sum, number, unit_us[unit]);
    }
    return fits ? NULL : WB_INTERVAL_RANGE;
}

const char *wb_interval_put(const wb_interval_sum *sum, bool ago, uint8_t to[16])
{
    static const int64_t limit[WB_INTERVAL_FIELDS] = {INT32_MAX, INT32_MAX, INT64_MAX};
    int64_t total[WB_INTERVAL_FIELDS];
    for (int i = 0; i < WB_INTERVAL_FIELDS; i++) {
        if (sum->up[i] > limit[i] || sum->down[i] < -limit[i] - 1)
            return WB_INTERVAL_RANGE;
        total[i] = sum->up[i] + sum->down[i];
        if (ago && total[i] < -limit[i])
            return WB_INTERVAL_RANGE;
        total[i] = ago ? -total[i] : total[i];
    }
    to = wb_put64(to, (uint64_t)total[WB_US]);
    to = wb_put32(to, (uint32_t)total[WB_DAYS]);
    wb_put32(to, (uint32_t)total[WB_MONTHS]);
    return NULL;
}
