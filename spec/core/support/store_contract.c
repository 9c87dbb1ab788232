/* SPDX-License-Identifier: MIT
 * The contract of stores. Rows are compared as tuples, byte for byte: what a probe reads back is encoded
 * again. */
#include "support/support.h"

#include <math.h>
#include <stdio.h>

#include "base/bigendian.h"
#include "support/store_contract.h"

enum { AMPLE_MS = 60 * 1000 };

/* ---- helpers ---- */

wb_schema *contract_schema(const wb_column *columns, size_t count)
{
    wb_schema *schema = NULL;
    wb_err err;
    if (wb_schema_new(columns, count, &schema, &err) != WB_OK)
        fail_msg("%s", err.text);
    return schema;
}

void contract_id(unsigned number, uint8_t id[16])
{
    memset(id, 0xab, 16);
    wb_put32(id, number);
}

void contract_add(wb_batch *batch, const wb_value *values, size_t count)
{
    wb_err err;
    size_t bytes = 0;
    assert_true(wb_batch_reserve(batch, wb_row_bound(batch->schema, values, count)));
    if (wb_row_encode(batch->schema, values, count, wb_batch_end(batch), &bytes, &err) != WB_OK)
        fail_msg("%s", err.text);
    wb_batch_push(batch, bytes, 0);
}

wb_schema *contract_notes(void)
{
    static const wb_column columns[] = {
        {.name = "id", .type = WB_TYPE_UUID},
        {.name = "note", .type = WB_TYPE_TEXT, .null = true},
        {.name = "hits", .type = WB_TYPE_INT8},
    };
    return contract_schema(columns, COLUMNS(columns));
}

wb_batch *contract_note_rows(wb_schema *schema, unsigned from, unsigned count)
{
    wb_batch *batch = wb_batch_new(schema);
    assert_non_null(batch);
    for (unsigned number = from; number < from + count; number++) {
        uint8_t id[16];
        char note[32];
        contract_id(number, id);
        int bytes = snprintf(note, sizeof note, "note %u", number);
        wb_value values[] = {
            {.kind = WB_TEXT, .bytes = sizeof id, .text = (const char *)id},
            {.kind = WB_TEXT, .bytes = (uint32_t)bytes, .text = note},
            VALUE_INT(number),
        };
        contract_add(batch, values, COLUMNS(values));
    }
    return batch;
}

wb_session *contract_session(wb_store *store, const wb_target *target)
{
    wb_session *session = store->class->session(store, target);
    assert_non_null(session);
    return session;
}

wb_deadline contract_until(int64_t ms)
{
    return (wb_deadline){.at_us = wb_now_us() + ms * 1000};
}

void contract_write(wb_session *session, const wb_batch *batch)
{
    wb_deadline deadline = contract_until(AMPLE_MS);
    wb_err err;
    if (session->class->write(session, batch, &deadline, &err) != WB_OK)
        fail_msg("%s", err.text);
}

void contract_refused(wb_session *session, const wb_batch *batch, int class, const char *text)
{
    wb_deadline deadline = contract_until(AMPLE_MS);
    wb_err err = {0};
    assert_int_equal(session->class->write(session, batch, &deadline, &err), WB_STORE);
    assert_int_equal(err.code, WB_STORE);
    if (strstr(err.text, text) == NULL)
        fail_msg("\"%s\" is not in \"%s\"", text, err.text);
    assert_int_equal(err.error_class, class);
    assert_false(err.in_doubt);
}

void contract_same_rows(const wb_batch *expected, const wb_batch *found)
{
    assert_int_equal(wb_batch_rows(expected), wb_batch_rows(found));
    for (size_t i = 0; i < wb_batch_rows(expected); i++) {
        size_t bytes, found_bytes;
        const uint8_t *row = wb_batch_row(expected, i, &bytes);
        const uint8_t *found_row = wb_batch_row(found, i, &found_bytes);
        assert_int_equal(bytes, found_bytes);
        assert_memory_equal(row, found_row, bytes);
    }
}

void contract_stored(const store_probe *probe, const char *table, const wb_batch *expected)
{
    wb_batch *found = probe->rows(probe->context, table, expected->schema);
    contract_same_rows(expected, found);
    wb_batch_free(found);
}

