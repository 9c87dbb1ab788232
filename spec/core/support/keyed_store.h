/* SPDX-License-Identifier: MIT
 * A store of the tests, whose tables have a key: it takes a batch as a server would, by wb_keyed_of in passes, whole or not
 * at all, and remembers which row came in when. A write may stay open: what it wrote is in once it ends, or never, and
 * until then its rows' keys are locked, and so is its key in the ledger. Rows have KEYED_COLUMNS columns of int8: the
 * row's number, its key, and values. Not locked: one thread. A store that has no room left fails the test. */
#ifndef WB_KEYED_STORE_H
#define WB_KEYED_STORE_H

#include "support/support.h"

#include "rows/batch.h"

enum {
    KEYED_N,
    KEYED_KEY,
    KEYED_AT,
    KEYED_COLUMNS = 6,
    KEYED_TABLES = 3,
    KEYED_KEYS = 8,
    KEYED_ROWS = 3000,
    KEYED_WRITES = 20000, /* rows that are written, and those that are written again */
    KEYED_OPEN = 64,
};

typedef struct keyed_cells {
    bool there;
    bool null[KEYED_COLUMNS];
    int64_t value[KEYED_COLUMNS];
} keyed_cells;

typedef struct keyed_open {
    wb_batch *rows;
    int table;
    int64_t ends_us;
    bool commits;
} keyed_open;

typedef struct keyed_entry {
    uint8_t id[16];
    bool in; /* else it is ruled out */
} keyed_entry;

typedef struct keyed_store {
    const wb_upsert *upsert; /* NULL: rows are inserted */
    bool ledger;
    keyed_cells cells[KEYED_TABLES][KEYED_KEYS];
    keyed_entry entries[KEYED_WRITES];
    int entries_count;
    keyed_open open[KEYED_OPEN];
    int open_count;
    int times[KEYED_ROWS]; /* that a row came in */
    int entry[KEYED_ROWS]; /* with that entry, the last time */
    int log[KEYED_WRITES]; /* the rows, as they came in */
    int log_count;
} keyed_store;

/* A row comes to what its key has. */
void keyed_fold(const wb_upsert *upsert, keyed_cells *cells, const keyed_cells *row);
/* All rows are in. False: no memory, none is. */
bool keyed_store_commit(keyed_store *store, const wb_batch *batch, int table, uint64_t *superseded);
/* They are in, or are not, at that time. */
void keyed_store_open(keyed_store *store, const wb_batch *batch, int table, int64_t ends_us,
                      bool commits);
void keyed_store_pass(keyed_store *store, int64_t now_us);
void keyed_store_fini(keyed_store *store);
/* Does an open write hold the batch's key of the ledger; or a key of a row? */
bool keyed_store_holds_id(const keyed_store *store, const wb_batch *batch);
bool keyed_store_holds_rows(const keyed_store *store, const wb_batch *batch, int table);
/* What the ledger says of the batch; NULL: nothing. */
const keyed_entry *keyed_store_find(const keyed_store *store, const wb_batch *batch);
void keyed_store_rule_out(keyed_store *store, const wb_batch *batch);
/* Did each of its rows come in by the write of that entry? */
bool keyed_store_has(const keyed_store *store, const wb_batch *batch, const keyed_entry *entry);

#endif
