/* SPDX-License-Identifier: MIT
 * Trials: what is remembered of a batch that failed, by itself and by its pieces. trial.h says what follows from it.
 * Invariant: a trial is in its list as long as a batch refers to it. Not locked: its owner's lock holds. */
#ifndef WB_TRIAL_LIST_H
#define WB_TRIAL_LIST_H

#include "rows/batch.h"

/* What is known of the rows of a batch that was refused. */
enum wb_standing {
    WB_UNTRIED, /* nothing */
    WB_NAMED,   /* a lone row that the store's error named */
    WB_DRAWN,   /* a lone row of the sample: it is written next */
    WB_SUSPECT, /* a lone row that was refused and has no verdict; not due */
    WB_BARRED,  /* the same, by a fault of the table */
    WB_TRIED,   /* each row was refused alone, though the store takes others: one write more */
    WB_WAITING, /* a group that was refused by a fault of the table; of no trial */
    WB_HELD,    /* where order matters: each row was refused alone, and the store took no other */
};

typedef struct wb_trial wb_trial;
struct wb_trial {
    wb_trial *next;
    size_t batches; /* that refer to it */
    uint32_t route;
    bool divides;     /* its batch is in pieces; before, it only counts strikes */
    bool barred;      /* the last refusal was by a fault of the table */
    bool witnessed;   /* a write to the table was stored since it began */
    bool newly;       /* by the last such write */
    bool thinned;     /* that one was the end of some part */
    bool passed;      /* one was since the last strike */
    bool misled;      /* the store named a row that it takes */
    unsigned strikes; /* failures of nobody knows what, with stored writes in between */
    unsigned names;   /* rows that the store named */
    unsigned holds;   /* so far */
    uint64_t refused; /* lone rows since a write to the table was stored, or since the last hold */
    uint64_t stored;  /* rows of its own batch */
    char why[256];    /* the last refusal */
};

/* The batch's own, begun where there is none; NULL: no memory. */
wb_trial *wb_trial_of(wb_trial **list, wb_batch *batch);
/* A piece of the batch is in the same trial, if there is any. */
void wb_trial_join(wb_batch *piece, const wb_batch *batch);
/* A reference less; the last one ends the trial. */
void wb_trial_drop(wb_trial **list, wb_trial *trial);
/* The batch is settled, or goes on alone. */
void wb_trial_leave(wb_trial **list, wb_batch *batch);

/* Is it of a trial that divides? Its pieces are not merged with others. */
static inline bool wb_trial_divides(const wb_batch *batch)
{
    return batch->trial != NULL && batch->trial->divides;
}
/* Is it not to be written before something else is known? */
static inline bool wb_trial_rests(const wb_batch *batch)
{
    return batch->standing == WB_SUSPECT || batch->standing == WB_BARRED;
}
/* Does it stand in nobody's way, where order matters? What was refused and waits is bad, or its table is. */
static inline bool wb_trial_steps_aside(const wb_batch *batch)
{
    return wb_trial_rests(batch) || batch->standing == WB_HELD || batch->standing == WB_WAITING;
}

#endif
