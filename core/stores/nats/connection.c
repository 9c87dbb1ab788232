/* SPDX-License-Identifier: MIT
 * A session's connection: server by server, each for a while, so that the deadline is kept and a request to stop is heard
 * in between. Invariant: there is a connection, or there is none: one that failed is closed, and the next call begins at
 * the next server. Used by one thread, so not locked. Fails with WB_STORE: HOLD where a server refuses us (wrong password,
 * certificate), else RETRY. */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "base/env.h"
#include "base/err.h"
#include "stores/nats/nats.h"

enum {
    A_SERVER_MS = 2000, /* to connect to one */
    A_PIECE_MS = 20,    /* of a wait, after which a request to stop is heard */
    A_WRITE_MS = 10000, /* of bytes that the server's side does not take */
};

/* The fork generation, plus 1, in which the library's threads were started; 0: they were not. */
static atomic_uint started;

/* ---- connecting ---- */

static int start_library(wb_err *err)
{
    unsigned now = wb_fork_generation() + 1, before = 0;
    if (atomic_compare_exchange_strong(&started, &before, now)) {
        wb_store_count_exit_handler();
        return nats_Open(-1) == NATS_OK
                   ? WB_OK
                   : wb_fail_store(err, WB_HOLD, "nats store: libnats does not start");
    }
    if (before == now)
        return WB_OK;
    return wb_fail_store(err, WB_HOLD,
                         "nats store: the process that this one was forked from had used it, and "
                         "its threads are not here: use it in the child alone");
}

/* What stands before the @ of a URL may be a password. */
static void name_server(wb_nats_connection *connection, const char *url)
{
    const char *at = strstr(url, "://"), *user = strrchr(url, '@');
    at = user != NULL ? user + 1 : at != NULL ? at + 3 : url;
    snprintf(connection->server, sizeof connection->server, "%s", at);
}

static void host_of(const char *server, char host[128])
{
    bool bracketed = server[0] == '[';
    size_t bytes = bracketed ? strcspn(++server, "]") : strcspn(server, ":/");
    snprintf(host, 128, "%.*s", (int)bytes, server);
}

/* Errors of the library's own threads: they show in what fails. */
static void say_nothing(natsConnection *nats, natsSubscription *sub, natsStatus status,
                        void *closure)
{
    (void)nats, (void)sub, (void)status, (void)closure;
}

static natsStatus set_tls(natsOptions *options, const wb_nats_settings *settings,
                          const char *server)
{
    char host[128];
    host_of(server, host);
    natsStatus s = natsOptions_SetSecure(options, true);
    if (s == NATS_OK)
        s = natsOptions_SetExpectedHostname(options, host);
    if (s == NATS_OK && settings->tls_ca != NULL)
        s = natsOptions_LoadCATrustedCertificates(options, settings->tls_ca);
    if (s == NATS_OK && settings->tls_cert != NULL)
        s = natsOptions_LoadCertificatesChain(options, settings->tls_cert, settings->tls_key);
    return s;
}

static natsStatus set_identity(natsOptions *options, const wb_nats_settings *settings)
{
    natsStatus s = NATS_OK;
    if (settings->user != NULL)
        s = natsOptions_SetUserInfo(options, settings->user, settings->password);
    if (s == NATS_OK && settings->token != NULL)
        s = natsOptions_SetToken(options, settings->token);
    if (s == NATS_OK && settings->credentials != NULL)
        s = natsOptions_SetUserCredentialsFromFiles(options, settings->credentials, NULL);
    return s;
}

