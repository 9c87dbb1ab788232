/* SPDX-License-Identifier: MIT
 * What a table looks like, from the catalogue. A domain counts as the type below it, its NOT NULL and its default as
 * the column's; its checks are the server's.
 * Used by the session's thread, so not locked. Fails as wire.c does, or with HOLD where there is no such table. */
#include "stores/postgres/postgres.h"

#include <stdlib.h>
#include <string.h>

#include "rows/types.h"

/* The texts of defaults depend on this setting (default.c). */
static const char plain_strings[] = "SET LOCAL standard_conforming_strings = on; ";

/* From a type down through domains; typbasetype is 0 at the end. */
#define CHAIN(type)                                                                                \
    "WITH RECURSIVE chain AS ("                                                                    \
    " SELECT oid, typbasetype, typnotnull, typdefault, typtypmod FROM pg_catalog.pg_type"          \
    "  WHERE oid = " type                                                                          \
    " UNION ALL SELECT t.oid, t.typbasetype, t.typnotnull, t.typdefault, t.typtypmod"              \
    "  FROM chain JOIN pg_catalog.pg_type t ON t.oid = chain.typbasetype)"                         \
    " SELECT max(oid) FILTER (WHERE typbasetype = 0) AS base,"                                     \
    "  coalesce(bool_or(typnotnull), false) AS not_null,"                                          \
    "  coalesce(bool_or(typdefault IS NOT NULL), false) AS has_default,"                           \
    "  nullif(max(typtypmod), -1) AS modifier FROM chain"

#define OF_COLUMN   CHAIN("a.atttypid")
#define OF_ELEMENTS CHAIN("e.typelem")

/* LOCK TABLE is allowed on ordinary and partitioned tables, with one of these rights. A view takes rows by COPY where a
 * trigger stands in for INSERT (bits of tgtype: 4 INSERT, 64 INSTEAD). What an array's elements are written as goes by
 * the type below their domains, too. Enums, citext and the types of characters take text. */
static const char columns_sql[] =
    "SELECT c.oid, pg_catalog.quote_ident(n.nspname) || '.' || pg_catalog.quote_ident(c.relname),"
    " c.relkind IN ('r', 'p')"
    "  AND pg_catalog.has_table_privilege(c.oid, 'INSERT, UPDATE, DELETE, TRUNCATE'),"
    " c.relkind = 'v' AND NOT EXISTS (SELECT FROM pg_catalog.pg_trigger g"
    "  WHERE g.tgrelid = c.oid AND g.tgtype & 68 = 68),"
    " pg_catalog.row_security_active(c.oid),"
    " a.attname, a.atttypid, b.base, pg_catalog.format_type(a.atttypid, a.atttypmod),"
    " a.attnotnull OR b.not_null, a.atthasdef OR b.has_default, a.attidentity, a.attgenerated,"
    " pg_catalog.pg_get_expr(d.adbin, d.adrelid),"
    " EXISTS (SELECT FROM pg_catalog.pg_index i WHERE i.indrelid = c.oid AND i.indisprimary"
    "  AND i.indnkeyatts = 1 AND i.indkey[0] = a.attnum),"
    " EXISTS (SELECT FROM pg_catalog.pg_index i WHERE i.indrelid = c.oid AND i.indisunique"
    "  AND i.indisvalid AND i.indpred IS NULL AND i.indnkeyatts = 1 AND i.indkey[0] = a.attnum),"
    " EXISTS (SELECT FROM pg_catalog.pg_partitioned_table p WHERE p.partrelid = c.oid"
    "  AND (p.partattrs[0] = a.attnum OR (p.partattrs[0] = 0 AND EXISTS ("
    "   SELECT FROM pg_catalog.pg_depend e WHERE e.objid = c.oid AND e.objsubid = a.attnum"
    "    AND e.refobjid = c.oid AND e.refobjsubid = 0 AND e.deptype = 'i')))),"
    " t.oid, e.typelem, t.typtype = 'e' OR t.oid IN (25, 1042, 1043, 19, 142)"
    "  OR t.typreceive::pg_catalog.oid IN (SELECT r.oid FROM pg_catalog.pg_proc r"
    "   WHERE r.proname = 'citextrecv'),"
    " CASE WHEN t.oid IN (1042, 1043)"
    "  THEN coalesce(nullif(a.atttypmod, -1), b.modifier, f.modifier) - 4 END,"
    " EXISTS (SELECT FROM pg_catalog.pg_constraint o WHERE o.conrelid = c.oid AND o.contype = 'f'"
    "  AND a.attnum = ANY (o.conkey)),"
    " pg_catalog.has_column_privilege(c.oid, a.attnum, 'INSERT')"
    "  OR NOT pg_catalog.has_any_column_privilege(c.oid, 'INSERT'),"
    " (SELECT pg_catalog.quote_ident(o.nspname) || '.' || pg_catalog.quote_ident(y.typname)"
    "  FROM pg_catalog.pg_type y JOIN pg_catalog.pg_namespace o ON o.oid = y.typnamespace"
    "  WHERE y.oid = b.base)"
    " FROM pg_catalog.pg_class c JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace"
    " LEFT JOIN pg_catalog.pg_attribute a"
    "  ON a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped"
    " LEFT JOIN pg_catalog.pg_attrdef d ON d.adrelid = a.attrelid AND d.adnum = a.attnum"
    " LEFT JOIN LATERAL (" OF_COLUMN ") b ON true"
    " LEFT JOIN pg_catalog.pg_type e ON e.oid = b.base"
    "  AND e.oid = (SELECT y.typarray FROM pg_catalog.pg_type y WHERE y.oid = e.typelem)"
    " LEFT JOIN LATERAL (" OF_ELEMENTS ") f ON true"
    " LEFT JOIN pg_catalog.pg_type t ON t.oid = coalesce(f.base, b.base)"
    " WHERE c.oid = pg_catalog.to_regclass(";
