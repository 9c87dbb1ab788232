/* SPDX-License-Identifier: MIT
 * See spool_game.h. */
#include "support/spool_game.h"

#include <stdio.h>
#include <stdlib.h>

#include "engine/pipeline.h"
#include "rows/row.h"
#include "spool/disk.h"

enum { N, SUM, NOTE, ID };
enum { SECOND = 1000000, DRAIN_STEPS = 4000, DRAIN_LOOKS = 20 };

static const char *const the_tables[GAME_TABLES] = {NULL, "a", "b"};
static const int32_t the_key[] = {N};
static const int32_t the_words[] = {WB_MERGE_KEEP, WB_MERGE_SUM, WB_MERGE_LAST};
static const wb_upsert the_rules = {
    .key = the_key, .key_count = 1, .newest = -1, .merge = the_words};

uint64_t game_below(game *g, uint64_t n)
{
    return random_below(&g->random, n);
}

bool game_chance(game *g, int of_hundred)
{
    return (int)game_below(g, 100) < of_hundred;
}

void game_flaw(game *g, const char *what, int64_t n)
{
    if (g->failed[0] == '\0')
        snprintf(g->failed, sizeof g->failed, "%s (%lld)", what, (long long)n);
}

/* ---- a game ---- */

void game_init(game *g, uint64_t seed)
{
    memset(g, 0, sizeof *g);
    g->random = seed;
    root_make(g->root);
    assert_ok(wb_clock_new(1000 * (int64_t)SECOND, &g->clock, NULL));
}

void game_fini(game *g)
{
    wb_clock_unref(g->clock);
    wb_schema_unref(g->schema);
    root_remove(g->root);
}

static wb_schema *schema_of(const game *g)
{
    const wb_column columns[] = {
        {.name = "n", .type = WB_TYPE_INT8},
        {.name = "sum", .type = WB_TYPE_INT8},
        {.name = "note", .type = WB_TYPE_TEXT},
        {.name = "id", .type = WB_TYPE_UUID, .generate = WB_UUIDV4},
    };
    wb_schema *schema = NULL;
    assert_ok(wb_schema_new(columns, g->coalesces ? 3 : 4, &schema, NULL));
    return schema;
}

void game_begin(game *g)
{
    g->schema = schema_of(g);
}

static uint64_t the_draws;

static void draw_bytes(void *context, void *bytes, size_t count)
{
    (void)context;
    for (size_t i = 0; i < count; i++)
        ((uint8_t *)bytes)[i] = (uint8_t)random_below(&the_draws, 256);
}

static void set_up(game *g)
{
    g->outbox = (wb_outbox *)wb_batcher_pipeline(g->batcher)->backlog;
    the_draws = next_random(&g->random);
    g->outbox->backlog.env.random = draw_bytes;
    g->outbox->park_from = g->outbox->spool->options.memory_bytes = g->memory_bytes;
    g->outbox->ledger = g->ledger; /* refused from who delivers by hand */
    g->outbox->merge_rows = g->merge_rows;
    g->outbox->most_write_rows = g->merge_rows > 0 ? g->merge_rows : g->batch_size;
    g->outbox->write_rows = g->outbox->most_write_rows;
    if (g->machine) /* the folder may be in memory, which is refused from who asks for it */
        g->outbox->spool->options.durability = WB_DURABLE_MACHINE;
    game_look(g);
}

int game_open(game *g, wb_err *err)
{
    wb_batcher_options options;
    wb_batcher_options_init(&options);
    options.schema = g->schema;
    options.table = "t";
    options.clock = g->clock;
    options.log_events = true;
    options.batch_size = g->batch_size;
    options.coalesce = g->coalesces ? &the_rules : NULL;
    options.spool_path = g->root;
    options.spool_on_error = g->rejects ? WB_SPOOL_REJECT : WB_SPOOL_MEMORY;
    int code = wb_batcher_new(&options, &g->batcher, err);
    if (code == WB_OK)
        set_up(g);
    return code;
}

