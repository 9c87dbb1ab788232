/* SPDX-License-Identifier: MIT
 * Adding a row of any kind: value by value, each of which may need Lua, and with a word for what is wrong. */
#include "lua/base/convert.h"
#include "lua/base/pipeline.h"

enum { LOCAL_VALUES = 64 };

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
    return lwb_add_answer(L, pipeline, code, &err, due);
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

int lwb_add_any(lua_State *L, lwb_pipeline *pipeline, const wb_choice *choice, int base, int count)
{
    wb_value local[LOCAL_VALUES];
    if (count <= LOCAL_VALUES)
        return add_converted(L, pipeline, choice, base, count, local);
    wb_value *values = lua_newuserdata(L, (size_t)count * sizeof *values);
    lua_insert(L, base); /* below the values, which JSON texts may replace */
    return add_converted(L, pipeline, choice, base + 1, count, values);
}

int lwb_refuse_count(lua_State *L, lwb_pipeline *pipeline, const char *method, int count)
{
    lua_pushfstring(L, "%s: %d values for %d columns (generated ones are not given)", method, count,
                    pipeline->given);
    return refuse(L, pipeline);
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

/* The first column that is given both by a value ahead and by the row; -1: none. */
static int twice_given(lua_State *L, int names, int ahead)
{
    for (int i = 0; i < ahead; i++) {
        lua_rawgeti(L, names, i + 1);
        lua_rawget(L, 2);
        bool named = !lua_isnil(L, -1);
        lua_pop(L, 1);
        if (named)
            return i;
    }
    return -1;
}

/* Stack: 1 the batcher, 2 the row, then `ahead` values, the names (its options), then all values in order. */
int lwb_add_row(lua_State *L, lwb_pipeline *pipeline, const wb_choice *choice, int ahead)
{
    int names = 3 + ahead, found = 0;
    luaL_checkstack(L, pipeline->columns + 8, "too many columns");
    lwb_getuservalue(L, 1);
    int twice = twice_given(L, names, ahead);
    if (twice >= 0) {
        lua_pushliteral(L, "it is given twice, by the row and by a value after it");
        return refuse_value(L, pipeline, twice);
    }
    for (int i = 0; i < pipeline->columns; i++) {
        if (i < ahead) {
            lua_pushvalue(L, 3 + i);
            continue;
        }
        lua_rawgeti(L, names, i + 1);
        lua_rawget(L, 2);
        found += !lua_isnil(L, -1);
    }
    if (count_keys(L, 2) != found)
        return refuse_unknown(L, pipeline);
    return lwb_add_any(L, pipeline, choice, names + 1, pipeline->columns);
}
