/* SPDX-License-Identifier: MIT
 * A tracker's ids in an SQLite table, in the transaction there is, with one prepared UPDATE for each id, in ascending
 * order; and an INSERT, where it makes rows, of each that has none. A row that the table refuses to move or to make stops no
 * other: its id is unmatched, and the log says why.
 * Times are compared as text, in the column's form: RFC 3339 with a fixed number of digits and Z sorts by time, and so
 * do a date and a time without a zone, whose fraction ends without zeros. A time in another form, from another program, is
 * compared as text too. An int8 is compared as a number.
 * Invariant: between two ids the statements are reset and have no bindings.
 * Locks: none. Fails as connection.c says. */
#include "rows/types.h"
#include "stores/sqlite/sqlite.h"

enum { KEY = 1, TIME = 2, BOUND = 3 };

/* $t, $k and $c are the target's table, key and column, $y and $z are the types that these two are declared with. */
static const char ddl[] = "CREATE TABLE $t ($k $y PRIMARY KEY NOT NULL, $c $z)";
/* Both whatever the table says of conflicts: a row that is refused leaves all others as they are. */
static const char update[] =
    "UPDATE OR ABORT $t SET $c = ?2 WHERE $k = ?1 AND ($c IS NULL OR $c < ?3)";
static const char insert[] = "INSERT OR ABORT INTO $t ($k, $c) VALUES (?1, ?2)";
static const char find[] = "SELECT 1 FROM $t WHERE $k = ?1 LIMIT 1";

/* ---- statements ---- */

static wb_buffer statement_put(const char *form, const wb_target *target)
{
    wb_buffer sql = WB_BUFFER_EMPTY;
    for (; *form != '\0'; form++) {
        if (*form != '$')
            wb_buffer_put_char(&sql, *form);
        else if (*++form == 't')
            wb_put_table(&sql, target->table);
        else if (*form == 'y' || *form == 'z')
            wb_buffer_put_text(
                &sql, wb_type_sqlite(*form == 'y' ? target->key_type : target->column_type));
        else
            wb_put_name(&sql, *form == 'k' ? target->key : target->column);
    }
    return sql;
}

char *wb_sqlite_touch_ddl(const wb_target *target)
{
    wb_buffer sql = statement_put(ddl, target);
    return wb_buffer_take(&sql, NULL);
}

static int prepare(const wb_sqlite_touch *touch, const char *form, sqlite3_stmt **out, wb_err *err)
{
    wb_buffer sql = statement_put(form, touch->target);
    return wb_sqlite_prepare_buffer(touch->connection, &sql, out, err);
}

int wb_sqlite_touch_prepare(wb_sqlite_touch *touch, wb_sqlite_connection *connection,
                            const wb_target *target, const wb_sqlite_table *table, wb_err *err)
{
    int code = wb_sqlite_column_check(table, target->key, target->key_type, err);
    if (code == WB_OK)
        code = wb_sqlite_column_check(table, target->column, target->column_type, err);
    if (code == WB_OK && target->insert)
        code = wb_sqlite_pair_check(table, target->key, target->column, err);
    if (code != WB_OK)
        return code;
    touch->connection = connection;
    touch->target = target;
    touch->as_bytes = wb_sqlite_takes_bytes(wb_sqlite_column_find(table, target->key));
    int form = wb_sqlite_form(wb_sqlite_column_find(table, target->column), target->column_type);
    touch->text_type = form == WB_SQLITE_WALL ? WB_TYPE_TIMESTAMP : target->column_type;
    code = prepare(touch, update, &touch->update, err);
    if (code == WB_OK && target->insert)
        code = prepare(touch, insert, &touch->insert, err);
    return code == WB_OK ? prepare(touch, find, &touch->find, err) : code;
}

void wb_sqlite_touch_fini(wb_sqlite_touch *touch)
{
    sqlite3_finalize(touch->update);
    sqlite3_finalize(touch->find);
    sqlite3_finalize(touch->insert);
    *touch = (wb_sqlite_touch){0};
}

/* ---- touching ---- */

/* Binds the key of a mark, which outlives the binding, as `text` does. */
static void bind_key(const wb_sqlite_touch *touch, sqlite3_stmt *statement, const wb_mark *mark,
                     char text[WB_SQLITE_SHORT_TEXT])
{
    wb_value key;
    int type = touch->target->key_type;
    if (type == WB_TYPE_UUID) {
        wb_sqlite_bind_uuid(statement, KEY, mark->key.id, touch->as_bytes, text);
        return;
    }
    wb_key_value(type, &mark->key, &key);
    if (type == WB_TYPE_TEXT)
        sqlite3_bind_text64(statement, KEY, key.text, key.bytes, SQLITE_STATIC, SQLITE_UTF8);
    else
        sqlite3_bind_int64(statement, KEY, key.i);
}

