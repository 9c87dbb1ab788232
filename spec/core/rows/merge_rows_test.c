/* SPDX-License-Identifier: MIT
 * Two rows of one key made one: each word of each type, NULL, extremes, what stays two, decimal sums against sums of their
 * digits as text, and no memory. */
#include "support/rounds.h"
#include "support/support.h"

#include <math.h>
#include <stdio.h>

#include "base/env.h"
#include "rows/decimal.h"
#include "rows/merge_rows.h"
#include "rows/row.h"

enum { KEY, VALUE, NEWEST, COLUMNS, ROOM = 600 };

static const wb_value null = {.kind = WB_NULL};

static wb_value float_value(double f)
{
    return (wb_value){.kind = WB_FLOAT, .f = f};
}

/* A table of a key, one value of a type, and a time. */
typedef struct table {
    wb_schema *schema;
    int32_t key[1], merge[COLUMNS];
    wb_upsert upsert;
} table;

static void make_table(table *t, int type, int word, bool newest)
{
    const wb_column columns[COLUMNS] = {{.name = "key", .type = WB_TYPE_INT4},
                                        {.name = "value", .type = type, .null = true},
                                        {.name = "at", .type = WB_TYPE_INT8, .null = true}};
    wb_err err;
    *t = (table){.merge = {WB_MERGE_KEEP, word, WB_MERGE_SET}};
    assert_ok(wb_schema_new(columns, COLUMNS, &t->schema, &err));
    t->upsert = (wb_upsert){
        .key = t->key, .key_count = 1, .newest = newest ? NEWEST : -1, .merge = t->merge};
    assert_ok(wb_upsert_check(&t->upsert, t->schema, &err));
}

static void put_row(const table *t, wb_value value, wb_value at, uint8_t *to)
{
    const wb_value values[COLUMNS] = {int_value(7), value, at};
    size_t bytes;
    wb_err err = {0};
    assert_in_range(wb_row_bound(t->schema, values, COLUMNS), 1, ROOM);
    if (wb_row_encode(t->schema, values, COLUMNS, to, &bytes, &err) != WB_OK)
        fail_msg("%s", err.text);
}

/* The value as the table's rows have it. */
static wb_value encoded(const table *t, wb_value value, uint8_t *room)
{
    put_row(t, value, null, room);
    return wb_row_value(t->schema, room, VALUE);
}

static bool same_value(const wb_value *a, const wb_value *b)
{
    if (a->kind != b->kind)
        return false;
    if (a->kind == WB_TEXT)
        return a->bytes == b->bytes && memcmp(a->text, b->text, a->bytes) == 0;
    return a->kind == WB_FLOAT
               ? (isnan(a->f) && isnan(b->f)) || (a->f == b->f && signbit(a->f) == signbit(b->f))
               : a->kind == WB_NULL || a->i == b->i;
}

/* As wb_merging_add; false also where there is no memory. */
static bool merge_two(const wb_upsert *upsert, const wb_schema *schema, const uint8_t *older,
                      const uint8_t *newer, wb_buffer *out)
{
    wb_merging merging;
    bool merged = wb_merging_init(&merging, upsert, schema);
    if (merged) {
        wb_merging_begin(&merging, older);
        merged = wb_merging_add(&merging, newer);
    }
    if (merged)
        wb_merging_put(&merging, out);
    wb_merging_fini(&merging);
    return merged && !out->failed;
}

