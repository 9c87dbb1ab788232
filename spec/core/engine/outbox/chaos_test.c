/* SPDX-License-Identifier: MIT
 * Random operations on an outbox with several tables, and answers of a store that follow no nature: each class, by row,
 * in doubt, with leading rows in; flushes, purges, other options, full limits, no memory. After each step all that the
 * outbox has is counted:
 *   - each row is in one place, or settled; the counters say how many, and how many bytes;
 *   - the lanes' sums, their heap, the trials' references and the earliest due time are what they should be;
 *   - nothing waits for ever but suspects, and what a write that is under way holds up;
 *   - of a table that fails one batch is under way, but where a flush hurries;
 *   - a settled ticket has no row left; no row is dead that no write refused;
 *   - once the store is well all is settled within some steps.
 * `chaos_test N FIRST` plays N seeds from FIRST on. */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#include "engine/outbox/gate.h"
#include "engine/outbox/trial.h"
#include "support/outbox_fixture.h"
#include "support/seeds.h"

enum { SEEDS = 400, STEPS = 400, MOST = 6000, TABLES = 6, FLIGHTS = 3, IDLE_TAKES = 60 };

static const char *const the_tables[TABLES] = {"t", "a", "b", "c", "d", "e"};

struct chaos {
    struct backlog backlog;
    wb_batcher_options options;
    uint64_t random, merged;
    int rows;
    bool by_worker, no_memory, mayhem, well;
    uint64_t ticket;
    int ticket_rows;
    uint64_t dead_seen, acked;
    wb_batch *flight[FLIGHTS];
    bool lent[TABLES]; /* while it failed, and no flush came */
    bool accepted[MOST], settled[MOST], dead[MOST], refused[MOST], doubted[MOST], present[MOST];
    uint8_t table[MOST], id[MOST][16];
    char failed[200];
};

static struct chaos the_chaos;

static uint64_t below(struct chaos *chaos, uint64_t n)
{
    return chaos->random = chaos->random * 6364136223846793005u + 1442695040888963407u,
           (chaos->random >> 33) % n;
}

static bool chance(struct chaos *chaos, int of_thousand)
{
    return (int)below(chaos, 1000) < of_thousand;
}

static void flaw(struct chaos *chaos, const char *what, int64_t n)
{
    if (chaos->failed[0] == '\0')
        snprintf(chaos->failed, sizeof chaos->failed, "%s (%" PRId64 ")", what, n);
}

/* ---- counting ---- */

struct sums {
    struct chaos *chaos;
    uint64_t rows, bytes;
};

static void count_batch(void *context, const wb_batch *batch)
{
    struct sums *sums = context;
    struct chaos *chaos = sums->chaos;
    sums->rows += wb_batch_left(batch);
    sums->bytes += wb_batch_weight(batch);
    for (size_t row = 0; row < wb_batch_left(batch); row++) {
        int64_t n = n_at(batch, row);
        if (chaos->present[n])
            flaw(chaos, "a row is in two places", n);
        chaos->present[n] = true;
        if (chaos->settled[n] || chaos->dead[n])
            flaw(chaos, "a settled row is still there", n);
    }
}

static bool is_taken(const wb_outbox *outbox, uint32_t route)
{
    for (const wb_batch *batch = outbox->taken.first; batch != NULL; batch = batch->next) {
        if (batch->route == route)
            return true;
    }
    return false;
}

static void check_sealed(struct chaos *chaos, const wb_batch *batch)
{
    wb_outbox *outbox = &chaos->backlog.outbox;
    bool rests = wb_trial_rests(batch);
    bool held = wb_lane_of(&outbox->lanes, batch->route)->held_back;
    if (batch->due_us == WB_NEVER && !rests && !(held && is_taken(outbox, batch->route)))
        flaw(chaos, "a batch is never due", first_n(batch));
    if (rests && batch->trial == NULL)
        flaw(chaos, "a suspect has no trial", first_n(batch));
    if (outbox->sealed.due_known && batch->due_us < outbox->sealed.due_us)
        flaw(chaos, "a batch is due before the first", first_n(batch));
    if (wb_batch_left(batch) == 0)
        flaw(chaos, "an empty batch is sealed", 0);
    if (batch->next != NULL && batch->serial > batch->next->serial)
        flaw(chaos, "the sealed are in no order", first_n(batch));
}

