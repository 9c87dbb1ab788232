/* SPDX-License-Identifier: MIT
 * Several statements as one transaction, sent without waiting for each other, with parameters: libpq's pipeline mode. What
 * is sent up to a Sync is one implicit transaction, without a BEGIN; an error rolls it back whole, and the server leaves
 * out the rest. The Sync is what commits, and is held back until all else was answered: a connection that breaks
 * before it leaves nothing behind, and what is in doubt is a commit alone. So a write has as many round trips as a COPY.
 * Prepared statements have no name, so none is left behind on a connection that a pooler gives to others.
 *
 * Invariant: outside of these functions a connection is in pipeline mode only between open and commit or close.
 * Used by the session's thread, so not locked. Fails as wire.c does. */
#include "stores/postgres/postgres.h"

#include "base/env.h"

#ifdef LIBPQ_HAS_PIPELINING
enum { HAS_PIPELINES = true };
#else /* libpq before 14 */
enum { HAS_PIPELINES = false, PGRES_PIPELINE_SYNC = -1 };
#define PQenterPipelineMode(conn) (false)
#define PQexitPipelineMode(conn)  (false)
#define PQsendFlushRequest(conn)  (false)
#define PQpipelineSync(conn)      (false)
#endif

/* ---- sending ---- */

int wb_pg_pipe_open(wb_pg_session *session, wb_err *err)
{
    if (!HAS_PIPELINES)
        return wb_fail_store(err, WB_HOLD,
                             "an upsert needs libpq 14 or later, and this library was built with "
                             "an older one");
    wb_pg_listen(session);
    return PQenterPipelineMode(session->conn) ? WB_OK : wb_pg_lost(session, err);
}

/* Small ones go out with what follows. */
static int queued(wb_pg_session *session, int good, wb_err *err)
{
    return good ? WB_OK : wb_pg_lost(session, err);
}

static int sent(wb_pg_session *session, int good, const wb_deadline *deadline, wb_err *err)
{
    return good ? wb_pg_flush(session, deadline, err) : wb_pg_lost(session, err);
}

static char *take(wb_buffer *sql, wb_err *err)
{
    char *text = wb_buffer_take(sql, NULL);
    if (text == NULL)
        wb_fail_store(err, WB_RETRY, "out of memory for a statement");
    return text;
}

int wb_pg_pipe_put(wb_pg_session *session, wb_buffer *sql, wb_err *err)
{
    char *text = take(sql, err);
    if (text == NULL)
        return WB_STORE;
    int good = PQsendQueryParams(session->conn, text, 0, NULL, NULL, NULL, NULL, 0);
    wb_free(text);
    return queued(session, good, err);
}

int wb_pg_pipe_prepare(wb_pg_session *session, wb_buffer *sql, wb_err *err)
{
    char *text = take(sql, err);
    if (text == NULL)
        return WB_STORE;
    int good = PQsendPrepare(session->conn, "", text, 0, NULL);
    wb_free(text);
    return queued(session, good, err);
}

int wb_pg_pipe_run(wb_pg_session *session, const wb_pg_parameters *parameters,
                   const wb_deadline *deadline, wb_err *err)
{
    int good = PQsendQueryPrepared(session->conn, "", parameters->count, parameters->values,
                                   parameters->lengths, parameters->formats, 0);
    return sent(session, good, deadline, err);
}

int wb_pg_pipe_ask(wb_pg_session *session, const wb_deadline *deadline, wb_err *err)
{
    return sent(session, PQsendFlushRequest(session->conn), deadline, err);
}

/* ---- answers ---- */

/* A NULL follows each answer. */
int wb_pg_pipe_answer(wb_pg_session *session, const wb_deadline *deadline, PGresult **out,
                      wb_err *err)
{
    PGresult *end = NULL;
    int code = wb_pg_result(session, deadline, out, err);
    if (code == WB_OK && *out == NULL)
        return wb_pg_deviates(session, "too few answers", err);
    if (code != WB_OK || PQstatus(session->conn) == CONNECTION_BAD)
        return code;
    code = wb_pg_result(session, deadline, &end, err);
    if (code == WB_OK && end != NULL)
        code = wb_pg_deviates(session, "too many answers", err);
    PQclear(end);
    if (code != WB_OK) {
        PQclear(*out);
        *out = NULL;
    }
    return code;
}

/* Reads up to the Sync's answer; *refusal becomes the first error before it. Two NULLs one after the other say that
 * nothing more will come. */
static int read_sync(wb_pg_session *session, const wb_deadline *deadline, PGresult **refusal,
                     wb_err *err)
{
    for (int nothing = 0; nothing < 2;) {
        PGresult *result = NULL;
        int code = wb_pg_result(session, deadline, &result, err);
        if (code != WB_OK)
            return code;
        nothing = result == NULL ? nothing + 1 : 0;
        ExecStatusType status = PQresultStatus(result);
        if (status == PGRES_FATAL_ERROR && result != NULL && *refusal == NULL)
            *refusal = result;
        else
            PQclear(result);
        if (result != NULL && (int)status == PGRES_PIPELINE_SYNC)
            return WB_OK;
        if (PQstatus(session->conn) == CONNECTION_BAD)
            return wb_pg_lost(session, err);
    }
    return wb_pg_deviates(session, "no end of a transaction", err);
}

static void leave(wb_pg_session *session)
{
    if (!PQexitPipelineMode(session->conn))
        wb_pg_drop(session);
}

int wb_pg_pipe_commit(wb_pg_session *session, const wb_deadline *deadline, PGresult **refusal,
                      bool *in_doubt, wb_err *err)
{
    *in_doubt = false;
    if (!wb_pg_peek(session->conn))
        return wb_pg_lost(session, err);
    *in_doubt = true;
    int code = sent(session, PQpipelineSync(session->conn), deadline, err);
    if (code == WB_OK)
        code = read_sync(session, deadline, refusal, err);
    if (code == WB_OK) {
        *in_doubt = false;
        leave(session);
    }
    return *refusal == NULL ? code : WB_STORE;
}

void wb_pg_pipe_close(wb_pg_session *session, bool refused, const wb_deadline *deadline)
{
    PGresult *refusal = NULL;
    if (!refused)
        wb_pg_drop(session);
    if (session->conn == NULL)
        return;
    int code = sent(session, PQpipelineSync(session->conn), deadline, NULL);
    if (code == WB_OK)
        code = read_sync(session, deadline, &refusal, NULL);
    PQclear(refusal);
    if (code == WB_OK)
        leave(session);
}
