/* SPDX-License-Identifier: MIT
 * A table that changes between two writes of one session: what it is now decides how rows are stored, or holds them. */
#include <math.h>

#include "base/env.h"
#include "support/sqlite_fixture.h"
#include "support/support.h"

static wb_schema *schema_of(int type)
{
    wb_column columns[] = {{.name = "n", .type = WB_TYPE_INT8}, {.name = "v", .type = type}};
    wb_schema *schema = NULL;
    assert_ok(wb_schema_new(columns, 2, &schema, NULL));
    return schema;
}

static int write_row(wb_session *session, wb_schema *schema, const wb_value values[2], wb_err *err)
{
    wb_batch *batch = wb_batch_new(schema);
    size_t bytes;
    assert_true(wb_batch_reserve(batch, wb_row_bound(schema, values, 2)));
    assert_ok(wb_row_encode(schema, values, 2, wb_batch_end(batch), &bytes, err));
    wb_batch_push(batch, bytes, 0);
    wb_deadline deadline = {.at_us = wb_now_us() + 30000000};
    memset(err, 0, sizeof *err);
    int code = session->class->write(session, batch, &deadline, err);
    wb_batch_free(batch);
    return code;
}

static int write_text(wb_session *session, wb_schema *schema, const char *text, wb_err *err)
{
    wb_value values[] = {
        {.kind = WB_INT, .i = 1},
        {.kind = WB_TEXT, .text = text, .bytes = (uint32_t)strlen(text)},
    };
    return write_row(session, schema, values, err);
}

static const char id_text[] = "00112233-4455-6677-8899-aabbccddeeff";

/* A session writes a text into a first table, which then changes; `expected` is what a query answers of the next write,
 * `words` why it is held. */
static void between_two_writes(void **state)
{
    static const struct {
        int type;
        const char *before, *change, *text, *query, *expected, *words;
    } cases[] = {
        {WB_TYPE_TEXT, "CREATE TABLE t (n INTEGER, v TEXT)",
         "ALTER TABLE t RENAME TO old; CREATE TABLE t (n INTEGER, v INTEGER)", "007",
         "SELECT count(*) FROM t", "0", "column \"v\" is INTEGER in the database, text in"},
        {WB_TYPE_TEXT, "CREATE TABLE t (n INTEGER, v TEXT)",
         "ALTER TABLE t RENAME TO old; CREATE TABLE t (v NUMERIC, n TEXT)", "1e3",
         "SELECT count(*) FROM t", "0", "in the database, "},
        {WB_TYPE_TEXT, "CREATE TABLE t (n INTEGER, v TEXT)",
         "ALTER TABLE t RENAME TO old; CREATE TABLE t (v TEXT, n INTEGER)", "007",
         "SELECT n || v FROM t", "1007", NULL},
        {WB_TYPE_UUID, "CREATE TABLE t (n INTEGER, v TEXT)",
         "DROP TABLE t; CREATE TABLE t (n INTEGER, v BLOB)", id_text, "SELECT hex(v) FROM t",
         "00112233445566778899AABBCCDDEEFF", NULL},
        {WB_TYPE_UUID, "CREATE TABLE t (n INTEGER, v BLOB)",
         "DROP TABLE t; CREATE TABLE t (n INTEGER, v TEXT)", id_text, "SELECT v FROM t", id_text,
         NULL},
        {WB_TYPE_TEXT, "CREATE TABLE t (n INTEGER, v TEXT)", "ALTER TABLE t RENAME COLUMN v TO w",
         "x", "SELECT count(*) FROM t WHERE w = 'x'", "0", "it has no column \"v\""},
        {WB_TYPE_TEXT, "CREATE TABLE t (n INTEGER, v TEXT)",
         "DROP TABLE t; CREATE TABLE t (n INTEGER, v TEXT, w INTEGER NOT NULL)", "x",
         "SELECT count(*) FROM t", "0", "column \"w\" (INTEGER) is NOT NULL without a default"},
        {WB_TYPE_TEXT, "CREATE TABLE t (n INTEGER, v TEXT)", "DROP TABLE t", "x",
         "SELECT count(*) FROM sqlite_schema WHERE name = 't'", "0", "there is none in database"},
        {WB_TYPE_TEXT, "CREATE TABLE t (n INTEGER, v TEXT); CREATE TABLE other (a)",
         "DROP TABLE other", "x", "SELECT v FROM t WHERE v = 'x'", "x", NULL},
    };
    struct fixture *fixture = *state;
    wb_store *store = NULL;
    fixture_run(fixture, "CREATE TABLE there (a)");
    assert_ok(wb_store_sqlite(fixture->path, false, &store, NULL));
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        wb_schema *schema = schema_of(cases[i].type);
        wb_target target = {.table = "t", .schema = schema, .dedupe_column = -1};
        wb_err err;
        fixture_run(fixture, "DROP TABLE IF EXISTS t; DROP TABLE IF EXISTS old");
        fixture_run(fixture, cases[i].before);
        wb_session *session = store->class->session(store, &target);
        assert_ok(
            write_text(session, schema, cases[i].type == WB_TYPE_UUID ? id_text : "first", &err));
        fixture_run(fixture, cases[i].change);
        for (int again = 0; again < 2; again++) {
            int code = write_text(session, schema, cases[i].text, &err);
            if (cases[i].words == NULL) {
                assert_ok(code);
            } else {
                assert_int_equal(code, WB_STORE);
                assert_int_equal(err.error_class, WB_HOLD);
                if (strstr(err.text, cases[i].words) == NULL)
                    fail_msg("%s", err.text);
            }
            check_query(fixture, cases[i].query, cases[i].expected);
        }
        session->class->end(session);
        wb_schema_unref(schema);
    }
    wb_store_unref(store);
}

