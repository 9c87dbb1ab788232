/* SPDX-License-Identifier: MIT
 * A script that runs in a private state on the flusher's thread: a store, or a policy. The description
 * (lwb_worker) is shared by threads and never changes. A session and a script own a state each, which only their
 * thread enters. The only part of the binding that fills the core's stores/store.h and stores/script.h. */
#ifndef LWB_WORKER_H
#define LWB_WORKER_H

#include "base/buffer.h"
#include "lua/base/pipeline.h"
#include "stores/store.h"

typedef struct lwb_worker {
    wb_store base;
    wb_policy policy;            /* counted as the store is */
    lua_CFunction open_core;     /* what opens this module in a private state */
    char *module, *path, *cpath; /* the maker's package.path and .cpath */
    char *args;                  /* as lwb_args_encode has it */
} lwb_worker;

/* A private state, of one batcher or tracker. */
typedef struct lwb_state {
    lwb_worker *worker; /* a reference */
    const wb_target *target;
    lua_State *L;           /* NULL: not open */
    int64_t quiet_until_us; /* errors are not logged before that */
} lwb_state;

/* Copies a value out of its state: nil, booleans, numbers, strings, and tables of these. False: *message says which
 * part can't be copied, by its path from "args". The caller frees `out` either way. */
enum { LWB_ARGS_MESSAGE = 400 };
bool lwb_args_encode(lua_State *L, int index, wb_buffer *out, char message[LWB_ARGS_MESSAGE]);
void lwb_args_push(lua_State *L, const char *data);

/* The rest runs in the state's thread. `half` is the module of this library whose open(name, args, log) answers a table of
 * functions for the worker's module, or nil, message, class. WB_STORE, WB_MISUSE never. */
int lwb_state_open(lwb_state *state, const char *half, wb_err *err);
/* Calls a C function with `argument` as its only one, protected: the status of lua_pcall, and on failure the
 * message at the top. The caller empties the stack. */
int lwb_state_call(lua_State *L, lua_CFunction function, void *argument);
const char *lwb_state_error(lua_State *L); /* the text of the error at the top */
/* Pushes the function of that name, of open's table. */
void lwb_state_push(lua_State *L, const char *name);
/* keep anchors the value at `index` under a key, in the place of the one before; kept pushes it. */
void lwb_state_keep(lua_State *L, const char *key, int index);
void lwb_state_kept(lua_State *L, const char *key);
void lwb_state_close(
    lwb_state *state); /* calls the table's close; a state that is not open is fine */

/* What the class of a worker has. */
wb_session *lwb_worker_session(wb_store *store, const wb_target *target);
int lwb_worker_write(wb_session *session, const wb_batch *batch, const wb_deadline *deadline,
                     wb_err *err);
int lwb_worker_touch(wb_session *session, const wb_marks *marks, const wb_deadline *deadline,
                     wb_touched *out, wb_err *err);
void lwb_worker_end(wb_session *session);
extern const wb_policy_class lwb_worker_policy_class;

#endif
