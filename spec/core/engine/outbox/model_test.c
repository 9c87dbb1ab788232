/* SPDX-License-Identifier: MIT
 * A model of what a store may do to an outbox, in virtual time. A seed gives a store with a nature: bad rows anywhere
 * and in any number, of an error that names the row, a wrong one or none, or that says nothing; groups that the table
 * bars for a while; a cost for each row and a limit of time; replies that are lost; outages in between; several tables,
 * of which some are missing or refuse everything for a while. Whatever comes:
 *   - every good row is stored once, and every bad one is dead;
 *   - no row is dead of anything but its own fault;
 *   - once the last cause has ended, all is settled within SETTLE_US;
 *   - there are at most WRITES_A_ROW writes for each row, and WRITES_A_SECOND more for each second in which any waits;
 *   - what is in doubt goes out again with the same id and the same rows;
 *   - a write has rows of one table, and no more than it may have, whoever routes them: add or a worker's policy;
 *   - once a flush's ticket is settled, so is each row that was added before it;
 *   - where nothing but a table fails, no row of another waits longer than its interval.
 *
 * `model_test N FIRST` plays N seeds from FIRST on (`make sim SEEDS=N FIRST=…`). The first that fails is played again and
 * told, write by write; so is one that is played alone. */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#include "engine/outbox/trial.h"
#include "support/seeds.h"
#include "support/outbox_fixture.h"

#define MILLISECOND INT64_C(1000)

enum {
    SEEDS = 300,
    MOST_ROWS = 1200,
    GROUPS = 4,
    TABLES = GROUPS,
    CAUSES = 6,
    FLIGHTS = 3,
    REFRESH_ROWS = 80
};

#define SETTLE_US (1800 * SECOND)

enum { WRITES_A_ROW = 6, WRITES_A_SECOND = 120 };

/* ---- a nature ---- */

enum naming { NAMED, MISNAMED, NAMELESS, SPEECHLESS, NAMINGS };

enum cause_kind {
    OUTAGE,
    HOLD_ALL,
    REFUSE_ALL,
    SPEECHLESS_ALL,
    BARRED_GROUP,
    SLOW,
    TABLE_DOWN,
    TABLE_REFUSES,
    CAUSE_KINDS
};

static const char *const the_tables[TABLES] = {"t", "a", "b", "c"};

struct cause {
    int kind;
    int64_t from_us, until_us;
    int group; /* or the table */
    bool began;
};

struct world {
    struct backlog backlog;
    uint64_t random;
    bool told;
    int rows; /* added so far */
    int planned;
    int tables;
    bool calm; /* nothing but one table fails */
    bool by_worker;
    uint64_t ticket;
    int ticket_rows;
    int naming;
    int group_known; /* the error says by which column groups are */
    int bad_share, bad_head, bad_tail, lost_share;
    int64_t cost_us, limit_us;
    struct cause causes[CAUSES];
    int cause_count;
    int64_t last_end_us;
    bool bad[MOST_ROWS], dead[MOST_ROWS];
    uint8_t group[MOST_ROWS], table[MOST_ROWS];
    int64_t added_us[MOST_ROWS];
    int stored[MOST_ROWS];
    uint8_t doubt[MOST_ROWS][16]; /* the id of the write whose reply was lost */
    bool doubted[MOST_ROWS];
    uint64_t writes;
    int64_t waited_us; /* with anything pending */
    char failed[200];
};

static uint64_t below(struct world *world, uint64_t n)
{
    return random_below(&world->random, n);
}

static bool chance(struct world *world, int of_thousand)
{
    return (int)below(world, 1000) < of_thousand;
}

static int one_of(struct world *world, const int *list, size_t count)
{
    return list[below(world, count)];
}

#define ONE_OF(world, ...)                                                                         \
    one_of(world, (const int[]){__VA_ARGS__}, sizeof((const int[]){__VA_ARGS__}) / sizeof(int))