/* A table that is dropped is made again, where tables may be made. */
static void made_again(void **state)
{
    struct fixture *fixture = *state;
    wb_schema *schema = schema_of(WB_TYPE_TEXT);
    wb_target target = {.table = "t", .schema = schema, .dedupe_column = -1};
    wb_session *session = fixture->store->class->session(fixture->store, &target);
    wb_err err;
    for (int i = 0; i < 3; i++) {
        assert_ok(write_text(session, schema, "x", &err));
        assert_ok(write_text(session, schema, "x", &err));
        check_query(fixture, "SELECT count(*) FROM t", "2");
        fixture_run(fixture, "DROP TABLE t");
    }
    session->class->end(session);
    wb_schema_unref(schema);
}

/* A table is made with the first batch that is stored, so what another program makes meanwhile counts, and not what was
 * made and rolled back. */
static void made_and_rolled_back(void **state)
{
    struct fixture *fixture = *state;
    wb_schema *floats = schema_of(WB_TYPE_FLOAT8);
    wb_target target = {.table = "t", .schema = floats, .dedupe_column = -1};
    wb_session *session = fixture->store->class->session(fixture->store, &target);
    wb_value values[] = {{.kind = WB_INT, .i = 1}, {.kind = WB_FLOAT, .f = NAN}};
    wb_err err;
    assert_int_equal(write_row(session, floats, values, &err), WB_STORE);
    assert_int_equal(err.error_class, WB_REJECT);
    fixture_run(fixture, "CREATE TABLE t (n INTEGER, v TEXT)");
    values[1].f = 1.5;
    assert_int_equal(write_row(session, floats, values, &err), WB_STORE);
    assert_int_equal(err.error_class, WB_HOLD);
    check_query(fixture, "SELECT count(*) FROM t", "0");
    session->class->end(session);
    wb_schema_unref(floats);
}

static wb_touched touch_one(wb_session *session)
{
    static const uint8_t id[16] = {0x00, 0x11, 0x22, 0x33, 0x44, 0x55, 0x66, 0x77,
                                   0x88, 0x99, 0xaa, 0xbb, 0xcc, 0xdd, 0xee, 0xff};
    wb_mark mark = {.time_us = 1, .count = 1};
    memcpy(mark.key.id, id, sizeof id);
    bool again = false;
    wb_marks marks = {.marks = &mark,
                      .key_type = WB_TYPE_UUID,
                      .count = 1,
                      .at_us = wb_unix_us(),
                      .again = &again};
    wb_deadline deadline = {.at_us = wb_now_us() + 30000000};
    wb_touched touched;
    wb_err err = {0};
    int code = session->class->touch(session, &marks, &deadline, &touched, &err);
    assert_string_equal(err.text, "");
    assert_ok(code);
    return touched;
}

static void tracked_table(void **state)
{
    struct fixture *fixture = *state;
    wb_target target = {.table = "t",
                        .key = "id",
                        .key_type = WB_TYPE_UUID,
                        .column = "at",
                        .column_type = WB_TYPE_TIMESTAMPTZ,
                        .unit_us = 1};
    wb_session *session = fixture->store->class->session(fixture->store, &target);
    fixture_run(fixture, "CREATE TABLE t (id TEXT PRIMARY KEY, at TEXT);"
                         "INSERT INTO t (id) VALUES ('00112233-4455-6677-8899-aabbccddeeff')");
    assert_int_equal(touch_one(session).updated, 1);
    fixture_run(fixture, "DROP TABLE t; CREATE TABLE t (id BLOB PRIMARY KEY, at TEXT);"
                         "INSERT INTO t (id) VALUES (x'00112233445566778899aabbccddeeff')");
    assert_int_equal(touch_one(session).updated, 1);
    session->class->end(session);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        WITH_DATABASE(between_two_writes),
        WITH_DATABASE(made_again),
        WITH_DATABASE(made_and_rolled_back),
        WITH_DATABASE(tracked_table),
    };
    return cmocka_run_group_tests_name("sqlite_changed", tests, NULL, NULL);
}
