/* SPDX-License-Identifier: MIT
 * A batcher with a spool on a manual clock, before a store of the test's own, which remembers what it has: by the ids of
 * batches, as a ledger does, or by those of rows. Each row says which add it is: a row of a key its digits (16^j is its j-th
 * add). Processes come and go; the store outlives them, and so does what is counted of each add. What is wrong is said
 * in `failed`. */
#ifndef WB_SPOOL_GAME_H
#define WB_SPOOL_GAME_H

#include "engine/spooling.h"
#include "support/spool_root.h"
#include "support/support.h"

enum { GAME_ROWS = 360, GAME_DIGITS = 15, GAME_FLIGHTS = 2, GAME_TABLES = 3, GAME_WRITES = 4000 };

typedef struct game {
    char root[ROOT_PATH];
    uint64_t random;
    wb_clock *clock;
    wb_schema *schema;
    wb_batcher *batcher; /* NULL: there is none */
    wb_outbox *outbox;   /* its own */

    /* the plan */
    bool machine, ledger, coalesces, routes, well, told, rejects;
    uint64_t batch_size, memory_bytes, merge_rows;
    size_t most_note; /* of a row, in bytes */

    int count; /* adds that were tried */
    int digits[GAME_ROWS / GAME_DIGITS];
    struct game_row {
        bool tried, accepted, synced; /* accepted, and not lost with the machine since */
        int times;                    /* that the store has it */
        uint8_t id[16];
    } rows[GAME_ROWS];
    uint8_t writes[GAME_WRITES][16];
    size_t write_count;
    wb_batch *flight[GAME_FLIGHTS];
    char failed[400];
} game;

void game_init(game *g, uint64_t seed); /* the plan is the caller's */
void game_begin(game *g);               /* with its plan */
void game_fini(game *g);
uint64_t game_below(game *g, uint64_t n);
bool game_chance(game *g, int of_hundred);
void game_flaw(game *g, const char *what, int64_t n);

/* A new process: a batcher. It takes over what is there at its first take. */
int game_open(game *g, wb_err *err);
/* The process ends as it likes: what it wrote is undone by disk_restore. */
void game_leave(game *g);
int game_add(game *g, wb_err *err);
void game_look(game *g); /* the next take looks for what others left */
bool game_take(game *g);
/* The store does what it does with a write, and the batcher is told. */
void game_complete(game *g);
int game_sync(game *g, wb_err *err);
void game_commit_some(game *g); /* writes that are under way when the process ends */
uint64_t game_pending(game *g);
/* Until nothing is pending and all was taken over; a flaw where that never comes. */
void game_drain(game *g);
/* What the store has: each add at most once, those that are owed exactly once. */
void game_check(game *g);
/* Marks the adds that a row is made of. */
void game_each_add(game *g, const uint8_t *tuple, void (*visit)(game *g, int n));

#endif
