/* SPDX-License-Identifier: MIT
 * A row given as a table, read in one walk. Lua interns short strings, so a key is a column's name if both have one
 * address. Lua walks tables that were built alike in the same order, so the column of the n-th key is probably that
 * of the row before. Anything unusual (an unknown key, a long name, a table or a cdata as a value) is left to the
 * caller's slow path, which looks up each name and says what is wrong.
 * Invariant: no Lua code runs in here, so the text that values borrow lives as long as the row. */
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
