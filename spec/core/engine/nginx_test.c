/* SPDX-License-Identifier: MIT
 * A process that is told to end as nginx tells its workers, with rows that a store does not take yet: a child goes
 * on with them when the process has ended. What happened is told through memory that all share. */
#include "support/support.h"

#include <dlfcn.h>
#include <errno.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "base/err.h"
#include "stores/store.h"

#define SECOND INT64_C(1000000)

enum { ROWS = 40, MOST = 256, EXIT_CODE = 23, LONGEST_S = 60 };

/* What nginx has, in a worker. */
volatile sig_atomic_t ngx_terminate;
uintptr_t ngx_process = 3;
int ngx_channel = -1;

struct told {
    atomic_int first;        /* the process that adds the rows */
    atomic_int writer;       /* the last that wrote, or tried to */
    atomic_bool open;        /* the store takes rows */
    atomic_int socket, pipe; /* descriptors of the first process */
    atomic_bool has_them;    /* whoever writes has one of them too */
    atomic_int times[MOST];  /* how often each row was written */
    atomic_bool refuse_fork; /* there can be no child */
};

static struct told *told;

/* Ours stands before the library's. */
pid_t fork(void)
{
    if (told != NULL && atomic_load(&told->refuse_fork)) {
        errno = EAGAIN;
        return -1;
    }
    pid_t (*real)(void) = NULL;
    *(void **)&real = dlsym(RTLD_NEXT, "fork");
    return real();
}

static void pause_ms(long ms)
{
    nanosleep(&(struct timespec){.tv_sec = ms / 1000, .tv_nsec = ms % 1000 * 1000000}, NULL);
}

/* ---- a store that is shut until the test opens it ---- */

static wb_store shut;

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

static bool has_descriptors(void)
{
    int type;
    socklen_t bytes = sizeof type;
    struct stat status;
    bool has_pipe = fstat(atomic_load(&told->pipe), &status) == 0 && S_ISFIFO(status.st_mode);
    return has_pipe ||
           getsockopt(atomic_load(&told->socket), SOL_SOCKET, SO_TYPE, &type, &bytes) == 0;
}

static int wait_for_opening(const wb_deadline *deadline, wb_err *err)
{
    atomic_store(&told->has_them, has_descriptors());
    atomic_store(&told->writer, getpid());
    while (!atomic_load(&told->open) && !wb_deadline_passed(deadline))
        pause_ms(1);
    return atomic_load(&told->open) ? WB_OK : wb_fail_store(err, WB_RETRY, "shut");
}

static void tell(int64_t n)
{
    atomic_fetch_add(&told->times[n % MOST], 1);
}

static int write_rows(wb_session *session, const wb_batch *batch, const wb_deadline *deadline,
                      wb_err *err)
{
    (void)session;
    int code = wait_for_opening(deadline, err);
    for (size_t i = 0; code == WB_OK && i < wb_batch_rows(batch); i++) {
        wb_value values[2];
        wb_batch_values(batch, i, values);
        tell(values[0].i);
    }
    return code;
}

static int touch_marks(wb_session *session, const wb_marks *marks, const wb_deadline *deadline,
                       wb_touched *out, wb_err *err)
{
    (void)session;
    int code = wait_for_opening(deadline, err);
    for (size_t i = 0; code == WB_OK && i < wb_marks_count(marks); i++) {
        wb_value id;
        wb_marks_key(marks, i, &id);
        tell((uint8_t)id.text[0]);
    }
    *out = (wb_touched){.updated = wb_marks_count(marks)};
    return code;
}

static void free_store(wb_store *store)
{
    (void)store;
}

static const wb_store_class shut_class = {
    .kind = "shut",
    .session = begin_session,
    .write = write_rows,
    .touch = touch_marks,
    .end = end_session,
    .free = free_store,
};

/* ---- the process that ends ---- */

static int64_t close_timeout_us;
static uint32_t attempts;

static void add_rows(int64_t from)
{
    wb_schema *schema = small_schema();
    wb_batcher_options options;
    wb_batcher_options_init(&options);
    options.store = &shut;
    options.schema = schema;
    options.table = "t";
    options.batch_size = 7;
    options.retry = (wb_retry){.initial_us = 1000, .max_us = 10000, .attempts = attempts};
    options.close_timeout_us = close_timeout_us;
    wb_batcher *batcher = NULL;
    if (wb_batcher_new(&options, &batcher, NULL) != WB_OK)
        abort();
    wb_schema_unref(schema);
    for (int64_t n = from; n < from + ROWS; n++) {
        wb_value values[2] = {int_value(n), text_value("a row")};
        if (wb_batcher_add(batcher, values, 2, NULL, NULL) != WB_OK)
            abort();
    }
    wb_pipeline_detach(wb_batcher_pipeline(batcher));
}

