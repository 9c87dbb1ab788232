/* SPDX-License-Identifier: MIT
 * Stores, which writebehind.h includes: where rows go. */
#ifndef WRITEBEHIND_STORES_H
#define WRITEBEHIND_STORES_H

#include "writebehind/values.h"

#ifdef __cplusplus
extern "C" {
#endif

/* Where rows go: the description of a destination, without a connection. Counted. Every batcher and tracker opens its
 * own connection, in its own thread, when it has its first row to deliver. */
typedef struct wb_store wb_store;

/* conninfo: what libpq takes; WB_INVALID where it can't read it. Doesn't connect. */
WB_API int wb_store_postgres(const char *conninfo, wb_store **out, wb_err *err);
/* Who uses the store gives its connection back after so long without a write, and connects again for the next. 0, as
 * at the beginning: it keeps it. To be called before the store is used. */
WB_API void wb_store_idle_timeout(wb_store *store, int64_t us);
/* A database file; `create` also makes missing files and tables. */
WB_API int wb_store_sqlite(const char *path, bool create, wb_store **out, wb_err *err);
/* A stream of NATS JetStream, in which a batch is a message: its rows as a stream of binary COPY, known by the batch's id.
 * The subject of a message is `subject`, or "STREAM.TABLE". All strings are copied; but for servers and stream any may be
 * NULL. */
typedef struct wb_nats_options {
    const char *servers; /* URLs, nats://HOST:PORT or tls://HOST:PORT, with commas between them */
    const char *stream, *subject;
    const char *user, *password; /* both or none */
    const char *token;
    const char *credentials;                 /* path of a .creds file */
    const char *tls_ca, *tls_cert, *tls_key; /* paths of PEM files; any of them asks for TLS */
} wb_nats_options;
/* Doesn't connect. WB_INVALID for what can't be; WB_MISUSE where the library was built without libnats. */
WB_API int wb_store_nats(const wb_nats_options *options, wb_store **out, wb_err *err);
/* A question to JetStream's API, as "$JS.API.STREAM.INFO.hits" with the body "": *out is its answer, JSON that the caller
 * frees with wb_free. Blocks until the deadline. WB_STORE: nobody answered. */
WB_API int wb_nats_api(const wb_nats_options *options, const char *subject, const char *body,
                       int64_t deadline_us, char **out, wb_err *err);
/* Rows in memory: the newest `keep_rows` of each table (SIZE_MAX: all). The reference store of the tests. */
WB_API int wb_store_memory(size_t keep_rows, wb_store **out, wb_err *err);
/* The second takes what the first has refused for `after_us`, table by table; meanwhile the first is tried once in that
 * time. A batch whose fate is unknown goes back to the one that may have it. Takes references. WB_MISUSE. */
WB_API int wb_store_fallback(wb_store *first, wb_store *second, int64_t after_us, wb_store **out,
                             wb_err *err);
/* By URL: "postgresql://…", "postgres://…", "sqlite:PATH", "memory:",
 * "nats://HOST:PORT,…/STREAM". */
WB_API int wb_store_open(const char *url, bool create, wb_store **out, wb_err *err);
WB_API wb_store *wb_store_ref(wb_store *store);
WB_API void wb_store_unref(wb_store *store);
/* "postgresql", "sqlite", "nats", "memory" or "fallback"; the first two are also dialects of wb_schema_ddl. */
WB_API const char *wb_store_kind(const wb_store *store);
/* A column of a table that a schema leaves out, and why. */
typedef struct wb_left_out {
    struct wb_left_out *next;
    const char *reason; /* constant */
    const char *name;
} wb_left_out;
WB_API void wb_left_out_free(wb_left_out *list); /* NULL is fine */
/* Reads the schema of a live table: every column that may be given. server_default: the names of columns that are to be
 * left to the server where they are absent, up to a NULL, which may be NULL itself. *left_out: the other columns, in
 * their order, for the caller to free; may be NULL. Blocks until the deadline. WB_INVALID: nothing can be given, or there
 * is no column of such a name. */
WB_API int wb_store_describe(wb_store *store, const char *table, const char *const *server_default,
                             int64_t deadline_us, wb_schema **out, wb_left_out **left_out,
                             wb_err *err);
/* The schema alone. */
WB_API int wb_store_schema(wb_store *store, const char *table, int64_t deadline_us, wb_schema **out,
                           wb_err *err);
/* Runs SQL that answers no rows, such as a DDL script, in one transaction. Blocks until the deadline. WB_MISUSE for a
 * memory store. */
WB_API int wb_store_execute(wb_store *store, const char *sql, int64_t deadline_us, wb_err *err);
typedef struct wb_batch wb_batch;
/* The rows that a memory store keeps of a table, oldest first, in one batch that the caller frees with wb_batch_free;
 * *total (may be NULL) is how many were ever written. WB_MISUSE for another kind of store. */
WB_API int wb_store_memory_rows(wb_store *store, const char *table, wb_batch **out, uint64_t *total,
                                wb_err *err);
/* The time that a memory store keeps for an id; WB_NEVER where it has none. A put makes the row that a tracker then
 * updates. key_type (enum wb_type) is that of the tracker's key, of which int4 and int8 are one here. WB_INVALID for a
 * value that can't be an id. */
WB_API int64_t wb_store_memory_time_us(wb_store *store, const char *table, int key_type,
                                       const wb_value *id);
WB_API int wb_store_memory_put(wb_store *store, const char *table, int key_type, const wb_value *id,
                               int64_t unix_us, wb_err *err);

#ifdef __cplusplus
}
#endif

#endif
