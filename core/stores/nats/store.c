/* SPDX-License-Identifier: MIT
 * The NATS store: servers and a stream, and sessions of one connection each, which the first write opens. A write is a
 * message, sent and answered for. A message that is there already, by its id, is as good as stored. Locks: none; a session
 * belongs to one thread. Fails as nats.h says. */
#include <string.h>

#include "base/env.h"
#include "base/err.h"
#include "stores/nats/nats.h"

typedef struct nats_store {
    wb_store base;
    wb_nats_settings settings;
} nats_store;

typedef struct nats_session {
    wb_session base;
    nats_store *store; /* a reference */
    const wb_target *target;
    wb_nats_connection connection;
} nats_session;

/* ---- a session ---- */

static wb_session *nats_session_new(wb_store *base, const wb_target *target)
{
    nats_session *session = wb_alloc_zeroed(sizeof *session);
    if (session == NULL)
        return NULL;
    session->base.class = base->class;
    session->store = (nats_store *)wb_store_ref(base);
    session->target = target;
    session->connection.settings = &session->store->settings;
    wb_env_system.random(NULL, &session->connection.next, sizeof session->connection.next);
    return &session->base;
}

static void nats_session_end(wb_session *base)
{
    nats_session *session = (nats_session *)base;
    wb_nats_disconnect(&session->connection);
    wb_store_unref(&session->store->base);
    wb_free(session);
}

/* ---- a write ---- */

/* A message that is larger than the stream would wait for ever: in smaller ones its rows have room some time. */
static int refused(nats_session *session, const wb_nats_answer *answer, size_t bytes,
                   const wb_deadline *deadline, wb_err *err)
{
    int code = wb_nats_refused(answer, session->store->settings.stream, err);
    if (answer->error == WB_NATS_FULL && err != NULL)
        err->too_large = wb_nats_never_fits(&session->connection, bytes, deadline);
    return code;
}

/* Stored, or why not. */
static int judge(nats_session *session, const natsMsg *reply, size_t sent,
                 const wb_deadline *deadline, wb_err *err)
{
    wb_nats_answer answer;
    const char *stream = session->store->settings.stream;
    size_t bytes = (size_t)natsMsg_GetDataLength(reply);
    if (!wb_nats_read_answer(natsMsg_GetData(reply), bytes, &answer)) {
        wb_fail_store(err, WB_HOLD, "stream \"%s\": what answers is no JetStream", stream);
        if (err != NULL)
            err->in_doubt = true;
        return WB_STORE;
    }
    if (answer.error != 0)
        return refused(session, &answer, sent, deadline, err);
    if (answer.sequence > 0)
        return WB_OK;
    return wb_fail_store(err, WB_RETRY, "stream \"%s\": a message has no place in it yet", stream);
}

static int send(nats_session *session, const wb_nats_message *message, const wb_deadline *deadline,
                wb_err *err)
{
    natsMsg *reply;
    const wb_nats_request request = {.subject = message->subject,
                                     .headers = message->headers,
                                     .body = message->body,
                                     .bytes = message->bytes};
    int code = wb_nats_ask(&session->connection, &request, deadline, &reply, err);
    if (code != WB_OK)
        return code;
    if (reply == NULL)
        return wb_nats_nobody(&session->connection, message->subject, deadline, err);
    code = judge(session, reply, message->bytes, deadline, err);
    natsMsg_Destroy(reply);
    return code;
}

static int nats_write(wb_session *base, const wb_batch *batch, const wb_deadline *deadline,
                      wb_err *err)
{
    nats_session *session = (nats_session *)base;
    wb_nats_message message;
    int code = wb_nats_connect(&session->connection, deadline, err);
    if (code != WB_OK)
        return code;
    code = wb_nats_message_of(&session->store->settings, session->target, batch, &message, err);
    if (code == WB_OK)
        code = send(session, &message, deadline, err);
    wb_nats_message_fini(&message);
    return code;
}

/* ---- the store ---- */

static void nats_free(wb_store *base)
{
    nats_store *store = (nats_store *)base;
    wb_nats_settings_fini(&store->settings);
    wb_free(store);
}

static const wb_store_class nats_class = {
    .kind = "nats",
    .ledger = true,
    .keyed = true,
    .one_shape = true,
    .session = nats_session_new,
    .write = nats_write,
    .end = nats_session_end,
    .free = nats_free,
};

int wb_store_nats(const wb_nats_options *options, wb_store **out, wb_err *err)
{
    nats_store *store = wb_alloc_zeroed(sizeof *store);
    if (store == NULL)
        return wb_fail(err, WB_MEMORY, "nats store: out of memory");
    store->base.class = &nats_class;
    atomic_init(&store->base.references, 1);
    int code = wb_nats_settings_init(&store->settings, options, err);
    if (code != WB_OK) {
        nats_free(&store->base);
        return code;
    }
    *out = &store->base;
    return WB_OK;
}
