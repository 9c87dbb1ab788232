/* SPDX-License-Identifier: MIT
 * What finds the row of a key: which batches it believes, what keys are equal, that it grows in small steps and only with what
 * waits, and that it needs no memory that it can't do without. */
#include "support/support.h"

#include "base/env.h"
#include "rows/coalescer.h"

enum { KEY, NAME, N, NOTE, COLUMNS };

static const int32_t the_key[] = {NAME, KEY};
static const int32_t the_words[COLUMNS] = {WB_MERGE_KEEP, WB_MERGE_KEEP, WB_MERGE_SUM,
                                           WB_MERGE_LAST};
static const wb_upsert the_rules = {
    .key = the_key, .key_count = 2, .newest = -1, .merge = the_words};

static wb_schema *the_schema;
static wb_coalescer *the_coalescer;

static int open_all(void **state)
{
    (void)state;
    const wb_column columns[COLUMNS] = {
        {.name = "key", .type = WB_TYPE_INT8, .null = true, .server_default = true},
        {.name = "name", .type = WB_TYPE_TEXT},
        {.name = "n", .type = WB_TYPE_INT8},
        {.name = "note", .type = WB_TYPE_TEXT, .null = true, .server_default = true},
    };
    assert_ok(wb_schema_new(columns, COLUMNS, &the_schema, NULL));
    the_coalescer = wb_coalescer_new(&the_rules, the_schema, &wb_env_system);
    return the_coalescer == NULL;
}

static int close_all(void **state)
{
    (void)state;
    wb_coalescer_free(the_coalescer);
    wb_schema_unref(the_schema);
    return 0;
}

static void fill(wb_value *values, int64_t key, const char *name, int64_t n)
{
    values[KEY] = int_value(key);
    values[NAME] = text_value(name);
    values[N] = int_value(n);
    values[NOTE] = (wb_value){.kind = WB_NULL};
}

static uint32_t push(wb_batch *batch, const wb_value *values, uint32_t where)
{
    size_t bytes;
    assert_true(wb_batch_tally(batch));
    assert_true(wb_batch_reserve(batch, wb_row_bound(the_schema, values, COLUMNS)));
    uint8_t *at = wb_batch_end(batch);
    assert_ok(wb_row_encode(the_schema, values, COLUMNS, at, &bytes, NULL));
    wb_batch_push(batch, bytes, 0);
    uint32_t hash = wb_coalescer_look(the_coalescer, at, where);
    wb_coalescer_enter(the_coalescer, batch, batch->count - 1, hash, where);
    return hash;
}

static bool find(const wb_value *values, uint32_t where, wb_row_place *place)
{
    uint8_t tuple[512];
    size_t bytes;
    assert_true(wb_row_bound(the_schema, values, COLUMNS) <= sizeof tuple);
    assert_ok(wb_row_encode(the_schema, values, COLUMNS, tuple, &bytes, NULL));
    uint32_t hash = wb_coalescer_look(the_coalescer, tuple, where);
    return hash > 0 && wb_coalescer_find(the_coalescer, hash, where, place);
}

static void take(wb_batch *batch)
{
    if (batch->state == WB_BATCH_OPEN)
        wb_batch_become(batch, WB_BATCH_SEALED);
    wb_batch_become(batch, WB_BATCH_TAKEN);
}

static void drop(wb_batch *batch)
{
    wb_coalescer_leave(the_coalescer, batch);
    wb_batch_free(batch);
}

