/* SPDX-License-Identifier: MIT
 * A model of upserts and of the ledger, in virtual time: the real outbox before a store of the test's own, which keeps
 * tables by key (support/keyed_store.h). A seed gives an upsert of some kind, or none; a ledger, or none where a write may
 * be repeated; rows that are bad, and a store that fails in each way: refuses, is down, is slow, loses its replies, of
 * writes that are in, that never will be, or that will be later. Whatever comes:
 *   - each row is stored, dead or dropped, as often as the outbox counts; no row is dead that was not refused alone;
 *   - with a ledger a stored row is in exactly once, without one at least once; one that is dead or dropped is not, where no
 *     reply to it was lost; and what the ledger has answered for was in its write;
 *   - a table holds what comes of these rows one by one: in the order of adds; but where order matters and good rows were
 *     refused for a while, in the order in which they came in;
 *   - where order matters no row is written before one of its table that was added earlier and waits, but for those that
 *     were refused and rest; and of a key none comes in after a younger one, where only bad rows are refused;
 *   - what is in doubt comes again under the same id, and whole; what is not has an id that the ledger will remember;
 *   - what is due can be taken, and once the store is well all is settled within some steps.
 * `keyed_model_test N FIRST` plays N seeds from FIRST on; one alone is told, write by write. */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#include "engine/outbox/trial.h"
#include "rows/upsert.h"
#include "stores/ledger.h"
#include "support/keyed_store.h"
#include "support/outbox_fixture.h"
#include "support/seeds.h"

enum { SEEDS = 400, STEPS = 250, FLIGHTS = 3, IDLE_TAKES = 60, DRAIN_STEPS = 12000, FRESH = 40 };

static const char *const the_tables[KEYED_TABLES] = {"t", "a", "b"};

enum fate { PENDING, STORED, DEAD };

typedef struct row {
    keyed_cells cells;
    int table;
    bool accepted, bad;
    bool touchy;  /* refused until the store is well */
    bool refused; /* it alone, or all may be given up */
    bool late;    /* it may come after younger ones */
    bool doubted, present;
    uint8_t doubt[16];
    int fate;
} row;

typedef struct model {
    struct backlog backlog;
    keyed_store store;
    uint64_t random;
    bool told, well, no_memory;
    int32_t merge[KEYED_COLUMNS];
    const char *expressions[KEYED_COLUMNS];
    wb_upsert upsert;
    bool keyed, ordered;
    bool strict; /* only bad rows are refused */
    int tables, keys;
    int bad_share, touchy_share, lost_share, down_share;
    uint64_t merged; /* batches of a write */
    uint32_t attempts;
    wb_batcher_options options;
    wb_batch *flight[FLIGHTS];
    int rows_count;
    row rows[KEYED_ROWS];
    int newest[KEYED_TABLES][KEYED_KEYS]; /* row that is in */
    int seen;                             /* of the store's log */
    uint64_t superseded;
    char failed[200];
} model;

static model the_model;
static const int32_t the_key[] = {KEYED_KEY};

static uint64_t below(model *m, uint64_t n)
{
    return random_below(&m->random, n);
}

static bool chance(model *m, int of_thousand)
{
    return (int)below(m, 1000) < of_thousand;
}

static void flaw(model *m, const char *what, int64_t n)
{
    if (m->failed[0] == '\0')
        snprintf(m->failed, sizeof m->failed, "%s (%" PRId64 ")", what, n);
}

static int64_t now_us(const model *m)
{
    return wb_clock_now_us(m->backlog.clock);
}

static row *row_at(model *m, const wb_batch *batch, size_t index)
{
    return &m->rows[n_at(batch, index)];
}

static int number(const model *m, const row *r)
{
    return (int)(r - m->rows);
}

/* ---- what a seed is ---- */

enum kind { INSERT, OVERWRITE, NEWEST, SUMS, EXPRESSION, FIRST_LAST, NOTHING, ANY, KINDS };

