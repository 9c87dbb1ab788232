/* SPDX-License-Identifier: MIT
 * Writes with a ledger, to tables that have nothing to know a row by. A proxy cuts the connection after any message, of
 * either side; whatever was in doubt by that is written again, and each row is in the table once. */
#include "support/relay.h"
#include "support/store_contract.h"

#define FOREVER_US (60 * SECOND_US)

/* ---- a proxy that counts messages ---- */

/* Of one direction. */
typedef struct counter {
    bool greeted; /* a client's first message has no type */
    size_t have;  /* of the header */
    uint8_t head[5];
    uint32_t left; /* of the body */
} counter;

typedef struct proxy {
    relay relay; /* first: a relay * is its proxy */
    atomic_int messages
        [2]; /* that are passed on before the cut, of the client's and of the server's; -1: no cut */
    counter counters[2];
} proxy;

enum side { CLIENT, SERVER };

/* How many bytes of the data are up to the end of the last message that is to pass. */
static size_t passing(proxy *p, enum side side, const uint8_t *data, size_t bytes)
{
    counter *c = &p->counters[side];
    int budget = atomic_load(&p->messages[side]);
    size_t at = 0;
    while (at < bytes && budget != 0) {
        if (c->left > 0) {
            size_t step = c->left < bytes - at ? c->left : bytes - at;
            c->left -= (uint32_t)step;
            at += step;
        } else {
            if (!c->greeted && c->have == 0)
                c->have = 1;
            c->head[c->have++] = data[at++];
        }
        if (c->have == 5 && c->left == 0 && c->head[0] != 'x') {
            c->left = ((uint32_t)c->head[1] << 24 | (uint32_t)c->head[2] << 16 |
                       (uint32_t)c->head[3] << 8 | c->head[4]) -
                      4;
            c->head[0] = 'x'; /* the length was read */
        }
        if (c->have == 5 && c->left == 0) {
            c->have = 0;
            c->head[0] = 0;
            c->greeted = true;
            budget -= budget > 0;
        }
    }
    atomic_store(&p->messages[side], budget);
    return at;
}

static bool pass_on(proxy *p, enum side side, int from, int to)
{
    uint8_t data[16384];
    ssize_t bytes = read(from, data, sizeof data);
    if (bytes <= 0)
        return false;
    size_t pass = passing(p, side, data, (size_t)bytes);
    return relay_pass(to, data, pass) && pass == (size_t)bytes &&
           atomic_load(&p->messages[side]) != 0;
}

static bool from_client(relay *r)
{
    return pass_on((proxy *)r, CLIENT, r->client, r->upstream);
}

static bool from_server(relay *r)
{
    return pass_on((proxy *)r, SERVER, r->upstream, r->client);
}

static void hung_up(relay *r)
{
    proxy *p = (proxy *)r;
    memset(p->counters, 0, sizeof p->counters);
    p->counters[SERVER].greeted = true;
    for (int side = CLIENT; side <= SERVER; side++) {
        int cut = 0; /* one cut is enough */
        atomic_compare_exchange_strong(&p->messages[side], &cut, -1);
    }
}

/* ---- what the tests share ---- */

typedef struct ledger {
    fixture *f;
    proxy proxy;
    wb_schema *schema;
    wb_target target;
    wb_session *session; /* through the proxy */
    wb_store *store;     /* the same */
    int64_t next;        /* number of the next row */
    void (*make)(int64_t number, wb_value row[2]);
} ledger;

static void note(int64_t number, wb_value row[2])
{
    row[0] = int_value(number);
    row[1] = text_value("a note");
}

static void sums(int64_t number, wb_value row[2])
{
    static const char *const keys[] = {"a", "b", "c", "d", "e", "f", "g"};
    row[0] = text_value(keys[number % 7]);
    row[1] = int_value(1);
}

static wb_schema *numbers(void)
{
    static const wb_column columns[] = {{.name = "n", .type = WB_TYPE_INT8},
                                        {.name = "note", .type = WB_TYPE_TEXT, .null = true}};
    wb_schema *schema = NULL;
    assert_ok(wb_schema_new(columns, 2, &schema, NULL));
    return schema;
}

