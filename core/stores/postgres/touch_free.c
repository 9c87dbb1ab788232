/* SPDX-License-Identifier: MIT
 * Moving the times that a plain UPDATE did not move: a statement that skips the rows which are locked, and says what became
 * of each mark. Where row-level security applies, a row that it skipped may be one that a policy keeps from being moved, for
 * ever. So a second statement takes the weakest lock on those: which it does not get at all are unmatched.
 * Used by the session's thread, so not locked. Fails as wire.c does, or with HOLD where the table has changed. */
#include "stores/postgres/postgres.h"

#include <string.h>

/* lock_not_available, deadlock_detected. */
bool wb_pg_was_in_the_way(const wb_err *err)
{
    return strcmp(err->sqlstate, "55P03") == 0 || strcmp(err->sqlstate, "40P01") == 0;
}

/* False: that is no answer. */
static bool take_row(const PGresult *result, int row, const wb_marks *marks, wb_touched *touched,
                     bool *absent, bool *changed)
{
    uint64_t mark, what;
    if (!wb_pg_number(PQgetvalue(result, row, 0), &mark) ||
        !wb_pg_number(PQgetvalue(result, row, 1), &what) || mark > marks->count)
        return false;
    if (mark == 0)
        touched->updated += what;
    else if (what == WB_PG_NO_ROW) {
        touched->unmatched++;
        if (absent != NULL)
            absent[mark - 1] = true;
    } else if (what == WB_PG_IN_USE)
        marks->again[mark - 1] = true;
    else
        *changed = true;
    return touched->updated + touched->unmatched <= marks->count;
}

static int take_answer(wb_pg_session *session, const PGresult *result, const wb_marks *marks,
                       wb_touched *touched, bool *absent, wb_err *err)
{
    bool changed = false;
    for (int row = 0; row < PQntuples(result); row++)
        if (!take_row(result, row, marks, touched, absent, &changed))
            return wb_pg_deviates(session, "ids that were not asked for", err);
    if (changed)
        return wb_fail_store(err, WB_HOLD, "the table has changed since it was checked");
    return WB_OK;
}

/* ---- rows that a policy keeps ---- */

/* How many they are; -1: that is no answer. */
static int64_t take_kept(const PGresult *result, const wb_marks *marks, wb_touched *touched)
{
    int64_t kept = 0;
    for (int row = 0; row < PQntuples(result); row++) {
        uint64_t mark;
        if (!wb_pg_number(PQgetvalue(result, row, 0), &mark) || mark == 0 || mark > marks->count)
            return -1;
        if (!marks->again[mark - 1])
            continue;
        marks->again[mark - 1] = false;
        kept++;
        /* another row of its id may have been moved */
        touched->unmatched += touched->updated + touched->unmatched < marks->count;
    }
    return kept;
}

/* WB_OK too where a lock was in the way: then all come again. */
static int find_kept(wb_pg_session *session, const wb_marks *marks, const wb_deadline *deadline,
                     wb_touched *touched, wb_err *err)
{
    PGresult *result = NULL;
    wb_buffer sql = WB_BUFFER_EMPTY;
    wb_err own = {.code = WB_OK};
    wb_pg_put_touch_kept(&sql, session, marks);
    int code = wb_pg_ask(session, &sql, (wb_pg_shape){.columns = 2}, deadline, &result, &own);
    if (code != WB_OK && wb_pg_was_in_the_way(&own))
        return WB_OK;
    int64_t kept = code == WB_OK ? take_kept(result, marks, touched) : 0;
    PQclear(result);
    if (kept < 0)
        code = wb_pg_deviates(session, "ids that were not asked for", &own);
    if (code != WB_OK)
        *err = own;
    else
        wb_tell_refused(&session->target, (uint64_t)kept,
                        "row-level security keeps them as they are");
    return code;
}

static bool may_be_kept(const wb_pg_session *session, const wb_marks *marks)
{
    return wb_pg_true(wb_pg_table_now(session)->columns, 0, WB_PG_SECURED) &&
           memchr(marks->again, 1, marks->count) != NULL;
}

/* ---- all of it ---- */

int wb_pg_touch_free(wb_pg_session *session, const wb_marks *marks, const wb_deadline *deadline,
                     wb_touched *touched, bool *absent, wb_err *err)
{
    PGresult *result = NULL;
    wb_buffer sql = WB_BUFFER_EMPTY;
    wb_pg_put_touch_free(&sql, session, marks);
    int code = wb_pg_ask(session, &sql, (wb_pg_shape){.columns = 2}, deadline, &result, err);
    if (code == WB_OK)
        code = take_answer(session, result, marks, touched, absent, err);
    PQclear(result);
    if (code == WB_OK && may_be_kept(session, marks))
        code = find_kept(session, marks, deadline, touched, err);
    return code;
}
