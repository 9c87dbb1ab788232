/* SPDX-License-Identifier: MIT
 * Results and arguments: a core code becomes true, or nil, message, code; seconds become µs. Wrong use raises
 * with the caller's position. */
#include <math.h>
#include <string.h>

#include "lua/base/lwb.h"

const char *const lwb_class_names[] = {
    [WB_RETRY] = "retry", [WB_REJECT] = "reject", [WB_HOLD] = "hold", NULL};

int lwb_result(lua_State *L, int code, const wb_err *err)
{
    if (code == WB_OK) {
        lua_pushboolean(L, 1);
        return 1;
    }
    if (code == WB_MISUSE)
        return luaL_error(L, "%s", err->text);
    return lwb_refused(L, code, err);
}

int lwb_refused(lua_State *L, int code, const wb_err *err)
{
    lua_pushnil(L);
    lua_pushstring(L, err->text);
    lua_pushstring(L, wb_code_name(code));
    return 3;
}

int lwb_invalid(lua_State *L)
{
    lua_pushnil(L);
    lua_insert(L, -2);
    lua_pushstring(L, wb_code_name(WB_INVALID));
    return 3;
}

const char *lwb_check_text(lua_State *L, int index)
{
    const char *text = luaL_checkstring(L, index);
    luaL_argcheck(L, strlen(text) == lwb_rawlen(L, index), index,
                  "a string without a NUL expected");
    return text;
}

const char *lwb_key(lua_State *L, int index)
{
    if (lua_type(L, index) != LUA_TSTRING)
        return "";
    const char *text = lua_tostring(L, index);
    return strlen(text) == lwb_rawlen(L, index) ? text : "";
}

static int64_t to_us(double seconds)
{
    double us = seconds * 1e6;
    return us >= (double)WB_NEVER ? WB_NEVER : (int64_t)llround(us);
}

int64_t lwb_check_us(lua_State *L, int index)
{
    double seconds = luaL_checknumber(L, index);
    luaL_argcheck(L, seconds >= 0, index, "expected seconds, 0 or more");
    return to_us(seconds);
}

int64_t lwb_check_delay(lua_State *L, int index)
{
    int64_t us = lwb_check_us(L, index);
    return us == WB_NEVER ? WB_NEVER - 1 : us;
}

int64_t lwb_check_deadline(lua_State *L, int index, int64_t default_us)
{
    int64_t timeout_us = lua_isnoneornil(L, index) ? default_us : lwb_check_us(L, index);
    int64_t now_us = wb_now_us();
    return timeout_us > WB_NEVER - now_us ? WB_NEVER : now_us + timeout_us;
}

void lwb_push_seconds(lua_State *L, int64_t us)
{
    lua_pushnumber(L, us == WB_NEVER ? HUGE_VAL : (double)us / 1e6);
}
