/* SPDX-License-Identifier: MIT
 * A policy that decides in the flusher's thread: what a worker fills. A decider is made, opened, asked and ended
 * in that thread alone. What its script has no function for it is not asked. A call that fails leaves its output
 * as it was: the built-in rule decides then. */
#ifndef WB_SCRIPT_H
#define WB_SCRIPT_H

#include "rows/batch.h"

typedef struct wb_script wb_script;

typedef struct wb_script_class {
    /* Finds the script: says which decisions it makes, by the flags below. Asked again after it failed. */
    int (*open)(wb_script *decider, wb_err *err);
    int (*should_flush)(wb_script *decider, const wb_stats *stats, const wb_view *view, bool *flush,
                        wb_err *err);
    /* The table for row `index` of a batch; its name lives until the next call. */
    int (*route)(wb_script *decider, const wb_batch *batch, size_t index, const char **table,
                 wb_err *err);
    /* When to try a batch again that failed, as wb_outcome.retry_us has it. */
    int (*retry)(wb_script *decider, const wb_stats *stats, const wb_view *view,
                 const wb_err *failure, int64_t *retry_us, wb_err *err);
    void (*end)(wb_script *decider);
} wb_script_class;

struct wb_script {
    const wb_script_class *class;
    bool should_flush, route, retry; /* after open: the script has such a function */
};

#endif
