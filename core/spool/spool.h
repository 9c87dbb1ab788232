/* SPDX-License-Identifier: MIT
 * A spool: a log of the rows that an object has accepted, in files that are mapped, so that they outlive the process. It
 * stands beside the object's memory: a row is encoded once, and copied into its batch and into the open segment. From then
 * on it is known by a number, which its batch keeps. Before a write its rows get the write's key; when they are settled they
 * are marked, and a segment without another row is removed. Whoever finds a spool that nobody has, replays it.
 * A row may also be in the spool alone (`parked`), where the memory has no room for it.
 *
 * Who calls what: one thread at a time puts, under its object's lock. Who has a batch covers and settles its rows. The
 * keeper, a thread of the object's (engine/keeper.h), tends: makes segments ready, proves, syncs and removes them. Locks:
 * the object's, then the spool's, which is never held across a wait for the disk, but where a row comes and no segment is
 * ready for it. */
#ifndef WB_SPOOL_H
#define WB_SPOOL_H

#include "rows/schema.h"
#include "spool/files.h"

/* A row that comes. */
typedef struct wb_spool_row {
    const uint8_t *tuple;
    size_t bytes;
    const char *table; /* NULL: the object's own */
    uint32_t route;    /* the number of that table: 0 for the object's own */
    bool routed;       /* where it goes is known */
    bool parked;
    int64_t unix_us;
    uint64_t adds;
    uint32_t replaces[2]; /* numbers of rows that are part of it now; 0: none */
} wb_spool_row;

/* Of a row, at the most: its table's name, a second row that it replaces, itself. */
enum { WB_SPOOL_ROW_ENTRIES = 3 };

/* The folder is made by wb_spool_open, at the first use of the object in its process. `kind`: "batcher". WB_MISUSE says what
 * is wrong with the path. */
int wb_spool_new(const wb_spool_options *options, const char *kind, const char *table,
                 const wb_schema *schema, bool replaces, wb_spool **out, wb_err *err);
/* `name` is the object's, and lives as long as it. Idempotent; locked by the object. */
int wb_spool_open(wb_spool *spool, const char *name, wb_err *err);
/* Lets go of the folder, which stays where a row waits in it. NULL is fine. */
void wb_spool_free(wb_spool *spool);
const char *wb_spool_path(const wb_spool *spool); /* of its folder; "" before it is open */

/* ---- for who puts: the object's lock ---- */

/* Makes room for a row of so many bytes, of the table of that name, if it is not the object's own. WB_STORE says why there is
 * none. */
int wb_spool_reserve(wb_spool *spool, size_t bytes, const char *table, uint32_t route, wb_err *err);
/* Is there room already, for one of the object's own table? Mostly there is. */
static inline bool wb_spool_is_ready(const wb_spool *spool, size_t bytes)
{
    return spool->current != NULL &&
           wb_spool_segment_fits(&spool->current->segment, WB_SPOOL_ROW_ENTRIES, bytes);
}
/* Puts the row that room was made for, and answers its number; *at is where it lies, to be changed until it is
 * published. */
uint32_t wb_spool_put(wb_spool *spool, const wb_spool_row *row, uint8_t **at);
void wb_spool_publish(wb_spool *spool);

/* What is put from now on is in other segments. Answers the last serial so far. */
uint64_t wb_spool_cut(wb_spool *spool);

#endif