static void renew(wb_batch *batch, int64_t unix_us)
{
    wb_uuid_source source;
    wb_uuid_source_init(&source, &wb_env_system);
    wb_uuid_v7(&source, unix_us, batch->id);
}

static wb_batch *rows(ledger *l, size_t count)
{
    wb_value *values = calloc(count * 2, sizeof *values);
    for (size_t i = 0; i < count; i++)
        l->make(l->next++, values + 2 * i);
    wb_batch *batch = batch_of(l->schema, values, count);
    renew(batch, wb_unix_us());
    free(values);
    return batch;
}

static int open_ledger(void **state)
{
    char conninfo[256];
    ledger *l = calloc(1, sizeof *l);
    set_up(state);
    fixture *f = l->f = *state;
    l->proxy.relay =
        (relay){.from_client = from_client, .from_server = from_server, .hung_up = hung_up};
    relay_start(&l->proxy.relay, f);
    l->schema = numbers();
    l->make = note;
    l->target = (wb_target){.table = in_space(f, "t"),
                            .schema = l->schema,
                            .dedupe = WB_DEDUPE_LEDGER,
                            .dedupe_column = -1,
                            .write_timeout_us = 10 * SECOND_US};
    snprintf(conninfo, sizeof conninfo, "host=%s port=1 user=%s dbname=%s",
             l->proxy.relay.directory, PQuser(f->admin), PQdb(f->admin));
    assert_ok(wb_store_postgres(conninfo, &l->store, NULL));
    l->session = l->store->class->session(l->store, &l->target);
    sql(f, "CREATE TABLE t (n int8 NOT NULL CHECK (n <> 1000000), note text)");
    *state = l;
    return 0;
}

static int close_ledger(void **state)
{
    ledger *l = *state;
    l->session->class->end(l->session);
    relay_end(&l->proxy.relay);
    wb_store_unref(l->store);
    wb_schema_unref(l->schema);
    *state = l->f;
    free(l);
    return tear_down(state);
}

static int write_once(ledger *l, wb_batch *batch, wb_err *err)
{
    int code = write_until(l->session, batch, FOREVER_US, err);
    batch->in_doubt = (batch->in_doubt && !err->ruled_out) || err->in_doubt;
    if (err->ruled_out)
        renew(batch, wb_unix_us());
    return code;
}

static void write_to_end(ledger *l, wb_batch *batch)
{
    wb_err err;
    int code = write_once(l, batch, &err);
    assert_string_equal(err.text, "");
    assert_ok(code);
}

static void assert_all_once(ledger *l)
{
    char expected[64];
    snprintf(expected, sizeof expected, "%d %d", (int)l->next, (int)l->next);
    assert_string_equal(sql(l->f, "SELECT count(*) || ' ' || count(DISTINCT n) FROM t"), expected);
}

static const char *key_of(const wb_batch *batch)
{
    static char text[37];
    wb_uuid_format(batch->id, text);
    text[36] = '\0';
    return text;
}

/* What the ledger has of a batch: its number of rows; "" where it has none. */
static const char *entry_of(ledger *l, const wb_batch *batch)
{
    return sql(l->f, "SELECT rows FROM writebehind_ledger WHERE key = '%s'", key_of(batch));
}

/* ---- the tests ---- */

static void one_entry_a_write(void **state)
{
    ledger *l = *state;
    for (int i = 1; i < 5; i++) {
        wb_batch *batch = rows(l, (size_t)i * 100);
        write_to_end(l, batch);
        assert_int_equal(atoi(entry_of(l, batch)), i * 100);
        write_to_end(l, batch); /* known to be in */
        wb_batch_free(batch);
    }
    assert_all_once(l);
}

