/* SPDX-License-Identifier: MIT
 * What the files of the Lua binding share. An object is a full userdata that begins with its kind: the kind says
 * what it is, whatever its metatable. It is born closed (its core pointer is NULL) and stays closed where its
 * constructor fails half-way. A binding function checks, calls, pushes. C never calls a store or a hook. */
#ifndef LWB_H
#define LWB_H

#include <writebehind.h>
#include "engine/options.h"
#include "lua/base/compat.h"

/* ---- objects ---- */

typedef struct lwb_kind {
    const char *name; /* "batcher" */
    size_t bytes;     /* of the userdata */
} lwb_kind;

/* The object at `index` if it is of that kind, else NULL. */
static inline void *lwb_test(lua_State *L, int index, const lwb_kind *kind)
{
    if (lua_type(L, index) != LUA_TUSERDATA || lwb_rawlen(L, index) != kind->bytes)
        return NULL;
    const lwb_kind **object = lua_touserdata(L, index);
    return *object == kind ? object : NULL;
}

/* "batcher", …; NULL for anything that is no object of this library. */
const char *lwb_kind_name(lua_State *L, int index);
/* As lwb_test, raising when it is another thing. */
void *lwb_check(lua_State *L, int index, const lwb_kind *kind);
/* Pushes a zeroed object with the kind's own metatable. */
void *lwb_new(lua_State *L, const lwb_kind *kind);
/* Makes the kind's metatable, with `methods` as its __index unless `meta` has one. */
void lwb_class(lua_State *L, const lwb_kind *kind, const luaL_Reg *methods, const luaL_Reg *meta);
/* core.variant(kind name): a copy of the kind's metatable, with a copy of its methods, for Lua to change. */
int lwb_variant(lua_State *L);
/* Pushes the kind's metatable. */
void lwb_metatable(lua_State *L, const lwb_kind *kind);

extern const lwb_kind lwb_schema_kind, lwb_store_kind, lwb_batcher_kind, lwb_tracker_kind,
    lwb_batch_kind, lwb_marks_kind, lwb_clock_kind;

/* ---- results and arguments ---- */

extern const char *const lwb_class_names[]; /* of enum wb_class, and a NULL */
/* Pushes true, or nil, message, code; returns how many. Misuse raises. */
int lwb_result(lua_State *L, int code, const wb_err *err);
/* Pushes nil, message, code, misuse too: for constructors, whose Lua side raises at its caller. */
int lwb_refused(lua_State *L, int code, const wb_err *err);
/* Pushes nil, the string at the top, and "invalid". */
int lwb_invalid(lua_State *L);
/* Seconds of the argument as µs, checked: not negative, not NaN; infinity is WB_NEVER. */
int64_t lwb_check_us(lua_State *L, int index);
int64_t lwb_check_delay(lua_State *L, int index); /* the same, but never WB_NEVER */
/* The deadline that the timeout at `index`, or without one `default_us`, makes from now. */
int64_t lwb_check_deadline(lua_State *L, int index, int64_t default_us);
void lwb_push_seconds(lua_State *L, int64_t us); /* infinity for WB_NEVER */
/* Reads the options of a list that the table at `index` has, under their names, into their struct. */
void lwb_field_options(lua_State *L, int index, const wb_option *list, void *options);
/* The field `name` of the table at `index`, where it is there; returns whether it is. */
bool lwb_field_bool(lua_State *L, int index, const char *name, bool *out);
/* A string argument without a NUL, such as a table's name. */
const char *lwb_check_text(lua_State *L, int index);
/* The string at `index` for comparing with names; "" for anything else, and for one that holds a NUL. */
const char *lwb_key(lua_State *L, int index);
/* The string field `name`; it stays anchored in the table. Raises where there is none. */
const char *lwb_field_text(lua_State *L, int index, const char *name);
/* The object in the field `name`, which stays anchored in the table; NULL where the field is nil. */
void *lwb_field_object(lua_State *L, int index, const char *name, const lwb_kind *kind);
/* Pushes an anchor: what is put into it is freed when the anchor is collected. */
void **lwb_anchor(lua_State *L);
/* Pushes what the anchor holds as a string, and frees it. */
void lwb_push_anchored(lua_State *L, void **anchor, size_t bytes);

/* ---- values ---- */

/* core.helpers{ encode =, read_int64 =, make_int64 =, retry = }: what C asks Lua for. */
int lwb_helpers(lua_State *L);
/* Pushes one of them, or nil; is it a function? */
bool lwb_helper(lua_State *L, const char *name);
/* Converts what is neither nil, boolean, number, string nor NULL. True: *out borrows from the stack, where
 * the value was replaced by its encoding. False: pushed a message. */
bool lwb_value_rare(lua_State *L, int index, wb_value *out);
/* The same of a list, for an array. */
bool lwb_list_value(lua_State *L, int index, wb_value *out);
/* The column at `index`, a table that is number `at` of its list. Leaves on the stack what *out borrows. Raises. */
void lwb_read_column(lua_State *L, int index, int at, wb_column *out);
/* Pushes a column as it is read. */
void lwb_push_column(lua_State *L, const wb_column *column);
/* Pushes a value of a column as Lua has it. */
void lwb_push_value(lua_State *L, const wb_column *column, const wb_value *value);
void lwb_push_int64(lua_State *L, int64_t value);
void lwb_push_uuid(lua_State *L, const uint8_t id[16]);
/* 36-character text or 16 raw bytes. */
bool lwb_to_uuid(lua_State *L, int index, uint8_t out[16]);
/* Seconds or RFC 3339 text, to µs since 1970. */
bool lwb_to_time_us(lua_State *L, int index, int64_t *out);

