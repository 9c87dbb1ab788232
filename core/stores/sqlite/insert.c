/* SPDX-License-Identifier: MIT
 * Writes a batch into an SQLite table, in the transaction there is, with one prepared INSERT a shape. SQLite reads the values
 * where they lie in the batch. A uuid is written as 36 lower-case characters (as 16 bytes where the column is declared
 * BLOB), a timestamptz as RFC 3339 with six digits and Z, a date as YYYY-MM-DD, a bool as 0 or 1.
 * Invariant: between two rows a statement is reset and has no bindings.
 * A row of a batch in doubt is written only if its id isn't in the table yet; so a row that is in stays as it is.
 * Locks: none. Fails as connection.c says, and with WB_REJECT for NaN, which SQLite would turn into NULL. */
#include <math.h>
#include <string.h>

#include "base/env.h"
#include "base/timestamp.h"
#include "stores/sqlite/sqlite.h"

static int rows_step(wb_sqlite_insert *insert, wb_sqlite_shaped *shaped, const wb_batch *batch,
                     wb_err *err);

/* ---- preparing ---- */

static int room_make(wb_sqlite_insert *insert, const wb_schema *schema)
{
    insert->as_bytes = wb_alloc_zeroed(schema->count * sizeof *insert->as_bytes);
    insert->values = wb_alloc_zeroed(schema->count * sizeof *insert->values);
    insert->texts = wb_alloc_zeroed(schema->count * sizeof *insert->texts);
    return insert->as_bytes && insert->values && insert->texts ? WB_OK : WB_MEMORY;
}

int wb_sqlite_insert_prepare(wb_sqlite_insert *insert, wb_sqlite_connection *connection,
                             const wb_target *target, const wb_sqlite_table *table, wb_err *err)
{
    const wb_schema *schema = target->schema;
    insert->connection = connection;
    insert->target = target;
    if (room_make(insert, schema) != WB_OK)
        return wb_sqlite_no_memory(connection, err);
    for (size_t i = 0; i < schema->count; i++)
        insert->as_bytes[i] =
            wb_sqlite_takes_bytes(wb_sqlite_column_find(table, schema->columns[i].column.name));
    return WB_OK;
}

void wb_sqlite_insert_fini(wb_sqlite_insert *insert)
{
    wb_sqlite_shaped_fini(&insert->shaped);
    wb_free(insert->as_bytes);
    wb_free(insert->values);
    wb_free(insert->texts);
    *insert = (wb_sqlite_insert){0};
}

/* ---- writing ---- */

static int rows_step_unless_there(wb_sqlite_insert *insert, const wb_batch *batch, wb_err *err)
{
    wb_sqlite_shaped shaped = {.unless_there = true};
    int code = rows_step(insert, &shaped, batch, err);
    wb_sqlite_shaped_fini(&shaped);
    return code;
}

int wb_sqlite_insert_rows(wb_sqlite_insert *insert, const wb_batch *batch, wb_err *err)
{
    bool ask = batch->in_doubt && insert->target->dedupe == WB_DEDUPE_COLUMN;
    return ask ? rows_step_unless_there(insert, batch, err)
               : rows_step(insert, &insert->shaped, batch, err);
}

/* ---- binding ---- */

static int text_bind(sqlite3_stmt *statement, int at, const char *text, size_t bytes)
{
    return sqlite3_bind_text64(statement, at, text, bytes, SQLITE_STATIC, SQLITE_UTF8);
}

int wb_sqlite_bind_uuid(sqlite3_stmt *statement, int at, const uint8_t id[16], bool as_bytes,
                        char text[WB_SQLITE_SHORT_TEXT])
{
    if (as_bytes)
        return sqlite3_bind_blob64(statement, at, id, 16, SQLITE_STATIC);
    wb_uuid_format(id, text);
    return text_bind(statement, at, text, 36);
}

int wb_sqlite_bind_time(sqlite3_stmt *statement, int at, int64_t unix_us,
                        char text[WB_SQLITE_SHORT_TEXT])
{
    wb_timestamp_format(unix_us, text);
    return text_bind(statement, at, text, strlen(text));
}

