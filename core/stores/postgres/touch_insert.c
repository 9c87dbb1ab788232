/* SPDX-License-Identifier: MIT
 * Making the rows of ids that have none, in the order of the ids: one INSERT for all of them. Where it fails by the fault of
 * some of them, or waits for somebody, they are halved until those are found, each statement a transaction of its own. An
 * id whose row the table refuses (a foreign key that is missing, a check) has no row: it is unmatched, and the log says why.
 * One that somebody else is making comes again. One that somebody has made is moved forward as any other.
 * Invariant: each id that was absent is in the end made, moved, refused or to come again.
 * Used by the session's thread, so not locked. Fails as wire.c does, with HOLD where the table has changed, or with RETRY
 * without memory. */
#include "stores/postgres/postgres.h"

#include <string.h>

#include "base/env.h"

/* What becomes of an id. */
enum fate { MADE, LEFT, REFUSED, AGAIN };

typedef struct making {
    wb_pg_session *session;
    const wb_deadline *deadline;
    int64_t until_us; /* what has no fate then comes again */
    wb_marks marks;   /* the absent ones */
    size_t *places;   /* where each was */
    uint8_t *fates;   /* enum fate */
    bool looked;      /* the table was checked again */
    wb_err why;       /* the last refusal */
} making;

/* ---- one statement ---- */

static int take_answer(making *m, const PGresult *result, size_t from, size_t count, wb_err *err)
{
    memset(m->fates + from, MADE, count);
    for (int row = 0; row < PQntuples(result); row++) {
        uint64_t mark, what;
        if (!wb_pg_number(PQgetvalue(result, row, 0), &mark) ||
            !wb_pg_number(PQgetvalue(result, row, 1), &what) || mark > count)
            return wb_pg_deviates(m->session, "ids that were not asked for", err);
        if (mark == 0 && what != 0)
            return wb_fail_store(err, WB_HOLD, "the table has changed since it was checked");
        if (mark > 0)
            m->fates[from + mark - 1] = LEFT;
    }
    return WB_OK;
}

static int insert(making *m, size_t from, size_t count, wb_err *err)
{
    PGresult *result = NULL;
    wb_buffer sql = WB_BUFFER_EMPTY;
    wb_marks part = m->marks;
    part.marks += from;
    part.count = count;
    wb_pg_put_touch_insert(&sql, m->session, &part);
    int code = wb_pg_ask(m->session, &sql, (wb_pg_shape){.columns = 2}, m->deadline, &result, err);
    if (code == WB_OK)
        code = take_answer(m, result, from, count, err);
    PQclear(result);
    return code;
}

/* ---- halving ---- */

static int insert_run(making *m, size_t from, size_t count, wb_err *err);

/* Which half is first is left to chance, so that none is always late. */
static int insert_halves(making *m, size_t from, size_t count, wb_err *err)
{
    size_t half = count / 2;
    bool swapped = (wb_now_us() & 1) != 0;
    int code =
        swapped ? insert_run(m, from + half, count - half, err) : insert_run(m, from, half, err);
    if (code != WB_OK)
        return code;
    return swapped ? insert_run(m, from, half, err) : insert_run(m, from + half, count - half, err);
}

/* not_null_violation: a column may have been added since the table was checked. It is checked again, once; where it still
 * fits, the error is of a row. */
static int look_again(making *m, const wb_err *why, wb_err *err)
{
    if (m->looked || strcmp(why->sqlstate, "23502") != 0)
        return WB_OK;
    m->looked = true;
    return wb_pg_check(m->session, m->deadline, err);
}

static int insert_run(making *m, size_t from, size_t count, wb_err *err)
{
    wb_err own = {.code = WB_OK};
    if (wb_now_us() > m->until_us)
        return WB_OK;
    int code = insert(m, from, count, &own);
    if (code != WB_OK && look_again(m, &own, err) != WB_OK)
        return WB_STORE;
    bool waited = code != WB_OK && wb_pg_was_in_the_way(&own);
    bool refused = code != WB_OK && own.error_class == WB_REJECT;
    if ((waited || refused) && count > 1)
        return insert_halves(m, from, count, err);
    if (refused) {
        m->fates[from] = REFUSED;
        m->why = own;
    } else if (code != WB_OK && !waited) {
        *err = own;
        return code;
    }
    return WB_OK;
}

