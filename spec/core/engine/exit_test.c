/* SPDX-License-Identifier: MIT
 * Process exit with rows pending: each test lets a child exit in one way, on a slow store that says through a
 * pipe which rows it has. Whatever add took before the exit has to arrive; what the child did before it is
 * told through memory that both share. */
#include "support/support.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "base/err.h"
#include "stores/store.h"

#define SECOND INT64_C(1000000)

enum { ROWS = 40, MOST = 1 << 16, EXIT_CODE = 23, LONGEST_S = 60 };

/* What a child tells. */
struct told {
    atomic_int accepted;    /* rows 0 … accepted - 1 were taken by add */
    atomic_bool took_down;  /* what a session needs was taken down */
    atomic_int torn_writes; /* writes after that */
};

static struct told *told;
static int rows_out = -1; /* the child's end of the pipe */

/* A child exits with objects and threads of its own on purpose. */
#if defined __SANITIZE_THREAD__ || defined __SANITIZE_ADDRESS__
#define SANITIZED true
#define HOOK      __attribute__((visibility("default"), used))
const char *__tsan_default_options(void);
const char *__asan_default_options(void);
HOOK const char *__tsan_default_options(void)
{
    return "report_thread_leaks=0:atexit_sleep_ms=0";
}
HOOK const char *__asan_default_options(void)
{
    return "detect_leaks=0";
}
#else
#define SANITIZED false
#endif

/* ---- a slow store ---- */

struct slow_store {
    wb_store base;
    long write_ms;
    atomic_int hold_first; /* the first write waits until it is 0 */
    atomic_bool writes;    /* a write has begun */
};

static struct slow_store slow;

static void pause_ms(long ms)
{
    nanosleep(&(struct timespec){.tv_sec = ms / 1000, .tv_nsec = ms % 1000 * 1000000}, NULL);
}

static wb_session *begin_session(wb_store *store, const wb_target *target)
{
    (void)target;
    wb_session *session = calloc(1, sizeof *session);
    session->class = store->class;
    return session;
}

static void end_session(wb_session *session)
{
    free(session);
}

static int write_slowly(wb_session *session, const wb_batch *batch, const wb_deadline *deadline,
                        wb_err *err)
{
    (void)session;
    atomic_store(&slow.writes, true);
    while (atomic_load(&slow.hold_first) > 0 && !wb_deadline_passed(deadline))
        pause_ms(1);
    for (long ms = 0; ms < slow.write_ms && !wb_deadline_passed(deadline); ms++)
        pause_ms(1);
    if (wb_deadline_passed(deadline))
        return wb_fail_store(err, WB_RETRY, "too slow");
    if (atomic_load(&told->took_down))
        atomic_fetch_add(&told->torn_writes, 1);
    for (size_t i = 0; i < wb_batch_rows(batch); i++) {
        wb_value values[2];
        wb_batch_values(batch, i, values);
        if (write(rows_out, &values[0].i, sizeof values[0].i) != (ssize_t)sizeof values[0].i)
            return wb_fail_store(err, WB_HOLD, "the pipe broke");
    }
    return WB_OK;
}

static int touch_slowly(wb_session *session, const wb_marks *marks, const wb_deadline *deadline,
                        wb_touched *out, wb_err *err)
{
    (void)session;
    (void)deadline;
    (void)err;
    pause_ms(slow.write_ms);
    for (size_t i = 0; i < wb_marks_count(marks); i++) {
        wb_value id;
        wb_marks_key(marks, i, &id);
        int64_t n = (uint8_t)id.text[0];
        if (write(rows_out, &n, sizeof n) != (ssize_t)sizeof n)
            return wb_fail_store(err, WB_HOLD, "the pipe broke");
    }
    *out = (wb_touched){.updated = wb_marks_count(marks)};
    return WB_OK;
}

static void free_store(wb_store *store)
{
    (void)store;
}

static const wb_store_class slow_class = {
    .kind = "slow",
    .session = begin_session,
    .write = write_slowly,
    .touch = touch_slowly,
    .end = end_session,
    .free = free_store,
};

/* ---- in the child ---- */

