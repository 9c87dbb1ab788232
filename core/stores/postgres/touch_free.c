/* SPDX-License-Identifier: MIT
 * Moving the times that a plain UPDATE did not move: a statement that skips the rows which are locked, and says what became
 * of each mark.
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
    return code;
}
