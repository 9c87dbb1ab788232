/* SPDX-License-Identifier: MIT
 * The ledger: a table with one row for each write, in the rows' own transaction, its key the batch's id. So whether a write
 * of which no answer came is in, is whether its key is.
 *
 * A key is inserted by a plain INSERT. Where it is there, or another transaction is about to put it there, the server waits
 * for that one and fails (23505), and the whole write is rolled back. So a batch in doubt is just written again, whole and
 * under its key: either its rows are in by this write, or they were in by the earlier one. Rows are divided, or get another
 * id, only once the earlier write is ruled out: its key is inserted alone, with the number of rows 0, and committed. After
 * that it can't commit any more. A key that is there with 0 rows says the same, where the answer to that was lost.
 *
 * Keys are uuids of version 7, in the order of their time. One that is older than WB_LEDGER_DAYS, by the writer's clock and by
 * the server's, is deleted, some at a time; before, a batch that is as long in doubt is held, as nobody knows.
 * Used by the session's thread, so not locked. Fails as wire.c and errors.c say. */
#include "stores/postgres/postgres.h"

#include <string.h>

#include "stores/ledger.h"

#define LEDGER "writebehind_ledger"

static const char create_sql[] =
    "CREATE TABLE " LEDGER " (key uuid PRIMARY KEY, rows int8 NOT NULL, "
    "at timestamptz NOT NULL DEFAULT now())";

/* ---- texts ---- */

static void put_key(wb_buffer *sql, const wb_batch *batch)
{
    char text[37] = "";
    wb_uuid_format(wb_batch_id(batch), text);
    wb_buffer_printf(sql, "'%.36s'", text);
}

static void put_entry(wb_buffer *sql, const wb_batch *batch, size_t rows)
{
    wb_buffer_put_text(sql, "INSERT INTO " LEDGER " (key, rows) VALUES (");
    put_key(sql, batch);
    wb_buffer_printf(sql, ", %zu)", rows);
}

void wb_pg_put_ledger(wb_buffer *sql, const wb_pg_session *session, const wb_batch *batch)
{
    if (session->target.dedupe != WB_DEDUPE_LEDGER)
        return;
    put_entry(sql, batch, wb_batch_left(batch));
    wb_buffer_put_text(sql, "; ");
}

/* ---- what an error says of it ---- */

static bool is_field(const PGresult *result, int field, const char *text)
{
    const char *is = PQresultErrorField(result, field);
    return is != NULL && strcmp(is, text) == 0;
}

void wb_pg_ledger_refused(wb_pg_session *session, const PGresult *result)
{
    session->key_is_there =
        is_field(result, PG_DIAG_SQLSTATE, "23505") && is_field(result, PG_DIAG_TABLE_NAME, LEDGER);
    if (is_field(result, PG_DIAG_SQLSTATE, "42P01"))
        session->has_ledger = false;
}

/* ---- its table ---- */

static int exists(wb_pg_session *session, const wb_deadline *deadline, bool *there, wb_err *err)
{
    wb_buffer sql = WB_BUFFER_EMPTY;
    PGresult *result = NULL;
    wb_pg_put_settings(&sql, session);
    wb_buffer_put_text(&sql, "SELECT pg_catalog.to_regclass('" LEDGER "') IS NOT NULL");
    int code =
        wb_pg_ask(session, &sql, (wb_pg_shape){.columns = 1, .rows = 1}, deadline, &result, err);
    if (code == WB_OK)
        *there = wb_pg_true(result, 0, 0);
    PQclear(result);
    return code;
}

/* Somebody else may be making it at the same time. */
static int create(wb_pg_session *session, const wb_deadline *deadline, wb_err *err)
{
    wb_buffer sql = WB_BUFFER_EMPTY;
    wb_err own = {.code = WB_OK}, ignored;
    bool there = false;
    wb_pg_put_settings(&sql, session);
    wb_buffer_put_text(&sql, create_sql);
    int code = wb_pg_run(session, &sql, deadline, &own);
    if (code == WB_OK)
        return code;
    if (session->conn != NULL && exists(session, deadline, &there, &ignored) == WB_OK && there)
        return WB_OK;
    if (own.error_class != WB_RETRY)
        return wb_fail_store(err, WB_HOLD, "the ledger is missing and can't be made (%s): %s",
                             create_sql, own.text);
    *err = own;
    return code;
}

static int make_sure(wb_pg_session *session, const wb_deadline *deadline, wb_err *err)
{
    bool there = true;
    int code = session->has_ledger ? WB_OK : exists(session, deadline, &there, err);
    if (code == WB_OK && !there)
        code = create(session, deadline, err);
    session->has_ledger = code == WB_OK;
    return code;
}

/* ---- what became of an earlier write ---- */

enum fate { IS_IN, RULED_OUT, NOT_THERE };

