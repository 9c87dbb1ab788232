/* SPDX-License-Identifier: MIT
 * A tracker's write to PostgreSQL: times only move forward, whoever writes, and nobody deadlocks. */
#include "support/postgres_support.h"

#include <pthread.h>
#include <stdatomic.h>

#define T0 INT64_C(1715673600000000) /* 2024-05-14T08:00:00Z */

typedef struct tracking {
    wb_target target;
    char table[160];
    wb_session *session;
} tracking;

static void track(fixture *f, tracking *t, bool exact, int64_t min_advance_us)
{
    snprintf(t->table, sizeof t->table, "%s", in_space(f, "w"));
    t->target = (wb_target){.table = t->table,
                            .dedupe_column = -1,
                            .key = "id",
                            .key_type = WB_TYPE_UUID,
                            .column = "used \"at\"",
                            .column_type = WB_TYPE_TIMESTAMPTZ,
                            .unit_us = 1,
                            .exact = exact,
                            .min_advance_us = min_advance_us,
                            .write_timeout_us = 30 * SECOND_US};
    t->session = f->store->class->session(f->store, &t->target);
    assert_non_null(t->session);
}

/* A table with ids 1 to `rows`, never used. */
static void make_table(fixture *f, int rows)
{
    sql(f,
        "CREATE TABLE w (id uuid PRIMARY KEY, \"used \"\"at\"\"\" timestamptz);"
        "INSERT INTO w SELECT lpad(to_hex(i), 32, '0')::uuid FROM generate_series(1, %d) i;"
        "ANALYZE w",
        rows);
}

static const char *times(fixture *f)
{
    return sql(f,
               "SELECT string_agg(coalesce((1000000 * extract(epoch FROM \"used \"\"at\"\"\") - "
               "%lld)::int8::text, '-'), ' ' ORDER BY id) FROM w",
               (long long)T0);
}

static wb_mark mark(int id, int64_t time_us)
{
    wb_mark mark = {.time_us = time_us, .count = 1};
    for (int i = 0; i < 4; i++)
        mark.key.id[15 - i] = (uint8_t)(id >> (8 * i));
    return mark;
}

enum { MOST = 10000 };

static bool again[MOST]; /* which of the last touch's marks come again */

static wb_touched touch(tracking *t, const wb_mark *marks, size_t count, int64_t at_us)
{
    wb_marks all = {.marks = marks,
                    .key_type = WB_TYPE_UUID,
                    .count = count,
                    .at_us = at_us,
                    .exact = t->target.exact,
                    .attempt = 1,
                    .again = again};
    memset(again, 0, sizeof again);
    wb_deadline deadline = in_us(60 * SECOND_US);
    wb_touched touched = {99, 99};
    wb_err err = {.code = WB_OK};
    if (t->session->class->touch(t->session, &all, &deadline, &touched, &err) != WB_OK)
        fail_msg("%s", err.text);
    return touched;
}

/* The numbers of the marks that come again, from 1. */
static const char *again_of(size_t count)
{
    static char text[256];
    size_t bytes = 0;
    text[0] = '\0';
    for (size_t i = 0; i < count; i++)
        if (again[i])
            bytes += (size_t)snprintf(text + bytes, sizeof text - bytes, "%s%zu",
                                      bytes > 0 ? " " : "", i + 1);
    return text;
}

static void assert_touched(wb_touched touched, uint64_t updated, uint64_t unmatched)
{
    assert_int_equal(touched.updated, updated);
    assert_int_equal(touched.unmatched, unmatched);
}

static void only_forward(void **state)
{
    fixture *f = *state;
    tracking t;
    wb_mark marks[] = {mark(1, T0), mark(3, T0), mark(9, T0)};
    make_table(f, 3);
    track(f, &t, false, 0);
    assert_touched(touch(&t, marks, 0, T0), 0, 0);
    assert_touched(touch(&t, marks, 3, T0 + 5), 2, 1);
    assert_string_equal(times(f), "5 - 5");
    assert_touched(touch(&t, marks, 3, T0 + 5), 0, 1); /* as a retry would */
    assert_touched(touch(&t, marks, 2, T0 + 4), 0, 0);
    assert_string_equal(times(f), "5 - 5");
    assert_touched(touch(&t, marks, 1, T0 + 6), 1, 0);
    assert_string_equal(times(f), "6 - 5");
    t.session->class->end(t.session);
}

