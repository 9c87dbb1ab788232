/* SPDX-License-Identifier: MIT
 * Each allocation, and each call for the disk, fails in turn, and all that come after it: while a batcher is made, while rows
 * come, go and are synced, while what another process left is taken over, and while parked rows come back. Then memory and
 * disk are well again. Nothing is lost by that and nothing is doubled, and what was refused says why. */
#include "support/support.h"

#include <stdio.h>

#include "base/env.h"
#include "spool/disk.h"
#include "support/rounds.h"
#include "support/spool_disk.h"
#include "support/spool_game.h"

enum { MOST_CALLS = 3000, KINDS = 2, FORMS = 4, STRIDE = 60 };

static game the_game;
static bool the_disk_fails, the_game_adopts;

/* From the n-th on; 0: none. */
static void fail_after(size_t n)
{
    wb_disk_fail_after(the_disk_fails ? n : 0);
    wb_alloc_fail_after(the_disk_fails ? 0 : n);
}

/* Forms of a game: what its rows are, and whether the spool outlives the machine. */
static void begin(game *g, uint64_t seed, int form)
{
    game_init(g, seed);
    g->machine = form % 2 == 1;
    g->coalesces = g->ledger = form >= 2;
    g->rejects = seed % 2 == 1;
    g->routes = true;
    g->batch_size = 6;
    g->memory_bytes = 1 << 20;
    g->most_note = 400;
    wb_spool_segment_bytes = 8192;
    game_begin(g);
}

static void check(game *g, size_t n)
{
    if (g->failed[0] != '\0')
        fail_msg("%s %zu, coalesces %d, machine %d, rejects %d: %s",
                 the_disk_fails ? "disk" : "memory", n, g->coalesces, g->machine, g->rejects,
                 g->failed);
}

/* All of it, at the end of a game: it may take another process to see what this one could not. */
static void end(game *g, size_t n)
{
    fail_after(0);
    if (g->batcher != NULL) {
        game_drain(g);
        /* what the disk did not remove, or no memory was for, is the next process's */
        if (!the_game_adopts && !the_disk_fails && root_count(g->root, ".seg") > 2)
            game_flaw(g, "segments stay", (int64_t)root_count(g->root, ".seg"));
        wb_pipeline_detach(wb_batcher_pipeline(g->batcher));
    }
    check(g, n);
    assert_ok(game_open(g, NULL));
    game_drain(g);
    wb_pipeline_detach(wb_batcher_pipeline(g->batcher));
    game_check(g);
    if (root_count(g->root, ".seg") > 0)
        game_flaw(g, "segments are left", (int64_t)root_count(g->root, ".seg"));
    check(g, n);
    game_fini(g);
}

static void check_refusal(game *g, int code, const wb_err *err)
{
    bool known = code == WB_MEMORY || code == WB_STORE || code == WB_FULL;
    if (code != WB_OK && (!known || err->text[0] == '\0'))
        game_flaw(g, "a refusal without a reason", code);
    if (code == WB_STORE && strstr(err->text, "spool") == NULL &&
        strstr(err->text, "memory") == NULL)
        game_flaw(g, err->text, code);
}

static void add_some(game *g, int count)
{
    for (int i = 0; i < count; i++) {
        wb_err err = {0};
        int tried = g->count, code = game_add(g, &err);
        if (g->count > tried)
            check_refusal(g, code, &err);
    }
}

static void deliver_some(game *g, int count)
{
    for (int i = 0; i < count; i++) {
        if (i % 3 == 0)
            wb_pipeline_seal(wb_batcher_pipeline(g->batcher), WB_REASON_FLUSH);
        game_take(g);
        game_complete(g);
        wb_clock_advance(g->clock, 1000000);
    }
}

/* ---- what is done while something fails; false: nothing failed any more ---- */

static bool still_fails(void)
{
    bool fails = the_disk_fails ? wb_disk_remove("/dev/shm/none of that name", NULL) != WB_OK
                                : wb_alloc_fails();
    fail_after(0);
    return fails;
}

static bool make(game *g, size_t n)
{
    wb_err err = {0};
    fail_after(n);
    int code = game_open(g, &err);
    bool failed = still_fails();
    check_refusal(g, code, &err);
    if (code != WB_OK) {
        g->batcher = NULL;
        if (root_count(g->root, NULL) > 0)
            game_flaw(g, "files are left", 0);
    }
    end(g, n);
    return failed;
}

static bool use(game *g, size_t n)
{
    wb_err err = {0};
    assert_ok(game_open(g, NULL));
    add_some(g, 20);
    deliver_some(g, 2);
    fail_after(n);
    add_some(g, 40);
    check_refusal(g, game_sync(g, &err), &err);
    deliver_some(g, 20);
    add_some(g, 30);
    deliver_some(g, 6);
    bool failed = still_fails();
    add_some(g, 5);
    end(g, n);
    return failed;
}

static bool park(game *g, size_t n)
{
    g->memory_bytes = 4000;
    assert_ok(game_open(g, NULL));
    add_some(g, 100);
    deliver_some(g, 2);
    fail_after(n);
    add_some(g, 10);
    deliver_some(g, 30);
    add_some(g, 20);
    deliver_some(g, 6);
    bool failed = still_fails();
    end(g, n);
    return failed;
}

/* A process dies with writes under way, and rows without any; the next one fails at taking them over. */
static bool adopt(game *g, size_t n)
{
    disk_watch(g->root, 1, NULL);
    assert_ok(game_open(g, NULL));
    add_some(g, 60);
    deliver_some(g, 6);
    add_some(g, 10);
    game_take(g);
    game_commit_some(g);
    disk_stop(false);
    game_leave(g);
    disk_restore();
    assert_ok(game_open(g, NULL));
    the_game_adopts = true;
    fail_after(n);
    wb_err err = {0};
    for (int i = 0; i < 3; i++) {
        game_look(g);
        game_take(g);
    }
    check_refusal(g, game_sync(g, &err), &err);
    bool failed = still_fails();
    end(g, n);
    return failed;
}

/* ---- each call in turn ---- */

static void play(bool (*body)(game *g, size_t n), bool disk)
{
    the_disk_fails = disk;
    the_game_adopts = false;
    bool few = rounds(10) < 10;
    for (int form = 0; form < FORMS; form++)
        for (size_t n = 1; n < MOST_CALLS; n += !few ? 1 : n < STRIDE ? 3 : 23) {
            begin(&the_game, n, form);
            if (!body(&the_game, n))
                break;
        }
}

static void test_making(void **state)
{
    (void)state;
    play(make, true);
    play(make, false);
}

static void test_using(void **state)
{
    (void)state;
    play(use, true);
    play(use, false);
}

static void test_parking(void **state)
{
    (void)state;
    play(park, true);
    play(park, false);
}

static void test_adopting(void **state)
{
    (void)state;
    play(adopt, true);
    play(adopt, false);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_making),
        cmocka_unit_test(test_using),
        cmocka_unit_test(test_parking),
        cmocka_unit_test(test_adopting),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
