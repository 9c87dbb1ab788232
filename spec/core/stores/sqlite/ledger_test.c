/* SPDX-License-Identifier: MIT
 * The ledger of the SQLite store: a write is done once, whatever became of the answer. */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/bigendian.h"
#include "base/env.h"
#include "support/sqlite_fixture.h"
#include "support/support.h"

#define DAY_MS (INT64_C(24) * 3600 * 1000)

/* Gives a batch an id that was made so many days ago. */
static void set_id(wb_batch *batch, int64_t days_ago, uint8_t number)
{
    uint64_t ms = (uint64_t)(wb_unix_us() / 1000 - days_ago * DAY_MS);
    wb_put64(batch->id, ms << 16 | 0x7000);
    memset(batch->id + 8, number, 8);
}

static void ledger_writer(struct writer *writer, const struct fixture *fixture, bool create)
{
    writer_init(writer, fixture, create, 0, 3);
    writer->target.dedupe = WB_DEDUPE_LEDGER;
    set_id(writer->batch, 0, 1);
}

static wb_err refused(struct writer *writer, int class, const char *text)
{
    wb_deadline deadline = contract_until(60 * 1000);
    wb_err err = {0};
    assert_int_equal(writer->session->class->write(writer->session, writer->batch, &deadline, &err),
                     WB_STORE);
    if (strstr(err.text, text) == NULL)
        fail_msg("\"%s\" is not in \"%s\"", text, err.text);
    assert_int_equal(err.error_class, class);
    return err;
}

#define PLAIN_SQL "CREATE TABLE notes (id uuid TEXT NOT NULL, note text, hits int8)"

/* ---- once ---- */

static void test_written_once(void **state)
{
    struct fixture *fixture = *state;
    struct writer writer;
    char id[36], expected[37];
    fixture_run(fixture, PLAIN_SQL);
    ledger_writer(&writer, fixture, true);
    contract_write(writer.session, writer.batch);
    check_query(fixture,
                "SELECT (SELECT rows FROM writebehind_ledger WHERE abs(at - strftime('%s', "
                "'now')) < 600) || ' ' || (SELECT count(*) FROM writebehind_ledger)",
                "3 1");
    wb_uuid_format(writer.batch->id, id);
    snprintf(expected, sizeof expected, "%.36s", id);
    check_query(fixture, "SELECT key FROM writebehind_ledger", expected);

    contract_write(writer.session, writer.batch);
    writer.batch->in_doubt = true;
    contract_write(writer.session, writer.batch);
    check_query(fixture, "SELECT count(*) FROM notes", "3");
    set_id(writer.batch, 0, 2);
    contract_write(writer.session, writer.batch);
    check_query(fixture, "SELECT count(*) FROM notes", "6");
    writer_fini(&writer);
}

/* Where the rows are in, nothing is asked of their table. */
static void test_there_though_the_table_is_gone(void **state)
{
    struct fixture *fixture = *state;
    struct writer writer;
    fixture_run(fixture, PLAIN_SQL);
    ledger_writer(&writer, fixture, false);
    contract_write(writer.session, writer.batch);
    fixture_run(fixture, "DROP TABLE notes");
    writer.batch->in_doubt = true;
    contract_write(writer.session, writer.batch);
    writer_fini(&writer);
}

/* The ledger is made too where the store makes no tables; nothing of it stays where the write fails. */
static void test_atomic(void **state)
{
    struct fixture *fixture = *state;
    struct writer writer;
    fixture_run(fixture, "CREATE TABLE other (a)");
    ledger_writer(&writer, fixture, false);
    assert_false(refused(&writer, WB_HOLD, "there is none in database").ruled_out);
    check_query(fixture, "SELECT count(*) FROM sqlite_schema", "1");
    fixture_run(fixture, PLAIN_SQL "; CREATE UNIQUE INDEX i ON notes (note)");
    fixture_run(fixture, "INSERT INTO notes VALUES ('', 'note 1', 1)");
    wb_err err = refused(&writer, WB_REJECT, "UNIQUE constraint failed: notes.note");
    assert_false(err.ruled_out);
    assert_int_equal(err.row, 2);
    check_query(fixture, "SELECT count(*) FROM notes", "1");
    check_query(fixture, "SELECT count(*) FROM sqlite_schema WHERE name = 'writebehind_ledger'",
                "0");
    fixture_run(fixture, "DELETE FROM notes");
    contract_write(writer.session, writer.batch);
    fixture_run(fixture, "DROP TABLE writebehind_ledger");
    set_id(writer.batch, 0, 2);
    fixture_run(fixture, "DELETE FROM notes");
    contract_write(writer.session, writer.batch);
    check_query(fixture, "SELECT count(*) FROM writebehind_ledger", "1");
    writer_fini(&writer);
}

