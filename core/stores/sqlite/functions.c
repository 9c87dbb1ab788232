/* SPDX-License-Identifier: MIT
 * Functions of a connection, for the SQL of upserts: what SQLite's own operators would get wrong without a word.
 *   writebehind_sum(a, b, type, column)   the sum by the column's type (enum wb_type), exactly or not at all
 *   writebehind_compare(a, b)             below, at or above 0: two numerics that are kept as text
 * Of two values the one that is not NULL is the sum, and nothing compares with NULL. Triggers and views can't call them.
 * No state, no locks. A sum that is out of range fails as a constraint does: it is the row's fault. A value in the table
 * that is none of its type fails as a check's SQL does: nobody knows whose fault it is. */
#include <math.h>
#include <stdio.h>

#include "base/env.h"
#include "rows/arith.h"
#include "rows/decimal.h"
#include "rows/row.h"
#include "rows/value_text.h"
#include "stores/sqlite/sqlite.h"

#ifndef SQLITE_DIRECTONLY /* older than 3.30 */
#define SQLITE_DIRECTONLY 0
#endif

/* ---- failing ---- */

static void fail(sqlite3_context *context, int status, const char *column, int type,
                 const char *why)
{
    char text[256];
    if (status == SQLITE_NOMEM) {
        sqlite3_result_error_nomem(context);
        return;
    }
    const char *name = wb_type_name(type);
    snprintf(text, sizeof text, "column \"%.100s\" (%s): %s", column != NULL ? column : "",
             name != NULL ? name : "?", why);
    sqlite3_result_error(context, text, -1);
    sqlite3_result_error_code(context, status);
}

/* ---- reading ---- */

/* What a value of the database's is for the type; false: nothing. */
static bool value_read(sqlite3_value *stored, int type, wb_value *out)
{
    switch (sqlite3_value_type(stored)) {
    case SQLITE_INTEGER:
        *out = (wb_value){.kind = WB_INT, .i = sqlite3_value_int64(stored)};
        return type != WB_TYPE_INTERVAL;
    case SQLITE_FLOAT:
        *out = (wb_value){.kind = WB_FLOAT, .f = sqlite3_value_double(stored)};
        return type != WB_TYPE_INTERVAL;
    case SQLITE_TEXT:
        out->kind = WB_TEXT;
        out->text = (const char *)sqlite3_value_text(stored);
        out->bytes = (uint32_t)sqlite3_value_bytes(stored);
        return out->text != NULL && (type == WB_TYPE_NUMERIC || type == WB_TYPE_INTERVAL);
    default:
        return false;
    }
}

/* Appends the field. Answers SQLite's status: SQLITE_ERROR where it is no value of the type. */
static int field_read(sqlite3_value *stored, int type, wb_buffer *field)
{
    const wb_column column = {.name = "", .type = type};
    wb_value value;
    size_t bytes;
    if (!value_read(stored, type, &value))
        return SQLITE_ERROR;
    if (!wb_buffer_reserve(field, 4 + WB_FIELD_SLACK + (value.kind == WB_TEXT ? value.bytes : 0)))
        return SQLITE_NOMEM;
    if (wb_field_encode(&column, &value, (uint8_t *)field->data, &bytes, NULL) != WB_OK)
        return SQLITE_ERROR;
    field->bytes = bytes;
    return SQLITE_OK;
}

/* The fields of two values, one after the other's memory. */
typedef struct pair {
    wb_buffer a, b;
} pair;

static int pair_read(pair *fields, sqlite3_value **values, int type)
{
    int status = field_read(values[0], type, &fields->a);
    return status == SQLITE_OK ? field_read(values[1], type, &fields->b) : status;
}

static void pair_fini(pair *fields)
{
    wb_buffer_fini(&fields->a);
    wb_buffer_fini(&fields->b);
}

/* ---- sums ---- */

static bool is_number(sqlite3_value *value)
{
    return sqlite3_value_type(value) != SQLITE_TEXT;
}

/* A numeric in a column of SQLite's numbers, where it is kept: as in decimal_bind of insert.c. Real: one of the two was a
 * double, so the column may make doubles of whole numbers too. */
static bool number_is_kept(const uint8_t *decimal, bool real)
{
    int64_t whole;
    return wb_decimal_digits(decimal) <= WB_SQLITE_KEPT_DIGITS
               ? wb_decimal_is_number(decimal)
               : !real && wb_decimal_int64(decimal, &whole);
}

