/* SPDX-License-Identifier: MIT
 * A row given as a table, read in one walk. Short strings are interned, so a key is its column's name when
 * the two have one address; and tables built alike are walked in one order, so the column of the n-th key is
 * remembered from the row before. Whatever is out of the ordinary (an unknown key, a long name, a table or a
 * cdata as a value) is left to the caller's slow path, which looks each name up and knows what to say.
 * No Lua code runs in here: the text that values borrow stays alive with the row. */
#include "lua/base/convert.h"

void lwb_plan_init(lua_State *L, lwb_plan *plan, int names, int count)
{
    plan->count = count <= LWB_PLAN_COLUMNS ? count : 0;
    for (int i = 0; i < plan->count; i++) {
        lua_rawgeti(L, names, i + 1);
        plan->names[i] = lua_tostring(L, -1); /* anchored in the list */
        plan->order[i] = (uint8_t)i;
        lua_pop(L, 1);
    }
}

/* The column of the n-th key, or -1. */
static int place_of(lwb_plan *plan, const char *key, int nth)
{
    int place = plan->order[nth];
    if (plan->names[place] == key)
        return place;
    for (place = 0; place < plan->count; place++) {
        if (plan->names[place] == key) {
            plan->order[nth] = (uint8_t)place;
            return place;
        }
    }
    return -1;
}

/* The pair at the top: a key, a value. */
static bool read_pair(lua_State *L, lwb_plan *plan, int nth, wb_value *values)
{
    int type = lua_type(L, -1);
    bool plain = type == LUA_TNUMBER || type == LUA_TSTRING || type == LUA_TBOOLEAN;
    if (!plain || lua_type(L, -2) != LUA_TSTRING)
        return false;
    int place = nth < plan->count ? place_of(plan, lua_tostring(L, -2), nth) : -1;
    return place >= 0 && lwb_to_value_of(L, -1, type, &values[place]);
}

bool lwb_row_read(lua_State *L, lwb_plan *plan, int row, wb_value *values)
{
    int nth = 0;
    for (int i = 0; i < plan->count; i++)
        values[i].kind = WB_ABSENT;
    lua_pushnil(L);
    while (lua_next(L, row)) {
        if (!read_pair(L, plan, nth++, values)) {
            lua_settop(L, row);
            return false;
        }
        lua_pop(L, 1);
    }
    return plan->count > 0;
}
