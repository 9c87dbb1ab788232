/* SPDX-License-Identifier: MIT
 * A database in a directory of its own, looked at by SQLite itself; and a probe for the contract. */
#ifndef WB_SQLITE_FIXTURE_H
#define WB_SQLITE_FIXTURE_H

#include <sqlite3.h>

#include "support/store_contract.h"

/* A directory with a database in it. */
struct fixture {
    char directory[64];
    char path[96];
    wb_store *store; /* with create */
    sqlite3 *held;   /* NULL, or see fixture_hold */
};

/* For cmocka: *state is the fixture; teardown removes it all. */
int fixture_setup(void **state);
int fixture_teardown(void **state);
#define WITH_DATABASE(test) cmocka_unit_test_setup_teardown(test, fixture_setup, fixture_teardown)

void fixture_remove(const struct fixture *fixture, const char *suffix); /* of the file's name */
sqlite3 *fixture_database(const struct fixture *fixture);
/* From here on one connection looks at the database: for a test that looks hundreds of times and moves no file. */
void fixture_hold(struct fixture *fixture);
/* That one, or else one of the caller's own. */
sqlite3 *fixture_borrow(const struct fixture *fixture);
void fixture_give_back(const struct fixture *fixture, sqlite3 *db);
void fixture_run(const struct fixture *fixture, const char *sql);
void database_run(sqlite3 *db, const char *sql);
/* The first value that a query answers, as text. */
void check_query(const struct fixture *fixture, const char *sql, const char *expected);

/* What a store_probe with a fixture as its context needs. */
wb_batch *fixture_rows(void *context, const char *table, wb_schema *schema);
void fixture_put(void *context, const uint8_t id[16], int64_t time_us);
int64_t fixture_time_us(void *context, const uint8_t id[16]);

/* A session on table "notes", and rows for it. */
struct writer {
    wb_store *store;
    wb_schema *schema;
    wb_target target;
    wb_session *session;
    wb_batch *batch;
};

/* The table that contract_notes describes. */
#define NOTES_SQL "CREATE TABLE notes (id uuid TEXT PRIMARY KEY NOT NULL, note text, hits int8)"

void writer_init(struct writer *writer, const struct fixture *fixture, bool create, unsigned from,
                 unsigned count);
void writer_fini(struct writer *writer);

#endif
