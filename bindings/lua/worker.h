/* SPDX-License-Identifier: MIT
 * A store written in Lua that runs in a private state on the flusher's thread. The description (lwb_worker) is
 * shared by threads and never changes; a session owns a state, which only its thread ever enters. The one
 * part of the binding that fills the core's store.h. */
#ifndef LWB_WORKER_H
#define LWB_WORKER_H

#include "../../core/buffer.h"
#include "../../core/store.h"
#include "lwb.h"

typedef struct lwb_worker {
    wb_store base;
    char *module, *path, *cpath; /* the maker's package.path and .cpath */
    char *args;                  /* as lwb_args_encode has it */
} lwb_worker;

typedef struct lwb_worker_session {
    wb_session base;
    lwb_worker *worker; /* a reference */
    const wb_target *target;
    lua_State *L; /* NULL: not open yet */
    lwb_owner
        lender; /* the owner of the one claim that is lent to the store, while it is at work */
    const char *entry; /* of the delivery under way: "write" or "touch" */
    const lwb_kind *kind;
    void *work;
    bool answered;
    int code;
    wb_touched touched;
    wb_err *err;
} lwb_worker_session;

/* A copy of a value, out of any state: nil, booleans, numbers, strings, and tables of these. False: *message
 * says which part of it can't be copied, named from "args" on; out is to be freed all the same. */
enum { LWB_ARGS_MESSAGE = 400 };
bool lwb_args_encode(lua_State *L, int index, wb_buffer *out, char message[LWB_ARGS_MESSAGE]);
void lwb_args_push(lua_State *L, const char *data);

/* The state: opened at the first delivery, and again where that failed. Each in the session's thread. */
int lwb_worker_open(lwb_worker_session *session, wb_err *err);
/* Lends the work to the store. WB_OK, or WB_STORE with base.stored set. */
int lwb_worker_deliver(lwb_worker_session *session, wb_err *err);
void lwb_worker_close(lwb_worker_session *session);

int luaopen_writebehind_core(lua_State *L);

#endif
