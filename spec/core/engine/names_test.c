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

static void add_row(wb_batcher *batcher)
{
    wb_value values[2] = {int_value(1), text_value("x")};
    assert_ok(wb_batcher_add(batcher, values, 2, NULL, NULL));
}

static wb_batcher *used_batcher(const char *name, const char *table)
{
    wb_batcher *batcher = batcher_named(name, table);
    add_row(batcher);
    return batcher;
}

static wb_tracker *used_tracker(const char *name, const char *table)
{
    wb_tracker *tracker = tracker_named(name, table);
    assert_true(wb_pipeline_fd(wb_tracker_pipeline(tracker)) >= 0);
    return tracker;
}

static void let_go(wb_batcher *batcher)
{
    assert_ok(wb_batcher_purge(batcher, NULL, NULL));
    wb_pipeline_detach(wb_batcher_pipeline(batcher));
}

static void test_the_second_of_a_name_has_a_number(void **state)
{
    (void)state;
    wb_batcher *first = used_batcher(NULL, "t"), *second = used_batcher(NULL, "t");
    wb_batcher *given = used_batcher("t", "other"), *own = used_batcher("mine", "t");
    assert_string_equal(name_of(first), "t");
    assert_string_equal(name_of(second), "t#2");
    assert_string_equal(name_of(given), "t#3");
    assert_string_equal(name_of(own), "mine");
    wb_tracker *tracker = used_tracker(NULL, "t"), *nameless = used_tracker(NULL, NULL);
    assert_string_equal(wb_pipeline_name(wb_tracker_pipeline(tracker)), "t#4");
    assert_string_equal(wb_pipeline_name(wb_tracker_pipeline(nameless)), "tracker");
    wb_pipeline_detach(wb_tracker_pipeline(tracker));
    wb_pipeline_detach(wb_tracker_pipeline(nameless));
    let_go(first);
    let_go(second);
    let_go(given);
    let_go(own);
}

/* Those of a Lua state that nginx is about to end, in its master process, are of this kind. */
static void test_one_that_is_only_there_has_no_name(void **state)
{
    (void)state;
    wb_batcher *idle = batcher_named(NULL, "t"), *second = batcher_named(NULL, "t");
    add_row(second);
    assert_string_equal(name_of(second), "t");
    add_row(second);
    assert_string_equal(name_of(second), "t");
    add_row(idle);
    assert_string_equal(name_of(idle), "t#2");
    assert_string_equal(name_of(second), "t");
    let_go(idle);
    let_go(second);
}

/* Each use takes it, and what is logged without one. */
static void test_whatever_comes_first_takes_the_name(void **state)
{
    (void)state;
    wb_batcher *first = used_batcher(NULL, "t");
    wb_batcher *watched = batcher_named(NULL, "t"), *decided = batcher_named(NULL, "t");
    assert_true(wb_pipeline_fd(wb_batcher_pipeline(watched)) >= 0);
    wb_batcher_undecided(decided, "route", "why");
    assert_string_equal(name_of(watched), "t#2");
    wb_event event;
    assert_true(wb_pipeline_event(wb_batcher_pipeline(decided), &event));
    assert_string_equal(event.name, "t#3");
    let_go(first);
    let_go(watched);
    let_go(decided);
}

static void test_a_closed_one_leaves_its_name(void **state)
{
    (void)state;
    wb_batcher *first = used_batcher(NULL, "t");
    assert_ok(wb_batcher_purge(first, NULL, NULL));
    assert_ok(wb_pipeline_close(wb_batcher_pipeline(first), 0, NULL));
    assert_ok(wb_pipeline_close(wb_batcher_pipeline(first), 0, NULL));
    wb_batcher *second = used_batcher(NULL, "t");
    wb_batcher_undecided(first, "route", "why");
    assert_string_equal(name_of(second), "t");
    assert_string_equal(name_of(first), "t");
    let_go(first);
    wb_batcher *third = used_batcher(NULL, "t");
    assert_string_equal(name_of(third), "t#2");
    let_go(second);
    let_go(third);
}

static bool is_named(wb_batcher *batcher, const char *name)
{
    return strcmp(name_of(batcher), name) == 0;
}

/* What the parent uses, whoever made it, counts for nothing here; nor does what it named and did not use. */
static void test_a_childs_names_are_those_it_uses(void **state)
{
    (void)state;
    wb_batcher *used = used_batcher(NULL, "t"), *unused = batcher_named(NULL, "t");
    wb_batcher *named = batcher_named(NULL, "t");
    wb_batcher_undecided(named, "route", "why");
    assert_string_equal(name_of(named), "t#2");
    pid_t child = fork();
    if (child == 0) {
        add_row(unused);
        add_row(named);
        bool right = is_named(unused, "t") && is_named(named, "t#2") &&
                     is_named(used_batcher(NULL, "t"), "t#3");
        _exit(right ? 0 : 1);
    }
    int status;
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_int_equal(status, 0);
    add_row(unused);
    assert_string_equal(name_of(unused), "t#3");
    let_go(used);
    let_go(unused);
    let_go(named);
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
        cmocka_unit_test(test_one_that_is_only_there_has_no_name),
        cmocka_unit_test(test_whatever_comes_first_takes_the_name),
        cmocka_unit_test(test_a_closed_one_leaves_its_name),
        cmocka_unit_test(test_a_childs_names_are_those_it_uses),
        cmocka_unit_test(test_events_say_whose_they_are),
        cmocka_unit_test(test_an_empty_name_is_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
