/* SPDX-License-Identifier: MIT
 * What waits of a trial, and for what. Where the store took nothing of the table all parts become one batch again, which
 * is held. Where it did, suspects wait for another witness; and rows that the table bars leave the trial, as groups
 * that wait for the table. All locked, by the outbox's lock; nothing fails: without memory parts stay apart. */
#ifndef WB_HOLD_H
#define WB_HOLD_H

#include "engine/outbox/outbox.h"

enum { WB_SAMPLE = 16 }; /* lone rows refused in a row, before the first hold */

/* The first part of a trial at or after that place in a list; NULL: there is none. */
static inline wb_batch *wb_trial_part(wb_batch *batch, const wb_trial *trial)
{
    while (batch != NULL && batch->trial != trial)
        batch = batch->next;
    return batch;
}

/* Each part of a trial that waits; the body may take it out of the list. */
#define WB_EACH_PART(batch, following, outbox, trial)                                              \
    for (wb_batch *batch = wb_trial_part((outbox)->sealed.first, trial), *following;               \
         batch != NULL; batch = following)                                                         \
        if ((following = wb_trial_part(batch->next, trial)), true)

/* Of a part that waits. standing: enum wb_standing. */
static inline void wb_trial_set_due(wb_outbox *outbox, wb_batch *batch, int standing,
                                    int64_t due_us)
{
    batch->standing = standing;
    wb_batch_list_delay(&outbox->sealed, batch, due_us);
}

/* Lone rows that may be refused in a row before the trial stops. */
uint64_t wb_trial_patience(const wb_outbox *outbox, const wb_trial *trial);
/* Where a fair sample of all that a table has was refused, all else of it waits; false: others may get through. */
bool wb_trial_shut_gate(wb_outbox *outbox, uint32_t route, int64_t now_us);
/* Nothing is left but suspects, or a sample was refused; all_barred: of a fault of the table. */
void wb_trial_stop(wb_outbox *outbox, wb_trial *trial, bool all_barred, int64_t now_us);

#endif
