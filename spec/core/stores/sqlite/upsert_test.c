/* SPDX-License-Identifier: MIT
 * Upserts of the SQLite store: every word and type, in two writes and in one; which index they go by; what is refused. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/bigendian.h"
#include "base/env.h"
#include "rows/upsert.h"
#include "support/sqlite_fixture.h"
#include "support/support.h"

/* A session that upserts into a table. */
struct upserting {
    const struct fixture *fixture;
    wb_schema *schema;
    wb_upsert *upsert;
    wb_target target;
    wb_session *session;
};

static void begin(struct upserting *u, const struct fixture *fixture, const wb_column *columns,
                  size_t count, const wb_upsert *upsert)
{
    wb_err err;
    u->fixture = fixture;
    u->schema = contract_schema(columns, count);
    if (wb_upsert_check(upsert, u->schema, &err) != WB_OK)
        fail_msg("%s", err.text);
    u->upsert = wb_upsert_copy(upsert, u->schema);
    u->target = (wb_target){.table = "t", .schema = u->schema, .upsert = u->upsert};
    u->session = contract_session(fixture->store, &u->target);
}

static void end(struct upserting *u)
{
    u->session->class->end(u->session);
    wb_upsert_free(u->upsert, u->schema);
    wb_schema_unref(u->schema);
}

/* Writes so many rows of the schema's columns in one batch. */
static wb_batch *rows_of(struct upserting *u, const wb_value *values, size_t count)
{
    wb_batch *batch = wb_batch_new(u->schema);
    size_t columns = wb_schema_count(u->schema);
    for (size_t i = 0; i < count; i++)
        contract_add(batch, values + i * columns, columns);
    return batch;
}

static void write_rows(struct upserting *u, const wb_value *values, size_t count)
{
    wb_batch *batch = rows_of(u, values, count);
    contract_write(u->session, batch);
    wb_batch_free(batch);
}

static wb_err refuse_rows(struct upserting *u, const wb_value *values, size_t count, int class,
                          const char *text)
{
    wb_batch *batch = rows_of(u, values, count);
    wb_deadline deadline = contract_until(60 * 1000);
    wb_err err = {0};
    assert_int_equal(u->session->class->write(u->session, batch, &deadline, &err), WB_STORE);
    if (strstr(err.text, text) == NULL)
        fail_msg("\"%s\" is not in \"%s\"", text, err.text);
    assert_int_equal(err.error_class, class);
    wb_batch_free(batch);
    return err;
}

static const int32_t first_column = 0;

/* ---- words and types ---- */

static wb_value text_of(const char *text)
{
    return text == NULL
               ? VALUE_NULL
               : (wb_value){.kind = WB_TEXT, .text = text, .bytes = (uint32_t)strlen(text)};
}

/* Column v of a type: a is in, b comes; NULL: NULL. */
struct word {
    int type;
    int word;
    const char *a, *b;
    const char *expected; /* by quote() */
    const char *declared; /* NULL: the store makes the table */
};

#define NUMBERS(type, x, y, sum)                                                                   \
    {type, WB_MERGE_SET, x, y, y, NULL}, {type, WB_MERGE_SUM, x, y, sum, NULL},                    \
        {type, WB_MERGE_SUM, NULL, y, y, NULL}, {type, WB_MERGE_SUM, x, NULL, x, NULL},            \
        {type, WB_MERGE_MIN, x, y, x, NULL}, {type, WB_MERGE_MIN, y, x, x, NULL},                  \
        {type, WB_MERGE_MAX, x, y, y, NULL}, {type, WB_MERGE_MAX, y, x, y, NULL},                  \
        {type, WB_MERGE_MIN, NULL, x, x, NULL},                                                    \
    {                                                                                              \
        type, WB_MERGE_MAX, x, NULL, x, NULL                                                       \
    }

#define ORDERED(type, x, y)                                                                        \
    {type, WB_MERGE_SET, x, NULL, "NULL", NULL}, {type, WB_MERGE_MIN, x, y, x, NULL},              \
        {type, WB_MERGE_MIN, y, x, x, NULL}, {type, WB_MERGE_MAX, x, y, y, NULL},                  \
        {type, WB_MERGE_MAX, y, x, y, NULL}, {type, WB_MERGE_MIN, NULL, x, x, NULL},               \
        {type, WB_MERGE_MAX, x, NULL, x, NULL},                                                    \
    {                                                                                              \
        type, WB_MERGE_MAX, NULL, NULL, "NULL", NULL                                               \
    }

