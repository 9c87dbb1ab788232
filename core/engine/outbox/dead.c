/* SPDX-License-Identifier: MIT
 * Giving rows up. Dead rows are settled; where somebody wants to see them, they wait in a list that is
 * bounded by max_pending_rows and forgets its oldest, with a log line. See outbox.h for the invariants. */
#include "engine/outbox/outbox.h"

#include <stdio.h>

#include "base/env.h"
#include "engine/outbox/replay.h"
#include "engine/outbox/spooled.h"
#include "rows/divide.h"

/* Dead rows that nobody will see. */
static void forget(wb_outbox *outbox, wb_batch *batch, int64_t now_us)
{
    wb_log_line(outbox->backlog.log, WB_TOPIC_LOST, WB_ERROR, now_us, wb_batch_left(batch),
                "%zu dead rows are forgotten before they were read", wb_batch_left(batch));
    wb_outbox_spool_settle_all(outbox, batch);
    wb_batch_free(batch);
}

static wb_batch *pop(wb_outbox *outbox)
{
    wb_batch *batch = outbox->dead;
    if (batch != NULL) {
        outbox->dead = batch->next;
        batch->next = NULL;
        outbox->dead_rows -= wb_batch_left(batch);
    }
    return batch;
}

static void forget_oldest(wb_outbox *outbox, int64_t now_us)
{
    while (outbox->dead_rows > outbox->max_rows && outbox->dead->next != NULL)
        forget(outbox, pop(outbox), now_us);
}

static void keep(wb_outbox *outbox, wb_batch *batch, const char *why, int64_t now_us)
{
    wb_free(batch->error);
    batch->error = wb_strdup(why);
    outbox->dead_rows += wb_batch_left(batch);
    wb_batch **link = &outbox->dead;
    while (*link != NULL)
        link = &(*link)->next;
    *link = batch;
    forget_oldest(outbox, now_us);
}

void wb_outbox_dead_again(wb_outbox *outbox, wb_batch *batch)
{
    wb_monitor_lock(&outbox->backlog.monitor);
    outbox->dead_rows += wb_batch_left(batch);
    batch->next = outbox->dead;
    outbox->dead = batch;
    forget_oldest(outbox, wb_backlog_now_us(&outbox->backlog));
    wb_backlog_changed(&outbox->backlog);
    wb_monitor_unlock(&outbox->backlog.monitor);
}

void wb_outbox_give_up(wb_outbox *outbox, wb_batch *batch, const char *why, int64_t now_us)
{
    size_t rows = wb_batch_live(batch);
    outbox->backlog.metrics.dead += wb_outbox_count_out(outbox, batch);
    wb_log_line(outbox->backlog.log, WB_TOPIC_DEAD, WB_ERROR, now_us, rows,
                "gave up %zu rows after %u attempts: %s", rows, (unsigned)batch->attempt, why);
    wb_batch_become(batch, WB_BATCH_SETTLED);
    wb_trial_leave(&outbox->trials, batch);
    wb_outbox_uncoalesce(outbox, batch);
    if (outbox->keep_dead) {
        keep(outbox, batch, why, now_us);
        return;
    }
    wb_outbox_spool_settle_all(outbox, batch);
    wb_outbox_pool(outbox, batch);
}

/* What was refused alone is dead of its own error. */
static void tell_reason(const wb_batch *batch, const char *why, char *text, size_t bytes)
{
    const char *doubt = batch->in_doubt ? "may be stored, the answer to its write was lost: " : "";
    snprintf(text, bytes, "%s%s", doubt, batch->error != NULL ? batch->error : why);
}

static void give_up_one(wb_outbox *outbox, wb_batch *batch, const char *why, int64_t now_us)
{
    char reason[512];
    tell_reason(batch, why, reason, sizeof reason);
    wb_outbox_give_up(outbox, batch, reason, now_us);
}

/* A trial that loses all parts that wait goes on with the one that is taken, if there is one. */
static void drop_one(wb_outbox *outbox, wb_batch *batch, const char *why, int64_t now_us)
{
    (void)why, (void)now_us;
    outbox->backlog.metrics.dropped += wb_outbox_count_out(outbox, batch);
    wb_outbox_spool_settle_all(outbox, batch);
    wb_outbox_settle(outbox, batch);
}

/* Locked. All batches that nobody has taken meet one end. A thread that was to deliver them looks what is left. Answers how
 * many adds they were. */
static uint64_t end_all(wb_outbox *outbox, const char *why, int64_t now_us,
                        void (*end_one)(wb_outbox *, wb_batch *, const char *, int64_t))
{
    uint64_t before = outbox->backlog.metrics.pending;
    wb_outbox_seal_all(outbox, WB_REASON_CLOSE);
    while (outbox->sealed.first != NULL) {
        wb_batch *batch = outbox->sealed.first;
        wb_batch_list_remove(&outbox->sealed, batch);
        end_one(outbox, batch, why, now_us);
    }
    wb_outbox_look_for_room(outbox);
    wb_monitor_wake_by(&outbox->backlog.monitor, WB_NOW);
    wb_backlog_ended(&outbox->backlog);
    return before - outbox->backlog.metrics.pending;
}

static void unlock(wb_outbox *outbox)
{
    wb_batch *rubbish = wb_pool_rubbish(&outbox->pool);
    wb_monitor_unlock(&outbox->backlog.monitor);
    wb_batch_free_list(rubbish);
    wb_log_print(outbox->backlog.log);
}

/* What is parked comes into memory for its end, a segment at a time. What could not be read stays. */
static uint64_t end_parked_too(wb_outbox *outbox, const char *why,
                               void (*end_one)(wb_outbox *, wb_batch *, const char *, int64_t))
{
    bool parked = false, read = true;
    uint64_t ticket = UINT64_MAX, ended = 0;
    do {
        read = !parked || wb_outbox_replay(outbox);
        wb_monitor_lock(&outbox->backlog.monitor);
        ended += end_all(outbox, why, wb_backlog_now_us(&outbox->backlog), end_one);
        ticket = outbox->serial < ticket ? outbox->serial : ticket;
        parked = wb_outbox_first_parked(outbox, ticket) != NULL;
        unlock(outbox);
    } while (parked && read);
    return ended;
}

void wb_outbox_give_up_all(wb_outbox *outbox, const char *why)
{
    (void)end_parked_too(outbox, why, give_up_one);
}

uint64_t wb_outbox_purge(wb_outbox *outbox)
{
    uint64_t dropped = end_parked_too(outbox, NULL, drop_one);
    wb_monitor_lock(&outbox->backlog.monitor);
    if (dropped > 0)
        wb_log_line(outbox->backlog.log, WB_TOPIC_DROP, WB_WARN,
                    wb_backlog_now_us(&outbox->backlog), dropped,
                    "purged: dropped all %llu rows that waited", (unsigned long long)dropped);
    wb_backlog_changed(&outbox->backlog);
    unlock(outbox);
    return dropped;
}

wb_batch *wb_outbox_next_dead(wb_outbox *outbox)
{
    wb_monitor_lock(&outbox->backlog.monitor);
    wb_batch *batch = pop(outbox);
    wb_backlog_changed(&outbox->backlog);
    wb_monitor_unlock(&outbox->backlog.monitor);
    if (batch == NULL || !wb_batch_is_scattered(batch))
        return batch;
    wb_batch *tidied = wb_batch_tidied(batch);
    if (tidied == NULL) {
        wb_outbox_dead_again(outbox, batch);
        return NULL;
    }
    wb_batch_swap_rows(batch, tidied);
    wb_batch_free(tidied);
    return batch;
}
