/* SPDX-License-Identifier: MIT
 * A tracker's tables in SQLite: made, with keys and columns of each type, and refused. The contract tests the times. */
#include "support/sqlite_fixture.h"
#include "support/support.h"
#include "support/touch_types.h"

#include <stdio.h>

#include "rows/types.h"

static int touch_one(wb_store *store, const wb_target *target, unsigned number, wb_touched *out,
                     wb_err *err)
{
    wb_mark mark = {.count = 1};
    contract_id(number, mark.key.id);
    if (target->key_type == WB_TYPE_TEXT)
        mark.key = (wb_key){.text = {.bytes = 1, .at = "k"}};
    wb_marks marks = {.marks = &mark,
                      .key_type = target->key_type,
                      .count = 1,
                      .at_us = SOME_TIME_US,
                      .attempt = 1};
    wb_deadline deadline = contract_until(60 * 1000);
    wb_session *session = contract_session(store, target);
    int code = session->class->touch(session, &marks, &deadline, out, err);
    session->class->end(session);
    return code;
}

static void test_touch_makes_its_table(void **state)
{
    struct fixture *fixture = *state;
    wb_target target = {.table = "spaces",
                        .key = "the id",
                        .key_type = WB_TYPE_UUID,
                        .column = "used \"at\"",
                        .column_type = WB_TYPE_TIMESTAMPTZ,
                        .unit_us = 1};
    wb_touched touched = {9, 9};
    assert_int_equal(touch_one(fixture->store, &target, 1, &touched, NULL), WB_OK);
    assert_int_equal(touched.updated, 0);
    assert_int_equal(touched.unmatched, 1);
    fixture_run(fixture,
                "INSERT INTO spaces VALUES ('00000001-abab-abab-abab-abababababab', NULL)");
    assert_int_equal(touch_one(fixture->store, &target, 1, &touched, NULL), WB_OK);
    assert_int_equal(touched.updated, 1);
    assert_int_equal(touched.unmatched, 0);
    check_query(fixture, "SELECT \"used \"\"at\"\"\" FROM spaces", "2024-05-14T08:00:00.000000Z");
}

static void test_touch_by_bytes(void **state)
{
    struct fixture *fixture = *state;
    wb_target target = {.table = "spaces",
                        .key = "id",
                        .key_type = WB_TYPE_UUID,
                        .column = "used_at",
                        .column_type = WB_TYPE_TIMESTAMPTZ,
                        .unit_us = 1};
    wb_touched touched;
    fixture_run(fixture, "CREATE TABLE spaces (id BLOB PRIMARY KEY, used_at DATETIME)");
    fixture_run(
        fixture,
        "INSERT INTO spaces VALUES (x'00000001abababababababababababab', '2024-05-14 07:59:59')");
    assert_int_equal(touch_one(fixture->store, &target, 1, &touched, NULL), WB_OK);
    assert_int_equal(touched.updated, 1);
    check_query(fixture, "SELECT used_at FROM spaces", "2024-05-14 08:00:00");
}

static void touch_refused(wb_store *store, const wb_target *target, const char *text)
{
    wb_err err = {0};
    wb_touched touched = {9, 9};
    assert_int_equal(touch_one(store, target, 1, &touched, &err), WB_STORE);
    assert_int_equal(err.error_class, WB_HOLD);
    if (strstr(err.text, text) == NULL)
        fail_msg("\"%s\", expected to find \"%s\"", err.text, text);
    assert_int_equal(touched.updated, 9);
}

static void test_touch_refused_columns(void **state)
{
    struct fixture *fixture = *state;
    wb_target target = {.table = "spaces",
                        .key = "id",
                        .key_type = WB_TYPE_UUID,
                        .column = "used_at",
                        .column_type = WB_TYPE_TIMESTAMPTZ,
                        .unit_us = 1};
    fixture_run(fixture, "CREATE TABLE spaces (id TEXT, used_at INTEGER)");
    touch_refused(fixture->store, &target,
                  "table \"spaces\": column \"used_at\" is INTEGER in the database, timestamptz");
    target.key = "key";
    touch_refused(fixture->store, &target, "table \"spaces\": it has no column \"key\" (uuid");
    target.table = "absent";
    wb_store *store = NULL;
    assert_int_equal(wb_store_sqlite(fixture->path, false, &store, NULL), WB_OK);
    touch_refused(store, &target, "table \"absent\": there is none in database");
    wb_store_unref(store);
}

/* ---- keys and columns of every type ---- */

