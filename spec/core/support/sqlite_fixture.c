/* SPDX-License-Identifier: MIT
 * The fixture of the SQLite store's tests. Everything here fails the test by itself. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "support/sqlite_fixture.h"

int fixture_setup(void **state)
{
    struct fixture *fixture = calloc(1, sizeof *fixture);
    assert_non_null(fixture);
    strcpy(fixture->directory, "/tmp/store_sqlite_test.XXXXXX");
    assert_non_null(mkdtemp(fixture->directory));
    snprintf(fixture->path, sizeof fixture->path, "%s/it.db", fixture->directory);
    assert_int_equal(wb_store_sqlite(fixture->path, true, &fixture->store, NULL), WB_OK);
    *state = fixture;
    return 0;
}

void fixture_remove(const struct fixture *fixture, const char *suffix)
{
    char path[128];
    snprintf(path, sizeof path, "%s%s", fixture->path, suffix);
    unlink(path);
}

int fixture_teardown(void **state)
{
    struct fixture *fixture = *state;
    sqlite3_close(fixture->held);
    wb_store_unref(fixture->store);
    fixture_remove(fixture, "");
    fixture_remove(fixture, "-wal");
    fixture_remove(fixture, "-shm");
    fixture_remove(fixture, ".moved");
    int failed = rmdir(fixture->directory);
    free(fixture);
    return failed;
}

/* ---- looking at the database ---- */

sqlite3 *fixture_database(const struct fixture *fixture)
{
    sqlite3 *db = NULL;
    assert_int_equal(sqlite3_open(fixture->path, &db), SQLITE_OK);
    return db;
}

void fixture_hold(struct fixture *fixture)
{
    fixture->held = fixture_database(fixture);
}

sqlite3 *fixture_borrow(const struct fixture *fixture)
{
    return fixture->held != NULL ? fixture->held : fixture_database(fixture);
}

void fixture_give_back(const struct fixture *fixture, sqlite3 *db)
{
    if (db != fixture->held)
        sqlite3_close(db);
}

void database_run(sqlite3 *db, const char *sql)
{
    char *message = NULL;
    if (sqlite3_exec(db, sql, NULL, NULL, &message) != SQLITE_OK)
        fail_msg("%s: %s", sql, message);
}

void fixture_run(const struct fixture *fixture, const char *sql)
{
    sqlite3 *db = fixture_borrow(fixture);
    database_run(db, sql);
    fixture_give_back(fixture, db);
}

void check_query(const struct fixture *fixture, const char *sql, const char *expected)
{
    sqlite3 *db = fixture_borrow(fixture);
    sqlite3_stmt *statement = NULL;
    if (sqlite3_prepare_v2(db, sql, -1, &statement, NULL) != SQLITE_OK)
        fail_msg("%s: %s", sql, sqlite3_errmsg(db));
    assert_int_equal(sqlite3_step(statement), SQLITE_ROW);
    const char *found = (const char *)sqlite3_column_text(statement, 0);
    assert_string_equal(found == NULL ? "NULL" : found, expected);
    sqlite3_finalize(statement);
    fixture_give_back(fixture, db);
}

/* ---- the probe ---- */

static wb_value column_value(sqlite3_stmt *rows, int index, int type)
{
    if (sqlite3_column_type(rows, index) == SQLITE_NULL)
        return VALUE_NULL;
    if (type <= WB_TYPE_INT8)
        return (wb_value){.kind = type == WB_TYPE_BOOL ? WB_BOOL : WB_INT,
                          .i = sqlite3_column_int64(rows, index)};
    if (type <= WB_TYPE_FLOAT8)
        return VALUE_FLOAT(sqlite3_column_double(rows, index));
    int storage = type == WB_TYPE_BYTEA ? SQLITE_BLOB : SQLITE_TEXT;
    assert_int_equal(sqlite3_column_type(rows, index), storage);
    const char *text = sqlite3_column_blob(rows, index);
    return (wb_value){.kind = WB_TEXT,
                      .text = text == NULL ? "" : text,
                      .bytes = (uint32_t)sqlite3_column_bytes(rows, index)};
}

wb_batch *fixture_rows(void *context, const char *table, wb_schema *schema)
{
    sqlite3 *db = fixture_database(context);
    sqlite3_stmt *rows = NULL;
    char *sql = sqlite3_mprintf("SELECT * FROM \"%w\" ORDER BY rowid", table);
    assert_int_equal(sqlite3_prepare_v2(db, sql, -1, &rows, NULL), SQLITE_OK);
    wb_batch *batch = wb_batch_new(schema);
    wb_value values[16];
    int count = (int)wb_schema_count(schema);
    assert_in_range(count, 1, 16);
    while (sqlite3_step(rows) == SQLITE_ROW) {
        for (int i = 0; i < count; i++)
            values[i] = column_value(rows, i, wb_schema_column(schema, (size_t)i)->type);
        contract_add(batch, values, (size_t)count);
    }
    sqlite3_free(sql);
    sqlite3_finalize(rows);
    sqlite3_close(db);
    return batch;
}

void fixture_put(void *context, const uint8_t id[16], int64_t time_us)
{
    char key[36], time[40], sql[256];
    wb_uuid_format(id, key);
    wb_timestamp_format(time_us, time);
    fixture_run(
        context,
        "CREATE TABLE IF NOT EXISTS spaces (id uuid TEXT PRIMARY KEY, used_at timestamptz TEXT)");
    snprintf(sql, sizeof sql, "INSERT INTO spaces VALUES ('%.36s', '%s')", key, time);
    fixture_run(context, sql);
}

int64_t fixture_time_us(void *context, const uint8_t id[16])
{
    static const wb_column column = {.name = "used_at", .type = WB_TYPE_TIMESTAMPTZ};
    sqlite3 *db = fixture_database(context);
    sqlite3_stmt *rows = NULL;
    char key[36];
    wb_uuid_format(id, key);
    assert_int_equal(
        sqlite3_prepare_v2(db, "SELECT used_at FROM spaces WHERE id = ?", -1, &rows, NULL),
        SQLITE_OK);
    sqlite3_bind_text(rows, 1, key, sizeof key, SQLITE_STATIC);
    int64_t time_us = WB_NEVER;
    if (sqlite3_step(rows) == SQLITE_ROW) {
        wb_value value = column_value(rows, 0, WB_TYPE_TIMESTAMPTZ);
        uint8_t field[128];
        size_t bytes;
        assert_int_equal(wb_field_encode(&column, &value, field, &bytes, NULL), WB_OK);
        wb_field_value(&column, field, &value);
        time_us = value.i;
    }
    sqlite3_finalize(rows);
    sqlite3_close(db);
    return time_us;
}

/* ---- a writer ---- */

void writer_init(struct writer *writer, const struct fixture *fixture, bool create, unsigned from,
                 unsigned count)
{
    assert_int_equal(wb_store_sqlite(fixture->path, create, &writer->store, NULL), WB_OK);
    writer->schema = contract_notes();
    writer->target = (wb_target){.table = "notes", .schema = writer->schema};
    writer->session = contract_session(writer->store, &writer->target);
    writer->batch = contract_note_rows(writer->schema, from, count);
}

void writer_fini(struct writer *writer)
{
    wb_batch_free(writer->batch);
    writer->session->class->end(writer->session);
    wb_schema_unref(writer->schema);
    wb_store_unref(writer->store);
}