void game_leave(game *g)
{
    const wb_outcome down = {.code = WB_STORE, .error_class = WB_RETRY};
    for (int i = 0; i < GAME_FLIGHTS; i++)
        if (g->flight[i] != NULL)
            wb_batcher_complete(g->batcher, g->flight[i], &down);
    memset(g->flight, 0, sizeof g->flight);
    assert_ok(wb_batcher_purge(g->batcher, NULL, NULL)); /* nothing is said of them */
    g->outbox->backlog.metrics.pending = 0;
    g->outbox->backlog.metrics.accepted = g->outbox->backlog.metrics.stored +
                                          g->outbox->backlog.metrics.dead +
                                          g->outbox->backlog.metrics.dropped;
    wb_pipeline_detach(wb_batcher_pipeline(g->batcher));
    g->batcher = NULL;
}

/* ---- adds ---- */

static int next_n(game *g)
{
    if (!g->coalesces)
        return g->count < GAME_ROWS ? g->count : -1;
    int key = (int)game_below(g, GAME_ROWS / GAME_DIGITS);
    return g->digits[key] < GAME_DIGITS ? key * GAME_DIGITS + g->digits[key]++ : -1;
}

static int table_of(const game *g, int n)
{
    int of = g->coalesces ? n / GAME_DIGITS : n;
    return g->routes ? of % GAME_TABLES : 0;
}

int game_add(game *g, wb_err *err)
{
    int n = next_n(g);
    if (n < 0)
        return WB_FULL;
    static char note[1 << 16];
    size_t bytes = game_below(g, g->most_note);
    memset(note, 'x', bytes);
    note[bytes] = '\0';
    wb_value values[3] = {int_value(g->coalesces ? n / GAME_DIGITS : n),
                          int_value(g->coalesces ? INT64_C(1) << 4 * (n % GAME_DIGITS) : 0),
                          text_value(note)};
    const wb_choice choice = {.table = the_tables[table_of(g, n)]};
    g->count++;
    g->rows[n].tried = true;
    int code = wb_batcher_add_as(g->batcher, values, 3, &choice, NULL, err);
    g->rows[n].accepted = code == WB_OK;
    if (g->told)
        printf("add %d: %d, %zu bytes\n", n, code, bytes);
    return code;
}

void game_each_add(game *g, const uint8_t *tuple, void (*visit)(game *g, int n))
{
    int n = (int)wb_row_value(g->schema, tuple, N).i;
    int64_t sum = wb_row_value(g->schema, tuple, SUM).i;
    if (n < 0 || n >= (g->coalesces ? GAME_ROWS / GAME_DIGITS : GAME_ROWS))
        game_flaw(g, "a row that nobody added", n);
    else if (!g->coalesces)
        visit(g, n);
    else
        for (int j = 0; j < GAME_DIGITS; j++)
            for (int times = (int)(sum >> 4 * j & 15); times > 0; times--)
                visit(g, n * GAME_DIGITS + j);
}

/* ---- the store ---- */

static bool has_write(const game *g, const uint8_t id[16])
{
    for (size_t i = g->write_count; i > 0; i--)
        if (memcmp(g->writes[i - 1], id, 16) == 0)
            return true;
    return false;
}

static const char *the_table_now;

static void store_add(game *g, int n)
{
    const char *wanted = the_tables[table_of(g, n)];
    if (strcmp(the_table_now, wanted != NULL ? wanted : "t") != 0)
        game_flaw(g, "a row of another table", n);
    if (!g->rows[n].tried)
        game_flaw(g, "a row that nobody added", n);
    if (g->told)
        printf("  stored %d, which was %d times\n", n, g->rows[n].times);
    g->rows[n].times++;
}

static void store_row(game *g, const wb_batch *batch, size_t index)
{
    size_t bytes;
    const uint8_t *tuple = wb_batch_tuple(batch, batch->first + index, &bytes);
    int n = (int)wb_row_value(g->schema, tuple, N).i;
    if (!g->coalesces && n >= 0 && n < GAME_ROWS) {
        struct game_row *row = &g->rows[n];
        const void *id = wb_row_value(g->schema, tuple, ID).text;
        if (row->times > 0 && memcmp(row->id, id, 16) != 0)
            game_flaw(g, "a row has another id than before", n);
        memcpy(row->id, id, 16);
        if (row->times > 0 && !g->ledger && batch->in_doubt)
            return; /* its id is there */
    }
    game_each_add(g, tuple, store_add);
}

