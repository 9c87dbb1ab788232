/* SPDX-License-Identifier: MIT
 * SQLite tables whose columns a schema fits or does not, and the names of tables. */
#include <stdio.h>

#include "support/sqlite_fixture.h"
#include "support/support.h"

static void check_columns(struct fixture *fixture, const char *columns, const char *text)
{
    char sql[256];
    struct writer writer;
    snprintf(sql, sizeof sql, "DROP TABLE IF EXISTS notes; CREATE TABLE notes (%s)", columns);
    fixture_run(fixture, sql);
    writer_init(&writer, fixture, true, 0, 1);
    if (text != NULL) {
        contract_refused(writer.session, writer.batch, WB_HOLD, text);
        check_query(fixture, "SELECT count(*) FROM notes", "0");
    } else {
        contract_write(writer.session, writer.batch);
        check_query(fixture, "SELECT id || note || hits FROM notes",
                    "00000000-abab-abab-abab-ababababababnote 00");
    }
    writer_fini(&writer);
}

static void test_columns_that_fit(void **state)
{
    check_columns(*state, "id, note, hits", NULL);
    check_columns(*state, "id TEXT, note TEXT, hits INTEGER", NULL);
    check_columns(*state, "hits BIGINT, note VARCHAR(30), id CHAR(36)", NULL);
    check_columns(*state, "id UUID, note text, hits NUMERIC", NULL);
    check_columns(*state,
                  "n INTEGER PRIMARY KEY NOT NULL, id, note, hits, x TEXT NOT NULL DEFAULT 'y', z",
                  NULL);
}

static void test_columns_that_do_not_fit(void **state)
{
    check_columns(*state, "id, note",
                  "table \"notes\": it has no column \"hits\" (int8 in the schema)");
    check_columns(*state, "id, note, hits TEXT",
                  "table \"notes\": column \"hits\" is TEXT in the database, int8 in the schema");
    check_columns(*state, "id, note, hits int4",
                  "table \"notes\": column \"hits\" is int4 in the database, int8 in the schema");
    check_columns(*state, "id INTEGER, note, hits",
                  "table \"notes\": column \"id\" is INTEGER in the database, uuid in the schema");
    check_columns(*state, "id, note DECIMAL(10, 2), hits",
                  "column \"note\" is DECIMAL(10, 2) in the database, text in the schema");
    check_columns(*state, "id, note uuid TEXT, hits",
                  "column \"note\" is uuid TEXT in the database, text in the schema");
    check_columns(*state, "id, note, hits REAL",
                  "column \"hits\" is REAL in the database, int8 in the schema");
    check_columns(
        *state, "id, note, hits, owner TEXT NOT NULL",
        "table \"notes\": column \"owner\" (TEXT) is NOT NULL without a default, and the schema "
        "lacks it");
    check_columns(*state,
                  "id, note, hits, n INTEGER PRIMARY KEY NOT NULL) WITHOUT ROWID; SELECT (1",
                  "column \"n\" (INTEGER) is NOT NULL without a default");
}

static void test_qualified_names(void **state)
{
    struct fixture *fixture = *state;
    struct writer writer;
    writer_init(&writer, fixture, true, 0, 1);
    writer.target.table = "main.notes";
    contract_write(writer.session, writer.batch);
    check_query(fixture, "SELECT count(*) FROM notes", "1");
    writer.session->class->end(writer.session);

    writer.target.table = "\"a.b \"\"c\"";
    writer.session = contract_session(writer.store, &writer.target);
    contract_write(writer.session, writer.batch);
    check_query(fixture, "SELECT count(*) FROM \"a.b \"\"c\"", "1");
    writer_fini(&writer);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        WITH_DATABASE(test_columns_that_fit),
        WITH_DATABASE(test_columns_that_do_not_fit),
        WITH_DATABASE(test_qualified_names),
    };
    return cmocka_run_group_tests_name("sqlite_table", tests, NULL, NULL);
}
