/* SPDX-License-Identifier: MIT
 * Policies in the outbox: rows of several tables, decided retries, asking before a row is refused, sealing for a
 * policy's reason, and a decider that is asked by the one who delivers. */
#include "support/outbox_fixture.h"

#include <stdio.h>

enum { TABLES = 3 };
static const char *const tables[TABLES] = {"t", "a", "b"};

static void ten_pending(wb_batcher_options *options)
{
    options->max_pending_rows = 10;
}

/* Rows 0, 1, 2, … go to t, a, b, t, … */
static void put_round(struct backlog *backlog, int count)
{
    for (int i = 0; i < count; i++)
        assert_ok(put_to(backlog, tables[backlog->next % TABLES]));
}

static const char *table_of(const wb_batch *batch)
{
    return batch->table != NULL ? batch->table->text : "t";
}

/* All rows of the batch belong where it goes, in the order in which they were put. */
static void assert_of_one_table(const wb_batch *batch)
{
    int64_t last = -1;
    for (size_t i = 0; i < wb_batch_rows(batch); i++) {
        assert_true(n_at(batch, i) > last);
        last = n_at(batch, i);
        assert_string_equal(tables[last % TABLES], table_of(batch));
    }
}

static wb_batch *take(struct backlog *backlog)
{
    wb_batch *batch = wb_outbox_take(&backlog->outbox);
    if (batch != NULL)
        assert_of_one_table(batch);
    return batch;
}

static void seal(struct backlog *backlog)
{
    wb_backlog_seal(&backlog->outbox.backlog, WB_REASON_FLUSH);
}

/* ---- routes ---- */

static void one_table_a_batch(void **state)
{
    (void)state;
    struct backlog backlog;
    open_box(&backlog, NULL);
    put_round(&backlog, 30);
    uint64_t ticket = wb_backlog_seal(&backlog.outbox.backlog, WB_REASON_FLUSH);
    for (int i = 0; i < TABLES; i++) {
        assert_false(wb_backlog_settled(&backlog.outbox.backlog, ticket));
        wb_batch *batch = take(&backlog);
        assert_int_equal(wb_batch_rows(batch), 10);
        assert_int_equal(first_n(batch), i);
        assert_int_equal(batch->attempt, 1);
        assert_int_equal(batch->reason, WB_REASON_FLUSH);
        store_batch(&backlog, batch);
    }
    assert_true(wb_backlog_settled(&backlog.outbox.backlog, ticket));
    assert_null(take(&backlog));
    assert_int_equal(stats_of(&backlog).batches, TABLES);
    assert_int_equal(stats_of(&backlog).pending_bytes, 0);
    shut_box(&backlog);
}

static void small_merged(wb_batcher_options *options)
{
    options->batch_size = 6;
    options->flush_at = 1;
}

/* Waiting batches that go out together are sorted by table together. */
static void merges_by_table(void **state)
{
    (void)state;
    struct backlog backlog;
    open_box(&backlog, small_merged);
    merge_up_to(&backlog, 24);
    put_round(&backlog, 60);
    seal(&backlog);
    size_t batches = 0;
    for (wb_batch *batch; (batch = take(&backlog)) != NULL; batches++) {
        assert_int_equal(wb_batch_rows(batch) % 2, 0);
        store_batch(&backlog, batch);
    }
    assert_int_equal(stats_of(&backlog).stored, 60);
    assert_true(batches <= 9); /* of 10 sealed ones: 24, 24 and 12 rows, three tables each */
    shut_box(&backlog);
}

/* A part that fails goes on being of its table, and stops the other tables only for its delay. */
static void one_table_down(void **state)
{
    (void)state;
    struct backlog backlog;
    open_box(&backlog, NULL);
    uint64_t stored = 0;
    for (int round = 0; round < 50; round++) {
        put_round(&backlog, 9);
        seal(&backlog);
        for (wb_batch *batch; (batch = take(&backlog)) != NULL;) {
            bool down = strcmp(table_of(batch), "a") == 0 && round < 40;
            stored += down ? 0 : wb_batch_rows(batch);
            if (down)
                fail_batch(&backlog, batch, WB_HOLD, 0);
            else
                store_batch(&backlog, batch);
        }
        wb_clock_advance(backlog.clock, 31 * SECOND);
    }
    seal(&backlog);
    for (wb_batch *batch; (batch = take(&backlog)) != NULL;)
        store_batch(&backlog, batch);
    assert_int_equal(stats_of(&backlog).stored, 450);
    assert_true(stored >= 250); /* the other two tables did not wait for it */
    shut_box(&backlog);
}

