/* SPDX-License-Identifier: MIT
 * A batch written by one COPY in PostgreSQL's binary format: the tuples go out as they are, between the
 * stream's header and its trailer. One statement is one transaction, so all rows are in or none is.
 *
 * A failure before the stream's end (CopyDone) was handed to libpq left nothing behind: the server throws
 * away a COPY whose stream breaks off. After it, without an answer, the commit is in doubt. */
#include "stores/postgres/postgres.h"

#include "base/env.h"

/* Large enough for the calls not to count, small enough for libpq's copy to stay in the cache. */
enum { CHUNK_BYTES = 64 * 1024 };

char *wb_pg_copy_statement(const char *table, const wb_schema *schema)
{
    wb_buffer sql = WB_BUFFER_EMPTY;
    wb_buffer_printf(&sql, "COPY %s (", table);
    for (size_t i = 0; i < schema->count; i++) {
        wb_buffer_put_text(&sql, i > 0 ? ", " : "");
        wb_put_name(&sql, schema->columns[i].column.name);
    }
    wb_buffer_put_text(&sql, ") FROM STDIN (FORMAT binary)");
    return wb_buffer_take(&sql, NULL);
}

/* From the statement to the server's readiness for the stream. */
static int begin(wb_pg_session *session, const wb_deadline *deadline, wb_err *err)
{
    PGresult *result = NULL;
    if (!PQsendQuery(session->conn, wb_pg_aim_now(session)->statement))
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

/* Row by row: what is missing of a batch is nearly always all of it or nothing. */
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

/* Once the server has said that it is done, what comes after it can't change it any more. */
static int answer(wb_pg_session *session, const wb_deadline *deadline, bool *in_doubt, wb_err *err)
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
        code = wb_pg_fail(err, result);
    }
    PQclear(result);
    if (wb_pg_drain(session, deadline, NULL) != WB_OK)
        wb_pg_drop(session);
    return code;
}

/* libpq keeps a failed send to itself until a result is asked for. So the look before CopyDone: on a
 * connection that broke earlier it is never sent, and nothing is in doubt. */
static int end(wb_pg_session *session, const wb_deadline *deadline, wb_err *err)
{
    if (!wb_pg_peek(session->conn))
        return wb_pg_lost(session, err);
    bool in_doubt = true;
    int code = put_end(session, deadline, err);
    if (code == WB_OK)
        code = answer(session, deadline, &in_doubt, err);
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
    return code == WB_OK ? end(session, deadline, err) : code;
}

static int try_once(wb_pg_session *session, const wb_batch *batch, const wb_deadline *deadline,
                    bool *begun, wb_err *err)
{
    int code = wb_pg_aim_now(session)->checked ? WB_OK : wb_pg_check(session, deadline, err);
    if (code != WB_OK)
        return code;
    bool ask = batch->in_doubt && session->target.dedupe == WB_DEDUPE_COLUMN;
    return ask ? wb_pg_copy_missing(session, batch, deadline, begun, err)
               : wb_pg_copy(session, batch, NULL, deadline, begun, err);
}

/* A connection that had idled may turn out dead at the first word; that is no reason to fail. */
static int write_connected(wb_pg_session *session, const wb_batch *batch,
                           const wb_deadline *deadline, wb_err *err)
{
    bool fresh, begun = false;
    int code = wb_pg_connect(session, deadline, &fresh, err);
    if (code == WB_OK)
        code = try_once(session, batch, deadline, &begun, err);
    bool was_dead = code != WB_OK && !fresh && !begun && err->error_class == WB_RETRY &&
                    PQstatus(session->conn) == CONNECTION_BAD;
    if (!was_dead || wb_deadline_passed(deadline))
        return code;
    wb_pg_drop(session);
    code = wb_pg_connect(session, deadline, &fresh, err);
    return code == WB_OK ? try_once(session, batch, deadline, &begun, err) : code;
}

int wb_pg_write(wb_pg_session *session, const wb_batch *batch, const wb_deadline *deadline,
                wb_err *err)
{
    if (wb_batch_left(batch) == 0)
        return WB_OK;
    int code = wb_pg_aim_at(session, wb_target_table(&session->target, batch), err);
    if (code != WB_OK)
        return code;
    return wb_pg_settle(session, write_connected(session, batch, deadline, err), err);
}
