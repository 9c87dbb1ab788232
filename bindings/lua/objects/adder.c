/* SPDX-License-Identifier: MIT
 * A function that adds a row to one batcher: the values of some columns by position, in an order of its own, and a table of
 * the others. It is a method of an object that stands before the batcher. The columns are those that come first. */
#include <string.h>

#include "engine/batcher.h"
#include "lua/base/pipeline.h"

typedef struct adder {
    lwb_pipeline *pipeline; /* upvalue 2 anchors it */
    int ahead;
    uint8_t index
        [LWB_PLAN_COLUMNS]; /* of the first columns' values on the stack: 2 is the first argument's */
} adder;

enum { ADDER = 1, BATCHER, OBJECT }; /* upvalues */

static int misused(lua_State *L, const adder *to, int row)
{
    if (!lua_rawequal(L, 1, lua_upvalueindex(OBJECT)))
        return luaL_error(
            L,
            "add: expected its own object as self, got another %s (methods are called with "
            "a colon)",
            luaL_typename(L, 1));
    if (to->pipeline->core == NULL)
        return luaL_error(L, "add: the batcher is collected");
    return luaL_error(L, "add: a table of fields expected, got %s", luaL_typename(L, row));
}

/* As add_mixed has its arguments: the batcher, the row, the values in the order of their columns. */
static int add_any(lua_State *L, const adder *to, int row)
{
    luaL_checkstack(L, to->ahead + 2, "too many columns");
    lua_pushvalue(L, lua_upvalueindex(BATCHER));
    lua_pushvalue(L, row);
    for (int i = 0; i < to->ahead; i++)
        lua_pushvalue(L, to->index[i]);
    for (int i = to->ahead + 2; i > 0; i--)
        lua_replace(L, i);
    return lwb_add_row(L, to->pipeline, NULL, to->ahead);
}

static int adder_add(lua_State *L)
{
    const adder *to = lua_touserdata(L, lua_upvalueindex(ADDER));
    lwb_pipeline *pipeline = to->pipeline;
    uint8_t slots[LWB_PLAN_COLUMNS];
    wb_tuple tuple;
    int row = to->ahead + 2;
    lua_settop(L, row);
    if (!lua_rawequal(L, 1, lua_upvalueindex(OBJECT)) || lua_type(L, row) != LUA_TTABLE ||
        pipeline->core == NULL)
        return misused(L, to, row);
    lwb_given given = {.slots = slots};
    memcpy(slots, to->index, (size_t)to->ahead);
    if (lwb_row_read(L, &pipeline->plan, row, to->ahead, slots) &&
        lwb_row_encode(L, pipeline, &given, &tuple))
        return lwb_add_tuple(L, pipeline, NULL, &tuple);
    lua_settop(L, row);
    return add_any(L, to, row);
}

/* The argument that is the value of a column; 0: none is. */
static int argument_of(lua_State *L, int names, const char *column, int count)
{
    int found = 0;
    for (int i = 1; i <= count && found == 0; i++) {
        lua_rawgeti(L, names, i);
        if (strcmp(lwb_key(L, -1), column) == 0)
            found = i;
        lua_pop(L, 1);
    }
    return found;
}

static bool is_plain(lua_State *L, int batcher)
{
    lua_getmetatable(L, batcher);
    lwb_metatable(L, &lwb_batcher_kind);
    bool plain = lua_rawequal(L, -1, -2);
    lua_pop(L, 2);
    return plain;
}

/* raw.adder(batcher, object, names) → add(object, value of each name, row); nil where the batcher's adds are Lua's. The
 * names are those of the first columns, in any order. */
int lwb_adder(lua_State *L)
{
    lwb_pipeline *pipeline = lwb_batcher_check(L);
    luaL_checktype(L, 3, LUA_TTABLE);
    int count = (int)lwb_rawlen(L, 3);
    if (!is_plain(L, 1) || count > pipeline->plan.count)
        return 0;
    lua_settop(L, 3);
    adder *to = lua_newuserdata(L, sizeof *to);
    to->pipeline = pipeline;
    to->ahead = count;
    for (size_t i = 0; i < wb_schema_count(pipeline->schema); i++) {
        const wb_column *column = wb_schema_column(pipeline->schema, i);
        size_t place = wb_schema_place(pipeline->schema, i);
        int argument = argument_of(L, 3, column->name, count);
        luaL_argcheck(L, (argument > 0) == (place < (size_t)count), 3, "not the first columns");
        if (argument > 0)
            to->index[place] = (uint8_t)(argument + 1);
    }
    lua_pushvalue(L, 1);
    lua_pushvalue(L, 2);
    lua_pushcclosure(L, adder_add, 3);
    return 1;
}
