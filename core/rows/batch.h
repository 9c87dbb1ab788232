/* SPDX-License-Identifier: MIT
 * A batch: rows as COPY tuples, one after another, and where each ends. It has one owner at a time: the outbox, or
 * whoever took it. Rows before `first` are gone, settled or dropped; the others are left.
 *
 *   open -> sealed -> taken -> settled
 *              ^--------'  (with a due time)          wb_batch_become makes every change
 *              sealed -> settled                      all its rows were dropped or merged into another
 * Only wb_batch_clear makes a batch open again.
 * Where rows of one key become one (rows/coalescer.h), each has a tally: how many adds it stands for. While such a batch
 * waits, a row may become a gap, as it is in another batch now, and a tuple that grew may lie elsewhere. What is taken has
 * neither: wb_batch_merge leaves them out. */
#ifndef WB_BATCH_H
#define WB_BATCH_H

#include "base/shared_text.h"
#include "rows/row.h"
#include "rows/tally.h"

enum wb_batch_state { WB_BATCH_OPEN, WB_BATCH_SEALED, WB_BATCH_TAKEN, WB_BATCH_SETTLED };

struct wb_batch {
    wb_batch *next;        /* in the owner's list */
    wb_batch *merge_next;  /* taken with it, for one write */
    wb_schema *schema;     /* a reference */
    wb_shared_text *table; /* where its rows go, a reference; NULL: to the target's */
    int state;             /* enum wb_batch_state; set by wb_batch_become */
    int reason;            /* enum wb_reason, set when sealed */
    uint8_t id[16];        /* given when sealed; the same at every attempt */
    uint64_t serial;       /* of the outbox; a merged batch keeps its oldest part's */
    uint32_t route;        /* the number of `table`; 0 for the target's */
    uint64_t rank;         /* the place of its first row in the batch before it was divided */
    bool routed;           /* all rows are of `route`; else each row says its own */
    uint32_t attempt;      /* writes begun */
    bool in_doubt;         /* a write's fate is unknown */
    int64_t opened_us;     /* monotonic: when its first row came */
    int64_t due_us;        /* sealed: nobody takes it before */
    int64_t own_due_us;    /* what due_us is where nothing else holds it back: see batch_list.h */
    int64_t taken_us;      /* when it was last taken */
    uint64_t taken_adds;   /* how many adds there had been by then */
    struct wb_trial
        *trial;      /* what adds up of its failures: see engine/outbox/trial.h; NULL: none */
    int standing;    /* enum wb_standing, in its trial */
    char *error;     /* why it is dead; NULL: it is not */
    size_t first;    /* the first row that is left */
    size_t count;    /* rows, those that are gone included */
    size_t room;     /* entries that `rows` has room for */
    size_t bytes;    /* used of `tuples` */
    size_t capacity; /* of `tuples` */
    uint8_t *tuples;
    struct wb_batch_row {
        uint32_t end; /* where the row ends in `tuples`; it begins where the one before it ends */
        uint32_t age_us; /* from opened_us to its add, or the most that fits */
        uint32_t route;  /* of wb_routes */
        uint32_t number; /* in the spool; 0: it is in none */
    } * rows;
    wb_tallies tallies; /* of rows that stand for several adds */
    size_t known;       /* rows before that one may be found by their key: see rows/coalescer.h */
    uint32_t slot;      /* of the coalescer; 0: none */
    bool joins;         /* it came back, and its rows are to be found again: a list by join_next */
    wb_batch *join_next;
};

wb_batch *wb_batch_new(wb_schema *schema); /* empty and open; NULL: no memory */
/* wb_batch_free is in writebehind.h */
void wb_batch_free_list(wb_batch *batch);         /* frees it and all that follow by `next` */
void wb_batch_clear(wb_batch *batch);             /* makes it empty and open; keeps its memory */
void wb_batch_become(wb_batch *batch, int state); /* asserts that the change is allowed */
/* All its rows go to that table. */
void wb_batch_goes_to(wb_batch *batch, uint32_t route, wb_shared_text *table);
/* Makes room for one more row of up to `bytes`. May squeeze out the rows that are gone, which lowers `first` and
 * `count` by as many. False: no memory, or the batch would pass 1 GiB. */
