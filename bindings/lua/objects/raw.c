/* SPDX-License-Identifier: MIT
 * core.raw: what the Lua drivers need besides an object's methods. A time is a Lua number, µs on the object's clock,
 * infinity for never. It is exact below 2^53, which is the year 2255, and rounded up beyond: a wait never ends
 * early. An object that is collected raises, but in options, name and kind, which answer nil. */
#include <math.h>
#include <string.h>

#include "lua/objects/reader.h"

static void push_us(lua_State *L, int64_t us)
{
    double rounded = (double)us;
    if (rounded >= (double)WB_NEVER)
        rounded = HUGE_VAL;
    else if ((int64_t)rounded < us)
        rounded = nextafter(rounded, HUGE_VAL);
    lua_pushnumber(L, rounded);
}

/* NULL: the argument is no living batcher or tracker. */
static lwb_pipeline *living(lua_State *L)
{
    lwb_pipeline *pipeline = lwb_test(L, 1, &lwb_batcher_kind);
    if (pipeline == NULL)
        pipeline = lwb_test(L, 1, &lwb_tracker_kind);
    return pipeline != NULL && pipeline->core != NULL ? pipeline : NULL;
}

/* options(object) → its option table, or nil for anything that is no living batcher or tracker. */
static int raw_options(lua_State *L)
{
    if (living(L) == NULL)
        return 0;
    lwb_getuservalue(L, 1);
    return 1;
}

/* kind(anything) → "batcher", "schema", …, or nil. */
static int raw_kind(lua_State *L)
{
    lua_pushstring(L, lwb_kind_name(L, 1));
    return 1;
}

/* name(object) → its name as it is in this process, or nil for anything that is no living batcher or tracker */
static int raw_name(lua_State *L)
{
    const lwb_pipeline *pipeline = living(L);
    if (pipeline == NULL)
        return 0;
    lua_pushstring(L, wb_pipeline_name(pipeline->pipeline));
    return 1;
}

/* seal(object, closing) → a ticket, for settled: what was accepted so far is due. */
static int raw_seal(lua_State *L)
{
    lwb_pipeline *pipeline = lwb_pipeline_check(L, 1);
    int reason = lua_toboolean(L, 2) ? WB_REASON_CLOSE : WB_REASON_FLUSH;
    lua_pushnumber(L, (double)wb_pipeline_seal(pipeline->pipeline, reason));
    return 1;
}

/* settled(object, ticket) → is all settled that the ticket stands for? */
static int raw_settled(lua_State *L)
{
    lwb_pipeline *pipeline = lwb_pipeline_check(L, 1);
    double ticket = luaL_checknumber(L, 2);
    luaL_argcheck(L, ticket >= 0 && ticket < 9e15, 2, "expected a ticket of seal");
    lua_pushboolean(L, wb_pipeline_settled(pipeline->pipeline, (uint64_t)ticket));
    return 1;
}

static int raw_now(lua_State *L)
{
    lwb_pipeline *pipeline = lwb_pipeline_check(L, 1);
    push_us(L, wb_pipeline_now_us(pipeline->pipeline));
    return 1;
}

static int raw_due(lua_State *L)
{
    lwb_pipeline *pipeline = lwb_pipeline_check(L, 1);
    push_us(L, wb_pipeline_next_due_us(pipeline->pipeline));
    return 1;
}

static int raw_wait_until(lua_State *L)
{
    lwb_pipeline *pipeline = lwb_pipeline_check(L, 1);
    double until_us = luaL_checknumber(L, 2);
    luaL_argcheck(L, until_us < 9.2e18, 2, "expected a time in µs");
    if (until_us > (double)wb_pipeline_now_us(pipeline->pipeline))
        wb_pipeline_wait_until(pipeline->pipeline, (int64_t)until_us);
    return 0;
}

/* event(object) → kind, …: see lwb_push_event; nothing where there is none. */
static int raw_event(lua_State *L)
{
    wb_event event;
    lwb_pipeline *pipeline = lwb_pipeline_check(L, 1);
    lwb_event_told(pipeline); /* where memory ran out for it */
    if (!wb_pipeline_event(pipeline->pipeline, &event))
        return 0;
    pipeline->ids = event.ids;
    int results = lwb_push_event(L, &event);
    lwb_event_told(pipeline);
    return results;
}

static int raw_close_timeout(lua_State *L)
{
    lwb_push_seconds(L, lwb_pipeline_check(L, 1)->close_timeout_us);
    return 1;
}

static int raw_block_timeout(lua_State *L)
{
    lwb_push_seconds(L, lwb_pipeline_check(L, 1)->block_timeout_us);
    return 1;
}

/* is_completed(batch or marks) */
static int raw_is_completed(lua_State *L)
{
    lwb_claim *claim = lwb_test(L, 1, &lwb_batch_kind);
    if (claim == NULL)
        claim = lwb_check(L, 1, &lwb_marks_kind);
    lua_pushboolean(L, claim->work == NULL);
    return 1;
}

/* forgive(object): the row that was refused last is offered again, so it does not count as rejected. */
static int raw_forgive(lua_State *L)
{
    lwb_pipeline_check(L, 1)->refused--;
    return 0;
}

/* methods("batcher") → the table of all batchers' methods, for Lua to add to */
static int raw_methods(lua_State *L)
{
    lwb_metatable(L, strcmp(luaL_checkstring(L, 1), "batcher") == 0 ? &lwb_batcher_kind
                                                                    : &lwb_tracker_kind);
    lua_getfield(L, -1, "__index");
    return 1;
}

void lwb_raw(lua_State *L)
{
    static const luaL_Reg functions[] = {
        {"options", raw_options},
        {"name", raw_name},
        {"kind", raw_kind},
        {"seal", raw_seal},
        {"settled", raw_settled},
        {"now", raw_now},
        {"due", raw_due},
        {"event", raw_event},
        {"wait_until", raw_wait_until},
        {"forgive", raw_forgive},
        {"close_timeout", raw_close_timeout},
        {"block_timeout", raw_block_timeout},
        {"is_completed", raw_is_completed},
        {"methods", raw_methods},
        {"adder", lwb_adder},
        {"direct", lwb_direct},
        {NULL, NULL},
    };
    lua_newtable(L);
    lwb_setfuncs(L, functions);
    lwb_raw_policy(L);
    lwb_raw_many(L);
    lwb_raw_reader(L);
    lwb_raw_running(L);
    lwb_raw_spool(L);
    lwb_raw_origins(L);
    lwb_raw_records(L);
}
