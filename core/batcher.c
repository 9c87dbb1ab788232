/* SPDX-License-Identifier: MIT
 * The batcher: an outbox, and for a native store a flusher that empties it. The outbox has the lock; what is
 * here besides does not change after wb_batcher_new. References: the owner's, the thread's while it runs,
 * the exit handler's while it waits. */
#include <string.h>

#include "dead_letter.h"
#include "env.h"
#include "lifeline.h"
#include "options.h"
#include "outbox.h"
#include "owner.h"
#include "path.h"

/* A backlog goes out in writes of up to so many batches, within batch_bytes: the fewer commits, the less the
 * server waits for its disk. */
enum { MERGED_BATCHES = 16 };

struct wb_batcher {
    wb_owner owner;
    wb_outbox outbox;
    char *dead_path; /* NULL: dead rows go to no file */
};

static const wb_owner_class class;

/* ---- making one ---- */

static int generated_column(const wb_schema *schema)
{
    for (size_t i = 0; i < wb_schema_count(schema); i++) {
        if (wb_schema_column(schema, i)->generate != WB_GIVEN)
            return (int)i;
    }
    return -1;
}

static wb_owner_options owner_options(const wb_batcher_options *options)
{
    wb_owner_options owner = {
        .what = "batcher",
        .store = options->store,
        .clock = options->clock,
        .close_timeout_us = options->close_timeout_us,
        .log_events = options->log_events,
        .flush_events = options->flush_events,
        .target =
            {
                .table = options->table,
                .schema = options->schema,
                .dedupe = options->dedupe,
                .dedupe_column = options->dedupe_column,
                .write_timeout_us = options->write_timeout_us,
            },
    };
    if (owner.target.dedupe == WB_DEDUPE_COLUMN && owner.target.dedupe_column < 0)
        owner.target.dedupe_column = generated_column(options->schema);
    if (owner.target.dedupe == WB_DEDUPE_COLUMN && owner.target.dedupe_column < 0)
        owner.target.dedupe = WB_DEDUPE_NONE;
    return owner;
}

int wb_batcher_new(const wb_batcher_options *options, wb_batcher **out, wb_err *err)
{
    int code = wb_batcher_options_check(options, err);
    if (code != WB_OK)
        return code;
    bool ledger = options->dedupe == WB_DEDUPE_LEDGER && options->store != NULL;
    if (ledger && strcmp(wb_store_kind(options->store), "sqlite") != 0)
        return wb_fail(err, WB_MISUSE, "dedupe: a %s store keeps no ledger yet",
                       wb_store_kind(options->store));
    wb_batcher *batcher = wb_alloc(sizeof *batcher);
    if (batcher == NULL)
        return wb_fail(err, WB_MEMORY, "batcher: out of memory");
    wb_owner_options owner = owner_options(options);
    batcher->dead_path = options->dead_path != NULL ? wb_path_absolute(options->dead_path) : NULL;
    bool named = options->dead_path == NULL || batcher->dead_path != NULL;
    code = named ? wb_owner_init(&batcher->owner, &class, &owner, err)
                 : wb_fail(err, WB_MEMORY, "batcher: out of memory");
    if (code != WB_OK) {
        wb_free(batcher->dead_path);
        wb_free(batcher);
        return code;
    }
    wb_outbox_init(&batcher->outbox, options, &batcher->owner.env, batcher->owner.log);
    if (batcher->owner.threaded)
        batcher->outbox.merge_rows = options->batch_size * MERGED_BATCHES;
    wb_owner_begin(&batcher->owner, &batcher->outbox.box, options->interval_us,
                   options->close_timeout_us);
    *out = batcher;
    return WB_OK;
}

/* ---- the flusher's side ---- */

/* Without a lock: a file may be slow. */
static void bury_dead(wb_batcher *batcher)
{
    if (batcher->dead_path == NULL)
        return;
    wb_batch *batch;
    while ((batch = wb_outbox_next_dead(&batcher->outbox)) != NULL) {
        wb_err err = {0};
        int64_t unix_us = batcher->owner.env.unix_us(batcher->owner.env.context);
        if (wb_dead_letter_append(batcher->dead_path, batcher->owner.target.table, unix_us, batch,
                                  &err) != WB_OK)
            wb_log_line(batcher->owner.log, WB_TOPIC_LOST, WB_ERROR,
                        wb_owner_now_us(&batcher->owner), wb_batch_rows(batch),
                        "%zu dead rows are lost: %s", wb_batch_rows(batch), err.text);
        wb_batch_free(batch);
    }
    wb_log_print(batcher->owner.log);
}

