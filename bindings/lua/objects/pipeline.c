/* SPDX-License-Identifier: MIT
 * What batchers and trackers do alike, through the engine of each. The user value of an owner is its peer:
 * the option table it was made of, which anchors schema, store and hooks and in which drivers keep state.
 * Claims are listed in their owner; whichever is collected first, a claim is completed exactly once and
 * never after its owner was detached. */
#include <errno.h>
#include <string.h>

#include "lua/base/lwb.h"

static lwb_owner *owner_test(lua_State *L, int index)
{
    lwb_owner *owner = lwb_test(L, index, &lwb_batcher_kind);
    return owner != NULL ? owner : lwb_test(L, index, &lwb_tracker_kind);
}

lwb_owner *lwb_owner_check(lua_State *L, int index)
{
    lwb_owner *owner = owner_test(L, index);
    if (owner == NULL)
        owner = lwb_check(L, index, &lwb_batcher_kind);
    if (owner->core == NULL)
        luaL_error(L, "%s: already collected", owner->kind->name);
    return owner;
}

lwb_owner *lwb_owner_new(lua_State *L, const lwb_kind *kind, const lwb_engine *engine, int meta,
                         int peer)
{
    lwb_owner *owner = lwb_new(L, kind);
    owner->engine = engine;
    lua_pushvalue(L, peer);
    lwb_setuservalue(L, -2);
    if (lua_istable(L, meta)) {
        lua_pushvalue(L, meta);
        lua_setmetatable(L, -2);
    }
    return owner;
}

static int owner_flush(lua_State *L)
{
    wb_err err;
    lwb_owner *owner = lwb_owner_check(L, 1);
    int64_t deadline_us = lwb_check_deadline(L, 2, owner->close_timeout_us);
    return lwb_result(L, owner->engine->flush(owner->core, deadline_us, &err), &err);
}

static int owner_close(lua_State *L)
{
    wb_err err;
    lwb_owner *owner = lwb_owner_check(L, 1);
    int64_t deadline_us = lwb_check_deadline(L, 2, owner->close_timeout_us);
    return lwb_result(L, owner->engine->close(owner->core, deadline_us, &err), &err);
}

int lwb_owner_autoclose(lua_State *L)
{
    lua_settop(L, 1); /* the error that closes it is no timeout */
    owner_close(L);
    return 0;
}

static int owner_stats(lua_State *L)
{
    wb_err err;
    wb_stats stats;
    lwb_owner *owner = lwb_owner_check(L, 1);
    int code = owner->engine->stats(owner->core, &stats, &err);
    if (code != WB_OK)
        return lwb_result(L, code, &err);
    stats.rejected += owner->refused;
    lwb_push_stats(L, &stats);
    return 1;
}

/* health() → name, failures in a row, last error or nil. */
static int owner_health(lua_State *L)
{
    wb_err err;
    wb_stats stats;
    lwb_owner *owner = lwb_owner_check(L, 1);
    int code = owner->engine->stats(owner->core, &stats, &err);
    if (code != WB_OK)
        return lwb_result(L, code, &err);
    lua_pushstring(L, wb_health_name(stats.health));
    lwb_push_int64(L, (int64_t)stats.consecutive_failures);
    lua_pushstring(L, stats.last_error);
    if (stats.last_error[0] == '\0')
        lua_pop(L, 1);
    return stats.last_error[0] == '\0' ? 2 : 3;
}

/* Without hooks a threaded owner has nothing to do here. */
static int owner_poll(lua_State *L)
{
    lwb_owner_check(L, 1);
    lua_pushinteger(L, 0);
    return 1;
}

static int owner_fd(lua_State *L)
{
    lwb_owner *owner = lwb_owner_check(L, 1);
    int fd = owner->engine->fd(owner->core);
    if (fd >= 0) {
        lua_pushinteger(L, fd);
        return 1;
    }
    lua_pushnil(L);
    lua_pushfstring(L, "no descriptor: %s", strerror(errno));
    lua_pushstring(L, wb_code_name(WB_STORE));
    return 3;
}

/* Seconds until work is due, 0 where it is, infinity where none will be before something is added. */
static int owner_next_due(lua_State *L)
{
    lwb_owner *owner = lwb_owner_check(L, 1);
    int64_t due_us = owner->engine->next_due_us(owner->core);
    int64_t now_us = due_us == WB_NEVER ? 0 : owner->engine->now_us(owner->core);
    lwb_push_seconds(L, due_us > now_us ? due_us - now_us : 0);
    return 1;
}

void lwb_owner_methods(lua_State *L)
{
    static const luaL_Reg methods[] = {
        {"flush", owner_flush},   {"close", owner_close}, {"stats", owner_stats},
        {"poll", owner_poll},     {"fd", owner_fd},       {"next_due", owner_next_due},
        {"health", owner_health}, {NULL, NULL},
    };
    lwb_setfuncs(L, methods);
}

static void claims_drop(lwb_owner *owner)
{
    while (owner->claims != NULL)
        lwb_claim_drop(owner->claims);
}

int lwb_owner_gc(lua_State *L)
{
    lwb_owner *owner = owner_test(L, 1);
    if (owner == NULL)
        return 0;
    if (owner->core != NULL) {
        claims_drop(owner);
        owner->engine->detach(owner->core);
        owner->core = NULL;
    }
    wb_schema_unref(owner->schema);
    owner->schema = NULL;
    return 0;
}
