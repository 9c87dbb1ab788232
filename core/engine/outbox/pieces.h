/* SPDX-License-Identifier: MIT
 * Dividing a batch of the outbox, whatever for: wb_batch_divide, and what follows from it for ids and lists.
 *
 * The law: every part has a new id, the rest of the batch too, since a store knows a batch by its id. So a batch whose
 * fate is unknown is never divided: it goes out again with the same id and bytes until the store has answered.
 * Parts keep the order of their rows, and the place of their batch in the lists. */
#ifndef WB_PIECES_H
#define WB_PIECES_H

#include "engine/outbox/outbox.h"
#include "rows/divide.h"

/* Classes of rows. */
wb_row_class wb_class_route; /* of the row; context: NULL */
wb_row_class
    wb_class_head; /* 0 for the first rows, 1 for the others; context: size_t, how many are first */
wb_row_class wb_class_around; /* 0 before a row, 1 for it, 2 after it; context: size_t, which */
wb_row_class wb_class_but;    /* 1 for a row, 0 for all others; context: size_t, which */
/* As around a row, but from row `far` on it is 3; context: wb_around. */
typedef struct wb_around {
    size_t row, far;
} wb_around;
wb_row_class wb_class_around_far;

/* Divides a batch that is in no list and known not to be in. Its parts are sealed, due and untried, and in the outbox's
 * list. False: no memory, nothing is changed. */
bool wb_outbox_divide(wb_outbox *outbox, wb_batch *batch, wb_row_class *class_of,
                      const void *context);
/* Unlocked. Divides a taken batch: the part that has the first row stays taken, as the same attempt, the others are
 * sealed, due and untried. NULL: no memory, nothing is changed. */
wb_batch *wb_outbox_divide_taken(wb_outbox *outbox, wb_batch *batch, wb_row_class *class_of,
                                 const void *context);

#endif