static void text_answer(sqlite3_context *context, const wb_column *column, const wb_value *sum)
{
    wb_buffer text = WB_BUFFER_EMPTY;
    wb_put_value(&text, column, sum);
    if (text.failed)
        sqlite3_result_error_nomem(context);
    else
        sqlite3_result_text64(context, text.data, text.bytes, SQLITE_TRANSIENT, SQLITE_UTF8);
    wb_buffer_fini(&text);
}

/* A sum as the column keeps it; NULL, or why it does not. */
static const char *answer(sqlite3_context *context, sqlite3_value **values, const wb_column *column,
                          const wb_value *sum)
{
    bool real = sqlite3_value_type(values[0]) == SQLITE_FLOAT ||
                sqlite3_value_type(values[1]) == SQLITE_FLOAT;
    if (sum->kind == WB_FLOAT) {
        if (isnan(sum->f))
            return "SQLite can't store the sum, NaN";
        sqlite3_result_double(context, sum->f);
        return NULL;
    }
    if (sum->kind == WB_INT) {
        sqlite3_result_int64(context, sum->i);
        return NULL;
    }
    if (column->type == WB_TYPE_NUMERIC && is_number(values[1]) &&
        !number_is_kept((const uint8_t *)sum->text, real))
        return "SQLite can't store the sum exactly: declare the column as \"numeric TEXT\"";
    text_answer(context, column, sum);
    return NULL;
}

static void add_fields(sqlite3_context *context, sqlite3_value **values, const wb_column *column,
                       const pair *fields)
{
    wb_buffer sum = WB_BUFFER_EMPTY;
    wb_value value;
    bool fits = wb_field_add(column->type, (const uint8_t *)fields->a.data,
                             (const uint8_t *)fields->b.data, &sum);
    const char *why = "the sum is out of its type's range";
    if (fits && !sum.failed) {
        wb_field_value(column, (const uint8_t *)sum.data, &value);
        why = answer(context, values, column, &value);
    }
    if (why != NULL)
        fail(context, sum.failed ? SQLITE_NOMEM : SQLITE_CONSTRAINT_FUNCTION, column->name,
             column->type, why);
    wb_buffer_fini(&sum);
}

static bool has_sums(int type)
{
    return (type >= WB_TYPE_INT2 && type <= WB_TYPE_FLOAT8) || type == WB_TYPE_NUMERIC ||
           type == WB_TYPE_INTERVAL;
}

static bool is_null(sqlite3_value *value)
{
    return sqlite3_value_type(value) == SQLITE_NULL;
}

static void sum(sqlite3_context *context, int count, sqlite3_value **values)
{
    pair fields = {WB_BUFFER_EMPTY, WB_BUFFER_EMPTY};
    (void)count;
    if (is_null(values[0]) || is_null(values[1])) {
        sqlite3_result_value(context, values[is_null(values[0])]);
        return;
    }
    const wb_column column = {.name = (const char *)sqlite3_value_text(values[3]),
                              .type = sqlite3_value_int(values[2])};
    int status = has_sums(column.type) ? pair_read(&fields, values, column.type) : SQLITE_ERROR;
    if (status == SQLITE_OK)
        add_fields(context, values, &column, &fields);
    else
        fail(context, status, column.name, column.type, "the table has a value that is none");
    pair_fini(&fields);
}

/* ---- order ---- */

static void compare(sqlite3_context *context, int count, sqlite3_value **values)
{
    pair fields = {WB_BUFFER_EMPTY, WB_BUFFER_EMPTY};
    (void)count;
    if (is_null(values[0]) || is_null(values[1]))
        return;
    int status = pair_read(&fields, values, WB_TYPE_NUMERIC);
    if (status == SQLITE_OK)
        sqlite3_result_int(context, wb_decimal_compare((const uint8_t *)fields.a.data + 4,
                                                       (const uint8_t *)fields.b.data + 4));
    else if (status == SQLITE_NOMEM)
        sqlite3_result_error_nomem(context);
    else
        sqlite3_result_error(context, "the table has a numeric that is none", -1);
    pair_fini(&fields);
}

/* ---- a connection ---- */

int wb_sqlite_functions_add(sqlite3 *db)
{
    enum { FLAGS = SQLITE_UTF8 | SQLITE_DETERMINISTIC | SQLITE_DIRECTONLY };
    int status = sqlite3_create_function(db, "writebehind_sum", 4, FLAGS, NULL, sum, NULL, NULL);
    return status == SQLITE_OK ? sqlite3_create_function(db, "writebehind_compare", 2, FLAGS, NULL,
                                                         compare, NULL, NULL)
                               : status;
}
