/* SPDX-License-Identifier: MIT
 * See hold.h. */
#include "engine/outbox/gate.h"
#include "engine/outbox/hold.h"

#include "base/env.h"

enum { MOST_SAMPLE = 256, MOST_DOUBLINGS = 20 };

/* ---- merging ---- */

/* A batch in doubt goes out again as it is: a store knows it by its id. */
static bool can_merge(const wb_batch *batch, const wb_batch *more, bool all)
{
    return more != NULL && more->trial == batch->trial && !batch->in_doubt && !more->in_doubt &&
           (all || (batch->standing == WB_BARRED && more->standing == WB_BARRED));
}

/* Parts that follow each other become one again: all, or those that the table bars. Without memory they stay apart. */
static void merge_parts(wb_outbox *outbox, const wb_trial *trial, bool all)
{
    for (wb_batch *batch = wb_trial_part(outbox->sealed.first, trial); batch != NULL;
         batch = wb_trial_part(batch->next, trial)) {
        bool grown = false;
        wb_batch *more = batch->next;
        while (can_merge(batch, more, all) && wb_batch_merge(batch, more)) {
            wb_batch_list_remove(&outbox->sealed, more);
            wb_outbox_settle(outbox, more);
            more = batch->next;
            grown = true;
        }
        if (grown)
            wb_outbox_new_id(outbox, batch);
    }
}

/* ---- holding ---- */

static int64_t delay_us(wb_outbox *outbox, uint64_t failures, int64_t now_us)
{
    wb_backlog *backlog = &outbox->backlog;
    return wb_after_us(now_us,
                       wb_backlog_delay_us(backlog, failures, wb_backlog_fraction(backlog)));
}

/* The store takes nothing of the table: what it refuses elsewhere is no row's fault either. */
static void forget_witnesses(wb_outbox *outbox, uint32_t route)
{
    for (wb_trial *trial = outbox->trials; trial != NULL; trial = trial->next) {
        if (trial->route == route)
            trial->witnessed = false;
    }
}

/* After so many holds in a row. */
static uint64_t doubled_rows(unsigned holds)
{
    return (uint64_t)WB_SAMPLE << (holds < MOST_DOUBLINGS ? holds : MOST_DOUBLINGS);
}

static uint64_t sample_rows(unsigned holds)
{
    uint64_t rows = doubled_rows(holds);
    return rows < MOST_SAMPLE ? rows : MOST_SAMPLE;
}

/* In strict order it is no fair sample: behind any number of bad rows there may be good ones, which can't be drawn. */
uint64_t wb_trial_patience(const wb_outbox *outbox, const wb_trial *trial)
{
    if (trial->barred)
        return WB_SAMPLE;
    uint64_t sample = outbox->ordered ? doubled_rows(trial->holds) : sample_rows(trial->holds);
    return trial->stored > sample ? trial->stored : sample;
}

/* Where a fair sample of what a table has was refused, all else of it waits. */
bool wb_trial_shut_gate(wb_outbox *outbox, uint32_t route, int64_t now_us)
{
    wb_lane *lane = wb_lane_of(&outbox->lanes, route);
    if (lane->refused < sample_rows(lane->holds))
        return false;
    lane->refused = 0;
    lane->holds++;
    int64_t until_us = delay_us(outbox, lane->holds, now_us);
    wb_gate_shut(outbox, route, until_us, until_us);
    return true;
}

static bool is_refused_whole(wb_outbox *outbox, const wb_trial *trial)
{
    WB_EACH_PART(batch, following, outbox, trial)
    {
        if (!wb_trial_rests(batch))
            return false;
    }
    return true;
}

/* All parts become one again and wait. Where order matters, what was never tried alone holds up its table; the rest does
 * not, or one bad row would for ever: no other could be its witness. */
static void hold(wb_outbox *outbox, wb_trial *trial, int64_t now_us)
{
    wb_backlog *backlog = &outbox->backlog;
    backlog->holding = true;
    trial->refused = 0;
    trial->holds++;
    if (wb_trial_shut_gate(outbox, trial->route, now_us))
        forget_witnesses(outbox, trial->route);
    bool aside = outbox->ordered && is_refused_whole(outbox, trial);
    merge_parts(outbox, trial, true);
    int64_t due_us = delay_us(outbox, trial->holds, now_us);
    WB_EACH_PART(batch, following, outbox, trial)
    {
        batch->attempt = 1;
        wb_free(batch->error);
        batch->error = NULL;
        wb_trial_set_due(outbox, batch, aside ? WB_HELD : WB_UNTRIED, due_us);
    }
    wb_log_line(backlog->log, WB_TOPIC_HOLD, WB_ERROR, now_us, backlog->metrics.pending,
                "the store rejects every row it is given, holding %llu: %s",
                (unsigned long long)backlog->metrics.pending, trial->why);
}

