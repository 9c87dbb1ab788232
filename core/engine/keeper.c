/* SPDX-License-Identifier: MIT
 * See keeper.h. Who puts, settles or waits wakes it through the spool. */
#include "engine/keeper.h"

#include <signal.h>
#include <string.h>

#include "base/err.h"
#include "spool/tend.h"

#define LOOK_EVERY_US INT64_C(2000000)
#define LEAST_SYNC_US INT64_C(1000)

/* Answers when to do it next, if nothing happens before. */
static int64_t work(wb_keeper *keeper)
{
    wb_outbox *outbox = keeper->outbox;
    int64_t next_us = wb_spool_tend(outbox->spool), now_us = wb_now_us();
    wb_monitor_lock(&outbox->backlog.monitor);
    bool closing = outbox->backlog.closing;
    wb_monitor_unlock(&outbox->backlog.monitor);
    if (!closing && now_us >= keeper->look_us) {
        wb_outbox_adopt(outbox, &keeper->replay);
        keeper->look_us = wb_after_us(now_us, LOOK_EVERY_US);
    }
    while (wb_outbox_replay(outbox))
        continue;
    return closing || next_us < keeper->look_us ? next_us : keeper->look_us;
}

static void *run(void *argument)
{
    wb_keeper *keeper = argument;
    pthread_setname_np(pthread_self(), "writebehind");
    while (!atomic_load(&keeper->stops))
        wb_spool_wait(keeper->outbox->spool, work(keeper));
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
    keeper->runs = error == 0;
    if (error == 0)
        return WB_OK;
    return wb_fail_store(err, WB_RETRY, "can't start the spool's thread: %s", strerror(error));
}

/* Locked throughout, as the flusher's start. */
int wb_keeper_begin(wb_keeper *keeper, wb_err *err)
{
    wb_outbox *outbox = keeper->outbox;
    if (outbox == NULL)
        return WB_OK;
    wb_monitor_lock(&outbox->backlog.monitor);
    int code = wb_spool_open(outbox->spool, err);
    if (code == WB_OK && !keeper->clocked && !keeper->runs)
        code = start(keeper, err);
    wb_monitor_unlock(&outbox->backlog.monitor);
    return code;
}

void wb_keeper_stop(wb_keeper *keeper)
{
    if (keeper->outbox == NULL)
        return;
    wb_spool *spool = keeper->outbox->spool;
    if (keeper->runs) {
        atomic_store(&keeper->stops, true);
        wb_spool_wake(spool);
        pthread_join(keeper->thread, NULL);
        keeper->runs = false;
    }
    wb_spool_tend(spool);
}

void wb_keeper_fini(wb_keeper *keeper)
{
    wb_replay_free_pieces(&keeper->replay.keyed);
}

void wb_keeper_stand_in(wb_keeper *keeper)
{
    if (keeper->outbox != NULL && !keeper->runs)
        (void)work(keeper);
}

/* ---- its object's ---- */

int wb_keeper_init(wb_keeper *keeper, wb_outbox *outbox, const wb_batcher_options *options,
                   const char *name, wb_err *err)
{
    const wb_spool_options spool = {
        .path = options->spool_path,
        .durability = options->spool_durability,
        .sync_us = options->spool_sync_us > LEAST_SYNC_US ? options->spool_sync_us : LEAST_SYNC_US,
        .max_bytes = options->spool_max_bytes,
        .on_error = options->spool_on_error,
        .memory_bytes = options->spool_memory_bytes,
    };
    int code = wb_spool_new(&spool, "batcher", name, options->table, options->schema,
                            options->coalesce != NULL, &outbox->spool, err);
    if (code != WB_OK) {
        wb_outbox_fini(outbox);
        return code;
    }
    outbox->park_from = options->spool_memory_bytes;
    outbox->options.spool_path = outbox->spool->options.path;
    *keeper =
        (wb_keeper){.outbox = outbox, .clocked = options->clock != NULL, .look_us = INT64_MIN};
    return WB_OK;
}

static uint64_t in_memory_alone(wb_outbox *outbox)
{
    wb_monitor_lock(&outbox->backlog.monitor);
    if (outbox->backlog.metrics.pending == 0)
        outbox->unspooled = 0;
    uint64_t rows = outbox->unspooled;
    wb_monitor_unlock(&outbox->backlog.monitor);
    return rows;
}

int wb_keeper_sync(wb_keeper *keeper, int64_t deadline_us, wb_err *err)
{
    if (keeper->outbox == NULL)
        return wb_fail(err, WB_MISUSE, "sync: the batcher has no spool");
    uint64_t rows = in_memory_alone(keeper->outbox);
    if (rows > 0)
        return wb_fail(err, WB_STORE,
                       "sync: up to %llu of the pending rows are in memory alone, as the spool had "
                       "no room for them",
                       (unsigned long long)rows);
    wb_spool *spool = keeper->outbox->spool;
    return wb_spool_outlives_machine(spool) ? wb_spool_sync(spool, keeper->runs, deadline_us, err)
                                            : WB_OK; /* since they were accepted */
}
