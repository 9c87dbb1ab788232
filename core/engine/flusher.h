/* SPDX-License-Identifier: MIT
 * The flusher: a pipeline's thread. It delivers what is due and sleeps in between. It is started lazily; it blocks all
 * signals; it ends when its pipeline has closed and nothing is left, or when it is cancelled. */
#ifndef WB_FLUSHER_H
#define WB_FLUSHER_H

#include "engine/pipeline.h"

/* Starts the thread where it does not run yet. WB_STORE with the system's reason when it can't. */
int wb_flusher_start(wb_pipeline *pipeline, wb_err *err);
/* Starts a thread again where the last one has ended, was joined, and left work. */
int wb_flusher_restart(wb_pipeline *pipeline, wb_err *err);
/* Asks the thread, where there is one, to end at once, also from a wait of its store; for good, or to be started again. */
void wb_flusher_stop(wb_pipeline *pipeline, bool will_restart);
/* Waits until the thread has ended; false at the deadline. True where it never started. */
bool wb_flusher_wait(wb_pipeline *pipeline, int64_t deadline_us);
/* The same, and joins it. */
bool wb_flusher_join(wb_pipeline *pipeline, int64_t deadline_us);
/* Waits until an ended thread, a detached one too, is gone from the process: until then its libraries may hold locks
 * that they take at a thread's end. False at the deadline. */
bool wb_flusher_gone(wb_pipeline *pipeline, int64_t deadline_us);
/* Nobody will join: the thread frees itself. */
void wb_flusher_detach(wb_pipeline *pipeline);

#endif
