/* SPDX-License-Identifier: MIT
 * Writes whose answer is lost. A proxy stands between the store and the server; it knows the protocol well
 * enough to see the end of a COPY stream pass, and cuts the connection there: before the server gets it (it
 * rolls back), after the server has committed, or just after sending it, so that it is open which it will
 * be. However that ends, every row is in the table exactly once. */
#include "support/relay.h"
#include "support/store_contract.h"

#include <errno.h>

#define FOREVER_US (60 * SECOND_US)

/* ---- the proxy ---- */

enum cut { CUT_NEVER, CUT_LOST, CUT_OPEN, CUT_LANDED, CUTS };

/* Follows the messages of one direction: a type, a length, and so many bytes. */
typedef struct follower {
    bool greeted; /* the startup message, which has no type, is over */
    size_t have;  /* of the header */
    uint8_t head[5];
    size_t left; /* of the body */
} follower;

typedef struct proxy {
    relay relay;    /* first: a relay * is its proxy */
    atomic_int cut; /* enum cut: what becomes of the next COPY's end */
    bool ending;    /* CopyDone went through, and its answer is to be lost */
    follower from_client, from_server;
} proxy;

static void hung_up(relay *r)
{
    proxy *p = (proxy *)r;
    p->ending = false;
    memset(&p->from_client, 0, sizeof p->from_client);
    memset(&p->from_server, 0, sizeof p->from_server);
    p->from_server.greeted = true;
}

/* How many bytes of `data`, all of which is followed, go up to the end of a message of that type; 0: none of it
 * ends here. */
static size_t find_end(follower *f, uint8_t type, const uint8_t *data, size_t bytes)
{
    size_t end = 0;
    for (size_t at = 0; at < bytes;) {
        if (f->left > 0) {
            size_t step = f->left < bytes - at ? f->left : bytes - at;
            f->left -= step;
            at += step;
        } else {
            size_t first = f->greeted ? 0 : 1; /* no type: pretend that it was there */
            if (f->have < first)
                f->have = first;
            f->head[f->have++] = data[at++];
        }
        if (f->left == 0 && f->have == 5) {
            uint32_t length = (uint32_t)f->head[1] << 24 | (uint32_t)f->head[2] << 16 |
                              (uint32_t)f->head[3] << 8 | f->head[4];
            if (length > 4) {
                f->left = length - 4;
                f->head[4] = 4; /* the header counts once */
                f->head[1] = f->head[2] = f->head[3] = 0;
                continue;
            }
            f->have = 0;
            if (f->greeted && f->head[0] == type && end == 0)
                end = at;
            f->greeted = true;
        }
    }
    return end;
}

static bool from_client(relay *r)
{
    proxy *p = (proxy *)r;
    uint8_t data[16384];
    ssize_t bytes = read(p->relay.client, data, sizeof data);
    if (bytes <= 0)
        return false;
    int cut = atomic_load(&p->cut);
    size_t end = find_end(&p->from_client, 'c', data, (size_t)bytes);
    if (end == 0 || cut == CUT_NEVER) {
        relay_pass(p->relay.upstream, data, (size_t)bytes);
        return true;
    }
    atomic_store(&p->cut, CUT_NEVER);
    if (cut == CUT_LOST) {
        relay_pass(p->relay.upstream, data, end - 5);
        return false;
    }
    relay_pass(p->relay.upstream, data, (size_t)bytes);
    p->ending = true;
    return cut == CUT_LANDED;
}

static bool from_server(relay *r)
{
    proxy *p = (proxy *)r;
    uint8_t data[16384];
    ssize_t bytes = read(p->relay.upstream, data, sizeof data);
    if (bytes <= 0)
        return false;
    if (p->ending) /* CommandComplete: the server has committed */
        return find_end(&p->from_server, 'C', data, (size_t)bytes) == 0;
    find_end(&p->from_server, 0, data, (size_t)bytes);
    relay_pass(p->relay.client, data, (size_t)bytes);
    return true;
}

/* ---- what the tests share ---- */

typedef struct doubt {
    fixture *f;
    proxy proxy;
    wb_schema *schema;
    wb_target target;
    wb_session *session;
    wb_store *store; /* by the proxy */
} doubt;

