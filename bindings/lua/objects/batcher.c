/* SPDX-License-Identifier: MIT
 * The batcher's class, and what is its own besides add: take. */
#include <string.h>

#include "lua/base/pipeline.h"

/* take() → the next due batch, lent, or nil. */
static int batcher_take(lua_State *L)
{
    lwb_pipeline *pipeline = lwb_batcher_check(L);
    if (!pipeline->driven)
        return luaL_error(L, "take: this batcher is threaded: its own thread delivers");
    lwb_claim *claim = lwb_claim_blank(L, &lwb_batch_kind, 1);
    wb_batch *batch = wb_batcher_take(pipeline->core);
    if (batch == NULL)
        return 0;
    lwb_claim_link(claim, pipeline, batch);
    claim->count = wb_batch_rows(batch);
    claim->attempt = wb_batch_attempt(batch);
    claim->reason = wb_batch_reason(batch);
    lwb_claim_goes_to(claim, wb_batch_table(batch));
    memcpy(claim->id, wb_batch_id(batch), sizeof claim->id);
    return 1;
}

void lwb_open_batcher(lua_State *L)
{
    static const luaL_Reg methods[] = {{"add", lwb_batcher_add},
                                       {"add_values", lwb_batcher_add_values},
                                       {"add_mixed", lwb_batcher_add_mixed},
                                       {"add_read", lwb_batcher_add_read},
                                       {"add_some", lwb_batcher_add_some},
                                       {"take", batcher_take},
                                       {"room", lwb_batcher_room},
                                       {NULL, NULL}};
    static const luaL_Reg meta[] = {
        {"__gc", lwb_pipeline_gc}, {"__close", lwb_pipeline_autoclose}, {NULL, NULL}};
    lwb_class(L, &lwb_batcher_kind, methods, meta);
    lwb_metatable(L, &lwb_batcher_kind);
    lua_getfield(L, -1, "__index");
    lwb_pipeline_methods(L);
    lua_pop(L, 2);
}
