/* SPDX-License-Identifier: MIT
 * A model of rows that become one while they wait, in virtual time: the real outbox before a store of the test's own, which
 * is down, refuses rows, loses replies, takes some rows and not others. Each row adds 10^n to the sum of its key, n its
 * own number: so the digits of a sum say which rows it is made of, and how often each is in it. Whatever comes:
 *   - each accepted row is in one place: it waits, is stored, is dead, or was dropped, as the outbox counts;
 *   - a row's tally is how many adds its sum is made of, its first and last are the first and the last of them;
 *   - of the rows that wait, are not in doubt and in no trial, each key of a table is one;
 *   - what waits has the weight that is counted; limits hold; what is taken has no gaps;
 *   - once a flush's ticket is settled, all that was accepted before it is;
 *   - once the store is well all is settled within some steps.
 * In some games a script says where rows go, batches are written together, memory ends now and then, or the order of rows
 * does not matter.
 * `coalesce_model_test N FIRST` plays N seeds from FIRST on; one alone is told. */
#include <inttypes.h>
#include <stdio.h>

#include "engine/outbox/trial.h"
#include "rows/value_text.h"
#include "support/outbox_fixture.h"
#include "support/seeds.h"

enum {
    SEEDS = 300,
    STEPS = 300,
    DIGITS = 320,
    KEYS = 12,
    TABLES = 3,
    FLIGHTS = 2,
    DRAIN_STEPS = 3000
};
enum { KEY, FIRST, SUM, LAST, NOTE, COLUMNS };

static const char *const the_tables[TABLES] = {NULL, "a", "b"};
static const int32_t the_key[] = {KEY};
static const int32_t the_words[COLUMNS] = {WB_MERGE_KEEP, WB_MERGE_FIRST, WB_MERGE_SUM,
                                           WB_MERGE_LAST, WB_MERGE_LAST};
static const wb_upsert the_rules = {
    .key = the_key, .key_count = 1, .newest = -1, .merge = the_words};
/* The same of numbers that grow, but for the order. */
static const int32_t other_words[COLUMNS] = {WB_MERGE_KEEP, WB_MERGE_MIN, WB_MERGE_SUM,
                                             WB_MERGE_MAX, WB_MERGE_MAX};
static const wb_upsert other_rules = {
    .key = the_key, .key_count = 1, .newest = -1, .merge = other_words};

enum fate { REFUSED, PENDING, STORED, DEAD, DROPPED };

typedef struct model {
    struct backlog backlog;
    uint64_t random;
    bool told, well, orderly, unordered, scripted;
    int keys, tables;
    int down, bad, lost, scarce;
    bool plenty;     /* memory never was scarce: without it a batch goes out as large as it is */
    uint64_t merged; /* rows of a write; 0: a batch each */
    int count;
    struct {
        int fate, times, table, key;
        bool bad, doubted;
    } rows[DIGITS];
    wb_batch *flight[FLIGHTS];
    uint64_t ticket;
    int ticket_rows; /* those before it; 0: there is none */
    uint64_t weight, live, adds;
    int seen[TABLES + 1][KEYS]; /* rows that wait of a key, which are to be one */
    char failed[400];
} model;

static model the_model;
static wb_batcher_options the_changes;

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

/* Memory ends within the next call, perhaps. */
static void make_scarce(model *m)
{
    wb_alloc_fail_after(chance(m, m->scarce) ? 1 + below(m, 12) : 0);
}

/* ---- what a row is made of ---- */

typedef struct makings {
    int digits[DIGITS];
    int count, first, last;
    wb_value values[COLUMNS];
} makings;

static void read_row(model *m, const wb_batch *batch, size_t row, makings *made)
{
    wb_buffer text = WB_BUFFER_EMPTY;
    size_t bytes;
    wb_row_values(batch->schema, wb_batch_tuple(batch, row, &bytes), made->values);
    wb_put_value(&text, wb_schema_column(batch->schema, SUM), &made->values[SUM]);
    made->count = 0;
    made->first = made->last = -1;
    for (size_t n = 0; n < DIGITS; n++) {
        made->digits[n] = n < text.bytes ? text.data[text.bytes - 1 - n] - '0' : 0;
        made->count += made->digits[n];
        if (made->digits[n] > 0)
            made->last = (int)n;
        if (made->digits[n] > 0 && made->first < 0)
            made->first = (int)n;
    }
    wb_buffer_fini(&text);
    uint64_t adds = wb_batch_adds_of(batch, row - batch->first);
    if ((uint64_t)made->count != adds)
        flaw(m, "a row stands for other adds than it is made of", made->count);
    if (m->orderly && (made->values[FIRST].i != made->first || made->values[LAST].i != made->last))
        flaw(m, "a row is merged out of order", made->first);
}

