/* SPDX-License-Identifier: MIT
 * The fixture of the outbox's tests. */
#include "support/outbox_fixture.h"

void open_box_at(struct box *box, int64_t start_us, void (*change)(wb_batcher_options *))
{
    memset(box, 0, sizeof *box);
    assert_ok(wb_clock_new(start_us, &box->clock, NULL));
    box->env = wb_env_of_clock(box->clock);
    box->log = wb_log_new("test", true, true);
    box->schema = small_schema();
    wb_batcher_options options;
    wb_batcher_options_init(&options);
    options.schema = box->schema;
    options.table = "t";
    if (change != NULL)
        change(&options);
    wb_outbox_init(&box->outbox, &options, &box->env, box->log);
}

void open_box(struct box *box, void (*change)(wb_batcher_options *))
{
    open_box_at(box, 1000 * SECOND, change);
}

void shut_box(struct box *box)
{
    wb_outbox_fini(&box->outbox);
    wb_schema_unref(box->schema);
    wb_log_free(box->log);
    wb_clock_unref(box->clock);
}

int put(struct box *box, wb_err *err)
{
    wb_value values[2] = {int_value(box->next), text_value("x")};
    int code = wb_outbox_put(&box->outbox, values, 2, NULL, NULL, err);
    if (code == WB_OK)
        box->next++;
    return code;
}

void put_rows(struct box *box, int count)
{
    for (int i = 0; i < count; i++)
        assert_ok(put(box, NULL));
}

void fail_batch(struct box *box, wb_batch *batch, int class, uint64_t stored)
{
    assert_non_null(batch);
    wb_err err;
    wb_fail_store(&err, class, "down");
    wb_ending ending = {.err = &err, .stored = stored};
    wb_outbox_complete(&box->outbox, batch, &ending);
}

void store_batch(struct box *box, wb_batch *batch)
{
    assert_non_null(batch);
    wb_ending ending = {0};
    wb_outbox_complete(&box->outbox, batch, &ending);
}

int64_t n_at(const wb_batch *batch, size_t row)
{
    wb_value values[2];
    wb_batch_values(batch, row, values);
    return values[0].i;
}

int64_t first_n(const wb_batch *batch)
{
    return n_at(batch, 0);
}

wb_stats stats_of(struct box *box)
{
    wb_stats stats;
    wb_box_stats(&box->outbox.box, &stats);
    assert_int_equal(stats.accepted, stats.stored + stats.pending + stats.dead + stats.dropped);
    return stats;
}