static int word_of(model *m, int kind)
{
    static const int ends[] = {WB_MERGE_FIRST, WB_MERGE_LAST},
                     sums[] = {WB_MERGE_SUM, WB_MERGE_MIN, WB_MERGE_MAX};
    switch (kind) {
    case OVERWRITE:
    case NEWEST:
        return WB_MERGE_SET;
    case SUMS:
        return sums[below(m, 3)];
    case FIRST_LAST:
        return ends[below(m, 2)];
    case EXPRESSION:
        return chance(m, 500) ? WB_MERGE_EXPRESSION : WB_MERGE_KEEP;
    default:
        return (int)below(m, WB_MERGE_EXPRESSION + 1);
    }
}

/* Which row comes first is left open where order does not matter: then nothing may be kept. */
static void keep_nothing(model *m)
{
    for (int i = 0; i < KEYED_COLUMNS; i++) {
        if (i != KEYED_KEY && m->merge[i] == WB_MERGE_KEEP)
            m->merge[i] = WB_MERGE_MAX;
    }
}

static void plan_upsert(model *m, int kind)
{
    m->upsert = (wb_upsert){.key = the_key,
                            .key_count = 1,
                            .newest = -1,
                            .merge = m->merge,
                            .expressions = m->expressions,
                            .nothing = kind == NOTHING};
    for (int i = 0; i < KEYED_COLUMNS; i++) {
        m->expressions[i] = "t.x * 3 + excluded.x";
        m->merge[i] = i == KEYED_KEY || kind == NOTHING ? WB_MERGE_KEEP : word_of(m, kind);
    }
    if (kind == NEWEST || ((kind == SUMS || kind == ANY) && chance(m, 400))) {
        m->upsert.newest = KEYED_AT;
        m->merge[KEYED_AT] = WB_MERGE_SET;
    }
    m->keyed = kind != INSERT;
}

static void plan(model *m)
{
    static const int shares[] = {0, 0, 10, 100, 500, 990};
    plan_upsert(m, (int)below(m, KINDS));
    m->tables = 1 + (int)below(m, KEYED_TABLES);
    m->keys = 1 + (int)below(m, KEYED_KEYS);
    m->strict = chance(m, 600);
    m->bad_share = shares[below(m, 6)];
    m->touchy_share = m->strict ? 0 : shares[below(m, 5)];
    m->lost_share = (int)below(m, 3) * 150;
    m->down_share = (int)below(m, 3) * 100;
    m->merged = below(m, 3) * below(m, 6);
    m->attempts = chance(m, 150) ? 1 + (uint32_t)below(m, 4) : 0;
}

static wb_schema *keyed_schema(void)
{
    wb_column columns[KEYED_COLUMNS];
    static const char *const names[KEYED_COLUMNS] = {"n", "k", "at", "a", "b", "c"};
    for (int i = 0; i < KEYED_COLUMNS; i++)
        columns[i] = (wb_column){.name = names[i], .type = WB_TYPE_INT8, .null = i > KEYED_AT};
    wb_schema *schema = NULL;
    assert_ok(wb_schema_new(columns, KEYED_COLUMNS, &schema, NULL));
    return schema;
}

/* ---- what is pending ---- */

static void note_present(void *context, const wb_batch *batch)
{
    model *m = context;
    for (size_t i = 0; i < wb_batch_left(batch); i++) {
        row *r = row_at(m, batch, i);
        if (r->present)
            flaw(m, "a row is in two places", number(m, r));
        if (!r->accepted || r->fate != PENDING)
            flaw(m, "a row is there that is not pending", number(m, r));
        r->present = true;
    }
}

static void read_dead(model *m)
{
    wb_batch *batch;
    while ((batch = wb_outbox_next_dead(&m->backlog.outbox)) != NULL) {
        for (size_t i = 0; i < wb_batch_left(batch); i++) {
            row *r = row_at(m, batch, i);
            if (r->fate != PENDING)
                flaw(m, "a row is settled twice", number(m, r));
            if (!r->refused)
                flaw(m, "a row is dead without its fault", number(m, r));
            r->fate = DEAD;
        }
        wb_batch_free(batch);
    }
}