/* Sets what became of all that the rows are made of, those that are left. */
static void settle_rows(model *m, const wb_batch *batch, size_t from, size_t to, int fate)
{
    static makings made;
    for (size_t i = from; i < to; i++) {
        read_row(m, batch, batch->first + i, &made);
        for (int n = 0; n < DIGITS; n++) {
            if (made.digits[n] == 0)
                continue;
            if (made.digits[n] > 1 || m->rows[n].fate != PENDING)
                flaw(m, "a row is settled twice", n);
            m->rows[n].fate = fate;
        }
    }
}

/* ---- what waits ---- */

static int table_of(model *m, const wb_batch *batch)
{
    const wb_shared_text *name = wb_outbox_table_of(&m->backlog.outbox, batch->route);
    int table = 0;
    for (int i = 1; name != NULL && i < TABLES; i++)
        table = strcmp(name->text, the_tables[i]) == 0 ? i : table;
    return table;
}

static void look_at_row(model *m, const wb_batch *batch, size_t row)
{
    static makings made;
    read_row(m, batch, row, &made);
    for (int n = 0; n < DIGITS; n++) {
        if (made.digits[n] == 0)
            continue;
        m->rows[n].times += made.digits[n];
        if (m->rows[n].fate != PENDING)
            flaw(m, "a row is there that is not pending", n);
        if (!m->scripted && m->rows[n].table != table_of(m, batch))
            flaw(m, "a row is on its way to another table", n);
    }
    bool alone = batch->state == WB_BATCH_TAKEN || batch->in_doubt || batch->trial != NULL;
    if (alone || made.values[KEY].kind == WB_NULL || batch->joins)
        return;
    bool unrouted = m->scripted && (batch == m->backlog.outbox.open ||
                                    (batch->state == WB_BATCH_SEALED && !batch->routed));
    int table = unrouted ? TABLES : table_of(m, batch);
    if (batch->tallies.of[row].hash == 0)
        return; /* it stays as it is */
    if (++m->seen[table][made.values[KEY].i] > 1 && batch->standing == WB_UNTRIED)
        flaw(m, "two rows of a key wait", made.values[KEY].i);
}

static void look_at_batch(void *context, const wb_batch *batch)
{
    model *m = context;
    if (batch->state == WB_BATCH_TAKEN && wb_batch_is_scattered(batch))
        flaw(m, "what is taken is scattered", (int64_t)batch->tallies.gaps);
    if (m->plenty && batch->state == WB_BATCH_TAKEN && wb_batch_left(batch) > 1 &&
        !batch->in_doubt && batch->bytes - wb_batch_begin(batch) > the_changes.batch_bytes)
        flaw(m, "a write is too large", (int64_t)batch->bytes);
    m->weight += wb_batch_weight(batch);
    m->live += wb_batch_live(batch);
    m->adds += wb_batch_adds(batch);
    if (batch->state == WB_BATCH_SEALED && batch->known > 0 &&
        (batch->in_doubt || batch->trial != NULL))
        flaw(m, "rows that have to stay apart can be found", (int64_t)batch->known);
    if (batch->state == WB_BATCH_SEALED && wb_batch_live(batch) == 0)
        flaw(m, "a batch of nothing waits", 0);
    for (size_t row = batch->first; row < batch->count; row++)
        if (batch->tallies.of[row].adds > 0)
            look_at_row(m, batch, row);
}

static void check_lanes(model *m)
{
    wb_lanes *lanes = &m->backlog.outbox.lanes;
    uint64_t rows = 0, bytes = 0;
    for (uint32_t route = 0; route <= m->backlog.outbox.routes.count; route++) {
        const wb_lane *lane = wb_lane_of(lanes, route);
        size_t left = lane->open != NULL ? wb_batch_left(lane->open) : 0;
        rows += left;
        bytes += left > 0 ? lane->open->bytes - wb_batch_begin(lane->open) : 0;
        if ((left > 0) != (lane->place > 0) || (left > 0 && wb_batch_live(lane->open) == 0))
            flaw(m, "a lane is where it does not belong", route);
    }
    if (rows != lanes->rows || bytes != lanes->bytes)
        flaw(m, "the lanes' rows are counted wrong", (int64_t)rows);
}

