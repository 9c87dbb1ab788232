/* SPDX-License-Identifier: MIT
 * What becomes of rows, marked in their segments by who has them; see format.h. */
#ifndef WB_SPOOL_MARKS_H
#define WB_SPOOL_MARKS_H

#include "rows/batch.h"
#include "spool/files.h"

/* Marks rows one after another, which may be of several segments. */
typedef struct wb_spool_marks {
    wb_spool *spool;
    wb_spool_file *file; /* pinned */
    uint32_t settled;    /* in it */
    int code;            /* why a segment could not be mapped */
    wb_err *err;
} wb_spool_marks;
void wb_spool_settle_row(wb_spool_marks *marks, uint32_t number);
/* The same of an entry of a file, where it can be marked; else marks->code says why not. */
bool wb_spool_settle_ref(wb_spool_marks *marks, const wb_spool_file *file, uint32_t entry);
void wb_spool_marks_end(wb_spool_marks *marks);
/* The rows that are left in the batch go out with its id. WB_STORE: they are not marked, and must not. */
int wb_spool_cover(wb_spool *spool, const wb_batch *batch, wb_err *err);
/* Rows of those that are left in the batch, from `first` on, are settled. */
void wb_spool_settle(wb_spool *spool, const wb_batch *batch, size_t first, size_t rows);

/* All rows of a segment are settled, to which nothing is put; and of all of them up to that serial. */
void wb_spool_retire_file(wb_spool *spool, wb_spool_file *file);
void wb_spool_retire(wb_spool *spool, uint64_t serial);

#endif
