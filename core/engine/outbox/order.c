/* SPDX-License-Identifier: MIT
 * See order.h. A lane remembers the walk in which a batch of its table was met first. */
#include "engine/outbox/order.h"

void wb_order_begin(wb_outbox *outbox)
{
    if (!outbox->ordered)
        return;
    outbox->walk++;
    for (const wb_batch *batch = outbox->taken.first; batch != NULL; batch = batch->next)
        wb_lane_of(&outbox->lanes, batch->route)->walk = outbox->walk;
}

bool wb_order_lets(wb_outbox *outbox, const wb_batch *batch)
{
    if (!outbox->ordered)
        return true;
    wb_lane *lane = wb_lane_of(&outbox->lanes, batch->route);
    if (wb_trial_rests(batch) || lane->walk == outbox->walk)
        return false;
    if (!wb_trial_steps_aside(batch))
        lane->walk = outbox->walk;
    return true;
}

int64_t wb_order_due_us(wb_outbox *outbox)
{
    int64_t due_us = WB_NEVER;
    if (!outbox->ordered)
        return wb_batch_list_due_us(&outbox->sealed);
    wb_order_begin(outbox);
    for (const wb_batch *batch = outbox->sealed.first; batch != NULL; batch = batch->next) {
        if (wb_order_lets(outbox, batch) && batch->due_us < due_us)
            due_us = batch->due_us;
        if (outbox->routes.count == 0 && !wb_trial_steps_aside(batch))
            break; /* the others are behind it */
    }
    return due_us;
}
