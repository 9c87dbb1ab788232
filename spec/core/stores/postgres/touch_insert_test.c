/* SPDX-License-Identifier: MIT
 * A tracker that makes missing rows in PostgreSQL, and what the table refuses to any tracker: whoever else does meanwhile,
 * each id that can have a row has one in the end, and nobody waits for another. */
#include "support/postgres_support.h"

#include <pthread.h>
#include <stdatomic.h>

#include "support/touch_types.h"

#define T0 SOME_TIME_US

enum { MOST = 3000 };

typedef struct inserting {
    fixture *f;
    wb_target target;
    wb_log *log;
    wb_session *session;
    char table[160];
} inserting;

static bool again[MOST];

static void begin_as(fixture *f, inserting *i, const tracked *as)
{
    *i = (inserting){.f = f, .log = wb_log_new("test", true, false)};
    snprintf(i->table, sizeof i->table, "%s", in_space(f, "spaces"));
    i->target = tracked_target(as);
    i->target.table = i->table;
    i->target.log = i->log;
    i->session = f->store->class->session(f->store, &i->target);
}

static void begin(fixture *f, inserting *i, bool exact)
{
    begin_as(f, i, &(tracked){.key_type = WB_TYPE_INT8, .exact = exact, .insert = true});
}

/* It makes no rows. */
static void begin_moving(fixture *f, inserting *i, bool exact)
{
    begin_as(f, i, &(tracked){.key_type = WB_TYPE_INT8, .exact = exact});
}

static void end(inserting *i)
{
    i->session->class->end(i->session);
    wb_log_free(i->log);
}

/* The usual table, without rows. */
static void make_table(fixture *f)
{
    sql(f, "DROP TABLE IF EXISTS spaces; CREATE TABLE spaces (id int8 PRIMARY KEY, used_at "
           "timestamptz)");
}

/* In so many microseconds. */
static int try_ids_in(inserting *i, const int64_t *ids, size_t count, int64_t at_us,
                      int64_t time_us, wb_touched *touched, wb_err *err)
{
    static wb_mark marks[MOST];
    const wb_column column = {.name = "id", .type = WB_TYPE_INT8};
    for (size_t n = 0; n < count; n++) {
        wb_value id = int_value(ids[n]);
        marks[n] = (wb_mark){.time_us = at_us + (int64_t)n, .count = 1};
        assert_ok(wb_key_of(&column, &id, &marks[n].key, NULL));
    }
    wb_marks all = {.marks = marks,
                    .count = count,
                    .key_type = WB_TYPE_INT8,
                    .at_us = at_us,
                    .exact = i->target.exact,
                    .again = again};
    wb_deadline deadline = in_us(time_us);
    memset(again, 0, sizeof again);
    memset(err, 0, sizeof *err);
    *touched = (wb_touched){99, 99};
    return i->session->class->touch(i->session, &all, &deadline, touched, err);
}

static int try_ids(inserting *i, const int64_t *ids, size_t count, int64_t at_us,
                   wb_touched *touched, wb_err *err)
{
    return try_ids_in(i, ids, count, at_us, 30 * SECOND_US, touched, err);
}

static void touch_ids(inserting *i, const int64_t *ids, size_t count, int64_t at_us,
                      uint64_t updated, uint64_t unmatched)
{
    wb_err err;
    wb_touched touched;
    if (try_ids(i, ids, count, at_us, &touched, &err) != WB_OK)
        fail_msg("%s", err.text);
    assert_int_equal(touched.updated, updated);
    assert_int_equal(touched.unmatched, unmatched);
}

static void assert_again(size_t count, const char *expected)
{
    char text[256] = "";
    for (size_t n = 0; n < count; n++)
        if (again[n])
            snprintf(text + strlen(text), sizeof text - strlen(text), "%zu ", n + 1);
    assert_string_equal(text, expected);
}

