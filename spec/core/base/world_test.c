/* SPDX-License-Identifier: MIT
 * What the core asks the world through: errors, the log, cancelling, alarms, the manual clock. */
#include "support/support.h"

#include <poll.h>
#include <unistd.h>

#include "base/alarm.h"
#include "base/deadline.h"
#include "base/env.h"
#include "base/err.h"
#include "base/log.h"

#define SECOND INT64_C(1000000)

static void test_errors_name_and_wrap(void **state)
{
    (void)state;
    wb_err err;
    assert_int_equal(wb_fail(&err, WB_INVALID, "column \"%s\": bad", "a"), WB_INVALID);
    assert_string_equal(err.text, "column \"a\": bad");
    assert_int_equal(wb_wrap(&err, WB_INVALID, "row %d", 3), WB_INVALID);
    assert_string_equal(err.text, "row 3: column \"a\": bad");
    assert_int_equal(wb_fail(NULL, WB_FULL, "x"), WB_FULL);
    assert_string_equal(wb_code_name(WB_FORK), "fork");
    assert_string_equal(wb_code_name(-1), "unknown");
    assert_string_equal(wb_code_name(1000), "unknown");
}

static void test_long_text_is_cut_at_a_character(void **state)
{
    (void)state;
    wb_err err;
    char text[400];
    for (size_t i = 0; i + 2 < sizeof text; i += 2)
        memcpy(text + i, "\xC3\xA9", 2);
    text[398] = '\0';
    wb_fail(&err, WB_INVALID, "%s", text);
    assert_int_equal(strlen(err.text), 254);
    assert_int_equal((unsigned char)err.text[253], 0xA9);
    wb_fail(&err, WB_INVALID, "two\nlines");
    assert_string_equal(err.text, "two lines");
}

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
    wb_log_reset(log, WB_TOPIC_FAILURE);
    wb_log_line(log, WB_TOPIC_FAILURE, WB_WARN, WB_LOG_QUIET_US + 1, 1, "after a reset");
    assert_true(wb_log_next(log, &event));
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

/* stderr is a pipe for the while. */
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

static void test_cancel_ends_a_wait(void **state)
{
    (void)state;
    int pipes[2];
    assert_int_equal(pipe(pipes), 0);
    wb_cancel cancel;
    wb_cancel_init(&cancel);
    wb_deadline deadline = {.at_us = wb_now_us() + 3600 * SECOND, .cancel = &cancel};
    assert_int_equal(wb_deadline_wait(&deadline, pipes[1], WB_WAIT_WRITE), WB_WAIT_WRITE);
    assert_false(wb_deadline_passed(&deadline));
    wb_cancel_ask(&cancel);
    wb_cancel_ask(&cancel);
    assert_int_equal(wb_deadline_wait(&deadline, pipes[0], WB_WAIT_READ), 0);
    assert_true(wb_deadline_passed(&deadline));
    wb_cancel_fini(&cancel);
    close(pipes[0]);
    close(pipes[1]);
}

static void test_wait_ends_at_its_deadline(void **state)
{
    (void)state;
    int pipes[2];
    assert_int_equal(pipe(pipes), 0);
    wb_deadline deadline = {.at_us = wb_now_us() + SECOND / 100};
    assert_int_equal(wb_deadline_wait(&deadline, pipes[0], WB_WAIT_READ), 0);
    assert_true(wb_deadline_passed(&deadline));
    close(pipes[0]);
    close(pipes[1]);
}

static bool readable(int fd, int wait_ms)
{
    struct pollfd polled = {.fd = fd, .events = POLLIN};
    return poll(&polled, 1, wait_ms) == 1;
}

static void test_alarm_is_readable_when_due(void **state)
{
    (void)state;
    wb_alarm alarm;
    wb_alarm_init(&alarm);
    wb_alarm_set(&alarm, 5, 10); /* nobody asked for it yet */
    int fd = wb_alarm_fd(&alarm);
    assert_true(fd >= 0);
    wb_alarm_set(&alarm, 3600 * SECOND, 10);
    assert_false(readable(fd, 0));
    wb_alarm_set(&alarm, 5, 10);
    assert_true(readable(fd, 60000));
    wb_alarm_set(&alarm, WB_NEVER, 11);
    assert_false(readable(fd, 0));
    wb_alarm_set(&alarm, SECOND / 100, 0);
    assert_true(readable(fd, 60000));
    wb_alarm_fini(&alarm);
}

static void test_manual_clock(void **state)
{
    (void)state;
    wb_clock *clock = NULL;
    assert_ok(wb_clock_new(5 * SECOND, &clock, NULL));
    wb_env env = wb_env_of_clock(clock);
    assert_int_equal(env.now_us(env.context), 5 * SECOND);
    wb_clock_advance(clock, SECOND);
    wb_clock_advance(clock, -SECOND);
    assert_int_equal(env.unix_us(env.context), 6 * SECOND);
    env.wait_until(env.context, 9 * SECOND);
    env.wait_until(env.context, 7 * SECOND);
    assert_int_equal(wb_clock_now_us(clock), 9 * SECOND);
    wb_clock_unref(clock);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_errors_name_and_wrap),
        cmocka_unit_test(test_long_text_is_cut_at_a_character),
        cmocka_unit_test(test_log_is_limited_by_topic),
        cmocka_unit_test(test_event_queue_drops_its_oldest),
        cmocka_unit_test(test_lines_are_printed_on_demand),
        cmocka_unit_test(test_cancel_ends_a_wait),
        cmocka_unit_test(test_wait_ends_at_its_deadline),
        cmocka_unit_test(test_alarm_is_readable_when_due),
        cmocka_unit_test(test_manual_clock),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
