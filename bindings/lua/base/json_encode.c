/* SPDX-License-Identifier: MIT
 * The encoder of JSON. It does not recurse: the tables that are open lie on the Lua stack, each with its current key
 * above it (of a list: the index), and where the next would lie is the value that is encoded.
 * Invariants: every value that was written is followed by a comma, in whose place goes the bracket that closes its
 * table. No Lua code runs in between, so that no table changes; but for a cdata, which a helper reads, and for
 * an empty table whose metatable inherits.
 * Failures: a refusal has pushed what is wrong, without the path. A failed buffer is noticed where a table ends. */
#include "lua/base/json_encode.h"

#include <math.h>
#include <stdio.h>

#include "lua/base/json_scalar.h"

enum {
    OPENED = LWB_JSON_MEMORY + 1, /* a table is at the top, to be opened */
    SLOTS = 16,                   /* of the stack, for what is pushed beside the open tables */
    LEVELS = 8,                   /* of tables for which the stack is made at once */
    PATH_KEYS = 7,                /* keys of a path that are shown */
};

static inline int table_at(const lwb_encoder *e, int depth)
{
    return e->base + 2 * depth - 1;
}

static inline bool is_list(const lwb_encoder *e, int depth)
{
    return e->lists[(depth - 1) / 64] >> (depth - 1) % 64 & 1;
}

/* ---- the open table ---- */

/* Its last key was popped. */
static int close_table(lwb_encoder *e, char bracket)
{
    wb_buffer *out = e->out;
    if (out->failed)
        return LWB_JSON_MEMORY;
    out->data[out->bytes - 1] = bracket;
    lwb_json_put_byte(e, ',');
    lua_pop(e->L, 1);
    e->depth--;
    return LWB_JSON_DONE;
}

/* The key of the pair at the top. */
static inline int put_key(lwb_encoder *e)
{
    bool is_key = lwb_json_put_key(e);
    e->depth -= !is_key; /* the path is the table's */
    return is_key ? LWB_JSON_DONE : LWB_JSON_REFUSED;
}

/* The value at the top, of that type: it is left there. */
static inline int put_value(lwb_encoder *e, int type)
{
    if (type == LUA_TTABLE)
        return OPENED;
    return lwb_json_put_scalar(e, type) ? LWB_JSON_DONE : LWB_JSON_REFUSED;
}

/* From the pair at the top on. */
static int put_pairs(lwb_encoder *e)
{
    int table = table_at(e, e->depth);
    do {
        int how = put_key(e);
        if (how == LWB_JSON_DONE)
            how = put_value(e, lua_type(e->L, -1));
        if (how != LWB_JSON_DONE)
            return how;
        lua_pop(e->L, 1);
    } while (lua_next(e->L, table));
    return close_table(e, '}');
}

static inline int push_item(lua_State *L, int table, int index)
{
    lua_rawgeti(L, table, index);
    return lua_type(L, -1);
}

/* From what follows the index at the top on. */
static int put_items(lwb_encoder *e)
{
    lua_State *L = e->L;
    int table = table_at(e, e->depth), index = (int)lua_tointeger(L, -1), type;
    while ((type = push_item(L, table, ++index)) != LUA_TNIL) {
        int how = put_value(e, type);
        if (how != LWB_JSON_DONE) {
            lua_pushinteger(L, index);
            lua_replace(L, table + 1);
            return how;
        }
        lua_pop(L, 1);
    }
    lua_pop(L, 2);
    return close_table(e, ']');
}

/* ---- opening ---- */

static void open_as(lwb_encoder *e, bool list)
{
    int bit = e->depth++;
    uint64_t *bits = &e->lists[bit / 64];
    *bits = (*bits & ~(UINT64_C(1) << bit % 64)) | (uint64_t)list << bit % 64;
    lwb_json_put_byte(e, list ? '[' : '{');
}

/* A number that may be an index of a list. */
static bool is_index(double key)
{
    return key >= 1 && key < HUGE_VAL && key == floor(key);
}

/* Are the keys 1 to n, from the pair at the top on, which is popped? Else *highest is the highest of them where all are
 * indices, or 0. */
static bool keys_of_list(lua_State *L, int table, double *highest, double *count)
{
    *highest = *count = 0;
    do {
        double key = lua_type(L, -2) == LUA_TNUMBER ? lua_tonumber(L, -2) : 0;
        if (key != ++*count && !is_index(key)) {
            lua_pop(L, 2);
            *highest = 0;
            return false;
        }
        if (key > *highest)
            *highest = key;
        lua_pop(L, 1);
    } while (lua_next(L, table));
    return *highest == *count;
}

