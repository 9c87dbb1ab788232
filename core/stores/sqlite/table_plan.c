/* SPDX-License-Identifier: MIT
 * A table that a session uses: looked at once a connection, made where it is missing and may be made,
 * compared with the schema, its statements prepared. Making goes on under the write lock, since
 * another session may be at the same.
 * Locks: none besides; a plan belongs to one session. Fails as connection.c says, with WB_HOLD for a missing
 * table or column, or one of another type; of what failed half-way nothing is left. */
#include "base/env.h"
#include "stores/sqlite/sqlite.h"

/* ---- making tables ---- */

/* NULL: no memory. */
static char *tracker_ddl(const char *table, const wb_target *target)
{
    wb_buffer sql = WB_BUFFER_EMPTY;
    wb_buffer_put_text(&sql, "CREATE TABLE ");
    wb_put_table(&sql, table);
    wb_buffer_put_text(&sql, " (");
    wb_put_name(&sql, target->key);
    wb_buffer_put_text(&sql, " uuid TEXT PRIMARY KEY NOT NULL, ");
    wb_put_name(&sql, target->column);
    wb_buffer_put_text(&sql, " timestamptz TEXT)");
    return wb_buffer_take(&sql, NULL);
}

static int table_make(wb_sqlite_connection *connection, const wb_target *target, wb_err *err)
{
    char *sql = NULL;
    if (target->schema == NULL)
        sql = tracker_ddl(connection->table, target);
    else
        wb_schema_ddl(target->schema, "sqlite", connection->table, &sql, NULL);
    if (sql == NULL)
        return wb_fail_store(err, WB_RETRY, "table \"%s\": out of memory", connection->table);
    int code = wb_sqlite_exec(connection, sql, err);
    wb_free(sql);
    return code;
}

/* Another session may have made it since it was looked for. */
static int create_locked(wb_sqlite_connection *connection, const wb_target *target,
                         wb_sqlite_table *table, wb_err *err)
{
    wb_sqlite_table_fini(table);
    int code = wb_sqlite_table_read(connection, table, err);
    if (code == WB_OK && table->count == 0) {
        code = table_make(connection, target, err);
        if (code == WB_OK)
            code = wb_sqlite_table_read(connection, table, err);
    }
    return code;
}

static int create(wb_sqlite_connection *connection, const wb_target *target, wb_sqlite_table *table,
                  wb_err *err)
{
    int code = wb_sqlite_begin(connection, err);
    if (code != WB_OK)
        return code;
    code = create_locked(connection, target, table, err);
    return wb_sqlite_end(connection, code, err);
}

/* ---- preparing ---- */

static int look(wb_sqlite_connection *connection, const wb_target *target, bool may_create,
                wb_sqlite_table *table, wb_err *err)
{
    int code = wb_sqlite_table_read(connection, table, err);
    if (code != WB_OK)
        return code;
    if (table->count > 0)
        return WB_OK;
    if (may_create)
        return create(connection, target, table, err);
    return wb_fail_store(err, WB_HOLD, "table \"%s\": there is none in database \"%s\"",
                         connection->table, connection->path);
}

static int prepare(wb_sqlite_plan *plan, wb_sqlite_connection *connection, const wb_target *target,
                   const wb_sqlite_table *table, wb_err *err)
{
    if (target->schema == NULL)
        return wb_sqlite_touch_prepare(&plan->touch, connection, target, table, err);
    int code = wb_sqlite_table_check(connection, table, target->schema, err);
    return code == WB_OK ? wb_sqlite_insert_prepare(&plan->insert, connection, target, table, err)
                         : code;
}

static int look_and_prepare(wb_sqlite_plan *plan, wb_sqlite_connection *connection,
                            const wb_target *target, bool may_create, wb_err *err)
{
    wb_sqlite_table table;
    int code = look(connection, target, may_create, &table, err);
    if (code == WB_OK)
        code = prepare(plan, connection, target, &table, err);
    wb_sqlite_table_fini(&table);
    return code;
}

/* ---- a plan's life ---- */

int wb_sqlite_plan_new(wb_sqlite_connection *connection, const wb_target *target, bool may_create,
                       wb_sqlite_plan **out, wb_err *err)
{
    wb_sqlite_plan *plan = wb_alloc_zeroed(sizeof *plan);
    char *name = wb_strdup(connection->table);
    if (plan == NULL || name == NULL) {
        wb_free(plan);
        wb_free(name);
        return wb_fail_store(err, WB_RETRY, "table \"%s\": out of memory", connection->table);
    }
    plan->base.name = name;
    int code = look_and_prepare(plan, connection, target, may_create, err);
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
