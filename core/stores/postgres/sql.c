/* SPDX-License-Identifier: MIT
 * The texts of the statements that depend on a target. Pure: no session, no connection, no locks. Each function
 * returns a text that the caller frees, or NULL without memory; nothing else can fail. A table's name is quoted
 * already, the names of columns are quoted here. */
#include "stores/postgres/postgres.h"

#include <string.h>

char *wb_pg_quote_table(const char *name)
{
    wb_buffer sql = WB_BUFFER_EMPTY;
    wb_put_table(&sql, name);
    return wb_buffer_take(&sql, NULL);
}

/* ---- COPY ---- */

char *wb_pg_copy_statement(const char *table, const wb_schema *schema)
{
    wb_buffer sql = WB_BUFFER_EMPTY;
    wb_buffer_printf(&sql, "COPY %s (", table);
    for (size_t i = 0; i < schema->count; i++) {
        wb_buffer_put_text(&sql, i > 0 ? ", " : "");
        wb_put_name(&sql, schema->columns[i].column.name);
    }
    wb_buffer_put_text(&sql, ") FROM STDIN (FORMAT binary)");
    return wb_buffer_take(&sql, NULL);
}

/* ---- templates: $T is the table, $K the key, $C the column ---- */

static void put_template(wb_buffer *sql, const char *text, const char *table, const char *key,
                         const char *column)
{
    for (; *text != '\0'; text++) {
        if (strncmp(text, "$T", 2) == 0)
            wb_buffer_put_text(sql, table);
        else if (strncmp(text, "$K", 2) == 0)
            wb_put_name(sql, key);
        else if (strncmp(text, "$C", 2) == 0)
            wb_put_name(sql, column);
        else {
            wb_buffer_put_char(sql, *text);
            continue;
        }
        text++;
    }
}

/* The parameters are those of touch.c: ids, times (one for all, or one an id), the latest time that may move. */
static const char all_at_once[] = "marks AS (SELECT m.id, $2 AS at"
                                  " FROM unnest($1) AS m(id))";
static const char each_exact[] = "marks AS (SELECT m.id, m.at"
                                 " FROM unnest($1, $2) AS m(id, at))";
static const char touch[] =
    ", locked AS (SELECT t.$K AS id, m.at FROM $T AS t JOIN marks AS m ON t.$K = m.id"
    " WHERE t.$C IS NULL OR (t.$C < m.at AND t.$C <= $3)"
    " ORDER BY t.$K FOR NO KEY UPDATE OF t),"
    " moved AS (UPDATE $T AS t SET $C = l.at FROM locked AS l"
    " WHERE t.$K = l.id AND (t.$C IS NULL OR t.$C < l.at) RETURNING t.$K AS id)"
    " SELECT (SELECT count(DISTINCT id) FROM moved),"
    " (SELECT count(*) FROM marks AS m WHERE NOT EXISTS (SELECT FROM $T AS t WHERE t.$K = m.id))";

char *wb_pg_touch_statement(const char *table, const wb_target *target)
{
    wb_buffer sql = WB_BUFFER_EMPTY;
    wb_buffer_put_text(&sql, "WITH ");
    wb_buffer_put_text(&sql, target->exact ? each_exact : all_at_once);
    put_template(&sql, touch, table, target->key, target->column);
    return wb_buffer_take(&sql, NULL);
}

char *wb_pg_which_statement(const char *table, const wb_target *target)
{
    const char *key = target->schema->columns[target->dedupe_column].column.name;
    wb_buffer sql = WB_BUFFER_EMPTY;
    put_template(&sql, "SELECT $K FROM $T WHERE $K = ANY ($1) ORDER BY 1", table, key, NULL);
    return wb_buffer_take(&sql, NULL);
}