static void check_all(model *m)
{
    wb_batch *dead;
    while ((dead = wb_outbox_next_dead(&m->backlog.outbox)) != NULL) {
        settle_rows(m, dead, 0, wb_batch_left(dead), DEAD);
        wb_batch_free(dead);
    }
    memset(m->seen, 0, sizeof m->seen);
    m->weight = m->live = m->adds = 0;
    for (int n = 0; n < m->count; n++)
        m->rows[n].times = 0;
    each_batch(&m->backlog, look_at_batch, m);
    check_lanes(m);
    wb_stats stats = stats_of(&m->backlog);
    uint64_t dropped = 0;
    for (int n = 0; n < m->count; n++) {
        if (m->rows[n].fate != PENDING)
            continue;
        if (m->rows[n].times == 0) {
            m->rows[n].fate = DROPPED;
            dropped++;
        } else if (m->rows[n].times > 1) {
            flaw(m, "a row is in two places", n);
        }
    }
    uint64_t fates[5] = {0};
    for (int n = 0; n < m->count; n++)
        fates[m->rows[n].fate]++;
    if (stats.pending != m->adds || stats.pending != fates[PENDING] ||
        stats.stored != fates[STORED] || stats.dead + stats.dropped != fates[DEAD] + fates[DROPPED])
        flaw(m, "rows are counted wrong", (int64_t)stats.pending);
    if (stats.pending_rows != m->live)
        flaw(m, "pending_rows is wrong", (int64_t)stats.pending_rows - (int64_t)m->live);
    if (stats.pending_bytes != m->weight)
        flaw(m, "pending_bytes is wrong", (int64_t)stats.pending_bytes - (int64_t)m->weight);
    if (stats.pending_rows > m->backlog.outbox.max_rows)
        flaw(m, "more rows than the limit", (int64_t)stats.pending_rows);
    if (m->ticket_rows > 0 && wb_backlog_settled(&m->backlog.outbox.backlog, m->ticket)) {
        for (int n = 0; n < m->ticket_rows; n++)
            if (m->rows[n].fate == PENDING)
                flaw(m, "a flush ended before a row was settled", n);
        m->ticket_rows = 0;
    }
}

/* ---- steps ---- */

static void add(model *m)
{
    char digits[DIGITS + 2], note[64];
    if (m->count == DIGITS)
        return;
    int n = m->count++, table = (int)below(m, (uint64_t)m->tables);
    int key = (int)below(m, (uint64_t)m->keys);
    bool null = chance(m, 30);
    if (m->scripted)
        table = null ? 0 : key % m->tables;
    memset(digits, '0', sizeof digits);
    digits[0] = '1';
    digits[n + 1] = '\0';
    memset(note, 'x', sizeof note);
    note[below(m, sizeof note)] = '\0';
    note[sizeof note - 1] = '\0';
    wb_value values[COLUMNS] = {null ? (wb_value){.kind = WB_NULL} : int_value(key), int_value(n),
                                text_value(digits), int_value(n), text_value(note)};
    wb_choice choice = {.table = m->scripted ? NULL : the_tables[table],
                        .overflow = m->backlog.outbox.overflow};
    wb_stats before = stats_of(&m->backlog);
    wb_err err = {0};
    make_scarce(m);
    int code = wb_outbox_put(&m->backlog.outbox, values, COLUMNS, &choice, NULL, &err);
    wb_alloc_fail_after(0);
    wb_stats after = stats_of(&m->backlog);
    bool taken = after.accepted > before.accepted;
    if (code != WB_OK && code != WB_FULL && (code != WB_MEMORY || m->scarce == 0))
        flaw(m, err.text, n);
    if (after.pending_bytes > before.pending_bytes &&
        after.pending_bytes > m->backlog.outbox.max_bytes)
        flaw(m, "more bytes than the limit", (int64_t)after.pending_bytes);
    m->rows[n].fate = taken ? PENDING : REFUSED;
    m->rows[n].table = table;
    m->rows[n].key = key;
    m->rows[n].bad = chance(m, m->bad);
}

static bool is_bad(model *m, const wb_batch *batch, size_t index)
{
    static makings made;
    read_row(m, batch, batch->first + index, &made);
    for (int n = 0; n < DIGITS; n++)
        if (made.digits[n] > 0 && m->rows[n].bad)
            return true;
    return false;
}

static void answer(model *m, wb_batch *batch, size_t stored, wb_err *err)
{
    wb_ending ending = {.err = err->code != WB_OK ? err : NULL, .stored = stored};
    settle_rows(m, batch, 0, err->code != WB_OK ? stored : wb_batch_left(batch), STORED);
    if (m->told)
        printf("  %s, %zu stored\n", err->code != WB_OK ? err->text : "ok", stored);
    make_scarce(m);
    wb_outbox_complete(&m->backlog.outbox, batch, &ending);
    wb_alloc_fail_after(0);
}

