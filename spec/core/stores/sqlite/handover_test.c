/* SPDX-License-Identifier: MIT
 * An nginx worker that ends in a hurry hands its rows to a child, which writes them to a database that a driven object
 * of the worker has open too. SQLite forbids to carry a connection over a fork: the child would believe in locks that
 * ended with the worker. */
#include "support/support.h"

#include <errno.h>
#include <dlfcn.h>
#include <signal.h>
#include <sqlite3.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define SECOND INT64_C(1000000)

enum { ROWS = 40, LONGEST_S = 60 };

/* The variables of an nginx worker. */
volatile sig_atomic_t ngx_terminate;
uintptr_t ngx_process = 3;
int ngx_channel = -1;

struct told {
    atomic_bool open;   /* the driven object has the database open */
    atomic_bool locked; /* the test has the write lock */
    atomic_int forks;
};

static struct told *told;
static char path[64];

/* Stands before libc's, to count. */
pid_t fork(void)
{
    pid_t (*real)(void) = NULL;
    *(void **)&real = dlsym(RTLD_NEXT, "fork");
    pid_t child = real();
    if (child > 0)
        atomic_fetch_add(&told->forks, 1);
    return child;
}

static void pause_ms(long ms)
{
    nanosleep(&(struct timespec){.tv_sec = ms / 1000, .tv_nsec = ms % 1000 * 1000000}, NULL);
}

/* ---- the process that ends ---- */

static wb_batcher *new_batcher(wb_store *store, bool driven)
{
    wb_batcher *batcher = NULL;
    wb_schema *schema = small_schema();
    wb_batcher_options options;
    wb_batcher_options_init(&options);
    options.store = store;
    options.schema = schema;
    options.table = "t";
    options.driven = driven;
    options.retry = (wb_retry){.initial_us = 1000, .max_us = 10000};
    options.close_timeout_us = LONGEST_S * SECOND;
    if (wb_batcher_new(&options, &batcher, NULL) != WB_OK)
        abort();
    wb_schema_unref(schema);
    return batcher;
}

static void add(wb_batcher *batcher, int64_t n)
{
    wb_value values[2] = {int_value(n), text_value("a row")};
    if (wb_batcher_add(batcher, values, 2, NULL, NULL) != WB_OK)
        abort();
}

static void drive_one(wb_batcher *batcher)
{
    wb_outcome outcome;
    add(batcher, 0);
    wb_pipeline_seal(wb_batcher_pipeline(batcher), WB_REASON_FLUSH);
    wb_batch *batch = wb_batcher_take(batcher);
    if (wb_batcher_write(batcher, batch, &outcome, NULL) != WB_OK)
        abort();
    wb_batcher_complete(batcher, batch, &(wb_outcome){.code = WB_OK});
}

static void end_hurried(void)
{
    wb_store *store = NULL;
    if (wb_store_sqlite(path, true, &store, NULL) != WB_OK)
        abort();
    drive_one(new_batcher(store, true));
    atomic_store(&told->open, true);
    while (!atomic_load(&told->locked))
        pause_ms(1);
    wb_batcher *batcher = new_batcher(store, false);
    for (int64_t n = 1; n < ROWS; n++)
        add(batcher, n);
    ngx_terminate = 1;
    exit(0);
}

/* ---- the test's side ---- */

static void wait_for(bool (*ready)(void))
{
    for (int ms = 0; ms < LONGEST_S * 1000 && !ready(); ms++)
        pause_ms(1);
    assert_true(ready());
}

static bool is_open(void)
{
    return atomic_load(&told->open);
}

static bool is_handed_over(void)
{
    return atomic_load(&told->forks) == 2;
}

static int count_rows(void)
{
    sqlite3 *db;
    sqlite3_stmt *statement;
    assert_int_equal(sqlite3_open(path, &db), SQLITE_OK);
    assert_int_equal(sqlite3_prepare_v2(db, "SELECT count(*) FROM t", -1, &statement, NULL),
                     SQLITE_OK);
    assert_int_equal(sqlite3_step(statement), SQLITE_ROW);
    int count = sqlite3_column_int(statement, 0);
    sqlite3_finalize(statement);
    sqlite3_close(db);
    return count;
}

/* Returns a pipe that ends when the process and its children have ended. */
static void begin(pid_t *process)
{
    prctl(PR_SET_CHILD_SUBREAPER, 1);
    *process = fork();
    assert_true(*process >= 0);
    if (*process == 0) {
        alarm(2 * LONGEST_S);
        end_hurried();
    }
}

static void test_a_driven_connection_is_not_carried_over_the_fork(void **state)
{
    (void)state;
#ifdef __SANITIZE_THREAD__
    skip(); /* it can't start threads in a child that was forked beside another thread */
#endif
    pid_t process;
    sqlite3 *db;
    begin(&process);
    wait_for(is_open);
    assert_int_equal(sqlite3_open(path, &db), SQLITE_OK);
    assert_int_equal(sqlite3_exec(db, "BEGIN IMMEDIATE", NULL, NULL, NULL), SQLITE_OK);
    atomic_store(&told->locked, true);
    wait_for(is_handed_over);
    pause_ms(1000); /* the child has the database open by then, and waits for the lock */
    kill(process, SIGKILL);
    assert_int_equal(waitpid(process, NULL, 0), process);
    sqlite3_exec(db, "COMMIT", NULL, NULL, NULL);
    sqlite3_close(db); /* removes the log where nobody else has the database open */
    while (waitpid(-1, NULL, 0) > 0 || errno == EINTR)
        continue; /* the child is ours since its parent has ended */
    assert_int_equal(count_rows(), ROWS);
}

static int prepare(void **state)
{
    (void)state;
    told = mmap(NULL, sizeof *told, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    strcpy(path, "/tmp/writebehind-exit-XXXXXX");
    if (told == MAP_FAILED || mkdtemp(path) == NULL)
        return -1;
    strcat(path, "/db");
    return 0;
}

static int tidy(void **state)
{
    (void)state;
    static const char *const suffixes[] = {"", "-wal", "-shm"};
    char name[80];
    for (int i = 0; i < 3; i++) {
        snprintf(name, sizeof name, "%s%s", path, suffixes[i]);
        unlink(name);
    }
    *strrchr(path, '/') = '\0';
    return rmdir(path);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_a_driven_connection_is_not_carried_over_the_fork,
                                        prepare, tidy),
    };
    return cmocka_run_group_tests_name("sqlite_handover", tests, NULL, NULL);
}
