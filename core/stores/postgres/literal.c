/* SPDX-License-Identifier: MIT
 * Values as SQL's text. Literals are in the form E'…' ("String Constants with C-Style Escapes"), which reads the same
 * whatever standard_conforming_strings says; an array's elements are escaped once more ("Array Input and Output
 * Syntax"). No state, no locks; only the buffer fails. */
#include "stores/postgres/postgres.h"

#include <math.h>
#include <string.h>

#include "rows/types.h"

static void put_char(wb_buffer *sql, char c)
{
    if (c == '\'' || c == '\\')
        wb_buffer_put_char(sql, c == '\'' ? '\'' : '\\');
    wb_buffer_put_char(sql, c);
}

void wb_pg_put_literal(wb_buffer *sql, const char *text)
{
    wb_buffer_put_text(sql, "E'");
    for (; *text != '\0'; text++)
        put_char(sql, *text);
    wb_buffer_put_char(sql, '\'');
}

/* ---- arrays ---- */

static void put_quoted(wb_buffer *sql, const char *text, size_t bytes)
{
    wb_buffer_put_char(sql, '"');
    for (size_t i = 0; i < bytes; i++) {
        if (text[i] == '"' || text[i] == '\\')
            put_char(sql, '\\');
        put_char(sql, text[i]);
    }
    wb_buffer_put_char(sql, '"');
}

static void put_bytea(wb_buffer *sql, const wb_value *value)
{
    wb_buffer_put_text(sql, "\"\\\\\\\\x"); /* escaped twice: as text and as an element */
    wb_buffer_put_hex(sql, value->text, value->bytes);
    wb_buffer_put_char(sql, '"');
}

static void put_float(wb_buffer *sql, int type, const wb_value *value)
{
    char text[WB_TYPE_TEXT_BYTES];
    if (isfinite(value->f))
        wb_buffer_put(sql, text, wb_type_text(type, value, text));
    else
        wb_buffer_put_text(sql, isnan(value->f) ? "NaN" : value->f > 0 ? "Infinity" : "-Infinity");
}

static void put_element(wb_buffer *sql, int type, const wb_value *value)
{
    char text[WB_TYPE_TEXT_BYTES];
    if (value->kind == WB_NULL)
        wb_buffer_put_text(sql, "NULL");
    else if (type == WB_TYPE_BOOL)
        wb_buffer_put_char(sql, value->i != 0 ? 't' : 'f');
    else if (type == WB_TYPE_BYTEA)
        put_bytea(sql, value);
    else if (type == WB_TYPE_TEXT || type == WB_TYPE_JSON || type == WB_TYPE_JSONB)
        put_quoted(sql, value->text, value->bytes);
    else if (type == WB_TYPE_FLOAT4 || type == WB_TYPE_FLOAT8)
        put_float(sql, type, value);
    else
        wb_buffer_put(sql, text, wb_type_text(type, value, text));
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

void wb_pg_end_array(wb_buffer *sql, int type)
{
    wb_buffer_printf(sql, "}'::pg_catalog.%s[]", wb_type_name(type));
}