static void count_rows(model *m)
{
    uint64_t counts[3] = {0}, gone = 0;
    read_dead(m);
    for (int n = 0; n < m->rows_count; n++)
        m->rows[n].present = false;
    each_batch(&m->backlog, note_present, m);
    for (int n = 0; n < m->rows_count; n++) {
        const row *r = &m->rows[n];
        counts[r->fate] += r->accepted && (r->fate != PENDING || r->present);
        gone += r->accepted && r->fate == PENDING && !r->present;
    }
    wb_stats stats = stats_of(&m->backlog);
    if (stats.pending != counts[PENDING] || stats.stored != counts[STORED] ||
        stats.dead < counts[DEAD] || /* of many at once the oldest are forgotten */
        stats.dropped + stats.dead != gone + counts[DEAD])
        flaw(m, "rows are counted wrong", (int64_t)gone);
    if (stats.superseded != m->superseded)
        flaw(m, "what is superseded is counted wrong", (int64_t)stats.superseded);
}

/* ---- order ---- */

struct passing {
    model *m;
    const wb_batch *batch;
    int table, last; /* the youngest row that is written */
};

static void look_past(void *context, const wb_batch *other)
{
    struct passing *passing = context;
    if (other == passing->batch || wb_trial_steps_aside(other))
        return;
    for (size_t i = 0; i < wb_batch_left(other); i++) {
        const row *r = row_at(passing->m, other, i);
        if (r->table == passing->table && !r->late && number(passing->m, r) < passing->last)
            flaw(passing->m, "a row is written past one that waits", number(passing->m, r));
    }
}

static void check_order(model *m, const wb_batch *batch)
{
    struct passing passing = {m, batch, row_at(m, batch, 0)->table, -1};
    for (size_t i = 0; i < wb_batch_left(batch); i++) {
        const row *r = row_at(m, batch, i);
        if (!r->late && number(m, r) < passing.last)
            flaw(m, "a write has its rows in another order", number(m, r));
        if (!r->late)
            passing.last = number(m, r);
    }
    each_batch(&m->backlog, look_past, &passing);
}

/* A table's first batch is due, and nothing else is under way or failing. */
static void check_due(model *m)
{
    wb_outbox *outbox = &m->backlog.outbox;
    bool seen[KEYED_TABLES] = {false};
    if (outbox->taken.first != NULL || outbox->backlog.gate_us > now_us(m))
        return;
    for (const wb_batch *batch = outbox->sealed.first; batch != NULL; batch = batch->next) {
        int table = row_at(m, batch, 0)->table;
        if (!seen[table] && batch->due_us <= now_us(m) &&
            wb_outbox_next_due_us(&outbox->backlog) > now_us(m))
            flaw(m, "what is due does not show", first_n(batch));
        seen[table] = seen[table] || (m->ordered && !wb_trial_steps_aside(batch));
    }
}

/* What came in since this was last looked at. */
static void check_log(model *m)
{
    for (; m->seen < m->store.log_count; m->seen++) {
        int n = m->store.log[m->seen];
        const row *r = &m->rows[n];
        int *newest = &m->newest[r->table][r->cells.value[KEYED_KEY]];
        if (m->store.times[n] > 1 && m->store.ledger)
            flaw(m, "a row is in twice", n);
        if (m->strict && m->ordered && m->store.times[n] == 1 && n < *newest)
            flaw(m, "a row comes in after a younger one of its key", n);
        if (n > *newest)
            *newest = n;
    }
}

/* ---- a write ---- */

static int table_of(const wb_batch *batch)
{
    int table = 0;
    while (batch->table != NULL && strcmp(batch->table->text, the_tables[table]) != 0)
        table++;
    return table;
}

