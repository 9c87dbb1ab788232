/* SPDX-License-Identifier: MIT
 * Times and dates, as numbers and as text. A time is µs since 1970 UTC, a date is days since 1970-01-01. Both lie within
 * the years 0001 to 9999: RFC 3339 can write no others, and PostgreSQL takes them all. base/iso.h has the forms that are
 * read besides RFC 3339's. A parser that answers false leaves its output as it was; what is written ends with a NUL.
 * wb_timestamp_parse, wb_timestamp_of_seconds and wb_timestamp_format are in writebehind.h. */
#ifndef WB_TIMESTAMP_H
#define WB_TIMESTAMP_H

#include <writebehind.h>

#include "base/calendar.h"

#define WB_PG_EPOCH_US   INT64_C(946684800000000) /* 2000-01-01 in µs since 1970 */
#define WB_PG_EPOCH_DAYS 10957

bool wb_date_parse(const char *text, size_t bytes, int32_t *days); /* YYYY-MM-DD, YYYYMMDD */
void wb_date_format(int32_t days, char out[16]);                   /* of any number */

/* In place of a time or a number of days: PostgreSQL's infinities, which its inputs call "infinity" and "-infinity". */
#define WB_TIME_INFINITY       INT64_MAX
#define WB_TIME_MINUS_INFINITY INT64_MIN

/* A time as PostgreSQL counts it, in µs since 2000. Its infinities are the ends of the range. */
static inline int64_t wb_pg_us(int64_t unix_us)
{
    bool infinite = unix_us == WB_TIME_INFINITY || unix_us == WB_TIME_MINUS_INFINITY;
    return infinite ? unix_us : unix_us - WB_PG_EPOCH_US;
}

/* A time without a zone, as µs since 1970 on the wall's own clock: text without a zone, or a date with its hyphens, which
 * is its midnight. Text with a zone is converted to UTC, where PostgreSQL would ignore the zone: no value changes. */
bool wb_wall_parse(const char *text, size_t bytes, int64_t *unix_us);
/* "2024-05-14 09:00:00", with a fraction where it is not zero, as PostgreSQL writes it; of any number. */
void wb_wall_format(int64_t unix_us, char out[40]);

/* Seconds to the nearest µs, half up; false for what is not finite or more than 64 bits of µs. */
bool wb_us_of_seconds(double seconds, int64_t *us);

/* A time of day, µs since midnight, 0 to a whole day. */
bool wb_clock_parse(const char *text, size_t bytes, int64_t *us);
void wb_clock_format(int64_t us, char out[24]); /* "08:00:00.5"; us as above */

#endif