static int date_bind(sqlite3_stmt *statement, int at, int64_t days, char *text)
{
    wb_date_format((int32_t)days, text);
    return text_bind(statement, at, text, strlen(text));
}

static int value_bind(wb_sqlite_insert *insert, sqlite3_stmt *statement, size_t column, int type)
{
    const wb_value *value = &insert->values[column];
    char *text = insert->texts[column];
    int at = (int)column + 1;
    if (value->kind == WB_ABSENT) /* the statement has no such parameter */
        return SQLITE_OK;
    if (value->kind == WB_NULL)
        return sqlite3_bind_null(statement, at);
    switch (type) {
    case WB_TYPE_UUID:
        return wb_sqlite_bind_uuid(statement, at, (const uint8_t *)value->text,
                                   insert->as_bytes[column], text);
    case WB_TYPE_TIMESTAMPTZ:
        return wb_sqlite_bind_time(statement, at, value->i, text);
    case WB_TYPE_DATE:
        return date_bind(statement, at, value->i, text);
    case WB_TYPE_FLOAT4:
    case WB_TYPE_FLOAT8:
        return isnan(value->f) ? SQLITE_RANGE : sqlite3_bind_double(statement, at, value->f);
    case WB_TYPE_BYTEA:
        return sqlite3_bind_blob64(statement, at, value->text, value->bytes, SQLITE_STATIC);
    case WB_TYPE_TEXT:
    case WB_TYPE_JSON:
    case WB_TYPE_JSONB:
        return text_bind(statement, at, value->text, value->bytes);
    default:
        return sqlite3_bind_int64(statement, at, value->i);
    }
}

/* A statement has a parameter for each column of the schema, so SQLITE_RANGE stands for NaN alone. */
static int bind_fail(const wb_sqlite_insert *insert, const wb_column *column, int status,
                     wb_err *err)
{
    if (status != SQLITE_RANGE)
        return wb_sqlite_fail(insert->connection, status, err);
    return wb_fail_store(err, WB_REJECT, "table \"%s\": column \"%s\" (%s): SQLite can't store NaN",
                         insert->connection->table, column->name, wb_type_name(column->type));
}

static int row_bind(wb_sqlite_insert *insert, sqlite3_stmt *statement, const wb_schema *schema,
                    wb_err *err)
{
    for (size_t i = 0; i < schema->count; i++) {
        const wb_column *column = &schema->columns[i].column;
        int status = value_bind(insert, statement, i, column->type);
        if (status != SQLITE_OK)
            return bind_fail(insert, column, status, err);
    }
    return WB_OK;
}

/* The row is known. SQLITE_ERROR is what a trigger's or a check's SQL failed with: the table's fault or the row's. */
static void name_row(const wb_sqlite_insert *insert, size_t index, wb_err *err)
{
    if (err == NULL)
        return;
    err->row = (uint32_t)index + 1;
    err->unsure = err->error_class == WB_HOLD &&
                  (sqlite3_errcode(insert->connection->db) & 0xff) == SQLITE_ERROR;
}

static int row_step(wb_sqlite_insert *insert, wb_sqlite_shaped *shaped, const wb_schema *schema,
                    const uint8_t *tuple, wb_err *err)
{
    sqlite3_stmt *statement = NULL;
    int code = wb_sqlite_shaped_find(shaped, insert, tuple, &statement, err);
    if (code != WB_OK)
        return code;
    wb_row_values(schema, tuple, insert->values);
    code = row_bind(insert, statement, schema, err);
    if (code == WB_OK)
        code = wb_sqlite_run(insert->connection, statement, NULL, err);
    sqlite3_clear_bindings(statement);
    return code;
}

static int rows_step(wb_sqlite_insert *insert, wb_sqlite_shaped *shaped, const wb_batch *batch,
                     wb_err *err)
{
    const uint8_t *tuple = batch->tuples + wb_batch_begin(batch);
    int code = WB_OK;
    for (size_t row = batch->first; code == WB_OK && row < batch->count; row++) {
        code = row_step(insert, shaped, batch->schema, tuple, err);
        if (code != WB_OK)
            name_row(insert, row - batch->first, err);
        tuple = batch->tuples + batch->rows[row].end;
    }
    return code;
}
