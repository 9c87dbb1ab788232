/* SPDX-License-Identifier: MIT
 * What a session keeps of a table: its prepared statements. The table is read, made where it is missing and may be
 * made, and compared with the schema, all in the transaction there is, under the write lock.
 * Locks: none; a plan belongs to one session. Fails as connection.c says, and with WB_HOLD where the table or a
 * column is missing or a type does not fit. Nothing is left of a plan that failed. */
#include "base/env.h"
#include "rows/ddl.h"
#include "stores/sqlite/sqlite.h"

/* ---- making tables ---- */

static int table_make(wb_sqlite_connection *connection, const wb_target *target, wb_err *err)
{
    char *sql = NULL;
    if (target->schema == NULL)
        sql = wb_sqlite_touch_ddl(target);
    else
        wb_table_ddl(target->schema, target->upsert, "sqlite", connection->table, &sql, NULL);
    if (sql == NULL)
        return wb_sqlite_no_memory(connection, err);
    int code = wb_sqlite_exec(connection, sql, err);
    wb_free(sql);
    return code;
}

/* ---- preparing ---- */

static int read_or_create(wb_sqlite_connection *connection, const wb_target *target,
                          bool may_create, wb_sqlite_table *table, wb_err *err)
{
    int code = wb_sqlite_table_read(connection, table, err);
    if (code != WB_OK || table->count > 0)
        return code;
    if (!may_create)
        return wb_sqlite_no_table(connection, err);
    code = table_make(connection, target, err);
    return code == WB_OK ? wb_sqlite_table_read(connection, table, err) : code;
}

static int prepare(wb_sqlite_plan *plan, wb_sqlite_connection *connection, const wb_target *target,
                   const wb_sqlite_table *table, wb_err *err)
{
    if (target->schema == NULL)
        return wb_sqlite_touch_prepare(&plan->touch, connection, target, table, err);
    int code = wb_sqlite_table_check(table, target->schema, err);
    return code == WB_OK ? wb_sqlite_insert_prepare(&plan->insert, connection, target, table, err)
                         : code;
}

/* ---- a plan's life ---- */

int wb_sqlite_plan_new(wb_sqlite_connection *connection, const wb_target *target, bool may_create,
                       wb_sqlite_plan **out, wb_err *err)
{
    wb_sqlite_table table = {0};
    wb_sqlite_plan *plan = wb_alloc_zeroed(sizeof *plan);
    if (plan == NULL || (plan->base.name = wb_strdup(connection->table)) == NULL) {
        wb_free(plan);
        return wb_sqlite_no_memory(connection, err);
    }
    int code = read_or_create(connection, target, may_create, &table, err);
    if (code == WB_OK)
        code = prepare(plan, connection, target, &table, err);
    wb_sqlite_table_fini(&table);
    if (code == WB_OK)
        *out = plan;
    else
        wb_sqlite_plan_free(plan);
    return code;
}

void wb_sqlite_plan_free(wb_sqlite_plan *plan)
{
    if (plan == NULL)
        return;
    wb_sqlite_insert_fini(&plan->insert);
    wb_sqlite_touch_fini(&plan->touch);
    wb_free(plan->base.name);
    wb_free(plan);
}
