/* SPDX-License-Identifier: MIT
 * What follows the INSERT of a row where the target is an upsert: which index says that its key is there, and what becomes
 * of each column then. Sums and numerics that are kept as text go through functions of ours (functions.c): SQLite would
 * make a float of a sum that is too large, and compare digits as text. A column that the row leaves to the server stays as
 * it is.
 * No state, no locks; only the buffer fails. */
#include "rows/upsert.h"
#include "stores/sqlite/sqlite.h"

/* $ stands for the column's name, @ for it as text, % for its type. A time sorts as text; so does a uuid. */
static const char *const words[] = {
    [WB_MERGE_SET] = "excluded.$",
    [WB_MERGE_SUM] = "writebehind_sum(t.$, excluded.$, %, @)",
    [WB_MERGE_MIN] = "coalesce(min(t.$, excluded.$), t.$, excluded.$)",
    [WB_MERGE_MAX] = "coalesce(max(t.$, excluded.$), t.$, excluded.$)",
    [WB_MERGE_FIRST] = "coalesce(t.$, excluded.$)",
    [WB_MERGE_LAST] = "coalesce(excluded.$, t.$)",
};
/* The same of a numeric that is text. */
static const char *const decimal_words[] = {
    [WB_MERGE_MIN] = "CASE WHEN writebehind_compare(t.$, excluded.$) > 0 THEN excluded.$ "
                     "ELSE coalesce(t.$, excluded.$) END",
    [WB_MERGE_MAX] = "CASE WHEN writebehind_compare(t.$, excluded.$) < 0 THEN excluded.$ "
                     "ELSE coalesce(t.$, excluded.$) END",
};
/* A row without the column that tells is not newer than one that has it. */
static const char newer[] = "t.$ IS NULL OR t.$ <= excluded.$";
static const char newer_decimal[] = "t.$ IS NULL OR writebehind_compare(t.$, excluded.$) <= 0";

static const wb_column *column_of(const wb_sqlite_insert *insert, size_t index)
{
    return &insert->target->schema->columns[index].column;
}

static void put_literal(wb_buffer *sql, const char *text)
{
    wb_buffer_put_char(sql, '\'');
    for (; *text != '\0'; text++) {
        wb_buffer_put_char(sql, *text);
        if (*text == '\'')
            wb_buffer_put_char(sql, '\'');
    }
    wb_buffer_put_char(sql, '\'');
}

static void put_template(wb_buffer *sql, const char *text, const wb_column *column)
{
    for (; *text != '\0'; text++) {
        if (*text == '$')
            wb_put_name(sql, column->name);
        else if (*text == '@')
            put_literal(sql, column->name);
        else if (*text == '%')
            wb_buffer_printf(sql, "%d", column->type);
        else
            wb_buffer_put_char(sql, *text);
    }
}

static bool is_decimal_text(const wb_sqlite_insert *insert, size_t index)
{
    return column_of(insert, index)->type == WB_TYPE_NUMERIC &&
           insert->forms[index] != WB_SQLITE_NUMBER;
}

static void put_newer(wb_buffer *sql, const wb_sqlite_insert *insert)
{
    size_t newest = (size_t)insert->target->upsert->newest;
    put_template(sql, is_decimal_text(insert, newest) ? newer_decimal : newer,
                 column_of(insert, newest));
}

static void put_merged(wb_buffer *sql, const wb_sqlite_insert *insert, size_t index)
{
    int word = wb_upsert_merge(insert->target->upsert, index);
    bool ours = is_decimal_text(insert, index) && (word == WB_MERGE_MIN || word == WB_MERGE_MAX);
    put_template(sql, ours ? decimal_words[word] : words[word], column_of(insert, index));
}

/* A row that counts in other columns, though it is not newer. */
static bool may_be_old(const wb_target *target, size_t index)
{
    return target->upsert->newest >= 0 && !wb_sqlite_upsert_skips(target) &&
           wb_upsert_merge(target->upsert, index) == WB_MERGE_SET;
}

static void put_set_if_newer(wb_buffer *sql, const wb_sqlite_insert *insert, size_t index)
{
    wb_buffer_put_text(sql, "CASE WHEN ");
    put_newer(sql, insert);
    put_template(sql, " THEN excluded.$ ELSE t.$ END", column_of(insert, index));
}

static void put_change(wb_buffer *sql, const wb_sqlite_insert *insert, size_t index)
{
    const wb_upsert *upsert = insert->target->upsert;
    wb_put_name(sql, column_of(insert, index)->name);
    wb_buffer_put_text(sql, " = ");
    if (wb_upsert_merge(upsert, index) == WB_MERGE_EXPRESSION)
        wb_buffer_printf(sql, "(%s)", upsert->expressions[index]);
    else if (may_be_old(insert->target, index))
        put_set_if_newer(sql, insert, index);
    else
        put_merged(sql, insert, index);
}

/* False: nothing is. */
static bool put_changes(wb_buffer *sql, const wb_sqlite_insert *insert, const uint64_t *shape)
{
    const wb_target *target = insert->target;
    bool any = false;
    for (size_t i = 0; i < target->schema->count; i++) {
        if (wb_upsert_merge(target->upsert, i) == WB_MERGE_KEEP ||
            !wb_shape_gives(target->schema, shape, i))
            continue;
        wb_buffer_put_text(sql, any ? ", " : " DO UPDATE SET ");
        put_change(sql, insert, i);
        any = true;
    }
    return any;
}

bool wb_sqlite_upsert_skips(const wb_target *target)
{
    const wb_upsert *upsert = target->upsert;
    return upsert->nothing || (upsert->newest >= 0 && !wb_upsert_gathers(upsert, target->schema) &&
                               !wb_upsert_expresses(upsert, target->schema));
}

void wb_sqlite_put_conflict(wb_buffer *sql, const wb_sqlite_insert *insert, const uint64_t *shape)
{
    const wb_upsert *upsert = insert->target->upsert;
    for (size_t i = 0; i < upsert->key_count; i++) {
        wb_buffer_put_text(sql, i == 0 ? " ON CONFLICT (" : ", ");
        wb_put_name(sql, column_of(insert, (size_t)upsert->key[i])->name);
    }
    wb_buffer_put_char(sql, ')');
    if (upsert->nothing || !put_changes(sql, insert, shape)) {
        wb_buffer_put_text(sql, " DO NOTHING");
    } else if (upsert->newest >= 0 && wb_sqlite_upsert_skips(insert->target)) {
        wb_buffer_put_text(sql, " WHERE ");
        put_newer(sql, insert);
    }
}
