/* SPDX-License-Identifier: MIT
 * By what an upsert to PostgreSQL knows a row: the unique index that it needs, keys that the server takes for one though
 * their bytes are not, and writers who want the same keys. */
#include "upsert_support.h"

#include <pthread.h>

static const wb_column columns[] = {
    {.name = "a", .type = WB_TYPE_TEXT},
    {.name = "b", .type = WB_TYPE_INT8},
    {.name = "c", .type = WB_TYPE_INT8, .null = true},
};
static const int32_t a_and_b[] = {1, 0};
static const int32_t set_last[] = {WB_MERGE_KEEP, WB_MERGE_KEEP, WB_MERGE_SET};
static const int32_t set_last_two[] = {WB_MERGE_KEEP, WB_MERGE_SET, WB_MERGE_SET};
static const wb_upsert by_both = {a_and_b, 2, -1, set_last, NULL, false};
static const wb_upsert by_a = {first_column, 1, -1, set_last_two, NULL, false};

#define ROW(a, b, c) text_of(a), integer(b), integer(c)

/* ---- the index ---- */

static const struct {
    const char *index, *words; /* NULL: it does */
} cases[] = {
    {"ALTER TABLE t ADD PRIMARY KEY (a, b)", NULL},
    {"CREATE UNIQUE INDEX i ON t (b, a) INCLUDE (c)", NULL},
    {"CREATE UNIQUE INDEX i ON t (b DESC, a COLLATE \"C\")", NULL},
    {"ALTER TABLE t ALTER b DROP NOT NULL, ADD UNIQUE (a, b)", NULL},
    {"CREATE UNIQUE INDEX i ON t (a, b) WHERE c > 0; CREATE UNIQUE INDEX j ON t (a, b)", NULL},
    {"CREATE UNIQUE INDEX i ON t (a); CREATE UNIQUE INDEX j ON t (a, b)", NULL},
    {"CREATE INDEX i ON t (a, b)",
     "an upsert needs a unique index of exactly (b, a), which there is not: make it"},
    {"CREATE UNIQUE INDEX i ON t (a); CREATE UNIQUE INDEX j ON t (a, lower(a), c)",
     "which there is not: make it; the unique ones are: \"i\" (a), \"j\" (a, lower(a), c)"},
    {"CREATE UNIQUE INDEX i ON t (a, b, c)", "the unique ones are: \"i\" (a, b, c)"},
    {"CREATE UNIQUE INDEX i ON t (a, b) WHERE c > 0",
     "unique index \"i\" is of some rows alone, and an upsert can't go by it: make one without its "
     "WHERE c > 0"},
    {"ALTER TABLE t ADD CONSTRAINT i UNIQUE (a, b) DEFERRABLE",
     "unique constraint \"i\" is DEFERRABLE, and no upsert can go by such a one: make it NOT "
     "DEFERRABLE"},
    {"ALTER TABLE t ADD CONSTRAINT i UNIQUE (a, b) DEFERRABLE; CREATE UNIQUE INDEX j ON t (a, b)",
     "unique constraint \"i\" is DEFERRABLE"},
    {"CREATE UNIQUE INDEX i ON t (lower(a), b)",
     "unique index \"i\" is of an expression, and an upsert can't go by it: make one of the "
     "columns, not of (lower(a), b)"},
    {"CREATE UNIQUE INDEX i ON t (a, b); UPDATE pg_index SET indisvalid = false "
     "WHERE indexrelid = 'i'::regclass",
     "unique index \"i\" is not valid, and an upsert can't go by it: it is being built, or has to "
     "be dropped and made again"},
    {"ALTER TABLE t ADD EXCLUDE USING btree (a WITH =, b WITH =)", "which there is not: make it"},
};

