/* SPDX-License-Identifier: MIT
 * The engine under several threads, on a store that fails in every way a store may: before the commit, after
 * it, by rejecting a row, by refusing all. Whatever the order of events, every row is in exactly once or,
 * where it is a bad one, dead; and what flush answered is true. */
#include "support/support.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <time.h>

#include "base/env.h"
#include "base/err.h"
#include "engine/spooling.h"
#include "stores/store.h"
#include "support/spool_root.h"

#define SECOND INT64_C(1000000)

enum { ADDERS = 4, ROWS = 6000, PLACES = 1 << 15, BAD_EVERY = 1499, IDS = 500 };

/* ---- a store with faults ---- */

enum routing { TO_ONE_TABLE, BY_CALLER, BY_WORKER };

static const char *table_of(int64_t n)
{
    static const char *const tables[] = {"t", "a", "b"};
    return tables[n % 3];
}

struct faulty_store {
    wb_store base;
    pthread_mutex_t lock;
    uint64_t random;
    bool faults;           /* off: every write is taken */
    uint8_t times[PLACES]; /* how often row n came in */
    uint64_t unasked;      /* rows that came again though their batch was never in doubt */
    uint64_t torn;         /* batches of which a part was in */
    uint64_t strays;       /* rows written to a table that is not theirs */
    int routing;           /* enum routing: who says where rows go */
    int64_t marked[IDS];   /* the newest time of each id */
    int sessions;          /* begun and not ended */
    atomic_bool freed;
};

struct faulty_session {
    wb_session base;
    struct faulty_store *store;
};

static struct faulty_store the_store;
static char the_root[ROOT_PATH]; /* of spools; "": there are none */

static wb_session *begin_session(wb_store *store, const wb_target *target)
{
    (void)target;
    struct faulty_session *session = calloc(1, sizeof *session);
    session->base.class = store->class;
    session->store = (struct faulty_store *)store;
    pthread_mutex_lock(&session->store->lock);
    session->store->sessions++;
    pthread_mutex_unlock(&session->store->lock);
    return &session->base;
}

static void end_session(wb_session *session)
{
    struct faulty_store *store = ((struct faulty_session *)session)->store;
    pthread_mutex_lock(&store->lock);
    store->sessions--;
    pthread_mutex_unlock(&store->lock);
    free(session);
}

static bool is_bad(int64_t n)
{
    return n % BAD_EVERY == 7;
}

static int64_t row_n(const wb_batch *batch, size_t index)
{
    wb_value values[2];
    wb_batch_values(batch, index, values);
    return values[0].i;
}

/* All or nothing; what is there already is there by a commit whose answer was lost. */
static void insert(struct faulty_store *store, const wb_batch *batch)
{
    size_t rows = wb_batch_rows(batch), there = 0;
    for (size_t i = 0; i < rows; i++)
        there += store->times[row_n(batch, i)] > 0;
    if (there > 0 && there < rows)
        store->torn++;
    if (there > 0 && !batch->in_doubt)
        store->unasked += there;
    for (size_t i = 0; i < rows && there == 0; i++)
        store->times[row_n(batch, i)]++;
}

static void count_strays(struct faulty_store *store, const wb_batch *batch)
{
    const char *table = wb_batch_table(batch) != NULL ? wb_batch_table(batch) : "t";
    for (size_t i = 0; i < wb_batch_rows(batch); i++)
        store->strays += strcmp(table, table_of(row_n(batch, i))) != 0;
}

/* From 1; 0: there is none. */
static uint32_t bad_row(const wb_batch *batch)
{
    for (size_t i = 0; i < wb_batch_rows(batch); i++) {
        if (is_bad(row_n(batch, i)))
            return (uint32_t)i + 1;
    }
    return 0;
}

static int fault(wb_err *err, int class, bool in_doubt)
{
    wb_fail_store(err, class, "injected");
    err->in_doubt = in_doubt;
    return WB_STORE;
}

static int write_locked(struct faulty_store *store, const wb_batch *batch, wb_err *err)
{
    if (store->routing != TO_ONE_TABLE)
        count_strays(store, batch);
    unsigned chance = store->faults ? (unsigned)random_below(&store->random, 100) : 100;
    if (chance < 12)
        return fault(err, WB_RETRY, false);
    if (chance < 14)
        return fault(err, WB_HOLD, false);
    if (chance < 18)
        return fault(err, WB_RETRY, true);
    uint32_t bad = bad_row(batch);
    if (bad > 0) {
        bool named = chance % 2 == 0;
        fault(err, named ? WB_REJECT : WB_HOLD, false);
        err->row = named ? bad : 0;
        err->unsure = !named;
        return WB_STORE;
    }
    insert(store, batch);
    return chance < 26 ? fault(err, WB_RETRY, true) : WB_OK;
}

