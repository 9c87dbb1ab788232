/* SPDX-License-Identifier: MIT
 * Shapes: what is given and what is left, told apart in one word and in several, too many of them, and COPY streams. */
#include <stdio.h>

#include "support/support.h"

#include "base/bigendian.h"
#include "base/env.h"
#include "rows/shape.h"

enum { COLUMNS = 130 };

/* Column 0 must be given; all others may be left. */
static wb_schema *wide_schema(size_t count)
{
    static char names[COLUMNS][8];
    wb_column columns[COLUMNS] = {{.name = "must", .type = WB_TYPE_INT4}};
    wb_schema *schema = NULL;
    for (size_t i = 1; i < count; i++) {
        snprintf(names[i], sizeof names[i], "c%zu", i);
        columns[i] = (wb_column){.name = names[i],
                                 .type = i % 2 ? WB_TYPE_INT4 : WB_TYPE_TEXT,
                                 .null = i % 3 == 0,
                                 .server_default = true};
    }
    assert_ok(wb_schema_new(columns, count, &schema, NULL));
    return schema;
}

static void add_row(wb_batch *batch, const wb_value *values)
{
    size_t bytes, count = wb_schema_count(batch->schema);
    assert_true(wb_batch_reserve(batch, wb_row_bound(batch->schema, values, count)));
    assert_ok(wb_row_encode(batch->schema, values, count, wb_batch_end(batch), &bytes, NULL));
    wb_batch_push(batch, bytes, 0);
}

/* A row that gives, besides the first, one column alone. */
static void add_with(wb_batch *batch, size_t column)
{
    wb_value values[COLUMNS] = {int_value(7)};
    values[column] = column % 2 || column == 0 ? int_value((int64_t)column) : text_value("text");
    add_row(batch, values);
}

static void given_and_left(void **state)
{
    (void)state;
    for (size_t count = 2; count <= COLUMNS; count += 32) {
        wb_schema *schema = wide_schema(count);
        wb_batch *batch = wb_batch_new(schema);
        wb_shapes shapes;
        for (size_t row = 0; row < 6; row++)
            add_with(batch, row % 2 ? count - 1 : 0);
        assert_true(wb_shapes_of(batch, &shapes));
        assert_int_equal(shapes.count, 2);
        for (size_t row = 0; row < 6; row++) {
            size_t class = wb_class_shape(batch, row, &shapes);
            assert_int_equal(class, row % 2);
            for (size_t i = 0; i < count; i++)
                assert_int_equal(wb_shape_gives(schema, shapes.shapes + class * shapes.words, i),
                                 i == 0 || (row % 2 == 1 && i == count - 1));
        }
        wb_shapes_fini(&shapes);
        wb_batch_free(batch);
        wb_schema_unref(schema);
    }
}

static void too_many(void **state)
{
    (void)state;
    wb_schema *schema = wide_schema(20);
    wb_batch *batch = wb_batch_new(schema);
    wb_shapes shapes;
    for (size_t column = 1; column <= WB_SHAPES + 1; column++) {
        add_with(batch, column);
        assert_true(wb_shapes_of(batch, &shapes));
        assert_int_equal(shapes.count, column);
        assert_int_equal(wb_class_shape(batch, column - 1, &shapes),
                         column > WB_SHAPES ? 0 : column - 1);
        wb_shapes_fini(&shapes);
    }
    wb_batch_free(batch);
    wb_schema_unref(schema);
}

static void nil_is_not_null(void **state)
{
    (void)state;
    wb_schema *schema = wide_schema(4); /* c3 may be NULL, c1 and c2 may not */
    const wb_value null = {.kind = WB_NULL};
    const wb_value values[] = {int_value(1), null, null, null};
    wb_batch *batch = wb_batch_new(schema);
    wb_value read[4];
    add_row(batch, values);
    wb_batch_values(batch, 0, read);
    assert_int_equal(read[1].kind, WB_ABSENT);
    assert_int_equal(read[2].kind, WB_ABSENT);
    assert_int_equal(read[3].kind, WB_NULL);
    assert_false(wb_batch_gives(batch, 1));
    assert_true(wb_batch_gives(batch, 3));
    wb_batch_free(batch);
    wb_schema_unref(schema);
}

static void streams(void **state)
{
    (void)state;
    wb_schema *schema = wide_schema(4);
    wb_batch *batch = wb_batch_new(schema);
    uint8_t *stream = NULL;
    size_t bytes;
    wb_err err;
    add_with(batch, 1);
    add_with(batch, 1);
    assert_ok(wb_batch_copy_binary(batch, &stream, &bytes, &err));
    assert_int_equal(bytes, WB_COPY_HEADER_BYTES + 2 * (2 + 8 + 8) + WB_COPY_TRAILER_BYTES);
    assert_int_equal(wb_get16(stream + WB_COPY_HEADER_BYTES), 2);
    assert_int_equal(wb_get32(stream + WB_COPY_HEADER_BYTES + 2 + 8 + 4), 1);
    wb_free(stream);
    add_with(batch, 2);
    assert_int_equal(wb_batch_copy_binary(batch, &stream, &bytes, &err), WB_INVALID);
    assert_string_equal(
        err.text, "no COPY stream has these rows: not all leave the same columns to the server");
    char *json = NULL;
    assert_ok(wb_batch_ndjson(batch, &json, &bytes, &err));
    assert_string_equal(json, "{\"must\":7,\"c1\":1}\n{\"must\":7,\"c1\":1}\n"
                              "{\"must\":7,\"c2\":\"text\"}\n");
    wb_free(json);
    wb_batch_free(batch);
    wb_schema_unref(schema);
}

static void refused(void **state)
{
    (void)state;
    wb_schema *schema = NULL;
    wb_err err;
    wb_column column = {.name = "id", .type = WB_TYPE_UUID, .server_default = true};
    column.generate = WB_UUIDV7;
    assert_int_equal(wb_schema_new(&column, 1, &schema, &err), WB_INVALID);
    column.generate = WB_GIVEN;
    column.default_value = text_value("018bcfe5-6be8-7000-ba42-55942e14460b");
    assert_int_equal(wb_schema_new(&column, 1, &schema, &err), WB_INVALID);
    assert_string_equal(err.text,
                        "column \"id\" (uuid): what the server fills has no other default "
                        "and no generator");
}

/* Each allocation fails in turn: nothing is lost, nothing leaks. */
static void without_memory(void **state)
{
    (void)state;
    wb_schema *schema = wide_schema(4);
    wb_batch *batch = wb_batch_new(schema);
    wb_shapes shapes;
    add_with(batch, 1);
    wb_alloc_fail_after(1);
    assert_false(wb_shapes_of(batch, &shapes));
    wb_alloc_fail_after(0);
    assert_int_equal(wb_batch_left(batch), 1);
    wb_batch_free(batch);
    wb_schema_unref(schema);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(given_and_left),  cmocka_unit_test(too_many),
        cmocka_unit_test(nil_is_not_null), cmocka_unit_test(streams),
        cmocka_unit_test(refused),         cmocka_unit_test(without_memory),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
