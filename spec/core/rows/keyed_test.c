/* SPDX-License-Identifier: MIT
 * A batch's rows arranged for an upsert: random batches against a plain loop over all rows, the order of keys of each
 * type, long keys, rows that are left out, no memory. */
#include "support/rounds.h"
#include "support/support.h"

#include <stdio.h>
#include <stdlib.h>

#include "base/env.h"
#include "rows/keyed.h"
#include "rows/upsert.h"

static const wb_value null = {.kind = WB_NULL};

static wb_value bytes_value(const void *data, size_t bytes)
{
    return (wb_value){.kind = WB_TEXT, .bytes = (uint32_t)bytes, .text = data};
}

static void add_row(wb_batch *batch, const wb_value *values)
{
    size_t bytes, count = wb_schema_count(batch->schema);
    wb_err err = {0};
    assert_true(wb_batch_reserve(batch, wb_row_bound(batch->schema, values, count)));
    if (wb_row_encode(batch->schema, values, count, wb_batch_end(batch), &bytes, &err) != WB_OK)
        fail_msg("%s", err.text);
    wb_batch_push(batch, bytes, 0);
}

/* ---- random batches ---- */

/* Key columns come third and first: text and int4. The others: a time, a sum that overflows, one that the server fills. */
enum { ID, AT, TENANT, SUM, LEFT, COLUMNS, MOST = 60 };

typedef struct row {
    int id, tenant;    /* of a few */
    int64_t at;        /* 0: NULL */
    int64_t sum, left; /* left 0: absent */
    int pass;
    size_t first;
} row;

static const char *const tenants[] = {"", "a", "ab", "b", "bc", "\xC3\xA9"};
static const int32_t ids[] = {0, 1, 2, 256, INT32_MAX, -1};

static wb_schema *random_schema(void)
{
    const wb_column columns[COLUMNS] = {
        [ID] = {.name = "id", .type = WB_TYPE_INT4},
        [AT] = {.name = "at", .type = WB_TYPE_INT8, .null = true},
        [TENANT] = {.name = "tenant", .type = WB_TYPE_TEXT},
        [SUM] = {.name = "sum", .type = WB_TYPE_INT2},
        [LEFT] = {.name = "left", .type = WB_TYPE_INT8, .server_default = true}};
    wb_schema *schema = NULL;
    assert_ok(wb_schema_new(columns, COLUMNS, &schema, NULL));
    return schema;
}

static void add(wb_batch *batch, const row *r)
{
    const wb_value values[COLUMNS] = {[ID] = int_value(ids[r->id]),
                                      [AT] = r->at == 0 ? null : int_value(r->at),
                                      [TENANT] = text_value(tenants[r->tenant]),
                                      [SUM] = int_value(r->sum),
                                      [LEFT] = r->left == 0 ? (wb_value){.kind = WB_ABSENT}
                                                            : int_value(r->left)};
    add_row(batch, values);
}

/* How an upsert merges: the four kinds, and what each says of the column `sum`. */
enum { PLAIN, NEWEST, NOTHING, SUMS, EXPRESSION, KINDS };

typedef struct kind {
    int32_t merge[COLUMNS];
    wb_upsert upsert;
} kind;

static const int32_t random_key[] = {TENANT, ID};

static void make_kind(int which, kind *k)
{
    *k = (kind){.merge = {[AT] = WB_MERGE_SET, [SUM] = WB_MERGE_SET, [LEFT] = WB_MERGE_SET}};
    k->upsert = (wb_upsert){.key = random_key, .key_count = 2, .newest = -1, .merge = k->merge};
    k->upsert.newest = which == NEWEST || which == SUMS ? AT : -1;
    k->upsert.nothing = which == NOTHING;
    k->merge[SUM] = which == SUMS         ? WB_MERGE_SUM
                    : which == EXPRESSION ? WB_MERGE_EXPRESSION
                                          : WB_MERGE_SET;
    if (which == NOTHING)
        memset(k->merge, 0, sizeof k->merge);
}

