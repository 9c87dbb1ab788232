/* SPDX-License-Identifier: MIT
 * A batch written by one COPY in PostgreSQL's binary format: the tuples go out as they are, between the stream's
 * header and its trailer. One query is one transaction, so all rows are in or none is.
 *
 * The server throws away a COPY whose stream breaks off. So a failure before libpq was handed the stream's end
 * (CopyDone) leaves nothing behind; after it, without an answer, the commit is in doubt. Used by the session's
 * thread, so not locked. Fails as wire.c and errors.c say. */
#include "stores/postgres/postgres.h"

/* Large enough that the calls cost nothing, small enough that libpq's copy stays in the cache. */
enum { CHUNK_BYTES = 64 * 1024 };

/* Made once a check of the table. */
static int put_query(wb_pg_session *session, wb_buffer *sql, wb_err *err)
{
    wb_pg_table *table = wb_pg_table_now(session);
    if (table->copy == NULL) {
        wb_buffer copy = WB_BUFFER_EMPTY;
        wb_pg_put_copy(&copy, session, table->columns);
        table->copy = wb_buffer_take(&copy, NULL);
    }
    if (table->copy == NULL)
        return wb_fail_store(err, WB_RETRY, "out of memory for a statement");
    wb_pg_put_settings(sql, session);
    wb_buffer_put_text(sql, table->copy);
    return WB_OK;
}

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
static int begin(wb_pg_session *session, const wb_deadline *deadline, wb_err *err)
{
    wb_buffer sql = WB_BUFFER_EMPTY;
    PGresult *last = NULL;
    bool as_checked = false;
    int code = put_query(session, &sql, err);
    if (code == WB_OK)
        code = wb_pg_send(session, &sql, deadline, err);
    if (code == WB_OK)
        code = read_answers(session, deadline, &as_checked, &last, err);
    if (code == WB_OK && PQresultStatus(last) != PGRES_COPY_IN) {
        code = wb_pg_fail(err, last);
        wb_pg_drain(session, deadline, NULL);
    } else if (code == WB_OK && !as_checked) {
        code = refuse(session, deadline, err);
    }
    PQclear(last);
    return code;
}

static int put(wb_pg_session *session, const char *data, size_t bytes, const wb_deadline *deadline,
               wb_err *err)
{
    int queued;
    while ((queued = PQputCopyData(session->conn, data, (int)bytes)) == 0) {
        int code = wb_pg_flush(session, deadline, err);
        if (code != WB_OK)
            return code;
    }
    return queued > 0 ? wb_pg_flush(session, deadline, err) : wb_pg_lost(session, err);
}

static int put_run(wb_pg_session *session, const char *data, size_t left,
                   const wb_deadline *deadline, wb_err *err)
{
    int code = WB_OK;
    while (code == WB_OK && left > 0) {
        size_t bytes = left < CHUNK_BYTES ? left : CHUNK_BYTES;
        code = put(session, data, bytes, deadline, err);
        data += bytes;
        left -= bytes;
    }
    return code;
}

/* Row by row, which is slow but rare: nearly always all rows are missing, or none. */
static int put_missing(wb_pg_session *session, const wb_batch *batch, const bool *there,
                       const wb_deadline *deadline, wb_err *err)
{
    int code = WB_OK;
    for (size_t row = 0; row < wb_batch_left(batch) && code == WB_OK; row++) {
        size_t bytes;
        const char *data = (const char *)wb_batch_row(batch, row, &bytes);
        if (!there[row])
            code = put_run(session, data, bytes, deadline, err);
    }
    return code;
}

static int put_tuples(wb_pg_session *session, const wb_batch *batch, const bool *there,
                      const wb_deadline *deadline, wb_err *err)
{
    size_t bytes;
    const char *data = (const char *)wb_batch_tuples(batch, &bytes);
    int code = put(session, (const char *)wb_copy_header, WB_COPY_HEADER_BYTES, deadline, err);
    if (code == WB_OK)
        code = there == NULL ? put_run(session, data, bytes, deadline, err)
                             : put_missing(session, batch, there, deadline, err);
    return code == WB_OK
               ? put(session, (const char *)wb_copy_trailer, WB_COPY_TRAILER_BYTES, deadline, err)
               : code;
}

/* Which row of the batch is the one in that line of the stream? From 1; 0: none. */
static uint32_t row_in_line(const wb_batch *batch, const bool *there, size_t line)
{
    size_t rows = wb_batch_left(batch), lines = 0;
    for (size_t row = 0; row < rows && line > 0; row++) {
        lines += there == NULL || !there[row];
        if (lines == line)
            return (uint32_t)row + 1;
    }
    return 0;
}

/* Once the server has said that it is done, nothing that follows changes that. */
static int answer(wb_pg_session *session, const wb_batch *batch, const bool *there,
                  const wb_deadline *deadline, bool *in_doubt, wb_err *err)
{
    PGresult *result = NULL;
    int code = wb_pg_result(session, deadline, &result, err);
    if (code != WB_OK)
        return code;
    if (PQresultStatus(result) == PGRES_COMMAND_OK) {
        *in_doubt = false;
    } else {
        const char *sqlstate = PQresultErrorField(result, PG_DIAG_SQLSTATE);
        *in_doubt = sqlstate == NULL || wb_pg_doubtful(sqlstate);
        const wb_pg_table *table = wb_pg_table_now(session);
        size_t line;
        code = wb_pg_fail_row(err, result, table->base.name, &line);
        err->row = row_in_line(batch, there, line);
        if (err->some_rows)
            err->group_column = wb_pg_group_column(table->columns, batch->schema);
    }
    PQclear(result);
    if (wb_pg_drain(session, deadline, NULL) != WB_OK)
        wb_pg_drop(session);
    return code;
}

/* libpq tells of a failed send only when a result is asked for. So we look before CopyDone: on a connection that
 * broke earlier it is never sent, and nothing is in doubt. */
static int end(wb_pg_session *session, const wb_batch *batch, const bool *there,
               const wb_deadline *deadline, wb_err *err)
{
    if (!wb_pg_peek(session->conn))
        return wb_pg_lost(session, err);
    bool in_doubt = true;
    int code = put_end(session, NULL, deadline, err);
    if (code == WB_OK)
        code = answer(session, batch, there, deadline, &in_doubt, err);
    if (code != WB_OK)
        err->in_doubt = in_doubt;
    return code;
}

int wb_pg_copy(wb_pg_session *session, const wb_batch *batch, const bool *there,
               const wb_deadline *deadline, bool *begun, wb_err *err)
{
    int code = begin(session, deadline, err);
    if (code != WB_OK)
        return code;
    *begun = true;
    code = put_tuples(session, batch, there, deadline, err);
    return code == WB_OK ? end(session, batch, there, deadline, err) : code;
}