/* ---- writing ---- */

static const wb_column every_type[] = {
    {.name = "flag", .type = WB_TYPE_BOOL, .null = true},
    {.name = "small", .type = WB_TYPE_INT2, .null = true},
    {.name = "middle", .type = WB_TYPE_INT4, .null = true},
    {.name = "large", .type = WB_TYPE_INT8, .null = true},
    {.name = "single", .type = WB_TYPE_FLOAT4, .null = true},
    {.name = "double", .type = WB_TYPE_FLOAT8, .null = true},
    {.name = "words", .type = WB_TYPE_TEXT, .null = true},
    {.name = "raw", .type = WB_TYPE_BYTEA, .null = true},
    {.name = "id", .type = WB_TYPE_UUID, .null = true},
    {.name = "at", .type = WB_TYPE_TIMESTAMPTZ, .null = true},
    {.name = "on", .type = WB_TYPE_DATE, .null = true},
    {.name = "plain", .type = WB_TYPE_JSON, .null = true},
    {.name = "binary \"quoted\"", .type = WB_TYPE_JSONB, .null = true},
};

void contract_write_every_type(const store_probe *probe)
{
    wb_schema *schema = contract_schema(every_type, COLUMNS(every_type));
    wb_batch *batch = wb_batch_new(schema);
    const wb_value rows[][COLUMNS(every_type)] = {
        {{.kind = WB_BOOL, .i = 1},
         VALUE_INT(INT16_MIN),
         VALUE_INT(INT32_MIN),
         VALUE_INT(INT64_MIN),
         VALUE_FLOAT(-0.5),
         VALUE_FLOAT(-1.7976931348623157e308),
         VALUE_TEXT("caf\xc3\xa9 'quoted' 007"),
         VALUE_TEXT("\x00\xff\\x"),
         VALUE_TEXT("01234567-89ab-cdef-8123-456789abcdef"),
         VALUE_TEXT("0001-01-01T00:00:00Z"),
         VALUE_TEXT("0001-01-01"),
         VALUE_TEXT("{\"a\" : [1, 2]}"),
         VALUE_TEXT("12345678901234567890.5")},
        {{.kind = WB_BOOL, .i = 0},
         VALUE_INT(INT16_MAX),
         VALUE_INT(INT32_MAX),
         VALUE_INT(INT64_MAX),
         VALUE_FLOAT(0.1f),
         VALUE_FLOAT(INFINITY),
         VALUE_TEXT(""),
         VALUE_TEXT(""),
         VALUE_TEXT("FFFFFFFF-FFFF-FFFF-FFFF-FFFFFFFFFFFF"),
         VALUE_TEXT("9999-12-31T23:59:59.999999Z"),
         VALUE_TEXT("9999-12-31"),
         VALUE_TEXT("null"),
         VALUE_TEXT("\"text\"")},
        {{.kind = WB_BOOL, .i = 1},
         VALUE_INT(0),
         VALUE_INT(0),
         VALUE_INT(0),
         VALUE_FLOAT(0),
         VALUE_FLOAT(5e-324),
         VALUE_TEXT("12"),
         VALUE_TEXT("12"),
         VALUE_TEXT("00000000-0000-0000-0000-000000000000"),
         VALUE_TEXT("1969-12-31T23:59:59.999999Z"),
         VALUE_TEXT("1969-12-31"),
         VALUE_TEXT("1"),
         VALUE_TEXT("{}")},
        {VALUE_NULL, VALUE_NULL, VALUE_NULL, VALUE_NULL, VALUE_NULL, VALUE_NULL, VALUE_NULL,
         VALUE_NULL, VALUE_NULL, VALUE_NULL, VALUE_NULL, VALUE_NULL, VALUE_NULL},
    };
    for (size_t i = 0; i < COLUMNS(rows); i++)
        contract_add(batch, rows[i], COLUMNS(every_type));

    wb_target target = {.table = "every type", .schema = schema};
    wb_session *session = contract_session(probe->store, &target);
    contract_write(session, batch);
    contract_stored(probe, target.table, batch);

    session->class->end(session);
    wb_batch_free(batch);
    wb_schema_unref(schema);
}

