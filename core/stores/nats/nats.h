/* SPDX-License-Identifier: MIT
 * The inside of the NATS store: what its files share. A batch is a message of a JetStream stream: its rows as a stream of
 * binary COPY, what they are in headers (message.c). It is known by the batch's id, under which the server stores it once
 * for as long as its duplicate window lasts, so that a message whose answer was lost is sent again as it was.
 *
 * By libnats, of whose connections one is used by one thread, here: what it does by itself is switched off. It does not
 * connect again, since then it would keep messages; and the answer is waited for in short pieces, so that a request to stop
 * is heard. The library starts threads of its own at the first connection of a process, and has none after a fork:
 * a child of one that used it is refused.
 * Sources: the client protocol (HPUB, no responders) and ADR-1, "JetStream JSON API Design", of the NATS project. */
#ifndef WB_STORES_NATS_H
#define WB_STORES_NATS_H

#include <nats/nats.h>

#include "base/buffer.h"
#include "stores/store.h"

/* What a store is made of: owned, and not changed. */
typedef struct wb_nats_settings {
    char **servers; /* URLs */
    size_t count;
    char *stream, *subject; /* subject: NULL where it follows from the stream and the table */
    char *user, *password, *token, *credentials;
    char *tls_ca, *tls_cert, *tls_key;
} wb_nats_settings;

/* WB_INVALID says which one is wrong, and never shows a password; WB_MEMORY. Needs wb_nats_settings_fini in any case. */
int wb_nats_settings_init(wb_nats_settings *settings, const wb_nats_options *options, wb_err *err);
void wb_nats_settings_fini(wb_nats_settings *settings);
/* The subject of a table's messages. False: no memory. */
bool wb_nats_subject(const wb_nats_settings *settings, const char *table, wb_buffer *out);

/* ---- a connection ---- */

typedef struct wb_nats_connection {
    const wb_nats_settings *settings;
    natsConnection *nats; /* NULL: there is none */
    natsSubscription *answers;
    char inbox[48];
    uint64_t asked;
    size_t next;      /* server to try */
    char server[128]; /* host:port, for errors */
} wb_nats_connection;

/* Where there is none: to the first server that answers. WB_STORE: HOLD where it refuses us, else RETRY. */
int wb_nats_connect(wb_nats_connection *connection, const wb_deadline *deadline, wb_err *err);
void wb_nats_disconnect(wb_nats_connection *connection);

/* What a request is made of, and its answer. */
typedef struct wb_nats_request {
    const char *subject;
    const char *const *headers; /* names and values in turn, up to a NULL; NULL: none */
    const void *body;
    size_t bytes;
} wb_nats_request;

/* Sends it over a connection that is there, and waits for its answer, which the caller frees with natsMsg_Destroy. *out is
 * NULL after WB_OK where nobody listens to the subject. WB_STORE: RETRY, in_doubt once it was sent, and the connection
 * is closed; or it is too_large, and was not sent. */
int wb_nats_ask(wb_nats_connection *connection, const wb_nats_request *request,
                const wb_deadline *deadline, natsMsg **out, wb_err *err);

/* ---- answers of JetStream ---- */

typedef struct wb_nats_answer {
    int error; /* its number of the error (err_code); 0: there is none */
    char why[160];
    uint64_t sequence;   /* of the message; 0: it has none */
    uint64_t most_bytes; /* that the stream holds, of one that describes it; 0: any */
} wb_nats_answer;

enum { WB_NATS_FULL = 10077 }; /* an error: the stream is */

/* False: it is none. */
bool wb_nats_read_answer(const char *json, size_t bytes, wb_nats_answer *out);
/* Fills *err with WB_STORE and the class of an answer's error. */
int wb_nats_refused(const wb_nats_answer *answer, const char *stream, wb_err *err);
/* Is one message larger than all that the stream may hold? */
bool wb_nats_never_fits(wb_nats_connection *connection, size_t bytes, const wb_deadline *deadline);
/* Nobody listened to the subject: asks for the stream, why. */
int wb_nats_nobody(wb_nats_connection *connection, const char *subject, const wb_deadline *deadline,
                   wb_err *err);

/* ---- a message ---- */

/* Headers and body of a batch. They are freed with it. */
typedef struct wb_nats_message {
    char id[37], rows[24];
    char *columns, *subject;
    uint8_t *body;
    size_t bytes;
    const char *headers[16];
} wb_nats_message;

/* WB_STORE: RETRY without memory; REJECT where not all rows leave the same columns to the server. Needs
 * wb_nats_message_fini in any case. */
int wb_nats_message_of(const wb_nats_settings *settings, const wb_target *target,
                       const wb_batch *batch, wb_nats_message *out, wb_err *err);
void wb_nats_message_fini(wb_nats_message *message);

#endif
