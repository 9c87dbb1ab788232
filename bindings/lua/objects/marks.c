/* SPDX-License-Identifier: MIT
 * Marks: sorted, distinct ids lent for delivery, each with a time. `at` (the flush's time), `attempt` and the
 * length stay readable after they were completed; reading ids and times then raises. */
#include <string.h>

#include "lua/base/pipeline.h"
#include "rows/key.h"

static wb_marks *marks_check(lua_State *L)
{
    return lwb_claim_check(L, 1, &lwb_marks_kind)->work;
}

/* Making the string may run a finalizer, which may complete the marks: so a text is copied before. */
static void push_id(lua_State *L, const wb_marks *marks, size_t index)
{
    wb_value id;
    char text[WB_KEY_TEXT_BYTES];
    const wb_column column = {.type = wb_marks_key_type(marks)};
    wb_marks_key(marks, index, &id);
    if (id.kind == WB_TEXT) {
        memcpy(text, id.text, id.bytes);
        id.text = text;
    }
    lwb_push_value(L, &column, &id);
}

static int marks_ids(lua_State *L)
{
    size_t count = wb_marks_count(marks_check(L));
    lua_createtable(L, (int)count, 0);
    for (size_t i = 0; i < count; i++) {
        push_id(L, marks_check(L), i); /* a finalizer may complete them */
        lua_rawseti(L, -2, (int)i + 1);
    }
    return 1;
}

static int marks_times(lua_State *L)
{
    size_t count = wb_marks_count(marks_check(L));
    lua_createtable(L, (int)count, 0);
    for (size_t i = 0; i < count; i++) {
        lwb_push_seconds(L, wb_marks_time_us(marks_check(L), i));
        lua_rawseti(L, -2, (int)i + 1);
    }
    return 1;
}

static int marks_len(lua_State *L)
{
    lwb_claim *claim = lwb_check(L, 1, &lwb_marks_kind);
    lua_pushinteger(L, (lua_Integer)claim->count);
    return 1;
}

/* Upvalue: the methods. Besides: at, attempt. */
static int marks_index(lua_State *L)
{
    lwb_claim *claim = lwb_check(L, 1, &lwb_marks_kind);
    const char *key = lwb_key(L, 2);
    if (strcmp(key, "at") == 0) {
        lwb_push_seconds(L, claim->at_us);
    } else if (strcmp(key, "attempt") == 0) {
        lua_pushinteger(L, (lua_Integer)claim->attempt);
    } else {
        lua_settop(L, 2);
        lua_rawget(L, lua_upvalueindex(1));
    }
    return 1;
}

void lwb_open_marks(lua_State *L)
{
    static const luaL_Reg methods[] = {
        {"ids", marks_ids}, {"times", marks_times}, {"complete", lwb_claim_complete}, {NULL, NULL}};
    static const luaL_Reg meta[] = {{"__gc", lwb_claim_gc}, {"__len", marks_len}, {NULL, NULL}};
    lwb_class(L, &lwb_marks_kind, methods, meta);
    lwb_metatable(L, &lwb_marks_kind);
    lua_getfield(L, -1, "__index");
    lua_pushcclosure(L, marks_index, 1);
    lua_setfield(L, -2, "__index");
    lua_pop(L, 1);
}
