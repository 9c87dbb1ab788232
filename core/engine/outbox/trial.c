/* SPDX-License-Identifier: MIT
 * See trial.h. Each event – a refusal, a witness, a part that is gone – changes what is known, and go_on looks what
 * follows from it. */
#include "engine/outbox/trial.h"

#include <stdio.h>

#include "base/env.h"
#include "engine/outbox/pieces.h"

enum {
    DRAW_AFTER = 4,
    SAMPLE = 16,
    MOST_SAMPLE = 256,
    STRIKES = 3,
    FAILURES = 6,
    MOST_DOUBLINGS = 20
};

/* ---- the parts of a trial ---- */

static wb_batch *next_of(wb_batch *batch, const wb_trial *trial)
{
    while (batch != NULL && batch->trial != trial)
        batch = batch->next;
    return batch;
}

/* Each part of a trial that waits; the body may take it out of the list. */
#define EACH_PART(batch, following, outbox, trial)                                                 \
    for (wb_batch *batch = next_of((outbox)->sealed.first, trial), *following; batch != NULL;      \
         batch = following)                                                                        \
        if ((following = next_of(batch->next, trial)), true)

/* The largest part that still may be divided or drawn; NULL: nothing is left but suspects. */
static wb_batch *largest_untried(wb_outbox *outbox, const wb_trial *trial)
{
    wb_batch *largest = NULL;
    EACH_PART(batch, following, outbox, trial)
    {
        if (!wb_trial_rests(batch) &&
            (largest == NULL || wb_batch_left(batch) > wb_batch_left(largest)))
            largest = batch;
    }
    return largest;
}

static bool is_drawn(wb_outbox *outbox, const wb_trial *trial)
{
    EACH_PART(batch, following, outbox, trial)
    {
        if (batch->standing == WB_DRAWN)
            return true;
    }
    return false;
}

/* Of a part that waits. */
static void set_due(wb_outbox *outbox, wb_batch *batch, int standing, int64_t due_us)
{
    batch->standing = standing;
    wb_batch_list_delay(&outbox->sealed, batch, due_us);
}

/* A part that waits is dead, of what it was refused for last. */
static void give_up(wb_outbox *outbox, wb_batch *batch, int64_t now_us)
{
    char why[sizeof batch->trial->why];
    snprintf(why, sizeof why, "%s", batch->error != NULL ? batch->error : batch->trial->why);
    wb_batch_list_remove(&outbox->sealed, batch);
    wb_outbox_give_up(outbox, batch, why, now_us);
}

/* ---- holding ---- */

/* A batch in doubt goes out again as it is: a store knows it by its id. */
static bool can_merge(const wb_batch *batch, const wb_batch *more, bool all)
{
    return more != NULL && more->trial == batch->trial && !batch->in_doubt && !more->in_doubt &&
           (all || (batch->standing == WB_BARRED && more->standing == WB_BARRED));
}