static const struct word list[] = {
    NUMBERS(WB_TYPE_INT2, "-32000", "700", "-31300"),
    NUMBERS(WB_TYPE_INT4, "-2000000000", "9", "-1999999991"),
    NUMBERS(WB_TYPE_INT8, "-9223372036854775808", "9223372036854775807", "-1"),
    NUMBERS(WB_TYPE_FLOAT8, "-1.25", "2.5", "1.25"),
    NUMBERS(WB_TYPE_FLOAT4, "1.5", "2.5", "4.0"),
    NUMBERS(WB_TYPE_NUMERIC, "9.50", "10.125", "19.625"),
    NUMBERS(WB_TYPE_NUMERIC, "-12345678901234567890.5", "1", "-12345678901234567889.5"),
    {WB_TYPE_NUMERIC, WB_MERGE_SUM, "NaN", "1", "NaN", NULL},
    {WB_TYPE_NUMERIC, WB_MERGE_MAX, "Infinity", "1", "Infinity", NULL},
    {WB_TYPE_INTERVAL, WB_MERGE_SUM, "P1M", "PT5.5S", "P1MT5.5S", NULL},
    {WB_TYPE_INTERVAL, WB_MERGE_SUM, NULL, "PT5S", "PT5S", NULL},
    ORDERED(WB_TYPE_TIMESTAMPTZ, "2024-05-14T08:00:00.000000Z", "2024-05-14T08:00:00.500000Z"),
    ORDERED(WB_TYPE_TIMESTAMPTZ, "2024-05-14T08:00:00.000000Z", "infinity"),
    ORDERED(WB_TYPE_TIMESTAMPTZ, "-infinity", "0001-05-14T08:00:00.000000Z"),
    ORDERED(WB_TYPE_TIMESTAMP, "2024-05-14 08:00:00", "2024-05-14 08:00:00.5"),
    ORDERED(WB_TYPE_TIMESTAMP, "-infinity", "infinity"),
    ORDERED(WB_TYPE_DATE, "0999-12-31", "9999-01-01"),
    ORDERED(WB_TYPE_DATE, "2024-05-14", "infinity"),
    ORDERED(WB_TYPE_TIME, "08:00:00", "08:00:00.25"),
    ORDERED(WB_TYPE_TIME, "23:59:59.999999", "24:00:00"),
    ORDERED(WB_TYPE_UUID, "00000009-abab-abab-abab-abababababab",
            "a0000000-abab-abab-abab-abababababab"),
    {WB_TYPE_TEXT, WB_MERGE_FIRST, "x", "y", "x", NULL},
    {WB_TYPE_TEXT, WB_MERGE_FIRST, NULL, "y", "y", NULL},
    {WB_TYPE_TEXT, WB_MERGE_LAST, "x", "y", "y", NULL},
    {WB_TYPE_TEXT, WB_MERGE_LAST, "x", NULL, "x", NULL},
    {WB_TYPE_TEXT, WB_MERGE_SET, "x", "y", "y", NULL},
    {WB_TYPE_TEXT, WB_MERGE_SET, "x", NULL, "NULL", NULL},
    {WB_TYPE_TEXT, WB_MERGE_KEEP, "x", "y", "x", NULL},
    {WB_TYPE_TEXT, WB_MERGE_KEEP, NULL, "y", "NULL", NULL},
    /* in columns that others declared */
    {WB_TYPE_NUMERIC, WB_MERGE_SUM, "0.1", "0.2", "0.3", "NUMERIC"},
    {WB_TYPE_NUMERIC, WB_MERGE_SUM, "1.5", "2.5", "4", "DECIMAL(10, 2)"},
    {WB_TYPE_NUMERIC, WB_MERGE_SUM, "9223372036854775806", "1", "9223372036854775807", "NUMERIC"},
    {WB_TYPE_NUMERIC, WB_MERGE_MIN, "9", "10.5", "9", "NUMERIC"},
    {WB_TYPE_NUMERIC, WB_MERGE_MAX, "9", "10.5", "10.5", "NUMERIC"},
    {WB_TYPE_NUMERIC, WB_MERGE_SUM, "1", "2", "3.0", "REAL"},
    {WB_TYPE_NUMERIC, WB_MERGE_MAX, "9", "10", "10", ""},
    {WB_TYPE_FLOAT8, WB_MERGE_SUM, "1.5", "2.5", "4", "NUMERIC"},
    {WB_TYPE_INT8, WB_MERGE_SUM, "1", "2", "3", "INTEGER"},
    {WB_TYPE_TIMESTAMPTZ, WB_MERGE_MAX, "2024-05-14T08:00:00Z", "2024-05-14T08:00:00.5Z",
     "2024-05-14 08:00:00.5", "DATETIME"},
    {WB_TYPE_UUID, WB_MERGE_MIN, "a0000000-abab-abab-abab-abababababab",
     "00000009-abab-abab-abab-abababababab", "X'00000009ABABABABABABABABABABABAB'", "BLOB"},
};