static void check_doubt(model *m, const wb_batch *batch)
{
    size_t same = 0, doubted = 0;
    for (size_t i = 0; i < wb_batch_left(batch); i++) {
        const row *r = row_at(m, batch, i);
        doubted += r->doubted;
        same += r->doubted && memcmp(r->doubt, batch->id, sizeof r->doubt) == 0;
    }
    if (m->store.ledger ? doubted != same : doubted > 0 && !batch->in_doubt)
        flaw(m, "what is in doubt comes as something else", first_n(batch));
    if (m->store.ledger && doubted == 0 && batch->in_doubt)
        flaw(m, "what was settled is in doubt", first_n(batch));
    if (doubted > 0 && (doubted != wb_batch_left(batch) || !batch->in_doubt))
        flaw(m, "what is in doubt comes with others", first_n(batch));
}

static void check_write(model *m, const wb_batch *batch)
{
    if (wb_batch_left(batch) == 0)
        flaw(m, "a write of nothing", 0);
    for (size_t i = 0; i < wb_batch_left(batch); i++) {
        if (row_at(m, batch, i)->table != table_of(batch))
            flaw(m, "a row goes to another table", n_at(batch, i));
    }
    check_doubt(m, batch);
    if (m->store.ledger && !batch->in_doubt &&
        now_us(m) - wb_ledger_key_us(batch->id) > WB_LEDGER_DAY_US + SECOND)
        flaw(m, "an id is old that may be renewed", first_n(batch));
    if (m->ordered)
        check_order(m, batch);
}

static bool fail_whole(model *m, wb_err *err)
{
    static const int classes[] = {WB_RETRY, WB_HOLD};
    if (m->well || !chance(m, m->down_share))
        return false;
    wb_fail_store(err, classes[below(m, 2)], "down");
    err->timed_out = err->error_class == WB_RETRY && chance(m, 300);
    err->unsure = err->error_class == WB_HOLD && !m->strict && chance(m, 300);
    return true;
}

static bool wait_in_vain(wb_err *err)
{
    wb_fail_store(err, WB_RETRY, "waited for a lock in vain");
    return err->timed_out = true;
}

static bool blame(model *m, const wb_batch *batch, wb_err *err)
{
    for (size_t i = 0; i < wb_batch_left(batch); i++) {
        const row *r = row_at(m, batch, i);
        if (!r->bad && (m->well || !r->touchy || chance(m, 300)))
            continue;
        wb_fail_store(err, WB_REJECT, "a bad row");
        uint64_t dice = below(m, 10);
        if (dice < 5)
            err->row = dice == 0 ? (uint32_t)below(m, wb_batch_left(batch) + 2) : (uint32_t)i + 1;
        err->unsure = dice == 9;
        err->some_rows = dice == 8 && !m->strict && !r->bad;
        if (err->unsure || err->some_rows)
            err->error_class = WB_HOLD;
        err->group_column = err->some_rows && chance(m, 500) ? KEYED_KEY + 1 : 0;
        return true;
    }
    return false;
}

/* Of a batch in doubt, after a refusal: as stores/postgres/ledger.c. */
static void settle(model *m, const wb_batch *batch, wb_err *err)
{
    bool for_now =
        err->error_class != WB_REJECT && !err->some_rows && !err->unsure && !err->timed_out;
    if (!m->store.ledger || !batch->in_doubt || for_now)
        return;
    const keyed_entry *entry = keyed_store_find(&m->store, batch);
    bool sent = m->well || chance(m, 800);
    bool answered = sent && !keyed_store_holds_id(&m->store, batch) && (m->well || chance(m, 700));
    if (sent && entry == NULL && !keyed_store_holds_id(&m->store, batch))
        keyed_store_rule_out(&m->store, batch);
    if (answered && entry != NULL && entry->in)
        *err = (wb_err){.code = WB_OK};
    else if (answered)
        err->ruled_out = true;
    else
        wb_fail_store(err, WB_RETRY, "not settled");
}

/* The key was there. */
static void judge(model *m, const wb_batch *batch, const keyed_entry *entry, wb_err *err)
{
    if (entry->in) {
        if (!keyed_store_has(&m->store, batch, entry))
            flaw(m, "the ledger answers for rows of another write", first_n(batch));
        return;
    }
    wb_fail_store(err, WB_RETRY, "ruled out");
    err->ruled_out = true;
}

