/* SPDX-License-Identifier: MIT
 * Writing to a native store for a driven object, and dead rows for the owner's hook. A write that fails is an
 * answer, as a scripted store gives it; a claim that is completed or nobody's raises. */
#include "lua/base/pipeline.h"

/* Why a write failed, as a scripted store answers; *out says so. */
static int push_failure(lua_State *L, lwb_claim *claim, const wb_outcome *out, const wb_err *err)
{
    claim->written = (wb_outcome){
        .in_doubt = out->in_doubt, .ruled_out = out->ruled_out, .timed_out = out->timed_out};
    lua_pushnil(L);
    lua_pushstring(L, err->text);
    if (out->verdicts != NULL) {
        lwb_push_verdicts(L, out->verdicts, claim->count, err->text);
        return 3;
    }
    lua_pushstring(L, lwb_class_names[out->error_class]);
    lua_pushnumber(L, (lua_Number)out->stored);
    return 4;
}

static int write_batch(lua_State *L, lwb_claim *claim)
{
    wb_err err = {0};
    wb_outcome out;
    int code = wb_batcher_write(claim->pipeline->core, claim->work, &out, &err);
    if (code != WB_OK)
        return push_failure(L, claim, &out, &err);
    claim->written = (wb_outcome){.superseded = out.superseded};
    lua_pushboolean(L, 1);
    return 1;
}

static int write_marks(lua_State *L, lwb_claim *claim)
{
    wb_err err = {0};
    uint64_t updated, unmatched;
    int code = wb_tracker_write(claim->pipeline->core, claim->work, &updated, &unmatched, &err);
    if (code != WB_OK)
        return push_failure(L, claim,
                            &(wb_outcome){.error_class = err.error_class,
                                          .in_doubt = err.in_doubt,
                                          .timed_out = err.timed_out},
                            &err);
    lua_pushboolean(L, 1);
    lua_pushnumber(L, (lua_Number)updated);
    lua_pushnumber(L, (lua_Number)unmatched);
    return 3;
}

/* core.write(batch or marks), of an object with a native store: as a scripted store's write or touch. */
int lwb_write(lua_State *L)
{
    bool marks = lwb_test(L, 1, &lwb_marks_kind) != NULL;
    lwb_claim *claim = lwb_claim_check(L, 1, marks ? &lwb_marks_kind : &lwb_batch_kind);
    if (claim->pipeline == NULL)
        return luaL_error(L, "write: this %s is nobody's claim", claim->kind->name);
    return marks ? write_marks(L, claim) : write_batch(L, claim);
}

/* core.dead(batcher) → a list of rows by column name, why they are dead, their table; nothing where there are none. */
int lwb_dead(lua_State *L)
{
    lwb_pipeline *pipeline = lwb_test(L, 1, &lwb_batcher_kind);
    if (pipeline == NULL || pipeline->core == NULL)
        return 0;
    lua_settop(L, 1);
    lwb_claim *holder =
        lwb_claim_blank(L, &lwb_batch_kind, 1); /* frees the batch, whatever happens */
    wb_batch *batch = wb_batcher_dead(pipeline->core);
    if (batch == NULL)
        return 0;
    holder->work = batch;
    lwb_push_names(L, wb_batch_schema(batch));
    lua_createtable(L, (int)wb_batch_rows(batch), 0);
    for (size_t i = 0; i < wb_batch_rows(batch); i++) {
        lwb_push_row(L, holder, i, 3);
        lua_rawseti(L, -2, (int)i + 1);
    }
    lua_pushstring(L, wb_batch_error(batch));
    lua_pushstring(L, wb_batch_table(batch)); /* nil: the batcher's own */
    lwb_claim_drop(holder);
    return 3;
}