/* Two tables' parts have one serial: a bad row in one is found there, the other one is untouched. */
static void a_bad_row_of_one_table(void **state)
{
    (void)state;
    struct backlog backlog;
    open_box(&backlog, NULL);
    put_round(&backlog, 48);
    seal(&backlog);
    size_t writes = 0;
    for (wb_batch *batch; (batch = take(&backlog)) != NULL; writes++) {
        bool bad = false;
        for (size_t i = 0; i < wb_batch_rows(batch); i++)
            bad = bad || n_at(batch, i) == 16; /* of table a */
        if (bad)
            fail_batch(&backlog, batch, WB_REJECT, 0);
        else
            store_batch(&backlog, batch);
    }
    wb_stats stats = stats_of(&backlog);
    assert_int_equal(stats.stored, 47);
    assert_int_equal(stats.dead, 1);
    assert_true(writes <= 2 + 2 * 4 + 2);
    shut_box(&backlog);
}

static void without_memory_all_is_back(void **state)
{
    (void)state;
    for (size_t nth = 0; nth < 12; nth++) {
        struct backlog backlog;
        open_box(&backlog, NULL);
        put_round(&backlog, 30);
        seal(&backlog);
        wb_alloc_fail_after(nth);
        wb_batch *batch = wb_outbox_take(&backlog.outbox);
        wb_alloc_fail_after(SIZE_MAX);
        assert_int_equal(stats_of(&backlog).pending, 30);
        if (batch != NULL)
            store_batch(&backlog, batch);
        wb_clock_advance(backlog.clock, SECOND);
        while ((batch = take(&backlog)) != NULL)
            store_batch(&backlog, batch);
        assert_int_equal(stats_of(&backlog).stored, 30);
        shut_box(&backlog);
    }
}

static void what_is_no_name_of_a_table(void **state)
{
    (void)state;
    struct backlog backlog;
    wb_err err;
    char name[WB_TABLE_BYTES + 2];
    memset(name, 'a', sizeof name);
    name[WB_TABLE_BYTES + 1] = '\0';
    wb_value values[2] = {int_value(0), text_value("x")};
    wb_choice choice = {.table = name, .overflow = WB_OVERFLOW_REJECT};
    open_box(&backlog, NULL);
    assert_int_equal(wb_outbox_put(&backlog.outbox, values, 2, &choice, NULL, &err), WB_INVALID);
    assert_string_equal(err.text, "a table's name has 1 to 255 bytes, this one has 256");
    choice.table = "";
    assert_int_equal(wb_outbox_put(&backlog.outbox, values, 2, &choice, NULL, &err), WB_INVALID);
    assert_string_equal(err.text, "a table's name has 1 to 255 bytes, this one has 0");
    choice.table = name + 1;
    assert_ok(wb_outbox_put(&backlog.outbox, values, 2, &choice, NULL, &err));
    assert_int_equal(stats_of(&backlog).accepted, 1);
    shut_box(&backlog);
}

/* Of many tables, most parts are small and wait: in no more memory than their rows are counted for. */
static void what_waits_is_small(void **state)
{
    (void)state;
    struct backlog backlog;
    open_box(&backlog, NULL);
    put_round(&backlog, 30);
    seal(&backlog);
    wb_batch *batch = take(&backlog);
    for (const wb_batch *part = backlog.outbox.sealed.first; part != NULL; part = part->next) {
        assert_int_equal(part->room, part->count);
        assert_int_equal(part->capacity, part->bytes);
    }
    store_batch(&backlog, batch);
    shut_box(&backlog);
}

/* ---- each table by itself ---- */

static int put_named(struct backlog *backlog, int table)
{
    char name[16];
    snprintf(name, sizeof name, "p%d", table);
    return put_to(backlog, name);
}

static void hundred_rows(wb_batcher_options *options)
{
    options->batch_size = 100;
    options->flush_at = 1;
}

static void a_table_fills_by_itself(void **state)
{
    (void)state;
    struct backlog backlog;
    open_box(&backlog, hundred_rows);
    size_t writes = 0;
    for (int i = 0; i < 10000; i++) {
        assert_ok(put_named(&backlog, i % 50));
        for (wb_batch *batch; (batch = wb_outbox_take(&backlog.outbox)) != NULL; writes++) {
            assert_int_equal(wb_batch_rows(batch), 100);
            assert_int_equal(batch->reason, WB_REASON_SIZE);
            store_batch(&backlog, batch);
        }
    }
    assert_int_equal(writes, 100);
    assert_int_equal(stats_of(&backlog).pending_bytes, 0);
    shut_box(&backlog);
}