static int compare_keys(const row *a, const row *b)
{
    int order = strcmp(tenants[a->tenant], tenants[b->tenant]);
    if (order != 0)
        return order;
    uint32_t x = (uint32_t)ids[a->id], y = (uint32_t)ids[b->id];
    return (x > y) - (x < y);
}

/* Merges into the older one, or says that they stay two. */
static bool merge(int which, row *older, const row *newer)
{
    if (which == NOTHING)
        return true;
    if (which == EXPRESSION || (older->left == 0) != (newer->left == 0))
        return false;
    int64_t sum = older->sum + newer->sum;
    if (which == SUMS && (sum > INT16_MAX || sum < INT16_MIN))
        return false;
    bool late = which != PLAIN && older->at != 0 && (newer->at == 0 || newer->at < older->at);
    int64_t set = late ? older->sum : newer->sum;
    older->sum = which == SUMS ? sum : set;
    older->left = late ? older->left : newer->left;
    older->at = late ? older->at : newer->at;
    return true;
}

/* What is to be written of a list of rows, in the order of passes and then of keys. Answers how many. */
static size_t arrange(int which, const row *rows, const bool *there, size_t count, row *out,
                      size_t *superseded)
{
    size_t made = 0, written = 0, keys = 0;
    for (size_t i = 0; i < count; i++) {
        size_t last = SIZE_MAX;
        if (there != NULL && there[i])
            continue;
        written++;
        for (size_t j = 0; j < made; j++)
            if (compare_keys(&out[j], &rows[i]) == 0)
                last = j; /* of a key, later passes are made later */
        keys += last == SIZE_MAX;
        if (last != SIZE_MAX && merge(which, &out[last], &rows[i]))
            continue;
        out[made] = rows[i];
        out[made].first = i;
        out[made++].pass = last == SIZE_MAX ? 0 : out[last].pass + 1;
    }
    *superseded = which == PLAIN ? written - keys : written - made;
    if (which == SUMS || which == EXPRESSION)
        *superseded = 0;
    return made;
}

static int compare_arranged(const void *a, const void *b)
{
    const row *x = a, *y = b;
    return x->pass != y->pass ? x->pass - y->pass : compare_keys(x, y);
}

static void check_row(const wb_schema *schema, const wb_keyed_row *got, const row *expected)
{
    wb_value values[COLUMNS];
    const uint8_t *end = got->at + 2;
    wb_row_values(schema, got->at, values);
    for (int i = 0; i < COLUMNS; i++)
        end = wb_field_end(end);
    assert_int_equal(got->bytes, end - got->at);
    assert_int_equal(got->row, expected->first);
    assert_int_equal(values[ID].i, ids[expected->id]);
    assert_int_equal(values[TENANT].bytes, strlen(tenants[expected->tenant]));
    assert_memory_equal(values[TENANT].text, tenants[expected->tenant], values[TENANT].bytes);
    assert_int_equal(values[SUM].i, expected->sum);
    assert_int_equal(values[AT].kind, expected->at == 0 ? WB_NULL : WB_INT);
    assert_int_equal(values[LEFT].kind, expected->left == 0 ? WB_ABSENT : WB_INT);
    if (expected->at != 0)
        assert_int_equal(values[AT].i, expected->at);
    if (expected->left != 0)
        assert_int_equal(values[LEFT].i, expected->left);
}

static void check_arranged(const wb_batch *batch, int which, const row *rows, const bool *there)
{
    row expected[MOST];
    kind k;
    wb_keyed keyed;
    size_t superseded, at = 0;
    make_kind(which, &k);
    size_t count = arrange(which, rows, there, wb_batch_left(batch), expected, &superseded);
    qsort(expected, count, sizeof *expected, compare_arranged);
    assert_true(wb_keyed_of(batch, there, &k.upsert, &keyed));
    assert_int_equal(keyed.rows_count, count);
    assert_int_equal(keyed.superseded, superseded);
    assert_int_equal(keyed.count, count == 0 ? 0 : expected[count - 1].pass + 1);
    for (size_t pass = 0; pass < keyed.count; pass++) {
        assert_true(keyed.passes[pass].count > 0);
        for (size_t i = 0; i < keyed.passes[pass].count; i++, at++) {
            assert_int_equal(expected[at].pass, pass);
            check_row(batch->schema, &keyed.passes[pass].rows[i], &expected[at]);
        }
    }
    assert_int_equal(at, count);
    wb_keyed_fini(&keyed);
}