static void each_its_own_time(void **state)
{
    fixture *f = *state;
    tracking t;
    wb_mark first[] = {mark(1, T0 + 10), mark(2, T0 + 20), mark(7, T0)};
    wb_mark second[] = {mark(1, T0 + 9), mark(2, T0 + 21), mark(3, T0 - 1)};
    make_table(f, 3);
    track(f, &t, true, 0);
    assert_touched(touch(&t, first, 3, T0 + 999), 2, 1);
    assert_string_equal(times(f), "10 20 -");
    assert_touched(touch(&t, second, 3, T0 + 999), 2, 0);
    assert_string_equal(times(f), "10 21 -1");
    t.session->class->end(t.session);
}

/* A stored time that is newer than now - min_advance stays. */
static void least_advance(void **state)
{
    fixture *f = *state;
    for (int exact = 0; exact < 2; exact++) {
        tracking t;
        wb_mark at_0[] = {mark(1, T0)}, at_99[] = {mark(1, T0 + 99)},
                at_100[] = {mark(1, T0 + 100)};
        sql(f, "DROP TABLE IF EXISTS w");
        make_table(f, 1);
        track(f, &t, exact != 0, 100);
        assert_touched(touch(&t, at_0, 1, T0), 1, 0);
        assert_touched(touch(&t, at_99, 1, T0 + 99), 0, 0);
        assert_string_equal(times(f), "0");
        assert_touched(touch(&t, at_100, 1, T0 + 100), 1, 0);
        assert_string_equal(times(f), "100");
        t.session->class->end(t.session);
    }
}

/* Times before all others, and a column whose type is a domain. */
static void other_times(void **state)
{
    fixture *f = *state;
    tracking t;
    wb_mark marks[] = {mark(1, T0 + 3), mark(2, T0 + 3), mark(3, T0 + 3)};
    sql(f, "CREATE DOMAIN moment AS timestamptz;"
           "CREATE TABLE w (id uuid PRIMARY KEY, \"used \"\"at\"\"\" moment);"
           "INSERT INTO w SELECT lpad(to_hex(i), 32, '0')::uuid,"
           " (ARRAY['-infinity', 'infinity', '4000-01-01 BC'])[i]::moment"
           " FROM generate_series(1, 3) i");
    for (int domain = 1; domain >= 0; domain--) {
        track(f, &t, false, 0);
        assert_touched(touch(&t, marks, 3, T0 + 3), 2, 0);
        assert_string_equal(again_of(3), "");
        assert_string_equal(
            sql(f, "SELECT string_agg((\"used \"\"at\"\"\" < 'infinity')::text, ' ' ORDER BY id)"
                   " FROM w WHERE \"used \"\"at\"\"\" >= '2024-05-14 08:00:00.000003Z'"),
            "true false true");
        t.session->class->end(t.session);
        sql(f,
            "UPDATE w SET \"used \"\"at\"\"\" = '-infinity' WHERE \"used \"\"at\"\"\" < 'infinity';"
            "ALTER TABLE w ALTER \"used \"\"at\"\"\" TYPE timestamptz");
    }
}

static void wrong_table_is_held(void **state)
{
    static const struct {
        const char *columns, *words;
    } cases[] = {
        {"id text, \"used \"\"at\"\"\" timestamptz",
         "column \"id\" is text in the database, uuid in"},
        {"id uuid, \"used \"\"at\"\"\" timestamp",
         "column \"used \"at\"\" is timestamp in the database, timestamptz in the tracker"},
        {"id uuid", "column \"used \"at\"\" is not in the table"},
    };
    fixture *f = *state;
    tracking t;
    wb_mark marks[] = {mark(1, T0)};
    wb_marks all = {
        .marks = marks, .key_type = WB_TYPE_UUID, .count = 1, .at_us = T0, .again = again};
    track(f, &t, false, 0);
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        wb_deadline deadline = in_us(10 * SECOND_US);
        wb_touched touched;
        wb_err err = {.code = WB_OK};
        sql(f, "DROP TABLE IF EXISTS w; CREATE TABLE w (%s)", cases[i].columns);
        int code = t.session->class->touch(t.session, &all, &deadline, &touched, &err);
        assert_failed(code, &err, WB_HOLD, cases[i].words);
    }
    t.session->class->end(t.session);
}

