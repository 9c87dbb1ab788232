/* SPDX-License-Identifier: MIT
 * Gates: what waits because writes failed. The common gate (wb_backlog.gate_us) holds back all there is, and behind it one
 * batch is written at a time. Where rows go to several tables each has a gate of its own, so that one that fails holds
 * up no other; and behind that, too, one batch is written at a time.
 *
 * A server that is down is not to be tried once for each of its tables. That one table fails says nothing of the others,
 * and that it goes on failing nothing at all; but where WB_GATE_TABLES of them began to fail in a row, with no stored
 * write in between, the common gate shuts as well, until one gets through.
 *
 * A table's gate is in the due times of its batches. Locked, all of these, by the outbox's lock; nothing fails. */
#ifndef WB_GATE_H
#define WB_GATE_H

#include "engine/outbox/outbox.h"

enum { WB_GATE_TABLES = 3 };

/* Does a failure shut the common gate, and is one batch written at a time? */
static inline bool wb_gate_is_common(const wb_outbox *outbox)
{
    return outbox->routes.count == 0 || outbox->lanes.newly_shut >= WB_GATE_TABLES;
}

/* A write to the table failed, or was stored. */
void wb_gate_failed(wb_outbox *outbox, uint32_t route, const wb_err *err, bool progress);
void wb_gate_succeeded(wb_outbox *outbox, uint32_t route);
/* Its rows are to wait until own_us, and where the common gate shuts, all until common_us. */
void wb_gate_shut(wb_outbox *outbox, uint32_t route, int64_t own_us, int64_t common_us);
/* Whatever failed, others may get through at that time. */
void wb_gate_open_at(wb_outbox *outbox, uint32_t route, int64_t at_us);
void wb_gate_open_all(wb_outbox *outbox);
void wb_gate_forget(wb_outbox *outbox, uint32_t route); /* the table is known no more */
/* A batch of the table was lent; the outbox has it again, whatever became of it. */
void wb_gate_lent(wb_outbox *outbox, uint32_t route);
void wb_gate_returned(wb_outbox *outbox, uint32_t route);

#endif
