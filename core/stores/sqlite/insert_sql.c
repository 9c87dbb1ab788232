/* SPDX-License-Identifier: MIT
 * The INSERT of a row: with the columns that the row gives, so that the database fills the others; with what becomes of a
 * row of its key (upsert_sql.c). Statements of the
 * shapes that rows had lately are kept; a new one takes the place of the oldest.
 * Locks: none. Fails as connection.c says. */
#include <string.h>

#include "base/env.h"
#include "stores/sqlite/sqlite.h"

static void put_given(wb_buffer *sql, const wb_schema *schema, const uint64_t *shape,
                      bool parameters)
{
    const char *before = "";
    for (size_t i = 0; i < schema->count; i++) {
        if (!wb_shape_gives(schema, shape, i))
            continue;
        wb_buffer_put_text(sql, before);
        if (parameters)
            wb_buffer_printf(sql, "?%zu", i + 1);
        else
            wb_put_name(sql, schema->columns[i].column.name);
        before = ", ";
    }
}

static void put_unless_there(wb_buffer *sql, const char *table, const wb_target *target)
{
    wb_buffer_put_text(sql, " WHERE NOT EXISTS (SELECT 1 FROM ");
    wb_put_table(sql, table);
    wb_buffer_put_text(sql, " WHERE ");
    wb_put_name(sql, target->schema->columns[target->dedupe_column].column.name);
    wb_buffer_printf(sql, " = ?%d)", target->dedupe_column + 1);
}

static bool gives_nothing(const wb_schema *schema, const uint64_t *shape)
{
    size_t given = 0;
    for (size_t i = 0; i < schema->count; i++)
        given += wb_shape_gives(schema, shape, i);
    return given == 0;
}

static void put_insert(wb_buffer *sql, const wb_sqlite_insert *insert, const uint64_t *shape,
                       bool unless_there)
{
    const char *table = insert->connection->table;
    const wb_schema *schema = insert->target->schema;
    wb_buffer_put_text(sql, "INSERT INTO ");
    wb_put_table(sql, table);
    if (gives_nothing(schema, shape)) {
        wb_buffer_put_text(sql, " DEFAULT VALUES");
        return;
    }
    wb_buffer_put_text(sql, insert->target->upsert != NULL ? " AS t (" : " (");
    put_given(sql, schema, shape, false);
    wb_buffer_put_text(sql, unless_there ? ") SELECT " : ") VALUES (");
    put_given(sql, schema, shape, true);
    if (unless_there)
        put_unless_there(sql, table, insert->target);
    else
        wb_buffer_put_char(sql, ')');
    if (insert->target->upsert != NULL)
        wb_sqlite_put_conflict(sql, insert, shape);
}

/* The shape's place is behind the others until it has a statement. */
static bool make_room(wb_sqlite_shaped *shaped, size_t words)
{
    if (shaped->shapes == NULL)
        shaped->shapes = wb_alloc_zeroed((WB_SHAPES + 1) * (words + 1) * sizeof *shaped->shapes);
    return shaped->shapes != NULL;
}

static int add(wb_sqlite_shaped *shaped, const wb_sqlite_insert *insert, const uint64_t *shape,
               size_t words, sqlite3_stmt **out, wb_err *err)
{
    wb_buffer sql = WB_BUFFER_EMPTY;
    sqlite3_stmt *statement = NULL;
    put_insert(&sql, insert, shape, shaped->unless_there);
    int code = wb_sqlite_prepare_buffer(insert->connection, &sql, &statement, err);
    if (code != WB_OK)
        return code;
    size_t place = shaped->next;
    sqlite3_finalize(shaped->statements[place]);
    shaped->statements[place] = *out = statement;
    memcpy(shaped->shapes + place * words, shape, words * sizeof *shape);
    shaped->next = (place + 1) % WB_SHAPES;
    shaped->count += shaped->count < WB_SHAPES;
    return WB_OK;
}

int wb_sqlite_shaped_check(const wb_sqlite_insert *insert, wb_err *err)
{
    wb_sqlite_shaped all = {0};
    size_t words = wb_shape_words(insert->target->schema);
    sqlite3_stmt *statement;
    if (!make_room(&all, words))
        return wb_sqlite_no_memory(insert->connection, err);
    int code = add(&all, insert, all.shapes + WB_SHAPES * words, words, &statement, err);
    wb_sqlite_shaped_fini(&all);
    return code;
}

int wb_sqlite_shaped_find(wb_sqlite_shaped *shaped, const wb_sqlite_insert *insert,
                          const uint8_t *tuple, sqlite3_stmt **out, wb_err *err)
{
    const wb_schema *schema = insert->target->schema;
    size_t words = wb_shape_words(schema);
    if (words == 0 && shaped->count > 0) { /* there is one shape */
        *out = shaped->statements[0];
        return WB_OK;
    }
    if (!make_room(shaped, words))
        return wb_sqlite_no_memory(insert->connection, err);
    uint64_t *shape = shaped->shapes + WB_SHAPES * words;
    wb_shape_read(schema, tuple, shape);
    size_t place = wb_shape_find(shaped->shapes, shaped->count, shape, words);
    if (place == shaped->count)
        return add(shaped, insert, shape, words, out, err);
    *out = shaped->statements[place];
    return WB_OK;
}

void wb_sqlite_shaped_clear(wb_sqlite_shaped *shaped)
{
    for (size_t i = 0; i < shaped->count; i++)
        sqlite3_clear_bindings(shaped->statements[i]);
}

void wb_sqlite_shaped_fini(wb_sqlite_shaped *shaped)
{
    for (size_t i = 0; i < WB_SHAPES; i++)
        sqlite3_finalize(shaped->statements[i]);
    wb_free(shaped->shapes);
    *shaped = (wb_sqlite_shaped){0};
}
