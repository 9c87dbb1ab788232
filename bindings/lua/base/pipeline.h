/* SPDX-License-Identifier: MIT
 * What the objects share with each other: batchers and trackers, how their rows are read, and claims on what is due. */
#ifndef LWB_PIPELINE_H
#define LWB_PIPELINE_H

#include "base/buffer.h"
#include "lua/base/lwb.h"
#include "rows/row.h"

struct lwb_claim;

enum { LWB_PLAN_COLUMNS = 64 };

/* How a row's table is read. */
typedef struct lwb_plan {
    int count; /* columns; 0: too many for a plan */
    const void
        *names[LWB_PLAN_COLUMNS];    /* strings by lwb_string, anchored in the batcher's options */
    uint8_t order[LWB_PLAN_COLUMNS]; /* the column of the n-th key of the row before */
} lwb_plan;

/* `names`: the list of the columns' names, by their places. */
void lwb_plan_init(lua_State *L, lwb_plan *plan, int names, int count);
/* Puts the values of the row at `row` on the stack, and fills `slots` with their indexes by the columns' places, 0 for those
 * that are not there. The first `ahead` slots are the caller's. False: the row names one of their columns, or something
 * that is no column. */
bool lwb_row_read(lua_State *L, lwb_plan *plan, int row, int ahead, uint8_t *slots);

/* Where the values of a row are on the stack: by their columns' places. */
typedef struct lwb_given {
    const uint8_t *slots; /* their indexes, 0 for none; NULL: they are the `count` from `base` on */
    int base, count;
} lwb_given;

typedef struct lwb_pipeline lwb_pipeline;
struct lwb_pipeline {
    const lwb_kind *kind;
    void *core;            /* wb_batcher or wb_tracker; NULL: not made yet, or collected */
    wb_pipeline *pipeline; /* of it */
    /* Completes a claim that it lent. */
    void (*complete)(lwb_pipeline *pipeline, struct lwb_claim *claim, const wb_outcome *outcome);
    wb_schema *schema;        /* a reference; a batcher's */
    struct lwb_claim *claims; /* taken and not completed */
    uint64_t refused; /* rows refused here, before the core saw them; added to its `rejected` */
    int64_t close_timeout_us, block_timeout_us;
    int columns;  /* of the schema: what add takes */
    int given;    /* without the generated ones: what add_values takes */
    bool arrays;  /* one of the columns is an array */
    int key_type; /* a tracker's: enum wb_type */
    bool driven;
    bool asks_retry; /* a policy says when a failed batch is tried again */
    bool lent;       /* `tuple` is in use */
    uint8_t *ids;    /* of the event that is being told */
    wb_buffer tuple; /* a row's, from one row to the next */
    wb_buffer json;  /* what it has of tables: direct.c */
    wb_err said;     /* why the core refused a row: the same */
    lwb_plan plan;   /* a batcher's */
};

/* Encodes a row into the pipeline's tuple. False: it is not a usual one, and nothing is said. */
bool lwb_row_encode(lua_State *L, lwb_pipeline *pipeline, const lwb_given *given, wb_tuple *tuple);

/* A batch or marks, lent until completed. Its user value is a list: who lent it, column names. */
typedef struct lwb_claim {
    const lwb_kind *kind;
    lwb_pipeline *pipeline; /* NULL: completed, or a batch of its own */
    struct lwb_claim *next;
    void *work;   /* wb_batch or wb_marks; NULL: completed */
    size_t count; /* of rows, ids */
    uint32_t attempt;
    int reason;
    wb_outcome written; /* what the core said of its last write, but for texts and verdicts */
    uint8_t id[16];
    int64_t at_us;                  /* marks: the time of the flush */
    uint64_t updated, unmatched;    /* marks: the answer */
    char table[WB_TABLE_BYTES + 1]; /* where its rows go; empty: to the batcher's own table */
} lwb_claim;

lwb_pipeline *lwb_pipeline_check(lua_State *L, int index); /* either kind, alive */
lwb_pipeline *lwb_batcher_refuse(lua_State *L);            /* raises: 1 is no living batcher */
static inline lwb_pipeline *lwb_batcher_check(lua_State *L)
{
    lwb_pipeline *pipeline = lwb_test(L, 1, &lwb_batcher_kind);
    return pipeline != NULL && pipeline->core != NULL ? pipeline : lwb_batcher_refuse(L);
}
/* Pushes a new one with the metatable at `meta` (nil: the kind's) and its option table, at `options`, as user
 * value. */
lwb_pipeline *lwb_pipeline_new(lua_State *L, const lwb_kind *kind, int meta, int options);
void lwb_pipeline_methods(lua_State *L); /* sets the shared methods in the table at the top */
/* Pushes core.raw: what drivers use besides the methods. */
void lwb_raw(lua_State *L);
int lwb_pipeline_gc(lua_State *L);
int lwb_pipeline_autoclose(lua_State *L); /* __close */
void lwb_push_stats(lua_State *L, const wb_stats *stats);
void lwb_push_last(lua_State *L, const wb_last *last); /* rows, nil for none; elapsed; ok */
void lwb_push_tables(lua_State *L, const wb_table_stats *tables, size_t count);
int lwb_push_event(lua_State *L, const wb_event *event);
void lwb_event_told(lwb_pipeline *pipeline); /* frees its ids */

