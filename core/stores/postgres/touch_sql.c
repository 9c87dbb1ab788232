/* SPDX-License-Identifier: MIT
 * The text of the statements that move times, for a tracker. All names are quoted. Pure: no connection, no locks; only
 * the buffer fails. */
#include "stores/postgres/postgres.h"

#include "rows/types.h"

/* For a lock on a row that the next statement will skip, or that is to come again; and for somebody who is making the same
 * row. */
enum { GLANCE_MS = 10 };

/* What stands for what in the texts below: a $ and a letter. */
enum { LETTERS = 'Z' - 'A' + 1 };

static void put_template(wb_buffer *sql, const char *text, const wb_buffer words[LETTERS])
{
    for (; *text != '\0'; text++) {
        if (*text != '$') {
            wb_buffer_put_char(sql, *text);
            continue;
        }
        const wb_buffer *word = &words[*++text - 'A'];
        wb_buffer_put(sql, word->data, word->bytes);
        sql->failed |= word->failed;
    }
}

/* T, K, C, O: the table, its key's column, its time's column and that one's type. I: the ids. A: the time of all, or
 * those of each. B: no stored time from then on moves; E: the same, as a range's end. */
#define IS_OF_TYPE "pg_catalog.pg_typeof(t.$C)::pg_catalog.oid = $O"
#define IS_KNOWN   "t.$K = ANY (ARRAY(SELECT id FROM marks))"
/* The planner is kept from a nested loop over two long lists, which a wrong guess would make of it. */
#define NO_LOOP "SET LOCAL enable_nestloop = off; SET LOCAL jit = off; "
#define MARKS_AT_ONCE                                                                              \
    "WITH marks AS MATERIALIZED (SELECT m.n, m.id, $A AS at"                                       \
    " FROM pg_catalog.unnest($I) WITH ORDINALITY AS m(id, n))"
#define MARKS_EACH                                                                                 \
    "WITH marks AS MATERIALIZED (SELECT m.n, m.id, m.at FROM"                                      \
    " ROWS FROM (pg_catalog.unnest($I), pg_catalog.unnest($A)) WITH ORDINALITY AS m(id, at, n))"

/* R: the range of the type. It takes no other type than its own, so one condition stands for both; it is planned in half
 * the time. */
static const char all_at_once[] = "UPDATE $T AS t SET $C = $A WHERE t.$K = ANY ($I)"
                                  " AND coalesce(t.$C <@ pg_catalog.$R '(,$E)', true)";
static const char all_each[] = NO_LOOP MARKS_EACH
    " UPDATE $T AS t SET $C = m.at FROM marks AS m WHERE t.$K = m.id"
    " AND " IS_KNOWN " AND " IS_OF_TYPE " AND (t.$C IS NULL OR (t.$C < m.at AND t.$C < $B))";

/* Rows are locked, or skipped, and those that were locked are moved, unless a trigger of the table's keeps them. Where the
 * key is not unique, it does not say which of its rows was locked; a row's place does (P: its columns, J: the row that
 * was locked, X: a row that was). Whoever was skipped, or moved by another writer meanwhile, is among those that are
 * left. The numbers are enum wb_pg_left. */
#define LOCKED                                                                                     \
    ", locked AS MATERIALIZED (SELECT m.n, m.id, m.at$P"                                           \
    "  FROM $T AS t JOIN marks AS m ON t.$K = m.id WHERE " IS_KNOWN " AND " IS_OF_TYPE             \
    "  AND (t.$C IS NULL OR (t.$C < m.at AND t.$C < $B))"
#define FREE_ROWS                                                                                  \
    LOCKED " FOR NO KEY UPDATE OF t SKIP LOCKED),"                                                 \
           " moved AS (UPDATE $T AS t SET $C = l.at FROM locked AS l"                              \
           "  WHERE t.$K = ANY (ARRAY(SELECT id FROM locked)) AND $J RETURNING l.n)"               \
           " SELECT 0 AS n, pg_catalog.count(DISTINCT n) FROM moved UNION ALL"                     \
           " SELECT m.n, CASE WHEN s.id IS NULL THEN 0 WHEN s.type = $O THEN 1 ELSE 2 END"         \
           "  FROM marks AS m LEFT JOIN (SELECT t.$K AS id, t.$C AS at$P,"                         \
           "   pg_catalog.pg_typeof(t.$C)::pg_catalog.oid AS type FROM $T AS t"                    \
           "   WHERE " IS_KNOWN ") AS s ON s.id = m.id"                                            \
           "  WHERE s.id IS NULL OR ((s.at IS NULL OR (s.at < m.at AND s.at < $B))"                \
           "   AND NOT EXISTS (SELECT FROM locked AS v WHERE v.n = m.n$X))"

