/* SPDX-License-Identifier: MIT
 * Mark sets against a plain array that is searched, and its sort against qsort. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "rows/markset.h"

static uint64_t seed;

static uint64_t next(void)
{
    uint64_t z = seed += UINT64_C(0x9E3779B97F4A7C15);
    z = (z ^ z >> 30) * UINT64_C(0xBF58476D1CE4E5B9);
    z = (z ^ z >> 27) * UINT64_C(0x94D049BB133111EB);
    return z ^ z >> 31;
}

static void fill(void *context, void *bytes, size_t count)
{
    (void)context;
    for (uint8_t *to = bytes; count > 0; count--)
        *to++ = (uint8_t)next();
}

static const wb_env env = {.random = fill};

static int set_up(void **state)
{
    seed = 1;
    *state = wb_markset_new(&env);
    return *state ? 0 : -1;
}

static int tear_down(void **state)
{
    wb_alloc_fail_after(0);
    wb_markset_free(*state);
    return 0;
}

static void id_of(uint64_t number, uint8_t id[16])
{
    memset(id, 0, 16);
    for (int i = 0; i < 8; i++)
        id[15 - i] = (uint8_t)(number >> (8 * i));
}

static uint64_t number_of(const uint8_t id[16])
{
    uint64_t number = 0;
    for (int i = 8; i < 16; i++)
        number = number << 8 | id[i];
    return number;
}

static int add(wb_markset *set, uint64_t number, int64_t time_us, uint64_t count)
{
    uint8_t id[16];
    bool full = false;
    id_of(number, id);
    int answer = wb_markset_add(set, id, time_us, count, SIZE_MAX, &full);
    assert_false(full);
    return answer;
}

static void test_empty(void **state)
{
    size_t count = 99;
    assert_int_equal(wb_markset_count(*state), 0);
    assert_null(wb_markset_drain(*state, &count));
    assert_int_equal(count, 0);
    wb_markset_free(NULL);
}

static void test_newest_time_and_sum_of_counts(void **state)
{
    wb_markset *set = *state;
    assert_int_equal(add(set, 7, 100, 1), 1);
    assert_int_equal(add(set, 7, 300, 2), 0);
    assert_int_equal(add(set, 7, 200, 3), 0);
    assert_int_equal(add(set, 8, -5, 1), 1);
    assert_int_equal(add(set, 8, -9, 1), 0);
    size_t count;
    wb_mark *marks = wb_markset_drain(set, &count);
    assert_int_equal(count, 2);
    assert_int_equal(number_of(marks[0].id), 7);
    assert_int_equal(marks[0].time_us, 300);
    assert_int_equal(marks[0].count, 6);
    assert_int_equal(number_of(marks[1].id), 8);
    assert_int_equal(marks[1].time_us, -5);
    assert_int_equal(marks[1].count, 2);
    wb_free(marks);
}

/* Rounds of adds, of very different numbers of ids so that the table grows and shrinks, against arrays
 * indexed by the id. */
static void test_against_a_model(void **state)
{
    enum { IDS = 20000 };
    static int64_t times[IDS];
    static uint64_t counts[IDS];
    static const size_t spans[] = {10, IDS, 3, 1, 500, 0, 2, IDS, 40};
    for (size_t round = 0; round < sizeof spans / sizeof *spans; round++) {
        size_t span = spans[round], distinct = 0, drained, at = 0;
        memset(counts, 0, sizeof counts);
        for (size_t i = 0; i < span * 4; i++) {
            size_t number = next() % span;
            int64_t time_us = (int64_t)(next() % 1000) - 500;
            uint64_t count = 1 + next() % 3;
            assert_int_equal(add(*state, number, time_us, count), counts[number] == 0);
            distinct += counts[number] == 0;
            if (counts[number] == 0 || time_us > times[number])
                times[number] = time_us;
            counts[number] += count;
        }
        assert_int_equal(wb_markset_count(*state), distinct);
        wb_mark *marks = wb_markset_drain(*state, &drained);
        assert_int_equal(drained, distinct);
        assert_int_equal(wb_markset_count(*state), 0);
        for (size_t number = 0; number < span; number++) {
            if (counts[number] == 0)
                continue;
            assert_int_equal(number_of(marks[at].id), number);
            assert_int_equal(marks[at].time_us, times[number]);
            assert_int_equal(marks[at++].count, counts[number]);
        }
        wb_free(marks);
    }
}

static void test_limit(void **state)
{
    wb_markset *set = *state;
    uint8_t id[16];
    bool full = false;
    for (uint64_t i = 0; i < 5; i++) {
        id_of(i, id);
        assert_int_equal(wb_markset_add(set, id, 1, 1, 5, &full), 1);
    }
    id_of(5, id);
    assert_int_equal(wb_markset_add(set, id, 1, 1, 5, &full), -1);
    assert_true(full);
    assert_int_equal(wb_markset_count(set), 5);
    id_of(4, id);
    full = false;
    assert_int_equal(wb_markset_add(set, id, 2, 1, 5, &full), 0);
    assert_false(full);
}