/* "id:microseconds after T0", by id. */
static void assert_rows(fixture *f, const char *expected)
{
    assert_string_equal(sql(f,
                            "SELECT coalesce(string_agg(id || ':' || coalesce((1000000 * "
                            "extract(epoch FROM used_at) - %lld)::int8::text, '-'), ' ' ORDER BY "
                            "id), '') FROM spaces",
                            (long long)T0),
                        expected);
}

static void assert_told(inserting *i, const char *words)
{
    wb_event event;
    if (!wb_log_next(i->log, &event))
        fail_msg("%s", "nothing was told");
    assert_text_has(event.text, words);
    assert_int_equal(event.level, WB_WARN);
}

static void missing_rows_are_made(void **state)
{
    fixture *f = *state;
    static const int64_t ids[] = {1, 2, 3, 4};
    for (int exact = 0; exact < 2; exact++) {
        inserting i;
        begin(f, &i, exact != 0);
        sql(f, "DROP TABLE IF EXISTS spaces; CREATE TABLE spaces (id int8 PRIMARY KEY, used_at "
               "timestamptz, note text DEFAULT 'made'); INSERT INTO spaces VALUES (2, NULL)");
        touch_ids(&i, ids, 4, T0, 4, 0);
        assert_rows(f, exact ? "1:0 2:1 3:2 4:3" : "1:0 2:0 3:0 4:0");
        assert_string_equal(sql(f, "SELECT count(*) FROM spaces WHERE note = 'made'"), "4");
        touch_ids(&i, ids, 4, T0, 0, 0);
        touch_ids(&i, ids, 4, T0 + 10, 4, 0);
        end(&i);
    }
}

/* Somebody else is making the row, and does not say how it ends: the id comes again, nobody waits. Afterwards it moves
 * forward, or is made. */
static void row_that_is_being_made_comes_again(void **state)
{
    fixture *f = *state;
    static const int64_t ids[] = {1, 2, 3, 4, 5};
    for (int commits = 0; commits < 2; commits++) {
        inserting i;
        begin(f, &i, false);
        make_table(f);
        sql(f, "BEGIN; INSERT INTO spaces VALUES (3, '2000-01-01')");
        touch_ids(&i, ids, 5, T0, 4, 0);
        assert_again(5, "3 ");
        touch_ids(&i, ids, 5, T0, 0, 0);
        assert_again(5, "3 ");
        sql(f, commits ? "COMMIT" : "ROLLBACK");
        touch_ids(&i, ids, 5, T0, 1, 0);
        assert_again(5, "");
        assert_rows(f, "1:0 2:0 3:0 4:0 5:0");
        end(&i);
    }
}

/* A newer time of somebody else's stays, an older one moves: the row was there when the INSERT came. A trigger makes it in
 * between. */
static void row_that_was_made_meanwhile_moves(void **state)
{
    fixture *f = *state;
    static const int64_t ids[] = {1, 2};
    static const char *const theirs[] = {"2000-01-01", "2100-01-01"};
    for (size_t n = 0; n < 2; n++) {
        inserting i;
        begin(f, &i, false);
        make_table(f);
        sql(f,
            "CREATE OR REPLACE FUNCTION first() RETURNS trigger LANGUAGE plpgsql AS "
            "$$ BEGIN IF pg_trigger_depth() = 1 THEN INSERT INTO %s VALUES (1, '%s'); END IF;"
            " RETURN NULL; END $$; CREATE TRIGGER first BEFORE INSERT ON spaces FOR EACH STATEMENT"
            " EXECUTE FUNCTION first()",
            in_space(f, "spaces"), theirs[n]);
        touch_ids(&i, ids, 2, T0, n == 0 ? 2 : 1, 0);
        assert_again(2, "");
        assert_string_equal(sql(f, "SELECT string_agg((used_at = '2024-05-14T08:00:00Z')::text, "
                                   "' ' ORDER BY id) FROM spaces"),
                            n == 0 ? "true true" : "false true");
        end(&i);
    }
}