static void little_bytes(wb_batcher_options *options)
{
    options->batch_bytes = 1000;
    options->flush_at = 1;
}

static void bytes_count_for_each_table(void **state)
{
    (void)state;
    struct backlog backlog;
    open_box(&backlog, little_bytes);
    for (int i = 0; i < 200; i++) {
        assert_ok(put_named(&backlog, i % 10));
        assert_null(wb_outbox_take(&backlog.outbox)); /* of none of them are there 1,000 bytes */
    }
    for (int i = 0; i < 40; i++)
        assert_ok(put_named(&backlog, 3));
    wb_batch *batch = wb_outbox_take(&backlog.outbox);
    assert_int_equal(batch->reason, WB_REASON_BYTES);
    assert_string_equal(batch->table->text, "p3");
    store_batch(&backlog, batch);
    assert_null(wb_outbox_take(&backlog.outbox));
    shut_box(&backlog);
}

/* Each waits for the age of its own oldest row. */
static void ages_count_for_each_table(void **state)
{
    (void)state;
    struct backlog backlog;
    open_box(&backlog, hundred_rows);
    for (int table = 20; table > 0; table--) {
        assert_ok(put_named(&backlog, table));
        wb_clock_advance(backlog.clock, SECOND / 100);
        assert_ok(put_named(&backlog, 20));
    }
    wb_clock_advance(backlog.clock, SECOND - SECOND / 5);
    for (int table = 20; table > 0; table--) {
        char name[16];
        snprintf(name, sizeof name, "p%d", table);
        wb_batch *batch = wb_outbox_take(&backlog.outbox);
        assert_non_null(batch);
        assert_string_equal(batch->table->text, name);
        assert_int_equal(batch->reason, WB_REASON_AGE);
        assert_int_equal(wb_batch_rows(batch), table == 20 ? 21 : 1);
        store_batch(&backlog, batch);
        assert_null(wb_outbox_take(&backlog.outbox));
        wb_clock_advance(backlog.clock, SECOND / 100);
    }
    shut_box(&backlog);
}

static void the_oldest_of_all_tables_is_dropped(void **state)
{
    (void)state;
    struct backlog backlog;
    wb_choice choice = {.overflow = WB_OVERFLOW_DROP_OLDEST};
    bool kept[200] = {false};
    open_box(&backlog, ten_pending);
    for (int i = 0; i < 200; i++) {
        char name[16];
        wb_value values[2] = {int_value(i), text_value("x")};
        snprintf(name, sizeof name, "p%d", i * 7 % 5);
        choice.table = i % 3 > 0 ? name : "t";
        assert_ok(wb_outbox_put(&backlog.outbox, values, 2, &choice, NULL, NULL));
        wb_clock_advance(backlog.clock, 1);
    }
    assert_int_equal(stats_of(&backlog).dropped, 190);
    seal(&backlog);
    for (wb_batch *batch; (batch = wb_outbox_take(&backlog.outbox)) != NULL;) {
        for (size_t row = 0; row < wb_batch_rows(batch); row++)
            kept[n_at(batch, row)] = true;
        store_batch(&backlog, batch);
    }
    for (int i = 0; i < 200; i++)
        assert_int_equal(kept[i], i >= 190);
    shut_box(&backlog);
}

static void much_room(wb_batcher_options *options)
{
    options->max_pending_rows = 1 << 20;
}

/* A thousand tables are no thousand buffers. */
static void memory_follows_the_rows(void **state)
{
    (void)state;
    struct backlog backlog;
    open_box(&backlog, much_room);
    for (int i = 0; i < 37000; i++)
        assert_ok(put_named(&backlog, i % 1000));
    size_t room = 0;
    for (uint32_t route = 1; route <= 1000; route++) {
        const wb_batch *open = wb_lane_of(&backlog.outbox.lanes, route)->open;
        room += open->capacity + open->room * wb_row_overhead(false);
    }
    assert_true(room <= 2 * stats_of(&backlog).pending_bytes);
    seal(&backlog);
    for (wb_batch *batch; (batch = wb_outbox_take(&backlog.outbox)) != NULL;)
        store_batch(&backlog, batch);
    assert_int_equal(stats_of(&backlog).stored, 37000);
    shut_box(&backlog);
}