static void test_what_is_a_key(void **state)
{
    (void)state;
    wb_value values[COLUMNS];
    wb_row_place place;
    wb_batch *batch = wb_batch_new(the_schema);
    fill(values, 1, "a", 5);
    assert_true(push(batch, values, 1) > 0);
    fill(values, 1, "b", 5);
    push(batch, values, 1);
    fill(values, 1, "a", 6);
    assert_true(find(values, 1, &place));
    assert_ptr_equal(place.batch, batch);
    assert_int_equal(place.row, 0);
    assert_false(find(values, 2, &place)); /* another table */
    fill(values, 1, "", 6);
    assert_false(find(values, 1, &place));
    fill(values, 2, "a", 6);
    assert_false(find(values, 1, &place));
    values[KEY].kind = WB_NULL;
    assert_int_equal(push(batch, values, 1), 0);
    assert_false(find(values, 1, &place));
    values[KEY].kind = WB_ABSENT;
    assert_int_equal(push(batch, values, 1), 0);
    assert_false(find(values, 1, &place));
    fill(values, 1, "a", 7);
    values[NOTE].kind = WB_ABSENT; /* another shape */
    assert_false(find(values, 1, &place));
    push(batch, values, 1);
    assert_true(find(values, 1, &place));
    assert_int_equal(place.row, 4);
    drop(batch);
}

static void test_what_waits_is_found(void **state)
{
    (void)state;
    wb_value values[COLUMNS];
    wb_row_place place;
    wb_batch *batch = wb_batch_new(the_schema), *next = wb_batch_new(the_schema);
    fill(values, 1, "a", 5);
    push(batch, values, 1);
    wb_batch_become(batch, WB_BATCH_SEALED);
    assert_true(find(values, 1, &place));
    take(batch);
    assert_false(find(values, 1, &place));
    wb_batch_become(batch, WB_BATCH_SEALED); /* before it joined: not known */
    assert_false(find(values, 1, &place));
    uint32_t hash = push(next, values, 1);
    assert_true(find(values, 1, &place));
    assert_ptr_equal(place.batch, next);
    wb_batch_skip(next, 1); /* dropped */
    assert_false(find(values, 1, &place));
    wb_coalescer_enter(the_coalescer, batch, 0, hash, 1);
    assert_true(find(values, 1, &place));
    assert_ptr_equal(place.batch, batch);
    wb_coalescer_forget(&place);
    assert_false(find(values, 1, &place));
    drop(batch);
    drop(next);
}

static int64_t sum_at(const wb_batch *batch, size_t row)
{
    size_t bytes;
    return wb_row_value(the_schema, wb_batch_tuple(batch, row, &bytes), N).i;
}

static void merge(const wb_value *values, wb_row_place *place)
{
    size_t bytes, column;
    int64_t gained;
    uint8_t tuple[512];
    assert_ok(wb_row_encode(the_schema, values, COLUMNS, tuple, &bytes, NULL));
    uint32_t hash = wb_coalescer_look(the_coalescer, tuple, 1);
    assert_true(wb_coalescer_find(the_coalescer, hash, 1, place));
    size_t weight = wb_batch_weight(place->batch);
    assert_true(wb_coalescer_merge(the_coalescer, true, &bytes, &column));
    assert_true(wb_coalescer_put(the_coalescer, place, 1, &gained));
    assert_int_equal((int64_t)wb_batch_weight(place->batch) - (int64_t)weight, gained);
}

/* A note that has another length lies elsewhere; what is squeezed is found again; what is tidy is as it should be. */
static void test_tuples_that_move(void **state)
{
    (void)state;
    enum { KEYS = 20, ADDS = 400 };
    wb_value values[COLUMNS];
    char note[200];
    wb_row_place place;
    wb_batch *batch = wb_batch_new(the_schema);
    memset(note, 'x', sizeof note);
    for (int64_t i = 0; i < KEYS; i++) {
        fill(values, i, "a", 0);
        push(batch, values, 1);
    }
    for (int64_t i = 0; i < ADDS; i++) {
        fill(values, i % KEYS, "a", 1);
        values[NOTE] = (wb_value){.kind = WB_TEXT, .text = note, .bytes = (uint32_t)(i * 7 % 190)};
        merge(values, &place);
    }
    assert_int_equal(batch->tallies.moved, KEYS);
    for (size_t row = 0; row < KEYS; row += 2)
        wb_tallies_empty(&batch->tallies, row);
    wb_coalescer_squeeze(the_coalescer, batch);
    assert_int_equal(wb_batch_left(batch), KEYS / 2);
    assert_int_equal(wb_batch_adds(batch), (KEYS + ADDS) / 2);
    for (int64_t i = 0; i < KEYS; i++) {
        fill(values, i, "a", 1);
        assert_int_equal(find(values, 1, &place), i % 2);
        if (i % 2 > 0)
            assert_int_equal(sum_at(place.batch, place.row), ADDS / KEYS);
    }
    wb_batch *tidy = wb_batch_new(the_schema);
    assert_true(wb_batch_merge(tidy, batch));
    assert_false(wb_batch_is_scattered(tidy));
    assert_int_equal(wb_batch_adds(tidy), wb_batch_adds(batch));
    wb_batch_free(tidy);
    drop(batch);
}

