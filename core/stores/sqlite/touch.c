/* SPDX-License-Identifier: MIT
 * A tracker's ids in an SQLite table: one transaction, one prepared UPDATE for each id, ascending. Times are
 * compared as text: of RFC 3339 with a fixed number of digits and Z, the later is the greater. What some
 * other program wrote in another form is compared as text too.
 * Fails as connection.c says; the counts are filled only after the commit. */
#include <string.h>

#include "stores/sqlite/sqlite.h"

enum { KEY = 1, TIME = 2, BOUND = 3 };

static int marks_in_transaction(wb_sqlite_touch *touch, wb_sqlite_connection *connection,
                                const wb_target *target, const wb_marks *marks, wb_touched *out,
                                wb_err *err);

static int update_prepare(wb_sqlite_touch *touch, wb_sqlite_connection *connection,
                          const wb_target *target, wb_err *err)
{
    wb_buffer sql = WB_BUFFER_EMPTY;
    wb_buffer_put_text(&sql, "UPDATE ");
    wb_put_table(&sql, target->table);
    wb_buffer_put_text(&sql, " SET ");
    wb_put_name(&sql, target->column);
    wb_buffer_put_text(&sql, " = ?2 WHERE ");
    wb_put_name(&sql, target->key);
    wb_buffer_put_text(&sql, " = ?1 AND (");
    wb_put_name(&sql, target->column);
    wb_buffer_put_text(&sql, " IS NULL OR ");
    wb_put_name(&sql, target->column);
    wb_buffer_put_text(&sql, " < ?3)");
    return wb_sqlite_prepare_buffer(connection, &sql, &touch->update, err);
}

static int find_prepare(wb_sqlite_touch *touch, wb_sqlite_connection *connection,
                        const wb_target *target, wb_err *err)
{
    wb_buffer sql = WB_BUFFER_EMPTY;
    wb_buffer_put_text(&sql, "SELECT 1 FROM ");
    wb_put_table(&sql, target->table);
    wb_buffer_put_text(&sql, " WHERE ");
    wb_put_name(&sql, target->key);
    wb_buffer_put_text(&sql, " = ?1 LIMIT 1");
    return wb_sqlite_prepare_buffer(connection, &sql, &touch->find, err);
}

int wb_sqlite_touch_prepare(wb_sqlite_touch *touch, wb_sqlite_connection *connection,
                            const wb_target *target, const wb_sqlite_table *table, wb_err *err)
{
    int code = wb_sqlite_column_check(connection, table, target->key, WB_TYPE_UUID, err);
    if (code == WB_OK)
        code = wb_sqlite_column_check(connection, table, target->column, WB_TYPE_TIMESTAMPTZ, err);
    if (code != WB_OK)
        return code;
    touch->as_bytes = wb_sqlite_takes_bytes(wb_sqlite_column_find(table, target->key));
    code = update_prepare(touch, connection, target, err);
    return code == WB_OK ? find_prepare(touch, connection, target, err) : code;
}

void wb_sqlite_touch_fini(wb_sqlite_touch *touch)
{
    sqlite3_finalize(touch->update);
    sqlite3_finalize(touch->find);
    *touch = (wb_sqlite_touch){0};
}

int wb_sqlite_touch_marks(wb_sqlite_touch *touch, wb_sqlite_connection *connection,
                          const wb_target *target, const wb_marks *marks, wb_touched *out,
                          wb_err *err)
{
    wb_touched touched = {0, 0};
    int code = wb_sqlite_begin(connection, err);
    if (code != WB_OK)
        return code;
    code = marks_in_transaction(touch, connection, target, marks, &touched, err);
    code = wb_sqlite_end(connection, code, err);
    if (code == WB_OK)
        *out = touched;
    return code;
}

/* `text` has to last as long as the binding. */
static void key_bind(const wb_sqlite_touch *touch, sqlite3_stmt *statement, const uint8_t id[16],
                     char text[36])
{
    if (touch->as_bytes) {
        sqlite3_bind_blob(statement, KEY, id, 16, SQLITE_STATIC);
    } else {
        wb_uuid_format(id, text);
        sqlite3_bind_text(statement, KEY, text, 36, SQLITE_STATIC);
    }
}

static void time_bind(sqlite3_stmt *statement, int at, int64_t unix_us, char text[40])
{
    wb_timestamp_format(unix_us, text);
    sqlite3_bind_text(statement, at, text, -1, SQLITE_STATIC);
}

static int mark_update(wb_sqlite_touch *touch, wb_sqlite_connection *connection,
                       const wb_target *target, const wb_marks *marks, size_t index, wb_err *err)
{
    char id[36], time[40], bound[40];
    int64_t time_us = marks->exact ? marks->marks[index].time_us : marks->at_us;
    key_bind(touch, touch->update, marks->marks[index].id, id);
    time_bind(touch->update, TIME, time_us, time);
    time_bind(touch->update, BOUND, wb_marks_bound_us(marks, index, target->min_advance_us), bound);
    int code = wb_sqlite_run(connection, touch->update, err);
    sqlite3_clear_bindings(touch->update);
    return code;
}

static int row_find(wb_sqlite_touch *touch, wb_sqlite_connection *connection, const uint8_t id[16],
                    bool *found, wb_err *err)
{
    char text[36];
    key_bind(touch, touch->find, id, text);
    int status = sqlite3_step(touch->find);
    bool answered = status == SQLITE_ROW || status == SQLITE_DONE;
    int code = answered ? WB_OK : wb_sqlite_fail(connection, status, err);
    sqlite3_reset(touch->find);
    sqlite3_clear_bindings(touch->find);
    *found = status == SQLITE_ROW;
    return code;
}

static int marks_in_transaction(wb_sqlite_touch *touch, wb_sqlite_connection *connection,
                                const wb_target *target, const wb_marks *marks, wb_touched *out,
                                wb_err *err)
{
    for (size_t i = 0; i < marks->count; i++) {
        int code = mark_update(touch, connection, target, marks, i, err);
        bool found = true;
        if (code == WB_OK && sqlite3_changes(connection->db) > 0)
            out->updated++;
        else if (code == WB_OK)
            code = row_find(touch, connection, marks->marks[i].id, &found, err);
        if (code != WB_OK)
            return code;
        out->unmatched += found ? 0 : 1;
    }
    return WB_OK;
}
