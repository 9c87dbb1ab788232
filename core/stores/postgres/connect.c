/* SPDX-License-Identifier: MIT
 * Making a session's connection: host by host, setting it up, looking whether it is still alive. Invariant:
 * session->conn is NULL or a connection that is set up and non-blocking. Used by one thread, so not locked.
 *
 * Every wait is bounded by the deadline, but one: libpq leaves the look-up of a host's name to the system's
 * resolver. hostaddr, or a resolver with a short timeout, avoids that. PQfinish does not wait: it tries once to send
 * its farewell.
 * Fails with WB_STORE: HOLD where the server refuses us (no such database, wrong password), else RETRY. */
#include "stores/postgres/postgres.h"

#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "base/env.h"

enum {
    OURS = 8, /* keywords that are added to the conninfo's */
};

/* Arguments of PQconnectStartParams. */
struct arguments {
    size_t count;
    const char **keywords, **values;
    char tcp_user_timeout[16];
};

/* ---- what the server says by the way ---- */

static int level_of(const char *severity)
{
    if (severity == NULL || strncmp(severity, "DEBUG", 5) == 0)
        return WB_DEBUG;
    bool harmless = strcmp(severity, "NOTICE") == 0 || strcmp(severity, "INFO") == 0 ||
                    strcmp(severity, "LOG") == 0;
    return harmless ? WB_INFO : WB_WARN;
}

static void take_notice(void *context, const PGresult *notice)
{
    wb_pg_session *session = context;
    const char *text = PQresultErrorField(notice, PG_DIAG_MESSAGE_PRIMARY);
    if (session->target.log == NULL || text == NULL)
        return;
    int level = level_of(PQresultErrorField(notice, PG_DIAG_SEVERITY_NONLOCALIZED));
    wb_log_line(session->target.log, WB_TOPIC_NOTICE, level, wb_now_us(), 0,
                "table \"%s\": the server says: %.*s", session->tables->name,
                (int)strcspn(text, "\n"), text);
}

/* ---- connecting ---- */

static void put_option(struct arguments *arguments, const char *keyword, const char *value)
{
    if (value == NULL)
        return;
    arguments->keywords[arguments->count] = keyword;
    arguments->values[arguments->count++] = value;
}

static bool names_host(const char *keyword)
{
    return strcmp(keyword, "host") == 0 || strcmp(keyword, "hostaddr") == 0 ||
           strcmp(keyword, "port") == 0;
}

/* tcp_user_timeout also bounds the wait for one address of a name that has several. */
static void put_options(struct arguments *arguments, const wb_pg_session *session)
{
    const wb_pg_store *store = session->store;
    const PQconninfoOption *option = store->options;
    for (; option->keyword != NULL; option++)
        if (store->hosts == NULL || !names_host(option->keyword))
            put_option(arguments, option->keyword, option->val);
    if (store->hosts != NULL) {
        put_option(arguments, "host", store->hosts[session->host].host);
        put_option(arguments, "hostaddr", store->hosts[session->host].hostaddr);
        put_option(arguments, "port", store->hosts[session->host].port);
    }
    if (wb_pg_option(store, "tcp_user_timeout") == NULL) {
        snprintf(arguments->tcp_user_timeout, sizeof arguments->tcp_user_timeout, "%d",
                 wb_pg_share_ms(session, 50));
        put_option(arguments, "tcp_user_timeout", arguments->tcp_user_timeout);
    }
    put_option(arguments, "fallback_application_name", "writebehind");
    put_option(arguments, "client_encoding", "UTF8");
}

static size_t options_count(const wb_pg_store *store)
{
    size_t count = 0;
    while (store->options[count].keyword != NULL)
        count++;
    return count;
}

static PGconn *start(const wb_pg_session *session)
{
    struct arguments arguments = {0};
    size_t room = options_count(session->store) + OURS;
    const char **both = wb_alloc_zeroed(2 * room * sizeof *both);
    if (both == NULL)
        return NULL;
    arguments.keywords = both;
    arguments.values = both + room;
    put_options(&arguments, session);
    PGconn *conn = PQconnectStartParams(arguments.keywords, arguments.values, 0);
    wb_free(both);
    return conn;
}

/* The descriptor may be another one after each step. False: the deadline passed. */
static bool poll_to_end(PGconn *conn, const wb_deadline *deadline)
{
    PostgresPollingStatusType status = PGRES_POLLING_WRITING;
    while (PQstatus(conn) != CONNECTION_BAD && status != PGRES_POLLING_OK) {
        int events = status == PGRES_POLLING_READING ? WB_WAIT_READ : WB_WAIT_WRITE;
        if (wb_deadline_wait(deadline, PQsocket(conn), events) == 0)
            return false;
        status = PQconnectPoll(conn);
        if (status == PGRES_POLLING_FAILED)
            return true;
    }
    return true;
}

static const char *or_default(const char *text, const char *otherwise)
{
    return text != NULL && *text != '\0' ? text : otherwise;
}

/* A server that is at work on rows may not read for long. So once there is a connection, the kernel gives it up only
 * after the client has: the server's own limits end before. */
static void wait_for_slow_server(PGconn *conn, const wb_pg_session *session)
{
    int ms = wb_pg_share_ms(session, 100);
    if (wb_pg_option(session->store, "tcp_user_timeout") == NULL)
        setsockopt(PQsocket(conn), IPPROTO_TCP, TCP_USER_TIMEOUT, &ms, sizeof ms);
}

static bool is_local(const PGconn *conn)
{
    struct sockaddr_storage peer = {0};
    socklen_t size = sizeof peer;
    return getpeername(PQsocket(conn), (struct sockaddr *)&peer, &size) == 0 &&
           peer.ss_family == AF_UNIX;
}

