/* SPDX-License-Identifier: MIT
 * The text of an upsert: INSERT … SELECT … FROM unnest … ON CONFLICT. A column's values come as one array, whose type is
 * written out. So a table that changes under an open connection converts the values or is refused by the server; no bytes
 * are taken for another type's. What is not of the sent type in the table (an enum, citext, an array, what the schema casts)
 * is cast to the table's, without its modifier: a cast to varchar(3) would cut, an assignment refuses.
 * All names are quoted; an expression is the caller's own SQL. Pure: no connection, no locks; only the buffer fails. */
#include "stores/postgres/postgres.h"

#include <stdlib.h>
#include <string.h>

#include "rows/shape.h"
#include "rows/types.h"
#include "rows/upsert.h"

enum { NAME_OID = 19 };

static const wb_column *column_of(const wb_schema *schema, size_t column)
{
    return &schema->columns[column].column;
}

/* ---- the rows ---- */

/* A name is cut where text becomes one, but read strictly as what it is. */
uint32_t wb_pg_sent_oid(const wb_pg_session *session, size_t column)
{
    const PGresult *columns = wb_pg_table_now(session)->columns;
    const wb_column *own = column_of(session->target.schema, column);
    const char *base = PQgetvalue(columns, wb_pg_find(columns, own->name), WB_PG_BASE);
    bool is_name = own->type == WB_TYPE_TEXT && !own->array && strtoul(base, NULL, 10) == NAME_OID;
    return is_name ? NAME_OID : wb_type_oid(own->array ? WB_TYPE_TEXT : own->type);
}

static const char *sent_name(const wb_pg_session *session, size_t column)
{
    uint32_t oid = wb_pg_sent_oid(session, column);
    return oid == NAME_OID ? "name" : wb_type_name(wb_type_of_oid(oid));
}

static void put_columns(wb_buffer *sql, const wb_schema *schema, const uint64_t *shape)
{
    const char *before = "";
    for (size_t i = 0; i < schema->count; i++) {
        if (!wb_shape_gives(schema, shape, i))
            continue;
        wb_buffer_put_text(sql, before);
        wb_put_name(sql, column_of(schema, i)->name);
        before = ", ";
    }
}

static void put_values(wb_buffer *sql, const wb_pg_session *session, const uint64_t *shape)
{
    const wb_schema *schema = session->target.schema;
    const PGresult *columns = wb_pg_table_now(session)->columns;
    const char *before = " SELECT ";
    for (size_t i = 0; i < schema->count; i++) {
        if (!wb_shape_gives(schema, shape, i))
            continue;
        int row = wb_pg_find(columns, column_of(schema, i)->name);
        bool as_sent =
            strtoul(PQgetvalue(columns, row, WB_PG_BASE), NULL, 10) == wb_pg_sent_oid(session, i);
        wb_buffer_printf(sql, "%sr.c%zu", before, i);
        if (!as_sent)
            wb_buffer_printf(sql, "::%s", PQgetvalue(columns, row, WB_PG_BASE_NAME));
        before = ", ";
    }
}

static void put_arrays(wb_buffer *sql, const wb_pg_session *session, const uint64_t *shape)
{
    const wb_schema *schema = session->target.schema;
    const char *before = " FROM ROWS FROM (";
    int number = 0;
    for (size_t i = 0; i < schema->count; i++) {
        if (!wb_shape_gives(schema, shape, i))
            continue;
        wb_buffer_printf(sql, "%spg_catalog.unnest($%d::pg_catalog.%s[])", before, ++number,
                         sent_name(session, i));
        before = ", ";
    }
    before = ") AS r(";
    for (size_t i = 0; i < schema->count; i++) {
        if (!wb_shape_gives(schema, shape, i))
            continue;
        wb_buffer_printf(sql, "%sc%zu", before, i);
        before = ", ";
    }
    wb_buffer_put_char(sql, ')');
}

/* ---- what becomes of a row that is there ---- */

bool wb_pg_upsert_skips(const wb_upsert *upsert, const wb_schema *schema)
{
    bool only_set = upsert->newest >= 0;
    for (size_t i = 0; i < schema->count && only_set; i++)
        only_set = wb_upsert_merge(upsert, i) == WB_MERGE_SET ||
                   wb_upsert_merge(upsert, i) == WB_MERGE_KEEP;
    return upsert->nothing || only_set;
}

