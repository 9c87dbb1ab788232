/* SPDX-License-Identifier: MIT
 * A database that is open when its process forks can't be used in the child, which would lock nothing. A database that
 * was closed before the fork can. */
#include "support/support.h"

#include <stdio.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

static wb_batcher *new_driven(wb_store *store)
{
    wb_batcher *batcher = NULL;
    wb_schema *schema = small_schema();
    wb_batcher_options options;
    wb_batcher_options_init(&options);
    options.store = store;
    options.schema = schema;
    options.table = "t";
    options.driven = true;
    assert_ok(wb_batcher_new(&options, &batcher, NULL));
    wb_schema_unref(schema);
    return batcher;
}

static int write_one(wb_batcher *batcher, wb_err *err)
{
    wb_outcome outcome;
    wb_value values[2] = {int_value(1), text_value("a row")};
    assert_ok(wb_batcher_add(batcher, values, 2, NULL, NULL));
    wb_pipeline_seal(wb_batcher_pipeline(batcher), WB_REASON_FLUSH);
    wb_batch *batch = wb_batcher_take(batcher);
    int code = wb_batcher_write(batcher, batch, &outcome, err);
    wb_batcher_complete(batcher, batch, &(wb_outcome){.code = WB_OK});
    return code;
}

/* Writes in a child, and returns the status that it ended with. */
static int write_in_child(wb_store *store, char text[256])
{
    int ends[2], status;
    assert_int_equal(pipe(ends), 0);
    pid_t child = fork();
    assert_true(child >= 0);
    if (child == 0) {
        wb_err err = {0};
        int code = write_one(new_driven(store), &err);
        bool told = write(ends[1], err.text, 255) == 255;
        _exit(!told ? 99 : code == WB_OK ? 0 : err.error_class == WB_HOLD ? 1 : 2);
    }
    assert_int_equal(read(ends[0], text, 255), 255);
    text[255] = '\0';
    close(ends[0]);
    close(ends[1]);
    assert_int_equal(waitpid(child, &status, 0), child);
    return WEXITSTATUS(status);
}

static void an_open_database_is_the_parents_alone(void **state)
{
    (void)state;
    char folder[] = "/tmp/writebehind-fork-XXXXXX", path[64], text[256];
    wb_store *store = NULL;
    assert_non_null(mkdtemp(folder));
    snprintf(path, sizeof path, "%s/db", folder);
    assert_ok(wb_store_sqlite(path, true, &store, NULL));
    wb_batcher *batcher = new_driven(store);
    assert_ok(write_one(batcher, NULL));
    assert_int_equal(write_in_child(store, text), 1);
    assert_non_null(strstr(text, "it was open when this process was forked"));
    assert_ok(write_one(batcher, NULL));
    assert_ok(wb_pipeline_close(wb_batcher_pipeline(batcher), wb_now_us(), NULL));
    assert_int_equal(write_in_child(store, text), 0);
    wb_pipeline_detach(wb_batcher_pipeline(batcher));
    wb_store_unref(store);
    static const char *const suffixes[] = {"", "-wal", "-shm"};
    for (int i = 0; i < 3; i++) {
        snprintf(path, sizeof path, "%s/db%s", folder, suffixes[i]);
        unlink(path);
    }
    assert_int_equal(rmdir(folder), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(an_open_database_is_the_parents_alone)};
    return cmocka_run_group_tests_name("sqlite_fork", tests, NULL, NULL);
}