/* Also where the connection is new, and where the ledger is not known to be there. */
static void cut_everywhere(ledger *l)
{
    int cuts = 0;
    for (int fresh = 0; fresh < 2; fresh++) {
        for (int side = CLIENT; side <= SERVER; side++) {
            for (bool whole = false; !whole;) {
                static int messages;
                wb_err err;
                wb_batch *batch = rows(l, 50);
                if (fresh == 1)
                    wb_pg_drop((wb_pg_session *)l->session);
                ((wb_pg_session *)l->session)->has_ledger = fresh == 0;
                atomic_store(&l->proxy.messages[side], ++messages);
                whole = write_once(l, batch, &err) == WB_OK &&
                        atomic_load(&l->proxy.messages[side]) > 0;
                cuts += !whole;
                atomic_store(&l->proxy.messages[side], -1);
                for (int i = 0; i < 3 && write_once(l, batch, &err) != WB_OK; i++)
                    ;
                write_to_end(l, batch);
                wb_batch_free(batch);
                if (whole)
                    messages = 0;
            }
        }
    }
    assert_true(cuts > 20);
}

static void cut_after_each_message(void **state)
{
    ledger *l = *state;
    cut_everywhere(l);
    assert_all_once(l);
}

/* Every row of a write adds 1 to a sum: twice would show. */
static void cut_after_each_message_of_a_sum(void **state)
{
    static const int32_t key[] = {0}, merge[] = {WB_MERGE_KEEP, WB_MERGE_SUM};
    static const wb_column columns[] = {{.name = "key", .type = WB_TYPE_TEXT},
                                        {.name = "total", .type = WB_TYPE_INT8}};
    static const wb_upsert upsert = {.key = key, .key_count = 1, .newest = -1, .merge = merge};
    ledger *l = *state;
    char expected[32];
    sql(l->f, "CREATE TABLE sums (key text PRIMARY KEY, total int8)");
    wb_schema_unref(l->schema);
    assert_ok(wb_schema_new(columns, 2, &l->schema, NULL));
    l->target.schema = l->schema;
    l->target.table = in_space(l->f, "sums");
    l->target.upsert = &upsert;
    l->session->class->end(l->session);
    l->session = l->store->class->session(l->store, &l->target);
    l->make = sums;
    cut_everywhere(l);
    snprintf(expected, sizeof expected, "%d", (int)l->next);
    assert_string_equal(sql(l->f, "SELECT sum(total) FROM sums"), expected);
}

/* The earlier write is still open in another session, and it commits, or not. */
static void while_the_earlier_write_is_open(void **state)
{
    ledger *l = *state;
    wb_err err;
    l->target.write_timeout_us = SECOND_US;
    l->session->class->end(l->session);
    l->session = l->store->class->session(l->store, &l->target);
    for (int commits = 0; commits < 2; commits++) {
        wb_batch *batch = rows(l, 2);
        wb_batch *other = rows(l, 1);
        write_to_end(l, other); /* so that there is a ledger */
        wb_batch_free(other);
        batch->in_doubt = true;
        sql(l->f, "BEGIN; INSERT INTO writebehind_ledger VALUES ('%s', 2)", key_of(batch));
        sql(l->f, "INSERT INTO t VALUES (%d), (%d)", (int)l->next - 3, (int)l->next - 2);
        assert_int_equal(write_once(l, batch, &err), WB_STORE);
        assert_int_equal(err.error_class, WB_RETRY);
        assert_true(batch->in_doubt && !err.ruled_out);
        sql(l->f, commits ? "COMMIT" : "ROLLBACK");
        write_to_end(l, batch);
        wb_batch_free(batch);
    }
    assert_all_once(l);
}

