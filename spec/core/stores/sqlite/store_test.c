/* SPDX-License-Identifier: MIT
 * The SQLite store: the contract; what is stored, as SQLite shows it; files and tables that are missing, moved or
 * broken; scripts. */
#include <math.h>
#include <stdio.h>
#include <unistd.h>

#include "support/sqlite_fixture.h"
#include "support/support.h"

/* ---- the contract ---- */

static void run_contract(struct fixture *fixture, void (*contract)(const store_probe *probe))
{
    store_probe probe = {
        .store = fixture->store,
        .context = fixture,
        .rows = fixture_rows,
        .put = fixture_put,
        .time_us = fixture_time_us,
    };
    contract(&probe);
}

#define CONTRACT(name)                                                                             \
    static void test_##name(void **state)                                                          \
    {                                                                                              \
        run_contract(*state, contract_##name);                                                     \
    }
CONTRACT(write_every_type)
CONTRACT(write_batches)
CONTRACT(write_tables)
CONTRACT(write_schema_held)
CONTRACT(describe)
CONTRACT(touch_forward)
CONTRACT(touch_exact)
CONTRACT(touch_min_advance)

/* ---- writing ---- */

static void test_missing_file_and_table(void **state)
{
    struct fixture *fixture = *state;
    struct writer writer;
    char text[256];
    writer_init(&writer, fixture, false, 0, 1);
    snprintf(text, sizeof text, "database \"%s\": there is no such file", fixture->path);
    contract_refused(writer.session, writer.batch, WB_HOLD, text);
    assert_int_not_equal(access(fixture->path, F_OK), 0);

    fixture_run(fixture, "CREATE TABLE other (a)");
    snprintf(text, sizeof text, "table \"notes\": there is none in database \"%s\"", fixture->path);
    contract_refused(writer.session, writer.batch, WB_HOLD, text);

    fixture_run(fixture, NOTES_SQL);
    contract_write(writer.session, writer.batch);
    check_query(fixture, "SELECT id || note || hits FROM notes",
                "00000000-abab-abab-abab-ababababababnote 00");
    check_query(fixture, "PRAGMA journal_mode", "wal");
    writer_fini(&writer);
}

static void test_not_a_database(void **state)
{
    struct fixture *fixture = *state;
    FILE *file = fopen(fixture->path, "w");
    for (int i = 0; i < 1000; i++)
        fputs("no database\n", file);
    fclose(file);
    struct writer writer;
    writer_init(&writer, fixture, true, 0, 1);
    contract_refused(writer.session, writer.batch, WB_HOLD, "file is not a database");
    writer_fini(&writer);
}

static void test_missing_directory(void **state)
{
    (void)state;
    wb_store *store = NULL;
    wb_schema *schema = contract_notes();
    wb_target target = {.table = "notes", .schema = schema};
    assert_int_equal(wb_store_sqlite("/tmp/no such directory/it.db", true, &store, NULL), WB_OK);
    wb_session *session = contract_session(store, &target);
    wb_batch *batch = contract_note_rows(schema, 0, 1);
    contract_refused(session, batch, WB_HOLD,
                     "database \"/tmp/no such directory/it.db\": unable to open");
    wb_batch_free(batch);
    session->class->end(session);
    wb_schema_unref(schema);
    wb_store_unref(store);
}

/* A row that breaks a constraint takes its batch with it, and the session goes on. */
static void test_reject_is_atomic(void **state)
{
    struct fixture *fixture = *state;
    struct writer writer;
    writer_init(&writer, fixture, true, 0, 3);
    fixture_run(fixture, NOTES_SQL);
    contract_write(writer.session, writer.batch);
    wb_batch *overlapping = contract_note_rows(writer.schema, 2, 3);
    contract_refused(writer.session, overlapping, WB_REJECT, "UNIQUE constraint failed: notes.id");
    check_query(fixture, "SELECT count(*) FROM notes", "3");
    wb_batch_skip(overlapping, 1);
    contract_write(writer.session, overlapping);
    check_query(fixture, "SELECT count(*) FROM notes", "5");
    wb_batch_free(overlapping);
    writer_fini(&writer);
}

static void test_nan_is_rejected(void **state)
{
    struct fixture *fixture = *state;
    const wb_column columns[] = {{.name = "a", .type = WB_TYPE_INT4},
                                 {.name = "load", .type = WB_TYPE_FLOAT8, .null = true}};
    wb_schema *schema = contract_schema(columns, 2);
    wb_target target = {.table = "t", .schema = schema};
    wb_session *session = contract_session(fixture->store, &target);
    wb_batch *batch = wb_batch_new(schema);
    contract_add(batch, (wb_value[]){VALUE_INT(1), VALUE_FLOAT(1)}, 2);
    contract_add(batch, (wb_value[]){VALUE_INT(2), VALUE_FLOAT(NAN)}, 2);
    contract_refused(session, batch, WB_REJECT,
                     "table \"t\": column \"load\" (float8): SQLite can't store NaN");
    check_query(fixture, "SELECT count(*) FROM sqlite_schema WHERE name = 't'", "0");
    wb_batch_free(batch);
    session->class->end(session);
    wb_schema_unref(schema);
}

static void test_uuid_as_bytes(void **state)
{
    struct fixture *fixture = *state;
    struct writer writer;
    fixture_run(fixture,
                "CREATE TABLE notes (ID BLOB PRIMARY KEY, note VARCHAR(20), hits INTEGER)");
    writer_init(&writer, fixture, false, 7, 1);
    contract_write(writer.session, writer.batch);
    check_query(fixture, "SELECT hex(id) || typeof(id) FROM notes",
                "00000007ABABABABABABABABABABABABblob");
    writer_fini(&writer);
}

/* The row is already in, as after a commit whose answer was lost. */
static void test_in_doubt_by_column(void **state)
{
    struct fixture *fixture = *state;
    struct writer writer;
    writer_init(&writer, fixture, true, 0, 3);
    writer.target.dedupe = WB_DEDUPE_COLUMN;
    contract_write(writer.session, writer.batch);
    writer.batch->in_doubt = true;
    contract_write(writer.session, writer.batch);
    check_query(fixture, "SELECT count(*) FROM notes", "3");

    wb_batch *fresh = contract_note_rows(writer.schema, 2, 3);
    fresh->in_doubt = true;
    contract_write(writer.session, fresh);
    check_query(fixture, "SELECT count(*) || ',' || max(hits) FROM notes", "5,4");
    wb_batch_free(fresh);
    writer_fini(&writer);
}

/* A file that was moved away is not written to any more. */
static void test_moved_file(void **state)
{
    struct fixture *fixture = *state;
    struct writer writer;
    writer_init(&writer, fixture, true, 0, 2);
    contract_write(writer.session, writer.batch);
    char moved[128];
    snprintf(moved, sizeof moved, "%s.moved", fixture->path);
    assert_int_equal(rename(fixture->path, moved), 0);
    fixture_remove(fixture, "-wal");
    fixture_remove(fixture, "-shm");
    contract_write(writer.session, writer.batch);
    check_query(fixture, "SELECT count(*) FROM notes", "2");
    writer_fini(&writer);
}

static void test_dropped_table_comes_back(void **state)
{
    struct fixture *fixture = *state;
    struct writer writer;
    writer_init(&writer, fixture, true, 0, 2);
    contract_write(writer.session, writer.batch);
    fixture_run(fixture, "DROP TABLE notes");
    contract_write(writer.session, writer.batch);
    check_query(fixture, "SELECT count(*) FROM notes", "2");
    writer_fini(&writer);
}

/* ---- scripts ---- */

static void script_refused(wb_store *store, const char *sql, const char *text)
{
    wb_err err = {0};
    int64_t deadline_us = contract_until(60 * 1000).at_us;
    assert_int_equal(wb_store_execute(store, sql, deadline_us, &err), WB_STORE);
    assert_int_equal(err.error_class, WB_HOLD);
    if (strstr(err.text, text) == NULL)
        fail_msg("\"%s\" is not in \"%s\"", text, err.text);
}

/* All of a script is done, or nothing. */
static void test_scripts(void **state)
{
    struct fixture *fixture = *state;
    int64_t deadline_us = contract_until(60 * 1000).at_us;
    wb_store *store = NULL, *memory = NULL;
    wb_err err = {0};
    assert_int_equal(wb_store_sqlite(fixture->path, false, &store, NULL), WB_OK);
    script_refused(store, "CREATE TABLE t (a)", "there is no such file");
    wb_store_unref(store);

    script_refused(fixture->store, "CREATE TABLE t (a); CREATE TABLE t (b);",
                   "it.db\": table t already exists");
    check_query(fixture, "SELECT count(*) FROM sqlite_master", "0");
    assert_int_equal(wb_store_execute(fixture->store,
                                      "CREATE TABLE t (a); CREATE INDEX i ON t (a);", deadline_us,
                                      &err),
                     WB_OK);
    check_query(fixture, "SELECT count(*) FROM sqlite_master", "2");

    assert_int_equal(wb_store_memory(0, &memory, NULL), WB_OK);
    assert_int_equal(wb_store_execute(memory, "SELECT 1", deadline_us, &err), WB_MISUSE);
    assert_string_equal(err.text, "store: a memory store has no SQL to run");
    wb_store_unref(memory);
}

/* ---- paths ---- */

/* A relative path means the directory of the moment at which it was given. */
static void test_relative_path(void **state)
{
    struct fixture *fixture = *state;
    char before[512];
    wb_store *store = NULL;
    assert_non_null(getcwd(before, sizeof before));
    assert_int_equal(chdir(fixture->directory), 0);
    assert_int_equal(wb_store_open("sqlite:it.db", true, &store, NULL), WB_OK);
    assert_int_equal(chdir(before), 0);

    wb_schema *schema = contract_notes();
    wb_target target = {.table = "notes", .schema = schema};
    wb_session *session = contract_session(store, &target);
    wb_batch *batch = contract_note_rows(schema, 0, 1);
    contract_write(session, batch);
    check_query(fixture, "SELECT count(*) FROM notes", "1");
    wb_batch_free(batch);
    session->class->end(session);
    wb_schema_unref(schema);
    wb_store_unref(store);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        WITH_DATABASE(test_write_every_type),
        WITH_DATABASE(test_write_batches),
        WITH_DATABASE(test_write_tables),
        WITH_DATABASE(test_write_schema_held),
        WITH_DATABASE(test_describe),
        WITH_DATABASE(test_touch_forward),
        WITH_DATABASE(test_touch_exact),
        WITH_DATABASE(test_touch_min_advance),
        WITH_DATABASE(test_missing_file_and_table),
        WITH_DATABASE(test_not_a_database),
        WITH_DATABASE(test_missing_directory),
        WITH_DATABASE(test_reject_is_atomic),
        WITH_DATABASE(test_nan_is_rejected),
        WITH_DATABASE(test_uuid_as_bytes),
        WITH_DATABASE(test_in_doubt_by_column),
        WITH_DATABASE(test_moved_file),
        WITH_DATABASE(test_dropped_table_comes_back),
        WITH_DATABASE(test_scripts),
        WITH_DATABASE(test_relative_path),
    };
    return cmocka_run_group_tests_name("sqlite_store", tests, NULL, NULL);
}