static void pause_us(long us)
{
    nanosleep(&(struct timespec){.tv_nsec = us * 1000}, NULL);
}

static int write_batch(wb_session *session, const wb_batch *batch, const wb_deadline *deadline,
                       wb_err *err)
{
    struct faulty_store *store = ((struct faulty_session *)session)->store;
    (void)deadline;
    pthread_mutex_lock(&store->lock);
    int code = write_locked(store, batch, err);
    long us = store->faults ? (long)random_below(&store->random, 200) : 0;
    pthread_mutex_unlock(&store->lock);
    pause_us(us);
    return code;
}

static int touch_ids(wb_session *session, const wb_marks *marks, const wb_deadline *deadline,
                     wb_touched *out, wb_err *err)
{
    struct faulty_store *store = ((struct faulty_session *)session)->store;
    (void)deadline;
    pthread_mutex_lock(&store->lock);
    bool fails = store->faults && random_below(&store->random, 100) < 30;
    for (size_t i = 0; i < wb_marks_count(marks) && !fails; i++) {
        uint16_t id;
        wb_value key;
        wb_marks_key(marks, i, &key);
        memcpy(&id, key.text, sizeof id);
        if (store->marked[id] < wb_marks_time_us(marks, i))
            store->marked[id] = wb_marks_time_us(marks, i);
    }
    pthread_mutex_unlock(&store->lock);
    *out = (wb_touched){.updated = fails ? 0 : wb_marks_count(marks)};
    return fails ? fault(err, WB_RETRY, true) : WB_OK;
}

/* ---- a policy that is asked on the flusher's thread ---- */

struct faulty_script {
    wb_script base;
    uint64_t random; /* used unlocked: it is its thread's */
};

static int open_script(wb_script *script, wb_err *err)
{
    (void)err;
    script->should_flush = script->route = script->retry = true;
    return WB_OK;
}

static int decide_flush(wb_script *script, const wb_stats *stats, const wb_view *view, bool *flush,
                        wb_err *err)
{
    uint64_t chance = random_below(&((struct faulty_script *)script)->random, 10);
    if (chance == 0)
        return fault(err, WB_RETRY, false);
    *flush = chance < 5 && view->rows <= stats->accepted;
    return WB_OK;
}

static int decide_route(wb_script *script, const wb_batch *batch, size_t index, const char **table,
                        wb_err *err)
{
    (void)script, (void)err;
    *table = table_of(row_n(batch, index));
    return WB_OK;
}

static int decide_retry(wb_script *script, const wb_stats *stats, const wb_view *view,
                        const wb_err *failure, int64_t *retry_us, wb_err *err)
{
    (void)stats, (void)view;
    uint64_t chance = random_below(&((struct faulty_script *)script)->random, 10);
    if (chance == 0 || failure->error_class == WB_REJECT)
        return fault(err, WB_RETRY, false);
    *retry_us = (int64_t)chance * 100;
    return WB_OK;
}

static void end_script(wb_script *script)
{
    free(script);
}

static wb_script *new_script(wb_policy *policy, const wb_target *target)
{
    static const wb_script_class class = {open_script, decide_flush, decide_route, decide_retry,
                                          end_script};
    (void)policy, (void)target;
    struct faulty_script *script = calloc(1, sizeof *script);
    script->base.class = &class;
    script->random = 3;
    return &script->base;
}

static void count_policy(wb_policy *policy)
{
    (void)policy;
}

static const wb_policy_class policy_class = {new_script, count_policy, count_policy};
static wb_policy the_policy = {.class = &policy_class};

static void free_store(wb_store *store)
{
    atomic_store(&((struct faulty_store *)store)->freed, true);
}

static const wb_store_class faulty_class = {
    .kind = "faulty",
    .session = begin_session,
    .write = write_batch,
    .touch = touch_ids,
    .end = end_session,
    .free = free_store,
};

