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
#include "stores/conflict.h"

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

static const char *word_of(const void *context, size_t column, int word)
{
    static const char *const words[] = {
        [WB_MERGE_SET] = "excluded.$",
        [WB_MERGE_SUM] = "coalesce(t.$ + excluded.$, t.$, excluded.$)",
        [WB_MERGE_MIN] = "LEAST(t.$, excluded.$)",
        [WB_MERGE_MAX] = "GREATEST(t.$, excluded.$)",
        [WB_MERGE_FIRST] = "coalesce(t.$, excluded.$)",
        [WB_MERGE_LAST] = "coalesce(excluded.$, t.$)",
        /* one without the column is not newer than one that has it */
        [WB_CONFLICT_NEWER] = "t.$ IS NULL OR t.$ <= excluded.$",
    };
    (void)context, (void)column;
    return words[word];
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
    wb_put_conflict(sql, &session->target, shape, &(wb_conflict_words){.of = word_of});
}
