/* SPDX-License-Identifier: MIT
 * Bytes to and from the server: statements, their parameters and their results, each wait bounded by the deadline.
 * Invariant: after a failure on the wire, or at the deadline, the connection is gone; after an error of the server
 * it is idle and usable. Used by one thread, so not locked. A failure on the wire is RETRY; errors.c says what an
 * error of the server is. */
#include "base/bigendian.h"
#include "stores/postgres/postgres.h"

#include <errno.h>
#include <poll.h>
#include <string.h>

/* ---- waiting ---- */

static int timed_out(wb_pg_session *session, const wb_deadline *deadline, wb_err *err)
{
    bool asked = deadline->cancel != NULL && atomic_load(&deadline->cancel->asked);
    wb_pg_drop(session);
    wb_fail_store(err, WB_RETRY,
                  asked ? "stopped while waiting for the server"
                        : "no answer from the server in time");
    if (err != NULL)
        err->timed_out = !asked;
    return WB_STORE;
}

int wb_pg_lost(wb_pg_session *session, wb_err *err)
{
    const char *words = PQerrorMessage(session->conn);
    wb_fail_store(err, WB_RETRY, "%.*s", (int)strcspn(words, "\n"),
                  *words != '\0' ? words : "the connection was lost");
    wb_pg_drop(session);
    return WB_STORE;
}

static bool readable(int fd)
{
    struct pollfd polled = {.fd = fd, .events = POLLIN};
    int ready;
    do {
        ready = poll(&polled, 1, 0);
    } while (ready < 0 && errno == EINTR);
    return ready > 0;
}

bool wb_pg_peek(PGconn *conn)
{
    enum { LOOKS = 4 }; /* the server's last words, then the end of the stream */
    for (int looks = 0; looks < LOOKS; looks++) {
        if (PQstatus(conn) != CONNECTION_OK)
            return false;
        if (!readable(PQsocket(conn)))
            return true;
        if (!PQconsumeInput(conn))
            return false;
    }
    return PQstatus(conn) == CONNECTION_OK;
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
        /* A server that speaks may not read on before it was heard. */
        if ((ready & WB_WAIT_READ) && !PQconsumeInput(session->conn))
            return wb_pg_lost(session, err);
    }
}

/* A lost connection gives a result too: the server's last words, or libpq's. */
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

/* ---- statements ---- */

static bool is_good(const PGresult *result)
{
    ExecStatusType status = PQresultStatus(result);
    return status == PGRES_TUPLES_OK || status == PGRES_COMMAND_OK || status == PGRES_EMPTY_QUERY;
}

/* Reads all results; the last goes to *out, which may be NULL. An error ends it, and leaves the connection idle. */
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
    static const int formats[WB_PG_PARAMS] = {1, 1, 1}; /* binary */
    if (params == NULL && !binary)
        return PQsendQuery(conn, sql);
    if (params == NULL)
        params = &none;
    return PQsendQueryParams(conn, sql, params->count, params->types, params->values, params->bytes,
                             formats, binary);
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

void wb_pg_bind(wb_pg_params *params, Oid type, const char *data, size_t bytes)
{
    int i = params->count++;
    params->types[i] = type;
    params->values[i] = data;
    params->bytes[i] = (int)bytes;
}

void wb_pg_put_int32(wb_buffer *buffer, uint32_t value)
{
    uint8_t bytes[sizeof value];
    wb_put32(bytes, value);
    wb_buffer_put(buffer, bytes, sizeof bytes);
}

void wb_pg_put_int64(wb_buffer *buffer, int64_t value)
{
    uint8_t bytes[sizeof value];
    wb_put64(bytes, (uint64_t)value);
    wb_buffer_put(buffer, bytes, sizeof bytes);
}

/* As array_recv reads it (PostgreSQL, src/backend/utils/adt/arrayfuncs.c): the number of dimensions, whether there
 * are NULLs, the type; then of each dimension its length and lower bound. */
void wb_pg_put_array(wb_buffer *buffer, Oid type, size_t count, size_t element_bytes)
{
    wb_buffer_reserve(buffer, 5 * sizeof(int32_t) + count * (sizeof(int32_t) + element_bytes));
    wb_pg_put_int32(buffer, 1);
    wb_pg_put_int32(buffer, 0);
    wb_pg_put_int32(buffer, type);
    wb_pg_put_int32(buffer, (uint32_t)count);
    wb_pg_put_int32(buffer, 1);
}