/* The library's own ways are off: it would keep what it can't send. */
static natsStatus set_all(natsOptions *options, const wb_nats_connection *connection,
                          const char *url, int64_t timeout_ms)
{
    const wb_nats_settings *settings = connection->settings;
    bool secure =
        strncmp(url, "tls://", 6) == 0 || settings->tls_ca != NULL || settings->tls_cert != NULL;
    natsStatus s = natsOptions_SetURL(options, url);
    if (s == NATS_OK)
        s = natsOptions_SetAllowReconnect(options, false);
    if (s == NATS_OK)
        s = natsOptions_SetTimeout(options, timeout_ms);
    if (s == NATS_OK)
        s = natsOptions_SetWriteDeadline(options, A_WRITE_MS);
    if (s == NATS_OK)
        s = natsOptions_SetSendAsap(options, true);
    if (s == NATS_OK)
        s = natsOptions_SetName(options, "writebehind");
    if (s == NATS_OK)
        s = natsOptions_SetErrorHandler(options, say_nothing, NULL);
    if (s == NATS_OK)
        s = set_identity(options, settings);
    return s == NATS_OK && secure ? set_tls(options, settings, connection->server) : s;
}

static int class_of(natsStatus status)
{
    switch (status) {
    case NATS_CONNECTION_AUTH_FAILED:
    case NATS_NOT_PERMITTED:
    case NATS_SECURE_CONNECTION_WANTED:
    case NATS_SECURE_CONNECTION_REQUIRED:
    case NATS_SSL_ERROR:
    case NATS_INVALID_ARG:
    case NATS_NO_SERVER_SUPPORT:
        return WB_HOLD;
    default:
        return WB_RETRY;
    }
}

static int can_not_connect(const wb_nats_connection *connection, natsStatus status, wb_err *err)
{
    const char *text = natsStatus_GetText(status), *more = nats_GetLastError(NULL);
    bool refused = class_of(status) == WB_HOLD && more != NULL && more[0] != '\0';
    return wb_fail_store(err, class_of(status), "nats server %s: %s%s%s", connection->server, text,
                         refused ? ": " : "", refused ? more : "");
}

static natsStatus listen(wb_nats_connection *connection)
{
    uint8_t random[8];
    wb_env_system.random(NULL, random, sizeof random);
    uint64_t number;
    memcpy(&number, random, sizeof number);
    snprintf(connection->inbox, sizeof connection->inbox, "_INBOX.wb%016" PRIx64, number);
    char all[sizeof connection->inbox + 2];
    snprintf(all, sizeof all, "%s.*", connection->inbox);
    return natsConnection_SubscribeSync(&connection->answers, connection->nats, all);
}

static int64_t left_ms(const wb_deadline *deadline, int64_t most_ms)
{
    if (deadline->at_us == WB_NEVER)
        return most_ms;
    int64_t ms = (deadline->at_us - wb_now_us()) / 1000;
    return ms < 1 ? 1 : ms < most_ms ? ms : most_ms;
}

static int connect_to(wb_nats_connection *connection, const char *url, const wb_deadline *deadline,
                      wb_err *err)
{
    natsOptions *options = NULL;
    name_server(connection, url);
    natsStatus s = natsOptions_Create(&options);
    if (s == NATS_OK)
        s = set_all(options, connection, url, left_ms(deadline, A_SERVER_MS));
    if (s == NATS_OK)
        s = natsConnection_Connect(&connection->nats, options);
    natsOptions_Destroy(options);
    if (s == NATS_OK)
        s = listen(connection);
    if (s == NATS_OK)
        return WB_OK;
    can_not_connect(connection, s, err);
    wb_nats_disconnect(connection);
    return WB_STORE;
}

/* The worst that any of them said: a server that refuses us has to be named. */
int wb_nats_connect(wb_nats_connection *connection, const wb_deadline *deadline, wb_err *err)
{
    const wb_nats_settings *settings = connection->settings;
    if (connection->nats != NULL)
        return WB_OK;
    wb_err worst = {.code = WB_OK}, own;
    int code = start_library(err);
    if (code != WB_OK)
        return code;
    for (size_t i = 0; i < settings->count && !wb_deadline_passed(deadline); i++) {
        const char *url = settings->servers[connection->next++ % settings->count];
        if (connect_to(connection, url, deadline, &own) == WB_OK)
            return WB_OK;
        if (worst.code == WB_OK || own.error_class == WB_HOLD)
            worst = own;
    }
    if (worst.code == WB_OK)
        return wb_fail_store(err, WB_RETRY, "nats: no time left to connect");
    if (err != NULL)
        *err = worst;
    return WB_STORE;
}

