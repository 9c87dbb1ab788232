/* SPDX-License-Identifier: MIT
 * The markbox, driven on a manual clock. */
#include "support/support.h"

#include <pthread.h>
#include <stdio.h>

#include "base/calendar.h"
#include "base/env.h"
#include "engine/markbox.h"

#define SECOND INT64_C(1000000)

struct backlog {
    wb_clock *clock;
    wb_env env;
    wb_log *log;
    wb_markbox markbox;
};

static void open_box_for(struct backlog *backlog, uint64_t chunk, bool texts, bool threaded)
{
    memset(backlog, 0, sizeof *backlog);
    assert_ok(wb_clock_new(1000 * SECOND, &backlog->clock, NULL));
    backlog->env = wb_env_of_clock(backlog->clock);
    backlog->log = wb_log_new("test", true, true);
    wb_tracker_options options;
    wb_tracker_options_init(&options);
    options.chunk = chunk;
    options.max_pending_ids = threaded ? 100000 : 1000;
    options.exact = true;
    options.key_type = texts ? WB_TYPE_TEXT : WB_TYPE_UUID;
    assert_ok(
        wb_markbox_init(&backlog->markbox, &options, &backlog->env, backlog->log, threaded, NULL));
}

static void open_box_of(struct backlog *backlog, uint64_t chunk, bool texts)
{
    open_box_for(backlog, chunk, texts, false);
}

static void open_box(struct backlog *backlog, uint64_t chunk)
{
    open_box_of(backlog, chunk, false);
}

static void shut_box(struct backlog *backlog)
{
    wb_markbox_fini(&backlog->markbox);
    wb_log_free(backlog->log);
    wb_clock_unref(backlog->clock);
}

static int mark(struct backlog *backlog, uint32_t number, int64_t at_us)
{
    wb_key key = {{0}};
    char text[32];
    if (backlog->markbox.key_type == WB_TYPE_TEXT) {
        key.text.bytes = (uint32_t)sprintf(text, "a text, number %05u", (unsigned)number);
        key.text.at = text;
        return wb_markbox_put(&backlog->markbox, &key, at_us, NULL, NULL);
    }
    memcpy(key.id + 12, &number, sizeof number);
    return wb_markbox_put(&backlog->markbox, &key, at_us, NULL, NULL);
}

static void settle(struct backlog *backlog, wb_chunk *chunk, bool fail)
{
    wb_err err;
    wb_fail_store(&err, WB_RETRY, "down");
    wb_touched touched = {.updated = chunk->marks.count};
    wb_markbox_complete(&backlog->markbox, chunk, fail ? &err : NULL, &touched, 0);
}

static wb_stats stats_of(struct backlog *backlog)
{
    wb_stats stats;
    wb_backlog_stats(&backlog->markbox.backlog, &stats);
    assert_int_equal(stats.accepted, stats.stored + stats.pending + stats.dead + stats.dropped);
    return stats;
}

static void test_nothing_marked_is_nothing_taken(void **state)
{
    (void)state;
    struct backlog backlog;
    open_box(&backlog, 10);
    wb_clock_advance(backlog.clock, 600 * SECOND);
    assert_null(wb_markbox_take(&backlog.markbox));
    assert_true(wb_backlog_settled(&backlog.markbox.backlog,
                                   wb_backlog_seal(&backlog.markbox.backlog, WB_REASON_FLUSH)));
    shut_box(&backlog);
}