static bool lose(model *m, const wb_batch *batch, uint64_t *superseded, wb_err *err)
{
    if (m->well || !chance(m, m->lost_share) || m->store.open_count == KEYED_OPEN)
        return false;
    uint64_t dice = below(m, 10);
    if (blame(m, batch, err)) /* it did not come so far */
        dice = dice < 5 ? 7 : 9;
    *err = (wb_err){.code = WB_OK};
    if (dice < 3)
        assert_true(keyed_store_commit(&m->store, batch, table_of(batch), superseded));
    else if (dice < 8)
        keyed_store_open(&m->store, batch, table_of(batch),
                         now_us(m) + (int64_t)below(m, 20 * SECOND), dice < 6);
    wb_fail_store(err, WB_RETRY, "the reply was lost");
    return err->in_doubt = true;
}

static void commit(model *m, const wb_batch *batch, uint64_t *superseded, wb_err *err)
{
    wb_alloc_fail_after(!m->well && chance(m, 30) ? 1 + below(m, 6) : 0);
    if (!keyed_store_commit(&m->store, batch, table_of(batch), superseded))
        wb_fail_store(err, WB_RETRY, "out of memory");
    wb_alloc_fail_after(0);
}

static void write_rows(model *m, const wb_batch *batch, uint64_t *superseded, wb_err *err)
{
    const keyed_entry *entry = keyed_store_find(&m->store, batch);
    if (fail_whole(m, err) || (keyed_store_holds_id(&m->store, batch) && wait_in_vain(err)))
        settle(m, batch, err);
    else if (entry != NULL)
        judge(m, batch, entry, err);
    else if (keyed_store_holds_rows(&m->store, batch, table_of(batch)) && wait_in_vain(err))
        settle(m, batch, err);
    else if (lose(m, batch, superseded, err))
        return;
    else if (blame(m, batch, err))
        settle(m, batch, err);
    else
        commit(m, batch, superseded, err);
}

static void note_stored(model *m, const wb_batch *batch)
{
    for (size_t i = 0; i < wb_batch_left(batch); i++) {
        row *r = row_at(m, batch, i);
        if (r->fate != PENDING)
            flaw(m, "a row is stored that was settled", number(m, r));
        if (m->store.times[number(m, r)] == 0)
            flaw(m, "a row is stored that is not in", number(m, r));
        r->fate = STORED;
        r->doubted = false;
    }
}

static void note_failed(model *m, const wb_batch *batch, const wb_err *err)
{
    bool alone = wb_batch_left(batch) == 1, refusal = err->error_class == WB_REJECT || err->unsure;
    for (size_t i = 0; i < wb_batch_left(batch); i++) {
        row *r = row_at(m, batch, i);
        r->refused = r->refused || (alone && (refusal || err->some_rows)) || m->attempts > 0;
        r->late = r->late || err->some_rows || (alone && err->unsure);
        r->doubted = (r->doubted && !err->ruled_out) || err->in_doubt;
        memcpy(r->doubt, batch->id, sizeof r->doubt);
        if (err->ruled_out && m->store.times[number(m, r)] > 0)
            flaw(m, "a row is settled that is in", number(m, r));
    }
}

static void tell(const model *m, const wb_batch *batch, const wb_err *err)
{
    if (!m->told)
        return;
    printf("%9.3f %s: %zu rows from %" PRId64 " to %" PRId64 ", standing %d attempt %u%s: %s%s%s\n",
           (double)(now_us(m) - 1000 * SECOND) / 1e6, the_tables[table_of(batch)],
           wb_batch_left(batch), first_n(batch), n_at(batch, wb_batch_left(batch) - 1),
           batch->standing, (unsigned)batch->attempt, batch->in_doubt ? " in doubt" : "",
           err->code == WB_OK ? "stored" : err->text, err->in_doubt ? ", in doubt" : "",
           err->ruled_out ? ", settled" : "");
}

