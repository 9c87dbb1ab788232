/* SPDX-License-Identifier: MIT
 * Writing a batch in doubt: the connection of its earlier write broke after the end of the stream was sent, so its
 * rows may be in, or may still get in. A row keeps the id that was made when it was added. So a row whose id is in
 * the table is stored, and only the others are written.
 *
 * The question goes by the columns of a unique index, and by the id. A row that is not there yet may still come: the
 * server may be at work on the earlier write. The index decides. COPY waits for another transaction that has put the
 * same key there. Where that one rolls back, COPY goes on; where it commits, COPY fails (23505), and asking again finds
 * what came. Each turn finds more than the one before, or ends.
 *
 * Without such an index nothing waits, and the question may have to read the whole table: it goes by the id alone, in
 * bounded time, and the log says that rows may be there twice. Without the right to read the columns the rows are
 * tried. One that is there shows as 23505 then, and the batch is held, with an error that names the missing right.
 * Used by the session's thread, so not locked. Fails as wire.c and copy.c do, or with RETRY without memory. */
#include "stores/postgres/postgres.h"

#include <string.h>

#include "base/env.h"
#include "rows/row.h"

/* Without an index: the share of the write's timeout that the question may take. */
enum { SCAN_PERCENT = 20 };

/* An index has 32 columns at most (PostgreSQL manual, "Limits"), and the id. */
enum { KEY_MOST = 33 };

/* What the question goes by: columns of the schema. */
struct key {
    bool unique; /* a unique index has all but perhaps the last */
    size_t count;
    size_t columns[KEY_MOST];
};

/* Which rows of a batch are stored. */
struct answer {
    struct key key;
    bool *there; /* a flag for each row */
    size_t count;
    wb_err refused; /* code is WB_OK, or asking is not allowed */
};

/* ---- by which columns ---- */

/* Of each unique index over all rows and over columns alone: the names in its key, and its OID; those with the id
 * first. */
static const char indexes_sql[] =
    "SELECT k.attname, i.indexrelid FROM pg_catalog.pg_index i, LATERAL (SELECT a.attname, a.attnum"
    "  FROM pg_catalog.pg_attribute a WHERE a.attrelid = i.indrelid"
    "  AND a.attnum = ANY ((i.indkey::int2[])[0:i.indnkeyatts - 1])) k"
    " WHERE i.indrelid = %s AND i.indisunique AND i.indisvalid AND i.indpred IS NULL"
    " AND 0 <> ALL ((i.indkey::int2[])[0:i.indnkeyatts - 1])"
    " ORDER BY pg_catalog.bool_or(k.attname = ";
static const char id_first[] = ") OVER (PARTITION BY i.indexrelid) DESC, 2, k.attnum";

/* Takes an index's columns, from a row on; false: one is not in the schema, or may not be in a row, or NULL and so not in
 * the index, or is an array, which can't be an element of another. */
static bool take_index(const PGresult *indexes, int row, const wb_schema *schema, struct key *key)
{
    const char *index = PQgetvalue(indexes, row, 1);
    key->count = 0;
    for (; row < PQntuples(indexes) && strcmp(PQgetvalue(indexes, row, 1), index) == 0; row++) {
        const char *name = PQgetvalue(indexes, row, 0);
        int column = wb_schema_find(schema, name, strlen(name));
        if (column < 0 || schema->columns[column].column.null ||
            schema->columns[column].column.array || schema->columns[column].column.server_default)
            return false;
        key->columns[key->count++] = (size_t)column;
    }
    return true;
}

static bool is_new_index(const PGresult *indexes, int row)
{
    return row == 0 || strcmp(PQgetvalue(indexes, row, 1), PQgetvalue(indexes, row - 1, 1)) != 0;
}

static void choose_key(const PGresult *indexes, const wb_target *target, struct key *key)
{
    size_t id = (size_t)target->dedupe_column;
    key->unique = false;
    for (int row = 0; row < PQntuples(indexes) && !key->unique; row++)
        key->unique = is_new_index(indexes, row) && take_index(indexes, row, target->schema, key);
    if (!key->unique)
        key->count = 0;
    size_t at = 0;
    while (at < key->count && key->columns[at] != id)
        at++;
    if (at == key->count)
        key->columns[key->count++] = id;
}

static int find_key(wb_pg_session *session, const wb_deadline *deadline, struct key *key,
                    wb_err *err)
{
    const wb_target *target = &session->target;
    const PGresult *columns = wb_pg_table_now(session)->columns;
    PGresult *indexes = NULL;
    wb_buffer sql = WB_BUFFER_EMPTY;
    wb_pg_put_settings(&sql, session);
    wb_buffer_printf(&sql, indexes_sql, PQgetvalue(columns, 0, WB_PG_TABLE));
    wb_pg_put_literal(&sql, target->schema->columns[target->dedupe_column].column.name);
    wb_buffer_put_text(&sql, id_first);
    int code = wb_pg_ask(session, &sql, (wb_pg_shape){.columns = 2}, deadline, &indexes, err);
    if (code == WB_OK)
        choose_key(indexes, target, key);
    PQclear(indexes);
    return code;
}

/* ---- asking ---- */