static void test_interval_then_sorted_chunks(void **state)
{
    (void)state;
    struct backlog backlog;
    open_box(&backlog, 10);
    for (uint32_t i = 0; i < 25; i++)
        assert_ok(mark(&backlog, (i * 7) % 25, WB_NEVER));
    assert_ok(mark(&backlog, 3, WB_NEVER));
    assert_null(wb_markbox_take(&backlog.markbox));
    wb_clock_advance(backlog.clock, 60 * SECOND);
    const size_t counts[] = {10, 10, 5};
    wb_value last = {.kind = WB_NULL}, id;
    wb_chunk *chunks[3];
    for (int i = 0; i < 3; i++) {
        chunks[i] = wb_markbox_take(&backlog.markbox);
        const wb_marks *marks = &chunks[i]->marks;
        assert_int_equal(wb_marks_count(marks), counts[i]);
        assert_int_equal(wb_marks_at_us(marks), 1060 * SECOND);
        assert_int_equal(wb_marks_time_us(marks, 0), 1000 * SECOND);
        for (size_t j = 0; j < counts[i]; j++) {
            wb_marks_key(marks, j, &id);
            if (last.kind != WB_NULL)
                assert_true(memcmp(last.text, id.text, 16) < 0);
            last = id;
        }
    }
    assert_null(wb_markbox_take(&backlog.markbox));
    for (int i = 0; i < 3; i++)
        settle(&backlog, chunks[i], false);
    wb_stats stats = stats_of(&backlog);
    assert_int_equal(stats.accepted, 26);
    assert_int_equal(stats.stored, 26);
    assert_int_equal(stats.unique, 25);
    shut_box(&backlog);
}

static void test_failure_merges_back_and_newest_wins(void **state)
{
    (void)state;
    struct backlog backlog;
    open_box(&backlog, 2);
    for (uint32_t i = 0; i < 4; i++)
        assert_ok(mark(&backlog, i, 100 + i));
    uint64_t sealed = wb_backlog_seal(&backlog.markbox.backlog, WB_REASON_FLUSH);
    wb_chunk *chunk = wb_markbox_take(&backlog.markbox);
    assert_ok(mark(&backlog, 0, 50));  /* older than what was taken */
    assert_ok(mark(&backlog, 1, 500)); /* newer */
    settle(&backlog, chunk, true);
    assert_false(wb_backlog_settled(&backlog.markbox.backlog, sealed));
    assert_int_equal(stats_of(&backlog).pending, 6);
    wb_backlog_seal(&backlog.markbox.backlog, WB_REASON_FLUSH);
    const int64_t times[] = {100, 500, 102, 103};
    for (int i = 0; i < 2; i++) {
        chunk = wb_markbox_take(&backlog.markbox);
        assert_int_equal(chunk->marks.attempt, i == 0 ? 2 : 1);
        assert_int_equal(wb_marks_time_us(&chunk->marks, 0), times[2 * i]);
        assert_int_equal(wb_marks_time_us(&chunk->marks, 1), times[2 * i + 1]);
        settle(&backlog, chunk, false);
    }
    assert_true(wb_backlog_settled(&backlog.markbox.backlog, sealed));
    assert_int_equal(stats_of(&backlog).stored, 6);
    shut_box(&backlog);
}

/* Those that are to be marked again stay pending and come with what was marked meanwhile, the newest time each; the
 * others are settled, the rest of the round goes on, and new marks wait for nobody. */
static void test_some_come_again(void **state)
{
    (void)state;
    struct backlog backlog;
    open_box(&backlog, 2);
    for (uint32_t i = 0; i < 4; i++)
        assert_ok(mark(&backlog, i, 100 + i));
    uint64_t sealed = wb_backlog_seal(&backlog.markbox.backlog, WB_REASON_FLUSH);
    wb_chunk *chunk = wb_markbox_take(&backlog.markbox);
    wb_marks_again(&chunk->marks, 1);
    assert_ok(mark(&backlog, 1, 500));
    settle(&backlog, chunk, false);
    assert_int_equal(stats_of(&backlog).stored, 1);
    assert_int_equal(stats_of(&backlog).failures, 0);
    chunk = wb_markbox_take(&backlog.markbox);
    assert_int_equal(chunk->marks.marks[0].time_us, 102);
    wb_marks_again(&chunk->marks, 0);
    settle(&backlog, chunk, false);
    assert_false(wb_backlog_settled(&backlog.markbox.backlog, sealed));
    assert_int_equal(stats_of(&backlog).pending, 3);
    wb_clock_advance(backlog.clock, SECOND); /* the first delay is shorter, the interval longer */
    chunk = wb_markbox_take(&backlog.markbox);
    assert_int_equal(chunk->marks.count, 2);
    assert_int_equal(chunk->marks.marks[0].time_us, 500);
    assert_int_equal(chunk->marks.marks[0].count, 2);
    assert_int_equal(chunk->marks.marks[1].time_us, 102);
    assert_int_equal(chunk->marks.attempt, 1);
    settle(&backlog, chunk, false);
    assert_true(wb_backlog_settled(&backlog.markbox.backlog, sealed));
    assert_int_equal(stats_of(&backlog).stored, 5);
    assert_int_equal(stats_of(&backlog).unique, 4);
    assert_null(wb_markbox_take(&backlog.markbox));
    shut_box(&backlog);
}