static int write_batch(wb_batcher *batcher, const wb_batch *batch, const wb_cancel *cancel,
                       wb_err *err)
{
    wb_session *session;
    int code = wb_owner_session(&batcher->owner, &session, err);
    if (code != WB_OK)
        return code;
    wb_until until = wb_owner_until(&batcher->owner, cancel);
    return session->class->write(session, batch, &until, err);
}

static bool deliver_one(wb_owner *owner, const wb_cancel *cancel)
{
    wb_batcher *batcher = (wb_batcher *)owner;
    wb_batch *batch = wb_outbox_take(&batcher->outbox);
    if (batch == NULL)
        return false;
    wb_err err = {0};
    int64_t began_us = wb_now_us();
    int code = write_batch(batcher, batch, cancel, &err);
    const wb_session *session = batcher->owner.session;
    uint64_t stored = code != WB_OK && session != NULL ? session->stored : 0;
    if (code == WB_OK)
        wb_lifeline_renew();
    wb_outbox_complete(&batcher->outbox, batch, code == WB_OK ? NULL : &err, stored,
                       wb_now_us() - began_us);
    bury_dead(batcher);
    return true;
}

static void free_all(wb_owner *owner)
{
    wb_batcher *batcher = (wb_batcher *)owner;
    wb_outbox_fini(&batcher->outbox);
    wb_owner_fini(&batcher->owner);
    wb_free(batcher->dead_path);
    wb_free(batcher);
}

static const wb_owner_class class = {.deliver_one = deliver_one, .free = free_all};

/* ---- the owner's side ---- */

int wb_batcher_add(wb_batcher *batcher, const wb_value *values, size_t count, bool *due,
                   wb_err *err)
{
    int code = wb_owner_enter(&batcher->owner, err);
    if (code == WB_OK)
        code = wb_owner_start(&batcher->owner, err);
    return code == WB_OK ? wb_outbox_put(&batcher->outbox, values, count, due, err) : code;
}

int wb_batcher_flush(wb_batcher *batcher, int64_t deadline_us, wb_err *err)
{
    return wb_owner_flush(&batcher->owner, deadline_us, err);
}

int wb_batcher_close(wb_batcher *batcher, int64_t deadline_us, wb_err *err)
{
    return wb_owner_close(&batcher->owner, deadline_us, err);
}

void wb_batcher_detach(wb_batcher *batcher)
{
    if (batcher != NULL)
        wb_owner_detach(&batcher->owner);
}

int wb_batcher_stats(wb_batcher *batcher, wb_stats *out, wb_err *err)
{
    return wb_owner_stats(&batcher->owner, out, err);
}

bool wb_batcher_event(wb_batcher *batcher, wb_event *out)
{
    return wb_owner_event(&batcher->owner, out);
}

wb_batch *wb_batcher_dead(wb_batcher *batcher)
{
    bool here = wb_owner_enter(&batcher->owner, NULL) == WB_OK && batcher->dead_path == NULL;
    return here ? wb_outbox_next_dead(&batcher->outbox) : NULL;
}

/* ---- driven ---- */

uint64_t wb_batcher_seal(wb_batcher *batcher, int reason)
{
    return wb_box_seal(&batcher->outbox.box, reason);
}

bool wb_batcher_settled(wb_batcher *batcher, uint64_t mark)
{
    return wb_box_settled(&batcher->outbox.box, mark);
}

wb_batch *wb_batcher_take(wb_batcher *batcher)
{
    if (!wb_owner_may_take(&batcher->owner))
        return NULL;
    wb_batch *batch = wb_outbox_take(&batcher->outbox);
    if (batch != NULL)
        wb_owner_ref(&batcher->owner); /* until it is completed */
    return batch;
}

bool wb_batcher_run(wb_batcher *batcher)
{
    return wb_owner_run(&batcher->owner);
}

void wb_batcher_complete(wb_batcher *batcher, wb_batch *batch, const wb_outcome *outcome)
{
    int64_t elapsed_us = wb_owner_now_us(&batcher->owner) - batch->taken_us;
    wb_err err;
    bool failed = wb_owner_outcome(outcome, &err);
    wb_outbox_complete(&batcher->outbox, batch, failed ? &err : NULL, outcome->stored, elapsed_us);
    bury_dead(batcher);
    wb_owner_unref(&batcher->owner);
}

int64_t wb_batcher_next_due_us(wb_batcher *batcher)
{
    return wb_box_next_due_us(&batcher->outbox.box);
}

int64_t wb_batcher_now_us(wb_batcher *batcher)
{
    return wb_owner_now_us(&batcher->owner);
}

void wb_batcher_wait_until(wb_batcher *batcher, int64_t until_us)
{
    batcher->owner.env.wait_until(batcher->owner.env.context, until_us);
}

int wb_batcher_fd(wb_batcher *batcher)
{
    return wb_owner_fd(&batcher->owner);
}
