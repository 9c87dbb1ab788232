/* SPDX-License-Identifier: MIT
 * What a driven object does with a native store, and dead rows on their way to the owner's hook. */
#include "lwb.h"

/* core.run(object) → true where a due batch was written to the object's own store, else nothing. */
int lwb_run(lua_State *L)
{
    lwb_owner *batcher = lwb_test(L, 1, &lwb_batcher_kind);
    lwb_owner *tracker = lwb_test(L, 1, &lwb_tracker_kind);
    bool ran = false;
    if (batcher != NULL && batcher->core != NULL)
        ran = wb_batcher_run(batcher->core);
    else if (tracker != NULL && tracker->core != NULL)
        ran = wb_tracker_run(tracker->core);
    lua_pushboolean(L, ran);
    return ran ? 1 : 0;
}

/* core.dead(batcher) → a list of rows by column name, why they are dead; nothing where there are none. */
int lwb_dead(lua_State *L)
{
    lwb_owner *owner = lwb_test(L, 1, &lwb_batcher_kind);
    if (owner == NULL || owner->core == NULL)
        return 0;
    lua_settop(L, 1);
    lwb_claim *holder =
        lwb_claim_blank(L, &lwb_batch_kind, 1); /* frees the batch, whatever happens */
    wb_batch *batch = wb_batcher_dead(owner->core);
    if (batch == NULL)
        return 0;
    holder->work = batch;
    lwb_push_names(L, wb_batch_schema(batch), false);
    lua_createtable(L, (int)wb_batch_rows(batch), 0);
    for (size_t i = 0; i < wb_batch_rows(batch); i++) {
        lwb_push_row(L, holder, i, 3);
        lua_rawseti(L, -2, (int)i + 1);
    }
    lua_pushstring(L, wb_batch_error(batch));
    lwb_claim_drop(holder);
    return 2;
}