static int open_store(void **state)
{
    (void)state;
    memset(&the_store, 0, sizeof the_store);
    the_store.base.class = &faulty_class;
    atomic_init(&the_store.base.references, 1);
    atomic_init(&the_store.freed, false);
    pthread_mutex_init(&the_store.lock, NULL);
    the_store.random = 20240514;
    the_store.faults = true;
    return 0;
}

/* Small segments, and a memory that is soon full: all that a spool does, it does often. */
static int open_spools(void **state)
{
    root_make(the_root);
    wb_spool_segment_bytes = 1 << 14;
    return open_store(state);
}

static int shut_store(void **state)
{
    (void)state;
    wb_store_unref(&the_store.base);
    for (int i = 0; i < 30000 && !atomic_load(&the_store.freed); i++)
        pause_us(1000);
    bool whole = atomic_load(&the_store.freed) && the_store.sessions == 0;
    pthread_mutex_destroy(&the_store.lock);
    return whole ? 0 : -1;
}

static int shut_spools(void **state)
{
    int code = shut_store(state);
    bool empty = root_count(the_root, NULL) == 0;
    root_remove(the_root);
    the_root[0] = '\0';
    return empty ? code : -1;
}

static void set_faults(bool faults)
{
    pthread_mutex_lock(&the_store.lock);
    the_store.faults = faults;
    pthread_mutex_unlock(&the_store.lock);
}

static int times_in(int64_t n)
{
    pthread_mutex_lock(&the_store.lock);
    int times = the_store.times[n];
    pthread_mutex_unlock(&the_store.lock);
    return times;
}

/* ---- batchers on it ---- */

/* To less than the option allows. */
static void limit_memory(wb_outbox *outbox, uint64_t bytes)
{
    wb_monitor_lock(&outbox->backlog.monitor);
    outbox->park_from = outbox->spool->options.memory_bytes = bytes;
    wb_monitor_unlock(&outbox->backlog.monitor);
}

static wb_batcher *new_batcher(wb_schema *schema)
{
    wb_batcher_options options;
    wb_batcher_options_init(&options);
    options.store = &the_store.base;
    options.schema = schema;
    options.table = "t";
    options.batch_size = 100;
    options.interval_us = 2000;
    options.max_pending_rows = 1500;
    options.overflow = WB_OVERFLOW_BLOCK;
    options.retry = (wb_retry){.initial_us = 50, .max_us = 1000};
    options.log_events = true;
    options.flush_events = true;
    options.policy = the_store.routing == BY_WORKER ? &the_policy : NULL;
    options.spool_path = the_root[0] != '\0' ? the_root : NULL;
    options.spool_sync_us = 2000;
    wb_batcher *batcher = NULL;
    assert_ok(wb_batcher_new(&options, &batcher, NULL));
    if (options.spool_path != NULL)
        limit_memory(wb_batcher_spooling_of(batcher)->outbox, 20000);
    return batcher;
}

static int add_row(wb_batcher *batcher, int64_t n)
{
    wb_value values[2] = {int_value(n), text_value("a row")};
    wb_choice choice = {.table = table_of(n), .overflow = WB_OVERFLOW_BLOCK};
    if (the_store.routing != BY_CALLER)
        return wb_batcher_add(batcher, values, 2, NULL, NULL);
    return wb_batcher_add_as(batcher, values, 2, &choice, NULL, NULL);
}

static bool is_conserved(const wb_stats *s)
{
    return s->accepted == s->stored + s->pending + s->dead + s->dropped;
}

/* ---- adders, flushers, onlookers ---- */

struct crew {
    wb_batcher *batcher;
    atomic_bool done;     /* the adders are */
    atomic_uint mistakes; /* what no thread may see */
};

struct adder {
    struct crew *crew;
    int64_t from; /* adds the rows n from here on */
    pthread_t thread;
};

static void *add_rows(void *argument)
{
    struct adder *adder = argument;
    struct crew *crew = adder->crew;
    uint64_t random = (uint64_t)adder->from + 1;
    for (int64_t n = adder->from; n < adder->from + ROWS; n++) {
        int code;
        while ((code = add_row(crew->batcher, n)) == WB_FULL)
            continue;
        if (code != WB_OK)
            atomic_fetch_add(&crew->mistakes, 1);
        if (random_below(&random, 1000) > 0 ||
            wb_pipeline_flush(wb_batcher_pipeline(crew->batcher), wb_now_us() + SECOND / 10,
                              NULL) != WB_OK)
            continue;
        for (int64_t i = adder->from; i <= n; i++) {
            if (!is_bad(i) && times_in(i) != 1)
                atomic_fetch_add(&crew->mistakes, 1);
        }
    }
    return NULL;
}