/* What the table says of a row is that row's alone, however it says it. */
static void refused_rows_stop_no_other(void **state)
{
    static const struct {
        const char *table, *words;
    } cases[] = {
        {"id int8 PRIMARY KEY REFERENCES parents, used_at timestamptz", "is not present in table"},
        {"id int8 PRIMARY KEY REFERENCES parents DEFERRABLE INITIALLY DEFERRED, used_at "
         "timestamptz",
         "is not present in table"},
        {"id int8 PRIMARY KEY CHECK (id % 10 <> 7), used_at timestamptz", "spaces_id_check"},
        {"id int8 PRIMARY KEY, used_at timestamptz, name text NOT NULL DEFAULT '');"
         "CREATE OR REPLACE FUNCTION nameless() RETURNS trigger LANGUAGE plpgsql AS "
         "$$ BEGIN NEW.name = NULL; RETURN NEW; END $$; CREATE TRIGGER nameless BEFORE INSERT ON "
         "spaces FOR EACH ROW WHEN (NEW.id % 10 = 7) EXECUTE FUNCTION nameless(",
         "null value in column \"name\""},
        {"id int8 PRIMARY KEY, used_at timestamptz, other int8 DEFAULT 5 UNIQUE",
         "spaces_other_key"},
        {"id int8 PRIMARY KEY, used_at timestamptz) PARTITION BY RANGE (id); CREATE TABLE part "
         "PARTITION OF spaces FOR VALUES FROM (0) TO (5",
         "no partition of relation"},
    };
    fixture *f = *state;
    static const int64_t ids[] = {1, 2, 3, 7, 8, 17};
    for (size_t c = 0; c < sizeof cases / sizeof *cases; c++) {
        inserting i;
        wb_err err;
        wb_touched touched;
        begin(f, &i, false);
        sql(f,
            "DROP TABLE IF EXISTS spaces, parents; CREATE TABLE parents (id int8 PRIMARY KEY);"
            "INSERT INTO parents VALUES (1), (2), (3), (8); CREATE TABLE spaces (%s);"
            "INSERT INTO spaces VALUES (1, NULL)",
            cases[c].table);
        if (try_ids(&i, ids, 6, T0, &touched, &err) != WB_OK)
            fail_msg("%s: %s", cases[c].table, err.text);
        assert_again(6, "");
        assert_int_equal(touched.updated + touched.unmatched, 6);
        assert_int_equal(touched.updated,
                         strtol(sql(f, "SELECT count(used_at) FROM spaces"), NULL, 10));
        assert_in_range(touched.unmatched, 2, 5);
        assert_told(&i, cases[c].words);
        end(&i);
    }
}

/* Many that are refused among many that are not. */
static void many_refused_rows(void **state)
{
    fixture *f = *state;
    static int64_t ids[MOST];
    inserting i;
    begin(f, &i, true);
    sql(f, "CREATE TABLE spaces (id int8 PRIMARY KEY CHECK (id %% 100 <> 7), used_at timestamptz)");
    for (size_t n = 0; n < MOST; n++)
        ids[n] = (int64_t)n;
    touch_ids(&i, ids, MOST, T0, MOST - MOST / 100, MOST / 100);
    assert_again(MOST, "");
    assert_string_equal(sql(f, "SELECT count(*) FROM spaces"), "2970");
    assert_string_equal(sql(f, "SELECT max(id) FROM spaces"), "2999");
    end(&i);
}

/* A parent that somebody has locked, so that the foreign key can't be looked up now. */
static void locked_parent_comes_again(void **state)
{
    fixture *f = *state;
    static const int64_t ids[] = {1, 2, 3};
    inserting i;
    begin(f, &i, false);
    sql(f, "CREATE TABLE parents (id int8 PRIMARY KEY); INSERT INTO parents VALUES (1), (2), (3);"
           "CREATE TABLE spaces (id int8 PRIMARY KEY REFERENCES parents, used_at timestamptz)");
    sql(f, "BEGIN; DELETE FROM parents WHERE id = 2");
    touch_ids(&i, ids, 3, T0, 2, 0);
    assert_again(3, "2 ");
    sql(f, "COMMIT");
    touch_ids(&i, ids, 3, T0, 0, 1);
    assert_told(&i, "is not present in table");
    end(&i);
}

