/* SPDX-License-Identifier: MIT
 * A list from Lua as the elements of an array. What Lua has to make for them (JSON of a table) is kept in a list that takes
 * the place of the one that was given, so that the values borrow from the stack.
 * A value that has no place in a column is a message at the top, never an error that is raised. */
#include "lua/base/convert.h"

enum { LONGEST_LIST = 100 * 1000 * 1000 };

/* A list's elements, as far as `count`. What Lua makes of them is kept in the list `kept` at the top. */
static bool list_values(lua_State *L, int list, wb_value *values, int count)
{
    int kept = lua_gettop(L);
    for (int i = 0; i < count; i++) {
        lua_rawgeti(L, list, i + 1);
        bool converted =
            lua_type(L, -1) == LUA_TNIL ? false : lwb_to_value(L, kept + 1, &values[i]);
        if (!converted) {
            if (lua_type(L, -1) == LUA_TNIL)
                lua_pushliteral(L, "nil has no place in a list; cjson.null has");
            lua_pushfstring(L, "element %d: %s", i + 1, lua_tostring(L, -1));
            return false;
        }
        lua_rawseti(L, kept, i + 1);
    }
    return true;
}

bool lwb_list_value(lua_State *L, int index, wb_value *out)
{
    size_t count = lwb_rawlen(L, index), keys = 0;
    for (lua_pushnil(L); lua_next(L, index); lua_pop(L, 1))
        keys++;
    if (keys != count || count > LONGEST_LIST) {
        lua_pushliteral(L, "not a list: it has other keys, or holes, or too many elements");
        return false;
    }
    wb_value *values = lua_newuserdata(L, (count + 1) * sizeof *values);
    lua_createtable(L, (int)count + 1, 0);
    if (!list_values(L, index, values, (int)count))
        return false;
    lua_insert(L, -2);
    lua_rawseti(L, -2, (int)count + 1); /* the values live as long as what they borrow from */
    lua_replace(L, index);
    *out = (wb_value){.kind = WB_LIST, .bytes = (uint32_t)count, .list = values};
    return true;
}