static int64_t now_us(const struct world *world)
{
    return wb_clock_now_us(world->backlog.clock);
}

static void fail_world(struct world *world, const char *what, int64_t n)
{
    if (world->failed[0] == '\0')
        snprintf(world->failed, sizeof world->failed, "%s (%" PRId64 ")", what, n);
}

static void plan_causes(struct world *world)
{
    world->cause_count = (int)below(world, CAUSES + 1);
    for (int i = 0; i < world->cause_count; i++) {
        struct cause *cause = &world->causes[i];
        cause->kind = world->calm ? TABLE_DOWN : (int)below(world, CAUSE_KINDS);
        cause->group = world->calm ? 1 : (int)below(world, GROUPS);
        cause->from_us = 1000 * SECOND + (int64_t)below(world, 30 * SECOND);
        cause->until_us = cause->from_us + (int64_t)below(world, 60 * SECOND);
        if (cause->until_us > world->last_end_us)
            world->last_end_us = cause->until_us;
    }
}

static void plan(struct world *world)
{
    world->planned = ONE_OF(world, 1, 5, 40, 200, 600, MOST_ROWS - REFRESH_ROWS);
    world->naming = (int)below(world, NAMINGS);
    world->group_known = chance(world, 700);
    world->bad_share = ONE_OF(world, 0, 0, 3, 10, 100, 500, 900, 990);
    world->bad_head = ONE_OF(world, 0, 0, 0, 3, 60);
    world->bad_tail = ONE_OF(world, 0, 0, 0, 3, 60);
    world->lost_share = ONE_OF(world, 0, 0, 20, 200);
    world->cost_us = ONE_OF(world, 0, 0, 10, 1000, 50000);
    world->limit_us = 10 * SECOND;
    world->tables = ONE_OF(world, 1, 1, 2, TABLES);
    world->by_worker = chance(world, 300);
    world->calm = world->tables > 1 && chance(world, 300);
    if (world->calm)
        world->bad_share = world->bad_head = world->bad_tail = world->lost_share = 0;
    plan_causes(world);
}

static void change_options(wb_batcher_options *options, struct world *world)
{
    options->batch_size = (uint64_t)ONE_OF(world, 1, 3, 16, 100, 400);
    options->flush_at = 1;
    options->max_pending_rows = MOST_ROWS;
}

/* ---- the store ---- */

static bool is_on(const struct world *world, int kind, int group)
{
    for (int i = 0; i < world->cause_count; i++) {
        const struct cause *cause = &world->causes[i];
        if (cause->kind == kind && cause->began && cause->group == group)
            return true;
    }
    return false;
}

static bool is_any_on(const struct world *world, int kind)
{
    for (int group = 0; group < GROUPS; group++) {
        if (is_on(world, kind, group))
            return true;
    }
    return false;
}

/* A store that begins to refuse every row in the middle of a trial can't be told from bad rows: not before it ended. */
static bool may_begin(const struct world *world, const struct cause *cause)
{
    if (cause->kind != REFUSE_ALL && cause->kind != SPEECHLESS_ALL && cause->kind != TABLE_REFUSES)
        return true;
    for (const wb_trial *trial = world->backlog.outbox.trials; trial != NULL; trial = trial->next) {
        if (trial->divides)
            return false;
    }
    return true;
}

static void pass_time(struct world *world, int64_t us)
{
    if (stats_of(&world->backlog).pending > 0)
        world->waited_us += us;
    wb_clock_advance(world->backlog.clock, us);
    for (int i = 0; i < world->cause_count; i++) {
        struct cause *cause = &world->causes[i];
        if (!cause->began && cause->from_us <= now_us(world) && now_us(world) < cause->until_us)
            cause->began = may_begin(world, cause);
        if (cause->until_us <= now_us(world))
            cause->began = false;
    }
}