bool wb_batch_reserve(wb_batch *batch, size_t bytes);
/* Where the next row is encoded, after wb_batch_reserve; wb_batch_push then counts it. */
static inline uint8_t *wb_batch_end(wb_batch *batch)
{
    return batch->tuples + batch->bytes;
}
void wb_batch_push(wb_batch *batch, size_t bytes, int64_t now_us);
/* The same as wb_batch_reserve for a batch that is made to measure: it has no room to spare before it doubles. */
bool wb_batch_fit(wb_batch *batch, size_t bytes);
/* Makes room for so many more rows, of so many bytes together. False: as above. */
bool wb_batch_prepare(wb_batch *batch, size_t rows, size_t bytes);
/* Copies a run of another batch's rows to the end: `rows` of those that are left, from number `from` on; ages are
 * kept. Both schemas have the same shape. False: no memory, or the batch would pass 1 GiB; nothing is changed then. */
bool wb_batch_merge_run(wb_batch *batch, const wb_batch *more, size_t from, size_t rows);
/* The same for all rows that are left. */
bool wb_batch_merge(wb_batch *batch, const wb_batch *more);
/* Drops the first `rows` of those that are left. Answers what the weight lost. */
size_t wb_batch_skip(wb_batch *batch, size_t rows);
/* Its rows have tallies from now on, an add each. False: no memory. */
bool wb_batch_tally(wb_batch *batch);
/* The tuple of row `row`, those that are gone included, wherever it lies. */
const uint8_t *wb_batch_tuple(const wb_batch *batch, size_t row, size_t *bytes);
/* The row is this tuple now, of so many bytes. *gained: what the weight did. False: no memory, and nothing is changed. */
bool wb_batch_replace(wb_batch *batch, size_t row, const uint8_t *tuple, size_t bytes,
                      int64_t *gained);
/* Squeezes gaps and rows that are gone out of an open or sealed batch: rows have other numbers then. */
void wb_batch_squeeze(wb_batch *batch);
void wb_batch_shrink(wb_batch *batch); /* frees memory that a sealed batch won't use */

/* How many rows are left. */
static inline size_t wb_batch_left(const wb_batch *batch)
{
    return batch->count - batch->first;
}
/* Where row `index` of those that are left begins in `tuples`; the one past the last begins at the end. */
static inline size_t wb_batch_begin_of(const wb_batch *batch, size_t index)
{
    size_t row = batch->first + index;
    return row == 0 ? 0 : batch->rows[row - 1].end;
}
static inline size_t wb_batch_begin(const wb_batch *batch)
{
    return wb_batch_begin_of(batch, 0);
}
/* When the first row that is left came, or the most that its age shows. */
static inline int64_t wb_batch_since_us(const wb_batch *batch)
{
    return batch->opened_us + batch->rows[batch->first].age_us;
}
/* Row `index` of those that are left: how many adds it stands for. 0: it is a gap. */
static inline uint64_t wb_batch_adds_of(const wb_batch *batch, size_t index)
{
    return batch->tallies.on ? batch->tallies.of[batch->first + index].adds : 1;
}
/* What the rows that are left stand for, and how many of them are no gaps. */
static inline uint64_t wb_batch_adds(const wb_batch *batch)
{
    return batch->tallies.on ? batch->tallies.adds : wb_batch_left(batch);
}
static inline size_t wb_batch_live(const wb_batch *batch)
{
    return wb_batch_left(batch) - batch->tallies.gaps;
}
/* Not as it is read: it has gaps, or tuples that lie elsewhere. */
static inline bool wb_batch_is_scattered(const wb_batch *batch)
{
    return batch->tallies.gaps > 0 || batch->tallies.moved > 0;
}

/* The memory of a row besides its tuple. */
static inline size_t wb_row_overhead(bool tallied)
{
    return sizeof(struct wb_batch_row) + (tallied ? sizeof(wb_tally) : 0);
}
/* The memory of the rows that are left, by tuples and overhead. */
static inline size_t wb_batch_weight(const wb_batch *batch)
{
    return batch->bytes - wb_batch_begin(batch) + batch->tallies.moved_bytes +
           wb_batch_left(batch) * wb_row_overhead(batch->tallies.on);
}

/* What precedes and follows the tuples in a stream of PostgreSQL's binary COPY: its signature, flags and length of the
 * header's extension; the word that ends it. Source: PostgreSQL manual, "COPY". */
enum { WB_COPY_HEADER_BYTES = 19, WB_COPY_TRAILER_BYTES = 2 };
extern const uint8_t wb_copy_header[WB_COPY_HEADER_BYTES];
extern const uint8_t wb_copy_trailer[WB_COPY_TRAILER_BYTES];

#endif