/* A batch in doubt that has a bad row is divided only when the earlier write can't come any more. */
static void refused_in_doubt(void **state)
{
    ledger *l = *state;
    wb_err err;
    l->next = 1000000;
    wb_batch *batch = rows(l, 3);
    char key[37];
    snprintf(key, sizeof key, "%s", key_of(batch));
    batch->in_doubt = true;
    assert_int_equal(write_once(l, batch, &err), WB_STORE);
    assert_int_equal(err.error_class, WB_REJECT);
    assert_true(err.ruled_out);
    assert_string_equal(sql(l->f, "SELECT rows FROM writebehind_ledger WHERE key = '%s'", key),
                        "0");
    char late_sql[128];
    snprintf(late_sql, sizeof late_sql, "INSERT INTO writebehind_ledger VALUES ('%s', 3)", key);
    PGresult *late = PQexec(l->f->admin, late_sql);
    assert_string_equal(PQresultErrorField(late, PG_DIAG_SQLSTATE), "23505");
    PQclear(late);
    wb_batch_skip(batch, 1);
    write_to_end(l, batch);
    assert_string_equal(sql(l->f, "SELECT count(*) FROM t"), "2");
    wb_batch_free(batch);
}

/* The same, but the earlier write was in: there is nothing to refuse. */
static void refused_but_in(void **state)
{
    ledger *l = *state;
    wb_batch *batch = rows(l, 3);
    write_to_end(l, batch);
    sql(l->f, "ALTER TABLE t ADD CHECK (n < 0) NOT VALID");
    batch->in_doubt = true;
    write_to_end(l, batch);
    assert_all_once(l);
    wb_batch_free(batch);
}

/* That an earlier write was ruled out is known, though the answer to it was lost. */
static void ruled_out_before(void **state)
{
    ledger *l = *state;
    wb_err err;
    wb_batch *batch = rows(l, 3), *other = rows(l, 1);
    write_to_end(l, other);
    batch->in_doubt = true;
    sql(l->f, "INSERT INTO writebehind_ledger VALUES ('%s', 0)", key_of(batch));
    assert_int_equal(write_once(l, batch, &err), WB_STORE);
    assert_int_equal(err.error_class, WB_RETRY);
    assert_true(err.ruled_out);
    write_to_end(l, batch);
    assert_all_once(l);
    wb_batch_free(batch);
    wb_batch_free(other);
}

static void too_long_in_doubt(void **state)
{
    ledger *l = *state;
    wb_err err;
    wb_batch *batch = rows(l, 3);
    renew(batch, wb_unix_us() - 7 * INT64_C(86400) * SECOND_US);
    batch->in_doubt = true;
    assert_int_equal(write_once(l, batch, &err), WB_STORE);
    assert_int_equal(err.error_class, WB_HOLD);
    assert_text_has(err.text, "has been in doubt for longer than the ledger remembers (7 days)");
    sql(l->f, "INSERT INTO writebehind_ledger VALUES ('%s', 3)", key_of(batch));
    write_to_end(l, batch);
    assert_string_equal(sql(l->f, "SELECT count(*) FROM t"), "0");
    wb_batch_free(batch);
}

/* Rows of many shapes go by INSERT. */
static void by_insert(void **state)
{
    static const wb_column columns[] = {
        {.name = "n", .type = WB_TYPE_INT8},
        {.name = "a", .type = WB_TYPE_INT8, .server_default = true},
        {.name = "b", .type = WB_TYPE_INT8, .server_default = true},
    };
    ledger *l = *state;
    wb_schema *schema = NULL;
    wb_value values[3 * 4];
    wb_err err;
    assert_ok(wb_schema_new(columns, 3, &schema, NULL));
    sql(l->f, "CREATE TABLE shapes (n int8, a int8 DEFAULT 1, b int8 DEFAULT 2)");
    for (int i = 0; i < 4; i++) {
        values[3 * i] = int_value(i);
        values[3 * i + 1] = i & 1 ? int_value(7) : (wb_value){.kind = WB_ABSENT};
        values[3 * i + 2] = i & 2 ? int_value(8) : (wb_value){.kind = WB_ABSENT};
    }
    l->target.table = in_space(l->f, "shapes");
    l->target.schema = schema;
    wb_session *session = l->f->store->class->session(l->f->store, &l->target);
    wb_batch *batch = batch_of(schema, values, 4);
    renew(batch, wb_unix_us());
    for (int i = 0; i < 2; i++) {
        int code = write_until(session, batch, FOREVER_US, &err);
        assert_string_equal(err.text, "");
        assert_ok(code);
        batch->in_doubt = true;
    }
    assert_string_equal(sql(l->f, "SELECT string_agg(a || ',' || b, ' ' ORDER BY n) FROM shapes"),
                        "1,2 7,2 1,8 7,8");
    wb_batch_free(batch);
    session->class->end(session);
    wb_schema_unref(schema);
}

