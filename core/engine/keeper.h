/* SPDX-License-Identifier: MIT
 * The keeper: the thread of an object's spool. It makes files ready, syncs and removes them, takes over what others left, and
 * brings back what was parked, so that neither add nor the flusher waits for a disk. It blocks all signals, lives from the
 * object's first use to its end, and holds no reference: who frees the object stops it before. */
#ifndef WB_KEEPER_H
#define WB_KEEPER_H

#include <pthread.h>

#include "base/err.h"
#include "engine/backlog.h"
#include "spool/spool.h"

/* What its object does with what it finds, in the keeper's thread. */
typedef struct wb_keeper_class {
    void (*adopt)(void *owner);  /* what other processes left */
    bool (*replay)(void *owner); /* some of what is parked; false: not now. NULL: nothing ever is */
} wb_keeper_class;

/* All zero: there is no spool, and nothing is done. */
typedef struct wb_keeper {
    wb_spool *spool;
    wb_backlog *backlog;
    const wb_keeper_class *class;
    void *owner;
    pthread_t thread;
    bool clocked;        /* its time stands still */
    bool runs, stopping; /* its object's lock */
    atomic_bool stops;
    int64_t look_us; /* when to look for what others left */
} wb_keeper;

/* Opens the spool, under the object's name, at its first use in its process, and starts the thread, but where a clock
 * stands still. WB_STORE with the system's reason. */
int wb_keeper_begin(wb_keeper *keeper, const char *name, wb_err *err);
/* Ends the thread, which may begin again: then what is settled is no longer on the disk. Idempotent. */
void wb_keeper_stop(wb_keeper *keeper);
/* Does what the thread does, where there is none; nothing before it has begun. */
void wb_keeper_stand_in(wb_keeper *keeper);
/* See wb_batcher_sync. `unspooled`: so many of what is pending are in memory alone. */
int wb_keeper_sync(wb_keeper *keeper, uint64_t unspooled, int64_t deadline_us, wb_err *err);

#endif
