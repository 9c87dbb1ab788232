/* SPDX-License-Identifier: MIT
 * A tracker's write: one statement moves times forward. It locks the rows in the order of their key before
 * it updates any, so that writers with overlapping ids wait for each other and never deadlock (a sorted
 * array alone does not order an UPDATE's locks). A row that another writer has moved meanwhile is looked at
 * again, so times only move forward; doing it twice changes nothing, so a lost answer is just a retry. */
#include "stores/postgres/postgres.h"

#include <string.h>

#include "base/env.h"
#include "base/timestamp.h"

/* ids, times (one, or one an id), the latest stored time that may move */
enum { PARAMS = 3 };

/* $T table, $K key, $C column. The time of an id, and its limit, are those of the marks. */
static const char all_at_once[] = "marks AS (SELECT m.id, $2 AS at"
                                  " FROM unnest($1) AS m(id))";
static const char each_exact[] = "marks AS (SELECT m.id, m.at"
                                 " FROM unnest($1, $2) AS m(id, at))";
static const char statement[] =
    ", locked AS (SELECT t.$K AS id, m.at FROM $T AS t JOIN marks AS m ON t.$K = m.id"
    " WHERE t.$C IS NULL OR (t.$C < m.at AND t.$C <= $3)"
    " ORDER BY t.$K FOR NO KEY UPDATE OF t),"
    " moved AS (UPDATE $T AS t SET $C = l.at FROM locked AS l"
    " WHERE t.$K = l.id AND (t.$C IS NULL OR t.$C < l.at) RETURNING t.$K AS id)"
    " SELECT (SELECT count(DISTINCT id) FROM moved),"
    " (SELECT count(*) FROM marks AS m WHERE NOT EXISTS (SELECT FROM $T AS t WHERE t.$K = m.id))";

/* ---- the statement ---- */

static void put_template(wb_buffer *sql, const char *text, const char *table,
                         const wb_target *target)
{
    for (; *text != '\0'; text++) {
        if (strncmp(text, "$T", 2) == 0)
            wb_buffer_put_text(sql, table);
        else if (strncmp(text, "$K", 2) == 0)
            wb_put_name(sql, target->key);
        else if (strncmp(text, "$C", 2) == 0)
            wb_put_name(sql, target->column);
        else {
            wb_buffer_put_char(sql, *text);
            continue;
        }
        text++;
    }
}

char *wb_pg_touch_statement(const char *table, const wb_target *target)
{
    wb_buffer sql = WB_BUFFER_EMPTY;
    wb_buffer_put_text(&sql, "WITH ");
    wb_buffer_put_text(&sql, target->exact ? each_exact : all_at_once);
    put_template(&sql, statement, table, target);
    return wb_buffer_take(&sql, NULL);
}

/* ---- its parameters ---- */

static void put_ids(wb_buffer *buffer, const wb_marks *marks)
{
    wb_buffer_reserve(buffer, WB_PG_ARRAY_BYTES + marks->count * (4 + 16));
    wb_pg_put_array(buffer, WB_PG_UUID, marks->count);
    for (size_t i = 0; i < marks->count; i++) {
        wb_pg_put_int32(buffer, 16);
        wb_buffer_put(buffer, marks->marks[i].id, 16);
    }
}

static void put_times(wb_buffer *buffer, const wb_marks *marks)
{
    wb_buffer_reserve(buffer, WB_PG_ARRAY_BYTES + marks->count * (4 + 8));
    wb_pg_put_array(buffer, WB_PG_TIMESTAMPTZ, marks->count);
    for (size_t i = 0; i < marks->count; i++) {
        wb_pg_put_int32(buffer, 8);
        wb_pg_put_int64(buffer, marks->marks[i].time_us - WB_PG_EPOCH_US);
    }
}

/* Stored times after it stay. */
static int64_t latest_us(const wb_marks *marks, int64_t min_advance_us)
{
    bool none = min_advance_us > marks->at_us - WB_TIME_MIN_US;
    return none ? WB_TIME_MIN_US : marks->at_us - min_advance_us;
}

static void put_params(const wb_pg_session *session, const wb_marks *marks, wb_buffer to[PARAMS])
{
    put_ids(&to[0], marks);
    if (session->target.exact)
        put_times(&to[1], marks);
    else
        wb_pg_put_int64(&to[1], marks->at_us - WB_PG_EPOCH_US);
    wb_pg_put_int64(&to[2], latest_us(marks, session->target.min_advance_us) - WB_PG_EPOCH_US);
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
    static const int binary[PARAMS] = {1, 1, 1};
    const Oid types[PARAMS] = {WB_PG_UUIDS,
                               session->target.exact ? WB_PG_TIMESTAMPTZS : WB_PG_TIMESTAMPTZ,
                               WB_PG_TIMESTAMPTZ};
    const char *values[PARAMS];
    int bytes[PARAMS];
    for (int i = 0; i < PARAMS; i++) {
        values[i] = from[i].data;
        bytes[i] = (int)from[i].bytes;
    }
    wb_pg_params params = {PARAMS, types, values, bytes, binary};
    PGresult *result = NULL;
    const wb_pg_aim *aim = wb_pg_aim_now(session);
    int code = aim->checked ? WB_OK : wb_pg_check(session, deadline, err);
    if (code == WB_OK)
        code = wb_pg_run(session, aim->statement, &params, true, deadline, &result, err);
    if (code != WB_OK)
        return code;
    *out = (wb_touched){.updated = count_of(result, 0), .unmatched = count_of(result, 1)};
    PQclear(result);
    return WB_OK;
}

/* A connection that had idled may turn out dead at the first word; that is no reason to fail. */
static int run_connected(wb_pg_session *session, const wb_buffer params[PARAMS],
                         const wb_deadline *deadline, wb_touched *out, wb_err *err)
{
    bool fresh;
    int code = wb_pg_connect(session, deadline, &fresh, err);
    if (code == WB_OK)
        code = run(session, params, deadline, out, err);
    if (code == WB_OK || fresh || err->error_class != WB_RETRY || session->conn != NULL ||
        wb_deadline_passed(deadline))
        return code;
    code = wb_pg_connect(session, deadline, &fresh, err);
    return code == WB_OK ? run(session, params, deadline, out, err) : code;
}

int wb_pg_touch(wb_pg_session *session, const wb_marks *marks, const wb_deadline *deadline,
                wb_touched *out, wb_err *err)
{
    if (marks->count == 0) {
        *out = (wb_touched){0, 0};
        return WB_OK;
    }
    wb_buffer params[PARAMS] = {WB_BUFFER_EMPTY, WB_BUFFER_EMPTY, WB_BUFFER_EMPTY};
    put_params(session, marks, params);
    int code = params[0].failed || params[1].failed || params[2].failed
                   ? wb_fail_store(err, WB_RETRY, "out of memory for %zu ids", marks->count)
                   : run_connected(session, params, deadline, out, err);
    for (int i = 0; i < PARAMS; i++)
        wb_buffer_fini(&params[i]);
    return wb_pg_settle(session, code, err);
}