static void add_marks(int from)
{
    wb_tracker_options options;
    wb_tracker_options_init(&options);
    options.store = &shut;
    options.table = "t";
    options.key = "id";
    options.column = "at";
    options.retry = (wb_retry){.initial_us = 1000, .max_us = 10000};
    options.close_timeout_us = close_timeout_us;
    wb_tracker *tracker = NULL;
    if (wb_tracker_new(&options, &tracker, NULL) != WB_OK)
        abort();
    for (int n = from; n < from + ROWS; n++) {
        uint8_t id[16] = {(uint8_t)n};
        if (wb_tracker_add_uuid(tracker, id, WB_NEVER, NULL, NULL) != WB_OK)
            abort();
    }
}

static void end_hurried(void)
{
    add_rows(0);
    ngx_terminate = 1;
    exit(EXIT_CODE);
}

static void end_hurried_with_more(void)
{
    add_rows(0);
    add_marks(ROWS);
    add_rows(2 * ROWS);
    ngx_terminate = 1;
    exit(EXIT_CODE);
}

/* It waits in its exit handler when it is told. */
static void end_with_time(void)
{
    add_rows(0);
    exit(EXIT_CODE);
}

static void end_as_master(void)
{
    ngx_process = 1;
    end_hurried();
}

/* ---- the test's side ---- */

struct ending {
    pid_t pid;
    bool ended;
    int status;
};

static struct ending ending;

static void begin(void (*child)(void))
{
#ifdef __SANITIZE_THREAD__
    skip(); /* it can't start threads in a child that was forked beside another thread */
#endif
    prctl(PR_SET_CHILD_SUBREAPER, 1); /* a child that outlives its parent is ours */
    ending.pid = fork();
    assert_true(ending.pid >= 0);
    if (ending.pid == 0) {
        int ends[2];
        if (pipe(ends) != 0)
            abort();
        atomic_store(&told->first, getpid());
        atomic_store(&told->pipe, ends[0]);
        atomic_store(&told->socket, socket(AF_UNIX, SOCK_STREAM, 0));
        alarm(2 * LONGEST_S);
        child();
        abort(); /* it has to exit */
    }
}

static void wait_for_end(void)
{
    if (!ending.ended)
        assert_int_equal(waitpid(ending.pid, &ending.status, 0), ending.pid);
    ending.ended = true;
}

/* Until the process and its child have ended. */
static void wait_for_all(void)
{
    int status;
    wait_for_end();
    while (waitpid(-1, &status, 0) > 0 || errno == EINTR)
        continue;
}

static int rows_told(void)
{
    int rows = 0;
    for (int n = 0; n < MOST; n++)
        rows += atomic_load(&told->times[n]);
    return rows;
}

static bool tried_by_another(void)
{
    int writer = atomic_load(&told->writer);
    return writer != 0 && writer != atomic_load(&told->first);
}

static void wait_for_another(void)
{
    for (int ms = 0; ms < LONGEST_S * 1000 && !tried_by_another(); ms++)
        pause_ms(1);
    assert_true(tried_by_another());
}

static void check_each_once(int count)
{
    assert_int_equal(rows_told(), count);
    for (int n = 0; n < count; n++)
        assert_int_equal(atomic_load(&told->times[n]), 1);
}

