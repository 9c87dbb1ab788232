/* SPDX-License-Identifier: MIT
 * Intervals as PostgreSQL's binary form (interval_send in src/backend/utils/adt/timestamp.c): int64 µs, int32 days, int32
 * months, all big-endian. The three are kept apart, as there: a month has no fixed number of days, a day none of hours. */
#ifndef WB_INTERVAL_H
#define WB_INTERVAL_H

#include <stddef.h>
#include <stdint.h>

/* Reads what PostgreSQL 15 reads, with its meaning whatever IntervalStyle is:
 *   words      1 year 2 mons -3 days 04:05:06.7; @ 1 minute ago; 1.5 hours; 90 minutes; 1h 30m
 *   SQL        1-2 3 4:05:06; 4:05; 90 (seconds)
 *   ISO 8601   P1Y2M3DT4H5M6.7S, PT0.5S, P-1W
 * Fractions of months and weeks become days and time, of days time, as there; of seconds they are rounded to µs. A
 * fraction of a year has to be whole months, where PostgreSQL would round. NULL, or why not: then `to` is as it was. */
const char *wb_interval_read(const char *text, size_t bytes, uint8_t to[16]);

/* A time alone. */
void wb_interval_of_us(int64_t us, uint8_t to[16]);

/* As PostgreSQL writes it where IntervalStyle is iso_8601, with a NUL: P1Y2M3DT4H5M6.7S, PT0S, P-1Y. Of any bytes, and
 * wb_interval_read makes the same ones of it. */
void wb_interval_format(const uint8_t data[16], char out[80]);

#endif