static void blame_row(struct world *world, const wb_batch *batch, size_t row, wb_err *err)
{
    if (world->naming == SPEECHLESS) {
        wb_fail_store(err, WB_HOLD, "code that nobody knows");
        err->unsure = true;
        return;
    }
    wb_fail_store(err, WB_REJECT, "bad row");
    if (world->naming == NAMED)
        err->row = (uint32_t)row + 1;
    else if (world->naming == MISNAMED)
        err->row = (uint32_t)below(world, wb_batch_rows(batch) + 2);
}

/* As COPY does, the first row that offends ends it. */
static bool blame(struct world *world, const wb_batch *batch, wb_err *err)
{
    for (size_t row = 0; row < wb_batch_rows(batch); row++) {
        int64_t n = n_at(batch, row);
        if (is_on(world, BARRED_GROUP, world->group[n])) {
            wb_fail_store(err, WB_HOLD, "no partition");
            err->some_rows = true;
            err->group_column = world->group_known ? 2 : 0;
            return true;
        }
        if (world->bad[n]) {
            blame_row(world, batch, row, err);
            return true;
        }
    }
    return false;
}

static int table_of(const wb_batch *batch)
{
    int table = 0;
    while (batch->table != NULL && strcmp(batch->table->text, the_tables[table]) != 0)
        table++;
    return table;
}

static bool fail_table(struct world *world, const wb_batch *batch, wb_err *err)
{
    int table = table_of(batch);
    if (is_on(world, TABLE_DOWN, table))
        wb_fail_store(err, WB_HOLD, "no such table");
    else if (is_on(world, TABLE_REFUSES, table))
        wb_fail_store(err, WB_REJECT, "the table refuses every row");
    else
        return false;
    return true;
}

static bool fail_whole(struct world *world, const wb_batch *batch, wb_err *err)
{
    if (is_any_on(world, OUTAGE)) {
        wb_fail_store(err, WB_RETRY, "down");
    } else if (is_any_on(world, HOLD_ALL)) {
        wb_fail_store(err, WB_HOLD, "no table");
    } else if (is_any_on(world, REFUSE_ALL)) {
        wb_fail_store(err, WB_REJECT, "every row is refused");
        err->row = world->naming == NAMED;
    } else if (is_any_on(world, SPEECHLESS_ALL)) {
        wb_fail_store(err, WB_HOLD, "nobody knows what");
        err->unsure = true;
    } else if (is_any_on(world, SLOW) &&
               world->cost_us * (int64_t)wb_batch_rows(batch) >= world->limit_us) {
        wb_fail_store(err, WB_RETRY, "time is up");
        err->timed_out = true;
    } else {
        return false;
    }
    return true;
}

static void keep_rows(struct world *world, const wb_batch *batch)
{
    for (size_t row = 0; row < wb_batch_rows(batch); row++) {
        int64_t n = n_at(batch, row);
        if (world->stored[n] > 0 && batch->in_doubt)
            continue; /* by its id the store knows it */
        if (world->stored[n]++ > 0)
            fail_world(world, "a row is stored twice", n);
        if (world->bad[n])
            fail_world(world, "a bad row is stored", n);
    }
}

static void check_table(struct world *world, const wb_batch *batch)
{
    size_t rows = wb_batch_rows(batch);
    if (rows > world->backlog.outbox.most_write_rows)
        fail_world(world, "a write has too many rows", (int64_t)rows);
    for (size_t row = 0; row < rows; row++) {
        if (world->table[n_at(batch, row)] != table_of(batch))
            fail_world(world, "a row goes to another table", n_at(batch, row));
    }
}

static void check_doubt(struct world *world, const wb_batch *batch)
{
    size_t rows = wb_batch_rows(batch), same = 0, doubted = 0;
    for (size_t row = 0; row < rows; row++) {
        int64_t n = n_at(batch, row);
        doubted += world->doubted[n];
        same += world->doubted[n] && memcmp(world->doubt[n], wb_batch_id(batch), 16) == 0;
    }
    if (doubted > 0 && (doubted != rows || same != rows))
        fail_world(world, "what is in doubt comes back as something else", first_n(batch));
}