/* The leading rows, or all. */
static void commit(game *g, const wb_batch *batch, size_t rows)
{
    if (g->told)
        printf("write of %zu, of %zu, id %02x%02x.., in doubt %d\n", rows, wb_batch_left(batch),
               batch->id[14], batch->id[15], batch->in_doubt);
    if (g->ledger) {
        if (has_write(g, batch->id))
            return;
        assert_true(g->write_count < GAME_WRITES);
        memcpy(g->writes[g->write_count++], batch->id, 16);
    }
    the_table_now = batch->table != NULL ? batch->table->text : "t";
    for (size_t i = 0; i < rows; i++)
        store_row(g, batch, i);
}

static void answer(game *g, wb_batch *batch, const wb_outcome *outcome)
{
    wb_batcher_complete(g->batcher, batch, outcome);
}

static void write_batch(game *g, wb_batch *batch)
{
    size_t left = wb_batch_left(batch);
    wb_outcome outcome = {.code = WB_STORE, .error_class = WB_RETRY};
    uint64_t dice = g->well ? 0 : game_below(g, 100);
    if (dice < 50) {
        outcome.code = WB_OK;
    } else if (dice < 80) {
        outcome.in_doubt = true;
    } else if (dice < 90 && !g->ledger && !batch->in_doubt) {
        outcome.stored = game_below(g, left);
        commit(g, batch, outcome.stored);
    } else {
        outcome.timed_out = dice > 95;
    }
    if (outcome.code == WB_OK || (outcome.in_doubt && dice < 65))
        commit(g, batch, left);
    answer(g, batch, &outcome);
}

/* ---- a process ---- */

void game_look(game *g)
{
    wb_batcher_spooling_of(g->batcher)->keeper.look_us = INT64_MIN;
}

bool game_take(game *g)
{
    int place = (int)game_below(g, GAME_FLIGHTS);
    if (g->flight[place] == NULL)
        g->flight[place] = wb_batcher_take(g->batcher);
    return g->flight[place] != NULL;
}

void game_complete(game *g)
{
    int place = (int)game_below(g, GAME_FLIGHTS);
    wb_batch *batch = g->flight[place];
    g->flight[place] = NULL;
    if (batch != NULL)
        write_batch(g, batch);
}

int game_sync(game *g, wb_err *err)
{
    return wb_batcher_sync(g->batcher, wb_now_us(), err);
}

void game_commit_some(game *g)
{
    for (int i = 0; i < GAME_FLIGHTS; i++)
        if (g->flight[i] != NULL && game_chance(g, 50))
            commit(g, g->flight[i], wb_batch_left(g->flight[i]));
}

uint64_t game_pending(game *g)
{
    wb_stats stats;
    assert_ok(wb_pipeline_stats(wb_batcher_pipeline(g->batcher), &stats, NULL));
    if (stats.dead > 0)
        game_flaw(g, "rows are dead", (int64_t)stats.dead);
    return stats.pending;
}

void game_drain(game *g)
{
    g->well = true;
    for (int i = 0; i < DRAIN_STEPS && (i < DRAIN_LOOKS || game_pending(g) > 0); i++) {
        if (i < DRAIN_LOOKS)
            game_look(g);
        game_take(g);
        game_complete(g);
        if (i % 8 == 0)
            wb_pipeline_seal(wb_batcher_pipeline(g->batcher), WB_REASON_FLUSH);
        wb_clock_advance(g->clock, SECOND);
    }
    for (int i = 0; i < GAME_FLIGHTS; i++)
        if (g->flight[i] != NULL)
            write_batch(g, g->flight[i]);
    memset(g->flight, 0, sizeof g->flight);
    if (wb_batcher_take(g->batcher) != NULL || game_pending(g) > 0)
        game_flaw(g, "the store is well, and rows wait", (int64_t)game_pending(g));
    g->well = false;
}

void game_check(game *g)
{
    for (int n = 0; n < GAME_ROWS; n++) {
        if (g->rows[n].times > 1)
            game_flaw(g, "an add is in the store twice", n);
        if (g->rows[n].accepted && g->rows[n].times == 0)
            game_flaw(g, "an add is lost", n);
    }
}
