/* SPDX-License-Identifier: MIT
 * The C module writebehind.core: constructors for the Lua side, which checks options and picks
 * metatables. Users require "writebehind" instead. */
#include "lua/base/pipeline.h"

WB_API int luaopen_writebehind_core(lua_State *L);

static void open_classes(lua_State *L)
{
    lwb_open_schema(L);
    lwb_open_store(L);
    lwb_open_batcher(L);
    lwb_open_tracker(L);
    lwb_open_batch(L);
    lwb_open_marks(L);
    lwb_open_clock(L);
    lwb_open_reader(L);
    lwb_open_records(L);
}

int luaopen_writebehind_core(lua_State *L)
{
    static const luaL_Reg functions[] = {
        {"schema", lwb_schema_new},
        {"postgres", lwb_store_postgres},
        {"sqlite", lwb_store_sqlite},
        {"nats", lwb_store_nats},
        {"nats_api", lwb_nats_api},
        {"memory", lwb_store_memory},
        {"fallback", lwb_store_fallback},
        {"open", lwb_store_open},
        {"batcher", lwb_batcher_new},
        {"tracker", lwb_tracker_new},
        {"clock", lwb_clock_new},
        {"dead", lwb_dead},
        {"write", lwb_write},
        {"variant", lwb_variant},
        {"json_encode", lwb_json},
        {NULL, NULL},
    };
    open_classes(L);
    lua_newtable(L);
    lwb_setfuncs(L, functions);
    lua_pushcfunction(L, luaopen_writebehind_core);
    lua_pushcclosure(L, lwb_store_worker, 1);
    lua_setfield(L, -2, "worker");
    lwb_open_uuid(L);
    lwb_push_options(L);
    lua_setfield(L, -2, "options");
    lwb_push_choices(L);
    lua_setfield(L, -2, "choices");
    lwb_push_helpers(L);
    lua_setfield(L, -2, "helpers");
    lwb_raw(L);
    lua_setfield(L, -2, "raw");
    lua_newtable(L);
    lwb_open_process(L);
    lua_setfield(L, -2, "process");
    return 1;
}
