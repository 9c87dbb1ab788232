/* SPDX-License-Identifier: MIT
 * Mark sets against a plain array that is searched, and its sort against qsort. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "rows/markset.h"
#include "rows/marksort.h"

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
    *state = wb_markset_new(&env, false);
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
    wb_key key;
    bool full = false;
    id_of(number, key.id);
    int answer = wb_markset_add(set, &key, time_us, count, SIZE_MAX, &full);
    assert_false(full);
    return answer;
}

static void test_empty(void **state)
{
    wb_marked ids = {.count = 99};
    assert_int_equal(wb_markset_count(*state), 0);
    assert_true(wb_markset_drain(*state, &ids));
    assert_int_equal(ids.count, 0);
    assert_null(ids.marks);
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
    wb_marked ids;
    assert_true(wb_markset_drain(set, &ids));
    const wb_mark *marks = ids.marks;
    assert_int_equal(ids.count, 2);
    assert_int_equal(number_of(marks[0].key.id), 7);
    assert_int_equal(marks[0].time_us, 300);
    assert_int_equal(marks[0].count, 6);
    assert_int_equal(number_of(marks[1].key.id), 8);
    assert_int_equal(marks[1].time_us, -5);
    assert_int_equal(marks[1].count, 2);
    wb_marked_fini(&ids);
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
        size_t span = spans[round], distinct = 0, at = 0;
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
        wb_marked ids;
        assert_true(wb_markset_drain(*state, &ids));
        const wb_mark *marks = ids.marks;
        assert_int_equal(ids.count, distinct);
        assert_int_equal(wb_markset_count(*state), 0);
        for (size_t number = 0; number < span; number++) {
            if (counts[number] == 0)
                continue;
            assert_int_equal(number_of(marks[at].key.id), number);
            assert_int_equal(marks[at].time_us, times[number]);
            assert_int_equal(marks[at++].count, counts[number]);
        }
        wb_marked_fini(&ids);
    }
}

static void test_limit(void **state)
{
    wb_markset *set = *state;
    wb_key key;
    bool full = false;
    for (uint64_t i = 0; i < 5; i++) {
        id_of(i, key.id);
        assert_int_equal(wb_markset_add(set, &key, 1, 1, 5, &full), 1);
    }
    id_of(5, key.id);
    assert_int_equal(wb_markset_add(set, &key, 1, 1, 5, &full), -1);
    assert_true(full);
    assert_int_equal(wb_markset_count(set), 5);
    id_of(4, key.id);
    full = false;
    assert_int_equal(wb_markset_add(set, &key, 2, 1, 5, &full), 0);
    assert_false(full);
}

/* Growing fails: nothing has changed, what is there can still be marked, and later it works. */
static void test_no_memory_to_grow(void **state)
{
    wb_markset *set = *state;
    wb_key key;
    bool full = true;
    uint64_t number = 0;
    wb_alloc_fail_after(1);
    for (int answer = 1; answer == 1; number++) {
        id_of(number, key.id);
        answer = wb_markset_add(set, &key, 5, 1, SIZE_MAX, &full);
        assert_int_not_equal(answer, 0);
        assert_true(number < 1000);
    }
    assert_false(full);
    size_t held = number - 1;
    wb_marked ids;
    assert_int_equal(wb_markset_count(set), held);
    assert_int_equal(add(set, 0, 6, 1), 0);
    assert_false(wb_markset_drain(set, &ids));
    assert_int_equal(wb_markset_count(set), held);
    wb_alloc_fail_after(0);
    assert_int_equal(add(set, held, 5, 1), 1);
    assert_true(wb_markset_drain(set, &ids));
    assert_int_equal(ids.count, held + 1);
    for (size_t i = 0; i < ids.count; i++)
        assert_int_equal(number_of(ids.marks[i].key.id), i);
    wb_marked_fini(&ids);
}

/* However many marks there are, an add moves no more than a segment's, and doubles a directory that is small beside
 * them. */
