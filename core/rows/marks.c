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

/* A microsecond before all times, where no time is early enough. */
int64_t wb_marks_latest_us(const wb_marks *marks, int64_t min_advance_us)
{
    bool none = min_advance_us > marks->at_us - WB_TIME_MIN_US;
    return none ? WB_TIME_MIN_US - 1 : marks->at_us - min_advance_us;
}

int64_t wb_marks_bound_us(const wb_marks *marks, size_t index, int64_t min_advance_us)
{
    int64_t time_us = wb_marks_time_us(marks, index);
    int64_t latest_us = wb_marks_latest_us(marks, min_advance_us);
    return min_advance_us > 0 && latest_us < time_us ? latest_us + 1 : time_us;
}
