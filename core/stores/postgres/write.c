/* SPDX-License-Identifier: MIT
 * Writing rows: by COPY where all leave the same columns to the server, else by an INSERT, which can say DEFAULT for
 * each. An INSERT takes about six times as long; the outbox sees to it that it is rare.
 * Used by the session's thread, so not locked. Fails as wire.c and errors.c say, or with RETRY without memory. */
#include "stores/postgres/postgres.h"

#include <string.h>

#include "rows/shape.h"

/* Reads answers to the end. */
static int insert_answer(wb_pg_session *session, const wb_pg_rows *rows,
                         const wb_deadline *deadline, bool *in_doubt, wb_err *err)
{
    for (;;) {
        PGresult *result = NULL;
        int code = wb_pg_result(session, deadline, &result, err);
        if (code != WB_OK || result == NULL)
            return code;
        if (PQresultStatus(result) != PGRES_COMMAND_OK)
            code = wb_pg_refused(session, rows, result, in_doubt, err);
        PQclear(result);
        if (code == WB_OK)
            continue;
        if (wb_pg_drain(session, deadline, NULL) != WB_OK)
            wb_pg_drop(session);
        return code;
    }
}

/* A connection that is dead is found out before the statement is sent: after that its fate is unknown. */
static int insert(wb_pg_session *session, const wb_pg_rows *rows, const wb_deadline *deadline,
                  bool *begun, wb_err *err)
{
    wb_buffer sql = WB_BUFFER_EMPTY;
    bool in_doubt = true;
    wb_buffer_put_char(&sql, ';');
    int code = wb_pg_run(session, &sql, deadline, err);
    if (code != WB_OK)
        return code;
    *begun = true;
    wb_pg_put_insert(&sql, session, rows);
    code = wb_pg_send(session, &sql, deadline, err);
    if (code == WB_OK)
        code = insert_answer(session, rows, deadline, &in_doubt, err);
    if (code != WB_OK)
        err->in_doubt = in_doubt;
    return code;
}

/* COPY has no word for rows of which nothing is given. */
static bool takes_copy(const wb_schema *schema, const wb_shapes *shapes)
{
    for (size_t i = 0; shapes->count == 1 && i < schema->count; i++)
        if (wb_shape_gives(schema, shapes->shapes, i))
            return true;
    return false;
}

int wb_pg_write(wb_pg_session *session, const wb_pg_rows *rows, const wb_deadline *deadline,
                bool *begun, wb_err *err)
{
    wb_shapes shapes;
    if (!wb_shapes_of(rows->batch, &shapes))
        return wb_fail_store(err, WB_RETRY, "out of memory for the rows' shapes");
    int code = takes_copy(rows->batch->schema, &shapes)
                   ? wb_pg_copy(session, rows, shapes.shapes, deadline, begun, err)
                   : insert(session, rows, deadline, begun, err);
    wb_shapes_fini(&shapes);
    return code;
}
