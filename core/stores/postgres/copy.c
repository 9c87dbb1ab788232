/* SPDX-License-Identifier: MIT
 * A batch written by one COPY in PostgreSQL's binary format: the tuples go out as they are, between the stream's
 * header and its trailer. One query is one transaction, so all rows are in or none is.
 *
 * The server throws away a COPY whose stream breaks off. So a failure before libpq was handed the stream's end
 * (CopyDone) leaves nothing behind; after it, without an answer, the commit is in doubt. Used by the session's
 * thread, so not locked. Fails as wire.c and errors.c say. */
#include "stores/postgres/postgres.h"

/* Reads up to the COPY's first answer. The answer of rows before it is what the table looks like. */
static int read_answers(wb_pg_session *session, const wb_deadline *deadline, bool *as_checked,
                        PGresult **last, wb_err *err)
{
    const PGresult *columns = wb_pg_table_now(session)->columns;
    for (;;) {
        int code = wb_pg_copy_result(session, deadline, last, err);
        ExecStatusType status = PQresultStatus(*last);
        if (code != WB_OK || (status != PGRES_COMMAND_OK && status != PGRES_TUPLES_OK))
            return code;
        if (status == PGRES_TUPLES_OK)
            *as_checked = wb_pg_is_as_checked(columns, *last);
        PQclear(*last);
        *last = NULL;
    }
}

static int put_end(wb_pg_session *session, const char *refusal, const wb_deadline *deadline,
                   wb_err *err)
{
    int queued;
    while ((queued = PQputCopyEnd(session->conn, refusal)) == 0) {
        int code = wb_pg_flush(session, deadline, err);
        if (code != WB_OK)
            return code;
    }
    return queued > 0 ? wb_pg_flush(session, deadline, err) : wb_pg_lost(session, err);
}

static int refuse(wb_pg_session *session, const wb_deadline *deadline, wb_err *err)
{
    static const char why[] = "the table has changed since it was checked";
    int code = put_end(session, why, deadline, err);
    if (code == WB_OK)
        code = wb_pg_drain(session, deadline, err);
    return code != WB_OK ? code : wb_fail_store(err, WB_HOLD, "%s", why);
}

/* From the query to the server's readiness for the stream. */
static int begin(wb_pg_session *session, const wb_pg_rows *rows, const uint64_t *shape,
                 const wb_deadline *deadline, wb_err *err)
{
    wb_buffer sql = WB_BUFFER_EMPTY;
    PGresult *last = NULL;
    bool as_checked = false;
    wb_pg_put_copy(&sql, session, rows, shape);
    int code = wb_pg_send(session, &sql, deadline, err);
    if (code == WB_OK)
        code = read_answers(session, deadline, &as_checked, &last, err);
    if (code == WB_OK && PQresultStatus(last) != PGRES_COPY_IN) {
        code = wb_pg_fail(err, last);
        wb_pg_ledger_refused(session, last);
        wb_pg_drain(session, deadline, NULL);
    } else if (code == WB_OK && !as_checked) {
        code = refuse(session, deadline, err);
    }
    PQclear(last);
    return code;
}

/* Once the server has said that it is done, nothing that follows changes that. */
static int answer(wb_pg_session *session, const wb_pg_rows *rows, const wb_deadline *deadline,
                  bool *in_doubt, wb_err *err)
{
    PGresult *result = NULL;
    int code = wb_pg_result(session, deadline, &result, err);
    if (code != WB_OK)
        return code;
    if (PQresultStatus(result) == PGRES_COMMAND_OK)
        *in_doubt = false;
    else
        code = wb_pg_refused(session, rows, result, in_doubt, err);
    PQclear(result);
    if (wb_pg_drain(session, deadline, NULL) != WB_OK)
        wb_pg_drop(session);
    return code;
}

/* libpq tells of a failed send only when a result is asked for. So we look before CopyDone: on a connection that
 * broke earlier it is never sent, and nothing is in doubt. */
static int end(wb_pg_session *session, const wb_pg_rows *rows, const wb_deadline *deadline,
               wb_err *err)
{
    if (!wb_pg_peek(session->conn))
        return wb_pg_lost(session, err);
    bool in_doubt = true;
    int code = put_end(session, NULL, deadline, err);
    if (code == WB_OK)
        code = answer(session, rows, deadline, &in_doubt, err);
    if (code != WB_OK)
        err->in_doubt = in_doubt;
    return code;
}

int wb_pg_copy(wb_pg_session *session, const wb_pg_rows *rows, const uint64_t *shape,
               const wb_deadline *deadline, bool *begun, wb_err *err)
{
    int code = begin(session, rows, shape, deadline, err);
    if (code != WB_OK)
        return code;
    *begun = true;
    code = wb_pg_put_rows(session, rows, deadline, err);
    return code == WB_OK ? end(session, rows, deadline, err) : code;
}
