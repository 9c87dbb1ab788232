/* SPDX-License-Identifier: MIT
 * What a table in the database is like, and whether a schema fits it. SQLite takes any value in any column, and
 * changes some of them (in a numeric column, text that looks like a number). So the declared types are compared
 * before the first row is written.
 * Invariant: a read that fails leaves no columns.
 * Locks: none. Fails as connection.c says; and with WB_HOLD, naming the table, the column and both types. */
#include <stdio.h>
#include <string.h>

#include "base/env.h"
#include "rows/schema.h"
#include "stores/sqlite/sqlite.h"

enum { FIRST_WORD_BYTES = 32 };

#define BIT(type) (1u << (type))
#define INTEGERS  (BIT(WB_TYPE_BOOL) | BIT(WB_TYPE_INT2) | BIT(WB_TYPE_INT4) | BIT(WB_TYPE_INT8))
#define FLOATS    (BIT(WB_TYPE_FLOAT4) | BIT(WB_TYPE_FLOAT8))
#define TIMES     (BIT(WB_TYPE_TIMESTAMPTZ) | BIT(WB_TYPE_TIMESTAMP))
#define ADDRESSES (BIT(WB_TYPE_INET) | BIT(WB_TYPE_CIDR) | BIT(WB_TYPE_MACADDR))
#define SPANS     (BIT(WB_TYPE_TIME) | BIT(WB_TYPE_INTERVAL))
#define MARKS     (BIT(WB_TYPE_UUID) | TIMES | BIT(WB_TYPE_DATE) | SPANS | ADDRESSES)
#define NUMBERS   (INTEGERS | FLOATS | BIT(WB_TYPE_NUMERIC))
#define JSONS     (BIT(WB_TYPE_JSON) | BIT(WB_TYPE_JSONB))

/* The types whose values a column of an affinity keeps as they are. */
static const unsigned kept_by_affinity[] = {
    [WB_AFF_BLOB] = BIT(WB_TYPE_BYTEA) | BIT(WB_TYPE_UUID),
    [WB_AFF_TEXT] = BIT(WB_TYPE_TEXT) | BIT(WB_TYPE_NUMERIC) | MARKS | JSONS,
    [WB_AFF_NUMERIC] = NUMBERS | MARKS | BIT(WB_TYPE_BYTEA),
    [WB_AFF_INTEGER] = INTEGERS,
    [WB_AFF_REAL] = FLOATS | BIT(WB_TYPE_NUMERIC),
};

/* The types that a column keeps if it is declared with one of our names. Text, which is also SQLite's own word, goes
 * by affinity. */
static const unsigned kept_by_name[] = {
    [WB_TYPE_BOOL] = BIT(WB_TYPE_BOOL),
    [WB_TYPE_INT2] = BIT(WB_TYPE_INT2),
    [WB_TYPE_INT4] = BIT(WB_TYPE_INT2) | BIT(WB_TYPE_INT4),
    [WB_TYPE_INT8] = BIT(WB_TYPE_INT2) | BIT(WB_TYPE_INT4) | BIT(WB_TYPE_INT8),
    [WB_TYPE_FLOAT4] = BIT(WB_TYPE_FLOAT4),
    [WB_TYPE_FLOAT8] = FLOATS,
    [WB_TYPE_BYTEA] = BIT(WB_TYPE_BYTEA),
    [WB_TYPE_UUID] = BIT(WB_TYPE_UUID),
    [WB_TYPE_TIMESTAMPTZ] = BIT(WB_TYPE_TIMESTAMPTZ),
    [WB_TYPE_DATE] = BIT(WB_TYPE_DATE),
    [WB_TYPE_JSON] = JSONS,
    [WB_TYPE_JSONB] = JSONS,
    [WB_TYPE_TIMESTAMP] = TIMES,
    [WB_TYPE_TIME] = BIT(WB_TYPE_TIME),
    [WB_TYPE_NUMERIC] = BIT(WB_TYPE_NUMERIC),
    [WB_TYPE_INTERVAL] = BIT(WB_TYPE_INTERVAL),
    [WB_TYPE_INET] = BIT(WB_TYPE_INET) | BIT(WB_TYPE_CIDR),
    [WB_TYPE_CIDR] = BIT(WB_TYPE_CIDR),
    [WB_TYPE_MACADDR] = BIT(WB_TYPE_MACADDR),
};

/* Usual names that are not ours. */
static const struct alias {
    const char *name;
    int type;
} aliases[] = {
    {"boolean", WB_TYPE_BOOL},          {"datetime", WB_TYPE_TIMESTAMP},
    {"decimal", WB_TYPE_NUMERIC},       {"binary", WB_TYPE_BYTEA},
    {"varbinary", WB_TYPE_BYTEA},       {"guid", WB_TYPE_UUID},
    {"uniqueidentifier", WB_TYPE_UUID},
};