static wb_value value_of(const struct word *word, const char *text)
{
    if (text != NULL && word->type <= WB_TYPE_INT8)
        return VALUE_INT(strtoll(text, NULL, 10));
    if (text != NULL && word->type <= WB_TYPE_FLOAT8)
        return VALUE_FLOAT(strtod(text, NULL));
    return text_of(text);
}

static void check_value(const struct fixture *fixture, const struct word *word)
{
    char quoted[128];
    bool plain = word->type <= WB_TYPE_FLOAT8 || strcmp(word->expected, "NULL") == 0 ||
                 word->expected[0] == 'X';
    bool number = word->type == WB_TYPE_NUMERIC && word->declared != NULL && word->declared[0];
    snprintf(quoted, sizeof quoted, plain || number ? "%s" : "'%s'", word->expected);
    check_query(fixture, "SELECT quote(v) FROM t", quoted);
}

static void check_word(const struct fixture *fixture, const struct word *word, bool one_write)
{
    const wb_column columns[] = {{.name = "k", .type = WB_TYPE_INT8},
                                 {.name = "v", .type = word->type, .null = true}};
    const int32_t merge[] = {WB_MERGE_KEEP, word->word};
    const wb_upsert upsert = {.key = &first_column, .key_count = 1, .newest = -1, .merge = merge};
    struct upserting u;
    char sql[128];
    fixture_run(fixture, "DROP TABLE IF EXISTS t");
    snprintf(sql, sizeof sql, "CREATE TABLE t (k INTEGER PRIMARY KEY, v %s)", word->declared);
    if (word->declared != NULL)
        fixture_run(fixture, sql);
    begin(&u, fixture, columns, COLUMNS(columns), &upsert);
    const wb_value rows[] = {VALUE_INT(7), value_of(word, word->a), VALUE_INT(7),
                             value_of(word, word->b)};
    if (one_write) {
        write_rows(&u, rows, 2);
    } else {
        write_rows(&u, rows, 1);
        write_rows(&u, rows + 2, 1);
    }
    check_value(fixture, word);
    check_query(fixture, "SELECT count(*) FROM t", "1");
    end(&u);
}

static void test_every_word_and_type(void **state)
{
    fixture_hold(*state);
    for (size_t i = 0; i < COLUMNS(list); i++) {
        check_word(*state, &list[i], false);
        check_word(*state, &list[i], true);
    }
}

/* ---- sums that do not fit ---- */

struct refusal {
    int type;
    const char *declared; /* NULL: as the store declares it */
    const char *there;    /* SQL */
    const char *b;
    int class;
    const char *why;
};

static const struct refusal refusals[] = {
    {WB_TYPE_INT2, NULL, "32767", "1", WB_REJECT, "column \"v\" (int2): the sum is out of its"},
    {WB_TYPE_INT4, NULL, "-2147483648", "-1", WB_REJECT, "(int4): the sum is out of its type's"},
    {WB_TYPE_INT8, NULL, "9223372036854775807", "1", WB_REJECT, "(int8): the sum is out of its"},
    {WB_TYPE_FLOAT8, NULL, "1.7e308", "1.7e308", WB_REJECT, "(float8): the sum is out of its"},
    {WB_TYPE_FLOAT8, NULL, "9e999", "-inf", WB_REJECT, "SQLite can't store the sum, NaN"},
    {WB_TYPE_FLOAT4, NULL, "3e38", "3e38", WB_REJECT, "(float4): the sum is out of its"},
    {WB_TYPE_INTERVAL, NULL, "'P178956970Y7M'", "P1M", WB_REJECT, "(interval): the sum is out"},
    {WB_TYPE_NUMERIC, "NUMERIC", "123456789012345", "0.5", WB_REJECT,
     "SQLite can't store the sum exactly: declare the column as \"numeric TEXT\""},
    {WB_TYPE_NUMERIC, "NUMERIC", "9223372036854775807", "1", WB_REJECT, "can't store the sum"},
    {WB_TYPE_NUMERIC, "REAL", "999999999999999", "1000000000000000", WB_REJECT, "can't store"},
    {WB_TYPE_NUMERIC, "NUMERIC", "0.1 + 0.2", "1", WB_REJECT, "can't store the sum exactly"},
    {WB_TYPE_INT8, NULL, "1.5", "1", WB_HOLD, "(int8): the table has a value that is none"},
    {WB_TYPE_INT8, NULL, "'many'", "1", WB_HOLD, "(int8): the table has a value that is none"},
    {WB_TYPE_INT2, NULL, "70000", "1", WB_HOLD, "(int2): the table has a value that is none"},
    {WB_TYPE_NUMERIC, NULL, "'many'", "1", WB_HOLD, "(numeric): the table has a value"},
    {WB_TYPE_NUMERIC, NULL, "x'00'", "1", WB_HOLD, "(numeric): the table has a value"},
    {WB_TYPE_INTERVAL, NULL, "'soon'", "PT1S", WB_HOLD, "(interval): the table has a value"},
};

