/* SPDX-License-Identifier: MIT
 * Values as SQL's text. Literals are in the form E'…' ("String Constants with C-Style Escapes"), which reads the same
 * whatever standard_conforming_strings says; an array's elements are escaped once more ("Array Input and Output
 * Syntax"). No state, no locks; only the buffer fails. */
#include "stores/postgres/postgres.h"

#include <string.h>

#include "rows/value_text.h"
#include "rows/types.h"

static void put_char(wb_buffer *sql, char c)
{
    if (c == '\'' || c == '\\')
        wb_buffer_put_char(sql, c == '\'' ? '\'' : '\\');
    wb_buffer_put_char(sql, c);
}

static void put_quoted(wb_buffer *sql, const char *text, size_t bytes)
{
    wb_buffer_put_text(sql, "E'");
    for (size_t i = 0; i < bytes; i++)
        put_char(sql, text[i]);
    wb_buffer_put_char(sql, '\'');
}

void wb_pg_put_literal(wb_buffer *sql, const char *text)
{
    put_quoted(sql, text, strlen(text));
}

/* Writes a value's text by a function that quotes it. */
static void put_value(wb_buffer *sql, const wb_column *column, const wb_value *value,
                      void (*put)(wb_buffer *sql, const char *text, size_t bytes))
{
    wb_buffer text = WB_BUFFER_EMPTY;
    wb_put_value(&text, column, value);
    if (!text.failed)
        put(sql, text.data, text.bytes);
    sql->failed |= text.failed;
    wb_buffer_fini(&text);
}

void wb_pg_put_value(wb_buffer *sql, const wb_column *column, const wb_value *value)
{
    if (value->kind == WB_ABSENT)
        wb_buffer_put_text(sql, "DEFAULT");
    else if (value->kind == WB_NULL)
        wb_buffer_put_text(sql, "NULL");
    else
        put_value(sql, column, value, put_quoted);
}

/* ---- arrays ---- */

static void put_quoted_element(wb_buffer *sql, const char *text, size_t bytes)
{
    wb_buffer_put_char(sql, '"');
    for (size_t i = 0; i < bytes; i++) {
        if (text[i] == '"' || text[i] == '\\')
            put_char(sql, '\\');
        put_char(sql, text[i]);
    }
    wb_buffer_put_char(sql, '"');
}

/* What is of a fixed size is of letters, digits and signs that mean nothing in an array. */
static void put_element(wb_buffer *sql, int type, const wb_value *value)
{
    const wb_column column = {.type = type};
    if (value->kind == WB_NULL)
        wb_buffer_put_text(sql, "NULL");
    else if (wb_type_bytes(type) > 0)
        wb_put_value(sql, &column, value);
    else
        put_value(sql, &column, value, put_quoted_element);
}

void wb_pg_begin_array(wb_buffer *sql)
{
    wb_buffer_put_text(sql, "E'{");
}

void wb_pg_put_element(wb_buffer *sql, int type, const wb_value *value)
{
    if (sql->bytes > 0 && sql->data[sql->bytes - 1] != '{')
        wb_buffer_put_char(sql, ',');
    put_element(sql, type, value);
}

void wb_pg_end_array_of(wb_buffer *sql, const char *type)
{
    wb_buffer_printf(sql, "}'::%s[]", type);
}

void wb_pg_end_array(wb_buffer *sql, int type)
{
    wb_buffer_printf(sql, "}'::pg_catalog.%s[]", wb_type_name(type));
}