/* A store whose server reads the table in the order that the rows are stored in. */
static void read_as_stored(fixture *f)
{
    char conninfo[512];
    wb_err err;
    snprintf(conninfo, sizeof conninfo,
             "%s options='-c enable_indexscan=off -c enable_bitmapscan=off'", test_conninfo());
    wb_store_unref(f->store);
    assert_ok(wb_store_postgres(conninfo, &f->store, &err));
}

enum { ROUNDS = 60, IDS = 400 };

typedef struct racer {
    tracking tracking;
    int number;
    atomic_int failed;
} racer;

/* Until none is to come again. */
static int touch_to_end(wb_session *session, const wb_mark *marks, int64_t at_us)
{
    bool left[IDS] = {false};
    wb_marks all = {
        .marks = marks, .key_type = WB_TYPE_UUID, .count = IDS, .at_us = at_us, .again = left};
    for (;;) {
        wb_deadline deadline = in_us(60 * SECOND_US);
        wb_touched touched;
        wb_err err = {.code = WB_OK};
        memset(left, 0, sizeof left);
        int code = session->class->touch(session, &all, &deadline, &touched, &err);
        if (code != WB_OK || memchr(left, true, sizeof left) == NULL)
            return code;
    }
}

static void *race(void *context)
{
    racer *own = context;
    wb_mark marks[IDS];
    for (int round = 0; round < ROUNDS; round++) {
        int64_t at_us = T0 + 2 * round + own->number;
        for (int i = 0; i < IDS; i++)
            marks[i] = mark(i + 1, at_us);
        if (touch_to_end(own->tracking.session, marks, at_us) != WB_OK)
            atomic_store(&own->failed, 1);
    }
    return NULL;
}

/* Two writers of the same ids; to one the server reads the rows in the order of the ids, to the other in
 * the opposite one. Neither fails (a deadlock would be one), and each id ends at the latest time. */
static void overlapping_writers(void **state)
{
    fixture *f = *state;
    racer racers[2] = {{.number = 0}, {.number = 1}};
    pthread_t threads[2];
    char expected[16];
    make_table(f, IDS);
    sql(f, "CREATE TABLE other AS TABLE w ORDER BY id DESC; DROP TABLE w;"
           "ALTER TABLE other RENAME TO w; ALTER TABLE w ADD PRIMARY KEY (id); ANALYZE w");
    for (int i = 0; i < 2; i++) {
        track(f, &racers[i].tracking, false, 0);
        read_as_stored(f); /* the second only */
        assert_int_equal(pthread_create(&threads[i], NULL, race, &racers[i]), 0);
    }
    for (int i = 0; i < 2; i++) {
        pthread_join(threads[i], NULL);
        assert_int_equal(racers[i].failed, 0);
        racers[i].tracking.session->class->end(racers[i].tracking.session);
    }
    snprintf(expected, sizeof expected, "%d", 2 * (ROUNDS - 1) + 1);
    assert_string_equal(sql(f,
                            "SELECT (1000000 * extract(epoch FROM min(\"used \"\"at\"\"\")) - "
                            "%lld)::int8 FROM w",
                            (long long)T0),
                        expected);
}

/* ---- rows in use ---- */

/* A row that somebody has locked, for whatever, comes again; the others move, and nobody waits. */
static void locked_row_holds_nobody_up(void **state)
{
    static const char *const locks[] = {
        "SELECT FROM w WHERE id = lpad('1', 32, '0')::uuid FOR UPDATE",
        "UPDATE w SET note = 'busy' WHERE id = lpad('1', 32, '0')::uuid",
        "DELETE FROM w WHERE id = lpad('1', 32, '0')::uuid",
    };
    fixture *f = *state;
    wb_mark marks[] = {mark(1, T0 + 7), mark(2, T0 + 7), mark(9, T0 + 7)};
    for (int exact = 0; exact < 2; exact++) {
        for (size_t i = 0; i < sizeof locks / sizeof *locks; i++) {
            tracking t;
            sql(f, "DROP TABLE IF EXISTS w");
            make_table(f, 3);
            sql(f, "ALTER TABLE w ADD note text");
            track(f, &t, exact != 0, 0);
            sql(f, "BEGIN; %s", locks[i]);
            assert_touched(touch(&t, marks, 3, T0 + 7), 1, 1);
            assert_string_equal(again_of(3), "1");
            assert_touched(touch(&t, marks, 3, T0 + 7), 0, 1);
            assert_string_equal(again_of(3), "1");
            sql(f, "ROLLBACK");
            assert_touched(touch(&t, marks, 3, T0 + 7), 1, 1);
            assert_string_equal(again_of(3), "");
            assert_string_equal(times(f), "7 7 -");
            t.session->class->end(t.session);
        }
    }
}

