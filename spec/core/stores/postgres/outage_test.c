/* SPDX-License-Identifier: MIT
 * The PostgreSQL store when servers are gone, silent, frozen or refuse: every call ends, says what is
 * wrong, and what can be done elsewhere is. */
#include "support/postgres_support.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <pthread.h>
#include <signal.h>
#include <sys/socket.h>

/* Far more than any of these calls should take, far less than for ever. */
#define FOREVER_US (30 * SECOND_US)

static wb_batch *rows_with_notes(wb_schema *schema, int rows)
{
    static char note[301];
    wb_value *values = calloc((size_t)rows * 2, sizeof *values);
    memset(note, 'x', sizeof note - 1);
    for (int i = 0; i < rows; i++) {
        values[2 * i] = int_value(i);
        values[2 * i + 1] = text_value(note);
    }
    wb_batch *batch = batch_of(schema, values, (size_t)rows);
    free(values);
    return batch;
}

/* A port of this machine, reserved; nobody listens at it yet. */
static int reserve_port(int *listener)
{
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr = {htonl(INADDR_LOOPBACK)}};
    socklen_t bytes = sizeof address;
    *listener = socket(AF_INET, SOCK_STREAM, 0);
    assert_int_equal(bind(*listener, (struct sockaddr *)&address, sizeof address), 0);
    assert_int_equal(getsockname(*listener, (struct sockaddr *)&address, &bytes), 0);
    return ntohs(address.sin_port);
}

static wb_session *session_at(const char *conninfo, const wb_target *target)
{
    wb_store *store = NULL;
    wb_err err = {.code = WB_OK};
    int code = wb_store_postgres(conninfo, &store, &err);
    assert_string_equal(err.text, "");
    assert_ok(code);
    wb_session *session = store->class->session(store, target);
    wb_store_unref(store); /* the session has its own */
    return session;
}

/* A port where nobody listens, then one where nobody answers. */
static void unreachable_server(void **state)
{
    fixture *f = *state;
    wb_schema *schema = small_schema();
    wb_batch *batch = rows_with_notes(schema, 2);
    wb_target target = {.table = in_space(f, "t"), .schema = schema, .write_timeout_us = SECOND_US};
    char conninfo[160];
    wb_err err;
    int listener, port = reserve_port(&listener);
    snprintf(conninfo, sizeof conninfo, "host=127.0.0.1 port=%d password=tell-nobody", port);
    wb_session *session = session_at(conninfo, &target);
    int code = write_until(session, batch, 10 * SECOND_US, &err);
    assert_failed(code, &err, WB_RETRY, "Connection refused");
    assert_null(strstr(err.text, "tell-nobody"));
    assert_int_equal(listen(listener, 8), 0);
    int64_t begin_us = wb_now_us();
    code = write_until(session, batch, 200000, &err);
    assert_failed(code, &err, WB_RETRY, "connecting to \"127.0.0.1\", port ");
    assert_true(wb_now_us() - begin_us < FOREVER_US);
    assert_false(err.in_doubt);
    session->class->end(session);
    close(listener);
    wb_batch_free(batch);
    wb_schema_unref(schema);
}

/* A dead first host takes its share of the time, not all of it; the good one is asked first next time. */
static void another_host(void **state)
{
    fixture *f = *state;
    wb_schema *schema = small_schema();
    wb_batch *batch = rows_with_notes(schema, 2);
    wb_target target = {.table = in_space(f, "t"), .schema = schema, .write_timeout_us = SECOND_US};
    char conninfo[512];
    wb_err err;
    int listener, port = reserve_port(&listener);
    assert_int_equal(listen(listener, 8), 0);
    snprintf(conninfo, sizeof conninfo,
             "host=127.0.0.1,%s port=%d,%s user=%s dbname=%s target_session_attrs=read-write",
             PQhost(f->admin), port, PQport(f->admin), PQuser(f->admin), PQdb(f->admin));
    sql(f, "CREATE TABLE t (n int8, note text)");
    wb_session *session = session_at(conninfo, &target);
    int code = write_until(session, batch, 4 * SECOND_US, &err);
    assert_string_equal(err.text, "");
    assert_ok(code);
    assert_int_equal(((wb_pg_session *)session)->host, 1);
    wb_pg_drop((wb_pg_session *)session);
    assert_ok(write_until(session, batch, 4 * SECOND_US, &err));
    assert_string_equal(sql(f, "SELECT count(*) FROM t"), "4");
    session->class->end(session);
    close(listener);
    wb_batch_free(batch);
    wb_schema_unref(schema);
}

