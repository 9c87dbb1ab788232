/* SPDX-License-Identifier: MIT
 * What a store says of each row: { reject = { [index] = why, … }, retry = { index, … } }, and the rows that it does not
 * name are stored. So whatever may be a mistake in it raises, rather than to take a row for stored. */
#include <string.h>

#include "lua/base/pipeline.h"

typedef struct verdict_list {
    wb_verdict *verdicts;
    size_t rows;
    int texts; /* where the reasons are anchored */
} verdict_list;

static const char *const form =
    "expected { reject = { [index] = why, ... }, retry = { index, ... } }";

/* The row that is named by the number at the top. */
static wb_verdict *named(lua_State *L, const verdict_list *list, const char *field)
{
    lua_Number index = lua_type(L, -1) == LUA_TNUMBER ? lua_tonumber(L, -1) : 0;
    if (!(index >= 1 && index <= (lua_Number)list->rows && index == (lua_Number)(size_t)index))
        luaL_error(L, "%s: expected indexes of rows, from 1 to %d", field, (int)list->rows);
    wb_verdict *verdict = &list->verdicts[(size_t)index - 1];
    if (verdict->fate != WB_FATE_STORED)
        luaL_error(L, "row %d is named twice", (int)index);
    return verdict;
}

/* The reason at the top; true is the write's error. */
static const char *reason(lua_State *L, const verdict_list *list)
{
    if (lua_isboolean(L, -1) && lua_toboolean(L, -1))
        return NULL;
    if (lua_type(L, -1) != LUA_TSTRING)
        luaL_error(L, "reject: expected a reason, or true, got a %s", luaL_typename(L, -1));
    lua_pushvalue(L, -1);
    luaL_ref(L, list->texts);
    return lua_tostring(L, -1);
}

static size_t read_rejected(lua_State *L, int at, const verdict_list *list)
{
    size_t count = 0;
    for (lua_pushnil(L); lua_next(L, at) != 0; count++) {
        lua_pushvalue(L, -2);
        wb_verdict *verdict = named(L, list, "reject");
        lua_pop(L, 1);
        verdict->text = reason(L, list);
        verdict->fate = WB_FATE_REJECT;
        lua_pop(L, 1);
    }
    return count;
}

static size_t read_retried(lua_State *L, int at, const verdict_list *list)
{
    size_t count = 0;
    for (lua_pushnil(L); lua_next(L, at) != 0; count++) {
        named(L, list, "retry")->fate = WB_FATE_RETRY;
        lua_pop(L, 1);
    }
    return count;
}

/* A name that nobody knows is a mistake. */
static size_t read_field(lua_State *L, const verdict_list *list, bool *retries)
{
    const char *name = lwb_key(L, -2);
    bool retry = strcmp(name, "retry") == 0;
    if ((!retry && strcmp(name, "reject") != 0) || !lua_istable(L, -1))
        luaL_error(L, "%s", form);
    size_t count =
        retry ? read_retried(L, lua_gettop(L), list) : read_rejected(L, lua_gettop(L), list);
    *retries = *retries || (retry && count > 0);
    return count;
}

void lwb_check_verdicts(lua_State *L, int index, size_t rows, wb_outcome *out)
{
    verdict_list list = {.rows = rows};
    size_t bytes = rows * sizeof *list.verdicts, count = 0;
    bool retries = false;
    list.verdicts = memset(lua_newuserdata(L, bytes), 0, bytes);
    lua_newtable(L);
    list.texts = lua_gettop(L);
    for (lua_pushnil(L); lua_next(L, index) != 0; lua_pop(L, 1))
        count += read_field(L, &list, &retries);
    if (count == 0)
        luaL_error(L, "no row is named: %s", form);
    out->verdicts = list.verdicts;
    out->error_class = retries ? WB_RETRY : WB_REJECT;
}

void lwb_push_verdicts(lua_State *L, const wb_verdict *verdicts, size_t rows, const char *text)
{
    int retried = 0;
    lua_createtable(L, 0, 2);
    lua_newtable(L);
    lua_newtable(L);
    for (size_t i = 0; i < rows; i++) {
        if (verdicts[i].fate == WB_FATE_REJECT) {
            lua_pushstring(L, verdicts[i].text != NULL ? verdicts[i].text : text);
            lua_rawseti(L, -3, (int)i + 1);
        } else if (verdicts[i].fate == WB_FATE_RETRY) {
            lua_pushinteger(L, (lua_Integer)i + 1);
            lua_rawseti(L, -2, ++retried);
        }
    }
    lua_setfield(L, -3, "retry");
    lua_setfield(L, -2, "reject");
}