static const char in_their_order[] = ") ORDER BY a.attnum";

bool wb_pg_true(const PGresult *columns, int row, int field)
{
    return strcmp(PQgetvalue(columns, row, field), "t") == 0;
}

static uint32_t oid_of(const PGresult *columns, int row, int field)
{
    return (uint32_t)strtoul(PQgetvalue(columns, row, field), NULL, 10);
}

int wb_pg_type(const PGresult *columns, int row)
{
    return wb_pg_true(columns, row, WB_PG_TEXTUAL) ? WB_TYPE_TEXT
                                                   : wb_type_of_oid(oid_of(columns, row, WB_PG_AS));
}

bool wb_pg_is_array(const PGresult *columns, int row)
{
    return !PQgetisnull(columns, row, WB_PG_ELEMENT);
}

uint32_t wb_pg_element(const PGresult *columns, int row)
{
    return oid_of(columns, row, WB_PG_ELEMENT);
}

int wb_pg_find(const PGresult *columns, const char *name)
{
    for (int row = 0; row < PQntuples(columns); row++)
        if (strcmp(PQgetvalue(columns, row, WB_PG_NAME), name) == 0)
            return row;
    return -1;
}

/* Where partitions go by an expression, it is the first column in it. */
uint32_t wb_pg_group_column(const PGresult *columns, const wb_schema *schema)
{
    int row = 0, rows = PQntuples(columns);
    while (row < rows && !wb_pg_true(columns, row, WB_PG_PARTITION))
        row++;
    if (row == rows)
        return 0;
    const char *name = PQgetvalue(columns, row, WB_PG_NAME);
    return (uint32_t)(wb_schema_find(schema, name, strlen(name)) + 1);
}

/* Names and types decide what the bytes of a row mean. A type is told by that below its domains. */
bool wb_pg_is_as_checked(const PGresult *columns, const PGresult *now)
{
    int count = PQgetisnull(columns, 0, WB_PG_NAME) ? 0 : PQntuples(columns);
    bool same = PQntuples(now) == 1 && PQnfields(now) == count + 1 &&
                strcmp(PQgetvalue(now, 0, 0), PQgetvalue(columns, 0, WB_PG_TABLE)) == 0;
    for (int i = 0; i < count && same; i++)
        same = PQftype(now, i + 1) == oid_of(columns, i, WB_PG_BASE) &&
               strcmp(PQfname(now, i + 1), PQgetvalue(columns, i, WB_PG_NAME)) == 0;
    return same;
}

int wb_pg_columns(wb_pg_session *session, const wb_deadline *deadline, PGresult **out, wb_err *err)
{
    wb_buffer sql = WB_BUFFER_EMPTY;
    PGresult *columns = NULL;
    wb_pg_put_settings(&sql, session);
    wb_buffer_put_text(&sql, plain_strings);
    wb_buffer_put_text(&sql, columns_sql);
    wb_pg_put_literal(&sql, wb_pg_table_now(session)->quoted);
    wb_buffer_put_text(&sql, in_their_order);
    const wb_pg_shape shape = {.columns = WB_PG_TABLE_FIELDS};
    int code = wb_pg_ask(session, &sql, shape, deadline, &columns, err);
    if (code != WB_OK)
        return code;
    if (PQntuples(columns) < 1) {
        PQclear(columns);
        return wb_fail_store(err, WB_HOLD, "there is no such table in database \"%s\"",
                             PQdb(session->conn));
    }
    *out = columns;
    return WB_OK;
}