/* As the table's own type: text that stands for an enum is compared as one. */
static void put_column(wb_buffer *sql, const wb_pg_session *session, const wb_batch *batch,
                       size_t column)
{
    const wb_column *own = &batch->schema->columns[column].column;
    const PGresult *columns = wb_pg_table_now(session)->columns;
    wb_pg_begin_array(sql);
    for (size_t row = 0; row < wb_batch_left(batch); row++) {
        size_t bytes;
        wb_value value = wb_row_value(batch->schema, wb_batch_row(batch, row, &bytes), column);
        wb_pg_put_element(sql, own->type, &value);
    }
    wb_pg_end_array_of(sql, PQgetvalue(columns, wb_pg_find(columns, own->name), WB_PG_TYPE));
}

/* The index is what the question goes by, whatever the planner believes of a table that was never analyzed. */
static void put_bounds(wb_buffer *sql, const wb_pg_session *session, const struct key *key)
{
    wb_pg_put_settings(sql, session);
    if (key->unique)
        wb_buffer_put_text(sql, "SET LOCAL enable_seqscan = off; SET LOCAL enable_hashjoin = off; "
                                "SET LOCAL enable_mergejoin = off; SET LOCAL jit = off; ");
    else
        wb_buffer_printf(sql, "SET LOCAL statement_timeout = %d; ",
                         wb_pg_share_ms(session, SCAN_PERCENT));
}

/* Answers the numbers of the rows that are there, from 1. */
static void put_question(wb_buffer *sql, const wb_pg_session *session, const wb_batch *batch,
                         const struct key *key)
{
    put_bounds(sql, session, key);
    wb_buffer_put_text(sql, "SELECT m.n FROM ROWS FROM (");
    for (size_t i = 0; i < key->count; i++) {
        wb_buffer_put_text(sql, i > 0 ? ", pg_catalog.unnest(" : "pg_catalog.unnest(");
        put_column(sql, session, batch, key->columns[i]);
        wb_buffer_put_char(sql, ')');
    }
    wb_buffer_put_text(sql, ") WITH ORDINALITY AS m(");
    for (size_t i = 0; i < key->count; i++)
        wb_buffer_printf(sql, "c%zu, ", i);
    wb_buffer_printf(sql, "n) JOIN %s AS t ON ",
                     PQgetvalue(wb_pg_table_now(session)->columns, 0, WB_PG_FULL));
    for (size_t i = 0; i < key->count; i++) {
        wb_buffer_put_text(sql, i > 0 ? " AND t." : "t.");
        wb_put_name(sql, batch->schema->columns[key->columns[i]].column.name);
        wb_buffer_printf(sql, " = m.c%zu", i);
    }
}

static bool take_answer(struct answer *answer, const PGresult *numbers, size_t rows)
{
    for (int row = 0; row < PQntuples(numbers); row++) {
        uint64_t number;
        if (!wb_pg_number(PQgetvalue(numbers, row, 0), &number) || number < 1 || number > rows)
            return false;
        answer->count += !answer->there[number - 1];
        answer->there[number - 1] = true;
    }
    return true;
}

static int ask(wb_pg_session *session, const wb_batch *batch, const wb_deadline *deadline,
               struct answer *answer, wb_err *err)
{
    PGresult *numbers = NULL;
    wb_buffer sql = WB_BUFFER_EMPTY;
    put_question(&sql, session, batch, &answer->key);
    int code = wb_pg_ask(session, &sql, (wb_pg_shape){.columns = 1}, deadline, &numbers, err);
    if (code == WB_OK && !take_answer(answer, numbers, wb_batch_left(batch)))
        code = wb_pg_deviates(session, "rows that were not asked for", err);
    PQclear(numbers);
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
        code = wb_pg_write(session, &(wb_pg_rows){batch, answer->there}, deadline, begun, err);
        if (code == WB_OK || strcmp(err->sqlstate, "23505") != 0)
            return code;
    }
}

static void warn(const wb_pg_session *session, size_t rows)
{
    const wb_target *target = &session->target;
    if (target->log != NULL)
        wb_log_line(target->log, WB_TOPIC_NOTICE, WB_WARN, wb_now_us(), rows,
                    "table \"%s\": no unique index goes by column \"%s\" or by others that the "
                    "schema has: rows of an interrupted write may be there twice",
                    session->tables->name,
                    target->schema->columns[target->dedupe_column].column.name);
}

/* A question that finds no answer in its time is no reason to wait: the rows are written. */
static int write_unseen(wb_pg_session *session, const wb_batch *batch, const wb_deadline *deadline,
                        struct answer *answer, bool *begun, wb_err *err)
{
    int code = ask_if_allowed(session, batch, deadline, answer, err);
    bool took_long = code != WB_OK && strcmp(err->sqlstate, "57014") == 0;
    if (code != WB_OK && !took_long)
        return code;
    *begun = true;
    warn(session, wb_batch_left(batch) - answer->count);
    if (answer->count == wb_batch_left(batch))
        return WB_OK;
    return wb_pg_write(session, &(wb_pg_rows){batch, answer->there}, deadline, begun, err);
}

int wb_pg_copy_missing(wb_pg_session *session, const wb_batch *batch, const wb_deadline *deadline,
                       bool *begun, wb_err *err)
{
    struct answer answer = {.there = wb_alloc_zeroed(wb_batch_left(batch))};
    if (answer.there == NULL)
        return wb_fail_store(err, WB_RETRY, "out of memory for the ids");
    int code = find_key(session, deadline, &answer.key, err);
    if (code == WB_OK)
        code = (answer.key.unique ? write_missing : write_unseen)(session, batch, deadline, &answer,
                                                                  begun, err);
    wb_free(answer.there);
    return code;
}
