/* SPDX-License-Identifier: MIT
 * Claims: what a batch and marks have in common.
 * Invariant: a claim is lent by a pipeline and completed exactly once: by its complete method, or as a failed try
 * where it or its pipeline is collected before. Wrong use of complete raises and completes nothing. */
#include <stdio.h>
#include <string.h>

#include "lua/base/pipeline.h"

lwb_claim *lwb_claim_blank(lua_State *L, const lwb_kind *kind, int lender)
{
    lwb_claim *claim = lwb_new(L, kind);
    lua_createtable(L, 2, 0);
    lua_pushvalue(L, lender);
    lua_rawseti(L, -2, 1);
    lwb_setuservalue(L, -2);
    return claim;
}

void lwb_claim_goes_to(lwb_claim *claim, const char *table)
{
    snprintf(claim->table, sizeof claim->table, "%s", table != NULL ? table : "");
}

void lwb_claim_link(lwb_claim *claim, lwb_pipeline *pipeline, void *work)
{
    claim->work = work;
    claim->pipeline = pipeline;
    claim->next = pipeline->claims;
    pipeline->claims = claim;
}

void lwb_claim_answer(lwb_claim *claim, const wb_outcome *outcome)
{
    lwb_pipeline *pipeline = claim->pipeline;
    lwb_claim **link = &pipeline->claims;
    while (*link != claim)
        link = &(*link)->next;
    *link = claim->next;
    pipeline->complete(pipeline, claim, outcome);
    claim->work = NULL;
    claim->pipeline = NULL;
}

static const wb_outcome collected = {
    .code = WB_STORE, .error_class = WB_RETRY, .text = "claim collected without being completed"};

void lwb_claim_drop(lwb_claim *claim)
{
    if (claim->work == NULL)
        return;
    if (claim->pipeline != NULL)
        lwb_claim_answer(claim, &collected);
    else
        wb_batch_free(claim->work);
    claim->work = NULL;
}

lwb_claim *lwb_claim_check(lua_State *L, int index, const lwb_kind *kind)
{
    lwb_claim *claim = lwb_check(L, index, kind);
    if (claim->work == NULL)
        luaL_error(L, "%s: already completed: its rows are the owner's again", kind->name);
    return claim;
}

static int class_check(lua_State *L, int index)
{
    return luaL_checkoption(L, index, "retry", lwb_class_names);
}

/* The error's text, anchored at `index`. */
static const char *error_text(lua_State *L, int index)
{
    if (lua_isnil(L, index))
        return "the store failed and gave no error";
    if (!lua_isstring(L, index)) {
        if (!luaL_callmeta(L, index, "__tostring") || !lua_isstring(L, -1))
            lua_pushfstring(L, "an error that is a %s", luaL_typename(L, index));
        lua_replace(L, index);
    }
    return lua_tostring(L, index);
}

/* helpers.retry(batcher, batch, err, class) → seconds, false to give up, or nil for the built-in rule */
static void call_retry(lua_State *L, wb_outcome *outcome)
{
    lwb_helper(L, "retry");
    lwb_getuservalue(L, 1);
    lua_rawgeti(L, -1, 1);
    lua_remove(L, -2);
    lua_pushvalue(L, 1);
    lua_pushstring(L, outcome->text);
    lua_pushstring(L, lwb_class_names[outcome->error_class]);
    lua_call(L, 4, 1);
    if (lua_isboolean(L, -1))
        outcome->retry_us = WB_NEVER;
    else if (lua_isnumber(L, -1))
        outcome->retry_us = lwb_check_delay(L, -1);
    lua_pop(L, 1);
}

/* complete(nil, err [, class [, stored]]), or of a batch complete(nil, err, what became of each row) */
static void failure_check(lua_State *L, const lwb_claim *claim, wb_outcome *out)
{
    luaL_argcheck(L, !lua_toboolean(L, 2), 2, "expected true, or nil and an error");
    out->code = WB_STORE;
    out->text = error_text(L, 3);
    if (lua_istable(L, 4) && claim->kind == &lwb_batch_kind) {
        lwb_check_verdicts(L, 4, claim->count, out);
        return;
    }
    out->error_class = class_check(L, 4);
    double stored = luaL_optnumber(L, 5, 0);
    luaL_argcheck(L,
                  stored >= 0 && stored <= (double)claim->count && stored == (double)(size_t)stored,
                  5, "expected how many leading rows are stored");
    out->stored = (uint64_t)stored;
}

static uint64_t count_check(lua_State *L, int index, size_t default_count, size_t limit)
{
    double count = luaL_optnumber(L, index, (double)default_count);
    luaL_argcheck(L, count >= 0 && count <= (double)limit && count == (double)(size_t)count, index,
                  "expected a count of ids");
    return (uint64_t)count;
}