/* what: after a row of `older` came one of `newer`; NULL: they stay two. */
static void check(const table *t, wb_value older, wb_value older_at, wb_value newer,
                  wb_value newer_at, const wb_value *what)
{
    uint8_t a[ROOM], b[ROOM], c[ROOM];
    wb_buffer out = WB_BUFFER_EMPTY;
    put_row(t, older, older_at, a);
    put_row(t, newer, newer_at, b);
    wb_buffer_put(&out, "before", 6);
    bool merged = merge_two(&t->upsert, t->schema, a, b, &out);
    assert_false(out.failed);
    assert_int_equal(merged, what != NULL);
    assert_memory_equal(out.data, "before", 6);
    if (merged) {
        wb_value values[COLUMNS], expected = encoded(t, *what, c);
        assert_int_equal(wb_get16((uint8_t *)out.data + 6), COLUMNS);
        wb_row_values(t->schema, (uint8_t *)out.data + 6, values);
        assert_int_equal(values[KEY].i, 7);
        assert_true(same_value(&values[VALUE], &expected));
        size_t bytes = out.bytes;
        const uint8_t *end = (uint8_t *)out.data + 6 + 2;
        for (int i = 0; i < COLUMNS; i++)
            end = wb_field_end(end);
        assert_int_equal((const char *)end - out.data, bytes);
    } else {
        assert_int_equal(out.bytes, 6);
    }
    wb_buffer_fini(&out);
}

static void check_word(int type, int word, wb_value older, wb_value newer, const wb_value *what)
{
    table t;
    make_table(&t, type, word, false);
    check(&t, older, null, newer, null, what);
    wb_schema_unref(t.schema);
}

/* ---- what is chosen ---- */

/* In ascending order, of each type that has one. */
static const struct ordered {
    int type, count;
    wb_value values[8];
} ordered[] = {
#define TEXT(t)                                                                                    \
    {                                                                                              \
        .kind = WB_TEXT, .bytes = sizeof(t) - 1, .text = (t)                                       \
    }
#define INT(n)                                                                                     \
    {                                                                                              \
        .kind = WB_INT, .i = (n)                                                                   \
    }
#define FLOAT(n)                                                                                   \
    {                                                                                              \
        .kind = WB_FLOAT, .f = (n)                                                                 \
    }
    {WB_TYPE_INT2, 5, {INT(INT16_MIN), INT(-1), INT(0), INT(1), INT(INT16_MAX)}},
    {WB_TYPE_INT4, 5, {INT(INT32_MIN), INT(-1), INT(0), INT(1), INT(INT32_MAX)}},
    {WB_TYPE_INT8, 5, {INT(INT64_MIN), INT(-1), INT(0), INT(1), INT(INT64_MAX)}},
    {WB_TYPE_FLOAT4,
     7,
     {FLOAT(-INFINITY), FLOAT(-3e38), FLOAT(-1), FLOAT(0), FLOAT(1e-40), FLOAT(INFINITY),
      FLOAT(NAN)}},
    {WB_TYPE_FLOAT8,
     7,
     {FLOAT(-INFINITY), FLOAT(-1.7e308), FLOAT(-1), FLOAT(0), FLOAT(5e-324), FLOAT(INFINITY),
      FLOAT(NAN)}},
    {WB_TYPE_NUMERIC,
     8,
     {TEXT("-Infinity"), TEXT("-10000.1"), TEXT("-9999.99999"), TEXT("0.00"), TEXT("0.0001"),
      TEXT("99999999"), TEXT("Infinity"), TEXT("NaN")}},
    {WB_TYPE_TIMESTAMPTZ,
     5,
     {TEXT("-infinity"), TEXT("1999-12-31T23:59:59Z"), TEXT("2000-01-01T00:00:00Z"),
      TEXT("2024-05-06T07:08:09.000001Z"), TEXT("infinity")}},
    {WB_TYPE_TIMESTAMP,
     4,
     {TEXT("-infinity"), TEXT("1999-12-31T23:59:59"), TEXT("2000-01-01T00:00:00"),
      TEXT("infinity")}},
    {WB_TYPE_DATE,
     4,
     {TEXT("-infinity"), TEXT("1999-12-31"), TEXT("2024-05-06"), TEXT("infinity")}},
    {WB_TYPE_TIME, 3, {TEXT("00:00:00"), TEXT("00:00:00.000001"), TEXT("23:59:59")}},
    {WB_TYPE_UUID,
     3,
     {TEXT("00000000-0000-4000-8000-000000000000"), TEXT("7fffffff-0000-4000-8000-000000000000"),
      TEXT("80000000-0000-4000-8000-000000000000")}},
};

