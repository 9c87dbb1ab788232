/* SPDX-License-Identifier: MIT
 * What a binding may call besides writebehind.h: an add of a row that it has encoded itself, with the fields of
 * rows/row.h. */
#ifndef WB_BATCHER_H
#define WB_BATCHER_H

#include "rows/row.h"

/* As wb_batcher_add_as; the tuple is copied. It has each check behind it that wb_row_encode makes, and no text in it has to
 * be cleaned. */
int wb_batcher_add_tuple(wb_batcher *batcher, const wb_tuple *tuple, const wb_choice *choice,
                         bool *due, wb_err *err);

#endif
