/* SPDX-License-Identifier: MIT
 * See trial.h. Each event – a refusal, a witness, a part that is gone – changes what is known, and go_on looks what
 * follows from it. */
#include "engine/outbox/trial.h"

#include <stdio.h>

#include "base/env.h"
#include "engine/outbox/gate.h"
#include "engine/outbox/hold.h"
#include "engine/outbox/pieces.h"

enum { DRAW_AFTER = 4, STRIKES = 3, FAILURES = 6, LONG_ROWS = 256 };

/* The largest part that still may be divided or drawn; NULL: nothing is left but suspects. */
static wb_batch *largest_untried(wb_outbox *outbox, const wb_trial *trial)
{
    wb_batch *largest = NULL;
    WB_EACH_PART(batch, following, outbox, trial)
    {
        if (!wb_trial_rests(batch) &&
            (largest == NULL || wb_batch_left(batch) > wb_batch_left(largest)))
            largest = batch;
    }
    return largest;
}

static bool is_drawn(wb_outbox *outbox, const wb_trial *trial)
{
    WB_EACH_PART(batch, following, outbox, trial)
    {
        if (batch->standing == WB_DRAWN)
            return true;
    }
    return false;
}

/* A part that waits is dead, of what it was refused for last. */
static void give_up(wb_outbox *outbox, wb_batch *batch, int64_t now_us)
{
    char why[sizeof batch->trial->why];
    snprintf(why, sizeof why, "%s", batch->error != NULL ? batch->error : batch->trial->why);
    wb_batch_list_remove(&outbox->sealed, batch);
    wb_outbox_give_up(outbox, batch, why, now_us);
}

/* ---- what follows ---- */

/* The part that begins at that row's place. */
static void appoint(wb_outbox *outbox, const wb_trial *trial, uint64_t rank, int standing)
{
    WB_EACH_PART(batch, following, outbox, trial)
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
        int64_t own_due_us = batch->own_due_us;
        wb_batch_list_remove(&outbox->sealed, batch);
        if (!wb_outbox_divide(outbox, batch, wb_class_around, &row)) {
            wb_batch_list_put(&outbox->sealed, batch);
            batch->own_due_us = own_due_us; /* its gate may hold it back */
            return;
        }
    }
    appoint(outbox, batch->trial, rank, WB_DRAWN);
}

static void look(wb_outbox *outbox, wb_trial *trial, int64_t now_us)
{
    if (!trial->divides || wb_trial_part(outbox->taken.first, trial) != NULL ||
        wb_trial_part(outbox->sealed.first, trial) == NULL)
        return;
    wb_batch *largest = largest_untried(outbox, trial);
    bool sampled = trial->refused >= wb_trial_patience(outbox, trial);
    if (largest == NULL || sampled)
        wb_trial_stop(outbox, trial, sampled && trial->barred, now_us);
    else if (trial->refused >= DRAW_AFTER && !outbox->ordered && !is_drawn(outbox, trial))
        draw_from(outbox, largest);
}

void wb_trial_go_on(wb_outbox *outbox, wb_trial *trial, int64_t now_us)
{
    look(outbox, trial, now_us);
    wb_trial_drop(&outbox->trials, trial);
}

/* ---- refusals ---- */

/* Mostly it is the only bad one: then the others go out together. Where it is not, the store took what is before it, as
 * far as it came. Of what follows it has seen nothing: a long rest is halved, since all of it is sent for each row that
 * is named. */
static bool divide_by_name(wb_outbox *outbox, wb_batch *batch, size_t row)
{
    wb_trial *trial = batch->trial;
    size_t left = wb_batch_left(batch), rest = left - row - 1;
    uint64_t rank = batch->rank + row;
    wb_around around = {.row = row, .far = rest > LONG_ROWS ? row + 1 + rest / 2 : left};
    bool done = trial->names++ == 0 ? wb_outbox_divide(outbox, batch, wb_class_but, &row)
                                    : wb_outbox_divide(outbox, batch, wb_class_around_far, &around);
    if (done)
        appoint(outbox, trial, rank, WB_NAMED);
    return done;
}

/* The row that the store named, or a half. */
static bool divide(wb_outbox *outbox, wb_batch *batch, const wb_err *err)
{
    size_t left = wb_batch_left(batch), half = left / 2;
    if (err->some_rows && err->group_column > 0)
        wb_batch_sort(batch, err->group_column - 1); /* without memory groups cost more writes */
    bool named = err->row > 0 && err->row <= left && !batch->trial->misled;
    if (err->some_rows || !named || outbox->ordered)
        return wb_outbox_divide(outbox, batch, wb_class_head, &half);
    return divide_by_name(outbox, batch, err->row - 1);
}

static void refuse_lone(wb_outbox *outbox, wb_batch *batch, const wb_err *err, int64_t now_us)
{
    wb_trial *trial = batch->trial;
    bool right_after = trial->witnessed && trial->refused == 0;
    bool was_tried = trial->witnessed && batch->standing == WB_TRIED;
    trial->refused++;
    wb_lane_of(&outbox->lanes, batch->route)->refused++;
    batch->standing = err->some_rows ? WB_BARRED : WB_SUSPECT;
    batch->due_us = WB_NEVER;
    wb_free(batch->error);
    batch->error = wb_strdup(err->text);
    wb_batch_become(batch, WB_BATCH_SEALED);
    wb_batch_list_put(&outbox->sealed, batch);
    if (batch->standing != WB_SUSPECT || !(right_after || was_tried))
        return;
    outbox->backlog.metrics.consecutive_failures = 0; /* the row is bad, the store is well */
    wb_gate_succeeded(outbox, batch->route);
    give_up(outbox, batch, now_us);
}

static void begin_dividing(wb_trial *trial, const wb_err *err)
{
    trial->divides = true;
    trial->barred = err->some_rows;
    snprintf(trial->why, sizeof trial->why, "%s", err->text);
}

void wb_trial_refused_alone(wb_outbox *outbox, wb_batch *row, const wb_err *err, int64_t now_us)
{
    begin_dividing(row->trial, err);
    refuse_lone(outbox, row, err, now_us);
}

/* A group that waits was divided before: a few rows of it show whether the table still bars it. */
static void resume_group(wb_trial *trial, wb_batch *batch)
{
    if (batch->standing != WB_WAITING)
        return;
    batch->standing = WB_UNTRIED;
    trial->holds = batch->attempt;
    trial->refused = WB_SAMPLE - DRAW_AFTER;
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
    begin_dividing(trial, err);
    wb_gate_open_at(outbox, batch->route, INT64_MIN);
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
    wb_lane_of(&outbox->lanes, batch->route)->refused++;
    if (!wb_trial_shut_gate(outbox, batch->route, now_us))
        wb_gate_open_at(outbox, batch->route, INT64_MIN); /* others may get through */
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
        wb_trial_set_due(outbox, batch, WB_UNTRIED, INT64_MIN);
    } else if (batch->trial->newly && batch->standing != WB_BARRED) {
        bool held = batch->standing == WB_HELD;
        wb_trial_set_due(outbox, batch, held ? WB_UNTRIED : batch->standing, INT64_MIN);
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
    wb_lane *lane = wb_lane_of(&outbox->lanes, batch->route);
    lane->refused = lane->holds = 0;
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