/* { retry = { index, … } } at 2: the marks that come again. Pushes the list; true's is nil. */
static size_t push_again(lua_State *L, const lwb_claim *claim)
{
    if (!lua_istable(L, 2)) {
        lua_pushnil(L);
        return 0;
    }
    lua_pushliteral(L, "retry");
    lua_rawget(L, 2);
    luaL_argcheck(L, lua_istable(L, -1), 2, "expected true, or { retry = { index, … } }");
    size_t count = lwb_rawlen(L, -1);
    luaL_argcheck(L, count <= claim->count, 2, "retry: more indexes than there are ids");
    for (size_t i = 1; i <= count; i++) {
        lua_rawgeti(L, -1, (int)i);
        lua_Number index = lua_tonumber(L, -1);
        bool good =
            index >= 1 && index <= (lua_Number)claim->count && index == (lua_Number)(size_t)index;
        luaL_argcheck(L, good, 2, "retry: expected indexes of ids, from 1");
        lua_pop(L, 1);
    }
    return count;
}

static void mark_again(lua_State *L, lwb_claim *claim, size_t count)
{
    for (size_t i = 1; i <= count; i++) {
        lua_rawgeti(L, -1, (int)i);
        wb_marks_again(claim->work, (size_t)lua_tonumber(L, -1) - 1);
        lua_pop(L, 1);
    }
}

/* complete(true), of marks: complete(true or { retry = { index, … } } [, updated [, unmatched]]). All is checked before
 * anything changes. */
static void success_check(lua_State *L, lwb_claim *claim)
{
    if (claim->kind != &lwb_marks_kind)
        return;
    size_t again = push_again(L, claim);
    size_t settled = claim->count - again;
    uint64_t updated = count_check(L, 3, settled, settled);
    claim->unmatched = count_check(L, 4, 0, settled - updated);
    claim->updated = updated;
    mark_again(L, claim, again);
    lua_pop(L, 1);
}

static lwb_claim *any_claim(lua_State *L)
{
    const lwb_kind *kind = lwb_test(L, 1, &lwb_marks_kind) ? &lwb_marks_kind : &lwb_batch_kind;
    lwb_claim *claim = lwb_check(L, 1, kind);
    if (claim->work == NULL)
        luaL_error(L, "complete: the %s is completed already", kind->name);
    if (claim->pipeline == NULL)
        luaL_error(L, "complete: this %s is nobody's claim", kind->name);
    return claim;
}

/* The claim is at 1. */
static void ask_retry(lua_State *L, const lwb_claim *claim, wb_outcome *outcome)
{
    bool failed = outcome->code != WB_OK && outcome->error_class != WB_REJECT;
    if (failed && claim->pipeline != NULL && claim->pipeline->asks_retry)
        call_retry(L, outcome);
}

int lwb_claim_complete(lua_State *L)
{
    lwb_claim *claim = any_claim(L);
    wb_outcome outcome = claim->written;
    luaL_checkany(L, 2);
    lua_settop(L, 5);
    bool some = lua_istable(L, 2) && claim->kind == &lwb_marks_kind;
    if (some || (lua_isboolean(L, 2) && lua_toboolean(L, 2)))
        success_check(L, claim);
    else
        failure_check(L, claim, &outcome);
    ask_retry(L, claim, &outcome);
    if (claim->work == NULL) /* an error's __tostring may complete it, or a policy */
        return luaL_error(L, "complete: completed meanwhile");
    lwb_claim_answer(claim, &outcome);
    lua_pushboolean(L, 1);
    return 1;
}

/* (claim, outcome) */
static int ask_protected(lua_State *L)
{
    wb_outcome *outcome = lua_touserdata(L, 2);
    ask_retry(L, lua_touserdata(L, 1), outcome);
    return 0;
}

/* Where asking fails, the built-in rule decides. It must not raise: the claim has to leave its pipeline's list
 * before its memory is gone. */
static void ask_collected(lua_State *L, wb_outcome *outcome)
{
    lua_settop(L, 1);
    lua_pushcfunction(L, ask_protected);
    lua_pushvalue(L, 1);
    lua_pushlightuserdata(L, outcome);
    if (lua_pcall(L, 2, 0, 0) != 0)
        outcome->retry_us = 0;
    lua_settop(L, 1);
}

int lwb_claim_gc(lua_State *L)
{
    const lwb_kind *kind = lwb_test(L, 1, &lwb_marks_kind) ? &lwb_marks_kind : &lwb_batch_kind;
    lwb_claim *claim = lwb_test(L, 1, kind);
    if (claim == NULL)
        return 0;
    wb_outcome outcome = collected;
    if (claim->work != NULL && claim->pipeline != NULL && claim->pipeline->asks_retry)
        ask_collected(L, &outcome);
    if (claim->work != NULL && claim->pipeline != NULL)
        lwb_claim_answer(claim, &outcome);
    lwb_claim_drop(claim);
    return 0;
}
