/* SPDX-License-Identifier: MIT
 * The fixture of the outbox's tests. */
#include "support/outbox_fixture.h"

static void open_target(struct backlog *backlog, int64_t start_us, const wb_target *target,
                        void (*change)(wb_batcher_options *))
{
    memset(backlog, 0, sizeof *backlog);
    assert_ok(wb_clock_new(start_us, &backlog->clock, NULL));
    backlog->env = wb_env_of_clock(backlog->clock);
    backlog->log = wb_log_new("test", true, true);
    backlog->schema = target->schema;
    wb_batcher_options options;
    wb_batcher_options_init(&options);
    backlog->target = *target;
    backlog->target.table = "t";
    backlog->target.log = backlog->log;
    options.schema = backlog->schema;
    options.table = "t";
    if (change != NULL)
        change(&options);
    wb_err err;
    assert_int_equal(
        wb_outbox_init(&backlog->outbox, &options, &backlog->env, &backlog->target, false, &err),
        WB_OK);
}

void open_box_at(struct backlog *backlog, int64_t start_us, void (*change)(wb_batcher_options *))
{
    open_target(backlog, start_us, &(wb_target){.schema = small_schema()}, change);
}

void open_keyed_box(struct backlog *backlog, wb_schema *schema, const wb_upsert *upsert, int dedupe,
                    void (*change)(wb_batcher_options *))
{
    const wb_target target = {.schema = schema, .upsert = upsert, .dedupe = dedupe};
    open_target(backlog, 1000 * SECOND, &target, change);
}

void open_box(struct backlog *backlog, void (*change)(wb_batcher_options *))
{
    open_box_at(backlog, 1000 * SECOND, change);
}

void shut_box(struct backlog *backlog)
{
    wb_outbox_fini(&backlog->outbox);
    wb_schema_unref(backlog->schema);
    wb_log_free(backlog->log);
    wb_clock_unref(backlog->clock);
}

static uint64_t the_draws;

static void draw_bytes(void *context, void *bytes, size_t count)
{
    (void)context;
    for (size_t i = 0; i < count; i++)
        ((uint8_t *)bytes)[i] = (uint8_t)random_below(&the_draws, 256);
}

void seed_box(struct backlog *backlog, uint64_t seed)
{
    the_draws = seed;
    backlog->outbox.backlog.env.random = draw_bytes;
}

void merge_up_to(struct backlog *backlog, uint64_t rows)
{
    wb_outbox *outbox = &backlog->outbox;
    outbox->merge_rows = rows;
    outbox->most_write_rows = rows > 0 ? rows : outbox->thresholds.batch_size;
    outbox->write_rows = outbox->most_write_rows;
    outbox->write_timeout_us = 10 * SECOND;
}

int put(struct backlog *backlog, wb_err *err)
{
    wb_value values[2] = {int_value(backlog->next), text_value("x")};
    int code = wb_outbox_put(&backlog->outbox, values, 2, NULL, NULL, err);
    if (code == WB_OK)
        backlog->next++;
    return code;
}

void put_rows(struct backlog *backlog, int count)
{
    for (int i = 0; i < count; i++)
        assert_ok(put(backlog, NULL));
}

int put_to(struct backlog *backlog, const char *table)
{
    wb_value values[2] = {int_value(backlog->next), text_value("x")};
    wb_choice choice = {.table = table, .overflow = WB_OVERFLOW_REJECT};
    int code = wb_outbox_put(&backlog->outbox, values, 2, &choice, NULL, NULL);
    backlog->next += code == WB_OK;
    return code;
}

void fail_batch(struct backlog *backlog, wb_batch *batch, int class, uint64_t stored)
{
    assert_non_null(batch);
    wb_err err;
    wb_fail_store(&err, class, "down");
    wb_ending ending = {.err = &err, .stored = stored};
    wb_outbox_complete(&backlog->outbox, batch, &ending);
}

void store_batch(struct backlog *backlog, wb_batch *batch)
{
    assert_non_null(batch);
    wb_ending ending = {0};
    wb_outbox_complete(&backlog->outbox, batch, &ending);
}

void each_batch(struct backlog *backlog, void (*visit)(void *context, const wb_batch *batch),
                void *context)
{
    wb_outbox *outbox = &backlog->outbox;
    const wb_batch *lists[] = {outbox->sealed.first, outbox->taken.first};
    for (size_t i = 0; i < 2; i++) {
        for (const wb_batch *batch = lists[i]; batch != NULL; batch = batch->next)
            visit(context, batch);
    }
    if (outbox->open != NULL)
        visit(context, outbox->open);
    for (uint32_t route = 0; route <= outbox->routes.count; route++) {
        if (wb_lane_of(&outbox->lanes, route)->open != NULL)
            visit(context, wb_lane_of(&outbox->lanes, route)->open);
    }
}

int64_t n_at(const wb_batch *batch, size_t row)
{
    size_t bytes;
    return wb_row_value(batch->schema, wb_batch_row(batch, row, &bytes), 0).i;
}

int64_t first_n(const wb_batch *batch)
{
    return n_at(batch, 0);
}

wb_stats stats_of(struct backlog *backlog)
{
    wb_stats stats;
    wb_backlog_stats(&backlog->outbox.backlog, &stats);
    assert_int_equal(stats.accepted, stats.stored + stats.pending + stats.dead + stats.dropped);
    return stats;
}