/* What was taken leaves entries behind, which are used again or sifted out. */
static void test_memory_is_for_what_waits(void **state)
{
    (void)state;
    enum { ROUNDS = 300, ROWS = 100 };
    wb_value values[COLUMNS];
    for (int64_t round = 0; round < ROUNDS; round++) {
        wb_batch *batch = wb_batch_new(the_schema);
        for (int64_t i = 0; i < ROWS; i++) {
            fill(values, round * ROWS + i, "a", 1);
            push(batch, values, 1);
        }
        take(batch);
        wb_batch_become(batch, WB_BATCH_SETTLED);
        drop(batch);
    }
    wb_segments keys;
    assert_false(wb_coalescer_rest(the_coalescer, true, &keys));
}

static void test_grows_in_small_steps(void **state)
{
    (void)state;
    enum { KEYS = 300000, SEGMENT = 1024, ENTRIES_A_PLACE = 100 };
    wb_value values[COLUMNS];
    wb_row_place place;
    wb_batch *batch = wb_batch_new(the_schema);
    size_t before = 0;
    for (int64_t i = 0; i < KEYS; i++) {
        fill(values, i, "a", 1);
        assert_true(push(batch, values, 1) > 0);
        size_t work = wb_coalescer_work(the_coalescer);
        assert_true(work - before <=
                    2 * SEGMENT + (size_t)i / ENTRIES_A_PLACE); /* sifted, then split */
        before = work;
    }
    for (int64_t i = 0; i < KEYS; i += 7) {
        fill(values, i, "a", 1);
        assert_true(find(values, 1, &place));
        assert_int_equal(place.row, i);
    }
    drop(batch);
    wb_segments keys;
    assert_false(wb_coalescer_rest(the_coalescer, false, &keys));
    assert_true(wb_coalescer_rest(the_coalescer, false, &keys));
    wb_segments_fini(&keys);
    assert_false(wb_coalescer_rest(the_coalescer, true, &keys));
}

/* A row that can't be entered stays as it is, and so do those before it. */
static void test_no_memory(void **state)
{
    (void)state;
    enum { KEYS = 3000 };
    wb_value values[COLUMNS];
    wb_row_place place;
    wb_batch *batch = wb_batch_new(the_schema);
    assert_true(wb_batch_tally(batch) && wb_batch_prepare(batch, KEYS, KEYS * 100));
    size_t found = 0;
    for (int64_t i = 0; i < KEYS; i++) {
        fill(values, i, "a", 1);
        wb_alloc_fail_after(i % 3 < 2 ? 1 : 0);
        push(batch, values, 1);
        wb_alloc_fail_after(0);
    }
    for (int64_t i = 0; i < KEYS; i++) {
        fill(values, i, "a", 1);
        bool there = find(values, 1, &place);
        assert_int_equal(there, batch->tallies.of[i].hash > 0);
        found += there;
    }
    assert_in_range(found, KEYS / 4, KEYS);
    drop(batch);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_what_is_a_key, open_all, close_all),
        cmocka_unit_test_setup_teardown(test_what_waits_is_found, open_all, close_all),
        cmocka_unit_test_setup_teardown(test_tuples_that_move, open_all, close_all),
        cmocka_unit_test_setup_teardown(test_memory_is_for_what_waits, open_all, close_all),
        cmocka_unit_test_setup_teardown(test_grows_in_small_steps, open_all, close_all),
        cmocka_unit_test_setup_teardown(test_no_memory, open_all, close_all),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
