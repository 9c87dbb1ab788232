/* SPDX-License-Identifier: MIT
 * The clock of tests: it stands still until it is advanced. The core
 * counts its users, so it outlives its object. A step that is too long, or past the year 10000, raises. */
#include <math.h>

#include "lua/base/lwb.h"

#define LONGEST_US INT64_C(1000000000000000)   /* a step */
#define LAST_US    INT64_C(253402300800000000) /* the year 10000: no time is after it */

static wb_clock *clock_check(lua_State *L)
{
    lwb_clock *object = lwb_check(L, 1, &lwb_clock_kind);
    if (object->clock == NULL)
        luaL_error(L, "clock: already collected");
    return object->clock;
}

wb_clock *lwb_clock_field(lua_State *L, int index)
{
    lwb_clock *object = lwb_field_object(L, index, "clock", &lwb_clock_kind);
    return object == NULL ? NULL : object->clock;
}

/* core.clock([start]): start in seconds since 1970, by default the system's time. */
int lwb_clock_new(lua_State *L)
{
    wb_err err;
    int64_t start_us = wb_unix_us();
    if (!lua_isnoneornil(L, 1))
        luaL_argcheck(L, lwb_to_time_us(L, 1, &start_us), 1, "expected seconds or RFC 3339 text");
    lwb_clock *object = lwb_new(L, &lwb_clock_kind);
    int code = wb_clock_new(start_us, &object->clock, &err);
    return code == WB_OK ? 1 : lwb_result(L, code, &err);
}

static int clock_advance(lua_State *L)
{
    wb_clock *clock = clock_check(L);
    int64_t by_us = lwb_check_us(L, 2);
    luaL_argcheck(L, by_us <= LONGEST_US, 2, "expected less than 31 years");
    luaL_argcheck(L, wb_clock_now_us(clock) < LAST_US, 2, "the clock is past the year 10000");
    wb_clock_advance(clock, by_us);
    lua_settop(L, 1);
    return 1;
}

static int clock_now(lua_State *L)
{
    lwb_push_seconds(L, wb_clock_now_us(clock_check(L)));
    return 1;
}

static int clock_gc(lua_State *L)
{
    lwb_clock *object = lwb_test(L, 1, &lwb_clock_kind);
    if (object != NULL && object->clock != NULL) {
        wb_clock_unref(object->clock);
        object->clock = NULL;
    }
    return 0;
}

void lwb_open_clock(lua_State *L)
{
    static const luaL_Reg methods[] = {
        {"advance", clock_advance}, {"now", clock_now}, {NULL, NULL}};
    static const luaL_Reg meta[] = {{"__gc", clock_gc}, {NULL, NULL}};
    lwb_class(L, &lwb_clock_kind, methods, meta);
}
