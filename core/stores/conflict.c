/* SPDX-License-Identifier: MIT
 * See conflict.h. Where nothing but the newest row counts, an older one is left out by a WHERE; where it counts in some
 * columns, by a sum, the others are set by a CASE. */
#include "stores/conflict.h"

#include "rows/quote.h"
#include "rows/shape.h"
#include "rows/upsert.h"

static const wb_column *column_of(const wb_target *target, size_t column)
{
    return &target->schema->columns[column].column;
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

static void put_newer(wb_buffer *sql, const wb_target *target, const wb_conflict_words *words)
{
    size_t newest = (size_t)target->upsert->newest;
    put_template(sql, words->of(words->context, newest, WB_CONFLICT_NEWER),
                 column_of(target, newest));
}

static void put_change(wb_buffer *sql, const wb_target *target, const wb_conflict_words *words,
                       size_t column)
{
    const wb_upsert *upsert = target->upsert;
    int word = upsert->merge[column];
    bool if_newer =
        word == WB_MERGE_SET && upsert->newest >= 0 && !wb_upsert_skips(upsert, target->schema);
    wb_put_name(sql, column_of(target, column)->name);
    wb_buffer_put_text(sql, if_newer ? " = CASE WHEN " : " = ");
    if (word == WB_MERGE_EXPRESSION) {
        wb_buffer_printf(sql, "(%s)", upsert->expressions[column]);
    } else if (if_newer) {
        put_newer(sql, target, words);
        put_template(sql, " THEN excluded.$ ELSE t.$ END", column_of(target, column));
    } else {
        put_template(sql, words->of(words->context, column, word), column_of(target, column));
    }
}

/* False: nothing is changed. */
static bool put_changes(wb_buffer *sql, const wb_target *target, const uint64_t *shape,
                        const wb_conflict_words *words)
{
    bool any = false;
    for (size_t i = 0; i < target->schema->count; i++) {
        if (target->upsert->merge[i] == WB_MERGE_KEEP || !wb_shape_gives(target->schema, shape, i))
            continue;
        wb_buffer_put_text(sql, any ? ", " : " DO UPDATE SET ");
        put_change(sql, target, words, i);
        any = true;
    }
    return any;
}

void wb_put_conflict(wb_buffer *sql, const wb_target *target, const uint64_t *shape,
                     const wb_conflict_words *words)
{
    const wb_upsert *upsert = target->upsert;
    for (size_t i = 0; i < upsert->key_count; i++) {
        wb_buffer_put_text(sql, i == 0 ? " ON CONFLICT (" : ", ");
        wb_put_name(sql, column_of(target, (size_t)upsert->key[i])->name);
    }
    wb_buffer_put_char(sql, ')');
    if (upsert->nothing || !put_changes(sql, target, shape, words)) {
        wb_buffer_put_text(sql, " DO NOTHING");
    } else if (upsert->newest >= 0 && wb_upsert_skips(upsert, target->schema)) {
        wb_buffer_put_text(sql, " WHERE ");
        put_newer(sql, target, words);
    }
}
