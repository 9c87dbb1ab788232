/* SPDX-License-Identifier: MIT
 * Does the table fit? Binary COPY wants exact types, and what it can't notice (a float8 where an int8 is sent) it
 * stores as garbage. So the columns are compared with the catalogue before the first write to a table on a
 * connection, and before the next one after a write that failed. The comparison is made before the statement, not
 * in its transaction: a table that is altered between two good writes is noticed at the next failure or connection.
 *
 * A domain counts as the type below it, its NOT NULL and its default as the column's; its checks are the server's.
 * varchar counts as text; a value too long for it is that row's error.
 * Used by the session's thread, so not locked. Fails with HOLD, naming the first column that does not fit, or as
 * wire.c does. */
#include "stores/postgres/postgres.h"

#include <stdlib.h>
#include <string.h>

#include "rows/types.h"

enum { VARCHAR_OID = 1043 };

/* The chain goes from the column's type down through domains; typbasetype is 0 at its end. */
static const char columns_sql[] =
    "SELECT c.oid IS NOT NULL, a.attname, b.base, pg_catalog.format_type(a.atttypid, a.atttypmod),"
    " a.attnotnull OR b.not_null, a.atthasdef OR b.has_default, a.attidentity, a.attgenerated,"
    " pg_catalog.pg_get_expr(d.adbin, d.adrelid),"
    " EXISTS (SELECT FROM pg_catalog.pg_index i WHERE i.indrelid = c.oid AND i.indisprimary"
    "  AND i.indnkeyatts = 1 AND i.indkey[0] = a.attnum),"
    " EXISTS (SELECT FROM pg_catalog.pg_index i WHERE i.indrelid = c.oid AND i.indisunique"
    "  AND i.indisvalid AND i.indpred IS NULL"
    "  AND a.attnum = ANY ((i.indkey::int2[])[0:i.indnkeyatts - 1])),"
    " EXISTS (SELECT FROM pg_catalog.pg_partitioned_table p WHERE p.partrelid = c.oid"
    "  AND (p.partattrs[0] = a.attnum OR (p.partattrs[0] = 0 AND EXISTS ("
    "   SELECT FROM pg_catalog.pg_depend e WHERE e.objid = c.oid AND e.objsubid = a.attnum"
    "    AND e.refobjid = c.oid AND e.refobjsubid = 0 AND e.deptype = 'i'))))"
    " FROM (SELECT pg_catalog.to_regclass($1)::oid AS oid) c"
    " LEFT JOIN pg_catalog.pg_attribute a"
    "  ON a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped"
    " LEFT JOIN pg_catalog.pg_attrdef d ON d.adrelid = a.attrelid AND d.adnum = a.attnum"
    " LEFT JOIN LATERAL ("
    "  WITH RECURSIVE chain AS ("
    "   SELECT oid, typbasetype, typnotnull, typdefault FROM pg_catalog.pg_type"
    "    WHERE oid = a.atttypid"
    "   UNION ALL SELECT t.oid, t.typbasetype, t.typnotnull, t.typdefault"
    "    FROM chain JOIN pg_catalog.pg_type t ON t.oid = chain.typbasetype)"
    "  SELECT max(oid) FILTER (WHERE typbasetype = 0) AS base,"
    "   coalesce(bool_or(typnotnull), false) AS not_null,"
    "   coalesce(bool_or(typdefault IS NOT NULL), false) AS has_default FROM chain) b ON true"
    " ORDER BY a.attnum";

static bool has(const PGresult *columns, int row, int field)
{
    return PQgetlength(columns, row, field) > 0;
}

bool wb_pg_true(const PGresult *columns, int row, int field)
{
    return strcmp(PQgetvalue(columns, row, field), "t") == 0;
}

int wb_pg_type(const PGresult *columns, int row)
{
    unsigned long oid = strtoul(PQgetvalue(columns, row, WB_PG_BASE), NULL, 10);
    return oid == VARCHAR_OID ? WB_TYPE_TEXT : wb_type_of_oid((uint32_t)oid);
}

int wb_pg_columns(wb_pg_session *session, const wb_deadline *deadline, PGresult **out, wb_err *err)
{
    const char *table = wb_pg_table_now(session)->quoted;
    wb_pg_params params = {0};
    PGresult *columns = NULL;
    wb_pg_bind(&params, WB_PG_TEXT, table, strlen(table));
    int code = wb_pg_run(session, columns_sql, &params, false, deadline, &columns, err);
    if (code != WB_OK)
        return code;
    if (PQntuples(columns) < 1 || !wb_pg_true(columns, 0, WB_PG_FOUND)) {
        PQclear(columns);
        return wb_fail_store(err, WB_HOLD, "there is no such table in database \"%s\"",
                             PQdb(session->conn));
    }
    *out = columns;
    return WB_OK;
}

