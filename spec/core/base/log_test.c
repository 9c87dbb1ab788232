/* SPDX-License-Identifier: MIT
 * The log: its limit by topic, the queue of events, and lines on stderr. */
#include "support/support.h"

#include <poll.h>
#include <unistd.h>

#include "base/env.h"
#include "base/log.h"

static void test_log_is_limited_by_topic(void **state)
{
    (void)state;
    wb_log *log = wb_log_new("test", true, true);
    wb_event event;
    for (int i = 0; i < 5; i++)
        wb_log_line(log, WB_TOPIC_FAILURE, WB_WARN, i, 1, "failure %d", i);
    wb_log_line(log, WB_TOPIC_DEAD, WB_ERROR, 0, 1, "dead");
    assert_true(wb_log_next(log, &event));
    assert_string_equal(event.text, "failure 0");
    assert_true(wb_log_next(log, &event));
    assert_string_equal(event.text, "dead");
    assert_false(wb_log_next(log, &event));
    wb_log_line(log, WB_TOPIC_FAILURE, WB_WARN, WB_LOG_QUIET_US, 1, "again");
    assert_true(wb_log_next(log, &event));
    assert_int_equal(event.suppressed, 4);
    wb_log_line(log, WB_TOPIC_FAILURE, WB_WARN, WB_LOG_QUIET_US + 1, 1, "held back");
    wb_log_line(log, WB_TOPIC_FAILURE, WB_ERROR, WB_LOG_QUIET_US + 2, 1, "a rise in level");
    assert_true(wb_log_next(log, &event));
    assert_string_equal(event.text, "a rise in level");
    assert_int_equal(event.suppressed, 1);
    wb_log_line(log, WB_TOPIC_FAILURE, WB_WARN, WB_LOG_QUIET_US + 3, 1, "lower");
    wb_log_line(log, WB_TOPIC_FAILURE, WB_ERROR, WB_LOG_QUIET_US + 4, 1, "the same");
    assert_false(wb_log_next(log, &event));
    wb_log_free(log);
}

static void test_event_queue_drops_its_oldest(void **state)
{
    (void)state;
    wb_log *log = wb_log_new("test", true, true);
    for (uint64_t i = 0; i < WB_LOG_QUEUE + 10; i++)
        wb_log_flush(log, &(wb_event){.kind = WB_EVENT_FLUSH, .rows = i});
    assert_int_equal(wb_log_lost(log), 10);
    wb_event event;
    for (uint64_t i = 10; i < WB_LOG_QUEUE + 10; i++) {
        assert_true(wb_log_next(log, &event));
        assert_int_equal(event.rows, i);
    }
    assert_false(wb_log_waiting(log));
    wb_log_free(log);
}

static void flush_with_ids(wb_log *log, uint64_t rows)
{
    wb_log_flush(
        log, &(wb_event){.kind = WB_EVENT_FLUSH, .rows = rows, .ids = wb_alloc_zeroed(rows * 16)});
}

static void test_the_queue_is_as_long_as_it_is_told(void **state)
{
    (void)state;
    wb_log *log = wb_log_new("test", true, true);
    wb_log_limit(log, 3, UINT64_MAX);
    wb_event event;
    for (uint64_t i = 1; i <= 5; i++)
        flush_with_ids(log, i);
    assert_int_equal(wb_log_lost(log), 2);
    for (uint64_t i = 3; i <= 5; i++) {
        assert_true(wb_log_next(log, &event));
        assert_int_equal(event.rows, i);
        assert_non_null(event.ids);
        wb_free(event.ids);
    }
    assert_false(wb_log_next(log, &event));
    wb_log_free(log);
}

static void test_ids_are_of_a_bounded_number_of_rows(void **state)
{
    (void)state;
    wb_log *log = wb_log_new("test", true, true);
    wb_log_limit(log, 100, 10);
    wb_event event;
    flush_with_ids(log, 6);
    wb_log_line(log, WB_TOPIC_DEAD, WB_ERROR, 0, 1, "dead");
    flush_with_ids(log, 4);
    assert_int_equal(wb_log_lost(log), 0);
    wb_log_flush(log, &(wb_event){.kind = WB_EVENT_FLUSH, .rows = 1000}); /* has none */
    assert_int_equal(wb_log_lost(log), 0);
    flush_with_ids(log, 1);
    assert_int_equal(wb_log_lost(log), 1);
    assert_true(wb_log_next(log, &event));
    assert_string_equal(event.text, "dead");
    flush_with_ids(log, 50); /* one alone may have more */
    assert_true(wb_log_next(log, &event));
    assert_int_equal(event.rows, 50);
    wb_free(event.ids);
    flush_with_ids(log, 1); /* freed with the log */
    wb_log_free(log);
}

static void test_nobody_asked_for_flush_events(void **state)
{
    (void)state;
    wb_log *log = wb_log_new("test", true, false);
    wb_event event;
    flush_with_ids(log, 1);
    assert_false(wb_log_next(log, &event));
    wb_log_free(log);
}

/* For the time of the test, stderr is a pipe. */
static void test_lines_are_printed_on_demand(void **state)
{
    (void)state;
    int pipes[2], kept = dup(STDERR_FILENO);
    assert_int_equal(pipe(pipes), 0);
    wb_log *log = wb_log_new("batcher t", false, false);
    dup2(pipes[1], STDERR_FILENO);
    wb_log_line(log, WB_TOPIC_DEAD, WB_ERROR, 0, 1, "gave up %d rows", 3);
    struct pollfd polled = {.fd = pipes[0], .events = POLLIN};
    int before = poll(&polled, 1, 0);
    wb_log_print(log);
    dup2(kept, STDERR_FILENO);
    assert_int_equal(before, 0);
    char line[200] = "";
    assert_true(read(pipes[0], line, sizeof line - 1) > 0);
    assert_string_equal(line, "writebehind: batcher t: error: gave up 3 rows\n");
    wb_log_free(log);
    close(pipes[0]);
    close(pipes[1]);
    close(kept);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_log_is_limited_by_topic),
        cmocka_unit_test(test_event_queue_drops_its_oldest),
        cmocka_unit_test(test_the_queue_is_as_long_as_it_is_told),
        cmocka_unit_test(test_ids_are_of_a_bounded_number_of_rows),
        cmocka_unit_test(test_nobody_asked_for_flush_events),
        cmocka_unit_test(test_lines_are_printed_on_demand),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