/* ---- those that were there after all ---- */

/* Brings them to the front. */
static size_t gather_left(making *m, wb_mark *marks)
{
    size_t left = 0;
    for (size_t i = 0; i < m->marks.count; i++) {
        if (m->fates[i] != LEFT)
            continue;
        m->places[left] = m->places[i];
        marks[left++] = marks[i];
    }
    return left;
}

/* One that still has no row was kept out by the table's own trigger, or made and deleted meanwhile. */
static int move_left(making *m, wb_mark *marks, const wb_marks *all, wb_touched *touched,
                     wb_err *err)
{
    wb_marks left = m->marks;
    left.count = gather_left(m, marks);
    if (left.count == 0)
        return WB_OK;
    wb_touched moved = {0};
    memset(left.again, 0, left.count * sizeof *left.again);
    int code = wb_pg_touch_free(m->session, &left, m->deadline, &moved, NULL, err);
    if (code != WB_OK)
        return code;
    for (size_t i = 0; i < left.count; i++)
        all->again[m->places[i]] = left.again[i];
    touched->updated += moved.updated;
    touched->unmatched += moved.unmatched;
    return WB_OK;
}

/* ---- all of it ---- */

static int settle(making *m, const wb_marks *all, wb_touched *touched, wb_err *err)
{
    uint64_t refused = 0;
    touched->unmatched = 0;
    for (size_t i = 0; i < m->marks.count; i++) {
        touched->updated += m->fates[i] == MADE;
        refused += m->fates[i] == REFUSED;
        if (m->fates[i] == AGAIN)
            all->again[m->places[i]] = true;
    }
    touched->unmatched = refused;
    return wb_touch_refused(&m->session->target, touched->updated, refused, &m->why, err);
}

static size_t gather_absent(making *m, wb_mark *marks, const wb_marks *all, const bool *absent)
{
    size_t count = 0;
    for (size_t i = 0; i < all->count; i++) {
        if (!absent[i])
            continue;
        m->places[count] = i;
        m->fates[count] = AGAIN;
        marks[count++] = all->marks[i];
    }
    return count;
}

static int make(making *m, wb_mark *marks, const wb_marks *all, wb_touched *touched, wb_err *err)
{
    int code = m->marks.count > 0 ? insert_run(m, 0, m->marks.count, err) : WB_OK;
    if (code == WB_OK)
        code = settle(m, all, touched, err);
    return code == WB_OK ? move_left(m, marks, all, touched, err) : code;
}

int wb_pg_touch_insert(wb_pg_session *session, const wb_marks *all, const bool *absent,
                       const wb_deadline *deadline, wb_touched *touched, wb_err *err)
{
    wb_mark *marks = wb_alloc(all->count * sizeof *marks);
    making m = {.session = session,
                .deadline = deadline,
                .until_us = wb_deadline_half_us(deadline),
                .marks = *all,
                .places = wb_alloc(all->count * sizeof *m.places),
                .fates = wb_alloc(all->count * sizeof *m.fates)};
    m.marks.marks = marks;
    m.marks.again = wb_alloc_zeroed(all->count * sizeof *m.marks.again);
    int code = wb_fail_store(err, WB_RETRY, "out of memory for %zu ids", all->count);
    if (marks != NULL && m.places != NULL && m.fates != NULL && m.marks.again != NULL) {
        m.marks.count = gather_absent(&m, marks, all, absent);
        code = make(&m, marks, all, touched, err);
    }
    wb_free(m.marks.again);
    wb_free(m.fates);
    wb_free(m.places);
    wb_free(marks);
    return code;
}
