/* SPDX-License-Identifier: MIT
 * The schema of a table in an SQLite database. A constant default becomes the schema's. What the
 * database fills otherwise is left to it where a row does not give it: the rowid, and a column whose default is computed
 * or does not fit its type. What it always generates is left out. A uuid that is the whole primary key is generated,
 * unless it refers to another table.
 * Invariant: the values that hold the defaults' texts live until the schema is made.
 * Locks: none. Fails as connection.c says, with WB_HOLD where there is nothing to describe, and with WB_MEMORY. */
#include <string.h>

#include "base/env.h"
#include "rows/row.h"
#include "stores/sqlite/sqlite.h"

/* The columns that go into the schema. `values` has a place for each column of the table: its constant default, whose
 * text lies there, or NULL. */
typedef struct findings {
    wb_column *columns;
    size_t count;
    sqlite3_value **values;
} findings;

static int collect(wb_sqlite_connection *connection, wb_describing *describing,
                   const wb_sqlite_table *table, wb_schema **out, wb_err *err);
static int column_add(findings *found, wb_sqlite_connection *connection, wb_describing *describing,
                      const wb_sqlite_table *table, size_t index, wb_err *err);

int wb_sqlite_describe(wb_sqlite_connection *connection, wb_describing *describing, wb_schema **out,
                       wb_err *err)
{
    wb_sqlite_table table;
    int code = wb_sqlite_table_read(connection, &table, err);
    if (code == WB_OK && table.count == 0)
        code = wb_sqlite_no_table(connection, err);
    if (code == WB_OK)
        code = collect(connection, describing, &table, out, err);
    wb_sqlite_table_fini(&table);
    return code;
}

static int no_memory(const wb_sqlite_connection *connection, wb_err *err)
{
    return wb_fail(err, WB_MEMORY, "table \"%s\": out of memory", connection->table);
}

static int finish(const wb_sqlite_connection *connection, const findings *found, wb_schema **out,
                  wb_err *err)
{
    if (found->count == 0)
        return wb_fail_store(err, WB_HOLD,
                             "table \"%s\": the database fills every column by itself",
                             connection->table);
    int code = wb_schema_new(found->columns, found->count, out, err);
    return code == WB_OK ? WB_OK : wb_wrap(err, code, "table \"%s\"", connection->table);
}

static int collect(wb_sqlite_connection *connection, wb_describing *describing,
                   const wb_sqlite_table *table, wb_schema **out, wb_err *err)
{
    findings found = {
        .columns = wb_alloc_zeroed(table->count * sizeof *found.columns),
        .values = wb_alloc_zeroed(table->count * sizeof *found.values),
    };
    int code = found.columns && found.values ? WB_OK : no_memory(connection, err);
    for (size_t i = 0; code == WB_OK && i < table->count; i++)
        code = column_add(&found, connection, describing, table, i, err);
    if (code == WB_OK)
        code = finish(connection, &found, out, err);
    for (size_t i = 0; found.values != NULL && i < table->count; i++)
        sqlite3_value_free(found.values[i]);
    wb_free(found.columns);
    wb_free(found.values);
    return code;
}

/* ---- defaults ---- */

static bool ends(const char *sql)
{
    return sql[strspn(sql, " \t\n")] == '\0';
}

/* Is `sql`, at an opening quote, one string to its end? */
static bool is_string(const char *sql)
{
    for (sql++; *sql != '\0'; sql++) {
        if (sql[0] == '\'' && sql[1] == '\'')
            sql++;
        else if (sql[0] == '\'')
            return ends(sql + 1);
    }
    return false;
}

static bool is_number(const char *sql)
{
    sql += strspn(sql, "+- ");
    if (strchr("0123456789.", *sql) == NULL || *sql == '\0')
        return false;
    return ends(sql + strspn(sql, "0123456789.+-xXabcdefABCDEF"));
}

static bool is_constant(const char *sql)
{
    static const char *const words[] = {"null", "true", "false"};
    for (size_t i = 0; i < sizeof words / sizeof words[0]; i++) {
        if (sqlite3_stricmp(sql, words[i]) == 0)
            return true;
    }
    if (sql[0] == '\'')
        return is_string(sql);
    if ((sql[0] == 'x' || sql[0] == 'X') && sql[1] == '\'')
        return is_string(sql + 1);
    return is_number(sql);
}