static void refusals(void **state)
{
    static const struct {
        const char *no_user, *database, *words, *sqlstate;
    } cases[] = {
        {"", "no_such_database", "database \"no_such_database\" does not exist", "3D000"},
        {"no_such_", "postgres", "role \"no_such_", "28000"},
    };
    fixture *f = *state;
    wb_schema *schema = small_schema();
    wb_batch *batch = rows_with_notes(schema, 2);
    wb_target target = {.table = in_space(f, "t"), .schema = schema, .write_timeout_us = SECOND_US};
    char conninfo[512];
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        wb_err err;
        snprintf(conninfo, sizeof conninfo, "host=%s port=%s user=%s%s dbname=%s", PQhost(f->admin),
                 PQport(f->admin), cases[i].no_user, PQuser(f->admin), cases[i].database);
        wb_session *session = session_at(conninfo, &target);
        int code = write_until(session, batch, 10 * SECOND_US, &err);
        assert_failed(code, &err, WB_HOLD, cases[i].words);
        assert_string_equal(err.sqlstate, cases[i].sqlstate);
        session->class->end(session);
    }
    wb_batch_free(batch);
    wb_schema_unref(schema);
}

/* A server that may not be written to is one to look elsewhere for another: RETRY, on a new connection. */
static void read_only_server(void **state)
{
    fixture *f = *state;
    wb_schema *schema = small_schema();
    wb_batch *batch = rows_with_notes(schema, 2);
    wb_target target = {.table = in_space(f, "t"), .schema = schema, .write_timeout_us = SECOND_US};
    char conninfo[512];
    wb_err err;
    snprintf(conninfo, sizeof conninfo, "%s options='-c default_transaction_read_only=on'",
             test_conninfo());
    sql(f, "CREATE TABLE t (n int8, note text)");
    wb_session *session = session_at(conninfo, &target);
    int code = write_until(session, batch, 10 * SECOND_US, &err);
    assert_failed(code, &err, WB_RETRY, "read-only transaction");
    assert_null(((wb_pg_session *)session)->conn);
    session->class->end(session);
    wb_batch_free(batch);
    wb_schema_unref(schema);
}

/* Stops the backend of the session, and the pid is surely a server's of this machine. */
static pid_t freeze(wb_session *session)
{
    pid_t pid = PQbackendPID(((wb_pg_session *)session)->conn);
    char path[64], name[64] = "";
    snprintf(path, sizeof path, "/proc/%d/comm", (int)pid);
    FILE *comm = fopen(path, "r");
    assert_non_null(comm);
    assert_non_null(fgets(name, sizeof name, comm));
    fclose(comm);
    assert_int_equal(strncmp(name, "postgres", 8), 0);
    assert_int_equal(kill(pid, SIGSTOP), 0);
    return pid;
}

static void frozen_backend(void **state)
{
    fixture *f = *state;
    wb_schema *schema = small_schema();
    wb_batch *batches[] = {rows_with_notes(schema, 2), rows_with_notes(schema, 20000)};
    wb_err err;
    sql(f, "CREATE TABLE t (n int8, note text)");
    wb_session *session = writer(f, "t", schema);
    for (int i = 0; i < 2; i++) {
        assert_ok(write_until(session, batches[0], 10 * SECOND_US, &err));
        pid_t pid = freeze(session);
        int64_t begin_us = wb_now_us();
        int code = write_until(session, batches[i], 200000, &err);
        int64_t took_us = wb_now_us() - begin_us;
        kill(pid, SIGCONT);
        assert_failed(code, &err, WB_RETRY, "no answer from the server in time");
        assert_false(err.in_doubt);
        assert_true(took_us < FOREVER_US);
    }
    assert_string_equal(sql(f, "SELECT count(*) FROM t"), "4");
    session->class->end(session);
    wb_batch_free(batches[0]);
    wb_batch_free(batches[1]);
    wb_schema_unref(schema);
}

static void *ask_soon(void *cancel)
{
    usleep(100000);
    wb_cancel_ask(cancel);
    return NULL;
}

/* A request to stop ends a wait that had no deadline. */
static void cancelled(void **state)
{
    fixture *f = *state;
    wb_schema *schema = small_schema();
    wb_batch *batch = rows_with_notes(schema, 2);
    wb_cancel cancel;
    wb_deadline deadline = {.at_us = WB_NEVER, .cancel = &cancel};
    wb_err err = {.code = WB_OK};
    pthread_t thread;
    sql(f, "CREATE TABLE t (n int8, note text)");
    sql(f, "BEGIN; LOCK TABLE t");
    wb_session *session = writer(f, "t", schema);
    wb_cancel_init(&cancel);
    assert_int_equal(pthread_create(&thread, NULL, ask_soon, &cancel), 0);
    int code = session->class->write(session, batch, &deadline, &err);
    pthread_join(thread, NULL);
    assert_failed(code, &err, WB_RETRY, "stopped while waiting");
    assert_false(err.in_doubt);
    sql(f, "ROLLBACK");
    wb_cancel_fini(&cancel);
    session->class->end(session);
    wb_batch_free(batch);
    wb_schema_unref(schema);
}

typedef struct killer {
    PGconn *conn;
    int pid;
} killer;

static void *kill_when_waiting(void *context)
{
    killer *own = context;
    char text[256];
    snprintf(
        text, sizeof text,
        "DO $$ BEGIN WHILE NOT EXISTS (SELECT FROM pg_locks WHERE pid = %d AND NOT granted) LOOP "
        "PERFORM pg_sleep(0.01); END LOOP; PERFORM pg_terminate_backend(%d); END $$",
        own->pid, own->pid);
    PQclear(PQexec(own->conn, text));
    return NULL;
}

