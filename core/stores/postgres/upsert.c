/* SPDX-License-Identifier: MIT
 * A batch written as an upsert: statements with arrays as parameters (upsert_sql.c), in one pipeline, which is one
 * transaction (pipeline.c). First come what bounds it and the key of the ledger; then the rows in runs, each of one
 * shape and of a size that keeps a server busy while the next is made; then the commit.
 *
 * Rows go in the order of their keys, and runs too, so that two writers never wait for each other in a circle. Where the
 * table takes keys of other bytes for one (citext, a collation), the bytes' order would decide which row is the later:
 * rows go in their own order there, and a pass in one statement, which fails (21000) if two keys of it are one. Then all is
 * done once more, with a statement for each row as it came; or at once, where a pass would take several statements.
 *
 * What a statement is refused for before it meets a row is no row's fault: that is why it is prepared by itself.
 * Used by the session's thread, so not locked. Fails as wire.c and errors.c say, or with RETRY without memory. */
#include "stores/postgres/postgres.h"

#include <stdlib.h>
#include <string.h>

#include "base/env.h"
#include "rows/shape.h"
#include "rows/upsert.h"

/* How long a statement may wait for its table, or for a row that another transaction has locked; of the write's timeout. */
enum { LOCK_PERCENT = 60 };

/* Tuples of a run, together; a single one may have more. */
enum { RUN_BYTES = 256 * 1024, ROUND_BYTES = 256 * 1024 * 1024 };

/* What was sent, and is to be answered. */
struct sent {
    enum what { SETTINGS, LEDGER, STATEMENT, ROWS } what;
    uint64_t rows;
};

struct writing {
    wb_pg_session *session;
    const wb_pg_rows *batch;
    const wb_schema *schema;
    const wb_deadline *deadline;
    bool *begun;
    size_t most_rows, most_bytes; /* of a run */
    wb_buffer sent;               /* struct sent */
    size_t answered;              /* of these */
    bool refused;                 /* one of these */
    bool prepared;                /* a statement is */
    uint64_t *shape, *next;       /* that which is prepared; another's room */
    wb_pg_arrays arrays;
    uint64_t rows, changed;
};

/* ---- what a run is ---- */

static bool has_shape(struct writing *w, const wb_keyed_row *row)
{
    wb_shape_read(w->schema, row->at, w->next);
    return memcmp(w->next, w->shape, wb_shape_words(w->schema) * sizeof *w->shape) == 0;
}

/* How many of the rows, which are some, go in one run. */
static size_t run_of(struct writing *w, const wb_keyed_row *rows, size_t count)
{
    size_t run = 1, bytes = rows->bytes;
    while (run < count && run < w->most_rows && (bytes += rows[run].bytes) <= w->most_bytes &&
           has_shape(w, &rows[run]))
        run++;
    return run;
}

static int by_arrival(const void *a, const void *b)
{
    uint32_t one = ((const wb_keyed_row *)a)->row, other = ((const wb_keyed_row *)b)->row;
    return (one > other) - (one < other);
}

/* ---- answers ---- */

/* Of the statement itself, whatever the rows are: the index that it went by is gone, or a right is missing. A trigger's
 * or a function's error has a context. */
static bool is_of_statement(const char *sqlstate, bool alone)
{
    return strcmp(sqlstate, "42P10") == 0 || (alone && strcmp(sqlstate, "42501") == 0);
}

/* Names and rights were good when the statement was prepared, so what is of their class was found in reading a value: the
 * input functions of name, tsquery, regclass and others use it. */
static bool is_of_value(const char *sqlstate, bool alone)
{
    return strcmp(sqlstate, "42622") == 0 || (alone && strncmp(sqlstate, "42", 2) == 0);
}

static int refused_rows(struct writing *w, const PGresult *result, wb_err *err)
{
    bool in_doubt;
    const char *context = PQresultErrorField(result, PG_DIAG_CONTEXT);
    bool alone = context == NULL;
    int code = wb_pg_refused(w->session, w->batch, result, &in_doubt, err);
    if (err->error_class != WB_HOLD)
        return code;
    if (is_of_statement(err->sqlstate, alone)) {
        wb_pg_table_forget(wb_pg_table_now(w->session));
        *w->begun = false; /* so the table is checked again */
        err->some_rows = false;
    } else if (is_of_value(err->sqlstate, alone)) {
        err->error_class = WB_REJECT;
        err->some_rows = false;
    }
    return code;
}

static int take_answer(struct writing *w, const struct sent *sent, const PGresult *result,
                       wb_err *err)
{
    uint64_t changed;
    ExecStatusType status = PQresultStatus(result);
    bool good = status == PGRES_COMMAND_OK || status == PGRES_TUPLES_OK;
    w->refused = status == PGRES_FATAL_ERROR;
    if (sent->what == LEDGER && !good)
        wb_pg_ledger_refused(w->session, result);
    if (!good)
        return sent->what == ROWS ? refused_rows(w, result, err) : wb_pg_fail(err, result);
    *w->begun |= sent->what == STATEMENT;
    if (sent->what != ROWS)
        return WB_OK;
    if (!wb_pg_number(PQcmdTuples((PGresult *)result), &changed) || changed > sent->rows)
        return wb_pg_deviates(w->session, "it tells no number of rows", err);
    w->rows += sent->rows;
    w->changed += changed;
    return WB_OK;
}