static void check_refusal(const struct fixture *fixture, const struct refusal *refusal)
{
    const struct word word = {.type = refusal->type};
    const wb_column columns[] = {{.name = "k", .type = WB_TYPE_INT8},
                                 {.name = "v", .type = refusal->type, .null = true}};
    const int32_t merge[] = {WB_MERGE_KEEP, WB_MERGE_SUM};
    const wb_upsert upsert = {.key = &first_column, .key_count = 1, .newest = -1, .merge = merge};
    static const char *const declared[WB_TYPES] = {
        [WB_TYPE_INT2] = "int2",
        [WB_TYPE_INT4] = "int4",
        [WB_TYPE_INT8] = "int8",
        [WB_TYPE_FLOAT4] = "float4",
        [WB_TYPE_FLOAT8] = "float8",
        [WB_TYPE_NUMERIC] = "numeric TEXT",
        [WB_TYPE_INTERVAL] = "interval TEXT",
    };
    struct upserting u;
    char sql[256];
    fixture_run(fixture, "DROP TABLE IF EXISTS t");
    snprintf(
        sql, sizeof sql, "CREATE TABLE t (k int8 PRIMARY KEY, v %s); INSERT INTO t VALUES (7, %s)",
        refusal->declared != NULL ? refusal->declared : declared[refusal->type], refusal->there);
    fixture_run(fixture, sql);
    begin(&u, fixture, columns, COLUMNS(columns), &upsert);
    const wb_value rows[] = {VALUE_INT(9), VALUE_NULL, VALUE_INT(7), value_of(&word, refusal->b)};
    wb_err err = refuse_rows(&u, rows, 2, refusal->class, refusal->why);
    assert_int_equal(err.row, 2);
    assert_int_equal(err.unsure, refusal->class == WB_HOLD);
    check_query(fixture, "SELECT count(*) FROM t", "1");
    fixture_run(fixture, "DELETE FROM t");
    write_rows(&u, rows, 2);
    end(&u);
}

/* Nothing loses digits, and nothing is written of the batch; the session goes on. */
static void test_sums_that_do_not_fit(void **state)
{
    for (size_t i = 0; i < COLUMNS(refusals); i++)
        check_refusal(*state, &refusals[i]);
}

/* Two rows whose sum is out of range are written one after the other, and the second one is refused. */
static void test_a_sum_that_does_not_fit_in_one_write(void **state)
{
    const wb_column columns[] = {{.name = "k", .type = WB_TYPE_INT8},
                                 {.name = "v", .type = WB_TYPE_INT8, .null = true}};
    const int32_t merge[] = {WB_MERGE_KEEP, WB_MERGE_SUM};
    const wb_upsert upsert = {.key = &first_column, .key_count = 1, .newest = -1, .merge = merge};
    struct upserting u;
    begin(&u, *state, columns, COLUMNS(columns), &upsert);
    const wb_value rows[] = {VALUE_INT(7), VALUE_INT(INT64_MAX), VALUE_INT(7), VALUE_INT(1)};
    assert_int_equal(refuse_rows(&u, rows, 2, WB_REJECT, "out of its type's range").row, 2);
    end(&u);
}

/* ---- newest ---- */

static const wb_column events[] = {
    {.name = "k", .type = WB_TYPE_INT8},
    {.name = "at", .type = WB_TYPE_NUMERIC, .null = true},
    {.name = "name", .type = WB_TYPE_TEXT, .null = true},
    {.name = "hits", .type = WB_TYPE_INT8, .null = true},
};

static void write_event(struct upserting *u, const char *at, const char *name, int64_t hits,
                        uint64_t superseded)
{
    write_rows(u, (wb_value[]){VALUE_INT(7), text_of(at), text_of(name), VALUE_INT(hits)}, 1);
    assert_int_equal(u->session->superseded, superseded);
}

#define EVENT "SELECT ifnull(at, '-') || ' ' || ifnull(name, '-') || ' ' || hits FROM t"

