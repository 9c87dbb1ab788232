/* SPDX-License-Identifier: MIT
 * An outbox on a manual clock, with rows (n, "x") whose n count from 0. Whatever goes wrong here fails the
 * test by itself. */
#ifndef WB_OUTBOX_FIXTURE_H
#define WB_OUTBOX_FIXTURE_H

#include "support/support.h"

#include "base/env.h"
#include "engine/outbox/outbox.h"

#define SECOND INT64_C(1000000)

struct backlog {
    wb_clock *clock;
    wb_env env;
    wb_log *log;
    wb_schema *schema;
    wb_target target;
    wb_outbox outbox;
    int64_t next; /* the next row's n */
};

/* `change` is given the default options; NULL: they stay. The clock begins at 1000 seconds, or at start_us. */
void open_box(struct backlog *backlog, void (*change)(wb_batcher_options *));
void open_box_at(struct backlog *backlog, int64_t start_us, void (*change)(wb_batcher_options *));
/* The same with a schema, which it takes over, and what the target says of keys. upsert: of a longer life; or NULL. */
void open_keyed_box(struct backlog *backlog, wb_schema *schema, const wb_upsert *upsert, int dedupe,
                    void (*change)(wb_batcher_options *));
void shut_box(struct backlog *backlog); /* with nothing taken */
/* All that it draws comes of a seed: a test plays it the same way each time. */
void seed_box(struct backlog *backlog, uint64_t seed);

/* As a threaded batcher's: writes of up to `rows` rows; 0: of a batch each. */
void merge_up_to(struct backlog *backlog, uint64_t rows);

int put(struct backlog *backlog, wb_err *err);
void put_rows(struct backlog *backlog, int count);
/* The next row, to that table. */
int put_to(struct backlog *backlog, const char *table);

/* What became of a taken batch. class: enum wb_class; `stored` leading rows are in. */
void fail_batch(struct backlog *backlog, wb_batch *batch, int class, uint64_t stored);
void store_batch(struct backlog *backlog, wb_batch *batch);

/* Each batch that has rows which are pending. */
void each_batch(struct backlog *backlog, void (*visit)(void *context, const wb_batch *batch),
                void *context);
/* The value of the first column. */
int64_t n_at(const wb_batch *batch, size_t row);
int64_t first_n(const wb_batch *batch);
wb_stats stats_of(struct backlog *backlog); /* checks that no row is missing from them */

#endif