static void without_memory_a_row_is_refused(void **state)
{
    (void)state;
    for (size_t nth = 0; nth < 12; nth++) {
        struct backlog backlog;
        wb_choice choice = {.table = "a", .overflow = WB_OVERFLOW_REJECT};
        wb_value values[2] = {int_value(1), text_value("x")};
        open_box(&backlog, NULL);
        wb_alloc_fail_after(nth);
        int code = wb_outbox_put(&backlog.outbox, values, 2, &choice, NULL, NULL);
        wb_alloc_fail_after(SIZE_MAX);
        assert_true(code == WB_OK || code == WB_MEMORY);
        assert_int_equal(stats_of(&backlog).pending, code == WB_OK);
        assert_ok(put_to(&backlog, "a"));
        seal(&backlog);
        store_batch(&backlog, wb_outbox_take(&backlog.outbox));
        shut_box(&backlog);
    }
}

static wb_batch *fail_next(struct backlog *backlog, int class)
{
    wb_batch *batch = wb_outbox_take(&backlog->outbox);
    if (batch != NULL)
        fail_batch(backlog, batch, class, 0);
    return batch;
}

/* One table that is down waits by itself, and is tried as seldom as a store that is. */
static void a_table_has_its_own_gate(void **state)
{
    (void)state;
    static const int classes[] = {WB_RETRY, WB_HOLD, WB_REJECT};
    for (size_t i = 0; i < 3; i++) {
        struct backlog backlog;
        open_box(&backlog, hundred_rows);
        size_t failures = 0;
        for (int n = 0; n < 100; n++) {
            assert_ok(put_named(&backlog, 0));
            assert_ok(put_named(&backlog, 1));
            wb_clock_advance(backlog.clock, SECOND);
            bool stored = false;
            for (wb_batch *batch; (batch = wb_outbox_take(&backlog.outbox)) != NULL;) {
                bool down = strcmp(batch->table->text, "p0") == 0;
                stored = stored || !down;
                failures += down;
                if (down)
                    fail_batch(&backlog, batch, classes[i], 0);
                else
                    store_batch(&backlog, batch);
            }
            assert_true(stored); /* at once, in each second */
        }
        assert_true(failures > 3 && failures < (classes[i] == WB_REJECT ? 2000 : 40));
        assert_int_not_equal(stats_of(&backlog).health, WB_HEALTH_OK); /* retrying, or holding */
        wb_clock_advance(backlog.clock, 31 * SECOND);
        seal(&backlog);
        for (wb_batch *batch; (batch = wb_outbox_take(&backlog.outbox)) != NULL;)
            store_batch(&backlog, batch);
        assert_int_equal(stats_of(&backlog).stored, 200);
        assert_int_equal(stats_of(&backlog).health, WB_HEALTH_OK);
        shut_box(&backlog);
    }
}

/* A server that is down is not tried once for each table. */
static void many_tables_that_fail_are_a_store_that_does(void **state)
{
    (void)state;
    struct backlog backlog;
    open_box(&backlog, hundred_rows);
    for (int i = 0; i < 1000; i++)
        assert_ok(put_named(&backlog, i));
    wb_clock_advance(backlog.clock, SECOND);
    int tries = 0;
    for (int second = 0; second < 60; second++) {
        for (int n = 0; n < 100; n++) {
            tries += fail_next(&backlog, WB_RETRY) != NULL;
            wb_clock_advance(backlog.clock, SECOND / 100);
        }
    }
    assert_true(tries >= 3 && tries < 60);
    wb_clock_advance(backlog.clock, 31 * SECOND);
    store_batch(&backlog, wb_outbox_take(&backlog.outbox));
    for (int i = 0; i < 990; i++)
        store_batch(&backlog, wb_outbox_take(&backlog.outbox)); /* all the others, at once */
    shut_box(&backlog);
}

/* What failed before says nothing of a table that did not. */
static void old_failures_hold_up_nobody(void **state)
{
    (void)state;
    struct backlog backlog;
    open_box(&backlog, hundred_rows);
    for (int i = 0; i < 10; i++) { /* each breaks while another is well */
        assert_ok(put_named(&backlog, i));
        assert_ok(put_named(&backlog, 100));
        wb_clock_advance(backlog.clock, SECOND);
        for (wb_batch *batch; (batch = wb_outbox_take(&backlog.outbox)) != NULL;) {
            if (strcmp(batch->table->text, "p100") == 0)
                store_batch(&backlog, batch);
            else
                fail_batch(&backlog, batch, WB_HOLD, 0);
        }
    }
    for (int n = 0; n < 1000; n++) {
        wb_clock_advance(backlog.clock, SECOND / 10);
        fail_next(&backlog, WB_HOLD);
    }
    assert_ok(put_named(&backlog, 101));
    wb_clock_advance(backlog.clock, SECOND);
    wb_batch *batch;
    for (int n = 0; (batch = wb_outbox_take(&backlog.outbox)) != NULL &&
                    strcmp(batch->table->text, "p101") != 0;
         n++)
        fail_batch(&backlog, batch, WB_HOLD, 0);
    store_batch(&backlog, batch);
    shut_box(&backlog);
}

