/* SPDX-License-Identifier: MIT
 * Upserts to PostgreSQL: what becomes of a row that is there, by each word and each type. */
#include "upsert_support.h"

static void insert_and_update(void **state)
{
    fixture *f = *state;
    wb_schema *schema = small_schema();
    const int32_t merge[] = {WB_MERGE_KEEP, WB_MERGE_SET};
    const wb_upsert upsert = {first_column, 1, -1, merge, NULL, false};
    const wb_value first[] = {int_value(3), text_value("three"), int_value(-1),
                              text_value("minus one")};
    const wb_value second[] = {int_value(3), NIL, int_value(4), text_value("four")};
    sql(f, "CREATE TABLE \"odd \"\"name\" (note text, n int8 UNIQUE)");
    wb_session *session = upserter(f, "\"odd \"\"name\"", schema, &upsert);
    assert_int_equal(upserted(session, schema, first, 2), 0);
    assert_int_equal(upserted(session, schema, second, 2), 0);
    assert_string_equal(sql(f, "SELECT string_agg(n || ':' || coalesce(note, '-'), ',' ORDER BY n) "
                               "FROM \"odd \"\"name\""),
                        "-1:minus one,3:-,4:four");
    session->class->end(session);
    wb_schema_unref(schema);
}

static const wb_column word_columns[] = {
    {.name = "k", .type = WB_TYPE_TEXT},
    {.name = "set", .type = WB_TYPE_INT4, .null = true},
    {.name = "sum", .type = WB_TYPE_NUMERIC, .null = true},
    {.name = "min", .type = WB_TYPE_DATE, .null = true},
    {.name = "max", .type = WB_TYPE_UUID, .null = true},
    {.name = "first", .type = WB_TYPE_TEXT, .null = true},
    {.name = "last", .type = WB_TYPE_TEXT, .null = true},
    {.name = "expression", .type = WB_TYPE_INT2, .null = true},
    {.name = "keep", .type = WB_TYPE_INTERVAL, .null = true},
};
static const int32_t each_word[] = {WB_MERGE_KEEP, WB_MERGE_SET,        WB_MERGE_SUM,
                                    WB_MERGE_MIN,  WB_MERGE_MAX,        WB_MERGE_FIRST,
                                    WB_MERGE_LAST, WB_MERGE_EXPRESSION, WB_MERGE_KEEP};
static const char *const expressions[9] = {[7] = "coalesce(t.expression, 0) * 10 + "
                                                 "excluded.expression"};

static void each_word_of_merge(void **state)
{
    fixture *f = *state;
    wb_schema *schema = schema_of(word_columns, 9);
    const wb_upsert upsert = {first_column, 1, -1, each_word, expressions, false};
    const wb_value values[] = {
        text_value("a"), int_value(1), text_value("1.5"), text_value("2024-01-02"),
        text_value("018f7a3c-0000-7000-8000-0123456789ab"), NIL, text_value("x"), int_value(1),
        text_value("1 day"),
        /* all others */
        text_value("a"), int_value(2), text_value("2.25"), text_value("2024-01-01"),
        text_value("018f7a3c-0000-7000-8000-0123456789ac"), text_value("f"), text_value("y"),
        int_value(2), text_value("2 days"),
        /* less */
        text_value("a"), int_value(3), text_value("-4"), text_value("2024-02-01"),
        text_value("018f7a3c-0000-7000-8000-000000000000"), text_value("g"), NIL, int_value(3), NIL,
        /* nothing */
        text_value("a"), NIL, NIL, NIL, NIL, NIL, NIL, int_value(4), NIL};
    sql(f, "CREATE TABLE t (k text PRIMARY KEY, set int, sum numeric(10, 2), min date, max uuid, "
           "first text, last text, expression int2, keep interval)");
    wb_session *session = upserter(f, "t", schema, &upsert);
    for (int i = 0; i < 4; i++)
        assert_int_equal(upserted(session, schema, values + 9 * i, 1), 0);
    const char *all = "(a,,-0.25,2024-01-01,018f7a3c-0000-7000-8000-0123456789ac,f,y,1234,"
                      "\"1 day\")";
    assert_string_equal(sql(f, "SET datestyle = iso; SELECT t::text FROM t"), all);
    sql(f, "TRUNCATE t"); /* the same rows in one write */
    assert_int_equal(upserted(session, schema, values, 4), 0);
    assert_string_equal(sql(f, "SELECT t::text FROM t"), all);
    session->class->end(session);
    wb_schema_unref(schema);
}