static void old_keys_are_pruned(void **state)
{
    ledger *l = *state;
    wb_pg_session *session = (wb_pg_session *)l->session;
    wb_batch *batch = rows(l, 1);
    write_to_end(l, batch);
    sql(l->f, "DELETE FROM writebehind_ledger WHERE key::text < '00000000-0000'");
    sql(l->f, "INSERT INTO writebehind_ledger SELECT ('00000000-0000-7000-8000-' || lpad(n::text, "
              "12, '0'))::uuid, 1, now() - interval '8 days' FROM generate_series(1, 1500) AS n");
    sql(l->f, "INSERT INTO writebehind_ledger VALUES ('00000000-0000-7000-8000-aaaaaaaaaaaa', 1)");
    const char *left = "SELECT count(*) FROM writebehind_ledger WHERE key::text < '00000000-0001'";
    for (int i = 0; i < 2; i++) {
        session->writes = 256;
        renew(batch, wb_unix_us());
        write_to_end(l, batch);
        assert_string_equal(sql(l->f, left), i == 0 ? "501" : "1"); /* by both clocks */
    }
    sql(l->f, "DELETE FROM writebehind_ledger WHERE key::text < '00000000-0001'");
    wb_batch_free(batch);
}

/* A role that may not make the table is told what to make. */
static void without_the_right_to_make_it(void **state)
{
    ledger *l = *state;
    fixture *f = l->f;
    wb_err err;
    char conninfo[256];
    wb_store *store = NULL;
    sql(f, "DROP ROLE IF EXISTS %s_role", f->space);
    sql(f,
        "CREATE ROLE %s_role LOGIN; GRANT USAGE ON SCHEMA %s TO %s_role; "
        "GRANT INSERT ON t TO %s_role; ALTER ROLE %s_role SET search_path = %s",
        f->space, f->space, f->space, f->space, f->space, f->space);
    snprintf(conninfo, sizeof conninfo, "host=%s port=%s user=%s_role dbname=%s", PQhost(f->admin),
             PQport(f->admin), f->space, PQdb(f->admin));
    assert_ok(wb_store_postgres(conninfo, &store, NULL));
    wb_session *session = store->class->session(store, &l->target);
    wb_batch *batch = rows(l, 1);
    assert_int_equal(write_until(session, batch, FOREVER_US, &err), WB_STORE);
    assert_int_equal(err.error_class, WB_HOLD);
    assert_text_has(err.text, "the ledger is missing and can't be made (CREATE TABLE");
    sql(f,
        "CREATE TABLE %s.writebehind_ledger (key uuid PRIMARY KEY, rows int8 NOT NULL, at "
        "timestamptz NOT NULL DEFAULT now()); GRANT SELECT, INSERT, DELETE ON "
        "%s.writebehind_ledger TO %s_role",
        f->space, f->space, f->space);
    int code = write_until(session, batch, FOREVER_US, &err);
    assert_string_equal(err.text, "");
    assert_ok(code);
    session->class->end(session);
    wb_store_unref(store);
    wb_batch_free(batch);
    sql(f, "DROP TABLE %s.writebehind_ledger; DROP OWNED BY %s_role; DROP ROLE %s_role", f->space,
        f->space, f->space);
}

int main(void)
{
#define T(test) cmocka_unit_test_setup_teardown(test, open_ledger, close_ledger)
    const struct CMUnitTest tests[] = {
        T(one_entry_a_write),
        T(cut_after_each_message),
        T(cut_after_each_message_of_a_sum),
        T(while_the_earlier_write_is_open),
        T(refused_in_doubt),
        T(refused_but_in),
        T(ruled_out_before),
        T(too_long_in_doubt),
        T(by_insert),
        T(old_keys_are_pruned),
        T(without_the_right_to_make_it),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