/* A constant's value; *out stays NULL where SQLite can't read it. */
static int constant_value(wb_sqlite_connection *connection, const char *constant,
                          sqlite3_value **out, wb_err *err)
{
    wb_buffer sql = WB_BUFFER_EMPTY;
    wb_buffer_printf(&sql, "SELECT %s", constant);
    sqlite3_stmt *statement = NULL;
    wb_err cause;
    int code = wb_sqlite_prepare_buffer(connection, &sql, &statement, &cause);
    if (code != WB_OK)
        return cause.error_class == WB_RETRY ? no_memory(connection, err) : WB_OK;
    if (sqlite3_step(statement) == SQLITE_ROW)
        *out = sqlite3_value_dup(sqlite3_column_value(statement, 0));
    sqlite3_finalize(statement);
    return *out != NULL ? WB_OK : no_memory(connection, err);
}

/* Reads a default as the column would keep it: in a column of numbers, DEFAULT '0' is a number. */
static wb_value value_read(sqlite3_value *value, int type)
{
    bool number = type <= WB_TYPE_FLOAT8;
    switch (number ? sqlite3_value_numeric_type(value) : sqlite3_value_type(value)) {
    case SQLITE_INTEGER:
        return (wb_value){.kind = type == WB_TYPE_BOOL ? WB_BOOL : WB_INT,
                          .i = sqlite3_value_int64(value)};
    case SQLITE_FLOAT:
        return (wb_value){.kind = WB_FLOAT, .f = sqlite3_value_double(value)};
    case SQLITE_NULL:
        return (wb_value){.kind = WB_ABSENT};
    default:
        return (wb_value){.kind = WB_TEXT,
                          .text = sqlite3_value_blob(value) ? sqlite3_value_blob(value) : "",
                          .bytes = (uint32_t)sqlite3_value_bytes(value)};
    }
}

/* WB_INVALID: the default is no value of the type. */
static int default_check(const wb_column *column)
{
    const wb_value *value = &column->default_value;
    if (value->kind == WB_ABSENT)
        return WB_OK;
    if (value->kind == WB_BOOL && value->i != 0 && value->i != 1)
        return WB_INVALID;
    size_t bytes = value->kind == WB_TEXT ? value->bytes : 0;
    uint8_t *field = wb_alloc(4 + WB_FIELD_SLACK + bytes);
    if (field == NULL)
        return WB_MEMORY;
    int code = wb_field_encode(column, value, field, &bytes, NULL);
    wb_free(field);
    return code;
}

/* ---- columns ---- */

static bool is_generated(const wb_sqlite_table *table, const wb_sqlite_column *column, int type)
{
    return column->key == 1 && table->keys == 1 && type == WB_TYPE_UUID &&
           column->default_sql == NULL && !column->refers;
}

static int column_add(findings *found, wb_sqlite_connection *connection, wb_describing *describing,
                      const wb_sqlite_table *table, size_t index, wb_err *err)
{
    const wb_sqlite_column *column = &table->columns[index];
    const char *sql = column->default_sql;
    sqlite3_value **value = &found->values[index];
    bool left = column->rowid || wb_is_left(describing, column->name);
    if (column->generated)
        return wb_leave_out(describing, column->name, "always generated by the database")
                   ? WB_OK
                   : no_memory(connection, err);
    int code = sql != NULL && !left && is_constant(sql)
                   ? constant_value(connection, sql, value, err)
                   : WB_OK;
    if (code != WB_OK)
        return code;
    wb_column *described = &found->columns[found->count++];
    *described = (wb_column){
        .name = column->name,
        .type = column->rowid ? WB_TYPE_INT8 : wb_sqlite_type(column),
        .null = !column->not_null && column->key == 0,
        .server_default = left || (sql != NULL && *value == NULL),
    };
    if (*value != NULL)
        described->default_value = value_read(*value, described->type);
    if (!described->server_default && is_generated(table, column, described->type))
        described->generate = WB_UUIDV7;
    code = default_check(described);
    if (code == WB_INVALID) {
        described->default_value = (wb_value){.kind = WB_ABSENT};
        described->server_default = true;
    }
    return code == WB_MEMORY ? no_memory(connection, err) : WB_OK;
}