static void the_index_that_it_needs(void **state)
{
    fixture *f = *state;
    wb_schema *schema = schema_of(columns, 3);
    const wb_value values[] = {ROW("x", 1, 1)}, more[] = {ROW("x", 1, 2)};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        sql(f, "CREATE TABLE t (a text NOT NULL, b int8 NOT NULL, c int8); %s", cases[i].index);
        wb_session *session = upserter(f, "t", schema, &by_both);
        if (cases[i].words != NULL) {
            not_upserted(session, schema, values, 1, WB_HOLD, cases[i].words);
            sql(f, "DROP TABLE t; CREATE TABLE t (a text, b int8, c int8, UNIQUE (a, b))");
        }
        upserted(session, schema, values, 1); /* it is looked for anew */
        upserted(session, schema, more, 1);
        assert_string_equal(sql(f, "SELECT count(*) || ',' || sum(c) FROM t"), "1,2");
        session->class->end(session);
        sql(f, "DROP TABLE t");
    }
    wb_schema_unref(schema);
}

/* Of a table that was found to fit. */
static void the_index_goes(void **state)
{
    fixture *f = *state;
    wb_schema *schema = schema_of(columns, 3);
    const wb_value values[] = {ROW("x", 1, 1)};
    sql(f, "CREATE TABLE t (a text, b int8, c int8); CREATE UNIQUE INDEX i ON t (a, b)");
    wb_session *session = upserter(f, "t", schema, &by_both);
    upserted(session, schema, values, 1);
    sql(f, "DROP INDEX i");
    not_upserted(session, schema, values, 1, WB_HOLD, "make it");
    sql(f, "CREATE UNIQUE INDEX i ON t (b, a)");
    upserted(session, schema, values, 1);
    session->class->end(session);
    wb_schema_unref(schema);
}

/* A conflict with another unique index is the row's fault. */
static void another_unique_index(void **state)
{
    fixture *f = *state;
    wb_schema *schema = schema_of(columns, 3);
    const wb_value values[] = {ROW("x", 1, 1), ROW("y", 2, 2)}, bad[] = {ROW("z", 3, 2)};
    wb_err err;
    sql(f, "CREATE TABLE t (a text, b int8, c int8 UNIQUE, UNIQUE (a, b))");
    wb_session *session = upserter(f, "t", schema, &by_both);
    upserted(session, schema, values, 2);
    wb_batch *batch = batch_of(schema, bad, 1);
    int code = write_until(session, batch, 30 * SECOND_US, &err);
    assert_failed(code, &err, WB_REJECT, "duplicate key value violates unique constraint");
    assert_string_equal(err.sqlstate, "23505");
    assert_non_null(((wb_pg_session *)session)->conn);
    upserted(session, schema, values, 2);
    wb_batch_free(batch);
    session->class->end(session);
    wb_schema_unref(schema);
}

static void other_relations(void **state)
{
    static const char *const made[] = {
        "CREATE TABLE t (a text, b int8, c int8, UNIQUE (a, b)) PARTITION BY HASH (b); "
        "CREATE TABLE p PARTITION OF t FOR VALUES WITH (MODULUS 2, REMAINDER 0); "
        "CREATE TABLE q (c int8, x int, a text, b int8); ALTER TABLE q DROP x; "
        "ALTER TABLE t ATTACH PARTITION q FOR VALUES WITH (MODULUS 2, REMAINDER 1)",
        "CREATE TABLE q (c int8, x int, y text, b int8, UNIQUE (b, y)); "
        "CREATE VIEW t AS SELECT y AS a, b, c FROM q",
        "CREATE TABLE q (a text, b int8); "
        "CREATE TABLE t (c int8, UNIQUE (a, b)) INHERITS (q)",
        "CREATE TABLE t (a text, b int8, c int8, d int8 GENERATED ALWAYS AS (c + 1) STORED, "
        "e int8 GENERATED BY DEFAULT AS IDENTITY, UNIQUE (a, b))",
    };
    fixture *f = *state;
    wb_schema *schema = schema_of(columns, 3);
    const wb_value values[] = {ROW("x", 1, 1), ROW("x", 2, 2), ROW("y", 1, 3)};
    const wb_value more[] = {ROW("x", 2, 20), ROW("z", 1, 4)};
    for (size_t i = 0; i < sizeof made / sizeof *made; i++) {
        sql(f, "%s", made[i]);
        wb_session *session = upserter(f, "t", schema, &by_both);
        upserted(session, schema, values, 3);
        upserted(session, schema, more, 2);
        assert_string_equal(sql(f, "SELECT string_agg(a || b || ':' || c, ',' ORDER BY a, b) "
                                   "FROM t"),
                            "x1:1,x2:20,y1:3,z1:4");
        session->class->end(session);
        sql(f, "DROP TABLE IF EXISTS q CASCADE");
        sql(f, "DROP TABLE IF EXISTS t CASCADE");
    }
    wb_schema_unref(schema);
}