void wb_nats_disconnect(wb_nats_connection *connection)
{
    natsSubscription_Destroy(connection->answers);
    natsConnection_Destroy(connection->nats);
    connection->answers = NULL;
    connection->nats = NULL;
}

/* ---- asking ---- */

static natsStatus make_message(const wb_nats_request *request, const char *reply, natsMsg **out)
{
    natsMsg *message = NULL;
    natsStatus s =
        natsMsg_Create(&message, request->subject, reply, request->body, (int)request->bytes);
    const char *const *header = request->headers;
    for (; s == NATS_OK && header != NULL && header[0] != NULL; header += 2)
        s = natsMsgHeader_Set(message, header[0], header[1]);
    if (s != NATS_OK)
        natsMsg_Destroy(message);
    else
        *out = message;
    return s;
}

/* Answers to what was given up before are let go. NATS_NO_RESPONDERS: nobody listens. */
static natsStatus wait_for_answer(wb_nats_connection *connection, const char *reply,
                                  const wb_deadline *deadline, natsMsg **out)
{
    for (;;) {
        natsMsg *message = NULL;
        natsStatus s =
            natsSubscription_NextMsg(&message, connection->answers, left_ms(deadline, A_PIECE_MS));
        if (s == NATS_TIMEOUT && !wb_deadline_passed(deadline))
            continue;
        if (s != NATS_OK)
            return s;
        bool ours = strcmp(natsMsg_GetSubject(message), reply) == 0;
        if (ours && !natsMsg_IsNoResponders(message)) {
            *out = message;
            return NATS_OK;
        }
        natsMsg_Destroy(message);
        if (ours)
            return NATS_NO_RESPONDERS;
    }
}

static int too_large(const wb_nats_connection *connection, const wb_nats_request *request,
                     wb_err *err)
{
    wb_fail_store(err, WB_REJECT,
                  "nats server %s: a message of %zu bytes and its headers is larger than its "
                  "max_payload (%" PRId64 ")",
                  connection->server, request->bytes,
                  natsConnection_GetMaxPayload(connection->nats));
    if (err != NULL)
        err->too_large = true;
    return WB_STORE;
}

/* What the server said last tells more than that there was no answer: it may not let us publish. */
static int no_answer(wb_nats_connection *connection, natsStatus status, bool sent, wb_err *err)
{
    const char *said = NULL;
    (void)natsConnection_GetLastError(connection->nats, &said);
    bool forbidden = said != NULL && strstr(said, "ermissions") != NULL;
    wb_fail_store(err, forbidden ? WB_HOLD : WB_RETRY, "nats server %s: %s", connection->server,
                  forbidden                ? said
                  : status == NATS_TIMEOUT ? "no answer in time"
                                           : natsStatus_GetText(status));
    if (err != NULL)
        err->in_doubt = sent && !forbidden;
    wb_nats_disconnect(connection);
    return WB_STORE;
}

int wb_nats_ask(wb_nats_connection *connection, const wb_nats_request *request,
                const wb_deadline *deadline, natsMsg **out, wb_err *err)
{
    char reply[sizeof connection->inbox + 24];
    natsMsg *message = NULL;
    *out = NULL;
    snprintf(reply, sizeof reply, "%s.%" PRIu64, connection->inbox, ++connection->asked);
    natsStatus s = make_message(request, reply, &message);
    if (s != NATS_OK)
        return wb_fail_store(err, WB_RETRY, "nats: can't make a message: %s",
                             natsStatus_GetText(s));
    s = natsConnection_PublishMsg(connection->nats, message);
    natsMsg_Destroy(message);
    if (s == NATS_MAX_PAYLOAD)
        return too_large(connection, request, err);
    bool sent = s != NATS_CONNECTION_CLOSED; /* a part of it may have been, else */
    if (s == NATS_OK)
        s = wait_for_answer(connection, reply, deadline, out);
    if (s == NATS_OK || s == NATS_NO_RESPONDERS)
        return WB_OK;
    return no_answer(connection, s, sent, err);
}