static wb_schema *schema_with_id(void)
{
    static const wb_column columns[] = {
        {.name = "note", .type = WB_TYPE_TEXT, .null = true},
        {.name = "id", .type = WB_TYPE_UUID, .generate = WB_UUIDV4},
        {.name = "n", .type = WB_TYPE_INT8},
    };
    wb_schema *schema = NULL;
    assert_ok(wb_schema_new(columns, 3, &schema, NULL));
    return schema;
}

static wb_batch *numbered(wb_schema *schema, int64_t first, size_t rows)
{
    wb_value *values = calloc(rows * 2, sizeof *values);
    for (size_t i = 0; i < rows; i++) {
        values[2 * i] = text_value(i % 3 == 0 ? "some note" : "");
        values[2 * i + 1] = int_value(first + (int64_t)i);
    }
    wb_batch *batch = batch_of(schema, values, rows);
    free(values);
    return batch;
}

static int open_doubt(void **state)
{
    char conninfo[256];
    doubt *d = calloc(1, sizeof *d);
    set_up(state);
    fixture *f = d->f = *state;
    d->proxy.relay =
        (relay){.from_client = from_client, .from_server = from_server, .hung_up = hung_up};
    relay_start(&d->proxy.relay, d->f);
    d->schema = schema_with_id();
    d->target = (wb_target){.table = in_space(f, "t"),
                            .schema = d->schema,
                            .dedupe = WB_DEDUPE_COLUMN,
                            .dedupe_column = 1,
                            .write_timeout_us = 10 * SECOND_US};
    snprintf(conninfo, sizeof conninfo, "host=%s port=1 user=%s dbname=%s",
             d->proxy.relay.directory, PQuser(f->admin), PQdb(f->admin));
    assert_ok(wb_store_postgres(conninfo, &d->store, NULL));
    d->session = d->store->class->session(d->store, &d->target);
    *state = d;
    return 0;
}

static int close_doubt(void **state)
{
    doubt *d = *state;
    d->session->class->end(d->session);
    relay_end(&d->proxy.relay);
    wb_store_unref(d->store);
    wb_schema_unref(d->schema);
    *state = d->f;
    free(d);
    return tear_down(state);
}

/* A write that is cut off; from then on the batch is in doubt where the store says so. */
static void write_cut_off(doubt *d, wb_batch *batch, int cut)
{
    wb_err err;
    atomic_store(&d->proxy.cut, cut);
    assert_int_equal(write_until(d->session, batch, FOREVER_US, &err), WB_STORE);
    assert_int_equal(err.error_class, WB_RETRY);
    assert_true(err.in_doubt);
    batch->in_doubt = true;
}

static void write_to_end(doubt *d, const wb_batch *batch)
{
    wb_err err;
    int code = write_until(d->session, batch, FOREVER_US, &err);
    assert_string_equal(err.text, "");
    assert_ok(code);
}

static void assert_each_once(doubt *d, const char *rows)
{
    assert_string_equal(sql(d->f, "SELECT count(*) || ' ' || count(DISTINCT n) FROM t"), rows);
}

/* ---- the tests ---- */

static void each_way(void **state)
{
    doubt *d = *state;
    fixture *f = d->f;
    sql(f, "CREATE TABLE t (id uuid PRIMARY KEY, n int8, note text)");
    for (int cut = CUT_LOST; cut <= CUT_LANDED; cut++) {
        wb_batch *batch = numbered(d->schema, cut * 1000, 1000);
        write_cut_off(d, batch, cut);
        if (cut == CUT_LOST || cut == CUT_LANDED)
            assert_string_equal(sql(f, "SELECT count(*) FROM t WHERE n >= %d000", cut),
                                cut == CUT_LOST ? "0" : "1000");
        write_to_end(d, batch);
        write_to_end(d, batch);
        wb_batch_free(batch);
    }
    assert_each_once(d, "3000 3000");
}

/* What was in doubt may be joined by other rows, lose some at its front, and be split. */
static void parts(void **state)
{
    doubt *d = *state;
    fixture *f = d->f;
    sql(f, "CREATE TABLE t (id uuid PRIMARY KEY, n int8, note text)");
    wb_batch *batch = numbered(d->schema, 0, 100), *more = numbered(d->schema, 100, 50);
    write_cut_off(d, batch, CUT_LANDED);
    assert_true(wb_batch_merge(batch, more));
    wb_batch_skip(batch, 10);
    write_to_end(d, batch);
    assert_each_once(d, "150 150");
    wb_batch_free(batch);
    wb_batch_free(more);
}