static void check_lane(struct chaos *chaos, uint32_t route, struct sums *open)
{
    wb_lanes *lanes = &chaos->backlog.outbox.lanes;
    const wb_lane *lane = wb_lane_of(lanes, route);
    bool has = lane->open != NULL && wb_batch_left(lane->open) > 0;
    if (has != (lane->place > 0) || (has && lanes->heap[lane->place - 1] != route))
        flaw(chaos, "a lane is at no place", route);
    if (!has)
        return;
    open->rows += wb_batch_left(lane->open);
    open->bytes += lane->open->bytes - wb_batch_begin(lane->open);
    if (lane->place > 1 &&
        wb_lane_of(lanes, lanes->heap[lane->place / 2 - 1])->since_us > lane->since_us)
        flaw(chaos, "the heap is none", route);
}

static void check_lanes(struct chaos *chaos)
{
    wb_outbox *outbox = &chaos->backlog.outbox;
    struct sums open = {0};
    unsigned failing = 0;
    for (uint32_t route = 0; route <= outbox->routes.count; route++) {
        check_lane(chaos, route, &open);
        failing += wb_lane_of(&outbox->lanes, route)->failures > 0;
    }
    if (open.rows != outbox->lanes.rows || open.bytes != outbox->lanes.bytes)
        flaw(chaos, "the lanes' sums are wrong", (int64_t)open.rows);
    if (failing != outbox->lanes.failing)
        flaw(chaos, "so many lanes do not fail", failing);
}

static void check_trials(struct chaos *chaos)
{
    wb_outbox *outbox = &chaos->backlog.outbox;
    size_t all = 0, known = 0;
    const wb_batch *lists[] = {outbox->sealed.first, outbox->taken.first};
    for (size_t i = 0; i < 2; i++) {
        for (const wb_batch *batch = lists[i]; batch != NULL; batch = batch->next)
            all += batch->trial != NULL;
    }
    for (const wb_trial *trial = outbox->trials; trial != NULL; trial = trial->next)
        known += trial->batches;
    if (all != known)
        flaw(chaos, "trials have other parts", (int64_t)known);
}

static void check_rows(struct chaos *chaos, const struct sums *sums)
{
    const wb_metrics *metrics = &chaos->backlog.outbox.backlog.metrics;
    uint64_t gone = 0;
    for (int n = 0; n < chaos->rows; n++) {
        gone += chaos->accepted[n] && !chaos->present[n] && !chaos->settled[n] && !chaos->dead[n];
        if (chaos->present[n] && !chaos->accepted[n])
            flaw(chaos, "a refused row is there", n);
    }
    if (sums->rows != metrics->pending || sums->bytes != metrics->pending_bytes)
        flaw(chaos, "what is pending is counted wrong", (int64_t)sums->rows);
    if (metrics->stored != chaos->acked)
        flaw(chaos, "what is stored is counted wrong", (int64_t)metrics->stored);
    if (gone != metrics->dropped + metrics->dead - chaos->dead_seen)
        flaw(chaos, "rows are lost", (int64_t)gone);
}

static void check_ticket(struct chaos *chaos)
{
    if (!wb_backlog_settled(&chaos->backlog.outbox.backlog, chaos->ticket))
        return;
    for (int n = 0; n < chaos->ticket_rows; n++) {
        if (chaos->present[n])
            flaw(chaos, "a flush ended before a row of it", n);
    }
}

static void read_dead(struct chaos *chaos)
{
    wb_batch *batch;
    while ((batch = wb_outbox_next_dead(&chaos->backlog.outbox)) != NULL) {
        for (size_t row = 0; row < wb_batch_left(batch); row++) {
            int64_t n = n_at(batch, row);
            if (chaos->dead[n] || chaos->settled[n])
                flaw(chaos, "a row is settled twice", n);
            if (!chaos->refused[n])
                flaw(chaos, "a row is dead without its fault", n);
            chaos->dead[n] = true;
            chaos->dead_seen++;
        }
        wb_batch_free(batch);
    }
}

static void check(struct chaos *chaos)
{
    wb_outbox *outbox = &chaos->backlog.outbox;
    struct sums sums = {.chaos = chaos};
    read_dead(chaos);
    memset(chaos->present, 0, sizeof chaos->present);
    for (const wb_batch *batch = outbox->sealed.first; batch != NULL; batch = batch->next)
        check_sealed(chaos, batch);
    each_batch(&chaos->backlog, count_batch, &sums);
    check_lanes(chaos);
    check_trials(chaos);
    check_rows(chaos, &sums);
    check_ticket(chaos);
}

/* ---- what is done ---- */

