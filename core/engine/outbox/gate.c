/* SPDX-License-Identifier: MIT
 * See gate.h. Where no rows are routed a lane has no gate: the common one is all there is. */
#include "engine/outbox/gate.h"

#include "engine/outbox/coalesce.h"

#include "base/env.h"

static wb_lane *lane_of(wb_outbox *outbox, uint32_t route)
{
    return wb_lane_of(&outbox->lanes, route);
}

static void count_failures(wb_outbox *outbox, wb_lane *lane, uint64_t failures)
{
    outbox->lanes.failing += (failures > 0) - (lane->failures > 0);
    lane->failures = failures;
    outbox->backlog.troubled = outbox->routes.count > 0 && outbox->lanes.failing > 0;
}

void wb_gate_failed(wb_outbox *outbox, uint32_t route, const wb_err *err, bool progress)
{
    wb_lane *lane = lane_of(outbox, route);
    count_failures(outbox, lane, progress ? 1 : lane->failures + 1);
    if (progress)
        outbox->lanes.newly_shut = 0;
    wb_free(lane->error);
    lane->error = outbox->routes.count > 0 ? wb_strdup(err->text) : NULL;
}

void wb_gate_succeeded(wb_outbox *outbox, uint32_t route)
{
    wb_lane *lane = lane_of(outbox, route);
    outbox->lanes.newly_shut = 0;
    lane->shut = false;
    lane->gate_us = INT64_MIN;
    count_failures(outbox, lane, 0);
}

void wb_gate_shut(wb_outbox *outbox, uint32_t route, int64_t own_us, int64_t common_us)
{
    wb_lane *lane = lane_of(outbox, route);
    if (outbox->routes.count > 0) {
        outbox->lanes.newly_shut += lane->failures > 0 && !lane->shut;
        lane->shut = lane->failures > 0;
        lane->gate_us = own_us;
        lane->held_back = true;
        lane->held_us = own_us;
    }
    if (wb_gate_is_common(outbox))
        outbox->backlog.gate_us = common_us;
}

void wb_gate_open_at(wb_outbox *outbox, uint32_t route, int64_t at_us)
{
    wb_lane *lane = lane_of(outbox, route);
    if (at_us < lane->gate_us)
        lane->gate_us = at_us;
    if (at_us < outbox->backlog.gate_us)
        outbox->backlog.gate_us = at_us;
}

/* What is sealed of a table, and what gathers, is not due before. */
static void hold_back(wb_outbox *outbox, uint32_t route, int64_t due_us)
{
    for (wb_batch *batch = outbox->sealed.first; batch != NULL; batch = batch->next) {
        if (batch->route == route && batch->routed)
            wb_batch_list_hold_back(&outbox->sealed, batch, due_us);
    }
    wb_outbox_lane_changed(outbox, route);
}

void wb_gate_lent(wb_outbox *outbox, uint32_t route)
{
    wb_lane *lane = lane_of(outbox, route);
    if (outbox->routes.count == 0 || lane->failures == 0)
        return;
    lane->held_back = true;
    lane->held_us = WB_NEVER;
    hold_back(outbox, route, WB_NEVER);
}

void wb_gate_returned(wb_outbox *outbox, uint32_t route)
{
    wb_lane *lane = lane_of(outbox, route);
    if (!lane->held_back)
        return;
    lane->held_back = lane->failures > 0;
    lane->held_us = lane->gate_us;
    hold_back(outbox, route, lane->gate_us);
}

void wb_gate_open_all(wb_outbox *outbox)
{
    for (uint32_t route = 0; route <= outbox->routes.count; route++) {
        wb_lane *lane = lane_of(outbox, route);
        lane->gate_us = lane->held_us = INT64_MIN;
        if (lane->place > 0)
            wb_outbox_lane_changed(outbox, route);
    }
}

void wb_gate_forget(wb_outbox *outbox, uint32_t route)
{
    count_failures(outbox, lane_of(outbox, route), 0);
}

/* ---- after a failure ---- */

/* One draw for both delays: a lone batch waits once, not for the later of two draws. */
void wb_outbox_delay(wb_outbox *outbox, wb_batch *batch, int64_t now_us)
{
    wb_backlog *backlog = &outbox->backlog;
    double fraction = wb_backlog_fraction(backlog);
    uint64_t failures = backlog->metrics.consecutive_failures;
    uint64_t own = wb_lane_of(&outbox->lanes, batch->route)->failures;
    batch->due_us = wb_after_us(now_us, wb_backlog_delay_us(backlog, batch->attempt, fraction));
    wb_gate_shut(outbox, batch->route,
                 wb_after_us(now_us, wb_backlog_delay_us(backlog, own, fraction)),
                 wb_after_us(now_us, wb_backlog_delay_us(backlog, failures, fraction)));
}

void wb_outbox_put_back(wb_outbox *outbox, wb_batch *batch, int64_t now_us)
{
    wb_outbox_delay(outbox, batch, now_us);
    wb_batch_become(batch, WB_BATCH_SEALED);
    wb_batch_list_put(&outbox->sealed, batch);
    wb_outbox_coalesce_again(outbox, batch);
}
