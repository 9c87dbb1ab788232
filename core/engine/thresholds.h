/* SPDX-License-Identifier: MIT
 * When is an open batch due? A pure function of its rows, bytes and age. */
#ifndef WB_THRESHOLDS_H
#define WB_THRESHOLDS_H

#include <writebehind.h>

typedef struct wb_thresholds {
    uint64_t batch_size;  /* rows in a batch, at the most */
    uint64_t flush_rows;  /* rows that make it due early */
    uint64_t batch_bytes; /* bytes that make it due; a single larger row is a batch of its own */
    int64_t interval_us;  /* age of the oldest row that makes it due */
} wb_thresholds;

wb_thresholds wb_thresholds_of(const wb_batcher_options *options);

/* The reason to flush now (enum wb_reason), WB_REASON_NONE where there is none yet. Where several hold, the
 * first of size, bytes and age is named. */
static inline int wb_thresholds_due(const wb_thresholds *thresholds, uint64_t rows, uint64_t bytes,
                                    int64_t age_us)
{
    if (rows == 0)
        return WB_REASON_NONE;
    if (rows >= thresholds->flush_rows)
        return WB_REASON_SIZE;
    if (bytes >= thresholds->batch_bytes)
        return WB_REASON_BYTES;
    return age_us >= thresholds->interval_us ? WB_REASON_AGE : WB_REASON_NONE;
}

#endif