static void complete(model *m, wb_batch *batch)
{
    wb_err err = {.code = WB_OK};
    wb_ending ending = {.elapsed_us = (int64_t)below(m, 8) * SECOND};
    write_rows(m, batch, &ending.superseded, &err);
    tell(m, batch, &err);
    check_log(m);
    if (err.code == WB_OK) {
        note_stored(m, batch);
        m->superseded += ending.superseded;
    } else {
        note_failed(m, batch, &err);
        ending.err = &err;
    }
    wb_alloc_fail_after(m->no_memory ? 1 + below(m, 4) : 0);
    wb_outbox_complete(&m->backlog.outbox, batch, &ending);
    wb_alloc_fail_after(0);
}

/* ---- what is done ---- */

static void draw_cells(model *m, int n, row *r)
{
    r->cells.there = true;
    r->cells.value[KEYED_N] = n;
    r->cells.value[KEYED_KEY] = (int64_t)below(m, (uint64_t)m->keys);
    r->cells.value[KEYED_AT] = (int64_t)n * 1009 % 3001; /* no two are equal */
    for (int i = KEYED_AT + 1; i < KEYED_COLUMNS; i++) {
        r->cells.null[i] = chance(m, 200);
        r->cells.value[i] = r->cells.null[i] ? 0 : (int64_t)below(m, 1000) - 300;
    }
}

static void add_row(model *m, int table, bool bad)
{
    int n = m->rows_count;
    row *r = &m->rows[n];
    if (n == KEYED_ROWS)
        return;
    draw_cells(m, n, r);
    r->table = table;
    r->bad = bad;
    r->touchy = chance(m, m->touchy_share);
    r->late = r->touchy; /* refused, and taken later */
    wb_value values[KEYED_COLUMNS];
    for (int i = 0; i < KEYED_COLUMNS; i++)
        values[i] = r->cells.null[i] ? (wb_value){.kind = WB_NULL} : int_value(r->cells.value[i]);
    wb_choice choice = {.overflow = m->backlog.outbox.overflow};
    if (table > 0 || chance(m, 300))
        choice.table = the_tables[table];
    r->accepted =
        wb_outbox_put(&m->backlog.outbox, values, KEYED_COLUMNS, &choice, NULL, NULL) == WB_OK;
    m->rows_count++;
}

static void add_rows(model *m)
{
    for (uint64_t i = below(m, 30); i > 0 && m->rows_count < KEYED_ROWS - FRESH * m->tables; i--)
        add_row(m, (int)below(m, (uint64_t)m->tables), chance(m, m->bad_share));
}

static void set_options(model *m)
{
    wb_outbox *outbox = &m->backlog.outbox;
    wb_monitor_lock(&outbox->backlog.monitor);
    wb_outbox_configure(outbox, &m->options);
    if (m->merged > 0)
        merge_up_to(&m->backlog, m->options.batch_size * m->merged);
    wb_monitor_unlock(&outbox->backlog.monitor);
}

static void configure(model *m)
{
    static const uint64_t sizes[] = {1, 2, 5, 16, 100}, limits[] = {20, 60, 100, 1000, 5000};
    static const int overflows[] = {WB_OVERFLOW_REJECT, WB_OVERFLOW_DROP_OLDEST,
                                    WB_OVERFLOW_DROP_NEWEST};
    m->options.batch_size = sizes[below(m, 5)];
    m->options.interval_us = (int64_t)(1 + below(m, 40)) * SECOND / 10;
    m->options.max_pending_rows = limits[below(m, 5)];
    m->options.overflow = overflows[below(m, 3)];
    set_options(m);
}

static void pass_time(model *m, int64_t us)
{
    wb_clock_advance(m->backlog.clock, us);
    keyed_store_pass(&m->store, now_us(m));
    check_log(m);
}

