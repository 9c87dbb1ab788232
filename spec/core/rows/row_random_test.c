/* SPDX-License-Identifier: MIT
 * 10,000 random rows of random schemas: what is encoded is read back, and fits its bound. The seed is
 * fixed. */
#include <inttypes.h>
#include <math.h>
#include <stdio.h>

#include "base/timestamp.h"
#include "support/values.h"

enum { ALL = WB_TYPE_JSONB + 1 }; /* as many columns as there are types */

static uint64_t seed;

static uint64_t dice(void)
{
    seed ^= seed << 13;
    seed ^= seed >> 7;
    seed ^= seed << 17;
    return seed * UINT64_C(0x2545f4914f6cdd1d);
}

static int64_t dice_between(int64_t min, int64_t max)
{
    uint64_t span = (uint64_t)max - (uint64_t)min + 1;
    return (int64_t)((uint64_t)min + (span ? (dice() >> 1) % span : dice()));
}

static double dice_double(void)
{
    uint64_t word = dice();
    double f;
    memcpy(&f, &word, sizeof f);
    return f;
}

static float dice_float(void)
{
    uint32_t word = (uint32_t)(dice() >> 32);
    float f;
    memcpy(&f, &word, sizeof f);
    return isnan(f) ? 1.5F : f; /* a signalling NaN changes when it is widened */
}

static size_t dice_bytes(char *out, size_t most)
{
    size_t bytes = dice() % (most + 1);
    for (size_t i = 0; i < bytes; i++)
        out[i] = (char)(dice() >> 56);
    return bytes;
}

static size_t dice_text(char *out, size_t most)
{
    static const char *const pieces[] = {"a", "\n", "'", "\"", "\\", "é", "€", "𝄞", "0", " "};
    size_t bytes = 0;
    for (size_t count = dice() % (most / 4 + 1); count > 0; count--) {
        const char *piece = pieces[(dice() >> 32) % 10];
        memcpy(out + bytes, piece, strlen(piece));
        bytes += strlen(piece);
    }
    return bytes;
}

/* A random value that a column takes, and what it is read back as. */
static void dice_value(int type, char *scratch, wb_value *given, wb_value *expected)
{
    int32_t days;
    bool as_text = dice() >> 63;
    switch (type) {
    case WB_TYPE_BOOL:
        *given = *expected = boolean(dice() >> 63);
        return;
    case WB_TYPE_INT2:
        *given = *expected = integer(dice_between(INT16_MIN, INT16_MAX));
        break;
    case WB_TYPE_INT4:
        *given = *expected = integer(dice_between(INT32_MIN, INT32_MAX));
        break;
    case WB_TYPE_INT8:
        *given = *expected = integer(dice_between(INT64_MIN, INT64_MAX));
        return;
    case WB_TYPE_FLOAT4:
        *given = *expected = number((double)dice_float());
        return;
    case WB_TYPE_FLOAT8:
        *given = *expected = number(dice_double());
        return;
    case WB_TYPE_TEXT:
        *given = *expected = bytes_of(scratch, dice_text(scratch, 200));
        return;
    case WB_TYPE_BYTEA:
        *given = *expected = bytes_of(scratch, dice_bytes(scratch, 200));
        return;
    case WB_TYPE_UUID:
        for (int i = 0; i < 16; i++)
            scratch[i] = (char)(dice() >> 56);
        wb_uuid_format((uint8_t *)scratch, scratch + 16);
        *expected = bytes_of(scratch, 16);
        *given = as_text ? bytes_of(scratch + 16, 36) : *expected;
        return;
    case WB_TYPE_TIMESTAMPTZ:
        *expected = integer(dice_between(WB_TIME_MIN_US, WB_TIME_MAX_US));
        wb_timestamp_format(expected->i, scratch);
        *given = text_of(scratch);
        return;
    case WB_TYPE_DATE:
        days = (int32_t)dice_between(-719162, 2932896);
        wb_date_format(days, scratch);
        *expected = integer(days);
        *given = as_text ? text_of(scratch) : *expected;
        return;
    default:
        sprintf(scratch, "{\"n\": [%" PRId64 ", null, \"é\"]}", (int64_t)dice());
        *given = *expected = text_of(scratch);
        return;
    }
    if (as_text) /* a small integer may come as a float */
        *given = number((double)given->i);
}

static void values_equal(const wb_value *value, const wb_value *expected)
{
    assert_int_equal(value->kind, expected->kind);
    if (expected->kind == WB_TEXT) {
        assert_int_equal(value->bytes, expected->bytes);
        if (value->bytes > 0)
            assert_memory_equal(value->text, expected->text, value->bytes);
    } else if (expected->kind != WB_NULL) {
        assert_memory_equal(&value->i, &expected->i, sizeof value->i);
    }
}

/* Columns in random order, each of which may be nullable or have a default. */
static wb_schema *dice_schema(wb_column *columns, char (*names)[8], char (*scratch)[256],
                              wb_value *reads)
{
    for (int i = 0; i < ALL; i++) {
        sprintf(names[i], "c%d", i);
        columns[i] =
            (wb_column){.name = names[i], .type = (int)(dice() % ALL), .null = dice() >> 63};
        reads[i] = NIL;
        if (dice() >> 63)
            dice_value(columns[i].type, scratch[i], &columns[i].default_value, &reads[i]);
    }
    return schema_of(columns, ALL);
}

static void one_random_row(const wb_schema *schema, const wb_column *columns,
                           const wb_value *defaults)
{
    static char scratch[ALL][256];
    wb_value given[ALL], expected[ALL], out[ALL];
    for (int i = 0; i < ALL; i++) {
        const wb_column *column = &columns[i];
        dice_value(column->type, scratch[i], &given[i], &expected[i]);
        bool has_default = column->default_value.kind != WB_ABSENT;
        if ((column->null || has_default) && dice() % 4 == 0) {
            given[i] = dice() >> 63 ? NIL : ABSENT;
            bool null = column->null && (given[i].kind == WB_NULL || !has_default);
            expected[i] = null ? NIL : defaults[i];
        }
    }
    size_t bytes;
    uint8_t *tuple = encoded(schema, NULL, given, ALL, &bytes);
    wb_row_values(schema, tuple, out);
    for (int i = 0; i < ALL; i++)
        values_equal(&out[i], &expected[i]);
    free(tuple);
}

static void test_random_rows(void **state)
{
    (void)state;
    seed = 20240514;
    for (int schemas = 0; schemas < 200; schemas++) {
        wb_column columns[ALL];
        char names[ALL][8], scratch[ALL][256];
        wb_value defaults[ALL];
        wb_schema *schema = dice_schema(columns, names, scratch, defaults);
        for (int rows = 0; rows < 50; rows++)
            one_random_row(schema, columns, defaults);
        wb_schema_unref(schema);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_random_rows),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
