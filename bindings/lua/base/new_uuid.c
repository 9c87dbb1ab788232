/* SPDX-License-Identifier: MIT
 * New uuids as text. Each Lua state has a source of its own, an upvalue of both functions: so there is no lock, what it
 * makes of version 7 ascends, and the child of a fork makes none of its parent's. Only a lack of memory raises. */
#include "base/uuid.h"
#include "lua/base/lwb.h"

static wb_uuid_source *source_of(lua_State *L)
{
    return lua_touserdata(L, lua_upvalueindex(1));
}

static int uuidv4(lua_State *L)
{
    uint8_t id[16];
    wb_uuid_v4(source_of(L), id);
    lwb_push_uuid(L, id);
    return 1;
}

static int uuidv7(lua_State *L)
{
    uint8_t id[16];
    wb_uuid_source *source = source_of(L);
    wb_uuid_v7(source, source->env.unix_us(source->env.context), id);
    lwb_push_uuid(L, id);
    return 1;
}

void lwb_open_uuid(lua_State *L)
{
    wb_uuid_source_init(lua_newuserdata(L, sizeof(wb_uuid_source)), &wb_env_system);
    lua_pushvalue(L, -1);
    lua_pushcclosure(L, uuidv4, 1);
    lua_setfield(L, -3, "uuidv4");
    lua_pushcclosure(L, uuidv7, 1);
    lua_setfield(L, -2, "uuidv7");
}