static const wb_column timed_columns[] = {
    {.name = "n", .type = WB_TYPE_INT8},
    {.name = "note", .type = WB_TYPE_TEXT, .null = true},
    {.name = "at", .type = WB_TYPE_TIMESTAMPTZ, .null = true},
    {.name = "sum", .type = WB_TYPE_FLOAT8, .null = true},
};

#define TIMED(n, note, at) integer(n), text_of(note), at, number(1)

static void the_newest_wins(void **state)
{
    fixture *f = *state;
    wb_schema *schema = schema_of(timed_columns, 4);
    const int32_t merge[] = {WB_MERGE_KEEP, WB_MERGE_SET, WB_MERGE_SET, WB_MERGE_KEEP};
    const wb_upsert upsert = {first_column, 1, 2, merge, NULL, false};
    const wb_value values[] = {TIMED(1, "a", integer(100)), TIMED(2, "b", NIL),
                               TIMED(3, "c", integer(100)), TIMED(4, "d", integer(100))};
    const wb_value later[] = {TIMED(1, "older", integer(99)), TIMED(2, "new", NIL),
                              TIMED(3, "same", integer(100)), TIMED(4, "none", NIL)};
    const wb_value both[] = {TIMED(2, "old", integer(5)), TIMED(1, "newer", integer(101)),
                             TIMED(2, "newest", integer(6)), TIMED(2, "oldest", integer(4))};
    sql(f, "CREATE TABLE t (n int8 PRIMARY KEY, note text, at timestamptz, sum float8)");
    wb_session *session = upserter(f, "t", schema, &upsert);
    assert_int_equal(upserted(session, schema, values, 4), 0);
    assert_int_equal(upserted(session, schema, later, 4), 2);
    assert_string_equal(sql(f, "SELECT string_agg(note, ',' ORDER BY n) FROM t"), "a,new,same,d");
    assert_int_equal(upserted(session, schema, both, 4), 2);
    assert_int_equal(upserted(session, schema, both, 4), 2); /* repeated: they are as new */
    assert_string_equal(sql(f, "SELECT string_agg(note, ',' ORDER BY n) FROM t"),
                        "newer,newest,same,d");
    session->class->end(session);
    wb_schema_unref(schema);
}

/* An older row still counts where a column is merged. */
static void the_newest_and_a_sum(void **state)
{
    fixture *f = *state;
    wb_schema *schema = schema_of(timed_columns, 4);
    const int32_t merge[] = {WB_MERGE_KEEP, WB_MERGE_SET, WB_MERGE_SET, WB_MERGE_SUM};
    const wb_upsert upsert = {first_column, 1, 2, merge, NULL, false};
    const wb_value values[] = {TIMED(1, "a", integer(100)), TIMED(2, "b", NIL)};
    const wb_value later[] = {TIMED(1, "older", integer(99)), TIMED(2, "newer", integer(1)),
                              TIMED(1, "oldest", NIL)};
    sql(f, "CREATE TABLE t (n int8 PRIMARY KEY, note text, at timestamptz, sum float8)");
    wb_session *session = upserter(f, "t", schema, &upsert);
    assert_int_equal(upserted(session, schema, values, 2), 0);
    upserted(session, schema, later, 3);
    assert_string_equal(sql(f, "SELECT string_agg(concat_ws(':', note, extract(epoch FROM at)::int,"
                               " sum), ',' ORDER BY n) FROM t"),
                        "a:100:3,newer:1:2");
    session->class->end(session);
    wb_schema_unref(schema);
}