/* A table of that name that is somebody else's is no row's fault. */
static void test_foreign_ledger(void **state)
{
    struct fixture *fixture = *state;
    struct writer writer;
    fixture_run(fixture, PLAIN_SQL);
    fixture_run(fixture, "CREATE TABLE writebehind_ledger (key, rows)");
    ledger_writer(&writer, fixture, true);
    refused(&writer, WB_HOLD, "table \"writebehind_ledger\": ");
    fixture_run(fixture, "DROP TABLE writebehind_ledger");
    fixture_run(fixture,
                "CREATE TABLE writebehind_ledger (key PRIMARY KEY, rows, at, more NOT NULL)");
    refused(&writer, WB_HOLD, "writebehind_ledger.more");
    fixture_run(fixture, "DROP TABLE writebehind_ledger");
    contract_write(writer.session, writer.batch);
    writer_fini(&writer);
}

/* ---- in doubt ---- */

static int64_t data_version(sqlite3 *db)
{
    sqlite3_stmt *statement = NULL;
    assert_int_equal(sqlite3_prepare_v2(db, "PRAGMA data_version", -1, &statement, NULL), 0);
    assert_int_equal(sqlite3_step(statement), SQLITE_ROW);
    int64_t version = sqlite3_column_int64(statement, 0);
    sqlite3_finalize(statement);
    return version;
}

/* What is refused is settled first, by a commit: it ends what an earlier one may have left in the log. */
static void check_ruled_out(struct writer *writer, sqlite3 *db, int class, const char *text)
{
    int64_t before = data_version(db);
    assert_true(refused(writer, class, text).ruled_out);
    assert_true(data_version(db) != before);
}

static void test_earlier_write_is_ruled_out(void **state)
{
    struct fixture *fixture = *state;
    struct writer writer;
    fixture_run(fixture, "CREATE TABLE other (a)");
    ledger_writer(&writer, fixture, false);
    writer.batch->in_doubt = true;
    sqlite3 *db = fixture_database(fixture);
    check_ruled_out(&writer, db, WB_HOLD, "there is none in database");
    check_ruled_out(&writer, db, WB_HOLD, "there is none in database");
    fixture_run(fixture, PLAIN_SQL "; CREATE UNIQUE INDEX i ON notes (note)");
    fixture_run(fixture, "INSERT INTO notes VALUES ('', 'note 1', 1)");
    check_ruled_out(&writer, db, WB_REJECT, "UNIQUE constraint failed: notes.note");
    sqlite3_close(db);
    check_query(fixture, "SELECT count(*) FROM notes", "1");
    check_query(fixture, "SELECT count(*) FROM writebehind_ledger", "0");

    fixture_run(fixture, "DELETE FROM notes");
    contract_write(writer.session, writer.batch);
    contract_write(writer.session, writer.batch);
    check_query(fixture, "SELECT count(*) FROM notes", "3");
    set_id(writer.batch, 0, 2);
    writer.batch->in_doubt = false;
    assert_false(refused(&writer, WB_REJECT, "UNIQUE").ruled_out);
    writer_fini(&writer);
}

/* Before it holds the lock it knows nothing; where nothing can be committed, it refuses no row. */
static void test_doubt_that_stays(void **state)
{
    struct fixture *fixture = *state;
    struct writer writer;
    fixture_run(fixture, PLAIN_SQL "; CREATE UNIQUE INDEX i ON notes (note)");
    ledger_writer(&writer, fixture, false);
    contract_write(writer.session, writer.batch);
    set_id(writer.batch, 0, 2);
    writer.batch->in_doubt = true;
    sqlite3 *db = fixture_database(fixture);
    database_run(db, "BEGIN IMMEDIATE");
    wb_deadline deadline = contract_until(20);
    wb_err err = {0};
    assert_int_equal(writer.session->class->write(writer.session, writer.batch, &deadline, &err),
                     WB_STORE);
    assert_int_equal(err.error_class, WB_RETRY);
    assert_false(err.ruled_out);
    database_run(db, "COMMIT");
    sqlite3_close(db);

    fixture_run(fixture, "CREATE TRIGGER stop BEFORE DELETE ON writebehind_ledger BEGIN "
                         "SELECT raise(ABORT, 'no'); END");
    assert_false(refused(&writer, WB_RETRY, "UNIQUE").ruled_out);
    fixture_run(fixture, "DROP TRIGGER stop");
    assert_true(refused(&writer, WB_REJECT, "UNIQUE").ruled_out);
    check_query(fixture, "SELECT count(*) FROM writebehind_ledger", "1");
    writer_fini(&writer);
}