/* A time that no column of times can hold, which would be refused by the store, or stored as another. */
static void test_times_that_are_none(void **state)
{
    static const int64_t times[] = {INT64_MIN, WB_TIME_MIN_US - 1, WB_TIME_MAX_US + 1,
                                    WB_NEVER - 1};
    (void)state;
    struct backlog backlog;
    open_box(&backlog, 10);
    for (size_t i = 0; i < 4; i++)
        assert_int_equal(mark(&backlog, 1, times[i]), WB_INVALID);
    assert_int_equal(stats_of(&backlog).rejected, 4);
    assert_int_equal(stats_of(&backlog).pending, 0);
    assert_ok(mark(&backlog, 1, WB_TIME_MIN_US));
    assert_ok(mark(&backlog, 1, WB_TIME_MAX_US));
    wb_backlog_seal(&backlog.markbox.backlog, WB_REASON_FLUSH);
    settle(&backlog, wb_markbox_take(&backlog.markbox), false);
    shut_box(&backlog);
}

static void test_limit_and_close(void **state)
{
    (void)state;
    struct backlog backlog;
    open_box(&backlog, 5000);
    for (uint32_t i = 0; i < 1000; i++)
        assert_ok(mark(&backlog, i, WB_NEVER));
    assert_int_equal(mark(&backlog, 1000, WB_NEVER), WB_FULL);
    assert_ok(mark(&backlog, 7, WB_NEVER));
    wb_backlog_close(&backlog.markbox.backlog);
    assert_int_equal(mark(&backlog, 7, WB_NEVER), WB_CLOSED);
    settle(&backlog, wb_markbox_take(&backlog.markbox), false);
    assert_int_equal(stats_of(&backlog).stored, 1001);
    assert_int_equal(stats_of(&backlog).rejected, 2);
    shut_box(&backlog);
}

static void check_ids(const wb_chunk *chunk)
{
    wb_value id;
    for (size_t i = 0; i < chunk->marks.count && chunk->marks.key_type == WB_TYPE_TEXT; i++) {
        wb_marks_key(&chunk->marks, i, &id);
        assert_int_equal(id.bytes, 20);
        assert_memory_equal(id.text, "a text, number 0", 16);
    }
}