/* What is left of a seed that fails and is told. */
static void tell_batch(void *context, const wb_batch *batch)
{
    const model *m = context;
    if (wb_batch_left(batch) == 0)
        return;
    printf("  %s %s: serial %" PRIu64 ", %zu rows from %" PRId64 " to %" PRId64
           ", standing %d attempt %u, due in %.3f s%s\n",
           batch->state == WB_BATCH_TAKEN    ? "taken"
           : batch->state == WB_BATCH_SEALED ? "sealed"
                                             : "open",
           the_tables[row_at(&the_model, batch, 0)->table], batch->serial, wb_batch_left(batch),
           first_n(batch), n_at(batch, wb_batch_left(batch) - 1), batch->standing,
           (unsigned)batch->attempt, (double)(batch->due_us - now_us(m)) / 1e6,
           batch->in_doubt ? ", in doubt" : "");
}

static bool take(model *m, int at)
{
    wb_batch *batch = m->flight[at];
    m->flight[at] = NULL;
    if (batch != NULL) {
        complete(m, batch);
        return true;
    }
    wb_alloc_fail_after(m->no_memory ? 1 + below(m, 4) : 0);
    m->flight[at] = wb_outbox_take(&m->backlog.outbox);
    wb_alloc_fail_after(0);
    if (m->flight[at] != NULL)
        check_write(m, m->flight[at]);
    return m->flight[at] != NULL;
}

static void step(model *m)
{
    m->no_memory = chance(m, 50);
    switch (below(m, 14)) {
    case 0:
    case 1:
        add_rows(m);
        break;
    case 2:
    case 3:
        pass_time(m, (int64_t)below(m, 3 * SECOND));
        if (chance(m, 20)) /* ids are renewed, tables forgotten */
            pass_time(m, INT64_C(25) * 3600 * SECOND);
        break;
    case 4:
        if (chance(m, 300))
            wb_backlog_seal(&m->backlog.outbox.backlog, WB_REASON_FLUSH);
        break;
    case 5:
        if (chance(m, 30))
            wb_outbox_purge(&m->backlog.outbox);
        break;
    case 6:
        if (chance(m, 200))
            configure(m);
        break;
    default:
        take(m, (int)below(m, FLIGHTS));
    }
    m->no_memory = false;
}

/* Good rows still come now and then: a store that takes nothing else can't be told from one that takes nothing. */
static void refresh(model *m, int i)
{
    for (int table = 0; table < m->tables && !m->backlog.outbox.backlog.closing; table++) {
        if (i % 200 == 0 && i / 200 < FRESH)
            add_row(m, table, false);
    }
}

/* The store is well, and there is memory. */
static void drain(model *m)
{
    wb_outbox *outbox = &m->backlog.outbox;
    m->well = true;
    m->options.max_pending_rows = m->options.max_pending_bytes = UINT64_MAX;
    set_options(m);
    for (int at = 0; at < FLIGHTS; at++) {
        if (m->flight[at] != NULL)
            take(m, at);
    }
    bool closes = m->bad_share == 0 && chance(m, 500);
    if (closes)
        wb_backlog_close(&outbox->backlog);
    int idle = 0;
    for (int i = 0; i < DRAIN_STEPS && outbox->backlog.metrics.pending > 0 && !m->failed[0]; i++) {
        refresh(m, i);
        if (take(m, 0)) {
            idle = 0;
            take(m, 0);
        } else if (wb_outbox_next_due_us(&outbox->backlog) > now_us(m)) {
            pass_time(m, SECOND / 2);
        } else if (++idle > IDLE_TAKES) {
            flaw(m, "something is due and can't be taken", idle);
        }
        count_rows(m);
    }
    if (outbox->backlog.metrics.pending > 0)
        flaw(m, "rows are not settled", (int64_t)outbox->backlog.metrics.pending);
    pass_time(m, 60 * SECOND); /* what is open ends */
}

/* ---- the end ---- */

static bool is_in(const model *m, int n)
{
    return m->store.times[n] > 0;
}

static void check_fates(model *m)
{
    for (int n = 0; n < m->rows_count; n++) {
        const row *r = &m->rows[n];
        if (r->fate == STORED && !is_in(m, n))
            flaw(m, "a stored row is not in", n);
        if (is_in(m, n) && r->fate != STORED && !r->doubted)
            flaw(m, "a row is in that was given up", n);
        if (is_in(m, n) && r->bad)
            flaw(m, "a bad row is in", n);
    }
}

