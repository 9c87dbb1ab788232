/* SPDX-License-Identifier: MIT
 * The thread. Lock order: the owner's monitor, then the lifeline's; both are free while the thread delivers.
 * Invariant: `ended` is set under the lock as the thread's last use of anything but its reference. */
#include "engine/flusher.h"

#include <signal.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "base/err.h"
#include "engine/lifeline.h"

static void *run(void *argument);

void wb_flusher_init(wb_flusher *flusher, const wb_work *work, void *pipeline, wb_monitor *monitor,
                     int64_t close_timeout_us)
{
    memset(flusher, 0, sizeof *flusher);
    flusher->work = work;
    flusher->pipeline = pipeline;
    flusher->monitor = monitor;
    flusher->close_timeout_us = close_timeout_us;
    flusher->cancel.fd = -1;
}

void wb_flusher_fini(wb_flusher *flusher)
{
    wb_cancel_fini(&flusher->cancel);
}

/* The thread inherits a full mask: the process's signals stay with the threads that expect them. */
static int create_thread(wb_flusher *flusher)
{
    sigset_t all, before;
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    int error = pthread_create(&flusher->thread, NULL, run, flusher);
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    return error;
}

static int start_locked(wb_flusher *flusher)
{
    wb_cancel_init(&flusher->cancel);
    flusher->work->ref(flusher->pipeline);
    wb_lifeline_enter(flusher);
    int error = create_thread(flusher);
    flusher->started = error == 0;
    if (error != 0) {
        wb_lifeline_leave(flusher);
        wb_cancel_fini(&flusher->cancel);
        flusher->work->unref(flusher->pipeline);
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
int wb_flusher_start(wb_flusher *flusher, wb_err *err)
{
    wb_monitor_lock(flusher->monitor);
    int error = flusher->started ? 0 : start_locked(flusher);
    wb_monitor_unlock(flusher->monitor);
    return started(error, err);
}

int wb_flusher_restart(wb_flusher *flusher, wb_err *err)
{
    wb_monitor_lock(flusher->monitor);
    int error = 0;
    if (flusher->ended && !flusher->work->drained(flusher->pipeline)) {
        wb_cancel_fini(&flusher->cancel);
        flusher->ended = false;
        flusher->joined = false;
        error = start_locked(flusher);
    }
    wb_monitor_unlock(flusher->monitor);
    return started(error, err);
}

/* Sleeps until there is work; false when there never will be. */
static bool wait_for_work(wb_flusher *flusher)
{
    const wb_work *work = flusher->work;
    wb_monitor_lock(flusher->monitor);
    bool goes_on = !work->drained(flusher->pipeline) && !atomic_load(&flusher->cancel.asked);
    if (goes_on) {
        int64_t due_us = work->next_due_us(flusher->pipeline);
        if (due_us > wb_now_us())
            wb_monitor_sleep(flusher->monitor, due_us);
    }
    wb_monitor_unlock(flusher->monitor);
    return goes_on;
}

static void *run(void *argument)
{
    wb_flusher *flusher = argument;
    pthread_setname_np(pthread_self(), "writebehind");
    do
        flusher->work->deliver(flusher->pipeline, &flusher->cancel);
    while (wait_for_work(flusher));

    flusher->work->leave(flusher->pipeline);
    wb_lifeline_leave(flusher);
    wb_monitor_lock(flusher->monitor);
    flusher->tid = gettid();
    flusher->ended = true;
    wb_monitor_tell(flusher->monitor);
    wb_monitor_unlock(flusher->monitor);
    flusher->work->unref(flusher->pipeline);
    return NULL;
}

bool wb_flusher_gone(wb_flusher *flusher, int64_t deadline_us)
{
    const struct timespec nap = {.tv_nsec = 1000000};
    wb_monitor_lock(flusher->monitor);
    pid_t tid = flusher->ended ? flusher->tid : 0;
    wb_monitor_unlock(flusher->monitor);
    bool gone = tid == 0 || tgkill(getpid(), tid, 0) != 0;
    while (!gone && wb_now_us() < deadline_us) {
        nanosleep(&nap, NULL);
        gone = tgkill(getpid(), tid, 0) != 0;
    }
    return gone;
}

/* Of several who wait, one joins. */
bool wb_flusher_join(wb_flusher *flusher, int64_t deadline_us)
{
    wb_monitor_lock(flusher->monitor);
    while (flusher->started && !flusher->ended && wb_monitor_wait(flusher->monitor, deadline_us))
        continue;
    bool over = !flusher->started || flusher->ended;
    bool join = flusher->started && flusher->ended && !flusher->joined;
    flusher->joined = flusher->joined || join;
    wb_monitor_unlock(flusher->monitor);
    if (join)
        pthread_join(flusher->thread, NULL);
    return over;
}

void wb_flusher_detach(wb_flusher *flusher)
{
    if (flusher->started && !flusher->joined)
        pthread_detach(flusher->thread);
    flusher->joined = true;
}
