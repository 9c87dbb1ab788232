/* SPDX-License-Identifier: MIT
 * Schemas read from live tables: what is in them, what stays the server's. */
#include "support/postgres_support.h"

static wb_schema *describe(fixture *f, const char *table)
{
    wb_schema *schema = NULL;
    wb_err err = {.code = WB_OK};
    if (wb_store_schema(f->store, in_space(f, table), wb_now_us() + 10 * SECOND_US, &schema,
                        &err) != WB_OK)
        fail_msg("%s", err.text);
    return schema;
}

static const wb_column *column_of(const wb_schema *schema, const char *name)
{
    int index = wb_schema_find(schema, name, strlen(name));
    if (index < 0)
        fail_msg("there is no column %s", name);
    return wb_schema_column(schema, (size_t)index);
}

static void assert_column(const wb_schema *schema, const char *name, int type, bool null)
{
    const wb_column *column = column_of(schema, name);
    if (column->type != type || column->null != null)
        fail_msg("%s: type %d, null %d", name, column->type, column->null);
}

static void assert_default_int(const wb_schema *schema, const char *name, int kind, int64_t i)
{
    const wb_value *value = &column_of(schema, name)->default_value;
    assert_int_equal(value->kind, kind);
    assert_int_equal(value->i, i);
}

static void assert_default_text(const wb_schema *schema, const char *name, const char *text)
{
    const wb_value *value = &column_of(schema, name)->default_value;
    assert_int_equal(value->kind, WB_TEXT);
    assert_int_equal(value->bytes, strlen(text));
    assert_memory_equal(value->text, text, value->bytes);
}

static void assert_no_default(const wb_schema *schema, const char *name)
{
    assert_int_equal(column_of(schema, name)->default_value.kind, WB_ABSENT);
}

static void agent_stats(void **state)
{
    fixture *f = *state;
    sql(f,
        "CREATE TABLE workspace_agent_stats (id uuid PRIMARY KEY, created_at timestamptz NOT NULL, "
        "user_id uuid NOT NULL, agent_id uuid NOT NULL, workspace_id uuid NOT NULL, "
        "template_id uuid NOT NULL, connections_by_proto jsonb DEFAULT '{}'::jsonb NOT NULL, "
        "connection_count bigint DEFAULT 0 NOT NULL, rx_packets bigint DEFAULT 0 NOT NULL, "
        "rx_bytes bigint DEFAULT 0 NOT NULL, tx_packets bigint DEFAULT 0 NOT NULL, "
        "tx_bytes bigint DEFAULT 0 NOT NULL, "
        "connection_median_latency_ms double precision DEFAULT -1 NOT NULL, "
        "session_count_vscode bigint DEFAULT 0 NOT NULL, "
        "session_count_jetbrains bigint DEFAULT 0 NOT NULL, "
        "session_count_reconnecting_pty bigint DEFAULT 0 NOT NULL, "
        "session_count_ssh bigint DEFAULT 0 NOT NULL, usage boolean DEFAULT false NOT NULL)");
    wb_schema *schema = describe(f, "workspace_agent_stats");
    assert_int_equal(wb_schema_count(schema), 18);
    assert_int_equal(wb_schema_given(schema), 17);
    assert_string_equal(wb_schema_column(schema, 0)->name, "id");
    assert_string_equal(wb_schema_column(schema, 17)->name, "usage");
    assert_int_equal(column_of(schema, "id")->generate, WB_UUIDV7);
    assert_column(schema, "created_at", WB_TYPE_TIMESTAMPTZ, false);
    assert_no_default(schema, "created_at");
    assert_int_equal(column_of(schema, "user_id")->generate, WB_GIVEN);
    assert_column(schema, "connections_by_proto", WB_TYPE_JSONB, false);
    assert_default_text(schema, "connections_by_proto", "{}");
    assert_default_int(schema, "tx_bytes", WB_INT, 0);
    assert_default_int(schema, "usage", WB_BOOL, 0);
    assert_int_equal(column_of(schema, "connection_median_latency_ms")->default_value.kind,
                     WB_FLOAT);
    assert_true(column_of(schema, "connection_median_latency_ms")->default_value.f == -1.0);
    wb_schema_unref(schema);
}

static void defaults_of_every_type(void **state)
{
    fixture *f = *state;
    sql(f, "CREATE DOMAIN label AS varchar(20) NOT NULL;"
           "CREATE TABLE t (b bool DEFAULT true, s int2 DEFAULT -7, i int4 DEFAULT 2147483647, "
           "l int8 DEFAULT -9223372036854775808, r float4 DEFAULT 1.5, d float8 DEFAULT 1e300, "
           "t text DEFAULT 'it''s \\ ::now()', y bytea DEFAULT '\\x0041', "
           "u uuid DEFAULT '018f7a3c-0000-7000-8000-0123456789ab', "
           "z timestamptz DEFAULT '2024-05-14 10:00:00.115245+02', a date DEFAULT '1969-12-31', "
           "j json DEFAULT '[1, 2]', n text DEFAULT NULL, m label DEFAULT 'x')");
    wb_schema *schema = describe(f, "t");
    assert_int_equal(wb_schema_count(schema), 14);
    assert_default_int(schema, "b", WB_BOOL, 1);
    assert_default_int(schema, "s", WB_INT, -7);
    assert_default_int(schema, "i", WB_INT, 2147483647);
    assert_default_int(schema, "l", WB_INT, INT64_MIN);
    assert_true(column_of(schema, "r")->default_value.f == 1.5);
    assert_true(column_of(schema, "d")->default_value.f == 1e300);
    assert_default_text(schema, "t", "it's \\ ::now()");
    assert_int_equal(column_of(schema, "y")->default_value.bytes, 2);
    assert_memory_equal(column_of(schema, "y")->default_value.text, "\0A", 2);
    assert_default_text(schema, "u", "018f7a3c-0000-7000-8000-0123456789ab");
    assert_default_text(schema, "z", "2024-05-14T08:00:00.115245Z");
    assert_default_int(schema, "a", WB_INT, -1);
    assert_default_text(schema, "j", "[1, 2]");
    assert_no_default(schema, "n");
    assert_column(schema, "n", WB_TYPE_TEXT, true);
    assert_column(schema, "m", WB_TYPE_TEXT, false);
    assert_default_text(schema, "m", "x");
    wb_schema_unref(schema);
}