static void add_row(struct chaos *chaos)
{
    static const char text[] = "xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx";
    struct backlog *backlog = &chaos->backlog;
    int n = chaos->rows;
    if (n == MOST)
        return;
    wb_choice choice = {.overflow = backlog->outbox.overflow};
    chaos->table[n] = (uint8_t)below(chaos, TABLES);
    wb_value values[2] = {int_value(n), text_value(text + below(chaos, sizeof text))};
    if (!chaos->by_worker)
        choice.table = the_tables[chaos->table[n]];
    chaos->accepted[n] = wb_outbox_put(&backlog->outbox, values, 2, &choice, NULL, NULL) == WB_OK;
    chaos->rows++;
}

static void flush(struct chaos *chaos)
{
    int reason = chance(chaos, 800) ? WB_REASON_FLUSH : WB_REASON_POLICY;
    chaos->ticket = wb_backlog_seal(&chaos->backlog.outbox.backlog, reason);
    chaos->ticket_rows = chaos->rows;
    memset(chaos->lent, 0, sizeof chaos->lent);
}

static void configure(struct chaos *chaos)
{
    static const uint64_t sizes[] = {1, 2, 5, 16, 100}, limits[] = {3, 20, 100, 1000, 5000};
    static const int overflows[] = {WB_OVERFLOW_REJECT, WB_OVERFLOW_DROP_OLDEST,
                                    WB_OVERFLOW_DROP_NEWEST};
    wb_outbox *outbox = &chaos->backlog.outbox;
    wb_batcher_options *options = &chaos->options;
    options->batch_size = sizes[below(chaos, 5)];
    options->batch_bytes = sizes[1 + below(chaos, 4)] * 100;
    options->interval_us = (int64_t)(1 + below(chaos, 40)) * SECOND / 10;
    options->max_pending_rows = limits[below(chaos, 5)];
    options->max_pending_bytes = limits[below(chaos, 5)] * 80;
    options->overflow = overflows[below(chaos, 3)];
    wb_monitor_lock(&outbox->backlog.monitor);
    wb_outbox_configure(outbox, options);
    if (chaos->merged > 0)
        merge_up_to(&chaos->backlog, options->batch_size * chaos->merged);
    wb_monitor_unlock(&outbox->backlog.monitor);
}

static void settle_row(struct chaos *chaos, int64_t n)
{
    if (chaos->settled[n])
        flaw(chaos, "a row is stored twice", n);
    chaos->settled[n] = true;
    chaos->acked++;
}

static void check_write(struct chaos *chaos, const wb_batch *batch)
{
    size_t rows = wb_batch_left(batch);
    int table = 0;
    while (batch->table != NULL && strcmp(batch->table->text, the_tables[table]) != 0)
        table++;
    if (rows == 0)
        flaw(chaos, "a write of nothing", 0);
    if (rows > chaos->backlog.outbox.most_write_rows && !batch->in_doubt && !chaos->no_memory)
        flaw(chaos, "a write has too many rows", (int64_t)rows);
    for (size_t row = 0; row < rows; row++) {
        int64_t n = n_at(batch, row);
        if (chaos->table[n] != table && !(chaos->by_worker && table == 0)) /* without memory */
            flaw(chaos, "a row goes to another table", n);
        if (chaos->doubted[n] && (!batch->in_doubt || memcmp(chaos->id[n], batch->id, 16) != 0))
            flaw(chaos, "what is in doubt comes back as something else", n);
    }
}

static void set_doubt(struct chaos *chaos, const wb_batch *batch, bool doubted)
{
    for (size_t row = 0; row < wb_batch_left(batch); row++) {
        chaos->doubted[n_at(batch, row)] = doubted;
        memcpy(chaos->id[n_at(batch, row)], batch->id, 16);
    }
}

/* By row. */
static void judge(struct chaos *chaos, const wb_batch *batch, wb_verdict *verdicts)
{
    int shares[3] = {(int)below(chaos, 3) * 400, (int)below(chaos, 3) * 500, 0};
    set_doubt(chaos, batch, false);
    for (size_t row = 0; row < wb_batch_left(batch); row++) {
        int64_t n = n_at(batch, row);
        verdicts[row] = (wb_verdict){.fate = WB_FATE_STORED};
        if (chance(chaos, shares[0]))
            verdicts[row].fate = chance(chaos, shares[1]) ? WB_FATE_REJECT : WB_FATE_RETRY;
        if (verdicts[row].fate == WB_FATE_STORED)
            settle_row(chaos, n);
        if (verdicts[row].fate == WB_FATE_REJECT || chaos->mayhem)
            chaos->refused[n] = true;
    }
}

