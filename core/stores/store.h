/* SPDX-License-Identifier: MIT
 * The contract of a store, which each kind fills. A store is a description, shared and counted. A session is one
 * flusher's use of it: one connection, which the first write or touch opens, and the next one after it broke. One
 * thread makes, uses and ends a session.
 *
 * A session writes to all the tables that its batches name, over its one connection: a batch goes to its own table,
 * or to the target's if it names none (wb_target_table). What is wrong with one table leaves the others alone.
 * A write is atomic: after WB_OK all rows are committed; after an error none is in, unless the error is in_doubt or
 * the session's `stored` says that some are.
 * With a ledger (WB_DEDUPE_LEDGER) the batch's id is the key of a write, put into the ledger in its transaction. So a batch
 * in doubt is written under the same id as before, whole; where that fails otherwise than for now (WB_RETRY), the store has
 * seen to it that the earlier write can't be in, and says so (ruled_out): then the batch may be divided and gets another id.
 * Every call ends soon after its deadline, or after a request to stop, with WB_STORE (class WB_RETRY; in_doubt if
 * the commit had been sent).
 * Errors: code WB_STORE; class by enum wb_class; sqlstate where the server gave one. The text names the table and, if
 * it is known, the column. */
#ifndef WB_STORE_H
#define WB_STORE_H

#include <stdatomic.h>

#include "base/deadline.h"
#include "base/log.h"
#include "rows/batch.h"
#include "rows/marks.h"
#include "stores/script.h"

typedef struct wb_session wb_session;
typedef struct wb_store_class wb_store_class;

/* What a session is for. It lives longer than the session. */
typedef struct wb_target {
    const char *table; /* of batches that name none, and of marks; NULL: a script knows */
    wb_schema *schema; /* a batcher's, of all its tables; NULL for a tracker */
    int dedupe;        /* enum wb_dedupe */
    int dedupe_column;
    const wb_upsert *upsert; /* NULL: rows are inserted */
    const char *key;         /* a tracker's, as all below that is not said to be everybody's */
    int key_type;            /* enum wb_type */
    const char *column;
    int column_type; /* enum wb_type */
    int64_t unit_us; /* what its values count */
    bool insert;     /* makes the rows that are missing */
    int64_t min_advance_us;
    bool exact;
    wb_log *log;              /* everybody's, for the server's notices; may be NULL */
    int64_t write_timeout_us; /* everybody's */
} wb_target;

struct wb_store {
    const wb_store_class *class;
    atomic_uint references;
    int64_t idle_timeout_us; /* 0: none */
};

struct wb_session {
    const wb_store_class *class;
    /* After a write that failed: how many leading rows are in. 0 where writes are atomic. */
    uint64_t stored;
    /* The same by row, in their order, up to the next write; NULL: `stored` says it. */
    const wb_verdict *verdicts;
    /* Of an upsert that was stored: rows whose values are not to be seen, as the table has newer ones. Its caller makes it 0
     * before. */
    uint64_t superseded;
};

/* The table that a batch goes to. The name lives as long as both do. */
static inline const char *wb_target_table(const wb_target *target, const wb_batch *batch)
{
    return wb_batch_table(batch) != NULL ? wb_batch_table(batch) : target->table;
}

/* How many ids a touch moved forward or made a row of, and how many have no row, or one that the table refused to make or to
 * move. */
typedef struct wb_touched {
    uint64_t updated, unmatched;
} wb_touched;

/* What a store is asked besides the table's name, and what it finds besides the schema. */
typedef struct wb_describing {
    const char *const *server_default; /* names, up to a NULL; NULL: none */
    wb_left_out *left_out;             /* the caller's, also after a failure */
} wb_describing;

/* Puts a column at the end; false: no memory. */
bool wb_leave_out(wb_describing *describing, const char *name, const char *reason);
/* Is the column to be left to the server? */
bool wb_is_left(const wb_describing *describing, const char *name);

/* Logs that a table refuses the rows of some ids, and why; nothing of none. */
void wb_tell_refused(const wb_target *target, uint64_t ids, const char *why);
/* The same at the end of a touch. But a table that refused several and moved none is broken, and no id is to blame: HOLD,
 * with the last refusal. */
int wb_touch_refused(const wb_target *target, uint64_t updated, uint64_t ids, const wb_err *why,
                     wb_err *err);

struct wb_store_class {
    const char *kind; /* "postgresql" */
    bool scripted;    /* a script writes: it is never given more than batch_size rows at once */
    bool ledger;      /* takes WB_DEDUPE_LEDGER */
    bool keyed;       /* every write is known by its batch's id */
    bool upserts;     /* takes a target's upsert */
    bool one_shape;   /* a batch's rows are of one shape, or of more than WB_SHAPES: rows/shape.h */
    /* No I/O yet. NULL: no memory. */
    wb_session *(*session)(wb_store *store, const wb_target *target);
    int (*write)(wb_session *session, const wb_batch *batch, const wb_deadline *deadline,
                 wb_err *err);
    /* NULL: it takes no marks. */
    int (*touch)(wb_session *session, const wb_marks *marks, const wb_deadline *deadline,
                 wb_touched *out, wb_err *err);
    void (*end)(wb_session *session);
    /* NULL: it has no tables. */
    int (*describe)(wb_store *store, const char *table, wb_describing *describing,
                    const wb_deadline *deadline, wb_schema **out, wb_err *err);
    /* Runs SQL in one transaction. NULL: the store has no SQL. */
    int (*execute)(wb_store *store, const char *sql, const wb_deadline *deadline, wb_err *err);
    void (*free)(wb_store *store);
};

/* Exit handlers run in the reverse of their order. A library under a store may register one that makes the
 * library unusable; who uses stores in an exit handler has to register it later than that. So a store starts
 * its library when the store is made, and counts; where the count has changed, the user registers anew. */
void wb_store_count_exit_handler(void);
unsigned wb_store_exit_handlers(void); /* counted so far */

#endif