/* The rights to the two columns alone are enough, with and without a locked row; without them the marks are held. */
static void with_rights(void **state)
{
    static const struct {
        const char *grant;
        bool enough;
    } cases[] = {
        {"GRANT SELECT (id, \"used \"\"at\"\"\"), UPDATE (\"used \"\"at\"\"\") ON w TO %s", true},
        {"GRANT SELECT, UPDATE ON w TO %s", true},
        {"GRANT UPDATE ON w TO %s", false},
        {"GRANT SELECT ON w TO %s", false},
    };
    fixture *f = *state;
    wb_mark marks[] = {mark(1, T0 + 7), mark(2, T0 + 7), mark(9, T0 + 7)};
    char role[80], text[512];
    snprintf(role, sizeof role, "%s_role", f->space);
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        wb_store *own = NULL, *admins = f->store;
        tracking t;
        sql(f, "DROP TABLE IF EXISTS w");
        make_table(f, 3);
        sql(f, "CREATE ROLE %s LOGIN; GRANT USAGE ON SCHEMA %s TO %s", role, f->space, role);
        snprintf(text, sizeof text, cases[i].grant, role);
        sql(f, "%s", text);
        snprintf(text, sizeof text, "host=%s port=%s dbname=%s user=%s", PQhost(f->admin),
                 PQport(f->admin), PQdb(f->admin), role);
        assert_ok(wb_store_postgres(text, &own, NULL));
        f->store = own;
        track(f, &t, false, 0);
        f->store = admins;
        if (cases[i].enough) {
            sql(f, "BEGIN; SELECT FROM w WHERE id = lpad('1', 32, '0')::uuid FOR UPDATE");
            assert_touched(touch(&t, marks, 3, T0 + 7), 1, 1);
            sql(f, "ROLLBACK");
            assert_touched(touch(&t, marks, 3, T0 + 7), 1, 1);
        } else {
            wb_marks all = {
                .marks = marks, .key_type = WB_TYPE_UUID, .count = 3, .at_us = T0, .again = again};
            wb_deadline deadline = in_us(30 * SECOND_US);
            wb_touched touched;
            wb_err err = {.code = WB_OK};
            int code = t.session->class->touch(t.session, &all, &deadline, &touched, &err);
            assert_failed(code, &err, WB_HOLD, "permission denied for table w");
        }
        t.session->class->end(t.session);
        wb_store_unref(own);
        sql(f, "DROP OWNED BY %s; DROP ROLE %s", role, role);
    }
}

/* Locks that no update waits for: a foreign key's. */
static void key_share_is_no_lock(void **state)
{
    fixture *f = *state;
    tracking t;
    wb_mark marks[] = {mark(1, T0), mark(2, T0)};
    make_table(f, 2);
    track(f, &t, false, 0);
    sql(f, "BEGIN; SELECT FROM w FOR KEY SHARE");
    assert_touched(touch(&t, marks, 2, T0 + 1), 2, 0);
    assert_string_equal(again_of(2), "");
    sql(f, "ROLLBACK");
    t.session->class->end(t.session);
}

/* Of an id with several rows one is locked: it comes again, though the others moved. In a partitioned table, too, whose
 * rows may have the same place. */
static void some_rows_of_an_id(void **state)
{
    fixture *f = *state;
    tracking t;
    wb_mark marks[] = {mark(1, T0 + 7), mark(2, T0 + 7), mark(5, T0)};
    sql(f, "CREATE TABLE w (id uuid, \"used \"\"at\"\"\" timestamptz, part int) PARTITION BY LIST "
           "(part);"
           "CREATE TABLE w1 PARTITION OF w FOR VALUES IN (1);"
           "CREATE TABLE w2 PARTITION OF w FOR VALUES IN (2);"
           "INSERT INTO w SELECT lpad(to_hex(i), 32, '0')::uuid, NULL, p"
           " FROM generate_series(1, 2) i, generate_series(1, 2) p");
    track(f, &t, false, 0);
    sql(f, "BEGIN; SELECT FROM w1 WHERE id = lpad('2', 32, '0')::uuid FOR UPDATE");
    assert_touched(touch(&t, marks, 3, T0 + 7), 2, 1);
    assert_string_equal(again_of(3), "2");
    sql(f, "ROLLBACK");
    assert_string_equal(times(f), "7 7 - 7");
    assert_touched(touch(&t, marks, 3, T0 + 7), 1, 1);
    assert_string_equal(again_of(3), "");
    assert_string_equal(times(f), "7 7 7 7");
    t.session->class->end(t.session);
}

