/* SPDX-License-Identifier: MIT
 * Writes a batch into an SQLite table, in the transaction there is, with one prepared INSERT a shape. SQLite reads
 * the values where they lie in the batch. A uuid is written as 36 lower-case characters (as 16 bytes where the column
 * is declared BLOB), a timestamptz as RFC 3339 with six digits and Z (in a DATETIME column as others write there), a
 * bool as 0 or 1, what is not told here as text. Invariant: between two writes the statements are reset and have no
 * bindings. A row of a batch in doubt is written only if its id isn't in the table yet; so a row that is in stays as
 * it is. Locks: none. Fails as connection.c says, and with WB_REJECT for NaN, which SQLite would turn into NULL. */
#include <math.h>
#include <string.h>

#include "base/env.h"
#include "base/timestamp.h"
#include "rows/decimal.h"
#include "rows/keyed.h"
#include "rows/value_text.h"
#include "rows/types.h"
#include "rows/upsert.h"
#include "stores/sqlite/sqlite.h"

static int rows_step(wb_sqlite_insert *insert, wb_sqlite_shaped *shaped, const wb_batch *batch,
                     wb_err *err);
static int row_step(wb_sqlite_insert *insert, wb_sqlite_shaped *shaped, const wb_schema *schema,
                    const uint8_t *tuple, wb_err *err);
static void name_row(const wb_sqlite_insert *insert, size_t index, wb_err *err);

/* ---- preparing ---- */

static int room_make(wb_sqlite_insert *insert, const wb_schema *schema)
{
    insert->forms = wb_alloc_zeroed(schema->count * sizeof *insert->forms);
    insert->values = wb_alloc_zeroed(schema->count * sizeof *insert->values);
    insert->texts = wb_alloc_zeroed(schema->count * sizeof *insert->texts);
    return insert->forms && insert->values && insert->texts ? WB_OK : WB_MEMORY;
}

int wb_sqlite_insert_prepare(wb_sqlite_insert *insert, wb_sqlite_connection *connection,
                             const wb_target *target, const wb_sqlite_table *table, wb_err *err)
{
    const wb_schema *schema = target->schema;
    insert->connection = connection;
    insert->target = target;
    if (room_make(insert, schema) != WB_OK)
        return wb_sqlite_no_memory(connection, err);
    for (size_t i = 0; i < schema->count; i++) {
        const wb_column *column = &schema->columns[i].column;
        insert->forms[i] = wb_sqlite_form(wb_sqlite_column_find(table, column->name), column->type);
    }
    if (target->upsert == NULL)
        return WB_OK;
    int code = wb_sqlite_upsert_check(connection, target, table, &insert->folds, err);
    return code == WB_OK ? wb_sqlite_shaped_check(insert, err) : code;
}