static void least_and_greatest(void **state)
{
    (void)state;
    for (size_t o = 0; o < sizeof ordered / sizeof *ordered; o++) {
        const struct ordered *of = &ordered[o];
        for (int a = 0; a < of->count; a++) {
            const wb_value *x = &of->values[a];
            for (int b = 0; b < of->count; b++) {
                const wb_value *y = &of->values[b];
                check_word(of->type, WB_MERGE_MIN, *x, *y, a < b ? x : y);
                check_word(of->type, WB_MERGE_MAX, *x, *y, a > b ? x : y);
            }
            for (int word = WB_MERGE_MIN; word <= WB_MERGE_MAX; word++) {
                check_word(of->type, word, *x, null, x);
                check_word(of->type, word, null, *x, x);
                check_word(of->type, word, null, null, &null);
            }
        }
    }
}

static void equals_keep_the_older(void **state)
{
    (void)state;
    const wb_value one = TEXT("1.0"), other = TEXT("1.00"), plus = FLOAT(0.0), minus = FLOAT(-0.0);
    for (int word = WB_MERGE_MIN; word <= WB_MERGE_MAX; word++) {
        check_word(WB_TYPE_NUMERIC, word, one, other, &one);
        check_word(WB_TYPE_NUMERIC, word, other, one, &other);
        check_word(WB_TYPE_FLOAT8, word, plus, minus, &plus);
        check_word(WB_TYPE_FLOAT4, word, minus, plus, &minus);
    }
}

static void first_last_keep_set(void **state)
{
    (void)state;
    const wb_value a = TEXT("a"), b = TEXT("bb");
    const struct {
        int word;
        const wb_value *of_both, *of_older, *of_newer; /* the others are NULL */
    } words[] = {{WB_MERGE_FIRST, &a, &a, &b},
                 {WB_MERGE_LAST, &b, &a, &b},
                 {WB_MERGE_KEEP, &a, &a, &null},
                 {WB_MERGE_SET, &b, &null, &b}};
    for (size_t i = 0; i < sizeof words / sizeof *words; i++) {
        check_word(WB_TYPE_TEXT, words[i].word, a, b, words[i].of_both);
        check_word(WB_TYPE_TEXT, words[i].word, a, null, words[i].of_older);
        check_word(WB_TYPE_TEXT, words[i].word, null, b, words[i].of_newer);
        check_word(WB_TYPE_TEXT, words[i].word, null, null, &null);
    }
}

static void newest_decides(void **state)
{
    (void)state;
    const wb_value a = TEXT("a"), b = TEXT("bb");
    const wb_value times[] = {null, INT(INT64_MIN), INT(-5), INT(INT64_MAX)};
    for (int i = 0; i < 4; i++) {
        for (int j = 0; j < 4; j++) {
            table t;
            make_table(&t, WB_TYPE_TEXT, WB_MERGE_SET, true);
            check(&t, a, times[i], b, times[j], i > j ? &a : &b);
            check(&t, null, times[i], b, times[j], i > j ? &null : &b);
            check(&t, a, times[i], null, times[j], i > j ? &a : &null);
            t.merge[VALUE] = WB_MERGE_LAST; /* the others go by what came */
            check(&t, a, times[i], b, times[j], &b);
            t.merge[VALUE] = WB_MERGE_FIRST;
            check(&t, a, times[i], b, times[j], &a);
            t.merge[VALUE] = WB_MERGE_KEEP;
            check(&t, a, times[i], b, times[j], &a);
            t.upsert.nothing = true;
            check(&t, a, times[i], b, times[j], &a);
            wb_schema_unref(t.schema);
        }
    }
}

/* A column of each type that can be `newest`. */
static void newest_of_each_type(void **state)
{
    (void)state;
    for (size_t o = 0; o < sizeof ordered / sizeof *ordered; o++) {
        const struct ordered *of = &ordered[o];
        table t;
        make_table(&t, of->type, WB_MERGE_SET, false);
        t.upsert.newest = VALUE;
        for (int i = 0; i < of->count; i++)
            for (int j = 0; j < of->count; j++)
                check(&t, of->values[i], null, of->values[j], null, &of->values[i > j ? i : j]);
        wb_schema_unref(t.schema);
    }
}

