/* SPDX-License-Identifier: MIT
 * The list of live flushers and the exit handler. The list's lock is held for links only, and over a fork,
 * so that the child finds the list whole and empties it. A flusher in the list has its thread's reference; the exit
 * handler takes one of its own before it lets go of the lock. */
#include "lifeline.h"

#include <stdlib.h>

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static pthread_once_t once = PTHREAD_ONCE_INIT;
static pthread_once_t once_more = PTHREAD_ONCE_INIT;
static wb_flusher *alive = NULL;

static void hold_over_fork(void)
{
    pthread_mutex_lock(&lock);
}

static void go_on_in_parent(void)
{
    pthread_mutex_unlock(&lock);
}

static void start_empty_in_child(void)
{
    alive = NULL;
    pthread_mutex_unlock(&lock);
}

static wb_flusher **link_of(const wb_flusher *flusher)
{
    wb_flusher **link = &alive;
    while (*link != NULL && *link != flusher)
        link = &(*link)->next;
    return link;
}

/* Takes one out of the list, with a reference; NULL when there is none. */
static wb_flusher *take_one(void)
{
    pthread_mutex_lock(&lock);
    wb_flusher *flusher = alive;
    if (flusher != NULL) {
        alive = flusher->next;
        flusher->work->ref(flusher->owner);
    }
    pthread_mutex_unlock(&lock);
    return flusher;
}

/* After the deadline the thread is told to stop, and has a second for it: what it runs in may be taken down
 * once the handlers are through. */
static void see_off(wb_flusher *flusher, int64_t started_us)
{
    const int64_t grace_us = 1000000;
    bool never = flusher->close_timeout_us >= WB_NEVER - started_us;
    int64_t deadline_us = never ? WB_NEVER : started_us + flusher->close_timeout_us;
    wb_monitor_lock(flusher->monitor);
    while (!flusher->ended && wb_monitor_wait(flusher->monitor, deadline_us))
        continue;
    bool ended = flusher->ended;
    wb_monitor_unlock(flusher->monitor);
    if (!ended) {
        wb_cancel_ask(&flusher->cancel);
        wb_monitor_lock(flusher->monitor);
        wb_monitor_wake_by(flusher->monitor, INT64_MIN + 1);
        int64_t last_us = wb_now_us() + grace_us;
        while (!flusher->ended && wb_monitor_wait(flusher->monitor, last_us))
            continue;
        wb_monitor_unlock(flusher->monitor);
    }
    flusher->work->lost(flusher->owner);
    flusher->work->unref(flusher->owner);
}

/* All are closed before the first is waited for, so that they drain side by side. */
static void drain_all(void)
{
    int64_t started_us = wb_now_us();
    wb_flusher *leaving = NULL;
    wb_flusher *flusher;
    while ((flusher = take_one()) != NULL) {
        flusher->next = leaving;
        leaving = flusher;
        flusher->work->close(flusher->owner);
    }
    while (leaving != NULL) {
        flusher = leaving;
        leaving = flusher->next;
        see_off(flusher, started_us);
    }
}

static void watch(void)
{
    pthread_atfork(hold_over_fork, go_on_in_parent, start_empty_in_child);
    atexit(drain_all);
}

static void watch_again(void)
{
    atexit(drain_all);
}

void wb_lifeline_enter(wb_flusher *flusher)
{
    pthread_once(&once, watch);
    pthread_mutex_lock(&lock);
    flusher->next = alive;
    alive = flusher;
    pthread_mutex_unlock(&lock);
}

void wb_lifeline_leave(wb_flusher *flusher)
{
    pthread_mutex_lock(&lock);
    wb_flusher **link = link_of(flusher);
    if (*link != NULL)
        *link = flusher->next;
    pthread_mutex_unlock(&lock);
}

void wb_lifeline_renew(void)
{
    pthread_once(&once_more, watch_again);
}
