/* SPDX-License-Identifier: MIT
 * The flusher: a thread that works for one owner (a batcher or a tracker), and the promise that process exit
 * waits for it. Started lazily; it blocks all signals; it ends when its owner has closed and nothing is
 * left, or when it is cut. */
#ifndef WB_FLUSHER_H
#define WB_FLUSHER_H

#include <pthread.h>
#include <stdatomic.h>

#include "base/deadline.h"
#include "base/sync.h"

/* What the thread does, said by the owner. */
typedef struct wb_work {
    /* Unlocked, in the thread. Delivers until nothing is due. */
    void (*deliver)(void *pipeline, const wb_cancel *cancel);
    /* Locked. When deliver is wanted next. */
    int64_t (*next_due_us)(void *pipeline);
    /* Locked. Closed, and nothing is left. */
    bool (*drained)(void *pipeline);
    /* Unlocked, in the thread, last: ends the session. Of what has no thread: in the exit handler, before a fork. */
    void (*leave)(void *pipeline);
    /* Unlocked, at process exit: refuses new rows, wants all delivered. */
    void (*close)(void *pipeline);
    /* Unlocked, at process exit, after the deadline: says what is lost. */
    void (*lost)(void *pipeline);
    /* References: the thread has one, and so has the exit handler while it looks. */
    void (*ref)(void *pipeline);
    void (*unref)(void *pipeline);
} wb_work;

typedef struct wb_flusher {
    const wb_work *work;
    void *pipeline;
    wb_monitor *monitor; /* the owner's */
    int64_t close_timeout_us;
    wb_cancel cancel;
    bool started; /* locked */
    bool ended;   /* locked: the thread won't touch the owner but to unref it */
    bool joined;  /* locked: somebody joins or joined it, or it is detached */
    pid_t tid;    /* locked: of the thread that ended */
    pthread_t thread;
    struct wb_flusher *next;    /* among those that are alive */
    struct wb_flusher *leaving; /* the next among those that the exit handler waits for */
} wb_flusher;

void wb_flusher_init(wb_flusher *flusher, const wb_work *work, void *pipeline, wb_monitor *monitor,
                     int64_t close_timeout_us);
/* After the thread ended, or when it was never started. */
void wb_flusher_fini(wb_flusher *flusher);
/* Starts the thread where it does not run yet. WB_STORE with the system's reason when it can't. */
int wb_flusher_start(wb_flusher *flusher, wb_err *err);
/* Starts a thread again where the last one has ended, was joined, and left work. */
int wb_flusher_restart(wb_flusher *flusher, wb_err *err);
/* Waits until an ended thread, a detached one too, is gone from the process: what libraries do at a thread's end
 * may hold their locks until then. False at the deadline. */
bool wb_flusher_gone(wb_flusher *flusher, int64_t deadline_us);
/* Waits until the thread has ended and joins it; false at the deadline. True where it never started. */
bool wb_flusher_join(wb_flusher *flusher, int64_t deadline_us);
/* The owner won't join: the thread frees itself. */
void wb_flusher_detach(wb_flusher *flusher);

#endif