/* Numerics are compared as numbers: 9 is older than 10. */
static void test_newest_wins(void **state)
{
    const int32_t merge[] = {WB_MERGE_KEEP, WB_MERGE_SET, WB_MERGE_SET, WB_MERGE_SET};
    const wb_upsert upsert = {.key = &first_column, .key_count = 1, .newest = 1, .merge = merge};
    struct upserting u;
    begin(&u, *state, events, COLUMNS(events), &upsert);
    write_event(&u, NULL, "a", 1, 0);
    write_event(&u, NULL, "b", 2, 0);
    write_event(&u, "9", "c", 3, 0);
    write_event(&u, "10", "d", 4, 0);
    write_event(&u, "9.5", "e", 5, 1);
    write_event(&u, NULL, "f", 6, 1);
    check_query(*state, EVENT, "10 d 4");
    write_event(&u, "10.0", NULL, 7, 0);
    check_query(*state, EVENT, "10.0 - 7");

    const wb_value rows[] = {
        VALUE_INT(8), text_of("3"),  text_of("x"), VALUE_INT(1), /* new */
        VALUE_INT(7), text_of("11"), text_of("y"), VALUE_INT(2), /* newer */
        VALUE_INT(8), text_of("2"),  text_of("z"), VALUE_INT(3), /* older than one before it */
        VALUE_INT(8), text_of("4"),  text_of("w"), VALUE_INT(4), /* newer than that */
    };
    write_rows(&u, rows, 4);
    assert_int_equal(u.session->superseded, 2);
    write_rows(&u, rows, 3);
    assert_int_equal(u.session->superseded, 2);
    check_query(*state, "SELECT group_concat(name, ',') FROM (SELECT name FROM t ORDER BY k)",
                "y,w");
    end(&u);
}

/* With a sum beside it every row counts, and only a newer one says what it is. */
static void test_newest_beside_a_sum(void **state)
{
    const int32_t merge[] = {WB_MERGE_KEEP, WB_MERGE_SET, WB_MERGE_SET, WB_MERGE_SUM};
    const wb_upsert upsert = {.key = &first_column, .key_count = 1, .newest = 1, .merge = merge};
    struct upserting u;
    begin(&u, *state, events, COLUMNS(events), &upsert);
    write_event(&u, "10", "a", 1, 0);
    write_event(&u, "9", "b", 10, 0);
    check_query(*state, EVENT, "10 a 11");
    write_event(&u, "11", "c", 100, 0);
    write_event(&u, NULL, "d", 1000, 0);
    check_query(*state, EVENT, "11 c 1111");
    const wb_value rows[] = {VALUE_INT(7), text_of("13"), text_of("e"), VALUE_INT(1),
                             VALUE_INT(7), text_of("12"), text_of("f"), VALUE_INT(1)};
    write_rows(&u, rows, 2);
    check_query(*state, EVENT, "13 e 1113");
    end(&u);
}

static void test_nothing(void **state)
{
    const wb_upsert upsert = {.key = &first_column, .key_count = 1, .newest = -1, .nothing = true};
    struct upserting u;
    begin(&u, *state, events, COLUMNS(events), &upsert);
    write_event(&u, "1", "a", 1, 0);
    write_event(&u, "2", "b", 2, 1);
    const wb_value rows[] = {VALUE_INT(7), text_of("3"), text_of("c"), VALUE_INT(3),
                             VALUE_INT(8), text_of("4"), text_of("d"), VALUE_INT(4),
                             VALUE_INT(8), text_of("5"), text_of("e"), VALUE_INT(5)};
    write_rows(&u, rows, 3);
    assert_int_equal(u.session->superseded, 2);
    check_query(*state, "SELECT group_concat(name, ',') FROM (SELECT name FROM t ORDER BY k)",
                "a,d");
    end(&u);
}

/* ---- expressions ---- */

