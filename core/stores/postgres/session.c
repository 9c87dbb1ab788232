/* SPDX-License-Identifier: MIT
 * A session and the tables that it writes to. What is known of a table is good for one connection: whether
 * it fits, and whether a unique index holds the ids. Invariant: there is a table, and the first is the one
 * that the call under way is about. Used by one thread, so not locked. Fails only without memory, and is
 * then as it was. */
#include "stores/postgres/postgres.h"

#include "base/env.h"

/* ---- a table ---- */

static char *quote_table(const char *table)
{
    wb_buffer sql = WB_BUFFER_EMPTY;
    wb_put_table(&sql, table);
    return wb_buffer_take(&sql, NULL);
}

static char *statement_of(const char *table, const wb_target *target)
{
    if (target->schema != NULL)
        return wb_pg_copy_statement(table, target->schema);
    if (target->key != NULL)
        return wb_pg_touch_statement(table, target);
    return wb_strdup("");
}

static void aim_free(wb_recent *base)
{
    wb_pg_aim *aim = (wb_pg_aim *)base;
    if (aim == NULL)
        return;
    wb_free(aim->base.name);
    wb_free(aim->table);
    wb_free(aim->statement);
    wb_free(aim);
}

static wb_pg_aim *aim_new(const char *table, const wb_target *target)
{
    wb_pg_aim *aim = wb_alloc_zeroed(sizeof *aim);
    if (aim == NULL)
        return NULL;
    aim->base.name = wb_strdup(table);
    aim->table = quote_table(table);
    if (aim->table != NULL)
        aim->statement = statement_of(aim->table, target);
    if (aim->base.name != NULL && aim->statement != NULL)
        return aim;
    aim_free(&aim->base);
    return NULL;
}

/* ---- a session's tables ---- */

int wb_pg_aim_at(wb_pg_session *session, const char *table, wb_err *err)
{
    if (wb_recent_find(&session->aims, table) != NULL)
        return WB_OK;
    wb_pg_aim *aim = aim_new(table, &session->target);
    if (aim == NULL)
        return wb_fail_store(err, WB_RETRY, "out of memory for a statement");
    aim_free(wb_recent_put(&session->aims, &aim->base));
    return WB_OK;
}

void wb_pg_aims_doubt(wb_pg_session *session)
{
    for (wb_recent *at = session->aims; at != NULL; at = at->next)
        ((wb_pg_aim *)at)->checked = false;
}

bool wb_pg_aims_others_fit(const wb_pg_session *session)
{
    const wb_recent *at = session->aims->next;
    while (at != NULL && !((const wb_pg_aim *)at)->checked)
        at = at->next;
    return at != NULL;
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
    if (wb_pg_aim_at(session, target->table, NULL) == WB_OK)
        return session;
    wb_pg_session_free(session);
    return NULL;
}

void wb_pg_session_free(wb_pg_session *session)
{
    wb_pg_drop(session);
    while (session->aims != NULL)
        aim_free(wb_recent_take(&session->aims));
    wb_store_unref(&session->store->base);
    wb_free(session);
}
