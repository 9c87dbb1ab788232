/* SPDX-License-Identifier: MIT
 * NATS stores, and questions to JetStream. Options are the flat table of strings that writebehind.nats makes. */
#include "lua/base/convert.h"
#include "lua/base/pipeline.h"

/* Of the table at 1. Its strings are left on the stack. */
static wb_nats_options options_of(lua_State *L)
{
    static const char *const names[] = {"servers", "stream",      "subject", "user", "password",
                                        "token",   "credentials", "ca",      "cert", "key"};
    enum { COUNT = sizeof names / sizeof *names };
    const char *of[COUNT];
    luaL_checktype(L, 1, LUA_TTABLE);
    luaL_checkstack(L, COUNT, NULL);
    for (int i = 0; i < COUNT; i++) {
        lua_getfield(L, 1, names[i]);
        of[i] = lua_tostring(L, -1);
    }
    return (wb_nats_options){of[0], of[1], of[2], of[3], of[4], of[5], of[6], of[7], of[8], of[9]};
}

/* core.nats(options) */
int lwb_store_nats(lua_State *L)
{
    wb_err err;
    const wb_nats_options options = options_of(L);
    lwb_store *object = lwb_new(L, &lwb_store_kind);
    return lwb_store_made(L, wb_store_nats(&options, &object->store, &err), &err);
}

/* core.nats_api(options, subject, body, seconds) → JSON; or nil, message, code */
int lwb_nats_api(lua_State *L)
{
    wb_err err;
    const char *subject = lwb_check_text(L, 2), *body = lwb_check_text(L, 3);
    int64_t deadline_us = lwb_check_deadline(L, 4, LWB_STATEMENT_US);
    const wb_nats_options options = options_of(L);
    void **anchor = lwb_anchor(L);
    int code = wb_nats_api(&options, subject, body, deadline_us, (char **)anchor, &err);
    if (code != WB_OK)
        return lwb_result(L, code, &err);
    lua_pushstring(L, *anchor);
    return 1;
}