static const int type_of_affinity[] = {
    [WB_AFF_BLOB] = WB_TYPE_BYTEA,     [WB_AFF_TEXT] = WB_TYPE_TEXT,
    [WB_AFF_NUMERIC] = WB_TYPE_FLOAT8, [WB_AFF_INTEGER] = WB_TYPE_INT8,
    [WB_AFF_REAL] = WB_TYPE_FLOAT8,
};

static int columns_read(wb_sqlite_connection *connection, sqlite3_stmt *rows, wb_sqlite_table *out,
                        wb_err *err);
static bool column_read(sqlite3_stmt *rows, wb_sqlite_table *out);
static int affinity_of(const char *declared);

/* ---- names ---- */

/* Reads the quoted name at `quoted` into `out`, and returns what follows its closing quote. */
static const char *name_unquote(const char *quoted, char *out)
{
    const char *at = quoted + 1;
    while (*at != '\0' && (at[0] != '"' || at[1] == '"')) {
        at += at[0] == '"';
        *out++ = *at++;
    }
    *out = '\0';
    return *at == '"' ? at + 1 : at;
}

int wb_sqlite_bind_names(sqlite3_stmt *statement, const char *table)
{
    wb_buffer quoted = WB_BUFFER_EMPTY;
    wb_put_table(&quoted, table);
    char *text = wb_buffer_take(&quoted, NULL);
    char *name = text == NULL ? NULL : wb_strdup(text);
    int status = name == NULL ? SQLITE_NOMEM : SQLITE_OK;
    if (status == SQLITE_OK) {
        const char *rest = name_unquote(text, name);
        if (*rest == '.') {
            status = sqlite3_bind_text(statement, 2, name, -1, SQLITE_TRANSIENT);
            name_unquote(rest + 1, name);
        }
    }
    if (status == SQLITE_OK)
        status = sqlite3_bind_text(statement, 1, name, -1, SQLITE_TRANSIENT);
    wb_free(name);
    wb_free(text);
    return status;
}

/* ---- reading ---- */

/* ANY in a STRICT table keeps whatever it is given, as a column without a type does; elsewhere it is a number's. The
 * pragma is as old as STRICT. */
#define STRICT_TYPE                                                                                \
    "CASE WHEN type = 'ANY' COLLATE NOCASE AND EXISTS (SELECT 1 FROM pragma_table_list l "         \
    "WHERE l.name = ?1 COLLATE NOCASE AND l.schema = ifnull(?2, l.schema) COLLATE NOCASE "         \
    "AND l.strict) THEN '' ELSE type END"

#define COLUMNS_SQL(type)                                                                          \
    "SELECT name, " type ", \"notnull\", dflt_value, pk, EXISTS (SELECT 1 "                        \
    "FROM pragma_index_list(?1, ?2) WHERE origin = 'pk'), hidden, "                                \
    "EXISTS (SELECT 1 FROM pragma_foreign_key_list(?1, ?2) f "                                     \
    "WHERE f.\"from\" = x.name COLLATE NOCASE) "                                                   \
    "FROM pragma_table_xinfo(?1, ?2) x WHERE hidden <> 1"

static const char *columns_sql(void)
{
    return sqlite3_libversion_number() >= 3037000 ? COLUMNS_SQL(STRICT_TYPE) : COLUMNS_SQL("type");
}

/* An INTEGER PRIMARY KEY names the rowid, unless the key has an index of its own: in a table WITHOUT ROWID it has. */
int wb_sqlite_table_read(wb_sqlite_connection *connection, wb_sqlite_table *out, wb_err *err)
{
    *out = (wb_sqlite_table){.name = connection->table};
    sqlite3_stmt *rows = NULL;
    int code = wb_sqlite_prepare(connection, columns_sql(), &rows, err);
    if (code != WB_OK)
        return code;
    int status = wb_sqlite_bind_names(rows, connection->table);
    code = status == SQLITE_OK ? columns_read(connection, rows, out, err)
                               : wb_sqlite_fail(connection, status, err);
    sqlite3_finalize(rows);
    if (code != WB_OK)
        wb_sqlite_table_fini(out);
    return code;
}

