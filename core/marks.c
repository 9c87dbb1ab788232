/* SPDX-License-Identifier: MIT
 * Reading a chunk of marks. */
#include "store.h"

size_t wb_marks_count(const wb_marks *marks)
{
    return marks->count;
}

const uint8_t *wb_marks_id(const wb_marks *marks, size_t index)
{
    return marks->marks[index].id;
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