/* Several batches through two sessions; of one, the rows before `first` are gone. */
void contract_write_batches(const store_probe *probe)
{
    wb_schema *schema = contract_notes();
    wb_target target = {.table = "notes", .schema = schema};
    wb_session *one = contract_session(probe->store, &target);
    wb_session *two = contract_session(probe->store, &target);
    wb_batch *first = contract_note_rows(schema, 0, 3),
             *second = contract_note_rows(schema, 3, 1500);
    wb_batch *third = contract_note_rows(schema, 1500, 5),
             *all = contract_note_rows(schema, 0, 1505);
    wb_batch_skip(third, 3);

    contract_write(one, first);
    contract_write(two, second);
    contract_write(one, third);
    contract_stored(probe, target.table, all);

    wb_batch_free(all);
    wb_batch_free(third);
    wb_batch_free(second);
    wb_batch_free(first);
    two->class->end(two);
    one->class->end(one);
    wb_schema_unref(schema);
}

/* ---- several tables ---- */

static void make(const store_probe *probe, const char *table, wb_schema *schema)
{
    if (probe->make != NULL)
        probe->make(probe->context, table, schema);
}

void contract_goes_to(wb_batch *batch, const char *table)
{
    wb_shared_text *name = table != NULL ? wb_shared_text_new(table) : NULL;
    wb_batch_goes_to(batch, name != NULL, name);
    wb_shared_text_unref(name);
}

static void write_to(wb_session *session, const char *table, unsigned from, unsigned count)
{
    wb_schema *schema = contract_notes();
    wb_batch *batch = contract_note_rows(schema, from, count);
    contract_goes_to(batch, table);
    contract_write(session, batch);
    wb_batch_free(batch);
    wb_schema_unref(schema);
}

/* A table "other" that notes do not fit. */
static void make_other(const store_probe *probe)
{
    static const wb_column columns[] = {
        {.name = "id", .type = WB_TYPE_UUID},
        {.name = "note", .type = WB_TYPE_TEXT, .null = true},
        {.name = "hits", .type = WB_TYPE_BOOL},
    };
    wb_schema *schema = contract_schema(columns, COLUMNS(columns));
    wb_target target = {.table = "other", .schema = schema};
    make(probe, target.table, schema);
    wb_session *session = contract_session(probe->store, &target);
    wb_batch *batch = wb_batch_new(schema);
    wb_value values[] = {
        VALUE_TEXT("01234567-89ab-cdef-8123-456789abcdef"), VALUE_NULL, {.kind = WB_BOOL, .i = 1}};
    contract_add(batch, values, COLUMNS(values));
    contract_write(session, batch);
    wb_batch_free(batch);
    session->class->end(session);
    wb_schema_unref(schema);
}

static void stored_notes(const store_probe *probe, const char *table, wb_schema *schema,
                         unsigned from, unsigned count)
{
    wb_batch *expected = contract_note_rows(schema, from, count);
    contract_stored(probe, table, expected);
    wb_batch_free(expected);
}

/* One session, batches of several tables by turns; one of the tables does not fit. A name is where the one
 * before it was: it counts for what it says. */
void contract_write_tables(const store_probe *probe)
{
    enum { ROUNDS = 5, ROWS = 20, TABLES = 3 };
    wb_schema *schema = contract_notes();
    wb_target target = {.table = "notes", .schema = schema};
    char name[32];
    make(probe, target.table, schema);
    for (int i = 0; i < TABLES; i++) {
        snprintf(name, sizeof name, "Notes of day %d", i);
        make(probe, name, schema);
    }
    make_other(probe);

    wb_session *session = contract_session(probe->store, &target);
    wb_batch *unfit = contract_note_rows(schema, 0, 1);
    contract_goes_to(unfit, "other");
    for (unsigned round = 0; round < ROUNDS; round++) {
        for (unsigned i = 0; i < TABLES; i++) {
            snprintf(name, sizeof name, "Notes of day %u", (i + round) % TABLES);
            write_to(session, name, round * ROWS, ROWS);
        }
        write_to(session, round % 2 == 0 ? NULL : "notes", round * ROWS, ROWS);
        contract_refused(session, unfit, WB_HOLD,
                         "table \"other\": column \"hits\" is bool in the");
    }
    session->class->end(session);

    stored_notes(probe, "notes", schema, 0, ROUNDS * ROWS);
    for (int i = 0; i < TABLES; i++) {
        snprintf(name, sizeof name, "Notes of day %d", i);
        stored_notes(probe, name, schema, 0, ROUNDS * ROWS);
    }
    wb_batch_free(unfit);
    wb_schema_unref(schema);
}

