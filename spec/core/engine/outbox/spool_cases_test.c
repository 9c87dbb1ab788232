/* SPDX-License-Identifier: MIT
 * Single cases of an outbox with a spool, each of which was wrong once. */
#include "support/support.h"

#include <stdio.h>

#include "engine/outbox/outbox.h"
#include "spool/disk.h"
#include "support/spool_disk.h"
#include "support/spool_game.h"

#define HOUR INT64_C(3600000000)

static game the_game;

static void begin(game *g)
{
    game_init(g, 1);
    g->batch_size = 10;
    g->memory_bytes = 1 << 20;
    g->most_note = 10;
    wb_spool_segment_bytes = 1 << 16;
    game_begin(g);
    disk_watch(g->root, 1, NULL);
    assert_ok(game_open(g, NULL));
}

static void end(game *g)
{
    wb_pipeline_detach(wb_batcher_pipeline(g->batcher));
    game_fini(g);
}

static void die(game *g)
{
    disk_stop(false);
    game_leave(g);
    disk_restore();
    assert_ok(game_open(g, NULL));
}

static void add_to(game *g, const char *table)
{
    wb_value values[3] = {int_value(1), int_value(1), text_value("x")};
    const wb_choice choice = {.table = table};
    assert_ok(wb_batcher_add_as(g->batcher, values, 3, &choice, NULL, NULL));
}

/* Of all that is due one batch after another; answers the last one's table. */
static const char *deliver(game *g)
{
    static char table[64];
    const wb_outcome stored = {.code = WB_OK};
    table[0] = '\0';
    wb_pipeline_seal(wb_batcher_pipeline(g->batcher), WB_REASON_FLUSH);
    for (wb_batch *batch; (batch = wb_batcher_take(g->batcher)) != NULL;) {
        snprintf(table, sizeof table, "%s", batch->table != NULL ? batch->table->text : "t");
        wb_batcher_complete(g->batcher, batch, &stored);
        wb_pipeline_seal(wb_batcher_pipeline(g->batcher), WB_REASON_FLUSH);
    }
    return table;
}

/* The number of a table that was forgotten is another one's, in the same segment. */
static void test_a_row_goes_to_its_own_table(void **state)
{
    (void)state;
    game *g = &the_game;
    begin(g);
    add_to(g, "a");
    assert_string_equal(deliver(g), "a");
    wb_clock_advance(g->clock, 2 * HOUR);
    add_to(g, "t");
    assert_string_equal(deliver(g), "t");
    add_to(g, "b");
    assert_int_equal(g->outbox->last_route, 1);
    die(g);
    assert_string_equal(deliver(g), "b");
    end(g);
}

/* What the disk no longer shows as believed does not keep the keeper busy. */
static void test_parked_rows_that_are_not_believed_wait(void **state)
{
    (void)state;
    game *g = &the_game;
    begin(g);
    add_to(g, "t");
    assert_string_equal(deliver(g), "t");
    g->outbox->park_from = 0;
    add_to(g, "t");
    assert_int_equal(g->outbox->parked_rows, 1);
    wb_disk_starts++; /* no proof is there yet, and a start that is not known is another one */
    g->outbox->spool->unproven = false;
    assert_string_equal(deliver(g), "");
    assert_int_equal(g->outbox->parked_rows, 1);
    g->outbox->spool->unproven = true;
    assert_string_equal(deliver(g), "t");
    assert_int_equal(g->outbox->parked_rows, 0);
    wb_disk_starts--;
    disk_stop(false);
    end(g);
}

/* Whoever takes rows over that may have been written without a key on the disk, leaves them so to the next. */
static void test_doubt_is_handed_on(void **state)
{
    (void)state;
    game *g = &the_game;
    begin(g);
    add_to(g, "t");
    wb_keeper *keeper = &wb_batcher_spooling_of(g->batcher)->keeper;
    wb_keeper_stand_in(keeper); /* it is proven */
    wb_disk_starts++;
    disk_stop(false);
    for (int heir = 0; heir < 3; heir++) {
        game_leave(g);
        disk_restore();
        disk_watch(g->root, 1, NULL);
        assert_ok(game_open(g, NULL));
        keeper = &wb_batcher_spooling_of(g->batcher)->keeper;
        wb_keeper_stand_in(keeper);
        disk_stop(false);
    }
    wb_batch *batch = wb_batcher_take(g->batcher);
    assert_non_null(batch);
    assert_true(batch->in_doubt);
    wb_batcher_complete(g->batcher, batch, &(wb_outcome){.code = WB_OK});
    wb_disk_starts--;
    end(g);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_a_row_goes_to_its_own_table),
        cmocka_unit_test(test_parked_rows_that_are_not_believed_wait),
        cmocka_unit_test(test_doubt_is_handed_on),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