static void random_row(uint64_t *seed, size_t spread, row *r)
{
    *r = (row){.id = (int)random_below(seed, spread),
               .tenant = (int)random_below(seed, spread),
               .at = (int64_t)random_below(seed, 5),
               .sum = (int64_t)random_below(seed, 40000) - 20000,
               .left = (int64_t)random_below(seed, 4)};
}

static void random_batches(void **state)
{
    (void)state;
    uint64_t seed = 20261128;
    wb_schema *schema = random_schema();
    for (int i = 0; i < rounds(3000); i++) {
        row rows[MOST];
        bool there[MOST];
        size_t count = random_below(&seed, MOST + 1), spread = 1 + random_below(&seed, 6);
        size_t gone = random_below(&seed, 3);
        wb_batch *batch = wb_batch_new(schema);
        for (size_t j = 0; j < count; j++) {
            random_row(&seed, spread, &rows[j]);
            there[j] = random_below(&seed, 4) == 0;
            add(batch, &rows[j]);
        }
        gone = gone < count ? gone : 0;
        if (gone > 0)
            wb_batch_skip(batch, gone);
        for (int which = 0; which < KINDS; which++) {
            check_arranged(batch, which, rows + gone, NULL);
            check_arranged(batch, which, rows + gone, there + gone);
        }
        wb_batch_free(batch);
    }
    wb_schema_unref(schema);
}

static void all_left_out(void **state)
{
    (void)state;
    wb_schema *schema = random_schema();
    wb_batch *batch = wb_batch_new(schema);
    const row rows[2] = {{.id = 1}, {.id = 2}};
    const bool there[2] = {true, true};
    for (int which = 0; which < KINDS; which++)
        check_arranged(batch, which, rows, NULL);
    add(batch, &rows[0]);
    add(batch, &rows[1]);
    for (int which = 0; which < KINDS; which++)
        check_arranged(batch, which, rows, there);
    wb_batch_free(batch);
    wb_schema_unref(schema);
}

/* ---- keys ---- */

static const int32_t express_value[] = {WB_MERGE_KEEP, WB_MERGE_KEEP, WB_MERGE_EXPRESSION};

static wb_schema *keys_schema(int type, int other)
{
    const wb_column columns[] = {{.name = "one", .type = type},
                                 {.name = "two", .type = other},
                                 {.name = "value", .type = WB_TYPE_INT4}};
    wb_schema *schema = NULL;
    assert_ok(wb_schema_new(columns, 3, &schema, NULL));
    return schema;
}

typedef struct key {
    wb_value one, two;
} key;

/* keys: ascending and distinct. They are added in a random order, some of them twice. */
static void check_order(int type, int other, const key *keys, size_t count, uint64_t seed)
{
    static const int32_t columns[] = {0, 1};
    const wb_upsert upsert = {.key = columns, .key_count = 2, .newest = -1, .merge = express_value};
    wb_schema *schema = keys_schema(type, other);
    wb_batch *batch = wb_batch_new(schema);
    size_t *order = malloc(2 * count * sizeof *order), added = 0, twice = 0;
    for (size_t i = 0; i < count; i++)
        for (uint64_t n = 1 + (random_below(&seed, 4) == 0); n > 0; n--)
            order[added++] = i;
    for (size_t i = added; i > 1; i--) {
        size_t j = random_below(&seed, i), was = order[j];
        order[j] = order[i - 1];
        order[i - 1] = was;
    }
    for (size_t i = 0; i < added; i++) {
        const wb_value values[] = {keys[order[i]].one, keys[order[i]].two,
                                   int_value((int64_t)order[i])};
        add_row(batch, values);
    }
    twice = added - count;
    wb_keyed keyed;
    assert_true(wb_keyed_of(batch, NULL, &upsert, &keyed));
    assert_int_equal(keyed.count, 1 + (twice > 0));
    assert_int_equal(keyed.superseded, 0);
    assert_int_equal(keyed.passes[0].count, count);
    for (size_t i = 0; i < count; i++)
        assert_int_equal(wb_row_value(schema, keyed.passes[0].rows[i].at, 2).i, i);
    for (size_t i = 0; i < twice; i++) {
        const wb_keyed_row *late = &keyed.passes[1].rows[i];
        int64_t number = wb_row_value(schema, late->at, 2).i;
        assert_true(i == 0 || number > wb_row_value(schema, late[-1].at, 2).i);
        assert_true(keyed.passes[0].rows[number].row < late->row);
    }
    wb_keyed_fini(&keyed);
    wb_batch_free(batch);
    wb_schema_unref(schema);
    free(order);
}

