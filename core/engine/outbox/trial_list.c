/* SPDX-License-Identifier: MIT
 * See trial_list.h. */
#include "engine/outbox/trial_list.h"

#include "base/env.h"

wb_trial *wb_trial_of(wb_trial **list, wb_batch *batch)
{
    if (batch->trial != NULL)
        return batch->trial;
    wb_trial *trial = wb_alloc_zeroed(sizeof *trial);
    if (trial == NULL)
        return NULL;
    trial->route = batch->route;
    trial->batches = 1;
    trial->next = *list;
    *list = trial;
    batch->trial = trial;
    return trial;
}

void wb_trial_join(wb_batch *piece, const wb_batch *batch)
{
    piece->trial = batch->trial;
    if (piece->trial != NULL)
        piece->trial->batches++;
}

void wb_trial_drop(wb_trial **list, wb_trial *trial)
{
    if (--trial->batches > 0)
        return;
    while (*list != trial)
        list = &(*list)->next;
    *list = trial->next;
    wb_free(trial);
}

void wb_trial_leave(wb_trial **list, wb_batch *batch)
{
    if (batch->trial != NULL)
        wb_trial_drop(list, batch->trial);
    batch->trial = NULL;
}
