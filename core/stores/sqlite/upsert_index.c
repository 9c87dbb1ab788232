/* SPDX-License-Identifier: MIT
 * The unique index that an upsert goes by: one of exactly the key's columns, in any order, and of all rows; or the rowid
 * that is the key. SQLite would say of a table without one only that the clause matches none.
 * Locks: none. Fails as connection.c says, and with WB_HOLD, which names the index that nearly fits, or those that
 * there are. */
#include "base/env.h"
#include "rows/upsert.h"
#include "stores/sqlite/sqlite.h"

/* A row for each column of a unique index; one of an expression has no name. */
static const char indexes_sql[] =
    "SELECT l.name, l.partial, x.name, x.coll FROM pragma_index_list(?1, ?2) l, "
    "pragma_index_xinfo(l.name, ?2) x WHERE l.\"unique\" AND x.key ORDER BY l.seq, x.seqno";

enum { NAME, PARTIAL, COLUMN, COLLATION };

/* The index whose columns are read, and what came of those before it. */
typedef struct search {
    const wb_target *target;
    char *name; /* NULL: none is read */
    bool partial;
    size_t columns, matched, expressions;
    wb_buffer over; /* its columns */
    bool found;
    bool folds;       /* a column of the key is compared by a collation */
    wb_buffer nearly; /* why one that covers the key does not do; empty: there is none */
    wb_buffer unique; /* those that there are */
} search;

static const char *key_name(const wb_target *target, size_t i)
{
    return target->schema->columns[target->upsert->key[i]].column.name;
}

static bool is_of_key(const wb_target *target, const char *name)
{
    for (size_t i = 0; i < target->upsert->key_count; i++)
        if (sqlite3_stricmp(key_name(target, i), name) == 0)
            return true;
    return false;
}

/* ---- reading ---- */

static void end_index(search *s)
{
    bool covers =
        s->columns == s->target->upsert->key_count && s->matched + s->expressions == s->columns;
    const char *why = s->expressions > 0 ? "of an expression" : "of some rows alone";
    if (s->name == NULL)
        return;
    if (covers && s->expressions == 0 && !s->partial)
        s->found = true;
    else if (covers && s->nearly.bytes == 0)
        wb_buffer_printf(&s->nearly,
                         "unique index \"%s\" is %s, and an upsert can't go by it: make one of the "
                         "columns, without a WHERE",
                         s->name, why);
    wb_buffer_printf(&s->unique, "%s\"%s\" (%.*s)", s->unique.bytes > 0 ? ", " : "", s->name,
                     (int)s->over.bytes, s->over.data);
    wb_free(s->name);
    s->name = NULL;
    s->over.bytes = s->columns = s->matched = s->expressions = 0;
}

static void begin_index(search *s, sqlite3_stmt *rows)
{
    const char *name = (const char *)sqlite3_column_text(rows, NAME);
    if (s->name != NULL && name != NULL && sqlite3_stricmp(s->name, name) == 0)
        return;
    end_index(s);
    s->name = name == NULL ? NULL : wb_strdup(name);
    s->unique.failed |= s->name == NULL;
    s->partial = sqlite3_column_int(rows, PARTIAL) != 0;
}

static bool is_binary(const char *collation)
{
    return collation != NULL && sqlite3_stricmp(collation, "BINARY") == 0;
}

static void read_column(search *s, sqlite3_stmt *rows)
{
    begin_index(s, rows);
    const char *column = (const char *)sqlite3_column_text(rows, COLUMN);
    wb_buffer_put_text(&s->over, s->columns++ > 0 ? ", " : "");
    wb_buffer_put_text(&s->over, column != NULL ? column : "an expression");
    s->expressions += column == NULL;
    bool of_key = column != NULL && is_of_key(s->target, column);
    s->matched += of_key;
    s->folds |= of_key && !is_binary((const char *)sqlite3_column_text(rows, COLLATION));
}

static int read_indexes(wb_sqlite_connection *connection, search *s, wb_err *err)
{
    sqlite3_stmt *rows = NULL;
    int code = wb_sqlite_prepare(connection, indexes_sql, &rows, err);
    if (code != WB_OK)
        return code;
    int status = wb_sqlite_bind_names(rows, connection->table);
    while (status == SQLITE_OK && (status = sqlite3_step(rows)) == SQLITE_ROW) {
        read_column(s, rows);
        status = SQLITE_OK;
    }
    if (status != SQLITE_DONE)
        code = wb_sqlite_fail(connection, status, err);
    sqlite3_finalize(rows);
    end_index(s);
    if (code == WB_OK && (s->over.failed || s->nearly.failed || s->unique.failed))
        code = wb_sqlite_no_memory(connection, err);
    return code;
}

/* ---- the rowid ---- */

static bool is_rowid(const wb_sqlite_table *table, const wb_target *target)
{
    const wb_sqlite_column *column = wb_sqlite_column_find(table, key_name(target, 0));
    return target->upsert->key_count == 1 && column != NULL && column->rowid;
}

static void list_rowid(search *s, const wb_sqlite_table *table)
{
    for (size_t i = 0; i < table->count; i++)
        if (table->columns[i].rowid)
            wb_buffer_printf(&s->unique, "the rowid (%s)", table->columns[i].name);
}

/* ---- answering ---- */

static int refuse(const wb_sqlite_connection *connection, const search *s, wb_err *err)
{
    wb_buffer key = WB_BUFFER_EMPTY;
    if (s->nearly.bytes > 0)
        return wb_fail_store(err, WB_HOLD, "table \"%s\": %.*s", connection->table,
                             (int)s->nearly.bytes, s->nearly.data);
    for (size_t i = 0; i < s->target->upsert->key_count; i++)
        wb_buffer_printf(&key, "%s%s", i > 0 ? ", " : "", key_name(s->target, i));
    char *columns = wb_buffer_take(&key, NULL);
    wb_fail_store(err, WB_HOLD,
                  "table \"%s\": an upsert needs a unique index of exactly (%s), which there is "
                  "not: make it%s%.*s",
                  connection->table, columns != NULL ? columns : "…",
                  s->unique.bytes > 0 ? "; the unique ones are: " : "", (int)s->unique.bytes,
                  s->unique.bytes > 0 ? s->unique.data : "");
    wb_free(columns);
    return WB_STORE;
}

int wb_sqlite_upsert_check(wb_sqlite_connection *connection, const wb_target *target,
                           const wb_sqlite_table *table, bool *folds, wb_err *err)
{
    search s = {.target = target};
    *folds = false;
    if (is_rowid(table, target))
        return WB_OK;
    list_rowid(&s, table);
    int code = read_indexes(connection, &s, err);
    if (code == WB_OK && !s.found)
        code = refuse(connection, &s, err);
    *folds = s.folds;
    wb_buffer_fini(&s.over);
    wb_buffer_fini(&s.nearly);
    wb_buffer_fini(&s.unique);
    return code;
}