static void refuse(struct chaos *chaos, const wb_batch *batch, wb_err *err, wb_ending *ending)
{
    static const int classes[] = {WB_RETRY, WB_REJECT, WB_HOLD, WB_REJECT};
    size_t rows = wb_batch_left(batch);
    wb_fail_store(err, classes[below(chaos, 4)], "chaos");
    if (err->error_class == WB_RETRY) {
        err->in_doubt = chance(chaos, 200);
        err->timed_out = chance(chaos, 200);
    } else if (err->error_class == WB_HOLD) {
        err->unsure = chance(chaos, 400);
        err->some_rows = !err->unsure && chance(chaos, 500);
        err->group_column = err->some_rows && chance(chaos, 500) ? 2 : 0;
    } else if (chance(chaos, 500)) {
        err->row = (uint32_t)below(chaos, rows + 2);
    }
    if (err->in_doubt || err->error_class != WB_RETRY) /* an answer ends the doubt */
        set_doubt(chaos, batch, err->in_doubt);
    if (err->in_doubt)
        ending->stored = 0;
    else if (!batch->in_doubt && chance(chaos, 300))
        ending->stored = below(chaos, rows + 1);
    for (size_t row = 0; row < ending->stored; row++)
        settle_row(chaos, n_at(batch, row));
    if (chaos->mayhem && chance(chaos, 200))
        ending->retry_us = chance(chaos, 200) ? WB_NEVER : (int64_t)below(chaos, 5 * SECOND) + 1;
    if (chaos->mayhem || rows - ending->stored == 1)
        for (size_t row = ending->stored; row < rows; row++)
            chaos->refused[n_at(batch, row)] = true;
    ending->err = err;
}

static void complete(struct chaos *chaos, wb_batch *batch)
{
    static wb_verdict verdicts[MOST];
    wb_err err = {0};
    wb_ending ending = {.elapsed_us = (int64_t)below(chaos, 12) * SECOND};
    uint64_t dice = chaos->well ? 0 : below(chaos, 10);
    if (dice < 3) {
        for (size_t row = 0; row < wb_batch_left(batch); row++)
            settle_row(chaos, n_at(batch, row));
    } else if (dice < 6) {
        judge(chaos, batch, verdicts);
        wb_fail_store(&err, WB_RETRY, "by row");
        ending.err = &err;
        ending.verdicts = verdicts;
        if (chaos->mayhem && chance(chaos, 100))
            ending.retry_us = chance(chaos, 300) ? WB_NEVER : SECOND;
    } else {
        refuse(chaos, batch, &err, &ending);
    }
    wb_outbox_complete(&chaos->backlog.outbox, batch, &ending);
}

static void check_gate(struct chaos *chaos, const wb_batch *batch)
{
    wb_outbox *outbox = &chaos->backlog.outbox;
    if (outbox->routes.count == 0 || wb_lane_of(&outbox->lanes, batch->route)->failures == 0)
        return;
    if (chaos->lent[batch->route])
        flaw(chaos, "two batches of a table that fails are under way", batch->route);
    chaos->lent[batch->route] = true;
}

static bool take(struct chaos *chaos, int at)
{
    if (chaos->flight[at] == NULL) {
        chaos->flight[at] = wb_outbox_take(&chaos->backlog.outbox);
        if (chaos->flight[at] == NULL)
            return false;
        check_write(chaos, chaos->flight[at]);
        check_gate(chaos, chaos->flight[at]);
    } else {
        wb_batch *batch = chaos->flight[at];
        chaos->flight[at] = NULL;
        chaos->lent[batch->route] = false;
        complete(chaos, batch);
    }
    return true;
}

static void step(struct chaos *chaos)
{
    chaos->no_memory = chance(chaos, 60);
    if (chaos->no_memory)
        wb_alloc_fail_after(1 + below(chaos, 4));
    switch (below(chaos, 14)) {
    case 0:
    case 1:
        for (uint64_t i = below(chaos, 30); i > 0; i--)
            add_row(chaos);
        break;
    case 2:
        wb_clock_advance(chaos->backlog.clock, (int64_t)below(chaos, 2 * SECOND));
        if (chance(chaos, 50)) /* tables that are unused are forgotten */
            wb_clock_advance(chaos->backlog.clock, INT64_C(7200) * SECOND);
        break;
    case 3:
        if (chance(chaos, 300))
            flush(chaos);
        break;
    case 4:
        if (chance(chaos, 60))
            wb_outbox_purge(&chaos->backlog.outbox);
        break;
    case 5:
        if (chance(chaos, 200))
            configure(chaos);
        break;
    default:
        take(chaos, (int)below(chaos, FLIGHTS));
    }
    wb_alloc_fail_after(0);
    chaos->no_memory = false;
}

