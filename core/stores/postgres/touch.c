/* SPDX-License-Identifier: MIT
 * Moving times forward, for a tracker. Where the key is unique, a plain UPDATE moves all marks, as fast as the server
 * can: it gives up when a row is locked. Then, or where it did not move all, a second statement (touch_free.c) skips the
 * rows that are locked and says what became of each mark; where rows are to be made, a third one makes them
 * (touch_insert.c). So nobody waits for a row, and no two writers wait for each other. A time never moves back, and doing
 * it twice changes nothing, so a lost answer is never in doubt.
 * What is refused by the fault of some ids (a trigger, a check, a character that the database lacks) is halved until those
 * are found, each half on its own: they are unmatched, and the log says why.
 * Used by the session's thread, so not locked. Fails as wire.c does, or with RETRY without memory. */
#include "stores/postgres/postgres.h"

#include <string.h>

#include "base/env.h"

/* WB_OK too where a lock was in the way: nothing has moved then. */
static int touch_all(wb_pg_session *session, const wb_marks *marks, const wb_deadline *deadline,
                     uint64_t *moved, wb_err *err)
{
    wb_err own = {.code = WB_OK};
    wb_buffer sql = WB_BUFFER_EMPTY;
    *moved = 0;
    wb_pg_put_touch_all(&sql, session, marks);
    int code = wb_pg_change(session, &sql, deadline, moved, &own);
    if (code != WB_OK && wb_pg_was_in_the_way(&own))
        return WB_OK;
    if (code == WB_OK && *moved > marks->count)
        code = wb_pg_deviates(session, "more ids than there are", &own);
    if (code != WB_OK)
        *err = own;
    return code;
}

static bool is_plain(const PGresult *columns, const wb_target *target)
{
    int key = wb_pg_find(columns, target->key), time = wb_pg_find(columns, target->column);
    return wb_pg_true(columns, key, WB_PG_UNIQUE) &&
           strcmp(PQgetvalue(columns, time, WB_PG_OWN_TYPE),
                  PQgetvalue(columns, time, WB_PG_BASE)) == 0;
}

/* Moves what can be moved. *absent, one of wb_alloc: the marks that have no row; NULL where none has to be made. */
static int move(wb_pg_session *session, const wb_marks *marks, const wb_deadline *deadline,
                wb_touched *touched, bool **absent, wb_err *err)
{
    int code = WB_OK;
    if (is_plain(wb_pg_table_now(session)->columns, &session->target))
        code = touch_all(session, marks, deadline, &touched->updated, err);
    if (code != WB_OK || touched->updated == marks->count)
        return code;
    if (session->target.insert && (*absent = wb_alloc_zeroed(marks->count)) == NULL)
        return wb_fail_store(err, WB_RETRY, "out of memory for %zu ids", marks->count);
    return wb_pg_touch_free(session, marks, deadline, touched, *absent, err);
}

static int move_and_make(wb_pg_session *session, const wb_marks *marks, const wb_deadline *deadline,
                         wb_touched *touched, wb_err *err)
{
    bool *absent = NULL;
    int code = move(session, marks, deadline, touched, &absent, err);
    if (code == WB_OK && absent != NULL && touched->unmatched > 0)
        code = wb_pg_touch_insert(session, marks, absent, deadline, touched, err);
    wb_free(absent);
    return code;
}

/* ---- refusals ---- */

/* Where so many were refused and none has moved, no more are tried. */
enum { ENOUGH = 16 };

/* What came of a call so far. */
typedef struct touching {
    wb_pg_session *session;
    const wb_deadline *deadline;
    int64_t until_us; /* what was not tried by then comes again */
    wb_touched touched;
    uint64_t refused;
    wb_err why; /* the last refusal */
} touching;

static int touch_run(touching *t, const wb_marks *marks, wb_err *err);

static int touch_part(touching *t, const wb_marks *marks, size_t from, size_t count, wb_err *err)
{
    wb_marks part = *marks;
    part.marks += from;
    part.again += from;
    part.count = count;
    bool late = wb_now_us() > t->until_us || (t->refused >= ENOUGH && t->touched.updated == 0);
    memset(part.again, late, count * sizeof *part.again);
    return late ? WB_OK : touch_run(t, &part, err);
}

/* Which half is first is left to chance, so that none is always late. */
static int touch_halves(touching *t, const wb_marks *marks, wb_err *err)
{
    size_t half = marks->count / 2, rest = marks->count - half;
    bool swapped = (wb_now_us() & 1) != 0;
    int code = swapped ? touch_part(t, marks, half, rest, err) : touch_part(t, marks, 0, half, err);
    if (code != WB_OK)
        return code;
    return swapped ? touch_part(t, marks, 0, half, err) : touch_part(t, marks, half, rest, err);
}

/* Of marks of which some are refused, halves are tried, each on its own. */
static int touch_run(touching *t, const wb_marks *marks, wb_err *err)
{
    wb_touched touched = {0};
    wb_err own = {.code = WB_OK};
    int code = move_and_make(t->session, marks, t->deadline, &touched, &own);
    bool refused = code != WB_OK && own.error_class == WB_REJECT;
    if (refused && marks->count > 1)
        return touch_halves(t, marks, err);
    if (refused) {
        touched = (wb_touched){.unmatched = 1};
        t->refused++;
        t->why = own;
    } else if (code != WB_OK) {
        *err = own;
        return code;
    }
    t->touched.updated += touched.updated;
    t->touched.unmatched += touched.unmatched;
    return WB_OK;
}

int wb_pg_touch(wb_pg_session *session, const wb_marks *marks, const wb_deadline *deadline,
                wb_touched *out, wb_err *err)
{
    touching t = {
        .session = session, .deadline = deadline, .until_us = wb_deadline_half_us(deadline)};
    int code = touch_run(&t, marks, err);
    if (code == WB_OK)
        code = wb_touch_refused(&session->target, t.touched.updated, t.refused, &t.why, err);
    if (code == WB_OK)
        *out = t.touched;
    return code;
}