/* What the server fills by itself is left to it; a table described so can be written to. */
static void left_to_the_server(void **state)
{
    fixture *f = *state;
    wb_err err;
    sql(f, "CREATE FUNCTION uuid_generate_v7() RETURNS uuid LANGUAGE sql AS 'SELECT "
           "gen_random_uuid()';"
           "CREATE TABLE t (k int8 GENERATED ALWAYS AS IDENTITY, o serial, at timestamptz DEFAULT "
           "now(), "
           "today date DEFAULT CURRENT_DATE, soon timestamptz DEFAULT 'now'::text::timestamptz, "
           "ever timestamptz DEFAULT 'infinity', n int8 NOT NULL, "
           "twice int8 GENERATED ALWAYS AS (n * 2) STORED, who text DEFAULT CURRENT_USER, "
           "price numeric, tags text[] NOT NULL DEFAULT '{}', v4 uuid NOT NULL DEFAULT "
           "gen_random_uuid(), v7 uuid NOT NULL DEFAULT uuid_generate_v7(), "
           "maybe uuid DEFAULT gen_random_uuid(), PRIMARY KEY (k, n))");
    wb_schema *schema = describe(f, "t");
    assert_int_equal(wb_schema_count(schema), 12);
    static const char *const left[] = {"o", "at", "today", "soon", "ever", "who", "tags", "maybe"};
    for (size_t i = 0; i < sizeof left / sizeof *left; i++)
        assert_true(column_of(schema, left[i])->server_default);
    assert_column(schema, "n", WB_TYPE_INT8, false);
    assert_int_equal(column_of(schema, "v4")->generate, WB_UUIDV4);
    assert_int_equal(column_of(schema, "v7")->generate, WB_UUIDV7);
    wb_value values[12] = {[5] = int_value(21)};
    assert_int_equal(wb_schema_find(schema, "n", 1), 5);
    wb_batch *batch = batch_of(schema, values, 1);
    wb_session *session = writer(f, "t", schema);
    int code = write_until(session, batch, 10 * SECOND_US, &err);
    assert_string_equal(err.text, "");
    assert_ok(code);
    assert_string_equal(
        sql(f, "SELECT k || ' ' || o || ' ' || twice || ' ' || (at IS NOT NULL) FROM t"),
        "1 1 42 true");
    session->class->end(session);
    wb_batch_free(batch);
    wb_schema_unref(schema);
}

/* Defaults at the ends of what the server's types hold, which no row could be given here, and empty or odd texts. */
static void odd_defaults(void **state)
{
    fixture *f = *state;
    sql(f, "CREATE TABLE t (n int8, far date DEFAULT '5874897-12-31', early date DEFAULT "
           "'4713-01-01 BC',"
           " never date DEFAULT 'infinity', late timestamptz DEFAULT '294276-12-31 UTC',"
           " empty text DEFAULT '', quote text DEFAULT 'it''s \\ \"', data jsonb DEFAULT '\"\"',"
           " bytes bytea DEFAULT '')");
    for (int on = 0; on < 2; on++) {
        char conninfo[512];
        snprintf(conninfo, sizeof conninfo, "%s options='-c standard_conforming_strings=%s'",
                 test_conninfo(), on ? "on" : "off");
        wb_store_unref(f->store);
        assert_ok(wb_store_postgres(conninfo, &f->store, NULL));
        wb_schema *schema = describe(f, "t");
        assert_int_equal(wb_schema_count(schema), 9);
        assert_true(column_of(schema, "far")->server_default);
        assert_true(column_of(schema, "late")->server_default);
        assert_default_text(schema, "empty", "");
        assert_default_text(schema, "quote", "it's \\ \"");
        assert_default_text(schema, "data", "\"\"");
        assert_default_text(schema, "bytes", "");
        wb_schema_unref(schema);
    }
}

static void refusals(void **state)
{
    fixture *f = *state;
    wb_schema *schema = NULL;
    wb_err err;
    int64_t deadline_us = wb_now_us() + 10 * SECOND_US;
    int code = wb_store_schema(f->store, in_space(f, "t"), deadline_us, &schema, &err);
    assert_failed(code, &err, WB_HOLD, "there is no such table");
    assert_text_has(err.text, in_space(f, "t"));
    sql(f, "CREATE TABLE none (k int8 GENERATED ALWAYS AS IDENTITY)");
    assert_int_equal(wb_store_schema(f->store, in_space(f, "none"), deadline_us, &schema, &err),
                     WB_INVALID);
    assert_text_has(err.text, "no column");
    sql(f, "CREATE TABLE empty ()");
    assert_int_equal(wb_store_schema(f->store, in_space(f, "empty"), deadline_us, &schema, &err),
                     WB_INVALID);
    assert_null(schema);
}

int main(void)
{
#define T(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        T(agent_stats), T(defaults_of_every_type), T(left_to_the_server), T(odd_defaults),
        T(refusals),
    };
    return cmocka_run_group_tests_name("postgres_describe", tests, NULL, NULL);
}
