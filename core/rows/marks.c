/* SPDX-License-Identifier: MIT
 * Reading a chunk of marks. Invariant: a chunk that was handed out is not changed, but for
 * which of its marks are to come again. No locks, no failure. */
#include "rows/marks.h"

#include "base/timestamp.h"

size_t wb_marks_count(const wb_marks *marks)
{
    return marks->count;
}

int wb_marks_key_type(const wb_marks *marks)
{
    return marks->key_type;
}

void wb_marks_key(const wb_marks *marks, size_t index, wb_value *out)
{
    wb_key_value(marks->key_type, &marks->marks[index].key, out);
}

int64_t wb_marks_time_us(const wb_marks *marks, size_t index)
{
    return marks->exact ? marks->marks[index].time_us : marks->at_us;
}

int64_t wb_marks_at_us(const wb_marks *marks)
{
    return marks->at_us;
}

uint32_t wb_marks_attempt(const wb_marks *marks)
{
    return marks->attempt;
}

void wb_marks_again(wb_marks *marks, size_t index)
{
    marks->again[index] = true;
}

/* ---- as a column has them ---- */

#define DAY_US INT64_C(86400000000)

int64_t wb_unit_us(int column_type, int unit)
{
    static const int64_t units[] = {[WB_UNIT_S] = 1000000, [WB_UNIT_MS] = 1000, [WB_UNIT_US] = 1};
    switch (column_type) {
    case WB_TYPE_TIMESTAMPTZ:
    case WB_TYPE_TIMESTAMP:
        return 1;
    case WB_TYPE_DATE:
        return DAY_US;
    case WB_TYPE_INT8:
        return units[unit];
    default:
        return 0;
    }
}

int64_t wb_unit_of_us(int64_t unix_us, int64_t unit_us)
{
    int64_t value = unix_us / unit_us;
    return unix_us % unit_us < 0 ? value - 1 : value;
}

int64_t wb_unit_to_us(int64_t value, int64_t unit_us)
{
    int64_t us;
    if (__builtin_mul_overflow(value, unit_us, &us))
        return value < 0 ? INT64_MIN : INT64_MAX;
    return us;
}

int64_t wb_marks_value(const wb_marks *marks, size_t index, int64_t unit_us)
{
    return wb_unit_of_us(wb_marks_time_us(marks, index), unit_us);
}

/* A microsecond before all times, where no time is early enough. */
int64_t wb_marks_latest(const wb_marks *marks, int64_t min_advance_us, int64_t unit_us)
{
    bool none = min_advance_us > marks->at_us - WB_TIME_MIN_US;
    return wb_unit_of_us(none ? WB_TIME_MIN_US - 1 : marks->at_us - min_advance_us, unit_us);
}

int64_t wb_marks_bound(const wb_marks *marks, size_t index, int64_t min_advance_us, int64_t unit_us)
{
    int64_t value = wb_marks_value(marks, index, unit_us);
    int64_t latest = wb_marks_latest(marks, min_advance_us, unit_us);
    return min_advance_us > 0 && latest < value ? latest + 1 : value;
}