/* A trigger that keeps a row out, or makes another one of it: its id is unmatched, and does not come again for ever. */
static void trigger_keeps_a_row_out(void **state)
{
    static const char *const does[] = {"RETURN NULL", "NEW.id = NEW.id + 100; RETURN NEW",
                                       "NEW.used_at = '2000-01-01'; RETURN NEW"};
    fixture *f = *state;
    static const int64_t ids[] = {1, 2};
    for (size_t n = 0; n < sizeof does / sizeof *does; n++) {
        inserting i;
        begin(f, &i, false);
        make_table(f);
        sql(f,
            "CREATE OR REPLACE FUNCTION odd() RETURNS trigger LANGUAGE plpgsql AS "
            "$$ BEGIN %s; END $$; CREATE TRIGGER odd BEFORE INSERT ON spaces FOR EACH ROW WHEN "
            "(NEW.id = 1) EXECUTE FUNCTION odd()",
            does[n]);
        touch_ids(&i, ids, 2, T0, n == 2 ? 2 : 1, n == 2 ? 0 : 1);
        assert_again(2, "");
        assert_rows(f, n == 0 ? "2:0" : n == 1 ? "2:0 101:0" : "1:0 2:0");
        end(&i);
    }
}

static void what_can_not_be_made_is_held(void **state)
{
    static const struct {
        const char *columns, *words;
    } cases[] = {
        {"id int8 PRIMARY KEY, used_at timestamptz, name text NOT NULL",
         "column \"name\" is NOT NULL without a default in the database, so the tracker can't "
         "insert rows"},
        {"id int8, used_at timestamptz", "column \"id\" has no unique index of its own, so the"},
        {"id int8, used_at timestamptz, t int, PRIMARY KEY (id, t)", "has no unique index"},
        {"id int8 GENERATED ALWAYS AS IDENTITY PRIMARY KEY, used_at timestamptz",
         "column \"id\" is always generated by the database"},
        {"id int8 PRIMARY KEY DEFERRABLE, used_at timestamptz", "deferrable"},
    };
    fixture *f = *state;
    static const int64_t ids[] = {1};
    inserting i;
    begin(f, &i, false);
    for (size_t c = 0; c < sizeof cases / sizeof *cases; c++) {
        wb_err err;
        wb_touched touched;
        sql(f, "DROP TABLE IF EXISTS spaces; CREATE TABLE spaces (%s)", cases[c].columns);
        int code = try_ids(&i, ids, 1, T0, &touched, &err);
        assert_failed(code, &err, WB_HOLD, cases[c].words);
    }
    sql(f, "DROP TABLE spaces; CREATE TABLE spaces (id int8 PRIMARY KEY, used_at timestamptz,"
           " a text NOT NULL DEFAULT '', b serial, c int GENERATED ALWAYS AS IDENTITY)");
    touch_ids(&i, ids, 1, T0, 1, 0);
    end(&i);
}

/* The table changes its types under an open connection, while it has no row: nothing is stored as it would have been. */
static void other_types_are_held(void **state)
{
    static const char *const changes[] = {"ALTER used_at TYPE timestamp", "ALTER used_at TYPE text",
                                          "ALTER id TYPE int4", "ADD x int NOT NULL"};
    fixture *f = *state;
    static const int64_t ids[] = {1, 2}, other[] = {3};
    for (size_t n = 0; n < sizeof changes / sizeof *changes; n++) {
        inserting i;
        wb_err err;
        wb_touched touched;
        begin(f, &i, false);
        make_table(f);
        touch_ids(&i, ids, 2, T0, 2, 0);
        sql(f, "TRUNCATE spaces; ALTER TABLE spaces %s", changes[n]);
        int code = try_ids(&i, other, 1, T0, &touched, &err);
        assert_failed(code, &err, WB_HOLD, n < 3 ? "in the tracker" : "column \"x\" is NOT NULL");
        assert_string_equal(sql(f, "SELECT count(*) FROM spaces"), "0");
        end(&i);
    }
}

