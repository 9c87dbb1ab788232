/* SPDX-License-Identifier: MIT
 * The tracker's own methods: add and take. The rest is in pipeline.c. An id that is refused here never gets to the
 * core: `refused` counts it. A driven tracker's add answers true, due; its public face, in Lua, acts on `due`. */
#include <math.h>

#include "lua/base/convert.h"
#include "lua/base/pipeline.h"

static lwb_pipeline *tracker_check(lua_State *L)
{
    lwb_pipeline *pipeline = lwb_check(L, 1, &lwb_tracker_kind);
    if (pipeline->core == NULL)
        luaL_error(L, "tracker: already collected");
    return pipeline;
}

static int refuse(lua_State *L, lwb_pipeline *pipeline, int index, const char *expected)
{
    pipeline->refused++;
    if (lua_type(L, index) == LUA_TSTRING && lwb_rawlen(L, index) <= 64)
        lua_pushfstring(L, "expected %s, got \"%s\"", expected, lua_tostring(L, index));
    else
        lua_pushfstring(L, "expected %s, got a %s", expected,
                        lua_isnoneornil(L, index) ? "nil" : luaL_typename(L, index));
    return lwb_invalid(L);
}

/* The time at 3; false: it is none. */
static bool to_time(lua_State *L, int64_t *at_us)
{
    *at_us = WB_NEVER;
    return lua_isnoneornil(L, 3) || lwb_to_time_us(L, 3, at_us);
}

static const char time_expected[] = "a time in seconds or RFC 3339 text";

/* Of a key that is no uuid. The core says what is wrong with an id, but not with what has no place in a column; and a table
 * is not made JSON. */
static int add_other(lua_State *L, lwb_pipeline *pipeline)
{
    wb_err err;
    wb_value id;
    int64_t at_us;
    bool due = false;
    int type = lua_type(L, 2);
    if (type == LUA_TTABLE || !lwb_to_value_of(L, 2, type, &id))
        return refuse(L, pipeline, 2,
                      pipeline->key_type == WB_TYPE_TEXT ? "an id, a string"
                                                         : "an id, a whole number");
    if (!to_time(L, &at_us))
        return refuse(L, pipeline, 3, time_expected);
    int code = wb_tracker_add(pipeline->core, &id, at_us, pipeline->driven ? &due : NULL, &err);
    return lwb_add_answer(L, pipeline, code, &err, due);
}

/* add(id [, at]) */
static int tracker_add(lua_State *L)
{
    wb_err err;
    uint8_t id[16];
    int64_t at_us;
    bool due = false;
    lwb_pipeline *pipeline = tracker_check(L);
    if (pipeline->key_type != WB_TYPE_UUID)
        return add_other(L, pipeline);
    if (!lwb_to_uuid(L, 2, id))
        return refuse(L, pipeline, 2, "a uuid of 36 characters or 16 bytes");
    if (!to_time(L, &at_us))
        return refuse(L, pipeline, 3, time_expected);
    int code = wb_tracker_add_uuid(pipeline->core, id, at_us, pipeline->driven ? &due : NULL, &err);
    return lwb_add_answer(L, pipeline, code, &err, due);
}

/* take() → the next due marks, lent, or nil. */
static int tracker_take(lua_State *L)
{
    lwb_pipeline *pipeline = tracker_check(L);
    if (!pipeline->driven)
        return luaL_error(L, "take: this tracker is threaded: its own thread delivers");
    lwb_claim *claim = lwb_claim_blank(L, &lwb_marks_kind, 1);
    wb_marks *marks = wb_tracker_take(pipeline->core);
    if (marks == NULL)
        return 0;
    lwb_claim_link(claim, pipeline, marks);
    claim->count = wb_marks_count(marks);
    claim->attempt = wb_marks_attempt(marks);
    claim->at_us = wb_marks_at_us(marks);
    return 1;
}

void lwb_open_tracker(lua_State *L)
{
    static const luaL_Reg methods[] = {{"add", tracker_add}, {"take", tracker_take}, {NULL, NULL}};
    static const luaL_Reg meta[] = {
        {"__gc", lwb_pipeline_gc}, {"__close", lwb_pipeline_autoclose}, {NULL, NULL}};
    lwb_class(L, &lwb_tracker_kind, methods, meta);
    lwb_metatable(L, &lwb_tracker_kind);
    lua_getfield(L, -1, "__index");
    lwb_pipeline_methods(L);
    lua_pop(L, 2);
}
