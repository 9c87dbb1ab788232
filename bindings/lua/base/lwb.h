/* SPDX-License-Identifier: MIT
 * What the files of the Lua binding share. An object is a full userdata that begins with its kind: the kind says
 * what it is, whatever its metatable. It is born closed (its core pointer is NULL) and stays closed where its
 * constructor fails half-way. A binding function checks, calls, pushes. C never calls a store or a hook. */
#ifndef LWB_H
#define LWB_H

#include <writebehind.h>
#include "base/buffer.h"
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
    lwb_batch_kind, lwb_marks_kind, lwb_clock_kind, lwb_reader_kind, lwb_records_kind;

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
/* The same, or what stands where there is none. */
const char *lwb_field_text_or(lua_State *L, int index, const char *name, const char *absent);
/* The object in the field `name`, which stays anchored in the table; NULL where the field is nil. */
void *lwb_field_object(lua_State *L, int index, const char *name, const lwb_kind *kind);
/* Pushes an anchor: what is put into it is freed when the anchor is collected. */
void **lwb_anchor(lua_State *L);
/* The same for a buffer, empty. */
wb_buffer *lwb_buffer(lua_State *L);
/* Pushes what the anchor holds as a string, and frees it. */
void lwb_push_anchored(lua_State *L, void **anchor, size_t bytes);

/* ---- values ---- */

/* core.helpers, what C asks Lua for: functions read_int64, make_int64, int64_text, retry; json_arrays. */
void lwb_push_helpers(lua_State *L);
/* Pushes one of them, or nil; is it a function? */
bool lwb_helper(lua_State *L, const char *name);
/* core.json_encode(value) → text, or nil and a message */
int lwb_json(lua_State *L);
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
int lwb_store_made(lua_State *L, int code,
                   const wb_err *err); /* the store at the top, or nil, message, code */

typedef struct lwb_clock {
    const lwb_kind *kind;
    wb_clock *clock;
} lwb_clock;

wb_clock *lwb_clock_field(lua_State *L,
                          int index); /* of the field `clock`; NULL where there is none */

/* ---- the openers of the parts ---- */

void lwb_open_schema(lua_State *L);
void lwb_open_store(lua_State *L);
void lwb_open_batcher(lua_State *L);
void lwb_open_tracker(lua_State *L);
void lwb_open_batch(lua_State *L);
void lwb_open_marks(lua_State *L);
void lwb_open_clock(lua_State *L);
void lwb_open_reader(lua_State *L);
void lwb_open_records(lua_State *L);
void lwb_process_files(lua_State *L);
void lwb_open_process(lua_State *L); /* sets its functions in the table at the top */
void lwb_open_uuid(lua_State *L);    /* the same */
int lwb_clock_new(lua_State *L);
int lwb_schema_new(lua_State *L);
int lwb_store_postgres(lua_State *L);
int lwb_store_sqlite(lua_State *L);
int lwb_store_nats(lua_State *L);
int lwb_nats_api(lua_State *L);
int lwb_store_memory(lua_State *L);
int lwb_store_fallback(lua_State *L);
int lwb_store_open(lua_State *L);
/* core.worker(module, path, cpath, args); upvalue: what opens this module */
int lwb_store_worker(lua_State *L);

#endif