/* The store of a new role that has these rights on the table. */
static wb_store *role_begin(fixture *f, const char *rights)
{
    char conninfo[512];
    wb_store *store = NULL;
    sql(f,
        "CREATE ROLE %s_role LOGIN; GRANT USAGE ON SCHEMA %s TO %s_role;"
        "GRANT %s ON spaces TO %s_role",
        f->space, f->space, f->space, rights, f->space);
    snprintf(conninfo, sizeof conninfo, "host=%s port=%s dbname=%s user=%s_role", PQhost(f->admin),
             PQport(f->admin), PQdb(f->admin), f->space);
    assert_ok(wb_store_postgres(conninfo, &store, NULL));
    return store;
}

static void role_end(fixture *f)
{
    sql(f, "DROP OWNED BY %s_role; DROP ROLE %s_role", f->space, f->space);
}

/* SELECT and INSERT on two columns and UPDATE on one are enough; without INSERT the marks are held. */
static void with_rights(void **state)
{
    static const struct {
        const char *grant;
        bool enough;
    } cases[] = {
        {"SELECT (id, used_at), INSERT (id, used_at), UPDATE (used_at)", true},
        {"SELECT, UPDATE", false},
    };
    fixture *f = *state;
    static const int64_t ids[] = {1, 2};
    for (size_t c = 0; c < sizeof cases / sizeof *cases; c++) {
        inserting i;
        wb_err err;
        wb_touched touched;
        sql(f, "DROP TABLE IF EXISTS spaces; CREATE TABLE spaces (id int8 PRIMARY KEY, used_at "
               "timestamptz, note text); INSERT INTO spaces VALUES (1)");
        wb_store *own = role_begin(f, cases[c].grant), *admins = f->store;
        f->store = own;
        begin(f, &i, false);
        f->store = admins;
        int code = try_ids(&i, ids, 2, T0, &touched, &err);
        if (cases[c].enough)
            assert_ok(code);
        else
            assert_failed(code, &err, WB_HOLD, "permission denied for table spaces");
        assert_rows(f, cases[c].enough ? "1:0 2:0" : "1:0");
        end(&i);
        wb_store_unref(own);
        role_end(f);
    }
}

/* A policy that hides a row, or refuses one. */
static void with_policies(void **state)
{
    fixture *f = *state;
    static const int64_t ids[] = {1, 2, 3, 4};
    inserting i;
    sql(f, "CREATE TABLE spaces (id int8 PRIMARY KEY, used_at timestamptz); INSERT INTO spaces "
           "VALUES (1), (2); ALTER TABLE spaces ENABLE ROW LEVEL SECURITY;"
           "CREATE POLICY p ON spaces USING (id <> 1) WITH CHECK (id <> 3)");
    wb_store *own = role_begin(f, "ALL"), *admins = f->store;
    f->store = own;
    begin(f, &i, false);
    f->store = admins;
    touch_ids(&i, ids, 4, T0, 2, 2);
    assert_rows(f, "1:- 2:0 4:0");
    assert_told(&i, "violates row-level security policy");
    end(&i);
    wb_store_unref(own);
    role_end(f);
}