static void test_expressions(void **state)
{
    const int32_t merge[] = {WB_MERGE_KEEP, WB_MERGE_KEEP, WB_MERGE_EXPRESSION, WB_MERGE_SET};
    const char *expressions[] = {NULL, NULL, "t.name || '+' || excluded.name || t.hits", NULL};
    const wb_upsert upsert = {.key = &first_column,
                              .key_count = 1,
                              .newest = -1,
                              .merge = merge,
                              .expressions = expressions};
    struct upserting u;
    begin(&u, *state, events, COLUMNS(events), &upsert);
    const wb_value rows[] = {VALUE_INT(7), text_of("1"), text_of("a"), VALUE_INT(1),
                             VALUE_INT(7), text_of("2"), text_of("b"), VALUE_INT(2),
                             VALUE_INT(7), text_of("3"), text_of("c"), VALUE_INT(3)};
    write_rows(&u, rows, 3);
    check_query(*state, EVENT, "1 a+b1+c2 3");
    end(&u);

    expressions[2] = "writebehind_sum(t.hits, 1, 4711, NULL)";
    begin(&u, *state, events, COLUMNS(events), &upsert);
    refuse_rows(&u, rows, 1, WB_HOLD, "column \"\" (?): the table has a value that is none");
    end(&u);
    expressions[2] = "t.name ||";
    begin(&u, *state, events, COLUMNS(events), &upsert);
    wb_err err = refuse_rows(&u, rows, 1, WB_HOLD, "syntax error");
    assert_int_equal(err.row, 0);
    assert_false(err.unsure);
    end(&u);
    expressions[2] = "excluded.nmae";
    begin(&u, *state, events, COLUMNS(events), &upsert);
    assert_int_equal(refuse_rows(&u, rows, 1, WB_HOLD, "no such column: excluded.nmae").row, 0);
    end(&u);
}

/* ---- shapes ---- */

/* What a row leaves to the server stays as it is. */
static void test_shapes(void **state)
{
    const wb_column columns[] = {
        {.name = "k", .type = WB_TYPE_INT8},
        {.name = "id", .type = WB_TYPE_INT8, .server_default = true},
        {.name = "note", .type = WB_TYPE_TEXT, .null = true, .server_default = true},
    };
    const int32_t merge[] = {WB_MERGE_KEEP, WB_MERGE_SET, WB_MERGE_SET};
    const wb_upsert upsert = {.key = &first_column, .key_count = 1, .newest = -1, .merge = merge};
    const wb_value left = {.kind = WB_ABSENT};
    struct upserting u;
    fixture_run(*state, "CREATE TABLE t (k int8 UNIQUE, id INTEGER PRIMARY KEY, note text "
                        "DEFAULT 'none')");
    begin(&u, *state, columns, COLUMNS(columns), &upsert);
    const wb_value rows[] = {VALUE_INT(7), left,         left,         VALUE_INT(8),
                             VALUE_INT(5), text_of("x"), VALUE_INT(7), left,
                             text_of("y"), VALUE_INT(8), left,         left};
    write_rows(&u, rows, 4);
    check_query(*state, "SELECT group_concat(k || ' ' || id || ' ' || note) FROM t", "7 1 y,8 5 x");
    end(&u);
}

/* ---- the index ---- */

static const wb_column pairs[] = {{.name = "a", .type = WB_TYPE_TEXT},
                                  {.name = "b", .type = WB_TYPE_INT4},
                                  {.name = "v", .type = WB_TYPE_INT8, .null = true}};
static const int32_t pair_key[] = {1, 0};
static const int32_t pair_merge[] = {WB_MERGE_KEEP, WB_MERGE_KEEP, WB_MERGE_SUM};
static const wb_upsert pair_upsert = {
    .key = pair_key, .key_count = 2, .newest = -1, .merge = pair_merge};
static const wb_value pair_rows[] = {VALUE_TEXT("x"), VALUE_INT(1), VALUE_INT(10),
                                     VALUE_TEXT("y"), VALUE_INT(1), VALUE_INT(20),
                                     VALUE_TEXT("X"), VALUE_INT(1), VALUE_INT(30)};

#define SORTED "SELECT group_concat(v) FROM (SELECT v FROM t ORDER BY v)"

static void check_fits(const struct fixture *fixture, const char *sql, const char *expected)
{
    struct upserting u;
    fixture_run(fixture, "DROP TABLE IF EXISTS t");
    fixture_run(fixture, sql);
    begin(&u, fixture, pairs, COLUMNS(pairs), &pair_upsert);
    write_rows(&u, pair_rows, 3);
    write_rows(&u, pair_rows, 3);
    check_query(fixture, SORTED, expected);
    end(&u);
}

static void check_unfit(const struct fixture *fixture, const char *sql, const char *why)
{
    struct upserting u;
    fixture_run(fixture, "DROP TABLE IF EXISTS t");
    fixture_run(fixture, sql);
    begin(&u, fixture, pairs, COLUMNS(pairs), &pair_upsert);
    refuse_rows(&u, pair_rows, 3, WB_HOLD, why);
    fixture_run(fixture, "CREATE UNIQUE INDEX made ON t (a, b)");
    write_rows(&u, pair_rows, 3);
    end(&u);
}

#define TABLE    "CREATE TABLE t (a text NOT NULL, b int4 NOT NULL, v int8"
#define NO_INDEX "table \"t\": an upsert needs a unique index of exactly (b, a), which there is not"

