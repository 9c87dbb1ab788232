/* SPDX-License-Identifier: MIT
 * The encoder of JSON. It does not recurse: the tables that are open lie on the Lua stack, each with its current key
 * above it (of a list: the index), and where the next would lie is the value that is encoded.
 * Invariants: every value that was written is followed by a comma, in whose place goes the bracket that closes its
 * table. No Lua code runs in between (but for a cdata, which a helper reads), so that no table changes.
 * Failures: a refusal has pushed what is wrong, without the path. */
#include "lua/base/json_encode.h"

#include <math.h>
#include <stdio.h>

#include "lua/base/json_scalar.h"

enum {
    OPENED = LWB_JSON_MEMORY + 1, /* an item of a table is at the top, to be written */
    SLOTS = 16,                   /* of the stack that are left for what is pushed in here */
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

/* ---- tables ---- */

/* The key below the value at the top; in the table that was opened last. */
static int put_key(lwb_encoder *e)
{
    int type = lua_type(e->L, -2);
    bool is_key = type == LUA_TSTRING;
    if (is_key) {
        lwb_json_put_string(e, -2);
    } else if (type == LUA_TNUMBER) {
        lwb_json_put_byte(e, '"');
        is_key = lwb_json_put_number(e, -2);
        lwb_json_put_byte(e, '"');
    }
    lwb_json_put_byte(e, ':');
    if (is_key)
        return OPENED;
    e->depth--; /* the path is the table's */
    lua_pushfstring(e->L, "a key that is a %s", lua_typename(e->L, type));
    return LWB_JSON_REFUSED;
}

static int put_first(lwb_encoder *e, bool list)
{
    int bit = e->depth++;
    uint64_t *bits = &e->lists[bit / 64];
    *bits = (*bits & ~(UINT64_C(1) << bit % 64)) | (uint64_t)list << bit % 64;
    lwb_json_put_byte(e, list ? '[' : '{');
    return list ? OPENED : put_key(e);
}

/* A number that may be an index of a list. */
static bool is_index(double key)
{
    return key >= 1 && key < HUGE_VAL && key == floor(key);
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
static int open_numbered(lwb_encoder *e)
{
    lua_State *L = e->L;
    int table = table_at(e, e->depth + 1);
    double highest = 0, count = 0;
    bool list = true;
    do {
        double key = lua_type(L, -2) == LUA_TNUMBER ? lua_tonumber(L, -2) : 0;
        list = is_index(key);
        highest = key > highest ? key : highest;
        count++;
        lua_pop(L, list ? 1 : 2);
    } while (list && lua_next(L, table));
    if (list && highest != count)
        return refuse_sparse(L, highest, count);
    if (list) {
        lua_pushinteger(L, 1);
        lua_rawgeti(L, table, 1);
    } else {
        lua_pushnil(L);
        lua_next(L, table);
    }
    return put_first(e, list);
}

static int open_table(lwb_encoder *e)
{
    lua_State *L = e->L;
    if (e->depth == WB_JSON_DEPTH) {
        lua_pushfstring(L, "nested deeper than %d (a table that holds itself?)", WB_JSON_DEPTH);
        return LWB_JSON_REFUSED;
    }
    if (!lua_checkstack(L, SLOTS))
        return LWB_JSON_MEMORY;
    lua_pushnil(L);
    if (!lua_next(L, table_at(e, e->depth + 1))) {
        lwb_json_put_empty(e);
        return LWB_JSON_DONE;
    }
    return lua_type(L, -2) == LUA_TNUMBER ? open_numbered(e) : put_first(e, false);
}

static int put_value(lwb_encoder *e)
{
    int type = lua_type(e->L, -1);
    if (type == LUA_TTABLE)
        return open_table(e);
    return lwb_json_put_scalar(e, type) ? LWB_JSON_DONE : LWB_JSON_REFUSED;
}

/* From a value to the next of the table that was opened last: false where there is none. */
static bool next_value(lwb_encoder *e)
{
    lua_State *L = e->L;
    int table = table_at(e, e->depth);
    if (!is_list(e, e->depth))
        return lua_next(L, table);
    lua_Integer index = lua_tointeger(L, -1) + 1;
    lua_pop(L, 1);
    lua_pushinteger(L, index);
    lua_rawgeti(L, table, (int)index);
    if (lua_type(L, -1) != LUA_TNIL)
        return true;
    lua_pop(L, 2);
    return false;
}

/* A value was written and is at the top: to the next one, out of the tables that end. DONE: it was the last. */
static int after_value(lwb_encoder *e)
{
    wb_buffer *out = e->out;
    for (;;) {
        lwb_json_put_byte(e, ',');
        lua_pop(e->L, 1);
        if (out->failed)
            return LWB_JSON_MEMORY;
        if (e->depth == 0)
            return LWB_JSON_DONE;
        if (next_value(e))
            return is_list(e, e->depth) ? OPENED : put_key(e);
        out->data[out->bytes - 1] = is_list(e, e->depth) ? ']' : '}';
        e->depth--;
    }
}

static int encode(lwb_encoder *e)
{
    int how;
    do {
        how = put_value(e);
        if (how == LWB_JSON_DONE)
            how = after_value(e);
    } while (how == OPENED);
    return how;
}

/* ---- the whole ---- */

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
    if (!lua_checkstack(L, SLOTS))
        return LWB_JSON_MEMORY;
    e.L = L;
    e.out = out;
    e.base = lua_gettop(L);
    e.depth = 0;
    e.unsure = false;
    lua_pushvalue(L, index);
    int how = encode(&e);
    out->bytes = how == LWB_JSON_DONE ? out->bytes - 1 : start;
    if (how == LWB_JSON_REFUSED) {
        push_path(&e);
        lua_replace(L, e.base + 1);
    }
    lua_settop(L, e.base + (how == LWB_JSON_REFUSED));
    return how == LWB_JSON_DONE && e.unsure ? LWB_JSON_UNSURE : how;
}

int lwb_json(lua_State *L)
{
    lua_settop(L, 1);
    wb_buffer *text = lwb_buffer(L);
    int how = lwb_json_encode(L, 1, text);
    if (how == LWB_JSON_MEMORY)
        return luaL_error(L, "out of memory for JSON");
    if (how == LWB_JSON_REFUSED) {
        lua_pushnil(L);
        lua_insert(L, -2);
        return 2;
    }
    lua_pushlstring(L, text->data, text->bytes);
    wb_buffer_fini(text);
    return 1;
}
