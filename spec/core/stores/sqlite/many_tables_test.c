/* SPDX-License-Identifier: MIT
 * One session of the SQLite store that writes to many tables, over one connection. A table is made and prepared when
 * it is first written to, and what is wrong with one is of no consequence for the others. */
#include <dirent.h>
#include <stdio.h>
#include <unistd.h>

#include "base/env.h"
#include "support/sqlite_fixture.h"
#include "support/support.h"

enum { TABLES = 100 };

/* ---- helpers ---- */

/* How many descriptors of this process are the database. */
static int connections(const struct fixture *fixture)
{
    int count = 0;
    DIR *fds = opendir("/proc/self/fd");
    assert_non_null(fds);
    for (const struct dirent *entry; (entry = readdir(fds)) != NULL;) {
        char link[300], path[300];
        snprintf(link, sizeof link, "/proc/self/fd/%s", entry->d_name);
        ssize_t bytes = readlink(link, path, sizeof path - 1);
        path[bytes < 0 ? 0 : bytes] = '\0';
        count += strcmp(path, fixture->path) == 0;
    }
    closedir(fds);
    return count;
}

static wb_batch *rows_for(struct writer *writer, const char *table, unsigned from, unsigned count)
{
    wb_batch *batch = contract_note_rows(writer->schema, from, count);
    contract_goes_to(batch, table);
    memset(batch->id, 0, sizeof batch->id);
    memcpy(batch->id, &from, sizeof from);
    return batch;
}

static void write_rows(struct writer *writer, const char *table, unsigned from, unsigned count)
{
    wb_batch *batch = rows_for(writer, table, from, count);
    contract_write(writer->session, batch);
    wb_batch_free(batch);
}

static void refuse_rows(struct writer *writer, const char *table, const char *text)
{
    wb_batch *batch = rows_for(writer, table, 0, 1);
    contract_refused(writer->session, batch, WB_HOLD, text);
    wb_batch_free(batch);
}

/* ---- the tests ---- */

/* More tables than a session remembers: every row is where it belongs. */
static void hundred_tables(void **state)
{
    enum { ROUNDS = 3 };
    struct fixture *fixture = *state;
    struct writer writer;
    char name[32], text[128];
    writer_init(&writer, fixture, true, 0, 1);
    for (unsigned i = 0; i < ROUNDS * TABLES; i++) {
        snprintf(name, sizeof name, "day %u", i % TABLES);
        write_rows(&writer, name, i * 2, 2);
        assert_int_equal(connections(fixture), 1);
    }
    for (unsigned i = 0; i < TABLES; i++) {
        snprintf(text, sizeof text,
                 "SELECT count(*) || ' ' || sum(hits / 2 %% %d = %u) FROM \"day %u\"", TABLES, i,
                 i);
        check_query(fixture, text, "6 6");
    }
    check_query(fixture, "SELECT count(*) FROM sqlite_schema WHERE type = 'table'", "100");
    writer_fini(&writer);
}

/* A table that is missing or was dropped holds its own rows alone; the others are written on the same connection. */
static void vanished_table(void **state)
{
    struct fixture *fixture = *state;
    struct writer writer;
    char text[256];
    writer_init(&writer, fixture, false, 0, 1);
    fixture_run(fixture, "CREATE TABLE a (id uuid, note text, hits int8)");
    fixture_run(fixture, "CREATE TABLE b (id uuid, note text, hits int8)");
    snprintf(text, sizeof text, "table \"c\": there is none in database \"%s\"", fixture->path);
    for (unsigned i = 0; i < 3; i++) {
        write_rows(&writer, "a", i, 1);
        refuse_rows(&writer, "c", text);
        assert_int_equal(connections(fixture), 1);
        write_rows(&writer, "b", i, 1);
    }
    fixture_run(fixture, "DROP TABLE b");
    int open = connections(fixture); /* SQLite keeps a descriptor of the fixture's */
    snprintf(text, sizeof text, "table \"b\": there is none in database \"%s\"", fixture->path);
    for (unsigned i = 3; i < 5; i++) {
        refuse_rows(&writer, "b", text);
        write_rows(&writer, "a", i, 1);
        assert_int_equal(connections(fixture), open);
    }
    fixture_run(fixture, "CREATE TABLE b (id uuid, note text, hits int8)");
    write_rows(&writer, "b", 9, 1);
    check_query(fixture, "SELECT (SELECT count(*) FROM a) || ' ' || (SELECT count(*) FROM b)",
                "5 1");
    writer_fini(&writer);
}

/* Rows that are in already are looked for in the batch's own table. */
static void doubt_by_column(void **state)
{
    struct fixture *fixture = *state;
    struct writer writer;
    writer_init(&writer, fixture, true, 0, 4);
    writer.target.dedupe = WB_DEDUPE_COLUMN;
    contract_write(writer.session, writer.batch);
    wb_batch *batch = rows_for(&writer, "day", 0, 3);
    batch->in_doubt = true;
    for (int i = 0; i < 2; i++) {
        contract_write(writer.session, batch);
        check_query(fixture, "SELECT count(*) FROM day", "3");
    }
    check_query(fixture, "SELECT count(*) FROM notes", "4");
    wb_batch_free(batch);
    writer_fini(&writer);
}

/* A name after a database's, and one that has to be quoted. */
static void odd_names(void **state)
{
    struct fixture *fixture = *state;
    struct writer writer;
    writer_init(&writer, fixture, true, 0, 1);
    write_rows(&writer, "main.of_main", 0, 2);
    write_rows(&writer, "select \"x\"", 0, 3);
    write_rows(&writer, "main.of_main", 2, 2);
    check_query(fixture, "SELECT count(*) FROM of_main", "4");
    check_query(fixture, "SELECT count(*) FROM \"select \"\"x\"\"\"", "3");
    writer_fini(&writer);
}

/* The memory ends at each allocation in turn: all rows are in afterwards, or none, and the next try works. */
static void without_memory(void **state)
{
    struct fixture *fixture = *state;
    struct writer writer;
    char name[16], text[64];
    unsigned failures = 0;
    writer_init(&writer, fixture, true, 0, 1);
    contract_write(writer.session, writer.batch);
    for (size_t n = 1, failed = 1; failed; n++) {
        snprintf(name, sizeof name, "t%zu", n);
        wb_batch *batch = rows_for(&writer, name, 0, 3);
        wb_deadline deadline = contract_until(60 * 1000);
        wb_err err;
        wb_alloc_fail_after(n);
        failed = writer.session->class->write(writer.session, batch, &deadline, &err) != WB_OK;
        wb_alloc_fail_after(0);
        failures += failed;
        if (failed) {
            assert_int_equal(err.error_class, WB_RETRY);
            contract_write(writer.session, batch);
        }
        snprintf(text, sizeof text, "SELECT count(*) FROM %s", name);
        check_query(fixture, text, "3");
        wb_batch_free(batch);
    }
    assert_in_range(failures, 5, 100);
    writer_fini(&writer);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        WITH_DATABASE(hundred_tables),  WITH_DATABASE(vanished_table),
        WITH_DATABASE(doubt_by_column), WITH_DATABASE(odd_names),
        WITH_DATABASE(without_memory),
    };
    return cmocka_run_group_tests_name("sqlite_many_tables", tests, NULL, NULL);
}
