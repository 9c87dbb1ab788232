/* SPDX-License-Identifier: MIT
 * Writing a batch whose earlier write may be in, or may still get in: its connection broke after the end of
 * the stream was sent. A row keeps the id that was made when it was added, so a row whose id is in the table
 * is stored, and only the others are written.
 *
 * That an id is not there yet is no proof that it won't come: the server may be at work on the earlier write.
 * The unique index is what decides. COPY waits on an id that another transaction has put there, and goes on
 * where that one rolls back; where it commits, COPY fails (23505), and asking again finds what came. Each
 * turn finds more than the one before, or ends.
 *
 * Without a unique index nothing waits, and asking would read the whole table: then the rows are written
 * again, and the log says so. Without the right to read the column the rows are tried; that an id is
 * there shows as 23505 then, and the batch is held, naming the right that is missing. */
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
    wb_buffer_reserve(ids, WB_PG_ARRAY_BYTES + rows * (4 + ID_BYTES));
    wb_pg_put_array(ids, WB_PG_UUID, rows);
    for (size_t row = 0; row < rows; row++) {
        wb_pg_put_int32(ids, ID_BYTES);
        wb_buffer_put(ids, id_of(batch, row, column), ID_BYTES);
    }
}

/* NULL: no memory. The server sorts uuids as memcmp does. */
static char *question(const wb_pg_session *session)
{
    const wb_target *target = &session->target;
    const char *column = target->schema->columns[target->dedupe_column].column.name;
    wb_buffer sql = WB_BUFFER_EMPTY;
    wb_buffer_put_text(&sql, "SELECT ");
    wb_put_name(&sql, column);
    wb_buffer_printf(&sql, " FROM %s WHERE ", wb_pg_aim_now(session)->table);
    wb_put_name(&sql, column);
    wb_buffer_put_text(&sql, " = ANY ($1) ORDER BY 1");
    return wb_buffer_take(&sql, NULL);
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

static int ask_with(wb_pg_session *session, const char *sql, const wb_buffer *ids,
                    const wb_deadline *deadline, PGresult **out, wb_err *err)
{
    static const Oid type = WB_PG_UUIDS;
    static const int binary = 1;
    const char *value = ids->data;
    int bytes = (int)ids->bytes;
    wb_pg_params params = {1, &type, &value, &bytes, &binary};
    return wb_pg_run(session, sql, &params, true, deadline, out, err);
}

static int ask(wb_pg_session *session, const wb_batch *batch, const wb_deadline *deadline,
               struct answer *answer, wb_err *err)
{
    int column = session->target.dedupe_column;
    wb_buffer ids = WB_BUFFER_EMPTY;
    PGresult *sorted = NULL;
    put_ids(&ids, batch, column);
    char *sql = question(session);
    int code = sql == NULL || ids.failed ? wb_fail_store(err, WB_RETRY, "out of memory for the ids")
                                         : ask_with(session, sql, &ids, deadline, &sorted, err);
    if (code == WB_OK)
        take_answer(answer, batch, column, sorted);
    PQclear(sorted);
    wb_free(sql);
    wb_buffer_fini(&ids);
    return code;
}

/* ---- writing ---- */

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
            return WB_STORE; /* the conflict is with another row: *err tells */
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
                    session->aims->name,
                    target->schema->columns[target->dedupe_column].column.name);
}

int wb_pg_copy_missing(wb_pg_session *session, const wb_batch *batch, const wb_deadline *deadline,
                       bool *begun, wb_err *err)
{
    if (!wb_pg_aim_now(session)->unique) {
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