/* Ids that the server takes for one are one row, with the newest time. */
static void ids_that_the_server_takes_for_one(void **state)
{
    fixture *f = *state;
    static const char *const ids[] = {"A", "a", "b"};
    wb_target target =
        tracked_target(&(tracked){.key_type = WB_TYPE_TEXT, .exact = true, .insert = true});
    char table[160];
    wb_mark marks[3];
    wb_touched touched;
    wb_err err;
    snprintf(table, sizeof table, "%s", in_space(f, "spaces"));
    target.table = table;
    sql(f, "CREATE COLLATION any_case (provider = icu, locale = 'und-u-ks-level2',"
           " deterministic = false);"
           "CREATE TABLE spaces (id text COLLATE any_case PRIMARY KEY, used_at timestamptz)");
    for (int n = 0; n < 3; n++)
        marks[n] = (wb_mark){.key.text = {.bytes = 1, .at = ids[n]}, .time_us = T0 + n, .count = 1};
    wb_marks all = {.marks = marks,
                    .count = 3,
                    .key_type = WB_TYPE_TEXT,
                    .at_us = T0,
                    .exact = true,
                    .again = again};
    wb_deadline deadline = in_us(30 * SECOND_US);
    memset(again, 0, sizeof again);
    wb_session *session = f->store->class->session(f->store, &target);
    if (session->class->touch(session, &all, &deadline, &touched, &err) != WB_OK)
        fail_msg("%s", err.text);
    assert_again(3, "");
    assert_rows(f, "A:1 b:2");
    session->class->end(session);
}

/* A database whose encoding lacks a character: the id that has it has no row, and stops no other. */
static void character_that_the_database_lacks(void **state)
{
    fixture *f = *state;
    static const char *const ids[] = {"\xc3\xbc", "\xe2\x98\x83", "a", "b"};
    char conninfo[512];
    wb_store *store = NULL;
    sql(f, "CREATE DATABASE %s ENCODING 'LATIN1' TEMPLATE template0 LC_COLLATE 'C' LC_CTYPE 'C'",
        f->space);
    snprintf(conninfo, sizeof conninfo, "host=%s port=%s user=%s dbname=%s", PQhost(f->admin),
             PQport(f->admin), PQuser(f->admin), f->space);
    assert_ok(wb_store_postgres(conninfo, &store, NULL));
    assert_ok(wb_store_execute(store,
                               "CREATE TABLE spaces (id text PRIMARY KEY, used_at "
                               "timestamptz); INSERT INTO spaces VALUES ('a')",
                               wb_now_us() + 30 * SECOND_US, NULL));
    for (int insert = 0; insert < 2; insert++) {
        wb_mark marks[4];
        wb_touched touched;
        wb_err err;
        wb_target target =
            tracked_target(&(tracked){.key_type = WB_TYPE_TEXT, .insert = insert != 0});
        for (int n = 0; n < 4; n++)
            marks[n] = (wb_mark){.key.text = {.bytes = (uint32_t)strlen(ids[n]), .at = ids[n]},
                                 .count = 1};
        wb_marks all = {.marks = marks,
                        .count = 4,
                        .key_type = WB_TYPE_TEXT,
                        .at_us = T0 + insert,
                        .again = again};
        wb_deadline deadline = in_us(30 * SECOND_US);
        wb_session *session = store->class->session(store, &target);
        memset(again, 0, sizeof again);
        if (session->class->touch(session, &all, &deadline, &touched, &err) != WB_OK)
            fail_msg("%s", err.text);
        assert_int_equal(touched.updated, insert ? 3 : 1);
        assert_int_equal(touched.unmatched, insert ? 1 : 3);
        session->class->end(session);
    }
    wb_store_unref(store);
    sql(f, "DROP DATABASE %s", f->space);
}

/* ---- rows that may not be moved ---- */