static void test_doubt_older_than_the_ledger(void **state)
{
    struct fixture *fixture = *state;
    struct writer writer;
    fixture_run(fixture, PLAIN_SQL);
    ledger_writer(&writer, fixture, false);
    set_id(writer.batch, 8, 1);
    contract_write(writer.session, writer.batch);
    writer.batch->in_doubt = true;
    contract_write(writer.session, writer.batch);
    set_id(writer.batch, 5, 2);
    contract_write(writer.session, writer.batch);
    set_id(writer.batch, 8, 3);
    assert_false(refused(&writer, WB_HOLD, "nobody knows whether its rows are in").ruled_out);
    check_query(fixture, "SELECT count(*) FROM notes", "6");
    check_query(fixture, "SELECT count(*) FROM writebehind_ledger", "2");
    writer_fini(&writer);
}

/* ---- a commit that failed on its way to the disk ---- */

static bool syncs_fail;

/* In place of libc's, for SQLite too. */
WB_API int fdatasync(int fd)
{
    errno = EIO;
    return syncs_fail ? -1 : (int)syscall(SYS_fdatasync, fd);
}

WB_API int fsync(int fd)
{
    errno = EIO;
    return syncs_fail ? -1 : (int)syscall(SYS_fsync, fd);
}

static void copy_file(const struct fixture *fixture, const char *suffix)
{
    char from[128], to[128], bytes[4096];
    snprintf(from, sizeof from, "%s%s", fixture->path, suffix);
    snprintf(to, sizeof to, "%s.moved%s", fixture->path, suffix);
    FILE *in = fopen(from, "rb"), *out = fopen(to, "wb");
    assert_true(in != NULL && out != NULL);
    for (size_t count; (count = fread(bytes, 1, sizeof bytes, in)) > 0;)
        assert_int_equal(fwrite(bytes, 1, count, out), count);
    fclose(in);
    fclose(out);
}

/* What is there after a crash: the database recovers from its log. */
static void check_after_crash(const struct fixture *fixture, const char *rows)
{
    struct fixture crashed = *fixture;
    copy_file(fixture, "");
    copy_file(fixture, "-wal");
    snprintf(crashed.path, sizeof crashed.path, "%.63s/it.db.moved", fixture->directory);
    check_query(&crashed, "SELECT count(*) FROM notes", rows);
    fixture_remove(&crashed, "-wal");
    fixture_remove(&crashed, "-shm");
}

/* A whole commit may lie in the log, not in effect. Once its doubt is settled no recovery brings it in. */
static void test_failed_commit_stays_out(void **state)
{
    struct fixture *fixture = *state;
    struct writer writer;
    wb_deadline deadline = contract_until(60 * 1000);
    wb_err err = {0};
    fixture_run(fixture, PLAIN_SQL);
    ledger_writer(&writer, fixture, false);
    contract_write(writer.session, writer.batch);
    sqlite3 *db = fixture_database(fixture); /* the log stays */
    data_version(db);
    set_id(writer.batch, 0, 2);
    syncs_fail = true;
    int code = writer.session->class->write(writer.session, writer.batch, &deadline, &err);
    syncs_fail = false;
    assert_int_equal(code, WB_STORE);
    assert_true(err.in_doubt);
    assert_false(err.ruled_out);
    check_after_crash(fixture, "6");

    writer.batch->in_doubt = true;
    for (size_t n = 1; n < 100 && !err.ruled_out; n++) {
        wb_alloc_fail_after(n);
        code = writer.session->class->write(writer.session, writer.batch, &deadline, &err);
        wb_alloc_fail_after(0);
        assert_int_equal(code, WB_STORE);
    }
    assert_true(err.ruled_out);
    check_after_crash(fixture, "3");
    contract_write(writer.session, writer.batch);
    check_after_crash(fixture, "6");
    sqlite3_close(db);
    writer_fini(&writer);
}

/* ---- pruning ---- */

static void put_keys(const struct fixture *fixture, int64_t key_days, int64_t days, int count)
{
    char sql[512];
    uint64_t ms = (uint64_t)(wb_unix_us() / 1000 - key_days * DAY_MS);
    snprintf(sql, sizeof sql,
             "WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n LIMIT %d) "
             "INSERT INTO writebehind_ledger SELECT printf('%08llx-%04llx-7000-%04d-%%012d', i), "
             "1, strftime('%%s', 'now') - %d * 86400 FROM n",
             count, (unsigned long long)(ms >> 16), (unsigned long long)(ms & 0xffff), (int)days,
             (int)days);
    fixture_run(fixture, sql);
}