#define COUNT(list) (sizeof(list) / sizeof *(list))
#define TEXT(t)                                                                                    \
    {                                                                                              \
        .kind = WB_TEXT, .bytes = sizeof(t) - 1, .text = (t)                                       \
    }
#define INT(n)                                                                                     \
    {                                                                                              \
        .kind = WB_INT, .i = (n)                                                                   \
    }

static void orders(void **state)
{
    (void)state;
    static const key texts[] = {
        {TEXT(""), TEXT("")},      {TEXT(""), TEXT("abc")},  {TEXT("a"), TEXT("")},
        {TEXT("a"), TEXT("bc")},   {TEXT("a"), TEXT("c")},   {TEXT("ab"), TEXT("")},
        {TEXT("ab"), TEXT("c")},   {TEXT("abc"), TEXT("")},  {TEXT("b"), TEXT("\x01")},
        {TEXT("b\x01"), TEXT("")}, {TEXT("\x7F"), TEXT("")}, {TEXT("\xC3\xA9"), TEXT("")}};
    static const key bytes[] = {
        {TEXT(""), TEXT("")},           {TEXT(""), TEXT("\0\0\0")},    {TEXT("\0"), TEXT("")},
        {TEXT("\0"), TEXT("\0\0")},     {TEXT("\0\0"), TEXT("")},      {TEXT("\0\0"), TEXT("\0")},
        {TEXT("\0\0\0"), TEXT("")},     {TEXT("\0\1"), TEXT("")},      {TEXT("\0\1\0"), TEXT("")},
        {TEXT("\0\xFF"), TEXT("")},     {TEXT("\1"), TEXT("")},        {TEXT("\1\0"), TEXT("\1")},
        {TEXT("\1\0\0"), TEXT("\xFF")}, {TEXT("\1\0\1"), TEXT("")},    {TEXT("\xFF"), TEXT("\0")},
        {TEXT("\xFF\0"), TEXT("")},     {TEXT("\xFF\xFF"), TEXT("\0")}};
    static const key numbers[] = {{INT(0), INT(0)},   {INT(0), INT(1)},   {INT(0), INT(-1)},
                                  {INT(1), INT(255)}, {INT(1), INT(256)}, {INT(256), INT(0)},
                                  {INT(-2), INT(7)},  {INT(-1), INT(-1)}};
    static const key addresses[] = {{TEXT("0.0.0.0/0"), INT(1)}, {TEXT("10.0.0.0/8"), INT(0)},
                                    {TEXT("10.0.0.1"), INT(0)},  {TEXT("10.0.0.1"), INT(1)},
                                    {TEXT("10.0.0.2"), INT(0)},  {TEXT("::/0"), INT(0)},
                                    {TEXT("::1"), INT(5)},       {TEXT("ff::1"), INT(0)}};
    for (uint64_t seed = 0; seed < 50; seed++) {
        check_order(WB_TYPE_TEXT, WB_TYPE_TEXT, texts, COUNT(texts), seed);
        check_order(WB_TYPE_BYTEA, WB_TYPE_BYTEA, bytes, COUNT(bytes), seed);
        check_order(WB_TYPE_INT2, WB_TYPE_INT8, numbers, COUNT(numbers), seed);
        check_order(WB_TYPE_INT8, WB_TYPE_INT4, numbers, COUNT(numbers), seed);
        check_order(WB_TYPE_INET, WB_TYPE_INT4, addresses, COUNT(addresses), seed);
    }
}