/* The table's refusal to move a row is that row's alone, whoever says it. */
static void rows_that_may_not_move_stop_no_other(void **state)
{
    static const struct {
        const char *sql, *words;
    } cases[] = {
        {"CREATE OR REPLACE FUNCTION no() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RAISE "
         "'not this one'; END $$; CREATE TRIGGER no BEFORE UPDATE ON spaces FOR EACH ROW WHEN "
         "(OLD.id IN (2, 5))"
         " EXECUTE FUNCTION no()",
         "not this one"},
        {"ALTER TABLE spaces ADD CHECK (id NOT IN (2, 5)) NOT VALID", "spaces_id_check"},
        {"ALTER TABLE spaces DROP CONSTRAINT spaces_pkey;"
         "ALTER TABLE spaces ADD CHECK (id NOT IN (2, 5)) NOT VALID",
         "spaces_id_check"},
    };
    fixture *f = *state;
    static const int64_t ids[] = {1, 2, 3, 4, 5, 6, 7};
    for (size_t c = 0; c < 2 * sizeof cases / sizeof *cases; c++) {
        inserting i;
        begin_moving(f, &i, c % 2 != 0);
        make_table(f);
        sql(f, "INSERT INTO spaces SELECT generate_series(1, 6); %s", cases[c / 2].sql);
        sql(f, "BEGIN; SELECT FROM spaces WHERE id = 4 FOR UPDATE");
        touch_ids(&i, ids, 7, T0, 3, 3);
        assert_again(7, "4 ");
        sql(f, "COMMIT");
        assert_rows(f, c % 2 ? "1:0 2:- 3:2 4:- 5:- 6:5" : "1:0 2:- 3:0 4:- 5:- 6:0");
        assert_told(&i, cases[c / 2].words);
        end(&i);
    }
}

/* A table that refuses each id is broken, and none of them is to blame: all come again. A few alone may be bad. */
static void no_row_may_move(void **state)
{
    fixture *f = *state;
    static int64_t ids[MOST];
    inserting i;
    wb_touched touched;
    wb_err err;
    begin_moving(f, &i, false);
    sql(f,
        "CREATE TABLE spaces (id int8 PRIMARY KEY, used_at timestamptz);"
        "INSERT INTO spaces SELECT generate_series(0, %d);"
        "ALTER TABLE spaces ADD CHECK (id < 0) NOT VALID",
        MOST);
    for (size_t n = 0; n < MOST; n++)
        ids[n] = (int64_t)n;
    int code = try_ids_in(&i, ids, MOST, T0, 10 * SECOND_US, &touched, &err);
    assert_failed(code, &err, WB_HOLD, "violates check constraint");
    touch_ids(&i, ids, 3, T0, 0, 3);
    sql(f, "ALTER TABLE spaces DROP CONSTRAINT spaces_id_check");
    touch_ids(&i, ids, MOST, T0, MOST, 0);
    end(&i);
}

/* A policy that lets a role see a row, but not move it. It is told from a row that somebody has locked. */
static void row_that_may_be_seen_alone(void **state)
{
    static const char *const locks[] = {"SELECT FROM spaces WHERE id = 3 FOR UPDATE",
                                        "UPDATE spaces SET note = 'busy' WHERE id = 3"};
    fixture *f = *state;
    static const int64_t ids[] = {1, 2, 3, 4};
    for (size_t c = 0; c < 4; c++) {
        inserting i;
        sql(f, "DROP TABLE IF EXISTS spaces; CREATE TABLE spaces (id int8 PRIMARY KEY, used_at "
               "timestamptz, note text); INSERT INTO spaces SELECT generate_series(1, 3);"
               "ALTER TABLE spaces ENABLE ROW LEVEL SECURITY;"
               "CREATE POLICY see ON spaces FOR SELECT USING (true);"
               "CREATE POLICY move ON spaces FOR UPDATE USING (id <> 1)");
        if (c >= 2)
            sql(f, "ALTER TABLE spaces DROP CONSTRAINT spaces_pkey");
        wb_store *own = role_begin(f, "SELECT, UPDATE");
        wb_store *admins = f->store;
        f->store = own;
        begin_moving(f, &i, c % 2 != 0);
        f->store = admins;
        sql(f, "BEGIN; %s", locks[c % 2]);
        touch_ids(&i, ids, 4, T0, 1, c % 2 ? 2 : 1);
        assert_again(4, c % 2 ? "3 " : "1 3 ");
        sql(f, "COMMIT");
        touch_ids(&i, ids, 4, T0, 1, 2);
        assert_again(4, "");
        assert_told(&i, "row-level security");
        end(&i);
        wb_store_unref(own);
        role_end(f);
    }
}

