/* SPDX-License-Identifier: MIT
 * The tracker's constructor: it reads the option table, which Lua has checked. Where it fails half-way, the object
 * stays closed. */
#include <string.h>

#include "lua/base/pipeline.h"

/* The type that a field names; no other than a column's is -1, which the core refuses. */
static int type_field(lua_State *L, const char *name, int absent)
{
    const char *type = lwb_field_text_or(L, 1, name, NULL);
    return type == NULL ? absent : wb_type_find(type, strlen(type));
}

static void read_options(lua_State *L, wb_tracker_options *options)
{
    lwb_store *store = lwb_field_object(L, 1, "native", &lwb_store_kind);
    wb_tracker_options_init(options);
    options->store = store == NULL ? NULL : store->store;
    options->table = lwb_field_text_or(L, 1, "table", NULL);
    options->name = lwb_field_text_or(L, 1, "name", NULL);
    options->key = lwb_field_text_or(L, 1, "key", options->key);
    options->key_type = type_field(L, "key_type", options->key_type);
    options->spool_path = lwb_field_text_or(L, 1, "spool.path", NULL);
    options->column = lwb_field_text_or(L, 1, "column", options->column);
    options->column_type = type_field(L, "column_type", options->column_type);
    options->clock = lwb_clock_field(L, 1);
    lwb_field_options(L, 1, wb_tracker_option_list, options);
}

static void complete(lwb_pipeline *pipeline, lwb_claim *claim, const wb_outcome *outcome)
{
    wb_tracker_complete(pipeline->core, claim->work, outcome, claim->updated, claim->unmatched);
}

/* core.tracker(options [, metatable]): nil, message, code where the core refuses them. */
int lwb_tracker_new(lua_State *L)
{
    wb_err err;
    wb_tracker_options options;
    wb_tracker *tracker;
    luaL_checktype(L, 1, LUA_TTABLE);
    lua_settop(L, 2);
    read_options(L, &options);
    lwb_pipeline *pipeline = lwb_pipeline_new(L, &lwb_tracker_kind, 2, 1);
    int code = wb_tracker_new(&options, &tracker, &err);
    if (code != WB_OK)
        return lwb_refused(L, code, &err);
    pipeline->complete = complete;
    pipeline->core = tracker;
    pipeline->key_type = options.key_type;
    pipeline->pipeline = wb_tracker_pipeline(tracker);
    pipeline->driven = options.store == NULL || options.clock != NULL;
    pipeline->close_timeout_us = options.close_timeout_us;
    return 1;
}
