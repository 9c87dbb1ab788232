/* SPDX-License-Identifier: MIT
 * What becomes of a batch that the store refuses. No single error decides it, but what adds up: a batch is divided,
 * its pieces are written on their own, and a verdict stands between writes that the store took and writes that it
 * did not.
 *
 * A trial is of one batch. It begins with its first failure that may be some row's fault, and ends with the last of its
 * rows. The store is known to take rows of the table once a write to it was stored since then (`witnessed`): of this
 * batch or of any other.
 *   - A lone row that is refused right after such a write is bad, and dead. One that is refused later, or before any
 *     such write, is a suspect. The first such write has the suspects tried again; one after that is the end of those
 *     that were refused in between. So a row is dead only where the store took others before it and after it, or
 *     right before it.
 *   - Where all that is left are suspects, each is tried once more after a delay, and is dead if it is refused
 *     again. Without a witness they are held instead: alarm, backoff, and another trial.
 *   - After DRAW_AFTER lone rows refused in a row, the next ones are drawn, each from what is largest: a fair sample.
 *     Where the store takes none of it, all is held, and the next sample is twice as large: SAMPLE rows, up to
 *     MOST_SAMPLE. The rows that the store took of this batch vouch for it: the sample is of no fewer.
 *   - A fault of the table that only some rows may show (wb_err.some_rows: a missing partition) kills nobody. Such rows
 *     wait as a group, and the others go on. They are sorted by the column that says which (wb_err.group_column), so
 *     that a group is a run.
 *   - An error of which nobody knows whose fault it is (wb_err.unsure) is taken for a refusal once it has hit the batch
 *     STRIKES times with other writes stored in between, or FAILURES times at all: no row dies without a witness.
 *   - Where order matters (order.h) the pieces are tried in theirs: none is drawn, and none taken out by its name. So the
 *     sample is the first rows, and has no MOST_SAMPLE: good ones may be behind any number of bad ones. What is held steps
 *     aside once each of its rows was refused alone, up to the first witness.
 *   - Where the store names the row (wb_err.row), the others are tried without it, then it alone: two writes.
 *     From the second on, what it took before the row, and what follows, go out apart; a long rest is halved. Once it
 *     named a row that it takes alone, it is believed no more.
 * Writes: one bad row of n costs at most 2 log2(n) + 2, the logarithm rounded up. A trial that is not held costs at most
 * 2 n for its pieces, and one more for each suspect that is tried again; one that is held, log2(n) and a sample.
 *
 * Locked, all of these, by the outbox's lock. Without memory for a trial a batch waits, and is tried again whole. */
#ifndef WB_TRIAL_H
#define WB_TRIAL_H

#include "engine/outbox/outbox.h"

/* A write of the batch failed, which is in no list. Puts it back, or what became of it, where the failure may be some
 * row's fault; false: it can't be. */
bool wb_trial_failed(wb_outbox *outbox, wb_batch *batch, const wb_err *err, int64_t now_us);
/* A row that the store rejected by name is in no list, and of a trial: it is sealed as a suspect, or dead. */
void wb_trial_refused_alone(wb_outbox *outbox, wb_batch *row, const wb_err *err, int64_t now_us);
/* The store took `rows` rows of the batch, which still is what it was when it was written. */
void wb_trial_witness(wb_outbox *outbox, const wb_batch *batch, uint64_t rows, int64_t now_us);
/* Something may have become of a part: looks what is next. Drops a reference to the trial, which its user took before
 * (trial->batches++), since the last part may be gone. */
void wb_trial_go_on(wb_outbox *outbox, wb_trial *trial, int64_t now_us);
/* Nobody will write any more: rows that were refused and have no verdict are dead of their last error. */
void wb_trial_end_all(wb_outbox *outbox, int64_t now_us);

#endif