static void nothing_where_it_is_there(void **state)
{
    fixture *f = *state;
    wb_schema *schema = small_schema();
    const wb_upsert upsert = {first_column, 1, -1, NULL, NULL, true};
    wb_upsert *copy = wb_upsert_copy(&upsert, schema);
    const wb_value values[] = {int_value(1),      text_value("one"), int_value(2),
                               text_value("two"), int_value(1),      text_value("uno")};
    const wb_value more[] = {int_value(2), text_value("due"), int_value(3), text_value("tre")};
    sql(f, "CREATE TABLE t (n int8 PRIMARY KEY, note text)");
    wb_session *session = upserter(f, "t", schema, copy);
    assert_int_equal(upserted(session, schema, values, 3), 1);
    assert_int_equal(upserted(session, schema, more, 2), 1);
    assert_string_equal(sql(f, "SELECT string_agg(note, ',' ORDER BY n) FROM t"), "one,two,tre");
    session->class->end(session);
    wb_upsert_free(copy, schema);
    wb_schema_unref(schema);
}

/* Nothing to set: what is there stays, and nobody was overtaken. */
static void all_is_kept(void **state)
{
    fixture *f = *state;
    wb_schema *schema = small_schema();
    const int32_t merge[] = {WB_MERGE_KEEP, WB_MERGE_KEEP};
    const wb_upsert upsert = {first_column, 1, -1, merge, NULL, false};
    const wb_value values[] = {int_value(1), text_value("one")};
    const wb_value more[] = {int_value(1), text_value("uno")};
    sql(f, "CREATE TABLE t (n int8 PRIMARY KEY, note text)");
    wb_session *session = upserter(f, "t", schema, &upsert);
    assert_int_equal(upserted(session, schema, values, 1), 0);
    assert_int_equal(upserted(session, schema, more, 1), 0);
    assert_string_equal(sql(f, "SELECT note FROM t"), "one");
    session->class->end(session);
    wb_schema_unref(schema);
}

/* A session that begins and ends: of two columns each row gives one. */
static void the_ends_of_a_session(void **state)
{
    fixture *f = *state;
    const wb_column columns[] = {
        {.name = "id", .type = WB_TYPE_UUID},
        {.name = "connected_at", .type = WB_TYPE_TIMESTAMPTZ, .null = true},
        {.name = "disconnected_at", .type = WB_TYPE_TIMESTAMPTZ, .null = true}};
    wb_schema *schema = schema_of(columns, 3);
    const int32_t merge[] = {WB_MERGE_KEEP, WB_MERGE_EXPRESSION, WB_MERGE_EXPRESSION};
    const char *const ends[] = {NULL, "coalesce(t.connected_at, excluded.connected_at)",
                                "coalesce(t.disconnected_at, excluded.disconnected_at)"};
    const wb_upsert upsert = {first_column, 1, -1, merge, ends, false};
    const char *id = "018f7a3c-0000-7000-8000-0123456789ab";
    const wb_value values[] = {text_of(id), NIL,         integer(20), text_of(id), integer(10),
                               NIL,         text_of(id), NIL,         integer(30)};
    sql(f, "CREATE TABLE t (id uuid PRIMARY KEY, connected_at timestamptz, "
           "disconnected_at timestamptz)");
    wb_session *session = upserter(f, "t", schema, &upsert);
    assert_int_equal(upserted(session, schema, values, 3), 0);
    assert_string_equal(sql(f, "SELECT string_agg(extract(epoch FROM disconnected_at - "
                               "connected_at)::int::text, ',') FROM t"),
                        "10");
    session->class->end(session);
    wb_schema_unref(schema);
}

/* ---- types ---- */

