/* SPDX-License-Identifier: MIT
 * The private state of a worker, entered by one thread alone. Whatever may raise runs protected: an error of
 * Lua's, also of its memory, becomes a wb_err. Its Lua half finds the module and gives the functions that C calls. */
#include "lua/worker/worker.h"

#include <lualib.h>
#include <string.h>

#include "base/err.h"

static const char half_key; /* of the registry: what open gave */

/* ---- protected calls ---- */

int lwb_state_call(lua_State *L, lua_CFunction function, void *argument)
{
#if LUA_VERSION_NUM < 502
    return lua_cpcall(L, function, argument);
#else
    lua_pushcfunction(L, function);
    lua_pushlightuserdata(L, argument);
    return lua_pcall(L, 1, 0, 0);
#endif
}

const char *lwb_state_error(lua_State *L)
{
    return lua_type(L, -1) == LUA_TSTRING ? lua_tostring(L, -1) : "an error without a text";
}

void lwb_state_keep(lua_State *L, const char *key, int index)
{
    lua_pushvalue(L, index);
    lua_pushlightuserdata(L, (void *)key);
    lua_insert(L, -2);
    lua_rawset(L, LUA_REGISTRYINDEX);
}

void lwb_state_kept(lua_State *L, const char *key)
{
    lua_pushlightuserdata(L, (void *)key);
    lua_rawget(L, LUA_REGISTRYINDEX);
}

void lwb_state_push(lua_State *L, const char *name)
{
    lwb_state_kept(L, &half_key);
    lua_getfield(L, -1, name);
    lua_remove(L, -2);
}

/* ---- opening ---- */

typedef struct opening {
    lwb_state *state;
    const char *half;
    wb_err *err;
    int code;
} opening;

/* It would end the process from within, and wait for this very thread. */
static int refuse_exit(lua_State *L)
{
    return luaL_error(L, "os.exit: a worker has a thread of the process, not the process");
}

/* log(text): its lines go to the log of the batcher or tracker, all of them or, soon after others, none. Upvalue:
 * the state. */
static int log_text(lua_State *L)
{
    lwb_state *state = lua_touserdata(L, lua_upvalueindex(1));
    wb_log *log = state->target->log;
    const char *text = luaL_checkstring(L, 1);
    int64_t now_us = wb_now_us();
    if (log == NULL || now_us < state->quiet_until_us)
        return 0;
    state->quiet_until_us = wb_after_us(now_us, WB_LOG_QUIET_US);
    while (*text != '\0') {
        size_t bytes = strcspn(text, "\n");
        wb_log_line(log, WB_TOPIC_FREE, WB_ERROR, now_us, 0, "%.*s", (int)bytes, text);
        text += bytes + (text[bytes] == '\n');
    }
    return 0;
}

static void set_package(lua_State *L, const lwb_worker *worker)
{
    lua_getglobal(L, "package");
    lua_pushstring(L, worker->path);
    lua_setfield(L, -2, "path");
    lua_pushstring(L, worker->cpath);
    lua_setfield(L, -2, "cpath");
    lua_getfield(L, -1, "preload");
    lua_pushcfunction(L, worker->open_core);
    lua_setfield(L, -2, "writebehind.core");
    lua_getglobal(L, "os");
    lua_pushcfunction(L, refuse_exit);
    lua_setfield(L, -2, "exit");
    lua_pop(L, 3);
}

static void require(lua_State *L, const char *name)
{
    lua_getglobal(L, "require");
    lua_pushstring(L, name);
    lua_call(L, 1, 1);
}

/* open(module, args, log) → a table of functions; or nil, message, class. */
static int start(lua_State *L)
{
    opening *now = lua_touserdata(L, 1);
    const lwb_worker *worker = now->state->worker;
    luaL_openlibs(L);
    set_package(L, worker);
    require(L, "writebehind"); /* what the conversion of values asks Lua for */
    lua_settop(L, 0);
    require(L, now->half);
    lua_getfield(L, -1, "open");
    lua_pushstring(L, worker->module);
    lwb_args_push(L, worker->args);
    lua_pushlightuserdata(L, now->state);
    lua_pushcclosure(L, log_text, 1);
    lua_call(L, 3, 3);
    if (lua_istable(L, -3)) {
        lwb_state_keep(L, &half_key, -3);
        now->code = WB_OK;
        return 0;
    }
    bool retry = strcmp(lua_tostring(L, -1), "retry") == 0;
    now->code = wb_fail_store(now->err, retry ? WB_RETRY : WB_HOLD, "worker \"%s\": %s",
                              worker->module, lua_tostring(L, -2));
    return 0;
}

int lwb_state_open(lwb_state *state, const char *half, wb_err *err)
{
    opening now = {.state = state, .half = half, .err = err, .code = WB_STORE};
    lua_State *L = luaL_newstate();
    if (L == NULL)
        return wb_fail_store(err, WB_RETRY, "worker \"%s\": out of memory", state->worker->module);
    int status = lwb_state_call(L, start, &now);
    if (status != 0)
        now.code = wb_fail_store(err, status == LUA_ERRMEM ? WB_RETRY : WB_HOLD,
                                 "worker \"%s\": %s", state->worker->module, lwb_state_error(L));
    if (now.code == WB_OK)
        state->L = L;
    else
        lua_close(L);
    return now.code;
}

/* ---- closing ---- */

static int call_close(lua_State *L)
{
    lwb_state_push(L, "close");
    lua_call(L, 0, 0);
    return 0;
}

void lwb_state_close(lwb_state *state)
{
    if (state->L == NULL)
        return;
    state->quiet_until_us = INT64_MIN; /* nothing comes after */
    lwb_state_call(state->L, call_close, NULL);
    lua_close(state->L);
    state->L = NULL;
    if (state->target->log != NULL)
        wb_log_print(state->target->log);
}
