/* SPDX-License-Identifier: MIT
 * What a native store fills. A store is a description, shared and counted; a session is one flusher's use
 * of it: one connection, opened at the first write or touch, opened again after it broke. A session is used
 * by one thread at a time; it is made in that thread and ended there.
 *
 * A session writes to as many tables as its batches name, over its one connection: a batch goes to its own
 * table, one that names none to the target's (wb_target_table). What is wrong with one table leaves the
 * writes to the others alone.
 * A write is atomic: after WB_OK all rows are in and committed; after an error with in_doubt false none is,
 * unless the session's `stored` says that some are.
 * Every call ends soon after its deadline, or after cancel was asked for, with a WB_STORE error (class
 * WB_RETRY, in_doubt where the commit had been sent).
 * Errors: code WB_STORE; class by enum wb_class; sqlstate where the server gave one; text names the table
 * and, where it is known, the column. */
#ifndef WB_STORE_H
#define WB_STORE_H

#include <stdatomic.h>

#include "rows/batch.h"
#include "base/deadline.h"
#include "stores/script.h"
#include "base/log.h"
#include "rows/marks.h"

typedef struct wb_session wb_session;
typedef struct wb_store_class wb_store_class;

/* What a session is for. Lives longer than the session. */
typedef struct wb_target {
    const char *table; /* of batches that name none, and of marks */
    wb_schema *schema; /* a batcher's, of all its tables; NULL for a tracker */
    int dedupe;        /* enum wb_dedupe */
    int dedupe_column;
    const char *key;    /* a tracker's */
    const char *column; /* a tracker's */
    int64_t min_advance_us;
    bool exact;
    wb_log *log; /* for the server's notices; may be NULL */
    int64_t write_timeout_us;
} wb_target;

struct wb_store {
    const wb_store_class *class;
    atomic_uint references;
};

struct wb_session {
    const wb_store_class *class;
    uint64_t
        stored; /* after a write that failed: leading rows that are in; 0 where writes are atomic */
};

/* Where a batch goes; lives as long as both. */
static inline const char *wb_target_table(const wb_target *target, const wb_batch *batch)
{
    return batch->table != NULL ? batch->table : target->table;
}

/* How many ids a touch moved forward, and how many have no row. */
typedef struct wb_touched {
    uint64_t updated, unmatched;
} wb_touched;

struct wb_store_class {
    const char *kind; /* "postgresql" */
    /* No I/O yet. NULL: no memory. */
    wb_session *(*session)(wb_store *store, const wb_target *target);
    int (*write)(wb_session *session, const wb_batch *batch, const wb_deadline *deadline,
                 wb_err *err);
    int (*touch)(wb_session *session, const wb_marks *marks, const wb_deadline *deadline,
                 wb_touched *out, wb_err *err);
    void (*end)(wb_session *session);
    int (*describe)(wb_store *store, const char *table, const wb_deadline *deadline,
                    wb_schema **out, wb_err *err);
    /* Runs a script in one transaction. NULL: the store has no SQL. */
    int (*execute)(wb_store *store, const char *sql, const wb_deadline *deadline, wb_err *err);
    void (*free)(wb_store *store);
};

/* Exit handlers run in the reverse of their order. A library under a store may register one that makes the
 * library unusable; who uses stores in an exit handler has to register it later than that. So a store starts
 * its library when the store is made, and counts; where the count has changed, the user registers anew. */
void wb_store_count_exit_handler(void);
unsigned wb_store_exit_handlers(void); /* counted so far */

#endif