static void views_that_take_no_rows(void **state)
{
    fixture *f = *state;
    wb_schema *schema = schema_of(columns, 3);
    const wb_value values[] = {ROW("x", 1, 1)};
    sql(f, "CREATE TABLE q (a text, b int8, c int8, UNIQUE (a, b)); "
           "CREATE VIEW t AS SELECT DISTINCT a, b, c FROM q");
    wb_session *session = upserter(f, "t", schema, &by_both);
    not_upserted(session, schema, values, 1, WB_HOLD, "cannot insert into view \"t\"");
    session->class->end(session);
    sql(f, "CREATE OR REPLACE VIEW t AS SELECT a, b, c FROM q; "
           "CREATE FUNCTION put() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NEW; END'; "
           "CREATE TRIGGER g INSTEAD OF INSERT ON t FOR EACH ROW EXECUTE FUNCTION put()");
    session = upserter(f, "t", schema, &by_both);
    not_upserted(session, schema, values, 1, WB_HOLD, "an upsert needs a unique index");
    session->class->end(session);
    wb_schema_unref(schema);
}

/* ---- keys that the server takes for one ---- */

/* The later row wins, though its bytes come first; and so it does where there is none yet. */
static void keys_that_are_one_there(void **state)
{
    static const struct {
        const char *type, *one, *other;
    } types[] = {
        {"citext", "Ab", "aB"},
        {"char(4)", "ab", "ab "},
        {"text COLLATE folding", "AB", "ab"},
        {"varchar(2)", "ab", "ab "},
    };
    fixture *f = *state;
    wb_schema *schema = schema_of(columns, 3);
    sql(f, "CREATE EXTENSION IF NOT EXISTS citext WITH SCHEMA public; "
           "CREATE COLLATION folding (provider = icu, locale = 'und-u-ks-level2', "
           "deterministic = false)");
    for (size_t i = 0; i < sizeof types / sizeof *types; i++) {
        const char *one = types[i].one, *other = types[i].other;
        const wb_value values[] = {ROW(other, 1, 1), ROW("c", 2, 2), ROW(one, 3, 3),
                                   ROW(other, 4, 4), ROW(one, 5, 5)};
        sql(f, "CREATE TABLE t (a %s UNIQUE, b int8, c int8)", types[i].type);
        wb_session *session = upserter(f, "t", schema, &by_a);
        for (int again = 0; again < 2; again++) {
            upserted(session, schema, values, 5);
            assert_string_equal(sql(f, "SELECT string_agg(b || ':' || c, ',' ORDER BY b) FROM t"),
                                "2:2,5:5");
        }
        session->class->end(session);
        sql(f, "DROP TABLE t");
    }
    wb_schema_unref(schema);
}

static void the_first_of_them_stays(void **state)
{
    fixture *f = *state;
    wb_schema *schema = schema_of(columns, 3);
    const int32_t none[3] = {0};
    const wb_upsert upsert = {first_column, 1, -1, none, NULL, true};
    const wb_value values[] = {ROW("b", 1, 1), ROW("B", 2, 2), ROW("b", 3, 3)};
    sql(f, "CREATE EXTENSION IF NOT EXISTS citext WITH SCHEMA public; "
           "CREATE TABLE t (a citext UNIQUE, b int8, c int8)");
    wb_session *session = upserter(f, "t", schema, &upsert);
    assert_int_equal(upserted(session, schema, values, 3), 2);
    assert_string_equal(sql(f, "SELECT c FROM t"), "1");
    session->class->end(session);
    wb_schema_unref(schema);
}

