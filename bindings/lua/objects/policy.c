/* SPDX-License-Identifier: MIT
 * What a scripted policy needs of core.raw: adding with a decision, looking at a batch, counting a decision that
 * failed; `ask`, the overflow mode of an add whose decision comes later; and `table_bytes`, that a table's name has at the
 * most. Lua calls the policy itself, protected: what it throws never gets here. */
#include "lua/objects/reader.h"

/* Of the taken batch at 2, or of the open one. */
static wb_view view_of(lua_State *L)
{
    wb_view view;
    lwb_pipeline *pipeline = lwb_batcher_check(L);
    lwb_claim *claim = lua_isnoneornil(L, 2) ? NULL : lwb_claim_check(L, 2, &lwb_batch_kind);
    wb_batcher_view(pipeline->core, claim == NULL ? NULL : claim->work, &view);
    return view;
}

/* view(batcher [, batch]) → rows, bytes, age in seconds, attempt: of a taken batch, or of the open one */
static int raw_view(lua_State *L)
{
    wb_view view = view_of(L);
    lwb_push_int64(L, (int64_t)view.rows);
    lwb_push_int64(L, (int64_t)view.bytes);
    lwb_push_seconds(L, view.age_us);
    lua_pushinteger(L, (lua_Integer)view.attempt);
    return 4;
}

/* last(batcher [, batch]) → rows, elapsed, ok: of the write that ended last, or of a taken batch's that failed; nil first:
 * there was none */
static int raw_last(lua_State *L)
{
    wb_view view = view_of(L);
    lwb_push_last(L, &view.last);
    return 3;
}

/* undecided(batcher, decision, why) */
static int raw_undecided(lua_State *L)
{
    lwb_pipeline *pipeline = lwb_batcher_check(L);
    wb_batcher_undecided(pipeline->core, luaL_checkstring(L, 2), luaL_checkstring(L, 3));
    return 0;
}

/* refuse(batcher, why [, reader]) → what an add answers whose row the policy refuses: it is counted, and the reader is past
 * it. */
static int raw_refuse(lua_State *L)
{
    lwb_pipeline *pipeline = lwb_batcher_check(L);
    luaL_checkstring(L, 2);
    if (!lua_isnoneornil(L, 3))
        wb_reader_pass(lwb_reader_living(L, 3));
    pipeline->refused++;
    lua_settop(L, 2);
    return lwb_invalid(L);
}

/* flush_open(batcher): the open batch is due, for the reason "policy". */
static int raw_flush_open(lua_State *L)
{
    wb_pipeline_seal(lwb_batcher_check(L)->pipeline, WB_REASON_POLICY);
    return 0;
}

void lwb_raw_policy(lua_State *L)
{
    static const luaL_Reg functions[] = {
        {"view", raw_view},
        {"last", raw_last},
        {"undecided", raw_undecided},
        {"refuse", raw_refuse},
        {"flush_open", raw_flush_open},
        {"add", lwb_batcher_add_as},
        {"add_values", lwb_batcher_add_values_as},
        {"add_mixed", lwb_batcher_add_mixed_as},
        {"add_read", lwb_batcher_add_read_as},
        {NULL, NULL},
    };
    lwb_setfuncs(L, functions);
    lua_pushinteger(L, WB_OVERFLOW_ASK);
    lua_setfield(L, -2, "ask");
    lua_pushinteger(L, WB_TABLE_BYTES);
    lua_setfield(L, -2, "table_bytes");
}
