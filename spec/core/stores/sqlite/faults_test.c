/* SPDX-License-Identifier: MIT
 * The SQLite store when the world fails it: locks, deadlines, requests to stop, a full disk, no memory. */
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <sys/resource.h>
#include <unistd.h>

#include "base/env.h"
#include "support/sqlite_fixture.h"
#include "support/support.h"

/* ---- locks and deadlines ---- */

static void check_locked(wb_session *session, const wb_batch *batch, const wb_deadline *deadline)
{
    wb_err err = {0};
    assert_int_equal(session->class->write(session, batch, deadline, &err), WB_STORE);
    assert_int_equal(err.error_class, WB_RETRY);
    assert_false(err.in_doubt);
    assert_non_null(strstr(err.text, "no time left"));
}

static void test_locked_past_the_deadline(void **state)
{
    struct fixture *fixture = *state;
    struct writer writer;
    writer_init(&writer, fixture, true, 0, 2);
    fixture_run(fixture, NOTES_SQL);
    sqlite3 *db = fixture_database(fixture);
    database_run(db, "BEGIN EXCLUSIVE");
    wb_deadline deadline = contract_until(50);
    check_locked(writer.session, writer.batch, &deadline);
    assert_true(wb_now_us() >= deadline.at_us);
    database_run(db, "COMMIT");
    check_query(fixture, "SELECT count(*) FROM notes", "0");

    contract_write(writer.session, writer.batch);
    database_run(db, "BEGIN IMMEDIATE");
    deadline = contract_until(50);
    check_locked(writer.session, writer.batch, &deadline);
    database_run(db, "COMMIT");
    check_locked(writer.session, writer.batch, &deadline);
    check_query(fixture, "SELECT count(*) FROM notes", "2");
    sqlite3_close(db);
    writer_fini(&writer);
}

static void *ask(void *cancel)
{
    usleep(20 * 1000);
    wb_cancel_ask(cancel);
    return NULL;
}

/* A request to stop ends the wait for a lock, however much time is left. */
static void test_cancelled_while_locked(void **state)
{
    struct fixture *fixture = *state;
    struct writer writer;
    writer_init(&writer, fixture, true, 0, 2);
    contract_write(writer.session, writer.batch);
    sqlite3 *db = fixture_database(fixture);
    database_run(db, "BEGIN IMMEDIATE");
    wb_cancel cancel;
    wb_cancel_init(&cancel);
    wb_deadline deadline = {.at_us = WB_NEVER, .cancel = &cancel};
    pthread_t thread;
    assert_int_equal(pthread_create(&thread, NULL, ask, &cancel), 0);
    check_locked(writer.session, writer.batch, &deadline);
    pthread_join(thread, NULL);
    wb_cancel_fini(&cancel);
    database_run(db, "ROLLBACK");
    sqlite3_close(db);
    writer_fini(&writer);
}

/* A trigger that would run for hours is interrupted, and its row is not in. */
static void test_long_statement_is_interrupted(void **state)
{
    struct fixture *fixture = *state;
    struct writer writer;
    fixture_run(fixture, NOTES_SQL);
    fixture_run(
        fixture,
        "CREATE TRIGGER slow AFTER INSERT ON notes BEGIN "
        "UPDATE notes SET hits = (WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n "
        "LIMIT 100000000000) SELECT count(*) FROM n); END");
    writer_init(&writer, fixture, true, 0, 2);
    wb_deadline deadline = contract_until(50);
    check_locked(writer.session, writer.batch, &deadline);
    check_query(fixture, "SELECT count(*) FROM notes", "0");
    fixture_run(fixture, "DROP TRIGGER slow");
    contract_write(writer.session, writer.batch);
    check_query(fixture, "SELECT count(*) FROM notes", "2");
    writer_fini(&writer);
}

struct racer {
    wb_store *store;
    unsigned from;
    int failures;
};

static void *race(void *argument)
{
    struct racer *racer = argument;
    wb_schema *schema = contract_notes();
    wb_target target = {.table = "notes", .schema = schema};
    wb_session *session = racer->store->class->session(racer->store, &target);
    for (unsigned i = 0; i < 40; i++) {
        wb_batch *batch = contract_note_rows(schema, racer->from + i * 20, 20);
        wb_deadline deadline = contract_until(60 * 1000);
        racer->failures += session->class->write(session, batch, &deadline, NULL) != WB_OK;
        wb_batch_free(batch);
    }
    session->class->end(session);
    wb_schema_unref(schema);
    return NULL;
}

