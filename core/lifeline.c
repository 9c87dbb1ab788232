/* SPDX-License-Identifier: MIT
 * The list of live flushers and the exit handler. The list's lock is held for links only, and over a fork,
 * so that the child finds the list whole and empties it. A flusher in the list has its thread's reference; the exit
 * handler takes one of its own before it lets go of the lock. */
#include "lifeline.h"

#include <stdlib.h>

#include "store.h"

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static pthread_once_t once = PTHREAD_ONCE_INIT;
static pthread_once_t once_more = PTHREAD_ONCE_INIT;
static atomic_uint registered; /* wb_store_exit_handlers() at the last registration, plus 1 */
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

/* True at once for one without a thread. */
static bool wait_ended(wb_flusher *flusher, int64_t deadline_us)
{
    wb_monitor_lock(flusher->monitor);
    while (flusher->started && !flusher->ended && wb_monitor_wait(flusher->monitor, deadline_us))
        continue;
    bool ended = !flusher->started || flusher->ended;
    wb_monitor_unlock(flusher->monitor);
    return ended;
}

/* At its deadline a thread is told to stop. */
static void wait_or_cut(wb_flusher *flusher, int64_t started_us)
{
    if (wait_ended(flusher, wb_after_us(started_us, flusher->close_timeout_us)))
        return;
    wb_cancel_ask(&flusher->cancel);
    wb_monitor_lock(flusher->monitor);
    wb_monitor_wake_by(flusher->monitor, INT64_MIN + 1);
    wb_monitor_unlock(flusher->monitor);
}

/* All are closed before the first is waited for, so that they drain side by side. Those that were told to stop
 * have one second for it, together: what they run in may be taken down once the handlers are through. */
static void drain_all(void)
{
    const int64_t grace_us = 1000000;
    int64_t started_us = wb_now_us();
    wb_flusher *leaving = NULL;
    wb_flusher *flusher;
    while ((flusher = take_one()) != NULL) {
        flusher->next = leaving;
        leaving = flusher;
        flusher->work->close(flusher->owner);
    }
    for (flusher = leaving; flusher != NULL; flusher = flusher->next)
        wait_or_cut(flusher, started_us);
    int64_t last_us = wb_now_us() + grace_us;
    while (leaving != NULL) {
        flusher = leaving;
        leaving = flusher->next;
        wait_ended(flusher, last_us);
        flusher->work->lost(flusher->owner);
        flusher->work->unref(flusher->owner);
    }
}

static void watch(void)
{
    pthread_atfork(hold_over_fork, go_on_in_parent, start_empty_in_child);
}

static void watch_again(void)
{
    atexit(drain_all);
}

void wb_lifeline_enter(wb_flusher *flusher)
{
    pthread_once(&once, watch);
    unsigned before = wb_store_exit_handlers() + 1;
    if (atomic_exchange(&registered, before) != before)
        atexit(drain_all);
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
