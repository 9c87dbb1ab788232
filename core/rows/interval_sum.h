/* SPDX-License-Identifier: MIT
 * What the two readers of intervals share: numbers, and the sums of months, days and µs that they are added to. A number
 * is split where PostgreSQL splits it, and its fraction is the same double, so that it is rounded the same way
 * (AdjustFractMicroseconds, AdjustFractDays and AdjustFractYears of src/backend/utils/adt/datetime.c, version 15). */
#ifndef WB_INTERVAL_SUM_H
#define WB_INTERVAL_SUM_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Why a text is refused. */
#define WB_INTERVAL_FORM  "not an interval"
#define WB_INTERVAL_RANGE "an interval that is out of range"
#define WB_INTERVAL_EXACT "a fraction of a year that is no whole months"
#define WB_INTERVAL_FINE  "a fraction with too many digits"

typedef enum wb_interval_unit {
    WB_UNIT_MICROSECOND,
    WB_UNIT_MILLISECOND,
    WB_UNIT_SECOND,
    WB_UNIT_MINUTE,
    WB_UNIT_HOUR,
    WB_UNIT_DAY,
    WB_UNIT_WEEK,
    WB_UNIT_MONTH,
    WB_UNIT_YEAR,
    WB_UNIT_DECADE,
    WB_UNIT_CENTURY,
    WB_UNIT_MILLENNIUM,
} wb_interval_unit;

/* `whole` and `fraction` have the number's sign; the fraction is also `digits` / `power`, exactly, without it. */
typedef struct wb_interval_number {
    int64_t whole;
    double fraction;
    uint64_t digits;
    uint64_t power; /* of ten, up to 10 ^ 15 */
} wb_interval_number;

enum { WB_MONTHS, WB_DAYS, WB_US, WB_INTERVAL_FIELDS };

/* What is positive and what is negative is summed apart: no order of the same numbers overflows where another fits. */
typedef struct wb_interval_sum {
    int64_t up[WB_INTERVAL_FIELDS];
    int64_t down[WB_INTERVAL_FIELDS];
} wb_interval_sum;

/* Reads digits with or without a point, which a digit follows, and leaves *at after them. `joined`: the fraction is what the
 * whole number's double leaves, as in ISO 8601's form. NULL, or why not. */
const char *wb_interval_number_read(const char **at, const char *end, bool negative, bool joined,
                                    wb_interval_number *out);
/* Digits alone, up to INT64_MAX. */
bool wb_interval_digits(const char **at, const char *end, int64_t *out);

const char *wb_interval_add(wb_interval_sum *sum, wb_interval_unit unit,
                            const wb_interval_number *number);
/* Adds value * scale; false: it overflows. */
bool wb_interval_add_whole(wb_interval_sum *sum, int field, int64_t value, int64_t scale);

/* Writes the binary form; `ago` negates it first. */
const char *wb_interval_put(const wb_interval_sum *sum, bool ago, uint8_t to[16]);

#endif
