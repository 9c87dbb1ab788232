/* SPDX-License-Identifier: MIT
 * The tables that an outbox knows, over hours of virtual time: how long, and what forgetting one leaves alone. */
#include "support/outbox_fixture.h"

#include <stdio.h>

#define HOUR (INT64_C(3600) * SECOND)

static void seal(struct backlog *backlog)
{
    wb_backlog_seal(&backlog->outbox.backlog, WB_REASON_FLUSH);
}

static void to_new_tables(struct backlog *backlog, int from, int count)
{
    for (int i = from; i < from + count; i++) {
        char name[16];
        snprintf(name, sizeof name, "day_%d", i);
        assert_ok(put_to(backlog, name));
    }
}

static void store_all(struct backlog *backlog)
{
    seal(backlog);
    for (wb_batch *batch; (batch = wb_outbox_take(&backlog->outbox)) != NULL;)
        store_batch(backlog, batch);
}

/* 100 new tables an hour, for 50 hours: never more are known than had rows within some hours, and no row goes astray. */
static void a_table_that_is_unused_is_forgotten(void **state)
{
    (void)state;
    struct backlog backlog;
    open_box(&backlog, NULL);
    for (int hour = 0; hour < 50; hour++) {
        to_new_tables(&backlog, hour * 100, 100);
        assert_ok(put_to(&backlog, "each_hour"));
        seal(&backlog);
        for (wb_batch *batch; (batch = wb_outbox_take(&backlog.outbox)) != NULL;) {
            int64_t n = n_at(batch, 0) - hour * 101;
            char name[16] = "each_hour";
            if (n < 100)
                snprintf(name, sizeof name, "day_%d", (int)n + hour * 100);
            assert_int_equal(wb_batch_rows(batch), 1);
            assert_string_equal(wb_batch_table(batch), name);
            store_batch(&backlog, batch);
        }
        wb_clock_advance(backlog.clock, HOUR);
        assert_true(backlog.outbox.routes.count <= 210);
    }
    assert_int_equal(stats_of(&backlog).stored, 50 * 101);
    shut_box(&backlog);
}

/* What is open, lent, or waits for its next try refers to it. */
static void a_table_with_rows_is_not_forgotten(void **state)
{
    (void)state;
    struct backlog backlog;
    open_box(&backlog, NULL);
    assert_ok(put_to(&backlog, "lent"));
    seal(&backlog);
    wb_batch *lent = wb_outbox_take(&backlog.outbox);
    assert_ok(put_to(&backlog, "fails"));
    seal(&backlog);
    fail_batch(&backlog, wb_outbox_take(&backlog.outbox), WB_RETRY, 0);
    assert_ok(put_to(&backlog, "gathers"));
    wb_clock_advance(backlog.clock, 2 * HOUR);
    to_new_tables(&backlog, 0, 20);
    assert_string_equal(wb_batch_table(lent), "lent");
    store_batch(&backlog, lent);
    const char *const left[] = {"gathers", "fails"};
    for (int i = 0; i < 2; i++) {
        wb_batch *batch = wb_outbox_take(&backlog.outbox);
        assert_string_equal(wb_batch_table(batch), left[i]);
        store_batch(&backlog, batch);
    }
    store_all(&backlog);
    assert_int_equal(stats_of(&backlog).stored, 23);
    shut_box(&backlog);
}

/* Its failures are forgotten with it: they count for no table that gets its number. */
static void failures_are_forgotten_too(void **state)
{
    (void)state;
    struct backlog backlog;
    wb_table_stats *tables;
    size_t count;
    open_box(&backlog, NULL);
    assert_ok(put_to(&backlog, "fails"));
    seal(&backlog);
    fail_batch(&backlog, wb_outbox_take(&backlog.outbox), WB_RETRY, 0);
    assert_int_equal(wb_outbox_purge(&backlog.outbox), 1);
    wb_clock_advance(backlog.clock, 2 * HOUR);
    to_new_tables(&backlog, 0, 4);
    assert_ok(wb_outbox_tables(&backlog.outbox, &tables, &count, NULL));
    assert_int_equal(count, 4);
    for (size_t i = 0; i < count; i++)
        assert_int_equal(tables[i].consecutive_failures, 0);
    wb_free(tables);
    assert_false(backlog.outbox.backlog.troubled);
    assert_int_equal(backlog.outbox.lanes.failing, 0);
    shut_box(&backlog);
}

/* ---- names and numbers ---- */

enum { NAMES = 400 };

/* Against a list: names come and go at random, each found by its own number as long as it is known. */
static void names_come_and_go(void **state)
{
    (void)state;
    wb_routes routes = {.count = 0};
    int64_t number_of[NAMES];
    uint64_t random = 7;
    memset(number_of, -1, sizeof number_of);
    for (int i = 0; i < 20000; i++) {
        uint32_t number;
        char name[16];
        random = random * 6364136223846793005u + 1442695040888963407u;
        int n = (int)(random >> 33) % (i % 2000 < 1000 ? NAMES : 20);
        snprintf(name, sizeof name, "name_%d", n);
        if (number_of[n] >= 0 && random >> 63 > 0) {
            wb_routes_forget(&routes, (uint32_t)number_of[n]);
            number_of[n] = -1;
            continue;
        }
        assert_true(wb_routes_find(&routes, name, &number));
        assert_true(number_of[n] < 0 || number == number_of[n]);
        assert_string_equal(wb_routes_name(&routes, number)->text, name);
        number_of[n] = number;
    }
    assert_true(routes.count <= NAMES);
    wb_routes_fini(&routes);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_table_that_is_unused_is_forgotten),
        cmocka_unit_test(a_table_with_rows_is_not_forgotten),
        cmocka_unit_test(failures_are_forgotten_too),
        cmocka_unit_test(names_come_and_go),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