static int look_up(wb_pg_session *session, const wb_batch *batch, const wb_deadline *deadline,
                   enum fate *fate, wb_err *err)
{
    wb_buffer sql = WB_BUFFER_EMPTY;
    PGresult *result = NULL;
    wb_pg_put_settings(&sql, session);
    wb_buffer_put_text(&sql, "SELECT rows > 0 FROM " LEDGER " WHERE key = ");
    put_key(&sql, batch);
    int code = wb_pg_ask(session, &sql, (wb_pg_shape){.columns = 1}, deadline, &result, err);
    if (code == WB_OK && PQntuples(result) > 1)
        code = wb_pg_deviates(session, "one key twice", err);
    if (code == WB_OK)
        *fate = PQntuples(result) == 0 ? NOT_THERE : wb_pg_true(result, 0, 0) ? IS_IN : RULED_OUT;
    PQclear(result);
    return code;
}

/* The key alone, committed. */
static int rule_out(wb_pg_session *session, const wb_batch *batch, const wb_deadline *deadline,
                    enum fate *fate, wb_err *err)
{
    wb_buffer sql = WB_BUFFER_EMPTY;
    wb_pg_put_settings(&sql, session);
    put_entry(&sql, batch, 0);
    int code = wb_pg_run(session, &sql, deadline, err);
    if (code == WB_OK)
        *fate = RULED_OUT;
    return code != WB_OK && strcmp(err->sqlstate, "23505") == 0
               ? look_up(session, batch, deadline, fate, err)
               : code;
}

/* The batch was refused, by what says nothing of its earlier write. Where that can't be ruled out now, the batch stays in
 * doubt and is tried again. */
static int end_doubt(wb_pg_session *session, const wb_batch *batch, const wb_deadline *deadline,
                     wb_err *err)
{
    wb_err own = {.code = WB_OK};
    enum fate fate = NOT_THERE;
    int code = session->conn != NULL ? rule_out(session, batch, deadline, &fate, &own) : WB_STORE;
    if (code == WB_OK && fate == IS_IN)
        return WB_OK;
    if (code == WB_OK && fate == RULED_OUT) {
        err->ruled_out = true;
        return err->code;
    }
    err->error_class = WB_RETRY;
    err->some_rows = err->unsure = err->timed_out = false;
    err->row = 0;
    return err->code;
}

/* The key was there. */
static int judge(wb_pg_session *session, const wb_batch *batch, const wb_deadline *deadline,
                 wb_err *err)
{
    enum fate fate = NOT_THERE;
    int code = look_up(session, batch, deadline, &fate, err);
    if (code != WB_OK || fate == IS_IN)
        return code;
    wb_fail_store(err, WB_RETRY,
                  fate == RULED_OUT ? "an interrupted write of these rows was ruled out"
                                    : "the key of the write was in the ledger, and is no more");
    err->ruled_out = fate == RULED_OUT;
    return WB_STORE;
}

/* ---- pruning ---- */

/* That it fails is no fault of the write. */
static void prune(wb_pg_session *session, const wb_deadline *deadline)
{
    wb_buffer sql = WB_BUFFER_EMPTY;
    uint8_t first[16];
    char text[37] = "";
    wb_ledger_first_kept(first);
    wb_uuid_format(first, text);
    wb_pg_put_settings(&sql, session);
    wb_buffer_printf(&sql,
                     "DELETE FROM " LEDGER " WHERE key IN (SELECT key FROM " LEDGER
                     " WHERE key < '%.36s' AND at < pg_catalog.now() - interval '%d days'"
                     " ORDER BY key LIMIT %d FOR UPDATE SKIP LOCKED)",
                     text, WB_LEDGER_DAYS, WB_LEDGER_PRUNED);
    wb_pg_run(session, &sql, deadline, NULL);
}

/* ---- a write ---- */

/* The key of a batch that is too long in doubt may have been deleted. */
static int check_doubt(wb_pg_session *session, const wb_batch *batch, const wb_deadline *deadline,
                       bool *in, wb_err *err)
{
    enum fate fate = NOT_THERE;
    if (!batch->in_doubt || wb_ledger_knows(batch))
        return WB_OK;
    int code = look_up(session, batch, deadline, &fate, err);
    if (code != WB_OK)
        return code;
    *in = fate == IS_IN;
    return fate == NOT_THERE ? wb_ledger_forgot(batch, err) : WB_OK;
}

int wb_pg_ledger_begin(wb_pg_session *session, const wb_batch *batch, const wb_deadline *deadline,
                       bool *in, wb_err *err)
{
    session->key_is_there = false;
    int code = make_sure(session, deadline, err);
    return code == WB_OK ? check_doubt(session, batch, deadline, in, err) : code;
}

static bool says_nothing_for_good(const wb_err *err)
{
    return err->error_class != WB_REJECT && !err->some_rows && !err->unsure && !err->timed_out;
}

int wb_pg_ledger_end(wb_pg_session *session, const wb_batch *batch, const wb_deadline *deadline,
                     int code, wb_err *err)
{
    if (code == WB_OK) {
        if (session->writes++ % WB_LEDGER_PRUNE_EVERY == 0)
            prune(session, deadline);
        return code;
    }
    if (session->key_is_there)
        return judge(session, batch, deadline, err);
    if (!batch->in_doubt || err->in_doubt || says_nothing_for_good(err))
        return code;
    return end_doubt(session, batch, deadline, err);
}
