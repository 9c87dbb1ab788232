/* SPDX-License-Identifier: MIT
 * Where the rows of a reader came from: what a command needs to say which lines are dead. */
#include <stdio.h>

#include "engine/batcher.h"
#include "lua/objects/reader.h"

/* remember(reader): from now on, where its rows came from. */
static int raw_remember(lua_State *L)
{
    wb_reader *reader = lwb_reader_living(L, 1);
    if (reader->origins == NULL)
        reader->origins = wb_origins_new();
    return 0;
}

/* remembered(reader) → how many rows */
static int raw_remembered(lua_State *L)
{
    const wb_reader *reader = lwb_reader_living(L, 1);
    lua_pushinteger(L, reader->origins != NULL ? (lua_Integer)reader->origins->count : 0);
    return 1;
}

/* forget(reader, rows): the first of them. */
static int raw_forget(lua_State *L)
{
    wb_reader *reader = lwb_reader_living(L, 1);
    if (reader->origins != NULL)
        wb_origins_forget(reader->origins, (size_t)luaL_checknumber(L, 2));
    return 0;
}

/* Pushes a place, or false. */
static void push_origin(lua_State *L, const wb_origin *origin)
{
    if (origin == NULL) {
        lua_pushboolean(L, 0);
        return;
    }
    lua_createtable(L, 0, 3);
    lua_pushinteger(L, (lua_Integer)origin->line);
    lua_setfield(L, -2, "line");
    lua_pushinteger(L, (lua_Integer)origin->offset);
    lua_setfield(L, -2, "offset");
    lua_pushinteger(L, (lua_Integer)origin->bytes);
    lua_setfield(L, -2, "bytes");
}

/* untold(reader) → a list of { line, offset, bytes } of the rows that are remembered and were not told by dead */
static int raw_untold(lua_State *L)
{
    const wb_origins *origins = lwb_reader_living(L, 1)->origins;
    int count = 0;
    lua_newtable(L);
    for (size_t i = 0; origins != NULL && i < origins->count; i++) {
        if (origins->list[i].told)
            continue;
        push_origin(L, &origins->list[i]);
        lua_rawseti(L, -2, ++count);
    }
    return 1;
}

/* dead(reader, batcher) → a list of where the next dead rows came from, { line, offset, bytes } or false, and why they are
 * dead; nothing where there are none */
static int raw_dead(lua_State *L)
{
    wb_reader *reader = lwb_reader_living(L, 1);
    lwb_pipeline *pipeline = lwb_check(L, 2, &lwb_batcher_kind);
    wb_batch *batch = pipeline->core != NULL ? wb_batcher_dead(pipeline->core) : NULL;
    if (batch == NULL)
        return 0;
    size_t rows = wb_batch_rows(batch), bytes;
    const wb_origin **origins = lua_newuserdata(L, (rows + 1) * sizeof *origins);
    for (size_t i = 0; i < rows; i++)
        origins[i] = reader->origins != NULL ? wb_origins_tell(reader->origins, reader->schema,
                                                               wb_batch_row(batch, i, &bytes))
                                             : NULL;
    char why[256];
    snprintf(why, sizeof why, "%s", wb_batch_error(batch));
    wb_batch_free(batch);
    lua_pushstring(L, why);
    lua_createtable(L, (int)rows, 0);
    for (size_t i = 0; i < rows; i++) {
        push_origin(L, origins[i]);
        lua_rawseti(L, -2, (int)i + 1);
    }
    lua_insert(L, -2);
    return 2;
}

/* give_up(batcher, why, seconds) → true; or nil, message, "timeout": a write has not ended in that time. */
static int raw_give_up(lua_State *L)
{
    wb_err err;
    lwb_pipeline *pipeline = lwb_check(L, 1, &lwb_batcher_kind);
    const char *why = luaL_checkstring(L, 2);
    int64_t deadline_us = lwb_check_deadline(L, 3, 0);
    return lwb_result(L, wb_batcher_give_up(pipeline->core, why, deadline_us, &err), &err);
}

void lwb_raw_origins(lua_State *L)
{
    static const luaL_Reg functions[] = {
        {"remember", raw_remember},
        {"remembered", raw_remembered},
        {"forget", raw_forget},
        {"untold", raw_untold},
        {"dead", raw_dead},
        {"give_up", raw_give_up},
        {NULL, NULL},
    };
    lwb_setfuncs(L, functions);
}
