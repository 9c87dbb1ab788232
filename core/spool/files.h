/* SPDX-License-Identifier: MIT
 * The files of a spool: its segments, in the order of their rows, each with a slot, so that a number is enough to find a row.
 * A number keeps its meaning until its row is settled and its file removed, which the keeper alone does. */
#ifndef WB_SPOOL_FILES_H
#define WB_SPOOL_FILES_H

#include "base/sync.h"
#include "spool/folder.h"
#include "spool/reading.h"
#include "spool/segment.h"

/* As the batcher's options of these names. */
typedef struct wb_spool_options {
    const char *path;
    int32_t durability;
    int64_t sync_us;
    uint64_t max_bytes;
    int32_t on_error;
    uint64_t memory_bytes;
} wb_spool_options;

/* A segment and what this process knows of it. */
typedef struct wb_spool_file {
    wb_spool_segment segment;
    struct wb_spool_file *before, *next; /* by serial */
    uint32_t slot;
    uint32_t rows;           /* that were put: who puts, until it is full */
    uint32_t settled;        /* of them: the spool's lock */
    unsigned pins;           /* who needs the map: the spool's lock */
    bool full;               /* nothing more is put into it: the spool's lock */
    bool proven, unsynced;   /* all of it is proven; some of it could not be synced: the keeper's */
    bool emptied;            /* the spool's lock */
    bool replaces;           /* its rows may replace others, and stay until these are settled */
    uint32_t resolved;       /* entries of which that is so: the keeper's */
    bool marked;             /* by that, since it was synced: the keeper's */
    atomic_uint keys;        /* how often keys were put into it */
    atomic_uint synced_keys; /* of these times, those that are on the disk */
    bool doubtful;           /* its rows may have been written without a key on the disk */
    uint32_t parked; /* rows that are in no memory: its object's lock, as all that follows */
    uint64_t ticket; /* of its parked rows */
} wb_spool_file;

/* What a number stands for. 0 is none. */
static inline uint32_t wb_spool_slot(uint32_t number)
{
    return number >> WB_SPOOL_ENTRY_BITS;
}
static inline uint32_t wb_spool_entry_of(uint32_t number)
{
    return number & (WB_SPOOL_MOST_ENTRIES - 1);
}

enum {
    WB_SPOOL_SLOTS = 1 << (32 - WB_SPOOL_ENTRY_BITS),
    WB_SPOOL_MAPS = 16, /* segments that stay mapped, besides those that somebody needs */
};

extern size_t wb_spool_segment_bytes; /* of a usual segment: 4 MiB; a test takes less */

struct wb_spool_name { /* a table's, in the open segment */
    uint64_t serial;
    uint32_t entry;
};

typedef struct wb_spool {
    wb_spool_options options; /* its path is from the root, and owned */
    char *kind;
    const char *name; /* the object's; NULL: it was never open */
    uint8_t *head; /* the first entry of each segment: the object's table, and its schema's text */
    size_t head_bytes;
    bool replaces;
    bool eager;       /* the next segment is always ready; else from the second one on */
    wb_folder folder; /* its path is NULL before it is open */
    wb_monitor monitor;

    /* who puts */
    wb_spool_file *current;
    uint32_t low; /* of the open segment's floor: then the next one is to be made ready */
    struct wb_spool_name *names;
    uint32_t names_room;
    atomic_bool unproven; /* something was put since the keeper last looked */

    /* the monitor */
    wb_spool_file *first, *last; /* by serial */
    wb_spool_file *spare;
    bool wants_spare, woken;
    wb_spool_file **slots;
    uint32_t next_slot;
    uint32_t files, mapped;
    uint64_t bytes, serial;
    bool troubled;
    wb_err trouble;
    uint64_t sync_wanted, sync_done, sync_failed;
    bool tended; /* there is a keeper */

    /* the keeper */
    unsigned looks; /* at the root */
    unsigned stuck; /* looks in a row that left something of what was taken over for the next */
} wb_spool;

static inline bool wb_spool_outlives_machine(const wb_spool *spool)
{
    return spool->options.durability == WB_DURABLE_MACHINE;
}

/* ---- locked by the monitor ---- */

/* May so many bytes more be on the disk? */
bool wb_spool_has_room(wb_spool *spool, size_t bytes, wb_err *err);
/* Gives the file a slot and puts it behind all others. False: there are too many. */
bool wb_spool_admit(wb_spool *spool, wb_spool_file *file, wb_err *err);
/* Nothing more is put into it. */
void wb_spool_fill_up(wb_spool_file *file);
/* Takes it out again. */
void wb_spool_dismiss(wb_spool *spool, wb_spool_file *file);

/* ---- unlocked ---- */

/* The room that a segment mostly has. */
size_t wb_spool_usual_room(const wb_spool *spool);
/* A new file of that serial, not admitted yet. */
int wb_spool_make(wb_spool *spool, uint64_t serial, size_t room, wb_spool_file **out, wb_err *err);
/* A segment from elsewhere is this spool's, under the serial that its header has by now; it is pinned. */
int wb_spool_enter(wb_spool *spool, const char *path, const wb_spool_reading *reading,
                   wb_spool_file **out, wb_err *err);
void wb_spool_file_free(wb_spool_file *file); /* leaves what is on the disk */
void wb_spool_file_end(wb_spool_file *file);  /* the same, but where no row waits in it */
/* Its map is there until it is unpinned; so many of its rows were settled meanwhile. */
int wb_spool_pin(wb_spool *spool, wb_spool_file *file, wb_err *err);
void wb_spool_unpin(wb_spool *spool, wb_spool_file *file, uint32_t settled);
/* A row of it is settled, but could not be marked. */
void wb_spool_lose(wb_spool *spool, wb_spool_file *file);
wb_spool_file *wb_spool_first(wb_spool *spool);
wb_spool_file *wb_spool_next(wb_spool *spool, wb_spool_file *file);

#endif