enum { TYPES = 20 };
static const wb_column type_columns[] = {
    {.name = "key", .type = WB_TYPE_INT4},
#define X(constant, word, oid, bytes, sqlite) {.name = "c_" word, .type = constant, .null = true},
#include <writebehind/types.def>
#undef X
};
static const wb_value type_values[] = {
    {.kind = WB_BOOL, .i = 1},
    {.kind = WB_INT, .i = -32768},
    {.kind = WB_INT, .i = 2147483647},
    {.kind = WB_INT, .i = 9223372036854775807},
    {.kind = WB_FLOAT, .f = 0.5},
    {.kind = WB_FLOAT, .f = -0.1},
    {.kind = WB_TEXT, .bytes = 8, .text = "z\xc3\xa4h \"'\\"},
    {.kind = WB_TEXT, .bytes = 3, .text = "\0\377\\"},
    {.kind = WB_TEXT, .bytes = 36, .text = "018f7a3c-0000-7000-8000-0123456789ab"},
    {.kind = WB_TEXT, .bytes = 27, .text = "2024-05-14T08:00:00.115245Z"},
    {.kind = WB_TEXT, .bytes = 10, .text = "1969-12-31"},
    {.kind = WB_TEXT, .bytes = 8, .text = "{\"b\": 1}"},
    {.kind = WB_TEXT, .bytes = 11, .text = "{\"a\":  [1]}"},
    {.kind = WB_TEXT, .bytes = 16, .text = "2024-05-14 08:00"},
    {.kind = WB_FLOAT, .f = 3600.25},
    {.kind = WB_TEXT, .bytes = 24, .text = "-12345678901234567890.10"},
    {.kind = WB_TEXT, .bytes = 22, .text = "1 year 2 days 03:00:00"},
    {.kind = WB_TEXT, .bytes = 10, .text = "10.1.2.3/8"},
    {.kind = WB_TEXT, .bytes = 4, .text = "10/8"},
    {.kind = WB_TEXT, .bytes = 13, .text = "08002b:010203"},
};
static const char every_type[] =
    "(1,t,-32768,2147483647,9223372036854775807,0.5,-0.1,\"z\xc3\xa4h \"\"'\\\\\","
    "\"\\\\x00ff5c\",018f7a3c-0000-7000-8000-0123456789ab,\"2024-05-14 08:00:00.115245+00\","
    "1969-12-31,\"{\"\"b\"\": 1}\",\"{\"\"a\"\": [1]}\",\"2024-05-14 08:00:00\",01:00:00.25,"
    "-12345678901234567890.10,\"1 year 2 days 03:00:00\",10.1.2.3/8,10.0.0.0/8,08:00:2b:01:02:03)";

static void every_type_as_a_value(void **state)
{
    fixture *f = *state;
    wb_schema *schema = schema_of(type_columns, TYPES + 1);
    int32_t merge[TYPES + 1] = {WB_MERGE_KEEP};
    wb_value values[TYPES + 1] = {integer(1)};
    char *ddl = NULL;
    wb_err err;
    for (int i = 1; i <= TYPES; i++)
        merge[i] = WB_MERGE_SET;
    const wb_upsert upsert = {first_column, 1, -1, merge, NULL, false};
    assert_ok(wb_schema_ddl(schema, "postgresql", in_space(f, "t"), &ddl, &err));
    sql(f, "%s", ddl);
    sql(f, "ALTER TABLE t ADD PRIMARY KEY (key); SET timezone = 'UTC'; SET datestyle = iso");
    wb_session *session = upserter(f, "t", schema, &upsert);
    memcpy(values + 1, type_values, sizeof type_values);
    upserted(session, schema, values, 1);
    assert_string_equal(sql(f, "SELECT t::text FROM t"), every_type);
    for (int i = 1; i <= TYPES; i++)
        values[i] = NIL;
    upserted(session, schema, values, 1);
    assert_string_equal(sql(f, "SELECT t::text FROM t"), "(1,,,,,,,,,,,,,,,,,,,,)");
    memcpy(values + 1, type_values, sizeof type_values);
    upserted(session, schema, values, 1);
    assert_string_equal(sql(f, "SELECT t::text FROM t"), every_type);
    session->class->end(session);
    wb_free(ddl);
    wb_schema_unref(schema);
}