/* Up to so many. */
static int read_answers(struct writing *w, size_t count, wb_err *err)
{
    int code = WB_OK;
    while (code == WB_OK && w->answered < count) {
        const struct sent *sent = (const struct sent *)w->sent.data + w->answered++;
        PGresult *result = NULL;
        code = wb_pg_pipe_answer(w->session, w->deadline, &result, err);
        if (code == WB_OK)
            code = take_answer(w, sent, result, err);
        PQclear(result);
    }
    return code;
}

static int read_all(struct writing *w, wb_err *err)
{
    int code = wb_pg_pipe_ask(w->session, w->deadline, err);
    return code == WB_OK ? read_answers(w, w->sent.bytes / sizeof(struct sent), err) : code;
}

/* ---- sending ---- */

static int note(struct writing *w, enum what what, uint64_t rows, wb_err *err)
{
    const struct sent sent = {what, rows};
    wb_buffer_put(&w->sent, &sent, sizeof sent);
    return w->sent.failed ? wb_fail_store(err, WB_RETRY, "out of memory for a write") : WB_OK;
}

static int send_first(struct writing *w, wb_err *err)
{
    wb_buffer sql = WB_BUFFER_EMPTY;
    wb_pg_put_config(&sql, w->session, wb_pg_share_ms(w->session, LOCK_PERCENT));
    int code = wb_pg_pipe_put(w->session, &sql, err);
    if (code == WB_OK)
        code = note(w, SETTINGS, 0, err);
    if (code != WB_OK || w->session->target.dedupe != WB_DEDUPE_LEDGER)
        return code;
    wb_pg_put_ledger(&sql, w->session, w->batch->batch);
    code = wb_pg_pipe_put(w->session, &sql, err);
    return code == WB_OK ? note(w, LEDGER, 0, err) : code;
}

/* The first is answered early: it tells that the server is at work. */
static int prepare(struct writing *w, const wb_keyed_row *row, wb_err *err)
{
    wb_buffer sql = WB_BUFFER_EMPTY;
    bool first = !w->prepared;
    if (!first && has_shape(w, row))
        return WB_OK;
    wb_shape_read(w->schema, row->at, w->shape);
    w->prepared = true;
    wb_pg_put_upsert(&sql, w->session, w->shape);
    int code = wb_pg_pipe_prepare(w->session, &sql, err);
    if (code == WB_OK)
        code = note(w, STATEMENT, 0, err);
    return code == WB_OK && first ? wb_pg_pipe_ask(w->session, w->deadline, err) : code;
}

/* Before a second run is sent, which may have to wait for the server. */
static int see_begun(struct writing *w, wb_err *err)
{
    const struct sent *sent = (const struct sent *)w->sent.data;
    size_t count = w->sent.bytes / sizeof *sent, at = 0;
    while (at < count && sent[at].what != STATEMENT)
        at++;
    return at + 1 < count ? read_answers(w, at + 1, err) : WB_OK;
}

/* What the server takes in one message ends below 1 GiB, and an array's text may be longer than the array. */
static bool is_too_long(const wb_pg_parameters *parameters)
{
    size_t bytes = 0;
    for (int i = 0; i < parameters->count; i++)
        bytes += (size_t)parameters->lengths[i];
    return bytes > WB_TUPLE_MAX_BYTES;
}

static int send_run(struct writing *w, const wb_keyed_row *rows, size_t count, wb_err *err)
{
    if (!wb_pg_arrays_fill(&w->arrays, w->schema, rows, count))
        return wb_fail_store(err, WB_RETRY, "out of memory for rows");
    if (is_too_long(&w->arrays.parameters))
        return wb_fail_store(err, WB_REJECT, "a row is too long for one statement");
    int code = wb_pg_pipe_run(w->session, &w->arrays.parameters, w->deadline, err);
    return code == WB_OK ? note(w, ROWS, count, err) : code;
}

static int send_pass(struct writing *w, const wb_keyed_row *rows, size_t count, wb_err *err)
{
    int code = WB_OK;
    while (count > 0 && code == WB_OK) {
        code = prepare(w, rows, err);
        size_t run = run_of(w, rows, count);
        if (code == WB_OK)
            code = see_begun(w, err);
        if (code == WB_OK)
            code = send_run(w, rows, run, err);
        rows += run;
        count -= run;
    }
    return code;
}

