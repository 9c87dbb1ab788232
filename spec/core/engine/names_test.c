/* SPDX-License-Identifier: MIT
 * Names of pipelines: each once among those that are not closed, of whatever kind, and in logs and events. */
#include "support/support.h"

#include <sys/wait.h>
#include <unistd.h>

static wb_batcher *batcher_named(const char *name, const char *table)
{
    wb_batcher_options options;
    wb_batcher_options_init(&options);
    options.schema = small_schema();
    options.table = table;
    options.name = name;
    options.log_events = options.flush_events = true;
    wb_batcher *batcher;
    assert_ok(wb_batcher_new(&options, &batcher, NULL));
    wb_schema_unref(options.schema);
    return batcher;
}

static wb_tracker *tracker_named(const char *name, const char *table)
{
    wb_tracker_options options;
    wb_tracker_options_init(&options);
    options.table = table;
    options.name = name;
    wb_tracker *tracker;
    assert_ok(wb_tracker_new(&options, &tracker, NULL));
    return tracker;
}

static const char *name_of(wb_batcher *batcher)
{
    return wb_pipeline_name(wb_batcher_pipeline(batcher));
}

static void let_go(wb_batcher *batcher)
{
    wb_pipeline_detach(wb_batcher_pipeline(batcher));
}

static void test_the_second_of_a_name_has_a_number(void **state)
{
    (void)state;
    wb_batcher *first = batcher_named(NULL, "t"), *second = batcher_named(NULL, "t");
    wb_batcher *given = batcher_named("t", "other"), *own = batcher_named("mine", "t");
    assert_string_equal(name_of(first), "t");
    assert_string_equal(name_of(second), "t#2");
    assert_string_equal(name_of(given), "t#3");
    assert_string_equal(name_of(own), "mine");
    wb_tracker *tracker = tracker_named(NULL, "t"), *nameless = tracker_named(NULL, NULL);
    assert_string_equal(wb_pipeline_name(wb_tracker_pipeline(tracker)), "t#4");
    assert_string_equal(wb_pipeline_name(wb_tracker_pipeline(nameless)), "tracker");
    wb_pipeline_detach(wb_tracker_pipeline(tracker));
    wb_pipeline_detach(wb_tracker_pipeline(nameless));
    let_go(first);
    let_go(second);
    let_go(given);
    let_go(own);
}

static void test_a_closed_one_leaves_its_name(void **state)
{
    (void)state;
    wb_batcher *first = batcher_named(NULL, "t");
    assert_ok(wb_pipeline_close(wb_batcher_pipeline(first), 0, NULL));
    assert_ok(wb_pipeline_close(wb_batcher_pipeline(first), 0, NULL));
    wb_batcher *second = batcher_named(NULL, "t");
    assert_string_equal(name_of(second), "t");
    assert_string_equal(name_of(first), "t");
    let_go(first);
    wb_batcher *third = batcher_named(NULL, "t");
    assert_string_equal(name_of(third), "t#2");
    let_go(second);
    let_go(third);
}

static void add_row(wb_batcher *batcher)
{
    wb_value values[2] = {int_value(1), text_value("x")};
    assert_ok(wb_batcher_add(batcher, values, 2, NULL, NULL));
}

/* What the parent uses can't be used in the child; what it has not used can. */
static void test_a_childs_names_are_those_it_can_use(void **state)
{
    (void)state;
    wb_batcher *used = batcher_named(NULL, "used"), *unused = batcher_named(NULL, "unused");
    add_row(used);
    pid_t child = fork();
    if (child == 0) {
        bool right = strcmp(name_of(batcher_named(NULL, "used")), "used") == 0 &&
                     strcmp(name_of(batcher_named(NULL, "unused")), "unused#2") == 0;
        _exit(right ? 0 : 1);
    }
    int status;
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_int_equal(status, 0);
    wb_batch *batch;
    wb_pipeline_seal(wb_batcher_pipeline(used), WB_REASON_FLUSH);
    assert_non_null(batch = wb_batcher_take(used));
    wb_batcher_complete(used, batch, &(wb_outcome){.code = WB_OK});
    let_go(used);
    let_go(unused);
}

static void test_events_say_whose_they_are(void **state)
{
    (void)state;
    wb_batcher *batcher = batcher_named("mine", "s.t");
    add_row(batcher);
    wb_pipeline_seal(wb_batcher_pipeline(batcher), WB_REASON_FLUSH);
    wb_batch *batch = wb_batcher_take(batcher);
    assert_non_null(batch);
    wb_batcher_complete(
        batcher, batch,
        &(wb_outcome){
            .code = WB_STORE, .error_class = WB_RETRY, .text = "down", .retry_us = WB_NEVER});
    wb_event event;
    for (int i = 0; i < 3; i++) { /* the failure, the dead row, the write */
        assert_true(wb_pipeline_event(wb_batcher_pipeline(batcher), &event));
        assert_string_equal(event.name, "mine");
        assert_string_equal(event.table, "s.t");
    }
    assert_false(wb_pipeline_event(wb_batcher_pipeline(batcher), &event));
    let_go(batcher);
}

static void test_an_empty_name_is_refused(void **state)
{
    (void)state;
    wb_err err;
    wb_batcher *batcher;
    wb_batcher_options options;
    wb_batcher_options_init(&options);
    options.schema = small_schema();
    options.table = "t";
    options.name = "";
    assert_int_equal(wb_batcher_new(&options, &batcher, &err), WB_MISUSE);
    assert_string_equal(err.text, "name: is required");
    wb_schema_unref(options.schema);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_the_second_of_a_name_has_a_number),
        cmocka_unit_test(test_a_closed_one_leaves_its_name),
        cmocka_unit_test(test_a_childs_names_are_those_it_can_use),
        cmocka_unit_test(test_events_say_whose_they_are),
        cmocka_unit_test(test_an_empty_name_is_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
