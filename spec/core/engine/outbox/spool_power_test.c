/* SPDX-License-Identifier: MIT
 * Processes that die, and machines that lose their power, at any call for the disk: the real batcher on real files, of which a
 * model says what the disk would have; and a store that fails and loses replies. Whatever comes:
 *   - a process that dies loses nothing that it accepted;
 *   - a machine loses nothing that was synced: by wb_batcher_sync, or as a proof on the disk shows;
 *   - nothing is in the store twice, nor what nobody added;
 *   - the next process always begins, and ends with all.
 * `spool_power_test N FIRST` plays N seeds from FIRST on; one alone is told. */
#include <inttypes.h>
#include <stdio.h>

#include "spool/disk.h"
#include "spool/files.h"
#include "support/seeds.h"
#include "support/spool_disk.h"
#include "support/spool_game.h"

enum { SEEDS = 600, LIVES = 4, STEPS = 60 };

static game the_game;
static bool the_spool_is_full; /* what comes may be in memory alone */

/* ---- what is on the disk ---- */

static void mark_synced(game *g, int n)
{
    g->rows[n].synced = true;
}

/* A file was synced: what its proofs show outlives the machine. */
static void note_synced(const char *path, const uint8_t *bytes, size_t size)
{
    wb_spool_reading reading;
    wb_spooled_row row;
    (void)path;
    wb_disk_starts++;
    if (wb_spool_segment_read(bytes, size, false, &reading, NULL) == WB_OK)
        for (uint32_t i = 0; i < reading.count; i++)
            if (wb_spool_segment_row(&reading, i, &row) && !row.settled)
                game_each_add(&the_game, row.tuple, mark_synced);
    wb_disk_starts--;
}

static void sync_all(game *g)
{
    wb_err err = {0};
    bool had[GAME_ROWS];
    for (int n = 0; n < GAME_ROWS; n++)
        had[n] = g->rows[n].accepted;
    int code = game_sync(g, &err);
    if (disk_stopped())
        return;
    if (code != WB_OK && !the_spool_is_full)
        game_flaw(g, err.text, code);
    for (int n = 0; n < GAME_ROWS; n++)
        g->rows[n].synced = g->rows[n].synced || (had[n] && code == WB_OK);
}

/* ---- a life ---- */

static void add(game *g)
{
    wb_err err = {0};
    bool had[GAME_ROWS];
    for (int i = 0; i < GAME_ROWS; i++)
        had[i] = g->rows[i].accepted;
    int n = g->count, code = game_add(g, &err);
    for (int i = 0; i < GAME_ROWS && the_spool_is_full; i++)
        g->rows[i].accepted = g->rows[i].accepted && had[i];
    if (code != WB_OK && (code != WB_FULL || (g->count > n && !the_spool_is_full)))
        game_flaw(g, err.text, code);
}

static void step(game *g)
{
    uint64_t dice = game_below(g, 100);
    if (dice < 55) {
        add(g);
    } else if (dice < 72) {
        game_take(g);
    } else if (dice < 86) {
        game_complete(g);
    } else if (dice < 92) {
        wb_clock_advance(g->clock, (int64_t)game_below(g, 2000000));
    } else if (dice < 96) {
        sync_all(g);
    } else if (dice < 98) {
        wb_pipeline_seal(wb_batcher_pipeline(g->batcher), WB_REASON_FLUSH);
    } else {
        game_look(g);
    }
}

/* An add whose call did not come back was promised nothing. */
static void die(game *g, bool power_lost, const game *before)
{
    bool within = disk_stopped();
    if (within)
        for (int n = 0; n < GAME_ROWS; n++)
            g->rows[n].accepted = before->rows[n].accepted && g->rows[n].accepted;
    else
        game_commit_some(g);
    disk_stop(power_lost);
    if (g->told)
        printf("%s%s\n", power_lost ? "the power is lost" : "the process dies",
               within ? " within a call" : "");
    for (int n = 0; n < GAME_ROWS; n++)
        g->rows[n].accepted = g->rows[n].accepted && (!power_lost || g->rows[n].synced);
    game_leave(g);
    disk_restore();
    wb_disk_starts += power_lost;
}

/* No segment is made any more, and the rows that come are large. */
static void fill_spool(game *g)
{
    the_spool_is_full = true;
    g->outbox->spool->options.max_bytes = 0;
    g->most_note = 2500;
}

static void live(game *g, uint64_t seed, bool power_lost, bool last)
{
    static game before;
    wb_err err = {0};
    the_spool_is_full = false;
    disk_watch(g->root, seed, note_synced);
    if (game_open(g, &err) != WB_OK) {
        game_flaw(g, err.text, 0);
        disk_stop(false);
        return;
    }
    if (!last && game_chance(g, 60))
        disk_stop_after(1 + game_below(g, game_chance(g, 50) ? 12 : 80), power_lost);
    for (int i = 0; i < STEPS && !disk_stopped() && g->failed[0] == '\0'; i++) {
        memcpy(before.rows, g->rows, sizeof before.rows);
        if (!last && game_chance(g, 3))
            fill_spool(g);
        if (i < 3)
            game_look(g), game_take(g);
        else
            step(g);
    }
    if (last && g->failed[0] == '\0') {
        game_drain(g);
        if (root_count(g->root, ".seg") > 2)
            game_flaw(g, "segments are left", (int64_t)root_count(g->root, ".seg"));
        disk_stop(false);
        game_leave(g);
        if (root_count(g->root, ".seg") > 0)
            game_flaw(g, "segments are left at the end", 0);
    } else {
        die(g, power_lost, &before);
    }
}

/* ---- a seed ---- */

static void plan(game *g)
{
    g->machine = game_chance(g, 70);
    g->ledger = game_chance(g, 60);
    g->coalesces = g->ledger && game_chance(g, 40);
    g->routes = game_chance(g, 40);
    g->batch_size = 1 + game_below(g, 12);
    g->merge_rows = game_chance(g, 40) ? 1 + game_below(g, 30) : 0;
    g->memory_bytes = game_chance(g, 30) ? game_below(g, 3000) : 1 << 20;
    g->most_note = game_chance(g, 10) ? 20000 : 1 + game_below(g, 600);
    wb_spool_segment_bytes = 8192 + 4096 * game_below(g, 4);
}

static bool play(uint64_t seed, bool told)
{
    game *g = &the_game;
    game_init(g, seed);
    g->told = told;
    plan(g);
    game_begin(g);
    if (told)
        printf("machine %d, ledger %d, coalesces %d, routes %d, memory %d\n", g->machine, g->ledger,
               g->coalesces, g->routes, (int)g->memory_bytes);
    int lives = 1 + (int)game_below(g, LIVES);
    for (int i = 0; i <= lives && g->failed[0] == '\0'; i++)
        live(g, next_random(&g->random), g->machine && game_chance(g, 60), i == lives);
    if (g->failed[0] == '\0')
        game_check(g);
    wb_disk_starts = 0;
    if (g->failed[0] != '\0')
        printf("seed %" PRIu64 ": %s; play it again: spool_power_test 1 %" PRIu64 "\n", seed,
               g->failed, seed);
    bool done = g->failed[0] == '\0';
    game_fini(g);
    return done;
}

static int play_seeds(uint64_t count, uint64_t first)
{
    return seeds_each(count, first, play);
}

int main(int count, char **words)
{
    return seeds_main(count, words, "spool_power", SEEDS, play_seeds);
}