static void note_doubt(struct world *world, const wb_batch *batch, bool doubted)
{
    for (size_t row = 0; row < wb_batch_rows(batch); row++) {
        int64_t n = n_at(batch, row);
        world->doubted[n] = doubted;
        memcpy(world->doubt[n], wb_batch_id(batch), 16);
    }
}

static void tell(const struct world *world, const wb_batch *batch, const wb_err *err)
{
    if (!world->told)
        return;
    printf("%9.3f %4zu rows from %4" PRId64 " to %4" PRId64 " standing %d attempt %u%s: %s%s\n",
           (double)(now_us(world) - 1000 * SECOND) / 1e6, wb_batch_rows(batch), first_n(batch),
           n_at(batch, wb_batch_rows(batch) - 1), batch->standing, batch->attempt,
           batch->in_doubt ? " in doubt" : "", err->code == WB_OK ? "stored" : err->text,
           err->in_doubt ? ", in doubt" : "");
}

static void tell_pending(const struct world *world)
{
    const wb_batch *batch = world->told ? world->backlog.outbox.sealed.first : NULL;
    for (; batch != NULL; batch = batch->next) {
        const wb_trial *trial = batch->trial;
        printf("pending: %zu rows from %" PRId64 ", standing %d, due %.3f%s", wb_batch_rows(batch),
               first_n(batch), batch->standing, (double)(batch->due_us - 1000 * SECOND) / 1e6,
               batch->in_doubt ? ", in doubt" : "");
        if (trial != NULL)
            printf("; trial of %zu: divides %d witnessed %d refused %" PRIu64 " holds %u",
                   trial->batches, trial->divides, trial->witnessed, trial->refused, trial->holds);
        printf("\n");
    }
}

static void write_one(struct world *world, wb_batch *batch)
{
    wb_err err = {.code = WB_OK};
    int64_t began_us = now_us(world);
    size_t rows = wb_batch_rows(batch);
    world->writes++;
    check_doubt(world, batch);
    check_table(world, batch);
    bool failed = fail_whole(world, batch, &err) || fail_table(world, batch, &err) ||
                  blame(world, batch, &err);
    bool outage = failed && err.error_class == WB_RETRY && !err.timed_out;
    bool lost = !failed && chance(world, world->lost_share);
    if (!failed && (!lost || chance(world, 500)))
        keep_rows(world, batch);
    if (lost) {
        wb_fail_store(&err, WB_RETRY, "the reply was lost");
        err.in_doubt = true;
    }
    if (lost || !outage)
        note_doubt(world, batch, lost);
    tell(world, batch, &err);
    int64_t slow_us = is_any_on(world, SLOW) ? world->cost_us * (int64_t)rows : 0;
    pass_time(world, MILLISECOND + (slow_us < world->limit_us ? slow_us : world->limit_us));
    wb_ending ending = {.err = err.code != WB_OK ? &err : NULL,
                        .elapsed_us = now_us(world) - began_us};
    wb_outbox_complete(&world->backlog.outbox, batch, &ending);
}

/* ---- playing ---- */

static void read_dead(struct world *world)
{
    wb_batch *batch;
    while ((batch = wb_outbox_next_dead(&world->backlog.outbox)) != NULL) {
        for (size_t row = 0; row < wb_batch_rows(batch); row++) {
            int64_t n = n_at(batch, row);
            if (!world->bad[n])
                fail_world(world, "a good row is dead", n);
            if (world->dead[n])
                fail_world(world, "a row is dead twice", n);
            world->dead[n] = true;
        }
        wb_batch_free(batch);
    }
}