static void *flush_often(void *argument)
{
    struct crew *crew = argument;
    uint64_t random = 99;
    while (!atomic_load(&crew->done)) {
        int64_t wait_us = (int64_t)random_below(&random, 3000);
        int code =
            wb_pipeline_flush(wb_batcher_pipeline(crew->batcher), wb_now_us() + wait_us, NULL);
        if (code != WB_OK && code != WB_TIMEOUT)
            atomic_fetch_add(&crew->mistakes, 1);
        pause_us(2000);
    }
    return NULL;
}

static void *look_on(void *argument)
{
    struct crew *crew = argument;
    wb_stats stats;
    wb_event event;
    if (wb_pipeline_fd(wb_batcher_pipeline(crew->batcher)) < 0)
        atomic_fetch_add(&crew->mistakes, 1);
    while (!atomic_load(&crew->done)) {
        if (wb_pipeline_stats(wb_batcher_pipeline(crew->batcher), &stats, NULL) != WB_OK ||
            !is_conserved(&stats))
            atomic_fetch_add(&crew->mistakes, 1);
        while (wb_pipeline_event(wb_batcher_pipeline(crew->batcher), &event))
            continue;
        pause_us(300);
    }
    return NULL;
}

/* A bad row that came last waits until the store takes another: so there is always one more, n from `n` on. */
static void settle_all(wb_batcher *batcher, int64_t n)
{
    wb_stats stats = {.pending = 1};
    for (; stats.pending > 0; n++) {
        assert_true(n < PLACES);
        if (!is_bad(n))
            assert_ok(add_row(batcher, n));
        wb_pipeline_flush(wb_batcher_pipeline(batcher), wb_now_us() + SECOND / 20, NULL);
        assert_ok(wb_pipeline_stats(wb_batcher_pipeline(batcher), &stats, NULL));
    }
}

static void check_rows(const wb_stats *stats, int64_t count)
{
    uint64_t bad = 0, in = 0;
    for (int64_t n = 0; n < PLACES; n++) {
        in += the_store.times[n];
        bad += n < count && is_bad(n);
        if (n < count)
            assert_int_equal(the_store.times[n], !is_bad(n));
    }
    assert_int_equal(stats->stored, in);
    assert_int_equal(stats->dead, bad);
    assert_int_equal(stats->pending, 0);
    assert_int_equal(stats->accepted, in + bad);
    assert_int_equal(the_store.torn, 0);
    assert_int_equal(the_store.unasked, 0);
    assert_int_equal(the_store.strays, 0);
}

static void every_row_once(void)
{
    wb_schema *schema = small_schema();
    struct crew crew = {.batcher = new_batcher(schema)};
    struct adder adders[ADDERS];
    pthread_t flushers[2], onlooker;
    for (int i = 0; i < ADDERS; i++) {
        adders[i] = (struct adder){.crew = &crew, .from = (int64_t)i * ROWS};
        assert_int_equal(pthread_create(&adders[i].thread, NULL, add_rows, &adders[i]), 0);
    }
    for (int i = 0; i < 2; i++)
        assert_int_equal(pthread_create(&flushers[i], NULL, flush_often, &crew), 0);
    assert_int_equal(pthread_create(&onlooker, NULL, look_on, &crew), 0);

    for (int i = 0; i < ADDERS; i++)
        pthread_join(adders[i].thread, NULL);
    atomic_store(&crew.done, true);
    pthread_join(flushers[0], NULL);
    pthread_join(flushers[1], NULL);
    pthread_join(onlooker, NULL);
    assert_int_equal(atomic_load(&crew.mistakes), 0);

    settle_all(crew.batcher, (int64_t)ADDERS * ROWS);
    assert_ok(
        wb_pipeline_close(wb_batcher_pipeline(crew.batcher), wb_now_us() + 20 * SECOND, NULL));
    wb_stats stats;
    assert_ok(wb_pipeline_stats(wb_batcher_pipeline(crew.batcher), &stats, NULL));
    check_rows(&stats, (int64_t)ADDERS * ROWS);
    wb_pipeline_detach(wb_batcher_pipeline(crew.batcher));
    wb_schema_unref(schema);
}