/* Each key begins the next one, so that every step of the sort parts one row from the rest; and groups that begin alike. */
static void long_keys(void **state)
{
    (void)state;
    enum { KEYS = 3000, GROUP = 40 };
    static char nested[KEYS + 1], groups[KEYS][80];
    static key keys[KEYS];
    memset(nested, 'a', sizeof nested);
    for (size_t i = 0; i < KEYS; i++)
        keys[i] = (key){bytes_value(nested, i), int_value(0)};
    check_order(WB_TYPE_TEXT, WB_TYPE_INT4, keys, KEYS, 1);
    check_order(WB_TYPE_BYTEA, WB_TYPE_INT4, keys, KEYS, 2);
    for (size_t i = 0; i < KEYS; i++) {
        snprintf(groups[i], sizeof groups[i],
                 "a prefix that all have in common %04zu and more %05zu", i / GROUP, i);
        keys[i] = (key){text_value(groups[i]), int_value((int64_t)i)};
    }
    check_order(WB_TYPE_TEXT, WB_TYPE_INT8, keys, KEYS, 3);
}

/* ---- one key alone, and no memory ---- */

static void one_key(void **state)
{
    (void)state;
    enum { ROWS = 5000 };
    wb_schema *schema = random_schema();
    wb_batch *batch = wb_batch_new(schema);
    for (int i = 0; i < ROWS; i++)
        add(batch, &(row){.id = 1, .tenant = 2, .at = i + 1, .sum = i % 2 ? -7 : 7, .left = 1});
    for (int which = 0; which < KINDS; which++) {
        kind k;
        wb_keyed keyed;
        make_kind(which, &k);
        assert_true(wb_keyed_of(batch, NULL, &k.upsert, &keyed));
        assert_int_equal(keyed.count, which == EXPRESSION ? ROWS : 1);
        assert_int_equal(keyed.superseded, which == SUMS || which == EXPRESSION ? 0 : ROWS - 1);
        for (size_t i = 0; i < keyed.count; i++) {
            assert_int_equal(keyed.passes[i].count, 1);
            assert_int_equal(keyed.passes[i].rows->row, i);
        }
        if (which == SUMS)
            assert_int_equal(wb_row_value(schema, keyed.rows->at, SUM).i, 0);
        wb_keyed_fini(&keyed);
    }
    wb_batch_free(batch);
    wb_schema_unref(schema);
}

static void no_memory(void **state)
{
    (void)state;
    uint64_t seed = 3;
    wb_schema *schema = random_schema();
    wb_batch *batch = wb_batch_new(schema);
    kind k;
    row r;
    make_kind(SUMS, &k);
    for (int i = 0; i < 300; i++) {
        random_row(&seed, 6, &r);
        add(batch, &r);
    }
    int failures = 0;
    for (size_t n = 1;; n++, failures++) {
        wb_keyed keyed;
        wb_alloc_fail_after(n);
        bool made = wb_keyed_of(batch, NULL, &k.upsert, &keyed);
        wb_alloc_fail_after(0);
        if (made) {
            assert_true(keyed.count > 1 && keyed.merged != NULL);
            wb_keyed_fini(&keyed);
            break;
        }
        assert_int_equal(keyed.count, 0);
        assert_null(keyed.rows);
    }
    assert_in_range(failures, 8, 40);
    wb_batch_free(batch);
    wb_schema_unref(schema);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(random_batches), cmocka_unit_test(all_left_out),
        cmocka_unit_test(orders),         cmocka_unit_test(long_keys),
        cmocka_unit_test(one_key),        cmocka_unit_test(no_memory),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
