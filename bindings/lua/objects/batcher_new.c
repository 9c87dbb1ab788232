/* SPDX-License-Identifier: MIT
 * The batcher's constructor: it reads the option table, which Lua has checked. Where it fails half-way, the object
 * stays closed. */
#include "base/err.h"
#include "lua/base/pipeline.h"

static void read_options(lua_State *L, wb_batcher_options *options)
{
    lwb_store *store = lwb_field_object(L, 1, "native", &lwb_store_kind);
    lwb_schema *schema = lwb_field_object(L, 1, "schema", &lwb_schema_kind);
    wb_batcher_options_init(options);
    options->store = store == NULL ? NULL : store->store;
    options->schema = schema == NULL ? NULL : schema->schema;
    options->table = lwb_field_text(L, 1, "table");
    options->clock = lwb_clock_field(L, 1);
    options->name = lwb_field_text_or(L, 1, "name", NULL);
    options->dead_path = lwb_field_text_or(L, 1, "dead_path", NULL);
    options->spool_path = lwb_field_text_or(L, 1, "spool.path", NULL);
    lwb_store *policy = lwb_field_object(L, 1, "policy_worker", &lwb_store_kind);
    options->policy = policy == NULL ? NULL : policy->policy;
    lwb_field_options(L, 1, wb_batcher_option_list, options);
}

/* The columns' names become the list part of the option table, by their places. */
static void name_columns(lua_State *L, const wb_schema *schema)
{
    for (size_t i = 0; i < wb_schema_count(schema); i++) {
        lua_pushstring(L, wb_schema_column(schema, i)->name);
        lua_rawseti(L, 1, (int)wb_schema_place(schema, i) + 1);
    }
}

static bool has_arrays(const wb_schema *schema)
{
    bool found = false;
    for (size_t i = 0; i < wb_schema_count(schema); i++)
        found = found || wb_schema_column(schema, i)->array;
    return found;
}

/* Can the worker decide, where one is to? Else the error says so. */
static bool has_script(lua_State *L, wb_err *err)
{
    const lwb_store *worker = lwb_field_object(L, 1, "policy_worker", &lwb_store_kind);
    if (worker == NULL || worker->policy != NULL)
        return true;
    wb_fail(err, WB_MISUSE, "policy: a %s store has no script that decides",
            wb_store_kind(worker->store));
    return false;
}

static void complete(lwb_pipeline *pipeline, lwb_claim *claim, const wb_outcome *outcome)
{
    wb_batcher_complete(pipeline->core, claim->work, outcome);
}

/* core.batcher(options [, metatable]): nil, message, code where the core refuses them. */
int lwb_batcher_new(lua_State *L)
{
    wb_err err;
    wb_batcher_options options;
    wb_batcher *batcher;
    luaL_checktype(L, 1, LUA_TTABLE);
    lua_settop(L, 2);
    read_options(L, &options);
    if (!has_script(L, &err))
        return lwb_refused(L, WB_MISUSE, &err);
    luaL_argcheck(L, options.schema != NULL, 1, "no schema");
    options.upsert = lwb_field_upsert(L, 1, "upsert", options.schema);
    options.coalesce = lwb_field_upsert(L, 1, "coalesce", options.schema);
    lwb_pipeline *pipeline = lwb_pipeline_new(L, &lwb_batcher_kind, 2, 1);
    name_columns(L, options.schema);
    int code = wb_batcher_new(&options, &batcher, &err);
    if (code != WB_OK)
        return lwb_refused(L, code, &err);
    pipeline->complete = complete;
    pipeline->core = batcher;
    pipeline->pipeline = wb_batcher_pipeline(batcher);
    pipeline->schema = wb_schema_ref(options.schema);
    pipeline->given = (int)wb_schema_given(options.schema);
    pipeline->columns = (int)wb_schema_count(options.schema);
    pipeline->arrays = has_arrays(options.schema);
    pipeline->driven = options.store == NULL || options.clock != NULL || options.driven;
    lwb_field_bool(L, 1, "asks_retry", &pipeline->asks_retry);
    lwb_plan_init(L, &pipeline->plan, 1, pipeline->columns);
    pipeline->close_timeout_us = options.close_timeout_us;
    pipeline->block_timeout_us = options.block_timeout_us;
    return 1;
}