/* Parts that follow each other become one again: all, or those that the table bars. Without memory they stay apart. */
static void merge_parts(wb_outbox *outbox, const wb_trial *trial, bool all)
{
    for (wb_batch *batch = next_of(outbox->sealed.first, trial); batch != NULL;
         batch = next_of(batch->next, trial)) {
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
static uint64_t sample_rows(unsigned holds)
{
    uint64_t rows = (uint64_t)SAMPLE << (holds < MOST_DOUBLINGS ? holds : MOST_DOUBLINGS);
    return rows < MOST_SAMPLE ? rows : MOST_SAMPLE;
}

/* Where a fair sample of what there is was refused, all else waits. */
static bool is_shut(wb_outbox *outbox, int64_t now_us)
{
    if (outbox->refused < sample_rows(outbox->holds))
        return false;
    outbox->refused = 0;
    outbox->holds++;
    outbox->backlog.gate_us = delay_us(outbox, outbox->holds, now_us);
    return true;
}

/* All parts become one again and wait. */
static void hold(wb_outbox *outbox, wb_trial *trial, int64_t now_us)
{
    wb_backlog *backlog = &outbox->backlog;
    backlog->holding = true;
    trial->refused = 0;
    trial->holds++;
    if (is_shut(outbox, now_us))
        forget_witnesses(outbox, trial->route);
    merge_parts(outbox, trial, true);
    int64_t due_us = delay_us(outbox, trial->holds, now_us);
    EACH_PART(batch, following, outbox, trial)
    {
        batch->attempt = 1;
        wb_free(batch->error);
        batch->error = NULL;
        set_due(outbox, batch, WB_UNTRIED, due_us);
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
            batch->due_us < group->due_us)
            wb_batch_list_delay(&outbox->sealed, batch, group->due_us);
    }
}

static wb_batch *group_to_join(const wb_outbox *outbox, const wb_batch *batch)
{
    wb_batch *group = outbox->sealed.first;
    while (group != NULL &&
           !(group->standing == WB_WAITING && group->route == batch->route && !group->in_doubt &&
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
    set_due(outbox, batch, WB_WAITING, delay_us(outbox, holds, now_us));
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
    EACH_PART(batch, following, outbox, trial)
    {
        if (all || batch->standing == WB_BARRED)
            wait_as_group(outbox, batch, holds, now_us);
    }
}

/* ---- what follows ---- */

/* The store takes others: after a delay, in which another witness may come, the suspects are tried once more. */
static void pause_trial(wb_outbox *outbox, wb_trial *trial, int64_t now_us)
{
    int64_t due_us = delay_us(outbox, ++trial->holds, now_us);
    trial->refused = 0;
    EACH_PART(batch, following, outbox, trial)
    {
        if (batch->standing == WB_SUSPECT)
            set_due(outbox, batch, WB_TRIED, due_us);
        else if (batch->due_us < due_us)
            wb_batch_list_delay(&outbox->sealed, batch, due_us);
    }
}

static bool has_barred(wb_outbox *outbox, const wb_trial *trial)
{
    EACH_PART(batch, following, outbox, trial)
    {
        if (batch->standing == WB_BARRED)
            return true;
    }
    return false;
}

/* Nothing is left but suspects, or a sample was refused. */
static void stop_for_now(wb_outbox *outbox, wb_trial *trial, bool all_barred, int64_t now_us)
{
    if (!trial->witnessed) {
        hold(outbox, trial, now_us);
        return;
    }
    if (all_barred || has_barred(outbox, trial))
        let_wait(outbox, trial, all_barred, now_us);
    if (next_of(outbox->sealed.first, trial) != NULL)
        pause_trial(outbox, trial, now_us);
}

/* The part that begins at that row's place. */
static void appoint(wb_outbox *outbox, const wb_trial *trial, uint64_t rank, int standing)
{
    EACH_PART(batch, following, outbox, trial)
    {
        if (batch->rank != rank || wb_batch_left(batch) != 1 || batch->standing != WB_UNTRIED)
            continue;
        batch->standing = standing;
        batch->attempt = standing == WB_NAMED; /* the others come first: they may be witnesses */
        return;
    }
}

static void draw_from(wb_outbox *outbox, wb_batch *batch)
{
    size_t row = (size_t)(wb_backlog_fraction(&outbox->backlog) * (double)wb_batch_left(batch));
    uint64_t rank = batch->rank + row;
    if (wb_batch_left(batch) > 1) {
        if (batch->in_doubt)
            return;
        wb_batch_list_remove(&outbox->sealed, batch);
        if (!wb_outbox_divide(outbox, batch, wb_class_around, &row)) {
            wb_batch_list_put(&outbox->sealed, batch);
            return;
        }
    }
    appoint(outbox, batch->trial, rank, WB_DRAWN);
}

static uint64_t patience(const wb_trial *trial)
{
    if (trial->barred)
        return SAMPLE;
    uint64_t sample = sample_rows(trial->holds);
    return trial->stored > sample ? trial->stored : sample;
}

static void look(wb_outbox *outbox, wb_trial *trial, int64_t now_us)
{
    if (!trial->divides || next_of(outbox->taken.first, trial) != NULL ||
        next_of(outbox->sealed.first, trial) == NULL)
        return;
    wb_batch *largest = largest_untried(outbox, trial);
    bool sampled = trial->refused >= patience(trial);
    if (largest == NULL || sampled)
        stop_for_now(outbox, trial, sampled && trial->barred, now_us);
    else if (trial->refused >= DRAW_AFTER && !is_drawn(outbox, trial))
        draw_from(outbox, largest);
}

void wb_trial_go_on(wb_outbox *outbox, wb_trial *trial, int64_t now_us)
{
    look(outbox, trial, now_us);
    wb_trial_drop(&outbox->trials, trial);
}

/* ---- refusals ---- */

/* The row that the store named, or a half. */
static bool divide(wb_outbox *outbox, wb_batch *batch, const wb_err *err)
{
    wb_trial *trial = batch->trial;
    size_t left = wb_batch_left(batch), half = left / 2, row = err->row - 1;
    uint64_t rank = batch->rank + row;
    if (err->some_rows && err->group_column > 0)
        wb_batch_sort(batch, err->group_column - 1); /* without memory groups cost more writes */
    if (err->some_rows || err->row == 0 || err->row > left || trial->misled)
        return wb_outbox_divide(outbox, batch, wb_class_head, &half);
    wb_row_class *class_of = trial->names++ == 0 ? wb_class_but : wb_class_around;
    if (!wb_outbox_divide(outbox, batch, class_of, &row))
        return false;
    appoint(outbox, trial, rank, WB_NAMED);
    return true;
}

static void refuse_lone(wb_outbox *outbox, wb_batch *batch, const wb_err *err, int64_t now_us)
{
    wb_trial *trial = batch->trial;
    bool right_after = trial->witnessed && trial->refused == 0;
    bool was_tried = trial->witnessed && batch->standing == WB_TRIED;
    trial->refused++;
    outbox->refused++;
    batch->standing = err->some_rows ? WB_BARRED : WB_SUSPECT;
    batch->due_us = WB_NEVER;
    wb_free(batch->error);
    batch->error = wb_strdup(err->text);
    wb_batch_become(batch, WB_BATCH_SEALED);
    wb_batch_list_put(&outbox->sealed, batch);
    if (batch->standing != WB_SUSPECT || !(right_after || was_tried))
        return;
    outbox->backlog.metrics.consecutive_failures = 0; /* the row is bad, the store is well */
    give_up(outbox, batch, now_us);
}

/* A group that waits was divided before: a few rows of it show whether the table still bars it. */
static void resume_group(wb_trial *trial, wb_batch *batch)
{
    if (batch->standing != WB_WAITING)
        return;
    batch->standing = WB_UNTRIED;
    trial->holds = batch->attempt;
    trial->refused = SAMPLE - DRAW_AFTER;
}

static void refuse(wb_outbox *outbox, wb_batch *batch, const wb_err *err, int64_t now_us)
{
    wb_trial *trial = wb_trial_of(&outbox->trials, batch);
    if (trial == NULL) {
        wb_outbox_put_back(outbox, batch, now_us);
        return;
    }
    trial->batches++;
    resume_group(trial, batch);
    trial->divides = true;
    trial->barred = err->some_rows;
    snprintf(trial->why, sizeof trial->why, "%s", err->text);
    outbox->backlog.gate_us = INT64_MIN;
    if (wb_batch_left(batch) == 1)
        refuse_lone(outbox, batch, err, now_us);
    else if (!divide(outbox, batch, err))
        wb_outbox_put_back(outbox, batch, now_us);
    wb_trial_go_on(outbox, trial, now_us);
}

static bool is_puzzling(wb_outbox *outbox, wb_batch *batch)
{
    wb_trial *trial = wb_trial_of(&outbox->trials, batch);
    if (wb_trial_divides(batch) || trial == NULL)
        return false;
    trial->strikes += trial->passed;
    trial->passed = false;
    return trial->strikes < STRIKES && batch->attempt < FAILURES;
}

bool wb_trial_failed(wb_outbox *outbox, wb_batch *batch, const wb_err *err, int64_t now_us)
{
    bool refused = err->error_class == WB_REJECT;
    if (!refused && !err->some_rows && !err->unsure)
        return false;
    if (refused || err->some_rows || !is_puzzling(outbox, batch)) {
        refuse(outbox, batch, err, now_us);
        return true;
    }
    wb_outbox_put_back(outbox, batch, now_us);
    outbox->refused++;
    if (!is_shut(outbox, now_us))
        outbox->backlog.gate_us = INT64_MIN; /* others may get through */
    return true;
}

/* ---- witnesses ---- */

static void note_witness(wb_trial *trial, const wb_batch *batch, uint64_t rows)
{
    bool own = batch->trial == trial;
    trial->stored += own ? rows : 0;
    trial->misled = trial->misled || (own && batch->standing == WB_NAMED);
    /* where a row that was refused alone is stored now, the others may be, too */
    trial->newly = !trial->witnessed || (own && batch->standing == WB_TRIED);
    trial->witnessed = trial->divides;
    trial->passed = true;
    trial->refused = 0;
}

/* A part of a trial that waits, once a write to its table was stored. */
static void witness_part(wb_outbox *outbox, wb_batch *batch, int64_t now_us)
{
    bool refused = batch->standing == WB_SUSPECT || batch->standing == WB_TRIED;
    if (refused && !batch->trial->newly) {
        batch->trial->thinned = true;
        give_up(outbox, batch, now_us);
    } else if (refused) {
        set_due(outbox, batch, WB_UNTRIED, INT64_MIN);
    } else if (batch->trial->newly && batch->standing != WB_BARRED) {
        wb_batch_list_delay(&outbox->sealed, batch, INT64_MIN);
    }
}

/* What is left of them may be nothing but rows that the table bars. */
static void look_at_thinned(wb_outbox *outbox, int64_t now_us)
{
    for (wb_trial *trial = outbox->trials, *next; trial != NULL; trial = next) {
        next = trial->next;
        if (!trial->thinned)
            continue;
        trial->thinned = false;
        trial->batches++;
        wb_trial_go_on(outbox, trial, now_us);
    }
}

void wb_trial_witness(wb_outbox *outbox, const wb_batch *batch, uint64_t rows, int64_t now_us)
{
    bool groups = batch->standing == WB_WAITING;
    outbox->refused = outbox->holds = 0;
    if (outbox->trials == NULL && !groups)
        return;
    for (wb_trial *trial = outbox->trials; trial != NULL; trial = trial->next) {
        trial->newly = false;
        if (trial->route == batch->route)
            note_witness(trial, batch, rows);
    }
    for (wb_batch *other = outbox->sealed.first, *next; other != NULL; other = next) {
        next = other->next;
        if (other->route != batch->route)
            continue;
        if (wb_trial_divides(other))
            witness_part(outbox, other, now_us);
        else if (groups && other->standing == WB_WAITING)
            wb_batch_list_delay(&outbox->sealed, other, INT64_MIN);
    }
    look_at_thinned(outbox, now_us);
}

/* ---- the end ---- */

void wb_trial_end_all(wb_outbox *outbox, int64_t now_us)
{
    for (wb_batch *batch = outbox->sealed.first, *next; batch != NULL; batch = next) {
        next = batch->next;
        if (wb_trial_divides(batch) && !batch->trial->barred && batch->standing != WB_BARRED &&
            !batch->in_doubt)
            give_up(outbox, batch, now_us);
    }
}