/* A row that the table's own trigger keeps as it is does not come again and again. */
static void trigger_keeps_a_row(void **state)
{
    fixture *f = *state;
    wb_mark marks[] = {mark(1, T0 + 7), mark(2, T0 + 7)};
    for (int unique = 0; unique < 2; unique++) {
        tracking t;
        sql(f, "DROP TABLE IF EXISTS w");
        make_table(f, 2);
        if (unique == 0)
            sql(f, "ALTER TABLE w DROP CONSTRAINT w_pkey");
        sql(f, "CREATE OR REPLACE FUNCTION keep() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN "
               "RETURN NULL; END $$; CREATE TRIGGER keep BEFORE UPDATE ON w FOR EACH ROW "
               "WHEN (OLD.id = lpad('1', 32, '0')::uuid) EXECUTE FUNCTION keep()");
        track(f, &t, false, 0);
        assert_touched(touch(&t, marks, 2, T0 + 7), 1, 0);
        assert_string_equal(again_of(2), "");
        assert_string_equal(times(f), "- 7");
        t.session->class->end(t.session);
    }
}

/* ---- a table that changes under an open connection ---- */

/* timestamptz turns into these without a word of the server's. */
static void other_type_is_held(void **state)
{
    static const char *const types[] = {"timestamp", "date", "text USING 'x'"};
    fixture *f = *state;
    wb_mark marks[] = {mark(1, T0 + 7)};
    for (size_t unique = 0; unique < 2; unique++) {
        for (size_t i = 0; i < sizeof types / sizeof *types; i++) {
            tracking t;
            wb_touched touched;
            wb_err err = {.code = WB_OK};
            wb_marks all = {.marks = marks,
                            .key_type = WB_TYPE_UUID,
                            .count = 1,
                            .at_us = T0 + 7,
                            .again = again};
            sql(f, "DROP TABLE IF EXISTS w");
            make_table(f, 1);
            if (unique == 0)
                sql(f, "ALTER TABLE w DROP CONSTRAINT w_pkey");
            track(f, &t, false, 0);
            assert_touched(touch(&t, marks, 1, T0 + 5), 1, 0);
            sql(f, "ALTER TABLE w ALTER \"used \"\"at\"\"\" TYPE %s", types[i]);
            sql(f, "CREATE TABLE before AS TABLE w");
            wb_deadline deadline = in_us(30 * SECOND_US);
            int code = t.session->class->touch(t.session, &all, &deadline, &touched, &err);
            assert_failed(code, &err, WB_HOLD, "column \"used \"at\"\" is ");
            assert_string_equal(sql(f, "SELECT count(*) FROM (TABLE w EXCEPT TABLE before) x"),
                                "0");
            sql(f, "DROP TABLE before");
            t.session->class->end(t.session);
        }
    }
}

static void reconnects(void **state)
{
    fixture *f = *state;
    tracking t;
    wb_mark marks[] = {mark(1, T0)};
    make_table(f, 1);
    track(f, &t, false, 0);
    for (int i = 0; i < 3; i++) {
        assert_touched(touch(&t, marks, 1, T0 + i), 1, 0);
        sql(f, "SELECT pg_terminate_backend(%d, 5000)",
            PQbackendPID(((wb_pg_session *)t.session)->conn));
    }
    t.session->class->end(t.session);
}

int main(void)
{
#define T(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        T(only_forward),
        T(each_its_own_time),
        T(least_advance),
        T(other_times),
        T(wrong_table_is_held),
        T(overlapping_writers),
        T(locked_row_holds_nobody_up),
        T(with_rights),
        T(key_share_is_no_lock),
        T(some_rows_of_an_id),
        T(trigger_keeps_a_row),
        T(other_type_is_held),
        T(reconnects),
    };
    return cmocka_run_group_tests_name("postgres_touch", tests, NULL, NULL);
}
