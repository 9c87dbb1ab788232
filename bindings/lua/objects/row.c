/* SPDX-License-Identifier: MIT
 * A row given as a table, read in one walk. Lua interns short strings, so a key is a column's name if both have one
 * address. Lua walks tables that were built alike in the same order, so the column of the n-th key is probably that
 * of the row before. Anything unusual (an unknown key, a long name) is left to the caller's slow path, which looks up each
 * name and says what is wrong. Invariant: no Lua code runs in here. */
#include "lua/base/pipeline.h"

#include <string.h>

void lwb_plan_init(lua_State *L, lwb_plan *plan, int names, int count)
{
    plan->count = count <= LWB_PLAN_COLUMNS ? count : 0;
    for (int i = 0; i < plan->count; i++) {
        lua_rawgeti(L, names, i + 1);
        plan->names[i] = lwb_string(L, -1);
        plan->order[i] = (uint8_t)i;
        lua_pop(L, 1);
    }
}

/* The column of the n-th key, or -1. */
static int place_of(lwb_plan *plan, const void *key, int nth)
{
    if (key == NULL || nth >= plan->count)
        return -1;
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

bool lwb_row_read(lua_State *L, lwb_plan *plan, int row, int ahead, uint8_t *slots)
{
    int at = lua_gettop(L), place = ahead;
    if (ahead > plan->count || !lua_checkstack(L, 2 * plan->count + 4))
        return false;
    memset(slots + ahead, 0, (size_t)(plan->count - ahead));
    lua_pushnil(L);
    for (int nth = 0; place >= ahead && lua_next(L, row); nth++) {
        at += 2; /* the value; its key is below it */
        place = place_of(plan, lwb_string(L, at - 1), nth);
        if (place >= ahead)
            slots[place] = (uint8_t)at;
        lua_pushvalue(L, at - 1);
    }
    return place >= ahead && plan->count > 0;
}