static int prepare(void **state)
{
    (void)state;
    told = mmap(NULL, sizeof *told, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    shut.class = &shut_class;
    atomic_init(&shut.references, 1);
    close_timeout_us = LONGEST_S * SECOND;
    attempts = 0;
    memset(&ending, 0, sizeof ending);
    return told == MAP_FAILED ? -1 : 0;
}

static int tidy(void **state)
{
    (void)state;
    struct told *gone = told;
    told = NULL;
    return munmap(gone, sizeof *gone);
}

/* ---- tests ---- */

/* It ends as soon as the child has all, while the store is still away. */
static void test_child_goes_on_when_the_process_has_ended(void **state)
{
    (void)state;
    begin(end_hurried);
    wait_for_another();
    assert_false(atomic_load(&told->has_them));
    wait_for_end();
    assert_int_equal(WEXITSTATUS(ending.status), EXIT_CODE);
    assert_int_equal(rows_told(), 0);
    atomic_store(&told->open, true);
    wait_for_all();
    check_each_once(ROWS);
}

/* The child itself is told to end: it does, soon, and says what is lost. */
static void test_child_ends_when_it_is_told(void **state)
{
    (void)state;
    begin(end_hurried);
    wait_for_another();
    wait_for_end();
    kill(atomic_load(&told->writer), SIGTERM);
    wait_for_all();
    assert_int_equal(rows_told(), 0);
}

static void test_all_objects_go_to_one_child(void **state)
{
    (void)state;
    begin(end_hurried_with_more);
    wait_for_another();
    kill(ending.pid, SIGKILL);
    atomic_store(&told->open, true);
    wait_for_all();
    wait_for_end();
    check_each_once(3 * ROWS);
}

static void send_command(int channel, uintptr_t command)
{
    const struct {
        uintptr_t command;
        pid_t pid;
        intptr_t slot;
        int fd;
    } message = {.command = command, .pid = getpid(), .fd = -1};
    assert_int_equal(write(channel, &message, sizeof message), sizeof message);
}

static void test_hurry_may_come_late(void **state)
{
    (void)state;
    int channel[2];
    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM, 0, channel), 0);
    ngx_channel = channel[1];
    begin(end_with_time);
    while (atomic_load(&told->writer) == 0)
        pause_ms(1);
    pause_ms(700); /* more than it waits once it knows */
    assert_false(tried_by_another());
    send_command(channel[0], 2); /* that another worker has ended */
    send_command(channel[0], 4);
    wait_for_another();
    kill(ending.pid, SIGKILL);
    atomic_store(&told->open, true);
    wait_for_all();
    wait_for_end();
    check_each_once(ROWS);
    close(channel[0]);
    close(channel[1]);
    ngx_channel = -1;
}

static void test_no_child_of_the_master_process(void **state)
{
    (void)state;
    begin(end_as_master);
    while (atomic_load(&told->writer) == 0)
        pause_ms(1);
    pause_ms(1000); /* more than a worker waits */
    assert_false(tried_by_another());
    atomic_store(&told->open, true);
    wait_for_all();
    wait_for_end();
    assert_false(tried_by_another());
    check_each_once(ROWS);
}

static void test_no_child_where_the_rows_get_out_in_time(void **state)
{
    (void)state;
    atomic_store(&told->open, true);
    begin(end_hurried);
    wait_for_all();
    wait_for_end();
    assert_int_equal(WEXITSTATUS(ending.status), EXIT_CODE);
    assert_false(tried_by_another());
    check_each_once(ROWS);
}

static void test_goes_on_itself_where_it_can_have_no_child(void **state)
{
    (void)state;
    begin(end_hurried);
    atomic_store(&told->refuse_fork, true);
    while (atomic_load(&told->writer) == 0)
        pause_ms(1);
    pause_ms(1500); /* by then it has tried */
    atomic_store(&told->open, true);
    wait_for_all();
    wait_for_end();
    assert_int_equal(WEXITSTATUS(ending.status), EXIT_CODE);
    assert_false(tried_by_another());
    check_each_once(ROWS);
}

/* The write was stopped by us, not by the store. */
static void test_a_stopped_write_is_not_the_last_try(void **state)
{
    (void)state;
    attempts = 1;
    begin(end_hurried);
    wait_for_another();
    kill(ending.pid, SIGKILL);
    atomic_store(&told->open, true);
    wait_for_all();
    wait_for_end();
    check_each_once(ROWS);
}

static void test_child_gives_up_at_the_deadline(void **state)
{
    (void)state;
    close_timeout_us = 10 * SECOND; /* time enough to fork and to try */
    begin(end_hurried);
    wait_for_another();
    wait_for_all(); /* it never opens */
    wait_for_end();
    assert_int_equal(WEXITSTATUS(ending.status), EXIT_CODE);
    check_each_once(0);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, prepare, tidy)
    const struct CMUnitTest tests[] = {
        TEST(test_child_goes_on_when_the_process_has_ended),
        TEST(test_child_ends_when_it_is_told),
        TEST(test_all_objects_go_to_one_child),
        TEST(test_hurry_may_come_late),
        TEST(test_no_child_of_the_master_process),
        TEST(test_no_child_where_the_rows_get_out_in_time),
        TEST(test_goes_on_itself_where_it_can_have_no_child),
        TEST(test_a_stopped_write_is_not_the_last_try),
        TEST(test_child_gives_up_at_the_deadline),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