static void typed_make(void *context, const tracked *t)
{
    char sql[256];
    snprintf(sql, sizeof sql,
             "DROP TABLE IF EXISTS spaces; CREATE TABLE spaces (id %s PRIMARY KEY, used_at %s)",
             wb_type_sqlite(t->key_type), wb_type_sqlite(t->column_type));
    fixture_run(context, sql);
}

static void typed_put(void *context, const tracked *t, const wb_value *id, const wb_value *time)
{
    char sql[4096], text[WB_TYPE_TEXT_BYTES] = "NULL";
    bool quoted = time->kind != WB_NULL && t->column_type != WB_TYPE_INT8;
    if (time->kind != WB_NULL)
        text[wb_type_text(t->column_type, time, text)] = '\0';
    snprintf(sql, sizeof sql, "INSERT INTO spaces VALUES (%s, %s%s%s)", tracked_literal(t, id),
             quoted ? "'" : "", text, quoted ? "'" : "");
    fixture_run(context, sql);
}

static void typed_get(void *context, const tracked *t, const wb_value *id, char out[TRACKED_TEXT])
{
    sqlite3 *db = fixture_borrow(context);
    sqlite3_stmt *rows = NULL;
    char sql[4096];
    snprintf(sql, sizeof sql,
             "SELECT coalesce(used_at, 'NULL'), typeof(used_at) FROM spaces WHERE id = %s",
             tracked_literal(t, id));
    assert_int_equal(sqlite3_prepare_v2(db, sql, -1, &rows, NULL), SQLITE_OK);
    bool found = sqlite3_step(rows) == SQLITE_ROW;
    snprintf(out, TRACKED_TEXT, "%s", found ? (const char *)sqlite3_column_text(rows, 0) : "none");
    if (found && strcmp(out, "NULL") != 0)
        assert_string_equal((const char *)sqlite3_column_text(rows, 1),
                            t->column_type == WB_TYPE_INT8 ? "integer" : "text");
    sqlite3_finalize(rows);
    fixture_give_back(context, db);
}

static void test_touch_types(void **state)
{
    struct fixture *fixture = *state;
    touch_probe probe = {.store = fixture->store,
                         .context = fixture,
                         .has_nulls = true,
                         .make = typed_make,
                         .put = typed_put,
                         .get = typed_get};
    fixture_hold(fixture);
    contract_touch_types(&probe);
}

static void test_touch_makes_tables_of_types(void **state)
{
    static const int types[] = {WB_TYPE_INT4, WB_TYPE_INT8, WB_TYPE_TEXT};
    struct fixture *fixture = *state;
    for (size_t i = 0; i < sizeof types / sizeof *types; i++) {
        char sql[128];
        wb_target target = tracked_target(&(tracked){.key_type = types[i]});
        wb_touched touched;
        snprintf(sql, sizeof sql,
                 "CREATE TABLE \"spaces\" (\"id\" %s PRIMARY KEY NOT NULL, \"used_at\" timestamptz "
                 "TEXT)",
                 wb_type_name(types[i]));
        assert_int_equal(touch_one(fixture->store, &target, 1, &touched, NULL), WB_OK);
        check_query(fixture, "SELECT sql FROM sqlite_master WHERE name = 'spaces'", sql);
        fixture_run(fixture, "DROP TABLE spaces");
    }
}

/* A key, a column of times, how one of them is declared, and what is said of it. */
struct unfit {
    tracked as;
    const char *columns, *words;
};

static void each_is_refused(struct fixture *fixture, const struct unfit *cases, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        char sql[128];
        wb_target target = tracked_target(&cases[i].as);
        snprintf(sql, sizeof sql, "DROP TABLE IF EXISTS spaces; CREATE TABLE spaces (%s)",
                 cases[i].columns);
        fixture_run(fixture, sql);
        touch_refused(fixture->store, &target, cases[i].words);
    }
}

static void test_touch_refused_keys(void **state)
{
#define KEY(key, declared, words)                                                                  \
    {                                                                                              \
        {.key_type = (key)}, "id " declared ", used_at timestamptz", "column \"id\" is " words     \
    }
    static const struct unfit cases[] = {
        KEY(WB_TYPE_INT8, "int4", "int4 in the database, int8 in the schema"),
        KEY(WB_TYPE_INT8, "TEXT", "TEXT in the database, int8 in the schema"),
        KEY(WB_TYPE_TEXT, "INTEGER", "INTEGER in the database, text in the schema"),
        KEY(WB_TYPE_TEXT, "NUMERIC", "NUMERIC in the database, text in the schema"),
        KEY(WB_TYPE_UUID, "int8", "int8 in the database, uuid in the schema"),
    };
    each_is_refused(*state, cases, sizeof cases / sizeof *cases);
}