static wb_batcher *new_batcher(void)
{
    wb_schema *schema = small_schema();
    wb_batcher_options options;
    wb_batcher_options_init(&options);
    options.store = &slow.base;
    options.schema = schema;
    options.table = "t";
    options.batch_size = 10;
    options.interval_us = 3600 * SECOND;
    options.max_pending_rows = MOST;
    options.close_timeout_us = LONGEST_S * SECOND;
    wb_batcher *batcher = NULL;
    if (wb_batcher_new(&options, &batcher, NULL) != WB_OK)
        abort();
    wb_schema_unref(schema);
    return batcher;
}

static int add_row(wb_batcher *batcher, int64_t n)
{
    wb_value values[2] = {int_value(n), text_value("a row")};
    return wb_batcher_add(batcher, values, 2, NULL, NULL);
}

/* The next rows, one after another. */
static void add_rows(wb_batcher *batcher, int count)
{
    for (int i = 0; i < count; i++) {
        if (add_row(batcher, atomic_load(&told->accepted)) != WB_OK)
            abort();
        atomic_fetch_add(&told->accepted, 1);
    }
}

static _Noreturn void sleep_for_ever(void)
{
    for (;;)
        pause();
}

/* ---- in the parent ---- */

struct outcome {
    int status;
    int times[MOST]; /* row n came in so often */
    int rows;
};

static struct outcome outcome;

static void read_rows(int from)
{
    int64_t n;
    memset(&outcome, 0, sizeof outcome);
    while (read(from, &n, sizeof n) == (ssize_t)sizeof n) {
        assert_in_range(n, 0, MOST - 1);
        outcome.times[n]++;
        outcome.rows++;
    }
}

/* Runs it in a child, to its end. A child that hangs is ended by its alarm. */
static void run(void (*child)(void))
{
    int ends[2];
    assert_int_equal(pipe(ends), 0);
    fflush(NULL);
    pid_t pid = fork();
    assert_true(pid >= 0);
    if (pid == 0) {
        close(ends[0]);
        rows_out = ends[1];
        alarm(2 * LONGEST_S);
        child();
        abort(); /* it has to exit */
    }
    close(ends[1]);
    read_rows(ends[0]);
    close(ends[0]);
    assert_int_equal(waitpid(pid, &outcome.status, 0), pid);
}

static void check_all_arrived(void)
{
    assert_true(WIFEXITED(outcome.status));
    assert_int_equal(WEXITSTATUS(outcome.status), EXIT_CODE);
    int accepted = atomic_load(&told->accepted);
    for (int n = 0; n < accepted; n++)
        assert_int_equal(outcome.times[n], 1);
    assert_int_equal(atomic_load(&told->torn_writes), 0);
}