static void tables_are_told_apart(void **state)
{
    (void)state;
    struct backlog backlog;
    wb_table_stats *told;
    size_t count;
    open_box(&backlog, hundred_rows);
    put_rows(&backlog, 1);
    assert_ok(wb_outbox_tables(&backlog.outbox, &told, &count, NULL));
    assert_int_equal(count, 0); /* no rows are routed */
    wb_free(told);
    for (int i = 0; i < 3; i++)
        assert_ok(put_named(&backlog, i));
    seal(&backlog);
    store_batch(&backlog, wb_outbox_take(&backlog.outbox));
    assert_non_null(fail_next(&backlog, WB_HOLD));
    wb_batch *batch = wb_outbox_take(&backlog.outbox);
    assert_ok(put_named(&backlog, 2));
    assert_ok(wb_outbox_tables(&backlog.outbox, &told, &count, NULL));
    assert_int_equal(count, 3);
    for (size_t i = 0; i < 3; i++) {
        assert_int_equal(told[i].table[1], '0' + (int)i);
        assert_int_equal(told[i].pending, i == 2 ? 2 : 1);
        assert_int_equal(told[i].consecutive_failures, i == 0);
        assert_string_equal(told[i].last_error, i == 0 ? "down" : "");
    }
    wb_free(told);
    store_batch(&backlog, batch);
    shut_box(&backlog);
}

/* ---- decisions of one add, and of one failure ---- */

static void asks_before_it_refuses(void **state)
{
    (void)state;
    struct backlog backlog;
    wb_err err;
    wb_value values[2] = {int_value(0), text_value("x")};
    wb_choice ask = {.overflow = WB_OVERFLOW_ASK}, oldest = {.overflow = WB_OVERFLOW_DROP_OLDEST};
    open_box(&backlog, ten_pending);
    put_rows(&backlog, 10);
    assert_int_equal(wb_outbox_put(&backlog.outbox, values, 2, &ask, NULL, &err), WB_FULL);
    assert_int_equal(stats_of(&backlog).rejected, 0);
    assert_ok(wb_outbox_put(&backlog.outbox, values, 2, &oldest, NULL, &err));
    assert_int_equal(stats_of(&backlog).dropped, 1);
    assert_int_equal(stats_of(&backlog).accepted, 11);
    values[0] = text_value("no number");
    assert_int_equal(wb_outbox_put(&backlog.outbox, values, 2, &ask, NULL, &err), WB_INVALID);
    assert_int_equal(stats_of(&backlog).rejected, 1);
    shut_box(&backlog);
}

static void end_with(struct backlog *backlog, wb_batch *batch, int class, int64_t retry_us)
{
    wb_err err;
    wb_fail_store(&err, class, "down");
    wb_ending ending = {.err = &err, .retry_us = retry_us};
    wb_outbox_complete(&backlog->outbox, batch, &ending);
}

static void one_try(wb_batcher_options *options)
{
    options->retry.attempts = 1;
}

static void a_decided_delay(void **state)
{
    (void)state;
    struct backlog backlog;
    open_box(&backlog, one_try); /* which the decision overrules */
    put_rows(&backlog, 5);
    seal(&backlog);
    for (int i = 1; i <= 5; i++) {
        wb_batch *batch = wb_outbox_take(&backlog.outbox);
        assert_int_equal(batch->attempt, i);
        end_with(&backlog, batch, i % 2 == 0 ? WB_HOLD : WB_RETRY, 7 * SECOND);
        wb_clock_advance(backlog.clock, 7 * SECOND - 1);
        assert_null(wb_outbox_take(&backlog.outbox));
        wb_clock_advance(backlog.clock, 1);
    }
    end_with(&backlog, wb_outbox_take(&backlog.outbox), WB_HOLD, WB_NEVER);
    assert_int_equal(stats_of(&backlog).dead, 5);
    shut_box(&backlog);
}

static void closing_waits_a_second_at_most(void **state)
{
    (void)state;
    struct backlog backlog;
    open_box(&backlog, NULL);
    put_rows(&backlog, 5);
    wb_backlog_close(&backlog.outbox.backlog);
    end_with(&backlog, wb_outbox_take(&backlog.outbox), WB_RETRY, 3600 * SECOND);
    wb_clock_advance(backlog.clock, SECOND);
    store_batch(&backlog, wb_outbox_take(&backlog.outbox));
    shut_box(&backlog);
}