/* What is asked about is the table that the batch goes to: neither are the ids missing that the target's own
 * table lacks, nor are those there that only it has. */
static void own_table(void **state)
{
    doubt *d = *state;
    fixture *f = d->f;
    const char *day = in_space(f, "day");
    sql(f, "CREATE TABLE t (id uuid PRIMARY KEY, n int8, note text);"
           "CREATE TABLE day (LIKE t INCLUDING ALL)");
    for (int cut = CUT_LOST; cut <= CUT_LANDED; cut++) {
        wb_batch *batch = numbered(d->schema, cut * 100, 100);
        bool in_both = cut == CUT_LOST;
        if (in_both)
            write_to_end(d, batch);
        contract_goes_to(batch, day);
        write_cut_off(d, batch, cut);
        write_to_end(d, batch);
        write_to_end(d, batch);
        wb_batch_free(batch);
    }
    assert_each_once(d, "100 100");
    assert_string_equal(sql(f, "SELECT count(*) || ' ' || count(DISTINCT n) FROM day"), "300 300");
}

/* So is whether an index decides. */
static void index_of_own_table(void **state)
{
    doubt *d = *state;
    fixture *f = d->f;
    wb_event event;
    sql(f, "CREATE TABLE t (id uuid PRIMARY KEY, n int8, note text);"
           "CREATE TABLE day (id uuid, n int8, note text)");
    wb_log *log = ((wb_pg_session *)d->session)->target.log = wb_log_new("batcher t", true, false);
    wb_batch *batch = numbered(d->schema, 0, 10);
    write_to_end(d, batch);
    contract_goes_to(batch, in_space(f, "day"));
    write_to_end(d, batch);
    batch->in_doubt = true;
    assert_false(wb_log_next(log, &event));
    write_to_end(d, batch);
    assert_true(wb_log_next(log, &event));
    assert_text_has(event.text, ".day\": no unique index goes by column \"id\"");
    contract_goes_to(batch, NULL);
    write_to_end(d, batch);
    assert_false(wb_log_next(log, &event));
    assert_each_once(d, "10 10");
    assert_string_equal(sql(f, "SELECT count(*) FROM day"), "10");
    wb_log_free(log);
    wb_batch_free(batch);
}

typedef struct holder {
    PGconn *conn;
    const char *end; /* COMMIT or ROLLBACK */
} holder;

/* Ends the transaction once a COPY waits for it; after a while even if none comes, so that a test which fails
 * ends too. */
static void *end_when_awaited(void *context)
{
    holder *own = context;
    PQclear(
        PQexec(own->conn,
               "DO $$ BEGIN FOR i IN 1..1000 LOOP EXIT WHEN EXISTS (SELECT FROM pg_locks w JOIN "
               "pg_locks h USING (transactionid) WHERE NOT w.granted AND h.granted AND h.pid = "
               "pg_backend_pid()); PERFORM pg_sleep(0.01); END LOOP; END $$"));
    PQclear(PQexec(own->conn, own->end));
    return NULL;
}

/* The original is still at work while the batch is written again: the ids can't be seen yet, but are waited
 * for, whichever way it ends. */
static void original_at_work(void **state)
{
    static const char *const ends[] = {"COMMIT", "ROLLBACK"};
    doubt *d = *state;
    fixture *f = d->f;
    sql(f, "CREATE TABLE t (id uuid PRIMARY KEY, n int8, note text);"
           "CREATE TABLE original (LIKE t)");
    d->target.table = in_space(f, "original");
    wb_session *copier = f->store->class->session(f->store, &d->target);
    for (int i = 0; i < 2; i++) {
        wb_batch *batch = numbered(d->schema, i * 100, 100);
        holder own = {.conn = PQconnectdb(test_conninfo()), .end = ends[i]};
        char text[256];
        wb_err err;
        pthread_t thread;
        assert_ok(write_until(copier, batch, FOREVER_US, &err));
        snprintf(text, sizeof text, "BEGIN; INSERT INTO %s.t SELECT * FROM %s.original", f->space,
                 f->space);
        PQclear(PQexec(own.conn, text));
        assert_int_equal(PQtransactionStatus(own.conn), PQTRANS_INTRANS);
        assert_int_equal(pthread_create(&thread, NULL, end_when_awaited, &own), 0);
        batch->in_doubt = true;
        write_to_end(d, batch);
        pthread_join(thread, NULL);
        PQfinish(own.conn);
        sql(f, "TRUNCATE original");
        wb_batch_free(batch);
    }
    assert_each_once(d, "200 200");
    copier->class->end(copier);
}

