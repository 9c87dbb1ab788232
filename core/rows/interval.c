/* SPDX-License-Identifier: MIT
 * Intervals: ISO 8601's form to read and to write; interval_words.c reads the others. No state, no locks, no memory. */
#include "rows/interval.h"

#include <inttypes.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

#include "base/bigendian.h"
#include "base/calendar.h"
#include "rows/interval_sum.h"
#include "rows/interval_words.h"

static const char *read_iso(const char *at, const char *end, wb_interval_sum *sum);

const char *wb_interval_read(const char *text, size_t bytes, uint8_t to[16])
{
    wb_interval_sum sum = {0};
    bool ago = false;
    const char *why = bytes > 0 && *text == 'P' ? read_iso(text + 1, text + bytes, &sum)
                                                : wb_interval_words(text, bytes, &sum, &ago);
    return why != NULL ? why : wb_interval_put(&sum, ago, to);
}

void wb_interval_of_us(int64_t us, uint8_t to[16])
{
    memset(wb_put64(to, (uint64_t)us), 0, 8);
}

/* ---- reading ISO 8601 ---- */

/* The unit of a letter before or after the T. */
static bool unit_of(char letter, bool time, wb_interval_unit *unit)
{
    static const char letters[] = "SMHDWMY";
    static const wb_interval_unit of[] = {WB_UNIT_SECOND, WB_UNIT_MINUTE, WB_UNIT_HOUR, WB_UNIT_DAY,
                                          WB_UNIT_WEEK,   WB_UNIT_MONTH,  WB_UNIT_YEAR};
    for (int i = time ? 0 : 3; i < (time ? 3 : 7); i++)
        if (letters[i] == letter) {
            *unit = of[i];
            return true;
        }
    return false;
}

/* A number and its letter. */
static const char *read_part(const char **at, const char *end, bool time, wb_interval_sum *sum)
{
    wb_interval_number number;
    wb_interval_unit unit;
    bool negative = *at < end && **at == '-';
    *at += negative;
    const char *why = wb_interval_number_read(at, end, negative, true, &number);
    if (why != NULL)
        return why;
    if (*at == end || !unit_of(**at, time, &unit))
        return WB_INTERVAL_FORM;
    (*at)++;
    return wb_interval_add(sum, unit, &number);
}

/* In any order, and any number of times, as PostgreSQL takes them; but not nothing at all. */
static const char *read_iso(const char *at, const char *end, wb_interval_sum *sum)
{
    bool time = false;
    do {
        if (!time && at < end && *at == 'T') {
            time = true;
            at++;
        }
        const char *why = read_part(&at, end, time, sum);
        if (why != NULL)
            return why;
    } while (at < end);
    return NULL;
}

/* ---- writing ---- */

static char *put_part(char *out, int64_t number, char letter)
{
    return number == 0 ? out : out + sprintf(out, "%" PRId64 "%c", number, letter);
}

/* The seconds have the sign of both of their parts, which may be -0. */
static char *put_seconds(char *out, int64_t us)
{
    uint64_t size = us < 0 ? -(uint64_t)us : (uint64_t)us;
    if (us == 0)
        return out;
    out += sprintf(out, "%s%" PRIu64, us < 0 ? "-" : "", size / (uint64_t)WB_SECOND_US);
    uint64_t rest = size % (uint64_t)WB_SECOND_US;
    if (rest != 0) {
        out += sprintf(out, ".%06" PRIu64, rest);
        while (out[-1] == '0')
            out--;
    }
    *out++ = 'S';
    return out;
}

void wb_interval_format(const uint8_t data[16], char out[80])
{
    const int64_t minute_us = 60 * WB_SECOND_US, hour_us = 60 * minute_us;
    int64_t us = (int64_t)wb_get64(data);
    int32_t days = (int32_t)wb_get32(data + 8), months = (int32_t)wb_get32(data + 12);
    char *at = out;
    *at++ = 'P';
    at = put_part(at, months / 12, 'Y');
    at = put_part(at, months % 12, 'M');
    at = put_part(at, days, 'D');
    if (us != 0) {
        *at++ = 'T';
        at = put_part(at, us / hour_us, 'H');
        at = put_part(at, us % hour_us / minute_us, 'M');
        at = put_seconds(at, us % minute_us);
    }
    if (at == out + 1)
        at += sprintf(at, "T0S");
    *at = '\0';
}
