/* SPDX-License-Identifier: MIT
 * Where a store says of each row what became of it, as bulk APIs do (wb_verdict). */
#ifndef WB_OUTBOX_VERDICT_H
#define WB_OUTBOX_VERDICT_H

#include "engine/outbox/outbox.h"

/* Locked. Settles a batch that is in no list, and whose write failed with verdicts: what is stored is counted; what is to
 * come again becomes a piece; a rejected row is dead where the store took another one, else it is on trial. Without
 * memory for that, all rows that are not stored come again. */
void wb_outbox_judge(wb_outbox *outbox, wb_batch *batch, const wb_ending *ending, int64_t now_us);

/* The same for a batch that failed as a whole and is worth another try: it waits for it, or is dead. A policy's decision
 * comes first, then the built-in rule. */
void wb_outbox_try_again(wb_outbox *outbox, wb_batch *batch, const wb_ending *ending,
                         int64_t now_us);

#endif