/* ---- two writers ---- */

enum { ROUNDS = 30, IDS = 400 };

typedef struct racer {
    inserting inserting;
    int number;
    atomic_int failed;
} racer;

/* Until none is to come again. */
static int touch_to_end(inserting *own, const wb_mark *marks, int64_t at_us)
{
    bool left[IDS];
    wb_marks all = {
        .marks = marks, .count = IDS, .key_type = WB_TYPE_INT8, .at_us = at_us, .again = left};
    for (;;) {
        wb_deadline deadline = in_us(60 * SECOND_US);
        wb_touched touched;
        wb_err err = {.code = WB_OK};
        memset(left, 0, sizeof left);
        int code = own->session->class->touch(own->session, &all, &deadline, &touched, &err);
        if (code != WB_OK || memchr(left, true, sizeof left) == NULL)
            return code != WB_OK || touched.unmatched > 0 ? WB_STORE : WB_OK;
    }
}

static void *race(void *context)
{
    racer *own = context;
    wb_mark marks[IDS];
    const wb_column column = {.name = "id", .type = WB_TYPE_INT8};
    for (int round = 0; round < ROUNDS; round++) {
        for (int n = 0; n < IDS; n++) {
            wb_value id = int_value(round * (IDS / 2) + n);
            marks[n] = (wb_mark){.count = 1};
            wb_key_of(&column, &id, &marks[n].key, NULL);
        }
        if (touch_to_end(&own->inserting, marks, T0 + 2 * round + own->number) != WB_OK)
            atomic_store(&own->failed, 1);
    }
    return NULL;
}

/* Both make the same rows and move each other's: all are there in the end, each at its latest time. */
static void writers_of_the_same_ids(void **state)
{
    fixture *f = *state;
    racer racers[2] = {{.number = 0}, {.number = 1}};
    pthread_t threads[2];
    make_table(f);
    for (int n = 0; n < 2; n++)
        begin(f, &racers[n].inserting, false);
    for (int n = 0; n < 2; n++)
        assert_int_equal(pthread_create(&threads[n], NULL, race, &racers[n]), 0);
    for (int n = 0; n < 2; n++) {
        pthread_join(threads[n], NULL);
        assert_int_equal(racers[n].failed, 0);
        end(&racers[n].inserting);
    }
    assert_string_equal(sql(f, "SELECT count(*) FROM spaces"), "6200");
    assert_string_equal(sql(f,
                            "SELECT count(*) FROM spaces WHERE (1000000 * extract(epoch FROM "
                            "used_at) - %lld)::int8 <> 2 * least(id / 200, %d) + 1",
                            (long long)T0, ROUNDS - 1),
                        "0");
}

int main(void)
{
#define T(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        T(missing_rows_are_made),
        T(row_that_is_being_made_comes_again),
        T(row_that_was_made_meanwhile_moves),
        T(refused_rows_stop_no_other),
        T(many_refused_rows),
        T(locked_parent_comes_again),
        T(trigger_keeps_a_row_out),
        T(what_can_not_be_made_is_held),
        T(other_types_are_held),
        T(with_rights),
        T(with_policies),
        T(ids_that_the_server_takes_for_one),
        T(character_that_the_database_lacks),
        T(rows_that_may_not_move_stop_no_other),
        T(no_row_may_move),
        T(row_that_may_be_seen_alone),
        T(writers_of_the_same_ids),
    };
    return cmocka_run_group_tests_name("postgres_touch_insert", tests, NULL, NULL);
}