static const char free_at_once[] = NO_LOOP MARKS_AT_ONCE FREE_ROWS;
static const char free_each[] = NO_LOOP MARKS_EACH FREE_ROWS;

/* The weakest lock, for which a policy is asked as for an UPDATE: what no policy keeps gets it, or waits. */
#define KEPT_ROWS                                                                                  \
    LOCKED " FOR KEY SHARE OF t) SELECT m.n, 0 FROM marks AS m"                                    \
           " WHERE NOT EXISTS (SELECT FROM locked AS v WHERE v.n = m.n)"

static const char kept_at_once[] = NO_LOOP MARKS_AT_ONCE KEPT_ROWS;
static const char kept_each[] = NO_LOOP MARKS_EACH KEPT_ROWS;

/* Y: the type of the key's column. A row that is not in `made` as it was to be was there before, or another one of its
 * key was made, or the table's own trigger changed it. */
#define INSERT_ROWS                                                                                \
    ", fits AS MATERIALIZED (SELECT"                                                               \
    "  pg_catalog.pg_typeof((SELECT t.$K FROM $T AS t WHERE false))::pg_catalog.oid = $Y"          \
    "  AND pg_catalog.pg_typeof((SELECT t.$C FROM $T AS t WHERE false))::pg_catalog.oid = $O AS "  \
    "ok),"                                                                                         \
    " made AS (INSERT INTO $T AS t ($K, $C)"                                                       \
    "  SELECT m.id, m.at FROM marks AS m WHERE (SELECT ok FROM fits) ORDER BY m.n"                 \
    "  ON CONFLICT ($K) DO NOTHING RETURNING t.$K AS id, t.$C AS at)"                              \
    " SELECT 0 AS n, CASE WHEN ok THEN 0 ELSE 2 END FROM fits UNION ALL"                           \
    " SELECT m.n, 0 FROM marks AS m"                                                               \
    "  WHERE NOT EXISTS (SELECT FROM made AS v WHERE v.id = m.id AND v.at = m.at)"

static const char insert_at_once[] = NO_LOOP MARKS_AT_ONCE INSERT_ROWS;
static const char insert_each[] = NO_LOOP MARKS_EACH INSERT_ROWS;

/* A column's values, each of which PostgreSQL reads whatever its settings are. `last` is after all of them. */
static const struct times {
    int type;
    const char *range, *last;
} kinds[] = {
    {WB_TYPE_TIMESTAMPTZ, "tstzrange", "infinity"},
    {WB_TYPE_TIMESTAMP, "tsrange", "infinity"},
    {WB_TYPE_DATE, "daterange", "infinity"},
    {WB_TYPE_INT8, "int8range", "9223372036854775807"},
};

static const struct times *times_of(const wb_target *target)
{
    const struct times *times = kinds;
    while (times->type != target->column_type)
        times++;
    return times;
}

static void put_plain_time(wb_buffer *sql, int type, int64_t value)
{
    char text[WB_TYPE_TEXT_BYTES];
    wb_buffer_put(sql, text, wb_type_text(type, &(wb_value){.kind = WB_INT, .i = value}, text));
}

static void put_time(wb_buffer *sql, int type, int64_t value)
{
    wb_buffer_printf(sql, "pg_catalog.%s '", wb_type_name(type));
    put_plain_time(sql, type, value);
    wb_buffer_put_char(sql, '\'');
}

static void put_ids(wb_buffer *sql, const wb_marks *marks)
{
    wb_pg_begin_array(sql);
    for (size_t i = 0; i < marks->count; i++) {
        wb_value id;
        wb_marks_key(marks, i, &id);
        wb_pg_put_element(sql, marks->key_type, &id);
    }
    wb_pg_end_array(sql, marks->key_type);
}

