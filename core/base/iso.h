/* SPDX-License-Identifier: MIT
 * The forms of ISO 8601 that PostgreSQL takes for dates, times of day and both, beside the one of RFC 3339 that
 * timestamp.c reads fast. A text means what it means to PostgreSQL 15 (its manual, "Date/Time Input"; its source,
 * src/backend/utils/adt/datetime.c), whatever the session's settings: what depends on them is refused.
 *
 *   date   2024-05-14, 20240514
 *   time   8:00, 08:00, 08:00:00, 08:00:00.5; 0800, 080000, 080000.5; up to 24:00:00
 *   zone   Z, UTC or GMT in any case; +02, +0200, +02:00, +02:00:30; up to 15:59:59. After a time without colons, an
 *          offset without colons: PostgreSQL takes 080000-07:30 for something else.
 *   both   a date, then T, t or spaces, then a time; then a zone, perhaps after spaces
 *
 * White space around a text is skipped; within it, there are only plain spaces. */
#ifndef WB_ISO_H
#define WB_ISO_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

typedef struct wb_iso {
    int64_t days;     /* since 1970, years 1 to 9999 */
    int64_t clock_us; /* 0 to a whole day; 0 where there is only a date */
    int32_t offset_s; /* east of UTC; 0 where there is no zone */
    bool zoned;
    bool leap; /* the second is 60, which makes clock_us the next minute's first */
} wb_iso;

/* A date and a time, perhaps with a zone; or a date alone with its hyphens. (Digits alone may be meant as seconds.) */
bool wb_iso_read(const char *text, size_t bytes, wb_iso *out);
bool wb_iso_date(const char *text, size_t bytes, int64_t *days);
/* A time of day without a zone, perhaps after T or t, and without a 60th second. */
bool wb_iso_clock(const char *text, size_t bytes, int64_t *us);

#endif
