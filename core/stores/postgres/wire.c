/* SPDX-License-Identifier: MIT
 * Statements on a session's connection, each wait bounded by the deadline. Invariant: after a failure on
 * the wire, or at the deadline, the connection is gone; after an error of the server it is idle and
 * usable. Used by one thread, so not locked. */
#include "stores/postgres/postgres.h"

#include <string.h>

static int timed_out(wb_pg_session *session, const wb_deadline *deadline, wb_err *err)
{
    bool asked = deadline->cancel != NULL && atomic_load(&deadline->cancel->asked);
    wb_pg_drop(session);
    return asked ? wb_fail_store(err, WB_RETRY, "stopped while waiting for the server")
                 : wb_fail_store(err, WB_RETRY, "no answer from the server in time");
}

int wb_pg_lost(wb_pg_session *session, wb_err *err)
{
    const char *words = PQerrorMessage(session->conn);
    wb_fail_store(err, WB_RETRY, "%.*s", (int)strcspn(words, "\n"),
                  *words != '\0' ? words : "the connection was lost");
    wb_pg_drop(session);
    return WB_STORE;
}

int wb_pg_flush(wb_pg_session *session, const wb_deadline *deadline, wb_err *err)
{
    for (;;) {
        int left = PQflush(session->conn);
        if (left == 0)
            return WB_OK;
        if (left < 0)
            return wb_pg_lost(session, err);
        int ready =
            wb_deadline_wait(deadline, PQsocket(session->conn), WB_WAIT_READ | WB_WAIT_WRITE);
        if (ready == 0)
            return timed_out(session, deadline, err);
        /* A server that has something to say may not read on before we have read it. */
        if ((ready & WB_WAIT_READ) && !PQconsumeInput(session->conn))
            return wb_pg_lost(session, err);
    }
}

/* A lost connection is a result too, with the server's last words where it had any. */
int wb_pg_result(wb_pg_session *session, const wb_deadline *deadline, PGresult **out, wb_err *err)
{
    while (PQisBusy(session->conn)) {
        if (wb_deadline_wait(deadline, PQsocket(session->conn), WB_WAIT_READ) == 0)
            return timed_out(session, deadline, err);
        if (PQconsumeInput(session->conn))
            continue;
        if (PQstatus(session->conn) != CONNECTION_BAD)
            return wb_pg_lost(session, err); /* PQgetResult could wait */
        break;
    }
    *out = PQgetResult(session->conn);
    return WB_OK;
}

int wb_pg_drain(wb_pg_session *session, const wb_deadline *deadline, wb_err *err)
{
    for (;;) {
        PGresult *result = NULL;
        int code = wb_pg_result(session, deadline, &result, err);
        if (code != WB_OK || result == NULL)
            return code;
        PQclear(result);
        if (PQstatus(session->conn) == CONNECTION_BAD)
            return wb_pg_lost(session, err);
    }
}

static bool is_good(const PGresult *result)
{
    ExecStatusType status = PQresultStatus(result);
    return status == PGRES_TUPLES_OK || status == PGRES_COMMAND_OK || status == PGRES_EMPTY_QUERY;
}

/* The last result, in *out where it is asked for. An error keeps its words, and the connection. */
static int collect(wb_pg_session *session, const wb_deadline *deadline, PGresult **out, wb_err *err)
{
    PGresult *last = NULL, *result = NULL;
    int code;
    while ((code = wb_pg_result(session, deadline, &result, err)) == WB_OK && result != NULL) {
        PQclear(last);
        last = result;
        if (is_good(last))
            continue;
        code = wb_pg_fail(err, last);
        if (PQstatus(session->conn) == CONNECTION_BAD ||
            wb_pg_drain(session, deadline, NULL) != WB_OK)
            wb_pg_drop(session);
        break;
    }
    if (code == WB_OK && out != NULL) {
        *out = last;
        last = NULL;
    }
    PQclear(last);
    return code;
}

static int send_statement(PGconn *conn, const char *sql, const wb_pg_params *params, bool binary)
{
    static const wb_pg_params none = {0};
    if (params == NULL && !binary)
        return PQsendQuery(conn, sql);
    if (params == NULL)
        params = &none;
    return PQsendQueryParams(conn, sql, params->count, params->types, params->values, params->bytes,
                             params->binary, binary);
}

int wb_pg_run(wb_pg_session *session, const char *sql, const wb_pg_params *params, bool binary,
              const wb_deadline *deadline, PGresult **out, wb_err *err)
{
    if (!send_statement(session->conn, sql, params, binary))
        return wb_pg_lost(session, err);
    int code = wb_pg_flush(session, deadline, err);
    return code == WB_OK ? collect(session, deadline, out, err) : code;
}

/* ---- binary parameters ---- */

void wb_pg_put_int32(wb_buffer *buffer, uint32_t value)
{
    uint8_t bytes[4] = {(uint8_t)(value >> 24), (uint8_t)(value >> 16), (uint8_t)(value >> 8),
                        (uint8_t)value};
    wb_buffer_put(buffer, bytes, sizeof bytes);
}

void wb_pg_put_int64(wb_buffer *buffer, int64_t value)
{
    wb_pg_put_int32(buffer, (uint32_t)((uint64_t)value >> 32));
    wb_pg_put_int32(buffer, (uint32_t)value);
}

/* PostgreSQL, src/backend/utils/adt/arrayfuncs.c, array_recv: dimensions, whether there are NULLs, type,
 * and of the one dimension its length and lower bound. */
void wb_pg_put_array(wb_buffer *buffer, uint32_t type, size_t count)
{
    wb_pg_put_int32(buffer, 1);
    wb_pg_put_int32(buffer, 0);
    wb_pg_put_int32(buffer, type);
    wb_pg_put_int32(buffer, (uint32_t)count);
    wb_pg_put_int32(buffer, 1);
}

/* ---- after a failure ---- */

/* That a table is missing, does not fit, or may not be written to. */
static bool is_of_table(const wb_err *err)
{
    return err->error_class == WB_HOLD &&
           (*err->sqlstate == '\0' || strncmp(err->sqlstate, "42", 2) == 0);
}

/* The rows' own fault leaves the connection good, and so does another transaction in the way, or a table's
 * fault where the connection served another table well: or else a table that is missing for long would have
 * all others checked again at each of its tries. Anything else may be this server's, or this backend's,
 * alone: a new connection may find a new primary. */
static bool stays_good(const wb_pg_session *session, const wb_err *err)
{
    return err->error_class == WB_REJECT || strncmp(err->sqlstate, "40", 2) == 0 ||
           strncmp(err->sqlstate, "55", 2) == 0 ||
           (is_of_table(err) && wb_pg_aims_others_fit(session));
}

int wb_pg_settle(wb_pg_session *session, int code, const wb_err *err)
{
    if (code == WB_OK)
        return code;
    wb_pg_aim_now(session)->checked = false;
    if (!stays_good(session, err))
        wb_pg_drop(session);
    return code;
}
