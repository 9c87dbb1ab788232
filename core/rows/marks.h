/* SPDX-License-Identifier: MIT
 * One write of a tracker. It borrows its marks. No lock: one thread's. */
#ifndef WB_MARKS_H
#define WB_MARKS_H

#include "rows/markset.h"

struct wb_marks {
    const wb_mark *marks; /* sorted by key, distinct */
    size_t count;
    int key_type;  /* enum wb_type */
    int64_t at_us; /* the flush's time, since 1970 */
    bool exact;    /* each mark's own time, else at_us for all */
    uint32_t attempt;
    bool *again; /* of each: it did not move, and is to be marked again; begins as false */
};

/* What a value counts in a column of times: timestamptz and timestamp µs, date days, int8 what enum wb_unit says. All
 * begin in 1970. 0: no such column can have times. */
int64_t wb_unit_us(int column_type, int unit);
/* A time as a value of such a column, rounded down; and the other way. */
int64_t wb_unit_of_us(int64_t unix_us, int64_t unit_us);
int64_t wb_unit_to_us(int64_t value, int64_t unit_us);

/* The value that a mark's time becomes. */
int64_t wb_marks_value(const wb_marks *marks, size_t index, int64_t unit_us);
/* The latest stored value whose time is at least min_advance_us before the flush. One after it stays. */
int64_t wb_marks_latest(const wb_marks *marks, int64_t min_advance_us, int64_t unit_us);
/* A stored value moves forward where it is less than this: less than the mark's own, and min_advance_us or more before
 * the flush. */
int64_t wb_marks_bound(const wb_marks *marks, size_t index, int64_t min_advance_us,
                       int64_t unit_us);

#endif
