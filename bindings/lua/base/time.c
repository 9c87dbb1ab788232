/* SPDX-License-Identifier: MIT
 * A time from Lua: seconds since 1970, or RFC 3339 text, in the years 0001 to 9999. */
#include "lua/base/lwb.h"

bool lwb_to_time_us(lua_State *L, int index, int64_t *out)
{
    if (lua_type(L, index) == LUA_TNUMBER)
        return wb_timestamp_of_seconds(lua_tonumber(L, index), out);
    size_t bytes;
    const char *text = lua_type(L, index) == LUA_TSTRING ? lua_tolstring(L, index, &bytes) : NULL;
    return text != NULL && wb_timestamp_parse(text, bytes, out);
}