/* ---- sums ---- */

static void check_sum(int type, wb_value a, wb_value b, const wb_value *sum)
{
    check_word(type, WB_MERGE_SUM, a, b, sum);
    check_word(type, WB_MERGE_SUM, b, a, sum);
    check_word(type, WB_MERGE_SUM, a, null, &a);
    check_word(type, WB_MERGE_SUM, null, a, &a);
    check_word(type, WB_MERGE_SUM, null, null, &null);
}

static void check_ints(int type, int64_t low, int64_t high)
{
    const wb_value minus_one = INT(-1), zero = INT(0);
    check_sum(type, int_value(low), int_value(high), &minus_one);
    check_sum(type, int_value(low + 1), int_value(high), &zero);
    check_sum(type, int_value(high), int_value(1), NULL);
    check_sum(type, int_value(low), int_value(-1), NULL);
    check_sum(type, int_value(high), int_value(high), NULL);
    check_sum(type, int_value(low), int_value(low), NULL);
    const wb_value most = int_value(high), least = int_value(low);
    check_sum(type, int_value(high - 5), int_value(5), &most);
    check_sum(type, int_value(low + 5), int_value(-5), &least);
}

static void sums_of_ints(void **state)
{
    (void)state;
    check_ints(WB_TYPE_INT2, INT16_MIN, INT16_MAX);
    check_ints(WB_TYPE_INT4, INT32_MIN, INT32_MAX);
    check_ints(WB_TYPE_INT8, INT64_MIN, INT64_MAX);
}

static void sums_of_floats(void **state)
{
    (void)state;
    const wb_value nan = FLOAT(NAN), infinity = FLOAT(INFINITY), half = FLOAT(0.5);
    const wb_value tenths = FLOAT(0.1 + 0.2), tenths4 = FLOAT((double)(0.1F + 0.2F));
    const int types[] = {WB_TYPE_FLOAT4, WB_TYPE_FLOAT8};
    for (int i = 0; i < 2; i++) {
        check_sum(types[i], float_value(0.25), float_value(0.25), &half);
        check_sum(types[i], float_value(NAN), float_value(1), &nan);
        check_sum(types[i], float_value(INFINITY), float_value(1), &infinity);
        check_sum(types[i], float_value(INFINITY), float_value(INFINITY), &infinity);
        check_sum(types[i], float_value(INFINITY), float_value(-INFINITY), &nan);
    }
    check_sum(WB_TYPE_FLOAT8, float_value(0.1), float_value(0.2), &tenths);
    check_sum(WB_TYPE_FLOAT4, float_value(0.1), float_value(0.2), &tenths4);
    check_sum(WB_TYPE_FLOAT8, float_value(1.7e308), float_value(1.7e308), NULL);
    check_sum(WB_TYPE_FLOAT4, float_value(3e38), float_value(3e38), NULL);
    check_sum(WB_TYPE_FLOAT4, float_value(-3e38), float_value(-3e38), NULL);
}

static void sums_of_intervals(void **state)
{
    (void)state;
    const wb_value a = TEXT("P1M-2DT3S"), b = TEXT("P-3M5DT-4.5S"), sum = TEXT("P-2M3DT-1.5S");
    const wb_value long_ago = TEXT("P2147483647M"), month = TEXT("P1M"),
                   days = TEXT("P-2147483648D"), day = TEXT("P-1D"),
                   us = TEXT("9223372036854775807 microseconds"), one = TEXT("PT0.000001S");
    const wb_value odd = TEXT("2147483647 months 2147483647 days 9223372036854775806 microseconds"),
                   endless =
                       TEXT("2147483647 months 2147483647 days 9223372036854775807 microseconds"),
                   zero = TEXT("PT0S");
    check_sum(WB_TYPE_INTERVAL, a, b, &sum);
    check_sum(WB_TYPE_INTERVAL, long_ago, month, NULL);
    check_sum(WB_TYPE_INTERVAL, days, day, NULL);
    check_sum(WB_TYPE_INTERVAL, us, one, NULL);
    check_sum(WB_TYPE_INTERVAL, odd, one, NULL); /* PostgreSQL 17's infinity */
    check_sum(WB_TYPE_INTERVAL, endless, zero, NULL);
    check_sum(WB_TYPE_INTERVAL, odd, zero, &odd);
}