/* Growing fails: nothing has changed, what is there can still be marked, and later it works. */
static void test_no_memory_to_grow(void **state)
{
    wb_markset *set = *state;
    uint8_t id[16];
    bool full = true;
    uint64_t number = 0;
    wb_alloc_fail_after(1);
    for (int answer = 1; answer == 1; number++) {
        id_of(number, id);
        answer = wb_markset_add(set, id, 5, 1, SIZE_MAX, &full);
        assert_int_not_equal(answer, 0);
        assert_true(number < 1000);
    }
    assert_false(full);
    size_t held = number - 1, count;
    assert_int_equal(wb_markset_count(set), held);
    assert_int_equal(add(set, 0, 6, 1), 0);
    assert_null(wb_markset_drain(set, &count));
    assert_int_equal(count, held);
    assert_int_equal(wb_markset_count(set), held);
    wb_alloc_fail_after(0);
    assert_int_equal(add(set, held, 5, 1), 1);
    wb_mark *marks = wb_markset_drain(set, &count);
    assert_int_equal(count, held + 1);
    for (size_t i = 0; i < count; i++)
        assert_int_equal(number_of(marks[i].id), i);
    wb_free(marks);
}

static void test_no_memory_to_begin(void **state)
{
    (void)state;
    for (size_t n = 1; n <= 2; n++) {
        wb_alloc_fail_after(n);
        assert_null(wb_markset_new(&env));
    }
    wb_alloc_fail_after(0);
}

/* A large table gives memory back over some quiet drains, or keeps it where there is none for a smaller. */
static void test_shrinking_without_memory(void **state)
{
    wb_markset *set = *state;
    size_t count;
    for (uint64_t i = 0; i < 5000; i++)
        add(set, i, 1, 1);
    wb_free(wb_markset_drain(set, &count));
    assert_int_equal(count, 5000);
    for (int round = 0; round < 5; round++) {
        assert_int_equal(add(set, 42, round, 1), 1);
        wb_alloc_fail_after(round < 2 ? 2 : 0);
        wb_mark *marks = wb_markset_drain(set, &count);
        wb_alloc_fail_after(0);
        assert_int_equal(count, 1);
        assert_int_equal(marks->time_us, round);
        wb_free(marks);
    }
    for (uint64_t i = 0; i < 5000; i++)
        assert_int_equal(add(set, i, 1, 1), 1);
    assert_int_equal(wb_markset_count(set), 5000);
}

/* ---- sorting ---- */

static int compare(const void *a, const void *b)
{
    return memcmp(((const wb_mark *)a)->id, ((const wb_mark *)b)->id, 16);
}

/* One shape of ids each; the marks' times say where they came from. */
static void shape_random(size_t i, uint8_t id[16])
{
    (void)i;
    fill(NULL, id, 16);
}

static void shape_counter(size_t i, uint8_t id[16])
{
    id_of(i * 37, id);
}

static void shape_last_byte(size_t i, uint8_t id[16])
{
    memset(id, 0x5A, 16);
    id[15] = (uint8_t)(i * 7);
}

static void shape_equal(size_t i, uint8_t id[16])
{
    (void)i;
    memset(id, 0xFF, 16);
}

static void shape_time_first(size_t i, uint8_t id[16])
{
    fill(NULL, id, 16);
    memcpy(id, "\x01\x8f\x3c\x11\x22", 5);
    id[5] = (uint8_t)(i / 500);
}

/* Two halves at every byte: as deep as the sort can get. */
static void shape_two_ways(size_t i, uint8_t id[16])
{
    (void)i;
    uint64_t bits = next();
    for (int j = 0; j < 16; j++)
        id[j] = bits >> j & 1 ? 0x80 : 0x7F;
}

static void test_sorts_as_qsort(void **state)
{
    (void)state;
    static void (*const shapes[])(size_t, uint8_t[16]) = {shape_random,     shape_counter,
                                                          shape_last_byte,  shape_equal,
                                                          shape_time_first, shape_two_ways};
    static const size_t counts[] = {0, 1, 2, 3, 24, 25, 26, 100, 257, 3000, 20000};
    enum { MOST = 20000 };
    wb_mark *marks = calloc(MOST, sizeof *marks), *scratch = calloc(MOST, sizeof *scratch);
    wb_mark *expected = calloc(MOST, sizeof *expected);
    for (size_t s = 0; s < sizeof shapes / sizeof *shapes; s++)
        for (size_t c = 0; c < sizeof counts / sizeof *counts; c++) {
            size_t count = counts[c];
            uint64_t sum = 0;
            for (size_t i = 0; i < count; i++) {
                size_t place = count - 1 - i; /* descending where the shape ascends */
                shapes[s](place, marks[i].id);
                marks[i].count = i + 1;
            }
            memcpy(expected, marks, count * sizeof *marks);
            wb_marks_sort(marks, scratch, count);
            qsort(expected, count, sizeof *expected, compare);
            for (size_t i = 0; i < count; i++) {
                assert_memory_equal(marks[i].id, expected[i].id, 16);
                sum += marks[i].count;
            }
            assert_int_equal(sum, count * (count + 1) / 2);
        }
    free(marks);
    free(scratch);
    free(expected);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_empty, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_newest_time_and_sum_of_counts, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_against_a_model, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_limit, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_no_memory_to_grow, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_no_memory_to_begin, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_shrinking_without_memory, set_up, tear_down),
        cmocka_unit_test(test_sorts_as_qsort),
    };
    return cmocka_run_group_tests_name("uuidset", tests, NULL, NULL);
}
