/* SPDX-License-Identifier: MIT
 * A batch's rows as an upsert writes them. They go in passes: one statement each, in order, of one transaction. A key is
 * once in a pass, and a pass is sorted by key (rows/upsert_key.h), so that two writers never wait for each other in a
 * circle. Rows of one key become one (rows/merge_rows.h); where an expression says what becomes of them, or two of them can't
 * be one, the later one goes to a later pass. Pure, no locks: its owner calls. Only memory fails. */
#ifndef WB_KEYED_H
#define WB_KEYED_H

#include "rows/batch.h"

typedef struct wb_keyed_row {
    const uint8_t *at; /* the tuple, in the batch or in `merged` */
    uint32_t bytes;
    uint32_t row; /* of those that are left in the batch; of rows that became one, the first */
} wb_keyed_row;

/* Not empty. */
typedef struct wb_keyed_pass {
    const wb_keyed_row *rows;
    size_t count;
} wb_keyed_pass;

/* It borrows from the batch, which has to stay as it is. */
typedef struct wb_keyed {
    size_t count; /* of passes; 0: there are no rows */
    wb_keyed_pass *passes;
    size_t rows_count; /* of all passes */
    wb_keyed_row *rows;
    /* Rows whose values are not to be seen after this write, as another of their key replaced them or came before. A row
     * that went into a sum, a min, a max, a first or a last is seen, and so is what an expression is made of. */
    size_t superseded;
    bool as_they_came;
    char *merged; /* the tuples that are of no row alone */
} wb_keyed;

/* Fills *keyed, which needs wb_keyed_fini. there: of each row that is left, is it not to be written; NULL: all are. False:
 * no memory, and nothing to free. */
bool wb_keyed_of(const wb_batch *batch, const bool *there, const wb_upsert *upsert,
                 wb_keyed *keyed);
/* The same where keys of other bytes may be one in the table: each row is as it came, and all are one pass, in the order
 * in which they came. */
bool wb_keyed_as_they_came(const wb_batch *batch, const bool *there, const wb_upsert *upsert,
                           wb_keyed *keyed);
/* So many rows of all passes the table had newer ones of. Of rows as they came those may be the same: no fewer are known. */
size_t wb_keyed_superseded(const wb_keyed *keyed, size_t unchanged);
void wb_keyed_fini(wb_keyed *keyed);

#endif