static void a_type_as_a_key(fixture *f, int type, const wb_value *value)
{
    const wb_column columns[] = {{.name = "k", .type = type}, {.name = "n", .type = WB_TYPE_INT8}};
    wb_schema *schema = schema_of(columns, 2);
    const int32_t merge[] = {WB_MERGE_KEEP, WB_MERGE_SUM};
    const wb_upsert upsert = {first_column, 1, -1, merge, NULL, false};
    const wb_value values[] = {*value, integer(1), *value, integer(2)};
    if (wb_upsert_check(&upsert, schema, NULL) == WB_OK) {
        sql(f, "CREATE TABLE t (k %s PRIMARY KEY, n int8)", wb_type_name(type));
        wb_session *session = upserter(f, "t", schema, &upsert);
        upserted(session, schema, values, 2);
        upserted(session, schema, values, 2);
        assert_string_equal(sql(f, "SELECT count(*) || ',' || sum(n) FROM t"), "1,6");
        session->class->end(session);
        sql(f, "DROP TABLE t");
    }
    wb_schema_unref(schema);
}

static void every_type_as_a_key(void **state)
{
    fixture *f = *state;
    for (int i = 0; i < TYPES; i++)
        a_type_as_a_key(f, type_columns[i + 1].type, &type_values[i]);
}

/* ---- types of the server's own ---- */

static const wb_column own_columns[] = {
    {.name = "k", .type = WB_TYPE_TEXT},
    {.name = "c", .type = WB_TYPE_TEXT, .null = true},
};
static const int32_t set_second[] = {WB_MERGE_KEEP, WB_MERGE_SET};
static const wb_upsert set_by_first = {first_column, 1, -1, set_second, NULL, false};

/* What a column of that type takes, after that as it is read; NULL: it is refused, as a row's fault. */
static void takes(fixture *f, const wb_column *column, const char *type, const wb_value *value,
                  const char *read)
{
    const wb_column columns[] = {own_columns[0], *column};
    wb_schema *schema = schema_of(columns, 2);
    const wb_value values[] = {text_of("a"), *value};
    const wb_value none[] = {text_of("a"), NIL};
    sql(f, "CREATE TABLE t (k varchar(9) UNIQUE, c %s)", type);
    wb_session *session = upserter(f, "t", schema, &set_by_first);
    if (column->null)
        upserted(session, schema, none, 1);
    if (read == NULL) {
        not_upserted(session, schema, values, 1, WB_REJECT, "");
    } else {
        upserted(session, schema, values, 1);
        upserted(session, schema, values, 1);
        assert_string_equal(sql(f, "SELECT c::text FROM t"), read);
    }
    session->class->end(session);
    sql(f, "DROP TABLE t");
    wb_schema_unref(schema);
}

static void takes_text(fixture *f, const char *type, const char *text, const char *read)
{
    const wb_value value = text_of(text);
    takes(f, &own_columns[1], type, &value, read);
}

static void types_of_text(void **state)
{
    fixture *f = *state;
    char name[65];
    memset(name, 'n', sizeof name - 1);
    name[64] = '\0';
    sql(f, "CREATE TYPE \"odd Mood\" AS ENUM ('sad', 'so ''so'''); "
           "CREATE DOMAIN moods AS \"odd Mood\"; CREATE DOMAIN short AS varchar(3) NOT NULL; "
           "CREATE DOMAIN longer AS text CHECK (length(VALUE) > 2)");
    takes_text(f, "text", "", "");
    takes_text(f, "varchar(3)", "abc", "abc");
    takes_text(f, "varchar(3)", "abcd", NULL);
    takes_text(f, "varchar(3)", "abc ", "abc");
    takes_text(f, "char(3)", "a", "a");
    takes_text(f, "char(3)", "abcd", NULL);
    takes_text(f, "name", name + 1, name + 1);
    takes_text(f, "name", name, NULL);
    takes_text(f, "xml", "<a/>", "<a/>");
    takes_text(f, "xml", "<a>", NULL);
    takes_text(f, "\"odd Mood\"", "so 'so'", "so 'so'");
    takes_text(f, "\"odd Mood\"", "glad", NULL);
    takes_text(f, "moods", "sad", "sad");
    takes_text(f, "longer", "abc", "abc");
    takes_text(f, "longer", "ab", NULL);
    const wb_column given = {.name = "c", .type = WB_TYPE_TEXT};
    const wb_value short_one = text_of("abc"), long_one = text_of("abcd");
    takes(f, &given, "short", &short_one, "abc");
    takes(f, &given, "short", &long_one, NULL);
}

