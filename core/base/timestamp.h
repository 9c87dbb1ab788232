/* SPDX-License-Identifier: MIT
 * Times and dates, as numbers and as RFC 3339 text. A time is µs since 1970 UTC, a date is days since 1970-01-01. Both
 * lie within the years 0001 to 9999: RFC 3339 can write no others, and PostgreSQL takes them all.
 * wb_timestamp_parse, wb_timestamp_of_seconds and wb_timestamp_format are in writebehind.h. */
#ifndef WB_TIMESTAMP_H
#define WB_TIMESTAMP_H

#include <writebehind.h>

#define WB_PG_EPOCH_US   INT64_C(946684800000000) /* 2000-01-01 in µs since 1970 */
#define WB_PG_EPOCH_DAYS 10957
#define WB_TIME_MIN_US   INT64_C(-62135596800000000) /* 0001-01-01T00:00:00Z */
#define WB_TIME_MAX_US   INT64_C(253402300799999999) /* 9999-12-31T23:59:59.999999Z */

bool wb_date_parse(const char *text, size_t bytes, int32_t *days); /* YYYY-MM-DD */
void wb_date_format(int32_t days, char out[16]);                   /* NUL-terminated */

#endif