/* In some tables a key's order is the rows' own, so only there. */
static void where_keys_may_be_one(void **state)
{
    static const struct {
        int type; /* enum wb_type */
        const char *own;
        bool folds;
    } keys[] = {
        {WB_TYPE_TEXT, "text", false},       {WB_TYPE_TEXT, "varchar(20)", false},
        {WB_TYPE_TEXT, "citext", true},      {WB_TYPE_TEXT, "char(20)", true},
        {WB_TYPE_TEXT, "id", false},         {WB_TYPE_TEXT, "text COLLATE folding", true},
        {WB_TYPE_TIMESTAMP, "moment", true}, {WB_TYPE_TIMESTAMP, "timestamp(3)", true},
        {WB_TYPE_INT8, "int8", false},       {WB_TYPE_TIMESTAMP, "timestamp", false},
    };
    fixture *f = *state;
    sql(f, "CREATE EXTENSION IF NOT EXISTS citext WITH SCHEMA public; CREATE DOMAIN id AS text; "
           "CREATE DOMAIN moment AS timestamp(0); CREATE COLLATION folding (provider = icu, "
           "locale = 'und-u-ks-level2', deterministic = false)");
    for (size_t i = 0; i < sizeof keys / sizeof *keys; i++) {
        const wb_column own[] = {{.name = "a", .type = keys[i].type}, columns[2]};
        const wb_value values[] = {keys[i].type == WB_TYPE_TEXT ? text_of("a") : integer(5),
                                   integer(1)};
        const int32_t merge[] = {WB_MERGE_KEEP, WB_MERGE_SET};
        const wb_upsert upsert = {first_column, 1, -1, merge, NULL, false};
        wb_schema *schema = schema_of(own, 2);
        sql(f, "CREATE TABLE t (a %s UNIQUE, c int8)", keys[i].own);
        wb_session *session = upserter(f, "t", schema, &upsert);
        upserted(session, schema, values, 1);
        assert_int_equal(wb_pg_table_now((wb_pg_session *)session)->folds, keys[i].folds);
        session->class->end(session);
        sql(f, "DROP TABLE t");
        wb_schema_unref(schema);
    }
}

/* A trigger may change a key. The rows are too large to go in one run of those that are sorted by key. */
static void a_trigger_that_changes_keys(void **state)
{
    enum { LONG = 200 * 1000 };
    static const wb_column own[] = {{.name = "a", .type = WB_TYPE_TEXT},
                                    {.name = "c", .type = WB_TYPE_TEXT}};
    static const int32_t merge[] = {WB_MERGE_KEEP, WB_MERGE_SET};
    const wb_upsert upsert = {first_column, 1, -1, merge, NULL, false};
    fixture *f = *state;
    wb_schema *schema = schema_of(own, 2);
    char *texts[3];
    wb_value values[6];
    for (int i = 0; i < 3; i++) {
        texts[i] = calloc(1, LONG + 1);
        memset(texts[i], '1' + i, LONG);
        values[2 * i] = text_of(i == 0 ? "a" : i == 1 ? "b" : "A");
        values[2 * i + 1] = text_of(texts[i]);
    }
    sql(f, "CREATE TABLE t (a text UNIQUE, c text); CREATE FUNCTION lowered() RETURNS trigger "
           "LANGUAGE plpgsql AS $$BEGIN new.a := lower(new.a); RETURN new; END$$; CREATE TRIGGER "
           "lowered BEFORE INSERT ON t FOR EACH ROW EXECUTE FUNCTION lowered()");
    wb_session *session = upserter(f, "t", schema, &upsert);
    upserted(session, schema, values, 3);
    assert_string_equal(sql(f, "SELECT string_agg(a || left(c, 1), ' ' ORDER BY a) FROM t"),
                        "a3 b2");
    session->class->end(session);
    wb_schema_unref(schema);
    for (int i = 0; i < 3; i++)
        free(texts[i]);
}

/* An expression that is wrong for a row all the same is refused, by itself. */
static void a_cardinality_of_its_own(void **state)
{
    fixture *f = *state;
    wb_schema *schema = schema_of(columns, 3);
    const int32_t merge[] = {WB_MERGE_KEEP, WB_MERGE_KEEP, WB_MERGE_EXPRESSION};
    const char *const wrong[] = {NULL, NULL, "SELECT * FROM generate_series(1, excluded.c)"};
    const wb_upsert upsert = {first_column, 1, -1, merge, wrong, false};
    const wb_value values[] = {ROW("b", 1, 1), ROW("c", 2, 2)};
    sql(f, "CREATE TABLE t (a text UNIQUE, b int8, c int8)");
    wb_session *session = upserter(f, "t", schema, &upsert);
    upserted(session, schema, values, 2);
    not_upserted(session, schema, values, 2, WB_REJECT, "more than one row returned");
    upserted(session, schema, values, 1);
    session->class->end(session);
    wb_schema_unref(schema);
}