static void a_policy_does_not_hurry_what_failed(void **state)
{
    (void)state;
    struct backlog backlog;
    open_box(&backlog, NULL);
    put_rows(&backlog, 5);
    seal(&backlog);
    end_with(&backlog, wb_outbox_take(&backlog.outbox), WB_RETRY, 7 * SECOND);
    put_rows(&backlog, 3);
    wb_backlog_seal(&backlog.outbox.backlog, WB_REASON_POLICY);
    assert_null(wb_outbox_take(&backlog.outbox));
    wb_clock_advance(backlog.clock, 7 * SECOND);
    wb_batch *batch = wb_outbox_take(&backlog.outbox);
    assert_int_equal(batch->reason, WB_REASON_POLICY); /* the least tried goes first */
    assert_int_equal(wb_batch_rows(batch), 3);
    store_batch(&backlog, batch);
    store_batch(&backlog, wb_outbox_take(&backlog.outbox));
    shut_box(&backlog);
}

static void a_view_tells(void **state)
{
    (void)state;
    struct backlog backlog;
    wb_view view;
    open_box(&backlog, NULL);
    wb_outbox_view(&backlog.outbox, NULL, &view);
    assert_int_equal(view.rows, 0);
    put_rows(&backlog, 2);
    wb_clock_advance(backlog.clock, SECOND / 2);
    put_rows(&backlog, 1);
    wb_outbox_view(&backlog.outbox, NULL, &view);
    assert_int_equal(view.rows, 3);
    assert_int_equal(view.age_us, SECOND / 2);
    assert_int_equal(view.attempt, 0);
    assert_true(view.bytes > 0);
    seal(&backlog);
    fail_batch(&backlog, wb_outbox_take(&backlog.outbox), WB_RETRY, 2);
    wb_clock_advance(backlog.clock, SECOND);
    wb_batch *batch = wb_outbox_take(&backlog.outbox);
    wb_outbox_view(&backlog.outbox, batch, &view);
    assert_int_equal(view.rows, 1);
    assert_int_equal(view.age_us, SECOND);
    assert_int_equal(view.attempt, 2);
    store_batch(&backlog, batch);
    shut_box(&backlog);
}

/* ---- a script ---- */

typedef struct scripted {
    wb_script base;
    bool missing, broken, flush, refuses;
    int opened, asked, ended;
} scripted;

static int scripted_open(wb_script *base, wb_err *err)
{
    scripted *own = (scripted *)base;
    own->opened++;
    if (own->missing)
        return wb_fail_store(err, WB_HOLD, "no such module");
    base->should_flush = base->route = base->retry = true;
    return WB_OK;
}

static int scripted_flush(wb_script *base, const wb_stats *stats, const wb_view *view, bool *flush,
                          wb_err *err)
{
    scripted *own = (scripted *)base;
    own->asked++;
    assert_int_equal(stats->pending, view->rows);
    if (own->broken)
        return wb_fail_store(err, WB_RETRY, "boom");
    *flush = own->flush;
    return WB_OK;
}

static int scripted_route(wb_script *base, const wb_batch *batch, size_t index, const char **table,
                          wb_err *err)
{
    if (((scripted *)base)->broken && n_at(batch, index) % TABLES == 0)
        return wb_fail_store(err, WB_RETRY, "boom");
    if (((scripted *)base)->refuses && n_at(batch, index) % 4 == 1)
        return wb_fail(err, WB_INVALID, n_at(batch, index) % 8 == 1 ? "odd" : "odder");
    *table = tables[n_at(batch, index) % TABLES];
    return WB_OK;
}

static int scripted_retry(wb_script *base, const wb_stats *stats, const wb_view *view,
                          const wb_err *failure, int64_t *retry_us, wb_err *err)
{
    (void)stats, (void)failure;
    if (((scripted *)base)->broken)
        return wb_fail_store(err, WB_RETRY, "boom");
    *retry_us = view->attempt * SECOND;
    return WB_OK;
}

static void scripted_end(wb_script *base)
{
    ((scripted *)base)->ended++;
}

static const wb_script_class scripted_class = {
    .open = scripted_open,
    .should_flush = scripted_flush,
    .route = scripted_route,
    .retry = scripted_retry,
    .end = scripted_end,
};

/* ---- its policy ---- */

static struct scripted_policy {
    wb_policy base;
    scripted *script; /* the only one that it makes; NULL: there is no memory for one */
    int references;
} policy;

static wb_script *policy_script(wb_policy *base, const wb_target *target)
{
    assert_string_equal(target->table, "t");
    scripted *script = ((struct scripted_policy *)base)->script;
    return script != NULL ? &script->base : NULL;
}