static void judge(model *m, wb_batch *batch)
{
    static wb_verdict verdicts[DIGITS];
    wb_err err;
    wb_fail_store(&err, WB_RETRY, "some");
    for (size_t i = 0; i < wb_batch_left(batch); i++) {
        verdicts[i].fate = is_bad(m, batch, i) ? WB_FATE_REJECT
                           : chance(m, 300)    ? WB_FATE_RETRY
                                               : WB_FATE_STORED;
        if (verdicts[i].fate == WB_FATE_STORED)
            settle_rows(m, batch, i, i + 1, STORED);
    }
    wb_ending ending = {.err = &err, .verdicts = verdicts};
    make_scarce(m);
    wb_outbox_complete(&m->backlog.outbox, batch, &ending);
    wb_alloc_fail_after(0);
}

static void write_batch(model *m, wb_batch *batch)
{
    wb_err err = {0};
    size_t left = wb_batch_left(batch), bad = 0;
    while (bad < left && !is_bad(m, batch, bad))
        bad++;
    if (left == 0)
        flaw(m, "a write of nothing", 0);
    if (!m->well && chance(m, m->lost)) {
        wb_fail_store(&err, WB_RETRY, "lost");
        err.in_doubt = true; /* it is not in, as it shows: it is not counted as stored */
        answer(m, batch, 0, &err);
    } else if (!m->well && chance(m, m->down)) {
        wb_fail_store(&err, chance(m, 500) ? WB_RETRY : WB_HOLD, "down");
        err.timed_out = err.error_class == WB_RETRY && chance(m, 300);
        answer(m, batch, chance(m, 200) && !batch->in_doubt ? below(m, left) : 0, &err);
    } else if (!m->well && !batch->in_doubt && chance(m, 100)) {
        judge(m, batch);
    } else if (bad < left) {
        wb_fail_store(&err, WB_REJECT, "bad");
        err.row = chance(m, 700) ? (uint32_t)bad + 1 : 0;
        answer(m, batch, 0, &err);
    } else {
        answer(m, batch, left, &err);
    }
}

static void take(model *m)
{
    int place = (int)below(m, FLIGHTS);
    if (m->flight[place] == NULL) {
        make_scarce(m);
        m->flight[place] = wb_outbox_take(&m->backlog.outbox);
        wb_alloc_fail_after(0);
        if (m->told && m->flight[place] != NULL)
            printf("  %zu rows of table %d\n", wb_batch_left(m->flight[place]),
                   table_of(m, m->flight[place]));
    }
}

static void complete(model *m)
{
    int place = (int)below(m, FLIGHTS);
    wb_batch *batch = m->flight[place];
    m->flight[place] = NULL;
    if (batch != NULL)
        write_batch(m, batch);
}

static void flush(model *m)
{
    m->ticket = wb_backlog_seal(&m->backlog.outbox.backlog, WB_REASON_FLUSH);
    m->ticket_rows = m->count;
}

static void step(model *m)
{
    uint64_t dice = below(m, 100);
    if (dice < 55)
        add(m);
    else if (dice < 72)
        take(m);
    else if (dice < 88)
        complete(m);
    else if (dice < 97)
        wb_clock_advance(m->backlog.clock, (int64_t)below(m, (uint64_t)SECOND));
    else if (dice < 99)
        flush(m);
    else if (chance(m, 100))
        wb_outbox_purge(&m->backlog.outbox);
}

static void drain(model *m)
{
    m->well = true;
    m->scarce = 0;
    for (int i = 0; i < DRAIN_STEPS && stats_of(&m->backlog).pending > 0; i++) {
        if (i % 40 == 0)
            flush(m);
        take(m);
        complete(m);
        wb_clock_advance(m->backlog.clock, (int64_t)below(m, (uint64_t)SECOND));
        check_all(m);
    }
    for (int i = 0; i < FLIGHTS; i++)
        if (m->flight[i] != NULL)
            write_batch(m, m->flight[i]);
    check_all(m);
    if (stats_of(&m->backlog).pending > 0 && m->bad == 0)
        flaw(m, "the store is well, and rows wait", (int64_t)stats_of(&m->backlog).pending);
}

/* ---- a script that says where rows go, by their keys ---- */

static int script_open(wb_script *base, wb_err *err)
{
    (void)err;
    base->route = true;
    return WB_OK;
}