/* Killed while it waits for a key, the stream complete: the server says so, and that it rolled back. */
static void killed_while_waiting(void **state)
{
    fixture *f = *state;
    wb_schema *schema = small_schema();
    wb_batch *batch = rows_with_notes(schema, 2);
    wb_err err;
    pthread_t thread;
    killer own = {.conn = PQconnectdb(test_conninfo())};
    sql(f, "CREATE TABLE t (n int8, note text)");
    wb_session *session = writer(f, "t", schema);
    assert_ok(write_until(session, batch, 10 * SECOND_US, &err));
    sql(f, "TRUNCATE t; ALTER TABLE t ADD PRIMARY KEY (n)");
    sql(f, "BEGIN; INSERT INTO t VALUES (1)");
    own.pid = PQbackendPID(((wb_pg_session *)session)->conn);
    assert_int_equal(pthread_create(&thread, NULL, kill_when_waiting, &own), 0);
    int code = write_until(session, batch, FOREVER_US, &err);
    pthread_join(thread, NULL);
    assert_failed(code, &err, WB_RETRY, "terminating connection");
    assert_string_equal(err.sqlstate, "57P01");
    assert_false(err.in_doubt);
    sql(f, "ROLLBACK");
    assert_ok(write_until(session, batch, 10 * SECOND_US, &err));
    assert_string_equal(sql(f, "SELECT count(*) FROM t"), "2");
    PQfinish(own.conn);
    session->class->end(session);
    wb_batch_free(batch);
    wb_schema_unref(schema);
}

/* ---- a connection that is dead without looking so ---- */

static void *close_at_first_word(void *peer)
{
    char word;
    bool heard = read(*(int *)peer, &word, 1) == 1;
    close(*(int *)peer);
    return heard ? peer : NULL;
}

/* From now on the session's connection leads to nobody. Who joins the thread hears whether something was said. */
static pthread_t cut_line(wb_session *session, int *peer)
{
    int pair[2], fd = PQsocket(((wb_pg_session *)session)->conn);
    pthread_t thread;
    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM, 0, pair), 0);
    assert_int_equal(dup2(pair[0], fd), fd);
    close(pair[0]);
    *peer = pair[1];
    assert_int_equal(pthread_create(&thread, NULL, close_at_first_word, peer), 0);
    return thread;
}

static void assert_heard(pthread_t thread)
{
    void *heard = NULL;
    pthread_join(thread, &heard);
    assert_non_null(heard);
}

static void write_on_a_dead_line(void **state)
{
    fixture *f = *state;
    wb_schema *schema = small_schema();
    wb_batch *batch = rows_with_notes(schema, 2);
    wb_err err;
    int peer;
    sql(f, "CREATE TABLE t (n int8, note text)");
    wb_session *session = writer(f, "t", schema);
    assert_ok(write_until(session, batch, 10 * SECOND_US, &err));
    pthread_t thread = cut_line(session, &peer);
    assert_ok(write_until(session, batch, 10 * SECOND_US, &err));
    assert_heard(thread);
    assert_string_equal(sql(f, "SELECT count(*) FROM t"), "4");
    session->class->end(session);
    wb_batch_free(batch);
    wb_schema_unref(schema);
}

static void touch_on_a_dead_line(void **state)
{
    fixture *f = *state;
    wb_target target = {.table = in_space(f, "w"),
                        .key = "id",
                        .key_type = WB_TYPE_UUID,
                        .column = "used",
                        .column_type = WB_TYPE_TIMESTAMPTZ,
                        .unit_us = 1};
    wb_mark mark = {.count = 1};
    wb_marks marks = {.marks = &mark, .key_type = WB_TYPE_UUID, .count = 1, .at_us = wb_unix_us()};
    wb_deadline deadline = in_us(10 * SECOND_US);
    wb_touched touched;
    wb_err err;
    int peer;
    sql(f, "CREATE TABLE w (id uuid, used timestamptz); INSERT INTO w VALUES (lpad('', 32, "
           "'0')::uuid)");
    wb_session *session = f->store->class->session(f->store, &target);
    assert_ok(session->class->touch(session, &marks, &deadline, &touched, &err));
    pthread_t thread = cut_line(session, &peer);
    marks.at_us++;
    assert_ok(session->class->touch(session, &marks, &deadline, &touched, &err));
    assert_heard(thread);
    assert_int_equal(touched.updated, 1);
    session->class->end(session);
}

int main(void)
{
#define T(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        T(unreachable_server), T(another_host),         T(refusals),
        T(read_only_server),   T(frozen_backend),       T(killed_while_waiting),
        T(cancelled),          T(write_on_a_dead_line), T(touch_on_a_dead_line),
    };
    return cmocka_run_group_tests_name("postgres_outage", tests, NULL, NULL);
}
