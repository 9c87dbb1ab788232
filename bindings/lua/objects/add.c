/* SPDX-License-Identifier: MIT
 * Adding rows, the hot path. A usual row is encoded straight from the stack (encode.c), others value by value
 * (add_any.c). A row that is refused here never gets to the core: `refused` counts it. A driven batcher's add answers true, due; its public face, in
 * Lua, acts on `due`. */
#include <string.h>

#include "engine/batcher.h"
#include "lua/base/pipeline.h"

int lwb_add_tuple(lua_State *L, lwb_pipeline *pipeline, const wb_choice *choice,
                  const wb_tuple *tuple)
{
    bool due = false;
    wb_err err;
    int code =
        wb_batcher_add_tuple(pipeline->core, tuple, choice, pipeline->driven ? &due : NULL, &err);
    return lwb_add_answer(L, pipeline, code, &err, due);
}

static int add_values(lua_State *L, const wb_choice *choice)
{
    lwb_pipeline *pipeline = lwb_batcher_check(L);
    int count = lua_gettop(L) - 1;
    while (count > pipeline->given && lua_isnil(L, count + 1))
        count--;
    lwb_given given = {.base = 2, .count = count};
    wb_tuple tuple;
    if (count <= pipeline->given && lwb_row_encode(L, pipeline, &given, &tuple))
        return lwb_add_tuple(L, pipeline, choice, &tuple);
    lua_settop(L, count + 1); /* without what is said of a table's JSON */
    if (count <= pipeline->given)
        return lwb_add_any(L, pipeline, choice, 2, count);
    return lwb_refuse_count(L, pipeline, "add_values", count);
}

int lwb_batcher_add_values(lua_State *L)
{
    return add_values(L, NULL);
}

/* A row, and after it the values of the first columns, which the row leaves out. */
static int add_table(lua_State *L, const wb_choice *choice)
{
    lwb_pipeline *pipeline = lwb_batcher_check(L);
    uint8_t slots[LWB_PLAN_COLUMNS];
    wb_tuple tuple;
    luaL_checktype(L, 2, LUA_TTABLE);
    int top = lua_gettop(L), ahead = top - 2;
    if (ahead > pipeline->given)
        return lwb_refuse_count(L, pipeline, "add_mixed", ahead);
    lwb_given given = {.slots = slots};
    for (int i = 0; i < ahead && i < LWB_PLAN_COLUMNS; i++)
        slots[i] = (uint8_t)(3 + i);
    if (lwb_row_read(L, &pipeline->plan, 2, ahead, slots) &&
        lwb_row_encode(L, pipeline, &given, &tuple))
        return lwb_add_tuple(L, pipeline, choice, &tuple);
    lua_settop(L, top);
    return lwb_add_row(L, pipeline, choice, ahead);
}

int lwb_batcher_add(lua_State *L)
{
    lua_settop(L, 2);
    return add_table(L, NULL);
}

int lwb_batcher_add_mixed(lua_State *L)
{
    return add_table(L, NULL);
}

void lwb_decision_take(lua_State *L, lwb_decision *decision)
{
    size_t bytes = 0;
    const char *table = luaL_optlstring(L, 2, NULL, &bytes);
    luaL_argcheck(L, bytes < sizeof decision->table && (table == NULL || strlen(table) == bytes), 2,
                  "no name of a table");
    decision->choice = (wb_choice){.overflow = (int32_t)luaL_checknumber(L, 3)};
    if (table != NULL)
        decision->choice.table = memcpy(decision->table, table, bytes + 1);
    lua_remove(L, 3);
    lua_remove(L, 2);
}

int lwb_batcher_add_as(lua_State *L)
{
    lwb_decision decision;
    lwb_decision_take(L, &decision);
    lua_settop(L, 2);
    return add_table(L, &decision.choice);
}

int lwb_batcher_add_mixed_as(lua_State *L)
{
    lwb_decision decision;
    lwb_decision_take(L, &decision);
    return add_table(L, &decision.choice);
}

int lwb_batcher_add_values_as(lua_State *L)
{
    lwb_decision decision;
    lwb_decision_take(L, &decision);
    return add_values(L, &decision.choice);
}
