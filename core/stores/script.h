/* SPDX-License-Identifier: MIT
 * A policy that decides in the flusher's thread: what a worker fills. A decider is made, opened, asked and ended
 * in that thread alone. What its script has no function for it is not asked. A call that fails leaves its output
 * as it was: the built-in rule decides then. */
#ifndef WB_DECIDER_H
#define WB_DECIDER_H

#include "rows/batch.h"

typedef struct wb_decider wb_decider;

typedef struct wb_decider_class {
    /* Finds the script: says which decisions it makes, by the flags below. Asked again after it failed. */
    int (*open)(wb_decider *decider, wb_err *err);
    int (*should_flush)(wb_decider *decider, const wb_stats *stats, const wb_view *view,
                        bool *flush, wb_err *err);
    /* The table for row `index` of a batch; its name lives until the next call. */
    int (*route)(wb_decider *decider, const wb_batch *batch, size_t index, const char **table,
                 wb_err *err);
    /* When to try a batch again that failed, as wb_outcome.retry_us has it. */
    int (*retry)(wb_decider *decider, const wb_stats *stats, const wb_view *view,
                 const wb_err *failure, int64_t *retry_us, wb_err *err);
    void (*end)(wb_decider *decider);
} wb_decider_class;

struct wb_decider {
    const wb_decider_class *class;
    bool should_flush, route, retry; /* after open: the script has such a function */
};

#endif