static void write_more(struct writer *writer, unsigned writes)
{
    for (unsigned i = 0; i < writes; i++) {
        wb_put64(writer->batch->id + 8, wb_get64(writer->batch->id + 8) + 1);
        contract_write(writer->session, writer->batch);
    }
}

#define OLD_KEYS "SELECT count(*) FROM writebehind_ledger WHERE key LIKE '%-7000-%'"

/* The first write of a session prunes, and each 256th; 1,000 keys each, those that are old both ways. */
static void test_pruning(void **state)
{
    struct fixture *fixture = *state;
    struct writer writer;
    fixture_run(fixture, PLAIN_SQL);
    ledger_writer(&writer, fixture, false);
    writer.batch->id[7] = 0xff;
    write_more(&writer, 1);
    put_keys(fixture, 8, 8, 1500);
    put_keys(fixture, 8, 6, 10);
    put_keys(fixture, 6, 8, 20);
    write_more(&writer, 255);
    check_query(fixture, OLD_KEYS, "1530");
    write_more(&writer, 1);
    check_query(fixture, OLD_KEYS, "530");
    write_more(&writer, 256);
    check_query(fixture, OLD_KEYS, "30");
    put_keys(fixture, 9, 9, 5);
    check_query(fixture, OLD_KEYS, "35");
    writer.session->class->end(writer.session);
    writer.session = contract_session(writer.store, &writer.target);
    write_more(&writer, 1);
    check_query(fixture, OLD_KEYS, "30");
    writer_fini(&writer);
}

/* ---- plans, memory ---- */

/* Making the ledger changes the tables once; after that a write prepares nothing. */
static int prepared;

static int count_reads(void *context, int action, const char *a, const char *b, const char *c,
                       const char *d)
{
    (void)context, (void)action, (void)a, (void)b, (void)c, (void)d;
    prepared++;
    return SQLITE_OK;
}

static int watch(sqlite3 *db, char **message, const struct sqlite3_api_routines *api)
{
    (void)message, (void)api;
    return sqlite3_set_authorizer(db, count_reads, NULL);
}

static void test_plans_are_kept(void **state)
{
    struct fixture *fixture = *state;
    struct writer writer;
    fixture_run(fixture, PLAIN_SQL);
    ledger_writer(&writer, fixture, false);
    sqlite3_auto_extension((void (*)(void))watch);
    write_more(&writer, 1);
    sqlite3_cancel_auto_extension((void (*)(void))watch);
    write_more(&writer, 1);
    prepared = 0;
    write_more(&writer, 1);
    int usual = prepared;
    assert_in_range(usual, 1, 20); /* BEGIN, COMMIT */
    prepared = 0;
    write_more(&writer, 1);
    assert_int_equal(prepared, usual);
    writer_fini(&writer);
}

static void test_no_memory(void **state)
{
    struct fixture *fixture = *state;
    for (size_t n = 1; n < 100; n++) {
        struct writer writer;
        fixture_run(fixture, "DROP TABLE IF EXISTS notes; DROP TABLE IF EXISTS writebehind_ledger");
        fixture_run(fixture, PLAIN_SQL);
        ledger_writer(&writer, fixture, true);
        writer.batch->in_doubt = true;
        wb_deadline deadline = contract_until(60 * 1000);
        wb_err err = {0};
        wb_alloc_fail_after(n);
        int code = writer.session->class->write(writer.session, writer.batch, &deadline, &err);
        wb_alloc_fail_after(0);
        if (code != WB_OK)
            assert_int_equal(err.error_class, WB_RETRY);
        contract_write(writer.session, writer.batch);
        check_query(fixture, "SELECT count(*) FROM notes", "3");
        writer_fini(&writer);
        if (code == WB_OK)
            return;
    }
    fail_msg("it never came to an end");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        WITH_DATABASE(test_written_once),
        WITH_DATABASE(test_there_though_the_table_is_gone),
        WITH_DATABASE(test_atomic),
        WITH_DATABASE(test_foreign_ledger),
        WITH_DATABASE(test_earlier_write_is_ruled_out),
        WITH_DATABASE(test_doubt_that_stays),
        WITH_DATABASE(test_doubt_older_than_the_ledger),
        WITH_DATABASE(test_failed_commit_stays_out),
        WITH_DATABASE(test_pruning),
        WITH_DATABASE(test_plans_are_kept),
        WITH_DATABASE(test_no_memory),
    };
    return cmocka_run_group_tests_name("sqlite_ledger", tests, NULL, NULL);
}