/* Both make the table, both write: each waits for the other. */
static void test_two_sessions_at_once(void **state)
{
    struct fixture *fixture = *state;
    struct racer racers[2] = {{.store = fixture->store}, {.store = fixture->store, .from = 10000}};
    pthread_t threads[2];
    for (int i = 0; i < 2; i++)
        assert_int_equal(pthread_create(&threads[i], NULL, race, &racers[i]), 0);
    for (int i = 0; i < 2; i++)
        pthread_join(threads[i], NULL);
    assert_int_equal(racers[0].failures + racers[1].failures, 0);
    check_query(fixture, "SELECT count(*) || ',' || count(DISTINCT id) FROM notes", "1600,1600");
}

/* ---- I/O and memory ---- */

/* No file may grow past this many bytes. */
static void limit_files(rlim_t bytes)
{
    struct rlimit limit;
    assert_int_equal(getrlimit(RLIMIT_FSIZE, &limit), 0);
    limit.rlim_cur = bytes < limit.rlim_max ? bytes : limit.rlim_max;
    assert_int_equal(setrlimit(RLIMIT_FSIZE, &limit), 0);
}

/* The commit fails while it writes: the rows are in doubt, and are in once after they are written again. */
static void test_full_disk(void **state)
{
    struct fixture *fixture = *state;
    struct writer writer;
    writer_init(&writer, fixture, true, 0, 10);
    writer.target.dedupe = WB_DEDUPE_COLUMN;
    contract_write(writer.session, writer.batch);
    wb_batch *many = contract_note_rows(writer.schema, 10, 1200);
    wb_deadline deadline = contract_until(60 * 1000);
    wb_err err = {0};
    signal(SIGXFSZ, SIG_IGN);
    limit_files(65536);
    int code = writer.session->class->write(writer.session, many, &deadline, &err);
    limit_files(RLIM_INFINITY);
    assert_int_equal(code, WB_STORE);
    assert_int_equal(err.error_class, WB_RETRY);
    check_query(fixture, "SELECT count(*) FROM notes", "10");

    many->in_doubt = err.in_doubt;
    contract_write(writer.session, many);
    check_query(fixture, "SELECT count(*) || ',' || count(DISTINCT id) FROM notes", "1210,1210");
    wb_batch_free(many);
    writer_fini(&writer);
}

/* The memory ends at each allocation in turn: nothing is stored, and the session works again afterwards. */
static void test_without_memory(void **state)
{
    struct fixture *fixture = *state;
    struct writer writer;
    unsigned failures = 0;
    writer_init(&writer, fixture, true, 0, 10);
    for (size_t n = 1; n < 100; n++) {
        fixture_run(fixture, "DROP TABLE IF EXISTS notes");
        wb_session *session = contract_session(fixture->store, &writer.target);
        wb_deadline deadline = contract_until(60 * 1000);
        wb_err err = {0};
        wb_alloc_fail_after(n);
        int code = session->class->write(session, writer.batch, &deadline, &err);
        wb_alloc_fail_after(0);
        if (code != WB_OK) {
            failures++;
            assert_int_equal(code, WB_STORE);
            assert_int_equal(err.error_class, WB_RETRY);
            contract_write(session, writer.batch);
        }
        check_query(fixture, "SELECT count(*) FROM notes", "10");
        session->class->end(session);
    }
    assert_in_range(failures, 10, 90);
    writer_fini(&writer);
}

static void test_describe_without_memory(void **state)
{
    struct fixture *fixture = *state;
    unsigned failures = 0;
    fixture_run(fixture,
                "CREATE TABLE t (id uuid PRIMARY KEY, a int8 DEFAULT 3, b text DEFAULT 'x', c "
                "DEFAULT CURRENT_TIME)");
    for (size_t n = 1; n < 100; n++) {
        wb_schema *schema = NULL;
        wb_alloc_fail_after(n);
        int64_t deadline_us = contract_until(60 * 1000).at_us;
        int code = wb_store_schema(fixture->store, "t", deadline_us, &schema, NULL);
        wb_alloc_fail_after(0);
        failures += code != WB_OK;
        if (code == WB_OK)
            assert_int_equal(wb_schema_count(schema), 4);
        else
            assert_null(schema);
        wb_schema_unref(schema);
    }
    assert_in_range(failures, 10, 90);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        WITH_DATABASE(test_locked_past_the_deadline),
        WITH_DATABASE(test_cancelled_while_locked),
        WITH_DATABASE(test_long_statement_is_interrupted),
        WITH_DATABASE(test_two_sessions_at_once),
        WITH_DATABASE(test_full_disk),
        WITH_DATABASE(test_without_memory),
        WITH_DATABASE(test_describe_without_memory),
    };
    return cmocka_run_group_tests_name("sqlite_faults", tests, NULL, NULL);
}