static void sums_of_numerics(void **state)
{
    (void)state;
    static const char *const sums[][3] = {
        {"0", "0", "0"},
        {"0.00", "0", "0.00"},
        {"1.50", "-1.5", "0.00"},
        {"-0.0001", "10000", "9999.9999"},
        {"9999", "1", "10000"},
        {"-9999.9999", "-0.0001", "-10000.0000"},
        {"1e40", "1e-40",
         "10000000000000000000000000000000000000000.0000000000000000000000000000"
         "000000000001"},
        {"123456789012345678901234567890", "0.1", "123456789012345678901234567890.1"},
        {"5", "0.000", "5.000"},
        {"NaN", "1", "NaN"},
        {"NaN", "Infinity", "NaN"},
        {"Infinity", "-5", "Infinity"},
        {"-Infinity", "5", "-Infinity"},
        {"Infinity", "Infinity", "Infinity"},
        {"-Infinity", "-Infinity", "-Infinity"},
        {"Infinity", "-Infinity", "NaN"},
    };
    for (size_t i = 0; i < sizeof sums / sizeof *sums; i++) {
        const wb_value sum = text_value(sums[i][2]);
        check_sum(WB_TYPE_NUMERIC, text_value(sums[i][0]), text_value(sums[i][1]), &sum);
    }
    const wb_value most = TEXT("9e131071"), digit = TEXT("1e131071"), least = TEXT("-9e131071");
    const wb_value eight = TEXT("8e131071"), minus = TEXT("-1e131071"), zero = TEXT("0");
    check_sum(WB_TYPE_NUMERIC, most, digit, NULL);
    check_sum(WB_TYPE_NUMERIC, least, minus, NULL);
    check_sum(WB_TYPE_NUMERIC, most, minus, &eight);
    check_sum(WB_TYPE_NUMERIC, most, least, &zero);
}

/* ---- decimal numbers against their digits ---- */

enum {
    DIGITS = 160,
    POINT = 80
}; /* decimal digits, most significant first; so many before the point */

typedef struct digits {
    int at[DIGITS], scale;
    bool negative;
} digits;

static void random_number(uint64_t *seed, char *text, digits *d)
{
    static const int lengths[] = {0, 1, 2, 4, 5, 9, 24, 70};
    int whole = lengths[random_below(seed, 8)];
    *d = (digits){.scale = lengths[random_below(seed, 8)], .negative = random_below(seed, 2)};
    int kind = (int)random_below(seed, 4); /* nines, zeros and others, so that there are carries */
    char *to = text;
    if (d->negative)
        *to++ = '-';
    *to++ = '0';
    for (int i = POINT - whole; i < POINT + d->scale; i++) {
        d->at[i] = kind == 0                            ? 9
                   : kind == 1 && random_below(seed, 8) ? 0
                                                        : (int)random_below(seed, 10);
        if (i == POINT)
            *to++ = '.';
        *to++ = (char)('0' + d->at[i]);
    }
    *to = '\0';
}

static int compare_digits(const digits *a, const digits *b)
{
    for (int i = 0; i < DIGITS; i++) {
        int x = a->negative ? -a->at[i] : a->at[i], y = b->negative ? -b->at[i] : b->at[i];
        if (x != y)
            return x < y ? -1 : 1;
    }
    return 0;
}

