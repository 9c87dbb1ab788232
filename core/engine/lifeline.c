/* SPDX-License-Identifier: MIT
 * The list of live flushers and the exit handler. The list's lock is held for links only, and over a fork,
 * so that the child finds the list whole and empties it. A flusher in the list has its thread's reference; the exit
 * handler takes one of its own before it lets go of the lock. Where this process won't live until the deadlines,
 * its threads are stopped and started again in a child, with all that they had left; where that fails, here. */
#include "engine/lifeline.h"

#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "engine/nginx.h"
#include "stores/store.h"

enum {
    LOOK_US = 50000,   /* how often the exit handler looks at the deadlines, and for a hurry */
    GRACE_US = 1000000 /* for all that were told to stop, together */
};

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
        flusher->work->ref(flusher->pipeline);
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

static void ask_to_stop(wb_flusher *flusher)
{
    wb_cancel_ask(&flusher->cancel);
    wb_monitor_lock(flusher->monitor);
    wb_monitor_wake_by(flusher->monitor, WB_NOW);
    wb_monitor_unlock(flusher->monitor);
}

/* All are closed before the first is waited for, so that they drain side by side. */
static wb_flusher *close_all(void)
{
    wb_flusher *leaving = NULL;
    wb_flusher *flusher;
    while ((flusher = take_one()) != NULL) {
        flusher->leaving = leaving;
        leaving = flusher;
        flusher->work->close(flusher->pipeline);
    }
    return leaving;
}

static bool all_ended(wb_flusher *leaving, int64_t deadline_us)
{
    while (leaving != NULL && wait_ended(leaving, deadline_us))
        leaving = leaving->leaving;
    return leaving == NULL;
}

/* At its deadline a thread is told to stop. → the time at which the last is waited for no more: what they run in
 * may be taken down once the handlers are through. */
static int64_t cut_late(wb_flusher *leaving, int64_t started_us)
{
    int64_t last_us = started_us;
    for (; leaving != NULL; leaving = leaving->leaving) {
        int64_t deadline_us = wb_after_us(started_us, leaving->close_timeout_us);
        if (wb_now_us() >= deadline_us)
            ask_to_stop(leaving);
        if (deadline_us > last_us)
            last_us = deadline_us;
    }
    return wb_after_us(last_us, GRACE_US);
}

/* Waits for all of them; false where there is work left and not the time for it. */
static bool drain(wb_flusher *leaving, int64_t started_us)
{
    int64_t hurried_us = WB_NEVER;
    while (!all_ended(leaving, wb_now_us() + LOOK_US)) {
        int64_t now_us = wb_now_us();
        if (now_us >= cut_late(leaving, started_us))
            break;
        if (hurried_us == WB_NEVER && wb_nginx_is_hurried())
            hurried_us = now_us;
        if (hurried_us != WB_NEVER && now_us >= hurried_us + WB_NGINX_SAFE_US)
            return false;
    }
    return true;
}

static void report_lost(wb_flusher *leaving)
{
    for (; leaving != NULL; leaving = leaving->leaving)
        leaving->work->lost(leaving->pipeline);
}

/* ---- a child that goes on ---- */

static bool stop_all(wb_flusher *leaving, int64_t deadline_us)
{
    bool stopped = true;
    for (wb_flusher *flusher = leaving; flusher != NULL; flusher = flusher->leaving) {
        atomic_store(&flusher->cancel.resumed, true);
        ask_to_stop(flusher);
    }
    for (wb_flusher *flusher = leaving; flusher != NULL; flusher = flusher->leaving)
        stopped = wb_flusher_join(flusher, deadline_us) && wb_flusher_gone(flusher, deadline_us) &&
                  stopped;
    return stopped;
}

/* What is driven is not taken along. A database that it has open would seem to be open in the child too, by locks that
 * end with this process. */
static void end_driven(wb_flusher *leaving)
{
    for (; leaving != NULL; leaving = leaving->leaving) {
        if (!leaving->started)
            leaving->work->leave(leaving->pipeline);
    }
}

/* One that can't be started again is among the lost: this is why. */
static void restart_all(wb_flusher *leaving)
{
    wb_err err;
    for (; leaving != NULL; leaving = leaving->leaving) {
        if (wb_flusher_restart(leaving, &err) != WB_OK)
            fprintf(stderr, "writebehind: process %ld: %s\n", (long)getpid(), err.text);
    }
}

/* To its end, without a hurry, since nobody knows of this process. */
static void go_on(wb_flusher *leaving, int64_t started_us)
{
    restart_all(leaving);
    while (!all_ended(leaving, wb_now_us() + LOOK_US)) {
        if (wb_now_us() >= cut_late(leaving, started_us))
            break;
    }
    report_lost(leaving);
}

/* While this process lives it waits for the child: a container may end with it. */
static void leave_to(pid_t child, wb_flusher *leaving, int64_t started_us)
{
    fprintf(stderr,
            "writebehind: process %ld is to end with work left: process %ld goes on with it\n",
            (long)getpid(), (long)child);
    wb_nginx_wait(child, cut_late(leaving, started_us));
}

static void hand_over(wb_flusher *leaving, int64_t started_us)
{
    pid_t child = -1;
    if (stop_all(leaving, wb_now_us() + WB_NGINX_SAFE_US)) {
        end_driven(leaving);
        child = wb_nginx_fork();
    }
    if (child > 0) {
        leave_to(child, leaving, started_us);
        return;
    }
    go_on(leaving, started_us);
    if (child == 0)
        _exit(0);
}

static void drain_all(void)
{
    int64_t started_us = wb_now_us();
    wb_flusher *leaving = close_all();
    if (drain(leaving, started_us))
        report_lost(leaving);
    else
        hand_over(leaving, started_us);
    while (leaving != NULL) {
        wb_flusher *flusher = leaving;
        leaving = flusher->leaving;
        flusher->work->unref(flusher->pipeline);
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
