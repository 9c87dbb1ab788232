/* SPDX-License-Identifier: MIT
 * A pipeline's life as its owner has it. What else its owner does with it is public: wb_pipeline_* in writebehind.h. */
#ifndef WB_LIFECYCLE_H
#define WB_LIFECYCLE_H

#include "engine/pipeline.h"

/* Before a row is accepted: checks that it may be used here, marks it used, starts the thread. WB_FORK, WB_STORE. */
int wb_pipeline_start_slowly(wb_pipeline *pipeline, wb_err *err);
static inline int wb_pipeline_start(wb_pipeline *pipeline, wb_err *err)
{
    bool here =
        atomic_load_explicit(&pipeline->process, memory_order_relaxed) == wb_fork_generation_now();
    bool started = atomic_load_explicit(&pipeline->started, memory_order_relaxed);
    return here && started ? WB_OK : wb_pipeline_start_slowly(pipeline, err);
}
/* Closes it, and stops its thread where it is, also in a write. Then nobody delivers any more: what was in the thread's
 * hands is settled, or waits. WB_TIMEOUT: the thread has not ended yet. WB_FORK. */
int wb_pipeline_stop(wb_pipeline *pipeline, int64_t deadline_us, wb_err *err);

#endif