/* A conflict with a row of others is that row's fault, as without a doubt. */
static void other_conflict(void **state)
{
    doubt *d = *state;
    fixture *f = d->f;
    wb_err err;
    sql(f, "CREATE TABLE t (id uuid PRIMARY KEY, n int8 UNIQUE, note text);"
           "INSERT INTO t VALUES (gen_random_uuid(), 7)");
    wb_batch *batch = numbered(d->schema, 0, 10);
    batch->in_doubt = true;
    int code = write_until(d->session, batch, FOREVER_US, &err);
    assert_failed(code, &err, WB_REJECT, "(n)=(7) already exists");
    assert_string_equal(err.sqlstate, "23505");
    assert_false(err.in_doubt);
    sql(f, "DELETE FROM t");
    write_to_end(d, batch);
    assert_each_once(d, "10 10");
    wb_batch_free(batch);
}

/* A role that may insert but not read: written where the rows are missing, else held with the reason. */
static void may_not_read(void **state)
{
    doubt *d = *state;
    fixture *f = d->f;
    wb_err err;
    char role[96], conninfo[256];
    snprintf(role, sizeof role, "writer_%s", f->space);
    sql(f,
        "CREATE TABLE t (id uuid PRIMARY KEY, n int8, note text);"
        "CREATE ROLE %s LOGIN; GRANT USAGE ON SCHEMA %s TO %s; GRANT INSERT ON t TO %s",
        role, f->space, role, role);
    wb_store *store = NULL;
    snprintf(conninfo, sizeof conninfo, "host=%s port=%s user=%s dbname=%s", PQhost(f->admin),
             PQport(f->admin), role, PQdb(f->admin));
    assert_ok(wb_store_postgres(conninfo, &store, NULL));
    wb_session *session = store->class->session(store, &d->target);
    wb_batch *batch = numbered(d->schema, 0, 10);
    batch->in_doubt = true;
    int code = write_until(session, batch, FOREVER_US, &err);
    assert_string_equal(err.text, "");
    assert_ok(code);
    code = write_until(session, batch, FOREVER_US, &err);
    assert_failed(code, &err, WB_HOLD, "permission denied for table t");
    sql(f, "GRANT SELECT (id) ON t TO %s", role);
    assert_ok(write_until(session, batch, FOREVER_US, &err));
    assert_each_once(d, "10 10");
    session->class->end(session);
    wb_store_unref(store);
    wb_batch_free(batch);
    sql(f, "DROP OWNED BY %s; DROP ROLE %s", role, role);
}

/* ---- what the question goes by ---- */

static char plan[8192]; /* of the last question */

static void keep_plan(void *context, const PGresult *notice)
{
    (void)context;
    const char *text = PQresultErrorField(notice, PG_DIAG_MESSAGE_PRIMARY);
    if (strstr(text, "SELECT m.n FROM") != NULL)
        snprintf(plan, sizeof plan, "%s", strstr(text, "\n"));
}

/* The server says how it answers each statement of the session. */
static void explain_all(doubt *d)
{
    const wb_deadline deadline = in_us(FOREVER_US);
    bool fresh;
    wb_pg_session *session = (wb_pg_session *)d->session;
    assert_ok(wb_pg_connect(session, &deadline, &fresh, NULL));
    PQsetNoticeReceiver(session->conn, keep_plan, NULL);
    PQclear(PQexec(session->conn, "LOAD 'auto_explain'; SET auto_explain.log_min_duration = 0;"
                                  "SET auto_explain.log_level = notice; SET search_path = other"));
    assert_int_equal(PQtransactionStatus(session->conn), PQTRANS_IDLE);
}

/* Some rows of a batch are in the table; the table has many others, of which the planner knows nothing. The question
 * reads no more than it asks for, and each row is there once at the end. */