static void test_an_add_moves_few_marks(void **state)
{
    enum { IDS = 300000, SEGMENT = 1024, MARKS_AN_ENTRY = 100 };
    size_t before = 0, most = 0;
    for (uint64_t i = 0; i < IDS; i++) {
        assert_int_equal(add(*state, i, 1, 1), 1);
        size_t work = wb_markset_work(*state);
        assert_true(work - before <= SEGMENT + i / MARKS_AN_ENTRY);
        if (work - before > most)
            most = work - before;
        before = work;
    }
    assert_true(most > SEGMENT / 2); /* it did grow */
    assert_true(before < 2 * IDS);   /* all of it together */
    for (uint64_t i = 0; i < IDS; i++)
        assert_int_equal(add(*state, i, 2, 1), 0);
    assert_int_equal(wb_markset_work(*state), before);
}

/* Whichever allocation fails, at every size: the same add succeeds later, and no mark is lost. */
static void test_growing_where_memory_fails(void **state)
{
    enum { IDS = 50000 };
    wb_markset *set = *state;
    wb_marked ids;
    wb_key key;
    bool full;
    size_t failed = 0;
    for (uint64_t number = 0; number < IDS; number++) {
        int answer = -1;
        id_of(number, key.id);
        for (size_t n = 1; answer < 0; n++) {
            wb_alloc_fail_after(n);
            answer = wb_markset_add(set, &key, 5, 1, SIZE_MAX, &full);
            wb_alloc_fail_after(0);
            assert_int_equal(wb_markset_count(set), number + (answer == 1));
            assert_int_equal(add(set, number / 2, 4, 1), number == 0 && answer < 0);
            failed += answer < 0;
        }
    }
    assert_true(failed > IDS / 32768);
    assert_true(wb_markset_drain(set, &ids));
    assert_int_equal(ids.count, IDS);
    for (size_t i = 0; i < IDS; i++) {
        assert_int_equal(number_of(ids.marks[i].key.id), i);
        assert_int_equal(ids.marks[i].time_us, 5);
    }
    wb_marked_fini(&ids);
}

/* Marks that were taken out come back, some of them, among new ones. */
static void test_put_back_against_a_model(void **state)
{
    enum { IDS = 8000, ROUNDS = 60 };
    static int64_t times[IDS];
    static uint64_t counts[IDS];
    wb_markset *set = *state;
    memset(counts, 0, sizeof counts);
    for (int round = 0; round < ROUNDS; round++) {
        size_t span = 1 + next() % IDS, distinct = 0;
        for (size_t i = next() % (2 * span); i > 0; i--) {
            size_t number = next() % span;
            int64_t time_us = (int64_t)(next() % 1000);
            assert_int_equal(add(set, number, time_us, 1), counts[number] == 0);
            times[number] =
                counts[number] == 0 || time_us > times[number] ? time_us : times[number];
            counts[number]++;
        }
        wb_marked ids;
        assert_true(wb_markset_drain(set, &ids));
        for (size_t number = 0; number < IDS; number++)
            distinct += counts[number] != 0;
        assert_int_equal(ids.count, distinct);
        for (size_t i = 0; i < ids.count; i++) {
            const wb_mark *mark = &ids.marks[i];
            uint64_t number = number_of(mark->key.id);
            assert_int_equal(mark->time_us, times[number]);
            assert_int_equal(mark->count, counts[number]);
            if (next() % 3 == 0)
                counts[number] = 0; /* this one was stored */
            else
                assert_int_equal(add(set, number, mark->time_us, mark->count), 1);
        }
        wb_marked_fini(&ids);
    }
}

static void test_no_memory_to_begin(void **state)
{
    (void)state;
    for (size_t n = 1; n <= 3; n++) {
        wb_alloc_fail_after(n);
        assert_null(wb_markset_new(&env, false));
    }
    wb_alloc_fail_after(0);
}

/* A drain gives memory back, and keeps what it can't make smaller. */
static void test_shrinking_without_memory(void **state)
{
    wb_markset *set = *state;
    wb_marked ids;
    for (uint64_t i = 0; i < 5000; i++)
        add(set, i, 1, 1);
    assert_true(wb_markset_drain(set, &ids));
    assert_int_equal(ids.count, 5000);
    wb_marked_fini(&ids);
    for (int round = 0; round < 5; round++) {
        assert_int_equal(add(set, 42, round, 1), 1);
        wb_alloc_fail_after(round < 2 ? 2 : 0);
        assert_true(wb_markset_drain(set, &ids));
        wb_alloc_fail_after(0);
        assert_int_equal(ids.count, 1);
        assert_int_equal(ids.marks->time_us, round);
        wb_marked_fini(&ids);
    }
    for (uint64_t i = 0; i < 5000; i++)
        assert_int_equal(add(set, i, 1, 1), 1);
    assert_int_equal(wb_markset_count(set), 5000);
}