static int columns_read(wb_sqlite_connection *connection, sqlite3_stmt *rows, wb_sqlite_table *out,
                        wb_err *err)
{
    int status;
    while ((status = sqlite3_step(rows)) == SQLITE_ROW) {
        if (!column_read(rows, out))
            return wb_sqlite_no_memory(connection, err);
    }
    if (status != SQLITE_DONE)
        return wb_sqlite_fail(connection, status, err);
    for (size_t i = 0; i < out->count; i++)
        out->columns[i].rowid = out->columns[i].rowid && out->keys == 1;
    return WB_OK;
}

static char *text_copy(sqlite3_stmt *rows, int index)
{
    const char *text = (const char *)sqlite3_column_text(rows, index);
    return wb_strdup(text == NULL ? "" : text);
}

/* False: no memory. */
static bool column_read(sqlite3_stmt *rows, wb_sqlite_table *out)
{
    wb_sqlite_column *columns = wb_realloc(out->columns, (out->count + 1) * sizeof *out->columns);
    if (columns == NULL)
        return false;
    out->columns = columns;
    wb_sqlite_column *column = &columns[out->count++];
    bool has_default = sqlite3_column_type(rows, 3) != SQLITE_NULL;
    *column = (wb_sqlite_column){
        .name = text_copy(rows, 0),
        .declared = text_copy(rows, 1),
        .default_sql = has_default ? text_copy(rows, 3) : NULL,
        .not_null = sqlite3_column_int(rows, 2) != 0,
        .key = sqlite3_column_int(rows, 4),
    };
    if (column->name == NULL || column->declared == NULL || (has_default && !column->default_sql))
        return false;
    column->affinity = affinity_of(column->declared);
    column->generated = sqlite3_column_int(rows, 6) != 0;
    column->refers = sqlite3_column_int(rows, 7) != 0;
    bool indexed = sqlite3_column_int(rows, 5) != 0;
    column->rowid =
        column->key > 0 && !indexed && sqlite3_stricmp(column->declared, "INTEGER") == 0;
    out->keys += column->key > 0 ? 1 : 0;
    return true;
}

void wb_sqlite_table_fini(wb_sqlite_table *table)
{
    for (size_t i = 0; i < table->count; i++) {
        wb_free(table->columns[i].name);
        wb_free(table->columns[i].declared);
        wb_free(table->columns[i].default_sql);
    }
    wb_free(table->columns);
    *table = (wb_sqlite_table){0};
}

int wb_sqlite_no_table(const wb_sqlite_connection *connection, wb_err *err)
{
    return wb_fail_store(err, WB_HOLD, "table \"%s\": there is none in database \"%s\"",
                         connection->table, connection->path);
}

/* ---- types ---- */

static bool holds(const char *declared, const char *part)
{
    size_t bytes = strlen(part);
    for (; *declared != '\0'; declared++) {
        if (sqlite3_strnicmp(declared, part, (int)bytes) == 0)
            return true;
    }
    return false;
}

/* SQLite's own rules, in their order (Datatypes In SQLite, 3.1). */
static int affinity_of(const char *declared)
{
    if (holds(declared, "INT"))
        return WB_AFF_INTEGER;
    if (holds(declared, "CHAR") || holds(declared, "CLOB") || holds(declared, "TEXT"))
        return WB_AFF_TEXT;
    if (declared[0] == '\0' || holds(declared, "BLOB"))
        return WB_AFF_BLOB;
    if (holds(declared, "REAL") || holds(declared, "FLOA") || holds(declared, "DOUB"))
        return WB_AFF_REAL;
    return WB_AFF_NUMERIC;
}

static void first_word(const char *declared, char word[FIRST_WORD_BYTES])
{
    size_t bytes = strcspn(declared, " (\t\n");
    snprintf(word, FIRST_WORD_BYTES, "%.*s", (int)bytes, declared);
    for (char *at = word; *at != '\0'; at++)
        *at = *at >= 'A' && *at <= 'Z' ? (char)(*at - 'A' + 'a') : *at;
}

/* The type that a declaration has the name of; -1: it is not ours. */
static int named_type(const char *declared)
{
    char word[FIRST_WORD_BYTES];
    first_word(declared, word);
    return wb_type_find(word, strlen(word));
}

int wb_sqlite_type(const wb_sqlite_column *column)
{
    int named = named_type(column->declared);
    if (named >= 0)
        return named;
    char word[FIRST_WORD_BYTES];
    first_word(column->declared, word);
    for (size_t i = 0; i < sizeof aliases / sizeof aliases[0]; i++) {
        if (strcmp(word, aliases[i].name) == 0)
            return aliases[i].type;
    }
    return column->declared[0] == '\0' ? WB_TYPE_TEXT : type_of_affinity[column->affinity];
}

bool wb_sqlite_takes_bytes(const wb_sqlite_column *column)
{
    return column->affinity == WB_AFF_BLOB && column->declared[0] != '\0';
}

