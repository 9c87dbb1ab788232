/* SPDX-License-Identifier: MIT
 * Rows of one key are one while they wait (wb_batcher_options.coalesce). A row that comes is merged into that of its key,
 * wherever it waits, open or sealed; what is taken is no longer there, so the next row of its key is a new one. A batch
 * that failed, and whose fate is known, joins those that wait again: what came meanwhile is merged into its rows, so that
 * an outage holds each key once. One in doubt stays apart until it is settled, and what a trial is about for as long as it
 * is.
 *
 * What it costs to be wrong is a row too many: rows that have to stay two (a sum that is out of its range, no memory) are
 * written as two. A row that comes is refused in the first case instead. */
#ifndef WB_COALESCE_H
#define WB_COALESCE_H

#include "engine/outbox/outbox.h"

/* A row that comes. */
typedef struct wb_coming {
    uint32_t where; /* its table */
    uint32_t hash;  /* of its key; 0: it stays as it is */
    bool merged;    /* it is part of another one now */
    bool grows;     /* it is not, as that row would grow by `weight`, for which there is no room */
    size_t weight;
} wb_coming;

/* Locked, all but the last. Merges the row into that of its key, where one waits. WB_INVALID names the column whose sum
 * would be out of its range. */
int wb_outbox_coalesce(wb_outbox *outbox, const wb_tuple *tuple, uint32_t route, wb_coming *coming,
                       wb_err *err);
/* The row is the last of that open batch now. */
void wb_outbox_coalesce_came(wb_outbox *outbox, wb_batch *open, const wb_coming *coming);
/* The same of a row of a batch that is taken, which goes where it gathers. True: it was merged. */
bool wb_outbox_coalesce_taken(wb_outbox *outbox, const wb_batch *batch, size_t index,
                              uint32_t route, wb_coming *coming);
/* A batch waits again. */
void wb_outbox_coalesce_again(wb_outbox *outbox, wb_batch *batch);
/* Unlocked. Batches that wait again join the others, some hundred rows at a time. */
void wb_outbox_coalesce_join(wb_outbox *outbox);

#endif