/* ---- texts ---- */

static int set_up_texts(void **state)
{
    seed = 2;
    *state = wb_markset_new(&env, true);
    return *state ? 0 : -1;
}

/* The text of a number: some are short, some share long beginnings with others, some are as long as they may be. In memory
 * that is written over by the next. */
static wb_key text_of(uint64_t number)
{
    static char text[WB_KEY_TEXT_BYTES + 1];
    size_t bytes = (size_t)sprintf(text, "%llu", (unsigned long long)number);
    if (number % 3 == 1)
        bytes =
            (size_t)sprintf(text, "the same sixteen and more: %llu", (unsigned long long)number);
    if (number % 100 == 2) {
        memset(text, 'x', WB_KEY_TEXT_BYTES);
        snprintf(text + WB_KEY_TEXT_BYTES - 8, 9, "%08u", (unsigned)number);
        bytes = WB_KEY_TEXT_BYTES;
    }
    return (wb_key){.text = {.bytes = (uint32_t)bytes, .at = text}};
}

static int add_text(wb_markset *set, const wb_key *key, int64_t time_us, uint64_t count)
{
    bool full = false;
    return wb_markset_add(set, key, time_us, count, SIZE_MAX, &full);
}

static int compare_texts(const wb_key *a, const wb_key *b)
{
    size_t least = a->text.bytes < b->text.bytes ? a->text.bytes : b->text.bytes;
    int order = memcmp(a->text.at, b->text.at, least);
    return order != 0 ? order : (a->text.bytes > b->text.bytes) - (a->text.bytes < b->text.bytes);
}

static uint64_t number_in(const wb_key *key)
{
    const char *end = key->text.at + key->text.bytes, *digits = end;
    char text[24];
    while (digits > key->text.at && digits[-1] >= '0' && digits[-1] <= '9')
        digits--;
    snprintf(text, sizeof text, "%.*s", (int)(end - digits), digits);
    return strtoull(text, NULL, 10);
}

static void test_texts_against_a_model(void **state)
{
    enum { IDS = 20000 };
    static int64_t times[IDS];
    static uint64_t counts[IDS];
    static const size_t spans[] = {10, IDS, 3, 1, 0, 500, IDS};
    for (size_t round = 0; round < sizeof spans / sizeof *spans; round++) {
        size_t span = spans[round], distinct = 0;
        wb_marked ids;
        memset(counts, 0, sizeof counts);
        for (size_t i = 0; i < span * 4; i++) {
            size_t number = next() % span;
            int64_t time_us = (int64_t)(next() % 1000) - 500;
            wb_key key = text_of(number);
            assert_int_equal(add_text(*state, &key, time_us, 2), counts[number] == 0);
            distinct += counts[number] == 0;
            if (counts[number] == 0 || time_us > times[number])
                times[number] = time_us;
            counts[number] += 2;
        }
        assert_true(wb_markset_text_bytes(*state) >= distinct);
        assert_true(wb_markset_drain(*state, &ids));
        assert_int_equal(wb_markset_text_bytes(*state), 0);
        assert_int_equal(ids.count, distinct);
        for (size_t i = 0; i < ids.count; i++) {
            const wb_mark *mark = &ids.marks[i];
            uint64_t number = number_in(&mark->key);
            wb_key key = text_of(number);
            assert_int_equal(compare_texts(&mark->key, &key), 0);
            assert_int_equal(mark->time_us, times[number]);
            assert_int_equal(mark->count, counts[number]);
            if (i > 0)
                assert_true(compare_texts(&mark[-1].key, &mark->key) < 0);
        }
        wb_marked_fini(&ids);
    }
}

/* Whichever allocation fails: what was there stays, and the same add succeeds later. */
static void test_texts_without_memory(void **state)
{
    wb_markset *set = *state;
    wb_marked ids;
    for (uint64_t number = 0; number < 3000; number++) {
        wb_key key = text_of(number);
        wb_alloc_fail_after(1);
        int answer = add_text(set, &key, 5, 1);
        wb_alloc_fail_after(0);
        assert_int_equal(wb_markset_count(set), number + (answer == 1));
        if (answer < 0)
            assert_int_equal(add_text(set, &key, 5, 1), 1);
        assert_int_equal(add_text(set, &key, 4, 1), 0);
    }
    wb_alloc_fail_after(1);
    assert_false(wb_markset_drain(set, &ids));
    wb_alloc_fail_after(0);
    assert_true(wb_markset_drain(set, &ids));
    assert_int_equal(ids.count, 3000);
    for (size_t i = 0; i < ids.count; i++)
        assert_int_equal(ids.marks[i].count, 2);
    wb_marked_fini(&ids);
}

