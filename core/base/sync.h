/* SPDX-License-Identifier: MIT
 * A monitor: one lock, a condition for the worker thread, a condition for threads that wait for its work. Both
 * conditions use the monotonic clock. A worker that is awake is not signalled, since it looks again, under the lock,
 * before it sleeps. It is signalled once the lock is free: it would wake to wait for it. */
#ifndef WB_SYNC_H
#define WB_SYNC_H

#include <pthread.h>

#include <writebehind.h>

/* The time of what is due now: earlier than all times of a clock. INT64_MIN is taken: it says that nobody sleeps. */
#define WB_NOW (INT64_MIN + 1)

/* The time delay_us >= 0 after another; WB_NEVER where that is past all times. */
static inline int64_t wb_after_us(int64_t at_us, int64_t delay_us)
{
    int64_t then_us;
    return __builtin_add_overflow(at_us, delay_us, &then_us) ? WB_NEVER : then_us;
}

typedef struct wb_monitor {
    pthread_mutex_t lock;
    pthread_cond_t work;    /* the worker sleeps here */
    pthread_cond_t settled; /* flush, close and blocked adds sleep here */
    int64_t sleep_until_us; /* of the worker; INT64_MIN: it is awake, or there is none */
    bool signals;           /* who has the lock wakes the worker when it lets go of it */
    unsigned waiting;       /* threads on `settled` */
} wb_monitor;

void wb_monitor_init(wb_monitor *monitor);
void wb_monitor_fini(wb_monitor *monitor);

static inline void wb_monitor_lock(wb_monitor *monitor)
{
    pthread_mutex_lock(&monitor->lock);
}

static inline void wb_monitor_unlock(wb_monitor *monitor)
{
    bool signals = monitor->signals;
    monitor->signals = false;
    pthread_mutex_unlock(&monitor->lock);
    if (__builtin_expect(signals, 0))
        pthread_cond_signal(&monitor->work);
}

/* The caller of all these holds the lock. */

/* The worker sleeps until that time, or until it is woken for something that is due earlier. */
void wb_monitor_sleep(wb_monitor *monitor, int64_t until_us);
/* Wakes the worker where it would sleep past that time, when something will be due. */
static inline void wb_monitor_wake_by(wb_monitor *monitor, int64_t due_us)
{
    if (due_us < monitor->sleep_until_us) {
        monitor->sleep_until_us = INT64_MIN;
        monitor->signals = true;
    }
}
/* Leaves the lock to others for a moment, long enough for one that waits for it to wake up. */
void wb_monitor_breathe(wb_monitor *monitor);
/* Waits for wb_monitor_tell; false: the time has passed. */
bool wb_monitor_wait(wb_monitor *monitor, int64_t until_us);
/* Wakes all that wait, as something was settled. */
void wb_monitor_tell(wb_monitor *monitor);

#endif
