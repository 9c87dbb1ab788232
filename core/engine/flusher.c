/* SPDX-License-Identifier: MIT
 * The thread. Lock order: the backlog's monitor, then the lifeline's; both are free while the thread delivers.
 * Invariant: `ended` is set under the lock as the thread's last use of anything but its reference. Fails only where
 * the system gives no thread. */
#include "engine/flusher.h"

#include <signal.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "base/err.h"
#include "engine/lifeline.h"

static void *run(void *argument);

static wb_monitor *monitor_of(wb_pipeline *pipeline)
{
    return &pipeline->backlog->monitor;
}

/* ---- starting ---- */

/* The thread inherits a full mask: the process's signals stay with the threads that expect them. */
static int create_thread(wb_pipeline *pipeline)
{
    sigset_t all, before;
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    int error = pthread_create(&pipeline->flusher.thread, NULL, run, pipeline);
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    return error;
}

static int start_locked(wb_pipeline *pipeline)
{
    wb_flusher *flusher = &pipeline->flusher;
    wb_cancel_init(&flusher->cancel);
    wb_pipeline_ref(pipeline);
    wb_lifeline_enter(pipeline);
    int error = create_thread(pipeline);
    flusher->started = error == 0;
    if (error != 0) {
        wb_lifeline_leave(pipeline);
        wb_cancel_fini(&flusher->cancel);
        wb_pipeline_unref(pipeline);
    }
    return error;
}

static int started(int error, wb_err *err)
{
    if (error == 0)
        return WB_OK;
    return wb_fail_store(err, WB_RETRY, "can't start a flusher thread: %s", strerror(error));
}

/* Locked throughout: who comes second must not go on before there is a thread. */
int wb_flusher_start(wb_pipeline *pipeline, wb_err *err)
{
    wb_monitor_lock(monitor_of(pipeline));
    int error = pipeline->flusher.started ? 0 : start_locked(pipeline);
    wb_monitor_unlock(monitor_of(pipeline));
    return started(error, err);
}

int wb_flusher_restart(wb_pipeline *pipeline, wb_err *err)
{
    wb_flusher *flusher = &pipeline->flusher;
    wb_monitor_lock(monitor_of(pipeline));
    int error = 0;
    if (flusher->ended && !wb_backlog_drained(pipeline->backlog)) {
        wb_cancel_fini(&flusher->cancel);
        flusher->ended = false;
        flusher->joined = false;
        error = start_locked(pipeline);
    }
    wb_monitor_unlock(monitor_of(pipeline));
    return started(error, err);
}

/* ---- the thread ---- */

/* Sleeps until there is work; false when there never will be. */
static bool wait_for_work(wb_pipeline *pipeline)
{
    wb_monitor *monitor = monitor_of(pipeline);
    wb_monitor_lock(monitor);
    bool goes_on =
        !wb_backlog_drained(pipeline->backlog) && !atomic_load(&pipeline->flusher.cancel.asked);
    if (goes_on) {
        int64_t wake_us = wb_pipeline_wake_us(pipeline), rest_us = wb_pipeline_rest_us(pipeline);
        if (rest_us < wake_us)
            wake_us = rest_us;
        if (wake_us > wb_now_us())
            wb_monitor_sleep(monitor, wake_us);
    }
    wb_monitor_unlock(monitor);
    return goes_on;
}

static void *run(void *argument)
{
    wb_pipeline *pipeline = argument;
    pthread_setname_np(pthread_self(), "writebehind");
    do
        wb_pipeline_deliver(pipeline);
    while (wait_for_work(pipeline));

    wb_pipeline_leave(pipeline);
    wb_lifeline_leave(pipeline);
    wb_monitor_lock(monitor_of(pipeline));
    pipeline->flusher.tid = gettid();
    pipeline->flusher.ended = true;
    wb_monitor_tell(monitor_of(pipeline));
    wb_monitor_unlock(monitor_of(pipeline));
    wb_pipeline_unref(pipeline);
    return NULL;
}

/* ---- its end, seen from outside ---- */

void wb_flusher_stop(wb_pipeline *pipeline, bool will_restart)
{
    wb_flusher *flusher = &pipeline->flusher;
    wb_monitor_lock(monitor_of(pipeline));
    if (flusher->started) {
        if (will_restart)
            atomic_store(&flusher->cancel.will_restart, true);
        wb_cancel_ask(&flusher->cancel);
        wb_monitor_wake_by(monitor_of(pipeline), WB_NOW);
    }
    wb_monitor_unlock(monitor_of(pipeline));
}

static bool wait_locked(wb_pipeline *pipeline, int64_t deadline_us)
{
    const wb_flusher *flusher = &pipeline->flusher;
    while (flusher->started && !flusher->ended &&
           wb_monitor_wait(monitor_of(pipeline), deadline_us))
        continue;
    return !flusher->started || flusher->ended;
}

bool wb_flusher_wait(wb_pipeline *pipeline, int64_t deadline_us)
{
    wb_monitor_lock(monitor_of(pipeline));
    bool over = wait_locked(pipeline, deadline_us);
    wb_monitor_unlock(monitor_of(pipeline));
    return over;
}

/* Of several who wait, one joins. */
bool wb_flusher_join(wb_pipeline *pipeline, int64_t deadline_us)
{
    wb_flusher *flusher = &pipeline->flusher;
    wb_monitor_lock(monitor_of(pipeline));
    bool over = wait_locked(pipeline, deadline_us);
    bool join = over && flusher->started && !flusher->joined;
    flusher->joined = flusher->joined || join;
    wb_monitor_unlock(monitor_of(pipeline));
    if (join)
        pthread_join(flusher->thread, NULL);
    return over;
}

bool wb_flusher_gone(wb_pipeline *pipeline, int64_t deadline_us)
{
    const struct timespec nap = {.tv_nsec = 1000000};
    wb_monitor_lock(monitor_of(pipeline));
    pid_t tid = pipeline->flusher.ended ? pipeline->flusher.tid : 0;
    wb_monitor_unlock(monitor_of(pipeline));
    bool gone = tid == 0 || tgkill(getpid(), tid, 0) != 0;
    while (!gone && wb_now_us() < deadline_us) {
        nanosleep(&nap, NULL);
        gone = tgkill(getpid(), tid, 0) != 0;
    }
    return gone;
}

void wb_flusher_detach(wb_pipeline *pipeline)
{
    if (pipeline->flusher.started && !pipeline->flusher.joined)
        pthread_detach(pipeline->flusher.thread);
    pipeline->flusher.joined = true;
}
