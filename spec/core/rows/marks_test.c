/* SPDX-License-Identifier: MIT
 * Times as a column has them: rounded down, also before 1970; and which stored values move forward. */
#include "support/support.h"

#include "base/timestamp.h"
#include "rows/marks.h"

#define SECOND INT64_C(1000000)
#define DAY    (86400 * SECOND)

static void test_units(void **state)
{
    (void)state;
    assert_int_equal(wb_unit_us(WB_TYPE_TIMESTAMPTZ, WB_UNIT_S), 1);
    assert_int_equal(wb_unit_us(WB_TYPE_TIMESTAMP, WB_UNIT_MS), 1);
    assert_int_equal(wb_unit_us(WB_TYPE_DATE, WB_UNIT_S), DAY);
    assert_int_equal(wb_unit_us(WB_TYPE_INT8, WB_UNIT_S), SECOND);
    assert_int_equal(wb_unit_us(WB_TYPE_INT8, WB_UNIT_MS), 1000);
    assert_int_equal(wb_unit_us(WB_TYPE_INT8, WB_UNIT_US), 1);
    assert_int_equal(wb_unit_us(WB_TYPE_INT4, WB_UNIT_S), 0);
    assert_int_equal(wb_unit_us(-1, WB_UNIT_S), 0);
}

static void test_rounds_down(void **state)
{
    (void)state;
    assert_int_equal(wb_unit_of_us(0, DAY), 0);
    assert_int_equal(wb_unit_of_us(DAY - 1, DAY), 0);
    assert_int_equal(wb_unit_of_us(DAY, DAY), 1);
    assert_int_equal(wb_unit_of_us(-1, DAY), -1);
    assert_int_equal(wb_unit_of_us(-DAY, DAY), -1);
    assert_int_equal(wb_unit_of_us(-DAY - 1, DAY), -2);
    assert_int_equal(wb_unit_of_us(INT64_MIN, 1), INT64_MIN);
    assert_int_equal(wb_unit_of_us(WB_TIME_MIN_US, DAY), -719162);
    assert_int_equal(wb_unit_of_us(WB_TIME_MAX_US, DAY), 2932896);
    assert_int_equal(wb_unit_to_us(-2, SECOND), -2 * SECOND);
    assert_int_equal(wb_unit_to_us(INT64_MAX, SECOND), INT64_MAX);
    assert_int_equal(wb_unit_to_us(INT64_MIN, SECOND), INT64_MIN);
}

/* Does a stored value move? */
static bool moves(const wb_marks *marks, int64_t stored, int64_t least_us, int64_t unit_us)
{
    return stored < wb_marks_bound(marks, 0, least_us, unit_us);
}

static void test_days(void **state)
{
    (void)state;
    wb_marks noon = {.count = 1, .at_us = 10 * DAY + DAY / 2};
    assert_int_equal(wb_marks_value(&noon, 0, DAY), 10);
    assert_true(moves(&noon, 9, 0, DAY));
    assert_false(moves(&noon, 10, 0, DAY));
    assert_true(moves(&noon, 9, DAY, DAY)); /* that day began a day and a half ago */
    assert_false(moves(&noon, 9, 2 * DAY, DAY));
    assert_true(moves(&noon, 8, 2 * DAY, DAY));
    assert_false(moves(&noon, -719162, INT64_MAX, DAY));
}

static void test_seconds(void **state)
{
    (void)state;
    wb_mark mark = {.time_us = 99 * SECOND + 1};
    wb_marks marks = {.marks = &mark, .count = 1, .at_us = 100 * SECOND + 5, .exact = true};
    assert_int_equal(wb_marks_value(&marks, 0, SECOND), 99);
    assert_false(moves(&marks, 99, 0, SECOND));
    assert_true(moves(&marks, 98, 2 * SECOND, SECOND));
    assert_false(moves(&marks, 98, 3 * SECOND, SECOND));
    assert_int_equal(wb_marks_latest(&marks, 3 * SECOND, SECOND), 97);
    assert_int_equal(wb_marks_latest(&marks, 3 * SECOND, 1), 97 * SECOND + 5);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_units),
        cmocka_unit_test(test_rounds_down),
        cmocka_unit_test(test_days),
        cmocka_unit_test(test_seconds),
    };
    return cmocka_run_group_tests_name("marks", tests, NULL, NULL);
}