/* Signed digits are summed, then made those of one sign. */
static void sum_text(const digits *a, const digits *b, char *to)
{
    int sum[DIGITS], carry = 0, sign = 0, scale = a->scale > b->scale ? a->scale : b->scale;
    for (int i = 0; i < DIGITS; i++) {
        sum[i] = (a->negative ? -a->at[i] : a->at[i]) + (b->negative ? -b->at[i] : b->at[i]);
        sign = sign == 0 ? (sum[i] > 0) - (sum[i] < 0) : sign;
    }
    for (int pass = 0; pass < 2; pass++) { /* a leading 1 may turn out to be one that is borrowed */
        carry = 0;
        for (int i = DIGITS - 1; i >= 0; i--) {
            int digit = (pass == 0 && sign < 0 ? -sum[i] : sum[i]) + carry;
            carry = digit < 0 ? -1 : digit / 10;
            sum[i] = digit - 10 * carry;
        }
    }
    if (sign < 0)
        *to++ = '-';
    int first = 0;
    while (first < POINT - 1 && sum[first] == 0)
        first++;
    for (int i = first; i < POINT + scale; i++) {
        if (i == POINT)
            *to++ = '.';
        *to++ = (char)('0' + sum[i]);
    }
    *to = '\0';
}

static void read_number(const char *text, uint8_t *to, size_t *bytes)
{
    assert_null(wb_decimal_read(text, strlen(text), to, bytes));
}

static void random_numerics(void **state)
{
    (void)state;
    uint64_t seed = 15;
    for (int i = 0; i < rounds(20000); i++) {
        digits a, b;
        char x[DIGITS + 8], y[DIGITS + 8], z[DIGITS + 8];
        uint8_t one[ROOM], other[ROOM], expected[ROOM];
        size_t bytes;
        random_number(&seed, x, &a);
        random_number(&seed, y, &b);
        if (i % 7 == 0) { /* the same size */
            memcpy(b.at, a.at, sizeof b.at);
            b.scale = a.scale;
            snprintf(y, sizeof y, "%s%s", b.negative ? "-" : "", x + a.negative);
        }
        sum_text(&a, &b, z);
        read_number(x, one, &bytes);
        read_number(y, other, &bytes);
        read_number(z, expected, &bytes);
        int order = wb_decimal_compare(one, other);
        assert_int_equal((order > 0) - (order < 0), compare_digits(&a, &b));
        wb_buffer out = WB_BUFFER_EMPTY;
        assert_true(wb_decimal_add(&out, one, other));
        assert_int_equal(out.bytes, bytes);
        assert_memory_equal(out.data, expected, bytes);
        wb_buffer_fini(&out);
    }
}

/* ---- what stays two ---- */

static void shapes_differ(void **state)
{
    (void)state;
    const wb_column columns[] = {
        {.name = "key", .type = WB_TYPE_INT4},
        {.name = "value", .type = WB_TYPE_INT4, .null = true, .server_default = true}};
    const int32_t key[] = {0}, merge[] = {WB_MERGE_KEEP, WB_MERGE_LAST};
    wb_upsert upsert = {.key = key, .key_count = 1, .newest = -1, .merge = merge};
    const wb_value rows[][2] = {
        {int_value(1), {.kind = WB_ABSENT}}, {int_value(1), null}, {int_value(1), int_value(5)}};
    uint8_t tuples[3][ROOM];
    size_t bytes[3];
    wb_schema *schema = NULL;
    assert_ok(wb_schema_new(columns, 2, &schema, NULL));
    for (int i = 0; i < 3; i++)
        assert_ok(wb_row_encode(schema, rows[i], 2, tuples[i], &bytes[i], NULL));
    for (int i = 0; i < 3; i++) {
        for (int j = 0; j < 3; j++) {
            wb_buffer out = WB_BUFFER_EMPTY;
            upsert.nothing = false;
            assert_int_equal(merge_two(&upsert, schema, tuples[i], tuples[j], &out),
                             (i == 0) == (j == 0));
            out.bytes = 0;
            upsert.nothing = true;
            assert_true(merge_two(&upsert, schema, tuples[i], tuples[j], &out));
            assert_int_equal(out.bytes, bytes[i]);
            assert_memory_equal(out.data, tuples[i], bytes[i]);
            wb_buffer_fini(&out);
        }
    }
    wb_schema_unref(schema);
}