static void conserve(bool texts)
{
    struct backlog backlog;
    wb_chunk *flight[3] = {NULL};
    uint64_t random = 7;
    open_box_of(&backlog, 8, texts);
    backlog.markbox.backlog.retry.attempts = 3;
    for (int i = 0; i < 50000; i++) {
        wb_chunk **slot = &flight[random_below(&random, 3)];
        uint64_t dice = random_below(&random, 12);
        if (dice == 0)
            wb_clock_advance(backlog.clock, (int64_t)random_below(&random, 30 * SECOND));
        else if (dice == 1)
            wb_backlog_seal(&backlog.markbox.backlog, WB_REASON_FLUSH);
        else if (dice < 5 && *slot == NULL)
            *slot = wb_markbox_take(&backlog.markbox);
        else if (dice < 5) {
            check_ids(*slot);
            if (random_below(&random, 3) == 0)
                wb_marks_again(&(*slot)->marks, random_below(&random, (*slot)->marks.count));
            settle(&backlog, *slot, random_below(&random, 2) == 0);
            *slot = NULL;
        } else
            mark(&backlog, (uint32_t)random_below(&random, 100),
                 (int64_t)random_below(&random, 1000));
        stats_of(&backlog);
    }
    for (int i = 0; i < 3; i++) {
        if (flight[i] != NULL)
            settle(&backlog, flight[i], false);
    }
    wb_chunk *chunk;
    do {
        wb_backlog_seal(&backlog.markbox.backlog, WB_REASON_FLUSH);
        chunk = wb_markbox_take(&backlog.markbox);
        if (chunk != NULL)
            settle(&backlog, chunk, false);
    } while (chunk != NULL);
    wb_stats stats = stats_of(&backlog);
    assert_int_equal(stats.pending, 0);
    assert_true(stats.dead > 0 && stats.stored > 0);
    assert_int_equal(stats.pending_bytes, 0);
    shut_box(&backlog);
}

static void test_marks_are_conserved_whatever_happens(void **state)
{
    (void)state;
    conserve(false);
    conserve(true);
}

/* A text lives as long as whoever was lent it: a failed chunk of its round, the set, the next round. */
static void test_texts_live_as_long_as_their_marks(void **state)
{
    (void)state;
    struct backlog backlog;
    open_box_of(&backlog, 2, true);
    for (uint32_t i = 0; i < 6; i++)
        assert_ok(mark(&backlog, i, 100 + i));
    assert_true(stats_of(&backlog).pending_bytes >= 6 * 20);
    wb_backlog_seal(&backlog.markbox.backlog, WB_REASON_FLUSH);
    wb_chunk *first = wb_markbox_take(&backlog.markbox),
             *second = wb_markbox_take(&backlog.markbox);
    settle(&backlog, first, true);
    check_ids(second);
    settle(&backlog, second, false);
    wb_clock_advance(backlog.clock, SECOND);
    for (int i = 0; i < 2; i++) {
        wb_chunk *chunk = wb_markbox_take(&backlog.markbox);
        assert_int_equal(chunk->marks.count, 2);
        check_ids(chunk);
        settle(&backlog, chunk, false);
    }
    assert_int_equal(stats_of(&backlog).stored, 6);
    assert_int_equal(stats_of(&backlog).pending_bytes, 0);
    shut_box(&backlog);
}

static void test_no_memory_for_a_text(void **state)
{
    (void)state;
    struct backlog backlog;
    open_box_of(&backlog, 2, true);
    wb_alloc_fail_after(1);
    assert_int_equal(mark(&backlog, 1, WB_NEVER), WB_MEMORY);
    wb_alloc_fail_after(0);
    assert_int_equal(stats_of(&backlog).rejected, 1);
    assert_int_equal(stats_of(&backlog).pending, 0);
    shut_box(&backlog);
}