static void come(model *m, int n, keyed_cells cells[KEYED_TABLES][KEYED_KEYS])
{
    const row *r = &m->rows[n];
    keyed_fold(&m->upsert, &cells[r->table][r->cells.value[KEYED_KEY]], &r->cells);
}

static void check_tables(model *m)
{
    static keyed_cells cells[KEYED_TABLES][KEYED_KEYS];
    memset(cells, 0, sizeof cells);
    if (m->ordered && !m->strict) {
        for (int i = 0; i < m->store.log_count; i++)
            come(m, m->store.log[i], cells);
    } else {
        for (int n = 0; n < m->rows_count; n++)
            if (is_in(m, n))
                come(m, n, cells);
    }
    for (int i = 0; i < KEYED_TABLES * KEYED_KEYS; i++) {
        const keyed_cells *has = &m->store.cells[i / KEYED_KEYS][i % KEYED_KEYS];
        const keyed_cells *wants = &cells[i / KEYED_KEYS][i % KEYED_KEYS];
        if (has->there != wants->there || memcmp(has->null, wants->null, sizeof has->null) != 0 ||
            memcmp(has->value, wants->value, sizeof has->value) != 0)
            flaw(m, "a key has another row than its rows make", i);
    }
}

/* ---- playing ---- */

static void open_model(model *m)
{
    wb_schema *schema = keyed_schema();
    plan(m);
    m->ordered = m->keyed && wb_upsert_ordered(&m->upsert, schema);
    if (!m->ordered)
        keep_nothing(m);
    assert_ok(m->keyed ? wb_upsert_check(&m->upsert, schema, NULL) : WB_OK);
    bool repeats = m->keyed && wb_upsert_repeats(&m->upsert, schema);
    m->store.ledger = !repeats || chance(m, 600);
    m->store.upsert = m->keyed ? &m->upsert : NULL;
    open_keyed_box(&m->backlog, schema, m->store.upsert,
                   m->store.ledger ? WB_DEDUPE_LEDGER : WB_DEDUPE_NONE, NULL);
    seed_box(&m->backlog, m->random);
    memset(m->newest, -1, sizeof m->newest);
    m->backlog.outbox.keep_dead = true;
    m->options = m->backlog.outbox.options;
    m->options.retry.attempts = m->attempts;
    configure(m);
}

static void tell_plan(const model *m)
{
    if (m->told)
        printf("%s%s%s%s, %d tables, %d keys\n", m->keyed ? "upsert" : "insert",
               m->ordered ? ", ordered" : "", m->strict ? ", strict" : "",
               m->store.ledger ? ", ledger" : "", m->tables, m->keys);
}

static bool play(uint64_t seed, bool told)
{
    model *m = &the_model;
    memset(m, 0, sizeof *m);
    m->random = seed;
    m->told = told;
    open_model(m);
    tell_plan(m);
    for (int i = 0; i < STEPS && m->failed[0] == '\0'; i++) {
        step(m);
        count_rows(m);
        check_due(m);
    }
    if (m->failed[0] == '\0')
        drain(m);
    if (m->told && m->failed[0] != '\0')
        each_batch(&m->backlog, tell_batch, m);
    check_fates(m);
    if (m->keyed && m->failed[0] == '\0')
        check_tables(m);
    keyed_store_fini(&m->store);
    if (m->failed[0] != '\0') {
        printf("seed %" PRIu64 ": %s; play it again: keyed_model_test 1 %" PRIu64 "\n", seed,
               m->failed, seed);
        return false;
    }
    shut_box(&m->backlog);
    return true;
}

static int play_seeds(uint64_t count, uint64_t first)
{
    return seeds_each(count, first, play);
}

int main(int count, char **words)
{
    return seeds_main(count, words, "keyed_model", SEEDS, play_seeds);
}
