/* SPDX-License-Identifier: MIT
 * What Lua is told of the options that the core has: names, types, defaults and ranges, in Lua's units, so that
 * nothing of it is written twice. Made once a state; a failure is out of memory, and raises. */
#include <math.h>

#include "lua/base/pipeline.h"

static const char *const type_names[] = {
    [WB_OPTION_COUNT] = "count", [WB_OPTION_LIMIT] = "limit", [WB_OPTION_TRIES] = "tries",
    [WB_OPTION_SHARE] = "share", [WB_OPTION_TIME] = "time",   [WB_OPTION_CHOICE] = "choice",
    [WB_OPTION_INDEX] = "index", [WB_OPTION_FLAG] = "flag",
};

static void set_number(lua_State *L, const wb_option *option, const char *name, double value)
{
    lua_pushnumber(L, option->type == WB_OPTION_TIME ? value / 1e6 : value);
    lua_setfield(L, -2, name);
}

static void push_option(lua_State *L, const wb_option *option)
{
    lua_createtable(L, 0, 7);
    lua_pushboolean(L, option->live);
    lua_setfield(L, -2, "live");
    lua_pushstring(L, option->name);
    lua_setfield(L, -2, "name");
    lua_pushstring(L, option->unit);
    lua_setfield(L, -2, "unit");
    lua_pushstring(L, type_names[option->type]);
    lua_setfield(L, -2, "type");
    set_number(L, option, "default", option->initial);
    set_number(L, option, "least", option->least);
    set_number(L, option, "most", option->most);
}

static void set_list(lua_State *L, const char *noun, const wb_option *list)
{
    lua_newtable(L);
    for (int i = 0; list[i].name != NULL; i++) {
        push_option(L, &list[i]);
        lua_rawseti(L, -2, i + 1);
    }
    lua_setfield(L, -2, noun);
}

/* Pushes { batcher = list, tracker = list } of { name, live, type, default, least, most [, unit] }: in the
 * units of the Lua API. What has no unit is given in another form there. */
void lwb_push_options(lua_State *L)
{
    lua_createtable(L, 0, 2);
    set_list(L, lwb_batcher_kind.name, wb_batcher_option_list);
    set_list(L, lwb_tracker_kind.name, wb_tracker_option_list);
}

/* Sets the values of each choice in the table at the top. */
static void set_choices(lua_State *L, const wb_option *list)
{
    for (const wb_option *option = list; option->name != NULL; option++) {
        if (option->choices == NULL)
            continue;
        lua_newtable(L);
        for (int i = 0; i <= (int)option->most; i++) {
            lua_pushinteger(L, i);
            lua_setfield(L, -2, option->choices[i]);
        }
        lua_setfield(L, -2, option->name);
    }
}

/* Pushes { overflow = { reject = number, … }, … }. */
void lwb_push_choices(lua_State *L)
{
    lua_newtable(L);
    set_choices(L, wb_batcher_option_list);
    set_choices(L, wb_tracker_option_list);
}
