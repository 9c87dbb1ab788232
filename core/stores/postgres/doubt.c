/* SPDX-License-Identifier: MIT
 * Writing a batch in doubt: the connection of its earlier write broke after the end of the stream was sent, so its
 * rows may be in, or may still get in. A row keeps the id that was made when it was added. So a row whose id is in
 * the table is stored, and only the others are written.
 *
 * An id that is not there yet may still come: the server may be at work on the earlier write. The unique index
 * decides. COPY waits for another transaction that has put the same id there. Where that one rolls back, COPY goes
 * on; where it commits, COPY fails (23505), and asking again finds what came. Each turn finds more than the one
 * before, or ends.
 *
 * Without a unique index nothing waits, and asking would read the whole table: the rows are written again, and the
 * log says so. Without the right to read the column the rows are tried. An id that is there shows as 23505 then,
 * and the batch is held, with an error that names the missing right.
 * Used by the session's thread, so not locked. Fails as wire.c and copy.c do, or with RETRY without memory. */
#include "stores/postgres/postgres.h"

#include <string.h>

#include "base/env.h"
#include "rows/row.h"

enum { ID_BYTES = 16 };

/* Which rows of a batch are stored. */
struct answer {
    bool *there; /* a flag for each row */
    size_t count;
    wb_err refused; /* code is WB_OK, or asking is not allowed */
};

/* ---- asking ---- */

static const char *id_of(const wb_batch *batch, size_t row, int column)
{
    size_t bytes;
    const uint8_t *field = wb_batch_row(batch, row, &bytes) + sizeof(uint16_t);
    wb_value value = {.kind = WB_NULL};
    for (int i = 0; i <= column; i++)
        field = wb_field_value(batch->schema->columns[i].column.type, field, &value);
    return value.text;
}

static void put_ids(wb_buffer *ids, const wb_batch *batch, int column)
{
    size_t rows = wb_batch_left(batch);
    wb_pg_put_array(ids, WB_PG_UUID, rows, ID_BYTES);
    for (size_t row = 0; row < rows; row++) {
        wb_pg_put_int32(ids, ID_BYTES);
        wb_buffer_put(ids, id_of(batch, row, column), ID_BYTES);
    }
}

static bool holds(const PGresult *sorted, const char *id)
{
    int low = 0, high = PQntuples(sorted);
    while (low < high) {
        int middle = low + (high - low) / 2;
        int order = memcmp(PQgetvalue(sorted, middle, 0), id, ID_BYTES);
        if (order == 0)
            return true;
        if (order < 0)
            low = middle + 1;
        else
            high = middle;
    }
    return false;
}

static void take_answer(struct answer *answer, const wb_batch *batch, int column,
                        const PGresult *sorted)
{
    answer->count = 0;
    for (size_t row = 0; row < wb_batch_left(batch); row++) {
        answer->there[row] = holds(sorted, id_of(batch, row, column));
        answer->count += answer->there[row];
    }
}

static int ask(wb_pg_session *session, const wb_batch *batch, const wb_deadline *deadline,
               struct answer *answer, wb_err *err)
{
    int column = session->target.dedupe_column;
    wb_buffer ids = WB_BUFFER_EMPTY;
    wb_pg_params params = {0};
    PGresult *sorted = NULL;
    put_ids(&ids, batch, column);
    wb_pg_bind(&params, WB_PG_UUIDS, ids.data, ids.bytes);
    char *sql = wb_pg_which_statement(wb_pg_table_now(session)->quoted, &session->target);
    int code = sql == NULL || ids.failed
                   ? wb_fail_store(err, WB_RETRY, "out of memory for the ids")
                   : wb_pg_run(session, sql, &params, true, deadline, &sorted, err);
    if (code == WB_OK)
        take_answer(answer, batch, column, sorted);
    PQclear(sorted);
    wb_free(sql);
    wb_buffer_fini(&ids);
    return code;
}

/* ---- writing ---- */

/* WB_OK too where asking is not allowed. */
static int ask_if_allowed(wb_pg_session *session, const wb_batch *batch,
                          const wb_deadline *deadline, struct answer *answer, wb_err *err)
{
    int code = ask(session, batch, deadline, answer, err);
    if (code == WB_OK || strcmp(err->sqlstate, "42501") != 0)
        return code;
    answer->refused = *err;
    wb_wrap(&answer->refused, code, "whether the rows of an interrupted write are there");
    return WB_OK;
}

/* Where a turn ends without new rows there, *err is that of the COPY before it. */
static int write_missing(wb_pg_session *session, const wb_batch *batch, const wb_deadline *deadline,
                         struct answer *answer, bool *begun, wb_err *err)
{
    for (bool again = false;; again = true) {
        wb_err own = {.code = WB_OK};
        size_t before = answer->count;
        int code = ask_if_allowed(session, batch, deadline, answer, &own);
        if (code == WB_OK && again && answer->refused.code != WB_OK) {
            own = answer->refused;
            code = own.code;
        }
        if (code == WB_OK && again && answer->count == before)
            return WB_STORE; /* the conflict is with a row of another batch */
        if (code != WB_OK) {
            *err = own;
            return code;
        }
        *begun = true;
        if (answer->count == wb_batch_left(batch))
            return WB_OK;
        code = wb_pg_copy(session, batch, answer->there, deadline, begun, err);
        if (code == WB_OK || strcmp(err->sqlstate, "23505") != 0)
            return code;
    }
}

static void warn(const wb_pg_session *session, const wb_batch *batch)
{
    const wb_target *target = &session->target;
    if (target->log != NULL)
        wb_log_line(target->log, WB_TOPIC_NOTICE, WB_WARN, wb_now_us(), wb_batch_left(batch),
                    "table \"%s\": column \"%s\" has no unique index: the rows of an interrupted "
                    "write are written again and may be there twice",
                    session->tables->name,
                    target->schema->columns[target->dedupe_column].column.name);
}

int wb_pg_copy_missing(wb_pg_session *session, const wb_batch *batch, const wb_deadline *deadline,
                       bool *begun, wb_err *err)
{
    if (!wb_pg_table_now(session)->unique) {
        warn(session, batch);
        return wb_pg_copy(session, batch, NULL, deadline, begun, err);
    }
    struct answer answer = {.there = wb_alloc_zeroed(wb_batch_left(batch))};
    if (answer.there == NULL)
        return wb_fail_store(err, WB_RETRY, "out of memory for the ids");
    int code = write_missing(session, batch, deadline, &answer, begun, err);
    wb_free(answer.there);
    return code;
}