/* Texts that begin and end alike, and the empty one. */
static void test_texts_that_nearly_are_one(void **state)
{
    enum { LONGEST = 70 };
    char as[LONGEST];
    wb_marked ids;
    memset(as, 'a', sizeof as);
    for (uint32_t bytes = 0; bytes < LONGEST; bytes++) {
        wb_key key = {.text = {.bytes = bytes, .at = as}};
        assert_int_equal(add_text(*state, &key, bytes, 1), 1);
        assert_int_equal(add_text(*state, &key, 0, 1), 0);
    }
    assert_true(wb_markset_drain(*state, &ids));
    assert_int_equal(ids.count, LONGEST);
    for (size_t i = 0; i < ids.count; i++) {
        assert_int_equal(ids.marks[i].key.text.bytes, i);
        assert_int_equal(ids.marks[i].time_us, i);
    }
    wb_marked_fini(&ids);
}

/* ---- sorting ---- */

static int compare(const void *a, const void *b)
{
    return memcmp(((const wb_mark *)a)->key.id, ((const wb_mark *)b)->key.id, 16);
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
                shapes[s](place, marks[i].key.id);
                marks[i].count = i + 1;
            }
            memcpy(expected, marks, count * sizeof *marks);
            wb_marks_sort(marks, scratch, count);
            qsort(expected, count, sizeof *expected, compare);
            for (size_t i = 0; i < count; i++) {
                assert_memory_equal(marks[i].key.id, expected[i].key.id, 16);
                sum += marks[i].count;
            }
            assert_int_equal(sum, count * (count + 1) / 2);
        }
    free(marks);
    free(scratch);
    free(expected);
}

/* Each text is some letters that many others begin with: runs of equals at every depth, as deep as texts go. */
static void test_sorts_texts_as_qsort(void **state)
{
    (void)state;
    enum { MOST = 3000 };
    static char texts[MOST][WB_KEY_TEXT_BYTES];
    static wb_mark marks[MOST];
    static const size_t counts[] = {0, 1, 2, 24, 25, 100, MOST};
    for (unsigned letters = 1; letters <= 255; letters += 127)
        for (size_t c = 0; c < sizeof counts / sizeof *counts; c++) {
            uint64_t sum = 0;
            for (size_t i = 0; i < counts[c]; i++) {
                uint32_t bytes = (uint32_t)(next() % (letters == 1 ? WB_KEY_TEXT_BYTES : 10));
                for (uint32_t j = 0; j < bytes; j++)
                    texts[i][j] = (char)(1 + next() % letters);
                marks[i] = (wb_mark){.key.text = {.bytes = bytes, .at = texts[i]}, .count = i + 1};
            }
            wb_marks_sort_texts(marks, counts[c]);
            for (size_t i = 0; i < counts[c]; i++) {
                sum += marks[i].count;
                if (i > 0)
                    assert_true(compare_texts(&marks[i - 1].key, &marks[i].key) <= 0);
            }
            assert_int_equal(sum, counts[c] * (counts[c] + 1) / 2);
        }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_empty, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_newest_time_and_sum_of_counts, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_against_a_model, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_limit, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_no_memory_to_grow, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_an_add_moves_few_marks, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_growing_where_memory_fails, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_put_back_against_a_model, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_no_memory_to_begin, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_shrinking_without_memory, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_texts_against_a_model, set_up_texts, tear_down),
        cmocka_unit_test_setup_teardown(test_texts_without_memory, set_up_texts, tear_down),
        cmocka_unit_test_setup_teardown(test_texts_that_nearly_are_one, set_up_texts, tear_down),
        cmocka_unit_test(test_sorts_as_qsort),
        cmocka_unit_test(test_sorts_texts_as_qsort),
    };
    return cmocka_run_group_tests_name("markset", tests, NULL, NULL);
}
