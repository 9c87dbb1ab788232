/* SPDX-License-Identifier: MIT
 * Bytes to and from the server: statements and their results, each wait bounded by the deadline.
 * Invariant: after a failure on the wire, or at the deadline, the connection is gone; after an error of the server
 * it is idle and usable. Used by one thread, so not locked. A failure on the wire is RETRY; errors.c says what an
 * error of the server is. */
#include "stores/postgres/postgres.h"

#include <errno.h>
#include <linux/tcp.h>
#include <netinet/in.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>

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
    words += strspn(words, "\r\n\t ");
    wb_fail_store(err, WB_RETRY, "%.*s", (int)strcspn(words, "\r\n"),
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

/* How many bytes have come; exact of TCP. Of a Unix socket, what is there to be read at each look: of long messages
 * libpq may read more. */
static uint64_t bytes_come(const wb_pg_session *session)
{
    struct tcp_info info = {0};
    socklen_t size = sizeof info;
    int fd = PQsocket(session->conn), there = 0;
    if (getsockopt(fd, IPPROTO_TCP, TCP_INFO, &info, &size) == 0 && info.tcpi_bytes_received > 0)
        return info.tcpi_bytes_received;
    return ioctl(fd, FIONREAD, &there) == 0 && there > 0 ? session->come + (uint64_t)there
                                                         : session->come;
}

/* So that a server which never stops does not fill the memory. */
static bool is_flooded(wb_pg_session *session)
{
    session->come = bytes_come(session);
    return session->come - session->come_before > WB_PG_MOST_BYTES;
}

static int flooded(wb_pg_session *session, wb_err *err)
{
    wb_pg_drop(session);
    return wb_fail_store(err, WB_RETRY, "the server answers more than %d MiB",
                         WB_PG_MOST_BYTES / (1024 * 1024));
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
        if ((ready & WB_WAIT_READ) && is_flooded(session))
            return flooded(session, err);
        if ((ready & WB_WAIT_READ) && !PQconsumeInput(session->conn))
            return wb_pg_lost(session, err);
    }
}

/* A lost connection gives a result too: the server's last words, or libpq's. */
static int next_result(wb_pg_session *session, const wb_deadline *deadline, PGresult **out,
                       wb_err *err)
{
    while (PQisBusy(session->conn)) {
        if (wb_deadline_wait(deadline, PQsocket(session->conn), WB_WAIT_READ) == 0)
            return timed_out(session, deadline, err);
        if (is_flooded(session))
            return flooded(session, err);
        if (PQconsumeInput(session->conn))
            continue;
        if (PQstatus(session->conn) != CONNECTION_BAD)
            return wb_pg_lost(session, err); /* PQgetResult could wait */
        break;
    }
    if (wb_deadline_passed(deadline)) /* answers that follow each other never wait */
        return timed_out(session, deadline, err);
    *out = PQgetResult(session->conn);
    return WB_OK;
}

static bool is_copy(const PGresult *result)
{
    ExecStatusType status = PQresultStatus(result);
    return status == PGRES_COPY_IN || status == PGRES_COPY_OUT || status == PGRES_COPY_BOTH;
}

/* A connection in such a state answers nothing else. */
static int refuse_copy(wb_pg_session *session, PGresult *result, wb_err *err)
{
    PQclear(result);
    wb_pg_drop(session);
    return wb_fail_store(err, WB_HOLD, "a COPY began for which nobody has a stream");
}

int wb_pg_result(wb_pg_session *session, const wb_deadline *deadline, PGresult **out, wb_err *err)
{
    PGresult *result = NULL;
    int code = next_result(session, deadline, &result, err);
    if (code != WB_OK)
        return code;
    if (is_copy(result))
        return refuse_copy(session, result, err);
    *out = result;
    return WB_OK;
}

int wb_pg_copy_result(wb_pg_session *session, const wb_deadline *deadline, PGresult **out,
                      wb_err *err)
{
    PGresult *result = NULL;
    int code = next_result(session, deadline, &result, err);
    if (code != WB_OK)
        return code;
    if (is_copy(result) && PQresultStatus(result) != PGRES_COPY_IN)
        return refuse_copy(session, result, err);
    *out = result;
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

/* Reads all results; the last goes to *out. An error ends it, and leaves the connection idle. */
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
    if (code == WB_OK) {
        *out = last;
        return WB_OK;
    }
    PQclear(last);
    return code;
}

/* What the server says to all who listen. */
static void forget_notifications(PGconn *conn)
{
    PGnotify *notification;
    while ((notification = PQnotifies(conn)) != NULL)
        PQfreemem(notification);
}

void wb_pg_listen(wb_pg_session *session)
{
    session->come_before = session->come = bytes_come(session);
    forget_notifications(session->conn);
}

int wb_pg_send(wb_pg_session *session, wb_buffer *sql, const wb_deadline *deadline, wb_err *err)
{
    char *text = wb_buffer_take(sql, NULL);
    if (text == NULL)
        return wb_fail_store(err, WB_RETRY, "out of memory for a statement");
    wb_pg_listen(session);
    int code = PQsendQuery(session->conn, text) ? wb_pg_flush(session, deadline, err)
                                                : wb_pg_lost(session, err);
    wb_free(text);
    return code;
}

int wb_pg_run(wb_pg_session *session, wb_buffer *sql, const wb_deadline *deadline, wb_err *err)
{
    PGresult *last = NULL;
    int code = wb_pg_send(session, sql, deadline, err);
    if (code == WB_OK)
        code = collect(session, deadline, &last, err);
    PQclear(last);
    return code;
}

/* ---- answers ---- */

int wb_pg_deviates(wb_pg_session *session, const char *what, wb_err *err)
{
    wb_pg_drop(session);
    return wb_fail_store(err, WB_RETRY, "the server's answer is none to what was asked: %s", what);
}

static bool has_shape(const PGresult *result, int columns, int format)
{
    if (PQresultStatus(result) != PGRES_TUPLES_OK || PQnfields(result) != columns)
        return false;
    for (int i = 0; i < columns; i++)
        if (PQfformat(result, i) != format)
            return false;
    return true;
}

int wb_pg_ask(wb_pg_session *session, wb_buffer *sql, wb_pg_shape shape,
              const wb_deadline *deadline, PGresult **out, wb_err *err)
{
    PGresult *last = NULL;
    int code = wb_pg_send(session, sql, deadline, err);
    if (code == WB_OK)
        code = collect(session, deadline, &last, err);
    if (code == WB_OK && !has_shape(last, shape.columns, shape.binary))
        code = wb_pg_deviates(session, "other columns", err);
    else if (code == WB_OK && shape.rows > 0 && PQntuples(last) != shape.rows)
        code = wb_pg_deviates(session, "another number of rows", err);
    if (code == WB_OK)
        *out = last;
    else
        PQclear(last);
    return code;
}

int wb_pg_change(wb_pg_session *session, wb_buffer *sql, const wb_deadline *deadline,
                 uint64_t *rows, wb_err *err)
{
    PGresult *last = NULL;
    int code = wb_pg_send(session, sql, deadline, err);
    if (code == WB_OK)
        code = collect(session, deadline, &last, err);
    if (code == WB_OK && !wb_pg_number(PQcmdTuples(last), rows))
        code = wb_pg_deviates(session, "it tells no number of rows", err);
    PQclear(last);
    return code;
}

bool wb_pg_number(const char *text, uint64_t *number)
{
    size_t digits = strspn(text, "0123456789");
    if (digits == 0 || digits > 18 || text[digits] != '\0')
        return false;
    *number = strtoull(text, NULL, 10);
    return true;
}
