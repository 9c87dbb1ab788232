/* SPDX-License-Identifier: MIT
 * Where rows came from: equal rows, ids that are made and ids that are given, what was told, what is forgotten. */
#include "support/support.h"

#include <stdlib.h>

#include "base/env.h"
#include "intake/origins.h"
#include "rows/row.h"
#include "support/values.h"

/* n int8, id uuid generated */
static wb_schema *rows_schema(void)
{
    const wb_column columns[] = {
        {.name = "n", .type = WB_TYPE_INT8},
        {.name = "id", .type = WB_TYPE_UUID, .generate = WB_UUIDV7},
    };
    return schema_of(columns, 2);
}

/* A tuple whose id awaits, or is given. */
static uint8_t *tuple_of(const wb_schema *schema, int64_t n, const char *id)
{
    const wb_value values[] = {integer(n), id != NULL ? text_of(id) : ABSENT};
    uint8_t *tuple = malloc(wb_row_bound(schema, values, 2));
    size_t bytes;
    assert_ok(wb_row_encode(schema, values, 2, tuple, &bytes, NULL));
    return tuple;
}

static void remember(wb_origins *origins, const wb_schema *schema, int64_t n, const char *id,
                     uint64_t line)
{
    const wb_refusal at = {.line = line, .offset = 10 * line, .bytes = 9};
    uint8_t *tuple = tuple_of(schema, n, id);
    wb_origins_put(origins, schema, tuple, &at);
    free(tuple);
}

/* The line of a row as the store has it, its id made; 0: nobody knows. */
static uint64_t line_of(wb_origins *origins, const wb_schema *schema, int64_t n, const char *id)
{
    wb_uuid_source source;
    wb_uuid_source_init(&source, &wb_env_system);
    uint8_t *tuple = tuple_of(schema, n, id);
    wb_row_generate(schema, &source, INT64_C(1715673600115245), tuple);
    const wb_origin *origin = wb_origins_tell(origins, schema, tuple);
    free(tuple);
    if (origin == NULL)
        return 0;
    assert_int_equal(origin->offset, 10 * origin->line);
    assert_int_equal(origin->bytes, 9);
    return origin->line;
}

#define ID_A "00000000-0000-4000-8000-00000000000a"
#define ID_B "00000000-0000-4000-8000-00000000000b"

static void test_rows_are_told_once(void **state)
{
    (void)state;
    wb_schema *schema = rows_schema();
    wb_origins *origins = wb_origins_new();
    assert_int_equal(line_of(origins, schema, 1, NULL), 0);
    remember(origins, schema, 1, NULL, 1);
    remember(origins, schema, 2, NULL, 2);
    remember(origins, schema, 3, ID_A, 3);
    assert_int_equal(line_of(origins, schema, 2, NULL), 2);
    assert_int_equal(line_of(origins, schema, 2, NULL), 0);
    assert_int_equal(line_of(origins, schema, 3, ID_A), 3);
    assert_int_equal(line_of(origins, schema, 4, NULL), 0);
    assert_int_equal(line_of(origins, schema, 1, NULL), 1);
    wb_origins_free(origins);
    wb_schema_unref(schema);
}

/* Nobody can tell them apart: each is told once, whichever it is. */
static void test_equal_rows(void **state)
{
    (void)state;
    wb_schema *schema = rows_schema();
    wb_origins *origins = wb_origins_new();
    uint64_t lines = 0;
    remember(origins, schema, 7, NULL, 1);
    remember(origins, schema, 7, ID_A, 2);
    remember(origins, schema, 7, ID_B, 4);
    for (int i = 0; i < 3; i++)
        lines += line_of(origins, schema, 7, NULL);
    assert_int_equal(lines, 7);
    assert_int_equal(line_of(origins, schema, 7, ID_A), 0);
    wb_origins_free(origins);
    wb_schema_unref(schema);
}

static void test_forgetting(void **state)
{
    (void)state;
    wb_schema *schema = rows_schema();
    wb_origins *origins = wb_origins_new();
    wb_origins_forget(origins, 3);
    for (int64_t n = 0; n < 5000; n++)
        remember(origins, schema, n, NULL, (uint64_t)n + 1);
    assert_int_equal(line_of(origins, schema, 4000, NULL), 4001);
    wb_origins_forget(origins, 3000);
    assert_int_equal(origins->count, 2000);
    assert_int_equal(line_of(origins, schema, 2999, NULL), 0);
    assert_int_equal(line_of(origins, schema, 3000, NULL), 3001);
    assert_int_equal(line_of(origins, schema, 4000, NULL), 0);
    remember(origins, schema, 2999, NULL, 9);
    assert_int_equal(line_of(origins, schema, 2999, NULL), 9);
    wb_origins_forget(origins, 100000);
    assert_int_equal(origins->count, 0);
    assert_int_equal(line_of(origins, schema, 4999, NULL), 0);
    wb_origins_free(origins);
    wb_schema_unref(schema);
}

/* What could not be remembered is not known, and the rest is. */
static void test_memory(void **state)
{
    (void)state;
    wb_schema *schema = rows_schema();
    for (size_t n = 1; n < 4; n++) {
        wb_origins *origins = wb_origins_new();
        for (int64_t i = 0; i < 1024; i++)
            remember(origins, schema, i, NULL, (uint64_t)i + 1);
        const wb_refusal at = {.line = 1025, .offset = 10250, .bytes = 9};
        uint8_t *tuple = tuple_of(schema, 1024, NULL);
        wb_alloc_fail_after(n);
        wb_origins_put(origins, schema, tuple, &at);
        wb_alloc_fail_after(0);
        free(tuple);
        assert_int_equal(line_of(origins, schema, 1024, NULL), n < 3 ? 0 : 1025);
        assert_int_equal(line_of(origins, schema, 1023, NULL), 1024);
        remember(origins, schema, 1025, NULL, 1026);
        assert_int_equal(line_of(origins, schema, 1025, NULL), 1026);
        wb_origins_free(origins);
    }
    wb_alloc_fail_after(1);
    assert_null(wb_origins_new());
    wb_alloc_fail_after(0);
    wb_origins_free(NULL);
    wb_schema_unref(schema);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_rows_are_told_once),
        cmocka_unit_test(test_equal_rows),
        cmocka_unit_test(test_forgetting),
        cmocka_unit_test(test_memory),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