static void test_every_row_once(void **state)
{
    (void)state;
    every_row_once();
}

static void test_routed_by_the_caller(void **state)
{
    (void)state;
    the_store.routing = BY_CALLER;
    every_row_once();
}

static void test_routed_by_a_worker(void **state)
{
    (void)state;
    the_store.routing = BY_WORKER;
    every_row_once();
}

/* ---- closers ---- */

struct closing {
    wb_batcher *batcher;
    atomic_int next;     /* the next row's n */
    atomic_int accepted; /* rows */
    atomic_uint mistakes;
};

static void *add_until_closed(void *argument)
{
    struct closing *closing = argument;
    for (;;) {
        int n = atomic_fetch_add(&closing->next, 1);
        if (is_bad(n))
            continue;
        int code = n < PLACES ? add_row(closing->batcher, n) : WB_CLOSED;
        if (code == WB_CLOSED)
            return NULL;
        if (code == WB_OK)
            atomic_fetch_add(&closing->accepted, 1);
        else if (code != WB_FULL)
            atomic_fetch_add(&closing->mistakes, 1);
    }
}

static void *close_it(void *argument)
{
    struct closing *closing = argument;
    pause_us(500);
    wb_stats stats;
    if (wb_pipeline_close(wb_batcher_pipeline(closing->batcher), wb_now_us() + 20 * SECOND, NULL) !=
            WB_OK ||
        wb_pipeline_close(wb_batcher_pipeline(closing->batcher), wb_now_us(), NULL) != WB_OK ||
        wb_pipeline_flush(wb_batcher_pipeline(closing->batcher), wb_now_us(), NULL) != WB_OK ||
        wb_pipeline_stats(wb_batcher_pipeline(closing->batcher), &stats, NULL) != WB_OK ||
        stats.pending != 0)
        atomic_fetch_add(&closing->mistakes, 1);
    return NULL;
}

static void test_closed_by_several(void **state)
{
    (void)state;
    wb_schema *schema = small_schema();
    struct closing closing = {0};
    for (int round = 0; round < 40; round++) {
        pthread_t threads[5];
        closing.batcher = new_batcher(schema);
        for (int i = 0; i < 5; i++)
            assert_int_equal(
                pthread_create(&threads[i], NULL, i < 2 ? add_until_closed : close_it, &closing),
                0);
        for (int i = 0; i < 5; i++)
            pthread_join(threads[i], NULL);
        wb_pipeline_detach(wb_batcher_pipeline(closing.batcher));
    }
    assert_int_equal(atomic_load(&closing.mistakes), 0);
    uint64_t in = 0;
    for (int n = 0; n < PLACES; n++)
        in += the_store.times[n];
    assert_int_equal(in, atomic_load(&closing.accepted));
    assert_int_equal(the_store.unasked + the_store.torn, 0);
    wb_schema_unref(schema);
}

/* ---- let go ---- */

static void test_let_go_at_once(void **state)
{
    (void)state;
    wb_schema *schema = small_schema();
    for (int round = 0; round < 200; round++) {
        wb_batcher *batcher = new_batcher(schema);
        for (int i = 0; i < 3; i++)
            assert_ok(add_row(batcher, 8 + round * 3 + i));
        wb_pipeline_detach(wb_batcher_pipeline(batcher));
    }
    wb_schema_unref(schema);
    for (int n = 8; n < 608; n++) {
        for (int i = 0; i < 20000 && times_in(n) == 0; i++)
            pause_us(1000);
        assert_int_equal(times_in(n), 1);
    }
}

/* ---- trackers ---- */

struct marker {
    wb_tracker *tracker;
    atomic_uint mistakes;
    int64_t from;
    pthread_t thread;
};

static void *mark_ids(void *argument)
{
    struct marker *marker = argument;
    for (int64_t i = 0; i < ROWS; i++) {
        uint8_t id[16] = {0};
        uint16_t number = (uint16_t)((i * 7) % IDS);
        memcpy(id, &number, sizeof number);
        int64_t time_us = marker->from + i;
        if (wb_tracker_add_uuid(marker->tracker, id, time_us, NULL, NULL) != WB_OK)
            atomic_fetch_add(&marker->mistakes, 1);
        if (i % 1500 != 700 || wb_pipeline_flush(wb_tracker_pipeline(marker->tracker),
                                                 wb_now_us() + 5 * SECOND, NULL) != WB_OK)
            continue;
        pthread_mutex_lock(&the_store.lock);
        if (the_store.marked[number] < time_us)
            atomic_fetch_add(&marker->mistakes, 1);
        pthread_mutex_unlock(&the_store.lock);
    }
    return NULL;
}