static void add_row(struct world *world, bool bad)
{
    static const char *const names[GROUPS] = {"a", "b", "c", "d"};
    int n = world->rows;
    if (n == MOST_ROWS)
        return;
    world->bad[n] = bad;
    world->group[n] = (uint8_t)below(world, GROUPS);
    world->table[n] = (uint8_t)below(world, (uint64_t)world->tables);
    world->added_us[n] = now_us(world);
    wb_value values[2] = {int_value(n), text_value(names[world->group[n]])};
    wb_choice choice = {.overflow = WB_OVERFLOW_REJECT};
    if (!world->by_worker)
        choice.table = the_tables[world->table[n]];
    assert_ok(wb_outbox_put(&world->backlog.outbox, values, 2, &choice, NULL, NULL));
    world->rows++;
}

static void add_some(struct world *world)
{
    int most = world->planned - world->rows;
    int count = most > 0 ? (int)below(world, (uint64_t)most) + 1 : 0;
    for (int i = 0; i < count; i++) {
        int n = world->rows;
        bool edge = n < world->bad_head || n >= world->planned - world->bad_tail;
        add_row(world, edge || chance(world, world->bad_share));
    }
}

static void check_ticket(struct world *world)
{
    if (!wb_backlog_settled(&world->backlog.outbox.backlog, world->ticket))
        return;
    for (int n = 0; n < world->ticket_rows; n++) {
        if (world->stored[n] == 0 && !world->dead[n])
            fail_world(world, "a flush ended before a row of it", n);
    }
}

/* All that was due was taken. */
static void check_calm(struct world *world, int64_t began_us)
{
    int64_t interval_us = world->backlog.outbox.thresholds.interval_us;
    for (int n = 0; n < world->rows && world->calm; n++) {
        if (world->table[n] != 1 && world->stored[n] == 0 &&
            began_us - world->added_us[n] >= interval_us)
            fail_world(world, "a row waits for another table", n);
    }
}

/* Several writes at once, which end in any order. */
static void deliver_due(struct world *world)
{
    wb_batch *flight[FLIGHTS] = {NULL};
    size_t most = below(world, FLIGHTS) + 1;
    int64_t began_us = now_us(world);
    for (;;) {
        size_t taken = 0;
        while (taken < most && (flight[taken] = wb_outbox_take(&world->backlog.outbox)) != NULL)
            taken++;
        if (taken == 0) {
            check_calm(world, began_us);
            return;
        }
        for (; taken > 0; taken--) {
            size_t at = below(world, taken);
            wb_batch *batch = flight[at];
            flight[at] = flight[taken - 1];
            write_one(world, batch);
            read_dead(world);
            check_ticket(world);
        }
        if (world->failed[0] != '\0')
            return;
    }
}

static void flush(struct world *world)
{
    world->ticket = wb_backlog_seal(&world->backlog.outbox.backlog, WB_REASON_FLUSH);
    world->ticket_rows = world->rows;
}

static void step(struct world *world)
{
    switch (below(world, 6)) {
    case 0:
        add_some(world);
        break;
    case 1:
        if (chance(world, 200))
            flush(world);
        break;
    case 2:
        pass_time(world, (int64_t)below(world, 5 * SECOND));
        break;
    default:
        pass_time(world, (int64_t)below(world, 300 * MILLISECOND));
        deliver_due(world);
    }
}

/* All causes have ended. Good rows still come now and then: a store that takes nothing else can't be told from one
 * that takes nothing. */
static void settle(struct world *world)
{
    int64_t end_us = now_us(world) + SETTLE_US;
    wb_stats stats = stats_of(&world->backlog);
    for (int i = 0; stats.pending > 0 && now_us(world) < end_us && !world->failed[0]; i++) {
        if (i % 40 == 0 && i / 40 < REFRESH_ROWS)
            add_row(world, false);
        pass_time(world, SECOND / 2);
        deliver_due(world);
        stats = stats_of(&world->backlog);
    }
    tell_pending(world);
    if (stats.pending > 0)
        fail_world(world, "rows are not settled", (int64_t)stats.pending);
}