/* The marks stay, are tried again later, and what is marked meanwhile waits for the round after. */
static void test_no_memory_for_a_round(void **state)
{
    (void)state;
    struct backlog backlog;
    open_box(&backlog, 10);
    for (uint32_t i = 0; i < 3; i++)
        assert_ok(mark(&backlog, i, 100 + i));
    uint64_t first = wb_backlog_seal(&backlog.markbox.backlog, WB_REASON_FLUSH);
    for (int i = 0; i < 2; i++) {
        wb_alloc_fail_after(1);
        assert_null(wb_markbox_take(&backlog.markbox));
        wb_alloc_fail_after(0);
        assert_null(wb_markbox_take(&backlog.markbox));
        assert_int_equal(stats_of(&backlog).pending_bytes, (3 + i) * sizeof(wb_mark));
        assert_ok(mark(&backlog, 1, 500));
        wb_clock_advance(backlog.clock, SECOND);
    }
    assert_false(wb_backlog_settled(&backlog.markbox.backlog, first));
    wb_alloc_fail_after(2); /* for the chunk */
    assert_null(wb_markbox_take(&backlog.markbox));
    wb_alloc_fail_after(0);
    wb_clock_advance(backlog.clock, SECOND);
    wb_chunk *chunk = wb_markbox_take(&backlog.markbox);
    assert_int_equal(chunk->marks.count, 3);
    assert_int_equal(wb_marks_time_us(&chunk->marks, 1), 101);
    settle(&backlog, chunk, false);
    assert_true(wb_backlog_settled(&backlog.markbox.backlog, first));
    wb_backlog_seal(&backlog.markbox.backlog, WB_REASON_FLUSH);
    chunk = wb_markbox_take(&backlog.markbox);
    assert_int_equal(chunk->marks.count, 1);
    assert_int_equal(chunk->marks.marks[0].count, 2);
    settle(&backlog, chunk, false);
    shut_box(&backlog);
}

static void test_no_memory_for_a_markbox(void **state)
{
    (void)state;
    wb_markbox markbox;
    wb_tracker_options options;
    wb_tracker_options_init(&options);
    for (size_t n = 1; n <= 6; n++) {
        wb_alloc_fail_after(n);
        int code = wb_markbox_init(&markbox, &options, &wb_env_system, NULL, false, NULL);
        wb_alloc_fail_after(0);
        assert_int_equal(code, WB_MEMORY);
    }
}

enum { MANY = 20000 };

static void *mark_many(void *context)
{
    struct backlog *backlog = context;
    for (uint32_t i = 0; i < 5 * MANY; i++)
        assert_ok(mark(backlog, i % MANY, i));
    return NULL;
}

/* Rounds of many steps are sorted, fail and go back while another thread marks the same ids. */
static void test_marks_come_while_others_go_back(void **state)
{
    (void)state;
    struct backlog backlog;
    wb_chunk *chunk;
    pthread_t thread;
    uint64_t random = 3;
    open_box_for(&backlog, 3000, false, true);
    assert_int_equal(pthread_create(&thread, NULL, mark_many, &backlog), 0);
    for (int i = 0; i < 40; i++) {
        wb_backlog_seal(&backlog.markbox.backlog, WB_REASON_FLUSH);
        if ((chunk = wb_markbox_take(&backlog.markbox)) == NULL)
            continue;
        for (size_t j = 0; j < chunk->marks.count; j += 1 + random_below(&random, 5))
            wb_marks_again(&chunk->marks, j);
        settle(&backlog, chunk, i % 2 == 0);
    }
    pthread_join(thread, NULL);
    while (stats_of(&backlog).pending > 0) {
        wb_backlog_seal(&backlog.markbox.backlog, WB_REASON_FLUSH);
        if ((chunk = wb_markbox_take(&backlog.markbox)) != NULL)
            settle(&backlog, chunk, false);
    }
    assert_int_equal(stats_of(&backlog).stored, 5 * MANY);
    assert_int_equal(stats_of(&backlog).pending_bytes, 0);
    shut_box(&backlog);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_nothing_marked_is_nothing_taken),
        cmocka_unit_test(test_interval_then_sorted_chunks),
        cmocka_unit_test(test_failure_merges_back_and_newest_wins),
        cmocka_unit_test(test_some_come_again),
        cmocka_unit_test(test_times_that_are_none),
        cmocka_unit_test(test_limit_and_close),
        cmocka_unit_test(test_marks_are_conserved_whatever_happens),
        cmocka_unit_test(test_texts_live_as_long_as_their_marks),
        cmocka_unit_test(test_no_memory_for_a_text),
        cmocka_unit_test(test_no_memory_for_a_round),
        cmocka_unit_test(test_no_memory_for_a_markbox),
        cmocka_unit_test(test_marks_come_while_others_go_back),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