static void put_times(wb_buffer *sql, const wb_target *target, const wb_marks *marks)
{
    int type = target->column_type;
    if (!marks->exact) {
        put_time(sql, type, wb_marks_value(marks, 0, target->unit_us));
        return;
    }
    wb_pg_begin_array(sql);
    for (size_t i = 0; i < marks->count; i++) {
        wb_value time = {.kind = WB_INT, .i = wb_marks_value(marks, i, target->unit_us)};
        wb_pg_put_element(sql, type, &time);
    }
    wb_pg_end_array(sql, type);
}

/* Of each its own, only min_advance bounds. */
static void put_bound(wb_buffer *sql, const wb_target *target, const wb_marks *marks)
{
    int type = target->column_type;
    int64_t least_us = target->min_advance_us, unit_us = target->unit_us;
    if (!marks->exact)
        put_time(sql, type, wb_marks_bound(marks, 0, least_us, unit_us));
    else if (least_us > 0)
        put_time(sql, type, wb_marks_latest(marks, least_us, unit_us) + 1);
    else
        wb_buffer_printf(sql, "pg_catalog.%s '%s'", wb_type_name(type), times_of(target)->last);
}

static void put_row(wb_buffer words[LETTERS], const char *key, bool unique)
{
    if (unique) {
        wb_buffer_put_text(&words['J' - 'A'], "t.");
        wb_put_name(&words['J' - 'A'], key);
        wb_buffer_put_text(&words['J' - 'A'], " = l.id");
        return;
    }
    wb_buffer_put_text(&words['P' - 'A'], ", t.tableoid AS part, t.ctid AS place");
    wb_buffer_put_text(&words['J' - 'A'], "t.tableoid = l.part AND t.ctid = l.place");
    wb_buffer_put_text(&words['X' - 'A'], " AND v.part = s.part AND v.place = s.place");
}

static void put_with_words(wb_buffer *sql, const char *text, const wb_pg_session *session,
                           const wb_marks *marks)
{
    const wb_target *target = &session->target;
    const PGresult *columns = wb_pg_table_now(session)->columns;
    wb_buffer words[LETTERS] = {{0}};
    wb_buffer_put_text(&words['T' - 'A'], PQgetvalue(columns, 0, WB_PG_FULL));
    wb_put_name(&words['K' - 'A'], target->key);
    wb_put_name(&words['C' - 'A'], target->column);
    wb_buffer_put_text(&words['O' - 'A'],
                       PQgetvalue(columns, wb_pg_find(columns, target->column), WB_PG_OWN_TYPE));
    wb_buffer_put_text(&words['Y' - 'A'],
                       PQgetvalue(columns, wb_pg_find(columns, target->key), WB_PG_OWN_TYPE));
    put_row(words, target->key,
            wb_pg_true(columns, wb_pg_find(columns, target->key), WB_PG_UNIQUE));
    put_ids(&words['I' - 'A'], marks);
    put_times(&words['A' - 'A'], target, marks);
    put_bound(&words['B' - 'A'], target, marks);
    put_plain_time(&words['E' - 'A'], target->column_type,
                   wb_marks_bound(marks, 0, target->min_advance_us, target->unit_us));
    wb_buffer_put_text(&words['R' - 'A'], times_of(target)->range);
    put_template(sql, text, words);
    for (int i = 0; i < LETTERS; i++)
        wb_buffer_fini(&words[i]);
}

void wb_pg_put_touch_all(wb_buffer *sql, const wb_pg_session *session, const wb_marks *marks)
{
    wb_pg_put_limits(sql, session, GLANCE_MS);
    put_with_words(sql, marks->exact ? all_each : all_at_once, session, marks);
}

void wb_pg_put_touch_free(wb_buffer *sql, const wb_pg_session *session, const wb_marks *marks)
{
    wb_pg_put_settings(sql, session);
    put_with_words(sql, marks->exact ? free_each : free_at_once, session, marks);
}

void wb_pg_put_touch_kept(wb_buffer *sql, const wb_pg_session *session, const wb_marks *marks)
{
    wb_pg_put_limits(sql, session, GLANCE_MS);
    put_with_words(sql, marks->exact ? kept_each : kept_at_once, session, marks);
}

void wb_pg_put_touch_insert(wb_buffer *sql, const wb_pg_session *session, const wb_marks *marks)
{
    wb_pg_put_limits(sql, session, GLANCE_MS);
    put_with_words(sql, marks->exact ? insert_each : insert_at_once, session, marks);
}
