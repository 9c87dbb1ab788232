/* SPDX-License-Identifier: MIT
 * A session: its tables, and how far it can be trusted after a failure. What is known of a table outlives a
 * connection, since each write asks whether it still is so. Invariant: there is a table, and the first is that of the
 * call under way. Used by one thread, so not locked. Fails only without memory, and is then as it was. */
#include "stores/postgres/postgres.h"

#include <string.h>

#include "base/env.h"

/* ---- a table ---- */

void wb_pg_table_forget(wb_pg_table *table)
{
    PQclear(table->columns);
    wb_free(table->elements);
    table->columns = NULL;
    table->elements = NULL;
}

static void table_free(wb_recent *base)
{
    wb_pg_table *table = (wb_pg_table *)base;
    if (table == NULL)
        return;
    wb_free(table->base.name);
    wb_free(table->quoted);
    wb_pg_table_forget(table);
    wb_free(table);
}

static wb_pg_table *table_new(const char *name)
{
    wb_buffer quoted = WB_BUFFER_EMPTY;
    wb_pg_table *table = wb_alloc_zeroed(sizeof *table);
    if (table == NULL)
        return NULL;
    table->base.name = wb_strdup(name);
    wb_put_table(&quoted, name);
    table->quoted = wb_buffer_take(&quoted, NULL);
    if (table->base.name != NULL && table->quoted != NULL)
        return table;
    table_free(&table->base);
    return NULL;
}

int wb_pg_table_use(wb_pg_session *session, const char *name, wb_err *err)
{
    if (wb_recent_find(&session->tables, name) != NULL)
        return WB_OK;
    wb_pg_table *table = table_new(name);
    if (table == NULL)
        return wb_fail_store(err, WB_RETRY, "out of memory for a table");
    table_free(wb_recent_put(&session->tables, &table->base));
    return WB_OK;
}

/* ---- a session ---- */

wb_pg_session *wb_pg_session_new(wb_pg_store *store, const wb_target *target)
{
    wb_pg_session *session = wb_alloc_zeroed(sizeof *session);
    if (session == NULL)
        return NULL;
    session->base.class = store->base.class;
    session->store = store;
    wb_store_ref(&store->base);
    session->target = *target;
    if (wb_pg_table_use(session, target->table, NULL) == WB_OK)
        return session;
    wb_pg_session_free(session);
    return NULL;
}

void wb_pg_session_free(wb_pg_session *session)
{
    wb_pg_drop(session);
    while (session->tables != NULL)
        table_free(wb_recent_take(&session->tables));
    wb_store_unref(&session->store->base);
    wb_free(session);
}

/* ---- after a failure ---- */

void wb_pg_drop(wb_pg_session *session)
{
    PQfinish(session->conn);
    session->conn = NULL;
}

static bool another_table_fits(const wb_pg_session *session)
{
    const wb_recent *at = session->tables->next;
    while (at != NULL && ((const wb_pg_table *)at)->columns == NULL)
        at = at->next;
    return at != NULL;
}

/* The table is missing, does not fit, or may not be written to. */
static bool is_of_table(const wb_err *err)
{
    return err->error_class == WB_HOLD &&
           (*err->sqlstate == '\0' || strncmp(err->sqlstate, "42", 2) == 0);
}

/* A row's fault says nothing about the connection. Nor does another transaction in the way (40, 55). A table's
 * fault does not where the connection serves another table, which would have to wait for a new one at each try of the
 * bad table. Any other fault may be that of this server or backend alone, and a new connection may
 * find a new primary. */
static bool stays_good(const wb_pg_session *session, const wb_err *err)
{
    return err->error_class == WB_REJECT || err->some_rows ||
           strncmp(err->sqlstate, "40", 2) == 0 || strncmp(err->sqlstate, "55", 2) == 0 ||
           (is_of_table(err) && another_table_fits(session));
}

/* It connects and refuses to write: a standby, or a primary that became one. The next host may be the primary. */
static bool is_standby(const wb_err *err)
{
    return strcmp(err->sqlstate, "25006") == 0;
}

int wb_pg_distrust(wb_pg_session *session, int code, const wb_err *err)
{
    if (code == WB_OK)
        return code;
    if (is_standby(err))
        session->host = (session->host + 1) % session->store->count;
    if (!stays_good(session, err))
        wb_pg_drop(session);
    return code;
}