static void test_indexes(void **state)
{
    check_fits(*state, TABLE ", PRIMARY KEY (a, b))", "20,40,60");
    check_fits(*state, TABLE ", PRIMARY KEY (b, a)) WITHOUT ROWID", "20,40,60");
    check_fits(*state, TABLE ", UNIQUE (B, A))", "20,40,60");
    check_fits(*state, TABLE ", UNIQUE (a, b), UNIQUE (a, b, v))", "20,40,60");
    check_fits(*state, TABLE "); CREATE UNIQUE INDEX i ON t (b DESC, a)", "20,40,60");
    check_fits(*state,
               TABLE "); CREATE UNIQUE INDEX p ON t (a, b) WHERE v > 0; "
                     "CREATE UNIQUE INDEX i ON t (a, b)",
               "20,40,60");
    /* Two keys that are one in the table meet there. */
    check_fits(*state, TABLE "); CREATE UNIQUE INDEX i ON t (a COLLATE NOCASE, b)", "40,80");
    check_fits(*state, TABLE ", UNIQUE (a, b) ON CONFLICT IGNORE)", "20,40,60");

    check_unfit(*state, TABLE ")", NO_INDEX ": make it");
    check_unfit(*state, TABLE "); CREATE INDEX i ON t (a, b)", NO_INDEX ": make it");
    check_unfit(*state, TABLE ", id INTEGER PRIMARY KEY); CREATE UNIQUE INDEX i ON t (a, b, v)",
                NO_INDEX ": make it; the unique ones are: the rowid (id), \"i\" (a, b, v)");
    check_unfit(*state, TABLE "); CREATE UNIQUE INDEX p ON t (a, b) WHERE v > 0",
                "table \"t\": unique index \"p\" is of some rows alone, and an upsert can't go by "
                "it: make one of the columns, without a WHERE");
    check_unfit(*state, TABLE "); CREATE UNIQUE INDEX e ON t ((a || ''), b)",
                "table \"t\": unique index \"e\" is of an expression");
    check_unfit(*state, TABLE "); CREATE UNIQUE INDEX e ON t ((a || ''), b, v)",
                "the unique ones are: \"e\" (an expression, b, v)");
}

/* A table that the store makes has the index. */
static void test_made_table(void **state)
{
    struct upserting u;
    begin(&u, *state, pairs, COLUMNS(pairs), &pair_upsert);
    write_rows(&u, pair_rows, 3);
    write_rows(&u, pair_rows, 3);
    check_query(*state, SORTED, "20,40,60");
    end(&u);
}

/* A trigger of the table's and another unique index go on as they are. */
static void test_another_index_rejects(void **state)
{
    struct upserting u;
    fixture_run(*state, TABLE " UNIQUE, PRIMARY KEY (a, b)); INSERT INTO t VALUES ('z', 0, 20)");
    begin(&u, *state, pairs, COLUMNS(pairs), &pair_upsert);
    wb_err err = refuse_rows(&u, pair_rows, 3, WB_REJECT, "UNIQUE constraint failed: t.v");
    assert_int_equal(err.row, 2);
    check_query(*state, "SELECT count(*) FROM t", "1");
    end(&u);
}

/* An index that is dropped is missed at the next write. */
static void test_index_that_goes(void **state)
{
    struct upserting u;
    fixture_run(*state, TABLE "); CREATE UNIQUE INDEX i ON t (a, b)");
    begin(&u, *state, pairs, COLUMNS(pairs), &pair_upsert);
    write_rows(&u, pair_rows, 3);
    fixture_run(*state, "DROP INDEX i");
    refuse_rows(&u, pair_rows, 3, WB_HOLD, NO_INDEX);
    end(&u);
}

/* Names that need quotes, and one of a function. */
static void test_names(void **state)
{
    const wb_column columns[] = {{.name = "it's a \"k\"", .type = WB_TYPE_INT8},
                                 {.name = "v'\"%@$", .type = WB_TYPE_INT2, .null = true},
                                 {.name = "excluded", .type = WB_TYPE_TEXT, .null = true}};
    const int32_t merge[] = {WB_MERGE_KEEP, WB_MERGE_SUM, WB_MERGE_LAST};
    const wb_upsert upsert = {.key = &first_column, .key_count = 1, .newest = -1, .merge = merge};
    struct upserting u;
    begin(&u, *state, columns, COLUMNS(columns), &upsert);
    const wb_value rows[] = {VALUE_INT(1), VALUE_INT(30000), VALUE_TEXT("x")};
    write_rows(&u, rows, 1);
    refuse_rows(&u, rows, 1, WB_REJECT, "column \"v'\"%@$\" (int2): the sum is out of its");
    end(&u);
}