static void policy_ref(wb_policy *base)
{
    ((struct scripted_policy *)base)->references++;
}

static void policy_unref(wb_policy *base)
{
    ((struct scripted_policy *)base)->references--;
}

static void with_policy(wb_batcher_options *options)
{
    static const wb_policy_class class = {policy_script, policy_ref, policy_unref};
    policy.base.class = &class;
    options->policy = &policy.base;
}

static void decided(void **state)
{
    (void)state;
    struct backlog backlog;
    scripted script = {.base.class = &scripted_class};
    policy.script = &script;
    open_box(&backlog, with_policy);
    for (int i = 0; i < 9; i++)
        put_rows(&backlog, 1);
    assert_int_equal(wb_outbox_next_due_us(&backlog.outbox.backlog),
                     wb_backlog_now_us(&backlog.outbox.backlog) + WB_ASK_EVERY_US);
    wb_outbox_ask_flush(&backlog.outbox);
    assert_int_equal(script.asked, 0); /* too early */
    for (int i = 1; i <= 3; i++) {
        wb_clock_advance(backlog.clock, WB_ASK_EVERY_US);
        script.flush = i == 3;
        wb_outbox_ask_flush(&backlog.outbox);
        wb_outbox_ask_flush(&backlog.outbox);
        assert_int_equal(script.asked, i);
    }
    for (int i = 0; i < TABLES; i++) {
        wb_batch *batch = take(&backlog);
        assert_int_equal(wb_batch_rows(batch), 3);
        assert_int_equal(batch->reason, WB_REASON_POLICY);
        store_batch(&backlog, batch);
    }
    wb_clock_advance(backlog.clock, WB_ASK_EVERY_US);
    wb_outbox_ask_flush(&backlog.outbox); /* nothing is open */
    assert_int_equal(script.asked, 3);
    assert_int_equal(wb_outbox_next_due_us(&backlog.outbox.backlog), WB_NEVER);
    assert_int_equal(script.opened, 1);
    shut_box(&backlog);
    assert_int_equal(script.ended, 1);
}

static void with_policy_and_dead(wb_batcher_options *options)
{
    with_policy(options);
    options->dead_events = true;
}

/* Rows that the script refuses die for that reason, whatever memory there is; the others are stored. */
static void refused_by_the_script(void **state)
{
    (void)state;
    for (size_t n = 0; n < 40; n++) {
        struct backlog backlog;
        scripted script = {.base.class = &scripted_class, .refuses = true};
        policy.script = &script;
        open_box(&backlog, with_policy_and_dead);
        put_rows(&backlog, 32);
        wb_clock_advance(backlog.clock, SECOND);
        for (int i = 0; i < 20 && stats_of(&backlog).pending > 0; i++) {
            wb_alloc_fail_after(i == 0 ? n : 0);
            wb_batch *batch = wb_outbox_take(&backlog.outbox);
            wb_alloc_fail_after(0);
            if (batch != NULL)
                store_batch(&backlog, batch);
            else
                wb_clock_advance(backlog.clock, SECOND);
        }
        assert_int_equal(stats_of(&backlog).stored, 24);
        assert_int_equal(stats_of(&backlog).dead, 8);
        for (wb_batch *dead; (dead = wb_outbox_next_dead(&backlog.outbox)) != NULL;) {
            for (size_t row = 0; row < wb_batch_rows(dead); row++)
                assert_int_equal(n_at(dead, row) % 4, 1);
            assert_non_null(strstr(wb_batch_error(dead), n > 0 ? "" : "odd"));
            wb_batch_free(dead);
        }
        shut_box(&backlog);
    }
}

static void undecided(void **state)
{
    (void)state;
    struct backlog backlog;
    scripted script = {.base.class = &scripted_class, .broken = true};
    wb_event event;
    wb_stats stats;
    wb_view view = {.attempt = 1};
    wb_err err = {0};
    policy.script = &script;
    open_box(&backlog, with_policy);
    put_rows(&backlog, 3);
    wb_clock_advance(backlog.clock, WB_ASK_EVERY_US);
    wb_outbox_ask_flush(&backlog.outbox);
    assert_null(wb_outbox_take(&backlog.outbox));
    wb_clock_advance(backlog.clock, SECOND);
    for (int i = 0; i < TABLES; i++) /* the row of table t is not routed: t is the own table */
        store_batch(&backlog, take(&backlog));
    stats = stats_of(&backlog);
    assert_int_equal(wb_script_client_retry_us(&backlog.outbox.script_client, &stats, &view, &err),
                     0);
    assert_int_equal(stats_of(&backlog).policy_errors, 3);
    assert_int_equal(stats_of(&backlog).stored, 3);
    assert_true(wb_log_next(backlog.log, &event));
    assert_non_null(strstr(event.text, "the policy's should_flush failed, the built-in rule"));
    assert_non_null(strstr(event.text, "boom"));
    shut_box(&backlog);
}