static void by_columns_of_an_index(void **state)
{
    static const char *const tables[] = {
        "CREATE TABLE t (id uuid, n int8, note text, UNIQUE (n, id))",
        "CREATE TABLE t (id uuid, n int8, note text, UNIQUE (id) INCLUDE (n))",
        "CREATE TABLE t (id uuid, n int8, note text, UNIQUE (n))",
        "CREATE TABLE t (id uuid, n int8, note text, PRIMARY KEY (n)); "
        "CREATE UNIQUE INDEX ON t (n, id, note)",
        "CREATE TABLE t (note text, n int8, id uuid, PRIMARY KEY (n, id)) PARTITION BY RANGE (n);"
        "CREATE TABLE t1 PARTITION OF t FOR VALUES FROM (MINVALUE) TO (5);"
        "CREATE TABLE t2 PARTITION OF t FOR VALUES FROM (5) TO (MAXVALUE)",
        "CREATE DOMAIN key AS int8; CREATE TABLE t (id uuid, n key, note text, UNIQUE (id, n)); "
        "CREATE UNIQUE INDEX ON t (note) WHERE n = 3",
    };
    doubt *d = *state;
    fixture *f = d->f;
    explain_all(d);
    for (size_t i = 0; i < sizeof tables / sizeof *tables; i++) {
        wb_batch *batch = numbered(d->schema, 0, 10);
        sql(f, "DROP TABLE IF EXISTS t; DROP DOMAIN IF EXISTS key");
        sql(f, "%s", tables[i]);
        sql(f, "INSERT INTO t (id, n) SELECT gen_random_uuid(), 1000 + i"
               " FROM generate_series(1, 20000) i");
        write_to_end(d, batch);
        sql(f, "DELETE FROM t WHERE n IN (3, 7)");
        batch->in_doubt = true;
        plan[0] = '\0';
        write_to_end(d, batch);
        assert_each_once(d, "20010 20010");
        assert_text_has(plan, "Index");
        if (strstr(plan, "Seq Scan") != NULL)
            fail_msg("%s: %s", tables[i], plan);
        wb_batch_free(batch);
    }
}

/* Without such an index nothing can be promised; the log says so. What is seen is not written again. */
static void no_unique_index(void **state)
{
    static const char *const indexes[] = {
        "SELECT 1",
        "CREATE UNIQUE INDEX ON t (id) WHERE n < 0",
        "CREATE UNIQUE INDEX ON t ((n + 0), id)",
        "CREATE UNIQUE INDEX ON t (id, note)",   /* may be NULL */
        "ALTER TABLE t ADD other serial UNIQUE", /* not in the schema */
        "CREATE INDEX ON t (id)",
    };
    doubt *d = *state;
    fixture *f = d->f;
    wb_event event;
    for (size_t i = 0; i < sizeof indexes / sizeof *indexes; i++) {
        sql(f, "DROP TABLE IF EXISTS t; CREATE TABLE t (id uuid, n int8, note text); %s",
            indexes[i]);
        wb_log *log = wb_log_new("batcher t", true, false);
        ((wb_pg_session *)d->session)->target.log = log;
        wb_batch *batch = numbered(d->schema, 0, 10);
        write_to_end(d, batch);
        sql(f, "DELETE FROM t WHERE n < 3");
        batch->in_doubt = true;
        write_to_end(d, batch);
        assert_each_once(d, "10 10");
        if (!wb_log_next(log, &event))
            fail_msg("no warning: %s", indexes[i]);
        assert_text_has(event.text, "no unique index goes by column \"id\"");
        assert_int_equal(event.level, WB_WARN);
        assert_int_equal(event.rows, 3);
        wb_batch_free(batch);
        ((wb_pg_session *)d->session)->target.log = NULL;
        wb_log_free(log);
    }
}

/* The question is ended in time where it would read the table for long, and the rows are written. */
static void question_without_end(void **state)
{
    enum { ROWS = 500, IN_TABLE = 400000 };
    doubt *d = *state;
    fixture *f = d->f;
    sql(f,
        "CREATE TABLE t (id uuid, n int8, note text);"
        "INSERT INTO t (id, n) SELECT gen_random_uuid(), 1000 + i FROM generate_series(1, %d) i",
        IN_TABLE);
    wb_pg_session *session = (wb_pg_session *)d->session;
    session->target.write_timeout_us = 8 * SECOND_US;
    const wb_deadline deadline = in_us(FOREVER_US);
    bool fresh;
    assert_ok(wb_pg_connect(session, &deadline, &fresh, NULL));
    PQclear(PQexec(session->conn,
                   "SET enable_hashjoin = off; SET enable_mergejoin = off; SET jit = off"));
    wb_batch *batch = numbered(d->schema, 0, ROWS);
    batch->in_doubt = true;
    write_to_end(d, batch);
    assert_string_equal(sql(f, "SELECT count(*) FROM t"), "400500");
    wb_batch_free(batch);
}