static void *close_tracker(void *argument)
{
    struct marker *marker = argument;
    if (wb_pipeline_close(wb_tracker_pipeline(marker->tracker), wb_now_us() + 20 * SECOND, NULL) !=
        WB_OK)
        atomic_fetch_add(&marker->mistakes, 1);
    return NULL;
}

static void test_every_mark_arrives(void **state)
{
    (void)state;
    wb_tracker_options options;
    wb_tracker_options_init(&options);
    options.store = &the_store.base;
    options.table = "t";
    options.key = "id";
    options.column = "at";
    options.exact = true;
    options.interval_us = 500;
    options.chunk = 64;
    options.retry = (wb_retry){.initial_us = 50, .max_us = 1000};
    options.log_events = true;
    options.spool_path = the_root[0] != '\0' ? the_root : NULL;
    options.spool_sync_us = 2000;
    wb_tracker *tracker = NULL;
    assert_ok(wb_tracker_new(&options, &tracker, NULL));

    struct marker markers[ADDERS];
    for (int i = 0; i < ADDERS; i++) {
        markers[i] = (struct marker){.tracker = tracker, .from = 1 + (int64_t)i * ROWS};
        assert_int_equal(pthread_create(&markers[i].thread, NULL, mark_ids, &markers[i]), 0);
    }
    for (int i = 0; i < ADDERS; i++)
        pthread_join(markers[i].thread, NULL);
    for (int i = 0; i < ADDERS; i++)
        assert_int_equal(pthread_create(&markers[i].thread, NULL, close_tracker, &markers[i]), 0);
    for (int i = 0; i < ADDERS; i++) {
        pthread_join(markers[i].thread, NULL);
        assert_int_equal(atomic_load(&markers[i].mistakes), 0);
    }
    wb_stats stats;
    assert_ok(wb_pipeline_stats(wb_tracker_pipeline(tracker), &stats, NULL));
    assert_int_equal(stats.stored, ADDERS * ROWS);
    assert_int_equal(stats.accepted, ADDERS * ROWS);
    wb_pipeline_detach(wb_tracker_pipeline(tracker));
    for (int64_t i = ROWS - IDS; i < ROWS; i++)
        assert_int_equal(the_store.marked[(i * 7) % IDS], 1 + (ADDERS - 1) * ROWS + i);
}

/* ---- no memory ---- */

/* Allocation fails for a while, in every thread; what add took arrives all the same. */
static void test_no_memory_for_a_while(void **state)
{
    (void)state;
    set_faults(false);
    wb_schema *schema = small_schema();
    wb_batcher *batcher = new_batcher(schema);
    assert_ok(add_row(batcher, 0));
    uint8_t accepted[3000] = {[0] = 1};
    for (int n = 1; n < 3000; n++) {
        if (is_bad(n))
            continue;
        wb_alloc_fail_after(n % 10 < 3);
        accepted[n] = add_row(batcher, n) == WB_OK;
    }
    wb_alloc_fail_after(0);
    assert_ok(wb_pipeline_close(wb_batcher_pipeline(batcher), wb_now_us() + 20 * SECOND, NULL));
    wb_pipeline_detach(wb_batcher_pipeline(batcher));
    wb_schema_unref(schema);
    for (int n = 0; n < 3000; n++)
        assert_int_equal(the_store.times[n], accepted[n]);
}

int main(void)
{
#define TEST(name)    cmocka_unit_test_setup_teardown(name, open_store, shut_store)
#define SPOOLED(name) cmocka_unit_test_setup_teardown(name, open_spools, shut_spools)
    const struct CMUnitTest tests[] = {
        TEST(test_every_row_once),           TEST(test_routed_by_the_caller),
        TEST(test_routed_by_a_worker),       TEST(test_closed_by_several),
        TEST(test_let_go_at_once),           TEST(test_every_mark_arrives),
        TEST(test_no_memory_for_a_while),    SPOOLED(test_every_row_once),
        SPOOLED(test_routed_by_a_worker),    SPOOLED(test_closed_by_several),
        SPOOLED(test_let_go_at_once),        SPOOLED(test_every_mark_arrives),
        SPOOLED(test_no_memory_for_a_while),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
