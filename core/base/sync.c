/* SPDX-License-Identifier: MIT
 * The monitor. Invariant: sleep_until_us is INT64_MIN while the worker is awake, so whoever sets it so signals.
 * The lock is held throughout, but while a thread waits. Nothing fails: locking and signalling can't, on a monitor
 * that was initialised. */
#include "base/sync.h"

#include <time.h>

static void init_condition(pthread_cond_t *condition)
{
    pthread_condattr_t attributes;
    pthread_condattr_init(&attributes);
    pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC);
    pthread_cond_init(condition, &attributes);
    pthread_condattr_destroy(&attributes);
}

void wb_monitor_init(wb_monitor *monitor)
{
    pthread_mutex_init(&monitor->lock, NULL);
    init_condition(&monitor->work);
    init_condition(&monitor->settled);
    monitor->sleep_until_us = INT64_MIN;
    monitor->signals = false;
    monitor->waiting = 0;
}

void wb_monitor_fini(wb_monitor *monitor)
{
    pthread_cond_destroy(&monitor->settled);
    pthread_cond_destroy(&monitor->work);
    pthread_mutex_destroy(&monitor->lock);
}

static bool wait_until(wb_monitor *monitor, pthread_cond_t *condition, int64_t until_us)
{
    if (until_us == WB_NEVER)
        return pthread_cond_wait(condition, &monitor->lock) == 0;
    if (until_us < 0)
        until_us = 0;
    struct timespec deadline = {.tv_sec = until_us / 1000000, .tv_nsec = until_us % 1000000 * 1000};
    return pthread_cond_timedwait(condition, &monitor->lock, &deadline) == 0;
}

void wb_monitor_sleep(wb_monitor *monitor, int64_t until_us)
{
    monitor->sleep_until_us = until_us;
    while (monitor->sleep_until_us != INT64_MIN && wait_until(monitor, &monitor->work, until_us))
        continue;
    monitor->sleep_until_us = INT64_MIN;
}

void wb_monitor_breathe(wb_monitor *monitor)
{
    const struct timespec moment = {.tv_nsec = 20000};
    wb_monitor_unlock(monitor);
    nanosleep(&moment, NULL);
    wb_monitor_lock(monitor);
}

bool wb_monitor_wait(wb_monitor *monitor, int64_t until_us)
{
    if (monitor->signals)
        pthread_cond_signal(&monitor->work);
    monitor->signals = false;
    monitor->waiting++;
    bool told = wait_until(monitor, &monitor->settled, until_us);
    monitor->waiting--;
    return told;
}

void wb_monitor_tell(wb_monitor *monitor)
{
    if (monitor->waiting > 0)
        pthread_cond_broadcast(&monitor->settled);
}