/* ---- with a ledger; in doubt ---- */

static void test_with_a_ledger(void **state)
{
    struct upserting u;
    begin(&u, *state, pairs, COLUMNS(pairs), &pair_upsert);
    u.target.dedupe = WB_DEDUPE_LEDGER;
    wb_batch *batch = rows_of(&u, pair_rows, 3);
    wb_put64(batch->id, (uint64_t)(wb_unix_us() / 1000) << 16 | 0x7000);
    contract_write(u.session, batch);
    batch->in_doubt = true;
    contract_write(u.session, batch);
    contract_write(u.session, batch);
    check_query(*state, SORTED, "10,20,30");
    wb_batch_free(batch);
    end(&u);
}

/* Without a ledger it is written again, which an upsert that may be repeated bears. */
static void test_in_doubt_by_column(void **state)
{
    const int32_t merge[] = {WB_MERGE_KEEP, WB_MERGE_SET, WB_MERGE_SET, WB_MERGE_SET};
    const wb_upsert upsert = {.key = &first_column, .key_count = 1, .newest = 1, .merge = merge};
    struct upserting u;
    begin(&u, *state, events, COLUMNS(events), &upsert);
    u.target.dedupe = WB_DEDUPE_COLUMN;
    const wb_value rows[] = {VALUE_INT(7), text_of("1"), text_of("a"), VALUE_INT(1)};
    wb_batch *batch = rows_of(&u, rows, 1);
    contract_write(u.session, batch);
    batch->in_doubt = true;
    contract_write(u.session, batch);
    check_query(*state, EVENT, "1 a 1");
    wb_batch_free(batch);
    end(&u);
}

/* ---- no memory ---- */

static void test_no_memory(void **state)
{
    const struct fixture *fixture = *state;
    const wb_column columns[] = {{.name = "k", .type = WB_TYPE_INT8},
                                 {.name = "v", .type = WB_TYPE_NUMERIC, .null = true},
                                 {.name = "w", .type = WB_TYPE_NUMERIC, .null = true}};
    const int32_t merge[] = {WB_MERGE_KEEP, WB_MERGE_SUM, WB_MERGE_MAX};
    const wb_upsert upsert = {.key = &first_column, .key_count = 1, .newest = -1, .merge = merge};
    const wb_value rows[] = {VALUE_INT(7), text_of("1.5"), text_of("9"),
                             VALUE_INT(7), text_of("1.5"), text_of("10")};
    for (size_t n = 1; n < 1000; n++) {
        struct upserting u;
        fixture_run(fixture, "DROP TABLE IF EXISTS t; CREATE TABLE t (k int8 PRIMARY KEY, "
                             "v numeric TEXT, w numeric TEXT); INSERT INTO t VALUES (7, 1, 1)");
        begin(&u, fixture, columns, COLUMNS(columns), &upsert);
        wb_batch *batch = rows_of(&u, rows, 2);
        wb_deadline deadline = contract_until(60 * 1000);
        wb_err err = {0};
        wb_alloc_fail_after(n);
        int code = u.session->class->write(u.session, batch, &deadline, &err);
        wb_alloc_fail_after(0);
        if (code != WB_OK) {
            assert_int_equal(err.error_class, WB_RETRY);
            contract_write(u.session, batch);
        }
        check_query(fixture, "SELECT v || ' ' || w FROM t", "4.0 10");
        wb_batch_free(batch);
        end(&u);
        if (code == WB_OK)
            return;
    }
    fail_msg("it never came to an end");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        WITH_DATABASE(test_every_word_and_type),
        WITH_DATABASE(test_sums_that_do_not_fit),
        WITH_DATABASE(test_a_sum_that_does_not_fit_in_one_write),
        WITH_DATABASE(test_newest_wins),
        WITH_DATABASE(test_newest_beside_a_sum),
        WITH_DATABASE(test_nothing),
        WITH_DATABASE(test_expressions),
        WITH_DATABASE(test_shapes),
        WITH_DATABASE(test_indexes),
        WITH_DATABASE(test_made_table),
        WITH_DATABASE(test_another_index_rejects),
        WITH_DATABASE(test_index_that_goes),
        WITH_DATABASE(test_names),
        WITH_DATABASE(test_with_a_ledger),
        WITH_DATABASE(test_in_doubt_by_column),
        WITH_DATABASE(test_no_memory),
    };
    return cmocka_run_group_tests_name("sqlite_upsert", tests, NULL, NULL);
}