int wb_sqlite_form(const wb_sqlite_column *column, int type)
{
    char word[FIRST_WORD_BYTES];
    first_word(column->declared, word);
    if (type == WB_TYPE_UUID && wb_sqlite_takes_bytes(column))
        return WB_SQLITE_BYTES;
    bool wall = strcmp(word, "datetime") == 0 || strcmp(word, "timestamp") == 0;
    if (type == WB_TYPE_TIMESTAMPTZ && wall)
        return WB_SQLITE_WALL;
    bool number = column->affinity >= WB_AFF_NUMERIC;
    return type == WB_TYPE_NUMERIC && number ? WB_SQLITE_NUMBER : WB_SQLITE_OWN;
}

/* Words that are SQLite's or everybody's as well as ours say nothing: such a column goes by its affinity. */
static bool is_ours(const wb_sqlite_column *column, int named)
{
    if (named < 0 || named == WB_TYPE_TEXT)
        return false;
    return named < WB_TYPE_TIMESTAMP || named > WB_TYPE_NUMERIC || column->affinity == WB_AFF_TEXT;
}

static bool type_fits(const wb_sqlite_column *column, int type)
{
    if (column->declared[0] == '\0')
        return true;
    int named = named_type(column->declared);
    unsigned kept =
        is_ours(column, named) ? kept_by_name[named] : kept_by_affinity[column->affinity];
    return (kept & BIT(type)) != 0;
}

/* ---- comparing ---- */

const wb_sqlite_column *wb_sqlite_column_find(const wb_sqlite_table *table, const char *name)
{
    for (size_t i = 0; i < table->count; i++) {
        if (sqlite3_stricmp(table->columns[i].name, name) == 0)
            return &table->columns[i];
    }
    return NULL;
}

int wb_sqlite_column_check(const wb_sqlite_table *table, const char *name, int type, wb_err *err)
{
    const wb_sqlite_column *column = wb_sqlite_column_find(table, name);
    if (column == NULL)
        return wb_fail_store(err, WB_HOLD,
                             "table \"%s\": it has no column \"%s\" (%s in the schema)",
                             table->name, name, wb_type_name(type));
    if (column->generated)
        return wb_fail_store(
            err, WB_HOLD,
            "table \"%s\": column \"%s\" is always generated by the database: leave "
            "it out of the schema",
            table->name, name);
    if (!type_fits(column, type))
        return wb_fail_store(err, WB_HOLD,
                             "table \"%s\": column \"%s\" is %s in the database, %s in the schema",
                             table->name, name, column->declared, wb_type_name(type));
    return WB_OK;
}

/* A row that does not give it a value is refused. */
static bool needs_value(const wb_sqlite_column *column)
{
    return column->not_null && column->default_sql == NULL && !column->rowid && !column->generated;
}

int wb_sqlite_pair_check(const wb_sqlite_table *table, const char *key, const char *column,
                         wb_err *err)
{
    for (size_t i = 0; i < table->count; i++) {
        const wb_sqlite_column *other = &table->columns[i];
        if (needs_value(other) && sqlite3_stricmp(other->name, key) != 0 &&
            sqlite3_stricmp(other->name, column) != 0)
            return wb_fail_store(err, WB_HOLD,
                                 "table \"%s\": column \"%s\" (%s) is NOT NULL without a default, "
                                 "so the tracker can't insert rows",
                                 table->name, other->name, other->declared);
    }
    return WB_OK;
}

static int extra_check(const wb_sqlite_table *table, const wb_sqlite_column *column,
                       const wb_schema *schema, wb_err *err)
{
    if (!needs_value(column))
        return WB_OK;
    for (size_t i = 0; i < schema->count; i++) {
        if (sqlite3_stricmp(schema->columns[i].column.name, column->name) == 0)
            return WB_OK;
    }
    return wb_fail_store(
        err, WB_HOLD,
        "table \"%s\": column \"%s\" (%s) is NOT NULL without a default, and the schema "
        "lacks it",
        table->name, column->name, column->declared);
}

int wb_sqlite_table_check(const wb_sqlite_table *table, const wb_schema *schema, wb_err *err)
{
    int code = WB_OK;
    for (size_t i = 0; code == WB_OK && i < schema->count; i++) {
        const wb_column *column = &schema->columns[i].column;
        int type = column->array ? WB_TYPE_JSON : column->type; /* as which it is kept */
        code = wb_sqlite_column_check(table, column->name, type, err);
    }
    for (size_t i = 0; code == WB_OK && i < table->count; i++)
        code = extra_check(table, &table->columns[i], schema, err);
    return code;
}
