/* SPDX-License-Identifier: MIT
 * CREATE TABLE for a schema. Invariant: a literal is what the store keeps of a row's value, so that a default makes the
 * same row in both places. No state, no locks. Fails with WB_MISUSE (an unknown dialect, an empty table name) or
 * WB_MEMORY. In a literal quotes are doubled, and a backslash means itself (standard_conforming_strings, PostgreSQL's
 * default since 9.1). */
#include <math.h>
#include <string.h>

#include "base/buffer.h"
#include "rows/quote.h"
#include "rows/row.h"
#include "rows/types.h"

typedef struct dialect {
    const char *name;
    const char *(*type_name)(int type);
    bool sqlite;
} dialect;

static const dialect dialects[] = {
    {"postgresql", wb_type_name, false},
    {"sqlite", wb_type_sqlite, true},
};

static const dialect *dialect_find(const char *name);
static void column_put(wb_buffer *sql, const dialect *to, const wb_column_plan *plan, bool key);
static void literal_put(wb_buffer *sql, const dialect *to, int type, const wb_value *value);

int wb_schema_ddl(const wb_schema *schema, const char *dialect_name, const char *table, char **out,
                  wb_err *err)
{
    const dialect *to = dialect_find(dialect_name);
    if (!to)
        return wb_fail(err, WB_MISUSE, "no dialect \"%s\": \"postgresql\" or \"sqlite\"",
                       dialect_name ? dialect_name : "");
    if (!table || table[0] == '\0')
        return wb_fail(err, WB_MISUSE, "the table's name is empty");
    wb_buffer sql = WB_BUFFER_EMPTY;
    wb_buffer_put_text(&sql, "CREATE TABLE IF NOT EXISTS ");
    wb_put_table(&sql, table);
    wb_buffer_put_text(&sql, " (");
    bool keyed = false;
    for (size_t i = 0; i < schema->count; i++) {
        bool key = !keyed && schema->columns[i].place < 0;
        wb_buffer_put_text(&sql, i == 0 ? "\n    " : ",\n    ");
        column_put(&sql, to, &schema->columns[i], key);
        keyed = keyed || key;
    }
    wb_buffer_put_text(&sql, "\n);");
    char *text = wb_buffer_take(&sql, NULL);
    if (!text)
        return wb_fail(err, WB_MEMORY, "no memory for a CREATE TABLE statement");
    *out = text;
    return WB_OK;
}

static const dialect *dialect_find(const char *name)
{
    for (size_t i = 0; name && i < sizeof dialects / sizeof dialects[0]; i++)
        if (strcmp(dialects[i].name, name) == 0)
            return &dialects[i];
    return NULL;
}

static void column_put(wb_buffer *sql, const dialect *to, const wb_column_plan *plan, bool key)
{
    const wb_column *column = &plan->column;
    wb_put_name(sql, column->name);
    wb_buffer_printf(sql, " %s", to->type_name(column->type));
    if (!column->null)
        wb_buffer_put_text(sql, " NOT NULL");
    if (key)
        wb_buffer_put_text(sql, " PRIMARY KEY");
    if (plan->default_bytes > 0) {
        wb_value value;
        wb_field_value(column->type, plan->default_field, &value);
        wb_buffer_put_text(sql, " DEFAULT ");
        literal_put(sql, to, column->type, &value);
    }
}

static void quoted_put(wb_buffer *sql, const char *text, size_t bytes)
{
    wb_buffer_put_char(sql, '\'');
    for (size_t i = 0; i < bytes; i++) {
        if (text[i] == '\'')
            wb_buffer_put_char(sql, '\'');
        wb_buffer_put_char(sql, text[i]);
    }
    wb_buffer_put_char(sql, '\'');
}

static void bytea_put(wb_buffer *sql, bool sqlite, const wb_value *value)
{
    wb_buffer_put_text(sql, sqlite ? "x'" : "'\\x");
    wb_buffer_put_hex(sql, value->text, value->bytes);
    wb_buffer_put_char(sql, '\'');
}

/* SQLite reads 9e999 as infinity. It has no NaN, and keeps the text. Only in quotes does a zero keep its sign. */
static void float_put(wb_buffer *sql, bool sqlite, int type, const wb_value *value)
{
    char text[WB_TYPE_TEXT_BYTES];
    double number = value->f;
    if (isnan(number)) {
        wb_buffer_put_text(sql, "'NaN'");
    } else if (isinf(number)) {
        wb_buffer_put_text(sql, number < 0 ? (sqlite ? "-9e999" : "'-Infinity'")
                                           : (sqlite ? "9e999" : "'Infinity'"));
    } else if (number == 0 && signbit(number)) {
        wb_buffer_put_text(sql, "'-0.0'");
    } else {
        wb_buffer_put(sql, text, wb_type_text(type, value, text));
    }
}

static void literal_put(wb_buffer *sql, const dialect *to, int type, const wb_value *value)
{
    char text[WB_TYPE_TEXT_BYTES];
    switch (type) {
    case WB_TYPE_BOOL:
        if (to->sqlite)
            wb_buffer_put_char(sql, value->i ? '1' : '0');
        else
            wb_buffer_put_text(sql, value->i ? "true" : "false");
        break;
    case WB_TYPE_INT2:
    case WB_TYPE_INT4:
    case WB_TYPE_INT8:
        wb_buffer_put(sql, text, wb_type_text(type, value, text));
        break;
    case WB_TYPE_FLOAT4:
    case WB_TYPE_FLOAT8:
        float_put(sql, to->sqlite, type, value);
        break;
    case WB_TYPE_BYTEA:
        bytea_put(sql, to->sqlite, value);
        break;
    case WB_TYPE_UUID:
    case WB_TYPE_TIMESTAMPTZ:
    case WB_TYPE_DATE:
        quoted_put(sql, text, wb_type_text(type, value, text));
        break;
    default: /* text, json, jsonb */
        quoted_put(sql, value->text, value->bytes);
        break;
    }
}