static void types_that_are_cast(void **state)
{
    static const struct {
        const char *type, *text, *read;
    } cases[] = {
        {"tsvector", "a:1 b", "'a':1 'b'"},
        {"tsquery", "a & b", "'a' & 'b'"},
        {"tsquery", "a &", NULL},
        {"numeric(4, 1)", "12.34", "12.3"},
        {"numeric(4, 1)", "1234.5", NULL},
        {"bit(3)", "101", "101"},
        {"bit(3)", "1010", NULL},
        {"int4range", "[1,3)", "[1,3)"},
        {"point", "(1,2)", "(1,2)"},
        {"int2", "x", NULL},
        {"timestamp(0)", "2024-01-01 00:00:00.6", "2024-01-01 00:00:01"},
        {"varchar(2)", "abc", NULL},
        {"regclass", "no_such_table", NULL},
        {"int4[]", "{{1,2},{3,NULL}}", "{{1,2},{3,NULL}}"},
        {"text[]", "{a,\"b c\"}", "{a,\"b c\"}"},
        {"varchar(2)[]", "{abc}", NULL},
    };
    fixture *f = *state;
    const wb_column column = {.name = "c", .type = WB_TYPE_TEXT, .null = true, .cast = "any"};
    sql(f, "SET datestyle = iso");
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        const wb_value value = text_of(cases[i].text);
        takes(f, &column, cases[i].type, &value, cases[i].read);
    }
}

static void types_that_are_arrays(void **state)
{
    fixture *f = *state;
    const wb_column ints = {.name = "c", .type = WB_TYPE_INT8, .array = true, .null = true};
    const wb_column texts = {.name = "c", .type = WB_TYPE_TEXT, .array = true, .null = true};
    wb_value numbers[] = {integer(1), NIL, integer(-9223372036854775807 - 1)};
    wb_value words[] = {text_of("a\"b"), text_of(""), text_of("NULL"), text_of("\\,{")};
    const wb_value some = {.kind = WB_LIST, .bytes = 3, .list = numbers};
    const wb_value none = {.kind = WB_LIST, .bytes = 0, .list = numbers};
    const wb_value all = {.kind = WB_LIST, .bytes = 4, .list = words};
    const wb_value one = {.kind = WB_LIST, .bytes = 1, .list = words};
    sql(f, "CREATE TYPE mood AS ENUM ('a\"b', '', 'NULL', '\\,{'); CREATE DOMAIN m AS mood; "
           "CREATE DOMAIN ms AS mood[] CHECK (cardinality(VALUE) > 1)");
    takes(f, &ints, "int8[]", &some, "{1,NULL,-9223372036854775808}");
    takes(f, &ints, "int8[]", &none, "{}");
    takes(f, &texts, "text[]", &all, "{\"a\\\"b\",\"\",\"NULL\",\"\\\\,{\"}");
    takes(f, &texts, "mood[]", &all, "{\"a\\\"b\",\"\",\"NULL\",\"\\\\,{\"}");
    takes(f, &texts, "m[]", &one, "{\"a\\\"b\"}");
    takes(f, &texts, "ms", &all, "{\"a\\\"b\",\"\",\"NULL\",\"\\\\,{\"}");
    takes(f, &texts, "ms", &one, NULL);
    takes(f, &texts, "varchar(2)[]", &all, NULL);
}

