/* SPDX-License-Identifier: MIT
 * A store of two, whose parts are made up here: which of them a batch goes to, in doubt above all. */
#include "support/support.h"

#include "base/env.h"
#include "base/err.h"
#include "stores/store.h"

enum { AFTER_US = 50000 };

/* Answers what it is told, and counts. */
typedef struct part {
    wb_store base;
    int writes, sessions;
    bool fails, in_doubt;
} part;

typedef struct part_session {
    wb_session base;
    part *part;
} part_session;

static const wb_store_class part_class;

static wb_session *part_session_new(wb_store *store, const wb_target *target)
{
    (void)target;
    part_session *session = wb_alloc_zeroed(sizeof *session);
    if (session == NULL)
        return NULL;
    session->base.class = &part_class;
    session->part = (part *)store;
    session->part->sessions++;
    return &session->base;
}

static void part_end(wb_session *session)
{
    ((part_session *)session)->part->sessions--;
    wb_free(session);
}

static int part_write(wb_session *session, const wb_batch *batch, const wb_deadline *deadline,
                      wb_err *err)
{
    (void)batch, (void)deadline;
    part *own = ((part_session *)session)->part;
    own->writes++;
    if (!own->fails && !own->in_doubt)
        return WB_OK;
    wb_fail_store(err, WB_RETRY, "as it was told");
    err->in_doubt = own->in_doubt;
    return WB_STORE;
}

static void part_free(wb_store *store)
{
    (void)store;
}

static const wb_store_class part_class = {
    .kind = "part",
    .session = part_session_new,
    .write = part_write,
    .end = part_end,
    .free = part_free,
};

typedef struct two {
    part first, second;
    wb_store *store;
    wb_session *session;
    wb_target target;
    wb_schema *schema;
} two;

static void open_two(two *t)
{
    memset(t, 0, sizeof *t);
    t->first.base.class = t->second.base.class = &part_class;
    atomic_init(&t->first.base.references, 1);
    atomic_init(&t->second.base.references, 1);
    t->schema = small_schema();
    t->target = (wb_target){.table = "t", .schema = t->schema};
    assert_ok(wb_store_fallback(&t->first.base, &t->second.base, AFTER_US, &t->store, NULL));
    t->session = t->store->class->session(t->store, &t->target);
    assert_non_null(t->session);
}

static void close_two(two *t)
{
    t->session->class->end(t->session);
    assert_int_equal(t->first.sessions + t->second.sessions, 0);
    wb_store_unref(t->store);
    wb_schema_unref(t->schema);
}

static int write_to(two *t, wb_batch *batch)
{
    wb_err err = {0};
    wb_deadline deadline = {.at_us = WB_NEVER};
    int code = t->session->class->write(t->session, batch, &deadline, &err);
    batch->in_doubt = batch->in_doubt || err.in_doubt;
    return code;
}

static void go_to_second(two *t, wb_batch *batch)
{
    t->first.fails = true;
    while (t->second.writes == 0)
        write_to(t, batch);
}

static wb_batch *batch_of(two *t, uint8_t number)
{
    wb_batch *batch = wb_batch_new(t->schema);
    assert_non_null(batch);
    batch->id[0] = number;
    return batch;
}

static void test_a_doubt_goes_back_to_who_may_have_it(void **state)
{
    (void)state;
    two t;
    open_two(&t);
    wb_batch *ours = batch_of(&t, 1), *theirs = batch_of(&t, 2);
    t.first.in_doubt = true;
    assert_int_equal(write_to(&t, theirs), WB_STORE);
    t.first.in_doubt = false;
    t.second.in_doubt = true;
    go_to_second(&t, ours);
    assert_true(ours->in_doubt);

    int first = t.first.writes, second = t.second.writes;
    for (int i = 1; i <= 5; i++) {
        write_to(&t, ours);
        write_to(&t, theirs);
        assert_int_equal(t.second.writes, second + i);
        assert_int_equal(t.first.writes, first + i);
    }
    t.first.fails = t.second.in_doubt = false;
    assert_ok(write_to(&t, theirs)); /* the first is well again */
    assert_ok(write_to(&t, ours));
    assert_int_equal(t.second.writes, second + 6);
    wb_batch_free(ours);
    wb_batch_free(theirs);
    close_two(&t);
}

static void test_a_later_failure_ends_no_doubt(void **state)
{
    (void)state;
    two t;
    open_two(&t);
    wb_batch *batch = batch_of(&t, 1);
    t.second.in_doubt = true;
    go_to_second(&t, batch);
    assert_true(batch->in_doubt);
    t.second.in_doubt = t.first.fails = false;
    t.second.fails = true; /* it can't even be reached */
    assert_int_equal(write_to(&t, batch), WB_STORE);
    int first = t.first.writes;
    t.second.fails = false;
    assert_ok(write_to(&t, batch));
    assert_int_equal(t.first.writes, first);
    wb_batch_free(batch);
    close_two(&t);
}

static void test_the_first_is_tried_before_its_time_is_over(void **state)
{
    (void)state;
    two t;
    open_two(&t);
    wb_batch *batch = batch_of(&t, 1);
    t.first.fails = true;
    assert_int_equal(write_to(&t, batch), WB_STORE);
    t.first.fails = false;
    assert_ok(write_to(&t, batch));
    assert_int_equal(t.second.writes, 0);
    go_to_second(&t, batch);
    t.first.fails = false;
    int asked = t.first.writes;
    while (t.first.writes < asked + 3) /* in the end it is tried, and has all again */
        assert_ok(write_to(&t, batch));
    int second = t.second.writes;
    assert_ok(write_to(&t, batch));
    assert_int_equal(t.second.writes, second);
    wb_batch_free(batch);
    close_two(&t);
}

static void test_without_memory_the_first_is_asked(void **state)
{
    (void)state;
    for (size_t n = 1; n < 6; n++) {
        two t;
        open_two(&t);
        wb_batch *batch = batch_of(&t, 1);
        wb_alloc_fail_after(n);
        assert_ok(write_to(&t, batch));
        wb_alloc_fail_after(0);
        assert_int_equal(t.first.writes, 1);
        wb_batch_free(batch);
        close_two(&t);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_a_doubt_goes_back_to_who_may_have_it),
        cmocka_unit_test(test_a_later_failure_ends_no_doubt),
        cmocka_unit_test(test_the_first_is_tried_before_its_time_is_over),
        cmocka_unit_test(test_without_memory_the_first_is_asked),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
