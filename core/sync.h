/* SPDX-License-Identifier: MIT
 * A monitor: one lock, a condition for the thread that works, a condition for those who wait for its work.
 * Both conditions wait on the monotonic clock. Only the outbox, the tracker, the log, the flusher and store_memory use it. */
#ifndef WB_SYNC_H
#define WB_SYNC_H

#include <pthread.h>
#include <time.h>

#include "writebehind.h"

typedef struct wb_monitor {
    pthread_mutex_t lock;
    pthread_cond_t work;    /* the flusher sleeps here */
    pthread_cond_t settled; /* flush, close and blocked adds sleep here */
} wb_monitor;

void wb_monitor_init(wb_monitor *monitor);
void wb_monitor_fini(wb_monitor *monitor);

static inline void wb_monitor_lock(wb_monitor *monitor)
{
    pthread_mutex_lock(&monitor->lock);
}

static inline void wb_monitor_unlock(wb_monitor *monitor)
{
    pthread_mutex_unlock(&monitor->lock);
}

/* Locked. Sleeps until woken or until the monotonic time; false when that has passed. */
bool wb_monitor_wait_work(wb_monitor *monitor, int64_t until_us);
bool wb_monitor_wait_settled(wb_monitor *monitor, int64_t until_us);

#endif