/* ---- rows of several shapes ---- */

static void columns_left_to_the_server(void **state)
{
    fixture *f = *state;
    const wb_column columns[] = {
        {.name = "k", .type = WB_TYPE_INT4},
        {.name = "a", .type = WB_TYPE_TEXT, .server_default = true, .null = true},
        {.name = "b", .type = WB_TYPE_INT8, .server_default = true, .null = true}};
    wb_schema *schema = schema_of(columns, 3);
    const int32_t merge[] = {WB_MERGE_KEEP, WB_MERGE_SET, WB_MERGE_SET};
    const wb_upsert upsert = {first_column, 1, -1, merge, NULL, false};
    const wb_value values[] = {integer(1),   ABSENT,     ABSENT,     integer(2),   text_of("x"),
                               ABSENT,       integer(3), ABSENT,     integer(3),   integer(4),
                               text_of("y"), integer(4), integer(5), text_of("z"), ABSENT,
                               integer(6),   NIL,        NIL};
    const wb_value more[] = {integer(4), ABSENT, integer(40), integer(3), text_of("w"), ABSENT,
                             integer(2), ABSENT, ABSENT,      integer(6), text_of("v"), ABSENT};
    sql(f, "CREATE TABLE t (k int PRIMARY KEY, a text DEFAULT 'd', b int8 DEFAULT 7)");
    wb_session *session = upserter(f, "t", schema, &upsert);
    upserted(session, schema, values, 6);
    const char *rows = "SELECT string_agg(concat_ws(':', k, coalesce(a, '-'), coalesce(b, -1)), "
                       "',' ORDER BY k) FROM t";
    assert_string_equal(sql(f, "%s", rows), "1:d:7,2:x:7,3:d:3,4:y:4,5:z:7,6:-:-1");
    upserted(session, schema, more, 4);
    assert_string_equal(sql(f, "%s", rows), "1:d:7,2:x:7,3:w:3,4:y:40,5:z:7,6:v:-1");
    session->class->end(session);
    wb_schema_unref(schema);
}

/* Several statements, each of some rows; every row in one order or the other. */
static void many_rows(void **state)
{
    enum { ROWS = 20000 };
    fixture *f = *state;
    wb_schema *schema = small_schema();
    const wb_upsert upsert = {first_column, 1, -1, set_second, NULL, false};
    wb_value *values = calloc(2 * ROWS, sizeof *values);
    static char note[301];
    memset(note, 'x', sizeof note - 1);
    for (int i = 0; i < ROWS; i++) {
        values[2 * i] = integer(i * INT64_C(7919) % 10007);
        values[2 * i + 1] = bytes_of(note, (size_t)i % 301);
    }
    sql(f, "CREATE TABLE t (n int8 PRIMARY KEY, note text)");
    wb_session *session = upserter(f, "t", schema, &upsert);
    upserted(session, schema, values, ROWS);
    /* the row that came last: of n = 0 that is number 10007, and of n = 10006 number 18126 */
    assert_string_equal(sql(f, "SELECT concat_ws(',', count(*), sum(n), "
                               "(SELECT length(note) FROM t WHERE n = 0)) FROM t"),
                        "10007,50065021,74");
    session->class->end(session);
    free(values);
    wb_schema_unref(schema);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(insert_and_update),
        TEST(each_word_of_merge),
        TEST(the_newest_wins),
        TEST(the_newest_and_a_sum),
        TEST(nothing_where_it_is_there),
        TEST(all_is_kept),
        TEST(the_ends_of_a_session),
        TEST(every_type_as_a_value),
        TEST(every_type_as_a_key),
        TEST(types_of_text),
        TEST(types_that_are_cast),
        TEST(types_that_are_arrays),
        TEST(columns_left_to_the_server),
        TEST(many_rows),
    };
    return cmocka_run_group_tests_name("postgres_upsert", tests, NULL, NULL);
}