static int script_route(wb_script *base, const wb_batch *batch, size_t index, const char **table,
                        wb_err *err)
{
    wb_value values[COLUMNS];
    (void)base, (void)err;
    wb_batch_values(batch, index, values);
    if (values[KEY].kind != WB_NULL)
        *table = the_tables[values[KEY].i % the_model.tables];
    return WB_OK;
}

static void script_end(wb_script *base)
{
    (void)base;
}

static wb_script *policy_script(wb_policy *base, const wb_target *target)
{
    static const wb_script_class class = {
        .open = script_open, .route = script_route, .end = script_end};
    static wb_script script;
    (void)base, (void)target;
    script = (wb_script){.class = &class};
    return &script;
}

static void policy_keep(wb_policy *base)
{
    (void)base;
}

static wb_policy *the_policy(void)
{
    static const wb_policy_class class = {policy_script, policy_keep, policy_keep};
    static wb_policy policy = {.class = &class};
    return &policy;
}

/* ---- a seed ---- */

static wb_schema *schema_of_sums(void)
{
    const wb_column columns[COLUMNS] = {
        {.name = "key", .type = WB_TYPE_INT4, .null = true},
        {.name = "first", .type = WB_TYPE_INT8},
        {.name = "sum", .type = WB_TYPE_NUMERIC},
        {.name = "last", .type = WB_TYPE_INT8},
        {.name = "note", .type = WB_TYPE_TEXT},
    };
    wb_schema *schema = NULL;
    assert_ok(wb_schema_new(columns, COLUMNS, &schema, NULL));
    return schema;
}

static void change(wb_batcher_options *options)
{
    options->coalesce = the_model.unordered ? &other_rules : &the_rules;
    options->policy = the_model.scripted ? the_policy() : NULL;
    options->batch_size = the_changes.batch_size;
    options->batch_bytes = the_changes.batch_bytes;
    options->flush_at = the_changes.flush_at;
    options->interval_us = the_changes.interval_us;
    options->max_pending_rows = the_changes.max_pending_rows;
    options->max_pending_bytes = the_changes.max_pending_bytes;
    options->overflow = the_changes.overflow;
    options->retry.attempts = the_changes.retry.attempts;
}

static void plan(model *m)
{
    static const int shares[] = {0, 0, 100, 500, 950};
    m->keys = 1 + (int)below(m, KEYS);
    m->tables = 1 + (int)below(m, TABLES);
    m->down = shares[below(m, 5)];
    m->lost = shares[below(m, 4)] / 2;
    m->bad = chance(m, 300) ? 20 : 0;
    m->unordered = chance(m, 300);
    m->scripted = chance(m, 300);
    m->merged = chance(m, 400) ? 1 + below(m, 60) : 0;
    m->scarce = chance(m, 300) ? 100 : 0;
    m->plenty = m->scarce == 0;
    m->orderly = m->unordered || (m->lost == 0 && m->bad == 0);
    the_changes.batch_size = 1 + below(m, 20);
    the_changes.batch_bytes = chance(m, 300) ? 200 + below(m, 1000) : 1 << 20;
    the_changes.flush_at = 1 + below(m, the_changes.batch_size);
    the_changes.interval_us = (int64_t)below(m, 5) * SECOND + 1;
    the_changes.max_pending_rows = chance(m, 300) ? the_changes.batch_size + below(m, 10) : 1000;
    the_changes.max_pending_bytes = chance(m, 200) ? 2000 + below(m, 10000) : 1 << 24;
    the_changes.overflow = chance(m, 500) ? WB_OVERFLOW_DROP_OLDEST : WB_OVERFLOW_REJECT;
    the_changes.retry.attempts = chance(m, 100) ? 3 : 0;
}

static bool play(uint64_t seed, bool told)
{
    model *m = &the_model;
    memset(m, 0, sizeof *m);
    m->random = seed;
    m->told = told;
    plan(m);
    open_keyed_box(&m->backlog, schema_of_sums(), NULL, WB_DEDUPE_NONE, change);
    seed_box(&m->backlog, seed);
    merge_up_to(&m->backlog, m->merged);
    m->backlog.outbox.few_gaps = below(m, 5);
    m->backlog.outbox.keep_dead = true;
    for (int i = 0; i < STEPS && m->failed[0] == '\0'; i++) {
        step(m);
        check_all(m);
    }
    if (m->failed[0] == '\0')
        drain(m);
    if (m->failed[0] != '\0') {
        printf("seed %" PRIu64 ": %s; play it again: coalesce_model_test 1 %" PRIu64 "\n", seed,
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
    return seeds_main(count, words, "coalesce_model", SEEDS, play_seeds);
}
