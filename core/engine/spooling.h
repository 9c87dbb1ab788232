/* SPDX-License-Identifier: MIT
 * The spool of a batcher and of a tracker, by their options. */
#ifndef WB_SPOOLING_H
#define WB_SPOOLING_H

#include "engine/keeper.h"
#include "engine/markbox.h"
#include "engine/outbox/replay.h"

typedef struct wb_batcher_spooling {
    wb_keeper keeper;
    wb_outbox *outbox;
    wb_replay replay;
} wb_batcher_spooling;

/* Makes the spool that the options ask for, if they do. WB_MISUSE, WB_MEMORY: there is none then. */
int wb_spooling_of_batcher(wb_batcher_spooling *spooling, wb_outbox *outbox,
                           const wb_batcher_options *options, wb_err *err);
int wb_spooling_of_tracker(wb_keeper *keeper, wb_markbox *markbox,
                           const wb_tracker_options *options, wb_err *err);
/* Lets go of it; after the outbox, which has batches of its numbers, or the markbox. */
void wb_spooling_fini(wb_batcher_spooling *spooling);
/* See wb_batcher_sync. */
int wb_spooling_sync(wb_batcher_spooling *spooling, int64_t deadline_us, wb_err *err);
/* A batcher's, for the core. */
wb_batcher_spooling *wb_batcher_spooling_of(wb_batcher *batcher);

#endif
