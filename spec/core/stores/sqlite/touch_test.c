/* SPDX-License-Identifier: MIT
 * A tracker's tables in SQLite: made, with keys of either kind, and refused. The contract tests the times. */
#include "support/sqlite_fixture.h"
#include "support/support.h"

static int touch_one(wb_store *store, const wb_target *target, unsigned number, wb_touched *out,
                     wb_err *err)
{
    wb_mark mark = {.count = 1};
    contract_id(number, mark.id);
    wb_marks marks = {.marks = &mark, .count = 1, .at_us = SOME_TIME_US, .attempt = 1};
    wb_deadline deadline = contract_until(60 * 1000);
    wb_session *session = contract_session(store, target);
    int code = session->class->touch(session, &marks, &deadline, out, err);
    session->class->end(session);
    return code;
}

static void test_touch_makes_its_table(void **state)
{
    struct fixture *fixture = *state;
    wb_target target = {.table = "spaces", .key = "the id", .column = "used \"at\""};
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
    wb_target target = {.table = "spaces", .key = "id", .column = "used_at"};
    wb_touched touched;
    fixture_run(fixture, "CREATE TABLE spaces (id BLOB PRIMARY KEY, used_at DATETIME)");
    fixture_run(
        fixture,
        "INSERT INTO spaces VALUES (x'00000001abababababababababababab', '2024-05-14 07:59:59')");
    assert_int_equal(touch_one(fixture->store, &target, 1, &touched, NULL), WB_OK);
    assert_int_equal(touched.updated, 1);
    check_query(fixture, "SELECT used_at FROM spaces", "2024-05-14T08:00:00.000000Z");
}

static void touch_refused(wb_store *store, const wb_target *target, const char *text)
{
    wb_err err = {0};
    wb_touched touched = {9, 9};
    assert_int_equal(touch_one(store, target, 1, &touched, &err), WB_STORE);
    assert_int_equal(err.error_class, WB_HOLD);
    assert_non_null(strstr(err.text, text));
    assert_int_equal(touched.updated, 9);
}

static void test_touch_refused_columns(void **state)
{
    struct fixture *fixture = *state;
    wb_target target = {.table = "spaces", .key = "id", .column = "used_at"};
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

int main(void)
{
    const struct CMUnitTest tests[] = {
        WITH_DATABASE(test_touch_makes_its_table),
        WITH_DATABASE(test_touch_by_bytes),
        WITH_DATABASE(test_touch_refused_columns),
    };
    return cmocka_run_group_tests_name("sqlite_touch", tests, NULL, NULL);
}