/* The upsert in that field of the table at `index`; NULL: there is none. Pushes what it refers to. */
const wb_upsert *lwb_field_upsert(lua_State *L, int index, const char *name,
                                  const wb_schema *schema);
int lwb_batcher_new(lua_State *L);
int lwb_tracker_new(lua_State *L);
/* Pushes a claim that holds nothing yet; who lends it is at `lender`. */
lwb_claim *lwb_claim_blank(lua_State *L, const lwb_kind *kind, int lender);
void lwb_claim_goes_to(lwb_claim *claim, const char *table); /* NULL: its own */
void lwb_claim_link(lwb_claim *claim, lwb_pipeline *pipeline, void *work);
void lwb_claim_answer(lwb_claim *claim, const wb_outcome *outcome); /* completes it */
void lwb_claim_drop(lwb_claim *claim); /* uncompleted: counts as a failed try */
lwb_claim *lwb_claim_check(lua_State *L, int index, const lwb_kind *kind); /* uncompleted */
/* What a store says of each of so many rows, in the table at `index`: raises where it is wrong. Pushes what `out` then refers
 * to. */
void lwb_check_verdicts(lua_State *L, int index, size_t rows, wb_outcome *out);
/* Pushes such a table; `text`: the reason of a row that has none. */
void lwb_push_verdicts(lua_State *L, const wb_verdict *verdicts, size_t rows, const char *text);
int lwb_claim_complete(lua_State *L);
int lwb_claim_gc(lua_State *L);
/* The batch of a claim that is being read; raises where it was completed meanwhile. */
const wb_batch *lwb_still(lua_State *L, const lwb_claim *claim);
/* Pushes a value of a row that is not absent. */
void lwb_push_cell(lua_State *L, const lwb_claim *claim, const wb_column *column,
                   const wb_value *value);
/* How long store:schema and store:execute may take unless they are told. */
#define LWB_STATEMENT_US INT64_C(10000000)
int lwb_describe(lua_State *L, wb_store *store); /* store:schema */
/* Pushes row `index` (from 0) of a claim that is not completed as a table by name; `names` is their list. */
void lwb_push_row(lua_State *L, const lwb_claim *claim, size_t index, int names);
int lwb_batch_lines(lua_State *L); /* methods of a batch: batch_lines.c */
int lwb_batch_unix_ns(lua_State *L);
int lwb_dead(lua_State *L);  /* core.dead(batcher) */
int lwb_write(lua_State *L); /* core.write(batch or marks) */
/* Adds the `count` values from `base` on, by their places. */
int lwb_add_any(lua_State *L, lwb_pipeline *pipeline, const wb_choice *choice, int base, int count);
/* Adds the row at 2, which nothing follows but the values of the first `ahead` columns. */
int lwb_add_row(lua_State *L, lwb_pipeline *pipeline, const wb_choice *choice, int ahead);
/* The results of an add. */
int lwb_add_answer(lua_State *L, const lwb_pipeline *pipeline, int code, const wb_err *err,
                   bool due);
int lwb_add_tuple(lua_State *L, lwb_pipeline *pipeline, const wb_choice *choice,
                  const wb_tuple *tuple);
int lwb_adder(lua_State *L);  /* raw.adder */
int lwb_direct(lua_State *L); /* raw.direct */
int lwb_refuse_count(lua_State *L, lwb_pipeline *pipeline, const char *method, int count);
/* What a policy decided about a row, out of the arguments of an add: at 2 the table's name (nil: the batcher's own), at 3
 * the number of the overflow mode. Raises. */
typedef struct lwb_decision {
    wb_choice choice; /* points into `table` */
    char table[WB_TABLE_BYTES + 1];
} lwb_decision;
void lwb_decision_take(lua_State *L, lwb_decision *decision);
/* The methods, and the same as functions of core.raw that take a policy's choice. */
int lwb_batcher_add(lua_State *L);
int lwb_batcher_add_values(lua_State *L);
int lwb_batcher_add_mixed(lua_State *L);
int lwb_batcher_add_some(lua_State *L); /* of a list of rows: add_many.c */
int lwb_batcher_add_as(lua_State *L);
int lwb_batcher_add_values_as(lua_State *L);
int lwb_batcher_add_mixed_as(lua_State *L);
/* Adds the rows of a reader: reader.c. */
int lwb_batcher_add_read(lua_State *L);
int lwb_batcher_add_read_as(lua_State *L);
void lwb_raw_reader(lua_State *L);  /* sets a reader's functions in the table at the top */
void lwb_raw_many(lua_State *L);    /* sets a function for lists of rows in the table at the top */
void lwb_raw_policy(lua_State *L);  /* sets a policy's functions in the table at the top */
void lwb_raw_running(lua_State *L); /* sets purge, configure and sync there */
void lwb_raw_spool(lua_State *L);   /* sets what looks into spools there */
int lwb_batcher_room(lua_State *L);
void lwb_push_options(lua_State *L); /* core.options: see options.c */
void lwb_push_choices(lua_State *L); /* core.choices */

#endif
