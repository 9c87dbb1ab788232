/* SPDX-License-Identifier: MIT
 * Moving times forward, for a tracker, by one statement. It locks the rows in the order of their key before it
 * updates any, so that writers of the same ids wait for each other and never deadlock; a sorted array alone does
 * not order an UPDATE's locks. It looks again at a row that another writer has moved meanwhile, so a time never
 * moves back. Doing it twice changes nothing, so a lost answer is never in doubt.
 * Used by the session's thread, so not locked. Fails as wire.c does, or with RETRY without memory. */
#include "stores/postgres/postgres.h"

#include "base/timestamp.h"

enum { IDS, TIMES, LATEST, PARAMS, ID_BYTES = 16 };

/* ---- the parameters ---- */

static void put_ids(wb_buffer *buffer, const wb_marks *marks)
{
    wb_pg_put_array(buffer, WB_PG_UUID, marks->count, ID_BYTES);
    for (size_t i = 0; i < marks->count; i++) {
        wb_pg_put_int32(buffer, ID_BYTES);
        wb_buffer_put(buffer, marks->marks[i].id, ID_BYTES);
    }
}

static void put_time(wb_buffer *buffer, int64_t unix_us)
{
    wb_pg_put_int64(buffer, unix_us - WB_PG_EPOCH_US);
}

static void put_times(wb_buffer *buffer, const wb_marks *marks)
{
    wb_pg_put_array(buffer, WB_PG_TIMESTAMPTZ, marks->count, sizeof(int64_t));
    for (size_t i = 0; i < marks->count; i++) {
        wb_pg_put_int32(buffer, sizeof(int64_t));
        put_time(buffer, marks->marks[i].time_us);
    }
}

static void put_params(wb_buffer to[PARAMS], const wb_target *target, const wb_marks *marks)
{
    put_ids(&to[IDS], marks);
    if (target->exact)
        put_times(&to[TIMES], marks);
    else
        put_time(&to[TIMES], marks->at_us);
    put_time(&to[LATEST], wb_marks_latest_us(marks, target->min_advance_us));
}

/* ---- the call ---- */

static uint64_t count_of(const PGresult *result, int field)
{
    const uint8_t *bytes = (const uint8_t *)PQgetvalue(result, 0, field);
    uint64_t count = 0;
    for (int i = 0; i < 8; i++)
        count = count << 8 | bytes[i];
    return count;
}

static int run(wb_pg_session *session, const wb_buffer from[PARAMS], const wb_deadline *deadline,
               wb_touched *out, wb_err *err)
{
    const Oid types[PARAMS] = {WB_PG_UUIDS,
                               session->target.exact ? WB_PG_TIMESTAMPTZS : WB_PG_TIMESTAMPTZ,
                               WB_PG_TIMESTAMPTZ};
    wb_pg_params params = {0};
    for (int i = 0; i < PARAMS; i++)
        wb_pg_bind(&params, types[i], from[i].data, from[i].bytes);
    PGresult *result = NULL;
    int code = wb_pg_run(session, wb_pg_table_now(session)->statement, &params, true, deadline,
                         &result, err);
    if (code != WB_OK)
        return code;
    *out = (wb_touched){.updated = count_of(result, 0), .unmatched = count_of(result, 1)};
    PQclear(result);
    return WB_OK;
}

int wb_pg_touch(wb_pg_session *session, const wb_marks *marks, const wb_deadline *deadline,
                wb_touched *out, wb_err *err)
{
    wb_buffer params[PARAMS] = {WB_BUFFER_EMPTY, WB_BUFFER_EMPTY, WB_BUFFER_EMPTY};
    put_params(params, &session->target, marks);
    int code = params[IDS].failed || params[TIMES].failed || params[LATEST].failed
                   ? wb_fail_store(err, WB_RETRY, "out of memory for %zu ids", marks->count)
                   : run(session, params, deadline, out, err);
    for (int i = 0; i < PARAMS; i++)
        wb_buffer_fini(&params[i]);
    return code;
}