static void test_touch_refused_times(void **state)
{
#define TIME(type, declared, words)                                                                \
    {                                                                                              \
        {.key_type = WB_TYPE_UUID, .column_type = (type), .unit_us = 1},                           \
            "id uuid, used_at " declared, "column \"used_at\" is " words                           \
    }
    static const struct unfit cases[] = {
        TIME(WB_TYPE_INT8, "timestamptz", "timestamptz in the database, int8 in the schema"),
        TIME(WB_TYPE_INT8, "REAL", "REAL in the database, int8 in the schema"),
        TIME(WB_TYPE_INT8, "int4", "int4 in the database, int8 in the schema"),
        TIME(WB_TYPE_DATE, "INTEGER", "INTEGER in the database, date in the schema"),
        TIME(WB_TYPE_TIMESTAMP, "date", "date in the database, timestamp in the schema"),
    };
    each_is_refused(*state, cases, sizeof cases / sizeof *cases);
}

/* In a column whose times CURRENT_TIMESTAMP and other programs write, a later one of theirs stays. */
static void test_touch_among_other_programs(void **state)
{
    struct fixture *fixture = *state;
    wb_target target = tracked_target(&(tracked){.key_type = WB_TYPE_UUID});
    wb_touched touched;
    fixture_run(fixture, "CREATE TABLE spaces (id uuid TEXT PRIMARY KEY, used_at DATETIME DEFAULT "
                         "CURRENT_TIMESTAMP);"
                         "INSERT INTO spaces VALUES ('00000001-abab-abab-abab-abababababab', "
                         "'2024-05-14 08:00:00.5')");
    assert_ok(touch_one(fixture->store, &target, 1, &touched, NULL));
    assert_int_equal(touched.updated, 0);
    assert_int_equal(touched.unmatched, 0);
    fixture_run(fixture, "UPDATE spaces SET used_at = '2024-05-14 07:59:59.999999'");
    assert_ok(touch_one(fixture->store, &target, 1, &touched, NULL));
    assert_int_equal(touched.updated, 1);
    check_query(fixture, "SELECT used_at FROM spaces", "2024-05-14 08:00:00");
}

/* ---- making rows ---- */

static int touch_three_as(struct fixture *fixture, bool insert, wb_log *log, wb_touched *out,
                          wb_err *err)
{
    wb_mark ids[3] = {{.count = 1}, {.count = 1}, {.count = 1}};
    const wb_column column = {.name = "id", .type = WB_TYPE_INT8};
    for (int i = 0; i < 3; i++)
        assert_ok(wb_key_of(&column, &VALUE_INT(i + 1), &ids[i].key, NULL));
    wb_marks marks = {.marks = ids, .key_type = WB_TYPE_INT8, .count = 3, .at_us = SOME_TIME_US};
    wb_target target = tracked_target(&(tracked){.key_type = WB_TYPE_INT8, .insert = insert});
    wb_deadline deadline = contract_until(60 * 1000);
    target.log = log;
    wb_session *session = contract_session(fixture->store, &target);
    int code = session->class->touch(session, &marks, &deadline, out, err);
    session->class->end(session);
    return code;
}

static int touch_three(struct fixture *fixture, wb_log *log, wb_touched *out, wb_err *err)
{
    return touch_three_as(fixture, true, log, out, err);
}

static void test_insert_makes_its_table(void **state)
{
    wb_touched touched;
    assert_ok(touch_three(*state, NULL, &touched, NULL));
    assert_int_equal(touched.updated, 3);
    assert_int_equal(touched.unmatched, 0);
    check_query(*state, "SELECT group_concat(id || used_at) FROM spaces",
                "12024-05-14T08:00:00.000000Z,22024-05-14T08:00:00.000000Z,32024-05-14T08:00:00."
                "000000Z");
}

/* Of three ids the table refuses some; whatever it says of conflicts, no other row is lost. */
static void test_insert_refused_rows(void **state)
{
    static const struct {
        const char *sql, *words;
    } cases[] = {
        {"CREATE TABLE spaces (id int8 PRIMARY KEY CHECK (id <> 2), used_at timestamptz)", "CHECK"},
        {"CREATE TABLE spaces (id int8 PRIMARY KEY, used_at timestamptz); CREATE TRIGGER no BEFORE "
         "INSERT ON spaces WHEN NEW.id = 2 BEGIN SELECT RAISE(ABORT, 'not this one'); END",
         "not this one"},
        {"CREATE TABLE spaces (id int8 PRIMARY KEY, used_at timestamptz, x DEFAULT 5 UNIQUE ON "
         "CONFLICT REPLACE)",
         "spaces.x"},
    };
    struct fixture *fixture = *state;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        wb_touched touched;
        wb_event event;
        wb_log *log = wb_log_new("test", true, false);
        fixture_run(fixture, "DROP TABLE IF EXISTS spaces");
        fixture_run(fixture, cases[i].sql);
        assert_ok(touch_three(fixture, log, &touched, NULL));
        assert_int_equal(touched.updated, i == 2 ? 1 : 2);
        assert_int_equal(touched.unmatched, i == 2 ? 2 : 1);
        check_query(fixture, "SELECT count(*) FROM spaces", i == 2 ? "1" : "2");
        assert_true(wb_log_next(log, &event));
        assert_non_null(strstr(event.text, cases[i].words));
        assert_false(wb_log_next(log, &event));
        wb_log_free(log);
    }
}