static int prepare(void **state)
{
    (void)state;
    told = mmap(NULL, sizeof *told, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    slow.base.class = &slow_class;
    atomic_init(&slow.base.references, 1);
    atomic_init(&slow.hold_first, 0);
    atomic_init(&slow.writes, false);
    slow.write_ms = 5;
    return told == MAP_FAILED ? -1 : 0;
}

static int tidy(void **state)
{
    (void)state;
    return munmap(told, sizeof *told);
}

/* ---- the ways to exit ---- */

static void exit_at_once(void)
{
    add_rows(new_batcher(), ROWS);
    exit(EXIT_CODE);
}

static void test_exit_drains(void **state)
{
    (void)state;
    run(exit_at_once);
    check_all_arrived();
    assert_int_equal(outcome.rows, ROWS);
}

static void exit_detached(void)
{
    for (int i = 0; i < 20; i++) {
        wb_batcher *batcher = new_batcher();
        add_rows(batcher, 1 + i);
        wb_pipeline_detach(wb_batcher_pipeline(batcher));
    }
    wb_pipeline_detach(wb_batcher_pipeline(new_batcher())); /* never used */
    exit(EXIT_CODE);
}

static void test_exit_waits_for_the_detached(void **state)
{
    (void)state;
    run(exit_detached);
    check_all_arrived();
    assert_int_equal(outcome.rows, 210);
}

static void exit_closed(void)
{
    wb_batcher *batcher = new_batcher();
    add_rows(batcher, ROWS);
    if (wb_pipeline_close(wb_batcher_pipeline(batcher), WB_NEVER, NULL) != WB_OK)
        abort();
    exit(EXIT_CODE);
}

static void test_exit_after_close(void **state)
{
    (void)state;
    run(exit_closed);
    check_all_arrived();
}

static void *call_exit(void *argument)
{
    (void)argument;
    exit(EXIT_CODE);
}

static void exit_elsewhere(void)
{
    pthread_t thread;
    add_rows(new_batcher(), ROWS);
    if (pthread_create(&thread, NULL, call_exit, NULL) != 0)
        abort();
    sleep_for_ever();
}

static void test_exit_from_another_thread(void **state)
{
    (void)state;
    run(exit_elsewhere);
    check_all_arrived();
    assert_int_equal(outcome.rows, ROWS);
}

/* Adds until it is told that exit has begun. */
static void *add_on(void *argument)
{
    wb_batcher *batcher = argument;
    for (int n = 0; n < MOST && add_row(batcher, n) == WB_OK; n++)
        atomic_store(&told->accepted, n + 1);
    sleep_for_ever();
}

static void exit_while_adding(void)
{
    pthread_t thread;
    if (pthread_create(&thread, NULL, add_on, new_batcher()) != 0)
        abort();
    while (atomic_load(&told->accepted) < 100)
        pause_ms(1);
    exit(EXIT_CODE);
}

static void test_exit_while_another_adds(void **state)
{
    (void)state;
    slow.write_ms = 0;
    run(exit_while_adding);
    check_all_arrived();
    assert_true(outcome.rows >= 100);
}

static void exit_again(void)
{
    exit(EXIT_CODE);
}

static void exit_within_exit(void)
{
    if (atexit(exit_again) != 0) /* runs after the drain */
        abort();
    add_rows(new_batcher(), ROWS);
    if (atexit(exit_again) != 0) /* runs before it */
        abort();
    exit(1);
}

static void test_exit_within_an_exit_handler(void **state)
{
    (void)state;
    run(exit_within_exit);
    check_all_arrived();
    assert_int_equal(outcome.rows, ROWS);
}

static wb_batcher *the_batcher;

static void add_and_close(void)
{
    if (add_row(the_batcher, 0) != WB_CLOSED ||
        wb_pipeline_flush(wb_batcher_pipeline(the_batcher), WB_NEVER, NULL) != WB_OK ||
        wb_pipeline_close(wb_batcher_pipeline(the_batcher), WB_NEVER, NULL) != WB_OK)
        abort();
    wb_pipeline_detach(wb_batcher_pipeline(the_batcher));
}

static void exit_and_use(void)
{
    atexit(add_and_close); /* runs after the drain */
    the_batcher = new_batcher();
    add_rows(the_batcher, ROWS);
    exit(EXIT_CODE);
}

static void test_use_after_the_drain(void **state)
{
    (void)state;
    run(exit_and_use);
    check_all_arrived();
}

static void take_down(void)
{
    atomic_store(&told->took_down, true);
}

/* As a library does that a session loads: its handler comes after the first row, before the first write ends. */
static void exit_with_library(void)
{
    wb_batcher *batcher = new_batcher();
    atomic_store(&slow.hold_first, 1);
    add_rows(batcher, ROWS);
    wb_pipeline_flush(wb_batcher_pipeline(batcher), 0, NULL);
    atexit(take_down);
    atomic_store(&slow.hold_first, 0);
    while (wb_pipeline_flush(wb_batcher_pipeline(batcher), WB_NEVER, NULL) != WB_OK)
        continue;
    add_rows(batcher, ROWS);
    exit(EXIT_CODE);
}

static void test_drains_before_what_a_session_loaded_goes(void **state)
{
    (void)state;
    run(exit_with_library);
    check_all_arrived();
    assert_int_equal(outcome.rows, 2 * ROWS);
    assert_true(atomic_load(&told->took_down));
}

static void exit_tracker(void)
{
    wb_tracker_options options;
    wb_tracker_options_init(&options);
    options.store = &slow.base;
    options.table = "t";
    options.key = "id";
    options.column = "at";
    options.chunk = 7;
    options.close_timeout_us = LONGEST_S * SECOND;
    wb_tracker *tracker = NULL;
    if (wb_tracker_new(&options, &tracker, NULL) != WB_OK)
        abort();
    for (int n = 0; n < ROWS; n++) {
        uint8_t id[16] = {(uint8_t)n};
        if (wb_tracker_add_uuid(tracker, id, WB_NEVER, NULL, NULL) != WB_OK)
            abort();
        atomic_fetch_add(&told->accepted, 1);
    }
    exit(EXIT_CODE);
}

static void test_exit_drains_a_tracker(void **state)
{
    (void)state;
    run(exit_tracker);
    check_all_arrived();
    assert_int_equal(outcome.rows, ROWS);
}

/* ---- fork ----
 * The allocators of the sanitizers are not held over a fork: where another thread allocates at that moment, the
 * child's first malloc may wait for ever. (LLVM's pull request 96600 mends it for TSan.) */

static void needs_a_malloc_that_forks(void)
{
    if (SANITIZED)
        skip();
}

/* Waits for a grandchild; its code, or -1. */
static int code_of(pid_t pid)
{
    int status;
    if (pid < 0 || waitpid(pid, &status, 0) != pid)
        return -1;
    return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

/* The grandchild leaves through exit while its parent's flusher is in the middle of a write. */
static void fork_and_exit(void)
{
    wb_batcher *batcher = new_batcher();
    atomic_store(&slow.hold_first, 1);
    add_rows(batcher, ROWS);
    wb_pipeline_flush(wb_batcher_pipeline(batcher), 0, NULL);
    while (!atomic_load(&slow.writes))
        pause_ms(1);
    pid_t pid = fork();
    if (pid == 0) {
        alarm(LONGEST_S);
        wb_stats stats;
        bool refused = add_row(batcher, 0) == WB_FORK &&
                       wb_pipeline_flush(wb_batcher_pipeline(batcher), WB_NEVER, NULL) == WB_FORK &&
                       wb_pipeline_close(wb_batcher_pipeline(batcher), WB_NEVER, NULL) == WB_FORK &&
                       wb_pipeline_stats(wb_batcher_pipeline(batcher), &stats, NULL) == WB_FORK;
        wb_pipeline_detach(wb_batcher_pipeline(batcher));
        exit(refused ? EXIT_CODE : 1);
    }
    int code = code_of(pid);
    atomic_store(&slow.hold_first, 0);
    exit(code);
}

static void test_child_of_a_busy_process_exits(void **state)
{
    (void)state;
    run(fork_and_exit);
    check_all_arrived();
    assert_int_equal(outcome.rows, ROWS);
}

/* The grandchild has a batcher of its own, and one that it inherited unused; exit waits for both. */
static void fork_and_work(void)
{
    wb_batcher *used = new_batcher(), *unused = new_batcher();
    add_rows(used, ROWS);
    pid_t pid = fork();
    if (pid == 0) {
        alarm(LONGEST_S);
        add_rows(unused, ROWS);
        wb_batcher *own = new_batcher();
        add_rows(own, ROWS);
        wb_pipeline_detach(wb_batcher_pipeline(own));
        exit(EXIT_CODE);
    }
    int code = code_of(pid);
    add_rows(unused, ROWS);
    exit(code);
}

static void test_child_works_with_others(void **state)
{
    (void)state;
    needs_a_malloc_that_forks();
    run(fork_and_work);
    check_all_arrived();
    assert_int_equal(outcome.rows, 4 * ROWS);
}

/* Forks again and again while other threads add: no lock is left held in any child. */
static void fork_often(void)
{
    pthread_t thread;
    if (pthread_create(&thread, NULL, add_on, new_batcher()) != 0)
        abort();
    while (atomic_load(&told->accepted) == 0)
        pause_ms(1);
    for (int i = 0; i < 20; i++) {
        pid_t pid = fork();
        if (pid == 0) {
            alarm(LONGEST_S);
            wb_pipeline_detach(wb_batcher_pipeline(new_batcher()));
            exit(EXIT_CODE);
        }
        if (code_of(pid) != EXIT_CODE)
            exit(1);
    }
    exit(EXIT_CODE);
}

static void test_forks_at_any_time(void **state)
{
    (void)state;
    needs_a_malloc_that_forks();
    slow.write_ms = 0;
    run(fork_often);
    check_all_arrived();
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, prepare, tidy)
    const struct CMUnitTest tests[] = {
        TEST(test_exit_drains),
        TEST(test_exit_waits_for_the_detached),
        TEST(test_exit_after_close),
        TEST(test_exit_from_another_thread),
        TEST(test_exit_while_another_adds),
        TEST(test_exit_within_an_exit_handler),
        TEST(test_use_after_the_drain),
        TEST(test_drains_before_what_a_session_loaded_goes),
        TEST(test_exit_drains_a_tracker),
        TEST(test_child_of_a_busy_process_exits),
        TEST(test_child_works_with_others),
        TEST(test_forks_at_any_time),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
