/* SPDX-License-Identifier: MIT
 * A batch written by one COPY in PostgreSQL's binary format: the tuples go out as they are, between the stream's
 * header and its trailer. One statement is one transaction, so all rows are in or none is.
 *
 * The server throws away a COPY whose stream breaks off. So a failure before libpq was handed the stream's end
 * (CopyDone) leaves nothing behind; after it, without an answer, the commit is in doubt. Used by the session's
 * thread, so not locked. Fails as wire.c and errors.c say. */
#include "stores/postgres/postgres.h"

/* Large enough that the calls cost nothing, small enough that libpq's copy stays in the cache. */
enum { CHUNK_BYTES = 64 * 1024 };

/* From the statement to the server's readiness for the stream. */
static int begin(wb_pg_session *session, const wb_deadline *deadline, wb_err *err)
{
    PGresult *result = NULL;
    if (!PQsendQuery(session->conn, wb_pg_table_now(session)->statement))
        return wb_pg_lost(session, err);
    int code = wb_pg_flush(session, deadline, err);
    if (code == WB_OK)
        code = wb_pg_result(session, deadline, &result, err);
    if (code != WB_OK)
        return code;
    if (PQresultStatus(result) != PGRES_COPY_IN) {
        code = wb_pg_fail(err, result);
        wb_pg_drain(session, deadline, NULL);
    }
    PQclear(result);
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

static int put_end(wb_pg_session *session, const wb_deadline *deadline, wb_err *err)
{
    int queued;
    while ((queued = PQputCopyEnd(session->conn, NULL)) == 0) {
        int code = wb_pg_flush(session, deadline, err);
        if (code != WB_OK)
            return code;
    }
    return queued > 0 ? wb_pg_flush(session, deadline, err) : wb_pg_lost(session, err);
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
        err->group_column = err->some_rows ? table->group_column : 0;
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
    int code = put_end(session, deadline, err);
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
