/* SPDX-License-Identifier: MIT
 * The exit handler. Nothing is locked here: who leaves is in a list of the handler's own, each with a reference.
 * Where this process won't live until the deadlines, its threads are stopped and started again in a child, with all
 * that they had left; where that fails, they are started again here. */
#include "engine/exit.h"

#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "engine/flusher.h"
#include "engine/lifeline.h"
#include "engine/nginx.h"
#include "spool/folder.h"

enum {
    LOOK_US = 50000,   /* how often the handler looks at the deadlines, and for a hurry */
    GRACE_US = 1000000 /* for all that were told to stop, together */
};

static atomic_uint registered; /* wb_store_exit_handlers() at the last registration, plus 1 */
static atomic_flag registered_again = ATOMIC_FLAG_INIT;

/* All are closed before the first is waited for, so that they drain side by side. */
static wb_pipeline *close_all(void)
{
    wb_pipeline *leaving = NULL;
    wb_pipeline *pipeline;
    while ((pipeline = wb_lifeline_take()) != NULL) {
        pipeline->next_leaving = leaving;
        leaving = pipeline;
        wb_backlog_close(pipeline->backlog);
    }
    return leaving;
}

static bool all_ended(wb_pipeline *leaving, int64_t deadline_us)
{
    while (leaving != NULL && wb_flusher_wait(leaving, deadline_us))
        leaving = leaving->next_leaving;
    return leaving == NULL;
}

/* Tells each thread to stop at its deadline. Returns when the wait for the last one ends: after the handlers, what
 * the threads run in may be taken down. */
static int64_t cut_late(wb_pipeline *leaving, int64_t started_us)
{
    int64_t last_us = started_us;
    for (; leaving != NULL; leaving = leaving->next_leaving) {
        int64_t deadline_us = wb_after_us(started_us, leaving->close_timeout_us);
        if (wb_now_us() >= deadline_us)
            wb_flusher_stop(leaving, false);
        if (deadline_us > last_us)
            last_us = deadline_us;
    }
    return wb_after_us(last_us, GRACE_US);
}

/* Waits for all of them; false where there is work left and not the time for it. */
static bool drain(wb_pipeline *leaving, int64_t started_us)
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

/* All but the flusher. */
static void halt(wb_pipeline *pipeline)
{
    if (pipeline->class->halt != NULL)
        pipeline->class->halt(pipeline);
}

static void report_lost(wb_pipeline *leaving)
{
    for (; leaving != NULL; leaving = leaving->next_leaving) {
        wb_pipeline_report_lost(leaving);
        halt(leaving);
    }
}

/* ---- a child that goes on ---- */

static bool stop_all(wb_pipeline *leaving, int64_t deadline_us)
{
    bool stopped = true;
    for (wb_pipeline *pipeline = leaving; pipeline != NULL; pipeline = pipeline->next_leaving) {
        wb_flusher_stop(pipeline, true);
    }
    for (wb_pipeline *pipeline = leaving; pipeline != NULL; pipeline = pipeline->next_leaving) {
        stopped = wb_flusher_join(pipeline, deadline_us) &&
                  wb_flusher_gone(pipeline, deadline_us) && stopped;
        halt(pipeline);
    }
    return stopped;
}

/* What is driven stays here. In the child its database would seem to be open, by locks that end with this process. */
static void end_driven(wb_pipeline *leaving)
{
    for (; leaving != NULL; leaving = leaving->next_leaving) {
        if (!leaving->flusher.started)
            wb_pipeline_leave(leaving);
    }
}

/* One that can't be started again is among the lost: this is why. */
static void restart_all(wb_pipeline *leaving)
{
    wb_err err;
    for (; leaving != NULL; leaving = leaving->next_leaving) {
        int code = leaving->class->begin != NULL ? leaving->class->begin(leaving, &err) : WB_OK;
        if (code != WB_OK || wb_flusher_restart(leaving, &err) != WB_OK)
            fprintf(stderr, "writebehind: process %ld: %s\n", (long)getpid(), err.text);
    }
}

/* Nobody knows of this process, so nothing hurries it but a TERM of its own. */
static void go_on(wb_pipeline *leaving, int64_t started_us)
{
    restart_all(leaving);
    while (!all_ended(leaving, wb_now_us() + LOOK_US)) {
        if (wb_nginx_child_is_told()) {
            for (wb_pipeline *pipeline = leaving; pipeline; pipeline = pipeline->next_leaving)
                wb_flusher_stop(pipeline, false);
            all_ended(leaving, wb_now_us() + GRACE_US);
            break;
        }
        if (wb_now_us() >= cut_late(leaving, started_us))
            break;
    }
    report_lost(leaving);
}

static void hand_over(wb_pipeline *leaving, int64_t started_us)
{
    pid_t child = -1;
    if (stop_all(leaving, wb_now_us() + WB_NGINX_SAFE_US)) {
        end_driven(leaving);
        wb_folders_keep_over_fork(true);
        child = wb_nginx_fork();
        wb_folders_keep_over_fork(false);
    }
    if (child > 0) {
        fprintf(stderr,
                "writebehind: process %ld is to end with work left: process %ld goes on with it\n",
                (long)getpid(), (long)child);
        return; /* the child has all, and nginx waits for this process */
    }
    go_on(leaving, started_us);
    if (child == 0)
        _exit(0);
}

/* ---- the handler ---- */

static void drain_all(void)
{
    int64_t started_us = wb_now_us();
    wb_pipeline *leaving = close_all();
    if (drain(leaving, started_us))
        report_lost(leaving);
    else
        hand_over(leaving, started_us);
    while (leaving != NULL) {
        wb_pipeline *pipeline = leaving;
        leaving = pipeline->next_leaving;
        wb_pipeline_unref(pipeline);
    }
}

void wb_exit_watch(void)
{
    unsigned count = wb_store_exit_handlers() + 1;
    if (atomic_exchange(&registered, count) != count)
        atexit(drain_all);
}

void wb_exit_watch_again(void)
{
    wb_exit_watch(); /* a library may have begun with this write */
    if (!atomic_flag_test_and_set(&registered_again))
        atexit(drain_all);
}