/* A row that can't be merged changes nothing, wherever its columns stop; the next one can be. */
static void goes_on(void **state)
{
    (void)state;
    enum { MANY = 4 };
    const wb_column columns[MANY] = {{.name = "key", .type = WB_TYPE_INT4},
                                     {.name = "total", .type = WB_TYPE_NUMERIC, .null = true},
                                     {.name = "text", .type = WB_TYPE_TEXT},
                                     {.name = "small", .type = WB_TYPE_INT2}};
    const int32_t key[] = {0}, merge[] = {WB_MERGE_KEEP, WB_MERGE_SUM, WB_MERGE_LAST, WB_MERGE_SUM};
    const wb_upsert upsert = {.key = key, .key_count = 1, .newest = -1, .merge = merge};
    const wb_value rows[][MANY] = {{int_value(1), TEXT("0.5"), TEXT("a"), int_value(30000)},
                                   {int_value(1), null, TEXT("b"), int_value(2000)},
                                   {int_value(1), TEXT("1e30"), TEXT("c"), int_value(768)},
                                   {int_value(1), TEXT("2.25"), TEXT("d"), int_value(-1)},
                                   {int_value(1), null, TEXT("e"), int_value(769)}};
    const bool merges[] = {true, true, false, true, false};
    const wb_value whole[MANY] = {int_value(1), TEXT("2.75"), TEXT("d"), int_value(31999)};
    uint8_t tuples[5][ROOM], expected[ROOM];
    size_t bytes;
    wb_schema *schema = NULL;
    wb_merging merging;
    assert_ok(wb_schema_new(columns, MANY, &schema, NULL));
    for (int i = 0; i < 5; i++)
        assert_ok(wb_row_encode(schema, rows[i], MANY, tuples[i], &bytes, NULL));
    assert_ok(wb_row_encode(schema, whole, MANY, expected, &bytes, NULL));
    assert_true(wb_merging_init(&merging, &upsert, schema));
    for (int time = 0; time < 2; time++) {
        wb_buffer out = WB_BUFFER_EMPTY;
        wb_merging_begin(&merging, tuples[0]);
        for (int i = 1; i < 5; i++)
            assert_int_equal(wb_merging_add(&merging, tuples[i]), merges[i]);
        assert_false(wb_merging_failed(&merging));
        assert_int_equal(merging.bytes, bytes);
        wb_merging_put(&merging, &out);
        assert_int_equal(out.bytes, bytes);
        assert_memory_equal(out.data, expected, bytes);
        wb_buffer_fini(&out);
    }
    wb_merging_fini(&merging);
    wb_schema_unref(schema);
}

static void no_memory(void **state)
{
    (void)state;
    const wb_value numbers[] = {TEXT("1.5"), TEXT("9e2000"), TEXT("NaN"), TEXT("0")};
    static uint8_t rows[4][ROOM];
    table t;
    int failures = 0;
    make_table(&t, WB_TYPE_NUMERIC, WB_MERGE_SUM, true);
    for (int i = 0; i < 4; i++)
        put_row(&t, numbers[i], int_value(i), rows[i]);
    for (int i = 0; i < 4; i++) {
        for (size_t n = 1;; n++, failures++) {
            wb_buffer out = WB_BUFFER_EMPTY;
            wb_alloc_fail_after(n);
            bool merged = merge_two(&t.upsert, t.schema, rows[i], rows[1], &out);
            wb_alloc_fail_after(0);
            wb_buffer_fini(&out);
            if (merged)
                break;
        }
    }
    assert_in_range(failures, 16, 24);
    wb_schema_unref(t.schema);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(least_and_greatest),  cmocka_unit_test(equals_keep_the_older),
        cmocka_unit_test(first_last_keep_set), cmocka_unit_test(newest_decides),
        cmocka_unit_test(newest_of_each_type), cmocka_unit_test(sums_of_ints),
        cmocka_unit_test(sums_of_floats),      cmocka_unit_test(sums_of_intervals),
        cmocka_unit_test(sums_of_numerics),    cmocka_unit_test(random_numerics),
        cmocka_unit_test(shapes_differ),       cmocka_unit_test(goes_on),
        cmocka_unit_test(no_memory),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