static int refuse_sparse(lua_State *L, double highest, double count)
{
    char text[512]; /* a double has up to 309 digits */
    snprintf(text, sizeof text, "a sparse array (%.0f is its highest index, %.0f values are there)",
             highest, count);
    lua_pushstring(L, text);
    return LWB_JSON_REFUSED;
}

/* The table's first pair is at the top, and its key is a number. */
static int open_numbered(lwb_encoder *e, int table)
{
    lua_State *L = e->L;
    double highest, count;
    bool list = keys_of_list(L, table, &highest, &count);
    if (!list && highest > 0)
        return refuse_sparse(L, highest, count);
    open_as(e, list);
    if (list) {
        lua_pushinteger(L, 0);
        return put_items(e);
    }
    lua_pushnil(L);
    lua_next(L, table);
    return put_pairs(e);
}

static int open_table(lwb_encoder *e)
{
    lua_State *L = e->L;
    int table = table_at(e, e->depth + 1);
    if (e->depth == WB_JSON_DEPTH) {
        lua_pushfstring(L, "nested deeper than %d (a table that holds itself?)", WB_JSON_DEPTH);
        return LWB_JSON_REFUSED;
    }
    if (e->depth % LEVELS == LEVELS - 1 && !lua_checkstack(L, 2 * LEVELS + SLOTS))
        return LWB_JSON_MEMORY;
    lua_pushnil(L);
    if (!lua_next(L, table)) {
        if (!lwb_json_put_empty(e))
            return LWB_JSON_REFUSED;
        lua_pop(L, 1);
        return LWB_JSON_DONE;
    }
    if (lua_type(L, -2) == LUA_TNUMBER)
        return open_numbered(e, table);
    open_as(e, false);
    return put_pairs(e);
}

/* ---- the whole ---- */

/* A value was written in the table that was opened last: on from there. */
static int resume(lwb_encoder *e)
{
    if (is_list(e, e->depth))
        return put_items(e);
    return lua_next(e->L, table_at(e, e->depth)) ? put_pairs(e) : close_table(e, '}');
}

static int encode(lwb_encoder *e)
{
    int how = put_value(e, lua_type(e->L, -1));
    lua_pop(e->L, how == LWB_JSON_DONE);
    while (how == OPENED) {
        how = open_table(e);
        while (how == LWB_JSON_DONE && e->depth > 0)
            how = resume(e);
    }
    return how;
}

/* Makes what is wrong, at the top, the message. */
static void push_path(lwb_encoder *e)
{
    lua_State *L = e->L;
    int depth = e->depth < PATH_KEYS ? e->depth : PATH_KEYS;
    lua_pushfstring(L, "not JSON: %s%s", lua_tostring(L, -1), depth > 0 ? " at " : "");
    for (int d = 1; d <= depth; d++) {
        lua_pushvalue(L, table_at(e, d) + 1);
        const char *key = lua_tostring(L, -1);
        lua_pushfstring(L, is_list(e, d) ? "%s[%s]" : "%s.%s", lua_tostring(L, -2), key);
        lua_replace(L, -3);
        lua_pop(L, 1);
    }
}

int lwb_json_encode(lua_State *L, int index, wb_buffer *out)
{
    lwb_encoder e;
    size_t start = out->bytes;
    if (!lua_checkstack(L, 2 * LEVELS + SLOTS))
        return LWB_JSON_MEMORY;
    e.L = L;
    e.out = out;
    e.base = lua_gettop(L);
    e.depth = 0;
    e.unsure = false;
    lua_pushvalue(L, index);
    int how = encode(&e);
    if (out->failed && how == LWB_JSON_DONE)
        how = LWB_JSON_MEMORY;
    out->bytes = how == LWB_JSON_DONE ? out->bytes - 1 : start; /* without the last comma */
    if (how == LWB_JSON_REFUSED) {
        push_path(&e);
        lua_replace(L, e.base + 1);
    }
    if (how != LWB_JSON_DONE)
        lua_settop(L, e.base + (how == LWB_JSON_REFUSED));
    return how == LWB_JSON_DONE && e.unsure ? LWB_JSON_UNSURE : how;
}
