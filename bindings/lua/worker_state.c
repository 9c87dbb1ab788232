/* SPDX-License-Identifier: MIT
 * The private state of a worker's session, entered by the flusher's thread alone. Everything that may raise
 * runs protected: an error of Lua, of memory too, becomes a failed try.
 * The Lua half, writebehind.worker.session, finds the module, calls the store and judges its answer as driven
 * mode does. A batch or marks are lent as a claim whose owner is the session: it is completed once, and after
 * the call it holds nothing, whoever kept it. */
#include "worker.h"

#include <lualib.h>
#include <string.h>

#include "../../core/err.h"

/* Keys of the registry. */
static const char deliver_key, close_key, lent_key;

/* ---- protected calls ---- */

static int protect(lua_State *L, lua_CFunction function, void *argument)
{
#if LUA_VERSION_NUM < 502
    return lua_cpcall(L, function, argument);
#else
    lua_pushcfunction(L, function);
    lua_pushlightuserdata(L, argument);
    return lua_pcall(L, 1, 0, 0);
#endif
}

/* The text of the error at the top, which stays there. */
static const char *error_text(lua_State *L)
{
    return lua_type(L, -1) == LUA_TSTRING ? lua_tostring(L, -1) : "an error without a text";
}

static void keep(lua_State *L, const char *key, int index)
{
    lua_pushvalue(L, index);
    lua_pushlightuserdata(L, (void *)key);
    lua_insert(L, -2);
    lua_rawset(L, LUA_REGISTRYINDEX);
}

static void push_kept(lua_State *L, const char *key)
{
    lua_pushlightuserdata(L, (void *)key);
    lua_rawget(L, LUA_REGISTRYINDEX);
}

/* ---- opening ---- */

/* It would end the process from within, and wait for this very thread. */
static int refuse_exit(lua_State *L)
{
    return luaL_error(L, "os.exit: a worker has a thread of the process, not the process");
}

/* log(text): a line of the batcher's or tracker's log. Upvalue: the session. */
static int log_text(lua_State *L)
{
    wb_err line; /* its text is cut and on one line */
    const lwb_worker_session *session = lua_touserdata(L, lua_upvalueindex(1));
    wb_log *log = session->target->log;
    wb_fail(&line, WB_STORE, "%s", luaL_checkstring(L, 1));
    if (log != NULL)
        wb_log_line(log, WB_TOPIC_NOTICE, WB_ERROR, wb_now_us(), 0, "%s", line.text);
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
    lua_pushcfunction(L, luaopen_writebehind_core);
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

/* Where the module gave no store: the message and its class are at 2 and 3. */
static void note_refusal(lua_State *L, lwb_worker_session *session, int message)
{
    bool retry = strcmp(lua_tostring(L, message + 1), "retry") == 0;
    session->code = wb_fail_store(session->err, retry ? WB_RETRY : WB_HOLD, "worker \"%s\": %s",
                                  session->worker->module, lua_tostring(L, message));
}

/* open(module, args, log) → deliver, close; or nil, message, class. */
static int start(lua_State *L)
{
    lwb_worker_session *session = lua_touserdata(L, 1);
    luaL_openlibs(L);
    set_package(L, session->worker);
    require(L, "writebehind"); /* what the conversion of values asks Lua for */
    lua_settop(L, 0);
    require(L, "writebehind.worker.session");
    lua_getfield(L, -1, "open");
    lua_pushstring(L, session->worker->module);
    lwb_args_push(L, session->worker->args);
    lua_pushlightuserdata(L, session);
    lua_pushcclosure(L, log_text, 1);
    lua_call(L, 3, 3);
    if (lua_isnil(L, -3)) {
        note_refusal(L, session, lua_gettop(L) - 1);
        return 0;
    }
    keep(L, &deliver_key, -3);
    keep(L, &close_key, -2);
    session->code = WB_OK;
    return 0;
}

int lwb_worker_open(lwb_worker_session *session, wb_err *err)
{
    lua_State *L = luaL_newstate();
    if (L == NULL)
        return wb_fail_store(err, WB_RETRY, "worker \"%s\": out of memory",
                             session->worker->module);
    session->err = err;
    int status = protect(L, start, session);
    if (status != 0)
        session->code = wb_fail_store(err, status == LUA_ERRMEM ? WB_RETRY : WB_HOLD,
                                      "worker \"%s\": %s", session->worker->module, error_text(L));
    if (session->code == WB_OK)
        session->L = L;
    else
        lua_close(L);
    return session->code;
}

/* ---- delivering ---- */

static void describe_batch(lwb_claim *claim, const wb_batch *batch)
{
    claim->count = wb_batch_rows(batch);
    claim->attempt = wb_batch_attempt(batch);
    claim->reason = wb_batch_reason(batch);
    memcpy(claim->id, wb_batch_id(batch), sizeof claim->id);
}

static void describe_marks(lwb_claim *claim, const wb_marks *marks)
{
    claim->count = wb_marks_count(marks);
    claim->attempt = wb_marks_attempt(marks);
    claim->at_us = wb_marks_at_us(marks);
}

/* deliver(entry, claim), which completes the claim. It is anchored until it has been taken back. */
static int lend(lua_State *L)
{
    lwb_worker_session *session = lua_touserdata(L, 1);
    push_kept(L, &deliver_key);
    lua_pushstring(L, session->entry);
    lwb_claim *claim = lwb_claim_blank(L, session->kind, 2);
    keep(L, &lent_key, -1);
    if (session->kind == &lwb_batch_kind)
        describe_batch(claim, session->work);
    else
        describe_marks(claim, session->work);
    lwb_claim_link(claim, &session->lender, session->work);
    lua_call(L, 2, 0);
    return 0;
}

static void take_back(lwb_worker_session *session)
{
    lwb_claim *claim = session->lender.claims;
    session->lender.claims = NULL;
    if (claim != NULL) {
        claim->work = NULL;
        claim->owner = NULL;
    }
}

int lwb_worker_deliver(lwb_worker_session *session, wb_err *err)
{
    session->err = err;
    session->answered = false;
    int status = protect(session->L, lend, session);
    take_back(session);
    if (!session->answered)
        session->code =
            wb_fail_store(err, WB_RETRY, "worker \"%s\": %s", session->worker->module,
                          status != 0 ? error_text(session->L) : "the store gave no answer");
    lua_settop(session->L, 0);
    return session->code;
}

/* ---- closing ---- */

static int call_close(lua_State *L)
{
    push_kept(L, &close_key);
    lua_call(L, 0, 0);
    return 0;
}

void lwb_worker_close(lwb_worker_session *session)
{
    protect(session->L, call_close, session);
    lua_close(session->L);
    session->L = NULL;
    if (session->target->log != NULL)
        wb_log_print(session->target->log);
}