/* The store is well, and there is memory. */
static void drain(struct chaos *chaos)
{
    wb_outbox *outbox = &chaos->backlog.outbox;
    chaos->well = true;
    for (int at = 0; at < FLIGHTS; at++)
        if (chaos->flight[at] != NULL)
            take(chaos, at);
    bool closed = chance(chaos, 500);
    if (closed)
        wb_backlog_close(&outbox->backlog);
    int idle = 0;
    for (int i = 0; i < 3000 && outbox->backlog.metrics.pending > 0 && !chaos->failed[0]; i++) {
        if (take(chaos, 0)) {
            idle = 0;
            take(chaos, 0);
        } else if (wb_outbox_next_due_us(&outbox->backlog) > wb_backlog_now_us(&outbox->backlog)) {
            wb_clock_advance(chaos->backlog.clock, SECOND / 2);
        } else if (++idle > IDLE_TAKES) {
            flaw(chaos, "something is due and can't be taken", idle);
        }
        check(chaos);
    }
    if (outbox->backlog.metrics.pending > 0)
        flaw(chaos, "rows are not settled", (int64_t)outbox->backlog.metrics.pending);
    if (outbox->backlog.metrics.pending_bytes > 0 || outbox->trials != NULL)
        flaw(chaos, "something is left", (int64_t)outbox->backlog.metrics.pending_bytes);
}

/* ---- a worker's policy ---- */

static int open_script(wb_script *script, wb_err *err)
{
    (void)err;
    script->route = true;
    return WB_OK;
}

static int route_row(wb_script *script, const wb_batch *batch, size_t index, const char **table,
                     wb_err *err)
{
    struct chaos *chaos = &the_chaos;
    int64_t n = n_at(batch, index);
    (void)script;
    *table = chaos->table[n] > 0 ? the_tables[chaos->table[n]] : NULL;
    if (chance(chaos, 10))
        add_row(chaos);
    if (chance(chaos, 5))
        flush(chaos);
    if (chance(chaos, 2))
        wb_outbox_purge(&chaos->backlog.outbox);
    if (chance(chaos, 10))
        configure(chaos);
    if (!chance(chaos, 20))
        return WB_OK;
    chaos->refused[n] = true;
    return wb_fail(err, WB_INVALID, "refused %d", (int)below(chaos, 4));
}

static void end_script(wb_script *script)
{
    (void)script;
}

static wb_script *make_script(wb_policy *policy, const wb_target *target)
{
    static const wb_script_class class = {
        .open = open_script, .route = route_row, .end = end_script};
    static wb_script script;
    (void)policy, (void)target;
    script = (wb_script){.class = &class};
    return &script;
}

static void count_policy(wb_policy *policy)
{
    (void)policy;
}

static void let_worker_route(struct backlog *backlog)
{
    static const wb_policy_class class = {make_script, count_policy, count_policy};
    static wb_policy policy = {&class};
    wb_script_client_init(&backlog->outbox.script_client, &policy, &backlog->target,
                          &backlog->outbox.backlog);
}

/* ---- playing ---- */

static void open_chaos(struct chaos *chaos, uint64_t seed)
{
    memset(chaos, 0, sizeof *chaos);
    chaos->random = seed * 2654435761u + 12345;
    open_box(&chaos->backlog, NULL);
    chaos->backlog.outbox.keep_dead = true;
    seed_box(&chaos->backlog, seed);
    chaos->options = chaos->backlog.outbox.options;
    chaos->by_worker = chance(chaos, 300);
    chaos->merged = below(chaos, 3) * below(chaos, 6);
    chaos->mayhem = chance(chaos, 300);
    chaos->options.retry.attempts = chaos->mayhem ? (uint32_t)below(chaos, 4) : 0;
    if (chaos->by_worker)
        let_worker_route(&chaos->backlog);
    configure(chaos);
}

static bool play(uint64_t seed, bool told)
{
    struct chaos *chaos = &the_chaos;
    (void)told;
    open_chaos(chaos, seed);
    for (int i = 0; i < STEPS && chaos->failed[0] == '\0'; i++) {
        step(chaos);
        check(chaos);
    }
    if (chaos->failed[0] == '\0')
        drain(chaos);
    if (chaos->failed[0] != '\0') {
        printf("seed %" PRIu64 "%s%s: %s\n", seed, chaos->by_worker ? " by worker" : "",
               chaos->mayhem ? " mayhem" : "", chaos->failed);
        return false;
    }
    shut_box(&chaos->backlog);
    return true;
}

static int play_seeds(uint64_t count, uint64_t first)
{
    return seeds_each(count, first, play);
}

int main(int count, char **words)
{
    return seeds_main(count, words, "chaos", SEEDS, play_seeds);
}