/* A trigger that ends the transaction has taken all with it. */
static void test_insert_rolled_back(void **state)
{
    struct fixture *fixture = *state;
    wb_touched touched = {9, 9};
    wb_err err;
    fixture_run(fixture,
                "CREATE TABLE spaces (id int8 PRIMARY KEY, used_at timestamptz); CREATE TRIGGER no "
                "BEFORE INSERT ON spaces WHEN NEW.id = 2 BEGIN SELECT RAISE(ROLLBACK, 'all'); END");
    assert_int_equal(touch_three(fixture, NULL, &touched, &err), WB_STORE);
    assert_non_null(strstr(err.text, "all"));
    assert_int_equal(touched.updated, 9);
    check_query(fixture, "SELECT count(*) FROM spaces", "0");
}

static void test_insert_held(void **state)
{
    struct fixture *fixture = *state;
    wb_touched touched;
    wb_err err;
    fixture_run(fixture, "CREATE TABLE spaces (id int8 PRIMARY KEY, used_at timestamptz, "
                         "a int8 NOT NULL DEFAULT 1, b INTEGER, name TEXT NOT NULL)");
    assert_int_equal(touch_three(fixture, NULL, &touched, &err), WB_STORE);
    assert_int_equal(err.error_class, WB_HOLD);
    assert_string_equal(err.text, "table \"spaces\": column \"name\" (TEXT) is NOT NULL without a "
                                  "default, so the tracker can't insert rows");
}

/* A row that may not be moved stops no other; the log says how many the table refused. */
static void test_update_refused_rows(void **state)
{
    static const struct {
        const char *sql, *words;
    } cases[] = {
        {"CREATE TRIGGER no BEFORE UPDATE ON spaces WHEN OLD.id = 2 BEGIN SELECT RAISE(ABORT, 'not "
         "this one'); END",
         "not this one"},
        {"CREATE UNIQUE INDEX one ON spaces (used_at)", "spaces.used_at"},
    };
    struct fixture *fixture = *state;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        wb_touched touched;
        wb_event event;
        wb_log *log = wb_log_new("test", true, false);
        fixture_run(fixture,
                    "DROP TABLE IF EXISTS spaces; CREATE TABLE spaces (id int8 PRIMARY KEY, "
                    "used_at timestamptz); INSERT INTO spaces VALUES (1, '2000'), (2, '2001')");
        fixture_run(fixture, cases[i].sql);
        assert_ok(touch_three_as(fixture, false, log, &touched, NULL));
        assert_int_equal(touched.updated, 1);
        assert_int_equal(touched.unmatched, 2);
        check_query(fixture, "SELECT group_concat(used_at) FROM spaces WHERE id = 2", "2001");
        assert_true(wb_log_next(log, &event));
        assert_non_null(strstr(event.text, "refuses the rows of 1 ids"));
        assert_non_null(strstr(event.text, cases[i].words));
        assert_false(wb_log_next(log, &event));
        wb_log_free(log);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        WITH_DATABASE(test_touch_makes_its_table),
        WITH_DATABASE(test_touch_by_bytes),
        WITH_DATABASE(test_touch_refused_columns),
        WITH_DATABASE(test_touch_types),
        WITH_DATABASE(test_touch_makes_tables_of_types),
        WITH_DATABASE(test_touch_refused_keys),
        WITH_DATABASE(test_insert_makes_its_table),
        WITH_DATABASE(test_insert_refused_rows),
        WITH_DATABASE(test_insert_rolled_back),
        WITH_DATABASE(test_insert_held),
        WITH_DATABASE(test_update_refused_rows),
        WITH_DATABASE(test_touch_among_other_programs),
        WITH_DATABASE(test_touch_refused_times),
    };
    return cmocka_run_group_tests_name("sqlite_touch", tests, NULL, NULL);
}