static double most_writes(const struct world *world)
{
    double seconds = 1 + (double)world->waited_us / (double)SECOND;
    return WRITES_A_ROW * world->rows + WRITES_A_SECOND * seconds;
}

static void check_writes(struct world *world)
{
    if ((double)world->writes > most_writes(world))
        fail_world(world, "too many writes", (int64_t)world->writes);
}

static void check_rows(struct world *world)
{
    for (int n = 0; n < world->rows && world->failed[0] == '\0'; n++) {
        if (world->bad[n] && !world->dead[n])
            fail_world(world, "a bad row is not dead", n);
        if (!world->bad[n] && world->stored[n] != 1)
            fail_world(world, "a good row is not stored once", n);
    }
}

/* ---- a worker's policy ---- */

static struct world the_world;

static int open_script(wb_script *script, wb_err *err)
{
    (void)err;
    script->route = true;
    return WB_OK;
}

/* A row may come while the policy is asked, and so may a flush. */
static int route_row(wb_script *script, const wb_batch *batch, size_t index, const char **table,
                     wb_err *err)
{
    struct world *world = &the_world;
    (void)script, (void)err;
    int at = world->table[n_at(batch, index)];
    *table = at > 0 ? the_tables[at] : NULL;
    if (world->rows < world->planned && chance(world, 10))
        add_row(world, false);
    if (chance(world, 5))
        flush(world);
    return WB_OK;
}

static void end_script(wb_script *script)
{
    (void)script;
}

static wb_script *make_script(wb_policy *policy, const wb_target *target)
{
    static const wb_script_class class = {
        .open = open_script, .route = route_row, .end = end_script};
    static wb_script script = {.class = &class};
    (void)policy, (void)target;
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

static void open_world(struct world *world)
{
    wb_batcher_options options;
    wb_batcher_options_init(&options);
    struct backlog *backlog = &world->backlog;
    open_box(backlog, NULL);
    change_options(&options, world);
    backlog->outbox.thresholds.batch_size = options.batch_size;
    backlog->outbox.thresholds.flush_rows = options.batch_size;
    backlog->outbox.max_rows = MOST_ROWS;
    backlog->outbox.keep_dead = true;
    seed_box(backlog, world->random);
    if (world->by_worker)
        let_worker_route(backlog);
    if (chance(world, 700))
        merge_up_to(backlog, options.batch_size * (1 + below(world, 16)));
}

static bool play(uint64_t seed, bool told, struct world *world)
{
    memset(world, 0, sizeof *world);
    world->random = seed;
    world->told = told;
    plan(world);
    open_world(world);
    for (int i = 0; i < 60 && world->failed[0] == '\0'; i++)
        step(world);
    while (world->rows < world->planned)
        add_some(world);
    while (now_us(world) < world->last_end_us && world->failed[0] == '\0') {
        pass_time(world, 2 * SECOND);
        deliver_due(world);
    }
    settle(world);
    check_rows(world);
    check_writes(world);
    return world->failed[0] == '\0';
}

static int play_seeds(uint64_t count, uint64_t first)
{
    int failures = 0;
    double most = 0;
    for (uint64_t seed = first; seed < first + count; seed++) {
        bool ok = play(seed, count == 1, &the_world);
        double share = (double)the_world.writes / most_writes(&the_world);
        most = share > most ? share : most;
        if (ok) {
            shut_box(&the_world.backlog);
            continue;
        }
        printf("seed %" PRIu64 ": %s\n", seed, the_world.failed);
        if (failures++ == 0 && count > 1)
            play(seed, true, &the_world);
    }
    printf("%" PRIu64 " seeds from %" PRIu64
           ", %d failed; at most %.0f %% of the writes that there may be\n",
           count, first, failures, 100 * most);
    return failures;
}

int main(int count, char **words)
{
    const char *seeds = getenv("WRITEBEHIND_SEEDS");
    return seeds_main(count, words, "model", seeds != NULL ? atoi(seeds) : SEEDS, play_seeds);
}
