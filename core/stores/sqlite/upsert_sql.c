/* SPDX-License-Identifier: MIT
 * SQLite's words for an upsert (stores/conflict.h). Sums and numerics that are kept as text go through functions of ours
 * (functions.c): SQLite would make a float of a sum that is too large, and compare digits as text. A time sorts as text; so
 * does a uuid.
 * No state, no locks; only the buffer fails. */
#include "stores/conflict.h"
#include "stores/sqlite/sqlite.h"

static const char *const words[] = {
    [WB_MERGE_SET] = "excluded.$",
    [WB_MERGE_SUM] = "writebehind_sum(t.$, excluded.$, %, @)",
    [WB_MERGE_MIN] = "coalesce(min(t.$, excluded.$), t.$, excluded.$)",
    [WB_MERGE_MAX] = "coalesce(max(t.$, excluded.$), t.$, excluded.$)",
    [WB_MERGE_FIRST] = "coalesce(t.$, excluded.$)",
    [WB_MERGE_LAST] = "coalesce(excluded.$, t.$)",
    /* one without the column is not newer than one that has it */
    [WB_CONFLICT_NEWER] = "t.$ IS NULL OR t.$ <= excluded.$",
};
/* The same of a numeric that is text, where it differs. */
static const char *const decimal_words[WB_CONFLICT_NEWER + 1] = {
    [WB_MERGE_MIN] = "CASE WHEN writebehind_compare(t.$, excluded.$) > 0 THEN excluded.$ "
                     "ELSE coalesce(t.$, excluded.$) END",
    [WB_MERGE_MAX] = "CASE WHEN writebehind_compare(t.$, excluded.$) < 0 THEN excluded.$ "
                     "ELSE coalesce(t.$, excluded.$) END",
    [WB_CONFLICT_NEWER] = "t.$ IS NULL OR writebehind_compare(t.$, excluded.$) <= 0",
};

static const char *word_of(const void *context, size_t column, int word)
{
    const wb_sqlite_insert *insert = context;
    bool decimal = insert->target->schema->columns[column].column.type == WB_TYPE_NUMERIC &&
                   insert->forms[column] != WB_SQLITE_NUMBER;
    return decimal && decimal_words[word] != NULL ? decimal_words[word] : words[word];
}

void wb_sqlite_put_conflict(wb_buffer *sql, const wb_sqlite_insert *insert, const uint64_t *shape)
{
    wb_put_conflict(sql, insert->target, shape, &(wb_conflict_words){word_of, insert});
}
