/* SPDX-License-Identifier: MIT
 * What an outbox has in its spool (spool/spool.h): every row that it accepts, from then until it is settled. Where the memory
 * has no room for another row, rows are parked: they are in the spool alone, and come into batches as those do that another
 * process left (replay.h). From the first parked row on all that come are, so that they stay in their order, until none
 * is. Without a spool all of this does nothing. */
#ifndef WB_SPOOLED_H
#define WB_SPOOLED_H

#include "engine/outbox/outbox.h"

/* ---- a row that comes; locked ---- */

/* Makes room in the spool. *spools: the row goes there; else it is in memory alone, where the options say so. */
int wb_outbox_spool_reserve(wb_outbox *outbox, size_t bytes, uint32_t route, bool *spools,
                            wb_err *err);
/* What an add became. */
static inline wb_spool_row wb_outbox_new_row(const wb_outbox *outbox, const uint8_t *tuple,
                                             size_t bytes, uint32_t route, int64_t now_us)
{
    return (wb_spool_row){
        .tuple = tuple,
        .bytes = bytes,
        .route = route,
        .routed = route > 0 || outbox->script_client.policy == NULL,
        .unix_us = now_us + outbox->unix_skew,
        .adds = 1,
    };
}
/* Puts a tuple for which room was made: what an add became, or several, in the place of those rows; its table is that of its
 * route. Answers its number. */
uint32_t wb_outbox_spool_tuple(wb_outbox *outbox, wb_spool_row *row);
/* Has the memory no room for it? */
static inline bool wb_outbox_parks(const wb_outbox *outbox, size_t weight)
{
    return outbox->backlog.metrics.pending_bytes + weight > outbox->park_from;
}
int wb_outbox_park(wb_outbox *outbox, const wb_tuple *tuple, uint32_t route, int64_t now_us,
                   wb_err *err);
/* The oldest segment with parked rows, where this ticket stands for them; NULL: there is none. */
wb_spool_file *wb_outbox_first_parked(const wb_outbox *outbox, uint64_t ticket);

/* ---- a batch; who has it ---- */

/* A write of the batch begins. False: its rows could not be marked, *err says why, and it must not begin. */
bool wb_outbox_spool_cover(wb_outbox *outbox, const wb_batch *batch, wb_err *err);
/* A write ended so. */
void wb_outbox_spool_ended(wb_outbox *outbox, const wb_batch *batch, const wb_ending *ending);
/* Rows of those that are left, from `first` on, are settled in another way: dropped or dead. */
void wb_outbox_spool_settle(wb_outbox *outbox, const wb_batch *batch, size_t first, size_t rows);
static inline void wb_outbox_spool_settle_all(wb_outbox *outbox, const wb_batch *batch)
{
    wb_outbox_spool_settle(outbox, batch, 0, wb_batch_left(batch));
}

#endif