/* ---- what does not fit ---- */

static void refused_columns(const store_probe *probe, const wb_column *columns, size_t count,
                            const char *text)
{
    wb_schema *schema = contract_schema(columns, count);
    wb_target target = {.table = "notes", .schema = schema};
    wb_session *session = contract_session(probe->store, &target);
    wb_batch *batch = wb_batch_new(schema);
    wb_value values[] = {VALUE_TEXT("01234567-89ab-cdef-8123-456789abcdef"), VALUE_TEXT("12"),
                         VALUE_TEXT("x")};
    contract_add(batch, values, count);
    contract_refused(session, batch, WB_HOLD, text);
    wb_batch_free(batch);
    session->class->end(session);
    wb_schema_unref(schema);
}

/* A schema that is not the table's is held, named, and nothing of it is stored. */
void contract_write_schema_held(const store_probe *probe)
{
    static const wb_column other_type[] = {
        {.name = "id", .type = WB_TYPE_UUID},
        {.name = "note", .type = WB_TYPE_TEXT, .null = true},
        {.name = "hits", .type = WB_TYPE_TEXT},
    };
    static const wb_column other_name[] = {
        {.name = "id", .type = WB_TYPE_UUID},
        {.name = "note", .type = WB_TYPE_TEXT, .null = true},
        {.name = "misses", .type = WB_TYPE_TEXT},
    };
    static const wb_column fewer[] = {
        {.name = "id", .type = WB_TYPE_UUID},
        {.name = "note", .type = WB_TYPE_TEXT, .null = true},
    };
    wb_schema *schema = contract_notes();
    wb_target target = {.table = "notes", .schema = schema};
    wb_session *session = contract_session(probe->store, &target);
    wb_batch *batch = contract_note_rows(schema, 0, 2), *both = contract_note_rows(schema, 0, 4);
    contract_write(session, batch);

    refused_columns(probe, other_type, 3, "table \"notes\": column \"hits\" is int8 in the");
    refused_columns(probe, other_type, 3, ", text in the schema");
    refused_columns(probe, other_name, 3, "\"misses\" (text");
    refused_columns(probe, fewer, 2, "table \"notes\": column \"hits\" (int8)");
    contract_stored(probe, target.table, batch);
    wb_batch_free(batch);

    batch = contract_note_rows(schema, 2, 2);
    contract_write(session, batch);
    contract_stored(probe, target.table, both);

    wb_batch_free(both);
    wb_batch_free(batch);
    session->class->end(session);
    wb_schema_unref(schema);
}

void contract_describe(const store_probe *probe)
{
    wb_schema *schema = contract_schema(every_type, COLUMNS(every_type)), *described = NULL;
    wb_target target = {.table = "every type", .schema = schema};
    wb_session *session = contract_session(probe->store, &target);
    wb_batch *batch = wb_batch_new(schema);
    contract_add(batch, NULL, 0);
    contract_write(session, batch);

    wb_err err = {0};
    int64_t deadline_us = contract_until(AMPLE_MS).at_us;
    assert_int_equal(wb_store_schema(probe->store, "absent", deadline_us, &described, &err),
                     WB_STORE);
    assert_int_equal(err.error_class, WB_HOLD);
    assert_non_null(strstr(err.text, "table \"absent\""));
    assert_null(described);
    assert_int_equal(wb_store_schema(probe->store, target.table, deadline_us, &described, &err),
                     WB_OK);
    assert_int_equal(wb_schema_count(described), COLUMNS(every_type));
    for (size_t i = 0; i < COLUMNS(every_type); i++) {
        const wb_column *column = wb_schema_column(described, i);
        assert_string_equal(column->name, every_type[i].name);
        assert_int_equal(column->type, every_type[i].type);
        assert_true(column->null);
    }
    wb_schema_unref(described);
    wb_batch_free(batch);
    session->class->end(session);
    wb_schema_unref(schema);
}
