/* SPDX-License-Identifier: MIT
 * Values of lenient columns. What add makes of them: spec/lua/lenient_spec.lua. Here is what Lua's strings hide: a text
 * has no NUL behind it, and may be of any length. */
#include "support/values.h"

#include "rows/clean.h"
#include "rows/row.h"

/* Cleans a text that lies in memory of just its size, so that a checker of memory sees a look past its end. */
static wb_value cleaned_of(int type, const char *given)
{
    const wb_column column = {.name = "c", .type = type, .lenient = true};
    wb_schema *schema = schema_of(&column, 1);
    size_t bytes = strlen(given);
    char *copy = malloc(bytes);
    memcpy(copy, given, bytes);
    wb_value value = bytes_of(copy, bytes);
    wb_cleaned cleaned;
    assert_true(wb_clean(schema, &value, 1, &cleaned));
    wb_value out = cleaned.values[0];
    wb_cleaned_fini(&cleaned);
    free(copy);
    wb_schema_unref(schema);
    return out;
}

static void test_ends(void **state)
{
    (void)state;
    assert_int_equal(cleaned_of(WB_TYPE_TIMESTAMPTZ, "1715673600.123").kind, WB_FLOAT);
    assert_true(cleaned_of(WB_TYPE_TIMESTAMP, "1715673600.123").f == 1715673600.123);
    assert_int_equal(cleaned_of(WB_TYPE_TIMESTAMPTZ, "20240514").kind, WB_TEXT);
    assert_int_equal(cleaned_of(WB_TYPE_TIMESTAMPTZ, "1.5Z").kind, WB_TEXT);
    assert_true(cleaned_of(WB_TYPE_FLOAT8, "1.5e3").f == 1500);
    assert_true(cleaned_of(WB_TYPE_INT8, "-12").i == -12);
    assert_int_equal(cleaned_of(WB_TYPE_BOOL, "yes").kind, WB_BOOL);
}

/* Its bytes are not even looked at. */
static void test_a_text_that_no_tuple_holds(void **state)
{
    (void)state;
    const wb_column column = {.name = "c", .type = WB_TYPE_TEXT, .max = 3, .lenient = true};
    wb_schema *schema = schema_of(&column, 1);
    wb_value value = bytes_of("\xff", WB_TUPLE_MAX_BYTES + 1);
    wb_cleaned cleaned;
    assert_true(wb_clean(schema, &value, 1, &cleaned));
    assert_ptr_equal(cleaned.values[0].text, value.text);
    assert_int_equal(cleaned.values[0].bytes, value.bytes);
    assert_int_equal(cleaned.changed, 0);
    wb_cleaned_fini(&cleaned);
    wb_schema_unref(schema);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_ends),
        cmocka_unit_test(test_a_text_that_no_tuple_holds),
    };
    return cmocka_run_group_tests_name("clean", tests, NULL, NULL);
}
