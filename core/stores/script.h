/* SPDX-License-Identifier: MIT
 * A policy that decides in the flusher's thread; a worker's is one. A policy is a description, shared and counted. A
 * script is one batcher's use of it: made, opened, asked and ended in that thread alone, and only asked for the
 * decisions that it has a function for. A call that fails leaves its output as it was: the built-in rule decides. */
#ifndef WB_SCRIPT_H
#define WB_SCRIPT_H

#include "rows/batch.h"

typedef struct wb_script wb_script;
struct wb_target;

typedef struct wb_policy_class {
    /* For the batcher of that target, which lives longer. NULL: no memory. */
    wb_script *(*script)(wb_policy *policy, const struct wb_target *target);
    void (*ref)(wb_policy *policy);
    void (*unref)(wb_policy *policy);
} wb_policy_class;

struct wb_policy {
    const wb_policy_class *class;
};

typedef struct wb_script_class {
    /* Finds the script's functions: sets the flags below. Called again after it failed. */
    int (*open)(wb_script *script, wb_err *err);
    int (*should_flush)(wb_script *script, const wb_stats *stats, const wb_view *view, bool *flush,
                        wb_err *err);
    /* The table for row `index` of the batch. Its name lives until the next call. WB_INVALID: the row is refused, the error
     * says why. */
    int (*route)(wb_script *script, const wb_batch *batch, size_t index, const char **table,
                 wb_err *err);
    /* When a batch that failed is tried again, in the form of wb_outcome.retry_us. */
    int (*retry)(wb_script *script, const wb_stats *stats, const wb_view *view,
                 const wb_err *failure, int64_t *retry_us, wb_err *err);
    void (*end)(wb_script *script);
} wb_script_class;

struct wb_script {
    const wb_script_class *class;
    bool should_flush, route, retry; /* set by open: it has that function */
};

#endif
