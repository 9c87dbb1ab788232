/* SPDX-License-Identifier: MIT
 * The values of a batch's rows, on their way to Lua.
 * Any allocation in Lua may run a finalizer, and a finalizer may complete the claim that is being read. So a reader
 * checks the claim again before it touches what it borrows from the batch. */
#include <string.h>

#include "lua/base/pipeline.h"

enum { LOCAL_COLUMNS = 64, LOCAL_TEXT = 512 };

const wb_batch *lwb_still(lua_State *L, const lwb_claim *claim)
{
    if (claim->work == NULL)
        luaL_error(L, "batch: completed while it was read");
    return claim->work;
}

/* Text as it is. Where Lua may collect first, it gets a copy. */
static void push_text(lua_State *L, const lwb_claim *claim, const wb_value *value)
{
    char local[LOCAL_TEXT];
    bool in_place = LWB_COPIES_FIRST;
    char *copy = local;
    if (!in_place && value->bytes > sizeof local)
        copy = lua_newuserdata(L, value->bytes);
    lwb_still(L, claim);
    if (!in_place)
        memcpy(copy, value->text, value->bytes);
    lua_pushlstring(L, in_place ? value->text : copy, value->bytes);
    if (copy != local)
        lua_remove(L, -2);
}

/* A value that becomes something else, from a copy of its bytes. */
static void push_converted(lua_State *L, const lwb_claim *claim, const wb_column *column,
                           const wb_value *value)
{
    char local[LOCAL_TEXT];
    wb_value own = *value;
    bool is_long = value->bytes > sizeof local;
    char *copy = is_long ? lua_newuserdata(L, value->bytes) : local;
    lwb_still(L, claim);
    memcpy(copy, value->text, value->bytes);
    own.text = copy;
    lwb_push_value(L, column, &own);
    if (is_long)
        lua_remove(L, -2);
}

static bool is_plain(const wb_column *column)
{
    switch (column->type) {
    case WB_TYPE_TEXT:
    case WB_TYPE_BYTEA:
    case WB_TYPE_JSON:
    case WB_TYPE_JSONB:
        return true;
    default:
        return false;
    }
}

/* What the server may fill has NULL as cjson.null: it is not the same as what is left to the server. */
void lwb_push_cell(lua_State *L, const lwb_claim *claim, const wb_column *column,
                   const wb_value *value)
{
    if (value->kind == WB_NULL)
        lua_pushlightuserdata(L, NULL);
    else if (value->kind < WB_TEXT)
        lwb_push_value(L, column, value);
    else if (value->kind == WB_TEXT && is_plain(column))
        push_text(L, claim, value);
    else
        push_converted(L, claim, column, value);
}

void lwb_push_row(lua_State *L, const lwb_claim *claim, size_t index, int names)
{
    wb_value local[LOCAL_COLUMNS], *values = local;
    const wb_schema *schema = wb_batch_schema(claim->work);
    size_t count = wb_schema_count(schema);
    if (count > LOCAL_COLUMNS)
        values = lua_newuserdata(L, count * sizeof *values);
    lua_createtable(L, 0, (int)count);
    wb_batch_values(lwb_still(L, claim), index, values);
    for (size_t i = 0; i < count; i++) {
        const wb_column *column = wb_schema_column(schema, i);
        bool left_out =
            column->server_default ? values[i].kind == WB_ABSENT : values[i].kind == WB_NULL;
        if (left_out)
            continue;
        lua_rawgeti(L, names, (int)i + 1);
        lwb_push_cell(L, claim, column, &values[i]);
        lua_rawset(L, -3);
    }
    if (values != local)
        lua_remove(L, -2);
}