/* What stands for what in the texts below. */
static void put_template(wb_buffer *sql, const char *text, const char *column, const char *newest)
{
    for (; *text != '\0'; text++) {
        if (*text == '$' || *text == '#')
            wb_put_name(sql, *text == '$' ? column : newest);
        else
            wb_buffer_put_char(sql, *text);
    }
}

/* $: the column; #: that which tells what is newer. A row without it is not newer than one that has it. */
#define IS_NEWER "t.# IS NULL OR t.# <= excluded.#"
static const char *const words[] = {
    [WB_MERGE_SET] = "excluded.$",
    [WB_MERGE_SUM] = "coalesce(t.$ + excluded.$, t.$, excluded.$)",
    [WB_MERGE_MIN] = "LEAST(t.$, excluded.$)",
    [WB_MERGE_MAX] = "GREATEST(t.$, excluded.$)",
    [WB_MERGE_FIRST] = "coalesce(t.$, excluded.$)",
    [WB_MERGE_LAST] = "coalesce(excluded.$, t.$)",
};
static const char set_if_newer[] = "CASE WHEN " IS_NEWER " THEN excluded.$ ELSE t.$ END";

static void put_change(wb_buffer *sql, const wb_target *target, size_t column)
{
    const wb_upsert *upsert = target->upsert;
    const char *name = column_of(target->schema, column)->name;
    const char *newest =
        upsert->newest < 0 ? "" : column_of(target->schema, (size_t)upsert->newest)->name;
    int word = wb_upsert_merge(upsert, column);
    wb_put_name(sql, name);
    wb_buffer_put_text(sql, " = ");
    if (word == WB_MERGE_EXPRESSION)
        wb_buffer_printf(sql, "(%s)", upsert->expressions[column]);
    else if (word == WB_MERGE_SET && upsert->newest >= 0 &&
             !wb_pg_upsert_skips(upsert, target->schema))
        put_template(sql, set_if_newer, name, newest);
    else
        put_template(sql, words[word], name, newest);
}

/* False: nothing is. */
static bool put_changes(wb_buffer *sql, const wb_target *target, const uint64_t *shape)
{
    const char *before = " DO UPDATE SET ";
    bool any = false;
    for (size_t i = 0; i < target->schema->count; i++) {
        if (wb_upsert_merge(target->upsert, i) == WB_MERGE_KEEP ||
            !wb_shape_gives(target->schema, shape, i))
            continue;
        wb_buffer_put_text(sql, any ? ", " : before);
        put_change(sql, target, i);
        any = true;
    }
    return any;
}

static void put_conflict(wb_buffer *sql, const wb_target *target, const uint64_t *shape)
{
    const wb_upsert *upsert = target->upsert;
    const char *before = " ON CONFLICT (";
    for (size_t i = 0; i < upsert->key_count; i++) {
        wb_buffer_put_text(sql, before);
        wb_put_name(sql, column_of(target->schema, (size_t)upsert->key[i])->name);
        before = ", ";
    }
    wb_buffer_put_char(sql, ')');
    if (upsert->nothing || !put_changes(sql, target, shape))
        wb_buffer_put_text(sql, " DO NOTHING");
    else if (upsert->newest >= 0 && wb_pg_upsert_skips(upsert, target->schema))
        put_template(sql, " WHERE " IS_NEWER, "",
                     column_of(target->schema, (size_t)upsert->newest)->name);
}

void wb_pg_put_upsert(wb_buffer *sql, const wb_pg_session *session, const uint64_t *shape)
{
    const wb_schema *schema = session->target.schema;
    wb_buffer_printf(sql, "INSERT INTO %s AS t (",
                     PQgetvalue(wb_pg_table_now(session)->columns, 0, WB_PG_FULL));
    put_columns(sql, schema, shape);
    wb_buffer_put_char(sql, ')');
    put_values(sql, session, shape);
    put_arrays(sql, session, shape);
    put_conflict(sql, &session->target, shape);
}