/* ---- writers of the same keys ---- */

enum { WRITERS = 4, KEYS = 1500, KEY_BYTES = 250 };

struct rival {
    fixture *f;
    const char *table;
    wb_schema *schema;
    uint64_t seed;
    int64_t until_us;
    uint64_t writes;
    wb_err err;
};

static void shuffle(wb_value *values, uint64_t *seed)
{
    for (uint64_t i = KEYS - 1; i > 0; i--) {
        uint64_t other = random_below(seed, i + 1);
        wb_value row[3];
        memcpy(row, values + 3 * i, sizeof row);
        memcpy(values + 3 * i, values + 3 * other, sizeof row);
        memcpy(values + 3 * other, row, sizeof row);
    }
}

/* ThreadSanitizer does not see that mremap gives one thread's memory to another. */
static pthread_mutex_t memory = PTHREAD_MUTEX_INITIALIZER;

/* Keys of enough bytes for several statements. */
static void *contend(void *context)
{
    struct rival *r = context;
    char(*keys)[KEY_BYTES + 1] = calloc(KEYS, sizeof *keys);
    wb_value *values = calloc(3 * KEYS, sizeof *values);
    wb_target target = {.table = r->table,
                        .schema = r->schema,
                        .upsert = &by_a,
                        .dedupe_column = -1,
                        .write_timeout_us = 30 * SECOND_US};
    wb_session *session = r->f->store->class->session(r->f->store, &target);
    for (int i = 0; i < KEYS; i++) {
        snprintf(keys[i], sizeof keys[i], "%0*d", KEY_BYTES, i);
        values[3 * i] = text_of(keys[i]);
        values[3 * i + 1] = values[3 * i + 2] = integer(i);
    }
    do {
        shuffle(values, &r->seed);
        pthread_mutex_lock(&memory);
        wb_batch *batch = batch_of(r->schema, values, KEYS);
        pthread_mutex_unlock(&memory);
        write_until(session, batch, 30 * SECOND_US, &r->err);
        pthread_mutex_lock(&memory);
        wb_batch_free(batch);
        pthread_mutex_unlock(&memory);
        r->writes++;
    } while (wb_now_us() < r->until_us && r->err.code == WB_OK);
    session->class->end(session);
    free(values);
    free(keys);
    return NULL;
}

static void no_deadlock(void **state)
{
    fixture *f = *state;
    wb_schema *schema = schema_of(columns, 3);
    const char *table = in_space(f, "t");
    struct rival rivals[WRITERS];
    pthread_t threads[WRITERS];
    int64_t until_us = wb_now_us() + (getenv("CI_LONG") != NULL ? 10 : 2) * SECOND_US;
    sql(f, "CREATE TABLE t (a text UNIQUE, b int8, c int8) WITH (fillfactor = 20)");
    for (int i = 0; i < WRITERS; i++) {
        rivals[i] = (struct rival){f, table, schema, (uint64_t)i + 1, until_us, 0, {.code = WB_OK}};
        assert_int_equal(pthread_create(&threads[i], NULL, contend, &rivals[i]), 0);
    }
    for (int i = 0; i < WRITERS; i++) {
        pthread_join(threads[i], NULL);
        assert_string_equal(rivals[i].err.text, "");
        assert_true(rivals[i].writes > 0);
    }
    wb_schema_unref(schema);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(the_index_that_it_needs),
        TEST(the_index_goes),
        TEST(another_unique_index),
        TEST(other_relations),
        TEST(views_that_take_no_rows),
        TEST(keys_that_are_one_there),
        TEST(the_first_of_them_stays),
        TEST(a_trigger_that_changes_keys),
        TEST(a_cardinality_of_its_own),
        TEST(where_keys_may_be_one),
        TEST(no_deadlock),
    };
    return cmocka_run_group_tests_name("postgres_upsert_key", tests, NULL, NULL);
}