/* ---- groups ---- */

/* Groups of one table wait for one another: one is tried at a time, and joined by what else is refused. */
static void wait_together(wb_outbox *outbox, const wb_batch *group)
{
    for (wb_batch *batch = outbox->sealed.first; batch != NULL; batch = batch->next) {
        if (batch != group && batch->standing == WB_WAITING && batch->route == group->route &&
            batch->own_due_us < group->own_due_us)
            wb_batch_list_delay(&outbox->sealed, batch, group->own_due_us);
    }
}

/* No younger one: a flush waits for the rows by their serial. */
static wb_batch *group_to_join(const wb_outbox *outbox, const wb_batch *batch)
{
    wb_batch *group = outbox->sealed.first;
    while (group != NULL &&
           !(group->standing == WB_WAITING && group->route == batch->route && !group->in_doubt &&
             group->serial <= batch->serial &&
             wb_batch_left(group) + wb_batch_left(batch) <= outbox->most_write_rows &&
             group->bytes + batch->bytes <= outbox->thresholds.batch_bytes))
        group = group->next;
    return batch->in_doubt ? NULL : group;
}

/* The rows leave the trial: they may be tried again at any time, and wait for the table alone. */
static void wait_as_group(wb_outbox *outbox, wb_batch *batch, unsigned holds, int64_t now_us)
{
    wb_trial_leave(&outbox->trials, batch);
    wb_batch *group = group_to_join(outbox, batch);
    if (group != NULL && wb_batch_merge(group, batch)) {
        wb_outbox_new_id(outbox, group);
        wb_batch_list_remove(&outbox->sealed, batch);
        wb_outbox_settle(outbox, batch);
        return;
    }
    batch->attempt = holds;
    wb_trial_set_due(outbox, batch, WB_WAITING, delay_us(outbox, holds, now_us));
    wait_together(outbox, batch);
}

/* The parts that the table refused, or all, leave as groups. */
static void let_wait(wb_outbox *outbox, wb_trial *trial, bool all, int64_t now_us)
{
    unsigned holds = ++trial->holds;
    merge_parts(outbox, trial, all);
    trial->refused = 0;
    wb_log_line(outbox->backlog.log, WB_TOPIC_HOLD, WB_ERROR, now_us,
                outbox->backlog.metrics.pending,
                "the table refuses some rows, they wait and the others go on: %s", trial->why);
    WB_EACH_PART(batch, following, outbox, trial)
    {
        if (all || batch->standing == WB_BARRED)
            wait_as_group(outbox, batch, holds, now_us);
    }
}

/* ---- pausing ---- */

/* The store takes others: after a delay, in which another witness may come, the suspects are tried once more. The delay
 * does not grow: each time some are judged. */
static void pause_trial(wb_outbox *outbox, wb_trial *trial, int64_t now_us)
{
    int64_t due_us = delay_us(outbox, 1, now_us);
    trial->holds++;
    trial->refused = 0;
    WB_EACH_PART(batch, following, outbox, trial)
    {
        if (batch->standing == WB_SUSPECT)
            wb_trial_set_due(outbox, batch, WB_TRIED, due_us);
        else if (batch->own_due_us < due_us)
            wb_batch_list_delay(&outbox->sealed, batch, due_us);
    }
}

static bool has_barred(wb_outbox *outbox, const wb_trial *trial)
{
    WB_EACH_PART(batch, following, outbox, trial)
    {
        if (batch->standing == WB_BARRED)
            return true;
    }
    return false;
}

void wb_trial_stop(wb_outbox *outbox, wb_trial *trial, bool all_barred, int64_t now_us)
{
    if (!trial->witnessed) {
        hold(outbox, trial, now_us);
        return;
    }
    if (all_barred || has_barred(outbox, trial))
        let_wait(outbox, trial, all_barred, now_us);
    if (wb_trial_part(outbox->sealed.first, trial) != NULL)
        pause_trial(outbox, trial, now_us);
}
