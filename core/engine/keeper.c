/* SPDX-License-Identifier: MIT
 * See keeper.h. Who puts, settles or waits wakes it through the spool. */
#include "engine/keeper.h"

#include <signal.h>
#include <string.h>

#include "base/err.h"
#include "spool/tend.h"

#define LOOK_EVERY_US INT64_C(2000000)

/* Answers when to do it next, if nothing happens before. */
static int64_t work(wb_keeper *keeper)
{
    int64_t next_us = wb_spool_tend(keeper->spool), now_us = wb_now_us();
    wb_monitor_lock(&keeper->backlog->monitor);
    bool closing = keeper->backlog->closing;
    wb_monitor_unlock(&keeper->backlog->monitor);
    if (!closing && now_us >= keeper->look_us) {
        keeper->class->adopt(keeper->owner);
        keeper->look_us = wb_after_us(now_us, LOOK_EVERY_US);
    }
    while (keeper->class->replay != NULL && keeper->class->replay(keeper->owner))
        next_us = wb_spool_tend(keeper->spool);
    return closing || next_us < keeper->look_us ? next_us : keeper->look_us;
}

static void *run(void *argument)
{
    wb_keeper *keeper = argument;
    pthread_setname_np(pthread_self(), "writebehind");
    while (!atomic_load(&keeper->stops))
        wb_spool_wait(keeper->spool, work(keeper));
    return NULL;
}

/* ---- the thread ---- */

static int start(wb_keeper *keeper, wb_err *err)
{
    sigset_t all, before;
    atomic_store(&keeper->stops, false);
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    int error = pthread_create(&keeper->thread, NULL, run, keeper);
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    keeper->runs = keeper->spool->tended = error == 0;
    if (error == 0)
        return WB_OK;
    return wb_fail_store(err, WB_RETRY, "can't start the spool's thread: %s", strerror(error));
}

/* Locked throughout, as the flusher's start. */
int wb_keeper_begin(wb_keeper *keeper, const char *name, wb_err *err)
{
    if (keeper->spool == NULL)
        return WB_OK;
    wb_monitor_lock(&keeper->backlog->monitor);
    int code = wb_spool_open(keeper->spool, name, err);
    if (code == WB_OK && !keeper->clocked && !keeper->runs)
        code = start(keeper, err);
    wb_monitor_unlock(&keeper->backlog->monitor);
    return code;
}

/* One stops it at a time. Answers whether there is a thread. */
static bool begin_to_stop(wb_keeper *keeper)
{
    wb_monitor *monitor = &keeper->backlog->monitor;
    wb_monitor_lock(monitor);
    while (keeper->stopping)
        wb_monitor_wait(monitor, WB_NEVER);
    keeper->stopping = true;
    bool runs = keeper->runs;
    wb_monitor_unlock(monitor);
    return runs;
}

static void end_to_stop(wb_keeper *keeper)
{
    wb_monitor *monitor = &keeper->backlog->monitor;
    wb_monitor_lock(monitor);
    keeper->stopping = false;
    wb_monitor_tell(monitor);
    wb_monitor_unlock(monitor);
}

static void join(wb_keeper *keeper)
{
    atomic_store(&keeper->stops, true);
    wb_spool_wake(keeper->spool);
    pthread_join(keeper->thread, NULL);
    wb_monitor_lock(&keeper->backlog->monitor);
    keeper->runs = keeper->spool->tended = false;
    wb_monitor_unlock(&keeper->backlog->monitor);
}

void wb_keeper_stop(wb_keeper *keeper)
{
    if (keeper->spool == NULL)
        return;
    if (begin_to_stop(keeper))
        join(keeper);
    wb_monitor_lock(&keeper->backlog->monitor);
    bool drained = wb_backlog_drained(keeper->backlog);
    wb_monitor_unlock(&keeper->backlog->monitor);
    if (drained)
        wb_spool_leave(keeper->spool);
    else
        (void)wb_spool_tend(keeper->spool);
    end_to_stop(keeper);
}

void wb_keeper_stand_in(wb_keeper *keeper)
{
    bool begun = keeper->spool != NULL && wb_spool_path(keeper->spool)[0] != '\0';
    if (begun && !keeper->runs)
        (void)work(keeper);
}

int wb_keeper_sync(wb_keeper *keeper, uint64_t unspooled, int64_t deadline_us, wb_err *err)
{
    if (keeper->spool == NULL)
        return wb_fail(err, WB_MISUSE, "sync: it has no spool");
    if (unspooled > 0)
        return wb_fail(
            err, WB_STORE,
            "sync: up to %llu of the pending %s are in memory alone, as the spool had no room for "
            "them",
            (unsigned long long)unspooled, keeper->backlog->class->unit);
    return wb_spool_outlives_machine(keeper->spool) ? wb_spool_sync(keeper->spool, deadline_us, err)
                                                    : WB_OK; /* since they were accepted */
}
