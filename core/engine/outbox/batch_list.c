/* SPDX-License-Identifier: MIT
 * See batch_list.h. Invariant: where the earliest due time is known it is that of a batch in the list, and none is due
 * before. What comes last goes to the end at once: nearly all do. */
#include "engine/outbox/batch_list.h"

static bool goes_before(const wb_batch *batch, const wb_batch *other)
{
    if (batch->serial != other->serial)
        return batch->serial < other->serial;
    return batch->route != other->route ? batch->route < other->route : batch->rank < other->rank;
}

void wb_batch_list_put(wb_batch_list *list, wb_batch *batch)
{
    wb_batch **link = &list->first;
    if (list->last != NULL && goes_before(list->last, batch))
        link = &list->last->next;
    while (*link != NULL && goes_before(*link, batch))
        link = &(*link)->next;
    batch->own_due_us = batch->due_us;
    batch->next = *link;
    *link = batch;
    if (batch->next == NULL)
        list->last = batch;
    if (batch->due_us < list->due_us)
        list->due_us = batch->due_us;
}

void wb_batch_list_remove(wb_batch_list *list, wb_batch *batch)
{
    wb_batch *before = NULL;
    for (wb_batch *at = list->first; at != batch; at = at->next)
        before = at;
    *(before == NULL ? &list->first : &before->next) = batch->next;
    if (list->last == batch)
        list->last = before;
    batch->next = NULL;
    if (batch->due_us <= list->due_us)
        list->due_known = false;
}

/* Most batches that wait are due at once, so the look is short. */
int64_t wb_batch_list_due_us(wb_batch_list *list)
{
    if (list->due_known)
        return list->due_us;
    list->due_us = WB_NEVER;
    list->due_known = true;
    for (const wb_batch *batch = list->first; batch != NULL && list->due_us > INT64_MIN;
         batch = batch->next) {
        if (batch->due_us < list->due_us)
            list->due_us = batch->due_us;
    }
    return list->due_us;
}

static void set_due(wb_batch_list *list, wb_batch *batch, int64_t due_us)
{
    if (batch->due_us <= list->due_us)
        list->due_known = false;
    batch->due_us = due_us;
    if (due_us < list->due_us)
        list->due_us = due_us;
}

void wb_batch_list_delay(wb_batch_list *list, wb_batch *batch, int64_t due_us)
{
    batch->own_due_us = due_us;
    set_due(list, batch, due_us);
}

void wb_batch_list_hold_back(wb_batch_list *list, wb_batch *batch, int64_t until_us)
{
    set_due(list, batch, batch->own_due_us > until_us ? batch->own_due_us : until_us);
}