/* By a certificate, or by a password's proof that is bound to the TLS connection. */
static bool proved_itself(PGconn *conn)
{
    bool proved = false;
    PQconninfoOption *options = PQconninfo(conn);
    for (const PQconninfoOption *at = options; at != NULL && at->keyword != NULL; at++) {
        const char *value = at->val != NULL ? at->val : "";
        if (strcmp(at->keyword, "sslmode") == 0)
            proved |= strncmp(value, "verify-", 7) == 0;
        else if (strcmp(at->keyword, "channel_binding") == 0)
            proved |= strcmp(value, "require") == 0;
    }
    PQconninfoFree(options);
    return proved;
}

static void warn_of_password(wb_pg_session *session)
{
    PGconn *conn = session->conn;
    if (session->target.log == NULL || !PQconnectionUsedPassword(conn) || is_local(conn) ||
        proved_itself(conn) || atomic_exchange(&session->store->warned, true))
        return;
    wb_log_line(session->target.log, WB_TOPIC_FREE, WB_WARN, wb_now_us(), 0,
                "a password went to \"%s\", which has not proved who it is: sslmode=verify-full "
                "makes it do so",
                or_default(PQhost(conn), "the default host"));
}

static int connect_host(wb_pg_session *session, const wb_deadline *deadline, wb_err *err)
{
    PGconn *conn = start(session);
    if (conn == NULL)
        return wb_fail_store(err, WB_RETRY, "out of memory for a connection");
    PQsetErrorVerbosity(conn, PQERRORS_VERBOSE); /* for the SQLSTATE, which is in the text alone */
    PQsetNoticeReceiver(conn, take_notice, session);
    int code = WB_OK;
    if (!poll_to_end(conn, deadline))
        code = wb_fail_store(err, WB_RETRY, "connecting to \"%s\", port %s: no answer in time",
                             or_default(PQhost(conn), "the default host"),
                             or_default(PQport(conn), "5432"));
    else if (PQstatus(conn) != CONNECTION_OK)
        code = wb_pg_fail_connect(err, PQerrorMessage(conn), PQconnectionNeedsPassword(conn) != 0);
    if (code == WB_OK) {
        PQsetErrorVerbosity(conn, PQERRORS_DEFAULT);
        PQsetnonblocking(conn, 1);
        wait_for_slow_server(conn, session);
        session->conn = conn;
        warn_of_password(session);
    } else {
        PQfinish(conn);
    }
    return code;
}

/* ---- setting up ---- */

/* Refused by a server whose system can't tell; it has to do without then. */
static int watch(wb_pg_session *session, const wb_deadline *deadline, wb_err *err)
{
    session->watched = false;
    if (PQserverVersion(session->conn) < 140000)
        return WB_OK;
    wb_buffer sql = WB_BUFFER_EMPTY;
    wb_pg_put_watch(&sql);
    int code = wb_pg_run(session, &sql, deadline, err);
    session->watched = code == WB_OK;
    return session->conn != NULL ? WB_OK : code;
}

static int set_up(wb_pg_session *session, const wb_deadline *deadline, wb_err *err)
{
    int version = PQserverVersion(session->conn);
    if (version < WB_PG_OLDEST)
        return wb_fail_store(err, WB_HOLD, "the server's version is %d: %d or newer is needed",
                             version / 10000, WB_PG_OLDEST / 10000);
    return watch(session, deadline, err);
}

/* ---- from host to host ---- */

/* An equal share of the time for each host that is left. */
static wb_deadline slice(const wb_deadline *deadline, size_t hosts_left)
{
    wb_deadline own = *deadline;
    int64_t now_us = wb_now_us();
    if (hosts_left > 1 && own.at_us != WB_NEVER && own.at_us > now_us)
        own.at_us = now_us + (own.at_us - now_us) / (int64_t)hosts_left;
    return own;
}

static int try_host(wb_pg_session *session, const wb_deadline *deadline, wb_err *err)
{
    int code = connect_host(session, deadline, err);
    if (code == WB_OK)
        code = set_up(session, deadline, err);
    if (code != WB_OK)
        wb_pg_drop(session);
    return code;
}

/* Begins with the host that worked last. A refusal (HOLD) tells more than a silence: it is what is
 * reported, whichever host it came from. */
static int connect_any(wb_pg_session *session, const wb_deadline *deadline, wb_err *err)
{
    wb_err worst = {.code = WB_OK};
    size_t count = session->store->count, first = session->host;
    for (size_t i = 0; i < count; i++) {
        wb_deadline own = slice(deadline, count - i);
        wb_err now = {.code = WB_OK};
        session->host = (first + i) % count;
        if (try_host(session, &own, &now) == WB_OK)
            return WB_OK;
        if (worst.error_class != WB_HOLD)
            worst = now;
        if (wb_deadline_passed(deadline))
            break;
    }
    session->host = first;
    if (err != NULL)
        *err = worst;
    return WB_STORE;
}

/* ---- is it alive? ---- */

static bool looks_alive(PGconn *conn)
{
    return wb_pg_peek(conn) && PQtransactionStatus(conn) == PQTRANS_IDLE && !PQisBusy(conn);
}

int wb_pg_connect(wb_pg_session *session, const wb_deadline *deadline, bool *fresh, wb_err *err)
{
    if (session->conn != NULL && !looks_alive(session->conn))
        wb_pg_drop(session);
    *fresh = session->conn == NULL;
    return *fresh ? connect_any(session, deadline, err) : WB_OK;
}
