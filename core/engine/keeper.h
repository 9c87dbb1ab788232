/* SPDX-License-Identifier: MIT
 * The keeper: the thread of an object's spool. It makes files ready, syncs and removes them, takes over what others left, and
 * brings back what was parked, so that neither add nor the flusher waits for a disk. It blocks all signals, lives from the
 * object's first use to its end, and holds no reference: who frees the object stops it before. */
#ifndef WB_KEEPER_H
#define WB_KEEPER_H

#include <pthread.h>

#include "base/err.h"
#include "engine/outbox/replay.h"

typedef struct wb_keeper {
    wb_outbox *outbox;
    pthread_t thread;
    bool clocked; /* its time stands still */
    bool runs;
    atomic_bool stops;
    wb_replay replay;
    int64_t look_us; /* when to look for what others left */
} wb_keeper;

/* All zero: there is no spool, and nothing is done. */

/* Makes the outbox's spool; the outbox ends where this fails: WB_MISUSE, WB_MEMORY. */
int wb_keeper_init(wb_keeper *keeper, wb_outbox *outbox, const wb_batcher_options *options,
                   const char *name, wb_err *err);
/* Opens it, at the object's first use in its process, and starts the thread, but where a clock stands still. WB_STORE with
 * the system's reason. */
int wb_keeper_begin(wb_keeper *keeper, wb_err *err);
/* Ends the thread, which may begin again: then what is settled is no longer on the disk. Idempotent. */
void wb_keeper_stop(wb_keeper *keeper);
void wb_keeper_fini(wb_keeper *keeper); /* stopped */
/* Does what the thread does, where there is none. */
void wb_keeper_stand_in(wb_keeper *keeper);
/* See wb_batcher_sync. */
int wb_keeper_sync(wb_keeper *keeper, int64_t deadline_us, wb_err *err);
/* A batcher's, for the core. */
wb_keeper *wb_batcher_keeper(wb_batcher *batcher);

#endif
