/* SPDX-License-Identifier: MIT
 * A time from Lua: seconds since 1970, or RFC 3339 text, in the years 0001 to 9999. */
#include <math.h>

#include "lwb.h"

/* 0001-01-01T00:00:00Z and 9999-12-31T23:59:59.999999Z. */
#define FIRST_SECOND -62135596800.0
#define LAST_SECOND  253402300799.999999

bool lwb_to_time_us(lua_State *L, int index, int64_t *out)
{
    size_t bytes;
    if (lua_type(L, index) == LUA_TSTRING) {
        const char *text = lua_tolstring(L, index, &bytes);
        return wb_timestamp_parse(text, bytes, out);
    }
    double seconds = lua_tonumber(L, index);
    if (lua_type(L, index) != LUA_TNUMBER || !(seconds >= FIRST_SECOND && seconds <= LAST_SECOND))
        return false;
    *out = llround(seconds * 1e6);
    return true;
}