static void not_to_be_opened(void **state)
{
    (void)state;
    struct backlog backlog;
    scripted script = {.base.class = &scripted_class, .missing = true};
    policy.script = &script;
    open_box(&backlog, with_policy);
    for (int i = 0; i < 100; i++) {
        put_rows(&backlog, 1);
        wb_clock_advance(backlog.clock, WB_ASK_EVERY_US);
        wb_outbox_ask_flush(&backlog.outbox);
    }
    assert_int_equal(script.opened, 1); /* once a second */
    seal(&backlog);
    wb_batch *batch = wb_outbox_take(&backlog.outbox);
    assert_int_equal(wb_batch_rows(batch), 100);
    assert_null(batch->table);
    store_batch(&backlog, batch);
    assert_int_equal(stats_of(&backlog).policy_errors, (uint64_t)script.opened);
    shut_box(&backlog);
}

/* Its first write may be in: it goes to no other table then, whatever the script says later. */
static void unrouted_rows_stay_where_they_were_written_to(void **state)
{
    (void)state;
    struct backlog backlog;
    scripted script = {.base.class = &scripted_class, .missing = true};
    policy.script = &script;
    open_box(&backlog, with_policy);
    merge_up_to(&backlog, 100);
    for (int i = 0; i < 2; i++) {
        put_rows(&backlog, 3);
        seal(&backlog);
    }
    wb_batch *batch = wb_outbox_take(&backlog.outbox);
    assert_int_equal(wb_batch_rows(batch), 6);
    wb_err err;
    wb_fail_store(&err, WB_RETRY, "no answer");
    err.in_doubt = true;
    wb_outbox_complete(&backlog.outbox, batch, &(wb_ending){.err = &err});
    script.missing = false;
    wb_clock_advance(backlog.clock, 31 * SECOND);
    batch = wb_outbox_take(&backlog.outbox);
    assert_int_equal(wb_batch_rows(batch), 6);
    assert_null(batch->table);
    assert_true(batch->in_doubt);
    store_batch(&backlog, batch);
    put_rows(&backlog, 3);
    seal(&backlog);
    for (int i = 0; i < TABLES; i++)
        store_batch(&backlog, take(&backlog)); /* these are routed */
    shut_box(&backlog);
}

/* There was no memory for a decider: the flusher comes again, later. */
static void nobody_to_ask(void **state)
{
    (void)state;
    struct backlog backlog;
    policy.script = NULL;
    open_box(&backlog, with_policy);
    put_rows(&backlog, 1);
    wb_clock_advance(backlog.clock, WB_ASK_EVERY_US);
    wb_outbox_ask_flush(&backlog.outbox);
    assert_true(wb_outbox_next_due_us(&backlog.outbox.backlog) >
                wb_backlog_now_us(&backlog.outbox.backlog));
    seal(&backlog);
    store_batch(&backlog, wb_outbox_take(&backlog.outbox));
    shut_box(&backlog);
}

int main(void)
{
#define T(name) cmocka_unit_test(name)
    const struct CMUnitTest tests[] = {
        T(one_table_a_batch),
        T(merges_by_table),
        T(one_table_down),
        T(a_bad_row_of_one_table),
        T(without_memory_all_is_back),
        T(a_table_fills_by_itself),
        T(bytes_count_for_each_table),
        T(ages_count_for_each_table),
        T(the_oldest_of_all_tables_is_dropped),
        T(memory_follows_the_rows),
        T(without_memory_a_row_is_refused),
        T(a_table_has_its_own_gate),
        T(many_tables_that_fail_are_a_store_that_does),
        T(old_failures_hold_up_nobody),
        T(tables_are_told_apart),
        T(asks_before_it_refuses),
        T(a_decided_delay),
        T(closing_waits_a_second_at_most),
        T(a_policy_does_not_hurry_what_failed),
        T(a_view_tells),
        T(decided),
        T(refused_by_the_script),
        T(undecided),
        T(not_to_be_opened),
        T(unrouted_rows_stay_where_they_were_written_to),
        T(nobody_to_ask),
        T(what_is_no_name_of_a_table),
        T(what_waits_is_small),
    };
    return cmocka_run_group_tests_name("outbox_policy", tests, NULL, NULL);
}