static int commit(struct writing *w, wb_err *err)
{
    PGresult *refusal = NULL;
    bool in_doubt;
    int code = wb_pg_pipe_commit(w->session, w->deadline, &refusal, &in_doubt, err);
    if (refusal != NULL)
        code = wb_pg_refused(w->session, w->batch, refusal, &in_doubt, err);
    if (code != WB_OK)
        err->in_doubt = in_doubt;
    PQclear(refusal);
    return code;
}

/* ---- a write ---- */

static int transact(struct writing *w, const wb_keyed_pass *passes, size_t count, wb_err *err)
{
    int code = wb_pg_pipe_open(w->session, err);
    if (code != WB_OK)
        return code;
    code = send_first(w, err);
    for (size_t i = 0; i < count && code == WB_OK; i++)
        code = send_pass(w, passes[i].rows, passes[i].count, err);
    if (code == WB_OK)
        code = read_all(w, err);
    if (code == WB_OK)
        return commit(w, err);
    wb_pg_pipe_close(w->session, w->refused, w->deadline);
    return code;
}

static int write_passes(struct writing *w, const wb_keyed *keyed, wb_err *err)
{
    w->rows = w->changed = w->answered = 0;
    w->prepared = w->refused = false;
    w->sent = WB_BUFFER_EMPTY;
    int code = WB_STORE;
    if (wb_pg_arrays_init(&w->arrays, w->session)) {
        code = transact(w, keyed->passes, keyed->count, err);
        wb_pg_arrays_fini(&w->arrays, w->schema);
    } else {
        wb_fail_store(err, WB_RETRY, "out of memory for a write");
    }
    wb_buffer_fini(&w->sent);
    return code;
}

static void sort_by_arrival(wb_keyed *keyed)
{
    for (size_t i = 0, from = 0; i < keyed->count; i++) {
        qsort(keyed->rows + from, keyed->passes[i].count, sizeof *keyed->rows, by_arrival);
        from += keyed->passes[i].count;
    }
}

/* Where keys of other bytes may be one. What goes in one statement shows it if they are. What goes in several does not, and
 * is not in the rows' own order if two of them have the same bytes. */
static bool shows_order(struct writing *w, const wb_keyed *keyed)
{
    const wb_keyed_pass *first = keyed->passes;
    if (keyed->count == 0 || (keyed->count == 1 && keyed->merged == NULL))
        return true;
    wb_shape_read(w->schema, first->rows->at, w->shape);
    return run_of(w, first->rows, first->count) == first->count;
}

/* Each row in a statement of its own, as it is, in the order in which they came. */
static int write_one_by_one(struct writing *w, wb_keyed *keyed, wb_err *err)
{
    wb_keyed_fini(keyed);
    if (err != NULL)
        *err = (wb_err){.code = WB_OK};
    if (!wb_keyed_as_they_came(w->batch->batch, w->batch->there, w->session->target.upsert, keyed))
        return wb_fail_store(err, WB_RETRY, "out of memory for the rows' keys");
    w->most_rows = 1;
    return write_passes(w, keyed, err);
}

static int write_keyed(struct writing *w, wb_keyed *keyed, wb_err *err)
{
    bool folds = wb_pg_table_now(w->session)->folds;
    w->most_rows = SIZE_MAX;
    w->most_bytes = folds ? ROUND_BYTES : RUN_BYTES;
    if (folds)
        sort_by_arrival(keyed);
    if (folds && !shows_order(w, keyed))
        return write_one_by_one(w, keyed, err);
    int code = write_passes(w, keyed, err);
    if (code == WB_OK || strcmp(err->sqlstate, "21000") != 0)
        return code;
    return write_one_by_one(w, keyed, err);
}

static int write_all(struct writing *w, wb_err *err)
{
    wb_keyed keyed;
    const wb_upsert *upsert = w->session->target.upsert;
    if (!wb_keyed_of(w->batch->batch, w->batch->there, upsert, &keyed))
        return wb_fail_store(err, WB_RETRY, "out of memory for the rows' keys");
    int code = write_keyed(w, &keyed, err);
    if (code == WB_OK)
        w->session->base.superseded = wb_keyed_superseded(
            &keyed, wb_upsert_skips(upsert, w->schema) ? (size_t)(w->rows - w->changed) : 0);
    wb_keyed_fini(&keyed);
    return code;
}

int wb_pg_upsert(wb_pg_session *session, const wb_pg_rows *rows, const wb_deadline *deadline,
                 bool *begun, wb_err *err)
{
    struct writing w = {.session = session,
                        .batch = rows,
                        .schema = rows->batch->schema,
                        .deadline = deadline,
                        .begun = begun};
    size_t bytes = (wb_shape_words(w.schema) + 1) * sizeof *w.shape;
    w.shape = wb_alloc_zeroed(bytes);
    w.next = wb_alloc_zeroed(bytes);
    int code = w.shape != NULL && w.next != NULL
                   ? write_all(&w, err)
                   : wb_fail_store(err, WB_RETRY, "out of memory for a write");
    wb_free(w.shape);
    wb_free(w.next);
    return code;
}
