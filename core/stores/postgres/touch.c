/* SPDX-License-Identifier: MIT
 * Moving times forward, for a tracker. Where the key is unique, a plain UPDATE moves all marks, as fast as the server
 * can: it gives up when a row is locked. Then, or where it did not move all, a second statement skips the rows that are
 * locked and says what became of each mark. So nobody waits for a row, and no two writers wait for each other. A time
 * never moves back, and doing it twice changes nothing, so a lost answer is never in doubt.
 * Used by the session's thread, so not locked. Fails as wire.c does, or with RETRY without memory. */
#include "stores/postgres/postgres.h"

#include <string.h>

/* lock_not_available, deadlock_detected. */
static bool was_in_the_way(const wb_err *err)
{
    return strcmp(err->sqlstate, "55P03") == 0 || strcmp(err->sqlstate, "40P01") == 0;
}

/* WB_OK too where a lock was in the way: nothing has moved then. */
static int touch_all(wb_pg_session *session, const wb_marks *marks, const wb_deadline *deadline,
                     uint64_t *moved, wb_err *err)
{
    wb_err own = {.code = WB_OK};
    wb_buffer sql = WB_BUFFER_EMPTY;
    *moved = 0;
    wb_pg_put_touch_all(&sql, session, marks);
    int code = wb_pg_change(session, &sql, deadline, moved, &own);
    if (code != WB_OK && was_in_the_way(&own))
        return WB_OK;
    if (code == WB_OK && *moved > marks->count)
        code = wb_pg_deviates(session, "more ids than there are", &own);
    if (code != WB_OK)
        *err = own;
    return code;
}

/* False: that is no answer. */
static bool take_row(const PGresult *result, int row, const wb_marks *marks, wb_touched *touched,
                     bool *changed)
{
    uint64_t mark, what;
    if (!wb_pg_number(PQgetvalue(result, row, 0), &mark) ||
        !wb_pg_number(PQgetvalue(result, row, 1), &what) || mark > marks->count)
        return false;
    if (mark == 0)
        touched->updated += what;
    else if (what == WB_PG_NO_ROW)
        touched->unmatched++;
    else if (what == WB_PG_IN_USE)
        marks->again[mark - 1] = true;
    else
        *changed = true;
    return touched->updated + touched->unmatched <= marks->count;
}

static int take_answer(wb_pg_session *session, const PGresult *result, const wb_marks *marks,
                       wb_touched *touched, wb_err *err)
{
    bool changed = false;
    for (int row = 0; row < PQntuples(result); row++)
        if (!take_row(result, row, marks, touched, &changed))
            return wb_pg_deviates(session, "ids that were not asked for", err);
    if (changed)
        return wb_fail_store(err, WB_HOLD, "the table has changed since it was checked");
    return WB_OK;
}

static int touch_free(wb_pg_session *session, const wb_marks *marks, const wb_deadline *deadline,
                      wb_touched *touched, wb_err *err)
{
    PGresult *result = NULL;
    wb_buffer sql = WB_BUFFER_EMPTY;
    wb_pg_put_touch_free(&sql, session, marks);
    int code = wb_pg_ask(session, &sql, (wb_pg_shape){.columns = 2}, deadline, &result, err);
    if (code == WB_OK)
        code = take_answer(session, result, marks, touched, err);
    PQclear(result);
    return code;
}

static bool is_plain(const PGresult *columns, const wb_target *target)
{
    int key = wb_pg_find(columns, target->key), time = wb_pg_find(columns, target->column);
    return wb_pg_true(columns, key, WB_PG_UNIQUE) &&
           strcmp(PQgetvalue(columns, time, WB_PG_OWN_TYPE),
                  PQgetvalue(columns, time, WB_PG_BASE)) == 0;
}

int wb_pg_touch(wb_pg_session *session, const wb_marks *marks, const wb_deadline *deadline,
                wb_touched *out, wb_err *err)
{
    wb_touched touched = {0};
    int code = WB_OK;
    if (is_plain(wb_pg_table_now(session)->columns, &session->target))
        code = touch_all(session, marks, deadline, &touched.updated, err);
    if (code == WB_OK && touched.updated < marks->count)
        code = touch_free(session, marks, deadline, &touched, err);
    if (code == WB_OK)
        *out = touched;
    return code;
}
