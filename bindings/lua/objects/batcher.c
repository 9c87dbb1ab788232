/* SPDX-License-Identifier: MIT
 * The batcher's own methods: add, the hot path, and take. A row needs no memory, no metamethod and no string
 * compare, unless a value is a table. A row that is refused here never gets to the core: `refused` counts it.
 * A driven batcher's add answers true, due; its public face, in Lua, acts on `due`. */
#include <string.h>

#include "lua/base/convert.h"

enum { LOCAL_VALUES = 64 };

static lwb_pipeline *batcher_check(lua_State *L)
{
    lwb_pipeline *pipeline = lwb_test(L, 1, &lwb_batcher_kind);
    if (pipeline == NULL || pipeline->core == NULL)
        lwb_pipeline_check(L, 1); /* raises, unless it is a tracker */
    if (pipeline == NULL)
        lwb_check(L, 1, &lwb_batcher_kind);
    return pipeline;
}

static const wb_column *column_at(const wb_schema *schema, int place)
{
    size_t index = 0;
    while (wb_schema_place(schema, index) != (size_t)place)
        index++;
    return wb_schema_column(schema, index);
}

/* The message at the top is about the value in a place. */
static int refuse_value(lua_State *L, lwb_pipeline *pipeline, int place)
{
    const wb_column *column = column_at(pipeline->schema, place);
    char type[80];
    pipeline->refused++;
    lua_pushfstring(L, "column \"%s\" (%s): %s", column->name,
                    wb_column_type(column, type, sizeof type), lua_tostring(L, -1));
    return lwb_invalid(L);
}

static int refuse(lua_State *L, lwb_pipeline *pipeline)
{
    pipeline->refused++;
    return lwb_invalid(L);
}

static int add(lua_State *L, lwb_pipeline *pipeline, const wb_choice *choice,
               const wb_value *values, int count)
{
    bool due = false;
    wb_err err;
    int code = wb_batcher_add_as(pipeline->core, values, (size_t)count, choice,
                                 pipeline->driven ? &due : NULL, &err);
    if (code != WB_OK)
        return lwb_result(L, code, &err);
    lua_pushboolean(L, 1);
    if (!pipeline->driven)
        return 1;
    lua_pushboolean(L, due);
    return 2;
}

/* In a schema with arrays: a table is a list where the column is one, else JSON. */
static bool to_value(lua_State *L, const lwb_pipeline *pipeline, int index, int place,
                     wb_value *out)
{
    bool is_list = lua_istable(L, index) && column_at(pipeline->schema, place)->array;
    return is_list ? lwb_list_value(L, index, out) : lwb_to_value(L, index, out);
}

static int convert_some(lua_State *L, const lwb_pipeline *pipeline, int base, int count,
                        wb_value *values)
{
    int i = 0;
    if (pipeline->arrays) {
        while (i < count && to_value(L, pipeline, base + i, i, &values[i]))
            i++;
    } else {
        while (i < count && lwb_to_value(L, base + i, &values[i]))
            i++;
    }
    return i;
}

/* Adds the `count` values from `base` on; `values` has room for them. */
static int add_converted(lua_State *L, lwb_pipeline *pipeline, const wb_choice *choice, int base,
                         int count, wb_value *values)
{
    int converted = convert_some(L, pipeline, base, count, values);
    if (converted < count)
        return refuse_value(L, pipeline, converted);
    if (pipeline->core == NULL) /* a metamethod of the encoder's collected it */
        lwb_pipeline_check(L, 1);
    return add(L, pipeline, choice, values, count);
}

static int add_any(lua_State *L, lwb_pipeline *pipeline, const wb_choice *choice, int base,
                   int count)
{
    wb_value local[LOCAL_VALUES];
    if (count <= LOCAL_VALUES)
        return add_converted(L, pipeline, choice, base, count, local);
    wb_value *values = lua_newuserdata(L, (size_t)count * sizeof *values);
    lua_insert(L, base); /* below the values, which JSON texts may replace */
    return add_converted(L, pipeline, choice, base + 1, count, values);
}

static int add_values(lua_State *L, const wb_choice *choice)
{
    lwb_pipeline *pipeline = batcher_check(L);
    int count = lua_gettop(L) - 1;
    while (count > pipeline->given && lua_isnil(L, count + 1))
        count--;
    if (count <= pipeline->given)
        return add_any(L, pipeline, choice, 2, count);
    lua_pushfstring(L, "add_values: %d values for %d columns (generated ones are not given)", count,
                    pipeline->given);
    return refuse(L, pipeline);
}

