/* SPDX-License-Identifier: MIT
 * The arguments of a worker: bytes, copied from the caller's state and then into each private state. A value is a
 * tag and what follows it; a table is '{', then keys and values in turn, then '}'. The bytes never leave the
 * process, so numbers are as the machine has them.
 * Encoding raises nothing: it walks raw tables and keeps its path on the C stack. What can't be copied is a message
 * that names its place. */
#include <stdio.h>
#include <string.h>

#include "lua/worker/worker.h"

enum { DEPTH_MAX = 100 };

/* Where the walk is: a table, and the key in it that is being copied. */
typedef struct step {
    const struct step *outer;
    const void *table;
    int key; /* its place on the stack; 0: none yet */
    int depth;
} step;

typedef struct walk {
    lua_State *L;
    wb_buffer *out;
    char *message;
} walk;

static bool put_value(walk *to, int index, const step *outer);

/* ---- the path ---- */

static bool is_name(const char *text, size_t bytes)
{
    size_t named = strspn(text, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ_0123456789");
    return bytes > 0 && bytes <= 40 && named == bytes && !(text[0] >= '0' && text[0] <= '9');
}

static void put_key(lua_State *L, int index, wb_buffer *path)
{
    size_t bytes;
    if (lua_type(L, index) == LUA_TNUMBER) {
        wb_buffer_printf(path, "[%.14g]", (double)lua_tonumber(L, index));
    } else if (lua_type(L, index) == LUA_TSTRING) {
        const char *text = lua_tolstring(L, index, &bytes);
        bool plain = is_name(text, bytes);
        wb_buffer_printf(path, plain ? ".%.*s" : "[\"%.*s\"]", (int)(bytes < 40 ? bytes : 40),
                         text);
    } else if (lua_type(L, index) == LUA_TBOOLEAN) {
        wb_buffer_put_text(path, lua_toboolean(L, index) ? "[true]" : "[false]");
    } else {
        wb_buffer_printf(path, ": a key that is a %s", lua_typename(L, lua_type(L, index)));
    }
}

static void put_path(lua_State *L, const step *at, wb_buffer *path)
{
    if (at == NULL)
        return;
    put_path(L, at->outer, path);
    if (at->key != 0)
        put_key(L, at->key, path);
}

/* "args.x.y: why"; answers false. */
static bool refuse(const walk *to, const step *at, const char *why, const char *what)
{
    wb_buffer path = WB_BUFFER_EMPTY;
    wb_buffer_put_text(&path, "args");
    put_path(to->L, at, &path);
    char *text = wb_buffer_take(&path, NULL);
    char reason[160];
    snprintf(reason, sizeof reason, why, what);
    snprintf(to->message, LWB_ARGS_MESSAGE, "%.200s: %s", text == NULL ? "args" : text, reason);
    wb_free(text);
    return false;
}

/* ---- out of the caller's state ---- */

static void put_tagged(wb_buffer *out, char tag, const void *data, size_t bytes)
{
    wb_buffer_put_char(out, tag);
    wb_buffer_put(out, data, bytes);
}

static bool put_number(walk *to, int index)
{
#if LWB_HAS_INTEGERS
    if (lua_isinteger(to->L, index)) {
        lua_Integer integer = lua_tointeger(to->L, index);
        put_tagged(to->out, 'i', &integer, sizeof integer);
        return true;
    }
#endif
    lua_Number number = lua_tonumber(to->L, index);
    put_tagged(to->out, 'd', &number, sizeof number);
    return true;
}

static bool put_string(walk *to, int index)
{
    size_t bytes;
    const char *text = lua_tolstring(to->L, index, &bytes);
    put_tagged(to->out, 's', &bytes, sizeof bytes);
    wb_buffer_put(to->out, text, bytes);
    return true;
}

static const char *unfit_table(lua_State *L, int index, const step *outer)
{
    const void *table = lua_topointer(L, index);
    for (const step *at = outer; at != NULL; at = at->outer) {
        if (at->table == table)
            return "a table that contains itself can't be copied to a private Lua state";
    }
    if (outer != NULL && outer->depth >= DEPTH_MAX)
        return "tables nested more than 100 deep can't be copied to a private Lua state";
    if (!lua_checkstack(L, 8))
        return "no memory to copy it to a private Lua state";
    if (!lua_getmetatable(L, index))
        return NULL;
    lua_pop(L, 1);
    return "a table with a metatable can't be copied to a private Lua state";
}

static bool put_pairs(walk *to, int index, step *at)
{
    lua_State *L = to->L;
    for (lua_pushnil(L); lua_next(L, index); lua_pop(L, 1)) {
        int key = lua_gettop(L) - 1, type = lua_type(L, key);
        bool plain = type == LUA_TSTRING || type == LUA_TNUMBER || type == LUA_TBOOLEAN;
        at->key = key;
        if (!plain)
            return refuse(to, at, "%s", "it can't be copied to a private Lua state");
        if (!put_value(to, key, at) || !put_value(to, key + 1, at))
            return false;
    }
    return true;
}

static bool put_table(walk *to, int index, const step *outer)
{
    const char *unfit = unfit_table(to->L, index, outer);
    if (unfit != NULL)
        return refuse(to, outer, "%s", unfit);
    step at = {.outer = outer,
               .table = lua_topointer(to->L, index),
               .depth = outer == NULL ? 1 : outer->depth + 1};
    wb_buffer_put_char(to->out, '{');
    bool put = put_pairs(to, index, &at);
    wb_buffer_put_char(to->out, '}');
    return put;
}

static bool put_value(walk *to, int index, const step *outer)
{
    lua_State *L = to->L;
    switch (lua_type(L, index)) {
    case LUA_TNIL:
        wb_buffer_put_char(to->out, 'n');
        return true;
    case LUA_TBOOLEAN:
        wb_buffer_put_char(to->out, lua_toboolean(L, index) ? 't' : 'f');
        return true;
    case LUA_TNUMBER:
        return put_number(to, index);
    case LUA_TSTRING:
        return put_string(to, index);
    case LUA_TTABLE:
        return put_table(to, index, outer);
    default:
        return refuse(to, outer, "a %s can't be copied to a private Lua state",
                      lua_typename(L, lua_type(L, index)));
    }
}

bool lwb_args_encode(lua_State *L, int index, wb_buffer *out, char message[LWB_ARGS_MESSAGE])
{
    walk to = {.L = L, .out = out, .message = message};
    int top = lua_gettop(L);
    bool put = put_value(&to, index, NULL);
    lua_settop(L, top);
    return put;
}

/* ---- into a private state ---- */

static const char *push_value(lua_State *L, const char *at);

static const char *push_table(lua_State *L, const char *at)
{
    luaL_checkstack(L, 8, "worker arguments");
    lua_newtable(L);
    while (*at != '}') {
        at = push_value(L, at);
        at = push_value(L, at);
        lua_rawset(L, -3);
    }
    return at + 1;
}

static const char *push_string(lua_State *L, const char *at)
{
    size_t bytes;
    memcpy(&bytes, at, sizeof bytes);
    lua_pushlstring(L, at + sizeof bytes, bytes);
    return at + sizeof bytes + bytes;
}

static const char *push_number(lua_State *L, const char *at)
{
    lua_Number number;
    memcpy(&number, at, sizeof number);
    lua_pushnumber(L, number);
    return at + sizeof number;
}

static const char *push_integer(lua_State *L, const char *at)
{
    lua_Integer integer;
    memcpy(&integer, at, sizeof integer);
    lua_pushinteger(L, integer);
    return at + sizeof integer;
}

/* Pushes the value that begins there; returns where the next one does. */
static const char *push_value(lua_State *L, const char *at)
{
    switch (*at++) {
    case '{':
        return push_table(L, at);
    case 's':
        return push_string(L, at);
    case 'd':
        return push_number(L, at);
    case 'i':
        return push_integer(L, at);
    case 'n':
        lua_pushnil(L);
        return at;
    default:
        lua_pushboolean(L, at[-1] == 't');
        return at;
    }
}

void lwb_args_push(lua_State *L, const char *data)
{
    push_value(L, data);
}