/* Batches are cut off each way in turn, and the writes after that at random, sizes from one row to many. How
 * many cuts there are is open (what the server makes of an open end is), but for the first of each batch. */
static void at_random(void **state)
{
    enum { BATCHES = 60 };
    doubt *d = *state;
    fixture *f = d->f;
    uint64_t seed = 20260521;
    int64_t total = 0, cuts = 0;
    char rows[64];
    sql(f, "CREATE TABLE t (id uuid PRIMARY KEY, n int8, note text)");
    for (int i = 0; i < BATCHES; i++) {
        size_t count = 1 + (size_t)random_below(&seed, i % 10 == 0 ? 20000 : 300);
        wb_batch *batch = numbered(d->schema, total, count);
        wb_err err;
        total += (int64_t)count;
        for (int cut = i % CUTS;; cut = (int)random_below(&seed, CUTS)) {
            atomic_store(&d->proxy.cut, cut);
            int code = write_until(d->session, batch, FOREVER_US, &err);
            if (code == WB_OK)
                break;
            assert_int_equal(err.error_class, WB_RETRY);
            batch->in_doubt = batch->in_doubt || err.in_doubt;
            cuts++;
        }
        wb_batch_free(batch);
    }
    assert_true(cuts >= BATCHES - BATCHES / CUTS);
    snprintf(rows, sizeof rows, "%lld %lld", (long long)total, (long long)total);
    assert_each_once(d, rows);
}

/* The same through a whole batcher: its counts agree with the table. */
static void batcher_at_random(void **state)
{
    enum { ROWS = 20000 };
    doubt *d = *state;
    fixture *f = d->f;
    uint64_t seed = 7;
    wb_batcher *batcher = NULL;
    wb_batcher_options options;
    wb_stats stats;
    sql(f, "CREATE TABLE t (id uuid PRIMARY KEY, n int8, note text)");
    wb_batcher_options_init(&options);
    options.store = d->store;
    options.schema = d->schema;
    options.table = d->target.table;
    options.batch_size = 100;
    options.interval_us = 1000;
    options.overflow = WB_OVERFLOW_BLOCK;
    options.retry.initial_us = options.retry.max_us = 1000;
    options.log_events = true;
    assert_ok(wb_batcher_new(&options, &batcher, NULL));
    for (int64_t i = 0; i < ROWS; i++) {
        wb_value values[] = {text_value(""), int_value(i)};
        assert_ok(wb_batcher_add(batcher, values, 2, NULL, NULL));
        if (i % 200 == 0)
            atomic_store(&d->proxy.cut, (int)random_below(&seed, CUTS));
        if (i % 1000 == 0)
            assert_ok(
                wb_pipeline_flush(wb_batcher_pipeline(batcher), wb_now_us() + FOREVER_US, NULL));
    }
    assert_ok(wb_pipeline_close(wb_batcher_pipeline(batcher), wb_now_us() + FOREVER_US, NULL));
    assert_ok(wb_pipeline_stats(wb_batcher_pipeline(batcher), &stats, NULL));
    assert_int_equal(stats.stored, ROWS);
    assert_int_equal(stats.dead, 0);
    assert_true(stats.retries > 10);
    assert_each_once(d, "20000 20000");
    wb_pipeline_detach(wb_batcher_pipeline(batcher));
}

int main(void)
{
#define T(name) cmocka_unit_test_setup_teardown(name, open_doubt, close_doubt)
    const struct CMUnitTest tests[] = {
        T(each_way),         T(parts),
        T(original_at_work), T(other_conflict),
        T(may_not_read),     T(by_columns_of_an_index),
        T(no_unique_index),  T(question_without_end),
        T(at_random),        T(batcher_at_random),
        T(own_table),        T(index_of_own_table),
    };
    return cmocka_run_group_tests_name("postgres_doubt", tests, NULL, NULL);
}