static int batcher_add_values(lua_State *L)
{
    return add_values(L, NULL);
}

/* Names the key of the row at 2 that is no column. */
static int refuse_unknown(lua_State *L, lwb_pipeline *pipeline)
{
    for (lua_pushnil(L); lua_next(L, 2); lua_pop(L, 1)) {
        if (lua_type(L, -2) != LUA_TSTRING) {
            lua_pushfstring(L, "a row's keys are column names, got a %s", luaL_typename(L, -2));
            return refuse(L, pipeline);
        }
        size_t bytes;
        const char *name = lua_tolstring(L, -2, &bytes);
        int at = wb_schema_find(pipeline->schema, name, bytes);
        if (at >= 0)
            continue;
        lua_pushfstring(L, "no column \"%s\"", name);
        return refuse(L, pipeline);
    }
    lua_pushliteral(L, "the row changed while it was read");
    return refuse(L, pipeline);
}

static int count_keys(lua_State *L, int index)
{
    int count = 0;
    for (lua_pushnil(L); lua_next(L, index); lua_pop(L, 1))
        count++;
    return count;
}

/* Stack: 1 the batcher, 2 the row, 3 the names (its options), then the values in order. */
static int add_row(lua_State *L, lwb_pipeline *pipeline, const wb_choice *choice)
{
    int found = 0;
    luaL_checkstack(L, pipeline->columns + 8, "too many columns");
    lwb_getuservalue(L, 1);
    for (int i = 1; i <= pipeline->columns; i++) {
        lua_rawgeti(L, 3, i);
        lua_rawget(L, 2);
        found += !lua_isnil(L, -1);
    }
    if (count_keys(L, 2) != found)
        return refuse_unknown(L, pipeline);
    return add_any(L, pipeline, choice, 4, pipeline->columns);
}

static int add_table(lua_State *L, const wb_choice *choice)
{
    wb_value values[LWB_PLAN_COLUMNS];
    lwb_pipeline *pipeline = batcher_check(L);
    luaL_checktype(L, 2, LUA_TTABLE);
    lua_settop(L, 2);
    if (lwb_row_read(L, &pipeline->plan, 2, values))
        return add(L, pipeline, choice, values, pipeline->columns);
    return add_row(L, pipeline, choice);
}

static int batcher_add(lua_State *L)
{
    return add_table(L, NULL);
}

/* Takes the route's number and the overflow mode's out of the arguments. */
static wb_choice take_choice(lua_State *L)
{
    wb_choice choice = {
        .route = (uint32_t)luaL_checknumber(L, 2),
        .overflow = (int32_t)luaL_checknumber(L, 3),
    };
    lua_remove(L, 3);
    lua_remove(L, 2);
    return choice;
}

int lwb_batcher_add_as(lua_State *L)
{
    wb_choice choice = take_choice(L);
    return add_table(L, &choice);
}

int lwb_batcher_add_values_as(lua_State *L)
{
    wb_choice choice = take_choice(L);
    return add_values(L, &choice);
}

/* take() → the next due batch, lent, or nil. */
static int batcher_take(lua_State *L)
{
    lwb_pipeline *pipeline = batcher_check(L);
    if (!pipeline->driven)
        return luaL_error(L, "take: this batcher is threaded: its own thread delivers");
    lwb_claim *claim = lwb_claim_blank(L, &lwb_batch_kind, 1);
    wb_batch *batch = wb_batcher_take(pipeline->core);
    if (batch == NULL)
        return 0;
    lwb_claim_link(claim, pipeline, batch);
    claim->count = wb_batch_rows(batch);
    claim->attempt = wb_batch_attempt(batch);
    claim->reason = wb_batch_reason(batch);
    claim->table = wb_batch_table(batch);
    memcpy(claim->id, wb_batch_id(batch), sizeof claim->id);
    return 1;
}

void lwb_open_batcher(lua_State *L)
{
    static const luaL_Reg methods[] = {{"add", batcher_add},
                                       {"add_values", batcher_add_values},
                                       {"take", batcher_take},
                                       {NULL, NULL}};
    static const luaL_Reg meta[] = {
        {"__gc", lwb_pipeline_gc}, {"__close", lwb_pipeline_autoclose}, {NULL, NULL}};
    lwb_class(L, &lwb_batcher_kind, methods, meta);
    lwb_metatable(L, &lwb_batcher_kind);
    lua_getfield(L, -1, "__index");
    lwb_pipeline_methods(L);
    lua_pop(L, 2);
}