static int find(const PGresult *columns, const char *name)
{
    for (int row = 0; row < PQntuples(columns); row++)
        if (strcmp(PQgetvalue(columns, row, WB_PG_NAME), name) == 0)
            return row;
    return -1;
}

/* A short name where there is one ("int4"), else SQL's. */
static const char *type_shown(const PGresult *columns, int row)
{
    int type = wb_pg_type(columns, row);
    bool plain = type >= 0 && type != WB_TYPE_TEXT;
    return plain ? wb_type_name(type) : PQgetvalue(columns, row, WB_PG_TYPE);
}

static int check_type(const PGresult *columns, const char *name, int type, const char *where,
                      wb_err *err)
{
    int row = find(columns, name);
    if (row < 0)
        return wb_fail_store(err, WB_HOLD, "column \"%s\" is not in the table", name);
    if (wb_pg_type(columns, row) != type)
        return wb_fail_store(err, WB_HOLD, "column \"%s\" is %s in the database, %s in the %s",
                             name, type_shown(columns, row), wb_type_name(type), where);
    if (has(columns, row, WB_PG_GENERATED) ||
        strcmp(PQgetvalue(columns, row, WB_PG_IDENTITY), "a") == 0)
        return wb_fail_store(err, WB_HOLD,
                             "column \"%s\" is always generated by the database: leave it out of "
                             "the %s",
                             name, where);
    return WB_OK;
}

static int check_column(const PGresult *columns, const wb_column *column, wb_err *err)
{
    int code = check_type(columns, column->name, column->type, "schema", err);
    if (code != WB_OK)
        return code;
    if (column->null && wb_pg_true(columns, find(columns, column->name), WB_PG_NOT_NULL))
        return wb_fail_store(err, WB_HOLD,
                             "column \"%s\" is NOT NULL in the database, but may be NULL in the "
                             "schema",
                             column->name);
    return WB_OK;
}

/* The columns that the schema leaves out: the server must have something to fill each with. */
static int check_rest(const PGresult *columns, const wb_schema *schema, wb_err *err)
{
    for (int row = 0; row < PQntuples(columns); row++) {
        const char *name = PQgetvalue(columns, row, WB_PG_NAME);
        bool filled = wb_pg_true(columns, row, WB_PG_DEFAULT) ||
                      has(columns, row, WB_PG_IDENTITY) || has(columns, row, WB_PG_GENERATED);
        if (!wb_pg_true(columns, row, WB_PG_NOT_NULL) || filled ||
            wb_schema_find(schema, name, strlen(name)) >= 0)
            continue;
        return wb_fail_store(err, WB_HOLD,
                             "column \"%s\" is NOT NULL without a default in the database, and "
                             "not in the schema",
                             name);
    }
    return WB_OK;
}

static int check_schema(const PGresult *columns, const wb_schema *schema, wb_err *err)
{
    int code = WB_OK;
    for (size_t i = 0; i < schema->count && code == WB_OK; i++)
        code = check_column(columns, &schema->columns[i].column, err);
    return code == WB_OK ? check_rest(columns, schema, err) : code;
}

static bool is_unique(const PGresult *columns, const wb_target *target)
{
    if (target->schema == NULL || target->dedupe != WB_DEDUPE_COLUMN)
        return false;
    const char *name = target->schema->columns[target->dedupe_column].column.name;
    return wb_pg_true(columns, find(columns, name), WB_PG_UNIQUE);
}

/* Where partitions go by an expression, it is the first column in it. */
static uint32_t group_column(const PGresult *columns, const wb_schema *schema)
{
    int row = 0, rows = PQntuples(columns);
    while (row < rows && !wb_pg_true(columns, row, WB_PG_PARTITION))
        row++;
    if (row == rows || schema == NULL)
        return 0;
    const char *name = PQgetvalue(columns, row, WB_PG_NAME);
    return (uint32_t)(wb_schema_find(schema, name, strlen(name)) + 1);
}

static int check_tracker(const PGresult *columns, const wb_target *target, wb_err *err)
{
    int code = check_type(columns, target->key, WB_TYPE_UUID, "tracker", err);
    return code != WB_OK ? code
                         : check_type(columns, target->column, WB_TYPE_TIMESTAMPTZ, "tracker", err);
}

int wb_pg_check(wb_pg_session *session, const wb_deadline *deadline, wb_err *err)
{
    PGresult *columns = NULL;
    int code = wb_pg_columns(session, deadline, &columns, err);
    if (code != WB_OK)
        return code;
    const wb_target *target = &session->target;
    code = target->schema != NULL ? check_schema(columns, target->schema, err)
                                  : check_tracker(columns, target, err);
    wb_pg_table *table = wb_pg_table_now(session);
    table->checked = code == WB_OK;
    table->unique = code == WB_OK && is_unique(columns, target);
    table->group_column = code == WB_OK ? group_column(columns, target->schema) : 0;
    PQclear(columns);
    return code;
}