/* Binds a value of the column of times; `text` outlives the binding. */
static void bind_time(const wb_sqlite_touch *touch, sqlite3_stmt *statement, int at, int64_t value,
                      char text[WB_SQLITE_SHORT_TEXT])
{
    if (touch->text_type == WB_TYPE_INT8) {
        sqlite3_bind_int64(statement, at, value);
        return;
    }
    size_t bytes = wb_type_text(touch->text_type, &(wb_value){.kind = WB_INT, .i = value}, text);
    sqlite3_bind_text64(statement, at, text, bytes, SQLITE_STATIC, SQLITE_UTF8);
}

/* What came of a call so far. */
typedef struct touching {
    wb_touched touched;
    uint64_t refused;
    wb_err why; /* the last refusal, or the failure */
} touching;

/* Runs a statement that changes a row. *changed: it did. A row that the table refuses is counted; but an error that ended
 * the transaction is one. */
static int change(const wb_sqlite_touch *touch, sqlite3_stmt *statement, touching *t, bool *changed)
{
    sqlite3 *db = touch->connection->db;
    int code = wb_sqlite_run(touch->connection, statement, NULL, &t->why);
    sqlite3_clear_bindings(statement);
    *changed = code == WB_OK;
    if (code == WB_OK || t->why.error_class != WB_REJECT || sqlite3_get_autocommit(db) != 0)
        return code;
    t->refused++;
    t->touched.unmatched++;
    return WB_OK;
}

static int mark_update(wb_sqlite_touch *touch, const wb_marks *marks, size_t index, touching *t,
                       bool *updated)
{
    char id[WB_SQLITE_SHORT_TEXT], time[WB_SQLITE_SHORT_TEXT], bound[WB_SQLITE_SHORT_TEXT];
    int64_t unit_us = touch->target->unit_us;
    bind_key(touch, touch->update, &marks->marks[index], id);
    bind_time(touch, touch->update, TIME, wb_marks_value(marks, index, unit_us), time);
    bind_time(touch, touch->update, BOUND,
              wb_marks_bound(marks, index, touch->target->min_advance_us, unit_us), bound);
    int code = change(touch, touch->update, t, updated);
    *updated = *updated && sqlite3_changes(touch->connection->db) > 0;
    return code;
}

static int row_find(wb_sqlite_touch *touch, const wb_mark *mark, bool *found, wb_err *err)
{
    char id[WB_SQLITE_SHORT_TEXT];
    bind_key(touch, touch->find, mark, id);
    int code = wb_sqlite_run(touch->connection, touch->find, found, err);
    sqlite3_clear_bindings(touch->find);
    return code;
}

static int row_make(wb_sqlite_touch *touch, const wb_marks *marks, size_t index, touching *t,
                    bool *made)
{
    char id[WB_SQLITE_SHORT_TEXT], time[WB_SQLITE_SHORT_TEXT];
    bind_key(touch, touch->insert, &marks->marks[index], id);
    bind_time(touch, touch->insert, TIME, wb_marks_value(marks, index, touch->target->unit_us),
              time);
    return change(touch, touch->insert, t, made);
}

static int mark_touch(wb_sqlite_touch *touch, const wb_marks *marks, size_t index, touching *t)
{
    uint64_t refused = t->refused;
    bool found = true, done = false;
    int code = mark_update(touch, marks, index, t, &done);
    if (code == WB_OK && !done && t->refused == refused)
        code = row_find(touch, &marks->marks[index], &found, &t->why);
    if (code == WB_OK && !found && touch->insert != NULL)
        code = row_make(touch, marks, index, t, &done);
    else if (code == WB_OK && !found)
        t->touched.unmatched++;
    t->touched.updated += done;
    return code;
}

int wb_sqlite_touch_marks(wb_sqlite_touch *touch, const wb_marks *marks, wb_touched *out,
                          wb_err *err)
{
    touching t = {.why = {.code = WB_OK}};
    int code = WB_OK;
    for (size_t i = 0; code == WB_OK && i < marks->count; i++)
        code = mark_touch(touch, marks, i, &t);
    if (code != WB_OK && err != NULL)
        *err = t.why;
    if (code == WB_OK)
        code = wb_touch_refused(touch->target, t.touched.updated, t.refused, &t.why, err);
    *out = t.touched;
    return code;
}
