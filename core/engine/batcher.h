/* SPDX-License-Identifier: MIT
 * What a binding may call besides writebehind.h: an add of a row that it has encoded itself, with the fields of
 * rows/row.h; and the end of a batcher whose store is given up. */
#ifndef WB_BATCHER_H
#define WB_BATCHER_H

#include "rows/row.h"

/* As wb_batcher_add_as; the tuple is copied. It has each check behind it that wb_row_encode makes, and no text in it has to
 * be cleaned. */
int wb_batcher_add_tuple(wb_batcher *batcher, const wb_tuple *tuple, const wb_choice *choice,
                         bool *due, wb_err *err);
/* Adds tuples in their order, under one taking of the lock; no choice is made. *added: how many were, up to the first that is
 * refused, which the answer is about; or, where `due` is not NULL, after which work is due. */
int wb_batcher_add_tuples(wb_batcher *batcher, const wb_tuple *tuples, size_t count, size_t *added,
                          bool *due, wb_err *err);
/* Closes the batcher and stops its delivery, also in the middle of a write. What is pending then is dead, of that reason,
 * or of an own one: it is stored by nobody, but for a write whose answer was lost, and then its reason says so.
 * WB_TIMEOUT: a write has not ended yet, and its rows are still pending. WB_FORK. */
int wb_batcher_give_up(wb_batcher *batcher, const char *why, int64_t deadline_us, wb_err *err);

#endif
