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

/* The latest stored time that is at least min_advance_us before the flush. One after it stays. */
int64_t wb_marks_latest_us(const wb_marks *marks, int64_t min_advance_us);

/* A stored time moves forward where it is earlier than this: earlier than the mark's own time, and min_advance_us or
 * more before the flush. */
int64_t wb_marks_bound_us(const wb_marks *marks, size_t index, int64_t min_advance_us);

#endif
