/* SPDX-License-Identifier: MIT
 * Bytes to and from the server: statements and their results, each wait bounded by the deadline.
 * Invariant: after a failure on the wire, or at the deadline, the connection is gone; after an error of the server
 * it is idle and usable. Used by one thread, so not locked. A failure on the wire is RETRY; errors.c says what an
 * error of the server is. */
#include "stores/postgres/postgres.h"

#include <errno.h>
#include <poll.h>
#include <string.h>

#include "base/env.h"

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

int wb_pg_send(wb_pg_session *session, wb_buffer *sql, const wb_deadline *deadline, wb_err *err)
{
    char *text = wb_buffer_take(sql, NULL);
    if (text == NULL)
        return wb_fail_store(err, WB_RETRY, "out of memory for a statement");
    int code = PQsendQuery(session->conn, text) ? wb_pg_flush(session, deadline, err)
                                                : wb_pg_lost(session, err);
    wb_free(text);
    return code;
}

int wb_pg_run(wb_pg_session *session, wb_buffer *sql, const wb_deadline *deadline, PGresult **out,
              wb_err *err)
{
    int code = wb_pg_send(session, sql, deadline, err);
    return code == WB_OK ? collect(session, deadline, out, err) : code;
}