/* ---- schemas, stores ---- */

typedef struct lwb_schema {
    const lwb_kind *kind;
    wb_schema *schema;
} lwb_schema;

wb_schema *lwb_schema_check(lua_State *L, int index);
lwb_schema *lwb_schema_blank(lua_State *L); /* pushes one without a core schema yet */
void lwb_push_names(lua_State *L, const wb_schema *schema); /* a list of column names */

typedef struct lwb_store {
    const lwb_kind *kind;
    wb_store *store;
    wb_policy *policy; /* of the same module, part of it: a worker's; NULL: it can't decide */
} lwb_store;

wb_store *lwb_store_check(lua_State *L, int index);

typedef struct lwb_clock {
    const lwb_kind *kind;
    wb_clock *clock;
} lwb_clock;

wb_clock *lwb_clock_field(lua_State *L,
                          int index); /* of the field `clock`; NULL where there is none */

/* ---- batchers and trackers, and claims on what is due ---- */

struct lwb_claim;

enum { LWB_PLAN_COLUMNS = 64 };

/* How a row's table is read. */
typedef struct lwb_plan {
    int count;                           /* columns; 0: too many for a plan */
    const char *names[LWB_PLAN_COLUMNS]; /* interned, anchored in the batcher's options */
    uint8_t order[LWB_PLAN_COLUMNS];     /* the column of the n-th key of the row before */
} lwb_plan;

/* `names`: the list of the columns' names, by their places. */
void lwb_plan_init(lua_State *L, lwb_plan *plan, int names, int count);
/* Reads the row at the top, at `row`, into values by their places; false: it needs the slow path. */
bool lwb_row_read(lua_State *L, lwb_plan *plan, int row, wb_value *values);

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
    lwb_plan plan;   /* a batcher's */
};

/* A batch or marks, lent until completed. Its user value is a list: who lent it, column names. */
typedef struct lwb_claim {
    const lwb_kind *kind;
    lwb_pipeline *pipeline; /* NULL: completed, or a batch of its own */
    struct lwb_claim *next;
    void *work;   /* wb_batch or wb_marks; NULL: completed */
    size_t count; /* of rows, ids */
    uint32_t attempt;
    int reason;
    const char *table; /* where its rows go; NULL: to the batcher's own table */
    bool in_doubt;     /* its last write's fate is unknown */
    bool timed_out;    /* its last write's time was up while the store was at work */
    uint8_t id[16];
    int64_t at_us;               /* marks: the time of the flush */
    uint64_t updated, unmatched; /* marks: the answer */
} lwb_claim;

lwb_pipeline *lwb_pipeline_check(lua_State *L, int index); /* either kind, alive */
/* Pushes a new one with the metatable at `meta` (nil: the kind's) and its option table, at `options`, as user
 * value. */
lwb_pipeline *lwb_pipeline_new(lua_State *L, const lwb_kind *kind, int meta, int options);
void lwb_pipeline_methods(lua_State *L); /* sets the shared methods in the table at the top */
/* Pushes core.raw: what drivers use besides the methods. */
void lwb_raw(lua_State *L);
int lwb_pipeline_gc(lua_State *L);
int lwb_pipeline_autoclose(lua_State *L); /* __close */
void lwb_push_stats(lua_State *L, const wb_stats *stats);
int lwb_push_event(lua_State *L, const wb_event *event);

int lwb_batcher_new(lua_State *L);
int lwb_tracker_new(lua_State *L);
/* Pushes a claim that holds nothing yet; who lends it is at `lender`. */
lwb_claim *lwb_claim_blank(lua_State *L, const lwb_kind *kind, int lender);
void lwb_claim_link(lwb_claim *claim, lwb_pipeline *pipeline, void *work);
void lwb_claim_answer(lwb_claim *claim, const wb_outcome *outcome); /* completes it */
void lwb_claim_drop(lwb_claim *claim); /* uncompleted: counts as a failed try */
lwb_claim *lwb_claim_check(lua_State *L, int index, const lwb_kind *kind); /* uncompleted */
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
int lwb_dead(lua_State *L);  /* core.dead(batcher) */
int lwb_write(lua_State *L); /* core.write(batch or marks) */
/* raw.add, raw.add_values: with a policy's choice. */
int lwb_batcher_add_as(lua_State *L);
int lwb_batcher_add_values_as(lua_State *L);
void lwb_raw_policy(lua_State *L);   /* sets a policy's functions in the table at the top */
void lwb_push_options(lua_State *L); /* core.options: see options.c */
void lwb_push_choices(lua_State *L); /* core.choices */

/* ---- the openers of the parts ---- */

void lwb_open_schema(lua_State *L);
void lwb_open_store(lua_State *L);
void lwb_open_batcher(lua_State *L);
void lwb_open_tracker(lua_State *L);
void lwb_open_batch(lua_State *L);
void lwb_open_marks(lua_State *L);
void lwb_open_clock(lua_State *L);
void lwb_open_process(lua_State *L); /* sets its functions in the table at the top */
int lwb_clock_new(lua_State *L);
int lwb_schema_new(lua_State *L);
int lwb_store_postgres(lua_State *L);
int lwb_store_sqlite(lua_State *L);
int lwb_store_memory(lua_State *L);
int lwb_store_open(lua_State *L);
/* core.worker(module, path, cpath, args); upvalue: what opens this module */
int lwb_store_worker(lua_State *L);

#endif