void wb_sqlite_insert_fini(wb_sqlite_insert *insert)
{
    wb_sqlite_shaped_fini(&insert->shaped);
    wb_free(insert->forms);
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

/* By key, so that SQLite finds its pages in their order; but as they came where a collation may take two keys for one. */
static int rows_upsert(wb_sqlite_insert *insert, const wb_batch *batch, wb_err *err)
{
    wb_keyed keyed;
    const wb_upsert *upsert = insert->target->upsert;
    bool made = insert->folds ? wb_keyed_as_they_came(batch, NULL, upsert, &keyed)
                              : wb_keyed_of(batch, NULL, upsert, &keyed);
    if (!made)
        return wb_sqlite_no_memory(insert->connection, err);
    size_t changed = 0;
    int code = WB_OK;
    for (size_t i = 0; code == WB_OK && i < keyed.rows_count; i++) {
        const wb_keyed_row *row = &keyed.rows[i];
        code = row_step(insert, &insert->shaped, batch->schema, row->at, err);
        if (code == WB_OK)
            changed += (size_t)sqlite3_changes(insert->connection->db);
        else
            name_row(insert, row->row, err);
    }
    wb_sqlite_shaped_clear(&insert->shaped);
    insert->superseded = wb_keyed_superseded(
        &keyed, wb_upsert_skips(upsert, batch->schema) ? keyed.rows_count - changed : 0);
    wb_keyed_fini(&keyed);
    return code;
}

/* An upsert of a batch in doubt is one that may be repeated, or the ledger says that the batch is not in. */
int wb_sqlite_insert_rows(wb_sqlite_insert *insert, const wb_batch *batch, wb_err *err)
{
    if (insert->target->upsert != NULL)
        return rows_upsert(insert, batch, err);
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

/* As text, an array as JSON; SQLite copies it. */
static int other_bind(sqlite3_stmt *statement, int at, const wb_column *column,
                      const wb_value *value)
{
    wb_buffer text = WB_BUFFER_EMPTY;
    if (column->array)
        wb_put_json_value(&text, column, value);
    else
        wb_put_value(&text, column, value);
    int status = text.failed ? SQLITE_NOMEM
                             : sqlite3_bind_text64(statement, at, text.data, text.bytes,
                                                   SQLITE_TRANSIENT, SQLITE_UTF8);
    wb_buffer_fini(&text);
    return status;
}

/* What has a text of fixed size. */
static int short_bind(sqlite3_stmt *statement, int at, int type, const wb_value *value,
                      char text[WB_SQLITE_SHORT_TEXT])
{
    return text_bind(statement, at, text, wb_type_text(type, value, text));
}

/* SQLite makes a number of the text, which keeps its value up to 15 digits; or of whole ones up to 64 bits. */
static int decimal_bind(sqlite3_stmt *statement, int at, const wb_column *column,
                        const wb_value *value)
{
    enum { WITHIN = 300 };
    const uint8_t *data = (const uint8_t *)value->text;
    int64_t whole;
    char text[1];
    if (wb_decimal_int64(data, &whole))
        return sqlite3_bind_int64(statement, at, whole);
    bool kept = wb_decimal_is_number(data) && wb_decimal_digits(data) <= WB_SQLITE_KEPT_DIGITS &&
                wb_value_text(column, value, text, 0) <= WITHIN;
    return kept ? other_bind(statement, at, column, value) : SQLITE_RANGE;
}

static int value_bind(wb_sqlite_insert *insert, sqlite3_stmt *statement, size_t index,
                      const wb_column *column)
{
    const wb_value *value = &insert->values[index];
    char *text = insert->texts[index];
    int at = (int)index + 1, form = insert->forms[index];
    if (value->kind == WB_ABSENT) /* the statement has no such parameter */
        return SQLITE_OK;
    if (value->kind == WB_NULL)
        return sqlite3_bind_null(statement, at);
    if (column->array)
        return other_bind(statement, at, column, value);
    switch (column->type) {
    case WB_TYPE_UUID:
        return wb_sqlite_bind_uuid(statement, at, (const uint8_t *)value->text,
                                   form == WB_SQLITE_BYTES, text);
    case WB_TYPE_TIMESTAMPTZ:
        return short_bind(statement, at, form == WB_SQLITE_WALL ? WB_TYPE_TIMESTAMP : column->type,
                          value, text);
    case WB_TYPE_FLOAT4:
    case WB_TYPE_FLOAT8:
        return isnan(value->f) ? SQLITE_RANGE : sqlite3_bind_double(statement, at, value->f);
    case WB_TYPE_BYTEA:
        return sqlite3_bind_blob64(statement, at, value->text, value->bytes, SQLITE_STATIC);
    case WB_TYPE_TEXT:
    case WB_TYPE_JSON:
    case WB_TYPE_JSONB:
        return text_bind(statement, at, value->text, value->bytes);
    case WB_TYPE_BOOL:
    case WB_TYPE_INT2:
    case WB_TYPE_INT4:
    case WB_TYPE_INT8:
        return sqlite3_bind_int64(statement, at, value->i);
    case WB_TYPE_NUMERIC:
        return form == WB_SQLITE_NUMBER ? decimal_bind(statement, at, column, value)
                                        : other_bind(statement, at, column, value);
    default:
        return short_bind(statement, at, column->type, value, text);
    }
}

/* A statement has a parameter for each column of the schema, so SQLITE_RANGE stands for a number that is not kept. */
static int bind_fail(const wb_sqlite_insert *insert, const wb_column *column, int status,
                     wb_err *err)
{
    if (status != SQLITE_RANGE)
        return wb_sqlite_fail(insert->connection, status, err);
    return wb_fail_store(err, WB_REJECT, "table \"%s\": column \"%s\" (%s): SQLite can't store %s",
                         insert->connection->table, column->name, wb_type_name(column->type),
                         column->type == WB_TYPE_NUMERIC
                             ? "this number exactly: declare the column as \"numeric TEXT\""
                             : "NaN");
}

static int row_bind(wb_sqlite_insert *insert, sqlite3_stmt *statement, const wb_schema *schema,
                    wb_err *err)
{
    for (size_t i = 0; i < schema->count; i++) {
        const wb_column *column = &schema->columns[i].column;
        int status = value_bind(insert, statement, i, column);
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
    return code == WB_OK ? wb_sqlite_run(insert->connection, statement, NULL, err) : code;
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
    wb_sqlite_shaped_clear(shaped);
    return code;
}
